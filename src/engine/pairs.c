/* Reductions over lists of pairs.
 *
 * A list has no rows that meet the same columns, which is what kernels are made for. So its pairs
 * are the rows of a program that reduces nothing: inputs are gathered for some thousand pairs at a
 * time, the program gives their values, and these enter the states of the result's rows here. Any
 * backend computes them; nothing is as long as the list but the list. */
#include "engine.h"
#include "error.h"
#include "formula/reductions.h"
#include "programs.h"
#include "rounding.h"
#include "run/call.h"
#include "run/parallel.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { TASK = 1 << 12, LEAST = 1 << 12, NUMBERS = 1 << 18 }; /* pairs; numbers of a chunk, about */

typedef struct {
  rk_program *program;
  const rk_node *reduction;      /* NULL: the values are the result */
  const rk_pair_side *side;
  const rk_pairs *pairs;
  const rk_array *inputs;
  const rk_output *outputs;
  int variables, dim;            /* of the program; of its values */
  int64_t chunk, first, count;   /* pairs at a time; those of now, by place in the order */
  rk_array *gathered;            /* by input: those rows */
  double *memory, *values;       /* what these lie in; what the program makes of them */
  int has_rows;                  /* some input is no parameter: as many values as pairs */
  rk_state_shape shape;          /* of the states */
  rk_states states;              /* of all rows of the result */
  atomic_int wrong, failed;
} job;

/* ---- before the values ----------------------------------------------------------------------- */

/* Rows, from 0, of inputs of a side, for `n` pairs from place `first` on; 0: they have no such. */
static int find_rows(const rk_pairs *p, rk_pair_side side, int64_t first, int64_t n,
                     int64_t rows, int32_t *row) {
  const int32_t *at = side == RK_OF_PAIRS ? p->order : p->at[side];
  uint32_t largest = 0;
  for (int64_t r = 0; r < n; r++) {
    row[r] = at ? at[first + r] - p->base : (int32_t)(first + r);
    if ((uint32_t)row[r] > largest) largest = (uint32_t)row[r];
  }
  return largest < rows || !n;
}

static void take_rows(const rk_array *x, const int32_t *row, int64_t n, double *to, int64_t ld) {
  for (int64_t c = 0; c < x->dim; c++) {
    const double *from = x->data + c * x->component_stride;
    for (int64_t r = 0; r < n; r++) to[c * ld + r] = from[row[r] * x->row_stride];
  }
}

static void gather(void *data, int64_t task, const rk_worker *worker) {
  job *j = data;
  int32_t row[TASK];
  int64_t first = task * TASK, n = j->count - first < TASK ? j->count - first : TASK;
  (void)worker;
  for (int side = RK_OF_I; side <= RK_OF_PAIRS; side++)
    for (int k = 0, known = 0; k < j->variables; k++) {
      const rk_array *x = &j->inputs[k];
      if ((int)j->side[k] != side) continue;
      if (!known && !find_rows(j->pairs, j->side[k], j->first + first, n, x->rows, row)) {
        atomic_store(&j->wrong, 1);
        return;
      }
      known = 1;
      take_rows(x, row, n, (double *)j->gathered[k].data + first, j->count);
    }
}

/* Columns of the chunk lie one after the other. */
static void lay_out(job *j) {
  double *at = j->memory;
  for (int k = 0; k < j->variables; k++) {
    j->gathered[k] = j->inputs[k];
    if (j->side[k] == RK_OF_ALL) continue;
    int64_t dim = j->inputs[k].dim;
    j->gathered[k] = (rk_array){at, j->count, dim, 1, j->count, NULL, 0};
    at += dim * j->count;
  }
}

/* ---- behind the values ----------------------------------------------------------------------- */

/* The first row of which all pairs come at this place or later. */
static int64_t row_from(const rk_pairs *p, int64_t place) {
  int64_t low = 0, high = p->rows;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if ((middle ? p->end[middle - 1] : 0) >= place) high = middle;
    else low = middle + 1;
  }
  return low;
}

/* One loop for each component. */
static void add_terms(const job *j, int64_t row, int64_t from, int64_t end) {
  for (int c = 0; c < j->dim; c++) {
    const double *value = j->values + c * j->count - j->first;
    double sum = 0;
    for (int64_t k = from; k < end; k++) sum += value[k];
    j->states.values[c * j->states.ld + row] += sum;
  }
}

