/* What the engine asks of the operating system, on every system that there is a C compiler for:
 *
 *   cc -std=c11 -Isrc/engine tests/engine/test_os.c <files of the engine> -lm -ldl -lpthread
 *   ./a.out                    (RKEOPS_TEST_CHILD: the same program, where it cannot start itself)
 *
 * The program starts itself as the process to be run, with a first argument that begins with "--".
 * What only POSIX has (links, owners, signals, fork) is in test_build.c. */
#include "build/build.h"
#include "check.h"
#include "os.h"

static const char *myself;

/* ---- the process that is run ---------------------------------------------------------------- */

/* Prints its arguments, one in a line; exit code 3. */
static int say_arguments(int argc, char **argv) {
  for (int k = 2; k < argc; k++) printf("[%s]\n", argv[k]);
  return 3;
}

static int say_temporary(void) {
  char *absolute = rk_os_absolute(getenv("TMPDIR"));
  printf("%s", absolute ? absolute : "none");
  free(absolute);
  return 0;
}

static int say_much(void) {
  for (int k = 0; k < 20000; k++) printf("line %d\n", k);
  return 0;
}

static int child(int argc, char **argv) {
  if (!strcmp(argv[1], "--arguments")) return say_arguments(argc, argv);
  if (!strcmp(argv[1], "--temporary")) return say_temporary();
  if (!strcmp(argv[1], "--much")) return say_much();
  rk_os_sleep(60);
  return 0;
}

/* ---- processes ------------------------------------------------------------------------------ */

static rk_process_result result_of(const char *const *arguments, const char *temporary,
                                   double timeout, rk_poll poll) {
  rk_process process = {.arguments = arguments, .temporary = temporary, .timeout = timeout,
                        .output_limit = 1000};
  rk_process_result result;
  rk_error error = {0};
  CHECK(rk_os_run(&process, (rk_caller){poll, NULL, &error}, &result) == RK_OK, error.message);
  return result;
}

/* Lines end in "\r\n" on Windows. */
static int printed(const rk_process_result *result, const char *expected) {
  const char *p = rk_text_string(&result->output);
  for (; *p && *expected; p++) {
    if (*p == '\r') continue;
    if (*p != *expected++) return 0;
  }
  return !*p && !*expected;
}

static void arguments_come_as_they_were_given(void) {
  const char *const arguments[] = {myself, "--arguments", "a b", "", "c\"d", "e\\", "f g\\",
                                   "h\\\"i j", NULL};
  rk_process_result result = result_of(arguments, NULL, 30, NULL);
  CHECK(result.end == RK_PROCESS_ENDED && result.exit_code == 3, "the exit code");
  CHECK(printed(&result, "[a b]\n[]\n[c\"d]\n[e\\]\n[f g\\]\n[h\\\"i j]\n"), "the arguments");
  rk_text_free(&result.output);
}

static void output_is_read_to_its_end_and_cut(void) {
  const char *const arguments[] = {myself, "--much", NULL};
  rk_process_result result = result_of(arguments, NULL, 30, NULL);
  CHECK(result.end == RK_PROCESS_ENDED && result.exit_code == 0, "it could write all of it");
  CHECK(result.output.length == 1000, "its beginning is kept");
  rk_text_free(&result.output);
}

static void temporary_files_have_their_folder(const char *folder) {
  const char *const arguments[] = {myself, "--temporary", NULL};
  char *absolute = rk_os_absolute(folder);
  rk_process_result result = result_of(arguments, absolute, 30, NULL);
  CHECK(absolute && printed(&result, absolute), "TMPDIR is the folder that was given");
  rk_text_free(&result.output);
  free(absolute);
}

static int cancel(void *data, double done) {
  (void)data, (void)done;
  return 1;
}

static void processes_are_stopped(void) {
  const char *const arguments[] = {myself, "--sleep", NULL};
  double start = rk_os_seconds();
  rk_process_result result = result_of(arguments, NULL, 0.2, NULL);
  CHECK(result.end == RK_PROCESS_TIMED_OUT, "after the time limit");
  result = result_of(arguments, NULL, 30, cancel);
  CHECK(result.end == RK_PROCESS_CANCELLED, "on demand");
  CHECK(rk_os_seconds() - start < 20, "at once");
}

