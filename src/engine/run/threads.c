/* How many threads a call uses: what rk_set_threads says, else all processors that the process may
 * use (os_processors.c), within OMP_NUM_THREADS. In any case not more than these processors,
 * than OMP_THREAD_LIMIT, or than the two that a check of an R package may use. The variables keep
 * their meaning though there is no OpenMP here: schedulers set them. All of it is read anew at each
 * call. A forked child computes on one thread: it is one of several as a rule. */
#include "run/threads.h"
#include "error.h"
#include "os.h"

#include <stdlib.h>
#include <string.h>

static const char number_variable[] = "OMP_NUM_THREADS", limit_variable[] = "OMP_THREAD_LIMIT",
                  check_variable[] = "_R_CHECK_LIMIT_CORES_";
enum { CHECKED = 2 };

static int wanted_threads;
static struct { int wanted, had; } last;

/* The number that a variable begins with ("4,2" has one for each level); 0: none. */
static int variable_number(const char *name) {
  const char *text = getenv(name);
  long value = text ? strtol(text, NULL, 10) : 0;
  return value > 0 && value < 1 << 20 ? (int)value : 0;
}

/* As R reads it: anything but "false". */
static int variable_check(void) {
  const char *text = getenv(check_variable), *no = "false";
  if (!text || !*text) return 0;
  while (*no && *text && (*text | 32) == *no) text++, no++;
  return *no || *text ? CHECKED : 0;
}

/* Lowers `threads` to `limit`, when that is one, and notes where it came from. */
static void bound(int *threads, int limit, const char *from, const char **why) {
  if (!limit || limit >= *threads) return;
  *threads = limit;
  *why = from;
}

static int decide(const char **why) {
  int processors = rk_os_processors(), threads = wanted_threads ? wanted_threads : processors;
  bound(&threads, processors, "processors", why);
  if (!wanted_threads) bound(&threads, variable_number(number_variable), number_variable, why);
  bound(&threads, variable_number(limit_variable), limit_variable, why);
  bound(&threads, variable_check(), check_variable, why);
  if (rk_os_forked()) bound(&threads, 1, "fork", why);
  return threads;
}

int rk_threads(void) {
  const char *why = NULL;
  return decide(&why);
}

int rk_threads_limit(char *text, size_t size) {
  const char *why = NULL;
  int threads = decide(&why);
  if (size) *text = 0;
  if (!wanted_threads || threads >= wanted_threads) return 0;
  rk_text out = {0};
  if (!strcmp(why, "processors"))
    rk_text_format(&out, "this process may use %d processor%s", threads, threads > 1 ? "s" : "");
  else if (!strcmp(why, "fork")) rk_text_add(&out, "a forked process computes on one thread");
  else rk_text_format(&out, "%s is %s", why, getenv(why));
  if (!out.failed && out.length < size) memcpy(text, out.bytes, out.length + 1);
  rk_text_free(&out);
  return 1;
}

int rk_processors(void) { return rk_os_processors(); }

rk_status rk_set_threads(int threads, rk_error *error) {
  if (threads < 0)
    return rk_fail(error, RK_ERROR_ARGUMENT, "number of threads: expected 0 or more, found %d",
                   threads);
  wanted_threads = threads;
  return RK_OK;
}

/* ---- what the user is shown ----------------------------------------------------------------- */

void rk_threads_had(int wanted, int had) {
  last.wanted = wanted;
  last.had = had;
}

static void report_count(rk_text *out, const char *label, int count, const char *otherwise) {
  if (count) rk_text_format(out, "%s %d", label, count);
  else rk_text_format(out, "%s %s", label, otherwise);
}

static void report_variable(rk_text *out, const char *name) {
  const char *value = getenv(name);
  rk_text_format(out, "%s: %.40s\n", name, value && *value ? value : "not set");
}

void rk_threads_report(rk_text *out) {
  rk_text_format(out, "threads: %d of %d processors\n", rk_threads(), rk_processors());
  report_count(out, "threads asked for:", wanted_threads, "all processors");
  if (last.had < last.wanted)
    rk_text_format(out, "\nthreads that the system let the last call have: %d of %d", last.had,
                   last.wanted);
  rk_text_format(out, "\nprocessors: online %d, ", rk_os_online());
  report_count(out, "affinity", rk_os_affinity(), "not known");
  if (rk_os_bound()) rk_text_add(out, " (OpenMP has bound the calling thread to one place)");
  report_count(out, ", quota of control groups", rk_os_quota(), "none");
  rk_text_add(out, "\n");
  report_variable(out, number_variable);
  report_variable(out, limit_variable);
  report_variable(out, check_variable);
  rk_text_format(out, "forked process: %s\n", rk_os_forked() ? "yes" : "no");
}
