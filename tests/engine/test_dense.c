/* Dense algebra against sums in long double, in both precisions, with all vectors that the processor
 * has, for matrices that lie in memory in several ways. Errors are held against the bounds that hold
 * for sums in any order: so many roundings of the sum of the sizes of all terms. */
#include "check.h"
#include "os.h"

#include <float.h>

static rk_precision precision;
static rk_error error;

/* ---- matrices ---- */

typedef enum { BY_COLUMNS, BY_ROWS, FROM_LAST, APART, WAYS } way;
typedef struct { rk_matrix m; void *memory; size_t n; } matrix;

static double get(rk_matrix m, int64_t i, int64_t j) {
  const int64_t at = i * m.row_step + j * m.column_step;
  return precision == RK_FLOAT64 ? ((double *)m.at)[at] : ((float *)m.at)[at];
}
static void put(rk_matrix m, int64_t i, int64_t j, double x) {
  const int64_t at = i * m.row_step + j * m.column_step;
  if (precision == RK_FLOAT64) ((double *)m.at)[at] = x;
  else ((float *)m.at)[at] = (float)x;
}

/* What lies between the elements of a matrix, or behind them, is `outside`. */
static const double outside = 77.5;
static matrix matrix_new(int64_t rows, int64_t columns, way how) {
  const size_t size = precision == RK_FLOAT64 ? sizeof(double) : sizeof(float);
  matrix x = {.n = (size_t)(6 * (rows + 1) * (columns + 1))};
  x.memory = malloc(x.n * size);
  x.m = (rk_matrix){x.memory, (int64_t)x.n, 1, 1, 0};
  for (int64_t k = 0; k < (int64_t)x.n; k++) put(x.m, k, 0, outside);
  x.m = (rk_matrix){x.memory, rows, columns, 1, rows + 1};
  if (how == BY_ROWS) x.m.row_step = columns + 1, x.m.column_step = 1;
  if (how == APART) x.m.row_step = 2, x.m.column_step = 2 * rows + 3;
  if (how == FROM_LAST && rows && columns) {
    x.m.at = (char *)x.memory + (rows - 1 + (columns - 1) * (rows + 1)) * (int64_t)size;
    x.m.row_step = -1, x.m.column_step = -rows - 1;
  }
  return x;
}
static matrix matrix_random(int64_t rows, int64_t columns, way how) {
  matrix x = matrix_new(rows, columns, how);
  for (int64_t j = 0; j < columns; j++)
    for (int64_t i = 0; i < rows; i++) put(x.m, i, j, 2 * uniform() - 1);
  return x;
}
static void copy(rk_matrix from, rk_matrix to) {
  for (int64_t j = 0; j < to.columns; j++)
    for (int64_t i = 0; i < to.rows; i++) put(to, i, j, get(from, i, j));
}
static int are_same(rk_matrix a, rk_matrix b) {
  for (int64_t j = 0; j < a.columns; j++)
    for (int64_t i = 0; i < a.rows; i++) {
      const double x = get(a, i, j), y = get(b, i, j);
      if (memcmp(&x, &y, sizeof x)) return 0;
    }
  return 1;
}
/* Elements of x are lost here: to be asked last. */
static int is_kept(matrix x) {
  int64_t changed = 0;
  for (int64_t j = 0; j < x.m.columns; j++)
    for (int64_t i = 0; i < x.m.rows; i++) put(x.m, i, j, outside);
  const rk_matrix all = {x.memory, (int64_t)x.n, 1, 1, 0};
  for (int64_t k = 0; k < all.rows; k++) changed += get(all, k, 0) != outside;
  return !changed;
}

/* ---- what is asked for ---- */

/* Its elements by columns, without gaps. */
static double *gathered(rk_matrix m) {
  double *x = malloc((size_t)(m.rows * m.columns + 1) * sizeof *x), *at = x;
  for (int64_t j = 0; j < m.columns; j++)
    for (int64_t i = 0; i < m.rows; i++) *at++ = get(m, i, j);
  return x;
}

