"""The QGIS plugin: prompts in, polygons out, by way of the engine's HTTP service.

It imports the standard library, `qgis` and `osgeo` only, and runs on Python 3.9 and later.
"""

from __future__ import annotations

from typing import Any


def classFactory(iface: Any) -> Any:
    """Return the plugin; QGIS calls this."""
    from .plugin import RosSamPlugin

    return RosSamPlugin(iface)
