/* Launches over lists: the next blocks of rows of a chunk, with what each walks over in the chunk
 * of columns, as many as a launch has time and room for. Their lists are cut into parts of about as
 * many columns; what has more than one part, or comes in several launches, is merged in order. */
#include "cuda/parts.h"
#include "rounding.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST_ROOM = 1 << 11, MOST_ROOM = 1 << 20 }; /* numbers of 4 bytes */
enum { BUDGET = 64 };                               /* a part of it in which one fits */
enum { NUMBERS = sizeof(rk_interval) / 4 };

/* What a launch has: blocks of rows from at_row on; does it begin their lists, does it end them? */
typedef struct { int64_t blocks, columns, most; int is_first, is_last; } launched;

void rk_gpu_lists_free(rk_gpu_lists *l) {
  rk_intervals_free(&l->own);
  rk_intervals_free(&l->whole);
  rk_intervals_free(&l->cut);
  free(l->end);
  free(l->start);
  free(l->chosen);
  *l = (rk_gpu_lists){.block = -1};
}

/* Enough for all lists, as long as they are not very many; a band of columns in another order is
 * cut up. */
int64_t rk_gpu_list_room(const rk_gpu_share *s) {
  const rk_walk *w = s->call->job->walk;
  int64_t intervals = w->segments ? w->list_end[w->segments - 1] : 0;
  int64_t room = 4 * NUMBERS * (3 * w->bands + 1) * (intervals + s->call->blocks.blocks);
  int64_t most = (int64_t)(s->budget / (4 * BUDGET));
  if (most > MOST_ROOM) most = MOST_ROOM;
  if (room > most || (w->bands && w->column_at)) room = most;
  return room < LEAST_ROOM ? LEAST_ROOM : room;
}

/* ---- lists ---- */

static void clip(rk_intervals *list, int64_t first, int64_t end) {
  int64_t kept = 0;
  for (int64_t k = 0; k < list->count; k++) {
    rk_interval one = list->at[k];
    if (one.from < first) one.from = (int32_t)first;
    if (one.end > end) one.end = (int32_t)end;
    if (one.from < one.end) list->at[kept++] = one;
  }
  list->count = kept;
}

/* The list of a block of the pass, in `own`. */
static int take_list(rk_gpu_share *s, int64_t block) {
  rk_gpu_lists *l = &s->lists;
  if (l->block == block) return 1;
  if (!rk_walk_list(s->call->job->walk, &s->call->blocks, block, &l->own)) return 0;
  clip(&l->own, s->chunk_column, s->chunk_column + s->chunk_columns);
  l->block = block;
  l->at = 0;
  return 1;
}

static int64_t columns_from(const rk_intervals *list, int64_t first, int64_t end) {
  int64_t columns = 0;
  for (int64_t k = first; k < end; k++) columns += list->at[k].end - list->at[k].from;
  return columns;
}

/* As much of a list as a launch has time and room for. */
static void take_piece(rk_gpu_lists *l, int64_t columns, int64_t room) {
  rk_interval rest;
  int64_t held = l->own.count;
  if (held > l->at + room) l->own.count = l->at + room;
  int64_t n = rk_intervals_take(&l->own, l->at, columns, &rest);
  l->own.count = held;
  rk_intervals_append(&l->whole, l->own.at + l->at, n);
  l->at += n;
  if (rest.end) l->own.at[--l->at] = rest;
}

static int make_room(int32_t **numbers, int64_t *room, int64_t wanted) {
  if (wanted <= *room) return 1;
  int32_t *more = realloc(*numbers, (size_t)wanted * 2 * sizeof *more);
  if (!more) return 0;
  *numbers = more;
  *room = 2 * wanted;
  return 1;
}

/* Adds what is left of the list in `own`, or a piece of it where nothing else is in the launch. 0:
 * it has to wait for the next one. */
static int add_list(rk_gpu_share *s, launched *to) {
  rk_gpu_lists *l = &s->lists;
  int64_t columns = columns_from(&l->own, l->at, l->own.count), n = l->own.count - l->at;
  int64_t time = (int64_t)s->cut.work + 1, room = s->list_room / (2 * NUMBERS);
  int64_t before = l->whole.count;
  int fits = to->columns + columns <= time && before + n <= room;
  if (to->blocks && !fits) return 0;
  to->is_first &= l->at == 0;
  take_piece(l, fits ? columns : time, room);
  to->is_last = l->at == l->own.count;
  columns = columns_from(&l->whole, before, l->whole.count);
  to->columns += columns;
  if (columns > to->most) to->most = columns;
  l->end[to->blocks++] = (int32_t)l->whole.count;
  return 1;
}

