/* Inside of rk_look: what its files share. */
#ifndef RKEOPS_LOOKING_H
#define RKEOPS_LOOKING_H

#include "look/look.h"
#include "run/prepared.h"
#include "run/ranges.h"

enum { RK_KINDS = 3, RK_TASK_ROWS = 1 << 15 };

/* A value that is a number times an array, that of `node`, as most are; array NULL: it has to be
 * computed, and `node` is its own. Of a `resident` the array is a sample, and the extremes are
 * known. */
typedef struct {
  const rk_node *node;
  const rk_array *array;
  double scale;
  const rk_resident *resident;
} rk_plain;

/* A value that is packed: `centre` (a graph variable, or -1) is subtracted from it. `known`: its
 * extremes, by component, of an earlier call; NULL: they are not. */
typedef struct {
  const rk_node *node;
  int centre, first;
  rk_plain plain;
  rk_prepared *known;
} rk_watched;

/* `few` and `few_seen`: room for what most formulas have. */
enum { RK_FEW = 16, RK_FEW_COMPONENTS = 32 };
typedef struct {
  int64_t rows;
  rk_watched *value, few[RK_FEW];
  int count, room, components;
  int64_t tasks;                                  /* that see rows, or more */
  rk_extremes *seen, few_seen[RK_FEW_COMPONENTS]; /* by component, of all tasks in a row */
} rk_side;

struct rk_looking {
  const rk_program_data *p;
  rk_values *values;
  rk_array *host;              /* by graph variable: the same on the host; with a resident: its
                                * sample */
  double **own;                /* copies of those that lie on a GPU; NULL: none does */
  unsigned char *is_there;     /* by node number: made of what lies on the host; NULL:
                                * nobody has asked */
  rk_side side[RK_KINDS];      /* by rk_kind */
  double *digits;              /* by graph variable, of centres */
  rk_text *warning;
  rk_caller caller;
  int first_sees_all;          /* the first pass reads all that is watched */
  int failed;
};

static inline const rk_graph_variable *rk_variable_of(const rk_looking *l, int k) {
  return rk_graph_variable_at(l->p->graph, k);
}

int rk_is_origin(const rk_looking *l, const rk_node *node, rk_origin origin);

/* What is subtracted from a component while it is packed. */
double rk_centre_of(const rk_looking *l, const rk_watched *value, int component);

/* The value of a slot as it is watched: *centre is what is subtracted from it, or -1. */
const rk_node *rk_without_centre(const rk_looking *l, const rk_node *slot, int *centre);

/* NULL: it is not watched, or its side has no rows. */
const rk_watched *rk_find_watched(const rk_looking *l, const rk_node *node, int centre);

rk_plain rk_plain_of(const rk_looking *l, const rk_node *node);

/* Can a value be computed before any pass runs, of what lies on the host? Inputs: always. */
int rk_can_see(rk_looking *l, const rk_node *node);

/* judge.c: the largest number in size that is left of a value without its centre. */
double rk_greatest_of(const rk_looking *l, const rk_watched *value);

/* The name of an input that a value is made of; NULL: of none. */
const char *rk_name_in(const rk_looking *l, const rk_node *node);

/* look.c: a walk over all rows, for extremes, or for roundings once there are centres. Its parts:
 * room for what tasks see, one after the other; some rows of what lies in arrays; all together. And
 * what is done when centres are known: data is judged, and what was seen kept for people. */
rk_status rk_look_at_rows(rk_looking *l, rk_side *s, int for_roundings);
rk_status rk_make_seen(rk_looking *l, rk_side *s, int64_t tasks);
void rk_see_arrays(const rk_looking *l, const rk_side *s, int64_t first, int64_t end,
                   rk_extremes *seen);
void rk_merge_seen(rk_side *s);
rk_status rk_conclude(rk_looking *l, const unsigned char *split);

/* rank_groups.c, centres.c, judge.c: in this order, the latter two once all rows have been seen. */
rk_status rk_rank_groups(rk_looking *l);
rk_status rk_find_centres(rk_looking *l, unsigned char *split);
rk_status rk_judge(rk_looking *l);

/* Centres by a sample alone, before rows are seen; 0: it does not say what they are. And, once all
 * are, whether they hold. */
int rk_centres_ahead(rk_looking *l);
int rk_centres_hold(rk_looking *l);

/* known.c: extremes that an earlier call has seen are found, taken; those of this call are kept. */
void rk_find_known(rk_watched *value);
void rk_see_known(const rk_watched *value, rk_extremes *seen);
void rk_keep_known(rk_watched *value, const rk_extremes *seen);

/* ahead.c: waits for the rows that packing shows, where these are enough. */
int rk_wait(rk_look *look, rk_looking *l);

#endif
