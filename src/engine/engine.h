/* The rkeops engine: all that the R glue, the C tests and the drivers may call.
 *
 * A formula (text and declarations) becomes a program once; a program runs on arrays as often as
 * wanted. Programs live in a cache of the process and are never freed by the caller: one is good
 * until rk_forget, or until 4096 other programs have been asked for, or for as long as it is held.
 * The engine knows nothing of R: it returns a status and writes a message into the caller's
 * rk_error; it never prints, never exits and never jumps. It is called from one thread at a time.
 *
 * Calls within calls. A poll function may use all of the engine, on the thread that it is called
 * on; each function that takes a poll may so be called in the poll of another one:
 * - the inner call is a call like any other: it runs to its end before the poll returns, both give
 *   the results that they would give alone, and which of them stops is up to each one's own poll;
 * - settings, numbers of threads and devices that a poll changes are those of calls that begin
 *   afterwards, the next one in the same poll included; a call that runs keeps those it began with;
 * - programs (the handles given to rk_run and rk_build_many) and arrays on GPUs (the inputs) are
 *   in use until the call ends: rk_forget, the rolling over of the cache and rk_resident_free take
 *   them away from the caller at once, and free them then;
 * - memory that the caller lends, inputs and outputs, must stay as it is until the call ends;
 * - no more than 24 calls may be running: RK_ERROR_BUSY, of which only the last call gets to know.
 * A poll function returns: it must not jump out of the call.
 */
#ifndef RKEOPS_ENGINE_H
#define RKEOPS_ENGINE_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
  RK_OK = 0,
  RK_ERROR_FORMULA,   /* the text or a declaration is wrong: the place is in the message */
  RK_ERROR_SHAPE,     /* dimensions or numbers of rows do not agree */
  RK_ERROR_ARGUMENT,  /* an option or another argument is wrong */
  RK_ERROR_COMPILE,   /* no compiler, it failed, or it took longer than the limit */
  RK_ERROR_DEVICE,    /* a GPU or its libraries */
  RK_ERROR_MEMORY,    /* out of memory: bytes wanted are in the message */
  RK_ERROR_PRECISION, /* float32 or float16 cannot hold what is asked of it */
  RK_ERROR_SYSTEM,    /* files, folders, processes */
  RK_ERROR_BUSY,      /* too many calls are running, each in the poll of another one */
  RK_CANCELLED,       /* the poll function asked to stop */
  RK_ERROR_INTERNAL   /* a fault of the engine itself */
} rk_status;

typedef struct {
  rk_status status;
  char message[4096]; /* UTF-8, one or several lines, no newline at the end */
} rk_error;

/* Called by the calling thread only: between blocks of work, while packing and while waiting for
 * a compiler. `done` is the fraction of the pairs that is done, or -1 while compiling.
 * Non-zero cancels: the call returns RK_CANCELLED and nothing is lost. */
typedef int (*rk_poll)(void *data, double done);

/* RK_FLOAT16: inputs are stored as half, arithmetic is that of RK_FLOAT32; on GPUs only. */
typedef enum { RK_FLOAT32, RK_FLOAT64, RK_FLOAT16 } rk_precision;
typedef enum { RK_SCHEME_AUTO, RK_SCHEME_DIRECT, RK_SCHEME_BLOCK, RK_SCHEME_KAHAN } rk_scheme;
typedef enum { RK_ACCUMULATOR_AUTO, RK_ACCUMULATOR_FLOAT32, RK_ACCUMULATOR_FLOAT64 } rk_accumulator;

/* Everything besides formula and declarations that changes the code. {0} is the default. */
typedef struct {
  rk_precision precision;
  rk_scheme scheme;
  rk_accumulator accumulator;
  int fast_math;              /* GPUs: approximate instructions beyond the stated error bounds */
} rk_options;

/* ---- settings of the process ---------------------------------------------------------------- */

/* Strings are copied; NULL keeps what was there. All have defaults save include_dir, which must be
 * set before the first program is built. */
