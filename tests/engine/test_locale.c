/* Numbers, letters and messages are the same in every locale.
 *
 * RKEOPS_TEST_LOCALE names one with a decimal comma (tools/engine-tests.sh makes one, in Turkish and
 * with letters beyond ASCII in one byte); without it only what needs none is looked at. */
#include "check.h"
#include "text.h"

#include <limits.h>
#include <locale.h>
#include <stdint.h>

/* ---- numbers ---- */

static uint64_t bits_of(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static uint64_t random_bits(void) {
  uniform();
  return check_seed * UINT64_C(0x9e3779b97f4a7c15);
}

static double read_number(const char *text) {
  double value = NAN;
  const char *end = rk_read_number(text, &value);
  return *end ? NAN : value;
}

/* What the C library says where the decimal point is a point. */
static double expected(const char *text) {
  char *locale = strdup(setlocale(LC_NUMERIC, NULL));
  setlocale(LC_NUMERIC, "C");
  double value = strtod(text, NULL);
  setlocale(LC_NUMERIC, locale);
  free(locale);
  return value;
}

static void test_round_trip(void) {
  int wrong = 0, points = 0;
  for (int k = 0; k < 20000; k++) {
    uint64_t bits = random_bits() & INT64_MAX;
    double x;
    char text[RK_NUMBER_TEXT];
    memcpy(&x, &bits, sizeof x);
    if (x - x != 0) continue;
    rk_number_text(text, "%.17g", x);
    wrong += bits_of(read_number(text)) != bits;
    points += strchr(text, ',') != NULL || strspn(text, "0123456789.e+-") != strlen(text);
  }
  CHECK(!wrong, "every double is written and read back");
  CHECK(!points, "with a point");
}

static void test_reading(void) {
  static const char *const texts[] = {
      "0", "0.0", "000", ".5", "5.", "1.5", "0001.25", "2.25e-1", "1e5", "1E+5", "0.1",
      "17.299999999999997", "9007199254740993", "9007199254740992.999999999999999999",
      "179769313486231580793728971405301e276", "1e308", "1e309", "1e99999999999999999999",
      "1e-99999999999999999999", "0e99999999999999999999", "4.9e-324", "2.4703282292062327e-324",
      "2.4703282292062328e-324", "2.2250738585072011e-308", "0.000000000000000000000000000001e30",
      "100000000000000000000000000000000000000e-38", "8.5e-1", "123456789012345678901234567890"};
  for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
    CHECK(bits_of(read_number(texts[k])) == bits_of(expected(texts[k])), texts[k]);
  static const struct { const char *text; int length; double value; } parts[] = {
      {"1.5*x", 3, 1.5}, {"2e", 1, 2}, {"2e+", 1, 2}, {"2ex", 1, 2}, {"1.2.3", 3, 1.2},
      {"1,5", 1, 1}, {"0x10", 1, 0}, {"3-1", 1, 3}, {"", 0, 7}, {".", 0, 7}, {"inf", 0, 7},
      {"nan", 0, 7}, {"-1", 2, -1}, {"-.5", 3, -.5}, {"-", 0, 7}, {"--1", 0, 7}, {" 1", 0, 7}, {"e5", 0, 7}};
  for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
    double value = 7;
    CHECK(rk_read_number(parts[k].text, &value) == parts[k].text + parts[k].length &&
          value == parts[k].value, parts[k].text);
  }
}

/* Numbers of hundreds of digits, as near as can be to the middle between two doubles. */
static void test_middles(void) {
  int wrong = 0;
  for (int k = 0; k < 300; k++) {
    double x = ldexp(1 + uniform(), (int)(random_bits() % 2000) - 1060), zeros = 0;
    if (!(x > 0) || x > 1e300) continue;
    long double middle = (long double)x + ((long double)nextafter(x, INFINITY) - x) / 2;
    char *locale = strdup(setlocale(LC_NUMERIC, NULL)), text[2000];
    setlocale(LC_NUMERIC, "C");
    int n = snprintf(text, sizeof text, "%.*Lf", 1200, middle);
    setlocale(LC_NUMERIC, locale);
    free(locale);
    zeros = read_number(text);
    wrong += bits_of(zeros) != bits_of(expected(text));
    text[n - 1] = '1';
    wrong += bits_of(read_number(text)) != bits_of(expected(text));
  }
  CHECK(!wrong, "numbers next to the middle between two doubles are rounded right");
}

