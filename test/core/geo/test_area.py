"""Areas of interest reach the pixels they mean, across the antimeridian and around the poles too."""

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

from ros_sam_core.geo.area import area_in_pixels
from ros_sam_core.geo.crs import full_turn
from ros_sam_core.geo.grid import Grid

WGS84, UTM1, MERCATOR = CRS("EPSG:4326"), CRS("EPSG:32601"), CRS("EPSG:3857")
DEGREE_M = 20037508.342789244 / 180
DEGREES_GRID = Grid((200, 200), Affine(0.01, 0, 179, 0, -0.01, 1), WGS84)
MERCATOR_GRID = Grid(
    (200, 200), Affine(0.01 * DEGREE_M, 0, 179 * DEGREE_M, 0, -0.01 * DEGREE_M, DEGREE_M), MERCATOR
)
WORLD = Grid((180, 360), Affine(1, 0, -180, 0, -1, 90), WGS84)
WHOLE = shapely.box(179.5, -0.6, 180.5, 0.6).difference(shapely.box(179.9, -0.1, 180.1, 0.1))
PIXELS = shapely.box(50, 40, 150, 160).difference(shapely.box(90, 90, 110, 110))


def shifted(area: BaseGeometry, degrees: float) -> BaseGeometry:
    return shapely.transform(area, lambda xy: xy + np.array([degrees, 0.0]))


def cut(area: BaseGeometry) -> BaseGeometry:
    """Cut at the antimeridian, as RFC 7946 has it."""
    east, west = shapely.box(0, -90, 180, 90), shapely.box(180, -90, 360, 90)
    return shapely.union(area.intersection(east), shifted(area.intersection(west), -360))


def in_utm(area: BaseGeometry) -> BaseGeometry:
    to_utm = Transformer.from_crs(WGS84, UTM1, always_xy=True)
    dense = shapely.segmentize(area, 0.02)
    return shapely.transform(dense, lambda xy: np.column_stack(to_utm.transform(*xy.T)))


AREAS = {
    "beyond 180": (WHOLE, WGS84),
    "beyond -180": (shifted(WHOLE, -360), WGS84),
    "cut in two": (cut(WHOLE), WGS84),
    "UTM": (in_utm(WHOLE), UTM1),
}


@pytest.mark.parametrize("grid", [DEGREES_GRID, MERCATOR_GRID], ids=["degrees", "Mercator"])
@pytest.mark.parametrize(("area", "crs"), AREAS.values(), ids=list(AREAS))
def test_an_area_across_the_antimeridian_stays_what_it_is(area: BaseGeometry, crs: CRS, grid: Grid) -> None:
    found = area_in_pixels(area, crs, grid)
    assert found.is_valid and found.symmetric_difference(PIXELS).area < 0.5


def test_an_area_over_both_edges_of_the_world_is_at_both() -> None:
    found = area_in_pixels(shapely.box(170, -10, 190, 10), WGS84, WORLD)
    both = shapely.union(shapely.box(350, 80, 360, 100), shapely.box(0, 80, 10, 100))
    assert found.symmetric_difference(both).area < 1e-9
    assert area_in_pixels(shapely.box(-180, -90, 180, 90), WGS84, WORLD).area == 360 * 180


@pytest.mark.parametrize(("crs", "south"), [("EPSG:3413", False), ("EPSG:3031", True)])
def test_an_area_around_a_pole_holds_the_pole(crs: str, south: bool) -> None:
    cap = shapely.Point(0, 0).buffer(1e6, quad_segs=64)
    found = area_in_pixels(cap, CRS(crs), WORLD)
    _, top, _, bottom = found.bounds
    assert (180 - bottom if south else top) == pytest.approx(0, abs=1e-9)
    assert found.area == pytest.approx(360 * 9.2, rel=0.01)
    around = area_in_pixels(cap.difference(shapely.Point(0, 0).buffer(5e5)), CRS(crs), WORLD)
    assert around.area == pytest.approx(360 * 4.7, rel=0.02)


def test_what_is_no_longitude_is_not_turned() -> None:
    nonsense = shapely.box(-1e12, -1, 1e12, 1)
    assert area_in_pixels(nonsense, WGS84, WORLD).bounds == (0, 89, 360, 91)


@pytest.mark.parametrize(
    ("crs", "turn"),
    [
        ("EPSG:4326", 360),
        ("EPSG:4807", 400),
        ("EPSG:3857", 2 * np.pi * 6378137),
        ("EPSG:3832", 2 * np.pi * 6378137),
        ("+proj=merc +lon_0=-179.5", 2 * np.pi * 6378137),
        ("EPSG:4087", 2 * np.pi * 6378137),
        ("EPSG:32601", None),
        ("EPSG:3413", None),
    ],
)
def test_a_full_turn_is_known_where_x_is_longitude(crs: str, turn: float | None) -> None:
    assert full_turn(CRS(crs)) == (None if turn is None else pytest.approx(turn, rel=1e-12))
