"""How far a box is believed: its object is looked at once more without it, on the same embedding.

A box drawn in haste misses the object's sides by a fifth of its length, and a model that has learned to
trust boxes cuts the object there. So the answer to a box is asked about again: its middle as a click and its
mask as a hint, without the box. Where the bounds of that outline differ from the box, but are still about the
same object, and the model holds it for no worse, the box was rough, and that outline is the answer. Where
they agree, or it is about something else, be it a part or more than was boxed, the answer to the box stays.
How much they may differ belongs to the weights (`ModelConfig.doubt`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label

from ros_sam_core.model.backend import ArrayEmbedding, ArrayPrompts, Backend, Floats
from ros_sam_core.predict.crop import box_iou, mask_bounds

SLACK = 0.01
"""The outline without the box may have so much less of a predicted IoU."""
Answer = tuple[Floats, Floats]
"""Logits `[N, m, m]` and predicted IoU `[N]`."""


@dataclass(frozen=True)
class Belief:
    """Some prompts of a batch that are read alike from here on.

    Attributes:
        rows: Their places in the batch.
        prompts: What is given of them: as it was, or the middle of the answer in place of the box.
        own: Points of `prompts` that are not the user's, 0 or 1: the middle, before the others.
        answer: The masks so far.
    """

    rows: NDArray[np.intp]
    prompts: ArrayPrompts
    own: int
    answer: Answer


def reconsider(
    model: Backend,
    embedding: ArrayEmbedding,
    prompts: ArrayPrompts,
    answer: Answer,
    visible: NDArray[np.float64],
) -> Iterator[Belief]:
    """Look again at what boxes gave, and yield the prompts by how they are to be read.

    Args:
        model: Its configuration's `doubt` is not empty.
        embedding: Of N crops.
        prompts: N boxes, and the user's points.
        answer: To the boxes alone.
        visible: `[N, 4]`, the frame in each crop, in the input's pixels as the prompts are: with what lies
            beyond it no outline can agree.
    """
    assert prompts.boxes is not None
    low, high = model.config.doubt
    logits = answer[0]
    scale = model.config.input_px / logits.shape[-1]
    middles = np.full((len(logits), 2), np.nan)
    for row, mask in enumerate(logits > 0):
        middle = deepest_pixel(mask & _window(prompts.boxes[row] / scale, mask.shape))
        if middle is not None and not _denied(prompts, row, middle[0] * scale, middle[1] * scale):
            middles[row] = middle[0] * scale
    believed = np.ones(len(logits), bool)
    seen = np.flatnonzero(~np.isnan(middles[:, 0]))
    if len(seen):
        boxless = replace(_with_middle(prompts.rows(seen), middles[seen]), boxes=None)
        without = model.decode(embedding.rows(seen), replace(boxless.begin(1), masks=logits[seen]))
        corners = np.tile(visible[seen].reshape(-1, 2, 2), 2)
        shown = prompts.boxes[seen].clip(corners[:, 0], corners[:, 1])
        agreement = np.array(
            [
                _agreement(box, mask, middle / scale, scale)
                for box, mask, middle in zip(shown, without[0] > 0, middles[seen], strict=True)
            ]
        )
        no_worse = without[1] >= answer[1][seen] - SLACK
        rough = np.flatnonzero((agreement > low) & (agreement <= high) & no_worse)
        if len(rough):
            believed[seen[rough]] = False
            yield Belief(seen[rough], boxless.rows(rough), 1, _rows(without, rough))
    rest = np.flatnonzero(believed)
    if len(rest):
        yield Belief(rest, prompts.rows(rest), 0, _rows(answer, rest))


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


def _agreement(
    box: NDArray[np.float64], mask: NDArray[np.bool_], middle: NDArray[np.float64], scale: float
) -> float:
    """Return the IoU of a box with the bounds of the part of a mask that lies under its middle."""
    parts = label(mask, connectivity=2)  # type: ignore[no-untyped-call]
    column, row = middle.astype(int)
    bounds = mask_bounds(parts == parts[row, column]) if mask[row, column] else None
    return 0.0 if bounds is None else float(box_iou(box, scale * bounds[None])[0])


def _window(box: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the pixels of a mask whose centres lie in a box."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    inside = (columns + 0.5 > box[0]) & (columns + 0.5 < box[2])
    return np.asarray(inside & (rows + 0.5 > box[1]) & (rows + 0.5 < box[3]))


def _rows(answer: Answer, rows: NDArray[np.intp]) -> Answer:
    return answer[0][rows], answer[1][rows]
