"""Principal axes: the directions in which rows of more than three features are looked at."""

import numpy as np

from kmad._jit import frozen, kernel, reordering_kernel
from kmad._threads import Threads, row_chunks
from kmad.cluster._grid import Floats, Rows

# More axes than the density can be looked at over are not needed.
N_AXES = 3
# An axis with less than this part of the largest variance is rounding.
LEAST_VARIANCE = 1e-12
# Orthogonal iterations on the way to the leading axes of a cluster: they are looked along, and need not be exact.
N_ITERATIONS = 12
BLOCK = 64


def covariance(X: Rows, weights: Floats, mean: Floats, threads: Threads) -> Floats:
    """Weighted sums (d, d) of the products of the coordinates less the mean.

    A kernel rather than a product of matrices: a linear algebra library brings threads of its own, which wait for each
    other where the processors are busy, and sums in an order that may depend on their number.
    """

    def chunk(start: int, stop: int) -> Floats:
        out = np.zeros((X.shape[1], X.shape[1]))
        add_products(X, weights, mean, start, stop, out)
        return out

    upper = np.asarray(sum(threads.map(chunk, row_chunks(len(X)))))
    return np.asarray(upper + np.triu(upper, 1).T)


def principal_axes(covariance: Floats) -> Floats:
    """Eigenvectors of the larger eigenvalues as columns, widest first: at most N_AXES, and only those with extent."""
    value, axes = np.linalg.eigh(covariance)
    value, axes = value[::-1][:N_AXES], axes[:, ::-1][:, :N_AXES]
    axes = axes[:, value > max(value[0], 0.0) * LEAST_VARIANCE]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
    return np.asarray(axes * np.sign(largest))


def leading_axes(covariance: Floats) -> Floats:
    """About the first N_AXES principal axes: all eigenvectors of 128 features cost milliseconds a cluster."""
    axes = np.eye(len(covariance))[:, np.argsort(-np.diag(covariance), kind="stable")[:N_AXES]]
    for _ in range(N_ITERATIONS):
        axes = np.linalg.qr(covariance @ axes)[0]
    return axes


def project(X: Rows, mean: Floats, axes: Floats, threads: Threads) -> Floats:
    """Coordinates (n, q) of the rows, less the mean, along the columns of `axes`."""
    place, axes = np.empty((len(X), axes.shape[1])), np.ascontiguousarray(axes)
    threads.map(lambda start, stop: project_rows(X, mean, axes, start, stop, place), row_chunks(len(X)))
    return frozen(place)


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


@kernel
def project_rows(
    X,  # (n, d) IN
    mean,  # (d,) IN
    axes,  # (d, q <= 3) IN
    start,
    stop,
    place,  # (n, q) OUT
):
    """Project rows start to stop."""
    q = axes.shape[1]
    for i in range(start, stop):
        s0, s1, s2 = 0.0, 0.0, 0.0
        for f in range(X.shape[1]):
            x = X[i, f] - mean[f]
            s0 += x * axes[f, 0]
            if q > 1:
                s1 += x * axes[f, 1]
            if q > 2:
                s2 += x * axes[f, 2]
        place[i, 0] = s0
        if q > 1:
            place[i, 1] = s1
        if q > 2:
            place[i, 2] = s2
