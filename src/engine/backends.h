/* The backends, and the one that is used. */
#ifndef RKEOPS_BACKENDS_H
#define RKEOPS_BACKENDS_H

#include "run/call.h"

const rk_backend *const *rk_backends(void);      /* all of them, then NULL */
const rk_backend *rk_backend_chosen(void);       /* by rk_use_backend */
const rk_backend *rk_backend_named(const char *name, rk_error *error); /* NULL: no such */

#endif
