"""Measure a model through the whole pipeline: `python -m training.evaluate --data val.json --model NAME`.

Prompts are boxes, boxes with noise, and one click at the centre of each object; polygons are rasterised back
and compared with the labels, instance by instance.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from ros_sam_core.errors import RosSamError
from ros_sam_core.geo.array_frame import ArrayFrame
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import Prompt
from ros_sam_core.geo.segments import Segment
from ros_sam_core.geo.vectorize import rasterize
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.segmenter import Segmenter
from training.prompts import centre_click, jitter_box, mask_box
from training.scenes import Scene, SceneObject, build_pyramid, read_coco, reduce_by, split_scenes
from training.validate import MOVERS

log = logging.getLogger(__name__)
SIZES = ((0, 16), (16, 32), (32, 64), (64, 128), (128, 10_000))
"""Object sizes by which results are listed: longer side of the box, pixels."""


@dataclass(frozen=True)
class Result:
    """One object's outcome."""

    class_name: str
    longer_px: float
    iou: float
    score: float


def mask_iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Return the IoU of two masks; 1 where both are empty."""
    either = int((a | b).sum())
    return int((a & b).sum()) / either if either else 1.0


def reduce_scene(scene: Scene, factor: int) -> Scene:
    """Reduce a scene by area averaging, its masks to the pixels that they fill by half."""
    rgb = reduce_by(scene.rgb, factor)
    objects = []
    for obj in scene.objects:
        full = (obj.frame_mask(scene.rgb.shape[:2])[..., None] * 255).astype(np.uint8)
        mask = reduce_by(full, factor)[..., 0] >= 128
        if mask.any():
            x0, y0, x1, y1 = (int(v) for v in mask_box(mask))
            box = (x0, y0, x1, y1)
            objects.append(
                SceneObject(mask[y0:y1, x0:x1].astype(np.uint8), x0, y0, box, obj.class_name, obj.id)
            )
    return Scene(build_pyramid(rgb, 1), tuple(objects), scene.name)


def make_prompt(obj: SceneObject, kind: str, seed: int) -> Prompt:
    """Make an object's prompt: "box", "box+20%" (noise) or "click" (at the centre)."""
    if kind == "click":
        xy = centre_click(obj.mask > 0) + np.array([obj.x0, obj.y0])
        return Prompt(str(obj.id), points=(tuple(xy.tolist()),))
    box = np.array(obj.box)
    if kind != "box":
        share = int(kind.removeprefix("box+").removesuffix("%")) / 100
        box = jitter_box(box, share, np.random.default_rng([seed, obj.id + 1]))
    return Prompt(str(obj.id), box=tuple(box.tolist()))


def run_scene(segmenter: Segmenter, scene: Scene, kind: str, seed: int) -> Iterator[Result]:
    """Segment every object of a scene and compare with its label; an object that is not found scores 0."""
    frame = ArrayFrame(scene.rgb, Grid(scene.rgb.shape[:2]), source=scene.name)
    prompts = [make_prompt(obj, kind, seed) for obj in scene.objects]
    for obj, result in zip(scene.objects, segmenter.iter_segments(frame, prompts), strict=True):
        longer = max(obj.box[2] - obj.box[0], obj.box[3] - obj.box[1])
        if isinstance(result, Segment):
            iou = mask_iou(rasterize(result.geometry, frame.grid), obj.frame_mask(frame.grid.shape))
            yield Result(obj.class_name, longer, iou, result.score)
        else:
            yield Result(obj.class_name, longer, 0.0, 0.0)


def filled_boxes(scenes: Sequence[Scene]) -> list[Result]:
    """Return what the filled box would score: something to hold the numbers against."""
    return [
        Result(obj.class_name, max(obj.mask.shape), float((obj.mask > 0).mean()), 0.0)
        for scene in scenes
        for obj in scene.objects
    ]


def interval(values: NDArray[np.float64], seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(len(values), size=(draws, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def summarise(results: Sequence[Result]) -> dict[str, Any]:
    """Group results: all, the movers, each class, each size; mean IoU with its interval, and n."""
    groups = {"all": list(results), "airplane, ship, vehicle": [r for r in results if r.class_name in MOVERS]}
    for name in sorted({r.class_name for r in results}):
        groups[name] = [r for r in results if r.class_name == name]
    for low, high in SIZES:
        name = f"{low}-{high} px" if high < 10_000 else f"{low} px and more"
        groups[name] = [r for r in results if low <= r.longer_px < high]
    rows = {}
    for name, group in groups.items():
        if group:
            ious = np.array([r.iou for r in group])
            low, high = interval(ious)
            rows[name] = {"iou": float(ious.mean()), "low": low, "high": high, "n": len(group)}
    correlation = float(spearmanr([r.score for r in results], [r.iou for r in results]).statistic)
    return {"groups": rows, "score_rank_correlation": None if np.isnan(correlation) else correlation}


def as_markdown(summaries: dict[str, dict[str, Any]]) -> str:
    """Write summaries as one table: a row a group, a column a kind of prompt."""
    kinds = list(summaries)
    names = list(dict.fromkeys(name for s in summaries.values() for name in s["groups"]))
    lines = ["| objects | n | " + " | ".join(kinds) + " |", "| --- | ---: |" + " --- |" * len(kinds)]
    for name in names:
        cells = []
        count = 0
        for kind in kinds:
            row = summaries[kind]["groups"].get(name)
            cells.append("" if row is None else f"{row['iou']:.3f} ({row['low']:.3f}-{row['high']:.3f})")
            count = row["n"] if row else count
        lines.append(f"| {name} | {count} | " + " | ".join(cells) + " |")
    ranks = [summaries[kind]["score_rank_correlation"] for kind in kinds]
    cells = ["" if rank is None else f"{rank:.2f}" for rank in ranks]
    lines.append("| rank correlation of `score` with IoU | | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="COCO instances file; images/ beside it")
    parser.add_argument("--model", default="ros-sam-tiny", help="a model's name, or a checkpoint")
    parser.add_argument("--prompts", nargs="+", default=["box", "box+10%", "box+20%", "click"])
    parser.add_argument("--aside", type=float, help="only the share of images that training sets aside")
    parser.add_argument("--reduce", type=int, default=1, help="reduce the images by area averaging first")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        segmenter = Segmenter.from_pretrained(options.model, cache=CacheOptions(disk_mb=0))
        scenes = list(read_coco(options.data))
        if options.aside is not None:
            scenes = split_scenes(scenes, options.aside, seed=0)[1]
    except RosSamError as error:
        log.error("%s", error)
        return 2
    if options.reduce > 1:
        scenes = [reduce_scene(scene, options.reduce) for scene in scenes]
    summaries = {"filled box": summarise(filled_boxes(scenes))}
    for kind in options.prompts:
        results = [r for scene in scenes for r in run_scene(segmenter, scene, kind, options.seed)]
        summaries[kind] = summarise(results)
    sys.stdout.write(as_markdown(summaries) + "\n")
    if options.json:
        options.json.write_text(json.dumps(summaries, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
