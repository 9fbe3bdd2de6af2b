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
 * tile: 4 x 4 vectors of 64 bytes, lanes along the kept index
 */
#define RK_BYTES 64
#undef RK_TYPE
#define RK_TYPE 64
void rk_parameters(const double *const *x, const long long *ld, const double *params, double *out, long long n, char *work) {
  (void)x; (void)ld; (void)params; (void)out;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
  }
}

void rk_rows(const double *const *x, const long long *ld, const double *params, double *out, long long n, char *work) {
  (void)x; (void)ld; (void)params; (void)out;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    for (int k = 0; k < 6; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[0] + (long long)(k) * ld[0] + r);
        rk_each (l, RK_LANES) out[k * 32 + r + l] = (double)rk_lane(t1, l);
      }
    }
  }
}

void rk_columns(const double *const *x, const long long *ld, const double *params, double *out, long long n, char *work) {
  (void)x; (void)ld; (void)params; (void)out;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    for (int k = 0; k < 6; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[1] + (long long)(k) * ld[1] + r);
        rk_each (l, RK_LANES) out[(r + l) * 6 + k] = (double)rk_lane(t1, l);
      }
    }
  }
}

#define rk_column(j, v) rk_ibroadcast((j) + (v))
enum { K = 1 };
typedef struct {
  vec v[12][4][K];
} rk_state;
RK_INLINE void rk_enter(vec *v, vec g) {
  v[0] = rk_min(g, v[0]);
}
RK_INLINE void rk_start(rk_state *z) {
  for (int k = 0; k < 12; k++) {
    rk_each (u, 4) {
      for (int r = 0; r < 1; r++) {
        z->v[k][u][r] = rk_num(RK_INF);
      }
    }
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long long ld) {
  for (int k = 0; k < 12; k++) {
    for (int r = 0; r < 1; r++) {
      values[(k * K + r) * ld] = rk_lane(z->v[k][u][r], l);
    }
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_tile(const int nv, const real *restrict x, const real *restrict y, const real *restrict params, rk_int j, rk_state *z, char *panel) {
  (void)x; (void)y; (void)params; (void)j; (void)panel;
  vec n4[4][4]; /* Sum */
  rk_each (v, nv) rk_each (u, 4) {
    n4[v][u] = rk_num(0);
  }
  vec (*const n7)[4][4] = (vec (*)[4][4])panel + 0;
  for (int k = 0; k < 6; k++) {
    rk_each (v, nv) rk_each (u, 4) {
      const vec t1 = rk_load(x + (k) * 32 + u * 8);
      const vec t2 = rk_broadcast(y[v * 6 + k]);
      const vec t3 = t1 - t2;
      const vec t4 = t3 * t3;
      n4[v][u] = n4[v][u] + t4;
      const vec t5 = rk_exp(t3);
      n7[k][v][u] = t5;
    }
  }
  vec n5[4][4]; /* Rsqrt */
  rk_each (v, nv) rk_each (u, 4) {
    const vec t6 = rk_rsqrt(n4[v][u]);
    n5[v][u] = t6;
  }
  vec n9[4][4]; /* Sum */
  rk_each (v, nv) rk_each (u, 4) {
    n9[v][u] = rk_num(0);
  }
  rk_each (k, 6) {
    rk_each (v, nv) rk_each (u, 4) {
      n9[v][u] = n9[v][u] + n7[k][v][u];
    }
  }
  rk_reread(x, y);
  for (int k = 0; k < 6; k++) {
    vec g[4][4];
    rk_each (v, nv) rk_each (u, 4) {
      const vec t7 = rk_load(x + (k) * 32 + u * 8);
      const vec t8 = rk_broadcast(y[v * 6 + k]);
      const vec t9 = t7 - t8;
      const vec t10 = n5[v][u] * t9;
      const vec t11 = t10 * n9[v][u];
      const vec t12 = -t11;
      g[v][u] = t12;
    }
    rk_each (u, 4) rk_each (v, nv) rk_enter(z->v[k][u], g[v][u]);
  }
  for (int k = 0; k < 6; k++) {
    vec g[4][4];
    rk_each (v, nv) rk_each (u, 4) {
      const vec t13 = n7[k][v][u] * n9[v][u];
      const vec t14 = -t13;
      g[v][u] = t14;
    }
    rk_each (u, 4) rk_each (v, nv) rk_enter(z->v[(k + 6)][u], g[v][u]);
  }
}
void rk_pair(const real *restrict rows, const real *restrict columns, const real *restrict params, long long blocks, long long n, long long first, double *restrict values, long long *restrict positions, long long ld, char *restrict work) {
  for (long long b = 0; b < blocks; b++) {
    const real *const x = rows + b * 192;
    rk_state local, *const z = &local;
    char *const panel = work;
    rk_start(z);
    for (long long j = 0; j < n;) {
      const long long end = n - j > 64LL ? j + 64LL : n;
      for (; j + 4 <= end; j += 4)
        rk_tile(4, x, columns + j * 6, params, (rk_int)j, z, panel);
      for (; j < end; j++) rk_tile(1, x, columns + j * 6, params, (rk_int)j, z, panel);
    }
    for (int u = 0; u < 4; u++) for (int l = 0; l < 8; l++) {
      const long long row = (b * 4 + u) * 8 + l;
      rk_leave(z, u, l, first, values + row, positions + row, ld);
    }
  }
}
#undef rk_column
