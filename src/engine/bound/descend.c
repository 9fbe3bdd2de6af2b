/* The descent of a block of rows: to the run of columns that is bounded best, which is walked
 * first; then, once the states say what is still wanted, level by level to the leaves that may have
 * it, the best of these first, with another look at the states after twice as many each time. */
#include "bound/bound.h"
#include "bound/need.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TOGETHER = RK_ENCLOSE_BOXES, MOST_FIRST = 8, FIRST_LEAVES = 8, MOST_LEAVES = 4096 };
enum { MANY = 256 };

typedef struct { double key; int32_t box, level; } candidate; /* the least key is the best */
typedef struct { candidate *at; int64_t count, room; } candidates;

typedef enum {
  BEGINS,                                    /* nothing was walked yet */
  SEARCHES,                                  /* the first run was */
  TAKES                                      /* leaves are known */
} progress;

struct rk_descent {
  rk_bounded *bounded;
  const rk_levels *columns;
  const double *parameters;
  rk_need need;
  rk_encloser encloser;
  rk_slot_boxes *row_box, *column_box;       /* by component */
  double *row_side[2], *side[2];             /* low, high; of columns TOGETHER for each component */
  unsigned char *row_nan, *nan;
  int64_t blocks, walked, looked_at;         /* so far; columns; boxes */
  double *known, *term;                      /* by component of a state: the sum of all terms that
                                              * boxes have said; those of one box */
  candidates open, next;                     /* boxes of a level, of the next one */
  candidates wanted;                         /* what is to be walked, maybe more than leaves */
  int64_t taken;                             /* so many of these were */
  int64_t place, count;                      /* rows of the block */
  const rk_intervals *within;                /* their columns: none ends before the last one, and */
  int is_mixed;                              /* they ascend if none is for some rows only */
  int64_t least, most;                       /* their positions */
  progress progress;
  int first_level, firsts, failed;
  int64_t first_box[MOST_FIRST], batch;      /* what was walked at the beginning */
};

/* ---- memory ---------------------------------------------------------------------------------- */

static void free_candidates(candidates *c) { free(c->at); }

static int make_place(rk_descent *d, candidates *to, int64_t count) {
  if (count <= to->room) return 1;
  candidate *at = realloc(to->at, (size_t)(2 * count + 64) * sizeof *at);
  d->failed |= !at;
  if (!at) return 0;
  to->at = at;
  to->room = 2 * count + 64;
  return 1;
}

static void add(rk_descent *d, candidates *to, candidate one) {
  if (make_place(d, to, to->count + 1)) to->at[to->count++] = one;
}

void rk_descent_free(rk_descent *d) {
  if (!d) return;
  atomic_fetch_add(&d->bounded->walked, d->walked);
  atomic_fetch_add(&d->bounded->looked_at, d->looked_at);
  atomic_fetch_add(&d->bounded->blocks, d->blocks);
  rk_encloser_end(&d->encloser);
  rk_need_end(&d->need);
  free(d->known);
  free(d->row_box);
  free(d->row_side[0]);
  free(d->row_nan);
  free_candidates(&d->open);
  free_candidates(&d->next);
  free_candidates(&d->wanted);
  free(d);
}

/* What boxes of columns are gathered in does not move. */
static int make_room(rk_descent *d, int rows, int columns) {
  size_t all = (size_t)(rows + columns), wide = (size_t)rows + (size_t)columns * TOGETHER;
  d->row_box = calloc(all + 1, sizeof *d->row_box);
  d->row_side[0] = calloc(2 * wide + 1, sizeof(double));
  d->row_nan = calloc(wide + 1, 1);
  if (!d->row_box || !d->row_side[0] || !d->row_nan) return 0;
  d->column_box = d->row_box + rows;
  d->row_side[1] = d->row_side[0] + rows;
  d->side[0] = d->row_side[1] + rows;
  d->side[1] = d->side[0] + (size_t)columns * TOGETHER;
  d->nan = d->row_nan + rows;
  for (int c = 0; c < rows; c++)
    d->row_box[c] = (rk_slot_boxes){d->row_side[0] + c, d->row_side[1] + c, d->row_nan + c, 0};
  for (int c = 0; c < columns; c++)
    d->column_box[c] = (rk_slot_boxes){d->side[0] + c * TOGETHER, d->side[1] + c * TOGETHER,
                                       d->columns->has_nan ? d->nan + c * TOGETHER : NULL, 1};
  return 1;
}