/* Component c of what enters, of the pair at a place: a value, or a weight behind the value. */
static double entering(const job *j, int64_t place, int c) {
  const rk_reduction *r = j->reduction->reduction;
  const double *value = j->values + (place - j->first);
  if (!r->has_head) return r->negate ? -value[c * j->count] : value[c * j->count];
  return j->dim == 1 || (r->unit && c == 0) ? 1 : value[(1 + c - r->unit) * j->count];
}

/* Values that change nothing, as most do not: larger than all that the row holds. */
static int cannot_enter(const job *j, int64_t place, rk_states row) {
  const rk_reduction *r = j->reduction->reduction;
  if (r->skips != RK_SKIP_LARGER && r->skips != RK_SKIP_LARGER_NUMBERS) return 0;
  for (int c = 0; c < j->shape.components; c++) {
    const double worst = row.values[((c + 1) * j->shape.group - 1) * row.ld];
    if (!(entering(j, place, c) > worst)) return 0;
  }
  return 1;
}

static void enter(const job *j, int64_t row, int64_t from, int64_t end, rk_states one,
                  double *room) {
  const rk_pairs *p = j->pairs;
  const rk_states to = rk_states_from(j->states, row);
  for (int64_t k = from; k < end; k++) {
    const rk_one_pair e = {room, 1, 0, DBL_MAX, p->at[p->counted][k] - p->base};
    if (cannot_enter(j, k, to)) continue;
    for (int c = 0; c < j->shape.components; c++) room[c] = entering(j, k, c);
    if (rk_state_of_one(j->reduction, &e, one)) rk_state_merge(j->reduction, to, one);
  }
}

/* All exponentials of a row together: one state that has their largest power as its head. */
static void enter_exponentials(const job *j, int64_t row, int64_t from, int64_t end, rk_states one,
                               double *room) {
  const rk_reduction *r = j->reduction->reduction;
  const double *power = j->values - j->first;
  double largest = -INFINITY;
  for (int64_t k = from; k < end; k++)
    if (power[k] * r->head_scale > largest) largest = power[k] * r->head_scale;
  for (int c = 0; c < j->shape.components; c++) room[c] = 1;
  const rk_one_pair first = {room, 1, largest, DBL_MAX, 0};
  if (from == end) return;
  rk_state_of_one(j->reduction, &first, one); /* its head is a finite one */
  const double head = one.values[0];
  for (int c = 0; c < j->shape.components; c++) room[c] = 0;
  for (int64_t k = from; k < end; k++) {
    const double term = exp2(power[k] * r->head_scale - head);
    for (int c = 0; c < j->shape.components; c++) room[c] += term * entering(j, k, c);
  }
  for (int c = 0; c < j->shape.components; c++) one.values[1 + c] = room[c];
  rk_state_merge(j->reduction, rk_states_from(j->states, row), one);
}

/* A state of one pair, and its values. */
static double *make_one(const job *j, rk_states *one) {
  size_t values = (size_t)(j->shape.values + j->shape.components);
  size_t positions = (size_t)j->shape.positions;
  double *memory = malloc((values + 1) * sizeof *memory + positions * sizeof(int64_t));
  *one = (rk_states){memory, (int64_t *)(memory + values), 1};
  return memory ? memory + j->shape.values : NULL;
}

/* Of the rows that begin in a task's part of the chunk, and of the first one in it, what of the
 * chunk is theirs. */
static void reduce(void *data, int64_t task, const rk_worker *worker) {
  job *j = data;
  const rk_pairs *p = j->pairs;
  int64_t chunk_end = j->first + j->count, from = j->first + task * TASK;
  int64_t row = row_from(p, from), stop = row_from(p, from + TASK);
  if (task == 0 && row > 0 && p->end[row - 1] > from) row--;
  if (from + TASK >= chunk_end) stop = row_from(p, chunk_end);
  const rk_reduction *r = j->reduction->reduction;
  const int adds = r == rk_plain_sum();
  rk_states one = {NULL, NULL, 1};
  double *room = adds ? NULL : make_one(j, &one);
  (void)worker;
  if (!adds && !room) atomic_store(&j->failed, 1);
  for (; row < stop && (adds || room); row++) {
    int64_t first = row ? p->end[row - 1] : 0, end = p->end[row];
    if (first < j->first) first = j->first;
    if (end > chunk_end) end = chunk_end;
    if (adds) add_terms(j, row, first, end);
    else (r->has_head ? enter_exponentials : enter)(j, row, first, end, one, room);
  }
  free(one.values);
}

