"""The desktop program itself: the built zip is installed, objects are clicked, kept and exported."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

import pytest
from desktop import play
from osgeo import ogr

SCENARIO = Path(__file__).parent / "helpers" / "outlining.py"
COMPILED = {".so", ".pyd", ".dll", ".dylib", ".exe", ".pyc", ".a", ".o"}
KEPT, OUTLINED = 4, 30
APRON = (392080.5, 5819810.5)


@pytest.fixture(scope="session")
def day(
    plugin_zip: Path, airport: Path, engine_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict:
    """Play the scenario once. ROS_SAM_PICTURES names a folder that takes the pictures."""
    folder = tmp_path_factory.mktemp("day")
    facts = {
        "zip": str(plugin_zip),
        "airport": str(airport),
        "folder": str(folder),
        "python": str(engine_python),
        "truth": apron(json.loads((airport / "truth.json").read_text())),
    }
    locale, theme = os.environ.get("ROS_SAM_LOCALE", "en"), os.environ.get("ROS_SAM_THEME", "default")
    try:
        report = play(SCENARIO, folder, facts, locale, theme)
    finally:
        wanted = os.environ.get("ROS_SAM_PICTURES")
        if wanted and (folder / "pictures").exists():
            shutil.copytree(folder / "pictures", wanted, dirs_exist_ok=True)
    return {**report, "folder": folder, "facts": facts}


def apron(objects: list[dict]) -> list[dict]:
    """Return the larger aircraft, those in the middle of the apron first."""
    found = [(polygon(one), one) for one in objects if one["class"] == "airplane"]
    middle = ogr.CreateGeometryFromWkt(f"POINT ({APRON[0]} {APRON[1]})")
    large = [(ring.Centroid().Distance(middle), one) for ring, one in found if ring.Area() > 100.0]
    return [one for _, one in sorted(large, key=lambda pair: pair[0])]


def polygon(one: dict) -> ogr.Geometry:
    """Return the true outline of an object."""
    ring = ogr.Geometry(ogr.wkbLinearRing)
    for x, y in one["ring"]:
        ring.AddPoint_2D(x, y)
    found = ogr.Geometry(ogr.wkbPolygon)
    found.AddGeometry(ring)
    return found


def outlines(path: Path) -> list[tuple[dict, ogr.Geometry]]:
    """Read a file as another program does."""
    dataset = ogr.Open(str(path))
    return [(feature.items(), feature.GetGeometryRef().Clone()) for feature in dataset.GetLayer(0)]


def test_the_zip_is_what_qgis_takes(plugin_zip: Path) -> None:
    assert plugin_zip.stat().st_size <= 25e6
    with zipfile.ZipFile(plugin_zip) as packed:
        names = packed.namelist()
        metadata = ConfigParser()  # as QGIS itself reads it: no bare % in it
        metadata.read_string(packed.read("ros_sam_qgis/metadata.txt").decode("utf-8"))
        general = metadata["general"]
        (wheel,) = [name for name in names if name.endswith(".whl")]
        with zipfile.ZipFile(io.BytesIO(packed.read(wheel))) as engine:
            names += engine.namelist()
    assert {name.split("/")[0] for name in packed.namelist()} == {"ros_sam_qgis"}
    assert f"ros_sam_qgis/{general['icon']}" in names and "ros_sam_qgis/LICENSE" in names
    assert "ros_sam_qgis/i18n/ros_sam_zh.qm" in names
    assert "ros_sam_core/weights/ros-sam-tiny.safetensors" in names
    assert not [name for name in names if "ros-sam-tiny-open.safetensors" in name]  # it would be too large
    assert not [name for name in names if Path(name).suffix in COMPILED or "__pycache__" in name]
    for key in ("name", "description", "about", "version", "qgisMinimumVersion", "author", "license", "tags"):
        assert general[key].strip(), key


def test_the_same_sources_give_the_same_zip(
    plugin_zip: Path, pack: Callable[[Path], Path], root: Path, tmp_path: Path
) -> None:
    if os.environ.get("ROS_SAM_ZIP"):
        pytest.skip("the zip was built elsewhere, perhaps by another zlib")
    os.utime(root / "README.md")
    os.utime(root / "ros_sam_core" / "errors.py")
    assert pack(tmp_path).read_bytes() == plugin_zip.read_bytes()


def test_qgis_ends_as_a_user_ends_it(day: dict) -> None:
    assert day["done"] and "Traceback" not in day["log"], day["log"]
    assert day["code"] == 0, day["log"]


def test_no_engine_outlives_qgis(day: dict) -> None:
    assert day["left"] == []


def test_what_was_kept_is_in_the_geopackage_and_true(day: dict) -> None:
    rows = outlines(day["folder"] / "ros_sam_objects.gpkg")
    assert len(rows) == KEPT + 1  # the last one on the video
    for number in range(KEPT):
        truth = polygon(day["facts"]["truth"][number])
        facts, found = max(rows, key=lambda row: row[1].Intersection(truth).Area())
        share = found.Intersection(truth).Area() / found.Union(truth).Area()
        assert share > 0.5, (number, share)
        assert facts["class"] == "airplane" and facts["model"] == "ros-sam-tiny"
    last = rows[-1][0]
    assert last["frame"] == "20240501T100001" and last["time"]


def test_the_export_holds_what_was_kept_then(day: dict) -> None:
    collection = json.loads((day["folder"] / "outlines.geojson").read_text())
    assert len(collection["features"]) == KEPT
    corner = collection["features"][0]["geometry"]["coordinates"]
    while isinstance(corner[0], list):
        corner = corner[0]
    longitude, latitude = corner
    assert 13 < longitude < 14 and 52 < latitude < 53


def test_processing_outlined_the_boxes(day: dict) -> None:
    assert day["outlined"] >= OUTLINED
