"""The work of `training.labels`: sequence by sequence, frame by frame, resumable."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from PIL import Image

from ros_sam_core.errors import Cancelled, ConfigInvalid
from ros_sam_core.geo.array_frame import ArrayFrame
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import Prompt
from ros_sam_core.geo.segments import Segment
from ros_sam_core.geo.vectorize import measure
from ros_sam_core.predict.segmenter import Segmenter
from training.coco_writer import CocoFile, annotation_of
from training.drawing import Marked, draw_marks
from training.readers.coco import object_in_pixels
from training.readers.images import OpenImage, clip, open_image
from training.readers.ledger import Ledger
from training.release_writer import write_bytes, write_json
from training.rle import decode_rle
from training.scenes import DatasetError
from training.tracks import TrackBox, TrackedSequence, TrackOptions, find_sequences, read_tracks

log = logging.getLogger(__name__)
TOLD = 20


@dataclass(frozen=True)
class LabelOptions:
    """What is made of box tracks.

    Attributes:
        on_error: "stop" at the first bad line or image, or "skip" it and say so.
        polygons: Write a GeoPackage for each sequence of georeferenced frames.
        overlays: Pictures to check each sequence by.
        bands: Bands of rasters, counted from 1; empty: red, green and blue.
        stretch: Stretch of rasters to 8 bit; empty: none for 8-bit pixels.
        tracks: How files of boxes are read.

    Raises:
        ConfigInvalid: A field is out of range.
    """

    on_error: str = "stop"
    polygons: bool = True
    overlays: int = 3
    bands: tuple[int, ...] = ()
    stretch: str = ""
    tracks: TrackOptions = field(default_factory=TrackOptions)

    def __post_init__(self) -> None:
        if self.on_error not in ("stop", "skip"):
            raise ConfigInvalid(f"on_error is {self.on_error!r}; use 'stop' or 'skip'")
        if self.overlays < 0:
            raise ConfigInvalid(f"overlays is {self.overlays}; it must be 0 or more")


@dataclass(frozen=True)
class LabelResult:
    """What a run made.

    Attributes:
        path: The COCO-video file of everything.
        masks: Objects with a mask.
        failed: Boxes in which nothing was found.
        skipped: Lines, boxes and images that were left out because something is wrong with them.
        text: The report.
    """

    path: Path
    masks: int
    failed: int
    skipped: int
    text: str


class Journal:
    """The finished frames of a sequence, a line each; a line that was cut off is dropped.

    Args:
        path: The file.
        settings: What the frames were made with; a journal made with others is refused.

    Raises:
        DatasetError: The journal was made with other settings, or is damaged.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        head = json.dumps(settings, sort_keys=True)
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        lines = whole.decode(errors="replace").splitlines()
        if lines and lines[0] != head:
            raise DatasetError(
                f"{path} was made with another model, other boxes or other options; name another output "
                "folder, or remove this one"
            )
        if not lines:
            write_bytes(path, (head + "\n").encode())
        elif whole != content:
            write_bytes(path, whole)
        self.frames: dict[str, dict[str, Any]] = {}
        for number, line in enumerate(lines[1:], start=2):
            try:
                entry = json.loads(line)
                self.frames[entry["file_name"]] = entry
            except (ValueError, KeyError, TypeError) as error:
                raise DatasetError(
                    f"{path}, line {number} is damaged: {error!r}; take this line out, and its frame is made "
                    "again"
                ) from error

    def add(self, entry: dict[str, Any]) -> None:
        """Add a finished frame."""
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.frames[entry["file_name"]] = entry


