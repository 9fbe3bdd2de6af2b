/* Tables, parser, plans and emitted text: golden plans, sizes of sources, numbers that never decide
 * what is compiled, derivatives of the table, CUDA text through NVRTC.
 *
 * Run from the root of the repository. RKEOPS_UPDATE_GOLDEN=1 writes the golden files anew. */
#include "planned.h"

#include "cpu/kernel.h"
#include "cuda/frame.h"
#include "formula/operations.h"
#include "formula/reductions.h"
#include "os.h"

#include <dirent.h>

/* ---- golden plans ---- */

typedef struct {
  const char *text, *declarations[4];
  int n;
  rk_precision precision;
  rk_lay lay;
} plan_case;

static const plan_case
  gaussian = {"Sum_Reduction(Exp(-s*SqNorm2(x-y))*b, j)",
              {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "s=Pm(1)"}, 4, RK_FLOAT32, RK_LAY_KEPT},
  one_row = {"Sum_Reduction(Exp(-SqDist(x,y))*b, j)", {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)"}, 3,
             RK_FLOAT64, RK_LAY_REDUCED},
  neighbours = {"KMin_ArgKMin_Reduction(SqDist(x,y), 10, j)", {"x=Vi(100)", "y=Vj(100)"}, 2,
                RK_FLOAT32, RK_LAY_KEPT},
  nearest = {"Min_ArgMin_Reduction(SqDist(x,y), j)", {"x=Vi(2)", "y=Vj(2)"}, 2, RK_FLOAT32,
             RK_LAY_KEPT},
  blocks = {"Min_ArgMin_Reduction(SqDist(x,y), j)", {"x=Vi(2)", "y=Vj(2)"}, 2, RK_FLOAT32,
            RK_LAY_REORDERED},
  softmax = {"SumSoftMaxWeight_Reduction(-Norm2(x-y), b, i)", {"x=Vi(5)", "y=Vj(5)", "b=Vi(40)"},
             3, RK_FLOAT32, RK_LAY_KEPT},
  components = {"Max_Reduction(Concat(Normalize(x-y), Exp(x-y)) * Sum(Exp(x-y)), j)",
                {"x=Vi(6)", "y=Vj(6)"}, 2, RK_FLOAT64, RK_LAY_KEPT},
  complex_product = {"Sum_Reduction(ComplexMult(x,y), j)", {"x=Vi(6)", "y=Vj(6)"}, 2, RK_FLOAT32,
                     RK_LAY_KEPT},
  matrix = {"Sum_Reduction(MatVecMult(a,x-y), j)", {"a=Vi(9)", "x=Vi(3)", "y=Vj(3)"}, 3,
            RK_FLOAT32, RK_LAY_KEPT},
  masked = {"Sum_Reduction(IfElse(s-SqDist(x,y), Exp(-SqDist(x,y))*(x-y), 0), j)",
            {"x=Vi(10)", "y=Vj(10)", "s=Pm(1)"}, 3, RK_FLOAT64, RK_LAY_KEPT};

/* Whole texts, one for each thing that changes by itself: a plain kernel; columns in any order, for
 * some of the rows; a state in memory with references and weights; values that a block of threads
 * makes together, and a list that they enter. */
static const struct { const char *file; const plan_case *what; int on_gpu; } golden[] = {
  {"gaussian.c", &gaussian, 0},
  {"blocks.c", &blocks, 0},
  {"blocks.cu", &blocks, 1},
  {"softmax-wide.c", &softmax, 0},
  {"neighbours-d100.cu", &neighbours, 1}};
enum { GOLDEN = sizeof golden / sizeof *golden };

static const char *const prelude_dir = "tests/engine/golden/prelude";

static rk_status emit_case(const plan_case *c, int on_gpu, int bytes, rk_text *out) {
  rk_options options = {.precision = c->precision};
  planned p;
  rk_status status = plan_text(&p, c->text, c->declarations, c->n, &options);
  if (!status) {
    const rk_pass *pass = &p.pass;
    rk_tile tile = rk_tile_choose(pass, c->lay, bytes);
    const rk_tile *tiles = &tile;
    rk_gpu_lay lay = c->lay == RK_LAY_REORDERED ? RK_GPU_REORDERED : RK_GPU_ALL;
    rk_gpu_shape shape = rk_gpu_shape_choose(pass, lay);
    const rk_gpu_shape *shapes = &shape;
    status = on_gpu ? rk_emit_cuda(&pass, &shapes, 1, prelude_dir, out, &last)
                    : rk_emit_c(&pass, &tiles, 1, prelude_dir, out, &last);
  }
  free_planned(&p);
  return status;
}

static char *read_all(const char *path) {
  char *text = NULL;
  size_t n;
  return rk_os_read(path, &text, &n) ? text : NULL;
}