typedef struct {
  const char *include_dir;  /* folder with lanes.h and cuda.h (inst/include/rkeops) */
  const char *cache_dir;    /* kernel cache; made with mode 0700 when first needed */
  const char *fallback_dir; /* private folder used when cache_dir cannot be (a session's tempdir) */
  const char *makeconf;     /* R's Makeconf: its CC and its -fPIC flag are used */
  const char *compiler;     /* overrides the compiler of makeconf, e.g. "clang" or "ccache gcc" */
  double compile_timeout;   /* seconds of processor time for one run of the compiler, ten times as
                             * much by the clock; where the system does not tell the processor time
                             * (macOS) only the clock counts; <= 0 keeps what was there (60) */
  int64_t cache_limit;      /* bytes on disk, least recently used go first; <= 0 keeps (256 MiB) */
  int64_t gpu_memory;       /* bytes of each GPU that one call may use; 0: nine tenths of what is
                             * free; < 0 keeps what was there */
  int64_t prepared_memory;  /* bytes for what calls keep of their inputs for later ones, see
                             * rk_stamp_new; 0 keeps what was there (512 MiB), < 0: they keep
                             * nothing */
  const char *trace;        /* stages whose work is shown as they make a program, "parse,fuse", or
                             * "all"; "" for none. The variable RKEOPS_TRACE names more; it is read
                             * for each new program */
  void (*write)(const char *text); /* where that goes, in whole lines, from the calling thread */
} rk_settings;
rk_status rk_configure(const rk_settings *settings, rk_error *error);

/* The stages that may be named there, in order; NULL past the end. */
const char *rk_traced_stage(int k);

/* Number of threads of later calls; 0 goes back to the default: all processors that the process may
 * use, within OMP_NUM_THREADS. Never more than these processors, OMP_THREAD_LIMIT, or two where
 * _R_CHECK_LIMIT_CORES_ is set. One thread after fork, always. */
rk_status rk_set_threads(int threads, rk_error *error);
int rk_threads(void);           /* what a call would use now */
int rk_processors(void);        /* that the process may use: affinity, quota of control groups */

/* 1 when that is less than what rk_set_threads said; `text` then says why, in a few words. */
int rk_threads_limit(char *text, size_t size);

/* May later calls leave out pairs that cannot matter, where bounds of the formula say so? Positions
 * and values of minima, maxima and lists of the K smallest are the same; of sums, where all terms
 * have one sign, terms may be left out that are in all below 2^-60 of them (2^-30 in float32), else
 * terms that are 0. AUTO (the default): where a sample of the data says that it is faster. */
typedef enum { RK_PRUNE_AUTO, RK_PRUNE_ALWAYS, RK_PRUNE_NEVER } rk_pruning;
void rk_set_pruning(rk_pruning pruning);

/* Are some rows of later calls in float32 or float16 computed in float64 too, and compared? 1 (the
 * default): of the first, the tenth, the hundredth, ... call of a program, of those of at least 1e6
 * pairs and 16 rows of the result. At most 16 rows, 1e7 pairs and 2 % of the pairs of the call are,
 * by the backend "builtin". Results are the same; rk_warning says what is off by more than 1e-4,
 * once for a program. Inputs that lie on GPUs are taken for what they are: such calls are not
 * compared. */
void rk_set_precision_check(int on);

/* Notes that the process is the parent of those that are forked from now on. Else the first call
 * does it. */
void rk_watch_forks(void);

/* Ends the threads that are kept parked for later calls: before the engine is unloaded. */
void rk_end_threads(void);

double rk_seconds(void);        /* a clock that is never set back */

/* ---- GPUs ----------------------------------------------------------------------------------- */

/* Where later calls compute: "cpu" (the default: compiled), "builtin" (on the CPU without a
 * compiler), "auto" ("builtin" for small calls, by formula and numbers of rows, "cpu" for
 * others), "reference" (slow, without a compiler), or "cuda": on these NVIDIA GPUs, numbered
 * from 0 as the driver does. The first use of GPUs opens the driver (libcuda) and NVRTC; other
 * backends touch neither. RK_ERROR_ARGUMENT: there is no such backend, or it has no such
 * numbers. RK_ERROR_DEVICE: a library, a device or what it needs is missing, the device broke in
 * an earlier call, or this process was forked from one that uses GPUs; the setting stays what it
 * was. Cheap when nothing changes. */
