"""How well and how fast everything mode finds objects: `python -m benchmarks.everything --data val.json`.

Each image is searched twice: by overlapping crops at several scales, and without tiling, the frame resized
whole to the model's input, with 32 x 32 points. Recall is the share of labelled objects that an outline meets
with an IoU of 0.5 or more. Precision is measured on procedural scenes (`--procedural 10`), where everything
that is to be seen is labelled. `--speed` measures areas of 1, 2 and 4 times a square. `--set-aside` searches
the images that training sets aside of a file, on which parameters are chosen.

It prints Markdown, that of `docs/benchmarks.md`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.labelled import FIRST_SEED, CocoImages, Labelled, ProceduralImages
from ros_sam_core.geo.array_frame import ArrayFrame
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.vectorize import PolygonOptions, rasterize
from ros_sam_core.predict.bench import set_threads
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.everything.finder import Finder
from ros_sam_core.predict.everything.layout import Layout, Level
from ros_sam_core.predict.everything.options import SMALLEST_PX, EverythingOptions
from ros_sam_core.predict.everything.run import find_tiles, merged
from ros_sam_core.predict.segmenter import Segmenter
from ros_sam_core.predict.tiles import TileGrid
from ros_sam_core.synthetic import make_scene

HIT = 0.5
"""IoU from which on an outline meets an object."""
THRESHOLDS = (0.7, 0.75, 0.8, 0.85, 0.9)
WHOLE_POINTS = 32
"""Points along the side of a frame that is searched whole, as is SAM's custom."""


@dataclass(frozen=True)
class Setting:
    """What is measured: a model, options, and the images by name."""

    model: str
    options: EverythingOptions
    images: dict[str, CocoImages | ProceduralImages]


@dataclass(frozen=True)
class Seen:
    """What came of an image: each outline's score with the number of the object that it meets, or -1."""

    outlines: list[tuple[float, int]]
    classes: list[str]
    wanted: list[bool]
    seconds: float
    megapixels: float


@dataclass
class Tally:
    """What came of images."""

    seen: list[Seen] = field(default_factory=list)

    @property
    def megapixels(self) -> float:
        """Area that was searched."""
        return sum(one.megapixels for one in self.seen)

    @property
    def seconds(self) -> float:
        """Processor seconds that it took."""
        return sum(one.seconds for one in self.seen)

    def counts(self) -> Counter[str]:
        """Return the number of wanted objects of each class."""
        return Counter(
            name for one in self.seen for name, wanted in zip(one.classes, one.wanted, strict=True) if wanted
        )

    def met(self, threshold: float) -> Counter[str]:
        """Return the number of wanted objects of each class that are met."""
        return Counter(
            one.classes[number]
            for one in self.seen
            for number in {number for score, number in one.outlines if score >= threshold and number >= 0}
            if one.wanted[number]
        )

    def recall(self, threshold: float) -> float:
        """Return the share of wanted objects that are met."""
        return self.met(threshold).total() / max(1, self.counts().total())

    def precision(self, threshold: float) -> float:
        """Return the share of outlines that meet an object."""
        numbers = [n for one in self.seen for score, n in one.outlines if score >= threshold]
        return sum(number >= 0 for number in numbers) / max(1, len(numbers))

    def density(self, threshold: float) -> float:
        """Return the outlines a megapixel."""
        return sum(score >= threshold for one in self.seen for score, _ in one.outlines) / self.megapixels


def match(image: Labelled, scored: Sequence[tuple[float, NDArray[np.bool_]]]) -> list[tuple[float, int]]:
    """Match the outlines of an image to its objects, best first, each object once."""
    free, outlines = set(range(len(image.masks))), []
    for score, mask in sorted(scored, key=lambda pair: -pair[0]):
        ious = {i: iou_of(mask, image.masks[i]) for i in free}
        best = max(ious, key=lambda i: ious[i], default=-1)
        hit = best >= 0 and ious[best] >= HIT
        outlines.append((score, best if hit else -1))
        free -= {best} if hit else set()
    return outlines


