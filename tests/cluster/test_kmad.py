import logging
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from tests import reference
from tests.asserts import TINY, assert_same_partition, assert_valid_clustering, rows
from tests.strategies import weighted_tables

from kmad import KMad, _threads
from kmad.cluster import _division
from kmad.cluster._kmad import log

DIMENSIONS = [1, 2, 3, 5]


def make_groups(d, k=3, n=None, distance=12.0, seed=0):
    """Normal groups on a diagonal, of sizes that fall, in mixed order: rows and groups."""
    n = n or rows(120, 40)
    rng = np.random.default_rng(seed + d)
    group = np.repeat(np.arange(k), [n + 10 * (k - j) for j in range(k)])
    group = rng.permutation(group)
    return rng.normal(size=(len(group), d)) + distance / np.sqrt(d) * group[:, None], group


def fitted(X, sample_weight=None, **parameters):
    model = KMad(**parameters).fit(X, sample_weight=sample_weight)
    assert_valid_clustering(model, X, sample_weight)
    return model


@pytest.fixture(scope="module", params=DIMENSIONS)
def groups(request):
    return make_groups(request.param)


@parametrize_with_checks([KMad(), KMad(n_clusters=3), KMad(n_clusters=2, n_jobs=1, tol=1e-3)])
def test_estimator_passes_the_checks_of_scikit_learn(estimator, check, monkeypatch):
    # Without it the check of array libraries is skipped.
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    check(estimator)


def test_estimator_keeps_its_parameters():
    parameters = {"n_clusters": 4, "significance": 0.01, "max_iter": 7, "tol": 0.5, "n_jobs": 2, "verbose": 1}
    model = KMad(**parameters)
    assert model.get_params() == clone(model).get_params() == parameters
    assert KMad().get_params() == {
        "n_clusters": None,
        "significance": 0.05,
        "max_iter": 300,
        "tol": 0.0,
        "n_jobs": -1,
        "verbose": 0,
    }


def test_parameters_after_the_first_are_named():
    with pytest.raises(TypeError, match="positional"):
        KMad(3, 0.05)


def test_fit_returns_the_model_and_forgets_the_last_fit():
    X, group = make_groups(2)
    model = KMad()
    assert model.fit(X) is model
    assert model.n_clusters_ == 3
    assert model.fit(X[group == 0][:, :1]).n_clusters_ == 1
    assert model.cluster_centers_.shape == (1, 1)
    assert model.n_features_in_ == 1
    assert model.get_feature_names_out().tolist() == ["kmad0"]


def test_fit_predict_transform_and_score_agree(groups):
    X, _ = groups
    model = fitted(X)
    assert np.array_equal(KMad().fit_predict(X), model.labels_)
    distances = model.transform(X)
    assert distances == pytest.approx(np.sqrt(reference.squared_distances(X, model.cluster_centers_)))
    assert np.array_equal(KMad().fit_transform(X), distances)
    assert np.array_equal(distances.argmin(axis=1), model.labels_)
    assert model.score(X) == pytest.approx(-model.inertia_, rel=1e-9)
    assert model.score(X[:7]) == pytest.approx(-(distances[:7].min(axis=1) ** 2).sum())
    weights = np.linspace(0, 2, len(X))
    assert model.score(X, sample_weight=weights) == pytest.approx(-weights @ distances.min(axis=1) ** 2)


def test_weights_reach_fit_from_every_method():
    X, _ = make_groups(2)
    weights = np.linspace(0.5, 1.5, len(X))
    model = fitted(X, weights)
    assert not np.array_equal(model.cluster_centers_, KMad().fit(X).cluster_centers_)
    assert np.array_equal(KMad().fit_predict(X, sample_weight=weights), model.labels_)
    assert np.array_equal(KMad().fit_transform(X, sample_weight=weights), model.transform(X))


@pytest.mark.parametrize("method", ["predict", "transform", "score", "get_feature_names_out"])
def test_method_before_fit_is_an_error(method):
    arguments = [] if method == "get_feature_names_out" else [[[1.0]]]
    with pytest.raises(NotFittedError):
        getattr(KMad(), method)(*arguments)


def test_model_survives_pickling():
    X, _ = make_groups(2)
    model = KMad().fit(X)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301 - its own pickle
    assert np.array_equal(again.predict(X), model.labels_)
    assert again.regions_._fields == ("size", "center", "peak", "prominence", "threshold", "divided")
    for before, after in zip(model.regions_, again.regions_, strict=True):
        assert np.array_equal(before, after)


def test_model_works_in_a_pipeline():
    X, group = make_groups(3)
    pipeline = make_pipeline(StandardScaler(), KMad())
    assert_same_partition(pipeline.fit_predict(X * [1.0, 100.0, 1e-3]), group)


def test_model_works_in_a_grid_search():
    X, _ = make_groups(2, n=40)
    search = GridSearchCV(KMad(), {"n_clusters": [1, 2, 3]}, cv=2).fit(X)
    assert search.best_params_ == {"n_clusters": 3}
    assert search.best_estimator_.n_clusters_ == 3


