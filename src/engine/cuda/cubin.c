/* CUDA text -> machine code for a GPU: key, disk, else NVRTC. The counterpart of build/build.c,
 * with the same cache.
 *
 * A compute capability that NVRTC knows gets machine code for exactly that one (sm_90). Another one
 * gets PTX for the highest capability below it that NVRTC knows, which the driver compiles when it
 * loads it (and keeps in a cache of its own): machine code of a lower minor version would mostly
 * run too, but not on every kind of device. */
#include "build/parts.h"
#include "cuda/nvrtc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- architectures -------------------------------------------------------------------------- */

typedef struct {
  char arch[24];   /* "sm_90", "compute_121" */
  int is_ptx;
} target;

/* The highest capability that NVRTC knows and that is not above `wanted`; 0: none. */
static int nearest(const rk_nvrtc_facts *nvrtc, int wanted) {
  int best = 0;
  for (int k = 0; k < nvrtc->archs; k++)
    if (nvrtc->arch[k] <= wanted && nvrtc->arch[k] > best) best = nvrtc->arch[k];
  return best;
}

/* Toolkits drop old devices with a new major version. */
static const char *versions_for(int capability) {
  if (capability < 35) return "a GPU of capability 5.0 or later is needed";
  if (capability < 50) return "NVRTC 11.2 to 11.8 is needed";
  if (capability < 75) return "NVRTC 11.2 to 12.9 is needed";
  return "another version of NVRTC is needed";
}

static rk_status choose(const rk_nvrtc_facts *nvrtc, int major, int minor, target *chosen,
                        rk_error *error) {
  int wanted = 10 * major + minor, best = nearest(nvrtc, wanted);
  if (!best)
    return rk_fail(error, RK_ERROR_DEVICE, "NVRTC %s (%s) does not compile for a GPU of compute "
                   "capability %d.%d any more: %s. Install it, and set RKEOPS_NVRTC_PATH to the "
                   "path of the library.", nvrtc->version, nvrtc->path, major, minor,
                   versions_for(wanted));
  chosen->is_ptx = best != wanted;
  snprintf(chosen->arch, sizeof chosen->arch, "%s_%d", chosen->is_ptx ? "compute" : "sm", best);
  return RK_OK;
}

rk_status rk_nvrtc_supports(int major, int minor, rk_error *error) {
  const rk_nvrtc_facts *nvrtc;
  target chosen = {{0}, 0};
  rk_status status = rk_nvrtc_get(&nvrtc, error);
  return status ? status : choose(nvrtc, major, minor, &chosen, error);
}

/* ---- options -------------------------------------------------------------------------------- */

/* float32 as decided: denormals are 0, divisions and roots within 2 ulp. Of float64, which is exact
 * either way, these options say nothing. NVRTC's own cache, of version 12.9 and later, would keep
 * all of it twice. */
static int add_options(rk_words *options, const rk_nvrtc_facts *nvrtc, const char *arch,
                       int fast_math) {
  static const char *const fixed[] = {
    "--std=c++17", "--device-as-default-execution-space", "--ftz=true", "--prec-sqrt=false",
    "--prec-div=false", "--fmad=true"};
  rk_text text = {0};
  rk_text_format(&text, "--gpu-architecture=%s", arch);
  int good = !text.failed && rk_words_add(options, text.bytes);
  rk_text_free(&text);
  for (size_t k = 0; good && k < sizeof fixed / sizeof *fixed; k++)
    good = rk_words_add(options, fixed[k]);
  if (good && fast_math) good = rk_words_add(options, "--use_fast_math");
  if (good && 100 * nvrtc->major + nvrtc->minor >= 1209) good = rk_words_add(options, "--no-cache");
  return good;
}

static void make_key(const rk_nvrtc_facts *nvrtc, const char *source, const rk_words *options,
                     rk_key *key) {
  rk_sha256 hash;
  rk_sha256_start(&hash);
  rk_sha256_field(&hash, "rkeops cache 1");
  rk_sha256_field(&hash, "cuda");
  rk_sha256_field(&hash, RK_GENERATOR_VERSION);
  rk_sha256_field(&hash, RK_INTERFACE_VERSION);
  rk_sha256_field(&hash, source);
  for (int k = 0; k < options->n; k++) rk_sha256_field(&hash, options->word[k]);
  rk_sha256_field(&hash, nvrtc->identity);
  rk_sha256_end(&hash, key->digest);
}

