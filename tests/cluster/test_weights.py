import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.asserts import rows

from kmad._threads import Threads
from kmad.cluster._weights import SAMPLE_ROWS, some_equal, total_of_distinct, worth_of, worth_of_distinct

WEIGHTS = arrays(np.float64, st.integers(1, 20), elements=st.floats(1e-150, 1e200))


def test_no_weights_are_rows():
    assert len(worth_of(np.empty(0)).rows) == 0
    assert worth_of(np.empty(0)).unit == 1.0


@pytest.mark.parametrize("weight", [1.0, 0.1, 10.0, 1e300])
def test_equal_weights_are_rows(weight):
    worth = worth_of(np.full(7, weight))
    assert len(worth.rows) == 0
    assert worth.unit == weight


def test_whole_weights_are_counts():
    weights = np.array([1.0, 3.0, 200.0])
    assert worth_of(weights).rows is weights
    assert worth_of(weights).unit == 1.0
    assert worth_of(weights).counts
    assert not worth_of(weights / 2).counts


@given(weights=WEIGHTS, factor=st.sampled_from([0.25, 3.0]))
def test_shares_are_worth_what_knows_a_mean_as_well(weights, factor):
    weights[0] = 0.3
    worth = worth_of(weights)
    if len(worth.rows):
        assert worth.rows * worth.unit == pytest.approx(weights, rel=1e-9)
        assert worth.rows.sum() == pytest.approx((worth.rows**2).sum(), rel=1e-9)
        assert worth.rows.sum() <= len(weights) * (1 + 1e-9)
        assert worth_of(factor * weights).rows == pytest.approx(worth.rows, rel=1e-9)


NO_WEIGHTS = np.empty(0)


def total_of(X, weights, n_jobs=1):
    with Threads(n_jobs) as threads:
        return total_of_distinct(X, weights, threads)


def worth_of_drawn(X, weights):
    with Threads(1) as threads:
        return worth_of_distinct(X, weights, list(range(X.shape[1])), threads)


@given(data=st.data(), n=st.integers(1, 12), typed=st.sampled_from([np.float32, np.float64]))
def test_total_of_distinct_rows_is_their_weight(data, n, typed):
    X = data.draw(arrays(typed, (n, 2), elements=st.sampled_from([-0.0, 0.0, 1.0, 2.0])))
    weights = data.draw(arrays(np.float64, n, elements=st.integers(1, 5).map(float)))
    listed = X.tolist()
    expected = [sum(w for other, w in zip(listed, weights, strict=True) if other == row) for row in listed]
    distinct = [i for i, row in enumerate(listed) if listed.index(row) == i]
    assert sorted(total_of(X, weights)) == sorted(expected[i] for i in distinct)
    assert sorted(total_of(X, NO_WEIGHTS)) == sorted(listed.count(listed[i]) for i in distinct)


@pytest.mark.parametrize("typed", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_total_of_distinct_rows_takes_all_that_are_equal(typed, weighted):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(SAMPLE_ROWS, 2)).astype(typed)
    X[::2, 0] = 0.0
    X = np.repeat(X, 4, axis=0)[rng.permutation(4 * SAMPLE_ROWS)]
    X[:, 0] = np.where(X[:, 0] == 0.0, np.copysign(X[:, 0], rng.normal(size=len(X))), X[:, 0])
    weights = np.full(len(X), 0.5) if weighted else NO_WEIGHTS
    total = total_of(X, weights)
    assert len(total) == pytest.approx(SAMPLE_ROWS / 4, rel=0.1)
    assert (total == (2 if weighted else 4)).all()
    assert np.array_equal(total, total_of(X, weights, n_jobs=2))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("distinct", [1, 5, 200])
def test_total_of_few_distinct_rows_is_seen_in_any_part(distinct, weighted):
    rng = np.random.default_rng(0)
    n = rows(100, 10) * SAMPLE_ROWS
    X = rng.normal(size=(distinct, 2))[rng.integers(distinct, size=n)]
    total = total_of(X, np.full(n, 0.5) if weighted else NO_WEIGHTS)
    assert len(total) == distinct
    assert total.sum() == pytest.approx(n / 2 if weighted else n, rel=1e-3)
    assert total == pytest.approx(np.full(distinct, total.mean()), rel=0.6)


def test_rows_that_occur_once_are_not_taken_for_many():
    rng = np.random.default_rng(0)
    n = rows(100, 10) * SAMPLE_ROWS
    # Nine in ten are one row; all others occur once.
    X = np.where(rng.random((n, 1)) < 0.9, 0.0, rng.normal(size=(n, 1)))
    total = np.sort(total_of(X, NO_WEIGHTS))
    assert total[-1] == pytest.approx(0.9 * n, rel=0.02)
    assert (total[:-1] == 1).all()


def test_rows_drawn_several_times_are_worth_one_each():
    X = np.arange(20.0)[:, None]
    times = np.tile([1.0, 2.0, 3.0, 4.0], 5)
    counted = worth_of_drawn(X, times)
    repeated = worth_of_drawn(np.repeat(X, times.astype(int), axis=0), NO_WEIGHTS)
    assert counted.unit == repeated.unit == pytest.approx((times**2).sum() / times.sum())
    assert repeated.rows == pytest.approx(np.full(50, 1 / repeated.unit))
    assert counted.rows == pytest.approx(times / repeated.unit)
    alike = worth_of_drawn(np.repeat(X, 3, axis=0), NO_WEIGHTS)
    assert alike.rows.sum() == pytest.approx(20)
    equal = worth_of_drawn(X, np.full(20, 3.0))
    assert len(equal.rows) == 0
    assert equal.unit == 3.0


def test_rows_of_which_few_are_equal_are_worth_one_each():
    X = np.append(np.arange(20.0), [3.0, 4.0])[:, None]
    assert len(worth_of_drawn(X, NO_WEIGHTS).rows) == 0
    assert worth_of_drawn(X, NO_WEIGHTS).unit == 1.0
    few = np.append(np.ones(20), 3.0)
    assert worth_of_drawn(np.arange(21.0)[:, None], few).rows is few


@pytest.mark.parametrize("order", ["one beside the other", "one copy after the other", "mixed"])
def test_many_rows_drawn_twice_are_seen_among_few(order):
    n = 4 * SAMPLE_ROWS
    column = np.random.default_rng(1).normal(size=n)
    twice = {
        "one beside the other": np.repeat(column[: n // 2], 2),
        "one copy after the other": np.tile(column[: n // 2], 2),
        "mixed": np.random.default_rng(2).permutation(np.append(column[: n // 2], column)),
    }[order]
    assert not some_equal(column)
    assert some_equal(twice)
    assert len(worth_of_drawn(column[:, None], NO_WEIGHTS).rows) == 0
    if order != "mixed":
        assert worth_of_drawn(twice[:, None], NO_WEIGHTS).unit == 2.0
