/* Which processors this process may use: those that are online, those of its affinity mask, and as
 * many as the quota of its control groups pays for.
 *
 * The mask is that of the calling thread, with one exception. Where OMP_PROC_BIND, OMP_PLACES or
 * GOMP_CPU_AFFINITY is set, a runtime of OpenMP that something else in the process loaded (a BLAS,
 * another package) binds the thread that loads it to one place, often one processor, and nothing in
 * the system remembers what it had before. The runtime does: its places together are what it found,
 * or what OMP_PLACES says. So a mask that is exactly one place of a runtime stands for all of them,
 * and threads of ours are given all of them; the bound thread itself stays as it is. A mask that
 * the user narrows later, at run time, is no place and is taken at its word. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif
#if defined(_WIN32) && !defined(_WIN32_WINNT)
#define _WIN32_WINNT 0x0601 /* GetActiveProcessorCount */
#endif

#include "os.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(_WIN32)
#include <windows.h>
#else
#include <unistd.h>
#endif

#if defined(__linux__)
#include <dlfcn.h>
#include <link.h>
#include <sched.h>

/* ---- masks ---------------------------------------------------------------------------------- */

typedef struct { size_t bytes; void *bits; } mask_set;

/* The kernel refuses a mask with less room than it has processors. */
static const size_t least_bytes = 128, most_bytes = 1 << 17;

static void free_mask(mask_set *mask) {
  free(mask->bits);
  *mask = (mask_set){0};
}

static int make_mask(mask_set *mask, size_t bytes) {
  *mask = (mask_set){.bytes = bytes, .bits = calloc(bytes, 1)};
  return mask->bits != NULL;
}

/* The mask of the calling thread; 0: the system does not say. */
static int read_mask(mask_set *mask) {
  static size_t fitting = 0;
  for (size_t bytes = fitting ? fitting : least_bytes; bytes <= most_bytes; bytes *= 2) {
    if (!make_mask(mask, bytes)) return 0;
    if (sched_getaffinity(0, bytes, (cpu_set_t *)mask->bits) == 0) {
      fitting = bytes;
      return 1;
    }
    free_mask(mask);
    if (errno != EINVAL) return 0;
  }
  return 0;
}

static int is_in(const mask_set *mask, int processor) {
  const unsigned long *word = mask->bits;
  size_t bits = 8 * sizeof *word, k = (size_t)processor;
  return processor >= 0 && k / 8 < mask->bytes && (word[k / bits] >> k % bits & 1);
}

static void put_in(const mask_set *mask, int processor) {
  unsigned long *word = mask->bits;
  size_t bits = 8 * sizeof *word, k = (size_t)processor;
  if (processor >= 0 && k / 8 < mask->bytes) word[k / bits] |= 1UL << k % bits;
}

static int count(const mask_set *mask) {
  int n = 0;
  for (size_t k = 0; k < 8 * mask->bytes; k++) n += is_in(mask, (int)k);
  return n;
}

static int same(const mask_set *a, const mask_set *b) {
  return a->bytes == b->bytes && memcmp(a->bits, b->bits, a->bytes) == 0;
}

/* ---- places of OpenMP ----------------------------------------------------------------------- */

typedef struct {
  int (*places)(void), (*size)(int place);
  void (*processors)(int place, int *processor);
} openmp;

/* The path of the library of a runtime that is loaded, after `skip` others. */
typedef struct { int skip; char path[4096]; } search;

static int match(struct dl_phdr_info *info, size_t size, void *data) {
  static const char *const names[] = {"libgomp", "libomp", "libiomp"};
  search *s = data;
  const char *slash = strrchr(info->dlpi_name, '/'), *name = slash ? slash + 1 : info->dlpi_name;
  (void)size;
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
    if (strncmp(name, names[k], strlen(names[k])) != 0 || s->skip-- > 0) continue;
    return snprintf(s->path, sizeof s->path, "%s", info->dlpi_name) < (int)sizeof s->path;
  }
  return 0;
}

static int ask_for_places(const char *library, openmp *runtime) {
  void *handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
  if (!handle) return 0;
  void *places = dlsym(handle, "omp_get_num_places");
  void *size = dlsym(handle, "omp_get_place_num_procs");
  void *processors = dlsym(handle, "omp_get_place_proc_ids");
  memcpy(&runtime->places, &places, sizeof places);
  memcpy(&runtime->size, &size, sizeof size);
  memcpy(&runtime->processors, &processors, sizeof processors);
  dlclose(handle);
  return places && size && processors;
}

