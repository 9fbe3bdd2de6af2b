/* Where passes can run, which of these is used, and arrays that stay there. */
#include "backends.h"
#include "run/resident.h"

#include <math.h>
#include <string.h>

/* The first one is used unless another is chosen. A backend that is added is one more here. */
#define BACKENDS(each) each(cpu) each(builtin) each(cuda) each(reference)

#define DECLARED(name) extern const rk_backend rk_backend_##name;
BACKENDS(DECLARED)

#define LISTED(name) &rk_backend_##name,
static const rk_backend *const list[] = {BACKENDS(LISTED) NULL};

static const rk_backend *chosen = &rk_backend_cpu;
static int is_by_size; /* small calls run on `small`, whatever is chosen */
static const rk_backend *const small = &rk_backend_builtin;

/* A compiler takes a tenth of a second and more for a kernel that is then twice as fast: so many
 * operations take about 10 ms without one. What is chosen by it must not depend on times, or on
 * what is compiled already: a call gives the same bits each time. */
static const double most_of_small = 1e8;

const rk_backend *const *rk_backends(void) { return list; }

const rk_backend *rk_backend_chosen(double operations) {
  return is_by_size && operations <= most_of_small ? small : chosen;
}

const rk_backend *rk_backend_named(const char *name, double operations, rk_error *error) {
  if (!strcmp(name, "auto")) return operations <= most_of_small ? small : &rk_backend_cpu;
  for (int k = 0; list[k]; k++)
    if (!strcmp(list[k]->name, name)) return list[k];
  rk_fail(error, RK_ERROR_ARGUMENT, "there is no backend \"%s\"", name);
  return NULL;
}

rk_status rk_use_backend(const char *name, const int *device, int n, rk_error *error) {
  const rk_backend *wanted = rk_backend_named(name, INFINITY, error);
  rk_status status = wanted ? RK_OK : error->status;
  if (!status && !wanted->use && n)
    status = rk_fail(error, RK_ERROR_ARGUMENT, "the backend \"%s\" has no devices", name);
  if (!status && wanted->use) status = wanted->use(device, n, error);
  if (!status) is_by_size = !strcmp(name, "auto");
  if (status || wanted == chosen) return status;
  if (chosen->use) status = chosen->use(NULL, 0, error);
  chosen = wanted;
  return status;
}

/* ---- arrays ---------------------------------------------------------------------------------- */

rk_status rk_resident_new(const rk_array *x, rk_precision meant, rk_resident **made, rk_poll poll,
                          void *poll_data, rk_error *error) {
  rk_call call;
  *made = NULL;
  rk_status status = rk_call_begin(&call, chosen, (rk_caller){poll, poll_data, error});
  if (status) return status;
  const rk_memory *memory = call.backend->memory;
  if (x->resident)
    status = rk_fail(error, RK_ERROR_ARGUMENT, "the array lies on a GPU already");
  else if (!memory)
    status = rk_fail(error, RK_ERROR_DEVICE, "no GPU is in use: rkeops_use_gpu() first");
  else status = memory->keep(x, meant, made, rk_call_caller(&call, error));
  rk_call_end(&call);
  return status;
}

rk_status rk_resident_read(rk_resident *r, double *out, rk_poll poll, void *poll_data,
                           rk_error *error) {
  rk_call call;
  rk_status status = rk_call_begin(&call, chosen, (rk_caller){poll, poll_data, error});
  if (status) return status;
  rk_resident_hold(r);
  status = rk_resident_fetch(r, out, rk_call_caller(&call, error));
  rk_resident_free(r);
  rk_call_end(&call);
  return status;
}
