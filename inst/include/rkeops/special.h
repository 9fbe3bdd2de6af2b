/* Special functions, for both targets. The same form of sections as lanes.h, pasted after all
 * others; what they call there is pasted too. Errors are measured by tests/engine/test_special.c,
 * where eps is 2^-23 (float) or 2^-52 (double). */

//@ log_gamma
/* log Gamma(x) for x > 0: Inf at 0, NaN below. Stirling's series from 8 on; smaller x are moved
 * there by Gamma(x) = Gamma(x + 8) / (x (x + 1) ... (x + 7)). Error at most 4 eps of the value, or
 * 40 eps. */
RK_CALLED vec rk_lgamma(vec x)
{
    mask near = rk_lt(x, rk_num(8));
    vec y = rk_select(near, x + rk_num(8), x), product = x;
    for (int k = 1; k < 8; k++)
        product = product * (x + rk_num(k));
    vec over = rk_num(1) / y, z = over * over;
    vec p = z * rk_num(1.0 / 156) - rk_num(691.0 / 360360);
    if (RK_TYPE == 64)
        p = (z * rk_num(43867.0 / 244188) - rk_num(3617.0 / 122400)) * (z * z) + p;
    p = p * z + rk_num(1.0 / 1188);
    p = p * z - rk_num(1.0 / 1680);
    p = p * z + rk_num(1.0 / 1260);
    p = p * z - rk_num(1.0 / 360);
    p = p * z + rk_num(1.0 / 12);
    vec log_y = rk_log(y), value = (y - rk_num(0.5)) * (log_y - rk_num(1));
    value = value + (p * over + rk_num(0.91893853320467274178 - 0.5));
    value = rk_select(near, value - rk_log(product), value);
    value = rk_select(rk_eq(x, rk_num(RK_INF)), x, value);
    return rk_select(rk_lt(x, rk_num(0)), rk_num(RK_NAN), value);
}

//@ polygamma
/* The derivative of order n + 1 of log Gamma(x) for x > 0: infinite at 0, NaN below. Stirling's
 * series, of x + 8 + n; each step of 1 adds (-1)^n n! / x^(n+1). Error at most 16 eps of the value,
 * for n = 0 of 1 where that is more. */
RK_CALLED vec rk_polygamma(vec x, int n)
{
    const double bernoulli[] = {1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66, -691.0 / 2730,
                                7.0 / 6, -3617.0 / 510, 43867.0 / 798, -174611.0 / 330};
    const int steps = 8 + n;
    vec y = x + rk_num(steps), over = rk_num(1) / y, z = over * over, series = rk_num(0);
    double rising[10], r = 0.5;
    if (n < 0)
        return rk_num(RK_NAN);
    for (int k = 0; k < 10; k++) { /* (n+1) ... (n+2k+1) / (2k+2)! */
        r = k ? r * (n + 2 * k) * (n + 2 * k + 1) / ((2 * k + 1) * (2 * k + 2)) : 0.5 * (n + 1);
        rising[k] = r * bernoulli[k];
    }
    for (int k = 9; k >= 0; k--)
        series = (series + rk_num(rising[k])) * z;
    vec sum = rk_num(0), first = over;
    for (int k = steps - 1; k >= 0; k--) {
        vec each = rk_num(1) / (x + rk_num(k)), term = each;
        for (int i = 1; i <= n; i++)
            term = term * (each * rk_num(i));
        sum = sum + term;
    }
    for (int i = 1; i < n; i++)
        first = first * (over * rk_num(i));
    vec value;
    if (n == 0)
        value = (rk_log(y) - (rk_num(0.5) * over + series)) - sum;
    else
        value = first * (rk_num(1) + rk_num(n) * (rk_num(0.5) * over + series)) + sum;
    if (n > 0 && n % 2 == 0)
        value = -value;
    return rk_select(rk_lt(x, rk_num(0)), rk_num(RK_NAN), value);
}

//@ bessel_sum
/* The integral over all s of W(at + way s) exp(-a (e^s - 1 - s) - b (e^-s - 1 + s)): with u = peak
 * + s the exponential is exp(nu u - x cosh u) over its largest value, where nu >= 0, sinh(peak) =
 * nu / x, w^2 = nu^2 + x^2, and a, b = (w +- nu) / 2. W(l) is l^n, or by parts q_n with q_0 = over
 * and q_n = (l^n - n q_(n-1)) over. The error of the trapezoid rule falls exponentially: a step of
 * 0.74 / sqrt(w + 6 to 9) gives 15 digits, 1.04 / sqrt(w + 2 to 4) seven. u = 0 is a node, so that
 * u and -u, which differ by a factor, share an exponential. e^s - 1 - s comes from that of the
 * node before, without differences. */
