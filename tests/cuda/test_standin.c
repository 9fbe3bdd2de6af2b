/* The stand-in driver and the stand-in for NVRTC themselves: what they refuse, what they notice, and
 * that numbers are turned into halves and back as a GPU does it. How they fail on demand, run
 * kernels and compile is what the other tests need of them. */
#include "check_device.h"

static const rk_driver *cu;
static rk_cu_handle stream;

/* The image of a text, to be freed by rk_free. */
static void *compiled(const char *text, const char *architecture) {
  void *image = NULL;
  size_t bytes;
  rk_status status = rk_nvrtc_image(text, architecture, 0, NULL, &image, &bytes, &last);
  if (!CHECK(!status, "a text is compiled")) printf("  %s\n", last.message);
  return image;
}

/* A device buffer with these contents. */
static rk_cu_pointer buffer_of(const void *from, size_t bytes) {
  rk_cu_pointer p = 0;
  cu->memory_alloc(&p, bytes);
  if (from) cu->copy_to_device(p, from, bytes, NULL);
  return p;
}

static const char kernels[] =
  "extern \"C\" __global__ void __launch_bounds__(256) shares(float *out) {\n"
  "  __shared__ float part[9]; if (threadIdx.x < 9) part[threadIdx.x] = 1;\n"
  "  __syncthreads(); out[threadIdx.x] = part[threadIdx.x % 9]; }\n"
  "extern \"C\" __global__ void touch(double *p, long long at, double value) {\n"
  "  if (threadIdx.x == 0) p[at] = value; }\n"
  "extern \"C\" __global__ void __launch_bounds__(128)\n"
  "halves(const float *numbers, long long n, float *from_half, unsigned short *to_half) {\n"
  "  for (int k = (int)threadIdx.x; k < 65536; k += 128) from_half[k] = rk_half_to_float(k);\n"
  "  for (long long k = threadIdx.x; k < n; k += 128) to_half[k] = rk_float_to_half(numbers[k]); }\n";

