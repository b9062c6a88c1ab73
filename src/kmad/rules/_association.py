"""The function that finds association rules."""

import numpy as np

from kmad._jit import frozen
from kmad._threads import Threads
from kmad._validation import check_choice, check_integer, check_jobs, check_real
from kmad.rules._itemsets import Itemsets
from kmad.rules._lattice import ANTECEDENT, CONSEQUENT, build_lattice, even_chunks, split
from kmad.rules._memory import memory_at_hand
from kmad.rules._reports import Reports
from kmad.rules._rules import ALL_MEASURES, Ids, Rules, spare_lattice
from kmad.rules._templates import Template, read_template
from kmad.rules._thresholds import ROUNDING, as_double

DEFAULT_CONFIDENCE = 0.8
# Three numbers of itemsets, three counts, and some measures.
BYTES_PER_RULE = 100

Parts = tuple[Ids, Ids, Ids]


def association_rules(
    itemsets: Itemsets,
    *,
    min_confidence: float | None = None,
    metric: str | None = None,
    min_threshold: float | None = None,
    min_antecedent: int = 1,
    max_antecedent: int | None = None,
    max_consequent: int | None = None,
    antecedent: Template = None,
    consequent: Template = None,
    max_rules: int | None = None,
    n_jobs: int | None = -1,
    verbose: int = 0,
) -> Rules:
    """Find the rules "who buys the antecedent buys the consequent too" among frequent itemsets.

    Every way to split an itemset of two or more items into antecedent and consequent is a candidate; those with enough
    confidence are the rules. Confidences are compared as quotients of whole counts: a rule that is exactly at the
    threshold is kept.

    Parameters
    ----------
    itemsets : Itemsets
        All frequent itemsets, as `apriori` returns them with ``kind="frequent"``, ``min_len=1`` and one minimum support
        for all items: rules need the support of every subset.

    min_confidence : float in [0, 1] or None, default=None
        Least share of the baskets with the antecedent that hold the consequent too. None is 0.8, or 0 where a `metric`
        is given.

    metric : str or None, default=None
        Another measure that rules must reach, such as ``"lift"``: any name of `Rules.measure` but ``"fisher_p"``.

    min_threshold : float or None, default=None
        The least value of `metric`. Rules whose value is not a number are left out.

    min_antecedent : int, default=1
        Fewest items of an antecedent.

    max_antecedent : int or None, default=None
        Most items of an antecedent; None for any number.

    max_consequent : int or None, default=None
        Most items of a consequent; None for any number, 1 for the rules that most other programs find.

    antecedent, consequent : collection of items, mapping or None, default=None
        Which items the part must and may hold. A collection names items that must all be in it. A mapping may have the
        keys ``"contains"`` (the same), ``"only"`` (no items but these) and ``"without"`` (none of these), each with a
        collection of items.

    max_rules : int or None, default=None
        Finding more rules is an error, and none are left out silently. None is what fits in half of the memory at hand.

    n_jobs : int or None, default=-1
        Number of threads, as in joblib: -1 for all processors, None for 1 unless joblib's context says otherwise. The
        result does not depend on it. It holds for measures that are asked for later, too.

    verbose : int, default=0
        1 tells the steps, and on long searches the progress, through the logger ``kmad``, or on standard error where
        logging has no handler.

    Returns
    -------
    Rules
        The rules in the order of the itemsets that they split; for one itemset consequents in depth-first order of
        their items: {a}, {a, b}, {a, b, c}, {a, c}, {b} and so on.

    Raises
    ------
    TypeError
        When an argument is of another type.
    ValueError
        When an argument is out of its range, a subset of an itemset is missing, or there are more than `max_rules`
        rules.

    See Also
    --------
    apriori : Finds the itemsets.

    Notes
    -----
    Where an antecedent fails, its subsets are skipped, as they are at least as common (Agrawal and Srikant 1994). The
    rules take 12 bytes each, every measure that is asked for 8 more, the search some 30 bytes for each itemset.

    References
    ----------
    R. Agrawal and R. Srikant, "Fast algorithms for mining association rules", VLDB 1994, 487-499.

    Examples
    --------
    >>> from kmad import apriori, association_rules
    >>> baskets = [["bread", "butter"], ["bread", "butter", "tea"], ["bread"], ["tea"]]
    >>> rules = association_rules(apriori(baskets, min_support=0.25), min_confidence=0.9, max_consequent=1)
    >>> for rule in rules.sort("support"):
    ...     print(sorted(rule.antecedent), "->", sorted(rule.consequent), rule.support)
    ['butter'] -> ['bread'] 0.5
    ['butter', 'tea'] -> ['bread'] 0.25
    ['bread', 'tea'] -> ['butter'] 0.25
    """
    if not isinstance(itemsets, Itemsets):
        raise TypeError(f"itemsets must be the Itemsets that apriori returns; got {type(itemsets).__name__}.")
    if itemsets.kind != "frequent":
        raise ValueError(
            "itemsets must be of the kind 'frequent', as rules need the support of every subset; got "
            f"{itemsets.kind!r}."
        )
    confidence = read_thresholds(min_confidence, metric, min_threshold)
    least = -np.inf if min_threshold is None else as_double(min_threshold)
    if itemsets.counts.dtype.kind == "f":
        confidence *= 1 - ROUNDING
    if max_rules is not None:
        check_integer("max_rules", max_rules, least=0)
    check_jobs(n_jobs)
    check_integer("verbose", verbose, least=0)
    reports = Reports(verbose)
    limit = memory_at_hand() // 2 // BYTES_PER_RULE if max_rules is None else int(max_rules)
    longest = int(itemsets.lengths.max(initial=1))
    check_integer("min_antecedent", min_antecedent, least=1)
    # No part of a set is as long as the longest set.
    bounds = [min(int(min_antecedent), longest)]
    for name, value in (("max_antecedent", max_antecedent), ("max_consequent", max_consequent)):
        if value is not None:
            check_integer(name, value, least=1)
        bounds.append(longest if value is None else min(int(value), longest))
    in_x = read_template("antecedent", antecedent, itemsets.labels)
    in_y = read_template("consequent", consequent, itemsets.labels)
    # What must be in one part cannot be in the other.
    sides = frozen(ANTECEDENT * (in_x.may & ~in_y.must) + CONSEQUENT * (in_y.may & ~in_x.must))
    needed = frozen(in_x.must | in_y.must)

    with Threads(n_jobs) as threads:
        chunks = even_chunks(itemsets)
        lattice = build_lattice(itemsets, chunks, threads)
        reports.tell("association_rules: %d itemsets have all their subsets", len(itemsets))
        n_rules = np.zeros(len(itemsets), np.int64)

        def run(start: int, stop: int, at: int, room: Parts) -> None:
            limits = (confidence, frozen(np.array(bounds)))
            split(*lattice, sides, needed, needed.sum(), *limits, start, stop, n_rules, at, *room)
            step = "written" if len(room[0]) else "counted"
            reports.tell_at_times("association_rules: rules %s up to itemset %d of %d", step, stop, len(itemsets))

        nowhere = new_room(0)
        threads.map(lambda start, stop: run(start, stop, 0, nowhere), chunks)
        first = np.concatenate([[0], np.cumsum(n_rules)])
        n_chosen: list[int] = []

        def choose(start: int, stop: int) -> Parts:
            room = new_room(first[stop] - first[start])
            run(start, stop, 0, room)
            rules = spare_lattice(Rules(itemsets, *room, n_jobs=1), lattice)
            kept = np.flatnonzero(rules.measure(str(metric)) >= least)
            n_chosen.append(len(kept))
            check_number(sum(n_chosen), limit)
            return room[0][kept], room[1][kept], room[2][kept]

        if metric is None:
            check_number(int(first[-1]), limit)
            room = new_room(first[-1])
            threads.map(lambda start, stop: run(start, stop, first[start], room), chunks)
        else:
            parts = threads.map(choose, chunks)
            x, y, z = (np.concatenate(part) for part in zip(*parts, strict=True))
            room = x, y, z
    reports.tell("association_rules: %d rules", len(room[0]))
    return spare_lattice(Rules(itemsets, *room, n_jobs=n_jobs), lattice)