/* The lists of the next blocks, in `whole`; a block of which something was launched before comes
 * alone. 0: out of memory. */
static int gather(rk_gpu_share *s, launched *to) {
  rk_gpu_lists *l = &s->lists;
  int64_t size = s->shape->row_block, left = (s->chunk_rows - s->at_row) / size;
  int64_t first = (s->first_row + s->chunk_row + s->at_row) / size;
  *to = (launched){.is_first = 1, .is_last = 1};
  l->whole.count = 0;
  if (left > s->list_room / 16) left = s->list_room / 16;
  while (to->blocks < left && to->is_first && to->is_last) {
    if (!take_list(s, first + to->blocks) || !make_room(&l->end, &l->ends, to->blocks + 1))
      return 0;
    if (!add_list(s, to)) break;
  }
  return !l->whole.failed;
}

/* ---- chunks of columns ---- */

int64_t rk_gpu_next_chunk(const rk_gpu_share *s, int64_t first) {
  while (s->lists.chosen && first < s->columns && !s->lists.chosen[first / s->cut.columns])
    first += s->cut.columns;
  return first;
}

/* Where nothing is met the first chunk is brought: states have to begin. */
rk_status rk_gpu_choose_chunks(rk_gpu_share *s, rk_error *error) {
  rk_gpu_lists *l = &s->lists;
  int64_t chunks = rk_ceil_div(s->columns, s->cut.columns), size = s->shape->row_block;
  free(l->chosen);
  l->chosen = NULL;
  l->first = 0;
  l->block = -1;
  if (!s->call->job->walk || chunks == 1) return RK_OK;
  int64_t first = (s->first_row + s->chunk_row) / size, end = first + s->chunk_rows / size;
  l->chosen = calloc((size_t)chunks, 1);
  if (!l->chosen) return rk_fail_memory(error, (size_t)chunks);
  for (int64_t b = first; b < end; b++) {
    if (!rk_walk_list(s->call->job->walk, &s->call->blocks, b, &l->own))
      return rk_fail_memory(error, (size_t)l->own.room * sizeof *l->own.at);
    for (int64_t k = 0; k < l->own.count; k++)
      for (int64_t c = l->own.at[k].from / s->cut.columns; c * s->cut.columns < l->own.at[k].end;
           c++) l->chosen[c] = 1;
  }
  l->first = rk_gpu_next_chunk(s, 0);
  if (l->first < s->columns) return RK_OK;
  l->first = 0;
  l->chosen[0] = 1;
  return RK_OK;
}

/* ---- parts ---- */

/* So many that the longest list takes no longer than the others together would; what there is room
 * for, in the states of the parts and in the numbers of the lists. */
static int64_t parts_of(const rk_gpu_share *s, const launched *of) {
  double states = (double)s->cut.ld * s->cut.parts / (double)(of->blocks * s->shape->row_block);
  int64_t numbers = s->list_room - 1 - NUMBERS * s->lists.whole.count + NUMBERS * of->blocks;
  double room = (double)(numbers / (of->blocks * (1 + NUMBERS)));
  int64_t blocks = of->most ? rk_ceil_div(of->columns, of->most) : of->blocks;
  if (s->shape->component_groups > 1) blocks *= s->shape->component_groups;
  return rk_gpu_parts(&s->sizes, blocks, of->most, states < room ? states : room);
}

/* n intervals, of which part p begins at start[p] of `cut`. */
static void cut_list(rk_intervals *cut, const rk_interval *list, int64_t n, int64_t parts,
                     int32_t *start) {
  const rk_intervals all = {.at = (rk_interval *)list, .count = n};
  int64_t columns = columns_from(&all, 0, n), seen = 0, part = 0;
  start[0] = (int32_t)cut->count;
  for (int64_t k = 0; k < n; k++) {
    rk_interval one = list[k];
    while (one.from < one.end) {
      int64_t left = columns * (part + 1) / parts - seen;
      rk_interval piece = one;
      if (left < one.end - one.from) piece.end = (int32_t)(one.from + left);
      if (left) rk_intervals_append(cut, &piece, 1);
      else start[++part] = (int32_t)cut->count;
      seen += piece.end - one.from;
      one.from = piece.end;
    }
  }
  while (++part < parts) start[part] = (int32_t)cut->count;
}

