"""Native pixels, as they are in the file."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from osgeo import gdal
from qgis.core import QgsCoordinateReferenceSystem

from ros_sam_qgis.sources.grid import UNPLACED
from ros_sam_qgis.sources.native import facts_of, percentiles, read_window, version_of
from ros_sam_qgis.sources.source import SourceUnreadable

UTM = QgsCoordinateReferenceSystem("EPSG:25833")
NOWHERE = QgsCoordinateReferenceSystem()


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    """A raster of two bands whose pixels are 100 row + column, and that plus 10000; nodata 0."""
    path = tmp_path / "ramp.tif"
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 6, 4, 2, gdal.GDT_UInt16)
    dataset.SetGeoTransform((500000, 2, 0, 5800000, 0, -2))
    dataset.SetProjection(UTM.toWkt())
    for band in (1, 2):
        values = [100 * row + column + 10000 * (band - 1) for row in range(4) for column in range(6)]
        dataset.GetRasterBand(band).WriteRaster(0, 0, 6, 4, struct.pack("<24H", *values))
        dataset.GetRasterBand(band).SetNoDataValue(0)
    dataset.FlushCache()
    return path


def test_a_window_is_what_is_there(ramp: Path) -> None:
    pixels = read_window(str(ramp), (2, 1, 1), (1, 2, 3, 2))
    assert (pixels.dtype, pixels.bands, pixels.layout, pixels.nodata) == ("uint16", 3, "bands", 0.0)
    first = [10201, 10202, 10203, 10301, 10302, 10303]
    second = [201, 202, 203, 301, 302, 303]
    assert struct.unpack("<18H", pixels.data) == (*first, *second, *second)
    assert (
        "x0=1&y0=2&width=3&height=2&bands=3&dtype=uint16&layout=bands&alpha=false&nodata=0.0"
        in pixels.query()
    )


def test_facts(ramp: Path, scenes: Path) -> None:
    facts = facts_of(str(ramp), UTM)
    assert (facts.grid.width, facts.grid.height, facts.bands, facts.gcps) == (6, 4, 2, False)
    assert facts.grid.to_map(1, 1) == (500002.0, 5799998.0)
    unplaced = facts_of(str(scenes / "plain.tif"), NOWHERE)
    assert unplaced.grid.transform == UNPLACED and unplaced.grid.is_unplaced


def test_ground_control_points_are_told(ramp: Path) -> None:
    target = ramp.with_name("gcps.tif")
    gcps = [gdal.GCP(500000 + 2 * x, 5800000 - 2 * y, 0, x, y) for x, y in ((0, 0), (6, 0), (0, 4), (6, 4))]
    gdal.Translate(str(target), str(ramp), GCPs=gcps, outputSRS=UTM.toWkt(), noData=0)
    assert facts_of(str(target), UTM).gcps


def test_what_gdal_cannot_open_is_said(tmp_path: Path) -> None:
    path = tmp_path / "broken.tif"
    path.write_bytes(b"II*\0 and no more")
    with pytest.raises(SourceUnreadable, match=r"broken\.tif"):
        facts_of(str(path), UTM)


@pytest.mark.parametrize("raising", [False, True], ids=["quiet", "other-plugins-raise"])
def test_a_band_that_is_not_there_and_a_file_cut_off_are_said(
    ramp: Path, tmp_path: Path, raising: bool
) -> None:
    cut = tmp_path / "cut.tif"
    gdal.Translate(str(cut), str(ramp), creationOptions=["COMPRESS=DEFLATE"])
    cut.write_bytes(cut.read_bytes()[:400])
    before = gdal.GetUseExceptions()
    (gdal.UseExceptions if raising else gdal.DontUseExceptions)()
    try:
        for read in (lambda path, bands: read_window(path, bands, (0, 0, 2, 2)), percentiles):
            with pytest.raises(SourceUnreadable, match="has no band 9; it has"):
                read(str(ramp), (9,))
            with pytest.raises(SourceUnreadable, match=r"cut\.tif: "):
                read(str(cut), (1,))
    finally:
        (gdal.UseExceptions if before else gdal.DontUseExceptions)()


def test_percentiles_leave_nodata_out(ramp: Path, scenes: Path) -> None:
    assert percentiles(str(ramp), (1,), 0.0, 1.0) == "1.0,305.0"
    assert percentiles(str(scenes / "utm.tif"), (1, 2, 3)) == "none"


def test_a_changed_file_has_another_version(ramp: Path) -> None:
    before = version_of(str(ramp))
    ramp.write_bytes(ramp.read_bytes() + b"\0")
    assert version_of(str(ramp)) != before
    assert version_of("/vsicurl/https://example.org/x.tif") == "/vsicurl/https://example.org/x.tif"
