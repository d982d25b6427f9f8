"""Where a frame is searched: crops of several sizes with points in them, and the tiles that own the crops."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import shapely
from shapely.geometry.base import BaseGeometry

from ros_sam_core.geo.grid import Grid
from ros_sam_core.model.config import CropPolicy
from ros_sam_core.predict.everything.merging import Overlap, SeamMerger
from ros_sam_core.predict.everything.options import EverythingOptions, Sizes
from ros_sam_core.predict.tiles import Tile, TileGrid

ROOM, FILL = 6.0, 0.6
"""The smallest crops are so many times as long as the smallest objects, and the largest objects fill this
share of the largest crops; see docs/everything.md."""
RATIO = 1.5
"""From one size of crops to the next. Every object is seen in two sizes at least."""
OVERLAP = 0.25
"""Share of their side by which neighbouring crops overlap."""
LEAST_CROP_PX = 32
LEAST_TILE_PX = 512
"""Side of the tiles by which the work is counted and kept."""
LOOSE = 1.5
"""A proposal's box may miss the size limits by this factor; the outline decides."""
POINTS = {"scaled": 8, "fixed": 32}
"""Points along the side of a crop, by the kind of a model's crops."""


@dataclass(frozen=True)
class Level:
    """Crops of one size over a scene, and the points in them.

    Attributes:
        tiles: Where the crops lie; each answers for the points of its core.
        spacing_px: From point to point.
    """

    tiles: TileGrid
    spacing_px: float


@dataclass(frozen=True)
class Layout:
    """How a frame is searched, without its pixels and without a model.

    A crop belongs to the tile in which the middle of its core lies, so that objects reach out of their tile.

    Attributes:
        options: What counts as an object.
        sizes: The lengths that they mean here.
        levels: Crops of every size, the smallest first.
        tiles: By which the work is counted and kept.
        reach: Tiles that may find the same object are at most so many rows and columns apart.
        area: Of interest, in frame pixels; None is all of the frame.
    """

    options: EverythingOptions
    sizes: Sizes
    levels: tuple[Level, ...]
    tiles: TileGrid
    reach: int
    area: BaseGeometry | None

    @classmethod
    def of(
        cls, options: EverythingOptions, policy: CropPolicy, grid: Grid, area: BaseGeometry | None = None
    ) -> Self:
        """Lay out the search of a frame.

        Args:
            options: What counts as an object.
            policy: Crops in which the model sees best.
            grid: Of the frame.
            area: Of interest, see `ros_sam_core.geo.area.area_in_pixels`.
        """
        sizes, levels = Sizes.of(options, grid), levels_of(options, policy, grid)
        tiles = TileGrid.over(grid, max(LEAST_TILE_PX, levels[0].tiles.tile_px), 0)
        across = LOOSE * sizes.longest * sizes.unit_px + levels[-1].tiles.core_px
        reach = math.ceil(min(across, max(grid.size)) / tiles.tile_px)
        if area is not None:
            shapely.prepare(area)
        return cls(options, sizes, levels, tiles, reach, area)

    def __iter__(self) -> Iterator[Tile]:
        """Yield the tiles with something to do, in order."""
        return self.tiles.select(area=self.area)

    def __len__(self) -> int:
        """Return how many they are."""
        return len(self.tiles) if self.area is None else sum(1 for _ in self)

    def number(self, tile: Tile) -> int:
        """Return the number of a tile, counted over the whole grid."""
        return tile.row * self.tiles.columns + tile.column

    def tile(self, number: int) -> Tile:
        """Return a tile by its number."""
        return self.tiles.tile(*divmod(number, self.tiles.columns))

    @property
    def overlap(self) -> Overlap:
        """When two outlines mean the same object."""
        return Overlap(self.options.nms, self.options.nested)

    def merger(self) -> SeamMerger:
        """Return what closes the seams between its tiles."""
        return SeamMerger(self.tiles, self.overlap, self.reach)


def levels_of(options: EverythingOptions, policy: CropPolicy, grid: Grid) -> tuple[Level, ...]:
    """Return the sizes of crops in which objects of every size that is looked for are well seen."""
    sizes, points = Sizes.of(options, grid), options.points_per_side or POINTS[policy.kind]
    enough = sizes.longest * sizes.unit_px / FILL
    if policy.kind == "fixed":
        if policy.crop_px == 0:
            return (_level(max(grid.size), points, grid, overlap=0.0),)
        smallest: float = policy.crop_px
    else:
        smallest = min(ROOM * sizes.shortest * sizes.unit_px, enough / RATIO)
        smallest = max(smallest, policy.min_px, LEAST_CROP_PX)
    largest = 2 * max(grid.size)
    sides = [min(smallest, largest)]
    while round(sides[-1]) < round(min(enough, largest)):
        sides.append(sides[-1] * RATIO)
    return tuple(_level(round(side), points, grid, OVERLAP) for side in sides)


def _level(side: int, points: int, grid: Grid, overlap: float) -> Level:
    shared = 2 * round(side * overlap / 2)
    core = side - shared
    across = max(1, min(round(points * core / side), core))
    return Level(TileGrid.over(grid, side, shared), core / across)
