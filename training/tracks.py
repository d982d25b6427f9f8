"""Box tracks of tracking data sets: MOT Challenge's text, or one file of boxes a sequence."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ros_sam_core.errors import ConfigInvalid
from training.readers.images import find_images
from training.readers.labelled_frames import read_table
from training.readers.ledger import Ledger
from training.readers.names import number_in
from training.readers.release import UNREADABLE
from training.scenes import DatasetError

Boxes = dict[Path, list["TrackBox"]]
SUFFIXES = (".txt", ".csv", ".npy")
PLACES = (
    "{0}{1}",
    "{0}_boxes{1}",
    "{0}/gt/gt{1}",
    "{0}/gt{1}",
    "{0}/groundtruth{1}",
    "{0}/{0}{1}",
    "{0}/boxes{1}",
)
"""Where a sequence's file of boxes is looked for in the folder of tracks: {0} the sequence, {1} a suffix."""


@dataclass(frozen=True)
class TrackOptions:
    """How files of boxes are read.

    Attributes:
        box_format: Four numbers of a file of boxes: "xyxy" corners, "xywh" corner and size, or "auto": xywh
            in text, as tracking data sets have it, xyxy in .npy, as ROS-SAM's release has it.
        first_pixel: Coordinate of the image's outer corner: 1 as in MOT Challenge, or 0. -1: 1 in MOT's text,
            0 in files of boxes.
        frames: Which image a frame number means: the one with this "number" in its name, or the one at this
            place in the "order" of names, from 1. "auto": the number, where every frame has such an image
            and none has the number 0; else the order.
        classes: Class table for MOT's eighth column, .json or .csv; empty: all are `class_name`.
        class_name: Class of what has none.

    Raises:
        ConfigInvalid: A field is out of range.
    """

    box_format: str = "auto"
    first_pixel: int = -1
    frames: str = "auto"
    classes: str = ""
    class_name: str = "object"

    def __post_init__(self) -> None:
        for name, allowed in (
            ("box_format", ("auto", "xyxy", "xywh")),
            ("first_pixel", (-1, 0, 1)),
            ("frames", ("auto", "number", "order")),
        ):
            if getattr(self, name) not in allowed:
                raise ConfigInvalid(f"{name} is {getattr(self, name)!r}; use one of {allowed}")


@dataclass(frozen=True)
class TrackBox:
    """A box of an object in a frame.

    Attributes:
        track: Number of the object, the same in all frames; -1 where it is not known.
        box: xmin, ymin, xmax, ymax, continuous pixels.
        class_name: Its class.
        item: Where it stands in its file, for messages.
    """

    track: int
    box: tuple[float, float, float, float]
    class_name: str
    item: str


@dataclass(frozen=True)
class TrackedSequence:
    """A sequence: its frames in order, and its file of boxes."""

    name: str
    boxes: Path
    frames: tuple[Path, ...]


def find_sequences(tracks: Path, images: Path, ledger: Ledger) -> list[TrackedSequence]:
    """Bring sequences and their files of boxes together.

    `images` is one image, a folder of one sequence's frames, or a folder of sequences; `tracks` the file of
    boxes of one sequence, or the folder of all (see `PLACES`).

    Raises:
        DatasetError: There is no sequence with boxes.
    """
    for path in (tracks, images):
        if not path.exists():
            raise DatasetError(f"{path} does not exist")
    if tracks.is_file():
        name = images.stem if images.is_file() else _title(images)
        frames = (images,) if images.is_file() else tuple(_by_number(find_images(images)))
        return [TrackedSequence(name, tracks, frames)]
    if images.is_file():
        raise DatasetError(f"{images} is one image, but {tracks} a folder; name its own file of boxes")
    folders = [p for p in sorted(images.iterdir()) if p.is_dir()]
    found, used = [], set()
    for folder in folders:
        boxes = _boxes_of(tracks, folder.name)
        if boxes is None:
            ledger.fault("missing boxes", folder, "", f"no file of boxes of this name is in {tracks}")
            continue
        used.add(boxes)
        found.append(TrackedSequence(folder.name, boxes, tuple(_by_number(find_images(folder)))))
    if not folders and (boxes := _boxes_of(tracks, _title(images))) is not None:
        return [TrackedSequence(_title(images), boxes, tuple(_by_number(find_images(images))))]
    for path in sorted(p for p in tracks.iterdir() if p.suffix.lower() in SUFFIXES and p not in used):
        ledger.fault("missing images", path, "", f"no folder of frames of this name is in {images}")
    if not found:
        raise DatasetError(f"{tracks} has no file of boxes for a sequence in {images}; see --help")
    return found


