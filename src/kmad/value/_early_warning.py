"""Who is leaving: gaps that are too long to be chance, expectations that fell, and the value that is at risk."""

from typing import Any

import numpy as np

from kmad._validation import check_real
from kmad.value._continuous import ContinuousModel
from kmad.value._gamma_gamma import GammaGamma
from kmad.value._lifecycle import check_models, expected_spend, fit_purchases, fit_spend
from kmad.value._tables import Table
from kmad.value._units import Duration, Unit, in_units


def early_warning(
    summary: object,
    earlier: object = None,
    *,
    unit: Unit,
    horizon: Duration,
    model: ContinuousModel | None = None,
    spend_model: GammaGamma | None = None,
    level: float = 0.05,
) -> Any:
    """Tell who is leaving: how likely so long a gap is by chance, how far expectations fell, and what is at risk.

    Parameters
    ----------
    summary : table or mapping of arrays
        One row a customer, as `customer_summary` returns it: the columns `customer`, `frequency`, `recency`, `T` and,
        if there is money, `monetary_value`.
    earlier : table or mapping of arrays, optional
        The same log summarised with an earlier `end`. Customers are matched by the column `customer`; the order of the
        rows does not matter.
    unit : {"day", "week", "month", "year"} or timedelta
        Unit of `recency` and `T` in both summaries.
    horizon : float, {"day", "week", "month", "year"} or timedelta
        How far ahead purchases are expected: a number of units, one of another unit, or a timedelta; finite.
    model : ParetoNBD, BGNBD or MBGNBD, optional
        Model of the purchases; one that is not fitted is fitted to `summary`, and left as it is. By default
        `ParetoNBD`. The same model, at the same parameters, judges both summaries.
    spend_model : GammaGamma, optional
        Model of the amounts, likewise; not used without a column `monetary_value`.
    level : float, default=0.05
        A customer is flagged when `gap_probability` is below this. Of the gaps between the purchases of customers who
        stay, this share grows so long.

    Returns
    -------
    table or dict of arrays
        Of the kind of `summary`, with its rows in their order. The columns are

        - `customer`;
        - `gap`: time since the last purchase, in units;
        - `gap_probability`: probability that a customer with this history who is alive buys nothing for so long;
        - `flagged`: whether that is below `level`;
        - `probability_alive`: now;
        - `expected_purchases`: number expected within the horizon from now;
        - `expected_before`, `change`: the same expected at the end of `earlier`, and how much it has changed; NaN for
          customers who are not in `earlier` (only with `earlier`);
        - `value_at_risk`: expected value within the horizon times the probability that the customer has already left
          (only with `monetary_value`). It is small for those who are surely alive and for those who are surely gone,
          and largest where an effort may still decide.

    Raises
    ------
    TypeError
        If a summary is no table, or an argument is of the wrong type, or the customers of both cannot be compared.
    ValueError
        If a column is missing or holds what it should not, an argument is out of its range, or `earlier` has a customer
        more than once; or if a spend model is to be fitted, and no repeat purchase brought anything.

    Warns
    -----
    UserWarning
        If a model of purchases is fitted here and finds that nobody ever leaves.

    See Also
    --------
    customer_summary : From a log to a summary; its `end` sets the date.
    lifecycle_value : What the customers are worth.

    Notes
    -----
    While a customer is alive he buys at random at a rate of his own. Given x repeat purchases up to the last one at the
    time t, that rate has a gamma distribution of shape r + x and scale 1 / (alpha + t), where r and alpha are the
    model's. So the probability of a gap g is ``((alpha + t) / (alpha + t + g)) ** (r + x)``: the regular customer's
    short silence weighs as much as the rare customer's long one.

    References
    ----------
    A. S. C. Ehrenberg, "The pattern of consumer purchases", Applied Statistics 8 (1959), 26-41: purchases at random at
    rates that have a gamma distribution.

    D. C. Schmittlein, D. G. Morrison and R. Colombo, "Counting your customers: who are they and what will they do
    next?", Management Science 33 (1987), 1-24.

    Examples
    --------
    >>> from kmad import ParetoNBD, early_warning
    >>> summary = {"customer": ["ann", "bob"], "frequency": [20, 2], "recency": [30.0, 30.0], "T": [39.0, 39.0]}
    >>> model = ParetoNBD.from_params(r=0.55, alpha=10.6, s=0.61, beta=11.7)
    >>> warning = early_warning(summary, unit="week", horizon="year", model=model)
    >>> warning["gap_probability"].round(3), warning["flagged"]
    (array([0.016, 0.6  ]), array([ True, False]))
    """
    span = in_units("horizon", horizon, unit)
    check_real("horizon", span, above=0, below=np.inf)
    check_real("level", level, above=0, below=1)
    check_models(model, spend_model)
    columns = ["customer", "frequency", "recency", "T"]
    now = Table("summary", summary, columns, optional=["monetary_value"])
    before = None if earlier is None else Table("earlier", earlier, columns)
    customers = now.matrix(*columns[1:])
    model = fit_purchases(model, customers)

    x, recency, T = customers.T
    gap = T - recency
    r, alpha = model.params_["r"], model.params_["alpha"]
    by_chance = np.exp(-(r + x) * np.log1p(gap / (alpha + recency)))
    alive = np.asarray(model.probability_alive(customers))
    expected = np.asarray(model.expected_purchases(span, customers))
    warning: dict[str, Any] = {
        "gap": gap,
        "gap_probability": by_chance,
        "flagged": by_chance < level,
        "probability_alive": alive,
        "expected_purchases": expected,
    }
    if before is not None:
        past = np.asarray(model.expected_purchases(span, before.matrix(*columns[1:])))
        warning["expected_before"] = now.look_up("customer", before, past)
        warning["change"] = expected - warning["expected_before"]
    if "monetary_value" in now:
        spends = now.matrix("frequency", "monetary_value")
        spend = expected_spend(fit_spend(spend_model, spends), spends)
        warning["value_at_risk"] = expected * spend * (1 - alive)
    return now.beside("customer", None, warning)
