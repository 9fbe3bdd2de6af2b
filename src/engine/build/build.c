/* Source text -> loaded kernel: key, disk, else compiler. */
#include "parts.h"

#include <stdlib.h>
#include <string.h>

struct rk_kernel {
  void *library;
  rk_key key;
  rk_kernel *next;
};

static rk_kernel *kernels; /* all of this process: a file that is loaded again is not a new one */

static int64_t compiles, disk_hits;

void rk_build_counters(int64_t *compiles_, int64_t *disk_hits_) {
  *compiles_ = compiles;
  *disk_hits_ = disk_hits;
}

void rk_build_count(int compiled, int found_on_disk) {
  compiles += compiled;
  disk_hits += found_on_disk;
}

static void add_words(rk_sha256 *hash, const rk_words *words) {
  char count[16] = {0};
  for (int k = 0, n = words->n; n; n /= 10) count[k++] = (char)('0' + n % 10);
  rk_sha256_field(hash, count);
  for (int k = 0; k < words->n; k++) rk_sha256_field(hash, words->word[k]);
}

/* Everything that the machine code depends on, and nothing else. */
static void make_key(const rk_compiler *compiler, const char *source, rk_key *key) {
  static const char pointer[] = {'0' + sizeof(void *), 0};
  rk_sha256 hash;
  rk_sha256_start(&hash);
  rk_sha256_field(&hash, "rkeops cache 1");
  rk_sha256_field(&hash, RK_GENERATOR_VERSION);
  rk_sha256_field(&hash, RK_INTERFACE_VERSION);
  rk_sha256_field(&hash, source);
  add_words(&hash, &compiler->command);
  add_words(&hash, &compiler->flags);
  rk_sha256_field(&hash, rk_text_string(&compiler->identity));
  rk_sha256_field(&hash, rk_text_string(&compiler->version));
  rk_sha256_field(&hash, rk_os_cpu_identity());
  rk_sha256_field(&hash, pointer);
  rk_sha256_field(&hash, rk_os_name());
  rk_sha256_end(&hash, key->digest);
}

/* With `reason` empty, memory ran out. */
static rk_kernel *load(const rk_private_file *file, const char *path, const rk_key *key,
                       rk_text *reason) {
  void *library = rk_os_open_library_handle(file->handle, path, reason);
  if (!library) return NULL;
  for (rk_kernel *known = kernels; known; known = known->next)
    if (known->library == library) return known;
  rk_kernel *kernel = malloc(sizeof *kernel);
  if (!kernel) return NULL;
  *kernel = (rk_kernel){library, *key, kernels};
  return kernels = kernel;
}

/* One that was loaded is not loaded again: a copy in memory would be another one each time. */
static rk_kernel *loaded(const rk_key *key) {
  rk_kernel *known = kernels;
  while (known && memcmp(&known->key, key, sizeof *key) != 0) known = known->next;
  return known;
}

static rk_kernel *load_from(const char *folder, const rk_key *key) {
  rk_private_file file;
  size_t n;
  char name[RK_HASH_TEXT];
  if (!rk_cache_open(folder, key, RK_ENTRY_KERNEL, &file, &n)) return NULL;
  rk_text path = {0};
  rk_hash_text(key->digest, name);
  rk_text_format(&path, "%s/%s%s", folder, name, RK_ENTRY_KERNEL);
  rk_kernel *kernel = loaded(key);
  if (!kernel && !path.failed) kernel = load(&file, path.bytes, key, NULL);
  rk_text_free(&path);
  rk_os_close_private(&file);
  return kernel;
}

typedef struct {
  rk_compiler compiler;
  const char *source;
  rk_key key;
  rk_poll poll;
  void *poll_data;
  rk_kernel *kernel;
  rk_text refused; /* folders from which it could not be loaded, and why: a line for each */
} rk_job;

