"""Look again inside every cluster, along the line that divides it best, and cut it where it has two modes."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel
from kmad._threads import Threads
from kmad.cluster._axes import N_AXES, covariance, leading_axes, project
from kmad.cluster._dip import N_BINS, best_halves, dips_along_features, dips_along_halves
from kmad.cluster._grid import Floats, Rows
from kmad.cluster._landscape import survey
from kmad.cluster._ties import Ties, dither

# Rows of a cluster that are looked at, evenly over them: their dip is known to a hundredth.
SAMPLE_ROWS = 1 << 12
# Bandwidths, in bins, at which a line is searched for its deepest valley.
LINE_SIGMAS = np.exp2(np.arange(0.0, 8.0, 0.5))
# Tail of the dip D of n uniform rows, the hardest of all distributions with one mode, for 100 rows and more:
# log P(sqrt(n) D > t) = DIP_OFFSET - DIP_SLOPE t^2. `python -m benchmarks.calibrate` fits them.
DIP_OFFSET, DIP_SLOPE = 1.35, 16.4
# Fewer rows than this show no valley.
MIN_ROWS = 8


class Sample(NamedTuple):
    """Rows of some clusters, cluster by cluster."""

    rows: Floats  # (m, d)
    weights: Floats  # (m,)
    starts: NDArray[np.int64]  # (k + 1,)

    def part(self, j: int) -> tuple[Floats, Floats]:
        inside = slice(self.starts[j], self.starts[j + 1])
        return self.rows[inside], self.weights[inside]


class Division(NamedTuple):
    """A cluster cut in two."""

    centers: Floats  # (2, d)
    mass: Floats  # (2,)

    @property
    def gain(self) -> float:
        """By how much the cut lowers the inertia."""
        step = self.centers[1] - self.centers[0]
        return float(self.mass[0] * self.mass[1] / self.mass.sum() * (step @ step))


def dip_critical(significance: float) -> float:
    """The value of sqrt(n) times the dip that uniform rows exceed with this probability."""
    return float(np.sqrt((DIP_OFFSET - np.log(significance)) / DIP_SLOPE))


def sample_clusters(
    X: Rows, weights: Floats, labels: NDArray[np.int32], n_clusters: int, wanted: NDArray[np.bool_]
) -> Sample:
    """At most SAMPLE_ROWS rows of each cluster that is wanted, and none of the others."""
    count = np.zeros(n_clusters, np.int64)
    count_labels(labels, count)
    stride = np.where(wanted, -(-count // SAMPLE_ROWS), 0)
    taken = np.where(wanted, -(-count // np.maximum(stride, 1)), 0)
    starts = np.concatenate([[0], np.cumsum(taken)])
    rows = np.empty(starts[-1], np.int64)
    take_every(labels, stride, starts[:-1].copy(), rows)
    taken_weights = weights[rows] if len(weights) else np.ones(len(rows))
    return Sample(X[rows].astype(np.float64), frozen(taken_weights), starts)


def halve(rows: Floats, weights: Floats) -> Division | None:
    """Two-means of the rows along their principal axes; None where all rows are equal."""
    place = _place(rows, weights)
    cut = np.empty((2, 3))
    if not best_halves(place, weights, 0, len(rows), cut) > 0:
        return None
    return _cut(rows, weights, ((place - cut.mean(axis=0)) @ (cut[1] - cut[0]) > 0).astype(np.int32))


def _place(rows: Floats, weights: Floats) -> Floats:
    """Where the rows lie in three coordinates: the features, or the principal axes of more than three.

    Beyond the third axis lies what the two means of a small cluster would take for a direction.
    """
    offset = frozen(rows - np.average(rows, axis=0, weights=weights))
    if rows.shape[1] > N_AXES:
        with Threads(1) as thread:
            axes = leading_axes(covariance(offset, weights, np.zeros(rows.shape[1]), thread))
            offset = project(offset, np.zeros(rows.shape[1]), axes, thread)
    place = np.zeros((len(rows), 3))
    place[:, : offset.shape[1]] = offset
    return place


def divide_clusters(
    sample: Sample, ties: list[Ties | None], significance: float, threads: Threads
) -> dict[int, tuple[Division, float, float]]:
    """Cut the clusters with more than one mode: cluster -> the cut at the valley, the dip, and what chance would reach.

    A line joins the two means of the rows. Beyond three features every feature is a line as well, and the
    significance is shared between the one and the others.
    """
    n_clusters, d = len(sample.starts) - 1, sample.rows.shape[1]
    smooth, place = sample.rows, np.empty((len(sample.rows), 3))
    if any(tied is not None for tied in ties):
        smooth = smooth.copy()
    for j in range(n_clusters):
        inside = slice(sample.starts[j], sample.starts[j + 1])
        if smooth is not sample.rows:
            smooth[inside] = dither(sample.rows[inside], ties)
        if sample.starts[j + 1] > sample.starts[j]:
            place[inside] = _place(smooth[inside], sample.weights[inside])
    one_each = [(j, j + 1) for j in range(n_clusters)]
    dips, cuts = np.empty(n_clusters), np.zeros((n_clusters, 2, 3))
    threads.map(lambda j, _: dips_along_halves(place, sample.weights, sample.starts, j, dips, cuts), one_each)
    critical = dip_critical(significance)
    by_feature = np.zeros((n_clusters, 0))
    if d > N_AXES:
        critical = dip_critical(significance / 2)
        by_feature = np.empty((n_clusters, d))
        threads.map(lambda j, _: dips_along_features(smooth, sample.weights, sample.starts, j, by_feature), one_each)
    found = {}
    for j in range(n_clusters):
        inside = slice(sample.starts[j], sample.starts[j + 1])
        if sample.starts[j + 1] - sample.starts[j] < MIN_ROWS:
            continue
        along, dip, limit = place[inside] @ (cuts[j, 1] - cuts[j, 0]), float(dips[j]), critical
        if d > N_AXES:
            f = int(np.argmax(by_feature[j]))
            shared = dip_critical(significance / (2 * d))
            if by_feature[j, f] - shared > dip - critical:
                along, dip, limit = smooth[inside, f], float(by_feature[j, f]), shared
        if dip > limit:
            division = cut_at_valley(*sample.part(j), along)
            if division is not None:
                found[j] = (division, dip, limit)
    return found


def cut_at_valley(rows: Floats, weights: Floats, along: Floats) -> Division | None:
    """Cut rows between their two most prominent modes along a line, where the second stands out most."""
    low, extent = along.min(), np.ptp(along)
    bins = np.minimum((along - low) * (N_BINS / extent), N_BINS - 1).astype(np.int64)
    line = np.bincount(bins, weights, N_BINS).astype(np.float64).reshape(1, 1, -1)

    def second(sigma: float) -> float:
        prominence = survey(line, np.array([0.0, 0.0, sigma]), lambda _: 0.0).prominence
        return float(np.partition(prominence, -2)[-2]) if len(prominence) > 1 else 0.0

    seconds = [second(sigma) for sigma in LINE_SIGMAS]
    best = int(np.argmax(seconds))
    region = survey(line, np.array([0.0, 0.0, LINE_SIGMAS[best]]), lambda _: seconds[best]).region
    return _cut(rows, weights, region[bins])


def _cut(rows: Floats, weights: Floats, side: NDArray[np.int32]) -> Division | None:
    """The parts of the rows whose side is 0 and 1; None where either is empty."""
    parts = [side == 0, side == 1]
    mass = np.array([weights[part].sum() for part in parts])
    if not np.all(mass > 0):
        return None
    return Division(np.stack([np.average(rows[part], axis=0, weights=weights[part]) for part in parts]), mass)


@kernel
def count_labels(
    labels,  # (n,) IN
    count,  # (k,) INOUT
):
    """Count the rows of every cluster."""
    for i in range(len(labels)):
        count[labels[i]] += 1


@kernel
def take_every(
    labels,  # (n,) IN
    stride,  # (k,) IN: every how many rows of a cluster one is taken, 0 for none
    at,  # (k,) INOUT: where the next row of each cluster goes
    rows,  # (m,) OUT
):
    """Take the first row of every cluster, and every stride-th after it."""
    wait = np.empty(len(stride), np.int64)
    for j in range(len(stride)):
        wait[j] = 0 if stride[j] > 0 else -1
    for i in range(len(labels)):
        j = labels[i]
        if wait[j] == 0:
            rows[at[j]] = i
            at[j] += 1
            wait[j] = stride[j]
        wait[j] -= 1
