/* The system, POSIX part (Linux, macOS, other Unix); os_windows.c holds the same for Windows and
 * os_cpu.c what depends on the processor.
 *
 * A compiler is run from a multithreaded process that is not ours: so posix_spawn, no shell, no
 * signal handlers, no waiting for children that we did not start, and every descriptor
 * close-on-exec. */
#if !defined(_WIN32)
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* pipe2 */
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "os.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#if defined(__linux__)
#include <sys/sendfile.h>
#include <sys/syscall.h>
#endif
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "error.h"

extern char **environ;

/* ---- processes ------------------------------------------------------------------------------ */

static int set_flags(int fd) {
  return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

/* The child gets a duplicate of the writing end, which must block: some compilers do not retry. */
static int make_pipe(int ends[2]) {
#if defined(__linux__)
  if (pipe2(ends, O_CLOEXEC) != 0) return 0;
#else
  if (pipe(ends) != 0) return 0;
  fcntl(ends[1], F_SETFD, FD_CLOEXEC);
#endif
  if (set_flags(ends[0])) return 1;
  close(ends[0]);
  close(ends[1]);
  return 0;
}

/* Own copy of the environment with LC_ALL=C (the texts of compilers go into keys and messages) and
 * TMPDIR. Only the vector is new; `settings` keeps the two strings. */
static char **make_environment(const char *temporary, rk_text *settings) {
  size_t n = 0;
  while (environ && environ[n]) n++;
  char **copy = malloc((n + 3) * sizeof *copy);
  if (!copy) return NULL;
  if (temporary) rk_text_format(settings, "TMPDIR=%s", temporary);
  size_t kept = 0;
  for (size_t k = 0; k < n; k++) {
    if (strncmp(environ[k], "LC_ALL=", 7) == 0) continue;
    if (temporary && strncmp(environ[k], "TMPDIR=", 7) == 0) continue;
    copy[kept++] = environ[k];
  }
  static char locale[] = "LC_ALL=C";
  copy[kept++] = locale;
  if (temporary && settings->bytes) copy[kept++] = settings->bytes;
  copy[kept] = NULL;
  return copy;
}

/* Default signals: R ignores SIGPIPE, and a thread may have blocked others. */
static int set_attributes(posix_spawnattr_t *attributes) {
  sigset_t none, reset;
  sigemptyset(&none);
  sigemptyset(&reset);
  const int signals[] = {SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGCHLD, SIGHUP, SIGXFSZ};
  for (size_t k = 0; k < sizeof signals / sizeof *signals; k++) sigaddset(&reset, signals[k]);
  return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF) == 0 &&
         posix_spawnattr_setpgroup(attributes, 0) == 0 &&
         posix_spawnattr_setsigmask(attributes, &none) == 0 &&
         posix_spawnattr_setsigdefault(attributes, &reset) == 0;
}

/* 0 or an error number. */
static int spawn(const rk_process *process, int output, pid_t *pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  rk_text settings = {0};
  char **environment = make_environment(process->temporary, &settings);
  if (!environment) return ENOMEM;
  int failed = posix_spawn_file_actions_init(&actions);
  if (!failed) {
    failed = posix_spawnattr_init(&attributes);
    if (!failed) {
      if (posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) != 0 ||
          posix_spawn_file_actions_adddup2(&actions, output, 1) != 0 ||
          posix_spawn_file_actions_adddup2(&actions, output, 2) != 0 ||
          !set_attributes(&attributes))
        failed = ENOMEM;
      /* posix_spawn promises not to change the strings */
      union { const char *const *in; char *const *out; } arguments = {process->arguments};
      if (!failed)
        failed = posix_spawn(pid, process->arguments[0], &actions, &attributes, arguments.out,
                             environment);
      posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
  }
  free(environment);
  rk_text_free(&settings);
  return failed;
}

