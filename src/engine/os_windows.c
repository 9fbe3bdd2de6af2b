/* The system, Windows part. Tested under Wine (tools/portable.sh), not on Windows itself yet.
 *
 * Differences from os.c: privacy of folders is left to the access lists of the user's profile (a
 * link is refused all the same); a library is loaded by path, since it cannot be by handle, and a
 * loaded file cannot be removed by others. R runs with UTF-8 as its code page, so the functions
 * for byte strings take what R gives. */
#if defined(_WIN32)

#include "os.h"

#include <windows.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

/* ---- processes ------------------------------------------------------------------------------ */

/* Quoted by the rules of the C runtime: backslashes count only before a quote. */
static void add_argument(rk_text *line, const char *argument) {
  if (line->length) rk_text_add(line, " ");
  if (*argument && !strpbrk(argument, " \t\"")) {
    rk_text_add(line, argument);
    return;
  }
  rk_text_add(line, "\"");
  for (const char *p = argument; *p; p++) {
    size_t slashes = strspn(p, "\\");
    for (size_t k = 0; k < slashes; k++)
      rk_text_add(line, p[slashes] == '"' || !p[slashes] ? "\\\\" : "\\");
    p += slashes;
    if (!*p) break;
    if (*p == '"') rk_text_add(line, "\\");
    rk_text_bytes(line, p, 1);
  }
  rk_text_add(line, "\"");
}

/* Strings one after another, an empty one at the end. */
static void make_environment(const char *temporary, rk_text *block) {
  char *all = GetEnvironmentStringsA();
  for (const char *p = all; p && *p; p += strlen(p) + 1)
    if (!(temporary && (_strnicmp(p, "TMP=", 4) == 0 || _strnicmp(p, "TEMP=", 5) == 0 ||
                        _strnicmp(p, "TMPDIR=", 7) == 0)))
      rk_text_bytes(block, p, strlen(p) + 1);
  if (all) FreeEnvironmentStringsA(all);
  static const char here[] = "TMP=.\0TEMP=.\0TMPDIR=.";
  if (temporary) rk_text_bytes(block, here, sizeof here);
  rk_text_bytes(block, "", 1);
}

static void drain(HANDLE pipe, const rk_process *process, rk_text *output) {
  char buffer[4096];
  DWORD there = 0, n = 0;
  while (PeekNamedPipe(pipe, NULL, 0, NULL, &there, NULL) && there > 0 &&
         ReadFile(pipe, buffer, sizeof buffer, &n, NULL) && n > 0) {
    size_t room = output->length < process->output_limit
                    ? process->output_limit - output->length : 0;
    rk_text_bytes(output, buffer, n < room ? n : room);
  }
}

/* Processor time of all processes of the job counts, and the clock with more patience. */
static int takes_too_long(const rk_process *process, HANDLE job, double start) {
  double took = rk_os_seconds() - start;
  JOBOBJECT_BASIC_ACCOUNTING_INFORMATION times;
  if (took > RK_PATIENCE * process->timeout) return 1;
  if (took <= process->timeout ||
      !QueryInformationJobObject(job, JobObjectBasicAccountingInformation, &times, sizeof times,
                                 NULL))
    return 0;
  return 1e-7 * (double)(times.TotalUserTime.QuadPart + times.TotalKernelTime.QuadPart) >
         process->timeout;
}

static int start(const rk_process *process, HANDLE output, HANDLE input, HANDLE job,
                 PROCESS_INFORMATION *info) {
  rk_text line = {0}, environment = {0};
  for (const char *const *p = process->arguments; *p; p++) add_argument(&line, *p);
  make_environment(process->temporary, &environment);
  STARTUPINFOA startup = {.cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES,
                          .hStdInput = input, .hStdOutput = output, .hStdError = output};
  int good = !line.failed && !environment.failed &&
             CreateProcessA(process->arguments[0], line.bytes, NULL, NULL, TRUE,
                            CREATE_NO_WINDOW | CREATE_SUSPENDED, environment.bytes,
                            process->temporary, &startup, info);
  if (good) {
    AssignProcessToJobObject(job, info->hProcess);
    ResumeThread(info->hThread);
  }
  rk_text_free(&line);
  rk_text_free(&environment);
  return good;
}

