/* What the files of the R glue share.
 *
 * The glue unpacks R objects, calls the engine and packs what comes back. An entry point never
 * raises an R error of its own: when the engine (or the glue) refuses, it returns a list of class
 * "rkeops_status" and R/conditions.R turns that into a condition that names the user's call.
 */
#ifndef RKEOPS_R_GLUE_H
#define RKEOPS_R_GLUE_H

#define R_NO_REMAP
#include <R.h>
#include <Rinternals.h>

#include "engine.h"

/* ---- r_status.c ------------------------------------------------------------------------------ */

rk_status status_set(rk_error *error, rk_status status, const char *format, ...);
SEXP status_object(const rk_error *error);
SEXP status_failure(rk_status status, rk_error *error, SEXP found);
SEXP engine_text(char *text); /* as a string; frees it */

/* ---- r_poll.c -------------------------------------------------------------------------------- */

typedef enum { PROGRESS_none, PROGRESS_bar, PROGRESS_lines } progress_kind;

/* State of one long call: when it began, how it says how far it is, seconds between two lines,
 * whether a bar is shown, and a list of one element for an R error that comes up meanwhile. */
typedef struct {
  double started, checked, drawn, line_every;
  progress_kind progress;
  int shown;
  SEXP found;
} poll_state;

poll_state poll_begin(SEXP options, SEXP found);
int poll_r(void *state, double done);
void poll_end(poll_state *state);

/* ---- r_options.c ----------------------------------------------------------------------------- */

SEXP list_element(SEXP list, const char *name);
const char *option_string(SEXP options, const char *name, const char *otherwise);
double option_number(SEXP options, const char *name, double otherwise);

/* What a list of options of R/options.R says of a call. `status` and `error`: of `engine`. It
 * stands until a few other lists were read. */
typedef struct {
  rk_options engine;
  rk_status status;
  rk_error error;
  const char *backend; /* its name in the engine */
  int has_devices;     /* matrices may stay on them */
  rk_pruning pruning;
  int check_precision; /* see rk_set_precision_check */
  int64_t index_base;
  progress_kind progress;
  double line_every;   /* seconds between two lines */
  int formula_only;
} call_options;
const call_options *options_of(SEXP options);

/* What R code said last that the R option `rkeops` means; NULL in R where that is another object
 * now. */
SEXP options_known(void);

/* ---- r_program.c ----------------------------------------------------------------------------- */

/* Programs that an entry point works with. Any allocation may run finalizers, and these may make
 * the engine forget what it knows: programs that are found are held to the end of `work`, also when
 * R jumps out of it. */
typedef struct {
  rk_program **program; /* room for as many as are found; held */
  int n;
} held_programs;
SEXP with_programs(SEXP (*work)(void *data), void *data, held_programs *held);

/* The program that the list `program` (text, declarations, scheme) describes, added to `held`. */
rk_status program_find(SEXP program, SEXP options, held_programs *held, rk_error *error);

/* ---- r_array.c ------------------------------------------------------------------------------- */

typedef enum { ARRAYS_ready, ARRAYS_not_plain, ARRAYS_failed } arrays_state;

/* Describes the elements of `input` where they lie; what has to be copied is kept in `keep`, a
 * list of the same length. ARRAYS_not_plain: R code has to convert or to refuse an element.
 * ARRAYS_failed: it lies on a GPU and cannot be read. */
arrays_state arrays_unpack(SEXP input, SEXP keep, const rk_program_info *info, int rows_inside,
                           SEXP options, rk_array *arrays, rk_error *error);
/* The blocks of R's class `rkeops_blocks`, where they lie. */
rk_status blocks_unpack(SEXP blocks, rk_blocks *out, rk_error *error);
/* The result of a program, or a list of its results; `outputs` is told where they are. */
SEXP arrays_results(const rk_program_info *info, const int64_t *rows, int64_t base,
                    rk_output *outputs);
void arrays_plain_nan(const rk_program_info *info, const int64_t *rows, const rk_output *outputs);

/* ---- r_prepared.c ---------------------------------------------------------------------------- */

/* A call begins; the stamp of an object that it has, 0 where none is known. Allocates nothing, but
 * for the first call. */
void prepared_begin(void);
uint64_t prepared_stamp(SEXP x, SEXP options);
void prepared_configure(double bytes); /* for objects and what is made of them */
void prepared_forget(void);

/* ---- r_gpu.c --------------------------------------------------------------------------------- */

/* Takes the backend that the options name into use; cheap when nothing changes. To be done just
 * before the engine needs it: finalizers make other choices. */
