"""What all models of this part share: fitting by maximum likelihood, and what is known of the parameters."""

import warnings
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from kmad._threads import Threads
from kmad._validation import check_integer, check_jobs, check_real, check_weights
from kmad.value._likelihood import (
    FARTHEST,
    SAME_LIKELIHOOD,
    Curve,
    Evaluate,
    Limit,
    Maximum,
    covariance_at,
    limits_reached,
    maximise,
)

Floats = NDArray[np.float64]

# Numbers in the temporaries of a function of arrays: they then stay in the processor's cache.
BLOCK_SIZE = 1 << 16
# Rows of a likelihood that are summed at a time, by one thread.
SUM_ROWS = 1 << 11
# A fit starts from the fit to every so many-th customer, about this many in all.
ENOUGH_ROWS = 1 << 14
# A fit to a part of the data ends at this rise of the log-likelihood, and is taken up at this distance at most.
ROUGHLY = 1e-2
NEAR = 5.0


class Problem(NamedTuple):
    """What a model hands over to be fitted."""

    evaluate: Evaluate  # the log-likelihood, of data in which the unit is `unit`
    part: Evaluate | None  # the same of a part of the data, where there are many
    starts: list[Floats]  # (k,) each: logarithms of parameters to start from
    unit: float  # of time, or of money
    log_jacobian: float  # added to the log-likelihood where the unit is the caller's
    n_customers: float


