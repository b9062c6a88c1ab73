"""Baskets of the benchmarks of rules, the supports to ask of them, and how calls are timed in turn."""

import gc
import gzip
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

Baskets = list[list[int]]

CASES = {
    "groceries": (0.01, 0.005, 0.001),
    "online_retail": (0.02, 0.01, 0.005),
    "mushroom": (0.4, 0.2, 0.1),
    "chess": (0.9, 0.8, 0.7),
    "T10I4D100K": (0.01, 0.001, 0.0001),
    "retail": (0.01, 0.001, 0.0002),
    "BMS1": (0.001, 0.0006),
}
# What takes longer than this is timed once.
LONG = 2.0
ROUNDS = 5
# Cells of the largest table that is made in full: a gigabyte and a half would be needed for the next one.
DENSE_CELLS = 300_000_000


def read_baskets(folder: Path, name: str) -> Baskets | None:
    for path, reader in ((folder / f"{name}.dat.gz", gzip.open), (folder / f"{name}.dat", open)):
        if path.exists():
            with reader(path, "rt", encoding="ascii") as lines:
                return [list(map(int, line.split())) for line in lines]
    print(f"{name} is absent from {folder}")
    return None


def sparse_rows(baskets: Baskets) -> Any:
    """Baskets as a sparse matrix of booleans, its columns the items in order."""
    names, items = np.unique(np.concatenate([np.array(b, np.int64) for b in baskets]), return_inverse=True)
    rows = np.repeat(np.arange(len(baskets)), list(map(len, baskets)))
    pairs = np.unique(np.stack([rows, items]), axis=1)
    return sparse.csr_matrix((np.ones(pairs.shape[1], bool), pairs), shape=(len(baskets), len(names)))


def one_hot(baskets: Baskets) -> pd.DataFrame:
    """Baskets as a table of booleans, of sparse columns where it would not fit otherwise."""
    matrix = sparse_rows(baskets)
    if math.prod(matrix.shape) > DENSE_CELLS:
        return pd.DataFrame.sparse.from_spmatrix(matrix)
    return pd.DataFrame(matrix.toarray())


def take_turns(tasks: dict[str, Callable[[], Any]], rounds: int = ROUNDS) -> tuple[dict[str, float], dict[str, Any]]:
    """Median seconds of each task, in turn, and what each returned last.

    A call of each before counts for nothing: what it compiles, loads or asks of the system is not of the task.
    """
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    results: dict[str, Any] = {}
    for turn in range(rounds + 1):
        for name, task in tasks.items():
            if seconds[name] and max(seconds[name]) > LONG:
                continue
            results[name] = None
            gc.collect()  # nobody pays for the garbage of the one before
            start = time.perf_counter()
            results[name] = task()
            taken = time.perf_counter() - start
            if turn:
                seconds[name].append(taken)
    return {name: statistics.median(runs) for name, runs in seconds.items()}, results


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan
