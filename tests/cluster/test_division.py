import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests import reference
from tests.asserts import rows
from tests.strategies import tables

from kmad import _threads
from kmad._threads import Threads
from kmad.cluster._dip import find_dips
from kmad.cluster._division import (
    DIRECTIONS,
    MIN_ROWS,
    _cut,
    _directions,
    bins_along,
    dip_critical,
    divide_clusters,
    halve,
    sample_clusters,
)
from kmad.cluster._lines import count_features
from kmad.cluster._ties import find_heaps, find_ties
from kmad.cluster._valley import deepest_valleys

NO_WEIGHTS = np.empty(0)


def sampled(*arguments, n_jobs=1, **keywords):
    with Threads(n_jobs) as threads:
        return sample_clusters(*arguments[:4], threads, *arguments[4:], **keywords)


def clusters_of(*parts, weights=NO_WEIGHTS):
    labels = np.repeat(np.arange(len(parts), dtype=np.int32), list(map(len, parts)))
    return sampled(np.concatenate(parts), weights, labels, np.ones(len(parts), bool))


def divided(*parts, ties=None, heaped=None, significance=0.01):
    d = parts[0].shape[1]
    return divisions(clusters_of(*parts), ties or [None] * d, heaped, significance)


def divisions(sample, ties, heaped=None, significance=0.01):
    heaped = np.zeros(len(ties), bool) if heaped is None else heaped
    with Threads(1) as threads:
        return divide_clusters(sample, ties, heaped, significance, threads)


