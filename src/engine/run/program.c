/* See program.h. A pass that is read by later ones, or of which results are parts, is run once into
 * memory of its own: that of the backend where it can keep the result, as long as nothing is wanted
 * of it on the host. */
#include "run/program.h"
#include "run/call.h"
#include "run/values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const rk_program_data *p;
  rk_values *v;
  double before, share, all;   /* operations of the passes that are done, of this one, of all */
  double done;                 /* what was last told to the caller */
  int was_watched;
  rk_caller caller;
} running;

static rk_sizes sizes_of(const running *r, const rk_stage *stage) {
  return rk_sizes_of(stage, r->p->rows);
}

static int64_t kept_rows(const running *r, const rk_stage *stage) {
  return sizes_of(r, stage).kept;
}

/* ---- one pass ---- */

static double operations_of(const running *r, const rk_stage *stage) {
  rk_sizes sizes = sizes_of(r, stage);
  return rk_pair_cost(&stage->pass) * (double)sizes.kept * (double)sizes.reduced;
}

/* The fraction of the whole program. */
static int poll_all(void *data, double done) {
  running *r = data;
  if (r->all > 0) r->done = (r->before + r->share * done) / r->all;
  return r->caller.poll(r->caller.data, r->done);
}

/* While no pair is computed. */
static int poll_again(void *data, double done) {
  running *r = data;
  (void)done;
  return r->caller.poll(r->caller.data, r->done);
}

static rk_caller asked_by(running *r, rk_poll poll) {
  return (rk_caller){r->caller.poll ? poll : NULL, r, r->caller.error};
}

const rk_walk *rk_walk_of(const rk_program_data *p, int stage) {
  const rk_node *source = p->stage[stage]->pass.source;
  rk_kind kept = rk_kept_kind(source), reduced = rk_reduced_kind(source);
  if (p->bounded[stage]) return p->bounded[stage];
  if (!p->walks || kept == RK_KIND_PARAMETER || reduced == RK_KIND_PARAMETER) return NULL;
  return &p->walks->of[kept];
}

static rk_status run_one(running *r, int at, const rk_output *outputs, rk_resident **keep) {
  rk_stage *stage = r->p->stage[at];
  const rk_job job = {stage, sizes_of(r, stage), rk_walk_of(r->p, at), r->v->value, outputs, keep,
                      r->was_watched ? NULL : r->p->watch};
  r->was_watched = 1;
  return rk_call_now()->backend->run(&job, asked_by(r, poll_all));
}

/* The first field of a pass as numbers: what later passes read. "No position" is not a number
 * there. */
static rk_status run_for_numbers(running *r, int at, double *numbers) {
  const rk_stage *stage = r->p->stage[at];
  rk_output outputs[2] = {{.type = RK_OUT_DOUBLE, .data = numbers, .none_double = NAN},
                          {.type = RK_OUT_DOUBLE, .none_double = NAN}};
  rk_field field[2];
  double *unread = NULL;
  if (rk_reduction_fields(stage->pass.source, field) > 1) {
    size_t size = (size_t)kept_rows(r, stage) * (size_t)field[1].k *
                  (size_t)field[1].dim * sizeof *unread;
    outputs[1].data = unread = malloc(size + 1);
    if (!unread) return rk_fail_memory(r->caller.error, size);
  }
  rk_status status = run_one(r, at, outputs, NULL);
  free(unread);
  return status;
}

/* ---- what is asked of a pass ---- */

const rk_output *rk_outputs_of(const rk_program_data *p, int result) {
  const rk_output *output = p->outputs;
  rk_field field[2];
  for (int k = 0; k < result; k++) {
    const rk_served *s = &p->served[k];
    output += s->is_part ? 1 : rk_reduction_fields(p->stage[s->pass]->pass.source, field);
  }
  return output;
}

static int is_served(const running *r, int result, int stage, int is_part) {
  return r->p->served[result].pass == stage && r->p->served[result].is_part == is_part;
}

