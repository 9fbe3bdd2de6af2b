/* Modules of the stand-in driver: shared objects of the host that the stand-in for NVRTC made, and
 * their kernels. Launches are checked as the true driver does. */
#define _GNU_SOURCE
#include "driver_parts.h"
#include "standin.h"

#include <dlfcn.h>
#include <elf.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>
#include <unistd.h>

enum { STATIC_SHARED = 48 << 10, MOST_PARAMETERS = 4096, MOST_GRID = 65535 };

struct module {
  device *owner;
  void *library;
  char *path;                /* of its file: messages of sanitizers name lines by it */
  const rk_emulated_module *what;
  unsigned char *image;      /* for its symbols */
  function *functions;
  module *next;
};

struct function {
  module *in;
  char name[128];
  const rk_emulated_kernel *kernel;
  size_t shared;             /* bytes */
  function *next;
};

struct launch {
  const function *what;
  rk_triple grid;
  unsigned threads;
  void **parameters;         /* into `bytes` */
  size_t parameter_bytes;
  char *bytes;
};

static module *modules;

/* ---- loading --------------------------------------------------------------------------------- */

static size_t image_bytes(const Elf64_Ehdr *h) {
  return h->e_shoff + (size_t)h->e_shentsize * h->e_shnum;
}

/* A library of its own for each module: the loader knows files by their place on the disk. */
static void open_image(module *m, size_t bytes) {
  char path[512];
  snprintf(path, sizeof path, "%s/rkeops-standin-XXXXXX", rk_text_setting("TMPDIR", "/tmp"));
  int file = mkstemp(path);
  m->path = file >= 0 ? strdup(path) : NULL;
  if (!m->path) return;
  ssize_t written = write(file, m->image, bytes);
  close(file);
  m->library = written == (ssize_t)bytes ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  if (!m->library) fprintf(stderr, "stand-in: %s\n", dlerror());
}

/* Machine code runs on devices of its architecture, PTX on later ones too. */
static int suits(const char *architecture) {
  int made_for = atoi(architecture + strcspn(architecture, "0123456789")), here = capability();
  if (architecture[0] == 'c') return here >= made_for ? CU_OK : CU_UNSUPPORTED_PTX;
  return here / 10 == made_for / 10 && here >= made_for ? CU_OK : CU_NO_BINARY_FOR_GPU;
}

static void module_close(module *m) {
  for (function *f = m->functions, *next; f; f = next) {
    next = f->next;
    free(f);
  }
  if (m->library) dlclose(m->library);
  if (m->path) unlink(m->path);
  free(m->path);
  free(m->image);
  free(m);
}

static int open_module(module *m, const void *image) {
  const Elf64_Ehdr *h = image;
  if (memcmp(h->e_ident, ELFMAG, SELFMAG)) return CU_INVALID_IMAGE;
  if (h->e_machine == 190 /* EM_CUDA: code of a true GPU */) return CU_NO_BINARY_FOR_GPU;
  size_t bytes = image_bytes(h);
  m->image = malloc(bytes);
  if (!m->image) return CU_OUT_OF_MEMORY;
  memcpy(m->image, image, bytes);
  open_image(m, bytes);
  if (m->library) m->what = dlsym(m->library, "rk_emulated_module_");
  return m->what ? suits(m->what->architecture) : CU_INVALID_IMAGE;
}

int module_load(device *d, const void *image, module **made) {
  module *m = calloc(1, sizeof *m);
  if (!m) return CU_OUT_OF_MEMORY;
  m->owner = d;
  int code = open_module(m, image);
  if (code) {
    module_close(m);
    return code;
  }
  m->next = modules;
  modules = m;
  alive.modules++;
  *made = m;
  return CU_OK;
}

void modules_remove_files(void) {
  for (const module *m = modules; m; m = m->next) unlink(m->path);
}

static int is_module(const device *d, const module *wanted) {
  for (const module *m = modules; m; m = m->next)
    if (m == wanted) return m->owner == d;
  return 0;
}

int module_unload(device *d, module *m) {
  if (!is_module(d, m)) return CU_INVALID_HANDLE;
  for (module **at = &modules; *at; at = &(*at)->next) {
    if (*at != m) continue;
    *at = m->next;
    break;
  }
  module_close(m);
  alive.modules--;
  return CU_OK;
}