def two_modes(rng, n, d, distance=8.0):
    part = rng.normal(size=(n, d))
    part[: n // 3, -1] += distance
    return part


@given(data=st.data(), n=st.integers(1, 40), most=st.sampled_from([1, 3, 100]))
def test_sample_takes_every_so_many_rows_of_the_wanted_clusters(data, n, most):
    labels = data.draw(arrays(np.int32, n, elements=st.integers(0, 3)))
    wanted = np.array(data.draw(st.tuples(*[st.booleans()] * 4)))
    X = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    weights = data.draw(st.sampled_from([NO_WEIGHTS, 1.0 + np.arange(n)]))
    sample = sampled(X, weights, labels, wanted, most)
    assert sample.rows.dtype == np.float64
    for j in range(4):
        own = np.flatnonzero(labels == j) if wanted[j] else np.empty(0, int)
        taken = own[:: -(-len(own) // most)] if len(own) else own
        assert len(taken) <= most
        part, mass = sample.part(j)
        assert np.array_equal(part, X[taken])
        assert np.array_equal(mass, weights[taken] if len(weights) else np.ones(len(taken)))


@given(data=st.data(), n=st.integers(1, 20), most=st.sampled_from([1, 3, 100]))
def test_sample_of_counts_is_that_of_repeated_rows(data, n, most):
    labels = data.draw(arrays(np.int32, n, elements=st.integers(0, 3)))
    wanted = np.array(data.draw(st.tuples(*[st.booleans()] * 4)))
    counts = data.draw(arrays(np.int64, n, elements=st.integers(1, 5)))
    X = np.arange(n, dtype=float)[:, None]
    counted = sampled(X, counts.astype(float), labels, wanted, most, counts=True)
    repeated = sampled(np.repeat(X, counts, axis=0), NO_WEIGHTS, np.repeat(labels, counts), wanted, most)
    assert all(np.array_equal(*pair) for pair in zip(counted, repeated, strict=True))


def test_sample_of_known_numbers_is_even_whatever_the_order():
    n, most = rows(60_000, 6_000), rows(1000, 100)
    # A period that a stride would share.
    labels = (np.arange(n) % 60 < 20).astype(np.int32)
    X = np.arange(n, dtype=float)[:, None]
    sample = sampled(X, NO_WEIGHTS, labels, np.ones(2, bool), most, n_rows=np.bincount(labels).astype(float))
    for j in range(2):
        part, mass = sample.part(j)
        assert 0.8 * most <= len(part) <= most
        assert (labels[part[:, 0].astype(int)] == j).all()
        assert (np.diff(part[:, 0]) > 0).all()
        assert (mass == 1).all()
        phases = np.bincount((part[:, 0] % 60).astype(int), minlength=60)
        assert np.count_nonzero(phases) > 15
        assert np.histogram(part, 4, (0, n))[0] == pytest.approx(len(part) / 4, rel=0.2)


def test_sample_does_not_depend_on_the_threads(monkeypatch):
    monkeypatch.setattr(_threads, "CHUNK_ROWS", 100)
    rng = np.random.default_rng(0)
    X, labels, wanted = rng.normal(size=(730, 2)), rng.integers(0, 4, 730).astype(np.int32), np.arange(4) != 2
    for weights in (NO_WEIGHTS, rng.integers(1, 9, 730).astype(float)):
        for most in (7, 1000):
            many = sampled(X, weights, labels, wanted, most, n_jobs=2, counts=len(weights) > 0)
            monkeypatch.setattr(_threads, "CHUNK_ROWS", 1000)
            one = sampled(X, weights, labels, wanted, most, counts=len(weights) > 0)
            monkeypatch.setattr(_threads, "CHUNK_ROWS", 100)
            assert all(np.array_equal(*pair) for pair in zip(many, one, strict=True))


@given(X=tables(rows=st.integers(1, 20)))
def test_halve_lowers_the_inertia_by_its_gain(X):
    weights = 1.0 + np.arange(len(X)) % 3
    cut = halve(X, weights)
    extent = np.ptp(X, axis=0).max()
    if cut is None:
        assert extent < 1e-100 or extent < 1e-12 * np.abs(X).max()
        return
    assert cut.gain >= 0
    assert cut.mass.min() > 0
    assert cut.mass.sum() == weights.sum()
    mean = np.average(X, axis=0, weights=weights)
    size = weights.sum() * extent
    assert np.abs(cut.mass @ (cut.centers - mean)).max() <= 1e-9 * size + 1e-12 * weights.sum() * np.abs(X).max()
    before = reference.squared_distances(X, mean[None])[:, 0]
    after = reference.squared_distances(X, cut.centers).min(axis=1)
    # Every row may have moved on to the nearer mean, which lowers the inertia further.
    rounding = 1e-9 * size * extent + 1e-14 * size * np.abs(X).max() + 1e-300
    rounding += 9 * weights.sum() * (np.finfo(float).eps * np.abs(X).max()) ** 2
    assert weights @ (before - after) >= cut.gain - rounding


@pytest.mark.parametrize("d", [1, 2, 3, 4, 8])
def test_halve_cuts_between_two_groups(d):
    rng = np.random.default_rng(d)
    X = rng.normal(size=(60, d))
    X[:20] += 9 / np.sqrt(d)
    weights = rng.uniform(0.5, 2, 60)
    cut = halve(X, weights)
    groups = [slice(20), slice(20, 60)]
    expected = np.array([np.average(X[group], axis=0, weights=weights[group]) for group in groups])
    order = np.argsort(cut.centers[:, 0])[::-1]
    assert cut.centers[order] == pytest.approx(expected)
    assert cut.mass[order] == pytest.approx([weights[group].sum() for group in groups])


@pytest.mark.parametrize("d", [1, 3, 5])
def test_halve_of_equal_rows_is_none(d):
    assert halve(np.full((6, d), 0.1), np.full(6, 0.3)) is None


def test_critical_dip_rises_as_chance_is_given_less_room():
    critical = [dip_critical(significance) for significance in (0.5, 0.1, 0.01, 1e-4)]
    assert (np.diff(critical) > 0).all()


def test_critical_dip_is_seldom_reached_by_even_rows():
    rng = np.random.default_rng(0)
    samples, n = rows(1000, 30), rows(400, 100)
    counts, dips = np.empty((1, samples, 512)), np.empty((1, samples))
    count_features(rng.uniform(size=(n, samples)), np.ones(n), 0, n, counts[0])
    find_dips(counts, np.array([samples]), 0.0, 0, 0, 1, dips)
    for significance in (0.2, 0.05, 0.01):
        assert (dips > dip_critical(significance)).mean() <= significance + 3 * np.sqrt(significance / samples)
    assert dips.max() > 0.7 * dip_critical(0.05)


@pytest.mark.parametrize("d", [1, 2, 3, 4, 7])
def test_division_cuts_the_clusters_of_two_modes_alone(d):
    rng = np.random.default_rng(d)
    n = rows(600, 90)
    parts = [rng.normal(size=(n, d)), two_modes(rng, n, d), rng.uniform(size=(n, d)), two_modes(rng, n, d)]
    cuts = divided(*parts)
    assert sorted(cuts) == [1, 3]
    for j, (division, by_dip, statistic, critical) in cuts.items():
        assert by_dip
        assert statistic > critical
        assert sorted(division.mass) == pytest.approx([n // 3, n - n // 3], abs=2)
        low, high = sorted(division.centers[:, -1])
        assert low == pytest.approx(parts[j][n // 3 :, -1].mean(), abs=0.1)
        assert high == pytest.approx(parts[j][: n // 3, -1].mean(), abs=0.1)


@pytest.mark.parametrize("d", [2, 3])
def test_division_finds_two_modes_that_their_two_means_do_not_part(d):
    # Long and side by side: the halves of the two means are their ends.
    rng = np.random.default_rng(d)
    part = rng.normal(size=(rows(600, 200), d)) * ([6.0] + [1.0] * (d - 1))
    part[::2, 1] += 6
    part = part @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    ((division, by_dip, *_),) = divided(part).values()
    assert by_dip
    assert division.mass == pytest.approx([len(part) / 2] * 2, rel=0.05)


def test_division_leaves_a_curved_sheet_whole():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, rows(1500, 400)))
    sheet = np.column_stack([x, y, 0.2 * (x**2 + 0.01 * rng.normal(size=len(x)))])
    assert divided(sheet, significance=0.02) == {}


@given(X=tables(rows=st.integers(2, 20), features=st.integers(1, 3)))
def test_directions_spread_the_points_alike(X):
    place = np.zeros((len(X), 3))
    place[:, : X.shape[1]] = X - X.mean(axis=0)
    assume(np.abs(place).max() > 1e-12 * np.abs(X).max() + 1e-200)
    place /= np.abs(place).max()
    (lines,), (n,) = _directions((place.T @ place)[None])
    along = place @ lines[:n].T
    assert n > 0
    assert (along**2).sum(axis=0) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("q", [1, 2, 3])
def test_directions_leave_none_far_from_a_line(q):
    rng = np.random.default_rng(q)
    lines = DIRECTIONS[q]
    assert np.linalg.norm(lines, axis=1) == pytest.approx(1)
    any_line = rng.normal(size=(1000, q))
    any_line /= np.linalg.norm(any_line, axis=1)[:, None]
    assert np.abs(any_line @ lines.T).max(axis=1).min() > 0.9


def test_division_finds_two_modes_of_a_narrow_feature():
    # Three wide features fill the principal axes: the two modes show along their own feature alone.
    rng = np.random.default_rng(0)
    part = rng.uniform(-30, 30, size=(rows(600, 120), 5))
    part[:, 4] = rng.normal(size=len(part)) * 0.3 + 3 * (np.arange(len(part)) % 2)
    ((division, *_),) = divided(part).values()
    assert sorted(division.centers[:, 4]) == pytest.approx([0, 3], abs=0.2)
    assert division.mass == pytest.approx([len(part) / 2] * 2)


def test_division_leaves_counts_whole():
    rng = np.random.default_rng(0)
    counts = rng.poisson(3.0, size=(rows(3000, 400), 2)).astype(float)
    assert divided(counts, ties=find_ties(counts, NO_WEIGHTS, Threads(1))) == {}
    assert divided(counts[:, :1] * 10) != {}, "not known to be counts, they are spikes"


@pytest.mark.parametrize("d", [2, 5])
def test_division_leaves_prices_whole(d):
    # Eight prices that most have paid, and others between them.
    rng = np.random.default_rng(d)
    price = np.array([7.49, 9.99, 11.77, 12.99, 14.96, 16.49, 17.5, 19.95])
    paid = rng.choice(price, size=rows(3000, 600), p=[0.05, 0.12, 0.18, 0.22, 0.19, 0.12, 0.08, 0.04])
    part = rng.normal(size=(len(paid), d))
    part[:, 0] = np.where(rng.random(len(paid)) < 0.8, paid, rng.uniform(5, 22, len(paid)).round(2))
    heaped = find_heaps(part, [None] * d)
    assert heaped.tolist() == [True] + [False] * (d - 1)
    assert divided(part) != {}, "not known to be prices, they are spikes"
    assert divided(part, heaped=heaped) == {}
    # Two groups far from each other are two, whatever they paid.
    part[::3, 0] += 60
    assert divided(part, heaped=heaped) != {}


def test_division_leaves_a_few_rows_whole():
    part = np.repeat([[0.0], [100.0]], 4, axis=0)
    assert divided(part, significance=0.5) != {}
    assert divided(part[1:], significance=0.5) == {}
    assert len(part) == MIN_ROWS


def test_division_leaves_equal_and_unwanted_rows_whole():
    rng = np.random.default_rng(0)
    equal, split = np.full((20, 4), 3.0), two_modes(rng, 90, 4)
    assert sorted(divided(equal, split)) == [1]
    labels = np.repeat([0, 1], [20, 90]).astype(np.int32)
    sample = sampled(np.concatenate([equal, split]), NO_WEIGHTS, labels, np.array([True, False]))
    assert divisions(sample, [None] * 4) == {}


def test_division_without_a_valley_is_in_the_middle():
    part = np.repeat([[0.0], [1.0]], 4, axis=0)
    sample = clusters_of(part, weights=np.full(8, 0.24))
    assert deepest_valleys(np.bincount([0, 511], [0.96, 0.96])[None], 0.01).prominence[0] == 0
    ((division, by_dip, *_),) = divisions(sample, [None], significance=0.99).values()
    assert by_dip
    assert division.mass == pytest.approx([0.96, 0.96])


def test_cut_needs_rows_on_either_side():
    part, weights = np.arange(3.0)[:, None], np.ones(3)
    assert _cut(part, weights, np.array([True, True, True])) is None
    assert _cut(part, weights, np.array([False, True, True])).mass.tolist() == [1, 2]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_division_cuts_between_the_modes(share):
    rng = np.random.default_rng(0)
    n = 400
    along = np.where(np.arange(n) < share * n, rng.normal(0, 1, n), rng.normal(9, 2, n))
    ((division, *_),) = divided(np.column_stack([along, rng.normal(size=n)])).values()
    order = np.argsort(division.centers[:, 0])
    assert division.mass[order] == pytest.approx([share * n, n - share * n], abs=2)
    assert division.centers[order, 0] == pytest.approx([0, 9], abs=0.5)


@pytest.mark.parametrize("d", [1, 3, 5])
def test_division_finds_a_small_mode_that_no_dip_shows(d):
    rng = np.random.default_rng(d)
    part = rng.normal(size=(1200, d))
    part[:40, 0] += 14
    ((division, by_dip, statistic, critical),) = divided(part).values()
    assert not by_dip
    assert statistic > critical
    assert min(division.mass) == 40


@pytest.mark.parametrize("d", [1, 3, 5])
def test_division_finds_two_modes_beside_far_rows(d):
    rng = np.random.default_rng(d)
    n = rows(600, 90)
    whole, parted = rng.normal(size=(n, d)), two_modes(rng, n, d)
    far = [np.full((1, d), -1e7), np.full((1, d), 1e7)]
    cuts = divided(np.concatenate([whole, *far]), np.concatenate([parted, *far]), parted)
    assert sorted(cuts) == [1, 2]
    assert sorted(cuts[1].division.mass) == pytest.approx([n // 3, n - n // 3], abs=2)
    low, high = sorted(cuts[1].division.centers[:, -1])
    assert (low, high) == pytest.approx((0, 8), abs=0.5)


def test_far_rows_are_those_far_from_most():
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(90, 3)) for _ in range(4)]
    parts[0][5], parts[2][80] = 40.0, -1e9
    # So many to one side take the mean along.
    parts[3][:9] += 100.0
    sample = clusters_of(*parts)
    near = sample.without_far_rows([0, 1, 3])
    assert np.diff(near.starts).tolist() == [89, 0, 0, 81]
    assert np.array_equal(near.rows, np.concatenate([np.delete(parts[0], 5, axis=0), parts[3][9:]]))


def test_division_counts_weights():
    part = np.concatenate([np.linspace(0, 1, 40), np.linspace(5, 6, 40)])[:, None]
    sample = clusters_of(part, weights=np.repeat([1.0, 3.0], 40))
    ((division, *_),) = divisions(sample, [None]).values()
    order = np.argsort(division.mass)
    assert division.mass[order].tolist() == [40.0, 120.0]
    assert division.centers[order, 0] == pytest.approx([0.5, 5.5])


@given(along=arrays(np.float64, st.integers(2, 20), elements=st.integers(-9, 9).map(float)).filter(np.ptp))
def test_bins_are_those_of_a_histogram(along):
    assert np.array_equal(np.bincount(bins_along(along), minlength=512), np.histogram(along, 512)[0])
