"""A purchase log read from any table: who, when, for how much."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import Any, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from kmad.value._distinct import distinct_rows
from kmad.value._occasions import Lines, Occasions, sort_log
from kmad.value._tables import Column, Table
from kmad.value._units import Integers, Times, Unit, period_of

Time: TypeAlias = str | date | np.datetime64

# Numbers that span at most this many times as much as there are lines are customers' numbers as they are.
SPREAD = 4
# Texts of at most 32 characters, each below the 256th code point, are compared as four numbers of eight bytes.
MOST_BYTES, FEW_POINTS = 4 * 32, 256


class Log(NamedTuple):
    """The lines of a log; the arrays are of shape (n_lines,)."""

    table: Table
    customer: str  # name of the column
    code: Integers  # number of the customer, in the order of the customers, from 0 to n_codes - 1
    n_codes: int
    time: Times
    amount: NDArray[np.float64]
    zone: tzinfo | None  # of the column of dates

    def occasions(self, period: Unit) -> Occasions:
        """Purchases and returns of each customer, by period."""
        return self.lines(period).occasions(0, self.n_codes)

    def lines(self, period: Unit) -> Lines:
        """The lines customer by customer."""
        return sort_log(self.code, self.n_codes, period_of(self.time, period), self.amount)

    def end(self, given: Time | None) -> np.datetime64:
        """The time that the caller gives, or the last one in the log."""
        last: np.datetime64 = self.time.max() if given is None else read_time("end", given, self.zone)
        return last

    def last_period(self, name: str, time: np.datetime64, period: Unit) -> int:
        """The period that holds a time, which must not lie before the log."""
        # One by one: an array of both would hold nanoseconds where the log does, and those end in 2262.
        first = self.time.min()
        begun, ended = (int(period_of(np.array([each]), period)[0]) for each in (first, time))
        if ended < begun:
            raise ValueError(f"{name} must not lie before the first line, of {first}; got {time}.")
        return ended

    def beside(self, code: Integers, columns: dict[str, NDArray[Any]]) -> Any:
        """A table of the caller's kind: the customers with these numbers, and other columns beside them."""
        row = np.zeros(self.n_codes, np.intp)
        row[self.code] = np.arange(len(self.code))
        return self.table.beside(self.customer, row[code], columns)


def read_log(transactions: object, *, customer: str, date: str, amount: str | None) -> Log:
    """Read and check the columns of a log; without a column of amounts every line counts as 1."""
    table = Table("transactions", transactions, [customer, date] if amount is None else [customer, date, amount])
    if not table.n_rows:
        raise ValueError("transactions must have at least one line; it has none.")
    _check_complete(table, customer)
    code, n_codes = _encode(customer, table[customer])
    time, zone = _read_times(date, table[date])
    paid = np.ones(table.n_rows) if amount is None else table.numbers(amount)
    return Log(table, customer, code, n_codes, time, paid, zone)


def read_time(name: str, value: object, zone: tzinfo | None = None) -> np.datetime64:
    """One time without its zone: as clocks show it in `zone`, or in UTC."""
    if isinstance(value, np.datetime64) and not np.isnat(value):
        return value
    try:
        return np.datetime64(_parse(value, zone), "us")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a date such as '2025-12-31'; got {value!r}.") from error


def _check_complete(table: Table, column: str) -> None:
    values = table[column]
    if not isinstance(values, np.ndarray):
        found = values.is_null()
        missing = (found | values.is_nan() if values.dtype.is_float() else found).to_numpy()
    elif values.dtype.kind == "O":
        missing = np.array([value is None or value != value for value in values])  # noqa: PLR0124 - as NaN does
    else:
        missing = values != values  # noqa: PLR0124 - NaN and NaT alone differ from themselves
    if np.any(missing):
        raise ValueError(
            f"transactions must name the customer in every line; column {column!r} has {np.sum(missing)} missing "
            f"values, the first in row {np.argmax(missing)}. Drop those lines first."
        )


def _encode(column: str, ids: Column) -> tuple[Integers, int]:
    """Number the customers in their own order; some numbers may be nobody's."""
    if isinstance(ids, np.ndarray) or ids.dtype.is_integer():
        array = np.asarray(ids)
        if array.dtype.kind in "iu":
            low, high = int(array.min()), int(array.max())
            if high - low < SPREAD * len(array):
                # Small numbers may differ by more than their type holds; the largest do not fit into int64.
                offset = array - np.uint64(low) if array.dtype == np.uint64 else array.astype(np.int64) - low
                return offset.astype(np.int64, copy=False), high - low + 1
    try:
        if isinstance(ids, np.ndarray):
            return _encode_array(ids)
        if ids.implementation.is_pandas_like():
            code, customers = ids.__native_namespace__().factorize(ids.to_native(), sort=True)
            return np.asarray(code, np.int64), len(customers)
        if ids.dtype in (nw.Categorical, nw.Enum):
            ids = ids.cast(nw.String)
        names = ids.unique().sort().to_list()
        return ids.replace_strict(names, range(len(names)), return_dtype=nw.Int64).to_numpy(), len(names)
    except (TypeError, NotImplementedError) as error:
        # pyarrow 26 cannot sort its string_view, among others.
        raise TypeError(
            f"transactions must have customers that can be sorted; column {column!r}: {error}. Turn them into plain "
            "text or numbers first."
        ) from error


