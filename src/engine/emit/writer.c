/* The walk over a nest: steps, loops, components. See writer.h.
 *
 * Names in the text: n12 is the value of node 12 (an array [column][row] of the register tile where
 * it outlives a step), t3 a temporary, k a component, v and u the column and the row of the tile.
 */
#include "emit/writer.h"
#include "formula/operations.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Loops are unrolled while their bodies stay below these numbers of operations: the compiler's time
 * grows with them. */
enum { UNROLL = 16, UNROLLED_LOOP = 600, UNROLLED_TILE = 2000 };

/* ---- lines ---- */

static void start_line(rk_writer *w) {
  for (int k = 0; k < w->indent; k++) rk_text_add(w->out, "  ");
}

void rk_line(rk_writer *w, const char *format, ...) {
  va_list arguments;
  start_line(w);
  va_start(arguments, format);
  rk_text_vformat(w->out, format, arguments);
  va_end(arguments);
  rk_text_add(w->out, "\n");
}

void rk_open(rk_writer *w, const char *format, ...) {
  va_list arguments;
  start_line(w);
  va_start(arguments, format);
  rk_text_vformat(w->out, format, arguments);
  va_end(arguments);
  rk_text_add(w->out, " {\n");
  w->indent++;
}

static void open_block(rk_writer *w) {
  rk_line(w, "{");
  w->indent++;
}

void rk_close(rk_writer *w) {
  w->indent--;
  rk_line(w, "}");
}

/* ---- components ---- */

static rk_index constant(int offset) { return (rk_index){.offset = offset}; }

const char *rk_index_text(rk_index index, char *text, size_t size) {
  char inner[40];
  if (!index.symbolic) snprintf(inner, sizeof inner, "%d", index.offset);
  else if (index.offset) snprintf(inner, sizeof inner, "(k %c %d)", index.offset < 0 ? '-' : '+',
                                  abs(index.offset));
  else snprintf(inner, sizeof inner, "k");
  if (!index.divide) snprintf(text, size, "%s", inner);
  else snprintf(text, size, "%s / %d %% %d + %d", inner, index.divide, index.modulo, index.shift);
  return text;
}

static struct rk_memo *remembered(rk_writer *w, const rk_node *node, const char *index) {
  for (int k = 0; k < w->memos; k++)
    if (w->memo[k].node == node && !strcmp(w->memo[k].index, index)) return &w->memo[k];
  return NULL;
}

static const char *remember(rk_writer *w, const rk_node *node, const char *index,
                            const char *name) {
  if (w->memos == w->memo_capacity) {
    int capacity = w->memo_capacity ? 2 * w->memo_capacity : 64;
    struct rk_memo *larger = realloc(w->memo, (size_t)capacity * sizeof *larger);
    if (!larger) {
      w->out->failed = 1;
      return "0";
    }
    w->memo = larger;
    w->memo_capacity = capacity;
  }
  struct rk_memo *memo = &w->memo[w->memos++];
  memo->node = node;
  snprintf(memo->index, sizeof memo->index, "%s", index);
  snprintf(memo->name, sizeof memo->name, "%s", name);
  return memo->name;
}

static rk_place place_of(const rk_writer *w, const rk_node *node) {
  return (rk_place)w->nest->place[node->number];
}

static int is_variable(const rk_node *node) { return node->operation == &rk_operation_variable; }
static int moves(const rk_node *node) {
  return node->operation && node->operation->kind == RK_PIECES;
}

/* Where component `index` of a node that moves components comes from; NULL: it is 0. */
static const rk_node *origin_of(const rk_node *node, rk_index *index) {
  int at = index->offset;
  rk_piece piece[RK_MAX_PIECES];
  int count = rk_node_pieces(node, piece);
  for (int p = 0; p < count; p++) {
    if (at < piece[p].start || at >= piece[p].start + piece[p].length) continue;
    const rk_node *operand = node->operand[piece[p].operand];
    index->offset -= piece[p].start;
    if (operand->dim == 1) *index = constant(0);
    else if (piece[p].modulo == 1) *index = constant(piece[p].offset);
    else if (piece[p].divide == 1 && piece[p].length <= piece[p].modulo)
      index->offset += piece[p].offset;
    else {
      index->divide = piece[p].divide;
      index->modulo = piece[p].modulo;
      index->shift = piece[p].offset;
    }
    return operand;
  }
  return NULL;
}

