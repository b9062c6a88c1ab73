"""The Pareto/NBD model."""

from functools import cache
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen
from kmad._threads import Threads
from kmad.value._beta import TINY, BetaNodes, beta_nodes, mean_power
from kmad.value._by_count import MeansByCount
from kmad.value._continuous import LIMITS_OF_RATES, ContinuousModel, Rows
from kmad.value._elementary import dropout_terms, sum_pareto_rows
from kmad.value._factorials import RisingFactorials, gamma_step
from kmad.value._likelihood import FARTHEST, Curve, Evaluate, Limit
from kmad.value._model import add_up, curve_of

Floats = NDArray[np.float64]

# Points of the integral over a discounted life.
LENGTH_NODES = 256
# Step of the integral over the time of dropout, in widths of its peak, and logarithm of what is left where it ends.
DEPTH_STEP = 0.33
NEGLIGIBLE = 33.0


def _unit_nodes(n: int) -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss and Legendre on the interval from 0 to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return frozen((1 + nodes) / 2), frozen(weights / 2)


class DropoutPeak(NamedTuple):
    """Where the integral over the time of dropout lies, on the scale of the time's logarithm."""

    top: Floats  # (n,) the time it reaches to
    width: Floats  # (n,) of its peak, 1 at most
    depth: Floats  # (n,) how many widths below `top` it has become negligible


def _dropout_peak(n: int, shape: Floats, scale: Floats, s: float, length: Floats, horizon: Floats) -> DropoutPeak:
    """Of t^(n+1) (scale + t)^-(n+shape) (length + t)^-(s+1), t up to the horizon, against the logarithm of t.

    This is log-concave: its logarithm bends down everywhere. From the peak on it has fallen by `NEGLIGIBLE` no later
    than its slope at the peak says, than the asymptote, or than the bend: at a distance d that is not yet less than
    exp(-d) of the one at the peak.
    """
    horizon = np.maximum(horizon, TINY)
    with np.errstate(divide="ignore", over="ignore"):
        # The slope is 0 at the root of a square polynomial.
        half = (n - s) * scale + (1 - shape) * length
        product = (n + 1) * scale * length
        root = (np.sqrt(half**2 + 4 * (shape + s) * product) + np.abs(half)) / 2
        peak = np.minimum(np.where(half > 0, root / (shape + s), product / root), horizon)
        in_scale, in_length = peak / (scale + peak), peak / (length + peak)
        slope = np.maximum(n + 1 - (n + shape) * in_scale - (s + 1) * in_length, 0)
        bend = (n + shape) * in_scale * (1 - in_scale) + (s + 1) * in_length * (1 - in_length)
        by_bend = (NEGLIGIBLE + np.sqrt(NEGLIGIBLE**2 + 8 * NEGLIGIBLE * bend)) / (2 * bend)
        left = NEGLIGIBLE + (n + shape) * np.log1p(peak / scale) + (s + 1) * np.log1p(peak / length)
        right = NEGLIGIBLE + (n + shape) * np.log1p(scale / peak) + (s + 1) * np.log1p(length / peak)
        below = np.minimum(np.minimum(NEGLIGIBLE / slope, by_bend), left / (n + 1))
        above = np.minimum(np.minimum(np.log(horizon / peak), by_bend), right / (shape + s))
    width = 1 / np.sqrt(1 + bend / 4 + (slope / 4) ** 2)
    return DropoutPeak(peak * np.exp(above), width, (above + below) / width)


def _depth_nodes(depth: float) -> tuple[Floats, Floats]:
    """Nodes and weights on the interval from 0 to `depth`, of functions that may break off at 0.

    The rule is double exponential at 0; further down the nodes are evenly spaced.
    """
    t = np.arange(-3.5, depth + DEPTH_STEP, DEPTH_STEP)
    rise = np.exp(-t)
    v = np.logaddexp(0, t - rise)
    return v, DEPTH_STEP * (1 + rise) * -np.expm1(-v)


