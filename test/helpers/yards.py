"""A yard of light boxes on grey ground, whose outlines are known: what everything mode must find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely
from cli_files import GSD_M, ORIGIN, write_raster
from numpy.typing import NDArray
from shapely.geometry import Polygon

LENGTH, WIDTH = 56, 28
"""Of a box, pixels."""
Places = tuple[tuple[int, int], ...]


def yard(height: int, width: int, places: Places) -> NDArray[np.uint8]:
    """Return [3, H, W]: grey noise, and a box whose middle is at each place (column, row)."""
    rng = np.random.default_rng(0)
    bands = rng.integers(70, 84, (3, height, width), dtype=np.uint8)
    for column, row in places:
        top, left = row - WIDTH // 2, column - LENGTH // 2
        bands[:, top : top + WIDTH, left : left + LENGTH] = 215
        bands[:, top + 4 : top + WIDTH - 4, left + 10 : left + 20] = 60
    return bands


def box_at(column: int, row: int) -> Polygon:
    """Return the outline of a box, pixels."""
    return shapely.box(column - LENGTH / 2, row - WIDTH / 2, column + LENGTH / 2, row + WIDTH / 2)


def on_map(polygon: Polygon) -> Polygon:
    """Return pixels of a raster at `ORIGIN` on the map."""
    x, y = ORIGIN
    return shapely.transform(
        polygon, lambda xy: np.column_stack([x + xy[:, 0] * GSD_M, y - xy[:, 1] * GSD_M])
    )


def write_yard(path: Path, height: int, width: int, places: Places, **options: object) -> Path:
    """Write a yard as a GeoTIFF."""
    return write_raster(path, yard(height, width, places), **options)  # type: ignore[arg-type]


def iou(a: Polygon, b: Polygon) -> float:
    """Return the IoU of two polygons."""
    return float(a.intersection(b).area / a.union(b).area)
