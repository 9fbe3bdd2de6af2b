/* Emitted CUDA text through the real NVRTC: it compiles, and where the planner says that a thread's
 * data lies in registers, ptxas agrees: no stack, no spill. No GPU is needed.
 *
 *   test_nvrtc [TEXT [ARCH]]     only formulas that contain TEXT, only for sm_ARCH
 *   RKEOPS_TEST_FULL=1           the whole grid; passes that use a stack are printed with theirs
 *
 * What is compiled is a list of wishes: a formula, its type, the architecture. Several passes go
 * into one text, texts are shared out to two processes, and what NVRTC says of a text is kept
 * beside RKEOPS_CACHE: the tests run with two host compilers, whose engines must emit the same. */
#include "planned.h"

#include "cuda/frame.h"
#include "cuda/nvrtc.h"
#include "formula/operations.h"
#include "formula/reductions.h"
#include "os.h"

#include <ctype.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TOGETHER = 12, PROCESSES = 2, SIZES = 6, TYPES = 3, DECLARATIONS = 4 };
static const int sizes[SIZES] = {1, 3, 10, 50, 100, 1000};
static const char *const type_name[TYPES] = {"float32", "float64", "float16"};
static const char *const kind_name[] = {"Vi", "Vj", "Pm"};

/* The address sanitizer would look at all the rest of a text in every strstr, and keep what NVRTC
 * frees. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
  return "intercept_strstr=0:malloc_context_size=2:quarantine_size_mb=4";
}

/* ---- wishes ---- */

typedef struct {
  char *text;
  char declaration[DECLARATIONS][24];
  rk_options options;
  int arch;
  rk_gpu_lay lay;
  int promised;         /* the issue promises registers, whatever the planner says */
} wish;

static wish *wishes;
static int wish_count;
static const char *only = "";   /* all */
static int only_arch;           /* 0: all */

/* x and y of dimension D, weights b of `columns`, p a parameter. */
static void add_wish(const char *text, int D, int columns, rk_precision type, int arch,
                     int promised) {
  if (!strstr(text, only) || (only_arch && arch != only_arch)) return;
  if (wish_count % 256 == 0)
    wishes = realloc(wishes, (size_t)(wish_count + 256) * sizeof *wishes);
  wish *w = &wishes[wish_count++];
  *w = (wish){.options = {.precision = type}, .arch = arch, .promised = promised};
  w->text = malloc(strlen(text) + 1);
  strcpy(w->text, text);
  snprintf(w->declaration[0], sizeof w->declaration[0], "x=Vi(%d)", D);
  snprintf(w->declaration[1], sizeof w->declaration[1], "y=Vj(%d)", D);
  snprintf(w->declaration[2], sizeof w->declaration[2], "b=Vj(%d)", columns);
  snprintf(w->declaration[3], sizeof w->declaration[3], "p=Pm(%d)", D <= 100 ? D * D : 1);
}

static void describe(const wish *w, char *out, size_t size) {
  snprintf(out, size, "sm_%d %s %s, %s %s, layout %d", w->arch, type_name[w->options.precision],
           w->text, w->declaration[0], w->declaration[2], w->lay);
}

/* ---- passes ---- */

static rk_status plan_wish(const wish *w, planned *p, rk_gpu_shape *shape) {
  const char *declarations[DECLARATIONS];
  for (int k = 0; k < DECLARATIONS; k++) declarations[k] = w->declaration[k];
  rk_status status = plan_text(p, w->text, declarations, DECLARATIONS, &w->options);
  if (!status) *shape = rk_gpu_shape_choose(&p->pass, w->lay);
  return status;
}

static rk_status emit_planned(const planned *p, const rk_gpu_shape *shapes, int n, rk_text *source) {
  const rk_pass *pass[TOGETHER];
  const rk_gpu_shape *shape[TOGETHER];
  for (int k = 0; k < n; k++) {
    pass[k] = &p[k].pass;
    shape[k] = &shapes[k];
  }
  return rk_emit_cuda(pass, shape, n, rk_include_dir(), source, &last);
}

