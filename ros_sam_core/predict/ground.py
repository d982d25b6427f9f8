"""From what a model saw in a crop to a segment on the ground."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from ros_sam_core.errors import CrsTransformFailed, NothingFound, RosSamError
from ros_sam_core.geo.crs import full_turn, parse_map_crs, transform_xy
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import Prompt
from ros_sam_core.geo.segments import Segment, geometries_in
from ros_sam_core.geo.vectorize import PolygonOptions, logits_to_polygon, measure, tidy

if TYPE_CHECKING:
    from ros_sam_core.predict.predictor import Look


@dataclass(frozen=True)
class Origin:
    """What a segment says of where it comes from, beside its prompt.

    Attributes:
        grid: Of the frame.
        source: File or address of the frame.
        frame: Name of the image within its source.
        time: When it was taken, ISO 8601, if known.
        model: Name of the model.
        weights: Short sha256 of its weights.
    """

    grid: Grid
    source: str
    frame: str
    time: str | None
    model: str
    weights: str


def target_crs(origin: Origin, out_crs: Any) -> CRS | None:
    """Return the CRS of the result, by default the frame's own, once it is known that it can be reached.

    It can if the middle of the frame or a corner has a place in it: the corners of a picture of the whole
    Earth have none.

    Raises:
        CrsUnknown: pyproj does not know it.
        CrsWithoutMap: Polygons cannot be in it.
        CrsTransformFailed: The frame has no CRS, or none that leads there.
    """
    if out_crs is None:
        return origin.grid.crs
    target = parse_map_crs(out_crs)
    if origin.grid.crs is None:
        raise CrsTransformFailed(
            f"{origin.source} has no CRS, so polygons cannot be in {out_crs}; georeference it, or "
            "leave the output's CRS out and get pixel coordinates"
        )
    middle = origin.grid.corners.mean(axis=0)
    failures = []
    for place in (middle, *origin.grid.corners):
        try:
            transform_xy(place, origin.grid.crs, target)
        except CrsTransformFailed as error:
            failures.append(error)
        else:
            return target
    raise failures[0]


@dataclass(frozen=True)
class PromptFailure:
    """A prompt that gave no segment, and why."""

    prompt_id: str
    error: RosSamError


def finish(
    outcome: Look | RosSamError, prompt: Prompt, origin: Origin, options: PolygonOptions, target: CRS | None
) -> Segment | PromptFailure:
    """Turn what a model saw of a prompt into a segment.

    Args:
        outcome: The mask, or why there is none.
        prompt: What was asked.
        origin: Of the mask.
        options: How masks become polygons.
        target: CRS of the result, from `target_crs`.
    """
    if isinstance(outcome, RosSamError):
        return PromptFailure(prompt.id, outcome)
    geometry = look_to_polygon(outcome, origin.grid, options)
    if geometry is None:
        size = f"smaller than {options.min_area_px:g} px, the minimum" if options.min_area_px else "empty"
        return PromptFailure(prompt.id, NothingFound(f"prompt {prompt.id}: the object found is {size}"))
    return to_segment(geometry, outcome.iou, prompt, origin, target)


def to_segment(
    geometry: Polygon | MultiPolygon, score: float, prompt: Prompt, origin: Origin, target: CRS | None
) -> Segment | PromptFailure:
    """Measure an outline and bring it, with where it comes from, to the CRS of the result.

    Args:
        geometry: In the CRS of the origin's grid.
        score: IoU that the model expects of it.
        prompt: What was asked.
        origin: Of the outline.
        target: CRS of the result, from `target_crs`.

    Returns:
        The segment, or a failure where a vertex has no place on Earth, or none in the target.
    """
    try:
        measured = measure(geometry, origin.grid.crs)
        segment = Segment(
            geometry=geometry,
            crs=origin.grid.crs,
            prompt_id=prompt.id,
            score=score,
            area_m2=measured.area_m2,
            perim_m=measured.perim_m,
            source=origin.source,
            frame=origin.frame,
            time=origin.time,
            model=origin.model,
            weights=origin.weights,
            prompt=prompt.kind,
            prompt_xy=prompt.coordinates,
        )
        return replace(segment, geometry=geometries_in([segment], target)[0], crs=target)
    except CrsTransformFailed as error:
        return PromptFailure(prompt.id, error)


def look_to_polygon(look: Look, frame: Grid, options: PolygonOptions) -> Polygon | MultiPolygon | None:
    """Outline a mask on the ground, in the frame's CRS, cut at the frame's edge; None where nothing is left.

    It is cut at the nodata that the look notes too, and at a pole, where the frame's outermost pixels are
    centred on it. Exteriors are anticlockwise, and outlines that `options` expand end at the frame's edge
    too. Pixels in `options` are the frame's, whatever the mask's resolution.
    """
    size = len(look.logits)
    ratio = size / look.crop.side
    scaled = replace(
        options,
        min_area_px=options.min_area_px * ratio**2,
        simplify_px=options.simplify_px * ratio,
        smooth_px=options.smooth_px * ratio,
        expand_px=options.expand_px * ratio,
    )
    x0, y0, x1, y1 = look.crop.bounds
    within = x0 >= 0 and y0 >= 0 and x1 <= frame.width and y1 <= frame.height
    logits = look.logits if within else _straight_out(look, frame)
    geometry = logits_to_polygon(logits, look.crop.grid(frame, size), scaled)
    if geometry is not None and not (within and options.expand_px <= 0):
        geometry = tidy(shapely.intersection(geometry, frame.footprint))
    if geometry is not None and look.nodata is not None:
        geometry = _on_data(geometry, look.nodata, frame, options.min_area_px)
    return None if geometry is None else _on_earth(geometry, frame)


def _on_data(
    geometry: Polygon | MultiPolygon, nodata: BaseGeometry, frame: Grid, min_area_px: float
) -> Polygon | MultiPolygon | None:
    """Cut nodata (frame pixels) out of an outline, and drop the crumbs that this leaves."""
    beside = shapely.transform(nodata, frame.pixel_to_map)
    if not geometry.intersects(beside):
        return geometry
    parts = shapely.get_parts(shapely.difference(geometry, beside))
    least = min_area_px * abs(frame.transform.determinant)
    return tidy(shapely.multipolygons(parts[shapely.area(parts) >= least]))


def _on_earth(geometry: Polygon | MultiPolygon, frame: Grid) -> Polygon | MultiPolygon:
    """Cut off what lies beyond a pole, in a frame in degrees that reaches no more than a pixel beyond it.

    So do grids whose first row is centred on the pole, as those of weather models are. A frame that reaches
    further is placed wrongly; that is for the measuring to say.
    """
    turn = full_turn(frame.crs) if frame.crs is not None and frame.crs.is_geographic else None
    if turn is None:
        return geometry
    pole, pixel = turn / 4, abs(frame.transform.d) + abs(frame.transform.e)
    _, low, _, high = frame.bounds
    left, bottom, right, top = geometry.bounds
    if max(top, -bottom) <= pole or max(high, -low) > pole + 1.000001 * pixel:
        return geometry
    return tidy(shapely.intersection(geometry, shapely.box(left, -pole, right, pole))) or geometry


def _straight_out(look: Look, frame: Grid) -> NDArray[np.float32]:
    """Replace the logits beyond the frame by those at its edge, so that outlines leave it straight.

    There is nothing to see beyond the frame; what the model says of it would bend the outline inside.
    """
    size = len(look.logits)
    centres = (np.arange(size) + 0.5) * (look.crop.side / size)
    columns = np.flatnonzero((look.crop.x0 + centres > 0) & (look.crop.x0 + centres < frame.width))
    rows = np.flatnonzero((look.crop.y0 + centres > 0) & (look.crop.y0 + centres < frame.height))
    if not len(columns) or not len(rows):
        return look.logits
    x = np.arange(size).clip(columns[0], columns[-1])
    y = np.arange(size).clip(rows[0], rows[-1])
    extended: NDArray[np.float32] = look.logits[np.ix_(y, x)]
    return extended