/* The second fails: the first comes to its end, the others do not. */
static void several_run_side_by_side(void) {
  const char *const much[] = {myself, "--much", NULL}, *const fails[] = {myself, "--arguments", NULL},
             *const sleeps[] = {myself, "--sleep", NULL};
  const char *const *const arguments[] = {much, fails, sleeps, sleeps};
  rk_process process[4];
  rk_process_result result[4];
  rk_error error = {0};
  for (int k = 0; k < 4; k++)
    process[k] = (rk_process){.arguments = arguments[k], .timeout = 50, .output_limit = 1000};
  double start = rk_os_seconds();
  for (int most = 1; most <= 4; most++) {
    CHECK(rk_os_run_all(process, 4, most, (rk_caller){.error = &error}, result) == RK_OK, error.message);
    CHECK(!rk_os_failed(&result[0]) && result[0].output.length == 1000, "the first is complete");
    CHECK(result[1].end == RK_PROCESS_ENDED && result[1].exit_code == 3, "the second has failed");
    CHECK(result[2].end == RK_PROCESS_DROPPED && result[3].end == RK_PROCESS_DROPPED,
          "the others are dropped");
    for (int k = 0; k < 4; k++) rk_text_free(&result[k].output);
  }
  CHECK(rk_os_seconds() - start < 40, "at once");
  CHECK(rk_os_run_all(process + 2, 2, 2, (rk_caller){cancel, NULL, &error}, result) == RK_OK &&
        result[0].end == RK_PROCESS_CANCELLED && result[1].end == RK_PROCESS_CANCELLED,
        "all are cancelled");
}

static void what_is_not_there_is_not_started(void) {
  const char *const arguments[] = {"/no/such/program", NULL};
  rk_process process = {.arguments = arguments, .timeout = 5};
  rk_process_result result;
  rk_error error = {0};
  rk_status status = rk_os_run(&process, (rk_caller){.error = &error}, &result);
  if (getenv("RKEOPS_TEST_CHILD")) { /* an emulator learns it too late to say so */
    CHECK(status == RK_ERROR_SYSTEM || result.exit_code == 127, "an error");
  } else {
    CHECK(status == RK_ERROR_SYSTEM, "an error");
    CHECK(strstr(error.message, "/no/such/program could not be started"), "that names it");
  }
  CHECK(!rk_os_find_program("no-such-program-anywhere"), "nor found in PATH");
  char *found = rk_os_find_program(myself);
  CHECK(found != NULL, "a path of a program is one");
  free(found);
}

/* ---- memory, threads ------------------------------------------------------------------------ */

static void memory_is_aligned(void) {
  int bad = 0;
  for (size_t bytes = 0; bytes < 100000; bytes = 3 * bytes + 1) {
    char *memory = rk_os_aligned(bytes);
    bad += !memory || (uintptr_t)memory % 64;
    if (memory) memset(memory, 1, bytes);
    rk_os_aligned_free(memory);
  }
  rk_os_aligned_free(NULL);
  CHECK(!bad, "to 64 bytes");
}

static void add_one(void *data) { ++*(int *)data; }

static void threads_run_and_are_joined(void) {
  int count = 0;
  rk_os_thread *thread = rk_os_thread_start(add_one, &count);
  if (CHECK(thread != NULL, "a thread starts")) rk_os_thread_join(thread);
  CHECK(count == 1, "and has done its work");
}

/* ---- files ---------------------------------------------------------------------------------- */

static char *below(const char *folder, const char *name) {
  rk_text path = {0};
  rk_text_format(&path, "%s/%s", folder, name);
  return rk_text_steal(&path);
}

static void count_entry(void *data, const char *name) {
  (void)name;
  ++*(int *)data;
}

static int entries(const char *folder) {
  int count = 0;
  return rk_os_list(folder, count_entry, &count) ? count : -1;
}

static int holds(const char *path, const char *expected) {
  char *bytes = NULL;
  size_t n = 0;
  int good = rk_os_read(path, &bytes, &n) && n == strlen(expected) && !memcmp(bytes, expected, n);
  free(bytes);
  return good;
}

