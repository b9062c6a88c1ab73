"""Principal axes: the directions in which rows of more than three features are looked at."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, reordering_kernel
from kmad._threads import Threads, row_chunks
from kmad.cluster._grid import Floats, Rows

# More axes than the density can be looked at over are not needed.
N_AXES = 3
# Rows, evenly over all, that show the axes to a hundredth of their spread.
SAMPLE_ROWS = 1 << 15
# Rows among which the middle is looked for. Where the mean square of the distances to it is so many times the median
# one, rows so many times as far away as most draw the axes no more than if they lay there.
MIDDLE_ROWS = 1 << 8
SKEWED, FAR = 10.0, 5.0
# An axis with less than this part of the largest variance is rounding.
LEAST_VARIANCE = 1e-12
# Dimensions in which all axes are found, and in which the leading ones of more are.
FEW_DIMENSIONS = 24
BLOCK = 64


def covariance(X: Rows, weights: Floats, mean: Floats, threads: Threads) -> Floats:
    """Weighted sums (d, d) of the products of the coordinates less the mean.

    A kernel rather than a product of matrices: a linear algebra library brings threads of its own, which wait for each
    other where the processors are busy, and sums in an order that may depend on their number.
    """

    def chunk(start: int, stop: int) -> Floats:
        out = np.zeros((X.shape[1], X.shape[1]))
        with np.errstate(over="ignore", invalid="ignore"):
            add_products(X, weights, mean, start, stop, out)
        return out

    upper = np.asarray(sum(threads.map(chunk, row_chunks(*X.shape))))
    return np.asarray(upper + np.triu(upper, 1).T)


def find_axes(X: Rows, weights: Floats, threads: Threads) -> tuple[Floats, Floats]:
    """The mean (d,) of many rows and their principal axes as columns: of all rows where the others are equal.

    There are no axes where values, or their squares, are no finite numbers.
    """
    stride = -(-len(X) // SAMPLE_ROWS)
    mean, axes = _axes_of_all(X[::stride], weights[::stride], threads)
    return (mean, axes) if axes.size or stride == 1 else _axes_of_all(X, weights, threads)


def _axes_of_all(X: Rows, weights: Floats, threads: Threads) -> tuple[Floats, Floats]:
    rows, mass = frozen(np.ascontiguousarray(X, np.float64)), frozen(np.ascontiguousarray(weights))
    mean, table = _scatter(rows, mass, threads)
    if not np.all(np.isfinite(table)):
        return mean, np.empty((X.shape[1], 0))
    middle = middle_of(rows)
    with np.errstate(over="ignore"):
        usual = float(np.median(np.square(rows[:: step_of(rows)] - middle).sum(axis=1)))
        if np.trace(table) > SKEWED * usual * (mass.sum() if len(mass) else len(rows)) > 0:
            squared = np.square(rows - middle).sum(axis=1)
            share = FAR**2 * usual / np.maximum(squared, FAR**2 * usual)
            mean, table = _scatter(rows, frozen(share * mass if len(mass) else share), threads)
    return mean, principal_axes(table)


def _scatter(rows: Rows, mass: Floats, threads: Threads) -> tuple[Floats, Floats]:
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.asarray(np.average(rows, axis=0, weights=mass if len(mass) else None), np.float64)
    return mean, covariance(rows, mass, mean, threads)


def step_of(X: Rows) -> int:
    """Every how many rows one is looked at to find the middle."""
    return -(-len(X) // MIDDLE_ROWS)


def middle_of(X: Rows) -> Floats:
    """The upper median of some rows: far ones, however far, do not move it away from the others."""
    some = X[:: step_of(X)]
    return np.asarray(np.partition(some, len(some) // 2, axis=0)[len(some) // 2], np.float64)


def principal_axes(covariance: Floats) -> Floats:
    """Eigenvectors of the larger eigenvalues as columns, widest first: at most N_AXES, and only those with extent."""
    axes = _axes_of_each(covariance[None])[0][0]
    return np.asarray(axes[:, axes.any(axis=0)])


def _axes_of_each(covariances: Floats) -> tuple[Floats, Floats]:
    """The principal axes (k, d, q) of k tables (k, d, d) and the extent along them (k, q).

    There are zeros in the place of axes without extent.
    """
    if covariances.shape[1] <= FEW_DIMENSIONS:
        value, axes = np.linalg.eigh(covariances)
    else:
        value, axes = map(np.stack, zip(*map(_leading, covariances), strict=True))
    value, axes = value[:, ::-1][:, :N_AXES], axes[:, :, ::-1][:, :, :N_AXES]
    extended = value > np.maximum(value[:, :1], 0.0) * LEAST_VARIANCE
    return turned(axes) * extended[:, None], value * extended


def turned(axes: Floats) -> Floats:
    """Axes (…, d, q), as columns, of which the largest coordinate is positive: which way they point is rounding."""
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=-2, keepdims=True), axis=-2)
    return np.asarray(axes * np.sign(largest))


def _leading(covariance: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues, rising, and eigenvectors in the space of a few vectors and what powers of the matrix make of them.

    The last few are close to those of the matrix where these stand out (G. H. Golub and C. F. Van Loan, Matrix
    Computations, on block Lanczos methods). To find all of them takes milliseconds in hundreds of features, and from
    26 on it leaves a thread of the linear algebra library turning for a tenth of a second, on a processor that the rows
    should have.
    """
    variance = np.diag(covariance)
    widest = np.argsort(-variance, kind="stable")[:N_AXES]
    # One along all features, should the widest have nothing to do with the others.
    block = np.column_stack([np.sqrt(np.maximum(variance, 0.0)), np.eye(len(covariance))[:, widest]])
    blocks = [np.linalg.qr(block)[0]]
    for _ in range(FEW_DIMENSIONS // block.shape[1] - 1):
        blocks.append(np.linalg.qr(covariance @ blocks[-1])[0])
    space = np.linalg.qr(np.concatenate(blocks, axis=1))[0]
    value, axes = np.linalg.eigh(space.T @ covariance @ space)
    return value, space @ axes


class Projection(NamedTuple):
    """Rows along some axes."""

    place: Floats  # (n, q) their coordinates, less the mean
    squares: float  # sum of their squared distances to the mean: a finite number where all values are


def project(X: Rows, mean: Floats, axes: Floats, threads: Threads) -> Projection:
    """Where the rows lie along the columns of `axes` (d, q)."""
    place, along = np.empty((len(X), axes.shape[1])), np.zeros((N_AXES, X.shape[1]))
    along[: axes.shape[1]] = axes.T

    def chunk(start: int, stop: int) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            return float(project_rows(X, mean, along, start, stop, place))

    squares = sum(threads.map(chunk, row_chunks(*X.shape)))
    return Projection(frozen(place), squares)


def project_each(
    rows: Floats, weights: Floats, starts: NDArray[np.int64], first: int, last: int, place: Floats
) -> Floats:
    """Write where the rows (m, d) of each cluster from first to last lie along its principal axes, less their mean.

    Cluster j has the rows from starts[j] to starts[j + 1]; `place` is (3, m). Returns the squares along each axis,
    weighted and summed, (last - first, 3).
    """
    rows, d = frozen(rows), rows.shape[1]
    full = [j for j in range(first, last) if starts[j] < starts[j + 1]]
    parts = [(starts[j], starts[j + 1]) for j in full]
    squares = np.zeros((last - first, N_AXES))
    if not parts:
        return squares
    means, upper = np.empty((len(parts), d)), np.zeros((len(parts), d, d))
    for c, (start, stop) in enumerate(parts):
        mass = weights[start:stop]
        means[c] = np.einsum("i,ij->j", mass, rows[start:stop]) / mass.sum()
        add_products(rows, weights, means[c], start, stop, upper[c])
    axes, extent = _axes_of_each(upper + np.triu(upper, 1).transpose(0, 2, 1))
    squares[np.array(full) - first, : extent.shape[1]] = extent
    along = np.zeros((len(parts), N_AXES, d))
    along[:, : axes.shape[2]] = axes.transpose(0, 2, 1)
    for c, (start, stop) in enumerate(parts):
        here = np.empty((stop - start, N_AXES))
        project_rows(rows[start:stop], means[c], along[c], 0, stop - start, here)
        place[:, start:stop] = here.T
    return squares


@reordering_kernel
def add_products(
    X,  # (n, d) IN
    weights,  # (n,) or (0,) IN
    mean,  # (d,) IN
    start,
    stop,
    out,  # (d, d) INOUT: its upper triangle
):
    """Add the products of the coordinates of rows start to stop, block by block, so that the lanes run over rows."""
    d = X.shape[1]
    weighted = weights.shape[0] > 0
    block, scaled = np.zeros((d, BLOCK)), np.zeros((d, BLOCK))
    for first in range(start, stop, BLOCK):
        rows = min(BLOCK, stop - first)
        for r in range(rows):
            w = weights[first + r] if weighted else 1.0
            for f in range(d):
                block[f, r] = X[first + r, f] - mean[f]
                scaled[f, r] = w * block[f, r]
        # A last block that is not full still holds rows of the one before.
        for r in range(rows, BLOCK):
            for f in range(d):
                scaled[f, r] = 0.0
        for f in range(d):
            for g in range(f, d):
                s = 0.0
                for r in range(BLOCK):
                    s += scaled[f, r] * block[g, r]
                out[f, g] += s


@reordering_kernel
def project_rows(
    X,  # (n, d) IN
    mean,  # (d,) IN
    axes,  # (3, d) IN: zeros where there are fewer
    start,
    stop,
    place,  # (n, q <= 3) OUT
):
    """Project rows start to stop; returns the sum of their squared distances to the mean."""
    q = place.shape[1]
    squares = 0.0
    for i in range(start, stop):
        s, s0, s1, s2 = 0.0, 0.0, 0.0, 0.0
        for f in range(X.shape[1]):
            x = X[i, f] - mean[f]
            s += x * x
            s0 += x * axes[0, f]
            s1 += x * axes[1, f]
            s2 += x * axes[2, f]
        squares += s
        if q > 0:
            place[i, 0] = s0
        if q > 1:
            place[i, 1] = s1
        if q > 2:
            place[i, 2] = s2
    return squares
