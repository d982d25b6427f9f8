"""Crops: exact to the pixel everywhere, at the frame's edges too."""

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from ros_sam_core.geo.array_frame import ArrayFrame
from ros_sam_core.geo.grid import Grid
from ros_sam_core.model.config import CropPolicy
from ros_sam_core.predict.crop import (
    Crop,
    crop_around,
    crop_at,
    crops_beyond,
    crops_for_click,
    longer_side,
    read_crop,
    whole_frame,
)

GRID = Grid((60, 90), Affine(2.0, 0.5, 500_000.0, 0.5, -2.0, 4_000_000.0), "EPSG:32633")
FIXED = CropPolicy(kind="fixed", crop_px=512)
SCALED = CropPolicy(kind="scaled", scale=2.0, min_px=24, snap=0.0625, click_px=(64, 160, 400), sure=0.75)
places = st.tuples(st.floats(0, 89.9), st.floats(0, 59.9))


@given(xy=places, centre=places, side=st.integers(8, 200), snap=st.sampled_from([0.0, 0.0625, 0.25]))
def test_model_coordinates_come_back(xy, centre, side, snap):
    crop = crop_at(centre, side, snap)
    back = crop.to_frame(crop.to_model(xy, 192), 192)
    np.testing.assert_allclose(back[0], xy, atol=1e-9)


@given(column=st.integers(0, 89), row=st.integers(0, 59), centre=places, side=st.integers(10, 80))
def test_a_pixel_is_read_where_its_coordinates_say(column, row, centre, side):
    rgb = np.zeros((60, 90, 3), np.uint8)
    rgb[row, column] = 255
    crop = crop_at(centre, side, 0.0)
    image, valid = read_crop(ArrayFrame(rgb, GRID), crop, 192)
    assert image.shape == (side, side, 3)
    x, y = np.floor(crop.to_model((column + 0.5, row + 0.5), side)[0]).astype(int)
    bright = np.argwhere(image[..., 0])
    if 0 <= x < side and 0 <= y < side:
        assert bright.tolist() == [[y, x]]
    else:
        assert not len(bright)
    inside = (crop.x0 + np.arange(side) >= 0) & (crop.x0 + np.arange(side) < 90)
    assert (valid.any(axis=0) == (inside & valid.any())).all()


@given(xy=places, centre=places, side=st.integers(8, 200))
def test_a_crop_lies_where_its_grid_says(xy, centre, side):
    crop = crop_at(centre, side, 0.0)
    on_the_map = crop.grid(GRID, 48).pixel_to_map(crop.to_model(xy, 48))
    np.testing.assert_allclose(on_the_map, GRID.pixel_to_map([xy]), atol=1e-6)


def test_a_fixed_crop_is_centred_and_grows_with_the_object():
    assert crop_around((100, 100, 120, 110), FIXED, GRID) == Crop(-146, -151, 512)
    assert crop_around((0, 0, 1000, 10), FIXED, GRID).side == 1250


def test_no_crop_shows_the_frame_whole():
    assert crop_around((1, 1, 2, 2), CropPolicy(crop_px=0), GRID) == whole_frame(GRID) == Crop(0, 0, 90)


@given(x=st.floats(0, 1000), y=st.floats(0, 1000), width=st.floats(0.5, 400), height=st.floats(0.5, 400))
def test_a_scaled_crop_holds_its_box_and_fits_it(x, y, width, height):
    box = (x, y, x + width, y + height)
    crop = crop_around(box, SCALED, GRID)
    assert crop.x0 <= x and crop.y0 <= y
    assert crop.x0 + crop.side >= box[2] and crop.y0 + crop.side >= box[3]
    assert crop.side >= SCALED.min_px
    if 2 * longer_side(box) > SCALED.min_px:
        assert 1.8 <= crop.side / longer_side(box) <= 2.3


def test_neighbouring_clicks_share_their_crops():
    assert crops_for_click((501.2, 300.9), SCALED, GRID) == crops_for_click((501.8, 301.4), SCALED, GRID)
    assert [c.side for c in crops_for_click((5, 5), SCALED, GRID)] == [64, 160, 400]


def test_beyond_the_crops_of_a_first_look_one_is_closer_and_one_further_away():
    large = Grid((900, 1200))
    crops = crops_beyond((501.2, 300.9), SCALED, large)
    assert [crop.side for crop in crops] == [32, 800]
    assert all(crop.x0 < 501 < crop.x0 + crop.side and crop.y0 < 301 < crop.y0 + crop.side for crop in crops)
    assert [crop.side for crop in crops_beyond((50, 50), SCALED, Grid((400, 300)))] == [32]
    assert crops_beyond((50, 50), replace(SCALED, min_px=40), Grid((400, 300))) == []
    assert (
        crops_beyond((50, 50), FIXED, large) == crops_beyond((50, 50), replace(SCALED, sure=0.0), large) == []
    )


def test_a_large_crop_is_reduced_by_area():
    rgb = np.zeros((60, 90, 3), np.uint8)
    rgb[:, ::2] = 200
    image, valid = read_crop(ArrayFrame(rgb, GRID), Crop(0, 0, 60), 30)
    assert image.shape == (30, 30, 3) and valid.all()
    np.testing.assert_array_equal(image, 100)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "round"},
        {"crop_px": -1},
        {"scale": 0.5},
        {"snap": 0.5},
        {"kind": "scaled"},
        {"kind": "scaled", "click_px": (4,)},
        {"kind": "scaled", "click_px": (64,), "sure": 1.5},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=r"crop|scale|snap|click_px|sure"):
        CropPolicy(**wrong)
