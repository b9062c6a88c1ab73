"""What to offer to someone with a basket: the rules that apply to it, looked up fast."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._frames import choose_backend, make_table
from kmad._jit import frozen, kernel
from kmad._threads import Threads
from kmad.rules._itemsets import Itemsets
from kmad.rules._memory import memory_at_hand

Floats = NDArray[np.float64]
Ids = NDArray[np.int32]

COMBINE = ("max", "sum")
# Baskets of a chunk: each takes some microseconds.
CHUNK_BASKETS = 1 << 12
# An item, a score and a rule; so many bytes fit anywhere, for more the memory at hand must be looked up.
BYTES_PER_OFFER = 20
FEW_BYTES = 1 << 24


class Recommendation(NamedTuple):
    """An offer for a basket.

    Parameters
    ----------
    item : object
        What to offer.
    score : float
        How strongly.
    rule : int
        Number of the best rule that offers it.
    """

    item: Any
    score: float
    rule: int


class Recommendations:
    """What to offer for many baskets, as `Rules.recommend_many` returns it.

    Indexing with the number of a basket gives a list of `Recommendation`, best first; iterating gives these lists.

    Parameters
    ----------
    items : ndarray of shape (n_baskets, n), int32
        Items to offer as indices into `labels`, best first; -1 where the rules offer no more.

    scores : ndarray of shape (n_baskets, n), float64
        Their scores; not a number where there is no item.

    rules : ndarray of shape (n_baskets, n), int64
        Number of the best rule that offers each item; -1 where there is no item.

    labels : ndarray of shape (n_items,), object
        The names of the items.

    names : sequence
        What each basket is called.

    backend : str or None
        Kind of table that `to_frame` returns; None is pandas.
    """

    def __init__(
        self,
        items: Ids,
        scores: Floats,
        rules: NDArray[np.int64],
        *,
        labels: NDArray[Any],
        names: Sequence[Any],
        backend: str | None,
    ) -> None:
        self.items = items
        self.scores = scores
        self.rules = rules
        self.labels = labels
        self.names = names
        self.backend = backend

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"<Recommendations: {np.count_nonzero(self.items >= 0):,} for {len(self):,} baskets>"

    def __getitem__(self, i: int) -> list[Recommendation]:
        there = self.items[i] >= 0
        items = self.labels[self.items[i, there]].tolist()
        return list(map(Recommendation, items, self.scores[i, there].tolist(), self.rules[i, there].tolist()))

    def __iter__(self) -> Iterator[list[Recommendation]]:
        return (self[i] for i in range(len(self)))

    def to_frame(self, *, backend: str | None = None) -> Any:
        """A table with one row for each offer: the columns ``basket``, ``item``, ``score`` and ``rule``.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"} or None, default=None
            Kind of table. None is that of the baskets, and pandas where those were no table.

        Returns
        -------
        DataFrame or Table
            Basket after basket, the best offer of each first. Baskets without any are not there.

        Raises
        ------
        ValueError
            When there is no such kind of table.
        ImportError
            When its library is not installed.
        """
        kind = choose_backend(backend, self.backend)
        there = self.items >= 0
        which, _ = np.nonzero(there)
        columns = {
            "basket": [self.names[i] for i in which.tolist()],
            "item": self.labels[self.items[there]].tolist(),
            "score": self.scores[there],
            "rule": self.rules[there],
        }
        return make_table(columns, kind)


class Offers(NamedTuple):
    """What the rules of each antecedent offer, and where to look for the antecedents; arrays are read-only."""

    items: Ids  # (total,) of the itemsets
    offsets: NDArray[np.int64]  # (m + 1,)
    key_starts: NDArray[np.int64]  # (n_items + 1,) the antecedents whose rarest item is j are
    keyed: Ids  # (n_antecedents,)  keyed[key_starts[j]:key_starts[j + 1]]
    starts: NDArray[np.int64]  # (m + 1,) antecedent i offers
    item: Ids  # (n_offers,)  item[starts[i]:starts[i + 1]]
    score: Floats  # (n_offers,)
    rank: NDArray[np.int64]  # (n_offers,) of its best rule
    order: NDArray[np.int64]  # (n_rules,) the rules by rank


def collect_offers(
    itemsets: Itemsets, antecedent: Ids, consequent: Ids, score: Floats, support: Floats, *, summing: bool
) -> Offers:
    """Rank the rules by score, then support, then shortness, and collect for each antecedent what they offer."""
    items, offsets, lengths = itemsets.items, itemsets.offsets, itemsets.lengths
    order = np.lexsort([lengths[antecedent], -support, -score])
    order = frozen(order[: len(order) - np.count_nonzero(np.isnan(score))])
    item = np.empty(lengths[consequent].sum(), np.int32)
    offered, rank = np.empty(len(item)), np.empty(len(item), np.int64)
    starts = np.zeros(len(itemsets) + 1, np.int64)
    n_offers = gather(
        items, offsets, antecedent, consequent, score, order, summing, len(itemsets.labels), starts, item, offered, rank
    )
    key_starts, keyed = _key(itemsets, np.flatnonzero(np.diff(starts)))
    return Offers(
        items,
        offsets,
        frozen(key_starts),
        frozen(keyed),
        frozen(starts),
        frozen(item[:n_offers]),
        frozen(offered[:n_offers]),
        frozen(rank[:n_offers]),
        order,
    )


def _key(itemsets: Itemsets, antecedents: NDArray[np.intp]) -> tuple[NDArray[np.int64], Ids]:
    """List antecedents under their rarest item: a basket that does not hold it need not look at them."""
    n_items = len(itemsets.labels)
    frequency = np.zeros(n_items)
    single = itemsets.lengths == 1
    frequency[itemsets.items[itemsets.offsets[:-1][single]]] = itemsets.counts[single]
    by_rarity = np.argsort(frequency, kind="stable")
    rarity = np.empty(n_items, np.int64)
    rarity[by_rarity] = np.arange(n_items)
    if not len(antecedents):
        return np.zeros(n_items + 1, np.int64), np.empty(0, np.int32)
    key = by_rarity[np.minimum.reduceat(rarity[itemsets.items], itemsets.offsets[:-1])][antecedents]
    key_starts = np.concatenate([[0], np.cumsum(np.bincount(key, minlength=n_items))])
    return key_starts, antecedents[np.argsort(key, kind="stable")].astype(np.int32)


def recommend(
    offers: Offers, items: NDArray[np.int64], offsets: NDArray[np.int64], n: int, threads: Threads, *, summing: bool
) -> tuple[Ids, Floats, NDArray[np.int64]]:
    """Items, scores and rules, (n_baskets, n) each; items of -1 are skipped, repeated ones count once."""
    n_baskets = len(offsets) - 1
    # Of no baskets, too, an array may be too wide.
    n_bytes = BYTES_PER_OFFER * max(n_baskets, 1) * n
    if n_bytes > FEW_BYTES and n_bytes > memory_at_hand() // 2:
        raise ValueError(
            f"n={n:,} items for each of {n_baskets:,} baskets take {n_bytes:,} bytes, more than half of the memory at "
            "hand: lower n, or give the baskets in parts."
        )
    best = np.full((n_baskets, n), -1, np.int32)
    score, rank = np.full((n_baskets, n), np.nan), np.full((n_baskets, n), -1, np.int64)
    edges = [*range(0, n_baskets, CHUNK_BASKETS), n_baskets]
    threads.map(
        lambda start, stop: serve(*offers[:8], items, offsets, summing, start, stop, best, score, rank),
        pairwise(edges),
    )
    there = rank >= 0
    rank[there] = offers.order[rank[there]]
    return best, score, rank


@kernel
def gather(
    items,  # (total,) IN
    offsets,  # (m + 1,) IN
    antecedent,  # (n_rules,) IN
    consequent,  # (n_rules,) IN
    score,  # (n_rules,) IN
    order,  # (n_ranked,) IN
    summing,
    n_items,
    starts,  # (m + 1,) INOUT, zeros
    item,  # (most_offers,) OUT
    offered,  # (most_offers,) OUT
    rank,  # (most_offers,) OUT
):
    """Collect the items that each antecedent offers, each once: its score, or the sum of its scores, and its best rank.

    Returns their number.
    """
    m = starts.shape[0] - 1
    first = np.zeros(m + 1, np.int64)
    for r in order:
        first[antecedent[r] + 1] += 1
    for i in range(m):
        first[i + 1] += first[i]
    filled = first[:m].copy()
    ranks = np.empty(order.shape[0], np.int64)
    for k in range(order.shape[0]):
        i = antecedent[order[k]]
        ranks[filled[i]] = k
        filled[i] += 1
    place = np.full(n_items, -1, np.int64)
    n = 0
    for i in range(m):
        starts[i] = n
        for t in range(first[i], first[i + 1]):
            r = order[ranks[t]]
            y = consequent[r]
            for q in range(offsets[y], offsets[y + 1]):
                j = items[q]
                if place[j] < starts[i]:
                    place[j] = n
                    item[n], offered[n], rank[n] = j, score[r], ranks[t]
                    n += 1
                elif summing:
                    offered[place[j]] += score[r]
    starts[m] = n
    return n


@kernel
def serve(
    items,  # (total,) IN
    offsets,  # (m + 1,) IN
    key_starts,  # (n_items + 1,) IN
    keyed,  # (n_antecedents,) IN
    starts,  # (m + 1,) IN
    item,  # (n_offers,) IN
    offered,  # (n_offers,) IN
    offered_rank,  # (n_offers,) IN
    basket_items,  # (total_baskets,) IN: -1 for items that no rule knows
    basket_offsets,  # (n_baskets + 1,) IN
    summing,
    start,
    stop,
    best,  # (n_baskets, n) INOUT, -1
    score,  # (n_baskets, n) INOUT
    rank,  # (n_baskets, n) INOUT
):
    """Find the n best offers for baskets start to stop: by score, then by the rank of the best rule, then by item."""
    n_items = key_starts.shape[0] - 1
    n = best.shape[1]
    held = np.zeros(n_items, np.bool_)
    total = np.zeros(n_items)
    first = np.full(n_items, -1, np.int64)
    touched = np.empty(n_items, np.int64)
    own = np.empty(n_items, np.int64)
    for b in range(start, stop):
        n_touched, n_own = 0, 0
        for t in range(basket_offsets[b], basket_offsets[b + 1]):
            j = basket_items[t]
            if j < 0 or held[j]:
                continue
            held[j] = True
            # In order, for sums of floats depend on theirs.
            p = n_own
            while p > 0 and own[p - 1] > j:
                own[p] = own[p - 1]
                p -= 1
            own[p] = j
            n_own += 1
        for t in range(n_own):
            j = own[t]
            for k in range(key_starts[j], key_starts[j + 1]):
                i = keyed[k]
                applies = True
                for q in range(offsets[i], offsets[i + 1]):
                    if not held[items[q]]:
                        applies = False
                        break
                if not applies:
                    continue
                for q in range(starts[i], starts[i + 1]):
                    y = item[q]
                    if held[y]:
                        continue
                    if first[y] < 0:
                        touched[n_touched] = y
                        n_touched += 1
                        total[y], first[y] = offered[q], offered_rank[q]
                        continue
                    if summing:
                        total[y] += offered[q]
                    elif offered[q] > total[y]:
                        total[y] = offered[q]
                    first[y] = min(first[y], offered_rank[q])
        for t in range(n_own):
            held[own[t]] = False
        for t in range(n_touched):
            y = touched[t]
            p = min(t, n)
            while p > 0 and (
                total[y] > score[b, p - 1]
                or (
                    total[y] == score[b, p - 1]
                    and (first[y] < rank[b, p - 1] or (first[y] == rank[b, p - 1] and y < best[b, p - 1]))
                )
            ):
                p -= 1
                if p + 1 < n:
                    best[b, p + 1], score[b, p + 1], rank[b, p + 1] = best[b, p], score[b, p], rank[b, p]
            if p < n:
                best[b, p], score[b, p], rank[b, p] = y, total[y], first[y]
        for t in range(n_touched):
            first[touched[t]] = -1