static int cut_lists(rk_gpu_lists *l, int64_t blocks, int64_t parts) {
  l->cut.count = 0;
  if (!make_room(&l->start, &l->starts, blocks * parts + 1)) return 0;
  for (int64_t b = 0, first = 0; b < blocks; first = l->end[b++])
    cut_list(&l->cut, l->whole.at + first, l->end[b] - first, parts, l->start + b * parts);
  l->start[blocks * parts] = (int32_t)l->cut.count;
  return !l->cut.failed;
}

/* ---- launches ---- */

/* On the copy stream, before the launch that reads them. */
static rk_status send(rk_gpu_share *s, rk_cu_pointer to, int64_t starts, rk_error *error) {
  const rk_gpu_lists *l = &s->lists;
  rk_pipe_begin(&s->pipe, to, sizeof *l->start);
  rk_status status = rk_pipe_put_whole(&s->pipe, l->start, starts);
  if (!status)
    status = rk_pipe_put_whole(&s->pipe, (const int32_t *)l->cut.at, l->cut.count * NUMBERS);
  if (!status) status = rk_pipe_flush(&s->pipe);
  if (!status) status = rk_gpu_record(s, &s->listed, RK_WITHOUT_TIME, RK_STREAM_COPY, error);
  return status ? status : rk_gpu_let_wait(s, RK_STREAM_RUN, s->listed, error);
}

static rk_status launch(rk_gpu_share *s, const launched *of, int64_t parts, rk_gpu_state to,
                        long long ld, rk_error *error) {
  int m = (int)(of->blocks * s->shape->row_block), first = (int)s->chunk_column;
  int groups = s->shape->component_groups > 1 ? s->shape->component_groups : 1;
  rk_cu_pointer at = s->list[s->launches % RK_LAUNCHES];
  rk_cu_pointer list = at + (rk_cu_pointer)(of->blocks * parts + 1) * 4;
  rk_cu_pointer rows = s->packed_rows + rk_packed_bytes(s->pass, s->shape, RK_NEST_ROW, s->at_row);
  rk_cu_pointer row_at = s->row_at + (rk_cu_pointer)s->at_row * 4;
  rk_launch shape = {{(unsigned)of->blocks, (unsigned)parts, (unsigned)groups},
                     (unsigned)s->shape->threads};
  void *parameters[] = {&rows, &s->packed_columns[s->buffer], &s->packed, &row_at,
                        &s->column_at[s->buffer], &at, &list, &m, &first, &to.values,
                        &to.positions, &ld};
  rk_status status = send(s, at, of->blocks * parts + 1, error);
  if (status) return status;
  return rk_gpu_launch_pair(s, &shape, (double)of->columns * s->shape->row_block, parameters,
                            error);
}

static rk_status launch_and_merge(rk_gpu_share *s, const launched *of, rk_error *error) {
  int64_t parts = parts_of(s, of), m = of->blocks * s->shape->row_block;
  int is_all = s->cut.columns >= s->columns && of->is_first && of->is_last && parts == 1;
  rk_gpu_merge merge = {.rows = (int)m, .parts = (int)parts,
                        .fresh = s->chunk_column == s->lists.first && of->is_first,
                        .to = rk_gpu_rows_from(s->state, s->at_row), .from = s->part, .from_ld = m};
  if (!cut_lists(&s->lists, of->blocks, parts)) return rk_fail_memory(error, (size_t)m * 4);
  if (is_all) return launch(s, of, parts, merge.to, s->cut.ld, error);
  rk_status status = launch(s, of, parts, merge.from, m, error);
  return status ? status : rk_gpu_launch_merge(s, merge, error);
}

rk_status rk_gpu_launch_lists(rk_gpu_share *s, rk_error *error) {
  launched next;
  rk_status status = RK_OK;
  if (!gather(s, &next)) return rk_fail_memory(error, (size_t)s->list_room * 4);
  if (next.columns || s->chunk_column == s->lists.first) status = launch_and_merge(s, &next, error);
  if (next.is_last) s->at_row += next.blocks * s->shape->row_block;
  if (s->at_row < s->chunk_rows) return status;
  s->at_row = 0;
  s->at_column = s->chunk_columns;
  return status;
}