@pytest.mark.parametrize(("kind", "table"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_output_is_a_table_where_it_is_asked_for(kind, table):
    X, _ = make_groups(2)
    model = KMad().set_output(transform=kind).fit(X)
    distances = model.transform(X)
    assert isinstance(distances, table)
    assert list(distances.columns) == model.get_feature_names_out().tolist() == ["kmad0", "kmad1", "kmad2"]
    assert np.array_equal(distances.to_numpy(), KMad().fit_transform(X))


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table], ids=["pandas", "polars", "pyarrow"])
def test_table_is_read_by_its_names(make):
    X, _ = make_groups(2)
    table = make({"amount": X[:, 0], "count": X[:, 1]})
    model = KMad().fit(table)
    assert np.array_equal(model.labels_, KMad().fit(X).labels_)
    assert model.feature_names_in_.tolist() == ["amount", "count"]
    assert np.array_equal(model.predict(table), model.labels_)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(make({"count": X[:, 1], "amount": X[:, 0]}))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", DIMENSIONS)
def test_float_type_is_kept(dtype, d):
    X, group = make_groups(d)
    model = fitted(X.astype(dtype))
    assert model.cluster_centers_.dtype == model.transform(X.astype(dtype)).dtype == dtype
    assert isinstance(model.inertia_, float)
    assert_same_partition(model.labels_, group)


def strided(X):
    wide = np.full((2 * X.shape[0], 3 * X.shape[1]), np.nan)
    wide[::2, 1::3] = X
    return wide[::2, 1::3]


def frozen(X):
    X = X.copy()
    X.flags.writeable = False
    return X


KINDS = {
    "list": np.ndarray.tolist,
    "fortran": np.asfortranarray,
    "strided": strided,
    "backwards": lambda X: X[::-1].copy()[::-1],
    "read-only": frozen,
    "integers": lambda X: X.astype(np.int16),
    "big-endian": lambda X: X.astype(">f8"),
    "objects": lambda X: X.astype(object),
    "pandas": pd.DataFrame,
    "memory map": None,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [2, 4])
def test_kinds_of_array_agree(kind, d, tmp_path):
    X = np.round(10 * make_groups(d)[0])
    weights = np.arange(len(X)) % 3 / 2
    expected = KMad().fit(X, sample_weight=weights)
    if kind == "memory map":
        np.save(tmp_path / "rows.npy", X)
        given = np.load(tmp_path / "rows.npy", mmap_mode="r")
    else:
        given = KINDS[kind](X)
    model = KMad().fit(given, sample_weight=frozen(weights))
    assert np.array_equal(model.labels_, expected.labels_)
    assert np.array_equal(model.cluster_centers_, expected.cluster_centers_)
    assert model.inertia_ == expected.inertia_
    assert np.array_equal(model.predict(given), expected.labels_)


@pytest.mark.parametrize("d", [2, 4])
def test_fit_leaves_the_data_as_they_were(d):
    X = make_groups(d)[0]
    weights = np.arange(len(X)) % 3.0
    before = X.copy(), weights.copy()
    model = KMad().fit(X, sample_weight=weights)
    model.cluster_centers_[:] = 0
    assert np.array_equal(X, before[0])
    assert np.array_equal(weights, before[1])
    assert X.flags.writeable


@pytest.mark.parametrize("parameters", [{}, {"n_clusters": 4}])
@pytest.mark.parametrize("d", DIMENSIONS)
def test_whole_weights_are_repeated_rows(d, parameters):
    X, _ = make_groups(d, n=rows(120, 30))
    weights = np.random.default_rng(d).integers(1, 4, len(X))
    weighted = fitted(X, weights, **parameters)
    repeated = fitted(np.repeat(X, weights, axis=0), **parameters)
    assert_same_partition(np.repeat(weighted.labels_, weights), repeated.labels_)
    assert weighted.inertia_ == pytest.approx(repeated.inertia_)
    assert weighted.cluster_centers_ == pytest.approx(repeated.cluster_centers_)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_rows_drawn_several_times_show_no_more_clusters(d):
    X, group = make_groups(d, n=rows(300, 60))
    rng = np.random.default_rng(d)
    drawn = rng.integers(0, len(X), len(X))
    for chosen in (drawn, np.repeat(np.arange(len(X)), 10)):
        assert_same_partition(fitted(X[chosen]).labels_, group[chosen])
    assert_same_partition(fitted(X, rng.integers(1, 4, len(X))).labels_, group)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_rows_without_weight_only_get_a_label(d):
    X, _ = make_groups(d)
    rng = np.random.default_rng(d)
    weights = rng.uniform(0.5, 1.5, len(X))
    far = rng.normal(size=(40, d)) * 1000
    every, without = np.concatenate([X, far]), np.concatenate([weights, np.zeros(40)])
    order = rng.permutation(len(every))
    model = fitted(every[order], without[order])
    kept = np.flatnonzero(without[order] > 0)
    expected = KMad().fit(every[order][kept], sample_weight=without[order][kept])
    assert np.array_equal(model.cluster_centers_, expected.cluster_centers_)
    assert np.array_equal(model.labels_[kept], expected.labels_)
    assert model.inertia_ == pytest.approx(expected.inertia_)


