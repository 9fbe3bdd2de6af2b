/* The frame for GPUs: packing, modules, and rk_pair where one thread walks over the columns; the
 * blocked form is in frame_blocked.c, merging and finishing in frame_state.c. What the kernels are
 * given stands in kernel.h, the forms in shape.h; lists of columns are walked over in frame_list.c.
 *
 * Nothing here is divergent around a barrier, and there is no early return before one. Inside a
 * tile of columns there is no test of bounds: packed data goes up to whole tiles, and the rest of
 * columns of the last tile is walked one by one. */
#include "cuda/frame.h"
#include "error.h"

#include <stdio.h>
#include <string.h>

const char *rk_stored_type(const rk_gpu_shape *shape, rk_nest_kind side) {
  return shape->half[side] ? "unsigned short" : "real";
}

/* ---- packing ---- */

static const char *const input_of_side = "rk_given(in.x%d, %s, in.ld%d, r)";
static const char *const input_of_parameters = "in[rk_at%d + (%s)]";

static rk_writer packing_writer(rk_text *out, const rk_pass *pass, rk_nest_kind kind,
                                const rk_spelling *spelling) {
  static const rk_tile one = {.axis = RK_LANES_KEPT, .rows = 1, .columns = 1};
  return (rk_writer){.out = out, .pass = pass, .nest = &pass->nest[kind], .tile = &one,
                     .target = spelling};
}

static void open_packing(rk_writer *w) {
  if (w->nest->panel) {
    rk_line(w, "__align__(16) char tile[%zu];", (size_t)w->nest->panel * sizeof(double));
    rk_line(w, "char *const panel = tile;");
  }
}

static const rk_graph_variable *variable_at(const rk_pass *pass, int q) {
  return rk_graph_variable_at(pass->graph, pass->variable[q]);
}

static void write_parameters(rk_text *out, const rk_pass *pass, const char *suffix) {
  const rk_spelling spelling = {.function = "RK_INLINE", .input = input_of_parameters};
  rk_writer w = packing_writer(out, pass, RK_NEST_PARAMETER, &spelling);
  int at = 0;
  rk_open(&w, "extern \"C\" __global__ void rk_parameters%s(const double *restrict in, "
              "double *restrict exact, %s *restrict packed)", suffix,
          pass->options.precision == RK_FLOAT64 ? "double" : "float");
  rk_line(&w, "if (threadIdx.x) return;");
  for (int q = 0; q < pass->variables; q++) {
    if (variable_at(pass, q)->kind != RK_KIND_PARAMETER) continue;
    rk_line(&w, "enum { rk_at%d = %d };", q, at);
    at += variable_at(pass, q)->dim;
  }
  open_packing(&w);
  rk_write_packing(&w, "exact[%s] = %s;");
  rk_line(&w, "for (int k = 0; k < %d; k++) packed[k] = rk_narrow%d(exact[k]);",
          pass->slots[RK_NEST_PARAMETER].size, 8 * rk_real_size(&pass->options));
  rk_close(&w);
  rk_writer_free(&w);
}

static void write_inputs(rk_writer *w, rk_nest_kind side, const char *name) {
  int count = 0;
  rk_open(w, "typedef struct");
  for (int q = 0; q < w->pass->variables; q++) {
    if (!rk_is_of_side(w->pass, w->pass->variable[q], side)) continue;
    rk_line(w, "const double *x%d; long long ld%d;", q, q);
    count++;
  }
  if (!count) rk_line(w, "const double *none; long long ld;");
  w->indent--;
  rk_line(w, "} %s;", name);
}

/* As rk_stored_type, where `real` is double. */
static const char *packed_type(const rk_pass *pass, const rk_gpu_shape *shape, rk_nest_kind side) {
  if (shape->half[side]) return "unsigned short";
  return rk_real_size(&pass->options) == 4 ? "float" : "double";
}

