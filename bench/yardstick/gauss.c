/* A hand-written Gaussian product: the bar that the engine's kernels are measured against.
 *
 *   out[i][c] = sum_j exp(-|x_i - y_j|^2) b[j][c]
 *
 * D, COLUMNS, ROWS (vectors of rows in registers) and STEP (columns of the kernel per step) are
 * given by -D, so that every loop has a fixed length; bench/gauss.R tries several ROWS x STEP and
 * keeps the fastest. Lanes run along i. Sums of 512 terms are flushed into a second accumulator.
 * The time that is reported is that of the loops alone: packing the inputs is left out. */
#include <stdlib.h>
#include <omp.h>
#include "vectors.h"

enum { BLOCK = ROWS * LANES, FLUSH = 512 };

/* One row block against columns [from, to), STEP at a time. */
INLINE void columns(vec sum[COLUMNS][ROWS], const vec x[D][ROWS], const real *y, const real *b,
                    const int step) {
  vec k[STEP][ROWS];
  UNROLL for (int v = 0; v < step; v++) UNROLL for (int u = 0; u < ROWS; u++) k[v][u] = (vec){0};
#if D <= 16
  UNROLL
#else
  _Pragma("GCC unroll 4")
#endif
  for (int d = 0; d < D; d++) {
    UNROLL for (int v = 0; v < step; v++) {
      real yd = y[v * D + d];
      UNROLL for (int u = 0; u < ROWS; u++) {
        vec t = x[d][u] - yd;
        k[v][u] += t * t;
      }
    }
  }
  UNROLL for (int v = 0; v < step; v++)
    UNROLL for (int u = 0; u < ROWS; u++) k[v][u] = exp_negative(-k[v][u]);
#if COLUMNS <= 2
  UNROLL
#endif
  for (int c = 0; c < COLUMNS; c++) {
    UNROLL for (int u = 0; u < ROWS; u++) {
      vec s = sum[c][u];
      UNROLL for (int v = 0; v < step; v++) s += k[v][u] * b[v * COLUMNS + c];
      sum[c][u] = s;
    }
  }
}

static void block(const real *x, long padded, const real *y, const real *b, long n, real *out) {
  vec xr[D][ROWS], total[COLUMNS][ROWS];
  for (int d = 0; d < D; d++)
    for (int u = 0; u < ROWS; u++) xr[d][u] = load(x + d * padded + u * LANES);
  for (int c = 0; c < COLUMNS; c++)
    for (int u = 0; u < ROWS; u++) total[c][u] = (vec){0};
  for (long from = 0; from < n; from += FLUSH) {
    long to = from + FLUSH < n ? from + FLUSH : n, j = from;
    vec sum[COLUMNS][ROWS];
    for (int c = 0; c < COLUMNS; c++)
      for (int u = 0; u < ROWS; u++) sum[c][u] = (vec){0};
    for (; j + STEP <= to; j += STEP) columns(sum, xr, y + j * D, b + j * COLUMNS, STEP);
    for (; j < to; j++) columns(sum, xr, y + j * D, b + j * COLUMNS, 1);
    for (int c = 0; c < COLUMNS; c++)
      for (int u = 0; u < ROWS; u++) total[c][u] += sum[c][u];
  }
  for (int c = 0; c < COLUMNS; c++)
    for (int u = 0; u < ROWS; u++) store(out + c * padded + u * LANES, total[c][u]);
}

static real *numbers(long n) { return aligned_alloc(64, (n * sizeof(real) + 127) / 64 * 64); }

/* For .C of R: matrices column-major, m rows of x and out, n rows of y and b. */
void yardstick_gauss(double *x, double *y, double *b, int *rows, int *cols, int *threads,
                     double *out, double *seconds) {
  long m = *rows, n = *cols, padded = (m + BLOCK - 1) / BLOCK * BLOCK;
  real *px = numbers(padded * D), *py = numbers(n * D), *pb = numbers(n * COLUMNS);
  real *po = numbers(padded * COLUMNS);
  for (int d = 0; d < D; d++)
    for (long i = 0; i < padded; i++) px[d * padded + i] = i < m ? (real)x[d * m + i] : 0;
  for (int d = 0; d < D; d++)
    for (long j = 0; j < n; j++) py[j * D + d] = (real)y[d * n + j];
  for (int c = 0; c < COLUMNS; c++)
    for (long j = 0; j < n; j++) pb[j * COLUMNS + c] = (real)b[c * n + j];

  double start = omp_get_wtime();
  #pragma omp parallel for num_threads(*threads) schedule(dynamic, 1)
  for (long i = 0; i < padded; i += BLOCK) block(px + i, padded, py, pb, n, po + i);
  *seconds = omp_get_wtime() - start;

  for (int c = 0; c < COLUMNS; c++)
    for (long i = 0; i < m; i++) out[c * m + i] = po[c * padded + i];
  free(px), free(py), free(pb), free(po);
}
