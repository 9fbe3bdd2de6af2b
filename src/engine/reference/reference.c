/* Plans, evaluated as they stand: each nest's steps in their order, one row, one column, one
 * component at a time. It needs no compiler at run time, and shares with the compiled backends what
 * a plan says and the code of the table of operations; walking, packing, entering and merging are
 * written again here, as plainly as they can be. What is read before it is written is NaN. */
#include "formula/operations.h"
#include "run/backend.h"
#include "run/call.h"
#include "look/evaluate.h"
#include "run/values.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

extern const rk_backend rk_backend_reference;

/* One nest while it runs. */
typedef struct {
  const rk_pass *pass;
  const rk_nest *nest;
  int in_double;
  const rk_array *value;                    /* of graph variables; what the lower nests read */
  int64_t row;                              /* of the rows, or columns, that the nest is for */
  const double *slot[RK_NEST_PAIR];         /* records of lower levels */
  double **store;                           /* by node: what steps have made */
  size_t nodes;                             /* so many: a poll may add to the graph */
} nesting;

static double value_of(const nesting *n, const rk_node *node, int component);

/* ---- one operation --------------------------------------------------------------------------- */

static double moved(const nesting *n, const rk_node *node, int component) {
  rk_piece piece[RK_MAX_PIECES];
  int pieces = rk_node_pieces(node, piece), from;
  for (int k = 0; k < pieces; k++)
    if (rk_piece_source(&piece[k], component, &from))
      return value_of(n, node->operand[piece[k].operand], from);
  return 0;
}

/* Of components that enter a result of their own. */
static int enters(const rk_node *node, int component, int result) {
  rk_piece piece[RK_MAX_PIECES];
  int to = 0;
  if (!node->operation->pieces) return 1;
  rk_node_pieces(node, piece);
  return rk_piece_source(piece, component, &to) && to == result;
}

enum { ROOM = 4 }; /* lanes that the table's code works on; the first one counts */

static double folded(const nesting *n, const rk_node *node, int component) {
  double second = node->operands > 1 ? value_of(n, node->operand[1], 0) : 0, value;
  double s[ROOM], p[ROOM], out[ROOM];
  const rk_operand x[] = {{&value, 0}, {&second, 0}};
  (n->in_double ? rk_fold_start_64 : rk_fold_start_32)(node, 1, s, p);
  for (int k = 0; k < node->operand[0]->dim; k++) {
    if (!enters(node, k, component)) continue;
    value = value_of(n, node->operand[0], k);
    (n->in_double ? rk_fold_next_64 : rk_fold_next_32)(node, x, k, 1, s, p);
  }
  (n->in_double ? rk_fold_end_64 : rk_fold_end_32)(node, x, 1, s, p, out);
  return out[0];
}

static double computed(const nesting *n, const rk_node *node, int component) {
  double x[RK_MAX_OPERANDS] = {0}, out[ROOM];
  rk_operand at[RK_MAX_OPERANDS];
  if (rk_moves(node)) return moved(n, node, component);
  if (rk_folds(node)) return folded(n, node, component);
  for (int k = 0; k < RK_MAX_OPERANDS; k++) at[k] = (rk_operand){&x[k], 0};
  for (int k = 0; k < node->operands; k++) x[k] = value_of(n, node->operand[k], component);
  (n->in_double ? rk_elementwise_64 : rk_elementwise_32)(node, at, component, 1, out);
  return out[0];
}

/* ---- one nest -------------------------------------------------------------------------------- */

static double input_of(const nesting *n, const rk_node *node, int component) {
  const rk_array *x = &n->value[node->variable];
  int64_t row = x->rows == 1 && node->level == RK_LEVEL_PARAMETER ? 0 : n->row;
  return x->data[row * x->row_stride + component * x->component_stride];
}

/* A scalar is every component of a vector. */
static double value_of(const nesting *n, const rk_node *node, int component) {
  if (node->dim == 1) component = 0;
  if (rk_node_is(node, RK_OP_Number)) return n->in_double ? node->value : (float)node->value;
  rk_nest_kind level = rk_level_of(n->pass, node);
  int at = level < n->nest->kind ? rk_slot_offset(n->pass, node) : -1;
  if (at >= 0) return n->slot[level][at + component];
  if (n->store[node->number]) return n->store[node->number][component];
  if (rk_is_variable(node)) return input_of(n, node, component);
  return computed(n, node, component);
}

static int is_stored(const rk_nest *nest, const rk_node *node) {
  return nest->place[node->number] == RK_SCALAR || nest->place[node->number] == RK_LOCAL ||
         nest->place[node->number] == RK_PANEL;
}

