/* All that depends on the operating system: processes, libraries, files, clock, processors.
 *
 * Functions that return int give 1 for success and 0 for failure; why it failed is in errno, for
 * rk_os_reason(). Nothing here knows what a kernel or a cache is. File descriptors are
 * close-on-exec, and processes are started without a shell. */
#ifndef RK_OS_H
#define RK_OS_H

#include <stddef.h>
#include <stdint.h>

#include "caller.h"
#include "text.h"

/* ---- processes ------------------------------------------------------------------------------ */

typedef enum {
  RK_PROCESS_ENDED,     /* by itself: exit_code, or signal when one killed it */
  RK_PROCESS_TIMED_OUT, /* killed after the time limit, or the one by the clock */
  RK_PROCESS_CANCELLED, /* killed because poll asked to stop */
  RK_PROCESS_DROPPED    /* killed, or not begun, because one before it failed */
} rk_process_end;

enum { RK_PATIENCE = 10 }; /* a busy machine may take so much longer */

typedef struct {
  rk_process_end end;
  int exit_code;        /* 0 as well when the host reaped the process before us */
  int signal;           /* 0 when it was not killed by a signal */
  rk_text output;       /* beginning of stdout and stderr together; freed by the caller */
} rk_process_result;

typedef struct {
  const char *const *arguments; /* NULL-terminated; arguments[0] is the path of the program */
  const char *temporary;        /* its folder for temporary files, or NULL: inherited; on Windows it
                                 * starts there, too */
  double timeout;               /* seconds of processor time of its group, where the system tells
                                 * (Linux, Windows), and RK_PATIENCE times as much by the clock */
  size_t output_limit;          /* bytes of output that are kept; the rest is read and dropped */
} rk_process;

/* Runs a program to its end in its own process group, with stdin closed off and LC_ALL=C. Asks
 * the caller about every 20 ms. The whole group is killed and reaped on timeout and on
 * cancelling; then the status is still RK_OK and result->end says it. RK_ERROR_SYSTEM: it could
 * not be started. */
rk_status rk_os_run(const rk_process *process, rk_caller caller, rk_process_result *result);

/* The same for n programs, side by side: `most` of them at a time, begun in order. One has failed
 * that was killed, or whose exit code is not 0: those behind it are dropped then, those before it
 * are not, so that the first failure is the same whatever the order in which they end. After
 * RK_ERROR_SYSTEM there are no results but texts to free. */
rk_status rk_os_run_all(const rk_process *process, int n, int most, rk_caller caller,
                        rk_process_result *result);
int rk_os_failed(const rk_process_result *result);

/* The program that a shell would run for `name`, looked for in PATH when there is no separator in
 * it. Malloced; NULL when there is none, or when memory ran out: then errno is ENOMEM. */
char *rk_os_find_program(const char *name);

int64_t rk_os_process_id(void);

/* How many forks lie between the process that called one of these first and this one. */
int rk_os_forks(void);
int rk_os_forked(void);             /* the same as 0 or 1 */

/* ---- threads -------------------------------------------------------------------------------- */

/* Runs work(data) on a thread of its own, with all signals blocked where there are signals, so that
 * they reach the host's own thread. NULL: no thread could be started. Joined exactly once. */
typedef struct rk_os_thread rk_os_thread;
rk_os_thread *rk_os_thread_start(void (*work)(void *data), void *data);
void rk_os_thread_join(rk_os_thread *thread);
void rk_os_yield(void); /* lets another thread have the processor, if one wants it */

/* A lock, and two places to wait at for those who hold it: waiting gives it up meanwhile, and may
 * end for no reason. NULL: out of memory. */
typedef struct rk_os_monitor rk_os_monitor;
rk_os_monitor *rk_os_monitor_new(void);
void rk_os_enter(rk_os_monitor *monitor);
void rk_os_leave(rk_os_monitor *monitor);
void rk_os_wait(rk_os_monitor *monitor, int place);
void rk_os_wake(rk_os_monitor *monitor, int place); /* one of those who wait at 0 or 1 */

/* ---- memory --------------------------------------------------------------------------------- */

void *rk_os_aligned(size_t bytes);        /* to 64 bytes, which are never none; or NULL */
void rk_os_aligned_free(void *memory);    /* not free() */

/* ---- libraries ------------------------------------------------------------------------------ */

