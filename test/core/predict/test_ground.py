"""From a mask to a segment: the CRS of the result, the frame's edge, and what lies off the Earth."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from ros_sam_core.errors import CrsWithoutMap
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.vectorize import PolygonOptions
from ros_sam_core.predict.crop import Crop
from ros_sam_core.predict.ground import Origin, look_to_polygon, target_crs
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
