/* Writes a nest: steps, loops, components. See writer.h.
 *
 * Names in the text: n12 is the value of node 12 (an array [column][row] of the register tile where
 * it outlives a step), t3 a temporary, k a component, v and u the column and the row of the tile.
 */
#include "emit/writer.h"
#include "formula/operations.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Loops are unrolled while their bodies, and all of them together, stay below these numbers of
 * operations: the compiler's time grows with them. */
enum { UNROLL = 16, UNROLLED_LOOP = 600, UNROLLED_TILE = 2000, UNROLLED_ALL = 4000 };

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

/* The value that a loop over k makes of the index, before it is divided. */
static int inner_text(rk_index index, char *text, size_t size) {
  char sign = index.offset < 0 ? '-' : '+';
  if (!index.symbolic) return snprintf(text, size, "%d", index.offset);
  char scaled[24] = "k";
  if (index.scale != 1) snprintf(scaled, sizeof scaled, "%d * k", index.scale);
  if (index.offset) return snprintf(text, size, "(%s %c %d)", scaled, sign, abs(index.offset));
  return snprintf(text, size, index.scale == 1 ? "%s" : "(%s)", scaled);
}

const char *rk_index_text(rk_index index, char *text, size_t size) {
  char inner[40];
  inner_text(index, inner, sizeof inner);
  if (!index.digits) {
    snprintf(text, size, "%s", inner);
    return text;
  }
  int used = snprintf(text, size, "(");
  for (int d = 0; d < index.digits; d++) {
    const rk_digit *digit = &index.digit[d];
    used += snprintf(text + used, size - (size_t)used, "%s%s", d ? " + " : "", inner);
    if (digit->divide > 1)
      used += snprintf(text + used, size - (size_t)used, " / %d", digit->divide);
    if (digit->modulo)
      used += snprintf(text + used, size - (size_t)used, " %% %d", digit->modulo);
    if (digit->stride != 1)
      used += snprintf(text + used, size - (size_t)used, " * %d", digit->stride);
  }
  if (index.shift) snprintf(text + used, size - (size_t)used, " + %d)", index.shift);
  else snprintf(text + used, size - (size_t)used, ")");
  return text;
}

static rk_index moved_by(rk_index index, int offset) {
  if (index.digits) index.shift += offset;
  else index.offset += offset;
  return index;
}

/* The last memo with this place in the table; -1: none since the names were forgotten. */
static int last_memo(const rk_writer *w, int place) {
  int k = w->memo[place].first;
  return k < w->memos && (w->memo[k].node->number & (w->memo_capacity - 1)) == place ? k : -1;
}

static struct rk_memo *remembered(rk_writer *w, const rk_node *node, const rk_index *index,
                                  int as_mask) {
  if (!w->memos) return NULL;
  for (int k = last_memo(w, node->number & (w->memo_capacity - 1)); k >= 0; k = w->memo[k].next)
    if (w->memo[k].node == node && w->memo[k].as_mask == as_mask &&
        !memcmp(&w->memo[k].index, index, sizeof *index))
      return &w->memo[k];
  return NULL;
}

static void enter_memo(rk_writer *w, int k) {
  int place = w->memo[k].node->number & (w->memo_capacity - 1);
  w->memo[k].next = last_memo(w, place);
  w->memo[place].first = k;
}

static int grow_memos(rk_writer *w) {
  int old = w->memo_capacity, capacity = old ? 2 * old : 64, count = w->memos;
  struct rk_memo *larger = realloc(w->memo, (size_t)capacity * sizeof *larger);
  if (!larger) return 0;
  memset(larger + old, 0, (size_t)(capacity - old) * sizeof *larger);
  w->memo = larger;
  w->memo_capacity = capacity;
  for (w->memos = 0; w->memos < count; w->memos++) enter_memo(w, w->memos);
  return 1;
}

static const char *remember_as(rk_writer *w, const rk_node *node, rk_index index, const char *name,
                               int as_mask) {
  if (w->memos == w->memo_capacity && !grow_memos(w)) {
    w->out->failed = 1;
    return "0";
  }
  struct rk_memo *memo = &w->memo[w->memos];
  memo->node = node;
  memo->index = index;
  memo->as_mask = as_mask;
  snprintf(memo->name, sizeof memo->name, "%s", name);
  enter_memo(w, w->memos);
  w->memos++;
  return memo->name;
}

static const char *remember(rk_writer *w, const rk_node *node, rk_index index, const char *name) {
  return remember_as(w, node, index, name, 0);
}

rk_place rk_place_of(const rk_writer *w, const rk_node *node) {
  return (rk_place)(w->place ? w->place : w->nest->place)[node->number];
}

