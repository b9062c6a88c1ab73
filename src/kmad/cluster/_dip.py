"""Hartigan's dip, how far a distribution on a line is from the nearest with one mode, and the lines to try it on."""

import numpy as np

from kmad._jit import kernel

# Bins of a line.
N_BINS = 1 << 9
# Steps of two-means, which only looks for a direction.
MAX_HALVINGS = 16


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


@kernel
def best_halves(
    place,  # (m, 3) IN
    weights,  # (m,) IN
    start,
    stop,
    cut,  # (2, 3) OUT: means of the two halves
):
    """Two-means of the points start to stop, the best of a start along each axis; returns the fall in inertia."""
    all_mass = 0.0
    all_sum = np.zeros(3)
    for i in range(start, stop):
        all_mass += weights[i]
        for f in range(3):
            all_sum[f] += weights[i] * place[i, f]
    best = 0.0
    middle, step, upper_sum = np.empty(3), np.empty(3), np.empty(3)
    for axis in range(3):
        middle[:] = all_sum / all_mass
        step[:] = 0.0
        step[axis] = 1.0
        before, gain = -1.0, 0.0
        for _ in range(MAX_HALVINGS):
            upper_mass = 0.0
            upper_sum[:] = 0.0
            for i in range(start, stop):
                side = (
                    (place[i, 0] - middle[0]) * step[0]
                    + (place[i, 1] - middle[1]) * step[1]
                    + (place[i, 2] - middle[2]) * step[2]
                )
                # No branch: which side a point lies on cannot be predicted.
                w = weights[i] if side > 0.0 else 0.0
                upper_mass += w
                upper_sum[0] += w * place[i, 0]
                upper_sum[1] += w * place[i, 1]
                upper_sum[2] += w * place[i, 2]
            lower_mass = all_mass - upper_mass
            if upper_mass <= 0.0 or lower_mass <= 0.0 or upper_mass == before:
                break
            before = upper_mass
            upper = upper_sum / upper_mass
            lower = (all_sum - upper_sum) / lower_mass
            step[:] = upper - lower
            middle[:] = (upper + lower) / 2
            gain = upper_mass * lower_mass / all_mass * (step * step).sum()
        if gain > best:
            best = gain
            cut[0] = middle - step / 2
            cut[1] = middle + step / 2
    return best


@kernel
def dip_along(
    place,  # (m, p) IN
    weights,  # (m,) IN
    start,
    stop,
    line,  # (p,) IN
    curve,  # (bins + 1,) scratch
):
    """The dip of the points start to stop along a line, times the square root of their mass."""
    n_bins = len(curve) - 1
    low, high, mass = np.inf, -np.inf, 0.0
    for i in range(start, stop):
        at = 0.0
        for f in range(len(line)):
            at += place[i, f] * line[f]
        low, high = min(low, at), max(high, at)
        mass += weights[i]
    if not high > low:
        return 0.0
    scale = n_bins / (high - low)
    curve[:] = 0.0
    for i in range(start, stop):
        at = 0.0
        for f in range(len(line)):
            at += place[i, f] * line[f]
        curve[1 + min(int((at - low) * scale), n_bins - 1)] += weights[i] / mass
    for b in range(n_bins):
        curve[b + 1] += curve[b]
    return np.sqrt(mass) * dip_of_curve(curve)


@kernel
def dips_along_halves(
    place,  # (m, 3) IN
    weights,  # (m,) IN
    starts,  # (k + 1,) IN: the points of each cluster
    first,
    last,
    dips,  # (k,) OUT: square root of the mass times the dip along the line that joins the two means
    cuts,  # (k, 2, 3) OUT: those means
):
    """Try clusters first to last along the line that divides each best."""
    curve = np.empty(N_BINS + 1)
    for j in range(first, last):
        dips[j] = 0.0
        if best_halves(place, weights, starts[j], starts[j + 1], cuts[j]) > 0.0:
            dips[j] = dip_along(place, weights, starts[j], starts[j + 1], cuts[j, 1] - cuts[j, 0], curve)


@kernel
def dips_along_features(
    rows,  # (m, d) IN
    weights,  # (m,) IN
    starts,  # (k + 1,) IN
    first,
    last,
    dips,  # (k, d) OUT
):
    """Try clusters first to last along every feature."""
    curve = np.empty(N_BINS + 1)
    one = np.ones(1)
    for j in range(first, last):
        for f in range(rows.shape[1]):
            dips[j, f] = dip_along(rows[:, f : f + 1], weights, starts[j], starts[j + 1], one, curve)
