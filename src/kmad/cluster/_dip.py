"""Hartigan's dip, how far a distribution on a line is from the nearest with one mode, and the lines to try it on."""

import numpy as np

from kmad._jit import kernel

# Bins of a line.
N_BINS = 1 << 9
# Bins of a line that is one of many.
WIDE_BINS = 1 << 6
# Steps of two-means, which only looks for a direction.
MAX_HALVINGS = 16
# To numba a literal 0 or 1 is of a type of its own, for which it compiles anew all that it is handed to.
ZERO, ONE = np.int64(0), np.int64(1)


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
    low, high, deviation = 0, m - 1, 0.0
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
def best_halves(
    place,  # (m, 3) IN
    weights,  # (m,) IN
    start,
    stop,
    every,
    cut,  # (2, 3) OUT: means of the two halves
):
    """Two-means of every so many points, the best of a start along each axis; returns the fall in inertia.

    All in single numbers: expressions of arrays of three would cost seconds to compile.
    """
    mass, all0, all1, all2 = 0.0, 0.0, 0.0, 0.0
    for i in range(start, stop, every):
        mass += weights[i]
        all0 += weights[i] * place[i, 0]
        all1 += weights[i] * place[i, 1]
        all2 += weights[i] * place[i, 2]
    best = 0.0
    for axis in range(3):
        step0, step1, step2 = 1.0 if axis == 0 else 0.0, 1.0 if axis == 1 else 0.0, 1.0 if axis == 2 else 0.0
        middle = (step0 * all0 + step1 * all1 + step2 * all2) / mass
        before, before0, before1, before2 = -1.0, 0.0, 0.0, 0.0
        for _ in range(MAX_HALVINGS):
            up, up0, up1, up2 = 0.0, 0.0, 0.0, 0.0
            for i in range(start, stop, every):
                along = place[i, 0] * step0 + place[i, 1] * step1 + place[i, 2] * step2
                # No branch: which side a point lies on cannot be predicted.
                w = weights[i] if along > middle else 0.0
                up += w
                up0 += w * place[i, 0]
                up1 += w * place[i, 1]
                up2 += w * place[i, 2]
            down = mass - up
            if up <= 0.0 or down <= 0.0:
                break
            if up == before and up0 == before0 and up1 == before1 and up2 == before2:
                break
            before, before0, before1, before2 = up, up0, up1, up2
            high0, high1, high2 = up0 / up, up1 / up, up2 / up
            low0, low1, low2 = (all0 - up0) / down, (all1 - up1) / down, (all2 - up2) / down
            step0, step1, step2 = high0 - low0, high1 - low1, high2 - low2
            middle = ((high0 + low0) * step0 + (high1 + low1) * step1 + (high2 + low2) * step2) / 2
            gain = up * down / mass * (step0 * step0 + step1 * step1 + step2 * step2)
            if gain > best:
                best = gain
                cut[0, 0], cut[0, 1], cut[0, 2] = low0, low1, low2
                cut[1, 0], cut[1, 1], cut[1, 2] = high0, high1, high2
    return best


@kernel
def dip_along(
    place,  # (m, p) IN
    weights,  # (m,) IN
    start,
    stop,
    every,
    feature,
    line,  # (3,) IN: the line to look along, or empty for that of the feature
    least,
    counts,  # (bins,) OUT: mass of the points at equal steps along it
    curve,  # (bins + 1,) scratch
):
    """The dip of every so many of the points start to stop along a line, times the square root of their mass.

    Where it is below the least, a number below the least.
    """
    n_bins = len(counts)
    low, high, mass = np.inf, -np.inf, 0.0
    for i in range(start, stop, every):
        at = place[i, feature]
        if len(line):
            at = place[i, 0] * line[0] + place[i, 1] * line[1] + place[i, 2] * line[2]
        low, high = min(low, at), max(high, at)
        mass += weights[i]
    for b in range(n_bins):
        counts[b] = 0.0
    if not high > low:
        return 0.0
    scale = n_bins / (high - low)
    for i in range(start, stop, every):
        at = place[i, feature]
        if len(line):
            at = place[i, 0] * line[0] + place[i, 1] * line[1] + place[i, 2] * line[2]
        counts[min(int((at - low) * scale), n_bins - 1)] += weights[i]
    curve[0] = 0.0
    for b in range(n_bins):
        curve[b + 1] = curve[b] + counts[b] / mass
    return np.sqrt(mass) * dip_of_curve(curve, least / np.sqrt(mass))


