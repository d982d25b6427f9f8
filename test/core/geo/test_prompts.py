"""Prompts reach the pixels they mean, from any CRS onto any grid; what is none is refused with its id."""

import math

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Transformer

from ros_sam_core.errors import CrsUnknown, PromptCrsMismatch, PromptInvalid, PromptOutsideRaster
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import Prompt, to_pixels

UTM = CRS.from_epsg(32633)
WGS84 = CRS.from_epsg(4326)
COS, SIN = math.cos(math.radians(30)), math.sin(math.radians(30))
NORTH_UP = Grid((1000, 800), Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000), UTM)
SOUTH_UP = Grid((1000, 800), Affine(0.5, 0, 500_000, 0, 0.5, 5_000_000), UTM)
ROTATED = Grid((1000, 800), Affine(COS / 2, SIN / 2, 500_000, SIN / 2, -COS / 2, 5_000_000), UTM)
DEGREES = Grid((1000, 800), Affine(1e-5, 0, 10, 0, -1e-5, 50), WGS84)
PIXELS = Grid((1000, 800))


@pytest.mark.parametrize("grid", [NORTH_UP, SOUTH_UP, ROTATED], ids=["north-up", "south-up", "rotated"])
@pytest.mark.parametrize("epsg", [32633, 32632, 4326, 3857, 25833])
def test_points_in_any_crs_land_on_their_pixel(grid: Grid, epsg: int) -> None:
    pixel = np.array([(400.25, 30.5), (12.0, 987.75)])
    x, y = Transformer.from_crs(UTM, epsg, always_xy=True).transform(*grid.pixel_to_map(pixel).T)
    prompt = Prompt("a", points=tuple(zip(x, y, strict=True)), labels=(1, 0), crs=CRS.from_epsg(epsg))
    result = to_pixels(prompt, grid)
    assert np.array(result.points) == pytest.approx(pixel, abs=1e-3)
    assert (result.id, result.labels, result.kind) == ("a", (1, 0), "points")


def test_longitude_comes_first() -> None:
    prompt = Prompt("a", points=((10.001, 49.998),), crs=WGS84)
    assert to_pixels(prompt, DEGREES).points[0] == pytest.approx((100, 200))


def test_a_box_turns_over_with_the_rows() -> None:
    box = (500_010, 4_999_900, 500_020, 4_999_940)
    assert to_pixels(Prompt("a", box=box, crs=UTM), NORTH_UP).box == pytest.approx((20, 120, 40, 200))
    up = (500_010, 5_000_060, 500_020, 5_000_100)
    assert to_pixels(Prompt("a", box=up, crs=UTM), SOUTH_UP).box == pytest.approx((20, 120, 40, 200))


def test_a_box_on_a_rotated_grid_holds_the_ellipse_in_it() -> None:
    x, y = ROTATED.pixel_to_map([(400, 500)])[0]
    box = to_pixels(Prompt("a", box=(x - 10, y - 5, x + 10, y + 5)), ROTATED).box
    wide, high = 2 * np.hypot(10 * COS, 5 * SIN), 2 * np.hypot(10 * SIN, 5 * COS)
    assert box == pytest.approx((400 - wide, 500 - high, 400 + wide, 500 + high), abs=0.05)
    one = to_pixels(Prompt("a", box=(x - 10, y - 10, x + 10, y + 10)), ROTATED).box
    assert one == pytest.approx((380, 480, 420, 520)), "a square grows at no angle"


def test_a_box_in_another_crs_holds_the_curved_ellipse_in_it() -> None:
    europe = CRS.from_user_input("+proj=laea +lat_0=52 +lon_0=10")
    world = Grid((1000, 1000), Affine(6000, 0, -3e6, 0, -6000, 3e6), europe)
    box = to_pixels(Prompt("a", box=(-10, 60, 30, 65), crs=WGS84), world).box
    angle = np.linspace(0, 2 * np.pi, 4001)
    lon, lat = 10 + 20 * np.cos(angle), 62.5 + 2.5 * np.sin(angle)
    x, y = Transformer.from_crs(WGS84, world.crs, always_xy=True).transform(lon, lat)
    dense = world.map_to_pixel(np.column_stack([x, y]))
    assert box == pytest.approx((*dense.min(0), *dense.max(0)), abs=0.1)