static void compare_with_golden(int k) {
  char path[200];
  rk_text out = {0};
  snprintf(path, sizeof path, "tests/engine/golden/%s", golden[k].file);
  if (!CHECK(!emit_case(golden[k].what, golden[k].on_gpu, 64, &out), path)) puts(last.message);
  if (getenv("RKEOPS_UPDATE_GOLDEN")) {
    FILE *file = fopen(path, "wb");
    fputs(rk_text_string(&out), file);
    fclose(file);
  }
  char *want = read_all(path);
  if (!CHECK(want && !strcmp(want, rk_text_string(&out)), "emitted text is as reviewed"))
    printf("  %s differs: look at it with RKEOPS_UPDATE_GOLDEN=1 and git diff\n", path);
  free(want);
  rk_text_free(&out);
}

/* How often the kernel of a case says something, with vectors of so many bytes; -1: no source. */
static int count_of(const plan_case *c, int on_gpu, int bytes, const char *what) {
  rk_text out = {0};
  int count = 0;
  if (!CHECK(!emit_case(c, on_gpu, bytes, &out), c->text)) return -1;
  for (const char *at = rk_text_string(&out); (at = strstr(at, what)); at += strlen(what)) count++;
  rk_text_free(&out);
  return count;
}

/* What no golden text shows, by the words that make it. */
static void test_texts(void) {
  static const struct { const plan_case *what; int on_gpu; const char *words; } says[] = {
    {&gaussian, 1, "out[((long long)(i / 512) * 3 + (k)) * 512 + i % 512] = float(t3);"},
    {&gaussian, 1, "const vec t2 = params[(k + 1)];"},
    {&gaussian, 1, "rk_copy(shared[now ^ 1], columns + (long long)(from + 128) * 4, 2048);"},
    {&gaussian, 1, "if (row < m) rk_leave(z, u, 0, first, values + row, positions + row, ld);"},
    {&masked, 0, "const mask t7 = rk_le(rk_num(0), t6);"},
    {&masked, 0, "t[r] = rk_select(in[v][r], v ? t[r] + t13 : t13, v ? t[r] : rk_num(0));"},
    {&one_row, 0, "lanes along the reduced index"},
    {&one_row, 0, "rk_broadcast(x[u * 3 + k])"},
    {&one_row, 0, "if (masked) g = rk_select(rk_valid(v, u), g, rk_num(0));"},
    {&nearest, 0, "changes = j < 1024"},
    {&components, 0, "n7)[4][4] = (vec (*)[4][4])panel"},
    {&components, 0, "rk_enter(z->v[(k + 6)][u], g[v][u])"},
    {&components, 1, "j + 1 <= stop"},
    {&complex_product, 0, "rk_broadcast(y[v * 6 + (2 * k + 1)])"},
    {&complex_product, 0, "z->s[(2 * k + 1)][u] += t[u]"},
    {&matrix, 0, "n17[(k / 3)][v][u] = n17[(k / 3)][v][u] + "},
    {&matrix, 0, "n11[(k % 3)][v][u]"},
    {&softmax, 1, "rk_weigh(shared[0], count, reference, tops)"},
    {&softmax, 1, "k0 + e < 41 ? k0 + e : 40"}};
  for (size_t k = 0; k < sizeof says / sizeof *says; k++)
    if (!CHECK(count_of(says[k].what, says[k].on_gpu, 64, says[k].words) > 0, says[k].words))
      printf("  is not in the text of %s\n", says[k].what->text);
}

/* ---- sizes of sources ---- */

static size_t source_length(const char *text, const char *const *declarations, int n) {
  rk_error error;
  char *source = NULL;
  rk_program *p = program_of(text, declarations, n, RK_FLOAT32);
  if (rk_source(p, "cpu", &source, &error)) return 0;
  size_t length = strlen(source);
  rk_free(source);
  return length;
}

/* ---- explanations ---- */

static int explains(const char *text, const char *const *declarations, int n, const char *backend,
                    const char *line) {
  rk_error error;
  char *found = NULL;
  rk_program *p = program_of(text, declarations, n, RK_FLOAT32);
  int good = p && !rk_explain(p, backend, NULL, &found, &error) && strstr(found, line);
  if (!good) printf("%s\n%s", text, found ? found : "");
  rk_free(found);
  return good;
}

