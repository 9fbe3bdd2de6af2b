/* rkeops
 * Sum_Reduction over j, 6 components, float32
 *   v0 = Vi(6)
 *   v1 = Vj(6)
 *   t1 = ComplexReal(v0)
 *   t2 = ComplexReal(v1)
 *   t3 = ComplexImag(v0)
 *   t4 = ComplexImag(v1)
 *   Sum_Reduction(Complex((t1 * t2) - (t3 * t4), (t1 * t4) + (t3 * t2)), j)
 * parameters: 0 slots of 0 components, 0 steps, 0 operations, panels of 0 components
 * rows: 1 slots of 6 components, 0 steps, 6 operations, panels of 0 components
 *   x[0:5] = v0
 * columns: 1 slots of 6 components, 0 steps, 6 operations, panels of 0 components
 *   y[0:5] = v1
 * pairs: 0 steps, 42 operations, panels of 0 components
 *   reduced: Complex((t1 * t2) - (t3 * t4), (t1 * t4) + (t3 * t2))
 *   t1 = ComplexReal(x[0:5])
 *   t2 = ComplexReal(y[0:5])
 *   t3 = ComplexImag(x[0:5])
 *   t4 = ComplexImag(y[0:5])
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

void rk_rows(const double *const *x, const long long *ld, const double *params, float *out, long long n, char *work) {
  (void)x; (void)ld; (void)params; (void)out;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    for (int k = 0; k < 6; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[0] + (long long)(k) * ld[0] + r);
        rk_each (l, RK_LANES) out[k * 64 + r + l] = (float)rk_lane(t1, l);
      }
    }
  }
}

void rk_columns(const double *const *x, const long long *ld, const double *params, float *out, long long n, char *work) {
  (void)x; (void)ld; (void)params; (void)out;
  char *const panel = work; (void)panel;
  for (long long r = 0; r < n; r += RK_LANES) {
    for (int k = 0; k < 6; k++) {
      {
        enum { u = 0, v = 0 };
        const vec t1 = rk_load(x[1] + (long long)(k) * ld[1] + r);
        rk_each (l, RK_LANES) out[(r + l) * 6 + k] = (float)rk_lane(t1, l);
      }
    }
  }
}

#undef RK_TYPE
#define RK_TYPE 32
#define rk_column(j, v) rk_ibroadcast((j) + (v))
typedef rk_sum_wide rk_sum;
typedef struct {
  vec s[6][4];
  rk_sum S[6][4];
} rk_state;
RK_INLINE void rk_flush(rk_state *z) {
  for (int k = 0; k < 6; k++) {
    rk_each (u, 4) {
      rk_sum_wide_add(&z->S[k][u], z->s[k][u]);
      z->s[k][u] = rk_num(0);
    }
  }
}
RK_INLINE void rk_start(rk_state *z) {
  for (int k = 0; k < 6; k++) {
    rk_each (u, 4) {
      z->s[k][u] = rk_num(0);
      rk_sum_wide_start(&z->S[k][u]);
    }
  }
}
RK_INLINE void rk_leave(const rk_state *z, int u, int l, long long first, double *values, long long *positions, long long ld) {
  for (int k = 0; k < 6; k++) {
    values[(k + 0) * ld] = rk_sum_wide_lane(&z->S[k][u], l);
  }
  (void)first; (void)positions;
}
RK_INLINE void rk_tile(const int nv, const real *restrict x, const real *restrict y, const real *restrict params, rk_int j, rk_state *z, char *panel) {
  (void)x; (void)y; (void)params; (void)j; (void)panel;
  rk_each (k, 3) {
    vec t[4];
    rk_each (v, nv) rk_each (u, 4) {
      const vec t1 = rk_load(x + ((2 * k)) * 64 + u * 16);
      const vec t2 = rk_broadcast(y[v * 6 + (2 * k)]);
      const vec t3 = t1 * t2;
      const vec t4 = rk_load(x + ((2 * k + 1)) * 64 + u * 16);
      const vec t5 = rk_broadcast(y[v * 6 + (2 * k + 1)]);
      const vec t6 = t4 * t5;
      const vec t7 = t3 - t6;
      t[u] = v ? t[u] + t7 : t7;
    }
    rk_each (u, 4) z->s[(2 * k)][u] += t[u];
  }
  rk_each (k, 3) {
    vec t[4];
    rk_each (v, nv) rk_each (u, 4) {
      const vec t8 = rk_load(x + ((2 * k)) * 64 + u * 16);
      const vec t9 = rk_broadcast(y[v * 6 + (2 * k + 1)]);
      const vec t10 = t8 * t9;
      const vec t11 = rk_load(x + ((2 * k + 1)) * 64 + u * 16);
      const vec t12 = rk_broadcast(y[v * 6 + (2 * k)]);
      const vec t13 = t11 * t12;
      const vec t14 = t10 + t13;
      t[u] = v ? t[u] + t14 : t14;
    }
    rk_each (u, 4) z->s[(2 * k + 1)][u] += t[u];
  }
}
void rk_pair(const real *restrict rows, const real *restrict columns, const real *restrict params, long long blocks, long long n, long long first, double *restrict values, long long *restrict positions, long long ld, char *restrict work) {
  for (long long b = 0; b < blocks; b++) {
    const real *const x = rows + b * 384;
    rk_state local, *const z = &local;
    char *const panel = work;
    rk_start(z);
    for (long long j = 0; j < n;) {
      const long long end = n - j > 64LL ? j + 64LL : n;
      for (; j + 4 <= end; j += 4)
        rk_tile(4, x, columns + j * 6, params, (rk_int)j, z, panel);
      for (; j < end; j++) rk_tile(1, x, columns + j * 6, params, (rk_int)j, z, panel);
      rk_flush(z);
    }
    for (int u = 0; u < 4; u++) for (int l = 0; l < 16; l++) {
      const long long row = (b * 4 + u) * 16 + l;
      rk_leave(z, u, l, first, values + row, positions + row, ld);
    }
  }
}
#undef rk_column
