"""A purchase log as one row a customer: monthly amount and monthly number of transactions."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

DAYS_PER_MONTH = 30.4375
# Sums of decimal fractions that cancel leave some 1e-16 of what was added: that is no amount.
ROUNDING = 1e-12


class Monthly(NamedTuple):
    """What `monthly_summary` returns: `customer` and `data` have one row a customer, sorted by customer."""

    customer: NDArray[Any]
    data: NDArray[np.float64]
    months: float
    n_left_out: int


def monthly_summary(customer: NDArray[Any], *, date: NDArray[np.datetime64], amount: NDArray[np.float64]) -> Monthly:
    """Average a purchase log over its months, customer by customer.

    The log's window reaches from its first to its last line, whoever bought, and is at least one month of
    30.4375 days. Lines of one customer with the same timestamp are one transaction. A transaction whose
    lines add up to 0 or less is a return: it lowers the customer's amount, and is not counted as a
    transaction. Customers whose whole amount is 0 or less are left out. The order of the lines does not
    matter.

    Parameters
    ----------
    customer : ndarray of shape (n_lines,), sortable
        Who bought.
    date : ndarray of shape (n_lines,), datetime64
        When; at least one line, none of them NaT.
    amount : ndarray of shape (n_lines,), float64
        For how much, finite.

    Returns
    -------
    Monthly
        `customer` holds the customers kept, `data` of shape (n_customers, 2) their monthly average amount
        and monthly average number of transactions, both above 0, `months` the length of the window and
        `n_left_out` the number of customers left out.
    """
    months = max(1.0, (date.max() - date.min()) / np.timedelta64(1, "D") / DAYS_PER_MONTH)
    customers, row = np.unique(customer, return_inverse=True)
    # Amounts are sorted too: a sum of floats depends on its order.
    order = np.lexsort((amount, date, row))
    row, date, amount = row[order], date[order], amount[order]
    is_first = np.ones(len(row), dtype=bool)
    is_first[1:] = (row[1:] != row[:-1]) | (date[1:] != date[:-1])
    starts = np.flatnonzero(is_first)
    buyer = row[starts]
    total, turnover = np.add.reduceat(amount, starts), np.add.reduceat(np.abs(amount), starts)
    bought = total > ROUNDING * turnover
    n_transactions = np.bincount(buyer, bought, len(customers))
    spent = np.bincount(buyer, total, len(customers))
    kept = spent > ROUNDING * np.bincount(buyer, turnover, len(customers))
    data = np.column_stack([spent, n_transactions])[kept] / months
    return Monthly(customers[kept], data, float(months), int(len(customers) - kept.sum()))