/* Adds the place to `all`; 1 when the mask is exactly this place. */
static int add_place(const openmp *runtime, int place, const mask_set *mask,
                     const mask_set *all) {
  int n = runtime->size(place), inside = 0;
  int *processor = n > 0 ? calloc((size_t)n, sizeof *processor) : NULL;
  if (!processor) return 0;
  runtime->processors(place, processor);
  for (int k = 0; k < n; k++) {
    put_in(all, processor[k]);
    inside += is_in(mask, processor[k]);
  }
  free(processor);
  return inside == n && n == count(mask);
}

static int use(const mask_set *mask) {
  return sched_setaffinity(0, mask->bytes, (cpu_set_t *)mask->bits) == 0;
}

/* Leaves in `all` what there is of it: a variable may name processors that the machine, or the
 * process, does not have. The kernel knows when it is asked to use them. */
static int keep_usable(const mask_set *mask, mask_set *all) {
  mask_set usable = {0};
  int good = use(all) && read_mask(&usable);
  use(mask);
  free_mask(all);
  *all = usable;
  return good;
}

/* 1 when `mask` is one of several places of a runtime; `all` is then all of them. */
static int is_place(const mask_set *mask, mask_set *all) {
  for (int k = 0;; k++) {
    search s = {.skip = k};
    openmp runtime;
    int bound = 0;
    if (!dl_iterate_phdr(match, &s)) return 0;
    if (!ask_for_places(s.path, &runtime) || !make_mask(all, mask->bytes)) continue;
    for (int p = 0; p < runtime.places(); p++) bound |= add_place(&runtime, p, mask, all);
    if (bound && keep_usable(mask, all) && !same(mask, all)) return 1;
    free_mask(all);
  }
}

/* ---- what is found -------------------------------------------------------------------------- */

/* The last mask that was seen, and what it stands for when it is a place. */
static mask_set seen, unbound;
static int usable; /* processors of what it stands for */
static int64_t changes;

static void look(void) {
  mask_set now;
  if (!read_mask(&now)) return;
  if (seen.bits && same(&seen, &now)) {
    free_mask(&now);
    return;
  }
  free_mask(&seen);
  free_mask(&unbound);
  seen = now;
  changes++;
  usable = count(&seen);
  if (usable < rk_os_online() && is_place(&seen, &unbound)) usable = count(&unbound);
}

int rk_os_affinity(void) {
  look();
  return usable;
}

int64_t rk_os_affinity_changes(void) {
  look();
  return changes;
}

int rk_os_bound(void) {
  look();
  return unbound.bits != NULL;
}

void rk_os_unbind(void) {
  if (rk_os_bound()) use(&unbound);
}

void rk_os_rebind(void) {
  if (unbound.bits) use(&seen);
}

/* ---- control groups ------------------------------------------------------------------------- */

enum { LINE = 8192 };

/* Version 1 of control groups has hierarchies with some controllers each, version 2 one with all of
 * them (they may be there together). A process has a path in each; a limit may stand at any level
 * of it, and the least one holds. */
typedef struct {
  int version;
  const char *point; /* where the hierarchy is mounted */
  char *group;       /* path of the process's group below that, "" or "/a/b" */
} hierarchy;

static int has_word(const char *list, const char *word) {
  size_t n = strlen(word);
  for (const char *p = strstr(list, word); p; p = strstr(p + 1, word))
    if ((p == list || p[-1] == ',') && (!p[n] || p[n] == ',')) return 1;
  return 0;
}

static FILE *open_in(const char *folder, const char *name) {
  rk_text path = {0};
  rk_text_format(&path, "%s/%s", folder, name);
  FILE *file = path.failed ? NULL : fopen(path.bytes, "re");
  rk_text_free(&path);
  return file;
}

/* The path of the process in the hierarchy with the controller "cpu", into `group`; lines are
 * "4:cpu,cpuacct:/a/b", for version 2 "0::/a/b". */
static int find_group(const char *process, int version, char *group) {
  FILE *file = open_in(process, "cgroup");
  char line[LINE];
  int found = 0;
  while (file && !found && fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    char *controllers = strchr(line, ':'), *path = controllers ? strchr(++controllers, ':') : NULL;
    if (!path) continue;
    *path++ = 0;
    found = version == 2 ? !*controllers : has_word(controllers, "cpu");
    if (found) memcpy(group, path, strlen(path) + 1);
  }
  if (file) fclose(file);
  return found;
}

