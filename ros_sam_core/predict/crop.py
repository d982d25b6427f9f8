"""Square windows around prompts: where they lie, how they are read, and the way back.

A crop is a whole number of native pixels at a whole-pixel place, and may reach beyond the frame; pixels
outside are black and not valid. So every coordinate moves by the same shift and scale, at the frame's edge
as in its middle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import Box
from ros_sam_core.geo.raster import Frame
from ros_sam_core.model.config import CropPolicy

SIDES_PER_OCTAVE = 6
"""Scaled crops come in sides 12 % apart, so that a box that changes a little keeps its crop."""
BEYOND = 2
"""How many times closer than in the crops of a first look, and further away, a click may be looked at too."""
ROOM = 1.25
"""A fixed crop that is smaller than this times the box is enlarged."""


@dataclass(frozen=True)
class Crop:
    """A square of `side` native pixels whose upper left corner is pixel (x0, y0) of the frame."""

    x0: int
    y0: int
    side: int

    @property
    def bounds(self) -> Box:
        """Frame pixels: xmin, ymin, xmax, ymax."""
        return self.x0, self.y0, self.x0 + self.side, self.y0 + self.side

    def to_model(self, xy: ArrayLike, input_px: int) -> NDArray[np.float64]:
        """Return frame pixels `[N, 2]` in model coordinates of an input of `input_px`."""
        return (np.asarray(xy, float).reshape(-1, 2) - [self.x0, self.y0]) * (input_px / self.side)

    def to_frame(self, xy: ArrayLike, input_px: int) -> NDArray[np.float64]:
        """Return model coordinates `[N, 2]` in frame pixels; the inverse of `to_model`."""
        return np.asarray(xy, float).reshape(-1, 2) * (self.side / input_px) + [self.x0, self.y0]

    def grid(self, frame: Grid, size: int) -> Grid:
        """Return where an array of size x size over this crop lies on Earth."""
        return frame.window(self.x0, self.y0, self.side, self.side).zoom((size, size))


def longer_side(box: Box) -> float:
    """Return the longer side of a box, in its own units."""
    return max(box[2] - box[0], box[3] - box[1])


def centre_of(box: Box) -> tuple[float, float]:
    """Return the centre of a box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def box_of(xy: ArrayLike) -> Box:
    """Return the bounds of points `[N, 2]`."""
    points = np.asarray(xy, float).reshape(-1, 2)
    low, high = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return low[0], low[1], high[0], high[1]


def union_box(a: Box, b: Box) -> Box:
    """Return the box around two boxes."""
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def crop_at(centre: tuple[float, float], side: int, snap: float) -> Crop:
    """Place a crop around a point.

    Args:
        centre: Frame pixels.
        side: Native pixels.
        snap: The crop's corner falls on multiples of this share of its side, so that neighbouring prompts
            share a crop and its encode; 0 centres it to the pixel.
    """
    step = max(1, round(side * snap))
    x0, y0 = (round((value - side / 2) / step) * step for value in centre)
    return Crop(x0, y0, side)


def crop_around(box: Box, policy: CropPolicy, frame: Grid) -> Crop:
    """Return the crop in which an object of this box (frame pixels) is outlined."""
    longer = longer_side(box)
    if policy.kind == "fixed":
        if policy.crop_px == 0:
            return whole_frame(frame)
        return crop_at(centre_of(box), max(policy.crop_px, math.ceil(ROOM * longer)), policy.snap)
    wanted = max(policy.scale * longer, policy.min_px)
    side = round(2 ** (round(SIDES_PER_OCTAVE * math.log2(wanted)) / SIDES_PER_OCTAVE))
    return crop_at(centre_of(box), max(side, policy.min_px), policy.snap)


def crops_for_click(xy: tuple[float, float], policy: CropPolicy, frame: Grid) -> list[Crop]:
    """Return the crops in which a click at `xy` (frame pixels) is first looked at, smallest first."""
    if policy.kind == "fixed":
        return [crop_around((*xy, *xy), policy, frame)]
    return [crop_at(xy, side, policy.snap) for side in policy.click_px]


def crops_beyond(xy: tuple[float, float], policy: CropPolicy, frame: Grid) -> list[Crop]:
    """Return the crops of a click at `xy` (frame pixels) that none of the first ones shows well.

    One is smaller than those and one larger; each is left out where it would show nothing new, and both under
    a policy that believes every first look.
    """
    if policy.kind == "fixed" or not policy.sure:
        return []
    closer, largest = min(policy.click_px) // BEYOND, max(policy.click_px)
    sides = [closer] if closer >= policy.min_px else []
    if largest < max(frame.size):
        sides.append(largest * BEYOND)
    return [crop_at(xy, side, policy.snap) for side in sides]


def whole_frame(frame: Grid) -> Crop:
    """Return the crop that shows a frame whole, as plain SAM does: at the upper left of a square."""
    return Crop(0, 0, max(frame.width, frame.height))


def read_crop(frame: Frame, crop: Crop, input_px: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Read a crop's pixels, natively, or reduced by area to the model's input where the crop is larger.

    Returns:
        uint8 `[n, n, 3]` and bool `[n, n]`, n the smaller of the crop's side and `input_px`.
    """
    size = min(crop.side, input_px)
    return frame.read(crop.x0, crop.y0, crop.side, crop.side, (size, size))
