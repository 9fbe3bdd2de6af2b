/* Packing runs the functions of a module over blocks of rows. */
#include "host/pack.h"
#include "run/call.h"
#include "error.h"
#include "os.h"
#include "rounding.h"
#include "run/parallel.h"
#include "run/values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DOUBLE_LANES = 8, RECORDS = 64 };

/* ---- one side ---- */

static const rk_graph_variable *variable_of(const rk_stage *stage, int q) {
  return rk_graph_variable_at(stage->pass.graph, stage->pass.variable[q]);
}

/* Doubles that copies of `chunk` rows of the variables of a kind take. */
static size_t copied_size(const rk_stage *stage, rk_kind kind, int chunk) {
  size_t size = 0;
  for (int q = 0; q < stage->pass.variables; q++)
    if (variable_of(stage, q)->kind == kind)
      size += (size_t)variable_of(stage, q)->dim * (size_t)chunk;
  return size;
}

/* These rows of an input as columns. */
static double *copy_rows(const rk_array *x, const int64_t *row, int n, double *to) {
  const double *column = x->data;
  for (int64_t d = 0; d < x->dim; d++, column += x->component_stride, to += n) {
    if (x->row_stride == 1)
      for (int r = 0; r < n; r++) to[r] = column[row[r]];
    else
      for (int r = 0; r < n; r++) to[r] = column[row[r] * x->row_stride];
  }
  return to;
}

static int64_t row_of(const rk_part *part, int64_t k) {
  return part->order ? part->order[part->first + k] : part->first + k;
}

/* The rows of a chunk that begins with row k of the part: the last one again past the end. */
static void find_rows(const rk_part *part, int64_t k, int chunk, int64_t *row) {
  for (int r = 0; r < chunk; r++) row[r] = row_of(part, k + r < part->n ? k + r : part->n - 1);
}

/* Do they lie side by side? */
static int is_run(const rk_part *part, int64_t k, int chunk) {
  if (k + chunk > part->n) return 0;
  const int32_t *order = part->order ? part->order + part->first + k : NULL;
  for (int r = 1; r < chunk && order; r++)
    if (order[r] != order[0] + r) return 0;
  return 1;
}

/* What a task works with. */
typedef struct {
  const double **x;
  long long *ld;
  double *copies;
  int64_t *row;
  char *work;
} workspace;

static void pack_chunk(const rk_side *s, const rk_part *part, int64_t k, const workspace *own,
                       char *out) {
  int whole = is_run(part, k, s->chunk);
  int64_t first = row_of(part, k);
  const double **x = own->x;
  long long *ld = own->ld;
  double *copies = own->copies;
  if (!whole) find_rows(part, k, s->chunk, own->row);
  for (int q = 0; q < s->stage->pass.variables; q++) {
    const rk_array *value = &s->value[s->stage->pass.variable[q]];
    if (variable_of(s->stage, q)->kind != s->kind) continue;
    int direct = whole && value->row_stride == 1;
    x[q] = direct ? value->data + first : copies;
    ld[q] = direct ? value->component_stride : s->chunk;
    if (direct) continue;
    if (whole) find_rows(part, k, s->chunk, own->row);
    copies = copy_rows(value, own->row, s->chunk, copies);
  }
  s->function(x, ld, s->parameters, out + (size_t)k * s->record * s->unit, s->chunk, own->work,
              s->module->program);
}

size_t rk_part_bytes(const rk_side *s, int64_t n) {
  return (size_t)rk_round_up(n, s->chunk) * s->record * s->unit + 64;
}

int rk_pack_part(const rk_side *s, rk_part part, void *to) {
  size_t variables = (size_t)s->stage->pass.variables + 1;
  workspace own = {calloc(variables, sizeof *own.x), calloc(variables, sizeof *own.ld),
                   rk_os_aligned(copied_size(s->stage, s->kind, s->chunk) * sizeof *own.copies),
                   malloc((size_t)s->chunk * sizeof *own.row), rk_os_aligned(s->module->work)};
  int done = own.x && own.ld && own.copies && own.row && own.work;
  for (int64_t k = 0; k < part.n && done && s->record; k += s->chunk)
    pack_chunk(s, &part, k, &own, to);
  free(own.x);
  free(own.ld);
  free(own.row);
  rk_os_aligned_free(own.copies);
  rk_os_aligned_free(own.work);
  return done;
}

/* ---- all of one side ---- */

typedef struct {
  const rk_side *side;
  const int32_t *order;   /* which row comes; NULL: the next one */
  char *out;
  int failed;
} packing;

/* A task packs several chunks, about an eighth of a megabyte of output: what it has read is near
 * when it is shown. */
static int64_t chunks_per_task(const rk_side *s) {
  size_t bytes = (s->record ? s->record : 1) * s->unit * (size_t)s->chunk;
  return bytes < (1 << 17) ? (int64_t)((1 << 17) / bytes) : 1;
}