/* Reads what is there. 1 at the end of the stream. */
static int drain(int fd, const rk_process *process, rk_text *output) {
  char buffer[4096];
  for (;;) {
    ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0) return errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
    if (n == 0) return 1;
    size_t room = output->length < process->output_limit
                    ? process->output_limit - output->length : 0;
    rk_text_bytes(output, buffer, (size_t)n < room ? (size_t)n : room);
  }
}

/* 1 when the process is gone; it is reaped then. A host that ignores SIGCHLD, or reaps every
 * child, takes the exit code from us: the caller then goes by the file that should be there. */
static int reap(pid_t pid, int options, rk_process_result *result) {
  int status = 0;
  pid_t got;
  do got = waitpid(pid, &status, options); while (got < 0 && errno == EINTR);
  if (got == 0) return 0;
  if (got == pid && WIFEXITED(status)) result->exit_code = WEXITSTATUS(status);
  if (got == pid && WIFSIGNALED(status)) result->signal = WTERMSIG(status);
  return 1;
}

/* The group is killed before its leader is reaped: until then its number cannot be used again. */
static void kill_group(pid_t pid, rk_process_result *result) {
  kill(-pid, SIGKILL);
  kill(pid, SIGKILL);
  reap(pid, 0, result);
}

/* ---- how long a process may take ---- */

typedef struct {
  pid_t group;
  uint64_t ticks;
} group_time;

/* The fields of /proc/<pid>/stat behind the name, which may have parentheses of its own. Children
 * that were waited for are counted in the times of their parents. */
