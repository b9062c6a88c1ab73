import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose

from kmad import (
    BGBB,
    MBGNBD,
    AliveDisplay,
    FrequencyDisplay,
    HoldoutDisplay,
    ParetoNBD,
    TrackingDisplay,
    calibration_holdout,
    customer_summary,
)
from kmad.datasets import make_lifecycles

MODEL = ParetoNBD.from_params(r=0.553, alpha=10.578, s=0.606, beta=11.669)
LOG = {"customer": "customer", "date": "date", "unit": "week"}
SPLIT = "2025-12-31"


@pytest.fixture(scope="module")
def log():
    found = make_lifecycles(60)._asdict()
    return {name: found[name] for name in ("customer", "date", "amount")}


@pytest.fixture
def ax():
    with mpl.rc_context({"backend": "agg"}):
        figure, axes = plt.subplots()
        yield axes
        plt.close(figure)


def displays(log):
    both = calibration_holdout(log, **LOG, split=SPLIT)
    return [
        TrackingDisplay.from_log(MODEL, log, **LOG),
        TrackingDisplay.from_log(MODEL, log, **LOG, split=SPLIT),
        FrequencyDisplay.from_summary(MODEL, both),
        AliveDisplay.from_model(MODEL, T=52.0),
        HoldoutDisplay.from_holdout(MODEL, both),
    ]


def test_displays_draw_where_they_are_told(log, ax):
    for display in displays(log):
        ax.clear()
        assert display.plot(ax) is display
        assert display.ax_ is ax
        assert display.figure_ is ax.figure
        assert ax.get_xlabel()
        assert ax.get_ylabel()
        assert ax.lines or ax.patches or ax.collections


def test_displays_make_their_own_axes(log, ax):
    for display in displays(log):
        display.plot()
        assert display.ax_ is not ax
        plt.close(display.figure_)


def test_display_without_matplotlib_says_what_to_install(log, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"plots need matplotlib: pip install 'kmad\[plot\]'"):
        displays(log)[0].plot()


@pytest.mark.parametrize("period", ["day", "week"])
@pytest.mark.parametrize("split", [None, SPLIT])
def test_tracking_counts_every_repeat_purchase_once(log, split, period):
    tracking = TrackingDisplay.from_log(MODEL, log, **LOG, split=split, period=period, end="2026-09-06")
    summary = customer_summary(log, **LOG, period=period, end="2026-09-06")
    kept = summary["first"] <= np.datetime64(split or "2026-09-06")
    assert tracking.actual[0] == tracking.expected[0] == 0
    assert (np.diff(tracking.actual) >= 0).all()
    assert (np.diff(tracking.expected) > 0).all()
    begun = summary["first"].min()
    for week in (10, 40, len(tracking.time) - 1):
        end = begun + np.timedelta64(7 * week - 1, "D")
        early = customer_summary(log, **LOG, period=period, end=end)
        counted = early["frequency"][early["first"] <= np.datetime64(split or end)].sum()
        assert tracking.actual[week] == counted
    born = (summary["first"][kept] - summary["first"].min()) / np.timedelta64(7, "D")
    expected = MODEL.expected_purchases(np.maximum(tracking.time[:, None] - born, 0).ravel())
    assert_allclose(tracking.expected, expected.reshape(len(tracking.time), -1).sum(axis=1))


def test_tracking_shows_where_the_calibration_ended(log, ax):
    tracking = TrackingDisplay.from_log(MODEL, log, **LOG, split="2025-01-14", end="2025-06-30")
    first = customer_summary(log, **LOG)["first"].min()
    assert tracking.split == (np.datetime64("2025-01-15") - first) / np.timedelta64(7, "D")
    assert [line.get_label() for line in tracking.plot(ax).ax_.lines] == ["actual", "expected", "end of calibration"]


def test_tracking_draws_increments_when_asked(log, ax):
    tracking = TrackingDisplay.from_log(MODEL, log, **LOG, cumulative=False).plot(ax)
    actual, expected = ax.lines
    assert actual.get_ydata().tolist() == np.diff(tracking.actual).tolist()
    assert expected.get_ydata().tolist() == np.diff(tracking.expected).tolist()


