"""Segments, failures and frames as the API tells them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pyproj import CRS
from shapely.geometry import mapping

from ros_sam_core.engine.frames import Entry

if TYPE_CHECKING:
    from ros_sam_core.geo.segments import Segment
    from ros_sam_core.predict.ground import PromptFailure

PROPERTIES = (
    "prompt_id",
    "score",
    "area_m2",
    "perim_m",
    "source",
    "frame",
    "time",
    "model",
    "weights",
    "prompt",
    "prompt_xy",
)


def crs_code(crs: CRS | None) -> str | None:
    """Return the code of a CRS, such as EPSG:32633, if it has one."""
    authority = None if crs is None else crs.to_authority(min_confidence=100)
    return ":".join(authority) if authority else None


def crs_text(crs: CRS | None) -> str | None:
    """Return the code of a CRS, else its WKT; None without CRS."""
    return None if crs is None else crs_code(crs) or crs.to_wkt()


def segment_told(segment: Segment, mask: str | None) -> dict[str, Any]:
    """Return a segment as a GeoJSON feature in its own CRS."""
    properties = {name: _finite(getattr(segment, name)) for name in PROPERTIES}
    geometry = dict(mapping(segment.geometry))
    return {
        "type": "Feature",
        "id": segment.prompt_id,
        "mask": mask,
        "geometry": geometry,
        "properties": properties,
    }


def failure_told(failure: PromptFailure, mask: str | None = None) -> dict[str, Any]:
    """Return why a prompt gave no segment."""
    error = failure.error
    return {"prompt_id": failure.prompt_id, "type": type(error).__name__, "message": str(error), "mask": mask}


def frame_told(entry: Entry) -> dict[str, Any]:
    """Return what a client needs to know of a frame."""
    grid = entry.grid
    stretch = [
        f"{value:.17g}" for pair in zip(entry.stretch.low, entry.stretch.high, strict=True) for value in pair
    ]
    return {
        "frame_id": entry.frame_id,
        "source": entry.source,
        "frame": entry.frame,
        "time": entry.time,
        "grid": {
            "width": grid.width,
            "height": grid.height,
            "transform": list(grid.transform[:6]),
            "crs": crs_code(grid.crs),
            "wkt": grid.crs.to_wkt() if grid.crs else None,
        },
        "gsd_m": _finite(grid.gsd_m),
        "bands": None if entry.bands is None else list(entry.bands),
        "stretch": "none" if entry.stretch.keeps_bytes else ",".join(stretch),
    }


def _finite(value: Any) -> Any:
    """Return None in place of a number that JSON does not have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
