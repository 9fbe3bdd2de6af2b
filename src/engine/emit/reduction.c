/* How the values of a register tile enter the state of a reduction. The state of a tile of rows is
 * a struct rk_state: the reference m, the short sums s and the long sums S, or K values v with
 * their positions p, each in lanes. */
#include "emit/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const rk_reduction *entry_of(const rk_writer *w) { return w->pass->reduction->reduction; }

static const char *sum_kind(const rk_pass *pass) {
  const rk_options *o = &pass->options;
  if (o->scheme == RK_SCHEME_KAHAN) return "kahan";
  int wide = o->precision != RK_FLOAT64 && o->accumulator != RK_ACCUMULATOR_FLOAT32;
  if (o->scheme == RK_SCHEME_DIRECT && o->accumulator == RK_ACCUMULATOR_AUTO) wide = 0;
  return wide ? "wide" : "same";
}

long rk_flush_period(const rk_pass *pass, const rk_tile *tile) {
  if (pass->options.scheme == RK_SCHEME_KAHAN) return tile->columns;
  if (pass->options.scheme != RK_SCHEME_DIRECT) return tile->flush;
  return pass->options.accumulator == RK_ACCUMULATOR_FLOAT64 ? tile->columns : 1L << 40;
}

size_t rk_state_bytes(const rk_pass *pass, const rk_tile *tile) {
  size_t vectors = (size_t)tile->rows * (size_t)pass->state.components;
  if (pass->reduction->reduction->start)
    return vectors * (size_t)pass->state.K * 2 * (size_t)tile->bytes;
  return vectors * 3 * (size_t)tile->bytes + (size_t)tile->rows * (size_t)tile->bytes;
}

size_t rk_work_bytes(const rk_pass *pass, const rk_tile *tile) {
  size_t panels = (size_t)pass->nest[RK_NEST_PAIR].panel * (size_t)(tile->rows * tile->columns);
  for (int k = 0; k < RK_NEST_PAIR; k++)
    if ((size_t)pass->nest[k].panel > panels) panels = (size_t)pass->nest[k].panel;
  return rk_state_bytes(pass, tile) + panels * (size_t)tile->bytes + 256;
}

/* The lines of a table's code, indented. */
static void write_lines(rk_writer *w, const char *code) {
  while (*code) {
    size_t length = strcspn(code, "\n");
    rk_line(w, "%.*s", (int)length, code);
    code += length + (code[length] == '\n');
  }
}

static void write_values(rk_writer *w) {
  const rk_reduction *entry = entry_of(w);
  rk_line(w, "enum { K = %d };", w->pass->state.K);
  rk_open(w, "typedef struct");
  rk_line(w, "vec v[%d][%d][K];", w->components, w->tile->rows);
  if (entry->keeps_positions) rk_line(w, "ivec p[%d][%d][K];", w->components, w->tile->rows);
  w->indent--;
  rk_line(w, "} rk_state;");
  if (entry->guard) {
    rk_open(w, "%s int rk_changes(const vec *v, vec g)", w->target->function);
    rk_line(w, "return rk_any(%s);", entry->guard);
    rk_close(w);
  }
  rk_open(w, "%s void rk_enter(vec *v%s)", entry->guard ? w->target->called : w->target->function,
          entry->keeps_positions ? ", ivec *p, vec g, ivec j" : ", vec g");
  write_lines(w, entry->enter);
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
  rk_open(w, "%s void rk_flush(rk_state *z)", w->target->function);
  rk_open_each(w, "k", dim);
  rk_open(w, "rk_each (u, %d)", rows);
  rk_line(w, "rk_sum_%s_add(&z->S[k][u], z->s[k][u]);", sum_kind(w->pass));
  rk_line(w, "z->s[k][u] = rk_num(0);");
  rk_close(w);
  rk_close(w);
  rk_close(w);
  if (!head) return;
  rk_open(w, "%s void rk_raise(rk_state *z, int u, vec top)", w->target->rare);
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
  int dim = w->components, rows = w->tile->rows;
  rk_open(w, "%s void rk_start(rk_state *z)", w->target->function);
  if (entry->has_head) rk_line(w, "rk_each (u, %d) z->m[u] = rk_num(-RK_LARGEST);", rows);
  rk_open_each(w, "k", dim);
  rk_open(w, "rk_each (u, %d)", rows);
  if (entry->start) {
    rk_open_each(w, "r", w->pass->state.K);
    rk_line(w, "z->v[k][u][r] = rk_num(%s);", entry->start);
    if (entry->keeps_positions) rk_line(w, "z->p[k][u][r] = rk_ibroadcast(0);");
    rk_close(w);
  } else {
    rk_line(w, "z->s[k][u] = rk_num(0);");
    rk_line(w, "rk_sum_%s_start(&z->S[k][u]);", sum_kind(w->pass));
  }
  rk_close(w);
  rk_close(w);
  rk_close(w);
}