/* Opens a shared library by name or path, all symbols resolved now and kept local. NULL on
 * failure; `reason`, when not NULL, gets what the system says. */
void *rk_os_open_library(const char *path, rk_text *reason);
void *rk_os_symbol(void *library, const char *name);

/* Appends the path of the file that an open library, known to have this symbol, was read from. */
int rk_os_library_path(void *library, const char *symbol, rk_text *path);

/* The same for a file that is open and was checked: what is loaded is what `handle` refers to,
 * also when another file stands at `path` by now (Linux; elsewhere `path` is opened). Where code
 * may not be loaded from a file's folder, a copy in memory is loaded (Linux). */
void *rk_os_open_library_handle(int handle, const char *path, rk_text *reason);

/* ---- files ---------------------------------------------------------------------------------- */

typedef struct {
  int64_t bytes;
  int64_t modified; /* nanoseconds since 1970 */
  int is_folder;
} rk_file_info;

int rk_os_info(const char *path, rk_file_info *info);
int rk_os_read(const char *path, char **bytes, size_t *n); /* whole file, NUL added; free() */

/* Opens a regular file that only its owner may write, and whose owner is this user or root, and
 * reads all of it, if it is not larger than `limit`. A symbolic link is refused. */
typedef struct {
  int handle;
  char *bytes;
  size_t n;
  int64_t modified;
} rk_private_file;
int rk_os_open_private(const char *path, size_t limit, rk_private_file *file);
void rk_os_close_private(rk_private_file *file);
void rk_os_touch_private(const rk_private_file *file); /* modified = now */

int rk_os_write_new(const char *path, const void *bytes, size_t n); /* mode 0600; must not exist */
int rk_os_seal(const char *path, const void *bytes, size_t n);      /* appends, sets mode 0600 */
int rk_os_rename(const char *from, const char *to);
int rk_os_remove(const char *path);
void rk_os_remove_folder(const char *path);                         /* with all that is in it */

/* Why a folder is not private ("is a symbolic link", ...), NULL when it is: a real folder, owned
 * by this user or root, writable for its owner only. */
const char *rk_os_not_private(const char *path);
int rk_os_make_folder(const char *path);         /* mode 0700; parents are made too; may exist */
int rk_os_make_new_folder(const char *path);     /* mode 0700; must not exist */
char *rk_os_absolute(const char *path);          /* of something that exists; malloced, or NULL */
const char *rk_os_temporary(void);               /* TMPDIR or what stands for it */

/* Calls visit for each entry save "." and ".."; 0 when the folder cannot be read. */
int rk_os_list(const char *path, void (*visit)(void *data, const char *name), void *data);

const char *rk_os_reason(void); /* text of errno; overwritten by the next call */

/* ---- clock, random bytes, the processor ----------------------------------------------------- */

double rk_os_seconds(void);      /* monotonic */
int64_t rk_os_now(void);         /* nanoseconds since 1970 */
void rk_os_sleep(double seconds);
void rk_os_random(void *bytes, size_t n);

const char *rk_os_name(void);    /* "linux", "macos", "windows", "unix" */

/* Names of what the processor has and the system lets us use, in the compilers' spelling ("avx2
 * fma avx512f"), and everything that the compiler may derive from the processor, for keys. */
const char *rk_os_cpu_features(void);
const char *rk_os_cpu_identity(void);
int rk_os_vector_bytes(void);         /* of the widest that it has: 16, 32 or 64 */

/* ---- processors ----------------------------------------------------------------------------- */

int rk_os_online(void);               /* of the machine; at least 1 */
int rk_os_affinity(void);             /* that the process may run on; 0: not known */
int rk_os_quota(void);                /* that its control groups pay for, rounded up; 0: no limit */
int rk_os_quota_of(const char *process); /* the same, of the process with this folder of /proc */
int rk_os_processors(void);           /* that it may use, by all of these; at least 1 */

/* 1 when OpenMP has bound the calling thread to one of its places; rk_os_affinity counts all of
 * them. A thread that is made after rk_os_unbind has all of them; rk_os_rebind undoes that. */
int rk_os_bound(void);
void rk_os_unbind(void);
void rk_os_rebind(void);
int64_t rk_os_affinity_changes(void); /* grows when the mask of the calling thread changes */

#endif
