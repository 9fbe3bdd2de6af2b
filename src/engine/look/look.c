/* See look.h.
 *
 * Values of rows and columns are looked at as packing will see them: each slot, in double. One walk
 * over all rows finds extremes; where a centre is wanted, a sample says how wide the data lies
 * around each of its values, that is, how many digits differences keep.
 */
#include "error.h"
#include "run/call.h"
#include "look/evaluate.h"
#include "look/looking.h"
#include "rounding.h"
#include "run/parallel.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

int rk_is_origin(const rk_looking *l, const rk_node *node, rk_origin origin) {
  return rk_is_variable(node) && rk_variable_of(l, node->variable)->origin == origin;
}

double rk_centre_of(const rk_looking *l, const rk_watched *value, int component) {
  const rk_array *x = &l->values->value[value->centre];
  return x->data[x->dim == 1 ? 0 : component];
}

const rk_watched *rk_find_watched(const rk_looking *l, const rk_node *node, int centre) {
  const rk_side *s = &l->side[rk_kind_of_level(node->level)];
  for (int k = 0; k < s->count && s->rows; k++)
    if (s->value[k].node == node && s->value[k].centre == centre) return &s->value[k];
  return NULL;
}

const char *rk_name_in(const rk_looking *l, const rk_node *node) {
  if (rk_is_variable(node)) {
    int given = rk_variable_of(l, node->variable)->origin == RK_FROM_INPUT;
    return given ? rk_input_name(l->p, node->variable) : NULL;
  }
  const char *name = NULL;
  for (int k = 0; k < node->operands && !name; k++)
    if (node->operand[k]->level) name = rk_name_in(l, node->operand[k]);
  return name;
}

/* ---- what is watched ---- */

static int is_there(const rk_looking *l, const rk_node *node) {
  if (node->reduction) return 0;
  if (rk_is_variable(node))
    return l->host[node->variable].data && !l->host[node->variable].resident;
  for (int k = 0; k < node->operands; k++)
    if (!l->is_there[node->operand[k]->number]) return 0;
  return 1;
}

/* A number of the formula, also where it was lifted out; 0: it is none. */
static double number_of(const rk_looking *l, const rk_node *node) {
  if (rk_node_is(node, RK_OP_Number)) return node->value;
  return rk_is_origin(l, node, RK_FROM_NUMBER) ? l->values->own[node->variable][0] : 0;
}

rk_plain rk_plain_of(const rk_looking *l, const rk_node *node) {
  const rk_plain computed = {node, NULL, 1, NULL};
  double scale = 1, number;
  if (rk_node_is(node, RK_OP_Minus)) {
    scale = -1;
    node = node->operand[0];
  }
  if (rk_node_is(node, RK_OP_Mult) && (number = number_of(l, node->operand[0])) != 0) {
    scale *= number;
    node = node->operand[1];
  }
  const rk_array *x = rk_is_variable(node) && node->level ? &l->host[node->variable] : NULL;
  int is_plain = x && x->data && x->row_stride == 1 && fabs(scale) <= DBL_MAX;
  return is_plain ? (rk_plain){node, x, scale, x->resident} : computed;
}

/* Most are inputs. */
int rk_can_see(rk_looking *l, const rk_node *node) {
  if (rk_plain_of(l, node).array) return 1;
  if (!l->is_there) {
    int size = rk_graph_size(l->p->graph);
    l->is_there = calloc((size_t)size + 1, 1);
    l->failed |= !l->is_there;
    for (int k = 0; k < size && l->is_there; k++)
      l->is_there[k] = (unsigned char)is_there(l, rk_graph_node(l->p->graph, k));
  }
  return l->is_there && l->is_there[node->number];
}

static void watch(rk_looking *l, rk_side *s, const rk_node *node, int centre) {
  for (int k = 0; k < s->count; k++)
    if (s->value[k].node == node && s->value[k].centre == centre) return;
  if (s->count == s->room) {
    rk_watched *larger = malloc(2 * (size_t)s->room * sizeof *larger);
    if (!larger) {
      l->failed = 1;
      return;
    }
    memcpy(larger, s->value, (size_t)s->room * sizeof *larger);
    if (s->value != s->few) free(s->value);
    s->value = larger;
    s->room *= 2;
  }
  s->value[s->count] = (rk_watched){node, centre, s->components, rk_plain_of(l, node), NULL};
  rk_find_known(&s->value[s->count++]);
  s->components += node->dim;
}

