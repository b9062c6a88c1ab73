"""Settle: exact k-means from given centres, row by row, in all features."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import kernel, reordering_kernel
from kmad._threads import Threads, row_chunks
from kmad.cluster._grid import Floats, Rows

Labels = NDArray[np.int32]

# Rows that are transposed together, so that the lanes run over rows whatever the number of features.
BLOCK = 128
# Up to this many features, distances come from differences of coordinates; beyond, from products, which are quicker.
FEW_FEATURES = 3


class Partition(NamedTuple):
    """Settled clusters, none of them empty, by falling mass."""

    labels: Labels  # (n,)
    centers: Floats  # (k, d), the mean of each cluster
    mass: Floats  # (k,) rows in each cluster, or their weight
    seed: NDArray[np.int64]  # (k,) which of the centres it was started from each came from
    n_iter: int
    converged: bool


def by_falling_mass(centers: Floats, mass: Floats) -> NDArray[np.int64]:
    """The clusters that are not empty, the largest first; equal ones by their centres."""
    return np.lexsort([*centers.T[::-1], -mass])[: np.count_nonzero(mass)]


def assign(X: Rows, centers: Floats, labels: Labels, threads: Threads) -> None:
    """Write the nearest centre of every row, the lowest index where two are equally near."""
    _assign(X, np.empty(0), centers, labels, np.empty((0, 1 + X.shape[1])), threads)


def assign_and_add(
    X: Rows, weights: Floats, centers: Floats, labels: Labels, threads: Threads
) -> tuple[int, Floats, Floats]:
    """As `assign`; returns how many labels changed, the mass of the clusters and the step (k, d) to their means."""
    changed, table = _assign(X, weights, centers, labels, np.zeros((len(centers), 1 + X.shape[1])), threads)
    mass = table[:, 0]
    return changed, mass, table[:, 1:] / np.where(mass > 0, mass, 1.0)[:, None]


def _assign(
    X: Rows, weights: Floats, centers: Floats, labels: Labels, empty: Floats, threads: Threads
) -> tuple[int, Floats]:
    shift = centers.mean(axis=0)
    negated = shift - centers
    half_norms = 0.5 * np.einsum("jf,jf->j", negated, negated)
    few = X.shape[1] <= FEW_FEATURES

    def chunk(start: int, stop: int) -> tuple[int, Floats]:
        table = empty.copy()
        if few:
            return assign_few(X, weights, centers, start, stop, labels, table), table
        return assign_many(X, weights, shift, negated, half_norms, start, stop, labels, table), table

    parts = threads.map(chunk, row_chunks(len(X)))
    return sum(changed for changed, _ in parts), _added([table for _, table in parts])


def sum_by_label(X: Rows, weights: Floats, labels: Labels, n_clusters: int, threads: Threads) -> tuple[Floats, Floats]:
    """Mass and mean of every cluster; the mean of an empty one is NaN."""
    origin = X[0].astype(np.float64)

    def chunk(start: int, stop: int) -> Floats:
        table = np.zeros((n_clusters, X.shape[1] + 1))
        sum_rows(X, weights, labels, origin, start, stop, table)
        return table

    table = _added(threads.map(chunk, row_chunks(len(X))))
    with np.errstate(invalid="ignore"):
        return table[:, 0].copy(), table[:, 1:] / table[:, :1] + origin


def _added(tables: list[Floats]) -> Floats:
    total = tables[0]
    for table in tables[1:]:
        total += table
    return total


def settle(
    X: Rows, weights: Floats, centers: Floats, labels: Labels, threads: Threads, *, max_iter: int, tol: float
) -> Partition:
    """Lloyd's algorithm until no row changes its cluster, or the centres hardly move; `labels` is overwritten."""
    seed = np.arange(len(centers))
    labels[:] = -1
    for n_iter in range(1, max_iter + 1):
        changed, mass, step = assign_and_add(X, weights, centers, labels, threads)
        if not changed or (tol > 0 and (step**2).sum() <= tol):
            order = by_falling_mass(centers, mass)
            if np.array_equal(order, np.arange(len(centers))):
                return Partition(labels, centers, mass, seed, n_iter, converged=True)
            # A row between two equally near centres goes to the first: once more, to see that all stay.
            number = np.empty(len(centers), np.int32)
            number[order] = np.arange(len(order))
            labels[:] = number[labels]
            centers, seed = centers[order], seed[order]
        else:
            centers = centers + step
    order = by_falling_mass(centers, mass)
    centers, seed = centers[order], seed[order]
    _, mass, _ = assign_and_add(X, weights, centers, labels, threads)
    return Partition(labels, centers, mass, seed, max_iter, converged=False)


def inertia(X: Rows, weights: Floats, labels: Labels, centers: Floats, threads: Threads) -> float:
    """Weighted sum of the squared distances to the own centre."""
    parts = threads.map(lambda start, stop: inertia_rows(X, weights, labels, centers, start, stop), row_chunks(len(X)))
    return float(sum(parts))


