/* rkeops
 * Sum_Reduction over j, 10 components, float64
 *   v0 = Vi(10)
 *   v1 = Vj(10)
 *   v2 = Pm(1)
 *   t1 = v0 - v1
 *   t2 = Sum(Square(t1))
 *   Sum_Reduction(Where(LessOrEqual(0, v2 - t2), exp2((-1.4426950408889634) * t2) * t1, 0), j)
 * parameters: 1 slots of 1 components, 0 steps, 1 operations, panels of 0 components
 *   p[0] = v2
 * rows: 1 slots of 10 components, 0 steps, 10 operations, panels of 0 components
 *   x[0:9] = v0
 * columns: 1 slots of 10 components, 0 steps, 10 operations, panels of 0 components
 *   y[0:9] = v1
 * pairs: 2 steps, 84 operations, panels of 0 components
 *   step 1, for each of 10 components:
 *     n5 = Sum(Square(t1))
 *   step 2:
 *     n11 = LessOrEqual(0, p[0] - n5)
 *     n18 = exp2((-1.4426950408889634) * n5)
 *   reduced: Where(n11, n18 * t1, 0)
 *   t1 = x[0:9] - y[0:9]
 * tile: 1 x 4 vectors of 8 bytes, lanes along the kept index
 * walk: 128 threads for 128 rows x 128 columns, 1 x 4 of them in a thread, in registers
 */
