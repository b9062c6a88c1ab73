"""The BG/BB log-likelihood, row by row."""

import numpy as np

from kmad._jit import kernel


@kernel
def sum_rows(
    x,  # (n,) int64, IN
    recency,  # (n,) int64, IN
    T,  # (n,) int64, IN
    weight,  # (n,) IN
    of_alpha,  # (3, most + 1) IN, log of the rising factorials and its two derivatives
    of_beta,  # (3, most + 1) IN
    of_both,  # (3, most + 1) IN, of alpha + beta
    of_delta,  # (3, most + 1) IN
    of_gone,  # (3, most + 1) IN, of gamma + delta
    alpha_share,  # float, IN, alpha / (alpha + beta)
    gamma_share,  # float, IN, gamma / (gamma + delta)
    log_gamma,  # float, IN
    sums,  # (15,) INOUT
):
    """Add value, gradient and Hessian of the rows to `sums`, with respect to the logarithms of the parameters.

    A row is a sum over the time of death: not yet, or in the period after each from the recency to the last.
    """
    a, b, c, d = alpha_share, 1.0 - alpha_share, gamma_share, 1.0 - gamma_share
    g = np.empty(4)
    mean = np.empty(4)
    second = np.empty(10)
    for i in range(len(x)):
        highest = -np.inf
        total = 0.0
        # The first pass finds the highest term, so that the second neither overflows nor vanishes.
        for final in range(2):
            if final:
                mean[:] = 0.0
                second[:] = 0.0
            for end in range(recency[i], T[i] + 1):
                dead = 1 if end < T[i] else 0
                misses, gone = end - x[i], end + dead
                term = of_alpha[0, x[i]] + of_beta[0, misses] - of_both[0, end] + of_delta[0, end] - of_gone[0, gone]
                term += dead * log_gamma
                if not final:
                    highest = max(highest, term)
                    continue
                p = np.exp(term - highest)
                total += p
                g[0] = of_alpha[1, x[i]] - a * of_both[1, end]
                g[1] = of_beta[1, misses] - b * of_both[1, end]
                g[2] = dead - c * of_gone[1, gone]
                g[3] = of_delta[1, end] - d * of_gone[1, gone]
                h_both, bend_both = of_both[2, end], a * b * of_both[1, end]
                h_gone, bend_gone = of_gone[2, gone], c * d * of_gone[1, gone]
                second[0] += p * (of_alpha[2, x[i]] - a * a * h_both - bend_both)
                second[1] -= p * (a * b * h_both - bend_both)
                second[4] += p * (of_beta[2, misses] - b * b * h_both - bend_both)
                second[7] -= p * (c * c * h_gone + bend_gone)
                second[8] -= p * (c * d * h_gone - bend_gone)
                second[9] += p * (of_delta[2, end] - d * d * h_gone - bend_gone)
                m = 0
                for j in range(4):
                    mean[j] += p * g[j]
                    for k in range(j, 4):
                        second[m] += p * g[j] * g[k]
                        m += 1
        w = weight[i]
        sums[0] += w * (highest + np.log(total))
        m = 0
        for j in range(4):
            sums[1 + j] += w * mean[j] / total
            for k in range(j, 4):
                sums[5 + m] += w * (second[m] / total - mean[j] * mean[k] / total**2)
                m += 1
