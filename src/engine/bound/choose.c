/* A sample of rows and one of columns. Components tell much where bounds become narrow when they
 * are known; the sample of columns, in the order that these give, is cut into boxes, and what some
 * rows would leave out of them is counted. */
#include "bound/choose.h"
#include "bound/levels.h"
#include "bound/need.h"
#include "error.h"
#include "run/call.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TOGETHER = RK_ENCLOSE_BOXES, TRIES = 32, MOST_RANKS = 64 };

/* Components of n records: c of record k at [c * room + k]. */
typedef struct { int n, room, components; double *at; } sample;

/* Boxes that are enclosed, likewise, of up to TOGETHER. */
typedef struct {
  double *low, *high;
  unsigned char *nan;
  rk_slot_boxes *box;
  int components;
} boxes;

typedef struct {
  const rk_choosing *c;
  sample side[2];            /* rows, columns */
  boxes own[2];              /* of either */
  rk_need need;
  double *state;             /* of a row: its least values, or what the sample sums up to */
} choosing;

/* ---- samples --------------------------------------------------------------------------------- */

static int has_all(const sample *s) {
  for (int c = 0; c < s->components; c++)
    if (!isfinite(s->at[(size_t)c * (size_t)s->room + (size_t)s->n])) return 0;
  return 1;
}

/* How many rows and columns: of few less, as looking at them takes a share of all pairs' time. */
static int sample_size(int side, int64_t rows) {
  static const int least[] = {8, 256}, most[] = {24, 2048}, one_of[] = {1024, 16};
  int64_t wanted = rows / one_of[side];
  return wanted < least[side] ? least[side] : wanted < most[side] ? (int)wanted : most[side];
}

/* Records all of whose components are finite, spread over all rows. */
static rk_status take_sample(sample *s, rk_records_ahead *side, int wanted, rk_error *error) {
  int room = side->rows < wanted ? (int)side->rows : wanted;
  *s = (sample){0, room, side->components, NULL};
  s->at = malloc(((size_t)room * (size_t)s->components + 1) * sizeof *s->at);
  if (!s->at) return rk_fail_memory(error, (size_t)room * (size_t)s->components * 8);
  for (int k = 0; k < room; k++) {
    double within = fmod(k * 0.61803398874989485, 1);
    int64_t row = (int64_t)((k + within) * (double)side->rows / room);
    rk_ahead_row(side, row < side->rows ? row : side->rows - 1, s->at + s->n, room);
    s->n += has_all(s);
  }
  return RK_OK;
}

static int make_boxes(boxes *b, int components, int step) {
  size_t n = (size_t)components * TOGETHER + 1;
  *b = (boxes){malloc(n * sizeof(double)), malloc(n * sizeof(double)), calloc(n, 1),
               malloc((size_t)(components + 1) * sizeof *b->box), components};
  if (!b->low || !b->high || !b->nan || !b->box) return 0;
  for (int c = 0; c < components; c++)
    b->box[c] = (rk_slot_boxes){b->low + c * TOGETHER, b->high + c * TOGETHER,
                                b->nan + c * TOGETHER, step};
  return 1;
}

static void free_boxes(boxes *b) {
  free(b->low);
  free(b->high);
  free(b->nan);
  free(b->box);
}

/* Box k is record number `record`. */
static void put_record(boxes *b, int k, const sample *s, int record) {
  for (int c = 0; c < b->components; c++)
    b->low[c * TOGETHER + k] = b->high[c * TOGETHER + k] =
        s->at[(size_t)c * (size_t)s->room + (size_t)record];
}

static void enclose(choosing *c, int n) {
  rk_enclose(c->c->encloser, c->c->parameters, c->own[0].box, c->own[1].box, n,
             rk_need_roots(&c->need));
}

static void set_steps(choosing *c, int side) {
  for (int s = 0; s < 2; s++)
    for (int k = 0; k < c->own[s].components; k++) c->own[s].box[k].step = s == side;
}

/* ---- what tells ------------------------------------------------------------------------------ */

/* How much is known in box k that is not in box 0. Terms may be 0 in both: of sums what they are
 * made of counts. */
static double narrowed_by(const choosing *c, int k) {
  rk_enclosed value = rk_enclosed_root(c->c->encloser, 0, 0);
  if (!rk_keeps_values(c->need.reduction)) return rk_enclosed_narrowed(c->c->encloser, k);
  return value.high[0] - value.low[0] - (value.high[k] - value.low[k]);
}

/* Half a side of the boxes that are tried, as a share of all. */
static const double tried = 0.05;

