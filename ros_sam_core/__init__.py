"""ROS-SAM: from points and boxes on a georeferenced image to the outlines of small objects.

Importing the package loads no torch; that waits until a model is opened.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ros_sam_core.geo.grid import Grid as Grid
    from ros_sam_core.geo.prompts import Prompt as Prompt
    from ros_sam_core.geo.raster import ArrayFrame as ArrayFrame
    from ros_sam_core.geo.raster import RasterFrame as RasterFrame
    from ros_sam_core.geo.vectorize import PolygonOptions as PolygonOptions
    from ros_sam_core.predict.segmenter import Segmenter as Segmenter

__version__ = "0.1.0"

_HOMES = {
    "ArrayFrame": "ros_sam_core.geo.raster",
    "Grid": "ros_sam_core.geo.grid",
    "PolygonOptions": "ros_sam_core.geo.vectorize",
    "Prompt": "ros_sam_core.geo.prompts",
    "RasterFrame": "ros_sam_core.geo.raster",
    "Segmenter": "ros_sam_core.predict.segmenter",
}
__all__ = ["ArrayFrame", "Grid", "PolygonOptions", "Prompt", "RasterFrame", "Segmenter", "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names, imported or not yet."""
    return sorted(__all__)
