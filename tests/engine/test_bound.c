/* Intervals of values over boxes: each value that a kernel computes for a pair in a box lies in the
 * interval of that box, for every operation of the table and for random formulas, in both
 * precisions; and intervals of small boxes are small.
 *
 * A pair's value is the largest or smallest of one column. The backend `reference` runs all
 * formulas, the processor (or a GPU) those of whose records all bits are known.
 *
 *   test_bound [seed [formulas]]     RKEOPS_TEST_FULL=1: many more formulas, all of them compiled
 */
#pragma GCC diagnostic ignored "-Wunused-function" /* not all of what other tests share */
#pragma GCC diagnostic ignored "-Wunused-variable"
#include "random_blocks.h"
#include "random_generate.h"

#include "backends.h"
#include "bound/enclose.h"
#include "bound/rules.h"
#include "formula/operations.h"
#include "look/evaluate.h"
#include "look/look.h"
#include "planned.h"
#include "programs.h"
#include "run/call.h"

#include <float.h>

enum { ROWS = 61, MOST_SLOTS = 512 };

static long triples, unbounded, refused; /* of which is not known what kernels get, or too large */
static int met[RK_OPS];

/* ---- data ----------------------------------------------------------------------------------- */

static int is_float, in_box; /* rows */

static double any_number(void) {
  const double range = is_float ? 30 : 300, least = is_float ? FLT_MIN : DBL_MIN;
  switch (below(9)) {
    case 0: return (double[]){0, -0.0, 1, -1, 0.5, 2}[below(6)];
    case 1: return (double[]){INFINITY, -INFINITY, NAN}[below(3)];
    case 2: return floor(uniform() * 9) - 4;
    case 3: return (uniform() - 0.5) * exp(uniform() * 8);
    case 4: return (uniform() - 0.5) * pow(10, (2 * uniform() - 1) * range);
    case 5: return (uniform() - 0.5) * 4 * least;
    case 6: return (is_float ? FLT_MAX : DBL_MAX) * (chance(0.5) ? 1 : -uniform());
    default: return uniform() * 4 - 2;
  }
}

/* A component of the rows of a box, or of all columns: near each other, anywhere, or from 0 on. */
static void fill_numbers(double *x, int n, int mild) {
  double centre = mild ? uniform() * 4 - 2 : any_number(), u = uniform();
  double spread = u < 0.3 ? 0 : u < 0.5 ? 1e-3 : u < 0.8 ? 0.3 : 3;
  int positive = chance(0.3), whole = chance(0.1), free = !mild && chance(0.2);
  for (int k = 0; k < n; k++) {
    x[k] = free ? any_number() : centre + spread * (uniform() - 0.5);
    if (positive) x[k] = fabs(x[k]);
    if (whole && fabs(x[k]) < 1e9) x[k] = floor(x[k]);
    if (is_float) x[k] = fabs(x[k]) <= FLT_MAX ? x[k] : isfinite(x[k]) ? FLT_MAX : x[k];
  }
}

/* ---- a program and its data ----------------------------------------------------------------- */

typedef struct {
  rk_program *program;
  rk_array input[VARIABLES];
  double *out;
  rk_call call;
  rk_values values;
  rk_stage *stage[RK_MAX_WANTED];
} running;

/* As a run does it, with what the passes read left in r->values. */
static rk_status run_passes(running *r, int64_t *rows) {
  const rk_plan *plan = r->program->plan;
  const rk_output output = {.type = RK_OUT_DOUBLE, .data = r->out, .none_double = -1};
  rk_program_data data = {.graph = plan->graph, .stage = r->stage, .stages = plan->stages,
                          .info = &r->program->info, .served = plan->served, .results = plan->roots,
                          .number = r->program->number, .inputs = r->input, .rows = rows,
                          .outputs = &output};
  rk_caller caller = rk_call_caller(&r->call, &last);
  unsigned char split[RK_MAX_WANTED] = {0};
  rk_look look = {0};
  rk_text warned = {0};
  for (int k = 0; k < plan->stages; k++) r->stage[k] = &plan->stage[k];
  rk_status status = rk_values_make(&r->values, &data, caller);
  if (!status) status = rk_look_at(&look, &data, &r->values, split, &warned, caller);
  for (int k = 0; k < plan->stages && !status; k++)
    if (split[k]) status = rk_stage_split(&plan->stage[k], &r->stage[k], &last);
  if (!status) status = rk_run_passes(&data, &r->values, caller);
  rk_look_end(&look);
  rk_text_free(&warned);
  return status;
}

