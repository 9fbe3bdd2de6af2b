/* Registration of the native routines. When the package is loaded nothing else happens than that
 * forks are counted from then on. */
#include "r_glue.h"

#include <R_ext/Rdynload.h>

#define ENTRY(name, arguments) {"C_" #name, (DL_FUNC)&rkeops_##name, arguments}

static const R_CallMethodDef entries[] = {
    ENTRY(configure, 4),       ENTRY(threads, 0),       ENTRY(end_threads, 0),
    ENTRY(program_info, 2),    ENTRY(warning, 0),
    ENTRY(run, 4),             ENTRY(source, 2),        ENTRY(build_many, 2),
    ENTRY(explain, 3),
    ENTRY(expression, 2),      ENTRY(fresh_id, 1),      ENTRY(hash, 1),
    ENTRY(given, 2),           ENTRY(match_objects, 4), ENTRY(formula_text, 3),
    ENTRY(cache_usage, 0),     ENTRY(cache_clear, 0),   ENTRY(forget, 0),
    ENTRY(counters, 0),        ENTRY(report, 0),        ENTRY(use_devices, 1),
    ENTRY(device_info, 0),
    ENTRY(gpu_new, 3),         ENTRY(gpu_read, 2),      ENTRY(gpu_device, 1),
    ENTRY(gpu_alive, 0),       ENTRY(gpu_precision, 1), ENTRY(number_text, 1),
    ENTRY(operation_table, 0), ENTRY(reduction_table, 0),
    ENTRY(merge_definitions, 2), ENTRY(count_definitions, 1), ENTRY(definitions, 3),
    {NULL, NULL, 0}};

#undef ENTRY

void R_init_rkeops(DllInfo *dll) {
  R_registerRoutines(dll, NULL, entries, NULL, NULL);
  R_useDynamicSymbols(dll, FALSE);
  R_forceSymbols(dll, TRUE);
  rk_watch_forks();
}

