/* Runs a kernel that was compiled for the host: blocks one after another, the threads of a block as
 * fibers that switch only where threads wait for each other.
 *
 * Blocks and threads run forward, backward, or shuffled anew after every barrier. Code without
 * races gives the same in all orders.
 *
 * With the thread sanitizer each fiber is a fiber of the sanitizer, switched without synchronising;
 * barriers release and acquire two addresses in turn, and the beginning and the end of a thread two
 * more. (With one address for several of these, a thread that is ahead would acquire what another
 * has not released yet, and races stay hidden.) So it knows exactly what happens before what within
 * a block. Blocks count as following each other. This file itself must be compiled without that
 * sanitizer; it finds its functions, and those of the address sanitizer, when they are there. */
#include "emulator_run.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { STACK = 256 << 10, GUARD = 4096, MOST_THREADS = 1024 };

typedef enum { READY, AT_BARRIER, DONE } fiber_state;

typedef struct {
  void *top;                 /* of its stack, while it does not run */
  char *stack;
  void *sanitizer;           /* its fiber */
  unsigned number;
  fiber_state state;
  int line;                  /* of the barrier it waits in */
  int barriers;              /* parity */
  rk_late_copy *late;        /* copies that have not landed: late[taken .. copies) */
  int copies, taken, room;
} fiber;

/* What one host thread has for running kernels. */
typedef struct {
  fiber fiber[MOST_THREADS];
  int made;                  /* fibers that have a stack */
  unsigned order[MOST_THREADS];
  char at_barrier[2], begin, end; /* addresses for the thread sanitizer */
  void *scheduler;           /* the same of the host thread */
  void *sanitizer;
  fiber *now;                /* NULL: no kernel runs */
  const rk_emulation *launch;
  rk_place *place;
  int failed;                /* code of the driver */
  unsigned seed;
} runner;

static _Thread_local runner *mine __attribute__((tls_model("initial-exec")));
static pthread_key_t at_exit;

/* ---- the sanitizers, where the program has them ---------------------------------------------- */

extern void *__tsan_get_current_fiber(void) __attribute__((weak));
extern void *__tsan_create_fiber(unsigned flags) __attribute__((weak));
extern void __tsan_destroy_fiber(void *fiber) __attribute__((weak));
extern void __tsan_switch_to_fiber(void *fiber, unsigned flags) __attribute__((weak));
extern void __tsan_acquire(void *address) __attribute__((weak));
extern void __tsan_release(void *address) __attribute__((weak));
extern void __asan_unpoison_memory_region(void const volatile *p, size_t n) __attribute__((weak));

static void acquire(void *address) {
  if (__tsan_acquire) __tsan_acquire(address);
}

static void release(void *address) {
  if (__tsan_release) __tsan_release(address);
}

/* Leaves what a function must keep on this stack and goes on with another one. (swapcontext would
 * call the system twice, and the address sanitizer would forget what it knows of the stack.) */
__attribute__((naked, noinline)) static void swap_stacks(void **left __attribute__((unused)),
                                                         void *top __attribute__((unused))) {
  __asm__("push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
          "mov %rsp, (%rdi)\n mov %rsi, %rsp\n"
          "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n ret");
}

static void switch_to(void **left, void *top, void *sanitizer) {
  if (__tsan_switch_to_fiber) __tsan_switch_to_fiber(sanitizer, 1 /* no synchronisation */);
  swap_stacks(left, top);
}

/* ---- called by kernels ----------------------------------------------------------------------- */

static void to_scheduler(runner *r) {
  switch_to(&r->now->top, r->scheduler, r->sanitizer);
}

/* Ends the launch: the thread that runs never comes back. */
static void stop(runner *r, int code, const char *what, int line) {
  const rk_place *at = r->place;
  fprintf(stderr, "emulator: %s: %s (block %u,%u,%u, thread %u, line %d)\n", r->launch->name, what,
          at->block.x, at->block.y, at->block.z, r->now->number, line);
  r->failed = code;
  r->now->state = DONE;
  release(&r->end);
  to_scheduler(r);
}

static void fail(const char *what, int line) { stop(mine, RK_EMULATION_FAILED, what, line); }