typedef struct {
  PROCESS_INFORMATION info;
  HANDLE reading, job;
  double start;
  int running;
} child;

typedef struct {
  const rk_process *process;
  rk_process_result *result;
  child *child;
  int n, begun, running;
  int end;               /* what lies behind it is not wanted any more */
} family;

static int can_begin(const family *all, int most) {
  return all->begun < all->end && all->running < most;
}

static rk_status begin(family *all, rk_error *error) {
  const rk_process *process = &all->process[all->begun];
  child *c = &all->child[all->begun];
  SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
  HANDLE writing = NULL;
  if (!CreatePipe(&c->reading, &writing, &inherited, 1 << 16))
    return rk_fail_system(error, "A pipe could not be made: %s.", rk_os_reason());
  SetHandleInformation(c->reading, HANDLE_FLAG_INHERIT, 0);
  HANDLE nothing = CreateFileA("NUL", GENERIC_READ, 0, &inherited, OPEN_EXISTING, 0, NULL);
  c->job = CreateJobObjectA(NULL, NULL);
  c->start = rk_os_seconds();
  c->running = start(process, writing, nothing, c->job, &c->info);
  rk_status status = RK_OK;
  if (!c->running) {
    status = rk_fail_system(error, "%s could not be started: %s.", process->arguments[0],
                            rk_os_reason());
    CloseHandle(c->reading);
    if (c->job) CloseHandle(c->job);
  }
  CloseHandle(nothing);
  CloseHandle(writing);
  all->begun += c->running;
  all->running += c->running;
  return status;
}

/* One that is gone. */
static void part(family *all, int k) {
  child *c = &all->child[k];
  DWORD code = 0;
  drain(c->reading, &all->process[k], &all->result[k].output);
  if (GetExitCodeProcess(c->info.hProcess, &code)) all->result[k].exit_code = (int)code;
  CloseHandle(c->info.hThread);
  CloseHandle(c->info.hProcess);
  CloseHandle(c->reading);
  if (c->job) CloseHandle(c->job);
  c->running = 0;
  all->running--;
}

static void stop(family *all, int k, rk_process_end why) {
  child *c = &all->child[k];
  all->result[k].end = why;
  if (!TerminateJobObject(c->job, 1)) TerminateProcess(c->info.hProcess, 1);
  WaitForSingleObject(c->info.hProcess, 2000);
  part(all, k);
}

static void stop_behind(family *all, int first, rk_process_end why) {
  for (int k = first; k < all->n; k++) {
    if (all->child[k].running) stop(all, k, why);
    else if (k >= all->begun) all->result[k].end = why;
  }
}

static void visit(family *all, int k) {
  child *c = &all->child[k];
  rk_process_result *result = &all->result[k];
  drain(c->reading, &all->process[k], &result->output);
  if (WaitForSingleObject(c->info.hProcess, 0) != WAIT_TIMEOUT) part(all, k);
  else if (takes_too_long(&all->process[k], c->job, c->start)) stop(all, k, RK_PROCESS_TIMED_OUT);
  if (c->running || !rk_os_failed(result) || k >= all->end) return;
  all->end = k;
  stop_behind(all, k + 1, RK_PROCESS_DROPPED);
}

/* The end of one of them ends the sleep. */
static void sleep_on(const family *all, DWORD milliseconds) {
  HANDLE handle[MAXIMUM_WAIT_OBJECTS];
  DWORD n = 0;
  for (int k = 0; k < all->begun && n < MAXIMUM_WAIT_OBJECTS; k++)
    if (all->child[k].running) handle[n++] = all->child[k].info.hProcess;
  WaitForMultipleObjects(n, handle, FALSE, milliseconds);
}

static rk_status attend(family *all, int most, rk_caller caller) {
  for (DWORD pause = 1;; pause = pause < 16 ? 2 * pause : 20) {
    while (can_begin(all, most)) {
      rk_status status = begin(all, caller.error);
      if (status) return status;
      pause = 1;
    }
    sleep_on(all, pause);
    for (int k = 0; k < all->begun; k++)
      if (all->child[k].running) visit(all, k);
    if (can_begin(all, most)) continue;
    if (!all->running) return RK_OK;
    if (!caller.poll || !caller.poll(caller.data, -1)) continue;
    stop_behind(all, 0, RK_PROCESS_CANCELLED);
    return RK_OK;
  }
}

