/* The C compiler: which one, with which flags, and one run of it.
 *
 * It is named by the user (settings, or RKEOPS_CC), else it is the one that R was built with
 * (Makeconf), else cc, gcc or clang. A compiler that was not met before says its --version and
 * compiles a probe, to find flags that it takes and that give code for this very processor; both
 * answers are kept in the cache folder, under the path, size and time of its files.
 *
 * While a compiler works a poll may come back here: so all work is done on a compiler of the
 * caller's own, and `state` has what was found last, to be copied. */
#include "build/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INSTALL_HINT                                                                        \
  "Install one: apt-get install r-base-dev (or gcc) on Debian and Ubuntu, dnf install gcc " \
  "on Fedora, Rtools on Windows, xcode-select --install on macOS."

static struct {
  rk_compiler compiler;
  int ready;             /* version and flags are there */
  int generation;        /* of the settings that makeconf_* were read for */
  int makeconf_known;
  char *makeconf_cc, *makeconf_pic;
} state;

/* ---- which one ------------------------------------------------------------------------------ */

/* 0: out of memory, to be tried again. A Makeconf that is not there is no error. */
static int read_makeconf(const rk_build_settings *settings) {
  char *makefile = NULL;
  size_t n = 0;
  rk_text cc = {0}, pic = {0};
  free(state.makeconf_cc);
  free(state.makeconf_pic);
  errno = 0;
  int good = !settings->makeconf || rk_os_read(settings->makeconf, &makefile, &n) ||
             errno != ENOMEM;
  if (makefile) {
    rk_makeconf_value(makefile, "CC", &cc);
    rk_makeconf_value(makefile, "CPICFLAGS", &pic);
  }
  state.makeconf_cc = rk_text_steal(&cc);
  state.makeconf_pic = rk_text_steal(&pic);
  state.generation = settings->generation;
  state.makeconf_known = good && state.makeconf_cc && state.makeconf_pic;
  state.ready = 0;
  free(makefile);
  return state.makeconf_known;
}

/* Adds path, size and time of a file: what changes when a compiler is replaced. */
static void add_identity(rk_text *identity, const char *path) {
  rk_file_info info;
  if (!rk_os_info(path, &info)) return;
  rk_text_format(identity, "%s %lld %lld\n", path, (long long)info.bytes,
                 (long long)info.modified);
}

/* The path of one program is one word, also with spaces in it. */
static int split(rk_words *words, const char *command) {
  errno = 0;
  char *path = strchr(command, ' ') ? rk_os_find_program(command) : NULL;
  const int is_path = path != NULL;
  free(path);
  if (!is_path && errno == ENOMEM) return 0;
  return is_path ? rk_words_add(words, command) : rk_words_split(words, command);
}

/* The first word has to be a program. The others are, when they are one ("ccache gcc").
 * RK_ERROR_COMPILE: it is none. */
static rk_status resolve(rk_compiler *compiler, const char *command) {
  if (!split(&compiler->command, command)) return RK_ERROR_MEMORY;
  if (!compiler->command.n) return RK_ERROR_COMPILE;
  for (int k = 0; k < compiler->command.n; k++) {
    char *word = compiler->command.word[k];
    errno = 0;
    char *path = *word == '-' ? NULL : rk_os_find_program(word);
    if (!path && errno == ENOMEM) return RK_ERROR_MEMORY;
    if (!path && k == 0) return RK_ERROR_COMPILE;
    rk_text_format(&compiler->identity, "%s\n", word);
    if (path) add_identity(&compiler->identity, path);
    if (path && k == 0) {
      free(word);
      compiler->command.word[0] = path;
    } else {
      free(path);
    }
  }
  return compiler->identity.failed ? RK_ERROR_MEMORY : RK_OK;
}

void rk_compiler_free(rk_compiler *compiler) {
  rk_words_free(&compiler->command);
  rk_words_free(&compiler->flags);
  rk_text_free(&compiler->identity);
  rk_text_free(&compiler->version);
}

static rk_status out_of_memory(rk_error *error) {
  return rk_fail(error, RK_ERROR_MEMORY, "Out of memory while looking for the C compiler.");
}