rk_status rk_use_backend(const char *name, const int *device, int n, rk_error *error);

/* Is there a C compiler, or was one named, by rk_settings or the environment variable RKEOPS_CC? */
int rk_has_compiler(void);

typedef struct {
  char name[128];
  int major, minor;         /* compute capability */
  int multiprocessors;
  int64_t memory, free;     /* bytes; free is -1 when the driver does not say */
  int64_t held, pooled;     /* bytes that this process has from rk_: in use, kept for later calls */
} rk_device_info;
rk_status rk_device_count(int *count, rk_error *error);
rk_status rk_device_describe(int device, rk_device_info *info, rk_error *error);

/* Seconds that the launches of rk_pair of the rk_run that ended last took on its first device, by
 * the device's own clock; 0 when it ran on the CPU. */
double rk_gpu_seconds(void);

/* ---- programs ------------------------------------------------------------------------------- */

typedef struct rk_program rk_program;

enum { RK_MAX_RESULTS = 16 };

typedef enum { RK_KIND_I, RK_KIND_J, RK_KIND_PARAMETER } rk_kind;

typedef struct {
  const char *name;   /* "x"; for a variable written in place "Vi(0,3)" */
  rk_kind kind;
  int dim;
  int position;       /* index into the inputs of rk_run */
} rk_variable;

/* One array of the result: rows x (k * dim) numbers, column-major, column index c = a + k * d for
 * rank a (0..k-1; k = 1 save for the K smallest) and component d. */
typedef struct {
  int is_position;    /* positions in the reduced index rather than values */
  int k, dim;
  int ranked; /* 1 for the K smallest, also when k is 1: the result keeps an axis for ranks */
} rk_field;

typedef struct {
  rk_kind kept;                /* the index of the result's rows; RK_KIND_PARAMETER: one row */
  rk_kind reduced;             /* the index that positions count */
  int fields;                  /* 1, or 2: values and positions */
  const rk_field *field;
  const char *reduction;       /* its canonical name */
} rk_result;

typedef struct {
  int variables;               /* = number of inputs expected by rk_run */
  const rk_variable *variable; /* in order of position */
  int results;                 /* at most RK_MAX_RESULTS */
  const rk_result *result;     /* in the order of the text */
} rk_program_info;

/* Parses, differentiates, checks and plans; compiles nothing. The text is a reduction or an
 * expression made of reductions, or several of these separated by commas, possibly after
 * definitions separated by ";". Declarations: "x=Vi(3)", "y=Vj(1,3)", "Pm(2)". `n` may be 0 when
 * all variables are written in place. The result is the same pointer for the same request. On a CPU
 * it works with the vectors that RKEOPS_VECTORS asks for now (RK_ERROR_ARGUMENT: it has none). */
rk_status rk_program_get(const char *text, const char *const *declarations, int n,
                         const rk_options *options, rk_program **program, rk_error *error);
const rk_program_info *rk_program_info_of(const rk_program *program);

/* A program that is held stays, whatever becomes of the cache, until it is released as often. */
void rk_program_hold(rk_program *program);
void rk_program_release(rk_program *program);

/* The dimension of an expression that is not a reduction, for the R layer: dim and whether it is
 * of logical kind; index bits 1 (i) and 2 (j) say on what it depends. */
typedef struct { int dim, is_logical, indices; } rk_expression_info;
rk_status rk_expression(const char *text, const char *const *declarations, int n,
                        rk_expression_info *info, rk_error *error);

/* The text that the program is for a backend ("cpu", "cuda", ...) on a machine like this one. Freed
 * by rk_free. */
rk_status rk_source(rk_program *program, const char *backend, char **text, rk_error *error);
void rk_free(void *pointer);

/* How the program is computed by a backend ("cpu", "cuda"), for people, in the user's names; `rows`
 * by rk_kind, or NULL where they are not known. Lines "key: value", after the first in a section
 * "[pass]" for each pass over the pairs, in it sections "[parameters]", "[rows]", "[columns]" and
 * "[pairs]" for the levels, "[layout]" for what the backend chose, "[bounds]", after a call that
 * looked for pairs that cannot matter, and "[data]", after a call in float32, for what it has seen
 * of its data. A key may come several times,
 * and there may be more of them in later versions. Compiles nothing and needs no device. Freed by
 * rk_free. */
