"""Candidates from one crop: points of a grid are sketched, and what may be an object is boxed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ros_sam_core.geo.prompts import Box, Point
from ros_sam_core.predict.crop import Crop

LARGEST_SHARE = 0.75
"""A mask longer than this share of its crop is background, or for a larger crop to find."""
SAME = 0.7
"""Boxes of proposals that overlap more than this (IoU) mean the same object."""


@dataclass(frozen=True)
class Proposal:
    """A place where there may be an object.

    Attributes:
        crop: In which it was seen.
        point: That was asked, frame pixels.
        box: Of the mask, frame pixels.
        score: Predicted IoU of the mask.
    """

    crop: Crop
    point: Point
    box: Box
    score: float


def stability_of(logits: NDArray[np.float32], offset: float) -> NDArray[np.float64]:
    """Return the IoU of masks `[..., h, w]` at a threshold raised and lowered by an offset."""
    inner = (logits > offset).sum(axis=(-2, -1))
    outer = (logits > -offset).sum(axis=(-2, -1))
    return np.asarray(inner / np.maximum(outer, 1), np.float64)


def propose(
    crop: Crop,
    xy: NDArray[np.float64],
    logits: NDArray[np.float32],
    iou: NDArray[np.float32],
    frame_size: tuple[int, int],
    least: float,
) -> list[Proposal]:
    """Turn the masks of the points of a crop into proposals.

    Background is left out: masks that touch an edge of the crop that is not the frame's, or fill it.

    Args:
        crop: In which they were seen.
        xy: Points `[N, 2]`, frame pixels.
        logits: `[N, K, s, s]` over the crop.
        iou: Their predicted IoU `[N, K]`.
        frame_size: Columns and rows of the frame.
        least: Predicted IoU.
    """
    masks = np.asarray(logits > 0)
    size = masks.shape[-1]
    rows, columns = np.asarray(masks.any(axis=-1)), np.asarray(masks.any(axis=-2))
    x0, y0, x1, y1 = crop.bounds
    cut = (
        (columns[..., 0] & (x0 > 0))
        | (columns[..., -1] & (x1 < frame_size[0]))
        | (rows[..., 0] & (y0 > 0))
        | (rows[..., -1] & (y1 < frame_size[1]))
    )
    left, right = columns.argmax(-1), size - columns[..., ::-1].argmax(-1)
    top, bottom = rows.argmax(-1), size - rows[..., ::-1].argmax(-1)
    longest = np.maximum(right - left, bottom - top)
    good = (iou >= least) & columns.any(-1) & ~cut & (longest <= LARGEST_SHARE * size)
    where = np.argwhere(good)
    if not len(where):
        return []
    n, k = where.T
    corners = np.stack([left[n, k], top[n, k], right[n, k], bottom[n, k]], axis=1)
    boxes = crop.to_frame(corners, size).reshape(-1, 4)
    found = [
        Proposal(crop, (float(xy[i, 0]), float(xy[i, 1])), tuple(box), float(iou[i, j]))  # type: ignore[arg-type]
        for i, j, box in zip(n.tolist(), k.tolist(), boxes.tolist(), strict=True)
    ]
    return merge(found)


def merge(proposals: list[Proposal]) -> list[Proposal]:
    """Return the best of the proposals that mean the same object, best first."""
    if not proposals:
        return []
    order = sorted(range(len(proposals)), key=lambda i: (-proposals[i].score, proposals[i].box))
    boxes = np.array([proposals[i].box for i in order])
    free = np.ones(len(order), bool)
    kept = []
    for place, index in enumerate(order):
        if free[place]:
            free &= box_iou(boxes[place], boxes) < SAME
            kept.append(proposals[index])
    return kept


def box_iou(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the IoU of one box `[4]` with others `[N, 4]`."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    union = np.prod(box[2:] - box[:2]) + areas - both
    return np.asarray(both / np.maximum(union, 1e-9), np.float64)
