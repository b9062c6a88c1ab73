"""The shifted beta-geometric model of contracts."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kmad._threads import Threads
from kmad.value._columns import read_contracts
from kmad.value._distinct import weighted_rows
from kmad.value._factorials import RisingFactorials
from kmad.value._likelihood import Curve, Limit
from kmad.value._model import Problem
from kmad.value._periods import discounted_periods, expected_periods, period_survival
from kmad.value._purchases import PurchaseModel, one_or_many

Floats = NDArray[np.float64]


class ShiftedBetaGeometric(PurchaseModel):
    """The shifted beta-geometric model of contracts: customers decline to renew, each with a probability of his own.

    Each period a customer declines to renew, and is gone for good, with a probability of his own, which is beta
    distributed with shapes `alpha` and `beta`. Retention rises with age, as those who churn easily leave first. All
    times of this class are whole numbers of renewals, and what other models call a purchase is a renewal.

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
        The parameters by name.

    standard_errors_ : dict of str to float
        Standard error of each parameter, from the curvature of the likelihood; NaN where `boundary_` says that the
        parameter runs off.

    covariance_ : ndarray of shape (2, 2)
        Covariance of the logarithms of the parameters, in their order; directions that the data do not determine are
        left out.

    log_likelihood_ : float
        Log-likelihood of the data on the caller's scale.

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

    References
    ----------
    P. S. Fader and B. G. S. Hardie, "How to project customer retention", Journal of Interactive Marketing 21 (2007),
    76-90.

    P. S. Fader and B. G. S. Hardie, "Customer-base valuation in a contractual setting: the perils of ignoring
    heterogeneity", Marketing Science 29 (2010), 85-93.

    Examples
    --------
    Of 1,000 customers 869 renewed once, 743 twice; how many will be left after the eighth renewal?

    >>> from kmad import ShiftedBetaGeometric
    >>> model = ShiftedBetaGeometric().fit_survivors([1000, 869, 743, 653, 593, 551, 517, 491])
    >>> round(1000 * model.survival(8))
    460
    >>> round(model.retention_rate(1), 3), round(model.retention_rate(8), 3)
    (0.851, 0.942)
    """

    parameters: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    in_periods: ClassVar[bool] = True
    limits: ClassVar[tuple[Limit, ...]] = (
        Limit((-1, 0), "no churn: alpha / beta falls to 0", (0, 1)),
        Limit((0, 1), "no churn: alpha / beta falls to 0", (0, 1)),
        Limit((1, 0), "certain churn: alpha / beta grows without end", (0, 1)),
        Limit((0, -1), "certain churn: alpha / beta grows without end", (0, 1)),
        Limit((1, 1), "homogeneous churn: alpha and beta grow without end, and all churn alike", (0, 1)),
        Limit((-1, -1), "all or nothing: alpha and beta fall to 0; a customer churns at once or never", (0, 1)),
    )

    def fit(self, summary: object, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the parameters under which the renewals are most likely.

        Parameters
        ----------
        summary : table or array-like of shape (n_customers, 2)
            One row a customer: the columns ``T`` (how often he was asked to renew) and ``churned`` (1 where he
            declined the last time, 0 where he is still a customer) of a pandas, polars or pyarrow table, or an array of
            these two.

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

    def fit_survivors(self, survivors: ArrayLike | Sequence[ArrayLike]) -> Self:
        """Find the parameters under which numbers of customers left are most likely.

        Parameters
        ----------
        survivors : array-like of shape (n_renewals + 1,), or a list of those
            For a cohort of customers who came together: how many there were, and how many were left after each
            renewal. Several cohorts may be of different length.

        Returns
        -------
        self : ShiftedBetaGeometric
            The fitted model.
        """
        several = isinstance(survivors, list | tuple) and len(survivors) > 0 and np.ndim(survivors[0]) > 0
        cohorts: Sequence[ArrayLike] = survivors if several else [survivors]  # type: ignore[assignment,list-item]
        rows, weights = [], []
        for cohort in cohorts:
            active = _check_cohort(cohort)
            last = len(active) - 1
            rows += [(float(renewal), 1.0) for renewal in range(1, last + 1)] + [(float(last), 0.0)]
            weights += [*(active[:-1] - active[1:]), active[-1]]
        return self.fit(np.array(rows), sample_weight=np.array(weights))

    def retention_rate(self, renewal: ArrayLike) -> float | Floats:
        """Share of the customers asked at a renewal who say yes.

        Parameters
        ----------
        renewal : int or array-like of int
            Which renewal since the customers came, 1 for the first.

        Returns
        -------
        rate : float or ndarray
            It rises with the renewal.
        """
        alpha, beta = self._values()
        ordinal = self._durations("renewal", renewal, 1, None)
        if (ordinal < 1).any():
            raise ValueError("renewal must be 1 or more; got 0.")
        return one_or_many((beta + ordinal - 1) / (alpha + beta + ordinal - 1), renewal, None)

    def discounted_residual_lifetime(self, customers: object = None, *, discount_rate: float) -> float | Floats:
        """Number of renewals to expect from now on for ever, the first of them due at once and not discounted.

        Also known as DERL, discounted expected residual lifetime. `discounted_expected_purchases` is the same for
        customers whose next renewal is a period away.

        Parameters
        ----------
        customers : table or array-like of shape (n_customers, 2), optional
            As in `fit`. None asks about a new customer.

        discount_rate : float
            Interest for a period, above 0.

        Returns
        -------
        expected : float or ndarray of shape (n_customers,)
            A float for a new customer.
        """
        return (1 + discount_rate) * self.discounted_expected_purchases(customers, discount_rate=discount_rate)

    @staticmethod
    def _read(name: str, table: object) -> tuple[Floats, Floats, Floats]:
        T, churned = read_contracts(name, table)
        return churned, T, T

    def _problem(self, summary: object, weights: Callable[[int], Floats], threads: Threads) -> Problem:
        T, churned = read_contracts("summary", summary)
        weight = weights(len(T))
        if not len(weight):
            weight = np.ones(len(T))
        renewed = RisingFactorials(T - churned, weight)
        offered = RisingFactorials(T, weight)
        n_churned = float(weight @ churned)
        (ages,), n_each = weighted_rows((T,), weight)
        self._ages = ages, n_each

        def evaluate(point: Floats) -> Curve:
            alpha, beta = (float(value) for value in np.exp(point))
            of_beta, of_both = renewed(beta), offered(alpha + beta)
            share = np.array([alpha, beta]) / (alpha + beta)
            value = n_churned * point[0] + of_beta.value - of_both.value
            gradient = np.array([n_churned, of_beta.first]) - of_both.first * share
            bend = share.prod() * np.array([[1, -1], [-1, 1]])
            hessian = np.diag([0.0, of_beta.second]) - of_both.second * np.outer(share, share) - of_both.first * bend
            return Curve(float(value), gradient, hessian)

        return Problem(evaluate, None, [np.zeros(2)], 1.0, 0.0, float(weight.sum()))

    def _alive(self, x: Floats, recency: Floats, T: Floats) -> Floats:
        return 1 - x

    def _expected(self, x: Floats, T: Floats, horizon: Floats) -> Floats:
        alpha, beta = self._values()
        return expected_periods(alpha, beta, T, horizon)

    def _surviving(self, x: Floats, T: Floats, horizon: Floats) -> Floats:
        alpha, beta = self._values()
        return period_survival(alpha, beta, T, horizon)

    def _counting(self, n: int, x: Floats, T: Floats, horizon: Floats) -> Floats:
        alpha, beta = self._values()
        reached = period_survival(alpha, beta, T, np.full(len(T), float(n)))
        # Of those who were renewed n times, who is not renewed once more; within a horizon of n nobody is asked again.
        declined = np.where(horizon == n, 1.0, alpha / (alpha + beta + T + n))
        return np.where(horizon >= n, reached * declined, 0.0)

    def _discounted(self, x: Floats, T: Floats, discount_rate: float) -> Floats:
        alpha, beta = self._values()
        return discounted_periods(alpha, beta, T, discount_rate)


def _check_cohort(survivors: ArrayLike) -> Floats:
    """The numbers of customers left, as a checked array."""
    try:
        active = np.asarray(survivors, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"survivors must be numbers; got {survivors!r}.") from error
    if active.ndim != 1 or len(active) < 2:
        raise ValueError(f"survivors must hold two numbers or more for each cohort; got {survivors!r}.")
    if not (np.isfinite(active).all() and active[-1] >= 0 and (np.diff(active) <= 0).all()):
        raise ValueError(f"survivors must be numbers from 0 up that never rise; got {survivors!r}.")
    return active
