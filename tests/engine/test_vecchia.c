/* Sites given a few of those before them, against loops in long double over each block; cotangents
 * against differences; orders against a loop over all sites. */
#include "check.h"

enum { N = 203, DIMS = 2, COLUMNS = 2, MOST = 9 };
static double x[DIMS * N], z[COLUMNS * N], noise[N], weight[(COLUMNS + 1) * N];
static double parameter[] = {0.8, 1.7};
static int32_t row[MOST * N];

static const char *const variables[] = {"x=Vi(2)", "y=Vi(2)", "r=Pm(1)", "v=Pm(1)"};
static const rk_pair_side side[] = {RK_OF_I, RK_OF_J, RK_OF_ALL, RK_OF_ALL};
#define INPUTS                                                                                     \
  {x, N, DIMS, 1, N, NULL, 0}, {x, N, DIMS, 1, N, NULL, 0}, {&parameter[0], 1, 1, 1, 1, NULL, 0},  \
  {&parameter[1], 1, 1, 1, 1, NULL, 0}
static const rk_array inputs[] = {INPUTS};
static const char *const text = "Sum_Reduction(v*Exp(-r*SqDist(x,y)),0)";

static rk_program *program(const char *words, const char *const *declarations, int n) {
  rk_program *made = program_of(words, declarations, n, RK_FLOAT64);
  if (!made) exit(1);
  return made;
}

/* Sites before each, some of them missing, and the site. */
static void make_data(void) {
  for (int k = 0; k < DIMS * N; k++) x[k] = 4 * uniform();
  for (int k = 0; k < COLUMNS * N; k++) z[k] = 2 * uniform() - 1;
  for (int k = 0; k < N; k++) noise[k] = 0.1 + uniform();
  for (int k = 0; k < (COLUMNS + 1) * N; k++) weight[k] = 2 * uniform() - 1;
  for (int i = 0; i < N; i++) {
    int32_t *own = row + i * MOST;
    for (int k = 0; k < MOST - 1; k++) own[k] = i - k < 1 || uniform() < 0.2 ? INT32_MIN : i - k;
    own[MOST - 1] = i + 1;
  }
}

static rk_vecchia call_of(int64_t blocks, int one_noise) {
  return (rk_vecchia){.sets = {row, blocks, N, MOST},
                      .covariance = {program(text, variables, 4), side, inputs},
                      .noise = noise, .noises = one_noise ? 1 : N, .z = z, .columns = COLUMNS};
}

/* ---- one block in long double ---- */

static long double covariance(int i, int j) {
  long double square = 0;
  for (int d = 0; d < DIMS; d++) square += powl((long double)x[d * N + i] - x[d * N + j], 2);
  return parameter[1] * expl(-parameter[0] * square);
}

static int rows_of(int block, int *found) {
  int n = 0;
  for (int k = 0; k < MOST; k++)
    if (row[block * MOST + k] > 0) found[n++] = row[block * MOST + k] - 1;
  return n;
}

/* The last row of the inverse of the factor of the block; how many numbers it has. */
static int coefficients_of(int block, int one_noise, long double *a) {
  int at[MOST], n = rows_of(block, at);
  long double l[MOST][MOST];
  for (int i = 0; i < n; i++)
    for (int j = 0; j <= i; j++) {
      long double sum = covariance(at[i], at[j]);
      if (i == j) sum += noise[one_noise ? 0 : at[i]];
      for (int k = 0; k < j; k++) sum -= l[i][k] * l[j][k];
      l[i][j] = i == j ? sqrtl(sum) : sum / l[j][j];
    }
  for (int i = n - 1; i >= 0; i--) {
    a[i] = i == n - 1;
    for (int k = i + 1; k < n; k++) a[i] -= l[k][i] * a[k];
    a[i] /= l[i][i];
  }
  return n;
}

static int close_to(double a, long double b) { return fabsl(a - b) <= 1e-12L * (1 + fabsl(b)); }

