"""Readers of labelled data sets: four layouts, one value (`training.scenes.Scene`).

`open_dataset` is the way in. It reads all labels once, names everything that is wrong, and leaves pixels
where they are until a scene is looked at.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from training.readers.coco import read_coco_set
from training.readers.labelled_frames import read_labelled_frames
from training.readers.ledger import Ledger as Ledger
from training.readers.ledger import Skipped as Skipped
from training.readers.names import Told
from training.readers.names import warn_of_lone_frames as warn_of_lone_frames
from training.readers.polygons import read_polygons
from training.readers.release import read_release
from training.readers.spec import LAYOUTS as LAYOUTS
from training.readers.spec import VERTICES as VERTICES
from training.readers.spec import DatasetSpec as DatasetSpec
from training.scenes import DatasetError, Scene

log = logging.getLogger(__name__)

_READERS = {
    "release": read_release,
    "coco": read_coco_set,
    "frames": read_labelled_frames,
    "polygons": read_polygons,
}


@dataclass(frozen=True)
class LabelledSet:
    """A data set that is open.

    Attributes:
        spec: What it is.
        scenes: Its images with their objects; pixels are read when they are looked at.
        ledger: What was left out, and why.
    """

    spec: DatasetSpec
    scenes: tuple[Scene, ...]
    ledger: Ledger

    def summary(self) -> str:
        """Say what there is and what was left out."""
        objects = sum(len(scene.objects) for scene in self.scenes)
        videos = len({scene.video for scene in self.scenes if scene.video})
        first = f"{self.spec.path}: {len(self.scenes)} images, {objects} objects"
        first += f", {videos} videos" if videos else ""
        return "\n".join(filter(None, [first, self.ledger.summary()]))


def read_layout(
    spec: DatasetSpec,
    ledger: Ledger,
    progress: Callable[[int, int], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Iterator[Scene]:
    """Read a data set scene by scene; see `open_dataset`."""
    return _READERS[spec.layout](spec, ledger, Told(progress, cancel))


def open_dataset(
    spec: DatasetSpec,
    progress: Callable[[int, int], None] | None = None,
    cancel: Callable[[], bool] | None = None,
    objects: str = "",
) -> LabelledSet:
    """Open a data set: read its labels, and look at its images as the specification says.

    Args:
        spec: What it is and how it is laid out.
        progress: Called with the number of images read and their total.
        cancel: Asked between images whether to stop.
        objects: What happens at faults of single objects, where it is to differ from `spec.on_error`.

    Raises:
        DatasetError: Nothing is there, or something is wrong and `on_error` is "stop".
        Cancelled: `cancel` said so.
    """
    ledger = Ledger(spec.on_error, objects)
    scenes = tuple(read_layout(spec, ledger, progress, cancel))
    if not scenes:
        told = ledger.summary()
        raise DatasetError(f"{spec.path} holds no image that can be used" + (f"; {told}" if told else ""))
    return LabelledSet(spec, scenes, ledger)


def read_coco(path: Path, images: Path | None = None, vertices: str = "auto") -> Iterator[Scene]:
    """Read COCO instances into memory, one scene an image.

    Args:
        path: The annotations' JSON file.
        images: Folder of the images; `images/` beside the file by default.
        vertices: What polygons' vertices are; see `DatasetSpec`.

    Raises:
        DatasetError: The file is no COCO instances file, or an image is missing or corrupt. Annotations
            without a mask are left out, and named and counted in the log.
    """
    spec = DatasetSpec("coco", str(path), images=str(images or ""), in_memory=True, vertices=vertices)
    found = open_dataset(spec, objects="skip")
    log.log(logging.WARNING if found.ledger.skipped else logging.INFO, "%s", found.summary())
    return iter(found.scenes)
