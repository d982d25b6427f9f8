"""Crops ahead of the user: every place on screen is near the centre of one, the nearest come first."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ros_sam_core.engine.glance import CENTRAL, crops_ahead, crops_at_hand
from ros_sam_core.geo.grid import Grid
from ros_sam_core.model.config import CropPolicy
from ros_sam_core.predict.crop import Crop, crops_beyond, crops_for_click, whole_frame

GRID = Grid((2000, 3000))
SCALED = CropPolicy(kind="scaled", snap=0.0625, click_px=(64, 160), sure=0.75)
FIXED = CropPolicy(crop_px=512)
WHOLE = CropPolicy(crop_px=0)
policies = st.sampled_from([SCALED, FIXED])
places = st.tuples(st.floats(0, 2999.9), st.floats(0, 1999.9))


@given(
    policy=policies,
    x=st.floats(0, 2500),
    y=st.floats(0, 1700),
    inside=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_every_place_of_a_region_is_shown_by_a_crop_of_every_size(
    policy: CropPolicy, x: float, y: float, inside: tuple[float, float]
) -> None:
    crops = crops_ahead(policy, GRID, None, (x, y, x + 300, y + 200), 10_000)
    place = (x + 300 * inside[0], y + 200 * inside[1])
    sides = policy.click_px or (policy.crop_px,)
    for side in sides:
        (best,) = crops_at_hand([crop for crop in crops if crop.side == side], GRID, place)
        away = max(abs(place[0] - best.x0 - side / 2), abs(place[1] - best.y0 - side / 2))
        assert away <= CENTRAL * side


@given(policy=policies, point=places)
def test_the_crops_of_a_click_come_first(policy: CropPolicy, point: tuple[float, float]) -> None:
    region = (point[0] - 200, point[1] - 200, point[0] + 200, point[1] + 200)
    crops = crops_ahead(policy, GRID, point, region, 20)
    first, then = crops_for_click(point, policy, GRID), crops_beyond(point, policy, GRID)
    assert set(crops[: len(first)]) == set(first)
    assert set(crops[len(first) :][: len(then)]) == set(then)
    assert len(crops) == len(set(crops)) <= 20


def test_far_crops_are_left_out_where_there_are_too_many() -> None:
    crops = crops_ahead(SCALED, GRID, (1500, 1000), (0, 0, 3000, 2000), 50)
    assert len(crops) == 50
    distances = [math.hypot(c.x0 + c.side / 2 - 1500, c.y0 + c.side / 2 - 1000) / c.side for c in crops]
    assert max(distances) < 3


def test_a_model_that_sees_the_whole_frame_has_one_crop() -> None:
    crops = crops_ahead(WHOLE, GRID, None, (10, 10, 50, 50), 100)
    assert crops == [whole_frame(GRID)]
    assert crops_at_hand(crops, GRID, (2990, 1990)) == crops


def test_what_a_click_looks_at_is_all_at_hand() -> None:
    """The crops of a first look, those beyond them, one at an object's own scale: none hides another."""
    point = (700.0, 900.0)
    encoded = crops_for_click(point, SCALED, GRID) + crops_beyond(point, SCALED, GRID) + [Crop(500, 650, 512)]
    assert {crop.side for crop in crops_at_hand(encoded, GRID, (704.0, 903.0))} == {32, 64, 160, 320, 512}


def test_nothing_is_at_hand_away_from_what_is_encoded() -> None:
    assert crops_at_hand([Crop(0, 0, 64)], GRID, (60, 32)) == []
    assert crops_at_hand([], GRID, (60, 32)) == []


@pytest.mark.parametrize("count", [1, 5])
def test_of_each_size_the_most_central_one_is_taken(count: int) -> None:
    crops = [Crop(100 + 4 * i, 100, 64) for i in range(count)] + [Crop(90, 90, 160)]
    assert crops_at_hand(crops, GRID, (132, 132))[0] == Crop(100, 100, 64)
