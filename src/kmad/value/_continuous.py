"""What the models of purchases in continuous time share: how they are fitted."""

from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kmad._threads import Threads
from kmad.value._by_count import Mean, MeansByCount
from kmad.value._columns import read_purchases
from kmad.value._distinct import weighted_rows
from kmad.value._likelihood import Evaluate, Limit
from kmad.value._model import Problem, part_of
from kmad.value._purchases import PurchaseModel

Floats = NDArray[np.float64]

NO_PURCHASES = "no repeat purchases: r / alpha falls to 0"
# What may become of the gamma distributed rates of purchase.
LIMITS_OF_RATES = (
    Limit((-1, 0, 0, 0), NO_PURCHASES, (0, 1, 2, 3)),
    Limit((0, 1, 0, 0), NO_PURCHASES, (0, 1, 2, 3)),
    Limit(
        (1, 1, 0, 0),
        "homogeneous rates: r and alpha grow without end, and every customer buys at the rate r / alpha",
        (0, 1),
    ),
)

# Few customers may be described by dropout of several kinds, each a maximum of its own: a fit starts from each. These
# are added to the logarithms: dropout as usual, very uneven, even, early or hardly any, and at once.
SHIFTS = np.array([(0, 0, 0, 0), (0, 0, -4, -4), (0, 0, 3, 3), (0, 0, 2, -2), (0, 0, 0, -5)])


class Rows(NamedTuple):
    """The distinct rows of a summary, in units of the mean T."""

    x: Floats  # (n,)
    recency: Floats  # (n,)
    T: Floats  # (n,)
    weight: Floats  # (n,)


class ContinuousModel(PurchaseModel):
    """A model of purchases in continuous time, fitted to frequency, recency and T."""

    def fit(self, summary: object, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the parameters under which the purchases are most likely.

        Parameters
        ----------
        summary : table or array-like of shape (n_customers, 3)
            One row a customer: the columns ``frequency`` (number of repeat purchases), ``recency`` (time from the first
            to the last purchase) and ``T`` (time from the first purchase to now) of a pandas, polars or pyarrow table,
            or an array of these three. The unit of time is the caller's.

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

    _read = staticmethod(read_purchases)

    def _apart(self, function: Callable[..., Floats], *columns: Floats) -> Floats:
        n_rows = max(map(len, columns))
        return function(*(np.broadcast_to(column, n_rows) for column in columns))

    def _problem(self, summary: object, weights: Callable[[int], Floats], threads: Threads) -> Problem:
        columns = read_purchases("summary", summary)
        weight = weights(len(columns[0]))
        part = part_of(len(columns[0]))
        some = None if part is None else weighted_rows([column[part] for column in columns], weight[part])
        (x, recency, T), weight = weighted_rows(columns, weight)
        n_customers = float(weight.sum())
        unit = float(weight @ T) / n_customers
        if unit <= 0:
            raise ValueError("summary must have a T above 0; got 0 in every row.")
        (ages,), n_each = weighted_rows((T,), weight)
        self._ages = ages, n_each
        n_purchases = float(weight @ x)

        def likelihood(columns: tuple[Floats, ...], weight: Floats) -> Evaluate:
            x, recency, T = columns
            return self._likelihood(Rows(x, recency / unit, T / unit, weight), threads)

        return Problem(
            evaluate=likelihood((x, recency, T), weight),
            part=None if some is None else likelihood(*some),
            starts=[np.log(self._start(max(n_purchases, 0.5) / n_customers)) + shift for shift in SHIFTS],
            unit=unit,
            log_jacobian=-n_purchases * float(np.log(unit)),
            n_customers=n_customers,
        )

    def _means(self, mean: Mean, x: Floats, u: Floats) -> Floats:
        """`mean` of the count and u of each row, an analytic function of u where |Im u| < pi."""
        means = MeansByCount(mean, x, float(u.min()), float(u.max()))
        return self._by_rows(means, x, u, width=means.width)

    @abstractmethod
    def _start(self, rate: float) -> tuple[float, ...]:
        """Parameters to start from, when `rate` repeat purchases are made in a unit of time."""

    @abstractmethod
    def _likelihood(self, rows: Rows, threads: Threads) -> Evaluate:
        """The log-likelihood of rows as a function of the logarithms of the parameters."""
