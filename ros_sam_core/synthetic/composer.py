"""The scene being composed: where there is room, what stands where, in which order it is painted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.polygon import orient

from ros_sam_core.synthetic.canvas import Canvas, Points
from ros_sam_core.synthetic.coverage import coverage, rings_of
from ros_sam_core.synthetic.sprites import Pose, Sprite, cast, stamp

Builder = Callable[[np.random.Generator, tuple[float, float]], Sprite]

Spot = tuple[float, float] | Points
"""x and y in pixels."""

_LEAST_SEEN = 0.5
"""Share of an object that the picture's edge must leave."""

_CELL_TAKEN = 0.2
"""Share of an occupancy cell that an object must cover to take it."""

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
        still: nothing moves, so that what trails behind ships under way can be painted with the ground.
    """

    canvas: Canvas
    rng: np.random.Generator
    object_px: tuple[float, float]
    gsd_m: float
    density: float
    still: bool = True
    placed: list[tuple[Sprite, Pose, float]] = field(default_factory=list)
    _taken: npt.NDArray[np.bool_] = field(init=False)
    _reserved: npt.NDArray[np.bool_] = field(init=False)
    _veils: list[tuple[Polygon, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        rows, columns = self.canvas.shape
        self._taken = np.zeros((-(-rows // _CELL), -(-columns // _CELL)), bool)
        self._reserved = np.zeros_like(self._taken)

    def count(self, usual: float) -> int:
        """Draw how many objects to try, around a usual number."""
        return int(self.rng.poisson(usual * self.density))

    def size(self, low_m: float, high_m: float) -> float:
        """Draw a longest side in pixels for something that is low to high metres long."""
        low, high = self.object_px
        length = float(np.exp(self.rng.uniform(np.log(low_m), np.log(high_m)))) / self.gsd_m
        if length < low:
            length = low * float(np.exp(self.rng.uniform(0, 0.5)))
        elif length > high:
            length = high * float(np.exp(self.rng.uniform(-0.5, 0)))
        return float(np.clip(length, low, high))

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
        self._reserved |= self._cells(area) > 0

    def clear(self, area: Polygon | MultiPolygon) -> None:
        """Open a reserved area to objects again."""
        self._reserved &= self._cells(area) == 0

    def free(self, area: Polygon) -> bool:
        """Tell whether an area is free of objects and of what is reserved."""
        return not bool(np.any((self._taken | self._reserved) & (self._cells(area) > 0)))

    def put(
        self,
        builder: Builder,
        size_px: float,
        at: Spot,
        angle: float,
        *,
        zone: Polygon | None = None,
        gap_px: float = 3.0,
        faint: bool = True,
    ) -> Pose | None:
        """Put an object where there is room for it.

        Args:
            builder: draws the sprite, told in the object's frame where shadows fall.
            size_px: longest side.
            at: centre x and y, pixels.
            angle: of the object's x axis, radians.
            zone: must hold the whole object, up to the picture's edge.
            gap_px: kept free around it.
            faint: it may be painted in low contrast.

        Returns:
            Its pose, or None where there is no room.
        """
        x, y = self.canvas.sun
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        sprite = builder(self.rng, (x * cos + y * sin, y * cos - x * sin))
        return self.put_sprite(sprite, size_px, at, angle, zone=zone, gap_px=gap_px, faint=faint)

    def put_sprite(
        self,
        sprite: Sprite,
        size_px: float,
        at: Spot,
        angle: float,
        *,
        zone: Polygon | None = None,
        gap_px: float = 3.0,
        faint: bool = True,
    ) -> Pose | None:
        """Put a sprite that is drawn already; see `put`."""
        pose = Pose(float(at[0]), float(at[1]), size_px / sprite.extent, float(angle))
        outline = pose.place(sprite.outline)
        inside = outline.intersection(self.frame)
        if inside.area < _LEAST_SEEN * outline.area or (zone is not None and not zone.covers(inside)):
            return None
        if not self.free(outline.buffer(gap_px)):
            return None
        self._taken |= self._cells(outline) > _CELL_TAKEN
        contrast = float(self.rng.uniform(0.3, 0.9)) if faint and self.rng.random() < 0.2 else 1.0
        self.placed.append((sprite, pose, contrast))
        return pose

    def veil(self, area: Polygon, share: float) -> None:
        """Lay the shadow of something tall and unseen over ground and objects alike.

        Args:
            area: pixels.
            share: of the light that it takes.
        """
        self._veils.append((area, share))

    def finish(self) -> list[tuple[str, Polygon]]:
        """Paint shadows, then objects.

        Returns:
            Class and outline of every object, cut by the picture's edge.
        """
        for sprite, pose, _ in self.placed:
            cast(self.canvas, sprite, pose)
        self.canvas.settle()
        found = []
        for sprite, pose, contrast in self.placed:
            noise_at = (
                int(self.rng.integers(self.canvas.shape[0])),
                int(self.rng.integers(self.canvas.shape[1])),
            )
            outline = stamp(self.canvas, sprite, pose, contrast=contrast, noise_at=noise_at)
            seen = outline if self.frame.covers(outline) else outline.intersection(self.frame)
            if isinstance(seen, MultiPolygon):
                seen = max(seen.geoms, key=lambda part: float(part.area))
            found.append((sprite.class_name, orient(seen)))
        for area, share in self._veils:
            self.canvas.paint(rings_of(area), (0.02, 0.03, 0.06), share, holes=True)
        return found

    @property
    def frame(self) -> Polygon:
        """The picture's area in pixels."""
        rows, columns = self.canvas.shape
        return shapely.box(0, 0, columns, rows)

    def _cells(self, area: Polygon | MultiPolygon) -> npt.NDArray[np.float32]:
        return coverage(
            [ring / _CELL for ring in rings_of(area)], (self._taken.shape[0], self._taken.shape[1])
        )
