"""Generated example data: customers and purchases with segments that are known."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._validation import check_integer, check_real
from kmad.value import DAYS_PER_MONTH

__all__ = ["Customers", "Purchases", "make_customers", "make_purchases"]

# The five segments of the published study: customers, mean monthly amount, mean monthly transactions.
SEGMENT_SIZES = np.array([31, 152, 542, 2031, 93])
SEGMENT_MEANS = np.array(
    [
        [139_729.0, 2_813.0],
        [48_261.0, 595.0],
        [19_392.0, 1_579.0],
        [3_710.0, 961.0],
        [301.0, 248.0],
    ]
)
LOG_STARTS = np.datetime64("2025-01-01T00:00:00")


class Customers(NamedTuple):
    """A customer table whose segments are known, as `make_customers` returns it.

    Parameters
    ----------
    data : ndarray of shape (n_customers, 2), float64
        One row a customer; the columns are `feature_names`.
    target : ndarray of shape (n_customers,), int32
        The segment of each customer, 0 to 4 in falling order of the mean amount.
    feature_names : tuple of str
        ``("monthly_amount", "monthly_transactions")``.
    """

    data: NDArray[np.float64]
    target: NDArray[np.int32]
    feature_names: tuple[str, ...]


class Purchases(NamedTuple):
    """A purchase log whose customers' segments are known, as `make_purchases` returns it.

    Parameters
    ----------
    customer : ndarray of shape (n_purchases,), int64
        Who bought: a row number of `target`.
    date : ndarray of shape (n_purchases,), datetime64[s]
        When, in rising order.
    amount : ndarray of shape (n_purchases,), float64
        For how much, to the cent.
    target : ndarray of shape (n_customers,), int32
        The segment of each customer, 0 to 4 in falling order of the mean amount.
    """

    customer: NDArray[np.int64]
    date: NDArray[np.datetime64]
    amount: NDArray[np.float64]
    target: NDArray[np.int32]


def make_customers(
    n_customers: int = 2849,
    *,
    spread: float = 0.3,
    random_state: int | np.random.Generator | None = 0,
) -> Customers:
    """Draw customers from five segments of very different size.

    The segments have the sizes and means of a published customer segmentation: of 2,849 customers 31, 152,
    542, 2,031 and 93, who spend 139,729, 48,261, 19,392, 3,710 and 301 a month on average, in 2,813, 595,
    1,579, 961 and 248 transactions. Amount and transactions are log-normal around these means and
    independent within a segment.

    Parameters
    ----------
    n_customers : int, default=2849
        Number of customers. At 2,849 the sizes are exactly those above; at any other number they are in
        the same proportion, rounded by the largest remainder.
    spread : float, default=0.3
        Standard deviation of the logarithm of both features within a segment, 0 or more.
    random_state : int, numpy.random.Generator or None, default=0
        Seed or generator; None draws other customers at every call.

    Returns
    -------
    Customers
        The fields are `data`, `target` and `feature_names`. The rows are in random order.

    Raises
    ------
    TypeError
        If `n_customers` is no integer or `spread` no number.
    ValueError
        If `n_customers` is below 1, or `spread` is negative or not finite.

    Examples
    --------
    >>> from kmad.datasets import make_customers
    >>> customers = make_customers()
    >>> customers.data.shape
    (2849, 2)
    >>> import numpy as np
    >>> np.bincount(customers.target)
    array([  31,  152,  542, 2031,   93])
    """
    check_integer("n_customers", n_customers, least=1)
    check_real("spread", spread, least=0, below=np.inf)
    rng = np.random.default_rng(random_state)
    target = np.repeat(np.arange(len(SEGMENT_SIZES), dtype=np.int32), _apportion(int(n_customers)))
    rng.shuffle(target)
    # The mean of exp(normal(mu, s)) is exp(mu + s²/2).
    log_means = np.log(SEGMENT_MEANS) - spread**2 / 2
    data = np.exp(rng.normal(log_means[target], spread))
    return Customers(data, target, ("monthly_amount", "monthly_transactions"))


def make_purchases(
    n_customers: int = 2849,
    *,
    months: float = 6,
    share: float = 0.01,
    spread: float = 0.3,
    random_state: int | np.random.Generator | None = 0,
) -> Purchases:
    """Draw the purchase log of customers from five segments.

    The customers are those of `make_customers`. Each buys at times that are uniform over the log's window,
    a number of times that is Poisson with the mean ``months * share * monthly_transactions``. The amounts
    of a customer's purchases are log-normal around ``monthly_amount / (share * monthly_transactions)``, so
    that the expected monthly amount is the customer's own.

    Parameters
    ----------
    n_customers : int, default=2849
        Number of customers. One who happens to buy nothing is not in the log.
    months : float, default=6
        Length of the window in months of 30.4375 days, above 0. It starts on 1 January 2025.
    share : float, default=0.01
        Share of the transactions that `make_customers` gives, above 0. At 1 the default customers would
        make some 18 million purchases, at 0.01 they make some 180,000.
    spread : float, default=0.3
        Standard deviation of the logarithm of amount and transactions among the customers of a segment,
        and of the logarithm of the amount among the purchases of a customer, 0 or more.
    random_state : int, numpy.random.Generator or None, default=0
        Seed or generator; None draws another log at every call.

    Returns
    -------
    Purchases
        The fields are `customer`, `date`, `amount` and `target`. Amounts are at least 0.01.

    Raises
    ------
    TypeError
        If `n_customers` is no integer, or `months`, `share` or `spread` no number.
    ValueError
        If `n_customers` is below 1, `months` or `share` not above 0, or `spread` negative.

    Examples
    --------
    >>> from kmad.datasets import make_purchases
    >>> log = make_purchases(100, months=1)
    >>> len(log.customer) == len(log.date) == len(log.amount)
    True
    >>> float(log.amount.min()) > 0
    True
    """
    check_real("months", months, above=0, below=np.inf)
    check_real("share", share, above=0, below=np.inf)
    rng = np.random.default_rng(random_state)
    customers = make_customers(n_customers, spread=spread, random_state=rng)
    monthly_amount, monthly_transactions = customers.data.T
    monthly_purchases = share * monthly_transactions
    n_purchases = rng.poisson(months * monthly_purchases)
    seconds = months * DAYS_PER_MONTH * 86_400
    customer = np.repeat(np.arange(len(customers.data)), n_purchases)
    date = LOG_STARTS + rng.uniform(0, seconds, len(customer)).astype("timedelta64[s]")
    log_mean = np.log(monthly_amount / monthly_purchases) - spread**2 / 2
    amount = np.maximum(np.exp(rng.normal(log_mean[customer], spread)).round(2), 0.01)
    order = np.argsort(date, kind="stable")
    return Purchases(customer[order], date[order], amount[order], customers.target)


def _apportion(n_customers: int) -> NDArray[np.intp]:
    """Split `n_customers` in the proportion of the segments, whole customers by the largest remainder."""
    share, remainder = np.divmod(n_customers * SEGMENT_SIZES, SEGMENT_SIZES.sum())
    largest = np.argsort(-remainder, kind="stable")[: n_customers - share.sum()]
    share[largest] += 1
    return share
