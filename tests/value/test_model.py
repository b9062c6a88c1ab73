"""What holds for every model of purchases."""

import pickle
import warnings
from functools import cache

import numba
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.stats import nbinom
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from tests.asserts import rows
from tests.value.latent import nbd_log_likelihood
from tests.value.purchases import draw_bg, draw_pareto

from kmad import BGBB, BGNBD, MBGNBD, GammaGamma, ParetoNBD, ShiftedBetaGeometric, warmup
from kmad.value import (
    _ahead,
    _bg_bb_sums,
    _bg_nbd,
    _bg_nbd_sums,
    _continuous,
    _distinct,
    _elementary,
    _gamma_gamma_sums,
    _model,
    _purchases,
)

PURCHASES = ["frequency", "recency", "T"]
CONTINUOUS = [ParetoNBD, BGNBD, MBGNBD]
KNOWN = {
    ParetoNBD: {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669},
    BGNBD: {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426},
    MBGNBD: {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614},
    BGBB: {"alpha": 1.204, "beta": 0.750, "gamma": 0.657, "delta": 2.783},
    ShiftedBetaGeometric: {"alpha": 0.668, "beta": 3.806},
    GammaGamma: {"p": 6.25, "q": 3.74, "gamma": 15.44},
}
COLUMNS = {
    BGBB: PURCHASES,
    ShiftedBetaGeometric: ["T", "churned"],
    GammaGamma: ["frequency", "monetary_value"],
}
FUTURES = [ParetoNBD, BGNBD, MBGNBD, BGBB, ShiftedBetaGeometric]
N = rows(800, 150)


def draw(kind, n=N):
    rng = np.random.default_rng(19)
    if kind is BGBB:
        lived = rng.geometric(rng.beta(1.0, 4.0, n)) - 1
        bought = (rng.random((n, 6)) < rng.beta(1.2, 0.8, n)[:, None]) & (np.arange(6) < lived[:, None])
        last = np.where(bought.any(axis=1), 6 - np.argmax(bought[:, ::-1], axis=1), 0)
        return np.column_stack([bought.sum(axis=1), last, np.full(n, 6)]).astype(float)
    if kind is ShiftedBetaGeometric:
        life = rng.geometric(rng.beta(1.0, 3.0, n))
        return np.column_stack([np.minimum(life, 7), life <= 7]).astype(float)
    if kind is GammaGamma:
        x = rng.integers(0, 6, n).astype(float)
        mean = rng.gamma(6 * np.maximum(x, 1)) / np.maximum(x, 1) / rng.gamma(4, 1 / 15, n)
        return np.column_stack([x, np.where(x > 0, mean, 0.0)])
    if kind is ParetoNBD:
        return draw_pareto(n, rng)
    return draw_bg(n, rng, r=1.0, early=True) if kind is MBGNBD else draw_bg(n, rng)


@cache
def fitted(kind):
    """A model fitted to its customers, for tests that do not change it: without the jit a fit takes seconds."""
    return kind().fit(draw(kind))


def ask(model, customers):
    """Everything that a model tells of customers, one array after the other."""
    if isinstance(model, GammaGamma):
        return [model.expected_spend(customers)]
    return [
        model.expected_purchases(8, customers),
        model.probability_alive(customers),
        model.probability_alive(customers, 5),
        model.survival(5, customers),
        model.probability_of_purchases(0, 8, customers),
        model.probability_of_purchases(2, 8, customers),
        model.discounted_expected_purchases(customers, discount_rate=0.05),
    ]


