"""Where a raster lies, and what is no raster: understood exactly, or one clear error."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS
from raster_files import PHOTO, PLACE, RNG, save
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC

from ros_sam_core.errors import (
    GeoreferenceIgnored,
    RasterNotFound,
    RasterUnreadable,
)
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.raster import RasterFrame

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.mark.parametrize(
    "transform",
    [
        Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000),
        Affine(0.5, 0, 500_000, 0, 0.5, 5_000_000),
        Affine(0.4, 0.3, 500_000, 0.3, -0.4, 5_000_000),
    ],
    ids=["north-up", "south-up", "rotated"],
)
def test_the_georeference_is_kept(tmp_path: Path, transform: Affine) -> None:
    path = save(tmp_path / "scene.tif", PHOTO, transform=transform, crs="EPSG:32633")
    with RasterFrame.open(path) as frame:
        assert frame.grid == Grid((61, 83), transform, CRS.from_epsg(32633))
        assert (frame.source, frame.frame, frame.time) == (str(path), "scene", None)


def test_without_georeference_pixels_are_the_map(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", PHOTO, driver="PNG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with RasterFrame.open(path, frame="first", time="2024-05-06T07:08:09Z") as frame:
            assert frame.grid == Grid((61, 83))
            assert (frame.frame, frame.time) == ("first", "2024-05-06T07:08:09Z")


def control(bend: float) -> list[GroundControlPoint]:
    """Return control points of a rotated grid, the last one off by so many metres."""
    grid = Grid((61, 83), Affine(0.4, 0.3, 500_000, 0.3, -0.4, 5_000_000))
    pixels = [(0, 0), (83, 0), (83, 61), (0, 61), (40, 30)]
    xy = grid.pixel_to_map(pixels)
    xy[-1] += bend
    return [GroundControlPoint(row, column, x, y) for (column, row), (x, y) in zip(pixels, xy, strict=True)]


def test_control_points_of_a_plane_grid_are_understood(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", PHOTO, gcps=control(0.0), crs="EPSG:32633")
    with RasterFrame.open(path) as frame:
        assert frame.grid.crs == CRS.from_epsg(32633)
        assert frame.grid.map_to_pixel(frame.grid.pixel_to_map([(5, 9)]))[0] == pytest.approx((5, 9))
        assert frame.grid.transform.almost_equals(Affine(0.4, 0.3, 500_000, 0.3, -0.4, 5_000_000), 1e-6)


def rpc() -> RPC:
    """Return coefficients of no camera in particular."""
    ones = [1.0] + [0.0] * 19
    return RPC(0, 1, 50, 1, ones, ones, 30, 30, 10, 1, ones, ones, 40, 40)


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"gcps": control(30.0), "crs": "EPSG:32633"}, "5 ground control points"),
        ({"rpcs": rpc()}, "RPC"),
        ({"crs": "EPSG:32633"}, "no geotransform"),
    ],
    ids=["bent", "rpc", "crs-only"],
)
def test_a_georeference_that_is_no_grid_is_told(tmp_path: Path, profile: dict[str, Any], words: str) -> None:
    path = save(tmp_path / "a.tif", PHOTO, **profile)
    with pytest.warns(GeoreferenceIgnored, match=words), RasterFrame.open(path) as frame:
        assert frame.grid == Grid((61, 83))


# What is no raster


def bad_raster(folder: Path, kind: str) -> Path:
    """Make a file that is no raster."""
    path = folder / "bad.tif"
    if kind == "folder":
        path.mkdir()
    elif kind == "bands-of-nothing":
        path.write_text('<VRTDataset rasterXSize="4" rasterYSize="4"></VRTDataset>')
    elif kind != "missing":
        whole = save(folder / "whole.tif", PHOTO).read_bytes()
        path.write_bytes({"0-byte": b"", "text": b"Hello, world", "head-only": whole[:6]}[kind])
    return path


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("missing", RasterNotFound),
        ("0-byte", RasterUnreadable),
        ("text", RasterUnreadable),
        ("head-only", RasterUnreadable),
        ("folder", RasterUnreadable),
        ("bands-of-nothing", RasterUnreadable),
    ],
)
def test_what_is_no_raster_is_one_clear_error(tmp_path: Path, kind: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"bad\.tif"):
        RasterFrame.open(bad_raster(tmp_path, kind))


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_cut_off_raster_is_one_clear_error(tmp_path: Path, share: float) -> None:
    noise = RNG.integers(0, 256, (3, 300, 300), dtype=np.uint8)
    path = save(tmp_path / "cut.tif", noise, tiled=True, blockxsize=64, blockysize=64, photometric="RGB")
    os.truncate(path, int(path.stat().st_size * share))
    with (
        pytest.raises(RasterUnreadable, match=r"cut\.tif.*(cut off|cannot open)"),
        RasterFrame.open(path) as frame,
    ):
        frame.read(0, 0, 300, 300)


def test_a_file_of_several_images_asks_which(tmp_path: Path) -> None:
    path = tmp_path / "pages.gpkg"
    for name in ("a", "b"):
        more = {"APPEND_SUBDATASET": "YES"} if path.exists() else {}
        save(path, PHOTO, driver="GPKG", RASTER_TABLE=name, **PLACE, **more)
    with pytest.raises(RasterUnreadable, match=r"open one of its parts: GPKG:.*:a, GPKG:.*:b"):
        RasterFrame.open(path)
    with RasterFrame.open(f"GPKG:{path}:a") as frame:
        assert frame.read(0, 0, 83, 61)[1].all()
