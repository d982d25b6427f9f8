"""What a model leaves of what it could reach with a box: `python -m training.headroom --data train.json`.

Three figures an object, all with its exact box:

- *as it is*: the mask that the model answers;
- *four views*: the mean of its logits over the crop, the crop mirrored, a narrower and a wider one. What is
  gained is what the model is unsure of by chance;
- *best threshold*: the best IoU that any threshold of its logits reaches with the label, chosen for each
  object with the label at hand. No rule can reach more with the same logits' shape.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from ros_sam_core.errors import RosSamError
from ros_sam_core.geo.array_frame import ArrayFrame
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import Box
from ros_sam_core.model.backend import ArrayPrompts
from ros_sam_core.predict.crop import crop_around, longer_side
from ros_sam_core.predict.predictor import Predictor
from ros_sam_core.predict.segmenter import Segmenter
from training.evaluation.data import open_scenes
from training.evaluation.metrics import mask_iou
from training.prepare import add_vertices_argument
from training.readers import DatasetSpec
from training.scenes import Scene
from training.validate import MOVERS

log = logging.getLogger(__name__)

VIEWS = ((1.0, False), (1.0, True), (0.83, False), (1.33, False))
"""Size of a view over the policy's crop, and whether it is mirrored."""
THRESHOLDS = np.arange(-4, 4.25, 0.5)
FAR = -20.0
"""Logit outside of a view."""


@dataclass(frozen=True)
class Headroom:
    """One object's three figures, and the area of the answer over the label's.

    Attributes:
        class_name: Its class.
        as_it_is: IoU of the model's mask.
        four_views: IoU of the mean of four views.
        best_threshold: IoU at the best threshold.
        area: Area of the model's mask over the label's.
    """

    class_name: str
    as_it_is: float
    four_views: float
    best_threshold: float
    area: float


def _logits(
    predictor: Predictor, frame: ArrayFrame, box: Box, view: tuple[float, bool], xy: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the logits of one view at places `[2, h, w]` of the frame, x and y."""
    zoom, mirrored = view
    policy, size = predictor.model.config.crop, predictor.input_px
    crop = crop_around(box, replace(policy, scale=max(1.0, policy.scale * zoom)), frame.grid)
    image = predictor.image(frame, crop)
    (x0, y0), (x1, y1) = crop.to_model(np.reshape(box, (2, 2)), size)
    if mirrored:
        image, x0, x1 = image[:, :, ::-1], size - x1, size - x0
    prompts = ArrayPrompts(boxes=np.array([[x0, y0, x1, y1]], np.float32))
    embedding = predictor.model.encode(np.ascontiguousarray(image[None]))
    logits = predictor.model.decode(embedding, prompts)[0][0]
    if mirrored:
        logits = logits[:, ::-1]
    # Places in the logits' own pixels, whose centres are at halves.
    columns, rows = (
        (part - corner) * (logits.shape[-1] / crop.side) - 0.5
        for part, corner in zip(xy, (crop.x0, crop.y0), strict=True)
    )
    at = map_coordinates(logits.astype(np.float32), [rows, columns], order=1, mode="nearest")
    inside = (
        (xy[0] >= crop.x0)
        & (xy[0] <= crop.x0 + crop.side)
        & (xy[1] >= crop.y0)
        & (xy[1] <= crop.y0 + crop.side)
    )
    return np.where(inside, at, np.float32(FAR))


def headroom(predictor: Predictor, scenes: Sequence[Scene]) -> Iterator[Headroom]:
    """Yield the figures of every object; four encodes each."""
    for scene in scenes:
        height, width = scene.shape
        frame = ArrayFrame(scene.rgb, Grid((height, width)))
        for obj in scene.objects:
            x0, y0, x1, y1 = obj.box
            reach = longer_side(obj.box)
            left, top = int(max(0, x0 - reach)), int(max(0, y0 - reach))
            right, bottom = int(min(width, x1 + reach + 1)), int(min(height, y1 + reach + 1))
            rows, columns = np.mgrid[top:bottom, left:right] + 0.5
            truth = obj.frame_mask(scene.shape)[top:bottom, left:right]
            xy = np.stack([columns, rows])
            views = [_logits(predictor, frame, obj.box, view, xy) for view in VIEWS]
            yield Headroom(
                obj.class_name,
                mask_iou(views[0] > 0, truth),
                mask_iou(np.mean(views, axis=0) > 0, truth),
                max(mask_iou(views[0] > threshold, truth) for threshold in THRESHOLDS),
                float((views[0] > 0).sum() / max(1, truth.sum())),
            )


def as_markdown(found: Sequence[Headroom]) -> str:
    """Write the means as a table, a row a class."""
    names = sorted({one.class_name for one in found})
    groups = {"all": names, ", ".join(MOVERS): list(MOVERS)} | {name: [name] for name in names}
    lines = [
        "| objects | n | as it is | four views | best threshold | its area over the label's (median) |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, classes in groups.items():
        some = [one for one in found if one.class_name in classes]
        if some:
            means = [
                np.mean([getattr(one, f) for one in some])
                for f in ("as_it_is", "four_views", "best_threshold")
            ]
            cells = " | ".join(f"{mean:.3f}" for mean in means)
            lines.append(f"| {name} | {len(some)} | {cells} | {np.median([one.area for one in some]):.2f} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.headroom",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="COCO instances file")
    add_vertices_argument(parser)
    parser.add_argument("--model", default="ros-sam-tiny", help="a model's name, or a checkpoint")
    parser.add_argument(
        "--aside", type=float, default=0.08, help="share that training sets aside; 1 looks at all images"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        spec = DatasetSpec("coco", str(options.data), vertices=options.vertices)
        scenes = open_scenes(spec, aside=options.aside if options.aside < 1 else None)[0]
        predictor = Segmenter.from_pretrained(options.model).predictor
        found = list(headroom(predictor, scenes))
    except RosSamError as error:
        log.error("%s", error)
        return 2
    sys.stdout.write(as_markdown(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