@kernel
def steepest(
    place,  # (m, 3) IN
    weights,  # (m,) IN
    start,
    stop,
    every,
    lines,  # (l, 3) IN
):
    """Along which of the lines every so many points have the largest dip, by wide bins."""
    counts, curve = np.empty(WIDE_BINS), np.empty(WIDE_BINS + 1)
    best, largest = 0, 0.0
    for line in range(len(lines)):
        dip = dip_along(place, weights, start, stop, every, ZERO, lines[line], largest, counts, curve)
        if dip > largest:
            best, largest = line, dip
    return best


@kernel
def center_each(
    rows,  # (m, d <= 3) IN
    weights,  # (m,) IN
    starts,  # (k + 1,) IN
    first,
    last,
    place,  # (m, 3) OUT: the rows of each cluster from first to last less their mean, and zeros
):
    """Move every cluster to its mean."""
    d = rows.shape[1]
    for j in range(first, last):
        mass, s0, s1, s2 = 0.0, 0.0, 0.0, 0.0
        for i in range(starts[j], starts[j + 1]):
            mass += weights[i]
            s0 += weights[i] * rows[i, 0]
            s1 += weights[i] * rows[i, 1] if d > 1 else 0.0
            s2 += weights[i] * rows[i, 2] if d > 2 else 0.0
        for i in range(starts[j], starts[j + 1]):
            place[i, 0] = rows[i, 0] - s0 / mass
            place[i, 1] = rows[i, 1] - s1 / mass if d > 1 else 0.0
            place[i, 2] = rows[i, 2] - s2 / mass if d > 2 else 0.0


@kernel
def halve_each(
    place,  # (m, 3) IN: the points of each cluster less their mean
    weights,  # (m,) IN
    starts,  # (k + 1,) IN
    fewest,
    most,
    first,
    last,
    lines,  # (k, 2, 3) OUT: the first one joins the means of the two halves of each cluster from first to last
    scatter,  # (k, 3, 3) OUT: products of the coordinates, weighted and summed, as parts of that of the largest with
    # itself; 0 for a cluster that has no halves
):
    """Halve clusters of at least `fewest` points by about `most` of their points."""
    cut = np.empty((2, 3))
    for j in range(first, last):
        start, stop = starts[j], starts[j + 1]
        every = max(1, -(-(stop - start) // most))
        if stop - start < fewest or not best_halves(place, weights, start, stop, every, cut) > 0.0:
            continue
        for f in range(3):
            lines[j, 0, f] = cut[1, f] - cut[0, f]
        largest = 0.0
        for i in range(start, stop, every):
            for f in range(3):
                largest = max(largest, abs(place[i, f]))
        for i in range(start, stop, every):
            for f in range(3):
                for g in range(3):
                    scatter[j, f, g] += weights[i] * ((place[i, f] / largest) * (place[i, g] / largest))


@kernel
def look_each(
    place,  # (m, 3) IN: the points of each cluster
    weights,  # (m,) IN
    starts,  # (k + 1,) IN
    most,
    many,  # (k, l, 3) IN: lines
    n_many,  # (k,) IN: how many of them to try, 0 for a cluster that is left out
    first,
    last,
    lines,  # (k, 2, 3) INOUT: one line and, on return, the best of the many
    dips,  # (k, 2) OUT
    counts,  # (k, 2, bins) OUT
):
    """Look along two lines of every cluster from first to last, of which one is chosen by about `most` points."""
    curve = np.empty(counts.shape[2] + 1)
    for j in range(first, last):
        if n_many[j] == 0:
            continue
        start, stop = starts[j], starts[j + 1]
        best = steepest(place, weights, start, stop, max(1, -(-(stop - start) // most)), many[j, : n_many[j]])
        for f in range(3):
            lines[j, 1, f] = many[j, best, f]
        for m in range(2):
            dips[j, m] = dip_along(place, weights, start, stop, ONE, ZERO, lines[j, m], 0.0, counts[j, m], curve)


@kernel
def dips_along_features(
    rows,  # (m, d) IN
    weights,  # (m,) IN
    start,
    stop,
    dips,  # (d,) OUT
    counts,  # (d, bins) OUT: mass along each feature
):
    """Try the points start to stop along every feature."""
    curve, line = np.empty(counts.shape[1] + 1), np.empty(0)
    for f in range(rows.shape[1]):
        dips[f] = dip_along(rows, weights, start, stop, ONE, f, line, 0.0, counts[f], curve)