static void keep_values(const job *j) {
  for (int c = 0; c < j->dim; c++)
    memcpy((double *)j->outputs[0].data + c * j->pairs->count + j->first, j->values + c * j->count,
           (size_t)j->count * sizeof(double));
}

/* ---- chunks ---------------------------------------------------------------------------------- */

typedef struct { rk_caller caller; double before, share; } part;

/* Of a part of the pairs. */
static int poll_part(void *data, double done) {
  const part *p = data;
  return p->caller.poll(p->caller.data, done < 0 ? done : p->before + p->share * done);
}

static void repeat_value(const job *j) {
  for (int c = j->dim - 1; c >= 0; c--)
    for (int64_t r = 0; r < j->count; r++) j->values[c * j->count + r] = j->values[c];
}

static rk_status run_chunk(job *j, rk_caller caller) {
  double all = (double)j->pairs->count;
  part now = {caller, (double)j->first / all, (double)j->count / all};
  const rk_caller silent = {NULL, NULL, caller.error};
  const rk_output values = {.type = RK_OUT_DOUBLE, .data = j->values};
  int threads = rk_call_threads();
  int64_t tasks = rk_ceil_div(j->count, TASK);
  lay_out(j);
  rk_status status = rk_parallel(tasks, threads, gather, j, silent);
  if (!status && j->wrong)
    status = rk_fail(caller.error, RK_ERROR_ARGUMENT,
                     "a pair of the list has a row that the data have not");
  if (!status)
    status = rk_run(j->program, j->gathered, j->variables, &values,
                    caller.poll ? poll_part : NULL, &now, caller.error);
  if (status) return status;
  if (!j->has_rows) repeat_value(j);
  if (!j->reduction) keep_values(j);
  else status = rk_parallel(tasks, threads, reduce, j, silent);
  return status || !j->failed ? status : rk_fail_memory(caller.error, (size_t)j->dim * 8);
}

static rk_status run_chunks(job *j, rk_caller caller) {
  rk_status status = RK_OK;
  for (j->first = 0; j->first < j->pairs->count && !status; j->first += j->count) {
    int64_t left = j->pairs->count - j->first;
    j->count = left < j->chunk ? left : j->chunk;
    status = rk_ask(caller, (double)j->first / (double)j->pairs->count);
    if (!status) status = run_chunk(j, caller);
  }
  return status;
}

static rk_status make_states(job *j, rk_error *error) {
  if (!j->reduction) return RK_OK;
  j->shape = rk_state_of(j->reduction);
  size_t rows = (size_t)j->pairs->rows + 1;
  size_t values = (size_t)j->shape.values * rows * sizeof(double);
  size_t positions = (size_t)j->shape.positions * rows * sizeof(int64_t);
  j->states = (rk_states){malloc(values + 1), malloc(positions + 1), (ptrdiff_t)rows};
  if (!j->states.values || !j->states.positions) return rk_fail_memory(error, values + positions);
  rk_state_start(j->reduction, j->states, (ptrdiff_t)j->pairs->rows);
  return RK_OK;
}

static rk_status make_memory(job *j, rk_error *error) {
  int64_t columns = j->dim;
  for (int k = 0; k < j->variables; k++)
    if (j->side[k] != RK_OF_ALL) {
      columns += j->inputs[k].dim;
      j->has_rows = 1;
    }
  j->chunk = NUMBERS / columns / TASK * TASK;
  if (j->chunk < LEAST) j->chunk = LEAST;
  if (j->chunk > j->pairs->count) j->chunk = j->pairs->count;
  size_t numbers = (size_t)(columns * j->chunk) + 1;
  j->memory = malloc(numbers * sizeof *j->memory);
  j->gathered = malloc((size_t)j->variables * sizeof *j->gathered + 1);
  if (!j->memory || !j->gathered) return rk_fail_memory(error, numbers * sizeof *j->memory);
  j->values = j->memory + (columns - j->dim) * j->chunk;
  return make_states(j, error);
}

/* ---- what was given -------------------------------------------------------------------------- */

