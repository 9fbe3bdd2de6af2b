/* From any text to source text, for clang's libFuzzer (tools/fuzz.sh): the parser, derivatives, the
 * planner and both emitters. Whatever is read gives a source, or an error that is valid text; and
 * the same source when it is read again.
 *
 * A byte for precision and scheme, then lines: a formula, declarations. */
#include "engine.h"
#include "formula/operations.h"
#include "formula/reductions.h"
#include "text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES = 8, LONGEST = 1500 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

static void fail(const char *what, const char *text) {
  fprintf(stderr, "%s: %s\n", what, text);
  abort();
}

/* ---- one input ---- */

static void check_message(const rk_error *error) {
  char piece[RK_PIECE];
  if (!*error->message) fail("an error without a message", "");
  for (const char *at = error->message; *at; at += strlen(piece)) {
    rk_readable(at, piece);
    if (strncmp(at, piece, strlen(piece))) fail("no valid text", error->message);
  }
}

/* Both sources, one after the other; NULL: refused. */
static char *sources_of(char *const *line, int lines, const rk_options *options) {
  rk_error error = {0};
  rk_program *program = NULL;
  rk_text both = {0};
  rk_status status = rk_program_get(line[0], (const char *const *)line + 1, lines - 1, options,
                                    &program, &error);
  for (int k = 0; k < 2 && !status; k++) {
    char *text = NULL;
    status = rk_source(program, k ? "cuda" : "cpu", &text, &error);
    if (!status) rk_text_add(&both, text);
    rk_free(text);
  }
  if (!status) return rk_text_steal(&both);
  if (status == RK_ERROR_INTERNAL || status == RK_ERROR_SYSTEM) fail("status", error.message);
  check_message(&error);
  rk_text_free(&both);
  return NULL;
}

static void configure(void) {
  static int done;
  const char *include = getenv("RKEOPS_INCLUDE");
  rk_settings settings = {.include_dir = include ? include : "inst/include/rkeops",
                          .cache_dir = "/nonexistent"};
  rk_error error;
  if (!done && rk_configure(&settings, &error)) fail("settings", error.message);
  done = 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char text[LONGEST + 1], *line[LINES];
  int lines = 0;
  configure();
  if (size < 2 || size > LONGEST) return 0;
  memcpy(text, data + 1, size - 1);
  text[size - 1] = 0;
  for (char *at = text; at && lines < LINES;) {
    line[lines++] = at;
    at = strchr(at, '\n');
    if (at) *at++ = 0;
  }
  rk_options options = {.precision = (rk_precision)(*data % 3), .scheme = (rk_scheme)(*data / 3 % 4)};
  char *first = sources_of(line, lines, &options);
  rk_forget();
  char *second = sources_of(line, lines, &options);
  rk_forget();
  if (!first != !second || (first && strcmp(first, second))) fail("another source", text);
  free(first);
  free(second);
  return 0;
}

/* ---- mutations that know the language ---- */

static const char *const seeds[] = {
    "\1Sum_Reduction(Exp(-s*SqDist(x,y))*b, j)\nx=Vi(3)\ny=Vj(3)\nb=Vj(2)\ns=Pm(1)",
    "\1Grad(LogSumExp_Reduction(-1.5*SqNorm2(x-y)+Sum(b),j),x,e)\nx=Vi(3)\ny=Vj(3)\nb=Vj(2)\ne=Vi(1)",
    "\1k=IfElse(x-y,x^2.5,Clamp(y,-0.5,0.5));KMin_ArgKMin_Reduction(Sum(k),3,1)\nx=Vi(3)\ny=Vj(3)",
    "\0Sum_Reduction(TensorDot(x,y,[2,2],[2,2],[1],[0])|Elem(b,1),0)\nx=Vi(4)\ny=Vj(4)\nb=Vj(4)"};
enum { SEEDS = sizeof seeds / sizeof *seeds };

/* A word of the formula language. */
static const char *word(unsigned seed) {
  static const char *const words[] = {"Vi(0,3)", "Vj(1,3)", "Pm(2,1)", "Var(1,2,0)", "IntCst(2)",
                                      "-", "*", "/", "^2", "|", "(", ")", ",", ",x)", "x", "y",
                                      "b", "s", "1.5", "1e-3", "[1,0]", ";", "k=", "_Reduction(",
                                      "Grad(", "Diff(", "<", "!=", "0,", "j)", "\n", "65535"};
  int operations = 0, reductions = 0, n = sizeof words / sizeof *words;
  while (rk_operation_at(operations)) operations++;
  while (rk_reduction_at(reductions)) reductions++;
  int k = (int)(seed % (unsigned)(operations + reductions + n));
  if (k < operations) return rk_operation_at(k)->name;
  if (k < operations + reductions) return rk_reduction_name(rk_reduction_at(k - operations));
  return words[k - operations - reductions];
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
  const char *add = word(seed / 7);
  size_t n = strlen(add);
  if (size < 3) {
    const char *text = seeds[seed % SEEDS];
    n = strlen(text + 1) + 1;
    if (n > most) return LLVMFuzzerMutate(data, size, most);
    memcpy(data, text, n);
    return n;
  }
  if (seed % 3 == 0 || size + n + 1 > most) return LLVMFuzzerMutate(data, size, most);
  size_t at = 1 + seed / 1000 % (size - 1);
  size_t over = seed % 3 == 1 && at + n <= size ? n : 0; /* instead of what is there */
  memmove(data + at + n, data + at + over, size - at - over);
  memcpy(data + at, add, n);
  return size + n - over;
}