static void pack_task(void *data, int64_t task, const rk_worker *worker) {
  packing *p = data;
  const rk_side *s = p->side;
  int64_t per = chunks_per_task(s) * s->chunk, begin = task * per, end = begin + per;
  (void)worker;
  if (end > s->rows) end = s->rows;
  if (!rk_pack_part(s, (rk_part){p->order, begin, end - begin},
                    p->out + (size_t)begin * s->record * s->unit)) p->failed = 1;
  else if (s->watch) s->watch->see(s->watch->data, s->kind, task, begin, end);
}

/* Records of very many components are packed a few rows at a time, to keep the copies small. */
static int records_chunk(const rk_stage *stage, rk_kind kind) {
  int chunk = RECORDS;
  while (chunk > DOUBLE_LANES && copied_size(stage, kind, chunk) > (1 << 18)) chunk /= 2;
  return chunk;
}

/* Memory of the last call's packed data is kept for the next one, some megabytes of it: to get
 * pages from the system anew takes longer than to fill them. */
enum { SPARES = 2, LEAST_SPARE = 1 << 17, MOST_SPARE = 1 << 24 };
static struct { void *at; size_t bytes; } spare[SPARES];

void *rk_spare_take(size_t *bytes) {
  for (int k = 0; k < SPARES && *bytes >= LEAST_SPARE; k++) {
    if (spare[k].bytes < *bytes || spare[k].bytes / 4 > *bytes) continue;
    void *taken = spare[k].at;
    *bytes = spare[k].bytes;
    spare[k].at = NULL;
    spare[k].bytes = 0;
    return taken;
  }
  return rk_os_aligned(*bytes);
}

/* Takes the place of the smallest one. */
void rk_spare_keep(void *at, size_t bytes) {
  int least = 0;
  if (!at) return;
  for (int k = 1; k < SPARES; k++)
    if (spare[k].bytes < spare[least].bytes) least = k;
  if (bytes >= LEAST_SPARE && bytes <= MOST_SPARE && bytes > spare[least].bytes) {
    void *smaller = spare[least].at;
    spare[least].at = at;
    spare[least].bytes = bytes;
    at = smaller;
  }
  rk_os_aligned_free(at);
}

static rk_status pack_all(const rk_side *s, const int32_t *order, void *out, rk_caller caller) {
  int64_t chunks = rk_ceil_div(s->rows, s->chunk);
  int64_t tasks = rk_ceil_div(chunks, chunks_per_task(s));
  rk_status status = s->watch ? s->watch->begin(s->watch->data, s->kind, tasks) : RK_OK;
  int threads = tasks < 4 ? 1 : rk_call_threads();
  packing p = {s, order, out, 0};
  if (!status) status = rk_parallel(tasks, threads, pack_task, &p, caller);
  if (status) return status;
  return p.failed ? rk_fail_memory(caller.error, s->module->work) : RK_OK;
}

/* All that packed rows are made of: the function (kernels stay loaded), its program and what it
 * reads. Positions are the same for as many rows. */
static void write_key(const rk_side *s, const int32_t *order, rk_key *key) {
  const rk_pass *pass = &s->stage->pass;
  key->is_unknown = order || !s->record;
  for (int q = 0; q < pass->variables && !key->is_unknown; q++) {
    const rk_graph_variable *v = variable_of(s->stage, q);
    if (v->kind != s->kind || v->origin == RK_FROM_POSITION) continue;
    rk_key_array(key, &s->value[pass->variable[q]]);
  }
  if (key->is_unknown) return;
  rk_key_bytes(key, &s->function, sizeof s->function);
  rk_key_number(key, s->module->serial);
  rk_key_number(key, (uint64_t)s->rows);
  rk_key_number(key, (uint64_t)s->chunk);
  rk_key_bytes(key, s->parameters,
               (size_t)pass->slots[RK_NEST_PARAMETER].size * sizeof *s->parameters);
}

/* Who watches is shown all rows, where nobody reads them any more. */
static rk_status show_all(const rk_side *s) {
  rk_status status = s->watch ? s->watch->begin(s->watch->data, s->kind, 1) : RK_OK;
  if (!status && s->watch) s->watch->see(s->watch->data, s->kind, 0, 0, s->rows);
  return status;
}

