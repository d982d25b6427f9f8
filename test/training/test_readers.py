"""Four layouts, one kind of scene: a made-up data set is written in each and read back equal."""

from pathlib import Path

import labelled_sets as made
import numpy as np
import pytest
import rasterio
import torch
from pycocotools import mask as coco_mask

from ros_sam_core.errors import ConfigInvalid
from training.frames import FrameDataset
from training.jitter import FrameJitter
from training.readers import DatasetSpec, open_dataset
from training.rle import decode_rle, encode_rle
from training.scenes import DatasetError, split_scenes

LAYOUTS = {
    "release": made.release,
    "coco, compressed": made.coco,
    "coco, plain runs": lambda folder, scenes: made.coco(folder, scenes, "plain"),
    "coco, polygons": lambda folder, scenes: made.coco(folder, scenes, "polygons"),
    "frames, png": made.labelled_frames,
    "frames, tif": lambda folder, scenes: made.labelled_frames(folder, scenes, ".tif"),
    "polygons, degrees": made.polygons,
    "polygons, web mercator": lambda folder, scenes: made.polygons(folder, scenes, "EPSG:3857"),
}


@pytest.fixture(scope="module")
def scenes():
    return made.make_scenes()


def facts(scene):
    """Return what a sample is made of, whatever its layout."""
    return {(o.class_name, o.box, o.x0, o.y0, o.track, o.mask.tobytes()) for o in scene.objects}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_written_is_read_back(layout, scenes, tmp_path):
    found = open_dataset(DatasetSpec(**LAYOUTS[layout](tmp_path, scenes)))
    assert found.ledger.summary() == "" and len(found.scenes) == len(scenes)
    assert sum(len(scene.objects) for scene in scenes) > 20
    for read, truth in zip(found.scenes, scenes, strict=True):
        assert (read.video, read.frame, read.shape) == (truth.video, truth.frame, truth.shape)
        np.testing.assert_array_equal(read.rgb, truth.rgb)
        assert facts(read) == facts(truth)
        assert len(read.pyramid) == len(truth.pyramid)
        for level, other in zip(read.pyramid, truth.pyramid, strict=True):
            np.testing.assert_array_equal(level, other)
        assert (read.grid is not None) == layout.startswith("polygons")


def test_all_layouts_give_the_same_samples(scenes, tmp_path):
    jitter = FrameJitter(scale=(0.5, 2.0), object_share=0.5)
    samples = []
    for i, write in enumerate((made.release, made.coco, made.labelled_frames, made.polygons)):
        found = open_dataset(DatasetSpec(**write(tmp_path / str(i), scenes)))
        data = FrameDataset([(found.scenes, 1.0)], jitter, 64, 0.1, seed=3)
        samples.append([data[n] for n in range(6)])
    for others in samples[1:]:
        for one, other in zip(samples[0], others, strict=True):
            assert torch.equal(one.image, other.image) and torch.equal(one.boxes, other.boxes)
            assert torch.equal(one.targets, other.targets)


def test_a_frame_may_be_told_by_its_number(scenes, tmp_path):
    one = [s for s in scenes if s.video == "video0"]
    spec = made.polygons(tmp_path, one)
    table = made.geopandas.read_file(spec["path"])
    table["frame"] = table["frame"].str[-4:].astype(int)
    table.to_file(spec["path"], layer="labels")
    read = open_dataset(DatasetSpec(**spec)).scenes
    assert [facts(scene) for scene in read] == [facts(scene) for scene in one]


def test_classes_of_pixels_are_cut_into_objects(scenes, tmp_path):
    spec = made.labelled_frames(tmp_path, scenes[:1])
    label = tmp_path / "labels" / scenes[0].name
    values = np.zeros(made.SHAPE, np.uint8)
    values[5:9, 5:9] = values[9:12, 9:12] = values[40:44, 50:60] = 1  # the first two touch at a corner
    values[70:80, 70:80] = 2
    values[90:95, 5:9] = 255
    made.Image.fromarray(values).save(label)
    Path(tmp_path / "classes.json").write_text('{"1": "ship", "2": "train"}')
    spec |= {"classes": str(tmp_path / "classes.json"), "values": "class", "ignore": (255,)}
    (scene,) = open_dataset(DatasetSpec(**spec)).scenes
    assert sorted((o.class_name, o.box) for o in scene.objects) == [
        ("ship", (5, 5, 12, 12)),
        ("ship", (50, 40, 60, 44)),
        ("train", (70, 70, 80, 80)),
    ]