static void test_explanations(void) {
  static const char *const xy[] = {"x=Vi(2)", "y=Vj(2)"}, *const uv[] = {"u=Vi(2)", "v=Vj(2)"};
  static const char *const gauss = "Sum_Reduction(Exp(-SqDist(x,y)*0.25), j)";
  rk_error error;
  char *text = NULL;
  CHECK(explains(gauss, xy, 2, "cpu", "value: packed 2 row.1 x - centre(x,y)\n"), "in names");
  CHECK(explains("Sum_Reduction(Exp(-SqDist(u,v)*0.5), j)", uv, 2, "cpu",
                 "formula: Sum_Reduction(Exp(-(Sum(Square(u - v)) * 0.5)), j)\n") &&
        explains(gauss, xy, 2, "cpu", "x - y)) * 0.25)), j)\n"),
        "programs of one plan have names and numbers of their own");
  CHECK(explains("Sum_Reduction(Sum(Square(x + y)), j)", xy, 2, "cpu",
                 "packed 2 column.1 -y - centre(x,-y)\n") &&
        explains("Sum_Reduction(Sum(Square((x-y) + Sin(x) - 3 - Sqrt(y))), j)", xy, 2, "cpu",
                 "Sum(Square(row.1 - column.1))\n") &&
        explains("Sum_Reduction(Exp(SqNorm2(x) - SqDist(x,y) + SqNorm2(y)), j)", xy, 2, "cpu",
                 "kept 1 pair.1 row.2 - column.2\n") &&
        explains("d = x - y; Sum_Reduction(Sum(d * Square(d + x - 3)), j)", xy, 2, "cpu",
                 "Square(row.1 - column.1 + x - 3)"),
        "sums over values of both indices are differences; what is read twice stays one term");
  CHECK(explains("Sum_Reduction((x-(y-x))/(y/(x*y)) - x*(y+2), j)", xy, 2, "cpu",
                 "Sum_Reduction((x - (y - x)) / (y / (x * y)) - x * (y + 2), j)\n") &&
        explains("Sum_Reduction(Pow(x+y,3)*(-x) + ((x<y) & !((y<x) | (x==2))), j)", xy, 2, "cpu",
                 "Sum_Reduction(Pow(x + y, 3) * -x + (x < y & !((y < x) | (x == 2))), j)\n"),
        "brackets are where they are needed");
  CHECK(explains(gauss, xy, 2, "cpu", "lanes_along: rows\n") &&
        explains(gauss, xy, 2, "cuda", "shape: walk\n") &&
        explains(gauss, xy, 2, "reference", "bytes: 16\nsteps: 2\n") &&
        explains(gauss, xy, 2, "reference", "[layout]\n"), "each backend has its layout");
  CHECK(rk_explain(program_of(gauss, xy, 2, RK_FLOAT32), "abacus", NULL, &text, &error) ==
            RK_ERROR_ARGUMENT && !text, "there is no such backend");
}

static void test_source_length(void) {
  static const char *const texts[] = {"Sum_Reduction(Exp(-SqDist(x,y))*b, j)",
                                      "Sum_Reduction((x-y)*Exp(-SqDist(x,y)), j)",
                                      "KMin_Reduction(Abs(x-y), 2, i)"};
  static const char *const small[] = {"x=Vi(32)", "y=Vj(32)", "b=Vj(32)"};
  static const char *const large[] = {"x=Vi(1000)", "y=Vj(1000)", "b=Vj(1000)"};
  for (int k = 0; k < 3; k++) {
    size_t a = source_length(texts[k], small, 3), b = source_length(texts[k], large, 3);
    CHECK(a && b <= a + a / 2, "the source for D = 1000 is at most 1.5 times that for D = 32");
  }
}

/* The longest function of the kernel that scattered components or many terms are compiled to. */
static size_t longest_function(const char *text, const char *const *declarations, int n) {
  rk_error error;
  char *source = NULL;
  size_t longest = 0;
  rk_program *p = program_of(text, declarations, n, RK_FLOAT32);
  if (!p || rk_source(p, "cpu", &source, &error)) return 0;
  for (const char *at = source, *end; at && (end = strstr(at, "\n}\n")); at = end + 3)
    if ((size_t)(end - at) > longest) longest = (size_t)(end - at);
  rk_free(source);
  return longest;
}

/* Compilers take more than twice the time for a function of twice the length. */
static void test_large_sources(void) {
  static const char *const declarations[] = {"x=Vi(1000)", "y=Vj(1000)"};
  size_t length[2];
  for (int size = 0; size < 2; size++) {
    rk_text text = {0};
    int n = size ? 1000 : 50;
    rk_text_add(&text, "v=x-y;s0=Elem(v,0);");
    for (int k = 1; k < n; k++)
      rk_text_format(&text, "s%d=Concat(s%d,Elem(v,%d));", k, k - 1, k * k % 997);
    rk_text_format(&text, "Sum_Reduction(Exp(-SqNorm2(s%d)),j)", n - 1);
    length[size] = source_length(rk_text_string(&text), declarations, 2);
    rk_text_free(&text);
  }
  CHECK(length[0] && length[1] <= length[0] + length[0] / 2 + 16000,
        "1000 scattered components are a loop over a table");
  for (int size = 0; size < 2; size++) {
    rk_text text = {0};
    int n = size ? 2000 : 500;
    rk_text_add(&text, "K=Exp(-SqDist(x,y));k1=K;");
    for (int t = 2; t < n; t++) rk_text_format(&text, "k%d=Sin(k%d)+K*%d;", t, t - 1, t + 2);
    rk_text_format(&text, "Grad(Sum_Reduction(k%d,j),x)", n - 1);
    length[size] = longest_function(rk_text_string(&text), declarations, 2);
    rk_text_free(&text);
  }
  CHECK(length[0] && length[1] <= length[0] + length[0] / 2,
        "functions of a formula of four times the length are not longer");
}

/* ---- numbers ---- */

