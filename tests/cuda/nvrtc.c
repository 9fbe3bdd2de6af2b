/* A stand-in for libnvrtc: compiles CUDA C for the host with g++ and emulator.h. What it gives as
 * machine code (or PTX) is a shared object, which the stand-in driver loads.
 *
 *   RKEOPS_STANDIN_CXX     compiler and flags (g++ -O1); sanitizers go here
 *   RKEOPS_STANDIN_HEADER  emulator.h, where it does not lie where it lay at build time
 *   RKEOPS_STANDIN_CACHE   folder in which compiled objects are kept, for any number of processes
 *   RKEOPS_STANDIN_ARCHS   architectures it knows (75,80,86,89,90,100,120)
 *   RKEOPS_STANDIN_EDIT    FROM=>TO[=>N]: puts a mistake into the text: the N-th (first, or with 0
 *                          every) FROM becomes TO; a text without it is refused as not editable;
 *                          " && " and another one may follow
 *   RKEOPS_STANDIN_FAIL    see standin.h */
#define _GNU_SOURCE
#include "standin.h"

#include <ctype.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define API RK_EXPORT int

#ifndef RKEOPS_EMULATOR_HEADER
#define RKEOPS_EMULATOR_HEADER "tests/cuda/emulator.h"
#endif

/* Nothing that one kernel defines may be seen by another: -fno-gnu-unique. */
#define FLAGS                                                                                      \
  "-std=gnu++17 -g1 -Werror=uninitialized -Wno-maybe-uninitialized "                              \
  "-fno-strict-aliasing -fno-exceptions -fno-rtti -fno-gnu-unique -ffp-contract=off "              \
  "-shared -fPIC"

enum {
  NVRTC_OK = 0,
  NVRTC_OUT_OF_MEMORY = 1,
  NVRTC_INVALID_INPUT = 3,
  NVRTC_INVALID_OPTION = 5,
  NVRTC_COMPILATION = 6,
  NVRTC_INTERNAL = 11,
  NVRTC_CANCELLED = 13
};

typedef int (*asked)(void *data, void *unused);

typedef struct {
  char *source, *log, *image;
  size_t bytes;
  char architecture[32];
  asked ask;                 /* non-zero cancels */
  void *ask_data;
} program;

/* ---- text ------------------------------------------------------------------------------------ */

typedef struct { char *at; size_t length, room; int failed; } text;

static void add_bytes(text *t, const char *bytes, size_t n) {
  if (t->length + n + 1 > t->room) {
    size_t room = 2 * (t->length + n + 64);
    char *at = t->failed ? NULL : realloc(t->at, room);
    if (!at) {
      t->failed = 1;
      return;
    }
    t->at = at;
    t->room = room;
  }
  memcpy(t->at + t->length, bytes, n);
  t->length += n;
  t->at[t->length] = 0;
}

__attribute__((format(printf, 2, 3))) static void add(text *t, const char *format, ...) {
  char *piece = NULL;
  va_list arguments;
  va_start(arguments, format);
  int n = vasprintf(&piece, format, arguments);
  va_end(arguments);
  if (n < 0) t->failed = 1;
  else add_bytes(t, piece, (size_t)n);
  if (n >= 0) free(piece);
}

static char *read_file(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  text t = {0};
  char piece[16384];
  size_t got;
  if (!f) return NULL;
  add_bytes(&t, "", 0);
  while ((got = fread(piece, 1, sizeof piece, f)) > 0) add_bytes(&t, piece, got);
  fclose(f);
  *n = t.length;
  return t.at;
}

static int write_file(const char *path, const char *bytes, size_t n) {
  FILE *f = fopen(path, "wb");
  size_t written = f ? fwrite(bytes, 1, n, f) : 0;
  return f && fclose(f) == 0 && written == n;
}

/* ---- the text that g++ gets ------------------------------------------------------------------ */