static int are_right(const rk_vecchia *v, const rk_vecchia_values *found) {
  const int64_t blocks = v->sets.blocks;
  int good = 1;
  for (int b = 0; b < blocks; b++) {
    long double a[MOST];
    int at[MOST], n = rows_of(b, at);
    coefficients_of(b, v->noises == 1, a);
    good &= close_to(found->log_sd[b], -logl(a[n - 1]));
    for (int q = 0; q < COLUMNS; q++) {
      long double w = 0;
      for (int k = 0; k < n; k++) w += a[k] * z[q * N + at[k]];
      good &= close_to(found->w[q * blocks + b], w);
    }
    for (int k = 0, own = 0; k < MOST; k++)
      good &= close_to(found->coefficients[b * MOST + k], row[b * MOST + k] > 0 ? a[own++] : 0);
  }
  return good;
}

typedef struct { double w[COLUMNS * N], log_sd[N], coefficients[MOST * N]; } numbers;

static rk_vecchia_values values_in(numbers *to) {
  return (rk_vecchia_values){to->w, to->log_sd, to->coefficients, 0, {0}};
}

static void test_values(int64_t blocks, int one_noise) {
  static numbers one, two;
  rk_vecchia_values in_one = values_in(&one), in_two = values_in(&two);
  const rk_vecchia v = call_of(blocks, one_noise);
  memset(&one, 0, sizeof one);
  memset(&two, 0, sizeof two);
  CHECK(!rk_set_threads(1, &last) && !rk_vecchia_whiten(&v, &in_one, NULL, NULL, &last), "values");
  CHECK(!in_one.failed[0] && are_right(&v, &in_one), "as a loop has them");
  CHECK(!rk_set_threads(2, &last) && !rk_vecchia_whiten(&v, &in_two, NULL, NULL, &last), "again");
  CHECK(!memcmp(&one, &two, sizeof one), "two threads give the same bits");
  double back[N];
  rk_vecchia_solve(&v.sets, one.coefficients, one.w, back);
  int good = 1;
  for (int b = 0; b < blocks; b++) good &= fabs(back[b] - z[b]) < 1e-10;
  CHECK(good, "solved for z");
}

/* ---- cotangents ---- */

/* What `weight` says of w and log s. */
static double weighted(const rk_vecchia *v) {
  static numbers to;
  rk_vecchia_values in = values_in(&to);
  double sum = 0;
  if (rk_vecchia_whiten(v, &in, NULL, NULL, &last)) exit(1);
  for (int k = 0; k < COLUMNS * N; k++) sum += weight[k] * to.w[k];
  for (int k = 0; k < N; k++) sum += weight[COLUMNS * N + k] * to.log_sd[k];
  return sum;
}

static int is_slope(const rk_vecchia *v, double *number, double found) {
  const double h = 1e-5, before = *number;
  *number = before + h;
  const double above = weighted(v);
  *number = before - h;
  const double below = weighted(v);
  *number = before;
  const double slope = (above - below) / (2 * h);
  if (fabs(found - slope) <= 1e-6 * (1 + fabs(slope))) return 1;
  printf("  %.10g, by differences %.10g\n", found, slope);
  return 0;
}

typedef struct { double noise[N], z[COLUMNS * N], i[DIMS * N], j[DIMS * N], r, v; } sums;

static const char *const with_cotangent[] = {"x=Vi(2)", "y=Vi(2)", "r=Pm(1)", "v=Pm(1)", "e=Vi(1)"};
static const rk_pair_side sides[] = {RK_OF_I, RK_OF_J, RK_OF_ALL, RK_OF_ALL, RK_OF_PAIRS};
static const rk_array all_inputs[] = {INPUTS, {noise, 1, 1, 1, 1, NULL, 0}};
static const char *const slopes_text =
  "K=v*Exp(-r*SqDist(x,y));"
  "Sum_Reduction(Concat(Concat(Grad(K,r,e),Grad(K,v,e)),Concat(Grad(K,x,e),Grad(K,y,e))),0)";

static rk_status pull(const rk_vecchia *v, sums *to, rk_poll poll, void *data) {
  static const rk_pair_side of[] = {RK_OF_ALL, RK_OF_ALL, RK_OF_I, RK_OF_I, RK_OF_J, RK_OF_J};
  double *const at[] = {&to->r, &to->v, to->i, to->i + N, to->j, to->j + N};
  const rk_pair_values slopes = {program(slopes_text, with_cotangent, 5), sides, all_inputs};
  const rk_vecchia_cotangents e = {weight, weight + COLUMNS * N, to->noise, to->z, &slopes, of, at};
  memset(to, 0, sizeof *to);
  return rk_vecchia_pull(v, &e, poll, data, &last);
}

