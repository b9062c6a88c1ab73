"""Tied values: a rounded or counted value stands for the interval around it, not for a spike; nor does a price."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._threads import Threads
from kmad.cluster._weights import keys_of

Floats = NDArray[np.float64]

# Rows among which ties are looked for.
SAMPLE_ROWS = 1 << 14
# An interval reaches half way to the next value, and at most this many times as far as on its other side:
# beyond that lies a true gap. The logarithms of 1, 2, 3 … need 1.7.
LOPSIDED = 2.5
# Fewer values than this may lie anywhere. More are rounded where, of the rows, at least this share lies on values with
# gaps not too lopsided: of values in no order it is less than a half, of whole numbers of which some are missing 0.9.
FEW_VALUES = 30
REGULAR = 0.7
# Rows among which heaps are looked for, and the share of them that others are equal to where there are any.
HEAP_ROWS = 1 << 10
HEAPED = 0.1
# A value so many times as frequent as those beside it is a heap; fewer heaps than this are none.
HEAP, FEW_HEAPS = 4.0, 4


class Ties(NamedTuple):
    value: Floats  # (m,) distinct values of a column, rising
    mass: Floats  # (m,) how many rows have each
    below: Floats  # (m,) how far the interval of a value reaches down
    above: Floats  # (m,) and up

    @property
    def gap(self) -> float:
        """Width of the interval of the average row."""
        return float(np.average(self.below + self.above, weights=self.mass))

    @property
    def regular(self) -> bool:
        """Whether the values lie as rounded ones do; those of rows that were drawn several times do not."""
        if len(self.value) < FEW_VALUES:
            return True
        below, above = np.diff(self.value)[:-1], np.diff(self.value)[1:]
        even = (below <= LOPSIDED * above) & (above <= LOPSIDED * below)
        return bool(self.mass[1:-1][even].sum() >= REGULAR * self.mass[1:-1].sum())

    @property
    def heaped(self) -> bool:
        """Whether many rows lie on values far more frequent than those beside them; a few values tell nothing."""
        beside = (self.mass[:-2] + self.mass[2:]) / 2
        heap = self.mass[1:-1] >= HEAP * beside
        return len(self.value) >= FEW_VALUES and bool(self.mass[1:-1][heap].sum() >= HEAPED * self.mass.sum())

    def between_heaps(self) -> "Ties":
        """The same values, each standing for what lies between the next ones that are as frequent.

        As frequent are values of the same power of two, or more. Fewer than four values are not heaps: they go with
        less frequent ones, and where they are four times as frequent as those, they are what the rows have in common
        and stand for no more than themselves.
        """
        power = np.floor(np.log2(self.mass))
        heaps = np.sort(power)[-FEW_HEAPS:][0]
        level = np.where(power < heaps + 2, np.minimum(power, heaps), power.min())
        below, above = np.zeros(len(power)), np.zeros(len(power))
        for least in np.unique(level):
            frequent, own = power >= least, level == least
            gaps = np.diff(self.value[frequent])
            if len(gaps):
                # Beyond the last one it is as far as on the other side.
                below[own] = np.append(gaps[0], gaps)[own[frequent]]
                above[own] = np.append(gaps, gaps[-1])[own[frequent]]
        return self._replace(below=below, above=above)


def find_ties(X: NDArray[np.floating[Any]], weights: Floats, threads: Threads) -> list[Ties | None]:
    """The ties of every column; None where most values are distinct or in no order. No weights are weights of one."""
    stride = -(-len(X) // SAMPLE_ROWS)
    sample, mass = X[::stride], weights[::stride]

    def look(f: int, _: int) -> Ties | None:
        ties = column_ties(np.asarray(sample[:, f], np.float64), mass)
        if ties is None or not ties.regular:
            return None
        return ties.between_heaps() if ties.heaped else ties

    return threads.map(look, pairwise(range(sample.shape[1] + 1)))


def column_ties(column: Floats, weights: Floats) -> Ties | None:
    """The ties of a column; None where most values are distinct. No weights are weights of one."""
    # Rows of less than one row's weight are still values that were seen.
    most = max(len(column), float(weights.sum())) / 2
    # Where hardly any values are equal, these tell.
    if 1 + np.count_nonzero(np.diff(np.sort(column[: int(most) + 1]))) > most:
        return None
    if len(weights):
        order = np.argsort(column)
        rising = column[order]
    else:
        rising = np.sort(column)
    first = np.flatnonzero(np.diff(rising, prepend=-np.inf))
    if len(first) > most:
        return None
    value = rising[first]
    mass = np.add.reduceat(weights[order], first) if len(weights) else np.diff(first, append=len(rising)).astype(float)
    if len(value) == 1:
        # A constant tells nothing apart: it is known exactly, and no row is the same as another because of it.
        return Ties(value, mass, np.zeros(1), np.zeros(1))
    gaps = np.diff(value)
    # The gaps go on beyond the ends as they came: those of 1, 2, 3 … on a logarithmic scale widen downwards.
    gaps = np.concatenate([_next_gap(gaps[:2]), gaps, _next_gap(gaps[:-3:-1])])
    below, above = gaps[:-1] / 2, gaps[1:] / 2
    return Ties(value, mass, np.minimum(below, LOPSIDED * above), np.minimum(above, LOPSIDED * below))


def _next_gap(gaps: Floats) -> Floats:
    """The gap (1,) before the first of one or two."""
    with np.errstate(over="ignore"):  # the clip takes care of it
        return np.asarray(gaps[:1] * np.clip(gaps[0] / gaps[-1], 1 / LOPSIDED, LOPSIDED))


def find_heaps(X: NDArray[np.floating[Any]], ties: list[Ties | None]) -> NDArray[np.bool_]:
    """Columns (d,) some of whose values are those of many rows, as prices are, and not as evenly as rounded ones."""
    some = np.sort(X[:: -(-len(X) // HEAP_ROWS)], axis=0)
    repeated = np.count_nonzero(some[1:] == some[:-1], axis=0) >= HEAPED * len(some)
    return np.array([many if tied is None else tied.heaped for many, tied in zip(repeated, ties, strict=True)])


def spread(ties: Ties, first: int, width: float, n_cells: int) -> Floats:
    """A matrix (n_cells, n_cells) that moves the mass of each cell over the intervals of its values."""
    edges = (first + np.arange(n_cells + 1)) * width
    home = np.floor(ties.value / width).astype(np.int64) - first
    inside = (home >= 0) & (home < n_cells)
    low = np.maximum(ties.value - ties.below, edges[0])[inside]
    high = np.minimum(ties.value + ties.above, edges[-1])[inside]
    overlap = np.clip(np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1]), 0, None)
    covered = overlap.sum(axis=1)
    # Values so close that their interval rounds to nothing stay where they are.
    at, nothing = home[inside], covered < np.finfo(float).tiny
    overlap[nothing] = 0.0
    overlap[nothing, at[nothing]] = covered[nothing] = 1.0
    overlap *= (ties.mass[inside] / covered)[:, None]
    matrix = np.zeros((n_cells, n_cells))
    np.add.at(matrix, at, overlap)
    known = matrix.sum(axis=1) > 0
    matrix[known] /= matrix[known].sum(axis=1, keepdims=True)
    matrix[~known, ~known] = 1.0
    return matrix


def dither(sample: Floats, ties: list[Ties | None]) -> Floats:
    """A copy in which tied values lie scattered over their intervals, whatever the order of the rows.

    Equal rows are scattered apart, unless some column is not tied: then they are one row, drawn several times.
    """
    moved = sample.copy()
    keys = keys_of(sample)
    order = np.argsort(keys, kind="stable")
    place = np.arange(len(order))
    if any(tied is None for tied in ties):
        keys = keys[order]
        place = np.cumsum(keys != np.append(keys[:1], keys[:-1]))
    for f, tied in enumerate(ties):
        if tied is None:
            continue
        at = np.searchsorted(tied.value, sample[order, f])
        at = np.minimum(at, len(tied.value) - 1)
        # Evenly spaced phases would draw lattices, which have valleys; the same seed gives the same scatter.
        phase = np.random.default_rng(f).random(len(order))[place]
        moved[order, f] += phase * (tied.below + tied.above)[at] - tied.below[at]
    return moved


def few_distinct(X: NDArray[np.floating[Any]]) -> bool:
    """Whether the rows are so few points, repeated, that each is a place of its own rather than a rounded value."""
    n_features = X.shape[1]
    few = max(3, n_features + 1)
    sample = X[:: -(-len(X) // SAMPLE_ROWS)]
    # In most data the first rows tell.
    for some in (sample[:FEW_VALUES], sample):
        if any(len(np.unique(some[:, f])) > few for f in range(n_features)):
            return False
    return bool(len(np.unique(sample, axis=0)) <= few)
