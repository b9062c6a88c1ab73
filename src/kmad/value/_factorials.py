"""Sums of the logarithms of rising factorials, with derivatives."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class LogSum(NamedTuple):
    """A function of the logarithm of a parameter: its value and two derivatives."""

    value: float
    first: float
    second: float


class RisingFactorials:
    """The weighted sum of log(v (v+1) ... (v+n-1)) over many n, as a function of v.

    The factor v + k occurs for every n above k: no gamma functions, whose differences lose digits where v is large.
    """

    def __init__(self, counts: Floats, weights: Floats) -> None:
        histogram = np.bincount(counts.astype(np.int64), weights)
        self._above = histogram[::-1].cumsum()[::-1][1:]
        self._k = np.arange(len(self._above), dtype=np.float64)

    def __call__(self, v: float) -> LogSum:
        factors = v + self._k
        share = v / factors
        first = self._above * share
        return LogSum(float(self._above @ np.log(factors)), float(first.sum()), float(first @ (1 - share)))


def log_rising(v: float, most: int) -> Floats:
    """The logarithm of v (v+1) ... (v+n-1) and its two derivatives by log v, for n = 0 .. most: (3, most + 1)."""
    factors = v + np.arange(most)
    share = v / factors
    terms = np.stack([np.log(factors), share, share * (1 - share)])
    return np.concatenate([np.zeros((3, 1)), terms.cumsum(axis=1)], axis=1)
