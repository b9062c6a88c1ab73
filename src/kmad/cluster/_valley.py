"""The deepest valley between two modes along a line, at whichever bandwidth it is clearest."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from kmad._jit import frozen, kernel
from kmad.cluster._landscape import FEW_CELLS, SIGMAS, Floats, prominence_threshold, row_floor, table_of_taps


class Valleys(NamedTuple):
    """One valley for each of m lines."""

    prominence: Floats  # (m,) of the lower of the two peaks beside it
    threshold: Floats  # (m,) what chance would reach
    at: Floats  # (m,) where its bottom lies, in bins


def deepest_valleys(counts: Floats, significance: float) -> Valleys:
    """Find where the second most prominent peak of each line (m, bins) stands out most."""
    m, n = counts.shape
    taps, _ = table_of_taps(tuple(SIGMAS.tolist()))
    found = np.empty((m, 3))
    find_valleys(counts, taps, valley_thresholds(n, significance), row_floor(1), FEW_CELLS, found)
    return Valleys(*found.T)


@lru_cache(maxsize=64)
def valley_thresholds(n_bins: int, significance: float) -> Floats:
    """What chance would reach at each bandwidth, by how many bins are occupied (sigmas, bins + 1)."""
    resolvable = np.maximum(1.0, np.arange(n_bins + 1) / (np.sqrt(2 * np.pi) * SIGMAS[:, None]))
    return frozen(prominence_threshold(1, resolvable, significance))


@kernel
def find_valleys(
    counts,  # (m, bins) IN
    taps,  # (s, reach) IN: halves of the smoothing kernels, from the middle outwards
    thresholds,  # (s, bins + 1) IN: by the number of occupied bins
    floor,
    few,
    found,  # (m, 3) OUT: prominence, threshold and place in bins of the deepest valley of each line
):
    """Smooth every line, join its bins two by two and smooth again, and keep the valley furthest above its threshold.

    On a line the lower of the highest peaks on either side of a place, less the height there, is the prominence of
    the second most prominent peak where it is largest.
    """
    n_bins = counts.shape[1]
    mass, height, right = np.empty(n_bins), np.empty(n_bins), np.empty(n_bins)
    for line in range(len(counts)):
        n = n_bins
        for b in range(n):
            mass[b] = counts[line, b]
        clearest = -np.inf
        while True:
            for s in range(len(taps)):
                for b in range(n):
                    height[b] = taps[s, 0] * mass[b]
                for k in range(1, min(taps.shape[1], n)):
                    t = taps[s, k]
                    for b in range(n - k):
                        height[b + k] += t * mass[b]
                    for b in range(n - k):
                        height[b] += t * mass[b + k]
                occupied = 0
                for b in range(n):
                    occupied += height[b] >= 0.5
                    # Anscombe's square root: a Poisson count becomes a number of variance one.
                    height[b] = 2.0 * np.sqrt(max(height[b], floor) + 0.375)
                highest = height[n - 1]
                for b in range(n - 1, -1, -1):
                    highest = max(highest, height[b])
                    right[b] = highest
                highest, prominence, first, after = height[0], -1.0, 0, 0
                for b in range(n):
                    highest = max(highest, height[b])
                    depth = min(highest, right[b]) - height[b]
                    if depth > prominence:
                        prominence, first, after = depth, b, b + 1
                    elif depth == prominence and after == b:
                        after = b + 1  # the bottom is a plain: its middle
                margin = prominence - thresholds[s, occupied]
                if margin > clearest:
                    clearest = margin
                    found[line, 0] = prominence
                    found[line, 1] = thresholds[s, occupied]
                    found[line, 2] = (first + after) / 2 * (n_bins / n)
            if n <= few:
                break
            n //= 2
            for b in range(n):
                mass[b] = mass[2 * b] + mass[2 * b + 1]
