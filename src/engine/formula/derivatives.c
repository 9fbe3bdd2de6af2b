/* Nodes of derivatives, checked as they are made. */
#include "error.h"
#include "formula/operations.h"

static int is_number(const rk_graph *graph, const rk_node *node) {
  if (rk_node_is(node, RK_OP_Number)) return 1;
  return rk_node_is(node, RK_OP_Variable) &&
         rk_graph_variable_at((rk_graph *)graph, node->variable)->origin == RK_FROM_NUMBER;
}

static int is_input(rk_graph *graph, const rk_node *node) {
  return rk_node_is(node, RK_OP_Variable) &&
         rk_graph_variable_at(graph, node->variable)->origin == RK_FROM_INPUT;
}

/* What the rules of each kind need: dimensions of the operands after V (0: none), of the result. */
typedef struct { int third, fourth, dim, square, scalar; } signature;

static signature signature_of(const rk_operation *operation, const rk_node *F, const rk_node *V) {
  switch (operation->op) {
    case RK_OP_Grad:
    case RK_OP_Grad_WithSavedForward:
    case RK_OP_AdjointOperator: return (signature){.third = F->dim, .dim = V->dim};
    case RK_OP_Diff:
    case RK_OP_Diff_WithSavedForward: return (signature){.third = V->dim, .dim = F->dim};
    case RK_OP_GradMatrix: return (signature){.dim = F->dim * V->dim};
    case RK_OP_Laplacian: return (signature){.dim = 1, .scalar = 1};
    case RK_OP_SumLinOperator:
      return (signature){.third = F->dim, .fourth = V->dim, .dim = 1};
    default: return (signature){.third = V->dim, .dim = 1, .square = 1};
  }
}

static int check_dim(const rk_graph *graph, const rk_operation *operation, const rk_node *operand,
                     int expected, const char *which, rk_error *error) {
  int may_repeat = is_number(graph, operand) || operation->optional > 0;
  if (!expected || operand->dim == expected) return 1;
  if (operand->dim == 1 && may_repeat && operation->op != RK_OP_Grad) return 1;
  if (operand->dim == 1 && is_number(graph, operand)) return 1;
  rk_fail(error, RK_ERROR_FORMULA, "%s: expected a %s of dimension %d, found dimension %d",
          operation->name, which, expected, operand->dim);
  return 0;
}

static const char *index_name(int level) {
  static const char *const names[] = {"a parameter", "indexed by i", "indexed by j",
                                      "indexed by i and j"};
  return names[level];
}

/* The cotangent of a reduction has the index of its result, a direction that of its variable. */
static int check_level(const rk_operation *operation, const rk_node *operand, int allowed,
                       const char *which, rk_error *error) {
  if (!(operand->level & ~allowed)) return 1;
  rk_fail(error, RK_ERROR_FORMULA, "%s of a reduction: expected a %s that is %s, found one %s",
          operation->name, which, index_name(allowed), index_name(operand->level));
  return 0;
}

static int check(rk_graph *graph, const rk_operation *operation, const rk_node *const *operand,
                 int operands, signature s, rk_error *error) {
  const rk_node *F = operand[0], *V = operand[1];
  const char *third = rk_is_gradient(operation->op)      ? "cotangent"
                      : rk_is_directional(operation->op) ? "direction"
                                                         : "vector";
  int may_be_scalar = operation->op == RK_OP_TraceOperator;
  if (s.square && F->dim != V->dim && !(F->dim == 1 && may_be_scalar))
    return rk_fail(error, RK_ERROR_FORMULA,
                   "%s: expected a formula of the dimension of the variable, %d, found %d",
                   operation->name, V->dim, F->dim), 0;
  if (s.scalar && F->dim != 1)
    return rk_fail(error, RK_ERROR_FORMULA, "%s: expected a formula of dimension 1, found %d",
                   operation->name, F->dim), 0;
  if (operands > 2 && !check_dim(graph, operation, operand[2], s.third, third, error)) return 0;
  if (operands > 3 && s.fourth &&
      !check_dim(graph, operation, operand[3], s.fourth, "vector", error)) return 0;
  if (!F->is_result || operands < 3) return 1;
  int is_diff = rk_is_directional(operation->op);
  return check_level(operation, operand[2], is_diff ? V->level : F->level, third, error);
}

/* The rows that the derivative of a reduction has: those of the variable where it is an adjoint. */
static int level_of_result(const rk_operation *operation, const rk_node *F, const rk_node *V) {
  const rk_op op = operation->op;
  int adjoint = rk_is_gradient(op) || op == RK_OP_GradMatrix || op == RK_OP_Laplacian ||
                op == RK_OP_AdjointOperator;
  return adjoint ? V->level : F->level;
}

const rk_node *rk_derivative(rk_graph *graph, const rk_operation *operation,
                             const rk_node *const *operand, int operands, int place,
                             rk_error *error) {
  const rk_node *F = operand[0], *V = operand[1];
  if (!is_input(graph, V)) {
    rk_fail(error, RK_ERROR_FORMULA, "%s: expected a variable as second argument, found %s",
            operation->name, V->operation ? V->operation->name : "a reduction");
    return NULL;
  }
  signature s = signature_of(operation, F, V);
  if (!check(graph, operation, operand, operands, s, error)) return NULL;
  if (s.dim > RK_MAX_DIM || s.dim < 1) {
    rk_fail(error, RK_ERROR_FORMULA, "%s: dimension %d x %d is out of range (1 to %d)",
            operation->name, F->dim, V->dim, RK_MAX_DIM);
    return NULL;
  }
  rk_node node = {.operation = operation, .operands = operands, .dim = s.dim, .place = place,
                  .is_result = F->is_result};
  for (int k = 0; k < operands; k++) {
    node.operand[k] = operand[k];
    node.level |= operand[k]->level;
  }
  if (F->is_result) node.level = level_of_result(operation, F, V);
  const rk_node *made = rk_graph_intern(graph, &node);
  if (!made) rk_fail_memory(error, sizeof node);
  return made;
}