static void barrier(int line) {
  runner *r = mine;
  fiber *f = r->now;
  void *address = &r->at_barrier[f->barriers ^= 1];
  f->state = AT_BARRIER;
  f->line = line;
  release(address);
  to_scheduler(r);
  acquire(address);
}

static void copy_later(void *to, const void *from) {
  fiber *f = mine->now;
  if (f->copies == f->room) {
    int room = f->room ? 2 * f->room : 16;
    rk_late_copy *late = realloc(f->late, sizeof *late * (size_t)room);
    if (!late) fail("no memory for asynchronous copies", 0);
    f->late = late;
    f->room = room;
  }
  f->late[f->copies++] = (rk_late_copy){to, from};
}

static int copy_next(rk_late_copy *copy) {
  fiber *f = mine->now;
  if (f->taken == f->copies) {
    f->taken = f->copies = 0;
    return 0;
  }
  *copy = f->late[f->taken++];
  return 1;
}

const rk_emulator_calls rk_emulator_functions = {barrier, copy_later, copy_next, fail};

/* ---- fibers ---------------------------------------------------------------------------------- */

/* One thread of a block, then one of the next block. */
static void run_fiber(void) {
  for (runner *r = mine;; to_scheduler(r)) {
    acquire(&r->begin);
    r->launch->kernel->run(r->launch->parameters);
    if (r->now->copies > r->now->taken)
      fail("an asynchronous copy was never waited for", 0);
    r->now->state = DONE;
    release(&r->end);
  }
}

/* As swap_stacks would have left it just before the first step of run_fiber. */
static void *new_top(char *stack) {
  void **top = (void **)(void *)(stack + STACK);
  void (*first)(void) = run_fiber;
  memset(top - 8, 0, 8 * sizeof *top);
  memcpy(top - 2, &first, sizeof first);
  return top - 8;
}

static int make_fiber(runner *r, int k) {
  char *map = mmap(NULL, STACK + GUARD, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) return 0;
  mprotect(map, GUARD, PROT_NONE);
  r->fiber[k] = (fiber){.stack = map + GUARD, .top = new_top(map + GUARD), .number = (unsigned)k};
  if (__tsan_create_fiber) r->fiber[k].sanitizer = __tsan_create_fiber(0);
  return 1;
}

/* After a launch that stopped in the middle, too: what the sanitizers know of its stacks is
 * worthless. */
static void free_fibers(runner *r) {
  for (int k = 0; k < r->made; k++) {
    fiber *f = &r->fiber[k];
    if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(f->stack, STACK);
    if (__tsan_destroy_fiber) __tsan_destroy_fiber(f->sanitizer);
    munmap(f->stack - GUARD, STACK + GUARD);
    free(f->late);
  }
  r->made = 0;
}

static void free_runner(void *data) {
  free_fibers(data);
  free(data);
  mine = NULL;
}

static void make_key(void) { pthread_key_create(&at_exit, free_runner); }

/* The runner of this host thread, with at least so many fibers. */
static runner *get_runner(unsigned threads) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_key);
  if (!mine) {
    mine = calloc(1, sizeof *mine);
    if (!mine) return NULL;
    pthread_setspecific(at_exit, mine);
  }
  while (mine->made < (int)threads && make_fiber(mine, mine->made)) mine->made++;
  return mine->made >= (int)threads ? mine : NULL;
}

/* ---- one block ------------------------------------------------------------------------------- */

/* NaN in every type. Unseen: the gaps between arrays are poisoned for the address sanitizer. */
__attribute__((no_sanitize("address")))
static void poison_shared(const rk_emulated_module *module) {
  volatile char *p = module->shared, *end = module->shared_end;
  for (; p < end && ((uintptr_t)p & 7); p++) *p = (char)0xff;
  for (; end - p >= 8; p += 8) *(volatile unsigned long long *)p = ~0ull;
  for (; p < end; p++) *p = (char)0xff;
}

static void start_block(runner *r, unsigned threads) {
  poison_shared(r->launch->module);
  acquire(&r->end);
  release(&r->begin);
  for (unsigned k = 0; k < threads; k++) {
    fiber *f = &r->fiber[k];
    f->state = READY;
    f->barriers = 0;
  }
}

