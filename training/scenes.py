"""Labelled scenes in memory: an image pyramid and its objects' masks, from COCO files or procedural."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ros_sam_core.errors import RosSamError

log = logging.getLogger(__name__)
Polygon = Sequence[Sequence[float]]


class DatasetError(RosSamError, ValueError):
    """A data set cannot be read as it stands."""


@dataclass(frozen=True)
class SceneObject:
    """One labelled object.

    Attributes:
        mask: uint8 [h, w], 0 or 1, cut out of the frame at (x0, y0).
        x0: Left edge of the cut in the frame, pixels.
        y0: Upper edge of the cut in the frame, pixels.
        box: xmin, ymin, xmax, ymax of the object in the frame, continuous pixels.
        class_name: The label.
        id: The annotation's own id.
    """

    mask: NDArray[np.uint8]
    x0: int
    y0: int
    box: tuple[float, float, float, float]
    class_name: str
    id: int = -1

    def frame_mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask in a whole frame, bool [H, W]."""
        full = np.zeros(shape, bool)
        height, width = self.mask.shape
        full[self.y0 : self.y0 + height, self.x0 : self.x0 + width] = self.mask > 0
        return full


@dataclass(frozen=True)
class Scene:
    """One image with its objects.

    Attributes:
        pyramid: uint8 [H, W, 3] and its halves by area averaging.
        objects: Its labelled objects.
        name: Where it is from, for messages.
    """

    pyramid: tuple[NDArray[np.uint8], ...]
    objects: tuple[SceneObject, ...]
    name: str

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The image at full resolution, uint8 [H, W, 3]."""
        return self.pyramid[0]


def reduce_by(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Reduce an image [H, W, C] by area averaging; rows and columns that do not fill a cell are dropped."""
    height, width = image.shape[0] // factor, image.shape[1] // factor
    cells = image[: height * factor, : width * factor].astype(np.float32)
    mean = cells.reshape(height, factor, width, factor, -1).mean(axis=(1, 3))
    return np.rint(mean).astype(np.uint8)


def build_pyramid(rgb: NDArray[np.uint8], levels: int = 4) -> tuple[NDArray[np.uint8], ...]:
    """Return an image and its halves, quarters and so on."""
    pyramid = [np.ascontiguousarray(rgb)]
    while len(pyramid) < levels and min(pyramid[-1].shape[:2]) >= 32:
        pyramid.append(reduce_by(pyramid[-1], 2))
    return tuple(pyramid)


def polygons_to_object(
    polygons: Sequence[Polygon], class_name: str, object_id: int = -1
) -> SceneObject | None:
    """Rasterise polygons whose vertices are indices of the object's own outermost pixels.

    COCO polygons are traced through the centres of the boundary pixels, so those pixels belong to the mask:
    this, and not the shoelace area, comes closest to the `area` that NWPU VHR-10's annotations state
    (1.6 % off on average; half a pixel less all round is 4.8 % off).

    Returns:
        The object, or None where no polygon has three vertices.
    """
    rings = [np.asarray(p, float).reshape(-1, 2) for p in polygons if len(np.ravel(p)) >= 6]
    if not rings:
        return None
    low = np.floor(np.min([ring.min(0) for ring in rings], axis=0)).astype(int)
    high = np.ceil(np.max([ring.max(0) for ring in rings], axis=0)).astype(int)
    width, height = (high - low + 1).tolist()
    canvas = Image.new("L", (width, height))
    for ring in rings:
        ImageDraw.Draw(canvas).polygon([tuple(xy) for xy in (ring - low)], fill=1, outline=1)
    x0, y0 = (int(v) for v in low)
    return SceneObject(np.asarray(canvas), x0, y0, (x0, y0, x0 + width, y0 + height), class_name, object_id)


def read_coco(path: Path, images: Path | None = None) -> Iterator[Scene]:
    """Read COCO instances with polygon segmentations, one scene an image.

    Args:
        path: The annotations' JSON file.
        images: Folder of the images; `images/` beside the file by default.

    Raises:
        DatasetError: The file is no COCO instances file, or an image is missing.
    """
    folder = images or path.parent / "images"
    try:
        data = json.loads(path.read_text())
        names = {c["id"]: c["name"] for c in data["categories"]}
        by_image: dict[int, list[SceneObject]] = {image["id"]: [] for image in data["images"]}
        for a in data["annotations"]:
            if a.get("iscrowd"):
                continue
            made = polygons_to_object(a["segmentation"], names[a["category_id"]], a["id"])
            if made is None:
                log.warning("%s: annotation %s has no polygon of three vertices; left out", path, a["id"])
            else:
                by_image[a["image_id"]].append(made)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} cannot be read as COCO instances: {error!r}") from error
    for image in sorted(data["images"], key=lambda i: i["id"]):
        file = folder / image["file_name"]
        try:
            rgb = np.asarray(Image.open(file).convert("RGB"))
        except OSError as error:
            raise DatasetError(f"{file}, named in {path}, cannot be read: {error}") from error
        yield Scene(build_pyramid(rgb), tuple(by_image[image["id"]]), file.name)


def split_scenes(scenes: Sequence[Scene], share: float, seed: int) -> tuple[list[Scene], list[Scene]]:
    """Set a seeded share of the scenes aside; returns (train, set aside)."""
    order = np.random.default_rng(seed).permutation(len(scenes))
    aside = set(order[: round(share * len(scenes))].tolist())
    return [s for i, s in enumerate(scenes) if i not in aside], [
        s for i, s in enumerate(scenes) if i in aside
    ]
