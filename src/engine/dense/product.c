/* Products of matrices. A task makes a block of the result: it packs what it needs of both operands
 * and sums over their inner dimension from the first to the last. So no sum depends on how the
 * result is cut. Where the result is small and the inner dimension long, this is cut into parts, as
 * sizes say, whose sums are added in order. */
#include "dense/parts.h"
#include "dense/blocks.h"
#include "os.h"

enum { MOST_PARTS = 16, LONG_PART = 4 * RK_BLOCK_DEPTH, SMALL_RESULT = 256 * 256,
       TASKS = 4,            /* for each thread, so that none waits for long */
       LEAST_ROWS = 48, LEAST_COLUMNS = 64 };

typedef struct {
  rk_dense_work *work;
  rk_dense_factors f;
  int64_t rows, columns, down, across; /* of a block of c; blocks */
  int64_t parts, part_depth;
  char *sums;                          /* of all parts; NULL: one, in c */
} product;

static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

/* Seen so that rows of c lie together where they can: c, or t(c) = t(b) t(a), both perhaps from
 * their last row on. */
static rk_dense_factors rows_together(const rk_dense_work *work, rk_dense_factors f) {
  static const rk_triangle other[] = {RK_ALL, RK_UPPER, RK_LOWER};
  if (f.c.row_step * f.c.row_step != 1 && f.c.column_step * f.c.column_step == 1) {
    const rk_matrix a = f.a;
    f.a = rk_turned(f.b);
    f.b = rk_turned(a);
    f.c = rk_turned(f.c);
    f.triangle = other[f.triangle];
  }
  if (f.c.row_step == -1 && f.triangle == RK_ALL && f.c.rows) {
    f.a = rk_dense_part(work, f.a, f.a.rows - 1, 0, f.a.rows, f.a.columns);
    f.c = rk_dense_part(work, f.c, f.c.rows - 1, 0, f.c.rows, f.c.columns);
    f.a.row_step *= -1;
    f.c.row_step *= -1;
  }
  return f;
}

/* ---- a task ---- */

/* One block of c, of a part of the inner dimension. */
typedef struct { int64_t row, column, rows, columns, from, end; } piece;

static int is_wanted(const product *p, const piece *at) {
  if (p->f.triangle == RK_LOWER) return at->row + at->rows > at->column;
  return p->f.triangle == RK_ALL || at->column + at->columns > at->row;
}

/* The rows of a that are packed at once, with what is packed of b. */
static void multiply_rows(const product *p, const piece *at, rk_matrix a, rk_dense_block *block) {
  const rk_dense_work *w = p->work;
  const rk_dense_kernels *k = w->kernels;
  const rk_matrix c = block->c;
  for (int64_t i = 0; i < at->rows; i += RK_BLOCK_ROWS) {
    const int64_t rows = lesser(RK_BLOCK_ROWS, at->rows - i);
    k->pack(rk_dense_part(w, a, i, 0, rows, a.columns), k->rows, (void *)block->a);
    block->c = rk_dense_part(w, c, i, 0, rows, at->columns);
    block->below = at->row + i - at->column;
    k->multiply(block);
  }
  block->c = c;
}

static void multiply_piece(const product *p, const piece *at, rk_matrix c,
                           const rk_worker *worker) {
  rk_dense_work *w = p->work;
  const rk_dense_factors *f = &p->f;
  char *room = rk_dense_room(w);
  const int64_t depth = rk_dense_depth(f->a.columns);
  char *packed = room + rk_dense_rows(w->kernels, f->c.rows) * depth * w->kernels->size;
  rk_dense_block block = {.a = room, .b = packed, .c = c, .fill = f->fill, .triangle = f->triangle};
  int64_t k = at->from;
  do { /* once at least: a sum of nothing is 0 */
    block.depth = lesser(depth, at->end - k);
    w->kernels->pack(rk_turned(rk_dense_part(w, f->b, k, at->column, block.depth, at->columns)),
                     w->kernels->columns, packed);
    multiply_rows(p, at, rk_dense_part(w, f->a, at->row, k, at->rows, block.depth), &block);
    if (block.fill == RK_SET) block.fill = RK_ADD;
    k += block.depth;
  } while (k < at->end && !rk_parallel_stopped(worker));
  rk_dense_leave(w, room);
}

static void multiply_task(void *data, int64_t task, const rk_worker *worker) {
  const product *p = data;
  const int64_t blocks = p->down * p->across, part = task / blocks, block = task % blocks;
  const int64_t rows = p->f.c.rows, columns = p->f.c.columns;
  piece at = {.row = block % p->down * p->rows, .column = block / p->down * p->columns,
              .from = part * p->part_depth};
  at.rows = lesser(p->rows, rows - at.row);
  at.columns = lesser(p->columns, columns - at.column);
  at.end = lesser(at.from + p->part_depth, p->f.a.columns);
  if (!is_wanted(p, &at)) return;
  rk_matrix c = p->f.c;
  if (p->sums)
    c = (rk_matrix){p->sums + part * rows * columns * p->work->kernels->size, rows, columns,
                    1, rows};
  multiply_piece(p, &at, rk_dense_part(p->work, c, at.row, at.column, at.rows, at.columns), worker);
}

