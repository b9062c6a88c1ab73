"""Look, seed, settle, look again: from rows to clusters."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._threads import Threads, row_chunks
from kmad.cluster._division import Division, cluster_rows, divide, halve, principal_axes, sample_rows
from kmad.cluster._grid import Floats, Rows
from kmad.cluster._lloyd import Partition, assign, settle, total
from kmad.cluster._regions import Lens, Regions, find_regions
from kmad.cluster._ties import Ties, few_distinct, find_ties

# Up to this many features the density is looked at in the features themselves.
MAX_AXES = 3
# A sample of one region is looked at once as a whole and once as a cluster; data of k clusters k times as clusters.
# With this share of the significance, at most one cluster of a hundred is divided needlessly at a significance of 0.05.
AGAIN = 0.2
# Bandwidths along an axis are no finer than this part of the interval that a tied value stands for.
TIE_SIGMAS = 0.8


class Search(NamedTuple):
    """How to look and when to stop."""

    n_clusters: int | None
    significance: float
    max_iter: int
    tol: float
    threads: Threads
    tell: Callable[..., None]


class Found(NamedTuple):
    partition: Partition
    regions: Regions  # with n_clusters=None, region j is the one that cluster j grew from


def find_clusters(X: Rows, weights: Floats, search: Search) -> Found:
    """Cluster the rows of X (n, d), in C order; `weights` is (n,) of positive numbers or empty for all ones.

    The clusters come out by falling size.
    """
    few = few_distinct(X)
    ties: list[Ties | None] = [None] * X.shape[1] if few else find_ties(X)
    regions = _first_look(X, weights, ties, not few, search)
    search.tell("first look: %d regions", len(regions.size))
    if search.n_clusters is None:
        partition, regions = _look_again(X, weights, ties, regions, search)
    else:
        partition = _reach(X, weights, regions, search)
    order = np.lexsort([*partition.centers.T[::-1], -partition.mass])
    if search.n_clusters is None:
        regions = regions.take(order)
    settled, _ = _settle(X, weights, partition.centers[order], search)
    converged = partition.converged and settled.converged
    return Found(settled._replace(n_iter=partition.n_iter + settled.n_iter, converged=converged), regions)


def _settle(X: Rows, weights: Floats, centers: Floats, search: Search) -> tuple[Partition, NDArray[np.bool_]]:
    """The settled clusters that have rows, and which of the centres they came from."""
    partition = settle(X, weights, centers, search.threads, max_iter=search.max_iter, tol=search.tol)
    kept = partition.mass > 0
    number = (np.cumsum(kept) - 1).astype(np.int32)
    labels = partition.labels if np.all(kept) else number[partition.labels]
    return partition._replace(labels=labels, centers=partition.centers[kept], mass=partition.mass[kept]), kept


def _first_look(X: Rows, weights: Floats, ties: list[Ties | None], tied: bool, search: Search) -> Regions:
    """Regions of all rows; their centres are means in all features."""
    n, d = X.shape
    cell = np.empty(n, np.int32)
    mean = total(X, weights, np.zeros(n, np.int32), 1, search.threads)[1]
    if d <= MAX_AXES:
        lens = Lens(search.significance, np.zeros(d), tied, search.threads)
        _, regions = find_regions(X, weights, cell, lens)
    else:
        axes = principal_axes(_covariance(X, weights, mean[0], search.threads))
        if axes.shape[1] == 0:
            return _whole(weights, n, mean)
        place = _project(X, mean[0], axes, search.threads)
        gaps = np.array([0.0 if t is None else t.gap for t in ties])
        floor = TIE_SIGMAS * (np.abs(axes) * gaps[:, None]).max(axis=0)
        _, regions = find_regions(place, weights, cell, Lens(search.significance, floor, False, search.threads))
        if len(regions.size) > 1:
            assign(place, regions.center, cell, search.threads)
            mass, centers = total(X, weights, cell, len(regions.size), search.threads)
            regions = regions._replace(size=mass, center=centers).take(mass > 0)
    return regions if len(regions.size) > 1 else _whole(weights, n, mean)


def _whole(weights: Floats, n: int, mean: Floats) -> Regions:
    """All rows as one region, which has no saddle to stand above."""
    size = np.array([weights.sum() if len(weights) else float(n)])
    return Regions(size, mean, mean, np.array([np.inf]), np.array([0.0]), np.zeros(1, bool))


def _covariance(X: Rows, weights: Floats, mean: Floats, threads: Threads) -> Floats:
    def chunk(start: int, stop: int) -> Floats:
        offset = X[start:stop] - mean
        weighted = offset * weights[start:stop, None] if len(weights) else offset
        return np.asarray(weighted.T @ offset)

    return np.asarray(sum(threads.map(chunk, row_chunks(len(X)))))


def _project(X: Rows, mean: Floats, axes: Floats, threads: Threads) -> Floats:
    place = np.empty((len(X), axes.shape[1]))

    def chunk(start: int, stop: int) -> None:
        place[start:stop] = (X[start:stop] - mean) @ axes

    threads.map(chunk, row_chunks(len(X)))
    return place


def _sampled(X: Rows, weights: Floats, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
    rows = sample_rows(rows)
    return X[rows].astype(np.float64), weights[rows] if len(weights) else np.ones(len(rows))


def _look_again(
    X: Rows, weights: Floats, ties: list[Ties | None], regions: Regions, search: Search
) -> tuple[Partition, Regions]:
    """Settle, and divide clusters of more than one mode, until every cluster has one."""
    significance = AGAIN * search.significance
    of_one_mode: set[bytes] = set()
    n_iter = 0
    while True:
        partition, kept = _settle(X, weights, regions.center, search)
        n_iter += partition.n_iter
        regions = regions.take(kept)._replace(center=partition.centers)
        parts = []
        for j, rows in enumerate(cluster_rows(partition.labels, len(partition.centers))):
            part = regions.take(np.array([j]))
            # A cluster that did not move keeps its mean to the last bit.
            key = part.center.tobytes() + partition.mass[j].tobytes()
            division = None
            if key not in of_one_mode:
                sample = _sampled(X, weights, rows)
                division = divide(*sample, ties, significance, features=X.shape[1] > MAX_AXES)
            if division is None:
                of_one_mode.add(key)
                parts.append(part)
            else:
                scale = partition.mass[j] / division.mass.sum()
                parts.append(_regions_of(division, scale))
        if len(parts) == sum(len(part.size) for part in parts):
            return partition._replace(n_iter=n_iter), regions
        regions = Regions(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        search.tell("looked again: %d regions", len(regions.size))


def _regions_of(division: Division, scale: float) -> Regions:
    """The two sides of a cut; a sample stands for `scale` times its rows."""
    two = np.ones(2)
    return Regions(
        scale * division.mass,
        division.centers,
        division.centers,
        division.dip * two,
        division.critical * two,
        two > 0,
    )


def _reach(X: Rows, weights: Floats, regions: Regions, search: Search) -> Partition:
    """Settle with as many clusters as were asked for, or with one for each distinct row where there are fewer."""
    assert search.n_clusters is not None
    centers, mass = regions.center, regions.size
    while len(centers) > search.n_clusters:
        centers, mass = _join(centers, mass)
    n_iter = 0
    while True:
        partition, _ = _settle(X, weights, centers, search)
        n_iter += partition.n_iter
        centers = _split(X, weights, partition, search.n_clusters)
        if len(centers) == len(partition.centers):
            return partition._replace(n_iter=n_iter)


def _split(X: Rows, weights: Floats, partition: Partition, n_clusters: int) -> Floats:
    """Centres after cutting in two, as often as needed, the cluster whose cut lowers the inertia most."""
    parts = [_sampled(X, weights, rows) for rows in cluster_rows(partition.labels, len(partition.centers))]
    scales = [mass / part[1].sum() for mass, part in zip(partition.mass, parts, strict=True)]
    centers = list(partition.centers)
    if len(centers) == n_clusters:
        return partition.centers
    cuts = [halve(*part) for part in parts]
    while len(centers) < n_clusters:
        gains = [0.0 if cut is None else scale * cut.gain for cut, scale in zip(cuts, scales, strict=True)]
        j = int(np.argmax(gains))
        cut = cuts[j]
        if cut is None or gains[j] <= 0:
            break
        rows, mass = parts[j]
        upper = (rows - cut.centers.mean(axis=0)) @ (cut.centers[1] - cut.centers[0]) > 0
        halves = [(rows[side], mass[side]) for side in (~upper, upper)]
        for items, new in (
            (centers, cut.centers),
            (parts, halves),
            (scales, [scales[j]] * 2),
            (cuts, [halve(*half) for half in halves]),
        ):
            items[j : j + 1] = list(new)
    return np.array(centers)


def _join(centers: Floats, mass: Floats) -> tuple[Floats, Floats]:
    """Join the two clusters whose union raises the inertia least."""
    step = ((centers[:, None] - centers) ** 2).sum(axis=2)
    cost = mass[:, None] * mass / (mass[:, None] + mass) * step
    np.fill_diagonal(cost, np.inf)
    a, b = sorted(divmod(int(np.argmin(cost)), len(mass)))
    joined = (mass[a] * centers[a] + mass[b] * centers[b]) / (mass[a] + mass[b])
    centers, mass = centers.copy(), mass.copy()
    centers[a], mass[a] = joined, mass[a] + mass[b]
    return np.delete(centers, b, axis=0), np.delete(mass, b)