static void test_numbers(void) {
  static const char *const declarations[] = {"x=Vi(2)", "y=Vj(2)"};
  double x[] = {0.1, 0.2, 0.3, 0.4}, out[2];
  rk_array inputs[] = {columns_of(x, 2, 2), columns_of(x, 2, 2)};
  rk_error error;
  int64_t before = -1;
  int right = 0;
  for (int k = 0; k < 100; k++) {
    char text[120], number[RK_NUMBER_TEXT];
    double c = 3 + k * 0.37;
    snprintf(text, sizeof text, "Sum_Reduction(Exp(-%s*SqDist(x,y)) + %d.5, j)",
             rk_number_text(number, "%.17g", c), k + 3);
    rk_program *p = program_of(text, declarations, 2, RK_FLOAT64);
    if (run_values(p, inputs, 2, out, &error)) break;
    if (before < 0) before = rk_count().compiles;
    right += fabs(out[0] - (1 + exp(-c * 0.02) + 2 * (k + 3.5))) < 1e-12 * (k + 10);
  }
  CHECK(right == 100, "100 values of two literals give 100 right results");
  CHECK(rk_count().compiles == before, "with one compile");
}

/* The same of a formula in float64 on a processor. */
static int count_in(const char *text, const char *const *declarations, int n, int bytes,
                    const char *what) {
  plan_case c = {.text = text, .n = n, .precision = RK_FLOAT64};
  for (int k = 0; k < n; k++) c.declarations[k] = declarations[k];
  return count_of(&c, 0, bytes, what);
}

static int calls_of(const char *text, const char *const *declarations, int n, const char *call) {
  return count_in(text, declarations, n, 64, call);
}

/* What is made before the other values of a tile. */
static void test_early_values(void) {
  static const char *const declarations[] = {"x=Vi(3)", "y=Vj(3)", "X=Vi(100)", "Y=Vj(100)"};
  static const char ahead[] = "if (q > 0)", together[] = "rk_exp2_tile(&n";
  static const char laplacian[] = "Sum_Reduction(Exp(-Norm2(x-y)), j)",
                    matern[] = "r = Sqrt(5*SqDist(x,y)); Sum_Reduction((1+r+r*r/3)*Exp(-r), j)",
                    wide[] = "Sum_Reduction(Exp(-SqDist(X,Y)), j)",
                    power[] = "r = 1+SqDist(x,y); Sum_Reduction(Powf(r,0.7)+Powf(r,Norm2(x)), j)";
  CHECK(count_in(laplacian, declarations, 4, 64, ahead) == 1, "a root is made ahead");
  CHECK(count_in(matern, declarations, 4, 64, ahead) == 0, "not one with several readers");
  CHECK(count_in(laplacian, declarations, 4, 64, together) == 0, "powers one by one with AVX-512");
  CHECK(count_in(laplacian, declarations, 4, 32, together) == 1, "with AVX2 together");
  CHECK(count_in(matern, declarations, 4, 32, together) == 1, "also beside others");
  CHECK(count_in(wide, declarations, 4, 32, together) == 0, "not after a long loop");
  CHECK(count_in(power, declarations, 4, 32, "rk_pow_tile(&n") == 2, "powers with exponents, too");
  CHECK(count_in(power, declarations, 4, 64, "= rk_pow(") == 2, "one by one with AVX-512");
}

/* A Matern kernel, its root written once and twice. */
static void test_repeated_numbers(void) {
  static const char *const declarations[] = {"x=Vi(2)", "y=Vj(2)"};
  static const char *const twice =
      "Sum_Reduction((1+Sqrt(5*SqDist(x,y))+5/3*SqDist(x,y))*Exp(-Sqrt(5*SqDist(x,y))), j)";
  static const char *const once =
      "r=Sqrt(5*SqDist(x,y)); Sum_Reduction((1+r+5/3*SqDist(x,y))*Exp(-r), j)";
  double x[] = {0.1, 0.2, 0.3, 0.4}, a[2], b[2];
  rk_array inputs[] = {columns_of(x, 2, 2), columns_of(x, 2, 2)};
  rk_error error;
  CHECK(calls_of(twice, declarations, 2, "= rk_sqrt(") == 1, "a root written twice is one");
  CHECK(calls_of("Sum_Reduction(Sqrt(5*SqDist(x,y))*Sqrt(7*SqDist(x,y)), j)", declarations, 2,
                 "= rk_sqrt(") == 2, "roots of different numbers are two");
  CHECK(!run_values(program_of(twice, declarations, 2, RK_FLOAT64), inputs, 2, a, &error) &&
        !run_values(program_of(once, declarations, 2, RK_FLOAT64), inputs, 2, b, &error) &&
        !memcmp(a, b, sizeof a), "with the same values as one that has a name");
}