rk_status rk_os_run_all(const rk_process *process, int n, int most, rk_caller caller,
                        rk_process_result *result) {
  family all = {.process = process, .result = result, .n = n, .end = n,
                .child = calloc((size_t)n, sizeof *all.child)};
  for (int k = 0; k < n; k++) result[k] = (rk_process_result){0};
  if (!all.child) return rk_fail_memory(caller.error, (size_t)n * sizeof *all.child);
  rk_status status = attend(&all, most < 1 ? 1 : most, caller);
  if (status) stop_behind(&all, 0, RK_PROCESS_DROPPED);
  free(all.child);
  return status;
}

static char *copy(const char *string) {
  rk_text text = {0};
  rk_text_add(&text, string);
  return rk_text_steal(&text);
}

/* In PATH only: without a list Windows begins with the current folder. */
char *rk_os_find_program(const char *name) {
  char path[MAX_PATH];
  const char *folders = getenv("PATH");
  DWORD n = SearchPathA(folders ? folders : "", name, ".exe", sizeof path, path, NULL);
  errno = ENOENT;
  if (n == 0 || n >= sizeof path) return NULL;
  char *found = copy(path);
  if (!found) errno = ENOMEM;
  return found;
}

int64_t rk_os_process_id(void) { return (int64_t)GetCurrentProcessId(); }
int rk_os_forks(void) { return 0; }
int rk_os_forked(void) { return 0; }

/* ---- threads -------------------------------------------------------------------------------- */

struct rk_os_thread {
  HANDLE handle;
  void (*work)(void *data);
  void *data;
};

static DWORD WINAPI thread_main(LPVOID of) {
  rk_os_thread *thread = of;
  thread->work(thread->data);
  return 0;
}

static const SIZE_T stack_bytes = 2 << 20;

rk_os_thread *rk_os_thread_start(void (*work)(void *data), void *data) {
  rk_os_thread *thread = malloc(sizeof *thread);
  if (!thread) return NULL;
  *thread = (rk_os_thread){.work = work, .data = data};
  thread->handle = CreateThread(NULL, stack_bytes, thread_main, thread,
                                STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
  if (thread->handle) return thread;
  free(thread);
  return NULL;
}

void rk_os_thread_join(rk_os_thread *thread) {
  WaitForSingleObject(thread->handle, INFINITE);
  CloseHandle(thread->handle);
  free(thread);
}

void rk_os_yield(void) { SwitchToThread(); }

struct rk_os_monitor {
  SRWLOCK lock;
  CONDITION_VARIABLE place[2];
};

rk_os_monitor *rk_os_monitor_new(void) {
  rk_os_monitor *monitor = malloc(sizeof *monitor);
  if (!monitor) return NULL;
  InitializeSRWLock(&monitor->lock);
  for (int k = 0; k < 2; k++) InitializeConditionVariable(&monitor->place[k]);
  return monitor;
}

void rk_os_enter(rk_os_monitor *monitor) { AcquireSRWLockExclusive(&monitor->lock); }
void rk_os_leave(rk_os_monitor *monitor) { ReleaseSRWLockExclusive(&monitor->lock); }
void rk_os_wake(rk_os_monitor *monitor, int place) {
  WakeConditionVariable(&monitor->place[place]);
}
void rk_os_wait(rk_os_monitor *monitor, int place) {
  SleepConditionVariableSRW(&monitor->place[place], &monitor->lock, INFINITE, 0);
}

/* ---- libraries ------------------------------------------------------------------------------ */

void *rk_os_open_library(const char *path, rk_text *reason) {
  HMODULE library = LoadLibraryA(path);
  if (!library && reason) rk_text_add(reason, rk_os_reason());
  return (void *)library;
}

void *rk_os_open_library_handle(int handle, const char *path, rk_text *reason) {
  (void)handle;
  return rk_os_open_library(path, reason);
}

void *rk_os_symbol(void *library, const char *name) {
  FARPROC function = GetProcAddress((HMODULE)library, name);
  void *symbol;
  memcpy(&symbol, &function, sizeof symbol);
  return symbol;
}

int rk_os_library_path(void *library, const char *symbol, rk_text *path) {
  char name[MAX_PATH];
  (void)symbol;
  DWORD n = GetModuleFileNameA((HMODULE)library, name, sizeof name);
  if (n == 0 || n >= sizeof name) return 0;
  rk_text_add(path, name);
  return 1;
}

/* ---- files ---------------------------------------------------------------------------------- */

static int64_t unix_time(FILETIME time) {
  uint64_t ticks = (uint64_t)time.dwHighDateTime << 32 | time.dwLowDateTime;
  return (int64_t)(ticks - UINT64_C(116444736000000000)) * 100;
}

int rk_os_info(const char *path, rk_file_info *info) {
  WIN32_FILE_ATTRIBUTE_DATA found;
  if (!GetFileAttributesExA(path, GetFileExInfoStandard, &found)) return 0;
  info->bytes = (int64_t)((uint64_t)found.nFileSizeHigh << 32 | found.nFileSizeLow);
  info->modified = unix_time(found.ftLastWriteTime);
  info->is_folder = (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
  return 1;
}

int rk_os_read(const char *path, char **bytes, size_t *n) {
  rk_file_info info;
  if (!rk_os_info(path, &info) || info.is_folder || info.bytes > INT32_MAX) return 0;
  HANDLE file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL,
                            OPEN_EXISTING, 0, NULL);
  if (file == INVALID_HANDLE_VALUE) return 0;
  DWORD got = 0;
  char *read = malloc((size_t)info.bytes + 1);
  int good = read && ReadFile(file, read, (DWORD)info.bytes, &got, NULL);
  CloseHandle(file);
  if (good) (*bytes = read)[*n = got] = 0;
  else free(read);
  return good;
}

static int is_link(const char *path) {
  DWORD attributes = GetFileAttributesA(path);
  return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_REPARSE_POINT);
}

