/* Passes -> orders of their rows and columns, where it is worth while. See bound.h. */
#include "bound/bound.h"
#include "bound/choose.h"
#include "error.h"
#include "run/call.h"

#include <stdlib.h>
#include <string.h>

/* Less is done faster than it is looked at. */
static const double least_seconds = 0.04;
enum { LEAST_ROWS = 64, LEAST_COLUMNS = 1024, LEAST_INTERVAL = 128 };

/* ---- which passes ---------------------------------------------------------------------------- */

static int is_index(rk_kind kind) { return kind != RK_KIND_PARAMETER; }

/* Sorting takes numbers: of inputs, not of passes that have not run yet. */
static int reads_results(const rk_pass *pass) {
  for (int q = 0; q < pass->variables; q++)
    if (rk_graph_variable_at(pass->graph, pass->variable[q])->origin == RK_FROM_PASS) return 1;
  return 0;
}

static int may_bound(const rk_stage *stage, rk_sizes sizes) {
  const rk_pass *pass = &stage->pass;
  int is_one = !rk_keeps_values(pass->reduction->reduction) || pass->state.components == 1;
  return pass->reduction->reduction->skips != RK_SKIP_NOTHING && is_one &&
         is_index(rk_kept_kind(pass->source)) && is_index(rk_reduced_kind(pass->source)) &&
         sizes.kept > 0 && sizes.reduced > 0 && sizes.kept + sizes.reduced < INT32_MAX &&
         !reads_results(pass);
}

static double within(double x, double most) { return x < 0 ? 0 : x > most ? most : x; }

/* Columns of a row, on average. */
static double columns_given(const rk_walk *w, double all) {
  double pairs = 0;
  for (int64_t s = 0, place = 0; w && s < w->segments; place = w->segment_end[s++])
    pairs += (double)(w->segment_end[s] - place) * (double)w->list_columns[s];
  return w ? pairs / (double)w->rows : all;
}

/* Of all pairs, those in bands, by some of the rows. */
static double share_in_bands(const rk_walk *w) {
  enum { TRIED = 64 };
  double pairs = 0, columns = w ? (double)w->columns : 1;
  if (!w || !w->bands) return 1;
  for (int k = 0; k < TRIED; k++)
    for (int b = 0; b < w->bands; b++) {
      double row = (k + 0.5) * (double)w->rows / TRIED;
      pairs += within(row + (double)w->upper[b] + 1, columns) -
               within(row + (double)w->lower[b], columns);
    }
  return pairs / (TRIED * columns);
}

/* Of all pairs, those that are given. */
static double share_given(const rk_walk *w) {
  return w ? share_in_bands(w) * columns_given(w, 0) / (double)w->columns : 1;
}

/* What these pairs would take, on one thread. */
static int is_much(const rk_stage *stage, rk_sizes sizes, const rk_walk *given) {
  int lanes = stage->vectors / rk_real_size(&stage->pass.options);
  double pairs = share_given(given) * (double)sizes.kept * (double)sizes.reduced;
  return sizes.kept >= LEAST_ROWS &&
         columns_given(given, (double)sizes.reduced) >= LEAST_COLUMNS &&
         (!given || rk_walk_interval(given) >= LEAST_INTERVAL) &&
         rk_pair_seconds(&stage->pass, pairs, lanes) > least_seconds;
}

/* Rows of a segment may change their places where none of its intervals is for some of them. */
static int is_free(const rk_walk *w) { return !w || !w->low; }

/* Was it tried in vain with as many? Results of sums may depend on it in their last digits, and so
 * never on what was before. */
static int was_refused(const rk_stage *stage, rk_sizes sizes) {
  return rk_keeps_values(stage->pass.reduction->reduction) &&
         stage->bounds.refused.kept == sizes.kept && stage->bounds.refused.reduced == sizes.reduced;
}

static int is_wanted(const rk_stage *stage, const int64_t *rows, const rk_walk *given) {
  rk_sizes sizes = rk_sizes_of(stage, rows);
  rk_pruning pruning = rk_call_now()->pruning;
  return pruning != RK_PRUNE_NEVER && is_free(given) && may_bound(stage, sizes) &&
         (pruning == RK_PRUNE_ALWAYS ||
          (is_much(stage, sizes, given) && !was_refused(stage, sizes)));
}

