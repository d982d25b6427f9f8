"""Polygons of the engine's answers as QGIS's geometries."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsGeometry, QgsPointXY


def geometry_of(geojson: dict[str, Any]) -> QgsGeometry:
    """Return a Polygon or MultiPolygon of GeoJSON's form, in the same coordinates."""
    coordinates = geojson["coordinates"]
    if geojson["type"] == "Polygon":
        return QgsGeometry.fromPolygonXY(_rings(coordinates))
    return QgsGeometry.fromMultiPolygonXY([_rings(polygon) for polygon in coordinates])


def _rings(rings: list[list[list[float]]]) -> list[list[QgsPointXY]]:
    return [[QgsPointXY(x, y) for x, y in ring] for ring in rings]
