"""How far a box is believed: its object is looked at once more without it, on the same embedding.

A box drawn in haste misses the object's sides by a fifth of its length, and a model that has learned to
trust boxes cuts the object there. So the answer to a box is asked about again: its middle as a click and its
mask as a hint, without the box. Where both agree on the object's bounds, the box was exact, and the answer is
refined with it; where they differ, but are still about the same object, the box was rough, and the outline
without it is the answer. The bounds between which that is so belong to the weights (`ModelConfig.doubt`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ros_sam_core.model.backend import ArrayEmbedding, ArrayPrompts, Backend, Floats
from ros_sam_core.predict.crop import box_iou, mask_bounds

Answer = tuple[Floats, Floats]
"""Logits `[N, m, m]` and predicted IoU `[N]`."""


@dataclass(frozen=True)
class Belief:
    """Some prompts of a batch that are read alike from here on.

    Attributes:
        rows: Their places in the batch.
        prompts: What is given of them: with the box or without it, with the middle as first point or not.
        own: Points of `prompts` that are not the user's, 0 or 1.
        answer: The masks so far.
    """

    rows: NDArray[np.intp]
    prompts: ArrayPrompts
    own: int
    answer: Answer


def reconsider(
    model: Backend, embedding: ArrayEmbedding, prompts: ArrayPrompts, answer: Answer, input_px: int
) -> Iterator[Belief]:
    """Look again at what boxes gave, and yield the prompts by how they are to be read.

    Args:
        model: Its configuration's `doubt` is not empty.
        embedding: Of N crops.
        prompts: N boxes, and the user's points.
        answer: To the boxes alone.
        input_px: Side of the model's input, in whose pixels prompts are.
    """
    assert prompts.boxes is not None
    low, high = model.config.doubt
    logits = answer[0]
    scale = input_px / logits.shape[-1]
    middles = np.full((len(logits), 2), np.nan)
    for row, mask in enumerate(logits > 0):
        middle = deepest_pixel(mask)
        if middle is not None and not _denied(prompts, row, middle[0] * scale, middle[1] * scale):
            middles[row] = middle[0] * scale
    seen = np.flatnonzero(~np.isnan(middles[:, 0]))
    plain = np.flatnonzero(np.isnan(middles[:, 0]))
    if len(plain):
        yield Belief(plain, prompts.rows(plain), 0, _answer_rows(answer, plain))
    if not len(seen):
        return
    given = _with_middle(prompts.rows(seen), middles[seen])
    before = _answer_rows(answer, seen)[0]
    boxless = replace(given, boxes=None)
    without = model.decode(embedding.rows(seen), replace(boxless.begin(1), masks=before))
    assert given.boxes is not None
    agreement = [
        box_iou(box, scale * bounds[None])[0] if (bounds := mask_bounds(mask)) is not None else 0.0
        for box, mask in zip(given.boxes, without[0] > 0, strict=True)
    ]
    rough = (np.array(agreement) > low) & (np.array(agreement) <= high)
    some = np.flatnonzero(rough)
    if len(some):
        yield Belief(seen[some], boxless.rows(some), 1, _answer_rows(without, some))
    some = np.flatnonzero(~rough)
    if len(some):
        exact = given.rows(some)
        refined = model.decode(embedding.rows(seen[some]), replace(exact.begin(1), masks=before[some]))
        yield Belief(seen[some], exact, 1, refined)


def deepest_pixel(mask: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float] | None:
    """Return the centre of the pixel deepest in a mask, x and y, and its depth; None where it is empty."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    if not depth.any():
        return None
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return np.array([x + 0.5, y + 0.5]), float(depth[y, x])


def _denied(prompts: ArrayPrompts, row: int, middle: NDArray[np.float64], depth: float) -> bool:
    """Say whether a click beside the object lies so near to the middle of an answer that it speaks of it."""
    if prompts.points is None or prompts.labels is None:
        return False
    away = prompts.points[row][prompts.labels[row] == 0] - middle
    return bool((np.hypot(*away.T) < depth / 2).any())


def _with_middle(prompts: ArrayPrompts, middles: NDArray[np.float64]) -> ArrayPrompts:
    """Put a click on the object before the user's points."""
    points, labels = middles.astype(np.float32)[:, None], np.ones((len(middles), 1), np.int64)
    if prompts.points is not None and prompts.labels is not None:
        points = np.concatenate([points, prompts.points], axis=1)
        labels = np.concatenate([labels, prompts.labels], axis=1)
    return replace(prompts, points=points, labels=labels)


def _answer_rows(answer: Answer, rows: NDArray[np.intp]) -> Answer:
    return answer[0][rows], answer[1][rows]
