"""The density landscape on a grid at one bandwidth: peaks, the basins that climb to them, and the saddles between."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import kernel

Floats = NDArray[np.float64]

# Bandwidths in cells of the grid they are tried on; then the cells are joined two by two.
SIGMAS = 1.5 * np.exp2(np.arange(2) / 2)
# Cells are joined no further when none of the axes has more of them than this.
FEW_CELLS = 12
# An effective count below this is empty ground: it is 0.07 high on the stabilised scale.
EMPTY = 0.05


class Landscape(NamedTuple):
    region: NDArray[np.int32]  # (cells,) index of the significant region that a cell climbs to, -1 where there is none
    peak: NDArray[np.int64]  # (regions,) cell of the highest density
    prominence: Floats  # (regions,) standard deviations above the highest saddle to a higher peak
    threshold: float  # the prominence a region needed
    resolvable: float  # how many separate regions the occupied ground could hold


def stabilise(count: Floats) -> Floats:
    """Anscombe's square root: a Poisson count becomes a number of variance one."""
    return np.asarray(2.0 * np.sqrt(count + 0.375))


def row_floor(n_axes: int) -> float:
    """The effective count of one row at its own place: where none lies in a valley, one might have."""
    return float(np.exp2(n_axes / 2))


def prominence_threshold(n_axes: int, resolvable: float | Floats, significance: float) -> Floats:
    """Prominence that chance reaches in a share `significance` of the samples that hold one region.

    On two and three axes saddles hardly fluctuate, and the peaks are `resolvable` independent normal deviates. On one
    axis a saddle is the lowest of the points between two peaks: the difference of any pair of deviates.
    """
    if n_axes > 1:
        return np.asarray(np.sqrt(2 * np.log(resolvable / significance)))
    return np.asarray(2 * np.sqrt(np.log(np.square(resolvable) / (2 * significance))))


def gaussian_taps(sigma: float) -> Floats:
    """One half of a Gaussian kernel that sums to one, from the middle outwards."""
    taps = np.exp(-0.5 * (np.arange(int(4 * sigma) + 1) / sigma) ** 2)
    return np.asarray(taps / (2 * taps.sum() - taps[0]))


def effective_counts(mass: Floats, sigma: Floats) -> Floats:
    """Smooth a mass over three axes and scale it to the Poisson count whose relative error it has."""
    count = mass
    for axis in range(3):
        if sigma[axis] > 0:
            taps = gaussian_taps(sigma[axis])
            # The axes before and after the one that is smoothed, as one each.
            split = (int(np.prod(mass.shape[:axis])), mass.shape[axis], int(np.prod(mass.shape[axis + 1 :])))
            smoothed = np.empty(split)
            smooth(count.reshape(split), taps / (2 * (taps**2).sum() - taps[0] ** 2), smoothed)
            count = smoothed.reshape(mass.shape)
    return count


def survey(mass: Floats, sigma: Floats, threshold_of: Callable[[float], float]) -> Landscape:
    """Find the regions of a mass over three axes; sigma is in cells, 0 along an axis of one cell."""
    count = effective_counts(mass, sigma)
    resolvable = max(1.0, np.count_nonzero(count >= 0.5) / np.prod(np.sqrt(2 * np.pi) * sigma[sigma > 0]))
    threshold = threshold_of(resolvable)
    region, peak, prominence = np.empty(count.size, np.int32), np.empty(count.size, np.int64), np.empty(count.size)
    n_regions = flood(count, EMPTY, row_floor(int(np.count_nonzero(sigma))), threshold, region, peak, prominence)
    return Landscape(region, peak[:n_regions].copy(), prominence[:n_regions].copy(), threshold, resolvable)


@kernel
def smooth(
    a,  # (m, n, w) IN
    taps,  # (reach,) IN, from the middle outwards
    out,  # (m, n, w) OUT
):
    """Convolve `a` along its middle axis; beyond the edge lies nothing."""
    m, n, w = a.shape
    for i in range(m):
        if w == 1:
            for j in range(n):
                out[i, j, 0] = taps[0] * a[i, j, 0]
            for k in range(1, min(len(taps), n)):
                for j in range(n - k):
                    out[i, j + k, 0] += taps[k] * a[i, j, 0]
                for j in range(n - k):
                    out[i, j, 0] += taps[k] * a[i, j + k, 0]
            continue
        for j in range(n):
            for b in range(w):
                out[i, j, b] = taps[0] * a[i, j, b]
            for k in range(1, len(taps)):
                if j >= k and j + k < n:
                    for b in range(w):
                        out[i, j, b] += taps[k] * (a[i, j - k, b] + a[i, j + k, b])
                elif j >= k:
                    for b in range(w):
                        out[i, j, b] += taps[k] * a[i, j - k, b]
                elif j + k < n:
                    for b in range(w):
                        out[i, j, b] += taps[k] * a[i, j + k, b]


