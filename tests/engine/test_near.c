/* Blocks of points that are near each other: each pair within the radius is in them once, whatever
 * the points are like, and for uniform points not many others are. */
#include "check.h"


/* What points are like. */
typedef enum { UNIFORM, CLUSTERS, EQUAL, LATTICE, OUTLIERS, SPECIAL, KINDS } kind;

static double coordinate(kind what) {
  double u = uniform();
  if (what == CLUSTERS) return floor(u * 3) * 100 + uniform() * 0.5;
  if (what == EQUAL) return 0.25;
  if (what == LATTICE) return floor(u * 4);
  if (what == OUTLIERS && u < 0.05) return (u - 0.025) * 1e308;
  if (what == SPECIAL && u < 0.1) return u < 0.03 ? NAN : u < 0.06 ? INFINITY : -INFINITY;
  return u;
}

static double *points(kind what, int64_t rows, int dimension) {
  double *at = malloc((size_t)(rows * dimension) * sizeof *at + 1);
  if (!at) exit(2);
  for (int64_t k = 0; k < rows * dimension; k++) at[k] = coordinate(what);
  return at;
}

static double distance(const rk_near *near, int64_t i, int64_t j) {
  double all = 0;
  for (int d = 0; d < near->dimension; d++) {
    double one = fabs(near->x.at[d * near->x.rows + i] - near->y.at[d * near->y.rows + j]);
    if (near->metric == RK_EUCLIDEAN) all = hypot(all, one);
    else if (near->metric == RK_MANHATTAN) all += one;
    else all = one > all || one != one ? one : all;
  }
  return all;
}

/* How often each pair is in the blocks; 0: they are no blocks. */
static int count_pairs(const rk_near *near, const rk_near_blocks *b, unsigned char *met) {
  int32_t row = 0, k = 0;
  memset(met, 0, (size_t)(near->x.rows * near->y.rows));
  for (int64_t s = 0; s < b->segments; s++) {
    int32_t first = k, last_end = -1;
    for (; k < b->list_end[s]; k++) {
      if (b->from[k] <= last_end || b->end[k] <= b->from[k] || b->end[k] > near->y.rows) return 0;
      last_end = b->end[k];
    }
    for (int32_t r = row; r < b->row_end[s]; r++)
      for (int32_t i = first; i < k; i++)
        for (int32_t c = b->from[i]; c < b->end[i]; c++)
          met[b->order[0][r] * near->y.rows + b->order[1][c]]++;
    row = b->row_end[s];
  }
  return row == near->x.rows && k == b->intervals;
}

static void check_pairs(const rk_near *near) {
  rk_near_blocks b;
  rk_error error;
  unsigned char *met = malloc((size_t)(near->x.rows * near->y.rows) + 1);
  CHECK(met && rk_near_make(near, &b, NULL, NULL, &error) == RK_OK, "blocks are made");
  CHECK(count_pairs(near, &b, met), "they are what rk_run_blocks takes");
  int lost = 0, twice = 0;
  for (int64_t i = 0; i < near->x.rows; i++)
    for (int64_t j = 0; j < near->y.rows; j++) {
      unsigned char one = met[i * near->y.rows + j];
      lost += distance(near, i, j) <= near->radius && !one;
      twice += one > 1;
    }
  CHECK(!lost, "each pair within the radius is kept");
  CHECK(!twice, "each is kept once");
  rk_near_free(&b);
  free(met);
}

static void test_pairs(void) {
  static const double radius[] = {0, 1e-300, 0.01, 0.2, 1, 3, 1e200};
  static const int64_t rows[][2] = {{200, 150}, {1, 30}, {40, 1}, {0, 5}, {5, 0}, {17, 9}};
  for (int what = 0; what < KINDS; what++)
    for (int dimension = 1; dimension <= RK_MAX_NEAR; dimension++)
      for (size_t n = 0; n < sizeof rows / sizeof *rows; n++) {
        double *x = points((kind)what, rows[n][0], dimension);
        double *y = points((kind)what, rows[n][1], dimension);
        for (size_t r = 0; r < sizeof radius / sizeof *radius; r++)
          for (int metric = RK_EUCLIDEAN; metric <= RK_MAXIMUM; metric++) {
            rk_near near = {{x, rows[n][0]}, {y, rows[n][1]}, dimension, (rk_metric)metric,
                            radius[r]};
            check_pairs(&near);
            near.y = near.x;
            check_pairs(&near);
          }
        free(x);
        free(y);
      }
}

/* Pairs in the blocks of uniform points, for each pair within the radius but for the borders; the
 * odd ones lie `apart` from the others. */
static double pairs_kept(double in_ball, double apart, int threads) {
  enum { ROWS = 100000 };
  double *x = points(UNIFORM, ROWS, 3), pairs = 0;
  for (int k = 1; k < ROWS; k += 2) x[k] += apart;
  rk_near near = {{x, ROWS}, {x, ROWS}, 3, RK_EUCLIDEAN, cbrt(in_ball / ROWS * 0.75 / 3.14159265)};
  rk_near_blocks b;
  rk_error error;
  rk_set_threads(threads, &error);
  CHECK(rk_near_make(&near, &b, NULL, NULL, &error) == RK_OK, "blocks are made");
  int32_t row = 0, k = 0;
  for (int64_t s = 0; s < b.segments; row = b.row_end[s++])
    for (; k < b.list_end[s]; k++)
      pairs += (double)(b.end[k] - b.from[k]) * (b.row_end[s] - row);
  rk_near_free(&b);
  free(x);
  return pairs / ROWS / in_ball;
}

static void test_share(void) {
  CHECK(pairs_kept(100, 0, 0) < 6, "few pairs more than are within the radius");
  CHECK(pairs_kept(1000, 0, 0) < 3.5, "fewer where boxes are small beside it");
  CHECK(pairs_kept(200, 1e9, 0) < 4, "clusters that are far apart take few digits from each other");
  unsigned long long same = check_seed;
  double with_one = pairs_kept(500, 0, 1);
  check_seed = same;
  CHECK(with_one == pairs_kept(500, 0, 2), "threads change nothing");
}

static int stop(void *data, double done) {
  (void)done;
  return ++*(int *)data > 2;
}

static void test_cancel(void) {
  enum { ROWS = 400000 };
  double *x = points(UNIFORM, ROWS, 3);
  rk_near near = {{x, ROWS}, {x, ROWS}, 3, RK_EUCLIDEAN, 0.2};
  rk_near_blocks b;
  rk_error error;
  int polls = 0;
  rk_set_threads(1, &error);
  CHECK(rk_near_make(&near, &b, stop, &polls, &error) == RK_CANCELLED, "it is stopped");
  rk_near_free(&b);
  free(x);
}

int main(void) {
  test_pairs();
  test_share();
  test_cancel();
  return check_end();
}
