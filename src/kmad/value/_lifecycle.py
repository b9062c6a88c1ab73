"""What each customer was, is and will be worth, and for how long."""

import warnings
from typing import Any, Literal, NamedTuple, Self, TypeAlias

import numpy as np
from sklearn.base import clone

from kmad._validation import check_choice, check_integer, check_real
from kmad.value._continuous import ContinuousModel
from kmad.value._distinct import distinct_rows
from kmad.value._gamma_gamma import GammaGamma
from kmad.value._pareto_nbd import ParetoNBD
from kmad.value._tables import Table
from kmad.value._units import Duration, Floats, Unit, force_of_interest, in_units

LengthName: TypeAlias = Literal["capped", "discounted", "median"]
LENGTHS = ("capped", "discounted", "median")
# Nodes of the integrals over the present period, and over the time from there to the horizon.
PRESENT_NODES = 8
LATER_NODES = 16
# A length of life counts for less than this once it is discounted by the factor exp(-FADED).
FADED = 40.0
# A median lies within this many times the longest time that a customer is known, or it is infinite.
LONGEST = 1e9
TINY = float(np.finfo(np.float64).tiny)
# Rows whose values are drawn at a time.
BLOCK_ROWS = 1 << 13
# Columns that have bounds.
UNCERTAIN = ("anticipated_length", "probability_alive", "current_value", "potential_value", "lifecycle_value")

Nodes: TypeAlias = tuple[Floats, Floats]


