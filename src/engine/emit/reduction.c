/* How the values of a register tile enter the state of a reduction. The state of a tile of rows is
 * a struct rk_state: the reference m, the short sums s and the long sums S, or K values v with
 * their positions p, each in lanes. */
#include "emit/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const rk_reduction *entry_of(const rk_writer *w) { return w->pass->reduction->reduction; }

static const char *sum_kind(const rk_pass *pass) {
  static const char *const kind[] = {"same", "wide", "kahan"};
  return kind[rk_summing_of(pass).longs];
}

static int adds_each(const rk_pass *pass) { return rk_summing_of(pass).each; }

long long rk_flush_period(const rk_pass *pass, const rk_tile *tile) {
  return rk_summing_of(pass).never ? 1LL << 40 : tile->flush;
}

/* From so many ranks on values wait, WAITING of them in each lane, and enter together where the
 * entry has a function for that, and the target wants it: entering one by one takes a time that
 * grows with the square of K. */
enum { MANY_RANKS = 64, WAITING = 64 };

static int waits(const rk_pass *pass) {
  return pass->reduction->reduction->rank && pass->state.K >= MANY_RANKS;
}

size_t rk_state_bytes(const rk_pass *pass, const rk_tile *tile) {
  size_t vectors = (size_t)tile->rows * (size_t)pass->state.components;
  if (waits(pass)) /* lists, the largest value, how many are held and wait, and a byte: p */
    return vectors * ((size_t)pass->state.K * 2 + WAITING * 2 + 4) * (size_t)tile->bytes;
  if (rk_keeps_values(pass->reduction->reduction))
    return vectors * (size_t)pass->state.K * 2 * (size_t)tile->bytes;
  return vectors * 3 * (size_t)tile->bytes + (size_t)tile->rows * (size_t)tile->bytes;
}

/* What functions of a general text take, and are given, besides. */
static const char *taken(const rk_writer *w) { return w->target->is_general ? " RK_TAKES" : ""; }
static const char *given(const rk_writer *w) { return w->target->is_general ? " RK_GIVES" : ""; }

/* The statements of a table's code, each in a line of its own. */
static void write_lines(rk_writer *w, const char *code) {
  int depth = 0, length = 0;
  for (; code[length]; length++) {
    const char c = code[length];
    depth += (c == '(') - (c == ')');
    if (depth || (c != ';' && c != '{' && c != '}')) continue;
    w->indent -= c == '}';
    rk_line(w, "%.*s", length + 1, code);
    w->indent += c == '{';
    code += length + 1;
    code += strspn(code, " \n");
    length = -1;
  }
  if (length) rk_line(w, "%s", code);
}

static int keeps_values(const rk_writer *w) { return rk_keeps_values(entry_of(w)); }

static int lists_wait(const rk_writer *w) { return w->target->lists_wait && waits(w->pass); }

static int keeps_least(const rk_writer *w) {
  return w->target->in_lanes && entry_of(w)->is_least && w->pass->state.K == 1;
}

static int enters_both(const rk_writer *w) {
  return w->target->in_lanes && entry_of(w)->enter_both;
}

/* Where columns come in any order an equal value may enter, too: by its position. */
static const char *guard_of(const rk_writer *w) {
  return w->tile->reorders ? entry_of(w)->guard_of_equals : entry_of(w)->guard;
}

static void write_changes(rk_writer *w, const char *state, const char *last) {
  rk_open(w, "%s int rk_changes(const %s, vec g)", w->target->function, state);
  rk_line(w, "const vec last = %s;", last);
  rk_line(w, "return rk_any(%s);", guard_of(w));
  rk_close(w);
}

/* Lists that lie by lane, not in lanes. `v` and `p` of the state are what rk_changes() and
 * rk_enter() are called with. */
