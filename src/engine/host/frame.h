/* The text of passes for processors. */
#ifndef RKEOPS_HOST_FRAME_H
#define RKEOPS_HOST_FRAME_H

#include "emit/writer.h"

/* The text of n passes: rk_parameters, rk_rows and rk_columns pack the data, rk_pair runs a
 * rectangle. With n > 1 the functions of pass k have the suffix _k. And the bytes of tile memory
 * that an execution of one of them needs, of the states of a block. */
rk_status rk_emit_c(const rk_pass *const *pass, const rk_tile *const *tile, int n,
                    const char *include_dir, rk_text *out, rk_error *error);
size_t rk_work_bytes(const rk_pass *pass, const rk_tile *tile);
size_t rk_state_stride(const rk_pass *pass, const rk_tile *tile);

/* The kernel of a pass alone, with lanes along the kept index, as a text that passes have in common
 * which differ in numbers, in how they are packed and, up to the integers of the text, in sizes. It
 * is the same for vectors of any width. `walks`: rows may be masked, and columns come in any order.
 * 0: there is none. And the tile that it works with. */
int rk_emit_general(const rk_pass *pass, int walks, rk_text *out, rk_numbers *numbers);
rk_tile rk_general_tile(const rk_pass *pass, int bytes, int walks);

#endif
