"""Itemsets: many sets of items in a few arrays."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kmad._frames import choose_backend, make_table

KINDS = ("frequent", "closed", "maximal")


class Itemsets:
    """Sets of items that stand together in many baskets, held as arrays.

    `kmad.apriori` returns it. The sets stand in order of length, those of one length in lexicographic order of their
    items; items are ordered as they first appear in the baskets, or as the columns of a one-hot table. Iterating
    gives pairs of a frozenset of items and its support. ``itemsets[{"bread", "milk"}]`` is the support of one set, and
    ``{"bread", "milk"} in itemsets`` tells whether it is there. A slice or a boolean mask selects: the result is again
    of `Itemsets`.

    Parameters
    ----------
    items : array of shape (total,), int32
        The items of all sets one after the other, as indices into `labels`; ascending within a set.

    offsets : array of shape (n_itemsets + 1,), int64
        Set ``i`` is ``items[offsets[i]:offsets[i + 1]]``.

    counts : array of shape (n_itemsets,), int64 or float64
        Number of baskets that hold each set, or their weight; float64 only where weights are fractional.

    labels : sequence
        The name of every item that stands in a basket, hashable.

    n_baskets : int or float
        Number of baskets, or their total weight.

    kind : {"frequent", "closed", "maximal"}, default="frequent"
        Which sets are here.

    backend : str or None, default=None
        Kind of table that `to_frame` returns: ``"pandas"``, ``"polars"``, ``"pyarrow"``. None is pandas.

    Attributes
    ----------
    items, offsets, counts : ndarray
        As above; read-only.

    labels : ndarray of shape (n_items,), object
        The name of every item.

    n_baskets, kind, backend
        As above.

    Examples
    --------
    >>> from kmad import apriori
    >>> itemsets = apriori([["bread", "milk"], ["bread"], ["milk", "bread", "tea"], ["tea"]], min_support=0.5)
    >>> len(itemsets)
    4
    >>> itemsets[{"milk", "bread"}]
    0.5
    >>> itemsets.itemset(0), itemsets.counts[0]
    (frozenset({'bread'}), np.int64(3))
    >>> itemsets[itemsets.lengths > 1]
    <Itemsets: 1 frequent of length 2, in 4 baskets>
    """

    def __init__(
        self,
        *,
        items: ArrayLike,
        offsets: ArrayLike,
        counts: ArrayLike,
        labels: Sequence[Any] | NDArray[Any],
        n_baskets: float,
        kind: str = "frequent",
        backend: str | None = None,
    ) -> None:
        self.items: NDArray[np.int32] = _read_only(np.asarray(items, np.int32))
        self.offsets: NDArray[np.int64] = _read_only(np.asarray(offsets, np.int64))
        numbers = np.asarray(counts)
        self.counts: NDArray[Any] = _read_only(
            numbers.astype(np.float64 if numbers.dtype.kind == "f" else np.int64, copy=False)
        )
        # np.array(labels) would make a table of labels that are tuples.
        named = np.empty(len(labels), object)
        named[:] = labels if isinstance(labels, np.ndarray) else list(labels)
        self.labels: NDArray[Any] = _read_only(named)
        self.n_baskets = n_baskets
        self.kind = kind
        self.backend = backend
        self._ids: dict[Any, int] = {}

    @property
    def support(self) -> NDArray[np.float64]:
        """Share of the baskets that hold each set, (n_itemsets,)."""
        return np.asarray(self.counts / self.n_baskets, np.float64)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of items of each set, (n_itemsets,)."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.counts)

    def __repr__(self) -> str:
        lengths = self.lengths
        span = ""
        if len(lengths):
            low, high = lengths.min(), lengths.max()
            span = f" of length {low}" + (f" to {high}" if high > low else "")
        return f"<Itemsets: {len(self):,} {self.kind}{span}, in {self.n_baskets:,} baskets>"

    def itemset(self, i: int) -> frozenset[Any]:
        """Return one set by its number.

        Parameters
        ----------
        i : int
            Number of the set, in the order of the sets; negative numbers count from the end.

        Returns
        -------
        itemset : frozenset
            Names of its items.
        """
        i = range(len(self))[i]
        return frozenset(self.labels[self.items[self.offsets[i] : self.offsets[i + 1]]].tolist())

    def __iter__(self) -> Iterator[tuple[frozenset[Any], float]]:
        for i, count in enumerate(self.counts.tolist()):
            yield self.itemset(i), count / self.n_baskets

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            if key.step is not None and key.step < 0:
                raise ValueError(f"a slice of itemsets must keep their order; got a step of {key.step}.")
            return self._select(np.arange(len(self))[key])
        # Of a column of a table, too: any other array is a collection of items.
        if hasattr(key, "dtype") and (mask := np.asarray(key)).dtype == bool:
            if mask.shape != self.counts.shape:
                raise ValueError(f"a mask must have one entry for each of {len(self)} itemsets; got {mask.shape}.")
            return self._select(np.flatnonzero(mask))
        i = self._find(key)
        if i < 0:
            raise KeyError(key)
        return float(self.counts[i]) / self.n_baskets

    def __contains__(self, key: Any) -> bool:
        return self._find(key) >= 0

    def to_frame(self, backend: str | None = None) -> Any:
        """A table with the columns ``itemsets``, ``support`` and ``count``.

        In pandas an itemset is a frozenset, in polars and pyarrow a list.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"} or None, default=None
            Kind of table. None is that of the baskets, and pandas where those were no table.

        Returns
        -------
        DataFrame or Table
            One row for each set, in the order of the sets.

        Raises
        ------
        ValueError
            When there is no such kind of table.
        ImportError
            When its library is not installed.
        """
        kind = choose_backend(backend, self.backend)
        names = self.labels[self.items].tolist()
        edges = self.offsets.tolist()
        collect: Any = frozenset if kind == "pandas" else list
        sets: Any = [collect(names[start:stop]) for start, stop in pairwise(edges)]
        if kind == "pandas":
            # Of an empty list it makes a column of floats.
            sets = np.fromiter(sets, object, len(sets))
        return make_table({"itemsets": sets, "support": self.support, "count": self.counts}, kind)

    def _select(self, which: NDArray[np.intp]) -> Self:
        lengths = self.lengths[which]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        # Of every item the distance between its places, in all sets and in those chosen, is that of its set.
        shift = np.repeat(self.offsets[which] - offsets[:-1], lengths)
        return type(self)(
            items=self.items[np.arange(offsets[-1]) + shift],
            offsets=offsets,
            counts=self.counts[which],
            labels=self.labels,
            n_baskets=self.n_baskets,
            kind=self.kind,
            backend=self.backend,
        )

    def _find(self, names: Iterable[Any]) -> int:
        """Number of the set of these names, or -1."""
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise TypeError(f"an itemset is given as a set of items; got {names!r}, a {type(names).__name__}.")
        if not self._ids:
            self._ids = {name: j for j, name in enumerate(self.labels.tolist())}
        found = {self._ids.get(name, -1) for name in names}
        if not found or -1 in found:
            return -1
        wanted = sorted(found)

        def key(i: int) -> tuple[int, list[int]]:
            start, stop = int(self.offsets[i]), int(self.offsets[i + 1])
            return stop - start, self.items[start:stop].tolist()

        i = bisect_left(range(len(self)), (len(wanted), wanted), key=key)
        return i if i < len(self) and key(i) == (len(wanted), wanted) else -1


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
