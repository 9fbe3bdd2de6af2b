/* A text for several passes, in two parts by type, each after the prelude functions it uses. */
#include "emit/writer.h"
#include "error.h"

#include <string.h>

/* Names that every pass defines: with several passes in one text each gets a number. */
static const char *const own_names[] = {
  "rk_parameters", "rk_rows", "rk_columns", "rk_pair", "rk_walk", "rk_tile", "rk_state", "rk_start",
  "rk_leave", "rk_sum", "rk_flush", "rk_raise", "rk_changes", "rk_enter", "rk_enter_both", "K",
  "rk_values", "rk_lists", "rk_admit", "WAITING",
  "rk_weigh", "rk_merge_state", "rk_number_0", "rk_number_1", "rk_row_inputs", "rk_column_inputs"};
enum { OWN_NAMES = sizeof own_names / sizeof *own_names };

void rk_begin_pass(rk_module_text *m, rk_text *part, int number) {
  for (int k = 0; m->n > 1 && k < OWN_NAMES; k++)
    rk_text_format(part, "#define %s %s_%d\n", own_names[k], own_names[k], number);
  if (m->n > 1) rk_text_format(part, "#define rk_part(name) rk_part_%d_##name\n", number);
}

void rk_end_pass(rk_module_text *m, rk_text *part) {
  for (int k = 0; m->n > 1 && k < OWN_NAMES; k++)
    rk_text_format(part, "#undef %s\n", own_names[k]);
  if (m->n > 1) rk_text_add(part, "#undef rk_part\n");
}

/* Special functions call others: what they call is pasted as if the text itself called it. */
static rk_status write_part(rk_module_text *m, int bits, const rk_text *body,
                            const char *include_dir, rk_text *out, rk_error *error) {
  rk_text text = {0};
  rk_status status =
      rk_write_prelude(&text, include_dir, "special.h", rk_text_string(body), error);
  rk_text_add(&text, rk_text_string(body));
  rk_text_format(out, "#undef RK_TYPE\n#define RK_TYPE %d\n", bits);
  for (const char *const *file = m->preludes + 1; *file && !status; file++)
    status = rk_write_prelude(out, include_dir, *file, rk_text_string(&text), error);
  rk_text_add(out, rk_text_string(&text));
  out->failed |= text.failed;
  rk_text_free(&text);
  return status;
}

rk_status rk_write_module(rk_module_text *m, const char *include_dir, rk_text *out,
                          rk_error *error) {
  rk_status status = RK_OK;
  for (const char *const *file = m->preludes; *file && !status; file++)
    status = rk_write_prelude(out, include_dir, *file, NULL, error);
  if (!status) status = write_part(m, 64, &m->part[0], include_dir, out, error);
  if (!status && m->part[1].length)
    status = write_part(m, 32, &m->part[1], include_dir, out, error);
  int failed = out->failed || m->part[0].failed || m->part[1].failed;
  rk_text_free(&m->part[0]);
  rk_text_free(&m->part[1]);
  return !status && failed ? rk_fail_memory(error, 1 << 16) : status;
}