@kernel
def climb(
    ground,  # (cells,) IN, with empty cells all around
    strides,  # (axes,) IN: distance to the next cell along each axis with neighbours, rising
    empty,
    basin,  # (cells,) OUT: number of the peak that a cell climbs to, -1 on empty ground
    peak,  # (cells,) OUT: cell of each peak
):
    """Send every cell up its steepest neighbour until a peak, and number the peaks; returns how many there are."""
    # The highest of a cell and its neighbours, diagonal ones too, axis by axis. Of equal cells the first: a plateau has
    # one peak as far as neighbours reach.
    n = len(ground)
    height, top = ground.copy(), np.arange(n).astype(np.int32)
    higher, over = height.copy(), top.copy()
    for stride in strides:
        m = n - 2 * stride
        # Slices: an index that is a difference might be negative, and stops the vectors.
        height0, height1, height2 = height[:m], height[stride : n - stride], height[2 * stride :]
        top0, top1, top2 = top[:m], top[stride : n - stride], top[2 * stride :]
        into, top_of = higher[stride : n - stride], over[stride : n - stride]
        for c in range(m):
            a, b, d = height0[c], height1[c], height2[c]
            best = b if b > a else a
            first = top1[c] if b > a else top0[c]
            into[c] = d if d > best else best
            top_of[c] = top2[c] if d > best else first
        height, higher = higher, height
        top, over = over, top
    up = basin
    n_peaks = 0
    for c in range(n):
        up[c] = top[c] if ground[c] >= empty else -1
    # Follow the pointers; a cell that has been passed points at its peak, so every path is walked about once.
    for c in range(n):
        summit = up[c]
        if summit < 0:
            continue
        if summit == c:
            peak[n_peaks] = c
            n_peaks += 1
        while up[summit] != summit:
            summit = up[summit]
        at = c
        while up[at] != summit:
            following = up[at]
            up[at] = summit
            at = following
    number = over
    for p in range(n_peaks):
        number[peak[p]] = p
    for c in range(n):
        if up[c] >= 0:
            basin[c] = number[up[c]]
    return n_peaks


@kernel
def find_borders(
    ground,  # (cells,) IN, with empty cells all around
    basin,  # (cells,) IN
    steps,  # (half the neighbours,) IN: distance to each that comes after a cell
    a,  # (room,) OUT
    b,  # (room,) OUT
    saddle,  # (room,) OUT
):
    """List neighbouring cells of different basins; returns how many pairs there are, and writes as many as fit.

    A saddle between two neighbouring cells lies as high as the lower of them.
    """
    found = 0
    for c in range(len(ground)):
        own = basin[c]
        if own < 0:
            continue
        for step in steps:
            other = basin[c + step]
            if other >= 0 and other != own:
                if found < len(a):
                    a[found] = own
                    b[found] = other
                    saddle[found] = min(ground[c], ground[c + step])
                found += 1
    return found