@pytest.mark.parametrize("weight", [1.0, 0.001, 10.0])
@pytest.mark.parametrize("d", DIMENSIONS)
def test_equal_weights_change_nothing(d, weight):
    X, _ = make_groups(d)
    plain, weighted = fitted(X), fitted(X, np.full(len(X), weight))
    assert weighted.regions_.size == pytest.approx(weight * plain.regions_.size)
    assert np.array_equal(plain.labels_, weighted.labels_)
    assert np.array_equal(plain.cluster_centers_, weighted.cluster_centers_)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_unit_of_weights_changes_nothing(d):
    X, _ = make_groups(d)
    weights = np.random.default_rng(d).uniform(0.5, 1.5, len(X))
    plain, larger = fitted(X, weights), fitted(X, 1024 * weights)
    assert np.array_equal(plain.labels_, larger.labels_)
    assert np.array_equal(plain.cluster_centers_, larger.cluster_centers_)


def test_order_of_rows_changes_no_cluster(groups):
    X, group = groups
    order = np.random.default_rng(0).permutation(len(X))
    first, second = fitted(X), fitted(X[order])
    assert_same_partition(first.labels_, group)
    assert np.array_equal(first.labels_[order], second.labels_)


CHANGES = {
    "translation": lambda X: X + 1000.0,
    "unit": lambda X: X * 1e-3,
    "sign": np.negative,
    "sign of one column": lambda X: X * np.where(np.arange(X.shape[1]) == 0, -1.0, 1.0),
    "order of columns": lambda X: X[:, ::-1],
    "rotation": lambda X: X @ np.linalg.qr(np.random.default_rng(0).normal(size=(X.shape[1],) * 2))[0],
}


@pytest.mark.parametrize("change", CHANGES)
def test_change_of_coordinates_changes_no_cluster(groups, change):
    X, group = groups
    assert_same_partition(fitted(CHANGES[change](X)).labels_, group)


def test_two_fits_are_bitwise_equal(groups):
    X, _ = groups
    first, second = KMad().fit(X), KMad().fit(X)
    assert first.inertia_ == second.inertia_
    assert np.array_equal(first.cluster_centers_, second.cluster_centers_)


@pytest.mark.parametrize("parameters", [{}, {"n_clusters": 7}])
@pytest.mark.parametrize("d", DIMENSIONS)
def test_number_of_threads_changes_no_bit(d, parameters, monkeypatch):
    monkeypatch.setattr(_threads, "CHUNK_ROWS", 32)
    X, _ = make_groups(d, n=rows(1000, 70), distance=5.0)
    weights = np.random.default_rng(d).uniform(0.5, 1.5, len(X))
    assert len(_threads.row_chunks(len(X))) > 5
    for dtype in (np.float64, np.float32):
        one, two = (KMad(n_jobs=n_jobs, **parameters).fit(X.astype(dtype), sample_weight=weights) for n_jobs in (1, 2))
        assert np.array_equal(one.labels_, two.labels_)
        assert np.array_equal(one.cluster_centers_, two.cluster_centers_)
        assert one.inertia_ == two.inertia_
        assert one.n_iter_ == two.n_iter_
        for a, b in zip(one.regions_, two.regions_, strict=True):
            assert np.array_equal(a, b)
        assert np.array_equal(one.predict(X), two.predict(X))


UNDONE = np.array([[0.0, 1.0]] * 4 + [[1e-30, 1.0]] * 10), np.array([0.25] * 3 + [0.5] + [0.25] * 10)
# Rows that are equal but for some steps of 1e-13, and one that is not.
STEPS = [(0, 0, 1, 0, 0), (0, 1, 1, 0, 1), (1, 1, 0, 0, 1), (1, 1, 0, 0, 0), (0, 1, 0, 0, 0), (1, 1, 1, 0, 1)]
THIN = np.array([0.0, 1.0, 1e-3, 1e6, 1.0]) + 1e-13 * np.array([(1e6,) * 5, *STEPS]), np.empty(0)
LEAST = np.eye(8)[:, :1] * 5e-324, np.empty(0)


@given(table=weighted_tables(features=st.integers(1, 6)), typed=st.sampled_from([np.float32, np.float64]))
@example(table=UNDONE, typed=np.float32).via("rounding undoes a division")
@example(table=THIN, typed=np.float64).via("a principal axis along which there is only rounding, of rounded values")
@example(table=LEAST, typed=np.float64).via("a difference that has no inverse")
def test_any_rows_are_clustered(table, typed):
    X, weights = table[0].astype(typed), table[1]
    sample_weight = weights if len(weights) else None
    assert_valid_clustering(KMad().fit(X, sample_weight=sample_weight), X, sample_weight)