class ParetoNBD(ContinuousModel):
    """The Pareto/NBD model: customers buy at a rate of their own until they drop out at a time of their own.

    A customer who is alive buys at random at a constant rate; the rates of the customers are gamma distributed with
    shape `r` and rate `alpha`. He drops out, unseen, after an exponential time; the rates of dropout are gamma
    distributed with shape `s` and rate `beta`. Those who have not bought for long compared with their habit are
    probably gone, one-time buyers too.

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
    The likelihood is used in a form without hypergeometric functions: a customer's is the one of still being alive,
    plus an integral over the time of dropout between the last purchase and now. Both are positive, so nothing cancels
    or overflows, and the integral is taken to some 12 digits by a Gauss rule on panels. A fit works on the distinct
    rows, in time units of the mean T, and takes about 10 passes over them; gradient and Hessian come with each pass.
    The likelihood of few customers may have several maxima: the fit starts from five kinds of dropout, and keeps the
    highest; of many customers, the starts are compared on some of them. It needs some 50 bytes a row.

    The mean length of life is infinite when ``s <= 1``, which is common. Ask for a horizon, for `survival`, or for a
    discounted number of purchases.

    References
    ----------
    D. C. Schmittlein, D. G. Morrison and R. Colombo, "Counting your customers: who are they and what will they do
    next?", Management Science 33 (1987), 1-24.

    P. S. Fader, B. G. S. Hardie and K. L. Lee, "RFM and CLV: using iso-value curves for customer base analysis",
    Journal of Marketing Research 42 (2005), 415-430.

    Examples
    --------
    The parameters published for the CDNOW customers, time in weeks:

    >>> from kmad import ParetoNBD
    >>> model = ParetoNBD.from_params(r=0.553, alpha=10.578, s=0.606, beta=11.669)
    >>> round(model.expected_purchases(52), 3)
    1.473
    >>> customers = [[2, 30.43, 38.86], [0, 0.0, 38.86]]
    >>> model.probability_alive(customers).round(3)
    array([0.869, 0.295])
    """

    parameters: ClassVar[tuple[str, ...]] = ("r", "alpha", "s", "beta")
    in_unit: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    limits: ClassVar[tuple[Limit, ...]] = (
        *LIMITS_OF_RATES,
        Limit((0, 0, -1, 0), "no dropout: s / beta falls to 0", (2, 3)),
        Limit((0, 0, 0, 1), "no dropout: s / beta falls to 0", (2, 3)),
        Limit((0, 0, 1, 0), "immediate dropout: s / beta grows without end", (2, 3)),
        Limit((0, 0, 0, -1), "all or nothing: beta falls to 0; a customer drops out at once or hardly ever", (2, 3)),
        Limit((0, 0, 1, 1), "homogeneous dropout: s and beta grow without end, all drop out at rate s / beta", (2, 3)),
    )

    # The likelihood of "all or nothing" rises slowly: what is missing is in proportion to 1 / -log(beta).
    lowest: ClassVar[tuple[float, ...]] = (-FARTHEST, -FARTHEST, -FARTHEST, -50.0)

    def _start(self, rate: float) -> tuple[float, ...]:
        return 1.0, 0.5 / rate, 1.0, 1.0

    def _likelihood(self, rows: Rows, threads: Threads) -> Evaluate:
        purchases = RisingFactorials(rows.x, rows.weight)
        columns = [frozen(column) for column in rows]
        nodes = _unit_nodes(8)

        def evaluate(point: Floats) -> Curve:
            r, alpha, s, beta = (float(value) for value in np.exp(point))

            def of_rows(x: Floats, recency: Floats, T: Floats, weight: Floats, sums: Floats) -> None:
                sum_pareto_rows(x, recency, T, weight, r, alpha, s, beta, *nodes, sums)

            sums = add_up(of_rows, columns, 15, threads)
            sums[[0, 1, 5]] += purchases(r)
            return curve_of(sums)

        return evaluate

    def _alive(self, x: Floats, recency: Floats, T: Floats) -> Floats:
        r, alpha, s, beta = self._values()
        near, far, near_is_alpha = min(alpha, beta), max(alpha, beta), alpha <= beta

        @cache
        def nodes_of(count: float) -> BetaNodes:
            return beta_nodes(1.0, r + count + s)

        def odds_after(count: float, u: Floats) -> Floats:
            # The integral of the likelihood from y on, over the likelihood of being alive at y, is a mean over a beta
            # distribution, and depends on y by exp(u) = (far + y) / (near + y) alone.
            power, factor = (r + count, 1.0) if near_is_alpha else (s + 1, np.exp(u))
            return np.asarray(factor * s / (r + count + s) * mean_power(nodes_of(count), power, np.expm1(u)))

        low, high = (float(np.log1p((far - near) / (near + y))) for y in (T.max(), recency.min()))
        means = MeansByCount(odds_after, x, low, high)

        def block(x: Floats, recency: Floats, T: Floats) -> Floats:
            then, now, growth = np.empty((3, len(x)))
            dropout_terms(frozen(x), frozen(recency), frozen(T), near, far, r, s, near_is_alpha, then, now, growth)
            odds = means(x, then) * growth - means(x, now)
            return 1 / (1 + np.maximum(odds, 0))

        return self._by_rows(block, x, recency, T, width=4 * means.width)

    def _expected(self, x: Floats, T: Floats, horizon: Floats) -> Floats:
        r, alpha, s, beta = self._values()

        def block(x: Floats, T: Floats, horizon: Floats) -> Floats:
            ahead = np.log1p(horizon / (beta + T))
            # The integral of the survival function; at s = 1 it is the logarithm itself.
            length = ahead if s == 1 else np.expm1((1 - s) * ahead) / (1 - s)
            return np.asarray((r + x) / (alpha + T) * (beta + T) * length)

        return self._by_rows(block, x, T, horizon, width=4)

    def _surviving(self, x: Floats, T: Floats, horizon: Floats) -> Floats:
        _, _, s, beta = self._values()
        return self._by_rows(lambda T, horizon: np.exp(-s * np.log1p(horizon / (beta + T))), T, horizon, width=4)

    def _counting(self, n: int, x: Floats, T: Floats, horizon: Floats) -> Floats:
        from scipy.special import gammaln  # noqa: PLC0415 - half a second

        r, alpha, s, beta = self._values()

        def peak(x: Floats, T: Floats, horizon: Floats) -> DropoutPeak:
            return _dropout_peak(n, r + x, alpha + T, s, beta + T, horizon)

        depth = self._by_rows(lambda *columns: peak(*columns).depth, x, T, horizon, width=16).max()
        v, weight = _depth_nodes(depth)

        def block(x: Floats, T: Floats, horizon: Floats) -> Floats:
            shape, scale, length = r + x, alpha + T, beta + T
            log_count = gamma_step(shape, np.array(float(n))).log - gammaln(n + 1) if n else np.zeros(len(x))

            def log_probability(time: Floats) -> Floats:
                log_power = n * np.log(time / (scale + time)) if n else 0.0
                return np.asarray(log_count + log_power - shape * np.log1p(time / scale))

            top, width, _ = peak(x, T, horizon)
            with np.errstate(divide="ignore"):
                stays = np.exp(log_probability(horizon) - s * np.log1p(horizon / length))
                shape, scale, length, log_count = (a[:, None] for a in (shape, scale, length, log_count))
                time = top[:, None] * np.exp(-width[:, None] * v)
                goes = np.exp(log_probability(time) - (s + 1) * np.log1p(time / length)) * s * time / length
            return np.asarray(stays + width * np.einsum("ij,j", goes, weight))

        return self._by_rows(block, x, T, horizon, width=len(v))

    def _discounted(self, x: Floats, T: Floats, discount_rate: float) -> Floats:
        r, alpha, s, beta = self._values()

        def mean(_: float, log_rate: Floats) -> Floats:
            # The integral of exp(-rate w) (1 + w)^-s over all w, by the trapezoidal rule in log w.
            v, step = np.linspace(-40.0, np.log(45.0) - log_rate, LENGTH_NODES, axis=1, retstep=True)
            w = np.exp(v)
            return np.asarray(np.exp(v - np.exp(log_rate)[:, None] * w - s * np.log1p(w)).sum(axis=1) * step)

        length = self._means(mean, np.zeros(len(x)), np.log(discount_rate * (beta + T)))
        return (r + x) / (alpha + T) * (beta + T) * length
