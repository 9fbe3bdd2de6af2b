/* NVRTC, NVIDIA's compiler for CUDA C as a library, opened at run time.
 *
 * It is taken from where RKEOPS_NVRTC_PATH says, else from the toolkit that CUDA_HOME or CUDA_PATH
 * name, else from where the system finds libraries, else from the usual folders of toolkits. Python
 * packages that bring one along are not searched: they come and go with environments that R knows
 * nothing of. The first library that has all functions is kept to the end of the process.
 *
 * NVRTC compiles within this process and leaves nothing on the disk. It does so on a thread of its
 * own, while the calling thread polls: a poll may ask for another kernel, which must not be done
 * from within NVRTC. (Versions before 12 may do one after the other.) */
#include "build/parts.h"
#include "cuda/nvrtc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ARCHS = 64, SUCCESS = 0, OUT_OF_MEMORY = 1, BUILTIN_FAILURE = 7 };

typedef struct rk_nvrtc_program *program_handle;

/* The part of nvrtc.h that is used; nvrtcResult is an enum. */
#define FUNCTIONS(each)                                                                            \
  each(version, nvrtcVersion, (int *major, int *minor))                                            \
  each(arch_count, nvrtcGetNumSupportedArchs, (int *))                                             \
  each(archs, nvrtcGetSupportedArchs, (int *))                                                     \
  each(create, nvrtcCreateProgram, (program_handle *, const char *source, const char *name,        \
        int headers, const char *const *text, const char *const *names))                           \
  each(compile, nvrtcCompileProgram, (program_handle, int options, const char *const *option))     \
  each(destroy, nvrtcDestroyProgram, (program_handle *))                                           \
  each(log_size, nvrtcGetProgramLogSize, (program_handle, size_t *))                               \
  each(log, nvrtcGetProgramLog, (program_handle, char *))                                          \
  each(cubin_size, nvrtcGetCUBINSize, (program_handle, size_t *))                                  \
  each(cubin, nvrtcGetCUBIN, (program_handle, char *))                                             \
  each(ptx_size, nvrtcGetPTXSize, (program_handle, size_t *))                                      \
  each(ptx, nvrtcGetPTX, (program_handle, char *))

#define MEMBER(member, name, arguments) int (*member) arguments;
static struct {
  FUNCTIONS(MEMBER)
  const char *(*error_string)(int);
  int (*watch)(program_handle, int (*callback)(void *, void *), void *data); /* NULL before 12.8 */
} nvrtc;

static int archs[MAX_ARCHS];
static rk_nvrtc_facts facts; /* .path is NULL until an NVRTC is open */

/* ---- finding it ----------------------------------------------------------------------------- */

/* The library keeps its name within a major version (11: since 11.2). Major versions to come are
 * found by the name without a version, which toolkits install as well. */
#if defined(_WIN32)
static const char *const names[] = {"nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll",
                                    "nvrtc64_140_0.dll", NULL};
static const char *const below_toolkit[] = {"bin/x64", "bin", NULL};
static const char *const folders[] = {NULL};
#else
static const char *const names[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2",
                                    "libnvrtc.so.14", "libnvrtc.so", NULL};
static const char *const below_toolkit[] = {"lib64", "lib", NULL};
static const char *const folders[] = {"/usr/local/cuda/lib64", "/usr/local/cuda/lib",
                                      "/opt/cuda/lib64", "/usr/lib/cuda/lib64", NULL};
#endif

typedef struct {
  rk_text reason;  /* why RKEOPS_NVRTC_PATH could not be opened */
  rk_text too_old; /* a library that lacks functions */
} search;

static int take(void *library, const char *name, void *function) {
  void *symbol = rk_os_symbol(library, name);
  memcpy(function, &symbol, sizeof symbol);
  return symbol != NULL;
}

#define TAKE(member, name, arguments) && take(library, #name, &nvrtc.member)
static int take_all(void *library) {
  take(library, "nvrtcSetFlowCallback", &nvrtc.watch);
  return take(library, "nvrtcGetErrorString", &nvrtc.error_string) FUNCTIONS(TAKE);
}

/* What a key has to say of this library: also the file, since versions are not raised for
 * corrections. */
static void identify(rk_text *identity, const char *path) {
  rk_file_info info = {0};
  int there = rk_os_info(path, &info);
  rk_text_format(identity, "%s %s %lld %lld", facts.version, path,
                 there ? (long long)info.bytes : -1, there ? (long long)info.modified : -1);
}