int rk_may_bound(const rk_program_data *p) {
  for (int k = 0; k < p->stages && rk_call_now()->backend->takes_bounds; k++)
    if (is_wanted(p->stage[k], p->rows, rk_walk_of(p, k))) return 1;
  return 0;
}

/* ---- orders ---------------------------------------------------------------------------------- */

/* What says most of the rows, or columns, one component after the other. */
static rk_status take_cloud(rk_records_ahead *ahead, const rk_telling *t, rk_cloud *cloud,
                            double **owned, rk_caller caller) {
  size_t rows = (size_t)ahead->rows, bytes = rows * (size_t)t->dims * sizeof **owned;
  double *to[RK_MAX_DIMS];
  *cloud = (rk_cloud){.rows = ahead->rows, .dims = t->dims, .weight = t->weight};
  *owned = malloc(bytes + 1);
  if (!*owned) return rk_fail_memory(caller.error, bytes);
  for (int d = 0; d < t->dims; d++) cloud->at[d] = to[d] = *owned + (size_t)d * rows;
  return rk_ahead_columns(ahead, t->component, t->dims, to, caller);
}

static int are_same(const rk_cloud *x, const rk_cloud *y) {
  int same = x->rows == y->rows && x->dims == y->dims;
  for (int d = 0; d < x->dims && same; d++)
    same = !memcmp(x->at[d], y->at[d], (size_t)x->rows * sizeof *x->at[d]);
  return same;
}

/* Is nothing said of pairs but bands? */
static int is_whole(const rk_walk *w) {
  return !w || (w->segments == 1 && !w->row_at && !w->column_at && w->list_end[0] == 1 &&
                w->list_columns[0] == w->columns);
}

/* Where columns may change places: between ends of intervals. Freed by the caller. */
static rk_status find_runs(const rk_walk *w, rk_runs *runs, int32_t **owned, rk_error *error) {
  char *ends = calloc((size_t)w->columns + 1, 1);
  int32_t *end = *owned = malloc((size_t)w->columns * sizeof *end + 1);
  *runs = (rk_runs){.end = end, .at = w->column_at};
  for (int64_t k = 0; ends && k < w->list_end[w->segments - 1]; k++)
    ends[w->from[k]] = ends[w->end[k]] = 1;
  if (ends) ends[w->columns] = 1;
  for (int64_t c = 1; ends && end && c <= w->columns; c++)
    if (ends[c]) end[runs->count++] = (int32_t)c;
  free(ends);
  return ends && end ? RK_OK : rk_fail_memory(error, (size_t)w->columns * 5);
}

static rk_status sort_given(rk_bounded *b, const rk_cloud *cloud, const rk_walk *given,
                            rk_caller caller) {
  rk_runs rows = {given->segments, given->segment_end, given->row_at, 1}, columns;
  int32_t *owned, placed;
  rk_status status = find_runs(given, &columns, &owned, caller.error);
  if (!status)
    status = rk_order_make(&cloud[0], &rows, RK_LEAF_COLUMNS, b->order[0], &placed, caller);
  if (!status)
    status = rk_order_make(&cloud[1], &columns, RK_LEAF_COLUMNS, b->order[1], &placed, caller);
  free(owned);
  return status;
}

/* Points are often compared with themselves: one order is enough. */
static rk_status sort_clouds(rk_bounded *b, const rk_cloud *cloud, rk_caller caller) {
  int32_t placed;
  rk_status status = RK_OK;
  for (int side = 0; side < 2 && !status; side++)
    if (side && are_same(&cloud[0], &cloud[1]))
      memcpy(b->order[1], b->order[0], (size_t)cloud->rows * sizeof **b->order);
    else
      status = rk_order_make(&cloud[side], NULL, RK_LEAF_COLUMNS, b->order[side], &placed, caller);
  return status;
}

static rk_status make_orders(rk_bounded *b, const rk_cloud *cloud, rk_error *error) {
  for (int side = 0; side < 2; side++) {
    size_t bytes = (size_t)cloud[side].rows * sizeof **b->order;
    b->order[side] = malloc(bytes + 1);
    if (!b->order[side]) return rk_fail_memory(error, bytes);
  }
  return RK_OK;
}

