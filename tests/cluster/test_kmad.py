import logging
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from tests.asserts import assert_same_partition, assert_valid_clustering, rows
from tests.strategies import tables, weights

from kmad import KMad


def blobs(n_features=2, n_clusters=3, size=None, distance=12.0, seed=0):
    """Normal clusters of unit spread along the diagonal and their true labels, in mixed order."""
    rng = np.random.default_rng(seed)
    size = size or rows(200, 60)
    labels = rng.permutation(np.repeat(np.arange(n_clusters), size))
    return distance * labels[:, None] / np.sqrt(n_features) + rng.normal(size=(len(labels), n_features)), labels


@parametrize_with_checks([KMad(), KMad(n_clusters=2), KMad(significance=0.5, n_jobs=2, tol=1e-3)])
def test_kmad_passes_scikit_learns_checks(estimator, check):
    check(estimator)


@given(X=tables(), data=st.data())
def test_kmad_is_valid_on_any_rows(X, data):
    weight = data.draw(weights(len(X)))
    assert_valid_clustering(KMad().fit(X, sample_weight=weight), X, weight)


@given(X=tables(), data=st.data())
def test_kmad_finds_the_clusters_asked_for(X, data):
    k = data.draw(st.integers(1, len(X)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = KMad(n_clusters=k).fit(X)
    assert model.n_clusters_ <= min(k, len(np.unique(X, axis=0)))
    assert_valid_clustering(model, X)


@pytest.mark.parametrize("n_features", [1, 2, 3, 4, 8, 32])
@pytest.mark.parametrize("n_clusters", [1, 2, 5])
def test_kmad_counts_separate_clusters(n_features, n_clusters):
    X, labels = blobs(n_features, n_clusters)
    model = KMad().fit(X)
    assert model.n_clusters_ == n_clusters
    assert adjusted_rand_score(labels, model.labels_) > 0.99
    assert_valid_clustering(model, X)


def test_kmad_counts_clusters_of_very_different_size_and_spread():
    rng = np.random.default_rng(0)
    sizes, spreads = (rows(4000, 400), rows(800, 100), 40), (3.0, 0.5, 0.05)
    X = np.concatenate(
        [rng.normal(14 * j, s, size=(n, 2)) for j, (n, s) in enumerate(zip(sizes, spreads, strict=True))]
    )
    model = KMad().fit(X)
    assert np.bincount(model.labels_).tolist() == list(sizes)


def test_kmad_counts_clusters_with_heavy_tails_and_background():
    rng = np.random.default_rng(1)
    n = rows(600, 150)
    X = np.concatenate(
        [20 * j + rng.standard_t(3, size=(n, 2)) for j in range(3)] + [rng.uniform(-10, 50, (n // 10, 2))]
    )
    assert KMad().fit(X).n_clusters_ == 3


@pytest.mark.parametrize("n_features", [1, 2, 3, 6])
@pytest.mark.parametrize("kind", ["normal", "uniform", "exponential", "lognormal", "poisson", "cents", "log counts"])
def test_kmad_sees_one_region_where_there_is_one(kind, n_features):
    rng = np.random.default_rng(5)
    shape = (rows(2000, 150), n_features)
    X = {
        "normal": lambda: rng.normal(size=shape),
        "uniform": lambda: rng.uniform(size=shape),
        "exponential": lambda: rng.exponential(size=shape),
        "lognormal": lambda: rng.lognormal(size=shape),
        "poisson": lambda: rng.poisson(3, size=shape),
        "cents": lambda: np.round(rng.gamma(2, 20, size=shape), 2),
        "log counts": lambda: np.log(rng.geometric(0.2, size=shape)),
    }[kind]()
    model = KMad().fit(X)
    assert model.n_clusters_ == 1
    assert model.regions_.prominence.tolist() == [np.inf]
    assert not model.labels_.any()


@pytest.mark.parametrize(
    "points",
    [[[0, 0], [5, 5], [10, 0]], [[0, 0], [1, 0], [0, 1]], [[0], [5], [9]], np.eye(3, 6), [[0.1, 0], [7, 2.3], [3, 9]]],
)
def test_kmad_takes_few_repeated_points_for_clusters(points):
    X = np.repeat(np.asarray(points, float), rows(1000, 60), axis=0)
    model = KMad().fit(X)
    assert model.n_clusters_ == 3
    assert model.inertia_ == pytest.approx(0, abs=1e-18 * len(X))


@pytest.mark.parametrize("n_features", [2, 3, 5])
def test_kmad_does_not_take_flags_for_clusters(n_features):
    X = np.random.default_rng(0).integers(0, 2, size=(rows(1000, 200), n_features))
    assert KMad().fit(X).n_clusters_ == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (2, 1), (3, 10), (40, 1), (40, 6)])
def test_kmad_of_equal_rows_is_one_cluster(shape):
    X = np.full(shape, 2.5)
    model = KMad().fit(X)
    assert model.n_clusters_ == 1
    assert model.inertia_ == 0
    assert_valid_clustering(model, X)


def test_kmad_ignores_constant_columns():
    X, labels = blobs(2)
    model = KMad().fit(np.column_stack([np.ones(len(X)), X, np.zeros((len(X), 3))]))
    assert adjusted_rand_score(labels, model.labels_) == 1


def test_kmad_warns_of_fewer_distinct_rows_than_clusters():
    X = np.repeat([[0.0, 0.0], [1.0, 1.0]], 5, axis=0)
    with pytest.warns(ConvergenceWarning, match="n_clusters=4 clusters were asked for, but X has only 2"):
        model = KMad(4).fit(X)
    assert model.n_clusters_ == 2


@pytest.mark.parametrize("n_features", [2, 5])
def test_kmad_warns_when_it_stops_before_it_settled(n_features):
    X = np.random.default_rng(0).uniform(size=(rows(500, 100), n_features))
    with pytest.warns(ConvergenceWarning, match="max_iter=1"):
        model = KMad(7, max_iter=1).fit(X)
    assert_valid_clustering(model, X, settled=False)


@pytest.mark.parametrize("n_features", [2, 5])
def test_kmad_takes_fewer_iterations_with_a_tolerance(n_features):
    X = np.random.default_rng(0).uniform(size=(rows(900, 150), n_features))
    exact, loose = KMad(6).fit(X), KMad(6, tol=0.05).fit(X)
    assert loose.n_iter_ < exact.n_iter_
    assert_valid_clustering(exact, X)
    assert_valid_clustering(loose, X, settled=False)


@pytest.mark.parametrize("n_features", [2, 5])
@pytest.mark.parametrize("k", [1, 2, 4, 9])
def test_kmad_joins_or_divides_to_the_number_asked_for(n_features, k):
    X, labels = blobs(n_features, 4)
    model = KMad(k).fit(X)
    assert model.n_clusters_ == k
    assert len(model.regions_.size) == 4
    assert_valid_clustering(model, X)
    # Clusters are joined or divided whole.
    groups = np.unique(np.column_stack([labels, model.labels_]), axis=0)
    assert len(groups) == max(k, 4)


def test_kmad_says_why_there_are_so_many_clusters():
    X, _ = blobs(2, 3)
    model = KMad().fit(X)
    regions = model.regions_
    assert (regions.prominence > regions.threshold).all()
    assert not regions.divided.any()
    assert np.abs(regions.peak - model.cluster_centers_).max() < 2
    np.testing.assert_allclose(regions.size, np.bincount(model.labels_), rtol=0.1)


def test_kmad_divides_what_only_a_second_look_tells_apart():
    # Two squares that meet at a corner have one ridge: the dip along it is their only valley.
    rng = np.random.default_rng(0)
    n = rows(2000, 1000)
    X = rng.uniform(0, 1, size=(2 * n, 6))
    X[:n] += 0.97
    model = KMad().fit(X)
    assert model.n_clusters_ == 2
    assert_valid_clustering(model, X)


@pytest.mark.parametrize("n_features", [1, 2, 3, 6])
def test_kmad_counts_a_weight_as_so_many_rows(n_features):
    X, _ = blobs(n_features, 3, size=40)
    weight = np.random.default_rng(0).integers(1, 4, size=len(X))
    weighted, repeated = KMad().fit(X, sample_weight=weight), KMad().fit(np.repeat(X, weight, axis=0))
    np.testing.assert_allclose(weighted.cluster_centers_, repeated.cluster_centers_)
    np.testing.assert_array_equal(np.repeat(weighted.labels_, weight), repeated.labels_)
    assert weighted.score(X, sample_weight=weight) == pytest.approx(-weighted.inertia_)


@pytest.mark.parametrize("n_features", [2, 6])
def test_kmad_lets_rows_without_weight_have_no_say(n_features):
    X, _ = blobs(n_features, 3)
    outliers = np.full((5, n_features), 1e6)
    model = KMad().fit(np.concatenate([outliers, X]), sample_weight=np.append(np.zeros(5), np.ones(len(X))))
    alone = KMad().fit(X)
    np.testing.assert_array_equal(model.cluster_centers_, alone.cluster_centers_)
    np.testing.assert_array_equal(model.labels_[5:], alone.labels_)
    assert (model.labels_[:5] == model.predict(outliers)).all()


@pytest.mark.parametrize("n_features", [2, 5])
def test_kmad_does_not_depend_on_the_order_of_the_rows(n_features):
    X, _ = blobs(n_features, 4)
    order = np.random.default_rng(1).permutation(len(X))
    one, other = KMad().fit(X), KMad().fit(X[order])
    np.testing.assert_array_equal(one.labels_[order], other.labels_)
    np.testing.assert_allclose(one.cluster_centers_, other.cluster_centers_)


@pytest.mark.parametrize(
    "change",
    [lambda X: X + 1000.25, lambda X: -X, lambda X: X[:, ::-1], lambda X: 1024 * X],
    ids=["shift", "flip", "swap", "scale"],
)
@pytest.mark.parametrize("n_features", [2, 5])
def test_kmad_keeps_the_partition_where_geometry_does(change, n_features):
    X, _ = blobs(n_features, 4)
    assert_same_partition(KMad().fit(X).labels_, KMad().fit(change(X)).labels_)


@pytest.mark.parametrize("n_features", [1, 2, 3, 5])
def test_kmad_is_the_same_for_any_number_of_threads(n_features, monkeypatch):
    X, _ = blobs(n_features, 3, distance=5)
    monkeypatch.setattr("kmad._threads.CHUNK_ROWS", len(X) // 6)
    one, two = (KMad(n_jobs=n_jobs).fit(X) for n_jobs in (1, 2))
    np.testing.assert_array_equal(one.labels_, two.labels_)
    assert one.cluster_centers_.tobytes() == two.cluster_centers_.tobytes()
    assert one.inertia_ == two.inertia_
    assert_valid_clustering(one, X)


@pytest.mark.parametrize("n_features", [2, 5])
def test_kmad_takes_arrays_of_any_layout(n_features):
    X, _ = blobs(n_features, 3, size=50)
    X = np.round(X)
    whole = KMad().fit(X)
    read_only = X.copy()
    read_only.flags.writeable = False
    wide = np.zeros((2 * len(X), 2 * n_features))
    wide[::2, ::2] = X
    for given_rows in (np.asfortranarray(X), read_only, wide[::2, ::2], X.astype(int), X.tolist(), X.astype(object)):
        np.testing.assert_array_equal(KMad().fit(given_rows).labels_, whole.labels_)


@pytest.mark.parametrize("n_features", [1, 2, 3, 5])
def test_kmad_keeps_the_dtype(n_features):
    X, labels = blobs(n_features, 3)
    single = X.astype(np.float32)
    model = KMad().fit(single)
    assert model.cluster_centers_.dtype == model.transform(single).dtype == np.float32
    assert adjusted_rand_score(labels, model.labels_) > 0.99
    assert_valid_clustering(model, single)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table])
def test_kmad_takes_tables(frame):
    X, _ = blobs(2)
    table = frame({"amount": X[:, 0], "visits": X[:, 1]})
    model = KMad().fit(table)
    np.testing.assert_array_equal(model.labels_, KMad().fit(X).labels_)
    assert model.feature_names_in_.tolist() == ["amount", "visits"]


@pytest.mark.parametrize(("output", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_kmad_transforms_to_tables(output, kind):
    X, _ = blobs(2)
    distances = KMad().set_output(transform=output).fit_transform(X)
    assert isinstance(distances, kind)
    assert list(distances.columns) == ["kmad0", "kmad1", "kmad2"]
    np.testing.assert_array_equal(distances.to_numpy().argmin(axis=1), KMad().fit_predict(X))


def test_kmad_works_in_pipelines_and_searches():
    X, labels = blobs(3, 4)
    pipeline = make_pipeline(StandardScaler(), KMad())
    assert adjusted_rand_score(labels, pipeline.fit_predict(X)) == 1
    search = GridSearchCV(KMad(), {"n_clusters": [1, 2, 4]}, cv=2).fit(X)
    assert search.best_params_ == {"n_clusters": 4}
    assert clone(search.best_estimator_).get_params() == search.best_estimator_.get_params()


def test_kmad_survives_pickling():
    X, _ = blobs(2)
    model = KMad().fit(X)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301 - the test's own pickle
    np.testing.assert_array_equal(again.predict(X), model.labels_)
    assert again.regions_.prominence.tolist() == model.regions_.prominence.tolist()


def test_kmad_leaves_its_input_alone():
    X, _ = blobs(2)
    weight = np.linspace(0, 1, len(X))
    before = X.copy(), weight.copy()
    KMad().fit(X, sample_weight=weight)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(weight, before[1])
    assert X.flags.writeable
    assert weight.flags.writeable


def test_kmad_tells_its_steps(capsys, caplog, monkeypatch):
    X, _ = blobs(2)
    with caplog.at_level(logging.INFO, logger="kmad"):
        KMad(verbose=1).fit(X)
        KMad().fit(X)
    assert caplog.messages == ["first look: 3 regions"]
    monkeypatch.setattr(logging.Logger, "hasHandlers", lambda _: False)
    KMad(verbose=1).fit(X)
    assert capsys.readouterr().err == "first look: 3 regions\n"


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_clusters": 0}, ValueError, "n_clusters must be at least 1; got 0"),
        ({"n_clusters": 2.5}, TypeError, "n_clusters must be an integer; got 2.5"),
        ({"n_clusters": True}, TypeError, "n_clusters must be an integer; got True"),
        ({"n_clusters": 181}, ValueError, "n_clusters must be at most the number of rows, 180; got 181"),
        ({"significance": 0}, ValueError, "significance must lie between 0 and 1, both excluded; got 0"),
        ({"significance": "x"}, TypeError, "significance must be a number; got 'x'"),
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1; got 0"),
        ({"tol": -1.0}, ValueError, "tol must be a finite number of at least 0; got -1.0"),
        ({"tol": np.inf}, ValueError, "tol must be a finite number of at least 0; got inf"),
        ({"n_jobs": 0}, ValueError, "n_jobs must not be 0; got 0"),
        ({"n_jobs": "all"}, TypeError, "n_jobs must be an integer; got 'all'"),
        ({"verbose": -1}, ValueError, "verbose must be at least 0; got -1"),
    ],
)
def test_kmad_names_the_parameter_the_rule_and_the_value(parameters, error, message):
    X, _ = blobs(2, 3, size=60)
    with pytest.raises(error, match=message):
        KMad(**parameters).fit(X)


def test_kmad_takes_no_jobs_for_one():
    X, _ = blobs(2)
    np.testing.assert_array_equal(KMad(n_jobs=None).fit(X).labels_, KMad().fit(X).labels_)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[1.0, np.nan]], "NaN"),
        ([[1.0, np.inf]], "infinity"),
        (np.empty((0, 2)), "0 sample"),
        (np.ones(3), "Expected 2D array"),
        (pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}), "column 'b' is of dtype String"),
        (pl.DataFrame({"a": [1.0, None], "b": [1, 2]}), "column 'a' has 1 missing .* the first in row 1"),
    ],
)
def test_kmad_refuses_what_is_not_finite_numbers(X, message):
    with pytest.raises(ValueError, match=message):
        KMad().fit(X)


def test_kmad_refuses_other_columns_than_it_was_fitted_on():
    X, _ = blobs(2)
    model = KMad().fit(X)
    with pytest.raises(ValueError, match="X has 3 features, but KMad is expecting 2"):
        model.predict(np.ones((2, 3)))
    with pytest.raises(NotFittedError):
        KMad().predict(X)


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        ([1.0], ValueError, r"sample_weight must have one entry for each of the 180 rows; got the shape \(1,\)"),
        (-np.ones(180), ValueError, "sample_weight must be zero or more; got -1.0 at row 0"),
        (np.full(180, np.nan), ValueError, "sample_weight must be finite; got nan at row 0"),
        (np.zeros(180), ValueError, "sample_weight must have an entry above zero; all 180 are zero"),
        (["x"] * 180, TypeError, "sample_weight must be an array of numbers; got list"),
    ],
)
def test_kmad_refuses_weights_that_are_none(weight, error, message):
    X, _ = blobs(2, 3, size=60)
    with pytest.raises(error, match=message):
        KMad().fit(X, sample_weight=weight)