NEARER_THAN_SQUARES = np.array([[8.75e-161], [0.0]]), np.empty(0)


@given(table=weighted_tables(features=st.integers(1, 6)), part=st.floats(0, 1))
@example(table=NEARER_THAN_SQUARES, part=1.0).via("centres that differ by less than the rounding of a cell's distance")
def test_any_rows_are_clustered_into_as_many_as_asked(table, part):
    X, weights = table
    k = max(1, round(part * len(X)))
    sample_weight = weights if len(weights) else None
    with warnings.catch_warnings(record=True, action="always") as caught:
        model = KMad(k).fit(X, sample_weight=sample_weight)
    assert_valid_clustering(model, X, sample_weight)
    distinct = np.unique(X, axis=0)
    assert model.n_clusters_ <= min(k, len(distinct))
    assert [warning.category for warning in caught] == [ConvergenceWarning] * (model.n_clusters_ < k)
    apart = np.sqrt(reference.squared_distances(distinct, distinct)[~np.eye(len(distinct), dtype=bool)])
    # Of rows that are nearer, rounding may leave nothing to tell them apart.
    if (apart > 1e-9 * np.abs(X).max() + TINY).all():
        assert model.n_clusters_ == min(k, len(distinct))


@pytest.mark.parametrize("kind", ["distinct", "drawn", "rounded"])
@pytest.mark.parametrize("first", [True, False])
def test_constant_column_makes_no_rows_the_same(kind, first):
    rng = np.random.default_rng(0)
    n = rows(200_000, 500)
    X = rng.normal(10 * rng.integers(0, 3, (n, 1)), size=(n, 2))
    X = {
        "distinct": X,
        "drawn": X[rng.integers(n, size=n)],
        "rounded": np.round(X, 1),
    }[kind]
    constant = np.full((n, 1), 0.1)
    alone, beside = KMad().fit(X), KMad().fit(np.hstack([constant, X] if first else [X, constant]))
    assert alone.n_clusters_ == 3
    assert np.array_equal(alone.labels_, beside.labels_)


@pytest.mark.parametrize("d", [3, 4])
def test_prices_are_no_clusters(d):
    rng = np.random.default_rng(0)
    n = rows(20_000, 800)
    price = np.sort(rng.lognormal(2.7, 0.35, 25).round(2))
    sums = rng.lognormal(2.7, 0.35, n).round(2)
    at_price = price[np.minimum(np.searchsorted(price, rng.lognormal(2.7, 0.35, n)), 24)]
    X = rng.normal(scale=3, size=(n, d))
    X[:, -1] = np.where(rng.random(n) < 0.6, at_price, sums)
    model = KMad().fit(X)
    assert model.n_clusters_ <= 3
    weighted = KMad().fit(X, sample_weight=np.full(n, 0.5))
    assert np.array_equal(weighted.labels_, model.labels_)
    X[: n // 3, 0] += 40
    assert KMad().fit(X).n_clusters_ in (2, 3)


def test_rows_that_are_not_finite_are_an_error():
    for value, message in ((np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")):
        X = np.ones((4, 2))
        X[2, 1] = value
        with pytest.raises(ValueError, match=message):
            KMad().fit(X)
        with pytest.raises(ValueError, match=message):
            KMad().fit(np.ones((4, 2))).predict(X)


@pytest.mark.parametrize("d", [1, 3, 5])
@pytest.mark.parametrize("value", [1e160, 1.7e308])
def test_rows_whose_squares_are_not_finite_are_an_error(d, value):
    X = np.random.default_rng(0).normal(size=(20, d))
    X[7, 0], X[8, 0] = value, -value
    with pytest.raises(ValueError, match=r"X must hold values whose squared differences have a finite sum; got values"):
        KMad().fit(X)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.empty((0, 2)), ValueError, "0 sample"),
        (np.empty((3, 0)), ValueError, "0 feature"),
        ([1.0, 2.0], ValueError, "1D array"),
        (np.ones((2, 2, 2)), ValueError, "dim 3"),
        ([["a"], ["b"]], ValueError, "could not convert"),
        ([[1.0], [2.0, 3.0]], ValueError, "inhomogeneous"),
        (np.array([["2025-01-01"], ["2025-01-02"]], "datetime64[D]"), (TypeError, ValueError), "DType|dtype"),
        (np.ones((2, 2)) * 1j, ValueError, "[Cc]omplex"),
        (csr_array(np.eye(3)), TypeError, "[Ss]parse"),
    ],
)
def test_rows_that_cannot_be_read_are_an_error(X, error, message):
    with pytest.raises(error, match=message):
        KMad().fit(X)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_clusters": 0}, ValueError, "n_clusters must be at least 1; got 0."),
        ({"n_clusters": 2.0}, TypeError, "n_clusters must be an integer; got 2.0."),
        ({"n_clusters": "auto"}, TypeError, "n_clusters must be an integer; got 'auto'."),
        ({"n_clusters": True}, TypeError, "n_clusters must be an integer; got True."),
        ({"n_clusters": 5}, ValueError, "n_clusters must be at most the number of rows, 4; got 5."),
        ({"significance": 0}, ValueError, "significance must lie between 0 and 1, both excluded; got 0."),
        ({"significance": 1.0}, ValueError, "significance must lie between 0 and 1, both excluded; got 1.0."),
        ({"significance": None}, TypeError, "significance must be a number; got None."),
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1; got 0."),
        ({"max_iter": 1e3}, TypeError, "max_iter must be an integer; got 1000.0."),
        ({"tol": -1e-9}, ValueError, "tol must be a finite number of at least 0; got -1e-09."),
        ({"tol": np.inf}, ValueError, "tol must be a finite number of at least 0; got inf."),
        ({"verbose": -1}, ValueError, "verbose must be at least 0; got -1."),
        ({"verbose": "yes"}, TypeError, "verbose must be an integer; got 'yes'."),
        ({"n_jobs": 0}, ValueError, "n_jobs must not be 0; got 0."),
        ({"n_jobs": 1.5}, TypeError, "n_jobs must be an integer; got 1.5."),
    ],
)
def test_parameter_that_cannot_be_is_an_error(parameters, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        KMad(**parameters).fit([[0.0], [1.0], [2.0], [3.0]])


def test_parameters_may_be_numpy_numbers():
    X, group = make_groups(2)
    parameters = {"n_clusters": np.int64(3), "significance": np.float32(0.05), "max_iter": np.int8(50), "n_jobs": None}
    assert_same_partition(fitted(X, **parameters).labels_, group)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, -1.0, 1.0], "sample_weight must be zero or more; got -1.0 at row 1."),
        ([1.0, 1.0], "sample_weight must have one entry for each of the 3 rows; got the shape (2,)."),
        ([0.0, 0.0, 0.0], "sample_weight must have an entry above zero; all 3 are zero."),
    ],
)
def test_weights_that_cannot_be_are_an_error(weights, message):
    X = [[0.0], [1.0], [2.0]]
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        KMad().fit(X, sample_weight=weights)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        KMad().fit(X).score(X, sample_weight=weights)