rk_status rk_explain(const rk_program *program, const char *backend, const int64_t *rows,
                     char **text, rk_error *error);

/* An input: element (row r, component d) is data[r * row_stride + d * component_stride]. A
 * parameter has one row. An array that lies on a GPU has `resident` instead of data. What is made
 * of an array with a stamp may be kept for later calls: see rk_stamp_new. */
typedef struct rk_resident rk_resident;
typedef struct {
  const double *data;
  int64_t rows;
  int64_t dim;        /* number of components found: compared with the declaration */
  int64_t row_stride, component_stride;
  rk_resident *resident;
  uint64_t stamp;     /* 0: nothing is known of it */
} rk_array;

/* A copy of an array on the GPUs in use (RK_ERROR_DEVICE when there is none), owned by the caller;
 * an input of any number of calls, on the CPU too (it is copied back then, each time). Where
 * `meant` is not RK_FLOAT64 it holds floats, which calls in float64 take as they are, unless a
 * component would lose what calls in float32 keep: far from 0 for its width, great whole numbers,
 * numbers beyond the range of floats. */
rk_status rk_resident_new(const rk_array *x, rk_precision meant, rk_resident **made, rk_poll poll,
                          void *poll_data, rk_error *error);
size_t rk_resident_bytes(const rk_resident *resident); /* of a number: 8 or 4 */
rk_array rk_resident_array(rk_resident *resident);   /* as an input */
int rk_resident_device(const rk_resident *resident); /* the first device that holds it */
/* Copies back: rows * dim doubles, column-major. */
rk_status rk_resident_read(rk_resident *resident, double *out, rk_poll poll, void *poll_data,
                           rk_error *error);
/* NULL is fine; so is a forked child, and an input of a call that runs. */
void rk_resident_free(rk_resident *resident);

typedef enum { RK_OUT_DOUBLE, RK_OUT_INT32 } rk_output_type;

/* Where one field goes. Values are always doubles. A position p (from 0) is written as p + base;
 * "no position" is written as none_double or none_int32. RK_OUT_INT32 is refused (RK_ERROR_SHAPE)
 * when the reduced index has more than 2^31 - 2 rows. */
typedef struct {
  rk_output_type type;
  void *data;         /* rows * k * dim elements */
  int64_t base;
  double none_double;
  int32_t none_int32;
} rk_output;


/* Compiles if needed, runs, writes every field: `outputs` are those of all results, one after the
 * other. */
rk_status rk_run(rk_program *program, const rk_array *inputs, int n, const rk_output *outputs,
                 rk_poll poll, void *poll_data, rk_error *error);

/* Which pairs are computed, where it is not all of them. The others are absent, whatever the
 * formula is there: they add nothing to a sum, a row without pairs has what an empty sum, minimum,
 * ... has. Rows of i and of j are taken in an order, each at a place. Places of i are cut into
 * segments; the rows of a segment meet the columns of its intervals. Of these pairs those are left
 * out whose j - i, the difference of the rows' numbers, lies in no band. */
typedef struct {
  int64_t size[2];           /* rows of i, of j: as many as the inputs have, together below 2^31 */
  const int32_t *order[2];   /* the row, from `base`, at each place; NULL: each at its own */
  int32_t base;
  int64_t segments;          /* 0: one, which has all columns */
  const int32_t *row_end;    /* of each segment, the place after its last: up to size[0] */
  const int32_t *list_end;   /* of each, the number of intervals up to its last one */
  const int32_t *from, *end; /* of each interval: places from .. end - 1 of j; those of a segment
                              * ascend, apart from each other */
  int bands;                 /* 0: one, which has all differences */
  const double *lower, *upper; /* of each: ends included; bands ascend, apart from each other */
} rk_blocks;

/* Numbers of rows by rk_kind, checked for agreement. Where no variable has that index as many as
 * blocks say, 1 without them, and 1 for RK_KIND_PARAMETER. */
