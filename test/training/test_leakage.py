"""Images that show the same ground are found however they were cut, turned and scaled; others are not."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ros_sam_core.synthetic import make_scene
from training.coco_writer import write_coco
from training.evaluation.data import guess_spec, open_scenes, read_left_out
from training.leakage import main
from training.scenes import DatasetError, Scene, build_pyramid, object_of


@pytest.fixture(scope="module")
def ground() -> NDArray[np.uint8]:
    return make_scene(3, (640, 640), "airport").rgb


def scene(rgb: NDArray[np.uint8], name: str, *boxes: tuple[int, int, int, int]) -> Scene:
    objects = []
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        mask = np.zeros(rgb.shape[:2], bool)
        mask[y0:y1, x0:x1] = True
        obj = object_of(mask, "ship", id=number + 1)
        assert obj is not None
        objects.append(obj)
    return Scene(build_pyramid(rgb, 1), tuple(objects), name)


def written(folder: Path, scenes: list[Scene]) -> str:
    (folder / "images").mkdir(parents=True)
    for one in scenes:
        cv2.imwrite(str(folder / "images" / one.name), one.rgb[..., ::-1])
    write_coco(folder / "coco.json", scenes)
    return str(folder)


def test_shared_ground(ground: NDArray[np.uint8], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = scene(ground[:400, :400].copy(), "first.png", (300, 300, 320, 310), (20, 20, 40, 30))
    # From column and row 240 on, turned by a quarter, at 0.8 of the scale, and darker.
    turned = np.ascontiguousarray(np.rot90(ground[240:, 240:]))
    smaller = cv2.resize(turned, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    again = scene((smaller * 0.8).astype(np.uint8), "again.png", (5, 5, 20, 20))
    elsewhere = make_scene(4, (400, 400), "airport").rgb
    mine = [first, scene(elsewhere, "elsewhere.png", (5, 5, 20, 20))]
    theirs = [scene(make_scene(5, (400, 400), "harbour").rgb, "harbor.png", (5, 5, 20, 20)), again]
    val, train = written(tmp_path / "val", mine), written(tmp_path / "train", theirs)
    pairs = tmp_path / "pairs.json"
    arguments = ["--data", val, "--against", train]
    assert main([*arguments, "--json", str(pairs)]) == 0
    (pair,) = json.loads(pairs.read_text())
    assert (pair["image"], pair["other"], pair["objects"]) == ("first.png", "again.png", [1])
    assert pair["scale"] == pytest.approx(1.25, abs=0.01)
    table = capsys.readouterr().out
    assert "| first.png | again.png | " in table and "| 1.25 | 1 of 2 |" in table
    assert "1 of 2 images show ground of the other data set, with it 1 of 3 objects." in table


def test_an_image_without_a_feature(tmp_path: Path) -> None:
    blank = scene(np.full((64, 64, 3), 90, np.uint8), "blank.png", (5, 5, 20, 20))
    path = written(tmp_path, [blank])
    assert main(["--data", path, "--against", path]) == 0


def test_a_data_set_that_is_not_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    missing = tmp_path / "missing.json"
    assert main(["--data", str(missing), "--against", str(missing)]) == 2
    assert "missing.json is not there" in caplog.text


def test_what_is_shared_is_left_out_of_an_evaluation(tmp_path: Path) -> None:
    plain = np.full((64, 64, 3), 90, np.uint8)
    path = written(
        tmp_path,
        [scene(plain, "one.png", (5, 5, 20, 20), (30, 30, 50, 40)), scene(plain, "two.png", (5, 5, 9, 9))],
    )
    pairs = tmp_path / "pairs.json"
    spec = guess_spec(Path(path))
    pairs.write_text(json.dumps([{"image": "one.png", "objects": [2]}, {"image": "two.png", "objects": [3]}]))
    (left,) = open_scenes(spec, without=read_left_out(pairs))[0]
    assert (left.name, [obj.id for obj in left.objects]) == ("one.png", [1])
    with pytest.raises(DatasetError, match="found in another data set"):
        open_scenes(spec, without={"elsewhere.png": {1}})
    pairs.write_text("[1]")
    with pytest.raises(DatasetError, match="is not what training"):
        read_left_out(pairs)
