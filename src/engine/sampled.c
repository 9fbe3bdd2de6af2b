/* See sampled.h. */
#include "sampled.h"
#include "backends.h"
#include "bound/bound.h"
#include "error.h"
#include "formula/operations.h"
#include "run/call.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pairs of a run from which on it is checked; of what is done for that at most so many, and no more
 * than this share of the run's; rows. */
static const double least_pairs = 1e6, most_pairs = 1e7, most_share = 0.02;
enum { MOST_ROWS = 16, LEAST_RESULT = 16 };

static const double limit = 1e-4; /* of what may be off */

/* ---- passes in float64 ----------------------------------------------------------------------- */

typedef enum { UNCHECKED, SUMS, MEANS, LOGARITHMS, SHIFTED, CHOICES } check_kind;

/* What is computed: the values, with their sizes beside them; of choices then the sizes of all that
 * they were chosen of, and what stands at positions. */
typedef enum { VALUES, SIZES, CHOSEN, WHATS } what;
typedef struct {
  check_kind kind;
  rk_stage stage[WHATS];
  int is_made[WHATS];
  int rows;                     /* of the last check */
  double off;
} checked;

struct rk_sampled { checked *pass; int passes; };

void rk_sampled_free(rk_sampled *s) {
  for (int k = 0; s && k < s->passes; k++)
    for (int w = 0; w < WHATS; w++)
      if (s->pass[k].is_made[w]) rk_stage_empty(&s->pass[k].stage[w]);
  if (s) free(s->pass);
  free(s);
}

int rk_sampled_rows(const rk_sampled *s, int pass, double *off) {
  if (!s) return 0;
  *off = s->pass[pass].off;
  return s->pass[pass].rows;
}

/* The same reduction of another operand. */
static const rk_node *of_operand(rk_graph *graph, const rk_node *reduction, int k,
                                 const rk_node *operand) {
  rk_node node = *reduction;
  rk_field field[2];
  if (!operand) return NULL;
  node.operand[k] = operand;
  rk_reduction_fields(&node, field);
  if ((double)field[0].dim * field[0].k > RK_MAX_DIM) return NULL;
  node.dim = field[0].dim * field[0].k;
  return rk_graph_intern(graph, &node);
}

/* What is summed, its sizes, and for logarithms 1: the sum of the exponentials alone. */
static const rk_node *beside_sizes(rk_graph *graph, const rk_node *x, check_kind kind,
                                   rk_error *error) {
  const rk_node *one = rk_number(graph, 1), *size = rk_apply1(graph, RK_OP_Abs, x, error);
  if (one && size && kind == LOGARITHMS) size = rk_apply2(graph, RK_OP_Concat, size, one, error);
  return one && size ? rk_apply2(graph, RK_OP_Concat, x, size, error) : NULL;
}

/* Sums of sizes that are finite, and how many these are. */
static const rk_node *sum_of_sizes(rk_graph *graph, const rk_node *reduction, rk_error *error) {
  const rk_node *size = rk_apply1(graph, RK_OP_Abs, reduction->operand[0], error), *there, *sizes;
  const rk_node *most = rk_number(graph, DBL_MAX), *zero = rk_number(graph, 0);
  if (!size || !most || !zero) return NULL;
  if (!(there = rk_apply2(graph, RK_OP_LessThan, size, most, error))) return NULL;
  sizes = rk_apply(graph, RK_OP_Where, (const rk_node *[]){there, size, zero}, 3, NULL, 0, error);
  if (!sizes || !(sizes = rk_apply2(graph, RK_OP_Concat, sizes, there, error))) return NULL;
  return rk_reduce(graph, (rk_reducing){rk_plain_sum(), sizes, NULL, 0, rk_kept_kind(reduction),
                                        rk_reduced_kind(reduction)}, error);
}

/* A row for each column, to be computed for one row. */
static const rk_node *turned(rk_graph *graph, const rk_node *reduction, rk_error *error) {
  return rk_reduce(graph, (rk_reducing){rk_plain_sum(), reduction->operand[0], NULL, 0,
                                        rk_reduced_kind(reduction), rk_kept_kind(reduction)},
                   error);
}

/* Which field has positions; -1: none. */
static int position_field(const rk_node *reduction) {
  for (int f = 0; f < reduction->reduction->fields; f++)
    if (reduction->reduction->field[f].is_position) return f;
  return -1;
}