/* |c - a b| <= roundings |a| |b|, where `which` says. */
static int is_product(rk_matrix a, rk_matrix b, rk_matrix c, rk_triangle which) {
  const double unit = precision == RK_FLOAT64 ? DBL_EPSILON : FLT_EPSILON;
  double *const rows = gathered(rk_turned(a)), *const columns = gathered(b);
  const int64_t depth = a.columns;
  int good = 1;
  for (int64_t i = 0; i < c.rows && good; i++)
    for (int64_t j = 0; j < c.columns; j++) {
      if ((which == RK_LOWER && j > i) || (which == RK_UPPER && j < i)) continue;
      const double *x = rows + i * depth, *y = columns + j * depth;
      long double sum = 0, size = 0;
      for (int64_t k = 0; k < depth; k++) {
        const long double term = (long double)x[k] * y[k];
        sum += term;
        size += fabsl(term);
      }
      good &= fabsl(sum - get(c, i, j)) <= (double)(depth + 2) * unit * size;
    }
  free(rows), free(columns);
  return good;
}

static rk_dense call_of(int threads) {
  return (rk_dense){precision, threads, NULL, NULL, &error};
}

static void check_product(int64_t rows, int64_t depth, int64_t columns, way how) {
  const rk_dense call = call_of(1), two = call_of(2);
  matrix a = matrix_random(rows, depth, how), b = matrix_random(depth, columns, (how + 1) % WAYS);
  matrix c = matrix_new(rows, columns, (how + 2) % WAYS), d = matrix_new(rows, columns, how);
  CHECK(rk_dense_product(&call, a.m, b.m, c.m) == RK_OK && is_product(a.m, b.m, c.m, RK_ALL),
        "a product");
  CHECK(rk_dense_product(&two, a.m, b.m, d.m) == RK_OK && are_same(c.m, d.m),
        "on two threads, and where it lies otherwise, it has the same bits");
  CHECK(is_kept(c) && is_kept(d), "nothing else is written");
  free(a.memory), free(b.memory), free(c.memory), free(d.memory);
}

static void check_crossprod(int64_t rows, int64_t columns, way how) {
  const rk_dense call = call_of(1), two = call_of(2);
  matrix a = matrix_random(rows, columns, how), c = matrix_new(columns, columns, (how + 1) % WAYS);
  matrix d = matrix_new(columns, columns, how);
  CHECK(rk_dense_crossprod(&call, a.m, c.m) == RK_OK &&
        is_product(rk_turned(a.m), a.m, c.m, RK_ALL), "a cross product");
  CHECK(are_same(c.m, rk_turned(c.m)), "it is symmetric");
  CHECK(rk_dense_crossprod(&two, a.m, d.m) == RK_OK && are_same(c.m, d.m), "by two threads");
  CHECK(is_kept(c) && is_kept(d), "nothing else is written");
  free(a.memory), free(c.memory), free(d.memory);
}

/* A symmetric matrix with eigenvalues from about 1 on, as its lower triangle; NaN above. */
static matrix positive(int64_t n, way how) {
  const rk_dense call = call_of(1);
  matrix a = matrix_random(n + 3, n, BY_COLUMNS), s = matrix_new(n, n, how);
  rk_dense_crossprod(&call, a.m, s.m);
  for (int64_t j = 0; j < n; j++) {
    put(s.m, j, j, get(s.m, j, j) + 1);
    for (int64_t i = 0; i < j; i++) put(s.m, i, j, NAN);
  }
  free(a.memory);
  return s;
}

