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
 * tile: 4 x 4 vectors of 64 bytes, lanes along the kept index
 */
#define RK_BYTES 64
#undef RK_TYPE
#define RK_TYPE 64
void rk_parameters(const double *const *x, const long long *ld, const double *params, double *out, long long n, char *work) {
  (void)x; (void)ld; (void)params; (void)out;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    for (int k = 0; k < 2; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[2] + (long long)(k) * ld[2] + r);
        out[k] = rk_lane(t1, 0);
      }
    }
  }
}

void rk_rows(const double *const *x, const long long *ld, const double *params, float *out, long long n, char *work) {
  (void)x; (void)ld; (void)params; (void)out;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    for (int k = 0; k < 2; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[0] + (long long)(k) * ld[0] + r);
        const vec t2 = rk_broadcast(params[k]);
        const vec t3 = t1 - t2;
        rk_each (l, RK_LANES) out[k * 64 + r + l] = (float)rk_lane(t3, l);
      }
    }
  }
}

void rk_columns(const double *const *x, const long long *ld, const double *params, float *out, long long n, char *work) {
  (void)x; (void)ld; (void)params; (void)out;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    for (int k = 0; k < 2; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[1] + (long long)(k) * ld[1] + r);
        const vec t2 = rk_broadcast(params[k]);
        const vec t3 = t1 - t2;
        rk_each (l, RK_LANES) out[(r + l) * 2 + k] = (float)rk_lane(t3, l);
      }
    }
  }
}

#undef RK_TYPE
#define RK_TYPE 32
#define rk_column(j, v) rk_ibroadcast((j) + (v))
enum { K = 1 };
typedef struct {
  vec v[1][4][K];
  ivec p[1][4][K];
} rk_state;
RK_INLINE void rk_start(rk_state *z) {
  for (int k = 0; k < 1; k++) {
    rk_each (u, 4) {
      for (int r = 0; r < 1; r++) {
        z->v[k][u][r] = rk_num(RK_INF);
        z->p[k][u][r] = rk_ibroadcast(RK_NOWHERE);
      }
    }
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long long ld) {
  for (int k = 0; k < 1; k++) {
    for (int r = 0; r < 1; r++) {
      values[(k * K + r) * ld] = rk_lane(z->v[k][u][r], l);
      const rk_int at = rk_lane(z->p[k][u][r], l);
      positions[(k * K + r) * ld] = at == RK_NOWHERE ? RK_NO_POSITION : first + at;
    }
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_tile(const int nv, const real *restrict x, const real *restrict y, const real *restrict params, rk_int j, rk_state *z, char *panel) {
  (void)x; (void)y; (void)params; (void)j; (void)panel;
  vec n11[4][4]; /* Sum */
  rk_each (v, nv) rk_each (u, 4) {
    n11[v][u] = rk_num(0);
  }
  rk_each (k, 2) {
    rk_each (v, nv) rk_each (u, 4) {
      const vec t1 = rk_load(x + (k) * 64 + u * 16);
      const vec t2 = rk_broadcast(y[v * 2 + k]);
      const vec t3 = t1 - t2;
      const vec t4 = t3 * t3;
      n11[v][u] = n11[v][u] + t4;
    }
  }
  {
    vec g[4][4];
    rk_each (v, nv) rk_each (u, 4) {
      g[v][u] = n11[v][u];
    }
    vec least[4];
    rk_each (u, 4) {
      least[u] = z->v[0][u][0];
      rk_each (v, nv) least[u] = rk_min(g[v][u], least[u]);
    }
    int changes = j < 1024;
    if (!changes) {
      mask some = rk_lt(least[0], z->v[0][0][0]);
      rk_each (u, 4) some = rk_or(some, rk_lt(least[u], z->v[0][u][0]));
      changes = rk_any(some);
    }
    if (__builtin_expect(changes, 0)) rk_each (u, 4) {
      const mask in = rk_lt(least[u], z->v[0][u][0]);
      ivec column = rk_column(0, nv - 1);
      rk_each (q, nv - 1)
        column = rk_iselect(rk_eq(g[nv - 2 - q][u], least[u]), rk_column(0, nv - 2 - q), column);
      z->v[0][u][0] = least[u];
      z->p[0][u][0] = rk_iselect(in, column + rk_ibroadcast(j), z->p[0][u][0]);
    }
  }
}
void rk_pair(const real *restrict rows, const real *restrict columns, const real *restrict params, long long blocks, long long n, long long first, double *restrict values, long long *restrict positions, long long ld, char *restrict work) {
  for (long long b = 0; b < blocks; b++) {
    const real *const x = rows + b * 128;
    rk_state local, *const z = &local;
    char *const panel = work;
    rk_start(z);
    for (long long j = 0; j < n;) {
      const long long end = n - j > 64LL ? j + 64LL : n;
      for (; j + 4 <= end; j += 4)
        rk_tile(4, x, columns + j * 2, params, (rk_int)j, z, panel);
      for (; j < end; j++) rk_tile(1, x, columns + j * 2, params, (rk_int)j, z, panel);
    }
    for (int u = 0; u < 4; u++) for (int l = 0; l < 16; l++) {
      const long long row = (b * 4 + u) * 16 + l;
      rk_leave(z, u, l, first, values + row, positions + row, ld);
    }
  }
}
#undef rk_column
