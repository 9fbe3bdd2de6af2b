/* Streams and events. RKEOPS_STANDIN_LAZY=1: what is queued runs as late as it may, when something
 * waits for it; otherwise it runs at once. These are the two extreme schedules: code that forgets
 * to wait is wrong in one of them.
 *
 * As with a true driver, a copy from pageable memory has read it when the call returns, and a copy
 * to pageable memory is complete; with pinned memory both may come late. */
#include "driver_parts.h"
#include "standin.h"

#include <stdint.h>
#include <time.h>

enum { QUERIES = 3 }; /* of an event, before what it waits for has to run */
enum { WITHOUT_TIME = 2 };

/* One recording of an event; later recordings are other marks. */
typedef struct {
  int done, owners, queries;
  double time;
  stream *in;
} mark;

typedef enum { TO_DEVICE, TO_HOST, LAUNCH, RECORD, WAIT } op_kind;

typedef struct op {
  op_kind kind;
  void *to;
  const void *from;
  void *kept;                /* what was read from pageable memory */
  size_t bytes;
  launch *launch;
  mark *mark;
  struct op *next;
} op;

struct stream {
  device *owner;
  op *first, **last;
  stream *next;
};

struct event {
  device *owner;
  unsigned flags;
  mark *mark;                /* NULL: never recorded */
  event *next;
};

static stream *streams;
static event *events;

static int is_lazy(void) { return rk_number_setting("RKEOPS_STANDIN_LAZY", 0) != 0; }

/* Threads that queue work on one device are ordered by that work: when it is queued, when it runs,
 * when it is found done. The thread sanitizer has to be told, and is told no more than that. */
extern void __tsan_acquire(void *address) __attribute__((weak));
extern void __tsan_release(void *address) __attribute__((weak));

static void comes_after(device *d) {
  if (__tsan_acquire) __tsan_acquire(d);
}

static void comes_before(device *d) {
  if (__tsan_release) __tsan_release(d);
}

static double milliseconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

/* ---- running what is queued ------------------------------------------------------------------ */

static void let_go(mark *m) {
  if (m && --m->owners == 0) free(m);
}

static void op_free(op *o) {
  launch_free(o->launch);
  let_go(o->mark);
  free(o->kept);
  free(o);
}

static void drain(stream *s, const mark *until);

static void finish(mark *m) {
  m->done = 1;
  m->time = milliseconds_now();
}

static void copy(op *o) {
  const void *p = o->kind == TO_HOST ? o->from : o->to;
  memory_show_one(p, 1);
  memcpy(o->to, o->kept ? o->kept : o->from, o->bytes);
  memory_show_one(p, 0);
}

static int still_there(const op *o, const device *d) {
  const void *p = o->kind == TO_HOST ? o->from : o->to;
  return memory_holds(d, (cu_pointer)(uintptr_t)p, o->bytes);
}

static void perform(op *o, device *d) {
  if (o->kind == RECORD) finish(o->mark);
  if (d->broken) return;
  if (o->kind == WAIT && !o->mark->done) drain(o->mark->in, o->mark);
  if (o->kind == LAUNCH) {
    d->launches++;
    break_device(d, launch_run(d, o->launch));
  }
  if (o->kind > TO_HOST) return;
  if (still_there(o, d)) copy(o);
  else {
    fprintf(stderr, "stand-in: a buffer was freed while a copy was queued\n");
    break_device(d, CU_ILLEGAL_ADDRESS);
  }
}

/* All of a stream, or up to a mark. */
static void drain(stream *s, const mark *until) {
  while (s->first && !(until && until->done)) {
    op *o = s->first;
    s->first = o->next;
    if (!s->first) s->last = &s->first;
    comes_after(s->owner);
    perform(o, s->owner);
    op_free(o);
    comes_before(s->owner);
  }
}

void queue_drain(device *d) {
  for (stream *s = streams; s; s = s->next)
    if (s->owner == d) drain(s, NULL);
}

/* ---- streams --------------------------------------------------------------------------------- */

static int is_stream(const device *d, const stream *wanted) {
  for (const stream *s = streams; s; s = s->next)
    if (s == wanted) return s->owner == d;
  return 0;
}

int stream_create(device *d, stream **made) {
  stream *s = calloc(1, sizeof *s);
  if (!s) return CU_OUT_OF_MEMORY;
  s->owner = d;
  s->last = &s->first;
  s->next = streams;
  streams = s;
  alive.streams++;
  *made = s;
  return CU_OK;
}

int stream_destroy(device *d, stream *s) {
  if (!is_stream(d, s)) return CU_INVALID_HANDLE;
  drain(s, NULL);
  for (stream **at = &streams; *at; at = &(*at)->next) {
    if (*at != s) continue;
    *at = s->next;
    break;
  }
  free(s);
  alive.streams--;
  return CU_OK;
}