static void check_triangles(int64_t n, int64_t sides, way how) {
  const rk_dense call = call_of(1), two = call_of(2);
  matrix s = positive(n, BY_COLUMNS), l = matrix_new(n, n, how), again = matrix_new(n, n, BY_ROWS);
  int64_t pivot = -1, above = 0;
  copy(s.m, l.m);
  copy(s.m, again.m);
  CHECK(rk_dense_cholesky(&call, l.m, &pivot) == RK_OK && !pivot, "there is a factor");
  for (int64_t j = 0; j < n; j++)
    for (int64_t i = 0; i < j; i++) above += get(l.m, i, j) != 0;
  CHECK(!above && is_product(l.m, rk_turned(l.m), s.m, RK_LOWER), "it is a lower one, of a");
  CHECK(rk_dense_cholesky(&two, again.m, &pivot) == RK_OK && are_same(l.m, again.m),
        "on two threads, and where it lies otherwise, it has the same bits");
  for (int64_t j = 0; j < n; j++)
    for (int64_t i = 0; i < j; i++) put(l.m, i, j, NAN);
  copy(l.m, again.m);
  for (int upper = 0; upper < 2; upper++) {
    matrix b = matrix_random(n, sides, (how + 1) % WAYS), x = matrix_new(n, sides, how);
    matrix y = matrix_new(n, sides, BY_ROWS);
    copy(b.m, x.m);
    copy(b.m, y.m);
    const rk_triangle which = upper ? RK_UPPER : RK_LOWER;
    const rk_matrix triangle = upper ? rk_turned(l.m) : l.m;
    CHECK(rk_dense_solve(&call, which, triangle, x.m) == RK_OK, "it is solved");
    CHECK(rk_dense_solve(&two, which, upper ? rk_turned(again.m) : again.m, y.m) == RK_OK &&
          are_same(x.m, y.m), "the same bits");
    for (int64_t j = 0; j < n; j++)
      for (int64_t i = 0; i < j; i++) put(again.m, i, j, 0);
    CHECK(is_product(upper ? rk_turned(again.m) : again.m, x.m, b.m, RK_ALL), "a solution");
    CHECK(is_kept(x) && is_kept(y), "nothing else is written");
    free(b.memory), free(x.memory), free(y.memory);
  }
  CHECK(is_kept(l) && is_kept(again), "nothing else is written");
  free(s.memory), free(l.memory), free(again.memory);
}

static void test_sizes(void) {
  static const int64_t edges[] = {0, 1, 3, 4, 5, 11, 12, 13, 23, 25, 48, 49, 63, 64, 65, 129};
  enum { N = sizeof edges / sizeof *edges };
  for (int k = 0; k < N; k++) {
    const int64_t n = edges[k], m = edges[(k * 7 + 3) % N], depth = edges[(k * 5 + 6) % N];
    for (int how = 0; how < WAYS; how++) {
      check_product(n, depth, m, (way)how);
      check_crossprod(n, m, (way)how);
      check_triangles(n, m, (way)how);
    }
  }
  check_product(50, 0, 50, BY_COLUMNS);
  check_product(193, 257, 65, BY_COLUMNS);   /* more than one block each way */
  check_product(40, 70, 530, APART);
  check_product(9, 4500, 7, BY_COLUMNS);     /* in parts */
  check_crossprod(3000, 17, BY_ROWS);
  check_triangles(200, 150, BY_COLUMNS);
}

/* A whole block, on all its edges, larger than what is packed at once. */
static void test_large(void) {
  check_product(400, 300, 530, BY_ROWS);
  check_triangles(391, 260, BY_ROWS);
}

static void test_pivots(void) {
  static const double wrong[] = {0, -1, NAN, -INFINITY};
  const rk_dense call = call_of(1);
  for (int64_t n = 1; n < 200; n += 66)
    for (int64_t k = 0; k < n; k += 1 + n / 5)
      for (int w = 0; w < 4; w++) {
        matrix s = positive(n, BY_COLUMNS);
        for (int64_t j = 0; j < k; j++) put(s.m, k, j, 0);
        put(s.m, k, k, wrong[w]);
        int64_t pivot = 0;
        CHECK(rk_dense_cholesky(&call, s.m, &pivot) == RK_OK && pivot == k + 1,
              "the first pivot that is not positive is named");
        free(s.memory);
      }
}

/* NaN and infinite numbers reach what they are in, and nothing else. */
static void test_not_finite(void) {
  const rk_dense call = call_of(1);
  matrix a = matrix_random(30, 20, BY_COLUMNS), b = matrix_random(20, 9, BY_COLUMNS);
  matrix c = matrix_new(30, 9, BY_COLUMNS);
  put(a.m, 29, 19, NAN);
  put(b.m, 0, 8, INFINITY);
  rk_dense_product(&call, a.m, b.m, c.m);
  int wrong = 0;
  for (int64_t i = 0; i < 30; i++)
    for (int64_t j = 0; j < 9; j++) {
      const double x = get(c.m, i, j);
      wrong += i == 29 ? !isnan(x) : j == 8 ? !isinf(x) : !isfinite(x);
    }
  CHECK(!wrong, "rows of NaN, columns of what is infinite");
  free(a.memory), free(b.memory), free(c.memory);
}

/* ---- threads that poll ---- */

