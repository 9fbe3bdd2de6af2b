/* The loops over components: ranges in which every moved component has one origin. See writer.h.
 *
 * A range is an arithmetic progression. It is cut in two where components begin to come from
 * elsewhere, and into interleaved ones where they alternate, as those of complex numbers do. */
#include "emit/writer.h"
#include "formula/operations.h"

#include <stdlib.h>

typedef struct {
  const rk_writer *w;
  const rk_node *const *root;
  int roots;
  rk_range *range;
  int count, capacity, failed;
  struct { int search, scale, offset; } *seen;   /* by node number */
  int search;
} cutting;

/* Where a range must be cut in two, or into so many interleaved ones; nowhere if both are 0. */
typedef struct { int at, every; } cut;

static int greatest_divisor(int a, int b) { return b ? greatest_divisor(b, a % b) : abs(a); }

/* First k from which on offset + scale * k is at least `least` (scale > 0). */
static long first_at_least(long offset, long scale, long least) {
  return offset >= least ? 0 : (least - offset + scale - 1) / scale;
}

static cut cut_of(cutting *c, const rk_node *node, int scale, int offset, int count);

/* Components offset + scale * k of a node, k < count, against one of its pieces. */
static cut cut_at_piece(cutting *c, const rk_node *node, const rk_piece *piece, int scale,
                        int offset, int count) {
  int step = piece->step, at = offset - piece->start;
  if (count > 1 && scale % step)
    return (cut){.every = step / greatest_divisor(scale, step)};
  if (at % step) return (cut){0};
  at /= step;
  scale = count > 1 ? scale / step : 0;
  long first = 0, end = count;
  if (scale > 0) {
    first = first_at_least(at, scale, 0);
    end = first_at_least(at, scale, piece->length);
  } else if (scale < 0) {
    first = first_at_least(-(long)at, -scale, -(long)piece->length + 1);
    end = first_at_least(-(long)at, -scale, 1);
  } else if (at < 0 || at >= piece->length) {
    return (cut){0};
  }
  if (first >= count || end <= first) return (cut){0};
  if (first > 0) return (cut){.at = (int)first};
  if (end < count) return (cut){.at = (int)end};
  rk_digit digit[RK_MAX_DIGITS];
  if (!rk_piece_digits(piece, digit) || !rk_piece_is_affine(piece)) return (cut){0};
  return cut_of(c, node->operand[piece->operand], scale * digit[0].stride,
                at * digit[0].stride + piece->offset, count);
}

/* The same against all that the components are made of. */
static cut cut_of(cutting *c, const rk_node *node, int scale, int offset, int count) {
  rk_place place = rk_place_of(c->w, node);
  cut found = {0};
  if (node->dim == 1 || place == RK_SCALAR || rk_is_variable(node)) return found;
  if (c->seen[node->number].search == c->search && c->seen[node->number].scale == scale &&
      c->seen[node->number].offset == offset)
    return found;
  c->seen[node->number].search = c->search;
  c->seen[node->number].scale = scale;
  c->seen[node->number].offset = offset;
  if (!rk_moves(node)) {
    if (place == RK_INLINE && node->operation && node->operation->kind == RK_ELEMENTWISE)
      for (int k = 0; k < node->operands && !found.at && !found.every; k++)
        found = cut_of(c, node->operand[k], scale, offset, count);
    return found;
  }
  if (rk_is_stored(c->w, node)) return found;
  rk_piece piece[RK_MAX_PIECES];
  int pieces = rk_node_pieces(node, piece);
  for (int p = 0; p < pieces && !found.at && !found.every; p++)
    found = cut_at_piece(c, node, &piece[p], scale, offset, count);
  return found;
}

static void add_range(cutting *c, rk_range range) {
  if (c->count == c->capacity) {
    int capacity = c->capacity ? 2 * c->capacity : 16;
    rk_range *larger = realloc(c->range, (size_t)capacity * sizeof *larger);
    if (!larger) {
      c->failed = 1;
      return;
    }
    c->range = larger;
    c->capacity = capacity;
  }
  c->range[c->count++] = range;
}

static void add_ranges(cutting *c, rk_range range) {
  cut found = {0};
  while (range.count > 0) {
    c->search++;
    for (int r = 0; r < c->roots && !found.at && !found.every; r++)
      found = cut_of(c, c->root[r], range.step, range.first, range.count);
    if (!found.at) break;
    add_ranges(c, (rk_range){range.first, range.step, found.at});
    range.first += found.at * range.step;
    range.count -= found.at;
    found = (cut){0};
  }
  if (!found.every) add_range(c, range);
  for (int k = 0; k < found.every && k < range.count; k++)
    add_ranges(c, (rk_range){range.first + k * range.step, range.step * found.every,
                             (range.count - k + found.every - 1) / found.every});
}

int rk_ranges(const rk_writer *w, const rk_node *const *root, int roots, int dim,
              rk_range **ranges) {
  cutting c = {.w = w, .root = root, .roots = roots};
  c.seen = calloc((size_t)rk_graph_size(w->pass->graph), sizeof *c.seen);
  if (c.seen) add_ranges(&c, (rk_range){0, 1, dim});
  if (!c.seen || c.failed) w->out->failed = 1;
  free(c.seen);
  *ranges = c.range;
  return c.count;
}
