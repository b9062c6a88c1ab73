"""Lines through clusters: where their points lie, the line that halves them best, and their mass along a line."""

import numpy as np

from kmad._jit import kernel, reordering_kernel

# Steps of two-means, which only looks for a direction.
MAX_HALVINGS = 16
# Points that are looked at side by side.
LANES = 32
# Points on a shorter line lie at one place: so many bins for so little would be no number.
SHORTEST = 1e-300


@kernel
def center_each(
    rows,  # (m, d <= 3) IN
    weights,  # (m,) IN
    starts,  # (k + 1,) IN: first row of each cluster
    first,
    last,
    place,  # (3, m) OUT: the rows of each cluster from first to last less their mean, and zeros
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
            place[0, i] = rows[i, 0] - s0 / mass
            place[1, i] = rows[i, 1] - s1 / mass if d > 1 else 0.0
            place[2, i] = rows[i, 2] - s2 / mass if d > 2 else 0.0


@kernel
def scatter_each(
    place,  # (3, m) IN: the points of each cluster less their mean
    weights,  # (m,) IN
    starts,  # (k + 1,) IN
    first,
    last,
    scatter,  # (k, 3, 3) OUT: products of the coordinates, weighted and summed, as parts of the square of the largest
):
    """Say how far the clusters from first to last extend; one of equal points has a scatter of zeros."""
    for j in range(first, last):
        largest = 0.0
        for i in range(starts[j], starts[j + 1]):
            for f in range(3):
                largest = max(largest, abs(place[f, i]))
        unit = largest if largest > 0.0 else 1.0
        s00, s01, s02, s11, s12, s22 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(starts[j], starts[j + 1]):
            w, x0, x1, x2 = weights[i], place[0, i] / unit, place[1, i] / unit, place[2, i] / unit
            s00 += w * x0 * x0
            s01 += w * x0 * x1
            s02 += w * x0 * x2
            s11 += w * x1 * x1
            s12 += w * x1 * x2
            s22 += w * x2 * x2
        here = scatter[j]
        here[0, 0], here[0, 1], here[0, 2] = s00, s01, s02
        here[1, 0], here[1, 1], here[1, 2] = s01, s11, s12
        here[2, 0], here[2, 1], here[2, 2] = s02, s12, s22


@reordering_kernel
def halve_each(
    place,  # (3, m) IN
    weights,  # (m,) IN
    starts,  # (k + 1,) IN
    most,
    first,
    last,
    cuts,  # (k, 2, 3) INOUT: means of the two halves of each cluster from first to last, if it has any
    gains,  # (k,) OUT: the fall in inertia, not above 0 for a cluster that has none
):
    """Two-means of about `most` points of each cluster, the best of a start along each axis.

    All in single numbers: expressions of arrays of three would cost seconds to compile.
    """
    room = 0
    for j in range(first, last):
        room = max(room, starts[j + 1] - starts[j])
    x0, x1, x2, weight = np.empty(room), np.empty(room), np.empty(room), np.empty(room)
    for j in range(first, last):
        gains[j] = 0.0
        if starts[j + 1] == starts[j]:
            continue
        n = 0
        mass, all0, all1, all2 = 0.0, 0.0, 0.0, 0.0
        for i in range(starts[j], starts[j + 1], max(1, -(-(starts[j + 1] - starts[j]) // most))):
            w = weights[i]
            x0[n], x1[n], x2[n], weight[n] = place[0, i], place[1, i], place[2, i], w
            mass += w
            all0 += w * x0[n]
            all1 += w * x1[n]
            all2 += w * x2[n]
            n += 1
        for axis in range(3):
            step0, step1, step2 = 1.0 if axis == 0 else 0.0, 1.0 if axis == 1 else 0.0, 1.0 if axis == 2 else 0.0
            middle = (step0 * all0 + step1 * all1 + step2 * all2) / mass
            before, before0, before1, before2 = -1.0, 0.0, 0.0, 0.0
            for _ in range(MAX_HALVINGS):
                up, up0, up1, up2 = 0.0, 0.0, 0.0, 0.0
                for i in range(n):
                    along = x0[i] * step0 + x1[i] * step1 + x2[i] * step2
                    # No branch: which side a point lies on cannot be predicted.
                    w = weight[i] if along > middle else 0.0
                    up += w
                    up0 += w * x0[i]
                    up1 += w * x1[i]
                    up2 += w * x2[i]
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
                if gain > gains[j]:
                    gains[j] = gain
                    cuts[j, 0, 0], cuts[j, 0, 1], cuts[j, 0, 2] = low0, low1, low2
                    cuts[j, 1, 0], cuts[j, 1, 1], cuts[j, 1, 2] = high0, high1, high2


@kernel
def count_each(
    place,  # (3, m) IN
    weights,  # (m,) IN
    starts,  # (k + 1,) IN
    most,
    lines,  # (k, l, 3) IN
    n_lines,  # (k,) IN: how many lines of each cluster there are
    first,
    last,
    counts,  # (k, l, bins) OUT: mass of the points at equal steps along the lines; 0 where all lie at one place
):
    """Count about `most` points of each cluster from first to last along its lines."""
    n_bins = counts.shape[2]
    room = 0
    for j in range(first, last):
        room = max(room, starts[j + 1] - starts[j])
    room += LANES
    x0, x1, x2, weight, along = np.empty(room), np.empty(room), np.empty(room), np.empty(room), np.empty(room)
    least, greatest = np.empty(LANES), np.empty(LANES)
    for j in range(first, last):
        if n_lines[j] == 0:
            continue
        n = 0
        for i in range(starts[j], starts[j + 1], max(1, -(-(starts[j + 1] - starts[j]) // most))):
            x0[n], x1[n], x2[n], weight[n] = place[0, i], place[1, i], place[2, i], weights[i]
            n += 1
        # The last lanes are filled with a point that weighs nothing.
        while n % LANES:
            x0[n], x1[n], x2[n], weight[n] = x0[0], x1[0], x2[0], 0.0
            n += 1
        for line in range(n_lines[j]):
            a0, a1, a2 = lines[j, line, 0], lines[j, line, 1], lines[j, line, 2]
            for i in range(n):
                along[i] = x0[i] * a0 + x1[i] * a1 + x2[i] * a2
            for r in range(LANES):
                least[r] = np.inf
                greatest[r] = -np.inf
            for block in range(0, n, LANES):
                here = along[block : block + LANES]
                for r in range(LANES):
                    v, low, high = here[r], least[r], greatest[r]
                    # 0.0 is added as in `measure_lanes`.
                    least[r] = (v if v < low else low) + 0.0
                    greatest[r] = (v if v > high else high) + 0.0
            low, high = np.inf, -np.inf
            for r in range(LANES):
                low = min(low, least[r])
                high = max(high, greatest[r])
            for b in range(n_bins):
                counts[j, line, b] = 0.0
            if not high - low > SHORTEST:
                continue
            scale = n_bins / (high - low)
            for i in range(n):
                counts[j, line, min(int((along[i] - low) * scale), n_bins - 1)] += weight[i]


@kernel
def count_features(
    rows,  # (m, d) IN
    weights,  # (m,) IN
    start,
    stop,
    counts,  # (d, bins) OUT: mass at equal steps along each feature; 0 for a feature without extent
):
    """Count the rows start to stop along every feature."""
    n_bins = counts.shape[1]
    for f in range(rows.shape[1]):
        low, high = np.inf, -np.inf
        for i in range(start, stop):
            low, high = min(low, rows[i, f]), max(high, rows[i, f])
        for b in range(n_bins):
            counts[f, b] = 0.0
        if not high - low > SHORTEST:
            continue
        scale = n_bins / (high - low)
        for i in range(start, stop):
            counts[f, min(int((rows[i, f] - low) * scale), n_bins - 1)] += weights[i]
