/* rkeops
 * KMin_ArgKMin_Reduction over j, 1 component, float32
 *   v0 = Vi(100)
 *   v1 = Vj(100)
 *   v2 = Pm(100)
 *   KMin_ArgKMin_Reduction(Sum(Square((v0 - v2) - (v1 - v2))), 10, j)
 * parameters: 1 slots of 100 components, 0 steps, 100 operations, panels of 0 components
 *   p[0:99] = v2
 * rows: 1 slots of 100 components, 0 steps, 200 operations, panels of 0 components
 *   x[0:99] = v0 - p[0:99]
 * columns: 1 slots of 100 components, 0 steps, 200 operations, panels of 0 components
 *   y[0:99] = v1 - p[0:99]
 * pairs: 1 steps, 301 operations, panels of 0 components
 *   step 1, for each of 100 components:
 *     n11 = Sum(Square(x[0:99] - y[0:99]))
 *   reduced: n11
 * tile: 8 x 8 vectors of 4 bytes, lanes along the kept index
 * blocked: 128 threads for 128 rows x 64 columns, 8 x 8 of them in a thread, in registers
 * 1 steps shared; 1 rows and 1 components of the result in a thread
 */
#undef RK_TYPE
#define RK_TYPE 64
extern "C" __global__ void rk_parameters(const double *restrict in, double *restrict exact, float *restrict packed) {
  if (threadIdx.x) return;
  enum { rk_at2 = 0 };
  for (int k = 0; k < 100; k++) {
    {
      enum { u = 0, v = 0 };
      const vec t1 = in[rk_at2 + (k)];
      exact[k] = t1;
    }
  }
  for (int k = 0; k < 100; k++) packed[k] = rk_narrow32(exact[k]);
}
typedef struct {
  const double *x0; long long ld0;
} rk_row_inputs;
extern "C" __global__ void rk_rows(rk_row_inputs in, const double *restrict params, float *restrict out, int n, int to) {
  const int i = blockIdx.x * 128 + threadIdx.x, r = i < n ? i : n - 1;
  if (i >= to) return;
  for (int k = 0; k < 100; k++) {
    {
      enum { u = 0, v = 0 };
      const vec t1 = rk_given(in.x0, k, in.ld0, r);
      const vec t2 = params[k];
      const vec t3 = t1 - t2;
      out[((long long)(i / 128) * 100 + (k)) * 128 + i % 128] = float(t3);
    }
  }
}
typedef struct {
  const double *x1; long long ld1;
} rk_column_inputs;
extern "C" __global__ void rk_columns(rk_column_inputs in, const double *restrict params, float *restrict out, int n, int to) {
  const int i = blockIdx.x * 128 + threadIdx.x, r = i < n ? i : n - 1;
  if (i >= to) return;
  for (int k = 0; k < 100; k++) {
    {
      enum { u = 0, v = 0 };
      const vec t1 = rk_given(in.x1, k, in.ld1, r);
      const vec t2 = params[k];
      const vec t3 = t1 - t2;
      out[((long long)(i / 64) * 100 + (k)) * 64 + i % 64] = float(t3);
    }
  }
}
static __device__ void rk_merge_state(double *v, int64_t *p, ptrdiff_t ld, const double *w, const int64_t *q, ptrdiff_t lw, int K) { int a = K; int b = K; while (a + b > K) { double x = v[(a - 1) * ld]; double y = w[(b - 1) * lw]; if (y > x || (y == x && q[(b - 1) * lw] >= p[(a - 1) * ld])) b--; else a--; } for (int r = K - 1; b > 0; r--) { double y = w[(b - 1) * lw]; if (a > 0 && (v[(a - 1) * ld] > y || (v[(a - 1) * ld] == y && p[(a - 1) * ld] > q[(b - 1) * lw]))) { a--; v[r * ld] = v[a * ld]; p[r * ld] = p[a * ld]; } else { b--; v[r * ld] = y; p[r * ld] = q[b * lw]; } } }
extern "C" __global__ void rk_merge(double *values, long long *positions, long long ld, const double *from_values, const long long *from_positions, long long from_ld, int m, int parts, int fresh) {
  const int row = blockIdx.x * 128 + threadIdx.x;
  if (row >= m) return;
  for (int c = blockIdx.y; c < 1; c += gridDim.y) {
    enum { K = 10 };
    double *const v = values + (long long)c * K * ld + row;
    long long *const p = positions + (long long)c * K * ld + row;
    if (fresh) for (int k = 0; k < K; k++) {
      v[k * ld] = RK_INF;
      p[k * ld] = RK_NO_POSITION;
    }
    for (int part = 0; part < parts; part++) {
      rk_merge_state(v, p, ld, from_values + ((long long)part * 10 + c * K) * from_ld + row,
        from_positions + ((long long)part * 10 + c * K) * from_ld + row, from_ld, K);
    }
  }
}
static __device__ double rk_number_0(const rk_row_state *f, int column) { (void)column; return f->value; }
extern "C" __global__ void rk_finish(const double *values, const long long *positions, long long ld, int m, double *number, long long *position, long long out_ld, int as_numbers) {
  const int row = blockIdx.x * 128 + threadIdx.x;
  if (row >= m) return;
  if (!as_numbers || !0) for (int c = 0; c < 10; c++) {
    const int component = c / 10 - 0;
    rk_row_state state;
    state.head = values[row];
    state.first = values[0 * ld + row];
    state.sum = state.value = 0;
    const long long place = 0 + (long long)(component + 0) * 10 + c % 10;
    if (component >= 0) state.sum = state.value = values[place * ld + row];
    number[c * out_ld + row] = rk_number_0(&state, component);
  }
  if (!as_numbers || !1) for (int c = 0; c < 10; c++) {
    const long long at = positions[c * ld + row];
    if (as_numbers) number[c * out_ld + row] = at == RK_NO_POSITION ? NAN : (double)at;
    else position[c * out_ld + row] = at;
  }
}
#undef RK_TYPE
#define RK_TYPE 32
#define rk_column(j, v) ((j) + (v))
#define RK_RANKS RK_UNROLLED
#define RK_STOP(done) /* in registers: no branches */
RK_INLINE void rk_values(const real *restrict x, const real *restrict y, const real *restrict params, char *stage, real (*shared)[64][128]) {
  enum { nv = 8 };
  char *const panel = 0;
  const int row4 = threadIdx.x % 16 * 4, column4 = threadIdx.x / 16 * 4;
  #define rk_row(u) ((u) / 4 * 64 + row4 + (u) % 4)
  #define rk_own(v) ((v) / 4 * 32 + column4 + (v) % 4)
  vec n11[8][8]; /* Sum */
  rk_each (v, nv) rk_each (u, 8) {
    n11[v][u] = rk_num(0);
  }
  {
  __syncthreads(); /* nobody reads what was staged before */
  int c = 0, now = 0;
  rk_copy_all<128, 4096>(stage + (0) * 6144 + 0, x + (0 + 0) * 128);
  rk_copy_all<128, 2048>(stage + (0) * 6144 + 4096, y + (0 + 0) * 64);
  for (; c < 96; c += 8, now ^= 1) {
    rk_copy_wait_all();
    __syncthreads();
    if (c + 8 < 96) {
      rk_copy_all<128, 4096>(stage + (now ^ 1) * 6144 + 0, x + (0 + c + 8) * 128);
      rk_copy_all<128, 2048>(stage + (now ^ 1) * 6144 + 4096, y + (0 + c + 8) * 64);
    }
    else {
      rk_copy_all<128, 2048>(stage + (now ^ 1) * 6144 + 0, x + (0 + c + 8) * 128);
      rk_copy_all<128, 1024>(stage + (now ^ 1) * 6144 + 4096, y + (0 + c + 8) * 64);
    }
    const real *const s0 = (const real *)(stage + now * 6144 + 0);
    const real *const s1 = (const real *)(stage + now * 6144 + 4096);
    _Pragma("unroll 1") for (int k = c; k < c + 8; k++) {
      rk_each (v, nv) rk_each (u, 8) {
        const vec t1 = (s0[(k - c) * 128 + rk_row(u)]);
        const vec t2 = (s1[(k - c) * 64 + rk_own(v)]);
        const vec t3 = t1 - t2;
        const vec t4 = t3 * t3;
        n11[v][u] = n11[v][u] + t4;
      }
    }
  }
  rk_copy_wait_all();
  __syncthreads();
  const real *const s0 = (const real *)(stage + now * 6144 + 0);
  const real *const s1 = (const real *)(stage + now * 6144 + 4096);
  _Pragma("unroll 1") for (int k = c; k < c + 4; k++) {
      rk_each (v, nv) rk_each (u, 8) {
        const vec t1 = (s0[(k - c) * 128 + rk_row(u)]);
        const vec t2 = (s1[(k - c) * 64 + rk_own(v)]);
        const vec t3 = t1 - t2;
        const vec t4 = t3 * t3;
        n11[v][u] = n11[v][u] + t4;
      }
  }
  }
  rk_each (v, nv) rk_each (u, 8) {
    shared[0][rk_own(v)][rk_row(u)] = n11[v][u];
  }
  #undef rk_row
#undef rk_own
}
#undef rk_before
#define rk_before(g, j, v, p) rk_lt(g, v)
enum { K = 10 };
typedef struct {
  vec v[1][1][K];
  ivec p[1][1][K];
} rk_state;
RK_INLINE int rk_changes(const vec *v, vec g) {
  const vec last = v[K - 1];
  return rk_any(rk_lt(g, last));
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
    rk_each (u, 1) {
      rk_each (r, 10) {
        z->v[k][u][r] = rk_num(RK_INF);
        z->p[k][u][r] = rk_ibroadcast(RK_NOWHERE);
      }
    }
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long long ld) {
  rk_each (k, 1) {
    rk_each (r, 10) {
      values[(k * K + r) * ld] = rk_lane(z->v[k][u][r], l);
      const rk_int at = rk_lane(z->p[k][u][r], l);
      positions[(k * K + r) * ld] = at == RK_NOWHERE ? RK_NO_POSITION : first + at;
    }
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_tile(const int nv, const real *restrict x, const rk_quad<real> *restrict y, const real *restrict params, int j, rk_state *z, const real *restrict shared, const int row0) {
  char *const panel = 0;
  vec n11[4][1];
  rk_each (v, nv) rk_each (u, 1)
    n11[v][u] = shared[(0 + v) * 128 + row0 + u];
  {
    vec g[4][1];
    rk_each (v, nv) rk_each (u, 1) {
      g[v][u] = n11[v][u];
    }
    vec least[1];
    int changes = 0;
    rk_each (u, 1) {
      least[u] = rk_num(RK_INF);
      rk_each (v, nv) least[u] = rk_min(g[v][u], least[u]);
      changes |= rk_changes(z->v[0][u], least[u]);
    }
    if (changes) rk_each (u, 1) if (rk_changes(z->v[0][u], least[u])) {
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
extern "C" __global__ void __launch_bounds__(128, 3) rk_pair(const real *restrict rows, const real *restrict columns, const real *restrict params, int m, int n, int part, long long first, double *restrict values, long long *restrict positions, long long ld) {
  const int start = blockIdx.y * part, end = n - start < part ? n : start + part;
  const int row0 = threadIdx.x % 128 * 1;
  const real *const x = rows + (long long)blockIdx.x * 12800;
  const real *const own = (const real *)(x + row0);
  rk_state local, *const z = &local;
  rk_start(z);
  __shared__ __align__(16) real shared[1][64][128];
  __shared__ __align__(16) char stage[12288];
  for (int from = start; from < end; from += 64) {
    const int count = end - from < 64 ? end - from : 64;
    const real *const y = columns + (long long)from * 100;
    __syncthreads(); /* nobody reads the last tile any more */
    rk_values(x, y, params, stage, shared);
    __syncthreads();
    int j = 0;
    const int stop = count;
    for (; j + 4 <= stop; j += 4) rk_tile(4, own, (const rk_quad<real> *)y + j / 4, params, from + j, z, shared[0][j], row0);
    for (; j < stop; j++) rk_tile(1, own, (const rk_quad<real> *)y + j / 4, params, from + j, z, shared[0][j], row0);
  }
  values += (long long)blockIdx.y * 10 * ld;
  positions += (long long)blockIdx.y * 10 * ld;
  rk_each (u, 1) {
    const int row = blockIdx.x * 128 + row0 + u;
    if (row < m) rk_leave(z, u, 0, first, values + row, positions + row, ld);
  }
}
#undef rk_column
#undef RK_RANKS
#undef RK_STOP
