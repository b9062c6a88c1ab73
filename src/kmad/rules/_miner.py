"""All frequent sets of a database: the search cut into pieces, for threads, the guard, progress and Ctrl-C."""

from itertools import pairwise

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
    NODE,
    NODES,
    PAUSED,
    SETS,
    search,
)
from kmad.rules._database import Database, count_pairs
from kmad.rules._memory import itemsets_at_hand
from kmad.rules._reports import Reports
from kmad.rules._work import Nodes, Work, doubled, new_nodes, new_work

CODES = {"frequent": FREQUENT, "closed": CLOSED, "maximal": MAXIMAL}
# Pieces that the first items are cut into; fixed, so that results stand in the same order for any threads.
PIECES = 32
# What bounds the length of a set where nothing does.
ANY_LEN = int(np.iinfo(np.int32).max)
# Work of a search that is over before a second thread has started.
ALONE = 1_000_000
# So many sets fit anywhere; for more, the memory at hand must be looked up.
FEW_SETS = 1 << 20


class TooManyItemsetsError(Exception):
    """The search found more sets than `limit`."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


class Miner:
    """A search for the frequent, closed or maximal sets of a database."""

    def __init__(
        self,
        database: Database,
        kind: str,
        max_len: int | None,
        limit: int | None,
        reports: Reports,
        threads: Threads,
    ) -> None:
        self._database = database
        self._threads = threads
        ends = np.flatnonzero(database.rows < 0)
        self._pairs = frozen(count_pairs(self._database, ends, threads))
        # Of a row and its end, the longest.
        self._longest_row = int(np.diff(ends).max(initial=1))
        self._kind = CODES[kind]
        self._max_len = ANY_LEN if max_len is None else min(int(max_len), ANY_LEN)
        self._limit = limit
        self._reports = reports
        self._error: BaseException | None = None
        self._idle: list[Work] = []
        # By the first item of each piece, which one thread alone writes; added up at every pause, so they must be few.
        self._found = {0: 0}

    def run(self) -> list[Nodes]:
        """The sets as trees, one after the other."""
        n_items = len(self._database.counts)
        if not n_items:
            return []
        # Where the search is short, one call does it all; where not, the other first items are shared out.
        tree, first = self._search(0, n_items, ALONE)
        if first == n_items:
            return [tree]
        edges = self._database.list_offsets
        # Rare items have few rows: pieces of equal numbers of rows leave the long searches to themselves.
        cuts = np.searchsorted(edges, np.linspace(edges[first], edges[-1], PIECES + 1))
        # Items without a row in their lists share an edge: a cut may come before the first item that is left.
        cuts = np.unique(np.concatenate([[first], cuts[cuts > first], [n_items]]))
        pieces = list(pairwise(cuts.tolist()))
        # Here, as no thread may add one while another one sums.
        self._found |= dict.fromkeys((start for start, _ in pieces), 0)
        try:
            return [tree, *self._threads.map(self._search_piece, pieces)]
        except BaseException as error:
            self._error = error
            raise

    def _search_piece(self, first: int, last: int) -> Nodes:
        try:
            return self._search(first, last, None)[0]
        except BaseException as error:
            # Too many sets here, or Ctrl-C there, ends the search in all threads.
            self._error = self._error or error
            raise

    def _search(self, first: int, last: int, budget: int | None) -> tuple[Nodes, int]:
        """Search from one first item up to another, or to where the budget ends; the sets, and where that was."""
        work = self._idle.pop() if self._idle else new_work(self._database, self._longest_row)
        nodes = new_nodes()
        work.state[:] = 0
        work.state[FIRST] = first
        work.state[NODE] = 1
        status = PAUSED
        while status != DONE:
            step = budget or BUDGET
            status = search(self._database, self._pairs, self._kind, self._max_len, last, step, nodes, work)
            self._found[first] = int(work.state[SETS])
            if status == NODES and self._kind == FREQUENT:
                # A block of subsets that is doubled does not fit: it would be more than half of the nodes.
                self._found[first] = len(nodes.parents) // 2
            self._check(first)
            if status == NODES:
                nodes = Nodes._make(doubled(array) for array in nodes)
            elif status == LISTS:
                work = work._replace(list_items=doubled(work.list_items), list_counts=doubled(work.list_counts))
            elif status == BITS:
                work = work._replace(bits=doubled(work.bits))
            elif status == PAUSED and budget:
                last, budget = int(work.state[FIRST]), None
        n = int(work.state[NODE])
        # From here on another thread may take it.
        self._idle.append(work)
        return Nodes._make(array[:n] for array in nodes), last

    def _check(self, first: int) -> None:
        found = sum(self._found.values())
        if self._limit is None and found > FEW_SETS:
            self._limit = max(FEW_SETS, itemsets_at_hand())
        if self._limit is not None and found > self._limit:
            raise TooManyItemsetsError(self._limit)
        if self._error is not None:
            raise self._error
        self._reports.tell_at_times(
            "apriori: %s itemsets so far, at item %d of %d", f"{found:,}", first, len(self._database.counts)
        )
