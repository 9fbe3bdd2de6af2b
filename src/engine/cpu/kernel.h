/* The functions of an emitted module for a CPU, and what this backend makes of a pass. */
#ifndef RKEOPS_KERNEL_H
#define RKEOPS_KERNEL_H

#include "build/build.h"
#include "host/frame.h"
#include "host/kernel.h"

extern const rk_backend rk_backend_cpu; /* module.c */

/* tile.c: how the pairs of a pass are laid out; the register tile for vectors of `bytes`. */
rk_lay rk_lay_choose(const rk_stage *stage, rk_sizes sizes, const rk_walk *walk);
rk_tile rk_tile_choose(const rk_pass *pass, rk_lay lay, int bytes);

#endif
