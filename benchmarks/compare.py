"""Run the peers in turn on the same data, and measure time and quality."""

import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import Data
from benchmarks.peers import KMAD, KMEANS, KMEANS_TEN, Peer

T = TypeVar("T")
# Worker threads of OpenMP spin for some milliseconds after their work: the next in turn waits until they sleep.
PAUSE = 0.05
# A first run this long, in seconds, is counted; a shorter one warms up.
LONG = 1.0
WARM_UP_ROWS, WARM_UP_CLUSTERS = 500, 5


class Effort(NamedTuple):
    """How long a comparison may take."""

    rounds: int = 5
    seconds: float = 25.0  # of one peer on one set: no further round is begun that would pass it
    longest: float = 12.0  # ten starts are not run where ten times one start takes longer
    # A short run is repeated for so many seconds, and the last one counts: else what others left in the caches, and
    # threads that take their time to spread over processors that were idle, would be up to half of it.
    warm: float = 0.1


class Quality:
    """Inertia and adjusted Rand index of labels, against one set of rows."""

    def __init__(self, data: Data) -> None:
        self._rows = data.X - data.X.mean(axis=0)
        self._total = float(np.einsum("if,if->", self._rows, self._rows))
        self._known = data.target > 0
        self._target = data.target[self._known].astype(np.int64)

    def inertia(self, labels: NDArray[np.integer[Any]]) -> float | None:
        """Squared distances of the rows to the mean of their cluster, summed; None where rows have no cluster."""
        if labels.min() < 0:
            return None
        count = np.bincount(labels)
        sums = np.stack([np.bincount(labels, weights=column) for column in self._rows.T])
        return self._total - float((sums**2 / np.maximum(count, 1)).sum())

    def rand_index(self, labels: NDArray[np.integer[Any]]) -> float | None:
        """Adjusted Rand index over the rows whose cluster is known; rows without cluster are one of their own."""
        if not len(self._target):
            return None
        found = labels[self._known].astype(np.int64) + 1
        width = int(found.max()) + 1
        table = np.bincount(self._target * width + found, minlength=(int(self._target.max()) + 1) * width)
        table = table.reshape(-1, width)
        both, true, seen = (pairs(counts) for counts in (table, table.sum(axis=1), table.sum(axis=0)))
        expected = true * seen / pairs(table.sum(keepdims=True))
        most = (true + seen) / 2
        return 1.0 if most == expected else (both - expected) / (most - expected)


def pairs(counts: NDArray[np.integer[Any]]) -> float:
    """Pairs within groups of these sizes."""
    sizes = counts.astype(float)
    return float((sizes * (sizes - 1) / 2).sum())


class Entrant:
    """A peer in its turns on one set of rows."""

    def __init__(self, peer: Peer, data: Data, n_clusters: int, effort: Effort) -> None:
        self._peer = peer
        self._n_clusters = n_clusters
        self._effort = effort
        self._spent = 0.0
        self.latest = 0.0
        self.note = peer.excuse(data)
        self.runs: dict[str, list[Any]] = {"seconds": [], "inertia": [], "rand_index": [], "n_clusters": []}
        if not self.note:
            self._X = peer.prepare(data.X)
            attempt(peer, np.ascontiguousarray(self._X[:WARM_UP_ROWS]), min(n_clusters, WARM_UP_CLUSTERS), 0)

    def run(self, turn: int, quality: Quality) -> None:
        """Run once more, unless enough is known; turn 0 counts only where it takes long."""
        n_runs, rounds = len(self.runs["seconds"]), self._effort.rounds
        if self.note or n_runs == rounds:
            return
        if turn and self._spent + self.latest > self._effort.seconds:
            self.note = f"{n_runs} of {rounds} runs: each takes long"
            return
        labels, self.latest = time_run(lambda: attempt(self._peer, self._X, self._n_clusters, turn), self._effort.warm)
        if isinstance(labels, str):
            self.note = labels
        elif turn or self.latest >= min(LONG, self._effort.seconds):
            self._spent += self.latest
            self.runs["seconds"].append(self.latest)
            self.runs["inertia"].append(quality.inertia(labels))
            self.runs["rand_index"].append(quality.rand_index(labels))
            self.runs["n_clusters"].append(int(np.count_nonzero(np.bincount(labels[labels >= 0]))))


def compare(
    data: Data, peers: dict[str, Peer], effort: Effort, *, n_clusters: int | None = None
) -> dict[str, dict[str, Any]]:
    """Time every peer in turn, round by round; the seed of those that are random is the number of the round.

    The peers are given `n_clusters`, or where it is None the number of clusters that KMad finds.
    """
    say(data.name)
    if n_clusters is None:
        n_clusters = len(np.unique(peers[KMAD].fit(data.X, 0, 0)))
    quality = Quality(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        entrants = {name: Entrant(peer, data, n_clusters, effort) for name, peer in peers.items()}
        for turn in range(effort.rounds + 1):
            for name, entrant in entrants.items():
                if turn == 0 and name == KMEANS_TEN and 10 * entrants[KMEANS].latest > effort.longest:
                    entrant.note = f"not run: ten starts would take more than {effort.longest:g} s"
                entrant.run(turn, quality)
    for name, entrant in entrants.items():
        if entrant.runs["seconds"]:
            say(f"  {name}: {statistics.median(entrant.runs['seconds']):.4g} s")
    return {name: {**entrant.runs, "n_given": n_clusters, "note": entrant.note} for name, entrant in entrants.items()}


def time_run(task: Callable[[], T], warm: float) -> tuple[T, float]:
    """What a task returns, and its seconds once it has been repeated for those that make it warm."""
    time.sleep(PAUSE)
    begin = time.perf_counter()
    while True:
        start = time.perf_counter()
        result = task()
        stop = time.perf_counter()
        if stop - begin >= warm:
            return result, stop - start


def attempt(peer: Peer, X: Any, n_clusters: int, seed: int) -> NDArray[np.integer[Any]] | str:
    """Labels, or what went wrong: the report goes on where a peer does not."""
    try:
        return peer.fit(X, n_clusters, seed)
    except Exception as error:  # noqa: BLE001 - peers raise what they like
        return f"failed: {type(error).__name__}"


def say(line: str) -> None:
    """Tell on standard error how far the report is."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)
