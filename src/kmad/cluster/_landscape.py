"""The density landscape on a grid at one bandwidth: peaks, the basins that climb to them, and the saddles between."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Labels = NDArray[np.int32]

# Bandwidths in cells of the grid they are tried on; then the cells are joined two by two.
SIGMAS = 1.5 * np.exp2(np.arange(2) / 2)
# Cells are joined no further when none of the axes has more of them than this.
FEW_CELLS = 12
# An effective count below this is empty ground: it is 0.07 high on the stabilised scale.
EMPTY = 0.05


class Landscape(NamedTuple):
    region: Labels  # (cells,) index of the significant region that a cell climbs to, -1 where there is none
    peak: Integers  # (regions,) cell of the highest density
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


@lru_cache(maxsize=64)
def table_of_taps(sigmas: tuple[tuple[float, float, float], ...]) -> tuple[Floats, Integers]:
    """The counting taps of each ground along each axis (grounds, 3, reach), and how many they are."""
    each = [[counting_taps(sigma) if sigma > 0 else np.empty(0) for sigma in three] for three in sigmas]
    n_taps = np.array([[len(taps) for taps in three] for three in each])
    table = np.zeros((*n_taps.shape, max(1, int(n_taps.max()))))
    for g, three in enumerate(each):
        for axis, taps in enumerate(three):
            table[g, axis, : len(taps)] = taps
    return frozen(table), frozen(n_taps)


class Ground(NamedTuple):
    """A mass over three axes, and the bandwidth to look at it with."""

    mass: Floats  # (n0, n1, n2)
    sigma: tuple[float, float, float]  # in cells, 0 along an axis that is not smoothed


class Layout(NamedTuple):
    """Where the cells of several grounds stand, one ground after the other.

    In a wide ground every cell has all its neighbours: an axis of several cells has an empty one at each end.
    """

    shape: Integers  # (grounds, 3)
    wide: Integers  # (grounds, 3)
    start: Integers  # (grounds + 1,)
    wide_start: Integers  # (grounds + 1,)


def lay_out(grounds: Sequence[Ground]) -> Layout:
    shape = [ground.mass.shape for ground in grounds]
    wide = [tuple(n + 2 * (n > 1) for n in sides) for sides in shape]
    start, wide_start = (np.array([0, *accumulate(map(math.prod, sizes))]) for sizes in (shape, wide))
    return Layout(np.array(shape), np.array(wide), start, wide_start)


def effective_counts(grounds: Sequence[Ground], layout: Layout) -> tuple[Floats, Integers]:
    """Smooth masses and scale them to the Poisson counts whose relative error they have.

    Returned are the counts of the wide grounds, and how many cells of each have half a count or more.
    """
    mass = np.concatenate([ground.mass.ravel() for ground in grounds])
    count, occupied = np.zeros(layout.wide_start[-1]), np.empty(len(grounds), np.int64)
    smooth_each(mass, *layout, *table_of_taps(tuple(ground.sigma for ground in grounds)), count, occupied)
    return count, occupied


def survey(grounds: Sequence[Ground], threshold_of: Callable[[Floats], Floats]) -> list[Landscape]:
    """Find the regions of each ground that stand out by a threshold; that depends on how many it could hold."""
    layout = lay_out(grounds)
    count, occupied = effective_counts(grounds, layout)
    widths = [[sigma for sigma in ground.sigma if sigma > 0] for ground in grounds]
    room = np.array([math.prod(math.sqrt(2 * math.pi) * sigma for sigma in some) for some in widths])
    resolvable = np.maximum(1.0, occupied / room)
    threshold = threshold_of(resolvable)
    floor = np.array([row_floor(len(some)) for some in widths])
    found = flood(count, layout, floor, threshold)
    return [Landscape(*each) for each in zip(*found, threshold.tolist(), resolvable.tolist(), strict=True)]


def flood(
    count: Floats, layout: Layout, floor: Floats, threshold: Floats
) -> tuple[list[Labels], list[Integers], list[Floats]]:
    """For each wide ground the region of each cell, and the peak and prominence of each region."""
    n_grounds, n_wide = len(layout.shape), len(count)
    basin, top, first_top = np.empty(n_wide, np.int32), np.empty(n_wide, np.int64), np.zeros(n_grounds + 1, np.int64)
    climb_each(count, layout.wide, layout.wide_start, EMPTY, basin, top, first_top)
    room, first_border = n_wide, np.zeros(n_grounds + 1, np.int64)
    while True:
        a, b, saddle = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room)
        find_borders(count, layout.wide, layout.wide_start, basin, a, b, saddle, first_border)
        if first_border[-1] <= room:
            break
        room = first_border[-1]
    region, n_regions = np.empty(layout.start[-1], np.int32), np.empty(n_grounds, np.int64)
    peak, prominence = np.empty(first_top[-1], np.int64), np.empty(first_top[-1])
    borders = a, b, saddle, first_border
    fall_each(*borders, count, *layout, basin, top, first_top, floor, threshold, region, peak, prominence, n_regions)
    cells, places = layout.start.tolist(), first_top.tolist()
    found = [slice(place, place + n) for place, n in zip(places, n_regions.tolist(), strict=False)]
    return (
        [region[start:stop] for start, stop in pairwise(cells)],
        [peak[part] for part in found],
        [prominence[part] for part in found],
    )


@kernel
def smooth_each(
    mass,  # (cells,) IN
    shape,  # (grounds, 3) IN
    wide,  # (grounds, 3) IN
    start,  # (grounds + 1,) IN
    wide_start,  # (grounds + 1,) IN
    taps,  # (grounds, 3, reach) IN, from the middle outwards
    n_taps,  # (grounds, 3) IN: 0 along an axis that is not smoothed
    count,  # (wide cells,) INOUT: zeros at first
    occupied,  # (grounds,) OUT: cells of a half or more
):
    """Convolve every ground along its axes; beyond the edge lies nothing."""
    room = 0
    for g in range(len(shape)):
        room = max(room, start[g + 1] - start[g])
    before, after = np.empty(room), np.empty(room)
    for g in range(len(shape)):
        n_cells = start[g + 1] - start[g]
        before[:n_cells] = mass[start[g] : start[g + 1]]
        m, w = 1, n_cells
        for axis in range(3):
            # The axes before and after the one that is smoothed, as one each.
            n = shape[g, axis]
            w //= n
            reach = n_taps[g, axis]
            t0 = taps[g, axis, 0]
            for i in range(m if reach else 0):
                # Slices: an index that is a sum might be negative, and stops the vectors.
                if w == 1:
                    here, out = before[i * n : (i + 1) * n], after[i * n : (i + 1) * n]
                    for j in range(n):
                        out[j] = t0 * here[j]
                    for k in range(1, min(reach, n)):
                        t = taps[g, axis, k]
                        low, high = out[: n - k], out[k:]
                        up, down = here[k:], here[: n - k]
                        for j in range(n - k):
                            high[j] += t * down[j]
                        for j in range(n - k):
                            low[j] += t * up[j]
                    continue
                for j in range(n):
                    at = (i * n + j) * w
                    here, out = before[at : at + w], after[at : at + w]
                    for b in range(w):
                        out[b] = t0 * here[b]
                    for k in range(1, reach):
                        t = taps[g, axis, k]
                        if j >= k and j + k < n:
                            down, up = before[at - k * w : at - k * w + w], before[at + k * w : at + k * w + w]
                            for b in range(w):
                                out[b] += t * (down[b] + up[b])
                        elif j >= k or j + k < n:
                            to = at - k * w if j >= k else at + k * w
                            some = before[to : to + w]
                            for b in range(w):
                                out[b] += t * some[b]
            m *= n
            if reach:
                before, after = after, before
        n0, n1, n2 = shape[g, 0], shape[g, 1], shape[g, 2]
        p1, p2 = wide[g, 1], wide[g, 2]
        n_half = 0
        for i in range(n0):
            for j in range(n1):
                at = (i * n1 + j) * n2
                to = wide_start[g] + ((i + (n0 > 1)) * p1 + j + (n1 > 1)) * p2 + (n2 > 1)
                here, out = before[at : at + n2], count[to : to + n2]
                for k in range(n2):
                    out[k] = here[k]
                    n_half += here[k] >= 0.5
        occupied[g] = n_half


@kernel
def climb_each(
    count,  # (wide cells,) IN
    wide,  # (grounds, 3) IN
    wide_start,  # (grounds + 1,) IN
    empty,
    basin,  # (wide cells,) OUT: number of the peak that a cell climbs to, -1 on empty ground
    top,  # (wide cells,) OUT: the peaks of each ground, as cells of it
    first_top,  # (grounds + 1,) INOUT: where those of each ground begin; zeros at first
):
    """Send every cell of each ground up its steepest neighbour until a peak, and number the peaks."""
    for g in range(len(wide)):
        ground, up = count[wide_start[g] : wide_start[g + 1]], basin[wide_start[g] : wide_start[g + 1]]
        peak = top[first_top[g] :]
        # The highest of a cell and its neighbours, diagonal ones too, axis by axis. Of equal cells the first: a plateau
        # has one peak as far as neighbours reach.
        n = len(ground)
        height, higher, summit_of, over = np.empty(n), np.empty(n), np.empty(n, np.int32), np.empty(n, np.int32)
        for c in range(n):
            height[c] = higher[c] = ground[c]
            summit_of[c] = over[c] = c
        stride = 1
        for axis in (2, 1, 0):
            m = n - 2 * stride
            if wide[g, axis] == 1:
                continue
            height0, height1, height2 = height[:m], height[stride : n - stride], height[2 * stride :]
            top0, top1, top2 = summit_of[:m], summit_of[stride : n - stride], summit_of[2 * stride :]
            into, top_of = higher[stride : n - stride], over[stride : n - stride]
            for c in range(m):
                a, b, d = height0[c], height1[c], height2[c]
                best = b if b > a else a
                first = top1[c] if b > a else top0[c]
                into[c] = d if d > best else best
                top_of[c] = top2[c] if d > best else first
            height, higher = higher, height
            summit_of, over = over, summit_of
            stride *= wide[g, axis]
        n_peaks = 0
        for c in range(n):
            up[c] = summit_of[c] if ground[c] >= empty else -1
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
                up[c] = number[up[c]]
        first_top[g + 1] = first_top[g] + n_peaks


@kernel
def find_borders(
    count,  # (wide cells,) IN
    wide,  # (grounds, 3) IN
    wide_start,  # (grounds + 1,) IN
    basin,  # (wide cells,) IN
    a,  # (room,) OUT
    b,  # (room,) OUT
    saddle,  # (room,) OUT
    first_border,  # (grounds + 1,) INOUT: where the pairs of each ground begin; zeros at first
):
    """List neighbouring cells of different basins, ground by ground; of all pairs, as many are written as fit.

    A saddle between two neighbouring cells lies as high as the lower of them.
    """
    steps = np.empty(13, np.int64)
    found = 0
    for g in range(len(wide)):
        stride0, stride1 = wide[g, 1] * wide[g, 2], wide[g, 2]
        n_steps = 0
        # Half of the neighbours, those that come after a cell.
        for i in range(-1, 2):
            for j in range(-1, 2):
                for k in range(-1, 2):
                    step = i * stride0 + j * stride1 + k
                    real = (i == 0 or wide[g, 0] > 1) and (j == 0 or wide[g, 1] > 1) and (k == 0 or wide[g, 2] > 1)
                    if real and step > 0:
                        steps[n_steps] = step
                        n_steps += 1
        for c in range(wide_start[g], wide_start[g + 1]):
            own = basin[c]
            if own < 0:
                continue
            for s in range(n_steps):
                other = basin[c + steps[s]]
                if other >= 0 and other != own:
                    if found < len(a):
                        a[found] = own
                        b[found] = other
                        saddle[found] = min(count[c], count[c + steps[s]])
                    found += 1
        first_border[g + 1] = found


@kernel
def fall_each(
    borders_a,  # (borders,) INOUT: a basin at each border
    borders_b,  # (borders,) INOUT: and the other
    saddles,  # (borders,) INOUT: the count at the border
    first_border,  # (grounds + 1,) IN
    count,  # (wide cells,) IN
    shape,  # (grounds, 3) IN
    wide,  # (grounds, 3) IN
    start,  # (grounds + 1,) IN
    wide_start,  # (grounds + 1,) IN
    basin,  # (wide cells,) IN
    tops,  # (basins,) IN
    first_top,  # (grounds + 1,) IN
    floor,  # (grounds,) IN
    thresholds,  # (grounds,) IN
    region,  # (cells,) OUT: the region that each cell climbs to, -1 for none
    peak,  # (basins,) OUT: from the first basin of each ground on, the cell of the peak of each region
    prominence,  # (basins,) OUT: and how far it stands out
    n_regions,  # (grounds,) OUT
):
    """Let every basin of less prominence than the threshold fall to the neighbour across its highest saddle.

    No saddle counts as lower than the floor. A basin whose highest saddle leads to a higher peak has its prominence
    there; the others wait until that neighbour has fallen. What is left are the regions; to show their prominence they
    fall as well.
    """
    for g in range(len(shape)):
        a, b = borders_a[first_border[g] : first_border[g + 1]], borders_b[first_border[g] : first_border[g + 1]]
        saddle, n_borders = saddles[first_border[g] : first_border[g + 1]], first_border[g + 1] - first_border[g]
        top = tops[first_top[g] : first_top[g + 1]]
        n, limit, regions = len(top), thresholds[g], -1
        highest, toward, target = np.empty(n), np.empty(n, np.int32), np.empty(n, np.int32)
        number, standing, height, rises = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n), np.empty(n)
        left, part_of = np.empty(n, np.int32), np.empty(n, np.int32)
        for i in range(n):
            standing[i] = i
            part_of[i] = i
            height[i] = count[wide_start[g] + top[i]]
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
                rise = 2.0 * np.sqrt(own + 0.375) - 2.0 * np.sqrt(max(highest[i], floor[g]) + 0.375)
                if higher and rise < limit:
                    rises[standing[i]] = rise
                    target[i] = over
                    falling += 1
            if falling == 0 and regions < 0:
                for i in range(n):
                    left[i] = standing[i]
                regions, limit = n, np.inf
                continue
            if falling == 0:
                break
            kept = 0
            for i in range(n):
                number[i] = kept
                if target[i] == i:
                    standing[kept] = standing[i]
                    kept += 1
            for i in range(n):
                to = i
                while to >= 0 and target[to] != to:
                    to = target[to]
                target[i] = to
            for p in range(len(top) if regions < 0 else 0):
                if part_of[p] >= 0:
                    to = target[part_of[p]]
                    part_of[p] = number[to] if to >= 0 else -1
            between = 0
            for m in range(n_borders):
                i, j = number[target[a[m]]], number[target[b[m]]]
                if i != j:
                    a[between] = i
                    b[between] = j
                    saddle[between] = saddle[m]
                    between += 1
            n, n_borders = kept, between
        n0, n1, n2 = shape[g, 0], shape[g, 1], shape[g, 2]
        p1, p2 = wide[g, 1], wide[g, 2]
        e0, e1, e2 = np.int64(n0 > 1), np.int64(n1 > 1), np.int64(n2 > 1)
        for r in range(regions):
            c = top[left[r]]
            peak[first_top[g] + r] = ((c // (p1 * p2) - e0) * n1 + c // p2 % p1 - e1) * n2 + c % p2 - e2
            prominence[first_top[g] + r] = rises[left[r]]
        n_regions[g] = regions
        for i in range(n0):
            for j in range(n1):
                at = start[g] + (i * n1 + j) * n2
                to = wide_start[g] + ((i + e0) * p1 + j + e1) * p2 + e2
                here, out = basin[to : to + n2], region[at : at + n2]
                for k in range(n2):
                    out[k] = part_of[here[k]] if here[k] >= 0 else -1
