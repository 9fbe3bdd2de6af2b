/* rk_pair where a block of threads shares a tile of pairs, as in a matrix product: for large inner
 * dimensions and wide results.
 *
 *   rk_values   each thread makes the scalars of its part of the tile of pairs; large vectors pass
 *               through shared memory (staging.c); the scalars go to shared memory
 *   rk_weigh    exponentials with a wide result: the reference of each row rises once for the tile,
 *               and the exponents become weights, each made by one thread only
 *   rk_tile     columns enter the state of the threads that own rows (and components) */
#include "cuda/frame.h"

#include <stdio.h>

enum { STAGE_BYTES = 6144 }; /* of shared memory, twice, for loops over large vectors */

typedef struct { const rk_node *node[RK_MAX_EXCHANGED]; int count; } exchange;

static int thread_rows(const rk_gpu_shape *shape) { return shape->row_block / shape->tile.rows; }

/* Rows and columns of a thread come in groups of four, so that reads are of four at once. */
static void write_places(rk_writer *w, const rk_gpu_shape *shape) {
  int rows = thread_rows(shape), columns = shape->threads / rows;
  rk_line(w, "const int row4 = threadIdx.x %% %d * 4, column4 = threadIdx.x / %d * 4;", rows, rows);
  rk_line(w, "#define rk_row(u) ((u) / 4 * %d + row4 + (u) %% 4)", 4 * rows);
  rk_line(w, "#define rk_own(v) ((v) / 4 * %d + column4 + (v) %% 4)", 4 * columns);
}

/* The scalars of the tile of pairs, to shared memory. */
static void write_values(rk_text *out, const rk_pass *pass, const rk_gpu_shape *shape,
                         const exchange *e) {
  char row[96], column[96], place[64];
  snprintf(place, sizeof place, "x[(%%s) * %d + rk_row(u)]", shape->row_block);
  rk_read_text(shape, RK_NEST_ROW, place, row, sizeof row);
  snprintf(place, sizeof place, "y[(%%s) * %d + rk_own(v)]", shape->column_block);
  rk_read_text(shape, RK_NEST_COLUMN, place, column, sizeof column);
  const rk_spelling spelling = {.function = "RK_INLINE", .parameter = "params[%s]", .row = row,
                                .column = column, .unroll = 4};
  rk_cuda_staging own = {
    .bytes = STAGE_BYTES, .threads = shape->threads,
    .block = {0, shape->row_block, shape->column_block},
    .half = {0, shape->half[RK_NEST_ROW], shape->half[RK_NEST_COLUMN]},
    .place = {"", "rk_row(u)", "rk_own(v)"}};
  const rk_staging staging = rk_staging_with(&own);
  rk_writer w = {.out = out, .pass = pass, .nest = &pass->nest[RK_NEST_PAIR],
                 .tile = &shape->tile, .target = &spelling, .staging = &staging};
  rk_open(&w, "RK_INLINE void rk_values(const %s *restrict x, const %s *restrict y, "
              "const real *restrict params, char *stage, real (*shared)[%d][%d])",
          rk_stored_type(shape, RK_NEST_ROW), rk_stored_type(shape, RK_NEST_COLUMN),
          shape->column_block,
          shape->row_block);
  rk_line(&w, "enum { nv = %d };", shape->tile.columns);
  rk_line(&w, "char *const panel = 0;");
  write_places(&w, shape);
  rk_write_steps(&w, 0, shape->shared_steps);
  rk_open(&w, "rk_each (v, nv) rk_each (u, %d)", shape->tile.rows);
  for (int k = 0; k < e->count; k++)
    rk_line(&w, rk_is_kept_as_mask(&w, e->node[k])
                    ? "shared[%d][rk_own(v)][rk_row(u)] = rk_truth(n%d[v][u]);"
                    : "shared[%d][rk_own(v)][rk_row(u)] = n%d[v][u];", k, e->node[k]->number);
  rk_close(&w);
  rk_line(&w, "#undef rk_row\n#undef rk_own");
  rk_close(&w);
  rk_writer_free(&w);
}

/* Which of the exchanged scalars is the exponent that becomes a weight here, or -1: with a narrow
 * result a thread makes its own weights. */
static int weight_of(const rk_writer *w, const exchange *e) {
  for (int k = 0; w->grouped && w->pass->reduction->reduction->has_head && k < e->count; k++)
    if (e->node[k] == w->pass->reduction->operand[0]) return k;
  return -1;
}

/* Pairs that take no part have a weight of 0. */
static void mask_exponents(rk_writer *w) {
  rk_open(w, "if (interval.masked)");
  rk_line(w, "const int at = row_at[row], low = at + interval.lower, high = at + interval.upper;");
  rk_line(w, "const int in = interval.first <= row && row < interval.last;");
  rk_open(w, "for (int v = start; v < n; v++)");
  rk_line(w, "const int column = rk_column(from, first + v);");
  rk_line(w, "if (!in || column < low || column > high) g[first + v][row] = rk_num(-RK_INF);");
  rk_close(w);
  rk_close(w);
}