const rk_node *rk_without_centre(const rk_looking *l, const rk_node *slot, int *centre) {
  *centre = -1;
  if (!rk_node_is(slot, RK_OP_Subtract) || !rk_is_origin(l, slot->operand[1], RK_FROM_CENTRE))
    return slot;
  *centre = slot->operand[1]->variable;
  return slot->operand[0];
}

static void watch_slot(rk_looking *l, rk_side *s, const rk_node *slot) {
  int centre;
  const rk_node *node = rk_without_centre(l, slot, &centre);
  if (rk_is_origin(l, node, RK_FROM_RANK) || rk_is_origin(l, node, RK_FROM_POSITION)) return;
  if (rk_can_see(l, node)) watch(l, s, node, centre);
}

static void watch_pass(rk_looking *l, const rk_pass *pass) {
  for (int level = RK_NEST_ROW; level <= RK_NEST_COLUMN; level++) {
    rk_kind kind =
        level == RK_NEST_ROW ? rk_kept_kind(pass->source) : rk_reduced_kind(pass->source);
    for (int k = 0; k < pass->slots[level].count; k++)
      watch_slot(l, &l->side[kind], pass->slots[level].slot[k].node);
  }
}

static int watched(const rk_looking *l) {
  int count = 0;
  for (int kind = 0; kind < RK_KINDS; kind++) count += l->side[kind].count;
  return count;
}

/* ---- a walk over all rows ---- */

static rk_extremes rounding_of(const double *at, int64_t n, double scale, double centre,
                               rk_extremes e) {
  for (int64_t r = 0; r < n; r++) {
    double v = at[r] * scale - centre, rest = fabs(v - (double)(float)v);
    if (rest > e.rounding && rest <= DBL_MAX) e.rounding = rest;
  }
  return e;
}

/* The roots are the values that have to be computed. */
typedef struct {
  rk_looking *l;
  rk_side *s;
  int for_roundings, roots;
  atomic_int failed;
  const rk_node **root, *few[RK_FEW];
  rk_evaluator all;      /* of the roots: each task has another one */
} walking;

static void see(const rk_watched *value, int component, const double *at, int64_t n,
                rk_extremes *seen) {
  rk_extremes *one = &seen[value->first + component];
  rk_extremes e = value->centre < 0 ? rk_sizes_of_numbers(at, n) : rk_range_of(at, 1, n);
  *one = rk_widened(*one, rk_times(e, value->plain.scale));
}

static void see_rounding(const rk_looking *l, const rk_watched *value, int component,
                         const double *at, int64_t n, rk_extremes *seen) {
  rk_extremes *one = &seen[value->first + component];
  if (value->centre < 0) return;
  *one = rounding_of(at, n, value->plain.scale, rk_centre_of(l, value, component), *one);
}

/* What was kept when the array went to a GPU. */
static void see_resident(const rk_looking *l, const rk_watched *value, int for_roundings,
                         rk_extremes *seen) {
  const rk_resident *x = value->plain.resident;
  for (int c = 0; c < value->node->dim; c++) {
    rk_extremes *one = &seen[value->first + c];
    const rk_extremes e = {x->low[c], x->high[c], INFINITY, 0};
    if (!for_roundings) *one = rk_times(e, value->plain.scale);
    else if (value->centre >= 0)
      one->rounding =
          0x1p-25 * rk_greatest_around(rk_centre_of(l, value, c), one->low, one->high);
  }
}

static void see_arrays(const rk_looking *l, const rk_side *s, int for_roundings, int64_t first,
                       int64_t end, rk_extremes *seen) {
  for (int k = 0; k < s->count; k++) {
    const rk_watched *value = &s->value[k];
    const rk_array *x = value->plain.array;
    if (value->plain.resident) see_resident(l, value, for_roundings, seen);
    else if (value->known && !for_roundings) rk_see_known(value, seen);
    else for (int c = 0; x && c < x->dim; c++) {
      const double *at = x->data + c * x->component_stride + first;
      if (for_roundings) see_rounding(l, value, c, at, end - first, seen);
      else see(value, c, at, end - first, seen);
    }
  }
}

void rk_see_arrays(const rk_looking *l, const rk_side *s, int64_t first, int64_t end,
                   rk_extremes *seen) {
  see_arrays(l, s, 0, first, end, seen);
}

