"""What every result must satisfy."""

import numpy as np
from numba import config
from tests.reference import squared_distances

# The square of a smaller distance is no longer a number with all its digits.
TINY = 1e-150


def rows(jitted, unjitted):
    """A number of rows that the run at hand can afford."""
    return unjitted if config.DISABLE_JIT else jitted


def canonical(labels):
    """The labels renumbered in the order in which they first occur: equal for equal partitions."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def assert_same_partition(labels, others):
    np.testing.assert_array_equal(canonical(labels), canonical(others))


def assert_valid_clustering(model, X, sample_weight=None, *, settled=True):
    """The fitted attributes agree with each other and with the rows; `settled` says that k-means came to its end."""
    given = np.asarray(X)
    rows = given.astype(np.float64)
    weights = np.ones(len(rows)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    labels, centers = model.labels_, model.cluster_centers_
    k = model.n_clusters_

    assert labels.dtype == np.int32
    assert labels.shape == (len(rows),)
    assert centers.shape == (k, rows.shape[1])
    assert centers.dtype == (np.float32 if given.dtype == np.float32 else np.float64)
    assert np.isfinite(centers).all()
    assert model.n_features_in_ == rows.shape[1]
    assert isinstance(model.n_iter_, int)
    assert model.n_iter_ >= 1
    np.testing.assert_array_equal(labels, model.predict(X))

    # How exact coordinates and distances can be.
    size, extent = np.abs(rows).max(), np.ptp(rows, axis=0).max()
    rounding = 4 * np.finfo(np.float64).eps * size + 1e-12 * extent + TINY
    distance = squared_distances(rows, centers.astype(np.float64))
    own = np.take_along_axis(distance, labels[:, None].astype(np.int64), axis=1)[:, 0]
    slack = rounding * (extent + rounding) * rows.shape[1]
    assert (own <= distance.min(axis=1) + slack).all()
    np.testing.assert_allclose(model.inertia_, weights @ own, rtol=1e-9, atol=slack * weights.sum())

    mass = np.bincount(labels, weights, k)
    assert len(mass) == k
    if settled:
        assert (mass > 0).all()
        means = np.array([np.average(rows[labels == j], axis=0, weights=weights[labels == j]) for j in range(k)])
        moved = np.zeros(k)
        if centers.dtype == np.float64:
            assert (np.diff(mass) <= 1e-12 * mass.sum()).all()
        else:
            rounding += 4 * np.finfo(np.float32).eps * size
            # Centres were rounded in the end: rows half way between two may then have gone to the other one.
            second = np.sort(distance, axis=1)[:, 1] if k > 1 else np.inf
            half_way = second - own <= 4 * np.finfo(np.float32).eps * (size + extent) * extent * rows.shape[1]
            moved = (weights @ half_way) / mass * extent
        assert (np.abs(means - centers) <= (rounding + moved)[:, None]).all()
    assert_valid_regions(model, weights.sum())


def assert_valid_regions(model, total):
    regions = model.regions_
    n, d = len(regions.size), model.n_features_in_
    if model.n_clusters is None:
        assert n == model.n_clusters_
    assert n >= 1
    assert regions.center.shape == regions.peak.shape == (n, d)
    assert regions.prominence.shape == regions.threshold.shape == regions.divided.shape == (n,)
    assert regions.divided.dtype == bool
    assert np.isfinite(regions.center).all()
    assert np.isfinite(regions.peak).all()
    assert (regions.size > 0).all()
    assert (regions.size <= total * (1 + 1e-9)).all()
    assert (regions.prominence >= regions.threshold).all()
    assert np.isfinite(regions.threshold).all()
    if n == 1:
        assert regions.prominence[0] == np.inf
        np.testing.assert_allclose(regions.size, total)
