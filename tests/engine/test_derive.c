/* Derivatives: how large their graphs are, that what is not selected gives 0, and what is refused.
 * (Values, to second order: test_random and, of all that the tables have, test-gradient.R.) */
#include "check.h"

#include "derive/derive.h"
#include "formula/parser.h"

/* ---- size of graphs ---- */

/* How often a word is in the printed graph of a formula without its derivatives. */
static int count_of(const char *word, const char *text, const char *const *declarations, int n) {
  const rk_node *root[RK_MAX_RESULTS];
  int roots, place, count = 0;
  rk_error error;
  rk_text out = {0};
  rk_graph *graph = rk_graph_new();
  if (rk_parse_program(graph, text, declarations, n, root, &roots, &error) ||
      rk_derive(graph, root, roots, &place, &error))
    printf("%s: %s\n", text, error.message);
  else if (!rk_graph_print(graph, root, roots, &out))
    for (const char *at = rk_text_string(&out); (at = strstr(at, word)); at++) count++;
  rk_text_free(&out);
  rk_graph_free(graph);
  return count;
}

static int nodes_of(const char *text, const char *const *declarations, int n) {
  return count_of("\n", text, declarations, n);
}

/* Adds a text with `value` in place of each @. */
static void add_with(rk_text *text, const char *pattern, const char *value) {
  for (const char *at = pattern; *at; at++)
    if (*at == '@') rk_text_add(text, value);
    else rk_text_bytes(text, at, 1);
}

/* Nodes of the derivative of that order of n steps z <- step(z). */
static int chain(const char *step, int n, int order) {
  const char *declarations[] = {"x=Vi(3)", "y=Vj(3)", "e0=Vi(1)", "e1=Vi(3)", "e2=Vi(3)"};
  rk_text text = {0};
  rk_text_add(&text, "z0=x;");
  for (int k = 0; k < n; k++) {
    char last[16];
    snprintf(last, sizeof last, "z%d", k);
    rk_text_format(&text, "z%d=", k + 1);
    add_with(&text, step, last);
    rk_text_add(&text, ";");
  }
  for (int k = 0; k < order; k++) rk_text_add(&text, "Grad(");
  rk_text_format(&text, "Sum_Reduction(z%d|y,j)", n);
  for (int k = 0; k < order; k++) rk_text_format(&text, ",x,e%d)", k);
  int nodes = nodes_of(rk_text_string(&text), declarations, 5);
  rk_text_free(&text);
  return nodes;
}

static void check_growth(void) {
  static const struct { const char *step; int operations; } steps[] = {
    {"Sin(@)", 1}, {"Exp(@)", 1}, {"@*@+x", 2}, {"Sqrt(@)", 1}, {"Powf(@,y)", 2},
    {"@/(Square(x)+@)", 2}, {"Sum(@*x)*@", 3}, {"IfElse(x,Tanh(@),Atan(@))", 3},
    {"Where(x<y,Exp(@),@)", 3}, {"Where(@<y,Sin(@),@)", 4}, {"Where(@<y,Exp(@),0)", 3},
    {"Where(@<y,Square(@),x)", 4}, {"IfElse(@-y,@*Where(@<x,Log(@),Sin(@)),0)", 6},
    {"ReLU(@*@-x)", 4}, {"Clamp(Sin(@),x,@)", 6}, {"Max(@)*x+@", 6},
    {"MatVecMult(TensorProd(x,y),ReLU(@))", 8}};
  for (size_t s = 0; s < sizeof steps / sizeof *steps; s++)
    for (int order = 1, power = 6; order <= 3; order++, power *= 6) {
      int small = chain(steps[s].step, 10, order), middle = chain(steps[s].step, 20, order);
      int large = chain(steps[s].step, 40, order), more = chain(steps[s].step, 80, order);
      char what[160];
      snprintf(what, sizeof what, "%s, order %d: %d, %d, %d, %d nodes of 10, 20, 40, 80 steps",
               steps[s].step, order, small, middle, large, more);
      CHECK(small > 0 && large <= (40 * steps[s].operations + 8) * power, what);
      /* linear: the second half of the steps adds no more than twice what the first half did */
      CHECK(more - large <= 2.05 * (large - middle) && middle > small, what);
    }
}