@pytest.mark.parametrize("method", ["predict", "transform", "score"])
def test_other_number_of_columns_is_an_error(method):
    model = KMad().fit(np.eye(3))
    with pytest.raises(ValueError, match="X has 2 features, but KMad is expecting 3 features"):
        getattr(model, method)(np.eye(2))


@pytest.mark.parametrize("d", DIMENSIONS)
@pytest.mark.parametrize("value", [0.0, 3.0, -1e-20, 0.1, 1e12])
def test_equal_rows_are_one_cluster(d, value):
    model = fitted(np.full((20, d), value))
    assert model.n_clusters_ == 1
    assert model.inertia_ == pytest.approx(0, abs=1e-20 * max(1, value) ** 2)
    assert model.cluster_centers_ == pytest.approx(np.full((1, d), value))
    assert model.regions_.size.tolist() == [20.0]


@pytest.mark.parametrize("d", DIMENSIONS)
def test_one_row_is_one_cluster(d):
    X = np.arange(d, dtype=float)[None]
    for parameters in ({}, {"n_clusters": 1}):
        model = fitted(X, **parameters)
        assert np.array_equal(model.cluster_centers_, X)
        assert model.inertia_ == 0


@pytest.mark.parametrize("n", [2, 3, 5])
def test_fewer_rows_than_features_are_clustered(n):
    X = np.random.default_rng(n).normal(size=(n, 12))
    assert fitted(X).n_clusters_ == 1
    assert fitted(X, n_clusters=n).inertia_ == pytest.approx(0, abs=1e-20)


def test_constant_columns_change_nothing():
    X, group = make_groups(2)
    wide = np.insert(X, [0, 1, 2], [5.0, -1.0, 0.0], axis=1)
    assert_same_partition(fitted(wide).labels_, group)
    assert fitted(wide[:, :3]).n_clusters_ == 3
    assert fitted(wide[:, [0, 2]]).n_clusters_ == 1


@pytest.mark.parametrize("d", DIMENSIONS)
def test_three_points_repeated_are_three_clusters(d):
    points = np.random.default_rng(d).normal(size=(3, d))
    model = fitted(np.repeat(points, [rows(1000, 60), rows(900, 50), rows(800, 40)], axis=0))
    assert model.n_clusters_ == 3
    assert model.cluster_centers_ == pytest.approx(points)
    assert model.inertia_ == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_counts_are_one_cluster(d):
    X = np.random.default_rng(d).poisson(3.0, size=(rows(3000, 300), d))
    assert fitted(X).n_clusters_ == 1
    assert fitted(np.log1p(X)).n_clusters_ == 1


@pytest.mark.parametrize("decimals", [0, 1, 2])
def test_rounded_numbers_are_one_cluster(decimals):
    X = np.random.default_rng(0).normal(20, 4, size=(rows(3000, 300), 2))
    assert fitted(np.round(X, decimals)).n_clusters_ == 1


