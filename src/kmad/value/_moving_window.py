"""Value without a model: what customers bring now, and how many come back."""

from typing import Any

import numpy as np

from kmad._validation import check_real
from kmad.value._closed_forms import retention_value
from kmad.value._log import Time, read_log
from kmad.value._occasions import Occasions
from kmad.value._units import DAYS_PER_YEAR, Integers, Unit, days_of, force_of_interest


def moving_window_value(
    transactions: object,
    *,
    customer: str,
    date: str,
    amount: str,
    window: Unit,
    discount_rate: float,
    margin: float = 1.0,
    retention_rate: float | None = None,
    end: Time | None = None,
) -> Any:
    """Historical, current and potential value from windows of time that move back from the end, without a model.

    Current value is what a customer brought in the last window. Potential value is what that comes to in future, if a
    customer of one window is one of the next with the same probability for all, and whoever misses a window is lost.

    Parameters
    ----------
    transactions : table or mapping of arrays
        The log, as in `customer_summary`.
    customer, date, amount : str
        Columns of the customers, dates and amounts, as in `customer_summary`.
    window : {"day", "week", "month", "year"} or timedelta
        Length of a window, at least a day: long enough that most active customers buy in it. The last one ends with the
        end. A month has 365.25 / 12 days, a year 365.25; windows begin with whole days.
    discount_rate : float
        Effective rate a year, 0 or more, such as 0.1 for 10 %.
    margin : float, default=1.0
        What is earned of an amount, above 0.
    retention_rate : float, optional
        Probability that a customer of one window is one of the next, from 0 to 1. By default the share of customers who
        bought in a window and again in the one after it, over all pairs of windows that lie within the log.
    end : date, str or datetime64, optional
        The last day that counts, by default that of the last line.

    Returns
    -------
    table or dict of arrays
        Of the kind of `transactions`. The customers are those of `customer_summary`, in the same order; the columns are
        `customer` and

        - `historical_value`: all that was earned up to the end, less the returns;
        - `current_value`: what was earned in the last window, which is part of `historical_value`;
        - `retention_rate`: the rate that was used, the same in all rows;
        - `potential_value`: ``retention_value(current_value)`` at that rate; 0 where nothing was earned;
        - `lifecycle_value`: historical and potential value together.

    Raises
    ------
    TypeError
        As `customer_summary`.
    ValueError
        As `customer_summary`; if an argument is out of its range; or if the log is shorter than two windows, or nobody
        bought in one that is followed by another, and no `retention_rate` is given.

    See Also
    --------
    lifecycle_value : The same from a model, for customers who buy at random times and leave unseen.

    References
    ----------
    H. Hwang, T. Jung and E. Suh, "An LTV model and customer segmentation based on customer value: a case study on the
    wireless telecommunication industry", Expert Systems with Applications 26 (2004), 181-188: current and potential
    value.

    F. R. Dwyer, "Customer lifetime valuation to support marketing decision making", Journal of Direct Marketing 11
    (1997), 6-13: customers who are lost when they miss a period, and customers who come back.

    Examples
    --------
    >>> from datetime import timedelta
    >>> from kmad import moving_window_value
    >>> log = {
    ...     "who": ["ann", "ann", "ann", "bob", "bob"],
    ...     "when": ["2025-01-05", "2025-02-05", "2025-03-05", "2025-01-07", "2025-02-11"],
    ...     "paid": [10.0, 10.0, 12.0, 20.0, 20.0],
    ... }
    >>> columns = {"customer": "who", "date": "when", "amount": "paid"}
    >>> value = moving_window_value(
    ...     log, **columns, window=timedelta(days=30), discount_rate=0.1, end="2025-03-31"
    ... )
    >>> value["current_value"], value["retention_rate"], value["potential_value"].round(1)
    (array([12.,  0.]), array([0.5, 0.5]), array([11.8,  0. ]))
    """
    check_real("margin", margin, above=0, below=np.inf)
    days = days_of("window", window)
    if days < 1:
        raise ValueError(f"window must be at least a day; got {window!r}.")
    discount = float(np.expm1(force_of_interest("discount_rate", discount_rate, "year") * days / DAYS_PER_YEAR))
    if retention_rate is not None:
        # A wrong rate is told before the log is read.
        retention_value(0.0, retention_rate=retention_rate, discount_rate=discount)
    log = read_log(transactions, customer=customer, date=date, amount=amount)
    last = log.last_period("end", log.end(end), "day")
    occasions = log.occasions("day")
    occasions = occasions.where(occasions.period <= last)
    buyers = occasions.buyers
    back = ((last - occasions.period) / days).astype(np.int64)
    n_windows = int((last - occasions.period.min() + 1) / days)
    rate = _share_retained(occasions, back, n_windows) if retention_rate is None else float(retention_rate)

    historical = np.bincount(occasions.customer, occasions.amount)[buyers] * margin
    current = np.bincount(occasions.customer, occasions.amount * (back == 0))[buyers] * margin
    potential = retention_value(np.maximum(current, 0.0), retention_rate=rate, discount_rate=discount)
    columns = {
        "historical_value": historical,
        "current_value": current,
        "retention_rate": np.full(len(buyers), rate),
        "potential_value": potential,
        "lifecycle_value": historical + potential,
    }
    return log.beside(buyers, columns)


def _share_retained(occasions: Occasions, back: Integers, n_windows: int) -> float:
    """The share of a window's customers who buy in the next one, over all windows that lie within the log."""
    bought = occasions.is_purchase & (back < n_windows)
    customer, back = occasions.customer[bought], back[bought]
    is_first = np.ones(len(back), np.bool_)
    is_first[1:] = (customer[1:] != customer[:-1]) | (back[1:] != back[:-1])
    customer, back = customer[is_first], back[is_first]
    n_followed = int((back > 0).sum())
    if not n_followed:
        raise ValueError(
            f"window must fit into the log at least twice, with purchases in a window that another follows; it fits in "
            f"{n_windows} times. Take a shorter window, or give retention_rate."
        )
    n_retained = int(((customer[1:] == customer[:-1]) & (back[1:] == back[:-1] - 1)).sum())
    return n_retained / n_followed
