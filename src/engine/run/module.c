/* Modules: the emitted text of one or several passes, compiled, loaded, its functions looked up. */
#include "call.h"
#include "emit/emit.h"
#include "error.h"
#include "run/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rk_status rk_modules_emit(const rk_wanted *wanted, int n, rk_text *source, rk_error *error) {
  const rk_pass *pass[RK_MAX_WANTED];
  const rk_tile *tile[RK_MAX_WANTED];
  for (int k = 0; k < n; k++) {
    rk_module *module = &wanted[k].stage->module[wanted[k].axis];
    pass[k] = &wanted[k].stage->pass;
    module->tile = rk_tile_choose(pass[k], wanted[k].axis, wanted[k].stage->vectors);
    module->work = rk_work_bytes(pass[k], &module->tile);
    tile[k] = &module->tile;
  }
  return rk_emit_c(pass, tile, n, rk_include_dir(), source, error);
}

/* Looks up one function; `number` is its place in a module of several passes, -1 for a single one.
 */
static void *function_of(const rk_kernel *kernel, const char *name, int number) {
  char full[48];
  if (number < 0) snprintf(full, sizeof full, "%s", name);
  else snprintf(full, sizeof full, "%s_%d", name, number);
  return rk_kernel_symbol(kernel, full);
}

static rk_status take_functions(rk_module *module, const rk_kernel *kernel, int number,
                                rk_error *error) {
  void *parameters = function_of(kernel, "rk_parameters", number);
  void *rows = function_of(kernel, "rk_rows", number);
  void *columns = function_of(kernel, "rk_columns", number);
  void *pair = function_of(kernel, "rk_pair", number);
  if (!parameters || !rows || !columns || !pair)
    return rk_fail(error, RK_ERROR_INTERNAL, "a kernel lacks one of its functions");
  memcpy(&module->parameters, &parameters, sizeof parameters);
  memcpy(&module->rows, &rows, sizeof rows);
  memcpy(&module->columns, &columns, sizeof columns);
  memcpy(&module->pair, &pair, sizeof pair);
  return RK_OK;
}

rk_status rk_modules_build(const rk_wanted *wanted, int n, int together, const rk_text *source,
                           rk_poll poll, void *poll_data, rk_error *error) {
  rk_to_build list[RK_MAX_WANTED];
  const int texts = (n + together - 1) / together;
  for (int k = 0; k < texts; k++) list[k].source = rk_text_string(&source[k]);
  rk_status status = rk_build_c(list, texts, wanted[0].stage->vectors, rk_call_threads(), poll,
                                poll_data, error);
  for (int k = 0; !status && k < n; k++)
    status = take_functions(&wanted[k].stage->module[wanted[k].axis], list[k / together].kernel,
                            together > 1 ? k % together : -1, error);
  return status;
}
