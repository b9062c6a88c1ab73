"""The data that every peer gets: generated blobs and customers, and labelled sets from a folder."""

import gzip
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad.datasets import make_customers

Floats = NDArray[np.float64]
Labels = NDArray[np.int32]

# Least distance of two centres of blobs, in standard deviations at a spread of 1: the density has a deep valley between
# any two, so that the number of clusters is beyond doubt. At three times the spread it is not.
SEPARATION = 6.0
OVERLAPPING = 3.0


class Data(NamedTuple):
    """Rows and the clusters that they were drawn from."""

    name: str
    X: Floats  # (n, d)
    target: Labels  # (n,): 1 and up; 0 noise, -1 unknown
    n_clusters: int


def draw_blobs(rows: int, features: int, clusters: int, spread: float = 1.0, seed: int = 0) -> Data:
    """Draw normal clusters of equal chance whose centres keep their distance."""
    rng = np.random.default_rng(seed)
    centers = draw_centers(rng, clusters, features)
    label = rng.integers(0, clusters, rows, dtype=np.int32)
    X = rng.standard_normal((rows, features))
    X *= spread
    X += centers[label]
    return Data(blobs_name(rows, features, clusters, spread), X, label + np.int32(1), clusters)


def draw_centers(rng: np.random.Generator, clusters: int, features: int) -> Floats:
    """Draw uniformly from a cube, each anew until it is far enough from those before."""
    side = 2 * SEPARATION * clusters ** (1 / features)
    centers = np.empty((clusters, features))
    for j in range(clusters):
        while True:
            centers[j] = rng.uniform(0, side, features)
            if np.all(((centers[:j] - centers[j]) ** 2).sum(axis=1) >= SEPARATION**2):
                break
    return centers


def blobs_name(rows: int, features: int, clusters: int, spread: float = 1.0) -> str:
    name = f"{rows:,} × {features}, {clusters} clusters"
    return name if spread == 1.0 else f"{name}, overlapping"


def draw_customers(rows: int) -> Data:
    """Draw the customers of the published segmentation, in as many rows as wanted, on the logarithmic scale."""
    customers = make_customers(rows)
    return Data(f"{rows:,} customers", np.log(customers.data), customers.target + np.int32(1), 5)


def read_set(path: Path) -> Data:
    """Read `x1 .. xd label` lines; the first line is `# n=.. d=.. K=..`."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        head = dict(re.findall(r"(\w+)=(\d+)", lines.readline()))
        table = np.loadtxt(lines, ndmin=2)
    return Data(set_name(path), np.ascontiguousarray(table[:, :-1]), table[:, -1].astype(np.int32), int(head["K"]))


def set_name(path: Path) -> str:
    """NAME of a file TIER_SOURCE_NAME.txt.gz."""
    return path.name.removesuffix(".txt.gz").split("_", 2)[2]
