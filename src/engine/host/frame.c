/* The frame for CPUs: packing functions in double lanes, and rk_pair. See kernel.h for what the
 * functions are given.
 *
 * Two layouts of packed data. The side along the lanes lies in blocks [block][component][row of the
 * block]; the other side in records [row][component], whose components are broadcast. */
#include "host/frame.h"
#include "host/kernel.h"

#include <stdio.h>
#include <string.h>

static int block_rows(const rk_tile *tile) { return tile->rows * tile->lanes; }
static int block_columns(const rk_tile *tile) { return tile->columns * tile->lanes; }

/* What functions of a general text take, and are given, besides. */
static const char *taken(const rk_writer *w) { return w->target->is_general ? " RK_TAKES" : ""; }
static const char *given(const rk_writer *w) { return w->target->is_general ? " RK_GIVES" : ""; }

/* Components of a record. */
static const char *size_text(const rk_writer *w, rk_nest_kind side, char text[24]) {
  if (!w->target->is_general) snprintf(text, 24, "%d", w->pass->slots[side].size);
  else snprintf(text, 24, side == RK_NEST_ROW ? "RK_ROW" : "RK_COLUMN");
  return text;
}

/* ---- packing ---- */

static const rk_spelling packing = {
  .function = "RK_INLINE", .parameter = "rk_broadcast(params[%s])",
  .input = "rk_load(x[%d] + (long long)(%s) * ld[%d] + r)"};

/* `x` are the inputs' columns, `ld` their strides; rows come in whole vectors of doubles. */
static void packing_head(const char *name, const char *type, char *text, size_t size) {
  snprintf(text, size,
           "void rk_%s(const double *const *x, const long long *ld, const double *params, %s *out, "
           "long long n, char *work, const void *program)", name, type);
}

static void write_side(rk_text *out, const rk_pass *pass, rk_nest_kind kind,
                       const char *type, const char *store) {
  static const char *const names[] = {"parameters", "rows", "columns"};
  char parameters[256], head[256];
  packing_head(names[kind], type, head, sizeof head);
  rk_tile one = {.axis = RK_LANES_KEPT, .rows = 1, .columns = 1};
  rk_writer w = {.out = out, .pass = pass, .nest = &pass->nest[kind], .tile = &one,
                 .target = &packing};
  if (w.nest->is_large) {
    w.part = names[kind];
    w.arguments = "x, ld, params, out, r, panel";
    snprintf(parameters, sizeof parameters,
             "const double *const *x, const long long *ld, const double *params, %s *out, "
             "long long r, char *panel", type);
    rk_write_packing_parts(&w, parameters, store);
  }
  rk_open(&w, "%s", head);
  rk_line(&w, "(void)x; (void)ld; (void)params; (void)out; (void)program;");
  rk_line(&w, "char *const panel = work; (void)panel;");
  rk_open(&w, "for (long long r = 0; r < n; r += RK_LANES)");
  rk_write_packing(&w, store);
  rk_close(&w);
  rk_close(&w);
  rk_text_add(out, "\n");
  rk_writer_free(&w);
}

static void write_all_packing(rk_text *out, const rk_pass *pass, const rk_tile *tile) {
  char store[256], lanes[128], records[128];
  const char *type = pass->options.precision == RK_FLOAT64 ? "double" : "float";
  int kept = tile->axis == RK_LANES_KEPT;
  write_side(out, pass, RK_NEST_PARAMETER, "double", "out[%s] = rk_lane(%s, 0);");
  for (int side = RK_NEST_ROW; side <= RK_NEST_COLUMN; side++) {
    const char *each = pass->nest[side].is_large ? "rk_rolled" : "rk_each";
    snprintf(lanes, sizeof lanes,
             "%s (l, RK_LANES) out[%%s * %d + r + l] = (%s)rk_lane(%%s, l);", each,
             kept ? block_rows(tile) : block_columns(tile), type);
    snprintf(records, sizeof records,
             "%s (l, RK_LANES) out[(r + l) * %d + %%s] = (%s)rk_lane(%%s, l);", each,
             pass->slots[side].size, type);
    snprintf(store, sizeof store, "%s", (side == RK_NEST_ROW) == kept ? lanes : records);
    write_side(out, pass, (rk_nest_kind)side, type, store);
  }
}

