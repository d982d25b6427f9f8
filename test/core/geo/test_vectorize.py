"""Masks to polygons: always valid, sub-pixel, exact at the edge, and back to the same mask."""

import math

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pyproj import CRS, Transformer
from shapely import MultiPolygon, Point, Polygon, affinity, box

from ros_sam_core.errors import CrsTransformFailed, InvalidParameter
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.vectorize import PolygonOptions, logits_to_polygon, measure, rasterize

EXACT = PolygonOptions(min_area_px=0, simplify_px=0)
UTM = CRS.from_epsg(32633)
COS, SIN = math.cos(math.radians(35)), math.sin(math.radians(35))
TRANSFORMS = {
    "none": Affine.identity(),
    "north-up": Affine(0.3, 0, 500_000, 0, -0.3, 9_000_000),
    "south-up": Affine(0.3, 0, 500_000, 0, 0.3, 9_000_000),
    "rotated": Affine(0.3 * COS, 0.3 * SIN, 500_000, 0.3 * SIN, -0.3 * COS, 9_000_000),
    "sheared": Affine(0.3, 0.1, 500_000, 0, -0.3, 9_000_000),
    "degrees": Affine(3e-6, 0, 179, 0, -3e-6, 80),
}
shapes = st.tuples(st.integers(1, 24), st.integers(1, 24))
masks = shapes.flatmap(lambda shape: arrays(bool, shape))
# Few values, so that zeros and equal neighbours, where contours touch, come often.
few = st.sampled_from([-9, -1, -1e-9, 0, 1e-9, 1, 9])
noise = shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=few))
wild = shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=st.floats(width=32)))
options = st.builds(
    PolygonOptions,
    st.booleans(),
    st.sampled_from([0.0, 1.0, 4.0]),
    st.sampled_from([0.0, 0.05, 0.5, 3.0]),
    st.sampled_from([0.0, 0.8]),
)


