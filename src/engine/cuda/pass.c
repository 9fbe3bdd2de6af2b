/* One pass on the devices in use. The rows are shared among them in contiguous ranges; when there
 * are too few rows to fill every device, the columns are, and the states of the shares are merged
 * on the host in the order of the devices. The calling thread runs the first share and polls; each
 * other share has a thread of its own. */
#include "cuda/parts.h"
#include "os.h"
#include "rounding.h"
#include "run/call.h"

#include <stdlib.h>
#include <string.h>

enum { FULL_BLOCKS = 2, EMPTY_ROWS = 1024 }; /* blocks of rows for a multiprocessor */

/* Can the devices in use be entered, by this process, now? */
static rk_status check(const rk_options *options, rk_error *error) {
  rk_status status = RK_OK;
  (void)options;
  for (int k = 0; k < rk_devices() && !status; k++) {
    status = rk_device_enter(rk_device_at(k), error);
    if (!status) rk_device_leave(rk_device_at(k));
  }
  return status;
}

/* ---- sharing ---- */

/* Contiguous ranges of `units` blocks; a device that would get nothing is left out. */
static int cut_shares(rk_gpu_share *share, int devices, int64_t count, int64_t block,
                      int64_t units, int by_rows) {
  int n = 0;
  for (int k = 0; k < devices; k++) {
    int64_t first = units * k / devices * block, end = units * (k + 1) / devices * block;
    if (end > count) end = count;
    if (first >= end) continue;
    share[n].device = rk_device_at(k);
    if (by_rows) share[n].first_row = first, share[n].rows = end - first;
    else share[n].first_column = first, share[n].columns = end - first;
    n++;
  }
  return n;
}

/* The same of the blocks of a walk: about as many columns for each device. */
static int cut_blocks(const rk_gpu_call *call, rk_gpu_share *share, int devices) {
  const rk_cut *blocks = &call->blocks;
  double all = 0, sum = 0;
  int n = 0;
  for (int64_t b = 0; b < blocks->blocks; b++) all += blocks->columns[b] + 1.0;
  for (int64_t b = 0, first = 0; b < blocks->blocks; b++) {
    sum += blocks->columns[b] + 1.0;
    int is_last = b + 1 == blocks->blocks;
    if (!is_last && (n + 1 == devices || sum < all * (n + 1) / devices)) continue;
    share[n].device = rk_device_at(n);
    share[n].first_row = first * blocks->size;
    share[n].rows = (b + 1 - first) * blocks->size;
    first = b + 1;
    n++;
  }
  return n;
}

static int make_shares(rk_gpu_call *call, rk_gpu_share *share, int devices) {
  const rk_gpu_shape *shape = rk_gpu_shape_of(call->job);
  int64_t row_blocks = rk_ceil_div(call->job->sizes.kept, shape->row_block);
  int64_t enough = (int64_t)FULL_BLOCKS * devices *
                   rk_device_limits_of(rk_device_at(0))->multiprocessors;
  for (int k = 0; k < devices; k++) {
    share[k].call = call;
    share[k].rows = call->job->sizes.kept;
    share[k].columns = call->job->sizes.reduced;
  }
  if (call->job->walk) return cut_blocks(call, share, devices);
  if (devices == 1 || row_blocks >= enough)
    return cut_shares(share, devices, call->job->sizes.kept, shape->row_block, row_blocks, 1);
  int64_t least = rk_gpu_least_columns(shape);
  return cut_shares(share, devices, call->job->sizes.reduced, least,
                    rk_ceil_div(call->job->sizes.reduced, least), 0);
}

static rk_status find_residents(const rk_gpu_call *call, rk_gpu_share *share, rk_error *error) {
  const rk_pass *pass = &call->job->stage->pass;
  rk_status status = RK_OK;
  share->resident = calloc((size_t)pass->variables + 1, sizeof *share->resident);
  if (!share->resident) return rk_fail_memory(error, (size_t)pass->variables * 8);
  for (int q = 0; q < pass->variables && !status; q++) {
    rk_resident *resident = call->job->value[pass->variable[q]].resident;
    if (resident) status = rk_resident_on(resident, share->device, &share->resident[q], error);
  }
  return status;
}

