"""How everything mode looks: parameters, and the sizes of crops that follow from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ros_sam_core.errors import InvalidParameter
from ros_sam_core.geo.grid import Grid
from ros_sam_core.model.config import ModelConfig
from ros_sam_core.predict.tiles import TileGrid

SMALLEST_PX, LARGEST_PX = 24.0, 240.0
"""Objects that are looked for unless a size is given: their length in pixels."""
ROOM = 4.0
"""The smallest crops are as many times as long as the smallest objects; see docs/everything.md."""
RATIO = 2.25
"""From one size of crops to the next."""
OVERLAP = 0.25
"""Share of their side by which neighbouring crops overlap."""
LEAST_CROP_PX = 32


@dataclass(frozen=True)
class EverythingOptions:
    """What counts as an object, and how densely it is searched for.

    Args:
        points_per_side: Points along the side of a crop; None is 6 for models whose crops are scaled to the
            object and 32 for SAM's.
        sketch_iou: Least predicted IoU of a first, coarse mask that is looked at again. Lower finds more, and
            takes longer.
        pred_iou: Least predicted IoU of an outline.
        stability: Least stability of an outline: the IoU of its mask at a threshold raised and lowered by
            `stability_offset`.
        stability_offset: In logits.
        nms: Of two outlines that overlap more than this (IoU), the one of the higher score stays.
        nested: Of two outlines of which one covers the other by this share, the one of the higher score
            stays; 1 keeps objects that lie on others.
        min_size: Shortest length of an object, in metres; in pixels where the raster has no CRS. The length
            is the longer side of the smallest rectangle around it, at any angle. None is 24 pixels.
        max_size: Longest length, in the same unit. None is 240 pixels, or ten times the shortest.

    Raises:
        InvalidParameter: A number is out of range; the message names it.
    """

    points_per_side: int | None = None
    sketch_iou: float = 0.65
    pred_iou: float = 0.7
    stability: float = 0.6
    stability_offset: float = 1.0
    nms: float = 0.5
    nested: float = 0.7
    min_size: float | None = None
    max_size: float | None = None

    def __post_init__(self) -> None:
        points = self.points_per_side
        if points is not None and not 1 <= points <= 128:
            raise InvalidParameter(f"points_per_side = {points}: give a whole number from 1 to 128")
        for name in ("sketch_iou", "pred_iou", "stability"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise InvalidParameter(f"{name} = {value}: give a number from 0 to less than 1")
        for name in ("nms", "nested"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise InvalidParameter(f"{name} = {value}: give a number greater than 0, at most 1")
        if not (math.isfinite(self.stability_offset) and self.stability_offset > 0):
            raise InvalidParameter(
                f"stability_offset = {self.stability_offset}: give a number greater than 0, in logits"
            )
        for name in ("min_size", "max_size"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise InvalidParameter(f"{name} = {value}: give a length greater than 0, in metres")
        if self.min_size is not None and self.max_size is not None and self.min_size >= self.max_size:
            raise InvalidParameter(
                f"min_size = {self.min_size} and max_size = {self.max_size}: the first must be less"
            )


@dataclass(frozen=True)
class Sizes:
    """Lengths of objects that are kept.

    Attributes:
        shortest: In metres, or in pixels where there is no CRS.
        longest: In the same unit.
        unit_px: Pixels a unit, at the middle of the raster.
    """

    shortest: float
    longest: float
    unit_px: float

    @classmethod
    def of(cls, options: EverythingOptions, grid: Grid) -> Sizes:
        """Return the lengths that options mean on a grid."""
        gsd = grid.gsd_m
        unit_px = 1.0 if gsd is None else 1.0 / gsd
        shortest, longest = options.min_size, options.max_size
        if shortest is None:
            shortest = SMALLEST_PX / unit_px
            if longest is not None:
                shortest = min(shortest, longest / 10)
        if longest is None:
            longest = max(LARGEST_PX / unit_px, 10 * shortest)
        return cls(shortest, longest, unit_px)


@dataclass(frozen=True)
class Level:
    """Crops of one size over a scene, and the points in them.

    Attributes:
        tiles: Where the crops lie; each answers for the points of its core.
        spacing_px: From point to point.
    """

    tiles: TileGrid
    spacing_px: float


def levels_of(options: EverythingOptions, config: ModelConfig, grid: Grid) -> list[Level]:
    """Return the sizes of crops in which objects of every size that is looked for are well seen."""
    sizes, policy = Sizes.of(options, grid), config.crop
    points = options.points_per_side or (6 if policy.kind == "scaled" else 32)
    if policy.kind == "fixed" and policy.crop_px == 0:
        return [_level(max(grid.size), points, grid, overlap=0.0)]
    if policy.kind == "fixed":
        smallest: float = policy.crop_px
    else:
        smallest = max(ROOM * sizes.shortest * sizes.unit_px, policy.min_px, LEAST_CROP_PX)
    largest = 2 * max(grid.size)
    sides = [min(smallest, largest)]
    while sides[-1] < min(2 * sizes.longest * sizes.unit_px, largest):
        sides.append(sides[-1] * RATIO)
    return [_level(round(side), points, grid, OVERLAP) for side in sides]


def _level(side: int, points: int, grid: Grid, overlap: float) -> Level:
    shared = 2 * round(side * overlap / 2)
    core = side - shared
    across = max(1, min(round(points * core / side), core))
    return Level(TileGrid.over(grid, side, shared), core / across)