RK_INLINED vec RK(rk_less_2)(vec s, vec *odd) /* cosh s - 1, sinh s - s for |s| < 0.7 */
{
    vec z = s * s, even = z * rk_num(1.0 / 479001600) + rk_num(1.0 / 3628800);
    vec p = z * rk_num(1.0 / 6227020800) + rk_num(1.0 / 39916800);
    even = (even * z + rk_num(1.0 / 40320)) * z + rk_num(1.0 / 720);
    p = (p * z + rk_num(1.0 / 362880)) * z + rk_num(1.0 / 5040);
    *odd = ((p * z + rk_num(1.0 / 120)) * z + rk_num(1.0 / 6)) * (z * s);
    return ((even * z + rk_num(1.0 / 24)) * z + rk_num(0.5)) * z;
}
RK_INLINED vec RK(rk_weight)(vec l, vec over, int n, int by_parts)
{
    vec q = over;
    if (!by_parts)
        return rk_powi(l, n);
    for (int k = 1; k <= n; k++)
        q = (rk_powi(l, k) - rk_num(k) * q) * over;
    return q;
}
typedef struct { vec a, b, nu, peak, at, way, over; } RK(rk_bessel);
/* Of peak + s and of -(peak + s), which has `more` for each of the first. */
RK_INLINED vec RK(rk_both_ways)(const RK(rk_bessel) *in, vec s, vec more, int n, int by_parts)
{
    if (n == 0 && !by_parts)
        return rk_num(1) + more;
    vec other = in->at - in->way * (rk_num(2) * in->peak + s);
    vec first = RK(rk_weight)(in->at + in->way * s, in->over, n, by_parts);
    return first + more * RK(rk_weight)(other, in->over, n, by_parts);
}
/* a (e^s - 1 - s) and b (e^-s - 1 + s) at nodes on one side, and what each step adds to them. */
typedef struct { vec rise, fall, rise_by, fall_by; } RK(rk_bessel_side);
RK_INLINED RK(rk_bessel_side) RK(rk_side)(vec a, vec b, vec s, vec up, vec down, vec h)
{
    vec odd, even = RK(rk_less_2)(s, &odd), more = up + h, less = h - down;
    RK(rk_bessel_side) side = {a * (even + odd), b * (even - odd), a * (up + s * more),
                               b * (down + s * less)};
    return side;
}
RK_INLINED vec RK(rk_next)(RK(rk_bessel_side) *side, vec up, vec down, vec rise, vec fall)
{
    side->rise = side->rise + (side->rise * up + side->rise_by);
    side->fall = side->fall - (side->fall * down - side->fall_by);
    side->rise_by = side->rise_by + rise;
    side->fall_by = side->fall_by + fall;
    return side->rise + side->fall;
}
RK_CALLED vec RK(rk_bessel_sum)(RK(rk_bessel) in, int n, int by_parts)
{
    enum { MOST_NODES = 8192 };
    const vec one = rk_num(1), half = rk_num(0.5), log2_e = rk_num(1.44269504088896340736);
    const vec least = rk_num((RK_TYPE == 32 ? -25 : -52) - 4 * n);
    vec w = in.a + in.b, wide = RK_TYPE == 32 ? rk_min(rk_num(1.2) * w + rk_num(2.4), rk_num(4.5))
                                              : rk_min(rk_num(0.75) * w + rk_num(6.3), rk_num(9.3));
    const real size = (RK_TYPE == 32 ? 1.04 : 0.75) * (n ? 0.92 : 1);
    vec scale = rk_invsqrt(w + wide), h = rk_num(size) * scale;
    vec a = -log2_e * in.a, b = -log2_e * in.b, odd, even = RK(rk_less_2)(h, &odd);
    vec up = even + odd, down = even - odd, rise = up + h, fall = h - down, u = in.peak;
    vec place = rk_floor(u * ((w + wide) * scale * rk_num(1 / size)) + half), rest = place + half;
    vec s = place * h - u, turn = rk_num(-2) * log2_e * in.nu;
    RK(rk_bessel_side) right = RK(rk_side)(a, b, s, up, down, h);
    RK(rk_bessel_side) left = RK(rk_side)(b, a, -s, up, down, h);
    vec more = rk_exp2(turn * (u + s)), left_more = more;
    vec back = rk_exp2(rk_min(-turn * h, rk_num(60))), on = one / back;
    vec sum = rk_exp2(right.rise + right.fall) * rk_min(rest, one);
    sum = sum * RK(rk_both_ways)(&in, s, more, n, by_parts);
    vec right_rise = a * (rise * h), right_fall = b * (fall * h);
    vec left_rise = b * (rise * h), left_fall = a * (fall * h);
    int is_right = 1, is_left = 1;
    for (int k = 1; k < MOST_NODES && (is_right || is_left); k++) {
        vec far = rk_num(k) * h;
        if (is_right) {
            vec x = RK(rk_next)(&right, rise, fall, right_rise, right_fall);
            more = more * on;
            sum = sum + rk_exp2(x) * RK(rk_both_ways)(&in, s + far, more, n, by_parts);
            is_right = rk_any(rk_gt(x, least));
        }
        if (is_left) {
            vec x = RK(rk_next)(&left, rise, fall, left_rise, left_fall);
            left_more = left_more * back;
            vec to_0 = rest - rk_num(k), part = rk_min(rk_max(to_0, rk_num(0)), one);
            vec both = RK(rk_both_ways)(&in, s - far, rk_min(left_more, one), n, by_parts);
            sum = sum + rk_exp2(x) * (part * both);
            is_left = rk_any(rk_and(rk_gt(x, least), rk_gt(to_0, one)));
        }
    }
    return h * sum;
}