static int has_parts(const running *r, int stage) {
  int parts = 0;
  for (int k = 0; k < r->p->results; k++) parts |= is_served(r, k, stage, 1);
  return parts;
}

static void copy_parts(const running *r, int stage, const double *numbers) {
  size_t rows = (size_t)kept_rows(r, r->p->stage[stage]);
  for (int k = 0; k < r->p->results; k++) {
    const rk_served *s = &r->p->served[k];
    if (is_served(r, k, stage, 1) && rows)
      memcpy(rk_outputs_of(r->p, k)->data, numbers + (size_t)s->first * rows,
             (size_t)s->columns * rows * sizeof *numbers);
  }
}

/* Results that are all of a pass: where its numbers are afterwards, if they are doubles there. */
static rk_status run_whole(running *r, int stage, const double **numbers) {
  rk_status status = RK_OK;
  rk_field field[2];
  rk_reduction_fields(r->p->stage[stage]->pass.source, field);
  for (int k = 0; k < r->p->results && !status; k++) {
    if (!is_served(r, k, stage, 0)) continue;
    status = run_one(r, stage, rk_outputs_of(r->p, k), NULL);
    if (!field[0].is_position) *numbers = rk_outputs_of(r->p, k)->data;
  }
  return status;
}

/* ---- results that later passes read, or that are parts ---- */

/* May the numbers stay with the backend? Parameters are gathered on the host. */
static int stays_there(const running *r, const rk_stage *stage) {
  const rk_memory *memory = rk_call_now()->backend->memory;
  return memory && rk_kept_kind(stage->pass.source) != RK_KIND_PARAMETER &&
         memory->keeps(stage, sizes_of(r, stage));
}

static rk_status run_there(running *r, int at) {
  int k = r->p->stage[at]->result;
  rk_status status = run_one(r, at, NULL, &r->v->kept[k]);
  if (!status) r->v->value[k] = rk_resident_array(r->v->kept[k]);
  return status;
}

static rk_status run_inner(running *r, int at) {
  rk_stage *stage = r->p->stage[at];
  int parts = has_parts(r, at), k = stage->result, dim = stage->pass.source->dim;
  int64_t rows = kept_rows(r, stage);
  if (k >= 0 && stays_there(r, stage)) {
    rk_status status = run_there(r, at);
    if (status || !parts) return status;
  }
  double *own = NULL, *numbers;
  size_t size = (size_t)rows * (size_t)dim * sizeof *own;
  int there = k >= 0 && r->v->kept[k];
  if (k >= 0 && !there) numbers = rk_values_own(r->v, k, rows, dim) ? r->v->own[k] : NULL;
  else numbers = own = malloc(size + 1);
  if (!numbers) return rk_fail_memory(r->caller.error, size);
  rk_status status =
      there ? rk_resident_fetch(r->v->kept[k], numbers, asked_by(r, poll_again))
            : run_for_numbers(r, at, numbers);
  if (!status && parts) copy_parts(r, at, numbers);
  free(own);
  return status;
}

static rk_status run_pass(running *r, int at) {
  rk_stage *stage = r->p->stage[at];
  const double *numbers = NULL;
  r->share = operations_of(r, stage);
  rk_status status = run_whole(r, at, &numbers);
  if (!status && numbers) {
    int64_t rows = kept_rows(r, stage);
    if (stage->result >= 0)
      r->v->value[stage->result] =
          (rk_array){numbers, rows, stage->pass.source->dim, 1, rows, NULL, 0};
    copy_parts(r, at, numbers);
  } else if (!status && (stage->result >= 0 || has_parts(r, at))) {
    status = run_inner(r, at);
  }
  r->before += r->share;
  return status;
}

rk_status rk_run_passes(const rk_program_data *p, rk_values *values, rk_caller caller) {
  running r = {.p = p, .v = values, .caller = caller};
  rk_status status = RK_OK;
  for (int k = 0; k < p->stages; k++) r.all += operations_of(&r, p->stage[k]);
  for (int k = 0; k < p->stages && !status; k++) status = run_pass(&r, k);
  return status;
}
