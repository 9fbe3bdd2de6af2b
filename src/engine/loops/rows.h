/* One operation of the table on many rows, in float and in double. Numbers come and go as doubles,
 * which hold floats as they are; a logical value is 0 or 1. Arrays have room for whole vectors of
 * 16 bytes. */
#ifndef RKEOPS_LOOPS_ROWS_H
#define RKEOPS_LOOPS_ROWS_H

#include "formula/operations.h"

/* A component of a value for the rows of a block: a number for each (step 1), or one (step 0). */
typedef struct { const double *at; int step; } rk_operand;

/* `x`: a component of each operand. */
void rk_elementwise_32(const rk_node *node, const rk_operand *x, int component, int rows,
                       double *out);
void rk_elementwise_64(const rk_node *node, const rk_operand *x, int component, int rows,
                       double *out);

/* A fold: values s and positions p start, component `component` of the operand, x[0], enters, and
 * the result is made of them and of x[1], a scalar operand beside the vector. */
void rk_fold_start_32(const rk_node *node, int rows, double *s, double *p);
void rk_fold_start_64(const rk_node *node, int rows, double *s, double *p);
void rk_fold_next_32(const rk_node *node, const rk_operand *x, int component, int rows, double *s,
                     double *p);
void rk_fold_next_64(const rk_node *node, const rk_operand *x, int component, int rows, double *s,
                     double *p);
void rk_fold_end_32(const rk_node *node, const rk_operand *x, int rows, const double *s,
                    const double *p, double *out);
void rk_fold_end_64(const rk_node *node, const rk_operand *x, int rows, const double *s,
                    const double *p, double *out);

#endif