/* To be ended when it is RK_OK. The first run builds what there is to build. */
static rk_status begin_run(running *r, int64_t *rows) {
  const rk_output output = {.type = RK_OUT_DOUBLE, .data = r->out, .none_double = -1};
  int n = r->program->info.variables;
  rk_status status = rk_run(r->program, r->input, n, &output, NULL, NULL, &last);
  const rk_caller caller = {NULL, NULL, &last};
  if (!status) status = rk_call_begin(&r->call, rk_backend_chosen(INFINITY), caller);
  if (status) return status;
  r->values = (rk_values){0};
  status = run_passes(r, rows);
  if (!status) return RK_OK;
  rk_values_free(&r->values);
  rk_call_end(&r->call);
  return status;
}

static void end_run(running *r) {
  rk_values_free(&r->values);
  rk_call_end(&r->call);
}

/* ---- records and boxes ---------------------------------------------------------------------- */

/* The slots of a level: a value for each row, by component. */
typedef struct { int size; double *value; } records;

/* Do all backends make the same number of it, to the last bit? */
static int is_exact(const rk_node *node) {
  if (node->is_logical || rk_is_variable(node) || rk_node_is(node, RK_OP_Number)) return 1;
  int adds = rk_node_is(node, RK_OP_Subtract) || rk_node_is(node, RK_OP_Add), good = 1;
  for (int k = 0; k < node->operands; k++)
    good &= is_exact(node->operand[k]) && (!adds || !node->operand[k]->operands);
  return good && (adds || rk_moves(node) || rk_node_is(node, RK_OP_Mult) ||
                  rk_node_is(node, RK_OP_Minus));
}

/* 0: what the kernel gets is not known. */
static int on_reference;
static int make_records(const rk_pass *pass, const rk_values *values, rk_nest_kind level, int rows,
                        records *to) {
  const rk_slots *slots = &pass->slots[level];
  const rk_node *node[MOST_SLOTS];
  rk_evaluator e;
  *to = (records){.size = slots->size};
  for (int k = 0; k < pass->variables; k++)
    if (!values->value[pass->variable[k]].data) return 0; /* it lies on a GPU */
  if (slots->size > MOST_SLOTS) return 0;
  to->value = calloc((size_t)slots->size * (size_t)rows + 1, sizeof *to->value);
  for (int k = 0; k < slots->count; k++) {
    node[k] = slots->slot[k].node;
    if (!on_reference && !is_exact(node[k])) return 0;
  }
  int good = rk_evaluator_begin(&e, pass->graph, values->value, node, slots->count, &last) == RK_OK;
  for (int first = 0; first < rows && good; first += e.block) {
    int n = rows - first < e.block ? rows - first : e.block;
    rk_evaluate(&e, first, n);
    for (int k = 0; k < slots->count; k++)
      for (int c = 0; c < node[k]->dim; c++) {
        double *x = to->value + (size_t)(slots->slot[k].offset + c) * (size_t)rows;
        rk_copy_evaluated(&e, node[k], c, n, x + first);
      }
  }
  for (int k = 0; k < slots->size * rows && pass->options.precision == RK_FLOAT32; k++)
    to->value[k] = level == RK_NEST_PARAMETER ? rk_parameter_float(to->value[k])
                                              : (float)to->value[k];
  rk_evaluator_end(&e);
  return good;
}

typedef struct { double low, high; unsigned char nan; } box;

