/* rkeops
 * KMin_ArgKMin_Reduction over j, 1 component, float32
 * parameters: 1 slots of 100 components, 0 steps, 100 operations, panels of 0 components
 * rows: 1 slots of 100 components, 0 steps, 200 operations, panels of 0 components
 * columns: 1 slots of 100 components, 0 steps, 200 operations, panels of 0 components
 * pairs: 1 steps, 301 operations, panels of 0 components
 * tile: 2 x 4 vectors of 4 bytes, lanes along the kept index
 * 128 threads
 */
#undef RK_TYPE
#define RK_TYPE 32
#define rk_column(j, v) ((j) + (v))
enum { K = 10 };
typedef struct {
  vec v[1][2][K];
  ivec p[1][2][K];
} rk_state;
RK_INLINE int rk_changes(const vec *v, vec g) {
  return rk_any(rk_not(rk_ge(g, v[K - 1])));
}
RK_CALLED void rk_enter(vec *v, ivec *p, vec g, ivec j) {
  mask in = rk_and(rk_not(rk_ge(g, v[K - 1])), rk_eq(g, g));
  for (int r = K - 1; r > 0; r--) {
    const mask up = rk_and(in, rk_not(rk_ge(g, v[r - 1])));
    v[r] = rk_select(up, v[r - 1], rk_select(in, g, v[r]));
    p[r] = rk_iselect(up, p[r - 1], rk_iselect(in, j, p[r]));
    in = up;
    if (!rk_any(in)) return;
  }
  v[0] = rk_select(in, g, v[0]);
  p[0] = rk_iselect(in, j, p[0]);
}
RK_INLINE void rk_start(rk_state *z) {
  for (int k = 0; k < 1; k++) rk_each (u, 2) {
    for (int r = 0; r < K; r++) {
      z->v[k][u][r] = rk_num(RK_NAN);
      z->p[k][u][r] = rk_ibroadcast(0);
    }
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long ld) {
  for (int k = 0; k < 1; k++) {
    for (int r = 0; r < K; r++) {
      const real g = rk_lane(z->v[k][u][r], l);
      values[(k * K + r) * ld] = g == g ? g : RK_INF;
      positions[(k * K + r) * ld] = g == g ? first + rk_lane(z->p[k][u][r], l) : RK_NO_POSITION;
    }
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_tile(const int nv, const real *restrict x, const real *restrict y, const real *restrict params, rk_int j, rk_state *z, char *panel) {
  vec n11[4][2]; /* Sum */
  rk_each (v, nv) rk_each (u, 2) {
    n11[v][u] = rk_num(0);
  }
  for (int k = 0; k < 100; k++) {
    rk_each (v, nv) rk_each (u, 2) {
      const vec t1 = x[((k) * 2 + u) * 128];
      const vec t2 = y[v * 100 + k];
      const vec t3 = t1 - t2;
      const vec t4 = t3 * t3;
      n11[v][u] = n11[v][u] + t4;
    }
  }
  {
    vec g[4][2];
    rk_each (v, nv) rk_each (u, 2) {
      g[v][u] = n11[v][u];
    }
    rk_each (u, 2) {
      vec least = rk_num(RK_INF);
      rk_each (v, nv) least = rk_min(g[v][u], least);
      if (rk_changes(z->v[0][u], least)) rk_each (v, nv)
        if (rk_changes(z->v[0][u], g[v][u])) rk_enter(z->v[0][u], z->p[0][u], g[v][u], rk_column(j, v));
    }
  }
}
extern "C" __global__ void __launch_bounds__(128) rk_pair(const real *restrict rows, const real *restrict columns, const real *restrict params, int m, int n, long long first, double *restrict values, long long *restrict positions, long long ld) {
  const real *const own = rows + (long long)blockIdx.x * 25600 + threadIdx.x;
  const real *const x = own;
  rk_state local, *const z = &local;
  char *const panel = 0;
  rk_start(z);
  __shared__ __align__(16) real shared[2][3200];
  for (int e = threadIdx.x; e < 3200 && e < n * 100; e += 128) shared[0][e] = columns[e];
  for (int from = 0, now = 0; from < n; from += 32, now ^= 1) {
    const int count = n - from < 32 ? n - from : 32;
    __syncthreads(); /* the tile is there, and nobody reads the other one any more */
    const int next = n - from - 32 < 32 ? n - from - 32 : 32;
    const real *const ahead = columns + (long long)(from + 32) * 100;
    for (int e = threadIdx.x; e < next * 100; e += 128) shared[now ^ 1][e] = ahead[e];
    int j = 0;
    for (; j + 4 <= count; j += 4)
      rk_tile(4, x, shared[now] + j * 100, params, (rk_int)(from + j), z, panel);
    for (; j < count; j++) rk_tile(1, x, shared[now] + j * 100, params, (rk_int)(from + j), z, panel);
  }
  rk_each (u, 2) {
    const int row = (blockIdx.x * 2 + u) * 128 + threadIdx.x;
    if (row < m) rk_leave(z, u, 0, first, values + row, positions + row, ld);
  }
}
