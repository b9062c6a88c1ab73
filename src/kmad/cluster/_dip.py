"""Hartigan's dip: how far a distribution on a line is from the nearest with one mode."""

import numpy as np
from numpy.typing import NDArray

from kmad._jit import kernel

Floats = NDArray[np.float64]


def dip(mass: Floats) -> float:
    """The dip of a histogram, each cell's mass spread evenly over it."""
    cumulative = np.zeros(len(mass) + 1)
    np.cumsum(mass, out=cumulative[1:])
    return float(dip_of_curve(cumulative / cumulative[-1]))


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
):
    """Shrink the interval that must hold the mode until nothing outside it deviates more than what lies within.

    J. A. Hartigan and P. M. Hartigan, The dip test of unimodality, Annals of Statistics 13, 1985.
    """
    m = len(curve)
    minorant, majorant = np.empty(m, np.int64), np.empty(m, np.int64)
    low, high, deviation = 0, m - 1, 0.0
    while True:
        n_low = hull(curve, low, high, 1.0, minorant)
        n_high = hull(curve, low, high, -1.0, majorant)
        # The widest gap between the hulls stands at a corner of one of them.
        widest, left, right = 0.0, low, high
        j = 0
        for i in range(n_low):
            c = minorant[i]
            while majorant[j + 1] < c:
                j += 1
            a, b = majorant[j], majorant[j + 1]
            gap = curve[a] + (curve[b] - curve[a]) * (c - a) / (b - a) - curve[c]
            if gap > widest:
                widest, left, right = gap, c, b
        j = 0
        for i in range(n_high):
            c = majorant[i]
            while minorant[j + 1] < c:
                j += 1
            a, b = minorant[j], minorant[j + 1]
            gap = curve[c] - curve[a] - (curve[b] - curve[a]) * (c - a) / (b - a)
            if gap > widest:
                # minorant[j] < c <= minorant[j + 1]
                widest, left, right = gap, a, c
        if widest <= deviation:
            return 0.5 * deviation
        for i in range(n_low - 1):
            a, b = minorant[i], minorant[i + 1]
            if b > left:
                break
            for c in range(a + 1, b):
                deviation = max(deviation, curve[c] - curve[a] - (curve[b] - curve[a]) * (c - a) / (b - a))
        for i in range(n_high - 1):
            a, b = majorant[i], majorant[i + 1]
            if a < right:
                continue
            for c in range(a + 1, b):
                deviation = max(deviation, curve[a] + (curve[b] - curve[a]) * (c - a) / (b - a) - curve[c])
        if left == low and right == high:
            return 0.5 * deviation
        low, high = left, right