@pytest.fixture(params=list(KNOWN), ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture(params=FUTURES, ids=lambda kind: kind.__name__)
def future(request):
    return request.param.from_params(**KNOWN[request.param])


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_tables_and_arrays_agree(kind, make):
    customers = draw(kind)
    names = COLUMNS.get(kind, PURCHASES)
    table = make({"customer": [f"c{i}" for i in range(len(customers))], **dict(zip(names, customers.T, strict=True))})
    by_array, by_table = fitted(kind), kind().fit(table)
    assert by_table.params_ == by_array.params_
    for found, expected in zip(ask(by_table, table), ask(by_array, customers.tolist()), strict=True):
        assert isinstance(found, np.ndarray)
        np.testing.assert_array_equal(found, expected)


def test_integer_and_boolean_columns_are_numbers():
    T, churned = draw(ShiftedBetaGeometric).T
    table = pl.DataFrame({"T": T.astype(int), "churned": churned.astype(bool)})
    assert ShiftedBetaGeometric().fit(table).params_ == fitted(ShiftedBetaGeometric).params_


def test_data_of_the_caller_do_not_change(kind):
    customers = draw(kind)
    before = customers.copy()
    customers.flags.writeable = False
    ask(kind().fit(customers, sample_weight=np.ones(len(customers))), customers)
    np.testing.assert_array_equal(customers, before)


def test_answers_are_the_callers_to_change(kind):
    for found in ask(kind.from_params(**KNOWN[kind]), draw(kind)):
        assert found.flags.writeable


def test_order_of_rows_changes_nothing(kind):
    customers = draw(kind)
    order = np.random.default_rng(0).permutation(len(customers))
    model, shuffled = fitted(kind), kind().fit(customers[order])
    for name, value in model.params_.items():
        assert shuffled.params_[name] == pytest.approx(value, rel=1e-7)
    for found, expected in zip(ask(model, customers[order]), ask(model, customers), strict=True):
        np.testing.assert_array_equal(found, expected[order])


def test_weights_are_numbers_of_customers(kind):
    customers = draw(kind)
    weight = np.random.default_rng(1).integers(0, 3, len(customers))
    weighted, repeated = kind().fit(customers, sample_weight=weight), kind().fit(np.repeat(customers, weight, axis=0))
    assert weighted.n_customers_ == repeated.n_customers_
    assert weighted.log_likelihood_ == pytest.approx(repeated.log_likelihood_, rel=1e-10)
    for name, value in repeated.params_.items():
        assert weighted.params_[name] == pytest.approx(value, rel=1e-6)
        assert weighted.standard_errors_[name] == pytest.approx(repeated.standard_errors_[name], rel=1e-5)


def test_fit_says_what_it_found(kind):
    model = fitted(kind)
    k = len(model.parameters)
    assert list(model.params_) == list(model.standard_errors_) == list(model.parameters)
    assert model.converged_ is True
    assert model.boundary_ is None
    assert isinstance(model.n_iter_, int)
    assert model.aic_ == pytest.approx(2 * k - 2 * model.log_likelihood_)
    assert model.bic_ == pytest.approx(k * np.log(model.n_customers_) - 2 * model.log_likelihood_)
    assert model.covariance_.shape == (k, k)
    errors = np.array(list(model.params_.values())) * np.sqrt(np.diag(model.covariance_))
    np.testing.assert_allclose(errors, list(model.standard_errors_.values()))
    assert np.linalg.eigvalsh(model.covariance_).min() > 0


def test_fit_is_at_a_maximum(kind):
    model = fitted(kind)
    problem = model._problem(draw(kind), np.ones, _model.Threads(1))
    point = np.log(list(model.params_.values()))
    for name in model.in_unit:
        point[model.parameters.index(name)] -= np.log(problem.unit)
    best = problem.evaluate(point)
    assert best.value + problem.log_jacobian == pytest.approx(model.log_likelihood_, rel=1e-12)
    for step in (0.1, 0.5, 2.0):
        for direction in np.vstack([np.eye(len(point)), -np.eye(len(point))]):
            assert problem.evaluate(point + step * direction).value < best.value


@pytest.mark.parametrize("kind", CONTINUOUS)
@pytest.mark.parametrize("factor", [1 / 7, 365.25, 1e-6, 1e9])
def test_fit_does_not_depend_on_the_unit_of_time(kind, factor):
    customers = draw(kind)
    scaled = customers * [1, factor, factor]
    model, other = fitted(kind), kind().fit(scaled)
    jacobian = customers[:, 0].sum() * np.log(factor)
    assert other.log_likelihood_ == pytest.approx(model.log_likelihood_ - jacobian, rel=1e-11)
    for name, value in model.params_.items():
        scale = factor if name in model.in_unit else 1.0
        assert other.params_[name] == pytest.approx(scale * value, rel=1e-6)
        assert other.standard_errors_[name] == pytest.approx(scale * model.standard_errors_[name], rel=1e-5)
    np.testing.assert_allclose(
        other.expected_purchases(8 * factor, scaled), model.expected_purchases(8, customers), rtol=1e-6
    )


@pytest.mark.parametrize("factor", [1.0, 1 / 7, 365.25])
@pytest.mark.parametrize("kind", CONTINUOUS)
def test_customers_who_never_drop_out_are_a_limit(kind, factor):
    # What the NBD model expects of 1,000 customers: in a sample some dropout may describe the noise better.
    most = rows(160, 60)
    x, share = np.repeat(np.arange(float(most)), 3), np.tile([1 / 6, 1 / 2, 5 / 6], most)
    T = np.full(len(x), 100.0)
    weight = 1000 / 3 * nbinom.pmf(x, 1, 1 / (1 + most / 16))
    recency = np.where(x > 0, T * share ** (1 / np.maximum(x, 1)), 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = kind().fit(np.column_stack([x, recency * factor, T * factor]), sample_weight=weight)
    assert model.converged_
    assert model.boundary_.startswith("no dropout")
    assert ";" not in model.boundary_
    # What is left is the NBD model, whose parameters are determined.
    assert model.params_["r"] == pytest.approx(1.0, abs=4 * model.standard_errors_["r"])
    assert np.isnan(list(model.standard_errors_.values())[2:]).all()
    r, alpha = model.params_["r"], model.params_["alpha"]
    nbd = nbd_log_likelihood(x, T * factor, weight, r, alpha)
    assert model.log_likelihood_ == pytest.approx(nbd, rel=1e-7)
    np.testing.assert_allclose(model.expected_purchases(10.0 * factor), 10 * factor * r / alpha, rtol=1e-3)
    for drawn in model.draw(3, random_state=0):
        assert drawn.params_["alpha"] == pytest.approx(alpha, rel=0.5)


@pytest.mark.parametrize("kind", CONTINUOUS)
def test_customers_who_buy_alike_are_a_limit(kind):
    rng = np.random.default_rng(2)
    n = rows(400, 60)
    x = np.full(n, 5.0) + (rng.random(n) < 0.5)
    model = kind().fit(np.column_stack([x, rng.uniform(45, 50, n), np.full(n, 50.0)]))
    assert model.converged_
    assert model.boundary_.startswith("homogeneous rates")
    # Hardly anyone drops out: the rate is that of a Poisson process.
    assert model.params_["r"] / model.params_["alpha"] == pytest.approx(x.mean() / 50, rel=0.05)
    assert np.isnan(model.standard_errors_["r"])


@pytest.mark.parametrize("kind", CONTINUOUS)
def test_customers_who_never_come_back_are_a_limit(kind):
    model = kind().fit([[0, 0, T] for T in range(1, 50, rows(1, 4))])
    assert model.converged_
    assert model.boundary_ == "no repeat purchases: r / alpha falls to 0"
    assert model.expected_purchases(10.0) < 1e-4
    assert np.isnan(list(model.standard_errors_.values())).all()


def test_highest_of_several_maxima_is_found(monkeypatch):
    once = [(1, 10, 34), (1, 28, 30), (1, 19, 31), (1, 30, 37), (1, 19, 32), (1, 7, 39)]
    customers = [(0, 0, 32)] * 23 + once + [(5, 36, 36.5)]
    model = BGNBD().fit(customers)
    assert model.boundary_.startswith("all or nothing")
    monkeypatch.setattr(_continuous, "SHIFTS", np.zeros((1, 4)))
    from_one = BGNBD().fit(customers)
    assert from_one.boundary_.startswith("no dropout")
    assert model.log_likelihood_ > from_one.log_likelihood_ + 0.1


@pytest.mark.parametrize("kind", CONTINUOUS)
def test_fit_that_is_cut_short_warns(kind):
    with pytest.warns(ConvergenceWarning, match=f"{kind.__name__} did not converge in 1 iterations"):
        model = kind(max_iter=1).fit(draw(kind))
    assert not model.converged_


@pytest.mark.parametrize("kind", [ParetoNBD, BGNBD, MBGNBD, BGBB, GammaGamma])
def test_number_of_threads_changes_no_bit(kind, monkeypatch):
    monkeypatch.setattr(_model, "SUM_ROWS", 16)
    monkeypatch.setattr(_model, "BLOCK_SIZE", 64)
    monkeypatch.setattr(_bg_nbd, "BLOCK_SIZE", 64)
    customers = draw(kind)
    one, several = kind(n_jobs=1).fit(customers), kind(n_jobs=3).fit(customers)
    assert one.params_ == several.params_
    assert one.log_likelihood_ == several.log_likelihood_
    for found, expected in zip(ask(several, customers), ask(one, customers), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", [ParetoNBD, BGNBD, GammaGamma])
def test_fit_that_starts_from_a_part_finds_the_same(kind, monkeypatch):
    customers = draw(kind, rows(2_000, 300))
    whole = kind().fit(customers)
    monkeypatch.setattr(_model, "ENOUGH_ROWS", 100)
    started = kind().fit(customers)
    for name, value in whole.params_.items():
        assert started.params_[name] == pytest.approx(value, rel=1e-6)
    # A part that says nothing is no start.
    weight = np.ones(len(customers))
    weight[:: len(customers) // 100] = 0
    assert kind().fit(customers, sample_weight=weight).converged_


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ParetoNBD, (0.553, 10.578, 0.606, 11.669)),
        (ParetoNBD, (0.3, 1e4, 1.7, 0.02)),
        (ParetoNBD, (5.0, 0.01, 0.2, 3e3)),
        (ParetoNBD, (2.0, 7.0, 900.0, 8e3)),
        (BGNBD, (0.243, 4.414, 0.793, 2.426)),
        (BGNBD, (300.0, 2e3, 50.0, 4e2)),
        (MBGNBD, (0.02, 0.5, 0.1, 0.1)),
    ],
)
def test_many_customers_are_told_what_each_alone_is(kind, values):
    model = kind.from_params(**dict(zip(kind.parameters, values, strict=True)))
    customers = np.array([(0, 0, 20), (3, 10, 20), (3, 20, 20), (12, 15, 16), (1, 2, 30), (1, 0.5, 400)], float)
    apart = [ask(model, customers[i : i + 1]) for i in range(len(customers))]
    for found, *each in zip(ask(model, np.repeat(customers, 100, axis=0)), *apart, strict=True):
        np.testing.assert_allclose(found[::100], np.concatenate(each), rtol=1e-11)
        np.testing.assert_array_equal(found.reshape(len(customers), 100), found[::100, None].repeat(100, axis=1))


def test_rows_that_are_equal_are_worked_out_once(future, monkeypatch):
    customers = draw(type(future), 200)
    expected = ask(future, customers)
    monkeypatch.setattr(_purchases, "FEW_ROWS", 2)
    for found, each in zip(ask(future, customers), expected, strict=True):
        np.testing.assert_allclose(found, each, rtol=1e-12)
    spans = np.arange(len(customers)) % 3
    np.testing.assert_allclose(
        future.expected_purchases(spans, customers),
        [future.expected_purchases(int(span), customers[i : i + 1])[0] for i, span in enumerate(spans)],
        rtol=1e-12,
    )


def test_new_customer_is_a_number(future):
    for answer in ask(future, None):
        assert isinstance(answer, float)
    new = np.zeros((1, len(COLUMNS.get(type(future), PURCHASES))))
    np.testing.assert_allclose(np.concatenate(ask(future, new)), ask(future, None))
    many = future.expected_purchases(np.array([0, 1, 5]))
    assert many.shape == (3,)
    assert many[0] == 0
    assert many[2] == pytest.approx(future.expected_purchases(5))
    assert future.survival(np.array([0, 3]))[0] == pytest.approx(1.0)


def test_what_is_expected_grows_with_the_horizon_and_falls_with_the_rate(future):
    customers = draw(type(future), 50)
    expected = np.array([future.expected_purchases(horizon, customers) for horizon in (0, 1, 10, 100, 10_000)])
    assert (expected[0] == 0).all()
    assert (np.diff(expected, axis=0) >= 0).all()
    alive = np.array([future.probability_alive(customers, later) for later in (0, 1, 10, 1000)])
    assert (np.diff(alive, axis=0) <= 0).all()
    discounted = [future.discounted_expected_purchases(customers, discount_rate=rate) for rate in (0.001, 0.1, 10.0)]
    assert (np.diff(discounted, axis=0) <= 0).all()


@pytest.mark.parametrize("kind", [ParetoNBD, BGNBD, MBGNBD, BGBB, ShiftedBetaGeometric])
def test_tiny_discount_is_the_limit_of_none(kind):
    finite = {"r": 3.0, "s": 3.0, "a": 3.0, "gamma": 3.0, "alpha": 3.0}
    model = kind.from_params(**{**KNOWN[kind], **{n: v for n, v in finite.items() if n in KNOWN[kind]}})
    customers = draw(kind, 20)
    whole = model.expected_purchases(10_000_000, customers)
    found = model.discounted_expected_purchases(customers, discount_rate=1e-9)
    np.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-12)