static void add_time(void *data, const char *name) {
  group_time *total = data;
  char path[64], text[1024];
  int group;
  unsigned long long user, system;
  long long children_user, children_system;
  if (!rk_is_digit(*name) || strlen(name) > 20) return;
  snprintf(path, sizeof path, "/proc/%s/stat", name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  if (n <= 0) return;
  text[n] = 0;
  const char *fields = strrchr(text, ')');
  if (fields && sscanf(fields, ") %*c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld",
                       &group, &user, &system, &children_user, &children_system) == 5 &&
      group == total->group)
    total->ticks += user + system + (uint64_t)(children_user + children_system);
}

/* Processor time of all processes of a group, 0 where the system does not tell. */
static double group_seconds(pid_t group) {
  group_time total = {.group = group};
  rk_os_list("/proc", add_time, &total); /* nothing is found there save on Linux */
  return (double)total.ticks / (double)sysconf(_SC_CLK_TCK);
}

/* Processor time is looked at only when the clock says that it may be too much. */
static int takes_too_long(const rk_process *process, pid_t group, double start, double *looked) {
  double now = rk_os_seconds();
  if (now - start > RK_PATIENCE * process->timeout) return 1;
  if (now - start <= process->timeout || now - *looked < 0.1) return 0;
  *looked = now;
  return group_seconds(group) > process->timeout;
}

/* ---- several side by side ---- */

typedef struct {
  pid_t pid;             /* 0: not begun, or gone */
  int fd;                /* the end of its output that we read; -1 when that has come to its end */
  double start, looked;
} child;

typedef struct {
  const rk_process *process;
  rk_process_result *result;
  child *child;
  struct pollfd *entry;
  int n, begun, running;
  int end;               /* what lies behind it is not wanted any more */
} family;

static int can_begin(const family *all, int most) {
  return all->begun < all->end && all->running < most;
}

static rk_status begin(family *all, rk_error *error) {
  const int k = all->begun;
  int ends[2];
  if (!make_pipe(ends))
    return rk_fail_system(error, "A pipe could not be made: %s.", rk_os_reason());
  int failed = spawn(&all->process[k], ends[1], &all->child[k].pid);
  close(ends[1]);
  if (!failed) {
    all->child[k].fd = ends[0];
    all->child[k].start = all->child[k].looked = rk_os_seconds();
    all->begun++;
    all->running++;
    return RK_OK;
  }
  all->child[k].pid = 0;
  close(ends[0]);
  errno = failed;
  return rk_fail_system(error, "%s could not be started: %s.", all->process[k].arguments[0],
                        rk_os_reason());
}

/* One that is gone. */
static void part(family *all, int k) {
  child *c = &all->child[k];
  if (c->fd >= 0) {
    drain(c->fd, &all->process[k], &all->result[k].output);
    close(c->fd);
  }
  c->fd = -1;
  c->pid = 0;
  all->running--;
}

static void stop(family *all, int k, rk_process_end why) {
  all->result[k].end = why;
  kill_group(all->child[k].pid, &all->result[k]);
  part(all, k);
}

static void stop_behind(family *all, int first, rk_process_end why) {
  for (int k = first; k < all->n; k++) {
    if (all->child[k].pid) stop(all, k, why);
    else if (k >= all->begun) all->result[k].end = why;
  }
}

/* Reads what one says, and notes its end. The end of the pipe mostly means that the process ends;
 * but it may close its output and go on, or end and leave the pipe to somebody else. 1: it has said
 * all, or is gone. */
static int visit(family *all, int k) {
  child *c = &all->child[k];
  rk_process_result *result = &all->result[k];
  int news = c->fd >= 0 && drain(c->fd, &all->process[k], &result->output);
  if (news) {
    close(c->fd);
    c->fd = -1;
  }
  if (reap(c->pid, WNOHANG, result)) part(all, k);
  else if (takes_too_long(&all->process[k], c->pid, c->start, &c->looked))
    stop(all, k, RK_PROCESS_TIMED_OUT);
  if (c->pid) return news;
  if (rk_os_failed(result) && k < all->end) {
    all->end = k;
    stop_behind(all, k + 1, RK_PROCESS_DROPPED);
  }
  return 1;
}

/* Any output, or end of output, ends the sleep. */
static void sleep_on(family *all, double seconds) {
  nfds_t open = 0;
  for (int k = 0; k < all->begun; k++)
    if (all->child[k].pid && all->child[k].fd >= 0)
      all->entry[open++] = (struct pollfd){.fd = all->child[k].fd, .events = POLLIN};
  int milliseconds = (int)(seconds * 1000);
  if (open) poll(all->entry, open, milliseconds < 1 ? 1 : milliseconds);
  else rk_os_sleep(seconds);
}

/* Sleeps grow from 1 to 20 ms, so that neither short compiles nor the machine notice. */
static rk_status attend(family *all, int most, rk_caller caller) {
  double last_poll = rk_os_seconds(), pause = 0.001;
  for (;;) {
    while (can_begin(all, most)) {
      rk_status status = begin(all, caller.error);
      if (status) return status;
      pause = 0.001;
    }
    for (int k = 0; k < all->begun; k++)
      if (all->child[k].pid && visit(all, k)) pause = 0.0005;
    if (can_begin(all, most)) continue;
    if (!all->running) return RK_OK;
    double now = rk_os_seconds();
    if (caller.poll && now - last_poll >= 0.015) {
      last_poll = now;
      if (caller.poll(caller.data, -1)) {
        stop_behind(all, 0, RK_PROCESS_CANCELLED);
        return RK_OK;
      }
    }
    sleep_on(all, pause);
    if (pause < 0.02) pause *= 1.5;
  }
}

rk_status rk_os_run_all(const rk_process *process, int n, int most, rk_caller caller,
                        rk_process_result *result) {
  family all = {.process = process, .result = result, .n = n, .end = n,
                .child = calloc((size_t)n, sizeof *all.child),
                .entry = calloc((size_t)n, sizeof *all.entry)};
  for (int k = 0; k < n; k++) result[k] = (rk_process_result){0};
  rk_status status = all.child && all.entry
                         ? attend(&all, most < 1 ? 1 : most, caller)
                         : rk_fail_memory(caller.error, (size_t)n * sizeof *all.child);
  if (status && all.child) stop_behind(&all, 0, RK_PROCESS_DROPPED);
  free(all.child);
  free(all.entry);
  return status;
}

static int is_program(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

static char *stolen(rk_text *text) {
  char *bytes = rk_text_steal(text);
  if (!bytes) errno = ENOMEM;
  return bytes;
}

char *rk_os_find_program(const char *name) {
  rk_text path = {0};
  errno = ENOENT;
  if (!*name) return NULL;
  if (strchr(name, '/')) {
    if (!is_program(name)) return errno = ENOENT, NULL;
    rk_text_add(&path, name);
    return stolen(&path);
  }
  const char *folder = getenv("PATH");
  if (!folder) folder = "/usr/local/bin:/usr/bin:/bin";
  for (;;) {
    size_t n = strcspn(folder, ":");
    rk_text_clear(&path);
    rk_text_bytes(&path, n ? folder : ".", n ? n : 1);
    rk_text_format(&path, "/%s", name);
    if (path.failed || is_program(path.bytes)) return stolen(&path);
    if (!folder[n]) break;
    folder += n + 1;
  }
  rk_text_free(&path);
  return errno = ENOENT, NULL;
}

int64_t rk_os_process_id(void) { return (int64_t)getpid(); }

static volatile sig_atomic_t forks;
static void note_fork(void) { forks++; }
static void watch_forks(void) { pthread_atfork(NULL, NULL, note_fork); }

int rk_os_forks(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_forks);
  return (int)forks;
}

int rk_os_forked(void) { return rk_os_forks() > 0; }

/* ---- threads -------------------------------------------------------------------------------- */

struct rk_os_thread {
  pthread_t id;
  void (*work)(void *data);
  void *data;
};

static void *thread_main(void *of) {
  rk_os_thread *thread = of;
  thread->work(thread->data);
  return NULL;
}

/* A new thread has the masks of its maker: no signals, and the processors of the process, also
 * where the maker has been bound to one of them. */
static int create(rk_os_thread *thread, const pthread_attr_t *attributes) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  rk_os_unbind();
  int failed = pthread_create(&thread->id, attributes, thread_main, thread);
  rk_os_rebind();
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return !failed;
}