static rk_status sort_sides(rk_bounded *b, rk_records_ahead *side, const rk_telling *telling,
                            const rk_walk *given, rk_caller caller) {
  rk_cloud cloud[2];
  double *owned[2] = {NULL, NULL};
  rk_status status = RK_OK;
  for (int s = 0; s < 2 && !status; s++)
    status = take_cloud(&side[s], &telling[s], &cloud[s], &owned[s], caller);
  if (!status) status = make_orders(b, cloud, caller.error);
  if (!status)
    status = is_whole(given) ? sort_clouds(b, cloud, caller)
                             : sort_given(b, cloud, given, caller);
  for (int s = 0; s < 2; s++) free(owned[s]);
  return status;
}

/* Is all that bands leave out the column of the row's own number? */
static int drops_itself(const rk_walk *w) {
  return w->bands == 2 && w->lower[0] <= -w->rows && w->upper[0] == -1 && w->lower[1] == 1 &&
         w->upper[1] >= w->columns - 1;
}

static rk_status find_places(rk_bounded *b, const rk_walk *given, rk_error *error) {
  if (!given || !drops_itself(given)) return RK_OK;
  size_t bytes = (size_t)given->rows * sizeof *b->place;
  b->place = malloc(bytes + 1);
  if (!b->place) return rk_fail_memory(error, bytes);
  for (int64_t k = 0; k < given->rows; k++) b->place[b->order[0][k]] = (int32_t)k;
  return RK_OK;
}

static void make_walk(rk_bounded *b, rk_sizes sizes, const rk_walk *given) {
  b->place_end[0] = (int32_t)sizes.kept;
  b->place_end[1] = (int32_t)sizes.reduced;
  b->list_end = 1;
  b->list_columns = sizes.reduced;
  b->walk = (rk_walk){.rows = sizes.kept, .columns = sizes.reduced, .segments = 1,
                      .segment_end = &b->place_end[0], .list_end = &b->list_end,
                      .list_columns = &b->list_columns, .from = &b->first,
                      .end = &b->place_end[1]};
  if (given) b->walk = *given;
  b->walk.row_at = b->order[0];
  b->walk.column_at = b->order[1];
  b->walk.run_end = NULL;
  b->walk.bounded = b;
  b->unlimited = b->walk;
  b->unlimited.bands = 0;
}

/* ---- one pass -------------------------------------------------------------------------------- */

/* Parameters as the kernel reads them, but for rounding. */
static rk_status take_parameters(const rk_pass *pass, const rk_values *values, double **taken,
                                 rk_error *error) {
  rk_records_ahead side;
  *taken = calloc((size_t)pass->slots[RK_NEST_PARAMETER].size + 1, sizeof **taken);
  if (!*taken) return rk_fail_memory(error, (size_t)pass->slots[RK_NEST_PARAMETER].size * 8);
  rk_status status = rk_ahead_begin(&side, pass, values, RK_NEST_PARAMETER, 1, error);
  if (!status) rk_ahead_row(&side, 0, *taken, 1);
  rk_ahead_end(&side);
  return status;
}

/* More of the pairs than that are done faster all: bounds take time, too. Neighbours in many
 * dimensions look nearer in a sample than they are; with very many pairs it costs little to sort
 * them, and to try. */
static double most_share(const rk_stage *stage, rk_sizes sizes) {
  double pairs = (double)sizes.kept * (double)sizes.reduced;
  return !rk_keeps_values(stage->pass.reduction->reduction) ? 0.5 : pairs < 4e10 ? 0.12 : 0.3;
}

static rk_status choose_and_sort(rk_bounded *b, rk_choosing *c, rk_sizes sizes,
                                 const rk_walk *given, rk_caller caller) {
  rk_telling telling[2];
  rk_status status = rk_choose(c, telling, &b->share, caller);
  b->must = rk_call_now()->pruning == RK_PRUNE_ALWAYS;
  b->given = share_given(given);
  b->share *= columns_given(given, (double)sizes.reduced) / (double)sizes.reduced;
  b->is_taken = telling[0].dims && telling[1].dims &&
                (b->must || b->share < most_share(b->stage, sizes) * b->given);
  if (!status && b->is_taken) status = sort_sides(b, c->side, telling, given, caller);
  if (status || !b->is_taken) return status;
  make_walk(b, sizes, given);
  return find_places(b, given, caller.error);
}

