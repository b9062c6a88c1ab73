"""What weights and repeated rows say about the density: how many rows the rows are worth."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import kernel
from kmad._threads import Threads, row_chunks

Floats = NDArray[np.float64]

# Rows among which repeated ones are looked for, about.
SAMPLE_ROWS = 1 << 14
# As rows are chosen by their values, their number strays this far from it, or so few of them are distinct, only where
# few distinct rows are most of all.
CHOSEN = 1 / 4, 4
FEW_CHOSEN = 30
# So many equal pairs are expected among a few rows that are drawn first, were half of all rows there twice: that none
# is seen then has a chance of exp(-20).
PAIRS = 20
# An odd number whose multiples look random in their upper bits (the golden ratio's, D. E. Knuth, 6.4).
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Worth(NamedTuple):
    """Weights as numbers of rows."""

    rows: Floats  # (n,), or (0,) where each row is worth one
    unit: float  # the weight of what is worth one row
    counts: bool  # whether they are whole and say how often each row was seen


def worth_of(weights: Floats) -> Worth:
    """Weights above zero, as numbers of rows, of rows that may be equal because they are rounded.

    Equal weights say nothing. Whole numbers are counts: a row of weight 3 was seen three times. All others are
    shares: see `worth_of_shares`.
    """
    if not len(weights) or weights.min() == weights.max():
        return Worth(np.empty(0), float(weights[0]) if len(weights) else 1.0, counts=False)
    if np.array_equal(weights, np.rint(weights)):
        return Worth(weights, 1.0, counts=True)
    return worth_of_shares(len(weights), weights, weights)


def worth_of_distinct(X: NDArray[np.floating[Any]], weights: Floats, smooth: list[int], threads: Threads) -> Worth:
    """Weights above zero, as numbers of rows, of rows that would not be equal if they were not the same.

    A row that occurs three times, or that has a weight of 3 among others, is one row and not the evidence of three.
    The values of the smooth features are not rounded.
    """
    if len(X) > SAMPLE_ROWS and not len(weights) and not all(some_equal(X[:, f]) for f in smooth):
        return Worth(weights, 1.0, counts=False)
    share = total_of_distinct(X, weights, threads)
    whole = not len(weights) or np.array_equal(weights, np.rint(weights))
    if whole and 2 * share[share > 1].sum() < share.sum():
        return Worth(weights, 1.0, counts=False)
    return worth_of_shares(len(X), weights, share)


def some_equal(column: NDArray[np.floating[Any]]) -> bool:
    """Whether two of some values drawn from a column are equal, as they are where half of all are there twice."""
    n_drawn = int(np.sqrt(4 * PAIRS * len(column)))
    drawn = np.sort(np.random.default_rng(0).integers(len(column), size=n_drawn))
    value = np.sort(column[drawn[np.diff(drawn, prepend=-1) > 0]])
    return bool(np.any(value[1:] == value[:-1]))


def worth_of_shares(n_rows: int, weights: Floats, share: Floats) -> Worth:
    """Weights as numbers of rows, where distinct rows have these shares.

    Together they are worth the square of their sum over the sum of their squares: as many rows as would know a mean
    equally well (L. Kish, Survey Sampling, 1965).
    """
    most = float(share.max())
    part = share / most  # squares of the weights themselves might overflow
    unit = most * float((part**2).sum() / part.sum())
    rows = weights / unit if len(weights) else np.full(n_rows, 1.0 / unit)
    return Worth(np.empty(0) if np.all(rows == 1.0) else rows, unit, counts=False)


def total_of_distinct(X: NDArray[np.floating[Any]], weights: Floats, threads: Threads) -> Floats:
    """Total weight of each distinct row; of many rows for some, with all that are equal."""
    if len(X) <= SAMPLE_ROWS:
        return _totals(X, weights)
    chosen = _choose(X, threads)
    if CHOSEN[0] * SAMPLE_ROWS <= len(chosen) <= CHOSEN[1] * SAMPLE_ROWS:
        # To take rows is several times as fast as to index with them.
        total = _totals(X.take(chosen, axis=0), weights[chosen] if len(weights) else weights)
        if len(total) >= FEW_CHOSEN:
            return total
    # A few distinct rows are most of all: any part shows how often.
    stride = -(-len(X) // SAMPLE_ROWS)
    return _totals(np.ascontiguousarray(X[::stride]), weights[::stride], stride)


def _totals(X: NDArray[np.floating[Any]], weights: Floats, stride: int = 1) -> Floats:
    """Total weight of each distinct row, each of the rows standing for as many; not what is seen but once."""
    if len(weights):
        _, at, times = np.unique(keys_of(X), return_inverse=True, return_counts=True)
        total = np.bincount(at, weights)
    else:
        times = np.unique(keys_of(X), return_counts=True)[1]
        total = times.astype(np.float64)
    return np.asarray(np.where(times > 1, stride * total, total), np.float64)


def _choose(X: NDArray[np.floating[Any]], threads: Threads) -> NDArray[np.int32]:
    """About `SAMPLE_ROWS` rows of many, where most are distinct; of equal ones all, or none."""
    image, n = X.view(f"u{X.itemsize}"), len(X)
    below = np.uint64(np.iinfo(np.uint64).max // n * SAMPLE_ROWS)
    # The sign is shifted out: -0.0 is equal to 0.0.
    shift = np.uint64(65 - 8 * X.itemsize)

    def choose(start: int, stop: int) -> NDArray[np.int32]:
        rows = np.empty(stop - start, np.int32)
        with np.errstate(over="ignore"):
            return rows[: choose_rows(image, shift, below, start, stop, rows)]

    return np.concatenate(threads.map(choose, row_chunks(n)))


def keys_of(X: NDArray[np.floating[Any]]) -> NDArray[np.uint64]:
    """A number for each row, the same for equal rows; that it is for others has a chance of 2 to the power of -64."""
    bits = (X + X.dtype.type(0)).view(f"u{X.itemsize}")  # -0.0 becomes 0.0, which is equal to it
    key = np.zeros(len(X), np.uint64)
    for f in range(X.shape[1]):
        key = (key ^ bits[:, f]) * GOLDEN
        key ^= key >> np.uint64(32)
    return key


@kernel
def choose_rows(
    image,  # (n, d) IN: the bits of the rows
    shift,
    below,
    start,
    stop,
    rows,  # (stop - start,) OUT
):
    """List those of the rows start to stop the image of whose shifted bits is below a number.

    Equal rows all are, or none. Returns how many there are.
    """
    found = 0
    for i in range(start, stop):
        rows[found] = i
        key = np.uint64(0)
        for f in range(image.shape[1]):
            key = (key ^ (key >> np.uint64(32)) ^ (np.uint64(image[i, f]) << shift)) * GOLDEN
        # No branch: whether a row is chosen cannot be predicted.
        found += key < below
    return found
