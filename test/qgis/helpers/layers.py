"""Layers of the made-up scene, and where its objects are on the map."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsFeature, QgsGeometry, QgsPointXY, QgsRasterLayer, QgsVectorLayer

SIZES = {"utm": 0.5, "rotated": 0.5, "south_up": 0.5, "degrees": 0.5, "deep": 0.5, "plain": 1.0}


def raster(scenes: Path, name: str) -> QgsRasterLayer:
    """Open one of the rasters; `deep` is styled in true colours with a stretch."""
    layer = QgsRasterLayer(str(scenes / f"{name}.tif"), name)
    assert layer.isValid(), name
    if name == "deep":
        style_deep(layer)
    return layer


def warped(scenes: Path, folder: Path) -> QgsRasterLayer:
    """Write `plain` with ground control points, which only QGIS can draw, and open it."""
    from osgeo import gdal

    path = folder / "gcps.tif"
    gcps = [
        gdal.GCP(400000 + 0.5 * x + 30 * (y / 320) ** 2, 5800000 - 0.5 * y, 0, x, y)
        for x in (0, 192, 384)
        for y in (0, 160, 320)
    ]
    gdal.Translate(str(path), str(scenes / "plain.tif"), GCPs=gcps, outputSRS="EPSG:25833")
    return QgsRasterLayer(str(path), "gcps")


def style_deep(layer: QgsRasterLayer) -> None:
    """Show bands 3, 2, 1, which are red, green and blue times 8 plus 100, as they were."""
    from qgis.core import QgsContrastEnhancement, QgsMultiBandColorRenderer

    renderer = QgsMultiBandColorRenderer(layer.dataProvider(), 3, 2, 1)
    algorithm = QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum
    setters = (
        renderer.setRedContrastEnhancement,
        renderer.setGreenContrastEnhancement,
        renderer.setBlueContrastEnhancement,
    )
    for band, setter in zip((3, 2, 1), setters, strict=True):
        enhancement = QgsContrastEnhancement(layer.dataProvider().dataType(band))
        enhancement.setContrastEnhancementAlgorithm(algorithm)
        enhancement.setMinimumValue(100.0)
        enhancement.setMaximumValue(100.0 + 8 * 255)
        setter(enhancement)
    layer.setRenderer(renderer)


def true_polygon(truth: dict, name: str, index: int) -> QgsGeometry:
    """Return the outline of an object in the coordinates in which QGIS shows a raster."""
    (a, b, c, d, e, f), _ = truth["grids"][name]
    sign = -1.0 if name == "plain" else 1.0
    ring = [
        QgsPointXY(a * x + b * y + c, sign * (d * x + e * y + f)) for x, y in truth["objects"][index]["ring"]
    ]
    return QgsGeometry.fromPolygonXY([ring])


def inner_point(geometry: QgsGeometry) -> QgsPointXY:
    """Return a point well inside a polygon."""
    return geometry.poleOfInaccessibility(geometry.boundingBox().width() / 100)[0].asPoint()


def boxes_layer(truth: dict, name: str, indices: list[int], crs: str) -> QgsVectorLayer:
    """Return a layer with true outlines, whose bounds are boxes, and their classes."""
    layer = QgsVectorLayer(f"Polygon?crs={crs}&field=kind:string(20)", "boxes", "memory")
    for index in indices:
        feature = QgsFeature(layer.fields())
        feature.setGeometry(true_polygon(truth, name, index))
        feature.setAttribute("kind", truth["objects"][index]["class"])
        layer.dataProvider().addFeatures([feature])
    return layer