/* ---- what ptxas says ---- */

typedef struct { int found, stack, spill, registers; } usage;

/* Of rk_pair of pass k, and of the functions that it calls. */
static usage usage_of(const char *log, int k, int n) {
  char start[64];
  usage u = {0};
  if (n > 1) snprintf(start, sizeof start, "entry function 'rk_pair_%d'", k);
  else snprintf(start, sizeof start, "entry function 'rk_pair'");
  const char *at = strstr(log, start);
  if (!at) return u;
  const char *end = strstr(at + 1, "entry function '");
  for (u.found = 1; at && (!end || at < end); at = strchr(at + 1, '\n')) {
    int stack, stores, loads, registers;
    if (sscanf(at, "\nptxas . %d bytes stack frame, %d bytes spill stores, %d bytes", &stack,
               &stores, &loads) == 3) {
      u.stack += stack;
      u.spill += stores + loads;
    } else if (sscanf(at, "\nptxas info : Used %d registers", &registers) == 1)
      u.registers = registers;
  }
  return u;
}

/* ---- logs that are kept ---- */

static int log_path(const char *source, int arch, char *path, size_t size) {
  const char *cache = getenv("RKEOPS_CACHE");
  const rk_nvrtc_facts *facts;
  rk_error error;
  unsigned char digest[RK_HASH_BYTES];
  rk_sha256 hash;
  if (!cache || strlen(cache) + 80 > size || rk_nvrtc_get(&facts, &error)) return 0;
  rk_sha256_start(&hash);
  rk_sha256_field(&hash, source);
  rk_sha256_field(&hash, facts->identity);
  rk_sha256_field(&hash, RK_GENERATOR_VERSION);
  rk_sha256_end(&hash, digest);
  int used = snprintf(path, size, "%s-logs", cache);
  mkdir(path, 0700);
  used += snprintf(path + used, size - (size_t)used, "/sm_%d-", arch);
  for (int k = 0; k < 16; k++)
    used += snprintf(path + used, size - (size_t)used, "%02x", digest[k]);
  return 1;
}

static void write_log(const char *path, const char *log) {
  char temporary[600];
  snprintf(temporary, sizeof temporary, "%.560s.%d", path, (int)getpid());
  FILE *file = fopen(temporary, "wb");
  if (!file) return;
  int good = fputs(log, file) >= 0;
  if (fclose(file) || !good || rename(temporary, path)) remove(temporary);
}

static rk_status compile(const char *source, int arch, char **log) {
  char path[512], name[24];
  size_t bytes = 0;
  int keeps = log_path(source, arch, path, sizeof path);
  if (keeps && rk_os_read(path, log, &bytes)) return RK_OK;
  snprintf(name, sizeof name, "sm_%d", arch);
  rk_status status = rk_nvrtc_image(source, name, 0, log, NULL, &bytes, &last);
  if (!status && bytes < 1000) status = rk_fail(&last, RK_ERROR_COMPILE, "no code");
  if (!status && keeps) write_log(path, *log);
  return status;
}

/* ---- one text ---- */

static int resident, elsewhere, stacked;

static void judge(const wish *w, const rk_gpu_shape *shape, usage u) {
  char what[900];
  describe(w, what, sizeof what);
  int clean = u.found && !u.stack && !u.spill, claims = shape->stackless;
  if (!CHECK(u.found && u.registers, "ptxas names rk_pair")) puts(what);
  if (!CHECK(!w->promised || claims, "the planner keeps in registers what is promised"))
    printf("  %s\n", what);
  resident += claims;
  elsewhere += !claims;
  stacked += !clean;
  if (claims && !CHECK(clean, "no stack and no spill where the planner says so"))
    printf("  %s: %d registers, stack %d, spill %d\n", what, u.registers, u.stack, u.spill);
  if (!claims && !clean && getenv("RKEOPS_TEST_FULL"))
    printf("not in registers: %s: %d registers, stack %d, spill %d\n", what, u.registers, u.stack,
           u.spill);
}