rk_descent *rk_descent_new(rk_bounded *bounded, const rk_levels *columns,
                           const double *parameters) {
  const rk_pass *pass = &bounded->stage->pass;
  rk_descent *d = calloc(1, sizeof *d);
  rk_error unread;
  if (!d) return NULL;
  d->bounded = bounded;
  d->columns = columns;
  d->parameters = parameters;
  if (!make_room(d, pass->slots[RK_NEST_ROW].size, columns->components) ||
      !rk_need_begin(&d->need, pass, columns->rows) ||
      !(d->known = calloc(2 * (size_t)pass->state.values + 1, sizeof *d->known)) ||
      rk_encloser_another(&d->encloser, &bounded->encloser, &unread)) {
    rk_descent_free(d);
    return NULL;
  }
  d->term = d->known + pass->state.values;
  return d;
}

/* ---- boxes of a level ------------------------------------------------------------------------ */

/* Boxes first .. first + n - 1 of a level come behind the `at` that are gathered. */
static void gather(rk_descent *d, int level, int64_t first, int n, int at) {
  const rk_level *l = &d->columns->level[level];
  for (int c = 0; c < d->columns->components; c++) {
    int64_t from = c * l->count + first;
    memcpy(d->side[0] + c * TOGETHER + at, l->low + from, (size_t)n * sizeof(double));
    memcpy(d->side[1] + c * TOGETHER + at, l->high + from, (size_t)n * sizeof(double));
    if (d->columns->has_nan) memcpy(d->nan + c * TOGETHER + at, l->nan + from, (size_t)n);
  }
}

static void enclose(rk_descent *d, int n) {
  d->looked_at += n;
  rk_enclose(&d->encloser, d->parameters, d->row_box, d->column_box, n,
             rk_need_roots(&d->need));
}

/* Is something that was walked first in this box? */
static int has_first(const rk_descent *d, int level, int64_t box) {
  if (level < d->first_level) return 0;
  for (int f = 0; f < d->firsts; f++) {
    int64_t first = d->first_box[f];
    for (int k = d->first_level; k < level; k++) first /= RK_RUNS;
    if (first == box) return 1;
  }
  return 0;
}

/* May columns of a box lie within a band, for rows of the block? */
static int may_meet(const rk_descent *d, const rk_level *l, int64_t box, int band) {
  const rk_walk *w = &d->bounded->walk;
  return l->last[box] >= d->least + w->lower[band] && l->first[box] <= d->most + w->upper[band];
}

static rk_interval columns_of(const rk_descent *d, int level, int64_t box) {
  int64_t size = RK_LEAF_COLUMNS;
  for (int k = 0; k < level; k++) size *= RK_RUNS;
  int64_t from = box * size, left = d->columns->rows - from;
  return (rk_interval){.from = (int)from, .end = (int)(from + (size < left ? size : left))};
}

/* Of the intervals of the block from the k-th on, the next one that has some of these columns;
 * their number: none has. */
static int64_t next_within(const rk_descent *d, rk_interval columns, int64_t k) {
  const rk_intervals *w = d->within;
  for (; k < w->count; k++) {
    if (w->at[k].from < columns.end && w->at[k].end > columns.from) return k;
    if (w->at[k].from >= columns.end && !d->is_mixed) return w->count;
  }
  return k;
}

/* The first one. */
static int64_t first_within(const rk_descent *d, rk_interval columns) {
  int64_t low = 0, high = d->within->count;
  while (low < high) {
    int64_t middle = (low + high) / 2;
    if (d->within->at[middle].end > columns.from) high = middle;
    else low = middle + 1;
  }
  return next_within(d, columns, low);
}

/* Has the block all these columns, for all of its rows? */
static int has_all(const rk_descent *d, rk_interval columns) {
  int64_t k = first_within(d, columns);
  if (k == d->within->count) return 0;
  const rk_interval *one = &d->within->at[k];
  return !one->masked && one->from <= columns.from && one->end >= columns.end;
}

static int meets_any(const rk_descent *d, int level, int64_t box) {
  const rk_level *l = &d->columns->level[level];
  int any = !d->bounded->walk.bands;
  if (first_within(d, columns_of(d, level, box)) == d->within->count) return 0;
  for (int k = 0; k < d->bounded->walk.bands && !any; k++) any = may_meet(d, l, box, k);
  return any;
}

