"""Run a GIL-free kernel over fixed chunks of rows on several threads, results in order."""

from _thread import start_new_thread
from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property, partial
from itertools import pairwise
from queue import SimpleQueue
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

import numpy as np
from joblib import cpu_count, effective_n_jobs
from numpy.typing import NDArray

T = TypeVar("T")
# Where to tell that a piece of work is done, and what it raised.
Done: TypeAlias = "SimpleQueue[BaseException | None]"
# Pieces of work that whoever is free begins.
Job: TypeAlias = "tuple[Iterator[Callable[[], None]], Done]"

# To hand out work costs 0.05 to 0.4 ms: below this many rows of two features a chunk is not worth its thread.
CHUNK_ROWS = 1 << 16
MAX_CHUNKS = 8


def row_chunks(n_rows: int, n_features: int = 2, *, most: int = MAX_CHUNKS) -> list[tuple[int, int]]:
    """The row ranges that work is cut into: they depend on the number of rows, never on that of threads."""
    n_chunks = max(1, min(most, n_rows, n_rows * max(2, n_features) // (2 * CHUNK_ROWS)))
    edges = [n_rows * c // n_chunks for c in range(n_chunks + 1)]
    return list(pairwise(edges))


def even_ranges(offsets: NDArray[np.int64], n_ranges: int) -> list[tuple[int, int]]:
    """So many ranges of groups with about as many members each; group g has those from offsets[g] to offsets[g + 1].

    Some are empty where a single group has more.
    """
    inner = np.searchsorted(offsets, offsets[-1] * np.arange(1, n_ranges) // n_ranges)
    return list(pairwise([0, *inner.tolist(), len(offsets) - 1]))


@cache
def count_processors() -> int:
    """How many this process may use, as it stood when first asked: joblib takes a quarter of a millisecond to look."""
    n_processors: int = cpu_count()
    return n_processors


class Threads:
    """The calling thread and its helpers, which are started on first need and ended by `with`.

    A pool of `concurrent.futures` takes twice as long to hand out work, and fits hand out a dozen times. Nothing waits
    for a helper that has begun nothing: on an idle processor it may take longer to wake up than the work does, and for
    the same reason they are bare threads, whose start and end are not waited for.
    """

    def __init__(self, n_jobs: int | None) -> None:
        self._n_jobs = n_jobs
        self._n_helpers = 0
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._n_helpers:
            self._jobs.put(None)
            self._n_helpers -= 1

    @cached_property
    def _n_threads(self) -> int:
        n_jobs = self._n_jobs
        if n_jobs is not None and n_jobs < 0:
            n_jobs = max(1, count_processors() + 1 + n_jobs)
        # There are fewer where joblib runs several of us side by side.
        n_threads: int = effective_n_jobs(n_jobs)
        return n_threads

    def map(self, task: Callable[[int, int], T], chunks: Iterable[tuple[int, int]]) -> list[T]:
        """`task(start, stop)` for every chunk; the results stand in the order of the chunks.

        The calling thread works along. What a task raises is raised here, once no other is at work.
        """
        chunks = list(chunks)
        n_threads = min(self._n_threads, len(chunks)) if len(chunks) > 1 else 1
        if n_threads == 1:
            return [task(start, stop) for start, stop in chunks]
        while self._n_helpers < n_threads - 1:
            start_new_thread(serve, (self._jobs,))
            self._n_helpers += 1
        results: dict[int, T] = {}

        def do(c: int) -> None:
            results[c] = task(*chunks[c])

        # An iterator that came to its end holds nothing: a helper that wakes up late keeps no work alive.
        pieces, done = iter([partial(do, c) for c in range(len(chunks))]), SimpleQueue[BaseException | None]()
        for _ in range(n_threads - 1):
            self._jobs.put((pieces, done))
        work(pieces, done)
        errors = [done.get() for _ in chunks]
        for error in errors:
            if error is not None:
                raise error
        return [results[c] for c in range(len(chunks))]


def serve(jobs: "SimpleQueue[Job | None]") -> None:
    """Do one job after the other, until there is None."""
    while (job := jobs.get()) is not None:
        work(*job)
        # The last job is not held while waiting for the next.
        del job


def work(pieces: Iterator[Callable[[], None]], done: Done) -> None:
    """Begin pieces until there are none left; after one that raises none is begun."""
    for piece in pieces:
        try:
            piece()
        except BaseException as error:  # noqa: BLE001 - it is raised again by the thread that waits
            for _ in pieces:
                done.put(None)
            done.put(error)
        else:
            done.put(None)
