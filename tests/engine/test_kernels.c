/* Kernels that are part of the package: their texts are those that the emitter writes now, each
 * listed program finds its kernel, and what they compute is what the reference says.
 *
 * Run from the root of the repository. RKEOPS_UPDATE_KERNELS=1 writes src/engine/kernels/table.def,
 * instances.def, texts.def and parts.def anew, of src/engine/kernels/programs.def. */
#include "check.h"

#include "host/frame.h"
#include "kernels/kernels.h"
#include "os.h"
#include "programs.h"
#include "random_blocks.h"

/* ---- programs ---- */

typedef struct { char name[96], text[400], kind; } listed;
enum { MOST_LISTED = 64, MOST_TEXTS = 256, MOST_PARTS = 1024, MOST_VARYINGS = 64 };
static listed program[MOST_LISTED];
static int programs;

/* kind: E of the weights is left open ('E'), or they have one component. */
static void list(const char *name, const char *of, const char *format, const char *kernel,
                 char kind) {
  listed *p = &program[programs++];
  snprintf(p->name, sizeof p->name, "%s%s", name, of);
  snprintf(p->text, sizeof p->text, format, kernel);
  p->kind = kind;
}

#define KERNEL(name, text)                                                                         \
  list(name, ": sum", "Sum_Reduction(%s, j)", text, '1');                                          \
  list(name, ": sum with a weight", "Sum_Reduction(%s*b, j)", text, '1');                          \
  list(name, ": sum with weights", "Sum_Reduction(%s*b, j)", text, 'E');                           \
  list(name, ": gradient", "Grad(Sum_Reduction(%s*b, j), x, e)", text, '1');
#define REDUCED(name, text) list(name, "", "%s", text, '1');
static void list_programs(void) {
#include "kernels/programs.def"
}

typedef struct { int d, e, is_double, walks; } variant;

static rk_program *program_at(const listed *p, variant v) {
  char declaration[5][24];
  const char *declarations[5];
  static const char *const format[] = {"x=Vi(%d)", "y=Vj(%d)", "b=Vj(%d)", "g=Pm(%d)", "e=Vi(%d)"};
  const int size[] = {v.d, v.d, v.e, 1, v.e};
  for (int k = 0; k < 5; k++) {
    snprintf(declaration[k], sizeof declaration[k], format[k], size[k]);
    declarations[k] = declaration[k];
  }
  return program_of(p->text, declarations, 5, v.is_double ? RK_FLOAT64 : RK_FLOAT32);
}

/* The general text of its pass; 0: there is none. */
static int text_at(const listed *p, variant v, rk_text *text) {
  rk_numbers numbers;
  const rk_program *made = program_at(p, v);
  return made && made->plan->stages == 1 &&
         rk_emit_general(&made->plan->stage[0].pass, v.walks, text, &numbers);
}

/* ---- texts ---- */

typedef struct {
  char name[96];
  int is_double, is_large;
  rk_scanned scanned;
  rk_varying varying[MOST_VARYINGS];
  int varyings;
  char digest[RK_DIGEST_TEXT];
} general;

static general text[MOST_TEXTS];
static int texts;

static void free_scanned(rk_scanned *s, int n) {
  for (int k = 0; k < n; k++) rk_scanned_free(&s[k]);
}

static int scan_at(const listed *p, variant v, rk_scanned *s) {
  rk_text out = {0};
  int good = text_at(p, v, &out) && rk_scan(rk_text_string(&out), s);
  rk_text_free(&out);
  return good;
}

/* How each integer follows from the sizes, from texts in which these differ. */
static int find_varyings(general *g, const rk_scanned *d, const rk_scanned *e, int step) {
  for (int k = 0; k < g->scanned.integers; k++) {
    const int value = g->scanned.integer[k], by_d = d->integer[k] - value,
              by_e = e->integer[k] - value;
    if (!by_d && !by_e) continue;
    if (by_d % step || by_e % step || g->varyings == MOST_VARYINGS) return 0;
    g->varying[g->varyings++] = (rk_varying){(short)k, {(short)value, (short)(by_d / step),
                                                        (short)(by_e / step)}};
  }
  return 1;
}

static int is_same(const rk_scanned *a, const rk_scanned *b) {
  return a->integers == b->integers &&
         !strcmp(rk_text_string(&a->skeleton), rk_text_string(&b->skeleton));
}

enum { BASE_D = 37, BASE_E = 29, STEP = 16 };

