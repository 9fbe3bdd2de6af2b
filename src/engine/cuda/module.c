/* Modules on GPUs: what a stage knows of its machine code.
 *
 * The code of a module (several passes that were compiled together) for one compute capability is
 * shared by the stages of these passes, and kept when it is loaded: so a further device of that
 * capability needs no compiler. It is loaded on a device when a stage first runs there, and
 * unloaded when the last of its stages is forgotten. */
#include "build/build.h"
#include "cuda/frame.h"
#include "cuda/nvrtc.h"
#include "cuda/parts.h"

#include <stdlib.h>

typedef struct loaded {
  rk_device *device;
  rk_cu_handle module;
  struct loaded *next;
} loaded;

typedef struct {
  int major, minor;
  int users;                 /* stages */
  void *image;
  loaded *first;
} code;

/* The place of a layout of a stage in a code, -1 when it is alone there. */
typedef struct use {
  code *code;
  int number;
  struct use *next;
} use;

typedef struct placed {
  rk_device *device;
  rk_gpu_functions functions;
  struct placed *next;
} placed;

typedef struct {
  rk_gpu_shape shape;
  use *uses;                 /* one for each compute capability */
  placed *places;            /* one for each device */
} gpu_module;

typedef struct { gpu_module lay[RK_GPU_LAYS]; } gpu_modules;

static gpu_modules *modules_of(const rk_stage *stage) {
  return rk_stage_part(stage, &rk_backend_cuda);
}

static gpu_module *module_of(const rk_stage *stage, const rk_walk *walk) {
  gpu_modules *all = modules_of(stage);
  return all ? &all->lay[rk_gpu_lay_choose(&stage->pass, walk)] : NULL;
}

const rk_gpu_shape *rk_gpu_shape_of(const rk_job *job) {
  return &module_of(job->stage, job->walk)->shape;
}

static const use *use_for(const gpu_module *module, const rk_device *device) {
  const rk_device_limits *limits = rk_device_limits_of(device);
  if (!module) return NULL;
  for (const use *u = module->uses; u; u = u->next)
    if (u->code->major == limits->major && u->code->minor == limits->minor) return u;
  return NULL;
}

int rk_gpu_is_built(const rk_wanted *wanted) {
  const gpu_module *module = module_of(wanted->stage, wanted->walk);
  for (int k = 0; k < rk_devices(); k++)
    if (!use_for(module, rk_device_at(k))) return 0;
  return rk_devices() > 0;
}

/* ---- source ---- */

static rk_status check_inputs(const rk_pass *pass, rk_error *error) {
  int count[3] = {0, 0, 0};
  for (int q = 0; q < pass->variables; q++)
    count[rk_graph_variable_at(pass->graph, pass->variable[q])->kind]++;
  int most = count[RK_KIND_I] > count[RK_KIND_J] ? count[RK_KIND_I] : count[RK_KIND_J];
  if (most <= RK_CUDA_MAX_INPUTS) return RK_OK;
  return rk_fail(error, RK_ERROR_FORMULA,
                 "a formula with %d variables of one index: GPUs take at most %d", most,
                 RK_CUDA_MAX_INPUTS);
}

static rk_status make_modules(rk_stage *stage, rk_error *error) {
  if (modules_of(stage)) return RK_OK;
  gpu_modules *made = calloc(1, sizeof *made);
  if (!made) return rk_fail_memory(error, sizeof *made);
  for (int k = 0; k < RK_GPU_LAYS; k++)
    made->lay[k].shape = rk_gpu_shape_choose(&stage->pass, (rk_gpu_lay)k);
  rk_stage_set_part(stage, &rk_backend_cuda, made);
  return RK_OK;
}

rk_status rk_gpu_source(const rk_wanted *wanted, int n, rk_text *text, rk_error *error) {
  const rk_pass *pass[RK_MAX_WANTED];
  const rk_gpu_shape *shape[RK_MAX_WANTED];
  for (int k = 0; k < n; k++) {
    rk_stage *stage = wanted[k].stage;
    rk_status status = check_inputs(&stage->pass, error);
    if (!status) status = make_modules(stage, error);
    if (status) return status;
    pass[k] = &stage->pass;
    shape[k] = &module_of(stage, wanted[k].walk)->shape;
  }
  return rk_emit_cuda(pass, shape, n, rk_include_dir(), text, error);
}

/* The tile is that of a thread, which reads columns in shared memory. */
void rk_gpu_explain(const rk_wanted *wanted, rk_layout *layout, rk_text *lines) {
  const rk_pass *pass = &wanted->stage->pass;
  rk_gpu_shape shape = rk_gpu_shape_choose(pass, rk_gpu_lay_choose(pass, wanted->walk));
  layout->rows = shape.tile.rows;
  layout->columns = shape.tile.columns;
  layout->flush = shape.tile.flush;
  for (int side = RK_NEST_ROW; side <= RK_NEST_COLUMN; side++) {
    size_t block = (size_t)rk_packed_count(&shape, (rk_nest_kind)side, 1);
    layout->bytes[side] = (int)(rk_packed_bytes(pass, &shape, (rk_nest_kind)side, 1) / block);
  }
  rk_text_format(lines, "shape: %s\nthreads: %d\nblock_rows: %d\nblock_columns: %d\n"
                        "tile_rows: %d\ntile_columns: %d\n",
                 shape.blocked ? "blocked" : "walk", shape.threads, shape.row_block,
                 shape.column_block, shape.tile.rows, shape.tile.columns);
}

