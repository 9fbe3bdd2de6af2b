/* Groups of blocks on threads. What several blocks add to is added up by the calling thread, in
 * their order: threads leave it in rounds of so many groups that it fits into some megabytes. */
#include "caller.h"
#include "error.h"
#include "float_mode.h"
#include "os.h"
#include "programs.h"
#include "rounding.h"
#include "run/call.h"
#include "run/parallel.h"
#include "vecchia/group.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { TASK = 8, ROUND = 128 * TASK, LEFT = 1 << 22 }; /* groups; numbers that they leave, about */

/* A call. `left`: what groups of a round leave, `stride` numbers each: sums over all pairs, then
 * vectors, of noise, z and of sums for rows; and `rows` of these vectors. */
typedef struct {
  const rk_vecchia *v;
  const rk_vecchia_kernels *kernels;
  rk_vecchia_values *values;               /* NULL: cotangents are wanted */
  const rk_vecchia_cotangents *cotangents;
  rk_group_formula covariance, slopes;
  int components;                          /* of slopes */
  rk_group_size size;
  int threads;
  char *memory;                            /* of threads */
  atomic_int *taken;
  double *left;
  int32_t *rows;
  int *n;                                  /* rows of each group */
  size_t stride;
  int64_t groups, first, round;            /* of all; of this round; groups of a round */
  atomic_llong failed;                     /* the first block and row that failed; see note() */
} job;

/* ---- memory ---------------------------------------------------------------------------------- */

/* Cotangents of w and log s of a group, and the group. */
static size_t cotangent_bytes(const job *j) {
  return (size_t)rk_round_up((1 + j->v->columns) * RK_LANES, 8) * sizeof(double);
}

static size_t room_bytes(const job *j) { return cotangent_bytes(j) + rk_group_bytes(&j->size); }

static char *take_room(job *j) {
  int k = 0;
  while (atomic_exchange(&j->taken[k], 1)) k = (k + 1) % j->threads;
  return j->memory + (size_t)k * room_bytes(j);
}

static void leave_room(job *j, const char *room) {
  atomic_store(&j->taken[(size_t)(room - j->memory) / room_bytes(j)], 0);
}

static int most_of(int a, int b) { return a > b ? a : b; }

static void measure(job *j) {
  const size_t work[] = {rk_formula_work(j->covariance.values),
                         j->slopes.values ? rk_formula_work(j->slopes.values) : 0};
  j->size = (rk_group_size){
    .most = j->v->sets.most, .columns = j->v->columns, .components = j->components,
    .points = most_of(j->covariance.columns, j->slopes.columns),
    .work = (size_t)rk_round_up((int64_t)(work[0] > work[1] ? work[0] : work[1]), 64)};
  j->stride = (size_t)j->components +
              (size_t)(1 + j->v->columns + j->components) * (size_t)j->v->sets.most * RK_LANES;
  j->round = ROUND;
  while (j->round > TASK && (size_t)j->round * j->stride > LEFT) j->round /= 2;
}

static rk_status make_memory(job *j, rk_error *error) {
  measure(j);
  const size_t bytes = room_bytes(j) * (size_t)j->threads;
  const size_t round = j->values ? 0 : (size_t)(j->groups < j->round ? j->groups : j->round);
  const size_t vector = (size_t)j->v->sets.most * RK_LANES;
  j->memory = rk_os_aligned(bytes);
  j->taken = calloc((size_t)j->threads, sizeof *j->taken);
  j->left = malloc(round * j->stride * sizeof *j->left + 1);
  j->rows = malloc(round * vector * sizeof *j->rows + 1);
  j->n = malloc(round * sizeof *j->n + 1);
  if (j->memory && j->taken && j->left && j->rows && j->n) return RK_OK;
  return rk_fail_memory(error, bytes + round * j->stride * sizeof *j->left);
}

