"""Hartigan's dip: how far a distribution on a line is from the nearest with one mode."""

import numpy as np

from kmad._jit import kernel

# To numba a literal number is of a type of its own, for which it compiles anew all that it is handed to.
ZERO, FORWARD, BACKWARD = np.int64(0), np.int64(1), np.int64(-1)


@kernel
def hull(
    curve,  # (m,) IN
    step,
    corner,  # (m,) OUT: of the hull from where it begins to each place, the corner next to that place
):
    """Corners of the greatest convex minorants of all that begins at the left end of a curve (step 1).

    Or of the least concave majorants of all that begins at the right end (step -1).
    """
    m = len(curve)
    c = 0 if step > 0 else m - 1
    corner[c] = c
    for _ in range(1, m):
        c += step
        b = c - step
        a = corner[b]
        while a != b and (curve[b] - curve[a]) * (c - b) >= (curve[c] - curve[b]) * (b - a):
            b, a = a, corner[a]
        corner[c] = b


@kernel
def dip_of_curve(
    curve,  # (m,) IN: cumulative mass at equal steps
    least,
):
    """Shrink the interval that must hold the mode until nothing outside it deviates more than what lies within.

    A dip below the least is not sought further: what is returned is below the least, too.

    J. A. Hartigan and P. M. Hartigan, The dip test of unimodality, Annals of Statistics 13, 1985. As in P. M. Hartigan,
    Algorithm AS 217, 1985, each hull is found once: every interval begins at a corner of the minorant that ends where
    it ends, and ends at one of the majorant that begins where it begins.
    """
    m = len(curve)
    before, after, majorant = np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m, np.int64)
    hull(curve, FORWARD, before)
    hull(curve, BACKWARD, after)
    low, high, deviation = ZERO, m - 1, 0.0
    while True:
        n = 0
        majorant[0] = low
        while majorant[n] != high:
            majorant[n + 1] = after[majorant[n]]
            n += 1
        # The widest gap between the hulls stands at a corner of one of them, not at their common ends.
        widest, left, right = 0.0, low, high
        i, c = n, before[high]
        while c > low:
            while majorant[i] >= c:
                i -= 1
            a, b = majorant[i], majorant[i + 1]
            gap = curve[a] + (curve[b] - curve[a]) * (c - a) / (b - a) - curve[c]
            if gap > widest:
                widest, left, right = gap, c, b
            c = before[c]
        b = high
        for i in range(n - 1, 0, -1):
            c = majorant[i]
            while before[b] >= c:
                b = before[b]
            a = before[b]
            gap = curve[c] - curve[a] - (curve[b] - curve[a]) * (c - a) / (b - a)
            if gap > widest:
                widest, left, right = gap, a, c
        if widest <= max(deviation, 2.0 * least):
            return 0.5 * deviation
        b = left
        while b > low:
            a = before[b]
            slope = (curve[b] - curve[a]) / (b - a)
            for c in range(a + 1, b):
                deviation = max(deviation, curve[c] - curve[a] - slope * (c - a))
            b = a
        a = right
        while a < high:
            b = after[a]
            slope = (curve[b] - curve[a]) / (b - a)
            for c in range(a + 1, b):
                deviation = max(deviation, curve[a] + slope * (c - a) - curve[c])
            a = b
        low, high = left, right


@kernel
def find_dips(
    counts,  # (k, l, bins) IN: mass at equal steps along the lines of k clusters
    n_lines,  # (k,) IN: how many lines of each cluster there are
    least,
    largest,  # whether no dip is wanted but the largest of each cluster: 1 or 0
    first,
    last,
    dips,  # (k, l) OUT: times the square root of the mass; of those below the least some number below it
):
    """Find the dips along the lines of the clusters from first to last."""
    n_bins = counts.shape[2]
    curve = np.zeros(n_bins + 1)
    for j in range(first, last):
        wanted = least
        for line in range(n_lines[j]):
            # Of whole masses all sums are exact.
            for b in range(n_bins):
                curve[b + 1] = curve[b] + counts[j, line, b]
            root = np.sqrt(curve[n_bins])
            dips[j, line] = dip_of_curve(curve, wanted * root) / root if root > 0.0 else 0.0
            wanted = max(wanted, largest * dips[j, line])