/* What both sides of a test are made of counts everywhere; within one test lies the other. */
static void check_places(void) {
  static const char *const declarations[] = {"x=Vi(1)", "y=Vj(1)", "e=Vi(1)"};
  static const struct { const char *formula; int choices, words; } of[] = {
    {"Where(x<y,Sin(z),Cos(z))", 1, 0}, {"Where(x<y,Exp(z),z)", 1, 0},
    {"IfElse(x-y,Sin(z),Cos(z))", 1, 0}, {"Where(x<y,Log(z),0)", 1, 0},
    {"Where(x<y,Where(x<y,Log(z),z),0)", 1, 0}, {"Where(x<y,Where(0<x,Log(z),Sin(z)),0)", 2, 0},
    {"Where(x<y,Where(0<x,Log(z),0),0)", 1, 1}, {"z*Where(x<y,Log(z),0)", 2, 0},
    {"Where(x<y,Log(z),0)+Where(0<x,Exp(z),0)", 3, 1}, {"Exp(z)", 0, 0}};
  for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
    char text[160];
    snprintf(text, sizeof text, "z=SqDist(x,y);Grad(Sum_Reduction(%s,j),x,e)", of[k].formula);
    int choices = count_of("= Where", text, declarations, 3) +
                  count_of("= IfElse", text, declarations, 3);
    int words = count_of("= And", text, declarations, 3) + count_of("= Or", text, declarations, 3) +
                count_of("= Not ", text, declarations, 3);
    char line[240];
    snprintf(line, sizeof line, "%s: %d choices, %d words", text, choices, words);
    CHECK(choices <= of[k].choices && words <= of[k].words, line);
  }
}

/* ---- what is not selected ---- */

static const char *const kind_name[] = {"Vi", "Vj", "Pm"};

static double product(const double *a, const double *b, int n) {
  double sum = 0;
  for (int k = 0; k < n; k++) sum += a[k] * b[k];
  return sum;
}

/* Formulas with something infinite, or no number, behind a test, and the same without; sums of
 * exponentials, and the same spelled out. D is the squared distance, 0 on the diagonal E, where y_j
 * is x_j; exp(-p (s - t)) overflows if s < t. */
