"""How many clusters KMad finds, and how well, in generated data of many kinds whose clusters are known.

`python -m benchmarks.quality` draws every kind with five seeds, `--quick` with one. Beside KMad, which is told nothing,
stand k-means that is told the true number, best of ten starts, and k-means started at the true means: where even that
scores low, the clusters overlap or are not of the shape that nearest centres can part.
"""

import argparse
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from benchmarks.data import SEPARATION, draw_centers
from benchmarks.tables import table, write_json
from kmad import KMad

Floats = NDArray[np.float64]
Rng = np.random.Generator
Noise = Callable[[Rng, tuple[int, int]], Floats]


class Truth(NamedTuple):
    """Rows and the cluster of each, -1 for rows that belong to none."""

    X: Floats
    label: NDArray[np.int64]


def normal(rng: Rng, shape: tuple[int, int]) -> Floats:
    return rng.normal(size=shape)


def student(rng: Rng, shape: tuple[int, int], *, freedom: float) -> Floats:
    return rng.standard_t(freedom, size=shape)


def uniform(rng: Rng, shape: tuple[int, int]) -> Floats:
    """A cube of side 4.8: cubes whose centres lie 6 apart along a feature have a gap of a quarter of their side."""
    return rng.uniform(-2.4, 2.4, size=shape)


def exponential(rng: Rng, shape: tuple[int, int]) -> Floats:
    return rng.exponential(size=shape)


def nothing(_: Rng, shape: tuple[int, int]) -> Floats:
    return np.zeros(shape)


def with_background(rng: Rng, truth: Truth, *, share: float) -> Truth:
    """Add rows that are spread evenly over the box of the data."""
    X, label = truth
    n = round(share * len(X))
    box = rng.uniform(X.min(axis=0), X.max(axis=0), (n, X.shape[1]))
    return Truth(np.concatenate([X, box]), np.append(label, np.full(n, -1)))


def with_noise(rng: Rng, truth: Truth, *, columns: int) -> Truth:
    """Add features that say nothing, as wide as a cluster."""
    return Truth(np.column_stack([truth.X, rng.normal(size=(len(truth.X), columns))]), truth.label)


def with_wide_noise(rng: Rng, truth: Truth, *, columns: int) -> Truth:
    """Add features that say nothing, uniform and half as wide as the data."""
    width = np.ptp(truth.X) / 2
    return Truth(np.column_stack([truth.X, width * rng.random((len(truth.X), columns))]), truth.label)


def with_flags(rng: Rng, truth: Truth, *, columns: int) -> Truth:
    """Add 0/1 features that say nothing."""
    return Truth(np.column_stack([truth.X, rng.integers(0, 2, (len(truth.X), columns))]), truth.label)


def with_constants(_: Rng, truth: Truth, *, columns: int) -> Truth:
    return Truth(np.column_stack([truth.X, np.full((len(truth.X), columns), 3.0)]), truth.label)


def rounded(_: Rng, truth: Truth) -> Truth:
    return Truth(np.round(truth.X), truth.label)


def counted(rng: Rng, truth: Truth) -> Truth:
    """Poisson counts whose doubled square roots lie about the given values, with a variance of about one."""
    return Truth(rng.poisson(truth.X**2 / 4).astype(float), truth.label)


def as_money(_: Rng, truth: Truth) -> Truth:
    """Skewed: the exponential of the values, which are scaled to span a factor of a thousand."""
    return Truth(np.exp(truth.X * (np.log(1000) / np.ptp(truth.X))), truth.label)


class Kind(NamedTuple):
    """Clusters about centres that keep a distance, in units of the spread of the widest cluster."""

    name: str
    features: int
    clusters: int
    rows: int
    gap: float = 6.0
    noise: Noise = normal
    largest: float = 1.0  # size of the largest cluster in multiples of the smallest, about
    narrowest: float = 1.0  # spread of the narrowest cluster
    stretched: float = 1.0  # longest axis of a cluster in multiples of its shortest, at most
    crowded: bool = False  # whether centres lie as close together as they can be drawn, the nearest at `gap`
    finish: Callable[[Rng, Truth], Truth] | None = None

    def draw(self, seed: int) -> Truth:
        rng = np.random.default_rng([zlib.crc32(repr(self[:5]).encode()), seed])
        k, d = self.clusters, self.features
        centers = draw_centers(rng, k, d) * (self.gap / SEPARATION)
        if self.crowded:
            centers *= self.gap / pdist(centers).min()
        share = np.exp(rng.uniform(0, np.log(self.largest), k))
        label = rng.choice(k, self.rows, p=share / share.sum())
        spread = np.exp(rng.uniform(np.log(self.narrowest), 0, k))
        X = self.noise(rng, (self.rows, d)) * spread[label, None]
        if self.stretched > 1:
            for j in range(k):
                axes = np.linalg.qr(rng.normal(size=(d, d)))[0] * np.exp(rng.uniform(-np.log(self.stretched), 0, d))
                X[label == j] @= axes
        truth = Truth(X + centers[label], label)
        return self.finish(rng, truth) if self.finish else truth


