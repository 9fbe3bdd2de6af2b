/* The way an engine function fails: it fills the caller's rk_error and returns the status. */
#ifndef RK_ERROR_H
#define RK_ERROR_H

#include "engine.h"
#include "text.h"

/* Writes `status` and the formatted message into `error` (which may be NULL) and returns `status`,
 * so that a caller can say `return rk_fail(error, ...)`. A message that is too long is cut. */
rk_status rk_fail(rk_error *error, rk_status status, const char *format, ...) RK_PRINTF(3, 4);

/* The same for what a system call could not do, as errno says: RK_ERROR_SYSTEM, or RK_ERROR_MEMORY
 * when memory was what it lacked. */
rk_status rk_fail_system(rk_error *error, const char *format, ...) RK_PRINTF(2, 3);

/* The same for memory: says how many bytes were wanted. Returns RK_ERROR_MEMORY. */
rk_status rk_fail_memory(rk_error *error, size_t bytes);

#endif
