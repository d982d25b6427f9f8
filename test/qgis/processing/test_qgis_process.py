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


@pytest.mark.skipif(PROGRAM is None, reason="qgis_process is not installed")
def test_boxes_become_outlines(
    root: Path, scenes: Path, truth: dict, engine_python: str, model: str, tmp_path: Path
) -> None:
    plugins, profile = tmp_path / "plugins", tmp_path / "profile"
    plugins.mkdir()
    shutil.copytree(root / "ros_sam_qgis", plugins / "ros_sam_qgis")
    shutil.copy(root / "metadata.txt", plugins / "ros_sam_qgis")
    boxes = tmp_path / "boxes.geojson"
    outline = json.loads(true_polygon(truth, "degrees", PLANE).asJson())
    feature = {"type": "Feature", "properties": {"kind": "airplane"}, "geometry": outline}
    boxes.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    environment = {
        **os.environ,
        "QGIS_CUSTOM_CONFIG_PATH": str(profile),
        "QGIS_PLUGINPATH": str(plugins),
    }
    settings = (
        f"[ros_sam]\nengine\\python={engine_python}\nmodel={model}\n\n[PythonPlugins]\nros_sam_qgis=true\n"
    )
    for folder in (profile, profile / "profiles" / "default"):  # the one or the other, as the version of QGIS
        (folder / "QGIS").mkdir(parents=True)
        (folder / "QGIS" / "QGIS3.ini").write_text(settings)
    target = tmp_path / "outlines.gpkg"
    given = {"INPUT": scenes / "degrees.tif", "PROMPTS": boxes, "CLASS_FIELD": "kind", "OUTPUT": target}
    command = [PROGRAM, "run", "ros_sam:segment_by_boxes", "--"]
    command += [f"{name}={value}" for name, value in given.items()]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = list((dataset := ogr.Open(str(target))).GetLayer(0))
    assert dataset is not None and row["class"] == "airplane"
    assert row["source"] == str(scenes / "degrees.tif")
