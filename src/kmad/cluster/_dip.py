"""Hartigan's dip: how far a distribution on a line is from the nearest with one mode."""

import numpy as np

from kmad._jit import kernel

# To numba a literal 0 is of a type of its own, for which it compiles anew all that it is handed to.
ZERO = np.int64(0)


@kernel
def hull(
    curve,  # (m,) IN
    start,
    stop,
    sign,
    vertex,  # (m,) OUT: indices of the hull's corners, in rising order
):
    """Corners of the greatest convex minorant (sign 1) or the least concave majorant (-1) on [start, stop]."""
    size = 0
    for c in range(start, stop + 1):
        while size > 1:
            a, b = vertex[size - 2], vertex[size - 1]
            if sign * ((curve[b] - curve[a]) * (c - b) - (curve[c] - curve[b]) * (b - a)) < 0:
                break
            size -= 1
        vertex[size] = c
        size += 1
    return size


@kernel
def dip_of_curve(
    curve,  # (m,) IN: cumulative distribution at equal steps
    least,
):
    """Shrink the interval that must hold the mode until nothing outside it deviates more than what lies within.

    A dip below the least is not sought further: what is returned is below the least, too.

    J. A. Hartigan and P. M. Hartigan, The dip test of unimodality, Annals of Statistics 13, 1985.
    """
    m = len(curve)
    minorant, majorant = np.empty(m, np.int64), np.empty(m, np.int64)
    low, high, deviation = ZERO, m - 1, 0.0
    while True:
        n_low = hull(curve, low, high, 1.0, minorant)
        n_high = hull(curve, low, high, -1.0, majorant)
        # The widest gap between the hulls stands at a corner of one of them, not at their common ends.
        widest, left, right = 0.0, low, high
        j = 0
        for i in range(1, n_low - 1):
            c = minorant[i]
            while majorant[j + 1] < c:
                j += 1
            a, b = majorant[j], majorant[j + 1]
            gap = curve[a] + (curve[b] - curve[a]) * (c - a) / (b - a) - curve[c]
            if gap > widest:
                widest, left, right = gap, c, b
        j = 0
        for i in range(1, n_high - 1):
            c = majorant[i]
            while minorant[j + 1] < c:
                j += 1
            a, b = minorant[j], minorant[j + 1]
            gap = curve[c] - curve[a] - (curve[b] - curve[a]) * (c - a) / (b - a)
            if gap > widest:
                widest, left, right = gap, a, c
        if widest <= max(deviation, 2.0 * least):
            return 0.5 * deviation
        i = 0
        while minorant[i + 1] <= left:
            a, b = minorant[i], minorant[i + 1]
            for c in range(a + 1, b):
                deviation = max(deviation, curve[c] - curve[a] - (curve[b] - curve[a]) * (c - a) / (b - a))
            i += 1
        for i in range(n_high - 1):
            a, b = majorant[i], majorant[i + 1]
            if a < right:
                continue
            for c in range(a + 1, b):
                deviation = max(deviation, curve[a] + (curve[b] - curve[a]) * (c - a) / (b - a) - curve[c])
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
    curve = np.empty(n_bins + 1)
    for j in range(first, last):
        wanted = least
        for line in range(n_lines[j]):
            mass = 0.0
            for b in range(n_bins):
                mass += counts[j, line, b]
            dips[j, line] = 0.0
            if mass == 0.0:
                continue
            curve[0] = 0.0
            for b in range(n_bins):
                curve[b + 1] = curve[b] + counts[j, line, b] / mass
            dips[j, line] = np.sqrt(mass) * dip_of_curve(curve, wanted / np.sqrt(mass))
            wanted = max(wanted, largest * dips[j, line])
