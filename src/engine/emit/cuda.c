/* The frame for GPUs: one thread holds a few rows in registers; columns pass through shared memory
 * in tiles of records, double buffered; the walk over the pairs is that of a CPU with one lane.
 *
 * Rows lie in blocks [block][component][row of the block], columns in records: as on a CPU, so the
 * same packing serves. */
#include "emit/writer.h"
#include "error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 128, TILE_BYTES = 20480, REGISTER_COMPONENTS = 32 };

static int is_resident(const rk_pass *pass) {
  return pass->slots[RK_NEST_ROW].size <= REGISTER_COMPONENTS;
}

/* Columns of a tile in shared memory; 0 when even a few records do not fit. */
static int tile_columns(const rk_pass *pass, const rk_tile *tile) {
  int record = pass->slots[RK_NEST_COLUMN].size * rk_real_size(&pass->options), columns = THREADS;
  while (columns > 0 && columns * (record ? record : 1) > TILE_BYTES) columns /= 2;
  return columns >= tile->columns ? columns : 0;
}

static void write_tile(rk_writer *w) {
  int size = w->pass->slots[RK_NEST_ROW].size;
  char x[64];
  if (is_resident(w->pass))
    snprintf(x, sizeof x, "const real (&x)[%d][%d]", size ? size : 1, w->tile->rows);
  else snprintf(x, sizeof x, "const real *restrict x");
  rk_open(w, "RK_INLINE void rk_tile(const int nv, %s, const real *restrict y, "
             "const real *restrict params, rk_int j, rk_state *z, char *panel)", x);
  rk_write_steps(w);
  rk_write_accumulate(w);
  rk_close(w);
}

static void load_rows(rk_writer *w) {
  int size = w->pass->slots[RK_NEST_ROW].size, rows = w->tile->rows;
  rk_line(w, "const real *const own = rows + (long long)blockIdx.x * %ld + threadIdx.x;",
          (long)size * rows * THREADS);
  if (!is_resident(w->pass)) {
    rk_line(w, "const real *const x = own;");
    return;
  }
  rk_line(w, "real x[%d][%d];", size ? size : 1, rows);
  rk_line(w, "rk_each (k, %d) rk_each (u, %d) x[k][u] = own[(k * %d + u) * %d];", size, rows, rows,
          THREADS);
}

static void column_steps(rk_writer *w, const char *records) {
  int stride = w->pass->slots[RK_NEST_COLUMN].size, columns = w->tile->columns;
  rk_line(w, "int j = 0;");
  rk_line(w, "for (; j + %d <= count; j += %d)", columns, columns);
  rk_line(w, "  rk_tile(%d, x, %s + j * %d, params, (rk_int)(from + j), z, panel);", columns,
          records, stride);
  rk_line(
      w, "for (; j < count; j++) rk_tile(1, x, %s + j * %d, params, (rk_int)(from + j), z, panel);",
      records, stride);
  if (!w->pass->reduction->reduction->start) rk_line(w, "rk_flush(z);");
}

static void write_column_loop(rk_writer *w, int tile) {
  int stride = w->pass->slots[RK_NEST_COLUMN].size;
  if (!tile) {
    rk_open(w, "for (int from = 0; from < n; from += %d)", w->tile->flush);
    rk_line(w, "const int count = n - from < %d ? n - from : %d;", w->tile->flush, w->tile->flush);
    rk_line(w, "const real *const records = columns + (long long)from * %d;", stride);
    column_steps(w, "records");
    rk_close(w);
    return;
  }
  rk_line(w, "__shared__ __align__(16) real shared[2][%d];", tile * (stride ? stride : 1));
  rk_line(w, "for (int e = threadIdx.x; e < %d && e < n * %d; e += %d) shared[0][e] = columns[e];",
          tile * stride, stride, THREADS);
  rk_open(w, "for (int from = 0, now = 0; from < n; from += %d, now ^= 1)", tile);
  rk_line(w, "const int count = n - from < %d ? n - from : %d;", tile, tile);
  rk_line(w, "__syncthreads(); /* the tile is there, and nobody reads the other one any more */");
  rk_line(w, "const int next = n - from - %d < %d ? n - from - %d : %d;", tile, tile, tile, tile);
  rk_line(w, "const real *const ahead = columns + (long long)(from + %d) * %d;", tile, stride);
  rk_line(w, "for (int e = threadIdx.x; e < next * %d; e += %d) shared[now ^ 1][e] = ahead[e];",
          stride, THREADS);
  column_steps(w, "shared[now]");
  rk_close(w);
}