static void write_lists(rk_writer *w) {
  const rk_reduction *entry = entry_of(w);
  int dim = w->components, rows = w->tile->rows;
  rk_line(w, "enum { K = %d, WAITING = %d };", w->pass->state.K, WAITING);
  rk_open(w, "typedef struct");
  rk_line(w, "vec last; /* of the K values; what a list starts with while there are fewer */");
  rk_line(w, "int held[RK_LANES], waiting[RK_LANES];");
  rk_line(w, "real value[RK_LANES][K], next[RK_LANES][WAITING];");
  rk_line(w, "rk_int position[RK_LANES][K], next_position[RK_LANES][WAITING];");
  w->indent--;
  rk_line(w, "} rk_lists;");
  rk_line(w, "typedef struct { rk_lists v[%d][%d][1]; char p[%d][%d][1]; } rk_state;", dim, rows,
          dim, rows);
  write_changes(w, "rk_lists *z", "z->last");
  rk_open(w, "RK_INLINE void rk_admit(rk_lists *z, int l)");
  rk_line(w, "z->held[l] = %s(z->value[l], z->position[l], z->held[l], K, z->next[l], "
             "z->next_position[l], z->waiting[l]);", entry->rank);
  rk_line(w, "z->waiting[l] = 0;");
  rk_line(w, "if (z->held[l] == K) z->last[l] = z->value[l][K - 1];");
  rk_close(w);
  rk_open(w, "RK_CALLED void rk_enter(rk_lists *z, char *none, vec g, ivec j)");
  rk_line(w, "const vec last = z->last, in = rk_truth(%s);", guard_of(w));
  rk_open(w, "for (int l = 0; l < RK_LANES; l++) if (rk_lane(in, l) != 0)");
  rk_line(w, "z->next[l][z->waiting[l]] = rk_lane(g, l);");
  rk_line(w, "z->next_position[l][z->waiting[l]] = rk_lane(j, l);");
  rk_line(w, "if (++z->waiting[l] == WAITING) rk_admit(z, l);");
  rk_close(w);
  rk_line(w, "(void)none;");
  rk_close(w);
}

/* Values come in the order of (value, position); where columns come in that of their positions, a
 * value that is not less comes behind those that are there. */
static void write_before(rk_writer *w) {
  rk_text_add(w->out, "#undef rk_before\n");
  rk_line(w, "#define rk_before(g, j, v, p) %s",
          w->tile->reorders ? "rk_or(rk_lt(g, v), rk_and(rk_eq(g, v), rk_ilt(j, p)))"
                            : "rk_lt(g, v)");
}

static void write_values(rk_writer *w) {
  const rk_reduction *entry = entry_of(w);
  if (lists_wait(w)) {
    write_lists(w);
    return;
  }
  write_before(w);
  rk_line(w, "enum { K = %d };", w->pass->state.K);
  rk_open(w, "typedef struct");
  rk_line(w, "vec v[%d][%d][K];", w->components, w->tile->rows);
  if (entry->keeps_positions) rk_line(w, "ivec p[%d][%d][K];", w->components, w->tile->rows);
  w->indent--;
  rk_line(w, "} rk_state;");
  if (keeps_least(w) && !w->tile->reorders) return;
  if (entry->guard) write_changes(w, "vec *v", "v[K - 1]");
  rk_open(w, "%s void rk_enter(vec *v%s)", entry->guard ? w->target->called : w->target->function,
          entry->keeps_positions ? ", ivec *p, vec g, ivec j" : ", vec g");
  write_lines(w, entry->enter);
  rk_close(w);
  if (!enters_both(w)) return;
  rk_open(w, "%s void rk_enter_both(vec *v, vec g, vec h)", w->target->function);
  write_lines(w, entry->enter_both);
  rk_close(w);
}

static void write_sums(rk_writer *w) {
  int dim = w->components, rows = w->tile->rows, head = entry_of(w)->has_head;
  rk_line(w, "typedef rk_sum_%s rk_sum;", sum_kind(w->pass));
  rk_open(w, "typedef struct");
  if (head) rk_line(w, "vec m[%d];", rows);
  rk_line(w, "vec s[%d][%d];", dim, rows);
  rk_line(w, "rk_sum S[%d][%d];", dim, rows);
  w->indent--;
  rk_line(w, "} rk_state;");
  rk_open(w, "%s void rk_flush(rk_state *z%s)", w->target->function, taken(w));
  rk_open_each(w, "k", dim);
  rk_open(w, "rk_each (u, %d)", rows);
  rk_line(w, "rk_sum_%s_add(&z->S[k][u], z->s[k][u]);", sum_kind(w->pass));
  rk_line(w, "z->s[k][u] = rk_num(0);");
  rk_close(w);
  rk_close(w);
  rk_close(w);
  if (!head) return;
  rk_open(w, "%s void rk_raise(rk_state *z, int u, vec top%s)", w->target->rare, taken(w));
  rk_line(w, "const vec scale = rk_exp2(z->m[u] - top);");
  rk_line(w, "z->m[u] = top;");
  rk_open_each(w, "k", dim);
  rk_line(w, "z->s[k][u] *= scale;");
  rk_line(w, "rk_sum_%s_scale(&z->S[k][u], scale);", sum_kind(w->pass));
  rk_close(w);
  rk_close(w);
}