/* Loaded before it is renamed: from then on others may evict it. */
static rk_status load_new(rk_job *job, const char *folder, const char *path, rk_error *error) {
  rk_private_file file;
  size_t n;
  if (!rk_cache_seal(path, &job->key) || !rk_cache_open_file(path, &job->key, &file, &n))
    return rk_fail_system(error, "The kernel in %s could not be completed: %s.", folder,
                          rk_os_reason());
  rk_text reason = {0};
  job->kernel = load(&file, path, &job->key, &reason);
  rk_os_close_private(&file);
  rk_status status = RK_OK;
  if (job->kernel) {
    rk_cache_place(path, folder, &job->key, RK_ENTRY_KERNEL);
  } else if (!reason.length) {
    status = rk_fail_memory(error, n);
  } else {
    rk_text_format(&job->refused, "\n  %s: %s", folder, reason.bytes);
    status = rk_fail(error, RK_ERROR_SYSTEM, "A compiled kernel could not be loaded from:%s",
                     rk_text_string(&job->refused));
  }
  rk_text_free(&reason);
  return status;
}

static rk_status compile(void *data, const char *folder, const char *work_folder,
                         rk_error *error) {
  rk_job *job = data;
  rk_text path = {0};
  rk_text_format(&path, "%s/%s", work_folder, RK_COMPILER_OUTPUT);
  if (path.failed) return rk_fail_memory(error, 4096);
  compiles++;
  rk_process_end end;
  rk_status status = rk_compiler_run(&job->compiler, work_folder, job->source, job->poll,
                                     job->poll_data, &end, error);
  if (status == RK_OK) status = load_new(job, folder, path.bytes, error);
  rk_text_free(&path);
  return status;
}

/* Kernels that could be loaded from nowhere: not compiled again until settings change. */
typedef struct rk_refusal {
  rk_key key;
  char *message;
  struct rk_refusal *next;
} rk_refusal;
static struct { rk_refusal *first; int generation; } refusals;

static const char *refusal(const rk_key *key) {
  rk_refusal *next;
  int generation = rk_build_get_settings()->generation;
  for (rk_refusal *old = refusals.first; old && refusals.generation != generation; old = next) {
    next = old->next;
    free(old->message);
    free(old);
    refusals.first = next;
  }
  refusals.generation = generation;
  for (rk_refusal *r = refusals.first; r; r = r->next)
    if (memcmp(&r->key, key, sizeof *key) == 0) return r->message;
  return NULL;
}

static void remember_refusal(rk_job *job) {
  char *message = rk_text_steal(&job->refused);
  rk_refusal *r = message ? malloc(sizeof *r) : NULL;
  if (r) *r = (rk_refusal){job->key, message, refusals.first};
  if (r) refusals.first = r;
  else free(message);
}

static rk_status compile_anew(rk_job *job, rk_error *error) {
  const char *known = refusal(&job->key);
  if (known)
    return rk_fail(error, RK_ERROR_SYSTEM, "A compiled kernel could not be loaded from:%s", known);
  rk_status status = rk_cache_work(compile, job, error);
  if (status == RK_ERROR_SYSTEM && job->refused.length) remember_refusal(job);
  rk_text_free(&job->refused);
  return status;
}

static rk_status find_or_compile(rk_job *job, rk_error *error) {
  const char *folder;
  make_key(&job->compiler, job->source, &job->key);
  for (int k = 0; !job->kernel && (folder = rk_cache_folder(k)) != NULL; k++)
    job->kernel = load_from(folder, &job->key);
  if (!job->kernel) return compile_anew(job, error);
  disk_hits++;
  return RK_OK;
}

rk_status rk_build_c(const char *source, int vectors, rk_poll poll, void *poll_data,
                     rk_kernel **kernel, rk_error *error) {
  rk_job job = {.source = source, .poll = poll, .poll_data = poll_data};
  rk_status status = rk_compiler_get(&job.compiler, vectors, poll, poll_data, error);
  if (status == RK_OK) status = find_or_compile(&job, error);
  rk_compiler_free(&job.compiler);
  if (status == RK_OK) *kernel = job.kernel;
  return status;
}

void *rk_kernel_symbol(const rk_kernel *kernel, const char *name) {
  return rk_os_symbol(kernel->library, name);
}

rk_kernel_function rk_kernel_entry(const rk_kernel *kernel, const char *name) {
  union { void *object; rk_kernel_function function; } symbol = {rk_kernel_symbol(kernel, name)};
  return symbol.function;
}
