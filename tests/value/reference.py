"""Slow and obvious twins: each customer and each period on its own, in exact numbers."""

import datetime as dt
from collections import defaultdict
from fractions import Fraction

import numpy as np

EPOCH = dt.date(1970, 1, 1)
MONDAY = dt.date(1969, 12, 29)


def period_of(day, period):
    """The period that holds a date, counted from that of 1 January 1970."""
    if isinstance(period, dt.timedelta):
        return (day - EPOCH) // period
    return {
        "day": (day - EPOCH).days,
        "week": (day - MONDAY).days // 7,
        "month": (day.year - 1970) * 12 + day.month - 1,
        "year": day.year - 1970,
    }[period]


def occasions_of(lines, period):
    """The sum in cents of the lines (customer, date, cents), by customer and period; what cancels is left out."""
    sums = defaultdict(lambda: defaultdict(list))
    for customer, day, cents in lines:
        sums[customer][period_of(day, period)].append(cents)
    return {
        customer: {p: sum(cents) for p, cents in sorted(by_period.items()) if sum(cents) or not any(cents)}
        for customer, by_period in sorted(sums.items())
    }


def summary_of(lines, *, period, last, ratio):
    """Rows of a customer summary; times are exact, `ratio` being the length of a period over that of a unit."""
    rows = []
    for customer, found in occasions_of(lines, period).items():
        sums = {p: cents for p, cents in found.items() if p <= last}
        bought = {p: cents for p, cents in sums.items() if cents >= 0}
        if not bought:
            continue
        when = list(bought)
        gaps = np.diff(when)
        repeats = list(bought.values())[1:]
        rows.append(
            {
                "customer": customer,
                "frequency": len(repeats),
                "recency": float((when[-1] - when[0]) * ratio),
                "T": float((last - when[0]) * ratio),
                "monetary_value": float(Fraction(sum(repeats), 100 * max(1, len(repeats)))),
                "n_purchases": len(when),
                "total": sum(sums.values()) / 100,
                "returned": -sum(cents for cents in sums.values() if cents < 0) / 100,
                "interval_cv": np.std(gaps, ddof=1) / np.mean(gaps) if len(gaps) > 1 else np.nan,
            }
        )
    return rows


def retained_of(lines, *, days, end):
    """Customers of a window, and those of them who bought in the next one, over all windows within the log."""
    last = period_of(end, "day")
    bought = {
        customer: {(last - p) // days for p, cents in sums.items() if p <= last and cents >= 0}
        for customer, sums in occasions_of(lines, "day").items()
    }
    first = min(p for sums in occasions_of(lines, "day").values() for p in sums)
    followed = range(1, (last - first + 1) // days)
    customers = [(windows, k) for windows in bought.values() for k in followed if k in windows]
    return len(customers), sum(k - 1 in windows for windows, k in customers)