static void free_job(job *j) {
  rk_group_formula_free(&j->covariance);
  rk_group_formula_free(&j->slopes);
  rk_os_aligned_free(j->memory);
  free(j->taken);
  free(j->left);
  free(j->rows);
  free(j->n);
}

/* ---- values ---------------------------------------------------------------------------------- */

static const long long none = INT64_MAX;

/* The least block, and its first row, whatever the order in which they are found. */
static void note(job *j, int64_t block, int32_t row) {
  const long long new = (block + 1) << 31 | (row + 1);
  long long old = atomic_load(&j->failed);
  while (new < old && !atomic_compare_exchange_weak(&j->failed, &old, new)) {}
}

static void give_coefficients(const job *j, const rk_group *g, int64_t block, int lane) {
  const rk_sets *s = &j->v->sets;
  double *to = j->values->coefficients + block * s->most;
  int at = 0;
  while (at < g->n && g->row[at * RK_LANES + lane] == RK_NO_ROW) at++;
  for (int k = 0; k < s->most; k++) {
    const int32_t row = s->row[block * s->most + k];
    to[k] = row >= 1 && row <= s->rows ? g->a[at++ * RK_LANES + lane] : 0;
  }
}

static void whiten(job *j, int64_t number, rk_group *g) {
  const rk_vecchia *v = j->v;
  int failed[RK_LANES];
  double w[RK_LANES];
  rk_group_begin(&v->sets, number, g);
  rk_group_covariances(&j->covariance, g);
  rk_group_factor(v, j->kernels, g, failed);
  rk_group_take(v, g);
  for (int q = 0; q < v->columns; q++) {
    j->kernels->dot(g->n, g->a, g->z + q * g->n * RK_LANES, w);
    for (int lane = 0; lane < RK_LANES; lane++) {
      const int64_t block = number * RK_LANES + lane;
      if (block < v->sets.blocks) j->values->w[q * v->sets.blocks + block] = w[lane];
    }
  }
  for (int lane = 0; lane < RK_LANES; lane++) {
    const int64_t block = number * RK_LANES + lane;
    if (block >= v->sets.blocks) return;
    const int is_copy = j->values->takes_copies && failed[lane] == g->n - 1;
    if (failed[lane] < g->n && !is_copy) note(j, block, g->row[failed[lane] * RK_LANES + lane]);
    j->values->log_sd[block] = is_copy ? -INFINITY : -log(g->a[(g->n - 1) * RK_LANES + lane]);
    if (j->values->coefficients) give_coefficients(j, g, block, lane);
  }
}

/* ---- cotangents ------------------------------------------------------------------------------ */

/* Those of the blocks of a group: 0 of lanes that have none. */
static void take_cotangents(const job *j, int64_t number, double *e_w, double *e_log) {
  const int64_t blocks = j->v->sets.blocks;
  for (int lane = 0; lane < RK_LANES; lane++) {
    const int64_t block = number * RK_LANES + lane;
    e_log[lane] = block < blocks ? j->cotangents->log_sd[block] : 0;
    for (int q = 0; q < j->v->columns; q++)
      e_w[q * RK_LANES + lane] = block < blocks ? j->cotangents->w[q * blocks + block] : 0;
  }
}

static void sum_slopes(const job *j, const rk_group *g, double *left) {
  const int vector = g->n * RK_LANES;
  double *at = left + j->components + (1 + j->v->columns) * vector;
  double *to[RK_VECCHIA_COMPONENTS];
  memset(left, 0, (size_t)j->components * sizeof *left);
  memset(at, 0, (size_t)(j->components * vector) * sizeof *at);
  for (int c = 0; c < j->components; c++, at += vector)
    to[c] = j->cotangents->side[c] == RK_OF_ALL ? left + c : at;
  rk_group_slopes(&j->slopes, g, (rk_group_sums){j->cotangents->side, to});
}

