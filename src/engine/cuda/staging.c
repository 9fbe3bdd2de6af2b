/* Loops over the components of large vectors: what a block of threads reads of its rows and columns
 * passes through shared memory a chunk of components at a time, the next chunk on its way while
 * this one is used. A packed block has its components one after another: a chunk lies in one
 * place. */
#include "cuda/frame.h"

#include <stdio.h>

enum { MAX_CHUNK = 16 };

static rk_cuda_staging *own(const rk_writer *w) { return w->staging->own; }

static int real_size(const rk_writer *w) { return rk_real_size(&w->pass->options); }

/* Bytes of one component of a block of a side. */
static int component_bytes(const rk_writer *w, rk_nest_kind side) {
  return own(w)->block[side] * (own(w)->half[side] ? 2 : real_size(w));
}

static int all_bytes(const rk_writer *w) {
  int bytes = 0;
  for (int k = 0; k < own(w)->reads; k++) bytes += component_bytes(w, own(w)->read[k].side);
  return bytes;
}

static int read_text(rk_writer *w, rk_nest_kind side, int first, char *text, size_t size) {
  rk_cuda_staging *s = own(w);
  if (!s->open || (side != RK_NEST_ROW && side != RK_NEST_COLUMN)) return 0;
  int k = 0;
  while (k < s->reads && (s->read[k].side != side || s->read[k].first != first)) k++;
  if (k == s->reads) {
    if (k == RK_MAX_STAGED || all_bytes(w) + component_bytes(w, side) > s->bytes) return 0;
    s->read[k].side = side;
    s->read[k].first = first;
    s->reads++;
  }
  const char *half = s->half[side] ? "rk_half_to_float" : "";
  snprintf(text, size, "%s(s%d[(k - c) * %d + %s])", half, k, s->block[side], s->place[side]);
  return 1;
}

static const char *type_of(const rk_writer *w, rk_nest_kind side) {
  return own(w)->half[side] ? "unsigned short" : "real";
}

/* Asks for `count` components from `from` of every read, into buffer `buffer`. */
static void write_copies(rk_writer *w, const char *from, const char *buffer, int chunk, int count) {
  int at = 0;
  for (int k = 0; k < own(w)->reads; k++) {
    rk_nest_kind side = own(w)->read[k].side;
    rk_line(w, "rk_copy_all<%d, %d>(stage + (%s) * %d + %d, %s + (%d + %s) * %d);",
            own(w)->threads, count * component_bytes(w, side), buffer, own(w)->bytes, at,
            side == RK_NEST_ROW ? "x" : "y", own(w)->read[k].first, from,
            own(w)->block[side]);
    at += chunk * component_bytes(w, side);
  }
}

static void write_reads(rk_writer *w, int chunk) {
  int at = 0;
  for (int k = 0; k < own(w)->reads; k++) {
    rk_nest_kind side = own(w)->read[k].side;
    rk_line(w, "const %s *const s%d = (const %s *)(stage + now * %d + %d);", type_of(w, side), k,
            type_of(w, side), own(w)->bytes, at);
    at += chunk * component_bytes(w, side);
  }
}

/* The components of the chunk at c, once they are there. Two at once, unless a list needs the
 * registers. */
static void write_chunk(rk_writer *w, const rk_text *body, int chunk, int count) {
  write_reads(w, chunk);
  rk_line(w, "_Pragma(\"unroll %d\") for (int k = c; k < c + %d; k++) {",
          w->pass->state.K > 1 ? 1 : 2, count);
  rk_text_add(w->out, rk_text_string(body));
  rk_line(w, "}");
}

/* Whole chunks, then what is left: everywhere the numbers of bytes and components are constants. */
static void write_chunks(rk_writer *w, const rk_text *body, int chunk, int length) {
  int rest = length % chunk, whole = length - rest;
  char next[32];
  snprintf(next, sizeof next, "c + %d", chunk);
  rk_line(w, "__syncthreads(); /* nobody reads what was staged before */");
  rk_line(w, "int c = 0, now = 0;");
  write_copies(w, "0", "0", chunk, chunk);
  rk_open(w, "for (; c < %d; c += %d, now ^= 1)", whole, chunk);
  rk_line(w, "rk_copy_wait_all();");
  rk_line(w, "__syncthreads();");
  rk_open(w, "if (c + %d < %d)", chunk, whole);
  write_copies(w, next, "now ^ 1", chunk, chunk);
  rk_close(w);
  if (rest) {
    rk_open(w, "else");
    write_copies(w, next, "now ^ 1", chunk, rest);
    rk_close(w);
  }
  write_chunk(w, body, chunk, chunk);
  rk_close(w);
  if (!rest) return;
  rk_line(w, "rk_copy_wait_all();");
  rk_line(w, "__syncthreads();");
  write_chunk(w, body, chunk, rest);
}

/* The body comes first: it tells what is read. */
static void write_loop(rk_writer *w, rk_range range, rk_loop_body body, const void *data) {
  rk_cuda_staging *s = own(w);
  rk_text text = {0}, *out = w->out;
  rk_index index = rk_range_index(range);
  int length = range.count;
  s->reads = 0;
  s->open = 1;
  w->out = &text;
  w->indent += 2;
  body(w, data, index);
  w->indent -= 2;
  w->out = out;
  s->open = 0;
  if (text.failed) out->failed = 1;
  int chunk = s->reads ? s->bytes / all_bytes(w) : 0;
  if (chunk) {
    rk_line(w, "{");
    write_chunks(w, &text, chunk < MAX_CHUNK ? chunk : MAX_CHUNK, length);
    rk_line(w, "}");
  } else {
    rk_line(w, "for (int k = 0; k < %d; k++) {", length);
    rk_text_add(out, rk_text_string(&text));
    rk_line(w, "}");
  }
  rk_text_free(&text);
}

rk_staging rk_staging_with(rk_cuda_staging *own) {
  return (rk_staging){own, write_loop, read_text};
}