static rk_status try_together(const wish *w, int n, int judged) {
  planned p[TOGETHER] = {{0}};
  rk_gpu_shape shape[TOGETHER];
  rk_text source = {0};
  char *log = NULL;
  rk_status status = RK_OK;
  for (int k = 0; k < n && !status; k++) status = plan_wish(&w[k], &p[k], &shape[k]);
  if (!status) status = emit_planned(p, shape, n, &source);
  if (!status) status = compile(rk_text_string(&source), w->arch, &log);
  for (int k = 0; k < n && !status && judged; k++)
    judge(&w[k], &shape[k], usage_of(log, k, n));
  for (int k = 0; k < n; k++) free_planned(&p[k]);
  rk_text_free(&source);
  rk_free(log);
  return status;
}

static void check_together(const wish *w, int n) {
  char what[900];
  if (CHECK(!try_together(w, n, 1), "the text of several passes compiles")) return;
  for (int k = 0; k < n; k++) {
    if (!try_together(&w[k], 1, n > 1)) continue;
    describe(&w[k], what, sizeof what);
    printf("  %s\n  %.1500s\n", what, last.message);
  }
}

/* ---- all texts, in a few processes ---- */

static void check_share(int which) {
  for (int first = 0, text = 0; first < wish_count; text++) {
    int n = 1;
    while (n < TOGETHER && first + n < wish_count &&
           wishes[first + n].arch == wishes[first].arch) n++;
    if (text % PROCESSES == which) check_together(&wishes[first], n);
    first += n;
  }
}

typedef struct { int passed, failed, skipped, resident, elsewhere, stacked; } counts;

static int start_share(int which, int *from) {
  int ends[2];
  fflush(NULL);
  if (pipe(ends)) return -1;
  int child = fork();
  if (child == 0) {
    check_passed = check_failed = check_skipped = 0;
    check_share(which);
    counts c = {check_passed, check_failed, check_skipped, resident, elsewhere, stacked};
    int good = write(ends[1], &c, sizeof c) == sizeof c;
    fflush(NULL);
    _exit(!good);
  }
  close(ends[1]);
  *from = ends[0];
  return child;
}

static void end_share(int child, int from) {
  counts c = {0};
  int status = 0;
  int good = child > 0 && read(from, &c, sizeof c) == sizeof c;
  if (child > 0) waitpid(child, &status, 0);
  CHECK(good && WIFEXITED(status) && !WEXITSTATUS(status), "a process of the test ends well");
  if (child > 0) close(from);
  check_passed += c.passed;
  check_failed += c.failed;
  check_skipped += c.skipped;
  resident += c.resident;
  elsewhere += c.elsewhere;
  stacked += c.stacked;
}

static void check_wishes(void) {
  int child[PROCESSES], from[PROCESSES];
  for (int k = 0; k < PROCESSES; k++) child[k] = start_share(k, &from[k]);
  for (int k = 0; k < PROCESSES; k++) end_share(child[k], from[k]);
}

/* ---- every reduction ---- */

/* Of a distance; `wide`: with 100 weights, where it takes weights, else 0. */
static int reduction_text(const rk_reduction *r, int wide, char *text, size_t size) {
  const char *name = rk_reduction_name(r);
  int sum = !r->enter && !r->has_head;
  if (r->ranked) snprintf(text, size, "%s_Reduction(SqDist(x,y), 10, j)", name);
  else if (sum) snprintf(text, size, "%s_Reduction(Exp(-SqDist(x,y))*b, j)", name);
  else if (r->weight == RK_WEIGHT_REQUIRED || (wide && r->weight != RK_WEIGHT_NONE))
    snprintf(text, size, "%s_Reduction(-SqDist(x,y), b, j)", name);
  else snprintf(text, size, "%s_Reduction(-SqDist(x,y), j)", name);
  return !wide || sum || r->weight != RK_WEIGHT_NONE;
}

/* Every reduction with every D and every type; in a short run every reduction with two D, another
 * type for each, and with many weights for some. */
