/* The loops of kernels.h for numbers of type NUMBER, with vectors of BYTES bytes, in functions for
 * TARGET. Included once for each type and size. */
#define vec HERE(vec)
#define anywhere HERE(anywhere)
typedef NUMBER vec __attribute__((vector_size(BYTES), may_alias));
typedef NUMBER anywhere __attribute__((vector_size(BYTES), aligned(sizeof(NUMBER)), may_alias));

typedef NUMBER HERE(four)
  __attribute__((vector_size(4 * sizeof(NUMBER)), aligned(sizeof(NUMBER)), may_alias));

#define LANES ((int)(BYTES / sizeof(NUMBER)))
#define LOAD(p) (*(const anywhere *)(p))
#define STORE(p, x) (*(anywhere *)(p) = (x))
#define ALL(x) ((x) - (vec){0})
#define AT(m, i, j) (((NUMBER *)(m).at)[(i) * (m).row_step + (j) * (m).column_step])

/* Sums of a tile stay in registers: 8 of 16 where a product needs one of its own, else 12 of 16 or
 * 24 of 32: p, q and r of each column. Unrolled by hand: compilers do not at -O2. */
#if BYTES == 16
#define VECTORS 2
#define THIRD(x)
#else
#define VECTORS 3
#define THIRD(x) x
#endif
#define EACH_4(f) f(0) f(1) f(2) f(3)
#define EACH_8(f) EACH_4(f) f(4) f(5) f(6) f(7)
#if BYTES == 64
#define COLUMNS 8
#define EACH_COLUMN EACH_8
#else
#define COLUMNS 4
#define EACH_COLUMN EACH_4
#endif
#define ROWS (VECTORS * LANES)