/* Which quotients of pairs are products, and which inverse roots one function. */
static void test_quotients(void) {
  static const char *const declarations[] = {"x=Vi(2)", "y=Vj(2)", "h=Vi(1)", "s=Pm(1)"};
  static const struct { const char *text, *call; int times; } cases[] = {
    {"Sum_Reduction(SqDist(x,y)/s, j)", " / t", 0},
    {"Sum_Reduction(Where(SqDist(x,y)/h<1,1-SqDist(x,y)/h,0), j)", " / t", 0},
    {"Sum_Reduction(Floor(SqDist(x,y)/h+1), j)", " / t", 1},
    {"Sum_Reduction(Exp(Round(Norm2(x-y)/s,2)), j)", " / t", 1},
    {"Sum_Reduction(Inv(Sqrt(1+SqDist(x,y))), j)", "= rk_invsqrt(", 1},
    {"Sum_Reduction(1/Norm2(x-y), j)", "= rk_invsqrt(", 1},
    {"Sum_Reduction(Exp(-Norm2(x-y))/Norm2(x-y), j)", "= rk_invsqrt(", 0},
    {"Sum_Reduction(Inv(Norm2(x-y))*Norm2(x-y), j)", "= rk_invsqrt(", 0}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
    if (!CHECK(calls_of(cases[k].text, declarations, 4, cases[k].call) == cases[k].times,
               "quotients are products, save where steps are counted"))
      printf("  %s\n", cases[k].text);
}

/* A number on its way through 100 values, of which one is that of another number. */
static void test_meeting_numbers(void) {
  static const char *const declarations[] = {"x=Vi(2)", "y=Vj(2)"};
  double x[] = {0.1, 0.2, 0.3, 0.4}, out[2];
  rk_array inputs[] = {columns_of(x, 2, 2), columns_of(x, 2, 2)};
  rk_error error;
  int64_t before = -1;
  int right = 0;
  for (int k = 0; k < 100; k++) {
    char text[120], number[RK_NUMBER_TEXT];
    double c = 3 + k * 0.25, met = k < 50 ? 8 : 20;
    snprintf(text, sizeof text, "Sum_Reduction(%s*Sqrt(%.0f+SqDist(x,y)), j)",
             rk_number_text(number, "%.17g", c), met);
    rk_program *p = program_of(text, declarations, 2, RK_FLOAT64);
    if (run_values(p, inputs, 2, out, &error)) break;
    if (before < 0) before = rk_count().compiles + rk_count().disk_hits;
    right += fabs(out[0] - c * (sqrt(met) + sqrt(met + 0.02))) < 1e-12 * c * met;
  }
  CHECK(right == 100, "a number that meets others gives right results");
  CHECK(rk_count().compiles + rk_count().disk_hits == before + 1,
        "with one more compile, however often it meets one");
}

/* Numbers take no position of a variable, and near ones are two: x + y, without rounding. */
static void test_near_numbers(void) {
  const double x[] = {0.5, 2}, y[] = {0.25, 8};
  double out[2] = {0};
  rk_array inputs[] = {columns_of(x, 2, 1), columns_of(y, 2, 1)};
  rk_error error;
  rk_program *p = program_of("Sum_Reduction(3000000001*Vi(1)-3000000000*Vi(0,1)+Vj(1), j)", NULL, 0,
                             RK_FLOAT64);
  CHECK(p && !run_values(p, inputs, 2, out, &error) && out[0] == 9.25 && out[1] == 12.25,
        "near numbers beside variables that are written in place");
}

/* ---- the derivatives of the table ---- */

/* Replaces the integers n, m of a derivative by numbers. */
static void with_integers(const char *text, int n, int m, char *out, size_t size) {
  size_t used = 0;
  for (const char *at = text; *at && used + 12 < size; at++) {
    int alone = (at == text || !rk_is_alnum(at[-1])) && !rk_is_alnum(at[1]);
    if (alone && (*at == 'n' || *at == 'm')) used += (size_t)snprintf(out + used, size - used, "%d", *at == 'n' ? n : m);
    else out[used++] = *at;
  }
  out[used] = 0;
}

enum { POINTS = 5 };

static int evaluate(const char *expression, const double *abc, double *out) {
  static const char *const declarations[] = {"a=Vi(1)", "b=Vi(1)", "c=Vi(1)"};
  char text[800];
  rk_error error;
  rk_options options = {.precision = RK_FLOAT64};
  rk_program *p;
  rk_array inputs[3];
  for (int k = 0; k < 3; k++) inputs[k] = columns_of(abc + k * POINTS, POINTS, 1);
  snprintf(text, sizeof text, "Sum_Reduction(%s, j)", expression);
  if (rk_program_get(text, declarations, 3, &options, &p, &error)) {
    printf("%s\n", error.message);
    return 0;
  }
  return run_values(p, inputs, 3, out, &error) == RK_OK;
}

static void test_derivative(const rk_operation *operation, int which) {
  double abc[3 * POINTS], moved[3 * POINTS], plus[POINTS], less[POINTS], exact[POINTS];
  char call[100], derivative[600];
  const double h = 1e-5;
  for (int k = 0; k < 3 * POINTS; k++) abc[k] = 0.15 + 0.7 * uniform();
  int length = snprintf(call, sizeof call, "%s(a", operation->name);
  for (int k = 1; k < operation->operands; k++)
    length += snprintf(call + length, sizeof call - (size_t)length, ",%c", 'a' + k);
  static const char *const integers[] = {"", ",3)", ",0,3)"};
  snprintf(call + length, sizeof call - (size_t)length, "%s",
           operation->integers ? integers[operation->integers] : ")");
  const char *column = operation->derivative[which];
  if (operation->selects[which]) /* a text of names that no formula can use */
    snprintf(derivative, sizeof derivative, "Grad(%s,%c,1)", call, 'a' + which);
  else
    with_integers(column ? column : "0*a", operation->integers == 1 ? 3 : 0, 3, derivative,
                  sizeof derivative);
  memcpy(moved, abc, sizeof abc);
  for (int k = 0; k < POINTS; k++) moved[which * POINTS + k] = abc[which * POINTS + k] + h;
  int good = evaluate(call, moved, plus);
  for (int k = 0; k < POINTS; k++) moved[which * POINTS + k] = abc[which * POINTS + k] - h;
  good = good && evaluate(call, moved, less) && evaluate(derivative, abc, exact);
  for (int k = 0; k < POINTS && good; k++)
    good = fabs((plus[k] - less[k]) / (2 * h) - exact[k]) < 1e-7 * (1 + fabs(exact[k]));
  CHECK(good, operation->name);
}

static void test_table(void) {
  const rk_operation *operation;
  for (int k = 0; (operation = rk_operation_at(k)); k++) {
    CHECK(operation->documentation && operation->name, "an operation has a name");
    if (operation->kind != RK_ELEMENTWISE || !rk_is_upper(operation->name[0])) continue;
    if (operation->dim || operation->result != RK_RESULT_NUMERIC) continue;
    if (!strcmp(operation->name, "Round")) continue; /* steps are nearer than the difference */
    for (int o = 0; o < operation->operands; o++) test_derivative(operation, o);
  }
}

/* Every code is made of words with a cost, and an entry costs what the same written out costs. */
static void test_efforts(void) {
  const rk_operation *operation;
  rk_effort effort, softplus, parts[4];
  for (int k = 0; (operation = rk_operation_at(k)); k++)
    if (operation->code) CHECK(rk_code_effort(operation->code, &effort), operation->name);
  CHECK(!rk_code_effort("rk_sqrt(a) + rk_nonsense(a)", &effort), "a word that is not in the table");
  rk_code_effort("rk_relu(a) + rk_log1p(rk_exp(-rk_abs(a)))", &softplus);
  rk_code_effort("rk_relu(a)", &parts[0]);
  rk_code_effort("rk_log1p(a) + -a", &parts[1]);
  rk_code_effort("rk_exp(a)", &parts[2]);
  rk_code_effort("rk_abs(a)", &parts[3]);
  double sum = 0;
  for (int k = 0; k < 4; k++) sum += parts[k].cost;
  CHECK(softplus.cost == sum && softplus.is_called && !softplus.takes_memory, "a sum over words");
  CHECK(parts[0].cost > 0 && !parts[0].is_called && parts[2].is_called, "a few instructions, a call");
}

/* ---- names of reductions ---- */

static int names_in(const char *path, const char *name) {
  char *text = read_all(path), quoted[80], called[80];
  snprintf(quoted, sizeof quoted, "\"%s\"", name);
  snprintf(called, sizeof called, "%s_Reduction", name);
  int found = text && (strstr(text, called) || (!rk_operation_find(name) && strstr(text, quoted)));
  if (found) printf("  %s names %s\n", path, name);
  free(text);
  return found;
}

static int search_folder(const char *folder) {
  int found = 0;
  struct dirent *entry;
  DIR *dir = opendir(folder);
  while (dir && (entry = readdir(dir))) {
    char path[512];
    const char *dot = strrchr(entry->d_name, '.');
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    const rk_reduction *reduction;
    if (!dot || (strcmp(dot, ".c") && strcmp(dot, ".h") && strcmp(dot, ".def"))) continue;
    if (!strcmp(entry->d_name, "reductions.c")) continue;
    for (int k = 0; (reduction = rk_reduction_at(k)); k++)
      found += names_in(path, rk_reduction_name(reduction));
  }
  if (dir) closedir(dir);
  return found;
}

static void test_names(void) {
  static const char *const folders[] = {"src/engine", "src/engine/formula", "src/engine/derive",
                                        "src/engine/plan", "src/engine/emit", "src/engine/build",
                                        "src/engine/run"};
  int found = 0;
  for (int k = 0; k < 7; k++) found += search_folder(folders[k]);
  CHECK(found == 0, "no file but the table names a reduction");
}

/* ---- parser ---- */

static void test_parser(void) {
  static const char *const declarations[] = {"x=Vi(3)", "y=Vj(3)", "s=Pm(1)"};
  static const char *const wrong[][3] = { /* text, words, where the caret is */
    {"Sum_Reduction(SqDits(x,y), j)", "did you mean 'SqDist'", "SqDits"},
    {"Summ_Reduction(x, j)", "did you mean 'Sum'", "Summ"},
    {"Sum_Reduction(x*yy, j)", "unknown name 'yy'; did you mean 'y'", "yy"},
    {"Sum_Reduction(q, j)", "unknown name 'q'", "q"},
    {"Sum_Reduction(x*y", "expected ',' after the reduced formula", ""},
    {"Sum_Reduction(x)", "expected ','", ")"},
    {"Sum_Reduction(x, j", "expected ')'", ""},
    {"Sum_Reduction(x, j),", "expected a value", ""},
    {"Sum_Reduction((x*y, j)", "expected ')' to close '('", ", j"},
    {"Sum_Reduction(x*y, k)", "expected the index that is reduced", "k"},
    {"Sum_Reduction(x*y, 2)", "expected the index that is reduced", "2"},
    {"Sum_Reduction(x*y, j) s", "expected the end of the formula", "s"},
    {"Sum_Reduction(x < y < x, j)", "cannot be chained", "< x"},
    {"Sum_Reduction(Concat(x,y)*y, j)", "found dimensions 6, 3", "*"},
    {"Sum_Reduction(Conj(x), j)", "even dimension, found dimension 3", "Conj"},
    {"Sum_Reduction(MatVecMult(x,Concat(s,s)), j)", "dimensions 3, 2", "MatVecMult"},
    {"Sum_Reduction(Kron(x,y,[3],[1,3]), j)", "as many axes", "Kron"},
    {"Sum_Reduction(TensorDot(x,y,[2],[3],[0],[0]), j)", "dimension 3, found 2", "TensorDot"},
    {"Sum_Reduction(Elem(x,3), j)", "position from 0", "Elem"},
    {"Sum_Reduction(Elem(x,-1), j)", "position from 0", "Elem"},
    {"Sum_Reduction(Extract(x,2,2), j)", "stays within the vector", "Extract"},
    {"Sum_Reduction(ClampInt(x,0.5,1), j)", "integer, found 0.5", "0.5"},
    {"Sum_Reduction(Exp(x,y), j)", "Exp: expected 1 argument, found more", "y"},
    {"Sum_Reduction(Powf(x), j)", "Powf: expected 2 arguments, found 1", "Powf"},
    {"Sum_Reduction(x/0, j)", "division by zero", "/"},
    {"Sum_Reduction(x $ y, j)", "found '$'", "$"},
    {"KMin_Reduction(x, 0, j)", "expected K from 1", "0"},
    {"KMin_Reduction(x, 1.5, j)", "expected an integer", "1.5"},
    {"LogSumExp_Reduction(x, j)", "dimension 1", "LogSumExp"},
    {"LogSumExpWeight_Reduction(s, j)", "expected a weight", "LogSumExpWeight"},
    {"Where(x, x, y)", "logical test", "Where"},
    {"Sum_Reduction(And(x, y), j)", "logical operands", "And"},
    {"Sum_Reduction(x & y, j)", "logical operands", "&"},
    {"d = x; d = y; Sum_Reduction(d, j)", "'d' is defined twice", "d = y"},
    {"x = y; Sum_Reduction(x, j)", "declared as a variable and defined too", "x = y"},
    {"Sum_Reduction(Vi(0,2)*x, j)", "position 0 is already 'x'", "Vi"},
    {"Sum_Reduction(Vi(70000), j)", "dimension from 1 to 65535", "Vi"},
    {"Sum_Reduction(Vi(65536*65536), j)", "an integer is too large", "65536*"},
    {"Sum_Reduction(OneHot(Sum(x), 70000), j)", "out of range", "OneHot"},
    {"", "expected a value, found the end", ""},
    {"x*y", "expected a reduction", "x"},
    {"Sum_Reduction(2x, j)", "expected an operator", "x, j"}};
  for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
    refuse(wrong[k][0], declarations, 3, wrong[k][1], wrong[k][2]);
  rk_options options = {0};
  rk_program *p;
  rk_error error;
  static const char *const good[] = {
    "Sum_Reduction(x*0.5 + 1e-3*y ** 2 - x^-1 / IntCst(3), 0)", "Sum_Reduction(x|y, 1)",
    "d = x - y; k = Exp(-SqNorm2(d)); Sum_Reduction(k*d, j);", "KMin_Reduction(SqDist(x,y), 1+1, j)",
    "Sum_Reduction(x*y, j) * 2", "Zero_Reduction(3, 0)", "LogSumExp_Reduction(s, y, i)",
    "Max_SumShiftExpWeight_Reduction(Sum(x), 0, y)",
    "Sum_Reduction(IfElse(x<y, 1, y) + (x==y) + IfElse((x<y)&!(y>=x), s, RatCst(1,3)), j)",
    "Sum_Reduction(((Vi(3,2))) | Var(4,2,1), j)", "Sum_Reduction(-x^2 + +s*-y, i)"};
  for (unsigned k = 0; k < sizeof good / sizeof *good; k++)
    if (!CHECK(rk_program_get(good[k], declarations, 3, &options, &p, &error) == RK_OK, good[k]))
      puts(error.message);
}

static void test_long_formulas(void) {
  static const char *const declarations[] = {"x=Vi(1)"};
  double x = 0.001, out;
  rk_array input = columns_of(&x, 1, 1);
  rk_error error;
  char *text = calloc(20000, 1);
  strcpy(text, "Sum_Reduction(");
  while (strlen(text) < 10000) strcat(text, "x+Exp(x)*0+");
  strcat(text, "x, j)");
  double terms = 1;
  for (const char *at = text; (at = strstr(at, "x+Exp")); at++) terms++;
  rk_program *p = program_of(text, declarations, 1, RK_FLOAT64);
  CHECK(p && !run_values(p, &input, 1, &out, &error) && fabs(out - terms * x) < 1e-12,
        "a formula of 10000 characters works");
  strcpy(text, "Sum_Reduction(");
  for (int k = 0; k < 300; k++) strcat(text, "(");
  strcat(text, "x");
  for (int k = 0; k < 300; k++) strcat(text, ")");
  strcat(text, ", j)");
  CHECK(program_of(text, declarations, 1, RK_FLOAT64) != NULL, "300 parentheses work");
  strcpy(text, "Sum_Reduction(");
  for (int k = 0; k < 9000; k++) strcat(text, "(");
  rk_options options = {0};
  CHECK(rk_program_get(text, declarations, 1, &options, &p, &error) == RK_ERROR_FORMULA &&
        strstr(error.message, "nested"), "9000 parentheses are refused");
  free(text);
}

/* ---- how values enter ---- */

/* Does the text for a processor hold `part`? */
static int has_part(const char *text, const char *part) {
  const plan_case c = {text, {"x=Vi(3)", "y=Vj(3)", "b=Vj(100)", "c=Vj(2)"}, 4, RK_FLOAT32,
                       RK_LAY_KEPT};
  return count_of(&c, 0, 64, part) > 0;
}

static void test_entering(void) {
  CHECK(has_part("Sum_Reduction(Exp(-SqDist(x,y))*b, j)", "t[u] = z->s[k][u];"),
        "terms of many columns are added to the sums in place");
  CHECK(!has_part("Sum_Reduction(Exp(-SqDist(x,y))*c, j)", "t[u] = z->s[k][u];"),
        "sums that stay in registers get the sum of a tile");
  CHECK(!has_part("ArgMin_Reduction(SqDist(x,y), j)", "rk_enter") &&
        !has_part("ArgKMin_Reduction(SqDist(x,y), 1, j)", "rk_enter"),
        "the position of a smallest value is found by selects");
  CHECK(has_part("ArgKMin_Reduction(SqDist(x,y), 2, j)", "rk_enter(z->v[0][u], z->p[0][u]"),
        "two of them are a list");
  CHECK(has_part("MaxNaN_Reduction(SqDist(x,y), j)", "rk_enter_both(z->v[0][u], g[2 * q][u]"),
        "numbers are looked at for NaN two by two");
}

/* ---- factors ---- */

/* Numbers that all terms have in common are taken out of a sum, and of a difference and its multiple only
 * one is packed: `columns` numbers for a column are left, and `factor` says whether there is one. */
static void check_factor(const char *text, int factor, int columns) {
  static const char *const declarations[] = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "e=Vi(1)", "s=Pm(1)"};
  rk_options options = {0};
  planned p;
  CHECK(!plan_text(&p, text, declarations, 5, &options), "a sum is planned");
  if (!CHECK((p.pass.factor != 1) == factor && p.pass.slots[RK_NEST_COLUMN].size == columns,
             "the factors of a sum are taken out of it"))
    printf("  %s: %d numbers for a column\n", text, p.pass.slots[RK_NEST_COLUMN].size);
  free_planned(&p);
}