/* Past the last component a thread of a wide result repeats it. */
static const char *limit_text(const rk_writer *w, char *text, size_t size) {
  snprintf(text, size, "if (k0 + k < %d) ", w->pass->state.components);
  return text;
}

static void leave_values(rk_writer *w) {
  rk_open_each(w, "r", w->pass->state.K);
  rk_line(w, "const real g = rk_lane(z->v[k][u][r], l);");
  if (entry_of(w)->keeps_positions) {
    rk_line(w, "values[(k * K + r) * ld] = g == g ? g : RK_INF;");
    rk_line(w, "positions[(k * K + r) * ld] = g == g ? first + rk_lane(z->p[k][u][r], l) : "
               "RK_NO_POSITION;");
  } else {
    rk_line(w, "values[(k * K + r) * ld] = g;");
  }
  rk_close(w);
}

/* Lane l of row u of the state, to row `row` of the arrays of the host. */
static void write_leave(rk_writer *w) {
  const rk_reduction *entry = entry_of(w);
  int head = entry->has_head;
  char limit[48];
  rk_open(w, "%s void rk_leave(const rk_state *z, int u, int l, long long first, double *values, "
             "long long *positions, long long ld%s)", w->target->function,
          w->grouped ? ", int k0" : "");
  if (head) {
    rk_line(w, "const real m = rk_lane(z->m[u], l);");
    rk_line(w, "%svalues[0] = m == -RK_LARGEST ? -1.7976931348623157e308 : m;",
            w->grouped ? "if (!k0) " : "");
  }
  rk_open_each(w, "k", w->components);
  if (entry->start) leave_values(w);
  else
    rk_line(w, "%svalues[(k + %s%d) * ld] = rk_sum_%s_lane(&z->S[k][u], l);",
            w->grouped ? limit_text(w, limit, sizeof limit) : "", w->grouped ? "k0 + " : "", head,
            sum_kind(w->pass));
  rk_close(w);
  rk_line(w, "(void)first; (void)positions;");
  rk_close(w);
}

void rk_write_state(rk_writer *w) {
  if (entry_of(w)->start) write_values(w);
  else write_sums(w);
  write_start(w);
  write_leave(w);
}

/* ---- entering ---- */

/* The loop over a range of components of the result, and where they are in the state. Of a thread
 * that has a few components only, those outside of the range add nothing: without a branch, since
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

static int is_masked(const rk_writer *w) { return w->tile->axis == RK_LANES_REDUCED; }

/* In the last, incomplete tile of lanes along the columns, lanes past the end change nothing. */
static void mask_value(rk_writer *w, const char *name, const char *neutral) {
  if (is_masked(w)) rk_line(w, "if (masked) %s = rk_select(valid, %s, %s);", name, name, neutral);
}

static void write_weights(rk_writer *w) {
  const rk_node *exponent = w->pass->reduction->operand[0];
  int rows = w->tile->rows;
  rk_line(w, "vec w[%d][%d];", w->tile->columns, rows);
  rk_open_tile(w, rk_inline_cost(w, exponent));
  char held[96];
  snprintf(held, sizeof held, "%s", rk_component(w, exponent, (rk_index){0}));
  rk_line(w, "w[v][u] = %s;", held);
  mask_value(w, "w[v][u]", "rk_num(-RK_INF)");
  rk_close_tile(w);
  if (w->weighed) return;
  rk_open(w, "rk_each (u, %d)", rows);
  rk_line(w, "vec top = z->m[u];");
  rk_line(w, "rk_each (v, nv) top = rk_max(w[v][u], top);");
  rk_line(w, "top = rk_min(top, rk_num(RK_LARGEST)); /* +Inf keeps a finite reference */");
  rk_line(w, "if (rk_any(rk_gt(top, z->m[u]))) rk_raise(z, u, top);");
  rk_line(w, "rk_each (v, nv) w[v][u] = rk_exp2(w[v][u] - z->m[u]);");
  rk_close(w);
}

