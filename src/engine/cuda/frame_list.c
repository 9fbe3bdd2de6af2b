/* rk_pair over lists: what a block of rows walks over are intervals of columns, of which some are
 * for a part of the rows only. See kernel.h. Places are those of the packed data; of the order of
 * the user only the positions are known.
 *
 * Short sums go on from one interval to the next; they are flushed where so many columns are in
 * them. Columns of an interval that is not masked cost what they cost where all are walked over. */
#include "cuda/frame.h"

#include <stdio.h>

void rk_write_list_head(rk_writer *w, const rk_gpu_shape *shape) {
  long long flush = rk_flush_period(w->pass, w->tile);
  rk_line(w, "const int number = blockIdx.x * gridDim.y + blockIdx.y;");
  rk_line(w, "const rk_interval *next = list + list_at[number], "
             "*const last = list + list_at[number + 1];");
  rk_line(w, "row_at += (long long)blockIdx.x * %d;", shape->row_block);
  rk_line(w, "columns -= (long long)first * %d; /* places count from there */",
          shape->blocked ? w->pass->slots[RK_NEST_COLUMN].size : shape->column_stride);
  if (w->tile->reorders) rk_line(w, "column_at -= first;");
  if (rk_flushes(w)) rk_line(w, "int left = %lld;", flush);
}

/* Columns j .. up to the end of the tile, as many as short sums may take. */
static void write_columns(rk_writer *w, const char *call, int by_four) {
  int columns = w->tile->columns;
  long long flush = rk_flush_period(w->pass, w->tile);
  if (rk_flushes(w)) {
    rk_open(w, "while (j < count)");
    rk_open(w, "if (left < %d && left < count - j)", columns);
    rk_line(w, "rk_flush(z);");
    rk_line(w, "left = %lld;", flush);
    rk_close(w);
    rk_line(w, "const int stop = count - j > left ? j + left / %d * %d : count;", columns, columns);
    rk_line(w, "left -= stop - j;");
  } else {
    rk_line(w, "const int stop = count;");
  }
  if (by_four) rk_line(w, "for (; j < stop && j %% 4; j++) rk_tile(1, %s);", call);
  rk_line(w, "for (; j + %d <= stop; j += %d) rk_tile(%d, %s);", columns, columns, columns, call);
  if (columns > 1) rk_line(w, "for (; j < stop; j++) rk_tile(1, %s);", call);
  if (rk_flushes(w)) rk_close(w);
}

/* Which rows take part: positions of columns between `low` and `high`, both left out. */
static void write_limits(rk_writer *w, const char *row) {
  int rows = w->tile->rows;
  rk_line(w, "ivec low[%d], high[%d];", rows, rows);
  rk_open(w, "rk_each (u, %d)", rows);
  rk_line(w, "const int row = %s, at = row_at[row];", row);
  rk_line(w, "low[u] = interval.first <= row && row < interval.last ? at + interval.lower - 1 "
             ": RK_LAST;");
  rk_line(w, "high[u] = at + interval.upper + 1;");
  rk_close(w);
}

void rk_write_list_bounds(rk_writer *w, int tile) {
  rk_line(w, "const int count = min(interval.end - from, %d);", tile);
  rk_line(w, "int j = max(interval.from - from, 0);");
}

void rk_write_list_columns(rk_writer *w, const char *call, const char *row, int by_four) {
  char masked[320];
  rk_open(w, "if (interval.masked)");
  write_limits(w, row);
  snprintf(masked, sizeof masked, "%s, 1, low, high, column_at", call);
  write_columns(w, masked, by_four);
  w->indent--;
  rk_open(w, "} else");
  snprintf(masked, sizeof masked, "%s, 0, 0, 0, column_at", call);
  write_columns(w, masked, by_four);
  rk_close(w);
}

/* The tile that begins at `next_from`. */
static void write_copy(rk_writer *w, const rk_gpu_shape *shape, const char *to, int record) {
  rk_line(w, "rk_copy(%s, columns + (long long)next_from * %d,", to, shape->column_stride);
  rk_line(w, "        (min(next->end - next_from, %d) * %d + 15) / 16 * 16);", shape->column_block,
          record);
}

/* Records of so many bytes: at every how many of them one begins at a multiple of 16? */
static int aligned_records(int record) {
  int records = 1;
  while (records * record % 16) records *= 2;
  return records;
}

/* One thread walks: columns pass through shared memory, the next tile, maybe of the next interval,
 * on its way while this one is used. Tiles begin where copies may begin. */
void rk_write_list_walk(rk_writer *w, const rk_gpu_shape *shape, int is_shared, const char *call,
                        const char *row) {
  int stride = shape->column_stride, tile = shape->column_block;
  int record = stride * (shape->half[RK_NEST_COLUMN] ? 2 : w->tile->bytes);
  int aligned = is_shared ? aligned_records(record) : 1;
  const char *type = rk_stored_type(shape, RK_NEST_COLUMN);
  if (is_shared) rk_line(w, "__shared__ __align__(16) %s shared[2][%d];", type, tile * stride);
  rk_line(w, "int next_from = next < last ? next->from / %d * %d : 0;", aligned, aligned);
  if (is_shared) {
    rk_line(w, "if (next < last)");
    write_copy(w, shape, "shared[0]", record);
  }
  rk_open(w, "for (int now = 0; next < last; now ^= 1)");
  rk_line(w, "const rk_interval interval = *next;");
  rk_line(w, "const int from = next_from;");
  rk_line(w, "next_from += %d;", tile);
  rk_line(w, "if (next_from >= interval.end && ++next < last) next_from = next->from / %d * %d;",
          aligned, aligned);
  if (is_shared) {
    rk_line(w, "rk_copy_wait_all();");
    rk_line(w, "__syncthreads(); /* the tile is there, and nobody reads the other one any more */");
    rk_line(w, "if (next < last)");
    write_copy(w, shape, "shared[now ^ 1]", record);
    rk_line(w, "const %s *const y = shared[now];", type);
  } else {
    rk_line(w, "const %s *const y = columns + (long long)from * %d;", type, stride);
  }
  rk_write_list_bounds(w, tile);
  rk_write_list_columns(w, call, row, 0);
  rk_close(w);
}

/* Rows that lie on the device, in the order in which they are packed. */
void rk_write_gather(rk_writer *w, const char *suffix) {
  rk_open(w, "extern \"C\" __global__ void rk_gather%s(const double *restrict x, long long ld, "
             "const int *restrict order, double *restrict out, int n, int dim)", suffix);
  rk_line(w, "const int i = blockIdx.x * 128 + threadIdx.x;");
  rk_line(w, "if (i >= n) return;");
  rk_line(w, "for (int d = 0; d < dim; d++) out[(long long)d * n + i] = "
             "rk_given(x, d, ld, order[i]);");
  rk_close(w);
}
