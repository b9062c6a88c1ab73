"""Look, seed, settle, look again: from rows to clusters."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite

from kmad._jit import frozen
from kmad._threads import Threads
from kmad.cluster._axes import N_AXES, find_axes, project
from kmad.cluster._cells import settle_on_cells
from kmad.cluster._division import Sample, divide_clusters, halve, sample_clusters
from kmad.cluster._grid import Extent, Floats, Grid, Rows, measure, summarise
from kmad.cluster._lloyd import Partition, inertia, inertia_of_means, settle, sum_by_label
from kmad.cluster._regions import Lens, Regions, find_regions, joined, label_regions
from kmad.cluster._ties import Ties, few_distinct, find_heaps, find_ties
from kmad.cluster._weights import Worth, worth_of, worth_of_distinct

# A sample of one region is looked at once as a whole and once as a cluster; data of k clusters k times as clusters.
# With this share of the significance, at most two clusters of a hundred are divided needlessly at one of 0.05.
AGAIN = 0.4
# Beyond three features, every so many rows are settled first, at least this many in all and of a cluster: what is found
# among them is settled again with all rows, which then takes few iterations.
THIN_ROWS, THIN_CLUSTER = 1 << 14, 1 << 8
# All rows are settled at once where more than one in so many would have to be taken.
LEAST_STRIDE = 8
# Regions with fewer rows than this among them wait for all rows.
THIN_REGION = 16
# Rows are settled on cells while a cluster covers more than so many of them: in fewer, centres share them all.
CELLS_A_REGION = 4
# Iterations after which clusters that are still to be divided are looked at as they are; most have settled before.
PATIENCE = 30
# Bandwidths along an axis are no finer than this part of the interval that a tied value stands for.
TIE_SIGMAS = 0.8


class Search(NamedTuple):
    """How to look and when to stop."""

    n_clusters: int | None
    significance: float
    max_iter: int
    tol: float  # as a part of the mean variance of the features
    threads: Threads
    tell: Callable[..., None]


class Found(NamedTuple):
    partition: Partition
    regions: Regions  # with n_clusters=None, region j is the one that cluster j grew from


class Ground(NamedTuple):
    """The rows, what was seen of them, and where their cells and labels are written."""

    X: Rows  # (n, d)
    weights: Floats  # (n,) or (0,)
    counts: bool  # whether they are whole: how often each row was seen
    ties: list[Ties | None]
    heaped: NDArray[np.bool_]  # (d,) which columns have heaps
    grid: Grid | None  # with few features, the grid they are settled on
    about: Floats  # (d,)
    squares: float  # of these rows about that point; 0 where that is not known
    labels: NDArray[np.int32]  # (n,) the cell of each row, then its label
    stride: int = 1  # how many rows each of these stands for
    n_cells: float = 0.0  # how many cells of the grid hold most of the mass

    def for_clusters(self, n_clusters: int) -> "Ground":
        """The same, without the grid where so many clusters would crowd on it."""
        return self._replace(grid=None) if self.n_cells < CELLS_A_REGION * n_clusters else self


def find_clusters(X: Rows, weights: Floats, search: Search) -> Found:
    """Cluster the rows of X (n, d), in C order; `weights` is (n,) of positive numbers or empty for all ones.

    The clusters come out by falling size. Raises ValueError where X holds a number that is not finite, or too large.
    """
    n_features = X.shape[1]
    glance = _glance(X, weights, search.threads)
    if not np.isfinite(glance.squares):
        assert_all_finite(X, estimator_name="KMad", input_name="X")
        low, high = X.min(), X.max()
        raise ValueError(
            f"X must hold values whose squared differences have a finite sum; got values from {low:g} to {high:g}."
        )
    if search.tol:
        search = search._replace(tol=search.tol * float(np.var(X, axis=0).mean()))
    few = few_distinct(X)
    ties: list[Ties | None] = [None] * n_features if few else find_ties(X, weights, search.threads)
    smooth = [f for f in range(n_features) if ties[f] is None]
    worth = worth_of(weights) if few or not smooth else worth_of_distinct(X, weights, smooth, search.threads)
    # Rows that are seen several times heap whatever their values.
    repeated = few or (len(worth.rows) > 0 and not worth.counts)
    heaped = np.zeros(n_features, bool) if repeated else find_heaps(X, ties)
    ground, regions = _first_look(X, glance, worth._replace(rows=frozen(worth.rows)), ties, heaped, search)
    del glance  # three numbers a row
    search.tell("first look: %d regions", len(regions.size))
    ground = ground.for_clusters(search.n_clusters or len(regions.size))
    thin = _thinned(ground, search.n_clusters or len(regions.size))
    if search.n_clusters is not None:
        centers, mass = regions.center, regions.size
        if thin is not None:
            partition = _reach(thin, centers, mass, search.n_clusters, search)
            centers, mass = partition.centers, partition.mass
        partition = _reach(ground, centers, mass, search.n_clusters, search)
    else:
        large = regions.size >= THIN_REGION * (thin or ground).stride
        if thin is not None and large.any():
            partition, among = _look_again(thin, regions.take(large), search)
            regions = joined([among._replace(center=partition.centers), regions.take(~large)])
        partition, regions = _look_again(ground, regions, search)
    if partition.inertia is not None:
        partition = partition._replace(inertia=worth.unit * partition.inertia)
    return Found(partition, regions._replace(size=regions.size * worth.unit))


class Glance(NamedTuple):
    """What one pass over the rows shows."""

    extent: Extent | None  # of few features
    axes: Floats  # (d, q) of many, their principal axes as columns
    place: Floats  # (n, q) and where the rows lie along them
    about: Floats  # (d,) the first row, or the mean of some
    squares: float  # of the rows about that point: a finite number where all values are


def _glance(X: Rows, weights: Floats, threads: Threads) -> Glance:
    if X.shape[1] <= N_AXES:
        extent = measure(X, threads)
        return Glance(extent, np.empty((0, 0)), np.empty((0, 0)), X[0].astype(np.float64), extent.squares)
    mean, axes = find_axes(X, weights, threads)
    place, squares = project(X, mean, axes, threads)
    return Glance(None, axes, place, mean, squares)


def _thinned(ground: Ground, n_clusters: int) -> Ground | None:
    """Every so many rows, enough for about so many clusters; None where all settle quickly as they are."""
    stride = len(ground.X) // max(THIN_ROWS, THIN_CLUSTER * n_clusters)
    if ground.grid is not None or stride < LEAST_STRIDE:
        return None
    # To take rows is twice as fast as to copy a slice of them.
    X = frozen(ground.X.take(np.arange(0, len(ground.X), stride), axis=0))
    weights = frozen(np.ascontiguousarray(ground.weights[::stride]))
    return ground._replace(X=X, weights=weights, labels=np.empty(len(X), np.int32), squares=0.0, stride=stride)


def _first_look(
    X: Rows, glance: Glance, worth: Worth, ties: list[Ties | None], heaped: NDArray[np.bool_], search: Search
) -> tuple[Ground, Regions]:
    """Regions of all rows; their centres are means in all features."""
    n, d = X.shape
    weights, threads, labels = worth.rows, search.threads, np.empty(n, np.int32)
    squares = 0.0 if len(weights) else glance.squares
    ground = Ground(X, weights, worth.counts, ties, heaped, None, glance.about, squares, labels)
    if glance.extent is not None:
        lens = Lens(search.significance, np.zeros(d), ties, threads)
        grid, regions = find_regions(X, weights, glance.extent, labels, lens)
        if len(regions.size) <= 1:
            mean = grid.sums.sum(axis=0) / grid.mass.sum() + grid.frame.origin
            regions = _whole(float(grid.mass.sum()), mean)
        return ground._replace(grid=grid, n_cells=grid.mass.sum() ** 2 / (grid.mass**2).sum()), regions
    place, axes = glance.place, glance.axes
    if axes.shape[1]:
        gaps = np.array([0.0 if t is None else t.gap for t in ties])
        floor = TIE_SIGMAS * (np.abs(axes) * gaps[:, None]).max(axis=0)
        lens = Lens(search.significance, floor, [None] * axes.shape[1], threads)
        # What lies inside of them is seen when their clusters are looked at again, in all features.
        regions = label_regions(place, weights, measure(place, threads), labels, lens)
        k = len(regions.size)
        if k > 1:
            size, centers = sum_by_label(X, weights, labels, k + 1, threads)
            peak = glance.about + regions.peak @ axes.T
            return ground, regions._replace(size=size[:k], center=centers[:k], peak=peak).take(size[:k] > 0)
    return ground, _whole(float(weights.sum()) if len(weights) else float(n), glance.about)


def _whole(mass: float, mean: Floats) -> Regions:
    """All rows as one region, which has no saddle to stand above."""
    return Regions(np.array([mass]), mean[None], mean[None], np.array([np.inf]), np.zeros(1), np.zeros(1, bool))


def _settle(ground: Ground, centers: Floats, search: Search) -> Partition:
    X, weights, labels, threads = ground.X, ground.weights, ground.labels, search.threads
    limits: Any = {"max_iter": search.max_iter, "tol": search.tol}
    if ground.grid is None:
        partition = settle(X, weights, centers, labels, threads, **limits)
    else:
        partition = settle_on_cells(X, weights, ground.grid, labels, centers, threads, **limits)
    if not partition.at_means:
        return partition
    return partition._replace(inertia=inertia_of_means(partition.centers, partition.mass, ground.about, ground.squares))


def _again(ground: Ground, search: Search) -> None:
    """Make the ground ready to be settled once more: the labels were written over the cells."""
    if ground.grid is not None:
        summarise(ground.X, ground.weights, ground.grid.frame, ground.labels, search.threads)


def _sample(ground: Ground, partition: Partition, wanted: NDArray[np.bool_], search: Search) -> Sample:
    n_rows = None if len(ground.weights) else partition.mass
    return sample_clusters(
        ground.X, ground.weights, partition.labels, wanted, search.threads, counts=ground.counts, n_rows=n_rows
    )


def _look_again(ground: Ground, regions: Regions, search: Search) -> Found:
    """Settle, and divide clusters of more than one mode, until every cluster has one."""
    significance = AGAIN * search.significance
    looked_at: set[bytes] = set()
    n_before = 0
    regions = regions.take(np.argsort(-regions.size, kind="stable"))
    n_iter, patience = 0, min(PATIENCE, search.max_iter)
    while True:
        partition = _settle(ground, regions.center, search._replace(max_iter=patience))
        n_iter += partition.n_iter
        regions = regions.take(partition.seed)
        # A cluster that did not change keeps its mass, and its mean as far as sums do not depend on their order: its
        # first 24 bits, of numbers that may be too large for single precision.
        means = ((partition.centers - ground.X[0]).view(np.uint64) + np.uint64(1 << 28)) >> np.uint64(29)
        keys = [mean.tobytes() + mass.tobytes() for mean, mass in zip(means, partition.mass, strict=True)]
        wanted = np.array([key not in looked_at for key in keys])
        sample = _sample(ground, partition, wanted, search)
        # What only single features show can wait for all rows.
        found = divide_clusters(
            sample, ground.ties, ground.heaped, significance, search.threads, along_features=ground.stride == 1
        )
        looked_at.update(key for j, key in enumerate(keys) if j not in found)
        # A small mode may be rows that a neighbour of several modes pushed over the border: first the neighbour.
        cuts = {j: cut for j, cut in found.items() if cut.by_dip} or found
        # Where rounding undoes a division, dividing again would go on for ever.
        if not cuts or len(keys) <= n_before:
            if not partition.converged and patience < search.max_iter:
                patience, n_before = search.max_iter, 0
                regions = regions._replace(center=partition.centers)
                _again(ground, search)
                continue
            if len(keys) == 1:
                regions = _whole(ground.stride * float(partition.mass[0]), partition.centers[0])
            return Found(partition._replace(n_iter=n_iter), regions)
        n_before = len(keys)
        whole = np.array([j for j in range(len(keys)) if j not in cuts], dtype=np.int64)
        parts = [regions._replace(center=partition.centers).take(whole)]
        for j, (division, _, statistic, critical) in cuts.items():
            two = np.ones(2)
            size = division.mass * (ground.stride * partition.mass[j] / division.mass.sum())
            parts.append(Regions(size, division.centers, division.centers, statistic * two, critical * two, two > 0))
        regions = joined(parts)
        regions = regions.take(np.argsort(-regions.size, kind="stable"))
        search.tell("looked again: %d regions", len(regions.size))
        ground = ground.for_clusters(len(regions.size))
        _again(ground, search)


def _reach(ground: Ground, centers: Floats, mass: Floats, n_clusters: int, search: Search) -> Partition:
    """Settle with as many clusters as were asked for, or with one for each distinct row where there are fewer."""
    while len(centers) > n_clusters:
        centers, mass = _join(centers, mass)
    n_iter, least = 0, np.inf
    while True:
        partition = _settle(ground, centers[np.argsort(-mass, kind="stable")], search)
        n_iter += partition.n_iter
        if len(partition.centers) == n_clusters:
            return partition._replace(n_iter=n_iter)
        # A division lowers the inertia, even where a cluster loses all its rows to the others while they settle.
        left = partition.inertia
        if left is None:
            left = inertia(ground.X, ground.weights, partition.labels, partition.centers, search.threads)
        if not left < least:
            return partition._replace(n_iter=n_iter)
        least = left
        centers, mass = _split(ground, partition, n_clusters, search)
        _again(ground, search)


def _split(ground: Ground, partition: Partition, n_clusters: int, search: Search) -> tuple[Floats, Floats]:
    """Centres and masses after cutting in two, as often as needed, the cluster whose cut lowers the inertia most."""
    k = len(partition.centers)
    every = np.ones(k, bool)
    centers, masses = _cut_up(_sample(ground, partition, every, search), partition, n_clusters)
    if len(centers) > k:
        return centers, masses
    # A row that differs from all others of its cluster may be one that a sample misses.
    rows = sample_clusters(ground.X, ground.weights, partition.labels, every, search.threads, len(ground.X))
    return _cut_up(rows, partition, n_clusters)


def _cut_up(sample: Sample, partition: Partition, n_clusters: int) -> tuple[Floats, Floats]:
    """As `_split`, as far as these rows of the clusters show."""
    k = len(partition.centers)
    parts = [sample.part(j) for j in range(k)]
    scales = [mass / weights.sum() for mass, (_, weights) in zip(partition.mass, parts, strict=True)]
    centers, masses = list(partition.centers), list(partition.mass)
    cuts = [halve(*part) for part in parts]
    while len(centers) < n_clusters:
        gains = [0.0 if cut is None else scale * cut.gain for cut, scale in zip(cuts, scales, strict=True)]
        j = int(np.argmax(gains))
        cut = cuts[j]
        if cut is None:
            break
        rows, weights = parts[j]
        halves = [(rows[side], weights[side]) for side in (~cut.upper, cut.upper)]
        masses[j : j + 1] = list(scales[j] * cut.mass)
        centers[j : j + 1] = list(cut.centers)
        scales[j : j + 1] = [scales[j]] * 2
        parts[j : j + 1] = halves
        cuts[j : j + 1] = [halve(*half) for half in halves]
    return np.array(centers), np.array(masses)


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