def _encode_array(ids: NDArray[Any]) -> tuple[Integers, int]:
    if ids.dtype.kind not in "OU":
        customers, code = np.unique(ids, return_inverse=True)
        return code, len(customers)
    if ids.dtype.kind == "U" and ids.dtype.itemsize <= MOST_BYTES:
        points = ids.astype(ids.dtype.newbyteorder("="), order="C", copy=False).view(np.uint32).reshape(len(ids), -1)
        if points.max() < FEW_POINTS:
            return _encode_points(points)
    # Sorting a million texts takes several times as long as looking each up.
    names = ids.tolist()
    rank = {name: i for i, name in enumerate(sorted(set(names)))}
    return np.array([rank[name] for name in names]), len(rank)


def _encode_points(points: NDArray[np.uint32]) -> tuple[Integers, int]:
    """Number texts of code points that fit into a byte each, at most 32, in the order of these."""
    n, width = points.shape
    octets = np.zeros((n, -(-width // 8) * 8), np.uint8)
    octets[:, :width] = points
    words = octets.view(">u8").astype(np.uint64)
    distinct = distinct_rows(*(word.view(np.float64) for word in np.ascontiguousarray(words.T)))
    order = np.lexsort([word.view(np.uint64) for word in reversed(distinct.columns)])
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[distinct.group], len(order)


def _read_times(column: str, dates: Column) -> tuple[Times, tzinfo | None]:
    """Times without their zone, as clocks of that zone show them."""
    zone = None
    time: Times
    if isinstance(dates, np.ndarray):
        if dates.dtype.kind not in "MUO":
            raise TypeError(f"transactions must have dates in column {column!r}; it is of dtype {dates.dtype}.")
        time = dates if dates.dtype.kind == "M" else _parse_all(column, dates.tolist())
    elif dates.implementation.is_pandas_like() and getattr(dates.to_native().dtype, "tz", None) is not None:
        # narwhals 2.29 does not know the dtype of a pandas column where the name of the zone has an underscore.
        native = dates.to_native()
        zone = native.dtype.tz
        time = native.dt.tz_localize(None).to_numpy()
    elif dates.dtype in (nw.Date, nw.Datetime):
        if isinstance(dates.dtype, nw.Datetime) and dates.dtype.time_zone is not None:
            zone = _zone(dates.dtype.time_zone)
            dates = dates.dt.replace_time_zone(None)
        time = dates.cast(nw.Datetime("us")).to_numpy() if dates.dtype == nw.Date else dates.to_numpy()
    elif dates.dtype in (nw.String, nw.Categorical, nw.Enum, nw.Object):
        time = _parse_all(column, dates.to_list())
    else:
        native = dates.to_native()
        kind = native.type if hasattr(native, "type") else native.dtype
        raise TypeError(f"transactions must have dates in column {column!r}; it is of dtype {kind}.")
    missing = np.isnat(time)
    if missing.any():
        raise ValueError(
            f"transactions must have a date in every line; column {column!r} has {missing.sum()} missing values, the "
            f"first in row {np.argmax(missing)}. Fill them, or drop those lines."
        )
    return time, zone


def _parse_all(column: str, values: Sequence[Any]) -> Times:
    # A date stands in many lines.
    known: dict[Any, datetime | None] = {}
    for i, value in enumerate(values):
        if value not in known:
            try:
                known[value] = None if _is_no_time(value) else _parse(value)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"transactions must have dates such as '2025-12-31' or '2025-12-31T23:59' in column {column!r}; "
                    f"got {value!r} in row {i}."
                ) from error
    return np.array([known[value] for value in values], "datetime64[us]")


def _zone(name: str) -> tzinfo | None:
    """A zone by its name or, as Arrow allows, by its offset."""
    return datetime.fromisoformat(f"2000-01-01T00:00{name}").tzinfo if name[0] in "+-" else ZoneInfo(name)


def _is_no_time(value: object) -> bool:
    """Whether this is the NaT of numpy or of pandas, which calls itself a datetime."""
    return isinstance(value, datetime | np.datetime64) and value != value  # noqa: PLR0124 - NaT alone differs


def _parse(value: object, zone: tzinfo | None = None) -> datetime:
    """A date or a time as clocks show it in `zone`, or in UTC; one that names no zone is taken as it is."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value.strip())
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            value = value.astimezone(zone or UTC).replace(tzinfo=None)
        return value
    if isinstance(value, date):
        return datetime.combine(value, datetime.min.time())
    raise TypeError(f"{value!r} is no date")
