"""Run a GIL-free kernel over fixed chunks of rows on a pool of threads, results in order."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cached_property
from itertools import pairwise
from types import TracebackType
from typing import Self, TypeVar

from joblib import effective_n_jobs

T = TypeVar("T")

# A pool call costs 0.1 to 0.4 ms: below this many rows of two features a chunk is not worth its thread.
CHUNK_ROWS = 1 << 16
MAX_CHUNKS = 8


def row_chunks(n_rows: int, n_features: int = 2, *, most: int = MAX_CHUNKS) -> list[tuple[int, int]]:
    """The row ranges that work is cut into: they depend on the number of rows, never on that of threads."""
    n_chunks = max(1, min(most, n_rows, n_rows * max(2, n_features) // (2 * CHUNK_ROWS)))
    edges = [n_rows * c // n_chunks for c in range(n_chunks + 1)]
    return list(pairwise(edges))


class Threads:
    """A pool that is made on first need and closed by `with`."""

    def __init__(self, n_jobs: int | None) -> None:
        self._n_jobs = n_jobs
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    @cached_property
    def _n_threads(self) -> int:
        # To ask costs a quarter of a millisecond: as much as all the rest of a short search.
        n_threads: int = effective_n_jobs(self._n_jobs)
        return n_threads

    def map(self, task: Callable[[int, int], T], chunks: Iterable[tuple[int, int]]) -> list[T]:
        """`task(start, stop)` for every chunk; the results stand in the order of the chunks.

        The calling thread works along: a task for each chunk, handed to the pool, would wait longer than it takes.
        """
        chunks = list(chunks)
        n_threads = min(self._n_threads, len(chunks)) if len(chunks) > 1 else 1
        if n_threads == 1:
            return [task(start, stop) for start, stop in chunks]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._n_threads - 1)
        results: dict[int, T] = {}
        waiting = iter(range(len(chunks)))

        def work() -> None:
            for c in waiting:
                results[c] = task(*chunks[c])

        helpers = [self._pool.submit(work) for _ in range(n_threads - 1)]
        try:
            work()
        finally:
            wait(helpers)
        for helper in helpers:
            helper.result()
        return [results[c] for c in range(len(chunks))]