#undef RK_TYPE
#define RK_TYPE 64
extern "C" __global__ void rk_parameters(const double *restrict in, double *restrict exact, double *restrict packed) {
  if (threadIdx.x) return;
  enum { rk_at2 = 0 };
  {
    {
      enum { u = 0, v = 0 };
      const vec t1 = in[rk_at2 + (0)];
      exact[0] = t1;
    }
  }
  for (int k = 0; k < 1; k++) packed[k] = rk_narrow64(exact[k]);
}
typedef struct {
  const double *x0; long long ld0;
} rk_row_inputs;
extern "C" __global__ void rk_rows(rk_row_inputs in, const double *restrict params, double *restrict out, int n, int to) {
  const int i = blockIdx.x * 128 + threadIdx.x, r = i < n ? i : n - 1;
  if (i >= to) return;
  for (int k = 0; k < 10; k++) {
    {
      enum { u = 0, v = 0 };
      const vec t1 = rk_given(in.x0, k, in.ld0, r);
      out[((long long)(i / 128) * 10 + (k)) * 128 + i % 128] = double(t1);
    }
  }
}
typedef struct {
  const double *x1; long long ld1;
} rk_column_inputs;
extern "C" __global__ void rk_columns(rk_column_inputs in, const double *restrict params, double *restrict out, int n, int to) {
  const int i = blockIdx.x * 128 + threadIdx.x, r = i < n ? i : n - 1;
  if (i >= to) return;
  for (int k = 0; k < 10; k++) {
    {
      enum { u = 0, v = 0 };
      const vec t1 = rk_given(in.x1, k, in.ld1, r);
      out[(long long)i * 10 + (k)] = double(t1);
    }
  }
}
static __device__ void rk_merge_state(double *v, int64_t *p, ptrdiff_t ld, const double *w, const int64_t *q, ptrdiff_t lw, int K) { (void)p; (void)q; for (int c = 0; c < K; c++) v[c * ld] += w[c * lw]; }
extern "C" __global__ void rk_merge(double *values, long long *positions, long long ld, const double *from_values, const long long *from_positions, long long from_ld, int m, int parts, int fresh) {
  const int row = blockIdx.x * 128 + threadIdx.x;
  if (row >= m) return;
  for (int c = blockIdx.y; c < 10; c += gridDim.y) {
    enum { K = 1 };
    double *const v = values + (long long)c * K * ld + row;
    long long *const p = 0;
    if (fresh) for (int k = 0; k < K; k++) {
      v[k * ld] = 0;
    }
    for (int part = 0; part < parts; part++) {
      rk_merge_state(v, p, ld, from_values + ((long long)part * 10 + c * K) * from_ld + row,
        0, from_ld, K);
    }
  }
}
static __device__ double rk_number_0(const rk_row_state *f, int column) { (void)column; return f->sum; }
extern "C" __global__ void rk_finish(const double *values, const long long *positions, long long ld, int m, double *number, long long *position, long long out_ld, int as_numbers) {
  const int row = blockIdx.x * 128 + threadIdx.x;
  if (row >= m) return;
  if (!as_numbers || !0) for (int c = 0; c < 10; c++) {
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
#define rk_column(j, v) ((j) + (v))
#define RK_RANKS RK_UNROLLED
#define RK_STOP(done) /* in registers: no branches */
typedef rk_sum_same rk_sum;
typedef struct {
  vec s[10][1];
  rk_sum S[10][1];
} rk_state;
RK_INLINE void rk_flush(rk_state *z) {
  rk_each (k, 10) {
    rk_each (u, 1) {
      rk_sum_same_add(&z->S[k][u], z->s[k][u]);
      z->s[k][u] = rk_num(0);
    }
  }
}
RK_INLINE void rk_start(rk_state *z) {
  rk_each (k, 10) {
    rk_each (u, 1) {
      z->s[k][u] = rk_num(0);
      rk_sum_same_start(&z->S[k][u]);
    }
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long long ld) {
  rk_each (k, 10) {
    values[(k + 0) * ld] = rk_sum_same_lane(&z->S[k][u], l);
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_tile(const int nv, const real (&x)[10][1], const real *restrict y, const real *restrict params, int j, rk_state *z, char *panel) {
  vec n5[4][1]; /* Sum */
  rk_each (v, nv) rk_each (u, 1) {
    n5[v][u] = rk_num(0);
  }
  rk_each (k, 10) {
    rk_each (v, nv) rk_each (u, 1) {
      const vec t1 = x[k][u];
      const vec t2 = y[v * 10 + k];
      const vec t3 = t1 - t2;
      const vec t4 = t3 * t3;
      n5[v][u] = n5[v][u] + t4;
    }
  }
  mask n11[4][1]; /* LessOrEqual */
  vec n18[4][1]; /* exp2 */
  rk_each (v, nv) rk_each (u, 1) {
    const vec t5 = params[0];
    const vec t6 = t5 - n5[v][u];
    const mask t7 = rk_le(rk_num(0), t6);
    n11[v][u] = t7;
    const vec t8 = rk_num(-1.4426950408889634) * n5[v][u];
    const vec t9 = rk_exp2(t8);
    n18[v][u] = t9;
  }
  rk_each (k, 10) {
    vec t[1];
    rk_each (v, nv) rk_each (u, 1) {
      const mask in = n11[v][u];
      const vec t10 = x[k][u];
      const vec t11 = y[v * 10 + k];
      const vec t12 = t10 - t11;
      const vec t13 = n18[v][u] * t12;
      t[u] = v ? rk_select(in, t[u] + t13, t[u]) : rk_select(in, t13, rk_num(0));
    }
    rk_each (u, 1) z->s[k][u] += t[u];
  }
}
extern "C" __global__ void __launch_bounds__(128, 1) rk_pair(const real *restrict rows, const real *restrict columns, const real *restrict params, int m, int n, int part, long long first, double *restrict values, long long *restrict positions, long long ld) {
  const int start = blockIdx.y * part, end = n - start < part ? n : start + part;
  const real *const own = rows + (long long)blockIdx.x * 1280 + threadIdx.x;
  real x[10][1];
  rk_each (k, 10) rk_each (u, 1) {
    x[k][u] = own[(k * 1 + u) * 128];
  }
  rk_state local, *const z = &local;
  char *const panel = 0;
  rk_start(z);
  __shared__ __align__(16) real shared[2][1280];
  rk_copy(shared[0], columns + (long long)start * 10, 10240);
  for (int from = start, now = 0; from < end; from += 128, now ^= 1) {
    const int count = end - from < 128 ? end - from : 128;
    rk_copy_wait_all();
    __syncthreads(); /* the tile is there, and nobody reads the other one any more */
    if (from + 128 < end)
      rk_copy(shared[now ^ 1], columns + (long long)(from + 128) * 10, 10240);
    const real *const y = shared[now];
    int j = 0;
    while (j < count) {
      const int stop = count - j < 64 ? count : j + 64;
      for (; j + 4 <= stop; j += 4) rk_tile(4, x, y + j * 10, params, from + j, z, panel);
      for (; j < stop; j++) rk_tile(1, x, y + j * 10, params, from + j, z, panel);
      rk_flush(z);
    }
  }
  values += (long long)blockIdx.y * 10 * ld;
  positions += (long long)blockIdx.y * 0 * ld;
  rk_each (u, 1) {
    const int row = (blockIdx.x * 1 + u) * 128 + threadIdx.x;
    if (row < m) rk_leave(z, u, 0, first, values + row, positions + row, ld);
  }
}
#undef rk_column
#undef RK_RANKS
#undef RK_STOP