static void write_start(rk_writer *w) {
  const rk_reduction *entry = entry_of(w);
  char neutral[RK_NUMBER_TEXT];
  int dim = w->components, rows = w->tile->rows;
  rk_constant_text(neutral, entry->neutral);
  rk_open(w, "%s void rk_start(rk_state *z%s)", w->target->function, taken(w));
  if (entry->has_head) rk_line(w, "rk_each (u, %d) z->m[u] = rk_num(-RK_LARGEST);", rows);
  rk_open_each(w, "k", dim);
  rk_open(w, "rk_each (u, %d)", rows);
  if (lists_wait(w)) {
    rk_line(w, "z->v[k][u]->last = rk_num(%s);", neutral);
    rk_line(w, "for (int l = 0; l < RK_LANES; l++) "
               "z->v[k][u]->held[l] = z->v[k][u]->waiting[l] = 0;");
  } else if (keeps_values(w)) {
    rk_open_each(w, "r", w->pass->state.K);
    rk_line(w, "z->v[k][u][r] = rk_num(%s);", neutral);
    if (entry->keeps_positions) rk_line(w, "z->p[k][u][r] = rk_ibroadcast(RK_NOWHERE);");
    rk_close(w);
  } else {
    rk_line(w, "z->s[k][u] = rk_num(0);");
    rk_line(w, "rk_sum_%s_start(&z->S[k][u]);", sum_kind(w->pass));
  }
  rk_close(w);
  rk_close(w);
  rk_close(w);
}

/* Past the last component a state that has some of a wide result repeats it. */
static const char *limit_text(const rk_writer *w, char *text, size_t size) {
  snprintf(text, size, "if (k0 + k < %d) ", w->pass->state.components);
  return text;
}

static void leave_lists(rk_writer *w) {
  char neutral[RK_NUMBER_TEXT];
  rk_line(w, "rk_lists *const list = z->v[k][u];");
  rk_line(w, "rk_admit(list, l);");
  rk_open(w, "for (int r = 0; r < K; r++)");
  rk_line(w, "const int is_there = r < list->held[l];");
  rk_line(w, "values[(k * K + r) * ld] = is_there ? list->value[l][r] : %s;",
          rk_constant_text(neutral, entry_of(w)->neutral));
  rk_line(w, "positions[(k * K + r) * ld] = is_there ? first + list->position[l][r] : "
             "RK_NO_POSITION;");
  rk_close(w);
}

static void leave_values(rk_writer *w) {
  if (lists_wait(w)) {
    leave_lists(w);
    return;
  }
  rk_open_each(w, "r", w->pass->state.K);
  rk_line(w, "values[(k * K + r) * ld] = rk_lane(z->v[k][u][r], l);");
  if (entry_of(w)->keeps_positions) {
    rk_line(w, "const rk_int at = rk_lane(z->p[k][u][r], l);");
    rk_line(w, "positions[(k * K + r) * ld] = at == RK_NOWHERE ? RK_NO_POSITION : first + at;");
  }
  rk_close(w);
}

