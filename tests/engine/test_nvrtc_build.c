/* CUDA text -> machine code with the real NVRTC: options, architectures, keys, the disk cache and
 * its failures. Without an NVRTC only what is said of that is tested; the rest is skipped. */
#include "check.h"
#include "children.h"
#include "cuda/device.h"
#include "cuda/nvrtc.h"
#include "os.h"

#include <fcntl.h>
#include <sys/stat.h>

static char base[300];

static const char *path_of(const char *name) {
  static char path[8][400];
  static int next;
  char *place = path[next++ % 8];
  snprintf(place, sizeof path[0], "%s/%s", base, name);
  return place;
}

static void use_folder(const char *name, int64_t limit) {
  rk_settings settings = {.cache_dir = path_of(name), .fallback_dir = path_of("fallback"),
                          .cache_limit = limit ? limit : 256 << 20};
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

/* ---- many processes -------------------------------------------------------------------------- */

static void several_processes_build_the_same(void) {
  int good = 1, status;
  use_folder("many", 0);
  fflush(NULL);
  for (int k = 0; k < 3; k++)
    if (fork() == 0) {
      char how = build(1);
      _exit(how == 'c' || how == 'h' ? 0 : 1);
    }
  for (int k = 0; k < 3; k++) good &= wait(&status) > 0 && status == 0;
  CHECK(good, "three processes build one source at the same time");
  CHECK(build(1) == 'h', "what they left is a hit");
}

/* ---- what is compiled ------------------------------------------------------------------------ */

static int has(const built *b, const char *words) {
  for (size_t k = 0, n = strlen(words); k + n <= b->bytes; k++)
    if (!memcmp((char *)b->image + k, words, n)) return 1;
  return 0;
}

static void a_second_build_is_found_on_the_disk(void) {
  built first = {NULL, 0}, second = {NULL, 0};
  use_folder("second", 0);
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
  use_folder("keys", 0);
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
  use_folder("ptx", 0);
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
  use_folder("errors", 0);
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
  use_folder("cancelled", 0);
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

static char entry[400]; /* path of a file in the folder that was listed */
static const char *listed;
static int entries;
static void note(void *data, const char *name) {
  size_t n = strlen(name);
  (void)data;
  if (n < 6 || strcmp(name + n - 6, ".cubin")) return;
  snprintf(entry, sizeof entry, "%s/%s", listed, name);
  entries++;
}

static int count(const char *folder) {
  entries = 0;
  listed = folder;
  rk_os_list(folder, note, NULL);
  return entries;
}

static void spoil(int how) {
  char *bytes;
  size_t n;
  if (!rk_os_read(entry, &bytes, &n)) return;
  unlink(entry);
  if (how == 0) rk_os_write_new(entry, bytes, n / 2);       /* cut */
  if (how == 1) rk_os_write_new(entry, bytes, n - 64);      /* without seal */
  if (how == 2) rk_os_write_new(entry, "", 0);
  if (how == 3) bytes[n / 3] ^= 1, rk_os_write_new(entry, bytes, n);
  if (how == 4) bytes[n - 1] ^= 1, rk_os_write_new(entry, bytes, n);
  if (how == 5) rk_os_write_new(entry, bytes, n), chmod(entry, 0666);
  if (how == 6) rk_os_write_new(path_of("elsewhere"), bytes, n),
                CHECK(symlink(path_of("elsewhere"), entry) == 0, "a link can be made");
  if (how == 7) mkdir(entry, 0700);                         /* in the way */
  free(bytes);
}

static void harmed_entries_are_built_again(void) {
  char folder[400];
  for (int how = 0; how < 8; how++) {
    char name[16];
    snprintf(name, sizeof name, "harm%d", how);
    snprintf(folder, sizeof folder, "%s", path_of(name));
    use_folder(name, 0);
    CHECK(build(20) == 'c' && count(folder) == 1, "built");
    spoil(how);
    CHECK(build(20) == 'c', "what was harmed does not count");
    if (how < 7) CHECK(build(20) == 'h', "and was put right");
  }
}

static void an_entry_under_another_name_does_not_count(void) {
  char first[400];
  use_folder("moved", 0);
  CHECK(build(21) == 'c' && count(path_of("moved")) == 1, "one");
  snprintf(first, sizeof first, "%s", entry);
  use_folder("moved2", 0);
  CHECK(build(22) == 'c' && count(path_of("moved2")) == 1, "another");
  CHECK(rk_os_rename(first, entry), "the first takes the place of the other");
  CHECK(build(22) == 'c', "which is built again");
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

static void entries_are_counted_evicted_and_cleared(void) {
  int64_t files, bytes, one;
  use_folder("evict", 0);
  CHECK(build(24) == 'c', "one");
  rk_cache_usage(&files, &one, &last);
  CHECK(build(25) == 'c', "two");
  rk_cache_usage(&files, &bytes, &last);
  CHECK(count(path_of("evict")) == 2 && bytes > one, "both are counted");
  use_folder("evict", one / 2);
  CHECK(build(26) == 'c' && count(path_of("evict")) == 1, "the older ones go");
  CHECK(build(26) == 'h', "the last one stays");
  CHECK(rk_cache_clear(&last) == RK_OK && count(path_of("evict")) == 0, "all are cleared");
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
    check_skipped += 14;
    rk_os_remove_folder(base);
    return check_end();
  }
  several_processes_build_the_same();
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
  an_entry_under_another_name_does_not_count();
  nothing_can_be_stored();
  entries_are_counted_evicted_and_cleared();
  the_report_names_it();
  rk_os_remove_folder(base);
  return check_end();
}