static void wish_reductions(int arch, int full) {
  const rk_reduction *r;
  char text[200];
  for (int k = 0; (r = rk_reduction_at(k)); k++)
    for (int s = 0; s < SIZES; s++)
      for (int t = 0; t < TYPES; t++) {
        int columns = r->weight == RK_WEIGHT_REQUIRED ? 2 : 1;
        if (!full && ((k + s) % 3 || (k + s / 2) % TYPES != t)) continue;
        if (reduction_text(r, 0, text, sizeof text))
          add_wish(text, sizes[s], columns, (rk_precision)t, arch, sizes[s] <= 100);
        if (!full && s != 1 && s != 4) continue;
        if (sizes[s] <= 100 && reduction_text(r, 1, text, sizeof text))
          add_wish(text, sizes[s], 100, (rk_precision)((t + 1) % TYPES), arch, 1);
      }
}

/* The same over lists; in a short run two of each layout. */
static void wish_lists(int arch, int full) {
  const rk_reduction *r;
  char text[200];
  for (int k = 0; (r = rk_reduction_at(k)); k++)
    for (int s = 0; s < SIZES; s++)
      for (int lay = RK_GPU_LISTS; lay < RK_GPU_LAYS; lay++) {
        if (!full && ((s != 1 && s != 4) || (k + 3 * s + 2 * lay) % 16)) continue;
        int wide = lay % 2 && s == 4, count = wish_count;
        if (!reduction_text(r, wide, text, sizeof text)) continue;
        add_wish(text, sizes[s], wide ? 100 : 2, (rk_precision)((k + lay) % TYPES), arch, 0);
        if (wish_count > count) wishes[count].lay = (rk_gpu_lay)lay;
      }
}

/* ---- every operation ---- */

/* Calls that are not found by trying, or would be trivial; # stands for D. */
#define TWO "Concat(Elem(x-y,0),Elem(x*y,0))"
static const char *const special_calls[] = {
  "SwapAxes(Concat(x-y,x*y),2,#,1)", "RepeatBlocks(Concat(x-y,x*y),#,3)",
  "SumBlocks(Concat(x-y,x*y),#,2)", "MatVecMult(Concat(x-y,x*y),x+2*y)",
  "VecMatMult(" TWO ",Concat(x,y))", "TensorDot(Concat(x-y,x*y),x+2*y,[2,#],[#],[1],[0])",
  "Kron(Concat(x-y,x*y)," TWO ",[2,#],[1,2])", "BSpline(RepeatEach(x-y,4),Elem(x*y,0),2)",
  "SoftDTW_SqDist(" TWO ",Concat(Elem(y,0)," TWO "),1+Square(Elem(x,0)))",
  "ComplexSumT(" TWO ",2*#)"};
enum { SPECIAL_CALLS = sizeof special_calls / sizeof *special_calls };

static int special_call(const char *name, int D, char *call, size_t size) {
  size_t length = strlen(name), used = 0;
  for (int k = 0; k < SPECIAL_CALLS; k++) {
    const char *at = special_calls[k];
    if (strncmp(at, name, length) || at[length] != '(') continue;
    for (; *at && used + 12 < size; at++)
      if (*at == '#') used += (size_t)snprintf(call + used, size - used, "%d", D);
      else call[used++] = *at;
    call[used] = 0;
    return 1;
  }
  return 0;
}