static void find_ranges(const sample *s, double *range) {
  for (int c = 0; c < s->components; c++) {
    const double *at = s->at + (size_t)c * (size_t)s->room;
    double low = INFINITY, high = -INFINITY;
    for (int k = 0; k < s->n; k++) {
      low = at[k] < low ? at[k] : low;
      high = at[k] > high ? at[k] : high;
    }
    range[c] = high > low ? high - low : 0;
  }
}

static int tried_of(const boxes *b) {
  return b->components < TOGETHER ? b->components : TOGETHER - 1;
}

/* A record of the other side, and boxes around one of this side: box 0 is wide in all components,
 * box 1 + c in all but component c. */
static void put_wide(choosing *c, int side, int number, const double *range) {
  const sample *own = &c->side[side], *other = &c->side[!side];
  boxes *b = &c->own[side];
  int record = (int)((int64_t)number * 7919 % own->n);
  put_record(&c->own[!side], 0, other, (int)((int64_t)number * 104729 % other->n));
  for (int k = 0; k <= tried_of(b); k++) {
    put_record(b, k, own, record);
    for (int d = 0; d < b->components; d++)
      if (k != d + 1) {
        b->low[d * TOGETHER + k] -= tried * range[d];
        b->high[d * TOGETHER + k] += tried * range[d];
      }
  }
}

static void add_narrowed(choosing *c, int side, const double *range, double *told) {
  int components = tried_of(&c->own[side]);
  set_steps(c, side);
  for (int t = 0; t < TRIES; t++) {
    put_wide(c, side, t, range);
    enclose(c, components + 1);
    for (int d = 0; d < components; d++) {
      double narrowed = narrowed_by(c, d + 1);
      if (narrowed > 0 && narrowed < INFINITY) told[d] += narrowed;
    }
  }
}

static void swap_telling(rk_telling *t, int a, int b) {
  int component = t->component[a];
  double weight = t->weight[a];
  t->component[a] = t->component[b];
  t->weight[a] = t->weight[b];
  t->component[b] = component;
  t->weight[b] = weight;
}

/* The components that tell most, ascending; those that tell next to nothing beside the first one
 * are left out. Where no bound becomes narrow all tell the same. */
static void take_telling(int components, double *told, const double *range, rk_telling *t) {
  static const double little = 0.02;
  double most = 0;
  for (int d = 0; d < components; d++) most = told[d] > most ? told[d] : most;
  for (int d = 0; d < components && most == 0; d++) told[d] = range[d] > 0;
  t->dims = 0;
  for (most = 0; t->dims < RK_MAX_DIMS; t->dims++) {
    int best = 0;
    for (int d = 1; d < components; d++)
      if (told[d] > told[best]) best = d;
    if (!components || !(told[best] > little * most)) break;
    if (!t->dims) most = told[best];
    t->component[t->dims] = best;
    t->weight[t->dims] = told[best] / range[best];
    told[best] = 0;
  }
  for (int d = 1; d < t->dims; d++)
    for (int k = d; k && t->component[k] < t->component[k - 1]; k--) swap_telling(t, k, k - 1);
}

static rk_status find_telling(choosing *c, int side, rk_telling *telling, rk_error *error) {
  int components = c->own[side].components;
  double *told = calloc(2 * (size_t)components + 1, sizeof *told);
  if (!told) return rk_fail_memory(error, 2 * (size_t)components * sizeof *told);
  double *range = told + components;
  find_ranges(&c->side[side], range);
  add_narrowed(c, side, range, told);
  take_telling(components, told, range, telling);
  free(told);
  return RK_OK;
}

/* ---- what would be left out ------------------------------------------------------------------ */

/* Value k of the sample enters a list of `ranks` values. */
static void enter_value(choosing *c, double value, int ranks) {
  int at = ranks - 1;
  if (!(value < c->state[at])) return;
  for (; at && c->state[at - 1] > value; at--) c->state[at] = c->state[at - 1];
  c->state[at] = value;
}

/* Terms are counted as often as there are columns for one of the sample. */
static void enter_terms(choosing *c, int k, double times) {
  rk_enclosed first = rk_enclosed_root(c->c->encloser, 0, 0);
  int head = c->need.reduction->has_head;
  for (int q = head; q < c->need.shape.values; q++) {
    rk_enclosed term = rk_enclosed_root(c->c->encloser, head, q - head);
    double least = fmin(fabs(term.low[k]), fabs(term.high[k]));
    c->state[q] += times * least * (head ? exp2(first.low[k] - c->state[0]) : 1);
  }
}

