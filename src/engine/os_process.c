/* Processes: what is the same on all systems. */
#include "os.h"

int rk_os_failed(const rk_process_result *result) {
  return result->end != RK_PROCESS_ENDED || result->exit_code != 0 || result->signal != 0;
}

rk_status rk_os_run(const rk_process *process, rk_caller caller, rk_process_result *result) {
  return rk_os_run_all(process, 1, 1, caller, result);
}
