/* Mistakes put into kernels that the engine emitted, and whether somebody sees them: of the
 * stand-ins, of the sanitizers, or this program itself. The table mutants.txt has lines
 *
 *   FORMULA | modes that must catch it | what is wrong | FROM=>TO[=>N][ && FROM=>TO...]
 *
 * with the modes plain (g++ without sanitizers), address (with address and undefined behaviour) and
 * thread; the edit is that of RKEOPS_STANDIN_EDIT. A mutant is caught when this program, run as
 * "test_mutants FORMULA" in a process of its own, does not exit with RIGHT in at least one order of
 * threads. */
#include "oracle.h"
#include "random_blocks.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RIGHT = 0, WRONG = 1, FAULT = 2, NOT_EDITABLE = 3 };

/* ---- one run --------------------------------------------------------------------------------- */

/* `rows` of the larger of two runs; `lists`: of some of the pairs, in another order. */
static const struct { const char *name; int rule; pair_kind kind; int D, E, rows, lists; }
  formulas[] = {{"gaussian", SUM, GAUSS, 3, 2, 530, 0},
                {"nearest", ARG_MIN, SQUARE_DISTANCE, 3, 2, 530, 0},
                {"wide", SUM, GAUSS, 100, 130, 130, 0},
                {"lists", ARG_MIN, SQUARE_DISTANCE, 2, 1, 1000, 1}};
enum { FORMULAS = sizeof formulas / sizeof *formulas };

static int run_size(int formula, int m, int n) {
  cloud *c = cloud_new(m, n, formulas[formula].D, formulas[formula].E, 0, 0);
  const rk_options options = {.precision = RK_FLOAT32};
  problem q = problem_of(c, &rules[formulas[formula].rule], formulas[formula].kind, 'j', &options,
                         0);
  random_blocks b = {.pairs = {.size = {m, n}, .bands = 2}, .limits = {-300, -20, 0, 0, -70, 1001}};
  for (int k = 0; k < 2; k++)
    b.pairs.order[k] = b.order[k] = random_order((int)b.pairs.size[k], 0);
  blocks_settle(&b);
  if (formulas[formula].lists) {
    q.blocks = &b.pairs;
    q.kept = b.kept;
  }
  last = (rk_error){0};
  int wrong = wrong_in(&q, &options, c->input);
  blocks_free(&b);
  cloud_free(c);
  if (!last.status) return wrong ? WRONG : RIGHT;
  return last.status != RK_ERROR_COMPILE || strstr(last.message, "uninitialized") ? FAULT
                                                                                 : NOT_EDITABLE;
}

/* A cache of its own: the engine does not know of the edit. */
static void configure(void) {
  static char folder[600];
  const char *cache = getenv("RKEOPS_CACHE");
  snprintf(folder, sizeof folder, "%s-%ld", cache ? cache : "/tmp/rkeops-mutants", (long)getpid());
  setenv("RKEOPS_CACHE", folder, 1);
  setenv("RKEOPS_TEST_DEVICE", "0", 1);
  check_configure();
}

