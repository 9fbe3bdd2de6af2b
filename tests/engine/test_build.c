/* The build stage: source -> kernel, its disk cache and its failures. Each test has folders of its
 * own; what spoils a process runs in a child.
 *
 *   test_build [COMPILER] */
#include "build/build.h"
#include "build/parts.h"
#include "build/sha256.h"
#include "check.h"
#include "children.h"
#include "os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#if defined(__linux__)
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

static char base[256];                /* everything of this run is below */
static const char *program;           /* argv[0] */
static const char *chosen_compiler;   /* argv[1] */

#undef CHECK
#define CHECK(condition) check_that(!!(condition), __LINE__, #condition)

/* ---- helpers -------------------------------------------------------------------------------- */

static char *path_of(const char *format, ...) RK_PRINTF(1, 2);
static char *path_of(const char *format, ...) { /* valid to the end */
  static rk_text paths[4000];
  static size_t next;
  rk_text *path = &paths[next++ % 4000];
  rk_text_clear(path);
  rk_text_format(path, "%s/", base);
  va_list arguments;
  va_start(arguments, format);
  rk_text_vformat(path, format, arguments);
  va_end(arguments);
  return path->bytes;
}

static void configure(const char *cache, const char *compiler, double timeout) {
  rk_settings settings = {.cache_dir = cache, .fallback_dir = path_of("fallback"),
                          .compiler = compiler ? compiler : "", .compile_timeout = timeout,
                          .cache_limit = 256 << 20};
  rk_build_configure(&settings, NULL);
}

static void use_folder(const char *name) { configure(path_of("%s", name), chosen_compiler, 60); }

static const char *source_of(int value) {
  static char text[200];
  snprintf(text, sizeof text, "int f(void) { return %d; }\n", value);
  return text;
}

/* The value of a kernel, -1 when it cannot be built. */
static rk_status build_text(const char *source, rk_poll poll, void *poll_data, rk_kernel **kernel) {
  rk_to_build one = {.source = source};
  rk_status status = rk_build_c(&one, 1, rk_os_vector_bytes(), 1,
                        (rk_caller){poll, poll_data, &last});
  *kernel = one.kernel;
  return status;
}

typedef int (*function)(void);

static function f_of(const rk_kernel *kernel) {
  void *symbol = rk_kernel_symbol(kernel, "f");
  function f;
  memcpy(&f, &symbol, sizeof f);
  return f;
}

static int value_of(int value) {
  rk_kernel *kernel;
  memset(&last, 0, sizeof last);
  if (build_text(source_of(value), NULL, NULL, &kernel) != RK_OK) return -1;
  function f = f_of(kernel);
  return f ? f() : -2;
}

static int says(const char *text) { return strstr(last.message, text) != NULL; }

static int64_t compiles(void) {
  int64_t compiled, hits;
  rk_build_counters(&compiled, &hits);
  return compiled;
}

static int64_t hits(void) {
  int64_t compiled, found;
  rk_build_counters(&compiled, &found);
  return found;
}

/* Builds and says by how it was had: 'c' compiled, 'h' hit, 'e' error, '?' wrong value. */
static char build(int value) {
  int64_t compiled = compiles(), found = hits();
  int got = value_of(value);
  if (got == -1) return 'e';
  if (got != value) return '?';
  if (compiles() == compiled + 1 && hits() == found) return 'c';
  return compiles() == compiled && hits() == found + 1 ? 'h' : '?';
}

static int descriptors(void) {
  int n = 0;
  DIR *folder = opendir("/proc/self/fd");
  if (!folder) return 0;
  while (readdir(folder)) n++;
  closedir(folder);
  return n;
}

static int build_in_child(void *data) { return build(*(int *)data); }

/* The same in a process that knows nothing yet. */
static int build_fresh(const char *folder, int value) {
  char number[16];
  snprintf(number, sizeof number, "%d", value);
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    execl(program, program, "--fresh", folder, chosen_compiler ? chosen_compiler : "", number,
          base, (char *)NULL);
    _exit(99);
  }
  return status_of(pid);
}

static char found_name[300];
static const char *wanted_end;
static int found_count;
static void note_name(void *data, const char *name) {
  (void)data;
  size_t n = strlen(name), m = strlen(wanted_end);
  if (n < m || strcmp(name + n - m, wanted_end) != 0) return;
  found_count++;
  snprintf(found_name, sizeof found_name, "%s", name);
}

/* Number of files with that ending; the name of one of them is in found_name. */
static int count(const char *folder, const char *end) {
  found_count = 0;
  wanted_end = end;
  rk_os_list(folder, note_name, NULL);
  return found_count;
}

static char *only_kernel(const char *folder) {
  count(folder, ".so");
  return path_of("%s/%s", folder + strlen(base) + 1, found_name);
}

static void rewrite(const char *path, const char *bytes, size_t n) {
  unlink(path); /* what is mapped stays as it is */
  rk_os_write_new(path, bytes, n);
}

static void write_script(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  if (!file) return;
  fputs(text, file);
  fclose(file);
  chmod(path, 0755);
}

/* A compiler that does `first` in the shell, in a folder of its own, before it works; $file is what
 * it compiles. */
static void write_compiler(const char *name, const char *first) {
  rk_text text = {0};
  rk_text_format(&text, "#!/bin/sh\nfor file; do :; done\ncd %s || exit 9\n%s\nexec %s \"$@\"\n",
                 base, first, chosen_compiler ? chosen_compiler : "cc");
  write_script(path_of("%s", name), text.bytes);
  rk_text_free(&text);
}

