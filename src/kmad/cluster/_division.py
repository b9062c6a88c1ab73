"""Look again inside one cluster: is it one region along the line that divides it best?"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad.cluster._dip import dip
from kmad.cluster._landscape import survey
from kmad.cluster._ties import Ties, dither

Floats = NDArray[np.float64]

# Rows of a cluster that are looked at: the dip of so many is known to a hundredth.
SAMPLE_ROWS = 1 << 14
N_BINS = 1 << 10
# Bandwidths, in bins, at which a line is searched for its deepest valley.
LINE_SIGMAS = np.exp2(np.arange(1.0, 9.0, 0.5))
# Tail of the dip D of n uniform rows, the hardest of all distributions with one mode, for 100 rows and more:
# log P(sqrt(n) D > t) = DIP_OFFSET - DIP_SLOPE t^2. `python -m benchmarks.calibrate` fits them.
DIP_OFFSET, DIP_SLOPE = 1.35, 16.4
# Beyond the third principal axis lies what the two means of a small cluster would take for a direction.
N_AXES = 3
# Fewer rows than this show no valley.
MIN_ROWS = 8


class Division(NamedTuple):
    """A cluster cut in two."""

    centers: Floats  # (2, d)
    mass: Floats  # (2,)
    dip: float  # sqrt(n) times the dip along the line of the cut
    critical: float  # what chance would reach

    @property
    def gain(self) -> float:
        """By how much the cut lowers the inertia."""
        step = self.centers[1] - self.centers[0]
        return float(self.mass[0] * self.mass[1] / self.mass.sum() * (step @ step))


def sample_rows(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most SAMPLE_ROWS of the rows, evenly over them."""
    return rows[:: -(-len(rows) // SAMPLE_ROWS)]


def dip_critical(significance: float) -> float:
    """The value of sqrt(n) times the dip that uniform rows exceed with this probability."""
    return float(np.sqrt((DIP_OFFSET - np.log(significance)) / DIP_SLOPE))


def principal_axes(covariance: Floats) -> Floats:
    """Eigenvectors of the larger eigenvalues as columns, widest first, at most N_AXES and only those with extent."""
    value, axes = np.linalg.eigh(covariance)
    value, axes = value[::-1][:N_AXES], axes[:, ::-1][:, :N_AXES]
    axes = axes[:, value > max(value[0], 0.0) * 1e-12]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
    return np.asarray(axes * np.sign(largest))


def halve(rows: Floats, weights: Floats) -> Division | None:
    """Two-means of the rows along their principal axes, the best of a start along each; None where all are equal."""
    offset = rows - np.average(rows, axis=0, weights=weights)
    axes = principal_axes((offset * weights[:, None]).T @ offset)
    place = offset @ axes
    best: Division | None = None
    for a in range(axes.shape[1]):
        upper = place[:, a] > 0
        for _ in range(20):
            if not 0 < weights[upper].sum() < weights.sum():
                break
            low = np.average(place[~upper], axis=0, weights=weights[~upper])
            high = np.average(place[upper], axis=0, weights=weights[upper])
            before, upper = upper, (place - (low + high) / 2) @ (high - low) > 0
            if np.array_equal(upper, before):
                break
        cut = _cut(rows, weights, upper.astype(np.int32))
        if cut is not None and (best is None or cut.gain > best.gain):
            best = cut
    return best


def divide(
    rows: Floats, weights: Floats, ties: list[Ties | None], significance: float, *, features: bool
) -> Division | None:
    """Cut the rows at the deepest valley along a line on which they have more than one mode; None where they have one.

    The line joins the two means of the rows; with `features` every feature is a line as well, and the significance is
    shared between the one and the others.
    """
    if len(rows) < MIN_ROWS:
        return None
    smooth = dither(rows, ties)
    halves = halve(smooth, weights)
    if halves is None:
        return None
    lines = (halves.centers[1] - halves.centers[0])[:, None]
    critical = np.array([dip_critical(significance / (2 if features else 1))])
    if features:
        lines = np.concatenate([lines, np.eye(rows.shape[1])], axis=1)
        critical = np.append(critical, np.full(rows.shape[1], dip_critical(significance / (2 * rows.shape[1]))))
    place = smooth @ lines
    bins = _bins(place)
    n = weights.sum()
    dips = np.array([np.sqrt(n) * dip(np.bincount(b, weights, N_BINS)) for b in bins.T])
    best = int(np.argmax(dips - critical))
    if dips[best] <= critical[best]:
        return None
    cut = _cut(rows, weights, _valley_sides(np.bincount(bins[:, best], weights, N_BINS))[bins[:, best]])
    return None if cut is None else cut._replace(dip=float(dips[best]), critical=float(critical[best]))


def _bins(place: Floats) -> NDArray[np.int64]:
    low, extent = place.min(axis=0), np.ptp(place, axis=0)
    scale = np.divide(N_BINS, extent, out=np.zeros_like(extent), where=extent > 0)
    return np.minimum((place - low) * scale, N_BINS - 1).astype(np.int64)


def _valley_sides(mass: Floats) -> NDArray[np.int32]:
    """Which of the two most prominent peaks each bin climbs to, at the bandwidth where the second stands out most."""
    line = mass.reshape(1, 1, -1)

    def second(sigma: float) -> float:
        prominence = survey(line, np.array([0.0, 0.0, sigma]), lambda _: 0.0).prominence
        return float(np.partition(prominence, -2)[-2]) if len(prominence) > 1 else 0.0

    seconds = [second(sigma) for sigma in LINE_SIGMAS]
    best = int(np.argmax(seconds))
    return survey(line, np.array([0.0, 0.0, LINE_SIGMAS[best]]), lambda _: seconds[best]).region


def _cut(rows: Floats, weights: Floats, side: NDArray[np.int32]) -> Division | None:
    """The parts of the rows whose side is 0 and 1; None where either is empty."""
    parts = [side == 0, side == 1]
    mass = np.array([weights[part].sum() for part in parts])
    if not np.all(mass > 0):
        return None
    centers = np.stack([np.average(rows[part], axis=0, weights=weights[part]) for part in parts])
    return Division(centers, mass, np.nan, np.nan)


def cluster_rows(labels: NDArray[np.int32], n_clusters: int) -> list[NDArray[Any]]:
    """The rows of every cluster."""
    # Sixteen-bit keys are sorted by radix.
    keys = labels.astype(np.int16) if n_clusters < 1 << 15 else labels
    order = np.argsort(keys, kind="stable")
    return np.split(order, np.cumsum(np.bincount(labels, minlength=n_clusters))[:-1])
