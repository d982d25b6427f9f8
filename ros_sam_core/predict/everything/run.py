"""All objects of a frame: tiles one after the other, seams closed, segments with their provenance."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from ros_sam_core.errors import Cancelled, ObjectSkipped
from ros_sam_core.geo.prompts import Prompt
from ros_sam_core.geo.raster import Frame
from ros_sam_core.geo.segments import Segment
from ros_sam_core.geo.vectorize import PolygonOptions
from ros_sam_core.predict.everything.finder import Finder, TileWork
from ros_sam_core.predict.everything.layout import Layout
from ros_sam_core.predict.everything.merging import Found
from ros_sam_core.predict.everything.options import EverythingOptions
from ros_sam_core.predict.ground import Origin, PromptFailure, target_crs, to_segment
from ros_sam_core.predict.tiles import Tile

if TYPE_CHECKING:
    from ros_sam_core.predict.segmenter import Segmenter

GRID_POINT = "grid"
"""What provenance calls the prompt of an object that nobody pointed at."""
TileFound = tuple[int, list[Found]]


def iter_everything(
    segmenter: Segmenter,
    frame: Frame,
    options: EverythingOptions | None = None,
    *,
    shape: PolygonOptions | None = None,
    area: BaseGeometry | None = None,
    out_crs: Any = None,
    progress: Callable[[int, int], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Iterator[Segment]:
    """Yield the objects of a frame, without prompts and without classes.

    Memory does not grow with the frame's height; of its width, the outlines of a few rows of tiles are held.

    Args:
        segmenter: With the model that looks.
        frame: The image.
        options: What counts as an object.
        shape: How masks become polygons.
        area: Of interest, in frame pixels, see `ros_sam_core.geo.area.area_in_pixels`.
        out_crs: CRS of the result; the frame's own by default.
        progress: Called with the number of tiles done and their total.
        cancel: Asked several times a second whether to stop.

    Raises:
        RosSamError: The frame cannot be read, or `out_crs` cannot be reached from the frame's CRS.
        Cancelled: `cancel` said so.
    """
    origin = segmenter.origin(frame)
    target = target_crs(origin, out_crs)
    policy = segmenter.predictor.model.config.crop
    layout = Layout.of(options or EverythingOptions(), policy, frame.grid, area)
    finder = Finder(segmenter.predictor, frame, layout, shape or PolygonOptions())
    tiles = find_tiles(finder, progress=progress, cancel=cancel)
    yield from segments_of(merged(tiles, layout), origin, target)


def find_tiles(
    finder: Finder,
    *,
    progress: Callable[[int, int], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Iterator[TileFound]:
    """Yield the number of each tile and what was found in it.

    Args:
        finder: That looks.
        progress: Called with the number of tiles done and their total.
        cancel: Asked between steps whether to stop.

    Raises:
        Cancelled: `cancel` said so.
    """
    layout = finder.layout
    total = len(layout)
    for done, tile in enumerate(layout):
        if progress is not None:
            progress(done, total)
        yield layout.number(tile), look_at(finder, tile, cancel)
    if progress is not None:
        progress(total, total)


def look_at(finder: Finder, tile: Tile, cancel: Callable[[], bool] | None = None) -> list[Found]:
    """Return what is found in a tile.

    Raises:
        Cancelled: `cancel`, asked between steps, said so.
    """
    work = TileWork(finder, tile)
    while work.step():
        if cancel is not None and cancel():
            raise Cancelled("stopped, as asked")
    return work.found


def merged(tiles: Iterable[TileFound], layout: Layout) -> Iterator[Found]:
    """Yield what stays of what tiles found, in the order of their numbers, once each object is known."""
    merger = layout.merger()
    for number, found in tiles:
        tile = layout.tile(number)
        yield from merger.add(tile.row, tile.column, found)
    yield from merger.finish()


def segments_of(
    found: Iterable[Found], origin: Origin, target: CRS | None, after: int = 0
) -> Iterator[Segment]:
    """Yield objects as segments, numbered from the one after a number.

    One that has no place on Earth, or none in the target, is left out with a warning that says why.
    """
    number = after + 1
    for one in found:
        place = origin.grid.pixel_to_map([one.point])[0].tolist()
        prompt = Prompt(str(number), points=((place[0], place[1]),))
        segment = to_segment(one.geometry, one.score, prompt, origin, target)
        if isinstance(segment, PromptFailure):
            x, y = one.point
            message = f"object at column {x:.0f}, row {y:.0f}: {segment.error}; left out"
            warnings.warn(message, ObjectSkipped, stacklevel=2)
            continue
        yield dataclasses.replace(segment, prompt=GRID_POINT)
        number += 1