def test_frequencies_of_the_fit_add_up_to_its_customers():
    for kind in FUTURES:
        customers = draw(kind)
        model = kind().fit(customers, sample_weight=np.full(len(customers), 2.0))
        found = model.frequency_distribution(5)
        assert found.shape == (6,)
        assert found.sum() == pytest.approx(2 * len(customers))
        assert (found >= 0).all()
        ages = customers[:, COLUMNS.get(kind, PURCHASES).index("T")]
        np.testing.assert_allclose(model.frequency_distribution(5, T=ages), found / 2, rtol=1e-9, atol=1e-9)
        zero = sum(model.probability_of_purchases(0, age) for age in ages)
        assert found[0] == pytest.approx(2 * zero, rel=1e-9)


def test_frequencies_need_ages(future):
    with pytest.raises(ValueError, match="T must be given to a model that was not fitted"):
        future.frequency_distribution(3)


def test_estimators_are_cloned_and_pickled(kind):
    model = kind(max_iter=50, tol=1e-8, n_jobs=1)
    assert model.get_params() == {"max_iter": 50, "tol": 1e-8, "n_jobs": 1}
    customers = draw(kind)
    model.fit(customers)
    assert clone(model).get_params() == model.get_params()
    assert not hasattr(clone(model), "params_")
    again = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own bytes
    assert again.params_ == model.params_
    for found, expected in zip(ask(again, customers), ask(model, customers), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert "max_iter=50" in repr(model)


def test_draws_scatter_as_the_covariance_says(kind):
    model = fitted(kind)
    drawn = model.draw(400, random_state=0)
    logs = np.log([list(each.params_.values()) for each in drawn])
    deviations = np.sqrt(np.diag(model.covariance_))
    assert (abs(logs.mean(axis=0) - np.log(list(model.params_.values()))) < 4 * deviations / 20).all()
    np.testing.assert_allclose(logs.std(axis=0), deviations, rtol=0.2)
    assert model.draw(2, random_state=1)[1].params_ == model.draw(2, random_state=1)[1].params_
    assert isinstance(drawn[0], kind)


def test_models_need_parameters(kind):
    with pytest.raises(NotFittedError):
        ask(kind(), draw(kind))
    with pytest.raises(NotFittedError):
        kind.from_params(**KNOWN[kind]).draw(1)


def test_known_parameters_are_checked(kind):
    known = KNOWN[kind]
    name = next(iter(known))
    with pytest.raises(ValueError, match="params must be"):
        kind.from_params()
    with pytest.raises(ValueError, match="params must be"):
        kind.from_params(**known, x=1.0)
    with pytest.raises(ValueError, match=f"{name} must lie between 0 and inf"):
        kind.from_params(**{**known, name: 0.0})
    with pytest.raises(TypeError, match=f"{name} must be a number"):
        kind.from_params(**{**known, name: "1"})


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1"),
        ({"tol": 0.0}, ValueError, "tol must lie between"),
        ({"n_jobs": 0}, ValueError, "n_jobs must not be 0"),
        ({"n_jobs": 1.5}, TypeError, "n_jobs must be an integer"),
    ],
)
def test_parameters_of_a_fit_are_checked(parameters, error, message):
    with pytest.raises(error, match=message):
        BGNBD(**parameters).fit(draw(BGNBD))


