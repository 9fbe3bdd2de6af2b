#include "build/parts.h"

#include <string.h>

static void report_words(rk_text *report, const char *what, const rk_words *words) {
  rk_text_add(report, what);
  for (int k = 0; k < words->n; k++) rk_text_format(report, " %s", words->word[k]);
}

static int report_vectors(rk_text *report) {
  int bytes;
  rk_error problem;
  const char *asked = rk_build_vectors_asked();
  if (rk_build_vectors(&bytes, &problem) != RK_OK)
    rk_text_format(report, "vectors: none: %s\n", problem.message);
  else if (asked)
    rk_text_format(report, "vectors: %d bytes, as RKEOPS_VECTORS says (%d without it)\n", bytes,
                   rk_os_vector_bytes());
  else
    rk_text_format(report, "vectors: %d bytes\n", bytes);
  return bytes;
}

static void report_compiler(rk_text *report, int vectors) {
  rk_compiler compiler;
  rk_error problem;
  if (rk_compiler_get(&compiler, vectors, (rk_caller){.error = &problem}) == RK_OK) {
    const char *version = rk_text_string(&compiler.version);
    report_words(report, "compiler:", &compiler.command);
    rk_text_format(report, "\ncompiler version: %.*s\n", (int)strcspn(version, "\n"), version);
    report_words(report, "compiler flags:", &compiler.flags);
    rk_text_add(report, "\n");
  } else {
    size_t n = strcspn(problem.message, "\n");
    rk_text_format(report, "compiler: none: %.*s\n", (int)n, problem.message);
  }
  rk_compiler_free(&compiler);
}

static void report_cache(rk_text *report) {
  int64_t files = 0, bytes = 0;
  const char *complaint = rk_cache_complaint();
  const char *wanted = rk_build_get_settings()->cache_dir;
  rk_cache_usage(&files, &bytes, NULL);
  const char *folder = rk_build_folder();
  rk_text_format(report, "cache: %s (%lld files, %lld bytes)\n", folder ? folder : "none",
                 (long long)files, (long long)bytes);
  if (wanted && complaint)
    rk_text_format(report, "cache folder not used: %s: it %s\n", wanted, complaint);
}

void rk_build_report(rk_text *report) {
  report_compiler(report, report_vectors(report));
  rk_text_format(report, "cpu features: %s\n", rk_os_cpu_features());
  report_cache(report);
}
