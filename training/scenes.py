"""Labelled scenes, the values that every reader yields and everything else in training takes.

A scene's pixels are in memory, or read when they are looked at (`StoredPyramid`); masks are kept packed, so
that the labels of a data set larger than memory fit into it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ros_sam_core.errors import RosSamError
from ros_sam_core.geo.grid import Grid

Polygon = Sequence[Sequence[float]]
LEVELS = 4
"""Levels of a pyramid."""
LEAST_PX = 32
"""An image whose shorter side is less has no further level."""


class DatasetError(RosSamError, ValueError):
    """A data set cannot be read as it stands."""


@dataclass(frozen=True, init=False, slots=True)
class SceneObject:
    """One labelled object.

    Args:
        mask: [h, w], object where it is not 0, cut out of the frame at (x0, y0). It is kept packed, about a
            tenth of a byte a pixel, and unpacked whenever it is asked for.
        x0: Left edge of the cut in the frame, pixels.
        y0: Upper edge of the cut in the frame, pixels.
        box: xmin, ymin, xmax, ymax of the object in the frame, continuous pixels.
        class_name: The label.
        id: The annotation's own id.
        track: The same in every frame of a video; -1 where it is not known.
    """

    packed: bytes
    size: tuple[int, int]
    x0: int
    y0: int
    box: tuple[float, float, float, float]
    class_name: str
    id: int
    track: int

    def __init__(
        self,
        mask: NDArray[np.uint8] | NDArray[np.bool_],
        x0: int,
        y0: int,
        box: tuple[float, float, float, float],
        class_name: str,
        id: int = -1,
        track: int = -1,
    ) -> None:
        height, width = mask.shape
        values = {
            "packed": zlib.compress(np.packbits(mask > 0).tobytes(), 1),
            "size": (int(height), int(width)),
            "x0": int(x0),
            "y0": int(y0),
            "box": box,
            "class_name": class_name,
            "id": id,
            "track": track,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def mask(self) -> NDArray[np.uint8]:
        """The mask in its cut, uint8 [h, w], 0 or 1."""
        height, width = self.size
        bits = np.frombuffer(zlib.decompress(self.packed), np.uint8)
        return np.unpackbits(bits, count=height * width).reshape(height, width)

    def frame_mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask in a whole frame, bool [H, W]; what reaches beyond the frame is cut off."""
        full = np.zeros(shape, bool)
        top, left = max(self.y0, 0), max(self.x0, 0)
        bottom, right = min(self.y0 + self.size[0], shape[0]), min(self.x0 + self.size[1], shape[1])
        if bottom > top and right > left:
            part = self.mask[top - self.y0 : bottom - self.y0, left - self.x0 : right - self.x0]
            full[top:bottom, left:right] = part > 0
        return full


def object_of(
    mask: NDArray[np.bool_] | NDArray[np.uint8],
    class_name: str,
    id: int = -1,
    track: int = -1,
    origin: tuple[int, int] = (0, 0),
) -> SceneObject | None:
    """Cut an object out of a mask [h, w] at its tight box.

    Args:
        mask: Object where it is not 0.
        class_name: The label.
        id: The annotation's own id.
        track: See `SceneObject`.
        origin: x, y of the mask's own corner in the frame.

    Returns:
        The object, or None where the mask is empty.
    """
    rows = np.flatnonzero(mask.any(1))
    if not len(rows):
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(0))
    y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    dx, dy = origin
    box = (float(x0 + dx), float(y0 + dy), float(x1 + dx), float(y1 + dy))
    return SceneObject(mask[y0:y1, x0:x1], x0 + dx, y0 + dy, box, class_name, id, track)


class PixelSource(Protocol):
    """Where a stored image's pixels come from: hashable, and small to send to another process."""

    def read(self) -> NDArray[np.uint8]:
        """Return the image, uint8 [H, W, 3].

        Raises:
            DatasetError: It cannot be read.
        """


@dataclass(frozen=True)
class StoredPyramid(Sequence[NDArray[np.uint8]]):
    """An image and its halves, read when they are looked at; each process keeps the last few levels.

    Attributes:
        source: Where the pixels are.
        shape: Rows, columns.
    """

    source: PixelSource
    shape: tuple[int, int]

    def __len__(self) -> int:
        levels, least = 1, min(self.shape)
        while levels < LEVELS and least >= LEAST_PX:
            levels, least = levels + 1, least // 2
        return levels

    @overload
    def __getitem__(self, level: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, level: slice) -> tuple[NDArray[np.uint8], ...]: ...
    def __getitem__(self, level: int | slice) -> NDArray[np.uint8] | tuple[NDArray[np.uint8], ...]:
        if isinstance(level, slice):
            return tuple(self[i] for i in range(*level.indices(len(self))))
        if not -len(self) <= level < len(self):
            raise IndexError(f"level {level} of {len(self)}")
        return _level(self.source, level % len(self))


