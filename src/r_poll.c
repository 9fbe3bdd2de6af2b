/* What happens while the engine works: the user may interrupt, and a long call shows how far it
 * is, by a bar or, in scripts, by lines. Both may jump, so they run inside R_ToplevelExec(): an
 * interrupt ends there, the engine is told to cancel, and R code raises the interrupt again
 * afterwards. An error (setTimeLimit() makes one) is caught, kept in `found` and raised again in
 * the same way.
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
  state.progress = options_of(options)->progress;
  state.line_every = options_of(options)->line_every;
  state.drawn = state.started;
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

static void add_line(poll_step *step) {
  REprintf("rkeops: %.0f %%, %.0f s\n", 100 * step->done, step->now - step->state->started);
  step->state->drawn = step->now;
}

static void show_progress(poll_step *step) {
  const poll_state *state = step->state;
  if (step->done < 0) return; /* not known */
  double since = step->now - state->drawn;
  if (state->progress == PROGRESS_lines && since >= state->line_every) add_line(step);
  if (state->progress == PROGRESS_bar && since > bar_every &&
      step->now - state->started > bar_after)
    show_bar(step);
}

static SEXP look_at_r(void *data) {
  show_progress(data);
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