def test_tracking_tells_returns_from_purchases():
    log = {
        "customer": [1, 1, 1],
        "date": ["2025-01-01", "2025-01-05", "2025-01-09"],
        "amount": [10.0, -5.0, 1.0],
    }
    assert TrackingDisplay.from_log(MODEL, log, **LOG, amount="amount", end="2025-01-31").actual[-1] == 1
    assert TrackingDisplay.from_log(MODEL, log, **LOG, end="2025-01-31").actual[-1] == 2


def test_tracking_of_returns_alone_is_an_error():
    log = {"customer": [1], "date": ["2025-01-01"], "amount": [-1.0]}
    with pytest.raises(ValueError, match="transactions must hold a purchase"):
        TrackingDisplay.from_log(MODEL, log, **LOG, amount="amount")


def test_frequencies_are_those_of_the_summary(log, ax):
    summary = customer_summary(log, **LOG)
    fit = FrequencyDisplay.from_summary(MODEL, summary, max_frequency=3)
    x = summary["frequency"]
    assert fit.actual.tolist() == [*((x == n).sum() for n in range(3)), (x >= 3).sum()]
    assert_allclose(fit.expected.sum(), len(x))
    assert_allclose(fit.expected[1], MODEL.probability_of_purchases(1, summary["T"]).sum())
    labels = [tick.get_text() for tick in fit.plot(ax).ax_.get_xticklabels()]
    assert labels == ["0", "1", "2", "3+"]


def test_alive_map_is_that_of_the_model():
    alive = AliveDisplay.from_model(MODEL, T=39.0, max_frequency=5)
    assert alive.frequency.tolist() == [0, 1, 2, 3, 4, 5]
    assert alive.recency[[0, -1]].tolist() == [0.0, 39.0]
    possible = np.isfinite(alive.probability)
    assert possible[0].tolist() == [True, False, False, False, False, False]
    assert (~possible[1:, 0]).all()
    assert possible[1:, 1:].all()
    assert alive.probability[0, 0] == pytest.approx(MODEL.probability_alive([[0.0, 0.0, 39.0]])[0], rel=1e-13)
    later = MODEL.probability_alive([[4.0, alive.recency[50], 39.0]])[0]
    assert alive.probability[50, 4] == pytest.approx(later, rel=1e-13)


def test_holdout_means_are_those_of_the_customers(log):
    both = calibration_holdout(log, **LOG, split=SPLIT)
    model = MBGNBD.from_params(r=0.525, alpha=6.183, a=0.891, b=1.614)
    holdout = HoldoutDisplay.from_holdout(model, both, max_frequency=2)
    customers = np.column_stack([both[name] for name in ("frequency", "recency", "T")])
    expected = model.expected_purchases(both["T_holdout"][0], customers)
    for n in range(3):
        chosen = np.minimum(both["frequency"], 2) == n
        assert holdout.n_customers[n] == chosen.sum()
        assert_allclose(holdout.actual[n], both["frequency_holdout"][chosen].mean())
        assert_allclose(holdout.expected[n], expected[chosen].mean())


def test_displays_reject_wrong_arguments(log):
    for make in (
        lambda: TrackingDisplay.from_log(BGBB(), log, **LOG),
        lambda: FrequencyDisplay.from_summary(BGBB(), {}),
        lambda: AliveDisplay.from_model(BGBB(), T=1),
        lambda: HoldoutDisplay.from_holdout(BGBB(), {}),
    ):
        with pytest.raises(TypeError, match="model must be a ParetoNBD, BGNBD or MBGNBD; got BGBB"):
            make()
    with pytest.raises(ValueError, match="max_frequency must be at least 1"):
        AliveDisplay.from_model(MODEL, T=1, max_frequency=0)
    with pytest.raises(ValueError, match="T must lie between 0 and inf"):
        AliveDisplay.from_model(MODEL, T=0)
    with pytest.raises(ValueError, match="frequency must be 0 or more; got -1"):
        FrequencyDisplay.from_summary(MODEL, {"frequency": [-1, 2], "T": [1.0, 1.0]})