/* Where component %s of the row or column i goes. */
static void place_text(const rk_pass *pass, const rk_gpu_shape *shape, rk_nest_kind side,
                       char *text, size_t size) {
  int components = pass->slots[side].size;
  int block = side == RK_NEST_ROW ? shape->row_block : shape->column_block;
  const char *number = packed_type(pass, shape, side);
  const char *narrow = shape->half[side] ? "rk_float_to_half" : number;
  if (side == RK_NEST_COLUMN && !shape->blocked)
    snprintf(text, size, "out[(long long)i * %d + (%%s)] = %s(%%s);", shape->column_stride, narrow);
  else
    snprintf(text, size, "out[((long long)(i / %d) * %d + (%%s)) * %d + i %%%% %d] = %s(%%s);",
             block, components, block, block, narrow);
}

static void write_side(rk_text *out, const rk_pass *pass, const rk_gpu_shape *shape,
                       rk_nest_kind side, const char *suffix) {
  const rk_spelling spelling = {.function = "RK_INLINE", .parameter = "params[%s]",
                                .input = input_of_side};
  rk_writer w = packing_writer(out, pass, side, &spelling);
  int row = side == RK_NEST_ROW;
  const char *inputs = row ? "rk_row_inputs" : "rk_column_inputs";
  char store[192];
  place_text(pass, shape, side, store, sizeof store);
  write_inputs(&w, side, inputs);
  rk_open(&w, "extern \"C\" __global__ void %s%s(%s in, const double *restrict params, "
              "%s *restrict out, int n, int to)",
          row ? "rk_rows" : "rk_columns", suffix, inputs, packed_type(pass, shape, side));
  rk_line(&w, "const int i = blockIdx.x * 128 + threadIdx.x, r = i < n ? i : n - 1;");
  rk_line(&w, "if (i >= to) return;");
  open_packing(&w);
  rk_write_packing(&w, store);
  rk_close(&w);
  rk_writer_free(&w);
}

/* ---- rk_pair: what both forms share ---- */

/* Lists of a blocked form would take a few registers more than the 168 that 12 warps of a
 * multiprocessor leave to each thread. */
void rk_write_pair_head(rk_writer *w, const rk_gpu_shape *shape, const char *suffix) {
  int least = shape->blocked && w->pass->state.K > 1 ? 384 / shape->threads : 1;
  rk_open(w,
          "extern \"C\" __global__ void __launch_bounds__(%d, %d) rk_pair%s("
          "const %s *restrict rows, const %s *restrict columns, "
          "const real *restrict params, %s"
          "double *restrict values, long long *restrict positions, long long ld)",
          shape->threads, least, suffix, rk_stored_type(shape, RK_NEST_ROW),
          rk_stored_type(shape, RK_NEST_COLUMN),
          w->tile->masks ? "const int *row_at, const int *column_at, const int *restrict list_at, "
                           "const rk_interval *restrict list, int m, int first, "
                         : "int m, int n, int part, long long first, ");
  if (w->tile->masks) rk_write_list_head(w, shape);
  else
    rk_line(w, "const int start = blockIdx.y * part, end = n - start < part ? n : start + part;");
}

static int is_sum(const rk_writer *w) { return !rk_keeps_values(w->pass->reduction->reduction); }

int rk_flushes(const rk_writer *w) {
  return is_sum(w) && rk_flush_period(w->pass, w->tile) <= 1LL << 30;
}

void rk_write_columns(rk_writer *w, const char *call, int tile) {
  int columns = w->tile->columns;
  long long flush = rk_flush_period(w->pass, w->tile);
  int inner = is_sum(w) && flush < tile;
  rk_line(w, "int j = 0;");
  if (inner) {
    rk_open(w, "while (j < count)");
    rk_line(w, "const int stop = count - j < %lld ? count : j + %lld;", flush, flush);
  } else {
    rk_line(w, "const int stop = count;");
  }
  rk_line(w, "for (; j + %d <= stop; j += %d) rk_tile(%d, %s);", columns, columns, columns, call);
  if (columns > 1) rk_line(w, "for (; j < stop; j++) rk_tile(1, %s);", call);
  if (rk_flushes(w)) rk_line(w, "rk_flush(z);");
  if (inner) rk_close(w);
}