static int make_general(const listed *p, variant v, general *g) {
  const int leaves_d = v.d != 1, leaves_e = p->kind == 'E';
  variant base = {leaves_d ? BASE_D : 1, leaves_e ? BASE_E : 1, v.is_double, v.walks}, d = base,
          e = base;
  rk_scanned more[2] = {{.integers = 0}, {.integers = 0}};
  d.d += leaves_d ? STEP : 0;
  e.e += leaves_e ? STEP : 0;
  *g = (general){.is_double = v.is_double};
  snprintf(g->name, sizeof g->name, "%s", p->name);
  int good = scan_at(p, base, &g->scanned) && scan_at(p, d, &more[0]) && scan_at(p, e, &more[1]) &&
             is_same(&g->scanned, &more[0]) && is_same(&g->scanned, &more[1]) &&
             find_varyings(g, &more[0], &more[1], STEP);
  for (int k = 0; good && k < g->varyings; k++) {
    rk_varying *w = &g->varying[k];
    w->of[0] = (short)(w->of[0] - w->of[1] * base.d - w->of[2] * base.e);
    g->is_large |= g->scanned.is_extent[w->at];
  }
  if (good) rk_text_digest(&g->scanned, g->varying, g->varyings, g->digest);
  free_scanned(more, 2);
  return good;
}

static int is_known(const general *g) {
  for (int k = 0; k < texts; k++)
    if (!strcmp(text[k].digest, g->digest) && text[k].is_double == g->is_double) return 1;
  return 0;
}

static int keeps_positions(const listed *p) { return strstr(p->text, "Arg") != NULL; }

static void make_texts(void) {
  for (int is_double = 0; is_double < 2; is_double++)
    for (int k = 0; k < programs; k++)
      for (int d = 1; d <= 2; d++)
        for (int walks = !keeps_positions(&program[k]); walks < 2; walks++) {
          const variant v = {d, 0, is_double, walks};
          general *g = &text[texts];
          int good = CHECK(texts < MOST_TEXTS && make_general(&program[k], v, g), program[k].text);
          if (good && !is_known(g)) texts++;
          else free_scanned(&g->scanned, 1);
        }
}

/* ---- files ---- */

static char *part[MOST_PARTS];
static int parts;

static int part_number(const char *from, size_t length) {
  for (int k = 0; k < parts; k++)
    if (strlen(part[k]) == length && !strncmp(part[k], from, length)) return k;
  part[parts] = calloc(length + 1, 1);
  memcpy(part[parts], from, length);
  return parts++;
}

static void write_integer(rk_text *out, const general *g, int k, int *v) {
  static const char *const letter[] = {"", "rk_d", "rk_e"};
  const rk_varying *w = *v < g->varyings && g->varying[*v].at == k ? &g->varying[(*v)++] : NULL;
  if (!w) {
    rk_text_format(out, "%d", g->scanned.integer[k]);
    return;
  }
  if (g->scanned.is_extent[k]) {
    rk_text_add(out, "RK_MOST_COMPONENTS");
    return;
  }
  rk_text_add(out, "(");
  for (int q = 1, some = 0; q <= RK_SIZES; q++) {
    if (!w->of[q]) continue;
    rk_text_add(out, some++ ? " + " : "");
    if (w->of[q] != 1) rk_text_format(out, "%d * ", w->of[q]);
    rk_text_add(out, letter[q]);
  }
  if (w->of[0]) rk_text_format(out, w->of[0] < 0 ? " - %d" : " + %d", abs(w->of[0]));
  rk_text_add(out, ")");
}

/* The text with sizes in place of the integers that follow from them. */
static void write_text(rk_text *out, const general *g) {
  int k = 0, v = 0;
  for (const char *at = rk_text_string(&g->scanned.skeleton); *at; at++) {
    if (*at == '#' && !(at[1] >= 'a' && at[1] <= 'z')) write_integer(out, g, k++, &v);
    else rk_text_bytes(out, at, 1);
  }
}

/* The parts of a text end with its functions; those that texts have in common stand once. */
static void write_parts(rk_text *out, const char *whole) {
  for (const char *at = whole; *at;) {
    const char *const stop = *at == '#' ? "\ntypedef " : "\n}\n", *end = strstr(at, stop);
    size_t length = end ? (size_t)(end - at) + (*at == '#' ? 1 : 3) : strlen(at);
    rk_text_format(out, "#define RK_PART %d\n#include \"kernels/parts.def\"\n",
                   part_number(at, length));
    at += length;
  }
}

static void write_table_line(rk_text *out, const general *g, int number) {
  rk_text_format(out, "TEXT(%d, %d, \"%s\", %d, %d, \"%s\"", number,
                 g->is_double ? 64 : 32, g->name, g->scanned.integers,
                 (int)g->scanned.skeleton.length, g->digest);
  for (int v = 0; v < g->varyings; v++)
    rk_text_format(out, ",\n  {%d, {%d, %d, %d}}", g->varying[v].at, g->varying[v].of[0],
                   g->varying[v].of[1], g->varying[v].of[2]);
  rk_text_add(out, ", {0, {0, 0, 0}})\n");
}

