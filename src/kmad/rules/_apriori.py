"""The function that finds frequent itemsets."""

import math
from collections.abc import Hashable, Mapping
from fractions import Fraction
from numbers import Integral, Rational, Real
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from kmad._threads import Threads
from kmad._validation import check_choice, check_integer, check_jobs, check_weights
from kmad.rules._baskets import Integers, Labels
from kmad.rules._database import build_database, count_items
from kmad.rules._itemsets import KINDS, Itemsets
from kmad.rules._miner import Miner, TooManyItemsetsError
from kmad.rules._order import sort_sets
from kmad.rules._readers import read_baskets
from kmad.rules._reports import Reports
from kmad.rules._thresholds import ROUNDING, as_double

# Weights that are no whole numbers become multiples of a unit, their total of about this many bits.
WEIGHT_BITS = 60


def apriori(
    baskets: object,
    *,
    min_support: float | Fraction | Mapping[Any, float | Fraction],
    min_len: int = 1,
    max_len: int | None = None,
    kind: str = "frequent",
    sample_weight: ArrayLike | None = None,
    basket: Hashable = None,
    item: Hashable = None,
    max_itemsets: int | None = None,
    n_jobs: int | None = -1,
    verbose: int = 0,
) -> Itemsets:
    """Find all sets of items that stand together in many baskets.

    Parameters
    ----------
    baskets : iterable of iterables, table, array, sparse matrix or path
        One of

        - lists of hashable items, one for each basket (tuples, sets and arrays do as well);
        - a table (pandas, polars, pyarrow) with one row for each item of a basket, whose columns `basket` and `item`
          name;
        - a one-hot table or boolean array: a row for each basket, a column for each item, of booleans or 0 and 1
          (sparse pandas columns stay sparse);
        - a SciPy sparse matrix of the same form;
        - the path of a file in the FIMI format: a line of integers for each basket, an empty one for an empty basket;
          gzipped where it ends in ``.gz``.

        An item that stands twice in a basket counts once. Empty baskets count as baskets, except in a table of
        basket and item, which cannot show them. Missing values are refused.

    min_support : float or Fraction in (0, 1], int >= 1, or mapping
        Share of the baskets that must hold a set, or with an integer the number of baskets. A support that is equal
        counts: 7 of 100 baskets are enough for 0.07. A Fraction is taken exactly. Note that 1 is one basket and 1.0
        is all of them.

        A mapping gives each item its own (a defaultdict those that it does not name): a set is frequent when its
        count reaches the lowest threshold of its items, so that rare items need not set the threshold for all.

    min_len, max_len : int, default=1 and None
        Least and greatest number of items in a set. Whether a set is closed or maximal is a matter of all frequent
        sets, of any length.

    kind : {"frequent", "closed", "maximal"}, default="frequent"
        All frequent sets, only those with no superset of the same count, or only those with no frequent superset.

    sample_weight : array-like of shape (n_baskets,), optional
        What each basket counts; baskets of a long table are in order of first appearance. Counts are then weights,
        and an integer `min_support` is one. Weights that are not whole numbers are taken as multiples of a small
        unit, 2^-60 of their total or less, so that sums depend on no order; as they are rounded, a set that falls
        short of `min_support` by less than 1e-12 of it is kept.

    basket, item : str, optional
        Columns of a long table; in pandas any other name that a column has will do.

    max_itemsets : int, optional
        Finding more than so many sets, including those that `min_len` then leaves out, is an error. The default is
        what fits in half of the memory at hand.

    n_jobs : int or None, default=-1
        Number of threads, as in joblib: -1 for all processors. The result does not depend on it.

    verbose : int, default=0
        1 tells the steps, and on long searches the progress, through the logger ``kmad``, or on standard error where
        logging has no handler.

    Returns
    -------
    Itemsets
        The sets and their counts, as arrays.

    Raises
    ------
    ValueError
        When an argument is out of its range, a value is missing, or there are more than `max_itemsets` sets.
    TypeError
        When an argument is of another type.

    Notes
    -----
    The contract is that of Apriori [1]_: all frequent sets, counted exactly. The search is not level by level: each
    item's baskets are cut to the rarer part of the items that go with it, counted row by row where they are short,
    and intersected as bits where they are long [2]_ [3]_; equal baskets are merged, and items that stand in every
    basket of a set double its subsets at once. Closed sets come from the same search, which leaves a branch as soon
    as an item left out before stands in all its baskets [4]_. Several minimum supports are those of [5]_, exact.

    Beside the input and the result, memory is needed for the items of all baskets up to four times at four bytes, of
    one-hot columns for the frequent ones alone, and some 20 bytes for each set.

    References
    ----------
    .. [1] R. Agrawal and R. Srikant, "Fast algorithms for mining association rules", VLDB 1994, 487-499.
    .. [2] M. J. Zaki, "Scalable algorithms for association mining", IEEE TKDE 12 (2000), 372-390.
    .. [3] C. Borgelt, "Efficient implementations of Apriori and Eclat", FIMI 2003, CEUR 90.
    .. [4] T. Uno, M. Kiyomi and H. Arimura, "LCM ver. 2", FIMI 2004, CEUR 126.
    .. [5] B. Liu, W. Hsu and Y. Ma, "Mining association rules with multiple minimum supports", KDD 1999, 337-341.

    Examples
    --------
    >>> from kmad import apriori
    >>> baskets = [["bread", "milk"], ["bread", "tea"], ["bread", "milk", "tea"], ["milk"]]
    >>> itemsets = apriori(baskets, min_support=0.5)
    >>> for items, support in itemsets:
    ...     print(sorted(items), support)
    ['bread'] 0.75
    ['milk'] 0.75
    ['tea'] 0.5
    ['bread', 'milk'] 0.5
    ['bread', 'tea'] 0.5
    >>> apriori(baskets, min_support={"bread": 3, "milk": 3, "tea": 1}).itemset(-1) == {"bread", "milk", "tea"}
    True
    """
    check_arguments(min_len, max_len, kind, max_itemsets, n_jobs, verbose)
    check_support("min_support", min_support)
    reports = Reports(verbose)
    with Threads(n_jobs) as threads:
        read = read_baskets(baskets, basket, item, threads)
        reports.tell("apriori: %d baskets of %d different items", read.n_baskets, len(read.labels))
        weights, total, unit = whole_weights(sample_weight, read.n_baskets)
        least = thresholds(min_support, read.labels, total, unit)
        if read.numbers is not None:
            least = least[read.numbers]
        counts = count_items(read, weights, threads)
        database, ids = build_database(read, weights, counts, least, threads)
        if read.numbers is not None:
            ids = read.numbers[ids]
        reports.tell("apriori: %d items may be in frequent sets", len(ids))
        try:
            trees = Miner(database, kind, max_len, max_itemsets, reports, threads).run()
        except TooManyItemsetsError as error:
            raise ValueError(
                f"more than max_itemsets={error.limit:,} sets are {kind} at min_support={min_support!r}. Raise "
                'min_support, set max_len, ask for kind="closed" or "maximal", or raise max_itemsets.'
            ) from None
        # No set is longer than there are items.
        flat, edges, found = sort_sets(trees, ids, min(int(min_len), len(ids) + 1), threads)
    reports.tell("apriori: %d %s itemsets", len(found), kind)
    return Itemsets(
        items=flat,
        offsets=edges,
        counts=found if unit == 1 else found * float(unit),
        labels=read.labels,
        n_baskets=total if unit == 1 else float(total * unit),
        kind=kind,
        backend=read.backend,
    )


