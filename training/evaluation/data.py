"""Open what is evaluated on: any labelled data set, or a simulated video."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ros_sam_core.errors import ConfigInvalid
from training.readers import DatasetSpec, open_dataset
from training.scenes import (
    DatasetError,
    Scene,
    build_pyramid,
    object_of,
    reduce_by,
    split_scenes,
    why_undivided,
)

_VECTORS = (".gpkg", ".geojson", ".shp", ".fgb", ".parquet")


def guess_spec(path: Path, layout: str = "", images: str = "", **labels: Any) -> DatasetSpec:
    """Tell how a data set is laid out by what is there.

    Args:
        path: A COCO file, a vector file, a folder in the release's layout, a folder of label rasters, or a
            folder that `training.simulate` wrote.
        layout: The layout, where it is known; see `DatasetSpec`.
        images: See `DatasetSpec`.
        labels: Its other fields, where they are known.

    Raises:
        DatasetError: There is no such path.
        ConfigInvalid: The layout is unknown, or another field out of range.
    """
    if not path.exists():
        raise DatasetError(f"{path} is not there; name a COCO file, a vector file or a folder")
    if not layout and path.is_dir() and (path / "coco.json").is_file() and (path / "images").is_dir():
        return DatasetSpec("coco", str(path / "coco.json"), images=images or str(path / "images"), **labels)
    if not layout:
        suffix = path.suffix.lower()
        layout = "coco" if suffix == ".json" else "polygons" if suffix in _VECTORS else "frames"
        layout = "release" if (path / "onehotmask").is_dir() else layout
    return DatasetSpec(layout, str(path), images=images, **labels)


def open_scenes(
    spec: DatasetSpec,
    *,
    aside: float | None = None,
    limit: int = 0,
    reduce: int = 1,
    without: Mapping[str, Collection[int]] | None = None,
) -> tuple[list[Scene], str]:
    """Open the scenes to evaluate on.

    Args:
        spec: The data set.
        aside: Only the share of the images that training sets aside.
        limit: Only this many of them, spread over the set; 0 is all.
        reduce: Factor by which images are reduced, by area averaging.
        without: By the image's name, the ids of the objects to leave out.

    Returns:
        The scenes with objects, and what was read and left out, in words.

    Raises:
        DatasetError: The data set cannot be read, or nothing is left.
        ConfigInvalid: A number is out of range.
    """
    if reduce < 1 or limit < 0 or not 0 < (1 if aside is None else aside) <= 1:
        raise ConfigInvalid(
            f"reduce {reduce} must be 1 or more, limit {limit} 0 or more, aside {aside} a share of the images"
        )
    found = open_dataset(spec)
    scenes: Sequence[Scene] = found.scenes
    if aside is not None:
        scenes = split_scenes(scenes, aside, seed=0)[1]
        if not scenes:
            raise DatasetError(f"{spec.path}: nothing is set aside: {why_undivided(found.scenes, aside)}")
    if without:
        scenes = leave_out(scenes, without)
    scenes = [scene for scene in scenes if scene.objects]
    if limit and limit < len(scenes):
        scenes = [scenes[int(i)] for i in np.linspace(0, len(scenes) - 1, limit).round()]
    if reduce > 1:
        scenes = [reduced for scene in scenes if (reduced := reduce_scene(scene, reduce)).objects]
    if not scenes:
        raise DatasetError(f"{spec.path}: no image has an object that could be evaluated on")
    return list(scenes), found.summary()


def read_left_out(path: Path) -> dict[str, set[int]]:
    """Read which objects to leave out, as `training.leakage` writes them: ids by the image's name.

    Raises:
        DatasetError: It cannot be read, or is something else.
    """
    found: dict[str, set[int]] = {}
    try:
        for row in json.loads(path.read_text()):
            found.setdefault(str(row["image"]), set()).update(int(number) for number in row["objects"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} is not what training.leakage --json writes: {error}") from error
    return found


def leave_out(scenes: Sequence[Scene], without: Mapping[str, Collection[int]]) -> list[Scene]:
    """Return scenes without some of their objects.

    Raises:
        DatasetError: None of the objects is there: they are of another data set.
    """
    left, found = [], False
    for scene in scenes:
        gone = without.get(scene.name, ())
        objects = tuple(obj for obj in scene.objects if obj.id not in gone)
        found |= len(objects) < len(scene.objects)
        left.append(replace(scene, objects=objects))
    if any(without.values()) and not found:
        raise DatasetError("none of the objects to leave out is here; were they found in another data set?")
    return left


def reduce_scene(scene: Scene, factor: int) -> Scene:
    """Reduce a scene by area averaging, its masks to the pixels that they fill by half."""
    rgb = reduce_by(scene.rgb, factor)
    objects = []
    for obj in scene.objects:
        full = (obj.frame_mask(scene.shape)[..., None] * 255).astype(np.uint8)
        mask = reduce_by(full, factor)[..., 0] >= 128
        if (kept := object_of(mask, obj.class_name, obj.id, obj.track)) is not None:
            objects.append(kept)
    return replace(scene, pyramid=build_pyramid(rgb, 1), objects=tuple(objects), grid=None)
