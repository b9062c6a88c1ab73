"""Slow and obvious twins of the search for rules, of the measures and of what is computed from them."""

from fractions import Fraction
from itertools import chain, combinations
from math import comb, inf, log, sqrt

import numpy as np

from kmad.rules import Itemsets


def subsets(items, *, least=1):
    items = sorted(items)
    return map(frozenset, chain.from_iterable(combinations(items, k) for k in range(least, len(items) + 1)))


def support_counts(baskets, min_count=1):
    """Count of every set of items that at least `min_count` baskets hold."""
    found = {}
    for basket in baskets:
        for held in subsets(set(basket)):
            found[held] = found.get(held, 0) + 1
    return {held: n for held, n in found.items() if n >= min_count}


def itemsets_of(baskets, min_count=1, **options):
    """All itemsets that at least `min_count` baskets hold, in the order that apriori promises."""
    labels = list(dict.fromkeys(chain.from_iterable(baskets)))
    found = support_counts(baskets, min_count)
    sets = sorted((sorted(map(labels.index, held)) for held in found), key=lambda ids: (len(ids), ids))
    counts = [found[frozenset(labels[j] for j in ids)] for ids in sets]
    given = {
        "items": list(chain.from_iterable(sets)),
        "offsets": np.concatenate([[0], np.cumsum([len(ids) for ids in sets])]),
        "counts": np.array(counts, np.int64),
        "labels": labels,
        "n_baskets": len(baskets),
    }
    return Itemsets(**{**given, **options})


def count(baskets, items):
    return sum(set(items) <= set(basket) for basket in baskets)


def rules_of(baskets, min_count, min_confidence):
    """Every (antecedent, consequent) of a frequent set whose confidence is at least a fraction."""
    found = support_counts(baskets, min_count)
    return {
        (antecedent, whole - antecedent)
        for whole, n in found.items()
        for antecedent in subsets(whole)
        if antecedent != whole and Fraction(n, found[antecedent]) >= min_confidence
    }


def improvement(baskets, antecedent, consequent):
    """Confidence less the best confidence of a rule with a smaller antecedent, also the empty one."""

    def confidence(items):
        return Fraction(count(baskets, items | consequent), count(baskets, items))

    smaller = [part for part in subsets(antecedent, least=0) if part != antecedent]
    return confidence(antecedent) - max(map(confidence, smaller))


def offers(rules, basket, score, combine):
    """Score of every item that a rule offers for the basket."""
    found = {}
    for rule, value in zip(rules, score, strict=True):
        if rule[0] <= set(basket):
            for item in rule[1] - set(basket):
                found.setdefault(item, []).append(value)
    return {item: (max if combine == "max" else sum)(values) for item, values in found.items()}


def tables(n, x, y):
    """Chance, as a fraction, of every number of baskets with both parts when they are independent."""
    both = range(max(0, x + y - n), min(x, y) + 1)
    return {k: Fraction(comb(x, k) * comb(n - x, y - k), comb(n, y)) for k in both}


def fisher(xy, x, y, n, alternative):
    chance = tables(n, x, y)
    if alternative == "greater":
        return float(sum(p for k, p in chance.items() if k >= xy))
    return float(sum(p for p in chance.values() if p <= chance[xy]))


def share(numerator, denominator, undefined):
    """The quotient, infinite or undefined where the denominator is zero."""
    if denominator == 0:
        return undefined if numerator == 0 else inf
    return numerator / denominator


def entropy(*chances):
    return -sum(p * log(p) for p in chances if p > 0)


