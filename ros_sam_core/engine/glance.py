"""Which crops to encode ahead of the user, and which of those encoded answer for a place at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import Box
from ros_sam_core.model.config import CropPolicy
from ros_sam_core.predict.crop import (
    Crop,
    crop_around,
    crop_at,
    crops_beyond,
    crops_for_click,
    whole_frame,
)

CENTRAL = 0.3
"""A crop answers for a place no further from its centre than this share of its side."""
GLANCES = 5
"""Crops of as many sizes are decoded for one preview."""


def crops_ahead(
    policy: CropPolicy,
    frame: Grid,
    point: tuple[float, float] | None,
    region: Box | None,
    most: int,
) -> list[Crop]:
    """Return crops worth encoding before they are asked for, the most useful first.

    Args:
        policy: Of the model.
        frame: Of the image.
        point: Where the cursor is, frame pixels: what a click there looks at comes first.
        region: What is on screen, frame pixels: it is covered by crops of every size of a first look, half
            overlapping, so that each place is near the centre of one. Those near the point come first.
        most: Crops at most.
    """
    crops: dict[Crop, float] = {}
    if point is not None:
        crops = dict.fromkeys(crops_for_click(point, policy, frame), -2.0)
        crops |= dict.fromkeys(crops_beyond(point, policy, frame), -1.0)
    if region is not None and policy.kind == "fixed" and policy.crop_px == 0:
        crops.setdefault(whole_frame(frame), 0.0)
    elif region is not None:
        x0, y0 = max(region[0], 0.0), max(region[1], 0.0)
        x1, y1 = min(region[2], float(frame.width)), min(region[3], float(frame.height))
        middle = point or ((x0 + x1) / 2, (y0 + y1) / 2)
        for side in _sides(policy, frame):
            for crop, rings in _cover((x0, y0, x1, y1), side, policy, middle, most):
                crops.setdefault(crop, rings)
    return sorted(crops, key=lambda crop: (crops[crop], crop.side))[:most]


def crops_at_hand(encoded: Sequence[Crop], frame: Grid, xy: tuple[float, float]) -> list[Crop]:
    """Return the encoded crops that best show a place (frame pixels): of each size the most central one."""
    whole = whole_frame(frame)
    best: dict[int, tuple[float, Crop]] = {}
    for crop in encoded:
        half = crop.side / 2
        away = max(abs(xy[0] - crop.x0 - half), abs(xy[1] - crop.y0 - half)) / crop.side
        size = round(math.log2(crop.side))
        if (away <= CENTRAL or crop == whole) and (size not in best or away < best[size][0]):
            best[size] = (away, crop)
    return [crop for _, crop in sorted(best.values(), key=lambda pair: pair[0])[:GLANCES]]


def _sides(policy: CropPolicy, frame: Grid) -> tuple[int, ...]:
    """Return the sides of the crops of a first look."""
    if policy.kind == "scaled":
        return policy.click_px
    return (crop_around((0.0, 0.0, 1.0, 1.0), policy, frame).side,)


def _cover(
    region: Box, side: int, policy: CropPolicy, middle: tuple[float, float], most: int
) -> list[tuple[Crop, float]]:
    """Return crops of one size over a region, at most about `most` around the middle, with their distance.

    The distance counts in steps between crops.
    """
    step = max(1, side // 2)
    reach = math.ceil(math.sqrt(most) / 2) + 1
    spans = []
    for low, high, centre in ((region[0], region[2], middle[0]), (region[1], region[3], middle[1])):
        first, last = math.floor(low / step), math.ceil(high / step)
        nearest = round(centre / step)
        spans.append(range(max(first, nearest - reach), min(last, nearest + reach) + 1))
    return [
        (
            crop_at((column * step, row * step), side, policy.snap),
            math.hypot(column - middle[0] / step, row - middle[1] / step),
        )
        for column in spans[0]
        for row in spans[1]
    ]
