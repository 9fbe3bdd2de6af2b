/* Looking inside: formulas shown as text that is read again, traces of the stages. */
#include "check.h"

#include "derive/derive.h"
#include "formula/operations.h"
#include "formula/parser.h"
#include "formula/print.h"
#include "formula/reductions.h"
#include "plan/plan.h"

static const char *const declarations[] = {"x=Vi(3)", "y=Vj(3)", "b=Vj(2)", "s=Pm(1)", "n1=Vi(1)"};
enum { N = sizeof declarations / sizeof *declarations };

/* ---- formulas as text ---- */

static rk_graph *graph_of(const char *text, const rk_node **root, int *roots) {
  rk_error error = {0};
  int place;
  rk_graph *graph = rk_graph_new();
  if (!rk_parse_program(graph, text, declarations, N, root, roots, &error) &&
      !rk_derive(graph, root, *roots, &place, &error))
    return graph;
  printf("  %s\n  %s\n", text, error.message);
  rk_graph_free(graph);
  return NULL;
}

/* How often each operation and reduction is there: that does not depend on the order of a text. */
static long long contents(const rk_graph *graph, const rk_node *const *root, int roots) {
  unsigned char *needed = rk_graph_needed(graph, root, roots);
  long long sum = 0;
  for (int k = 0; k < rk_graph_size(graph); k++) {
    const rk_node *node = rk_graph_node(graph, k);
    if (!needed[k]) continue;
    sum += 1000003LL * node->dim + 10007LL * node->level + 101LL * node->integers;
    for (const char *c = node->operation ? node->operation->name
                                         : rk_reduction_name(node->reduction); *c; c++)
      sum = sum + *c * 31LL + 7;
  }
  free(needed);
  return sum;
}

static void test_round_trip(void) {
  static const char *const texts[] = {
    "Sum_Reduction(Exp(-s*SqDist(x,y))*b, j)", "Sum_Reduction(x - (y - x) * -2.5 / (s * y), 1)",
    "Sum_Reduction(-(x-y)^3 + IfElse(s < n1, 0.1, -7), i)",
    "KMin_ArgKMin_Reduction(SqDist(x,y), 3, j)", "LogSumExp_Reduction(-SqDist(x,y), j)",
    "SumSoftMaxWeight_Reduction(-Norm2(x-y), b, j)", "LogSumExp_Reduction(x|y, b, j)",
    "Grad(Sum_Reduction(Exp(x|y)*b, j), x)",
    "d = x-y; Sum_Reduction(Extract(d,1,2)|Concat(Elem(d,0),s), j), Max_Reduction(Cos(d)*d, i)",
    "Sum_Reduction(Exp(Sum_Reduction(x|y, j)) * y, j)",
    "Sum_Reduction(Sin(Sin(Sin(Sin(Sin(Sin(Sin(Sin(Sin(Sin(Sin(Sin(Sin(Sin(Sin(Sin(Sin(Sin(Sin("
    "Sin(Sin(x-y))))))))))))))))))))), j)"};
  for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
    const rk_node *root[RK_MAX_RESULTS], *again[RK_MAX_RESULTS];
    int roots, others = 0;
    rk_text text = {0};
    rk_graph *graph = graph_of(texts[k], root, &roots), *other = NULL;
    if (!CHECK(graph && !rk_print_formula(graph, root, roots, "", &text), texts[k])) continue;
    other = graph_of(rk_text_string(&text), again, &others);
    if (!CHECK(other && roots == others &&
                   contents(graph, root, roots) == contents(other, again, others),
               "the text that shows a formula is read as the same"))
      printf("  %s\n  shown as\n%s", texts[k], rk_text_string(&text));
    rk_graph_free(graph);
    rk_graph_free(other);
    rk_text_free(&text);
  }
}

static void test_sharing(void) {
  const rk_node *root[RK_MAX_RESULTS];
  int roots;
  rk_text text = {0};
  rk_graph *graph = graph_of("Sum_Reduction(Exp(-Norm2(x-y))*(x-y)*n1, j)", root, &roots);
  CHECK(graph && !rk_print_formula(graph, root, roots, "  ", &text), "shown");
  const char *shared = strstr(rk_text_string(&text), "  n_");
  CHECK(shared && strstr(shared, " = x - y;\n"), "a shared value is named once, by no user's name");
  CHECK(shared && !strstr(strstr(shared, "x - y") + 1, "x - y"), "and written once");
  rk_graph_free(graph);
  rk_text_free(&text);
}

/* ---- traces ---- */

static rk_text seen;

static void see(const char *text) { rk_text_add(&seen, text); }

static void trace(const char *stages, const char *variable) {
  rk_error error;
  const rk_settings settings = {.trace = stages, .write = see, .gpu_memory = -1};
  if (variable) setenv("RKEOPS_TRACE", variable, 1);
  else unsetenv("RKEOPS_TRACE");
  rk_text_clear(&seen);
  CHECK(!rk_configure(&settings, &error), "configured");
}

/* What is seen while a program is made, and made again. */
static const char *made(const char *text) {
  rk_error error;
  double x[] = {1, 2, 3, 4, 5, 6}, out[16];
  const rk_array inputs[] = {columns_of(x, 2, 3), columns_of(x, 2, 3), columns_of(x, 2, 2),
                             columns_of(x, 1, 1), columns_of(x, 2, 1)};
  rk_forget();
  rk_program *program = program_of(text, declarations, N, RK_FLOAT64);
  CHECK(program && !run_values(program, inputs, N, out, &error), text);
  return rk_text_string(&seen);
}

