"""exp and a logarithm for vector registers, the check of a customer, and the kernels that are made of them.

They stand in one file as a kernel calls only kernels of its own.
"""

import numpy as np

from kmad._jit import fusing_kernel, inner_kernel, kernel, reordering_kernel

# log(2) in two parts, the first of which has zeros at its end: multiples of it are exact.
LOG2_HIGH, LOG2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
# Added to a number below 2^51 it rounds it to a whole one, which then stands in the lowest bits.
ROUNDER = 6755399441055744.0
# An exponent in the lowest bits of this number stands for itself, plus 2^52.
COUNTER, COUNTER_BITS = 4503599627370496.0, np.int64(0x4330000000000000)
EXPONENT_BITS, EXPONENT_AT, BIAS = np.int64(-0x0010000000000000), np.int64(52), np.int64(1023)
HALF_EXPONENT, EXPONENT_OF_1 = np.int64(0x0008000000000000), np.int64(0x3FF0000000000000)
# exp() of this, times a parameter, is still a number.
LARGEST_POWER = 690.0
# Eight nodes of Gauss and Legendre integrate exp(-NATS u) over a panel to some 1e-13.
NATS = 4.0
# Width of a panel in the logarithm of time: the integrand has a singularity at the distance pi.
WIDEST = 2.0
# The integral ends where the integrand has fallen by exp(-DEEPEST).
DEEPEST = 42.0


@fusing_kernel
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
    # (exp(r) - 1 - r) / r^2 for |r| of at most log(2) / 2, interpolated at the points of Chebyshev: 2e-17 of exp(r)
    # are missed. Its terms are added by pairs, so that no sum waits for all the sums before it.
    rr = r * r
    rrrr = rr * rr
    low = (0.5000000000000001 + r * 0.16666666666666669) + rr * (0.04166666666662413 + r * 0.008333333333330062)
    middle = 0.0013888888917213717 + r * 0.00019841269863053618
    high = 2.4801521295954376e-05 + r * 2.7557268459997064e-06
    higher = 2.7620088445409746e-07 + r * 2.510038549551032e-08
    grown = 1.0 + (r + rr * (low + rrrr * (middle + rr * (high + rr * higher))))
    power = np.int64((shifted.view(np.int64) + BIAS) << EXPONENT_AT)
    return grown * power.view(np.float64)


@fusing_kernel
def log_growth(
    added,  # float, IN, 0 or more, finite
    start,  # float, IN, above 0, finite
):
    """The logarithm of 1 + added / start to 1e-15 of it, without calls and branches and with a single division.

    A loop of it runs in vector registers.
    """
    end = np.float64(start + added)
    start_bits = np.int64(np.float64(start).view(np.int64))
    # end / start is m 2^k, and m lies between 2/3 and 3/2. While k is 0 the digits of what is added are used.
    rise = np.int64((end.view(np.int64) - start_bits + HALF_EXPONENT) & EXPONENT_BITS)
    raised = np.int64(start_bits + rise).view(np.float64)
    exponent = np.int64(((rise + EXPONENT_OF_1) >> EXPONENT_AT) | COUNTER_BITS)
    k = exponent.view(np.float64) - (COUNTER + 1023.0)
    s = (added if rise == 0 else end - raised) / (end + raised)
    # log(m) = 2 artanh(s) = 2 s + s^3 (2/3 + 2/5 s^2 + ...), interpolated likewise: 6e-17 of it are missed.
    z = s * s
    zz = z * z
    low = (0.6666666666666694 + z * 0.39999999999335556) + zz * (0.2857142883604555 + z * 0.22222182776674482)
    high = (0.18184610246294064 + z * 0.15283703752403147) + zz * 0.1511848710872457
    return k * LOG2_HIGH + (2.0 * s + (s * z * (low + zz * zz * high) + k * LOG2_LOW))


@inner_kernel
def is_purchases(
    x,  # float, IN
    recency,  # float, IN
    age,  # float, IN
    slack,  # float, IN, by how much recency may exceed the age, of the age
    most,  # float, IN
):
    """Whether these are a frequency of at most `most`, a recency and an age, T."""
    return (
        (age < np.inf)
        & (recency >= 0.0)
        & (recency <= age * (1.0 + slack))
        & (x >= 0.0)
        & (x <= most)
        & (x == np.floor(x))
        & ((x > 0.0) | (recency == 0.0))
    )


@kernel
def are_purchases(
    x,  # (n,) IN
    recency,  # (n,) IN
    T,  # (n,) IN
    slack,  # float, IN
    most,  # float, IN
):
    """Whether every row holds what `is_purchases` asks for; and whether a recency exceeds its T."""
    right, beyond = True, False
    for i in range(len(x)):
        right &= is_purchases(x[i], recency[i], T[i], slack, most)
        beyond |= recency[i] > T[i]
    return right, beyond