/* The box of `n` values, sometimes a larger one. */
static box box_of(const double *x, int n, int larger) {
  box b = {INFINITY, -INFINITY, 0};
  for (int k = 0; k < n; k++) {
    if (isnan(x[k])) b.nan = 1;
    else b = (box){fmin(b.low, x[k]), fmax(b.high, x[k]), b.nan};
  }
  if (larger && chance(0.15)) {
    double u = any_number();
    if (isnan(u)) b.nan = 1;
    else b = (box){fmin(b.low, u), fmax(b.high, u), b.nan};
  }
  return b;
}

/* Boxes of a level by component: one of all rows, or one for each `in_box` of them. */
typedef struct { double low[ROWS], high[ROWS]; unsigned char nan[ROWS]; } boxes;

static void make_boxes(const records *r, int rows, int step, int larger, boxes *b,
                       rk_slot_boxes *slot) {
  for (int c = 0; c < r->size; c++) {
    const double *x = r->value + (size_t)c * (size_t)rows;
    for (int k = 0; k < (step ? (rows + in_box - 1) / in_box : 1); k++) {
      int first = step ? k * in_box : 0;
      int n = !step || rows - first < in_box ? rows - first : in_box;
      box one = box_of(x + first, n, larger);
      b[c].low[k] = one.low;
      b[c].high[k] = one.high;
      b[c].nan[k] = one.nan;
    }
    slot[c] = (rk_slot_boxes){b[c].low, b[c].high, b[c].nan, step};
    if (!step && !b[c].nan[0]) slot[c].nan = NULL;
  }
}

/* ---- values in intervals -------------------------------------------------------------------- */

static void show_loss(const rk_enclosed *x, int k, double value, const char *text) {
  printf("  %s, float%d: %.17g in [%.17g, %.17g]%s\n", text, is_float ? 32 : 64, value,
         x->low[k], x->high[k], x->nan && x->nan[k] ? " or NaN" : "");
}

static int is_within(const rk_enclosed *x, int k, double value) {
  if (isnan(value)) return x->nan && x->nan[k];
  return x->low[k] <= value && value <= x->high[k];
}

/* Is the interval of a value about as small as its rounding? */
static int is_small_there(const rk_enclosed *x, int k, double value) {
  double unit = is_float ? FLT_EPSILON : DBL_EPSILON, least = is_float ? FLT_MIN : DBL_MIN;
  return isnan(value) || isinf(value) ||
         (x->high[k] - x->low[k] <= 64 * unit * fabs(value) + 64 * least);
}

enum { CHECK_SMALL = 1 };

/* One data set: rows in boxes, one column. */
typedef struct { const char *text; int rows, negated, dim; const double *out; } results;

static int count_lost(const rk_encloser *e, const results *r, int one_box) {
  int lost = 0;
  for (int c = 0; c < r->dim; c++) {
    rk_enclosed x = rk_enclosed_root(e, 0, c);
    for (int row = 0; row < r->rows; row++) {
      double value = r->out[c * r->rows + row];
      int k = one_box ? 0 : row / in_box;
      if (r->negated) value = -value;
      triples++;
      if (is_within(&x, k, value)) continue;
      if (!lost++) show_loss(&x, k, value, r->text);
    }
  }
  return lost;
}

static int count_wide(const rk_encloser *e, const results *r, int row) {
  int wide = 0;
  for (int c = 0; c < r->dim; c++) {
    rk_enclosed x = rk_enclosed_root(e, 0, c);
    double value = r->out[c * r->rows + row];
    if (r->negated) value = -value;
    if (!is_small_there(&x, 0, value) && !wide++) show_loss(&x, 0, value, r->text);
  }
  return wide;
}

static void note_operations(const rk_pass *pass) {
  const rk_nest *nest = &pass->nest[RK_NEST_PAIR];
  unsigned char *needed = rk_graph_needed(pass->graph, nest->root, nest->roots);
  for (int k = 0; k < rk_graph_size(pass->graph); k++) {
    const rk_node *node = rk_graph_node(pass->graph, k);
    if (needed[k] && node->level == RK_LEVEL_PAIR && node->operation) met[node->operation->op]++;
  }
  free(needed);
}

