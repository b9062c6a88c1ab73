"""The density landscape on a grid at one bandwidth: peaks, the basins that climb to them, and the saddles between."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]

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
    return 2.0 * np.sqrt(count + 0.375)


def gaussian_taps(sigma: float) -> Floats:
    """One half of a Gaussian kernel that sums to one, from the middle outwards."""
    taps = np.exp(-0.5 * (np.arange(int(4 * sigma) + 1) / sigma) ** 2)
    return taps / (2 * taps.sum() - taps[0])


def effective_counts(mass: Floats, sigma: Floats) -> Floats:
    """Smooth a mass over three axes and scale it to the Poisson count whose relative error it has."""
    count = mass.copy()
    scratch = np.empty_like(count)
    for axis in range(3):
        if sigma[axis] > 0:
            taps = gaussian_taps(sigma[axis])
            smooth(count, axis, taps / (2 * (taps**2).sum() - taps[0] ** 2), scratch)
            count, scratch = scratch, count
    return count


def survey(mass: Floats, sigma: Floats, threshold_of: Callable[[float], float]) -> Landscape:
    """Find the regions of a mass over three axes; sigma is in cells, 0 along an axis of one cell."""
    count = effective_counts(mass, sigma)
    resolvable = max(1.0, np.count_nonzero(count >= 0.5) / np.prod(np.sqrt(2 * np.pi) * sigma[sigma > 0]))
    threshold = threshold_of(resolvable)
    basin = np.empty(count.shape, np.int32)
    peak = np.empty(count.size, np.int64)
    peak = peak[: climb(count, EMPTY, basin, peak)]
    basin, kept, _ = _fall(count, basin, count.ravel()[peak], threshold)
    peak = peak[kept]
    _, _, prominence = _fall(count, basin, count.ravel()[peak], np.inf)
    return Landscape(basin.ravel(), peak, prominence, threshold, resolvable)


def _fall(count, basin, height, threshold):
    """Let every basin of less prominence than the threshold fall to the neighbour across its highest saddle.

    A basin whose highest saddle leads to a higher peak has its prominence there; the others wait until that
    neighbour has fallen. Returns the basins, which of them are left, and the prominence of each that fell.
    """
    left = np.arange(len(height))
    prominence = np.zeros(len(height))
    while True:
        own, index = height[left], np.arange(len(left))
        saddle, toward = np.zeros(len(left)), np.full(len(left), -1, np.int32)
        highest_saddles(count, basin, saddle, toward)
        alone = toward < 0
        other = np.where(alone, np.inf, own[toward])
        rise = stabilise(own) - stabilise(saddle)
        falls = ((other > own) | ((other == own) & (toward < index))) & (rise < threshold)
        if not falls.any():
            return basin, left, prominence
        prominence[left[falls]] = rise[falls]
        # One more entry, for no basin at all; index -1 reads it.
        target = np.append(np.where(falls, toward, index), -1)
        while not np.array_equal(target, target[target]):
            target = target[target]
        number = np.append(np.cumsum(~falls) - 1, -1)
        basin = number[target][basin].astype(np.int32)
        left = left[~falls]


@kernel
def smooth(
    a,  # (n0, n1, n2) IN
    axis,
    taps,  # (reach,) IN, from the middle outwards
    out,  # (n0, n1, n2) OUT
):
    """Convolve `a` along one axis; beyond the edge lies nothing."""
    n0, n1, n2 = a.shape
    for i in range(n0):
        for j in range(n1):
            row = out[i, j]
            row[:] = taps[0] * a[i, j]
            for k in range(1, len(taps)):
                if axis == 0:
                    if i >= k:
                        row += taps[k] * a[i - k, j]
                    if i + k < n0:
                        row += taps[k] * a[i + k, j]
                elif axis == 1:
                    if j >= k:
                        row += taps[k] * a[i, j - k]
                    if j + k < n1:
                        row += taps[k] * a[i, j + k]
                elif k < n2:
                    row[k:] += taps[k] * a[i, j, :-k]
                    row[:-k] += taps[k] * a[i, j, k:]


@kernel
def climb(
    count,  # (n0, n1, n2) IN
    empty,
    basin,  # (n0, n1, n2) OUT: index of the peak that a cell climbs to, -1 on empty ground
    peak,  # (at least half the cells,) OUT: flat index of each peak
):
    """Send every cell up its steepest neighbour until a peak, and number the peaks; returns how many there are."""
    n0, n1, n2 = count.shape
    flat = count.reshape(-1)
    up = basin.reshape(-1)
    for i in range(n0):
        for j in range(n1):
            for k in range(n2):
                c = (i * n1 + j) * n2 + k
                best = c
                if flat[c] < empty:
                    up[c] = -1
                    continue
                for ii in range(max(i - 1, 0), min(i + 2, n0)):
                    for jj in range(max(j - 1, 0), min(j + 2, n1)):
                        for kk in range(max(k - 1, 0), min(k + 2, n2)):
                            other = (ii * n1 + jj) * n2 + kk
                            if flat[other] > flat[best] or (flat[other] == flat[best] and other < best):
                                best = other
                up[c] = best
    # Follow the pointers; each cell is left pointing at its peak, so every path is walked about once.
    n_peaks = 0
    for c in range(len(up)):
        if up[c] < 0:
            continue
        top = c
        while up[top] != top:
            top = up[top]
        at = c
        while up[at] != top:
            following = up[at]
            up[at] = top
            at = following
        if c == top:
            peak[n_peaks] = c
            n_peaks += 1
    number = np.full(len(up), -1, np.int32)
    for p in range(n_peaks):
        number[peak[p]] = p
    for c in range(len(up)):
        if up[c] >= 0:
            up[c] = number[up[c]]
    return n_peaks


@kernel
def highest_saddles(
    count,  # (n0, n1, n2) IN
    basin,  # (n0, n1, n2) IN
    saddle,  # (basins,) INOUT: count at the highest saddle to a neighbour, to begin with 0
    toward,  # (basins,) INOUT: that neighbour, to begin with -1
):
    """A saddle between two neighbouring cells lies as high as the lower of them."""
    n0, n1, n2 = count.shape
    for i in range(n0):
        for j in range(n1):
            for k in range(n2):
                b = basin[i, j, k]
                if b < 0:
                    continue
                for ii in range(max(i - 1, 0), min(i + 2, n0)):
                    for jj in range(max(j - 1, 0), min(j + 2, n1)):
                        for kk in range(max(k - 1, 0), min(k + 2, n2)):
                            other = basin[ii, jj, kk]
                            if other >= 0 and other != b:
                                s = min(count[i, j, k], count[ii, jj, kk])
                                if s > saddle[b] or (s == saddle[b] and other < toward[b]):
                                    saddle[b] = s
                                    toward[b] = other
