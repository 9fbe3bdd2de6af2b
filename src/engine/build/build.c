/* Source text -> loaded kernel: key, disk, else compiler. */
#include "build/parts.h"

#include <stdlib.h>
#include <string.h>

struct rk_kernel {
  void *library;
  rk_key key;
  rk_kernel *next;
};

static rk_kernel *kernels; /* all of this process: a file that is loaded again is not a new one */

static int64_t compiles, disk_hits;

void rk_build_counters(int64_t *compiled, int64_t *found) {
  *compiled = compiles;
  *found = disk_hits;
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
  rk_to_build *item;
  rk_key key;
  int first;       /* the first of the list with this key */
  rk_text refused; /* folders from which it could not be loaded, and why: a line for each */
} build_job;

typedef struct {
  rk_compiler compiler;
  build_job *job;
  int n, most;
  rk_caller caller;
} build_batch;

/* Loaded before it is renamed: from then on others may evict it. */
static rk_status load_new(build_job *job, const char *folder, const char *path, rk_error *error) {
  rk_private_file file;
  size_t n;
  if (!rk_cache_seal(path, &job->key) || !rk_cache_open_file(path, &job->key, &file, &n))
    return rk_fail_system(error, "The kernel in %s could not be completed: %s.", folder,
                          rk_os_reason());
  rk_text reason = {0};
  job->item->kernel = load(&file, path, &job->key, &reason);
  rk_os_close_private(&file);
  rk_status status = RK_OK;
  if (job->item->kernel) {
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

static int is_missing(const build_batch *batch, int k) {
  return !batch->job[k].item->kernel && batch->job[k].first == k;
}

/* What is compiled for one kernel, in a folder of its own. */
typedef struct {
  build_job *job;
  rk_text folder;
} build_place;

/* The places of all kernels that are missing; their number. */
static int make_places(const build_batch *batch, const char *work_folder, build_place *place) {
  int n = 0;
  for (int k = 0; k < batch->n; k++) {
    if (!is_missing(batch, k)) continue;
    place[n].job = &batch->job[k];
    rk_text_format(&place[n++].folder, "%s/%d", work_folder, k);
  }
  return n;
}

static rk_status run_compilers(build_batch *batch, build_place *place, int n, int *made,
                               rk_error *error) {
  rk_compile *list = calloc((size_t)n, sizeof *list);
  rk_status status = list ? RK_OK : rk_fail_memory(error, (size_t)n * sizeof *list);
  *made = 0;
  for (int k = 0; k < n && !status; k++) {
    list[k].folder = rk_text_string(&place[k].folder);
    list[k].source = place[k].job->item->source;
    if (place[k].folder.failed) status = rk_fail_memory(error, 4096);
    else if (!rk_os_make_new_folder(list[k].folder))
      status = rk_fail_system(error, "A folder could not be made in %s: %s.", list[k].folder,
                              rk_os_reason());
  }
  if (!status) {
    compiles += n;
    status = rk_compiler_run(&batch->compiler, list, n, batch->most, made, batch->caller);
  }
  free(list);
  return status;
}

/* Those that were made are kept, also when a later one failed. */
static rk_status load_all(build_place *place, int made, const char *folder, rk_error *error) {
  rk_status status = RK_OK;
  for (int k = 0; k < made && !status; k++) {
    rk_text_format(&place[k].folder, "/%s", RK_COMPILER_OUTPUT);
    status = place[k].folder.failed
                 ? rk_fail_memory(error, 4096)
                 : load_new(place[k].job, folder, place[k].folder.bytes, error);
  }
  return status;
}

static rk_status compile(void *data, const char *folder, const char *work_folder,
                         rk_error *error) {
  build_batch *batch = data;
  int made;
  build_place *place = calloc((size_t)batch->n, sizeof *place);
  if (!place) return rk_fail_memory(error, (size_t)batch->n * sizeof *place);
  int n = make_places(batch, work_folder, place);
  rk_status status = run_compilers(batch, place, n, &made, error);
  rk_status loading = load_all(place, made, folder, error);
  for (int k = 0; k < n; k++) rk_text_free(&place[k].folder);
  free(place);
  return loading ? loading : status;
}

/* Kernels that could be loaded from nowhere: not compiled again until settings change. */
typedef struct refused refused;
struct refused {
  rk_key key;
  char *message;
  refused *next;
};
static struct { refused *first; int generation; } refusals;

static const char *refusal(const rk_key *key) {
  refused *next;
  int generation = rk_build_get_settings()->generation;
  for (refused *old = refusals.first; old && refusals.generation != generation; old = next) {
    next = old->next;
    free(old->message);
    free(old);
    refusals.first = next;
  }
  refusals.generation = generation;
  for (refused *r = refusals.first; r; r = r->next)
    if (memcmp(&r->key, key, sizeof *key) == 0) return r->message;
  return NULL;
}

static void remember_refusal(build_job *job) {
  char *message = rk_text_steal(&job->refused);
  refused *r = message ? malloc(sizeof *r) : NULL;
  if (r) *r = (refused){job->key, message, refusals.first};
  if (r) refusals.first = r;
  else free(message);
}

static rk_status compile_anew(build_batch *batch, rk_error *error) {
  for (int k = 0; k < batch->n; k++) {
    const char *known = is_missing(batch, k) ? refusal(&batch->job[k].key) : NULL;
    if (known)
      return rk_fail(error, RK_ERROR_SYSTEM, "A compiled kernel could not be loaded from:%s",
                     known);
  }
  rk_status status = rk_cache_work(compile, batch, error);
  for (int k = 0; k < batch->n; k++) {
    if (status == RK_ERROR_SYSTEM && batch->job[k].refused.length)
      remember_refusal(&batch->job[k]);
    rk_text_free(&batch->job[k].refused);
  }
  return status;
}

static void find(build_batch *batch, int k) {
  build_job *job = &batch->job[k];
  const char *folder;
  make_key(&batch->compiler, job->item->source, &job->key);
  while (memcmp(&batch->job[job->first].key, &job->key, sizeof job->key)) job->first++;
  if (job->first < k) return;
  for (int f = 0; !job->item->kernel && (folder = rk_cache_folder(f)) != NULL; f++)
    job->item->kernel = load_from(folder, &job->key);
  disk_hits += job->item->kernel != NULL;
}

static rk_status find_or_compile(build_batch *batch, rk_error *error) {
  int missing = 0;
  for (int k = 0; k < batch->n; k++) {
    find(batch, k);
    missing += is_missing(batch, k);
  }
  rk_status status = missing ? compile_anew(batch, error) : RK_OK;
  for (int k = 0; k < batch->n; k++)
    batch->job[k].item->kernel = batch->job[batch->job[k].first].item->kernel;
  return status;
}

rk_status rk_build_c(rk_to_build *list, int n, int vectors, int most, rk_caller caller) {
  build_batch batch = {.job = calloc((size_t)n, sizeof *batch.job), .n = n, .most = most,
                    .caller = caller};
  if (!batch.job) return rk_fail_memory(caller.error, (size_t)n * sizeof *batch.job);
  for (int k = 0; k < n; k++) {
    list[k].kernel = NULL;
    batch.job[k].item = &list[k];
  }
  rk_status status = rk_compiler_get(&batch.compiler, vectors, caller);
  if (status == RK_OK) status = find_or_compile(&batch, caller.error);
  rk_compiler_free(&batch.compiler);
  free(batch.job);
  return status;
}

void *rk_kernel_symbol(const rk_kernel *kernel, const char *name) {
  return rk_os_symbol(kernel->library, name);
}