static const struct { const char *masked, *safe; int dim; rk_kind kept; } selections[] = {
  {"Sum_Reduction(Where(i!=j,Pow(D,-6)-p*Pow(D,-3),0),j)",
   "Sum_Reduction((Pow(D+E,-6)-p*Pow(D+E,-3))*(1-E),j)", 1, RK_KIND_I},
  {"Sum_Reduction(Where(i!=j,Inv(Norm2(x-y))*p,0),i)",
   "Sum_Reduction(Rsqrt(D)*p,i)", 1, RK_KIND_J},
  {"Sum_Reduction(IfElse(D-0.001,Log(D)*x*p,y),j)",
   "Sum_Reduction(Log(D+E)*(1-E)*x*p+y*E,j)", 2, RK_KIND_I},
  {"Sum_Reduction(Where(t<s,Exp(-p*(s-t))*x,0),j)",
   "Sum_Reduction(Where(t<s,Exp(-p*Where(t<s,s-t,0))*x,0),j)", 2, RK_KIND_I},
  {"Sum_Reduction(Where(i!=j,Where(D<2,Powf(D,-p),Log(D)),p)*p,i)",
   "Sum_Reduction((Where(D<2,Powf(D+E,-p),Log(D+E))*(1-E)+p*E)*p,i)", 1, RK_KIND_J},
  {"Sum_Reduction(ReLU(p-Inv(D))*x,j)", "Sum_Reduction(ReLU(p-Inv(D+E))*(1-E)*x,j)", 2,
   RK_KIND_I},
  {"Sum_Reduction(Clamp(Inv(D),p,2)*x,j)", "Sum_Reduction((Clamp(Inv(D+E),p,2)*(1-E)+2*E)*x,j)", 2,
   RK_KIND_I},
  {"Sum_Reduction(ClampInt(Inv(D),0,2)*x*p,j)",
   "Sum_Reduction((ClampInt(Inv(D+E),0,2)*(1-E)+2*E)*x*p,j)", 2, RK_KIND_I},
  {"Sum_Reduction(Max(Concat(x*p,Log(D)))+Min(Concat(Inv(D),y)),j)",
   "Sum_Reduction(Max(Concat(x*p,Log(D+E)-99*E))+Min(Concat(Inv(D+E)+99*E,y)),j)", 1, RK_KIND_I},
  {"Sum_Reduction(Sum(Where(x!=y,p/(x-y),0)*y),j)",
   "Sum_Reduction(Sum(p/(x-y+(x==y))*(x!=y)*y),j)", 1, RK_KIND_I},
  {"Sum_Reduction(Elem(Concat(Where(x!=y,Log(Abs(x-y)),x),p),0)*x,j)",
   "Sum_Reduction(Elem(Log(Abs(x-y)+(x==y))*(x!=y)+x*(x==y),0)*x,j)", 2, RK_KIND_I},
  {"Sum_Reduction(MatVecMult(Concat(x,y),ReLU(Log(Square(x-y))+p)),j)",
   "Sum_Reduction(MatVecMult(Concat(x,y),ReLU(Log(Square(x-y)+(x==y))*(x!=y)+p-99*(x==y))),j)", 2,
   RK_KIND_I},
  {"Sum_Reduction(Where(i!=j,ComplexDivide(x,x-y)*p,0),j)",
   "Sum_Reduction(ComplexDivide(x,x-y+Concat(E,0))*p*(1-E),j)", 2, RK_KIND_I},
  {"Sum_Reduction(Laplacian(Where(i!=j,Log(D)*p,0),x),j)",
   "Sum_Reduction(Laplacian(Log(D+E)*(1-E)*p,x),j)", 1, RK_KIND_I},
  {"Sum_Reduction(GradMatrix(Where(x!=y,Log(Abs(x-y)),x)*p,x)*Concat(x,y),j)",
   "Sum_Reduction(GradMatrix((Log(Abs(x-y)+(x==y))*(x!=y)+x*(x==y))*p,x)*Concat(x,y),j)", 4,
   RK_KIND_I},
  {"Sum_Reduction(Divergence(Where(x!=y,Inv(x-y),x)*y*p,x),j)",
   "Sum_Reduction(Divergence((Inv(x-y+(x==y))*(x!=y)+x*(x==y))*y*p,x),j)", 1, RK_KIND_I},
  {"Sum_Reduction(TraceOperator(Where(t<s,x*Exp(-p*(s-t))*y,x),x,y)*Sum(x),j)",
   "Sum_Reduction(Sum(Where(t<s,Exp(-p*Where(t<s,s-t,0))*y,1)*y)*Sum(x),j)", 1, RK_KIND_I},
  {"LogSumExp_Reduction(Where(i!=j,-p*Log(D),-1),j)",
   "LogSumExp_Reduction(-p*Log(D+E)*(1-E)-E,j)", 1, RK_KIND_I},
  {"SumSoftMaxWeight_Reduction(Where(i!=j,-p*Inv(D),-1),Where(x!=y,Inv(x-y),p),j)",
   "SumSoftMaxWeight_Reduction(-p*Inv(D+E)*(1-E)-E,Inv(x-y+(x==y))*(x!=y)+p*(x==y),j)", 2,
   RK_KIND_I},
  {"LogSumExp_Reduction(Sum(x*y)*p,Exp(y),j)", "Log(Sum_Reduction(Exp(Sum(x*y)*p)*Exp(y),j))", 2,
   RK_KIND_I},
  {"LogSumExp_Reduction(Sum(x*y)*p,i)", "Log(Sum_Reduction(Exp(Sum(x*y)*p),i))", 1, RK_KIND_J},
  {"SumSoftMaxWeight_Reduction(-D*p,y*p,j)",
   "Sum_Reduction(Exp(-D*p)*y*p,j)/Sum_Reduction(Exp(-D*p),j)", 2, RK_KIND_I},
  {"Sum_Reduction(Exp(Sum(x*y)-LogSumExp_Reduction(Sum(x*y)*p,j))*y*p,j)",
   "Sum_Reduction(Exp(Sum(x*y))*y*p,j)/Sum_Reduction(Exp(Sum(x*y)*p),j)", 2, RK_KIND_I},
  {"Min_Reduction(Inv(D)*p,j)", "Min_Reduction(Where(E<1,Inv(D+E),99)*p,j)", 1, RK_KIND_I},
  {"Max_Reduction(Log(Square(x-y))*p,i)",
   "Max_Reduction(Where(x==y,-99,Log(Square(x-y)+(x==y))*p),i)", 2, RK_KIND_J},
  {"KMin_Reduction(Inv(Square(x-y))*p,2,j)",
   "KMin_Reduction(Where(x==y,99+j,Inv(Square(x-y)+(x==y)))*p,2,j)", 4, RK_KIND_I},
  {"Sum_Reduction(Where(And(s!=3,t<9),Exp(-t)*x/Sum_Reduction(p*Sum(y)/(s-3),j),0),j)",
   "Sum_Reduction(Where(And(s!=3,t<9),Exp(-t)*x*(s-3)/Sum_Reduction(p*Sum(y),j),0),j)", 2,
   RK_KIND_I},
  {"Where(s!=3,x*Sum_Reduction(p*y/(s-3),j),x)",
   "Where(s!=3,x/(s-3+(s==3))*Sum_Reduction(p*y,j),x)", 2, RK_KIND_I},
};
enum { SELECTIONS = sizeof selections / sizeof *selections, SIDES = 6, EACH = 8 };