static void see_computed(walking *w, int64_t first, int64_t end, rk_extremes *seen,
                         const rk_worker *worker) {
  rk_evaluator e;
  rk_error error;
  if (rk_evaluator_another(&e, &w->all, &error)) {
    atomic_store(&w->failed, 1);
    first = end;
  }
  for (; first < end && !rk_parallel_stopped(worker); first += e.block) {
    int n = end - first < e.block ? (int)(end - first) : e.block;
    rk_evaluate(&e, first, n);
    for (int k = 0; k < w->s->count; k++) {
      const rk_watched *value = &w->s->value[k];
      if (value->plain.array) continue;
      for (int c = 0; c < value->node->dim; c++) {
        rk_operand x = rk_evaluated(&e, value->node, c);
        if (w->for_roundings) see_rounding(w->l, value, c, x.at, x.step ? n : 1, seen);
        else see(value, c, x.at, x.step ? n : 1, seen);
      }
    }
  }
  rk_evaluator_end(&e);
}

static void walk_task(void *data, int64_t task, const rk_worker *worker) {
  walking *w = data;
  rk_side *s = w->s;
  rk_extremes *seen = s->seen + task * s->components;
  int64_t first = task * RK_TASK_ROWS, end = first + RK_TASK_ROWS;
  if (end > s->rows) end = s->rows;
  see_arrays(w->l, s, w->for_roundings, first, end, seen);
  if (w->roots) see_computed(w, first, end, seen, worker);
}

static int64_t walk_tasks(const rk_side *s) { return rk_ceil_div(s->rows, RK_TASK_ROWS); }

rk_status rk_make_seen(rk_looking *l, rk_side *s, int64_t tasks) {
  if (s->seen) return RK_OK;
  s->tasks = tasks > walk_tasks(s) ? tasks : walk_tasks(s);
  int64_t size = s->tasks * s->components;
  s->seen = size <= RK_FEW_COMPONENTS ? s->few_seen : malloc((size_t)size * sizeof *s->seen);
  if (!s->seen) return rk_fail_memory(l->caller.error, (size_t)size * sizeof *s->seen);
  for (int64_t k = 0; k < size; k++) s->seen[k] = rk_nothing;
  return RK_OK;
}

void rk_merge_seen(rk_side *s) {
  for (int64_t t = 1; t < s->tasks && s->seen; t++)
    for (int c = 0; c < s->components; c++)
      s->seen[c] = rk_widened(s->seen[c], s->seen[t * s->components + c]);
}

static rk_status begin_walk(walking *w, rk_side *s) {
  rk_error *error = w->l->caller.error;
  rk_status status = rk_make_seen(w->l, s, walk_tasks(s));
  if (status) return status;
  w->root = s->count > RK_FEW ? calloc((size_t)s->count, sizeof *w->root) : w->few;
  if (!w->root) return rk_fail_memory(error, (size_t)s->count * sizeof *w->root);
  for (int k = 0; k < s->count; k++)
    if (!s->value[k].plain.array) w->root[w->roots++] = s->value[k].node;
  if (!w->roots) return RK_OK;
  return rk_evaluator_begin(&w->all, w->l->p->graph, w->l->host, w->root, w->roots, error);
}

