"""A purchase log as one row a customer: monthly amount and monthly number of transactions."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad.value._occasions import ROUNDING, gather_occasions
from kmad.value._units import DAYS_PER_MONTH


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
    occasions = gather_occasions(row, len(customers), (date - date.min()).astype(np.int64), amount)
    n_transactions = np.bincount(occasions.customer, occasions.amount > 0, len(customers))
    spent = np.bincount(occasions.customer, occasions.amount, len(customers))
    turnover = np.bincount(occasions.customer, np.abs(occasions.amount), len(customers))
    kept = spent > ROUNDING * turnover
    data = np.column_stack([spent, n_transactions])[kept] / months
    return Monthly(customers[kept], data, float(months), int(len(customers) - kept.sum()))