static void files_are_written_renamed_and_removed(const char *base) {
  char *folder = below(base, "a/b c"), *first = below(folder, "first"),
       *second = below(folder, "second");
  CHECK(rk_os_make_folder(folder) && rk_os_make_folder(folder), "with its parents, or there");
  CHECK(!rk_os_make_new_folder(folder) && !rk_os_not_private(folder), "but not anew");
  CHECK(rk_os_write_new(first, "one", 3) && !rk_os_write_new(first, "two", 3), "a new file");
  CHECK(rk_os_seal(first, "+", 1) && holds(first, "one+"), "with more at its end");
  CHECK(rk_os_write_new(second, "old", 3) && rk_os_rename(first, second), "replaces another");
  CHECK(holds(second, "one+") && entries(folder) == 1, "whose name it has now");
  rk_private_file file;
  CHECK(rk_os_open_private(second, 100, &file) && file.n == 4, "it is opened to be checked");
  rk_os_close_private(&file);
  CHECK(!rk_os_open_private(second, 3, &file), "up to a size");
  rk_os_remove_folder(base);
  rk_file_info info;
  CHECK(!rk_os_info(base, &info), "a folder goes with all that is in it");
  free(folder);
  free(first);
  free(second);
}

/* ---- kernels -------------------------------------------------------------------------------- */

static int value_of(const char *source) {
  rk_to_build one = {.source = source};
  rk_error error = {0};
  if (!CHECK(rk_build_c(&one, 1, rk_os_vector_bytes(), 1, (rk_caller){.error = &error}) == RK_OK,
             error.message)) return -1;
  check_function f = check_function_of(rk_kernel_symbol(one.kernel, "f"));
  return f ? f() : -1;
}

/* The folder has a space and letters that no code page has together. */
static void kernels_are_loaded_and_forgotten(const char *base) {
  char *folder = below(base, "my cache \xc3\xbc \xce\xbb");
  rk_settings settings = {.cache_dir = folder};
  rk_error error = {0};
  int64_t files = -1, bytes = -1, compiled, hits;
  CHECK(rk_build_configure(&settings, &error) == RK_OK, error.message);
  CHECK(value_of("int f(void) { return 7; }\n") == 7, "a kernel is built and called");
  CHECK(value_of("int f(void) { return 8; }\n") == 8, "another one");
  CHECK(value_of("int f(void) { return 7; }\n") == 7, "the first one again");
  rk_build_counters(&compiled, &hits);
  CHECK(compiled == 2 && hits == 1, "from the cache");
  CHECK(!strcmp(rk_build_folder(), folder), "which is the folder that was given");
  CHECK(rk_cache_usage(&files, &bytes, &error) == RK_OK && files == 3, "two, and the compiler");
  CHECK(rk_cache_clear(&error) == RK_OK, error.message);
  CHECK(rk_cache_usage(&files, &bytes, &error) == RK_OK && files == 0, "loaded ones go too");
  CHECK(value_of("int f(void) { return 8; }\n") == 8, "and are made anew");
  rk_build_counters(&compiled, &hits);
  CHECK(compiled == 3 && hits == 1, "once");
  free(folder);
}

int main(int argc, char **argv) {
  if (argc > 1 && !strncmp(argv[1], "--", 2)) return child(argc, argv);
  const char *other = getenv("RKEOPS_TEST_CHILD");
  rk_text base = {0};
  myself = other ? other : argv[0];
  unsigned random[2] = {0};
  rk_os_random(random, sizeof random);
  rk_text_format(&base, "%s/rkeops-os-%08x%08x", rk_os_temporary(), random[0], random[1]);
  if (base.failed || !rk_os_make_new_folder(base.bytes)) return 2;
  arguments_come_as_they_were_given();
  output_is_read_to_its_end_and_cut();
  temporary_files_have_their_folder(base.bytes);
  processes_are_stopped();
  several_run_side_by_side();
  what_is_not_there_is_not_started();
  memory_is_aligned();
  threads_run_and_are_joined();
  files_are_written_renamed_and_removed(base.bytes);
  kernels_are_loaded_and_forgotten(base.bytes);
  rk_os_remove_folder(base.bytes);
  rk_text_free(&base);
  return check_end();
}