/* What the shares need of the calling thread, to which it belongs: functions, memory that they may
 * take, residents on their devices. */
static rk_status prepare(rk_gpu_call *call, rk_gpu_share *share, int n, rk_error *error) {
  rk_status status = RK_OK;
  for (int k = 0; k < n && !status; k++) {
    status = find_residents(call, &share[k], error);
    if (!status) status = rk_device_enter(share[k].device, error);
    if (status) break;
    status = rk_gpu_load(call->job, share[k].device, &share[k].functions, error);
    if (!status) status = rk_device_budget(share[k].device, &share[k].budget, error);
    rk_device_leave(share[k].device);
  }
  return status;
}

/* ---- together ---- */

static int poll_first(void *of, double done) {
  rk_gpu_call *call = of;
  if (!call->cancelled && rk_ask(call->caller, done)) {
    call->cancelled = 1;
    atomic_store(&call->stop, 1);
  }
  return atomic_load(&call->stop);
}

static int poll_other(void *of, double done) {
  rk_gpu_call *call = of;
  (void)done;
  return atomic_load(&call->stop);
}

static void thread_main(void *share) { rk_gpu_share_run(share); }

static void run_together(rk_gpu_call *call, rk_gpu_share *share, int n) {
  rk_os_thread **thread = calloc((size_t)n + 1, sizeof *thread);
  for (int k = 0; k < n; k++) {
    share[k].caller = (rk_caller){k ? poll_other : poll_first, call, &share[k].error};
    if (k && thread) thread[k] = rk_os_thread_start(thread_main, &share[k]);
  }
  rk_gpu_share_run(&share[0]);
  for (int k = 1; k < n; k++) {
    if (!thread || !thread[k]) { /* none could be started */
      share[k].caller.poll = poll_first;
      rk_gpu_share_run(&share[k]);
      continue;
    }
    while (!atomic_load(&share[k].ended)) {
      poll_first(call, 0.99);
      rk_os_sleep(1e-3);
    }
    rk_os_thread_join(thread[k]);
  }
  free(thread);
}

/* A share that was stopped says "interrupted": what counts is why. */
static rk_status reason(const rk_gpu_call *call, const rk_gpu_share *share, int n,
                        rk_error *error) {
  if (call->cancelled) return rk_fail(error, RK_CANCELLED, "interrupted");
  const rk_gpu_share *worst = NULL;
  for (int k = 0; k < n; k++)
    if (share[k].status && (!worst || worst->status == RK_CANCELLED)) worst = &share[k];
  if (!worst) return RK_OK;
  return rk_fail(error, worst->status, "%s", worst->error.message);
}

/* ---- states on the host ---- */

static rk_status make_states(rk_gpu_call *call, rk_gpu_share *share, int n, rk_error *error) {
  const rk_state_shape *shape = &call->job->stage->pass.state;
  size_t rows = (size_t)call->job->sizes.kept;
  for (int k = 0; k < n; k++) {
    share[k].states = (rk_states){malloc(rows * (size_t)shape->values * 8 + 8),
                                  malloc(rows * (size_t)shape->positions * 8 + 8),
                                  (ptrdiff_t)rows};
    if (!share[k].states.values || !share[k].states.positions)
      return rk_fail_memory(error, rows * (size_t)(shape->values + shape->positions) * 8);
  }
  return RK_OK;
}

static void free_shares(rk_gpu_share *share, int n) {
  for (int k = 0; k < n; k++) {
    free(share[k].resident);
    free(share[k].states.values);
    free(share[k].states.positions);
  }
}

static void merge_states(rk_gpu_call *call, rk_gpu_share *share, int n) {
  const rk_node *reduction = call->job->stage->pass.reduction;
  ptrdiff_t rows = (ptrdiff_t)call->job->sizes.kept;
  for (int k = 1; k < n; k++)
    for (ptrdiff_t r = 0; r < rows; r++)
      rk_state_merge(reduction, rk_states_from(share[0].states, r),
                     rk_states_from(share[k].states, r));
  rk_state_finish(reduction, share[0].states, rows, call->job->outputs,
                  (rk_result_rows){NULL, 0, rows});
}

