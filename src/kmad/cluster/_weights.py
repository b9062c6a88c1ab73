"""What weights say about the density: how many rows the rows are worth."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Worth(NamedTuple):
    """Weights as numbers of rows."""

    rows: Floats  # (n,), or (0,) where each row is worth one
    unit: float  # the weight of what is worth one row
    counts: bool  # whether they are whole: how often each row was seen


def worth_of(weights: Floats) -> Worth:
    """Weights above zero as numbers of rows.

    Equal weights say nothing. Whole numbers are counts: a row of weight 3 was seen three times. All others are
    shares, and together worth the square of their sum over the sum of their squares: as many rows as would know a
    mean equally well (L. Kish, Survey Sampling, 1965).
    """
    if not len(weights) or weights.min() == weights.max():
        return Worth(np.empty(0), float(weights[0]) if len(weights) else 1.0, counts=False)
    if np.array_equal(weights, np.rint(weights)):
        return Worth(weights, 1.0, counts=True)
    most = float(weights.max())
    share = weights / most  # squares of the weights themselves might overflow
    unit = float((share**2).sum() / share.sum())
    return Worth(share / unit, most * unit, counts=False)