rk_status rk_look_at_rows(rk_looking *l, rk_side *s, int for_roundings) {
  if (!s->count || !s->rows) return RK_OK;
  walking w = {.l = l, .s = s, .for_roundings = for_roundings};
  double numbers = (double)s->rows * s->components;
  int threads = numbers < 1e5 ? 1 : rk_call_threads();
  rk_status status = begin_walk(&w, s);
  if (!status) status = rk_parallel(walk_tasks(s), threads, walk_task, &w, l->caller);
  if (!status) rk_merge_seen(s);
  if (w.root != w.few) free(w.root);
  rk_evaluator_end(&w.all);
  return status || !w.failed ? status : rk_fail_memory(l->caller.error, 1 << 12);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* A copy of an input that lies on a GPU. Where it is compared, it has to be what it was in R. */
static rk_status fetch(rk_looking *l, int variable, int compared) {
  rk_array *x = &l->host[variable];
  const rk_graph_variable *v = rk_variable_of(l, variable);
  rk_resident *given = v->origin == RK_FROM_INPUT ? l->p->inputs[v->source].resident : NULL;
  if (given && compared && !given->is_exact)
    return rk_fail(l->caller.error, RK_ERROR_PRECISION,
                   "`%s` lies on a GPU as float32, which has not all of its numbers: comparisons "
                   "of it need the matrix in R, or to_gpu() after rkeops_use_float64()",
                   rk_input_name(l->p, variable));
  if (!x->resident) return RK_OK;
  size_t bytes = (size_t)given->rows * (size_t)given->dim * sizeof(double);
  double *own = l->own[variable] = malloc(bytes + 1);
  if (!own) return rk_fail_memory(l->caller.error, bytes);
  *x = (rk_array){own, given->rows, given->dim, 1, given->rows, NULL, 0};
  return rk_resident_fetch(given, own, l->caller);
}

static rk_status fetch_all_of(rk_looking *l, const rk_node *node, int compared) {
  rk_status status = RK_OK;
  unsigned char *needed = rk_graph_needed(l->p->graph, &node, 1);
  if (!needed) return rk_fail_memory(l->caller.error, (size_t)rk_graph_size(l->p->graph));
  for (int n = 0; n <= node->number && !status; n++)
    if (needed[n] && rk_is_variable(rk_graph_node(l->p->graph, n)))
      status = fetch(l, rk_graph_node(l->p->graph, n)->variable, compared);
  free(needed);
  return status;
}

/* Inputs on a GPU of which joined values are computed, or ranks made; of others the sample does. */
static rk_status bring_home(rk_looking *l) {
  rk_status status = RK_OK;
  for (int k = 0; k < l->values->count; k++) {
    rk_resident *resident = l->host[k].resident;
    if (resident) l->host[k] = resident->sample;
    l->host[k].resident = resident;
  }
  for (int k = 0; k < l->values->count; k++) {
    const rk_graph_variable *v = rk_variable_of(l, k);
    for (int m = 0; m < v->members && !status; m++) {
      int compared = v->origin == RK_FROM_RANK;
      if (compared || !rk_plain_of(l, v->member[m]).array)
        status = fetch_all_of(l, v->member[m], compared);
    }
  }
  return status;
}

static int has_residents(const rk_looking *l) {
  for (int k = 0; k < l->values->count; k++) {
    const rk_graph_variable *v = rk_variable_of(l, k);
    if (v->origin == RK_FROM_INPUT && l->p->inputs[v->source].resident) return 1;
  }
  return 0;
}

static rk_status begin(rk_looking *l) {
  size_t variables = (size_t)l->values->count + 1;
  rk_status status = RK_OK;
  l->host = l->values->value;
  l->own = NULL;
  l->is_there = NULL;
  l->digits = malloc(variables * sizeof *l->digits);
  if (!l->digits) status = rk_fail_memory(l->caller.error, variables * sizeof *l->digits);
  for (size_t k = 0; k < variables && !status; k++) l->digits[k] = NAN;
  l->failed = 0;
  for (int kind = 0; kind < RK_KINDS; kind++) {
    rk_side *s = &l->side[kind];
    s->rows = l->p->rows[kind];
    s->value = s->few;
    s->seen = NULL;
    s->tasks = 0;
    s->count = s->components = 0;
    s->room = RK_FEW;
  }
  if (!status && has_residents(l)) {
    l->host = malloc(variables * sizeof *l->host);
    l->own = calloc(variables, sizeof *l->own);
    if (!l->host || !l->own) return rk_fail_memory(l->caller.error, variables * sizeof *l->host);
    memcpy(l->host, l->values->value, (variables - 1) * sizeof *l->host);
    status = bring_home(l);
  }
  for (int s = 0, first = 0; s < l->p->stages && !status; s++) {
    watch_pass(l, &l->p->stage[s]->pass);
    if (!s) first = watched(l);
    l->first_sees_all = watched(l) == first;
  }
  return status || !l->failed ? status : rk_fail_memory(l->caller.error, sizeof(rk_watched));
}

static void end(rk_looking *l) {
  for (int k = 0; k < l->values->count && l->own; k++) free(l->own[k]);
  for (int kind = 0; kind < RK_KINDS; kind++) {
    rk_side *s = &l->side[kind];
    for (int k = 0; k < s->count; k++) rk_prepared_release(s->value[k].known);
    if (s->value != s->few) free(s->value);
    if (s->seen != s->few_seen) free(s->seen);
  }
  if (l->host != l->values->value) free(l->host);
  free(l->own);
  free(l->digits);
  free(l->is_there);
}

/* What is told of a call later, by rk_explain. Nothing depends on it: without memory it is left
 * out. */
static rk_slot_seen slot_seen(const rk_looking *l, const rk_node *slot) {
  int centre;
  const rk_node *node = rk_without_centre(l, slot, &centre);
  const rk_watched *value = rk_find_watched(l, node, centre);
  rk_slot_seen seen = {node, NAN, 0, NAN};
  if (value) seen.largest = rk_greatest_of(l, value);
  if (!value || centre < 0) return seen;
  for (int c = 0; c < node->dim; c++) {
    double one = rk_centre_of(l, value, c);
    if (fabs(one) > fabs(seen.centre)) seen.centre = one;
  }
  seen.digits = l->digits[centre];
  return seen;
}

static void remember(const rk_looking *l, rk_stage *stage, int was_split) {
  const rk_slots *slots = stage->pass.slots;
  stage->slots = slots[RK_NEST_ROW].count + slots[RK_NEST_COLUMN].count;
  stage->was_split = was_split;
  if (!stage->seen) stage->seen = malloc((size_t)stage->slots * sizeof *stage->seen + 1);
  for (int level = RK_NEST_ROW, n = 0; level <= RK_NEST_COLUMN && stage->seen; level++)
    for (int k = 0; k < slots[level].count; k++)
      stage->seen[n++] = slot_seen(l, slots[level].slot[k].node);
}

rk_status rk_conclude(rk_looking *l, const unsigned char *split) {
  rk_status status = rk_judge(l);
  for (int kind = 0; kind < RK_KINDS && !status; kind++)
    for (int k = 0; k < l->side[kind].count && l->side[kind].seen; k++)
      rk_keep_known(&l->side[kind].value[k], l->side[kind].seen);
  for (int s = 0; s < l->p->stages && !status; s++) remember(l, l->p->stage[s], split[s]);
  if (!status && (l->failed || l->warning->failed))
    status = rk_fail_memory(l->caller.error, 1 << 12);
  return status;
}

static rk_status look_now(rk_looking *l, unsigned char *split) {
  rk_status status = RK_OK;
  for (int kind = 0; kind < RK_KINDS && !status; kind++)
    if (!l->side[kind].seen) status = rk_look_at_rows(l, &l->side[kind], 0);
  if (!status) status = rk_find_centres(l, split);
  return status ? status : rk_conclude(l, split);
}

/* Less than that is read once more from a cache. */
static const double MUCH = 1 << 17;

static int is_much(const rk_program_data *p) {
  double numbers = 0;
  for (int k = 0; k < rk_graph_variables(p->graph); k++) {
    const rk_graph_variable *v = rk_graph_variable_at(p->graph, k);
    if (v->origin == RK_FROM_INPUT) numbers += (double)p->rows[v->kind] * v->dim;
  }
  return numbers > MUCH;
}

/* Not cleared: there is much room in it. What may wait lies where it can stay; NULL: it may not, as
 * where a walk has rows in another order. */
static rk_looking *room_to_wait(const rk_program_data *p) {
  int waits = rk_call_now()->backend->shows_rows && !p->walks && is_much(p);
  return waits ? malloc(sizeof(rk_looking)) : NULL;
}

static rk_status look_again(rk_look *look, unsigned char *split) {
  rk_status status = look_now(look->waiting, split);
  look->again = 0;
  rk_look_end(look);
  return status;
}

/* Where data is sorted before it is packed, it is read now: centres are those of the sample all the
 * same, so that results do not depend on it. */
static rk_status look_at_once(rk_look *look, unsigned char *split) {
  rk_looking *l = look->waiting;
  rk_status status = RK_OK;
  for (int kind = 0; kind < RK_KINDS && !status; kind++)
    status = rk_look_at_rows(l, &l->side[kind], 0);
  if (!status && !rk_centres_hold(l)) return look_again(look, split);
  if (!status) status = rk_conclude(l, split);
  rk_look_end(look);
  return status;
}

rk_status rk_look_at(rk_look *look, rk_program_data *p, rk_values *values, unsigned char *split,
                     rk_text *warning, rk_caller caller) {
  if (!p->stages || p->stage[0]->pass.options.precision == RK_FLOAT64) return RK_OK;
  p->watch = NULL;
  if (look->again) return look_again(look, split);
  rk_looking here, *room = room_to_wait(p), *l = room ? room : &here;
  l->p = p;
  l->values = values;
  l->warning = warning;
  l->caller = caller;
  rk_status status = begin(l);
  if (!status) status = rk_rank_groups(l);
  if (!status && room && rk_wait(look, l)) {
    if (p->may_bound) return look_at_once(look, split);
    p->watch = &look->watch;
    return RK_OK;
  }
  if (!status) status = look_now(l, split);
  end(l);
  free(room);
  return status;
}

void rk_look_end(rk_look *look) {
  if (look->waiting) end(look->waiting);
  free(look->waiting);
  look->waiting = NULL;
}
