"""What the vertices of COCO polygons are: told by a file's own areas and boxes, and the same everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled import write_labels
from pycocotools import mask as coco_mask

from ros_sam_core.errors import ConfigInvalid
from training import ablation, ceiling
from training.ablate import val_scenes
from training.configfile import build_config
from training.evaluation.data import guess_spec, open_scenes
from training.readers import DatasetSpec, open_dataset, read_coco
from training.readers.vertices import guess_vertices
from training.scenes import Scene
from training.simulate.__main__ import _parser, open_ground
from training.simulate.options import SimulateOptions
from training.sources import open_data

VHR10 = Path("../shared/data/vhr10/val.json")
STAR = np.array(
    [[10.3, 4.1], [17.0, 15.2], [30.7, 16.9], [19.5, 24.0], [22.2, 38.6], [9.4, 27.3], [2.8, 18.0]]
)


def corner_labels(folder: Path, stated: Callable[[dict[str, Any]], None] = lambda a: None) -> Path:
    """Write two images with a polygon of continuous coordinates each, area and box as COCO has them."""
    path = write_labels(folder, 2)
    data = json.loads(path.read_text())
    for i, annotation in enumerate(data["annotations"]):
        ring = STAR + np.array([9.0, 7.0]) * i
        rle = coco_mask.frPyObjects([ring.ravel().tolist()], 80, 90)
        annotation |= {"segmentation": [ring.ravel().tolist()], "category_id": 1}
        annotation |= {
            "area": float(coco_mask.area(rle)[0]),
            "bbox": np.concatenate([ring.min(0), np.ptp(ring, axis=0)]).tolist(),
        }
        stated(annotation)
        data["annotations"][i] = annotation
    path.write_text(json.dumps(data))
    return path


def no_area(annotation: dict[str, Any]) -> None:
    del annotation["area"]


def no_box(annotation: dict[str, Any]) -> None:
    del annotation["bbox"]


def neither(annotation: dict[str, Any]) -> None:
    del annotation["area"], annotation["bbox"]


def box_area(annotation: dict[str, Any]) -> None:
    """As some programs write it."""
    annotation["area"] = annotation["bbox"][2] * annotation["bbox"][3]


def nonsense(annotation: dict[str, Any]) -> None:
    annotation |= {"area": None, "bbox": "x"}


def assert_coco_s_masks(scenes: list[Scene], path: Path) -> None:
    annotations = json.loads(path.read_text())["annotations"]
    assert len(scenes) == len(annotations)
    for scene, annotation in zip(scenes, annotations, strict=True):
        (obj,) = scene.objects
        rle = coco_mask.frPyObjects(annotation["segmentation"], *scene.shape)
        theirs, ours = coco_mask.decode(rle)[..., 0] > 0, obj.frame_mask(scene.shape)
        assert (ours ^ theirs).sum() <= 0.05 * theirs.sum()  # pixels that a line cuts are rounded otherwise
        assert obj.mask.sum() == pytest.approx(theirs.sum(), rel=0.02)


@pytest.mark.parametrize("stated", [lambda a: None, no_area, no_box, neither, box_area, nonsense])
def test_continuous_polygons_are_read_as_coco_s_tools_do_everywhere(
    tmp_path: Path, stated: Callable[[dict[str, Any]], None]
) -> None:
    path = corner_labels(tmp_path, stated)
    found = open_dataset(DatasetSpec("coco", str(path)))
    assert 'read as "corners"' in found.summary()
    assert_coco_s_masks(list(found.scenes), path)
    assert_coco_s_masks(list(read_coco(path)), path)
    assert_coco_s_masks(open_scenes(guess_spec(path))[0], path)
    config = build_config({"output": str(tmp_path), "data": {"coco": [str(path)], "aside": 0.5}}, "test")
    assert_coco_s_masks(
        sorted([*open_data(config).samples.sources[0][0], *open_data(config).aside], key=lambda s: s.name),  # type: ignore[attr-defined]
        path,
    )
    target = ablation.Target("a", (str(path),), (str(path),))
    assert_coco_s_masks(val_scenes(ablation.AblationConfig("x", targets=(target,)), target), path)


def test_polygons_through_centres_hold_the_pixels_that_they_name(tmp_path: Path) -> None:
    found = open_dataset(DatasetSpec("coco", str(write_labels(tmp_path))))
    assert 'read as "centres"' in found.summary()
    assert {o.mask.sum() for s in found.scenes for o in s.objects} == {21 * 21}
    traced = {"segmentation": [[0, 0, 20, 0, 20, 20, 0, 20]], "area": 400.0, "bbox": [0, 0, 21, 21]}
    assert guess_vertices([traced]) == "centres"  # the polygon's own area, beside its mask's box
    crowd = {"segmentation": {"size": [9, 9], "counts": [81]}, "area": 0, "bbox": [0, 0, 0, 0]}
    assert guess_vertices([crowd, traced, crowd]) == "centres"


def test_what_is_said_goes_before_what_a_file_states(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_labels(tmp_path)
    wanted = {"auto": 21 * 21, "centres": 21 * 21, "corners": 20 * 20}
    for vertices, area in wanted.items():
        told = {"vertices": vertices, "coco": [str(path)], "aside": 0.34}
        data = open_data(build_config({"output": str(tmp_path), "data": told}, "test"))
        assert [o.mask.sum() for s in data.aside for o in s.objects] == [area]
        target = ablation.Target("a", (str(path),), (str(path),), vertices=vertices)
        config = ablation.AblationConfig(
            str(tmp_path), "ros-sam-tiny", targets=(target,), train={"data": {"aside": 0.34}}
        )
        assert {o.mask.sum() for s in val_scenes(config, target) for o in s.objects} == {area}
        row = ablation.row_config(config, ablation.rows_of(config)[3], 0)
        some = open_data(build_config(row, "test"))
        assert [o.mask.sum() for s in some.aside for o in s.objects] == [area]
        options = _parser().parse_args(
            ["--output", "x", "--coco", str(path), "--vertices", vertices, "--image", "0.png"]
        )
        ground, _ = open_ground(options, SimulateOptions())
        assert [round(max(n.actor.size_px)) for n in ground.natives] == [round(area**0.5)]
        assert ceiling.main(["--data", str(path), "--vertices", vertices]) == 0
        half = {"auto": "0.998", "centres": "0.998", "corners": "1.000"}  # 21 px are no pairs of pixels
        assert f"| all | 3 | {half[vertices]} |" in capsys.readouterr().out
    with pytest.raises(ConfigInvalid, match=r"data\.vertices is 'middle'"):
        build_config({"output": "x", "data": {"coco": [str(path)], "vertices": "middle"}}, "test")


@pytest.mark.skipif(not VHR10.exists(), reason="../shared/data is not on this machine")
def test_vhr10_states_the_areas_of_the_pixels_that_its_vertices_name() -> None:
    by_image: dict[int, list[dict[str, Any]]] = {}
    for annotation in json.loads(VHR10.read_text())["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    assert {guess_vertices(some) for some in by_image.values()} == {"centres"}
    for some in by_image.values():
        for annotation in some:
            del annotation["bbox"]
    assert {guess_vertices(some) for some in by_image.values()} == {"centres"}
