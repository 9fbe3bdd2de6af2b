/* Sums of many terms in their own type, for both targets. The same form of sections as lanes.h,
 * pasted after tile.h or tile_cuda.h. */

//@ sum_same
/* Lanes summed in their own type. */
typedef struct { vec lane; } rk_sum_same;
RK_INLINE void rk_sum_same_start(rk_sum_same *sum) { sum->lane = rk_num(0); }
RK_INLINE void rk_sum_same_add(rk_sum_same *sum, vec a) { sum->lane += a; }
RK_INLINE void rk_sum_same_scale(rk_sum_same *sum, vec factor) { sum->lane *= factor; }
RK_INLINE double rk_sum_same_lane(const rk_sum_same *sum, int l) { return rk_lane(sum->lane, l); }

//@ sum_kahan
/* Kahan's compensated sum: `rest` is what the sum is too large by; 0 once the sum is infinite. */
typedef struct { vec lane, rest; } rk_sum_kahan;
RK_INLINE void rk_sum_kahan_start(rk_sum_kahan *sum) { sum->lane = sum->rest = rk_num(0); }
RK_INLINE void rk_sum_kahan_add(rk_sum_kahan *sum, vec a) {
  const vec term = a - sum->rest, next = sum->lane + term;
  const vec rest = (next - sum->lane) - term;
  sum->rest = rk_where(rest - rest == 0, rest);
  sum->lane = next;
}
RK_INLINE void rk_sum_kahan_scale(rk_sum_kahan *sum, vec factor) {
  sum->lane *= factor;
  sum->rest *= factor;
}
RK_INLINE double rk_sum_kahan_lane(const rk_sum_kahan *sum, int l) {
  return (double)rk_lane(sum->lane, l) - (double)rk_lane(sum->rest, l);
}
