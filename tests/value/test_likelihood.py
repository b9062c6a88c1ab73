import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmad.value._likelihood import FARTHEST, Curve, Limit, Maximum, covariance_at, limits_reached, maximise

START = np.array([1.0, -1.0])


def parabola(top, curvature):
    def evaluate(point):
        off = point - top
        return Curve(float(-off @ curvature @ off / 2), -curvature @ off, -curvature)

    return evaluate


def climb(evaluate, start=START, max_iter=100):
    return maximise(evaluate, start, max_iter=max_iter, tol=1e-12)


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_top_of_a_parabola_is_found(first, second):
    found = climb(parabola(np.array([first, second]), np.array([[2.0, 0.5], [0.5, 1.0]])))
    assert found.converged
    np.testing.assert_allclose(found.point, [first, second], atol=1e-9)


def test_steps_go_uphill_where_the_curve_bends_upwards():
    def evaluate(point):
        # A normal density: outside one deviation its curvature points the wrong way.
        height = np.exp(-(point**2).sum() / 2)
        return Curve(float(height), -point * height, height * (np.outer(point, point) - np.eye(2)))

    found = climb(evaluate, np.array([3.0, 2.0]))
    assert found.converged
    np.testing.assert_allclose(found.point, 0, atol=1e-5)


def test_step_that_overshoots_is_shortened():
    def evaluate(point):
        root = np.sqrt(1 + point**2)
        return Curve(float(-root.sum()), -point / root, -np.diag(1 / root**3))

    found = climb(evaluate, np.array([1.9, -1.3]))
    assert found.converged
    np.testing.assert_allclose(found.point, 0, atol=1e-6)


def test_points_stay_in_the_box():
    def evaluate(point):
        return Curve(float(-np.exp(-point).sum()), np.exp(-point), -np.diag(np.exp(-point)))

    found = climb(evaluate)
    assert found.converged
    assert (found.point <= FARTHEST).all()
    assert (found.point >= FARTHEST - 2).all()
    steep = climb(lambda point: Curve(float(point.sum()), np.ones(2), np.zeros((2, 2))))
    assert steep.converged
    np.testing.assert_array_equal(steep.point, FARTHEST)
    downhill = climb(lambda point: Curve(float(-point.sum()), -np.ones(2), np.zeros((2, 2))))
    np.testing.assert_array_equal(downhill.point, -FARTHEST)


def test_search_that_is_cut_short_has_not_converged():
    found = climb(parabola(np.array([10.0, 10.0]), np.eye(2)), max_iter=2)
    assert not found.converged
    assert found.n_iter == 2


def test_curve_that_breaks_its_word_is_given_up():
    found = climb(lambda point: Curve(0.0 if np.array_equal(point, START) else np.nan, np.ones(2), -np.eye(2)))
    assert not found.converged
    np.testing.assert_array_equal(found.point, START)


def test_flat_curve_is_at_its_maximum():
    found = climb(lambda _: Curve(0.0, np.zeros(2), np.zeros((2, 2))))
    assert found.converged
    assert found.n_iter == 0


def test_limit_is_reached_where_the_curve_rises_towards_it():
    limits = [Limit((1, 0), "one", (0,)), Limit((-1, 0), "other", (0,)), Limit((0, 1), "second", (1,))]
    limits += [Limit((1, 1), "both", (0, 1))]

    def evaluate(point):
        return Curve(
            float(-np.exp(-point[0]) - point[1] ** 2),
            np.array([np.exp(-point[0]), -2 * point[1]]),
            np.diag([-np.exp(-point[0]), -2.0]),
        )

    reached = limits_reached(evaluate, climb(evaluate), limits)
    assert [limit.meaning for limit in reached] == ["one"]


def test_lowest_point_may_lie_far_out():
    # What is missing of the highest value is in proportion to 1 / -point.
    def evaluate(point):
        return Curve(float(1 / point[0]), -(1 / point**2), np.diag(2 / point**3))

    found = maximise(evaluate, np.array([-1.0]), max_iter=20, tol=1e-12, lowest=-50.0)
    assert found.converged
    np.testing.assert_array_equal(found.point, -50.0)
    limit = Limit((-1,), "far", (0,))
    assert limits_reached(evaluate, found, [limit]) == [limit]


def test_first_limit_settles_its_parameters():
    flat = Maximum(np.zeros(2), Curve(0.0, np.zeros(2), np.zeros((2, 2))), 0, converged=True)
    limits = [Limit((1, 0), "one", (0, 1)), Limit((-1, 0), "other", (0,)), Limit((0, 1), "second", (1,))]
    reached = limits_reached(lambda _: flat.curve, flat, limits)
    assert [limit.meaning for limit in reached] == ["one"]


def test_covariance_leaves_out_what_is_not_determined():
    axes = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
    hessian = -axes @ np.diag([4.0, 1e-9]) @ axes.T
    maximum = Maximum(np.zeros(2), Curve(0.0, np.zeros(2), hessian), 0, converged=True)
    np.testing.assert_allclose(covariance_at(maximum), np.full((2, 2), 0.125))
    maximum = Maximum(np.zeros(2), Curve(0.0, np.zeros(2), np.diag([-4.0, -0.25])), 0, converged=True)
    np.testing.assert_allclose(covariance_at(maximum), np.diag([0.25, 4.0]))


@pytest.mark.parametrize("curvature", [1e-3, 1e6])
def test_noise_of_adding_up_is_no_fall(curvature):
    def evaluate(point):
        curve = parabola(np.array([0.3, 0.2]), curvature * np.eye(2))(point)
        return curve._replace(value=1e9 + curve.value)

    assert climb(evaluate).converged
