#include "parts.h"

#include <stdlib.h>

static rk_build_settings current = {.compile_timeout = 60, .cache_limit = 256 << 20};

const rk_build_settings *rk_build_get_settings(void) { return &current; }

static int replace(char **place, const char *value) {
  if (!value) return 1;
  rk_text copy = {0};
  rk_text_add(&copy, value);
  char *text = rk_text_steal(&copy);
  if (!text) return 0;
  free(*place);
  *place = text;
  return 1;
}

rk_status rk_build_configure(const rk_settings *settings, rk_error *error) {
  current.generation++;
  if (settings->compile_timeout > 0) current.compile_timeout = settings->compile_timeout;
  if (settings->cache_limit > 0) current.cache_limit = settings->cache_limit;
  if (replace(&current.cache_dir, settings->cache_dir) &&
      replace(&current.fallback_dir, settings->fallback_dir) &&
      replace(&current.makeconf, settings->makeconf) &&
      replace(&current.compiler, settings->compiler))
    return RK_OK;
  return rk_fail(error, RK_ERROR_MEMORY, "Out of memory while copying settings.");
}
