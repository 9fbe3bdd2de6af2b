/* rkeops
 * SumSoftMaxWeight_Reduction over i, 41 components, float32
 *   v0 = Vj(5)
 *   v1 = Vi(40)
 *   v2 = Vi(5)
 *   v3 = Pm(5)
 *   SumSoftMaxWeight_Reduction(-Sqrt(Sum(Square(((1.4426950408889634 * v2) - v3) - ((1.4426950408889634 * v0) - v3)))), v1, i)
 * parameters: 1 slots of 5 components, 0 steps, 5 operations, panels of 0 components
 *   p[0:4] = v3
 * rows: 1 slots of 5 components, 0 steps, 15 operations, panels of 0 components
 *   x[0:4] = (1.4426950408889634 * v0) - p[0:4]
 * columns: 2 slots of 45 components, 0 steps, 55 operations, panels of 0 components
 *   y[0:4] = (1.4426950408889634 * v2) - p[0:4]
 *   y[5:44] = v1
 * pairs: 2 steps, 73 operations, panels of 0 components
 *   step 1, for each of 5 components:
 *     n28 = Sum(Square(y[0:4] - x[0:4]))
 *   step 2:
 *     n30 = -Sqrt(n28)
 *   reduced: n30
 *   weighted by Concat(1, y[5:44])
 * tile: 4 x 4 vectors of 4 bytes, lanes along the kept index
 * blocked: 256 threads for 64 rows x 64 columns, 4 x 4 of them in a thread, in registers
 * 2 steps shared; 4 rows and 3 components of the result in a thread
 */
