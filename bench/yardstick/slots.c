/* Vector instructions that this machine issues in a second of its processors, on all threads, when
 * none waits for another: multiply-adds and additions in turn, since some processors do both at
 * once. */
#include <time.h>
#include "vectors.h"

enum { CHAINS = 7 }; /* twice as many, and two constants, are all registers of AVX2 */

static double processor_time(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void yardstick_slots(int *threads, double *instructions) {
  const long steps = 8 * 1000 * 1000L;
  double total = 0;
  #pragma omp parallel num_threads(*threads) reduction(+ : total)
  {
    vec a[CHAINS], s[CHAINS], m = all((real)0.999), c = all((real)1e-3);
    UNROLL for (int k = 0; k < CHAINS; k++) a[k] = s[k] = all((real)k);
    __asm__ volatile("" : "+m"(m), "+m"(c)); /* not known at compile time */
    const double start = processor_time();
    for (long n = 0; n < steps; n++)
      UNROLL for (int k = 0; k < CHAINS; k++) {
        a[k] = a[k] * m + c;
        s[k] = s[k] + c;
      }
    const double seconds = processor_time() - start;
    UNROLL for (int k = 0; k < CHAINS; k++) __asm__ volatile("" : "+m"(a[k]), "+m"(s[k]));
    total += 2.0 * CHAINS * steps / seconds;
  }
  *instructions = total;
}
