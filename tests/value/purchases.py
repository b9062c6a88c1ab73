"""Customers that tests draw, and checks that they share."""

import numpy as np


def draw_pareto(n, rng, *, r=0.8, alpha=8.0, s=0.9, beta=20.0):
    """Frequency, recency and T of customers of the Pareto/NBD model, in steps of a seventh."""
    T = rng.integers(140, 280, n) / 7
    life = np.minimum(rng.exponential(1 / rng.gamma(s, 1 / beta, n)), T)
    x = rng.poisson(rng.gamma(r, 1 / alpha, n) * life).astype(float)
    return _rounded(x, np.where(x > 0, life * rng.random(n) ** (1 / np.maximum(x, 1)), 0.0), T)


def draw_bg(n, rng, *, r=0.4, alpha=4.0, a=0.8, b=2.5, early=False):
    """The same of the BG/NBD model, or of the MBG/NBD model."""
    rate, dropout, T = rng.gamma(r, 1 / alpha, n), rng.beta(a, b, n), rng.integers(140, 280, n) / 7
    x, recency, time = np.zeros(n), np.zeros(n), np.zeros(n)
    active = np.flatnonzero(rng.random(n) >= dropout) if early else np.arange(n)
    while len(active):
        time[active] += rng.exponential(1 / rate[active])
        active = active[time[active] <= T[active]]
        x[active] += 1
        recency[active] = time[active]
        active = active[rng.random(len(active)) >= dropout[active]]
    return _rounded(x, recency, T)


def _rounded(x, recency, T):
    return np.column_stack([x, np.minimum(np.ceil(recency * 7) / 7, T), T])


def assert_derivatives(evaluate, point, *, step=1e-4, rtol=1e-5):
    """Gradient and Hessian of a likelihood are those of its values and of its gradients."""
    curve = evaluate(point)
    scale = np.abs(curve.hessian).max()
    np.testing.assert_array_equal(curve.hessian, curve.hessian.T)
    for j, unit in enumerate(np.eye(len(point))):
        above, below = evaluate(point + step * unit), evaluate(point - step * unit)
        np.testing.assert_allclose((above.value - below.value) / (2 * step), curve.gradient[j], rtol, atol=rtol * scale)
        numeric = (above.gradient - below.gradient) / (2 * step)
        np.testing.assert_allclose(numeric, curve.hessian[j], rtol, atol=rtol * scale)


def assert_predictions(model, twin, customer, *, horizon, rate, counts, rtol):
    """A model tells of a customer what the mean over latent customers does."""
    row, close = [customer], {"rtol": rtol, "atol": 1e-12}
    alive = twin.probability_alive(*customer)
    np.testing.assert_allclose(model.probability_alive(row), alive, **close)
    np.testing.assert_allclose(
        model.probability_alive(row, horizon), twin.ahead(twin.survives(horizon), *customer), **close
    )
    np.testing.assert_allclose(
        model.expected_purchases(horizon, row), twin.ahead(twin.purchases(horizon), *customer), **close
    )
    np.testing.assert_allclose(
        model.discounted_expected_purchases(row, discount_rate=rate),
        twin.ahead(twin.discounted(rate), *customer),
        **close,
    )
    if alive > 0:
        bought, later = (twin.ahead(f, *customer) / alive for f in (twin.purchases(horizon), twin.discounted(rate)))
        np.testing.assert_allclose(model.expected_purchases(horizon, row, if_alive=True), bought, **close)
        found = model.discounted_expected_purchases(row, discount_rate=rate, if_alive=True)
        np.testing.assert_allclose(found, later, **close)
        np.testing.assert_allclose(model.survival(horizon, row), twin.survival(horizon, *customer), **close)
    for n in counts:
        expected = twin.ahead(twin.counts(n, horizon), *customer) + (n == 0) * (1 - alive)
        np.testing.assert_allclose(model.probability_of_purchases(n, horizon, row), expected, **close)
