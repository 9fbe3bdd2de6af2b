#include "emit/writer.h"
#include "error.h"
rk_status rk_emit_cuda(const rk_pass *pass, const char *include_dir, rk_text *out, rk_error *error) {
  (void)pass; (void)include_dir; (void)out;
  return rk_fail(error, RK_ERROR_INTERNAL, "todo");
}