static void run_steps(const nesting *n) {
  for (int k = 0; k < n->nest->nodes; k++) {
    const rk_node *node = n->nest->node[k];
    for (int c = 0; c < node->dim; c++) n->store[node->number][c] = NAN;
  }
  for (int s = 0; s < n->nest->steps; s++)
    for (int k = 0; k < n->nest->step[s].count; k++) {
      const rk_node *node = n->nest->node[n->nest->step[s].first + k];
      double *to = n->store[node->number];
      for (int c = 0; c < node->dim; c++) to[c] = computed(n, node, c);
    }
}

/* Room for what the steps of a nest make; freed by free_nesting. */
static rk_status begin_nesting(nesting *n, const rk_job *job, rk_nest_kind kind, rk_error *error) {
  const rk_pass *pass = &job->stage->pass;
  *n = (nesting){.pass = pass, .nest = &pass->nest[kind], .value = job->value,
                 .in_double = kind != RK_NEST_PAIR || pass->options.precision == RK_FLOAT64};
  size_t size = (size_t)rk_graph_size(pass->graph);
  n->nodes = size;
  n->store = calloc(size + 1, sizeof *n->store);
  if (!n->store) return rk_fail_memory(error, size * sizeof *n->store);
  for (int k = 0; k < n->nest->nodes; k++) {
    const rk_node *node = n->nest->node[k];
    if (!is_stored(n->nest, node)) continue;
    n->store[node->number] = malloc((size_t)node->dim * sizeof(double));
    if (!n->store[node->number]) return rk_fail_memory(error, (size_t)node->dim * 8);
  }
  return RK_OK;
}

static void free_nesting(nesting *n) {
  for (size_t k = 0; n->store && k < n->nodes; k++) free(n->store[k]);
  free(n->store);
}

/* ---- packing --------------------------------------------------------------------------------- */

static double rounded(const rk_pass *pass, rk_nest_kind kind, double value) {
  if (pass->options.precision == RK_FLOAT64) return value;
  return kind == RK_NEST_PARAMETER ? rk_parameter_float(value) : (float)value;
}

/* The records of a level, in the kernel's type: its slots are the roots of its nest. `exact` (may
 * be NULL) are parameters in double. */
static rk_status pack(const rk_job *job, rk_nest_kind kind, int64_t rows, const double *exact,
                      double **record, double *unrounded, rk_caller caller) {
  const rk_pass *pass = &job->stage->pass;
  const rk_slots *slots = &pass->slots[kind];
  nesting n;
  rk_status status = begin_nesting(&n, job, kind, caller.error);
  *record = malloc((size_t)rows * (size_t)slots->size * sizeof **record + 1);
  if (!status && !*record) status = rk_fail_memory(caller.error, (size_t)rows * 8);
  n.slot[RK_NEST_PARAMETER] = exact;
  for (n.row = 0; n.row < rows && !status; n.row++) {
    run_steps(&n);
    for (int k = 0; k < slots->count; k++)
      for (int c = 0; c < slots->slot[k].node->dim; c++) {
        int64_t at = n.row * slots->size + slots->slot[k].offset + c;
        double value = value_of(&n, slots->slot[k].node, c);
        if (unrounded) unrounded[at] = value;
        (*record)[at] = rounded(pass, kind, value);
      }
    status = rk_ask(caller, 0);
  }
  free_nesting(&n);
  return status;
}

/* ---- states ---------------------------------------------------------------------------------- */

/* Arrays of the call, one row of each level at a time. */
typedef struct {
  double *record[RK_NEST_PAIR], *exact;
  rk_states all, one;      /* of a row; of one of its pairs */
  double *value;           /* of a pair: what enters */
} memory;

/* The state that a single pair makes: 0 when the pair is no candidate. */
static int state_of_one(const nesting *n, int64_t j, memory *m) {
  const rk_node *reduction = n->pass->reduction;
  const int has_head = reduction->reduction->has_head;
  for (int c = 0; c < n->pass->state.components; c++)
    m->value[c] = value_of(n, reduction->operand[has_head], c);
  const rk_one_pair one = {m->value, n->pass->factor,
                           has_head ? value_of(n, reduction->operand[0], 0) : 0,
                           n->in_double ? DBL_MAX : FLT_MAX, j};
  return rk_state_of_one(reduction, &one, m->one);
}