/* ---- all of them ---- */

static void cut_result(product *p) {
  const int64_t rows = p->f.c.rows, columns = p->f.c.columns;
  p->rows = 4 * RK_BLOCK_ROWS;
  p->columns = RK_BLOCK_COLUMNS;
  for (;;) {
    p->down = (rows + p->rows - 1) / p->rows;
    p->across = (columns + p->columns - 1) / p->columns;
    if (p->work->threads == 1 || p->down * p->across * p->parts >= TASKS * p->work->threads) return;
    if (p->rows == LEAST_ROWS && p->columns == LEAST_COLUMNS) return;
    const int is_high = p->rows > LEAST_ROWS && p->rows >= p->columns;
    if (is_high || p->columns == LEAST_COLUMNS) p->rows /= 2;
    else p->columns /= 2;
  }
}

static void cut_depth(product *p) {
  const int64_t depth = p->f.a.columns, parts = lesser(depth / LONG_PART, MOST_PARTS);
  p->parts = 1;
  p->part_depth = depth;
  if (parts < 2 || p->f.c.rows * p->f.c.columns > SMALL_RESULT || p->f.fill != RK_SET) return;
  p->part_depth = rk_dense_up_to((depth + parts - 1) / parts, depth, RK_BLOCK_DEPTH);
  p->parts = (depth + p->part_depth - 1) / p->part_depth;
}

static rk_status run(product *p, double operations) {
  return rk_dense_parallel(p->work, p->down * p->across * p->parts, multiply_task, p, operations);
}

static rk_status run_parts(product *p, double operations) {
  const rk_dense_kernels *k = p->work->kernels;
  const int64_t rows = p->f.c.rows, n = rows * p->f.c.columns;
  const size_t bytes = (size_t)(n * p->parts * k->size);
  p->sums = rk_os_aligned(bytes);
  if (!p->sums) return rk_fail_memory(p->work->caller.error, bytes);
  rk_status status = run(p, operations);
  if (!status) {
    k->sum(n, (int)p->parts, p->sums);
    k->give(p->sums, (int)rows, p->f.c);
  }
  rk_os_aligned_free(p->sums);
  return status;
}

rk_status rk_dense_multiply(rk_dense_work *work, const rk_dense_factors *factors) {
  product p = {.work = work, .f = rows_together(work, *factors)};
  double operations = (double)p.f.c.rows * (double)p.f.c.columns * (double)p.f.a.columns;
  if (p.f.triangle != RK_ALL) operations /= 2;
  cut_depth(&p);
  cut_result(&p);
  return p.parts > 1 ? run_parts(&p, operations) : run(&p, operations);
}

/* ---- what others call ---- */

static rk_status refuse(const rk_dense *call, rk_matrix a, rk_matrix b, rk_matrix c) {
  return rk_fail(call->error, RK_ERROR_SHAPE,
                 "a matrix of %lld x %lld times one of %lld x %lld is none of %lld x %lld",
                 (long long)a.rows, (long long)a.columns, (long long)b.rows, (long long)b.columns,
                 (long long)c.rows, (long long)c.columns);
}

static rk_status multiply(const rk_dense *call, const rk_dense_factors *f) {
  const rk_matrix a = f->a, b = f->b, c = f->c;
  if (a.columns != b.rows || a.rows != c.rows || b.columns != c.columns)
    return refuse(call, a, b, c);
  const int64_t most = c.rows > c.columns ? c.rows : c.columns; /* it may be turned */
  rk_dense_work work;
  rk_status status = rk_dense_begin(&work, call, (rk_dense_size){most, most, a.columns},
                                    (double)c.rows * (double)c.columns * (double)a.columns);
  if (!status) status = rk_dense_multiply(&work, f);
  if (!status && f->triangle == RK_LOWER) work.kernels->fill(c, 0);
  rk_dense_end(&work);
  return status;
}

rk_status rk_dense_product(const rk_dense *call, rk_matrix a, rk_matrix b, rk_matrix c) {
  return multiply(call, &(rk_dense_factors){a, b, c, RK_SET, RK_ALL});
}

rk_status rk_dense_crossprod(const rk_dense *call, rk_matrix a, rk_matrix c) {
  return multiply(call, &(rk_dense_factors){rk_turned(a), a, c, RK_SET, RK_LOWER});
}