/* From here on it is there: in the writer's copy, since the plan stays as it is. */
static void set_place(rk_writer *w, const rk_node *node, rk_place place) {
  size_t size = (size_t)w->nest->numbers;
  if (!w->place && (w->place = malloc(size))) memcpy(w->place, w->nest->place, size);
  if (w->place) w->place[node->number] = (unsigned char)place;
  else w->out->failed = 1;
}

void rk_writer_free(rk_writer *w) {
  free(w->memo);
  free(w->place);
}

static int digit_value(const rk_digit *digit, int at) {
  at /= digit->divide;
  return (digit->modulo ? at % digit->modulo : at) * digit->stride;
}

/* The component that place `index` of a piece is of. */
static rk_index divided(rk_index index, const rk_piece *piece) {
  rk_digit digit[RK_MAX_DIGITS];
  int digits = rk_piece_digits(piece, digit), at = piece->offset;
  if (!index.symbolic) {
    for (int d = 0; d < digits; d++) at += digit_value(&digit[d], index.offset);
    return constant(at);
  }
  if (!digits) return constant(at);
  if (rk_piece_is_affine(piece)) {
    index.scale *= digit[0].stride;
    index.offset = index.offset * digit[0].stride + at;
    return index;
  }
  index.shift = at;
  index.digits = digits;
  memcpy(index.digit, digit, (size_t)digits * sizeof *digit);
  return index;
}

/* Where component `index` of a node that moves components comes from; NULL: it is 0. */
static const rk_node *origin_of(const rk_node *node, rk_index *index) {
  rk_piece piece[RK_MAX_PIECES];
  int count = rk_node_pieces(node, piece);
  for (int p = 0; p < count; p++) {
    int at = index->offset - piece[p].start, step = piece[p].step;
    if (at < 0 || at % step || at / step >= piece[p].length) continue;
    index->offset = at / step;
    if (index->symbolic) index->scale /= step;
    *index = divided(*index, &piece[p]);
    return node->operand[piece[p].operand];
  }
  return NULL;
}

/* Replaces the names of the table's code: operands, integers, the position k. */
static void write_code(rk_text *out, const char *code, const char *const *name,
                       const char *const *value, int names) {
  while (*code) {
    if (!rk_is_letter(*code) && *code != '_') {
      rk_text_bytes(out, code++, 1);
      continue;
    }
    int length = 0, known = -1;
    while (rk_is_alnum(code[length]) || code[length] == '_') length++;
    for (int k = 0; k < names; k++)
      if ((int)strlen(name[k]) == length && !strncmp(code, name[k], (size_t)length)) known = k;
    if (known >= 0) rk_text_add(out, value[known]);
    else rk_text_bytes(out, code, (size_t)length);
    code += length;
  }
}

const char *rk_constant_text(char *text, double value) {
  if (isnan(value)) return strcpy(text, "RK_NAN");
  if (isinf(value)) return strcpy(text, value < 0 ? "-RK_INF" : "RK_INF");
  if (value == 0 && signbit(value)) return strcpy(text, "-0.0"); /* -0 is an integer in C */
  return rk_number_text(text, "%.17g", value);
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
  char integer[2][24], component[RK_INDEX_TEXT + 16];
  for (int q = 0; q < 2; q++)
    snprintf(integer[q], sizeof integer[q], node->integer[q] < 0 ? "(%d)" : "%d", node->integer[q]);
  snprintf(component, sizeof component, "rk_num(%s)", index);
  const char *values[] = {operand[0], operand[1], operand[2], integer[0], integer[1], component,
                          state, position};
  write_code(out, code, names, values, 8);
}

static const char *declare_as(rk_writer *w, const rk_node *node, rk_index index,
                              const char *expression, int as_mask) {
  char name[32];
  snprintf(name, sizeof name, "t%d", ++w->names);
  rk_line(w, "const %s %s = %s;", as_mask ? "mask" : "vec", name, expression);
  return remember_as(w, node, index, name, as_mask);
}

static const char *declare(rk_writer *w, const rk_node *node, rk_index index,
                           const char *expression) {
  return declare_as(w, node, index, expression, 0);
}