static rk_status refused(rk_error *error, const char *what) {
  return rk_fail(error, RK_ERROR_ARGUMENT, "a list of pairs: %s", what);
}

static rk_status check_programs(const job *j, const rk_program *reduction, rk_error *error) {
  const rk_program_info *info = &j->program->info;
  const rk_node *root = j->program->plan->root[0];
  if (info->results != 1 || root->reduction != rk_plain_sum() ||
      info->result[0].kept != RK_KIND_I || info->result[0].reduced != RK_KIND_J)
    return refused(error, "expected the values as one sum over j");
  for (int k = 0; k < info->variables; k++)
    if ((info->variable[k].kind == RK_KIND_PARAMETER) != (j->side[k] == RK_OF_ALL) ||
        info->variable[k].kind == RK_KIND_J || j->inputs[k].resident)
      return refused(error, "expected variables of i and parameters, on the host");
  if (!reduction) return RK_OK;
  const rk_program_info *to = &reduction->info;
  int dim = 0;
  for (int k = 0; k < to->variables; k++) dim += to->variable[k].dim;
  if (to->results != 1 || !reduction->plan->root[0]->reduction || dim != j->dim ||
      to->result[0].reduced != RK_KIND_J)
    return refused(error, "expected a reduction over j of variables with the values' dimension");
  return RK_OK;
}

/* Inputs of a side have equal numbers of rows: gather() looks at those of the first one. */
static rk_status check_inputs(const job *j, rk_error *error) {
  int64_t of_side[] = {-1, -1, j->pairs->count, 1};
  for (int k = 0; k < j->variables; k++) {
    const rk_array *x = &j->inputs[k];
    if (of_side[j->side[k]] < 0) of_side[j->side[k]] = x->rows;
    int64_t rows = of_side[j->side[k]];
    if (x->dim != j->program->info.variable[k].dim || x->rows != rows)
      return rk_fail(error, RK_ERROR_SHAPE, "%s has %lld rows and dimension %lld: expected "
                     "%lld and %d%s", j->program->info.variable[k].name, (long long)x->rows,
                     (long long)x->dim, (long long)rows, j->program->info.variable[k].dim,
                     j->side[k] == RK_OF_PAIRS ? ", a row for each pair" : "");
  }
  return RK_OK;
}

static rk_status check_list(const rk_pairs *p, rk_error *error) {
  if (p->count < 0 || p->count > INT32_MAX) return refused(error, "expected less than 2^31 pairs");
  for (int64_t r = 0; r < p->rows; r++)
    if (p->end[r] < (r ? p->end[r - 1] : 0) || p->end[r] > p->count)
      return refused(error, "ends of rows do not ascend to the number of pairs");
  for (int64_t k = 0; p->order && k < p->count; k++)
    if (p->order[k] < p->base || p->order[k] - p->base >= p->count)
      return refused(error, "the order has other numbers than those of pairs");
  return RK_OK;
}

rk_status rk_run_pairs(rk_program *program, const rk_pair_side *side, const rk_pairs *pairs,
                       rk_program *reduction, const rk_array *inputs, const rk_output *outputs,
                       rk_poll poll, void *poll_data, rk_error *error) {
  job j = {.program = program, .side = side, .pairs = pairs, .inputs = inputs, .outputs = outputs,
           .variables = program->info.variables, .dim = program->info.result[0].field[0].dim,
           .reduction = reduction ? reduction->plan->root[0] : NULL};
  const rk_caller caller = {poll, poll_data, error};
  error->status = RK_OK;
  rk_status status = check_programs(&j, reduction, error);
  if (!status) status = check_inputs(&j, error);
  if (!status) status = check_list(pairs, error);
  if (status) return status;
  rk_program_hold(program); /* a poll may make the engine forget both */
  if (reduction) rk_program_hold(reduction);
  status = make_memory(&j, error);
  if (!status) status = run_chunks(&j, caller);
  if (!status && reduction)
    rk_state_finish(j.reduction, j.states, (ptrdiff_t)pairs->rows, outputs,
                    (rk_result_rows){NULL, 0, pairs->rows});
  free(j.memory);
  free(j.gathered);
  free(j.states.values);
  free(j.states.positions);
  if (reduction) rk_program_release(reduction);
  rk_program_release(program);
  return status;
}
