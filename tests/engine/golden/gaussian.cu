/* rkeops
 * Sum_Reduction over j, 1 component, float32
 *   v0 = Vi(3)
 *   v1 = Vj(1)
 *   v2 = Vj(3)
 *   v3 = Pm(3)
 *   v4 = Pm(1)
 *   Sum_Reduction(exp2((-(1.4426950408889634 * v4)) * Sum(Square((v0 - v3) - (v2 - v3)))) * v1, j)
 * parameters: 2 slots of 4 components, 1 steps, 6 operations, panels of 0 components
 *   step 1:
 *     n14 = -(1.4426950408889634 * v4)
 *   p[0] = n14
 *   p[1:3] = v3
 * rows: 1 slots of 3 components, 0 steps, 6 operations, panels of 0 components
 *   x[0:2] = v0 - p[1:3]
 * columns: 2 slots of 4 components, 0 steps, 7 operations, panels of 0 components
 *   y[0] = v1
 *   y[1:3] = v2 - p[1:3]
 * pairs: 2 steps, 23 operations, panels of 0 components
 *   step 1, for each of 3 components:
 *     n24 = Sum(Square(x[0:2] - y[1:3]))
 *   step 2:
 *     n27 = exp2(p[0] * n24) * y[0]
 *   reduced: n27
 * tile: 4 x 8 vectors of 4 bytes, lanes along the kept index
 * walk: 128 threads for 512 rows x 128 columns, 4 x 8 of them in a thread, in registers
 */
