"""Association rules: the arrays that hold them, and what can be asked of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from kmad._frames import choose_backend, make_table
from kmad._jit import frozen
from kmad._threads import Threads
from kmad._validation import check_choice, check_integer, check_real
from kmad.rules._baskets import by_basket
from kmad.rules._lattice import Lattice, build_lattice, even_chunks, improve, simplify
from kmad.rules._measures import MEASURES, TABLE, Counts
from kmad.rules._readers import read_baskets
from kmad.rules._recommend import (
    COMBINE,
    Offers,
    Recommendation,
    Recommendations,
    collect_offers,
    recommend,
)
from kmad.rules._significance import (
    ADJUSTMENTS,
    AGAINST,
    ALTERNATIVES,
    METHODS,
    adjust_p_values,
    chi_square_test,
    fisher,
)
from kmad.rules._templates import Template, read_template
from kmad.rules._thresholds import as_double

if TYPE_CHECKING:
    from kmad.rules._itemsets import Itemsets

Floats = NDArray[np.float64]
Ids = NDArray[np.int32]

# Rules of a chunk that are held against more general ones: each takes about a microsecond.
CHUNK_RULES = 1 << 13


class Rule(NamedTuple):
    """One rule, as `Rules` gives it when it is indexed or iterated over.

    Parameters
    ----------
    antecedent, consequent : frozenset
        The items of its parts.
    support, confidence, lift : float
        These measures of it.
    """

    antecedent: frozenset[Any]
    consequent: frozenset[Any]
    support: float
    confidence: float
    lift: float


class Rules:
    """Association rules, held as arrays.

    `association_rules` returns it. A rule is three numbers of itemsets: its antecedent, its consequent, and the union
    of both. Every measure is an array with one entry for each rule, computed when it is first asked for:
    ``rules.lift``, or ``rules.measure("lift")``; the user guide lists them. Indexing with a number gives a `Rule`, with
    a slice, a boolean mask or an array of numbers again `Rules`: ``rules[rules.lift > 2]``. Iterating gives each
    `Rule`.

    Parameters
    ----------
    itemsets : Itemsets
        The frequent itemsets, with every subset of theirs.

    antecedent, consequent, union : array of shape (n_rules,), int32
        Numbers of itemsets.

    n_jobs : int or None, default=-1
        Number of threads for what is computed later, as in joblib.

    Attributes
    ----------
    itemsets, antecedent, consequent, union
        As above; the arrays are read-only.

    See Also
    --------
    association_rules : Finds the rules.
    RulesDisplay : Draws them.

    Examples
    --------
    >>> from kmad import apriori, association_rules
    >>> baskets = [["bread", "butter"], ["bread", "butter", "tea"], ["bread"], ["tea"]]
    >>> rules = association_rules(apriori(baskets, min_support=0.5), min_confidence=0.6)
    >>> rules
    <Rules: 2 among 3 items, in 4 baskets>
    >>> rules[0]
    Rule(antecedent=frozenset({'butter'}), consequent=frozenset({'bread'}), support=0.5, confidence=1.0, lift=1.333...)
    >>> rules.confidence
    array([1.        , 0.666...])
    >>> rules.sort("lift").recommend(["butter"])
    [Recommendation(item='bread', score=1.0, rule=0)]
    """

    def __init__(
        self,
        itemsets: Itemsets,
        antecedent: Ids,
        consequent: Ids,
        union: Ids,
        *,
        n_jobs: int | None = -1,
    ) -> None:
        self.itemsets = itemsets
        self.antecedent = frozen(np.asarray(antecedent, np.int32))
        self.consequent = frozen(np.asarray(consequent, np.int32))
        self.union = frozen(np.asarray(union, np.int32))
        self._n_jobs = n_jobs
        self._lattice: Lattice | None = None
        self._measured: dict[str, Floats] = {}
        self._offers: dict[tuple[str, str], Offers] = {}

    def __len__(self) -> int:
        return len(self.union)

    def __repr__(self) -> str:
        sets = self.itemsets
        return f"<Rules: {len(self):,} among {len(sets.labels):,} items, in {sets.n_baskets:,} baskets>"

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, Integral):
            i = range(len(self))[int(key)]
            rule = self._select(np.array([i]))
            return next(iter(rule))
        if isinstance(key, np.ndarray) and key.dtype == bool and key.shape != self.union.shape:
            raise ValueError(f"a mask must have one entry for each of {len(self)} rules; got the shape {key.shape}.")
        return self._select(key)

    def __iter__(self) -> Iterator[Rule]:
        names = self._names(frozenset)
        antecedents, consequents = names[self.antecedent].tolist(), names[self.consequent].tolist()
        measures = (self.measure(name).tolist() for name in Rule._fields[2:])
        return map(Rule, antecedents, consequents, *measures)

    def __getattr__(self, name: str) -> Floats:
        if name not in ALL_MEASURES:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self.measure(name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *ALL_MEASURES})

    def measure(self, name: str) -> Floats:
        """One measure of every rule.

        Parameters
        ----------
        name : str
            Its name: see the table of measures in the user guide.

        Returns
        -------
        ndarray of shape (n_rules,), float64
            Read-only. It is kept, and computed once.

        Raises
        ------
        ValueError
            When there is no such measure, or ``"fisher_p"`` is asked for where baskets have fractional weights.
        """
        check_choice("measure", name, ALL_MEASURES)
        if name not in self._measured:
            self._measured[name] = frozen(ALL_MEASURES[name](self))
        return self._measured[name]

    @cached_property
    def _counts(self) -> Counts:
        counts = self.itemsets.counts.astype(np.float64)
        n = float(self.itemsets.n_baskets)
        return Counts(counts[self.union], counts[self.antecedent], counts[self.consequent], n)

    def p_values(
        self,
        *,
        method: str = "fisher",
        against: str = "independence",
        alternative: str = "greater",
        adjust: str = "none",
        n_tests: int | None = None,
    ) -> Floats:
        """Chance that unrelated parts would stand together as often as those of each rule.

        Parameters
        ----------
        method : {"fisher", "chi-square"}, default="fisher"
            Fisher's exact test, or Pearson's chi-square test without continuity correction.

        against : {"independence", "simpler"}, default="independence"
            Whether the consequent is tested for independence of the antecedent among all baskets, or of each item of
            the antecedent among the baskets with the others: then the largest of these p-values counts, and a small one
            says that no item could be left out. For antecedents of one item both are the same.

        alternative : {"greater", "two-sided"}, default="greater"
            Whether the parts stand together more often than independent ones would, or as far from that in either
            direction. In the two-sided exact test these are the tables that are no more likely than the observed one.

        adjust : {"none", "bonferroni", "holm", "fdr"}, default="none"
            Correction for the number of tests: of the chance of any false rule (Bonferroni, Holm), or of the expected
            share of false ones (Benjamini and Hochberg).

        n_tests : int or None, default=None
            Number of tests to correct for; None is the number of rules. Rules that were sought for their confidence
            are a choice of the promising ones: give the number of all that were looked at to be on the safe side.

        Returns
        -------
        ndarray of shape (n_rules,), float64
            The p-values; the smallest that a float can hold is about 1e-308, below that they are 0.

        Raises
        ------
        ValueError
            When an argument is not among the above, `n_tests` is below the number of rules, or an exact test is asked
            for where baskets have fractional weights.

        References
        ----------
        G. I. Webb, "Discovering significant patterns", Machine Learning 68 (2007), 1-33: tests against simpler rules.

        R. A. Fisher, "On the interpretation of chi-square from contingency tables, and the calculation of P", Journal
        of the Royal Statistical Society 85 (1922), 87-94.

        S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979),
        65-70.

        Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate", Journal of the Royal Statistical Society B
        57 (1995), 289-300.
        """
        check_choice("method", method, METHODS)
        check_choice("against", against, AGAINST)
        check_choice("alternative", alternative, ALTERNATIVES)
        check_choice("adjust", adjust, ADJUSTMENTS)
        if n_tests is None:
            n_tests = len(self)
        check_integer("n_tests", n_tests, least=len(self))
        if method == "fisher" and self.itemsets.counts.dtype.kind == "f":
            raise ValueError("method 'fisher' counts whole baskets, but these have fractional weights.")
        starts, counts = np.arange(len(self)), self._counts
        if against == "simpler":
            starts, counts = self._simpler_counts()
        with Threads(self._n_jobs) as threads:
            p = fisher(counts, alternative, threads) if method == "fisher" else chi_square_test(counts, alternative)
        if len(self):
            p = np.maximum.reduceat(p, starts)
        return adjust_p_values(p, adjust, int(n_tests))

    def significant(
        self,
        alpha: float = 0.05,
        *,
        method: str = "fisher",
        against: str = "independence",
        alternative: str = "greater",
        adjust: str = "none",
        n_tests: int | None = None,
    ) -> Rules:
        """The rules whose p-value is at most `alpha`.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            The level.

        method : {"fisher", "chi-square"}, default="fisher"
            The test, as in `p_values`.

        against : {"independence", "simpler"}, default="independence"
            What the rule must do better than, as in `p_values`.

        alternative : {"greater", "two-sided"}, default="greater"
            What is tested, as in `p_values`.

        adjust : {"none", "bonferroni", "holm", "fdr"}, default="none"
            Correction for the number of tests, as in `p_values`.

        n_tests : int or None, default=None
            Number of tests to correct for, as in `p_values`.

        Returns
        -------
        Rules
            Those rules, in their order.
        """
        check_real("alpha", alpha, above=0, below=1)
        p = self.p_values(method=method, against=against, alternative=alternative, adjust=adjust, n_tests=n_tests)
        return self._select(p <= alpha)

    def prune_redundant(self, *, min_improvement: float = 0.0) -> Rules:
        """The rules that say more than any simpler one.

        A rule is redundant when a part of its antecedent, or none of it, gives the same consequent at least as much
        confidence: when its `improvement` is 0 or less. All parts are looked at, also those whose rules were left out
        by a threshold or template.

        Parameters
        ----------
        min_improvement : float in [0, 1), default=0.0
            The least improvement of confidence to keep a rule for. At 0 any will do that is above 0.

        Returns
        -------
        Rules
            Those rules, in their order.

        References
        ----------
        R. J. Bayardo, R. Agrawal and D. Gunopulos, "Constraint-based rule mining in large, dense databases", Data
        Mining and Knowledge Discovery 4 (2000), 217-240.
        """
        check_real("min_improvement", min_improvement, least=0, below=1)
        improvement = self.measure("improvement")
        return self._select((improvement > 0) & (improvement >= as_double(min_improvement)))

    def filter(self, *, antecedent: Template = None, consequent: Template = None) -> Rules:
        """The rules whose parts fit the templates; for anything else index with a mask.

        Parameters
        ----------
        antecedent, consequent : collection of items, mapping or None, default=None
            As in `association_rules`.

        Returns
        -------
        Rules
            Those rules, in their order.
        """
        labels = self.itemsets.labels
        fits_x = read_template("antecedent", antecedent, labels).match(self.itemsets)
        fits_y = read_template("consequent", consequent, labels).match(self.itemsets)
        return self._select(fits_x[self.antecedent] & fits_y[self.consequent])

    def sort(self, by: str | Sequence[str] = "confidence", *, descending: bool = True) -> Rules:
        """The rules in order of one or more measures.

        Parameters
        ----------
        by : str or sequence of str, default="confidence"
            Measures; where the first is equal the second decides, and so on. Rules that are equal in all keep their
            order.

        descending : bool, default=True
            Largest first. What is not a number comes last in either order.

        Returns
        -------
        Rules
            All rules, sorted.
        """
        names = [by] if isinstance(by, str) else list(by)
        if not names:
            raise ValueError(f"by must name at least one measure; got {by!r}.")
        keys = [self.measure(name) for name in names]
        order = np.lexsort([-key if descending else key for key in reversed(keys)])
        return self._select(order)

    def recommend(
        self, basket: Iterable[Any], *, n: int = 5, by: str = "confidence", combine: str = "max"
    ) -> list[Recommendation]:
        """What to offer to someone with this basket.

        Every rule whose antecedent is in the basket offers those items of its consequent that are not. What is looked
        up is kept: the first call on some rules takes longer than the next.

        Parameters
        ----------
        basket : collection of items
            What someone has. Items that no rule knows do not matter.

        n : int, default=5
            Most items to offer; any number that is large enough gives all.

        by : str, default="confidence"
            Measure that scores the rules; the higher the better. Rules whose value is not a number offer nothing.

        combine : {"max", "sum"}, default="max"
            Score of an item that several rules offer: the highest of theirs, or the sum over the antecedents and
            consequents that lead to it. Items of equal score stand in the order of their best rules: by score, then
            support, then shortness of the antecedent, then place.

        Returns
        -------
        list of Recommendation
            The `item`, its `score` and the number of the best `rule` that offers it, best first; empty when no rule
            applies.

        Raises
        ------
        TypeError
            When the basket is no collection of hashable items.
        ValueError
            When another argument is not among the above.
        """
        if isinstance(basket, str | bytes) or not isinstance(basket, Iterable):
            raise TypeError(f"basket must be a collection of items; got {basket!r}, a {type(basket).__name__}.")
        try:
            items = np.array([self._ids.get(item, -1) for item in basket], np.int64)
        except TypeError as error:
            raise TypeError(f"basket must hold hashable items; {error}. For many there is recommend_many.") from error
        check_integer("n", n, least=1)
        # No more can be offered than there are, and without any there is nothing to find.
        n = min(int(n), max(1, len(self.itemsets.labels)))
        return self._recommend(items, np.array([0, len(items)]), n, by, combine)[0]

    def recommend_many(
        self,
        baskets: Any,
        *,
        n: int = 5,
        by: str = "confidence",
        combine: str = "max",
        basket: Hashable = None,
        item: Hashable = None,
    ) -> Recommendations:
        """What to offer to each of many baskets.

        Parameters
        ----------
        baskets : list of lists, table, array, sparse matrix or path
            Baskets as `apriori` takes them. Items that no rule knows do not matter.

        n : int, default=5
            Most items to offer for a basket. The result has room for so many of each, whether or not there are.

        by : str, default="confidence"
            Measure that scores the rules, as in `recommend`.

        combine : {"max", "sum"}, default="max"
            Score of an item that several rules offer, as in `recommend`.

        basket, item : str or None, default=None
            The columns of a long table, as in `apriori`.

        Returns
        -------
        Recommendations
            Arrays with a row for each basket. A long table's baskets stand in the order in which they first appear, and
            have their names in `Recommendations.to_frame`; others are numbered.

        Raises
        ------
        TypeError, ValueError
            When the baskets are of no such kind, another argument is not among the above, or the room for `n` items of
            each basket is more than half of the memory at hand.
        """
        check_integer("n", n, least=1)
        with Threads(self._n_jobs) as threads:
            given = by_basket(read_baskets(baskets, basket, item, threads))
        numbers = np.array([self._ids.get(label, -1) for label in given.labels], np.int64)
        names: Sequence[Any] = range(given.n_baskets)
        if basket is not None:
            column = nw.from_native(baskets, eager_only=True).get_column(cast("str", basket))
            names = column.unique(maintain_order=True).to_list()
        return self._recommend(numbers[given.items], given.offsets, n, by, combine, names=names, backend=given.backend)

    def _recommend(
        self,
        items: NDArray[np.int64],
        offsets: NDArray[np.int64],
        n: int,
        by: str,
        combine: str,
        *,
        names: Sequence[Any] = (),
        backend: str | None = None,
    ) -> Recommendations:
        check_choice("by", by, ALL_MEASURES)
        check_choice("combine", combine, COMBINE)
        summing = combine == "sum"
        if (by, combine) not in self._offers:
            score, support = self.measure(by), self.measure("count")
            self._offers[by, combine] = collect_offers(
                self.itemsets, self.antecedent, self.consequent, score, support, summing=summing
            )
        with Threads(self._n_jobs) as threads:
            best = recommend(
                self._offers[by, combine], frozen(items), frozen(offsets), int(n), threads, summing=summing
            )
        return Recommendations(*best, labels=self.itemsets.labels, names=names, backend=backend)

    @cached_property
    def _ids(self) -> dict[Any, int]:
        return {label: j for j, label in enumerate(self.itemsets.labels.tolist())}

    def to_frame(self, measures: Sequence[str] | None = None, *, backend: str | None = None) -> Any:
        """A table with one row for each rule.

        The first columns are ``antecedents`` and ``consequents``, frozensets in pandas, lists in polars and pyarrow.
        The measures follow. Columns have the names that mlxtend gives them: those of the attributes, but ``antecedent
        support`` and ``consequent support`` with a space.

        Parameters
        ----------
        measures : sequence of str or None, default=None
            Measures; None takes the twelve that mlxtend has, in its order.

        backend : {"pandas", "polars", "pyarrow"} or None, default=None
            Kind of table. None is that of the baskets, and pandas where those were no table.

        Returns
        -------
        DataFrame or Table
            The rules in their order.

        Raises
        ------
        ValueError
            When there is no such kind of table.
        ImportError
            When its library is not installed.
        """
        kind = choose_backend(backend, self.itemsets.backend)
        names = self._names(frozenset if kind == "pandas" else list)
        columns: dict[str, Any] = {}
        for column, which in (("antecedents", self.antecedent), ("consequents", self.consequent)):
            sets = names[which]
            columns[column] = sets if kind == "pandas" else sets.tolist()
        for name in TABLE if measures is None else measures:
            columns[TABLE.get(name, name)] = self.measure(name)
        return make_table(columns, kind)

    def _names(self, collect: Callable[[list[Any]], Any]) -> NDArray[Any]:
        """The itemsets that stand in a rule as collections of names, (n_itemsets,); None for the others."""
        itemsets = self.itemsets
        used = np.zeros(len(itemsets), bool)
        used[self.antecedent] = used[self.consequent] = True
        which = np.flatnonzero(used)
        flat = itemsets.labels[itemsets.items].tolist()
        starts, stops = itemsets.offsets[which].tolist(), itemsets.offsets[which + 1].tolist()
        names = np.empty(len(itemsets), object)
        for i, start, stop in zip(which.tolist(), starts, stops, strict=True):
            names[i] = collect(flat[start:stop])
        return names

    def _select(self, which: Any) -> Rules:
        chosen = Rules(
            self.itemsets,
            self.antecedent[which],
            self.consequent[which],
            self.union[which],
            n_jobs=self._n_jobs,
        )
        chosen._lattice = self._lattice
        chosen._measured = {name: frozen(values[which]) for name, values in self._measured.items()}
        return chosen

    def _improvement(self) -> Floats:
        improvement = np.empty(len(self))
        self._look_below(improve, (), (improvement,))
        return improvement

    def _simpler_counts(self) -> tuple[NDArray[np.int64], Counts]:
        """Where each rule begins, and for every item of its antecedent the counts among the baskets with the others."""
        lengths = self.itemsets.lengths[self.antecedent]
        starts = np.cumsum(lengths) - lengths
        n, y = np.empty(lengths.sum()), np.empty(lengths.sum())
        self._look_below(simplify, (frozen(starts),), (n, y))
        return starts, Counts(np.repeat(self._counts.xy, lengths), np.repeat(self._counts.x, lengths), y, n)

    def _look_below(
        self, kernel: Callable[..., object], inputs: tuple[NDArray[Any], ...], outputs: tuple[Floats, ...]
    ) -> None:
        """Run a kernel that follows the links of the lattice, over chunks of rules."""
        longest = int(self.itemsets.lengths.max(initial=1))
        with Threads(self._n_jobs) as threads:
            if self._lattice is None:
                self._lattice = build_lattice(self.itemsets, even_chunks(self.itemsets), threads)
            given = (*self._lattice[:4], self._counts.n, longest, self.antecedent, self.union)
            edges = [*range(0, len(self), CHUNK_RULES), len(self)]
            threads.map(lambda start, stop: kernel(*given, *inputs, start, stop, *outputs), pairwise(edges))


def _measured_by(measure: Callable[[Counts], Floats]) -> Callable[[Rules], Floats]:
    return lambda rules: measure(rules._counts)  # noqa: SLF001 - of this module


ALL_MEASURES: dict[str, Callable[[Rules], Floats]] = {
    **{name: _measured_by(measure) for name, measure in MEASURES.items()},
    "improvement": Rules._improvement,  # noqa: SLF001 - of this module
    "fisher_p": Rules.p_values,
}


def spare_lattice(rules: Rules, lattice: Lattice) -> Rules:
    """Spare the rules to build their lattice when they need it."""
    rules._lattice = lattice  # noqa: SLF001 - of this module
    return rules