static rk_status pack_side(const rk_side *s, const int32_t *order, void **out, size_t *size,
                           rk_prepared **kept, rk_caller caller) {
  double bytes = (double)rk_round_up(s->rows, s->chunk) * (double)s->record * (double)s->unit;
  rk_key key = {.stamps = 0};
  write_key(s, order, &key);
  *kept = rk_prepared_find(&key);
  if (*kept) {
    rk_key_free(&key);
    *out = rk_prepared_value(*kept);
    return show_all(s);
  }
  int may_keep = rk_prepared_has_room(&key, bytes);
  *size = bytes < 0x1p62 ? (size_t)bytes + 64 : 0;
  *out = !*size ? NULL : may_keep ? rk_os_aligned(*size) : rk_spare_take(size);
  rk_status status = RK_OK;
  if (!*out)
    status = rk_fail(caller.error, RK_ERROR_MEMORY, "out of memory: %.0f bytes for packed data",
                     bytes);
  if (!status && s->record) status = pack_all(s, order, *out, caller);
  if (!status && may_keep) *kept = rk_prepared_keep(&key, *out, *size, rk_os_aligned_free);
  rk_key_free(&key);
  return status;
}

/* ---- parameters ---- */

static rk_status pack_parameters(const rk_stage *stage, const rk_module *module,
                                 const rk_array *value, double **exact, void **packed,
                                 rk_error *error) {
  const rk_pass *pass = &stage->pass;
  size_t size = (size_t)pass->slots[RK_NEST_PARAMETER].size;
  size_t copies = copied_size(stage, RK_KIND_PARAMETER, DOUBLE_LANES);
  *exact = rk_os_aligned((size + copies) * sizeof **exact);
  *packed = rk_os_aligned(size * sizeof(double));
  char *work = rk_os_aligned(module->work);
  const double **x = calloc((size_t)pass->variables + 1, sizeof *x);
  long long *ld = calloc((size_t)pass->variables + 1, sizeof *ld);
  if (*exact && *packed && work && x && ld && size) {
    static const int64_t first_row[DOUBLE_LANES];
    double *copy = *exact + size;
    for (int q = 0; q < pass->variables; q++) {
      if (variable_of(stage, q)->kind != RK_KIND_PARAMETER) continue;
      x[q] = copy;
      ld[q] = DOUBLE_LANES;
      copy = copy_rows(&value[pass->variable[q]], first_row, DOUBLE_LANES, copy);
    }
    module->parameters(x, ld, NULL, *exact, 1, work, module->program);
    for (size_t k = 0; k < size; k++) {
      if (pass->options.precision == RK_FLOAT64) ((double *)*packed)[k] = (*exact)[k];
      else ((float *)*packed)[k] = rk_parameter_float((*exact)[k]);
    }
  }
  int failed = !*exact || !*packed || !work || !x || !ld;
  rk_os_aligned_free(work);
  free(x);
  free(ld);
  return failed ? rk_fail_memory(error, size * 16 + module->work) : RK_OK;
}

static rk_side side_of(const rk_job *job, const rk_module *module, rk_nest_kind level,
                       const double *parameters) {
  const rk_pass *pass = &job->stage->pass;
  int rows = level == RK_NEST_ROW, in_lanes = rows == (module->tile.axis == RK_LANES_KEPT);
  rk_kind kind = rows ? rk_kept_kind(pass->source) : rk_reduced_kind(pass->source);
  int block = rows ? rk_block_rows(&module->tile) : rk_block_columns(&module->tile);
  return (rk_side){.stage = job->stage, .module = module, .value = job->value, .watch = job->watch,
                   .function = rows ? module->rows : module->columns, .kind = kind,
                   .rows = rows ? job->sizes.kept : job->sizes.reduced,
                   .chunk = in_lanes ? block : records_chunk(job->stage, kind),
                   .record = (size_t)pass->slots[level].size,
                   .unit = (size_t)rk_real_size(&pass->options), .parameters = parameters};
}

rk_status rk_pack(const rk_job *job, const rk_module *module, rk_packs now, rk_packed *packed,
                  rk_caller caller) {
  *packed = (rk_packed){0};
  rk_status status = pack_parameters(job->stage, module, job->value, &packed->exact,
                                     &packed->parameters, caller.error);
  packed->row_side = side_of(job, module, RK_NEST_ROW, packed->exact);
  packed->column_side = side_of(job, module, RK_NEST_COLUMN, packed->exact);
  if (!status && now.rows)
    status = pack_side(&packed->row_side, NULL, &packed->rows, &packed->row_bytes,
                       &packed->kept[0], caller);
  if (!status && now.columns)
    status = pack_side(&packed->column_side, job->walk ? job->walk->column_at : NULL,
                       &packed->columns, &packed->column_bytes, &packed->kept[1], caller);
  if (!status && job->watch) status = job->watch->judge(job->watch->data);
  if (status) rk_packed_free(packed);
  return status;
}

void rk_packed_free(rk_packed *packed) {
  if (!packed->kept[0]) rk_spare_keep(packed->rows, packed->row_bytes);
  if (!packed->kept[1]) rk_spare_keep(packed->columns, packed->column_bytes);
  for (int k = 0; k < 2; k++) rk_prepared_release(packed->kept[k]);
  rk_os_aligned_free(packed->parameters);
  rk_os_aligned_free(packed->exact);
  *packed = (rk_packed){0};
}
