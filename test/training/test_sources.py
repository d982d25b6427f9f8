"""What a run trains on and what it sets aside, of several data sets, and of sets that cannot be divided."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from labelled import write_labels

from training.config import TrainConfig
from training.configfile import build_config
from training.evaluation.data import guess_spec, open_scenes
from training.headroom import main as headroom
from training.scenes import DatasetError
from training.sources import TrainingData, open_data


def config_of(folder: Path, **data: Any) -> TrainConfig:
    return build_config({"output": str(folder / "run"), "data": data}, "test")


def names(data: TrainingData) -> set[str]:
    return {scene.name for scene in data.aside}


@pytest.fixture
def labels(tmp_path: Path) -> list[str]:
    """Two sets of 12 and 7 images, whose names differ."""
    paths = []
    for folder, count in (("a", 12), ("b", 7)):
        (tmp_path / folder).mkdir()
        path = write_labels(tmp_path / folder, count)
        for image in (tmp_path / folder / "images").iterdir():
            image.rename(image.with_name(folder + image.name))
        path.write_text(path.read_text().replace('"file_name": "', f'"file_name": "{folder}'))
        paths.append(str(path))
    return paths


def test_evaluation_sees_the_images_that_training_set_aside_of_each_set(
    tmp_path: Path, labels: list[str]
) -> None:
    for data in (
        {"coco": labels},
        {"coco": labels[:1], "sets": [{"layout": "coco", "path": labels[1]}]},
        {"coco": labels[::-1]},
    ):
        aside = names(open_data(config_of(tmp_path, aside=0.3, **data)))
        seen = [
            {scene.name for scene in open_scenes(guess_spec(Path(path)), aside=0.3)[0]} for path in labels
        ]
        assert [len(some) for some in seen] == [4, 2]
        assert aside == seen[0] | seen[1]


def test_a_share_of_less_than_an_image_is_told(
    tmp_path: Path, labels: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        data = open_data(config_of(tmp_path, coco=labels, aside=0.05))
    assert names(data) and "labels.json: nothing is set aside: a share of 0.05 of 7 images comes to 0" in (
        caplog.text
    )
    assert "will not be looked at" not in caplog.text
    with caplog.at_level(logging.WARNING):
        open_data(config_of(tmp_path, coco=labels[1:], aside=0.05))
    assert "will not be looked at on images that it has not seen" in caplog.text
    with pytest.raises(DatasetError, match=r"nothing is set aside: a share of 0\.05 of 7 images comes to 0"):
        open_scenes(guess_spec(Path(labels[1])), aside=0.05)
    assert headroom(["--data", labels[1], "--aside", "0.05"]) == 2


def test_images_that_lie_in_one_folder_are_told_to_count_as_one_video(
    tmp_path: Path, labels: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    path = Path(labels[0])
    shutil.move(path.parent / "images", path.parent / "train")
    (path.parent / "images").mkdir()
    shutil.move(path.parent / "train", path.parent / "images" / "train")
    path.write_text(path.read_text().replace('"file_name": "', '"file_name": "train/'))
    told = "all 12 images count as frames of one video, 'train', which is never divided"
    with caplog.at_level(logging.WARNING):
        open_data(config_of(tmp_path, coco=labels, aside=0.3))
    assert told in caplog.text and "video = '([^/]+)$'" in caplog.text
    with pytest.raises(DatasetError, match="nothing is set aside: all 12 images count as frames of one"):
        open_scenes(guess_spec(path), aside=0.3)
    caplog.clear()
    alone = {"layout": "coco", "path": str(path), "video": "([^/]+)$"}
    assert len(names(open_data(config_of(tmp_path, sets=[alone], aside=0.3)))) == 4
    assert "nothing is set aside" not in caplog.text


def test_objects_that_are_left_out_of_coco_files_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_labels(tmp_path, 5)
    data = json.loads(path.read_text())
    good = data["annotations"][0]
    data["annotations"] += [good | {"id": 100 + i, "segmentation": []} for i in range(25)]
    data["annotations"].append(good | {"id": 200, "iscrowd": 1})
    path.write_text(json.dumps(data))
    with caplog.at_level(logging.WARNING):
        open_data(config_of(tmp_path, coco=[str(path)], aside=0.2))
    assert "labels.json: 5 images, 5 objects" in caplog.text
    assert "25 left out (25 × missing mask):" in caplog.text and "- and 5 more" in caplog.text
    assert "left out as asked: crowd regions (1)" in caplog.text


def test_nothing_left_to_train_on_is_an_error(tmp_path: Path, labels: list[str]) -> None:
    with pytest.raises(DatasetError, match=r"all 7 labelled images are set aside \(data\.aside is 0\.95\)"):
        open_data(config_of(tmp_path, coco=labels[1:], aside=0.95, procedural=1, procedural_share=0.5))