/* Rows in boxes, then all in one box beside boxes of the column. */
static void check_boxes(const rk_pass *pass, rk_encloser *e, const records *level,
                        const results *r, int small) {
  static boxes rows[MOST_SLOTS], columns[MOST_SLOTS];
  static rk_slot_boxes row_slot[MOST_SLOTS], column_slot[MOST_SLOTS];
  int n = (r->rows + in_box - 1) / in_box, lost = 0, wide = 0;
  (void)pass;
  for (int larger = 0; larger < 2; larger++) {
    make_boxes(&level[RK_NEST_ROW], r->rows, 1, larger, rows, row_slot);
    make_boxes(&level[RK_NEST_COLUMN], 1, 0, larger, columns, column_slot);
    rk_enclose(e, level[RK_NEST_PARAMETER].value, row_slot, column_slot, n, 1);
    lost += count_lost(e, r, 0);
    make_boxes(&level[RK_NEST_ROW], r->rows, 0, larger, rows, row_slot);
    make_boxes(&level[RK_NEST_COLUMN], 1, 1, larger, columns, column_slot);
    rk_enclose(e, level[RK_NEST_PARAMETER].value, row_slot, column_slot, 1, 1);
    lost += count_lost(e, r, 1);
  }
  make_boxes(&level[RK_NEST_COLUMN], 1, 0, 0, columns, column_slot);
  for (int row = 0; row < r->rows && small; row += 5) {
    records one = level[RK_NEST_ROW];
    double value[MOST_SLOTS];
    for (int c = 0; c < one.size; c++) value[c] = one.value[c * r->rows + row];
    one.value = value;
    make_boxes(&one, 1, 0, 0, rows, row_slot);
    rk_enclose(e, level[RK_NEST_PARAMETER].value, row_slot, column_slot, 1, 1);
    wide += count_wide(e, r, row);
  }
  CHECK(!lost, "values lie in their intervals");
  CHECK(!wide, "intervals of points are small");
}

static void check_stage(const running *r, const results *result, int small) {
  const rk_pass *pass = &r->stage[r->program->plan->served[0].pass]->pass;
  records level[RK_NEST_PAIR] = {{0}};
  rk_encloser e;
  int good = CHECK(rk_encloser_begin(&e, pass, &last) == RK_OK, "an encloser begins");
  unbounded += good && !e.is_bounded;
  if (good && e.is_bounded) {
    rk_nest_kind k = RK_NEST_PARAMETER;
    note_operations(pass);
    for (; k < RK_NEST_PAIR && good; k++) {
      int rows = k == RK_NEST_ROW ? result->rows : 1;
      good = make_records(pass, &r->values, k, rows, &level[k]);
    }
    if (good) check_boxes(pass, &e, level, result, small);
    else refused++;
  }
  for (int k = 0; k < RK_NEST_PAIR; k++) free(level[k].value);
  rk_encloser_end(&e);
}

/* `kinds` of the inputs of the program; rows of the kept index. */
static void check_data(rk_program *program, const char *text, int negated, int mild, int small) {
  const rk_program_info *info = rk_program_info_of(program);
  const rk_result *result = &info->result[0];
  running r = {.program = program};
  int64_t rows[3] = {1, 1, 1};
  double *data[VARIABLES];
  int few = chance(0.2) ? 1 + below(9) : 0;
  in_box = 1 + below(9);
  for (int k = 0; k < info->variables; k++)
    if (info->variable[k].kind == result->kept) rows[result->kept] = few ? few : ROWS;
  for (int k = 0; k < info->variables; k++) {
    const rk_variable *v = &info->variable[k];
    int n = (int)rows[v->kind];
    data[k] = calloc((size_t)n * (size_t)v->dim, sizeof *data[k]);
    for (int c = 0; c < v->dim; c++)
      for (int first = 0; first < n; first += in_box)
        fill_numbers(data[k] + c * n + first, n - first < in_box ? n - first : in_box, mild);
    r.input[k] = columns_of(data[k], n, v->dim);
  }
  int dim = result->field[0].dim * result->field[0].k;
  r.out = calloc((size_t)(rows[result->kept] * dim) + 1, sizeof *r.out);
  const results out = {text, (int)rows[result->kept], negated, dim, r.out};
  if (begin_run(&r, rows) == RK_OK) {
    check_stage(&r, &out, small);
    end_run(&r);
  } else {
    refused++;
    CHECK(last.status == RK_ERROR_PRECISION, last.message);
  }
  for (int k = 0; k < info->variables; k++) free(data[k]);
  free(r.out);
}

