/* What happens while the engine works: the user may interrupt, and a long call shows how far it
 * is. Both may jump, so they run inside R_ToplevelExec(): an interrupt ends there, the engine is
 * told to cancel, and R code raises the interrupt again afterwards. An error (setTimeLimit() makes
 * one) is caught, kept in `found` and raised again in the same way.
 */
#include "r_glue.h"

enum { BAR_WIDTH = 40 };
static const double check_every = 0.02; /* seconds between two looks at R */
static const double bar_after = 2.0;    /* shorter calls show nothing */
static const double bar_every = 0.25;

poll_state poll_begin(SEXP options, SEXP found) {
  poll_state state = {0};
  state.found = found;
  state.started = state.checked = rk_seconds();
  state.allowed = option_number(options, "show_progress", 0) != 0;
  return state;
}

typedef struct {
  poll_state *state;
  double done, now;
} poll_step;

static void show_bar(poll_step *step) {
  char bar[BAR_WIDTH + 1];
  int filled = (int)(step->done * BAR_WIDTH);
  for (int k = 0; k < BAR_WIDTH; k++) bar[k] = k < filled ? '=' : ' ';
  bar[BAR_WIDTH] = 0;
  REprintf("\rrkeops [%s] %3.0f%% %.0f s", bar, 100 * step->done,
           step->now - step->state->started);
  step->state->shown = 1;
  step->state->drawn = step->now;
}

static SEXP look_at_r(void *data) {
  poll_step *step = data;
  poll_state *state = step->state;
  if (state->allowed && step->done >= 0 && step->now - state->started > bar_after &&
      step->now - state->drawn > bar_every)
    show_bar(step);
  R_CheckUserInterrupt();
  return R_NilValue;
}

static SEXP keep_condition(SEXP condition, void *data) {
  poll_step *step = data;
  SET_VECTOR_ELT(step->state->found, 0, condition);
  return R_NilValue;
}

static void look_and_keep(void *data) {
  R_tryCatchError(look_at_r, data, keep_condition, data);
}

int poll_r(void *data, double done) {
  poll_state *state = data;
  poll_step step = {state, done, rk_seconds()};
  if (step.now - state->checked < check_every) return 0;
  state->checked = step.now;
  if (!R_ToplevelExec(look_and_keep, &step)) return 1;
  return VECTOR_ELT(state->found, 0) != R_NilValue;
}

void poll_end(poll_state *state) {
  if (state->shown) REprintf("\r%*s\r", BAR_WIDTH + 30, "");
}
