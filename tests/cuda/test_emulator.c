/* The emulator itself: right kernels pass in every order and under every sanitizer, wrong ones are
 * caught. kernels/ has the kernels, mutants/kernels.txt what is wrong in which way.
 *
 * Each run is a process of its own (test_emulator KERNEL), since a sanitizer may end it. Built with
 * the address sanitizer, kernels are tried without and with it (RKEOPS_STANDIN_CXX and
 * RKEOPS_TEST_PLAIN_CXX); built with the thread sanitizer, with that one. */
#include "check.h"
#include "client.h"
#include "mutants.h"

/* ---- kernels, each against plain loops ------------------------------------------------------- */

static handle stream;

static handle load(const char *name, const char *function) {
  char *log, *text = client_text(name);
  handle module, f;
  int code;
  char *image = client_compile(text, "sm_90", &code, &log);
  if (code) {
    printf("%s\n", log);
    exit(strstr(log, "uninitialized") ? FAULT : NOT_EDITABLE);
  }
  if (cu.cuModuleLoadDataEx(&module, image, 0, NULL, NULL)) exit(FAULT);
  if (cu.cuModuleGetFunction(&f, module, function)) exit(FAULT);
  free(image);
  free(text);
  free(log);
  return f;
}

static void launch(handle f, unsigned blocks, unsigned threads, void **parameters) {
  if (cu.cuLaunchKernel(f, blocks, 1, 1, threads, 1, 1, 0, stream, parameters, NULL) ||
      cu.cuStreamSynchronize(stream))
    exit(FAULT);
}

static void read_back(void *to, cu_pointer from, size_t bytes) {
  if (cu.cuMemcpyDtoHAsync_v2(to, from, bytes, NULL)) exit(FAULT);
}

static float *floats(long n) {
  float *x = malloc(sizeof *x * (size_t)n);
  for (long k = 0; k < n; k++) x[k] = (float)uniform();
  return x;
}

static int differ(double a, double b, double tolerance) { return !(fabs(a - b) <= tolerance); }

static int run_gauss(void) {
  typedef struct { cu_pointer values; long long rows, columns; } sizes;
  enum { M = 300, N = 301 };
  float *x = floats(3 * M), *y = floats(3 * N), *b = floats(N), out[M];
  cu_pointer dx = client_copy(x, 12 * M), dy = client_copy(y, 12 * N), o = client_copy(NULL, 4 * M);
  sizes s = {client_copy(b, 4 * N), M, N};
  launch(load("gauss", "gauss"), (M + 127) / 128, 128, (void *[]){&dx, &dy, &s, &o});
  read_back(out, o, sizeof out);
  int wrong = 0;
  for (int i = 0; i < M; i++) {
    double sum = 0;
    for (int j = 0; j < N; j++) {
      double square = 0;
      for (int k = 0; k < 3; k++) square += pow((double)x[3 * i + k] - (double)y[3 * j + k], 2);
      sum += exp(-square) * (double)b[j];
    }
    wrong |= differ(out[i], sum, 1e-3);
  }
  free(x);
  free(y);
  free(b);
  return wrong;
}

static int run_copies(void) {
  enum { N = 1000, M = 128 };
  float *y = floats(N), out[M];
  long long n = N;
  cu_pointer dy = client_copy(y, 4 * N), o = client_copy(NULL, 4 * M);
  launch(load("copies", "copies"), M / 64, 64, (void *[]){&dy, &n, &o});
  read_back(out, o, sizeof out);
  double sum = 0;
  int wrong = 0;
  for (int j = 0; j < N; j++) sum += (double)y[j];
  for (int i = 0; i < M; i++) wrong |= differ(out[i], sum - (double)i * N, 0.5);
  free(y);
  return wrong;
}

static int run_some_sums(const char *function, int threads) {
  enum { N = 1000 };
  int blocks = (N + threads - 1) / threads, wrong = 0;
  float *v = floats(N), out[64];
  long long n = N;
  cu_pointer dv = client_copy(v, 4 * N), o = client_copy(NULL, sizeof out);
  launch(load("sums", function), (unsigned)blocks, (unsigned)threads, (void *[]){&dv, &n, &o});
  read_back(out, o, sizeof out);
  for (int k = 0; k < blocks; k++) {
    double sum = 0;
    for (int i = k * threads; i < N && i < (k + 1) * threads; i++) sum += (double)v[i];
    wrong |= differ(out[k], sum, 1e-3);
  }
  free(v);
  return wrong;
}

static int run_sums(void) { return run_some_sums("sums", 256); }
static int run_warp_sums(void) { return run_some_sums("warp_sums", 32); }

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

static int run_halves(void) {
  enum { ROOM = 4 * 0x7c00 + 2 };
  float *x = malloc(sizeof *x * ROOM), *values = malloc(sizeof *values * 65536);
  unsigned short *halves = malloc(sizeof *halves * ROOM);
  long long n = half_cases(x);
  cu_pointer dx = client_copy(x, 4 * (size_t)n), v = client_copy(NULL, 4 * 65536),
             h = client_copy(NULL, 2 * (size_t)n);
  launch(load("halves", "halves"), 1, 128, (void *[]){&dx, &n, &v, &h});
  read_back(values, v, 4 * 65536);
  read_back(halves, h, 2 * (size_t)n);
  int wrong = 0;
  for (unsigned k = 0; k < 65536; k++) {
    double wanted = value_of_half(k), got = (double)values[k];
    wrong |= isnan(wanted) ? !isnan(got) : wanted != got;
    wrong |= !isnan(wanted) && !signbit(got) != !(k >> 15);
  }
  for (long long k = 0; k < n; k++) wrong |= !is_nearest(halves[k], (double)x[k]);
  free(x);
  free(values);
  free(halves);
  return wrong;
}

/* ---- the runs -------------------------------------------------------------------------------- */

static const struct { const char *name; int (*run)(void); } kernels[] = {
  {"gauss", run_gauss}, {"copies", run_copies}, {"sums", run_sums}, {"warp_sums", run_warp_sums},
  {"halves", run_halves}};
enum { KERNELS = sizeof kernels / sizeof *kernels };

static int child(const char *kernel) {
  client_open();
  if (cu.cuStreamCreate(&stream, 1)) return FAULT;
  for (int k = 0; k < KERNELS; k++)
    if (!strcmp(kernels[k].name, kernel)) return kernels[k].run() ? WRONG : RIGHT;
  return FAULT;
}

int main(int n, char **argument) {
  if (n > 1) return child(argument[1]);
  for (int k = 0; k < KERNELS; k++) test_right(argument[0], kernels[k].name);
  test_mutants(argument[0], "kernels.txt");
  return check_end();
}
