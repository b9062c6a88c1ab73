"""The density landscape on a grid at one bandwidth: peaks, the basins that climb to them, and the saddles between."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]

# Bandwidths in cells of the grid they are tried on; then the cells are joined two by two.
SIGMAS = 1.5 * np.exp2(np.arange(2) / 2)
# Cells are joined no further when none of the axes has more of them than this.
FEW_CELLS = 12
# An effective count below this is empty ground: it is 0.07 high on the stabilised scale.
EMPTY = 0.05


class Landscape(NamedTuple):
    region: Ints  # (cells,) index of the significant region that a cell climbs to, -1 where there is none
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
    # Empty ground all around, so that every cell has all its neighbours.
    rim = [(int(n > 1),) * 2 for n in count.shape]
    ground = np.pad(count, rim)
    steps = _forward_steps(ground.shape)
    basin = np.empty(ground.size, np.int32)
    peak = np.empty(ground.size, np.int64)
    peak = peak[: climb(ground.ravel(), np.concatenate([-steps, steps]), EMPTY, basin, peak)]
    height = ground.ravel()[peak]
    borders = _borders(ground.ravel(), basin, steps)
    floor = row_floor(int(np.count_nonzero(sigma)))
    number, kept, _, borders = _fall(borders, height, floor, threshold)
    _, _, prominence, _ = _fall(borders, height[kept], floor, np.inf)
    inner = tuple(slice(before, n - after) for (before, after), n in zip(rim, ground.shape, strict=True))
    region = np.append(number, -1)[basin].reshape(ground.shape)[inner]
    place = np.unravel_index(peak[kept], ground.shape)
    at = np.ravel_multi_index([index - before for index, (before, _) in zip(place, rim, strict=True)], count.shape)
    return Landscape(region.astype(np.int32).ravel(), at.astype(np.int64), prominence, threshold, resolvable)


def _forward_steps(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Distance in a flat array to the neighbours, diagonal ones too, that come after a cell."""
    reach = [np.arange(-1, 2) if n > 1 else np.zeros(1, np.int64) for n in shape]
    steps = np.ravel(reach[0][:, None, None] * shape[1] * shape[2] + reach[1][:, None] * shape[2] + reach[2])
    return np.asarray(steps[steps > 0])


class Borders(NamedTuple):
    """Pairs of neighbouring cells of different basins."""

    a: Ints  # (m,) the one basin
    b: Ints  # (m,) and the other
    saddle: Floats  # (m,) the count in the lower of the two cells


def _borders(count: Floats, basin: Ints, steps: NDArray[np.int64]) -> Borders:
    room = len(count)
    while True:
        borders = Borders(np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room))
        needed = find_borders(count, basin, steps, *borders)
        if needed <= room:
            return Borders(borders.a[:needed], borders.b[:needed], borders.saddle[:needed])
        room = needed


def _fall(
    borders: Borders, height: Floats, floor: float, threshold: float
) -> tuple[Ints, NDArray[np.int64], Floats, Borders]:
    """Let every basin of less prominence than the threshold fall to the neighbour across its highest saddle.

    No saddle counts as lower than the floor. A basin whose highest saddle leads to a higher peak has its prominence
    there; the others wait until that neighbour has fallen. Returns the basin that each has become part of (-1 for
    none), which basins are left, the prominence of each that fell, and the borders that are left.
    """
    left = np.arange(len(height))
    part_of = np.arange(len(height))
    prominence = np.zeros(len(height))
    while True:
        own, index = height[left], np.arange(len(left))
        saddle, toward = np.zeros(len(left)), np.full(len(left), -1, np.int32)
        highest_saddles(*borders, saddle, toward)
        other = np.where(toward < 0, np.inf, own[toward])
        rise = stabilise(own) - stabilise(np.maximum(saddle, floor))
        falls = ((other > own) | ((other == own) & (toward < index))) & (rise < threshold)
        if not falls.any():
            return part_of.astype(np.int32), left, prominence, borders
        prominence[left[falls]] = rise[falls]
        # One more entry, for no basin at all; index -1 reads it.
        target = np.append(np.where(falls, toward, index), -1)
        while not np.array_equal(target, target[target]):
            target = target[target]
        number = np.append(np.cumsum(~falls) - 1, -1)[target].astype(np.int32)
        part_of = number[part_of]
        left = left[~falls]
        a, b = number[borders.a], number[borders.b]
        between = a != b
        borders = Borders(a[between], b[between], borders.saddle[between])


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
    count,  # (cells,) IN, with empty cells all around
    steps,  # (neighbours,) IN: distance to each neighbour
    empty,
    basin,  # (cells,) OUT: number of the peak that a cell climbs to, -1 on empty ground
    peak,  # (cells,) OUT: cell of each peak
):
    """Send every cell up its steepest neighbour until a peak, and number the peaks; returns how many there are."""
    up = basin
    n_peaks = 0
    for c in range(len(count)):
        if count[c] < empty:
            up[c] = -1
            continue
        best = c
        for step in steps:
            other = c + step
            # Of equal cells the first: a plateau has one peak as far as neighbours reach.
            if count[other] > count[best] or (count[other] == count[best] and other < best):
                best = other
        up[c] = best
    # Follow the pointers; a cell that has been passed points at its peak, so every path is walked about once.
    for c in range(len(count)):
        top = c
        while up[top] >= 0 and up[top] != top:
            top = up[top]
        at = c
        while up[at] >= 0 and up[at] != top:
            following = up[at]
            up[at] = top
            at = following
        if up[c] == c:
            peak[n_peaks] = c
            n_peaks += 1
    number = np.empty(len(count), np.int32)
    for p in range(n_peaks):
        number[peak[p]] = p
    for c in range(len(count)):
        if up[c] >= 0:
            basin[c] = number[up[c]]
    return n_peaks


@kernel
def find_borders(
    count,  # (cells,) IN, with empty cells all around
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
    for c in range(len(count)):
        own = basin[c]
        if own < 0:
            continue
        for step in steps:
            other = basin[c + step]
            if other >= 0 and other != own:
                if found < len(a):
                    a[found] = own
                    b[found] = other
                    saddle[found] = min(count[c], count[c + step])
                found += 1
    return found


@kernel
def highest_saddles(
    a,  # (m,) IN
    b,  # (m,) IN
    height,  # (m,) IN
    saddle,  # (basins,) INOUT: the highest saddle to a neighbour, to begin with 0
    toward,  # (basins,) INOUT: that neighbour, to begin with -1
):
    """Find the highest saddle of every basin, to the first of the neighbours where it leads to several."""
    for m in range(len(a)):
        s = height[m]
        if s > saddle[a[m]] or (s == saddle[a[m]] and b[m] < toward[a[m]]):
            saddle[a[m]] = s
            toward[a[m]] = b[m]
        if s > saddle[b[m]] or (s == saddle[b[m]] and a[m] < toward[b[m]]):
            saddle[b[m]] = s
            toward[b[m]] = a[m]
