"""Duplicates out: of outlines that mean the same object the best one stays, across tiles as within one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon

from ros_sam_core.geo.prompts import Point
from ros_sam_core.predict.tiles import TileGrid

PART = 0.3
"""An outline in another that has less than this share of its area is an object on it, else a part of it."""


@dataclass(frozen=True)
class Found:
    """An object that was found.

    Attributes:
        geometry: Its outline, in the frame's CRS.
        score: Predicted IoU, 0..1.
        stability: IoU of the mask at a threshold raised and lowered, 0..1.
        point: In the outline, frame pixels; that of the grid at which it was found, if it lies in it.
    """

    geometry: Polygon | MultiPolygon
    score: float
    stability: float
    point: Point

    @property
    def rank(self) -> float:
        """Predicted IoU times stability; of overlapping outlines the one of the highest stays."""
        return self.score * self.stability


@dataclass(frozen=True)
class Overlap:
    """When two outlines mean the same object.

    Attributes:
        nms: Their IoU is more than this.
        nested: One covers this share of the other, or more, and is not far smaller; 1 is never.
    """

    nms: float
    nested: float

    def suppress(self, found: Sequence[Found], kept: Sequence[Found] = ()) -> list[Found]:
        """Return the outlines that overlap neither a better one nor one of `kept`, best first.

        Overlaps are ratios of areas, so that it does not matter that a CRS stretches the ground.
        """
        order = sorted(found, key=lambda one: (-one.rank, one.point, one.geometry.bounds))
        geometries = np.array([one.geometry for one in (*kept, *order)], dtype=object)
        areas, tree = shapely.area(geometries), shapely.STRtree(geometries)
        alive = np.zeros(len(geometries), bool)
        alive[: len(kept)] = True
        result = []
        for place, one in enumerate(order, start=len(kept)):
            near = tree.query(one.geometry, predicate="intersects")
            near = near[alive[near]]
            both = shapely.area(shapely.intersection(geometries[near], one.geometry))
            iou = both / (areas[near] + areas[place] - both)
            lesser, larger = np.minimum(areas[near], areas[place]), np.maximum(areas[near], areas[place])
            covered = np.where(lesser >= PART * larger, both / lesser, 0)
            if not (iou > self.nms).any() and (self.nested >= 1 or not (covered >= self.nested).any()):
                alive[place] = True
                result.append(one)
        return result


class SeamMerger:
    """Decides tile by tile, in their order, which outlines stay; holds those of a few rows of tiles.

    An outline belongs to the tile that found it. It stays if it overlaps none that an earlier tile has kept,
    and none better of its own tile or of a neighbour that comes later; a tile is therefore decided when all
    its neighbours have been looked at. What stays depends on the outlines alone, not on pauses between.

    Args:
        tiles: That are looked at.
        overlap: When two outlines mean the same object.
        reach: Tiles that may find the same object are at most so many rows and columns apart.
    """

    def __init__(self, tiles: TileGrid, overlap: Overlap, reach: int = 1) -> None:
        self._tiles, self._overlap, self._reach = tiles, overlap, reach
        self._open: dict[tuple[int, int], list[Found]] = {}
        self._kept: dict[tuple[int, int], list[Found]] = {}

    def add(self, row: int, column: int, found: Sequence[Found]) -> Iterator[Found]:
        """Take the outlines of the next tile, and yield those that are decided by it.

        Tiles come in their order; those left out have none.
        """
        if found:
            self._open[row, column] = list(found)
        yield from self._decide_up_to(row, column)

    def finish(self) -> Iterator[Found]:
        """Yield what is still undecided."""
        yield from self._decide_up_to(self._tiles.rows + self._reach, self._tiles.columns)

    def _decide_up_to(self, row: int, column: int) -> Iterator[Found]:
        """Decide the tiles whose last neighbour is this tile or comes before it."""
        for place in sorted(self._open):
            last = (place[0] + self._reach, min(place[1] + self._reach, self._tiles.columns - 1))
            if last > (row, column):
                break
            yield from self._decide(place)
        for place in [place for place in self._kept if place[0] < row - 2 * self._reach]:
            del self._kept[place]

    def _decide(self, place: tuple[int, int]) -> Iterator[Found]:
        steps = range(-self._reach, self._reach + 1)
        around = [(place[0] + down, place[1] + right) for down in steps for right in steps if down or right]
        kept = [one for other in around for one in self._kept.get(other, ())]
        rivals = [one for other in around for one in self._open.get(other, ())]
        own = self._open.pop(place)
        mine = {id(one) for one in own}
        stay = [one for one in self._overlap.suppress([*own, *rivals], kept) if id(one) in mine]
        self._kept[place] = stay
        yield from stay
