"""The measures of a rule that follow from four counts, each a function with its source.

Where a formula is 0/0, its value at independence is given: an antecedent or consequent that stands in every basket
says nothing about the other.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Counts(NamedTuple):
    """How many baskets hold the antecedent X, the consequent Y, both, and anything."""

    xy: Floats  # (n_rules,)
    x: Floats  # (n_rules,)
    y: Floats  # (n_rules,)
    n: float | Floats

    @property
    def excess(self) -> Floats:
        """Baskets with both beyond those expected of independent parts, times n: zero exactly at independence."""
        return self.xy * self.n - self.x * self.y

    def scaled(self) -> tuple["Counts", Any]:
        """The same in units of a power of two above n, so that products of any weights fit, and its exponent."""
        exponent = np.frexp(self.n)[1]
        return Counts(*(np.ldexp(part, -exponent) for part in self)), exponent


def _ratio(numerator: Floats, denominator: Floats, *, undefined: float) -> Floats:
    """The quotient; `undefined` where it is 0/0, infinite where only the denominator is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = numerator / denominator
    return np.where((numerator == 0) & (denominator == 0), undefined, quotient)


def count(c: Counts) -> Floats:
    """Baskets with both."""
    return c.xy


def antecedent_support(c: Counts) -> Floats:
    """P(X), the share of the baskets to which the rule applies, also called coverage."""
    return c.x / c.n


def consequent_support(c: Counts) -> Floats:
    """P(Y)."""
    return c.y / c.n


def support(c: Counts) -> Floats:
    """P(XY). Agrawal, Imielinski and Swami, SIGMOD 1993."""
    return c.xy / c.n


def confidence(c: Counts) -> Floats:
    """P(Y | X). Agrawal, Imielinski and Swami, SIGMOD 1993."""
    return c.xy / c.x


def lift(c: Counts) -> Floats:
    """P(XY) / (P(X) P(Y)), "interest" at first. Brin, Motwani, Ullman and Tsur, SIGMOD 1997."""
    return c.xy * c.n / (c.x * c.y)


def representativity(c: Counts) -> Floats:
    """Share of the baskets in which no item of the rule is missing: 1, for kmad's baskets hold no unknowns.

    Ragel and Crémilleux, Knowledge-Based Systems 12 (1999).
    """
    return np.ones_like(c.xy)


def leverage(c: Counts) -> Floats:
    """P(XY) - P(X) P(Y). Piatetsky-Shapiro, Knowledge Discovery in Databases (1991)."""
    return c.excess / c.n**2


def conviction(c: Counts) -> Floats:
    """P(X) P(not Y) / P(X, not Y), infinite at confidence 1. Brin, Motwani, Ullman and Tsur, SIGMOD 1997."""
    return _ratio(c.x * (c.n - c.y), c.n * (c.x - c.xy), undefined=np.inf)


def zhangs_metric(c: Counts) -> Floats:
    """Leverage over the largest it could be, from -1 to 1. Yan, Zhang and Zhang, AI 2002; Zhang, PRICAI 2000."""
    return _ratio(c.excess, np.maximum(c.xy * (c.n - c.x), c.x * (c.y - c.xy)), undefined=0.0)


def jaccard(c: Counts) -> Floats:
    """P(XY) / P(X or Y). Tan, Kumar and Srivastava, Information Systems 29 (2004)."""
    return c.xy / (c.x + c.y - c.xy)


def certainty(c: Counts) -> Floats:
    """(P(Y | X) - P(Y)) / P(not Y). Shortliffe and Buchanan, Mathematical Biosciences 23 (1975)."""
    return _ratio(c.excess, c.x * (c.n - c.y), undefined=0.0)


def kulczynski(c: Counts) -> Floats:
    """Mean of P(Y | X) and P(X | Y). Wu, Chen and Han, Data Mining and Knowledge Discovery 21 (2010)."""
    # One quotient of whole numbers, unlike the sum of two, is rounded right: a rule at a threshold is kept.
    s, _ = c.scaled()
    return s.xy * (s.x + s.y) / (2 * s.x * s.y)


