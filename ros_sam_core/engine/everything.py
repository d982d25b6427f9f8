"""Everything mode in the engine: a search in short units, so that clicks are never in its way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from ros_sam_core.engine.schemas import EverythingRequest, crs_of
from ros_sam_core.errors import AreaInvalid
from ros_sam_core.geo.segments import Segment

if TYPE_CHECKING:
    from ros_sam_core.engine.service import Service
    from ros_sam_core.predict.everything.finder import TileWork
    from ros_sam_core.predict.everything.merging import Found
    from ros_sam_core.predict.tiles import Tile


class Search:
    """The objects of one frame. Methods named `do_…` are units of work for the worker's thread.

    Args:
        engine: Whose models and frames it uses.
        request: What is searched for.

    Attributes:
        done: Tiles that are done.
        total: Tiles in all, once the search has begun.
        found: Objects that have been told.

    Raises:
        RosSamError: The request makes no sense.
    """

    def __init__(self, engine: Service, request: EverythingRequest) -> None:
        self._engine, self._request = engine, request
        self.parameters = request.search.options()
        self._area = None if request.area is None else _polygons(request.area)
        self.done = self.total = self.found = 0
        self._work: TileWork | None = None

    def do_begin(self) -> None:
        """Open the model and the frame, and count the tiles.

        Raises:
            RosSamError: One of them cannot be opened, or the area lies beside the frame.
        """
        from ros_sam_core.geo.area import area_in_pixels
        from ros_sam_core.predict.everything.finder import Finder
        from ros_sam_core.predict.everything.layout import Layout
        from ros_sam_core.predict.ground import target_crs

        request = self._request
        segmenter, frame = self._engine.models.get(request.model), self._engine.frames.get(request.frame)
        area = None
        if self._area is not None:
            area = area_in_pixels(self._area, crs_of(request.area_crs), frame.grid)
            if area.is_empty:
                raise AreaInvalid(f"the area of interest lies beside {frame.source}; check its CRS")
        self._origin = segmenter.origin(frame)
        self._target = target_crs(self._origin, crs_of(request.out_crs))
        layout = Layout.of(self.parameters, segmenter.predictor.model.config.crop, frame.grid, area)
        self._finder = Finder(segmenter.predictor, frame, layout, request.options.options())
        self._tiles: Iterator[Tile] = iter(layout)
        self._merger = layout.merger()
        self.total = len(layout)

    def do_step(self) -> list[Segment] | None:
        """Do one short unit; it can be done again if it is cut off.

        Returns:
            Objects that are settled by it; None after the last unit.
        """
        from ros_sam_core.predict.everything.finder import TileWork

        self._finder.frame = self._engine.frames.get(self._request.frame)  # it may have been closed since
        if self._work is None:
            tile = next(self._tiles, None)
            if tile is None:
                return None
            self._work = TileWork(self._finder, tile)
        if self._work.step():
            return []
        work, self._work = self._work, None
        self.done += 1
        settled = list(self._merger.add(work.tile.row, work.tile.column, work.found))
        if self.done == self.total:
            settled += self._merger.finish()
        return self._told(settled)

    def _told(self, settled: list[Found]) -> list[Segment]:
        from ros_sam_core.predict.everything.run import segments_of

        segments = list(segments_of(settled, self._origin, self._target, after=self.found))
        self.found += len(segments)
        return segments


def _polygons(area: dict[str, Any]) -> BaseGeometry:
    """Read a GeoJSON geometry.

    Raises:
        AreaInvalid: It is no polygon, or has no area.
    """
    try:
        geometry = shape(area)
        if geometry.geom_type in ("Polygon", "MultiPolygon"):
            whole = shapely.make_valid(shapely.force_2d(geometry))
            if whole.area > 0 and shapely.is_valid(whole):
                return whole
    except (ShapelyError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise AreaInvalid(f"area: no GeoJSON geometry ({error})"[:400]) from error
    raise AreaInvalid("area: give a Polygon or MultiPolygon as GeoJSON, with an area")
