/* The rate of fused multiply-adds that this machine reaches when nothing else is to be done:
 * sixteen independent chains in registers on every thread. */
#include <omp.h>
#include "vectors.h"

enum { CHAINS = 16 };

void yardstick_fmapeak(int *threads, double *gflops) {
  const long steps = 20 * 1000 * 1000L;
  double total = 0;
  #pragma omp parallel num_threads(*threads) reduction(+ : total)
  {
    vec a[CHAINS], m = all((real)0.999), c = all((real)1e-3);
    UNROLL for (int k = 0; k < CHAINS; k++) a[k] = all((real)k);
    __asm__ volatile("" : "+m"(m), "+m"(c)); /* not known at compile time */
    #pragma omp barrier
    double start = omp_get_wtime();
    for (long s = 0; s < steps; s++)
      UNROLL for (int k = 0; k < CHAINS; k++) a[k] = a[k] * m + c;
    double seconds = omp_get_wtime() - start;
    UNROLL for (int k = 0; k < CHAINS; k++) __asm__ volatile("" : "+m"(a[k]));
    total += 2.0 * CHAINS * LANES * steps / seconds / 1e9;
  }
  *gflops = total;
}