/* ---- hashes and words ----------------------------------------------------------------------- */

static void hash_is(const char *text, size_t times, const char *expected) {
  rk_sha256 hash;
  unsigned char digest[RK_HASH_BYTES];
  char hex[RK_HASH_TEXT];
  rk_sha256_start(&hash);
  for (size_t k = 0; k < times; k++) rk_sha256_add(&hash, text, strlen(text));
  rk_sha256_end(&hash, digest);
  rk_hash_text(digest, hex);
  CHECK(strcmp(hex, expected) == 0);
}

static void sha256_gives_the_standard_values(void) {
  hash_is("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  hash_is("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  hash_is("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  hash_is("a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void words_are_split_like_a_shell_does(void) {
  rk_words words = {0};
  CHECK(rk_words_split(&words, "  ccache 'a b'\"c d\"  -DX=\\\"y\\\" '' ") && words.n == 4);
  CHECK(words.n == 4 && strcmp(words.word[1], "a bc d") == 0);
  CHECK(words.n == 4 && strcmp(words.word[2], "-DX=\"y\"") == 0 && !*words.word[3]);
  rk_words_free(&words);
  rk_text value = {0};
  const char *makefile = "XCC = no\nCC = old\nM = -m64\nCC = $(B)gcc ${M} -std=gnu2x # $(shell x)\n"
                         "CCX = no\nB ?= x86-\nL = $(L)\n";
  CHECK(rk_makeconf_value(makefile, "CC", &value) &&
        strcmp(value.bytes, "  x86-gcc  -m64 -std=gnu2x ") == 0);
  CHECK(!rk_makeconf_value(makefile, "CPICFLAGS", &value));
  rk_makeconf_value(makefile, "L", &value); /* refers to itself: ends */
  rk_text_free(&value);
}

/* ---- hits ----------------------------------------------------------------------------------- */

static void second_build_is_a_disk_hit(void) {
  use_folder("hit");
  CHECK(build(1) == 'c');
  CHECK(build(1) == 'h');
  CHECK(build(2) == 'c');
  CHECK(build_fresh(path_of("hit"), 1) == 'h');
  CHECK(build_fresh(path_of("hit"), 3) == 'c');
  CHECK(count(path_of("hit"), ".so") == 3);
  CHECK(count(path_of("hit"), ".txt") == 1);
  struct stat info;
  CHECK(stat(path_of("hit"), &info) == 0 && (info.st_mode & 0777) == 0700);
  int64_t files = 0, bytes = 0;
  CHECK(rk_cache_usage(&files, &bytes, NULL) == RK_OK && files >= 4 && bytes > 1000);
  CHECK(rk_cache_clear(NULL) == RK_OK && count(path_of("hit"), "") == 0);
  CHECK(build(1) == 'c');
}

static void many_kernels_are_not_confused(void) {
  use_folder("many");
  char text[4096];
  int right = 0, right_again = 0;
  const int kernels = 200;
  /* one compile makes a template, so that 200 compiles are not needed: each source is different,
     and most are compiled by a script that copies a prepared file */
  write_script(path_of("copying"), "#!/bin/sh\n"
               "while [ $# -gt 0 ]; do [ \"$1\" = -o ] && out=$2; last=$1; shift; done\n"
               "case $last in --version) echo copying 1; exit;; esac\n"
               "n=$(sed -n 's/.*return \\([0-9]*\\);.*/\\1/p' \"$last\")\n"
               "[ -z \"$n\" ] && exec ${REAL_CC:-cc} -shared -fPIC -o \"$out\" \"$last\"\n"
               "exec sed \"s/VALUE0000/$(printf VALUE%04d \"$n\")/\" \"$TEMPLATE\" > \"$out\"\n");
  snprintf(text, sizeof text, "%s", "const char name[] = \"VALUE0000\"; int f(void) { int v = 0;\n"
           "for (int k = 5; k < 9; k++) v = 10 * v + ((const volatile char *)name)[k] - '0';\n"
           "return v + 0 * 1; }\n");
  rk_kernel *kernel;
  if (!CHECK(build_text(text, NULL, NULL, &kernel) == RK_OK)) return;
  setenv("TEMPLATE", only_kernel(path_of("many")), 1);
  configure(path_of("many"), path_of("copying"), 60);
  int before = 0;
  for (int k = 1; k <= kernels; k++) {
    right += value_of(1000 + k) == 1000 + k;
    if (k == 1) before = descriptors();
  }
  CHECK(right == kernels);
  CHECK(descriptors() == before);
  for (int k = kernels; k >= 1; k--) right_again += build(1000 + k) == 'h';
  CHECK(right_again == kernels);
  CHECK(descriptors() == before);
  CHECK(build_fresh(path_of("many"), 7) == 'c');
}

static void many_processes_build_the_same_at_once(void) {
  use_folder("race");
  pid_t pids[8];
  int good = 0;
  fflush(NULL);
  for (int k = 0; k < 8; k++) {
    pids[k] = fork();
    if (pids[k] == 0) _exit(value_of(77) != 77);
  }
  for (int k = 0; k < 8; k++) good += status_of(pids[k]) == 0;
  CHECK(good == 8);
  CHECK(count(path_of("race"), ".so") == 1);
  CHECK(count(path_of("race"), "") == 2);
  CHECK(build(77) == 'h');
}

/* Builds for ever, in a folder that is emptied, evicted and damaged all the time. */
static int build_and_disturb(void *data) {
  unsigned random = (unsigned)*(int *)data * 2654435761u;
  rk_settings small = {.cache_limit = 12000};
  use_folder("torture");
  rk_build_configure(&small, NULL);
  for (double end = rk_os_seconds() + 1; rk_os_seconds() < end;) {
    random = random * 1664525u + 1013904223u;
    int number = 100 + (int)(random >> 28) % 5;
    if (value_of(number) != number) return 1;
    if (random >> 20 & 1) rk_cache_clear(NULL);
    if (random >> 21 & 1 && count(path_of("torture"), ".so"))
      rewrite(path_of("torture/%s", found_name), "damaged", 7);
  }
  return 0;
}

static void processes_that_disturb_each_other_get_what_they_asked_for(void) {
  pid_t pids[4];
  fflush(NULL);
  for (int k = 0; k < 4; k++) {
    pids[k] = fork();
    if (pids[k] == 0) _exit(build_and_disturb(&k));
  }
  for (int k = 0; k < 4; k++) {
    usleep(150000);
    if (k == 0) kill(pids[k], SIGKILL);
    CHECK(status_of(pids[k]) == 0 || k == 0);
  }
  use_folder("torture");
  for (int k = 100; k < 105; k++) CHECK(value_of(k) == k);
}

static volatile int stop;
static void *keep_busy(void *data) {
  while (!stop) {
    free(malloc(1000));
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) close(fd);
  }
  return data;
}

static void other_threads_do_not_disturb(void) {
  pthread_t threads[2];
  use_folder("threads");
  for (int k = 0; k < 2; k++) pthread_create(&threads[k], NULL, keep_busy, NULL);
  for (int k = 0; k < 8; k++) CHECK(value_of(k) == k);
  stop = 1;
  for (int k = 0; k < 2; k++) pthread_join(threads[k], NULL);
}

static void compiler_identity_is_part_of_the_key(void) {
  write_compiler("wrapper", "");
  configure(path_of("identity"), path_of("wrapper"), 60);
  CHECK(build(5) == 'c');
  CHECK(build(5) == 'h');
  write_compiler("wrapper", "# newer");
  CHECK(build(5) == 'c');
  CHECK(build(5) == 'h');
  configure(path_of("identity"), path_of("wrapper -DSOMETHING"), 60);
  CHECK(build(5) == 'c');
}

/* ---- damage --------------------------------------------------------------------------------- */

static void damage_is_then_rebuilt(const char *folder, const char *bytes, size_t n) {
  const char *path = only_kernel(folder);
  rewrite(path, bytes, n);
  CHECK(build(11) == 'c');
  CHECK(build(11) == 'h');
  rewrite(only_kernel(folder), bytes, n);
  CHECK(build_fresh(folder, 11) == 'c');
}

static void damaged_entries_are_rebuilt(void) {
  char *good, *bad;
  size_t n = 0, m = 0;
  use_folder("damage");
  const char *folder = path_of("damage");
  CHECK(build(11) == 'c');
  if (!CHECK(rk_os_read(only_kernel(folder), &good, &n) && n > 200)) return;
  CHECK(rk_os_read(only_kernel(folder), &bad, &m));
  damage_is_then_rebuilt(folder, good, n / 2);
  damage_is_then_rebuilt(folder, good, n - 1);
  damage_is_then_rebuilt(folder, good, 0);
  damage_is_then_rebuilt(folder, good, 64);
  memset(bad, 0, n);
  damage_is_then_rebuilt(folder, bad, n);
  for (size_t k = 0; k < n; k++) bad[k] = (char)(k * 2654435761u >> 13);
  damage_is_then_rebuilt(folder, bad, n);
  const size_t places[] = {0, n / 3, n - 65, n - 64, n - 48, n - 40, n - 1};
  for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
    memcpy(bad, good, n);
    bad[places[p]] ^= 1;
    rewrite(only_kernel(folder), bad, n);
    CHECK(build(11) == 'c');
  }
  free(good);
  free(bad);
}

static void an_entry_under_another_name_does_not_count(void) {
  use_folder("renamed");
  const char *folder = path_of("renamed");
  CHECK(build(21) == 'c');
  char *first = only_kernel(folder), *bytes;
  size_t n = 0;
  CHECK(rk_os_read(first, &bytes, &n));
  unlink(first);
  CHECK(build(22) == 'c');
  rewrite(only_kernel(folder), bytes, n);
  CHECK(build_fresh(folder, 22) == 'c');
  free(bytes);
}

static void links_and_foreign_files_do_not_count(void) {
  use_folder("links");
  const char *folder = path_of("links");
  CHECK(build(31) == 'c');
  const char *place = only_kernel(folder), *aside = path_of("aside");
  rename(place, aside);
  CHECK(symlink(aside, place) == 0);
  CHECK(build(31) == 'c');
  chmod(place, 0620);
  CHECK(build(31) == 'c');
  struct stat info;
  CHECK(lstat(place, &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & 0777) == 0600);
  unlink(place);
  CHECK(mkfifo(place, 0600) == 0);
  CHECK(build(31) == 'c');
  unlink(place);
  CHECK(mkdir(place, 0700) == 0);
  CHECK(build(31) == 'c'); /* cannot be put in place: used all the same */
  rmdir(place);
  CHECK(build(31) == 'c');
  CHECK(build(31) == 'h');
  if (geteuid() == 0) {
    CHECK(chown(place, 12345, 12345) == 0);
    CHECK(build(31) == 'c');
  }
}

/* ---- folders -------------------------------------------------------------------------------- */

static int value = 41;

static int as_nobody(void *data) {
  if (geteuid() == 0 && setuid(65534) != 0) return 1;
  configure(data, chosen_compiler, 60);
  return build(value);
}

/* Any folder that cannot be used: kernels go to the fallback folder, and are found there. */
static void folder_is_passed_over(const char *folder, int (*work)(void *)) {
  rk_cache_clear(NULL);
  char first = (char)in_child(work, (void *)folder), second = (char)in_child(work, (void *)folder);
  CHECK(first == 'c');
  CHECK(second == 'h');
  CHECK(count(path_of("fallback"), ".so") == 1);
  if (geteuid() == 0) rk_os_remove_folder(path_of("fallback"));
}

static int as_myself(void *data) {
  configure(data, chosen_compiler, 60);
  return build(value);
}

static void unusable_folders_are_passed_over(void) {
  rk_os_remove_folder(path_of("fallback"));
  if (geteuid() == 0) CHECK(chmod(base, 0777) == 0);
  const char *folder = path_of("readonly");
  mkdir(folder, 0755);
  if (geteuid() != 0) chmod(folder, 0555);
  folder_is_passed_over(folder, as_nobody); /* root's, or read-only */
  folder_is_passed_over(path_of("readonly/below"), as_nobody);
  chmod(folder, 0700);
  folder = path_of("group");
  mkdir(folder, 0700);
  chmod(folder, 0770);
  folder_is_passed_over(folder, as_myself);
  CHECK(count(folder, "") == 0);
  CHECK(symlink(path_of("aside-folder"), path_of("link")) == 0);
  mkdir(path_of("aside-folder"), 0700);
  folder_is_passed_over(path_of("link"), as_myself);
  CHECK(count(path_of("aside-folder"), "") == 0);
  write_script(path_of("file"), "");
  folder_is_passed_over(path_of("file"), as_myself);
  if (geteuid() == 0) {
    folder = path_of("foreign");
    CHECK(mkdir(folder, 0700) == 0 && chown(folder, 12345, 12345) == 0);
    folder_is_passed_over(folder, as_myself);
  }
  chmod(base, 0700);
}

/* Ready-made kernels on a read-only place are used. */
static void read_only_folder_gives_hits(void) {
  const char *folder = path_of("shipped");
  value = 42;
  if (geteuid() == 0) {
    CHECK(chmod(base, 0777) == 0);
    mkdir(folder, 0755);
    CHECK(chown(folder, 65534, 65534) == 0);
  }
  CHECK(in_child(as_nobody, (void *)folder) == 'c');
  chmod(folder, 0555);
  CHECK(in_child(as_nobody, (void *)folder) == 'h');
  chmod(folder, 0755);
  chmod(base, 0700);
}

static int without_any_folder(void *data) {
  rk_settings settings = {.cache_dir = data, .fallback_dir = data,
                          .compiler = chosen_compiler ? chosen_compiler : ""};
  setenv("TMPDIR", path_of("own"), 1);
  rk_build_configure(&settings, NULL);
  int good = build(43) == 'c' && build(43) == 'h' && count(path_of("own"), "") == 1;
  fflush(NULL);
  exit(good ? 0 : 1); /* with its atexit handlers */
}

static void a_private_folder_is_the_last_resort_and_removed(void) {
  mkdir(path_of("own"), 0700);
  write_script(path_of("file"), "");
  CHECK(in_child(without_any_folder, path_of("file")) == 0);
  CHECK(count(path_of("own"), "") == 0);
}

/* Maybe by more than one run of the compiler. */
static int works_for_me(void *data) {
  configure(data, chosen_compiler, 60);
  return value_of(value) == value ? 0 : 1;
}

#if defined(__linux__)
/* A new file system; NULL where that may not be had. */
static const char *mounted(const char *name, unsigned long flags, const char *options) {
  const char *folder = path_of("%s", name);
  mkdir(folder, 0700);
  if (geteuid() != 0 || mount("tmpfs", folder, "tmpfs", flags, options) != 0) {
    printf("skipped: no tmpfs for \"%s\" (%s)\n", name, strerror(errno));
    return NULL;
  }
  chmod(folder, 0700);
  return folder;
}

static void with_mount(const char *name, unsigned long flags, const char *options, int kept) {
  const char *folder = mounted(name, flags, options);
  if (!folder) return;
  CHECK(in_child(works_for_me, (void *)folder) == 0);
  CHECK(in_child(as_myself, (void *)folder) == 'h');
  CHECK(count(folder, "") <= kept);
  umount(folder);
  rk_os_remove_folder(path_of("fallback"));
}

static void full_disks_are_passed_over(void) {
  with_mount("full", 0, "size=8k,mode=700", 1);
  with_mount("nearly-full", 0, "size=40k,mode=700", 2);
}

/* From now on this process gets no files in memory: the system says that it knows none. */
static int forbid_memory_files(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* the number of the system call */
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog filter = {sizeof code / sizeof *code, code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

static void use_folders_of(const char *folder) {
  static char fallback[300];
  snprintf(fallback, sizeof fallback, "%s/fallback", folder);
  rk_settings settings = {.cache_dir = folder, .fallback_dir = fallback,
                          .compiler = chosen_compiler ? chosen_compiler : ""};
  setenv("TMPDIR", folder, 1);
  rk_build_configure(&settings, NULL);
}

/* Nothing else is to be had there: kernels are loaded by way of memory, once each. */
static int from_memory(void *data) {
  use_folders_of(data);
  if (build(46) != 'c' || build(47) != 'c' || count(data, ".so") != 2) return 1;
  int before = descriptors();
  for (int k = 0; k < 5; k++)
    if (build(46) != 'h' || build(47) != 'h') return 2;
  return descriptors() != before;
}

/* Where that is not possible either, it is said which folders they are, and why, and nothing is
 * compiled again before settings change. */
static int from_nowhere(void *data) {
  if (!forbid_memory_files()) return 77;
  use_folders_of(data);
  if (build(48) != 'e' || last.status != RK_ERROR_SYSTEM) return 1;
  if (!says(data) || !says("noexec") || !says("fallback: code in it") || says("/proc/")) return 2;
  int64_t before = compiles();
  for (int k = 0; k < 3; k++)
    if (build(48) != 'e' || last.status != RK_ERROR_SYSTEM || !says(data)) return 3;
  if (compiles() != before) return 4;
  use_folders_of(data);
  if (build(48) != 'e' || compiles() == before) return 5;
  use_folder("after-noexec");
  return build(48) == 'c' ? 0 : 6;
}

static void folders_without_code_are_used_or_named(void) {
  const char *folder = mounted("noexec", MS_NOEXEC, "size=8m,mode=700");
  if (!folder) return;
  CHECK(in_child(from_memory, (void *)folder) == 0);
  CHECK(in_child(as_myself, (void *)folder) == 'c');
  CHECK(in_child(as_myself, (void *)folder) == 'h');
  int result = in_child(from_nowhere, (void *)folder);
  if (result == 77) printf("skipped: memfd_create cannot be forbidden here\n");
  else if (!CHECK(result == 0)) printf("  %d\n", result);
  umount(folder);
}
#else
static void full_disks_are_passed_over(void) {}
static void folders_without_code_are_used_or_named(void) {}
#endif

static int with_small_files(void *data) {
  struct rlimit limit = {512, 512};
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &limit);
  configure(data, chosen_compiler, 60);
  return build(44) == 'e' && strlen(last.message) > 20 ? 0 : 1;
}

static void no_room_anywhere_is_an_error(void) {
  CHECK(in_child(with_small_files, path_of("small-files")) == 0);
}

static void eviction_keeps_the_folder_small(void) {
  const char *folder = path_of("evict");
  use_folder("evict");
  CHECK(build(51) == 'c');
  int64_t files, bytes;
  rk_os_remove_folder(path_of("fallback"));
  rk_cache_usage(&files, &bytes, NULL);
  rk_settings settings = {.cache_limit = 3 * bytes};
  rk_build_configure(&settings, NULL);
  for (int k = 52; k < 57; k++) {
    struct timespec pause = {0, 2000000}; /* times of files are coarse */
    nanosleep(&pause, NULL);
    CHECK(build(k) == 'c');
    rk_cache_usage(&files, &bytes, NULL);
    CHECK(bytes <= settings.cache_limit);
  }
  CHECK(count(folder, ".so") >= 2);
  CHECK(build(56) == 'h');
  CHECK(build(51) == 'c');
  settings.cache_limit = 1; /* only the last one stays */
  rk_build_configure(&settings, NULL);
  CHECK(build(58) == 'c');
  CHECK(build(58) == 'h');
  CHECK(count(folder, ".so") == 1);
  CHECK(value_of(52) == 52); /* evicted files of kernels that are in use do no harm */
}

static void a_hit_is_a_use(void) {
  use_folder("use");
  CHECK(build(61) == 'c');
  const char *path = only_kernel(path_of("use"));
  struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
  utimensat(AT_FDCWD, path, old, 0);
  CHECK(build(61) == 'h');
  rk_file_info info;
  CHECK(rk_os_info(path, &info) && info.modified > INT64_C(1500000000) * 1000000000);
}

/* ---- compilers ------------------------------------------------------------------------------ */

static void a_missing_compiler_is_explained(void) {
  configure(path_of("errors"), "/nonexistent", 60);
  CHECK(build(71) == 'e' && last.status == RK_ERROR_COMPILE);
  CHECK(says("/nonexistent") && says("r-base-dev"));
  configure(path_of("errors"), NULL, 60);
  char *path = strdup(getenv("PATH"));
  setenv("PATH", "/nonexistent", 1);
  CHECK(build(71) == 'e' && last.status == RK_ERROR_COMPILE);
  CHECK(says("Looked for: cc, gcc, clang in PATH") && says("apt-get install"));
  write_script(path_of("Makeconf"), "CC =  gcc  \n");
  rk_settings settings = {.makeconf = path_of("Makeconf")};
  rk_build_configure(&settings, NULL);
  CHECK(build(71) == 'e' && says("Looked for: gcc (the compiler of R's Makeconf), cc, gcc"));
  settings.makeconf = "";
  rk_build_configure(&settings, NULL);
  setenv("PATH", path, 1);
  setenv("RKEOPS_CC", "/nonexistent/cc", 1);
  CHECK(build(71) == 'e' && says("RKEOPS_CC"));
  unsetenv("RKEOPS_CC");
  free(path);
}

static void other_flags_make_another_kernel(void) {
  rk_settings settings = {.makeconf = path_of("Makeconf")};
  use_folder("flags");
  CHECK(build(74) == 'c');
  write_script(path_of("Makeconf"), "CPICFLAGS = -fpic\n");
  rk_build_configure(&settings, NULL);
  CHECK(build(74) == 'c');
  settings.makeconf = "";
  rk_build_configure(&settings, NULL);
  CHECK(build(74) == 'h');
}

static void the_words_of_the_compiler_are_passed_on(void) {
  rk_kernel *kernel;
  use_folder("errors");
  const char *source = "int f(void) { return undeclared_thing; }\n";
  CHECK(build_text(source, NULL, NULL, &kernel) == RK_ERROR_COMPILE);
  CHECK(says("undeclared_thing") && says("kernel.c:1") && says("Command: ") && !says(base));
  CHECK(build(72) == 'c');
  rk_os_make_folder(path_of("my tools"));
  write_script(path_of("my tools/compiler"), "#!/bin/sh\nexec cc \"$@\"\n");
  configure(path_of("errors"), path_of("my tools/compiler"), 60);
  CHECK(build(71) == 'c');
  write_script(path_of("noisy"), "#!/bin/sh\nwhile :; do echo line after line; done\n");
  configure(path_of("errors"), path_of("noisy"), 0.2);
  CHECK(build(72) == 'e' && strlen(last.message) < 4096);
}

static void a_compiler_that_dies_is_explained(void) {
  write_script(path_of("dying"), "#!/bin/sh\n[ \"$1\" = --version ] && exit\nkill -SEGV $$\n");
  configure(path_of("errors"), path_of("dying"), 60);
  CHECK(build(73) == 'e' && last.status == RK_ERROR_COMPILE && says("signal 11"));
  write_script(path_of("lazy"), "#!/bin/sh\nexit 0\n");
  configure(path_of("errors"), path_of("lazy"), 60);
  CHECK(build(73) == 'e' && last.status == RK_ERROR_COMPILE && says("made no file"));
  write_script(path_of("lying"), "#!/bin/sh\n"
               "while [ $# -gt 0 ]; do [ \"$1\" = -o ] && echo nonsense > \"$2\"; shift; done\n");
  configure(path_of("errors"), path_of("lying"), 60);
  CHECK(build(73) == 'e' && says("could not be loaded"));
  use_folder("errors"); /* a kernel that cannot be loaded does not spoil the folder */
  rk_kernel *kernel;
  const char *source = "int no_such_function(void); int f(void) { return no_such_function(); }\n";
  CHECK(build_text(source, NULL, NULL, &kernel) != RK_OK && says("no_such_function"));
  CHECK(strcmp(rk_build_folder(), path_of("errors")) == 0);
  write_script(path_of("broken"), "#!/nonexistent/interpreter\n");
  configure(path_of("errors"), path_of("broken"), 60);
  CHECK(build(73) == 'e' && last.status == RK_ERROR_COMPILE && says("could not be started"));
}

/* The process of which `path` holds the number is gone: not running, not a zombie. */
static int is_gone(const char *path) {
  FILE *file = fopen(path, "r");
  int pid = 0;
  if (!file) return 0;
  if (fscanf(file, "%d", &pid) != 1) pid = 0;
  fclose(file);
  for (int k = 0; k < 100 && pid > 0; k++) { /* the system reaps orphans in its own time */
    if (kill(pid, 0) != 0 && errno == ESRCH) return 1;
    char name[64], text[256] = "";
    snprintf(name, sizeof name, "/proc/%d/stat", pid);
    FILE *stat_file = fopen(name, "r");
    size_t n = stat_file ? fread(text, 1, sizeof text - 1, stat_file) : 0;
    if (stat_file) fclose(stat_file);
    const char *state = n ? strrchr(text, ')') : NULL;
    if (state && state[2] == 'Z' && k == 99) return 1; /* a container without init */
    usleep(5000);
  }
  return 0;
}

/* A compiler of two processes that do not end: its child does `work`. */
static void write_endless(const char *name, const char *work) {
  rk_text text = {0};
  rk_text_format(&text, "#!/bin/sh\n[ \"$1\" = --version ] && { echo endless 1; exit; }\n"
                 "echo $$ > %s\n%s &\necho $! > %s\nwait\n", path_of("pid1"), work,
                 path_of("pid2"));
  write_script(path_of("%s", name), text.bytes);
  rk_text_free(&text);
}

static void write_hanging_script(void) { write_endless("hanging", "sleep 100"); }

static void a_hanging_compiler_is_killed(void) {
  write_hanging_script();
  configure(path_of("errors"), path_of("hanging"), 0.05);
  CHECK(build(74) == 'e' && last.status == RK_ERROR_COMPILE);
  CHECK(says("0.05 seconds of processor time, or 0.5 by the clock") && says("compile_timeout"));
  CHECK(is_gone(path_of("pid1")) && is_gone(path_of("pid2")));
  CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
  CHECK(count(path_of("errors"), "") == count(path_of("errors"), ".so") +
                                        count(path_of("errors"), ".txt"));
}

#if defined(__linux__)
/* Its child works, it waits: the time of all counts, long before the limit by the clock. */
static void a_compiler_that_computes_for_ever_is_killed(void) {
  write_endless("busy", "(while :; do :; done)");
  configure(path_of("errors"), path_of("busy"), 0.3);
  CHECK(build(76) == 'e' && last.status == RK_ERROR_COMPILE && says("0.3 seconds of processor"));
  CHECK(is_gone(path_of("pid1")) && is_gone(path_of("pid2")));
}
#else
static void a_compiler_that_computes_for_ever_is_killed(void) {}
#endif

/* A busy machine: it takes longer than the limit, but not of the processor's time. */
static void a_compiler_that_waits_is_not_killed(void) {
  write_compiler("waiting", "grep -q 'return 77;' \"$file\" 2>/dev/null && sleep 1.2");
  configure(path_of("waits"), path_of("waiting"), 1);
  CHECK(build(77) == 'c');
}

typedef struct {
  int calls, after;
  double start;
  int cancelled;
} polling;

static int cancel_soon(void *data, double done) {
  polling *seen = data;
  seen->calls++;
  seen->after += seen->cancelled;
  CHECK(done == -1);
  return seen->cancelled = rk_os_seconds() - seen->start >= 0.1;
}

static void compiling_can_be_cancelled(void) {
  rk_kernel *kernel;
  write_hanging_script();
  configure(path_of("errors"), path_of("hanging"), 60);
  polling seen = {.start = rk_os_seconds()};
  CHECK(build_text(source_of(75), cancel_soon, &seen, &kernel) == RK_CANCELLED);
  CHECK(last.status == RK_CANCELLED);
  CHECK(seen.calls >= 2 && seen.cancelled && !seen.after);
  CHECK(is_gone(path_of("pid1")) && is_gone(path_of("pid2")));
  use_folder("errors");
  CHECK(build(75) == 'c'); /* nothing is lost */
}

/* ---- side by side --------------------------------------------------------------------------- */

enum { SEVERAL = 4 };

/* Kernels of these values; a negative one is an error of the compiler, in that line. */
static rk_status build_several(const int *value, int n, int most, rk_poll poll, void *poll_data,
                               rk_to_build *list) {
  static char text[SEVERAL][200];
  for (int k = 0; k < n; k++) {
    if (value[k] < 0) snprintf(text[k], sizeof text[k], "int f(void) { return wrong_%d; }\n", -value[k]);
    else snprintf(text[k], sizeof text[k], "%s", source_of(value[k]));
    list[k].source = text[k];
  }
  memset(&last, 0, sizeof last);
  return rk_build_c(list, n, rk_os_vector_bytes(), most,
                        (rk_caller){poll, poll_data, &last});
}

static int gives(const rk_to_build *one, int value) {
  function f = one->kernel ? f_of(one->kernel) : NULL;
  return f && f() == value;
}

/* Each of them works only once another one has begun. */
static void kernels_are_compiled_side_by_side(void) {
  const int value[] = {501, 502, 503, 504};
  rk_to_build list[SEVERAL];
  write_compiler("meeting", "if grep -q 'return 50' -- \"$file\" 2>/dev/null; then\n"
                    "touch met-$$\nfor k in 1 2 3 4 5 6 7 8 9; do\nn=0\n"
                    "for met in met-*; do n=$((n + 1)); done\n[ $n -ge 2 ] && break\nsleep 1\n"
                    "done\n[ $n -ge 2 ] || exit 8\nfi");
  configure(path_of("side"), path_of("meeting"), 60);
  CHECK(build(490) == 'c');
  int64_t before = compiles();
  CHECK(build_several(value, SEVERAL, 2, NULL, NULL, list) == RK_OK);
  for (int k = 0; k < SEVERAL; k++) CHECK(gives(&list[k], value[k]));
  CHECK(compiles() == before + SEVERAL);
  use_folder("side");
  CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void what_is_there_or_equal_is_not_compiled(void) {
  const int value[] = {511, 512, 511, 513};
  rk_to_build list[SEVERAL];
  use_folder("side");
  CHECK(build(512) == 'c');
  int64_t compiled = compiles(), found = hits();
  CHECK(build_several(value, SEVERAL, SEVERAL, NULL, NULL, list) == RK_OK);
  for (int k = 0; k < SEVERAL; k++) CHECK(gives(&list[k], value[k]));
  CHECK(compiles() == compiled + 2 && hits() == found + 1 && list[0].kernel == list[2].kernel);
}

/* Also when a later one comes first; what lies before it is kept, what lies behind it is stopped. */
static void the_first_error_in_order_is_told(void) {
  const int value[] = {521, -522, -523, 524};
  rk_to_build list[SEVERAL];
  write_compiler("late", "grep -q wrong_522 -- \"$file\" 2>/dev/null && sleep 0.5\n"
                    "grep -q 'return 524' -- \"$file\" 2>/dev/null && sleep 50");
  configure(path_of("order"), path_of("late"), 60);
  double start = rk_os_seconds();
  for (int most = 1; most <= SEVERAL; most++) {
    CHECK(build_several(value, SEVERAL, most, NULL, NULL, list) == RK_ERROR_COMPILE);
    CHECK(says("wrong_522") && !says("wrong_523") && !list[1].kernel && !list[3].kernel);
  }
  CHECK(rk_os_seconds() - start < 40);
  CHECK(build(521) == 'h');
  CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
  CHECK(count(path_of("order"), "") == count(path_of("order"), ".so") +
                                       count(path_of("order"), ".txt"));
}

static void all_of_them_can_be_cancelled(void) {
  const int value[] = {531, 532, 533};
  rk_to_build list[SEVERAL];
  write_hanging_script();
  configure(path_of("errors"), path_of("hanging"), 60);
  polling seen = {.start = rk_os_seconds()};
  CHECK(build_several(value, 3, 2, cancel_soon, &seen, list) == RK_CANCELLED);
  CHECK(last.status == RK_CANCELLED && seen.cancelled && !seen.after);
  CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
  configure(path_of("errors"), path_of("hanging"), 0.05);
  CHECK(build_several(value, 3, 2, NULL, NULL, list) == RK_ERROR_COMPILE && says("compile_timeout"));
  CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
  use_folder("errors");
  CHECK(build_several(value, 3, 2, NULL, NULL, list) == RK_OK && gives(&list[2], 533));
}

static int without_sigchld(void *data) {
  (void)data;
  signal(SIGCHLD, SIG_IGN);
  use_folder("sigchld");
  return build(81) == 'c' && build(81) == 'h' ? 0 : 1;
}

static void hosts_that_ignore_their_children_are_served(void) {
  CHECK(in_child(without_sigchld, NULL) == 0);
}

static void flags_fall_back(void) {
  write_compiler("simple",
                 "case \"$*\" in *-march=native*|*-mavx*|*-mcpu*) echo no >&2; exit 1;; esac");
  configure(path_of("flags"), path_of("simple"), 60);
  CHECK(build(82) == 'c');
  rk_text report = {0};
  rk_build_report(&report);
  CHECK(strstr(report.bytes, "compiler flags:") && !strstr(report.bytes, "-march=native"));
  rk_text_free(&report);
}

static void the_report_has_its_lines(void) {
  const char *lines[] = {"compiler: /", "compiler version: ", "cpu features: ", "cache: "};
  rk_text report = {0};
  use_folder("report");
  rk_build_report(&report);
  for (size_t k = 0; k < sizeof lines / sizeof *lines; k++)
    CHECK(strstr(rk_text_string(&report), lines[k]) != NULL);
  rk_text_free(&report);
}

/* ---- descriptors ---------------------------------------------------------------------------- */

static void nothing_leaks(void) {
  rk_kernel *kernel;
  use_folder("leaks");
  CHECK(build(91) == 'c');
  int before = descriptors();
  for (int k = 0; k < 20; k++) build(91);
  build(92);
  build_text("int f(", NULL, NULL, &kernel);
  configure(path_of("leaks"), path_of("dying"), 60);
  build(93);
  configure(path_of("leaks"), path_of("broken"), 60);
  build(93);
  CHECK(descriptors() == before);
  CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void a_forked_child_can_build(void) {
  int number = 94;
  use_folder("forked");
  CHECK(!rk_os_forked());
  CHECK(build(93) == 'c');
  CHECK(in_child(build_in_child, &number) == 'c');
  CHECK(build(94) == 'h');
}

static int fresh(char **argv) {
  snprintf(base, sizeof base, "%s", argv[5]);
  chosen_compiler = *argv[3] ? argv[3] : NULL;
  configure(argv[2], chosen_compiler, 60);
  int result = build(atoi(argv[4]));
  fflush(NULL);
  _exit(result);
}

int main(int argc, char **argv) {
  if (argc == 6 && strcmp(argv[1], "--fresh") == 0) return fresh(argv);
  program = argv[0];
  chosen_compiler = argc > 1 ? argv[1] : NULL;
  umask(002); /* as on many systems: what compilers make is writable for the group then */
  snprintf(base, sizeof base, "%s/rkeops-test-XXXXXX", rk_os_temporary());
  if (!mkdtemp(base)) return 1;
  setenv("TMPDIR", base, 1);
  sha256_gives_the_standard_values();
  words_are_split_like_a_shell_does();
  second_build_is_a_disk_hit();
  many_kernels_are_not_confused();
  many_processes_build_the_same_at_once();
  processes_that_disturb_each_other_get_what_they_asked_for();
  other_threads_do_not_disturb();
  compiler_identity_is_part_of_the_key();
  damaged_entries_are_rebuilt();
  an_entry_under_another_name_does_not_count();
  links_and_foreign_files_do_not_count();
  unusable_folders_are_passed_over();
  read_only_folder_gives_hits();
  a_private_folder_is_the_last_resort_and_removed();
  full_disks_are_passed_over();
  folders_without_code_are_used_or_named();
  no_room_anywhere_is_an_error();
  eviction_keeps_the_folder_small();
  a_hit_is_a_use();
  a_missing_compiler_is_explained();
  other_flags_make_another_kernel();
  the_words_of_the_compiler_are_passed_on();
  a_compiler_that_dies_is_explained();
  a_hanging_compiler_is_killed();
  a_compiler_that_computes_for_ever_is_killed();
  a_compiler_that_waits_is_not_killed();
  compiling_can_be_cancelled();
  kernels_are_compiled_side_by_side();
  what_is_there_or_equal_is_not_compiled();
  the_first_error_in_order_is_told();
  all_of_them_can_be_cancelled();
  hosts_that_ignore_their_children_are_served();
  flags_fall_back();
  the_report_has_its_lines();
  nothing_leaks();
  a_forked_child_can_build();
  rk_os_remove_folder(base);
  return check_end();
}
