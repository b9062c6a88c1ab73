"""A purchase log as one row a customer: how often, how long, how much."""

from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel
from kmad._threads import Threads
from kmad._validation import check_jobs, check_real
from kmad.value._log import Time, read_log, read_time
from kmad.value._occasions import NO_PURCHASE, Lines
from kmad.value._units import Integers, Unit, days_of, start_of

# Lines that a thread summarises at a time: what lies between them and the summary stays in the processor's cache.
CHUNK_LINES = 1 << 15


def customer_summary(
    transactions: object,
    *,
    customer: str,
    date: str,
    amount: str | None = None,
    unit: Unit,
    margin: float = 1.0,
    period: Unit = "day",
    end: Time | None = None,
    n_jobs: int | None = -1,
) -> Any:
    """Summarise a purchase log to one row a customer, as the purchase models need it.

    All lines of a customer within one period, by default one day, are one purchase. Where they add up to less than 0
    they are a return instead, which is no purchase and lowers the customer's total; where purchases and returns of one
    period cancel they are neither. Something bought for nothing is a purchase.

    Parameters
    ----------
    transactions : table or mapping of arrays
        The log, one line for each purchase or each item of one: a pandas, polars or pyarrow table, or a mapping from
        names to arrays of one dimension. The order of the lines does not matter.
    customer : str
        Column of the customers: integers, text or anything else that can be sorted, never missing.
    date : str
        Column of the dates or times, never missing. Text is read as ISO 8601, such as 2025-12-31 or 2025-12-31T23:59.
        Days are those of the column's own time zone; text that names an offset is turned to UTC.
    amount : str, optional
        Column of the amounts: finite numbers, below 0 for what was returned. Without it every line is a purchase, and
        the summary has no columns of money.
    unit : {"day", "week", "month", "year"} or timedelta
        Unit of `recency` and `T`. A month has 365.25 / 12 days, a year 365.25.
    margin : float, default=1.0
        What is earned of an amount, above 0: all money in the summary is the amount times the margin.
    period : {"day", "week", "month", "year"} or timedelta, default="day"
        Within what purchases are one. Weeks begin on Monday, months and years are the calendar's, and timedeltas are
        counted from 1 January 1970. Recency and T are whole numbers of periods, expressed in units.
    end : date, str or datetime64, optional
        The last period that was observed is the one that holds this time; later lines are left out. By default the
        last time in the log.
    n_jobs : int or None, default=-1
        Number of threads, as in joblib: -1 for all processors. The result does not depend on it.

    Returns
    -------
    table or dict of arrays
        Of the kind of `transactions`, sorted by customer, with a row for each customer who bought at least once. The
        columns are

        - `customer`: the customer, as in the log;
        - `frequency`: the number of repeat purchases, that is purchases after the first;
        - `recency`: time from the first to the last purchase, in units; 0 for who bought once;
        - `T`: time from the first purchase to the end, in units;
        - `monetary_value`: mean over the repeat purchases; 0 where there are none;
        - `n_purchases`: number of purchases, the first one included;
        - `first`, `last`: when the periods of the first and last purchase began;
        - `total`: sum of all lines up to the end, less the returns;
        - `returned`: sum of the returns, 0 or above;
        - `interval_cv`: standard deviation of the times between purchases over their mean. Near 1 where they come at
          random, near 0 where they come like clockwork, above 1 where they come in bursts; NaN below two intervals.

    Raises
    ------
    TypeError
        If `transactions` is no table, or a column or argument is of the wrong type.
    ValueError
        If a column is not there, has missing values or is not what it should be; if an argument is out of its range;
        or if nobody bought before the end.

    See Also
    --------
    calibration_holdout : The same at a date in the past, with what came after.
    lifecycle_value : What each customer was, is and will be worth.

    Notes
    -----
    The time grows with the number of lines; a customer's lines are sorted only where they are out of order. The memory
    is some 50 bytes a line, and 90 a customer. A return counts where it is made: it does not undo the purchase.

    References
    ----------
    P. S. Fader, B. G. S. Hardie and K. L. Lee, "Counting your customers the easy way: an alternative to the
    Pareto/NBD model", Marketing Science 24 (2005), 275-284: frequency, recency and T.

    M. Platzer and T. Reutterer, "Ticking away the moments: timing regularity helps to better predict customer
    activity", Marketing Science 35 (2016), 779-799: why regularity matters.

    Examples
    --------
    >>> import pandas as pd
    >>> from kmad import customer_summary
    >>> log = pd.DataFrame({
    ...     "who": ["ann", "bob", "ann", "ann", "ann"],
    ...     "when": ["2025-01-01", "2025-01-09", "2025-01-15", "2025-01-15", "2025-02-12"],
    ...     "paid": [10.0, 25.0, 20.0, 5.0, 15.0],
    ... })
    >>> summary = customer_summary(log, customer="who", date="when", amount="paid", unit="week", end="2025-03-05")
    >>> summary[["customer", "frequency", "recency", "T", "monetary_value", "total"]]
      customer  frequency  recency         T  monetary_value  total
    0      ann          2      6.0  9.000000            20.0   50.0
    1      bob          0      0.0  7.857143             0.0   25.0
    """
    scale = Scale.of(unit=unit, period=period)
    check_real("margin", margin, above=0, below=np.inf)
    check_jobs(n_jobs)
    log = read_log(transactions, customer=customer, date=date, amount=amount)
    last = log.last_period("end", log.end(end), period)
    rows, columns = _summarise(log.lines(period), last, scale, None if amount is None else margin, n_jobs)
    return log.beside(rows, columns)


