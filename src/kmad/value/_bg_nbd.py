"""The BG/NBD and the MBG/NBD model."""

from collections.abc import Callable
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen
from kmad._threads import Threads
from kmad.value._ahead import mean_ratios
from kmad.value._beta import BetaNodes, beta_nodes, gamma_nodes, mean_fall, mean_power
from kmad.value._bg_nbd_sums import sum_rows
from kmad.value._by_count import MeansByCount
from kmad.value._columns import MOST_PURCHASES, PURCHASES, ROUNDING, check_purchases, read_columns
from kmad.value._continuous import LIMITS_OF_RATES, ContinuousModel, Rows
from kmad.value._elementary import bg_alive
from kmad.value._factorials import RisingFactorials
from kmad.value._likelihood import Curve, Evaluate, Limit
from kmad.value._model import BLOCK_SIZE, add_up, blocks, curve_of

Floats = NDArray[np.float64]


class BGNBD(ContinuousModel):
    """The BG/NBD model: customers buy at a rate of their own, and may drop out after each repeat purchase.

    A customer who is alive buys at random at a constant rate; the rates of the customers are gamma distributed with
    shape `r` and rate `alpha`. After each repeat purchase he drops out with a probability of his own, which is beta
    distributed with shapes `a` and `b`. Nobody can drop out before his first repeat purchase, so the model calls every
    one-time buyer alive with certainty: prefer `MBGNBD` or `ParetoNBD` where that matters.

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
        The parameters by name, times in the unit of the data.

    standard_errors_ : dict of str to float
        Standard error of each parameter, from the curvature of the likelihood; NaN where `boundary_` says that the
        parameter runs off.

    covariance_ : ndarray of shape (4, 4)
        Covariance of the logarithms of the parameters, in their order; directions that the data do not determine are
        left out.

    log_likelihood_ : float
        Log-likelihood of the data on the caller's scale: a density of purchase times in its unit.

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
    A fit works on the distinct rows, in time units of the mean T, with gradient and Hessian in one pass. It starts from
    five kinds of dropout and keeps the highest maximum, as few customers may have several. Predictions
    are expectations over the probability of dropout, taken by the trapezoidal rule: no hypergeometric functions, no
    singularity at ``a = 1``, and no condition on ``a + b``. For many customers they are tabulated for each frequency,
    as polynomials to 13 digits.

    References
    ----------
    P. S. Fader, B. G. S. Hardie and K. L. Lee, "Counting your customers the easy way: an alternative to the Pareto/NBD
    model", Marketing Science 24 (2005), 275-284.

    Examples
    --------
    The parameters published for the CDNOW customers, time in weeks:

    >>> from kmad import BGNBD
    >>> model = BGNBD.from_params(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> round(float(model.expected_purchases(39, [[2, 30.43, 38.86]])[0]), 3)
    1.226
    >>> model.probability_alive([[2, 30.43, 38.86], [0, 0.0, 38.86]]).round(3)
    array([0.727, 1.   ])
    """

    parameters: ClassVar[tuple[str, ...]] = ("r", "alpha", "a", "b")
    in_unit: ClassVar[tuple[str, ...]] = ("alpha",)
    limits: ClassVar[tuple[Limit, ...]] = (
        *LIMITS_OF_RATES,
        Limit((0, 0, -1, 0), "no dropout: a / b falls to 0", (2, 3)),
        Limit((0, 0, 0, 1), "no dropout: a / b falls to 0", (2, 3)),
        Limit((0, 0, 1, 0), "certain dropout: a / b grows without end", (2, 3)),
        Limit((0, 0, 0, -1), "certain dropout: a / b grows without end", (2, 3)),
        Limit((0, 0, 1, 1), "homogeneous dropout: a and b grow without end, and all drop out alike", (2, 3)),
        Limit((0, 0, -1, -1), "all or nothing: a and b fall to 0; a customer drops out at once or never", (2, 3)),
    )
    # Chances to drop out before the first repeat purchase.
    _early_chances: ClassVar[int] = 0

    def _start(self, rate: float) -> tuple[float, ...]:
        return 1.0, 0.5 / rate, 1.0, 3.0

    def _likelihood(self, rows: Rows, threads: Threads) -> Evaluate:
        chances = rows.x + self._early_chances
        purchases = RisingFactorials(rows.x, rows.weight)
        survived = RisingFactorials(chances, rows.weight)
        columns = [frozen(column) for column in (rows.x, chances, rows.recency, rows.T, rows.weight)]

        def evaluate(point: Floats) -> Curve:
            r, alpha, a, b = (float(value) for value in np.exp(point))

            def of_rows(x: Floats, chances: Floats, recency: Floats, T: Floats, weight: Floats, sums: Floats) -> None:
                sum_rows(x, chances, recency, T, weight, r, alpha, a, b, sums)

            sums = add_up(of_rows, columns, 15, threads)
            curve = curve_of(sums)
            of_r, of_b, of_both = purchases(r), survived(b), survived(a + b)
            in_a, in_b = a / (a + b), b / (a + b)
            gradient = curve.gradient + np.array(
                [of_r.first, 0, -of_both.first * in_a, of_b.first - of_both.first * in_b]
            )
            # of_both depends on log(a + b), whose derivatives by log a and log b are in_a and in_b.
            hessian = curve.hessian.copy()
            hessian[0, 0] += of_r.second
            hessian[3, 3] += of_b.second
            inner = np.array([in_a, in_b])
            bend = in_a * in_b * np.array([[1, -1], [-1, 1]])
            hessian[2:, 2:] -= of_both.second * np.outer(inner, inner) + of_both.first * bend
            return Curve(curve.value + of_r.value + of_b.value - of_both.value, gradient, hessian)

        return evaluate

    def _living(self, customers: object, *, if_alive: bool = False) -> tuple[Floats, Floats, Floats]:
        if customers is None or if_alive:
            return super()._living(customers, if_alive=if_alive)
        self._values()
        x, recency, T = read_columns("customers", customers, PURCHASES)
        return x, T, self._alive(x, recency, T)

    def _alive(self, x: Floats, recency: Floats, T: Floats) -> Floats:
        """Probability that each customer is alive now; looks for wrong customers in the same pass."""
        r, alpha, a, b = self._values()
        x, recency, T = frozen(x), frozen(recency), frozen(T)
        bounds = ROUNDING, float(MOST_PURCHASES)
        alive = np.empty(len(x))

        def block(start: int, stop: int) -> bool:
            rows = slice(start, stop)
            some, early = (x[rows], recency[rows], T[rows]), self._early_chances
            # Without the jit NumPy minds what comes of wrong rows.
            with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
                return bool(bg_alive(*some, *bounds, r, alpha, a, b, early, alive[rows]))

        with Threads(self.n_jobs) as threads:
            # Nothing is held between: of larger blocks fewer are handed out.
            right = threads.map(block, blocks(len(x), 2 * BLOCK_SIZE))
        if not (right and all(right)):
            check_purchases("customers", x, recency, T)
        return alive

    def _expected(self, x: Floats, T: Floats, horizon: Floats) -> Floats:
        return self._over_dropout(mean_fall, x, T, horizon, by_span=True)

    def _surviving(self, x: Floats, T: Floats, horizon: Floats) -> Floats:
        return self._over_dropout(mean_power, x, T, horizon, by_span=False)

    def _counting(self, n: int, x: Floats, T: Floats, horizon: Floats) -> Floats:
        from scipy.special import betainc, betaln, gammaln  # noqa: PLC0415 - half a second

        r_new, alpha_new, a, b_new = self._values()
        r, alpha, b = r_new + x, alpha_new + T, b_new + x + self._early_chances
        bought = horizon / (alpha + horizon)
        with np.errstate(divide="ignore"):
            log_power = n * np.log(bought) if n else 0.0
        log_count = gammaln(r + n) - gammaln(r) - gammaln(n + 1) + log_power - r * np.log1p(horizon / alpha)
        probability = np.exp(betaln(a, b + n) - betaln(a, b) + log_count)
        if n > 0:
            probability += np.exp(betaln(a + 1, b + n - 1) - betaln(a, b)) * betainc(n, r, bought)
        return np.asarray(probability)

    def _discounted(self, x: Floats, T: Floats, discount_rate: float) -> Floats:
        r, alpha, a, b = self._values()

        @cache
        def nodes_of(count: float) -> tuple[Floats, Floats, Floats, Floats]:
            p, g = beta_nodes(a, b + count + self._early_chances), gamma_nodes(r + count)
            return frozen(p.p), frozen(p.weight), frozen(g.g), frozen(g.weight)

        def mean(count: float, log_rate: Floats) -> Floats:
            # A customer of rate g / (alpha + T) who drops out with p: the sum over his purchases is geometric.
            result = np.empty(len(log_rate))
            mean_ratios(*nodes_of(count), frozen(np.exp(log_rate)), result)
            return result

        return self._means(mean, x, np.log(discount_rate * (alpha + T)))

    def _over_dropout(
        self, function: Callable[..., Floats], x: Floats, T: Floats, horizon: Floats, *, by_span: bool
    ) -> Floats:
        """The mean over p of `function`, of p, the shape of the rate and the horizon in units of its scale.

        `by_span` says that the function is one of which that span is still a factor.
        """
        r, alpha, a, b = self._values()

        @cache
        def nodes_of(count: float) -> BetaNodes:
            return beta_nodes(a, b + count + self._early_chances)

        def mean(count: float, u: Floats) -> Floats:
            return function(nodes_of(count), r + count, np.expm1(u))

        means = MeansByCount(
            mean,
            x,
            float(np.log1p(horizon.min() / (alpha + T.max()))),
            float(np.log1p(horizon.max() / (alpha + T.min()))),
        )

        def block(x: Floats, T: Floats, horizon: Floats) -> Floats:
            span = horizon / (alpha + T)
            found = means(x, np.log1p(span))
            return found * span if by_span else found

        return self._by_rows(block, x, T, horizon, width=4 * means.width)