/* The system's default may be all of `ulimit -s`, a gigabyte with some schedulers, or as little as
 * 512 kB (macOS). Kernels keep what is large on the heap. */
static const size_t stack_bytes = 2 << 20;

rk_os_thread *rk_os_thread_start(void (*work)(void *data), void *data) {
  rk_os_thread *thread = malloc(sizeof *thread);
  pthread_attr_t attributes;
  if (!thread || pthread_attr_init(&attributes) != 0) {
    free(thread);
    return NULL;
  }
  *thread = (rk_os_thread){.work = work, .data = data};
  pthread_attr_setstacksize(&attributes, stack_bytes);
  int created = create(thread, &attributes);
  pthread_attr_destroy(&attributes);
  if (created) return thread;
  free(thread);
  return NULL;
}

void rk_os_thread_join(rk_os_thread *thread) {
  pthread_join(thread->id, NULL);
  free(thread);
}

void rk_os_yield(void) { sched_yield(); }

struct rk_os_monitor {
  pthread_mutex_t lock;
  pthread_cond_t place[2];
};

rk_os_monitor *rk_os_monitor_new(void) {
  rk_os_monitor *monitor = malloc(sizeof *monitor);
  if (!monitor) return NULL;
  pthread_mutex_init(&monitor->lock, NULL);
  for (int k = 0; k < 2; k++) pthread_cond_init(&monitor->place[k], NULL);
  return monitor;
}

void rk_os_enter(rk_os_monitor *monitor) { pthread_mutex_lock(&monitor->lock); }
void rk_os_leave(rk_os_monitor *monitor) { pthread_mutex_unlock(&monitor->lock); }
void rk_os_wake(rk_os_monitor *monitor, int place) { pthread_cond_signal(&monitor->place[place]); }
void rk_os_wait(rk_os_monitor *monitor, int place) {
  pthread_cond_wait(&monitor->place[place], &monitor->lock);
}

