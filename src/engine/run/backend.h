/* What a backend is: all that the stages before it know of the places where passes run.
 *
 * A backend is a folder and one line of the list in backends.c. It makes of a pass (a plan) what it
 * needs to run it, keeps that as its part of the stage, and runs the pass on data. Nothing outside
 * its folder asks which one it is. "Adding a backend" in src/engine/README.md says it in order. */
#ifndef RKEOPS_BACKEND_H
#define RKEOPS_BACKEND_H

#include "caller.h"
#include "plan/plan.h"
#include "text.h"
#include "walk/walk.h"

typedef struct rk_backend rk_backend;

/* What the last call in float32 has seen of a slot's data, for people. */
typedef struct {
  const rk_node *node;       /* without its centre */
  double largest, centre;    /* in size, of what is left without the centre; the largest centre */
  double digits;             /* binary ones that differences keep at least; NAN: of no difference */
} rk_slot_seen;

/* Rows of a pass's two indices. */
typedef struct { int64_t kept, reduced; } rk_sizes;

/* Has a call looked for pairs that cannot matter, and were some left out? Shares of the pairs: what
 * a sample said that matters, what was walked. */
typedef struct {
  int asked, taken;
  double expected, walked;
  rk_sizes refused;          /* of the last call that found all pairs faster once some were done */
} rk_bounds_seen;

/* A pass with what each backend made of it. */
enum { RK_MOST_BACKENDS = 6 };
typedef struct rk_stage {
  rk_pass pass;
  struct rk_stage *split;    /* the same with sums of two floats, once data has asked for it */
  rk_slot_seen *seen;        /* rows, then columns; of a stage that is not split */
  int slots, was_split;      /* seen; what the data of that call asked for */
  rk_bounds_seen bounds;     /* of the last call */
  int vectors;               /* bytes of a vector of the processor, see rk_build_vectors */
  int result;                /* graph variable that holds the result for later passes, or -1 */
  struct { const rk_backend *backend; void *made; } part[RK_MOST_BACKENDS];
} rk_stage;

/* The backend's part; NULL when it has made none. */
void *rk_stage_part(const rk_stage *stage, const rk_backend *backend);
void rk_stage_set_part(rk_stage *stage, const rk_backend *backend, void *made);

/* Frees what the stage has, the pass and parts of backends included. */
void rk_stage_empty(rk_stage *stage);

/* The stage that works with sums of two floats: rk_pass.split. */
rk_status rk_stage_split(rk_stage *stage, rk_stage **split, rk_error *error);

rk_sizes rk_sizes_of(const rk_stage *stage, const int64_t *rows); /* of `rows` by rk_kind */

/* A pass that is to run on data of these sizes; {0, 0}: they are not known. Those in a row that
 * have the same number of a `text`, counted from 0, are compiled together. */
typedef struct {
  rk_stage *stage;
  rk_sizes sizes;
  int text;
  const rk_walk *walk;       /* NULL: all pairs */
} rk_wanted;
enum { RK_MAX_WANTED = 64 };
int rk_wanted_together(const rk_wanted *wanted, int n); /* how many the first text has */

/* What `name` is in the text of pass `number`: 0, 1, ... of several, -1 of one that is alone. */
enum { RK_NAME_TEXT = 48 };
const char *rk_name_in_text(char *text, const char *name, int number);

/* Who is shown the rows of inputs while they are packed, task by task on any thread, and judges
 * them then: where that is no RK_OK the pass ends with it. */
typedef struct {
  void *data;
  rk_status (*begin)(void *data, rk_kind kind, int64_t tasks);
  void (*see)(void *data, rk_kind kind, int64_t task, int64_t first, int64_t end);
  rk_status (*judge)(void *data);
} rk_watch;

/* A pass on data. */
typedef struct {
  rk_stage *stage;           /* built for these sizes */
  rk_sizes sizes;
  const rk_walk *walk;       /* which pairs; NULL: all */
  const rk_array *value;     /* by graph variable; parameters are on the host */
  const rk_output *outputs;  /* by field */
  rk_resident **keep;        /* not NULL: the first field stays with the backend as *keep ("no
                              * position" is NaN there), and there are no outputs */
  const rk_watch *watch;     /* NULL: nobody is shown anything; only of a backend that shows rows */
} rk_job;

/* Of a backend whose processors have memory of their own. */
typedef struct {
  rk_status (*keep)(const rk_array *x, rk_precision meant, rk_resident **made, rk_caller caller);
  rk_status (*fetch)(const rk_resident *x, double *out, rk_caller caller);
  void (*free)(rk_resident *x);
  int (*device)(const rk_resident *x);          /* the first that holds it */
  int (*keeps)(const rk_stage *stage, rk_sizes sizes); /* may a job have `keep`? */
} rk_memory;

struct rk_backend {
  const char *name;
  int one_text;              /* passes are compiled in one text; else in several, side by side */
  int shows_rows;            /* to rk_job.watch */
  int takes_bounds;          /* leaves out what rk_walk.bounded says */

  /* Is it there? Takes into use, or out of it (n = 0), the devices with these numbers; NULL: it has
   * no devices, and is always there. */
  rk_status (*use)(const int *device, int n, rk_error *error);

  /* What a call holds of it while it runs; NULL: nothing. */
  rk_status (*hold)(void **held, rk_error *error);
  void (*release)(void *held);

  /* Can passes with these options run in this call, in this process? NULL: all can. */
  rk_status (*check)(const rk_options *options, rk_error *error);

  int (*is_built)(const rk_wanted *wanted);

  /* The text of n passes, compiled together. With n > 1 the names of the k-th end in _k. */
  rk_status (*source)(const rk_wanted *wanted, int n, rk_text *text, rk_error *error);

  /* n passes, of the texts that `source` gave for them. NULL: nothing has to be built, is_built is
   * always true. */
  rk_status (*build)(const rk_wanted *wanted, int n, const rk_text *source, rk_caller caller);

  rk_status (*run)(const rk_job *job, rk_caller caller);
  void (*forget)(rk_stage *stage);     /* frees its part */

  /* How it lays out a pass: changes what is other in `layout` than without a backend, and writes
   * lines "key: value" of what only it has. NULL: nothing. */
  void (*explain)(const rk_wanted *wanted, rk_layout *layout, rk_text *lines);
  void (*describe)(rk_text *report);   /* lines "key: value" for rk_report; NULL: none */
  void (*configure)(const rk_settings *settings); /* NULL: none of them is its own */
  const rk_memory *memory;             /* NULL: that of the host */
};

#endif
