/* rkeops
 * Max_Reduction over j, 12 components, float64
 *   v0 = Vi(6)
 *   v1 = Vj(6)
 *   t1 = v0 - v1
 *   t2 = Exp(t1)
 *   Max_Reduction(-(Concat(Rsqrt(Sum(Square(t1))) * t1, t2) * Sum(t2)), j)
 * parameters: 0 slots of 0 components, 0 steps, 0 operations, panels of 0 components
 * rows: 1 slots of 6 components, 0 steps, 6 operations, panels of 0 components
 *   x[0:5] = v0
 * columns: 1 slots of 6 components, 0 steps, 6 operations, panels of 0 components
 *   y[0:5] = v1
 * pairs: 3 steps, 195 operations, panels of 6 components
 *   step 1, for each of 6 components:
 *     n4 = Sum(Square(t1))
 *     n7 = Exp(t1)
 *   step 2:
 *     n5 = Rsqrt(n4)
 *   step 3, for each of 6 components:
 *     n9 = Sum(n7)
 *   reduced: -(Concat(n5 * t1, n7) * n9)
 *   t1 = x[0:5] - y[0:5]
 * tile: 1 x 1 vectors of 8 bytes, lanes along the kept index
 * walk: 128 threads for 128 rows x 128 columns, 1 x 1 of them in a thread, in registers
 */