/* Replaces the names of the table's code: operands, integers, the position k. */
static void write_code(rk_text *out, const char *code, const char *const *name,
                       const char *const *value, int names) {
  while (*code) {
    if (!isalpha((unsigned char)*code) && *code != '_') {
      rk_text_bytes(out, code++, 1);
      continue;
    }
    int length = 0, known = -1;
    while (isalnum((unsigned char)code[length]) || code[length] == '_') length++;
    for (int k = 0; k < names; k++)
      if ((int)strlen(name[k]) == length && !strncmp(code, name[k], (size_t)length)) known = k;
    if (known >= 0) rk_text_add(out, value[known]);
    else rk_text_bytes(out, code, (size_t)length);
    code += length;
  }
}

static void number_text(double value, char *text, size_t size) {
  if (isnan(value)) snprintf(text, size, "rk_num(RK_NAN)");
  else if (isinf(value)) snprintf(text, size, "rk_num(%sRK_INF)", value < 0 ? "-" : "");
  else snprintf(text, size, "rk_num(%.17g)", value);
}

/* A piece of text that lacks something fails the whole. */
static const char *whole(rk_writer *w, const rk_text *code) {
  if (code->failed) w->out->failed = 1;
  return rk_text_string(code);
}

/* The code of an operation on named operands. */
static void operation_text(rk_text *out, const char *code, const rk_node *node,
                           const char *const *operand, const char *index, const char *state,
                           const char *position) {
  static const char *const names[] = {"a", "b", "c", "n", "m", "k", "s", "p"};
  char integer[2][24], component[96];
  for (int q = 0; q < 2; q++)
    snprintf(integer[q], sizeof integer[q], node->integer[q] < 0 ? "(%d)" : "%d", node->integer[q]);
  snprintf(component, sizeof component, "rk_num(%s)", index);
  const char *values[] = {operand[0], operand[1], operand[2], integer[0], integer[1], component,
                          state, position};
  write_code(out, code, names, values, 8);
}

static const char *declare(rk_writer *w, const rk_node *node, const char *index,
                           const char *expression) {
  char name[32];
  snprintf(name, sizeof name, "t%d", ++w->names);
  rk_line(w, "const vec %s = %s;", name, expression);
  return remember(w, node, index, name);
}

/* A component that is read: a slot of a lower level, or an input while packing. */
static const char *read_component(rk_writer *w, const rk_node *node, rk_index index,
                                  const char *text) {
  char expression[320], at[160];
  if (is_variable(node) && place_of(w, node) != RK_ELSEWHERE) {
    snprintf(expression, sizeof expression, w->target->input,
             rk_variable_index(w->pass, node->variable), text,
             rk_variable_index(w->pass, node->variable));
    return declare(w, node, text, expression);
  }
  int slot = rk_slot_offset(w->pass, node);
  if (index.divide) snprintf(at, sizeof at, "%d + %s", slot, text);
  else {
    index.offset += slot;
    rk_index_text(index, at, sizeof at);
  }
  rk_nest_kind level = rk_level_of(w->pass, node);
  if (w->staging && index.symbolic && !index.divide &&
      rk_staged_text(w, level, index.offset, expression, sizeof expression))
    return declare(w, node, text, expression);
  const char *format = level == RK_NEST_PARAMETER ? w->target->parameter
                       : level == RK_NEST_ROW     ? w->target->row
                                                  : w->target->column;
  snprintf(expression, sizeof expression, format, at);
  return declare(w, node, text, expression);
}

static const char *computed(rk_writer *w, const rk_node *node, rk_index index, const char *text) {
  const char *operand[RK_MAX_OPERANDS] = {"", "", ""};
  char held[RK_MAX_OPERANDS][96];
  for (int k = 0; k < node->operands; k++) {
    const rk_node *o = node->operand[k];
    snprintf(held[k], sizeof held[k], "%s", rk_component(w, o, o->dim == 1 ? constant(0) : index));
    operand[k] = held[k];
  }
  rk_text code = {0};
  operation_text(&code, node->operation->code, node, operand, text, "", "");
  const char *name = declare(w, node, text, whole(w, &code));
  rk_text_free(&code);
  return name;
}

