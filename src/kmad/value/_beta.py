"""Expectations over beta and gamma distributions by the trapezoidal rule."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TINY = float(np.finfo(np.float64).tiny)

# Steps of the rule in units of the distribution's width. On an analytic function that decays on both sides its error
# falls exponentially with the number of steps; this step leaves some 1e-13.
STEP = 0.33
# Logarithm of what is left of the density where the nodes end.
NEGLIGIBLE = 38.0
# Below exp(-60) an expectand is constant, and the nodes further out are the terms of a geometric series.
FARTHEST = 60.0
# From this shape on the density is normal in the logit, and this many standard deviations hold it.
NORMAL_SHAPE = 1e3
DEVIATIONS = 12.0


class BetaNodes(NamedTuple):
    """A beta distribution as weighted points."""

    p: Floats  # (k,)
    q: Floats  # (k,) 1 - p, without cancellation
    log_q: Floats  # (k,)
    weight: Floats  # (k,) they add up to 1


class GammaNodes(NamedTuple):
    """A gamma distribution of scale 1 as weighted points."""

    g: Floats  # (k,)
    weight: Floats  # (k,) they add up to 1


def beta_nodes(a: float, b: float) -> BetaNodes:
    """Points and weights for the expectation of smooth functions of p, p of a beta distribution.

    The points are equally spaced in the logit of p. Functions may have a singularity near p = 0 on the negative axis:
    1 / (p + d) is integrated as well for d = 1e-9 as for d = 1.
    """
    middle = np.log(a / b)
    shape = a * b / (a + b)
    peak = a * np.log1p(b / a) + b * np.log1p(a / b) + NEGLIGIBLE
    low = max(_logit_of_log(peak / a), -FARTHEST)
    high = min(-_logit_of_log(peak / b), FARTHEST)
    if shape > NORMAL_SHAPE:
        width = DEVIATIONS / np.sqrt(shape)
        low, high = max(low, middle - width), min(high, middle + width)
    low, high = min(low, middle - 1e-6), max(high, middle + 1e-6)
    step = STEP / np.sqrt(1 + shape / 2)
    v = low + step * np.arange(np.ceil((high - low) / step) + 1)
    log_p, log_q = -np.logaddexp(0, -v), -np.logaddexp(0, v)
    log_weight = a * log_p + b * log_q
    weight = np.exp(log_weight - log_weight.max())
    weight[0] /= -np.expm1(-a * step)
    weight[-1] /= -np.expm1(-b * step)
    return BetaNodes(np.exp(log_p), np.exp(log_q), log_q, weight / weight.sum())


def mean_power(nodes: BetaNodes, power: float, span: Floats) -> Floats:
    """The mean of (1 + p span)^-power, p of the distribution, for several spans of 0 or more."""
    logs = np.log1p(span[:, None] * nodes.p)
    logs *= -power
    return np.asarray(np.einsum("ij,j", np.exp(logs, out=logs), nodes.weight))


def mean_fall(nodes: BetaNodes, power: float, span: Floats) -> Floats:
    """The mean of (1 - (1 + p span)^-power) / (p span), p of the distribution, for several spans of 0 or more."""
    logs = np.log1p(span[:, None] * nodes.p)
    logs *= -power
    fall = np.einsum("ij,j", np.expm1(logs, out=logs), -nodes.weight / nodes.p)
    return np.where(span > 0, fall / np.maximum(span, TINY), power)


def gamma_nodes(shape: float) -> GammaNodes:
    """Points and weights for the expectation of smooth functions of g, g of a gamma distribution of scale 1.

    The points are equally spaced in the logarithm of g.
    """
    middle = np.log(shape)
    # The density falls faster than that of the beta distribution, and is analytic in half the width.
    step = 0.75 * STEP / np.sqrt(1 + shape)
    # The density of the logarithm is exp(shape * v - exp(v)) up to a constant.
    low = max(middle - 1 - NEGLIGIBLE / shape, -FARTHEST) if shape < DEVIATIONS**2 else middle - DEVIATIONS / shape**0.5
    high = np.log(shape + NEGLIGIBLE + np.sqrt(2 * NEGLIGIBLE * shape))
    v = min(low, middle) + step * np.arange(np.ceil((high - min(low, middle)) / step) + 1)
    log_weight = shape * v - np.exp(v)
    weight = np.exp(log_weight - log_weight.max())
    weight[0] /= -np.expm1(-shape * step)
    return GammaNodes(np.exp(v), weight / weight.sum())


def _logit_of_log(depth: float) -> float:
    """The logit of exp(-depth)."""
    return float(-depth - np.log(-np.expm1(-depth)))
