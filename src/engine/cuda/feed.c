/* Inputs -> packed records on the device. Arrays on the host pass through the pinned buffers into a
 * slab of raw doubles, from which rk_rows or rk_columns packs; what lies on the device, doubles or
 * floats, is packed from where it lies. All of it runs on the copy stream, in this order, so one
 * slab is enough. */
#include "cuda/parts.h"
#include "rounding.h"

static const rk_graph_variable *variable_of(const rk_pass *pass, int q) {
  return rk_graph_variable_at(pass->graph, pass->variable[q]);
}

int64_t rk_gpu_raw_dims(const rk_pass *pass, const rk_array *value, rk_nest_kind side) {
  int64_t dims = 0;
  for (int q = 0; q < pass->variables; q++)
    if (rk_is_of_side(pass, pass->variable[q], side) && !value[pass->variable[q]].resident)
      dims += variable_of(pass, q)->dim;
  return dims;
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
      status = rk_pipe_put(&s->pipe, &s->call->job->value[s->pass->variable[q]], 0, 1);
  if (!status) status = rk_pipe_flush(&s->pipe);
  void *parameters[] = {&s->given, &s->exact, &s->packed};
  if (!status) status = launch(s, s->functions->parameters, 1, 32, parameters, error);
  return status;
}

/* Where the kernel finds the rows first .. first + n of each variable; the host's are put. */
static rk_status bring_slab(rk_gpu_share *s, rk_nest_kind side, int64_t first, int64_t n,
                            rk_cuda_input *input) {
  rk_cu_pointer at = s->raw;
  rk_status status = RK_OK;
  rk_pipe_begin(&s->pipe, s->raw, sizeof(double));
  for (int q = 0; q < s->pass->variables && !status; q++) {
    if (!rk_is_of_side(s->pass, s->pass->variable[q], side)) continue;
    const rk_array *x = &s->call->job->value[s->pass->variable[q]];
    if (x->resident) {
      size_t bytes = rk_resident_bytes(x->resident);
      *input++ = (rk_cuda_input){s->resident[q] + (rk_cu_pointer)first * bytes,
                                 bytes == sizeof(float) ? -x->rows : x->rows};
      continue;
    }
    *input++ = (rk_cuda_input){at, n};
    at += (rk_cu_pointer)(n * x->dim) * 8;
    status = rk_pipe_put(&s->pipe, x, first, n);
  }
  return status ? status : rk_pipe_flush(&s->pipe);
}

rk_status rk_gpu_feed_side(rk_gpu_share *s, rk_nest_kind side, int64_t first, int64_t n,
                           rk_cu_pointer to, rk_error *error) {
  rk_status status = RK_OK;
  if (!s->pass->slots[side].size) return RK_OK;
  for (int64_t at = 0; at < n && !status; at += s->cut.slab[side]) {
    rk_cuda_input input[RK_CUDA_MAX_INPUTS] = {{0, 0}};
    int count = (int)(n - at < s->cut.slab[side] ? n - at : s->cut.slab[side]);
    int whole = (int)rk_packed_count(s->shape, side, count);
    rk_cu_pointer out = to + rk_packed_bytes(s->pass, s->shape, side, at);
    status = bring_slab(s, side, first + at, count, input);
    void *parameters[] = {input, &s->exact, &out, &count, &whole};
    if (!status)
      status = launch(s, side == RK_NEST_ROW ? s->functions->rows : s->functions->columns, whole,
                      RK_CUDA_PACK_THREADS, parameters, error);
    if (!status) status = rk_gpu_pump(s, RK_PUMP_READY, error);
  }
  return status;
}