typedef struct { int polls, stop_at, inner; double done; } asked;
static int ask(void *data, double done) {
  asked *a = data;
  a->polls++;
  if (!(done >= a->done - 1e-12 && done <= 1 + 1e-12)) a->done = 9;
  else a->done = done;
  if (a->inner) check_product(40, 20, 30, BY_COLUMNS);
  return a->stop_at && a->polls >= a->stop_at;
}

static void test_polls(void) {
  enum { N = 1500 };
  matrix a = positive(N, BY_COLUMNS), b = matrix_random(N, N, BY_COLUMNS);
  matrix c = matrix_new(N, N, BY_COLUMNS);
  for (int threads = 1; threads <= 2; threads++)
    for (int stop = 0; stop < 2; stop++) {
      rk_dense call = call_of(threads);
      int64_t pivot;
      asked of = {.stop_at = stop, .inner = 1};
      call.poll = ask;
      call.poll_data = &of;
      const rk_status expected = stop ? RK_CANCELLED : RK_OK;
      CHECK(rk_dense_product(&call, b.m, b.m, c.m) == expected && of.polls, "a product asks");
      CHECK(of.done >= 0 && of.done <= 1, "how far it is goes from 0 to 1");
      of = (asked){.stop_at = stop};
      copy(a.m, c.m);
      CHECK(rk_dense_cholesky(&call, c.m, &pivot) == expected && of.polls, "a factor asks");
      CHECK(of.done >= 0 && of.done <= 1, "how far it is goes from 0 to 1");
      if (stop) continue;
      matrix x = matrix_random(N, N, BY_COLUMNS);
      of = (asked){.stop_at = 2};
      CHECK(rk_dense_solve(&call, RK_LOWER, c.m, x.m) == RK_CANCELLED, "a solution is stopped");
      free(x.memory);
    }
  free(a.memory), free(b.memory), free(c.memory);
}

/* ---- what is refused ---- */

static void test_refused(void) {
  rk_dense call = call_of(1);
  matrix a = matrix_random(3, 2, BY_COLUMNS), s = matrix_random(2, 2, BY_COLUMNS);
  int64_t pivot;
  CHECK(rk_dense_product(&call, a.m, a.m, s.m) == RK_ERROR_SHAPE &&
        strstr(error.message, "3 x 2 times one of 3 x 2"), "sizes of a product");
  CHECK(rk_dense_crossprod(&call, rk_turned(a.m), s.m) == RK_ERROR_SHAPE, "of its result");
  CHECK(rk_dense_cholesky(&call, a.m, &pivot) == RK_ERROR_SHAPE, "what is not square");
  CHECK(rk_dense_solve(&call, RK_LOWER, a.m, s.m) == RK_ERROR_SHAPE &&
        rk_dense_solve(&call, RK_LOWER, s.m, a.m) == RK_ERROR_SHAPE, "triangles");
  call.precision = RK_FLOAT16;
  CHECK(rk_dense_crossprod(&call, a.m, s.m) == RK_ERROR_ARGUMENT, "float16");
  free(a.memory), free(s.memory);
}

static void test_vectors(void) {
  const rk_dense call = call_of(1);
  matrix a = matrix_random(2, 2, BY_COLUMNS), c = matrix_new(2, 2, BY_COLUMNS);
  setenv("RKEOPS_VECTORS", "many", 1);
  CHECK(rk_dense_crossprod(&call, a.m, c.m) == RK_ERROR_ARGUMENT && strstr(error.message, "many"),
        "vectors that no processor has");
  unsetenv("RKEOPS_VECTORS");
  free(a.memory), free(c.memory);
}

int main(void) {
  rk_set_threads(2, &error);
  for (int bytes = 16; bytes <= rk_os_vector_bytes(); bytes *= 2) {
    char text[16];
    snprintf(text, sizeof text, "%d", bytes);
    setenv("RKEOPS_VECTORS", text, 1);
    for (int p = 0; p < 2; p++) {
      precision = p ? RK_FLOAT32 : RK_FLOAT64;
      test_sizes();
      test_pivots();
      test_not_finite();
      test_refused();
    }
  }
  unsetenv("RKEOPS_VECTORS");
  precision = RK_FLOAT64;
  test_large();
  test_polls();
  test_vectors();
  return check_end();
}
