"""The part of the BG/BB log-likelihood that needs every row."""

import numpy as np

from kmad._jit import inner_kernel, kernel


@kernel
def sum_rows(
    x,  # (n,) int64, IN, rows of the same x and middle stand together
    recency,  # (n,) int64, IN
    T,  # (n,) int64, IN
    middle,  # (n,) int64, IN, recency < middle <= T, or all three are the same
    weight,  # (n,) IN
    of_beta,  # (3, most + 2) IN, log of the rising factorials and its two derivatives
    log_gone,  # (most + 1,) IN, log-likelihood of dropping out after so many periods, but for `of_beta`
    gone,  # (most + 1, 15) IN, 1, the gradient of that and the Hessian and the gradient's square
    log_alive,  # (most + 1,) IN, the same of being alive after so many periods
    alive,  # (most + 1, 15) IN
    fall,  # (most + 1,) IN, by what factor the likelihood of `log_gone` falls to the next, but for beta + misses
    beta,  # float, IN
    sums,  # (15,) INOUT
):
    """Add value, gradient and Hessian of the rows to `sums`, with respect to the logarithms of the parameters.

    A row is a sum over the time of death: not yet, or after any period from the recency to the last but one. These
    terms depend on x and the period alone, and fall from each to the next. So rows of the same x share those before
    the middle, added up from there back, and those after it, added up from there on. Nothing is subtracted, and what
    a row gets does not depend on which others there are.
    """
    parts = np.zeros((len(fall), 15))
    row = np.empty(15)
    first = 0
    while first < len(x):
        count, mid = x[first], middle[first]
        low, high = mid, mid
        stop = first
        while stop < len(x) and x[stop] == count and middle[stop] == mid:
            low, high = min(low, recency[stop]), max(high, T[stop])
            stop += 1
        parts[mid] = 0.0
        # In units of the first term of each.
        for end in range(mid - 1, low - 1, -1):
            ratio = (beta + (end - count)) * fall[end]
            for k in range(15):
                parts[end, k] = ratio * parts[end + 1, k]
            add_term(1.0, gone[end], of_beta, end - count, parts[end])
        # In units of the term at the middle.
        p = 1.0
        for end in range(mid, high):
            for k in range(15):
                parts[end + 1, k] = parts[end, k]
            add_term(p, gone[end], of_beta, end - count, parts[end + 1])
            p *= (beta + (end - count)) * fall[end]
        log_mid = of_beta[0, mid - count] + log_gone[mid]
        for i in range(first, stop):
            log_first = of_beta[0, recency[i] - count] + log_gone[recency[i]]
            log_last = of_beta[0, T[i] - count] + log_alive[T[i]]
            highest = max(log_first, log_last)
            scale, later = np.exp(log_first - highest), np.exp(log_mid - highest)
            for k in range(15):
                row[k] = scale * parts[recency[i], k] + later * parts[T[i], k]
            add_term(np.exp(log_last - highest), alive[T[i]], of_beta, T[i] - count, row)
            w = weight[i] / row[0]
            sums[0] += weight[i] * (highest + np.log(row[0]))
            m = 5
            for j in range(1, 5):
                sums[j] += w * row[j]
                for k in range(j, 5):
                    sums[m] += w * (row[m] - row[j] * row[k] / row[0])
                    m += 1
        first = stop


@inner_kernel
def add_term(p, term, of_beta, misses, total):
    """Add `p` times a term to `total`, (15,) INOUT; `of_beta` at so many misses is the part of it that depends on x."""
    slope = of_beta[1, misses]
    for k in range(15):
        total[k] += p * term[k]
    total[2] += p * slope
    total[6] += p * term[1] * slope
    total[9] += p * ((2.0 * term[2] + slope) * slope + of_beta[2, misses])
    total[10] += p * term[3] * slope
    total[11] += p * term[4] * slope