static rk_status find_named(rk_compiler *found, const char *command, const char *where,
                            rk_error *error) {
  rk_status status = resolve(found, command);
  if (status == RK_OK) return status;
  rk_compiler_free(found);
  if (status == RK_ERROR_MEMORY) return out_of_memory(error);
  return rk_fail(error, RK_ERROR_COMPILE,
                 "The C compiler \"%s\" (%s) was not found or cannot be run.\n%s", command, where,
                 INSTALL_HINT);
}

/* `cc`: the value in the Makeconf, with the blanks around it. */
static rk_status none_found(const char *cc, rk_error *error) {
  cc += strspn(cc, " \t");
  size_t n = strlen(cc);
  while (n && strchr(" \t", cc[n - 1])) n--;
  return rk_fail(error, RK_ERROR_COMPILE,
                 "No C compiler was found. Looked for: %.*s%scc, gcc, clang in PATH.\n%s", (int)n,
                 cc, n ? " (the compiler of R's Makeconf), " : "", INSTALL_HINT);
}

static rk_status find(rk_compiler *found, rk_error *error) {
  const rk_build_settings *settings = rk_build_get_settings();
  if ((!state.makeconf_known || state.generation != settings->generation) &&
      !read_makeconf(settings))
    return out_of_memory(error);
  if (settings->compiler && *settings->compiler)
    return find_named(found, settings->compiler, "option compiler", error);
  const char *named = getenv("RKEOPS_CC");
  if (named && *named)
    return find_named(found, named, "environment variable RKEOPS_CC", error);
  const char *candidates[] = {state.makeconf_cc, "cc", "gcc", "clang"};
  for (size_t k = 0; k < sizeof candidates / sizeof *candidates; k++) {
    rk_status status = resolve(found, candidates[k]);
    if (status == RK_OK) return status;
    rk_compiler_free(found);
    if (status == RK_ERROR_MEMORY) return out_of_memory(error);
  }
  return none_found(state.makeconf_cc, error);
}

/* See engine.h: no compiler is run. */
int rk_has_compiler(void) {
  const rk_build_settings *settings = rk_build_get_settings();
  const char *named = getenv("RKEOPS_CC");
  rk_compiler found = {.command = {0}};
  rk_error none;
  if ((settings->compiler && *settings->compiler) || (named && *named)) return 1;
  int is_there = find(&found, &none) == RK_OK;
  rk_compiler_free(&found);
  return is_there;
}

static int copy_words(rk_words *to, const rk_words *from) {
  int good = 1;
  for (int k = 0; k < from->n && good; k++) good = rk_words_add(to, from->word[k]);
  return good;
}

static int copy(rk_compiler *to, const rk_compiler *from) {
  rk_text_add(&to->identity, rk_text_string(&from->identity));
  rk_text_add(&to->version, rk_text_string(&from->version));
  return copy_words(&to->command, &from->command) && copy_words(&to->flags, &from->flags) &&
         !to->identity.failed && !to->version.failed;
}

static int is_known(const rk_compiler *compiler) {
  return state.ready && strcmp(rk_text_string(&compiler->identity),
                               rk_text_string(&state.compiler.identity)) == 0;
}

/* What was learned; without memory it is learned again. */
static void keep(const rk_compiler *compiler) {
  rk_compiler_free(&state.compiler);
  state.ready = copy(&state.compiler, compiler);
}

/* ---- flags ---------------------------------------------------------------------------------- */

/* From the best to what every compiler takes. */
typedef enum { TUNED, LISTED, PLAIN, LEVELS } flag_level;

static int add_all(rk_words *flags, const char *words) {
  return !words || rk_words_split(flags, words);
}

/* What the processor has, or those of it that come with narrower vectors. */
static const char *tuned_for(int vectors) {
  if (!rk_vectors_are_forced(vectors)) return "-march=native";
  return vectors == 16 ? "-march=x86-64" : "-march=native -mno-avx512f";
}