#undef RK_TYPE
#define RK_TYPE 64
extern "C" __global__ void rk_parameters(const double *restrict in, double *restrict exact, double *restrict packed) {
  if (threadIdx.x) return;
  for (int k = 0; k < 0; k++) packed[k] = rk_narrow64(exact[k]);
}
typedef struct {
  const double *x0; long long ld0;
} rk_row_inputs;
extern "C" __global__ void rk_rows(rk_row_inputs in, const double *restrict params, double *restrict out, int n, int to) {
  const int i = blockIdx.x * 128 + threadIdx.x, r = i < n ? i : n - 1;
  if (i >= to) return;
  for (int k = 0; k < 6; k++) {
    {
      enum { u = 0, v = 0 };
      const vec t1 = rk_given(in.x0, k, in.ld0, r);
      out[((long long)(i / 128) * 6 + (k)) * 128 + i % 128] = double(t1);
    }
  }
}
typedef struct {
  const double *x1; long long ld1;
} rk_column_inputs;
extern "C" __global__ void rk_columns(rk_column_inputs in, const double *restrict params, double *restrict out, int n, int to) {
  const int i = blockIdx.x * 128 + threadIdx.x, r = i < n ? i : n - 1;
  if (i >= to) return;
  for (int k = 0; k < 6; k++) {
    {
      enum { u = 0, v = 0 };
      const vec t1 = rk_given(in.x1, k, in.ld1, r);
      out[(long long)i * 6 + (k)] = double(t1);
    }
  }
}
static __device__ void rk_merge_state(double *v, int64_t *p, ptrdiff_t ld, const double *w, const int64_t *q, ptrdiff_t lw, int K) { (void)p; (void)q; (void)ld; (void)lw; (void)K; if (*w < *v) *v = *w; }
extern "C" __global__ void rk_merge(double *values, long long *positions, long long ld, const double *from_values, const long long *from_positions, long long from_ld, int m, int parts, int fresh) {
  const int row = blockIdx.x * 128 + threadIdx.x;
  if (row >= m) return;
  for (int c = blockIdx.y; c < 12; c += gridDim.y) {
    enum { K = 1 };
    double *const v = values + (long long)c * K * ld + row;
    long long *const p = 0;
    if (fresh) for (int k = 0; k < K; k++) {
      v[k * ld] = RK_INF;
    }
    for (int part = 0; part < parts; part++) {
      rk_merge_state(v, p, ld, from_values + ((long long)part * 12 + c * K) * from_ld + row,
        0, from_ld, K);
    }
  }
}
static __device__ double rk_number_0(const rk_row_state *f, int column) { (void)column; return f->value; }
extern "C" __global__ void rk_finish(const double *values, const long long *positions, long long ld, int m, double *number, long long *position, long long out_ld, int as_numbers) {
  const int row = blockIdx.x * 128 + threadIdx.x;
  if (row >= m) return;
  if (!as_numbers || !0) for (int c = 0; c < 12; c++) {
    const int component = c / 1 - 0;
    rk_row_state state;
    state.head = values[row];
    state.first = values[0 * ld + row];
    state.sum = state.value = 0;
    const long long place = 0 + (long long)(component + 0) * 1 + c % 1;
    if (component >= 0) state.sum = state.value = -values[place * ld + row];
    number[c * out_ld + row] = rk_number_0(&state, component);
  }
}
#define rk_column(j, v) ((j) + (v))
#define RK_RANKS RK_UNROLLED
#define RK_STOP(done) /* in registers: no branches */
enum { K = 1 };
typedef struct {
  vec v[12][1][K];
} rk_state;
RK_INLINE void rk_enter(vec *v, vec g) {
  v[0] = rk_min(g, v[0]);
}
RK_INLINE void rk_start(rk_state *z) {
  rk_each (k, 12) {
    rk_each (u, 1) {
      rk_each (r, 1) {
        z->v[k][u][r] = rk_num(RK_INF);
      }
    }
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long long ld) {
  rk_each (k, 12) {
    rk_each (r, 1) {
      values[(k * K + r) * ld] = rk_lane(z->v[k][u][r], l);
    }
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_tile(const int nv, const real (&x)[6][1], const real *restrict y, const real *restrict params, int j, rk_state *z, char *panel) {
  vec n4[1][1]; /* Sum */
  rk_each (v, nv) rk_each (u, 1) {
    n4[v][u] = rk_num(0);
  }
  vec n7[6][1][1]; /* Exp */
  rk_each (k, 6) {
    rk_each (v, nv) rk_each (u, 1) {
      const vec t1 = x[k][u];
      const vec t2 = y[v * 6 + k];
      const vec t3 = t1 - t2;
      const vec t4 = t3 * t3;
      n4[v][u] = n4[v][u] + t4;
      const vec t5 = rk_exp(t3);
      n7[k][v][u] = t5;
    }
  }
  vec n5[1][1]; /* Rsqrt */
  rk_each (v, nv) rk_each (u, 1) {
    const vec t6 = rk_rsqrt(n4[v][u]);
    n5[v][u] = t6;
  }
  vec n9[1][1]; /* Sum */
  rk_each (v, nv) rk_each (u, 1) {
    n9[v][u] = rk_num(0);
  }
  rk_each (k, 6) {
    rk_each (v, nv) rk_each (u, 1) {
      n9[v][u] = n9[v][u] + n7[k][v][u];
    }
  }
  rk_each (k, 6) {
    vec g[1][1];
    rk_each (v, nv) rk_each (u, 1) {
      const vec t7 = x[k][u];
      const vec t8 = y[v * 6 + k];
      const vec t9 = t7 - t8;
      const vec t10 = n5[v][u] * t9;
      const vec t11 = t10 * n9[v][u];
      const vec t12 = -t11;
      g[v][u] = t12;
    }
    rk_each (u, 1) rk_each (v, nv) rk_enter(z->v[k][u], g[v][u]);
  }
  rk_each (k, 6) {
    vec g[1][1];
    rk_each (v, nv) rk_each (u, 1) {
      const vec t13 = n7[k][v][u] * n9[v][u];
      const vec t14 = -t13;
      g[v][u] = t14;
    }
    rk_each (u, 1) rk_each (v, nv) rk_enter(z->v[(k + 6)][u], g[v][u]);
  }
}
extern "C" __global__ void __launch_bounds__(128, 1) rk_pair(const real *restrict rows, const real *restrict columns, const real *restrict params, int m, int n, int part, long long first, double *restrict values, long long *restrict positions, long long ld) {
  const int start = blockIdx.y * part, end = n - start < part ? n : start + part;
  const real *const own = rows + (long long)blockIdx.x * 768 + threadIdx.x;
  real x[6][1];
  rk_each (k, 6) rk_each (u, 1) {
    x[k][u] = own[(k * 1 + u) * 128];
  }
  rk_state local, *const z = &local;
  char *const panel = 0;
  rk_start(z);
  __shared__ __align__(16) real shared[2][768];
  rk_copy(shared[0], columns + (long long)start * 6, 6144);
  for (int from = start, now = 0; from < end; from += 128, now ^= 1) {
    const int count = end - from < 128 ? end - from : 128;
    rk_copy_wait_all();
    __syncthreads(); /* the tile is there, and nobody reads the other one any more */
    if (from + 128 < end)
      rk_copy(shared[now ^ 1], columns + (long long)(from + 128) * 6, 6144);
    const real *const y = shared[now];
    int j = 0;
    const int stop = count;
    for (; j + 1 <= stop; j += 1) rk_tile(1, x, y + j * 6, params, from + j, z, panel);
  }
  values += (long long)blockIdx.y * 12 * ld;
  positions += (long long)blockIdx.y * 0 * ld;
  rk_each (u, 1) {
    const int row = (blockIdx.x * 1 + u) * 128 + threadIdx.x;
    if (row < m) rk_leave(z, u, 0, first, values + row, positions + row, ld);
  }
}
#undef rk_column
#undef RK_RANKS
#undef RK_STOP