static void test_factors(void) {
  check_factor("Sum_Reduction(Exp(-SqDist(x,y))*b, j)", 0, 4);
  check_factor("Sum_Reduction(-2*s*e*Exp(-SqDist(x,y))*b, j)", 0, 4);
  check_factor("Sum_Reduction(Exp(-SqDist(x,y))*(x-y)*e*b, j)", 1, 4);
  check_factor("Sum_Reduction(Exp(-SqDist(x,y))*(y-x)*b, j)", 1, 4);
  check_factor("Sum_Reduction(2*(Exp(-SqDist(x,y))*(x-y)*b), j)", 1, 4);
  check_factor("Sum_Reduction(Exp(-SqDist(x,y))*Sin(x-y)*b, j)", 0, 7);
  check_factor("Sum_Reduction(Exp(-SqDist(x,y))*(x-y)+e, j)", 0, 6);
  check_factor("LogSumExp_Reduction(-SqDist(x,y)*s*e, j)", 0, 3);
}

int main(void) {
  check_configure();
  for (int k = 0; k < GOLDEN; k++) compare_with_golden(k);
  test_texts();
  test_explanations();
  test_source_length();
  test_large_sources();
  test_numbers();
  test_repeated_numbers();
  test_quotients();
  test_early_values();
  test_meeting_numbers();
  test_near_numbers();
  test_factors();
  test_entering();
  test_table();
  test_efforts();
  test_names();
  test_parser();
  test_long_formulas();
  return check_end();
}
