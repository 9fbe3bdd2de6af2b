/* Where the centre of values lies that meet in differences, and how many digits it leaves these. */
#ifndef RKEOPS_CENTRE_H
#define RKEOPS_CENTRE_H

#include "run/ranges.h"

#include <stdint.h>

/* Samples of one component, rows and columns, one in so many of the numbers that stand there. */
typedef struct {
  double *row, *column;
  int rows, columns;
  int64_t row_step, column_step;
  double times;      /* what stands there times this is a column */
  double low, high;  /* of all values */
  int opposite;      /* rows lie on one side of 0, columns on the other: nothing cancels */
  double largest;    /* number that the kernel's type has */
} rk_sample;

typedef struct {
  double centre;
  double width;    /* over which values lie around each other, where most of them are */
  double digits;   /* in base 2: how much finer than that width a value is rounded, a far one of the
                    * sample; INFINITY where nothing is */
} rk_centring;

/* Rows of a side that a sample should have; of several values there are as many more, of which so
 * many count. */
enum { RK_SAMPLE_QUICK = 128, RK_SAMPLE = 512, RK_SAMPLE_MOST = 2048 };

/* Does the quick sample say that the values are spread over their range, so that the centre is
 * plain? Fills `found` then. */
int rk_centre_quickly(const rk_sample *sample, rk_centring *found);

/* What is known of the range. Before it is: that of the sample, and an eighth more on both sides.
 * And whether the centre that is found so is good once it is known; fills the rest of `found`. */
void rk_set_range(rk_sample *sample, rk_extremes rows, rk_extremes columns);
void rk_guess_range(rk_sample *sample);
int rk_centre_holds(const rk_sample *sample, rk_centring *found);

/* The best of some centres; the samples, of steps of 1, are put in order. */
void rk_centre(const rk_sample *sample, rk_centring *found);

/* Does one float keep enough digits? `rounding`: the largest that a value of all has, once the
 * centre is subtracted. */
int rk_centre_is_enough(const rk_centring *found, double rounding);

/* Would numbers as floats, as they stand, keep enough digits for differences between them? n
 * numbers at steps, of which `low` and `high` are the extremes. Out of memory: no. */
int rk_float_is_enough(const double *at, int64_t step, int64_t n, double low, double high);

#endif
