/* In which interval the value of an operation lies when its operands lie in intervals: the rules B
 * of operations.def. */
#ifndef RKEOPS_BOUND_RULES_H
#define RKEOPS_BOUND_RULES_H

#include "formula/operations.h"

/* Values that are numbers lie from low to high; `nan`: it may be that one is none. Low above high:
 * none is a number. A low end of +0 says that there is no -0, so that 1 / x is known to be
 * positive; a high end that is 0 is +0 and says nothing. Where a kernel may take a value for 0
 * because it is below the smallest normal number, 0 is in the interval. */
typedef struct { double low, high; int nan; } rk_bounds;

/* The numbers of a kernel. */
typedef struct {
  double ulp;                  /* of 1: relative error of a unit in the last place, at most */
  double tiny;                 /* more than what is lost where 0 begins */
  double largest;              /* beyond which numbers are infinite */
  int is_float;
} rk_format;
rk_format rk_format_of(rk_precision precision);

/* An operation and the component of its result. */
typedef struct { const rk_format *format; const rk_node *node; int component; } rk_asked;

/* `x`: of operands or, of a fold, of the components that enter it, then of its second operand. May
 * change them. */
typedef rk_bounds (*rk_bounding)(const rk_asked *asked, rk_bounds *x, int count);

typedef enum { RK_BY_FUNCTION, RK_RISES, RK_FALLS, RK_EVEN } rk_turn;

typedef struct {
  double ulps;                 /* what kernels are off by, times two or more for functions */
  rk_turn turn;
  double from, to;             /* where it is a number; from == to: everywhere */
  rk_bounding by;
  int sees_nan;                /* `by` is given what may be NaN; else NaN gives NaN */
} rk_rule;

const rk_rule *rk_rule_of(rk_op op); /* NULL: nothing is known */

/* Of a sum of squares of differences: minuends, then subtrahends; minus that; times a last one. */
extern const rk_rule rk_squares, rk_minus_squares, rk_scaled_squares;

/* The bounds that a function gives, what may be NaN included; without what rounding adds. */
rk_bounds rk_bounds_by(const rk_rule *rule, const rk_asked *asked, rk_bounds *x, int count);

/* With what a kernel's result may be off by. */
rk_bounds rk_bounds_widened(const rk_format *format, rk_bounds x, double ulps);

/* Relative error of an operation that is off by so many units, and of its bounds made in double. */
static inline double rk_relative(const rk_format *format, double ulps) {
  return ulps * format->ulp * (1 + 0x1p-10) + 0x1p-51;
}

#endif
