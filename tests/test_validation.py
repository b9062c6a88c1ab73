from fractions import Fraction

import numpy as np
import pytest

from kmad._validation import check_choice, check_integer, check_real, check_weights


def raised(error, check, *arguments, **limits):
    with pytest.raises(error) as caught:
        check("size", *arguments, **limits)
    return str(caught.value)


@pytest.mark.parametrize("value", [3, 4, np.int8(3), np.uint64(7), 10**30])
def test_integer_of_the_least_and_more_passes(value):
    assert check_integer("size", value, least=3) is None


@pytest.mark.parametrize("value", [3.0, "3", None, True, np.True_, [3], np.float64(3)])
def test_integer_of_another_type_is_a_type_error(value):
    assert raised(TypeError, check_integer, value, least=0) == f"size must be an integer; got {value!r}."


@pytest.mark.parametrize("value", [2, -1, np.int64(0)])
def test_integer_below_the_least_is_a_value_error(value):
    assert raised(ValueError, check_integer, value, least=3) == f"size must be at least 3; got {value!r}."


@pytest.mark.parametrize("choices", [("large", "small"), {"large": 1, "small": 2}], ids=["names", "mapping"])
def test_choice_is_one_of_those_that_there_are(choices):
    assert check_choice("size", "small", choices) is None
    for value in ("medium", None, ["small"], 1):
        message = f"size must be one of 'large', 'small'; got {value!r}."
        assert raised(ValueError, check_choice, value, choices) == message


@pytest.mark.parametrize("value", [0.5, 1e-300, np.float32(0.25), Fraction(1, 3)])
def test_real_between_the_limits_passes(value):
    assert check_real("size", value, above=0, below=1) is None
    assert check_real("size", value, least=0, below=1) is None


def test_real_at_the_least_passes():
    assert check_real("size", 0, least=0, below=np.inf) is None


@pytest.mark.parametrize("value", [0, 1, -0.5, 2, np.nan, np.inf, -np.inf, 10**400, -(10**400)])
def test_real_at_or_beyond_the_limits_is_a_value_error(value):
    message = f"size must lie between 0 and 1, both excluded; got {value!r}."
    assert raised(ValueError, check_real, value, above=0.0, below=1.0) == message


@pytest.mark.parametrize("value", [-1, -1e-9, np.nan, np.inf])
def test_real_below_the_least_or_infinite_is_a_value_error(value):
    message = f"size must be a finite number of at least 0; got {value!r}."
    assert raised(ValueError, check_real, value, least=0.0, below=np.inf) == message


@pytest.mark.parametrize("value", ["0.5", None, True, np.True_, 1j, [0.5]])
def test_real_of_another_type_is_a_type_error(value):
    assert raised(TypeError, check_real, value, above=0.0, below=1.0) == f"size must be a number; got {value!r}."


def test_no_weights_are_an_empty_array():
    weights = check_weights("size", None, 5)
    assert weights.shape == (0,)
    assert weights.dtype == np.float64


@pytest.mark.parametrize(
    "weights", [[1, 0, 2], (1.0, 0.0, 2.0), np.array([1, 0, 2], np.uint8), np.array([1.0, 9, 0, 9, 2, 9])[::2]]
)
def test_weights_become_contiguous_floats(weights):
    checked = check_weights("size", weights, 3)
    assert checked.tolist() == [1.0, 0.0, 2.0]
    assert checked.dtype == np.float64
    assert checked.flags.c_contiguous


def test_weights_of_the_right_kind_are_not_copied():
    weights = np.ones(4)
    assert np.shares_memory(check_weights("size", weights, 4), weights)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], "size must have one entry for each of the 3 rows; got the shape (2,)."),
        (2.0, "size must have one entry for each of the 3 rows; got the shape ()."),
        ([[1.0], [1.0], [1.0]], "size must have one entry for each of the 3 rows; got the shape (3, 1)."),
        ([1.0, np.nan, 1.0], "size must be finite; got nan at row 1."),
        ([1.0, 1.0, np.inf], "size must be finite; got inf at row 2."),
        ([1.0, -0.5, -1.0], "size must be zero or more; got -0.5 at row 1."),
        ([0, 0, 0], "size must have an entry above zero; all 3 are zero."),
    ],
)
def test_weights_that_cannot_be_are_a_value_error(weights, message):
    assert raised(ValueError, check_weights, weights, 3) == message


@pytest.mark.parametrize("weights", ["abc", ["a", "b", "c"], [[1], [1, 2], 3], object], ids=str)
def test_weights_of_another_type_are_an_error(weights):
    message = raised(TypeError, check_weights, weights, 3)
    assert message == f"size must be an array of numbers; got {type(weights).__name__}."