/* Lane l of row u of the state, to row `row` of the arrays of the host. */
static void write_leave(rk_writer *w) {
  const rk_reduction *entry = entry_of(w);
  int head = entry->has_head;
  char limit[48], factor[40] = "", number[RK_NUMBER_TEXT];
  if (w->target->is_general) snprintf(factor, sizeof factor, "factor * ");
  else if (w->pass->factor != 1)
    snprintf(factor, sizeof factor, "%s * ", rk_number_text(number, "%.17g", w->pass->factor));
  rk_open(w, "%s void rk_leave(%srk_state *z, int u, int l, long long first, double *values, "
             "long long *positions, long long ld%s%s)", w->target->function,
          lists_wait(w) ? "" : "const ", w->grouped ? ", int k0" : "", taken(w));
  if (head) {
    rk_line(w, "const real m = rk_lane(z->m[u], l);");
    rk_line(w, "%svalues[0] = m == -RK_LARGEST ? -1.7976931348623157e308 : m;",
            w->grouped ? "if (!k0) " : "");
  }
  rk_open_each(w, "k", w->components);
  if (keeps_values(w)) leave_values(w);
  else
    rk_line(w, "%svalues[(k + %s%d) * ld] = %srk_sum_%s_lane(&z->S[k][u], l);",
            w->grouped ? limit_text(w, limit, sizeof limit) : "", w->grouped ? "k0 + " : "", head,
            factor, sum_kind(w->pass));
  rk_close(w);
  rk_line(w, "(void)first; (void)positions;");
  rk_close(w);
}

void rk_write_state(rk_writer *w) {
  if (keeps_values(w)) write_values(w);
  else write_sums(w);
  write_start(w);
  write_leave(w);
}

/* ---- entering ---- */

/* The loop over a range of components of the result, and where they are in the state. Of a state
 * that has some components only, those outside of the range add nothing: without a branch, since
 * the state must stay in registers. */
static rk_index open_components(rk_writer *w, rk_range range, double cost, char *state,
                                size_t size) {
  if (!w->grouped) {
    rk_index index = rk_open_range(w, range, cost);
    rk_index_text(index, state, size);
    return index;
  }
  int all = w->pass->state.components, last = range.count - 1;
  const char *own = range.step > 1 ? "at" : last + 1 < all ? "own" : "k";
  rk_open(w, "rk_each (e, %d)", w->components);
  rk_line(w, "const int %s = (k0 + e < %d ? k0 + e : %d) - %d;", own, all, all - 1, range.first);
  if (range.step > 1)
    rk_line(w, "const int own = at %% %d ? -1 : at / %d;", range.step, range.step);
  if (last + 1 < all) rk_line(w, "const int k = own < 0 ? 0 : own > %d ? %d : own;", last, last);
  snprintf(state, size, "e");
  return (rk_index){.symbolic = 1, .scale = range.step, .offset = range.first};
}

static int is_masked(const rk_writer *w) {
  return w->tile->axis == RK_LANES_REDUCED || w->tile->masks;
}

/* Is the sum of the weights of a tile all that is wanted? Not where the largest exponent is a
 * result too. */
static int only_weights(const rk_writer *w) {
  return entry_of(w)->has_head && !entry_of(w)->field[0].leading && !w->weighed &&
         !adds_each(w->pass) && rk_is_number(w->pass->reduction->operand[1], 1);
}

/* Lanes past the end, in the last, incomplete tile of lanes along the columns, and rows that take
 * no part change nothing: rk_valid(v, u) is the frame's. */
static void mask_value(rk_writer *w, const char *name, const char *neutral) {
  if (is_masked(w))
    rk_line(w, "if (masked) %s = rk_select(rk_valid(v, u), %s, %s);", name, name, neutral);
}

/* What the reference of row u has to be at least. */
static void write_top(rk_writer *w, const char *top) {
  rk_line(w, "%s = z->m[u];", top);
  rk_line(w, "rk_each (v, nv) %s = rk_max(w[v][u], %s);", top, top);
  rk_line(w, "%s = rk_min(%s, rk_num(RK_LARGEST)); /* +Inf keeps a finite reference */", top, top);
}

/* The weights, in `array`. */
static void write_powers(rk_writer *w, const char *array) {
  int together = rk_makes_powers_together(w), rows = w->tile->rows;
  rk_line(w, "rk_each (u, %d) rk_each (v, nv) %s[v][u] = %s(w[v][u] - z->m[u]);", rows, array,
          together ? "" : "rk_exp2");
  if (together) rk_line(w, "rk_exp2_tile(&%s[0][0], nv * %d);", array, rows);
}

