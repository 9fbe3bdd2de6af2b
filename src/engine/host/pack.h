/* Inputs -> packed records of the three lower levels of a pass, in the kernel's type. */
#ifndef RKEOPS_PACK_H
#define RKEOPS_PACK_H

#include "caller.h"
#include "host/kernel.h"
#include "run/prepared.h"

/* Rows of one index on their way into records. */
typedef struct {
  const rk_stage *stage;
  const rk_module *module;
  const rk_array *value;
  const rk_watch *watch;
  rk_pack_function function;
  rk_kind kind;
  int64_t rows;
  int chunk;              /* rows of one call */
  size_t record, unit;    /* components of a record, bytes of one */
  const double *parameters;
} rk_side;

typedef struct {
  void *rows, *columns, *parameters; /* aligned to 64 bytes; rows and columns padded to blocks */
  size_t row_bytes, column_bytes;
  rk_prepared *kept[2];              /* rows, columns, where they are kept for later calls */
  double *exact;                     /* parameters */
  rk_side row_side, column_side;
} rk_packed;

/* Parameters, and of rows and columns what is wanted now: others are packed in parts, later. */
typedef struct { int rows, columns; } rk_packs;
rk_status rk_pack(const rk_job *job, const rk_module *module, rk_packs now, rk_packed *packed,
                  rk_caller caller);
void rk_packed_free(rk_packed *packed);

/* Rows order[first] .. order[first + n - 1], or those themselves, to `to`: any thread may. 0: out
 * of memory. And the bytes that they take. */
typedef struct { const int32_t *order; int64_t first, n; } rk_part;
int rk_pack_part(const rk_side *side, rk_part part, void *to);
size_t rk_part_bytes(const rk_side *side, int64_t n);

/* Memory that the next call may find again. *bytes becomes what there is; NULL: there is none. */
void *rk_spare_take(size_t *bytes);
void rk_spare_keep(void *memory, size_t bytes);

#endif
