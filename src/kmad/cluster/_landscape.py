"""The density landscape on a grid at one bandwidth: peaks, the basins that climb to them, and the saddles between."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate, chain, pairwise, product
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
# Half the neighbours of a cell in three dimensions.
MOST_STEPS = 13
# Cells that are smoothed at a time: they stay in the processor's cache from one tap to the next.
TILE = np.uint64(1 << 11)


class Landscape(NamedTuple):
    # Index of the significant region that a cell climbs to, -1 where there is none; with a cell more at each end of an
    # axis of several.
    region: Labels  # (wide cells,)
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
def table_of_taps(sigmas: tuple[float, ...]) -> tuple[Floats, Integers]:
    """The counting taps of each bandwidth (sigmas, reach), filled up with zeros, and how many they are: none for 0."""
    each = [counting_taps(sigma) if sigma > 0 else np.empty(0) for sigma in sigmas]
    n_taps = np.array([len(taps) for taps in each])
    table = np.zeros((len(each), max(1, int(n_taps.max()))))
    for row, taps in zip(table, each, strict=True):
        row[: len(taps)] = taps
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
    taps, n_taps = table_of_taps(tuple(chain.from_iterable(ground.sigma for ground in grounds)))
    count, occupied = np.zeros(layout.wide_start[-1]), np.empty(len(grounds), np.int64)
    smooth_each(mass, *layout, taps.reshape(-1, 3, taps.shape[1]), n_taps.reshape(-1, 3), count, occupied)
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
    """For each wide ground the region of each cell, and the peak and prominence of each region.

    No basin of one ground meets one of another: so all of them fall at once.
    """
    basin, tops = np.empty(len(count), np.int32), np.empty((2, len(count)), np.int64)
    first_top = np.zeros(len(layout.shape) + 1, np.int64)
    climb_each(count, layout.shape, layout.wide, layout.wide_start, EMPTY, basin, tops, first_top)
    steps, n_steps = (np.array(column) for column in zip(*map(steps_of, map(tuple, layout.wide.tolist())), strict=True))
    room = len(count)
    while True:
        a, b, saddle = np.empty(room, np.uint32), np.empty(room, np.uint32), np.empty(room)
        n_borders = find_borders(count, layout.wide_start, steps, n_steps, basin, a, b, saddle)
        if n_borders <= room:
            break
        room = n_borders
    n_basins = int(first_top[-1])
    (top, peak), ground = tops[:, :n_basins], np.repeat(np.arange(len(layout.shape)), np.diff(first_top))
    # Empty ground, of basin -1, is part of the last, which is none.
    part_of, left, prominence = np.full(n_basins + 1, -1, np.int32), np.empty(n_basins, np.int32), np.empty(n_basins)
    n_regions = fall(a, b, saddle, n_borders, count[top], floor[ground], threshold[ground], part_of, left, prominence)
    left = left[:n_regions]
    first = np.searchsorted(left, first_top)
    # Regions are numbered ground by ground.
    part_of[:-1] = np.maximum(part_of[:-1] - first[ground], -1)
    region, peak, prominence = np.take(part_of, basin, mode="wrap"), peak[left], prominence[left]
    cells, found = pairwise(layout.wide_start.tolist()), list(pairwise(first.tolist()))
    return (
        [region[start:stop] for start, stop in cells],
        [peak[start:stop] for start, stop in found],
        [prominence[start:stop] for start, stop in found],
    )


@lru_cache(maxsize=64)
def steps_of(wide: tuple[int, int, int]) -> tuple[list[int], int]:
    """Distances to the neighbours that come after a cell of a wide ground, diagonal ones too, and their number."""
    strides = wide[1] * wide[2], wide[2], 1
    axes = [(-stride, 0, stride) if n > 1 else (0,) for n, stride in zip(wide, strides, strict=True)]
    steps = [step for step in map(sum, product(*axes)) if step > 0]
    return steps + [0] * (MOST_STEPS - len(steps)), len(steps)


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
    # Unsigned: an index that might be negative stops the vectors.
    zero, one = np.uint64(0), np.uint64(1)
    for g in range(len(shape)):
        first, n_cells = np.uint64(start[g]), np.uint64(start[g + 1] - start[g])
        for c in range(n_cells):
            before[c] = mass[first + c]
        m, w = one, n_cells
        for axis in range(3):
            # The axes before and after the one that is smoothed, as one each.
            n, reach, t0 = np.uint64(shape[g, axis]), np.uint64(n_taps[g, axis]), taps[g, axis, 0]
            w //= n
            if reach > 0:
                size = n * w
                for first_of_block in range(zero, m * size, size):
                    for low in range(first_of_block, first_of_block + size, TILE):
                        # A neighbour lies as far away for all of these cells.
                        high = min(low + TILE, first_of_block + size)
                        for c in range(low, high):
                            after[c] = t0 * before[c]
                        for k in range(one, min(reach, n)):
                            t, step = taps[g, axis, k], k * w
                            edge = first_of_block + step
                            for c in range(low if low > edge else edge, high):
                                after[c] += t * before[c - step]
                            for c in range(low, min(high, first_of_block + size - step)):
                                after[c] += t * before[c + step]
                before, after = after, before
            m *= n
        n0, n1, n2 = np.uint64(shape[g, 0]), np.uint64(shape[g, 1]), np.uint64(shape[g, 2])
        p1, p2 = np.uint64(wide[g, 1]), np.uint64(wide[g, 2])
        corner = np.uint64(wide_start[g])
        corner += p1 * p2 if n0 > one else zero
        corner += p2 if n1 > one else zero
        corner += one if n2 > one else zero
        n_half = 0
        for i in range(n0):
            for j in range(n1):
                at, to = (i * n1 + j) * n2, corner + (i * p1 + j) * p2
                for k in range(n2):
                    count[to + k] = before[at + k]
                    n_half += before[at + k] >= 0.5
        occupied[g] = n_half


@kernel
def climb_each(
    count,  # (wide cells,) IN
    shape,  # (grounds, 3) IN
    wide,  # (grounds, 3) IN
    wide_start,  # (grounds + 1,) IN
    empty,
    basin,  # (wide cells,) OUT: number of the peak that a cell climbs to, -1 on empty ground
    peak,  # (2, wide cells) OUT: the cell of each peak among all wide ones, and its cell of its ground
    first_peak,  # (grounds + 1,) INOUT: where those of each ground begin; zeros at first
):
    """Send every cell of each ground up its steepest neighbour until a peak, and number the peaks."""
    n_peaks = 0
    for g in range(len(wide)):
        start, p1, p2 = wide_start[g], wide[g, 1], wide[g, 2]
        ground, up = count[start : wide_start[g + 1]], basin[start : wide_start[g + 1]]
        # The highest of a cell and its neighbours, diagonal ones too, axis by axis. Of equal cells the first: a plateau
        # has one peak as far as neighbours reach.
        n = len(ground)
        height, higher, top, over = np.empty(n), np.empty(n), np.empty(n, np.int32), np.empty(n, np.int32)
        for c in range(n):
            height[c] = higher[c] = ground[c]
            top[c] = over[c] = c
        stride = 1
        for axis in (2, 1, 0):
            if wide[g, axis] == 1:
                continue
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
            stride *= wide[g, axis]
        for c in range(n):
            up[c] = top[c] if ground[c] >= empty else -1
        number = over
        # Follow the pointers; a cell that has been passed points at its peak, so every path is walked about once.
        for c in range(n):
            if up[c] < 0:
                continue
            # Unsigned: a signed index is asked if it is negative.
            summit = np.uint32(up[c])
            if summit == c:
                peak[0, n_peaks] = start + c
                inner = c // (p1 * p2) - (wide[g, 0] > 1)
                inner = inner * shape[g, 1] + c // p2 % p1 - (p1 > 1)
                peak[1, n_peaks] = inner * shape[g, 2] + c % p2 - (p2 > 1)
                number[c] = n_peaks
                n_peaks += 1
            while np.uint32(up[summit]) != summit:
                summit = np.uint32(up[summit])
            at = np.uint32(c)
            while np.uint32(up[at]) != summit:
                following = np.uint32(up[at])
                up[at] = summit
                at = following
        for c in range(n):
            if up[c] >= 0:
                up[c] = number[np.uint32(up[c])]
        first_peak[g + 1] = n_peaks


@kernel
def find_borders(
    count,  # (wide cells,) IN
    wide_start,  # (grounds + 1,) IN
    steps,  # (grounds, most) IN: distance to each neighbour that comes after a cell
    n_steps,  # (grounds,) IN
    basin,  # (wide cells,) IN
    a,  # (room,) OUT
    b,  # (room,) OUT
    saddle,  # (room,) OUT
):
    """List neighbouring cells of different basins; returns how many pairs there are, and writes as many as fit.

    A saddle between two neighbouring cells lies as high as the lower of them.
    """
    found = 0
    for g in range(len(steps)):
        for c in range(wide_start[g], wide_start[g + 1]):
            own = basin[c]
            if own < 0:
                continue
            for s in range(n_steps[g]):
                other = basin[c + steps[g, s]]
                if other >= 0 and other != own:
                    if found < len(a):
                        a[found] = own
                        b[found] = other
                        saddle[found] = min(count[c], count[c + steps[g, s]])
                    found += 1
    return found


@kernel
def fall(
    a,  # (m,) INOUT: a basin at each border
    b,  # (m,) INOUT: and the other
    saddle,  # (m,) INOUT: the count at the border
    n_borders,
    height,  # (basins,) IN
    floor,  # (basins,) IN
    threshold,  # (basins,) IN
    part_of,  # (basins or more,) OUT: the region that each has become part of, -1 for none
    left,  # (basins,) OUT: the basin of the peak of each region, rising
    prominence,  # (basins,) OUT: of each basin
):
    """Let every basin of less prominence than its threshold fall to the neighbour across its highest saddle.

    No saddle counts as lower than the floor. A basin whose highest saddle leads to a higher peak has its prominence
    there; the others wait until that neighbour has fallen. What is left are the regions, and their number is returned;
    to show their prominence they fall as well.
    """
    n, n_regions = len(height), -1
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
            # Unsigned, as are the borders: a signed index is asked if it is negative.
            at, over = np.uint32(standing[i]), toward[i]
            own = height[at]
            target[i] = i
            higher = over < 0 or height[standing[over]] > own or (height[standing[over]] == own and over < i)
            rise = 2.0 * np.sqrt(own + 0.375) - 2.0 * np.sqrt(max(highest[i], floor[at]) + 0.375)
            if higher and (n_regions >= 0 or rise < threshold[at]):
                prominence[at] = rise
                target[i] = over
                falling += 1
        if falling == 0 and n_regions < 0:
            for i in range(n):
                left[i] = standing[i]
            n_regions = n
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
            i, j = number[np.uint32(target[a[m]])], number[np.uint32(target[b[m]])]
            if i != j:
                a[between] = i
                b[between] = j
                saddle[between] = saddle[m]
                between += 1
        n, n_borders = kept, between