def iou_of(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Return the IoU of two masks."""
    both = int((a & b).sum())
    return both / max(1, int(a.sum()) + int(b.sum()) - both)


def finder_for(
    segmenter: Segmenter, rgb: NDArray[np.uint8], options: EverythingOptions, *, tiled: bool
) -> Finder:
    """Return what searches an image."""
    frame = ArrayFrame(rgb, Grid(rgb.shape[:2]))
    layout = Layout.of(options, segmenter.predictor.model.config.crop, frame.grid)
    if not tiled:
        side = max(frame.grid.size)
        whole = TileGrid.over(frame.grid, side, 0)
        layout = replace(layout, levels=(Level(whole, side / WHOLE_POINTS),), tiles=whole)
    finder = Finder(segmenter.predictor, frame, layout, PolygonOptions())
    finder.looks_again &= tiled
    return finder


def search(segmenter: Segmenter, image: Labelled, options: EverythingOptions, *, tiled: bool) -> Seen:
    """Search an image, and say what came of it."""
    finder = finder_for(segmenter, image.rgb, options, tiled=tiled)
    start = time.process_time()
    found = list(merged(find_tiles(finder), finder.layout))
    spent = time.process_time() - start
    scored = [(one.score, rasterize(one.geometry, finder.frame.grid)) for one in found]
    size = image.rgb.shape[0] * image.rgb.shape[1] / 1e6
    return Seen(match(image, scored), image.classes, image.wanted, spent, size)


def open_segmenter(model: str) -> Segmenter:
    """Open a model that works on one processor."""
    set_threads(1)
    return Segmenter.from_pretrained(model, cache=CacheOptions(memory_mb=64, disk_mb=0))


_at_hand: dict[str, tuple[Setting, Segmenter]] = {}
"""What a worker process holds."""


def _begin(setting: Setting) -> None:
    _at_hand["it"] = setting, open_segmenter(setting.model)


def _work(task: tuple[str, int, bool]) -> Seen:
    setting, segmenter = _at_hand["it"]
    name, number, tiled = task
    return search(segmenter, setting.images[name][number], setting.options, tiled=tiled)


def measure(setting: Setting, searches: Sequence[str], workers: int) -> dict[tuple[str, str], Tally]:
    """Search all images by all searches ("tiled", "whole"); return tallies by images and search."""
    tasks = [
        (name, number, kind == "tiled")
        for name, images in setting.images.items()
        for number in range(len(images))
        for kind in searches
    ]
    tallies = {(name, kind): Tally() for name in setting.images for kind in searches}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, _begin, (setting,)) as pool:
        for (name, number, tiled), seen in zip(tasks, pool.map(_work, tasks), strict=True):
            tallies[name, "tiled" if tiled else "whole"].seen.append(seen)
            sys.stderr.write(f"{name}: {number + 1} of {len(setting.images[name])}\r")
    return tallies


def table_of_thresholds(tallies: dict[str, Tally], options: EverythingOptions, share: str) -> Iterator[str]:
    """Write recall, outlines a megapixel and their share that meets an object, by threshold."""
    yield f"| search | `pred_iou` | recall | outlines a megapixel | {share} |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for name, tally in tallies.items():
        for threshold in sorted({options.pred_iou, *(one for one in THRESHOLDS if one > options.pred_iou)}):
            given = f"**{threshold:.2f}**" if threshold == options.pred_iou else f"{threshold:.2f}"
            yield (
                f"| {name} | {given} | {tally.recall(threshold):.3f} | {tally.density(threshold):.0f} | "
                f"{tally.precision(threshold):.3f} |"
            )


def table_of_classes(tallies: dict[str, Tally], threshold: float) -> Iterator[str]:
    """Write the recall of each class."""
    yield "| class | objects | " + " | ".join(f"recall, {name}" for name in tallies) + " |"
    yield "| --- " + "| ---: " * (1 + len(tallies)) + "|"
    counts = next(iter(tallies.values())).counts()
    for name in sorted(counts):
        cells = [f"{tally.met(threshold)[name] / counts[name]:.2f}" for tally in tallies.values()]
        yield f"| {name.replace('_', ' ')} | {counts[name]} | " + " | ".join(cells) + " |"
    cells = [f"**{tally.recall(threshold):.3f}**" for tally in tallies.values()]
    yield f"| all | {counts.total()} | " + " | ".join(cells) + " |"


def report(setting: Setting, results: dict[tuple[str, str], Tally], searches: Sequence[str]) -> Iterator[str]:
    """Write what came of each set of images."""
    options = setting.options
    for name in setting.images:
        tallies = {kind: results[name, kind] for kind in searches}
        first = tallies[searches[0]]
        yield (
            f"**{name}**: {first.counts().total()} objects on {len(first.seen)} images, "
            f"{first.megapixels:.1f} megapixels; "
            + ", ".join(
                f"{one.seconds / one.megapixels:.1f} processor seconds a megapixel {kind}"
                for kind, one in tallies.items()
            )
            + ".\n"
        )
        all_labelled = isinstance(setting.images[name], ProceduralImages)
        yield from table_of_thresholds(
            tallies, options, "precision" if all_labelled else "of them on a label"
        )
        yield f"\nAt {options.pred_iou:.2f}:\n"
        yield from table_of_classes(tallies, options.pred_iou)
        yield ""


def speed(model: str, options: EverythingOptions, side: int, rounds: int = 2) -> Iterator[str]:
    """Measure areas of 1, 2 and 4 times a square, taking turns; medians of the processor's seconds.

    All areas are made of the same square, so that there is equally much to find on each.
    """
    segmenter = open_segmenter(model)
    square = make_scene(FIRST_SEED, shape=(side, side), kind="mixed", object_px=(24, 120)).rgb
    areas = {1: square, 2: np.tile(square, (1, 2, 1)), 4: np.tile(square, (2, 2, 1))}
    spent: dict[int, list[tuple[float, float]]] = {times: [] for times in areas}
    for _ in range(rounds):
        for times, rgb in areas.items():
            finder = finder_for(segmenter, np.ascontiguousarray(rgb), options, tiled=True)
            segmenter.predictor.cache.clear()
            start, worked = time.perf_counter(), time.process_time()
            for _ in merged(find_tiles(finder), finder.layout):
                pass
            spent[times].append((time.perf_counter() - start, time.process_time() - worked))
    yield "**Speed**, one processor core:\n"
    yield "| area | megapixels | seconds | megapixels a second | processor seconds a megapixel | ratio |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: |"
    first = None
    for times, rgb in areas.items():
        wall, worked = np.median(spent[times], axis=0).tolist()
        area = rgb.shape[0] * rgb.shape[1] / 1e6
        first = first or worked / area
        yield (
            f"| {times} | {area:.2f} | {wall:.1f} | {area / wall:.4f} | {worked / area:.1f} | "
            f"{worked / area / first:.2f} |"
        )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.everything", description=__doc__)
    parser.add_argument("--model", default="ros-sam-tiny")
    parser.add_argument("--data", type=Path, help="COCO instances file; images/ beside it")
    parser.add_argument("--set-aside", action="store_true", help="only its images that training sets aside")
    parser.add_argument("--step", type=int, default=1, help="only every so many of the images")
    parser.add_argument("--procedural", type=int, default=0, help="number of procedural scenes")
    parser.add_argument("--speed", type=int, help="side of the smallest area, pixels")
    parser.add_argument("--only", choices=("tiled", "whole"), help="one of the two searches")
    parser.add_argument("--workers", type=int, default=1, help="processes that search images")
    for name in ("sketch_iou", "pred_iou", "stability", "nms", "nested"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float)
    parser.add_argument("--points-per-side", type=int)
    given = vars(parser.parse_args(arguments))
    options = EverythingOptions()
    options = replace(options, **{k: given[k] for k in vars(options) if given.get(k) is not None})
    images: dict[str, CocoImages | ProceduralImages] = {}
    if given["data"]:
        name = given["data"].name + ", images set aside" * given["set_aside"]
        images[name] = CocoImages(given["data"], set_aside=given["set_aside"], step=given["step"])
    if given["procedural"]:
        images["Procedural scenes"] = ProceduralImages(given["procedural"], SMALLEST_PX)
    setting = Setting(given["model"], options, images)
    searches = [given["only"]] if given["only"] else ["tiled", "whole"]
    if images:
        for line in report(setting, measure(setting, searches, given["workers"]), searches):
            sys.stdout.write(f"{line}\n")
    if given["speed"]:
        for line in speed(given["model"], options, given["speed"]):
            sys.stdout.write(f"{line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