static void pull(job *j, int64_t number, rk_group *g, double *e) {
  const rk_vecchia *v = j->v;
  int failed[RK_LANES];
  rk_group_begin(&v->sets, number, g);
  rk_group_covariances(&j->covariance, g);
  rk_group_factor(v, j->kernels, g, failed);
  rk_group_take(v, g);
  take_cotangents(j, number, e + RK_LANES, e);
  rk_group_pull(j->kernels, g, v->columns, e + RK_LANES, e);
  const int64_t at = number - j->first;
  const size_t vector = (size_t)g->n * RK_LANES, most = (size_t)v->sets.most * RK_LANES;
  double *left = j->left + (size_t)at * j->stride, *noise = left + j->components;
  j->n[at] = g->n;
  memcpy(j->rows + (size_t)at * most, g->row, vector * sizeof *g->row);
  for (int i = 0; i < g->n; i++)
    memcpy(noise + i * RK_LANES, g->slope + rk_triangle_at(i, i) * RK_LANES,
           RK_LANES * sizeof *noise);
  memcpy(noise + vector, g->z, (size_t)v->columns * vector * sizeof *noise);
  if (j->components) sum_slopes(j, g, left);
}

static void add_vector(const int32_t *row, size_t n, const double *from, int is_one, double *to) {
  for (size_t k = 0; k < n; k++)
    if (row[k] != RK_NO_ROW) to[is_one ? 0 : row[k]] += from[k];
}