def lifecycle_value(
    summary: object,
    *,
    unit: Unit,
    horizon: Duration,
    discount_rate: float,
    present: Duration = "month",
    model: ContinuousModel | None = None,
    spend_model: GammaGamma | None = None,
    length: LengthName = "capped",
    n_draws: int = 0,
    level: float = 0.9,
    random_state: int | np.random.Generator | None = None,
) -> Any:
    """Divide each customer's life into what is known and what is to come, and its value into past, present and future.

    Parameters
    ----------
    summary : table or mapping of arrays
        One row a customer, as `customer_summary` returns it: the columns `customer`, `frequency`, `recency`, `T`,
        `monetary_value` and `total`.
    unit : {"day", "week", "month", "year"} or timedelta
        Unit of `recency` and `T` in the summary, and of every time that is given as a number or returned.
    horizon : float, {"day", "week", "month", "year"} or timedelta
        How far ahead to look: a number of units, one of another unit, or a timedelta. `numpy.inf` looks ahead for ever;
        then `discount_rate` must be above 0, and `length` must not be "capped".
    discount_rate : float
        Effective rate a year, 0 or more, such as 0.1 for 10 %, whatever the unit. What is due in t years counts
        ``(1 + discount_rate) ** -t``.
    present : float, {"day", "week", "month", "year"} or timedelta, default="month"
        The part of the horizon that counts as the present: what is expected in it is the current value, what is
        expected after it the potential value. Shorter than the horizon.
    model : ParetoNBD, BGNBD or MBGNBD, optional
        Model of the purchases; one that is not fitted is fitted to the summary, and left as it is. By default
        `ParetoNBD`. A `BGNBD` calls everybody alive who bought once.
    spend_model : GammaGamma, optional
        Model of the amounts, likewise.
    length : {"capped", "discounted", "median"}, default="capped"
        What the anticipated length is:

        - "capped": the expected time within the horizon in which the customer is still alive;
        - "discounted": the same, each moment discounted to now;
        - "median": if the customer is alive, the time by which he is not with probability 1/2; it may be infinite.

        The mean is not offered: it is infinite for many fits that describe their data well.
    n_draws : int, default=0
        Number of pairs of models that are drawn around the fit to tell how far the results are uncertain. 0 for none.
    level : float, default=0.9
        Probability between the lower and the upper bound, if there are draws.
    random_state : int, numpy.random.Generator or None, default=None
        Seed or generator of the draws; None draws others at every call.

    Returns
    -------
    table or dict of arrays
        Of the kind of `summary`, with its rows in their order. The columns are

        - `customer`;
        - `known_length`: time from the first purchase to now, in units;
        - `anticipated_length`: time to come, in units;
        - `probability_alive`: now;
        - `discounted_purchases`: number of purchases expected within the horizon, discounted to now;
        - `expected_spend`: expected mean of those purchases;
        - `historical_value`: what the customer brought so far, the column `total`;
        - `current_value`: what he is expected to bring in the present period, discounted to now;
        - `potential_value`: what he is expected to bring from then to the horizon, discounted to now;
        - `lifecycle_value`: the sum of these three.

        With draws, the bounds of a column are ``<column>_low`` and ``<column>_high``. They hold what the *expectation*
        may be, given how well the parameters are known. What a customer will in fact do varies far more.

    Raises
    ------
    TypeError
        If `summary` is no table, or an argument is of the wrong type.
    ValueError
        If a column is missing or holds what it should not, or an argument is out of its range; or if a spend model is
        to be fitted, and no repeat purchase brought anything.

    Warns
    -----
    UserWarning
        If a model of purchases is fitted here and finds that nobody ever leaves: everybody then counts as alive. A
        longer log may tell more.

    See Also
    --------
    customer_summary : From a log to the summary.
    historical_value : Past value compounded to now; use it in place of the column `total`.
    moving_window_value : The same without a model.
    early_warning : Who is leaving.

    Notes
    -----
    Purchases are discounted when they happen: the current and the potential value are the expected purchases integrated
    under the discount factor by Gaussian quadrature with 24 nodes, times the expected spend. For an infinite horizon
    the model's own `discounted_expected_purchases` is used.

    Amounts are assumed not to depend on how often a customer buys: look at the correlation of `frequency` and
    `monetary_value` among those with a `frequency` above 0. Repeat purchases that brought nothing on average are
    left out where the spend model is fitted. Where that fit has a `q` of 1 or less, the amounts are spread so widely
    that the expected spend of one-time buyers is infinite, and with it their value.

    References
    ----------
    P. S. Fader, B. G. S. Hardie and K. L. Lee, "RFM and CLV: using iso-value curves for customer base analysis",
    Journal of Marketing Research 42 (2005), 415-430: expected purchases, discounted, times expected spend.

    H. Hwang, T. Jung and E. Suh, "An LTV model and customer segmentation based on customer value: a case study on the
    wireless telecommunication industry", Expert Systems with Applications 26 (2004), 181-188: historical, current and
    potential value.

    Examples
    --------
    >>> from kmad import ParetoNBD, GammaGamma, lifecycle_value
    >>> summary = {
    ...     "customer": ["ann", "bob"],
    ...     "frequency": [4, 0],
    ...     "recency": [30.0, 0.0],
    ...     "T": [32.0, 32.0],
    ...     "monetary_value": [20.0, 0.0],
    ...     "total": [95.0, 25.0],
    ... }
    >>> value = lifecycle_value(
    ...     summary, unit="week", horizon="year", discount_rate=0.1,
    ...     model=ParetoNBD.from_params(r=0.55, alpha=10.6, s=0.61, beta=11.7),
    ...     spend_model=GammaGamma.from_params(p=6.2, q=3.7, gamma=15.4),
    ... )
    >>> value["historical_value"], value["potential_value"].round()
    (array([95., 25.]), array([76.,  5.]))
    """
    plan = Plan.of(unit=unit, horizon=horizon, present=present, discount_rate=discount_rate, length=length)
    check_integer("n_draws", n_draws, least=0)
    check_real("level", level, above=0, below=1)
    check_models(model, spend_model)
    table = Table("summary", summary, ["customer", "frequency", "recency", "T", "monetary_value", "total"])
    customers = table.matrix("frequency", "recency", "T")
    spends, total = table.matrix("frequency", "monetary_value"), table.numbers("total")
    model, spend_model = fit_purchases(model, customers), fit_spend(spend_model, spends)

    columns = {"known_length": customers[:, 2], **plan.columns(model, spend_model, customers, spends, total)}
    if n_draws:
        rng = np.random.default_rng(random_state)
        pairs = list(zip(model.draw(n_draws, rng), spend_model.draw(n_draws, rng), strict=True))
        columns |= _bounds(plan, pairs, customers, spends, total, level)
    return table.beside("customer", None, columns)