@kernel
def assign_few(
    X,  # (n, d <= 3) IN
    weights,  # (n,) or (0,) IN
    centers,  # (k, d) IN
    start,
    stop,
    labels,  # (n,) INOUT
    table,  # (k, 1 + d) or (0, 1 + d) INOUT: mass, and sums of the rows less their centre, where there is room
):
    """Write the nearest centre of rows start to stop and add them up; returns how many labels changed.

    No sum may be reordered here: equal distances must stay equal, as they are where single rows are compared.
    """
    d = X.shape[1]
    n_clusters = len(centers)
    weighted, added = weights.shape[0] > 0, table.shape[0] > 0
    # One array for each feature: an index into a block of several is not known to be in it, and stops the vectors.
    x0, x1, x2 = np.zeros(BLOCK), np.zeros(BLOCK), np.zeros(BLOCK)
    best, nearest = np.empty(BLOCK), np.empty(BLOCK)
    changed = 0
    for first in range(start, stop, BLOCK):
        rows = min(BLOCK, stop - first)
        for r in range(rows):
            x0[r] = X[first + r, 0]
            if d > 1:
                x1[r] = X[first + r, 1]
            if d > 2:
                x2[r] = X[first + r, 2]
        for r in range(BLOCK):
            best[r] = np.inf
            nearest[r] = 0.0
        for j in range(n_clusters):
            c0 = centers[j, 0]
            c1 = centers[j, 1] if d > 1 else 0.0
            c2 = centers[j, 2] if d > 2 else 0.0
            index = float(j)
            # The index is a float so that it moves in the lanes of the distances.
            if d == 3:
                for r in range(BLOCK):
                    s = (x0[r] - c0) ** 2 + (x1[r] - c1) ** 2 + (x2[r] - c2) ** 2
                    closer = s < best[r]
                    best[r] = s if closer else best[r]
                    nearest[r] = index if closer else nearest[r]
            else:
                for r in range(BLOCK):
                    s = (x0[r] - c0) ** 2 + (x1[r] - c1) ** 2
                    closer = s < best[r]
                    best[r] = s if closer else best[r]
                    nearest[r] = index if closer else nearest[r]
        for r in range(rows):
            i, own = first + r, np.int32(nearest[r])
            changed += labels[i] != own
            labels[i] = own
            if added:
                w = weights[i] if weighted else 1.0
                table[own, 0] += w
                for f in range(d):
                    table[own, 1 + f] += w * (X[i, f] - centers[own, f])
    return changed


@reordering_kernel
def assign_many(
    X,  # (n, d) IN
    weights,  # (n,) or (0,) IN
    shift,  # (d,) IN: a point among the centres, which keeps the products below small
    negated,  # (k, d) IN: shift less centre
    half_norms,  # (k,) IN: half of the squared length of each row of `negated`
    start,
    stop,
    labels,  # (n,) INOUT
    table,  # (k, 1 + d) or (0, 1 + d) INOUT: mass, and sums of the rows less their centre, where there is room
):
    """Write the nearest centre of rows start to stop and add them up; returns how many labels changed."""
    d = X.shape[1]
    n_clusters = len(negated)
    weighted, added = weights.shape[0] > 0, table.shape[0] > 0
    block = np.zeros((d, BLOCK))
    score, best, nearest = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    changed = 0
    for first in range(start, stop, BLOCK):
        rows = min(BLOCK, stop - first)
        for r in range(rows):
            for f in range(d):
                block[f, r] = X[first + r, f] - shift[f]
        for r in range(BLOCK):
            best[r] = np.inf
            nearest[r] = 0.0
        for j in range(n_clusters):
            # Half the squared distance, less half the row's own squared length.
            for r in range(BLOCK):
                score[r] = half_norms[j]
            f = 0
            while f + 4 <= d:
                c0, c1, c2, c3 = negated[j, f], negated[j, f + 1], negated[j, f + 2], negated[j, f + 3]
                x0, x1, x2, x3 = block[f], block[f + 1], block[f + 2], block[f + 3]
                for r in range(BLOCK):
                    score[r] += x0[r] * c0 + x1[r] * c1 + x2[r] * c2 + x3[r] * c3
                f += 4
            while f < d:
                c0, x0 = negated[j, f], block[f]
                for r in range(BLOCK):
                    score[r] += x0[r] * c0
                f += 1
            index = float(j)
            for r in range(BLOCK):
                closer = score[r] < best[r]
                best[r] = score[r] if closer else best[r]
                nearest[r] = index if closer else nearest[r]
        for r in range(rows):
            i, own = first + r, np.int32(nearest[r])
            changed += labels[i] != own
            labels[i] = own
            if added:
                w = weights[i] if weighted else 1.0
                table[own, 0] += w
                for f in range(d):
                    table[own, 1 + f] += w * (block[f, r] + negated[own, f])
    return changed


@kernel
def sum_rows(
    X,  # (n, d) IN
    weights,  # (n,) or (0,) IN
    labels,  # (n,) IN
    origin,  # (d,) IN
    start,
    stop,
    table,  # (k, 1 + d) INOUT: mass, then sums of the coordinates less the origin
):
    """Add rows start to stop to their clusters."""
    d = X.shape[1]
    weighted = weights.shape[0] > 0
    for i in range(start, stop):
        j = labels[i]
        w = weights[i] if weighted else 1.0
        table[j, 0] += w
        for f in range(d):
            table[j, 1 + f] += w * (X[i, f] - origin[f])


@reordering_kernel
def inertia_rows(
    X,  # (n, d) IN
    weights,  # (n,) or (0,) IN
    labels,  # (n,) IN
    centers,  # (k, d) IN
    start,
    stop,
):
    """Weighted sum of squared distances to the own centre over rows start to stop."""
    d = X.shape[1]
    weighted = weights.shape[0] > 0
    total = 0.0
    for i in range(start, stop):
        j = labels[i]
        squared = 0.0
        for f in range(d):
            squared += (X[i, f] - centers[j, f]) ** 2
        total += (weights[i] if weighted else 1.0) * squared
    return total