/* A call of the operation on values of pairs that fits, found by trying. 0: none. */
static int call_of(const rk_operation *operation, int D, char *call, size_t size) {
  if (special_call(operation->name, D, call, size)) return 1;
  static const char *const vector[] = {"(x-y)", "(x*y)", "(x+2*y)"};
  static const char *const logical[] = {"(x<y)", "(y<2*x)", "(x==y)"};
  static const char *const scalar[] = {"Elem(x-y,0)", "Elem(x*y,0)", "Elem(x+2*y,0)"};
  static const char *const matrix[] = {"p", "p", "p"};
  static const char *const twice[] = {"Concat(x-y,x*y)", "Concat(x*y,x+2*y)", "Concat(x,y)"};
  static const char *const *const kinds[] = {vector, logical, scalar, matrix, twice};
  enum { KINDS = 5 };
  const int first[] = {3, 1, 0, D}, second[] = {4, 1, D, 2 * D};
  for (int choice = 0; choice < KINDS * KINDS * KINDS * 16; choice++) {
    int rest = choice / 16, used = snprintf(call, size, "%s(", operation->name);
    for (int o = 0; o < operation->operands; o++, rest /= KINDS)
      used += snprintf(call + used, size - (size_t)used, "%s%s", o ? "," : "",
                       kinds[rest % KINDS][o]);
    if (rest) return 0;
    if (operation->integers > 0)
      used += snprintf(call + used, size - (size_t)used, ",%d", first[choice % 4]);
    if (operation->integers > 1)
      used += snprintf(call + used, size - (size_t)used, ",%d", second[choice / 4 % 4]);
    snprintf(call + used, size - (size_t)used, ")");
    char declarations[3][24];
    const char *given[] = {declarations[0], declarations[1], declarations[2]};
    for (int k = 0; k < 3; k++)
      snprintf(declarations[k], sizeof declarations[k], "%c=%s(%d)", "xyp"[k], kind_name[k],
               k < 2 ? D : D <= 100 ? D * D : 1);
    rk_expression_info info;
    rk_error error;
    if (!rk_expression(call, given, 3, &info, &error) && info.indices == 3) return 1;
  }
  return 0;
}


static int is_public(const rk_operation *operation) {
  return isupper((unsigned char)operation->name[0]) && operation->kind != RK_DERIVATIVE;
}

/* Every operation once, a few in a kernel (the time of a compile grows faster than their number),
 * each D and type in turn. */
static void wish_operations(int arch) {
  enum { IN_KERNEL = 3 };
  const rk_operation *operation;
  char text[1200] = "", call[200];
  int calls = 0, kernel = 0;
  for (int k = 0; (operation = rk_operation_at(k)) || calls; k++) {
    int D = sizes[kernel % SIZES];
    if (operation && is_public(operation)) {
      if (!CHECK(call_of(operation, D, call, sizeof call), "an operation can be called"))
        printf("  %s, D = %d\n", operation->name, D);
      snprintf(text + strlen(text), sizeof text - strlen(text), "%sSum(%s)",
               calls++ ? "+" : "Sum_Reduction(", call);
    }
    if (calls < IN_KERNEL && operation) continue;
    snprintf(text + strlen(text), sizeof text - strlen(text), ", j)");
    add_wish(text, D, 1, (rk_precision)((kernel + kernel / SIZES) % TYPES), arch, 0);
    calls = 0;
    text[0] = 0;
    kernel++;
    if (!operation) break;
  }
}

/* Each alone: its components reduced, and their sum. */
static void wish_operations_alone(int arch) {
  const rk_operation *operation;
  char call[200], text[300];
  for (int k = 0; (operation = rk_operation_at(k)); k++)
    for (int s = 0; s < SIZES && is_public(operation); s++) {
      if (!call_of(operation, sizes[s], call, sizeof call)) continue;
      for (int t = 0; t < TYPES; t++) {
        snprintf(text, sizeof text, "Sum_Reduction(Sum(%s), j)", call);
        add_wish(text, sizes[s], 1, (rk_precision)t, arch, 0);
        snprintf(text, sizeof text, "Sum_Reduction(%s, j)", call);
        if (sizes[s] > 1 && sizes[s] <= 10) add_wish(text, sizes[s], 1, (rk_precision)t, arch, 0);
      }
    }
}

/* ---- a sample for every architecture ---- */