/* ---- libraries ------------------------------------------------------------------------------ */

void *rk_os_open_library(const char *path, rk_text *reason) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library) return library;
  const char *text = dlerror();
  if (reason) rk_text_add(reason, text ? text : "unknown reason");
  return NULL;
}

void *rk_os_symbol(void *library, const char *name) { return dlsym(library, name); }

int rk_os_library_path(void *library, const char *symbol, rk_text *path) {
  Dl_info info;
  void *address = dlsym(library, symbol);
  if (!address || !dladdr(address, &info) || !info.dli_fname || !*info.dli_fname) return 0;
  char *real = rk_os_absolute(info.dli_fname);
  rk_text_add(path, real ? real : info.dli_fname);
  free(real);
  return 1;
}

#if defined(__linux__)
/* The loader takes a name that it has seen for the library it had then, and descriptors are
 * numbered again and again. So each load spells the path in its own way: bit k of a counter says
 * whether the k-th separator is "/" or "/./". Which file it is, is found by device and inode. */
static void spell_descriptor(char *path, size_t size, int handle) {
  static uint32_t loads = 0;
  uint32_t count = ++loads;
  size_t n = (size_t)snprintf(path, size, "/proc/self/fd");
  for (int bit = 0; bit < 32; bit++) {
    const char *part = (count >> bit & 1) ? "/." : "/";
    n += (size_t)snprintf(path + n, size - n, "%s", part);
  }
  snprintf(path + n, size - n, "/%d", handle);
}
#endif

#if defined(__linux__)
/* NULL when /proc is not mounted, too: then `reason` stays empty. */
static void *open_descriptor(int handle, rk_text *reason) {
  char name[160];
  struct stat by_handle, by_name;
  spell_descriptor(name, sizeof name, handle);
  if (fstat(handle, &by_handle) != 0 || stat(name, &by_name) != 0 ||
      by_handle.st_dev != by_name.st_dev || by_handle.st_ino != by_name.st_ino)
    return NULL;
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  const char *text = library ? NULL : dlerror();
  size_t n = strlen(name);
  if (text && strncmp(text, name, n) == 0 && strncmp(text + n, ": ", 2) == 0) text += n + 2;
  if (reason && !library) rk_text_add(reason, text ? text : "unknown reason");
  return library;
}

/* The folder is mounted noexec, or a policy forbids it; errno says which. */
static int forbids_code(int handle) {
  void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, handle, 0);
  if (code == MAP_FAILED) return errno == EPERM || errno == EACCES;
  munmap(code, 4096);
  return 0;
}

/* A copy from which code may be loaded, since it lies in no folder; -1 when that is not to be had.
 * Kernels of which the system wants to be told so want the flag, older ones do not know it. */
static int copy_in_memory(int handle) {
  enum { CLOSED_BY_EXEC = 1, MAY_BE_RUN = 0x10 }; /* MFD_CLOEXEC, MFD_EXEC */
  struct stat info;
#if defined(SYS_memfd_create)
  int copy = (int)syscall(SYS_memfd_create, "rkeops", CLOSED_BY_EXEC | MAY_BE_RUN);
  if (copy < 0) copy = (int)syscall(SYS_memfd_create, "rkeops", CLOSED_BY_EXEC);
#else
  int copy = -1;
#endif
  if (copy < 0 || fstat(handle, &info) != 0) return copy;
  off_t at = 0;
  while (at < info.st_size && sendfile(copy, handle, &at, (size_t)(info.st_size - at)) > 0) {}
  if (at == info.st_size) return copy;
  close(copy);
  return -1;
}

