import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kmad.cluster._landscape import SIGMAS, Ground, prominence_threshold, row_floor, stabilise, survey
from kmad.cluster._valley import deepest_valleys

LINES = arrays(np.float64, (2, 32), elements=st.integers(0, 30).map(float))


def best_of_surveys(line, significance):
    """The second prominence that stands highest above its threshold, landscape by landscape."""
    best = None
    while True:
        for sigma in SIGMAS:
            (landscape,) = survey([Ground(line.reshape(1, 1, -1), (0.0, 0.0, sigma))], np.zeros_like)
            prominence = np.sort(np.append(landscape.prominence, [0.0, 0.0]))[-2]
            threshold = float(prominence_threshold(1, landscape.resolvable, significance))
            if best is None or prominence - threshold > best[0] - best[1]:
                best = prominence, threshold
        if len(line) <= 12:
            return best
        line = line.reshape(-1, 2).sum(axis=1)


@given(lines=LINES, significance=st.sampled_from([0.3, 0.01]))
def test_valley_is_below_the_second_prominence_of_all_landscapes(lines, significance):
    valleys = deepest_valleys(lines, significance)
    for m, line in enumerate(lines):
        prominence, threshold = best_of_surveys(line, significance)
        assert valleys.prominence[m] - valleys.threshold[m] == pytest.approx(prominence - threshold)


@pytest.mark.parametrize("place", [60, 200, 400])
def test_valley_lies_in_the_middle_of_empty_ground(place):
    line = np.zeros(512)
    line[place - 30 : place - 20] = line[place + 20 : place + 30] = 9.0
    (valley,) = deepest_valleys(line[None], 0.01).at
    assert valley == pytest.approx(place, abs=4)


def test_valley_of_two_lone_rows_is_no_deeper_than_a_row():
    line = np.zeros((1, 512))
    line[0, [10, 500]] = 1.0
    assert deepest_valleys(line, 0.01).prominence[0] == pytest.approx(0, abs=0.01)
    line[0, [10, 500]] = 40.0
    highest = stabilise(np.float64(40 * row_floor(1))) - stabilise(np.float64(row_floor(1)))
    assert deepest_valleys(line, 0.01).prominence[0] == pytest.approx(highest, rel=0.01)


def test_valley_of_an_even_line_is_what_chance_would_dig():
    rng = np.random.default_rng(0)
    valleys = deepest_valleys(rng.poisson(4.0, (300, 512)).astype(float), 0.01)
    assert (valleys.prominence > valleys.threshold).mean() <= 0.02
