"""Thresholds in the precision in which they are compared."""

from typing import Any

import numpy as np

# Fractional weights are rounded, and what is asked for is too: what comes so near to a threshold is at it.
ROUNDING = 1e-12


def as_double(value: Any) -> float:
    """The threshold for numbers of double precision: `value`, or for a shorter float the least that rounds to it.

    0.3 is less than np.float32(0.3), which is 0.300000012, but in its precision they are equal.
    """
    number = float(value)
    if not isinstance(value, np.floating) or value.dtype.itemsize >= np.dtype(np.float64).itemsize or number == 0:
        return number
    # Halfway to the next lower one, which is exact here; that itself rounds to the even one of both.
    halfway = (float(np.nextafter(value, value.dtype.type(-np.inf))) + number) / 2
    return halfway if value.dtype.type(halfway) == value else float(np.nextafter(halfway, np.inf))