def check_arguments(
    min_len: object, max_len: object, kind: object, max_itemsets: object, n_jobs: object, verbose: object
) -> None:
    check_integer("min_len", min_len, least=1)
    if max_len is not None:
        check_integer("max_len", max_len, least=1)
        if max_len < min_len:  # type: ignore[operator]
            raise ValueError(f"max_len must be at least min_len={min_len}; got {max_len}.")
    check_choice("kind", kind, KINDS)
    if max_itemsets is not None:
        check_integer("max_itemsets", max_itemsets, least=1)
    check_jobs(n_jobs)
    check_integer("verbose", verbose, least=0)


def check_support(name: str, support: Any) -> None:
    if isinstance(support, Mapping):
        for key, value in support.items():
            if isinstance(value, Mapping):
                raise TypeError(f"{name}[{key!r}] must be a number; got {value!r}.")
            check_support(f"{name}[{key!r}]", value)
        return
    if isinstance(support, bool | np.bool_) or not isinstance(support, Real):
        raise TypeError(f"{name} must be a share of the baskets, a count or a mapping; got {support!r}.")
    if isinstance(support, Integral):
        if int(support) < 1:
            raise ValueError(f"{name} must be at least 1 as a count; got {support!r}.")
    # Compared as it is: there are fractions that no float holds.
    elif not 0 < cast("Any", support) <= 1:
        raise ValueError(f"{name} must lie above 0 and up to 1.0 as a share, or be an integer; got {support!r}.")