/* Characters from p to the end of the comment. (strstr is slow under the address sanitizer.) */
static size_t comment_length(const char *p) {
  const char *end = p + 2;
  if (p[1] == '/') {
    while (*end && *end != '\n') end++;
    return (size_t)(end - p);
  }
  while (*end && !(end[0] == '*' && end[1] == '/')) end++;
  return (size_t)(end - p) + (*end ? 2 : 0);
}

/* The same text without comments and strings, place by place. */
static char *without_comments(const char *source) {
  char *s = strdup(source);
  for (char *p = s; p && *p;) {
    size_t n = 1;
    if (*p == '/' && (p[1] == '/' || p[1] == '*')) n = comment_length(p);
    else if (*p == '"') {
      while (p[n] && p[n] != '"') n += p[n] == '\\' && p[n + 1] ? 2 : 1;
      n += p[n] == '"';
    } else {
      p++;
      continue;
    }
    for (size_t k = 0; k < n; k++)
      if (p[k] != '\n') p[k] = ' ';
    p += n;
  }
  return s;
}

static int is_name(char c) { return isalnum((unsigned char)c) || c == '_'; }

static int is_word(const char *name, size_t length, const char *word) {
  return length == strlen(word) && !strncmp(name, word, length);
}

/* After __global__: "void __launch_bounds__(128) name(": adds the line that exports the kernel. */
static void add_kernel(text *t, const char *p) {
  const char *name = NULL;
  char bound[64] = "0";
  size_t length = 0;
  while (*p && *p != '{' && *p != ';') {
    if (!is_name(*p)) {
      if (*p == '(' && name) break;
      p++;
      continue;
    }
    name = p;
    for (length = 0; is_name(p[length]); length++) continue;
    p += length;
    if (!is_word(name, length, "__launch_bounds__")) continue;
    const char *open = strchr(p, '('), *close = open ? strchr(open, ')') : NULL;
    if (!close) return;
    snprintf(bound, sizeof bound, "%.*s", (int)strcspn(open + 1, ",)"), open + 1);
    p = close + 1;
    name = NULL;
  }
  if (*p == '(' && name) add(t, "RK_EMULATED_KERNEL(%.*s, %s)\n", (int)length, name, bound);
}

static void add_kernels(text *t, const char *source) {
  char *plain = without_comments(source);
  for (char *p = plain; p && (p = strstr(p, "__global__")); p++) add_kernel(t, p + 10);
  if (!plain) t->failed = 1;
  free(plain);
}

static const char *header_path(void) {
  return rk_text_setting("RKEOPS_STANDIN_HEADER", RKEOPS_EMULATOR_HEADER);
}

static void add_unit(text *t, const program *p) {
  int number = atoi(p->architecture + strcspn(p->architecture, "0123456789"));
  add(t, "#define RKEOPS_EMULATED_ARCH %d0\n#include \"%s\"\n", number, header_path());
  add(t, "#line 1 \"kernel.cu\"\n%s\n", p->source);
  add(t, "RK_EMULATED_MODULE(\"%s\")\n", p->architecture);
  add_kernels(t, p->source);
}

/* Every FROM that is the N-th, or all when N is 0. 0: there is none. */
static int replace(char **source, const char *from, const char *to, int which) {
  int found = 0, made = 0;
  char *at = *source;
  text t = {0};
  for (char *hit; *from && (hit = strstr(at, from)); at = hit + strlen(from)) {
    int now = ++found == which || !which;
    add_bytes(&t, at, (size_t)(hit - at));
    add(&t, "%s", now ? to : from);
    made += now;
  }
  add(&t, "%s", at);
  if (!made || t.failed) {
    free(t.at);
    return 0;
  }
  free(*source);
  *source = t.at;
  return 1;
}

/* FROM=>TO[=>N], taken apart in place. */
static int edit_once(char **source, char *what) {
  char *to = strstr(what, "=>"), *which = to ? strstr(to + 2, "=>") : NULL;
  if (!to) return 0;
  *to = 0;
  if (which) *which = 0;
  return replace(source, what, to + 2, which ? atoi(which + 2) : 1);
}

