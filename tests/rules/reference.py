"""Frequent itemsets by trying every set."""

from itertools import combinations


def count_sets(baskets, weights=None):
    """The weight of the baskets that hold each set of the items that occur."""
    weights = [1] * len(baskets) if weights is None else weights
    sets = list(map(frozenset, baskets))
    # Baskets of no weight are none.
    items = sorted(frozenset().union(*(s for s, w in zip(sets, weights, strict=True) if w)))
    chosen = [frozenset(c) for k in range(1, len(items) + 1) for c in combinations(items, k)]
    return {c: sum(w for s, w in zip(sets, weights, strict=True) if c <= s) for c in chosen}


def frequent_sets(baskets, least, weights=None):
    """All sets whose count reaches the lowest threshold of their items; `least` is a count or a mapping."""
    counts = count_sets(baskets, weights)

    def threshold(items):
        return min(least[item] for item in items) if isinstance(least, dict) else least

    return {items: count for items, count in counts.items() if count and count >= threshold(items)}


def closed_sets(frequent):
    return {s: n for s, n in frequent.items() if not any(s < t and n == frequent[t] for t in frequent)}


def maximal_sets(frequent):
    return {s: n for s, n in frequent.items() if not any(s < t for t in frequent)}


KINDS = {"frequent": dict, "closed": closed_sets, "maximal": maximal_sets}


def mine(baskets, least, *, kind="frequent", weights=None, min_len=1, max_len=99):
    found = KINDS[kind](frequent_sets(baskets, least, weights))
    return {s: n for s, n in found.items() if min_len <= len(s) <= max_len}