/* ---- each operation ------------------------------------------------------------------------- */

/* A call of it with operands that pairs see as they are. */
static int text_of(const rk_operation *o, char *text, size_t size, int variant) {
  static const char *const numbers[][3] = {{"Concat(x,y)", "y", "x"}, {"x+y", "y*p", "x"},
                                           {"x-y", "x*y", "p"}};
  static const char *const tests[] = {"x+y<p", "Not(y+x<=1)", "x+y<=y*p"};
  static const char *const vectors[][2] = {{"Concat(x,y)", "p"}, {"x*y", "p"}, {"x-y", "p"}};
  if (o->name[0] < 'A' || o->name[0] > 'Z') return 0;
  if (o->kind != RK_ELEMENTWISE && o->kind != RK_FOLD) return 0;
  if (!rk_rule_of(o->op)) return 0; /* may be anything, and so is what a pass with it gives */
  int is_one = o->check != NULL && o->kind == RK_ELEMENTWISE, at = 0;
  at += snprintf(text, size, "%s(", o->name);
  for (int k = 0; k < o->operands; k++) {
    int logical = o->result == RK_RESULT_LOGICAL_ONLY || (o->result == RK_RESULT_WHERE && !k);
    const char *x = logical ? tests[(variant + k) % 3]
                    : o->kind == RK_FOLD ? vectors[variant][k]
                    : o->operands > 1 && !variant ? (const char *[]){"x", "y", "p"}[k]
                                                  : numbers[is_one ? 2 : variant][k];
    at += snprintf(text + at, size - (size_t)at, is_one ? "%sElem(%s,0)" : "%s%s", k ? "," : "", x);
  }
  const int integers[][2] = {{2, 3}, {-1, 1}, {-3, 2}};
  for (int k = 0; k < o->integers; k++) {
    int n = o->check ? (int[]){2 - (o->kind == RK_FOLD), 2}[k] : integers[variant][k];
    at += snprintf(text + at, size - (size_t)at, ",%d", n);
  }
  snprintf(text + at, size - (size_t)at, ")");
  return 1;
}

static int is_full(void) { return getenv("RKEOPS_TEST_FULL") != NULL; }

enum { TOGETHER = 24, TEXT_SIZE = 2000 };
typedef struct {
  rk_program *program[2];
  char text[TEXT_SIZE];
  int negated, may_be_small;
} task;

static int wanted_rounds;

static void check_rounds(const task *t, int p) {
  is_float = p == RK_FLOAT32;
  for (int round = 0; round < wanted_rounds; round++) {
    int mild = round % 3 == 0;
    check_data(t->program[p], t->text, t->negated, mild, mild && t->may_be_small);
  }
}

/* To compile takes longer than all the rest: in one of the two precisions, but in a full run. */
static int is_run(const task *t, int k, int p) {
  return t[k].program[p] && (on_reference || is_full() || (k + p) % 2);
}

/* On the processor too, if `compiled`; there some are left out. */
static void check_tasks(task *t, int n, int compiled) {
  for (on_reference = !compiled; on_reference < 2; on_reference++) {
    rk_program *all[2 * TOGETHER] = {NULL};
    int count = 0;
    for (int k = 0; k < n; k++)
      for (int p = 0; p < 2; p++)
        if (is_run(t, k, p)) all[count++] = t[k].program[p];
    int device[8], devices = check_devices(device, 8);
    if (on_reference) rk_use_backend("reference", NULL, 0, &last);
    else CHECK(use_devices(device, devices, &last) == RK_OK, last.message);
    CHECK(rk_build_many(all, count, NULL, NULL, &last) == RK_OK, "all of them compile");
    for (int k = 0; k < n; k++)
      for (int p = 0; p < 2; p++)
        if (is_run(t, k, p)) check_rounds(&t[k], p);
  }
}

