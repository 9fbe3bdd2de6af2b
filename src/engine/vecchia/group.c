/* See group.h. */
#include "vecchia/group.h"
#include "rounding.h"

#include <string.h>

/* ---- memory ---------------------------------------------------------------------------------- */

static size_t rounded(size_t bytes) { return (size_t)rk_round_up((int64_t)bytes, 64); }

/* Behind covariances formulas write, and read, beyond the end. */
static size_t triangle_bytes(const rk_group_size *s) {
  const size_t numbers = (size_t)rk_triangle_of(s->most) * RK_LANES + RK_VALUES_ROWS;
  return rounded(numbers * sizeof(double));
}
static size_t vector_bytes(const rk_group_size *s) {
  return rounded((size_t)s->most * RK_LANES * sizeof(double));
}
static size_t rows_bytes(int columns) {
  return rounded((size_t)columns * RK_VALUES_ROWS * sizeof(double));
}

size_t rk_group_bytes(const rk_group_size *s) {
  return 2 * triangle_bytes(s) + (size_t)(5 + s->columns + s->points) * vector_bytes(s) +
         rows_bytes(s->points) + rows_bytes(s->components) + s->work;
}

static void *cut(char **at, size_t bytes) {
  *at += bytes;
  return *at - bytes;
}

void rk_group_lay(const rk_group_size *s, void *memory, rk_group *g) {
  char *at = memory;
  const size_t vector = vector_bytes(s);
  g->l = cut(&at, triangle_bytes(s));
  g->slope = cut(&at, triangle_bytes(s));
  g->inverse = cut(&at, vector);
  g->a = cut(&at, vector);
  g->u = cut(&at, vector);
  g->row = cut(&at, vector);
  g->point = cut(&at, vector);
  g->z = cut(&at, (size_t)s->columns * vector);
  g->points = cut(&at, (size_t)s->points * vector);
  g->tile = cut(&at, rows_bytes(s->points));
  g->out = cut(&at, rows_bytes(s->components));
  g->work = at;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static int is_row(const rk_sets *s, int32_t row) { return row >= 1 && row <= s->rows; }

static int size_of(const rk_sets *s, int64_t block) {
  const int32_t *row = s->row + block * s->most;
  int n = 0;
  for (int k = 0; k < s->most; k++) n += is_row(s, row[k]);
  return n;
}

/* Where there is no row formulas compute something of a site that there is. */
void rk_group_begin(const rk_sets *s, int64_t number, rk_group *g) {
  const int64_t first = number * RK_LANES;
  const int lanes = s->blocks - first < RK_LANES ? (int)(s->blocks - first) : RK_LANES;
  g->n = 1;
  for (int lane = 0; lane < lanes; lane++) {
    const int n = size_of(s, first + lane);
    if (n > g->n) g->n = n;
  }
  for (int k = 0; k < g->n * RK_LANES; k++) {
    g->row[k] = RK_NO_ROW;
    g->point[k] = 0;
  }
  for (int lane = 0; lane < lanes; lane++) {
    const int32_t *row = s->row + (first + lane) * s->most;
    int at = g->n - size_of(s, first + lane);
    for (int k = 0; k < s->most; k++)
      if (is_row(s, row[k])) g->row[at++ * RK_LANES + lane] = row[k] - 1;
    for (int k = 0; k < g->n; k++) {
      const int32_t own = g->row[k * RK_LANES + lane];
      g->point[k * RK_LANES + lane] = own == RK_NO_ROW ? row[s->most - 1] - 1 : own;
    }
  }
}

/* Rows of the unit matrix before those of a lane. */
static void pad(const rk_group *g, int lane) {
  for (int i = 0; i < g->n; i++)
    for (int j = 0; j <= i && g->row[j * RK_LANES + lane] == RK_NO_ROW; j++)
      g->l[rk_triangle_at(i, j) * RK_LANES + lane] = i == j;
}

static void add_noise(const rk_vecchia *v, const rk_group *g) {
  for (int i = 0; i < g->n; i++) {
    double *diagonal = g->l + rk_triangle_at(i, i) * RK_LANES;
    for (int lane = 0; lane < RK_LANES; lane++) {
      const int32_t row = g->row[i * RK_LANES + lane];
      if (row != RK_NO_ROW) diagonal[lane] += v->noise[v->noises == 1 ? 0 : row];
    }
  }
}

/* ---- factors --------------------------------------------------------------------------------- */

void rk_group_factor(const rk_vecchia *v, const rk_vecchia_kernels *k, const rk_group *g,
                     int *failed) {
  add_noise(v, g);
  for (int lane = 0; lane < RK_LANES; lane++)
    if (g->row[lane] == RK_NO_ROW) pad(g, lane);
  k->factor(g->n, g->l, g->inverse, failed);
  memset(g->a, 0, (size_t)g->n * RK_LANES * sizeof *g->a);
  for (int lane = 0; lane < RK_LANES; lane++) g->a[(g->n - 1) * RK_LANES + lane] = 1;
  k->backward(g->n, g->l, g->inverse, g->a);
}

void rk_group_take(const rk_vecchia *v, const rk_group *g) {
  const int n = g->n * RK_LANES;
  for (int q = 0; q < v->columns; q++) {
    const double *from = v->z + q * v->sets.rows;
    for (int k = 0; k < n; k++) g->z[q * n + k] = g->row[k] == RK_NO_ROW ? 0 : from[g->row[k]];
  }
}

/* With w = a' z, and a the last row of the inverse of the factor, a change d of the covariances
 * changes log s by a' d a / 2 and w by w a' d a / 2 - a' d v, where v solves for z: in all by
 * a' d u. */
void rk_group_pull(const rk_vecchia_kernels *k, const rk_group *g, int columns, const double *e_w,
                   const double *e_log) {
  const int n = g->n;
  double by[RK_LANES], w[RK_LANES], minus[RK_LANES];
  for (int lane = 0; lane < RK_LANES; lane++) by[lane] = e_log[lane] / 2;
  memset(g->u, 0, (size_t)n * RK_LANES * sizeof *g->u);
  for (int q = 0; q < columns; q++, e_w += RK_LANES) {
    double *z = g->z + q * n * RK_LANES;
    k->dot(n, g->a, z, w);
    k->forward(n, g->l, g->inverse, z);
    k->backward(n, g->l, g->inverse, z);
    for (int lane = 0; lane < RK_LANES; lane++) {
      minus[lane] = -e_w[lane];
      by[lane] += e_w[lane] * w[lane] / 2;
    }
    k->add(n, g->u, minus, z);
    memset(z, 0, (size_t)n * RK_LANES * sizeof *z);
    k->add(n, z, e_w, g->a);
  }
  k->add(n, g->u, by, g->a);
  k->outer(n, g->a, g->u, g->slope);
}
