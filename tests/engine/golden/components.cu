/* rkeops
 * Max_Reduction over j, 12 components, float64
 * parameters: 0 slots of 0 components, 0 steps, 0 operations, panels of 0 components
 * rows: 1 slots of 6 components, 0 steps, 6 operations, panels of 0 components
 * columns: 1 slots of 6 components, 0 steps, 6 operations, panels of 0 components
 * pairs: 3 steps, 195 operations, panels of 6 components
 * tile: 2 x 4 vectors of 8 bytes, lanes along the kept index
 * 128 threads
 */
#undef RK_TYPE
#define RK_TYPE 64
#define rk_column(j, v) ((j) + (v))
enum { K = 1 };
typedef struct {
  vec v[12][2][K];
} rk_state;
RK_INLINE void rk_enter(vec *v, vec g) {
  v[0] = rk_min(g, v[0]);
}
RK_INLINE void rk_start(rk_state *z) {
  for (int k = 0; k < 12; k++) rk_each (u, 2) {
    for (int r = 0; r < K; r++) {
      z->v[k][u][r] = rk_num(RK_INF);
    }
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long ld) {
  for (int k = 0; k < 12; k++) {
    for (int r = 0; r < K; r++) {
      const real g = rk_lane(z->v[k][u][r], l);
      values[(k * K + r) * ld] = g;
    }
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_tile(const int nv, const real (&x)[6][2], const real *restrict y, const real *restrict params, rk_int j, rk_state *z, char *panel) {
  vec n4[4][2]; /* Sum */
  rk_each (v, nv) rk_each (u, 2) {
    n4[v][u] = rk_num(0);
  }
  vec (*const n7)[4][2] = (vec (*)[4][2])panel;
  panel += 48 * sizeof(vec);
  for (int k = 0; k < 6; k++) {
    rk_each (v, nv) rk_each (u, 2) {
      const vec t1 = x[k][u];
      const vec t2 = y[v * 6 + k];
      const vec t3 = t1 - t2;
      const vec t4 = t3 * t3;
      n4[v][u] = n4[v][u] + t4;
      const vec t5 = rk_exp(t3);
      n7[k][v][u] = t5;
    }
  }
  vec n5[4][2]; /* Rsqrt */
  rk_each (v, nv) rk_each (u, 2) {
    const vec t6 = rk_rsqrt(n4[v][u]);
    n5[v][u] = t6;
  }
  vec n9[4][2]; /* Sum */
  rk_each (v, nv) rk_each (u, 2) {
    n9[v][u] = rk_num(0);
  }
  rk_each (k, 6) {
    rk_each (v, nv) rk_each (u, 2) {
      n9[v][u] = n9[v][u] + n7[k][v][u];
    }
  }
  rk_each (k, 6) {
    vec g[4][2];
    rk_each (v, nv) rk_each (u, 2) {
      const vec t7 = x[k][u];
      const vec t8 = y[v * 6 + k];
      const vec t9 = t7 - t8;
      const vec t10 = n5[v][u] * t9;
      const vec t11 = t10 * n9[v][u];
      const vec t12 = -t11;
      g[v][u] = t12;
    }
    rk_each (u, 2) {
      rk_each (v, nv) rk_enter(z->v[k][u], g[v][u]);
    }
  }
  rk_each (k, 6) {
    vec g[4][2];
    rk_each (v, nv) rk_each (u, 2) {
      const vec t13 = n7[k][v][u] * n9[v][u];
      const vec t14 = -t13;
      g[v][u] = t14;
    }
    rk_each (u, 2) {
      rk_each (v, nv) rk_enter(z->v[(k + 6)][u], g[v][u]);
    }
  }
}
extern "C" __global__ void __launch_bounds__(128) rk_pair(const real *restrict rows, const real *restrict columns, const real *restrict params, int m, int n, long long first, double *restrict values, long long *restrict positions, long long ld) {
  const real *const own = rows + (long long)blockIdx.x * 1536 + threadIdx.x;
  real x[6][2];
  rk_each (k, 6) rk_each (u, 2) x[k][u] = own[(k * 2 + u) * 128];
  rk_state local, *const z = &local;
  __align__(16) char panel[384];
  rk_start(z);
  __shared__ __align__(16) real shared[2][768];
  for (int e = threadIdx.x; e < 768 && e < n * 6; e += 128) shared[0][e] = columns[e];
  for (int from = 0, now = 0; from < n; from += 128, now ^= 1) {
    const int count = n - from < 128 ? n - from : 128;
    __syncthreads(); /* the tile is there, and nobody reads the other one any more */
    const int next = n - from - 128 < 128 ? n - from - 128 : 128;
    const real *const ahead = columns + (long long)(from + 128) * 6;
    for (int e = threadIdx.x; e < next * 6; e += 128) shared[now ^ 1][e] = ahead[e];
    int j = 0;
    for (; j + 4 <= count; j += 4)
      rk_tile(4, x, shared[now] + j * 6, params, (rk_int)(from + j), z, panel);
    for (; j < count; j++) rk_tile(1, x, shared[now] + j * 6, params, (rk_int)(from + j), z, panel);
  }
  rk_each (u, 2) {
    const int row = (blockIdx.x * 2 + u) * 128 + threadIdx.x;
    if (row < m) rk_leave(z, u, 0, first, values + row, positions + row, ld);
  }
}