rk_status rk_program_rows(const rk_program *program, const rk_blocks *blocks,
                          const rk_array *inputs, int n, int64_t rows[3], rk_error *error);

/* rk_run for the pairs of `blocks`, NULL: all. `inputs` are as many as the program has variables.
 * RK_ERROR_ARGUMENT and RK_ERROR_SHAPE: blocks are not as said above. */
rk_status rk_run_blocks(rk_program *program, const rk_blocks *blocks, const rk_array *inputs,
                        const rk_output *outputs, rk_poll poll, void *poll_data, rk_error *error);

/* ---- lists of pairs ------------------------------------------------------------------------- */

/* What an input has rows for: rows i or j, each pair of the list; all, as a parameter has one. */
typedef enum { RK_OF_I, RK_OF_J, RK_OF_PAIRS, RK_OF_ALL } rk_pair_side;

/* Pairs of rows, each as often as it is there, in the order in which they enter results of `rows`
 * rows: those of row 0 of the result up to end[0], then those of row 1 up to end[1], ... */
typedef struct {
  int64_t count;             /* below 2^31 */
  const int32_t *at[2];      /* by RK_OF_I, RK_OF_J: the row of each, from `base` */
  const int32_t *order;      /* the row, from `base`, of inputs RK_OF_PAIRS; NULL: their own */
  int64_t rows;
  const int32_t *end;
  rk_pair_side counted;      /* positions in results are rows of this side */
  int32_t base;
} rk_pairs;

/* The values of `program`, which has one result, a sum over j, and variables of i and parameters
 * only, at each pair: its inputs are taken at the rows of the pair that `side` says, by position.
 * They enter `reduction`: a program that is one reduction over j of its first variable, maybe with
 * its second one as the weight, whose values lie one after the other in those of `program`. NULL:
 * outputs[0] takes the values themselves, a row for each pair.
 *
 * What is computed on at a time fits into a cache: no memory of the size of the list is taken.
 * Sums add the pairs of a row in their order: results do not depend on the number of threads.
 * RK_ERROR_ARGUMENT: a pair has a row that the inputs have not; the programs are not such. */
rk_status rk_run_pairs(rk_program *program, const rk_pair_side *side, const rk_pairs *pairs,
                       rk_program *reduction, const rk_array *inputs, const rk_output *outputs,
                       rk_poll poll, void *poll_data, rk_error *error);

/* ---- points near each other ------------------------------------------------------------------ */

/* Points, one a row, as columns of coordinates: column d from at[d * rows] on. */
typedef struct { const double *at; int64_t rows; } rk_points;
typedef enum { RK_EUCLIDEAN, RK_MANHATTAN, RK_MAXIMUM } rk_metric;
enum { RK_MAX_NEAR = 3 };

/* Which points of x and y are within the radius of each other, which is finite. Points of less than
 * 2^31 rows, of 1 to RK_MAX_NEAR coordinates. */
typedef struct {
  rk_points x, y;
  int dimension;
  rk_metric metric;
  double radius;
} rk_near;

/* Blocks (rk_blocks, with rows from 0) that have all such pairs, and others of points that lie near
 * them. Those with coordinates that are no finite numbers meet nothing. Freed by the caller, also
 * after a failure: RK_ERROR_MEMORY, RK_CANCELLED. */
typedef struct {
  int32_t *order[2];
  int64_t segments, intervals;
  int32_t *row_end, *list_end, *from, *end;
} rk_near_blocks;
rk_status rk_near_make(const rk_near *near, rk_near_blocks *blocks, rk_poll poll, void *poll_data,
                       rk_error *error);
void rk_near_free(rk_near_blocks *blocks);

/* ---- dense matrices ------------------------------------------------------------------------- */

/* Element (i, j) is at[i * row_step + j * column_step]; of doubles in RK_FLOAT64, of floats in
 * RK_FLOAT32. Steps may be negative. Only results are written; they lie apart from operands. */
typedef struct {
  void *at;
  int64_t rows, columns, row_step, column_step;
} rk_matrix;
rk_matrix rk_turned(rk_matrix x); /* the same numbers, seen as t(x) */

