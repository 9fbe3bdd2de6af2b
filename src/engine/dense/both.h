/* The loops of loops.h in both precisions, with vectors of BYTES bytes. */
#define NUMBER double
#define ROOT sqrt
#include "dense/loops.h"
#define NUMBER float
#define ROOT sqrtf
#include "dense/loops.h"
#undef BYTES
#undef TARGET