/* Values of several operations may cancel, and so may these; quotients by columns are products. Of
 * values that are equal by chance tests are undecided. */
static int loses_digits(const rk_operation *o, int variant) {
  static const rk_op all[] = {RK_OP_Divide, RK_OP_Mod, RK_OP_Sum, RK_OP_SumBlocks, RK_OP_Pow,
                              RK_OP_Round, RK_OP_Powf, RK_OP_Atan2};
  int loses = variant > 0 || o->result != RK_RESULT_NUMERIC;
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) loses |= o->op == all[k];
  return loses;
}

static const char *const declared[] = {"x=Vi(2)", "y=Vj(2)", "p=Pm(1)"};

/* Formulas are compiled in groups: components of one. */
typedef struct {
  task t[TOGETHER];
  int n, parts, may_be_small;
  char text[TEXT_SIZE / 2];
} gathering;

static void close_group(gathering *g) {
  if (!g->parts) return;
  task *one = &g->t[g->n++];
  *one = (task){.negated = chance(0.3), .may_be_small = g->may_be_small};
  snprintf(one->text, TEXT_SIZE, "%s_Reduction(%s,%s)", one->negated ? "MaxNaN" : "MinNaN", g->text,
           chance(0.7) ? "j" : "i");
  for (int p = 0; p < 2; p++)
    CHECK(one->program[p] = program_of(one->text, declared, 3, (rk_precision)p), one->text);
  g->parts = 0;
}

static void add_text(gathering *g, const char *formula, int may_be_small) {
  enum { MOST_PARTS = 6 };
  char before[TEXT_SIZE / 2];
  if (g->parts == MOST_PARTS || g->may_be_small != may_be_small) close_group(g);
  if (g->n == TOGETHER) check_tasks(g->t, g->n, 1), g->n = 0;
  snprintf(before, sizeof before, "%s", g->text);
  if (g->parts++) snprintf(g->text, sizeof g->text, "Concat(%.400s,%.400s)", before, formula);
  else snprintf(g->text, sizeof g->text, "%s", formula);
  g->may_be_small = may_be_small;
}

/* What makes operations that no formula names, and forms that a plan rewrites. */
static const char *const more[] = {
  "SqDist(x,y)", "Exp(-p*SqDist(x,y))", "Exp(-SqDist(x,y))", "Inv(Sqrt(SqDist(x,y)))",
  "Exp(-Sqrt(SqDist(x,y)))", "SoftDTW_SqDist(x,y,p)", "x-y", "(x|y)", "Inv(SqDist(x,y))",
  "Rsqrt(SqDist(x,y))*(x-y)", "Grad(Max(x-y),x,p)", "Grad(Sum(ClampInt(x-y,-1,1)),x,p)",
  "Grad(Sum(Clamp(x,y,p)),x,p)", "Where(x<y,Exp(x*y),Log(y))", "Equal(x,y)", "x<y",
  "Where(SqDist(x,y)<p,SqDist(x,y),-Log(0))", "BSpline(Concat(x,Concat(x+1,x+2)),Elem(y,0),2)",
  "ComplexMult(x,y)", "ComplexAngle(x-y)", "Normalize(x-y)", "Pow(x+y,-2)", "Powf(Abs(x+y),-0.5)",
  "TensorProd(x,y)", "Round(x*y,-1)", "Inv(x*y)", "Mod(x+y,p,0)", "Tan(x*y)",
  "Grad(Norm2(x-y),x,1)", "Pow(Concat(x,y),3)", "Pow(Concat(x,y),-3)", "Inv(Sqrt(Elem(x*y,0)))",
  "Atan2(x+y,Square(x-y))", "Atan2(Square(x+y),x-y)"};

static const char *const exact[] = {"Divide(p,x*y)", "Inv(Concat(x,y))*p", "Exp(x*y/4)"};