def new_room(n_rules: int) -> Parts:
    """Arrays for the antecedents, consequents and unions of so many rules."""
    return np.empty(n_rules, np.int32), np.empty(n_rules, np.int32), np.empty(n_rules, np.int32)


def check_number(n_rules: int, limit: int) -> None:
    if n_rules > limit:
        raise ValueError(
            f"there are {n_rules:,} rules or more, above max_rules={limit:,}: raise min_confidence or min_threshold, "
            "bound max_antecedent or max_consequent, start from fewer itemsets, or raise max_rules."
        )


def read_thresholds(min_confidence: float | None, metric: str | None, min_threshold: float | None) -> float:
    """Check the thresholds; returns that of the confidence."""
    if (metric is None) != (min_threshold is None):
        given, missing = ("min_threshold", "metric") if metric is None else ("metric", "min_threshold")
        raise ValueError(f"metric and min_threshold must be given together; got {given} without {missing}.")
    if metric is not None:
        check_choice("metric", metric, (name for name in ALL_MEASURES if name != "fisher_p"))
        check_real("min_threshold", min_threshold, below=np.inf, least=-np.inf)
    if min_confidence is None:
        return DEFAULT_CONFIDENCE if metric is None else 0.0
    check_real("min_confidence", min_confidence, least=0, below=np.inf)
    if min_confidence > 1:
        raise ValueError(f"min_confidence must be at most 1; got {min_confidence!r}.")
    return as_double(min_confidence)
