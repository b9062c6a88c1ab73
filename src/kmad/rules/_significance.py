"""Whether antecedent and consequent go together beyond chance: p-values, and their correction for many rules."""

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel
from kmad._threads import Threads
from kmad.rules._measures import Counts, chi_square

Floats = NDArray[np.float64]

METHODS = ("fisher", "chi-square")
AGAINST = ("independence", "simpler")
ALTERNATIVES = ("greater", "two-sided")
ADJUSTMENTS = ("none", "bonferroni", "holm", "fdr")

# Rules of a chunk: a p-value takes about a microsecond.
CHUNK_RULES = 1 << 13
# Terms of a sum that are smaller than this part of it do not change it.
NEGLIGIBLE = 1e-17
# Tables whose probability exceeds that of the observed one by no more than rounding are as likely as it.
EQUAL = 1e-7
# More tests than a float can tell are as many as it can.
MOST_TESTS = float(np.finfo(np.float64).max)


def fisher(c: Counts, alternative: str, threads: Threads) -> Floats:
    """P-values of Fisher's exact test, for counts that are whole numbers."""
    p = np.empty(len(c.xy))
    xy, x, y, n = (frozen(np.broadcast_to(counts, p.shape).astype(np.int64)) for counts in c)
    edges = [*range(0, len(p), CHUNK_RULES), len(p)]
    two_sided = alternative == "two-sided"
    threads.map(lambda start, stop: sum_tails(xy, x, y, n, two_sided, start, stop, p), pairwise(edges))
    return p


def chi_square_test(c: Counts, alternative: str) -> Floats:
    """P-values of Pearson's chi-square test with one degree of freedom, without continuity correction."""
    from scipy.special import chdtrc, ndtr  # noqa: PLC0415 - half a second of import that few need

    statistic = chi_square(c)
    if alternative == "two-sided":
        return np.asarray(chdtrc(1.0, statistic))
    return np.asarray(ndtr(-np.sign(c.excess) * np.sqrt(statistic)))


def adjust_p_values(p: Floats, adjustment: str, n_tests: int) -> Floats:
    """Correct the p-values of some of `n_tests` tests for their number, as if those left out had p-values of 1."""
    if adjustment == "none":
        return p
    n = float(n_tests) if n_tests < MOST_TESTS else MOST_TESTS
    if adjustment == "bonferroni":
        return np.minimum(p * n, 1.0)
    order = np.argsort(p, kind="stable")
    rank = np.arange(len(p))
    if adjustment == "holm":
        rising = np.maximum.accumulate(p[order] * (n - rank))
    else:
        rising = np.minimum.accumulate((p[order] * n / (rank + 1))[::-1])[::-1]
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(rising, 1.0)
    return adjusted


@kernel
def log_probability(k, x, y, n):
    """Logarithm of the chance that k of the n baskets hold both parts, of which x and y hold one each."""
    return (
        math.lgamma(x + 1.0)
        + math.lgamma(n - x + 1.0)
        + math.lgamma(y + 1.0)
        + math.lgamma(n - y + 1.0)
        - math.lgamma(n + 1.0)
        - math.lgamma(k + 1.0)
        - math.lgamma(x - k + 1.0)
        - math.lgamma(y - k + 1.0)
        - math.lgamma(n - x - y + k + 1.0)
    )


@kernel
def upper_tail(k, x, y, n):
    """Chance of k baskets or more with both parts, for k at least the mode or where all tables below are impossible."""
    term = math.exp(log_probability(k, x, y, n))
    total = term
    for j in range(k, min(x, y)):
        term *= float(x - j) * float(y - j) / (float(j + 1) * float(n - x - y + j + 1))
        total += term
        if term <= total * NEGLIGIBLE:
            break
    return total


@kernel
def sum_tails(
    xy,  # (n_rules,) IN
    x,  # (n_rules,) IN
    y,  # (n_rules,) IN
    n,  # (n_rules,) IN
    two_sided,
    start,
    stop,
    p,  # (n_rules,) OUT
):
    """Fisher's exact test of rules start to stop."""
    for r in range(start, stop):
        k, a, b, m = xy[r], x[r], y[r], n[r]
        lowest, highest = max(0, a + b - m), min(a, b)
        mode = np.int64(float(a + 1) * float(b + 1) / float(m + 2))
        # The lower tail is the upper tail of the baskets with X and without Y.
        if k > mode:
            own = upper_tail(k, a, b, m)
        elif two_sided:
            own = upper_tail(a - k, a, m - b, m)
        elif k == lowest:
            own = 1.0
        else:
            own = 1.0 - upper_tail(a - k + 1, a, m - b, m)
        if two_sided:
            limit = log_probability(k, a, b, m) + EQUAL
            if log_probability(mode, a, b, m) <= limit:
                own = 1.0
            else:
                # Across the mode, the first table that is no more likely than the observed one.
                inside, outside = mode, lowest - 1 if k > mode else highest + 1
                while abs(inside - outside) > 1:
                    middle = (inside + outside) // 2
                    if log_probability(middle, a, b, m) > limit:
                        inside = middle
                    else:
                        outside = middle
                if lowest <= outside <= highest:
                    own += upper_tail(a - outside, a, m - b, m) if k > mode else upper_tail(outside, a, b, m)
        p[r] = min(max(own, 0.0), 1.0)
