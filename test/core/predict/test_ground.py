"""From a mask to a segment: the CRS of the result, the frame's edge, and what lies off the Earth."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from ros_sam_core.errors import CrsTransformFailed, CrsWithoutMap
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import Prompt
from ros_sam_core.geo.segments import Segment
from ros_sam_core.geo.vectorize import PolygonOptions
from ros_sam_core.predict.crop import Crop
from ros_sam_core.predict.ground import Origin, PromptFailure, finish, look_to_polygon, target_crs
from ros_sam_core.predict.predictor import Look

UTM = Grid((100, 80), Affine(0.5, 0, 500_000, 0, -0.5, 5_300_000), CRS.from_epsg(32633))


def origin_of(grid: Grid) -> Origin:
    return Origin(grid, "scene.tif", "scene", None, "tiny", "abc123")


@pytest.mark.parametrize("code", ["EPSG:5773", "EPSG:4978", "+proj=geocent +datum=WGS84"])
def test_polygons_cannot_be_in_a_crs_without_a_map(code: str) -> None:
    with pytest.raises(CrsWithoutMap, match="give a geographic or projected one"):
        target_crs(origin_of(UTM), code)


@pytest.mark.parametrize("code", ["EPSG:4979", "EPSG:7415", "EPSG:32633+5773"])
def test_heights_in_a_crs_do_not_matter(code: str) -> None:
    assert target_crs(origin_of(UTM), code) == CRS(code)


GRIDS = [
    UTM,
    Grid((100, 80), Affine(0.5, 0, 500_000, 0, 0.5, 5_300_000), UTM.crs),
    Grid((100, 80), Affine.translation(5e5, 5.3e6) @ Affine.rotation(30) @ Affine.scale(0.5), UTM.crs),
    Grid((100, 80)),
]


@pytest.mark.parametrize("grid", GRIDS, ids=["north-up", "south-up", "rotated", "pixels"])
@pytest.mark.parametrize("expand_px", [0.0, 5.0])
@pytest.mark.parametrize("crop", [Crop(48, 20, 32), Crop(60, 20, 32)], ids=["within", "over the edge"])
def test_outlines_are_anticlockwise_and_end_at_the_frame(grid: Grid, expand_px: float, crop: Crop) -> None:
    logits = np.full((32, 32), -3.0, np.float32)
    logits[4:28, 4:] = 3.0
    outline = look_to_polygon(Look(crop, logits, 1.0), grid, PolygonOptions(expand_px=expand_px))
    assert isinstance(outline, shapely.Polygon) and outline.exterior.is_ccw
    assert shapely.buffer(grid.footprint, 1e-6).covers(outline)
    x0, _, x1, _ = shapely.transform(outline, grid.map_to_pixel).bounds
    assert (x0, x1) == pytest.approx((crop.x0 + 4 - expand_px, 80), abs=1e-6)


FULL_DISK = CRS("+proj=geos +h=35785831 +lon_0=0 +sweep=y")
"""The Earth as a geostationary satellite sees it, 5434 km to its limb."""
DISK = Grid((110, 110), Affine(1e5, 0, -5.5e6, 0, -1e5, 5.5e6), FULL_DISK)


def test_a_picture_with_corners_off_the_earth_comes_to_another_crs() -> None:
    assert target_crs(origin_of(DISK), "EPSG:4326") == CRS("EPSG:4326")
    beside = Grid((10, 10), Affine(1e4, 0, 5.5e6, 0, -1e4, 0), FULL_DISK)
    with pytest.raises(CrsTransformFailed, match="has no place"):
        target_crs(origin_of(beside), "EPSG:4326")


@pytest.mark.parametrize("target", [FULL_DISK, CRS("EPSG:4326")], ids=["own", "degrees"])
def test_a_prompt_on_the_limb_of_the_earth_fails_alone_and_says_why(target: CRS) -> None:
    prompt, options = Prompt("7", points=((0.0, 0.0),)), PolygonOptions()
    logits = np.full((16, 16), 3.0, np.float32)
    for crop, fits in ((Crop(50, 50, 8), True), (Crop(0, 50, 8), False)):
        result = finish(Look(crop, logits, 1.0), prompt, origin_of(DISK), options, target)
        if fits:
            assert isinstance(result, Segment) and result.area_m2 > 0
        else:
            assert isinstance(result, PromptFailure)
            assert isinstance(result.error, CrsTransformFailed) and "has no place" in str(result.error)


@pytest.mark.parametrize("south_up", [False, True])
@pytest.mark.parametrize("first", [True, False], ids=["first row", "last row"])
def test_what_is_on_a_pole_ends_there_in_a_grid_of_pixel_centres(south_up: bool, first: bool) -> None:
    """Weather models' layout: 721 rows 0.25 degrees apart, from pole to pole."""
    step = 0.25 if south_up else -0.25
    grid = Grid((721, 1440), Affine(0.25, 0, -180.125, 0, step, -360.5 * step), CRS.from_epsg(4326))
    logits = np.full((16, 16), -3.0, np.float32)
    logits[4:12, 4:12] = 3.0
    crop = Crop(700, -4 if first else 721 - 12, 16)
    result = finish(
        Look(crop, logits, 1.0), Prompt("7", box=(0, 0, 1, 1)), origin_of(grid), PolygonOptions(), grid.crs
    )
    assert isinstance(result, Segment), result
    north = 1 if first != south_up else -1
    low, high = sorted((88.125 * north, 90.0 * north))
    cap = shapely.box(-4.125, low, -2.125, high)
    assert shapely.symmetric_difference(result.geometry, cap).area < 0.05 * cap.area
    assert shapely.box(-180, -90, 180, 90).covers(result.geometry)
    sector = 2 * np.pi * 6_371_000**2 * (1 - np.sin(np.radians(88.125))) * 2 / 360
    assert result.area_m2 == pytest.approx(sector, rel=0.05)


def test_a_frame_far_beyond_a_pole_is_placed_wrongly() -> None:
    grid = Grid((721, 1440), Affine(0.25, 0, -180, 0, -0.25, 90.5), CRS.from_epsg(4326))
    logits = np.full((16, 16), 3.0, np.float32)
    look, prompt = Look(Crop(700, 0, 16), logits, 1.0), Prompt("7", box=(0, 0, 1, 1))
    result = finish(look, prompt, origin_of(grid), PolygonOptions(), grid.crs)
    assert isinstance(result, PromptFailure) and "beyond the poles" in str(result.error)