/* The state of the block's rows goes out as part blockIdx.y. */
void rk_write_pair_end(rk_writer *w, const char *row) {
  int masks = w->tile->masks;
  if (is_sum(w) && (masks || !rk_flushes(w))) rk_line(w, "rk_flush(z);");
  rk_line(w, "values += (long long)blockIdx.y * %d * ld;", w->pass->state.values);
  rk_line(w, "positions += (long long)blockIdx.y * %d * ld;", w->pass->state.positions);
  rk_open(w, "rk_each (u, %d)", w->tile->rows);
  rk_line(w, "const int row = %s;", row);
  rk_line(w, "if (row < m) rk_leave(z, u, 0, %s, values + row, positions + row, ld%s);",
          masks ? "0" : "first", w->grouped ? ", k0" : "");
  rk_close(w);
}

/* A component read of a side: stored as half or not. */
void rk_read_text(const rk_gpu_shape *shape, rk_nest_kind side, const char *place, char *text,
                      size_t size) {
  snprintf(text, size, shape->half[side] ? "rk_half_to_float(%s)" : "%s", place);
}

/* ---- a thread walks ---- */

static void write_walk_tile(rk_writer *w, const rk_gpu_shape *shape) {
  int size = w->pass->slots[RK_NEST_ROW].size;
  char x[96];
  if (shape->resident)
    snprintf(x, sizeof x, "const real (&x)[%d][%d]", size ? size : 1, w->tile->rows);
  else snprintf(x, sizeof x, "const %s *restrict x", rk_stored_type(shape, RK_NEST_ROW));
  if (w->nest->is_large && !shape->resident) {
    char parameters[256];
    snprintf(parameters, sizeof parameters, "const int nv, %s, const %s *restrict y, "
             "const real *restrict params, int j, char *panel", x,
             rk_stored_type(shape, RK_NEST_COLUMN));
    w->part = "pairs";
    w->arguments = "nv, x, y, params, j, panel";
    rk_write_parts(w, parameters);
  }
  rk_open(w, "RK_INLINE void rk_tile(const int nv, %s, const %s *restrict y, "
             "const real *restrict params, int j, rk_state *z, char *panel%s)",
          x, rk_stored_type(shape, RK_NEST_COLUMN), w->tile->masks ? RK_MASKED_GIVEN : "");
  rk_write_steps(w, 0, w->nest->steps);
  rk_declare_reads(w, 0, w->nest->roots);
  rk_write_accumulate(w);
  rk_close(w);
}

static void load_rows(rk_writer *w, const rk_gpu_shape *shape) {
  int size = w->pass->slots[RK_NEST_ROW].size, rows = w->tile->rows, threads = shape->threads;
  rk_line(w, "const %s *const own = rows + (long long)blockIdx.x * %ld + threadIdx.x;",
          rk_stored_type(shape, RK_NEST_ROW), (long)size * shape->row_block);
  if (!shape->resident) {
    rk_line(w, "const %s *const x = own;", rk_stored_type(shape, RK_NEST_ROW));
    return;
  }
  char read[64];
  rk_read_text(shape, RK_NEST_ROW, "own[(k * %d + u) * %d]", read, sizeof read);
  rk_line(w, "real x[%d][%d];", size ? size : 1, rows);
  rk_open(w, "rk_each (k, %d) rk_each (u, %d)", size, rows);
  rk_text_add(w->out, "    x[k][u] = ");
  rk_text_format(w->out, read, rows, threads);
  rk_text_add(w->out, ";\n");
  rk_close(w);
}

static int is_shared(const rk_gpu_shape *shape) {
  int bytes = shape->half[RK_NEST_COLUMN] ? 2 : shape->tile.bytes;
  return shape->column_stride > 0 &&
         2 * shape->column_block * shape->column_stride * bytes <= 49152;
}

