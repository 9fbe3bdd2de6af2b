/* See resident.h. */
#include "run/resident.h"

#include <stdlib.h>

void rk_resident_hold(rk_resident *r) { r->users++; }

void rk_resident_free(rk_resident *r) {
  if (!r || --r->users > 0) return;
  free(r->low);
  r->backend->memory->free(r);
}

rk_status rk_resident_fetch(const rk_resident *r, double *out, rk_caller caller) {
  return r->backend->memory->fetch(r, out, caller);
}

rk_array rk_resident_array(rk_resident *r) {
  return (rk_array){NULL, r->rows, r->dim, 1, r->rows, r, 0};
}

size_t rk_resident_bytes(const rk_resident *r) { return r->bytes; }

int rk_resident_device(const rk_resident *r) { return r->backend->memory->device(r); }