def check_purchase_model(model: object) -> None:
    """Raise unless this is a model of purchases in continuous time."""
    if not isinstance(model, ContinuousModel):
        raise TypeError(f"model must be a ParetoNBD, BGNBD or MBGNBD; got {model!r}.")


def check_models(model: object, spend_model: object) -> None:
    """Raise unless these are models of purchases in continuous time and of spend, or None."""
    if model is not None:
        check_purchase_model(model)
    if not isinstance(spend_model, GammaGamma | None):
        raise TypeError(f"spend_model must be a GammaGamma or None; got {spend_model!r}.")


def fit_purchases(model: ContinuousModel | None, customers: Floats) -> ContinuousModel:
    """The model that the caller gives, fitted where it is not."""
    model = ParetoNBD() if model is None else model
    if hasattr(model, "params_"):
        return model
    fitted: ContinuousModel = clone(model).fit(customers)
    if "no dropout" in (fitted.boundary_ or ""):
        warnings.warn(f"{type(model).__name__} finds that nobody leaves: all count as alive.", stacklevel=3)
    return fitted


def fit_spend(model: GammaGamma | None, spends: Floats) -> GammaGamma:
    """The model that the caller gives, fitted where it is not to all amounts above 0: none allows for others."""
    model = GammaGamma() if model is None else model
    if hasattr(model, "params_"):
        return model
    paid = (spends > 0).all(axis=1)
    if len(spends) and not paid.any():
        found = "no repeat purchase brought anything" if (spends[:, 0] > 0).any() else "no customer bought again"
        raise ValueError(
            f"summary must have repeat purchases above 0 to fit a spend model to; {found}, so that there is no repeat "
            "spend. Give a fitted spend_model, such as GammaGamma.from_params makes."
        )
    fitted: GammaGamma = clone(model).fit(spends[paid])
    return fitted


def expected_spend(model: GammaGamma, spends: Floats) -> Floats:
    """Expected amount; of customers whose purchases so far were for nothing, the limit of small amounts."""
    frequency, amount = spends.T
    return np.asarray(model.expected_spend({"frequency": frequency, "monetary_value": np.maximum(amount, TINY)}))


class Plan(NamedTuple):
    """How far to look ahead, in units, and how to discount."""

    horizon: float
    present: float
    force: float  # continuous discount rate per unit
    length: LengthName

    @classmethod
    def of(cls, *, unit: Unit, horizon: Duration, present: Duration, discount_rate: float, length: LengthName) -> Self:
        """Read what the caller says."""
        far, near = in_units("horizon", horizon, unit), in_units("present", present, unit)
        if not near < far:
            raise ValueError(f"present must be shorter than the horizon; got {present!r} and {horizon!r}.")
        force = force_of_interest("discount_rate", discount_rate, unit)
        check_choice("length", length, LENGTHS)
        if far == np.inf and not force:
            raise ValueError("discount_rate must be above 0 where the horizon is infinite; got 0.")
        if far == np.inf and length == "capped":
            raise ValueError("length must be 'discounted' or 'median' where the horizon is infinite; got 'capped'.")
        return cls(far, near, force, length)

    def columns(
        self, model: ContinuousModel, spend_model: GammaGamma, customers: Floats, spends: Floats, total: Floats
    ) -> dict[str, Floats]:
        """The columns that depend on the models."""
        alive = np.asarray(model.probability_alive(customers))
        # What is to come of a customer who is alive depends on frequency and T, which many share, and not on recency.
        distinct = distinct_rows(customers[:, 0], customers[:, 2])
        (x, T), group = distinct.columns, distinct.group
        prospects = np.column_stack([x, np.zeros(len(x)), T])
        length = self.anticipated_length(model, prospects)[group]
        soon, later = (alive * purchases[group] for purchases in self.purchases(model, prospects))
        spend = expected_spend(spend_model, spends)
        current, potential = soon * spend, later * spend
        return {
            "anticipated_length": length if self.length == "median" else alive * length,
            "probability_alive": alive,
            "discounted_purchases": soon + later,
            "expected_spend": spend,
            "historical_value": total,
            "current_value": current,
            "potential_value": potential,
            "lifecycle_value": total + current + potential,
        }

    def purchases(self, model: ContinuousModel, prospects: Floats) -> tuple[Floats, Floats]:
        """Discounted number of purchases to expect of those alive: in the present period, and then to the horizon."""

        def expected(horizon: float) -> Floats:
            return np.asarray(model.expected_purchases(horizon, prospects, if_alive=True))

        def discounted(start: float, stop: float, nodes: Nodes) -> Floats:
            # By parts: the integral of exp(-force t) over the increments of the expected purchases.
            total = np.exp(-self.force * stop) * expected(stop) - np.exp(-self.force * start) * expected(start)
            for t, w in zip(*nodes, strict=True) if self.force else ():
                total += self.force * w * np.exp(-self.force * t) * expected(t)
            return np.asarray(total)

        soon = discounted(0.0, self.present, nodes_from_zero(self.present))
        if self.horizon == np.inf:
            ever = np.asarray(model.discounted_expected_purchases(prospects, discount_rate=self.force, if_alive=True))
            later = np.maximum(ever - soon, 0.0)
        else:
            later = discounted(self.present, self.horizon, nodes_between(self.present, self.horizon))
        return soon, later

    def anticipated_length(self, model: ContinuousModel, prospects: Floats) -> Floats:
        """Time to come of those alive, as the caller wants it measured."""
        if self.length == "median":
            return _median_length(model, prospects)
        force = self.force if self.length == "discounted" else 0.0
        horizon = min(self.horizon, FADED / force) if force else self.horizon
        early = min(self.present, horizon)
        total = np.zeros(len(prospects))
        for times, weights in (nodes_from_zero(early), nodes_between(early, horizon)):
            for t, w in zip(times, weights, strict=True):
                total += w * np.exp(-force * t) * np.asarray(model.survival(t, prospects))
        return total


