/* Inputs -> packed records on the device. Arrays on the host pass through the pinned buffers into a
 * slab of raw doubles, from which rk_rows or rk_columns packs; what lies on the device, doubles or
 * floats, is packed from where it lies, or, in another order, by way of the slab. All of it runs on
 * the copy stream, in this order, so one slab is enough. */
#include "cuda/parts.h"
#include "rounding.h"

static const rk_graph_variable *variable_of(const rk_pass *pass, int q) {
  return rk_graph_variable_at(pass->graph, pass->variable[q]);
}

const int32_t *rk_gpu_order(const rk_gpu_share *s, rk_nest_kind side) {
  const rk_walk *walk = s->call->job->walk;
  return !walk ? NULL : side == RK_NEST_ROW ? s->call->position : walk->column_at;
}

/* Components of a side that lie on the host, or on the device. */
static int64_t dims_of(const rk_gpu_share *s, rk_nest_kind side, int resident) {
  int64_t dims = 0;
  for (int q = 0; q < s->pass->variables; q++) {
    int variable = s->pass->variable[q];
    if (rk_is_of_side(s->pass, variable, side) &&
        !s->call->job->value[variable].resident == !resident)
      dims += variable_of(s->pass, q)->dim;
  }
  return dims;
}

int64_t rk_gpu_raw_dims(const rk_gpu_share *s, rk_nest_kind side) {
  return dims_of(s, side, 0) + (rk_gpu_order(s, side) ? dims_of(s, side, 1) : 0);
}

int64_t rk_gpu_parameter_numbers(const rk_pass *pass) {
  int64_t numbers = 0;
  for (int q = 0; q < pass->variables; q++)
    if (variable_of(pass, q)->kind == RK_KIND_PARAMETER) numbers += variable_of(pass, q)->dim;
  return numbers;
}

static rk_status launch(rk_gpu_share *s, rk_cu_handle function, int64_t threads, unsigned block,
                        void **parameters, rk_error *error) {
  rk_launch shape = {{(unsigned)rk_ceil_div(threads, block), 1, 1}, block};
  return rk_device_launch(s->device, function, &shape,
                          rk_device_stream(s->device, RK_STREAM_COPY), parameters, error);
}

rk_status rk_gpu_feed_parameters(rk_gpu_share *s, rk_error *error) {
  rk_status status = RK_OK;
  if (!s->pass->slots[RK_NEST_PARAMETER].size) return RK_OK;
  rk_pipe_begin(&s->pipe, s->given, sizeof(double));
  for (int q = 0; q < s->pass->variables && !status; q++)
    if (variable_of(s->pass, q)->kind == RK_KIND_PARAMETER)
      status = rk_pipe_put(&s->pipe, &s->call->job->value[s->pass->variable[q]], NULL, 0, 1);
  if (!status) status = rk_pipe_flush(&s->pipe);
  void *parameters[] = {&s->given, &s->exact, &s->packed};
  if (!status) status = launch(s, s->functions->parameters, 1, 32, parameters, error);
  return status;
}

static rk_cuda_input lying_at(rk_cu_pointer at, const rk_array *x) {
  return (rk_cuda_input){at, rk_resident_bytes(x->resident) == sizeof(float) ? -x->rows : x->rows};
}

/* Rows of a variable that lies on the device, to the slab in their order. */
static rk_status gather(rk_gpu_share *s, const rk_array *x, rk_cuda_input from, rk_cu_pointer order,
                        rk_cuda_input to) {
  int n = (int)to.ld, dim = (int)x->dim;
  void *parameters[] = {&from.data, &from.ld, &order, &to.data, &n, &dim};
  return launch(s, s->functions->gather, n, RK_CUDA_PACK_THREADS, parameters, s->caller.error);
}

/* Where the kernel finds the rows first .. first + n of each variable; the host's are put. What is
 * gathered comes behind them. */
static rk_status bring_slab(rk_gpu_share *s, rk_nest_kind side, int64_t first, int64_t n,
                            rk_cu_pointer places, rk_cuda_input *input) {
  const int32_t *order = rk_gpu_order(s, side);
  rk_cu_pointer at = s->raw, behind = at + (rk_cu_pointer)(n * dims_of(s, side, 0)) * 8;
  rk_status status = RK_OK;
  rk_pipe_begin(&s->pipe, s->raw, sizeof(double));
  for (int q = 0; q < s->pass->variables && !status; q++) {
    if (!rk_is_of_side(s->pass, s->pass->variable[q], side)) continue;
    const rk_array *x = &s->call->job->value[s->pass->variable[q]];
    if (x->resident && order) {
      *input++ = (rk_cuda_input){behind, n};
      behind += (rk_cu_pointer)(n * x->dim) * 8;
      status = gather(s, x, lying_at(s->resident[q], x), places, input[-1]);
    } else if (x->resident) {
      size_t bytes = rk_resident_bytes(x->resident);
      *input++ = lying_at(s->resident[q] + (rk_cu_pointer)first * bytes, x);
    } else {
      *input++ = (rk_cuda_input){at, n};
      at += (rk_cu_pointer)(n * x->dim) * 8;
      status = rk_pipe_put(&s->pipe, x, order, first, n);
    }
  }
  return status ? status : rk_pipe_flush(&s->pipe);
}

static rk_status send_places(rk_gpu_share *s, const int32_t *order, int64_t n, rk_cu_pointer to) {
  rk_pipe_begin(&s->pipe, to, sizeof *order);
  rk_status status = rk_pipe_put_whole(&s->pipe, order, n);
  return status ? status : rk_pipe_flush(&s->pipe);
}

rk_status rk_gpu_feed_side(rk_gpu_share *s, rk_nest_kind side, int64_t first, int64_t n,
                           rk_cu_pointer to, rk_cu_pointer places, rk_error *error) {
  const int32_t *order = rk_gpu_order(s, side);
  rk_status status = order ? send_places(s, order + first, n, places) : RK_OK;
  if (!s->pass->slots[side].size) return status;
  for (int64_t at = 0; at < n && !status; at += s->cut.slab[side]) {
    rk_cuda_input input[RK_CUDA_MAX_INPUTS] = {{0, 0}};
    int count = (int)(n - at < s->cut.slab[side] ? n - at : s->cut.slab[side]);
    int whole = (int)rk_packed_count(s->shape, side, count);
    rk_cu_pointer out = to + rk_packed_bytes(s->pass, s->shape, side, at);
    status = bring_slab(s, side, first + at, count, places + (rk_cu_pointer)at * 4, input);
    void *parameters[] = {input, &s->exact, &out, &count, &whole};
    if (!status)
      status = launch(s, side == RK_NEST_ROW ? s->functions->rows : s->functions->columns, whole,
                      RK_CUDA_PACK_THREADS, parameters, error);
    if (!status) status = rk_gpu_pump(s, RK_PUMP_READY, error);
  }
  return status;
}