/* Columns pass through shared memory, the next tile on its way while this one is used. */
static void write_walk(rk_writer *w, const rk_gpu_shape *shape) {
  int stride = shape->column_stride, tile = shape->column_block;
  int bytes = shape->half[RK_NEST_COLUMN] ? 2 : w->tile->bytes;
  const char *type = rk_stored_type(shape, RK_NEST_COLUMN);
  int shared = is_shared(shape);
  char call[96];
  snprintf(call, sizeof call, "x, y + j * %d, params, from + j, z, panel", stride);
  if (shared) {
    rk_line(w, "__shared__ __align__(16) %s shared[2][%d];", type, tile * stride);
    rk_line(w, "rk_copy(shared[0], columns + (long long)start * %d, %d);", stride,
            tile * stride * bytes);
  }
  rk_open(w, "for (int from = start, now = 0; from < end; from += %d, now ^= 1)", tile);
  rk_line(w, "const int count = end - from < %d ? end - from : %d;", tile, tile);
  if (shared) {
    rk_line(w, "rk_copy_wait_all();");
    rk_line(w, "__syncthreads(); /* the tile is there, and nobody reads the other one any more */");
    rk_line(w, "if (from + %d < end)", tile);
    rk_line(w, "  rk_copy(shared[now ^ 1], columns + (long long)(from + %d) * %d, %d);", tile,
            stride, tile * stride * bytes);
    rk_line(w, "const %s *const y = shared[now];", type);
  } else {
    rk_line(w, "const %s *const y = columns + (long long)from * %d;", type, stride);
  }
  rk_write_columns(w, call, tile);
  rk_close(w);
}

static void write_list_walk(rk_writer *w, const rk_gpu_shape *shape) {
  char call[96], row[48];
  snprintf(call, sizeof call, "x, y + j * %d, params, from + j, z, panel", shape->column_stride);
  snprintf(row, sizeof row, "u * %d + threadIdx.x", shape->threads);
  rk_write_list_walk(w, shape, is_shared(shape), call, row);
}

static void write_walk_pair(rk_writer *w, const rk_gpu_shape *shape, const char *suffix) {
  size_t pairs = (size_t)(w->tile->rows * w->tile->columns);
  int kept = w->nest->panel + (w->nest->is_large ? w->nest->scalars : 0);
  size_t panel = shape->resident ? 0 : (size_t)kept * pairs * (size_t)w->tile->bytes;
  char row[96];
  rk_write_pair_head(w, shape, suffix);
  load_rows(w, shape);
  rk_line(w, "rk_state local, *const z = &local;");
  if (panel) rk_line(w, "__align__(16) char tile[%zu], *const panel = tile;", panel);
  else rk_line(w, "char *const panel = 0;");
  rk_line(w, "rk_start(z);");
  if (w->tile->masks) write_list_walk(w, shape);
  else write_walk(w, shape);
  snprintf(row, sizeof row, "(blockIdx.x * %d + u) * %d + threadIdx.x", w->tile->rows,
           shape->threads);
  rk_write_pair_end(w, row);
  rk_close(w);
}

static void write_walk_kernel(rk_text *out, const rk_pass *pass, const rk_gpu_shape *shape,
                              const char *suffix) {
  char row[96], column[96], place[64];
  snprintf(place, sizeof place, "x[((%%s) * %d + u) * %d]", shape->tile.rows, shape->threads);
  if (shape->resident) snprintf(row, sizeof row, "x[%%s][u]");
  else rk_read_text(shape, RK_NEST_ROW, place, row, sizeof row);
  snprintf(place, sizeof place, "y[v * %d + %%s]", shape->column_stride);
  rk_read_text(shape, RK_NEST_COLUMN, place, column, sizeof column);
  const char *called = shape->resident ? "RK_INLINE" : "RK_CALLED"; /* registers have no address */
  const rk_spelling spelling = {.function = "RK_INLINE", .rare = called, .called = called,
                                .parameter = "params[%s]", .row = row, .column = column,
                                .unroll = shape->resident ? 64 : 0,
                                .in_registers = shape->resident, .rolled = RK_ROLLED};
  rk_writer w = {.out = out, .pass = pass, .nest = &pass->nest[RK_NEST_PAIR],
                 .tile = &shape->tile, .target = &spelling, .components = shape->components};
  rk_write_state(&w);
  write_walk_tile(&w, shape);
  write_walk_pair(&w, shape, suffix);
  rk_writer_free(&w);
}

/* ---- modules ---- */

