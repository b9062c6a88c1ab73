"""Kernels that look at each customer: is he what a model can read, is he alive, what lies ahead of him."""

import numpy as np

from kmad._jit import kernel, reordering_kernel

# log(2) in two parts, the first of which has zeros at its end: multiples of it are exact.
LOG2_HIGH, LOG2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
# Added to a number below 2^51 it rounds it to a whole one, which then stands in the lowest bits.
ROUNDER = 6755399441055744.0
# An exponent in the lowest bits of this number stands for itself, plus 2^52.
COUNTER, COUNTER_BITS = 4503599627370496.0, np.int64(0x4330000000000000)
MANTISSA_BITS, EXPONENT_AT, BIAS = np.int64(0x000FFFFFFFFFFFFF), np.int64(52), np.int64(1023)
# sqrt(1/2) with its last bits cleared; the distance from it to 1.
ROOT_BITS, TO_ONE = np.int64(0x3FE6A09E00000000), np.int64(0x3FF0000000000000 - 0x3FE6A09E00000000)
# exp() of this, times a parameter, is still a number.
LARGEST_POWER = 690.0
# Terms of a tabulated polynomial.
N_TERMS = 16


@kernel
def exp(
    x,  # float, IN
):
    """The exponential function to 1e-15, without calls and branches: a loop of it runs in vector registers.

    Arguments beyond `LARGEST_POWER` count as that.
    """
    bounded = min(max(x, -LARGEST_POWER), LARGEST_POWER)
    shifted = np.float64(bounded * 1.4426950408889634 + ROUNDER)
    whole = shifted - ROUNDER
    r = (bounded - whole * LOG2_HIGH) - whole * LOG2_LOW
    # Taylor's series: |r| is at most log(2) / 2, and the next term below 1e-17.
    p = r / 6227020800.0 + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    power = np.int64((shifted.view(np.int64) + BIAS) << EXPONENT_AT)
    return p * power.view(np.float64)


@kernel
def log1p(
    y,  # float, IN, 0 or more, finite
):
    """The logarithm of 1 + y to 1e-15 of it, without calls and branches: a loop of it runs in vector registers."""
    u = np.float64(1.0 + y)
    bits = np.int64(u.view(np.int64) + TO_ONE)
    # 1 + y is m 2^k, and m lies between the roots of 1/2 and of 2. While k is 0 the digits of y itself are used.
    exponent = np.int64((bits >> EXPONENT_AT) | COUNTER_BITS)
    k = exponent.view(np.float64) - (COUNTER + 1023.0)
    m = np.int64((bits & MANTISSA_BITS) + ROOT_BITS)
    f = y if k == 0.0 else m.view(np.float64) - 1.0
    # log(1 + f) = 2 artanh(s), a series in s^2 whose coefficients, near 2/3, 2/5, ..., spread the error (fdlibm).
    s = f / (2.0 + f)
    z = s * s
    series = 1.479819860511658591e-01
    series = series * z + 1.531383769920937332e-01
    series = series * z + 1.818357216161805012e-01
    series = series * z + 2.222219843214978396e-01
    series = series * z + 2.857142874366239149e-01
    series = series * z + 3.999999999940941908e-01
    series = series * z + 6.666666666666735130e-01
    half = 0.5 * f * f
    return k * LOG2_HIGH - ((half - (s * (half + z * series) + k * LOG2_LOW)) - f)


@kernel
def are_purchases(
    x,  # (n,) IN
    recency,  # (n,) IN
    T,  # (n,) IN
    start,  # int, IN
    stop,  # int, IN
    slack,  # float, IN, by how much recency may exceed T, of T
    most,  # float, IN
):
    """Whether every row has a frequency of at most `most`, a recency and a T; and whether a recency exceeds its T."""
    right, beyond = True, False
    for i in range(start, stop):
        right &= (
            (T[i] < np.inf)
            & (recency[i] >= 0.0)
            & (recency[i] <= T[i] * (1.0 + slack))
            & (x[i] >= 0.0)
            & (x[i] <= most)
            & (x[i] == np.floor(x[i]))
            & ((x[i] > 0.0) | (recency[i] == 0.0))
        )
        beyond |= recency[i] > T[i]
    return right, beyond