def all_confidence(c: Counts) -> Floats:
    """The smaller of P(Y | X) and P(X | Y). Omiecinski, IEEE TKDE 15 (2003)."""
    return c.xy / np.maximum(c.x, c.y)


def max_confidence(c: Counts) -> Floats:
    """The larger of P(Y | X) and P(X | Y). Wu, Chen and Han, Data Mining and Knowledge Discovery 21 (2010)."""
    return c.xy / np.minimum(c.x, c.y)


def cosine(c: Counts) -> Floats:
    """P(XY) / sqrt(P(X) P(Y)). Tan, Kumar and Srivastava, Information Systems 29 (2004)."""
    return c.xy / np.sqrt(c.x * c.y)


def imbalance_ratio(c: Counts) -> Floats:
    """|P(X) - P(Y)| / P(X or Y). Wu, Chen and Han, Data Mining and Knowledge Discovery 21 (2010)."""
    return np.abs(c.x - c.y) / (c.x + c.y - c.xy)


def added_value(c: Counts) -> Floats:
    """P(Y | X) - P(Y). Tan, Kumar and Srivastava, Information Systems 29 (2004)."""
    return c.excess / (c.x * c.n)


def confidence_difference(c: Counts) -> Floats:
    """P(Y | X) - P(Y | not X). Hofmann and Wilhelm, Computational Statistics 16 (2001)."""
    return _ratio(c.excess, c.x * (c.n - c.x), undefined=0.0)


def relative_risk(c: Counts) -> Floats:
    """P(Y | X) / P(Y | not X). Sistrom and Garvan, Radiology 230 (2004)."""
    return _ratio(c.xy * (c.n - c.x), c.x * (c.y - c.xy), undefined=1.0)


def odds_ratio(c: Counts) -> Floats:
    """Odds of Y with X over its odds without. Tan, Kumar and Srivastava, Information Systems 29 (2004)."""
    return _ratio(c.xy * (c.n - c.x - c.y + c.xy), (c.x - c.xy) * (c.y - c.xy), undefined=1.0)


def yules_q(c: Counts) -> Floats:
    """The odds ratio on a scale from -1 to 1. Yule, Philosophical Transactions A 194 (1900)."""
    same, other = c.xy * (c.n - c.x - c.y + c.xy), (c.x - c.xy) * (c.y - c.xy)
    return _ratio(same - other, same + other, undefined=0.0)


def yules_y(c: Counts) -> Floats:
    """The root of the odds ratio on a scale from -1 to 1. Yule, Journal of the Royal Statistical Society 75 (1912)."""
    same, other = np.sqrt(c.xy * (c.n - c.x - c.y + c.xy)), np.sqrt((c.x - c.xy) * (c.y - c.xy))
    return _ratio(same - other, same + other, undefined=0.0)


def phi(c: Counts) -> Floats:
    """The correlation of X and Y. Pearson; Tan, Kumar and Srivastava, Information Systems 29 (2004)."""
    return _ratio(c.excess, np.sqrt(c.x * c.y) * np.sqrt((c.n - c.x) * (c.n - c.y)), undefined=0.0)


def chi_square(c: Counts) -> Floats:
    """Pearson's statistic, without continuity correction. Brin, Motwani and Silverstein, SIGMOD 1997."""
    # Not n times the square of phi, whose root is rounded: that falls below thresholds that it should be at.
    s, exponent = c.scaled()
    quotient = _ratio(s.n * s.excess**2, s.x * s.y * ((s.n - s.x) * (s.n - s.y)), undefined=0.0)
    return np.asarray(np.ldexp(quotient, exponent))


def kappa(c: Counts) -> Floats:
    """Agreement of X and Y beyond chance. Cohen, Educational and Psychological Measurement 20 (1960)."""
    chance = c.x * (c.n - c.y) + c.y * (c.n - c.x)
    return _ratio(2 * c.excess, chance, undefined=0.0)