/* Do all columns of a box lie within the band, for all rows of the block? */
static int is_within(const rk_descent *d, const rk_level *l, int64_t box, int band) {
  const rk_walk *w = &d->bounded->walk;
  return l->first[box] >= d->most + w->lower[band] && l->last[box] <= d->least + w->upper[band];
}

/* Do rows of the block meet all columns of a box? */
static int meets_all(const rk_descent *d, int level, int64_t box) {
  const rk_level *l = &d->columns->level[level];
  int all = !d->bounded->walk.bands;
  if (!has_all(d, columns_of(d, level, box))) return 0;
  for (int k = 0; k < d->bounded->walk.bands && !all; k++) all = is_within(d, l, box, k);
  return all;
}

/* Adds the terms of a box that are all the same, as those of what is counted. */
static int adds_known(rk_descent *d, int level, int64_t box, int k) {
  if (!meets_all(d, level, box) || !rk_need_knows(&d->need, &d->encloser, k, d->term)) return 0;
  rk_interval columns = columns_of(d, level, box);
  int n = columns.end - columns.from;
  for (int c = 0; c < d->need.shape.values; c++) d->known[c] += n * d->term[c];
  return 1;
}

/* Box `box` of a level, enclosed as the k-th: where it matters it is open, or to be walked, if no
 * look at its parts could change that. */
static void sort_out(rk_descent *d, int level, int64_t box, int k, candidates *open) {
  const rk_level *l = &d->columns->level[level];
  candidate one = {.box = (int32_t)box, .level = level};
  int has_walked = has_first(d, level, box);
  if ((has_walked && level == d->first_level) || !meets_any(d, level, box)) return;
  if (!rk_need_matters(&d->need, &d->encloser, k, l->first[box], &one.key)) return;
  if (d->progress == BEGINS && !has_all(d, columns_of(d, level, box))) one.key = INFINITY;
  if (d->progress != BEGINS && !has_walked && adds_known(d, level, box, k)) return;
  int is_whole = level == 0 || (!has_walked && rk_need_surely(&d->need, &d->encloser, k));
  add(d, is_whole && d->progress != BEGINS ? &d->wanted : open, one);
}

/* The children of open boxes that matter, of the level below `level`; or those that stand there. */
static void expand(rk_descent *d, int level, candidates *to) {
  int64_t box[TOGETHER];
  int below = level - 1;
  to->count = 0;
  for (int64_t k = 0; k < d->open.count;) {
    int n = 0;
    for (; k < d->open.count && n + RK_RUNS <= TOGETHER; k++) {
      int64_t first;
      int children = rk_level_children(d->columns, below, d->open.at[k].box, &first);
      gather(d, below, first, children, n);
      for (int c = 0; c < children; c++) box[n++] = first + c;
    }
    enclose(d, n);
    rk_enclosed value = rk_enclosed_root(&d->encloser, 0, 0);
    double limit = rk_need_limit(&d->need, value);
    for (int b = 0; b < n; b++)
      if (!(value.low[b] > limit)) sort_out(d, below, box[b], b, to);
  }
}

/* All boxes of the highest level: those that matter are open. */
static void open_top(rk_descent *d) {
  int top = d->columns->levels - 1, n = (int)d->columns->level[top].count;
  d->open.count = 0;
  gather(d, top, 0, n, 0);
  enclose(d, n);
  rk_need_signs(&d->need, &d->encloser, n);
  for (int k = 0; k < n; k++) sort_out(d, top, k, k, &d->open);
}

/* Leaves the best of some boxes, up to `most`. */
static void keep_best(candidates *c, int64_t most) {
  for (int64_t k = 1; k < c->count; k++) {
    candidate one = c->at[k];
    int64_t at = k < most ? k : most;
    if (k >= most && !(one.key < c->at[most - 1].key)) continue;
    if (at == most) at = most - 1;
    for (; at && one.key < c->at[at - 1].key; at--) c->at[at] = c->at[at - 1];
    c->at[at] = one;
  }
  if (c->count > most) c->count = most;
}

/* ---- the order of what is wanted ------------------------------------------------------------- */

/* The best ones first, about: their keys, up to the worst that is wanted, are cut in BINS equal
 * parts. */