/* RKEOPS_STANDIN_EDIT. 0: it cannot be applied. */
static int edit(char **source) {
  char *all = strdup(rk_text_setting("RKEOPS_STANDIN_EDIT", "")), *next = all;
  int good = all != NULL;
  while (good && next && *next) {
    char *one = next;
    next = strstr(one, " && ");
    if (next) {
      *next = 0;
      next += 4;
    }
    good = edit_once(source, one);
  }
  free(all);
  return good;
}

/* ---- compiling ------------------------------------------------------------------------------- */

/* The process, or -1; its words go to the file `log`. */
static pid_t spawn(const char *command, const char *log) {
  char *const words[] = {"sh", "-c", (char *)command, NULL};
  posix_spawn_file_actions_t files;
  pid_t child = -1;
  if (posix_spawn_file_actions_init(&files)) return -1;
  const int flags = O_WRONLY | O_CREAT | O_TRUNC;
  int failed = posix_spawn_file_actions_addopen(&files, 1, log, flags, 0600) ||
               posix_spawn_file_actions_adddup2(&files, 1, 2) ||
               posix_spawn(&child, "/bin/sh", &files, NULL, words, environ);
  posix_spawn_file_actions_destroy(&files);
  return failed ? -1 : child;
}

/* Runs a command, asking meanwhile whether to go on. */
static int run(const char *command, const char *log, const program *p) {
  int status = 0, cancelled = 0;
  pid_t child = spawn(command, log);
  if (child < 0) return NVRTC_INTERNAL;
  while (waitpid(child, &status, p->ask ? WNOHANG : 0) == 0) {
    cancelled = p->ask && p->ask(p->ask_data, NULL);
    if (cancelled) {
      waitpid(child, &status, 0);
      break;
    }
    nanosleep(&(struct timespec){0, 2000000}, NULL);
  }
  return cancelled ? NVRTC_CANCELLED : status == 0 ? NVRTC_OK : NVRTC_COMPILATION;
}

static int compile_in(program *p, const char *folder, const text *unit) {
  text source = {0}, object = {0}, log = {0}, command = {0};
  size_t n;
  add(&source, "%s/kernel.cpp", folder);
  add(&object, "%s/kernel.so", folder);
  add(&log, "%s/log", folder);
  add(&command, "%s " FLAGS " '%s' -o '%s' -lm",
      rk_text_setting("RKEOPS_STANDIN_CXX", "g++ -O1"), source.at, object.at);
  int code = source.failed || object.failed || log.failed || command.failed ? NVRTC_OUT_OF_MEMORY
             : write_file(source.at, unit->at, unit->length) ? NVRTC_OK : NVRTC_INTERNAL;
  if (!code) code = run(command.at, log.at, p);
  free(p->log);
  p->log = read_file(log.at, &n);
  if (!code) p->image = read_file(object.at, &p->bytes);
  if (!code && !p->image) code = NVRTC_INTERNAL;
  unlink(source.at);
  unlink(object.at);
  unlink(log.at);
  free(source.at);
  free(object.at);
  free(log.at);
  free(command.at);
  return code;
}

static int compile(program *p, const text *unit) {
  text folder = {0};
  add(&folder, "%s/rkeops-standin-XXXXXX", rk_text_setting("TMPDIR", "/tmp"));
  int code = folder.failed || !mkdtemp(folder.at) ? NVRTC_INTERNAL : NVRTC_OK;
  if (!code) {
    code = compile_in(p, folder.at, unit);
    rmdir(folder.at);
  }
  free(folder.at);
  return code;
}

/* ---- compiled before ------------------------------------------------------------------------- */

static unsigned long long hash(unsigned long long h, const char *bytes, size_t n) {
  for (size_t k = 0; k < n; k++) h = (h ^ (unsigned char)bytes[k]) * 1099511628211ull;
  return (h ^ (h >> 29)) * 0x9e3779b97f4a7c15ull;
}

