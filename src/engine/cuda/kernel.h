/* The functions of an emitted CUDA module (frame.c), as the host launches them. "long long" is
 * 64 bits on both sides; real is float or double; stored is real, or half as an unsigned short
 * where shape.half says so. With several passes in a module the names end in _0, _1, ...
 *
 * All are launched with one-dimensional blocks. n and m are below 2^28.
 *
 * 1. rk_parameters(const double *in, double *exact, real *packed)           grid 1, block 32
 *    `in`: the parameter variables of the pass, in the order of pass->variable, one after another.
 *    `exact` (and `packed`): pass->slots[RK_NEST_PARAMETER].size numbers.
 *
 * 2. rk_rows(rk_row_inputs in, const double *exact, stored *out, int n, int to)
 *    rk_columns(rk_column_inputs in, const double *exact, stored *out, int n, int to)
 *                                                       grid ceil(to / 128), block 128
 *    The inputs are a struct by value: for each variable of that kind, in the order of
 *    pass->variable, a pair { const double *data; long long ld; }: component d of row r is
 *    data[r + d * ld]. A negative ld means floats, ((const float *)data)[r - d * ld]. The first n
 *    rows are there; rows n .. to - 1, up to a whole block, repeat
 *    the last one. A kernel of a kind without variables gets a struct of one unused pair. Layouts:
 *      rows:    [block of row_block][component][row of the block]
 *      columns: walk: records of column_stride; blocked: [block of column_block][component][column]
 *    A block is row_block * size components, so row block b begins at out + b * row_block * size;
 *    rk_packed_bytes says how many bytes any number of whole blocks (or records) takes.
 *
 * 3. rk_pair(const stored *rows, const stored *columns, const real *packed, int m, int n, int part,
 *            long long first, double *values, long long *positions, long long ld)
 *            grid (ceil(m / row_block), ceil(n / part), component_groups), block shape.threads
 *    A rectangle of m rows and n columns, whose packed data begin at `rows` and `columns` (whole
 *    blocks of row_block rows, of column_block columns, also when these are records); its first
 *    column has the position `first`. blockIdx.y takes the columns
 *    y * part ..., part a multiple of column_block. The state of row r of part y, started anew,
 *    goes to values[(y * V + c) * ld + r], c < V = pass->state.values, and
 *    positions[(y * P + c) * ld + r], P = pass->state.positions.
 *
 *    Over lists (shape.tile.masks):
 *    rk_pair(const stored *rows, const stored *columns, const real *packed, const int *row_at,
 *            const int *column_at, const int *list_at, const rk_interval *list, int m, int first,
 *            double *values, long long *positions, long long ld)
 *            grid (m / row_block, parts, component_groups), block shape.threads
 *    Part y of block x of rows walks over list[list_at[k]] .. list[list_at[k + 1] - 1], see
 *    interval.h, k = x * parts + y. For each row columns come in ascending places; `first` is that
 *    of the first packed column. m is a multiple of row_block. row_at: the position of each row;
 *    column_at: of each packed column, NULL without shape.tile.reorders.
 *
 * 4. rk_merge(double *values, long long *positions, long long ld, const double *from_values,
 *             const long long *from_positions, long long from_ld, int m, int parts, int fresh)
 *                                   grid (ceil(m / 128), rk_merge_groups), block 128
 *    Merges the parts 0, 1, ... in this order into a state of m rows; `fresh`: into a state that
 *    nothing has entered. values[c * ld + r].
 *
 * 5. rk_finish(const double *values, const long long *positions, long long ld, int m,
 *              double *number, long long *position, long long out_ld, int as_numbers
 *              [, const int *order])
 *                                   grid ceil(m / 128), block 128
 *    Column c of the field of values goes to number[c * out_ld + r], of the field of positions to
 *    position[c * out_ld + r] (RK_NO_POSITION: none). as_numbers: positions are written to `number`
 *    as doubles, NaN for none, and values are not written if the first field is positions: what a
 *    later pass reads. order (over lists): what row r has goes to order[r], but for rows with the
 *    order of the row before them, which are left out; NULL: to r.
 *
 * 6. rk_gather(const double *x, long long ld, const int *order, double *out, int n, int dim)
 *                                   grid ceil(n / 128), block 128; over lists
 *    out[r + d * n] is component d of row order[r] of an input.
 */
#ifndef RKEOPS_CUDA_KERNEL_H
#define RKEOPS_CUDA_KERNEL_H

#include "cuda/shape.h"

typedef struct { unsigned long long data; long long ld; } rk_cuda_input;
enum { RK_CUDA_PACK_THREADS = 128, RK_CUDA_MAX_INPUTS = 240 };

/* Bytes of `count` packed rows or columns, rounded up to whole blocks. */
size_t rk_packed_bytes(const rk_pass *pass, const rk_gpu_shape *shape, rk_nest_kind side,
                       int64_t count);
int64_t rk_packed_count(const rk_gpu_shape *shape, rk_nest_kind side, int64_t count); /* rounded */
int rk_merge_groups(const rk_pass *pass); /* grid.y of rk_merge */

#endif