@fusing_kernel
def bg_alive(
    x,  # (n,) IN
    recency,  # (n,) IN
    T,  # (n,) IN
    slack,  # float, IN
    most,  # float, IN
    r,  # float, IN
    alpha,  # float, IN
    a,  # float, IN
    b,  # float, IN
    early,  # int, IN, chances to drop out before the first repeat purchase
    alive,  # (n,) OUT
):
    """Write the probability that each customer of the BG/NBD or the MBG/NBD model is alive.

    Returns whether every row holds what `is_purchases` asks for: the columns are read only once.
    """
    right = True
    for i in range(len(x)):
        right &= is_purchases(x[i], recency[i], T[i], slack, most)
        seen = min(recency[i], T[i])
        chances = x[i] + early
        survived = chances - 1.0 + b
        left = a * exp((r + x[i]) * log_growth(T[i] - seen, alpha + seen))
        alive[i] = survived / (survived + left) if chances > 0.0 else 1.0
    return right


@fusing_kernel
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
        then[i] = log_growth(far - near, near + recency[i])
        now[i] = log_growth(far - near, near + T[i])
        near_power = r + x[i] if near_is_alpha else s
        far_power = s if near_is_alpha else r + x[i]
        grown = log_growth(T[i] - recency[i], near + recency[i])
        growth[i] = exp(near_power * grown + far_power * (grown + now[i] - then[i]))


@reordering_kernel
def integrate(
    near,  # float, IN, the smaller of alpha and beta, plus recency
    far,  # float, IN, the larger one, plus recency
    near_power,  # float, IN, r + x or s + 1, whichever belongs to `near`
    far_power,  # float, IN
    span,  # float, IN, T - recency
    nodes,  # (k,) IN, of the interval from 0 to 1
    node_weights,  # (k,) IN
    moments,  # (15,) OUT
):
    """Integrate (1 + y/near)^-near_power (1 + y/far)^-far_power over y from 0 to span; writes the moments.

    The first moment is the logarithm of the integral, the others are means under the integrand of four functions of y
    and of their ten products: a = log(1 + y/near), b = near/(near + y) - 1, c = log(1 + y/far), d = far/(far + y) - 1.
    Panels are laid out in a: they cannot be too wide for the integrand's decay, nor for its nearest singularity at
    y = -near.
    """
    # Sums in variables and not in an array: the nodes of a panel are then worked out side by side in vector registers.
    total = of_a = of_b = of_c = of_d = 0.0
    aa = ab = ac = ad = bb = bc = bd = cc = cd = dd = 0.0
    whole = log_growth(span, near)
    steady = NATS / (near_power + far_power)
    y, begin, depth = 0.0, 0.0, 0.0
    while begin < whole and depth < DEEPEST:
        decay = near_power + far_power * (near + y) / (far + y)
        # The decay grows with y, up to the sum of the powers: both widths keep it within NATS.
        width = min(max(steady, log_growth(NATS, decay)), WIDEST)
        if begin + 1.25 * width >= whole:
            width = whole - begin
        for k in range(len(nodes)):
            a = begin + width * nodes[k]
            grown = exp(a)
            added = near * (grown - 1.0)
            c = log_growth(added, far)
            weight = width * node_weights[k] * exp((1.0 - near_power) * a - far_power * c)
            b, d = 1.0 / grown - 1.0, -added / (far + added)
            total += weight
            of_a += weight * a
            of_b += weight * b
            of_c += weight * c
            of_d += weight * d
            aa += weight * a * a
            ab += weight * a * b
            ac += weight * a * c
            ad += weight * a * d
            bb += weight * b * b
            bc += weight * b * c
            bd += weight * b * d
            cc += weight * c * c
            cd += weight * c * d
            dd += weight * d * d
        begin += width
        y = near * (exp(begin) - 1.0)
        depth = (near_power - 1.0) * begin + far_power * log_growth(y, far)
    moments[0] = np.log(near * total) if total > 0.0 else -np.inf
    share = 1.0 / total if total > 0.0 else 0.0
    moments[1], moments[2], moments[3], moments[4] = of_a * share, of_b * share, of_c * share, of_d * share
    moments[5], moments[6], moments[7], moments[8] = aa * share, ab * share, ac * share, ad * share
    moments[9], moments[10], moments[11] = bb * share, bc * share, bd * share
    moments[12], moments[13], moments[14] = cc * share, cd * share, dd * share