/* A component that is read: a slot of a lower level, or an input while packing. */
static const char *read_component(rk_writer *w, const rk_node *node, rk_index index) {
  char expression[RK_INDEX_TEXT + 160], at[RK_INDEX_TEXT];
  if (rk_is_variable(node) && rk_place_of(w, node) != RK_ELSEWHERE) {
    int variable = rk_variable_index(w->pass, node->variable);
    rk_index_text(index, at, sizeof at);
    snprintf(expression, sizeof expression, w->target->input, variable, at, variable);
    return declare(w, node, index, expression);
  }
  rk_index of_slot = moved_by(index, rk_slot_offset(w->pass, node));
  rk_nest_kind level = rk_level_of(w->pass, node);
  if (w->staging && of_slot.symbolic && of_slot.scale == 1 && !of_slot.digits &&
      w->staging->read(w, level, of_slot.offset, expression, sizeof expression))
    return declare(w, node, index, expression);
  const char *format = level == RK_NEST_PARAMETER ? w->target->parameter
                       : level == RK_NEST_ROW     ? w->target->row
                                                  : w->target->column;
  rk_index_text(of_slot, at, sizeof at);
  snprintf(expression, sizeof expression, format, at);
  return declare(w, node, index, expression);
}

static const char *read_panel(rk_writer *w, const rk_node *node, rk_index index) {
  char text[RK_INDEX_TEXT], name[RK_INDEX_TEXT + 32];
  rk_index_text(index, text, sizeof text);
  snprintf(name, sizeof name, "n%d[%s][v][u]", node->number, text);
  return index.digits ? declare(w, node, index, name) : remember(w, node, index, name);
}

static const char *component_as(rk_writer *w, const rk_node *node, rk_index index, int as_mask);

/* Does the table's code of this operation read operand k as a mask? */
static int reads_mask(const rk_operation *operation, int k) {
  return operation->result == RK_RESULT_LOGICAL_ONLY ||
         (operation->result == RK_RESULT_WHERE && k == 0);
}

/* Of a logical operation as a mask. */
static const char *computed(rk_writer *w, const rk_node *node, rk_index index) {
  const char *operand[RK_MAX_OPERANDS] = {"", "", "", ""};
  char held[RK_MAX_OPERANDS][96], text[RK_INDEX_TEXT];
  for (int k = 0; k < node->operands; k++) {
    const rk_node *o = node->operand[k];
    snprintf(held[k], sizeof held[k], "%s",
             component_as(w, o, o->dim == 1 ? constant(0) : index,
                          reads_mask(node->operation, k)));
    operand[k] = held[k];
  }
  rk_text code = {0};
  rk_index_text(index, text, sizeof text);
  operation_text(&code, node->operation->code, node, operand, text, "", "");
  const char *name = declare_as(w, node, index, whole(w, &code), node->is_logical);
  rk_text_free(&code);
  return name;
}

int rk_is_kept_as_mask(const rk_writer *w, const rk_node *node) {
  return node->is_logical && !w->part;
}

/* Does a number lie behind the parameters? Of a general text all but those that formulas keep. */
static int is_beside(const rk_writer *w, double value) {
  return w->target->is_general && isfinite(value) && value != 0 && fabs(value) != 1 && value != 2;
}

/* Where it lies, as text. */
static const char *number_beside(rk_writer *w, double value, char *text) {
  rk_numbers *all = w->numbers;
  int k = 0;
  while (k < all->count && all->value[k] != value) k++;
  if (k == RK_MOST_NUMBERS) w->out->failed = 1;
  else if (k == all->count) all->value[all->count++] = value;
  snprintf(text, RK_NUMBER_TEXT, "%d", w->pass->slots[RK_NEST_PARAMETER].size + k);
  return text;
}

static const char *component_at(rk_writer *w, const rk_node *node, rk_index index) {
  char name[40], number[RK_NUMBER_TEXT];
  if (node->operation == &rk_operation_number) {
    if (is_beside(w, node->value)) {
      snprintf(name, sizeof name, w->target->parameter, number_beside(w, node->value, number));
      return declare(w, node, index, name);
    }
    snprintf(name, sizeof name, "rk_num(%s)", rk_constant_text(number, node->value));
    return remember(w, node, index, name);
  }
  rk_place place = rk_place_of(w, node);
  if (place == RK_SCALAR) {
    snprintf(name, sizeof name, "n%d[v][u]", node->number);
    return remember_as(w, node, index, name, rk_is_kept_as_mask(w, node));
  }
  if (place == RK_PANEL) return read_panel(w, node, index);
  if (rk_is_variable(node) || place == RK_ELSEWHERE) return read_component(w, node, index);
  return computed(w, node, index);
}

/* Is what component_at() gives a mask? */
static int is_mask(const rk_writer *w, const rk_node *node) {
  rk_place place = rk_place_of(w, node);
  if (place == RK_SCALAR) return rk_is_kept_as_mask(w, node);
  return node->is_logical && (place == RK_INLINE || place == RK_LOCAL);
}