static void raise_head(choosing *c, int n) {
  rk_enclosed first = rk_enclosed_root(c->c->encloser, 0, 0);
  for (int k = 0; k < n; k++)
    if (first.low[k] > c->state[0]) c->state[0] = first.low[k];
}

/* Over all columns of the sample, of which each is a box. */
static void enter_sample(choosing *c, int only_heads, int ranks, double times) {
  const sample *columns = &c->side[1];
  for (int first = 0; first < columns->n; first += TOGETHER) {
    int n = columns->n - first < TOGETHER ? columns->n - first : TOGETHER;
    for (int k = 0; k < n; k++) put_record(&c->own[1], k, columns, first + k);
    enclose(c, n);
    if (only_heads) raise_head(c, n);
    for (int k = 0; k < n && !only_heads; k++) {
      if (ranks) enter_value(c, rk_enclosed_root(c->c->encloser, 0, 0).high[k], ranks);
      else enter_terms(c, k, times);
    }
  }
}

/* What a row needs that has met all columns, as far as the sample says. */
static void find_need(choosing *c, int64_t columns) {
  double times = (double)columns / c->side[1].n;
  int keeps = rk_keeps_values(c->need.reduction), head = c->need.reduction->has_head;
  int ranks = keeps ? (int)ceil(c->need.shape.K / times) : 0;
  rk_need_anew(&c->need);
  if (ranks > MOST_RANKS) return;
  for (int k = 0; k < (keeps ? ranks : c->need.shape.values); k++)
    c->state[k] = keeps ? INFINITY : 0;
  if (head) {
    c->state[0] = -INFINITY;
    enter_sample(c, 1, 0, 0);
  }
  enter_sample(c, 0, ranks, times);
  if (keeps) c->need.worst = c->state[ranks - 1];
  else rk_need_states(&c->need, (rk_states){c->state, NULL, 1}, 1);
}

static void put_leaves(choosing *c, const rk_level *leaves, int64_t first, int n) {
  boxes *b = &c->own[1];
  for (int d = 0; d < b->components; d++) {
    int64_t from = d * leaves->count + first;
    memcpy(b->low + d * TOGETHER, leaves->low + from, (size_t)n * sizeof(double));
    memcpy(b->high + d * TOGETHER, leaves->high + from, (size_t)n * sizeof(double));
  }
}

/* Signs hold for all columns once they do for all boxes. */
static void find_signs(choosing *c, const rk_levels *levels) {
  const rk_level *top = &levels->level[levels->levels - 1];
  put_leaves(c, top, 0, (int)top->count);
  enclose(c, (int)top->count);
  rk_need_signs(&c->need, c->c->encloser, (int)top->count);
}

static int64_t count_wanted(choosing *c, const rk_levels *levels) {
  const rk_level *leaves = &levels->level[0];
  int64_t wanted = 0;
  for (int64_t first = 0; first < leaves->count; first += TOGETHER) {
    int n = leaves->count - first < TOGETHER ? (int)(leaves->count - first) : TOGETHER;
    double key;
    put_leaves(c, leaves, first, n);
    enclose(c, n);
    for (int k = 0; k < n; k++)
      wanted += rk_need_matters(&c->need, c->c->encloser, k, leaves->first[first + k], &key);
  }
  return wanted;
}

/* Of all boxes of the sample, those that its rows want. */
static double share_of(choosing *c, const rk_levels *levels) {
  int64_t wanted = 0;
  set_steps(c, 1);
  for (int r = 0; r < c->side[0].n; r++) {
    put_record(&c->own[0], 0, &c->side[0], r);
    find_signs(c, levels);
    find_need(c, c->c->columns);
    wanted += count_wanted(c, levels);
  }
  return (double)wanted / ((double)c->side[0].n * (double)levels->level[0].count);
}

/* The sample of columns in the order that their telling components give. */
static rk_status sort_sample(sample *s, const rk_telling *t, int32_t *order, rk_caller caller) {
  rk_cloud cloud = {.rows = s->n, .dims = t->dims, .weight = t->weight};
  int32_t placed;
  double *sorted = malloc((size_t)s->room * sizeof *sorted + 1);
  if (!sorted) return rk_fail_memory(caller.error, (size_t)s->room * sizeof *sorted);
  for (int d = 0; d < t->dims; d++)
    cloud.at[d] = s->at + (size_t)t->component[d] * (size_t)s->room;
  rk_status status = rk_order_make(&cloud, NULL, RK_LEAF_COLUMNS, order, &placed, caller);
  for (int c = 0; c < s->components && !status; c++) {
    double *at = s->at + (size_t)c * (size_t)s->room;
    for (int k = 0; k < s->n; k++) sorted[k] = at[order[k]];
    memcpy(at, sorted, (size_t)s->n * sizeof *at);
  }
  free(sorted);
  return status;
}