/* ---- functions ------------------------------------------------------------------------------- */

static const Elf64_Shdr *section(const unsigned char *image, int k) {
  const Elf64_Ehdr *h = (const void *)image;
  return (const void *)(image + h->e_shoff + (size_t)k * h->e_shentsize);
}

/* Is this symbol an array that the kernel declares __shared__? Its name is _ZZ<n><kernel>E... */
static int is_shared_of(const unsigned char *image, const Elf64_Sym *s, const char *symbol,
                        const char *mangled) {
  const Elf64_Ehdr *h = (const void *)image;
  if (strncmp(symbol, mangled, strlen(mangled)) || s->st_shndx >= h->e_shnum) return 0;
  if (ELF64_ST_TYPE(s->st_info) == STT_TLS) return 1;
  const Elf64_Shdr *names = section(image, h->e_shstrndx), *in = section(image, s->st_shndx);
  return !strcmp((const char *)image + names->sh_offset + in->sh_name, "rk_shared");
}

static size_t shared_bytes(const unsigned char *image, const char *kernel) {
  const Elf64_Ehdr *h = (const void *)image;
  char mangled[160];
  size_t bytes = 0;
  snprintf(mangled, sizeof mangled, "_ZZ%zu%sE", strlen(kernel), kernel);
  for (int k = 0; k < h->e_shnum; k++) {
    const Elf64_Shdr *table = section(image, k);
    if (table->sh_type != SHT_SYMTAB) continue;
    const char *names = (const char *)image + section(image, (int)table->sh_link)->sh_offset;
    const Elf64_Sym *symbols = (const void *)(image + table->sh_offset);
    for (size_t s = 0; s < table->sh_size / sizeof *symbols; s++)
      if (is_shared_of(image, &symbols[s], names + symbols[s].st_name, mangled))
        bytes += symbols[s].st_size;
  }
  return bytes;
}

static function *known_function(const module *m, const char *name) {
  for (function *f = m->functions; f; f = f->next)
    if (!strcmp(f->name, name)) return f;
  return NULL;
}

int module_function(device *d, module *m, const char *name, function **found) {
  char symbol[160];
  if (!is_module(d, m)) return CU_INVALID_HANDLE;
  function *f = *found = known_function(m, name);
  if (f) return CU_OK;
  snprintf(symbol, sizeof symbol, "rk_emulated_%s", name);
  const rk_emulated_kernel *kernel = dlsym(m->library, symbol);
  if (!kernel) return CU_NOT_FOUND;
  f = calloc(1, sizeof *f);
  if (!f) return CU_OUT_OF_MEMORY;
  f->in = m;
  f->kernel = kernel;
  f->shared = shared_bytes(m->image, name);
  snprintf(f->name, sizeof f->name, "%s", name);
  f->next = m->functions;
  m->functions = f;
  *found = f;
  return CU_OK;
}

static int most_threads(const function *f) {
  return f->kernel->most_threads > 0 ? f->kernel->most_threads : 1024;
}

/* ---- launches -------------------------------------------------------------------------------- */

static int is_function(const device *d, const function *wanted) {
  for (const module *m = modules; m; m = m->next)
    for (const function *f = m->functions; f; f = f->next)
      if (f == wanted) return m->owner == d;
  return 0;
}

static int check_shape(const function *f, rk_triple grid, rk_triple block) {
  if (!grid.x || !grid.y || !grid.z || !block.x || !block.y || !block.z) return CU_INVALID_VALUE;
  if (grid.x > 2147483647u || grid.y > MOST_GRID || grid.z > MOST_GRID) return CU_INVALID_VALUE;
  if (block.y > 1 || block.z > 1) return CU_INVALID_VALUE; /* the engine uses x only */
  if (block.x > 1024) return CU_INVALID_VALUE;
  if (block.x > (unsigned)most_threads(f)) return CU_INVALID_VALUE;
  return f->shared > STATIC_SHARED ? CU_LAUNCH_OUT_OF_RESOURCES : CU_OK;
}