static void write_pair(rk_writer *w, int tile) {
  int rows = w->tile->rows;
  size_t panel = (size_t)w->nest->panel * (size_t)(rows * w->tile->columns) *
                 (size_t)rk_real_size(&w->pass->options);
  rk_open(w,
          "extern \"C\" __global__ void __launch_bounds__(%d) rk_pair(const real *restrict rows, "
          "const real *restrict columns, const real *restrict params, int m, int n, "
          "long long first, double *restrict values, long long *restrict positions, "
          "long long ld)",
          THREADS);
  load_rows(w);
  rk_line(w, "rk_state local, *const z = &local;");
  if (panel) rk_line(w, "__align__(16) char panel[%zu];", panel);
  else rk_line(w, "char *const panel = 0;");
  rk_line(w, "rk_start(z);");
  write_column_loop(w, tile);
  rk_open(w, "rk_each (u, %d)", rows);
  rk_line(w, "const int row = (blockIdx.x * %d + u) * %d + threadIdx.x;", rows, THREADS);
  rk_line(w, "if (row < m) rk_leave(z, u, 0, first, values + row, positions + row, ld);");
  rk_close(w);
  rk_close(w);
}

static void write_kernel(rk_text *out, const rk_pass *pass, const rk_tile *tile) {
  char row[96], column[96];
  if (is_resident(pass)) snprintf(row, sizeof row, "x[%%s][u]");
  else snprintf(row, sizeof row, "x[((%%s) * %d + u) * %d]", tile->rows, THREADS);
  snprintf(column, sizeof column, "y[v * %d + %%s]", pass->slots[RK_NEST_COLUMN].size);
  const rk_spelling spelling = {"RK_INLINE", "RK_RARE", "params[%s]", row, column, NULL};
  rk_writer w = {.out = out, .pass = pass, .nest = &pass->nest[RK_NEST_PAIR], .tile = tile,
                 .target = &spelling};
  rk_line(&w, "#define rk_column(j, v) ((j) + (v))");
  rk_write_state(&w);
  write_tile(&w);
  write_pair(&w, tile_columns(pass, tile));
  free(w.memo);
}

rk_status rk_emit_cuda(const rk_pass *pass, const char *include_dir, rk_text *out,
                       rk_error *error) {
  rk_tile tile = rk_tile_choose(pass, RK_LANES_KEPT, rk_real_size(&pass->options));
  tile.lanes = 1;
  rk_text kernel = {0};
  write_kernel(&kernel, pass, &tile);
  rk_text_add(out, "/* rkeops\n");
  rk_plan_print(pass, &tile, " * ", out);
  rk_text_format(out, " * %d threads\n */\n", THREADS);
  const char *text = rk_text_string(&kernel);
  rk_status status = rk_write_prelude(out, include_dir, "names.h", NULL, error);
  if (!status) status = rk_write_prelude(out, include_dir, "cuda.h", NULL, error);
  if (!status) status = rk_write_prelude(out, include_dir, "tile_cuda.h", NULL, error);
  rk_text_format(out, "#undef RK_TYPE\n#define RK_TYPE %d\n", 8 * rk_real_size(&pass->options));
  if (!status) status = rk_write_prelude(out, include_dir, "cuda.h", text, error);
  if (!status) status = rk_write_prelude(out, include_dir, "tile_cuda.h", text, error);
  if (!status) status = rk_write_prelude(out, include_dir, "sums.h", text, error);
  rk_text_add(out, text);
  int failed = out->failed || kernel.failed;
  rk_text_free(&kernel);
  return !status && failed ? rk_fail_memory(error, 1 << 16) : status;
}
