"""Baskets as numbered items: those of each basket, or for each item the baskets that hold it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel

Integers = NDArray[np.int64]
Items = NDArray[np.int32]
Labels = Sequence[Any] | NDArray[Any]


class Baskets(NamedTuple):
    """Items by code, which is their number where nothing else is said; one may stand in a basket more than once."""

    items: Items  # (total,)
    offsets: Integers  # (n_baskets + 1,) where the items of each basket begin
    labels: Labels  # (n_items,)
    backend: str | None  # kind of table that they came in
    sizes: Integers | None = None  # (n_codes,) number of baskets that hold each item, where it is known
    numbers: Items | None = None  # (n_codes,) number of the item of each code
    spare: bool = False  # whether the items may be written over: they are not the caller's

    @property
    def n_baskets(self) -> int:
        return len(self.offsets) - 1

    @property
    def n_codes(self) -> int:
        return len(self.labels) if self.numbers is None else len(self.numbers)


class Columns(NamedTuple):
    """The baskets that hold each item, to be listed for the items that matter: most are too rare for that."""

    sizes: Integers  # (n_items,) number of baskets that hold each item
    list_baskets: Callable[[Integers], Items]  # the baskets of some items, one item after the other, ascending
    n_baskets: int
    labels: Labels  # (n_items,)
    backend: str | None
    numbers: Items | None = None

    @property
    def n_codes(self) -> int:
        return len(self.sizes)


def by_basket(baskets: Baskets | Columns) -> Baskets:
    """The same baskets, each with its items by number."""
    if isinstance(baskets, Baskets):
        if baskets.numbers is None:
            return baskets
        return Baskets(baskets.numbers[baskets.items], baskets.offsets, baskets.labels, baskets.backend)
    sizes, n_baskets = baskets.sizes, baskets.n_baskets
    items = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    lists = baskets.list_baskets(np.arange(len(sizes)))
    return Baskets(*group_by_basket(lists, items, n_baskets), baskets.labels, baskets.backend)


def group_by_basket(numbers: Items, items: Items, n_baskets: int) -> tuple[Items, Integers]:
    """Items basket by basket, and where those of each begin, of as many pairs of the number of a basket and an item."""
    offsets = running_sum(np.bincount(numbers, minlength=n_baskets))
    ordered = np.empty(len(items), np.int32)
    group_items(frozen(numbers), frozen(items), offsets[:-1].copy(), ordered)
    return ordered, offsets


def running_sum(sizes: NDArray[np.integer | np.bool_]) -> Integers:
    """Where parts of these sizes begin and end when they stand one after the other."""
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


@kernel
def group_items(
    numbers,  # (n,) IN
    items,  # (n,) IN
    cursor,  # (n_baskets,) INOUT: where the next item of a basket goes
    ordered,  # (n,) OUT
):
    """Write the items basket by basket."""
    for t in range(len(items)):
        ordered[cursor[numbers[t]]] = items[t]
        cursor[numbers[t]] += 1
