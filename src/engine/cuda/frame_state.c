/* States on a device: merged and finished by the code of the table of reductions. */
#include "cuda/frame.h"

/* ---- rk_merge ---- */

static void write_fresh(rk_writer *w) {
  const rk_reduction *entry = w->pass->reduction->reduction;
  char neutral[RK_NUMBER_TEXT];
  rk_line(w, "if (fresh) for (int k = 0; k < K; k++) {");
  if (entry->has_head) rk_line(w, "  v[k * ld] = k ? 0 : -DBL_MAX;");
  else rk_line(w, "  v[k * ld] = %s;", rk_constant_text(neutral, entry->neutral));
  if (entry->keeps_positions) rk_line(w, "  p[k * ld] = RK_NO_POSITION;");
  rk_line(w, "}");
}

static void write_merge(rk_writer *w, const char *suffix) {
  const rk_reduction *entry = w->pass->reduction->reduction;
  const rk_state_shape *state = &w->pass->state;
  rk_line(w, "static __device__ void rk_merge_state(double *v, int64_t *p, ptrdiff_t ld, "
             "const double *w, const int64_t *q, ptrdiff_t lw, int K) %s", entry->merge_text);
  rk_open(w, "extern \"C\" __global__ void rk_merge%s(double *values, long long *positions, "
             "long long ld, const double *from_values, const long long *from_positions, "
             "long long from_ld, int m, int parts, int fresh)", suffix);
  rk_line(w, "const int row = blockIdx.x * 128 + threadIdx.x;");
  rk_line(w, "if (row >= m) return;");
  rk_open(w, "for (int c = blockIdx.y; c < %d; c += gridDim.y)", state->groups);
  rk_line(w, "enum { K = %d };", state->group);
  rk_line(w, "double *const v = values + (long long)c * K * ld + row;");
  rk_line(w, "long long *const p = %s;",
          entry->keeps_positions ? "positions + (long long)c * K * ld + row" : "0");
  write_fresh(w);
  rk_open(w, "for (int part = 0; part < parts; part++)");
  rk_line(w, "rk_merge_state(v, p, ld, "
             "from_values + ((long long)part * %d + c * K) * from_ld + row,", state->values);
  if (entry->keeps_positions)
    rk_line(w, "  from_positions + ((long long)part * %d + c * K) * from_ld + row, from_ld, K);",
            state->positions);
  else rk_line(w, "  0, from_ld, K);");
  rk_close(w);
  rk_close(w);
  rk_close(w);
}

/* ---- rk_finish ---- */

/* Where the result of `row` goes. */
static const char *place_of(const rk_writer *w) { return w->tile->masks ? "to" : "row"; }

static void finish_values(rk_writer *w, int f, int columns) {
  const rk_reduction *entry = w->pass->reduction->reduction;
  const rk_state_shape *state = &w->pass->state;
  int K = state->K, leading = entry->field[f].leading;
  rk_open(w, "if (!as_numbers || !%d) for (int c = 0; c < %d; c++)", f, columns);
  rk_line(w, "const int component = c / %d - %d;", K, leading);
  rk_line(w, "rk_row_state state;");
  rk_line(w, "state.head = values[row];");
  rk_line(w, "state.first = values[%d * ld + row];", entry->has_head);
  rk_line(w, "state.sum = state.value = 0;");
  rk_line(w, "const long long place = %d + (long long)(component + %d) * %d + c %% %d;",
          entry->has_head, entry->unit, K, K);
  rk_line(w, "if (component >= 0) state.sum = state.value = %svalues[place * ld + row];",
          entry->negate ? "-" : "");
  rk_line(w, "number[c * out_ld + %s] = rk_number_%d(&state, component);", place_of(w), f);
  rk_close(w);
}

static void finish_positions(rk_writer *w, int f, int columns) {
  rk_open(w, "if (!as_numbers || !%d) for (int c = 0; c < %d; c++)", f, columns);
  rk_line(w, "const long long at = positions[c * ld + row];");
  rk_line(w, "if (as_numbers) number[c * out_ld + %s] = at == RK_NO_POSITION ? NAN : (double)at;",
          place_of(w));
  rk_line(w, "else position[c * out_ld + %s] = at;", place_of(w));
  rk_close(w);
}

static void write_finish(rk_writer *w, const char *suffix) {
  const rk_reduction *entry = w->pass->reduction->reduction;
  rk_field field[2];
  int fields = rk_reduction_fields(w->pass->reduction, field);
  for (int f = 0; f < fields; f++)
    if (!field[f].is_position)
      rk_line(w, "static __device__ double rk_number_%d(const rk_row_state *f, int column) %s", f,
              entry->field[f].value_text);
  rk_open(w, "extern \"C\" __global__ void rk_finish%s(const double *values, "
             "const long long *positions, long long ld, int m, double *number, "
             "long long *position, long long out_ld, int as_numbers%s)", suffix,
          w->tile->masks ? ", const int *restrict order" : "");
  rk_line(w, "const int row = blockIdx.x * 128 + threadIdx.x;");
  rk_line(w, "if (row >= m) return;");
  if (w->tile->masks) {
    rk_line(w, "if (order && row && order[row - 1] == order[row]) return; /* fills a block up */");
    rk_line(w, "const int to = order ? order[row] : row;");
  }
  for (int f = 0; f < fields; f++) {
    if (field[f].is_position) finish_positions(w, f, field[f].k * field[f].dim);
    else finish_values(w, f, field[f].k * field[f].dim);
  }
  rk_close(w);
}

void rk_write_device_state(rk_writer *w, const char *suffix) {
  write_merge(w, suffix);
  write_finish(w, suffix);
}
