/* Every function of the driver and of NVRTC fails once, at its first, second, ... call, until a run
 * ends before that call: each time there is the right result or a classed error, the next call
 * works (or says that the device broke, and the CPU works), and nothing is held in the end.
 *
 * Stand-ins only. A process knows one driver, so each run is this program again: its arguments are
 * FUNCTION CALL CODE DEVICES. It ends with 0, with NOT_REACHED, or with the number of the check
 * that failed. */
#include "check_device.h"
#include "oracle.h"

#include <time.h>

enum { NOT_REACHED = 99, M = 530, N = 900, BUDGET = 90 << 10 };

/* ---- one run ---- */

static cloud *c;
static double want[M];

static void prepare(void) {
  check_seed ^= 4711;
  c = cloud_new(M, N, 3, 2, 0, 0);
  for (int i = 0; i < M; i++) want[i] = 1;
}

/* Of all pairs, or of a band of them. */
static rk_status run_pairs_of(rk_program *p, int all, const rk_array *input, double *out) {
  static const double lower = -200, upper = 500;
  const rk_blocks band = {.size = {M, N}, .bands = 1, .lower = &lower, .upper = &upper};
  const rk_output output = {.type = RK_OUT_DOUBLE, .data = out};
  return rk_run_blocks(p, all ? NULL : &band, input, &output, NULL, NULL, &last);
}

/* A program of two passes on arrays of both kinds, cut into chunks; all of it must go well. */
static rk_status compute(int n, int all) {
  static const int number[] = {0, 1, 2};
  rk_options options = {.precision = RK_FLOAT64};
  rk_settings settings = {.gpu_memory = BUDGET};
  rk_array input[INPUTS];
  rk_resident *x = NULL;
  rk_program *p;
  double out[M];
  memcpy(input, c->input, sizeof input);
  for (int i = 0; i < M; i++) out[i] = NAN;
  rk_status status = rk_configure(&settings, &last);
  if (!status) status = use_devices(number, n, &last);
  if (!status && n) status = rk_resident_new(&c->input[0], RK_FLOAT64, &x, NULL, NULL, &last);
  if (!status && n) input[0] = rk_resident_array(x);
  if (!status)
    status = rk_program_get("L = LogSumExp_Reduction(-4*SqDist(x,y), j);"
                            "Sum_Reduction(Exp(-4*SqDist(x,y) - L), j)", c->declaration, INPUTS,
                            &options, &p, &last);
  if (!status) status = run_pairs_of(p, all, input, out);
  rk_resident_free(x);
  for (int i = 0; i < M && !status; i++)
    if (!(fabs(out[i] - want[i]) < 1e-12)) status = RK_ERROR_INTERNAL;
  return status;
}

static int is_classed(rk_status status) {
  return status == RK_ERROR_DEVICE || status == RK_ERROR_MEMORY || status == RK_ERROR_COMPILE;
}

static int held_on(int n) {
  rk_device_info info;
  int held = 0;
  for (int k = 0; k < n; k++)
    if (!rk_device_describe(k, &info, &last)) held += info.held != 0;
  return held;
}

/* What frees cannot do its work when it fails. */
static int may_lose(const char *function) {
  static const char *const name[] = {"cuMemFree", "cuMemFreeHost", "cuEventDestroy",
                                     "cuStreamDestroy", "cuModuleUnload", "cuCtxPushCurrent",
                                     "cuDevicePrimaryCtxRelease"};
  for (unsigned k = 0; k < sizeof name / sizeof *name; k++)
    if (!strcmp(function, name[k])) return 1;
  return 0;
}

static int run_one(const char *function, long call, long code, int n) {
  int lasting = code >= 700 && code < 730;
  char fault[128];
  snprintf(fault, sizeof fault, "%s:%ld:%ld", function, call, code);
  setenv("RKEOPS_STANDIN_FAIL", fault, 1);
  check_configure();
  prepare();
  rk_status status = compute(n, call % 2);
  /* a compilation is not tried again: no error, no such call */
  int reached = strncmp(function, "nvrtc", 5) ? count_of(function) >= call : status != RK_OK;
  setenv("RKEOPS_STANDIN_FAIL", "", 1);
  if (!reached) return status ? 1 : NOT_REACHED;
  if (status && !is_classed(status)) return 2;
  if (status && !*last.message) return 3;
  if (held_on(n)) return 4;
  if (compute(0, call % 2)) return 5; /* the CPU */
  rk_status next = compute(n, call % 2);
  if (next && !(lasting && next == RK_ERROR_DEVICE)) return 6;
  rk_forget();
  if (use_devices(NULL, 0, &last)) return 7;
  if (held_on(n)) return 8;
  if (may_lose(function) || lasting) return 0;
  if (count_of("modules")) return 9;
  if (count_of("buffers")) return 10;
  if (count_of("events") != count_of("streams")) return 11; /* two for each open device */
  if (count_of("pushed") || count_of("pinned") || count_of("overruns")) return 12;
  return 0;
}

/* NVRTC is called only when the disk does not have the code. */
static void use_empty_cache(char *folder, size_t size) {
  const char *cache = getenv("RKEOPS_CACHE");
  snprintf(folder, size, "%s-%ld", cache ? cache : "/tmp/rkeops-faults", (long)getpid());
  setenv("RKEOPS_CACHE", folder, 1);
}