static rk_status bound_pass(rk_bounded *b, const rk_values *values, rk_sizes sizes,
                            const rk_walk *given, rk_caller caller) {
  const rk_pass *pass = &b->stage->pass;
  rk_records_ahead side[2] = {{.rows = 0}, {.rows = 0}};
  double *parameters = NULL;
  rk_status status = rk_encloser_begin(&b->encloser, pass, caller.error);
  if (status || !b->encloser.is_bounded) return status;
  status = take_parameters(pass, values, &parameters, caller.error);
  for (int s = 0; s < 2 && !status; s++)
    status = rk_ahead_begin(&side[s], pass, values, s ? RK_NEST_COLUMN : RK_NEST_ROW,
                            s ? sizes.reduced : sizes.kept, caller.error);
  rk_choosing choosing = {pass, &b->encloser, parameters, side,
                          (int64_t)columns_given(given, (double)sizes.reduced) + 1};
  if (!status) status = choose_and_sort(b, &choosing, sizes, given, caller);
  for (int s = 0; s < 2; s++) rk_ahead_end(&side[s]);
  free(parameters);
  return status;
}

static void free_one(rk_bounded *b) {
  if (!b) return;
  rk_encloser_end(&b->encloser);
  free(b->order[0]);
  free(b->order[1]);
  free(b->place);
  free(b);
}

rk_status rk_pruned_make(rk_pruned *pruned, rk_program_data *p, const rk_values *values,
                         rk_caller caller) {
  rk_status status = RK_OK;
  for (int k = 0; k < p->stages && !status; k++) {
    rk_stage *stage = p->stage[k];
    const rk_walk *given = rk_walk_of(p, k);
    if (pruned->of[k] || !is_wanted(stage, p->rows, given)) continue;
    rk_bounded *b = pruned->of[k] = calloc(1, sizeof *b);
    if (!b) return rk_fail_memory(caller.error, sizeof *b);
    b->stage = stage;
    b->share = 1;
    status = bound_pass(b, values, rk_sizes_of(stage, p->rows), given, caller);
    if (!status && b->is_taken) p->bounded[k] = &b->walk;
  }
  return status;
}

int rk_pruned_refused(rk_pruned *pruned, rk_program_data *p) {
  int refused = 0;
  for (int k = 0; k < p->stages; k++)
    if (pruned->of[k] && pruned->of[k]->is_refused && p->bounded[k]) {
      refused = 1;
      p->bounded[k] = NULL;
    }
  return refused;
}

/* A box takes as long as so many operations of vectors in a kernel: measured. */
static const double box_cost = 500, component_cost = 15;

double rk_bounded_cost(const rk_bounded *b, double column) {
  double box = box_cost + component_cost * b->encloser.components;
  return ((double)atomic_load(&b->walked) * column + (double)atomic_load(&b->looked_at) * box) /
         (double)atomic_load(&b->blocks);
}

void rk_pruned_note(const rk_pruned *pruned, rk_stage *stage, int stages) {
  for (int k = 0; k < stages; k++) {
    const rk_bounded *b = pruned->of[k];
    double all = b ? (double)atomic_load(&b->blocks) * (double)b->walk.columns : 0;
    double walked = b ? (double)atomic_load(&b->walked) : 0;
    stage[k].bounds.asked = b && b->encloser.is_bounded;
    stage[k].bounds.taken = b && b->is_taken && !b->is_refused;
    if (b && b->is_refused)
      stage[k].bounds.refused = (rk_sizes){b->walk.rows, b->walk.columns};
    stage[k].bounds.expected = b ? b->share : 1;
    stage[k].bounds.walked = stage[k].bounds.taken && all > 0 ? walked / all : 1;
  }
}

void rk_pruned_free(rk_pruned *pruned) {
  for (int k = 0; k < RK_MAX_WANTED; k++) free_one(pruned->of[k]);
}