#undef RK_TYPE
#define RK_TYPE 64
extern "C" __global__ void rk_parameters(const double *restrict in, double *restrict exact, float *restrict packed) {
  if (threadIdx.x) return;
  enum { rk_at3 = 0 };
  for (int k = 0; k < 5; k++) {
    {
      enum { u = 0, v = 0 };
      const vec t1 = in[rk_at3 + (k)];
      exact[k] = t1;
    }
  }
  for (int k = 0; k < 5; k++) packed[k] = rk_narrow32(exact[k]);
}
typedef struct {
  const double *x0; long long ld0;
} rk_row_inputs;
extern "C" __global__ void rk_rows(rk_row_inputs in, const double *restrict params, float *restrict out, int n, int to) {
  const int i = blockIdx.x * 128 + threadIdx.x, r = i < n ? i : n - 1;
  if (i >= to) return;
  for (int k = 0; k < 5; k++) {
    {
      enum { u = 0, v = 0 };
      const vec t1 = rk_given(in.x0, k, in.ld0, r);
      const vec t2 = rk_num(1.4426950408889634) * t1;
      const vec t3 = params[k];
      const vec t4 = t2 - t3;
      out[((long long)(i / 64) * 5 + (k)) * 64 + i % 64] = float(t4);
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
  for (int k = 0; k < 5; k++) {
    {
      enum { u = 0, v = 0 };
      const vec t1 = rk_given(in.x2, k, in.ld2, r);
      const vec t2 = rk_num(1.4426950408889634) * t1;
      const vec t3 = params[k];
      const vec t4 = t2 - t3;
      out[((long long)(i / 64) * 45 + (k)) * 64 + i % 64] = float(t4);
    }
  }
  for (int k = 0; k < 40; k++) {
    {
      enum { u = 0, v = 0 };
      const vec t5 = rk_given(in.x1, k, in.ld1, r);
      out[((long long)(i / 64) * 45 + ((k + 5))) * 64 + i % 64] = float(t5);
    }
  }
}
static __device__ void rk_merge_state(double *v, int64_t *p, ptrdiff_t ld, const double *w, const int64_t *q, ptrdiff_t lw, int K) { (void)p; (void)q; const double common = *v > *w ? *v : *w; const double scale = *v == common ? 1 : exp2(*v - common); const double other = *w == common ? 1 : exp2(*w - common); *v = common; for (int c = 1; c < K; c++) v[c * ld] = v[c * ld] * scale + w[c * lw] * other; }
extern "C" __global__ void rk_merge(double *values, long long *positions, long long ld, const double *from_values, const long long *from_positions, long long from_ld, int m, int parts, int fresh) {
  const int row = blockIdx.x * 128 + threadIdx.x;
  if (row >= m) return;
  for (int c = blockIdx.y; c < 1; c += gridDim.y) {
    enum { K = 42 };
    double *const v = values + (long long)c * K * ld + row;
    long long *const p = 0;
    if (fresh) for (int k = 0; k < K; k++) {
      v[k * ld] = k ? 0 : -DBL_MAX;
    }
    for (int part = 0; part < parts; part++) {
      rk_merge_state(v, p, ld, from_values + ((long long)part * 42 + c * K) * from_ld + row,
        0, from_ld, K);
    }
  }
}
static __device__ double rk_number_0(const rk_row_state *f, int column) { (void)column; return f->sum / f->first; }
extern "C" __global__ void rk_finish(const double *values, const long long *positions, long long ld, int m, double *number, long long *position, long long out_ld, int as_numbers) {
  const int row = blockIdx.x * 128 + threadIdx.x;
  if (row >= m) return;
  if (!as_numbers || !0) for (int c = 0; c < 40; c++) {
    const int component = c / 1 - 0;
    rk_row_state state;
    state.head = values[row];
    state.first = values[1 * ld + row];
    state.sum = state.value = 0;
    const long long place = 1 + (long long)(component + 1) * 1 + c % 1;
    if (component >= 0) state.sum = state.value = values[place * ld + row];
    number[c * out_ld + row] = rk_number_0(&state, component);
  }
}
#undef RK_TYPE
#define RK_TYPE 32
#define rk_column(j, v) ((j) + (v))
#define RK_RANKS RK_UNROLLED
#define RK_STOP(done) /* in registers: no branches */
RK_INLINE void rk_values(const real *restrict x, const real *restrict y, const real *restrict params, char *stage, real (*shared)[64][64]) {
  enum { nv = 4 };
  char *const panel = 0;
  const int row4 = threadIdx.x % 16 * 4, column4 = threadIdx.x / 16 * 4;
  #define rk_row(u) ((u) / 4 * 64 + row4 + (u) % 4)
  #define rk_own(v) ((v) / 4 * 64 + column4 + (v) % 4)
  vec n28[4][4]; /* Sum */
  rk_each (v, nv) rk_each (u, 4) {
    n28[v][u] = rk_num(0);
  }
  rk_each (k, 5) {
    rk_each (v, nv) rk_each (u, 4) {
      const vec t1 = y[(k) * 64 + rk_own(v)];
      const vec t2 = x[(k) * 64 + rk_row(u)];
      const vec t3 = t1 - t2;
      const vec t4 = t3 * t3;
      n28[v][u] = n28[v][u] + t4;
    }
  }
  vec n30[4][4]; /* Minus */
  rk_each (v, nv) rk_each (u, 4) {
    const vec t5 = rk_sqrt(n28[v][u]);
    const vec t6 = -t5;
    n30[v][u] = t6;
  }
  rk_each (v, nv) rk_each (u, 4) {
    shared[0][rk_own(v)][rk_row(u)] = n30[v][u];
  }
  #undef rk_row
#undef rk_own
}
typedef rk_sum_wide rk_sum;
typedef struct {
  vec m[4];
  vec s[3][4];
  rk_sum S[3][4];
} rk_state;
RK_INLINE void rk_flush(rk_state *z) {
  rk_each (k, 3) {
    rk_each (u, 4) {
      rk_sum_wide_add(&z->S[k][u], z->s[k][u]);
      z->s[k][u] = rk_num(0);
    }
  }
}
RK_INLINE void rk_raise(rk_state *z, int u, vec top) {
  const vec scale = rk_exp2(z->m[u] - top);
  z->m[u] = top;
  rk_each (k, 3) {
    z->s[k][u] *= scale;
    rk_sum_wide_scale(&z->S[k][u], scale);
  }
}
RK_INLINE void rk_start(rk_state *z) {
  rk_each (u, 4) z->m[u] = rk_num(-RK_LARGEST);
  rk_each (k, 3) {
    rk_each (u, 4) {
      z->s[k][u] = rk_num(0);
      rk_sum_wide_start(&z->S[k][u]);
    }
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long long ld, int k0) {
  const real m = rk_lane(z->m[u], l);
  if (!k0) values[0] = m == -RK_LARGEST ? -1.7976931348623157e308 : m;
  rk_each (k, 3) {
    if (k0 + k < 41) values[(k + k0 + 1) * ld] = rk_sum_wide_lane(&z->S[k][u], l);
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_weigh(real (*g)[64], const int count, real *reference, real (*tops)[64]) {
  const int row = threadIdx.x % 64, set = threadIdx.x / 64, first = set * 16;
  const int left = count - first, n = left < 16 ? left : 16;
  real top = reference[row];
  for (int v = 0; v < n; v++) top = rk_max(g[first + v][row], top);
  tops[set][row] = top;
  __syncthreads(); /* now nobody reads the old references any more */
  rk_each (v, 4) top = rk_max(tops[v][row], top);
  top = rk_min(top, rk_num(RK_LARGEST)); /* +Inf keeps a finite reference */
  if (set == 0) reference[row] = top;
  for (int v = 0; v < n; v++) g[first + v][row] = rk_exp2(g[first + v][row] - top);
}
RK_INLINE void rk_tile(const int nv, const rk_quad<real> *restrict x, const rk_quad<real> *restrict y, const real *restrict params, int j, rk_state *z, const real *restrict shared, const int row0, const int k0) {
  char *const panel = 0;
  vec n30[4][4];
  rk_each (v, nv) rk_each (u, 4)
    n30[v][u] = shared[(0 + v) * 64 + row0 + u];
  vec w[4][4];
  rk_each (v, nv) rk_each (u, 4) {
    w[v][u] = n30[v][u];
  }
  rk_each (e, 3) {
    const int own = (k0 + e < 41 ? k0 + e : 40) - 0;
    const int k = own < 0 ? 0 : own > 0 ? 0 : own;
    vec t[4];
    rk_each (v, nv) rk_each (u, 4) {
      t[u] = v ? t[u] + w[v][u] : w[v][u];
    }
    rk_each (u, 4) z->s[e][u] += own == k ? t[u] : 0;
  }
  rk_each (e, 3) {
    const int own = (k0 + e < 41 ? k0 + e : 40) - 1;
    const int k = own < 0 ? 0 : own > 39 ? 39 : own;
    vec t[4];
    rk_each (v, nv) rk_each (u, 4) {
      const vec t1 = rk_get(y + ((k + 5)) * 16, nv == 4, v, j & 3);
      t[u] = v ? t[u] + w[v][u] * t1 : w[v][u] * t1;
    }
    rk_each (u, 4) z->s[e][u] += own == k ? t[u] : 0;
  }
}
extern "C" __global__ void __launch_bounds__(256, 1) rk_pair(const real *restrict rows, const real *restrict columns, const real *restrict params, int m, int n, int part, long long first, double *restrict values, long long *restrict positions, long long ld) {
  const int start = blockIdx.y * part, end = n - start < part ? n : start + part;
  const int row0 = threadIdx.x % 16 * 4;
  const int k0 = (blockIdx.z * 16 + threadIdx.x / 16) * 3;
  const real *const x = rows + (long long)blockIdx.x * 320;
  const rk_quad<real> *const own = (const rk_quad<real> *)(x + row0);
  rk_state local, *const z = &local;
  rk_start(z);
  __shared__ __align__(16) real shared[1][64][64];
  __shared__ __align__(16) char stage[12288];
  __shared__ real reference[64], tops[4][64];
  if (threadIdx.x < 64) reference[threadIdx.x] = rk_num(-RK_LARGEST);
  for (int from = start; from < end; from += 64) {
    const int count = end - from < 64 ? end - from : 64;
    const real *const y = columns + (long long)from * 45;
    __syncthreads(); /* nobody reads the last tile any more */
    rk_values(x, y, params, stage, shared);
    __syncthreads();
    rk_weigh(shared[0], count, reference, tops);
    __syncthreads();
    rk_each (u, 4) {
      const real top = reference[row0 + u];
      if (top > z->m[u]) rk_raise(z, u, top);
    }
    int j = 0;
    const int stop = count;
    for (; j + 4 <= stop; j += 4) rk_tile(4, own, (const rk_quad<real> *)y + j / 4, params, from + j, z, shared[0][j], row0, k0);
    for (; j < stop; j++) rk_tile(1, own, (const rk_quad<real> *)y + j / 4, params, from + j, z, shared[0][j], row0, k0);
    rk_flush(z);
  }
  values += (long long)blockIdx.y * 42 * ld;
  positions += (long long)blockIdx.y * 0 * ld;
  rk_each (u, 4) {
    const int row = blockIdx.x * 64 + row0 + u;
    if (row < m) rk_leave(z, u, 0, first, values + row, positions + row, ld, k0);
  }
}
#undef rk_column
#undef RK_RANKS
#undef RK_STOP
