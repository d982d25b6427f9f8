"""Pixels to map and back: the law holds on every kind of grid, and the ground is measured true."""

import math

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Geod

from ros_sam_core.errors import CrsTransformFailed, CrsUnknown, GridInvalid
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.vectorize import measure

pixels = st.lists(st.tuples(st.floats(-5_000, 50_000), st.floats(-5_000, 50_000)), min_size=1, max_size=8)


def affine(gsd: float, angle: float, shear: float, x: float, y: float, south_up: bool) -> Affine:
    """Compose a geotransform from its parts."""
    cos, sin = math.cos(angle), math.sin(angle)
    rows = gsd if south_up else -gsd
    return Affine(gsd * cos, rows * (shear * cos - sin), x, gsd * sin, rows * (shear * sin + cos), y)


metre_grids = st.builds(
    lambda *parts: Grid((40_000, 50_000), affine(*parts), CRS.from_epsg(32633)),
    st.floats(0.02, 300),
    st.floats(-math.pi, math.pi),
    st.floats(-1, 1),
    st.floats(-1e6, 1e6),
    st.floats(0, 1e7),
    st.booleans(),
)
degree_grids = st.builds(
    lambda *parts: Grid((400, 500), affine(*parts), CRS.from_epsg(4326)),
    st.floats(2e-7, 0.1),
    st.floats(-math.pi, math.pi),
    st.floats(-1, 1),
    st.floats(-180, 180),
    st.floats(-90, 90),
    st.booleans(),
)


@given(st.one_of(metre_grids, degree_grids), pixels)
def test_pixel_to_map_to_pixel(grid: Grid, xy: list[tuple[float, float]]) -> None:
    assert np.abs(grid.map_to_pixel(grid.pixel_to_map(xy)) - xy).max() < 1e-6


@given(metre_grids, st.integers(-900, 900), st.integers(-900, 900), pixels)
def test_a_window_is_the_same_ground(grid: Grid, x0: int, y0: int, xy: list[tuple[float, float]]) -> None:
    part = grid.window(x0, y0, 512, 256)
    assert part.shape == (256, 512)
    assert grid.map_to_pixel(part.pixel_to_map(xy)) == pytest.approx(np.add(xy, (x0, y0)), abs=1e-6)


@given(metre_grids, st.tuples(st.integers(1, 60_000), st.integers(1, 60_000)))
def test_a_zoomed_grid_covers_the_same_ground(grid: Grid, shape: tuple[int, int]) -> None:
    assert grid.zoom(shape).shape == shape
    assert grid.zoom(shape).corners == pytest.approx(grid.corners, abs=1e-6)


def test_pixel_coordinates_begin_at_the_outer_corner() -> None:
    grid = Grid((10, 20), Affine(0.5, 0, 400_000, 0, -0.5, 5_000_000), CRS.from_epsg(32633))
    assert grid.pixel_to_map([(0, 0), (0.5, 0.5), (20, 10)]).tolist() == [
        [400_000, 5_000_000],
        [400_000.25, 4_999_999.75],
        [400_010, 4_999_995],
    ]
    assert grid.bounds == (400_000, 4_999_995, 400_010, 5_000_000)
    assert grid.footprint.area == pytest.approx(50)
    assert (grid.width, grid.height, grid.size) == (20, 10, (20, 10))


def test_without_georeference_the_map_is_the_pixels() -> None:
    grid = Grid((10, 20))
    assert grid.pixel_to_map([(3, 4)]).tolist() == [[3, 4]]
    assert grid.bounds == (0, 0, 20, 10)
    assert grid.gsd_m is None


def test_what_a_grid_contains_is_half_open() -> None:
    inside = Grid((10, 20)).contains_pixels(
        [(0, 0), (19.99, 9.99), (20, 5), (5, 10), (-1e-9, 5), (np.nan, 5)]
    )
    assert inside.tolist() == [True, True, False, False, False, False]


def test_gsd_in_degrees_is_that_of_the_ground() -> None:
    grid = Grid((100, 100), Affine(1e-5, 0, 24.9, 0, -1e-5, 60.2), CRS.from_epsg(4326))
    middle = 60.2 - 50e-5
    east = Geod(ellps="WGS84").inv(24.9, middle, 24.9 + 1e-5, middle)[2]
    north = Geod(ellps="WGS84").inv(24.9, middle, 24.9, middle + 1e-5)[2]
    assert (east, north) == (pytest.approx(0.5546, abs=1e-4), pytest.approx(1.1142, abs=1e-4))
    assert grid.gsd_m == pytest.approx(math.sqrt(east * north), rel=1e-6)