def nodes_from_zero(stop: float) -> Nodes:
    """Nodes and weights of an integral from 0, dense where a customer's prospects change fast."""
    u, w = np.polynomial.legendre.leggauss(PRESENT_NODES)
    u = (u + 1) / 2
    return stop * u**2, stop * u * w


def nodes_between(start: float, stop: float) -> Nodes:
    """Nodes and weights of an integral over times that span orders of magnitude."""
    u, w = np.polynomial.legendre.leggauss(LATER_NODES)
    ratio = np.log(stop / start)
    times = start * np.exp(ratio * (u + 1) / 2)
    return times, times * ratio * w / 2


def _median_length(model: ContinuousModel, prospects: Floats) -> Floats:
    """When those who are alive are so no more with probability 1/2, by bisection of the logarithm."""
    longest = float(prospects[:, 2].max()) or 1.0
    low = np.full(len(prospects), np.log(longest / LONGEST))
    high = np.full(len(prospects), np.log(longest * LONGEST))
    stays = np.asarray(model.survival(np.exp(high), prospects)) > 0.5
    # Each step halves the interval: after so many it is a few parts in 10^14 of the time.
    for _ in range(52):
        middle = (low + high) / 2
        lives = np.asarray(model.survival(np.exp(middle), prospects)) > 0.5
        low, high = np.where(lives, middle, low), np.where(lives, high, middle)
    return np.where(stays, np.inf, np.exp((low + high) / 2))


def _bounds(
    plan: Plan,
    pairs: list[tuple[ContinuousModel, GammaGamma]],
    customers: Floats,
    spends: Floats,
    total: Floats,
    level: float,
) -> dict[str, Floats]:
    """The quantiles of the columns over pairs of models."""
    bounds: dict[str, Floats] = {f"{name}_{end}": np.empty(len(total)) for name in UNCERTAIN for end in ("low", "high")}
    for start in range(0, len(total), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        drawn = [plan.columns(*pair, customers[rows], spends[rows], total[rows]) for pair in pairs]
        for name in UNCERTAIN:
            low, high = np.quantile([columns[name] for columns in drawn], [(1 - level) / 2, (1 + level) / 2], axis=0)
            bounds[f"{name}_low"][rows], bounds[f"{name}_high"][rows] = low, high
    return bounds
