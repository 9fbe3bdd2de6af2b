/* rkeops
 * Sum_Reduction over j, 1 component, float64
 *   v0 = Vi(3)
 *   v1 = Vj(1)
 *   v2 = Vj(3)
 *   Sum_Reduction(exp2(scaledsum(Square(v0 - v2), -1.4426950408889634)) * v1, j)
 * parameters: 0 slots of 0 components, 0 steps, 0 operations, panels of 0 components
 * rows: 1 slots of 3 components, 0 steps, 3 operations, panels of 0 components
 *   x[0:2] = v0
 * columns: 2 slots of 4 components, 0 steps, 4 operations, panels of 0 components
 *   y[0] = v1
 *   y[1:3] = v2
 * pairs: 2 steps, 22 operations, panels of 0 components
 *   step 1, for each of 3 components:
 *     n13 = scaledsum(Square(x[0:2] - y[1:3]), -1.4426950408889634)
 *   step 2:
 *     n15 = exp2(n13) * y[0]
 *   reduced: n15
 * tile: 4 x 4 vectors of 64 bytes, lanes along the reduced index
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
    for (int k = 0; k < 3; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[0] + (long long)(k) * ld[0] + r);
        rk_each (l, RK_LANES) out[(r + l) * 3 + k] = (double)rk_lane(t1, l);
      }
    }
  }
}

void rk_columns(const double *const *x, const long long *ld, const double *params, double *out, long long n, char *work) {
  (void)x; (void)ld; (void)params; (void)out;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[1] + (long long)(0) * ld[1] + r);
        rk_each (l, RK_LANES) out[0 * 32 + r + l] = (double)rk_lane(t1, l);
      }
    }
    for (int k = 0; k < 3; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t2 = rk_load(x[2] + (long long)(k) * ld[2] + r);
        rk_each (l, RK_LANES) out[(k + 1) * 32 + r + l] = (double)rk_lane(t2, l);
      }
    }
  }
}

#define rk_column(j, v) (rk_lane_index() + rk_ibroadcast((j) + (v) * 8))
typedef rk_sum_same rk_sum;
typedef struct {
  vec s[1][4];
  rk_sum S[1][4];
} rk_state;
RK_INLINE void rk_flush(rk_state *z) {
  for (int k = 0; k < 1; k++) {
    rk_each (u, 4) {
      rk_sum_same_add(&z->S[k][u], z->s[k][u]);
      z->s[k][u] = rk_num(0);
    }
  }
}
RK_INLINE void rk_start(rk_state *z) {
  for (int k = 0; k < 1; k++) {
    rk_each (u, 4) {
      z->s[k][u] = rk_num(0);
      rk_sum_same_start(&z->S[k][u]);
    }
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long long ld) {
  for (int k = 0; k < 1; k++) {
    values[(k + 0) * ld] = rk_sum_same_lane(&z->S[k][u], l);
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_tile(const int nv, const real *restrict x, const real *restrict y, const real *restrict params, rk_int j, rk_state *z, char *panel, const int masked, mask valid) {
  (void)x; (void)y; (void)params; (void)j; (void)panel; (void)masked; (void)valid;
  vec n13[4][4]; /* scaledsum */
  rk_each (v, nv) rk_each (u, 4) {
    n13[v][u] = rk_num(0);
  }
  rk_each (k, 3) {
    rk_each (v, nv) rk_each (u, 4) {
      const vec t1 = rk_broadcast(x[u * 3 + k]);
      const vec t2 = rk_load(y + ((k + 1)) * 32 + v * 8);
      const vec t3 = t1 - t2;
      const vec t4 = t3 * t3;
      n13[v][u] = n13[v][u] + t4;
    }
  }
  rk_each (v, nv) rk_each (u, 4) {
    n13[v][u] = n13[v][u] * rk_num(-1.4426950408889634);
  }
  vec n15[4][4]; /* Mult */
  rk_each (v, nv) rk_each (u, 4) {
    const vec t5 = rk_exp2(n13[v][u]);
    const vec t6 = rk_load(y + (0) * 32 + v * 8);
    const vec t7 = t5 * t6;
    n15[v][u] = t7;
  }
  {
    vec t[4];
    rk_each (v, nv) rk_each (u, 4) {
      vec g = n15[v][u];
      if (masked) g = rk_select(valid, g, rk_num(0));
      t[u] = v ? t[u] + g : g;
    }
    rk_each (u, 4) z->s[0][u] += t[u];
  }
}
void rk_pair(const real *restrict rows, const real *restrict columns, const real *restrict params, long long blocks, long long n, long long first, double *restrict values, long long *restrict positions, long long ld, char *restrict work) {
  for (long long b = 0; b < blocks; b++) {
    const real *const x = rows + b * 12;
    rk_state local, *const z = &local;
    char *const panel = work;
    rk_start(z);
    const mask all = rk_ilt(rk_ibroadcast(-1), rk_ibroadcast(0));
    for (long long j = 0; j < n;) {
      const long long end = n - j > 512LL ? j + 512LL : n;
      for (; j + 32 <= end; j += 32)
        rk_tile(4, x, columns + j * 4, params, (rk_int)j, z, panel, 0, all);
      for (const long long from = j; j < end; j += 8) {
        const mask valid = rk_ilt(rk_lane_index(), rk_ibroadcast((rk_int)(end - j)));
        rk_tile(1, x, columns + from * 4 + (j - from), params, (rk_int)j, z, panel, 1, valid);
      }
      j = end;
      rk_flush(z);
    }
    for (int u = 0; u < 4; u++) for (int l = 0; l < 8; l++) {
      const long long row = (b * 4 + u) * 8 + l;
      rk_leave(z, u, l, first, values + row, positions + row, ld);
    }
  }
}
#undef rk_column
