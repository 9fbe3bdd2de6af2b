/* What both stand-in libraries share: settings from the environment, and calls that fail on demand.
 *
 * RKEOPS_STANDIN_FAIL=NAME:K:CODE[,...]: the K-th call of NAME gives CODE; "K+" means every call
 * from the K-th on. Names are those of the libraries, without _v2 if one likes. The variable is
 * read at every call; counting starts anew when it changes. */
#ifndef RKEOPS_STANDIN_H
#define RKEOPS_STANDIN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RK_EXPORT __attribute__((visibility("default")))

enum { RK_MOST_FAULTS = 16, RK_MOST_CALLS = 64 };

typedef struct { char name[48]; long at, code; int onwards; } rk_fault;
static struct {
  char text[1024];
  rk_fault fault[RK_MOST_FAULTS];
  int faults;
} rk_faults;

typedef struct { const char *name; long n, since; } rk_call_count;
static rk_call_count rk_calls[RK_MOST_CALLS];

static inline const char *rk_text_setting(const char *name, const char *otherwise) {
  const char *text = getenv(name);
  return text && *text ? text : otherwise;
}
static inline long long rk_number_setting(const char *name, long long otherwise) {
  const char *text = getenv(name);
  return text && *text ? strtoll(text, NULL, 10) : otherwise;
}

static inline void rk_read_faults(void) {
  const char *text = rk_text_setting("RKEOPS_STANDIN_FAIL", "");
  if (!strcmp(text, rk_faults.text)) return;
  snprintf(rk_faults.text, sizeof rk_faults.text, "%s", text);
  rk_faults.faults = 0;
  for (int k = 0; k < RK_MOST_CALLS; k++) rk_calls[k].since = 0;
  for (const char *at = text; *at && rk_faults.faults < RK_MOST_FAULTS;) {
    rk_fault f = {.onwards = 0};
    char k[24];
    if (sscanf(at, "%47[^:,]:%23[^:,]:%ld", f.name, k, &f.code) == 3) {
      f.at = strtol(k, NULL, 10);
      f.onwards = strchr(k, '+') != NULL;
      rk_faults.fault[rk_faults.faults++] = f;
    }
    at += strcspn(at, ",");
    if (*at) at++;
  }
}

static inline rk_call_count *rk_count_of(const char *name) {
  int k = 0;
  while (k < RK_MOST_CALLS - 1 && rk_calls[k].name && strcmp(rk_calls[k].name, name)) k++;
  rk_calls[k].name = name;
  return &rk_calls[k];
}

static inline int rk_is_called(const char *function, const char *name) {
  size_t n = strlen(name);
  return !strncmp(function, name, n) && (!function[n] || !strcmp(function + n, "_v2"));
}

/* Counts a call; the code with which it has to fail, or 0. */
static inline int rk_count_call(const char *function) {
  rk_read_faults();
  rk_call_count *count = rk_count_of(function);
  count->n++;
  count->since++;
  for (int k = 0; k < rk_faults.faults; k++) {
    const rk_fault *f = &rk_faults.fault[k];
    if (rk_is_called(function, f->name) &&
        (count->since == f->at || (f->onwards && count->since > f->at)))
      return (int)f->code;
  }
  return 0;
}

#endif
