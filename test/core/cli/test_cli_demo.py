"""`ros-sam demo` shows the whole way, and tells the truth about how well it went."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from cli_files import Run
from PIL import Image

from ros_sam_core.geo.raster import RasterFrame
from ros_sam_core.geo.vectorize import rasterize
from ros_sam_core.synthetic import make_scene


def test_files_and_numbers(call: Run, checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "demo"
    done = call("demo", "--output", folder, "--model", checkpoint, "--json")
    assert done.code in (0, 3), done.err  # random weights may find nothing in some boxes
    told = done.json
    names = ["overlay.png", "polygons.gpkg", "prompts.gpkg", "scene.tif"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert sorted(told["files"]) == [str(folder / name) for name in names]

    scene = make_scene(0, (768, 1024), "airport")
    with rasterio.open(folder / "scene.tif") as file:
        assert file.crs.to_epsg() == 32633
        assert file.res == (scene.gsd_m, scene.gsd_m)
        assert (np.moveaxis(file.read(), 0, -1) == scene.rgb).all()
    prompts = geopandas.read_file(folder / "prompts.gpkg")
    assert prompts.crs == "EPSG:4326"
    assert len(prompts) == told["segments"] + len(told["failed"])
    with Image.open(folder / "overlay.png") as picture:
        assert picture.size == (2048, 1536)

    outlines = geopandas.read_file(folder / "polygons.gpkg").set_index("prompt_id").geometry
    with RasterFrame.open(folder / "scene.tif") as frame:
        masks = {name: rasterize(outline, frame.grid) for name, outline in outlines.items()}
    kept = [index for index, thing in enumerate(scene.instances) if thing.polygon.area >= 40]
    ious = []
    for number, index in enumerate(kept):
        truth, mask = scene.mask(index), masks.get(str(number), False)
        ious.append((truth & mask).sum() / (truth | mask).sum())
    assert told["mean_iou"] == pytest.approx(np.mean(ious), abs=0.02)


def test_a_second_demo_replaces_the_first(call: Run, checkpoint: Path, tmp_path: Path) -> None:
    for seed in (1, 2):
        done = call("demo", "-o", tmp_path / "demo", "--model", checkpoint, "--seed", seed)
        assert done.code in (0, 3), done.err
        assert "mean IoU with the truth: 0." in done.out
    with rasterio.open(tmp_path / "demo" / "scene.tif") as file:
        assert (np.moveaxis(file.read(), 0, -1) == make_scene(2, (768, 1024), "airport").rgb).all()


def test_a_folder_that_cannot_be_made(call: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = call("demo", "--output", tmp_path / "file" / "demo")
    assert done.code == 2
    assert "cannot be written" in done.err


@pytest.mark.slow
def test_the_bundled_model_outlines_the_airport(run: Run, tmp_path: Path) -> None:
    done = run("demo", "--output", tmp_path / "demo", "--json")
    assert done.code == 0, done.err
    assert done.json["mean_iou"] > 0.6
    assert done.json["model"] == "ros-sam-tiny"
