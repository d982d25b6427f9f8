"""Compare an outline with a label in the smallest window that holds both."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.vectorize import rasterize
from training.evaluation.metrics import boundary_iou, boundary_width, mask_iou
from training.scenes import SceneObject

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Answer:
    """What was answered to a prompt.

    Attributes:
        mask: bool [h, w], cut out of the frame at (x0, y0).
        x0: Left edge of the cut.
        y0: Upper edge of the cut.
        score: IoU that the model expects, 0..1; 0 where the method has no such thing.
    """

    mask: Mask
    x0: int
    y0: int
    score: float = 0.0

    def paste(self, frame: Mask) -> None:
        """Add it to a mask of the frame."""
        height, width = self.mask.shape
        frame[self.y0 : self.y0 + height, self.x0 : self.x0 + width] |= self.mask

    def within(self, bounds: tuple[int, int, int, int]) -> Mask:
        """Return it in the window x0, y0, x1, y1, which holds all of it."""
        x0, y0, x1, y1 = bounds
        full = np.zeros((y1 - y0, x1 - x0), bool)
        Answer(self.mask, self.x0 - x0, self.y0 - y0).paste(full)
        return full


NOTHING = Answer(np.zeros((0, 0), bool), 0, 0)


def answer_of(geometry: BaseGeometry, shape: tuple[int, int], score: float) -> Answer:
    """Rasterise an outline in a frame's pixels, in its own window."""
    height, width = shape
    xmin, ymin, xmax, ymax = geometry.bounds
    x0, y0 = max(math.floor(xmin), 0), max(math.floor(ymin), 0)
    x1, y1 = min(math.ceil(xmax), width), min(math.ceil(ymax), height)
    if x1 <= x0 or y1 <= y0:
        return NOTHING
    return Answer(rasterize(geometry, Grid(shape).window(x0, y0, x1 - x0, y1 - y0)), x0, y0, score)


def truth_of(obj: SceneObject, shape: tuple[int, int]) -> Answer:
    """Return a label as an answer, cut off at the frame's edge."""
    height, width = obj.size
    x0, y0, x1, y1 = (
        max(obj.x0, 0), max(obj.y0, 0), min(obj.x0 + width, shape[1]), min(obj.y0 + height, shape[0])
    )  # fmt: skip
    if x1 <= x0 or y1 <= y0:
        return NOTHING
    return Answer(obj.mask[y0 - obj.y0 : y1 - obj.y0, x0 - obj.x0 : x1 - obj.x0] > 0, x0, y0)


def window_of(a: Answer, b: Answer) -> tuple[int, int, int, int]:
    """Return the window x0, y0, x1, y1 around two answers, of which one may be empty."""
    kept = [one for one in (a, b) if one.mask.size] or [a]
    return (
        min(one.x0 for one in kept),
        min(one.y0 for one in kept),
        max(one.x0 + one.mask.shape[1] for one in kept),
        max(one.y0 + one.mask.shape[0] for one in kept),
    )


def compare(answer: Answer, truth: Answer) -> tuple[float, float]:
    """Return IoU and boundary IoU, its width 2 % of the diagonal of the label's box."""
    bounds = window_of(answer, truth)
    given, true = answer.within(bounds), truth.within(bounds)
    rows, columns = np.flatnonzero(true.any(1)), np.flatnonzero(true.any(0))
    size = (rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1) if len(rows) else (0, 0)
    return mask_iou(given, true), boundary_iou(given, true, boundary_width(*size))