def _boxes_of(tracks: Path, name: str) -> Path | None:
    paths = (tracks / place.format(name, suffix) for place in PLACES for suffix in SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def _title(folder: Path) -> str:
    """Return the name of a folder of frames; its parent's, where it is named for what it holds."""
    return folder.resolve().parent.name if folder.name in ("frames", "images", "img", "img1") else folder.name


def _by_number(paths: Sequence[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: (path.parent, number_in(path), path.name))


def read_tracks(sequence: TrackedSequence, options: TrackOptions, ledger: Ledger) -> Boxes:
    """Read a sequence's boxes, by frame; frames without a box are left out.

    Raises:
        DatasetError: The file cannot be read, or does not fit the frames.
    """
    rows = list(_rows(sequence.boxes, ledger))
    widths = {len(values) for _, values in rows}
    if not rows:
        raise DatasetError(f"{sequence.boxes} holds no box")
    if widths == {4}:
        return _boxes(sequence, rows, options, ledger)
    return _mot(sequence, rows, options, ledger)


Row = tuple[str, list[float]]


def _rows(path: Path, ledger: Ledger) -> Iterator[Row]:
    """Yield the numbers of each row, and where it stands."""
    if path.suffix.lower() == ".npy":
        try:
            array = np.asarray(np.load(path, allow_pickle=False), float)
        except (*UNREADABLE, TypeError) as error:
            raise DatasetError(f"{path} cannot be read as boxes: {error}") from error
        if array.ndim != 2:
            raise DatasetError(f"{path} holds an array of shape {array.shape}; boxes are rows of numbers")
        yield from ((f"row {i}", row.tolist()) for i, row in enumerate(array))
        return
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read as text: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            values = [float(text) for text in re.split(r"[,;\s]+", line.strip().rstrip(",;"))]
        except ValueError:
            ledger.fault("bad line", path, f"line {number}", f"{line.strip()[:60]!r} are no numbers")
            continue
        if len(values) == 4 or len(values) >= 6:
            yield f"line {number}", values
        else:
            reason = f"has {len(values)} numbers; MOT has frame, track, left, top, width, height, …, a box 4"
            ledger.fault("bad line", path, f"line {number}", reason)


def _boxes(sequence: TrackedSequence, rows: Sequence[Row], options: TrackOptions, ledger: Ledger) -> Boxes:
    """Four numbers a row: one object over all frames, or all objects of one frame."""
    frames, path = sequence.frames, sequence.boxes
    if len(frames) != 1 and len(rows) != len(frames):
        raise DatasetError(
            f"{path} has {len(rows)} boxes, and {sequence.name} {len(frames)} frames; give a box a frame, "
            "or MOT's columns, which tell the frame"
        )
    chosen = options.box_format
    if chosen == "auto":
        chosen = "xyxy" if path.suffix.lower() == ".npy" else "xywh"
    found: Boxes = {}
    for i, (item, values) in enumerate(rows):
        if not any(values) or any(map(math.isnan, values)):
            ledger.left_out["rows without a box, where the object is out of sight"] += 1
            continue
        box = _box(values, chosen, max(options.first_pixel, 0), path, item, ledger)
        if box is not None:
            single = len(frames) == 1
            frame = frames[0] if single else frames[i]
            track = i + 1 if single else 1
            found.setdefault(frame, []).append(TrackBox(track, box, options.class_name, item))
    return found


def _mot(sequence: TrackedSequence, rows: Sequence[Row], options: TrackOptions, ledger: Ledger) -> Boxes:
    path = sequence.boxes
    table = read_table(Path(options.classes)) if options.classes else None
    images = _images_by_frame(sequence, [int(v[0]) for _, v in rows if math.isfinite(v[0])], options)
    first = 1 if options.first_pixel < 0 else options.first_pixel
    found: Boxes = {}
    seen: set[tuple[Path, int]] = set()
    for item, values in rows:
        if len(values) < 6:
            ledger.fault("bad line", path, item, f"has {len(values)} numbers, others more; MOT has 6 or more")
            continue
        if (
            not all(map(math.isfinite, values[:6]))
            or values[0] != int(values[0])
            or values[1] != int(values[1])
        ):
            ledger.fault("bad line", path, item, "frame and track are whole numbers, the box four numbers")
            continue
        number, track = int(values[0]), int(values[1])
        frame = images.get(number)
        if frame is None:
            ledger.fault("missing image", path, item, f"{sequence.name} has no frame {number}")
            continue
        if len(values) > 6 and values[6] == 0:
            ledger.left_out["boxes that are marked to be ignored (confidence 0)"] += 1
            continue
        if track >= 0 and (frame, track) in seen:
            ledger.fault("bad line", path, item, f"track {track} has a box in frame {number} already")
            continue
        name = _class_of(values, table, options, path, item, ledger)
        box = _box(values[2:6], "xywh", first, path, item, ledger)
        if name is not None and box is not None:
            seen.add((frame, track))
            found.setdefault(frame, []).append(TrackBox(max(track, -1), box, name, item))
    return found


def _images_by_frame(
    sequence: TrackedSequence, used: Sequence[int], options: TrackOptions
) -> dict[int, Path]:
    numbers = [number_in(path) for path in sequence.frames]
    unique = len(set(numbers)) == len(numbers)
    fits = unique and min(numbers, default=0) >= 1 and set(used) <= set(numbers)
    if options.frames == "number" or (options.frames == "auto" and fits):
        if not unique:
            raise DatasetError(f"frames of {sequence.name} share numbers in their names; use --frames order")
        return dict(zip(numbers, sequence.frames, strict=True))
    return dict(enumerate(sequence.frames, start=1))


def _class_of(
    values: Sequence[float],
    table: dict[tuple[str, int], str] | None,
    options: TrackOptions,
    path: Path,
    item: str,
    ledger: Ledger,
) -> str | None:
    if table is None:
        return options.class_name
    if len(values) < 8:
        ledger.fault("unknown class", path, item, "it has no eighth column, which tells the class")
        return None
    name = table.get(("", int(values[7]))) if math.isfinite(values[7]) else None
    if name is None:
        ledger.fault("unknown class", path, item, f"class {values[7]:g} is not in {options.classes}")
    return name


def _box(
    values: Sequence[float], kind: str, first: int, path: Path, item: str, ledger: Ledger
) -> tuple[float, float, float, float] | None:
    a, b, c, d = (float(v) for v in values)
    xmin, ymin = a - first, b - first
    xmax, ymax = (xmin + c, ymin + d) if kind == "xywh" else (c - first, d - first)
    if not all(map(math.isfinite, (xmin, ymin, xmax, ymax))) or xmax <= xmin or ymax <= ymin:
        told = ", ".join(f"{v:g}" for v in values)
        ledger.fault("bad line", path, item, f"box {told} ({kind}) has no width or no height")
        return None
    return xmin, ymin, xmax, ymax
