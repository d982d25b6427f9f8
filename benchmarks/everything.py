"""How well and how fast everything mode finds objects: `python -m benchmarks.everything --data val.json`.

Each image is searched twice: by overlapping crops at several scales, and without tiling, the frame resized
whole to the model's input, with the same grid of points. Recall is the share of labelled objects that an
outline meets with an IoU of 0.5 or more. Precision is measured on procedural scenes (`--procedural 10`),
where everything that is to be seen is labelled. Outlines are kept with their scores, so that one run gives
every threshold. `--speed` measures megapixels a second on areas of 1, 2 and 4 times a size.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ros_sam_core.geo.array_frame import ArrayFrame
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.vectorize import PolygonOptions, rasterize
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.everything.finder import Finder
from ros_sam_core.predict.everything.options import EverythingOptions, Level
from ros_sam_core.predict.everything.run import find_tiles, merged
from ros_sam_core.predict.segmenter import Segmenter
from ros_sam_core.predict.tiles import TileGrid
from ros_sam_core.synthetic import make_scene

LOW = 0.5
"""Outlines are kept from this predicted IoU on."""
THRESHOLDS = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
KINDS = ("airport", "harbour", "road", "field", "mixed")
FIRST_SEED = 10_000
"""Of the procedural scenes; the bundled model was trained on others."""


@dataclass
class Labelled:
    """An image and its objects: masks with their classes; `wanted` are those to be found."""

    name: str
    rgb: NDArray[np.uint8]
    masks: list[NDArray[np.bool_]]
    classes: list[str]
    wanted: list[bool]


@dataclass
class Tally:
    """What came of images: each outline's score with the number of the object it meets, or -1."""

    outlines: list[tuple[float, int]] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    wanted: list[bool] = field(default_factory=list)
    seconds: float = 0.0
    megapixels: float = 0.0

    def add(self, image: Labelled, scored: Sequence[tuple[float, NDArray[np.bool_]]], seconds: float) -> None:
        """Match the outlines of an image, best first, each object once."""
        start, free = len(self.classes), set(range(len(image.masks)))
        for score, mask in sorted(scored, key=lambda pair: -pair[0]):
            ious = {i: iou_of(mask, image.masks[i]) for i in free}
            best = max(ious, key=lambda i: ious[i], default=-1)
            hit = best >= 0 and ious[best] >= 0.5
            self.outlines.append((score, start + best if hit else -1))
            free -= {best} if hit else set()
        self.classes += image.classes
        self.wanted += image.wanted
        self.seconds += seconds
        self.megapixels += image.rgb.shape[0] * image.rgb.shape[1] / 1e6

    def recall(self, threshold: float, class_name: str | None = None) -> float:
        """Return the share of wanted objects that are met."""
        met = {number for score, number in self.outlines if score >= threshold}
        chosen = [i for i, name in enumerate(self.classes) if self.wanted[i] and class_name in (None, name)]
        return sum(i in met for i in chosen) / max(1, len(chosen))

    def precision(self, threshold: float) -> float:
        """Return the share of outlines that meet an object."""
        numbers = [number for score, number in self.outlines if score >= threshold]
        return sum(number >= 0 for number in numbers) / max(1, len(numbers))

    def density(self, threshold: float) -> float:
        """Return the outlines a megapixel."""
        return sum(score >= threshold for score, _ in self.outlines) / self.megapixels