static void check_operations(void) {
  static gathering g;
  char text[TEXT_SIZE / 4];
  const rk_operation *o;
  for (int small = 0; small < 2; small++)
    for (int k = 0; (o = rk_operation_at(k)); k++)
      for (int variant = 0; variant < (is_full() ? 3 : 1); variant++)
        if (loses_digits(o, variant) != small && text_of(o, text, sizeof text, variant))
          add_text(&g, text, small);
  for (size_t k = 0; k < sizeof more / sizeof *more; k++) {
    int is_own = strstr(more[k], "SqDist") || strstr(more[k], "Sqrt"); /* rewritten unless shared */
    if (is_own) close_group(&g);
    add_text(&g, more[k], 0);
    if (is_own) close_group(&g);
  }
  for (size_t k = 0; k < sizeof exact / sizeof *exact; k++) add_text(&g, exact[k], 1);
  close_group(&g);
  check_tasks(g.t, g.n, 1);
  for (int k = 0; (o = rk_operation_at(k)); k++)
    if (rk_rule_of(o->op) && o->op != RK_OP_high) CHECK(met[o->op], o->name);
}

/* ---- random formulas ------------------------------------------------------------------------ */

static void add_random(task *t, int *n) {
  static writing w;
  query q;
  most_order = can_use("Grad") && chance(0.3) ? 1 + below(2) : 0;
  formula *f = new_formula(&q, 0);
  q.n = 1;
  q.r[0] = (final){.op = chance(0.3) ? R_MAXNAN : R_MINNAN, .root = q.r[0].root, .weight = -1,
                   .K = 1, .kept = q.r[0].kept};
  task *one = &t[(*n)++];
  *one = (task){.negated = q.r[0].op == R_MAXNAN};
  write_formula(f, &q, 1, &w);
  snprintf(one->text, TEXT_SIZE, "%.500s", w.text);
  for (int p = 0; p < 2; p++)
    CHECK(one->program[p] = request(f, &q, p, &last), "a well-typed formula is understood");
  free(f);
}

/* ---- what it is asked and says -------------------------------------------------------------- */

static int is_bounded(const char *text, const char *const *declarations, int n, int fast_math) {
  const rk_options options = {.fast_math = fast_math};
  planned p;
  rk_encloser e;
  int good = plan_text(&p, text, declarations, n, &options) == RK_OK &&
             rk_encloser_begin(&e, &p.pass, &last) == RK_OK;
  good = good && e.is_bounded;
  rk_encloser_end(&e);
  free_planned(&p);
  return good;
}

static void check_unbounded(void) {
  static const char *const wide[] = {"x=Vi(5000)", "y=Vj(5000)"};
  CHECK(is_bounded("Min_Reduction(Exp(x-y),j)", declared, 2, 0), "a formula is bounded");
  CHECK(!is_bounded("Min_Reduction(Exp(x-y),j)", declared, 2, 1), "not with fast functions");
  CHECK(!is_bounded("Min_Reduction(Max(x-y),j)", wide, 2, 0), "nor with too many components");
  CHECK(is_bounded("Min_Reduction(Max(Extract(x-y,100,9)),j)", wide, 2, 0),
        "those that nobody reads are none");
}