/* References rarely rise: one branch for all rows. */
static void write_references(rk_writer *w) {
  int rows = w->tile->rows;
  rk_line(w, "vec top[%d];", rows);
  rk_line(w, "int small = 0;");
  rk_open(w, "rk_each (u, %d)", rows);
  write_top(w, "top[u]");
  rk_line(w, "small |= rk_any(rk_gt(top[u], z->m[u]));");
  rk_close(w);
  rk_line(w, "if (small) rk_each (u, %d)", rows);
  rk_line(w, "  if (rk_any(rk_gt(top[u], z->m[u]))) rk_raise(z, u, top[u]%s);", given(w));
  write_powers(w, "w");
}

/* Nothing but the sum of the weights is wanted: it says itself whether the reference was too small,
 * since weights of which none is above 1 cannot sum to more than their number. It may then be too
 * small by the logarithm of this number. */
static void enter_weights(rk_writer *w) {
  int rows = w->tile->rows;
  int together = rk_makes_powers_together(w);
  rk_line(w, "vec t[%d];", rows);
  rk_line(w, "int small = 0;");
  if (together) rk_line(w, "vec powers[%d][%d];", w->tile->columns, rows);
  if (together) write_powers(w, "powers");
  rk_open(w, "rk_each (u, %d)", rows);
  rk_line(w, "rk_each (v, nv) {");
  rk_line(w, "  const vec g = %s;", together ? "powers[v][u]" : "rk_exp2(w[v][u] - z->m[u])");
  rk_line(w, "  t[u] = v ? t[u] + g : g;");
  rk_line(w, "}");
  rk_line(w, "small |= rk_any(rk_not(rk_le(t[u], rk_num(nv))));");
  rk_close(w);
  rk_open(w, "if (small) rk_each (u, %d) if (rk_any(rk_not(rk_le(t[u], rk_num(nv)))))", rows);
  rk_line(w, "vec top;");
  write_top(w, "top");
  rk_line(w, "rk_raise(z, u, top%s);", given(w));
  rk_line(w, "t[u] = rk_num(0);");
  rk_line(w, "rk_each (v, nv) t[u] += rk_exp2(w[v][u] - top);");
  rk_close(w);
  rk_line(w, "rk_each (u, %d) z->s[0][u] += t[u];", rows);
}

static void write_weights(rk_writer *w) {
  const rk_node *exponent = w->pass->reduction->operand[0];
  int rows = w->tile->rows;
  rk_line(w, "vec w[%d][%d];", w->tile->columns, rows);
  rk_open_tile(w, rk_inline_cost(w, exponent));
  char held[96];
  snprintf(held, sizeof held, "%s", rk_component(w, exponent, (rk_index){0}));
  rk_line(w, "w[v][u] = %s;", held);
  if (!w->weighed) mask_value(w, "w[v][u]", "rk_num(-RK_INF)");
  rk_close_tile(w);
  if (!w->weighed && !only_weights(w)) write_references(w);
}

static int may_choose(const rk_writer *w) {
  return !entry_of(w)->has_head && !adds_each(w->pass) && !is_masked(w);
}

/* Of a term that is chosen or 0: declares where it is chosen, and gives what it is there. */
static const rk_node *write_choice(rk_writer *w, const rk_node *term, rk_index index) {
  char in[RK_CHOICE_TEXT];
  if (!may_choose(w)) return NULL;
  const rk_node *chosen = rk_choice(w, term, index, in, sizeof in);
  if (chosen) rk_line(w, "const mask in = %s;", in);
  return chosen;
}

/* Do terms go straight into the short sums? Where these do not stay in registers that is one
 * addition less for a tile of columns; where they do, one addition would wait for the other. */
static int adds_in_place(const rk_writer *w) {
  enum { IN_REGISTERS = 8 };
  int most = w->target->is_general ? 1 : IN_REGISTERS;
  return w->target->in_lanes && w->pass->state.components > most;
}

/* `chosen`: the term is one only in the lanes of the mask `in`. */
static void add_term(rk_writer *w, const char *term, int chosen, int in_place) {
  if (in_place)
    rk_line(w, chosen ? "t[u] = rk_select(in, t[u] + %s, t[u]);" : "t[u] = t[u] + %s;", term);
  else
    rk_line(w, chosen ? "t[u] = v ? rk_select(in, t[u] + %s, t[u]) : rk_select(in, %s, rk_num(0));"
                      : "t[u] = v ? t[u] + %s : %s;", term, term);
}