/* Quota over period of one level, rounded up; 0: none. */
static int level_quota(const hierarchy *h) {
  rk_text folder = {0};
  rk_text_format(&folder, "%s%s", h->point, h->group);
  long long quota = 0, period = 0;
  FILE *file = folder.failed ? NULL
             : open_in(folder.bytes, h->version == 2 ? "cpu.max" : "cpu.cfs_quota_us");
  int read = file ? fscanf(file, "%lld %lld", &quota, &period) : 0; /* "max ...": nothing */
  if (file) fclose(file);
  if (h->version == 1 && read == 1 && (file = open_in(folder.bytes, "cpu.cfs_period_us"))) {
    read += fscanf(file, "%lld", &period);
    fclose(file);
  }
  rk_text_free(&folder);
  if (read != 2 || quota <= 0 || period <= 0) return 0;
  return quota / period >= INT_MAX ? 0 : (int)((quota + period - 1) / period);
}

static int hierarchy_quota(hierarchy *h) {
  int least = 0;
  for (;;) {
    int quota = level_quota(h);
    if (quota && (!least || quota < least)) least = quota;
    char *last = strrchr(h->group, '/');
    if (!last) return least;
    *last = 0;
  }
}

/* A line of mountinfo: "32 31 0:29 <root> <point> <options> [...] - <type> <source> <options>".
 * `root` is the group that is mounted there: a container may see its own one as the top. */
static int mount_quota(const char *process, char *line) {
  char root[LINE], point[LINE], type[LINE], options[LINE], group[LINE];
  const char *rest = strstr(line, " - ");
  if (!rest || sscanf(line, "%*s %*s %*s %8191s %8191s", root, point) != 2) return 0;
  if (sscanf(rest, " - %8191s %*s %8191s", type, options) != 2) return 0;
  int version = strcmp(type, "cgroup2") == 0 ? 2
              : strcmp(type, "cgroup") == 0 && has_word(options, "cpu") ? 1 : 0;
  if (!version || !find_group(process, version, group)) return 0;
  size_t above = strcmp(root, "/") == 0 ? 0 : strlen(root);
  char *below = group;
  if (strncmp(group, root, above) == 0 && (group[above] == '/' || !group[above])) below += above;
  else *below = 0;                                        /* the mounted group is all we see */
  if (strcmp(below, "/") == 0 || strstr(below, "/..")) *below = 0;
  hierarchy h = {.version = version, .point = point, .group = below};
  return hierarchy_quota(&h);
}

int rk_os_quota_of(const char *process) {
  FILE *file = open_in(process, "mountinfo");
  char line[LINE];
  int least = 0;
  while (file && fgets(line, sizeof line, file)) {
    int quota = mount_quota(process, line);
    if (quota && (!least || quota < least)) least = quota;
  }
  if (file) fclose(file);
  return least;
}

/* Asked for once: the files are read at each call otherwise. */
int rk_os_quota(void) {
  static int quota = -1;
  if (quota < 0) quota = rk_os_quota_of("/proc/self");
  return quota;
}

#else

#if defined(_WIN32)
int rk_os_affinity(void) {
  DWORD_PTR mine = 0, all = 0;
  int n = 0;
  if (!GetProcessAffinityMask(GetCurrentProcess(), &mine, &all)) return 0;
  for (; mine; mine &= mine - 1) n++;
  return n; /* 0: the process has processors of several groups */
}
#else
int rk_os_affinity(void) { return 0; }
#endif

int64_t rk_os_affinity_changes(void) { return 0; }
int rk_os_bound(void) { return 0; }
void rk_os_unbind(void) {}
void rk_os_rebind(void) {}
int rk_os_quota_of(const char *process) { return (void)process, 0; }
int rk_os_quota(void) { return 0; }

#endif

int rk_os_online(void) {
  static int online;
#if defined(_WIN32)
  if (!online) online = (int)GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
#else
  if (!online) online = (int)sysconf(_SC_NPROCESSORS_ONLN);
#endif
  return online = online > 0 ? online : 1;
}

int rk_os_processors(void) {
  int n = rk_os_online(), affinity = rk_os_affinity(), quota = rk_os_quota();
  if (affinity) n = affinity;
  return quota && quota < n ? quota : n;
}
