"""Checks of arguments that several parts share: each error names the argument, the rule and the value."""

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# What joblib can count in.
MOST_JOBS = (1 << 31) - 1


def check_integer(name: str, value: object, *, least: int) -> None:
    """Raise unless the value is an integer of at least `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be an integer; got {value!r}.")
    if value < least:
        raise ValueError(f"{name} must be at least {least}; got {value!r}.")


def check_real(
    name: str, value: object, *, above: float | None = None, least: float | None = None, below: float
) -> None:
    """Raise unless the value is a number from `least`, or above `above`, up to but not at `below`."""
    if not isinstance(value, Real) or isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be a number; got {value!r}.")
    try:
        number = float(value)
    except OverflowError:  # hundreds of digits, which are beyond every limit
        number = np.inf
    if above is not None and not above < number < below:
        raise ValueError(f"{name} must lie between {above:g} and {below:g}, both excluded; got {value!r}.")
    if least is not None and not least <= number < below:
        raise ValueError(f"{name} must be a finite number of at least {least:g}; got {value!r}.")


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Raise unless the value is one of the choices."""
    known = list(choices)
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}; got {value!r}.")


def check_jobs(n_jobs: object) -> None:
    """Raise unless the value is a number of threads as joblib takes it, or None."""
    if n_jobs is None:
        return
    check_integer("n_jobs", n_jobs, least=-MOST_JOBS)
    if n_jobs == 0:
        raise ValueError("n_jobs must not be 0; got 0.")


def check_weights(name: str, weights: ArrayLike | None, n_rows: int) -> NDArray[np.float64]:
    """The weights as a float64 array of shape (n_rows,), or an empty array for None."""
    if weights is None:
        return np.empty(0)
    try:
        array: NDArray[Any] = np.asarray(weights, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be an array of numbers; got {type(weights).__name__}.") from error
    if array.shape != (n_rows,):
        raise ValueError(f"{name} must have one entry for each of the {n_rows} rows; got the shape {array.shape}.")
    for wrong, rule in ((~np.isfinite(array), "finite"), (array < 0, "zero or more")):
        if wrong.any():
            i = int(np.argmax(wrong))
            raise ValueError(f"{name} must be {rule}; got {array[i]} at row {i}.")
    if not array.any():
        raise ValueError(f"{name} must have an entry above zero; all {n_rows} are zero.")
    return array