/* In the form that the reader wants. */
static const char *formed(rk_writer *w, const rk_node *node, rk_index index, int as_mask) {
  const int own = is_mask(w, node);
  struct rk_memo *memo = remembered(w, node, &index, as_mask);
  if (memo) return memo->name;
  if (own != as_mask) memo = remembered(w, node, &index, own);
  const char *name = memo ? memo->name : component_at(w, node, index);
  if (own == as_mask) return name;
  char expression[128];
  snprintf(expression, sizeof expression, as_mask ? "rk_ne(%s, rk_num(0))" : "rk_truth(%s)", name);
  return declare_as(w, node, index, expression, as_mask);
}

/* Is a value that moves components read from memory? Otherwise its reader moves. */
int rk_is_stored(const rk_writer *w, const rk_node *node) {
  rk_place place = rk_place_of(w, node);
  return place == RK_PANEL || (place == RK_ELSEWHERE && rk_slot_offset(w->pass, node) >= 0);
}

/* Within a range all components come from the same piece: the first one (k = 0) tells which. */
static const char *component_as(rk_writer *w, const rk_node *node, rk_index index, int as_mask) {
  while (rk_moves(node) && !rk_is_stored(w, node)) {
    node = origin_of(node, &index);
    if (!node) return as_mask ? "rk_ne(rk_num(0), rk_num(0))" : "rk_num(0)";
    if (node->dim == 1) index = constant(0);
  }
  return formed(w, node, index, as_mask);
}

const char *rk_component(rk_writer *w, const rk_node *node, rk_index index) {
  return component_as(w, node, index, 0);
}

/* ---- ranges ---- */

rk_index rk_range_index(rk_range range) {
  if (range.count == 1) return constant(range.first);
  return (rk_index){.symbolic = 1, .scale = range.step, .offset = range.first};
}

rk_index rk_open_range(rk_writer *w, rk_range range, double cost) {
  int length = range.count, tile = w->tile->rows * w->tile->columns;
  if (w->repeated) cost *= w->repeated;
  if (length == 1) open_block(w);
  else if (w->target->is_general) rk_open(w, "rk_span (k, %d)", length);
  else if (length <= w->target->unroll ||
           (length <= UNROLL && length * tile * (cost + 1) <= UNROLLED_LOOP &&
            w->unrolled <= UNROLLED_ALL && !w->part))
    rk_open(w, "rk_each (k, %d)", length);
  else rk_open(w, "for (int k = 0; k < %d; k++)", length);
  return rk_range_index(range);
}

void rk_open_each(rk_writer *w, const char *k, int n) {
  if (n <= w->target->unroll) rk_open(w, "rk_each (%s, %d)", k, n);
  else if (w->target->is_general && n > 1) rk_open(w, "rk_span (%s, %d)", k, n);
  else rk_open(w, "for (int %s = 0; %s < %d; %s++)", k, k, n, k);
}

double rk_inline_cost(const rk_writer *w, const rk_node *node) {
  return rk_place_of(w, node) == RK_INLINE ? w->nest->each[node->number] : 0;
}