static void *open_copy(int handle, rk_text *reason) {
  int copy = copy_in_memory(handle);
  void *library = copy >= 0 && !forbids_code(copy) ? open_descriptor(copy, reason) : NULL;
  if (copy >= 0) close(copy);
  return library;
}
#endif

void *rk_os_open_library_handle(int handle, const char *path, rk_text *reason) {
#if defined(__linux__)
  rk_text said = {0};
  void *library = open_descriptor(handle, &said);
  if (!library && said.length && forbids_code(handle)) {
    const char *why = rk_os_reason(); /* that code may not be loaded from there */
    rk_text_clear(&said);
    rk_text_format(&said, "code in it may not be run (%s; is it mounted noexec?)", why);
    library = open_copy(handle, NULL);
  }
  int is_known = library || said.length || said.failed;
  if (reason && !library) rk_text_add(reason, rk_text_string(&said));
  rk_text_free(&said);
  if (is_known) return library;
#else
  (void)handle;
#endif
  return rk_os_open_library(path, reason); /* /proc is not mounted, or there is none */
}

/* ---- files ---------------------------------------------------------------------------------- */

static int64_t modified(const struct stat *info) {
#if defined(__APPLE__)
  return (int64_t)info->st_mtimespec.tv_sec * 1000000000 + info->st_mtimespec.tv_nsec;
#else
  return (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec;
#endif
}

int rk_os_info(const char *path, rk_file_info *info) {
  struct stat found;
  if (stat(path, &found) != 0) return 0;
  *info = (rk_file_info){(int64_t)found.st_size, modified(&found), S_ISDIR(found.st_mode)};
  return 1;
}

/* Up to n bytes; how many there were. */
static size_t read_bytes(int fd, char *bytes, size_t n) {
  size_t done = 0;
  while (done < n) {
    ssize_t got = read(fd, bytes + done, n - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += (size_t)got;
  }
  return done;
}

static int write_bytes(int fd, const char *bytes, size_t n) {
  size_t done = 0;
  while (done < n) {
    ssize_t put = write(fd, bytes + done, n - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return 0;
    done += (size_t)put;
  }
  return 1;
}

int rk_os_read(const char *path, char **bytes, size_t *n) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  struct stat info;
  int good = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size < INT32_MAX;
  *bytes = good ? malloc((size_t)info.st_size + 1) : NULL;
  if (*bytes) {
    *n = read_bytes(fd, *bytes, (size_t)info.st_size);
    (*bytes)[*n] = 0;
  }
  close(fd);
  if (!*bytes) errno = good ? ENOMEM : EINVAL;
  return *bytes != NULL;
}

static const char *not_mine(const struct stat *info) {
  if (info->st_uid != geteuid() && info->st_uid != 0) return "belongs to another user";
  if (info->st_mode & (S_IWGRP | S_IWOTH)) return "is writable for other users";
  return NULL;
}

int rk_os_open_private(const char *path, size_t limit, rk_private_file *file) {
  *file = (rk_private_file){.handle = -1};
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return 0;
  struct stat info;
  int good = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && !not_mine(&info) &&
             info.st_size >= 0 && (uint64_t)info.st_size <= limit;
  if (good) file->bytes = malloc((size_t)info.st_size + 1);
  if (file->bytes) file->n = read_bytes(fd, file->bytes, (size_t)info.st_size);
  if (!file->bytes || file->n != (size_t)info.st_size) {
    free(file->bytes);
    file->bytes = NULL;
    close(fd);
    return 0;
  }
  file->handle = fd;
  file->modified = modified(&info);
  return 1;
}

void rk_os_close_private(rk_private_file *file) {
  if (file->handle >= 0) close(file->handle);
  free(file->bytes);
  *file = (rk_private_file){.handle = -1};
}

void rk_os_touch_private(const rk_private_file *file) { futimens(file->handle, NULL); }

/* What was written shows in close: a full disk or a quota, over the network at least. */
static int write_and_close(int fd, const void *bytes, size_t n) {
  if (fd < 0) return 0;
  int good = write_bytes(fd, bytes, n);
  int reason = errno;
  if (close(fd) != 0) return 0;
  errno = reason;
  return good;
}

int rk_os_write_new(const char *path, const void *bytes, size_t n) {
  int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  return write_and_close(open(path, flags, 0600), bytes, n);
}

int rk_os_seal(const char *path, const void *bytes, size_t n) {
  int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
  if (fd >= 0 && fchmod(fd, 0600) != 0) {
    close(fd);
    return 0;
  }
  return write_and_close(fd, bytes, n);
}

int rk_os_rename(const char *from, const char *to) { return rename(from, to) == 0; }
int rk_os_remove(const char *path) { return unlink(path) == 0; }

static void remove_entry(void *data, const char *name) {
  rk_text path = {0};
  struct stat info;
  rk_text_format(&path, "%s/%s", (const char *)data, name);
  if (!path.failed && lstat(path.bytes, &info) == 0) {
    if (S_ISDIR(info.st_mode)) rk_os_remove_folder(path.bytes);
    else unlink(path.bytes);
  }
  rk_text_free(&path);
}

void rk_os_remove_folder(const char *path) {
  rk_text copy = {0};
  rk_text_add(&copy, path);
  if (copy.bytes) rk_os_list(path, remove_entry, copy.bytes);
  rmdir(path);
  rk_text_free(&copy);
}

const char *rk_os_not_private(const char *path) {
  struct stat info;
  if (lstat(path, &info) != 0) return rk_os_reason();
  if (S_ISLNK(info.st_mode)) return "is a symbolic link";
  if (!S_ISDIR(info.st_mode)) return "is not a folder";
  return not_mine(&info);
}

int rk_os_make_new_folder(const char *path) { return mkdir(path, 0700) == 0; }

int rk_os_make_folder(const char *path) {
  if (mkdir(path, 0700) == 0 || errno == EEXIST) return 1;
  if (errno != ENOENT) return 0;
  const char *last = strrchr(path, '/');
  if (!last || last == path) return 0;
  rk_text parent = {0};
  rk_text_bytes(&parent, path, (size_t)(last - path));
  int made = !parent.failed && rk_os_make_folder(parent.bytes);
  rk_text_free(&parent);
  return made && (mkdir(path, 0700) == 0 || errno == EEXIST);
}

char *rk_os_absolute(const char *path) { return realpath(path, NULL); }

const char *rk_os_temporary(void) {
  const char *folder = getenv("TMPDIR");
  return folder && *folder ? folder : "/tmp";
}

int rk_os_list(const char *path, void (*visit)(void *data, const char *name), void *data) {
  DIR *folder = opendir(path); /* close-on-exec by itself */
  if (!folder) return 0;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      visit(data, entry->d_name);
  closedir(folder);
  return 1;
}

/* strerror_r comes in two incompatible kinds; the engine is called by one thread at a time. */
const char *rk_os_reason(void) { return strerror(errno); }

/* ---- clock, random bytes -------------------------------------------------------------------- */

double rk_os_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int64_t rk_os_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void rk_os_sleep(double seconds) {
  struct timespec pause = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&pause, NULL);
}

/* Names of temporary folders need to be different, not secret: they are made exclusively. So
 * without /dev/urandom the clock, the process and a counter will do. */
void rk_os_random(void *bytes, size_t n) {
  static uint64_t counter = 0;
  int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  size_t got = 0;
  if (fd >= 0) {
    got = read_bytes(fd, bytes, n);
    close(fd);
  }
  uint64_t x = (uint64_t)rk_os_now() ^ (uint64_t)getpid() << 40 ^ ++counter;
  for (; got < n; got++) {
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9) + 1;
    ((unsigned char *)bytes)[got] = (unsigned char)(x >> 56);
  }
}

#else
typedef int rk_os_posix_is_not_used; /* ISO C wants something in every file */
#endif
