"""The stretch to 8 bit: exact, fixed, and readable from a command line."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ros_sam_core.errors import StretchInvalid
from ros_sam_core.geo.stretch import Percentiles, Stretch


@given(arrays(np.uint8, (3, 5, 4)))
def test_bytes_stay_bytes(bands: np.ndarray) -> None:
    assert np.array_equal(Stretch().apply(bands), np.moveaxis(bands, 0, -1))
    assert np.array_equal(Stretch().apply(bands.astype(np.float32)), np.moveaxis(bands, 0, -1))


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "uint32", "float32", "float64"])
def test_values_are_mapped_linearly(dtype: str) -> None:
    bands = np.array([[[100, 180, 300, 400]], [[0, 800, 1600, 3000]], [[0, 0, 20, 100]]]).astype(dtype)
    result = Stretch((100, 0, 0), (300, 2000, 100)).apply(bands)
    assert result.dtype == np.uint8 and result.shape == (1, 4, 3) and result.flags.c_contiguous
    assert result[0].T.tolist() == [[0, 102, 255, 255], [0, 102, 204, 255], [0, 0, 51, 255]]


def test_what_is_no_number_is_black() -> None:
    bands = np.full((3, 1, 3), [np.nan, np.inf, -np.inf])
    assert Stretch((0, 0, 0), (1, 1, 1)).apply(bands)[0, :, 0].tolist() == [0, 255, 0]


def test_large_numbers_keep_their_differences() -> None:
    bands = np.full((3, 1, 3), [4e9, 4e9 + 1, 4e9 + 2])
    assert Stretch((4e9,) * 3, (4e9 + 2,) * 3).apply(bands)[0, :, 0].tolist() == [0, 128, 255]


def test_percentiles_are_those_of_valid_values() -> None:
    values = np.tile(np.arange(101.0), (3, 1)).reshape(3, 1, 101)
    values[2] = 7
    valid = np.ones(values.shape, bool)
    valid[1, 0, 50:] = False
    stretch = Percentiles(2, 98).measure(values, valid)
    assert stretch.low[:2] == pytest.approx((2, 0.98))
    assert stretch.high[:2] == pytest.approx((98, 48.02))
    assert (stretch.low[2], stretch.high[2]) == (7, 8), "a band of one value is black"
    assert Percentiles().measure(values, np.zeros_like(valid)) == Stretch()


@given(arrays(np.float64, (3, 2, 9), elements=st.floats(-1e300, 1e300)))
def test_any_values_give_a_stretch(values: np.ndarray) -> None:
    stretch = Percentiles().measure(values, np.ones(values.shape, bool))
    assert stretch.apply(values).shape == (2, 9, 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", Stretch()),
        (" NONE ", Stretch()),
        ("2-98", Percentiles(2, 98)),
        ("0.5 - 99.5", Percentiles(0.5, 99.5)),
        ("0,3000", Stretch((0, 0, 0), (3000, 3000, 3000))),
        ("-10,1e3", Stretch((-10, -10, -10), (1000, 1000, 1000))),
        ("0,1,2,3,4,5", Stretch((0, 2, 4), (1, 3, 5))),
    ],
)
def test_what_can_be_typed(text: str, expected: Stretch | Percentiles) -> None:
    assert Stretch.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "auto", "2", "98-2", "0-101", "1,2,3", "3,1", "0,nan", "1.2.3-5", "a,b"]
)
def test_what_cannot_be_typed(text: str) -> None:
    with pytest.raises(StretchInvalid):
        Stretch.parse(text)


@pytest.mark.parametrize(
    ("low", "high"), [((0, 0, 0), (1, 1, 0)), ((0, 0), (1, 1)), ((0, 0, math.nan), (1, 1, 1))]
)
def test_an_empty_stretch_is_refused(low: tuple[float, ...], high: tuple[float, ...]) -> None:
    with pytest.raises(StretchInvalid):
        Stretch(low, high)  # type: ignore[arg-type]
