/* Programs of several results and several passes: walks that are shared, reductions to one row,
 * expressions that are evaluated once per row, positions as data, empty inputs, interruption. What
 * no text asks for is built as a graph. */
#include "check.h"

#include "formula/operations.h"
#include "formula/parser.h"
#include "formula/reductions.h"
#include "backends.h"
#include "build/build.h"
#include "look/look.h"

#include <float.h>

static const char *const names[] = {"x=Vi(3)", "y=Vj(3)", "b=Vj(2)", "e=Vi(2)", "p=Pm(2)"};
enum { NAMES = 5, MOST_FIELDS = 12 };

static sample sample_new(int64_t m, int64_t n) { return sample_of(names, NAMES, m, n, 0.1, 1); }

/* ---- running a text ---- */

typedef struct {
  int fields;
  int64_t rows[MOST_FIELDS];
  int columns[MOST_FIELDS];
  double *data[MOST_FIELDS];
  rk_output outputs[MOST_FIELDS];
  rk_status status;
  rk_error error;
} answer;

static answer answer_new(const rk_program *program, const sample *s) {
  answer a = {0};
  const rk_program_info *info = rk_program_info_of(program);
  int64_t rows[3];
  a.status = rk_program_rows(program, NULL, s->inputs, NAMES, rows, &a.error);
  for (int r = 0; r < info->results; r++)
    for (int f = 0; f < info->result[r].fields; f++, a.fields++) {
      const rk_field *field = &info->result[r].field[f];
      a.rows[a.fields] = rows[info->result[r].kept];
      a.columns[a.fields] = field->k * field->dim;
      a.data[a.fields] =
          calloc((size_t)(a.rows[a.fields] * a.columns[a.fields]) + 1, sizeof(double));
      a.outputs[a.fields] = (rk_output){.type = RK_OUT_DOUBLE, .data = a.data[a.fields],
                                        .base = 1, .none_double = -1};
    }
  return a;
}

static void answer_free(answer *a) {
  for (int k = 0; k < a->fields; k++) free(a->data[k]);
}

static answer answer_of(const char *text, const sample *s, rk_precision precision) {
  rk_program *program = program_of(text, names, NAMES, precision);
  if (!CHECK(program != NULL, text)) return (answer){.status = RK_ERROR_FORMULA};
  answer a = answer_new(program, s);
  a.status = rk_run(program, s->inputs, NAMES, a.outputs, NULL, NULL, &a.error);
  if (!CHECK(a.status == RK_OK, text)) printf("  %s\n", a.error.message);
  return a;
}

static int passes_of(const char *text) {
  char *source = NULL;
  rk_error error;
  int passes = 0;
  rk_program *program = program_of(text, names, NAMES, RK_FLOAT64);
  if (!program || rk_source(program, "cpu", &source, &error)) return -1;
  for (const char *at = source; (at = strstr(at, "/* rkeops\n")); at++) passes++;
  rk_free(source);
  return passes;
}

