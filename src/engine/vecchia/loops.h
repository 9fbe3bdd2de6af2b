/* The loops of kernels.h in functions for TARGET, whose names end in BYTES. Compilers make the
 * vectors of a processor of those that are used here: so many numbers as there are lanes. */
#define vec HERE(vec)
typedef double vec __attribute__((vector_size(RK_LANES * sizeof(double)), aligned(sizeof(double)),
                                  may_alias));
#define AS_VECTORS(x) ((vec *)(x))
#define AS_CONSTANTS(x) ((const vec *)(x))

/* Four columns at a time: their sums do not wait for each other. */
TARGET static void HERE(row)(int i, vec *l, const vec *inverse) {
  vec *row = l + rk_triangle_at(i, 0);
  int j = 0;
  for (; j + 4 <= i; j += 4) {
    const vec *p = l + rk_triangle_at(j, 0), *q = p + j + 1, *r = q + j + 2, *s = r + j + 3;
    vec a = row[j], b = row[j + 1], c = row[j + 2], d = row[j + 3];
    for (int k = 0; k < j; k++) {
      const vec x = row[k];
      a -= x * p[k], b -= x * q[k], c -= x * r[k], d -= x * s[k];
    }
    row[j] = a = a * inverse[j];
    row[j + 1] = b = (b - a * q[j]) * inverse[j + 1];
    row[j + 2] = c = (c - a * r[j] - b * r[j + 1]) * inverse[j + 2];
    row[j + 3] = (d - a * s[j] - b * s[j + 1] - c * s[j + 2]) * inverse[j + 3];
  }
  for (; j < i; j++) {
    const vec *p = l + rk_triangle_at(j, 0);
    vec a = row[j];
    for (int k = 0; k < j; k++) a -= row[k] * p[k];
    row[j] = a * inverse[j];
  }
}

TARGET static void HERE(factor)(int n, double *numbers, double *inverses, int *failed) {
  vec *l = AS_VECTORS(numbers), *inverse = AS_VECTORS(inverses);
  const double least = 4 * DBL_EPSILON * n;
  for (int k = 0; k < RK_LANES; k++) failed[k] = n;
  for (int i = 0; i < n; i++) {
    HERE(row)(i, l, inverse);
    vec *row = l + rk_triangle_at(i, 0), even = row[i], odd = {0};
    const vec diagonal = row[i];
    int k = 0;
    for (; k + 2 <= i; k += 2) even -= row[k] * row[k], odd -= row[k + 1] * row[k + 1];
    if (k < i) odd -= row[k] * row[k];
    even += odd;
    for (int lane = 0; lane < RK_LANES; lane++) {
      const int is_good = even[lane] > least * diagonal[lane];
      if (!is_good && failed[lane] == n) failed[lane] = i;
      row[i][lane] = sqrt(is_good ? even[lane] : 1);
    }
    inverse[i] = 1 / row[i];
  }
}

TARGET static void HERE(forward)(int n, const double *numbers, const double *inverses, double *to) {
  const vec *row = AS_CONSTANTS(numbers), *inverse = AS_CONSTANTS(inverses);
  vec *x = AS_VECTORS(to);
  for (int i = 0; i < n; row += ++i) {
    vec even = x[i], odd = {0};
    int k = 0;
    for (; k + 2 <= i; k += 2) even -= row[k] * x[k], odd -= row[k + 1] * x[k + 1];
    if (k < i) odd -= row[k] * x[k];
    x[i] = (even + odd) * inverse[i];
  }
}

TARGET static void HERE(backward)(int n, const double *numbers, const double *inverses,
                                  double *to) {
  const vec *inverse = AS_CONSTANTS(inverses);
  vec *x = AS_VECTORS(to);
  for (int i = n - 1; i >= 0; i--) {
    const vec *row = AS_CONSTANTS(numbers) + rk_triangle_at(i, 0), y = x[i] * inverse[i];
    x[i] = y;
    for (int k = 0; k < i; k++) x[k] -= row[k] * y;
  }
}

TARGET static void HERE(dot)(int n, const double *x, const double *y, double *to) {
  vec sum = {0};
  for (int i = 0; i < n; i++) sum += AS_CONSTANTS(x)[i] * AS_CONSTANTS(y)[i];
  *AS_VECTORS(to) = sum;
}

TARGET static void HERE(add)(int n, double *to, const double *factor, const double *y) {
  const vec by = *AS_CONSTANTS(factor);
  for (int i = 0; i < n; i++) AS_VECTORS(to)[i] += by * AS_CONSTANTS(y)[i];
}

TARGET static void HERE(outer)(int n, const double *as, const double *us, double *to) {
  const vec *a = AS_CONSTANTS(as), *u = AS_CONSTANTS(us);
  vec *at = AS_VECTORS(to);
  for (int i = 0; i < n; i++) {
    const vec x = a[i], y = u[i];
    for (int j = 0; j < i; j++) *at++ = x * u[j] + y * a[j];
    *at++ = x * y;
  }
}

static const rk_vecchia_kernels HERE(kernels) = {
  .factor = HERE(factor), .forward = HERE(forward), .backward = HERE(backward), .dot = HERE(dot),
  .add = HERE(add), .outer = HERE(outer)};

#undef vec
#undef AS_VECTORS
#undef AS_CONSTANTS
#undef BYTES
#undef TARGET
