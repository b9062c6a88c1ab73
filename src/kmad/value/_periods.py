"""Life in whole periods, of customers who drop out with a probability of their own before each.

The probability is beta distributed with the shapes `dropout` and `survived`; a customer who survived T periods has the
shapes `dropout` and `survived` + T.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kmad.value._beta import BetaNodes, beta_nodes

Floats = NDArray[np.float64]


def period_survival(dropout: float, survived: float, T: Floats, horizon: Floats) -> Floats:
    """Probability that customers who are alive survive the next `horizon` periods."""
    return _mean(dropout, survived, T, lambda nodes, at: np.exp(horizon[at][:, None] * nodes.log_q))


def expected_periods(dropout: float, survived: float, T: Floats, horizon: Floats) -> Floats:
    """Number of the next `horizon` periods that customers who are alive are expected to live through."""

    def periods(nodes: BetaNodes, at: NDArray[np.intp]) -> Floats:
        return np.asarray(-np.expm1(horizon[at][:, None] * nodes.log_q) * nodes.q / nodes.p)

    return _mean(dropout, survived, T, periods)


def discounted_periods(dropout: float, survived: float, T: Floats, rate: float) -> Floats:
    """Periods to come of customers who are alive; the one after j periods counts (1 + rate) ** -j."""
    return _mean(dropout, survived, T, lambda nodes, _: (nodes.q / (rate + nodes.p))[None, :])


def _mean(
    dropout: float, survived: float, T: Floats, function: Callable[[BetaNodes, NDArray[np.intp]], Floats]
) -> Floats:
    """The mean of `function` over the probability of dropout, for the customers of each T."""
    result = np.empty(len(T))
    for age in np.unique(T):
        at = np.flatnonzero(age == T)
        nodes = beta_nodes(dropout, survived + float(age))
        result[at] = (function(nodes, at) * nodes.weight).sum(axis=1)
    return result