/* What is asked for, of both formulas: derivatives by a variable of each kind, along u, v and q. */
static const char *const asked[EACH] = {
  "Grad(@,x,e)", "Grad(@,y,e)", "Grad(@,p,e)", "Diff(@,x,u)", "Diff(@,y,v)", "Diff(@,p,q)",
  "Diff(Grad(@,x,e),y,v)", "Grad(Grad(@,x,e),p,u)"};

static rk_program *selection_program(int k, rk_precision precision) {
  const char *declarations[] = {"x=Vi(2)", "y=Vj(2)", "p=Pm(1)", "s=Vi(1)", "t=Vj(1)", "i=Vi(1)",
                                "j=Vj(1)", "u=Vi(2)", "v=Vj(2)", "q=Pm(1)", NULL};
  char cotangent[16];
  rk_text text = {0};
  snprintf(cotangent, sizeof cotangent, "e=%s(%d)", kind_name[selections[k].kept],
           selections[k].dim);
  declarations[10] = cotangent;
  rk_text_add(&text, "D=SqDist(x,y);E=0+(i==j);");
  for (int a = 0; a < EACH; a++) {
    add_with(&text, asked[a], selections[k].masked);
    rk_text_add(&text, ",");
    add_with(&text, asked[a], selections[k].safe);
    if (a < EACH - 1) rk_text_add(&text, ",");
  }
  rk_program *program = program_of(rk_text_string(&text), declarations, 11, precision);
  CHECK(program != NULL, selections[k].masked);
  rk_text_free(&text);
  return program;
}

/* Both of one derivative: numbers, and the same. */
static void compare_selection(int k, int a, const double *masked, const double *safe, int n,
                              double bound) {
  double worst = 0, scale = 1;
  for (int c = 0; c < n; c++) {
    double error = fabs(masked[c] - safe[c]);
    if (!(error <= worst)) worst = error;
    if (fabs(safe[c]) > scale) scale = fabs(safe[c]);
  }
  char line[300];
  snprintf(line, sizeof line, "%s of %s: differs by %.3g of %.3g", asked[a], selections[k].masked,
           worst, scale);
  CHECK(worst <= bound * scale, line);
}