static void test_writing(void) {
  char text[RK_NUMBER_TEXT];
  CHECK(!strcmp(rk_number_text(text, "%.17g", 0.1), "0.10000000000000001"), text);
  CHECK(!strcmp(rk_number_text(text, "%g", -2.5e-10), "-2.5e-10"), text);
  CHECK(!strcmp(rk_number_text(text, "%.1f", 139.75), "139.8"), text);
  CHECK(!strcmp(rk_number_text(text, "%.0f", 12.0), "12"), text);
  CHECK(!strcmp(rk_number_text(text, "%.17g", INFINITY), "inf"), text);
  CHECK(strlen(rk_number_text(text, "%.17f", -1.7976931348623157e308)) == 328, text);
}

/* ---- letters ---- */

static void test_letters(void) {
  int letters = 0, digits = 0, spaces = 0;
  for (int c = -128; c < 256; c++) {
    letters += rk_is_letter((char)c);
    digits += rk_is_digit((char)c);
    spaces += rk_is_space((char)c);
  }
  CHECK(letters == 52 + 52 * (CHAR_MIN == 0) && digits == 10 && spaces == 6, "ASCII and no more");
  CHECK(rk_lower('I') == 'i' && rk_lower('i') == 'i' && rk_lower('\xDD') == '\xDD', "i is i");
}

/* ---- messages ---- */

static int is_utf8(const char *text) {
  char piece[RK_PIECE];
  for (; *text; text += strlen(piece)) {
    rk_readable(text, piece);
    if (strncmp(text, piece, strlen(piece))) return 0;
  }
  return 1;
}

/* The message for a formula, which is no program. */
static const char *message_of(const char *text) {
  static const char *const declarations[] = {"x=Vi(3)", "y=Vj(3)"};
  static rk_error error;
  rk_program *program;
  rk_options options = {0};
  rk_status status = rk_program_get(text, declarations, 2, &options, &program, &error);
  CHECK(status == RK_ERROR_FORMULA, text);
  return status ? error.message : "";
}

/* The column of the caret, less that of `text` in the line above. */
static long caret_from(const char *message, const char *text) {
  const char *last = strrchr(message, '\n'), *place = strstr(message, text);
  if (!last || !place) return -1;
  const char *line = place;
  long column = 0;
  while (line > message && line[-1] != '\n') line--;
  for (; line < place; line++) column += (*line & 0xC0) != 0x80;
  return (long)strlen(last + 1) - 1 - column;
}

static void test_messages(void) {
  static const char *const texts[] = {
      "Sum_Reduction(x+\xE9t\xE9, j)", "Sum_Reduction(\xC3(x), j)", "\xFF\xFE", "x\x01y",
      "Sum_Reduction(\xED\xA0\x80, j)", "Sum_Reduction(\xF4\x90\x80\x80, j)", "\xC0\xAF",
      "Sum_Reduction(x \xE2\x82, j)", "Sum_Reduction(x-y, j) \x1B[31m"};
  for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
    CHECK(is_utf8(message_of(texts[k])), message_of(texts[k]));
  CHECK(strstr(message_of("Sum_Reduction(x+\xE9t\xE9, j)"), "x+\\xE9t\\xE9, j)"), "bytes are shown");
  CHECK(caret_from(message_of("Sum_Reduction(x+\xE9t\xE9, j)"), "\\xE9t") == 0, "and counted");
  const char *message = message_of("Sum_Reduction(x+\xC3\xA9t\xC3\xA9+zz, j)");
  CHECK(strstr(message, "x+\xC3\xA9t") && caret_from(message, "\xC3\xA9t") == 0, message);
}

/* A long line is cut between two characters, wherever they fall. */
static void test_cut_messages(void) {
  for (int shift = 0; shift < 6; shift++) {
    rk_text text = {0};
    rk_text_add(&text, "Sum_Reduction(x");
    for (int k = 0; k < 100 + shift; k++) rk_text_add(&text, k < shift ? " " : "\xE2\x82\xAC");
    rk_text_add(&text, ", j)");
    const char *message = message_of(text.bytes);
    CHECK(is_utf8(message) && !strchr(message, '\\'), message);
    rk_text_free(&text);
  }
  rk_text path = {0};
  for (int k = 0; k < 3000; k++) rk_text_add(&path, "\xC3\xBC");
  rk_error error;
  rk_settings settings = {.compiler = path.bytes};
  rk_program *program = program_of("Sum_Reduction(Vi(0,1)-Vj(1,1),j)", NULL, 0, RK_FLOAT64);
  double one[1] = {1}, out;
  rk_array inputs[2] = {columns_of(one, 1, 1), columns_of(one, 1, 1)};
  CHECK(!rk_configure(&settings, &error), "a compiler of 6000 bytes");
  CHECK(run_values(program, inputs, 2, &out, &error) == RK_ERROR_COMPILE && is_utf8(error.message) &&
        strlen(error.message) > 4000 && !strchr(error.message, '\\'), error.message);
  settings.compiler = "";
  rk_configure(&settings, &error);
  rk_text_free(&path);
}

