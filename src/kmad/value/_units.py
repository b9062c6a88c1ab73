"""Lengths of time: units by name, and the periods in which a log's purchases are counted."""

from datetime import timedelta
from numbers import Real
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.datetime64]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
UnitName: TypeAlias = Literal["day", "week", "month", "year"]
Unit: TypeAlias = UnitName | timedelta | np.timedelta64
Duration: TypeAlias = float | Unit

DAYS_PER_YEAR = 365.25
DAYS_PER_MONTH = DAYS_PER_YEAR / 12
DAYS = {"day": 1.0, "week": 7.0, "month": DAYS_PER_MONTH, "year": DAYS_PER_YEAR}
# 1 January 1970, from which datetime64 counts, was a Thursday; weeks begin on Monday.
DAYS_INTO_WEEK = 3


def days_of(name: str, unit: object) -> float:
    """The length of a unit in days."""
    if isinstance(unit, str) and unit in DAYS:
        return DAYS[unit]
    if isinstance(unit, timedelta | np.timedelta64):
        days = float(_exact(name, unit) / np.timedelta64(1, "D"))
        if days > 0:
            return days
        raise ValueError(f"{name} must be longer than nothing; got {unit!r}.")
    wrong = ValueError if isinstance(unit, str) else TypeError
    raise wrong(f"{name} must be {', '.join(map(repr, DAYS))} or a timedelta; got {unit!r}.")


def in_units(name: str, duration: object, unit: object) -> float:
    """A duration, which is a number of units, the name of another unit or a timedelta, as a number of units."""
    days = days_of("unit", unit)
    if isinstance(duration, Real) and not isinstance(duration, bool | np.bool_):
        number = float(duration)
        if number > 0:
            return number
        raise ValueError(f"{name} must be above 0; got {duration!r}.")
    return days_of(name, duration) / days


def force_of_interest(name: str, rate: object, unit: object) -> float:
    """The continuous rate per unit that an effective rate a year comes to."""
    if not isinstance(rate, Real) or isinstance(rate, bool | np.bool_):
        raise TypeError(f"{name} must be a number, the rate a year; got {rate!r}.")
    if not 0 <= float(rate) < np.inf:
        raise ValueError(f"{name} must be a rate a year of 0 or more, such as 0.1 for 10 %; got {rate!r}.")
    return float(np.log1p(float(rate))) * days_of("unit", unit) / DAYS_PER_YEAR


def period_of(time: Times, period: Unit) -> Integers:
    """The period in which a time lies, counted from the one that holds 1 January 1970."""
    if isinstance(period, str):
        if period in {"month", "year"}:
            return time.astype(f"datetime64[{period[0].upper()}]").astype(np.int64)
        day = time.astype("datetime64[D]").astype(np.int64)
        return day if period == "day" else (day + DAYS_INTO_WEEK) // 7
    length = _exact("period", period)
    return (time - np.datetime64(0, "s")) // length


def start_of(index: Integers | int, period: Unit) -> Times:
    """When a period begins; the inverse of `period_of`."""
    count = np.asarray(index)
    if isinstance(period, str):
        if period in {"month", "year"}:
            return count.astype(f"datetime64[{period[0].upper()}]").astype("datetime64[us]")
        day = count if period == "day" else count * 7 - DAYS_INTO_WEEK
        return day.view("datetime64[D]").astype("datetime64[us]")
    return (np.datetime64(0, "us") + count * _exact("period", period)).astype("datetime64[us]")


def _exact(name: str, length: timedelta | np.timedelta64) -> np.timedelta64:
    """A timedelta as numpy's, which may also count months and years: those have no fixed length."""
    if isinstance(length, timedelta):
        return np.timedelta64(length)
    if np.isnat(length) or np.datetime_data(length.dtype)[0] in {"generic", "M", "Y"}:
        raise ValueError(f"{name} must be a timedelta of fixed length; got {length!r}.")
    # Beside a length in nanoseconds all times would be counted in them, and those end in 2262.
    coarse: np.timedelta64 = length.astype("timedelta64[us]")
    return coarse if np.datetime_data(length.dtype)[0] == "ns" and coarse == length else length