/* Every thread has some columns of one row. References are kept from tile to tile. */
static void write_weigh(rk_writer *w, const rk_gpu_shape *shape) {
  int rows = shape->row_block, sets = shape->threads / rows, columns = shape->column_block / sets;
  const char *start = w->tile->masks ? "start" : "0";
  rk_open(w, "RK_INLINE void rk_weigh(real (*g)[%d], const int count, real *reference, "
             "real (*tops)[%d]%s)", rows, rows,
          w->tile->masks ? ", const rk_interval interval, const int from, const int *row_at, "
                           "const int *column_at" : "");
  rk_line(w, "const int row = threadIdx.x %% %d, set = threadIdx.x / %d, first = set * %d;", rows,
          rows, columns);
  rk_line(w, "const int left = count - first, n = left < %d ? left : %d;", columns, columns);
  if (w->tile->masks) {
    rk_line(w, "const int start = max(interval.from - from - first, 0);");
    mask_exponents(w);
  }
  rk_line(w, "real top = reference[row];");
  rk_line(w, "for (int v = %s; v < n; v++) top = rk_max(g[first + v][row], top);", start);
  rk_line(w, "tops[set][row] = top;");
  rk_line(w, "__syncthreads(); /* now nobody reads the old references any more */");
  rk_line(w, "rk_each (v, %d) top = rk_max(tops[v][row], top);", sets);
  rk_line(w, "top = rk_min(top, rk_num(RK_LARGEST)); /* +Inf keeps a finite reference */");
  rk_line(w, "if (set == 0) reference[row] = top;");
  rk_line(w, "for (int v = %s; v < n; v++) g[first + v][row] = rk_exp2(g[first + v][row] - top);",
          start);
  rk_close(w);
}

/* Between the scalars and the entering of them. */
static void call_weigh(rk_writer *w, int weight) {
  rk_line(w, "rk_weigh(shared[%d], count, reference, tops%s);", weight,
          w->tile->masks ? ", interval, from, row_at, column_at" : "");
  rk_line(w, "__syncthreads();");
  rk_open(w, "rk_each (u, %d)", w->tile->rows);
  rk_line(w, "const real top = reference[row0 + u];");
  rk_line(w, "if (top > z->m[u]) rk_raise(z, u, top);");
  rk_close(w);
}

static void declare_references(rk_writer *w, const rk_gpu_shape *shape) {
  rk_line(w, "__shared__ real reference[%d], tops[%d][%d];", shape->row_block,
          shape->threads / shape->row_block, shape->row_block);
  rk_line(w, "if (threadIdx.x < %d) reference[threadIdx.x] = rk_num(-RK_LARGEST);",
          shape->row_block);
}

/* Four rows or columns of a component, which are read at once. */
static const char *four_type(const rk_gpu_shape *shape, rk_nest_kind side) {
  return shape->half[side] ? "rk_quad<unsigned short>" : "rk_quad<real>";
}

static const char *row_type(const rk_gpu_shape *shape) {
  return shape->enter.rows == 4 ? four_type(shape, RK_NEST_ROW)
                                : rk_stored_type(shape, RK_NEST_ROW);
}

/* Columns j ... of the tile enter the state of a thread that owns rows. */
static void write_enter_tile(rk_writer *w, const rk_gpu_shape *shape, const exchange *e) {
  rk_open(w, "RK_INLINE void rk_tile(const int nv, const %s *restrict x, const %s *restrict y, "
             "const real *restrict params, int j, rk_state *z, const real *restrict shared, "
             "const int row0%s%s)",
          row_type(shape), four_type(shape, RK_NEST_COLUMN), w->grouped ? ", const int k0" : "",
          w->tile->masks ? RK_MASKED_GIVEN : "");
  rk_line(w, "char *const panel = 0;");
  for (int k = 0; k < e->count; k++) {
    int is_mask = rk_is_kept_as_mask(w, e->node[k]);
    rk_line(w, "%s n%d[%d][%d];", is_mask ? "mask" : "vec", e->node[k]->number, w->tile->columns,
            w->tile->rows);
    rk_line(w, "rk_each (v, nv) rk_each (u, %d)", w->tile->rows);
    rk_line(w, is_mask ? "  n%d[v][u] = rk_ne(shared[(%d + v) * %d + row0 + u], rk_num(0));"
                       : "  n%d[v][u] = shared[(%d + v) * %d + row0 + u];", e->node[k]->number,
            k * shape->column_block, shape->row_block);
  }
  rk_write_steps(w, shape->shared_steps, w->nest->steps);
  rk_write_accumulate(w);
  rk_close(w);
}