def test_a_large_raster_is_taken_in_chips_that_show_each_object_once(tmp_path):
    rng = np.random.default_rng(0)
    grid = made.Grid((500, 700), made.Affine(0.5, 0, 400_000, 0, -0.5, 5_800_000), made.UTM)
    pixels = rng.integers(1, 255, (3, *grid.shape), dtype=np.uint8)
    profile = {"width": 700, "height": 500, "count": 3, "dtype": "uint8", "crs": "EPSG:32633"}
    with rasterio.open(tmp_path / "scene.tif", "w", transform=grid.transform, **profile) as out:
        out.write(pixels)
    corners = [(int(x), int(y)) for x, y in zip(range(5, 660, 31), range(3, 460, 22), strict=False)]
    boxes = [made.shapely.box(x, y, x + 30, y + 20) for x, y in corners]
    onto = [made.shapely.transform(b, grid.pixel_to_map) for b in boxes]
    made.geopandas.GeoDataFrame(geometry=onto, crs=32633).to_file(tmp_path / "own.gpkg")
    spec = DatasetSpec(
        "polygons", str(tmp_path / "own.gpkg"), str(tmp_path / "scene.tif"), chip_px=256, overlap_px=64
    )
    found = open_dataset(spec)
    assert len(found.scenes) == 12 and len({s.name for s in found.scenes}) == 12
    assert sum(len(s.objects) for s in found.scenes) == len(corners)
    for scene in found.scenes:
        x, y = np.rint(grid.map_to_pixel(scene.grid.pixel_to_map([(0, 0)]))[0]).astype(int)
        np.testing.assert_array_equal(
            scene.rgb, np.moveaxis(pixels[:, y : y + scene.shape[0], x : x + scene.shape[1]], 0, -1)
        )
        for obj in scene.objects:
            assert obj.mask.all() and obj.mask.shape == (20, 30)
            assert (obj.x0 + x, obj.y0 + y) == corners[obj.id]
    kept, aside = split_scenes(found.scenes, 0.5, 0)
    assert not kept or not aside  # chips of one raster stay together


def test_pixels_are_read_when_they_are_looked_at(scenes, tmp_path):
    spec = made.coco(tmp_path, scenes)
    found = open_dataset(DatasetSpec(**spec, verify=False))
    (tmp_path / "images" / scenes[0].name).unlink()
    with pytest.raises(DatasetError, match=r"frame_0000\.png cannot be read"):
        _ = found.scenes[0].rgb
    assert found.scenes[1].rgb.shape == (*made.SHAPE, 3)
    held = open_dataset(DatasetSpec(**made.coco(tmp_path, scenes), in_memory=True))
    (tmp_path / "images" / scenes[0].name).unlink()
    np.testing.assert_array_equal(held.scenes[0].rgb, scenes[0].rgb)


def test_a_split_keeps_videos_together():
    scenes = made.make_scenes(videos=4, frames=2)
    kept, aside = split_scenes(scenes, 0.25, 0)
    assert len(aside) == 2 and len({s.video for s in aside}) == 1
    assert not {s.video for s in aside} & {s.video for s in kept}


@pytest.mark.parametrize("seed", range(8))
def test_run_lengths_are_those_of_pycocotools(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 90, 2))
    mask = rng.random(shape) < (0.0, 1.0, 0.5, 0.1, 0.9, 0.5, 0.02, 0.98)[seed]
    theirs = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert encode_rle(mask) == {"size": list(shape), "counts": theirs["counts"].decode()}
    np.testing.assert_array_equal(decode_rle(theirs), mask)
    np.testing.assert_array_equal(decode_rle({"size": shape, "counts": made._runs(mask)}), mask)


@pytest.mark.parametrize(
    "rle",
    [
        {"size": [4, 5], "counts": "3"},
        {"size": [4, 5], "counts": "34=\x7f"},
        {"size": [4, 5], "counts": "3X"},
        {"size": [4, 5], "counts": [3, -4, 21]},
        {"size": [4], "counts": [20]},
        {"counts": [20]},
        {"size": [4, 5], "counts": None},
        {"size": [4, 5], "counts": [1, 2]},
    ],
)
def test_run_lengths_that_do_not_fill_the_mask_are_refused(rle):
    with pytest.raises(ValueError, match=r"runs|run-length|counts"):
        decode_rle(rle)


@pytest.mark.parametrize(
    "fields",
    [
        {"layout": "voc"},
        {"on_error": "ignore"},
        {"chip_px": 10},
        {"overlap_px": 5000},
        {"video": "("},
        {"video": "abc"},
        {"path": ""},
        {"divisor": -1},
    ],
)
def test_a_specification_out_of_range_is_named(fields):
    with pytest.raises(ConfigInvalid, match=next(iter(fields))):
        DatasetSpec(**({"layout": "coco", "path": "x.json"} | fields))
