"""The layout of ROS-SAM's release: `img/*.png`, `boxes/*.npy` [N, 4] xyxy, `onehotmask/*.npy` [N, H, W].

Boxes are those of the masks; the files of boxes are only checked against them, and may be missing. The
layout knows neither classes nor videos: `frames.json`, which `training.prepare` writes beside the folders,
holds them.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.readers.images import find_images, keep_scene, numbers, open_image, wanted
from training.readers.ledger import Ledger
from training.readers.names import Told, place, steps
from training.readers.spec import DatasetSpec
from training.scenes import DatasetError, Scene, SceneObject, object_of

INDEX = "frames.json"
UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile)
"""What reading an `.npy` raises that is cut off or holds something else."""
AWAY_PX = 3.0
"""A box may lie this far from its mask's, for the ways of counting and of rounding that there are."""


def read_release(spec: DatasetSpec, ledger: Ledger, told: Told) -> Iterator[Scene]:
    """Read a split's folder; see `training.readers.open_dataset`."""
    folder = Path(spec.path)
    images = find_images(folder / "img")
    index = _index(folder / INDEX)
    stems = {path.stem for path in images}
    for path in sorted((folder / "onehotmask").glob("*.npy")):
        if path.stem not in stems:
            ledger.fault("missing image", path, "", f"there is no image of this name in {folder / 'img'}")
    for path in steps(images, told):
        try:
            image = open_image(path, spec.bands, spec.stretch)
        except DatasetError as error:
            ledger.fault("corrupt image", path, "", str(error).removeprefix(f"{path} "))
            continue
        masks = _masks(folder / "onehotmask" / f"{path.stem}.npy", image.pyramid.shape, ledger)
        if masks is None:
            continue
        try:
            entry = _entry(index.get(path.stem, {}), len(masks))
        except (TypeError, ValueError, OverflowError) as error:
            ledger.fault("corrupt index", folder / INDEX, path.stem, str(error))
            continue
        boxes = _boxes(folder / "boxes" / f"{path.stem}.npy", len(masks), ledger)
        if boxes is False:
            continue
        objects = tuple(
            _objects(masks, boxes, entry, folder / "onehotmask" / f"{path.stem}.npy", spec, ledger)
        )
        if "video" in entry:
            video, frame = entry["video"], entry["frame"]
        else:
            video, frame = place(path.relative_to(folder / "img"), spec, path, ledger)
        scene = Scene(image.pyramid, objects, path.name, video, frame, entry.get("time"), image.grid)
        if kept := keep_scene(scene, path, spec, ledger):
            yield kept


def _index(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    try:
        frames = json.loads(path.read_text())["frames"]
        if not isinstance(frames, dict):
            raise TypeError("frames is no table")
        return frames
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} cannot be read as an index of frames: {error!r}") from error


def _entry(entry: Any, count: int) -> dict[str, Any]:
    """Return what the index says of an image, its numbers as such.

    Args:
        entry: A table of the index.
        count: Number of the image's masks.

    Raises:
        TypeError, ValueError, OverflowError: Something is no number or no list, or not one a mask.
    """
    if not isinstance(entry, dict):
        raise TypeError(f"{entry!r} is no table")
    checked = dict(entry)
    for name, kind in (("classes", str), ("ids", int), ("tracks", int)):
        values = entry.get(name)
        if values is None:
            continue
        if not isinstance(values, list) or len(values) != count:
            raise ValueError(f"{name} is {str(values)[:60]}, but there are {count} masks; list one a mask")
        checked[name] = [kind(value) for value in values]
    if "video" in entry:
        checked |= {"video": str(entry["video"]), "frame": int(entry.get("frame", -1))}
    return checked


def _load(path: Path) -> NDArray[Any]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        told = f"numbers of type {array.dtype}" if isinstance(array, np.ndarray) else "an archive of arrays"
        raise ValueError(f"it holds {told}; write one array of real numbers")
    return array


def _masks(path: Path, shape: tuple[int, int], ledger: Ledger) -> NDArray[Any] | None:
    try:
        masks = _load(path)
    except FileNotFoundError:
        ledger.fault("missing masks", path, "", "does not exist, but its image does")
    except UNREADABLE as error:
        ledger.fault("corrupt masks", path, "", f"cannot be read as masks: {error}")
    else:
        if masks.ndim == 3 and masks.shape[1:] == shape:
            return masks
        reason = f"masks are {masks.shape}, but the image is {shape[0]} x {shape[1]} (rows x columns)"
        ledger.fault("size of masks", path, "", reason)
    return None


def _boxes(path: Path, count: int, ledger: Ledger) -> NDArray[np.float64] | bool | None:
    """Return boxes [N, 4]; None where there is no file, False where it is no good."""
    if not path.exists():
        return None
    try:
        boxes = np.asarray(_load(path), np.float64)
    except UNREADABLE as error:
        ledger.fault("corrupt boxes", path, "", f"cannot be read as boxes: {error}")
        return False
    if boxes.size == 0 and count == 0:
        return boxes.reshape(0, 4)
    if boxes.shape != (count, 4):
        ledger.fault("corrupt boxes", path, "", f"boxes are {boxes.shape}, but there are {count} masks")
        return False
    return boxes


def _objects(
    masks: NDArray[Any],
    boxes: NDArray[np.float64] | bool | None,
    entry: dict[str, Any],
    path: Path,
    spec: DatasetSpec,
    ledger: Ledger,
) -> Iterator[SceneObject]:
    for i in range(len(masks)):
        item = f"object {i}"
        classes, ids, tracks = (entry.get(name) or () for name in ("classes", "ids", "tracks"))
        name = classes[i] if classes else spec.class_name
        if not wanted(name, path, item, spec, ledger):
            continue
        obj = object_of(np.asarray(masks[i]) > 0, name, ids[i] if ids else i, tracks[i] if tracks else -1)
        if obj is None:
            ledger.fault("empty mask", path, item, "its mask has no pixel")
            continue
        if isinstance(boxes, np.ndarray) and not np.abs(boxes[i] - obj.box).max() <= AWAY_PX:
            reason = f"box {numbers(boxes[i])} is not its mask's, {numbers(obj.box)}"
            ledger.fault("box beside its mask", path, item, reason)
            continue
        yield obj