enum { TABLE, INSTANCES, TEXTS, PARTS, FILES };
static const char *const file_name[] = {"table", "instances", "texts", "parts"};

static void write_files(rk_text file[FILES]) {
  for (int f = 0; f < FILES; f++)
    rk_text_add(&file[f], "/* Written by tests/engine/test_kernels.c. */\n");
  for (int k = 0; k < texts; k++) {
    rk_text whole = {0};
    write_text(&whole, &text[k]);
    write_table_line(&file[TABLE], &text[k], k);
    rk_text_format(&file[INSTANCES], "#define RK_TEXT %d\n#define RK_TYPE %d\n"
                   "#define RK_LARGE %d\n#include \"kernels/form.h\"\n", k,
                   text[k].is_double ? 64 : 32, text[k].is_large);
    rk_text_format(&file[TEXTS], "#if RK_TEXT == %d /* %s */\n", k, text[k].name);
    write_parts(&file[TEXTS], rk_text_string(&whole));
    rk_text_add(&file[TEXTS], "#endif\n");
    rk_text_free(&whole);
  }
  for (int k = 0; k < parts; k++) {
    rk_text_format(&file[PARTS], "#if RK_PART == %d\n%s#endif\n", k, part[k]);
    free(part[k]);
  }
  rk_text_add(&file[PARTS], "#undef RK_PART\n");
}

static void test_files(void) {
  rk_text file[FILES] = {{0}};
  write_files(file);
  for (int f = 0; f < FILES; f++) {
    char path[200], *known = NULL;
    size_t n;
    snprintf(path, sizeof path, "src/engine/kernels/%s.def", file_name[f]);
    if (getenv("RKEOPS_UPDATE_KERNELS")) {
      FILE *to = fopen(path, "wb");
      fputs(rk_text_string(&file[f]), to);
      fclose(to);
    }
    if (!CHECK(rk_os_read(path, &known, &n) && !strcmp(known, rk_text_string(&file[f])),
               "the texts of built-in kernels are what the emitter writes"))
      printf("  %s is stale: RKEOPS_UPDATE_KERNELS=1 make one TEST=test_kernels\n", path);
    free(known);
    rk_text_free(&file[f]);
  }
}

/* ---- found ---- */

static int is_found(const listed *p, variant v, int bytes) {
  rk_built found;
  rk_text out = {0};
  int given = bytes;
  int good = text_at(p, v, &out) &&
             rk_built_find(rk_text_string(&out), v.is_double, &given, &found) && given <= bytes;
  rk_text_free(&out);
  return good && (v.d == 1 || found.size[0] == v.d) && (p->kind != 'E' || found.size[1] == v.e);
}

/* Of x86 few processors have vectors of 16 bytes only: there are kernels of doubles for them. */
static int is_there(int is_double, int bytes) {
#if defined(__x86_64__) && !defined(_WIN32)
  return is_double || bytes > 16;
#else
  return is_double + bytes > 0;
#endif
}

/* Sizes that were not those from which the texts were made. */
static void test_found(void) {
  static const int d[] = {1, 2, 3, 4, 9, 13, 17, 64}, e[] = {2, 3, 8, 9, 64};
  const int widest = rk_os_vector_bytes();
  for (int k = 0; k < programs; k++)
    for (size_t q = 0; q < sizeof d / sizeof *d; q++)
      for (int is_double = 0; is_double < 2; is_double++) {
        const variant v = {d[q], program[k].kind == 'E' ? e[q % 5] : 1, is_double,
                           !keeps_positions(&program[k]) || q % 2};
        const int bytes = q % 3 ? widest : 16;
        if (!CHECK(is_found(&program[k], v, bytes) == is_there(is_double, bytes), program[k].text))
          printf("  D = %d, E = %d, %s\n", v.d, v.e, is_double ? "float64" : "float32");
      }
}

/* Forms of one formula have one kernel; another formula has none. */
static void test_forms(void) {
  static const char *const forms[] = {
    "Sum_Reduction(b*Exp(-g*SqNorm2(x-y)), j)", "Sum_Reduction(Exp(-SqDist(y,x)/(2*g^2))*b, j)",
    "Sum_Reduction(Exp(-Sum((y-x)^2)*0.3)*b, j)", "r = Norm2(x-y)/g; Sum_Reduction(b*Exp(-r), j)",
    "r = Norm2(y-x)*1.73; Sum_Reduction(b*(Exp(-r)*(1+r)), j)"};
  const variant v = {3, 1, 1, 1};
  listed p = {.kind = '1'};
  for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
    snprintf(p.text, sizeof p.text, "%s", forms[k]);
    CHECK(is_found(&p, v, 64), forms[k]);
  }
  snprintf(p.text, sizeof p.text, "Sum_Reduction(Exp(-SqDist(x,y)*g)*b*b, j)");
  CHECK(!is_found(&p, v, 64), "another formula");
  CHECK(!is_found(&program[2], (variant){3, RK_MOST_COMPONENTS + 1, 1, 1}, 64), "too many columns");
}