static void check_selection(int k, rk_program *program, const rk_array *inputs, double bound) {
  static double out[2 * EACH][SIDES * 4];
  static const int direction[] = {7, 8, 9};
  rk_output outputs[2 * EACH];
  rk_error error;
  if (!program) return;
  for (int r = 0; r < 2 * EACH; r++) {
    memset(out[r], 0, sizeof out[r]);
    outputs[r] = (rk_output){.type = RK_OUT_DOUBLE, .data = out[r]};
  }
  if (!CHECK(rk_run(program, inputs, 11, outputs, NULL, NULL, &error) == RK_OK,
             selections[k].masked)) return;
  for (int a = 0; a < EACH; a++)
    compare_selection(k, a, out[2 * a], out[2 * a + 1], SIDES * 4, bound);
  for (int d = 0; d < 3; d++) {
    const rk_array *u = &inputs[direction[d]], *e = &inputs[10];
    int along = (int)u->rows * u->dim, result = (int)e->rows * e->dim;
    double left = product(e->data, out[2 * (3 + d)], result);
    double right = product(u->data, out[2 * d], along), size = 1;
    for (int c = 0; c < along; c++) size += fabs(((const double *)u->data)[c] * out[2 * d][c]);
    CHECK(fabs(left - right) <= bound * size, selections[k].masked);
  }
}

/* To compile takes longer than all the rest: one precision of each, that which the small run leaves
 * out; both in a full run. */
static int is_asked(int k) {
  return getenv("RKEOPS_TEST_FULL") || (k / 2 + k + check_is_small()) % 2;
}

static void check_selections(void) {
  static const double times[SIDES] = {1, 500, 3, 2000, 7, 10};
  rk_program *all[2 * SELECTIONS], *made[2 * SELECTIONS];
  int n = 0;
  double index[SIDES], x[SIDES * 2], p = 1.3, q = -0.7;
  double *u = random_numbers(SIDES * 2, -1, 1), *v = random_numbers(SIDES * 2, -1, 1);
  double *e = random_numbers(SIDES * 4, -1, 1);
  rk_error error;
  for (int k = 0; k < SIDES; k++) index[k] = k;
  for (int k = 0; k < 2 * SIDES; k++) x[k] = 0.3 + 1.7 * fmod(k * 0.618, 1); /* apart */
  for (int k = 0; k < 2 * SELECTIONS; k++) {
    all[k] = NULL;
    if (is_asked(k) && (all[k] = selection_program(k / 2, k % 2 ? RK_FLOAT64 : RK_FLOAT32)))
      made[n++] = all[k];
  }
  if (rk_build_many(made, n, NULL, NULL, &error) != RK_OK) CHECK(0, error.message);
  for (int k = 0; k < 2 * SELECTIONS; k++) {
    const rk_array inputs[] = {
      columns_of(x, SIDES, 2), columns_of(x, SIDES, 2), columns_of(&p, 1, 1),
      columns_of(times, SIDES, 1), columns_of(times, SIDES, 1), columns_of(index, SIDES, 1),
      columns_of(index, SIDES, 1), columns_of(u, SIDES, 2), columns_of(v, SIDES, 2),
      columns_of(&q, 1, 1), columns_of(e, SIDES, selections[k / 2].dim)};
    check_selection(k / 2, all[k], inputs, k % 2 ? 1e-11 : 1e-3);
  }
  free(u);
  free(v);
  free(e);
}

/* ---- what is refused ---- */

/* Over no pairs a gradient is 0, whichever reduction it is of. */
static void check_nothing(void) {
  enum { M = 5 };
  static const char *const declarations[] = {"x=Vi(3)", "y=Vj(3)", "e=Vi(1)"};
  static const char *const texts[] = {
    "Grad(LogSumExp_Reduction(SqDist(x,y),j),x,e)", "Grad(Sum_Reduction(SqDist(x,y),j),x,e)",
    "Grad(Min_Reduction(SqDist(x,y),j),x,e)", "Diff(LogSumExp_Reduction(SqDist(x,y),j),x,x)",
    "Grad(LogSumExp_Reduction(SqDist(x,y),Exp(y),j),x,SumT(e,3))"};
  const double x[M * 3] = {1}, e[M] = {1, 1, 1, 1, 1};
  for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
    double out[M * 3];
    rk_error error;
    rk_program *program = program_of(texts[k], declarations, 3, RK_FLOAT32);
    const rk_array inputs[] = {columns_of(x, M, 3), columns_of(x, 0, 3), columns_of(e, M, 1)};
    int zeros = program && run_values(program, inputs, 3, out, &error) == RK_OK;
    int size = program ? M * rk_program_info_of(program)->result->field[0].dim : 0;
    for (int c = 0; c < size; c++) zeros &= out[c] == 0;
    CHECK(zeros, texts[k]);
  }
}