def test_counts_in_groups_are_the_groups():
    rng = np.random.default_rng(0)
    group = np.arange(rows(2000, 300)) % 2
    X = rng.poisson(np.array([[3.0, 40.0], [30.0, 8.0]])[group])
    model = fitted(X)
    assert model.n_clusters_ == 2
    assert adjusted_rand_score(group, model.labels_) > 0.98


@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_independent_flags_are_one_cluster(d):
    X = np.random.default_rng(d).uniform(size=(rows(2000, 300), d)) < 0.4
    model = fitted(X)
    assert model.n_clusters_ == (1 if d > 1 else 2)


def test_values_a_hair_apart_are_clustered():
    hair = 2.0**-40
    X = np.repeat([1 + hair, 1 + 2 * hair, 1 + 3 * hair, *range(2, 12)], 5)[:, None]
    assert fitted(X).n_clusters_ == 1
    assert fitted(X[5:15], n_clusters=2).labels_.tolist() == [0] * 5 + [1] * 5


@pytest.mark.parametrize("d", DIMENSIONS)
def test_more_clusters_than_distinct_rows_warn(d):
    X = np.repeat(np.arange(3.0)[:, None] * np.ones(d), 4, axis=0)
    message = "n_clusters=5 clusters were asked for, but X has only 3 distinct rows: there are as many clusters."
    with pytest.warns(ConvergenceWarning, match=message):
        model = KMad(5).fit(X)
    assert_valid_clustering(model, X)
    assert model.n_clusters_ == 3
    assert model.inertia_ == 0


def test_every_distinct_row_is_a_cluster_when_asked_for():
    # Two of them lie in cells whose middles are nearer to other rows.
    X = np.zeros((28, 3))
    X[[1, 2, 3], 2] = 1, 2, -1
    X[4, 1] = X[5, 0] = 1
    assert fitted(X, n_clusters=6).inertia_ == 0


@pytest.mark.parametrize("d", DIMENSIONS)
def test_lone_row_that_a_sample_misses_is_a_cluster_when_asked_for(d, monkeypatch):
    monkeypatch.setattr(_division, "SAMPLE_ROWS", 16)
    X = np.zeros((100, d))
    X[1] = 1.0
    assert fitted(X, n_clusters=2).labels_.tolist() == [0, 1, *[0] * 98]


@pytest.mark.parametrize("d", [1, 2, 3, 8, 32])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_separate_groups_are_the_clusters(d, k):
    X, group = make_groups(d, k, n=rows(150, 60))
    model = fitted(X)
    assert_same_partition(model.labels_, group)
    assert np.array_equal(model.labels_, group), "the groups fall in size"


def test_groups_of_other_sizes_and_spreads_are_the_clusters():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], rows(10, 3) * np.array([200, 40, 8]))
    spread, place = np.array([3.0, 1.0, 0.3]), np.array([[0, 0], [20, 0], [0, 20.0]])
    X = place[group] + spread[group][:, None] * rng.normal(size=(len(group), 2))
    model = fitted(X)
    assert model.n_clusters_ == 3
    assert adjusted_rand_score(group, model.labels_) > 0.98


def test_tight_groups_beside_a_wide_one_are_all_found():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(4), rows(500, 150))
    place = np.array([(0, 0), (100, 100), (100.5, 100), (100, 100.5)])
    X = place[group] + np.array([7, 0.02, 0.02, 0.02])[group][:, None] * rng.normal(size=(len(group), 2))
    assert_same_partition(fitted(X).labels_, group)


