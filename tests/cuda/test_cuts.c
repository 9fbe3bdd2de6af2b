/* Into what a pass is cut on a GPU, for sizes that cannot be run here. No GPU is used. */
#include "gpu_fixture.h"

#include "cuda/parts.h"


/* Bytes that a share takes: see take_memory of cuda/share.c. */
static double bytes_of(const rk_gpu_sizes *s, const rk_gpu_cut *cut) {
  double state = 8.0 * (s->pass->state.values + s->pass->state.positions);
  return s->fixed + (double)cut->raw + state * (double)cut->ld * (1 + cut->parts) +
         (double)rk_packed_bytes(s->pass, s->shape, RK_NEST_ROW, cut->rows) +
         (double)rk_packed_bytes(s->pass, s->shape, RK_NEST_COLUMN, cut->columns) * cut->buffers;
}

/* Every cut fits and covers; what is said to be needed is enough. */
static void check_cut(const rk_gpu_sizes *s, int *bad) {
  rk_gpu_cut cut;
  double least;
  if (!rk_gpu_cut_choose(s, &cut, &least)) {
    rk_gpu_sizes larger = *s;
    larger.budget = least;
    *bad += !(least > s->budget) || !rk_gpu_cut_choose(&larger, &cut, &least);
    return;
  }
  *bad += bytes_of(s, &cut) > s->budget;
  int64_t row_block = s->shape->row_block, column_block = s->shape->column_block;
  *bad += cut.rows < 1 || cut.columns < 1 || cut.part < 1 || cut.parts < 1 || cut.parts > 65535;
  *bad += cut.rows < s->rows && cut.rows % row_block;
  *bad += cut.columns < s->columns && cut.columns % column_block;
  *bad += cut.part % column_block != 0 || cut.launch_columns != cut.part * cut.parts;
  *bad += cut.launch_rows < cut.rows && cut.launch_rows % row_block;
  *bad += cut.launch_rows >= 1 << 28 || cut.launch_columns >= 1 << 28;
  *bad += cut.buffers != (cut.columns < s->columns ? 2 : 1);
  *bad += cut.ld < cut.rows;
  *bad += cut.direct && (cut.parts > 1 || cut.launch_columns < s->columns);
}

static void test_cuts(const char *text, rk_precision precision, int D, int E) {
  cloud *c = cloud_new(1, 1, D, E, 0, 0);
  rk_options options = {.precision = precision};
  planned p;
  rk_status status = plan_text(&p, text, c->declaration, INPUTS, &options);
  CHECK(!status, "a pass is planned");
  rk_gpu_shape shape = {0};
  if (!status) shape = rk_gpu_shape_choose(&p.pass, RK_GPU_ALL);
  rk_device_limits limits = {.multiprocessors = 132, .blocks = 32, .threads = 2048,
                             .clock = 1980000, .double_ratio = 2};
  int bad = 0;
  for (int k = 0; k < 20000 && !status; k++) {
    rk_gpu_sizes s = {.pass = &p.pass, .shape = &shape, .limits = &limits,
                      .rows = 1 + (int64_t)exp(uniform() * 22),
                      .columns = 1 + (int64_t)exp(uniform() * 22),
                      .budget = exp(8 + uniform() * 18), .fixed = 64};
    s.raw_dims[RK_NEST_ROW] = D;
    s.raw_dims[RK_NEST_COLUMN] = D + E;
    check_cut(&s, &bad);
  }
  CHECK(!bad, "twenty thousand cuts fit and cover");
  free_planned(&p);
  cloud_free(c);
}

int main(void) {
  begin_seeded();
  test_cuts("Sum_Reduction(Exp(-p*SqDist(x,y))*b, j)", RK_FLOAT32, 10, 3);
  test_cuts("Sum_Reduction(b/(1+SqDist(x,y)), j)", RK_FLOAT64, 100, 100);
  test_cuts("KMin_ArgKMin_Reduction(SqDist(x,y), 10, j)", RK_FLOAT16, 3, 1);
  return check_end();
}