static rk_status make_memory(memory *m, const rk_job *job, rk_caller caller) {
  const rk_pass *pass = &job->stage->pass;
  size_t values = (size_t)pass->state.values + 1, positions = (size_t)pass->state.positions + 1;
  m->all.values = calloc(2 * values, sizeof(double));
  m->all.positions = calloc(2 * positions, sizeof(int64_t));
  m->all.ld = 1;
  m->exact = calloc((size_t)pass->slots[RK_NEST_PARAMETER].size + 1, sizeof(double));
  m->value = calloc((size_t)pass->state.components + 1, sizeof(double));
  if (!m->all.values || !m->all.positions || !m->exact || !m->value)
    return rk_fail_memory(caller.error, (values + positions) * 16);
  m->one = (rk_states){m->all.values + values, m->all.positions + positions, 1};
  rk_status status = pack(job, RK_NEST_PARAMETER, 1, NULL, &m->record[RK_NEST_PARAMETER],
                          m->exact, caller);
  if (!status)
    status = pack(job, RK_NEST_ROW, job->sizes.kept, m->exact, &m->record[RK_NEST_ROW], NULL,
                  caller);
  if (!status)
    status = pack(job, RK_NEST_COLUMN, job->sizes.reduced, m->exact, &m->record[RK_NEST_COLUMN],
                  NULL, caller);
  return status;
}

static void free_memory(memory *m) {
  for (int k = 0; k < RK_NEST_PAIR; k++) free(m->record[k]);
  free(m->exact);
  free(m->value);
  free(m->all.values);
  free(m->all.positions);
}

static int is_in_band(const rk_walk *w, int64_t difference) {
  for (int k = 0; k < w->bands; k++)
    if (w->lower[k] <= difference && difference <= w->upper[k]) return 1;
  return !w->bands;
}

static void enter_columns(nesting *n, const rk_job *job, memory *m, int64_t from, int64_t end) {
  const rk_pass *pass = n->pass;
  const int32_t *at = job->walk ? job->walk->column_at : NULL;
  for (int64_t place = from; place < end; place++) {
    int64_t j = at ? at[place] : place;
    if (job->walk && !is_in_band(job->walk, j - n->row)) continue;
    n->slot[RK_NEST_COLUMN] = m->record[RK_NEST_COLUMN] + j * pass->slots[RK_NEST_COLUMN].size;
    run_steps(n);
    if (state_of_one(n, j, m)) rk_state_merge(pass->reduction, m->all, m->one);
  }
}

/* The row at a place, of segment s of the walk where there is one. */
static void run_row(nesting *n, const rk_job *job, memory *m, int64_t place, int64_t s) {
  const rk_pass *pass = n->pass;
  const rk_walk *w = job->walk;
  n->row = w && w->row_at ? w->row_at[place] : place;
  rk_state_start(pass->reduction, m->all, 1);
  n->slot[RK_NEST_PARAMETER] = m->record[RK_NEST_PARAMETER];
  n->slot[RK_NEST_ROW] = m->record[RK_NEST_ROW] + n->row * pass->slots[RK_NEST_ROW].size;
  if (!w) enter_columns(n, job, m, 0, job->sizes.reduced);
  for (int64_t k = w && s ? w->list_end[s - 1] : 0; w && k < w->list_end[s]; k++) {
    int64_t own = place - (s ? w->segment_end[s - 1] : 0);
    if (!w->low || (w->low[k] <= own && own < w->high[k]))
      enter_columns(n, job, m, w->from[k], w->end[k]);
  }
  rk_state_finish(pass->reduction, m->all, 1, job->outputs,
                  (rk_result_rows){NULL, n->row, job->sizes.kept});
}

/* ---- the backend ----------------------------------------------------------------------------- */

static rk_status run(const rk_job *job, rk_caller caller) {
  memory m = {.exact = NULL};
  nesting n = {.store = NULL};
  rk_status status = make_memory(&m, job, caller);
  if (!status) status = begin_nesting(&n, job, RK_NEST_PAIR, caller.error);
  for (int64_t i = 0, s = 0; i < job->sizes.kept && !status; i++) {
    while (job->walk && job->walk->segment_end[s] <= i) s++;
    run_row(&n, job, &m, i, s);
    status = rk_ask(caller, (double)(i + 1) / (double)job->sizes.kept);
  }
  free_nesting(&n);
  free_memory(&m);
  return status;
}

static rk_status check(const rk_options *options, rk_error *error) {
  if (options->precision != RK_FLOAT16) return RK_OK;
  return rk_fail(error, RK_ERROR_DEVICE, "the reference backend has no float16");
}

static int is_built(const rk_wanted *wanted) {
  (void)wanted;
  return 1;
}

/* There is none: the plan is what runs. */
static rk_status source(const rk_wanted *wanted, int n, rk_text *text, rk_error *error) {
  for (int k = 0; k < n; k++) rk_plan_head(&wanted[k].stage->pass, NULL, "", text);
  return text->failed ? rk_fail_memory(error, text->length) : RK_OK;
}

static void forget(rk_stage *stage) { (void)stage; }

const rk_backend rk_backend_reference = {.name = "reference", .check = check, .is_built = is_built,
                                         .source = source, .run = run, .forget = forget};
