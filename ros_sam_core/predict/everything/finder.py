"""The objects of one tile: crops of every size are sketched, what may be an object is looked at again."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon

from ros_sam_core.errors import CrsTransformFailed
from ros_sam_core.geo.length import length_of
from ros_sam_core.geo.prompts import PixelPrompt, Point
from ros_sam_core.geo.raster import Frame
from ros_sam_core.geo.vectorize import PolygonOptions
from ros_sam_core.predict.crop import Crop, box_of, longer_side
from ros_sam_core.predict.everything.layout import LOOSE, Layout, Level
from ros_sam_core.predict.everything.merging import Found
from ros_sam_core.predict.everything.proposals import (
    Proposal,
    box_iou,
    merge,
    propose,
    stability_of,
)
from ros_sam_core.predict.ground import look_to_polygon
from ros_sam_core.predict.outline import outline
from ros_sam_core.predict.predictor import Look, Predictor, leave_nodata
from ros_sam_core.predict.tiles import Tile

log = logging.getLogger(__name__)
TOGETHER = 8
"""Proposals that are refined together."""
LARGEST_READ_PX, REDUCED_PX = 2048, 512
"""Whether points lie on data is read natively from cores up to the first length, from longer ones reduced to
the second, through overviews: that is still several pixels from point to point."""
EXPLAINED = 0.5
"""A proposal whose box overlaps that of an object found before by this (IoU) is not looked at again."""


@dataclass(frozen=True)
class Scan:
    """A crop to be sketched, and the points to be asked in it, frame pixels `[N, 2]`."""

    crop: Crop
    points: NDArray[np.float64]


class Finder:
    """Finds the objects of a frame, tile by tile; a tile's objects depend on nothing but the tile.

    Args:
        predictor: That looks.
        frame: The image.
        layout: Where it is searched. Points are asked in its area alone, and objects whose middle lies beside
            it are left out.
        shape: How masks become polygons.
    """

    def __init__(self, predictor: Predictor, frame: Frame, layout: Layout, shape: PolygonOptions) -> None:
        self.predictor, self.frame, self.layout, self.shape = predictor, frame, layout, shape
        # A model made for one object a crop looks again at the object's own scale, and answers a point with
        # its single mask and finer ones; SAM has seen enough, and answers with its three.
        self.looks_again = predictor.model.config.crop.kind == "scaled"
        self.heads = slice(0, 3) if self.looks_again else slice(1, 4)

    def scans(self, tile: Tile) -> Iterator[Scan]:
        """Yield the crops whose cores have their middle in a tile, with their points on data in the area."""
        x0, y0, x1, y1 = tile.core
        for level in self.layout.levels:
            step = level.tiles.core_px
            for row in range(y0 // step, min(level.tiles.rows, -(-y1 // step))):
                for column in range(x0 // step, min(level.tiles.columns, -(-x1 // step))):
                    cell = level.tiles.tile(row, column)
                    x, y = (cell.core[0] + cell.core[2]) / 2, (cell.core[1] + cell.core[3]) / 2
                    if x0 <= x < x1 and y0 <= y < y1:
                        points = self._points(level, cell)
                        if len(points):
                            yield Scan(Crop(*cell.window[:2], level.tiles.tile_px), points)

    def sketch(self, scan: Scan) -> list[Proposal]:
        """Return what may be an object at the points of a crop."""
        logits, iou = self.predictor.sketch(self.frame, scan.crop, scan.points, keep=not self.looks_again)
        size, heads = self.frame.grid.size, self.heads
        least, sizes = self.layout.options.sketch_iou, self.layout.sizes
        found = propose(scan.crop, scan.points, logits[:, heads], iou[:, heads], size, least)
        low, high = sizes.shortest * sizes.unit_px / LOOSE, sizes.longest * sizes.unit_px
        return [one for one in found if low <= longer_side(one.box) <= high * LOOSE]

    def refine(self, proposals: Sequence[Proposal]) -> list[Found]:
        """Look at proposals again, at their own scale, and return the outlines that are good enough."""
        prompts = [PixelPrompt(str(i), box=one.box) for i, one in enumerate(proposals)]
        if self.looks_again:
            looks = outline(self.predictor, self.frame, prompts)
        else:
            requests = [(one.crop, prompt) for one, prompt in zip(proposals, prompts, strict=True)]
            looks = [leave_nodata(self.frame, look) for look in self.predictor.look(self.frame, requests)]
        found = []
        for one, look in zip(proposals, looks, strict=True):
            stability = float(stability_of(look.logits, self.layout.options.stability_offset))
            geometry = self._outline(look, stability)
            if geometry is not None:
                found.append(Found(geometry, look.iou, stability, self._point_in(geometry, one.point)))
        return found

    def unexplained(self, proposals: Sequence[Proposal], found: Sequence[Found]) -> list[Proposal]:
        """Return the proposals that are not about an object that was found."""
        if not found or not proposals:
            return list(proposals)
        to_pixel = self.frame.grid.map_to_pixel
        boxes = np.array([box_of(to_pixel(shapely.get_coordinates(one.geometry))) for one in found])
        return [one for one in proposals if box_iou(np.array(one.box), boxes).max() < EXPLAINED]

    def _point_in(self, geometry: Polygon | MultiPolygon, point: Point) -> Point:
        """Return the point, frame pixels, or one in the outline where it lies beside it."""
        if not shapely.contains_xy(geometry, self.frame.grid.pixel_to_map([point])).all():
            inner = geometry.representative_point()
            point = tuple(self.frame.grid.map_to_pixel([(inner.x, inner.y)])[0].tolist())
        return point

    def _points(self, level: Level, cell: Tile) -> NDArray[np.float64]:
        """Return the points of a crop's core: on valid pixels, in the area."""
        x0, y0, x1, y1 = cell.core
        half, step = level.spacing_px / 2, level.spacing_px
        # `arange` may overstep its end by a rounding error.
        across, down = np.arange(x0 + half, x1, step), np.arange(y0 + half, y1, step)
        x, y = np.meshgrid(across[across < x1], down[down < y1])
        points = np.column_stack([x.ravel(), y.ravel()])
        if self.layout.area is not None:
            points = points[shapely.contains_xy(self.layout.area, points)]
        if len(points):
            size = (x1 - x0, y1 - y0)
            columns, rows = (length if length <= LARGEST_READ_PX else REDUCED_PX for length in size)
            _, valid = self.frame.read(x0, y0, *size, (rows, columns))
            column, row = (np.floor(points - [x0, y0]).astype(int) * (columns, rows) // size).T
            points = points[valid[row, column]]
        return points

    def _outline(self, look: Look, stability: float) -> Polygon | MultiPolygon | None:
        """Return the outline of a mask that is an object of the sizes looked for, else None."""
        options, sizes, grid = self.layout.options, self.layout.sizes, self.frame.grid
        if look.iou < options.pred_iou or look.is_cut(*grid.size):
            return None
        if stability < options.stability:
            return None
        geometry = look_to_polygon(look, grid, self.shape)
        if geometry is None:
            return None
        try:
            if not sizes.shortest <= length_of(geometry, grid.crs) <= sizes.longest:
                return None
        except CrsTransformFailed as error:
            log.info("an outline that has no size on Earth is left out: %s", error)
            return None
        if self.layout.area is not None:
            middle = grid.map_to_pixel(shapely.get_coordinates(geometry.representative_point()))
            if not shapely.contains_xy(self.layout.area, middle).all():
                return None
        return geometry


class TileWork:
    """The work on one tile, in steps: each is short, and can be done again if it is cut off.

    Args:
        finder: That does it.
        tile: The tile.
    """

    def __init__(self, finder: Finder, tile: Tile) -> None:
        self.finder, self.tile = finder, tile
        self.found: list[Found] = []
        self._scans = finder.scans(tile)
        self._scan: Scan | None = None
        self._proposals: list[Proposal] = []
        self._refining: list[Proposal] | None = None

    def step(self) -> bool:
        """Do one step; return whether there is more to do. After the last `found` is complete."""
        if self._refining is None:
            self._scan = self._scan or next(self._scans, None)
            if self._scan is None:
                self._refining = merge(self._proposals)
            else:
                self._proposals += self.finder.sketch(self._scan)
                self._scan = None
        elif self._refining:
            new = self.finder.refine(self._refining[:TOGETHER])
            self.found += new
            self._refining = self.finder.unexplained(self._refining[TOGETHER:], new)
        else:
            self.found = self.finder.layout.overlap.suppress(self.found)
            return False
        return True
