/* How fast R's matrices can be turned into records of floats: what a product with one row cannot
 * beat, whatever its kernel. Four column-major columns (three of y, one of b) into records of four
 * floats, each thread its own part; returns seconds, the output's first touch included. */
#include <stdlib.h>
#include <omp.h>

typedef struct SEXPREC *SEXP;
extern double *REAL(SEXP);
extern int *INTEGER(SEXP);
extern int LENGTH(SEXP);
extern SEXP Rf_ScalarReal(double);

SEXP yardstick_packing(SEXP y, SEXP b, SEXP threads) {
  const long n = LENGTH(b);
  const double *restrict py = REAL(y), *restrict pb = REAL(b);
  double start = omp_get_wtime();
  float *restrict record = malloc(n * 4 * sizeof(float));
  #pragma omp parallel for num_threads(INTEGER(threads)[0]) schedule(static)
  for (long j = 0; j < n; j++) {
    record[4 * j] = (float)py[j];
    record[4 * j + 1] = (float)py[n + j];
    record[4 * j + 2] = (float)py[2 * n + j];
    record[4 * j + 3] = (float)pb[j];
  }
  double seconds = omp_get_wtime() - start;
  free(record);
  return Rf_ScalarReal(seconds);
}
