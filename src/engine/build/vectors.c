/* How wide the vectors of kernels for the processor are. */
#include "build/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST = 16 };

/* "16, 32 or 64" */
static void list_widths(rk_text *list) {
  const int most = rk_os_vector_bytes();
  for (int bytes = LEAST; bytes <= most; bytes *= 2)
    rk_text_format(list, "%s%d", bytes == LEAST ? "" : bytes == most ? " or " : ", ", bytes);
}

const char *rk_build_vectors_asked(void) {
  const char *asked = getenv("RKEOPS_VECTORS");
  return asked && *asked ? asked : NULL;
}

rk_status rk_build_vectors(int *bytes, rk_error *error) {
  const char *asked = rk_build_vectors_asked();
  *bytes = rk_os_vector_bytes();
  if (!asked) return RK_OK;
  for (int width = *bytes; width >= LEAST; width /= 2) {
    char text[16];
    snprintf(text, sizeof text, "%d", width);
    if (!strcmp(asked, text)) {
      *bytes = width;
      return RK_OK;
    }
  }
  rk_text widths = {0};
  list_widths(&widths);
  rk_fail(error, RK_ERROR_ARGUMENT,
          "the environment variable RKEOPS_VECTORS is \"%.40s\": expected %s, bytes of the vectors "
          "that this processor has, or nothing", asked, rk_text_string(&widths));
  rk_text_free(&widths);
  return error->status;
}

int rk_vectors_are_forced(int bytes) { return bytes < rk_os_vector_bytes(); }

/* Names of features say with which vectors they came. */
int rk_vectors_allow(int bytes, const char *feature) {
  if (!rk_vectors_are_forced(bytes)) return 1;
  return bytes > LEAST && strncmp(feature, "avx512", 6) != 0;
}