//@ bessel_k bessel_sum
/* The derivative of order n by the order nu of the modified Bessel function K_nu(x), x > 0: half
 * the integral of u^n exp(nu u - x cosh u). The exponent is largest where sinh u = nu / x.
 * Infinite at 0, NaN below. Error at most (8 + x + |log |value||) eps of what is summed. */
RK_INLINE vec rk_bessel_k(vec nu, vec x, int n)
{
    const vec half = rk_num(0.5), zero = rk_num(0), one = rk_num(1), end = rk_num(1e6);
    vec y = rk_select(rk_and(rk_gt(x, zero), rk_lt(x, end)), x, one), p = rk_abs(nu);
    vec w = rk_max(y, rk_sqrt(y * y + p * p)), a = half * (w + p), b = (half * y) / a * (half * y);
    vec u = rk_log((w + p) / y), root = rk_exp(half * (p * u - w));
    const RK(rk_bessel) in = {a, b, p, u, u, one, one};
    vec value = half * root * (RK(rk_bessel_sum)(in, n, 0) * root);
    value = rk_select(rk_eq(x, zero), rk_num(RK_INF), rk_select(rk_ge(x, end), zero, value));
    if (n % 2)
        value = value * rk_sign(nu);
    return rk_select(rk_ge(x, zero), value, rk_num(RK_NAN)) + (nu - nu);
}

//@ matern_integral bessel_sum
/* e^nu nu^-nu times the integral over t > 0 of t^(nu-m-1) log(t / nu)^n exp(-t - z / (4 t)), for
 * nu > 0, z >= 0: with m = n = 0 and z = x^2 this is 2 (e / nu)^nu (x / 2)^nu K_nu(x). NaN for
 * other nu and z. With mu = nu - m and t = x/2 e^u, or e^-u where mu < 0, it is a Bessel integral
 * of order |mu|. At z = 0 the integral is infinite unless mu > 0, and the value 0 then; else it is
 * integrated by parts, so that it has an order of at least 1. Error at most (8 + nu + sqrt(z)) eps
 * of what is summed, for m > 0 also |log |value|| eps. */
RK_CALLED vec RK(rk_matern_at_0)(vec nu, int n, int m)
{
    vec mu = nu - rk_num(m), zero = rk_num(0), one = rk_num(1), far = rk_num(10000);
    mask inside = rk_gt(mu, zero);
    mu = rk_select(inside, mu, one);
    vec w = mu + one, l = rk_log(w / nu), root = rk_exp(rk_num(0.5) * (w * l - (w - nu)));
    const RK(rk_bessel) in = {w, zero, w, far, l, one, one / mu};
    vec value = root * (RK(rk_bessel_sum)(in, n, 1) * root) * rk_powi(nu, 1 - m);
    return rk_select(inside, value, zero);
}
RK_INLINE vec rk_matern_integral(vec nu, vec z, int n, int m)
{
    const vec zero = rk_num(0), one = rk_num(1), shift = rk_num(m);
    if (n < 0)
        return zero;
    vec y = rk_select(rk_and(rk_gt(z, zero), rk_lt(z, rk_num(1e12))), z, one), mu = nu - shift;
    vec p = rk_abs(mu), a = rk_num(0.5) * (rk_sqrt(y + mu * mu) + p), b = rk_num(0.25) * y / a;
    mask falls = rk_lt(mu, zero), far = rk_or(rk_ne(y, z), rk_gt(b, rk_num(2000)));
    a = rk_select(far, one, a);
    b = rk_select(far, one, b);
    vec l = rk_log(rk_select(falls, b, a) / nu);
    vec rest = rk_num(2) * b + rk_select(falls, shift - rk_num(2) * nu, -shift);
    vec root = rk_exp(rk_num(0.5) * (mu * l - rest)), way = rk_select(falls, -one, one);
    vec u = rk_num(0.5) * rk_log(a / b);
    const RK(rk_bessel) in = {a, b, p, u, l, way, one};
    vec value = root * (RK(rk_bessel_sum)(in, n, 0) * root) * rk_powi(nu, -m);
    value = rk_select(far, zero, value);
    if (rk_any(rk_eq(z, zero)))
        value = rk_select(rk_eq(z, zero), RK(rk_matern_at_0)(nu, n, m), value);
    return rk_select(rk_and(rk_ge(z, zero), rk_gt(nu, zero)), value, rk_num(RK_NAN));
}