/* The same machine code features as -march=native where that is not to be had. */
static int add_listed_features(rk_words *flags, int vectors) {
#if defined(__x86_64__)
  rk_words names = {0};
  int good = rk_words_split(&names, rk_os_cpu_features());
  for (int k = 0; k < names.n && good; k++) {
    if (!rk_vectors_allow(vectors, names.word[k])) continue;
    rk_text flag = {0};
    rk_text_format(&flag, "-m%s", names.word[k]);
    good = rk_words_add(flags, rk_text_string(&flag));
    rk_text_free(&flag);
  }
  rk_words_free(&names);
  return good;
#elif defined(__aarch64__)
  (void)vectors;
  return rk_words_add(flags, "-mcpu=native");
#else
  (void)flags, (void)vectors;
  return 1;
#endif
}

/* gcc for Windows takes the stack to be aligned for vectors of 32 and 64 bytes, which it is not
 * (gcc bug 54412). Its assembler makes moves of those that need no alignment; one that is too old
 * for that refuses the flag, so that PLAIN remains, with vectors of 16 bytes. */
static int add_windows_flags(const rk_compiler *compiler, rk_words *flags) {
#if defined(_WIN32)
  const int clang = strstr(rk_text_string(&compiler->version), "clang") != NULL;
  return rk_words_add(flags, "-s") &&
         (clang || rk_words_add(flags, "-Wa,-muse-unaligned-vector-move"));
#else
  (void)compiler, (void)flags;
  return 1;
#endif
}

/* Why each is there: README.md. */
static int make_flags(rk_compiler *compiler, flag_level level, const char *pic) {
  rk_words *flags = &compiler->flags;
  rk_words_free(flags);
  if (!*pic) pic = "-fPIC";
#if defined(_WIN32)
  pic = NULL;
#endif
  int good = add_all(flags, "-std=gnu11 -O2 -w") && add_all(flags, pic) &&
             add_all(flags, "-fno-math-errno -fno-trapping-math -ffp-contract=fast");
  if (level == TUNED) good = good && add_all(flags, tuned_for(compiler->vectors));
  if (level == LISTED) good = good && add_listed_features(flags, compiler->vectors);
  if (level < PLAIN) good = good && add_windows_flags(compiler, flags);
  if (level < PLAIN)
    good = good && add_all(flags, "-fno-asynchronous-unwind-tables -fno-stack-protector "
                                  "-fno-semantic-interposition");
#if defined(__linux__)
  if (level < PLAIN)
    good = good && add_all(flags, "-nostdlib -Wl,-z,noseparate-code -Wl,--build-id=none");
#endif
#if defined(__APPLE__)
  return good && add_all(flags, "-dynamiclib -undefined dynamic_lookup");
#else
  return good && rk_words_add(flags, "-shared");
#endif
}

/* A kernel that may use all that the flags allow. It does not compile when the compiler sees
 * features that this process must not use (an emulator, a compiler for another machine), or that
 * come with wider vectors. */
static void write_probe(rk_text *source, int vectors) {
#if defined(__x86_64__)
  static const char *const features[][2] = {
    {"avx", "__AVX__"}, {"avx2", "__AVX2__"}, {"fma", "__FMA__"}, {"bmi2", "__BMI2__"},
    {"avx512f", "__AVX512F__"}, {"avx512vl", "__AVX512VL__"}, {"avx512bw", "__AVX512BW__"},
    {"avx512dq", "__AVX512DQ__"}, {"avx512vnni", "__AVX512VNNI__"},
    {"avx512vbmi", "__AVX512VBMI__"}};
  rk_words have = {0};
  rk_words_split(&have, rk_os_cpu_features());
  for (size_t f = 0; f < sizeof features / sizeof *features; f++) {
    int found = 0;
    for (int k = 0; k < have.n && !found; k++) found = !strcmp(have.word[k], features[f][0]);
    if (!found || !rk_vectors_allow(vectors, features[f][0]))
      rk_text_format(source, "#ifdef %s\n#error %s\n#endif\n", features[f][1], features[f][0]);
  }
  rk_words_free(&have);
#else
  (void)vectors;
#endif
  rk_text_add(source,
              "typedef float lanes __attribute__((vector_size(64), aligned(4), may_alias));\n"
              "void probe(const float *x, float *y, int n) {\n"
              "  lanes s = *(const lanes *)x;\n"
              "  for (int k = 0; k < n; k++) s = s * s + x[k];\n"
              "  *(lanes *)y = s;\n"
              "}\n");
}

