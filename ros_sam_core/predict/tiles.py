"""Tiles of a scene of any size: where they lie, which one owns what, in which order they come.

A tile looks at its *window*, a square, and answers for its *core*, the middle of it. Cores lie side by side
and cover the scene; windows reach over the cores of their neighbours by half of the overlap on each side. So
an object up to the overlap in size lies whole in the window of the tile whose core holds its centre.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely.geometry.base import BaseGeometry

from ros_sam_core.errors import InvalidParameter
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.raster import Frame

PixelBox = tuple[int, int, int, int]


@dataclass(frozen=True)
class Tile:
    """One tile.

    Attributes:
        row: Counted from the top.
        column: Counted from the left.
        core: What it answers for, frame pixels: xmin, ymin, xmax, ymax, without the last ones. Cut at the
            frame's edge.
        window: What it looks at, frame pixels. A square; it reaches beyond the frame at its edges.
    """

    row: int
    column: int
    core: PixelBox
    window: PixelBox


@dataclass(frozen=True)
class TileGrid:
    """The tiles of a scene, none of which is held.

    They count from the scene's first pixel and do not depend on what is skipped, so that any part of the work
    gives the same tiles as the whole.

    Args:
        width: Columns of the frame.
        height: Rows of the frame.
        tile_px: Side of a window.
        overlap_px: How much two neighbouring windows share; even, and less than the side.

    Raises:
        InvalidParameter: A number is out of range.
    """

    width: int
    height: int
    tile_px: int
    overlap_px: int

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 1:
            raise InvalidParameter(f"a scene of {self.width} x {self.height} pixels has no tiles")
        if not 0 <= self.overlap_px < self.tile_px or self.overlap_px % 2:
            raise InvalidParameter(
                f"tiles of {self.tile_px} px that overlap by {self.overlap_px}: give an even overlap from 0 "
                "to less than the tile"
            )

    @classmethod
    def over(cls, grid: Grid, tile_px: int, overlap_px: int) -> TileGrid:
        """Return the tiles of a frame's grid."""
        return cls(grid.width, grid.height, tile_px, overlap_px)

    @property
    def core_px(self) -> int:
        """Side of a core that no edge cuts, which is also the step from tile to tile."""
        return self.tile_px - self.overlap_px

    @property
    def rows(self) -> int:
        """Number of rows of tiles."""
        return -(-self.height // self.core_px)

    @property
    def columns(self) -> int:
        """Number of columns of tiles."""
        return -(-self.width // self.core_px)

    def __len__(self) -> int:
        """Return the number of tiles, skipped ones too."""
        return self.rows * self.columns

    def __iter__(self) -> Iterator[Tile]:
        """Yield all tiles, row by row from the top, each row from the left."""
        return (self.tile(row, column) for row in range(self.rows) for column in range(self.columns))

    def tile(self, row: int, column: int) -> Tile:
        """Return one tile.

        Raises:
            InvalidParameter: There is none.
        """
        if not (0 <= row < self.rows and 0 <= column < self.columns):
            raise InvalidParameter(
                f"tile in row {row}, column {column} of {self.rows} x {self.columns}: there is none"
            )
        x, y, margin = column * self.core_px, row * self.core_px, self.overlap_px // 2
        core = (x, y, min(x + self.core_px, self.width), min(y + self.core_px, self.height))
        window = (x - margin, y - margin, x - margin + self.tile_px, y - margin + self.tile_px)
        return Tile(row, column, core, window)

    def owners(self, xy: ArrayLike) -> NDArray[np.int64]:
        """Return row and column of the tile that owns each point.

        Args:
            xy: Frame pixels `[N, 2]`; a point beyond the frame belongs to the nearest tile.

        Returns:
            int64 `[N, 2]`.
        """
        cells = np.floor(np.asarray(xy, float).reshape(-1, 2)[:, ::-1] / self.core_px).astype(np.int64)
        return cells.clip(0, (self.rows - 1, self.columns - 1))

    def looking_at(self, box: tuple[float, float, float, float]) -> Iterator[Tile]:
        """Yield the tiles whose windows share area with a box (frame pixels), in the order of all tiles."""
        margin = self.overlap_px // 2
        first_x, first_y = (int(np.floor((v - self.core_px - margin) / self.core_px)) for v in box[:2])
        last_x, last_y = (int(np.ceil((v + margin) / self.core_px)) for v in box[2:])
        for row in range(max(0, first_y), min(self.rows, last_y + 1)):
            for column in range(max(0, first_x), min(self.columns, last_x + 1)):
                tile = self.tile(row, column)
                x0, y0, x1, y1 = tile.window
                if x0 < box[2] and y0 < box[3] and x1 > box[0] and y1 > box[1]:
                    yield tile

    def select(self, frame: Frame | None = None, area: BaseGeometry | None = None) -> Iterator[Tile]:
        """Yield the tiles with something to do, in the order of all tiles.

        Args:
            frame: Tiles whose core holds no valid pixel are skipped.
            area: Polygons in frame pixels, see `area_in_pixels`; tiles whose core lies beside them are
                skipped.
        """
        for tile in self if area is None else self._within(area):
            if frame is None or has_data(frame, tile.core):
                yield tile

    def _within(self, area: BaseGeometry) -> Iterator[Tile]:
        """Yield the tiles whose cores share area with polygons, looking at those near it alone."""
        if area.is_empty:
            return
        shapely.prepare(area)
        (first_row, first_column), (last_row, last_column) = self.owners(
            np.reshape(area.bounds, (2, 2))
        ).tolist()
        columns = np.arange(first_column, last_column + 1) * self.core_px
        for row in range(first_row, last_row + 1):
            y = row * self.core_px
            right = np.minimum(columns + self.core_px, self.width)
            cores = shapely.box(columns, y, right, min(y + self.core_px, self.height))
            met = shapely.intersects(area, cores) & ~shapely.touches(area, cores)
            for column in np.flatnonzero(met).tolist():
                yield self.tile(row, first_column + column)


def has_data(frame: Frame, box: PixelBox) -> bool:
    """Say whether any pixel of a part of a frame is valid."""
    x0, y0, x1, y1 = box
    return bool(frame.read(x0, y0, x1 - x0, y1 - y0)[1].any())