int stream_synchronize(device *d, stream *s) {
  if (!s) queue_drain(d);
  else if (!is_stream(d, s)) return CU_INVALID_HANDLE;
  else drain(s, NULL);
  return d->broken;
}

/* The stream 0 waits for all others and they for it: it is never lazy. */
static int queue(device *d, stream *s, const op *what) {
  op *o = malloc(sizeof *o);
  if (!o || (s && !is_stream(d, s))) {
    free(o);
    return s ? CU_INVALID_HANDLE : CU_OUT_OF_MEMORY;
  }
  *o = *what;
  o->next = NULL;
  if (o->mark) o->mark->owners++;
  if (!s) {
    queue_drain(d);
    perform(o, d);
    op_free(o);
    return CU_OK;
  }
  *s->last = o;
  s->last = &o->next;
  comes_before(d);
  if (!is_lazy()) drain(s, NULL);
  return CU_OK;
}

int queue_to_device(device *d, stream *s, cu_pointer to, const void *from, size_t bytes) {
  op o = {.kind = TO_DEVICE, .to = (void *)(uintptr_t)to, .from = from, .bytes = bytes};
  if (!memory_holds(d, to, bytes)) return CU_INVALID_VALUE;
  if (s && is_lazy() && !host_is_pinned(from, bytes)) {
    o.kept = malloc(bytes ? bytes : 1);
    if (!o.kept) return CU_OUT_OF_MEMORY;
    memcpy(o.kept, from, bytes);
  }
  int code = queue(d, s, &o);
  if (code) free(o.kept);
  return code;
}

int queue_to_host(device *d, stream *s, void *to, cu_pointer from, size_t bytes) {
  op o = {.kind = TO_HOST, .to = to, .from = (void *)(uintptr_t)from, .bytes = bytes};
  if (!memory_holds(d, from, bytes)) return CU_INVALID_VALUE;
  int code = queue(d, s, &o);
  if (!code && s && !host_is_pinned(to, bytes)) {
    drain(s, NULL);
    code = d->broken;
  }
  return code;
}

int queue_launch(device *d, stream *s, launch *l) {
  op o = {.kind = LAUNCH, .launch = l};
  int code = queue(d, s, &o);
  if (code) launch_free(l);
  return code;
}

/* ---- events ---------------------------------------------------------------------------------- */

static int is_event(const event *wanted) {
  for (const event *e = events; e; e = e->next)
    if (e == wanted) return 1;
  return 0;
}

int event_create(device *d, unsigned flags, event **made) {
  event *e = calloc(1, sizeof *e);
  if (!e) return CU_OUT_OF_MEMORY;
  e->owner = d;
  e->flags = flags;
  e->next = events;
  events = e;
  alive.events++;
  *made = e;
  return CU_OK;
}

int event_destroy(device *d, event *e) {
  if (!is_event(e) || e->owner != d) return CU_INVALID_HANDLE;
  for (event **at = &events; *at; at = &(*at)->next) {
    if (*at != e) continue;
    *at = e->next;
    break;
  }
  let_go(e->mark);
  free(e);
  alive.events--;
  return CU_OK;
}

int event_record(device *d, event *e, stream *s) {
  if (!is_event(e) || e->owner != d || (s && !is_stream(d, s))) return CU_INVALID_HANDLE;
  mark *m = calloc(1, sizeof *m);
  if (!m) return CU_OUT_OF_MEMORY;
  m->in = s;
  m->owners = 1;
  int code = queue(d, s, &(op){.kind = RECORD, .mark = m});
  if (code) {
    free(m);
    return code;
  }
  comes_after(d);
  let_go(e->mark);
  e->mark = m;
  return CU_OK;
}

int stream_wait(device *d, stream *s, event *e) {
  if (!is_event(e)) return CU_INVALID_HANDLE;
  return e->mark ? queue(d, s, &(op){.kind = WAIT, .mark = e->mark}) : CU_OK;
}

/* "Not ready" a few times, then what it waits for runs: a host that asks on and on gets there. */
int event_query(device *d, event *e) {
  if (!is_event(e)) return CU_INVALID_HANDLE;
  if (!e->mark) return CU_OK;
  if (!e->mark->done && ++e->mark->queries > QUERIES) drain(e->mark->in, e->mark);
  if (e->mark->done) comes_after(d);
  return d->broken ? d->broken : e->mark->done ? CU_OK : CU_NOT_READY;
}

int event_elapsed(float *milliseconds, event *from, event *to) {
  if (!is_event(from) || !is_event(to) || !from->mark || !to->mark) return CU_INVALID_HANDLE;
  if ((from->flags | to->flags) & WITHOUT_TIME) return CU_INVALID_HANDLE;
  if (!from->mark->done || !to->mark->done) return CU_NOT_READY;
  *milliseconds = (float)(to->mark->time - from->mark->time);
  return CU_OK;
}
