/* rkeops
 * Min_ArgMin_Reduction over j, 1 component, float32
 *   v0 = Vi(2)
 *   v1 = Vj(2)
 *   v2 = Pm(2)
 *   Min_ArgMin_Reduction(Sum(Square((v0 - v2) - (v1 - v2))), j)
 * parameters: 1 slots of 2 components, 0 steps, 2 operations, panels of 0 components
 *   p[0:1] = v2
 * rows: 1 slots of 2 components, 0 steps, 4 operations, panels of 0 components
 *   x[0:1] = v0 - p[0:1]
 * columns: 1 slots of 2 components, 0 steps, 4 operations, panels of 0 components
 *   y[0:1] = v1 - p[0:1]
 * pairs: 1 steps, 7 operations, panels of 0 components
 *   step 1, for each of 2 components:
 *     n11 = Sum(Square(x[0:1] - y[0:1]))
 *   reduced: n11
 * tile: 4 x 8 vectors of 4 bytes, lanes along the kept index, may be masked, columns in any order
 * walk: 128 threads for 512 rows x 128 columns, 4 x 8 of them in a thread, in registers
 */
#undef RK_TYPE
#define RK_TYPE 64
extern "C" __global__ void rk_parameters(const double *restrict in, double *restrict exact, float *restrict packed) {
  if (threadIdx.x) return;
  enum { rk_at2 = 0 };
  for (int k = 0; k < 2; k++) {
    {
      enum { u = 0, v = 0 };
      const vec t1 = in[rk_at2 + (k)];
      exact[k] = t1;
    }
  }
  for (int k = 0; k < 2; k++) packed[k] = rk_narrow32(exact[k]);
}
typedef struct {
  const double *x0; long long ld0;
} rk_row_inputs;
extern "C" __global__ void rk_rows(rk_row_inputs in, const double *restrict params, float *restrict out, int n, int to) {
  const int i = blockIdx.x * 128 + threadIdx.x, r = i < n ? i : n - 1;
  if (i >= to) return;
  for (int k = 0; k < 2; k++) {
    {
      enum { u = 0, v = 0 };
      const vec t1 = rk_given(in.x0, k, in.ld0, r);
      const vec t2 = params[k];
      const vec t3 = t1 - t2;
      out[((long long)(i / 512) * 2 + (k)) * 512 + i % 512] = float(t3);
    }
  }
}
typedef struct {
  const double *x1; long long ld1;
} rk_column_inputs;
extern "C" __global__ void rk_columns(rk_column_inputs in, const double *restrict params, float *restrict out, int n, int to) {
  const int i = blockIdx.x * 128 + threadIdx.x, r = i < n ? i : n - 1;
  if (i >= to) return;
  for (int k = 0; k < 2; k++) {
    {
      enum { u = 0, v = 0 };
      const vec t1 = rk_given(in.x1, k, in.ld1, r);
      const vec t2 = params[k];
      const vec t3 = t1 - t2;
      out[(long long)i * 2 + (k)] = float(t3);
    }
  }
}
static __device__ void rk_merge_state(double *v, int64_t *p, ptrdiff_t ld, const double *w, const int64_t *q, ptrdiff_t lw, int K) { int a = K; int b = K; while (a + b > K) { double x = v[(a - 1) * ld]; double y = w[(b - 1) * lw]; if (y > x || (y == x && q[(b - 1) * lw] >= p[(a - 1) * ld])) b--; else a--; } for (int r = K - 1; b > 0; r--) { double y = w[(b - 1) * lw]; if (a > 0 && (v[(a - 1) * ld] > y || (v[(a - 1) * ld] == y && p[(a - 1) * ld] > q[(b - 1) * lw]))) { a--; v[r * ld] = v[a * ld]; p[r * ld] = p[a * ld]; } else { b--; v[r * ld] = y; p[r * ld] = q[b * lw]; } } }
extern "C" __global__ void rk_merge(double *values, long long *positions, long long ld, const double *from_values, const long long *from_positions, long long from_ld, int m, int parts, int fresh) {
  const int row = blockIdx.x * 128 + threadIdx.x;
  if (row >= m) return;
  for (int c = blockIdx.y; c < 1; c += gridDim.y) {
    enum { K = 1 };
    double *const v = values + (long long)c * K * ld + row;
    long long *const p = positions + (long long)c * K * ld + row;
    if (fresh) for (int k = 0; k < K; k++) {
      v[k * ld] = RK_INF;
      p[k * ld] = RK_NO_POSITION;
    }
    for (int part = 0; part < parts; part++) {
      rk_merge_state(v, p, ld, from_values + ((long long)part * 1 + c * K) * from_ld + row,
        from_positions + ((long long)part * 1 + c * K) * from_ld + row, from_ld, K);
    }
  }
}
static __device__ double rk_number_0(const rk_row_state *f, int column) { (void)column; return f->value; }
extern "C" __global__ void rk_finish(const double *values, const long long *positions, long long ld, int m, double *number, long long *position, long long out_ld, int as_numbers, const int *restrict order) {
  const int row = blockIdx.x * 128 + threadIdx.x;
  if (row >= m) return;
  if (order && row && order[row - 1] == order[row]) return; /* fills a block up */
  const int to = order ? order[row] : row;
  if (!as_numbers || !0) for (int c = 0; c < 1; c++) {
    const int component = c / 1 - 0;
    rk_row_state state;
    state.head = values[row];
    state.first = values[0 * ld + row];
    state.sum = state.value = 0;
    const long long place = 0 + (long long)(component + 0) * 1 + c % 1;
    if (component >= 0) state.sum = state.value = values[place * ld + row];
    number[c * out_ld + to] = rk_number_0(&state, component);
  }
  if (!as_numbers || !1) for (int c = 0; c < 1; c++) {
    const long long at = positions[c * ld + row];
    if (as_numbers) number[c * out_ld + to] = at == RK_NO_POSITION ? NAN : (double)at;
    else position[c * out_ld + to] = at;
  }
}
extern "C" __global__ void rk_gather(const double *restrict x, long long ld, const int *restrict order, double *restrict out, int n, int dim) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  if (i >= n) return;
  for (int d = 0; d < dim; d++) out[(long long)d * n + i] = rk_given(x, d, ld, order[i]);
}
#undef RK_TYPE
#define RK_TYPE 32
#define rk_column(j, v) column_at[(j) + (v)]
#define rk_valid(v, u) rk_and(rk_ilt(low[u], rk_column(j, v)), rk_ilt(rk_column(j, v), high[u]))
#define RK_RANKS RK_UNROLLED
#define RK_STOP(done) /* in registers: no branches */
#undef rk_before
#define rk_before(g, j, v, p) rk_or(rk_lt(g, v), rk_and(rk_eq(g, v), rk_ilt(j, p)))
enum { K = 1 };
typedef struct {
  vec v[1][4][K];
  ivec p[1][4][K];
} rk_state;
RK_INLINE int rk_changes(const vec *v, vec g) {
  const vec last = v[K - 1];
  return rk_any(rk_and(rk_le(g, last), rk_lt(g, rk_num(RK_INF))));
}
RK_INLINE void rk_enter(vec *v, ivec *p, vec g, ivec j) {
  mask in = rk_before(g, j, v[K - 1], p[K - 1]);
  vec here = v[K - 1];
  ivec at = p[K - 1];
  RK_RANKS for (int r = K - 1; r > 0; r--) {
    const vec before = v[r - 1];
    const ivec at_before = p[r - 1];
    const mask up = rk_before(g, j, before, at_before);
    v[r] = rk_select(up, before, rk_select(in, g, here));
    p[r] = rk_iselect(up, at_before, rk_iselect(in, j, at));
    in = up;
    here = before;
    at = at_before;
    RK_STOP(!rk_any(in));
  }
  v[0] = rk_select(in, g, here);
  p[0] = rk_iselect(in, j, at);
}
RK_INLINE void rk_start(rk_state *z) {
  rk_each (k, 1) {
    rk_each (u, 4) {
      rk_each (r, 1) {
        z->v[k][u][r] = rk_num(RK_INF);
        z->p[k][u][r] = rk_ibroadcast(RK_NOWHERE);
      }
    }
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long long ld) {
  rk_each (k, 1) {
    rk_each (r, 1) {
      values[(k * K + r) * ld] = rk_lane(z->v[k][u][r], l);
      const rk_int at = rk_lane(z->p[k][u][r], l);
      positions[(k * K + r) * ld] = at == RK_NOWHERE ? RK_NO_POSITION : first + at;
    }
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_tile(const int nv, const real (&x)[2][4], const real *restrict y, const real *restrict params, int j, rk_state *z, char *panel, const int masked, const ivec *low, const ivec *high, const int *restrict column_at) {
  vec n11[8][4]; /* Sum */
  rk_each (v, nv) rk_each (u, 4) {
    n11[v][u] = rk_num(0);
  }
  rk_each (k, 2) {
    rk_each (v, nv) rk_each (u, 4) {
      const vec t1 = x[k][u];
      const vec t2 = y[v * 2 + k];
      const vec t3 = t1 - t2;
      const vec t4 = t3 * t3;
      n11[v][u] = n11[v][u] + t4;
    }
  }
  {
    vec g[8][4];
    rk_each (v, nv) rk_each (u, 4) {
      g[v][u] = n11[v][u];
      if (masked) g[v][u] = rk_select(rk_valid(v, u), g[v][u], rk_num(RK_INF));
    }
    vec least[4];
    int changes = 0;
    rk_each (u, 4) {
      least[u] = rk_num(RK_INF);
      rk_each (v, nv) least[u] = rk_min(g[v][u], least[u]);
      changes |= rk_changes(z->v[0][u], least[u]);
    }
    if (changes) rk_each (u, 4) if (rk_changes(z->v[0][u], least[u])) {
      unsigned left = 0;
      rk_each (v, nv) left |= (unsigned)rk_changes(z->v[0][u], g[v][u]) << v;
      _Pragma("unroll 1") for (int v = 0; left; v++, left >>= 1) if (left & 1) {
        vec value = g[0][u];
        rk_each (q, nv) value = q == v ? g[q][u] : value;
        rk_enter(z->v[0][u], z->p[0][u], value, rk_column(j, v));
      }
    }
  }
}
extern "C" __global__ void __launch_bounds__(128, 1) rk_pair(const real *restrict rows, const real *restrict columns, const real *restrict params, const int *row_at, const int *column_at, const int *restrict list_at, const rk_interval *restrict list, int m, int first, double *restrict values, long long *restrict positions, long long ld) {
  const int number = blockIdx.x * gridDim.y + blockIdx.y;
  const rk_interval *next = list + list_at[number], *const last = list + list_at[number + 1];
  row_at += (long long)blockIdx.x * 512;
  columns -= (long long)first * 2; /* places count from there */
  column_at -= first;
  const real *const own = rows + (long long)blockIdx.x * 1024 + threadIdx.x;
  real x[2][4];
  rk_each (k, 2) rk_each (u, 4) {
    x[k][u] = own[(k * 4 + u) * 128];
  }
  rk_state local, *const z = &local;
  char *const panel = 0;
  rk_start(z);
  __shared__ __align__(16) real shared[2][256];
  int next_from = next < last ? next->from / 2 * 2 : 0;
  if (next < last)
  rk_copy(shared[0], columns + (long long)next_from * 2,
          (min(next->end - next_from, 128) * 8 + 15) / 16 * 16);
  for (int now = 0; next < last; now ^= 1) {
    const rk_interval interval = *next;
    const int from = next_from;
    next_from += 128;
    if (next_from >= interval.end && ++next < last) next_from = next->from / 2 * 2;
    rk_copy_wait_all();
    __syncthreads(); /* the tile is there, and nobody reads the other one any more */
    if (next < last)
    rk_copy(shared[now ^ 1], columns + (long long)next_from * 2,
            (min(next->end - next_from, 128) * 8 + 15) / 16 * 16);
    const real *const y = shared[now];
    const int count = min(interval.end - from, 128);
    int j = max(interval.from - from, 0);
    if (interval.masked) {
      ivec low[4], high[4];
      rk_each (u, 4) {
        const int row = u * 128 + threadIdx.x, at = row_at[row];
        low[u] = interval.first <= row && row < interval.last ? at + interval.lower - 1 : RK_LAST;
        high[u] = at + interval.upper + 1;
      }
      const int stop = count;
      for (; j + 8 <= stop; j += 8) rk_tile(8, x, y + j * 2, params, from + j, z, panel, 1, low, high, column_at);
      for (; j < stop; j++) rk_tile(1, x, y + j * 2, params, from + j, z, panel, 1, low, high, column_at);
    } else {
      const int stop = count;
      for (; j + 8 <= stop; j += 8) rk_tile(8, x, y + j * 2, params, from + j, z, panel, 0, 0, 0, column_at);
      for (; j < stop; j++) rk_tile(1, x, y + j * 2, params, from + j, z, panel, 0, 0, 0, column_at);
    }
  }
  values += (long long)blockIdx.y * 1 * ld;
  positions += (long long)blockIdx.y * 1 * ld;
  rk_each (u, 4) {
    const int row = (blockIdx.x * 4 + u) * 128 + threadIdx.x;
    if (row < m) rk_leave(z, u, 0, 0, values + row, positions + row, ld);
  }
}
#undef rk_column
#undef rk_valid
#undef RK_RANKS
#undef RK_STOP