static unsigned random_below(runner *r, unsigned n) {
  r->seed = r->seed * 1664525u + 1013904223u;
  return (unsigned)((unsigned long long)r->seed * n >> 32);
}

static void shuffle(runner *r, unsigned *order, unsigned n) {
  for (unsigned k = n; k > 1; k--) {
    unsigned other = random_below(r, k), kept = order[k - 1];
    order[k - 1] = order[other];
    order[other] = kept;
  }
}

/* Each thread that can run does so until it waits or ends. */
static void run_ready(runner *r, unsigned threads) {
  if (r->launch->order == RK_SHUFFLED) shuffle(r, r->order, threads);
  for (unsigned k = 0; k < threads && !r->failed; k++) {
    fiber *f = &r->fiber[r->order[k]];
    if (f->state != READY) continue;
    r->now = f;
    r->place->thread = (rk_triple){f->number, 0, 0};
    switch_to(&r->scheduler, f->top, f->sanitizer);
  }
}

static unsigned count(const runner *r, unsigned threads, fiber_state state) {
  unsigned n = 0;
  for (unsigned k = 0; k < threads; k++) n += r->fiber[k].state == state;
  return n;
}

/* Says what is wrong with a barrier at which not all threads of the block are. */
static void complain(runner *r, const char *what, int line) {
  fprintf(stderr, "emulator: %s: %s (block %u,%u,%u, line %d)\n", r->launch->name, what,
          r->place->block.x, r->place->block.y, r->place->block.z, line);
  r->failed = RK_EMULATION_FAILED;
}

static void pass_barrier(runner *r, unsigned threads, unsigned done) {
  int line = 0;
  for (unsigned k = 0; k < threads; k++)
    if (r->fiber[k].state == AT_BARRIER) line = r->fiber[k].line;
  if (done) complain(r, "a thread left before a __syncthreads", line);
  for (unsigned k = 0; k < threads; k++) {
    if (!r->failed && r->fiber[k].line != line)
      complain(r, "threads wait at different __syncthreads", line);
    r->fiber[k].state = READY;
  }
}

static void run_block(runner *r, unsigned threads) {
  start_block(r, threads);
  while (!r->failed) {
    run_ready(r, threads);
    unsigned done = count(r, threads, DONE);
    if (done == threads) break;
    if (!r->failed) pass_barrier(r, threads, done);
  }
}

/* ---- a launch -------------------------------------------------------------------------------- */

static void run_blocks(runner *r, const rk_emulation *launch, unsigned *order) {
  rk_triple g = launch->blocks;
  unsigned n = g.x * g.y * g.z;
  for (unsigned k = 0; k < n; k++) order[k] = launch->order == RK_BACKWARD ? n - 1 - k : k;
  if (launch->order == RK_SHUFFLED) shuffle(r, order, n);
  for (unsigned k = 0; k < n && !r->failed; k++) {
    unsigned b = order[k];
    r->place->block = (rk_triple){b % g.x, b / g.x % g.y, b / (g.x * g.y)};
    run_block(r, launch->threads);
  }
}

int rk_emulate(const rk_emulation *launch) {
  runner *r = get_runner(launch->threads);
  unsigned *order = malloc(sizeof *order * launch->blocks.x * launch->blocks.y * launch->blocks.z);
  if (!r || !order) {
    free(order);
    return RK_EMULATION_NO_MEMORY;
  }
  r->launch = launch;
  r->failed = 0;
  r->seed = launch->seed;
  r->place = launch->module->place;
  r->place->threads = (rk_triple){launch->threads, 1, 1};
  r->place->blocks = launch->blocks;
  *launch->module->calls = &rk_emulator_functions;
  launch->module->prepare();
  if (__tsan_get_current_fiber) r->sanitizer = __tsan_get_current_fiber();
  for (unsigned k = 0; k < launch->threads; k++)
    r->order[k] = launch->order == RK_BACKWARD ? launch->threads - 1 - k : k;
  run_blocks(r, launch, order);
  acquire(&r->end);
  if (r->failed) free_fibers(r);
  r->now = NULL;
  free(order);
  return r->failed;
}

int rk_emulation_runs(void) { return mine && mine->now; }

void rk_emulation_fault(const char *what) { stop(mine, RK_EMULATION_FAULT, what, 0); }