static void check_refusals(void) {
  static const char *const declarations[] = {"x=Vi(3)", "y=Vj(3)", "p=Pm(2)",
                                             "e=Vi(3)", "f=Vj(3)", "s=Vi(1)"};
  static const char *const cases[][3] = {
    {"Grad(Sum_Reduction(x-y,j),x+y,e)", "expected a variable as second argument", "Grad"},
    {"Grad(Sum_Reduction(x-y,j),x,s)", "cotangent of dimension 3, found dimension 1", "Grad"},
    {"Grad(Sum_Reduction(x-y,j),q,x)", "unknown name 'q'", "q"},
    {"Grad(Sum_Reduction(x-y,j),x,f)", "expected a cotangent that is indexed by i", "Grad"},
    {"Diff(Sum_Reduction(x-y,j),x,f)", "expected a direction that is indexed by i", "Diff"},
    {"Diff(Sum_Reduction(x-y,j),x,s)", "direction of dimension 3, found dimension 1", "Diff"},
    {"Grad(Sum_Reduction(x-y,j))", "expected 2 to 3 arguments, found 1", "Grad"},
    {"Grad(Sum_Reduction(x-y,j),x,e,e)", "expected 2 to 3 arguments, found more", "e)"},
    {"Grad(Max_SumShiftExp_Reduction(x|y,j),x,Extract(e,0,2))", "has no derivative", "Grad"},
    {"2*Sum_Reduction(Laplacian(x,x),j)", "formula of dimension 1, found 3", "Laplacian"},
    {"Sum_Reduction(Divergence(x,p),j)", "dimension of the variable, 2, found 3", "Divergence"},
    {"Sum_Reduction(Divergence(Sum(x),x),j)",
     "dimension of the variable, 3, found 1", "Divergence"},
    {"Sum_Reduction(Grad(x*y,(x,y)),j)", "expected one variable, found a list of 2", "Grad"},
    {"Sum_Reduction(GradMatrix(x*y,[x,y]),j)", "expected one variable", "GradMatrix"},
    {"Sum_Reduction(Zero(0),j)", "expected a dimension from 1 to 65535, found 0", "Zero"},
    {"Zero_Reduction(70000,j)", "expected a dimension from 1 to 65535, found 70000", "Zero"},
    {"Sum_Reduction(Kron(x,y,dims=[3],[3]),j)", "unknown keyword 'dims'", "dims"},
    {"Sum_Reduction(TensorDot(x,y,[3],[3],[],[],order=[1,0]),j)",
     "unknown keyword 'order'", "order"},
    {"Sum_Reduction(AdjointOperator(Sin(x),x,e),j)", "linear in the variable", "Adjoint"},
    {"Sum_Reduction(TraceOperator(x*x,x),j)", "linear in the variable", "Trace"},
    {"Sum_Reduction(Grad(x*y,p,Sum(x)),j)", "cotangent of dimension 3", "Grad"},
    {"L=LogSumExp_Reduction(x|y,j);Sum_Reduction(Grad(L*y,x,y),j)",
     "expression of pairs through LogSumExp_Reduction", "Grad"},
    {"x*Sum_Reduction(y,j)*y", "expected a reduction", "x*Sum"}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
    refuse(cases[k][0], declarations, 6, cases[k][1], cases[k][2]);
}

int main(void) {
  check_configure();
  check_growth();
  check_refusals();
  check_nothing();
  check_places();
  check_selections();
  return check_end();
}