static const char *component_at(rk_writer *w, const rk_node *node, rk_index index) {
  char text[128], name[160];
  rk_index_text(index, text, sizeof text);
  struct rk_memo *memo = remembered(w, node, text);
  if (memo) return memo->name;
  if (node->operation == &rk_operation_number) {
    number_text(node->value, name, sizeof name);
    return remember(w, node, text, name);
  }
  rk_place place = place_of(w, node);
  if (place == RK_SCALAR || place == RK_PANEL) {
    if (place == RK_SCALAR) snprintf(name, sizeof name, "n%d[v][u]", node->number);
    else snprintf(name, sizeof name, "n%d[%s][v][u]", node->number, text);
    return remember(w, node, text, name);
  }
  if (is_variable(node) || place == RK_ELSEWHERE) return read_component(w, node, index, text);
  return computed(w, node, index, text);
}

/* Within a range all components come from the same piece: the first one (k = 0) tells which. */
const char *rk_component(rk_writer *w, const rk_node *node, rk_index index) {
  while (moves(node) && place_of(w, node) != RK_PANEL && rk_slot_offset(w->pass, node) < 0) {
    node = origin_of(node, &index);
    if (!node) return "rk_num(0)";
    if (node->dim == 1) index = constant(0);
  }
  return component_at(w, node, index);
}

/* ---- ranges ---- */

typedef struct { const rk_writer *w; int *cut; int cuts, capacity, failed; } cutting;

static void cut_at(cutting *c, int at, int dim) {
  if (at <= 0 || at >= dim) return;
  for (int k = 0; k < c->cuts; k++)
    if (c->cut[k] == at) return;
  if (c->cuts == c->capacity) {
    int capacity = c->capacity ? 2 * c->capacity : 16;
    int *larger = realloc(c->cut, (size_t)capacity * sizeof *larger);
    if (!larger) {
      c->failed = 1;
      return;
    }
    c->cut = larger;
    c->capacity = capacity;
  }
  c->cut[c->cuts++] = at;
}

/* Cuts of the loop 0..dim-1 whose component k reads component k + offset of the node, k in
 * [first, end). */
static void find_cuts(cutting *c, const rk_node *node, int offset, int first, int end, int dim) {
  rk_place place = place_of(c->w, node);
  if (node->dim == 1 || place == RK_SCALAR || is_variable(node)) return;
  if (!moves(node)) {
    if (place == RK_INLINE && node->operation && node->operation->kind == RK_ELEMENTWISE)
      for (int k = 0; k < node->operands; k++)
        find_cuts(c, node->operand[k], offset, first, end, dim);
    return;
  }
  if (place == RK_PANEL || rk_slot_offset(c->w->pass, node) >= 0) return;
  rk_piece piece[RK_MAX_PIECES];
  int count = rk_node_pieces(node, piece);
  for (int p = 0; p < count; p++) {
    int from = piece[p].start - offset, to = from + piece[p].length;
    if (from < first) from = first;
    if (to > end) to = end;
    if (from >= to) continue;
    cut_at(c, from, dim);
    cut_at(c, to, dim);
    if (piece[p].divide == 1 && piece[p].length <= piece[p].modulo)
      find_cuts(c, node->operand[piece[p].operand], offset - piece[p].start + piece[p].offset, from,
                to, dim);
  }
}

