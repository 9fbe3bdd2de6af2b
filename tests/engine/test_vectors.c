/* RKEOPS_VECTORS: kernels with the vectors of other processors. */
#include "check.h"

#include "build/build.h"
#include "os.h"

enum { ROWS = 37, COLUMNS = 61 };

static int natural;

/* 16, 32, ... up to what the processor has. */
static int next_width(int bytes) { return bytes < natural ? 2 * bytes : 0; }

static void ask_for(int bytes) {
  char text[16];
  snprintf(text, sizeof text, "%d", bytes);
  setenv("RKEOPS_VECTORS", text, 1);
}

static int64_t builds(void) {
  rk_counters counters = rk_count();
  return counters.compiles + counters.disk_hits;
}

/* ---- results ---- */

/* Values of order one, so that bounds are relative: of reductions, and of what has sections of its
 * own for each width in lanes.h. */
static const char *const texts[] = {
  "Sum_Reduction(Exp(-SqDist(x,y))*(1+Square(b)), j)",
  "LogSumExp_Reduction(2-SqDist(x,y), j)",
  "SumSoftMaxWeight_Reduction(-SqDist(x,y), 1+b*b, j)",
  "d = SqDist(x,y); Sum_Reduction(Exp(-d)*Exp(-2*Norm2(x-y))+Exp(-Exp(-d)*d), j)",
  "Max_Reduction(3-Norm2(x-y), j)",
  "Sum_Reduction(Inv(1+SqDist(x,y))+Tanh(b*b), j)",
  "Sum_Reduction(2+Sin(b*3)*Cos(x-y), j)",
  "Sum_Reduction(Powf(1+SqDist(x,y),b)+Log(2+b)+Rsqrt(1+b*b), j)",
  "Sum_Reduction(4+Atan2(x,y)+Asin(b)+Round(b*9,0)+Mod(b,x+1,0), j)",
  "Sum_Reduction(Exp(-SqDist(x,y)), i)",
  "Grad(Sum_Reduction(-Exp(-SqDist(x,y))*Square(b+2)/100, j), x, c)"};
enum { TEXTS = sizeof texts / sizeof *texts };

static const char *const declarations[] = {"x=Vi(2)", "y=Vj(2)", "b=Vj(1)", "c=Vi(1)"};

typedef struct { double *data[4]; rk_array input[4]; } points;

static points points_new(int rows) {
  points p = {.data = {random_numbers(2L * rows, 0, 1), random_numbers(2L * COLUMNS, 1.5, 2),
                       random_numbers(COLUMNS, -0.9, 0.9), random_numbers(rows, 1, 2)}};
  const int64_t n[] = {rows, COLUMNS, COLUMNS, rows};
  for (int k = 0; k < 4; k++) p.input[k] = columns_of(p.data[k], n[k], k < 2 ? 2 : 1);
  return p;
}

static void points_free(points *p) {
  for (int k = 0; k < 4; k++) free(p->data[k]);
}

static rk_program *asked_for(const char *text, int bytes, rk_precision precision) {
  ask_for(bytes);
  return program_of(text, declarations, 4, precision);
}

/* All of them in one compile. */
static void build_all(int bytes) {
  rk_program *list[2 * TEXTS];
  rk_error error;
  for (int k = 0; k < 2 * TEXTS; k++)
    list[k] = asked_for(texts[k / 2], bytes, k % 2 ? RK_FLOAT32 : RK_FLOAT64);
  if (!CHECK(rk_build_many(list, 2 * TEXTS, NULL, NULL, &error) == RK_OK, "kernels are built"))
    printf("  with %d bytes: %s\n", bytes, error.message);
}

static void test_results(const char *text, int rows, rk_precision precision) {
  points p = points_new(rows);
  double want[2 * COLUMNS] = {0}, got[2 * COLUMNS], worst = 0;
  rk_error error;
  rk_program *wide = asked_for(text, natural, precision);
  CHECK(wide && !run_values(wide, p.input, 4, want, &error), text);
  for (int bytes = 16; bytes && bytes < natural; bytes = next_width(bytes)) {
    memset(got, 0, sizeof got);
    rk_program *narrow = asked_for(text, bytes, precision);
    if (!CHECK(narrow && narrow != wide && !run_values(narrow, p.input, 4, got, &error), text))
      printf("  with %d bytes: %s\n", bytes, narrow ? error.message : "no program");
    for (int k = 0; k < 2 * COLUMNS; k++) {
      double wrong = got[k] == want[k] ? 0 : fabs(got[k] - want[k]) / fabs(want[k]);
      if (!(wrong <= worst)) worst = wrong;
    }
  }
  CHECK(asked_for(text, natural, precision) == wide, "and is found again");
  if (!CHECK(worst <= (precision == RK_FLOAT32 ? 64 * 0x1p-24 : 64 * 0x1p-53),
             "results are the same with all vectors, but for rounding"))
    printf("  %s: %g\n", text, worst);
  points_free(&p);
}

/* ---- kernels ---- */