def test_joblib_may_choose_the_number_of_threads():
    assert BGNBD(n_jobs=None).fit(draw(BGNBD)).params_ == fitted(BGNBD).params_


@pytest.mark.parametrize(
    ("question", "error", "message"),
    [
        (lambda m: m.expected_purchases(-1), ValueError, "horizon must be .* 0 or more; got -1"),
        (lambda m: m.expected_purchases(np.nan), ValueError, "horizon must be"),
        (lambda m: m.expected_purchases("year"), TypeError, "horizon must be a number"),
        (lambda m: m.expected_purchases([[1, 2]]), ValueError, "horizon must be a number or have one entry"),
        (lambda m: m.expected_purchases([1, 2], draw(type(m), 3)), ValueError, r"got the shape \(2,\)"),
        (lambda m: m.probability_alive(draw(type(m), 3), -1), ValueError, "later must be"),
        (lambda m: m.survival(np.inf), ValueError, "horizon must be"),
        (lambda m: m.probability_of_purchases(-1, 5), ValueError, "n must be at least 0"),
        (lambda m: m.probability_of_purchases(1.5, 5), TypeError, "n must be an integer"),
        (lambda m: m.discounted_expected_purchases(discount_rate=0.0), ValueError, "discount_rate must lie"),
        (lambda m: m.frequency_distribution(0, T=[1]), ValueError, "max_frequency must be at least 1"),
        (lambda m: m.frequency_distribution(2, T=[-1]), ValueError, "T must be"),
    ],
)
def test_questions_that_cannot_be_are_refused(future, question, error, message):
    with pytest.raises(error, match=message):
        question(future)


