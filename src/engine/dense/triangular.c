/* Triangles. They are halved until they are small, so that nearly all is products. */
#include "dense/parts.h"

/* Rows of the first half: whole bases. */
static int64_t half(int64_t n) {
  return (n / 2 + RK_DENSE_BASE - 1) / RK_DENSE_BASE * RK_DENSE_BASE;
}

/* ---- solving ---- */

typedef struct {
  rk_dense_work *work;
  rk_matrix b;
  const void *triangle; /* as kernels want it */
} sides;

static void solve_task(void *data, int64_t task, const rk_worker *worker) {
  const sides *s = data;
  rk_dense_work *w = s->work;
  const rk_dense_kernels *k = w->kernels;
  const int64_t from = task * k->sides, left = s->b.columns - from;
  const rk_matrix b =
    rk_dense_part(w, s->b, 0, from, s->b.rows, left < k->sides ? left : k->sides);
  void *room = rk_dense_room(w);
  (void)worker;
  k->pack(rk_turned(b), k->sides, room);
  k->solve((int)b.rows, s->triangle, room);
  k->give(room, k->sides, rk_turned(b));
  rk_dense_leave(w, room);
}

static rk_status solve_base(rk_dense_work *work, rk_matrix l, rk_matrix b) {
  double triangle[RK_DENSE_BASE * RK_DENSE_BASE];
  sides s = {work, b, triangle};
  work->kernels->pack(rk_turned(l), RK_DENSE_BASE, triangle);
  return rk_dense_parallel(work, (b.columns + work->kernels->sides - 1) / work->kernels->sides,
                           solve_task, &s, (double)l.rows * (double)l.rows * (double)b.columns / 2);
}

/* l x = b in place. */
static rk_status solve(rk_dense_work *work, rk_matrix l, rk_matrix b) {
  const int64_t n = l.rows, upper = half(n), lower = n - upper, m = b.columns;
  if (n <= RK_DENSE_BASE) return solve_base(work, l, b);
  const rk_matrix first = rk_dense_part(work, b, 0, 0, upper, m);
  const rk_matrix last = rk_dense_part(work, b, upper, 0, lower, m);
  const rk_matrix below = rk_dense_part(work, l, upper, 0, lower, upper);
  rk_status status = solve(work, rk_dense_part(work, l, 0, 0, upper, upper), first);
  if (!status)
    status = rk_dense_multiply(work, &(rk_dense_factors){below, first, last, RK_SUBTRACT, RK_ALL});
  return status ? status : solve(work, rk_dense_part(work, l, upper, upper, lower, lower), last);
}

/* Rows from the last one on, and so columns of a triangle: upper is lower then. */
static rk_matrix from_last(const rk_dense_work *work, rk_matrix x, int columns_too) {
  if (!x.rows) return x;
  x = rk_dense_part(work, x, x.rows - 1, columns_too ? x.columns - 1 : 0, x.rows, x.columns);
  x.row_step *= -1;
  if (columns_too) x.column_step *= -1;
  return x;
}

rk_status rk_dense_solve(const rk_dense *call, rk_triangle which, rk_matrix triangle, rk_matrix b) {
  const int64_t n = triangle.rows, m = b.columns;
  if (triangle.columns != n || b.rows != n)
    return rk_fail(call->error, RK_ERROR_SHAPE,
                   "a triangle of %lld x %lld and right-hand sides of %lld rows do not agree",
                   (long long)n, (long long)triangle.columns, (long long)b.rows);
  const int64_t most = n > m ? n : m;
  rk_dense_work work;
  rk_status status = rk_dense_begin(&work, call, (rk_dense_size){most, most, n},
                                    (double)n * (double)n * (double)m / 2);
  if (!status && which == RK_UPPER) {
    triangle = from_last(&work, triangle, 1);
    b = from_last(&work, b, 0);
  }
  if (!status) status = solve(&work, triangle, b);
  rk_dense_end(&work);
  return status;
}

/* ---- Cholesky's factor ---- */

static rk_status factor_base(rk_dense_work *work, rk_matrix a, int64_t *pivot) {
  double triangle[RK_DENSE_BASE * RK_DENSE_BASE];
  const int n = (int)a.rows;
  work->kernels->pack(a, RK_DENSE_BASE, triangle);
  const int wrong = work->kernels->factor(n, triangle);
  work->kernels->give(triangle, RK_DENSE_BASE, a);
  *pivot = wrong < n ? wrong + 1 : 0;
  return RK_OK;
}

/* What stands above the diagonal has no meaning before and after. */
static rk_status factor(rk_dense_work *work, rk_matrix a, int64_t *pivot) {
  const int64_t n = a.rows, upper = half(n), lower = n - upper;
  if (n <= RK_DENSE_BASE) return factor_base(work, a, pivot);
  const rk_matrix first = rk_dense_part(work, a, 0, 0, upper, upper);
  const rk_matrix last = rk_dense_part(work, a, upper, upper, lower, lower);
  const rk_matrix below = rk_dense_part(work, a, upper, 0, lower, upper);
  rk_status status = factor(work, first, pivot);
  if (!status && !*pivot) status = solve(work, first, rk_turned(below));
  if (status || *pivot) return status;
  status = rk_dense_multiply(work, &(rk_dense_factors){below, rk_turned(below), last,
                                                       RK_SUBTRACT, RK_LOWER});
  if (!status) status = factor(work, last, pivot);
  if (*pivot) *pivot += upper;
  return status;
}

rk_status rk_dense_cholesky(const rk_dense *call, rk_matrix a, int64_t *pivot) {
  const int64_t n = a.rows;
  *pivot = 0;
  if (a.columns != n)
    return rk_fail(call->error, RK_ERROR_SHAPE, "a matrix of %lld x %lld has no such factor",
                   (long long)n, (long long)a.columns);
  rk_dense_work work;
  rk_status status = rk_dense_begin(&work, call, (rk_dense_size){n, n, n},
                                    (double)n * (double)n * (double)n / 6);
  if (!status) status = factor(&work, a, pivot);
  if (!status && !*pivot) work.kernels->fill(a, 1);
  rk_dense_end(&work);
  return status;
}
