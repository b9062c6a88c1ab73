"""The integral over the time of dropout in the Pareto/NBD likelihood, and its derivatives."""

import numpy as np

from kmad._jit import kernel

# Eight nodes of Gauss and Legendre integrate exp(-NATS u) over a panel to some 1e-13.
NATS = 4.0
# Width of a panel in the logarithm of time: the integrand has a singularity at the distance pi.
WIDEST = 2.0
# The integral ends where the integrand has fallen by exp(-DEEPEST).
DEEPEST = 42.0


@kernel
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
    and of their ten products: u = log(1 + y/near), near/(near + y) - 1, log(1 + y/far), far/(far + y) - 1. Panels are
    laid out in u: they cannot be too wide for the integrand's decay, nor for its nearest singularity at y = -near.
    """
    moments[:] = 0.0
    whole = np.log1p(span / near)
    steady = NATS / (near_power + far_power)
    u, depth = 0.0, 0.0
    while u < whole and depth < DEEPEST:
        y = near * np.expm1(u)
        decay = near_power + far_power * (near + y) / (far + y)
        # The decay grows with u, up to the sum of the powers: both widths keep it within NATS.
        width = min(max(steady, np.log1p(NATS / decay)), WIDEST)
        if u + 1.25 * width >= whole:
            width = whole - u
        for k in range(len(nodes)):
            f0 = u + width * nodes[k]
            grown = np.exp(f0)
            ratio = near * (grown - 1.0) / far
            f2 = np.log1p(ratio)
            weight = width * node_weights[k] * np.exp((1.0 - near_power) * f0 - far_power * f2)
            moments[0] += weight
            f1, f3 = 1.0 / grown - 1.0, -ratio / (1.0 + ratio)
            moments[1] += weight * f0
            moments[2] += weight * f1
            moments[3] += weight * f2
            moments[4] += weight * f3
            moments[5] += weight * f0 * f0
            moments[6] += weight * f0 * f1
            moments[7] += weight * f0 * f2
            moments[8] += weight * f0 * f3
            moments[9] += weight * f1 * f1
            moments[10] += weight * f1 * f2
            moments[11] += weight * f1 * f3
            moments[12] += weight * f2 * f2
            moments[13] += weight * f2 * f3
            moments[14] += weight * f3 * f3
        u += width
        depth = (near_power - 1.0) * u + far_power * np.log1p(near * np.expm1(u) / far)
    if moments[0] > 0:
        for m in range(1, len(moments)):
            moments[m] /= moments[0]
        moments[0] = np.log(near * moments[0])
    else:
        moments[0] = -np.inf


@kernel
def sum_rows(
    x,  # (n,) IN
    recency,  # (n,) IN
    T,  # (n,) IN
    weight,  # (n,) IN
    start,  # int, IN
    stop,  # int, IN
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
    for i in range(start, stop):
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
        z = moments[0] + np.log(s / b) + power * np.log1p(span / a) + s * np.log1p(span / b)
        age_a, age_b = np.log1p(T[i] / alpha), np.log1p(T[i] / beta)
        end_a, end_b = alpha / (alpha + T[i]), beta / (beta + T[i])
        since_a, since_b = np.log1p(recency[i] / alpha), np.log1p(recency[i] / beta)
        mean_left_a, mean_left_b = left_a * (1.0 + mean[1]), left_b * (1.0 + mean[3])
        small = np.exp(-abs(z))
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

        sums[0] += w * (-r * age_a - x[i] * (log_alpha + age_a) - s * age_b + max(z, 0.0) + np.log1p(small))
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
