from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import betaln, gammaln, hyp2f1

from kmad.value._beta import beta_nodes, gamma_nodes, mean_fall, mean_power

SHAPES = [(0.05, 0.1), (0.8, 2.4), (1.0, 1.0), (0.8, 3000.0), (5.0, 2.0), (100.0, 200.0), (2.0, 1e5)]


@pytest.mark.parametrize(("a", "b"), [*SHAPES, (30.0, 0.02), (1e4, 3e4), (1e-3, 1e-3), (1e6, 3e6)])
def test_beta_nodes_have_the_moments(a, b):
    nodes = beta_nodes(a, b)
    assert nodes.weight.sum() == pytest.approx(1.0)
    assert (nodes.weight >= 0).all()
    np.testing.assert_allclose(nodes.weight @ nodes.p, a / (a + b), rtol=1e-10)
    np.testing.assert_allclose(nodes.weight @ nodes.q, b / (a + b), rtol=1e-10)
    np.testing.assert_allclose(nodes.weight @ nodes.p**2, a / (a + b) * (a + 1) / (a + b + 1), rtol=1e-10)
    np.testing.assert_allclose(nodes.q, np.exp(nodes.log_q), rtol=1e-14)


@pytest.mark.parametrize(("a", "b"), [*SHAPES, (30.0, 0.06)])
@pytest.mark.parametrize("d", [1e-6, 0.1, 3.0])
def test_beta_nodes_integrate_close_to_a_singularity(a, b, d):
    nodes = beta_nodes(a, b)

    def density(v):
        p, q = 1 / (1 + np.exp(-v)), 1 / (1 + np.exp(v))
        return np.exp(a * np.log(p) + b * np.log(q) - betaln(a, b)) / (p + d)

    middle = np.log(a / b)
    edges = middle + np.array([-600, -60, -20, -5, -1, 0, 1, 5, 20, 60, 600])
    edges = np.clip(edges, -700, 700)
    exact = sum(quad(density, *pair, epsabs=0, epsrel=1e-12, limit=500)[0] for pair in pairwise(edges))
    np.testing.assert_allclose(nodes.weight @ (1 / (nodes.p + d)), exact, rtol=1e-9)


def test_beta_nodes_agree_with_the_hypergeometric_function():
    a, b, r = 0.8, 2.4, 1.3
    nodes = beta_nodes(a, b)
    for tau in (1e-3, 1.0, 50.0):
        exact = hyp2f1(r, a, a + b, -tau)
        np.testing.assert_allclose(nodes.weight @ (1 + nodes.p * tau) ** -r, exact, rtol=1e-10)


@pytest.mark.parametrize("shape", [1e-3, 0.2, 1.0, 7.5, 150.0, 3000.0, 1e7])
def test_gamma_nodes_have_the_moments(shape):
    nodes = gamma_nodes(shape)
    assert nodes.weight.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(nodes.weight @ nodes.g, shape, rtol=1e-10)
    np.testing.assert_allclose(nodes.weight @ nodes.g**2, shape * (shape + 1), rtol=1e-10)
    half = np.exp(gammaln(shape + 0.5) - gammaln(shape))
    np.testing.assert_allclose(nodes.weight @ np.sqrt(nodes.g), half, rtol=1e-7)


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.2), (0.8, 2.4), (1.0, 40.0)])
@pytest.mark.parametrize("power", [0.2, 1.0, 30.0])
def test_means_of_powers_are_hypergeometric_functions(a, b, power):
    nodes, spans = beta_nodes(a, b), np.array([1e-9, 0.01, 1.0, 20.0])
    exact = hyp2f1(power, a, a + b, -spans)
    np.testing.assert_allclose(mean_power(nodes, power, spans), exact, rtol=1e-10)

    def fall(p, span):
        return -np.expm1(-power * np.log1p(p * span)) / (p * span)

    expected = [nodes.weight @ fall(nodes.p, span) for span in spans]
    np.testing.assert_allclose(mean_fall(nodes, power, spans), expected, rtol=1e-13)
    np.testing.assert_array_equal(mean_fall(nodes, power, np.zeros(2)), power)