/* The tiles of columns: of the part of the block, or of its list; there as they are packed. */
static void open_tiles(rk_writer *w, int block) {
  if (!w->tile->masks) {
    rk_open(w, "for (int from = start; from < end; from += %d)", block);
    rk_line(w, "const int count = end - from < %d ? end - from : %d;", block, block);
    return;
  }
  rk_open(w, "for (; next < last; next++)");
  rk_line(w, "const rk_interval interval = *next;");
  rk_open(w, "for (int from = interval.from / %d * %d; from < interval.end; from += %d)", block,
          block, block);
  rk_write_list_bounds(w, block);
}

static void close_tiles(rk_writer *w, const char *call, int block) {
  if (w->tile->masks) rk_write_list_columns(w, call, "row0 + u", 1);
  else rk_write_columns(w, call, block);
  rk_close(w);
  if (w->tile->masks) rk_close(w);
}

static void write_blocked_pair(rk_writer *w, const rk_gpu_shape *shape, const exchange *e,
                               const char *suffix) {
  int block = shape->column_block, groups = shape->row_block / w->tile->rows;
  int weight = weight_of(w, e);
  char call[160];
  rk_write_pair_head(w, shape, suffix);
  rk_line(w, "const int row0 = threadIdx.x %% %d * %d;", groups, w->tile->rows);
  if (w->grouped)
    rk_line(w, "const int k0 = (blockIdx.z * %d + threadIdx.x / %d) * %d;",
            shape->threads / groups, groups, w->components);
  rk_line(w, "const %s *const x = rows + (long long)blockIdx.x * %ld;",
          rk_stored_type(shape, RK_NEST_ROW),
          (long)w->pass->slots[RK_NEST_ROW].size * shape->row_block);
  rk_line(w, "const %s *const own = (const %s *)(x + row0);", row_type(shape), row_type(shape));
  rk_line(w, "rk_state local, *const z = &local;");
  rk_line(w, "rk_start(z);");
  if (e->count) {
    rk_line(w, "__shared__ __align__(16) real shared[%d][%d][%d];", e->count, block,
            shape->row_block);
    rk_line(w, "__shared__ __align__(16) char stage[%d];", 2 * STAGE_BYTES);
  }
  if (weight >= 0) declare_references(w, shape);
  open_tiles(w, block);
  rk_line(w, "const %s *const y = columns + (long long)from * %d;",
          rk_stored_type(shape, RK_NEST_COLUMN), w->pass->slots[RK_NEST_COLUMN].size);
  if (e->count) {
    rk_line(w, "__syncthreads(); /* nobody reads the last tile any more */");
    rk_line(w, "rk_values(x, y, params, stage, shared);");
    rk_line(w, "__syncthreads();");
  }
  if (weight >= 0) call_weigh(w, weight);
  snprintf(call, sizeof call, "own, (const %s *)y + j / 4, params, from + j, z, %s, row0%s",
           four_type(shape, RK_NEST_COLUMN), e->count ? "shared[0][j]" : "0",
           w->grouped ? ", k0" : "");
  close_tiles(w, call, block);
  snprintf(call, sizeof call, "blockIdx.x * %d + row0 + u", shape->row_block);
  rk_write_pair_end(w, call);
  rk_close(w);
}

void rk_write_blocked_kernel(rk_text *out, const rk_pass *pass, const rk_gpu_shape *shape,
                                 const char *suffix) {
  exchange e;
  e.count = rk_exchanged(pass, shape->shared_steps, e.node, RK_MAX_EXCHANGED);
  char row[96], column[96], place[64];
  if (shape->enter.rows == 4) snprintf(place, sizeof place, "rk_get(x + (%%s) * %d, 1, u, 0)",
                                       shape->row_block / 4);
  else snprintf(place, sizeof place, "x[(%%s) * %d]", shape->row_block);
  rk_read_text(shape, RK_NEST_ROW, place, row, sizeof row);
  snprintf(place, sizeof place, "rk_get(y + (%%s) * %d, nv == 4, v, j & 3)",
           shape->column_block / 4);
  rk_read_text(shape, RK_NEST_COLUMN, place, column, sizeof column);
  const rk_spelling spelling = {.function = "RK_INLINE", .rare = "RK_INLINE",
                                .called = "RK_INLINE", .parameter = "params[%s]", .row = row,
                                .column = column, .unroll = 64, .in_registers = 1,
                                .rolled = RK_ROLLED};
  rk_writer w = {.out = out, .pass = pass, .nest = &pass->nest[RK_NEST_PAIR],
                 .tile = &shape->enter, .target = &spelling, .components = shape->components,
                 .grouped = shape->enter.rows > 1};
  if (e.count) write_values(out, pass, shape, &e);
  rk_write_state(&w);
  w.weighed = weight_of(&w, &e) >= 0;
  if (w.weighed) write_weigh(&w, shape);
  write_enter_tile(&w, shape, &e);
  write_blocked_pair(&w, shape, &e, suffix);
  rk_writer_free(&w);
}
