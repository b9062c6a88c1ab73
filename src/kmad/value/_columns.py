"""The columns of a customer summary, out of a table or an array."""

from collections.abc import Callable, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen
from kmad.value._elementary import are_purchases
from kmad.value._tables import Column, Table

Floats = NDArray[np.float64]
# What must hold, and for which rows it does.
Rules = list[tuple[str, NDArray[np.bool_]]]

PURCHASES = ("frequency", "recency", "T")
# Recency and age are often differences of dates that were divided: the last bits of equal ones may differ.
ROUNDING = 1e-9
# Terms of a likelihood are added purchase by purchase.
MOST_PURCHASES = 1 << 24
# Rows that are checked at a time: what lies between then stays in the processor's cache.
CHECK_ROWS = 1 << 14


def read_columns(name: str, table: object, columns: Sequence[str]) -> list[Floats]:
    """The columns by name from a table, or in this order from an array of as many columns."""
    if not isinstance(table, np.ndarray | list | tuple):
        floats = _plain_floats(table, columns)
        if floats is not None:
            return floats
        found = Table(name, table, columns)
        return [_as_floats(name, column, found[column]) for column in columns]
    try:
        array = np.asarray(table, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name} must be a table or an array of numbers; got {type(table).__name__} ({error})."
        ) from error
    if array.ndim != 2 or array.shape[1] != len(columns):
        raise ValueError(f"{name} must have the {len(columns)} columns {list(columns)}; got the shape {array.shape}.")
    return [np.ascontiguousarray(array[:, f]) for f in range(len(columns))]


def _plain_floats(table: Any, columns: Sequence[str]) -> list[Floats] | None:
    """Columns of a pandas table if all are float64; narwhals takes as long for them as the kernels for 100,000 rows."""
    if not nw.dependencies.is_pandas_dataframe(table):
        return None
    found = [table[column] for column in columns if column in table.columns]
    if len(found) < len(columns) or any(column.ndim > 1 or column.dtype != np.float64 for column in found):
        return None
    return [np.ascontiguousarray(column.to_numpy()) for column in found]


def check_rows(name: str, columns: dict[str, Floats], rules: Callable[..., Rules]) -> None:
    """Raise where a rule does not hold for every row, and name the rule and the first such row."""
    n_rows = len(next(iter(columns.values())))
    if n_rows == 0:
        raise ValueError(f"{name} must have at least one row; got none.")
    parts = (
        [column[start : start + CHECK_ROWS] for column in columns.values()] for start in range(0, n_rows, CHECK_ROWS)
    )
    if all(holds.all() for part in parts for _, holds in rules(*part)):
        return
    rule, holds = next((rule, holds) for rule, holds in rules(*columns.values()) if not holds.all())
    i = int(np.argmin(holds))
    found = ", ".join(f"{column} {values[i]:g}" for column, values in columns.items())
    raise ValueError(f"{name} must have {rule}; got {found} in row {i}, and {int((~holds).sum())} such rows.")


def read_purchases(name: str, table: object) -> tuple[Floats, Floats, Floats]:
    """Frequency, recency and T of each customer, checked."""
    x, recency, T = read_columns(name, table, PURCHASES)
    # The kernel looks for all that must hold in one pass; the rules say which of it does not.
    right, beyond = are_purchases(frozen(x), frozen(recency), frozen(T), ROUNDING, float(MOST_PURCHASES))
    if not (len(x) and right):
        check_purchases(name, x, recency, T)
    return x, np.minimum(recency, T) if beyond else recency, T


def check_purchases(name: str, x: Floats, recency: Floats, T: Floats) -> None:
    """Raise where these are not the frequency, recency and T of a customer."""

    def rules(x: Floats, recency: Floats, T: Floats) -> Rules:
        return [
            ("a finite T", np.isfinite(T)),
            ("a recency from 0 to T", (recency >= 0) & (recency <= T * (1 + ROUNDING))),
            _count("frequency", x),
            ("a recency of 0 where the frequency is 0", (x > 0) | (recency == 0)),
        ]

    check_rows(name, {"frequency": x, "recency": recency, "T": T}, rules)


def read_opportunities(name: str, table: object) -> tuple[Floats, Floats, Floats]:
    """Frequency, recency and T of each customer, all counted in periods, checked."""
    x, recency, T = read_columns(name, table, PURCHASES)

    def rules(x: Floats, recency: Floats, T: Floats) -> Rules:
        return [
            _count("T", T),
            _count("recency", recency),
            _count("frequency", x),
            ("a recency of at most T", recency <= T),
            ("a frequency of at most the recency", x <= recency),
            ("a recency of 0 where the frequency is 0", (x > 0) | (recency == 0)),
        ]

    check_rows(name, {"frequency": x, "recency": recency, "T": T}, rules)
    return x, recency, T


def read_contracts(name: str, table: object) -> tuple[Floats, Floats]:
    """The number of renewals offered to each customer, and 1 where the last was declined, checked."""
    T, churned = read_columns(name, table, ("T", "churned"))

    def rules(T: Floats, churned: Floats) -> Rules:
        return [
            _count("T", T),
            ("a churned of 0 or 1", (churned == 0) | (churned == 1)),
            ("a T of at least 1 where churned is 1", (churned == 0) | (T >= 1)),
        ]

    check_rows(name, {"T": T, "churned": churned}, rules)
    return T, churned


def read_spend(name: str, table: object) -> tuple[Floats, Floats]:
    """Frequency and mean amount of each customer, which are yet to be checked."""
    x, amount = read_columns(name, table, ("frequency", "monetary_value"))
    return x, amount


def check_spend(name: str, x: Floats, amount: Floats) -> None:
    """Raise where there is no frequency, or no amount where the frequency is above 0."""

    def rules(x: Floats, amount: Floats) -> Rules:
        known = (amount > 0) & (amount < np.inf)
        return [
            _count("frequency", x),
            ("a finite monetary_value above 0 where the frequency is above 0", (x == 0) | known),
        ]

    check_rows(name, {"frequency": x, "monetary_value": amount}, rules)


def _count(column: str, values: Floats) -> tuple[str, NDArray[np.bool_]]:
    rule = f"a {column} that is a whole number from 0 to {MOST_PURCHASES:,}"
    return rule, (values >= 0) & (values <= MOST_PURCHASES) & (values == np.floor(values))


def _as_floats(name: str, column: str, values: Column) -> Floats:
    if isinstance(values, np.ndarray):
        if values.dtype.kind not in "biuf":
            raise TypeError(f"{name} must have numbers in the column {column!r}; it is of dtype {values.dtype}.")
        return np.ascontiguousarray(values, np.float64)
    # To ask a pandas column for its dtype, or to cast it to the one that it has, costs narwhals some 10 us each.
    dtype = values.dtype
    if not (dtype.is_numeric() or dtype == nw.Boolean):
        raise TypeError(f"{name} must have numbers in the column {column!r}; it is of dtype {dtype}.")
    floats = values if dtype == nw.Float64 else values.cast(nw.Float64)
    return np.ascontiguousarray(floats.to_numpy(), np.float64)