static void write_kernel(rk_text *out, const rk_pass *pass, const rk_gpu_shape *shape,
                         const char *suffix) {
  rk_text_format(out, "#define rk_column(j, v) %s\n",
                 shape->tile.reorders ? "column_at[(j) + (v)]" : "((j) + (v))");
  if (shape->tile.masks)
    rk_text_add(out, "#define rk_valid(v, u) rk_and(rk_ilt(low[u], rk_column(j, v)), "
                     "rk_ilt(rk_column(j, v), high[u]))\n");
  rk_text_format(out, "#define RK_RANKS %s\n#define RK_STOP(done) %s\n",
                 shape->resident ? "RK_UNROLLED" : RK_ROLLED,
                 shape->resident ? "/* in registers: no branches */" : "if (done) return;");
  if (shape->blocked) rk_write_blocked_kernel(out, pass, shape, suffix);
  else write_walk_kernel(out, pass, shape, suffix);
  rk_text_format(out, "#undef rk_column\n%s#undef RK_RANKS\n#undef RK_STOP\n",
                 shape->tile.masks ? "#undef rk_valid\n" : "");
}

static void write_state_kernels(rk_text *out, const rk_pass *pass, const rk_gpu_shape *shape,
                                const char *suffix) {
  const rk_spelling spelling = {.function = "RK_INLINE"};
  rk_writer w = {.out = out, .pass = pass, .tile = &shape->tile, .target = &spelling};
  rk_write_device_state(&w, suffix);
  if (shape->tile.masks) rk_write_gather(&w, suffix);
}

static void write_head(rk_text *out, const rk_pass *const *pass, const rk_gpu_shape *const *shape,
                       int n) {
  rk_text_add(out, "/* rkeops\n");
  for (int k = 0; k < n; k++) {
    rk_plan_head(pass[k], &shape[k]->tile, " * ", out);
    rk_gpu_shape_print(shape[k], " * ", out);
  }
  rk_text_add(out, " */\n");
}

/* Merging and finishing are emitted from the texts of the table. */
static rk_status check_texts(const rk_pass *pass, rk_error *error) {
  const rk_reduction *entry = pass->reduction->reduction;
  int complete = entry->merge_text != NULL;
  for (int f = 0; f < entry->fields; f++)
    complete &= entry->field[f].is_position || entry->field[f].value_text;
  if (complete) return RK_OK;
  return rk_fail(error, RK_ERROR_DEVICE, "%s_Reduction has no text for a GPU",
                 rk_reduction_name(entry));
}

rk_status rk_emit_cuda(const rk_pass *const *pass, const rk_gpu_shape *const *shape, int n,
                       const char *include_dir, rk_text *out, rk_error *error) {
  static const char *const preludes[] = {"names.h", "cuda.h", "tile_cuda.h", "sums.h", NULL};
  static const char *const with_lists[] = {"names.h", "cuda.h", "tile_cuda.h", "sums.h",
                                           "interval.h", NULL};
  rk_module_text m = {.n = n, .preludes = preludes};
  for (int k = 0; k < n; k++)
    if (shape[k]->tile.masks) m.preludes = with_lists;
  for (int k = 0; k < n; k++)
    if (check_texts(pass[k], error)) return error->status;
  for (int k = 0; k < n; k++) {
    rk_text *kernel = &m.part[pass[k]->options.precision != RK_FLOAT64];
    char suffix[16] = "";
    if (n > 1) snprintf(suffix, sizeof suffix, "_%d", k);
    rk_begin_pass(&m, &m.part[0], k);
    write_parameters(&m.part[0], pass[k], suffix);
    write_side(&m.part[0], pass[k], shape[k], RK_NEST_ROW, suffix);
    write_side(&m.part[0], pass[k], shape[k], RK_NEST_COLUMN, suffix);
    write_state_kernels(&m.part[0], pass[k], shape[k], suffix);
    if (kernel != &m.part[0]) {
      rk_end_pass(&m, &m.part[0]);
      rk_begin_pass(&m, kernel, k);
    }
    write_kernel(kernel, pass[k], shape[k], suffix);
    rk_end_pass(&m, kernel);
  }
  write_head(out, pass, shape, n);
  return rk_write_module(&m, include_dir, out, error);
}
