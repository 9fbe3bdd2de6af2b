/* The tables of operations and reductions as engine.h shows them. */
#include "formula/operations.h"
#include "formula/reductions.h"

int rk_operation_entry(int k, rk_entry *entry) {
  static const char *const kind[] = {"leaf", "elementwise", "fold",    "pieces",
                                     "defined", "composed",   "derivative"};
  const rk_operation *operation = rk_operation_at(k);
  if (!operation) return 0;
  *entry = (rk_entry){.name = operation->name, .kind = kind[operation->kind],
                      .operands = operation->operands, .integers = operation->integers,
                      .lists = operation->lists, .optional = operation->optional,
                      .dimension = operation->dim_text, .expected = operation->expected,
                      .definition = operation->definition,
                      .documentation = operation->documentation};
  for (int o = 0; o < RK_MAX_OPERANDS; o++) {
    entry->derivatives[o] = operation->derivative[o] ? operation->derivative[o]
                                                     : operation->transpose[o];
    entry->selects |= operation->selects[o] != NULL;
  }
  return 1;
}

int rk_reduction_entry(int k, rk_entry *entry) {
  const rk_reduction *reduction = rk_reduction_at(k);
  if (!reduction) return 0;
  *entry = (rk_entry){.name = reduction->name, .kind = "reduction",
                      .operands = reduction->weight == RK_WEIGHT_NONE ? 1 : 2,
                      .integers = reduction->ranked,
                      .optional = reduction->weight == RK_WEIGHT_OPTIONAL,
                      .no_derivative = reduction->no_derivative,
                      .documentation = reduction->documentation};
  entry->selects = reduction->selects != NULL;
  entry->derivatives[0] = reduction->selects ? reduction->selects : reduction->derivative[0];
  entry->derivatives[1] = reduction->derivative[1];
  return 1;
}