static int run_and_tell(const char *function, long call, long code, int n) {
  char folder[512] = "";
  rk_error error;
  if (!strncmp(function, "nvrtc", 5)) use_empty_cache(folder, sizeof folder);
  int result = run_one(function, call, code, n);
  if (*folder) {
    rk_cache_clear(&error);
    rmdir(folder);
  }
  if (result && result != NOT_REACHED)
    printf("  %s, call %ld, code %ld, %d devices: check %d: %s\n", function, call, code, n, result,
           last.message);
  fflush(NULL);
  _exit(result); /* the libraries may hold what is lost */
}

/* ---- the sweep ---- */

static int started(const char *self, const char *function, long call, long code, int n) {
  char number[3][24];
  snprintf(number[0], 24, "%ld", call);
  snprintf(number[1], 24, "%ld", code);
  snprintf(number[2], 24, "%d", n);
  fflush(NULL);
  pid_t pid = fork();
  if (!pid) {
    execl(self, self, function, number[0], number[1], number[2], (char *)NULL);
    _exit(127);
  }
  int status = status_of(pid);
  if (status > 1000)
    printf("  %s, call %ld, code %ld, %d devices: signal %d\n", function, call, code, n,
           status - 1000);
  return status;
}

/* All of the first calls, then some. */
static void sweep(const char *self, const char *function, long code, int n) {
  int bad = 0, runs = 0, result = 0;
  for (long call = 1; result != NOT_REACHED && call < 3000; call += 1 + call / 8 * (call / 8) / 4) {
    result = started(self, function, call, code, n);
    bad += result != 0 && result != NOT_REACHED;
    runs += result == 0;
  }
  char what[96];
  snprintf(what, sizeof what, "%s fails with %ld: %d of %d", function, code, bad, runs + bad);
  CHECK(!bad && runs, what);
}

static void sweep_driver(const char *self) {
  static const struct { const char *name; int code; } fault[] = {
    {"cuInit", 100}, {"cuDeviceGetCount", 999}, {"cuDeviceGet", 101}, {"cuDeviceGetName", 999},
    {"cuDeviceTotalMem", 999}, {"cuDeviceGetAttribute", 999}, {"cuDevicePrimaryCtxRetain", 2},
    {"cuCtxPushCurrent", 999}, {"cuCtxPopCurrent", 999}, {"cuMemGetInfo", 999}, {"cuMemAlloc", 2},
    {"cuMemAlloc", 999}, {"cuMemHostAlloc", 2}, {"cuMemcpyHtoDAsync", 999},
    {"cuMemcpyHtoDAsync", 700}, {"cuMemcpyDtoHAsync", 999}, {"cuStreamCreate", 2},
    {"cuStreamWaitEvent", 999}, {"cuEventCreate", 2}, {"cuEventDestroy", 999},
    {"cuEventRecord", 999}, {"cuEventQuery", 999}, {"cuEventQuery", 719},
    {"cuEventElapsedTime", 999}, {"cuModuleLoadDataEx", 209}, {"cuModuleGetFunction", 500},
    {"cuLaunchKernel", 701}, {"cuLaunchKernel", 719}};
  for (unsigned k = 0; k < sizeof fault / sizeof *fault; k++)
    sweep(self, fault[k].name, fault[k].code, 1);
  static const char *const compiler[] = {
    "nvrtcVersion", "nvrtcCompileProgram", "nvrtcGetNumSupportedArchs", "nvrtcGetSupportedArchs",
    "nvrtcCreateProgram", "nvrtcGetCUBINSize", "nvrtcGetCUBIN"};
  for (unsigned k = 0; k < sizeof compiler / sizeof *compiler; k++)
    sweep(self, compiler[k], k == 1 ? 6 : 1, 1);
  static const char *const shared[] = {"cuMemAlloc", "cuEventRecord", "cuLaunchKernel",
                                       "cuCtxPushCurrent", "cuMemcpyDtoHAsync"};
  for (unsigned k = 0; k < sizeof shared / sizeof *shared; k++)
    sweep(self, shared[k], shared[k][5] == 'A' ? 2 : 999, 2);
}

int main(int argc, char **argv) {
  if (argc == 5) return run_and_tell(argv[1], atol(argv[2]), atol(argv[3]), atoi(argv[4]));
  rk_error error;
  int devices = 0;
  setenv("RKEOPS_STANDIN_DEVICES", "2", 1);
  check_configure();
  if (rk_device_count(&devices, &error) || count_of("cuInit") <= 0) {
    printf("faults: no stand-in driver here\n0 passed, 0 failed, 1 skipped\n");
    return 0;
  }
  if (started(argv[0], "cuNothing", 1, 1, 1) != NOT_REACHED ||
      started(argv[0], "cuNothing", 1, 1, 2) != NOT_REACHED ||
      started(argv[0], "cuNothing", 2, 1, 1) != NOT_REACHED ||
      started(argv[0], "cuNothing", 2, 1, 2) != NOT_REACHED)
    CHECK(0, "without a fault all is well");
  sweep_driver(argv[0]);
  return check_end();
}