@kernel
def sum_pareto_rows(
    x,  # (n,) IN
    recency,  # (n,) IN
    T,  # (n,) IN
    weight,  # (n,) IN
    r,  # float, IN
    alpha,  # float, IN
    s,  # float, IN
    beta,  # float, IN
    nodes,  # (k,) IN
    node_weights,  # (k,) IN
    sums,  # (15,) INOUT
):
    """Add value, gradient and Hessian of the rows to `sums`, with respect to log r, log alpha, log s and log beta.

    A row is log(L0 + L1), alive and gone. L0 is (1 + T/alpha)^-r (alpha + T)^-x (1 + T/beta)^-s; L1 integrates over
    the time of dropout. Both are expressed by the functions of time whose means `integrate` gives.
    """
    moments = np.empty(15)
    mean, alive, gone, factor = np.empty(4), np.empty(4), np.empty(4), np.empty(4)
    second = np.empty((4, 4))
    log_alpha = np.log(alpha)
    swapped = beta < alpha
    for i in range(len(x)):
        w, power = weight[i], r + x[i]
        a, b, span = alpha + recency[i], beta + recency[i], T[i] - recency[i]
        if swapped:
            integrate(b, a, s + 1.0, power, span, nodes, node_weights, moments)
        else:
            integrate(a, b, power, s + 1.0, span, nodes, node_weights, moments)
        # The derivatives of log(integrand) are these functions of time times a factor, plus a constant:
        # log((alpha + y) / alpha), alpha / (alpha + y), and the same of beta. Measured from the recency.
        m = 5
        for j in range(4):
            for k in range(j, 4):
                second[j, k] = moments[m] - moments[1 + j] * moments[1 + k]
                second[k, j] = second[j, k]
                m += 1
        left_a, left_b = alpha / a, beta / b
        factor[0], factor[1], factor[2], factor[3] = -r, -power * left_a, -s, -(s + 1.0) * left_b
        for j in range(4):
            source = (j + 2) % 4 if swapped else j
            mean[j] = moments[1 + source]
        # z is -inf where no time has passed; all that depends on it stays finite.
        z = moments[0] + np.log(s / b) + power * log_growth(span, a) + s * log_growth(span, b)
        age_a, age_b = log_growth(T[i], alpha), log_growth(T[i], beta)
        end_a, end_b = alpha / (alpha + T[i]), beta / (beta + T[i])
        since_a, since_b = log_growth(recency[i], alpha), log_growth(recency[i], beta)
        mean_left_a, mean_left_b = left_a * (1.0 + mean[1]), left_b * (1.0 + mean[3])
        small = exp(-abs(z))
        p = (1.0 if z > 0 else small) / (1.0 + small)
        both = small / (1.0 + small) ** 2

        alive[0] = -r * age_a
        alive[1] = r - power * end_a
        alive[2] = -s * age_b
        alive[3] = s * (1.0 - end_b)
        gone[0] = -r * (since_a + mean[0])
        gone[1] = r - power * mean_left_a
        gone[2] = 1.0 - s * (since_b + mean[2])
        gone[3] = s - (s + 1.0) * mean_left_b

        sums[0] += w * (-r * age_a - x[i] * (log_alpha + age_a) - s * age_b + max(z, 0.0) + log_growth(small, 1.0))
        for j in range(4):
            sums[1 + j] += w * (alive[j] + p * (gone[j] - alive[j]))
        m = 5
        for j in range(4):
            for k in range(j, 4):
                source_j, source_k = ((j + 2) % 4, (k + 2) % 4) if swapped else (j, k)
                spread = factor[j] * factor[k] * second[source_j, source_k]
                sums[m] += w * (p * spread + both * (gone[j] - alive[j]) * (gone[k] - alive[k]))
                m += 1
        # Means of the second derivatives; that of left (1 - left) needs the mean of its square.
        source_a, source_b = (3, 1) if swapped else (1, 3)
        square_a = left_a**2 * second[source_a, source_a] + mean_left_a**2
        square_b = left_b**2 * second[source_b, source_b] + mean_left_b**2
        sums[5] += w * ((1.0 - p) * alive[0] + p * gone[0])
        sums[6] += w * r * (1.0 - (1.0 - p) * end_a - p * mean_left_a)
        sums[9] -= w * power * ((1.0 - p) * end_a * (1.0 - end_a) + p * (mean_left_a - square_a))
        sums[12] += w * ((1.0 - p) * alive[2] + p * (gone[2] - 1.0))
        sums[13] += w * s * (1.0 - (1.0 - p) * end_b - p * mean_left_b)
        sums[14] -= w * ((1.0 - p) * s * end_b * (1.0 - end_b) + p * (s + 1.0) * (mean_left_b - square_b))