static void enter_sum(rk_writer *w, const rk_node *formula, rk_index index, rk_range range,
                      const char *at, double cost) {
  char held[96];
  int partial = w->grouped && range.count < w->pass->state.components, each = adds_each(w->pass);
  int in_place = adds_in_place(w);
  if (!each) rk_line(w, "vec t[%d];", w->tile->rows);
  if (!each && in_place) rk_line(w, "rk_each (u, %d) t[u] = z->s[%s][u];", w->tile->rows, at);
  rk_open_tile(w, cost);
  const rk_node *chosen = write_choice(w, formula, index);
  rk_hold(w, chosen ? chosen : formula, index, held, sizeof held);
  int unit = !strcmp(held, "rk_num(1)");
  const char *format = !entry_of(w)->has_head ? "%s" : unit ? "w[v][u]" : "w[v][u] * %s";
  char term[160];
  snprintf(term, sizeof term, format, held);
  if (is_masked(w)) {
    rk_line(w, "vec g = %s;", term);
    mask_value(w, "g", "rk_num(0)");
    snprintf(term, sizeof term, "g");
  }
  if (each) {
    rk_line(w, partial ? "rk_sum_%s_add(&z->S[%s][u], own == k ? %s : 0);"
                       : "rk_sum_%s_add(&z->S[%s][u], %s);", sum_kind(w->pass), at, term);
    rk_close_tile(w);
    return;
  }
  add_term(w, term, chosen != NULL, in_place);
  rk_close_tile(w);
  rk_line(w, "rk_each (u, %d) z->s[%s][u] %s %s;", w->tile->rows, at, in_place ? "=" : "+=",
          partial ? "own == k ? t[u] : 0" : "t[u]");
}

/* Values of the tile rarely enter a list: one branch says whether any does. In registers the code
 * that enters a value is there once for each row, and columns that enter come one after another. */
static void enter_guarded(rk_writer *w, const char *at, const char *position) {
  int rows = w->tile->rows;
  rk_line(w, "vec least[%d];", rows);
  rk_line(w, "int changes = 0;");
  rk_open(w, "rk_each (u, %d)", rows);
  rk_line(w, "least[u] = rk_num(RK_INF);");
  rk_line(w, "rk_each (v, nv) least[u] = rk_min(g[v][u], least[u]);");
  rk_line(w, "changes |= rk_changes(z->v[%s][u], least[u]);", at);
  rk_close(w);
  rk_open(w, "if (changes) rk_each (u, %d) if (rk_changes(z->v[%s][u], least[u]))", rows, at);
  if (w->target->in_registers) {
    rk_line(w, "unsigned left = 0;");
    rk_line(w, "rk_each (v, nv) left |= (unsigned)rk_changes(z->v[%s][u], g[v][u]) << v;", at);
    rk_open(w, "%s for (int v = 0; left; v++, left >>= 1) if (left & 1)", w->target->rolled);
    rk_line(w, "vec value = g[0][u];");
    rk_line(w, "rk_each (q, nv) value = q == v ? g[q][u] : value;");
    rk_line(w, "rk_enter(z->v[%s][u]%s, value%s);", at, position,
            *position ? ", rk_column(j, v)" : "");
    rk_close(w);
  } else {
    rk_line(w, "rk_each (v, nv)");
    rk_line(w, "  if (rk_changes(z->v[%s][u], g[v][u])) rk_enter(z->v[%s][u]%s, g[v][u]%s);", at,
            at, position, *position ? ", rk_column(j, v)" : "");
  }
  rk_close(w);
}

/* Columns of a chunk for which a tile of rows probably has a smaller value than before: of n
 * columns that come in any order the last one is the smallest for one lane in n. A guess that often
 * fails costs more than what it saves. */
static long long changing_columns(const rk_writer *w) {
  long long lanes = w->tile->lanes, columns = 16 * w->tile->rows * lanes;
  return w->tile->axis == RK_LANES_REDUCED ? columns * lanes : columns;
}