def test_gsd_in_web_mercator_is_not_its_metres() -> None:
    latitude = 60.0
    y = 6378137 * math.log(math.tan(math.pi / 4 + math.radians(latitude) / 2))
    gsd = Grid((2, 2), Affine(0.6, 0, 0, 0, -0.6, y), CRS.from_epsg(3857)).gsd_m
    assert gsd == pytest.approx(0.6 * 0.5, rel=4e-3)


@pytest.mark.parametrize(
    ("crs", "x", "y", "metres"),
    [
        pytest.param("EPSG:32633", 500_000, 5_000_000, 0.9996**-1, id="utm-centre"),
        pytest.param("EPSG:2263", 984_250, 200_000, 1200 / 3937, id="us-feet"),
        pytest.param("EPSG:27572", 600_000, 2_200_000, 1.0, id="paris-meridian-grads"),
        pytest.param("EPSG:7415", 155_000, 463_000, 1.0, id="compound"),
        pytest.param(
            'ENGCRS["site",EDATUM["peg"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],'
            'LENGTHUNIT["foot",0.3048]]',
            0,
            0,
            0.3048,
            id="engineering",
        ),
    ],
)
def test_gsd_knows_units_and_bases(crs: str, x: float, y: float, metres: float) -> None:
    assert Grid((2, 2), Affine(1, 0, x, 0, -1, y), CRS(crs)).gsd_m == pytest.approx(metres, rel=5e-4)


def test_gsd_of_grads_is_that_of_degrees() -> None:
    grads = Grid((2, 2), Affine(1e-4, 0, 0, 0, -1e-4, 55), CRS.from_epsg(4807))
    degrees = Grid((2, 2), Affine(0.9e-4, 0, 0, 0, -0.9e-4, 49.5), CRS.from_epsg(4275))
    assert grads.gsd_m == pytest.approx(degrees.gsd_m, rel=1e-9)


@pytest.mark.parametrize("transform", [Affine.identity(), Affine(1e-30, 0, 9, 0, -1e-30, 50)])
def test_there_is_no_gsd_where_pixels_have_no_size_on_earth(transform: Affine) -> None:
    assert Grid((500, 400), transform, CRS.from_epsg(4326)).gsd_m is None


def test_a_pole_is_on_earth_and_what_lies_beyond_is_not() -> None:
    degrees = CRS.from_epsg(4326)
    assert Grid((2, 2), Affine(1, 0, 0, 0, -1, 90.5 + 1e-12), degrees).gsd_m is not None
    cap = shapely.box(-60, 89, 60, 90 + 1e-12)
    assert measure(cap, degrees).area_m2 > 0
    for far in (shapely.box(0, 0, 10, 500), shapely.box(0, -91, 1, -89)):
        with pytest.raises(CrsTransformFailed, match="beyond the poles; check the georeference"):
            measure(far, degrees)


@pytest.mark.parametrize(
    ("shape", "transform"),
    [
        ((0, 5), Affine.identity()),
        ((5, -1), Affine.identity()),
        ((5,), Affine.identity()),
        ((5.5, 5), Affine.identity()),
        ((5, 5), Affine(0, 0, 1, 0, 1, 1)),
        ((5, 5), Affine(1, 2, 0, 2, 4, 0)),
        ((5, 5), Affine(1, 0, math.nan, 0, 1, 0)),
    ],
)
def test_a_grid_that_is_none_is_refused(shape: tuple[int, int], transform: Affine) -> None:
    with pytest.raises(GridInvalid):
        Grid(shape, transform)


def test_an_unknown_crs_is_named() -> None:
    with pytest.raises(CrsUnknown, match="EPSG:999999"):
        Grid((5, 5), crs="EPSG:999999")  # type: ignore[arg-type]


def test_equal_grids_are_equal_keys() -> None:
    one, other = Grid((5, 5), crs=CRS(4326)), Grid((np.int64(5), 5), crs="EPSG:4326")  # type: ignore[arg-type]
    assert one == other
    assert len({one, other}) == 1
