"""The scene being composed: where there is room, what stands where, in which order it is painted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.polygon import orient

from ros_sam_core.synthetic.canvas import Canvas
from ros_sam_core.synthetic.coverage import coverage, rings_of
from ros_sam_core.synthetic.sprites import Pose, Sprite, cast, stamp

Builder = Callable[[np.random.Generator, tuple[float, float]], Sprite]

_CELL = 4
"""Side of an occupancy cell in pixels."""


@dataclass
class Composer:
    """Collects objects on a canvas, and paints them when all have a place.

    Attributes:
        canvas: where the background is painted already.
        rng: source of randomness.
        object_px: shortest and longest allowed longest side of an object.
        gsd_m: metres a pixel.
        density: factor on how many objects are tried.
    """

    canvas: Canvas
    rng: np.random.Generator
    object_px: tuple[float, float]
    gsd_m: float
    density: float
    placed: list[tuple[Sprite, Pose, float]] = field(default_factory=list)
    _taken: npt.NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        rows, columns = self.canvas.shape
        self._taken = np.zeros((-(-rows // _CELL), -(-columns // _CELL)), bool)

    def count(self, usual: float) -> int:
        """Draw how many objects to try, around a usual number."""
        return int(self.rng.poisson(usual * self.density))

    def size(self, low_m: float, high_m: float) -> float:
        """Draw a longest side in pixels for something that is low to high metres long."""
        low, high = self.object_px
        length = float(np.exp(self.rng.uniform(np.log(low_m), np.log(high_m)))) / self.gsd_m
        return length if low <= length <= high else self.any_size()

    def any_size(self) -> float:
        """Draw a longest side in pixels, each octave as likely as the next."""
        low, high = np.log(self.object_px)
        return float(np.exp(self.rng.uniform(low, high)))

    def somewhere(self, zone: Polygon | None = None) -> tuple[float, float]:
        """Draw a point of the picture, inside a zone where one is given."""
        rows, columns = self.canvas.shape
        for _ in range(30):
            x, y = float(self.rng.uniform(0, columns)), float(self.rng.uniform(0, rows))
            if zone is None or shapely.contains_xy(zone, x, y):
                break
        return x, y

    def reserve(self, area: Polygon) -> None:
        """Keep objects off an area."""
        self._taken |= self._cells(area) > 0

    def clear(self, area: Polygon | MultiPolygon) -> None:
        """Open a reserved area to objects again."""
        self._taken &= self._cells(area) == 0

    def free(self, area: Polygon) -> bool:
        """Tell whether an area is free of objects and of what is reserved."""
        return not bool(np.any(self._taken & (self._cells(area) > 0)))

    def put(
        self, builder: Builder, size_px: float, x: float, y: float, angle: float, *, zone: Polygon | None = None,
        gap_px: float = 3.0, faint: bool = True,
    ) -> Pose | None:  # fmt: skip
        """Put an object where there is room for it.

        Args:
            builder: draws the sprite, told the sun's direction in the object's frame.
            size_px: longest side.
            x: centre, pixels.
            y: centre, pixels.
            angle: of the object's x axis, radians.
            zone: must hold the whole object, up to the picture's edge.
            gap_px: kept free around it.
            faint: it may be painted in low contrast.

        Returns:
            Its pose, or None where there is no room.
        """
        return self.put_sprite(
            builder(self.rng, self._sun_in(angle)),
            size_px,
            x,
            y,
            angle,
            zone=zone,
            gap_px=gap_px,
            faint=faint,
        )

    def put_sprite(
        self, sprite: Sprite, size_px: float, x: float, y: float, angle: float, *, zone: Polygon | None = None,
        gap_px: float = 3.0, faint: bool = True,
    ) -> Pose | None:  # fmt: skip
        """Put a sprite that is drawn already; see `put`."""
        pose = Pose(x, y, size_px / sprite.extent, angle)
        outline = pose.place(sprite.outline)
        inside = outline.intersection(self._frame())
        if inside.area < 0.5 * outline.area or (zone is not None and not zone.covers(inside)):
            return None
        if not self.free(outline.buffer(gap_px)):
            return None
        self._taken |= self._cells(outline) > 0.2
        contrast = float(self.rng.uniform(0.25, 0.8)) if faint and self.rng.random() < 0.25 else 1.0
        self.placed.append((sprite, pose, contrast))
        return pose

    def finish(self) -> list[tuple[str, Polygon]]:
        """Paint shadows, then objects.

        Returns:
            Class and outline of every object, cut by the picture's edge.
        """
        for sprite, pose, _ in self.placed:
            cast(self.canvas, sprite, pose)
        self.canvas.settle()
        frame, found = self._frame(), []
        for sprite, pose, contrast in self.placed:
            at = int(self.rng.integers(self.canvas.shape[0])), int(self.rng.integers(self.canvas.shape[1]))
            outline = stamp(self.canvas, sprite, pose, contrast=contrast, noise_at=at)
            seen = outline if frame.covers(outline) else outline.intersection(frame)
            if isinstance(seen, Polygon) and not seen.is_empty:
                found.append((sprite.class_name, orient(seen)))
        return found

    def _sun_in(self, angle: float) -> tuple[float, float]:
        x, y = self.canvas.sun
        return x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)

    def _frame(self) -> Polygon:
        rows, columns = self.canvas.shape
        return shapely.box(0, 0, columns, rows)

    def _cells(self, area: Polygon | MultiPolygon) -> npt.NDArray[np.float32]:
        return coverage(
            [ring / _CELL for ring in rings_of(area)], (self._taken.shape[0], self._taken.shape[1])
        )
