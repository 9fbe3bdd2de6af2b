/* The vocabulary of emitted kernels: one set of short names for both types and both targets.
 *
 * Everything in the preludes has a name that ends in _32 or _64; the short names below stand for the
 * type that RK_TYPE names at that place. Pasted (or included) before lanes.h or cuda.h. */

//@ base
#ifndef RK_NAMES
#define RK_NAMES
#define RK_PASTE_(a, b) a##_##b
#define RK_PASTE(a, b) RK_PASTE_(a, b)
#define RK(name) RK_PASTE(name, RK_TYPE)

#define RK_LARGEST RK(RK_LARGEST) /* the largest finite number */
#define real RK(rk_real)   /* float, double */
#define rk_int RK(rk_int)  /* signed integer of the same size: positions */
#define vec RK(rk_vec)     /* RK_LANES reals */
#define ivec RK(rk_ivec)   /* RK_LANES signed integers */
#define uvec RK(rk_uvec)   /* RK_LANES unsigned integers: bit patterns */
#define mask RK(rk_mask)   /* one truth value per lane; only rk_ functions know its form */
#define rk_load RK(rk_load)
#define rk_store RK(rk_store)
#define rk_broadcast RK(rk_broadcast)
#define rk_ibroadcast RK(rk_ibroadcast)
#define rk_lt RK(rk_lt)
#define rk_le RK(rk_le)
#define rk_gt RK(rk_gt)
#define rk_ge RK(rk_ge)
#define rk_eq RK(rk_eq)
#define rk_ne RK(rk_ne)
#define rk_ilt RK(rk_ilt)
#define rk_and RK(rk_and)
#define rk_or RK(rk_or)
#define rk_not RK(rk_not)
#define rk_select RK(rk_select)
#define rk_iselect RK(rk_iselect)
#define rk_any RK(rk_any)
#define rk_all RK(rk_all)
#define rk_isnan RK(rk_isnan)
#define rk_truth RK(rk_truth)
#define rk_min RK(rk_min)
#define rk_max RK(rk_max)
#define rk_min_nan RK(rk_min_nan)
#define rk_max_nan RK(rk_max_nan)
#define rk_abs RK(rk_abs)
#define rk_copysign RK(rk_copysign)
#define rk_from_int RK(rk_from_int)
#define rk_lane_index RK(rk_lane_index)
#define rk_floor RK(rk_floor)
#define rk_round RK(rk_round)
#define rk_sqrt RK(rk_sqrt)
#define rk_rsqrt RK(rk_rsqrt)
#define rk_exp_tail RK(rk_exp_tail)
#define rk_exp RK(rk_exp)
#define rk_exp2 RK(rk_exp2)
#define rk_expm1 RK(rk_expm1)
#define rk_log RK(rk_log)
#define rk_log1p RK(rk_log1p)
#define rk_minus_n_pi RK(rk_minus_n_pi)
#define rk_sin_near RK(rk_sin_near)
#define rk_sin RK(rk_sin)
#define rk_cos RK(rk_cos)
#define rk_tanh RK(rk_tanh)
#define rk_sinh RK(rk_sinh)
#define rk_cosh RK(rk_cosh)
#define rk_asin RK(rk_asin)
#define rk_acos RK(rk_acos)
#define rk_atan RK(rk_atan)
#define rk_atan2 RK(rk_atan2)
#define rk_pow RK(rk_pow)
#define rk_powi RK(rk_powi)
#define rk_sign RK(rk_sign)
#define rk_step RK(rk_step)
#define rk_relu RK(rk_relu)
#define rk_xlogx RK(rk_xlogx)
#define rk_sinxdivx RK(rk_sinxdivx)
#define rk_softmin RK(rk_softmin)
#define rk_mod RK(rk_mod)
#define rk_rank RK(rk_rank)
#define rk_sum_wide RK(rk_sum_wide)
#define rk_sum_wide_start RK(rk_sum_wide_start)
#define rk_sum_wide_add RK(rk_sum_wide_add)
#define rk_sum_wide_scale RK(rk_sum_wide_scale)
#define rk_sum_wide_lane RK(rk_sum_wide_lane)
#define rk_sum_same RK(rk_sum_same)
#define rk_sum_same_start RK(rk_sum_same_start)
#define rk_sum_same_add RK(rk_sum_same_add)
#define rk_sum_same_scale RK(rk_sum_same_scale)
#define rk_sum_same_lane RK(rk_sum_same_lane)
#define rk_sum_kahan RK(rk_sum_kahan)
#define rk_sum_kahan_start RK(rk_sum_kahan_start)
#define rk_sum_kahan_add RK(rk_sum_kahan_add)
#define rk_sum_kahan_scale RK(rk_sum_kahan_scale)
#define rk_sum_kahan_lane RK(rk_sum_kahan_lane)
#endif
