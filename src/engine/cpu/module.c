/* The backend for the processor. Its part of a stage are modules: the emitted text of the pass,
 * compiled, loaded, its functions looked up, for each way to lay out the pairs. */
#include "cpu/kernel.h"
#include "run/call.h"

#include <stdlib.h>
#include <string.h>

typedef struct { rk_module module[RK_LAYS]; } modules;

static modules *modules_of(const rk_stage *stage) { return rk_stage_part(stage, &rk_backend_cpu); }

static rk_module *module_of(const rk_wanted *wanted) {
  modules *m = modules_of(wanted->stage);
  return m ? &m->module[rk_lay_choose(wanted->stage, wanted->sizes, wanted->walk)] : NULL;
}

static rk_status run(const rk_job *job, rk_caller caller) {
  const rk_wanted wanted = {.stage = job->stage, .sizes = job->sizes, .walk = job->walk};
  return rk_run_tasks(job, module_of(&wanted), caller);
}

static int is_built(const rk_wanted *wanted) {
  const rk_module *module = module_of(wanted);
  return module && module->pair;
}

static void forget(rk_stage *stage) {
  free(modules_of(stage));
  rk_stage_set_part(stage, &rk_backend_cpu, NULL);
}

/* ---- text ---- */

static int make_modules(rk_stage *stage) {
  if (modules_of(stage)) return 1;
  modules *made = calloc(1, sizeof *made);
  if (made) rk_stage_set_part(stage, &rk_backend_cpu, made);
  return made != NULL;
}

static void explain(const rk_wanted *wanted, rk_layout *layout, rk_text *lines) {
  const rk_stage *stage = wanted->stage;
  rk_lay lay = rk_lay_choose(stage, wanted->sizes, wanted->walk);
  rk_tile tile = rk_tile_choose(&stage->pass, lay, stage->vectors);
  int kept = tile.axis == RK_LANES_KEPT;
  layout->rows = tile.rows * (kept ? tile.lanes : 1);
  layout->columns = tile.columns * (kept ? 1 : tile.lanes);
  layout->flush = tile.flush;
  rk_text_format(lines, "tile_rows: %d\ntile_columns: %d\nvector_bytes: %d\nlanes: %d\n"
                        "lanes_along: %s\ntile_bytes: %.0f\n",
                 layout->rows, layout->columns, tile.bytes, tile.lanes, kept ? "rows" : "columns",
                 (double)rk_work_bytes(&stage->pass, &tile));
}

static void describe(rk_text *report) { rk_build_report(report); }

static rk_status source(const rk_wanted *wanted, int n, rk_text *text, rk_error *error) {
  const rk_pass *pass[RK_MAX_WANTED];
  const rk_tile *tile[RK_MAX_WANTED];
  for (int k = 0; k < n; k++) {
    rk_stage *stage = wanted[k].stage;
    if (!make_modules(stage)) return rk_fail_memory(error, sizeof(modules));
    rk_module *module = module_of(&wanted[k]);
    pass[k] = &stage->pass;
    module->tile = rk_tile_choose(pass[k], rk_lay_choose(stage, wanted[k].sizes, wanted[k].walk),
                                  stage->vectors);
    module->work = rk_work_bytes(pass[k], &module->tile);
    module->state = rk_state_stride(pass[k], &module->tile);
    tile[k] = &module->tile;
  }
  return rk_emit_c(pass, tile, n, rk_include_dir(), text, error);
}

/* ---- kernels ---- */

static rk_status take_functions(rk_module *module, const rk_kernel *kernel, int number,
                                rk_error *error) {
  static const char *const names[] = {"rk_parameters", "rk_rows", "rk_columns", "rk_pair"};
  void *const to[] = {&module->parameters, &module->rows, &module->columns, &module->pair};
  for (int k = 0; k < 4; k++) {
    char name[RK_NAME_TEXT];
    void *symbol = rk_kernel_symbol(kernel, rk_name_in_text(name, names[k], number));
    if (!symbol) return rk_fail(error, RK_ERROR_INTERNAL, "a kernel has no %s", names[k]);
    memcpy(to[k], &symbol, sizeof symbol);
  }
  return RK_OK;
}

static rk_status take_kernel(const rk_wanted *wanted, int n, const rk_kernel *kernel,
                             rk_error *error) {
  rk_status status = RK_OK;
  for (int k = 0; !status && k < n; k++)
    status = take_functions(module_of(&wanted[k]), kernel, n > 1 ? k : -1, error);
  return status;
}

static rk_status build(const rk_wanted *wanted, int n, const rk_text *text, rk_caller caller) {
  rk_to_build list[RK_MAX_WANTED];
  const int texts = wanted[n - 1].text + 1;
  for (int k = 0; k < texts; k++) list[k].source = rk_text_string(&text[k]);
  rk_status status =
      rk_build_c(list, texts, wanted[0].stage->vectors, rk_call_threads(), caller);
  for (int k = 0, m; !status && k < n; k += m) {
    m = rk_wanted_together(wanted + k, n - k);
    status = take_kernel(wanted + k, m, list[wanted[k].text].kernel, caller.error);
  }
  return status;
}

const rk_backend rk_backend_cpu = {
  .name = "cpu", .shows_rows = 1, .takes_bounds = 1, .check = rk_host_check,
  .is_built = is_built,
  .source = source, .build = build, .run = run, .forget = forget, .explain = explain,
  .describe = describe};