def disc(x: float, y: float, radius: float, shape: tuple[int, int] = (40, 40)) -> np.ndarray:
    """Return logits that are 0 on a circle, given in continuous pixel coordinates."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    return (radius - np.hypot(columns - x, rows - y)).astype(np.float32)


def iou(one: Polygon, other: Polygon) -> float:
    return float(one.intersection(other).area / one.union(other).area)


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@settings(max_examples=50)
@given(mask=masks)
def test_mask_to_polygon_to_mask(transform: Affine, mask: np.ndarray) -> None:
    grid = Grid(mask.shape, transform)
    polygon = logits_to_polygon(np.where(mask, 1.0, -1.0), grid, EXACT)
    if polygon is None:
        assert not mask.any()
    else:
        assert polygon.is_valid
        assert np.array_equal(rasterize(polygon, grid), mask)


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@settings(max_examples=100)
@given(logits=st.one_of(noise, wild), options=options)
def test_polygons_are_always_valid(transform: Affine, logits: np.ndarray, options: PolygonOptions) -> None:
    grid = Grid(logits.shape, transform)
    before = logits.copy()
    polygon = logits_to_polygon(logits, grid, options)
    assert np.array_equal(logits, before, equal_nan=True)
    if polygon is None:
        return
    assert isinstance(polygon, Polygon | MultiPolygon)
    assert polygon.is_valid and polygon.area > 0
    assert shapely.transform(polygon, grid.map_to_pixel).within(box(0, 0, *grid.size).buffer(1e-3))
    for part in shapely.get_parts(polygon):
        assert part.exterior.is_ccw
        assert not any(hole.is_ccw for hole in part.interiors)
        assert not (options.fill_holes and part.interiors)


@given(wild)
def test_what_is_not_positive_is_not_object(logits: np.ndarray) -> None:
    polygon = logits_to_polygon(logits, Grid(logits.shape), EXACT)
    inside = np.zeros(logits.shape, bool) if polygon is None else rasterize(polygon, Grid(logits.shape))
    assert np.array_equal(inside, logits > 0)


@pytest.mark.parametrize("radius", [2.5, 5.0, 12.3])
@pytest.mark.parametrize("shift", [0.0, 0.3, 0.5])
def test_the_contour_is_finer_than_pixels(radius: float, shift: float) -> None:
    polygon = logits_to_polygon(disc(20 + shift, 20 - shift, radius), Grid((40, 40)), EXACT)
    circle = Point(20 + shift, 20 - shift).buffer(radius, 64)
    assert polygon is not None
    assert polygon.hausdorff_distance(circle) < 0.12
    assert polygon.centroid.distance(circle.centroid) < 0.03
    default = logits_to_polygon(disc(20 + shift, 20 - shift, radius), Grid((40, 40)))
    assert iou(default, circle) > 0.95
    assert shapely.get_num_coordinates(default) <= shapely.get_num_coordinates(polygon)


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if name != "none"])
def test_polygons_lie_where_the_grid_says(name: str) -> None:
    grid = Grid((40, 40), TRANSFORMS[name])
    polygon = logits_to_polygon(disc(11, 24, 6), grid, EXACT)
    expected = shapely.transform(Point(11, 24).buffer(6, 64), grid.pixel_to_map)
    assert polygon is not None
    assert iou(polygon, expected) > 0.97
    assert polygon.centroid.distance(Point(grid.pixel_to_map([(11, 24)])[0])) < 0.05 * abs(grid.transform.a)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        pytest.param(np.ones((3, 5)), box(0, 0, 5, 3), id="all"),
        pytest.param(np.ones((1, 1)), box(0, 0, 1, 1), id="one-pixel-array"),
        pytest.param([[1, 1, -1, -1]] * 3, box(0, 0, 2, 3), id="left"),
        pytest.param([[-1, -1, -3, 1]] * 3, box(3.25, 0, 4, 3), id="right"),
        pytest.param(np.transpose([[1, 1, -1, -1]] * 3), box(0, 0, 3, 2), id="top"),
        pytest.param(np.transpose([[-1, -1, -1, 1]] * 3), box(0, 3, 3, 4), id="bottom"),
        pytest.param([[-1, 1, 1, -1]] * 2, box(1, 0, 3, 2), id="across"),
    ],
)
def test_an_object_at_the_edge_ends_at_the_edge(logits: np.ndarray, expected: Polygon) -> None:
    logits = np.asarray(logits, np.float32)
    polygon = logits_to_polygon(logits, Grid(logits.shape), PolygonOptions(min_area_px=0))
    assert polygon is not None and polygon.equals(expected)


def test_an_object_cut_by_the_edge_is_cut_straight() -> None:
    polygon = logits_to_polygon(disc(0, 20, 8), Grid((40, 40)), EXACT)
    half = Point(0, 20).buffer(8, 64) & box(0, 0, 40, 40)
    assert iou(polygon, half) > 0.98
    assert polygon.bounds[0] == 0.0
    assert polygon.intersection(shapely.LineString([(0, 0), (0, 40)])).length == pytest.approx(16, abs=0.2)


def ring_and_specks() -> np.ndarray:
    """Return logits of a ring with an island in its hole, a pinhole, and a speck beside it."""
    logits = np.minimum(disc(20, 20, 15), -disc(20, 20, 9))
    logits = np.maximum(logits, disc(20, 20, 4))
    logits[20, 8] = -1
    logits[1, 38] = 1
    return logits


@pytest.mark.parametrize(
    ("options", "parts", "holes"),
    [
        (PolygonOptions(min_area_px=0), 3, 2),
        (PolygonOptions(min_area_px=4), 2, 1),
        (PolygonOptions(min_area_px=100), 1, 1),
        (PolygonOptions(min_area_px=0, fill_holes=True), 2, 0),
        (PolygonOptions(min_area_px=4, fill_holes=True), 1, 0),
    ],
)
def test_holes_and_specks(options: PolygonOptions, parts: int, holes: int) -> None:
    polygon = logits_to_polygon(ring_and_specks(), Grid((40, 40)), options)
    pieces = shapely.get_parts(polygon)
    assert (len(pieces), int(shapely.get_num_interior_rings(pieces).sum())) == (parts, holes)
    whole = max(pieces, key=lambda piece: piece.area)
    assert whole.area == pytest.approx(math.pi * (225 - (0 if options.fill_holes else 81)), rel=0.02)


def test_nothing_left_is_none() -> None:
    assert logits_to_polygon(np.full((5, 5), -1.0), Grid((5, 5))) is None
    assert logits_to_polygon(np.full((5, 5), np.nan), Grid((5, 5))) is None
    assert logits_to_polygon(disc(20, 20, 1), Grid((40, 40)), PolygonOptions(min_area_px=5)) is None


def test_smoothing_takes_the_ragged_off_and_keeps_the_size() -> None:
    rng = np.random.default_rng(0)
    logits = disc(20, 20, 10) + rng.normal(0, 1.5, (40, 40)).astype(np.float32)
    rough = logits_to_polygon(logits, Grid((40, 40)))
    smooth = logits_to_polygon(logits, Grid((40, 40)), PolygonOptions(smooth_px=1.0))
    assert smooth.length < 0.8 * rough.length
    assert smooth.area == pytest.approx(math.pi * 100, rel=0.06)


def test_simplify_moves_no_vertex_further_than_asked() -> None:
    fine = logits_to_polygon(disc(20, 20, 15), Grid((40, 40)), EXACT)
    coarse = logits_to_polygon(disc(20, 20, 15), Grid((40, 40)), PolygonOptions(simplify_px=0.5))
    assert fine.hausdorff_distance(coarse) <= 0.5
    assert shapely.get_num_coordinates(coarse) < 0.25 * shapely.get_num_coordinates(fine)


@pytest.mark.parametrize("wrong", [{"min_area_px": -1}, {"simplify_px": math.nan}, {"smooth_px": math.inf}])
def test_options_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidParameter, match=next(iter(wrong))):
        PolygonOptions(**wrong)  # type: ignore[arg-type]


def test_a_grid_of_another_shape_is_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"\(4, 5\)"):
        logits_to_polygon(np.ones((4, 5)), Grid((5, 4)))


def test_nothing_rasterizes_to_nothing() -> None:
    assert not rasterize(Polygon(), Grid((3, 4))).any()
    assert not rasterize(box(10, 10, 20, 20), Grid((3, 4))).any()


# A rectangle of 30 by 20 metres with a hole of 6 by 4, laid out around a place in true metres.
PLAN = Polygon(box(-15, -10, 15, 10).exterior, [box(-3, -2, 3, 2).exterior])


@pytest.mark.parametrize("latitude", [0.0, 41.0, -60.2, 78.0])
@pytest.mark.parametrize("epsg", [4326, 3857, 32633, 32632, 4258])
def test_sizes_are_true_on_the_ground(latitude: float, epsg: int) -> None:
    site = CRS.from_user_input(f"+proj=laea +lat_0={latitude} +lon_0=14 +ellps=GRS80")
    way = Transformer.from_crs(site, epsg, always_xy=True)
    polygon = shapely.transform(PLAN, lambda x, y: way.transform(x, y), interleaved=False)
    area, perimeter = measure(polygon, CRS.from_epsg(epsg))
    assert area == pytest.approx(600 - 24, rel=2e-4)
    assert perimeter == pytest.approx(100 + 20, rel=2e-4)
    many = MultiPolygon([polygon, affinity.translate(polygon, polygon.bounds[2] - polygon.bounds[0] + 1e-6)])
    assert measure(many, CRS.from_epsg(epsg)).area_m2 == pytest.approx(2 * 576, rel=1e-3)


def test_planar_web_mercator_would_be_four_times_too_large() -> None:
    y = Transformer.from_crs(4326, 3857, always_xy=True).transform(25, 60)[1]
    square = box(0, y, 10, y + 10)
    assert measure(square, CRS.from_epsg(3857)).area_m2 == pytest.approx(100 / 4, rel=0.01)


def test_sizes_in_other_units() -> None:
    assert measure(box(0, 0, 3, 4), None) == (12, 14)
    site = CRS(
        'ENGCRS["site",EDATUM["peg"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["foot",0.3048]]'
    )
    assert measure(box(0, 0, 3, 4), site) == pytest.approx((12 * 0.3048**2, 14 * 0.3048))
    grads = measure(box(0, 55, 1e-4, 55 + 1e-4), CRS.from_epsg(4807))
    degrees = measure(box(0, 49.5, 0.9e-4, 49.5 + 0.9e-4), CRS.from_epsg(4275))
    assert grads == pytest.approx(degrees, rel=1e-6)


def test_size_across_the_antimeridian() -> None:
    way = Transformer.from_crs(CRS.from_user_input("+proj=laea +lat_0=10 +lon_0=180"), 32660, always_xy=True)
    polygon = shapely.transform(PLAN, lambda x, y: way.transform(x, y), interleaved=False)
    assert measure(polygon, CRS.from_epsg(32660)) == pytest.approx((576, 120), rel=1e-4)


def test_a_place_that_is_none_has_no_size() -> None:
    with pytest.raises(CrsTransformFailed):
        measure(box(1e30, 1e30, 2e30, 2e30), UTM)
