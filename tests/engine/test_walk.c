/* Parts of the pairs: random blocks against the naive evaluation of the pairs that they mean; lists
 * of kernels cover each of them once; what is no blocks is refused. */
#include "oracle.h"
#include "random_blocks.h"
#include "walk/walk.h"

/* ---- lists ----------------------------------------------------------------------------------- */

/* Adds 1 for each pair that the list of a block has; whether positions ascend for each row. */
static int count_pairs(const rk_walk *w, const rk_cut *cut, const int32_t *position, int64_t block,
                       const rk_intervals *list, int *met) {
  int ascends = 1;
  for (int64_t r = 0; r < cut->from[block + 1] - cut->from[block]; r++) {
    int32_t row = position[block * cut->size + r], last_column = -1;
    for (int64_t k = 0; k < list->count; k++) {
      const rk_interval *one = &list->at[k];
      for (int32_t c = one->from; c < one->end; c++) {
        int32_t column = w->column_at ? w->column_at[c] : c;
        if (one->masked && (r < one->first || r >= one->last || column < row + one->lower ||
                            column > row + one->upper)) continue;
        met[row + w->rows * column]++;
        ascends &= c > last_column;
        last_column = c;
      }
    }
  }
  return ascends;
}

static int lies_in(const rk_intervals *list, rk_columns c) {
  for (int64_t k = 0; k < list->count; k++)
    if (list->at[k].from < c.from || list->at[k].end > c.end) return 0;
  return 1;
}

static int covers_once(const rk_walk *w, int size, const unsigned char *kept, int transposed) {
  rk_cut cut;
  rk_intervals list = {.count = 0};
  int *met = calloc((size_t)(w->rows * w->columns) + 1, sizeof *met), good = 1;
  good &= !rk_walk_cut(w, size, &cut, &last);
  int32_t *position = rk_cut_positions(w, &cut);
  for (int64_t b = 0; b < cut.blocks; b++) {
    good &= cut.from[b + 1] > cut.from[b] && cut.from[b + 1] - cut.from[b] <= size;
    good &= rk_walk_list(w, &cut, b, &list) && count_pairs(w, &cut, position, b, &list, met);
    good &= lies_in(&list, rk_walk_columns(w, &cut, b, b + 1)) &&
            lies_in(&list, rk_walk_columns(w, &cut, 0, cut.blocks));
  }
  for (int64_t r = 0; r < w->rows; r++)
    for (int64_t c = 0; c < w->columns; c++)
      good &= met[r + w->rows * c] == kept[transposed ? c + w->columns * r : r + w->rows * c];
  rk_intervals_free(&list);
  rk_cut_free(&cut);
  free(position);
  free(met);
  return good;
}

static void test_lists(void) {
  static const int rows[] = {1, 2, 40, 150, 300}, columns[] = {1, 3, 33, 200, 90};
  static const int sizes[] = {1, 8, 16, 64, 256}, both[] = {1, 1};
  for (int kind = 0; kind < BLOCKS_KINDS; kind++)
    for (int k = 0; k < 5; k++)
      for (int round = 0; round < 4; round++) {
        random_blocks b = blocks_of((blocks_kind)kind, rows[k], columns[(k + round) % 5]);
        blocks_settle(&b);
        rk_walks walks;
        CHECK(!rk_walks_make(&walks, &b.pairs, b.pairs.size, both, &last), "walks are made");
        int good = 1;
        for (int s = 0; s < 5; s++)
          good &= covers_once(&walks.of[0], sizes[s], b.kept, 0) &&
                  covers_once(&walks.of[1], sizes[s], b.kept, 1);
        if (!CHECK(good, "lists have each pair once")) printf("  kind %d, %d\n", kind, k);
        rk_walks_free(&walks);
        blocks_free(&b);
      }
}

/* ---- reductions ------------------------------------------------------------------------------ */

/* Kernels take long to compile: each reduction over each index in one precision, on a GPU over one
 * index; in a full run all on the processor. */
static int is_chosen(int number, char index, const rk_options *options) {
  int is_j = index == 'j', is_double = options->precision == RK_FLOAT64;
  int is_full = getenv("RKEOPS_TEST_FULL") != NULL;
  if (rules[number].weight && !is_j) return 0;
  if (!check_on_gpu()) return is_full || (number + is_j + is_double) % 2;
  return number / 2 % 2 == is_double && (rules[number].weight || number % 2 == is_j);
}

static void check_blocks(const cloud *c, blocks_kind kind, const rk_options *options, int whole) {
  random_blocks b = blocks_of(kind, c->m, c->n);
  blocks_settle(&b);
  for (int number = 0; number < RULES; number++)
    for (int index = 'i'; index <= 'j'; index++) {
      if (!is_chosen(number, (char)index, options)) continue;
      if (check_is_small() && !check_on_gpu() && (number + kind) % 3) continue;
      problem q = problem_of(c, &rules[number], kind_for(number), (char)index, options, whole);
      q.blocks = &b.pairs;
      q.kept = b.kept;
      if (!CHECK(!wrong_in(&q, options, c->input), "a reduction of blocks is right"))
        printf("  blocks of kind %d, index %c\n", kind, index);
    }
  blocks_free(&b);
}

/* Whole numbers have many ties: positions are those of the user's order. */
static void test_reductions(void) {
  static const int rows[] = {1, 37, 130, 70}, columns[] = {70, 1, 90, 260};
  int sizes = check_is_small() ? 2 : 4;
  for (int precision = 0; precision < 2; precision++)
    for (int whole = 0; whole < 2; whole++)
      for (int k = 0; k < sizes; k++) {
        cloud *c = cloud_new(rows[k], columns[k], 3, 2, 0, whole);
        const rk_options options = {.precision = (rk_precision)precision};
        for (int kind = 0; kind < BLOCKS_KINDS; kind++)
          check_blocks(c, (blocks_kind)kind, &options, whole);
        cloud_free(c);
      }
}