/* ---- one run -------------------------------------------------------------------------------- */

/* The first lines, without the name of the work folder. */
static void shorten(rk_text *to, const char *text, const char *folder) {
  size_t n = strlen(folder), lines = 0;
  for (const char *p = text; *p && lines < 20; p++) {
    if (strncmp(p, folder, n) == 0 && p[n] == '/') {
      p += n;
      continue;
    }
    rk_text_bytes(to, p, 1);
    lines += *p == '\n';
  }
  while (to->length && to->bytes[to->length - 1] == '\n') to->bytes[--to->length] = 0;
}

static rk_status explain(const rk_words *command, const char *folder,
                         const rk_process_result *result, rk_error *error) {
  double limit = rk_build_get_settings()->compile_timeout;
  char processor[RK_NUMBER_TEXT], clock[RK_NUMBER_TEXT];
  rk_text words = {0}, line = {0}, how = {0};
  for (int k = 0; k < command->n; k++)
    rk_text_format(&line, "%s%s", k ? " " : "", command->word[k]);
  rk_text short_line = {0};
  shorten(&short_line, rk_text_string(&line), folder);
  shorten(&words, rk_text_string(&result->output), folder);
  if (result->signal) rk_text_format(&how, "was killed by signal %d", result->signal);
  else if (result->exit_code) rk_text_format(&how, "failed (exit code %d)", result->exit_code);
  else rk_text_add(&how, "made no file");
  rk_status status = RK_CANCELLED;
  if (line.failed || short_line.failed || words.failed || how.failed)
    status = rk_fail_memory(error, result->output.length);
  else if (result->end == RK_PROCESS_CANCELLED)
    rk_fail(error, status, "Cancelled while compiling.");
  else if (result->end == RK_PROCESS_TIMED_OUT)
    status = rk_fail(error, RK_ERROR_COMPILE,
                     "The C compiler was stopped: it took more than %s seconds of processor time, "
                     "or %s by the clock; option compile_timeout sets these limits.\nCommand: %s",
                     rk_number_text(processor, "%g", limit),
                     rk_number_text(clock, "%g", RK_PATIENCE * limit), rk_text_string(&short_line));
  else
    status = rk_fail(error, RK_ERROR_COMPILE, "The C compiler %s.\n%s%sCommand: %s",
                     rk_text_string(&how), rk_text_string(&words), words.length ? "\n" : "",
                     rk_text_string(&short_line));
  rk_text_free(&words);
  rk_text_free(&line);
  rk_text_free(&short_line);
  rk_text_free(&how);
  return status;
}

/* The name alone on Windows, where the compiler starts in the folder: a path may have letters that
 * are not in the code page in which programs get their arguments. */
static int add_path(rk_words *command, const char *folder, const char *name) {
#if defined(_WIN32)
  (void)folder;
  return rk_words_add(command, name);
#else
  rk_text path = {0};
  rk_text_format(&path, "%s/%s", folder, name);
  int good = !path.failed && rk_words_add(command, path.bytes);
  rk_text_free(&path);
  return good;
#endif
}

static rk_process process_of(const rk_words *command, const char *folder) {
  return (rk_process){.arguments = (const char *const *)command->word, .temporary = folder,
                      .timeout = rk_build_get_settings()->compile_timeout, .output_limit = 16384};
}

/* What cannot be started is not the work folder's fault: no other needs to be tried. */
static rk_status not_started(rk_status status, rk_error *error) {
  if (status != RK_ERROR_SYSTEM) return status;
  if (error) error->status = RK_ERROR_COMPILE;
  return RK_ERROR_COMPILE;
}

static int write_source(const char *folder, const char *source) {
  rk_text path = {0};
  rk_text_format(&path, "%s/kernel.c", folder);
  if (!path.failed) rk_os_remove(path.bytes); /* of a probe */
  int good = !path.failed && rk_os_write_new(path.bytes, source, strlen(source));
  rk_text_free(&path);
  return good;
}