@lru_cache(maxsize=4)
def _level(source: PixelSource, level: int) -> NDArray[np.uint8]:
    pixels = reduce_by(_level(source, level - 1), 2) if level else source.read()
    pixels.setflags(write=False)
    return pixels


@dataclass(frozen=True)
class Scene:
    """One image with its objects.

    Attributes:
        pyramid: uint8 [H, W, 3] and its halves by area averaging, in memory or a `StoredPyramid`.
        objects: Its labelled objects.
        name: Where it is from, for messages; unique in its data set.
        video: Name of the video that it is a frame of; "" where it is none or that is not known.
        frame: Number of the frame in its video; -1 where it is not known.
        time: When it was taken, ISO 8601, if known.
        grid: Where it is on Earth, if known.
    """

    pyramid: Sequence[NDArray[np.uint8]]
    objects: tuple[SceneObject, ...]
    name: str
    video: str = ""
    frame: int = -1
    time: str | None = None
    grid: Grid | None = None

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The image at full resolution, uint8 [H, W, 3]."""
        return self.pyramid[0]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns; reads no pixels."""
        if isinstance(self.pyramid, StoredPyramid):
            return self.pyramid.shape
        height, width = self.pyramid[0].shape[:2]
        return height, width


def reduce_by(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Reduce an image [H, W, C] by area averaging; rows and columns that do not fill a cell are dropped."""
    height, width = image.shape[0] // factor, image.shape[1] // factor
    cells = image[: height * factor, : width * factor].astype(np.float32)
    mean = cells.reshape(height, factor, width, factor, -1).mean(axis=(1, 3))
    return np.rint(mean).astype(np.uint8)


def build_pyramid(rgb: NDArray[np.uint8], levels: int = LEVELS) -> tuple[NDArray[np.uint8], ...]:
    """Return an image and its halves, quarters and so on."""
    pyramid = [np.ascontiguousarray(rgb)]
    while len(pyramid) < levels and min(pyramid[-1].shape[:2]) >= LEAST_PX:
        pyramid.append(reduce_by(pyramid[-1], 2))
    return tuple(pyramid)


def polygons_to_object(
    polygons: Sequence[Polygon], class_name: str, object_id: int = -1
) -> SceneObject | None:
    """Rasterise polygons whose vertices are indices of the object's own outermost pixels.

    COCO polygons are traced through the centres of the boundary pixels, so those pixels belong to the mask:
    this, and not the shoelace area, comes closest to the `area` that NWPU VHR-10's annotations state
    (1.8 % off on average; half a pixel less all round is 5.6 % off).

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


def split_scenes(scenes: Sequence[Scene], share: float, seed: int) -> tuple[list[Scene], list[Scene]]:
    """Set a seeded share of the scenes aside, whole videos at a time; returns (train, set aside)."""
    groups: dict[object, list[int]] = {}
    for index, scene in enumerate(scenes):
        groups.setdefault(scene.video or index, []).append(index)
    members = list(groups.values())
    order = np.random.default_rng(seed).permutation(len(members))
    aside = {i for group in order[: round(share * len(members))] for i in members[group]}
    return [s for i, s in enumerate(scenes) if i not in aside], [
        s for i, s in enumerate(scenes) if i in aside
    ]


def why_undivided(scenes: Sequence[Scene], share: float) -> str:
    """Say why `split_scenes` puts all scenes on one side, and what to do; "" where it does not."""
    videos = {scene.video for scene in scenes if scene.video}
    lone = sum(not scene.video for scene in scenes)
    groups = len(videos) + lone
    if 0 < round(share * groups) < groups:
        return ""
    if groups == 1 and len(scenes) > 1:
        return (
            f"all {len(scenes)} images count as frames of one video, {scenes[0].video!r}, which is never "
            "divided. Where the labels name no video, an image's folder is its video: for images that belong "
            "to none give video = '([^/]+)$' (--video), for several videos an expression that finds their "
            "names"
        )
    told = f"{lone} images" if not videos else f"{len(videos)} videos" + (f" and {lone} images" * (lone > 0))
    return f"a share of {share:g} of {told} comes to {round(share * groups)}; choose another share"
