/* The nearest sites before each: a search in the tree of all, where boxes know the first row that
 * they have. Sites that come early have far neighbours, but few of the boxes around them have any
 * row before theirs. */
#include "error.h"
#include "rounding.h"
#include "run/call.h"
#include "run/parallel.h"
#include "vecchia/tree.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { TASK = 256, DEEP = 64 }; /* sites; boxes that wait for their turn */

typedef struct { double square; int32_t row; } neighbour;
typedef struct { double square; int32_t box; } waiting;

typedef struct {
  rk_site_tree tree;
  int32_t *first;              /* by box: the least row */
  int k;
  int32_t *found;              /* k columns of rows, from 0, or -1 */
  atomic_int failed;
} search;

static int is_nearer(neighbour a, neighbour b) {
  return a.square < b.square || (a.square == b.square && a.row < b.row);
}

/* Nearest first; `n` of at most k. */
static int enter(neighbour *list, int n, int k, neighbour new) {
  if (n == k && !is_nearer(new, list[k - 1])) return n;
  int at = n < k ? n : k - 1;
  for (; at > 0 && is_nearer(new, list[at - 1]); at--) list[at] = list[at - 1];
  list[at] = new;
  return n < k ? n + 1 : k;
}

/* The halves of a box, of which the nearer one is on top then. */
static int split(const search *s, int32_t box, const double *site, waiting *stack, int depth) {
  waiting a = {rk_square_to_box(&s->tree, box + 1, site), box + 1};
  waiting b = {0, s->tree.box[box].second};
  b.square = rk_square_to_box(&s->tree, b.box, site);
  stack[depth] = a.square < b.square ? b : a;
  stack[depth + 1] = a.square < b.square ? a : b;
  return depth + 2;
}

static int find(const search *s, int32_t place, neighbour *list) {
  const rk_site_tree *t = &s->tree;
  const double *site = t->at + (int64_t)place * t->dims;
  const int32_t row = t->row_at[place];
  waiting stack[2 * DEEP] = {{0, 0}};
  int n = 0;
  for (int depth = 1; depth;) {
    const waiting now = stack[--depth];
    const rk_site_box *box = &t->box[now.box];
    if (s->first[now.box] >= row || (n == s->k && now.square > list[n - 1].square)) continue;
    if (box->second) {
      depth = split(s, now.box, site, stack, depth);
      continue;
    }
    for (int32_t p = box->from; p < box->end; p++) {
      if (t->row_at[p] >= row) continue;
      const neighbour new = {rk_square_to(t->at + (int64_t)p * t->dims, site, t->dims),
                             t->row_at[p]};
      n = enter(list, n, s->k, new);
    }
  }
  return n;
}

static void task(void *data, int64_t number, const rk_worker *worker) {
  search *s = data;
  const int32_t sites = s->tree.sites, from = (int32_t)(number * TASK);
  neighbour *list = malloc((size_t)s->k * sizeof *list);
  if (!list) atomic_store(&s->failed, 1);
  for (int32_t p = from; list && p < from + TASK && p < sites; p++) {
    if (rk_parallel_stopped(worker)) break;
    const int n = find(s, p, list);
    int32_t *to = s->found + s->tree.row_at[p];
    for (int c = 0; c < s->k; c++) to[(int64_t)c * sites] = c < n ? list[c].row : -1;
  }
  free(list);
}

static rk_status find_first(search *s, rk_error *error) {
  const rk_site_tree *t = &s->tree;
  s->first = malloc((size_t)t->boxes * sizeof *s->first + 1);
  if (!s->first) return rk_fail_memory(error, (size_t)t->boxes * sizeof *s->first);
  for (int32_t k = t->boxes - 1; k >= 0; k--) {
    const rk_site_box *box = &t->box[k];
    int32_t least = box->second ? s->first[k + 1] : t->row_at[box->from];
    if (box->second && s->first[box->second] < least) least = s->first[box->second];
    for (int32_t p = box->from; p < box->end && !box->second; p++)
      if (t->row_at[p] < least) least = t->row_at[p];
    s->first[k] = least;
  }
  return RK_OK;
}

rk_status rk_nearest_earlier(const rk_points *sites, int dims, int k, int32_t *found, rk_poll poll,
                             void *poll_data, rk_error *error) {
  const rk_caller caller = {poll, poll_data, error};
  search s = {.k = k, .found = found};
  error->status = RK_OK;
  rk_status status = rk_site_tree_make(&s.tree, sites, dims, caller);
  if (!status) status = find_first(&s, error);
  if (!status)
    status = rk_parallel(rk_ceil_div(sites->rows, TASK), rk_call_threads(), task, &s, caller);
  if (!status && s.failed) status = rk_fail_memory(error, (size_t)k * sizeof(neighbour));
  rk_site_tree_free(&s.tree);
  free(s.first);
  return status;
}
