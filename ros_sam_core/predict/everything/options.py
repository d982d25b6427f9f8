"""What everything mode looks for: its parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ros_sam_core.errors import CrsTransformFailed, InvalidParameter
from ros_sam_core.geo.crs import crs_name
from ros_sam_core.geo.grid import Grid

SMALLEST_PX, LARGEST_PX = 24.0, 400.0
"""Objects that are looked for unless a size is given: their length in pixels."""
LEAST_PX = 2.0
"""A shorter length is no object's, but one in another unit."""


@dataclass(frozen=True)
class EverythingOptions:
    """What counts as an object, and how densely it is searched for.

    Args:
        points_per_side: Points along the side of a crop; None is 8 for models whose crops are scaled to the
            object and 32 for SAM's.
        sketch_iou: Least predicted IoU of a first, coarse mask that is looked at again. Lower finds more, and
            takes longer.
        pred_iou: Least predicted IoU of an outline.
        stability: Least stability of an outline: the IoU of its mask at a threshold raised and lowered by
            `stability_offset`.
        stability_offset: In logits.
        nms: Of two outlines that overlap more than this (IoU), the one of the higher score times stability
            stays.
        nested: So it does of two outlines of which one covers the other by this share, unless one is far
            smaller and so an object on the other; 1 keeps parts of objects too.
        min_size: Shortest length of an object, in metres; in pixels where the raster has no CRS. The length
            is the longer side of the smallest rectangle around it, at any angle. None is 24 pixels.
        max_size: Longest length, in the same unit. None is 400 pixels, or ten times the shortest.

    Raises:
        InvalidParameter: A number is out of range; the message names it.
    """

    points_per_side: int | None = None
    sketch_iou: float = 0.6
    pred_iou: float = 0.65
    stability: float = 0.7
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
        """Return the lengths that options mean on a grid.

        Raises:
            CrsTransformFailed: The grid has a CRS, in which its middle has no place on Earth.
            InvalidParameter: A length that was given is less than 2 pixels.
        """
        gsd = grid.gsd_m
        if gsd is None and grid.crs is not None:
            raise CrsTransformFailed(
                f"the raster's middle has no place on Earth in {crs_name(grid.crs)}, so sizes in metres mean "
                "nothing; check its georeference"
            )
        unit_px = 1.0 if gsd is None else 1.0 / gsd
        shortest, longest = options.min_size, options.max_size
        for name, value in (("min_size", shortest), ("max_size", longest)):
            if value is not None and value * unit_px < LEAST_PX:
                told = f"{value:g} pixels" if gsd is None else f"{value:g} m is {value * unit_px:.2g} pixels"
                unit = "pixels, as it has no CRS" if gsd is None else "metres"
                raise InvalidParameter(
                    f"{name} = {told} of this raster; lengths are in {unit}: give {LEAST_PX:g} pixels or more"
                )
        if shortest is None:
            shortest = SMALLEST_PX / unit_px
            if longest is not None:
                shortest = min(shortest, longest / 10)
        if longest is None:
            longest = max(LARGEST_PX / unit_px, 10 * shortest)
        return cls(shortest, longest, unit_px)