class LabelJob:
    """Masks for all boxes of all sequences.

    Args:
        segmenter: The model.
        tracks: File of boxes of one sequence, or folder of all; see `training.tracks.find_sequences`.
        images: An image, a folder of frames, or a folder of sequences.
        output: Folder of the result: `labels.json`, COCO-video of everything, with file names relative to
            `images`; and for each sequence its own `.json`, and `.gpkg` where its frames are georeferenced.
        options: What is made.
    """

    def __init__(
        self, segmenter: Segmenter, tracks: Path, images: Path, output: Path, options: LabelOptions
    ) -> None:
        self.segmenter, self.output, self.options = segmenter, output, options
        self.root = images if images.is_dir() else images.parent
        self.ledger = Ledger(options.on_error)
        self.work = []
        for sequence in find_sequences(tracks, images, self.ledger):
            boxes = read_tracks(sequence, options.tracks, self.ledger)
            self.work.append((sequence, boxes))

    def run(
        self, progress: Callable[[int, int], None] | None = None, cancel: Callable[[], bool] | None = None
    ) -> LabelResult:
        """Do what is left to do, and write the result.

        Args:
            progress: Called with the number of frames done and their total.
            cancel: Asked between frames whether to stop.

        Raises:
            DatasetError: A frame cannot be read and `on_error` is "stop", or the output is another run's.
            Cancelled: `cancel` said so; what is finished stays, and the next run goes on from it.
        """
        total, done = sum(len(boxes) for _, boxes in self.work), 0
        (self.output / "journal").mkdir(parents=True, exist_ok=True)
        journals = [
            (s, b, Journal(self.output / "journal" / f"{s.name}.jsonl", self._settings(s, b)))
            for s, b in self.work
        ]
        for sequence, boxes, journal in journals:
            for frame in sequence.frames:
                if frame not in boxes:
                    continue
                if cancel is not None and cancel():
                    raise Cancelled(f"stopped after {done} of {total} frames, as asked")
                entry = journal.frames.get(self._name(frame))
                if entry is not None:  # of an earlier run, whose faults are told again
                    self._inside(sequence, boxes[frame], tuple(entry["shape"]))
                elif (entry := self._label(sequence, frame, boxes[frame])) is not None:
                    journal.add(entry)
                done += 1
                if progress is not None:
                    progress(done, total)
            self._finish(sequence, journal)
        return self._report([(s, j) for s, _, j in journals])

    def _settings(self, sequence: TrackedSequence, boxes: dict[Path, list[TrackBox]]) -> dict[str, Any]:
        told = [(self._name(f), [(b.track, b.box, b.class_name) for b in some]) for f, some in boxes.items()]
        return {
            "sequence": sequence.name,
            "model": self.segmenter.name,
            "weights": self.segmenter.weights,
            "bands": list(self.options.bands),
            "stretch": self.options.stretch,
            "boxes": hashlib.sha256(repr(told).encode()).hexdigest(),
        }

    def _name(self, frame: Path) -> str:
        return frame.relative_to(self.root).as_posix()

    def _label(self, sequence: TrackedSequence, path: Path, boxes: list[TrackBox]) -> dict[str, Any] | None:
        """Return a frame's entry of the journal; None where the frame is no good and is skipped."""
        try:
            image = open_image(path, self.options.bands, self.options.stretch)
            rgb = image.pyramid[0]
        except DatasetError as error:
            self.ledger.fault("corrupt image", path, "", str(error).removeprefix(f"{path} "))
            return None
        height, width = rgb.shape[:2]
        inside = self._inside(sequence, boxes, (height, width))
        frame = ArrayFrame(rgb, Grid((height, width)), source=str(path), frame=path.stem, time=image.time)
        prompts = [Prompt(box.item, box=box.box) for box in inside]
        entry: dict[str, Any] = {"file_name": self._name(path), "shape": [height, width], "time": image.time}
        entry |= {"annotations": [], "failed": []}
        for box, result in zip(inside, self.segmenter.iter_segments(frame, prompts), strict=True):
            annotation = self._annotation(box, result, image, sequence)
            if annotation is None:
                reason = "no object was found" if isinstance(result, Segment) else str(result.error)
                entry["failed"].append({"item": box.item, "track": box.track, "reason": reason})
            else:
                entry["annotations"].append(annotation)
        return entry

    def _inside(
        self, sequence: TrackedSequence, boxes: Sequence[TrackBox], shape: tuple[int, int]
    ) -> list[TrackBox]:
        """Return the boxes that touch their frame; any other one is a fault."""
        height, width = shape
        inside = []
        for box in boxes:
            xmin, ymin, xmax, ymax = box.box
            if xmin < width and ymin < height and xmax > 0 and ymax > 0:
                inside.append(box)
            else:
                reason = (
                    f"box {tuple(round(v, 2) for v in box.box)} lies outside its frame of {width} x {height}"
                )
                self.ledger.fault("outside", sequence.boxes, box.item, reason)
        return inside

    def _annotation(
        self, box: TrackBox, result: Any, image: OpenImage, sequence: TrackedSequence
    ) -> dict[str, Any] | None:
        if not isinstance(result, Segment):
            return None
        obj = object_in_pixels(result.geometry, box.class_name, -1, box.track)
        if obj is None:
            return None
        obj = clip(obj, image.pyramid.shape, sequence.boxes, box.item, Ledger("skip"))
        if obj is None:
            return None
        annotation = annotation_of(obj, image.pyramid.shape)
        annotation |= {"score": round(float(result.score), 4), "class": box.class_name}
        annotation["prompt_box"] = [round(v, 3) for v in box.box]
        if self.options.polygons and image.grid is not None and image.grid.crs is not None:
            shape = shapely.transform(result.geometry, image.grid.pixel_to_map)
            annotation |= {"wkb": shapely.to_wkb(shape, hex=True), "crs": image.grid.crs.to_wkt()}
        return annotation

    def _finish(self, sequence: TrackedSequence, journal: Journal) -> None:
        """Write a sequence's own files."""
        file = CocoFile(self._info())
        self._collect(file, sequence, journal)
        file.write(self.output / f"{sequence.name}.json")
        _write_polygons(self.output / f"{sequence.name}.gpkg", journal)
        frames = [f for f in sequence.frames if self._name(f) in journal.frames]
        count = min(self.options.overlays, len(frames))
        for place in np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int)) if count else ():
            path = self.output / "overlays" / f"{sequence.name}-{frames[place].stem}.png"
            if not path.exists():
                try:
                    self._overlay(frames[place], journal.frames[self._name(frames[place])], path)
                except DatasetError as error:  # damaged since its masks were made
                    reason = str(error).removeprefix(f"{frames[place]} ")
                    self.ledger.fault("corrupt image", frames[place], "", reason)

    def _overlay(self, frame: Path, entry: dict[str, Any], path: Path) -> None:
        rgb: NDArray[np.uint8] = open_image(frame, self.options.bands, self.options.stretch).pyramid[0]
        marks = [
            Marked(decode_rle(a["segmentation"]), tuple(a["prompt_box"]), label=f"{a['score']:.2f}")
            for a in entry["annotations"]
        ]
        path.parent.mkdir(exist_ok=True)
        partial = path.with_name(f".{path.name}")
        Image.fromarray(draw_marks(rgb, marks, zoom=2 if max(rgb.shape) <= 1500 else 1)).save(partial, "PNG")
        os.replace(partial, path)

    def _info(self) -> dict[str, Any]:
        return {
            "description": "masks from box tracks by ROS-SAM",
            "model": self.segmenter.name,
            "weights": self.segmenter.weights,
        }

    def _collect(self, file: CocoFile, sequence: TrackedSequence, journal: Journal) -> None:
        for number, frame in enumerate(sequence.frames, start=1):
            entry = journal.frames.get(self._name(frame))
            if entry is None:
                continue
            image = file.add_image(
                entry["file_name"], tuple(entry["shape"]), sequence.name, number, entry["time"]
            )
            for annotation in entry["annotations"]:
                kept = {k: v for k, v in annotation.items() if k not in ("class", "wkb", "crs")}
                file.add(image, annotation["class"], kept)

    def _report(self, journals: list[tuple[TrackedSequence, Journal]]) -> LabelResult:
        file = CocoFile(self._info())
        rows, failures = [], []
        for sequence, journal in journals:
            self._collect(file, sequence, journal)
            failed = [(f["item"], f["reason"]) for e in journal.frames.values() for f in e["failed"]]
            failures += [f"- {sequence.boxes}, {item}: {reason}" for item, reason in failed]
            scores = [a["score"] for e in journal.frames.values() for a in e["annotations"]]
            rows.append((sequence.name, len(journal.frames), len(scores), len(failed), scores))
        path = self.output / "labels.json"
        file.write(path)
        masks, failed = sum(row[2] for row in rows), sum(row[3] for row in rows)
        frames = sum(row[1] for row in rows)
        lines = [
            f"{path}: {masks} masks in {frames} frames of {len(rows)} sequences, by {self.segmenter.name}"
        ]
        if failed:
            lines.append(f"{failed} boxes gave no mask:")
            lines += failures[:TOLD] + ([f"- and {failed - TOLD} more"] if failed > TOLD else [])
        lines += filter(None, [self.ledger.summary()])
        for name, count, made, lost, scores in rows:
            mean = f", mean score {np.mean(scores):.2f}" if scores else ""
            lines.append(f"{name}: {count} frames, {made} masks, {lost} without{mean}")
        text = "\n".join(lines)
        write_bytes(self.output / "report.txt", (text + "\n").encode())
        write_json(
            self.output / "report.json",
            {"masks": masks, "failed": failures, "options": asdict(self.options), **self.ledger.as_dict()},
        )
        return LabelResult(path, masks, failed, len(self.ledger.skipped), text)


def _polygon_rows(journal: Journal) -> Iterator[tuple[str, dict[str, Any]]]:
    for entry in journal.frames.values():
        for a in entry["annotations"]:
            if "wkb" in a:
                row = {"track": a.get("track_id", -1), "class": a["class"], "score": a["score"]}
                row |= {"frame": Path(entry["file_name"]).stem, "time": entry["time"]}
                yield a["crs"], row | {"geometry": shapely.from_wkb(a["wkb"])}


def _write_polygons(path: Path, journal: Journal) -> None:
    """Write a sequence's polygons, in the CRS of its first frame."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for crs, row in _polygon_rows(journal):
        parts.setdefault(crs, []).append(row)
    if not parts:
        return
    first = next(iter(parts))
    tables = [geopandas.GeoDataFrame(rows, crs=crs).to_crs(first) for crs, rows in parts.items()]
    table = geopandas.GeoDataFrame(pd.concat(tables, ignore_index=True), crs=first)
    table["area_m2"] = [measure(g, table.crs).area_m2 for g in table.geometry]
    partial = path.with_name(f".{path.name}")
    partial.unlink(missing_ok=True)
    table.to_file(partial, layer="labels", driver="GPKG")
    os.replace(partial, path)