def blobs(features: int, clusters: int, rows: int, gap: float = 6.0) -> Kind:
    return Kind("normal", features, clusters, rows, gap)


KINDS = [
    *(blobs(1, k, n) for k, n in ((4, 1000), (10, 5000))),
    *(blobs(2, k, n) for k, n in ((3, 300), (10, 3000), (30, 10_000), (100, 20_000))),
    *(blobs(3, k, n) for k, n in ((8, 2000), (40, 20_000))),
    *(blobs(d, k, n) for d, k, n in ((4, 10, 3000), (8, 20, 5000), (16, 30, 6000), (32, 50, 10_000))),
    *(blobs(d, k, n) for d, k, n in ((64, 100, 20_000), (128, 2, 1000), (128, 20, 4000), (128, 100, 10_000))),
    *(blobs(d, 10, 3000, gap=4.0) for d in (2, 3, 8)),
    *(
        Kind("crowded", d, k, n, crowded=True)
        for d, k, n in ((2, 30, 10_000), (4, 10, 3000), (8, 20, 5000), (16, 30, 6000), (64, 10, 5000), (128, 20, 4000))
    ),
    *(Kind("a pair", d, 2, 2000, gap, crowded=True) for d in (1, 2, 8) for gap in (2.5, 3.0, 3.5, 4.0)),
    *(Kind("sizes 1 to 30", d, k, n, 8.0, largest=30) for d, k, n in ((2, 8, 4000), (3, 8, 4000), (6, 12, 6000))),
    Kind("sizes 1 to 30", 16, 20, 8000, 8.0, largest=30),
    *(Kind("spreads 1 to 10", d, k, n, narrowest=0.1) for d, k, n in ((1, 5, 2000), (2, 10, 4000), (3, 10, 4000))),
    Kind("spreads 1 to 10", 8, 15, 5000, narrowest=0.1),
    *(Kind("sizes and spreads", d, 8, 6000, 8.0, largest=30, narrowest=0.1) for d in (2, 3, 8)),
    *(
        Kind("Student t(3)", d, k, 4000, 12.0, partial(student, freedom=3))
        for d, k in ((1, 3), (2, 6), (5, 8), (16, 8))
    ),
    *(Kind("Student t(2)", d, 5, 3000, 20.0, partial(student, freedom=2)) for d in (2, 3, 6)),
    *(Kind("10 % background", d, 8, 4000, 8.0, finish=partial(with_background, share=0.1)) for d in (1, 2, 3, 6, 16)),
    Kind("50 % background", 2, 8, 4000, 8.0, finish=partial(with_background, share=0.5)),
    *(
        Kind("irrelevant features", d, k, n, finish=partial(with_noise, columns=3 * d))
        for d, k, n in ((2, 5, 3000), (4, 8, 4000), (8, 10, 5000), (16, 6, 4000))
    ),
    *(
        Kind("wide irrelevant features", d, k, n, 8.0, finish=partial(with_wide_noise, columns=m))
        for d, k, n, m in ((2, 4, 3000, 1), (2, 4, 3000, 3), (2, 5, 4000, 6), (4, 6, 5000, 12))
    ),
    *(Kind("rounded to integers", d, 8, 4000, 8.0, finish=rounded) for d in (1, 2, 3, 6)),
    *(Kind("Poisson counts", d, k, 4000, 8.0, nothing, finish=counted) for d, k in ((1, 3), (2, 5), (4, 6), (8, 8))),
    *(Kind("uniform", d, 8, 3000, noise=uniform) for d in (2, 3, 6)),
    *(Kind("exponential", d, k, 3000, 8.0, exponential) for d, k in ((1, 3), (2, 6), (5, 6))),
    *(Kind("stretched up to 3", d, k, n, stretched=3) for d, k, n in ((2, 8, 4000), (3, 8, 4000), (8, 10, 5000))),
    Kind("stretched up to 3", 20, 15, 6000, stretched=3),
    Kind("stretched up to 10", 2, 8, 4000, 8.0, stretched=10),
    *(
        Kind("0/1 features", d, k, 4000, 8.0, finish=partial(with_flags, columns=d))
        for d, k in ((1, 4), (2, 5), (4, 6))
    ),
    *(Kind("constant feature", d, 5, 2000, finish=partial(with_constants, columns=1)) for d in (2, 5)),
    *(Kind("money, raw", d, 5, 4000, 8.0, finish=as_money) for d in (2, 4)),
]