static void enter_sum(rk_writer *w, const rk_node *formula, rk_index index, rk_range range,
                      const char *at, double cost) {
  char held[96];
  int partial = w->grouped && range.count < w->pass->state.components;
  rk_line(w, "vec t[%d];", w->tile->rows);
  rk_open_tile(w, cost);
  snprintf(held, sizeof held, "%s",
           rk_component(w, formula, formula->dim == 1 ? (rk_index){0} : index));
  int unit = !strcmp(held, "rk_num(1)");
  const char *format = !entry_of(w)->has_head ? "%s" : unit ? "w[v][u]" : "w[v][u] * %s";
  char term[160];
  snprintf(term, sizeof term, format, held);
  if (is_masked(w)) {
    rk_line(w, "vec g = %s;", term);
    mask_value(w, "g", "rk_num(0)");
    snprintf(term, sizeof term, "g");
  }
  rk_line(w, "t[u] = v ? t[u] + %s : %s;", term, term);
  rk_close_tile(w);
  rk_line(w, "rk_each (u, %d) z->s[%s][u] += %s;", w->tile->rows, at,
          partial ? "own == k ? t[u] : 0" : "t[u]");
}

static void enter_value(rk_writer *w, const rk_node *formula, rk_index index, const char *at,
                        double cost) {
  const rk_reduction *entry = entry_of(w);
  const char *last =
      entry->keeps_positions ? ", z->p[%s][u], g[v][u], rk_column(j, v)" : ", g[v][u]";
  char held[96], more[RK_INDEX_TEXT + 64], absent[32];
  snprintf(more, sizeof more, last, at);
  rk_line(w, "vec g[%d][%d];", w->tile->columns, w->tile->rows);
  rk_open_tile(w, cost);
  snprintf(held, sizeof held, "%s",
           rk_component(w, formula, formula->dim == 1 ? (rk_index){0} : index));
  rk_line(w, "g[v][u] = %s;", held);
  if (entry->absent != entry->absent) snprintf(absent, sizeof absent, "rk_num(RK_NAN)");
  else snprintf(absent, sizeof absent, "rk_num(%.17g)", entry->absent);
  mask_value(w, "g[v][u]", absent);
  rk_close_tile(w);
  rk_open(w, "rk_each (u, %d)", w->tile->rows);
  if (entry->guard) {
    rk_line(w, "vec least = rk_num(RK_INF);");
    rk_line(w, "rk_each (v, nv) least = rk_min(g[v][u], least);");
    rk_line(w, "if (rk_changes(z->v[%s][u], least)) rk_each (v, nv)", at);
    rk_line(w, "  if (rk_changes(z->v[%s][u], g[v][u])) rk_enter(z->v[%s][u]%s);", at, at, more);
  } else {
    rk_line(w, "rk_each (v, nv) rk_enter(z->v[%s][u]%s);", at, more);
  }
  rk_close(w);
}

void rk_write_accumulate(rk_writer *w) {
  const rk_reduction *entry = entry_of(w);
  const rk_node *formula = w->pass->reduction->operand[entry->has_head];
  if (entry->has_head) write_weights(w);
  rk_range *ranges;
  int count = rk_ranges(w, &formula, 1, w->pass->state.components, &ranges);
  double cost = (rk_inline_cost(w, formula) + 3) * rk_repeated(count);
  for (int r = 0; r < count; r++) {
    char at[RK_INDEX_TEXT];
    rk_index index = open_components(w, ranges[r], cost, at, sizeof at);
    if (entry->start) enter_value(w, formula, index, at, cost);
    else enter_sum(w, formula, index, ranges[r], at, cost);
    rk_close(w);
  }
  free(ranges);
}