static void forget(void) {
  free(facts.path);
  free(facts.identity);
  free(facts.version);
  facts.path = facts.identity = facts.version = NULL;
}

static int learn(void *library, const char *name) {
  int n = 0;
  rk_text path = {0}, identity = {0}, version = {0};
  if (nvrtc.version(&facts.major, &facts.minor) != SUCCESS ||
      nvrtc.arch_count(&n) != SUCCESS || n < 1 || n > MAX_ARCHS || nvrtc.archs(archs) != SUCCESS)
    return 0;
  if (!rk_os_library_path(library, "nvrtcVersion", &path)) rk_text_add(&path, name);
  rk_text_format(&version, "%d.%d", facts.major, facts.minor);
  facts.version = rk_text_steal(&version);
  if (facts.version) identify(&identity, rk_text_string(&path));
  facts.arch = archs;
  facts.archs = n;
  facts.identity = rk_text_steal(&identity);
  facts.path = rk_text_steal(&path);
  if (facts.path && facts.identity && facts.version) return 1;
  forget();
  return 0;
}

static int try_path(search *found, const char *path, rk_text *reason) {
  void *library = rk_os_open_library(path, reason);
  if (!library) return 0;
  if (take_all(library) && learn(library, path)) return 1;
  if (!found->too_old.length) rk_text_add(&found->too_old, path);
  return 0;
}

static int try_folder(search *found, const char *folder, const char *below) {
  int good = 0;
  rk_file_info info;
  rk_text path = {0};
  for (const char *const *name = names; *name && !good; name++) {
    rk_text_clear(&path);
    rk_text_format(&path, "%s%s%s/%s", folder, *below ? "/" : "", below, *name);
    good = !path.failed && rk_os_info(path.bytes, &info) && try_path(found, path.bytes, NULL);
  }
  rk_text_free(&path);
  return good;
}

static int try_toolkit(search *found, const char *variable) {
  const char *folder = getenv(variable);
  for (int k = 0; folder && *folder && below_toolkit[k]; k++)
    if (try_folder(found, folder, below_toolkit[k])) return 1;
  return 0;
}

static int find(search *found) {
  const char *path = getenv("RKEOPS_NVRTC_PATH");
  if (path && *path) return try_path(found, path, &found->reason);
  if (try_toolkit(found, "CUDA_HOME") || try_toolkit(found, "CUDA_PATH")) return 1;
  for (int k = 0; names[k]; k++)
    if (try_path(found, names[k], NULL)) return 1;
  for (int k = 0; folders[k]; k++)
    if (try_folder(found, folders[k], "")) return 1;
  return 0;
}

static rk_status not_found(const search *found, rk_error *error) {
  const char *path = getenv("RKEOPS_NVRTC_PATH");
  if (found->too_old.length)
    return rk_fail(error, RK_ERROR_DEVICE, "The NVRTC library %s is too old: version 11.2 or later "
                   "is needed. Install a newer CUDA toolkit, or set RKEOPS_NVRTC_PATH to the path "
                   "of its libnvrtc.", rk_text_string(&found->too_old));
  if (path && *path)
    return rk_fail(error, RK_ERROR_DEVICE, "The NVRTC library that RKEOPS_NVRTC_PATH names could "
                   "not be opened: %s", rk_text_string(&found->reason));
  return rk_fail(error, RK_ERROR_DEVICE, "The NVRTC library (libnvrtc) was not found. Install the "
                 "CUDA toolkit (its part NVRTC is enough), or set RKEOPS_NVRTC_PATH to the path of "
                 "the library.");
}

rk_status rk_nvrtc_get(const rk_nvrtc_facts **nvrtc_facts, rk_error *error) {
  rk_status status = RK_OK;
  if (!facts.path) {
    search found = {0};
    if (!find(&found)) status = not_found(&found, error);
    rk_text_free(&found.reason);
    rk_text_free(&found.too_old);
  }
  if (nvrtc_facts) *nvrtc_facts = status ? NULL : &facts;
  return status;
}

rk_status rk_nvrtc_available(rk_error *error) { return rk_nvrtc_get(NULL, error); }

const char *rk_nvrtc_version(void) { return facts.path ? facts.version : ""; }

/* ---- compiling ------------------------------------------------------------------------------ */