@pytest.mark.parametrize("d", [2, 5])
def test_groups_with_heavy_tails_are_the_clusters(d):
    rng = np.random.default_rng(d)
    group = np.arange(rows(1500, 300)) % 3
    X = 25.0 * np.eye(d)[group % d] * (1 + group[:, None] // d) + rng.standard_t(3, size=(len(group), d))
    model = fitted(X)
    assert model.n_clusters_ == 3
    assert adjusted_rand_score(group, model.labels_) > 0.95


@pytest.mark.parametrize("d", [2, 3, 8])
def test_groups_beside_wild_rows_are_found(d):
    rng = np.random.default_rng(d)
    n = rows(400, 120)
    group = np.repeat(np.arange(8), n)
    place = rng.uniform(0, 1, (8, d))
    place *= 25 / np.linalg.norm(place[:, None] - place, axis=2)[np.triu_indices(8, 1)].min()
    wild = 1e5 * rng.standard_t(1.5, size=(n // 8, d))
    labels = fitted(np.concatenate([wild, place[group] + rng.normal(size=(8 * n, d))])).labels_[len(wild) :]
    assert adjusted_rand_score(group, labels) > 0.99


def test_groups_on_a_uniform_background_are_the_clusters():
    rng = np.random.default_rng(0)
    n = rows(600, 150)
    place = np.array([(20.0, 20.0), (70.0, 30.0), (40.0, 80.0)])
    X = np.concatenate([place[np.arange(3 * n) % 3] + rng.normal(size=(3 * n, 2)), rng.uniform(0, 100, (n // 3, 2))])
    model = fitted(X)
    assert model.n_clusters_ == 3
    assert np.abs(model.cluster_centers_[:, None] - place).max(axis=2).min(axis=0).max() < 6


def test_groups_among_columns_that_say_nothing_are_the_clusters():
    rng = np.random.default_rng(0)
    X, group = make_groups(2, n=rows(300, 100))
    model = fitted(np.hstack([X, rng.normal(size=(len(X), 6))]))
    assert_same_partition(model.labels_, group)


def test_many_groups_are_the_clusters():
    rng = np.random.default_rng(0)
    k = rows(49, 9)
    group = np.repeat(np.arange(k), rows(100, 50))
    side = round(k**0.5)
    place = 10.0 * np.stack([np.arange(k) // side, np.arange(k) % side], axis=1)
    X = place[group] + rng.normal(size=(len(group), 2))
    model = fitted(X)
    assert model.n_clusters_ == k
    assert adjusted_rand_score(group, model.labels_) > 0.999


SAMPLES = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "uniform": lambda rng, shape: rng.uniform(size=shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape),
    "log-normal": lambda rng, shape: rng.lognormal(size=shape),
}


@pytest.mark.parametrize("d", [1, 2, 3, 8])
@pytest.mark.parametrize("sample", SAMPLES)
def test_sample_of_one_region_is_seldom_divided(sample, d):
    trials = rows(40, 1)
    found = []
    for seed in range(trials):
        rng = np.random.default_rng([seed, d])
        X = SAMPLES[sample](rng, (int(rng.choice([300, rows(1500, 300)])), d))
        found.append(KMad().fit(X).n_clusters_)
    assert np.mean(np.array(found) > 1) <= 0.05 + 0.06 * (trials > 1)


@pytest.mark.parametrize("d", [1, 2, 3, 8])
@pytest.mark.parametrize("sample", SAMPLES)
def test_large_sample_of_one_region_is_one_cluster(sample, d):
    X = SAMPLES[sample](np.random.default_rng(8), (rows(30_000, 400), d))
    assert fitted(X).n_clusters_ == 1


def test_less_significance_finds_no_more_clusters():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(m, 1.0, size=(rows(200, 80), 1)) for m in (0, 4, 9)])
    found = [fitted(X, significance=significance).n_clusters_ for significance in (0.3, 0.05, 1e-4, 1e-40)]
    assert found == sorted(found, reverse=True)
    assert found[0] == 3
    assert found[-1] == 1


@pytest.mark.parametrize("d", DIMENSIONS)
@pytest.mark.parametrize("k", [1, 2, 3, 4, 8])
def test_number_of_clusters_is_as_asked(d, k):
    X, group = make_groups(d, n=rows(120, 50))
    model = fitted(X, n_clusters=k)
    assert model.n_clusters_ == k
    if k <= 3:
        # Groups are joined, or taken as they are.
        assert len(np.unique(np.stack([group, model.labels_]), axis=1).T) == 3
    else:
        # Groups are divided, and lie no further apart than a random start leaves them.
        assert all(len(np.unique(group[model.labels_ == j])) == 1 for j in range(k))
        peer = KMeans(k, n_init=1, random_state=0).fit(X)
        assert model.inertia_ < 1.2 * peer.inertia_


@pytest.mark.parametrize("d", DIMENSIONS)
def test_inertia_falls_with_the_number_of_clusters(d):
    X = np.random.default_rng(d).normal(size=(rows(200, 60), d))
    inertia = [fitted(X, n_clusters=k).inertia_ for k in (1, 2, 4, 8, 16, 32)]
    assert (np.diff(inertia) < 0).all()
    assert inertia[0] == pytest.approx(((X - X.mean(axis=0)) ** 2).sum())


@pytest.mark.parametrize("d", DIMENSIONS)
def test_as_many_clusters_as_rows_are_the_rows(d):
    X = np.random.default_rng(d).normal(size=(12, d))
    model = fitted(X, n_clusters=12)
    assert sorted(model.labels_) == list(range(12))
    assert model.inertia_ == pytest.approx(0, abs=1e-20)


def test_regions_say_why_there_are_as_many_clusters(groups):
    X, group = groups
    model = fitted(X)
    regions = model.regions_
    assert regions.size == pytest.approx(np.bincount(group), rel=0.15)
    assert regions.center == pytest.approx(model.cluster_centers_, abs=1.0)
    assert np.abs(regions.peak - model.cluster_centers_).max() < 5
    assert (regions.prominence > regions.threshold).all()


def test_regions_of_one_cluster_have_no_saddle():
    model = fitted(np.random.default_rng(0).normal(size=(200, 2)))
    assert model.regions_.prominence.tolist() == [np.inf]
    assert model.regions_.threshold.tolist() == [0.0]
    assert model.regions_.divided.tolist() == [False]
    assert model.regions_.center == pytest.approx(model.cluster_centers_)


def test_regions_found_by_a_second_look_say_so():
    # In eight features the two close groups fall on one spot of the three axes that are looked at first.
    rng = np.random.default_rng(0)
    n = rows(300, 100)
    group = np.repeat(np.arange(5), n)
    place = np.zeros((5, 8))
    place[1, 0] = place[2, 1] = place[3, 2] = 60
    place[4, 3] = 9
    X = place[group] + rng.normal(size=(len(group), 8))
    model = fitted(X)
    assert_same_partition(model.labels_, group)
    assert model.regions_.divided.sum() == 2
    close = model.predict(place[[0, 4]])
    assert model.regions_.divided[close].all()
    dips, critical = model.regions_.prominence[close], model.regions_.threshold[close]
    assert dips[0] == dips[1] > critical[0] == critical[1]


def test_regions_of_a_number_asked_for_are_those_that_were_seen():
    X, _ = make_groups(2)
    assert len(fitted(X, n_clusters=2).regions_.size) == 3
    assert len(fitted(X, n_clusters=5).regions_.size) == 3


@pytest.mark.parametrize("d", DIMENSIONS)
@pytest.mark.parametrize("parameters", [{"n_clusters": 6}, {}])
def test_too_few_iterations_warn(d, parameters):
    X, _ = make_groups(d, n=rows(200, 60), distance=5.0)
    with pytest.warns(ConvergenceWarning, match="k-means had not settled after max_iter=1 iterations"):
        model = KMad(max_iter=1, **parameters).fit(X)
    assert_valid_clustering(model, X, settled=False)


@pytest.mark.parametrize("d", DIMENSIONS)
@pytest.mark.parametrize("max_iter", [2, 3, 5])
def test_labels_are_nearest_however_few_the_iterations(d, max_iter):
    X = np.random.default_rng(d).uniform(size=(rows(200, 80), d))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # on a line few are enough
        model = KMad(6, max_iter=max_iter).fit(X)
    assert_valid_clustering(model, X, settled=False)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_tolerance_ends_settling_early(d):
    X = np.random.default_rng(d).uniform(size=(rows(2000, 200), d))
    exact, near, first = (KMad(8, tol=tol).fit(X) for tol in (0.0, 1e-2, 1e9))
    assert first.n_iter_ <= near.n_iter_ <= exact.n_iter_
    assert first.n_iter_ < exact.n_iter_
    assert near.inertia_ == pytest.approx(exact.inertia_, rel=0.1)
    for model in (near, first):
        assert_valid_clustering(model, X, settled=False)


def test_tolerance_is_in_units_of_the_variance():
    X = np.random.default_rng(0).uniform(size=(rows(1000, 150), 2))
    small, large = KMad(8, tol=1e-3).fit(X), KMad(8, tol=1e-3).fit(1024 * X)
    assert small.n_iter_ == large.n_iter_
    assert np.array_equal(small.labels_, large.labels_)


def test_verbose_fit_tells_its_steps_to_the_logger(caplog):
    X, _ = make_groups(2)
    with caplog.at_level(logging.INFO, logger="kmad"):
        KMad().fit(X)
        assert caplog.messages == []
        KMad(verbose=1).fit(X)
    assert caplog.messages == ["first look: 3 regions"]


def test_verbose_fit_tells_its_steps_on_standard_error(monkeypatch, capsys):
    X, _ = make_groups(2)
    monkeypatch.setattr(log, "propagate", False)
    KMad(verbose=1).fit(X)
    assert capsys.readouterr().err == "first look: 3 regions\n"
    KMad().fit(X)
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""


def test_verbose_fit_tells_of_a_second_look(caplog):
    rng = np.random.default_rng(0)
    place = 60.0 * np.eye(5, 8)[[0, 1, 2, 4]]
    X = np.concatenate([at + rng.normal(size=(rows(300, 100), 8)) for at in [*place, place[0] + 9 * np.eye(8)[3]]])
    with caplog.at_level(logging.INFO, logger="kmad"):
        model = KMad(verbose=1).fit(X)
    assert caplog.messages[-1] == f"looked again: {model.n_clusters_} regions"


@pytest.mark.parametrize("d", [1, 2, 3, 5])
@pytest.mark.parametrize("exponent", [-400, -148, 200, 450])
def test_units_do_not_matter(d, exponent):
    # Powers of two change no digit.
    rng = np.random.default_rng(d)
    n, scale = rows(2000, 300), 2.0**exponent
    X = rng.normal(size=(n, d)) + rng.uniform(0, 30, (5, d))[rng.integers(0, 5, n)]
    for n_clusters in (None, 25):
        model, scaled = KMad(n_clusters).fit(X), KMad(n_clusters).fit(X * scale)
        assert model.n_clusters_ > 1
        assert np.array_equal(scaled.labels_, model.labels_)
        assert np.array_equal(scaled.cluster_centers_, model.cluster_centers_ * scale)