static rk_status find_share(choosing *c, const rk_telling *t, double *share, rk_caller caller) {
  sample *columns = &c->side[1];
  int32_t *order = malloc((size_t)columns->room * sizeof *order + 1);
  rk_levels levels = {.levels = 0};
  rk_status status = order ? RK_OK : rk_fail_memory(caller.error, (size_t)columns->room * 4);
  if (!status) status = sort_sample(columns, t, order, caller);
  const rk_records records = {columns->at, 1, columns->components, columns->n, columns->room, 1};
  if (!status) status = rk_levels_make(&levels, &records, order, caller);
  if (!status) *share = share_of(c, &levels);
  rk_levels_free(&levels);
  free(order);
  return status;
}

/* ---- a first look ---------------------------------------------------------------------------- */

/* The logarithm of the size of the k-th term; what a kernel may take for 0 is 0. */
static double term_of(const choosing *c, int k) {
  rk_enclosed first = rk_enclosed_root(c->c->encloser, 0, 0);
  double size = fmax(fabs(first.low[k]), fabs(first.high[k]));
  double least = c->c->pass->options.precision == RK_FLOAT64 ? 16 * DBL_MIN : 16 * FLT_MIN;
  if (c->need.reduction->has_head) return first.high[k];
  return size < least ? -INFINITY : log2(size);
}

/* Of some pairs of a sum, are many terms next to nothing beside all of them? */
static int may_be_worth(choosing *c) {
  double term[TOGETHER], most = -INFINITY, sum = 0;
  int nothing = 0;
  if (rk_keeps_values(c->need.reduction)) return 1;
  for (int s = 0; s < 2; s++) {
    for (int k = 0; k < TOGETHER; k++)
      put_record(&c->own[s], k, &c->side[s], (int)((int64_t)k * 7919 % c->side[s].n));
    for (int q = 0; q < c->own[s].components; q++) c->own[s].box[q].step = 1;
  }
  enclose(c, TOGETHER);
  for (int k = 0; k < TOGETHER; k++) {
    term[k] = term_of(c, k);
    if (term[k] > most) most = term[k];
  }
  for (int k = 0; k < TOGETHER; k++) sum += exp2(term[k] - most);
  for (int k = 0; k < TOGETHER; k++)
    nothing += !(term[k] - most > log2(sum / TOGETHER) - c->need.bits);
  return 4 * nothing >= TOGETHER;
}

/* ---- both ------------------------------------------------------------------------------------ */

static rk_status begin(choosing *c, rk_error *error) {
  const rk_state_shape *shape = &c->c->pass->state;
  size_t state = (size_t)(shape->values < MOST_RANKS ? MOST_RANKS : shape->values);
  int done = 1;
  rk_status status = RK_OK;
  for (int s = 0; s < 2; s++) done &= make_boxes(&c->own[s], c->c->side[s].components, 0);
  done &= rk_need_begin(&c->need, c->c->pass, c->c->side[1].rows);
  c->state = malloc(state * sizeof *c->state);
  if (!done || !c->state) return rk_fail_memory(error, state * sizeof *c->state);
  for (int s = 0; s < 2 && !status; s++) {
    int wanted = sample_size(s, s ? c->c->columns : c->c->side[s].rows);
    status = take_sample(&c->side[s], &c->c->side[s], wanted, error);
  }
  return status;
}

static void end(choosing *c) {
  for (int s = 0; s < 2; s++) {
    free_boxes(&c->own[s]);
    free(c->side[s].at);
  }
  rk_need_end(&c->need);
  free(c->state);
}

rk_status rk_choose(const rk_choosing *what, rk_telling *telling, double *share, rk_caller caller) {
  choosing c = {.c = what};
  *share = 1;
  rk_status status = begin(&c, caller.error);
  int are_there = !status && c.side[0].n && c.side[1].n &&
                  (rk_call_now()->pruning == RK_PRUNE_ALWAYS || may_be_worth(&c));
  telling[0].dims = telling[1].dims = 0;
  for (int s = 0; s < 2 && are_there && !status; s++)
    status = find_telling(&c, s, &telling[s], caller.error);
  if (are_there && !status && telling[1].dims) status = find_share(&c, &telling[1], share, caller);
  end(&c);
  return status;
}
