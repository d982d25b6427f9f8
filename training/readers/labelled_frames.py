"""Labelled frames: beside each image a raster of whole numbers, 0 where there is nothing.

The class table is a `.json`, {"1": "ship"}, or a `.csv` with the columns `value` and `name`, and `frame`
where a number means another class in each frame. Of instances with a `divisor`, it names the number's class
part. Frames in one folder are one video; the number of an instance is then its track.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.errors import RasterioError
from scipy import ndimage

from training.readers.images import RASTERS, find_images, keep_scene, open_image, wanted
from training.readers.ledger import Ledger
from training.readers.names import Told, place, steps
from training.readers.spec import DatasetSpec
from training.scenes import DatasetError, Scene, SceneObject, object_of

Table = dict[tuple[str, int], str]


def read_labelled_frames(spec: DatasetSpec, ledger: Ledger, told: Told) -> Iterator[Scene]:
    """Read frames and their label rasters; see `training.readers.open_dataset`."""
    folder = Path(spec.path)
    images = Path(spec.images) if spec.images else folder.parent / "images"
    table = read_table(Path(spec.classes)) if spec.classes else None
    labels, frames = (_by_name(root, ledger) for root in (folder, images))
    for stem in sorted(labels.keys() - frames.keys()):
        ledger.fault("missing image", labels[stem], "", f"there is no image of this name in {images}")
    for stem, path in steps(sorted(frames.items()), told):
        if stem not in labels:
            ledger.fault("missing masks", path, "", f"there is no label raster of this name in {folder}")
            continue
        try:
            image = open_image(path, spec.bands, spec.stretch)
        except DatasetError as error:
            ledger.fault("corrupt image", path, "", str(error).removeprefix(f"{path} "))
            continue
        try:
            values = _numbers(labels[stem])
        except (DatasetError, OSError, ValueError, SyntaxError, RasterioError) as error:
            ledger.fault("corrupt masks", labels[stem], "", f"cannot be read as labels: {error}")
            continue
        if values.shape != image.pyramid.shape:
            (rows, columns), (height, width) = values.shape, image.pyramid.shape
            reason = f"is {columns} x {rows}, its image {width} x {height}"
            ledger.fault("size of masks", labels[stem], "", reason)
            continue
        name = path.relative_to(images)
        video, frame = place(name, spec, path, ledger)
        objects = tuple(_objects(values, stem, bool(video), table, labels[stem], spec, ledger))
        scene = Scene(image.pyramid, objects, name.as_posix(), video, frame, image.time, image.grid)
        if kept := keep_scene(scene, path, spec, ledger):
            yield kept


def _by_name(folder: Path, ledger: Ledger) -> dict[str, Path]:
    """Return the images of a folder by their names without suffix; a second one of a name is a fault."""
    found: dict[str, Path] = {}
    for path in find_images(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            reason = f"{found[name].name} beside it has the same name; one of them may stay"
            ledger.fault("same name", path, "", reason)
            continue
        found[name] = path
    return found


def read_table(path: Path) -> Table:
    """Read a class table as {(frame or "", value): name}.

    Raises:
        DatasetError: It cannot be read.
    """
    try:
        if path.suffix.lower() == ".json":
            table = {("", int(value)): name for value, name in json.loads(path.read_text()).items()}
        else:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = list(csv.DictReader(file))
            table = {(row.get("frame") or "", int(row["value"])): row["name"] for row in rows}
        for (_, value), name in table.items():
            if not isinstance(name, str) or not name:
                raise ValueError(f"value {value} has the name {name!r}")
        return table
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f'{path} cannot be read as a class table ({error!r}); write {{"1": "ship"}} in a .json, or the '
            "columns value and name in a .csv"
        ) from error


def _numbers(path: Path) -> NDArray[np.integer[Any]]:
    if path.suffix.lower() in RASTERS:
        with rasterio.open(path) as source:
            values = source.read(1) if source.count == 1 else None
            kind = f"{source.count} bands"
    else:
        with Image.open(path) as image:
            values, kind = np.array(image), f"mode {image.mode}"
    if values is None or values.ndim != 2 or not (values.dtype.kind in "iu" or values.dtype == bool):
        raise DatasetError(f"it has {kind}; labels are one whole number a pixel")
    return values.astype(np.int64) if values.dtype == bool else values


def _objects(
    values: NDArray[np.integer[Any]],
    stem: str,
    is_video: bool,
    table: Table | None,
    path: Path,
    spec: DatasetSpec,
    ledger: Ledger,
) -> Iterator[SceneObject]:
    found, places = np.unique(values, return_inverse=True)
    places = places.reshape(values.shape) + 1
    bounds = ndimage.find_objects(places, len(found))
    for index, number in enumerate(found.tolist()):
        if number == 0 or number in spec.ignore:
            continue
        item = f"value {number}"
        if number < 0:
            ledger.fault("unknown class", path, item, "labels are 0 or more; name others in ignore")
            continue
        key = number // spec.divisor if spec.divisor and spec.values == "instance" else number
        if table is None:
            name = spec.class_name
        elif (told := table.get((stem, key), table.get(("", key)))) is not None:
            name = told
        else:
            ledger.fault("unknown class", path, item, f"{key} is not in the class table {spec.classes}")
            continue
        if not wanted(name, path, item, spec, ledger):
            continue
        rows, columns = bounds[index]
        own = places[rows, columns] == index + 1
        origin = (columns.start, rows.start)
        if spec.values == "instance":
            parts, count = own.astype(np.int32), 1
        else:
            parts, count = ndimage.label(own, np.ones((3, 3)))
        for part in range(1, count + 1):
            track = number if is_video and spec.values == "instance" else -1
            own_id = number if spec.values == "instance" else part
            obj = object_of(parts == part, name, own_id, track, origin)
            assert obj is not None  # each part has a pixel
            yield obj