int rk_os_open_private(const char *path, size_t limit, rk_private_file *file) {
  rk_file_info info;
  *file = (rk_private_file){.handle = -1};
  if (is_link(path) || !rk_os_info(path, &info) || (uint64_t)info.bytes > limit) return 0;
  file->modified = info.modified;
  return rk_os_read(path, &file->bytes, &file->n);
}

void rk_os_close_private(rk_private_file *file) {
  free(file->bytes);
  *file = (rk_private_file){.handle = -1};
}

void rk_os_touch_private(const rk_private_file *file) { (void)file; } /* first in, first out */

static int write_file(const char *path, DWORD access, DWORD creation, const void *bytes,
                      size_t n) {
  HANDLE file = CreateFileA(path, access, 0, NULL, creation, FILE_ATTRIBUTE_NORMAL, NULL);
  if (file == INVALID_HANDLE_VALUE) return 0;
  DWORD put = 0;
  int good = WriteFile(file, bytes, (DWORD)n, &put, NULL) && put == n;
  return CloseHandle(file) && good;
}

int rk_os_write_new(const char *path, const void *bytes, size_t n) {
  return write_file(path, GENERIC_WRITE, CREATE_NEW, bytes, n);
}

int rk_os_seal(const char *path, const void *bytes, size_t n) {
  return write_file(path, FILE_APPEND_DATA, OPEN_EXISTING, bytes, n);
}

int rk_os_rename(const char *from, const char *to) {
  return MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING) != 0;
}

int rk_os_remove(const char *path) { return DeleteFileA(path) != 0; }

static void remove_entry(void *data, const char *name) {
  rk_text path = {0};
  rk_file_info info;
  rk_text_format(&path, "%s/%s", (const char *)data, name);
  if (!path.failed && rk_os_info(path.bytes, &info)) {
    if (info.is_folder && !is_link(path.bytes)) rk_os_remove_folder(path.bytes);
    else DeleteFileA(path.bytes);
  }
  rk_text_free(&path);
}

