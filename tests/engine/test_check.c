/* The checker of plans (src/engine/plan/check.h): a plan that holds, one thing in it broken, and
 * the rule that says so. */
#include "planned.h"

#include "formula/operations.h"
#include "plan/check.h"

static const char *const declarations[] = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "s=Pm(1)"};

static const char gaussian[] = "Sum_Reduction(Exp(-s*SqDist(x,y))*b, j)";
static const char rows[] = "Sum_Reduction(Exp(-SqDist(x,y))/SqNorm2(x), j)";
static const char vectors[] = "Sum_Reduction(x-y, j)";
static const char lists[] = "KMin_ArgKMin_Reduction(SqDist(x,y), 3, j)";
static const char panels[] =
    "Sum_Reduction(Concat(Exp(x-y), Sin(x-y)) * Sum(Exp(x-y)) * Sum(Sin(x-y)), j)";

/* ---- what is in a plan ---- */

static rk_nest *pairs(rk_pass *pass) { return &pass->nest[RK_NEST_PAIR]; }

/* Nodes are unique and so constant; these are broken on purpose. */
static rk_node *opened(const rk_node *node) { return (rk_node *)node; }

static const rk_node *first_of(const rk_nest *nest, rk_place place) {
  for (int k = 0; k < nest->nodes; k++)
    if (nest->place[nest->node[k]->number] == place) return nest->node[k];
  return NULL;
}

static unsigned char *place_of_first(rk_nest *nest, rk_place place) {
  return &nest->place[first_of(nest, place)->number];
}

/* ---- what is broken ---- */

static void break_numbers(rk_pass *p) { opened(pairs(p)->node[0])->operand[0] = p->reduction; }
static void break_definition(rk_pass *p) {
  opened(first_of(pairs(p), RK_LOCAL))->operation = rk_operation_of(RK_OP_SqNorm2);
}
static void break_dim(rk_pass *p) { opened(first_of(pairs(p), RK_LOCAL))->dim = 2; }
static void break_variable(rk_pass *p) { opened(p->nest[RK_NEST_ROW].root[0])->dim++; }
static void break_level(rk_pass *p) { opened(pairs(p)->node[0])->level = RK_LEVEL_I; }
static void break_index(rk_pass *p) { opened(p->reduction)->integer[2] = RK_KIND_I; }
static void break_state_K(rk_pass *p) { p->state.K++; }
static void break_state_values(rk_pass *p) { p->state.values--; }
static void break_state_positions(rk_pass *p) { p->state.positions = 0; }
static void break_reduced(rk_pass *p) { pairs(p)->root[0] = first_of(pairs(p), RK_SCALAR); }
static void break_slot_level(rk_pass *p) {
  p->slots[RK_NEST_ROW].slot[0].node = p->slots[RK_NEST_COLUMN].slot[0].node;
}
static void break_slot_offset(rk_pass *p) { p->slots[RK_NEST_COLUMN].slot[1].offset--; }
static void break_slot_size(rk_pass *p) { p->slots[RK_NEST_COLUMN].size--; }
static void break_slot_count(rk_pass *p) { p->slots[RK_NEST_COLUMN].count--; }
static void break_slot_root(rk_pass *p) {
  p->nest[RK_NEST_COLUMN].root[1] = p->nest[RK_NEST_COLUMN].root[0];
}

static void break_inline(rk_pass *p) { *place_of_first(pairs(p), RK_LOCAL) = RK_INLINE; }
static void break_vector(rk_pass *p) { *place_of_first(pairs(p), RK_PANEL) = RK_SCALAR; }
static void break_once(rk_pass *p) { pairs(p)->node[2] = pairs(p)->node[1]; }
static void break_loop(rk_pass *p) { pairs(p)->step[0].dim++; }
static void break_nest_level(rk_pass *p) {
  rk_nest *nest = &p->nest[RK_NEST_ROW];
  const rk_node *sum = first_of(pairs(p), RK_SCALAR);
  nest->place[sum->number] = RK_SCALAR;
  nest->node[0] = sum;
}
static void break_steps(rk_pass *p) { pairs(p)->step[1].count--; pairs(p)->step[1].first++; }
static void break_step_count(rk_pass *p) { pairs(p)->step[pairs(p)->steps - 1].count--; }
static void break_order(rk_pass *p) {
  const rk_node **node = &pairs(p)->node[pairs(p)->step[1].first], *first = node[0];
  node[0] = node[1];
  node[1] = first;
}
static void break_loops(rk_pass *p) { /* what reads is made beside what it reads */
  rk_nest *nest = pairs(p);
  nest->step[0].count += nest->step[1].count;
  nest->step[1].first += nest->step[1].count;
  nest->step[1].count = 0;
}
static void break_never(rk_pass *p) {
  pairs(p)->place[first_of(pairs(p), RK_SCALAR)->operand[0]->number] = RK_PANEL;
}
static void break_kept(rk_pass *p) { *place_of_first(pairs(p), RK_SCALAR) = RK_LOCAL; }
static void break_root(rk_pass *p) { pairs(p)->place[pairs(p)->root[0]->number] = RK_LOCAL; }
static void break_slot(rk_pass *p) { p->slots[RK_NEST_ROW].count = 0; }
static void break_record(rk_pass *p) { pairs(p)->kind = RK_NEST_COLUMN; }
static void break_variables(rk_pass *p) { p->variables = 0; }
static void break_bounds(rk_pass *p) {
  pairs(p)->at[first_of(pairs(p), RK_PANEL)->number] = pairs(p)->panel - 1;
}
static void break_overlap(rk_pass *p) {
  for (int k = 0; k < pairs(p)->nodes; k++)
    if (pairs(p)->place[pairs(p)->node[k]->number] == RK_PANEL)
      pairs(p)->at[pairs(p)->node[k]->number] = 0;
}

