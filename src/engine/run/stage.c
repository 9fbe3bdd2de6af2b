/* See backend.h. */
#include "run/backend.h"
#include "error.h"

#include <stdio.h>
#include <stdlib.h>

void *rk_stage_part(const rk_stage *stage, const rk_backend *backend) {
  for (int k = 0; k < RK_MOST_BACKENDS && stage->part[k].backend; k++)
    if (stage->part[k].backend == backend) return stage->part[k].made;
  return NULL;
}

void rk_stage_set_part(rk_stage *stage, const rk_backend *backend, void *made) {
  int k = 0;
  while (stage->part[k].backend && stage->part[k].backend != backend) k++;
  stage->part[k].backend = backend;
  stage->part[k].made = made;
}

void rk_stage_empty(rk_stage *stage) {
  if (stage->split) rk_stage_empty(stage->split);
  free(stage->split);
  free(stage->seen);
  for (int k = 0; k < RK_MOST_BACKENDS; k++)
    if (stage->part[k].made) stage->part[k].backend->forget(stage);
  rk_pass_free(&stage->pass);
}

rk_status rk_stage_split(rk_stage *stage, rk_stage **split, rk_error *error) {
  *split = stage->split;
  if (*split) return RK_OK;
  rk_stage *made = calloc(1, sizeof *made);
  if (!made) return rk_fail_memory(error, sizeof *made);
  made->vectors = stage->vectors;
  made->result = stage->result;
  rk_status status = rk_plan_split(&stage->pass, &made->pass, error);
  if (status) free(made);
  else *split = stage->split = made;
  return status;
}

int rk_wanted_together(const rk_wanted *wanted, int n) {
  int k = 0;
  while (k < n && wanted[k].text == wanted[0].text) k++;
  return k;
}

const char *rk_name_in_text(char *text, const char *name, int number) {
  if (number < 0) snprintf(text, RK_NAME_TEXT, "%s", name);
  else snprintf(text, RK_NAME_TEXT, "%s_%d", name, number);
  return text;
}

rk_sizes rk_sizes_of(const rk_stage *stage, const int64_t *rows) {
  return (rk_sizes){rows[rk_kept_kind(stage->pass.source)],
                    rows[rk_reduced_kind(stage->pass.source)]};
}
