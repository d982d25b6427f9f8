"""`ros-sam info` tells how a raster will be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from cli_files import GSD_M, ORIGIN, Run, write_raster

GROUND = pytest.approx(GSD_M, rel=5e-4)
"""On the central meridian of a UTM zone a metre on the map is 1.0004 m on the ground."""


def test_everything_about_a_raster(run: Run, raster: Path) -> None:
    told = run("info", raster, "--json").json
    assert (told["width"], told["height"], told["bands"]) == (300, 200, 3)
    assert told["crs"] == "EPSG:32633"
    assert told["georeference"] == "north-up"
    assert told["transform"] == [GSD_M, 0, ORIGIN[0], 0, -GSD_M, ORIGIN[1]]
    assert told["gsd_m"] == GROUND
    assert told["rgb_bands"] == [1, 2, 3]
    assert told["stretched"] is False
    assert told["exit_code"] == 0


def test_people_read_the_same(run: Run, raster: Path) -> None:
    done = run("info", raster)
    assert (done.code, done.err) == (0, "")
    for words in ("300 x 200 pixels", "EPSG:32633", "north-up", "0.5002 m", "3 of uint8", "8 bit as it is"):
        assert words in done.out


def test_the_stretch_that_will_be_applied(run: Run, tmp_path: Path) -> None:
    values = np.linspace(0, 4000, 100 * 100, dtype=np.float32).reshape(1, 100, 100)
    values[0, 0, 0] = np.nan
    path = write_raster(tmp_path / "deep.tif", values, nodata=np.nan)
    told = run("info", path, "--json").json
    assert told["nodata"] == ["nan"]
    assert told["rgb_bands"] == [1, 1, 1]
    assert told["stretch"]["low"] == pytest.approx([80] * 3, abs=1)
    assert told["stretch"]["high"] == pytest.approx([3920] * 3, abs=1)
    asked = run("info", path, "--json", "--stretch", "0,3000", "--bands", "1").json
    assert asked["stretch"] == {"low": [0, 0, 0], "high": [3000, 3000, 3000]}


@pytest.mark.parametrize(
    ("transform", "kind"),
    [
        (Affine(2, 0, 10, 0, 2, 20), "south-up"),
        (Affine(-2, 0, 10, 0, -2, 20), "mirrored"),
        (Affine(2, 1, 10, 1, -2, 20), "rotated"),
        (None, "none"),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_kinds_of_georeference(run: Run, tmp_path: Path, transform: Affine | None, kind: str) -> None:
    path = tmp_path / "turned.tif"
    place = {} if transform is None else {"transform": transform, "crs": "EPSG:32633"}
    with rasterio.open(path, "w", driver="GTiff", width=8, height=8, count=1, dtype="uint8", **place) as file:
        file.write(np.zeros((1, 8, 8), np.uint8))
    told = run("info", path, "--json").json
    assert told["georeference"] == kind
    assert (told["crs"] is None) == (transform is None)


def test_pixels_beyond_the_poles_have_no_size(call: Run, tmp_path: Path) -> None:
    path = write_raster(tmp_path / "far.tif", np.zeros((1, 500, 4), np.uint8), crs="EPSG:4326")
    assert call("info", path, "--json").json["gsd_m"] is None
    assert "pixel size     unknown" in call("info", path).out


def test_no_raster(run: Run, tmp_path: Path) -> None:
    done = run("info", tmp_path / "nowhere.tif", "--json")
    assert done.code == 2
    assert done.json["error"]["type"] == "RasterNotFound"
    assert done.err.startswith("error: ") and done.err.count("\n") == 1