/* ---- disk ----------------------------------------------------------------------------------- */

typedef struct {
  rk_key key;
  const char *kind;
  void *image;
  size_t bytes;
} stored;

static int load_from(const char *folder, stored *entry) {
  rk_private_file file;
  size_t n;
  if (!rk_cache_open(folder, &entry->key, entry->kind, &file, &n)) return 0;
  char *copy = calloc(n + 1, 1); /* a NUL follows: see get_image */
  if (copy) memcpy(copy, file.bytes, n);
  rk_os_close_private(&file);
  entry->image = copy;
  entry->bytes = n;
  return copy != NULL;
}

static int find(stored *entry) {
  const char *folder;
  for (int k = 0; (folder = rk_cache_folder(k)) != NULL; k++)
    if (load_from(folder, entry)) return 1;
  return 0;
}

static rk_status write_entry(void *data, const char *folder, const char *work_folder,
                             rk_error *error) {
  const stored *entry = data;
  rk_text path = {0};
  rk_text_format(&path, "%s/kernel%s", work_folder, entry->kind);
  int good = !path.failed && rk_os_write_new(path.bytes, entry->image, entry->bytes) &&
             rk_cache_seal(path.bytes, &entry->key) &&
             rk_cache_place(path.bytes, folder, &entry->key, entry->kind);
  rk_text_free(&path);
  if (good) return RK_OK;
  return rk_fail_system(error, "A GPU kernel could not be written to %s: %s.", folder,
                        rk_os_reason());
}

/* ---- all together --------------------------------------------------------------------------- */

static rk_status compile(const char *source, const rk_words *options, int is_ptx, stored *entry,
                         rk_caller caller) {
  rk_nvrtc_result result;
  rk_build_count(1, 0);
  rk_status status = rk_nvrtc_run(source, options, is_ptx, &result, caller);
  if (status == RK_OK) {
    entry->image = result.image;
    entry->bytes = result.bytes;
    result.image = NULL;
    rk_cache_work(write_entry, entry, NULL); /* what cannot be stored is compiled again */
  }
  rk_nvrtc_result_free(&result);
  return status;
}

rk_status rk_build_cuda(const char *source, int major, int minor, int fast_math, void **image,
                        size_t *bytes, rk_caller caller) {
  const rk_nvrtc_facts *nvrtc;
  target chosen = {{0}, 0};
  rk_words options = {0};
  stored entry = {.image = NULL};
  *image = NULL;
  *bytes = 0;
  rk_status status = rk_nvrtc_get(&nvrtc, caller.error);
  if (status == RK_OK) status = choose(nvrtc, major, minor, &chosen, caller.error);
  if (status == RK_OK && !add_options(&options, nvrtc, chosen.arch, fast_math))
    status = rk_fail_memory(caller.error, 256);
  if (status == RK_OK) {
    make_key(nvrtc, source, &options, &entry.key);
    entry.kind = chosen.is_ptx ? RK_ENTRY_PTX : RK_ENTRY_CUBIN;
    if (find(&entry)) rk_build_count(0, 1);
    else status = compile(source, &options, chosen.is_ptx, &entry, caller);
  }
  rk_words_free(&options);
  *image = entry.image;
  *bytes = entry.bytes;
  return status;
}

/* ---- for tests ------------------------------------------------------------------------------ */

rk_status rk_nvrtc_image(const char *cuda_source, const char *arch, int fast_math, char **log,
                         void **image, size_t *bytes, rk_error *error) {
  const rk_nvrtc_facts *nvrtc;
  rk_words options = {0};
  rk_nvrtc_result result = {0};
  rk_status status = rk_nvrtc_get(&nvrtc, error);
  if (status == RK_OK && (!add_options(&options, nvrtc, arch, fast_math) ||
                          !rk_words_add(&options, "--ptxas-options=-v")))
    status = rk_fail_memory(error, 256);
  if (status == RK_OK)
    status = rk_nvrtc_run(cuda_source, &options, strncmp(arch, "compute", 7) == 0, &result,
                          (rk_caller){.error = error});
  rk_words_free(&options);
  if (bytes) *bytes = result.bytes;
  if (log) *log = result.log, result.log = NULL;
  if (image) *image = result.image, result.image = NULL;
  rk_nvrtc_result_free(&result);
  return status;
}