/* Few rows: columns are in parts, which take several calls of a kernel each. */
static void test_long_rows(void) {
  static const int numbers[] = {SUM, ARG_MIN, NEAREST, FIRST_EXPONENTIAL};
  static const blocks_kind kinds[] = {BLOCKS_LABELS, BLOCKS_INTERVALS, BLOCKS_SORTED_BANDS};
  const rk_options options = {.precision = RK_FLOAT64};
  for (int k = 0; k < 3; k++) {
    cloud *c = cloud_new(k ? 5 : 40, 600000, 2, 1, 0, 0);
    random_blocks b = blocks_of(kinds[k], c->m, c->n);
    blocks_settle(&b);
    for (int n = 0; n < 4; n++) {
      problem q = problem_of(c, &rules[numbers[n]], kind_for(numbers[n]), 'j', &options, 0);
      q.blocks = &b.pairs;
      q.kept = b.kept;
      CHECK(!wrong_in(&q, &options, c->input), "long rows of blocks are right");
    }
    blocks_free(&b);
    cloud_free(c);
  }
}

/* The same bits for any number of threads. */
static void test_threads(void) {
  cloud *c = cloud_new(700, 900, 3, 2, 0, 0);
  random_blocks b = blocks_of(BLOCKS_LABELS, c->m, c->n);
  const rk_options options = {.precision = RK_FLOAT32};
  rk_program *program = program_for(c, "Sum_Reduction(Exp(-SqDist(x,y))*b, j)", &options);
  result one = result_new(700 * 2), two = result_new(700 * 2);
  blocks_settle(&b);
  CHECK(!rk_set_threads(1, &last) &&
        !run_pairs(&rules[SUM], program, &b.pairs, c->input, &one, NULL, NULL) &&
        !rk_set_threads(2, &last) &&
        !run_pairs(&rules[SUM], program, &b.pairs, c->input, &two, NULL, NULL) &&
        !memcmp(one.values, two.values, 700 * 2 * sizeof *one.values), "threads change nothing");
  rk_set_threads(0, &last);
  result_free(&one);
  result_free(&two);
  blocks_free(&b);
  cloud_free(c);
}

/* ---- what is no blocks ----------------------------------------------------------------------- */

typedef struct { rk_blocks blocks; rk_status status; const char *words; } wrong_blocks;

static void test_refusals(void) {
  enum { M = 4, N = 5 };
  static const int32_t twice[] = {1, 2, 2, 4}, beyond[] = {1, 2, 3, 4, 6}, ends[] = {2, 4},
                       short_ends[] = {2, 3}, falling[] = {3, 3}, lists[] = {1, 2}, from[] = {0, 2},
                       to[] = {3, 6}, back[] = {2, 2}, overlapping[] = {3, 5}, both[] = {2, 2};
  static const double low[] = {0, 2}, high[] = {2, 3}, nan[] = {NAN};
  const wrong_blocks wrong[] = {
    {{.size = {M, N + 1}}, RK_ERROR_SHAPE, "of 6 rows of j: expected 5"},
    {{.size = {M, N}, .order = {twice}, .base = 1}, RK_ERROR_ARGUMENT, "order of i"},
    {{.size = {M, N}, .order = {NULL, beyond}, .base = 1}, RK_ERROR_ARGUMENT, "order of j"},
    {{.size = {M, N}, .segments = 2, .row_end = short_ends, .list_end = lists, .from = from,
      .end = overlapping}, RK_ERROR_ARGUMENT, "last segment"},
    {{.size = {M, N}, .segments = 2, .row_end = falling, .list_end = lists, .from = from,
      .end = overlapping}, RK_ERROR_ARGUMENT, "ends of segments"},
    {{.size = {M, N}, .segments = 2, .row_end = ends, .list_end = lists, .from = from, .end = to},
     RK_ERROR_ARGUMENT, "intervals"},
    {{.size = {M, N}, .segments = 2, .row_end = ends, .list_end = lists, .from = from,
      .end = back}, RK_ERROR_ARGUMENT, "intervals"},
    {{.size = {M, N}, .segments = 2, .row_end = ends, .list_end = both, .from = from,
      .end = overlapping}, RK_ERROR_ARGUMENT, "intervals"},
    {{.size = {M, N}, .bands = 2, .lower = low, .upper = high}, RK_ERROR_ARGUMENT, "bands"},
    {{.size = {M, N}, .bands = 1, .lower = nan, .upper = high}, RK_ERROR_ARGUMENT, "bands"}};
  cloud *c = cloud_new(M, N, 2, 1, 0, 0);
  const rk_options options = {.precision = RK_FLOAT64};
  rk_program *program = program_for(c, "Sum_Reduction(SqDist(x,y), j)", &options);
  result r = result_new(M);
  for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
    rk_status status =
        run_pairs(&rules[SUM], program, &wrong[k].blocks, c->input, &r, NULL, NULL);
    CHECK(status == wrong[k].status && said(wrong[k].words), wrong[k].words);
  }
  result_free(&r);
  cloud_free(c);
}

int main(void) {
  check_configure();
  test_lists();
  test_refusals();
  test_reductions();
  if (!check_is_small()) test_threads();
  if (!check_is_small()) test_long_rows();
  return check_end();
}
