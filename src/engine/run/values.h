/* What the passes of a program read: the inputs of the call, and what the engine makes itself. */
#ifndef RKEOPS_VALUES_H
#define RKEOPS_VALUES_H

#include "run/resident.h"

enum { RK_LARGEST_HALF = 65504 }; /* the largest number of float16 */

/* By graph variable. */
typedef struct {
  rk_array *value;
  double **own;             /* owned; NULL for inputs that are read where they are */
  rk_resident **kept;       /* owned: results of passes that stay with the backend */
  int count;
} rk_values;

/* Inputs, lifted numbers and positions; centres are 0 and ranks are not there yet, see look.h.
 * Inputs that lie with another backend than the call's, and parameters, are copied to the host. In
 * float16 inputs are checked to fit. */
typedef struct rk_program_data rk_program_data; /* program.h */
rk_status rk_values_make(rk_values *values, const rk_program_data *p, rk_caller caller);
void rk_values_free(rk_values *values);

/* Gives variable k zeros of its own on the host; 0: out of memory. */
int rk_values_own(rk_values *values, int k, int64_t rows, int dim);

/* A parameter in float32. A finite one stays finite: 0 times it is 0. */
float rk_parameter_float(double value);

#endif