static int add(checked *c, what which, const rk_stage *of, const rk_node *reduction) {
  static const rk_options in_double = {.precision = RK_FLOAT64};
  rk_error error = {.status = RK_OK};
  rk_stage *stage = &c->stage[which];
  if (!reduction || rk_plan_pass(of->pass.graph, reduction, &in_double, &stage->pass, &error))
    return 0;
  stage->vectors = of->vectors;
  stage->result = -1;
  return c->is_made[which] = 1;
}

static check_kind kind_of(const rk_node *reduction) {
  const rk_reduction *r = reduction->reduction;
  if (rk_kept_kind(reduction) == RK_KIND_PARAMETER ||
      rk_reduced_kind(reduction) == RK_KIND_PARAMETER) return UNCHECKED;
  if (r->has_head) return r->unit ? MEANS : r->field[0].leading ? SHIFTED : LOGARITHMS;
  if (rk_keeps_values(r)) return r->entering == RK_ENTERING_NONE ? UNCHECKED : CHOICES;
  return r == rk_plain_sum() ? SUMS : UNCHECKED;
}

static int plan_one(checked *c, const rk_stage *of) {
  rk_graph *graph = of->pass.graph;
  const rk_node *source = of->pass.source;
  rk_error error = {.status = RK_OK};
  int weight = source->reduction->has_head;
  c->kind = kind_of(source);
  if (c->kind == UNCHECKED) return 1;
  if (c->kind != CHOICES)
    return add(c, VALUES, of, of_operand(graph, source, weight,
                                         beside_sizes(graph, source->operand[weight], c->kind,
                                                      &error)));
  return add(c, VALUES, of, source) && add(c, SIZES, of, sum_of_sizes(graph, source, &error)) &&
         (position_field(source) < 0 || add(c, CHOSEN, of, turned(graph, source, &error)));
}

/* NULL: no memory. */
static rk_sampled *plan(const rk_program_data *p) {
  rk_sampled *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->pass = calloc((size_t)p->stages + 1, sizeof *s->pass);
  for (int k = 0; s->pass && k < p->stages; k++, s->passes++)
    if (!plan_one(&s->pass[k], p->stage[k])) s->pass[k].kind = UNCHECKED;
  if (s->pass) return s;
  free(s);
  return NULL;
}

/* ---- which rows ------------------------------------------------------------------------------ */

/* Pairs of a pass: those of its segments, within bands where there are any. */
static double pairs_of(const rk_walk *walk, rk_sizes sizes) {
  double pairs = (double)sizes.kept * (double)sizes.reduced, inside = 0, banded = 0;
  if (!walk) return pairs;
  for (int64_t s = 0; s < walk->segments; s++)
    inside += (double)walk->list_columns[s] *
              (walk->segment_end[s] - (s ? walk->segment_end[s - 1] : 0));
  for (int b = 0; b < walk->bands; b++) banded += (double)(walk->upper[b] - walk->lower[b] + 1);
  banded *= (double)sizes.kept;
  return walk->bands && banded < inside ? banded : inside;
}

static const rk_walk *walk_of(const rk_program_data *p, const rk_node *source) {
  return p->walks ? &p->walks->of[rk_kept_kind(source)] : NULL;
}

static double pass_pairs(const rk_program_data *p, int pass) {
  const rk_node *source = p->stage[pass]->pass.source;
  const rk_sizes sizes = rk_sizes_of(p->stage[pass], p->rows);
  if (kind_of(source) == UNCHECKED || sizes.kept < LEAST_RESULT) return 0;
  if ((double)sizes.kept * (double)sizes.reduced < least_pairs) return 0;
  const double pairs = pairs_of(walk_of(p, source), sizes);
  return pairs < least_pairs ? 0 : pairs;
}

int rk_is_sampled(const rk_program_data *p) {
  for (int k = 0; k < p->stages; k++)
    if (p->stage[k]->pass.options.precision != RK_FLOAT64 && pass_pairs(p, k)) return 1;
  return 0;
}