#define START(j) vec p##j = {0}, q##j = {0}; THIRD(vec r##j = {0};)
#define STEP(j) \
  { const vec y = ALL(b[j]); p##j += x0 * y; q##j += x1 * y; THIRD(r##j += x2 * y;) }
#define FINISH(j)                                                                                  \
  HERE(put)(c, p##j, fill); HERE(put)(c + LANES, q##j, fill);                                      \
  THIRD(HERE(put)(c + 2 * LANES, r##j, fill);) c += column_step;

TARGET static inline __attribute__((always_inline))
void HERE(put)(NUMBER *at, vec x, rk_fill fill) {
  if (fill == RK_ADD) x = LOAD(at) + x;
  else if (fill == RK_SUBTRACT) x = LOAD(at) - x;
  STORE(at, x);
}

/* All rows and columns of a tile whose rows lie together. */
TARGET static void HERE(tile)(int64_t depth, const NUMBER *a, const NUMBER *b, NUMBER *c,
                              int64_t column_step, rk_fill fill) {
  EACH_COLUMN(START)
  for (int64_t k = 0; k < depth; k++, a += ROWS, b += COLUMNS) {
    const vec x0 = LOAD(a), x1 = LOAD(a + LANES);
    THIRD(const vec x2 = LOAD(a + 2 * LANES);)
    EACH_COLUMN(STEP)
  }
  EACH_COLUMN(FINISH)
}

/* What there is of a tile, wherever it lies. */
TARGET static void HERE(some)(int64_t depth, const NUMBER *a, const NUMBER *b, rk_matrix c,
                              rk_fill fill) {
  NUMBER sums[ROWS * COLUMNS];
  HERE(tile)(depth, a, b, sums, ROWS, RK_SET);
  for (int64_t j = 0; j < c.columns; j++)
    for (int64_t i = 0; i < c.rows; i++) {
      NUMBER *at = &AT(c, i, j), sum = sums[j * ROWS + i];
      *at = fill == RK_SET ? sum : fill == RK_ADD ? *at + sum : *at - sum;
    }
}

TARGET static void HERE(multiply)(const rk_dense_block *block) {
  const rk_matrix c = block->c;
  const NUMBER *b = block->b;
  for (int64_t j = 0; j < c.columns; j += COLUMNS, b += COLUMNS * block->depth) {
    const NUMBER *a = block->a;
    for (int64_t i = 0; i < c.rows; i += ROWS, a += ROWS * block->depth) {
      const int64_t below = block->below + i - j;
      if (block->triangle == RK_LOWER && below + ROWS <= 0) continue;
      if (block->triangle == RK_UPPER && below - COLUMNS >= 0) continue;
      rk_matrix at = c;
      at.at = &AT(c, i, j);
      at.rows = c.rows - i < ROWS ? c.rows - i : ROWS;
      at.columns = c.columns - j < COLUMNS ? c.columns - j : COLUMNS;
      if (at.rows == ROWS && at.columns == COLUMNS && c.row_step == 1)
        HERE(tile)(block->depth, a, b, at.at, c.column_step, block->fill);
      else HERE(some)(block->depth, a, b, at, block->fill);
    }
  }
}

/* Rows of a panel, four at a time: compilers make a vector of four numbers that lie apart. */
TARGET static void HERE(pack_four)(rk_matrix from, int64_t width, NUMBER *to) {
  const int64_t step = from.column_step;
  const NUMBER *p = from.at, *q = p + from.row_step;
  const NUMBER *r = q + from.row_step, *s = r + from.row_step;
  for (int64_t k = 0; k < from.columns; k++, to += width) {
    const int64_t at = k * step;
    *(HERE(four) *)to = (HERE(four)){p[at], q[at], r[at], s[at]};
  }
}

TARGET static void HERE(pack_panel)(rk_matrix from, int64_t width, NUMBER *to) {
  int64_t row = 0;
  if (from.row_step == 1 && from.rows == width && width % LANES == 0) {
    for (int64_t k = 0; k < from.columns; k++, to += width)
      for (int64_t l = 0; l < width; l += LANES) STORE(to + l, LOAD(&AT(from, l, k)));
    return;
  }
  for (; row + 4 <= from.rows; row += 4) {
    rk_matrix rows = from;
    rows.at = &AT(from, row, 0);
    HERE(pack_four)(rows, width, to + row);
  }
  for (int64_t k = 0; row < width && k < from.columns; k++)
    for (int64_t l = row; l < width; l++) to[k * width + l] = l < from.rows ? AT(from, l, k) : 0;
}

TARGET static void HERE(pack)(rk_matrix from, int width, void *packed) {
  NUMBER *to = packed;
  for (int64_t i = 0; i < from.rows; i += width, to += width * from.columns) {
    rk_matrix panel = from;
    panel.at = &AT(from, i, 0);
    panel.rows = from.rows - i < width ? from.rows - i : width;
    HERE(pack_panel)(panel, width, to);
  }
}

TARGET static void HERE(give)(const void *panel, int width, rk_matrix to) {
  const NUMBER *from = panel;
  for (int64_t k = 0; k < to.columns; k++, from += width) {
    NUMBER *at = &AT(to, 0, k);
    int64_t l = 0;
    if (to.row_step == 1)
      for (; l + LANES <= to.rows; l += LANES) STORE(at + l, LOAD(from + l));
    for (; l < to.rows; l++) at[l * to.row_step] = from[l];
  }
}

#define SIDES (8 * LANES)
#define BEGIN_SIDE(j) vec s##j = LOAD(row + j * LANES);
#define TAKE_SIDE(j) s##j -= y * LOAD(from + j * LANES);
#define END_SIDE(j) STORE(row + j * LANES, s##j / pivot);

TARGET static void HERE(solve)(int n, const void *triangle, void *sides) {
  const NUMBER *l = triangle;
  NUMBER *x = sides;
  for (int i = 0; i < n; i++, l += RK_DENSE_BASE) {
    NUMBER *row = x + i * SIDES;
    const NUMBER *from = x;
    EACH_8(BEGIN_SIDE)
    for (int j = 0; j < i; j++, from += SIDES) {
      const vec y = ALL(l[j]);
      EACH_8(TAKE_SIDE)
    }
    const vec pivot = ALL(l[i]);
    EACH_8(END_SIDE)
  }
}

/* Whole vectors: what lies left of the diagonal is written, and not read. */
TARGET static int HERE(factor)(int n, void *triangle) {
  NUMBER *u = triangle; /* seen by rows: the upper one */
  for (int k = 0; k < n; k++) {
    NUMBER *row = u + k * RK_DENSE_BASE;
    if (!(row[k] > 0)) return k;
    const NUMBER root = ROOT(row[k]);
    for (int j = k / LANES * LANES; j < n; j += LANES) STORE(row + j, LOAD(row + j) / ALL(root));
    row[k] = root;
    for (int i = k + 1; i < n; i++) {
      const vec y = ALL(row[i]);
      NUMBER *to = u + i * RK_DENSE_BASE;
      for (int j = i / LANES * LANES; j < n; j += LANES)
        STORE(to + j, LOAD(to + j) - y * LOAD(row + j));
    }
  }
  return n;
}

TARGET static void HERE(sum)(int64_t n, int parts, void *numbers) {
  NUMBER *x = numbers;
  for (int part = 1; part < parts; part++)
    for (int64_t k = 0; k < n; k++) x[k] += x[part * n + k];
}

/* What is above the diagonal becomes what is below it, or 0: in squares, so that lines of memory
 * are used while they are near. */
TARGET static void HERE(fill)(rk_matrix x, int with_zeros) {
  enum { SQUARE = 32 };
  for (int64_t j = 0; j < x.columns; j += SQUARE)
    for (int64_t i = j; i < x.rows; i += SQUARE)
      for (int64_t c = j; c < j + SQUARE && c < x.columns; c++)
        for (int64_t r = i > c ? i : c + 1; r < i + SQUARE && r < x.rows; r++)
          AT(x, c, r) = with_zeros ? 0 : AT(x, r, c);
}

static const rk_dense_kernels HERE(kernels) = {
  .size = sizeof(NUMBER), .rows = ROWS, .columns = COLUMNS, .sides = SIDES,
  .pack = HERE(pack), .give = HERE(give), .multiply = HERE(multiply), .solve = HERE(solve),
  .factor = HERE(factor), .sum = HERE(sum), .fill = HERE(fill)};

#undef vec
#undef anywhere
#undef LANES
#undef LOAD
#undef STORE
#undef ALL
#undef AT
#undef VECTORS
#undef THIRD
#undef EACH_4
#undef EACH_8
#undef COLUMNS
#undef EACH_COLUMN
#undef ROWS
#undef START
#undef STEP
#undef FINISH
#undef SIDES
#undef BEGIN_SIDE
#undef TAKE_SIDE
#undef END_SIDE
#undef NUMBER
#undef ROOT