@kernel
def bg_alive(
    x,  # (n,) IN
    recency,  # (n,) IN
    T,  # (n,) IN
    start,  # int, IN
    stop,  # int, IN
    r,  # float, IN
    alpha,  # float, IN
    a,  # float, IN
    b,  # float, IN
    early,  # int, IN, chances to drop out before the first repeat purchase
    alive,  # (n,) OUT
):
    """Write the probability that each customer of the BG/NBD or the MBG/NBD model is alive."""
    for i in range(start, stop):
        chances = x[i] + early
        survived = b - 1.0 + chances
        left = a * exp((r + x[i]) * log1p((T[i] - recency[i]) / (alpha + recency[i])))
        alive[i] = survived / (survived + left) if chances > 0.0 else 1.0


@kernel
def dropout_terms(
    x,  # (n,) IN
    recency,  # (n,) IN
    T,  # (n,) IN
    near,  # float, IN, the smaller of alpha and beta
    far,  # float, IN, the larger one
    r,  # float, IN
    s,  # float, IN
    near_is_alpha,  # bool, IN
    then,  # (n,) OUT log((far + recency) / (near + recency))
    now,  # (n,) OUT log((far + T) / (near + T))
    growth,  # (n,) OUT ((alpha + T) / (alpha + recency))^(r + x) ((beta + T) / (beta + recency))^s
):
    """Write what the probability alive of the Pareto/NBD model is made of."""
    for i in range(len(x)):
        then[i] = log1p((far - near) / (near + recency[i]))
        now[i] = log1p((far - near) / (near + T[i]))
        near_power = r + x[i] if near_is_alpha else s
        far_power = s if near_is_alpha else r + x[i]
        grown = log1p((T[i] - recency[i]) / (near + recency[i]))
        growth[i] = exp(near_power * grown + far_power * (grown + now[i] - then[i]))


@reordering_kernel
def interpolate(
    x,  # (n,) IN
    u,  # (n,) IN
    first,  # int, IN, the piece that the tables begin with
    per_unit,  # float, IN, pieces to a unit of u
    slot,  # (most + 1,) IN, where the tables of each count are
    tables,  # (n_counts, n_pieces, N_TERMS) IN, coefficients of the powers of a place from -1 to 1 within a piece
    result,  # (n,) OUT
):
    """Write the function of count and u that is tabulated."""
    last = tables.shape[1] - 1
    for i in range(len(x)):
        at = u[i] * per_unit - first
        # Rounding may put the ends of the range outside.
        piece = min(max(int(at), 0), last)
        place = 2.0 * (at - piece) - 1.0
        square = place * place
        j = slot[int(x[i])]
        # Even and odd powers apart: half as many steps wait for each other.
        even, odd = tables[j, piece, N_TERMS - 2], tables[j, piece, N_TERMS - 1]
        for k in range(N_TERMS - 4, -1, -2):
            even = even * square + tables[j, piece, k]
            odd = odd * square + tables[j, piece, k + 1]
        result[i] = even + place * odd


@kernel
def mean_ratios(
    p,  # (k,) IN
    weight,  # (k,) IN
    g,  # (m,) IN
    g_weight,  # (m,) IN
    rate,  # (n,) IN
    result,  # (n,) OUT
):
    """Write the mean of g / (p g + rate) over both distributions."""
    # A sum for each g, so that the loop over them runs in vector registers.
    for i in range(len(rate)):
        sums = np.zeros(len(g))
        for j in range(len(p)):
            sums += weight[j] * g / (p[j] * g + rate[i])
        result[i] = (g_weight * sums).sum()


@kernel
def expected_spend(
    x,  # (n,) IN
    amount,  # (n,) IN
    start,  # int, IN
    stop,  # int, IN
    p,  # float, IN
    q,  # float, IN
    gamma,  # float, IN
    most,  # float, IN
    spend,  # (n,) OUT
):
    """Write the expected spend of each customer; returns whether every row has a frequency and, above 0, an amount."""
    right = True
    for i in range(start, stop):
        right &= (x[i] >= 0.0) & (x[i] <= most) & (x[i] == np.floor(x[i]))
        right &= (x[i] == 0.0) | ((amount[i] > 0.0) & (amount[i] < np.inf))
        shape = p * x[i] + q - 1.0
        spent = x[i] * amount[i] if x[i] > 0.0 else 0.0
        spend[i] = p * (gamma + spent) / shape if shape > 0.0 else np.inf
    return right