enum { BINS = 64 };

static int bin_of(double key, double least, double width) {
  double at = (key - least) / width * BINS;
  return at > 0 ? at < BINS ? (int)at : BINS - 1 : 0;
}

static void put_in_order(rk_descent *d) {
  const candidates *from = &d->wanted;
  double least = INFINITY, most = -INFINITY;
  int64_t end[BINS] = {0}, before = 0;
  if (from->count < 2 || !make_place(d, &d->next, from->count)) return;
  for (int64_t k = 0; k < from->count; k++) {
    double key = from->at[k].key;
    if (key < least && key > -INFINITY) least = key;
    if (key > most) most = key;
  }
  for (int64_t k = 0; k < from->count; k++) end[bin_of(from->at[k].key, least, most - least)]++;
  for (int b = 0; b < BINS; b++) {
    int64_t own = end[b];
    end[b] = before;
    before += own;
  }
  for (int64_t k = 0; k < from->count; k++)
    d->next.at[end[bin_of(from->at[k].key, least, most - least)]++] = from->at[k];
  d->next.count = from->count;
  candidates old = d->wanted;
  d->wanted = d->next;
  d->next = old;
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* Does one of these columns have the number of a row of the block? */
static int meets_itself(const rk_descent *d, rk_interval columns) {
  const rk_bounded *b = d->bounded;
  for (int c = columns.from; c < columns.end; c++) {
    int64_t number = b->walk.column_at[c];
    int64_t place = number < b->walk.rows ? b->place[number] - d->place : -1;
    if (place >= 0 && place < d->count) return 1;
  }
  return 0;
}

/* Columns of a box, of an interval of the block. */
static void add_part(rk_descent *d, rk_intervals *list, int level, int64_t box, rk_interval part) {
  const rk_walk *w = &d->bounded->walk;
  const rk_level *l = &d->columns->level[level];
  int in_bands = !w->bands || (d->bounded->place && !meets_itself(d, part));
  d->walked += part.end - part.from;
  if (in_bands) rk_intervals_add(list, part);
  for (int k = 0; k < w->bands && !in_bands; k++) {
    rk_interval one = part;
    if (!is_within(d, l, box, k)) {
      if (!one.masked) one.last = (int)d->count;
      one.masked = 1;
      one.lower = (int)w->lower[k];
      one.upper = (int)w->upper[k];
    }
    if (may_meet(d, l, box, k)) rk_intervals_add(list, one);
  }
}

static void add_columns(rk_descent *d, rk_intervals *list, int level, int64_t box) {
  rk_interval columns = columns_of(d, level, box);
  int64_t k = first_within(d, columns);
  for (; k < d->within->count; k = next_within(d, columns, k + 1)) {
    rk_interval part = d->within->at[k];
    if (part.from < columns.from) part.from = columns.from;
    if (part.end > columns.end) part.end = columns.end;
    add_part(d, list, level, box, part);
  }
}

static void go_down(rk_descent *d, int level) {
  expand(d, level, &d->next);
  candidates old = d->open;
  d->open = d->next;
  d->next = old;
}

/* Of what is open at the beginning the best boxes, up to `most`, and those of which the block has
 * only a part, for the sake of what is in them: they look near whatever they have. */
static void keep_promising(candidates *open, int most) {
  int64_t whole = 0;
  for (int64_t k = 0; k < open->count; k++) {
    candidate one = open->at[k];
    if (one.key == INFINITY) continue;
    open->at[k] = open->at[whole];
    open->at[whole++] = one;
  }
  candidates best = {open->at, whole, whole};
  keep_best(&best, most);
  for (int64_t k = whole; k < open->count && k < whole + MANY; k++)
    open->at[best.count++] = open->at[k];
  open->count = best.count;
}

/* The runs that are walked first: of as many columns as twice the ranks, from the best boxes of
 * each level down. None, where these turn out to have nothing that matters. A sum needs more of
 * them, to know how large it is for all rows of the block. */
static void first_runs(rk_descent *d, rk_intervals *list) {
  int level = d->columns->levels - 1, wanted = 1;
  int most = rk_keeps_values(d->need.reduction) ? 1 : MOST_FIRST;
  int64_t size = RK_LEAF_COLUMNS * RK_RUNS;
  for (; wanted < level && size < 2 * d->need.shape.K; wanted++) size *= RK_RUNS;
  d->firsts = 0;
  open_top(d);
  for (; d->open.count && level > wanted; level--) {
    keep_promising(&d->open, most);
    go_down(d, level);
  }
  keep_best(&d->open, most);
  d->first_level = level;
  for (; d->firsts < d->open.count; d->firsts++) {
    d->first_box[d->firsts] = d->open.at[d->firsts].box;
    add_columns(d, list, level, d->first_box[d->firsts]);
  }
}

/* Some row has less than it wants, so that few boxes are of no use yet; what lies around what was
 * walked first may give it. */
static int may_widen(const rk_descent *d) {
  return rk_keeps_values(d->need.reduction) && d->need.worst == INFINITY && d->firsts == 1 &&
         d->first_level + 1 < d->columns->levels;
}

static void widen_first(rk_descent *d, rk_intervals *list) {
  int64_t parent = d->first_box[0] / RK_RUNS, first;
  int n = rk_level_children(d->columns, d->first_level, parent, &first);
  for (int64_t box = first; box < first + n; box++)
    if (box != d->first_box[0]) add_columns(d, list, d->first_level, box);
  d->first_box[0] = parent;
  d->first_level++;
}

/* Finds all that is wanted; 0: there is too much of it, as long as what was walked first may be
 * widened. */
static int search(rk_descent *d) {
  d->progress = SEARCHES;
  d->wanted.count = d->taken = 0;
  open_top(d);
  for (int level = d->columns->levels - 1; level > 0 && d->open.count; level--) {
    if (may_widen(d) && d->open.count > MANY) return 0;
    go_down(d, level);
  }
  if (may_widen(d) && d->wanted.count > MANY) return 0;
  int in_order = rk_keeps_values(d->need.reduction);
  if (in_order) put_in_order(d);
  d->batch = in_order ? FIRST_LEAVES : MOST_LEAVES;
  d->progress = TAKES;
  return 1;
}

static int64_t left(const rk_descent *d) { return d->wanted.count - d->taken; }

static void take_wanted(rk_descent *d, rk_intervals *list) {
  for (int64_t n = 0; n < d->batch && left(d);) {
    candidate one = d->wanted.at[d->taken++];
    if (rk_need_is_over(&d->need, one.key)) continue;
    add_columns(d, list, one.level, one.box);
    n++;
  }
  if (d->batch < MOST_LEAVES) d->batch *= 2;
}

void rk_descent_begin(rk_descent *d, const rk_records *rows, const int32_t *position,
                      int64_t place, const rk_intervals *within) {
  const int64_t count = rows->rows;
  d->blocks++;
  d->place = place;
  d->count = count;
  d->within = within;
  d->is_mixed = 0;
  for (int64_t k = 0; k < within->count; k++) d->is_mixed |= within->at[k].masked;
  d->least = d->most = position[0];
  for (int64_t r = 1; r < count; r++) {
    if (position[r] < d->least) d->least = position[r];
    if (position[r] > d->most) d->most = position[r];
  }
  rk_records_box(rows, 0, count, d->row_side[0], d->row_side[1], d->row_nan, 1);
  for (int c = 0; c < rows->components; c++)
    d->row_box[c].nan = d->row_nan[c] ? d->row_nan + c : NULL;
  rk_need_anew(&d->need);
  memset(d->known, 0, (size_t)d->need.shape.values * sizeof *d->known);
  d->progress = BEGINS;
}

int rk_descent_next(rk_descent *d, rk_states states, rk_intervals *list) {
  list->count = 0;
  if (d->progress == BEGINS) {
    first_runs(d, list);
    d->progress = SEARCHES;
  } else if (d->progress == SEARCHES || left(d)) {
    rk_need_states(&d->need, states, d->count);
  }
  while (!list->count && d->progress == SEARCHES && !search(d)) widen_first(d, list);
  if (!list->count) take_wanted(d, list);
  return !d->failed && !list->failed;
}

void rk_descent_finish(const rk_descent *d, rk_states states) {
  int values = d->need.reduction->skips == RK_SKIP_SMALL ? d->need.shape.values : 0;
  for (int c = 0; c < values; c++) {
    double known = d->known[c] * d->bounded->stage->pass.factor;
    for (int64_t r = 0; r < d->count && known != 0; r++) states.values[c * states.ld + r] += known;
  }
}