class Model(BaseEstimator):
    """A model with a few positive parameters.

    A subclass names its parameters, those which are in the unit of the data, and the limits that they may run into,
    and turns data into a `Problem`.
    """

    parameters: ClassVar[tuple[str, ...]]
    in_unit: ClassVar[tuple[str, ...]] = ()
    limits: ClassVar[tuple[Limit, ...]]
    # How low the logarithms of the parameters may get, in the unit of the fit.
    lowest: ClassVar[tuple[float, ...] | float] = -FARTHEST

    params_: dict[str, float]
    standard_errors_: dict[str, float]
    covariance_: Floats
    log_likelihood_: float
    aic_: float
    bic_: float
    converged_: bool
    boundary_: str | None
    n_customers_: float
    n_iter_: int

    def __init__(self, *, max_iter: int = 100, tol: float = 1e-10, n_jobs: int | None = -1) -> None:
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs

    @classmethod
    def from_params(cls, **params: float) -> Self:
        """Build a fitted model from known parameters, for example published ones.

        Parameters
        ----------
        **params : float
            Every parameter of the model by its name, each above 0.

        Returns
        -------
        model : same class
            It predicts; what only a fit knows, such as `log_likelihood_`, it has not.
        """
        if set(params) != set(cls.parameters):
            raise ValueError(f"params must be {', '.join(cls.parameters)}; got {', '.join(params) or 'none'}.")
        for name, value in params.items():
            check_real(name, value, above=0.0, below=np.inf)
        model = cls()
        model.params_ = {name: float(params[name]) for name in cls.parameters}
        return model

    def draw(self, n_draws: int, random_state: int | np.random.Generator | None = None) -> list[Self]:
        """Models with parameters that fit the data about as well, to see how far a result is uncertain.

        The logarithms of the parameters are drawn from the normal distribution around the fit with `covariance_`.

        Parameters
        ----------
        n_draws : int
            How many, at least 1.

        random_state : int, numpy.random.Generator or None, default=None
            Seed or generator; None draws others at every call.

        Returns
        -------
        models : list of the same class
            Each predicts, like a model of `from_params`.
        """
        check_is_fitted(self, "covariance_")
        check_integer("n_draws", n_draws, least=1)
        rng = np.random.default_rng(random_state)
        center = np.log(self._values())
        drawn = np.exp(rng.multivariate_normal(center, self.covariance_, int(n_draws), method="eigh"))
        return [self.from_params(**dict(zip(self.parameters, map(float, row), strict=True))) for row in drawn]

    @abstractmethod
    def _problem(self, summary: object, weights: Callable[[int], Floats], threads: Threads) -> Problem:
        """Read the data and return what is to be maximised; `weights` gives the checked weights of n rows."""

    def _values(self) -> tuple[float, ...]:
        check_is_fitted(self, "params_")
        return tuple(self.params_[name] for name in self.parameters)

    def _fit(self, summary: object, sample_weight: ArrayLike | None) -> Self:
        self._check_parameters()
        with Threads(self.n_jobs) as threads:
            problem = self._problem(summary, lambda n: check_weights("sample_weight", sample_weight, n), threads)
            starts = problem.starts
            if problem.part is not None:
                start, near = self._best(problem.part, starts, ROUGHLY)
                # What a part cannot tell is left to the whole.
                starts = [near.point if np.abs(near.point - start).max() < NEAR else start]
            _, maximum = self._best(problem.evaluate, starts, self.tol)
            reached = limits_reached(problem.evaluate, maximum, self.limits)
        if not (maximum.converged or reached):
            warnings.warn(
                f"{type(self).__name__} did not converge in {maximum.n_iter} iterations: check the data, or raise "
                "max_iter.",
                ConvergenceWarning,
                stacklevel=3,
            )
        covariance = covariance_at(maximum)
        values = np.exp(maximum.point)
        for name in self.in_unit:
            values[self.parameters.index(name)] *= problem.unit
        errors = values * np.sqrt(np.diag(covariance))
        for limit in reached:
            errors[list(limit.settles)] = np.nan
        k = len(values)
        log_likelihood = maximum.curve.value + problem.log_jacobian
        self.params_ = dict(zip(self.parameters, map(float, values), strict=True))
        self.standard_errors_ = dict(zip(self.parameters, map(float, errors), strict=True))
        self.covariance_ = covariance
        self.log_likelihood_ = float(log_likelihood)
        self.aic_ = float(2 * k - 2 * log_likelihood)
        self.bic_ = float(k * np.log(problem.n_customers) - 2 * log_likelihood)
        self.converged_ = bool(maximum.converged or reached)
        self.boundary_ = "; ".join(limit.meaning for limit in reached) or None
        self.n_customers_ = float(problem.n_customers)
        self.n_iter_ = maximum.n_iter
        return self

    def _best(self, evaluate: Evaluate, starts: list[Floats], tol: float) -> tuple[Floats, Maximum]:
        """The highest of the maxima that are reached, and the start of it; of equal ones the first."""
        lowest = np.asarray(self.lowest)
        found = [(start, maximise(evaluate, start, max_iter=self.max_iter, tol=tol, lowest=lowest)) for start in starts]
        highest = max(maximum.curve.value for _, maximum in found)
        return next(pair for pair in found if pair[1].curve.value >= highest - max(2 * tol, SAME_LIKELIHOOD))

    def _check_parameters(self) -> None:
        check_integer("max_iter", self.max_iter, least=1)
        check_real("tol", self.tol, above=0.0, below=np.inf)
        check_jobs(self.n_jobs)

    def _by_rows(self, function: Callable[..., Floats], *columns: Floats, width: int = 1) -> Floats:
        """`function` of the columns, block by block; it holds arrays of `width` numbers a row."""
        result = np.empty(len(columns[0]))

        def block(start: int, stop: int) -> None:
            result[start:stop] = function(*(column[start:stop] for column in columns))

        with Threads(self.n_jobs) as threads:
            threads.map(block, blocks(len(result), max(1, BLOCK_SIZE // width)))
        return result


def part_of(n_rows: int) -> slice | None:
    """Every so many-th row, to have enough of them to start from; None where that is not a small part."""
    step = n_rows // ENOUGH_ROWS
    return slice(None, None, step) if step > 1 else None


def blocks(n_rows: int, size: int) -> Sequence[tuple[int, int]]:
    """Row ranges of a fixed size."""
    return [(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


def add_up(sums: Callable[..., None], columns: Sequence[Floats], size: int, threads: Threads) -> Floats:
    """What `sums` of the columns adds to `size` numbers over all rows, block by block, in order."""

    def block(start: int, stop: int) -> Floats:
        total = np.zeros(size)
        sums(*(column[start:stop] for column in columns), total)
        return total

    return np.asarray(sum(threads.map(block, blocks(len(columns[0]), SUM_ROWS)), np.zeros(size)))


def curve_of(sums: Floats) -> Curve:
    """The value, the gradient and the upper triangle of the Hessian, one after the other, as a curve."""
    k = int((np.sqrt(8 * len(sums) + 1) - 3) / 2)
    hessian = np.zeros((k, k))
    hessian[np.triu_indices(k)] = sums[1 + k :]
    return Curve(float(sums[0]), sums[1 : 1 + k], hessian + np.triu(hessian, 1).T)
