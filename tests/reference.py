"""Slow and obvious twins of the algorithms."""

from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog


def squared_distances(X, centers):
    return ((X[:, None, :] - centers[None, :, :]) ** 2).sum(axis=2)


class Settled(NamedTuple):
    labels: np.ndarray
    centers: np.ndarray
    lead: float  # the least by which a row's nearest centre led the second nearest, on the way


def kmeans(X, weights, centers):
    """Lloyd's algorithm until no row changes its cluster; an empty cluster keeps its centre."""
    labels, lead = None, np.inf
    while True:
        distance = squared_distances(X, centers)
        before, labels = labels, distance.argmin(axis=1)
        if len(centers) > 1:
            two = np.sort(distance, axis=1)[:, :2]
            lead = min(lead, (two[:, 1] - two[:, 0]).min())
        if before is not None and np.array_equal(before, labels):
            return Settled(labels, centers, lead)
        centers = centers.copy()
        for j in np.unique(labels):
            centers[j] = np.average(X[labels == j], axis=0, weights=weights[labels == j])


def bin_rows(X, weights, frame):
    """Flat cell of every row, mass and coordinate sums of every cell, by a loop over the rows."""
    mass, sums = np.zeros(frame.shape), np.zeros((*frame.shape, X.shape[1]))
    cell = []
    for row, weight in zip(X, weights, strict=True):
        index = tuple(int(np.floor(x / w)) - first for x, w, first in zip(row, frame.width, frame.first, strict=True))
        mass[index] += weight
        sums[index] += weight * (row - frame.origin)
        cell.append(np.ravel_multi_index(index, frame.shape))
    return np.array(cell), mass.ravel(), sums.reshape(-1, X.shape[1])


def smoothing(n_cells, sigma):
    """A matrix that smooths a line of cells, and the sum of the squared kernel weights."""
    reach = int(4 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    offset = np.arange(n_cells)[:, None] - np.arange(n_cells)
    inside = np.abs(offset) <= reach
    return np.where(inside, kernel[np.where(inside, offset + reach, 0)], 0.0), (kernel**2).sum()


def effective_counts(mass, sigma):
    """Smooth along all axes at once, and divide by the sum of the squared kernel weights."""
    kernels = [smoothing(n, s) if s else (np.eye(n), 1.0) for n, s in zip(mass.shape, sigma, strict=True)]
    smoothed = np.einsum("ai,bj,ck,ijk->abc", *(matrix for matrix, _ in kernels), mass)
    return smoothed / np.prod([squares for _, squares in kernels])


class Flood(NamedTuple):
    prominence: dict  # peak -> how far it stands above the place where its island meets a higher one
    region: dict  # cell -> significant peak it belongs to, or None
    forked: bool  # more than two basins met in one cell: which neighbour a peak falls to is then open


def flood(count, empty, floor, threshold, height_of):
    """Lower a flood over the cells: an island rises at every peak, and where two meet the lower peak ends.

    No place where islands meet counts as lower than the floor.

    A peak whose prominence is below the threshold belongs to the basin across the place where it ended.
    """
    shape = count.shape
    island, basin = {}, {}  # cell -> highest peak of its island; cell -> peak that it climbs to
    prominence, across = {}, {}
    forked = False
    for cell in sorted(np.ndindex(shape), key=lambda cell: (-count[cell], cell)):
        if count[cell] < empty:
            break
        ranges = [range(max(i - 1, 0), min(i + 2, n)) for i, n in zip(cell, shape, strict=True)]
        shore = [other for other in product(*ranges) if other in island]
        if not shore:
            island[cell] = basin[cell] = cell
            continue
        steepest = min(shore, key=lambda other: (-count[other], other))
        island[cell], basin[cell] = island[steepest], basin[steepest]
        forked |= len({basin[other] for other in shore}) > 2
        for other in shore:
            first, second = sorted([island[cell], island[other]], key=lambda peak: (-count[peak], peak))
            if first != second:
                prominence[second] = height_of(count[second]) - height_of(max(count[cell], floor))
                across[second] = basin[other] if island[cell] == second else basin[cell]
                island = {at: first if peak == second else peak for at, peak in island.items()}
    for peak in set(island.values()):
        prominence[peak] = height_of(count[peak]) - height_of(floor)
        across[peak] = None

    def region(peak):
        while peak is not None and prominence[peak] < threshold:
            peak = across[peak]
        return peak

    return Flood(prominence, {cell: region(peak) for cell, peak in basin.items()}, forked)


def dip(curve):
    """Distance to the nearest curve whose slopes rise and then fall: a linear programme for each place of the mode."""
    n = len(curve) - 1
    eye = np.eye(n + 1)
    slope = eye[1:] - eye[:-1]
    far = -np.ones((n + 1, 1))
    answers = []
    for mode in range(n):
        turns = [slope[c] - slope[c + 1] if c < mode else slope[c + 1] - slope[c] for c in range(n - 1)]
        shape = np.array([*turns, *-slope])
        answer = linprog(
            np.append(np.zeros(n + 1), 1.0),
            A_ub=np.block([[shape, np.zeros((len(shape), 1))], [eye, far], [-eye, far]]),
            b_ub=np.concatenate([np.zeros(len(shape)), curve, -curve]),
            bounds=(0, 1),
        )
        answers.append(answer.fun)
    return min(answers)


class Halves(NamedTuple):
    gain: float  # the fall in inertia
    means: np.ndarray
    lead: float  # the least by which a point's own mean led the other, on the way


def two_means(points, weights, axis):
    """Two-means from a cut at the mean along an axis; None where a half is empty."""
    center = np.average(points, axis=0, weights=weights)
    side = points[:, axis] - center[axis]
    lead = np.inf
    while (side > 0).any() and not (side > 0).all():
        upper = side > 0
        lead = min(lead, np.abs(side).min())
        means = np.array([np.average(points[half], axis=0, weights=weights[half]) for half in (~upper, upper)])
        side = (points - means.mean(axis=0)) @ (means[1] - means[0])
        if np.array_equal(side > 0, upper):
            whole = weights @ ((points - center) ** 2).sum(axis=1)
            gain = whole - weights @ squared_distances(points, means).min(axis=1)
            return Halves(gain, means, min(lead, np.abs(side).min()))
    return None
