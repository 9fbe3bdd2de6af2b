/* Blocks of the pairs of points that may be within a radius of each other. */
#include "near/boxes.h"
#include "run/parallel.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

/* A segment of rows has at most MOST of them, and more than LEAST only where their box is small
 * beside the radius. Boxes of columns are taken whole where they are small beside it; for few
 * points less is enough. More intervals would cost more than they leave out. */
enum { LEAST = 16, MOST = 64, FEW = 8, TOGETHER = 256 /* segments of a task */ };
static const double small_rows = 0.85, small_columns = 0.2, small_few = 0.5;

/* What rounding may change of a distance, in double or float. */
static const double margin = 1e-6;

/* Intervals of the lists of some segments. */
typedef struct { int32_t *from, *end; int64_t n, room; int failed; } intervals;

typedef struct {
  const rk_near *near;
  double scale;              /* one over the radius */
  const rk_boxes *x, *y;
  int32_t *segment;          /* the box of x that each is */
  int64_t segments, tasks;
  intervals *made;           /* by task */
  rk_near_blocks *out;       /* list_end: within a task, until all are known */
  rk_caller caller;
} work;

/* ---- distances, in units of the radius ------------------------------------------------------- */

static double larger(double a, double b) { return a > b ? a : b; }

/* The norm of three distances along the axes, or its square: is it at most 1? */
static int is_within(rk_metric metric, double a, double b, double c) {
  if (metric == RK_EUCLIDEAN) return a * a + b * b + c * c <= 1;
  if (metric == RK_MANHATTAN) return a + b + c <= 1;
  return larger(larger(a, b), c) <= 1;
}

static double gap(const work *w, const rk_box *a, const rk_box *b, int d) {
  return larger(larger(a->low[d] - b->high[d], b->low[d] - a->high[d]), 0) * w->scale;
}

static double reach(const work *w, const rk_box *a, const rk_box *b, int d) {
  return larger(a->high[d] - b->low[d], b->high[d] - a->low[d]) * w->scale;
}

static double side(const work *w, const rk_box *box, int d) {
  return (box->high[d] - box->low[d]) * w->scale;
}

/* May two points of these boxes be within the radius? */
static int may_be_near(const work *w, const rk_box *a, const rk_box *b) {
  return is_within(w->near->metric, gap(w, a, b, 0), gap(w, a, b, 1), gap(w, a, b, 2));
}

/* Are all of them? */
static int are_near(const work *w, const rk_box *a, const rk_box *b) {
  return is_within(w->near->metric, reach(w, a, b, 0), reach(w, a, b, 1), reach(w, a, b, 2));
}

static double longest_side(const work *w, const rk_box *box) {
  return larger(larger(side(w, box, 0), side(w, box, 1)), side(w, box, 2));
}

/* ---- lists ----------------------------------------------------------------------------------- */

static int make_room(intervals *list) {
  int64_t room = list->room * 2 + 1024;
  int32_t *from = realloc(list->from, (size_t)room * sizeof *from);
  if (from) list->from = from;
  int32_t *end = realloc(list->end, (size_t)room * sizeof *end);
  if (end) list->end = end;
  list->failed |= !from || !end;
  if (!list->failed) list->room = room;
  return !list->failed;
}

/* `first`: the first interval of the segment. */
static void add_interval(intervals *list, int64_t first, const rk_box *columns) {
  if (list->n > first && list->end[list->n - 1] == columns->from) {
    list->end[list->n - 1] = columns->end;
  } else if (list->n < list->room || make_room(list)) {
    list->from[list->n] = columns->from;
    list->end[list->n++] = columns->end;
  }
}

/* Is it worth while to look which parts of a box that is near are not? */
static int has_far(const work *w, const rk_box *rows, const rk_box *columns) {
  int32_t n = columns->end - columns->from;
  return n > RK_BOX_LEAF && !are_near(w, rows, columns) &&
         longest_side(w, columns) >= (n > FEW ? small_columns : small_few);
}

static void add_list(const work *w, const rk_box *rows, intervals *list) {
  int64_t first = list->n;
  for (int32_t k = 0; k < w->y->boxes && !list->failed;) {
    const rk_box *columns = &w->y->box[k];
    int is_near = may_be_near(w, rows, columns), is_split = is_near && has_far(w, rows, columns);
    if (is_near && !is_split) add_interval(list, first, columns);
    k = is_split ? k + 1 : columns->next;
  }
}