/* ---- values ---- */

enum { ROWS = 61, COLUMNS = 211, MOST_DIM = 10 };

typedef struct { double values[2][ROWS * MOST_DIM]; } results;

static int run_with(const char *backend, rk_program *p, const sample *s, const rk_blocks *blocks,
                    results *r) {
  rk_output outputs[2];
  memset(r, 0, sizeof *r);
  for (int f = 0; f < 2; f++)
    outputs[f] = (rk_output){.data = r->values[f], .none_double = -1};
  rk_status status = rk_use_backend(backend, NULL, 0, &last);
  if (!status)
    status = blocks ? rk_run_blocks(p, blocks, s->inputs, outputs, NULL, NULL, &last)
                    : rk_run(p, s->inputs, s->count, outputs, NULL, NULL, &last);
  if (status) puts(last.message);
  return !status;
}

static int agree(const results *a, const results *b, double tolerance) {
  double largest = 0, difference = 0;
  for (int f = 0; f < 2; f++)
    for (int k = 0; k < ROWS * MOST_DIM; k++) {
      const double x = a->values[f][k], y = b->values[f][k];
      if (isfinite(x) != isfinite(y) || (!isfinite(x) && x != y)) return 0;
      if (!isfinite(x)) continue;
      if (fabs(x) > largest) largest = fabs(x);
      if (fabs(x - y) > difference) difference = fabs(x - y);
    }
  return difference <= tolerance * largest;
}

static void test_value(const listed *p, variant v, const rk_blocks *blocks, int bytes) {
  static const char *const format[] = {"x=Vi(%d)", "y=Vj(%d)", "b=Vj(%d)", "g=Pm(%d)", "e=Vi(%d)"};
  const int size[] = {v.d, v.d, v.e, 1, v.e};
  char declaration[5][24];
  const char *declarations[5];
  for (int k = 0; k < 5; k++) {
    snprintf(declaration[k], sizeof declaration[k], format[k], size[k]);
    declarations[k] = declaration[k];
  }
  sample s = sample_of(declarations, 5, ROWS, COLUMNS, 0.1, 0.9);
  rk_program *made = program_at(p, v);
  results built, wanted;
  char *said = NULL;
  CHECK(!rk_explain(made, "builtin", NULL, &said, &last) &&
            !strstr(said, "kernel: ") == !is_there(v.is_double, bytes), p->text);
  rk_free(said);
  int good = run_with("builtin", made, &s, blocks, &built) &&
             run_with("reference", made, &s, blocks, &wanted);
  if (!CHECK(good && agree(&built, &wanted, v.is_double ? 1e-13 : 1e-5), p->text))
    printf("  D = %d, E = %d, %s%s\n", v.d, v.e, v.is_double ? "float64" : "float32",
           blocks ? ", blocks" : "");
  sample_free(&s);
}

static void test_values(int bytes) {
  static const int d[] = {1, 2, 3, 7};
  for (int k = 0; k < programs; k++)
    for (int q = 0; q < 4; q++)
      for (int is_double = 0; is_double < 2; is_double++) {
        const variant v = {d[q], program[k].kind == 'E' ? q + 2 : 1, is_double, 1};
        random_blocks blocks = blocks_of((blocks_kind)((k + q) % BLOCKS_KINDS), ROWS, COLUMNS);
        blocks_settle(&blocks);
        test_value(&program[k], v, NULL, bytes);
        test_value(&program[k], v, &blocks.pairs, bytes);
        blocks_free(&blocks);
      }
}

static void test_vectors(void) {
  static const char *const widths[] = {"16", "32", "64"};
  for (int k = 0; k < 3; k++) {
    rk_program *made;
    rk_options options = {.precision = RK_FLOAT64};
    setenv("RKEOPS_VECTORS", widths[k], 1);
    rk_forget();
    if (!rk_program_get("Sum_Reduction(Vi(1)*Vj(1), j)", NULL, 0, &options, &made, &last))
      test_values(atoi(widths[k]));
    unsetenv("RKEOPS_VECTORS");
  }
  rk_forget();
}

int main(void) {
  check_configure();
  list_programs();
  make_texts();
  test_files();
  if (getenv("RKEOPS_UPDATE_KERNELS")) return check_end(); /* what is built is older */
  test_found();
  test_forms();
  test_vectors();
  for (int k = 0; k < texts; k++) free_scanned(&text[k].scanned, 1);
  return check_end();
}
