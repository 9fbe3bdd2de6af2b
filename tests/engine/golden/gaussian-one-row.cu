/* rkeops
 * Sum_Reduction over j, 1 component, float64
 * parameters: 0 slots of 0 components, 0 steps, 0 operations, panels of 0 components
 * rows: 1 slots of 3 components, 0 steps, 6 operations, panels of 0 components
 * columns: 2 slots of 4 components, 0 steps, 7 operations, panels of 0 components
 * pairs: 2 steps, 25 operations, panels of 0 components
 * tile: 2 x 4 vectors of 8 bytes, lanes along the kept index
 * 128 threads
 */
#undef RK_TYPE
#define RK_TYPE 64
#define rk_column(j, v) ((j) + (v))
typedef rk_sum_same rk_sum;
typedef struct {
  vec s[1][2];
  rk_sum S[1][2];
} rk_state;
RK_INLINE void rk_flush(rk_state *z) {
  for (int k = 0; k < 1; k++) rk_each (u, 2) {
    rk_sum_same_add(&z->S[k][u], z->s[k][u]);
    z->s[k][u] = rk_num(0);
  }
}
RK_INLINE void rk_start(rk_state *z) {
  for (int k = 0; k < 1; k++) rk_each (u, 2) {
    z->s[k][u] = rk_num(0);
    rk_sum_same_start(&z->S[k][u]);
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long ld) {
  for (int k = 0; k < 1; k++) {
    values[(k + 0) * ld] = rk_sum_same_lane(&z->S[k][u], l);
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_tile(const int nv, const real (&x)[3][2], const real *restrict y, const real *restrict params, rk_int j, rk_state *z, char *panel) {
  vec n20[4][2]; /* Sum */
  rk_each (v, nv) rk_each (u, 2) {
    n20[v][u] = rk_num(0);
  }
  rk_each (k, 3) {
    rk_each (v, nv) rk_each (u, 2) {
      const vec t1 = x[k][u];
      const vec t2 = y[v * 4 + (k + 1)];
      const vec t3 = t1 - t2;
      const vec t4 = t3 * t3;
      const vec t5 = -t4;
      n20[v][u] = n20[v][u] + t5;
    }
  }
  vec n22[4][2]; /* Mult */
  rk_each (v, nv) rk_each (u, 2) {
    const vec t6 = rk_exp2(n20[v][u]);
    const vec t7 = y[v * 4 + 0];
    const vec t8 = t6 * t7;
    n22[v][u] = t8;
  }
  {
    vec t[2];
    rk_each (v, nv) rk_each (u, 2) {
      t[u] = v ? t[u] + n22[v][u] : n22[v][u];
    }
    rk_each (u, 2) z->s[0][u] += t[u];
  }
}
extern "C" __global__ void __launch_bounds__(128) rk_pair(const real *restrict rows, const real *restrict columns, const real *restrict params, int m, int n, long long first, double *restrict values, long long *restrict positions, long long ld) {
  const real *const own = rows + (long long)blockIdx.x * 768 + threadIdx.x;
  real x[3][2];
  rk_each (k, 3) rk_each (u, 2) x[k][u] = own[(k * 2 + u) * 128];
  rk_state local, *const z = &local;
  char *const panel = 0;
  rk_start(z);
  __shared__ __align__(16) real shared[2][512];
  for (int e = threadIdx.x; e < 512 && e < n * 4; e += 128) shared[0][e] = columns[e];
  for (int from = 0, now = 0; from < n; from += 128, now ^= 1) {
    const int count = n - from < 128 ? n - from : 128;
    __syncthreads(); /* the tile is there, and nobody reads the other one any more */
    const int next = n - from - 128 < 128 ? n - from - 128 : 128;
    const real *const ahead = columns + (long long)(from + 128) * 4;
    for (int e = threadIdx.x; e < next * 4; e += 128) shared[now ^ 1][e] = ahead[e];
    int j = 0;
    for (; j + 4 <= count; j += 4)
      rk_tile(4, x, shared[now] + j * 4, params, (rk_int)(from + j), z, panel);
    for (; j < count; j++) rk_tile(1, x, shared[now] + j * 4, params, (rk_int)(from + j), z, panel);
    rk_flush(z);
  }
  rk_each (u, 2) {
    const int row = (blockIdx.x * 2 + u) * 128 + threadIdx.x;
    if (row < m) rk_leave(z, u, 0, first, values + row, positions + row, ld);
  }
}