/* A reduction of nothing. */
static rk_status run_empty(const rk_gpu_call *call, rk_error *error) {
  const rk_pass *pass = &call->job->stage->pass;
  size_t size = (size_t)(pass->state.values + pass->state.positions) * EMPTY_ROWS * 8;
  double *values = malloc(size + 8);
  if (!values) return rk_fail_memory(error, size);
  int64_t *positions = (int64_t *)(values + (size_t)pass->state.values * EMPTY_ROWS);
  const rk_states states = {values, positions, EMPTY_ROWS};
  rk_state_start(pass->reduction, states, EMPTY_ROWS);
  for (int64_t row = 0; row < call->job->sizes.kept; row += EMPTY_ROWS) {
    int64_t n = call->job->sizes.kept - row < EMPTY_ROWS ? call->job->sizes.kept - row : EMPTY_ROWS;
    rk_state_finish(pass->reduction, states, (ptrdiff_t)n, call->job->outputs,
                    (rk_result_rows){NULL, row, call->job->sizes.kept});
  }
  free(values);
  return RK_OK;
}

/* ---- the pass ---- */

/* Blocks of rows of the walk, and which rows lie there. */
static rk_status cut_walk(rk_gpu_call *call, rk_error *error) {
  const rk_walk *walk = call->job->walk;
  if (!walk) return RK_OK;
  rk_status status = rk_walk_cut(walk, rk_gpu_shape_of(call->job)->row_block, &call->blocks, error);
  if (status) return status;
  call->position = rk_cut_positions(walk, &call->blocks);
  if (call->position) return RK_OK;
  return rk_fail_memory(error, (size_t)(call->blocks.blocks * call->blocks.size) * 4);
}

static rk_status run_call(rk_gpu_call *call, rk_gpu_share *share, rk_error *error) {
  int n = make_shares(call, share, rk_devices());
  int by_columns = n > 1 && share[1].first_column > 0;
  rk_status status = prepare(call, share, n, error);
  if (!status && by_columns) status = make_states(call, share, n, error);
  if (!status) {
    run_together(call, share, n);
    rk_call_now()->device_seconds += share[0].seconds;
    status = reason(call, share, n, error);
  }
  if (!status && by_columns) merge_states(call, share, n);
  free_shares(share, n);
  return status;
}

static rk_status run(const rk_job *job, rk_caller caller) {
  rk_gpu_call call = {.job = job, .caller = caller};
  if (!job->sizes.kept) return RK_OK;
  if (!job->sizes.reduced) return run_empty(&call, caller.error);
  rk_gpu_share *share = calloc((size_t)rk_devices() + 1, sizeof *share);
  if (!share) return rk_fail_memory(caller.error, (size_t)rk_devices() * sizeof *share);
  rk_status status = cut_walk(&call, caller.error);
  if (!status) status = run_call(&call, share, caller.error);
  rk_cut_free(&call.blocks);
  free(call.position);
  free(share);
  return status;
}

/* ---- the backend ---- */

static int keeps(const rk_stage *stage, rk_sizes sizes) {
  (void)stage;
  return rk_devices() == 1 && sizes.kept && sizes.reduced;
}

static void configure(const rk_settings *settings) {
  if (settings->gpu_memory >= 0) rk_device_set_budget(settings->gpu_memory);
}

static const rk_memory memory = {rk_resident_keep, rk_resident_copy_back, rk_resident_drop,
                                 rk_resident_first_device, keeps};

const rk_backend rk_backend_cuda = {
  .name = "cuda", .one_text = 1, .use = rk_devices_use, .hold = rk_devices_hold,
  .release = rk_devices_release, .check = check, .is_built = rk_gpu_is_built,
  .source = rk_gpu_source, .build = rk_gpu_build, .run = run, .forget = rk_gpu_forget,
  .explain = rk_gpu_explain, .describe = rk_devices_report, .configure = configure,
  .memory = &memory};
