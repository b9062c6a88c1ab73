"""Maximum likelihood in the logarithms of a few positive parameters."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The logarithms of the parameters, the unit of time chosen by the data, stay within this distance of 0.
FARTHEST = 18.0
LONGEST_STEP = 2.0
# A limit is reached when the likelihood is no lower out here.
FURTHEST = 22.0
SAME_LIKELIHOOD = 1e-6
# With more curvature than this towards a limit, a standard error of at most 1 in the logarithm, it is not reached.
LEVEL = 1.0
# A direction with less curvature than this, a standard error of more than 100 in the logarithm, is not determined.
FLAT = 1e-4


class Curve(NamedTuple):
    """A log-likelihood at a point, in the logarithms of the parameters."""

    value: float
    gradient: Floats  # (k,)
    hessian: Floats  # (k, k)


class Maximum(NamedTuple):
    """Where a log-likelihood is highest."""

    point: Floats  # (k,)
    curve: Curve
    n_iter: int
    converged: bool


class Limit(NamedTuple):
    """A direction in which the parameters may run off, and what is left of the model then."""

    direction: tuple[int, ...]
    meaning: str
    settles: tuple[int, ...]  # which parameters mean nothing there


Evaluate = Callable[[Floats], Curve]


def maximise(
    evaluate: Evaluate, start: Floats, *, max_iter: int, tol: float, lowest: Floats | float = -FARTHEST
) -> Maximum:
    """Newton's method, uphill in every direction, within the box from `lowest` to `FARTHEST`.

    It ends when the next step would raise the log-likelihood by `tol` or less.
    """
    point, curve = start, evaluate(start)
    for n_iter in range(max_iter):
        step = _step(point, curve, lowest)
        rise = float(curve.gradient @ step)
        if rise <= 2 * tol:
            return Maximum(point, curve, n_iter, converged=True)
        # What adding up rounds away is no fall.
        noise = 1e-13 * abs(curve.value)
        for fraction in 0.5 ** np.arange(30):
            trial = np.clip(point + fraction * step, lowest, FARTHEST)
            found = evaluate(trial)
            if found.value >= curve.value + 1e-4 * fraction * rise - noise:
                break
        else:
            return Maximum(point, curve, n_iter, converged=False)
        point, curve = trial, found
    return Maximum(point, curve, max_iter, converged=False)


def limits_reached(evaluate: Evaluate, maximum: Maximum, limits: Sequence[Limit]) -> list[Limit]:
    """The limits at which the likelihood is as high as at its maximum; the first settles what it concerns."""
    least = maximum.curve.value - SAME_LIKELIHOOD
    reached: list[Limit] = []
    settled: set[int] = set()
    for limit in limits:
        direction = np.array(limit.direction, np.float64)
        concerned = set(np.flatnonzero(direction))
        # Most limits are ruled out without a look at the data: the likelihood bends towards them.
        if concerned & settled or direction @ maximum.curve.hessian @ direction <= -LEVEL:
            continue
        distance = max(FURTHEST - np.max((direction * maximum.point)[direction != 0]), 0.0)
        if evaluate(maximum.point + distance * direction).value >= least:
            reached.append(limit)
            settled |= set(limit.settles)
    return reached


def covariance_at(maximum: Maximum) -> Floats:
    """The inverse of minus the Hessian, without the directions that the data do not determine."""
    curvature, axes = np.linalg.eigh(-maximum.curve.hessian)
    determined = curvature > FLAT
    axes = axes[:, determined]
    covariance: Floats = axes / curvature[determined] @ axes.T
    return covariance


def _step(point: Floats, curve: Curve, lowest: Floats | float) -> Floats:
    """The step to the top of the parabola, with curvature turned downwards where it is not."""
    held = (point >= FARTHEST) & (curve.gradient > 0) | (point <= lowest) & (curve.gradient < 0)
    free = np.flatnonzero(~held)
    step = np.zeros_like(point)
    if not len(free):
        return step
    curvature, axes = np.linalg.eigh(-curve.hessian[np.ix_(free, free)])
    curvature = np.maximum(np.abs(curvature), 1e-12 * np.abs(curvature).max() + 1e-300)
    step[free] = axes @ (axes.T @ curve.gradient[free] / curvature)
    # Out of the usual box the likelihood changes slowly.
    longest = LONGEST_STEP + np.maximum(np.abs(point) - FARTHEST, 0.0)
    return step / max(1.0, float((np.abs(step) / longest).max()))
