"""Templates: which items the antecedent or the consequent of a rule must and may hold."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad.rules._itemsets import Itemsets

Flags = NDArray[np.bool_]
Template = Mapping[str, Iterable[Any]] | Iterable[Any] | None

KEYS = ("contains", "only", "without")


class Allowed(NamedTuple):
    """A template that was read."""

    must: Flags  # (n_items,)
    may: Flags  # (n_items,)

    def match(self, itemsets: Itemsets) -> Flags:
        """Which of the itemsets hold every item that they must and none that they may not, (m,)."""
        starts, items = itemsets.offsets[:-1], itemsets.items
        held = np.add.reduceat(self.must[items], starts, dtype=np.int64) if len(items) else np.zeros(0, np.int64)
        fits = np.logical_and.reduceat(self.may[items], starts) if len(items) else np.zeros(0, bool)
        return np.asarray(fits & (held == self.must.sum()))


def read_template(name: str, given: Template, labels: NDArray[Any]) -> Allowed:
    """Turn what the caller gave for `name` into flags by item.

    Raises where it is no such thing, or names an item that stands in no basket.
    """
    must, may = np.zeros(len(labels), bool), np.ones(len(labels), bool)
    if given is None:
        return Allowed(must, may)
    parts = given if isinstance(given, Mapping) else {"contains": given}
    unknown = [key for key in parts if key not in KEYS]
    if unknown:
        raise ValueError(f"{name} must have the keys {', '.join(KEYS)} alone; got {unknown[0]!r}.")
    ids = {label: j for j, label in enumerate(labels.tolist())}
    for key, wanted in parts.items():
        if isinstance(wanted, str | bytes) or not isinstance(wanted, Iterable):
            raise TypeError(f"{name} must hold collections of items; got {wanted!r} for {key!r}: write [{wanted!r}].")
        named = np.zeros(len(labels), bool)
        for item in wanted:
            if not isinstance(item, Hashable):
                raise TypeError(f"{name} must hold collections of hashable items; got {item!r} in one.")
            if item not in ids:
                raise ValueError(f"{name} must hold items that stand in a basket; {item!r} does not.")
            named[ids[item]] = True
        if key == "contains":
            must |= named
        else:
            may &= named if key == "only" else ~named
    return Allowed(must, may)
