/* rkeops
 * Sum_Reduction over j, 3 components, float32
 *   v0 = Vi(3)
 *   v1 = Vi(9)
 *   v2 = Vj(3)
 *   v3 = Pm(3)
 *   Sum_Reduction(SumBlocks(v1 * RepeatBlocks((v0 - v3) - (v2 - v3), 3, 3), 1, 3), j)
 * parameters: 1 slots of 3 components, 0 steps, 3 operations, panels of 0 components
 *   p[0:2] = v3
 * rows: 2 slots of 12 components, 0 steps, 15 operations, panels of 0 components
 *   x[0:8] = v1
 *   x[9:11] = v0 - p[0:2]
 * columns: 1 slots of 3 components, 0 steps, 6 operations, panels of 0 components
 *   y[0:2] = v2 - p[0:2]
 * pairs: 2 steps, 24 operations, panels of 6 components
 *   step 1, for each of 3 components:
 *     n11 = x[9:11] - y[0:2]
 *   step 2, for each of 9 components:
 *     n14 = SumBlocks(x[0:8] * RepeatBlocks(n11, 3, 3), 1, 3)
 *   reduced: n14
 * tile: 4 x 4 vectors of 64 bytes, lanes along the kept index
 */
#define RK_BYTES 64
#undef RK_TYPE
#define RK_TYPE 64
void rk_parameters(const double *const *x, const long long *ld, const double *params, double *out, long long n, char *work) {
  (void)x; (void)ld; (void)params; (void)out;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    for (int k = 0; k < 3; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[3] + (long long)(k) * ld[3] + r);
        out[k] = rk_lane(t1, 0);
      }
    }
  }
}

void rk_rows(const double *const *x, const long long *ld, const double *params, float *out, long long n, char *work) {
  (void)x; (void)ld; (void)params; (void)out;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    for (int k = 0; k < 9; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[1] + (long long)(k) * ld[1] + r);
        rk_each (l, RK_LANES) out[k * 64 + r + l] = (float)rk_lane(t1, l);
      }
    }
    for (int k = 0; k < 3; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t2 = rk_load(x[0] + (long long)(k) * ld[0] + r);
        const vec t3 = rk_broadcast(params[k]);
        const vec t4 = t2 - t3;
        rk_each (l, RK_LANES) out[(k + 9) * 64 + r + l] = (float)rk_lane(t4, l);
      }
    }
  }
}

void rk_columns(const double *const *x, const long long *ld, const double *params, float *out, long long n, char *work) {
  (void)x; (void)ld; (void)params; (void)out;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    for (int k = 0; k < 3; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[2] + (long long)(k) * ld[2] + r);
        const vec t2 = rk_broadcast(params[k]);
        const vec t3 = t1 - t2;
        rk_each (l, RK_LANES) out[(r + l) * 3 + k] = (float)rk_lane(t3, l);
      }
    }
  }
}

#undef RK_TYPE
#define RK_TYPE 32
#define rk_column(j, v) rk_ibroadcast((j) + (v))
typedef rk_sum_wide rk_sum;
typedef struct {
  vec s[3][4];
  rk_sum S[3][4];
} rk_state;
RK_INLINE void rk_flush(rk_state *z) {
  for (int k = 0; k < 3; k++) {
    rk_each (u, 4) {
      rk_sum_wide_add(&z->S[k][u], z->s[k][u]);
      z->s[k][u] = rk_num(0);
    }
  }
}
RK_INLINE void rk_start(rk_state *z) {
  for (int k = 0; k < 3; k++) {
    rk_each (u, 4) {
      z->s[k][u] = rk_num(0);
      rk_sum_wide_start(&z->S[k][u]);
    }
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long long ld) {
  for (int k = 0; k < 3; k++) {
    values[(k + 0) * ld] = rk_sum_wide_lane(&z->S[k][u], l);
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_tile(const int nv, const real *restrict x, const real *restrict y, const real *restrict params, rk_int j, rk_state *z, char *panel) {
  (void)x; (void)y; (void)params; (void)j; (void)panel;
  vec (*const n11)[4][4] = (vec (*)[4][4])panel + 0;
  rk_each (k, 3) {
    rk_each (v, nv) rk_each (u, 4) {
      const vec t1 = rk_load(x + ((k + 9)) * 64 + u * 16);
      const vec t2 = rk_broadcast(y[v * 3 + k]);
      const vec t3 = t1 - t2;
      n11[k][v][u] = t3;
    }
  }
  vec (*const n14)[4][4] = (vec (*)[4][4])panel + 3;
  for (int k = 0; k < 3; k++) {
    rk_each (v, nv) rk_each (u, 4) {
      n14[k][v][u] = rk_num(0);
    }
  }
  rk_each (k, 9) {
    rk_each (v, nv) rk_each (u, 4) {
      const vec t4 = rk_load(x + (k) * 64 + u * 16);
      const vec t5 = n11[(k % 3)][v][u];
      const vec t6 = t4 * t5;
      n14[(k / 3)][v][u] = n14[(k / 3)][v][u] + t6;
    }
  }
  rk_each (k, 3) {
    vec t[4];
    rk_each (v, nv) rk_each (u, 4) {
      t[u] = v ? t[u] + n14[k][v][u] : n14[k][v][u];
    }
    rk_each (u, 4) z->s[k][u] += t[u];
  }
}
void rk_pair(const real *restrict rows, const real *restrict columns, const real *restrict params, long long blocks, long long n, long long first, double *restrict values, long long *restrict positions, long long ld, char *restrict work) {
  for (long long b = 0; b < blocks; b++) {
    const real *const x = rows + b * 768;
    rk_state local, *const z = &local;
    char *const panel = work;
    rk_start(z);
    for (long long j = 0; j < n;) {
      const long long end = n - j > 64LL ? j + 64LL : n;
      for (; j + 4 <= end; j += 4)
        rk_tile(4, x, columns + j * 3, params, (rk_int)j, z, panel);
      for (; j < end; j++) rk_tile(1, x, columns + j * 3, params, (rk_int)j, z, panel);
      rk_flush(z);
    }
    for (int u = 0; u < 4; u++) for (int l = 0; l < 16; l++) {
      const long long row = (b * 4 + u) * 16 + l;
      rk_leave(z, u, l, first, values + row, positions + row, ld);
    }
  }
}
#undef rk_column