/* A number that looks like any other one (splitmix64). */
static uint64_t mixed(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/* The share of its pairs that the run walked, where it left out what cannot matter. */
static double walked_share(const rk_walk *walk) {
  if (!walk || !walk->bounded || walk->bounded->is_refused) return 1;
  const double blocks = (double)atomic_load(&walk->bounded->blocks);
  const double walked = (double)atomic_load(&walk->bounded->walked);
  return blocks > 0 ? fmin(walked / (blocks * (double)walk->columns), 1) : 1;
}

/* Places of rows: one in each of n parts, the same ones for the same sizes. The run walked `walked`
 * pairs, the check walks `times` over those of each row. */
static int choose_places(double walked, double pairs, rk_sizes sizes, int times, int64_t *place) {
  const double each = pairs / (double)sizes.kept * times;
  const double most = fmin(most_share * walked, most_pairs) / each;
  const int n = most < MOST_ROWS ? (int)most : MOST_ROWS;
  for (int k = 0; k < n; k++) {
    const int64_t first = sizes.kept / n * k, part = sizes.kept / n;
    const uint64_t any = mixed((uint64_t)sizes.kept * 31 + (uint64_t)sizes.reduced + (uint64_t)k);
    place[k] = first + (int64_t)(any % (uint64_t)part);
  }
  return n;
}

static int is_in_bands(const rk_walk *w, int64_t difference) {
  for (int b = 0; b < w->bands; b++)
    if (w->lower[b] <= difference && difference <= w->upper[b]) return 1;
  return !w->bands;
}

/* The positions of the columns that the row at a place meets, freed by the caller; NULL: no
 * memory. */
static int64_t *columns_at(const rk_walk *w, int64_t place, int64_t row, int64_t *count) {
  int64_t s = 0, n = 0;
  while (w->segment_end[s] <= place) s++;
  const int64_t inside = place - (s ? w->segment_end[s - 1] : 0);
  int64_t *column = malloc((size_t)w->list_columns[s] * sizeof *column + 1);
  for (int64_t k = s ? w->list_end[s - 1] : 0; column && k < w->list_end[s]; k++) {
    if (w->low && (inside < w->low[k] || inside >= w->high[k])) continue;
    for (int64_t c = w->from[k]; c < w->end[k]; c++) {
      const int64_t at = w->column_at ? w->column_at[c] : c;
      if (is_in_bands(w, at - row)) column[n++] = at;
    }
  }
  *count = n;
  return column;
}

/* ---- data of some rows ----------------------------------------------------------------------- */

typedef struct {
  const rk_program_data *p;
  const rk_backend *backend;
  rk_array *given, *at;         /* by graph variable: all rows; those that are worked on */
  double **own;                 /* what these lie in */
  double **fetched;             /* what was brought from a device, or rounded */
  unsigned char *is_half;
  int count;
  rk_caller caller;             /* the call's */
  rk_error error;               /* what does not become of the call */
} sampling;

static int poll_done(void *data, double done) {
  const rk_caller *caller = data;
  (void)done;
  return caller->poll(caller->data, 1);
}

static rk_caller asking(sampling *s) {
  return (rk_caller){s->caller.poll ? poll_done : NULL, &s->caller, &s->error};
}

/* Results of passes that stayed on a device are brought home. What the caller keeps there is not:
 * its numbers are others than those that it was made of. */
static rk_status bring(sampling *s, const rk_values *values, int k) {
  const rk_array *x = &values->value[k];
  s->given[k] = *x;
  s->given[k].stamp = 0;        /* nothing is kept of it */
  if (!x->resident) return RK_OK;
  if (!values->kept[k]) return rk_fail(&s->error, RK_ERROR_DEVICE, "it lies on a device");
  const size_t size = (size_t)x->rows * (size_t)x->dim * sizeof(double);
  if (!(s->fetched[k] = malloc(size + 1))) return rk_fail_memory(&s->error, size);
  s->given[k] = (rk_array){s->fetched[k], x->rows, x->dim, 1, x->rows, NULL, 0};
  return rk_resident_fetch(values->kept[k], s->fetched[k], asking(s));
}

static rk_status bring_variables(sampling *s, const rk_values *values, const rk_stage *stage) {
  rk_status status = RK_OK;
  for (int q = 0; q < stage->pass.variables && !status; q++) {
    const int k = stage->pass.variable[q];
    if (k >= s->count) return rk_fail(&s->error, RK_ERROR_INTERNAL, "it reads other variables");
    if (!s->given[k].data) status = bring(s, values, k);
  }
  return status;
}

/* The nearest number of float16: 11 binary digits, of small ones fewer. */
static double half_of(double x) {
  int exponent;
  if (!(fabs(x) <= RK_LARGEST_HALF)) return x;
  frexp(x, &exponent);
  const double last = ldexp(1, (exponent < -13 ? -13 : exponent) - 11);
  return nearbyint(x / last) * last;
}

/* What the run stored of a variable of which it stored that much less a centre, as half. */
static rk_status round_to_half(sampling *s, const rk_values *values, int k, int centre) {
  const rk_array x = s->given[k];
  const rk_array *c = centre < 0 ? NULL : &values->value[centre];
  const size_t size = (size_t)x.rows * (size_t)x.dim * sizeof(double);
  double *to = malloc(size + 1);
  if (!to) return rk_fail_memory(&s->error, size);
  for (int64_t d = 0; d < x.dim; d++) {
    const double common = c ? c->data[d * c->component_stride] : 0;
    for (int64_t r = 0; r < x.rows; r++)
      to[d * x.rows + r] =
          common + half_of(x.data[r * x.row_stride + d * x.component_stride] - common);
  }
  free(s->fetched[k]);
  s->fetched[k] = to;
  s->given[k] = (rk_array){to, x.rows, x.dim, 1, x.rows, NULL, 0};
  return RK_OK;
}

/* One that is stored twice, around several centres, is two. */
static rk_status round_all(sampling *s, const rk_values *values, const rk_pass *pass) {
  rk_status status = RK_OK;
  for (int side = RK_NEST_ROW; side <= RK_NEST_COLUMN && !status; side++)
    for (int k = 0; k < pass->slots[side].count && !status; k++) {
      int centre;
      if (!rk_is_stored_as_half(pass, (rk_nest_kind)side)) continue;
      const int variable = rk_slot_of_data(pass, pass->slots[side].slot[k].node, &centre);
      if (variable >= s->count || centre >= s->count || !s->given[variable].data) continue;
      if (s->is_half[variable])
        return rk_fail(&s->error, RK_ERROR_INTERNAL, "it is stored as several numbers");
      s->is_half[variable] = 1;
      status = round_to_half(s, values, variable, centre);
    }
  return status;
}

/* These rows of the variables of a kind that a stage reads; `row` NULL: as they lie. */
static rk_status take(sampling *s, const rk_stage *stage, rk_kind kind, const int64_t *row,
                      int64_t n) {
  for (int q = 0; q < stage->pass.variables; q++) {
    const int k = stage->pass.variable[q];
    const rk_array *x = &s->given[k];
    if (rk_graph_variable_at(s->p->graph, k)->kind != kind) continue;
    s->at[k] = *x;
    if (!row) continue;
    free(s->own[k]);
    double *to = s->own[k] = malloc((size_t)n * (size_t)x->dim * sizeof *to + 1);
    if (!to) return rk_fail_memory(&s->error, (size_t)n * (size_t)x->dim * sizeof *to);
    s->at[k] = (rk_array){to, n, x->dim, 1, n, NULL, 0};
    for (int64_t c = 0; c < x->dim; c++)
      for (int64_t r = 0; r < n; r++)
        *to++ = x->data[row[r] * x->row_stride + c * x->component_stride];
  }
  return RK_OK;
}

/* Rows and columns of the data of a stage. */
typedef struct { const int64_t *row, *column; int64_t rows, columns; } rectangle;

static rk_status run_stage(sampling *s, rk_stage *stage, const rectangle *r, double *const *out) {
  const rk_node *source = stage->pass.source;
  const rk_output outputs[2] = {{.type = RK_OUT_DOUBLE, .data = out[0], .none_double = NAN},
                                {.type = RK_OUT_DOUBLE, .data = out[1], .none_double = NAN}};
  const rk_job job = {.stage = stage, .sizes = {r->rows, r->columns}, .value = s->at,
                      .outputs = outputs};
  rk_status status = take(s, stage, rk_kept_kind(source), r->row, r->rows);
  if (!status) status = take(s, stage, rk_reduced_kind(source), r->column, r->columns);
  if (!status) status = take(s, stage, RK_KIND_PARAMETER, NULL, 1);
  return status ? status : s->backend->run(&job, asking(s));
}

/* ---- what the run gave ----------------------------------------------------------------------- */

static double number_of(const rk_output *o, int is_position, int64_t at) {
  if (o->type == RK_OUT_INT32) {
    const int32_t number = ((const int32_t *)o->data)[at];
    return number == o->none_int32 ? NAN : (double)(number - o->base);
  }
  const double number = ((const double *)o->data)[at];
  if (!is_position) return number;
  return number == o->none_double ? NAN : number - (double)o->base;
}

/* A number of a field of a pass, positions from 0; 0: nobody has it. */
static int given(const sampling *s, int pass, int field, int64_t row, int column, double *number) {
  const rk_program_data *p = s->p;
  const rk_stage *stage = p->stage[pass];
  const rk_node *source = stage->pass.source;
  const int64_t rows = p->rows[rk_kept_kind(source)];
  const int is_position = source->reduction->field[field].is_position;
  for (int k = 0; k < p->results; k++) {
    const rk_served *served = &p->served[k];
    const int c = served->is_part ? column - served->first : column;
    if (served->pass != pass || c < 0 || (served->is_part && (field || c >= served->columns)))
      continue;
    const rk_output *output = rk_outputs_of(p, k) + field;
    *number = number_of(output, is_position, c * rows + row);
    return 1;
  }
  if (field || stage->result < 0 || !s->given[stage->result].data) return 0;
  const rk_array *x = &s->given[stage->result];
  *number = x->data[row * x->row_stride + column * x->component_stride];
  return 1;
}

/* ---- a pass ---------------------------------------------------------------------------------- */

/* Rows of a pass: numbers of a column lie side by side, room for MOST_ROWS of them. */
typedef enum { FIRST, SECOND, SIZE, RUNS, BEST, TABLES } table;
typedef struct {
  checked *pass;
  int number, n;                /* of the pass; rows */
  int columns;                  /* of the result of the run, each field */
  int64_t row[MOST_ROWS];
  double met[MOST_ROWS];        /* columns that a row meets */
  double *of[TABLES];           /* fields in float64; sizes; what stands at the run's positions, at
                                 * those of float64 */
  int width[TABLES];
} rows;

static double *at(const rows *r, table t, int column, int row) {
  return r->of[t] + (size_t)column * MOST_ROWS + row;
}

static const rk_node *source_of(const rows *r, what which) {
  return r->pass->stage[which].pass.source;
}

static int field_columns(const rk_node *reduction, int field) {
  rk_field fields[2];
  if (field >= rk_reduction_fields(reduction, fields)) return 0;
  return fields[field].k * fields[field].dim;
}

static rk_status make_tables(sampling *s, rows *r) {
  const rk_node *values = source_of(r, VALUES);
  r->width[FIRST] = field_columns(values, 0);
  r->width[SECOND] = field_columns(values, 1);
  r->width[SIZE] = r->pass->is_made[SIZES] ? source_of(r, SIZES)->dim : 0;
  r->width[RUNS] = r->width[BEST] = r->pass->is_made[CHOSEN] ? r->width[FIRST] : 0;
  r->columns = field_columns(s->p->stage[r->number]->pass.source, 0);
  for (int t = 0; t < TABLES; t++) {
    r->of[t] = calloc((size_t)r->width[t] * MOST_ROWS + 1, sizeof *r->of[t]);
    if (!r->of[t]) return rk_fail_memory(&s->error, (size_t)r->width[t] * MOST_ROWS * 8);
  }
  return RK_OK;
}

/* Runs a stage on rows first .. first + n - 1 of these, into tables. */
static rk_status fill(sampling *s, rows *r, what which, const rectangle *data, int first) {
  const table to = which == SIZES ? SIZE : FIRST;
  double *out[2] = {NULL, NULL};
  rk_status status = RK_OK;
  for (int f = 0; f < 2; f++) {
    const size_t size = (size_t)r->width[to + f] * (size_t)data->rows * sizeof *out[f];
    if (!(out[f] = malloc(size + 1))) status = rk_fail_memory(&s->error, size);
  }
  if (!status) status = run_stage(s, &r->pass->stage[which], data, out);
  for (int f = 0; f < (to == SIZE ? 1 : 2) && !status; f++)
    for (int c = 0; c < r->width[to + f]; c++)
      for (int k = 0; k < data->rows; k++)
        *at(r, to + f, c, first + k) = out[f][(size_t)c * (size_t)data->rows + (size_t)k];
  free(out[0]);
  free(out[1]);
  return status;
}

/* What stands at the positions of a row: those of the run, then those of float64. Positions that
 * are none stay so. */
static rk_status fill_chosen(sampling *s, rows *r, int row) {
  const rk_node *source = source_of(r, VALUES);
  const int field = position_field(source), K = rk_state_of(source).K, n = r->columns;
  const int64_t columns = s->p->rows[rk_reduced_kind(source)];
  const size_t dim = (size_t)source_of(r, CHOSEN)->dim, all = 2 * (size_t)n;
  int64_t *position = malloc(all * sizeof *position + 1);
  double *value = malloc(all * dim * sizeof *value + 1);
  rk_status status = position && value ? RK_OK : rk_fail_memory(&s->error, all * dim * 8);
  for (int c = 0; c < n && !status; c++) {
    double p[2] = {NAN, NAN};
    if (given(s, r->number, field, r->row[row], c, &p[0])) p[1] = *at(r, FIRST + field, c, row);
    for (int best = 0; best < 2; best++) {
      const int is_there = p[best] >= 0 && p[best] < (double)columns;
      position[best * n + c] = is_there ? (int64_t)p[best] : 0;
      *at(r, best ? BEST : RUNS, c, row) = is_there ? 0 : NAN;
    }
  }
  const rectangle data = {position, &r->row[row], 2 * n, 1};
  if (!status) status = run_stage(s, &r->pass->stage[CHOSEN], &data, (double *[]){value, NULL});
  for (int c = 0; c < n && !status; c++) {
    *at(r, RUNS, c, row) += value[(size_t)(c / K) * all + (size_t)c];
    *at(r, BEST, c, row) += value[(size_t)(c / K) * all + (size_t)(n + c)];
  }
  free(position);
  free(value);
  return status;
}

/* Rows first .. first + n - 1 meet the same columns. */
static rk_status fill_rows(sampling *s, rows *r, const rectangle *data, int first) {
  rk_status status = fill(s, r, VALUES, data, first);
  if (!status && r->pass->is_made[SIZES]) status = fill(s, r, SIZES, data, first);
  return status;
}

/* Positions among some columns as those among all. */
static void set_positions(rows *r, int row, const int64_t *column) {
  const int field = position_field(source_of(r, VALUES));
  for (int c = 0; field >= 0 && c < r->width[FIRST + field]; c++) {
    double *p = at(r, FIRST + field, c, row);
    if (*p == *p) *p = (double)column[(int64_t)*p];
  }
}

/* Each row with its own columns. */
static rk_status fill_walked(sampling *s, rows *r, const rk_walk *walk, const int64_t *place) {
  rk_status status = RK_OK;
  for (int k = 0; k < r->n && !status; k++) {
    int64_t n, *column = columns_at(walk, place[k], r->row[k], &n);
    const rectangle data = {&r->row[k], column, 1, n};
    r->met[k] = (double)n;
    if (!column) return rk_fail_memory(&s->error, (size_t)n * sizeof *column);
    if (n) status = fill_rows(s, r, &data, k);
    else r->row[k] = -1;
    if (n && !status) set_positions(r, k, column);
    free(column);
  }
  return status;
}

static rk_status fill_all(sampling *s, rows *r, const rk_walk *walk, const int64_t *place) {
  const int64_t columns = s->p->rows[rk_reduced_kind(source_of(r, VALUES))];
  const rectangle data = {r->row, NULL, r->n, columns};
  for (int k = 0; k < r->n; k++) {
    r->row[k] = walk && walk->row_at ? walk->row_at[place[k]] : place[k];
    r->met[k] = (double)columns;
  }
  rk_status status = walk ? fill_walked(s, r, walk, place) : fill_rows(s, r, &data, 0);
  for (int k = 0; k < r->n && r->pass->is_made[CHOSEN] && !status; k++)
    if (r->row[k] >= 0) status = fill_chosen(s, r, k);
  return status;
}

/* ---- what is off ----------------------------------------------------------------------------- */

/* What is off most. */
typedef struct {
  double off, found, truth;
  int64_t row;                  /* from 0 */
  int pass, is_position;
  check_kind kind;
} worst;

/* Terms that cancel each other in truth leave what float64 rounds, and 2^29 times as much in
 * float32: about as much is as good as 0. */
static const double rounded_away[2] = {1e6, 1e11};

static double share(double found, double truth, double size) {
  if (!isfinite(truth) || isnan(size) || found == truth) return 0;
  if (!isfinite(found)) return INFINITY;
  const double off = fabs(found - truth) / size;
  return off > rounded_away[0] && off < rounded_away[1] ? 0 : off;
}

/* What rows like this one have: a tenth of the mean of all that are compared, or the row's own
 * where that is more. A row of next to nothing has no digits to lose. */
typedef double (*sized)(const rows *r, int column, int row);
static double usual(const rows *r, sized size, int column, int row) {
  double sum = 0;
  int n = 0;
  for (int k = 0; k < r->n; k++) {
    const double one = r->row[k] >= 0 ? size(r, column, k) : NAN;
    if (isfinite(one)) sum += one, n++;
  }
  return fmax(size(r, column, row), n ? sum / n / 10 : 0);
}

static double sum_of_row(const rows *r, int column, int row) { return *at(r, FIRST, column, row); }

/* The mean weight of a sum of exponentials; the mean of what values were chosen from. */
static double weight_of_row(const rows *r, int column, int row) {
  return exp(*at(r, FIRST, column, row) - *at(r, FIRST, r->width[FIRST] - 1, row));
}

static double mean_of_row(const rows *r, int component, int row) {
  const double count = *at(r, SIZE, r->width[SIZE] / 2 + component, row);
  return *at(r, SIZE, component, row) / fmax(count, 1);
}

/* Kernels may take for 0 what is less than their smallest number. */
static double off_sum(const rows *r, int sizes, int column, int row, const worst *w) {
  const double size = usual(r, sum_of_row, sizes + column, row);
  return share(w->found, w->truth, size + r->met[row] * FLT_MIN / limit);
}

/* The exponential of a logarithm, beside another one; of what has no logarithm 0. */
static double beside(double value, double other) { return isnan(value) ? 0 : exp(value - other); }

static double off_logarithm(const rows *r, int column, int row, const worst *w) {
  const double all = *at(r, FIRST, r->width[FIRST] - 1, row);
  const double weight = usual(r, weight_of_row, r->columns + column, row);
  if (!isfinite(all)) return 0;
  return share(beside(w->found, all), beside(w->truth, all), weight);
}

/* Values chosen, or what stands at positions that are, of which better ones are no fault. */
static double off_choice(const rows *r, int column, int row, const worst *w) {
  const int component = column / rk_state_of(source_of(r, VALUES)).K;
  const int negate = source_of(r, VALUES)->reduction->negate;
  if (w->is_position && (negate ? w->found > w->truth : w->found < w->truth)) return 0;
  return share(w->found, w->truth,
               fabs(w->truth) + usual(r, mean_of_row, component, row) + FLT_MIN / limit);
}

/* Sums of exponentials are beside their largest, which may be another number in float64: as they
 * would be beside that one. */
static int found_of(const sampling *s, const rows *r, int field, int column, int row,
                    double *found) {
  double largest;
  if (!given(s, r->number, field, r->row[row], column, found)) return 0;
  if (r->pass->kind != SHIFTED) return 1;
  if (!column || !given(s, r->number, 0, r->row[row], 0, &largest)) return 0;
  const double other = *at(r, FIRST, 0, row);
  if (largest != other) *found *= exp(largest - other);
  return 1;
}

/* What a number of the run is off by; `w` says what it is, and learns what it should be. */
static double off_of(const rows *r, int field, int column, int row, worst *w) {
  const check_kind kind = r->pass->kind;
  const int sizes = r->columns + (kind == MEANS) - (kind == SHIFTED);
  w->truth = *at(r, FIRST + field, column, row);
  if (kind == LOGARITHMS) return off_logarithm(r, column, row, w);
  if (kind != CHOICES) return off_sum(r, sizes, column, row, w);
  if (w->is_position) {
    w->found = *at(r, RUNS, column, row);
    w->truth = *at(r, BEST, column, row);
  }
  return off_choice(r, column, row, w);
}

/* The largest of a row. */
static void compare_row(const sampling *s, const rows *r, int row, worst *most) {
  const rk_reduction *entry = source_of(r, VALUES)->reduction;
  for (int f = 0; f < entry->fields; f++)
    for (int c = 0; c < r->columns; c++) {
      worst w = {.row = r->row[row], .pass = r->number, .kind = r->pass->kind,
                 .is_position = entry->field[f].is_position};
      if (!found_of(s, r, f, c, row, &w.found)) continue;
      w.off = off_of(r, f, c, row, &w);
      if (w.off > most->off) *most = w;
    }
}

/* What a comparison or a kink makes of one pair that lies on it may be off in a single row. */
static void compare(const sampling *s, const rows *r, worst *most) {
  worst here = {.off = 0};
  int compared = 0, off = 0;
  for (int k = 0; k < r->n; k++) {
    worst w = {.off = 0};
    if (r->row[k] < 0) continue;
    compare_row(s, r, k, &w);
    compared++;
    off += w.off > limit;
    if (w.off > here.off) here = w;
  }
  r->pass->rows = compared;
  r->pass->off = here.off;
  if (off < 2 && off < compared && isfinite(here.off)) return;
  if (here.off > most->off) *most = here;
}

/* ---- what is said ---------------------------------------------------------------------------- */

/* "row 7 of the result": the only one, one of several, or one that these are made of. */
static void write_place(const rk_program_data *p, const worst *w, rk_text *text) {
  int first = -1;
  for (int k = p->results - 1; k >= 0; k--)
    if (p->served[k].pass == w->pass) first = k;
  rk_text_format(text, "row %lld of ", (long long)w->row + 1);
  if (first < 0) rk_text_add(text, "a reduction that the result is made of");
  else if (p->results == 1) rk_text_add(text, "the result");
  else rk_text_format(text, "result %d", first + 1);
}

/* As R writes them. */
static const char *text_of(double value, char *text) {
  if (isnan(value)) return "NaN";
  return isinf(value) ? value > 0 ? "Inf" : "-Inf" : rk_number_text(text, "%.7g", value);
}

static void warn(const rk_program_data *p, const worst *w, rk_text *text) {
  static const char *const of[] = {
    [SUMS] = " of the sum of absolute values", [MEANS] = " of the mean of absolute values",
    [SHIFTED] = " of the sum of absolute values", [LOGARITHMS] = "", [CHOICES] = " of its size"};
  const char *precision =
      p->stage[0]->pass.options.precision == RK_FLOAT16 ? "float16" : "float32";
  char number[RK_NUMBER_TEXT];
  rk_text_format(text, "%s has too few digits for this formula: %s", precision,
                 w->is_position ? "the value at the position in " : "");
  write_place(p, w, text);
  rk_text_format(text, " is %s", text_of(w->found, number));
  rk_text_format(text, " instead of %s", text_of(w->truth, number));
  if (isfinite(w->off))
    rk_text_format(text, ", off by %s%s", rk_number_text(number, "%.2g", w->off), of[w->kind]);
  rk_text_add(text, "; take differences of the data first, as sqdist(x, y) does, or "
                    "rkeops_use_float64() (section \"Float32\" of ?set_rkeops_options)\n");
}

/* ---- all of a run ---------------------------------------------------------------------------- */

static int begin(sampling *s, const rk_values *values) {
  const size_t n = (size_t)values->count + 1;
  s->backend = rk_backend_named("builtin", INFINITY, &s->error);
  s->count = values->count;
  s->given = calloc(n, sizeof *s->given);
  s->at = calloc(n, sizeof *s->at);
  s->own = calloc(n, sizeof *s->own);
  s->fetched = calloc(n, sizeof *s->fetched);
  s->is_half = calloc(n, 1);
  return s->backend && s->given && s->at && s->own && s->fetched && s->is_half;
}

static void end(sampling *s) {
  for (int k = 0; k < s->count; k++) {
    if (s->own) free(s->own[k]);
    if (s->fetched) free(s->fetched[k]);
  }
  free(s->given);
  free(s->at);
  free(s->own);
  free(s->fetched);
  free(s->is_half);
}

/* Brings what the rows are computed from, and what was made of them. */
static rk_status bring_all(sampling *s, const rk_values *values, rows *r) {
  const rk_stage *stage = s->p->stage[r->number];
  rk_status status = RK_OK;
  for (int w = 0; w < WHATS && !status; w++)
    if (r->pass->is_made[w]) status = bring_variables(s, values, &r->pass->stage[w]);
  if (!status && stage->result >= 0 && stage->result < s->count && !s->given[stage->result].data)
    status = bring(s, values, stage->result);
  return status ? status : round_all(s, values, &stage->pass);
}

static rk_status check_pass(sampling *s, const rk_values *values, rows *r, worst *most) {
  const rk_stage *stage = s->p->stage[r->number];
  const rk_walk *walk = walk_of(s->p, stage->pass.source);
  const double pairs = pass_pairs(s->p, r->number);
  int64_t place[MOST_ROWS];
  rk_status status = RK_OK;
  r->pass->rows = 0;
  if (!pairs || r->pass->kind == UNCHECKED) return RK_OK;
  r->n = choose_places(pairs * walked_share(s->p->bounded[r->number]), pairs,
                       rk_sizes_of(stage, s->p->rows), 1 + r->pass->is_made[SIZES], place);
  if (!r->n) return RK_OK;
  if (!begin(s, values)) status = rk_fail_memory(&s->error, (size_t)values->count);
  if (!status) status = bring_all(s, values, r);
  if (!status) status = make_tables(s, r);
  if (!status) status = fill_all(s, r, walk, place);
  if (!status) compare(s, r, most);
  for (int t = 0; t < TABLES; t++) free(r->of[t]);
  end(s);
  return status;
}

rk_status rk_sample(rk_sampled **kept, const rk_program_data *p, const rk_values *values,
                    rk_text *warning, rk_caller caller) {
  worst most = {.off = 0};
  rk_status status = RK_OK;
  if (!*kept) *kept = plan(p);
  for (int k = 0; *kept && k < p->stages && status != RK_CANCELLED; k++) {
    sampling s = {.p = p, .caller = caller};
    rows r = {.pass = &(*kept)->pass[k], .number = k};
    status = check_pass(&s, values, &r, &most);
    if (status == RK_CANCELLED) return rk_fail(caller.error, status, "%s", s.error.message);
  }
  if (most.off > limit) warn(p, &most, warning);
  return RK_OK;
}
