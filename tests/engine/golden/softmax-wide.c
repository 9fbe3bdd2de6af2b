/* rkeops
 * SumSoftMaxWeight_Reduction over i, 41 components, float32
 *   v0 = Vj(5)
 *   v1 = Vi(40)
 *   v2 = Vi(5)
 *   v3 = Pm(5)
 *   SumSoftMaxWeight_Reduction(-Sqrt(Sum(Square(((1.4426950408889634 * v0) - v3) - ((1.4426950408889634 * v2) - v3)))), v1, i)
 * parameters: 1 slots of 5 components, 0 steps, 5 operations, panels of 0 components
 *   p[0:4] = v3
 * rows: 1 slots of 5 components, 0 steps, 15 operations, panels of 0 components
 *   x[0:4] = (1.4426950408889634 * v0) - p[0:4]
 * columns: 2 slots of 45 components, 0 steps, 55 operations, panels of 0 components
 *   y[0:4] = (1.4426950408889634 * v2) - p[0:4]
 *   y[5:44] = v1
 * pairs: 2 steps, 73 operations, panels of 0 components
 *   step 1, for each of 5 components:
 *     n34 = Sum(Square(x[0:4] - y[0:4]))
 *   step 2:
 *     n36 = -Sqrt(n34)
 *   reduced: n36
 *   weighted by Concat(1, y[5:44])
 * tile: 4 x 4 vectors of 64 bytes, lanes along the kept index
 */
#define RK_BYTES 64
#undef RK_TYPE
#define RK_TYPE 64
void rk_parameters(const double *const *x, const long long *ld, const double *params, double *out, long long n, char *work, const void *program) {
  (void)x; (void)ld; (void)params; (void)out; (void)program;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    for (int k = 0; k < 5; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[3] + (long long)(k) * ld[3] + r);
        out[k] = rk_lane(t1, 0);
      }
    }
  }
}

void rk_rows(const double *const *x, const long long *ld, const double *params, float *out, long long n, char *work, const void *program) {
  (void)x; (void)ld; (void)params; (void)out; (void)program;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    for (int k = 0; k < 5; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[0] + (long long)(k) * ld[0] + r);
        const vec t2 = rk_num(1.4426950408889634) * t1;
        const vec t3 = rk_broadcast(params[k]);
        const vec t4 = t2 - t3;
        rk_each (l, RK_LANES) out[k * 64 + r + l] = (float)rk_lane(t4, l);
      }
    }
  }
}

void rk_columns(const double *const *x, const long long *ld, const double *params, float *out, long long n, char *work, const void *program) {
  (void)x; (void)ld; (void)params; (void)out; (void)program;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    for (int k = 0; k < 5; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[2] + (long long)(k) * ld[2] + r);
        const vec t2 = rk_num(1.4426950408889634) * t1;
        const vec t3 = rk_broadcast(params[k]);
        const vec t4 = t2 - t3;
        rk_each (l, RK_LANES) out[(r + l) * 45 + k] = (float)rk_lane(t4, l);
      }
    }
    for (int k = 0; k < 40; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t5 = rk_load(x[1] + (long long)(k) * ld[1] + r);
        rk_each (l, RK_LANES) out[(r + l) * 45 + (k + 5)] = (float)rk_lane(t5, l);
      }
    }
  }
}