/* On at most so many threads, of those that rk_threads says; 0: on these. Results are the same bits
 * for every number of threads. RK_ERROR_SHAPE: sizes do not agree. RK_ERROR_MEMORY, RK_CANCELLED:
 * what is written has lost its meaning. */
typedef struct {
  rk_precision precision; /* not RK_FLOAT16: RK_ERROR_ARGUMENT */
  int threads;
  rk_poll poll;
  void *poll_data;
  rk_error *error;
} rk_dense;

/* c = a b; c = t(a) a, symmetric to the bit. */
rk_status rk_dense_product(const rk_dense *call, rk_matrix a, rk_matrix b, rk_matrix c);
rk_status rk_dense_crossprod(const rk_dense *call, rk_matrix a, rk_matrix c);

/* l t(l) = a in place, l lower triangular: what is above the diagonal of a is not read, and becomes
 * 0. Of rk_turned(a) it is the upper factor that comes to lie in a. `pivot`: 0, or the number,
 * from 1, of the first pivot that is not positive; then a has lost its meaning. */
rk_status rk_dense_cholesky(const rk_dense *call, rk_matrix a, int64_t *pivot);

/* The x of l x = b, or of u x = b, in place of b. The other triangle is not read; where a number on
 * the diagonal is 0 results are infinite or NaN. t(x) of x r = b is that of t(r) t(x) = t(b). */
typedef enum { RK_ALL, RK_LOWER, RK_UPPER } rk_triangle;
rk_status rk_dense_solve(const rk_dense *call, rk_triangle which, rk_matrix triangle, rk_matrix b);

/* ---- Gaussian processes ---------------------------------------------------------------------- */

/* Blocks of rows, each a site behind the rows that it depends on: `most` rows for each block, from
 * 1 on, of which the last is the site. Another number than 1 .. rows is no row. */
typedef struct {
  const int32_t *row;
  int64_t blocks, rows;
  int most;
} rk_sets;

/* Values of a program at pairs of rows: see rk_run_pairs, of which inputs have `rows` rows. */
typedef struct {
  rk_program *program;
  const rk_pair_side *side;
  const rk_array *inputs;
} rk_pair_values;

/* Sites, given those that they depend on: with the covariances of a block, and noise on their
 * diagonal, the last row of the inverse of their lower Cholesky factor, the coefficients of the
 * site, and s, one over the last of these, a standard deviation. */
typedef struct {
  rk_sets sets;
  rk_pair_values covariance; /* symmetric: (i, j) with j before i in a block is computed */
  const double *noise;
  int64_t noises;            /* of each row; 1: of all */
  const double *z;
  int columns;               /* of z, by columns */
} rk_vecchia;

/* By block: sums w of coefficients times z, a column for each of z; log s; `most` coefficients, 0
 * where no row is: NULL, or wanted. `failed`: zeros, or the first block, from 1, whose covariances
 * have no factor, and the row that is not apart from those before it; then the rest has no
 * meaning. With `takes_copies` that of a site itself is no failure: its log s is -Inf, and
 * coefficients are as if s were 1. */
typedef struct {
  double *w, *log_sd, *coefficients;
  int takes_copies;
  int64_t failed[2];
} rk_vecchia_values;
rk_status rk_vecchia_whiten(const rk_vecchia *v, rk_vecchia_values *values, rk_poll poll,
                            void *poll_data, rk_error *error);

/* For cotangents of w and log s those of noise and z, which are added to what is there (NULL: not
 * wanted), and those of what covariances are made of: component c of `slopes`, whose inputs
 * RK_OF_PAIRS are the cotangents of covariances (NULL in their place), is added to sums[c],
 * one number for all pairs or one for each row of the side; NULL: none is wanted. */
enum { RK_VECCHIA_COMPONENTS = 256 }; /* at most */
typedef struct {
  const double *w, *log_sd;
  double *noise, *z;
  const rk_pair_values *slopes;
  const rk_pair_side *side;  /* by component of slopes */
  double *const *sums;
} rk_vecchia_cotangents;
rk_status rk_vecchia_pull(const rk_vecchia *v, const rk_vecchia_cotangents *cotangents,
                          rk_poll poll, void *poll_data, rk_error *error);

