/* CUDA text -> machine code with the real NVRTC: options, architectures, keys, the disk cache and
 * its failures. Without an NVRTC only what is said of that is tested; the rest is skipped. */
#include "check.h"
#include "children.h"
#include "cuda/device.h"
#include "cuda/nvrtc.h"
#include "os.h"

#include <unistd.h>

static char base[300];

static const char *path_of(const char *name) {
  static char path[8][400];
  static int next;
  char *place = path[next++ % 8];
  snprintf(place, sizeof path[0], "%s/%s", base, name);
  return place;
}

static void use_folder(const char *name) {
  rk_settings settings = {.cache_dir = path_of(name), .fallback_dir = path_of("fallback"),
                          .cache_limit = 256 << 20};
  rk_build_configure(&settings, &last);
}

static const char *source_of(int number) {
  static char text[400];
  snprintf(text, sizeof text,
           "float g(float a) { return exp2f(a) / sqrtf(a); }\n"
           "double h(double a, double b) { return sqrt(a) / b; }\n"
           "extern \"C\" __global__ void f(const float *x, const double *z, float *y,\n"
           "                             double *u) {\n"
           "  y[threadIdx.x] = g(x[threadIdx.x]) + %d;\n"
           "  u[threadIdx.x] = h(z[threadIdx.x], z[0]);\n}\n", number);
  return text;
}

typedef struct { void *image; size_t bytes; } built;
static void drop(built *b) {
  rk_free(b->image);
  *b = (built){NULL, 0};
}

/* How it was had: 'c' compiled, 'h' found on the disk, 'e' an error. */
static char build_for(const char *source, int major, int minor, int fast_math, built *result) {
  int64_t compiles, hits, compiles_now, hits_now;
  rk_build_counters(&compiles, &hits);
  rk_status status = rk_build_cuda(source, major, minor, fast_math, &result->image, &result->bytes,
                                   (rk_caller){.error = &last});
  rk_build_counters(&compiles_now, &hits_now);
  if (status != RK_OK) return 'e';
  if (compiles_now == compiles + 1 && hits_now == hits) return 'c';
  return compiles_now == compiles && hits_now == hits + 1 ? 'h' : '?';
}

static char build(int number) {
  built result = {NULL, 0};
  char how = build_for(source_of(number), 9, 0, 0, &result);
  if (how != 'e' && (result.bytes < 500 || memcmp(result.image, "\177ELF", 4))) how = '?';
  drop(&result);
  return how;
}

/* ---- finding NVRTC: in children, since a library that was found is kept ---------------------- */

static int a_wrong_path(void *unused) {
  (void)unused;
  setenv("RKEOPS_NVRTC_PATH", "/nowhere/libnvrtc.so", 1);
  return rk_nvrtc_available(&last) == RK_ERROR_DEVICE && said("RKEOPS_NVRTC_PATH") &&
         said("/nowhere/libnvrtc.so") && !*rk_nvrtc_version();
}

static int another_library(void *unused) {
  (void)unused;
  setenv("RKEOPS_NVRTC_PATH", "libm.so.6", 1);
  return rk_nvrtc_available(&last) == RK_ERROR_DEVICE && said("too old") && said("libm.so.6");
}

static int a_toolkit_without_nvrtc(void *unused) {
  (void)unused;
  rk_error before;
  unsetenv("RKEOPS_NVRTC_PATH");
  rk_status without = rk_nvrtc_available(&before);
  setenv("CUDA_HOME", base, 1);
  return rk_nvrtc_available(&last) == without;
}

static void finding_it_fails_with_advice(void) {
  CHECK(in_child(a_wrong_path, NULL) == 1, "a path that does not exist is named, nothing else is tried");
  CHECK(in_child(another_library, NULL) == 1, "a library that is not NVRTC is refused");
  CHECK(in_child(a_toolkit_without_nvrtc, NULL) == 1, "a CUDA_HOME without NVRTC does no harm");
}

/* ---- what is compiled ------------------------------------------------------------------------ */

static int has(const built *b, const char *words) {
  for (size_t k = 0, n = strlen(words); k + n <= b->bytes; k++)
    if (!memcmp((char *)b->image + k, words, n)) return 1;
  return 0;
}