class MBGNBD(BGNBD):
    """The MBG/NBD model: like BG/NBD, but customers may drop out after their first purchase too.

    A customer who is alive buys at random at a constant rate; the rates of the customers are gamma distributed with
    shape `r` and rate `alpha`. After each purchase, the first included, he drops out with a probability of his own,
    which is beta distributed with shapes `a` and `b`. Attributes, errors and notes are those of `BGNBD`.

    Parameters
    ----------
    max_iter : int, default=100
        Most iterations of Newton's method.

    tol : float, default=1e-10
        The fit ends when the next iteration would raise the log-likelihood by this or less.

    n_jobs : int or None, default=-1
        Number of threads, as in joblib: -1 for all processors. The result does not depend on it.

    References
    ----------
    E. P. Batislam, M. Denizel and A. Filiztekin, "Empirical validation and comparison of models for customer base
    analysis", International Journal of Research in Marketing 24 (2007), 201-209.

    D. Hoppe and U. Wagner, "Customer base analysis: the case for a central variant of the Betageometric/NBD model",
    Marketing - Journal of Research and Management 3 (2007), 75-90.

    Examples
    --------
    >>> from kmad import MBGNBD
    >>> model = MBGNBD.from_params(r=0.525, alpha=6.183, a=0.891, b=1.614)
    >>> model.probability_alive([[2, 30.43, 38.86], [0, 0.0, 38.86]]).round(3)
    array([0.706, 0.39 ])
    """

    _early_chances: ClassVar[int] = 1