/* The same where columns do not come in order: of equal values the least position counts. */
static void enter_least_of_any(rk_writer *w, const char *at) {
  rk_line(w, "int changes = 0;");
  rk_line(w, "rk_each (u, %d) changes |= rk_changes(z->v[%s][u], least[u]);", w->tile->rows, at);
  rk_open(w, "if (__builtin_expect(changes, 0)) rk_each (u, %d)", w->tile->rows);
  rk_line(w, "ivec column = rk_ibroadcast(RK_LAST);");
  rk_open(w, "rk_each (v, nv)");
  rk_line(w, "const mask equal = rk_eq(g[v][u], least[u]);");
  rk_line(w, "const mask first = rk_and(equal, rk_ilt(rk_column(j, v), column));");
  rk_line(w, "column = rk_iselect(first, rk_column(j, v), column);");
  rk_close(w);
  rk_line(w, "rk_enter(z->v[%s][u], z->p[%s][u], least[u], column);", at, at);
  rk_close(w);
}

/* The smallest value and its first position. The smallest of the tile, then where it is: the number
 * of its column is made of constants, from the last column to the first. */
static void enter_least(rk_writer *w, const char *at) {
  int rows = w->tile->rows;
  rk_line(w, "vec least[%d];", rows);
  rk_open(w, "rk_each (u, %d)", rows);
  if (w->tile->reorders) rk_line(w, "least[u] = rk_num(RK_INF);");
  else rk_line(w, "least[u] = z->v[%s][u][0];", at);
  rk_line(w, "rk_each (v, nv) least[u] = rk_min(g[v][u], least[u]);");
  rk_close(w);
  if (w->tile->reorders) {
    enter_least_of_any(w, at);
    return;
  }
  rk_line(w, "int changes = j < %lld;", changing_columns(w));
  rk_open(w, "if (!changes)");
  rk_line(w, "mask some = rk_lt(least[0], z->v[%s][0][0]);", at);
  rk_line(w, "rk_each (u, %d) some = rk_or(some, rk_lt(least[u], z->v[%s][u][0]));", rows, at);
  rk_line(w, "changes = rk_any(some);");
  rk_close(w);
  rk_open(w, "if (__builtin_expect(changes, 0)) rk_each (u, %d)", rows);
  rk_line(w, "const mask in = rk_lt(least[u], z->v[%s][u][0]);", at);
  rk_line(w, "ivec column = rk_column(0, nv - 1);");
  rk_line(w, "rk_each (q, nv - 1)");
  rk_line(w, "  column = rk_iselect(rk_eq(g[nv - 2 - q][u], least[u]), rk_column(0, nv - 2 - q), "
             "column);");
  rk_line(w, "z->v[%s][u][0] = least[u];", at);
  rk_line(w, "z->p[%s][u][0] = rk_iselect(in, column + rk_ibroadcast(j), z->p[%s][u][0]);", at, at);
  rk_close(w);
}

/* Columns two by two, and the last one of an odd number. */
static void enter_pairs(rk_writer *w, const char *at) {
  rk_open(w, "rk_each (u, %d)", w->tile->rows);
  rk_line(w, "rk_each (q, nv / 2) rk_enter_both(z->v[%s][u], g[2 * q][u], g[2 * q + 1][u]);", at);
  rk_line(w, "if (nv %% 2) rk_enter(z->v[%s][u], g[nv - 1][u]);", at);
  rk_close(w);
}

static void enter_value(rk_writer *w, const rk_node *formula, rk_index index, const char *at,
                        double cost) {
  const rk_reduction *entry = entry_of(w);
  char held[96], position[RK_INDEX_TEXT + 16] = "", absent[48], neutral[RK_NUMBER_TEXT];
  if (entry->keeps_positions) snprintf(position, sizeof position, ", z->p[%s][u]", at);
  rk_line(w, "vec g[%d][%d];", w->tile->columns, w->tile->rows);
  rk_open_tile(w, cost);
  rk_hold(w, formula, index, held, sizeof held);
  rk_line(w, "g[v][u] = %s;", held);
  snprintf(absent, sizeof absent, "rk_num(%s)",
           rk_constant_text(neutral, entry->neutral));
  mask_value(w, "g[v][u]", absent);
  rk_close_tile(w);
  if (keeps_least(w)) enter_least(w, at);
  else if (enters_both(w)) enter_pairs(w, at);
  else if (entry->guard) enter_guarded(w, at, position);
  else
    rk_line(w, "rk_each (u, %d) rk_each (v, nv) rk_enter(z->v[%s][u]%s, g[v][u]%s);",
            w->tile->rows, at, position, *position ? ", rk_column(j, v)" : "");
}