def iou_of(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Return the IoU of two masks."""
    both = int((a & b).sum())
    return both / max(1, int(a.sum()) + int(b.sum()) - both)


def read_labelled(path: Path, count: int | None, seed: int) -> Iterator[Labelled]:
    """Read the images of a COCO file, or some of them, drawn by a seed.

    VHR-10's polygons name the outermost pixels of an object, which belong to it.
    """
    coco = json.loads(path.read_text())
    names = {category["id"]: category["name"] for category in coco["categories"]}
    objects = defaultdict(list)
    for annotation in coco["annotations"]:
        objects[annotation["image_id"]].append(annotation)
    images = coco["images"]
    if count is not None:
        chosen = np.random.default_rng(seed).permutation(len(images))[:count]
        images = [images[i] for i in sorted(chosen)]
    for image in images:
        picture = Image.open(path.parent / "images" / image["file_name"]).convert("RGB")
        masks = []
        for annotation in objects[image["id"]]:
            mask = Image.new("1", picture.size)
            for ring in annotation["segmentation"]:
                ImageDraw.Draw(mask).polygon([*map(float, ring)], fill=1, outline=1)
            masks.append(np.array(mask))
        classes = [names[annotation["category_id"]] for annotation in objects[image["id"]]]
        yield Labelled(image["file_name"], np.array(picture), masks, classes, [True] * len(masks))


def procedural(count: int) -> Iterator[Labelled]:
    """Make scenes in which everything is labelled; objects clear of the edge, not too small, are wanted."""
    for index in range(count):
        scene = make_scene(
            FIRST_SEED + index, shape=(512, 512), kind=KINDS[index % len(KINDS)], object_px=(24, 120)
        )
        masks = [scene.mask(i) for i in range(len(scene.instances))]
        wanted = []
        for instance in scene.instances:
            x0, y0, x1, y1 = instance.box
            clear = x0 > 1 and y0 > 1 and x1 < 511 and y1 < 511
            wanted.append(clear and max(x1 - x0, y1 - y0) >= 24)
        yield Labelled(
            f"procedural {index}", scene.rgb, masks, [i.class_name for i in scene.instances], wanted
        )


def finder_for(segmenter: Segmenter, rgb: NDArray[np.uint8], *, tiled: bool) -> Finder:
    """Return what searches an image."""
    frame = ArrayFrame(rgb, Grid(rgb.shape[:2]))
    given = EverythingOptions(pred_iou=LOW) if tiled else EverythingOptions(pred_iou=LOW, sketch_iou=LOW)
    finder = Finder(segmenter.predictor, frame, given, PolygonOptions())
    if not tiled:
        whole = TileGrid.over(frame.grid, max(frame.grid.size), 0)
        finder.levels = [Level(whole, finder.levels[0].spacing_px)]
        finder.looks_again = False
    return finder


def search(
    segmenter: Segmenter, image: Labelled, *, tiled: bool
) -> tuple[list[tuple[float, NDArray[np.bool_]]], float]:
    """Return the outlines of an image as scored masks, and the processor's seconds."""
    finder = finder_for(segmenter, image.rgb, tiled=tiled)
    start = time.process_time()
    found = list(merged(find_tiles(finder), finder))
    spent = time.process_time() - start
    return [(one.score, rasterize(one.geometry, finder.frame.grid)) for one in found], spent


def table(tallies: dict[str, Tally], classes: Sequence[str]) -> str:
    """Write recall, outlines a megapixel, and precision by threshold."""
    lines = [
        "".join(f"| {name} " for name in ("search", "pred_iou", "recall", *classes))
        + "| outlines a megapixel | matched share |",
        "| --- " + "| ---: " * (4 + len(classes)) + "|",
    ]
    for name, tally in tallies.items():
        for threshold in THRESHOLDS:
            by_class = [
                f"{tally.recall(threshold, one):.3f}" if one in tally.classes else "none" for one in classes
            ]
            cells = [name, f"{threshold:.2f}", f"{tally.recall(threshold):.3f}", *by_class]
            cells += [f"{tally.density(threshold):.0f}", f"{tally.precision(threshold):.3f}"]
            lines.append("| " + " | ".join(cells) + " |")
    counts = next(iter(tallies.values()))
    lines.append(f"\n{sum(counts.wanted)} objects on {counts.megapixels:.1f} megapixels")
    for name, tally in tallies.items():
        lines.append(f"{name}: {tally.seconds / tally.megapixels:.1f} processor seconds a megapixel")
    return "\n".join(lines)


def speed(segmenter: Segmenter, side: int, rounds: int = 2) -> str:
    """Measure areas of 1, 2 and 4 times a square, taking turns; medians of the processor's seconds.

    All areas are made of the same square, so that there is equally much to find on each.
    """
    square = make_scene(FIRST_SEED, shape=(side, side), kind="mixed", object_px=(24, 120)).rgb
    areas = {1: square, 2: np.tile(square, (1, 2, 1)), 4: np.tile(square, (2, 2, 1))}
    spent: dict[int, list[tuple[float, float]]] = {times: [] for times in areas}
    for _ in range(rounds):
        for times, rgb in areas.items():
            finder = finder_for(segmenter, np.ascontiguousarray(rgb), tiled=True)
            segmenter.predictor.cache.clear()
            start, worked = time.perf_counter(), time.process_time()
            for _ in merged(find_tiles(finder), finder):
                pass
            spent[times].append((time.perf_counter() - start, time.process_time() - worked))
    lines = [
        "| area | megapixels | seconds | megapixels a second | processor seconds a megapixel | ratio |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    first = None
    for times, rgb in areas.items():
        wall, worked = np.median(spent[times], axis=0).tolist()
        area = rgb.shape[0] * rgb.shape[1] / 1e6
        first = first or worked / area
        lines.append(
            f"| {times} | {area:.2f} | {wall:.1f} | {area / wall:.4f} | {worked / area:.1f} | "
            f"{worked / area / first:.2f} |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.everything", description=__doc__)
    parser.add_argument("--model", default="ros-sam-tiny")
    parser.add_argument("--data", type=Path, help="COCO instances file; images/ beside it")
    parser.add_argument("--images", type=int, help="only so many of its images, drawn by --seed")
    parser.add_argument("--first", type=int, help="only so many of its images, from the first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="1/1", help="such as 1/2: every second image, from the first")
    parser.add_argument("--only", choices=("tiled", "whole"), help="one of the two searches")
    parser.add_argument("--procedural", type=int, default=0, help="number of procedural scenes")
    parser.add_argument("--speed", type=int, help="side of the smallest area, pixels")
    parser.add_argument("--log", type=Path, help="outlines of every image, one JSON object a line")
    options = parser.parse_args(arguments)
    segmenter = Segmenter.from_pretrained(options.model, cache=CacheOptions(memory_mb=64, disk_mb=0))
    part, parts = map(int, options.part.split("/"))
    sets: list[tuple[str, Iterator[Labelled], tuple[str, ...]]] = []
    if options.data:
        images = read_labelled(options.data, options.images, options.seed)
        sets.append((options.data.name, images, ("airplane", "ship", "vehicle")))
    if options.procedural:
        sets.append(("procedural scenes", procedural(options.procedural), ()))
    for name, images, classes in sets:
        tallies = {"tiled": Tally(), "whole": Tally()}
        if options.only:
            tallies = {options.only: Tally()}
        for index, image in enumerate(images):
            if options.first is not None and index >= options.first:
                break
            if index % parts != part - 1:
                continue
            for kind, tally in tallies.items():
                scored, seconds = search(segmenter, image, tiled=kind == "tiled")
                tally.add(image, scored, seconds)
            sys.stderr.write(f"{name} {index} {image.name}\n")
            if options.log:
                told = {kind: vars(tally) for kind, tally in tallies.items()}
                options.log.write_text(json.dumps(told))
        sys.stdout.write(f"{name}\n\n{table(tallies, classes)}\n\n")
    if options.speed:
        sys.stdout.write(speed(segmenter, options.speed) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
