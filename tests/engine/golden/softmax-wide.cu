/* rkeops
 * SumSoftMaxWeight_Reduction over i, 41 components, float32
 * parameters: 1 slots of 5 components, 0 steps, 5 operations, panels of 0 components
 * rows: 1 slots of 5 components, 0 steps, 15 operations, panels of 0 components
 * columns: 2 slots of 45 components, 0 steps, 55 operations, panels of 0 components
 * pairs: 2 steps, 73 operations, panels of 0 components
 * tile: 2 x 4 vectors of 4 bytes, lanes along the kept index
 * 128 threads
 */
#undef RK_TYPE
#define RK_TYPE 32
#define rk_column(j, v) ((j) + (v))
typedef rk_sum_wide rk_sum;
typedef struct {
  vec m[2];
  vec s[41][2];
  rk_sum S[41][2];
} rk_state;
RK_INLINE void rk_flush(rk_state *z) {
  for (int k = 0; k < 41; k++) rk_each (u, 2) {
    rk_sum_wide_add(&z->S[k][u], z->s[k][u]);
    z->s[k][u] = rk_num(0);
  }
}
RK_RARE void rk_raise(rk_state *z, int u, vec top) {
  const vec scale = rk_exp2(z->m[u] - top);
  z->m[u] = top;
  for (int k = 0; k < 41; k++) {
    z->s[k][u] *= scale;
    rk_sum_wide_scale(&z->S[k][u], scale);
  }
}
RK_INLINE void rk_start(rk_state *z) {
  rk_each (u, 2) z->m[u] = rk_num(-RK_LARGEST);
  for (int k = 0; k < 41; k++) rk_each (u, 2) {
    z->s[k][u] = rk_num(0);
    rk_sum_wide_start(&z->S[k][u]);
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long ld) {
  const real m = rk_lane(z->m[u], l);
  values[0] = m == -RK_LARGEST ? -1.7976931348623157e308 : m;
  for (int k = 0; k < 41; k++) {
    values[(k + 1) * ld] = rk_sum_wide_lane(&z->S[k][u], l);
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_tile(const int nv, const real (&x)[5][2], const real *restrict y, const real *restrict params, rk_int j, rk_state *z, char *panel) {
  vec n27[4][2]; /* Sum */
  rk_each (v, nv) rk_each (u, 2) {
    n27[v][u] = rk_num(0);
  }
  rk_each (k, 5) {
    rk_each (v, nv) rk_each (u, 2) {
      const vec t1 = y[v * 45 + k];
      const vec t2 = x[k][u];
      const vec t3 = t1 - t2;
      const vec t4 = t3 * t3;
      n27[v][u] = n27[v][u] + t4;
    }
  }
  vec n29[4][2]; /* Minus */
  rk_each (v, nv) rk_each (u, 2) {
    const vec t5 = rk_sqrt(n27[v][u]);
    const vec t6 = -t5;
    n29[v][u] = t6;
  }
  vec w[4][2];
  rk_each (v, nv) rk_each (u, 2) {
    w[v][u] = n29[v][u];
  }
  rk_each (u, 2) {
    vec top = z->m[u];
    rk_each (v, nv) top = rk_max(w[v][u], top);
    top = rk_min(top, rk_num(RK_LARGEST)); /* +Inf keeps a finite reference */
    if (rk_any(rk_gt(top, z->m[u]))) rk_raise(z, u, top);
    rk_each (v, nv) w[v][u] = rk_exp2(w[v][u] - z->m[u]);
  }
  {
    vec t[2];
    rk_each (v, nv) rk_each (u, 2) {
      t[u] = v ? t[u] + w[v][u] : w[v][u];
    }
    rk_each (u, 2) z->s[0][u] += t[u];
  }
  for (int k = 0; k < 40; k++) {
    vec t[2];
    rk_each (v, nv) rk_each (u, 2) {
      const vec t7 = y[v * 45 + (k + 5)];
      t[u] = v ? t[u] + w[v][u] * t7 : w[v][u] * t7;
    }
    rk_each (u, 2) z->s[(k + 1)][u] += t[u];
  }
}
extern "C" __global__ void __launch_bounds__(128) rk_pair(const real *restrict rows, const real *restrict columns, const real *restrict params, int m, int n, long long first, double *restrict values, long long *restrict positions, long long ld) {
  const real *const own = rows + (long long)blockIdx.x * 1280 + threadIdx.x;
  real x[5][2];
  rk_each (k, 5) rk_each (u, 2) x[k][u] = own[(k * 2 + u) * 128];
  rk_state local, *const z = &local;
  char *const panel = 0;
  rk_start(z);
  __shared__ __align__(16) real shared[2][2880];
  for (int e = threadIdx.x; e < 2880 && e < n * 45; e += 128) shared[0][e] = columns[e];
  for (int from = 0, now = 0; from < n; from += 64, now ^= 1) {
    const int count = n - from < 64 ? n - from : 64;
    __syncthreads(); /* the tile is there, and nobody reads the other one any more */
    const int next = n - from - 64 < 64 ? n - from - 64 : 64;
    const real *const ahead = columns + (long long)(from + 64) * 45;
    for (int e = threadIdx.x; e < next * 45; e += 128) shared[now ^ 1][e] = ahead[e];
    int j = 0;
    for (; j + 4 <= count; j += 4)
      rk_tile(4, x, shared[now] + j * 45, params, (rk_int)(from + j), z, panel);
    for (; j < count; j++) rk_tile(1, x, shared[now] + j * 45, params, (rk_int)(from + j), z, panel);
    rk_flush(z);
  }
  rk_each (u, 2) {
    const int row = (blockIdx.x * 2 + u) * 128 + threadIdx.x;
    if (row < m) rk_leave(z, u, 0, first, values + row, positions + row, ld);
  }
}
