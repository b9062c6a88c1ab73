"""Logarithms of rising factorials, with derivatives."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# From here on Stirling's series with four corrections is exact to a few 1e-17.
LARGE = 32.0


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


class GammaStep(NamedTuple):
    """How much log(gamma(z)) and its derivatives by z rise from z to z + d; d need not be whole."""

    log: Floats
    first: Floats
    second: Floats


def gamma_step(z: Floats, d: Floats) -> GammaStep:
    """The rise from z to z + d. Differences of gamma functions lose all digits of it where z is large."""
    from scipy.special import digamma, gammaln, polygamma  # noqa: PLC0415 - half a second

    log, first, second = np.broadcast_arrays(*(f(z + d) - f(z) for f in (gammaln, digamma, lambda v: polygamma(1, v))))
    # Stirling's series: (z - 1/2) log(z) - z, the corrections below and a constant.
    step, share = np.log1p(d / z), d / (z * (z + d))
    least, end = np.maximum(z, LARGE), np.maximum(z, LARGE) + d
    log_large = (z - 0.5) * step + d * (np.log(z + d) - 1) + _correction(end) - _correction(least)
    first_large = step + share / 2 + _correction_slope(end) - _correction_slope(least)
    bend = share * (1 + (1 / z + 1 / (z + d)) / 2)
    second_large = -bend + _correction_bend(end) - _correction_bend(least)
    large = z >= LARGE
    return GammaStep(
        np.where(large, log_large, log), np.where(large, first_large, first), np.where(large, second_large, second)
    )


def log_beta(a: Floats, b: Floats) -> Floats:
    """The logarithm of the beta function, to 1e-15 of the smaller argument's gamma function."""
    from scipy.special import gammaln  # noqa: PLC0415 - half a second

    small = np.minimum(a, b)
    return np.asarray(gammaln(small) - gamma_step(np.maximum(a, b), small).log)


def _correction(z: Floats) -> Floats:
    w = 1 / z**2
    return (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w / 1680))) / z


def _correction_slope(z: Floats) -> Floats:
    w = 1 / z**2
    return -(1 / 12 - w * (1 / 120 - w * (1 / 252 - w / 240))) * w


def _correction_bend(z: Floats) -> Floats:
    w = 1 / z**2
    return (1 / 6 - w * (1 / 30 - w * (1 / 42 - w / 30))) * w / z