static int has(const char *text, const char *words) {
  int found = strstr(text, words) != NULL;
  if (!found) printf("  no \"%s\" in\n%s", words, text);
  return found;
}

static void test_stages(void) {
  static const char text[] = "Sum_Reduction(Exp(-s*SqDist(x,y))*b, j)";
  trace("", NULL);
  CHECK(!*made(text), "nothing is shown that nobody asked for");
  trace("", "all");
  const char *all = made(text);
  for (int k = 0; rk_traced_stage(k); k++) {
    char head[30];
    snprintf(head, sizeof head, "rkeops %s:\n", rk_traced_stage(k));
    CHECK(has(all, head), rk_traced_stage(k));
  }
  trace("", "parse,rewrite");
  const char *two = made(text);
  CHECK(has(two, "Sum_Reduction(Exp((-s) * Sum(Square(x - y))) * b, j)\n"), "as it was written");
  CHECK(has(two, "rkeops rewrite:\n") && has(two, "exp2("), "as it is computed");
  CHECK(!strstr(two, "rkeops derive:") && !strstr(two, "rkeops emit:"), "of those stages only");
  trace("nest", NULL);
  CHECK(has(made(text), "reduced: n") && has(rk_text_string(&seen), "pairs: 2 steps"), "the plan");
  trace("derive", "emit");
  CHECK(has(made(text), "rkeops derive:") && has(rk_text_string(&seen), "rkeops emit:\n/* rkeops"),
        "settings and the environment ask together");
  rk_text_clear(&seen);
  program_of(text, declarations, N, RK_FLOAT64);
  CHECK(!seen.length, "a known program is not made again");
  trace("", "fuse,parze");
  CHECK(has(made(text), "there is no stage \"parze\" to trace: expected all, parse, derive"),
        "a stage that is none is said");
  trace("", NULL);
  CHECK(!*made(text), "and off again, at the next program");
}

static void test_fusing(void) {
  trace("fuse", NULL);
  const char *text = made("Sum_Reduction(x*Exp(x|y), j), Sum_Reduction(y*s, j)");
  CHECK(has(text, "Extract(n"), "two sums are columns of one");
}

/* ---- the head of emitted text ---- */

typedef struct { const char *text, *declarations[4]; int n; } written;

/* As in a session of its own: no plan is shared. */
static char *source_of(const written *w, const char *backend) {
  char *source = NULL;
  rk_error error;
  rk_forget();
  rk_program *program = program_of(w->text, w->declarations, w->n, RK_FLOAT32);
  CHECK(program && !rk_source(program, backend, &source, &error), w->text);
  return source;
}

/* One kernel is one text, so that the disk knows it again. */
static void test_heads(void) {
  static const written first = {"Sum_Reduction(Exp(-0.3*SqDist(x,y))*7.5, j)",
                                {"x=Vi(3)", "y=Vj(3)"}, 2};
  static const written same[] = {
    {"Sum_Reduction(Exp(-41*SqDist(x,y))*1e-3, j)", {"x=Vi(3)", "y=Vj(3)"}, 2},
    {"Sum_Reduction(Exp(-0.3*SqDist(secret,hidden))*7.5, j)", {"secret=Vi(3)", "hidden=Vj(3)"}, 2},
    {"d=x-y; k=Exp(-9*SqNorm2(d)); Sum_Reduction(k*4, j)", {"x=Vi(3)", "y=Vj(3)", "z=Vi(2)"}, 3}};
  for (int target = 0; target < 2; target++) {
    const char *backend = target ? "cuda" : "cpu";
    char *source = source_of(&first, backend);
    CHECK(source && has(source, "*   v0 = Vi(3)\n") && has(source, ") * v3, j)\n"),
          "variables go by place");
    CHECK(source && has(source, " *   x[0:2] = v0 - p[2:4]\n") && has(source, "step 2:\n"),
          "slots and steps are there");
    for (size_t k = 0; k < sizeof same / sizeof *same; k++) {
      char *other = source_of(&same[k], backend);
      CHECK(source && other && !strcmp(source, other), "numbers and names do not change the text");
      rk_free(other);
    }
    rk_free(source);
  }
}

static void test_long_heads(void) {
  rk_text text = {0};
  written w = {.declarations = {"x=Vi(3)", "y=Vj(3)"}, .n = 2};
  rk_text_add(&text, "k0=x|y;");
  for (int k = 1; k < 300; k++) rk_text_format(&text, "k%d=Sin(k%d)+k%d*x|y;", k, k - 1, k / 2);
  rk_text_add(&text, "Sum_Reduction(k299,j)");
  w.text = rk_text_string(&text);
  char *source = source_of(&w, "cpu");
  const char *end = source ? strstr(source, " */\n") : NULL;
  CHECK(end && end - source < 5000, "the plan of a long formula is cut");
  CHECK(end && strstr(source, "\n * ...\n") < end, "and that is said");
  rk_free(source);
  rk_text_free(&text);
}

int main(void) {
  check_configure();
  test_round_trip();
  test_sharing();
  test_stages();
  test_fusing();
  test_heads();
  test_long_heads();
  rk_text_free(&seen);
  return check_end();
}