/* The rows of sites, from 0, in an order in which each is as far from the nearest one before it as
 * can be; the first is the one nearest to their mean. Of equal ones the first row comes first.
 * Coordinates are finite. */
rk_status rk_order_farthest(const rk_points *sites, int dims, int32_t *order, rk_poll poll,
                            void *poll_data, rk_error *error);

/* For each site the k nearest rows before it, from 0, nearest first, of equally near ones the first
 * row; -1 where there are fewer: k columns. Coordinates are finite. */
rk_status rk_nearest_earlier(const rk_points *sites, int dims, int k, int32_t *found, rk_poll poll,
                             void *poll_data, rk_error *error);

/* x with the sums w over the coefficients of each block, whose sites are the rows 1, 2, ...: those
 * before a site are known when its turn comes. */
void rk_vecchia_solve(const rk_sets *sets, const double *coefficients, const double *w, double *x);

/* ---- data that does not change ----------------------------------------------------------------
 *
 * Calls of the backend "cpu" keep what they make of inputs before the first pair, and find it again
 * in later calls that have the same inputs: results are the same to the last bit. Who gives an
 * array a stamp says that its numbers are those that they were whenever an array had that stamp;
 * memory may be another one. What calls keep takes memory, and time to get it: a stamp is worth
 * while for an array that comes again. */
uint64_t rk_stamp_new(void);             /* one that nothing has; never 0 */
void rk_stamp_forget(uint64_t stamp);    /* frees what was made of such arrays */
void rk_prepared_clear(void);            /* frees all of that */
/* Bytes of arrays that the caller keeps for their stamps: they count as what calls keep does,
 * rk_settings.prepared_memory. */
void rk_prepared_hold(int64_t bytes);

/* ---- warnings, many programs ---------------------------------------------------------------- */

/* What became 0 or infinite in float32, or lost its meaning or its digits, in the rk_run that ended
 * last: lines, "" where there is nothing to say. Good until the next one ends. */
const char *rk_warning(void);

/* Builds many programs with few compiles (tests, warming a cache). */
rk_status rk_build_many(rk_program *const *programs, int n, rk_poll poll, void *poll_data,
                        rk_error *error);

/* ---- counters, caches, reports -------------------------------------------------------------- */

typedef struct {
  int64_t programs;       /* programs known to this process */
  int64_t compiles;       /* compiler runs */
  int64_t memory_hits, disk_hits;
  int64_t prepared, prepared_bytes; /* what is kept of inputs, see rk_stamp_new, */
  int64_t prepared_hits;            /* and how often it was found */
} rk_counters;
rk_counters rk_count(void);

/* Forgets the kernels of this process (handles stay loaded), and what is kept of inputs; the disk
 * is not touched. Programs are gone, save those that are held or that a call uses. */
void rk_forget(void);

rk_status rk_cache_usage(int64_t *files, int64_t *bytes, rk_error *error);
rk_status rk_cache_clear(rk_error *error);

/* What was found on this machine, as "key: value" lines (compiler, its version, CPU features,
 * threads, CUDA libraries, cache folder). Freed by rk_free. */
rk_status rk_report(char **text, rk_error *error);

/* The tables, for documentation, suggestions and tests: entry k of the operations or reductions,
 * 0 when there is none. */
typedef struct {
  const char *name;
  const char *kind;       /* "elementwise", "fold", "pieces", "defined", "composed", "derivative",
                           * "reduction" */
  int operands, integers; /* numbers of expression and of integer arguments, */
  int lists, optional;    /* of lists of integers; how many of the last arguments may be absent */
  const char *dimension;  /* of the result, in terms of da, db, dc, n, m; NULL: see operations.h */
  const char *expected;   /* what operands and integers must be, in words; NULL or "": anything */
  const char *definition; /* "defined": the formula that it stands for */
  int selects;            /* it takes one operand, or component: derivative 1 by that one */
  const char *derivatives[4];
  const char *no_derivative; /* why there is none; NULL: there is one, or it is 0 */
  const char *documentation;
} rk_entry;
int rk_operation_entry(int k, rk_entry *entry);
int rk_reduction_entry(int k, rk_entry *entry);

#endif