@kernel
def fall(
    a,  # (m,) INOUT: a basin at each border
    b,  # (m,) INOUT: and the other
    saddle,  # (m,) INOUT: the count at the border
    n_borders,
    height,  # (basins,) IN
    floor,
    threshold,
    part_of,  # (basins,) OUT: the basin that each has become part of, by its new number, -1 for none
    left,  # (basins,) OUT: which basins are left
    prominence,  # (basins,) OUT: of each that fell
):
    """Let every basin of less prominence than the threshold fall to the neighbour across its highest saddle.

    No saddle counts as lower than the floor. A basin whose highest saddle leads to a higher peak has its prominence
    there; the others wait until that neighbour has fallen. Returns how many basins and borders are left.
    """
    n = len(height)
    highest, toward, target, number = np.empty(n), np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    for i in range(n):
        left[i] = i
        part_of[i] = i
    while True:
        for i in range(n):
            highest[i] = 0.0
            toward[i] = -1
        # Of several neighbours across equal saddles the first.
        for m in range(n_borders):
            i, j, s = a[m], b[m], saddle[m]
            if s > highest[i] or (s == highest[i] and j < toward[i]):
                highest[i] = s
                toward[i] = j
            if s > highest[j] or (s == highest[j] and i < toward[j]):
                highest[j] = s
                toward[j] = i
        falling = 0
        for i in range(n):
            own, over = height[left[i]], toward[i]
            target[i] = i
            higher = over < 0 or height[left[over]] > own or (height[left[over]] == own and over < i)
            rise = 2.0 * np.sqrt(own + 0.375) - 2.0 * np.sqrt(max(highest[i], floor) + 0.375)
            if higher and rise < threshold:
                prominence[left[i]] = rise
                target[i] = over
                falling += 1
        if falling == 0:
            return n, n_borders
        kept = 0
        for i in range(n):
            number[i] = kept
            if target[i] == i:
                left[kept] = left[i]
                kept += 1
        for i in range(n):
            top = i
            while top >= 0 and target[top] != top:
                top = target[top]
            target[i] = top
        for p in range(len(part_of)):
            if part_of[p] >= 0:
                top = target[part_of[p]]
                part_of[p] = number[top] if top >= 0 else -1
        between = 0
        for m in range(n_borders):
            i, j = number[target[a[m]]], number[target[b[m]]]
            if i != j:
                a[between] = i
                b[between] = j
                saddle[between] = saddle[m]
                between += 1
        n, n_borders = kept, between


@kernel
def flood(
    count,  # (n0, n1, n2) IN
    empty,
    floor,
    threshold,
    region,  # (cells,) OUT: index of the region of each cell, -1 where there is none
    peak,  # (cells,) OUT: cell of the peak of each region
    prominence,  # (cells,) OUT: of each region
):
    """Find the regions that stand out by the threshold; returns how many there are."""
    n0, n1, n2 = count.shape
    # Empty ground all around, so that every cell has all its neighbours.
    r0, r1, r2 = int(n0 > 1), int(n1 > 1), int(n2 > 1)
    width1, width2 = n1 + 2 * r1, n2 + 2 * r2
    ground = np.zeros((n0 + 2 * r0) * width1 * width2)
    for i in range(n0):
        for j in range(n1):
            first = ((i + r0) * width1 + j + r1) * width2 + r2
            for k in range(n2):
                ground[first + k] = count[i, j, k]
    strides = np.empty(3, np.int64)
    n_strides = 0
    for extended, stride in ((r2, 1), (r1, width2), (r0, width1 * width2)):
        strides[n_strides] = stride
        n_strides += extended
    # Distances to the neighbours that come after a cell, diagonal ones too.
    steps = np.empty(13, np.int64)
    n_steps = 0
    for d0 in range(r0 + 1):
        for d1 in range(-r1, r1 + 1):
            for d2 in range(-r2, r2 + 1):
                step = (d0 * width1 + d1) * width2 + d2
                if step > 0:
                    steps[n_steps] = step
                    n_steps += 1
    basin = np.empty(len(ground), np.int32)
    top = np.empty(len(ground), np.int64)
    n_basins = climb(ground, strides[:n_strides], empty, basin, top)
    height = np.empty(n_basins)
    for p in range(n_basins):
        height[p] = ground[top[p]]
    n_borders = len(ground)
    while True:
        room = n_borders
        a, b, saddle = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room)
        n_borders = find_borders(ground, basin, steps[:n_steps], a, b, saddle)
        if n_borders <= room:
            break
    part_of, left, rise = np.empty(n_basins, np.int32), np.empty(n_basins, np.int32), np.empty(n_basins)
    n_regions, n_borders = fall(a, b, saddle, n_borders, height, floor, threshold, part_of, left, rise)
    of_regions = np.empty(n_regions)
    for r in range(n_regions):
        of_regions[r] = height[left[r]]
        c = top[left[r]]
        i, j, k = c // (width1 * width2), c // width2 % width1, c % width2
        peak[r] = ((i - r0) * n1 + j - r1) * n2 + k - r2
    rest = np.empty(n_regions, np.int32)
    fall(a, b, saddle, n_borders, of_regions, floor, np.inf, np.empty(n_regions, np.int32), rest, prominence)
    for i in range(n0):
        for j in range(n1):
            first = ((i + r0) * width1 + j + r1) * width2 + r2
            for k in range(n2):
                own = basin[first + k]
                region[(i * n1 + j) * n2 + k] = part_of[own] if own >= 0 else -1
    return n_regions
