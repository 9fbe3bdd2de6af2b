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
 * tile: 4 x 4 vectors of 64 bytes, lanes along the kept index, may be masked, columns in any order
 */
#define RK_BYTES 64
#undef RK_TYPE
#define RK_TYPE 64
void rk_parameters(const double *const *x, const long long *ld, const double *params, double *out, long long n, char *work, const void *program) {
  (void)x; (void)ld; (void)params; (void)out; (void)program;
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

void rk_rows(const double *const *x, const long long *ld, const double *params, float *out, long long n, char *work, const void *program) {
  (void)x; (void)ld; (void)params; (void)out; (void)program;
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

void rk_columns(const double *const *x, const long long *ld, const double *params, float *out, long long n, char *work, const void *program) {
  (void)x; (void)ld; (void)params; (void)out; (void)program;
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
#define rk_column(j, v) rk_ibroadcast(column_at[(j) + (v)])
#define rk_valid(v, u) rk_and(rk_ilt(low[u], rk_column(j, v)), rk_ilt(rk_column(j, v), high[u]))
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
RK_CALLED void rk_enter(vec *v, ivec *p, vec g, ivec j) {
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
RK_INLINE void rk_tile(const int nv, const real *restrict x, const real *restrict y, const real *restrict params, rk_int j, rk_state *z, char *panel, const int masked, const ivec *low, const ivec *high, const int *column_at) {
  (void)x; (void)y; (void)params; (void)j; (void)panel; (void)masked; (void)low; (void)high; (void)column_at;
  vec n11[4][4]; /* Sum */
  rk_each (v, nv) rk_each (u, 4) {
    n11[v][u] = rk_num(0);
  }
  rk_each (k, 2) {
    rk_each (v, nv) rk_each (u, 4) {
      const vec t1 = rk_load(x + (k) * (4 * RK_LANES) + u * RK_LANES);
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
      if (masked) g[v][u] = rk_select(rk_valid(v, u), g[v][u], rk_num(RK_INF));
    }
    vec least[4];
    rk_each (u, 4) {
      least[u] = rk_num(RK_INF);
      rk_each (v, nv) least[u] = rk_min(g[v][u], least[u]);
    }
    int changes = 0;
    rk_each (u, 4) changes |= rk_changes(z->v[0][u], least[u]);
    if (__builtin_expect(changes, 0)) rk_each (u, 4) {
      ivec column = rk_ibroadcast(RK_LAST);
      rk_each (v, nv) {
        const mask equal = rk_eq(g[v][u], least[u]);
        const mask first = rk_and(equal, rk_ilt(rk_column(j, v), column));
        column = rk_iselect(first, rk_column(j, v), column);
      }
      rk_enter(z->v[0][u], z->p[0][u], least[u], column);
    }
  }
}
RK_CALLED void rk_walk(const rk_walked *restrict w, const real *restrict x, rk_state *state, char *panel, const int *row_at) {
  const real *restrict const columns = w->columns;
  const real *restrict const params = w->params;
  const int *const column_at = w->column_at;
  rk_state local = *state, *const z = &local;
  for (const rk_interval *own = w->list; own < w->list + w->intervals; own++) {
    if (own->masked) {
      ivec low[4], high[4];
      rk_each (u, 4) {
        const ivec lane = rk_lane_index() + rk_ibroadcast(u * RK_LANES);
        const ivec row = rk_positions(row_at + u * RK_LANES);
        const mask in = rk_and(rk_ilt(rk_ibroadcast(own->first - 1), lane), rk_ilt(lane, rk_ibroadcast(own->last)));
        low[u] = rk_iselect(in, row + rk_ibroadcast(own->lower - 1), rk_ibroadcast(RK_LAST));
        high[u] = row + rk_ibroadcast(own->upper + 1);
      }
      for (long long j = own->from; j < own->end;) {
        const long long end = own->end;
        for (; j + 4 <= end; j += 4) rk_tile(4, x, columns + j * 2, params, (rk_int)j, z, panel, 1, low, high, column_at);
        for (; j < end; j++) rk_tile(1, x, columns + j * 2, params, (rk_int)j, z, panel, 1, low, high, column_at);
      }
    } else {
      const ivec *const low = 0, *const high = 0;
      for (long long j = own->from; j < own->end;) {
        const long long end = own->end;
        for (; j + 4 <= end; j += 4) rk_tile(4, x, columns + j * 2, params, (rk_int)j, z, panel, 0, low, high, column_at);
        for (; j < end; j++) rk_tile(1, x, columns + j * 2, params, (rk_int)j, z, panel, 0, low, high, column_at);
      }
    }
  }
  *state = local;
}
void rk_pair(const rk_walked *w) {
  char *const panel = w->work;
  rk_state local, *const own = &local;
  for (long long b = 0; b < w->blocks; b++) {
    const real *const x = (const real *)w->rows + b * 2 * (4 * RK_LANES);
    rk_state *const z = w->states ? (rk_state *)(w->states + b * 576) : own;
    if (w->starts) rk_start(z);
    const int *const row_at = w->row_at ? w->row_at + b * (4 * RK_LANES) : 0;
    rk_walk(w, x, z, panel, row_at);
    if (!w->ends) continue;
    for (int u = 0; u < 4; u++) for (int l = 0; l < RK_LANES; l++) {
      const long long row = (b * 4 + u) * RK_LANES + l;
      rk_leave(z, u, l, w->first, w->values + row, w->positions + row, w->ld);
    }
  }
}
#undef rk_column
#undef rk_valid
