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
 * tile: 4 x 4 vectors of 64 bytes, lanes along the kept index
 */
#define RK_BYTES 64
#undef RK_TYPE
#define RK_TYPE 64
void rk_parameters(const double *const *x, const long long *ld, const double *params, double *out, long long n, char *work) {
  (void)x; (void)ld; (void)params; (void)out;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[2] + (long long)(0) * ld[2] + r);
        out[0] = rk_lane(t1, 0);
      }
    }
  }
}

void rk_rows(const double *const *x, const long long *ld, const double *params, double *out, long long n, char *work) {
  (void)x; (void)ld; (void)params; (void)out;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    for (int k = 0; k < 10; k++) {
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
    for (int k = 0; k < 10; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[1] + (long long)(k) * ld[1] + r);
        rk_each (l, RK_LANES) out[(r + l) * 10 + k] = (double)rk_lane(t1, l);
      }
    }
  }
}

#define rk_column(j, v) rk_ibroadcast((j) + (v))
typedef rk_sum_same rk_sum;
typedef struct {
  vec s[10][4];
  rk_sum S[10][4];
} rk_state;
RK_INLINE void rk_flush(rk_state *z) {
  for (int k = 0; k < 10; k++) {
    rk_each (u, 4) {
      rk_sum_same_add(&z->S[k][u], z->s[k][u]);
      z->s[k][u] = rk_num(0);
    }
  }
}
RK_INLINE void rk_start(rk_state *z) {
  for (int k = 0; k < 10; k++) {
    rk_each (u, 4) {
      z->s[k][u] = rk_num(0);
      rk_sum_same_start(&z->S[k][u]);
    }
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long long ld) {
  for (int k = 0; k < 10; k++) {
    values[(k + 0) * ld] = rk_sum_same_lane(&z->S[k][u], l);
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_tile(const int nv, const real *restrict x, const real *restrict y, const real *restrict params, rk_int j, rk_state *z, char *panel) {
  (void)x; (void)y; (void)params; (void)j; (void)panel;
  vec n5[4][4]; /* Sum */
  rk_each (v, nv) rk_each (u, 4) {
    n5[v][u] = rk_num(0);
  }
  for (int k = 0; k < 10; k++) {
    rk_each (v, nv) rk_each (u, 4) {
      const vec t1 = rk_load(x + (k) * 32 + u * 8);
      const vec t2 = rk_broadcast(y[v * 10 + k]);
      const vec t3 = t1 - t2;
      const vec t4 = t3 * t3;
      n5[v][u] = n5[v][u] + t4;
    }
  }
  mask n11[4][4]; /* LessOrEqual */
  vec n18[4][4]; /* exp2 */
  rk_each (v, nv) rk_each (u, 4) {
    const vec t5 = rk_broadcast(params[0]);
    const vec t6 = t5 - n5[v][u];
    const mask t7 = rk_le(rk_num(0), t6);
    n11[v][u] = t7;
    const vec t8 = rk_num(-1.4426950408889634) * n5[v][u];
    const vec t9 = rk_exp2(t8);
    n18[v][u] = t9;
  }
  rk_reread(x, y);
  rk_each (q, 4) {
    mask in[4][1];
    rk_each (v, nv) rk_each (r, 1) {
      const int u = q * 1 + r;
      in[v][r] = n11[v][u];
    }
    for (int k = 0; k < 10; k++) {
      vec t[1];
      rk_each (v, nv) rk_each (r, 1) {
        const int u = q * 1 + r;
        const vec t10 = rk_load(x + (k) * 32 + u * 8);
        const vec t11 = rk_broadcast(y[v * 10 + k]);
        const vec t12 = t10 - t11;
        const vec t13 = n18[v][u] * t12;
        t[r] = rk_select(in[v][r], v ? t[r] + t13 : t13, v ? t[r] : rk_num(0));
      }
      rk_each (r, 1) z->s[k][q * 1 + r] += t[r];
    }
  }
}
RK_CALLED void rk_walk(const rk_walked *restrict w, const real *restrict x, const int *row_at, rk_state *state, char *panel) {
  const real *restrict const columns = w->columns;
  const real *restrict const params = w->params;
  (void)row_at;
  rk_state local = *state, *const z = &local;
  enum { FLUSH = 64 };
  long long left = FLUSH;
  for (const rk_interval *own = w->list; own < w->list + w->intervals; own++) {
    for (long long j = own->from; j < own->end;) {
      const long long end = own->end - j > left ? j + left : own->end;
      left -= end - j;
      for (; j + 4 <= end; j += 4) rk_tile(4, x, columns + j * 10, params, (rk_int)j, z, panel);
      for (; j < end; j++) rk_tile(1, x, columns + j * 10, params, (rk_int)j, z, panel);
      if (!left) {
        rk_flush(z);
        left = FLUSH;
      }
    }
  }
  rk_flush(z);
  *state = local;
}
void rk_pair(const rk_walked *w) {
  char *const panel = w->work;
  rk_state local, *const own = &local;
  for (long long b = 0; b < w->blocks; b++) {
    const real *const x = (const real *)w->rows + b * 320;
    rk_state *const z = w->states ? (rk_state *)(w->states + b * 8000) : own;
    if (w->starts) rk_start(z);
    rk_walk(w, x, w->row_at + b * 32, z, panel);
    if (!w->ends) continue;
    for (int u = 0; u < 4; u++) for (int l = 0; l < 8; l++) {
      const long long row = (b * 4 + u) * 8 + l;
      rk_leave(z, u, l, w->first, w->values + row, w->positions + row, w->ld);
    }
  }
}
#undef rk_column
#undef rk_valid
