#!/usr/bin/env python3
"""Polynomial coefficients of inst/include/rkeops/lanes.h (standard library only).

Every polynomial there is a minimax fit made here: run the file, compare with the header. For a
function g on [a, b], exponents e_k and a weight w it minimises

    max | w(x) * (sum_k c_k x^e_k - g(x)) |

by the Remez exchange in 60-digit decimals. Coefficients are rounded to the working precision and
then moved by single units in the last place, one or two at a time, while that lowers the error.
The printed error is that of the rounded polynomial, evaluated exactly, in units of 2^-24 (float) or
2^-53 (double).
"""
import math
import struct
from decimal import Decimal as D, getcontext

getcontext().prec = 60
ONE, TWO = D(1), D(2)
LN2 = TWO.ln()
PI = D("3.14159265358979323846264338327950288419716939937510582097494459")


def rounded(x, bits):
    """x as a float or double, as a Decimal."""
    x = float(x)
    return D(struct.unpack("f", struct.pack("f", x))[0] if bits == 24 else x)


def series(term, x):
    """Sum of term(k) * x^k until it no longer changes."""
    total, power, k = D(0), ONE, 0
    while True:
        new = total + term(k) * power
        if new == total and k > 4:
            return total
        total, power, k = new, power * x, k + 1


def factorial(n):
    return ONE if n < 2 else n * factorial(n - 1)


def solve(rows, rhs):
    """Gaussian elimination with partial pivoting."""
    n = len(rhs)
    a = [r[:] + [v] for r, v in zip(rows, rhs)]
    for i in range(n):
        p = max(range(i, n), key=lambda r: abs(a[r][i]))
        a[i], a[p] = a[p], a[i]
        for r in range(i + 1, n):
            f = a[r][i] / a[i][i]
            for c in range(i, n + 1):
                a[r][c] -= f * a[i][c]
    x = [D(0)] * n
    for i in reversed(range(n)):
        x[i] = (a[i][n] - sum(a[i][c] * x[c] for c in range(i + 1, n))) / a[i][i]
    return x


def remez(g, w, exponents, a, b, grid=600):
    """Minimax coefficients for the exponents; g and w are tabulated on a Chebyshev grid."""
    xs = [(a + b) / 2 - (b - a) / 2 * D(math.cos(math.pi * (i + .5) / grid)) for i in range(grid)]
    gs, ws = [g(x) for x in xs], [abs(w(x)) for x in xs]
    n = len(exponents)
    ref = [round((i + .5) * grid / (n + 1) - .5) for i in range(n + 1)]
    for _ in range(30):
        rows = [[xs[i] ** e for e in exponents] + [(-1) ** k / ws[i]] for k, i in enumerate(ref)]
        *c, level = solve(rows, [gs[i] for i in ref])
        err = [ws[i] * (sum(v * xs[i] ** e for v, e in zip(c, exponents)) - gs[i])
               for i in range(grid)]
        new = extrema(err, n + 1)
        if new is None or max(map(abs, err)) <= abs(level) * D("1.001"):
            break
        ref = new
    return c


def extrema(err, count):
    """Positions of `count` alternating local maxima of |err|, the largest run of them."""
    best = []
    for i, e in enumerate(err):
        if best and (err[best[-1]] > 0) == (e > 0):
            if abs(e) > abs(err[best[-1]]):
                best[-1] = i
        else:
            best.append(i)
    while len(best) > count:
        best.pop(0 if abs(err[best[0]]) < abs(err[best[-1]]) else -1)
    return best if len(best) == count else None


def fit(name, bits, g, w, exponents, a, b, improve=True):
    """Fit, round, improve the rounded coefficients by steps of one last place, print."""
    exact = remez(g, w, exponents, a, b)
    c = [rounded(v, bits) for v in exact]
    xs = [a + (b - a) * (i + D("0.5")) / 400 for i in range(400)]
    basis = [[float(w(x) * x ** e) for x in xs] for e in exponents]
    error = [float(w(x) * (sum(v * x ** e for v, e in zip(c, exponents)) - g(x))) for x in xs]
    steps = [(k, s * ulp(v, bits)) for k, v in enumerate(c) for s in (1, -1)]
    best, moved = max(map(abs, error)), improve
    while moved:
        moved = False
        for moves in [[s] for s in steps] + [[s, t] for s in steps for t in steps if s[0] < t[0]]:
            trial = [e + sum(d * basis[k][i] for k, d in moves) for i, e in enumerate(error)]
            level = max(map(abs, trial))
            if level < best * (1 - 1e-9):
                best, error, moved = level, trial, True
                for k, d in moves:
                    c[k] += D(d)
    print("\n%s: error %.4f * 2^-%d" % (name, best * 2 ** bits, bits))
    for v, e in zip(c, exponents):
        print("    x^%-2d %s" % (e, hexfloat(v, bits)))