static int child(const char *name) {
  int k = 0;
  while (k < FORMULAS && strcmp(formulas[k].name, name)) k++;
  if (k == FORMULAS) return NOT_EDITABLE;
  configure();
  int status = run_size(k, formulas[k].rows, 301);
  if (!status) status = run_size(k, 3, 1500); /* columns split over blocks */
  rk_forget();
  rk_cache_clear(&last);
  return status;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static const char *const mutant_orders[] = {"forward", "backward", "shuffled"};
extern char **environ;

#if defined(__SANITIZE_THREAD__)
static const char *const mode_names[] = {"thread"};
#elif defined(__SANITIZE_ADDRESS__)
static const char *const mode_names[] = {"plain", "address"};
#else
static const char *const mode_names[] = {"plain"};
#endif
enum { MODES = sizeof mode_names / sizeof *mode_names };

/* Kernels are compiled as the program was (RKEOPS_STANDIN_CXX), in the mode "plain" without. */
static void use_mode(const char *mode) {
  static char given[512];
  const char *plain = getenv("RKEOPS_TEST_PLAIN_CXX"), *cxx = getenv("RKEOPS_STANDIN_CXX");
  if (!given[0]) snprintf(given, sizeof given, "%s", cxx && *cxx ? cxx : "g++ -O1");
  setenv("RKEOPS_STANDIN_CXX", strcmp(mode, "plain") ? given : plain ? plain : "g++ -O1", 1);
}

/* Its exit status, -1 when it was killed. */
static int run_once(const char *program, const char *kernel, const char *log) {
  char *const words[] = {(char *)program, (char *)kernel, NULL};
  posix_spawn_file_actions_t files;
  pid_t process;
  int status = 0;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  int failed = posix_spawn(&process, program, &files, NULL, words, environ);
  posix_spawn_file_actions_destroy(&files);
  if (failed || waitpid(process, &status, 0) < 0) return NOT_EDITABLE;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void show_log(const char *log) {
  char line[256];
  FILE *f = fopen(log, "r");
  for (int k = 0; f && k < 12 && fgets(line, sizeof line, f); k++) printf("    %s", line);
  if (f) fclose(f);
}

static const char *log_path(void) {
  static char path[300];
  const char *folder = getenv("TMPDIR");
  if (!path[0])
    snprintf(path, sizeof path, "%s/rkeops-mutant-%ld", folder ? folder : "/tmp", (long)getpid());
  return path;
}

static void test_right(const char *program, const char *kernel) {
  char what[200];
  for (int mode = 0; mode < MODES; mode++)
    for (int k = 0; k < 3; k++) {
      use_mode(mode_names[mode]);
      setenv("RKEOPS_EMULATOR_ORDER", mutant_orders[k], 1);
      int status = run_once(program, kernel, log_path());
      snprintf(what, sizeof what, "%s is right (%s, %s): status %d", kernel, mode_names[mode],
               mutant_orders[k], status);
      if (!CHECK(status == RIGHT, what)) show_log(log_path());
    }
  unlink(log_path());
}

/* 1: caught in some order, 0: in none, -1: the mutant cannot be made. */
static int catch_mutant(const char *program, const char *kernel) {
  for (int k = 0; k < 3; k++) {
    setenv("RKEOPS_EMULATOR_ORDER", mutant_orders[k], 1);
    int status = run_once(program, kernel, log_path());
    if (status != RIGHT) return status == NOT_EDITABLE ? -1 : 1;
  }
  return 0;
}

static void test_mutant(const char *program, char *line) {
  char kernel[64], modes[64], wrong[128], edit[512], what[400];
  if (sscanf(line, " %63[^| ] | %63[^|]| %127[^|]| %511[^\n]", kernel, modes, wrong, edit) != 4) {
    CHECK(0, line);
    return;
  }
  setenv("RKEOPS_STANDIN_EDIT", edit, 1);
  for (int mode = 0; mode < MODES; mode++) {
    if (!strstr(modes, mode_names[mode])) continue;
    use_mode(mode_names[mode]);
    int caught = catch_mutant(program, kernel);
    snprintf(what, sizeof what, "%s, %s: %s (%s)", kernel, wrong,
             caught < 0 ? "cannot be made" : caught ? "caught" : "NOT CAUGHT", mode_names[mode]);
    if (getenv("RKEOPS_TEST_VERBOSE")) printf("%s\n", what);
    if (!CHECK(caught > 0, what) && caught) show_log(log_path());
  }
  unsetenv("RKEOPS_STANDIN_EDIT");
  unlink(log_path());
}

static void test_mutants(const char *program) {
  const char *given = getenv("RKEOPS_CUDA_MUTANTS"), *path = given ? given : "tests/cuda/mutants.txt";
  char line[1024];
  FILE *f = fopen(path, "r");
  if (!CHECK(f != NULL, path)) return;
  while (fgets(line, sizeof line, f))
    if (line[0] != '#' && line[0] != '\n') test_mutant(program, line);
  fclose(f);
}

int main(int n, char **argument) {
  if (n > 1) return child(argument[1]);
  for (int k = 0; k < FORMULAS; k++) test_right(argument[0], formulas[k].name);
  test_mutants(argument[0]);
  return check_end();
}