/* ---- the rules ---- */

static rk_status check_formula(const rk_pass *pass, rk_error *error) {
  return rk_check_graph(pass->graph, &pass->reduction, 1, "planning", error);
}
static rk_status check_pairs(const rk_pass *pass, rk_error *error) {
  return rk_check_nest(pass, RK_NEST_PAIR, error);
}
static rk_status check_rows(const rk_pass *pass, rk_error *error) {
  return rk_check_nest(pass, RK_NEST_ROW, error);
}

typedef struct {
  const char *text;
  void (*break_it)(rk_pass *pass);
  rk_status (*check)(const rk_pass *pass, rk_error *error);
  const char *rule;
} broken;

static const broken cases[] = {
  {gaussian, break_numbers, check_formula, "operands have smaller numbers"},
  {gaussian, break_definition, check_formula, "definitions, compositions and derivatives are gone"},
  {gaussian, break_dim, check_formula, "dimensions are those of the table"},
  {vectors, break_variable, check_formula, "dimensions are those of the table"},
  {gaussian, break_level, check_formula, "levels are the union of the operands'"},
  {gaussian, break_index, check_formula, "a reduction reads its two indices only"},
  {lists, break_state_K, rk_check_pass, "states are laid out as the reduction says"},
  {lists, break_state_values, rk_check_pass, "states are laid out as the reduction says"},
  {lists, break_state_positions, rk_check_pass, "states are laid out as the reduction says"},
  {gaussian, break_reduced, rk_check_pass, "the pair nest makes what is reduced"},
  {gaussian, break_slot_level, rk_check_pass, "rows: a slot is of its level"},
  {gaussian, break_slot_offset, rk_check_pass, "columns: slots lie one after the other"},
  {gaussian, break_slot_size, rk_check_pass, "columns: a record is as long as its slots"},
  {gaussian, break_slot_count, rk_check_pass, "columns: a nest fills the slots of its level"},
  {gaussian, break_slot_root, rk_check_pass, "columns: a nest fills the slots of its level"},
  {gaussian, break_inline, check_pairs, "a step makes what is kept"},
  {panels, break_vector, check_pairs, "vectors are kept in panels"},
  {gaussian, break_once, check_pairs, "a value is written once"},
  {gaussian, break_loop, check_pairs, "a loop has the length of its values"},
  {rows, break_nest_level, check_rows, "a nest makes values of its level"},
  {gaussian, break_steps, check_pairs, "steps follow each other"},
  {gaussian, break_step_count, check_pairs, "each value has a step"},
  {gaussian, break_order, check_pairs, "a value is written before it is read"},
  {panels, break_loops, check_pairs, "a value is written before it is read"},
  {gaussian, break_never, check_pairs, "a value is written before it is read"},
  {gaussian, break_kept, check_pairs, "what later steps read is kept"},
  {gaussian, break_root, check_pairs, "what later steps read is kept"},
  {gaussian, break_slot, check_pairs, "what another level makes has a slot"},
  {vectors, break_record, check_pairs, "a record is filled before it is read"},
  {gaussian, break_variables, check_rows, "variables have a place in calls"},
  {panels, break_bounds, check_pairs, "what is kept lies in tile memory"},
  {panels, break_overlap, check_pairs, "what lives at one time does not overlap"}};

static void test_rule(const broken *c) {
  const rk_options options = {.precision = RK_FLOAT32};
  planned p;
  rk_status status = plan_text(&p, c->text, declarations, 4, &options);
  if (CHECK(!status && !c->check(&p.pass, &last), c->text)) {
    c->break_it(&p.pass);
    CHECK(c->check(&p.pass, &last) == RK_ERROR_INTERNAL && said(c->rule), c->rule);
  } else printf("  %s\n", last.message);
  free_planned(&p);
}

/* The pipeline itself asks: a definition where the parser should have left none. */
static void test_planning_checks(void) {
  const rk_options options = {.precision = RK_FLOAT32};
  const rk_node *root[RK_MAX_RESULTS];
  rk_error error = {0};
  rk_passes made;
  int roots;
  rk_graph *graph = rk_graph_new();
  CHECK(!rk_parse_program(graph, gaussian, declarations, 4, root, &roots, &error), gaussian);
  opened(root[0]->operand[0])->level = RK_LEVEL_I;
  CHECK(rk_plan_program(graph, root, roots, &options, &made, &error) == RK_ERROR_INTERNAL &&
            strstr(error.message, "after means: levels"),
        "planning checks what each of its passes made");
  free(made.planned);
  rk_graph_free(graph);
}

int main(void) {
  check_configure();
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) test_rule(&cases[k]);
  test_planning_checks();
  return check_end();
}
