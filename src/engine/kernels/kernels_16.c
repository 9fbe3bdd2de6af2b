/* Kernels for vectors of 16 bytes, which every processor has. */
#include "kernels/tables.h"

#define RK_BYTES 16
#ifdef RK_HAS_WIDE_KERNELS /* few processors have nothing wider */
#define RK_DOUBLE_ONLY 1
#endif
#include "kernels/all.h"

const rk_built_entry rk_built_16[] = {
#include "kernels/table.def"
};
