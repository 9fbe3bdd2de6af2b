/* Text that grows. All of the engine's writers (emitters, messages, reports) append to an rk_text.
 *
 * Running out of memory is remembered, not reported: later appends do nothing, and rk_text_steal
 * returns NULL. So a writer checks once, at the end. `bytes` is always followed by a NUL. */
#ifndef RK_TEXT_H
#define RK_TEXT_H

#include <stdarg.h>
#include <stddef.h>

/* Format checking, also under MinGW whose default is the format of the old C runtime. */
#if defined(__MINGW32__) && defined(__GNUC__) && !defined(__clang__)
#define RK_PRINTF(nth, first) __attribute__((__format__(__gnu_printf__, nth, first)))
#elif defined(__GNUC__)
#define RK_PRINTF(nth, first) __attribute__((__format__(__printf__, nth, first)))
#else
#define RK_PRINTF(nth, first)
#endif

typedef struct {
  char *bytes;     /* NULL while empty: use rk_text_string() to read */
  size_t length;   /* without the NUL */
  size_t capacity;
  int failed;      /* memory ran out: the text is not complete */
} rk_text;         /* {0} is an empty text */

void rk_text_format(rk_text *text, const char *format, ...) RK_PRINTF(2, 3);
void rk_text_vformat(rk_text *text, const char *format, va_list arguments) RK_PRINTF(2, 0);
void rk_text_add(rk_text *text, const char *string);
void rk_text_bytes(rk_text *text, const void *bytes, size_t n);

/* What is there now, "" when nothing is; valid until the next append. */
const char *rk_text_string(const rk_text *text);

/* Hands the text to the caller, who frees it with free(), and leaves `text` empty. NULL when
 * memory ran out; an empty text gives "". */
char *rk_text_steal(rk_text *text);

void rk_text_clear(rk_text *text); /* empty again, memory kept */
void rk_text_free(rk_text *text);  /* empty again, memory freed */

#endif
