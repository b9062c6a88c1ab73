import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests import reference

from kmad.cluster._chart import FEW_CENTERS, SIDE, SOME_ROWS, TRIAL, assign_plain, draw_chart

NO_WEIGHTS = np.empty(0)


def asked(X, centers, weights=NO_WEIGHTS, *, added=True, led=True):
    """Labels, leads and what was added up."""
    chart = draw_chart(centers, SOME_ROWS)
    k, d = centers.shape
    labels, lead = np.full(len(X), -1, np.int32), np.full(len(X) if led else 0, 7.0, np.float32)
    moved = np.zeros((k if added else 0, 2 + d))
    with np.errstate(invalid="ignore", over="ignore"):
        assign_plain(X, weights, *chart, centers[0], 0, len(X), labels, lead, moved)
    return labels, lead, moved


@given(
    seed=st.integers(0, 10_000),
    k=st.integers(FEW_CENTERS, 9),
    d=st.integers(4, 9),
    spread=st.sampled_from([0.0, 0.3, 1.0, 3.0]),
    rank=st.sampled_from([1, 2, 9]),
)
def test_plain_rows_are_nearest_by_their_lead(seed, k, d, spread, rank):
    rng = np.random.default_rng(seed)
    rank, typed = min(rank, d), [np.float32, np.float64][seed // 2 % 2]
    centers = rng.integers(-9, 10, size=(k, rank)) @ rng.normal(size=(rank, d)) + rng.normal()
    X = (centers[rng.integers(0, k, 60)] + spread * rng.normal(size=(60, d))).astype(typed)
    weights = [NO_WEIGHTS, rng.uniform(0.5, 2, 60)][seed % 2]
    assume(len(np.unique(centers, axis=0)) > 1)
    labels, lead, moved = asked(X, centers, weights)
    plain = labels >= 0
    distance = np.sqrt(reference.squared_distances(X.astype(float), centers))
    own = distance[np.flatnonzero(plain), labels[plain]]
    distance[np.flatnonzero(plain), labels[plain]] = np.inf
    assert (own + lead[plain] <= distance[plain].min(axis=1)).all()
    assert (lead[plain] > 0).all()
    assert (lead[~plain] == 7.0).all()
    mass = weights if len(weights) else np.ones(len(X))
    for j in range(k):
        here = labels == j
        expected = [here.sum(), mass[here].sum(), *(mass[here] @ (X[here].astype(float) - centers[0]))]
        assert moved[j] == pytest.approx(np.array(expected), rel=1e-9, abs=1e-9)


def test_rows_of_clear_groups_are_plain():
    rng = np.random.default_rng(0)
    # The corners of a cube, in six features.
    corners = np.stack(np.unravel_index(np.arange(8), (2, 2, 2)), axis=1)
    centers = 20.0 * corners @ np.linalg.qr(rng.normal(size=(6, 3)))[0].T
    group = rng.integers(0, 8, 500)
    X = centers[group] + rng.normal(size=(500, 6))
    labels, lead, moved = asked(X, centers, added=False, led=False)
    assert np.array_equal(labels, group)
    assert lead.size == moved.size == 0


def test_rows_that_are_hardly_ever_plain_are_not_all_asked():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(8, 5))
    X = np.concatenate([centers[rng.integers(0, 8, TRIAL)] + 9 * rng.normal(size=(TRIAL, 5)), centers])
    labels, _, _ = asked(X, centers)
    assert (labels[TRIAL:] == -1).all()
    near = np.concatenate([np.repeat(centers, TRIAL // 8, axis=0), X])
    labels, _, _ = asked(near, centers)
    assert (labels[-8:] == np.arange(8)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_rows_that_are_no_numbers_or_far_off_are_left(value):
    centers = 20.0 * np.eye(5)
    X = np.repeat(centers[:1], 10, axis=0)
    X[3, 2] = value
    labels, _, _ = asked(X, centers)
    assert labels.tolist() == [0, 0, 0, -1, 0, 0, 0, 0, 0, 0]


def test_charts_are_drawn_where_they_help():
    centers = np.random.default_rng(0).normal(size=(FEW_CENTERS, 7))
    chart = draw_chart(centers, SOME_ROWS)
    assert chart.axes.shape == (3, 7)
    assert chart.owner.shape == (SIDE,) * 3
    assert draw_chart(centers, SOME_ROWS - 1) is None
    assert draw_chart(centers[1:], SOME_ROWS) is None
    assert draw_chart(np.zeros_like(centers), SOME_ROWS) is None
    assert draw_chart(1e200 * centers, SOME_ROWS) is None


def test_equal_centers_have_no_plain_rows():
    centers = np.repeat(20.0 * np.eye(5), 2, axis=0)
    labels, _, _ = asked(centers, centers)
    assert (labels == -1).all()