typedef struct {
  program_handle program;
  const rk_words *options;
  int code;
  atomic_int ended, cancelled;
} compilation;

static int is_cancelled(void *data, void *unused) {
  compilation *c = data;
  (void)unused;
  return atomic_load(&c->cancelled);
}

static void compile_now(void *data) {
  compilation *c = data;
  /* NVRTC promises not to change the strings */
  union { char *const *in; const char *const *out; } words = {c->options->word};
  c->code = nvrtc.compile(c->program, c->options->n, words.out);
  atomic_store(&c->ended, 1);
}

static char *get_log(program_handle program) {
  size_t n = 0;
  if (nvrtc.log_size(program, &n) != SUCCESS) n = 0;
  char *log = calloc(n + 1, 1);
  if (log && n && nvrtc.log(program, log) != SUCCESS) log[0] = 0;
  return log;
}

static rk_status fail(int code, const char *log, rk_error *error) {
  const char *words = nvrtc.error_string(code);
  if (code == OUT_OF_MEMORY)
    return rk_fail(error, RK_ERROR_MEMORY, "NVRTC is out of memory.");
  if (code == BUILTIN_FAILURE)
    return rk_fail(error, RK_ERROR_COMPILE, "NVRTC: %s. The library libnvrtc-builtins of the same "
                   "version must lie beside %s.\n%s", words, facts.path, log ? log : "");
  return rk_fail(error, RK_ERROR_COMPILE, "NVRTC %s: %s.%s%s", facts.version, words,
                 log && *log ? "\n" : "", log ? log : "");
}

/* A NUL follows the image: the driver knows PTX by it. */
static rk_status get_image(program_handle program, int is_ptx, void **image, size_t *bytes,
                           rk_error *error) {
  size_t n = 0;
  int code = is_ptx ? nvrtc.ptx_size(program, &n) : nvrtc.cubin_size(program, &n);
  if (code == SUCCESS && n == 0)
    return rk_fail(error, RK_ERROR_COMPILE, "NVRTC %s gave no code.", facts.version);
  if (code != SUCCESS) return fail(code, NULL, error);
  char *room = calloc(n + 1, 1);
  if (!room) return rk_fail_memory(error, n + 1);
  code = is_ptx ? nvrtc.ptx(program, room) : nvrtc.cubin(program, room);
  if (code != SUCCESS) {
    free(room);
    return fail(code, NULL, error);
  }
  *image = room;
  *bytes = n;
  return RK_OK;
}

/* NVRTC is asked to stop where it can be; else its result is waited for, and dropped. */
static void compile_and_poll(compilation *c, rk_caller caller) {
  rk_os_thread *thread = NULL;
  if (caller.poll && nvrtc.watch) nvrtc.watch(c->program, is_cancelled, c);
  if (caller.poll) thread = rk_os_thread_start(compile_now, c);
  if (!thread) {
    compile_now(c);
    return;
  }
  for (double polled = rk_os_seconds(); !atomic_load(&c->ended); rk_os_sleep(1e-3)) {
    if (atomic_load(&c->cancelled) || rk_os_seconds() - polled < 0.015) continue;
    if (caller.poll(caller.data, -1)) atomic_store(&c->cancelled, 1);
    polled = rk_os_seconds();
  }
  rk_os_thread_join(thread);
}

rk_status rk_nvrtc_run(const char *source, const rk_words *options, int is_ptx,
                       rk_nvrtc_result *result, rk_caller caller) {
  compilation c = {.options = options};
  *result = (rk_nvrtc_result){0};
  rk_status status = rk_nvrtc_get(NULL, caller.error);
  if (status != RK_OK) return status;
  int code = nvrtc.create(&c.program, source, "rkeops.cu", 0, NULL, NULL);
  if (code != SUCCESS) return fail(code, NULL, caller.error);
  compile_and_poll(&c, caller);
  result->log = get_log(c.program);
  if (atomic_load(&c.cancelled))
    status = rk_fail(caller.error, RK_CANCELLED, "Cancelled while a GPU kernel was compiled.");
  else if (c.code != SUCCESS) status = fail(c.code, result->log, caller.error);
  else status = get_image(c.program, is_ptx, &result->image, &result->bytes, caller.error);
  nvrtc.destroy(&c.program);
  return status;
}

void rk_nvrtc_result_free(rk_nvrtc_result *result) {
  free(result->log);
  free(result->image);
  *result = (rk_nvrtc_result){0};
}
