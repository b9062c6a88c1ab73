"""The density landscape on a grid at one bandwidth: peaks, the basins that climb to them, and the saddles between."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel

Floats = NDArray[np.float64]
Labels = NDArray[np.int32]

# Bandwidths in cells of the grid they are tried on; then the cells are joined two by two.
SIGMAS = 1.5 * np.exp2(np.arange(2) / 2)
# Cells are joined no further when none of the axes has more of them than this.
FEW_CELLS = 12
# An effective count below this is empty ground: it is 0.07 high on the stabilised scale.
EMPTY = 0.05


class Landscape(NamedTuple):
    region: Labels  # (cells,) index of the significant region that a cell climbs to, -1 where there is none
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


@lru_cache(maxsize=64)
def gaussian_taps(sigma: float) -> Floats:
    """One half of a Gaussian kernel that sums to one, from the middle outwards."""
    taps = np.exp(-0.5 * (np.arange(int(4 * sigma) + 1) / sigma) ** 2)
    return frozen(np.asarray(taps / (2 * taps.sum() - taps[0])))


@lru_cache(maxsize=64)
def counting_taps(sigma: float) -> Floats:
    """The same, so scaled that they turn a mass into the Poisson count that has its relative error."""
    taps = gaussian_taps(sigma)
    return frozen(np.asarray(taps / (2 * (taps**2).sum() - taps[0] ** 2)))


def effective_counts(mass: Floats, sigma: Floats) -> Floats:
    """Smooth a mass over three axes and scale it to the Poisson count whose relative error it has."""
    count, shape = mass, mass.shape
    for axis, width in enumerate(sigma.tolist()):
        if width > 0:
            # The axes before and after the one that is smoothed, as one each.
            split = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
            smoothed = np.empty(split)
            smooth(count.reshape(split), counting_taps(width), smoothed)
            count = smoothed.reshape(shape)
    return count


def survey(mass: Floats, sigma: Floats, threshold_of: Callable[[float], float]) -> Landscape:
    """Find the regions of a mass over three axes; sigma is in cells, 0 along an axis of one cell."""
    count = effective_counts(mass, sigma)
    widths = [width for width in sigma.tolist() if width > 0]
    resolvable = max(1.0, np.count_nonzero(count >= 0.5) / math.prod(math.sqrt(2 * math.pi) * w for w in widths))
    threshold = threshold_of(resolvable)
    region, peak, prominence = flood(count, EMPTY, row_floor(len(widths)), threshold)
    return Landscape(region, peak, prominence, threshold, resolvable)


class Surroundings(NamedTuple):
    """Cells with empty ground all around, so that every cell has all its neighbours."""

    shape: tuple[int, ...]  # (3,)
    margins: tuple[int, ...]  # (3,) empty cells before the first along each axis
    inside: tuple[slice, ...]  # (3,) the cells themselves
    strides: NDArray[np.int64]  # (axes,) distance to the next cell along each axis with neighbours, rising
    steps: NDArray[np.int64]  # distances to the neighbours that come after a cell, diagonal ones too


@lru_cache(maxsize=64)
def surround(shape: tuple[int, ...]) -> Surroundings:
    margins = tuple(int(n > 1) for n in shape)
    wide = tuple(n + 2 * margin for n, margin in zip(shape, margins, strict=True))
    inside = tuple(slice(margin, margin + n) for n, margin in zip(shape, margins, strict=True))
    size = wide[1] * wide[2], wide[2], 1
    strides = np.array([step for step, margin in zip(size[::-1], margins[::-1], strict=True) if margin], np.int64)
    steps = np.zeros(1, np.int64)
    for step in strides:
        steps = (steps[:, None] + np.array([-step, 0, step])).ravel()
    return Surroundings(wide, margins, inside, frozen(strides), frozen(steps[steps > 0]))


def flood(count: Floats, empty: float, floor: float, threshold: float) -> tuple[Labels, NDArray[np.int64], Floats]:
    """The regions that stand out by the threshold: that of each cell, and the peak and prominence of each region."""
    shape, margins, inside, strides, steps = surround(count.shape)
    ground = np.zeros(shape)
    ground[inside] = count
    ground = ground.ravel()
    basin, top = np.empty(len(ground), np.int32), np.empty(len(ground), np.int64)
    n_basins = climb(ground, strides, empty, basin, top)
    top = top[:n_basins]
    n_borders = room = len(ground)
    while True:
        a, b, saddle = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room)
        n_borders = find_borders(ground, basin, steps, a, b, saddle)
        if n_borders <= room:
            break
        room = n_borders
    part_of, left, prominence = np.full(n_basins + 1, -1, np.int32), np.empty(n_basins, np.int32), np.empty(n_basins)
    n_regions = fall(a, b, saddle, n_borders, ground[top], floor, threshold, part_of, left, prominence)
    left = left[:n_regions]
    # Empty ground, of basin -1, is part of the last, which is none.
    region = np.take(part_of, basin, mode="wrap").reshape(shape)[inside]
    at = np.unravel_index(top[left], shape)
    peak = np.ravel_multi_index(tuple(i - margin for i, margin in zip(at, margins, strict=True)), count.shape)
    return np.ascontiguousarray(region).ravel(), peak, prominence[left]


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
    height, higher, top, over = np.empty(n), np.empty(n), np.empty(n, np.int32), np.empty(n, np.int32)
    for c in range(n):
        height[c] = higher[c] = ground[c]
        top[c] = over[c] = c
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
    part_of,  # (basins or more,) OUT: the region that each has become part of, -1 for none
    left,  # (basins,) OUT: the basin of the peak of each region
    prominence,  # (basins,) OUT: of each basin
):
    """Let every basin of less prominence than the threshold fall to the neighbour across its highest saddle.

    No saddle counts as lower than the floor. A basin whose highest saddle leads to a higher peak has its prominence
    there; the others wait until that neighbour has fallen. What is left are the regions, and their number is returned;
    to show their prominence they fall as well.
    """
    n, n_regions, limit = len(height), -1, threshold
    highest, toward, target, number = np.empty(n), np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    standing = np.empty(n, np.int32)
    for i in range(n):
        standing[i] = i
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
            own, over = height[standing[i]], toward[i]
            target[i] = i
            higher = over < 0 or height[standing[over]] > own or (height[standing[over]] == own and over < i)
            rise = 2.0 * np.sqrt(own + 0.375) - 2.0 * np.sqrt(max(highest[i], floor) + 0.375)
            if higher and rise < limit:
                prominence[standing[i]] = rise
                target[i] = over
                falling += 1
        if falling == 0 and n_regions < 0:
            for i in range(n):
                left[i] = standing[i]
            n_regions, limit = n, np.inf
            continue
        if falling == 0:
            return n_regions
        kept = 0
        for i in range(n):
            number[i] = kept
            if target[i] == i:
                standing[kept] = standing[i]
                kept += 1
        for i in range(n):
            top = i
            while top >= 0 and target[top] != top:
                top = target[top]
            target[i] = top
        for p in range(len(height) if n_regions < 0 else 0):
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