/* A process that just ended, or a scanner, may hold the folder for a moment. */
void rk_os_remove_folder(const char *path) {
  char *folder = copy(path);
  if (folder) rk_os_list(folder, remove_entry, folder);
  for (int tries = 0; tries < 20 && !RemoveDirectoryA(path); tries++) {
    if (GetLastError() != ERROR_SHARING_VIOLATION) break;
    Sleep(5);
  }
  free(folder);
}

const char *rk_os_not_private(const char *path) {
  rk_file_info info;
  if (!rk_os_info(path, &info)) return rk_os_reason();
  if (is_link(path)) return "is a link";
  return info.is_folder ? NULL : "is not a folder";
}

int rk_os_make_new_folder(const char *path) { return CreateDirectoryA(path, NULL) != 0; }

int rk_os_make_folder(const char *path) {
  if (CreateDirectoryA(path, NULL) || GetLastError() == ERROR_ALREADY_EXISTS) return 1;
  if (GetLastError() != ERROR_PATH_NOT_FOUND) return 0;
  char *parent = copy(path);
  if (!parent) return 0;
  size_t n = strlen(parent);
  while (n > 0 && parent[n - 1] != '/' && parent[n - 1] != '\\') n--;
  if (n > 0) parent[n - 1] = 0;
  int made = n > 1 && rk_os_make_folder(parent) &&
             (CreateDirectoryA(path, NULL) || GetLastError() == ERROR_ALREADY_EXISTS);
  free(parent);
  return made;
}

char *rk_os_absolute(const char *path) {
  char full[MAX_PATH];
  DWORD n = GetFullPathNameA(path, sizeof full, full, NULL);
  if (n == 0 || n >= sizeof full) return NULL;
  for (char *p = full; *p; p++)
    if (*p == '\\') *p = '/';
  return copy(full);
}

const char *rk_os_temporary(void) {
  static char path[MAX_PATH + 1];
  DWORD n = GetTempPathA(sizeof path, path);
  if (n == 0 || n >= sizeof path) return ".";
  if (path[n - 1] == '\\') path[n - 1] = 0;
  return path;
}

int rk_os_list(const char *path, void (*visit)(void *data, const char *name), void *data) {
  WIN32_FIND_DATAA entry;
  rk_text pattern = {0};
  rk_text_format(&pattern, "%s/*", path);
  HANDLE search = pattern.failed ? INVALID_HANDLE_VALUE : FindFirstFileA(pattern.bytes, &entry);
  rk_text_free(&pattern);
  if (search == INVALID_HANDLE_VALUE) return 0;
  do {
    if (strcmp(entry.cFileName, ".") != 0 && strcmp(entry.cFileName, "..") != 0)
      visit(data, entry.cFileName);
  } while (FindNextFileA(search, &entry));
  FindClose(search);
  return 1;
}

const char *rk_os_reason(void) {
  static char text[300];
  DWORD n = FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL,
                           GetLastError(), 0, text, sizeof text, NULL);
  while (n > 0 && strchr("\r\n. ", text[n - 1])) n--;
  text[n] = 0;
  return text;
}

/* ---- clock, random bytes -------------------------------------------------------------------- */

double rk_os_seconds(void) {
  LARGE_INTEGER now, frequency;
  QueryPerformanceCounter(&now);
  QueryPerformanceFrequency(&frequency);
  return (double)now.QuadPart / (double)frequency.QuadPart;
}

int64_t rk_os_now(void) {
  FILETIME now;
  GetSystemTimeAsFileTime(&now);
  return unix_time(now);
}

void rk_os_sleep(double seconds) { Sleep((DWORD)(seconds * 1000)); }

/* Different, not secret: folders are made exclusively. */
void rk_os_random(void *bytes, size_t n) {
  static uint64_t counter = 0;
  LARGE_INTEGER now;
  QueryPerformanceCounter(&now);
  uint64_t x = (uint64_t)now.QuadPart ^ (uint64_t)GetCurrentProcessId() << 40 ^ ++counter;
  for (size_t k = 0; k < n; k++) {
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9) + 1;
    ((unsigned char *)bytes)[k] = (unsigned char)(x >> 56);
  }
}

#else
typedef int rk_os_windows_is_not_used; /* ISO C wants something in every file */
#endif
