"""The ways to cluster that are compared: each takes rows, a number of clusters and a seed, and returns labels."""

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import HDBSCAN, KMeans, MiniBatchKMeans
from sklearn.metrics import silhouette_score

from benchmarks.data import Data, Floats
from kmad import KMad

Fit = Callable[[Any, int, int], NDArray[np.integer[Any]]]

KMAD, KMAD_GIVEN = "KMad", "KMad, K given"
KMEANS, KMEANS_TEN, MINI_BATCH = "KMeans", "KMeans, 10 starts", "MiniBatchKMeans"
INTELEX, FAISS = "scikit-learn-intelex", "faiss"
SILHOUETTE, DENSITY_TREE, FAST_HDBSCAN, X_MEANS = "silhouette sweep", "HDBSCAN", "fast_hdbscan", "X-means"
K_GIVEN = (KMEANS, KMEANS_TEN, MINI_BATCH, INTELEX, FAISS)
K_FOUND = (SILHOUETTE, DENSITY_TREE, FAST_HDBSCAN, X_MEANS)


class Peer(NamedTuple):
    """One way to cluster, and how much data it is given."""

    fit: Fit
    most_rows: int = 100_000_000
    most_features: int = 1_000
    prepare: Callable[[Floats], Any] = lambda X: X

    def excuse(self, data: Data) -> str:
        """Why it is not run on these data, or nothing."""
        rows, features = data.X.shape
        if rows > self.most_rows:
            return f"not run on more than {self.most_rows:,} rows"
        if features > self.most_features:
            return f"not run on more than {self.most_features} features"
        return ""


def load_peers(*, quick: bool) -> tuple[dict[str, Peer], dict[str, str]]:
    """Import what can be imported; returns the peers, and why the others are missing."""
    peers, missing = {}, {}
    for name, load in LOADERS.items():
        if quick and name == FAST_HDBSCAN:
            missing[name] = "the quick form leaves it out, as it may compile for more than a minute"
            continue
        try:
            peers[name] = load()
        except (ImportError, OSError) as error:
            missing[name] = f"it cannot be imported: {error}"
    return peers, missing


def load_intelex() -> Peer:
    kmeans = import_module("sklearnex.cluster").KMeans
    return Peer(lambda X, k, seed: kmeans(k, n_init=1, random_state=seed).fit(X).labels_)


def load_faiss() -> Peer:
    faiss = import_module("faiss")

    def fit(X: NDArray[np.float32], k: int, seed: int) -> NDArray[np.int64]:
        # By default it would learn from 256 rows a cluster, and complain below 39.
        model = faiss.Kmeans(X.shape[1], k, seed=seed, max_points_per_centroid=len(X), min_points_per_centroid=1)
        model.train(X)
        return np.asarray(model.index.search(X, 1)[1][:, 0])

    return Peer(fit, prepare=lambda X: X.astype(np.float32))


def sweep_silhouette(X: Floats, k: int, seed: int) -> NDArray[np.int32]:
    """The best of all numbers of clusters from 2 to twice the true one."""
    tried = [KMeans(j, n_init=1, random_state=seed).fit(X).labels_ for j in range(2, 2 * k + 1)]
    return max(tried, key=lambda labels: float(silhouette_score(X, labels)))


def fit_hdbscan(X: Floats, _k: int, _seed: int) -> NDArray[np.intp]:
    return np.asarray(HDBSCAN(min_cluster_size=least_size(X), n_jobs=-1, copy=True).fit(X).labels_)


def load_fast_hdbscan() -> Peer:
    hdbscan = import_module("fast_hdbscan").HDBSCAN

    def fit(X: Floats, _k: int, _seed: int) -> NDArray[np.intp]:
        return np.asarray(hdbscan(min_cluster_size=least_size(X)).fit(X).labels_)

    # A million rows take minutes.
    return Peer(fit, most_rows=100_000, most_features=2)


def load_x_means() -> Peer:
    # Its last release asks for numpy.warnings, which newer versions of NumPy do not have.
    vars(np).setdefault("warnings", warnings)
    xmeans = import_module("pyclustering.cluster.xmeans").xmeans
    initializer = import_module("pyclustering.cluster.center_initializer").kmeans_plusplus_initializer

    def fit(X: Floats, k: int, seed: int) -> NDArray[np.intp]:
        start = initializer(X, 2, random_state=seed).initialize()
        model = xmeans(X, start, kmax=2 * k, random_state=seed)
        model.process()
        labels = np.empty(len(X), np.intp)
        for j, rows in enumerate(model.get_clusters()):
            labels[rows] = j
        return labels

    return Peer(fit, most_rows=10_000)


def least_size(X: Floats) -> int:
    """Rows that make a cluster for the two HDBSCANs, one in 500: their default of 5 sees clusters everywhere."""
    return max(5, len(X) // 500)


LOADERS: dict[str, Callable[[], Peer]] = {
    KMAD: lambda: Peer(lambda X, _k, _seed: KMad().fit(X).labels_),
    KMAD_GIVEN: lambda: Peer(lambda X, k, _seed: KMad(n_clusters=k).fit(X).labels_),
    KMEANS: lambda: Peer(lambda X, k, seed: KMeans(k, n_init=1, random_state=seed).fit(X).labels_),
    KMEANS_TEN: lambda: Peer(lambda X, k, seed: KMeans(k, n_init=10, random_state=seed).fit(X).labels_),
    # Ten million rows of clusters that overlap take it nine minutes.
    MINI_BATCH: lambda: Peer(
        lambda X, k, seed: MiniBatchKMeans(k, n_init=1, random_state=seed).fit(X).labels_, most_rows=1_000_000
    ),
    INTELEX: load_intelex,
    FAISS: load_faiss,
    SILHOUETTE: lambda: Peer(sweep_silhouette, most_rows=3_000),
    DENSITY_TREE: lambda: Peer(fit_hdbscan, most_rows=10_000),
    FAST_HDBSCAN: load_fast_hdbscan,
    X_MEANS: load_x_means,
}