/* A message when the compiler did not do what it should. */
static rk_status check_output(const rk_compile *one, rk_error *error) {
  rk_text path = {0};
  rk_file_info info;
  rk_text_format(&path, "%s/%s", one->folder, RK_COMPILER_OUTPUT);
  if (path.failed) return rk_fail_memory(error, strlen(one->folder));
  int good = !rk_os_failed(&one->result) && rk_os_info(path.bytes, &info) && info.bytes > 0;
  rk_text_free(&path);
  return good ? RK_OK : explain(&one->command, one->folder, &one->result, error);
}

static rk_status prepare(const rk_compiler *compiler, rk_compile *one, rk_error *error) {
  rk_words *command = &one->command;
  if (!write_source(one->folder, one->source))
    return rk_fail_system(error, "%s could not be written to: %s.", one->folder, rk_os_reason());
  int good = copy_words(command, &compiler->command) && copy_words(command, &compiler->flags) &&
             rk_words_add(command, "-o") && add_path(command, one->folder, RK_COMPILER_OUTPUT) &&
             add_path(command, one->folder, "kernel.c");
  return good ? RK_OK : rk_fail_memory(error, strlen(one->source));
}

static rk_status run_side_by_side(rk_compile *list, int n, int most, rk_caller caller) {
  size_t room = n > 0 ? (size_t)n : 1;
  rk_process *process = calloc(room, sizeof *process);
  rk_process_result *result = calloc(room, sizeof *result);
  rk_status status = RK_OK;
  if (!process || !result) status = rk_fail_memory(caller.error, room * sizeof *process);
  for (int k = 0; k < n && !status; k++)
    process[k] = process_of(&list[k].command, list[k].folder);
  if (!status)
    status = not_started(rk_os_run_all(process, n, most, caller, result), caller.error);
  for (int k = 0; k < n && result; k++) list[k].result = result[k];
  free(process);
  free(result);
  return status;
}

rk_status rk_compiler_run(const rk_compiler *compiler, rk_compile *list, int n, int most,
                          int *made, rk_caller caller) {
  rk_status status = RK_OK;
  *made = 0;
  for (int k = 0; k < n && !status; k++) status = prepare(compiler, &list[k], caller.error);
  if (!status) status = run_side_by_side(list, n, most, caller);
  while (!status && *made < n) {
    status = check_output(&list[*made], caller.error);
    *made += !status;
  }
  for (int k = 0; k < n; k++) {
    rk_words_free(&list[k].command);
    rk_text_free(&list[k].result.output);
  }
  return status;
}

/* ---- the first meeting ---------------------------------------------------------------------- */

typedef struct {
  rk_compiler *compiler;
  char *pic;             /* of R's Makeconf, or "" */
  flag_level level;
  rk_key key;
  rk_caller caller;
} first_meeting;

static rk_status ask_version(first_meeting *meeting, const char *folder, rk_error *error) {
  rk_compiler *compiler = meeting->compiler;
  rk_words command = {0};
  rk_process_result result = {0};
  rk_status status = RK_OK;
  if (!copy_words(&command, &compiler->command) || !rk_words_add(&command, "--version"))
    status = rk_fail_memory(error, 64);
  const rk_process process = process_of(&command, folder);
  if (!status)
    status = not_started(rk_os_run(&process, meeting->caller, &result), error);
  if (status == RK_OK && result.end != RK_PROCESS_ENDED)
    status = explain(&command, folder, &result, error);
  rk_text_free(&compiler->version);
  compiler->version = result.output; /* an empty one counts too: some have no --version */
  rk_words_free(&command);
  return status;
}

/* A probe that takes too long is the end: the next level would take as long. */
static rk_status choose_level(first_meeting *meeting, const char *folder, rk_error *error) {
  rk_text probe = {0};
  rk_status status = RK_ERROR_COMPILE;
  rk_process_end end = RK_PROCESS_ENDED;
  int made;
  write_probe(&probe, meeting->compiler->vectors);
  for (int level = TUNED; level < LEVELS && status == RK_ERROR_COMPILE &&
                          end == RK_PROCESS_ENDED; level++) {
    meeting->level = (flag_level)level;
    if (level == PLAIN) rk_text_clear(&probe); /* now any machine code will do */
    if (level == PLAIN) rk_text_add(&probe, "int probe(int x) { return x + 1; }\n");
    rk_compile run = {.folder = folder, .source = rk_text_string(&probe)};
    if (!make_flags(meeting->compiler, meeting->level, meeting->pic) || probe.failed)
      status = rk_fail_memory(error, 4096);
    else
      status = rk_compiler_run(meeting->compiler, &run, 1, 1, &made, meeting->caller);
    end = run.result.end;
  }
  rk_text_free(&probe);
  return status;
}