static void a_second_build_is_found_on_the_disk(void) {
  built first = {NULL, 0}, second = {NULL, 0};
  use_folder("second");
  CHECK(build_for(source_of(2), 9, 0, 0, &first) == 'c', "the first is compiled");
  CHECK(build_for(source_of(2), 9, 0, 0, &second) == 'h', "the second is found");
  CHECK(first.bytes > 500 && first.bytes == second.bytes &&
        !memcmp(first.image, second.image, first.bytes), "they are the same");
  CHECK(!memcmp(first.image, "\177ELF", 4), "machine code is an ELF file");
  drop(&first);
  drop(&second);
}

static void keys_tell_requests_apart(void) {
  built result = {NULL, 0};
  use_folder("keys");
  CHECK(build_for(source_of(3), 9, 0, 0, &result) == 'c', "one source");
  drop(&result);
  CHECK(build_for(source_of(4), 9, 0, 0, &result) == 'c', "another source");
  drop(&result);
  CHECK(build_for(source_of(3), 8, 0, 0, &result) == 'c', "another capability");
  drop(&result);
  CHECK(build_for(source_of(3), 9, 0, 1, &result) == 'c', "fast_math");
  drop(&result);
  CHECK(build_for(source_of(3), 9, 0, 0, &result) == 'h', "the first again");
  drop(&result);
}

static void newer_devices_get_ptx(void) {
  built result = {NULL, 0};
  use_folder("ptx");
  CHECK(build_for(source_of(5), 9, 9, 0, &result) == 'c', "a minor version that nobody knows");
  CHECK(has(&result, ".target sm_90") && !((char *)result.image)[result.bytes],
        "gets PTX of the one below, which ends with a NUL");
  drop(&result);
  CHECK(build_for(source_of(5), 9, 9, 0, &result) == 'h' && has(&result, ".target sm_90") &&
        !((char *)result.image)[result.bytes], "also from the disk");
  drop(&result);
  CHECK(build_for(source_of(5), 99, 0, 0, &result) == 'c' && has(&result, ".target sm_"),
        "a major version that nobody knows");
  drop(&result);
  CHECK(rk_nvrtc_supports(99, 0, &last) == RK_OK, "which is supported");
}

static void old_devices_are_refused(void) {
  built result = {NULL, 0};
  CHECK(build_for(source_of(6), 2, 0, 0, &result) == 'e' && last.status == RK_ERROR_DEVICE,
        "no NVRTC of today knows Fermi");
  CHECK(said("capability 2.0") && said(rk_nvrtc_version()) && !result.image,
        "the message names the capability and the version of NVRTC");
  CHECK(rk_nvrtc_supports(2, 0, &last) == RK_ERROR_DEVICE, "and it is known beforehand");
  CHECK(rk_nvrtc_supports(9, 0, &last) == RK_OK, "Hopper is supported");
}

static void float64_stays_exact(int fast_math) {
  char *log = NULL;
  built ptx = {NULL, 0};
  CHECK(rk_nvrtc_image(source_of(7), "compute_80", fast_math, &log, &ptx.image, &ptx.bytes,
                       &last) == RK_OK, "PTX can be asked for");
  CHECK(has(&ptx, "sqrt.rn.f64") && has(&ptx, "div.rn.f64"), "float64 is rounded correctly");
  CHECK(has(&ptx, "ex2.approx.ftz.f32") && has(&ptx, "sqrt.approx.ftz.f32"),
        "float32 has the fast instructions");
  CHECK(has(&ptx, fast_math ? "div.approx.ftz.f32" : "div.full.ftz.f32"), "and divisions");
  CHECK(log && !strstr(log, "warning"), "there are no warnings");
  rk_free(log);
  drop(&ptx);
}

