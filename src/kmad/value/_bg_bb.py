"""The BG/BB model."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kmad._jit import frozen
from kmad._threads import Threads
from kmad.value._bg_bb_sums import sum_rows
from kmad.value._columns import read_opportunities
from kmad.value._distinct import weighted_rows
from kmad.value._factorials import RisingFactorials, log_rising
from kmad.value._likelihood import Curve, Evaluate, Limit
from kmad.value._model import Problem, add_up, curve_of, part_of
from kmad.value._periods import discounted_periods, expected_periods, period_survival
from kmad.value._purchases import PurchaseModel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# The likelihood may have several maxima, so a fit starts from customers of several kinds: spread evenly, either very
# good or very bad, with dropout alike, and with hardly any.
STARTS = np.array([(0.0, 0.0, 0.0, 0.0), (-4.0, -4.0, -4.0, -4.0), (0.0, 0.0, 3.0, 3.0), (0.0, 0.0, -2.0, 2.0)])


class BGBB(PurchaseModel):
    """The BG/BB model: customers who are asked once a period buy with a probability of their own until they drop out.

    Time is counted in periods, in each of which a customer may buy once. One who is alive buys with a probability of
    his own, which is beta distributed with shapes `alpha` and `beta`; before each period he drops out with another,
    beta distributed with shapes `gamma` and `delta`. Donations and yearly conferences are of this kind. All times of
    this class are whole numbers of periods: T says how many have passed, recency in which of them he last bought, and
    frequency how often.

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

    covariance_ : ndarray of shape (4, 4)
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

    Notes
    -----
    The likelihood may have several maxima: the fit starts from four kinds of customers, and keeps the highest; of many
    customers, the starts are compared on some of them.

    References
    ----------
    P. S. Fader, B. G. S. Hardie and J. Shang, "Customer-base analysis in a discrete-time noncontractual setting",
    Marketing Science 29 (2010), 1086-1108.

    Examples
    --------
    The parameters published for the donors to a broadcaster; who gave in 4 of 6 years, the fifth the last of them, is
    probably alive, and who gave in the first 2 is probably not:

    >>> from kmad import BGBB
    >>> model = BGBB.from_params(alpha=1.204, beta=0.750, gamma=0.657, delta=2.783)
    >>> round(model.expected_purchases(10), 2)
    3.18
    >>> model.probability_alive([[4, 5, 6], [2, 2, 6]], later=1).round(2)
    array([0.7 , 0.07])
    """

    parameters: ClassVar[tuple[str, ...]] = ("alpha", "beta", "gamma", "delta")
    in_periods: ClassVar[bool] = True
    limits: ClassVar[tuple[Limit, ...]] = (
        Limit((-1, 0, 0, 0), "no purchases: alpha / beta falls to 0", (0, 1, 2, 3)),
        Limit((0, 1, 0, 0), "no purchases: alpha / beta falls to 0", (0, 1, 2, 3)),
        Limit((1, 0, 0, 0), "certain purchases: alpha / beta grows without end", (0, 1)),
        Limit((0, -1, 0, 0), "certain purchases: alpha / beta grows without end", (0, 1)),
        Limit((1, 1, 0, 0), "homogeneous purchases: alpha and beta grow without end, and all buy alike", (0, 1)),
        Limit((-1, -1, 0, 0), "all or nothing: alpha and beta fall to 0; a customer buys always or never", (0, 1)),
        Limit((0, 0, -1, 0), "no dropout: gamma / delta falls to 0", (2, 3)),
        Limit((0, 0, 0, 1), "no dropout: gamma / delta falls to 0", (2, 3)),
        Limit((0, 0, 1, 0), "certain dropout: gamma / delta grows without end", (2, 3)),
        Limit((0, 0, 0, -1), "certain dropout: gamma / delta grows without end", (2, 3)),
        Limit((0, 0, 1, 1), "homogeneous dropout: gamma and delta grow without end, and all drop out alike", (2, 3)),
        Limit((0, 0, -1, -1), "all or nothing: gamma and delta fall to 0; one drops out at once or never", (2, 3)),
    )

    _read = staticmethod(read_opportunities)

    def fit(self, summary: object, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the parameters under which the purchases are most likely.

        Parameters
        ----------
        summary : table or array-like of shape (n_customers, 3)
            One row a customer: the columns ``frequency`` (in how many periods he bought), ``recency`` (the number of
            the last of them) and ``T`` (how many periods have passed) of a pandas, polars or pyarrow table, or an
            array of these three. Whole numbers; a recency of 0 stands for no purchase.

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

    def _problem(self, summary: object, weights: Callable[[int], Floats], threads: Threads) -> Problem:
        columns = read_opportunities("summary", summary)
        weight = weights(len(columns[0]))
        part = part_of(len(columns[0]))
        some = None if part is None else weighted_rows([column[part] for column in columns], weight[part])
        rows, weight = weighted_rows(columns, weight)
        (ages,), n_each = weighted_rows(rows[2:], weight)
        self._ages = ages, n_each
        return Problem(
            evaluate=_likelihood(rows, weight, threads),
            part=None if some is None else _likelihood(*some, threads),
            starts=list(STARTS),
            unit=1.0,
            log_jacobian=0.0,
            n_customers=float(weight.sum()),
        )

    def _alive(self, x: Floats, recency: Floats, T: Floats) -> Floats:
        alpha, beta, gamma, delta = self._values()
        most = int(T.max()) + 1
        of_beta, of_both, of_delta, of_gone = (
            log_rising(value, most)[0] for value in (beta, alpha + beta, delta, gamma + delta)
        )
        count, last, now = (column.astype(np.int64) for column in (x, recency, T))

        def log_term(end: Ints, at: NDArray[np.intp], dead: int) -> Floats:
            term = of_beta[end - count[at]] - of_both[end] + of_delta[end] - of_gone[end + dead]
            return np.asarray(term + dead * np.log(gamma))

        everyone = np.arange(len(x))
        alive = log_term(now, everyone, 0)
        odds = np.zeros(len(x))
        with np.errstate(over="ignore"):
            for back in range(1, int((now - last).max()) + 1):
                at = np.flatnonzero(now - back >= last)
                odds[at] += np.exp(log_term(now[at] - back, at, 1) - alive[at])
        return 1 / (1 + odds)

    def _expected(self, x: Floats, T: Floats, horizon: Floats) -> Floats:
        alpha, beta, gamma, delta = self._values()
        return (alpha + x) / (alpha + beta + T) * expected_periods(gamma, delta, T, horizon)

    def _surviving(self, x: Floats, T: Floats, horizon: Floats) -> Floats:
        _, _, gamma, delta = self._values()
        return period_survival(gamma, delta, T, horizon)

    def _counting(self, n: int, x: Floats, T: Floats, horizon: Floats) -> Floats:
        from scipy.special import betaln, gammaln  # noqa: PLC0415 - half a second

        a, b, gamma, d = self._values()
        alpha, beta, delta = a + x, b + T - x, d + T
        probability = np.zeros(len(x))
        for end in range(n, int(horizon.max()) + 1):
            stays = np.exp(betaln(gamma, delta + end) - betaln(gamma, delta))
            goes = np.exp(betaln(gamma + 1, delta + end) - betaln(gamma, delta))
            ways = gammaln(end + 1) - gammaln(n + 1) - gammaln(end - n + 1)
            bought = np.exp(ways + betaln(alpha + n, beta + end - n) - betaln(alpha, beta))
            probability += bought * np.where(horizon == end, stays, np.where(horizon > end, goes, 0.0))
        return probability

    def _discounted(self, x: Floats, T: Floats, discount_rate: float) -> Floats:
        alpha, beta, gamma, delta = self._values()
        return (alpha + x) / (alpha + beta + T) * discounted_periods(gamma, delta, T, discount_rate)


def _likelihood(rows: Sequence[Floats], weight: Floats, threads: Threads) -> Evaluate:
    """The log-likelihood of the distinct rows."""
    x, recency, T = (column.astype(np.int64) for column in rows)
    middle = _middles(recency, T)
    order = np.lexsort((middle, x))
    purchases = RisingFactorials(rows[0], weight)
    columns: list[Any] = [frozen(column[order]) for column in (x, recency, T, middle, weight)]
    end = np.arange(T.max() + 1)

    def evaluate(point: Floats) -> Curve:
        alpha, beta, gamma, delta = (float(value) for value in np.exp(point))
        of_beta, of_both, of_delta, of_gone = (
            log_rising(value, len(end)) for value in (beta, alpha + beta, delta, gamma + delta)
        )
        shares = alpha / (alpha + beta), gamma / (gamma + delta)
        log_gone, gone = _terms(of_both[:, :-1], of_delta[:, :-1], of_gone[:, 1:], *shares, dead=1)
        log_alive, alive = _terms(of_both[:, :-1], of_delta[:, :-1], of_gone[:, :-1], *shares, dead=0)
        fall = (delta + end) / (alpha + beta + end) / (gamma + delta + end + 1)
        of_dead, of_living = (frozen(log_gone + point[2]), frozen(gone)), (frozen(log_alive), frozen(alive))
        tables = frozen(of_beta), *of_dead, *of_living, frozen(fall)

        def of_rows(x: Ints, recency: Ints, T: Ints, middle: Ints, weight: Floats, sums: Floats) -> None:
            sum_rows(x, recency, T, middle, weight, *tables, beta, sums)

        sums = add_up(of_rows, columns, 15, threads)
        sums[[0, 1, 5]] += purchases(alpha)
        return curve_of(sums)

    return evaluate


def _middles(recency: Ints, T: Ints) -> Ints:
    """For each row the T of some row, above its own recency and not above its own T; its T where that is the recency.

    Of the T that could be taken it is the one whose place in their order is divisible by the highest power of 2. So
    rows of the same middle have much in common: of n periods, middles and rows lie n log(n) apart in all.
    """
    ages, place = np.unique(T, return_inverse=True)
    last = place + 1
    differ = last ^ np.searchsorted(ages, recency, side="right")
    power = 1 << (np.frexp(np.maximum(differ, 1))[1].astype(np.int64) - 1)
    return np.asarray(ages[(last & -power) - 1])


def _terms(
    of_both: Floats, of_delta: Floats, of_gone: Floats, a: float, c: float, *, dead: int
) -> tuple[Floats, Floats]:
    """The logarithms of the terms but for what depends on x; and 1, their gradients and second moments: (n, 15).

    `a` and `c` are the shares of alpha in alpha + beta and of gamma in gamma + delta; the second moments are the upper
    triangle of the Hessian plus the square of the gradient.
    """
    b, d = 1 - a, 1 - c
    bend_both, bend_gone = a * b * of_both[1], c * d * of_gone[1]
    in_a, in_b, in_c, in_d = -a * of_both[1], -b * of_both[1], dead - c * of_gone[1], of_delta[1] - d * of_gone[1]
    terms = [
        np.ones_like(in_a),
        *(in_a, in_b, in_c, in_d),
        in_a * in_a - a * a * of_both[2] - bend_both,
        in_a * in_b - a * b * of_both[2] + bend_both,
        *(in_a * in_c, in_a * in_d),
        in_b * in_b - b * b * of_both[2] - bend_both,
        *(in_b * in_c, in_b * in_d),
        in_c * in_c - c * c * of_gone[2] - bend_gone,
        in_c * in_d - c * d * of_gone[2] + bend_gone,
        in_d * in_d - d * d * of_gone[2] - bend_gone + of_delta[2],
    ]
    return of_delta[0] - of_both[0] - of_gone[0], np.stack(terms, axis=1)