/* The name of the object in the cache; 0: there is no cache. */
static int cache_path(const text *unit, text *path) {
  const char *folder = rk_text_setting("RKEOPS_STANDIN_CACHE", NULL);
  const char *compiler = rk_text_setting("RKEOPS_STANDIN_CXX", "g++ -O1");
  size_t n = 0;
  char *header = folder ? read_file(header_path(), &n) : NULL;
  if (!header) return 0;
  unsigned long long h[2] = {14695981039346656037ull, 0x853c49e6748fea9bull};
  for (int k = 0; k < 2; k++) {
    h[k] = hash(h[k], header, n);
    h[k] = hash(h[k], compiler, strlen(compiler));
    h[k] = hash(h[k], FLAGS, strlen(FLAGS));
    h[k] = hash(h[k], FLAGS, strlen(FLAGS));
    h[k] = hash(h[k], unit->at, unit->length);
  }
  free(header);
  add(path, "%s/%016llx%016llx", folder, h[0], h[1]);
  return !path->failed;
}

/* Others see the whole file or none. */
static void keep(const program *p, const char *path) {
  static int number;
  text work = {0};
  add(&work, "%s.%ld-%d", path, (long)getpid(), __atomic_fetch_add(&number, 1, __ATOMIC_RELAXED));
  if (!work.failed && write_file(work.at, p->image, p->bytes) && !rename(work.at, path)) {
    free(work.at);
    return;
  }
  if (work.at) unlink(work.at);
  free(work.at);
}

static int compile_or_find(program *p) {
  text unit = {0}, path = {0};
  if (!edit(&p->source)) {
    free(p->log);
    p->log = strdup("RKEOPS_STANDIN_EDIT: not editable");
    return NVRTC_COMPILATION;
  }
  add_unit(&unit, p);
  int code = unit.failed ? NVRTC_OUT_OF_MEMORY : NVRTC_OK;
  int cached = !code && cache_path(&unit, &path);
  if (cached) p->image = read_file(path.at, &p->bytes);
  if (!code && !p->image) {
    code = compile(p, &unit);
    if (!code && cached) keep(p, path.at);
  }
  free(unit.at);
  free(path.at);
  return code;
}

/* ---- what it exports ------------------------------------------------------------------------- */

static int architectures(int *list) {
  const char *text = rk_text_setting("RKEOPS_STANDIN_ARCHS", "75,80,86,89,90,100,120");
  int n = 0;
  for (const char *at = text; *at && n < 32; at += strcspn(at, ","), at += *at == ',')
    list[n++] = atoi(at);
  return n;
}

static int take_architecture(program *p, int n, const char *const *option) {
  int list[32], known = architectures(list);
  snprintf(p->architecture, sizeof p->architecture, "compute_75");
  for (int k = 0; k < n; k++) {
    const char *value = strchr(option[k], '=');
    if (strncmp(option[k], "--gpu-architecture=", 19) && strncmp(option[k], "-arch=", 6)) continue;
    snprintf(p->architecture, sizeof p->architecture, "%s", value + 1);
  }
  int wanted = atoi(p->architecture + strcspn(p->architecture, "0123456789"));
  for (int k = 0; k < known; k++)
    if (list[k] == wanted) return NVRTC_OK;
  return NVRTC_INVALID_OPTION;
}

static int version(void) { return (int)rk_number_setting("RKEOPS_STANDIN_NVRTC", 1300); }

API nvrtcVersion(int *major, int *minor) {
  int code = rk_count_call("nvrtcVersion");
  *major = version() / 100;
  *minor = version() % 100;
  return code;
}

/* From 12.9 on there is a cache, of files that nobody asked for, and an option against it. */
static int is_without_cache(int n, const char *const *option) {
  int told = 0;
  for (int k = 0; k < n; k++) told |= !strcmp(option[k], "--no-cache");
  return told == (version() >= 1209);
}