static rk_cu_handle kernel(const char *name) {
  rk_cu_handle module = NULL, f = NULL;
  void *image = compiled(kernels, "sm_90");
  CHECK(image && !cu->module_load(&module, image, 0, NULL, NULL) &&
        !cu->module_function(&f, module, name), name);
  rk_free(image);
  return f;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void buffers(void) {
  rk_cu_pointer p = 0, q = 0;
  double numbers[3] = {0};
  size_t unused, total;
  CHECK(cu->memory_alloc(&p, 0) == 1, "0 bytes are refused");
  standin("MEMORY", "10000");
  CHECK(!cu->memory_alloc(&p, 24) && p % 256 == 0, "a buffer begins on a boundary");
  CHECK(cu->memory_alloc(&q, 9977) == 2, "memory has an end");
  CHECK(!cu->memory_info(&unused, &total) && total == 10000 && unused == 9976, "and says so");
  standin("MEMORY", NULL);
  CHECK(!cu->copy_to_host(numbers, p, 24, stream) && isnan(numbers[0]) && isnan(numbers[2]),
        "it is full of NaN");
  CHECK(cu->copy_to_host(numbers, p + 1, 24, stream) == 1, "copies end where buffers end");
  CHECK(cu->copy_to_device((rk_cu_pointer)(size_t)numbers, numbers, 8, stream) == 1,
        "the host is no device");
  CHECK(count_of("buffers") == 1 && count_of("bytes") == 24, "buffers are counted");
  CHECK(!cu->memory_free(p) && cu->memory_free(p) == 1, "a buffer is freed once");
  CHECK(count_of("buffers") == 0, "and gone");
}

/* ---- schedules ------------------------------------------------------------------------------- */

static void lazy_copies(void) {
  rk_cu_pointer p = buffer_of(NULL, 8);
  rk_cu_handle event, before, other;
  double *pinned, plain = 1, read = 0;
  int queries = 0;
  standin("LAZY", "1");
  CHECK(!cu->host_alloc((void **)&pinned, 8, 0) && !cu->event_create(&event, 0) &&
        !cu->event_create(&before, 0) && !cu->stream_create(&other, 1), "all is made");
  cu->event_record(before, stream);
  *pinned = 2;
  cu->copy_to_device(p, pinned, 8, stream);
  *pinned = 3;
  cu->event_record(event, stream);
  float milliseconds = -1;
  CHECK(cu->event_elapsed(&milliseconds, before, event) == 600, "it has not happened yet");
  while (cu->event_query(event) == 600) queries++;
  CHECK(queries > 0 && queries < 100, "an event is not ready at first, but soon");
  CHECK(!cu->event_elapsed(&milliseconds, before, event) && milliseconds >= 0 &&
        milliseconds < 1e4, "time passes");
  cu->copy_to_host(&read, p, 8, stream);
  CHECK(read == 3, "pinned memory is read late; a copy to pageable memory is there");
  cu->copy_to_device(p, &plain, 8, stream);
  plain = 4;
  cu->event_record(event, stream);
  cu->stream_wait_event(other, event, 0);
  cu->copy_to_host(pinned, p, 8, other);
  CHECK(*pinned == 3, "a copy to pinned memory comes late");
  cu->stream_synchronize(other);
  CHECK(*pinned == 1, "pageable memory was read at once; a stream waits for an event of another");
  CHECK(!cu->event_destroy(event) && cu->event_destroy(event) == 400, "destroyed once");
  CHECK(!cu->stream_destroy(other) && cu->stream_synchronize(other) == 400, "destroyed");
  cu->event_destroy(before);
  cu->host_free(pinned);
  cu->memory_free(p);
  standin("LAZY", NULL);
}

/* ---- launches -------------------------------------------------------------------------------- */

static int launch(rk_cu_handle f, unsigned x, unsigned y, unsigned threads, void **parameters) {
  return cu->launch(f, x, y, 1, threads, 1, 1, 0, stream, parameters, NULL);
}

static void launch_limits(void) {
  rk_cu_handle f = kernel("shares"), g;
  rk_cu_pointer p = buffer_of(NULL, 4096);
  void *parameters[] = {&p};
  CHECK(launch(f, 1, 1, 256, parameters) == 0, "a launch");
  CHECK(launch(f, 0, 1, 256, parameters) == 1, "of no block");
  CHECK(launch(f, 1, 65536, 256, parameters) == 1, "of too many");
  CHECK(launch(f, 1, 1, 257, parameters) == 1, "of more threads than __launch_bounds__");
  CHECK(launch(f, 1, 1, 256, NULL) == 1, "without parameters");
  CHECK(cu->launch(f, 1, 1, 1, 64, 2, 1, 0, stream, parameters, NULL) == 1, "of 64 x 2");
  CHECK(launch((rk_cu_handle)&p, 1, 1, 1, parameters) == 400, "of what is no function");
  CHECK(!cu->stream_synchronize(stream), "nothing is broken by what was refused");
  CHECK(cu->module_function(&g, stream, "shares") == 400, "a stream is no module");
  cu->memory_free(p);
}

static void large_parameters(void) {
  static const char text[] =
    "struct many { double v[500]; };\n"
    "extern \"C\" __global__ void last(many m, int k, double *out) { *out = m.v[499] + k; }\n"
    "/* __global__ void not_this(int); */\n"
    "extern \"C\" __global__ void more(many m, many n, double *out) { *out = m.v[0] + n.v[0]; }\n"
    "extern \"C\" __global__ void greedy(double *out) {\n"
    "  __shared__ double big[6145]; big[threadIdx.x] = 1; *out = big[0]; }\n";
  int k = 2;
  rk_cu_handle module, f;
  void *image = compiled(text, "sm_80");
  double v[500] = {0}, out = 0;
  rk_cu_pointer p = buffer_of(NULL, 8);
  v[499] = 5;
  CHECK(cu->module_load(&module, image, 0, NULL, NULL) == 209,
        "machine code of another generation is refused");
  rk_free(image);
  image = compiled(text, "compute_80");
  CHECK(!cu->module_load(&module, image, 0, NULL, NULL), "PTX is not");
  CHECK(cu->module_function(&f, module, "not_this") == 500, "a comment is no kernel");
  CHECK(!cu->module_function(&f, module, "last") &&
        !launch(f, 1, 1, 1, (void *[]){v, &k, &p}), "a struct of 4000 bytes");
  cu->copy_to_host(&out, p, 8, stream);
  CHECK(out == 7, "arrives");
  CHECK(!cu->module_function(&f, module, "more") &&
        launch(f, 1, 1, 1, (void *[]){v, v, &p}) == 1, "more than 4096 bytes do not");
  CHECK(!cu->module_function(&f, module, "greedy") && launch(f, 1, 1, 1, (void *[]){&p}) == 701,
        "nor does a kernel with too much shared memory");
  CHECK(!cu->module_unload(module) && cu->module_unload(module) == 400, "unloaded once");
  rk_free(image);
  cu->memory_free(p);
}

/* ---- faults ---------------------------------------------------------------------------------- */

static void touch_and_mend(rk_cu_handle f, rk_cu_pointer p, long long at, const char *what) {
  double value = 1;
  launch(f, 1, 1, 32, (void *[]){&p, &at, &value});
  CHECK(cu->stream_synchronize(stream) == 700, what);
  CHECK(cu->memory_alloc(&p, 8) == 700, "and the context is lost");
  mend();
}

static void faults(void) {
  rk_cu_handle f = kernel("touch"), context;
  rk_cu_pointer p = buffer_of(NULL, 4096), freed = buffer_of(NULL, 4096), other = 0;
  double number = 1;
  long long at = 511;
  CHECK(!launch(f, 1, 1, 32, (void *[]){&p, &at, &number}) && !cu->stream_synchronize(stream),
        "the last number of a buffer may be touched");
  cu->memory_free(freed);
  touch_and_mend(f, p, 512, "the number behind a buffer may not");
  touch_and_mend(f, freed, 0, "nor what was freed");
  touch_and_mend(f, (rk_cu_pointer)(size_t)&number, 0, "nor memory of the host");
#ifndef __SANITIZE_ADDRESS__ /* which ends the process */
  touch_and_mend(f, 0, 0, "nor nothing");
#endif
  CHECK(!cu->primary_retain(&context, 1) && !cu->context_push(context) &&
        !cu->memory_alloc(&other, 4096), "another device");
  CHECK(launch(f, 1, 1, 32, (void *[]){&other, &at, &number}) == 400, "has its own functions");
  CHECK(cu->memory_free(p) == 1, "and buffers");
  cu->context_pop(NULL);
  touch_and_mend(f, other, 0, "nor memory of another device");
  cu->context_push(context);
  cu->memory_free(other);
  cu->context_pop(NULL);
  cu->memory_free(p);
  cu->primary_release(1);
}

/* Between the end of a buffer and its page: seen when it is freed, at once with a sanitizer. */
static void overrun(void) {
#ifndef __SANITIZE_ADDRESS__
  rk_cu_handle f = kernel("touch");
  rk_cu_pointer p = buffer_of(NULL, 4000);
  double number = 1;
  long long at = 500;
  launch(f, 1, 1, 32, (void *[]){&p, &at, &number});
  cu->memory_free(p);
  CHECK(count_of("overruns") == 1, "a small overrun is seen");
#endif
}

static void without_context(void) {
  rk_cu_handle context;
  rk_cu_pointer p;
  CHECK(!cu->context_pop(&context), "the context is taken away");
  CHECK(cu->memory_alloc(&p, 8) == 201 && cu->context_pop(NULL) == 201, "then there is none");
  CHECK(!cu->context_push(context), "and comes back");
}

/* ---- halves: all of them, and what lies between ---------------------------------------------- */

static double value_of_half(unsigned h) {
  int exponent = h >> 10 & 31, digits = h & 1023, sign = h >> 15 ? -1 : 1;
  if (exponent == 31) return digits ? NAN : sign * INFINITY;
  return sign * (exponent ? ldexp(digits + 1024, exponent - 25) : ldexp(digits, -24));
}

/* The halves, the middles between neighbours, and the floats beside those. */
static long half_cases(float *x) {
  long n = 0;
  for (unsigned h = 0; h < 0x7c00; h++) {
    double low = value_of_half(h), high = h == 0x7bff ? 65536 : value_of_half(h + 1);
    float middle = (float)((low + high) / 2);
    x[n++] = (float)low;
    x[n++] = nextafterf(middle, 0);
    x[n++] = -middle;
    x[n++] = nextafterf(middle, INFINITY);
  }
  x[n++] = INFINITY;
  x[n++] = NAN;
  return n;
}

/* Is h the half nearest to x, the even one of two? */
static int is_nearest(unsigned h, double x) {
  if (isnan(x)) return isnan(value_of_half(h));
  double size = fabs(x);
  unsigned h0 = h & 0x7fff, below = h0 ? h0 - 1 : 0, above = h0 < 0x7c00 ? h0 + 1 : h0;
  if (h >> 15 != (unsigned)(signbit(x) != 0) || h0 > 0x7c00) return 0;
  double at = h0 == 0x7c00 ? 65536 : value_of_half(h0);
  double left = (value_of_half(below) + at) / 2;
  double right = above == 0x7c00 ? 65520 : (value_of_half(above) + at) / 2;
  int even = !(h & 1);
  int enough = !h0 || (even ? size >= left : size > left);
  return enough && (h0 == 0x7c00 || (even ? size <= right : size < right));
}

static void half_conversions(void) {
  enum { ROOM = 4 * 0x7c00 + 2 };
  float *x = malloc(sizeof *x * ROOM), *values = malloc(sizeof *values * 65536);
  unsigned short *halves = malloc(sizeof *halves * ROOM);
  long long n = half_cases(x);
  rk_cu_pointer dx = buffer_of(x, 4 * (size_t)n), v = buffer_of(NULL, 4 * 65536),
             h = buffer_of(NULL, 2 * (size_t)n);
  CHECK(!launch(kernel("halves"), 1, 1, 128, (void *[]){&dx, &n, &v, &h}) &&
        !cu->copy_to_host(values, v, 4 * 65536, stream) &&
        !cu->copy_to_host(halves, h, 2 * (size_t)n, stream), "all halves are converted");
  int wrong = 0;
  for (unsigned k = 0; k < 65536; k++) {
    double wanted = value_of_half(k), got = (double)values[k];
    wrong += isnan(wanted) ? !isnan(got) : wanted != got || !signbit(got) != !(k >> 15);
  }
  CHECK(!wrong, "to floats");
  for (long long k = 0; k < n; k++) wrong += !is_nearest(halves[k], (double)x[k]);
  CHECK(!wrong, "and from floats, to the nearest, the even one of two");
  cu->memory_free(dx);
  cu->memory_free(v);
  cu->memory_free(h);
  free(x);
  free(values);
  free(halves);
}

int main(void) {
  rk_cu_handle context;
  if (!begin_children()) return end_children();
  standin("DEVICES", "2");
  if (!CHECK(!rk_driver_open(&cu, &last) && !cu->primary_retain(&context, 0) &&
             !cu->context_push(context) && !cu->stream_create(&stream, 1), "a stream"))
    return check_end();
  buffers();
  lazy_copies();
  launch_limits();
  large_parameters();
  for (int lazy = 0; lazy < 2; lazy++) {
    standin("LAZY", lazy ? "1" : NULL);
    faults();
  }
  standin("LAZY", NULL);
  overrun();
  without_context();
  half_conversions();
  return end_children();
}
