"""Tables of segments: the columns users rely on, in one CRS, always valid."""

from dataclasses import replace

import pytest
import shapely
from pyproj import CRS, Transformer
from shapely import Polygon, box

from ros_sam_core.errors import CrsTransformFailed
from ros_sam_core.geo.segments import Segment, segments_to_geodataframe
from ros_sam_core.geo.vectorize import measure

UTM, WGS84 = CRS.from_epsg(32633), CRS.from_epsg(4326)
COLUMNS = [
    "prompt_id", "score", "area_m2", "perim_m", "source", "frame", "time", "model", "weights", "prompt",
    "prompt_xy", "geometry",
]  # fmt: skip


def segment(geometry: Polygon, crs: CRS | None = UTM, name: str = "a") -> Segment:
    """Return a segment with every attribute set."""
    sizes = measure(geometry, crs)
    image, prompt = ("scene.tif", "scene", None), ("box", "0 0 9 9")
    return Segment(geometry, crs, name, 0.75, *sizes, *image, "tiny", "abc123", *prompt)


def test_columns_and_their_order() -> None:
    table = segments_to_geodataframe([segment(box(0, 0, 10, 20))], UTM)
    assert list(table.columns) == COLUMNS
    assert table.crs == UTM
    row = table.iloc[0]
    assert (row.prompt_id, row.score, row.time) == ("a", 0.75, None)
    assert (row.source, row.frame, row.weights, row.prompt) == ("scene.tif", "scene", "abc123", "box")
    assert row.geometry.equals(box(0, 0, 10, 20))


def test_no_segments_are_a_table_too() -> None:
    table = segments_to_geodataframe([], UTM)
    assert (list(table.columns), len(table), table.crs) == (COLUMNS, 0, UTM)
    assert table.score.dtype == float


def test_segments_of_several_crs_come_to_one() -> None:
    square = box(500_000, 5_000_000, 500_010, 5_000_020)
    west = shapely.transform(
        square, Transformer.from_crs(UTM, 32632, always_xy=True).transform, interleaved=False
    )
    table = segments_to_geodataframe([segment(square), segment(west, CRS.from_epsg(32632))], WGS84)
    one, other = table.geometry
    assert one.intersection(other).area / one.union(other).area > 0.9999
    assert one.centroid.coords[0] == pytest.approx((15.00006, 45.15357), abs=1e-4)
    assert one.exterior.is_ccw and one.is_valid


def test_across_the_antimeridian_a_segment_stays_whole() -> None:
    west = CRS.from_epsg(32660)
    middle = Transformer.from_crs(WGS84, west, always_xy=True).transform(180, 10)
    square = box(middle[0] - 50, middle[1] - 50, middle[0] + 50, middle[1] + 50)
    moved = segments_to_geodataframe([segment(square, west)], WGS84).geometry[0]
    assert moved.is_valid
    assert moved.bounds[2] - moved.bounds[0] < 0.01
    assert measure(moved, WGS84) == pytest.approx(measure(square, west), rel=1e-6)


@pytest.mark.parametrize(("source", "target"), [(None, UTM), (UTM, None)])
def test_pixels_and_ground_do_not_mix(source: CRS | None, target: CRS | None) -> None:
    with pytest.raises(CrsTransformFailed, match="prompt a"):
        segments_to_geodataframe([segment(box(0, 0, 1, 1), source)], target)


def test_pixels_stay_pixels() -> None:
    table = segments_to_geodataframe([segment(box(0, 0, 3, 4), None)], None)
    assert table.crs is None
    assert (table.area_m2[0], table.perim_m[0]) == (12, 14)


def test_a_place_beyond_a_projection_is_told() -> None:
    pole = replace(segment(box(0, 0, 1, 1), WGS84), geometry=box(0, 91, 1, 92))
    with pytest.raises(CrsTransformFailed, match="EPSG:3857"):
        segments_to_geodataframe([pole], CRS.from_epsg(3857))