static void the_log_has_registers_and_spills(void) {
  char *log = NULL;
  size_t bytes = 0;
  CHECK(rk_nvrtc_image(source_of(8), "sm_90", 0, &log, NULL, &bytes, &last) == RK_OK && bytes > 500,
        "machine code for tests");
  CHECK(log && strstr(log, "registers") && strstr(log, "0 bytes spill stores") &&
        !strstr(log, "warning"), "with NVRTC's report");
  rk_free(log);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void errors_carry_the_words_of_nvrtc(void) {
  built result = {NULL, 0};
  use_folder("errors");
  for (int k = 0; k < 2; k++) {
    CHECK(build_for("extern \"C\" __global__ void f() { nonsense; }\n", 9, 0, 0, &result) == 'e' &&
          last.status == RK_ERROR_COMPILE && !result.image, "what does not compile is an error");
    CHECK(said("nonsense") && said("rkeops.cu(1)"), "with the place and NVRTC's words");
  }
  char *log = NULL;
  CHECK(rk_nvrtc_image("nonsense", "sm_90", 0, &log, NULL, NULL, &last) == RK_ERROR_COMPILE && log &&
        strstr(log, "nonsense"), "tests get the log");
  rk_free(log);
  CHECK(rk_nvrtc_image("", "sm_1", 0, NULL, NULL, NULL, &last) == RK_ERROR_COMPILE,
        "an architecture that does not exist");
  CHECK(build(9) == 'c', "and life goes on");
}

static int polls, stop_at;
static int stop(void *data, double done) {
  CHECK(data == &polls && done == -1, "poll gets its data, and -1");
  return ++polls >= stop_at;
}

static void compiling_can_be_cancelled(void) {
  rk_text source = {0};
  built result = {NULL, 0};
  rk_text_add(&source, "extern \"C\" __global__ void f(float *x) {\n  float s = *x;\n");
  for (int k = 0; k < 3000; k++) rk_text_format(&source, "  s += expf(s * %d.f) / x[%d];\n", k, k);
  rk_text_add(&source, "  *x = s;\n}\n");
  use_folder("cancelled");
  polls = 0;
  stop_at = 2;
  double start = rk_os_seconds();
  rk_status status = rk_build_cuda(source.bytes, 9, 0, 0, &result.image, &result.bytes,
                                   (rk_caller){stop, &polls, &last});
  if (status == RK_OK && !polls) check_skipped++; /* NVRTC before 12.8 */
  else CHECK(status == RK_CANCELLED && !result.image && polls == 2, "poll cancels");
  drop(&result);
  printf("  cancelled after %.2f s, %d polls\n", rk_os_seconds() - start, polls);
  rk_text_free(&source);
  CHECK(build(10) == 'c', "the next one compiles");
}

/* ---- the disk -------------------------------------------------------------------------------- */

static void spoil(void *data, const char *name) {
  char path[800], *bytes;
  size_t n;
  (void)data;
  snprintf(path, sizeof path, "%s/%s", path_of("harm"), name);
  if (!strstr(name, ".cubin") || !rk_os_read(path, &bytes, &n)) return;
  unlink(path);
  bytes[n / 3] ^= 1;
  CHECK(rk_os_write_new(path, bytes, n), "an entry is spoiled");
  free(bytes);
}

/* What may be wrong with an entry of the folder, of whichever kind: test_build. */
static void harmed_entries_are_built_again(void) {
  use_folder("harm");
  CHECK(build(20) == 'c', "built");
  rk_os_list(path_of("harm"), spoil, NULL);
  CHECK(build(20) == 'c' && build(20) == 'h', "what was harmed does not count, and was put right");
}

static void nothing_can_be_stored(void) {
  rk_os_write_new(path_of("file"), "x", 1);
  rk_settings settings = {.cache_dir = path_of("file/a"), .fallback_dir = path_of("file/b")};
  char *before = getenv("TMPDIR") ? strdup(getenv("TMPDIR")) : NULL;
  setenv("TMPDIR", path_of("file"), 1);
  rk_build_configure(&settings, &last);
  CHECK(build(23) == 'c' && build(23) == 'c', "what cannot be stored is compiled each time");
  if (before) setenv("TMPDIR", before, 1);
  else unsetenv("TMPDIR");
  free(before);
}

static void the_report_names_it(void) {
  rk_text report = {0};
  rk_devices_report(&report);
  const char *line = strstr(rk_text_string(&report), "NVRTC: /");
  CHECK(line && strstr(line, rk_nvrtc_version()) && strstr(line, " 9.0"),
        "has path, version and capabilities");
  rk_text_free(&report);
}

int main(void) {
  snprintf(base, sizeof base, "%s/rkeops-nvrtc-%lld", rk_os_temporary(),
           (long long)rk_os_process_id());
  if (!rk_os_make_folder(base)) return 2;
  finding_it_fails_with_advice();
  if (rk_nvrtc_available(&last) != RK_OK) { /* it stays unknown to the children before this */
    printf("skipped: %s\n", last.message);
    check_skipped += 10;
    rk_os_remove_folder(base);
    return check_end();
  }
  a_second_build_is_found_on_the_disk();
  keys_tell_requests_apart();
  newer_devices_get_ptx();
  old_devices_are_refused();
  float64_stays_exact(0);
  float64_stays_exact(1);
  the_log_has_registers_and_spills();
  errors_carry_the_words_of_nvrtc();
  compiling_can_be_cancelled();
  harmed_entries_are_built_again();
  nothing_can_be_stored();
  the_report_names_it();
  rk_os_remove_folder(base);
  return check_end();
}