def calibration_holdout(
    transactions: object,
    *,
    customer: str,
    date: str,
    amount: str | None = None,
    split: Time,
    unit: Unit,
    margin: float = 1.0,
    period: Unit = "day",
    end: Time | None = None,
    n_jobs: int | None = -1,
) -> Any:
    """Summarise a purchase log up to a date, and add what the same customers bought after it.

    Fit a model to the summary, and compare what it expects of each customer with what they did.

    Parameters
    ----------
    transactions : table or mapping of arrays
        The log, as in `customer_summary`.
    customer, date : str
        Columns of the customers and of the dates, as in `customer_summary`.
    amount : str, optional
        Column of the amounts, as in `customer_summary`.
    split : date, str or datetime64
        The period that holds this time is the last of the calibration; the holdout begins with the next one.
    unit : {"day", "week", "month", "year"} or timedelta
        Unit of `recency`, `T` and `T_holdout`.
    margin : float, default=1.0
        What is earned of an amount, above 0.
    period : {"day", "week", "month", "year"} or timedelta, default="day"
        Within what purchases are one, as in `customer_summary`.
    end : date, str or datetime64, optional
        The holdout ends with the period that holds this time, by default the last time in the log.
    n_jobs : int or None, default=-1
        Number of threads, as in joblib: -1 for all processors. The result does not depend on it.

    Returns
    -------
    table or dict of arrays
        What `customer_summary` returns with ``end=split``, and the columns

        - `frequency_holdout`: number of purchases in the holdout;
        - `monetary_value_holdout`: their mean, 0 where there are none (not without `amount`);
        - `T_holdout`: length of the holdout in units, the same in all rows.

    Raises
    ------
    TypeError
        As `customer_summary`.
    ValueError
        As `customer_summary`, and if the holdout is empty.

    See Also
    --------
    customer_summary : The columns of the calibration.

    Examples
    --------
    >>> log = {
    ...     "who": ["ann", "ann", "ann", "bob"],
    ...     "when": ["2025-01-01", "2025-01-15", "2025-02-12", "2025-01-09"],
    ... }
    >>> both = calibration_holdout(log, customer="who", date="when", split="2025-01-31", unit="week", end="2025-02-28")
    >>> both["frequency"], both["frequency_holdout"], both["T_holdout"]
    (array([1, 0]), array([1, 0]), array([4., 4.]))
    """
    scale = Scale.of(unit=unit, period=period)
    check_real("margin", margin, above=0, below=np.inf)
    check_jobs(n_jobs)
    log = read_log(transactions, customer=customer, date=date, amount=amount)
    last = log.last_period("end", log.end(end), period)
    cut = log.last_period("split", read_time("split", split, log.zone), period)
    if cut >= last:
        raise ValueError(
            f"split must lie at least one period before the end; got {split!r}, and the end in the period that begins "
            f"{start_of(last, period)}."
        )
    lines = log.lines(period)
    rows, columns = _summarise(lines, cut, scale, None if amount is None else margin, n_jobs)
    occasions = lines.occasions(0, log.n_codes)
    kept = (occasions.period > cut) & (occasions.period <= last) & occasions.is_purchase
    later = occasions.where(kept)
    n_later = np.bincount(later.customer, minlength=log.n_codes)[rows]
    columns["frequency_holdout"] = n_later
    if amount is not None:
        paid = np.bincount(later.customer, later.amount, log.n_codes)[rows] * margin
        columns["monetary_value_holdout"] = paid / np.maximum(n_later, 1)
    columns["T_holdout"] = np.full(len(rows), scale.time(last - cut))
    return log.beside(rows, columns)