#undef RK_TYPE
#define RK_TYPE 32
#define rk_column(j, v) rk_ibroadcast((j) + (v))
typedef rk_sum_wide rk_sum;
typedef struct {
  vec m[4];
  vec s[41][4];
  rk_sum S[41][4];
} rk_state;
RK_INLINE void rk_flush(rk_state *z) {
  for (int k = 0; k < 41; k++) {
    rk_each (u, 4) {
      rk_sum_wide_add(&z->S[k][u], z->s[k][u]);
      z->s[k][u] = rk_num(0);
    }
  }
}
RK_RARE void rk_raise(rk_state *z, int u, vec top) {
  const vec scale = rk_exp2(z->m[u] - top);
  z->m[u] = top;
  for (int k = 0; k < 41; k++) {
    z->s[k][u] *= scale;
    rk_sum_wide_scale(&z->S[k][u], scale);
  }
}
RK_INLINE void rk_start(rk_state *z) {
  rk_each (u, 4) z->m[u] = rk_num(-RK_LARGEST);
  for (int k = 0; k < 41; k++) {
    rk_each (u, 4) {
      z->s[k][u] = rk_num(0);
      rk_sum_wide_start(&z->S[k][u]);
    }
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long long ld) {
  const real m = rk_lane(z->m[u], l);
  values[0] = m == -RK_LARGEST ? -1.7976931348623157e308 : m;
  for (int k = 0; k < 41; k++) {
    values[(k + 1) * ld] = rk_sum_wide_lane(&z->S[k][u], l);
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_tile(const int nv, const real *restrict x, const real *restrict y, const real *restrict params, rk_int j, rk_state *z, char *panel) {
  (void)x; (void)y; (void)params; (void)j; (void)panel;
  vec n34[4][4]; /* Sum */
  rk_each (v, nv) rk_each (u, 4) {
    n34[v][u] = rk_num(0);
  }
  rk_each (k, 5) {
    rk_each (v, nv) rk_each (u, 4) {
      const vec t1 = rk_load(x + (k) * (4 * RK_LANES) + u * RK_LANES);
      const vec t2 = rk_broadcast(y[v * 45 + k]);
      const vec t3 = t1 - t2;
      const vec t4 = t3 * t3;
      n34[v][u] = n34[v][u] + t4;
    }
  }
  vec n36[4][4]; /* Minus */
  rk_each (v, nv) rk_each (u, 4) {
    const vec t5 = rk_sqrt(n34[v][u]);
    const vec t6 = -t5;
    n36[v][u] = t6;
  }
  vec w[4][4];
  rk_each (v, nv) rk_each (u, 4) {
    w[v][u] = n36[v][u];
  }
  vec top[4];
  int small = 0;
  rk_each (u, 4) {
    top[u] = z->m[u];
    rk_each (v, nv) top[u] = rk_max(w[v][u], top[u]);
    top[u] = rk_min(top[u], rk_num(RK_LARGEST)); /* +Inf keeps a finite reference */
    small |= rk_any(rk_gt(top[u], z->m[u]));
  }
  if (small) rk_each (u, 4)
    if (rk_any(rk_gt(top[u], z->m[u]))) rk_raise(z, u, top[u]);
  rk_each (u, 4) rk_each (v, nv) w[v][u] = rk_exp2(w[v][u] - z->m[u]);
  {
    vec t[4];
    rk_each (u, 4) t[u] = z->s[0][u];
    rk_each (v, nv) rk_each (u, 4) {
      t[u] = t[u] + w[v][u];
    }
    rk_each (u, 4) z->s[0][u] = t[u];
  }
  for (int k = 0; k < 40; k++) {
    vec t[4];
    rk_each (u, 4) t[u] = z->s[(k + 1)][u];
    rk_each (v, nv) rk_each (u, 4) {
      const vec t7 = rk_broadcast(y[v * 45 + (k + 5)]);
      t[u] = t[u] + w[v][u] * t7;
    }
    rk_each (u, 4) z->s[(k + 1)][u] = t[u];
  }
}
RK_CALLED void rk_walk(const rk_walked *restrict w, const real *restrict x, rk_state *z, char *panel) {
  const real *restrict const columns = w->columns;
  const real *restrict const params = w->params;
  enum { FLUSH = 64 };
  long long left = FLUSH;
  for (const rk_interval *own = w->list; own < w->list + w->intervals; own++) {
    for (long long j = own->from; j < own->end;) {
      const long long end = own->end - j > left ? j + left : own->end;
      left -= end - j;
      for (; j + 4 <= end; j += 4) rk_tile(4, x, columns + j * 45, params, (rk_int)j, z, panel);
      for (; j < end; j++) rk_tile(1, x, columns + j * 45, params, (rk_int)j, z, panel);
      if (!left) {
        rk_flush(z);
        left = FLUSH;
      }
    }
  }
  rk_flush(z);
}
void rk_pair(const rk_walked *w) {
  char *const panel = w->work + (sizeof(rk_state) + 63) / 64 * 64;
  rk_state *const own = (rk_state *)w->work;
  for (long long b = 0; b < w->blocks; b++) {
    const real *const x = (const real *)w->rows + b * 5 * (4 * RK_LANES);
    rk_state *const z = w->states ? (rk_state *)(w->states + b * 31808) : own;
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
