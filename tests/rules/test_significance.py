import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rules import rule_reference as reference

from kmad._threads import Threads
from kmad.rules._measures import Counts
from kmad.rules._significance import ADJUSTMENTS, ALTERNATIVES, adjust_p_values, chi_square_test, fisher

ALTERNATIVE = st.sampled_from(ALTERNATIVES)


def counts(xy, x, y, n):
    return Counts(*(np.atleast_1d(np.asarray(part, np.float64)) for part in (xy, x, y)), float(n))


def fisher_p(xy, x, y, n, alternative):
    with Threads(1) as threads:
        return fisher(counts(xy, x, y, n), alternative, threads)


@st.composite
def margins(draw, most=40):
    n = draw(st.integers(1, most))
    x, y = draw(st.integers(1, n)), draw(st.integers(1, n))
    return x, y, n


@given(margins(), ALTERNATIVE)
def test_fisher_equals_the_sum_of_exact_chances(margin, alternative):
    x, y, n = margin
    both = list(reference.tables(n, x, y))
    expected = [reference.fisher(xy, x, y, n, alternative) for xy in both]
    found = fisher_p(both, [x] * len(both), [y] * len(both), n, alternative)
    np.testing.assert_allclose(found, expected, rtol=1e-11)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize(
    ("xy", "x", "y", "n"),
    [
        (30, 400, 500, 10_000),  # more than the 20 expected
        (10, 400, 500, 10_000),
        (250, 5_000, 400, 10_000),
        (1_900, 2_000, 9_000, 10_000),
        (52, 60, 9_950, 10_000),  # as few as hardly ever
    ],
)
def test_fisher_is_exact_in_the_tails(xy, x, y, n, alternative):
    expected = reference.fisher(xy, x, y, n, alternative)
    assert fisher_p(xy, x, y, n, alternative)[0] == pytest.approx(expected, rel=1e-8, abs=1e-300)


def test_fisher_of_the_tea_lady():
    # The four cups of eight that Fisher's lady told right; three of four gives 17 in 70.
    assert fisher_p([4, 3], [4, 4], [4, 4], 8, "greater") == pytest.approx([1 / 70, 17 / 70])
    assert fisher_p([4, 3], [4, 4], [4, 4], 8, "two-sided") == pytest.approx([2 / 70, 34 / 70])


@pytest.mark.parametrize("xy", [1_500, 1_850, 2_000, 2_150, 3_000])
def test_fisher_of_a_million_baskets_equals_chances_built_from_their_ratios(xy):
    x, y, n = 40_000, 50_000, 1_000_000
    k = np.arange(x)
    ratio = (x - k) * (y - k) / ((k + 1.0) * (n - x - y + k + 1.0))
    log_chance = np.concatenate([[0], np.cumsum(np.log(ratio))])
    chance = np.exp(log_chance - log_chance.max())
    greater, two_sided = chance[xy:].sum(), chance[chance <= chance[xy] * (1 + 1e-7)].sum()
    assert fisher_p(xy, x, y, n, "greater")[0] == pytest.approx(greater / chance.sum(), rel=1e-7)
    assert fisher_p(xy, x, y, n, "two-sided")[0] == pytest.approx(two_sided / chance.sum(), rel=1e-7)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_fisher_is_the_same_for_any_number_of_threads(alternative, monkeypatch):
    monkeypatch.setattr("kmad.rules._significance.CHUNK_RULES", 100)
    rng = np.random.default_rng(0)
    x, y = rng.integers(1, 1_000, (2, 1_000))
    given_counts = counts(rng.binomial(np.minimum(x, y), 0.3), x, y, 2_000)
    with Threads(1) as one, Threads(4) as four:
        np.testing.assert_array_equal(fisher(given_counts, alternative, one), fisher(given_counts, alternative, four))


@given(margins(most=200), st.data())
def test_chi_square_is_the_two_tails_of_a_normal(margin, data):
    x, y, n = margin
    xy = data.draw(st.integers(max(0, x + y - n), min(x, y)))
    table = counts(xy, x, y, n)
    deviation = math.sqrt(x * y * (n - x) * (n - y) / n**3)
    z = (xy - x * y / n) / deviation if deviation else 0.0
    two_sided = math.erfc(abs(z) / math.sqrt(2))
    assert chi_square_test(table, "two-sided")[0] == pytest.approx(two_sided, rel=1e-9)
    assert chi_square_test(table, "greater")[0] == pytest.approx(math.erfc(z / math.sqrt(2)) / 2, rel=1e-9)


def step_by_step(p, adjustment, n_tests):
    """The adjusted p-value of a rule: the least level at which the procedure would keep it."""
    order = sorted(range(len(p)), key=p.__getitem__)
    adjusted = [0.0] * len(p)
    for rank, i in enumerate(order):
        if adjustment == "holm":
            adjusted[i] = max(min(1, (n_tests - k) * p[order[k]]) for k in range(rank + 1))
        elif adjustment == "fdr":
            adjusted[i] = min(min(1, n_tests * p[order[k]] / (k + 1)) for k in range(rank, len(p)))
        else:
            adjusted[i] = min(1, n_tests * p[i]) if adjustment == "bonferroni" else p[i]
    return adjusted


@given(st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.02, 0.2, 0.5, 1.0]), max_size=12), st.integers(0, 5))
def test_adjusted_p_values_equal_those_of_the_procedures(p, more):
    for adjustment in ADJUSTMENTS:
        found = adjust_p_values(np.array(p), adjustment, len(p) + more)
        np.testing.assert_allclose(found, step_by_step(p, adjustment, len(p) + more), rtol=1e-15)


@pytest.mark.parametrize("adjustment", ADJUSTMENTS[1:])
def test_any_number_of_tests_is_corrected_for(adjustment):
    p = np.array([0.0, 1e-100, 0.5, 1.0])
    # The second smallest of four tests, which the expected share of false ones halves.
    expected = [0, 1e-70 / (2 if adjustment == "fdr" else 1), 1, 1]
    np.testing.assert_allclose(adjust_p_values(p, adjustment, 10**30), expected, rtol=1e-12)
    assert adjust_p_values(p, adjustment, 10**400).tolist() == [0, 1, 1, 1]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_adjustments_are_ordered_by_how_much_they_ask(p):
    none, bonferroni, holm, fdr = (adjust_p_values(np.array(p), adjustment, len(p)) for adjustment in ADJUSTMENTS)
    rounding = 1 + 1e-15
    assert (none <= fdr * rounding).all()
    assert (fdr <= holm * rounding).all()
    assert (holm <= bonferroni).all()


def test_holm_keeps_few_of_many_independent_pairs():
    rng = np.random.default_rng(0)
    n, pairs = 500, 2_000
    x, y = rng.binomial(n, 0.2, (2, pairs))
    p = fisher_p(rng.hypergeometric(x, n - x, y), x, y, n, "greater")
    assert (p <= 0.05).mean() < 0.06
    assert (adjust_p_values(p, "holm", pairs) <= 0.05).sum() <= 1
