"""Which video a frame belongs to, and how far the reading is."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ros_sam_core.errors import Cancelled
from training.readers.ledger import Ledger
from training.readers.spec import DatasetSpec
from training.scenes import Scene

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Told:
    """Whom to tell how far the reading is, and whom to ask whether to stop.

    Attributes:
        progress: Called with the number of images read and their total.
        cancel: Asked between images.
    """

    progress: Callable[[int, int], None] | None = None
    cancel: Callable[[], bool] | None = None


def steps(items: Sequence[T], told: Told) -> Iterator[T]:
    """Go through items, telling how far it is.

    Raises:
        Cancelled: The caller asked to stop.
    """
    for done, item in enumerate(items):
        if told.cancel is not None and told.cancel():
            raise Cancelled(f"stopped after {done} of {len(items)} images, as asked")
        yield item
        if told.progress is not None:
            told.progress(done + 1, len(items))


def number_in(path: Path) -> int:
    """Return the last number in a file's name; -1 where there is none."""
    digits = re.findall(r"\d+", path.stem)
    return int(digits[-1]) if digits else -1


def place(relative: Path, spec: DatasetSpec, file: Path, ledger: Ledger) -> tuple[str, int]:
    """Return the video and the number of a frame by its name.

    The video is what the specification's expression finds, else the frame's folder; the number is the last
    one in the name. A name in which the expression finds nothing is a fault, because the frame's neighbours
    could not be kept together.
    """
    if spec.video:
        match = re.search(spec.video, relative.as_posix())
        if match is None:
            ledger.fault("no video", file, "", f"its name does not fit video = {spec.video!r}")
        video = (match.group(1) or "") if match else ""
    else:
        video = "" if relative.parent == Path(".") else relative.parent.as_posix()
    return video, number_in(relative) if video else -1


def warn_of_lone_frames(spec: DatasetSpec, scenes: Sequence[Scene]) -> None:
    """Say so where a split would go frame by frame, since nothing tells which video a frame is of.

    Args:
        spec: The data set; only layouts of frames are looked at.
        scenes: What was read of it.
    """
    lone = [scene for scene in scenes if not scene.video]
    if spec.layout in ("release", "frames") and len(lone) > 1:
        log.warning(
            "%s: %d of its %d frames, such as %s, name no video, so that the split takes each by itself. "
            "Frames of one video are all but alike: with some on either side, figures on those set aside "
            "come out too high. Give an expression that finds the video in a name, like video = '^(.+)_' "
            "(--video), or one folder a video; images that belong to no video need neither",
            spec.path,
            len(lone),
            len(scenes),
            lone[0].name,
        )
