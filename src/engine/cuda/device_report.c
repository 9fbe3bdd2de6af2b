/* What rk_report says of GPUs. */
#include "cuda/device.h"
#include "cuda/nvrtc.h"

static void report_nvrtc(rk_text *report) {
  const rk_nvrtc_facts *nvrtc;
  rk_error problem;
  if (rk_nvrtc_get(&nvrtc, &problem) != RK_OK) {
    rk_text_format(report, "NVRTC: none: %s\n", problem.message);
    return;
  }
  rk_text_format(report, "NVRTC: %s, version %s, compute capabilities", nvrtc->path,
                 nvrtc->version);
  for (int k = 0; k < nvrtc->archs; k++)
    rk_text_format(report, "%s %d.%d", k ? "," : "", nvrtc->arch[k] / 10, nvrtc->arch[k] % 10);
  rk_text_add(report, "\n");
}

static const char *gibibytes(char *text, int64_t bytes) {
  return rk_number_text(text, "%.1f", (double)bytes / 1073741824.0);
}

static void report_one(rk_text *report, int number) {
  rk_device_info info;
  rk_error problem;
  char amount[RK_NUMBER_TEXT];
  if (rk_device_describe(number, &info, &problem) != RK_OK) {
    rk_text_format(report, "GPU %d: %s\n", number, problem.message);
    return;
  }
  rk_text_format(report, "GPU %d: %s, compute capability %d.%d, %s GiB", number, info.name,
                 info.major, info.minor, gibibytes(amount, info.memory));
  if (info.free >= 0) rk_text_format(report, ", %s GiB free", gibibytes(amount, info.free));
  for (int k = 0; k < rk_devices(); k++)
    if (rk_device_number(rk_device_at(k)) == number) rk_text_add(report, ", in use");
  rk_text_add(report, "\n");
}

static void report_driver(rk_text *report) {
  const char *path = rk_driver_path(1);
  int version = rk_driver_version();
  if (!path) rk_text_add(report, "CUDA driver: not found\n");
  else if (version)
    rk_text_format(report, "CUDA driver: %s, for CUDA %d.%d\n", path, version / 1000,
                   version % 1000 / 10);
  else rk_text_format(report, "CUDA driver: %s\n", path);
}

void rk_devices_report(rk_text *report) {
  int count = 0;
  rk_error problem;
  report_nvrtc(report);
  report_driver(report);
  if (rk_device_count(&count, &problem) != RK_OK)
    rk_text_format(report, "GPU: none: %s\n", problem.message);
  for (int k = 0; k < count; k++) report_one(report, k);
}
