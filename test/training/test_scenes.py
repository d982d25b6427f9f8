"""Labelled scenes: COCO files to masks, pyramids, and the share that is set aside."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.readers import read_coco
from training.scenes import (
    DatasetError,
    Scene,
    build_pyramid,
    polygons_to_object,
    reduce_by,
    split_scenes,
)

VHR10 = Path("../shared/data/vhr10/val.json")


def write_coco(folder, segmentation, image="a.png"):
    (folder / "images").mkdir(exist_ok=True)
    Image.fromarray(np.full((20, 30, 3), 7, np.uint8)).save(folder / "images" / "a.png")
    data = {
        "images": [{"id": 1, "file_name": image, "width": 30, "height": 20}],
        "categories": [{"id": 4, "name": "ship"}],
        "annotations": [
            {"id": 9, "image_id": 1, "category_id": 4, "segmentation": segmentation, "iscrowd": 0}
        ],
    }
    path = folder / "labels.json"
    path.write_text(json.dumps(data))
    return path


def test_a_polygon_holds_the_pixels_that_its_vertices_name(tmp_path):
    (scene,) = read_coco(write_coco(tmp_path, [[3, 5, 8, 5, 8, 9, 3, 9]]), vertices="centres")
    (obj,) = scene.objects
    mask = obj.frame_mask((20, 30))
    assert mask.sum() == 6 * 5 and mask[5:10, 3:9].all()
    assert obj.box == (3, 5, 9, 10) and obj.class_name == "ship" and obj.id == 9


@pytest.mark.skipif(not VHR10.exists(), reason="../shared/data is not on this machine")
def test_masks_have_the_areas_that_vhr10_states():
    data = json.loads(VHR10.read_text())
    errors = []
    for a in data["annotations"]:
        obj = polygons_to_object(a["segmentation"], "", a["id"])
        x, y, width, height = a["bbox"]
        assert obj.box == (x, y, x + width, y + height)
        errors.append(obj.mask.sum() / a["area"] - 1)
    assert abs(np.mean(errors)) < 0.03


def test_a_polygon_of_two_vertices_is_left_out_and_named(tmp_path, caplog):
    caplog.set_level("WARNING", logger="training.readers.ledger")  # which a command may have quietened
    (scene,) = read_coco(write_coco(tmp_path, [[3, 5, 8, 5]]))
    assert scene.objects == () and "annotation 9" in caplog.text


@pytest.mark.parametrize("text", ["", "{}", '{"images": [], "annotations": [{}], "categories": []}'])
def test_a_file_that_is_no_coco_is_named(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=r"x\.json cannot be read as COCO"):
        list(read_coco(path))


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"b\.png, named in .*labels\.json"):
        list(read_coco(write_coco(tmp_path, [[3, 5, 8, 5, 8, 9]], image="b.png")))


def test_reduction_is_the_mean_of_each_cell():
    image = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    small = reduce_by(image, 2)
    assert small.shape == (2, 3, 3)
    np.testing.assert_allclose(small[1, 2], image[2:4, 4:6].mean(axis=(0, 1)), atol=0.5)


def test_the_share_set_aside_is_always_the_same():
    scenes = [Scene(build_pyramid(np.zeros((40, 40, 3), np.uint8)), (), str(i)) for i in range(50)]
    kept, aside = split_scenes(scenes, 0.1, 0)
    assert len(aside) == 5 and not {s.name for s in aside} & {s.name for s in kept}
    assert [s.name for s in split_scenes(scenes, 0.1, 0)[1]] == [s.name for s in aside]