/* The values as they are now, each on a boundary of 16 bytes. */
static int copy_parameters(launch *l, void **parameters) {
  const rk_emulated_kernel *kernel = l->what->kernel;
  size_t room = 0, asked = 0, at = 0;
  for (int k = 0; k < kernel->parameters; k++) {
    asked += kernel->size[k];
    room += (kernel->size[k] + 15u) & ~15u;
  }
  if (asked > MOST_PARAMETERS || (kernel->parameters && !parameters)) return CU_INVALID_VALUE;
  l->bytes = calloc(1, room + 1);
  l->parameters = calloc((size_t)kernel->parameters + 1, sizeof *l->parameters);
  if (!l->bytes || !l->parameters) return CU_OUT_OF_MEMORY;
  for (int k = 0; k < kernel->parameters; k++) {
    if (!parameters[k]) return CU_INVALID_VALUE;
    l->parameters[k] = l->bytes + at;
    memcpy(l->parameters[k], parameters[k], kernel->size[k]);
    at += (kernel->size[k] + 15u) & ~15u;
  }
  l->parameter_bytes = room;
  return CU_OK;
}

int launch_new(device *d, const function *f, rk_triple grid, rk_triple block, void **parameters,
               launch **made) {
  if (!is_function(d, f)) return CU_INVALID_HANDLE;
  int code = check_shape(f, grid, block);
  launch *l = code ? NULL : calloc(1, sizeof *l);
  if (!l) return code ? code : CU_OUT_OF_MEMORY;
  *l = (launch){.what = f, .grid = grid, .threads = block.x};
  code = copy_parameters(l, parameters);
  if (code) {
    launch_free(l);
    return code;
  }
  *made = l;
  return CU_OK;
}

void launch_free(launch *l) {
  if (!l) return;
  free(l->parameters);
  free(l->bytes);
  free(l);
}

/* ---- running: faults end the launch, not the process ----------------------------------------- */

static _Thread_local const device *runs_on;
static struct sigaction before[2];
static const int fault_signals[2] = {SIGSEGV, SIGBUS};

static void on_fault(int signal, siginfo_t *info, void *context) {
  char text[200];
  const ucontext_t *before_it = context;
  if (rk_emulation_runs()) {
    memory_explain(runs_on, info->si_addr, text, sizeof text);
    pthread_sigmask(SIG_SETMASK, &before_it->uc_sigmask, NULL); /* we do not return */
    rk_emulation_fault(text);
  }
  sigaction(signal, &before[signal == SIGBUS], NULL); /* not ours: it happens again */
}

static void watch_faults(int on) {
  struct sigaction ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  for (int k = 0; k < 2; k++) {
    if (on) sigaction(fault_signals[k], &ours, &before[k]);
    else sigaction(fault_signals[k], &before[k], NULL);
  }
}

static int has_foreign_address(const device *d, const launch *l) {
  for (size_t at = 0; at < l->parameter_bytes; at += 8) {
    unsigned long long word;
    memcpy(&word, l->bytes + at, sizeof word);
    if (!memory_is_foreign(d, word)) continue;
    fprintf(stderr, "stand-in: %s was given %#llx, which is no memory of device %d\n",
            l->what->name, word, d->number);
    return 1;
  }
  return 0;
}

static rk_emulation_order order_of(const char *text) {
  return text[0] == 'b' ? RK_BACKWARD : text[0] == 's' ? RK_SHUFFLED : RK_FORWARD;
}

int launch_run(device *d, launch *l) {
  static unsigned launches; /* no two shuffled alike */
  const char *order = rk_text_setting("RKEOPS_EMULATOR_ORDER", "forward");
  const char *seed = strchr(order, ':');
  rk_emulation run = {.name = l->what->name, .module = l->what->in->what,
                      .kernel = l->what->kernel, .blocks = l->grid, .threads = l->threads,
                      .parameters = l->parameters, .order = order_of(order),
                      .seed = (seed ? (unsigned)atoi(seed + 1) : 1) + ++launches * 7919u};
  if (has_foreign_address(d, l)) return CU_ILLEGAL_ADDRESS;
  runs_on = d;
  memory_show(d, 1);
  watch_faults(1);
  int code = rk_emulate(&run);
  watch_faults(0);
  memory_show(d, 0);
  return code;
}