class Scale(NamedTuple):
    """Times in units, from numbers of periods."""

    numerator: float
    denominator: float
    period: Unit

    @classmethod
    def of(cls, *, unit: Unit, period: Unit) -> Self:
        """Read what the caller says."""
        days, length = days_of("unit", unit), days_of("period", period)
        return cls(1.0, 1.0, period) if days == length else cls(length, days, period)

    def time(self, periods: Integers | int) -> Any:
        """A number of periods in units."""
        # n * 1 / 7 is the nearest number to n sevenths; n * (1 / 7) is not.
        return periods * self.numerator / self.denominator


def _summarise(
    lines: Lines, last: int, scale: Scale, margin: float | None, n_jobs: int | None
) -> tuple[Integers, dict[str, NDArray[Any]]]:
    """The customers who bought, by number, and the columns of their summary."""
    n_customers = lines.n_customers

    def room_before(customer: int) -> int:
        return min(customer, lines.before(customer))

    # One block for all columns: many small ones cost more to get from the system than to fill.
    room = room_before(n_customers)
    integers, reals = np.empty((5, room), np.int64), np.empty((6, room))

    def chunk(first: int, stop: int) -> slice:
        owner, period, amount = map(frozen, lines.occasions(first, stop))
        at = room_before(first)
        times = scale.numerator, scale.denominator
        return slice(at, scan_occasions(owner, period, amount, last, *times, float(margin or 1), at, integers, reals))

    size = max(1, n_customers * CHUNK_LINES // lines.before(n_customers))
    chunks = [(first, min(first + size, n_customers)) for first in range(0, n_customers, size)]
    with Threads(n_jobs) as threads:
        filled = threads.map(chunk, chunks)
    # Where somebody bought nothing, the chunk of it leaves a gap.
    if any(before.stop != after.start for before, after in pairwise(filled)):
        integers, reals = (np.concatenate([table[:, part] for part in filled], axis=1) for table in (integers, reals))
    n = sum(part.stop - part.start for part in filled)
    if not n:
        raise ValueError(NO_PURCHASE)
    customer, frequency, n_purchases, first, final = integers[:, :n]
    recency, T, monetary_value, total, returned, interval_cv = reals[:, :n]
    columns: dict[str, NDArray[Any]] = {
        "frequency": frequency,
        "recency": recency,
        "T": T,
        "monetary_value": monetary_value,
        "n_purchases": n_purchases,
        "first": start_of(first, scale.period),
        "last": start_of(final, scale.period),
        "total": total,
        "returned": returned,
        "interval_cv": interval_cv,
    }
    if margin is None:
        for name in ("monetary_value", "total", "returned"):
            del columns[name]
    return customer, columns


@kernel
def scan_occasions(
    owner,  # (m,) IN rising
    period,  # (m,) IN rising within each owner
    amount,  # (m,) IN
    last,
    numerator,
    denominator,
    margin,
    filled,  # int, IN, where to begin to write
    integers,  # (5, n) OUT customer, frequency, number of purchases, period of the first and of the last
    reals,  # (6, n) OUT recency, T, mean repeat purchase, total, returns, coefficient of variation of the intervals
):
    """Summarise the occasions up to the period `last`, for those who bought; returns where it ended to write."""
    i = 0
    while i < len(owner):
        j = owner[i]
        start = i
        bought, opened, seen = 0, last, last
        paid, later, back = 0.0, 0.0, 0.0
        while i < len(owner) and owner[i] == j:
            if period[i] <= last:
                if amount[i] < 0.0:
                    back -= amount[i]
                else:
                    if bought == 0:
                        opened = period[i]
                    else:
                        later += amount[i]
                    seen = period[i]
                    bought += 1
                paid += amount[i]
            i += 1
        if bought > 0:
            integers[0, filled] = j
            integers[1, filled] = bought - 1
            integers[2, filled] = bought
            integers[3, filled] = opened
            integers[4, filled] = seen
            reals[0, filled] = (seen - opened) * numerator / denominator
            reals[1, filled] = (last - opened) * numerator / denominator
            reals[2, filled] = later / max(1, bought - 1) * margin
            reals[3, filled] = paid * margin
            reals[4, filled] = back * margin
            reals[5, filled] = np.nan
            if bought > 2:
                mean = (seen - opened) / (bought - 1)
                squares = 0.0
                before = opened
                for k in range(start, i):
                    if opened < period[k] <= last and amount[k] >= 0.0:
                        squares += (period[k] - before - mean) ** 2
                        before = period[k]
                reals[5, filled] = np.sqrt(squares / (bought - 2)) / mean
            filled += 1
    return filled
