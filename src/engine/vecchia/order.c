/* An order in which each site is as far from all before it as can be: the farthest one comes next.
 *
 * Of all sites the square of the distance to the nearest one before is known; boxes know the
 * largest of theirs, so the next site is that of the box around all. It changes nothing in boxes
 * that are further away from it than that, which are most: the later, the more. */
#include "error.h"
#include "os.h"
#include "vecchia/tree.h"

#include <math.h>
#include <stdlib.h>

static const double poll_every = 0.02; /* seconds */
static const double taken = -1;        /* of a site that is in the order */

typedef struct { double square; int32_t place, row; } farthest;

typedef struct {
  rk_site_tree tree;
  double *square;              /* by place */
  farthest *of_box;
} ordering;

/* Of equal ones the first row. */
static int is_farther(const farthest *a, const farthest *b) {
  return a->square > b->square || (a->square == b->square && a->row < b->row);
}

static void look_at_leaf(ordering *o, int32_t k, const double *site) {
  const rk_site_tree *t = &o->tree;
  const rk_site_box *box = &t->box[k];
  farthest best = {-INFINITY, box->from, t->row_at[box->from]};
  for (int32_t p = box->from; p < box->end; p++) {
    const double square = rk_square_to(t->at + (int64_t)p * t->dims, site, t->dims);
    if (square < o->square[p]) o->square[p] = square;
    const farthest own = {o->square[p], p, t->row_at[p]};
    if (is_farther(&own, &best)) best = own;
  }
  o->of_box[k] = best;
}

/* A site has entered the order, at that place. */
static void look_at(ordering *o, int32_t k, int32_t place, const double *site) {
  const rk_site_tree *t = &o->tree;
  const rk_site_box *box = &t->box[k];
  const int is_inside = box->from <= place && place < box->end;
  if (!is_inside && !(rk_square_to_box(t, k, site) < o->of_box[k].square)) return;
  if (!box->second) {
    look_at_leaf(o, k, site);
    return;
  }
  look_at(o, k + 1, place, site);
  look_at(o, box->second, place, site);
  const farthest *a = &o->of_box[k + 1], *b = &o->of_box[box->second];
  o->of_box[k] = is_farther(a, b) ? *a : *b;
}

/* The site that is nearest to the mean of all. */
static int32_t first_place(const ordering *o) {
  const rk_site_tree *t = &o->tree;
  double *mean = calloc((size_t)t->dims, sizeof *mean), least = INFINITY;
  int32_t first = 0;
  for (int32_t p = 0; p < t->sites && mean; p++)
    for (int d = 0; d < t->dims; d++) mean[d] += t->at[(int64_t)p * t->dims + d] / t->sites;
  for (int32_t p = 0; p < t->sites && mean; p++) {
    const double square = rk_square_to(t->at + (int64_t)p * t->dims, mean, t->dims);
    if (square > least || (square == least && t->row_at[p] > t->row_at[first])) continue;
    first = p;
    least = square;
  }
  free(mean);
  return mean ? first : -1;
}

static rk_status make_memory(ordering *o, rk_error *error) {
  const size_t n = (size_t)o->tree.sites, boxes = (size_t)o->tree.boxes;
  o->square = malloc(n * sizeof *o->square);
  o->of_box = malloc(boxes * sizeof *o->of_box);
  if (!o->square || !o->of_box) return rk_fail_memory(error, boxes * sizeof *o->of_box);
  for (size_t k = 0; k < n; k++) o->square[k] = INFINITY;
  for (size_t k = 0; k < boxes; k++) o->of_box[k].square = INFINITY;
  return RK_OK;
}

static rk_status run(ordering *o, int32_t *order, rk_caller caller) {
  const rk_site_tree *t = &o->tree;
  double polled = rk_os_seconds();
  rk_status status = make_memory(o, caller.error);
  int32_t place = status ? 0 : first_place(o);
  if (place < 0) return rk_fail_memory(caller.error, (size_t)t->dims * sizeof(double));
  for (int32_t k = 0; k < t->sites && !status; k++) {
    order[k] = t->row_at[place];
    o->square[place] = taken;
    look_at(o, 0, place, t->at + (int64_t)place * t->dims);
    place = o->of_box[0].place;
    if (k % 256 || rk_os_seconds() - polled < poll_every) continue;
    status = rk_ask(caller, (double)k / t->sites);
    polled = rk_os_seconds();
  }
  return status;
}

rk_status rk_order_farthest(const rk_points *sites, int dims, int32_t *order, rk_poll poll,
                            void *poll_data, rk_error *error) {
  const rk_caller caller = {poll, poll_data, error};
  ordering o = {.square = NULL};
  error->status = RK_OK;
  rk_status status = rk_site_tree_make(&o.tree, sites, dims, caller);
  if (!status && o.tree.sites) status = run(&o, order, caller);
  rk_site_tree_free(&o.tree);
  free(o.square);
  free(o.of_box);
  return status;
}
