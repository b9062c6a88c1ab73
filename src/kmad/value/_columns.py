"""The columns of a customer summary, out of a table or an array."""

from collections.abc import Sequence

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from kmad.value._tables import Column, Table

Floats = NDArray[np.float64]

# Recency and age are often differences of dates that were divided: the last bits of equal ones may differ.
ROUNDING = 1e-9
# Terms of a likelihood are added purchase by purchase.
MOST_PURCHASES = 1 << 24


def read_columns(name: str, table: object, columns: Sequence[str]) -> list[Floats]:
    """The columns by name from a table, or in this order from an array of as many columns."""
    if not isinstance(table, np.ndarray | list | tuple):
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


def check_rows(name: str, columns: dict[str, Floats], rules: Sequence[tuple[str, NDArray[np.bool_]]]) -> None:
    """Raise where a rule does not hold for every row, and name the rule and the first such row."""
    n_rows = len(next(iter(columns.values())))
    if n_rows == 0:
        raise ValueError(f"{name} must have at least one row; got none.")
    for rule, holds in rules:
        if not holds.all():
            i = int(np.argmin(holds))
            found = ", ".join(f"{column} {values[i]:g}" for column, values in columns.items())
            raise ValueError(f"{name} must have {rule}; got {found} in row {i}, and {int((~holds).sum())} such rows.")


def read_purchases(name: str, table: object) -> tuple[Floats, Floats, Floats]:
    """Frequency, recency and T of each customer, checked."""
    x, recency, T = read_columns(name, table, ("frequency", "recency", "T"))
    check_rows(
        name,
        {"frequency": x, "recency": recency, "T": T},
        [
            ("a finite T", np.isfinite(T)),
            ("a recency from 0 to T", (recency >= 0) & (recency <= T * (1 + ROUNDING))),
            *_counts("frequency", x),
            ("a recency of 0 where the frequency is 0", (x > 0) | (recency == 0)),
        ],
    )
    return x, np.minimum(recency, T), T


def read_opportunities(name: str, table: object) -> tuple[Floats, Floats, Floats]:
    """Frequency, recency and T of each customer, all counted in periods, checked."""
    x, recency, T = read_columns(name, table, ("frequency", "recency", "T"))
    check_rows(
        name,
        {"frequency": x, "recency": recency, "T": T},
        [
            *_counts("T", T),
            *_counts("recency", recency),
            *_counts("frequency", x),
            ("a recency of at most T", recency <= T),
            ("a frequency of at most the recency", x <= recency),
            ("a recency of 0 where the frequency is 0", (x > 0) | (recency == 0)),
        ],
    )
    return x, recency, T


def read_contracts(name: str, table: object) -> tuple[Floats, Floats]:
    """The number of renewals offered to each customer, and 1 where the last was declined, checked."""
    T, churned = read_columns(name, table, ("T", "churned"))
    check_rows(
        name,
        {"T": T, "churned": churned},
        [
            *_counts("T", T),
            ("a churned of 0 or 1", (churned == 0) | (churned == 1)),
            ("a T of at least 1 where churned is 1", (churned == 0) | (T >= 1)),
        ],
    )
    return T, churned


def read_spend(name: str, table: object) -> tuple[Floats, Floats]:
    """Frequency and mean amount of each customer, checked; the amount is 0 where the frequency is 0."""
    x, amount = read_columns(name, table, ("frequency", "monetary_value"))
    check_rows(
        name,
        {"frequency": x, "monetary_value": amount},
        [
            *_counts("frequency", x),
            (
                "a finite monetary_value above 0 where the frequency is above 0",
                (x == 0) | ((amount > 0) & (amount < np.inf)),
            ),
        ],
    )
    return x, np.where(x > 0, amount, 0.0)


def _counts(column: str, values: Floats) -> list[tuple[str, NDArray[np.bool_]]]:
    rule = f"a {column} that is a whole number from 0 to {MOST_PURCHASES:,}"
    return [(rule, (values >= 0) & (values <= MOST_PURCHASES) & (values == np.floor(values)))]


def _as_floats(name: str, column: str, values: Column) -> Floats:
    if isinstance(values, np.ndarray):
        if values.dtype.kind not in "biuf":
            raise TypeError(f"{name} must have numbers in the column {column!r}; it is of dtype {values.dtype}.")
        return np.ascontiguousarray(values, np.float64)
    if not (values.dtype.is_numeric() or values.dtype == nw.Boolean):
        raise TypeError(f"{name} must have numbers in the column {column!r}; it is of dtype {values.dtype}.")
    return np.ascontiguousarray(values.cast(nw.Float64).to_numpy(), np.float64)