/* ---- the same programs ---- */

static const char *const declarations[] = {"x=Vi(2)", "y=Vj(2)", "b=Vj(1)"};
static const char *const formulas[] = {
    "Sum_Reduction(x*1.5+y*2.25e-1, j)", "Sum_Reduction(Exp(-x*0.5)*Elem(y,0)+.125, j)",
    "Sum_Reduction(x^2.5+Powf(Abs(y)+0.5,1/3), j)", "Sum_Reduction(Clamp(x-y,0.25,1.5)*b, j)",
    "Sum_Reduction(Round(1.0625*SqDist(x,y),1)+IfElse(b-0.5,b,0.75), j)",
    "Sum_Reduction(Exp(-SqDist(x,y)*2.5)*(x-y)*0.3, j)", "LogSumExp_Reduction(-0.7*SqDist(x,y),j)",
    "KMin_Reduction(SqDist(x,y)*1.25, 2, j), Grad(Sum_Reduction(Sin(1.5*x)*b*0.1,j), x, 2.5)",
    "Max_ArgMax_Reduction(Tanh(0.1*x)-0.5*b, j)", "Sum_Reduction(Extract(x*IntInv(3),0,1), j)"};
enum { FORMULAS = sizeof formulas / sizeof *formulas, ROWS = 7, COLUMNS = 9 };

typedef struct { char *source[2], *explained; double out[4 * ROWS * 4]; } found;

static void find(const char *text, found *f) {
  rk_error error;
  rk_program *program = program_of(text, declarations, 3, RK_FLOAT64);
  check_seed = 12345;
  sample s = sample_of(declarations, 3, ROWS, COLUMNS, -1, 1);
  rk_output outputs[4];
  for (int k = 0; k < 4; k++)
    outputs[k] = (rk_output){.type = RK_OUT_DOUBLE, .data = f->out + 4 * ROWS * k};
  CHECK(program && !rk_source(program, "cpu", &f->source[0], &error) &&
        !rk_source(program, "cuda", &f->source[1], &error), text);
  if (!CHECK(program && !rk_run(program, s.inputs, 3, outputs, NULL, NULL, &error), text))
    puts(error.message);
  CHECK(program && !rk_explain(program, "cpu", NULL, &f->explained, &error), text);
  sample_free(&s);
}

static void forget_found(found *f) {
  rk_free(f->source[0]);
  rk_free(f->source[1]);
  rk_free(f->explained);
}

/* With all pairs, or without those that cannot matter, whose shares are told. */
static void test_programs_agree(const char *name, rk_pruning pruning) {
  static found before[FORMULAS], after[FORMULAS];
  setlocale(LC_ALL, "C");
  rk_set_pruning(pruning);
  for (int k = 0; k < FORMULAS; k++) find(formulas[k], &before[k]);
  int64_t compiled = rk_count().compiles;
  rk_forget();
  setlocale(LC_ALL, name);
  for (int k = 0; k < FORMULAS; k++) {
    find(formulas[k], &after[k]);
    for (int target = 0; target < 2; target++)
      CHECK(!strcmp(before[k].source[target], after[k].source[target]), "the same source");
    CHECK(!strcmp(before[k].explained, after[k].explained), "the same explanation");
    CHECK(!memcmp(before[k].out, after[k].out, sizeof before[k].out), "the same results");
    forget_found(&before[k]);
    forget_found(&after[k]);
  }
  CHECK(rk_count().compiles == compiled, "and the same keys in the cache");
}

int main(void) {
  check_configure();
  const char *name = getenv("RKEOPS_TEST_LOCALE");
  if (name) {
    CHECK(*localeconv()->decimal_point != '.', "the decimal point is none");
    test_programs_agree(name, RK_PRUNE_NEVER);
    test_programs_agree(name, RK_PRUNE_ALWAYS);
  } else {
    printf("skipped: RKEOPS_TEST_LOCALE names no locale with a decimal comma\n");
    check_skipped++;
  }
  test_round_trip();
  test_reading();
  test_middles();
  test_writing();
  test_letters();
  test_messages();
  test_cut_messages();
  return check_end();
}
