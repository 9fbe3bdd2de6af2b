/* The stand-in driver and the stand-in for NVRTC themselves: what they refuse, what they notice,
 * how they fail on demand, and that they come on. */
#include "check.h"
#include "client.h"

#include <pthread.h>
#include <unistd.h>

static handle stream;

static void set(const char *name, const char *value) {
  char variable[64];
  snprintf(variable, sizeof variable, "RKEOPS_STANDIN_%s", name);
  if (value) setenv(variable, value, 1);
  else unsetenv(variable);
}

static handle kernel(const char *file, const char *name) {
  char *text = client_text(file);
  handle module = NULL, f = NULL;
  int code;
  char *image = client_compile(text, "sm_90", &code, NULL);
  CHECK(image && !code && !cu.cuModuleLoadDataEx(&module, image, 0, NULL, NULL) &&
        !cu.cuModuleGetFunction(&f, module, name), name);
  free(image);
  free(text);
  return f;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void buffers(void) {
  cu_pointer p = 0, q = 0;
  double numbers[3] = {0};
  size_t unused, total;
  CHECK(cu.cuMemAlloc_v2(&p, 0) == 1, "0 bytes are refused");
  set("MEMORY", "10000");
  CHECK(!cu.cuMemAlloc_v2(&p, 24) && p % 256 == 0, "a buffer begins on a boundary");
  CHECK(cu.cuMemAlloc_v2(&q, 9977) == 2, "memory has an end");
  CHECK(!cu.cuMemGetInfo_v2(&unused, &total) && total == 10000 && unused == 9976, "and says so");
  set("MEMORY", NULL);
  CHECK(!cu.cuMemcpyDtoHAsync_v2(numbers, p, 24, stream) && isnan(numbers[0]) && isnan(numbers[2]),
        "it is full of NaN");
  CHECK(cu.cuMemcpyDtoHAsync_v2(numbers, p + 1, 24, stream) == 1, "copies end where buffers end");
  CHECK(cu.cuMemcpyHtoDAsync_v2((cu_pointer)(size_t)numbers, numbers, 8, stream) == 1,
        "the host is no device");
  CHECK(cu.count("buffers") == 1 && cu.count("bytes") == 24, "buffers are counted");
  CHECK(!cu.cuMemFree_v2(p) && cu.cuMemFree_v2(p) == 1, "a buffer is freed once");
  CHECK(cu.count("buffers") == 0, "and gone");
}

/* ---- schedules ------------------------------------------------------------------------------- */

static void lazy_copies(void) {
  cu_pointer p = client_copy(NULL, 8);
  handle event, before, other;
  double *pinned, plain = 1, read = 0;
  int queries = 0;
  set("LAZY", "1");
  CHECK(!cu.cuMemHostAlloc((void **)&pinned, 8, 0) && !cu.cuEventCreate(&event, 0) &&
        !cu.cuEventCreate(&before, 0) && !cu.cuStreamCreate(&other, 1), "all is made");
  cu.cuEventRecord(before, stream);
  *pinned = 2;
  cu.cuMemcpyHtoDAsync_v2(p, pinned, 8, stream);
  *pinned = 3;
  cu.cuEventRecord(event, stream);
  float milliseconds = -1;
  CHECK(cu.cuEventElapsedTime(&milliseconds, before, event) == 600, "it has not happened yet");
  while (cu.cuEventQuery(event) == 600) queries++;
  CHECK(queries > 0 && queries < 100, "an event is not ready at first, but soon");
  CHECK(!cu.cuEventElapsedTime(&milliseconds, before, event) && milliseconds >= 0 &&
        milliseconds < 1e4, "time passes");
  cu.cuMemcpyDtoHAsync_v2(&read, p, 8, stream);
  CHECK(read == 3, "pinned memory is read late; a copy to pageable memory is there");
  cu.cuMemcpyHtoDAsync_v2(p, &plain, 8, stream);
  plain = 4;
  cu.cuEventRecord(event, stream);
  cu.cuStreamWaitEvent(other, event, 0);
  cu.cuMemcpyDtoHAsync_v2(pinned, p, 8, other);
  CHECK(*pinned == 3, "a copy to pinned memory comes late");
  cu.cuStreamSynchronize(other);
  CHECK(*pinned == 1, "pageable memory was read at once; a stream waits for an event of another");
  CHECK(!cu.cuEventDestroy_v2(event) && cu.cuEventDestroy_v2(event) == 400, "destroyed once");
  CHECK(!cu.cuStreamDestroy_v2(other) && cu.cuStreamSynchronize(other) == 400, "destroyed");
  cu.cuEventDestroy_v2(before);
  cu.cuMemFreeHost(pinned);
  cu.cuMemFree_v2(p);
  set("LAZY", NULL);
}

/* ---- launches -------------------------------------------------------------------------------- */

static int launch(handle f, unsigned x, unsigned y, unsigned threads, void **parameters) {
  return cu.cuLaunchKernel(f, x, y, 1, threads, 1, 1, 0, stream, parameters, NULL);
}

static void launch_limits(void) {
  handle f = kernel("sums", "sums"), g;
  cu_pointer p = client_copy(NULL, 4096);
  long long n = 0;
  void *parameters[] = {&p, &n, &p};
  int bytes = 0, threads = 0;
  CHECK(launch(f, 1, 1, 256, parameters) == 0, "a launch");
  CHECK(launch(f, 0, 1, 256, parameters) == 1, "of no block");
  CHECK(launch(f, 1, 65536, 256, parameters) == 1, "of too many");
  CHECK(launch(f, 1, 1, 257, parameters) == 1, "of more threads than __launch_bounds__");
  CHECK(launch(f, 1, 1, 256, NULL) == 1, "without parameters");
  CHECK(cu.cuLaunchKernel(f, 1, 1, 1, 64, 2, 1, 0, stream, parameters, NULL) == 1, "of 64 x 2");
  CHECK(launch((handle)&n, 1, 1, 1, parameters) == 400, "of what is no function");
  CHECK(!cu.cuFuncGetAttribute(&bytes, 1, f) && bytes == 36, "shared memory of a kernel");
  CHECK(!cu.cuFuncGetAttribute(&threads, 0, f) && threads == 256, "threads of a kernel");
  CHECK(!cu.cuStreamSynchronize(stream), "nothing is broken by what was refused");
  CHECK(cu.cuModuleGetFunction(&g, stream, "sums") == 400, "a stream is no module");
  cu.cuMemFree_v2(p);
}

static void large_parameters(void) {
  static const char text[] =
    "struct many { double v[500]; };\n"
    "extern \"C\" __global__ void last(many m, int k, double *out) { *out = m.v[499] + k; }\n"
    "/* __global__ void not_this(int); */\n"
    "extern \"C\" __global__ void more(many m, many n, double *out) { *out = m.v[0] + n.v[0]; }\n"
    "extern \"C\" __global__ void greedy(double *out) {\n"
    "  __shared__ double big[6145]; big[threadIdx.x] = 1; *out = big[0]; }\n";
  int code, k = 2;
  handle module, f;
  char *image = client_compile(text, "sm_80", &code, NULL);
  double v[500] = {0}, out = 0;
  cu_pointer p = client_copy(NULL, 8);
  v[499] = 5;
  CHECK(cu.cuModuleLoadDataEx(&module, image, 0, NULL, NULL) == 209,
        "machine code of another generation is refused");
  free(image);
  image = client_compile(text, "compute_80", &code, NULL);
  CHECK(!cu.cuModuleLoadDataEx(&module, image, 0, NULL, NULL), "PTX is not");
  CHECK(cu.cuModuleGetFunction(&f, module, "not_this") == 500, "a comment is no kernel");
  CHECK(!cu.cuModuleGetFunction(&f, module, "last") &&
        !launch(f, 1, 1, 1, (void *[]){v, &k, &p}), "a struct of 4000 bytes");
  cu.cuMemcpyDtoHAsync_v2(&out, p, 8, stream);
  CHECK(out == 7, "arrives");
  CHECK(!cu.cuModuleGetFunction(&f, module, "more") &&
        launch(f, 1, 1, 1, (void *[]){v, v, &p}) == 1, "more than 4096 bytes do not");
  CHECK(!cu.cuModuleGetFunction(&f, module, "greedy") && launch(f, 1, 1, 1, (void *[]){&p}) == 701,
        "nor does a kernel with too much shared memory");
  CHECK(!cu.cuModuleUnload(module) && cu.cuModuleUnload(module) == 400, "unloaded once");
  free(image);
  cu.cuMemFree_v2(p);
}

/* The same name stands for other things in other modules. */
static void modules_apart(void) {
  static const char text[] =
    "struct in { double v[%d]; };\n"
    "static __device__ __noinline__ double last(in a) { return a.v[%d - 1]; }\n"
    "extern \"C\" __global__ void take(in a, double *out) { *out = last(a); }\n";
  double v[9], out = 0;
  cu_pointer p = client_copy(NULL, 8);
  handle module[2], f[2];
  for (int k = 0; k < 9; k++) v[k] = k;
  for (int m = 0; m < 2; m++) {
    char one[400];
    int code;
    snprintf(one, sizeof one, text, 2 + 7 * m, 2 + 7 * m);
    char *image = client_compile(one, "sm_90", &code, NULL);
    CHECK(image && !cu.cuModuleLoadDataEx(&module[m], image, 0, NULL, NULL) &&
          !cu.cuModuleGetFunction(&f[m], module[m], "take"), "a module");
    free(image);
  }
  for (int m = 0; m < 2; m++) {
    launch(f[m], 1, 1, 1, (void *[]){v, &p});
    cu.cuMemcpyDtoHAsync_v2(&out, p, 8, stream);
    CHECK(out == 1 + 7 * m, "modules do not see each other");
    cu.cuModuleUnload(module[m]);
  }
  cu.cuMemFree_v2(p);
}

/* ---- faults ---------------------------------------------------------------------------------- */

static void touch_and_mend(handle f, cu_pointer p, long long at, const char *what) {
  double value = 1;
  launch(f, 1, 1, 32, (void *[]){&p, &at, &value});
  CHECK(cu.cuStreamSynchronize(stream) == 700, what);
  CHECK(cu.cuMemAlloc_v2(&p, 8) == 700, "and the context is lost");
  cu.mend();
}

static void faults(void) {
  handle f = kernel("halves", "touch"), context;
  cu_pointer p = client_copy(NULL, 4096), freed = client_copy(NULL, 4096), other = 0;
  double number = 1;
  long long at = 511;
  CHECK(!launch(f, 1, 1, 32, (void *[]){&p, &at, &number}) && !cu.cuStreamSynchronize(stream),
        "the last number of a buffer may be touched");
  cu.cuMemFree_v2(freed);
  touch_and_mend(f, p, 512, "the number behind a buffer may not");
  touch_and_mend(f, freed, 0, "nor what was freed");
  touch_and_mend(f, (cu_pointer)(size_t)&number, 0, "nor memory of the host");
#ifndef __SANITIZE_ADDRESS__ /* which ends the process */
  touch_and_mend(f, 0, 0, "nor nothing");
#endif
  CHECK(!cu.cuDevicePrimaryCtxRetain(&context, 1) && !cu.cuCtxPushCurrent_v2(context) &&
        !cu.cuMemAlloc_v2(&other, 4096), "another device");
  CHECK(launch(f, 1, 1, 32, (void *[]){&other, &at, &number}) == 400, "has its own functions");
  CHECK(cu.cuMemFree_v2(p) == 1, "and buffers");
  cu.cuCtxPopCurrent_v2(NULL);
  touch_and_mend(f, other, 0, "nor memory of another device");
  cu.cuCtxPushCurrent_v2(context);
  cu.cuMemFree_v2(other);
  cu.cuCtxPopCurrent_v2(NULL);
  cu.cuMemFree_v2(p);
  cu.cuDevicePrimaryCtxRelease_v2(1);
}

/* Between the end of a buffer and its page: seen when it is freed, at once with a sanitizer. */
static void overrun(void) {
#ifndef __SANITIZE_ADDRESS__
  handle f = kernel("halves", "touch");
  cu_pointer p = client_copy(NULL, 4000);
  double number = 1;
  long long at = 500;
  launch(f, 1, 1, 32, (void *[]){&p, &at, &number});
  cu.cuMemFree_v2(p);
  CHECK(cu.count("overruns") == 1, "a small overrun is seen");
#endif
}

/* ---- failing on demand ----------------------------------------------------------------------- */

static void demands(void) {
  cu_pointer p = 0;
  int codes[4];
  set("FAIL", "cuMemAlloc:2:2,cuStreamSynchronize:1+:999");
  for (int k = 0; k < 4; k++) {
    codes[k] = cu.cuMemAlloc_v2(&p, 8);
    if (!codes[k]) cu.cuMemFree_v2(p);
  }
  CHECK(!codes[0] && codes[1] == 2 && !codes[2] && !codes[3], "the second allocation fails");
  CHECK(cu.cuStreamSynchronize(stream) == 999 && cu.cuStreamSynchronize(stream) == 999,
        "every synchronisation fails");
  set("FAIL", "cuMemFree:1:700");
  cu.cuMemAlloc_v2(&p, 8);
  CHECK(cu.cuMemFree_v2(p) == 700 && cu.count("buffers") == 0, "freed all the same");
  CHECK(cu.cuMemAlloc_v2(&p, 8) == 700, "an error that stays");
  set("FAIL", NULL);
  cu.mend();
  CHECK(!cu.cuMemAlloc_v2(&p, 8) && !cu.cuMemFree_v2(p), "and all is well again");
}

static void without_context(void) {
  handle context;
  cu_pointer p;
  CHECK(!cu.cuCtxPopCurrent_v2(&context), "the context is taken away");
  CHECK(cu.cuMemAlloc_v2(&p, 8) == 201 && cu.cuCtxPopCurrent_v2(NULL) == 201, "then there is none");
  CHECK(!cu.cuCtxPushCurrent_v2(context), "and comes back");
}

/* ---- NVRTC ----------------------------------------------------------------------------------- */

static int cancel(void *data, void *unused) {
  (void)unused;
  return ++*(int *)data > 2;
}

static void compiling(void) {
  int code;
  char *log, *image = client_compile("__global__ void f( { }", "sm_90", &code, &log);
  CHECK(!image && code == 6 && strstr(log, "kernel.cu:1"), "what is wrong is named");
  free(log);
  CHECK(!client_compile("", "sm_70", &code, NULL) && code == 5, "an architecture that it lacks");
  image = client_compile("extern \"C\" __global__ void f() {}", "sm_90", &code, &log);
  CHECK(image && !code && !*log, "what is right is not");
  free(image);
  free(log);
  handle program;
  int asked = 0;
  void *library = dlopen(getenv("RKEOPS_NVRTC_PATH"), RTLD_NOW);
  int (*watch)(handle, int (*)(void *, void *), void *);
  client_take(library, "nvrtcSetFlowCallback", &watch);
  char text[100]; /* not compiled before */
  snprintf(text, sizeof text, "extern \"C\" __global__ void f%ld() {}", (long)getpid());
  cu.nvrtcCreateProgram(&program, text, "kernel.cu", 0, NULL, NULL);
  watch(program, cancel, &asked);
  CHECK(cu.nvrtcCompileProgram(program, 0, NULL) == 13 && asked == 3, "compiling can be stopped");
  cu.nvrtcDestroyProgram(&program);
}

/* ---- threads --------------------------------------------------------------------------------- */

typedef struct { int device, wrong; handle f; } worker;

static void *work(void *data) {
  worker *w = data;
  handle context, own;
  float numbers[64], out[2];
  long long n = 64;
  for (int k = 0; k < 64; k++) numbers[k] = (float)(k + w->device);
  w->wrong = cu.cuDevicePrimaryCtxRetain(&context, w->device) || cu.cuCtxPushCurrent_v2(context) ||
             cu.cuStreamCreate(&own, 1);
  for (int k = 0; k < 50 && !w->wrong; k++) {
    cu_pointer p = client_copy(numbers, sizeof numbers), q = client_copy(NULL, sizeof out);
    w->wrong |= cu.cuLaunchKernel(w->f, 2, 1, 1, 32, 1, 1, 0, own, (void *[]){&p, &n, &q}, NULL);
    w->wrong |= cu.cuMemcpyDtoHAsync_v2(out, q, sizeof out, own) || cu.cuStreamSynchronize(own);
    w->wrong |= out[0] != (float)(496 + 32 * w->device);
    w->wrong |= cu.cuMemFree_v2(p) || cu.cuMemFree_v2(q);
  }
  cu.cuStreamDestroy_v2(own);
  cu.cuCtxPopCurrent_v2(NULL);
  cu.cuDevicePrimaryCtxRelease_v2(w->device);
  return NULL;
}

static void threads(void) {
  enum { N = 2 };
  worker w[N];
  pthread_t thread[N];
  handle context;
  for (int d = 0; d < N; d++) {
    w[d].device = d;
    cu.cuDevicePrimaryCtxRetain(&context, d);
    cu.cuCtxPushCurrent_v2(context);
    w[d].f = kernel("sums", "warp_sums");
    cu.cuCtxPopCurrent_v2(NULL);
    pthread_create(&thread[d], NULL, work, &w[d]);
  }
  for (int d = 0; d < N; d++) {
    pthread_join(thread[d], NULL);
    CHECK(!w[d].wrong, "each thread has its device");
  }
  CHECK(cu.count("pushed") == 1, "no thread left a context behind"); /* ours is there */
}

int main(void) {
  set("DEVICES", "2");
  client_open();
  if (!CHECK(!cu.cuStreamCreate(&stream, 1), "a stream")) return check_end();
  buffers();
  lazy_copies();
  launch_limits();
  large_parameters();
  modules_apart();
  for (int lazy = 0; lazy < 2; lazy++) {
    set("LAZY", lazy ? "1" : NULL);
    faults();
  }
  set("LAZY", NULL);
  overrun();
  demands();
  without_context();
  compiling();
  threads();
  return check_end();
}