rk_status backend_use(SEXP options, rk_error *error);

/* Objects made by to_gpu(), as the variable `name`: where the points lie on the GPUs in use, or the
 * values copied back (R_NilValue: error). Those of parameters are kept. */
int is_gpu_matrix(SEXP x);
rk_status gpu_matrix_array(SEXP x, const char *name, int rows_inside, SEXP options,
                           rk_array *array, rk_error *error);
SEXP gpu_matrix_values(SEXP x, const char *name, rk_error *error);
SEXP gpu_parameter_values(SEXP x, const char *name, rk_error *error);

/* ---- r_lazytensor.c -------------------------------------------------------------------------- */

/* Identifiers, and the text of a number, as strings of R that are not protected. */
SEXP fresh_id(void);
SEXP value_id(SEXP op, SEXP operands, SEXP literals);
SEXP number_text(double number);

/* Where there is room for it at `end`: where the next one goes. */
char *text_behind(char *end, const char *text);
char *write_natural(char *end, uint64_t number);

int object_place(SEXP object, SEXP kind, SEXP table, SEXP table_kinds);

/* Places of strings: strings of R that are equal are one object, so their addresses are hashed.
 * -1: it has none. */
typedef struct {
  SEXP *key;
  int *place;
  size_t mask;
} string_map;
string_map map_new(int n);
void map_put(string_map *map, SEXP key, int place);
int place_of(const string_map *map, SEXP id);

/* ---- r_definitions.c ------------------------------------------------------------------------- */

/* The parts of a definition, strings, in their order; there is a fifth where it is inline. */
enum { ID, OP, OPERANDS, LITERALS, INLINE };
SEXP definition_part(SEXP definition, int part);
int definitions_count(SEXP table);
/* The definition of that identifier. */
SEXP definitions_find(SEXP table, SEXP id);

/* ---- entry points ---------------------------------------------------------------------------- */

/* What R calls, C_run and so on, and how many arguments it takes. */
#define RKEOPS_ENTRIES(each)                                                                       \
  each(configure, 4) each(traced_stages, 0) each(threads, 0) each(end_threads, 0)                  \
  each(program_info, 2) each(run, 4) each(source, 2) each(explain, 3) each(build_many, 2)          \
  each(expression, 2) each(fresh_id, 0) each(number_text, 1) each(given, 2)                        \
  each(match_objects, 4) each(merge_definitions, 2) each(count_definitions, 1)                     \
  each(merge, 3) each(add_node, 5) each(leaf, 3) each(define, 6) each(declarations, 2)             \
  each(reduce, 3) each(product, 3) each(known_options, 0) each(know_options, 1)                    \
  each(definitions, 3) each(formula_text, 3) each(cache_usage, 0) each(cache_clear, 0)             \
  each(has_compiler, 0) each(forget, 0) each(forget_prepared, 0) each(counters, 0)                 \
  each(report, 0)                                                                                  \
  each(use_devices, 1) each(device_info, 0)                                                        \
  each(gpu_new, 3) each(gpu_read, 2) each(gpu_device, 1) each(gpu_precision, 1)                    \
  each(gpu_alive, 0)                                                                               \
  each(swap_axes, 4) each(operation_table, 0) each(reduction_table, 0)                             \
  each(near, 5) each(run_pairs, 6) each(blocks_fault, 1) each(blocks_combined, 6)                  \
  each(blocks_in_cells, 5) each(blocks_transposed, 1)                                              \
  each(blocks_covered, 1) each(blocks_listed, 3) each(blocks_counted, 1)          \
  each(dense_crossprod, 4) each(dense_tcrossprod, 3) each(dense_product, 4)                        \
  each(dense_cholesky, 3) each(dense_solve, 5)                                                     \
  each(vecchia_whiten, 5) each(vecchia_pull, 6) each(vecchia_solve, 3) each(order_farthest, 2) \
  each(nearest_earlier, 3)

#define ARGUMENTS_0 void
#define ARGUMENTS_1 SEXP
#define ARGUMENTS_2 SEXP, ARGUMENTS_1
#define ARGUMENTS_3 SEXP, ARGUMENTS_2
#define ARGUMENTS_4 SEXP, ARGUMENTS_3
#define ARGUMENTS_5 SEXP, ARGUMENTS_4
#define ARGUMENTS_6 SEXP, ARGUMENTS_5
#define DECLARED(name, n) SEXP rkeops_##name(ARGUMENTS_##n);
RKEOPS_ENTRIES(DECLARED)
#undef DECLARED

#endif
