"""Where the pixels of a layer lie, in the coordinates in which QGIS shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qgis.core import QgsCoordinateReferenceSystem, QgsRectangle

Transform = tuple[float, float, float, float, float, float]

IDENTITY: Transform = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
UNPLACED: Transform = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
"""How QGIS shows a raster without georeference: one unit a pixel, row 0 at the top."""


@dataclass(frozen=True)
class PixelGrid:
    """Size, affine transform and CRS of an image.

    Attributes:
        width: columns.
        height: rows.
        transform: a, b, c, d, e, f with x = a column + b row + c and y = d column + e row + f.
        crs: of x and y; invalid where nothing is known.
    """

    width: int
    height: int
    transform: Transform
    crs: QgsCoordinateReferenceSystem

    @property
    def is_unplaced(self) -> bool:
        """Whether the coordinates are pixels, y upwards."""
        return self.transform == UNPLACED and not self.crs.isValid()

    @property
    def pixel_size(self) -> float:
        """Geometric mean of a pixel's sides, in units of the CRS."""
        a, b, _, d, e, _ = self.transform
        return abs(a * e - b * d) ** 0.5

    def to_map(self, column: float, row: float) -> tuple[float, float]:
        """Return the map coordinates of a place in pixels."""
        a, b, c, d, e, f = self.transform
        return a * column + b * row + c, d * column + e * row + f

    def bounds(self) -> QgsRectangle:
        """Return the rectangle around the four corners."""
        corners = [self.to_map(x, y) for x in (0, self.width) for y in (0, self.height)]
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        return QgsRectangle(min(xs), min(ys), max(xs), max(ys))

    def body(self) -> dict[str, Any]:
        """Return it as the engine's API takes it."""
        crs = wkt_of(self.crs) if self.crs.isValid() else None
        return {"width": self.width, "height": self.height, "transform": list(self.transform), "crs": crs}


def wkt_of(crs: QgsCoordinateReferenceSystem) -> str:
    """Return the text of a CRS that another PROJ understands exactly."""
    return str(crs.toWkt(QgsCoordinateReferenceSystem.WKT_PREFERRED))


def name_of(crs: QgsCoordinateReferenceSystem) -> str:
    """Return the shortest text by which QGIS finds a CRS again."""
    return str(crs.authid()) or wkt_of(crs)


def from_answer(answer: dict[str, Any]) -> PixelGrid:
    """Read the `grid` of a registered frame."""
    grid = answer["grid"]
    crs = QgsCoordinateReferenceSystem()
    if grid.get("crs"):
        crs = QgsCoordinateReferenceSystem(grid["crs"])
    if not crs.isValid() and grid.get("wkt"):
        crs = QgsCoordinateReferenceSystem.fromWkt(grid["wkt"])
    a, b, c, d, e, f = (float(value) for value in grid["transform"])
    return PixelGrid(int(grid["width"]), int(grid["height"]), (a, b, c, d, e, f), crs)