/* ---- machine code ---- */

static void drop_code(code *c) {
  if (--c->users > 0) return;
  for (loaded *l = c->first, *next; l; l = next) {
    next = l->next;
    if (rk_device_enter(l->device, NULL) == RK_OK) { /* not when it broke, nor after a fork */
      rk_device_unload(l->device, l->module);
      rk_device_leave(l->device);
    }
    free(l);
  }
  free(c->image);
  free(c);
}

static rk_status add_use(gpu_module *module, code *c, int number, rk_error *error) {
  use *u = malloc(sizeof *u);
  if (!u) return rk_fail_memory(error, sizeof *u);
  *u = (use){c, number, module->uses};
  module->uses = u;
  c->users++;
  return RK_OK;
}

static rk_status build_for(const rk_wanted *wanted, int n, const char *source,
                           const rk_device *device, rk_caller caller) {
  const rk_device_limits *limits = rk_device_limits_of(device);
  size_t bytes;
  code *c = calloc(1, sizeof *c);
  if (!c) return rk_fail_memory(caller.error, sizeof *c);
  *c = (code){.major = limits->major, .minor = limits->minor, .users = 1};
  rk_status status = rk_build_cuda(source, limits->major, limits->minor,
                                   wanted[0].stage->pass.options.fast_math, &c->image, &bytes,
                                   caller);
  for (int k = 0; k < n && !status; k++) {
    gpu_module *module = module_of(wanted[k].stage, wanted[k].walk);
    if (!use_for(module, device)) status = add_use(module, c, n > 1 ? k : -1, caller.error);
  }
  drop_code(c);
  return status;
}

rk_status rk_gpu_build(const rk_wanted *wanted, int n, const rk_text *source, rk_caller caller) {
  rk_status status = RK_OK;
  for (int d = 0; d < rk_devices() && !status; d++) {
    const rk_device *device = rk_device_at(d);
    int missing = 0;
    for (int k = 0; k < n; k++)
      missing |= !use_for(module_of(wanted[k].stage, wanted[k].walk), device);
    if (missing) status = build_for(wanted, n, rk_text_string(source), device, caller);
  }
  return status;
}

/* ---- functions ---- */

static rk_status module_on(code *c, rk_device *device, rk_cu_handle *module, rk_error *error) {
  for (loaded *l = c->first; l; l = l->next)
    if (l->device == device) {
      *module = l->module;
      return RK_OK;
    }
  loaded *l = malloc(sizeof *l);
  if (!l) return rk_fail_memory(error, sizeof *l);
  *l = (loaded){device, NULL, c->first};
  rk_status status = rk_device_load(device, c->image, &l->module, error);
  if (status) {
    free(l);
    return status;
  }
  c->first = l;
  *module = l->module;
  return RK_OK;
}

static rk_status take_functions(rk_gpu_functions *f, rk_device *device, rk_cu_handle module,
                                int number, int with_lists, rk_error *error) {
  static const char *const name[] = {"rk_parameters", "rk_rows", "rk_columns",
                                     "rk_pair", "rk_merge", "rk_finish", "rk_gather"};
  rk_cu_handle *const to[] = {&f->parameters, &f->rows, &f->columns, &f->pair, &f->merge,
                              &f->finish, &f->gather};
  rk_status status = RK_OK;
  for (int k = 0; k < 6 + with_lists && !status; k++) {
    char full[RK_NAME_TEXT];
    rk_name_in_text(full, name[k], number);
    status = rk_device_function(device, module, full, to[k], error);
  }
  return status;
}

rk_status rk_gpu_load(const rk_job *job, rk_device *device, const rk_gpu_functions **functions,
                      rk_error *error) {
  gpu_module *module = module_of(job->stage, job->walk);
  for (placed *p = module->places; p; p = p->next)
    if (p->device == device) {
      *functions = &p->functions;
      return RK_OK;
    }
  const use *u = use_for(module, device);
  if (!u) return rk_fail(error, RK_ERROR_INTERNAL, "a pass is not built for a device in use");
  placed *p = malloc(sizeof *p);
  if (!p) return rk_fail_memory(error, sizeof *p);
  *p = (placed){.device = device, .next = module->places};
  rk_cu_handle handle = NULL;
  rk_status status = module_on(u->code, device, &handle, error);
  if (!status)
    status = take_functions(&p->functions, device, handle, u->number, job->walk != NULL, error);
  if (status) {
    free(p);
    return status;
  }
  module->places = p;
  *functions = &p->functions;
  return RK_OK;
}

static void drop_module(gpu_module *module) {
  for (use *u = module->uses, *next; u; u = next) {
    next = u->next;
    drop_code(u->code);
    free(u);
  }
  for (placed *p = module->places, *next; p; p = next) {
    next = p->next;
    free(p);
  }
}

void rk_gpu_forget(rk_stage *stage) {
  gpu_modules *all = modules_of(stage);
  if (!all) return;
  for (int k = 0; k < RK_GPU_LAYS; k++) drop_module(&all->lay[k]);
  free(all);
  rk_stage_set_part(stage, &rk_backend_cuda, NULL);
}