/* ---- the kernel ---- */

/* Components of pairs that loops have made are made again when they enter a wide result: so many
 * doubles do not stay in registers, and to make them costs less than to bring them back. */
static int makes_again(const rk_writer *w) {
  const rk_node *values = w->nest->root[w->nest->roots - 1];
  return w->pass->options.precision == RK_FLOAT64 && w->nest->steps && !w->nest->is_large &&
         values->dim > 1 && rk_inline_cost(w, values) > 1;
}

static void write_tile(rk_writer *w) {
  int in_lanes = w->tile->axis == RK_LANES_REDUCED, masks = w->tile->masks;
  if (w->nest->is_large) {
    w->part = "pairs";
    w->arguments = "nv, x, y, params, j, panel";
    rk_write_parts(w, "const int nv, const real *restrict x, const real *restrict y, "
                      "const real *restrict params, rk_int j, char *panel");
  }
  rk_open(w, "RK_INLINE void rk_tile(const int nv, const real *restrict x, const real *restrict y, "
             "const real *restrict params, rk_int j, rk_state *z, char *panel%s%s)",
          in_lanes ? ", const int masked, mask valid"
          : masks  ? ", const int masked, const ivec *low, const ivec *high, const int *column_at"
                   : "", taken(w));
  rk_line(w, "(void)x; (void)y; (void)params; (void)j; (void)panel;%s%s",
          in_lanes || masks ? " (void)masked;" : "",
          in_lanes ? " (void)valid;" : masks ? " (void)low; (void)high; (void)column_at;" : "");
  rk_write_steps(w, 0, w->nest->steps);
  rk_declare_reads(w, 0, w->nest->roots);
  if (makes_again(w)) rk_line(w, "rk_reread(x, y);");
  rk_write_accumulate(w);
  rk_close(w);
}

size_t rk_work_bytes(const rk_pass *pass, const rk_tile *tile) {
  size_t panels = 0;
  for (int k = 0; k < RK_NESTS; k++) {
    size_t kept = (size_t)(pass->nest[k].panel + pass->nest[k].scalars);
    if (k == RK_NEST_PAIR) kept *= (size_t)(tile->rows * tile->columns);
    if (kept > panels) panels = kept;
  }
  return rk_state_bytes(pass, tile) + panels * (size_t)tile->bytes + 256;
}

size_t rk_state_stride(const rk_pass *pass, const rk_tile *tile) {
  return (rk_state_bytes(pass, tile) + 127) / 64 * 64;
}

/* Do short sums enter long ones now and then? */
static int flushes(const rk_writer *w) {
  return !rk_keeps_values(w->pass->reduction->reduction) &&
         rk_flush_period(w->pass, w->tile) <= 1LL << 30;
}

/* Columns of the interval up to `end`, where short sums are flushed: their number goes on from one
 * interval to the next. */
static void open_columns(rk_writer *w) {
  rk_open(w, "for (long long j = own->from; j < own->end;)");
  if (flushes(w)) {
    rk_line(w, "const long long end = own->end - j > left ? j + left : own->end;");
    rk_line(w, "left -= end - j;");
  } else {
    rk_line(w, "const long long end = own->end;");
  }
}

static void close_columns(rk_writer *w) {
  if (flushes(w)) {
    rk_open(w, "if (!left)");
    rk_line(w, "rk_flush(z%s);", given(w));
    rk_line(w, "left = FLUSH;");
    rk_close(w);
  }
  rk_close(w);
}

/* Which rows take part: positions of columns between `low` and `high`, both left out. */
static void write_limits(rk_writer *w) {
  int rows = w->tile->rows;
  rk_line(w, "ivec low[%d], high[%d];", rows, rows);
  rk_open(w, "rk_each (u, %d)", rows);
  rk_line(w, "const ivec lane = rk_lane_index() + rk_ibroadcast(u * RK_LANES);");
  rk_line(w, "const ivec row = rk_positions(row_at + u * RK_LANES);");
  rk_line(w, "const mask in = rk_and(rk_ilt(rk_ibroadcast(own->first - 1), lane), "
             "rk_ilt(lane, rk_ibroadcast(own->last)));");
  rk_line(w, "low[u] = rk_iselect(in, row + rk_ibroadcast(own->lower - 1), "
             "rk_ibroadcast(RK_LAST));");
  rk_line(w, "high[u] = row + rk_ibroadcast(own->upper + 1);");
  rk_close(w);
}

