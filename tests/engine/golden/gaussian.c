/* rkeops
 * Sum_Reduction over j, 1 component, float32
 *   v0 = Vi(3)
 *   v1 = Vj(1)
 *   v2 = Vj(3)
 *   v3 = Pm(3)
 *   v4 = Pm(1)
 *   Sum_Reduction(exp2(Sum(Square((v0 - v3) - (v2 - v3))) * (-(1.4426950408889634 * v4))) * v1, j)
 * parameters: 2 slots of 4 components, 1 steps, 6 operations, panels of 0 components
 *   step 1:
 *     n14 = -(1.4426950408889634 * v4)
 *   p[0] = n14
 *   p[1:3] = v3
 * rows: 1 slots of 3 components, 0 steps, 6 operations, panels of 0 components
 *   x[0:2] = v0 - p[1:3]
 * columns: 2 slots of 4 components, 0 steps, 7 operations, panels of 0 components
 *   y[0:2] = v2 - p[1:3]
 *   y[3] = v1
 * pairs: 2 steps, 23 operations, panels of 0 components
 *   step 1, for each of 3 components:
 *     n24 = Sum(Square(x[0:2] - y[0:2]))
 *   step 2:
 *     n31 = exp2(n24 * p[0]) * y[3]
 *   reduced: n31
 * tile: 4 x 4 vectors of 64 bytes, lanes along the kept index
 */
#define RK_BYTES 64
#undef RK_TYPE
#define RK_TYPE 64
void rk_parameters(const double *const *x, const long long *ld, const double *params, double *out, long long n, char *work, const void *program) {
  (void)x; (void)ld; (void)params; (void)out; (void)program;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    vec n14[1][1]; /* Minus */
    {
      enum { u = 0, v = 0 };
      const vec t1 = rk_load(x[4] + (long long)(0) * ld[4] + r);
      const vec t2 = rk_num(1.4426950408889634) * t1;
      const vec t3 = -t2;
      n14[v][u] = t3;
    }
    {
      {
        enum { u = 0, v = 0 };
        out[0] = rk_lane(n14[v][u], 0);
      }
    }
    for (int k = 0; k < 3; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t4 = rk_load(x[3] + (long long)(k) * ld[3] + r);
        out[(k + 1)] = rk_lane(t4, 0);
      }
    }
  }
}

void rk_rows(const double *const *x, const long long *ld, const double *params, float *out, long long n, char *work, const void *program) {
  (void)x; (void)ld; (void)params; (void)out; (void)program;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    for (int k = 0; k < 3; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[0] + (long long)(k) * ld[0] + r);
        const vec t2 = rk_broadcast(params[(k + 1)]);
        const vec t3 = t1 - t2;
        rk_each (l, RK_LANES) out[k * 64 + r + l] = (float)rk_lane(t3, l);
      }
    }
  }
}

void rk_columns(const double *const *x, const long long *ld, const double *params, float *out, long long n, char *work, const void *program) {
  (void)x; (void)ld; (void)params; (void)out; (void)program;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    for (int k = 0; k < 3; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[2] + (long long)(k) * ld[2] + r);
        const vec t2 = rk_broadcast(params[(k + 1)]);
        const vec t3 = t1 - t2;
        rk_each (l, RK_LANES) out[(r + l) * 4 + k] = (float)rk_lane(t3, l);
      }
    }
    {
      {
        enum { u = 0, v = 0 };
        const vec t4 = rk_load(x[1] + (long long)(0) * ld[1] + r);
        rk_each (l, RK_LANES) out[(r + l) * 4 + 3] = (float)rk_lane(t4, l);
      }
    }
  }
}

#undef RK_TYPE
#define RK_TYPE 32
#define rk_column(j, v) rk_ibroadcast((j) + (v))
typedef rk_sum_wide rk_sum;
typedef struct {
  vec s[1][4];
  rk_sum S[1][4];
} rk_state;
RK_INLINE void rk_flush(rk_state *z) {
  for (int k = 0; k < 1; k++) {
    rk_each (u, 4) {
      rk_sum_wide_add(&z->S[k][u], z->s[k][u]);
      z->s[k][u] = rk_num(0);
    }
  }
}
RK_INLINE void rk_start(rk_state *z) {
  for (int k = 0; k < 1; k++) {
    rk_each (u, 4) {
      z->s[k][u] = rk_num(0);
      rk_sum_wide_start(&z->S[k][u]);
    }
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long long ld) {
  for (int k = 0; k < 1; k++) {
    values[(k + 0) * ld] = rk_sum_wide_lane(&z->S[k][u], l);
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_tile(const int nv, const real *restrict x, const real *restrict y, const real *restrict params, rk_int j, rk_state *z, char *panel) {
  (void)x; (void)y; (void)params; (void)j; (void)panel;
  vec n24[4][4]; /* Sum */
  rk_each (v, nv) rk_each (u, 4) {
    n24[v][u] = rk_num(0);
  }
  rk_each (k, 3) {
    rk_each (v, nv) rk_each (u, 4) {
      const vec t1 = rk_load(x + (k) * (4 * RK_LANES) + u * RK_LANES);
      const vec t2 = rk_broadcast(y[v * 4 + k]);
      const vec t3 = t1 - t2;
      const vec t4 = t3 * t3;
      n24[v][u] = n24[v][u] + t4;
    }
  }
  vec n31[4][4]; /* Mult */
  rk_each (v, nv) rk_each (u, 4) {
    const vec t5 = rk_broadcast(params[0]);
    const vec t6 = n24[v][u] * t5;
    const vec t7 = rk_exp2(t6);
    const vec t8 = rk_broadcast(y[v * 4 + 3]);
    const vec t9 = t7 * t8;
    n31[v][u] = t9;
  }
  {
    vec t[4];
    rk_each (v, nv) rk_each (u, 4) {
      t[u] = v ? t[u] + n31[v][u] : n31[v][u];
    }
    rk_each (u, 4) z->s[0][u] += t[u];
  }
}
RK_CALLED void rk_walk(const rk_walked *restrict w, const real *restrict x, rk_state *state, char *panel) {
  const real *restrict const columns = w->columns;
  const real *restrict const params = w->params;
  rk_state local = *state, *const z = &local;
  enum { FLUSH = 64 };
  long long left = FLUSH;
  for (const rk_interval *own = w->list; own < w->list + w->intervals; own++) {
    for (long long j = own->from; j < own->end;) {
      const long long end = own->end - j > left ? j + left : own->end;
      left -= end - j;
      for (; j + 4 <= end; j += 4) rk_tile(4, x, columns + j * 4, params, (rk_int)j, z, panel);
      for (; j < end; j++) rk_tile(1, x, columns + j * 4, params, (rk_int)j, z, panel);
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
    const real *const x = (const real *)w->rows + b * 3 * (4 * RK_LANES);
    rk_state *const z = w->states ? (rk_state *)(w->states + b * 1088) : own;
    if (w->starts) rk_start(z);
    rk_walk(w, x, z, panel);
    if (!w->ends) continue;
    for (int u = 0; u < 4; u++) for (int l = 0; l < RK_LANES; l++) {
      const long long row = (b * 4 + u) * RK_LANES + l;
      rk_leave(z, u, l, w->first, w->values + row, w->positions + row, w->ld);
    }
  }
}
#undef rk_column
#undef rk_valid
