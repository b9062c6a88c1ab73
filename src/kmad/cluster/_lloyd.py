"""Settle: exact k-means from given centres, in all features."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import kernel, reordering_kernel
from kmad._threads import Threads, row_chunks
from kmad.cluster._grid import Rows

Floats = NDArray[np.float64]
Labels = NDArray[np.int32]

# Rows that are transposed together, so that the lanes run over rows whatever the number of features.
BLOCK = 64


class Partition(NamedTuple):
    labels: Labels  # (n,)
    centers: Floats  # (k, d), the mean of each cluster
    mass: Floats  # (k,) rows in each cluster, or their weight
    n_iter: int
    converged: bool


def assign(X: Rows, centers: Floats, labels: Labels, threads: Threads) -> int:
    """Write the nearest centre of every row, the lowest index where two are equally near; returns how many changed."""
    shift = centers.mean(axis=0)
    negated = shift - centers
    half_norms = 0.5 * np.einsum("jf,jf->j", negated, negated)
    return sum(
        threads.map(
            lambda start, stop: assign_rows(X, shift, negated, half_norms, start, stop, labels), row_chunks(len(X))
        )
    )


def total(X: Rows, weights: Floats, labels: Labels, n_clusters: int, threads: Threads) -> tuple[Floats, Floats]:
    """Mass and mean of every cluster; the mean of an empty one is NaN."""
    shift = X[0].astype(np.float64)

    def sum_chunk(start: int, stop: int) -> Floats:
        table = np.zeros((n_clusters, X.shape[1] + 1))
        sum_rows(X, weights, labels, shift, start, stop, table)
        return table

    tables = threads.map(sum_chunk, row_chunks(len(X)))
    table = sum(tables[1:], start=tables[0])
    mass = table[:, 0].copy()
    with np.errstate(invalid="ignore"):
        return mass, table[:, 1:] / mass[:, None] + shift


def settle(
    X: Rows, weights: Floats, centers: Floats, threads: Threads, *, max_iter: int, tol: float
) -> Partition:
    """Lloyd's algorithm until no row changes its cluster, or the centres hardly move; an empty cluster keeps its centre."""
    labels = np.full(len(X), -1, np.int32)
    for n_iter in range(1, max_iter + 1):
        changed = assign(X, centers, labels, threads)
        mass, means = total(X, weights, labels, len(centers), threads)
        means = np.where(mass[:, None] > 0, means, centers)
        if not changed or ((means - centers) ** 2).sum() <= tol:
            return Partition(labels, centers, mass, n_iter, converged=True)
        centers = means
    assign(X, centers, labels, threads)
    return Partition(labels, centers, mass, max_iter, converged=False)


def inertia(X: Rows, weights: Floats, labels: Labels, centers: Floats, threads: Threads) -> float:
    """Weighted sum of the squared distances to the own centre."""
    return sum(
        threads.map(lambda start, stop: inertia_rows(X, weights, labels, centers, start, stop), row_chunks(len(X)))
    )


@reordering_kernel
def assign_rows(
    X,  # (n, d) IN
    shift,  # (d,) IN: a point among the centres, which keeps the products below small
    negated,  # (k, d) IN: shift less centre
    half_norms,  # (k,) IN: half of the squared length of each row of `negated`
    start,
    stop,
    labels,  # (n,) INOUT
):
    """Write the nearest centre of rows start to stop; returns how many labels changed."""
    d = X.shape[1]
    n_clusters = len(negated)
    block = np.zeros((d, BLOCK))
    score, best = np.empty(BLOCK), np.empty(BLOCK)
    nearest = np.empty(BLOCK, np.int32)
    changed = 0
    for first in range(start, stop, BLOCK):
        rows = min(BLOCK, stop - first)
        for r in range(rows):
            for f in range(d):
                block[f, r] = X[first + r, f] - shift[f]
        best[:] = np.inf
        nearest[:] = 0
        for j in range(n_clusters):
            # Half the squared distance, less half the row's own squared length.
            score[:] = half_norms[j]
            f = 0
            while f + 4 <= d:
                c0, c1, c2, c3 = negated[j, f], negated[j, f + 1], negated[j, f + 2], negated[j, f + 3]
                for r in range(BLOCK):
                    score[r] += block[f, r] * c0 + block[f + 1, r] * c1 + block[f + 2, r] * c2 + block[f + 3, r] * c3
                f += 4
            while f < d:
                c0 = negated[j, f]
                for r in range(BLOCK):
                    score[r] += block[f, r] * c0
                f += 1
            for r in range(BLOCK):
                closer = score[r] < best[r]
                best[r] = score[r] if closer else best[r]
                nearest[r] = j if closer else nearest[r]
        for r in range(rows):
            changed += labels[first + r] != nearest[r]
            labels[first + r] = nearest[r]
    return changed


@kernel
def sum_rows(
    X,  # (n, d) IN
    weights,  # (n,) or (0,) IN
    labels,  # (n,) IN; rows below zero belong nowhere
    shift,  # (d,) IN
    start,
    stop,
    table,  # (k, 1 + d) INOUT: mass, then sums of the coordinates less the shift
):
    """Add rows start to stop to their clusters."""
    d = X.shape[1]
    weighted = weights.shape[0] > 0
    for i in range(start, stop):
        j = labels[i]
        if j < 0:
            continue
        w = weights[i] if weighted else 1.0
        table[j, 0] += w
        for f in range(d):
            table[j, 1 + f] += w * (X[i, f] - shift[f])


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