def collective_strength(c: Counts) -> Floats:
    """Agreement over its expectation, times expected over true disagreement. Aggarwal and Yu, PODS 1998."""
    same, other = c.n - c.x - c.y + 2 * c.xy, c.x + c.y - 2 * c.xy
    expected = c.x * c.y + (c.n - c.x) * (c.n - c.y)
    # Not n squared less what is expected: rounded, that is not zero where both parts are in every basket.
    unexpected = c.x * (c.n - c.y) + c.y * (c.n - c.x)
    return _ratio(same * unexpected, other * expected, undefined=1.0)


def laplace(c: Counts) -> Floats:
    """Confidence with one basket more for and one against. Clark and Boswell, EWSL 1991."""
    return (c.xy + 1) / (c.x + 2)


def sebag(c: Counts) -> Floats:
    """P(XY) / P(X, not Y), infinite at confidence 1. Sebag and Schoenauer, EKAW 1988."""
    return _ratio(c.xy, c.x - c.xy, undefined=np.inf)


def counterexample(c: Counts) -> Floats:
    """(P(XY) - P(X, not Y)) / P(XY). Vaillant, Lenca and Lallich, Discovery Science 2004."""
    return (2 * c.xy - c.x) / c.xy


def least_contradiction(c: Counts) -> Floats:
    """(P(XY) - P(X, not Y)) / P(Y). Azé and Kodratoff, EGC 2002."""
    return (2 * c.xy - c.x) / c.y


def implication_index(c: Counts) -> Floats:
    """Counterexamples beyond those expected, in their standard deviations. Gras, thesis, Rennes (1979)."""
    expected = c.x * (c.n - c.y) / c.n
    return _ratio(-c.excess / c.n, np.sqrt(expected), undefined=0.0)


def rule_power_factor(c: Counts) -> Floats:
    """P(XY) P(Y | X). Ochin, Kumar and Joshi, Indian Journal of Science and Technology 9 (2016)."""
    return c.xy**2 / (c.n * c.x)


def gini(c: Counts) -> Floats:
    """By how much X lowers the impurity of Y. Breiman and others, Classification and Regression Trees (1984)."""
    # One quotient of whole numbers, as of kulczynski.
    s, _ = c.scaled()
    return _ratio(2 * s.excess**2, s.n**2 * (s.x * (s.n - s.x)), undefined=0.0)


def j_measure(c: Counts) -> Floats:
    """Information in nats that X gives about Y. Smyth and Goodman, IEEE TKDE 4 (1992)."""
    return _information(c.xy, c.x, c.y, c.n) + _information(c.x - c.xy, c.x, c.n - c.y, c.n)


def mutual_information(c: Counts) -> Floats:
    """Information in nats that X and Y give about each other. Tan, Kumar and Srivastava, KDD 2002."""
    without = Counts(c.y - c.xy, c.n - c.x, c.y, c.n)
    return np.maximum(j_measure(c) + j_measure(without), 0.0)


def _information(both: Floats, x: Floats, y: Floats, n: float | Floats) -> Floats:
    """P(XY) log(P(XY) / (P(X) P(Y))), which is 0 where nothing is in both."""
    with np.errstate(divide="ignore", invalid="ignore"):
        information = both / n * np.log(both * n / (x * y))
    return np.asarray(np.where(both == 0, 0.0, information))


MEASURES: dict[str, Callable[[Counts], Floats]] = {
    measure.__name__: measure
    for measure in (
        antecedent_support,
        consequent_support,
        support,
        confidence,
        lift,
        representativity,
        leverage,
        conviction,
        zhangs_metric,
        jaccard,
        certainty,
        kulczynski,
        count,
        all_confidence,
        max_confidence,
        cosine,
        imbalance_ratio,
        added_value,
        confidence_difference,
        relative_risk,
        odds_ratio,
        yules_q,
        yules_y,
        phi,
        chi_square,
        kappa,
        collective_strength,
        laplace,
        sebag,
        counterexample,
        least_contradiction,
        implication_index,
        rule_power_factor,
        gini,
        j_measure,
        mutual_information,
    )
}
# The columns of the table that mlxtend makes, in its order and under its names.
TABLE = {name: name.replace("_support", " support") for name in list(MEASURES)[:12]}
