"""All frequent sets of a database: the search cut into pieces, for threads, the guard, progress and Ctrl-C."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from kmad._jit import frozen
from kmad._threads import Threads
from kmad.rules._branches import (
    BITS,
    BUDGET,
    CLOSED,
    DONE,
    FIRST,
    FREQUENT,
    LISTS,
    MAXIMAL,
    N_FRAME,
    N_STATE,
    NODE,
    NODES,
    SETS,
    Nodes,
    Work,
    search,
)
from kmad.rules._database import Database, count_pairs

CODES = {"frequent": FREQUENT, "closed": CLOSED, "maximal": MAXIMAL}
# Pieces that the first items are cut into; fixed, so that results stand in the same order for any threads.
PIECES = 32
# Searches shorter than this are over before a pool of threads has started.
ALONE = 0.004
FEWEST_NODES, FEWEST_LISTS, FEWEST_WORDS = 1 << 12, 1 << 10, 1 << 14
REPORT_EVERY = 1.0


class TooManyItemsetsError(Exception):
    """The search found more sets than it may."""


class Miner:
    """A search for the frequent, closed or maximal sets of a database."""

    def __init__(
        self, database: Database, kind: str, max_len: int | None, limit: int, tell: Callable[..., None]
    ) -> None:
        self._database = Database(*map(frozen, database))
        self._pairs = frozen(count_pairs(database))
        self._kind = CODES[kind]
        self._max_len = np.iinfo(np.int32).max if max_len is None else max_len
        self._limit = limit
        self._tell = tell
        self._told = time.monotonic()
        self._stopped = threading.Event()
        self._idle: list[Work] = []
        n_items = len(database.counts)
        # Rows of rare items are few: pieces of equal numbers of rows leave the long searches to themselves.
        edges = np.searchsorted(database.list_offsets, np.linspace(0, database.list_offsets[-1], PIECES + 1))
        edges = np.unique(np.concatenate([[0], edges, [n_items]]))
        self._pieces = list(pairwise(edges.tolist()))
        self._found = [0] * (n_items + 1)

    def run(self, threads: Threads) -> list[Nodes]:
        """The sets as trees, in an order that does not depend on the threads."""
        trees, start = [], time.monotonic()
        pieces = iter(self._pieces)
        for piece in pieces:
            trees.append(self._search_piece(*piece))
            if time.monotonic() - start > ALONE:
                break
        try:
            trees += threads.map(self._search_piece, pieces)
        finally:
            # Where this is left by an error or by Ctrl-C, the other threads come to an end too.
            self._stopped.set()
        return trees

    def _search_piece(self, first: int, last: int) -> Nodes:
        work = self._idle.pop() if self._idle else self._new_work()
        nodes = new_nodes(FEWEST_NODES)
        work.state[:] = 0
        work.state[FIRST] = first
        work.state[NODE] = 1
        while True:
            status = search(self._database, self._pairs, self._kind, self._max_len, last, BUDGET, nodes, work)
            self._found[first] = int(work.state[SETS])
            self._check(first)
            if status == DONE:
                break
            if status == NODES:
                nodes = Nodes(*map(doubled, nodes))
            elif status == LISTS:
                lists = {name: doubled(getattr(work, name)) for name in ("list_items", "list_counts")}
                work = work._replace(**lists)
            elif status == BITS:
                work = work._replace(bits=doubled(work.bits))
        self._idle.append(work)
        return Nodes(*(array[: work.state[NODE]].copy() for array in nodes))

    def _check(self, first: int) -> None:
        found = sum(self._found)
        if found > self._limit:
            raise TooManyItemsetsError
        if self._stopped.is_set():
            raise KeyboardInterrupt
        now = time.monotonic()
        if now - self._told > REPORT_EVERY:
            self._told = now
            self._tell("apriori: %s itemsets so far, at item %d of %d", f"{found:,}", first, len(self._database.counts))

    def _new_work(self) -> Work:
        database = self._database
        n_items, held = len(database.counts), len(database.rows)
        longest_list = int(np.diff(database.list_offsets).max(initial=0))
        longest_row = int(np.diff(database.row_offsets).max(initial=0))
        n_planes = int(database.weights.max(initial=1)).bit_length()
        return Work(
            state=np.zeros(N_STATE, np.int64),
            tally=np.zeros(n_items, np.int64),
            local=np.full(n_items, -1, np.int32),
            partners=np.empty(n_items, np.int32),
            partner_counts=np.empty(n_items, np.int64),
            slots=np.full(n_items, -1, np.int32),
            # The kernels write a number before they know whether to keep it.
            local_rows=np.empty(held + 1, np.int32),
            local_offsets=np.empty(longest_list + 1, np.int64),
            local_weights=np.empty(longest_list, np.int64),
            local_lists=np.empty(held, np.int32),
            list_offsets=np.empty(n_items + 1, np.int64),
            perfect=np.empty(n_items, np.int32),
            path=np.empty(n_items, np.int32),
            path_nodes=np.empty(n_items, np.int32),
            frames=np.empty((longest_row + 1, N_FRAME), np.int64),
            planes=np.empty(64, np.int64),
            shift=np.empty(longest_list * n_planes // 64 + n_planes, np.uint8),
            bits=np.empty(FEWEST_WORDS, np.uint64),
            list_items=np.empty(FEWEST_LISTS, np.int32),
            list_counts=np.empty(FEWEST_LISTS, np.int64),
        )


def new_nodes(capacity: int) -> Nodes:
    nodes = Nodes(
        parent=np.zeros(capacity, np.int32),
        item=np.zeros(capacity, np.int32),
        count=np.zeros(capacity, np.int64),
        length=np.zeros(capacity, np.int32),
    )
    return nodes


def doubled(array: Any) -> Any:
    larger = np.empty(2 * len(array), array.dtype)
    larger[: len(array)] = array
    return larger