/* Are all components of the term chosen together, by a test that is not made here? */
static int is_chosen_whole(const rk_writer *w, const rk_node *term) {
  enum { SHORT = 32 }; /* operations of a component: it is written for all columns and rows */
  if (term->dim == 1 || !may_choose(w) || w->part || w->target->in_registers) return 0;
  if (!rk_chosen_operand(term) || rk_place_of(w, term) != RK_INLINE ||
      rk_inline_cost(w, term) > SHORT || term->operand[0]->dim > 1) return 0;
  rk_place test = rk_place_of(w, term->operand[0]);
  return test == RK_SCALAR || test == RK_ELSEWHERE;
}

/* Instructions on vectors of so many bytes take a mask; for others 0 is chosen in one instruction,
 * t in three. */
enum { MASKED = 64 };

/* Row by row: so few masks stay in their registers while the components pass. Two rows have one
 * more than there are registers for, but use twice what is loaded of a column: that pays where
 * there is a load for each addition, not beside more operations. */
static int rows_at_once(const rk_writer *w, const rk_node *chosen) {
  int loads = rk_inline_cost(w, chosen) <= 1;
  return loads && w->tile->bytes == MASKED && w->tile->rows % 2 == 0 ? 2 : 1;
}

static void open_rows(rk_writer *w, int rows) {
  rk_open(w, "rk_each (v, nv) rk_each (r, %d)", rows);
  rk_line(w, "const int u = q * %d + r;", rows);
}

static void write_masks(rk_writer *w, const rk_node *term, int rows) {
  char in[RK_CHOICE_TEXT];
  rk_line(w, "mask in[%d][%d];", w->tile->columns, rows);
  open_rows(w, rows);
  rk_choice(w, term, (rk_index){0}, in, sizeof in);
  rk_line(w, "in[v][r] = %s;", in);
  rk_close_tile(w);
}

static void enter_chosen(rk_writer *w, const rk_node *term, rk_range range, double cost) {
  char held[96], at[RK_INDEX_TEXT];
  const rk_node *chosen = term->operand[rk_chosen_operand(term)];
  int rows = rows_at_once(w, chosen);
  rk_open(w, "rk_each (q, %d)", w->tile->rows / rows);
  write_masks(w, term, rows);
  rk_index index = rk_open_range(w, range, cost);
  rk_index_text(index, at, sizeof at);
  rk_line(w, "vec t[%d];", rows);
  open_rows(w, rows);
  rk_hold(w, chosen, index, held, sizeof held);
  rk_line(w, w->tile->bytes == MASKED
                 ? "t[r] = rk_select(in[v][r], v ? t[r] + %s : %s, v ? t[r] : rk_num(0));"
                 : "t[r] = v ? t[r] + rk_select(in[v][r], %s, rk_num(0)) : "
                   "rk_select(in[v][r], %s, rk_num(0));", held, held);
  rk_close_tile(w);
  rk_line(w, "rk_each (r, %d) z->s[%s][q * %d + r] += t[r];", rows, at, rows);
  rk_close(w);
  rk_close(w);
}

typedef struct { const rk_node *formula; double cost; } entering;

static void enter_range(rk_writer *w, rk_range range, const void *data) {
  const entering *e = data;
  char at[RK_INDEX_TEXT];
  if (is_chosen_whole(w, e->formula) && range.count > 1) {
    enter_chosen(w, e->formula, range, e->cost);
    return;
  }
  rk_index index = open_components(w, range, e->cost, at, sizeof at);
  if (keeps_values(w)) enter_value(w, e->formula, index, at, e->cost);
  else enter_sum(w, e->formula, index, range, at, e->cost);
  rk_close(w);
}

void rk_write_accumulate(rk_writer *w) {
  const rk_reduction *entry = entry_of(w);
  const rk_node *formula = w->pass->reduction->operand[entry->has_head];
  if (entry->has_head) write_weights(w);
  if (only_weights(w)) {
    enter_weights(w);
    return;
  }
  const entering e = {formula, rk_inline_cost(w, formula) + 3};
  rk_range *ranges;
  int count = rk_ranges(w, &formula, 1, w->pass->state.components, &ranges);
  rk_write_ranges(w, ranges, count, enter_range, &e);
  free(ranges);
}