static void add_up(const job *j, int64_t at) {
  const rk_vecchia *v = j->v;
  const rk_vecchia_cotangents *to = j->cotangents;
  const int32_t *row = j->rows + (size_t)at * (size_t)v->sets.most * RK_LANES;
  const size_t n = (size_t)j->n[at] * RK_LANES;
  const double *left = j->left + (size_t)at * j->stride, *from = left + j->components;
  if (to->noise) add_vector(row, n, from, v->noises == 1, to->noise);
  from += n;
  for (int q = 0; q < v->columns; q++, from += n)
    if (to->z) add_vector(row, n, from, 0, to->z + q * v->sets.rows);
  for (int c = 0; c < j->components; c++, from += n) {
    if (to->side[c] == RK_OF_ALL) to->sums[c][0] += left[c];
    else add_vector(row, n, from, 0, to->sums[c]);
  }
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void task(void *data, int64_t number, const rk_worker *worker) {
  job *j = data;
  char *room = take_room(j);
  rk_group g;
  const uint64_t mode = rk_float_mode_flush();
  int64_t from = j->first + number * TASK, end = from + TASK;
  if (end > j->groups) end = j->groups;
  rk_group_lay(&j->size, room + cotangent_bytes(j), &g);
  for (; from < end && !rk_parallel_stopped(worker); from++) {
    if (j->values) whiten(j, from, &g);
    else pull(j, from, &g, (double *)room);
  }
  rk_float_mode_set(mode);
  leave_room(j, room);
}

/* Of a round. */
typedef struct { rk_caller caller; double before, share; } part;

static int poll_part(void *data, double done) {
  const part *p = data;
  return p->caller.poll(p->caller.data, done < 0 ? done : p->before + p->share * done);
}

static rk_status run_rounds(job *j, rk_caller caller) {
  const int64_t most = j->values ? j->groups : j->round;
  rk_status status = RK_OK;
  for (j->first = 0; j->first < j->groups && !status; j->first += most) {
    const int64_t left = j->groups - j->first, n = left < most ? left : most;
    const double all = (double)j->groups;
    part now = {caller, (double)j->first / all, (double)n / all};
    const rk_caller asked = {caller.poll ? poll_part : NULL, &now, caller.error};
    status = rk_parallel(rk_ceil_div(n, TASK), j->threads, task, j, asked);
    for (int64_t at = 0; !j->values && at < n && !status; at++) add_up(j, at);
  }
  return status;
}

static rk_status check_sets(const rk_sets *s, rk_error *error) {
  for (int64_t b = 0; b < s->blocks; b++) {
    const int32_t own = s->row[(b + 1) * s->most - 1];
    if (own < 1 || own > s->rows)
      return rk_fail(error, RK_ERROR_ARGUMENT, "block %lld has no site", (long long)b + 1);
  }
  return RK_OK;
}

static rk_status check_rows(const rk_vecchia *v, const rk_pair_values *p, rk_error *error) {
  for (int k = 0; k < rk_program_info_of(p->program)->variables; k++)
    if ((p->side[k] == RK_OF_I || p->side[k] == RK_OF_J) && p->inputs[k].rows != v->sets.rows)
      return rk_fail(error, RK_ERROR_SHAPE, "a covariance has %lld rows: expected %lld",
                     (long long)p->inputs[k].rows, (long long)v->sets.rows);
  return RK_OK;
}

static rk_status begin(job *j, rk_error *error) {
  const rk_vecchia *v = j->v;
  const rk_pair_values *slopes = j->cotangents ? j->cotangents->slopes : NULL;
  j->kernels = rk_vecchia_kernels_of(error);
  if (!j->kernels) return error->status;
  rk_status status = check_sets(&v->sets, error);
  if (!status) status = check_rows(v, &v->covariance, error);
  if (!status) status = rk_group_formula_make(&j->covariance, &v->covariance, error);
  if (!status && slopes) status = check_rows(v, slopes, error);
  if (!status && slopes) status = rk_group_formula_make(&j->slopes, slopes, error);
  if (status) return status;
  if (j->slopes.values) j->components = rk_formula_components(j->slopes.values);
  if (rk_formula_components(j->covariance.values) != 1 || j->components > RK_VECCHIA_COMPONENTS)
    return rk_fail(error, RK_ERROR_ARGUMENT, "a covariance has dimension 1, and at most %d "
                   "numbers that it is made of", RK_VECCHIA_COMPONENTS);
  return make_memory(j, error);
}

/* A poll may make the engine forget programs. */
static rk_status run(job *j, rk_caller caller) {
  rk_program *slopes = j->cotangents && j->cotangents->slopes ? j->cotangents->slopes->program
                                                              : NULL;
  caller.error->status = RK_OK;
  j->groups = rk_ceil_div(j->v->sets.blocks, RK_LANES);
  j->threads = j->groups > TASK ? rk_call_threads() : 1;
  atomic_init(&j->failed, none);
  rk_program_hold(j->v->covariance.program);
  if (slopes) rk_program_hold(slopes);
  rk_status status = begin(j, caller.error);
  if (!status) status = run_rounds(j, caller);
  free_job(j);
  if (slopes) rk_program_release(slopes);
  rk_program_release(j->v->covariance.program);
  return status;
}

rk_status rk_vecchia_whiten(const rk_vecchia *v, rk_vecchia_values *values, rk_poll poll,
                            void *poll_data, rk_error *error) {
  job j = {.v = v, .values = values};
  rk_status status = run(&j, (rk_caller){poll, poll_data, error});
  const long long failed = atomic_load(&j.failed);
  values->failed[0] = failed == none ? 0 : failed >> 31;
  values->failed[1] = failed == none ? 0 : failed & INT32_MAX;
  return status;
}

rk_status rk_vecchia_pull(const rk_vecchia *v, const rk_vecchia_cotangents *cotangents,
                          rk_poll poll, void *poll_data, rk_error *error) {
  job j = {.v = v, .cotangents = cotangents};
  return run(&j, (rk_caller){poll, poll_data, error});
}

void rk_vecchia_solve(const rk_sets *s, const double *coefficients, const double *w, double *x) {
  for (int64_t b = 0; b < s->blocks; b++) {
    const int32_t *row = s->row + b * s->most;
    const double *a = coefficients + b * s->most;
    double rest = w[b];
    for (int k = 0; k < s->most - 1; k++)
      if (row[k] >= 1 && row[k] <= b) rest -= a[k] * x[row[k] - 1];
    x[b] = rest / a[s->most - 1];
  }
}