def measures(baskets, antecedent, consequent):
    """Every measure from the baskets themselves, as its definition has it."""
    has_x = [antecedent <= set(basket) for basket in baskets]
    has_y = [consequent <= set(basket) for basket in baskets]

    def chance(event, given=lambda x, y: True):  # noqa: ARG005 - nothing is given
        cases = [(x, y) for x, y in zip(has_x, has_y, strict=True) if given(x, y)]
        return Fraction(sum(bool(event(x, y)) for x, y in cases), len(cases)) if cases else None

    def x_and_y(x, y):
        return x and y

    def is_x(x, _):
        return x

    def is_y(_, y):
        return y

    n = len(baskets)
    p_x, p_y, p_xy = chance(is_x), chance(is_y), chance(x_and_y)
    p_x_not_y, p_not_x_y = chance(lambda x, y: x and not y), chance(lambda x, y: y and not x)
    p_neither = chance(lambda x, y: not x and not y)
    p_same = chance(lambda x, y: x == y)
    forward, backward = chance(is_y, given=is_x), chance(is_x, given=is_y)
    otherwise = chance(is_y, given=lambda x, _: not x)
    leverage = p_xy - p_x * p_y
    expected_same = p_x * p_y + (1 - p_x) * (1 - p_y)
    odds = share(p_xy * p_neither, p_x_not_y * p_not_x_y, Fraction(1))
    root = inf if odds == inf else sqrt(odds)
    deviation = sqrt(p_x * (1 - p_x) * p_y * (1 - p_y))
    cells = [(p_xy, p_x * p_y), (p_x_not_y, p_x * (1 - p_y)), (p_not_x_y, (1 - p_x) * p_y)]
    cells.append((p_neither, (1 - p_x) * (1 - p_y)))
    chi_square = sum(share(n * (p - expected) ** 2, expected, 0) for p, expected in cells)

    def impurity(p):
        return 0 if p is None else 1 - p**2 - (1 - p) ** 2

    found = {
        "count": sum(x and y for x, y in zip(has_x, has_y, strict=True)),
        "antecedent_support": p_x,
        "consequent_support": p_y,
        "support": p_xy,
        "confidence": forward,
        "lift": forward / p_y,
        "representativity": 1,
        "leverage": leverage,
        "conviction": share(p_x * (1 - p_y), p_x_not_y, inf),
        "zhangs_metric": share(leverage, max(p_xy * (1 - p_x), p_x * (p_y - p_xy)), 0),
        "jaccard": p_xy / chance(lambda x, y: x or y),
        "certainty": share(forward - p_y, 1 - p_y, 0),
        "kulczynski": (forward + backward) / 2,
        "all_confidence": min(forward, backward),
        "max_confidence": max(forward, backward),
        "cosine": sqrt(forward * backward),
        "imbalance_ratio": abs(p_x - p_y) / chance(lambda x, y: x or y),
        "added_value": forward - p_y,
        "confidence_difference": 0 if otherwise is None else forward - otherwise,
        "relative_risk": 1 if otherwise is None else share(forward, otherwise, 1),
        "odds_ratio": odds,
        "yules_q": 1 if odds == inf else (odds - 1) / (odds + 1),
        "yules_y": 1 if odds == inf else (root - 1) / (root + 1),
        "phi": share(leverage, deviation, 0),
        "chi_square": chi_square,
        "kappa": share(p_same - expected_same, 1 - expected_same, 0),
        "collective_strength": share(p_same * (1 - expected_same), expected_same * (1 - p_same), 1),
        "laplace": (n * p_xy + 1) / (n * p_x + 2),
        "sebag": share(p_xy, p_x_not_y, inf),
        "counterexample": (p_xy - p_x_not_y) / p_xy,
        "least_contradiction": (p_xy - p_x_not_y) / p_y,
        "implication_index": share(n * (p_x_not_y - p_x * (1 - p_y)), sqrt(n * p_x * (1 - p_y)), 0),
        "rule_power_factor": p_xy * forward,
        "gini": impurity(p_y) - p_x * impurity(forward) - (1 - p_x) * impurity(otherwise),
        "j_measure": sum(float(p) * log(p / expected) for p, expected in cells[:2] if p > 0),
        "mutual_information": entropy(p_x, 1 - p_x) + entropy(p_y, 1 - p_y) - entropy(*(p for p, _ in cells)),
    }
    return {name: float(value) for name, value in found.items()}