def test_a_box_in_another_crs_that_does_not_turn_it_keeps_its_sides() -> None:
    mercator = Grid((1000, 1000), Affine(1, 0, 1_000_000, 0, -1, 6_000_000), CRS.from_epsg(3857))
    back = Transformer.from_crs(mercator.crs, WGS84, always_xy=True)
    corners = back.transform(*mercator.pixel_to_map([(100, 200), (130, 260)]).T)
    box = tuple(np.transpose(corners).ravel())
    assert to_pixels(Prompt("a", box=box, crs=WGS84), mercator).box == pytest.approx((100, 200, 130, 260))


def test_without_georeference_prompts_are_pixels() -> None:
    result = to_pixels(Prompt("a", box=(10, 20, 30, 40), points=((15, 25),)), PIXELS)
    assert (result.box, result.points, result.kind) == ((10, 20, 30, 40), ((15, 25),), "box+points")


@pytest.mark.parametrize("crs", [None, WGS84, UTM], ids=["raster", "degrees", "utm"])
def test_the_antimeridian_is_no_edge(crs: CRS | None) -> None:
    grid = Grid((200, 200), Affine(0.01, 0, 179, 0, -0.01, 1), WGS84)
    if crs == UTM:
        crs = CRS.from_epsg(32601)
    lon, lat = -179.99, 0.5
    if crs is not None:
        lon, lat = Transformer.from_crs(WGS84, crs, always_xy=True).transform(lon, lat)
    prompt = Prompt("a", points=((lon, lat),), crs=crs)
    assert to_pixels(prompt, grid).points[0] == pytest.approx((101, 50), abs=1e-3)


def test_a_box_across_the_antimeridian_stays_small() -> None:
    grid = Grid((200, 200), Affine(0.01, 0, 179, 0, -0.01, 1), WGS84)
    to_utm = Transformer.from_crs(WGS84, 32601, always_xy=True)
    (x0, x1), (y0, y1) = to_utm.transform([179.95, -179.95], [0.4, 0.6])
    box = to_pixels(Prompt("a", box=(x0, y0, x1, y1), crs=CRS.from_epsg(32601)), grid).box
    assert box == pytest.approx((95, 40, 105, 60), abs=0.1)


@pytest.mark.parametrize("crs", [WGS84, CRS.from_epsg(32601)], ids=["degrees", "utm"])
def test_a_box_across_the_antimeridian_stays_small_in_web_mercator(crs: CRS) -> None:
    degree = 20037508.342789244 / 180
    grid = Grid(
        (200, 200), Affine(0.01 * degree, 0, 179 * degree, 0, -0.01 * degree, degree), CRS.from_epsg(3857)
    )
    (x0, x1), (y0, y1) = Transformer.from_crs(WGS84, crs, always_xy=True).transform(
        [179.95, 180.05], [0.4, 0.6]
    )
    box = to_pixels(Prompt("a", box=(x0, y0, x1, y1), crs=crs), grid).box
    assert box == pytest.approx((95, 40, 105, 60), abs=0.1)
    point = to_pixels(Prompt("a", points=((x1, y1),), crs=crs), grid).points[0]
    assert point == pytest.approx((105, 40), abs=0.1)


def test_a_box_wider_than_half_the_world_stays_wide() -> None:
    world = Grid((180, 360), Affine(1, 0, -180, 0, -1, 90), WGS84)
    wide = Prompt("a", box=(-170, -80, 170, 80), crs=WGS84)
    assert to_pixels(wide, world).box == pytest.approx((10, 10, 350, 170))
    assert to_pixels(Prompt("a", points=((-180, 0),)), world).points[0] == pytest.approx((0, 90))


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4).filter(
        lambda b: abs(b[0] - b[2]) > 1e-3 and abs(b[1] - b[3]) > 1e-3
    )
)
def test_corners_come_in_any_order(box: list[float]) -> None:
    x0, y0, x1, y1 = box
    expected = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    for corners in [(x0, y0, x1, y1), (x1, y0, x0, y1), (x1, y1, x0, y0)]:
        assert Prompt("a", box=corners).box == expected