/* Lanes along the kept index: the columns are records, read one by one. */
static void write_records(rk_writer *w, const char *masked) {
  int columns = w->tile->columns;
  char call[160], stride[24];
  size_text(w, RK_NEST_COLUMN, stride);
  snprintf(call, sizeof call, "x, columns + j * %s, params, (rk_int)j, z, panel%s%s%s", stride,
           masked, w->tile->masks ? ", low, high, column_at" : "", given(w));
  open_columns(w);
  if (!*masked || masked[2] == '0' || !w->target->is_general) /* else it would be half of it */
    rk_line(w, "for (; j + %d <= end; j += %d) rk_tile(%d, %s);", columns, columns, columns, call);
  if (columns > 1) rk_line(w, "for (; j < end; j++) rk_tile(1, %s);", call);
  close_columns(w);
}

static void write_record_loop(rk_writer *w) {
  if (!w->tile->masks) {
    write_records(w, "");
    return;
  }
  rk_open(w, "if (own->masked)");
  write_limits(w);
  write_records(w, ", 1");
  w->indent--;
  rk_open(w, "} else");
  rk_line(w, "const ivec *const low = 0, *const high = 0;");
  write_records(w, ", 0");
  rk_close(w);
}

/* Lanes along the reduced index: whole blocks of columns, then vectors, the last one masked. */
static void write_lane_loop(rk_writer *w) {
  int block = block_columns(w->tile), lanes = w->tile->lanes;
  int size = w->pass->slots[RK_NEST_COLUMN].size;
  open_columns(w);
  rk_line(w, "for (; j + %d <= end; j += %d)", block, block);
  rk_line(w, "  rk_tile(%d, x, columns + j * %d, params, (rk_int)j, z, panel, 0, all);",
          w->tile->columns, size);
  rk_open(w, "for (const long long from = j; j < end; j += %d)", lanes);
  rk_line(w, "const mask valid = rk_ilt(rk_lane_index(), rk_ibroadcast((rk_int)(end - j)));");
  rk_line(w,
          "rk_tile(1, x, columns + from * %d + (j - from), params, (rk_int)j, z, panel, 1, valid);",
          size);
  rk_close(w);
  rk_line(w, "j = end;");
  close_columns(w);
}

/* The walk of a block of rows is a function of its own: what it needs in registers then leaves none
 * for what comes before and after it. A state that may stay in registers is copied. */
enum { IN_REGISTERS = 16384 };

static void write_walk(rk_writer *w) {
  int kept = w->tile->axis == RK_LANES_KEPT, lanes = w->tile->lanes;
  int copied = w->target->is_general || rk_state_bytes(w->pass, w->tile) <= IN_REGISTERS;
  long long flush = rk_flush_period(w->pass, w->tile);
  rk_open(w, "RK_CALLED void rk_walk(const rk_walked *restrict w, const real *restrict x, "
             "rk_state *%s, char *panel%s%s)", copied ? "state" : "z",
          w->tile->masks ? ", const int *row_at" : "", taken(w));
  rk_line(w, "const real *restrict const columns = w->columns;");
  rk_line(w, "const real *restrict const params = w->params;");
  if (w->tile->masks) rk_line(w, "const int *const column_at = w->column_at;");
  if (w->target->is_general) rk_line(w, "RK_TAKE_UP(state, z);");
  else if (copied) rk_line(w, "rk_state local = *state, *const z = &local;");
  if (!kept) rk_line(w, "const mask all = rk_ilt(rk_ibroadcast(-1), rk_ibroadcast(0));");
  if (flushes(w)) {
    rk_line(w, "enum { FLUSH = %lld };", kept ? flush : flush * lanes);
    rk_line(w, "long long left = FLUSH;");
  }
  rk_open(w, "for (const rk_interval *own = w->list; own < w->list + w->intervals; own++)");
  if (kept) write_record_loop(w);
  else write_lane_loop(w);
  rk_close(w);
  if (!rk_keeps_values(w->pass->reduction->reduction)) rk_line(w, "rk_flush(z%s);", given(w));
  if (w->target->is_general) rk_line(w, "RK_PUT_BACK(state, z);");
  else if (copied) rk_line(w, "*state = local;");
  rk_close(w);
}

