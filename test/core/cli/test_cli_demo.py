"""`ros-sam demo` shows the whole way, and tells the truth about how well it went."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from cli_files import UTM, Finished, Run, picture, write_raster
from PIL import Image

from ros_sam_core.geo.raster import RasterFrame
from ros_sam_core.geo.vectorize import rasterize
from ros_sam_core.synthetic import make_scene

SHAPE = (768, 1024)
NAMES = ["overlay.png", "polygons.gpkg", "prompts.gpkg", "scene.tif"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which an earlier demo has left its files."""
    folder = tmp_path_factory.mktemp("demo")
    for name in NAMES[:3]:
        (folder / name).write_text("old")
    write_raster(folder / "scene.tif", picture())
    geopandas.GeoDataFrame(geometry=[shapely.Point(0, 0)], crs=UTM).to_file(folder / "polygons.gpkg")
    return folder


@pytest.fixture(scope="module")
def demo(run: Run, folder: Path) -> Finished:
    """The demo with the bundled model, run once."""
    return run("demo", "--output", folder, "--json")


def test_the_bundled_model_outlines_the_airport(demo: Finished) -> None:
    assert demo.code == 0, demo.err
    assert demo.json["model"] == "ros-sam-tiny"
    assert demo.json["failed"] == []
    assert demo.json["mean_iou"] > 0.7


def test_the_open_model_outlines_it_by_name(run: Run, tmp_path: Path) -> None:
    told = run("demo", "--model", "ros-sam-tiny-open", "--output", tmp_path, "--json")
    assert told.code == 0, told.err
    assert told.json["model"] == "ros-sam-tiny-open"
    assert told.json["failed"] == []
    assert told.json["mean_iou"] > 0.7


def test_files_are_those_of_this_demo(demo: Finished, folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    assert sorted(demo.json["files"]) == [str(folder / name) for name in NAMES]
    scene = make_scene(0, SHAPE, "airport")
    with rasterio.open(folder / "scene.tif") as file:
        assert file.crs.to_epsg() == 32633
        assert file.res == (scene.gsd_m, scene.gsd_m)
        assert (np.moveaxis(file.read(), 0, -1) == scene.rgb).all()
    prompts = geopandas.read_file(folder / "prompts.gpkg")
    assert prompts.crs == "EPSG:4326"
    assert len(prompts) == demo.json["segments"]
    with Image.open(folder / "overlay.png") as overlay:
        assert overlay.size == (2 * SHAPE[1], 2 * SHAPE[0])


def test_the_mean_iou_is_that_of_the_masks(demo: Finished, folder: Path) -> None:
    scene = make_scene(0, SHAPE, "airport")
    outlines = geopandas.read_file(folder / "polygons.gpkg").set_index("prompt_id").geometry
    with RasterFrame.open(folder / "scene.tif") as frame:
        masks = {name: rasterize(outline, frame.grid) for name, outline in outlines.items()}
    kept = [index for index, thing in enumerate(scene.instances) if thing.polygon.area >= 40]
    ious = []
    for number, index in enumerate(kept):
        truth, mask = scene.mask(index), masks[str(number)]
        ious.append((truth & mask).sum() / (truth | mask).sum())
    assert demo.json["mean_iou"] == pytest.approx(np.mean(ious), abs=0.02)


def test_a_folder_that_cannot_be_made(call: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = call("demo", "--output", tmp_path / "file" / "demo")
    assert done.code == 2
    assert "cannot be written" in done.err