static void list_task(void *data, int64_t task, const rk_worker *worker) {
  work *w = data;
  intervals *list = &w->made[task];
  int64_t end = (task + 1) * TOGETHER < w->segments ? (task + 1) * TOGETHER : w->segments;
  for (int64_t s = task * TOGETHER; s < end; s++) {
    if (rk_parallel_stopped(worker)) return;
    add_list(w, &w->x->box[w->segment[s]], list);
    w->out->list_end[s] = (int32_t)list->n;
  }
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static int is_segment(const work *w, const rk_box *box) {
  int32_t n = box->end - box->from;
  return n <= LEAST || (n <= MOST && longest_side(w, box) < small_rows);
}

/* Rows in no box are a segment more, without a list. */
static rk_status find_segments(work *w) {
  size_t most = (size_t)w->x->boxes + 1;
  rk_near_blocks *out = w->out;
  w->segment = malloc(most * sizeof *w->segment);
  out->row_end = malloc(most * sizeof *out->row_end);
  out->list_end = malloc(most * sizeof *out->list_end);
  if (!w->segment || !out->row_end || !out->list_end)
    return rk_fail_memory(w->caller.error, most * sizeof *out->row_end);
  for (int32_t k = 0; k < w->x->boxes;) {
    const rk_box *box = &w->x->box[k];
    int taken = is_segment(w, box);
    if (taken) {
      out->row_end[w->segments] = box->end;
      w->segment[w->segments++] = k;
    }
    k = taken ? box->next : k + 1;
  }
  out->segments = w->segments;
  if (w->x->boxed < w->x->n) out->row_end[out->segments++] = w->x->n;
  return RK_OK;
}

static rk_status make_lists(work *w) {
  w->tasks = (w->segments + TOGETHER - 1) / TOGETHER;
  w->made = calloc((size_t)w->tasks + 1, sizeof *w->made);
  if (!w->made) return rk_fail_memory(w->caller.error, (size_t)w->tasks * sizeof *w->made);
  rk_status status = rk_parallel(w->tasks, rk_threads(), list_task, w, w->caller);
  for (int64_t t = 0; t < w->tasks && !status; t++) {
    w->out->intervals += w->made[t].n;
    if (w->made[t].failed || w->out->intervals > INT32_MAX)
      status = rk_fail_memory(w->caller.error, (size_t)w->out->intervals * 2 * sizeof(int32_t));
  }
  return status;
}

/* The lists of all tasks, one behind the other. */
static rk_status join_lists(work *w) {
  rk_near_blocks *out = w->out;
  size_t bytes = (size_t)out->intervals * sizeof *out->from;
  out->from = malloc(bytes + 1);
  out->end = malloc(bytes + 1);
  if (!out->from || !out->end) return rk_fail_memory(w->caller.error, 2 * bytes);
  int64_t before = 0;
  for (int64_t s = 0; s < out->segments; s++) {
    const intervals *list = &w->made[s / TOGETHER];
    if (s && s % TOGETHER == 0) before += list[-1].n;
    if (s == w->segments) out->list_end[s] = (int32_t)(out->intervals - before);
    out->list_end[s] += (int32_t)before;
  }
  before = 0;
  for (int64_t t = 0; t < w->tasks; before += w->made[t++].n) {
    if (!w->made[t].n) continue;
    memcpy(out->from + before, w->made[t].from, (size_t)w->made[t].n * sizeof *out->from);
    memcpy(out->end + before, w->made[t].end, (size_t)w->made[t].n * sizeof *out->end);
  }
  return RK_OK;
}

/* The orders go from the boxes to the blocks: two arrays, also where x is y. */
static rk_status take_orders(work *w, rk_boxes *x, rk_boxes *y) {
  rk_near_blocks *out = w->out;
  out->order[0] = x->row_at;
  x->row_at = NULL;
  if (w->y == y) {
    out->order[1] = y->row_at;
    y->row_at = NULL;
    return RK_OK;
  }
  size_t bytes = (size_t)x->n * sizeof *out->order[1];
  out->order[1] = malloc(bytes + 1);
  if (!out->order[1]) return rk_fail_memory(w->caller.error, bytes);
  memcpy(out->order[1], out->order[0], bytes);
  return RK_OK;
}

static void free_work(work *w) {
  for (int64_t t = 0; w->made && t < w->tasks; t++) {
    free(w->made[t].from);
    free(w->made[t].end);
  }
  free(w->made);
  free(w->segment);
}

rk_status rk_near_make(const rk_near *near, rk_near_blocks *blocks, rk_poll poll, void *poll_data,
                       rk_error *error) {
  rk_caller caller = {poll, poll_data, error};
  rk_boxes x = {0}, y = {0};
  work w = {.near = near, .scale = 1 / larger(near->radius * (1 + margin), DBL_MIN), .x = &x,
            .y = near->x.at == near->y.at ? &x : &y, .out = blocks, .caller = caller};
  *blocks = (rk_near_blocks){.segments = 0};
  rk_status status = rk_boxes_make(&x, &near->x, near->dimension, caller);
  if (!status && w.y == &y) status = rk_boxes_make(&y, &near->y, near->dimension, caller);
  if (!status) status = find_segments(&w);
  if (!status) status = make_lists(&w);
  if (!status) status = join_lists(&w);
  if (!status) status = take_orders(&w, &x, &y);
  free_work(&w);
  rk_boxes_free(&x);
  rk_boxes_free(&y);
  return status;
}

void rk_near_free(rk_near_blocks *blocks) {
  free(blocks->order[0]);
  free(blocks->order[1]);
  free(blocks->row_end);
  free(blocks->list_end);
  free(blocks->from);
  free(blocks->end);
  *blocks = (rk_near_blocks){.segments = 0};
}
