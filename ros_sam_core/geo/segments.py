"""Segment: one outlined object with where it came from, and tables of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from pyproj import CRS
from shapely.geometry import MultiPolygon, Polygon

from ros_sam_core.errors import CrsTransformFailed
from ros_sam_core.geo.crs import crs_name, full_turn, transform_xy
from ros_sam_core.geo.vectorize import tidy

if TYPE_CHECKING:
    from geopandas import GeoDataFrame


@dataclass(frozen=True)
class Segment:
    """An outlined object.

    Args:
        geometry: valid polygon or multipolygon in `crs`.
        crs: of the geometry; None means pixels.
        prompt_id: id of the prompt.
        score: IoU that the model expects of its mask, 0 to 1.
        area_m2: area on the ground, square metres (pixels without CRS).
        perim_m: perimeter on the ground, metres (pixels without CRS).
        source: file or address of the image.
        frame: name of the image within its source.
        time: when it was taken, ISO 8601, if known.
        model: name of the model.
        weights: short sha256 of its weights.
        prompt: kind of the prompt, see `PixelPrompt.kind`.
        prompt_xy: its coordinates in its own CRS, see `PixelPrompt.coordinates`.
    """

    geometry: Polygon | MultiPolygon
    crs: CRS | None
    prompt_id: str
    score: float
    area_m2: float
    perim_m: float
    source: str
    frame: str
    time: str | None
    model: str
    weights: str
    prompt: str
    prompt_xy: str


ATTRIBUTES = tuple(field.name for field in fields(Segment))[2:]
"""Names of the columns of every output but the geometry, in their order."""

NUMBERS = ("score", "area_m2", "perim_m")


def segments_to_geodataframe(segments: Sequence[Segment], crs: CRS | None) -> GeoDataFrame:
    """Return a table of segments: the columns `ATTRIBUTES`, then `geometry`, in one CRS.

    Args:
        segments: any number, none too; each in its own CRS.
        crs: of the table; None means pixels.

    Raises:
        CrsTransformFailed: if a segment cannot be brought to that CRS.
    """
    # Segments alone need no tables, and the engine starts without them.
    from geopandas import GeoDataFrame

    columns: dict[str, Any] = {name: _column(segments, name) for name in ATTRIBUTES}
    columns["geometry"] = geometries_in(segments, crs)
    return GeoDataFrame(columns, geometry="geometry", crs=crs)


def geometries_in(segments: Sequence[Segment], crs: CRS | None) -> list[Polygon | MultiPolygon]:
    """Return the geometries of segments, each brought from its own CRS to `crs`, and valid there.

    Across the antimeridian a polygon stays in one piece, with longitudes beyond 180 degrees.

    Raises:
        CrsTransformFailed: if one of them cannot be brought there.
    """
    return [_transformed(segment, crs) for segment in segments]


def _transformed(segment: Segment, crs: CRS | None) -> Polygon | MultiPolygon:
    source = segment.crs
    if source == crs:
        return segment.geometry
    if source is None or crs is None:
        raise CrsTransformFailed(
            f"segment of prompt {segment.prompt_id} is in CRS {crs_name(source)} and cannot go to "
            f"{crs_name(crs)}; write it in its own"
        )
    xy = transform_xy(shapely.get_coordinates(segment.geometry), source, crs)
    turn = full_turn(crs)
    if turn is not None:
        xy[:, 0] -= turn * np.round((xy[:, 0] - xy[0, 0]) / turn)
    moved = tidy(shapely.set_coordinates(shapely.force_2d(segment.geometry), xy))
    if moved is None:
        raise CrsTransformFailed(
            f"segment of prompt {segment.prompt_id} has no area left in {crs_name(crs)}; "
            f"write it in its own CRS, {crs_name(source)}"
        )
    return moved


def _column(segments: Sequence[Segment], name: str) -> Any:
    values = [getattr(segment, name) for segment in segments]
    return np.array(values, dtype=np.float64 if name in NUMBERS else object)
