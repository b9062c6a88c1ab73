"""The deepest valley between two modes along a line, at whichever bandwidth it is clearest."""

from typing import NamedTuple

import numpy as np

from kmad.cluster._landscape import (
    FEW_CELLS,
    SIGMAS,
    Floats,
    effective_counts,
    prominence_threshold,
    row_floor,
    stabilise,
)


class Valleys(NamedTuple):
    """One valley for each of m lines."""

    prominence: Floats  # (m,) of the lower of the two peaks beside it
    threshold: Floats  # (m,) what chance would reach
    at: Floats  # (m,) where its bottom lies, in bins


def deepest_valleys(counts: Floats, significance: float) -> Valleys:
    """Find where the second most prominent peak of each line (m, bins) stands out most.

    On a line the lower of the highest peaks on either side of a place, less the height there, is the prominence of
    the second most prominent peak where it is largest.
    """
    m, n = counts.shape
    best = Valleys(np.zeros(m), np.full(m, np.inf), np.zeros(m))
    while True:
        for sigma in SIGMAS:
            best = _clearer(best, _valleys(counts, float(sigma), counts.shape[1] / n, significance))
        if counts.shape[1] <= FEW_CELLS:
            return best
        counts = counts.reshape(m, -1, 2).sum(axis=2)


def _valleys(counts: Floats, sigma: float, scale: float, significance: float) -> Valleys:
    """The valleys at one bandwidth."""
    count = effective_counts(counts[None], np.array([0.0, 0.0, sigma]))[0]
    height = stabilise(np.maximum(count, row_floor(1)))
    left = np.maximum.accumulate(height, axis=1)
    right = np.maximum.accumulate(height[:, ::-1], axis=1)[:, ::-1]
    depth = np.minimum(left, right) - height
    prominence = depth.max(axis=1)
    # The bottom may be a plain: its middle.
    bottom = depth == prominence[:, None]
    first = bottom.argmax(axis=1)
    after = (~bottom & (np.arange(counts.shape[1]) > first[:, None])).argmax(axis=1)
    occupied = np.count_nonzero(count >= 0.5, axis=1)
    resolvable = np.maximum(1.0, occupied / (np.sqrt(2 * np.pi) * sigma))
    return Valleys(prominence, prominence_threshold(1, resolvable, significance), (first + after) / 2 / scale)


def _clearer(a: Valleys, b: Valleys) -> Valleys:
    """Of two valleys in each line the one that stands further above its threshold."""
    first = a.prominence - a.threshold >= b.prominence - b.threshold
    return Valleys(*(np.where(first, *pair) for pair in zip(a, b, strict=True)))