def ulp(v, bits):
    """Unit in the last place of v, as a float."""
    return math.ldexp(1.0, math.frexp(float(v))[1] - bits)


def hexfloat(v, bits):
    """C99 hexadecimal literal; floats without the trailing zero digits of a double."""
    mantissa, exponent = float(v).hex().split("p")
    return mantissa.rstrip("0").rstrip(".") + "p" + exponent + ("f" if bits == 24 else "")


def exp2_rest(r):
    """(2^r - 1) / r"""
    return series(lambda k: LN2 ** (k + 1) / factorial(k + 1), r)


def exp_rest(r):
    """(e^r - 1 - r) / r^2"""
    return series(lambda k: 1 / factorial(k + 2), r)


def log_rest(z):
    """(2 atanh(s) / s - 2) / z with z = s^2"""
    return series(lambda k: TWO / (2 * k + 3), z)


def sin_rest(z):
    """(sin(r) / r - 1) / z with z = r^2"""
    return series(lambda k: (-1) ** (k + 1) / factorial(2 * k + 3), z)


def log2_rest(bits):
    """log2(1+r) / r less its first two coefficients, rounded"""
    one, two = rounded(1 / LN2, bits), rounded(-1 / (2 * LN2), bits)
    return lambda r: series(lambda k: (-1) ** k * ONE / (k + 1), r) / LN2 - one - two * r


def log2_odd_rest(bits):
    """2 atanh(s) / s / ln 2 less its first two coefficients, rounded, with z = s^2"""
    one, two = rounded(2 / LN2, bits), rounded(2 / (3 * LN2), bits)
    return lambda z: series(lambda k: TWO / (2 * k + 1), z) / LN2 - one - two * z


def but_one(count):
    """Exponents but for the first power: the others can do its part, which is small."""
    return [0] + list(range(2, count))


def asin_rest(z):
    """(asin(s) / s - 1) / z with z = s^2"""
    return series(lambda k: factorial(2 * k + 2) / (4 ** (k + 1) * factorial(k + 1) ** 2
                                                    * (2 * k + 3)), z)


def atan_rest(z):
    """(atan(t) / t - 1) / z with z = t^2; angles are halved until the series converges"""
    if z < D("0.01"):
        return series(lambda k: (-1) ** (k + 1) * ONE / (2 * k + 3), z)
    half = 1 / (1 + (1 + z).sqrt())
    return (2 * half * (1 + z * half * half * atan_rest(z * half * half)) - 1) / z


def split(name, value, widths):
    """value as a sum of constants of the given numbers of bits (fn * piece must be exact)."""
    print("\n%s:" % name)
    for bits in widths:
        exponent = 2
        while abs(value) < TWO ** exponent:
            exponent -= 1
        unit = TWO ** (exponent - bits + 1)
        piece = (value / unit).to_integral_value() * unit
        print("    %s" % float(piece).hex())
        value -= piece


def near_exp(name, grid, bits):
    """A multiple c of the grid whose e^c / 2 is nearly a number of so many bits, and that."""
    tried = [(D(j) * grid, (D(j) * grid).exp() / 2) for j in range(int(1 / grid), int(2 / grid))]
    c, half = min(tried, key=lambda t: abs(rounded(t[1], bits) / t[1] - 1))
    print("\n%s: %s and %s" % (name, float(c).hex(), hexfloat(rounded(half, bits), bits)))


def table(name, count, bits):
    print("\n%s:" % name)
    print("   ", ", ".join(hexfloat(rounded(TWO ** (D(k) / count), bits), bits)
                           for k in range(count)))


def atan(x):
    return x * (1 + x * x * atan_rest(x * x))


def in_two(name, values, unit, bits):
    """Tables of heads, multiples of the unit, and of tails."""
    heads = [(v / unit).to_integral_value() * unit for v in values]
    print("\n%s, heads:\n   " % name, ", ".join(hexfloat(v, bits) for v in heads))
    print("%s, tails:\n   " % name, ", ".join(hexfloat(rounded(v - head, bits), bits)
                                            for v, head in zip(values, heads)))


def pi_digits(bits):
    """pi * 2^bits, rounded down, by Machin's formula."""
    def arctan(n):
        term = total = (1 << bits + 32) // n
        k = 1
        while term:
            term //= -n * n
            k += 2
            total += term // k
        return total
    return 4 * (4 * arctan(5) - arctan(239)) >> 32


