"""From a mask to a segment: the CRS of the result, the frame's edge, and what lies off the Earth."""

from __future__ import annotations

import pytest
from affine import Affine
from pyproj import CRS

from ros_sam_core.errors import CrsWithoutMap
from ros_sam_core.geo.grid import Grid
from ros_sam_core.predict.ground import Origin, target_crs

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