static void test_cotangents(int one_noise) {
  static sums one, two;
  const rk_vecchia v = call_of(N, one_noise);
  CHECK(!rk_set_threads(1, &last) && !pull(&v, &one, NULL, NULL), "cotangents");
  CHECK(!rk_set_threads(2, &last) && !pull(&v, &two, NULL, NULL), "again");
  CHECK(!memcmp(&one, &two, sizeof one), "two threads give the same bits");
  CHECK(is_slope(&v, &parameter[0], one.r) && is_slope(&v, &parameter[1], one.v), "parameters");
  int good = 1;
  for (int k = 0; k < N; k += 29) {
    good &= is_slope(&v, &z[k], one.z[k]) && is_slope(&v, &z[N + k], one.z[N + k]);
    good &= is_slope(&v, &x[k], one.i[k] + one.j[k]);
    good &= is_slope(&v, &x[N + k], one.i[N + k] + one.j[N + k]);
    if (!one_noise || !k) good &= is_slope(&v, &noise[k], one.noise[k]);
  }
  CHECK(good, "numbers of sites");
}

/* ---- what fails ---- */

static void test_failures(void) {
  numbers to;
  rk_vecchia_values in = values_in(&to);
  rk_vecchia v = call_of(N, 0);
  const double before = noise[41];
  noise[41] = -10;
  CHECK(!rk_vecchia_whiten(&v, &in, NULL, NULL, &last) && in.failed[0] == 42 && in.failed[1] == 42,
        "the first block and row without a factor");
  in.takes_copies = 1;
  CHECK(!rk_vecchia_whiten(&v, &in, NULL, NULL, &last) && in.failed[0] == 43 && in.failed[1] == 42,
        "but where a site itself may have none");
  CHECK(to.log_sd[41] == -INFINITY && to.coefficients[41 * MOST + MOST - 1] == 1, "as if s were 1");
  in.takes_copies = 0;
  noise[41] = NAN;
  CHECK(!rk_vecchia_whiten(&v, &in, NULL, NULL, &last) && in.failed[0] == 42 && in.failed[1] == 42,
        "nor is a NaN one");
  noise[41] = before;
  row[7 * MOST + MOST - 1] = 0;
  CHECK(rk_vecchia_whiten(&v, &in, NULL, NULL, &last) == RK_ERROR_ARGUMENT && said("block 8"),
        "a block without a site");
  row[7 * MOST + MOST - 1] = 8;
  const rk_array fewer[] = {{x, N - 1, DIMS, 1, N, NULL, 0}, inputs[1], inputs[2], inputs[3]};
  v.covariance.inputs = fewer;
  CHECK(rk_vecchia_whiten(&v, &in, NULL, NULL, &last) == RK_ERROR_SHAPE, "other rows");
  v.covariance.inputs = inputs;
  v.covariance.program = program("Sum_Reduction(v*Exp(-r*SqDist(x,y)),1)", variables, 4);
  CHECK(rk_vecchia_whiten(&v, &in, NULL, NULL, &last) == RK_ERROR_ARGUMENT && said("over j"),
        "a sum over i");
  v.covariance.program = program("Max_Reduction(v*Exp(-r*SqDist(x,y)),0)", variables, 4);
  CHECK(rk_vecchia_whiten(&v, &in, NULL, NULL, &last) == RK_ERROR_ARGUMENT && said("one sum"),
        "no sum");
  v.covariance.program = program("Sum_Reduction(v*r*(x-y),0)", variables, 4);
  CHECK(rk_vecchia_whiten(&v, &in, NULL, NULL, &last) == RK_ERROR_ARGUMENT && said("dimension 1"),
        "a vector");
}

/* ---- polls ---- */

typedef struct { int asked, stops; } polled;
static int poll(void *data, double done) {
  polled *p = data;
  (void)done;
  if (++p->asked == 2) rk_forget();
  return p->stops && p->asked >= p->stops;
}