static void remember(const first_meeting *meeting, const char *folder, const char *work_folder) {
  rk_text path = {0}, text = {0};
  rk_text_format(&path, "%s/compiler.txt", work_folder);
  rk_text_format(&text, "%d\n%s", (int)meeting->level, rk_text_string(&meeting->compiler->version));
  if (!path.failed && !text.failed && rk_os_write_new(path.bytes, text.bytes, text.length) &&
      rk_cache_seal(path.bytes, &meeting->key))
    rk_cache_place(path.bytes, folder, &meeting->key, RK_ENTRY_COMPILER);
  rk_text_free(&path);
  rk_text_free(&text);
}

static rk_status meet(void *data, const char *folder, const char *work_folder, rk_error *error) {
  first_meeting *meeting = data;
  rk_status status = ask_version(meeting, work_folder, error);
  if (status == RK_OK) status = choose_level(meeting, work_folder, error);
  if (status == RK_OK) remember(meeting, folder, work_folder);
  return status;
}

static int recall(first_meeting *meeting) {
  rk_private_file file;
  size_t n;
  const char *folder;
  for (int k = 0; (folder = rk_cache_folder(k)) != NULL; k++) {
    if (!rk_cache_open(folder, &meeting->key, RK_ENTRY_COMPILER, &file, &n)) continue;
    int level = n >= 2 && file.bytes[1] == '\n' ? file.bytes[0] - '0' : -1;
    int good = level >= TUNED && level < LEVELS;
    if (good) {
      rk_compiler *compiler = meeting->compiler;
      rk_text_clear(&compiler->version);
      rk_text_bytes(&compiler->version, file.bytes + 2, n - 2);
      good = make_flags(compiler, (flag_level)level, meeting->pic) && !compiler->version.failed;
    }
    rk_os_close_private(&file);
    if (good) return 1;
  }
  return 0;
}

static void make_meeting_key(first_meeting *meeting) {
  rk_sha256 hash;
  rk_sha256_start(&hash);
  rk_sha256_field(&hash, "compiler " RK_GENERATOR_VERSION);
  rk_sha256_field(&hash, rk_text_string(&meeting->compiler->identity));
  rk_sha256_field(&hash, meeting->pic);
  rk_sha256_field(&hash, rk_os_cpu_identity());
  rk_sha256_field(&hash, rk_os_name());
  rk_sha256_end(&hash, meeting->key.digest);
}

static rk_status become_known(rk_compiler *compiler, rk_caller caller) {
  rk_text pic = {0};
  rk_text_add(&pic, state.makeconf_pic ? state.makeconf_pic : "");
  first_meeting meeting = {.compiler = compiler, .pic = rk_text_steal(&pic), .caller = caller};
  if (!meeting.pic) return rk_fail_memory(caller.error, 64);
  make_meeting_key(&meeting);
  rk_status status = recall(&meeting) ? RK_OK : rk_cache_work(meet, &meeting, caller.error);
  free(meeting.pic);
  if (status == RK_OK && state.generation == rk_build_get_settings()->generation) keep(compiler);
  return status;
}

rk_status rk_compiler_get(rk_compiler *compiler, int vectors, rk_caller caller) {
  *compiler = (rk_compiler){.vectors = vectors};
  rk_status status = find(compiler, caller.error);
  if (status != RK_OK) return status;
  if (rk_vectors_are_forced(vectors))
    rk_text_format(&compiler->identity, "vectors of %d bytes\n", vectors);
  if (compiler->identity.failed) return out_of_memory(caller.error);
  if (!is_known(compiler)) return become_known(compiler, caller);
  rk_compiler_free(compiler);
  return copy(compiler, &state.compiler) ? RK_OK : rk_fail_memory(caller.error, 4096);
}
