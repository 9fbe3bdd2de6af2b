/* Vector instructions that this machine issues in a second, on all threads, when none waits for
 * another: multiply-adds and additions in turn, since some processors do both at once. */
#include <omp.h>
#include "vectors.h"

enum { CHAINS = 8 };

void yardstick_slots(int *threads, double *instructions) {
  const long steps = 8 * 1000 * 1000L;
  double total = 0;
  #pragma omp parallel num_threads(*threads) reduction(+ : total)
  {
    vec a[CHAINS], s[CHAINS], m = all((real)0.999), c = all((real)1e-3);
    UNROLL for (int k = 0; k < CHAINS; k++) a[k] = s[k] = all((real)k);
    __asm__ volatile("" : "+m"(m), "+m"(c)); /* not known at compile time */
    #pragma omp barrier
    double start = omp_get_wtime();
    for (long n = 0; n < steps; n++)
      UNROLL for (int k = 0; k < CHAINS; k++) {
        a[k] = a[k] * m + c;
        s[k] = s[k] + c;
      }
    double seconds = omp_get_wtime() - start;
    UNROLL for (int k = 0; k < CHAINS; k++) __asm__ volatile("" : "+m"(a[k]), "+m"(s[k]));
    total += 2.0 * CHAINS * steps / seconds;
  }
  *instructions = total;
}
