/* The backends, and the one that is used. */
#ifndef RKEOPS_BACKENDS_H
#define RKEOPS_BACKENDS_H

#include "run/call.h"

const rk_backend *const *rk_backends(void);      /* all of them, then NULL */
/* By rk_use_backend, for a call of so many operations; INFINITY: they are not known. */
const rk_backend *rk_backend_chosen(double operations);
const rk_backend *rk_backend_named(const char *name, double operations,
                                   rk_error *error); /* NULL: no such */

#endif
