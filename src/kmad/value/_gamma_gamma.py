"""The Gamma-Gamma model of spend."""

from collections.abc import Callable
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kmad._jit import frozen
from kmad._threads import Threads
from kmad.value._ahead import expected_spend
from kmad.value._columns import MOST_PURCHASES, check_spend, read_spend
from kmad.value._factorials import gamma_step, log_beta
from kmad.value._gamma_gamma_sums import sum_rows
from kmad.value._likelihood import Curve, Evaluate, Limit
from kmad.value._model import Model, Problem, add_up, part_of

Floats = NDArray[np.float64]


class GammaGamma(Model):
    """The Gamma-Gamma model of spend: each customer's purchases vary around a mean of his own.

    What a customer spends is gamma distributed with shape `p` and a rate of his own; the rates are gamma distributed
    with shape `q` and rate `gamma`. The mean of few purchases is drawn towards that of all customers. How much one
    spends is taken to be independent of how often: check the correlation of both among repeat buyers.

    Parameters
    ----------
    max_iter : int, default=100
        Most iterations of Newton's method.

    tol : float, default=1e-10
        The fit ends when the next iteration would raise the log-likelihood by this or less.

    n_jobs : int or None, default=-1
        Number of threads, as in joblib: -1 for all processors. The result does not depend on it.

    Attributes
    ----------
    params_ : dict of str to float
        The parameters by name, `gamma` in the unit of money of the data.

    standard_errors_ : dict of str to float
        Standard error of each parameter, from the curvature of the likelihood; NaN where `boundary_` says that the
        parameter runs off.

    covariance_ : ndarray of shape (3, 3)
        Covariance of the logarithms of the parameters, in their order; directions that the data do not determine are
        left out.

    log_likelihood_ : float
        Log-likelihood of the data on the caller's scale: a density of mean amounts in its unit.

    aic_, bic_ : float
        Information criteria of Akaike and of Schwarz.

    converged_ : bool
        Whether the maximum was found.

    boundary_ : str or None
        When the likelihood is as high at a limit of the parameters: which one, and what is left of the model there.
        The predictions then are those of the limit.

    n_customers_ : float
        Number of customers, or their weight.

    n_iter_ : int
        Iterations of Newton's method.

    Raises
    ------
    ValueError
        When a parameter is out of its range, or a column is missing or breaks a rule; the message names the first row.
    TypeError
        When a parameter or a column is of another type.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        When `max_iter` is reached. A fit at a boundary does not warn.

    Notes
    -----
    Customers without repeat purchases say nothing, and are left out of a fit. The mean spend of a new customer is
    infinite when ``q <= 1``.

    References
    ----------
    P. S. Fader and B. G. S. Hardie, "The Gamma-Gamma model of monetary value" (2013),
    http://www.brucehardie.com/notes/025/.

    Examples
    --------
    The parameters published for the CDNOW customers; the columns are frequency and monetary_value:

    >>> from kmad import GammaGamma
    >>> model = GammaGamma.from_params(p=6.25, q=3.74, gamma=15.44)
    >>> round(model.expected_spend(), 2)
    35.22
    >>> model.expected_spend([[1, 100.0], [10, 100.0]]).round(2)
    array([80.26, 97.28])
    """

    parameters: ClassVar[tuple[str, ...]] = ("p", "q", "gamma")
    in_unit: ClassVar[tuple[str, ...]] = ("gamma",)
    limits: ClassVar[tuple[Limit, ...]] = (
        Limit(
            (0, 1, 1), "homogeneous customers: q and gamma grow without end, all spend p gamma / q on average", (1, 2)
        ),
        Limit((1, 0, -1), "constant spend: p grows and gamma falls without end; purchases do not vary", (0, 2)),
    )

    def fit(self, summary: object, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the parameters under which the amounts are most likely.

        Parameters
        ----------
        summary : table or array-like of shape (n_customers, 2)
            One row a customer: the columns ``frequency`` (number of repeat purchases) and ``monetary_value`` (the mean
            amount of a repeat purchase, above 0) of a pandas, polars or pyarrow table, or an array of these two. Where
            the frequency is 0 the amount does not matter, and may be missing.

        y : None
            Ignored.

        sample_weight : array-like of shape (n_customers,), optional
            A row of weight w counts as w customers.

        Returns
        -------
        self : same class
            The fitted model.
        """
        return self._fit(summary, sample_weight)

    def expected_spend(self, customers: object = None) -> float | Floats:
        """Mean amount of a future purchase.

        Parameters
        ----------
        customers : table or array-like of shape (n_customers, 2), optional
            As in `fit`. None asks about a new customer.

        Returns
        -------
        amount : float or ndarray of shape (n_customers,)
            In the unit of money of the fit, a float for a new customer. It is infinite for new customers when
            ``q <= 1``.
        """
        p, q, gamma = self._values()
        x, amount = (np.zeros(1), np.zeros(1)) if customers is None else read_spend("customers", customers)
        expected = np.empty(len(x))
        right = expected_spend(frozen(x), frozen(amount), p, q, gamma, float(MOST_PURCHASES), expected)
        if not (len(x) and right):
            check_spend("customers", x, amount)
        return float(expected[0]) if customers is None else expected

    def _problem(self, summary: object, weights: Callable[[int], Floats], threads: Threads) -> Problem:
        x, amount = read_spend("summary", summary)
        check_spend("summary", x, amount)
        weight = weights(len(x))
        if not len(weight):
            weight = np.ones(len(x))
        known = (x > 0) & (weight > 0)
        if not known.any():
            raise ValueError("summary must have a row with a frequency above 0; got none with a weight.")
        x, amount, weight = x[known], amount[known], weight[known]
        n_customers = float(weight.sum())
        unit = float(weight @ amount) / n_customers
        log_amount = np.log(amount / unit)
        log_spent = log_amount + np.log(x)
        fixed = float(weight @ log_amount)
        part = part_of(len(x))
        return Problem(
            evaluate=_likelihood(x, log_spent, weight, threads),
            part=None if part is None else _likelihood(x[part], log_spent[part], weight[part], threads),
            starts=[np.log([3.0, 3.0, 0.6])],
            unit=unit,
            log_jacobian=-fixed - n_customers * float(np.log(unit)),
            n_customers=n_customers,
        )


def _likelihood(x: Floats, log_spent: Floats, weight: Floats, threads: Threads) -> Evaluate:
    """The log-likelihood but for the logarithms of the amounts."""
    from scipy.special import polygamma  # noqa: PLC0415 - half a second

    histogram = np.bincount(x.astype(np.int64), weight)
    counts = np.flatnonzero(histogram).astype(np.float64)
    customers = histogram[histogram > 0]
    columns = [frozen(np.ascontiguousarray(column)) for column in (x, log_spent, weight)]

    def evaluate(point: Floats) -> Curve:
        p, q, _ = (float(value) for value in np.exp(point))
        log_gamma = float(point[2])

        def of_rows(x: Floats, log_spent: Floats, weight: Floats, sums: Floats) -> None:
            sum_rows(x, log_spent, weight, log_gamma, sums)

        u, v, c_x, rest, both_x, both = add_up(of_rows, columns, 6, threads)
        shape = p * counts
        by_q, by_shape = gamma_step(shape, np.array(q)), gamma_step(np.array(q), shape)
        value = -customers @ log_beta(shape, np.array(q)) - p * u - q * v
        of_p = customers @ (shape * by_q.first) - p * u
        of_q = customers @ (q * by_shape.first) - q * v
        of_gamma = q * rest - p * c_x
        p_p = of_p + customers @ (shape**2 * by_q.second)
        q_q = of_q + customers @ (q**2 * by_shape.second)
        p_q = customers @ (shape * q * polygamma(1, shape + q))
        return Curve(
            float(value),
            np.array([of_p, of_q, of_gamma]),
            np.array([[p_p, p_q, -p * c_x], [p_q, q_q, q * rest], [-p * c_x, q * rest, -p * both_x - q * both]]),
        )

    return evaluate