/* Takes the state of each block of rows up, walks, leaves it. */
static void write_pair(rk_writer *w) {
  int rows = w->tile->rows, kept = w->tile->axis == RK_LANES_KEPT;
  int in_memory = w->target->is_general || rk_state_bytes(w->pass, w->tile) > IN_REGISTERS;
  char stride[32] = "RK_STRIDE", row[24];
  if (!w->target->is_general)
    snprintf(stride, sizeof stride, "%zu", rk_state_stride(w->pass, w->tile));
  rk_open(w, "%svoid rk_pair(const rk_walked *w%s)", w->target->is_general ? "static " : "",
          taken(w));
  rk_line(w, in_memory ? "char *const panel = w->work + (sizeof(rk_state) + 63) / 64 * 64;"
                       : "char *const panel = w->work;");
  if (in_memory) rk_line(w, "rk_state *const own = (rk_state *)w->work;");
  else rk_line(w, "rk_state local, *const own = &local;");
  rk_open(w, "for (long long b = 0; b < w->blocks; b++)");
  rk_line(w, kept ? "const real *const x = (const real *)w->rows + b * %s * (%d * RK_LANES);"
                  : "const real *const x = (const real *)w->rows + b * %s * %d;",
          size_text(w, RK_NEST_ROW, row), rows);
  rk_line(w, "rk_state *const z = w->states ? (rk_state *)(w->states + b * %s) : own;", stride);
  rk_line(w, "if (w->starts) rk_start(z%s);", given(w));
  if (w->tile->masks)
    rk_line(w, "const int *const row_at = w->row_at ? w->row_at + b * (%d * RK_LANES) : 0;", rows);
  rk_line(w, "rk_walk(w, x, z, panel%s%s);", w->tile->masks ? ", row_at" : "", given(w));
  rk_line(w, "if (!w->ends) continue;");
  rk_open(w, "for (int u = 0; u < %d; u++) for (int l = 0; l < RK_LANES; l++)", rows);
  rk_line(w, "const long long row = (b * %d + u) * RK_LANES + l;", rows);
  rk_line(w, "rk_leave(z, u, l, w->first, w->values + row, w->positions + row, w->ld%s);",
          given(w));
  rk_close(w);
  rk_close(w);
  rk_close(w);
}

/* The position of column v of the tile, in lanes; does lane take part? */
static void write_places(rk_writer *w) {
  const rk_tile *tile = w->tile;
  if (w->target->is_general)
    rk_line(w, "#define RK_ROW %d\n#define RK_COLUMN %d", w->pass->slots[RK_NEST_ROW].size,
            w->pass->slots[RK_NEST_COLUMN].size);
  if (tile->axis == RK_LANES_REDUCED) {
    rk_line(w, "#define rk_column(j, v) (rk_lane_index() + rk_ibroadcast((j) + (v) * %d))",
            tile->lanes);
    rk_line(w, "#define rk_valid(v, u) valid");
    return;
  }
  if (w->target->is_general && tile->reorders) /* or they do not */
    rk_line(w, "#define rk_column(j, v) "
               "rk_ibroadcast(column_at ? column_at[(j) + (v)] : (rk_int)((j) + (v)))");
  else
    rk_line(w, tile->reorders ? "#define rk_column(j, v) rk_ibroadcast(column_at[(j) + (v)])"
                              : "#define rk_column(j, v) rk_ibroadcast((j) + (v))");
  if (tile->masks)
    rk_line(w, "#define rk_valid(v, u) rk_and(rk_ilt(low[u], rk_column(j, v)), "
               "rk_ilt(rk_column(j, v), high[u]))");
}

