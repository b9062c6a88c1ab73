"""Generated example data: customers and purchases with segments that are known."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._validation import check_integer, check_real
from kmad.value import DAYS_PER_MONTH

__all__ = [
    "BasketLog",
    "Customers",
    "Lifecycles",
    "PlantedRule",
    "Purchases",
    "make_baskets",
    "make_customers",
    "make_lifecycles",
    "make_purchases",
]

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
DAYS_PER_WEEK = 7

# Three kinds of customer: share, purchases a week, mean length of life in weeks, mean amount.
LIFECYCLE_SHARES = np.array([0.6, 0.3, 0.1])
WEEKLY_PURCHASES = np.array([0.04, 0.4, 0.15])
MEAN_WEEKS = np.array([60.0, 250.0, 150.0])
MEAN_AMOUNTS = np.array([25.0, 40.0, 300.0])
# Shapes of the gamma distributions within a kind: the higher, the more alike are its customers.
RATE_SHAPE = 4.0
SPEND_SHAPE = 8.0
PURCHASE_SHAPE = 4.0

# The shop of `make_baskets`: what it sells, and the habits of its customers: the share of the baskets that are out for
# some products, and the chance that others then go with them. No product is in two habits.
COLOURS = ("red", "blue", "green", "white", "pink", "vintage", "retro", "small", "large", "wooden")
KINDS = ("mug", "bag", "lantern", "cake tin", "clock", "apron", "doorstop", "frame", "bunting", "tray")
HABITS = (
    (0.04, ("teapot",), ("teacup",), 0.8),
    (0.03, ("coffee cup", "saucer"), ("cake stand",), 0.7),
    (0.05, ("candle",), ("candle holder",), 0.5),
    (0.02, ("garden kneeler", "seed packets"), ("plant labels",), 0.9),
    (0.04, ("wrapping paper",), ("gift tag", "ribbon"), 0.6),
    (0.025, ("balloons", "party hats"), ("birthday candles",), 0.75),
)
# Share of the baskets that hold the most popular product, and a product of a habit by itself.
MOST_POPULAR = 0.2
BY_ITSELF = 0.01


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


class Lifecycles(NamedTuple):
    """A purchase log of customers who come and go, as `make_lifecycles` returns it.

    Parameters
    ----------
    customer : ndarray of shape (n_purchases,), int64
        Who bought: a row number of `target`.
    date : ndarray of shape (n_purchases,), datetime64[s]
        When, in rising order.
    amount : ndarray of shape (n_purchases,), float64
        For how much, to the cent.
    target : ndarray of shape (n_customers,), int32
        The kind of each customer: 0 occasional, 1 regular, 2 rare but large.
    active : ndarray of shape (n_customers,), bool
        Who will still buy after the log ends: nobody can see it in the log.
    """

    customer: NDArray[np.int64]
    date: NDArray[np.datetime64]
    amount: NDArray[np.float64]
    target: NDArray[np.int32]
    active: NDArray[np.bool_]


class PlantedRule(NamedTuple):
    """A rule that customers of `make_baskets` follow.

    Parameters
    ----------
    antecedent : tuple of str
        Products.
    consequent : tuple of str
        The products that go with them.
    confidence : float
        Chance that a basket with the antecedent holds the consequent.
    """

    antecedent: tuple[str, ...]
    consequent: tuple[str, ...]
    confidence: float


class BasketLog(NamedTuple):
    """A sales log whose rules are known, as `make_baskets` returns it: one line for each product in a basket.

    Parameters
    ----------
    basket : ndarray of shape (n_lines,), int64
        Number of the basket, in rising order.
    item : ndarray of shape (n_lines,), str
        Name of the product.
    rules : tuple of PlantedRule
        The rules that the customers follow.
    """

    basket: NDArray[np.int64]
    item: NDArray[np.str_]
    rules: tuple[PlantedRule, ...]


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


def make_lifecycles(
    n_customers: int = 2000,
    *,
    weeks: float = 104,
    random_state: int | np.random.Generator | None = 0,
) -> Lifecycles:
    """Draw the purchase log of customers who come, buy for a while and leave without a word.

    Each customer first buys at a time that is uniform over the first half of the log, then at random times at a rate of
    his own, until a lifetime is over that is exponential. Three kinds of customer differ in share, mean rate, mean
    lifetime and mean amount: 60 % occasional (0.04 purchases a week, 60 weeks, 25), 30 % regular (0.4, 250 weeks, 40)
    and 10 % rare but large (0.15, 150 weeks, 300). Within a kind the rates and the mean amounts are gamma distributed,
    and so are the amounts of a customer.

    Parameters
    ----------
    n_customers : int, default=2000
        Number of customers. Each of them buys at least once.
    weeks : float, default=104
        Length of the log, above 0. It starts on 1 January 2025.
    random_state : int, numpy.random.Generator or None, default=0
        Seed or generator; None draws another log at every call.

    Returns
    -------
    Lifecycles
        The fields are `customer`, `date`, `amount`, `target` and `active`. Amounts are at least 0.01.

    Raises
    ------
    TypeError
        If `n_customers` is no integer, or `weeks` no number.
    ValueError
        If `n_customers` is below 1, or `weeks` not above 0.

    References
    ----------
    D. C. Schmittlein, D. G. Morrison and R. Colombo, "Counting your customers: who are they and what will they do
    next?", Management Science 33 (1987), 1-24: purchases at random until an unseen end.

    Examples
    --------
    >>> from kmad.datasets import make_lifecycles
    >>> log = make_lifecycles(100)
    >>> len(log.customer) == len(log.date) == len(log.amount)
    True
    >>> len(log.target) == len(log.active) == 100
    True
    """
    check_integer("n_customers", n_customers, least=1)
    check_real("weeks", weeks, above=0, below=np.inf)
    rng = np.random.default_rng(random_state)
    target = rng.choice(len(LIFECYCLE_SHARES), int(n_customers), p=LIFECYCLE_SHARES).astype(np.int32)
    born = rng.uniform(0, weeks / 2, len(target))
    dies = born + rng.exponential(MEAN_WEEKS[target])
    rate = rng.gamma(RATE_SHAPE, WEEKLY_PURCHASES[target] / RATE_SHAPE)
    n_repeats = rng.poisson(rate * (np.minimum(dies, weeks) - born))
    customer = np.repeat(np.arange(len(target)), 1 + n_repeats)
    # Given their number, purchases at random times are uniform; the first one opens the life.
    time = rng.uniform(born[customer], np.minimum(dies, weeks)[customer])
    first = np.cumsum(1 + n_repeats) - 1 - n_repeats
    time[first] = born
    mean = rng.gamma(SPEND_SHAPE, MEAN_AMOUNTS[target] / SPEND_SHAPE)
    amount = rng.gamma(PURCHASE_SHAPE, mean[customer] / PURCHASE_SHAPE)
    date = LOG_STARTS + (time * DAYS_PER_WEEK * 86_400).astype("timedelta64[s]")
    order = np.argsort(date, kind="stable")
    return Lifecycles(customer[order], date[order], np.maximum(amount.round(2), 0.01)[order], target, dies > weeks)


def make_baskets(
    n_baskets: int = 5000,
    *,
    random_state: int | np.random.Generator | None = 0,
) -> BasketLog:
    """Draw the sales log of a gift shop whose customers follow known rules.

    100 products are bought independently of each other: the first is in 20 % of the baskets, number k in
    20 % / sqrt(k). 16 more go together by habit: some baskets are out for the antecedent of a rule, and a basket that
    holds it, for whatever reason, gets the consequent too with a given chance. These products are also bought by
    themselves, each in 1 % of the baskets. A basket holds some 4 products on average.

    Parameters
    ----------
    n_baskets : int, default=5000
        Number of baskets. One that happens to be empty is not in the log.
    random_state : int, numpy.random.Generator or None, default=0
        Seed or generator; None draws other baskets at every call.

    Returns
    -------
    BasketLog
        The fields are `basket`, `item` and `rules`.

    Raises
    ------
    TypeError
        If `n_baskets` is no integer.
    ValueError
        If `n_baskets` is below 1.

    Examples
    --------
    >>> from kmad.datasets import make_baskets
    >>> log = make_baskets()
    >>> log.item[log.basket == 13].tolist()
    ['large bag', 'small clock', 'pink apron', 'wooden tray']
    >>> log.rules[0]
    PlantedRule(antecedent=('teapot',), consequent=('teacup',), confidence=0.802)
    """
    check_integer("n_baskets", n_baskets, least=1)
    rng = np.random.default_rng(random_state)
    names = [f"{colour} {kind}" for kind in KINDS for colour in COLOURS]
    chance = (MOST_POPULAR / np.sqrt(np.arange(1, len(names) + 1))).tolist()
    for _, antecedent, consequent, _ in HABITS:
        names += antecedent + consequent
        chance += [BY_ITSELF] * len(antecedent + consequent)
    column = {name: j for j, name in enumerate(names)}
    held = rng.random((int(n_baskets), len(names))) < chance
    rules = []
    for share, antecedent, consequent, habit in HABITS:
        x, y = [column[name] for name in antecedent], [column[name] for name in consequent]
        out = rng.random(len(held)) < share
        held[:, x] |= out[:, None]
        held[:, y] |= (held[:, x].all(axis=1) & (rng.random(len(held)) < habit))[:, None]
        rules.append(PlantedRule(antecedent, consequent, habit + (1 - habit) * BY_ITSELF ** len(y)))
    basket, item = np.nonzero(held)
    return BasketLog(basket, np.array(names)[item], tuple(rules))


def _apportion(n_customers: int) -> NDArray[np.intp]:
    """Split `n_customers` in the proportion of the segments, whole customers by the largest remainder."""
    share, remainder = np.divmod(n_customers * SEGMENT_SIZES, SEGMENT_SIZES.sum())
    largest = np.argsort(-remainder, kind="stable")[: n_customers - share.sum()]
    share[largest] += 1
    return share