def test_a_box_of_one_pixel_and_less_is_legal() -> None:
    assert to_pixels(Prompt("a", box=(3, 4, 4, 5)), PIXELS).box == (3, 4, 4, 5)
    assert to_pixels(Prompt("a", box=(3.2, 4, 3.4, 4.1)), PIXELS).box == pytest.approx((3.2, 4, 3.4, 4.1))


def test_a_box_may_reach_beyond_the_edge() -> None:
    assert to_pixels(Prompt("a", box=(-30, -5, 10, 2000)), PIXELS).box == (-30, -5, 10, 2000)


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt("seven", points=((800, 10),)),
        Prompt("seven", points=((10, 10), (5, -0.1)), labels=(1, 0)),
        Prompt("seven", box=(800, 0, 900, 10)),
        Prompt("seven", box=(-20, 0, 0, 10)),
        Prompt("seven", box=(0, 1000, 5, 1010)),
    ],
    ids=["point", "negative-point", "box-right", "box-left", "box-below"],
)
def test_outside_is_told_with_the_id(prompt: Prompt) -> None:
    with pytest.raises(PromptOutsideRaster, match=r"prompt seven: .* 800 x 1000 pixels"):
        to_pixels(prompt, PIXELS)


def test_swapped_latitude_and_longitude_are_outside() -> None:
    with pytest.raises(PromptOutsideRaster, match="order x y"):
        to_pixels(Prompt("a", points=((49.999, 10.001),), crs=WGS84), DEGREES)


@pytest.mark.parametrize(
    ("prompt", "grid", "words"),
    [
        (Prompt("a", points=((10, 50),), crs=WGS84), PIXELS, "raster has no CRS"),
        (Prompt("a", points=((0, 95),), crs=WGS84), Grid((9, 9), crs=CRS(3857)), "no place"),
        (Prompt("a", box=(0, 0, 1, 1), crs=CRS("IAU_2015:30100")), DEGREES, "cannot transform"),
    ],
    ids=["no-crs", "no-place", "the-moon"],
)
def test_a_crs_that_leads_nowhere(prompt: Prompt, grid: Grid, words: str) -> None:
    with pytest.raises(PromptCrsMismatch, match=f"prompt a.*{words}"):
        to_pixels(prompt, grid)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "no box and no point"),
        ({"points": ((1, 2),), "labels": (0,)}, "no box and no point on"),
        ({"points": ((1, 2),), "labels": (1, 0)}, "1 points and 2 labels"),
        ({"points": ((1, 2),), "labels": (2,)}, "labels"),
        ({"points": ((1, math.nan),)}, "not a finite"),
        ({"box": (0, 0, math.inf, 1)}, "not a finite"),
        ({"box": (3, 0, 3, 1)}, "no width"),
    ],
)
def test_what_is_no_prompt(values: dict[str, object], words: str) -> None:
    with pytest.raises(PromptInvalid, match=f"prompt nine: .*{words}"):
        Prompt("nine", **values)  # type: ignore[arg-type]


def test_an_unknown_crs_of_a_prompt() -> None:
    with pytest.raises(CrsUnknown):
        Prompt("a", points=((1, 2),), crs="EPSG:1")  # type: ignore[arg-type]


def test_coordinates_as_text() -> None:
    prompt = Prompt("a", points=((500_000.25, 1), (2, 3)), labels=(1, 0), box=(0, 0, 1.5, 2))
    assert prompt.coordinates == "0 0 1.5 2; 500000.25 1 1; 2 3 0"
    assert prompt.kind == "box+points"
    assert Prompt("a", points=((1, 2),)).kind == "point"