/* Exponents count in powers of 2; weights are the second root. */
static void check_roots(void) {
  static const double x[] = {1, 2}, y[][3] = {{0, -1, 5}, {0, 3, 4}};
  const rk_options options = {.precision = RK_FLOAT64};
  rk_slot_boxes rows[2], columns[2];
  static const double log2e = 1.4426950408889634;
  planned p;
  rk_encloser e[2];
  CHECK(plan_text(&p, "LogSumExp_Reduction(-SqDist(x,y),y,j)", declared, 2, &options) == RK_OK &&
            rk_encloser_begin(&e[0], &p.pass, &last) == RK_OK &&
            rk_encloser_another(&e[1], &e[0], &last) == RK_OK && e[1].roots == 2,
        "an encloser begins");
  for (int k = 0; k < 2; k++) {
    rows[k] = (rk_slot_boxes){&x[k], &x[k], NULL, 0};
    columns[k] = (rk_slot_boxes){y[k], y[k], NULL, 1};
  }
  for (int k = 1; k >= 0; k--) { /* the other one first: it stands for itself */
    rk_enclose(&e[k], NULL, rows, columns, 3, 2);
    rk_enclosed all = rk_enclosed_root(&e[k], 0, 0), weight = rk_enclosed_root(&e[k], 1, 1);
    for (int b = 0; b < 3; b++) {
      double d = (pow(x[0] - y[0][b], 2) + pow(x[1] - y[1][b], 2)) * -log2e;
      CHECK(all.low[b] <= d && d <= all.high[b] && !all.nan, "an exponent");
      CHECK(all.high[b] - all.low[b] < 1e-12, "the exponent's interval is small");
      CHECK(weight.low[b] == y[1][b] && weight.high[b] == y[1][b], "a weight");
    }
  }
  rk_encloser_end(&e[1]);
  rk_encloser_end(&e[0]);
  free_planned(&p);
}

/* In float32, of all components of x from `from` to `to`, and of those of y from 0 to `to`: 0 stays
 * an end that nothing crosses, and sums overflow. */
static void check_end_of(const char *text, double from, double to, double low, double high) {
  const rk_options options = {.precision = RK_FLOAT32};
  const double zero = 0;
  enum { SLOTS = 8 };
  rk_slot_boxes rows[SLOTS], columns[SLOTS];
  planned p;
  rk_encloser e;
  for (int k = 0; k < SLOTS; k++) {
    rows[k] = (rk_slot_boxes){&from, &to, NULL, 0};
    columns[k] = (rk_slot_boxes){&zero, &to, NULL, 1};
  }
  CHECK(plan_text(&p, text, declared, 2, &options) == RK_OK &&
            rk_encloser_begin(&e, &p.pass, &last) == RK_OK, text);
  rk_enclose(&e, &zero, rows, columns, 1, 1);
  rk_enclosed x = rk_enclosed_root(&e, 0, 0);
  if (!CHECK(x.low[0] >= low && x.high[0] >= high && !x.nan, text))
    printf("  from %g to %g, %s\n", x.low[0], x.high[0], x.nan ? "maybe NaN" : "not NaN");
  rk_encloser_end(&e);
  free_planned(&p);
}

static void check_ends(void) {
  check_end_of("Min_Reduction(Sqrt(Exp(x*y)),j)", -30, 30, 0, 1);
  check_end_of("Min_Reduction(Sqrt(Square(x+y)*y),j)", -30, 30, 0, 1);
  check_end_of("Min_Reduction(Inv(Abs(x+y)),j)", -1, 3, 0.1, INFINITY);
  check_end_of("Min_Reduction(Inv(Sqrt(Sum(Square(x+y)))),j)", -1, 3, 0.1, INFINITY);
  check_end_of("Min_Reduction(Inv(Where(x+y<0,Exp(x*y),Exp(x-y))),j)", -1, 3, 1e-5, 1);
  check_end_of("Min_Reduction(Sqrt(Powf(Abs(x+y),y)),j)", -2, 90, 0, 1);
  check_end_of("Min_Reduction((x|y),j)", 1.5e19, 1.5e19, 0, INFINITY);
}

int main(int arguments, char **argument) {
  int full = is_full(), formulas = full ? 300 : 96;
  task t[TOGETHER];
  if (arguments > 1) check_seed ^= strtoull(argument[1], NULL, 10) * 0x9E3779B97F4A7C15ull;
  if (arguments > 2) formulas = atoi(argument[2]);
  check_configure();
  check_unbounded();
  check_roots();
  check_ends();
  wanted_rounds = full ? 24 : 6;
  check_operations();
  for (int k = 0, n = 0; k < formulas; k++) {
    add_random(t, &n);
    if (n == TOGETHER || k == formulas - 1) check_tasks(t, n, full), n = 0;
  }
  printf("%ld values in boxes; %ld unbounded, %ld refused\n", triples, unbounded, refused);
  CHECK(triples > (full ? 1000000 : 100000), "there are enough of them");
  return check_end();
}
