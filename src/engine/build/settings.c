/* Settings do not change: rk_build_configure makes new ones, and a call that runs keeps those with
 * which it began. */
#include "build/parts.h"

#include <stdlib.h>

/* Used by the process, and once more: never freed. */
static rk_build_settings initial = {.compile_timeout = 60, .cache_limit = 256 << 20, .users = 2};
static rk_build_settings *current = &initial;
static const rk_build_settings *used;

const rk_build_settings *rk_build_get_settings(void) { return used ? used : current; }

void rk_build_settings_use(const rk_build_settings *settings) { used = settings; }

const char *rk_include_dir(void) {
  const char *folder = rk_build_get_settings()->include_dir;
  return folder ? folder : getenv("RKEOPS_INCLUDE");
}

rk_build_settings *rk_build_settings_hold(void) {
  current->users++;
  return current;
}

void rk_build_settings_release(rk_build_settings *settings) {
  if (--settings->users > 0) return;
  free(settings->include_dir);
  free(settings->cache_dir);
  free(settings->fallback_dir);
  free(settings->makeconf);
  free(settings->compiler);
  free(settings);
}

/* `value`, or what was there. 0: no memory. */
static int take(char **place, const char *before, const char *value) {
  const char *text = value ? value : before;
  rk_text copy = {0};
  if (!text) return 1;
  rk_text_add(&copy, text);
  *place = rk_text_steal(&copy);
  return *place != NULL;
}

rk_status rk_build_configure(const rk_settings *settings, rk_error *error) {
  rk_build_settings *before = current, *made = calloc(1, sizeof *before);
  if (!made) return rk_fail_memory(error, sizeof *made);
  *made = (rk_build_settings){.compile_timeout = before->compile_timeout, .users = 1,
                              .cache_limit = before->cache_limit,
                              .generation = before->generation + 1};
  if (settings->compile_timeout > 0) made->compile_timeout = settings->compile_timeout;
  if (settings->cache_limit > 0) made->cache_limit = settings->cache_limit;
  int good = take(&made->include_dir, before->include_dir, settings->include_dir) &&
             take(&made->cache_dir, before->cache_dir, settings->cache_dir) &&
             take(&made->fallback_dir, before->fallback_dir, settings->fallback_dir) &&
             take(&made->makeconf, before->makeconf, settings->makeconf) &&
             take(&made->compiler, before->compiler, settings->compiler);
  if (good) {
    rk_build_settings_release(before);
    current = made;
    return RK_OK;
  }
  rk_build_settings_release(made);
  return rk_fail(error, RK_ERROR_MEMORY, "Out of memory while copying settings.");
}