/* The largest |a - b| / (1 + |b|). */
static double difference(const answer *a, int field, const answer *b, int other) {
  double worst = a->rows[field] == b->rows[other] && a->columns[field] == b->columns[other]
                     ? 0 : INFINITY;
  for (int64_t k = 0; k < a->rows[field] * a->columns[field] && worst < INFINITY; k++) {
    double x = a->data[field][k], y = b->data[other][k];
    double error = x == y || (isnan(x) && isnan(y)) ? 0 : fabs(x - y) / (1 + fabs(y));
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

/* ---- shared walks ---- */

typedef struct { const char *start, *root[4]; int roots, passes; } shared_case;

/* A gradient by a variable of the kept index needs no walk for the normaliser alone. */
static void test_means(void) {
  static const char L[] = "LogSumExp_Reduction(SqDist(x,y), j)";
  static const struct { const char *format; int passes; } cases[] = {
    {"Grad(%s, x, Sum(e))", 1}, {"%1$s, Grad(%1$s, x, Sum(e))", 2},
    {"Grad(%s, y, Sum(e))", 2},
    {"Grad(LogSumExp_Reduction(SqDist(x,y), Exp(b), j), x, Extract(x,0,2))", 2}};
  for (unsigned k = 0; k < sizeof cases / sizeof *cases; k++) {
    char text[300];
    snprintf(text, sizeof text, cases[k].format, L);
    int passes = passes_of(text);
    if (!CHECK(passes == cases[k].passes, text)) printf("  in %d passes\n", passes);
  }
}

/* Every sum is of positive terms: so n additions and a few roundings of each term bound the
 * relative error of both. */
static void test_shared(void) {
  static const shared_case cases[] = {
    {"k = Exp(-SqDist(x,y));", {"Sum_Reduction(k*b, j)", "Sum_Reduction(k, j)",
                                "Sum_Reduction(k*e, i)"}, 3, 2},
    {"k = Exp(-SqDist(x,y)); S = Sum_Reduction(k, j);",
     {"S", "Sum_Reduction(k*b/S, j)", "Sum_Reduction(k*k, j)", "Sum_Reduction(k/S, i)"}, 4, 3},
    {"F = SqDist(x,y);", {"LogSumExp_Reduction(F, j)", "SumSoftMaxWeight_Reduction(F, b, j)"}, 2,
     2},
    {"F = SqDist(x,y);", {"LogSumExp_Reduction(F, j)", "LogSumExp_Reduction(F, b, j)",
                          "Max_SumShiftExp_Reduction(F, j)", "Sum_Reduction(F, j)"}, 4, 3},
    {"F = SqDist(x,y); L = LogSumExp_Reduction(F, j);",
     {"L", "Sum_Reduction(Exp(F - L)*b, j)", "SumSoftMaxWeight_Reduction(F, b, j)"}, 3, 2},
    {"", {"Min_ArgMin_Reduction(SqDist(x,y), j)", "Min_ArgMin_Reduction(SqDist(x,y), j)",
          "KMin_ArgKMin_Reduction(x-y, 2, i)"}, 3, 2},
    {"", {"LogSumExp_Reduction(SqDist(x,y), j)"}, 1, 1}};
  sample s = sample_new(70, 90);
  const double bound = 2 * (90 + 64) * 0x1p-53;
  for (unsigned k = 0; k < sizeof cases / sizeof *cases; k++) {
    char text[600], one[600];
    int field = 0;
    snprintf(text, sizeof text, "%s %s", cases[k].start, cases[k].root[0]);
    for (int r = 1; r < cases[k].roots; r++) strcat(strcat(text, ", "), cases[k].root[r]);
    int passes = passes_of(text);
    if (!CHECK(passes == cases[k].passes, text)) printf("  in %d passes\n", passes);
    answer all = answer_of(text, &s, RK_FLOAT64);
    for (int r = 0; r < cases[k].roots && !all.status; r++) {
      snprintf(one, sizeof one, "%s %s", cases[k].start, cases[k].root[r]);
      answer alone = answer_of(one, &s, RK_FLOAT64);
      for (int f = 0; f < alone.fields; f++, field++)
        if (!CHECK(difference(&all, field, &alone, f) <= bound, one))
          printf("  off by %g\n", difference(&all, field, &alone, f));
      answer_free(&alone);
    }
    answer_free(&all);
  }
  sample_free(&s);
}

/* -Inf, +Inf and NaN as the entries of the table have them. */
static void test_shared_special(void) {
  static const char *const both = "F = Sum(x)*Elem(b,0);"
                                  "LogSumExp_Reduction(F, j), SumSoftMaxWeight_Reduction(F, e, j)";
  static const double value[] = {-INFINITY, INFINITY, NAN, 0};
  for (int k = 0; k < 4; k++) {
    sample s = sample_new(3, k == 3 ? 0 : 4);
    for (int64_t j = 0; j < s.n; j++) s.data[2][j] = value[k];
    answer all = answer_of(both, &s, RK_FLOAT64);
    answer alone = answer_of("F = Sum(x)*Elem(b,0); LogSumExp_Reduction(F, j)", &s, RK_FLOAT64);
    CHECK(difference(&all, 0, &alone, 0) == 0, "a shared LogSumExp of special values");
    answer_free(&all);
    answer_free(&alone);
    sample_free(&s);
  }
}

/* What later passes read of the K smallest of vectors: those of rank 0 first. */
static void test_ranks(void) {
  sample s = sample_new(13, 21);
  answer whole = answer_of("KMin_Reduction(x-y, 4, j)", &s, RK_FLOAT64);
  answer read = answer_of("KMin_Reduction(x-y, 4, j) * 2, KMin_Reduction(x-y, 4, j)", &s,
                          RK_FLOAT64);
  int wrong = 0;
  for (int i = 0; i < 13; i++)
    for (int a = 0; a < 4; a++)
      for (int d = 0; d < 3; d++) {
        double want = whole.data[0][i + 13 * (a + 4 * d)];
        wrong += read.data[0][i + 13 * (a * 3 + d)] != 2 * want;
        wrong += read.data[1][i + 13 * (a + 4 * d)] != want;
      }
  CHECK(!wrong, "the K smallest of vectors inside a formula, and beside it");
  answer_free(&whole);
  answer_free(&read);
  sample_free(&s);
}

/* ---- graphs ---- */

enum { MOST_PASSES = 8 };

typedef struct {
  rk_graph *graph;
  const rk_node *root[RK_MAX_RESULTS];
  int roots;
} built;

static const rk_node *node_of(built *b, const char *text) {
  const rk_node *node = NULL;
  rk_error error = {0};
  if (!CHECK(rk_parse_expression(b->graph, text, names, NAMES, &node, &error) == RK_OK, text))
    printf("  %s\n", error.message);
  return node;
}

static const rk_node *reduced(built *b, const char *name, const rk_node *formula, rk_kind kept,
                              rk_kind over) {
  rk_error error = {0};
  const rk_node *node =
      rk_reduce(b->graph, (rk_reducing){.reduction = rk_reduction_find(name),
                                        .formula = formula, .kept = kept, .reduced = over},
                &error);
  if (!CHECK(node != NULL, name)) printf("  %s\n", error.message);
  return node;
}

static const rk_node *applied(built *b, rk_op op, const rk_node *a, const rk_node *c) {
  rk_error error = {0};
  const rk_node *node = rk_apply2(b->graph, op, a, c, &error);
  if (!CHECK(node != NULL, "applies")) printf("  %s\n", error.message);
  return node;
}

static rk_status build_stages(rk_wanted *wanted, int n, const rk_backend *backend,
                              rk_caller caller) {
  rk_text source = {0};
  rk_status status = backend->source(wanted, n, &source, caller.error);
  if (!status && backend->build) status = backend->build(wanted, n, &source, caller);
  rk_text_free(&source);
  return status;
}

/* What rk_run does, of a graph that no text made. */
static rk_status run_passes(const built *b, rk_passes *passes, const int64_t *rows,
                            const sample *s, const rk_output *outputs, rk_call *call,
                            rk_error *error) {
  rk_stage stage[MOST_PASSES] = {{.result = -1}};
  rk_stage *at[MOST_PASSES];
  rk_wanted wanted[MOST_PASSES];
  rk_values values = {0};
  rk_text warning = {0};
  unsigned char split[MOST_PASSES] = {0};
  double *number = calloc((size_t)rk_graph_variables(b->graph) + 1, sizeof *number);
  rk_status status = RK_OK;
  for (int k = 0; k < passes->count && !status; k++) {
    stage[k] = (rk_stage){.pass = passes->planned[k].pass, .result = passes->planned[k].result};
    at[k] = &stage[k];
    wanted[k] = (rk_wanted){at[k], rk_sizes_of(&stage[k], rows), 0, NULL};
    status = rk_build_vectors(&stage[k].vectors, error);
  }
  for (int v = 0; v < rk_graph_variables(b->graph); v++)
    number[v] = rk_graph_variable_at(b->graph, v)->number;
  const rk_caller caller = {.error = error};
  rk_look look = {0};
  rk_program_data data = {.graph = b->graph, .stage = at, .stages = passes->count,
                                .served = passes->served, .results = b->roots, .number = number,
                                .inputs = s->inputs, .rows = rows, .outputs = outputs};
  if (!status) status = rk_values_make(&values, &data, caller);
  if (!status) status = rk_look_at(&look, &data, &values, split, &warning, caller);
  if (!status) status = build_stages(wanted, passes->count, call->backend, caller);
  if (!status) status = rk_run_passes(&data, &values, caller);
  rk_values_free(&values);
  rk_text_free(&warning);
  for (int k = 0; k < passes->count; k++) {
    stage[k].pass = (rk_pass){.graph = NULL}; /* freed with the passes */
    rk_stage_empty(&stage[k]);
  }
  free(number);
  return status;
}

/* Plans, builds and runs what root[] says, and frees the graph. */
static rk_status run_graph(built *b, const sample *s, rk_precision precision,
                           const rk_output *outputs) {
  const int64_t rows[] = {s->m, s->n, 1};
  const rk_options options = {.precision = precision};
  rk_error error = {0};
  rk_call call;
  rk_passes passes;
  rk_status status = rk_call_begin(&call, rk_backend_chosen(INFINITY), (rk_caller){.error = &error});
  if (status) return status;
  status = rk_plan_program(b->graph, b->root, b->roots, &options, &passes, &error);
  if (!status) status = run_passes(b, &passes, rows, s, outputs, &call, &error);
  if (status) printf("  %s\n", error.message);
  rk_call_end(&call);
  for (int k = 0; k < passes.count; k++) rk_pass_free(&passes.planned[k].pass);
  free(passes.planned);
  rk_graph_free(b->graph);
  return status;
}

static double square_distance(const sample *s, int64_t i, int64_t j) {
  double sum = 0;
  for (int k = 0; k < 3; k++) {
    double d = s->data[0][i + k * s->m] - s->data[1][j + k * s->n];
    sum += d * d;
  }
  return sum;
}

/* The sum over all pairs, the largest of the sums of a row, the share of the least of them, of one
 * row each; and an expression of each row that reads the first. */
static void test_one_row(int64_t m, int64_t n, rk_precision precision) {
  sample s = sample_new(m, n);
  built b = {.graph = rk_graph_new()};
  const rk_node *term = node_of(&b, "Exp(-SqDist(x,y))*Elem(p,0)");
  const rk_node *rows = reduced(&b, "Sum", term, RK_KIND_I, RK_KIND_J);
  const rk_node *all = reduced(&b, "Sum", rows, RK_KIND_PARAMETER, RK_KIND_I);
  const rk_node *most = reduced(&b, "Max", rows, RK_KIND_PARAMETER, RK_KIND_I);
  const rk_node *least = reduced(&b, "Min", rows, RK_KIND_PARAMETER, RK_KIND_I);
  const rk_node *share = applied(&b, RK_OP_Divide, least, all);
  const rk_node *twice = applied(&b, RK_OP_Add, rk_variable_node(b.graph, 0), all);
  b.root[0] = all;
  b.root[1] = most;
  b.root[2] = reduced(&b, "Sum", share, RK_KIND_PARAMETER, RK_KIND_PARAMETER);
  b.root[3] = reduced(&b, "Sum", twice, RK_KIND_I, RK_KIND_PARAMETER);
  b.roots = 4;
  double sum = -1, largest = -1, ratio = -1, *map = calloc((size_t)m * 3 + 1, 8);
  rk_output outputs[] = {{.type = RK_OUT_DOUBLE, .data = &sum},
                         {.type = RK_OUT_DOUBLE, .data = &largest},
                         {.type = RK_OUT_DOUBLE, .data = &ratio},
                         {.type = RK_OUT_DOUBLE, .data = map}};
  CHECK(run_graph(&b, &s, precision, outputs) == RK_OK, "reductions to one row run");
  double want = 0, want_largest = -INFINITY, want_least = INFINITY;
  for (int64_t i = 0; i < m; i++) {
    double row = 0;
    for (int64_t j = 0; j < n; j++) row += s.data[4][0] * exp(-square_distance(&s, i, j));
    if (row > want_largest) want_largest = row;
    if (row < want_least) want_least = row;
    want += row;
  }
  /* a few roundings of each term and of each stored result; sums in double */
  const double unit = precision == RK_FLOAT64 ? 0x1p-53 : 0x1p-24;
  const double bound = 32 * unit + (double)(m + n) * 0x1p-53;
  CHECK(fabs(sum - want) <= bound * want, "the sum over all pairs");
  CHECK(m == 0 ? largest == -INFINITY : fabs(largest - want_largest) <= bound * want_largest,
        "the largest of the rows");
  if (want > 0)
    CHECK(fabs(ratio - want_least / want) <= 4 * bound, "an expression of parameters");
  double worst = 0;
  for (int64_t k = 0; k < 3 * m; k++)
    worst = fmax(worst, fabs(map[k] - (s.data[0][k] + want)) / (1 + want));
  CHECK(worst <= bound, "an expression of one index that reads them");
  free(map);
  sample_free(&s);
}

static void test_rows(void) {
  static const int sizes[][2] = {{0, 5}, {5, 0}, {0, 0}, {1, 1}, {3, 700}, {700, 3}, {300, 130}};
  for (int k = 0; k < 7; k++)
    for (int precision = 0; precision < 2; precision++)
      test_one_row(sizes[k][0], sizes[k][1], (rk_precision)precision);
}

/* Positions as data: the component of y at one position, picked by both digits; every row of x
 * asks for one. */
static void test_positions(int64_t n, rk_precision precision) {
  /* what is asked for is data, so in half it must be a number of half; 2049 is none */
  const int half = precision == RK_FLOAT16;
  const int64_t wanted[] = {0, 1, half ? 1024 : n / 2, half ? 2047 : n - 2, half ? 2048 : n - 1};
  sample s = sample_new(5, 1);
  for (int k = 0; k < 5; k++) {
    s.data[3][k] = (double)(wanted[k] % (1 << 20));
    s.data[3][k + 5] = (double)(wanted[k] / (1 << 20));
  }
  s.n = n;
  s.inputs[1].rows = s.inputs[2].rows = n; /* the same row again and again */
  s.inputs[1].row_stride = s.inputs[2].row_stride = 0;
  built b = {.graph = rk_graph_new()};
  rk_error error = {0};
  const rk_node *e = node_of(&b, "e");
  rk_graph_variable position = {.name = "", .kind = RK_KIND_J, .dim = 2,
                                .origin = RK_FROM_POSITION};
  const rk_node *P = rk_variable_node(b.graph, rk_graph_add_variable(b.graph, &position));
  const rk_name digits[] = {{"P", P}, {"e", e}};
  const rk_node *mask = rk_parse_definition(
      b.graph, "Equal(Elem(P,0), Elem(e,0)) * Equal(Elem(P,1), Elem(e,1)) * Concat(1, P)", digits,
      2, NULL, NULL, &error);
  CHECK(mask != NULL, "a mask of positions");
  b.root[0] = reduced(&b, "Sum", mask, RK_KIND_I, RK_KIND_J);
  b.roots = 1;
  double out[15];
  rk_output output = {.type = RK_OUT_DOUBLE, .data = out};
  rk_status status = run_graph(&b, &s, precision, &output);
  if (status == RK_ERROR_MEMORY) check_skipped++;
  else {
    int wrong = 0;
    for (int k = 0; k < 5; k++)
      wrong += out[k] != 1 || out[k + 5] != s.data[3][k] || out[k + 10] != s.data[3][k + 5];
    CHECK(!status && !wrong, "positions are found by their digits");
  }
  sample_free(&s);
}

/* ---- interruption ---- */

typedef struct { double stop_at, last; int calls, backwards; } watching;

static int watch(void *data, double done) {
  watching *w = data;
  w->calls++;
  if (done < 0) return 0;
  w->backwards += done < w->last;
  w->last = done;
  return done > w->stop_at;
}

static void test_interruption(void) {
  static const char *const text =
      "k = Exp(-SqDist(x,y)); S = Sum_Reduction(k, j); T = Sum_Reduction(k/S, i);"
      "S, T, Sum_Reduction(k*T, j)";
  const int64_t rows = check_long_rows();
  sample s = sample_new(rows, rows);
  rk_program *program = program_of(text, names, NAMES, RK_FLOAT32);
  answer a = answer_new(program, &s);
  rk_counters before = rk_count();
  rk_status status = rk_run(program, s.inputs, NAMES, a.outputs, NULL, NULL, &a.error);
  CHECK(status == RK_OK, "a program of three passes runs");
  rk_counters after = rk_count();
  CHECK(after.compiles + after.disk_hits ==
            before.compiles + before.disk_hits +
                (!rk_backend_chosen(INFINITY)->build ? 0 : check_on_gpu() ? 1 : 3),
        "its passes are compiled together for a GPU, side by side for a CPU");
  double *first = malloc((size_t)rows * 8);
  memcpy(first, a.data[2], (size_t)rows * 8);
  watching w = {.stop_at = check_on_gpu() ? 0.2 : 0.5};
  status = rk_run(program, s.inputs, NAMES, a.outputs, watch, &w, &a.error);
  CHECK(status == RK_CANCELLED, "it stops in a later pass when it is asked to");
  watching all = {.stop_at = 2};
  status = rk_run(program, s.inputs, NAMES, a.outputs, watch, &all, &a.error);
  CHECK(status == RK_OK && !memcmp(first, a.data[2], (size_t)rows * 8),
        "and runs again with the same bits");
  CHECK(all.calls > 1 && (check_on_gpu() || !all.backwards), "what is done only grows");
  free(first);
  answer_free(&a);
  sample_free(&s);
}

/* ---- limits ---- */

/* A sum of rows alone is compiled with the pass before it, and reads what that leaves. */
static void test_joined(void) {
  static const char *const text =
      "S = Sum_Reduction(Exp(-SqDist(x,y))*Exp(Elem(p,1)), j); S, Sum_Reduction(S, i)";
  sample s = sample_new(70, 50);
  CHECK(passes_of(text) == 2, "two passes");
  rk_counters before = rk_count();
  answer a = answer_of(text, &s, RK_FLOAT64);
  rk_counters after = rk_count();
  CHECK(after.compiles + after.disk_hits ==
            before.compiles + before.disk_hits + (rk_backend_chosen(INFINITY)->build ? 1 : 0),
        "one text for both");
  double sum = 0;
  for (int64_t i = 0; i < a.rows[0]; i++) sum += a.data[0][i];
  for (int64_t j = 0; j < a.rows[1]; j++)
    CHECK(fabs(a.data[1][j] - sum) < 1e-12 * sum, "the sum of the rows");
  answer_free(&a);
  sample_free(&s);
}

static void test_limits(void) {
  char text[4000] = "Sum_Reduction(x, j)";
  rk_options options = {0};
  rk_program *program;
  rk_error error;
  for (int k = 1; k < RK_MAX_RESULTS; k++) strcat(text, ", Sum_Reduction(x, j)");
  CHECK(rk_program_get(text, names, NAMES, &options, &program, &error) == RK_OK &&
            rk_program_info_of(program)->results == RK_MAX_RESULTS,
        "as many results as there may be");
  strcat(text, ", Sum_Reduction(x, j)");
  CHECK(rk_program_get(text, names, NAMES, &options, &program, &error) == RK_ERROR_FORMULA,
        "one more is refused");
  CHECK(passes_of("Sum_Reduction(Concat(OneHot(Elem(x,0), 1500), y), j),"
                  "Sum_Reduction(OneHot(Elem(x,1), 1400), j), Sum_Reduction(y*x, j)") == 2,
        "very wide sums do not share a walk");
}

/* In half, and with a budget that columns do not fit into. */
static void test_gpu(void) {
  rk_error error;
  for (int budget = 0; budget < 2; budget++) {
    rk_settings settings = {.gpu_memory = budget ? 64 << 10 : 0};
    CHECK(rk_configure(&settings, &error) == RK_OK, "a budget is set");
    for (int precision = 0; precision < 3; precision++)
      test_positions(9000, (rk_precision)precision);
    test_one_row(700, 300, RK_FLOAT32);
    test_one_row(3, 9000, RK_FLOAT64);
  }
  rk_settings settings = {.gpu_memory = 0};
  rk_configure(&settings, &error);
}

/* ---- large formulas ---- */

enum { TERMS = 300, PICKED = 40 };

/* One below the other, as `x[k]` of R does with scattered components. */
static void add_picked(rk_text *text, int first, int n) {
  if (n == 1) {
    rk_text_format(text, "Elem(v,%d)", first * first % 57);
    return;
  }
  rk_text_add(text, "Concat(");
  add_picked(text, first, n / 2);
  rk_text_add(text, ",");
  add_picked(text, first + n / 2, n - n / 2);
  rk_text_add(text, ")");
}

/* k = k + K * t for t = 2 .. TERMS - 1. */
static void add_terms(rk_text *text) {
  rk_text_add(text, "K=Exp(-SqDist(x,y));k1=K;");
  for (int t = 2; t < TERMS; t++) rk_text_format(text, "k%d=k%d+K*%d;", t, t - 1, t);
}

static void compare_texts(const char *large, const char *small, const sample *s, double bound) {
  answer a = answer_of(large, s, RK_FLOAT64), b = answer_of(small, s, RK_FLOAT64);
  double worst = difference(&a, 0, &b, 0);
  if (!CHECK(worst <= bound, small)) printf("  %g, expected at most %g\n", worst, bound);
  answer_free(&a);
  answer_free(&b);
}

/* Formulas whose text goes to the compiler in parts, or in loops over tables, against short ones of
 * the same values. */
static void test_large(void) {
  const double eps = 0x1p-53, all = TERMS * (TERMS - 1) / 2.;
  sample s = sample_new(37, 41);
  rk_text text = {0}, other = {0};
  /* positive terms: additions of terms and of columns, some roundings of each term */
  add_terms(&text);
  rk_text_format(&text, "Sum_Reduction(k%d,j)", TERMS - 1);
  rk_text_format(&other, "Sum_Reduction(Exp(-SqDist(x,y))*%.0f,j)", all);
  compare_texts(rk_text_string(&text), rk_text_string(&other), &s, 2 * (TERMS + 41 + 64) * eps);
  rk_text_clear(&text);
  rk_text_clear(&other);
  /* components of x - y are below 1, cotangents below 2: terms are below 4 all */
  add_terms(&text);
  rk_text_format(&text, "Grad(Sum_Reduction(k%d,j),x,Sum(e))", TERMS - 1);
  rk_text_format(&other, "Grad(Sum_Reduction(Exp(-SqDist(x,y))*%.0f,j),x,Sum(e))", all);
  compare_texts(rk_text_string(&text), rk_text_string(&other), &s,
                2 * (TERMS + 41 + 64) * eps * 4 * all * 41);
  rk_text_clear(&text);
  rk_text_clear(&other);
  /* vectors: k = k / 2 + d doubles d in the end; a step halves the errors before it */
  rk_text_add(&text, "d=x-y;k1=d;");
  for (int t = 2; t < TERMS; t++) rk_text_format(&text, "k%d=k%d*0.5+Square(d)/d;", t, t - 1);
  rk_text_format(&text, "Sum_Reduction(Abs(k%d),j)", TERMS - 1);
  compare_texts(rk_text_string(&text), "Sum_Reduction(Abs(2*(x-y)),j)", &s,
                2 * (16 + 41 + 64) * eps);
  rk_text_clear(&text);
  /* each component of a sum is taken from one place */
  rk_text_add(&text, "v=RepeatAll(x,19)-RepeatAll(y,19);s=");
  add_picked(&text, 0, PICKED);
  rk_text_format(&text, ";Sum_Reduction(s,j)");
  rk_text_add(&other, "u=x-y;Sum_Reduction(Concat(");
  for (int k = 0; k < PICKED - 1; k++)
    rk_text_format(&other, "Elem(u,%d),%s", k * k % 57 % 3, k < PICKED - 2 ? "Concat(" : "");
  rk_text_format(&other, "Elem(u,%d)", (PICKED - 1) * (PICKED - 1) % 57 % 3);
  for (int k = 0; k < PICKED - 1; k++) rk_text_add(&other, ")");
  rk_text_add(&other, ",j)");
  compare_texts(rk_text_string(&text), rk_text_string(&other), &s, 0);
  rk_text_free(&text);
  rk_text_free(&other);
  sample_free(&s);
}

/* Components from the last to the first, in a loop that begins within them; powers below 0, of nine
 * terms of at most 1 with some roundings each. */
static void test_reversed(void) {
  sample s = sample_new(7, 9);
  compare_texts("a=1+Square(x-y);Sum_Reduction(Pow(a,-3),j)", "a=1+Square(x-y);Sum_Reduction(1/(a*a*a),j)",
                &s, 9 * 16 * 0x1p-53);
  compare_texts("Sum_Reduction(Extract(Reverse(x*Elem(y,0)),1,2),j)",
                "Sum_Reduction(Concat(Elem(x,1),Elem(x,0))*Elem(y,0),j)", &s, 0);
  sample_free(&s);
}

/* The difference that is packed is the one of the exponent, times a number: this is minus that. */
static void test_difference(void) {
  static const char text[] = "Sum_Reduction(Exp(-SqDist(x,y))*(y-x),j)";
  sample s = sample_new(19, 23);
  answer a = answer_of(text, &s, RK_FLOAT32), b = answer_of(text, &s, RK_FLOAT64);
  CHECK(difference(&a, 0, &b, 0) <= 23 * 16 * 0x1p-24, "a difference beside an exponential of it");
  answer_free(&a);
  answer_free(&b);
  sample_free(&s);
}

/* Points one after another instead of coordinates, in whole blocks of rows. */
static void test_row_major(void) {
  static const char text[] = "Sum_Reduction(Exp(-SqDist(x,y))*b,j)";
  sample s = sample_new(150, 170);
  answer a = answer_of(text, &s, RK_FLOAT64);
  for (int k = 0; k < 3; k++) {
    rk_array *x = &s.inputs[k];
    double *turned = calloc((size_t)(x->rows * x->dim), sizeof *turned);
    for (int64_t i = 0; i < x->rows * x->dim; i++)
      turned[i] = s.data[k][i / x->dim + i % x->dim * x->rows];
    free(s.data[k]);
    x->data = s.data[k] = turned;
    x->row_stride = x->dim;
    x->component_stride = 1;
  }
  answer b = answer_of(text, &s, RK_FLOAT64);
  CHECK(difference(&a, 0, &b, 0) == 0, "rows that are not neighbours");
  answer_free(&a);
  answer_free(&b);
  sample_free(&s);
}

int main(void) {
  check_configure();
  const int small = check_is_small();
  test_means();
  test_shared();
  test_shared_special();
  test_ranks();
  test_rows();
  for (int precision = 0; precision < 2; precision++)
    test_positions(small ? 3000 : (1 << 20) + 500, (rk_precision)precision);
  if (!small) test_positions((1 << 24) + 1000, RK_FLOAT32);
  if (check_on_gpu()) test_gpu();
  test_interruption();
  test_joined();
  test_limits();
  test_large();
  test_reversed();
  test_difference();
  test_row_major();
  return check_end();
}