API nvrtcGetNumSupportedArchs(int *n) {
  int list[32], code = rk_count_call("nvrtcGetNumSupportedArchs");
  *n = architectures(list);
  return code;
}

API nvrtcGetSupportedArchs(int *list) {
  int code = rk_count_call("nvrtcGetSupportedArchs");
  architectures(list);
  return code;
}

static void program_free(program *p) {
  if (!p) return;
  free(p->source);
  free(p->log);
  free(p->image);
  free(p);
}

API nvrtcCreateProgram(program **made, const char *source, const char *name, int headers,
                       const char *const *header, const char *const *header_name) {
  int code = rk_count_call("nvrtcCreateProgram");
  (void)name;
  (void)header;
  (void)header_name;
  if (code) return code;
  if (!source || headers) return NVRTC_INVALID_INPUT;
  program *p = calloc(1, sizeof *p);
  if (p) p->source = strdup(source);
  if (!p || !p->source) {
    program_free(p);
    return NVRTC_OUT_OF_MEMORY;
  }
  *made = p;
  return NVRTC_OK;
}

API nvrtcDestroyProgram(program **p) {
  int code = rk_count_call("nvrtcDestroyProgram");
  program_free(*p);
  *p = NULL;
  return code;
}

API nvrtcCompileProgram(program *p, int n, const char *const *option) {
  int code = rk_count_call("nvrtcCompileProgram");
  if (!code && !is_without_cache(n, option)) code = NVRTC_INVALID_OPTION;
  if (!code) code = take_architecture(p, n, option);
  return code ? code : compile_or_find(p);
}

API nvrtcSetFlowCallback(program *p, asked ask, void *data) {
  p->ask = ask;
  p->ask_data = data;
  return NVRTC_OK;
}

API nvrtcGetProgramLogSize(program *p, size_t *n) {
  int code = rk_count_call("nvrtcGetProgramLogSize");
  *n = (p->log ? strlen(p->log) : 0) + 1;
  return code;
}

API nvrtcGetProgramLog(program *p, char *log) {
  int code = rk_count_call("nvrtcGetProgramLog");
  if (!code) strcpy(log, p->log ? p->log : "");
  return code;
}

/* As with the true one, there is no machine code for "compute_90". */
static int has_machine_code(const program *p) { return p->image && p->architecture[0] == 's'; }

API nvrtcGetCUBINSize(program *p, size_t *n) {
  int code = rk_count_call("nvrtcGetCUBINSize");
  *n = has_machine_code(p) ? p->bytes : 0;
  return code;
}

API nvrtcGetCUBIN(program *p, char *image) {
  int code = rk_count_call("nvrtcGetCUBIN");
  if (!code && has_machine_code(p)) memcpy(image, p->image, p->bytes);
  return code;
}

API nvrtcGetPTXSize(program *p, size_t *n) {
  int code = rk_count_call("nvrtcGetPTXSize");
  *n = p->bytes;
  return code;
}

API nvrtcGetPTX(program *p, char *image) {
  int code = rk_count_call("nvrtcGetPTX");
  if (!code && p->image) memcpy(image, p->image, p->bytes);
  return code;
}

RK_EXPORT const char *nvrtcGetErrorString(int code) {
  switch (code) {
  case NVRTC_OK: return "NVRTC_SUCCESS";
  case NVRTC_OUT_OF_MEMORY: return "NVRTC_ERROR_OUT_OF_MEMORY";
  case NVRTC_INVALID_INPUT: return "NVRTC_ERROR_INVALID_INPUT";
  case NVRTC_INVALID_OPTION: return "NVRTC_ERROR_INVALID_OPTION";
  case NVRTC_COMPILATION: return "NVRTC_ERROR_COMPILATION";
  case NVRTC_INTERNAL: return "NVRTC_ERROR_INTERNAL_ERROR";
  case NVRTC_CANCELLED: return "NVRTC_ERROR_CANCELLED";
  default: return "NVRTC_ERROR unknown";
  }
}
