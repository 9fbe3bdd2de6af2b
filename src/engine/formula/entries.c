/* The tables of operations and reductions as engine.h shows them. */
#include "formula/operations.h"
#include "formula/reductions.h"

int rk_operation_entry(int k, rk_entry *entry) {
  static const char *const kind[] = {"leaf", "elementwise", "fold", "pieces", "defined"};
  const rk_operation *operation = rk_operation_at(k);
  if (!operation) return 0;
  *entry = (rk_entry){operation->name, kind[operation->kind], operation->operands,
                      operation->integers, {NULL, NULL, NULL}, operation->documentation};
  for (int o = 0; o < RK_MAX_OPERANDS; o++)
    entry->derivatives[o] = operation->derivative[o] ? operation->derivative[o]
                                                     : operation->transpose[o];
  return 1;
}

int rk_reduction_entry(int k, rk_entry *entry) {
  const rk_reduction *reduction = rk_reduction_at(k);
  if (!reduction) return 0;
  *entry = (rk_entry){reduction->name, "reduction", reduction->weight == RK_WEIGHT_NONE ? 1 : 2,
                      reduction->ranked, {NULL, NULL, NULL}, reduction->documentation};
  return 1;
}
