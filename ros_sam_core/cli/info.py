"""`ros-sam info`: how a raster will be read."""

from __future__ import annotations

import math
from typing import Any

import rasterio

from ros_sam_core.cli.given import parse_bands
from ros_sam_core.cli.report import Report
from ros_sam_core.geo.crs import crs_name
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.raster import RasterFrame
from ros_sam_core.geo.remote import gdal_env


def run_info(raster: str, bands: str | None, stretch: str | None, report: Report) -> None:
    """Tell size, georeference, bands and stretch of a raster.

    Args:
        raster: Anything that GDAL opens.
        bands: As typed, such as "3,2,1".
        stretch: As typed, such as "2-98".
        report: Where to tell it.

    Raises:
        RosSamError: The raster cannot be read this way.
    """
    with gdal_env(), RasterFrame.open(raster, bands=parse_bands(bands), stretch=stretch) as frame:
        facts = describe(frame)
    report.put(**facts)
    for name, value in _lines(facts):
        report.say(f"{name:<14} {value}")


def describe(frame: RasterFrame) -> dict[str, Any]:
    """Return what is known of an open raster, ready for JSON."""
    grid = frame.grid
    with rasterio.open(frame.source) as dataset:
        layout: dict[str, Any] = {
            "driver": dataset.driver,
            "bands": dataset.count,
            "dtypes": list(dataset.dtypes),
            "colours": [colour.name for colour in dataset.colorinterp],
            "nodata": [_finite(value) for value in dataset.nodatavals],
            "overviews": dataset.overviews(1),
        }
    return {
        "source": frame.source,
        "width": grid.width,
        "height": grid.height,
        **layout,
        "crs": None if grid.crs is None else crs_name(grid.crs),
        "georeference": georeference_of(grid),
        "transform": list(grid.transform[:6]),
        "bounds": list(grid.bounds),
        "gsd_m": grid.gsd_m,
        "rgb_bands": list(frame.bands),
        "stretched": not frame.stretch.keeps_bytes,
        "stretch": {"low": list(frame.stretch.low), "high": list(frame.stretch.high)},
        "time": frame.time,
    }


def georeference_of(grid: Grid) -> str:
    """Name the kind of a grid's georeference: none, north-up, south-up, mirrored, or rotated (or sheared)."""
    a, b, _, d, e, _ = grid.transform[:6]
    if grid.crs is None and grid.transform.is_identity:
        return "none"
    if b or d:
        return "rotated"
    return "north-up" if a > 0 and e < 0 else "south-up" if a > 0 else "mirrored"


def _lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    spans = [f"{low:g} to {high:g}" for low, high in zip(*facts["stretch"].values(), strict=True)]
    colours = ", ".join(facts["colours"]) if facts["bands"] <= 8 else "many"
    own = "pixels" if facts["georeference"] == "none" else "the raster's own"
    return [
        ("size", f"{facts['width']} x {facts['height']} pixels"),
        ("driver", facts["driver"]),
        ("bands", f"{facts['bands']} of {', '.join(sorted(set(facts['dtypes'])))}: {colours}"),
        ("nodata", _nodata(facts)),
        ("overviews", ", ".join(map(str, facts["overviews"])) or "none"),
        ("CRS", facts["crs"] or f"none: coordinates are {own}"),
        ("georeference", facts["georeference"]),
        ("bounds", " ".join(f"{value:.12g}" for value in facts["bounds"])),
        ("pixel size", "unknown" if facts["gsd_m"] is None else f"{facts['gsd_m']:.4g} m"),
        ("seen as RGB", f"bands {', '.join(map(str, facts['rgb_bands']))}"),
        ("stretch", f"{', '.join(spans)} becomes 0 to 255" if facts["stretched"] else "none: 8 bit as it is"),
        *([("time", facts["time"])] if facts["time"] else []),
    ]


def _nodata(facts: dict[str, Any]) -> str:
    values = dict.fromkeys(str(value) for value in facts["nodata"] if value is not None)
    alpha = ["where alpha is 0"] if "alpha" in facts["colours"] else []
    return ", ".join([*values, *alpha]) or "none"


def _finite(value: float | None) -> float | str | None:
    """Return a nodata value that JSON can hold: NaN and infinity become text."""
    return value if value is None or math.isfinite(value) else str(value)