#undef RK_TYPE
#define RK_TYPE 64
extern "C" __global__ void rk_parameters(const double *restrict in, double *restrict exact, float *restrict packed) {
  if (threadIdx.x) return;
  enum { rk_at3 = 0 };
  enum { rk_at4 = 3 };
  vec n14[1][1]; /* Minus */
  {
    enum { u = 0, v = 0 };
    const vec t1 = in[rk_at4 + (0)];
    const vec t2 = rk_num(1.4426950408889634) * t1;
    const vec t3 = -t2;
    n14[v][u] = t3;
  }
  {
    {
      enum { u = 0, v = 0 };
      exact[0] = n14[v][u];
    }
  }
  for (int k = 0; k < 3; k++) {
    {
      enum { u = 0, v = 0 };
      const vec t4 = in[rk_at3 + (k)];
      exact[(k + 1)] = t4;
    }
  }
  for (int k = 0; k < 4; k++) packed[k] = rk_narrow32(exact[k]);
}
typedef struct {
  const double *x0; long long ld0;
} rk_row_inputs;
extern "C" __global__ void rk_rows(rk_row_inputs in, const double *restrict params, float *restrict out, int n, int to) {
  const int i = blockIdx.x * 128 + threadIdx.x, r = i < n ? i : n - 1;
  if (i >= to) return;
  for (int k = 0; k < 3; k++) {
    {
      enum { u = 0, v = 0 };
      const vec t1 = rk_given(in.x0, k, in.ld0, r);
      const vec t2 = params[(k + 1)];
      const vec t3 = t1 - t2;
      out[((long long)(i / 512) * 3 + (k)) * 512 + i % 512] = float(t3);
    }
  }
}
typedef struct {
  const double *x1; long long ld1;
  const double *x2; long long ld2;
} rk_column_inputs;
extern "C" __global__ void rk_columns(rk_column_inputs in, const double *restrict params, float *restrict out, int n, int to) {
  const int i = blockIdx.x * 128 + threadIdx.x, r = i < n ? i : n - 1;
  if (i >= to) return;
  {
    {
      enum { u = 0, v = 0 };
      const vec t1 = rk_given(in.x1, 0, in.ld1, r);
      out[(long long)i * 4 + (0)] = float(t1);
    }
  }
  for (int k = 0; k < 3; k++) {
    {
      enum { u = 0, v = 0 };
      const vec t2 = rk_given(in.x2, k, in.ld2, r);
      const vec t3 = params[(k + 1)];
      const vec t4 = t2 - t3;
      out[(long long)i * 4 + ((k + 1))] = float(t4);
    }
  }
}
static __device__ void rk_merge_state(double *v, int64_t *p, ptrdiff_t ld, const double *w, const int64_t *q, ptrdiff_t lw, int K) { (void)p; (void)q; for (int c = 0; c < K; c++) v[c * ld] += w[c * lw]; }
extern "C" __global__ void rk_merge(double *values, long long *positions, long long ld, const double *from_values, const long long *from_positions, long long from_ld, int m, int parts, int fresh) {
  const int row = blockIdx.x * 128 + threadIdx.x;
  if (row >= m) return;
  for (int c = blockIdx.y; c < 1; c += gridDim.y) {
    enum { K = 1 };
    double *const v = values + (long long)c * K * ld + row;
    long long *const p = 0;
    if (fresh) for (int k = 0; k < K; k++) {
      v[k * ld] = 0;
    }
    for (int part = 0; part < parts; part++) {
      rk_merge_state(v, p, ld, from_values + ((long long)part * 1 + c * K) * from_ld + row,
        0, from_ld, K);
    }
  }
}
static __device__ double rk_number_0(const rk_row_state *f, int column) { (void)column; return f->sum; }
extern "C" __global__ void rk_finish(const double *values, const long long *positions, long long ld, int m, double *number, long long *position, long long out_ld, int as_numbers) {
  const int row = blockIdx.x * 128 + threadIdx.x;
  if (row >= m) return;
  if (!as_numbers || !0) for (int c = 0; c < 1; c++) {
    const int component = c / 1 - 0;
    rk_row_state state;
    state.head = values[row];
    state.first = values[0 * ld + row];
    state.sum = state.value = 0;
    const long long place = 0 + (long long)(component + 0) * 1 + c % 1;
    if (component >= 0) state.sum = state.value = values[place * ld + row];
    number[c * out_ld + row] = rk_number_0(&state, component);
  }
}
#undef RK_TYPE
#define RK_TYPE 32
#define rk_column(j, v) ((j) + (v))
#define RK_RANKS RK_UNROLLED
#define RK_STOP(done) /* in registers: no branches */
typedef rk_sum_wide rk_sum;
typedef struct {
  vec s[1][4];
  rk_sum S[1][4];
} rk_state;
RK_INLINE void rk_flush(rk_state *z) {
  rk_each (k, 1) {
    rk_each (u, 4) {
      rk_sum_wide_add(&z->S[k][u], z->s[k][u]);
      z->s[k][u] = rk_num(0);
    }
  }
}
RK_INLINE void rk_start(rk_state *z) {
  rk_each (k, 1) {
    rk_each (u, 4) {
      z->s[k][u] = rk_num(0);
      rk_sum_wide_start(&z->S[k][u]);
    }
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long long ld) {
  rk_each (k, 1) {
    values[(k + 0) * ld] = rk_sum_wide_lane(&z->S[k][u], l);
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_tile(const int nv, const real (&x)[3][4], const real *restrict y, const real *restrict params, int j, rk_state *z, char *panel) {
  vec n24[8][4]; /* Sum */
  rk_each (v, nv) rk_each (u, 4) {
    n24[v][u] = rk_num(0);
  }
  rk_each (k, 3) {
    rk_each (v, nv) rk_each (u, 4) {
      const vec t1 = x[k][u];
      const vec t2 = y[v * 4 + (k + 1)];
      const vec t3 = t1 - t2;
      const vec t4 = t3 * t3;
      n24[v][u] = n24[v][u] + t4;
    }
  }
  vec n27[8][4]; /* Mult */
  rk_each (v, nv) rk_each (u, 4) {
    const vec t5 = params[0];
    const vec t6 = t5 * n24[v][u];
    const vec t7 = rk_exp2(t6);
    const vec t8 = y[v * 4 + 0];
    const vec t9 = t7 * t8;
    n27[v][u] = t9;
  }
  {
    vec t[4];
    rk_each (v, nv) rk_each (u, 4) {
      t[u] = v ? t[u] + n27[v][u] : n27[v][u];
    }
    rk_each (u, 4) z->s[0][u] += t[u];
  }
}
extern "C" __global__ void __launch_bounds__(128, 1) rk_pair(const real *restrict rows, const real *restrict columns, const real *restrict params, int m, int n, int part, long long first, double *restrict values, long long *restrict positions, long long ld) {
  const int start = blockIdx.y * part, end = n - start < part ? n : start + part;
  const real *const own = rows + (long long)blockIdx.x * 1536 + threadIdx.x;
  real x[3][4];
  rk_each (k, 3) rk_each (u, 4) {
    x[k][u] = own[(k * 4 + u) * 128];
  }
  rk_state local, *const z = &local;
  char *const panel = 0;
  rk_start(z);
  __shared__ __align__(16) real shared[2][512];
  rk_copy(shared[0], columns + (long long)start * 4, 2048);
  for (int from = start, now = 0; from < end; from += 128, now ^= 1) {
    const int count = end - from < 128 ? end - from : 128;
    rk_copy_wait_all();
    __syncthreads(); /* the tile is there, and nobody reads the other one any more */
    if (from + 128 < end)
      rk_copy(shared[now ^ 1], columns + (long long)(from + 128) * 4, 2048);
    const real *const y = shared[now];
    int j = 0;
    while (j < count) {
      const int stop = count - j < 64 ? count : j + 64;
      for (; j + 8 <= stop; j += 8) rk_tile(8, x, y + j * 4, params, from + j, z, panel);
      for (; j < stop; j++) rk_tile(1, x, y + j * 4, params, from + j, z, panel);
      rk_flush(z);
    }
  }
  values += (long long)blockIdx.y * 1 * ld;
  positions += (long long)blockIdx.y * 0 * ld;
  rk_each (u, 4) {
    const int row = (blockIdx.x * 4 + u) * 128 + threadIdx.x;
    if (row < m) rk_leave(z, u, 0, first, values + row, positions + row, ld);
  }
}
#undef rk_column
#undef RK_RANKS
#undef RK_STOP
