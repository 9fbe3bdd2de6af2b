/* The kernel of text RK_TEXT in the type that RK_TYPE names. A state that has room for many
 * components (RK_LARGE) stays where it is. */
#if RK_TYPE == 64 || !defined(RK_DOUBLE_ONLY)
#if RK_LARGE
#define RK_TAKE_UP(state, z) rk_state *const z = state
#define RK_PUT_BACK(state, z) (void)z
#else
#define RK_TAKE_UP(state, z) rk_state local = *state, *const z = &local
#define RK_PUT_BACK(state, z) *state = local
#endif
#include "kernels/texts.def"
enum { rk_stride = RK_STRIDE };
#undef RK_TAKE_UP
#undef RK_PUT_BACK
#endif
#undef RK_LARGE
#undef RK_TEXT
#undef RK_TYPE