@pytest.mark.parametrize("kind", [BGBB, ShiftedBetaGeometric])
def test_models_of_periods_refuse_parts_of_them(kind):
    with pytest.raises(ValueError, match="horizon must be whole numbers of periods"):
        kind.from_params(**KNOWN[kind]).expected_purchases(1.5)


@pytest.mark.parametrize("weight", [[1.0], [-1.0] * N, [0.0] * N, ["a"] * N])
def test_weights_that_cannot_be_are_refused(kind, weight):
    with pytest.raises((ValueError, TypeError), match="sample_weight must"):
        kind().fit(draw(kind), sample_weight=weight)


@pytest.mark.parametrize("kind", CONTINUOUS)
def test_time_must_have_passed(kind):
    with pytest.raises(ValueError, match="summary must have a T above 0"):
        kind().fit([[0, 0, 0]])


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_warmup_leaves_nothing_to_compile():
    def signatures():
        modules = (_ahead, _bg_bb_sums, _bg_nbd_sums, _distinct, _elementary, _gamma_gamma_sums)
        found = [value for module in modules for value in vars(module).values() if hasattr(value, "signatures")]
        return [list(value.signatures) for value in found]

    warmup()
    before = signatures()
    assert len(before) == 16
    for kind in KNOWN:
        ask(kind().fit(draw(kind), sample_weight=np.ones(N)), draw(kind))
    assert signatures() == before
