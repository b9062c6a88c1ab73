"""What needs no fitted model: the value of a customer with a steady margin, and the value that was."""

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from kmad._validation import check_choice, check_real
from kmad.value._log import Time, read_log
from kmad.value._units import Floats, force_of_interest

FirstPayment: TypeAlias = Literal["if_retained", "next", "now"]


def retention_value(
    margin: ArrayLike,
    *,
    retention_rate: ArrayLike,
    discount_rate: ArrayLike,
    first_payment: FirstPayment = "if_retained",
) -> Any:
    """Present value of a margin that comes once a period for as long as the customer is retained.

    Parameters
    ----------
    margin : float or array
        What a customer brings in each period.
    retention_rate : float or array
        Probability that a customer of one period is one in the next, from 0 to 1.
    discount_rate : float or array
        Discount rate per period, 0 or more, such as 0.1 for 10 %.
    first_payment : {"if_retained", "next", "now"}, default="if_retained"
        When the first margin that counts is paid. With m, r and d for margin, retention and discount rate,

        - "if_retained": at the end of the period, by those who are retained: m·r / (1 + d - r);
        - "next": at the end of the period, for certain: m / (1 + d - r);
        - "now": at once: m·(1 + d) / (1 + d - r).

    Returns
    -------
    float or ndarray
        The value of an infinite stream, broadcast over the arguments.

    Raises
    ------
    TypeError
        If an argument is not of numbers.
    ValueError
        If an argument is out of its range, or retention is certain and nothing is discounted: the value is then
        infinite.

    See Also
    --------
    moving_window_value : The same with a retention rate from the log.

    Notes
    -----
    All customers are taken to have one and the same retention rate. Where they differ, those with low rates leave first
    and the value of those who stay is higher than this: see `ShiftedBetaGeometric`.

    References
    ----------
    P. S. Fader and B. G. S. Hardie, "Reconciling and clarifying CLV formulas", note 024 (2012), brucehardie.com.

    S. Gupta, D. R. Lehmann and J. A. Stuart, "Valuing customers", Journal of Marketing Research 41 (2004), 7-18.

    Examples
    --------
    >>> from kmad import retention_value
    >>> float(retention_value(100, retention_rate=0.8, discount_rate=0.1).round(2))
    266.67
    """
    m, r, d = (
        _finite(name, value)
        for name, value in [("margin", margin), ("retention_rate", retention_rate), ("discount_rate", discount_rate)]
    )
    if ((r < 0) | (r > 1)).any():
        raise ValueError(f"retention_rate must lie between 0 and 1; got {retention_rate!r}.")
    if (d < 0).any():
        raise ValueError(f"discount_rate must be 0 or more; got {discount_rate!r}.")
    if (1 + d - r <= 0).any():
        raise ValueError("discount_rate must be above 0 where retention_rate is 1: the value is infinite.")
    factors: dict[str, Floats | float] = {"if_retained": r, "next": 1.0, "now": 1 + d}
    check_choice("first_payment", first_payment, factors)
    return m * factors[first_payment] / (1 + d - r)


def historical_value(
    transactions: object,
    *,
    customer: str,
    date: str,
    amount: str,
    margin: float = 1.0,
    discount_rate: float = 0.0,
    end: Time | None = None,
) -> Any:
    """What each customer has brought so far, compounded to the end of observation.

    Parameters
    ----------
    transactions : table or mapping of arrays
        The log, as in `customer_summary`.
    customer, date, amount : str
        Columns of the customers, dates and amounts, as in `customer_summary`.
    margin : float, default=1.0
        What is earned of an amount, above 0.
    discount_rate : float, default=0.0
        Effective rate a year at which past earnings are compounded, such as 0.1 for 10 %. At 0 they are added up.
    end : date, str or datetime64, optional
        The last day that counts, by default that of the last line.

    Returns
    -------
    table or dict of arrays
        Of the kind of `transactions`, with the columns `customer` and `historical_value`. The customers are those of
        `customer_summary`, in the same order.

    Raises
    ------
    TypeError
        As `customer_summary`.
    ValueError
        As `customer_summary`.

    See Also
    --------
    customer_summary : Its column `total` is this without compounding.

    References
    ----------
    H. Hwang, T. Jung and E. Suh, "An LTV model and customer segmentation based on customer value: a case study on the
    wireless telecommunication industry", Expert Systems with Applications 26 (2004), 181-188.

    Examples
    --------
    >>> from kmad import historical_value
    >>> log = {"who": ["ann", "ann"], "when": ["2023-01-01", "2025-01-01"], "paid": [100.0, 10.0]}
    >>> past = historical_value(log, customer="who", date="when", amount="paid", discount_rate=0.1)
    >>> past["historical_value"].round()
    array([131.])
    """
    check_real("margin", margin, above=0, below=np.inf)
    growth = force_of_interest("discount_rate", discount_rate, "day")
    log = read_log(transactions, customer=customer, date=date, amount=amount)
    last = log.last_period("end", log.end(end), "day")
    occasions = log.occasions("day")
    occasions = occasions.where(occasions.period <= last)
    buyers = occasions.buyers
    worth = occasions.amount * np.exp(growth * (last - occasions.period)) * margin
    return log.beside(buyers, {"historical_value": np.bincount(occasions.customer, worth)[buyers]})


def _finite(name: str, value: ArrayLike) -> Floats:
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be a number or an array of numbers; got {value!r}.") from error
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite; got {value!r}.")
    return array