/* Long enough to be asked: the same blocks again and again. */
static void test_polls(void) {
  enum { TIMES = 300 };
  int32_t *many = malloc(TIMES * sizeof row);
  double *w = malloc(TIMES * COLUMNS * N * sizeof *w), *log_sd = malloc(TIMES * N * sizeof *log_sd);
  if (!many || !w || !log_sd) exit(2);
  for (int k = 0; k < TIMES; k++) memcpy(many + k * MOST * N, row, sizeof row);
  rk_vecchia v = call_of(N, 0);
  v.sets.row = many;
  v.sets.blocks = TIMES * N;
  rk_vecchia_values in = {w, log_sd, NULL, 0, {0}};
  polled p = {.stops = 3};
  const rk_status status = rk_vecchia_whiten(&v, &in, poll, &p, &last);
  CHECK(status == RK_CANCELLED || p.asked < 3, "a poll that forgets all programs, and stops");
  free(many), free(w), free(log_sd);
}

/* ---- orders ---- */

static double square(const double *at, int n, int dims, int i, const double *to) {
  double sum = 0;
  for (int d = 0; d < dims; d++) sum += (at[d * n + i] - to[d]) * (at[d * n + i] - to[d]);
  return sum;
}

static int is_farthest_first(const double *at, int n, int dims, const int32_t *order) {
  double mean[16] = {0}, site[16], *least = malloc((size_t)n * sizeof *least + 1);
  int good = least != NULL;
  for (int d = 0; d < dims; d++)
    for (int k = 0; k < n; k++) mean[d] += at[d * n + k] / n;
  for (int k = 0; k < n; k++) least[k] = -square(at, n, dims, k, mean);
  for (int k = 0; k < n && good; k++) {
    int next = 0;
    for (int i = 1; i < n; i++)
      if (least[i] > least[next]) next = i;
    good = order[k] == next;
    for (int d = 0; d < dims; d++) site[d] = at[d * n + next];
    for (int i = 0; i < n; i++) {
      const double own = square(at, n, dims, i, site);
      if (!k || (own < least[i] && least[i] >= 0)) least[i] = own;
    }
    least[next] = -1;
    for (int e = 0; e <= k; e++) least[order[e]] = -1;
  }
  free(least);
  return good;
}

static int are_earlier(const double *at, int n, int dims, int k, const int32_t *found) {
  double site[16];
  int good = 1;
  for (int i = 0; i < n && good; i++) {
    for (int d = 0; d < dims; d++) site[d] = at[d * n + i];
    for (int c = 0; c < k; c++) { /* of those that are not found yet the nearest */
      int best = -1;
      for (int j = 0; j < i; j++) {
        int is_found = 0;
        for (int e = 0; e < c; e++) is_found |= found[e * n + i] == j;
        if (!is_found && (best < 0 || square(at, n, dims, j, site) <
                                          square(at, n, dims, best, site))) best = j;
      }
      good &= found[c * n + i] == best;
    }
  }
  return good;
}

static void test_order(int n, int dims, int equal) {
  double *at = random_numbers((long)n * dims, -1, 1);
  int32_t *order = malloc((size_t)n * sizeof *order + 1);
  for (int d = 0; d < dims; d++)
    for (int k = n - equal; k < n; k++) at[d * n + k] = at[d * n + k - n + equal];
  const rk_points sites = {at, n};
  CHECK(!rk_order_farthest(&sites, dims, order, NULL, NULL, &last), "an order");
  CHECK(is_farthest_first(at, n, dims, order), "as a loop has it");
  enum { K = 7 };
  int32_t *found = malloc((size_t)(K * n) * sizeof *found + 1);
  CHECK(!rk_nearest_earlier(&sites, dims, K, found, NULL, NULL, &last), "those before");
  CHECK(are_earlier(at, n, dims, K, found), "as a loop has them");
  free(at), free(order), free(found);
}

int main(void) {
  check_configure();
  make_data();
  const int64_t blocks[] = {1, 2, 4, 5, 35, N};
  for (int k = 0; k < 6; k++) test_values(blocks[k], k % 2);
  test_values(0, 0);
  test_cotangents(0);
  test_cotangents(1);
  test_failures();
  test_polls();
  for (int dims = 1; dims < 12; dims += 3)
    for (int n = 1; n < 300; n += 97) test_order(n, dims, n / 4);
  test_order(0, 2, 0);
  return check_end();
}