static const struct { const char *text; int D, columns; rk_precision type; } samples[] = {
  {"Sum_Reduction(Exp(-SqDist(x,y))*b, j)", 3, 1, RK_FLOAT32},
  {"Sum_Reduction(Exp(-SqDist(x,y))*b, j)", 3, 1, RK_FLOAT64},
  {"Sum_Reduction(Exp(-SqDist(x,y))*b, j)", 3, 1, RK_FLOAT16},
  {"Sum_Reduction(-2*Exp(-SqDist(x,y))*(x-y)*b, j)", 3, 1, RK_FLOAT32},
  {"Sum_Reduction(Exp(-Norm2(x-y))*b, j)", 3, 1, RK_FLOAT32},
  {"Sum_Reduction(Inv(1+SqDist(x,y))*b, j)", 10, 1, RK_FLOAT64},
  {"Sum_Reduction(Exp(-SqDist(x,y))*b, j)", 15, 15, RK_FLOAT32},
  {"Sum_Reduction(Exp(-SqDist(x,y))*b, j)", 15, 15, RK_FLOAT64},
  {"Sum_Reduction(Exp(-SqDist(x,y))*b, j)", 3, 100, RK_FLOAT32},
  {"Sum_Reduction(Exp(-SqDist(x,y))*b, j)", 64, 1, RK_FLOAT32},
  {"Sum_Reduction(Exp(-SqDist(x,y))*b, j)", 100, 100, RK_FLOAT32},
  {"Sum_Reduction(Exp(-SqDist(x,y))*b, j)", 100, 100, RK_FLOAT64},
  {"Sum_Reduction((x|y)*b, i)", 100, 1, RK_FLOAT16},
  {"LogSumExp_Reduction(-SqDist(x,y), j)", 3, 1, RK_FLOAT32},
  {"LogSumExp_Reduction(-SqDist(x,y), b, j)", 50, 3, RK_FLOAT64},
  {"SumSoftMaxWeight_Reduction((x|y), b, j)", 64, 64, RK_FLOAT32},
  {"ArgKMin_Reduction(SqDist(x,y), 10, j)", 3, 1, RK_FLOAT32},
  {"KMin_ArgKMin_Reduction(SqDist(x,y), 10, j)", 100, 1, RK_FLOAT64},
  {"Min_ArgMin_Reduction(SqDist(x,y), j)", 100, 1, RK_FLOAT32},
  {"Max_Reduction(x-y, j)", 3, 1, RK_FLOAT32}};
enum { SAMPLES = sizeof samples / sizeof *samples };

/* All of them, or some. */
static void wish_samples(int arch, int first, int step) {
  for (int k = first; k < SAMPLES; k += step)
    add_wish(samples[k].text, samples[k].D, samples[k].columns, samples[k].type, arch, 1);
}

/* ---- architectures ---- */

static int is_supported(const rk_nvrtc_facts *facts, int arch) {
  for (int k = 0; k < facts->archs; k++)
    if (facts->arch[k] == arch) return 1;
  check_skipped++;
  printf("skipped: NVRTC %d.%d does not compile for sm_%d\n", facts->major, facts->minor, arch);
  return 0;
}

static void wish_all(const rk_nvrtc_facts *facts, int full) {
  static const int arch[] = {90, 75, 80, 100, 120};
  for (int k = 0; k < 5; k++) {
    if (!is_supported(facts, arch[k])) continue;
    if (!k || full) wish_samples(arch[k], 0, 1);
    else wish_samples(arch[k], k - 1, 4); /* each on one more */
    if (k && !full) continue;
    wish_operations(arch[k]);
    wish_reductions(arch[k], full);
    wish_lists(arch[k], full);
    if (full) wish_operations_alone(arch[k]);
  }
}

int main(int arguments, char **argument) {
  const rk_nvrtc_facts *facts;
  rk_error error;
  if (arguments > 1) only = argument[1];
  if (arguments > 2) only_arch = atoi(argument[2]);
  check_configure();
  if (rk_nvrtc_get(&facts, &error)) {
    check_skipped++;
    printf("skipped: %s\n", error.message);
    return check_end();
  }
  wish_all(facts, getenv("RKEOPS_TEST_FULL") != NULL);
  check_wishes();
  printf("NVRTC %d.%d: %d passes in registers, %d others; %d with a stack or spills\n",
         facts->major, facts->minor, resident, elsewhere, stacked);
  for (int k = 0; k < wish_count; k++) free(wishes[k].text);
  free(wishes);
  return check_end();
}