class Score(NamedTuple):
    """What was found in one kind, for each seed."""

    name: str
    features: int  # of the data as a whole
    clusters: int
    rows: int
    gap: float
    found: list[int]
    rand: list[float]  # adjusted Rand index of KMad
    rand_kmeans: list[float]  # of k-means told the number
    rand_truth: list[float]  # of k-means started at the true means

    @property
    def n_exact(self) -> int:
        return self.found.count(self.clusters)


def measure(kinds: Iterable[Kind], n_seeds: int) -> Iterator[Score]:
    for kind in kinds:
        found, rand, rand_kmeans, rand_truth = [], [], [], []
        shape = (0, 0)
        for seed in range(n_seeds):
            X, label = kind.draw(seed)
            shape = X.shape
            model = KMad().fit(X)
            means = np.stack([X[label == j].mean(axis=0) for j in range(kind.clusters)])
            told = KMeans(kind.clusters, n_init=10, random_state=seed).fit(X)
            started = KMeans(kind.clusters, init=means, n_init=1).fit(X)
            found.append(model.n_clusters_)
            rand.append(rand_index(label, model.labels_))
            rand_kmeans.append(rand_index(label, told.labels_))
            rand_truth.append(rand_index(label, started.labels_))
        yield Score(kind.name, shape[1], kind.clusters, shape[0], kind.gap, found, rand, rand_kmeans, rand_truth)


def rand_index(truth: NDArray[np.int64], labels: NDArray[np.int32]) -> float:
    """Over the rows that belong to a cluster."""
    inside = truth >= 0
    return float(adjusted_rand_score(truth[inside], labels[inside]))


def print_scores(scores: list[Score]) -> None:
    rows: list[list[object]] = []
    for score in scores:
        rands = [f"{np.mean(values):.3f}" for values in (score.rand, score.rand_kmeans, score.rand_truth)]
        numbers = " ".join(map(str, sorted(score.found)))
        exact = f"{score.n_exact}/{len(score.found)}"
        rows.append([score.name, score.features, score.rows, score.gap, score.clusters, exact, *rands, numbers])
    header = ["kind", "features", "rows", "gap", "K", "exact", "KMad", "k-means(K) x 10", "from true means", "K found"]
    print("Adjusted Rand index of KMad, of k-means told K, and of k-means from the true means; means over the seeds\n")
    print(table(header, rows))
    n_exact, n_fits = sum(score.n_exact for score in scores), sum(len(score.found) for score in scores)
    columns = zip(
        *([*map(np.mean, (score.rand, score.rand_kmeans, score.rand_truth))] for score in scores), strict=True
    )
    means = ", ".join(f"{np.mean(column):.3f}" for column in columns)
    print(f"\nexact K in {n_exact} of {n_fits}; mean index {means}")


def main(arguments: list[str] | None = None) -> None:
    """Draw, fit and score every kind that was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed of each kind")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="seeds of each kind (default: 5)")
    parser.add_argument("--kinds", nargs="+", metavar="WORD", help="only the kinds whose names begin with one of these")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write every figure to this file")
    options = parser.parse_args(arguments)
    kinds = [kind for kind in KINDS if kind.name.startswith(tuple(options.kinds or [""]))]
    scores = list(measure(kinds, 1 if options.quick else options.seeds))
    print_scores(scores)
    if options.json:
        report: dict[str, Any] = {"scores": [score._asdict() for score in scores]}
        write_json(options.json, report)


if __name__ == "__main__":
    main()
