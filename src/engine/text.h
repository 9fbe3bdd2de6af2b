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
/* In digits, faster than by printf. */
void rk_text_natural(rk_text *text, size_t number, const char *behind);

/* What is there now, "" when nothing is; valid until the next append. */
const char *rk_text_string(const rk_text *text);

/* Hands the text to the caller, who frees it with free(), and leaves `text` empty. NULL when
 * memory ran out; an empty text gives "". */
char *rk_text_steal(rk_text *text);

/* ---- numbers and letters, the same in every locale ----
 *
 * A host may have set a decimal comma (LC_NUMERIC) or letters beyond ASCII (LC_CTYPE) behind
 * everybody's back. So a number with a fraction is written and read by these two and by nothing
 * else, and what is a letter is not asked of the C library. */

enum { RK_NUMBER_TEXT = 400 };

/* `value` by a format of printf for one double ("%.17g", which reads back as the same number), with
 * a point; `text` has RK_NUMBER_TEXT bytes and is returned. */
const char *rk_number_text(char *text, const char *format, double value);

/* Reads "-", decimal digits, "." and digits, an exponent: what there is. Correctly rounded, as
 * far as the C library's strtod is. Returns what follows, or `at` when there is no number. */
const char *rk_read_number(const char *at, double *value);

static inline int rk_is_digit(char c) { return c >= '0' && c <= '9'; }
static inline int rk_is_lower(char c) { return c >= 'a' && c <= 'z'; }
static inline int rk_is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static inline int rk_is_letter(char c) { return rk_is_lower(c) || rk_is_upper(c); }
static inline int rk_is_alnum(char c) { return rk_is_letter(c) || rk_is_digit(c); }
static inline int rk_is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static inline char rk_lower(char c) { return rk_is_upper(c) ? (char)(c - 'A' + 'a') : c; }

/* The next character of a string as it may be shown, in `piece`: itself, or "\xNN" for a byte that
 * is not UTF-8 and for control characters save tab and newline. Returns the bytes it takes up. */
enum { RK_PIECE = 5 };
size_t rk_readable(const char *at, char piece[RK_PIECE]);

void rk_text_clear(rk_text *text); /* empty again, memory kept */
void rk_text_free(rk_text *text);  /* empty again, memory freed */

#endif