void rk_open_tile(rk_writer *w, double cost) {
  int rows = w->tile->rows;
  if (w->nest->kind == RK_NEST_PAIR) {
    double copies = cost * rows * w->tile->columns * (w->repeated ? w->repeated : 1);
    if (copies <= UNROLLED_TILE) w->unrolled += copies;
    int unrolled = !w->part && copies <= UNROLLED_TILE && w->unrolled <= UNROLLED_ALL;
    if (w->part) rk_open(w, "rk_rolled (v, nv) rk_each (u, %d)", rows);
    else if (w->target->unroll || unrolled)
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

/* The sum, or what else a fold keeps, for the component `index` that enters. */
static const char *fold_state(const rk_writer *w, const rk_node *node, rk_index index, char *text,
                              size_t size) {
  int position = !strcmp(node->operation->end, "p");
  char at[RK_INDEX_TEXT];
  if (w->running == node) {
    snprintf(text, size, "s[v][u]");
  } else if (node->operation->pieces) {
    rk_piece piece[RK_MAX_PIECES];
    rk_node_pieces(node, piece);
    rk_index_text(divided(index, piece), at, sizeof at);
    snprintf(text, size, "n%d[%s][v][u]", node->number, at);
  } else {
    snprintf(text, size, "%s%d[v][u]", position ? "s" : "n", node->number);
  }
  return text;
}

/* In tile memory. */
static void declare_pointer(rk_writer *w, const rk_node *node) {
  int rows = w->tile->rows, columns = w->tile->columns, at = w->nest->at[node->number];
  if (rk_place_of(w, node) == RK_PANEL)
    rk_line(w, "vec (*const n%d)[%d][%d] = (vec (*)[%d][%d])panel + %d;", node->number, columns,
            rows, columns, rows, at);
  else
    rk_line(w, "vec (*const n%d)[%d] = ((vec (*)[%d][%d])panel)[%d];", node->number, rows, columns,
            rows, at);
}

static void declare_kept(rk_writer *w, const rk_node *node) {
  int rows = w->tile->rows, columns = w->tile->columns;
  int positions = node->operation->kind == RK_FOLD && !strcmp(node->operation->end, "p");
  if (rk_place_of(w, node) == RK_PANEL && w->target->in_registers) {
    rk_line(w, "vec n%d[%d][%d][%d]; /* %s */", node->number, node->dim, columns, rows,
            node->operation->name);
    return;
  }
  if (rk_place_of(w, node) == RK_PANEL) {
    if (!w->part) declare_pointer(w, node);
    return;
  }
  if (!w->part)
    rk_line(w, "%s n%d[%d][%d]; /* %s */", rk_is_kept_as_mask(w, node) ? "mask" : "vec",
            node->number, columns, rows, node->operation->name);
  if (positions) rk_line(w, "vec s%d[%d][%d];", node->number, columns, rows);
}

static void start_fold(rk_writer *w, const rk_node *node) {
  char state[40];
  if (node->operation->kind != RK_FOLD) return;
  int groups = node->operation->pieces != NULL;
  if (groups) snprintf(state, sizeof state, "n%d[k][v][u]", node->number);
  else fold_state(w, node, constant(0), state, sizeof state);
  if (groups) rk_open_each(w, "k", node->dim);
  rk_open_tile(w, 1);
  rk_line(w, "%s = %s;", state, node->operation->start);
  if (!strcmp(node->operation->end, "p")) rk_line(w, "n%d[v][u] = rk_num(0);", node->number);
  rk_close_tile(w);
  if (groups) rk_close(w);
}

void rk_hold(rk_writer *w, const rk_node *node, rk_index index, char *held, size_t size) {
  snprintf(held, size, "%s", rk_component(w, node, node->dim == 1 ? constant(0) : index));
}

const rk_node *rk_choice(rk_writer *w, const rk_node *term, rk_index index, char *mask,
                         size_t size) {
  int k = rk_chosen_operand(term);
  if (!k || rk_place_of(w, term) != RK_INLINE) return NULL;
  const rk_node *test = term->operand[0];
  snprintf(mask, size, k == 1 ? "%s" : "rk_not(%s)",
           component_as(w, test, test->dim == 1 ? constant(0) : index, 1));
  return term->operand[k];
}

static void advance_fold(rk_writer *w, const rk_node *node, rk_index index) {
  char state[RK_INDEX_TEXT + 32], position[40], at[RK_INDEX_TEXT], held[96], in[RK_CHOICE_TEXT];
  int adds = !strcmp(node->operation->next, "s + a");
  const rk_node *inner = node->operand[0];
  const rk_node *chosen = adds ? rk_choice(w, inner, index, in, sizeof in) : NULL;
  rk_hold(w, chosen ? chosen : inner, index, held, sizeof held);
  const char *operand[] = {held, "", ""};
  rk_index_text(index, at, sizeof at);
  fold_state(w, node, index, state, sizeof state);
  snprintf(position, sizeof position, "n%d[v][u]", node->number);
  rk_text code = {0};
  if (!strcmp(node->operation->end, "p")) {
    rk_text_format(&code, "%s = ", position);
    operation_text(&code, node->operation->place, node, operand, at, state, position);
    rk_line(w, "%s;", whole(w, &code));
    rk_text_clear(&code);
  }
  operation_text(&code, node->operation->next, node, operand, at, state, position);
  if (chosen)
    rk_line(w, "%s = rk_select(%s, %s, %s);", state, in, whole(w, &code), state);
  else rk_line(w, "%s = %s;", state, whole(w, &code));
  rk_text_free(&code);
}

/* Is the value another one than what the fold kept? */
static int has_end(const rk_node *node) {
  return rk_folds(node) && strcmp(node->operation->end, "s") && strcmp(node->operation->end, "p");
}

static void end_fold(rk_writer *w, const rk_node *node) {
  char state[40], held[96];
  rk_open_tile(w, 1);
  snprintf(held, sizeof held, "%s", rk_component(w, node->operand[1], constant(0)));
  const char *operand[] = {"", held, ""};
  fold_state(w, node, constant(0), state, sizeof state);
  rk_text code = {0};
  operation_text(&code, node->operation->end, node, operand, "", state, "");
  rk_line(w, "%s = %s;", state, whole(w, &code));
  rk_text_free(&code);
  rk_close_tile(w);
}

static void store_panel(rk_writer *w, const rk_node *node, rk_index index) {
  char at[RK_INDEX_TEXT];
  rk_index_text(index, at, sizeof at);
  set_place(w, node, RK_INLINE); /* its own value is computed here */
  char held[96];
  if (rk_moves(node)) snprintf(held, sizeof held, "%s", rk_component(w, node, index));
  else snprintf(held, sizeof held, "%s", formed(w, node, index, 0));
  set_place(w, node, RK_PANEL);
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

static void write_range(rk_writer *w, rk_range range, const void *data) {
  const loop_body *body = data;
  if (w->staging && range.count > UNROLL) {
    w->staging->loop(w, range, write_body, body);
    return;
  }
  rk_index index = rk_open_range(w, range, body->cost);
  write_body(w, body, index);
  rk_close(w);
}

/* Length of the groups when each is of neighbours; 0: they are not, or there are no groups. */
static int group_length(const rk_node *node) {
  rk_piece piece[RK_MAX_PIECES];
  rk_digit digit[RK_MAX_DIGITS];
  if (node->operation->kind != RK_FOLD || !node->operation->pieces) return 0;
  rk_node_pieces(node, piece);
  int digits = rk_piece_digits(piece, digit);
  return digits == 1 && !digit[0].modulo && digit[0].stride == 1 ? digit[0].divide : 0;
}

/* One group after the other, summed in registers. */
static void write_groups(rk_writer *w, const loop_body *body, const rk_node *node, int length) {
  rk_open(w, "for (int g = 0; g < %d; g++)", node->dim);
  rk_line(w, "vec s[%d][%d];", w->tile->columns, w->tile->rows);
  rk_open_tile(w, 1);
  rk_line(w, "s[v][u] = %s;", node->operation->start);
  rk_close_tile(w);
  rk_open(w, "for (int k = g * %d; k < (g + 1) * %d; k++)", length, length);
  w->running = node;
  write_body(w, body, (rk_index){.symbolic = 1, .scale = 1});
  w->running = NULL;
  rk_close(w);
  rk_open_tile(w, 1);
  rk_line(w, "n%d[g][v][u] = s[v][u];", node->number);
  rk_close_tile(w);
  rk_close(w);
}

static void write_loop(rk_writer *w, const rk_step *step) {
  const rk_node *const *node = w->nest->node + step->first;
  const rk_node **root = calloc((size_t)step->count, sizeof *root);
  if (!root) {
    w->out->failed = 1;
    return;
  }
  double cost = 0;
  int group = step->count == 1 && step->dim > UNROLL && step->dim > w->target->unroll
                  ? group_length(node[0]) : 0;
  for (int k = 0; k < step->count; k++) {
    int fold = node[k]->operation->kind == RK_FOLD;
    cost += w->nest->each[node[k]->number] + 2;
    root[k] = fold ? node[k]->operand[0] : node[k];
    declare_kept(w, node[k]);
    if (!group) start_fold(w, node[k]);
    if (!fold) set_place(w, node[k], RK_INLINE);
  }
  rk_range *ranges;
  int count = rk_ranges(w, root, step->count, step->dim, &ranges);
  for (int k = 0; k < step->count; k++)
    if (node[k]->operation->kind != RK_FOLD) set_place(w, node[k], RK_PANEL);
  const loop_body body = {step, cost};
  if (group && count == 1) {
    write_groups(w, &body, node[0], group);
    count = 0;
  } else if (group) {
    start_fold(w, node[0]);
  }
  rk_write_ranges(w, ranges, count, write_range, &body);
  for (int k = 0; k < step->count; k++)
    if (has_end(node[k])) end_fold(w, node[k]);
  free(ranges);
  free(root);
}

/* ---- scalars ---- */

static int has_long_loop(const rk_writer *w) {
  if (w->target->is_general) return 0;
  for (int k = 0; k < w->nest->steps; k++)
    if (w->nest->step[k].dim > UNROLL) return 1;
  return 0;
}

/* What many operations wait for is made early. With AVX2 powers of all vectors of a tile together
 * (rk_exp2_tile, rk_pow_tile), where there are longer chains of operations than with AVX-512; there
 * roots, one vector ahead: they take long, and multiplications run beside them. After a long loop
 * all this runs beside the next tile's, and is better short. */
static int makes_early(const rk_writer *w, int bytes) {
  return w->target->in_lanes && w->nest->kind == RK_NEST_PAIR && !w->part &&
         w->tile->bytes == bytes && !has_long_loop(w);
}

int rk_makes_powers_together(const rk_writer *w) {
  enum { AVX2 = 32 };
  return makes_early(w, AVX2);
}

/* Powers of two pay in double. */
static int is_made_early(const rk_writer *w, const rk_node *node) {
  enum { AVX512 = 64 };
  if (makes_early(w, AVX512)) return rk_node_is(node, RK_OP_Sqrt);
  return rk_makes_powers_together(w) &&
         (rk_node_is(node, RK_OP_Powf) ||
          (rk_node_is(node, RK_OP_exp2) && w->pass->options.precision == RK_FLOAT64));
}

typedef struct {
  const rk_node *const *node;
  unsigned char *place;        /* of each node, which are as RK_LOCAL while the step is written */
  int count;
  double cost;
  int has_early;               /* are some made before the others? */
} scalars;

static int count_of(const scalars *s, rk_op op) {
  int count = 0;
  for (int k = 0; k < s->count; k++) count += rk_node_is(s->node[k], op);
  return count;
}

static int reads(const rk_node *node, const rk_node *other) {
  for (int k = 0; k < node->operands; k++)
    if (node->operand[k] == other) return 1;
  return 0;
}

/* Of a root that several operations read the early vectors take too many registers. */
static int has_one_reader(const scalars *s, int root) {
  int readers = s->place[root] == RK_SCALAR;
  for (int k = 0; k < s->count; k++) readers += reads(s->node[k], s->node[root]);
  return readers == 1;
}

static int are_read_once(const rk_writer *w, const scalars *s) {
  for (int k = 0; k < s->count; k++)
    if (is_made_early(w, s->node[k]) && !has_one_reader(s, k)) return 0;
  return 1;
}

/* What early values are made of is written twice if others need it too: compilers see that it is
 * the same where all is unrolled. Roots pay where powers of two wait for them. */
static int has_early(const rk_writer *w, const scalars *s) {
  enum { FEW = 4 };
  int count = 0, is_short = s->cost * w->tile->rows * w->tile->columns <= UNROLLED_TILE;
  for (int k = 0; k < s->count; k++) count += is_made_early(w, s->node[k]);
  if (!count || count > FEW || !is_short) return 0;
  return rk_makes_powers_together(w) || (count_of(s, RK_OP_exp2) && are_read_once(w, s));
}

static int is_early(const rk_writer *w, const scalars *s, int k) {
  return s->has_early && is_made_early(w, s->node[k]);
}

/* Values of one step name each other; those that outlive it are stored. */
static void write_scalar(rk_writer *w, const rk_node *node, rk_place place) {
  char name[96];
  int as_mask = place == RK_SCALAR ? rk_is_kept_as_mask(w, node) : node->is_logical;
  snprintf(name, sizeof name, "%s", component_as(w, node, constant(0), as_mask));
  if (place == RK_SCALAR) rk_line(w, "n%d[v][u] = %s;", node->number, name);
}

static void write_others(rk_writer *w, const scalars *s) {
  for (int k = 0; k < s->count; k++)
    if (!is_early(w, s, k) && (!s->has_early || s->place[k] == RK_SCALAR))
      write_scalar(w, s->node[k], (rk_place)s->place[k]);
}

static void write_powers(rk_writer *w, const rk_node *node) {
  int rows = w->tile->rows, has_exponents = node->operands == 2;
  char held[96];
  if (has_exponents) {
    open_block(w);
    rk_line(w, "vec exponents[%d][%d];", w->tile->columns, rows);
  }
  rk_open_tile(w, w->nest->each[node->number]);
  rk_hold(w, node->operand[0], constant(0), held, sizeof held);
  rk_line(w, "n%d[v][u] = %s;", node->number, held);
  if (has_exponents) {
    rk_hold(w, node->operand[1], constant(0), held, sizeof held);
    rk_line(w, "exponents[v][u] = %s;", held);
  }
  rk_close_tile(w);
  if (has_exponents) {
    rk_line(w, "rk_pow_tile(&n%d[0][0], &exponents[0][0], nv * %d);", node->number, rows);
    rk_close(w);
  } else {
    rk_line(w, "rk_exp2_tile(&n%d[0][0], nv * %d);", node->number, rows);
  }
  set_place(w, node, RK_SCALAR);
}

static void write_after_powers(rk_writer *w, const scalars *s) {
  for (int k = 0; k < s->count; k++)
    if (is_early(w, s, k)) write_powers(w, s->node[k]);
  rk_open_tile(w, s->cost);
  write_others(w, s);
  rk_close_tile(w);
}

/* The vectors of a tile count through its columns. */
static void open_vector(rk_writer *w, const char *q) {
  int rows = w->tile->rows;
  rk_line(w, "const int v = %s / %d, u = %s %% %d;", q, rows, q, rows);
  w->memos = 0;
}

static void write_after_roots(rk_writer *w, const scalars *s) {
  rk_open(w, "rk_each (q, nv * %d + 1)", w->tile->rows);
  rk_open(w, "if (q < nv * %d)", w->tile->rows);
  open_vector(w, "q");
  for (int k = 0; k < s->count; k++) {
    if (!is_early(w, s, k)) continue;
    write_scalar(w, s->node[k], RK_SCALAR);
    set_place(w, s->node[k], RK_SCALAR);
  }
  rk_close(w);
  rk_open(w, "if (q > 0)");
  open_vector(w, "(q - 1)");
  write_others(w, s);
  rk_close_tile(w);
  rk_close(w);
}

static void write_in_order(rk_writer *w, const scalars *s) {
  rk_open_tile(w, s->cost);
  write_others(w, s);
  rk_close_tile(w);
}

static void write_scalars(rk_writer *w, const rk_step *step) {
  scalars s = {.node = w->nest->node + step->first, .count = step->count,
               .place = malloc((size_t)step->count + 1)};
  if (!s.place) {
    w->out->failed = 1;
    return;
  }
  for (int k = 0; k < s.count; k++) {
    s.place[k] = (unsigned char)rk_place_of(w, s.node[k]);
    s.cost += w->nest->each[s.node[k]->number];
  }
  s.has_early = has_early(w, &s);
  for (int k = 0; k < s.count; k++) {
    if (s.place[k] == RK_SCALAR || is_early(w, &s, k)) declare_kept(w, s.node[k]);
    set_place(w, s.node[k], RK_LOCAL);
  }
  if (!s.has_early) write_in_order(w, &s);
  else if (rk_makes_powers_together(w)) write_after_powers(w, &s);
  else write_after_roots(w, &s);
  for (int k = 0; k < s.count; k++) set_place(w, s.node[k], (rk_place)s.place[k]);
  free(s.place);
}

static void write_in_place(rk_writer *w, int first, int end) {
  for (int s = first; s < end; s++) {
    if (w->nest->step[s].dim) write_loop(w, &w->nest->step[s]);
    else write_scalars(w, &w->nest->step[s]);
  }
}

/* ---- large nests ---- */

/* Declares the kept values that this one is made of, each once. */
static void declare_reads(rk_writer *w, const rk_node *node, unsigned char *seen) {
  rk_place place = rk_place_of(w, node);
  if (seen[node->number]) return;
  seen[node->number] = 1;
  if (place == RK_SCALAR || place == RK_PANEL) declare_pointer(w, node);
  if (place != RK_INLINE) return;
  for (int k = 0; k < node->operands; k++) declare_reads(w, node->operand[k], seen);
}

static unsigned char *new_flags(const rk_writer *w) {
  unsigned char *flags = calloc((size_t)rk_graph_size(w->pass->graph) + 1, 1);
  if (!flags) w->out->failed = 1;
  return flags;
}

void rk_declare_reads(rk_writer *w, int first, int end) {
  unsigned char *seen = w->part ? new_flags(w) : NULL;
  for (int k = first; k < end && seen; k++) declare_reads(w, w->nest->root[k], seen);
  free(seen);
}

static void declare_step_reads(rk_writer *w, int first, int end) {
  unsigned char *seen = new_flags(w);
  for (int s = first; s < end && seen; s++)
    for (int k = 0; k < w->nest->step[s].count; k++) {
      const rk_node *node = w->nest->node[w->nest->step[s].first + k];
      declare_reads(w, node, seen);
      for (int o = 0; o < node->operands; o++) declare_reads(w, node->operand[o], seen);
    }
  free(seen);
}

/* The step after those that go into one function. */
static int end_of_part(const rk_writer *w, int first) {
  enum { LOOP = 24 }; /* what the text of a loop counts besides its operations */
  double cost = 0;
  int s = first;
  for (; s < w->nest->steps && (s == first || cost <= RK_PART); s++) {
    cost += w->nest->step[s].dim ? LOOP : 0;
    for (int k = 0; k < w->nest->step[s].count; k++)
      cost += w->nest->each[w->nest->node[w->nest->step[s].first + k]->number] + 1;
  }
  return s;
}

void rk_write_parts(rk_writer *w, const char *parameters) {
  int end;
  rk_line(w, "#ifndef rk_part\n#define rk_part(name) rk_part_##name\n#endif");
  for (int first = 0; first < w->nest->steps; first = end) {
    end = end_of_part(w, first);
    rk_open(w, "RK_CALLED void rk_part(%s_%d)(%s)", w->part, first, parameters);
    declare_step_reads(w, first, end);
    write_in_place(w, first, end);
    rk_close(w);
  }
}

void rk_write_steps(rk_writer *w, int first, int end) {
  if (!w->part) {
    write_in_place(w, first, end);
    return;
  }
  for (; first < end; first = end_of_part(w, first))
    rk_line(w, "rk_part(%s_%d)(%s);", w->part, first, w->arguments);
}