def thresholds(support: Any, labels: Labels, total: int, unit: Fraction) -> Integers:
    """The count that each item asks for, in units."""
    if not isinstance(support, Mapping):
        return np.full(len(labels), least_count(support, total, unit), np.int64)
    # By type too: 1 equals 1.0, which asks for all baskets.
    counts: dict[tuple[type, Any], int] = {}
    least = np.empty(len(labels), np.int64)
    for j, label in enumerate(labels):
        try:
            wanted = support[label]
        except KeyError:
            raise ValueError(
                f"min_support must give a support for every item; {label!r} has none. A defaultdict has one for all."
            ) from None
        key = type(wanted), wanted
        if key not in counts:
            # What a defaultdict makes up has not been checked.
            check_support(f"min_support[{label!r}]", wanted)
            counts[key] = least_count(wanted, total, unit)
        least[j] = counts[key]
    return least


def least_count(support: Any, total: int, unit: Fraction) -> int:
    """The least count whose share of the total is at least `support`: of a float, as its own division has it."""
    if unit != 1:
        exact = Fraction(support if isinstance(support, Rational) else as_double(support))
        exact = exact / unit if isinstance(support, Integral) else exact * total
        return max(1, min(math.ceil(exact * (1 - Fraction(ROUNDING))), total + 1))
    if isinstance(support, Integral):
        return min(int(support), total + 1)
    if isinstance(support, Rational):
        return max(1, math.ceil(Fraction(support) * total))
    share = as_double(support)
    numerator, denominator = share.as_integer_ratio()
    count = max(1, numerator * total // denominator)
    while count / max(total, 1) < share and count <= total:
        count += 1
    return count


def whole_weights(sample_weight: ArrayLike | None, n_baskets: int) -> tuple[Integers, int, Fraction]:
    """Weights as multiples of a unit, their total, and the unit; none for baskets that weigh one each."""
    if sample_weight is None:
        return np.empty(0, np.int64), n_baskets, Fraction(1)
    weights = check_weights("sample_weight", sample_weight, n_baskets)
    exponent = 0
    if not np.array_equal(weights, np.rint(weights)):
        exponent = int(np.frexp(weights.sum())[1]) - WEIGHT_BITS
    elif weights.sum() >= 2.0**WEIGHT_BITS:
        raise ValueError(f"sample_weight must have a sum below 2^{WEIGHT_BITS}; got {weights.sum()}.")
    whole = np.rint(np.ldexp(weights, -exponent)).astype(np.int64)
    shift = trailing_zeros(whole) if exponent else 0
    whole >>= shift
    return whole, int(whole.sum()), Fraction(2) ** (exponent + shift)


def trailing_zeros(whole: Integers) -> int:
    """How often all numbers can be halved."""
    bits = int(np.bitwise_or.reduce(whole))
    return (bits & -bits).bit_length() - 1