static int ascending(const void *a, const void *b) {
  return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

int rk_ranges(const rk_writer *w, const rk_node *const *root, int roots, int dim,
              rk_range **ranges) {
  cutting c = {.w = w};
  for (int r = 0; r < roots; r++) find_cuts(&c, root[r], 0, 0, dim, dim);
  if (c.cuts) qsort(c.cut, (size_t)c.cuts, sizeof *c.cut, ascending);
  *ranges = c.failed ? NULL : calloc((size_t)c.cuts + 1, sizeof **ranges);
  int count = 0;
  if (!*ranges) w->out->failed = 1;
  else
    for (; count <= c.cuts; count++)
      (*ranges)[count] = (rk_range){count ? c.cut[count - 1] : 0,
                                    count < c.cuts ? c.cut[count] : dim};
  free(c.cut);
  return count;
}

rk_index rk_open_range(rk_writer *w, rk_range range, double cost) {
  int length = range.end - range.first, tile = w->tile->rows * w->tile->columns;
  if (length == 1) {
    open_block(w);
    return constant(range.first);
  }
  if (length <= w->target->unroll ||
      (length <= UNROLL && length * tile * (cost + 1) <= UNROLLED_LOOP))
    rk_open(w, "rk_each (k, %d)", length);
  else rk_open(w, "for (int k = 0; k < %d; k++)", length);
  return (rk_index){.symbolic = 1, .offset = range.first};
}

void rk_open_each(rk_writer *w, const char *k, int n) {
  if (n <= w->target->unroll) rk_open(w, "rk_each (%s, %d)", k, n);
  else rk_open(w, "for (int %s = 0; %s < %d; %s++)", k, k, n, k);
}

int rk_repeated(int ranges) { return ranges < 8 ? 1 : ranges; }

double rk_inline_cost(const rk_writer *w, const rk_node *node) {
  return place_of(w, node) == RK_INLINE ? w->nest->each[node->number] : 0;
}

void rk_open_tile(rk_writer *w, double cost) {
  int rows = w->tile->rows;
  if (w->nest->kind == RK_NEST_PAIR) {
    if (w->target->unroll || cost * rows * w->tile->columns <= UNROLLED_TILE)
      rk_open(w, "rk_each (v, nv) rk_each (u, %d)", rows);
    else rk_open(w, "for (int v = 0; v < nv; v++) for (int u = 0; u < %d; u++)", rows);
  } else {
    open_block(w);
    rk_line(w, "enum { u = 0, v = 0 };");
  }
  w->memos = 0;
}

void rk_close_tile(rk_writer *w) {
  rk_close(w);
  w->memos = 0;
}

/* ---- steps ---- */

static const char *fold_state(const rk_node *node, char *text, size_t size) {
  int position = !strcmp(node->operation->end, "p");
  snprintf(text, size, "%s%d[v][u]", position ? "s" : "n", node->number);
  return text;
}

static void declare_kept(rk_writer *w, const rk_node *node) {
  int rows = w->tile->rows, columns = w->tile->columns;
  if (place_of(w, node) == RK_PANEL) {
    rk_line(w, "vec (*const n%d)[%d][%d] = (vec (*)[%d][%d])panel;", node->number, columns, rows,
            columns, rows);
    rk_line(w, "panel += %d * sizeof(vec);", node->dim * rows * columns);
    return;
  }
  rk_line(w, "vec n%d[%d][%d]; /* %s */", node->number, columns, rows, node->operation->name);
  if (node->operation->kind == RK_FOLD && !strcmp(node->operation->end, "p"))
    rk_line(w, "vec s%d[%d][%d];", node->number, columns, rows);
}

static void start_fold(rk_writer *w, const rk_node *node) {
  char state[40];
  if (node->operation->kind != RK_FOLD) return;
  rk_open_tile(w, 1);
  rk_line(w, "%s = %s;", fold_state(node, state, sizeof state), node->operation->start);
  if (!strcmp(node->operation->end, "p")) rk_line(w, "n%d[v][u] = rk_num(0);", node->number);
  rk_close_tile(w);
}

static void advance_fold(rk_writer *w, const rk_node *node, rk_index index) {
  char state[40], position[40], at[128], held[96];
  const rk_node *inner = node->operand[0];
  snprintf(held, sizeof held, "%s", rk_component(w, inner, inner->dim == 1 ? constant(0) : index));
  const char *operand[] = {held, "", ""};
  rk_index_text(index, at, sizeof at);
  fold_state(node, state, sizeof state);
  snprintf(position, sizeof position, "n%d[v][u]", node->number);
  rk_text code = {0};
  if (!strcmp(node->operation->end, "p")) {
    rk_text_format(&code, "%s = ", position);
    operation_text(&code, node->operation->place, node, operand, at, state, position);
    rk_line(w, "%s;", whole(w, &code));
    rk_text_clear(&code);
  }
  operation_text(&code, node->operation->next, node, operand, at, state, position);
  rk_line(w, "%s = %s;", state, whole(w, &code));
  rk_text_free(&code);
}

static void store_panel(rk_writer *w, const rk_node *node, rk_index index) {
  char at[128];
  rk_index_text(index, at, sizeof at);
  w->nest->place[node->number] = RK_INLINE; /* its own value is computed here */
  char held[96];
  if (moves(node)) snprintf(held, sizeof held, "%s", rk_component(w, node, index));
  else snprintf(held, sizeof held, "%s", component_at(w, node, index));
  w->nest->place[node->number] = RK_PANEL;
  rk_line(w, "n%d[%s][v][u] = %s;", node->number, at, held);
}

typedef struct { const rk_step *step; double cost; } loop_body;

static void write_body(rk_writer *w, const void *data, rk_index index) {
  const loop_body *body = data;
  const rk_node *const *node = w->nest->node + body->step->first;
  rk_open_tile(w, body->cost);
  for (int k = 0; k < body->step->count; k++) {
    if (node[k]->operation->kind == RK_FOLD) advance_fold(w, node[k], index);
    else store_panel(w, node[k], index);
  }
  rk_close_tile(w);
}

static void write_loop(rk_writer *w, const rk_step *step) {
  const rk_node *const *node = w->nest->node + step->first;
  const rk_node **root = calloc((size_t)step->count, sizeof *root);
  if (!root) {
    w->out->failed = 1;
    return;
  }
  double cost = 0;
  for (int k = 0; k < step->count; k++) {
    int fold = node[k]->operation->kind == RK_FOLD;
    cost += w->nest->each[node[k]->number] + 2;
    root[k] = fold ? node[k]->operand[0] : node[k];
    declare_kept(w, node[k]);
    start_fold(w, node[k]);
    if (!fold) w->nest->place[node[k]->number] = RK_INLINE;
  }
  rk_range *ranges;
  int count = rk_ranges(w, root, step->count, step->dim, &ranges);
  for (int k = 0; k < step->count; k++)
    if (node[k]->operation->kind != RK_FOLD) w->nest->place[node[k]->number] = RK_PANEL;
  const loop_body body = {step, cost * rk_repeated(count)};
  for (int r = 0; r < count; r++) {
    if (w->staging && ranges[r].end - ranges[r].first > UNROLL) {
      rk_write_staged(w, ranges[r], write_body, &body);
      continue;
    }
    rk_index index = rk_open_range(w, ranges[r], body.cost);
    write_body(w, &body, index);
    rk_close(w);
  }
  free(ranges);
  free(root);
}

static void write_scalars(rk_writer *w, const rk_step *step) {
  const rk_node *const *node = w->nest->node + step->first;
  for (int k = 0; k < step->count; k++)
    if (place_of(w, node[k]) == RK_SCALAR) declare_kept(w, node[k]);
  double cost = 0;
  for (int k = 0; k < step->count; k++) cost += w->nest->each[node[k]->number];
  rk_open_tile(w, cost);
  for (int k = 0; k < step->count; k++) {
    rk_place place = place_of(w, node[k]);
    w->nest->place[node[k]->number] = RK_LOCAL;
    char name[96];
    snprintf(name, sizeof name, "%s", rk_component(w, node[k], constant(0)));
    w->nest->place[node[k]->number] = (unsigned char)place;
    if (place == RK_SCALAR) rk_line(w, "n%d[v][u] = %s;", node[k]->number, name);
  }
  rk_close_tile(w);
}

void rk_write_steps(rk_writer *w, int first, int end) {
  for (int s = first; s < end; s++) {
    if (w->nest->step[s].dim) write_loop(w, &w->nest->step[s]);
    else write_scalars(w, &w->nest->step[s]);
  }
}