/* `numbers`: of a general text; else NULL. */
static void write_kernel(rk_text *out, const rk_pass *pass, const rk_tile *tile,
                         rk_numbers *numbers) {
  char row[96], column[96];
  int kept = tile->axis == RK_LANES_KEPT;
  const char *in_lanes = "rk_load(%s + (%%s) * (%d * RK_LANES) + %s * RK_LANES)",
             *record = "rk_broadcast(%s[%s * %s + %%s])";
  char size[24];
  if (kept) {
    snprintf(row, sizeof row, in_lanes, "x", tile->rows, "u");
    snprintf(size, sizeof size, "%d", pass->slots[RK_NEST_COLUMN].size);
    snprintf(column, sizeof column, record, "y", "v", numbers ? "RK_COLUMN" : size);
  } else {
    snprintf(size, sizeof size, "%d", pass->slots[RK_NEST_ROW].size);
    snprintf(row, sizeof row, record, "x", "u", size);
    snprintf(column, sizeof column, in_lanes, "y", tile->columns, "v");
  }
  const rk_spelling spelling = {.function = "RK_INLINE", .rare = "RK_RARE", .called = "RK_CALLED",
                                .lists_wait = 1, .in_lanes = 1, .is_general = numbers != NULL,
                                .parameter = "rk_broadcast(params[%s])", .row = row,
                                .column = column};
  rk_writer w = {.out = out, .pass = pass, .nest = &pass->nest[RK_NEST_PAIR], .tile = tile,
                 .target = &spelling, .components = pass->state.components,
                 .numbers = numbers};
  write_places(&w);
  rk_write_state(&w);
  write_tile(&w);
  write_walk(&w);
  write_pair(&w);
  rk_text_add(out, "#undef rk_column\n#undef rk_valid\n");
  if (numbers) rk_text_add(out, "#undef RK_ROW\n#undef RK_COLUMN\n");
  rk_writer_free(&w);
}

/* ---- general texts ---- */

rk_tile rk_general_tile(const rk_pass *pass, int bytes, int walks) {
  return (rk_tile){.axis = RK_LANES_KEPT, .bytes = bytes,
                   .lanes = bytes / rk_real_size(&pass->options), .rows = 2, .columns = 4,
                   .flush = 64, .masks = walks, .reorders = walks};
}

int rk_emit_general(const rk_pass *pass, int walks, rk_text *out, rk_numbers *numbers) {
  rk_tile tile = rk_general_tile(pass, 32, walks);
  *numbers = (rk_numbers){.count = 0};
  if (pass->nest[RK_NEST_PAIR].is_large) return 0;
  write_kernel(out, pass, &tile, numbers);
  return !out->failed;
}

/* ---- modules ---- */

static void write_head(rk_text *out, const rk_pass *const *pass, const rk_tile *const *tile,
                       int n) {
  rk_text_add(out, "/* rkeops\n");
  for (int k = 0; k < n; k++) rk_plan_head(pass[k], tile[k], " * ", out);
  rk_text_format(out, " */\n#define RK_BYTES %d\n", tile[0]->bytes);
}

rk_status rk_emit_c(const rk_pass *const *pass, const rk_tile *const *tile, int n,
                    const char *include_dir, rk_text *out, rk_error *error) {
  static const char *const preludes[] = {"names.h", "interval.h", "walked.h", "lanes.h",
                                         "tile.h", "sums.h", NULL};
  rk_module_text m = {.n = n, .preludes = preludes};
  for (int k = 0; k < n; k++) {
    rk_text *kernel = &m.part[pass[k]->options.precision != RK_FLOAT64];
    rk_begin_pass(&m, &m.part[0], k);
    write_all_packing(&m.part[0], pass[k], tile[k]);
    if (kernel != &m.part[0]) {
      rk_end_pass(&m, &m.part[0]);
      rk_begin_pass(&m, kernel, k);
    }
    write_kernel(kernel, pass[k], tile[k], NULL);
    rk_end_pass(&m, kernel);
  }
  write_head(out, pass, tile, n);
  return rk_write_module(&m, include_dir, out, error);
}