def turns():
    """Multiples of 1/pi for sin and cos of large x: floats in two words, doubles digit by digit."""
    print("\n2^(4k - 3) / pi modulo 2, of 29 and 53 bits:")
    over_pi = (1 << 2800) // pi_digits(1400) # times 2^1400
    for k in range(27):
        part = (over_pi << 4 * k) % (1 << 1404)
        part -= (part >> 1403) << 1404
        head = (part + (1 << 1373)) >> 1374
        tail = part - (head << 1374)
        print("    {%s, %s}," % (hexfloat(math.ldexp(head, -29), 53),
                                 hexfloat(D(tail) / TWO ** 1403, 53)))
    digits = over_pi >> 1400 + 33 - 152 * 8
    print("\n1/(2 pi), after 32 zeros:\n   ", digits.to_bytes(152, "big").hex())


# c in m c = 1 + r, m from 1 + i/16 on: of so few bits that r is exact, -1/32 <= r <= 1/16
INVERSES = [D(n) / 64 for n in (64, 60, 56, 54, 50, 48, 46, 44, 42, 40, 39, 37, 36, 35, 34, 32)]


def main():
    for bits, deg in ((24, 6), (53, 11)):
        h = D("0.5")
        fit("2^r, |r| <= 1/2", bits, exp2_rest, lambda r: r / TWO ** r, range(deg), -h, h)
        h = LN2 / 2 * D("1.002")
        fit("e^r, |r| <= ln2/2", bits, exp_rest, lambda r: r * r / r.exp(), range(deg - 1), -h, h)
    for bits, deg in ((24, 3), (53, 6)):
        h = ONE / 32
        low, high, where = (-h, h, "|r| <= 1/32") if bits == 24 else (D(0), 2 * h, "0 <= r <= 1/16")
        fit("2^r, " + where, bits, exp2_rest, lambda r: r / TWO ** r, range(deg), low, high)
        h = LN2 / 32 * D("1.002")
        fit("e^r, |r| <= ln2/32", bits, exp_rest, lambda r: r * r / r.exp(), range(deg - 1), -h, h)
        table("2^(k/16)", 16, bits)
    for bits, n in ((24, 3), (53, 7)):
        h = (TWO.sqrt() - 1) / (TWO.sqrt() + 1)
        fit("log, s = f/(2+f)", bits, log_rest, lambda z: z, range(n), D(0), h * h)
    for bits, n in ((24, 4), (53, 8)):
        h = PI / 2 * D("1.02")
        fit("sin, |r| <= pi/2", bits, sin_rest, lambda z: z, range(n), D(0), h * h)
    for bits, few, many, times, grid in ((24, 6, 5, 10, 16), (53, 12, 9, 12, 42)):
        unit, h = TWO ** times, (TWO.sqrt() - 1) / (TWO.sqrt() + 1)
        fit("log2, -1/32 <= r <= 1/16, error times 2^%d" % times, bits, log2_rest(bits),
            lambda r: LN2 * unit, but_one(few), -ONE / 32, ONE / 16, improve=False)
        fit("log2, s = f/(2+f), error times 2^%d" % times, bits, log2_odd_rest(bits),
            lambda z: LN2 / 2 * unit, but_one(many), D(0), h * h, improve=False)
        in_two("-log2 c", [-v.ln() / LN2 for v in INVERSES], TWO ** -grid, bits)
    for bits, n, many in ((24, 5, 8), (53, 12, 19)):
        fit("asin, |s| <= 1/2", bits, asin_rest, lambda z: z, range(n), D(0), D("0.25"))
        fit("atan, |t| <= 1", bits, atan_rest, lambda z: z, range(many), D(0), ONE)
    for bits, n in ((24, 2), (53, 5)):
        h = D("0.0669")
        fit("atan, |t| <= 1/15", bits, atan_rest, lambda z: z, range(n), D(0), h * h)
        arcs = [atan(D(i) / 8) for i in range(8)]
        in_two("atan(i/8), pi/2 - atan(i/8), pi", arcs + [PI / 2 - v for v in arcs] + [PI],
               TWO ** (3 - bits), bits)
    near_exp("sinh, cosh for float", ONE / 1024, 24)
    near_exp("sinh, cosh for double", ONE / 65536, 53)
    turns()
    split("pi/2 for float", PI / 2, (24, 24))
    split("pi/2 for double", PI / 2, (53, 53))
    split("ln2 for float", LN2, (15, 24))
    split("ln2 for double", LN2, (41, 53))
    split("pi for float, FMA", PI, (24, 24, 24))
    split("pi for double, FMA", PI, (53, 53, 53))
    split("pi for double, no FMA", PI, (33, 33, 33, 53))


main()