/* A program that is held keeps its vectors, whatever is asked for when it runs. */
static void test_held(void) {
  points p = points_new(ROWS);
  double want[ROWS], got[ROWS];
  rk_error error;
  const char *text = "Sum_Reduction(Exp(-SqDist(x,y))*0.75, j)";
  CHECK(!run_values(asked_for(text, natural, RK_FLOAT64), p.input, 4, want, &error), text);
  rk_program *narrow = asked_for(text, 16, RK_FLOAT64);
  ask_for(natural);
  char *source = NULL;
  CHECK(narrow && !rk_source(narrow, "cpu", &source, &error) &&
        strstr(source, "#define RK_BYTES 16\n"), "the source has the vectors that were asked for");
  rk_free(source);
  CHECK(!run_values(narrow, p.input, 4, got, &error) && fabs(got[0] - want[0]) < 1e-12 * want[0],
        "a program runs with the vectors that it was made for");
  points_free(&p);
}

/* Each width has kernels of its own in the cache. */
static void test_keys(void) {
  points p = points_new(ROWS);
  double out[ROWS];
  rk_error error;
  const char *text = "Sum_Reduction(Exp(-SqDist(x,y))*Cos(b), j)";
  for (int bytes = 16; bytes; bytes = next_width(bytes)) {
    int64_t before = builds();
    for (int k = 0; k < 2; k++)
      CHECK(!run_values(asked_for(text, bytes, RK_FLOAT32), p.input, 4, out, &error), text);
    CHECK(builds() == before + 1, "one kernel for each width");
  }
  unsetenv("RKEOPS_VECTORS");
  int64_t before = builds();
  CHECK(!run_values(program_of(text, declarations, 4, RK_FLOAT32), p.input, 4, out, &error) &&
        builds() == before, "without RKEOPS_VECTORS a kernel is the one of the widest vectors");
  points_free(&p);
}

/* What the compiler may use. */
static void test_machine_code(void) {
  static const char *const source =
      "int widest(void) {\n"
      "#if defined(__AVX512F__) || defined(__AVX512VL__)\n"
      "  return 64;\n"
      "#elif defined(__AVX__) || defined(__FMA__)\n"
      "  return 32;\n"
      "#else\n"
      "  return 16;\n"
      "#endif\n"
      "}\n";
  rk_error error;
  for (int bytes = 16; bytes; bytes = next_width(bytes)) {
    rk_to_build one = {.source = source};
    int built = rk_build_c(&one, 1, bytes, 1, (rk_caller){.error = &error}) == RK_OK;
    if (!CHECK(built, "a kernel is built for each width")) continue;
    check_function widest = check_function_of(rk_kernel_symbol(one.kernel, "widest"));
    CHECK(widest() == bytes, "and for no wider one");
  }
}

/* ---- what is said ---- */

static int report_says(const char *line) {
  char *report = NULL;
  rk_error error;
  int says = rk_report(&report, &error) == RK_OK && strstr(report, line) != NULL;
  rk_free(report);
  return says;
}

static void test_report(void) {
  char line[80];
  ask_for(16);
  snprintf(line, sizeof line, "vectors: 16 bytes, as RKEOPS_VECTORS says (%d without it)\n", natural);
  CHECK(report_says(line), "the report says what RKEOPS_VECTORS says");
  unsetenv("RKEOPS_VECTORS");
  snprintf(line, sizeof line, "vectors: %d bytes\n", natural);
  CHECK(report_says(line), "the report says how wide vectors are");
  setenv("RKEOPS_VECTORS", "many", 1);
  CHECK(report_says("vectors: none: ") && report_says("is \"many\""), "or why there are none");
}

static void test_refusals(void) {
  static const char *const wrong[] = {"0", "8", "48", "128", " 16", "16 ", "016", "avx2", "-16"};
  const char *expected = natural == 64 ? "expected 16, 32 or 64,"
                       : natural == 32 ? "expected 16 or 32," : "expected 16,";
  char wider[16];
  snprintf(wider, sizeof wider, "%d", 2 * natural);
  for (size_t k = 0; k <= sizeof wrong / sizeof *wrong; k++) {
    const char *text = k < sizeof wrong / sizeof *wrong ? wrong[k] : wider;
    rk_options options = {0};
    rk_program *program = NULL;
    rk_error error = {0};
    setenv("RKEOPS_VECTORS", text, 1);
    rk_status status = rk_program_get(texts[0], declarations, 4, &options, &program, &error);
    if (!CHECK(status == RK_ERROR_ARGUMENT && !program && strstr(error.message, "RKEOPS_VECTORS") &&
               strstr(error.message, text) && strstr(error.message, expected),
               "other vectors are refused"))
      printf("  %s: %s\n", text, error.message);
  }
  setenv("RKEOPS_VECTORS", "", 1);
  CHECK(program_of(texts[0], declarations, 4, RK_FLOAT64) != NULL, "an empty text says nothing");
}

int main(void) {
  check_configure();
  natural = rk_os_vector_bytes();
  for (int bytes = 16; bytes; bytes = next_width(bytes)) build_all(bytes);
  for (int k = 0; k < TEXTS; k++) {
    test_results(texts[k], ROWS, RK_FLOAT64);
    test_results(texts[k], ROWS, RK_FLOAT32);
  }
  test_results(texts[0], 1, RK_FLOAT64); /* lanes along the columns */
  test_held();
  test_keys();
  test_machine_code();
  test_report();
  test_refusals();
  return check_end();
}
