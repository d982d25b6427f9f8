"""The algorithms in `qgis_process`, the program without a window: an engine of its own, and none left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from layers import true_polygon
from osgeo import ogr

PLANE = 1
PROGRAM = shutil.which("qgis_process.bin") or shutil.which("qgis_process")
"""On Debian the one is a script that hands the other options which only the desktop program knows."""


pytestmark = pytest.mark.skipif(PROGRAM is None, reason="qgis_process is not installed")


def with_plugin(root: Path, folder: Path, settings: str) -> dict[str, str]:
    """Return the environment of a QGIS with a profile of its own that has the plugin and some settings."""
    plugins, profile = folder / "plugins", folder / "profile"
    plugins.mkdir()
    shutil.copytree(root / "ros_sam_qgis", plugins / "ros_sam_qgis")
    shutil.copy(root / "metadata.txt", plugins / "ros_sam_qgis")
    for place in (profile, profile / "profiles" / "default"):  # the one or the other, as the version of QGIS
        (place / "QGIS").mkdir(parents=True)
        text = f"{settings}\n[PythonPlugins]\nros_sam_qgis=true\n"
        (place / "QGIS" / "QGIS3.ini").write_text(text)
    return {**os.environ, "QGIS_CUSTOM_CONFIG_PATH": str(profile), "QGIS_PLUGINPATH": str(plugins)}


def test_boxes_become_outlines(
    root: Path, scenes: Path, truth: dict, engine_python: str, model: str, tmp_path: Path
) -> None:
    boxes = tmp_path / "boxes.geojson"
    outline = json.loads(true_polygon(truth, "degrees", PLANE).asJson())
    feature = {"type": "Feature", "properties": {"kind": "airplane"}, "geometry": outline}
    boxes.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    settings = f"[ros_sam]\nengine\\python={engine_python}\nmodel={model}\n"
    environment = with_plugin(root, tmp_path, settings)
    target = tmp_path / "outlines.gpkg"
    given = {"INPUT": scenes / "degrees.tif", "PROMPTS": boxes, "CLASS_FIELD": "kind", "OUTPUT": target}
    command = [PROGRAM, "run", "ros_sam:segment_by_boxes", "--"]
    command += [f"{name}={value}" for name, value in given.items()]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = list((dataset := ogr.Open(str(target))).GetLayer(0))
    assert dataset is not None and row["class"] == "airplane"
    assert row["source"] == str(scenes / "degrees.tif")


def test_its_texts_are_in_the_language_of_qgis(root: Path, tmp_path: Path) -> None:
    environment = with_plugin(root, tmp_path, "[locale]\noverrideFlag=true\nuserLocale=zh-Hans\n")
    command = [PROGRAM, "help", "ros_sam:import_video"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert "导入" in told.stdout, told.stdout + told.stderr
