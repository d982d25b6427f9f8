"""Layers that QGIS draws: an XYZ layer of local tiles, a file with ground control points."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from layers import inner_point, raster, true_polygon
from osgeo import gdal
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsGeometry,
    QgsMapSettings,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QSize
from waiting import let_run, wait_until

from ros_sam_qgis.engine.frames import Frames
from ros_sam_qgis.session.hover import Hover, Warmer
from ros_sam_qgis.session.session import Session
from ros_sam_qgis.session.shape import Shape
from ros_sam_qgis.sources.choose import source_of
from ros_sam_qgis.sources.file_source import FileSource
from ros_sam_qgis.sources.rendered import RenderedSource
from ros_sam_qgis.sources.source import LayerUnsuitable

MERCATOR = QgsCoordinateReferenceSystem("EPSG:3857")
HALF = math.pi * 6378137
ZOOM, TILE = 18, 256


@pytest.fixture(scope="module")
def tiles(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> QgsRasterLayer:
    """The scene as an XYZ layer of zoom 18, from a folder of tiles."""
    folder = tmp_path_factory.mktemp("tiles")
    size = 2 * HALF / 2**ZOOM
    whole = gdal.Warp("", str(scenes / "utm.tif"), format="MEM", dstSRS="EPSG:3857")
    left, _, _, top, _, _ = whole.GetGeoTransform()
    right = left + whole.RasterXSize * whole.GetGeoTransform()[1]
    bottom = top + whole.RasterYSize * whole.GetGeoTransform()[5]
    for x in range(int((left + HALF) // size), int((right + HALF) // size) + 1):
        for y in range(int((HALF - top) // size), int((HALF - bottom) // size) + 1):
            path = folder / str(ZOOM) / str(x) / f"{y}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            bounds = (x * size - HALF, HALF - (y + 1) * size, (x + 1) * size - HALF, HALF - y * size)
            tile = gdal.Warp(
                "",
                str(scenes / "utm.tif"),
                format="MEM",
                dstSRS="EPSG:3857",
                outputBounds=bounds,
                width=TILE,
                height=TILE,
                resampleAlg="bilinear",
                dstAlpha=True,
            )
            gdal.GetDriverByName("PNG").CreateCopy(str(path), tile)
    uri = f"type=xyz&url=file://{folder}/{{z}}/{{x}}/{{y}}.png&zmin={ZOOM}&zmax={ZOOM}"
    layer = QgsRasterLayer(uri, "tiles", "wms")
    assert layer.isValid()
    return layer


def in_mercator(geometry: QgsGeometry) -> QgsGeometry:
    moved = QgsGeometry(geometry)
    utm = QgsCoordinateReferenceSystem("EPSG:25833")
    moved.transform(QgsCoordinateTransform(utm, MERCATOR, QgsProject.instance()))
    return moved


def view(of: QgsRectangle, width: int = 800, height: int = 600) -> QgsMapSettings:
    settings = QgsMapSettings()
    settings.setDestinationCrs(MERCATOR)
    settings.setOutputSize(QSize(width, height))
    settings.setExtent(of)
    return settings


def test_a_file_is_read_and_everything_else_is_drawn(
    scenes: Path, tiles: QgsRasterLayer, tmp_path: Path
) -> None:
    settings = view(QgsRectangle(0, 0, 100, 100))
    for name in ("utm", "rotated", "south_up", "degrees", "deep", "plain"):
        assert isinstance(source_of(raster(scenes, name), settings), FileSource), name
    assert isinstance(source_of(tiles, settings), RenderedSource)
    path = tmp_path / "gcps.tif"
    gcps = [
        gdal.GCP(400000 + 0.5 * x + 30 * (y / 320) ** 2, 5800000 - 0.5 * y, 0, x, y)
        for x in (0, 192, 384)
        for y in (0, 160, 320)
    ]
    gdal.Translate(str(path), str(scenes / "plain.tif"), GCPs=gcps, outputSRS="EPSG:25833")
    assert isinstance(source_of(QgsRasterLayer(str(path), "gcps"), settings), RenderedSource)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LayerUnsuitable, match="cannot be read"):
        source_of(QgsRasterLayer(str(tmp_path / "gone.tif"), "gone"), QgsMapSettings())


def test_the_same_view_gives_the_same_picture(tiles: QgsRasterLayer) -> None:
    area = QgsRectangle(1503000, 6880000, 1503200, 6880150)
    first, second = RenderedSource(tiles, view(area)), RenderedSource(tiles, view(area))
    assert first.key == second.key
    pixel = first.grid.transform[0]
    assert first.grid.transform[2] / pixel == pytest.approx(round(first.grid.transform[2] / pixel))
    moved = QgsRectangle(area)
    moved.setXMinimum(area.xMinimum() + 100 * pixel)
    moved.setXMaximum(area.xMaximum() + 100 * pixel)
    assert RenderedSource(tiles, view(moved)).key != first.key


def test_a_picture_grows_to_hold_prompts_outside_the_view(tiles: QgsRasterLayer) -> None:
    area = QgsRectangle(1503000, 6880000, 1503200, 6880150)
    source = RenderedSource(tiles, view(area))
    inside = (1503010.0, 6880010.0, 1503020.0, 6880020.0)
    assert source.covering(inside) is source
    wider = source.covering((1502800.0, 6880010.0, 1502810.0, 6880020.0))
    assert wider.grid.bounds().xMinimum() <= 1502800 and wider.grid.bounds().contains(area)
    assert wider.grid.pixel_size == pytest.approx(source.grid.pixel_size)


def test_an_object_on_tiles_is_outlined_where_it_is(
    tiles: QgsRasterLayer, truth: dict, engine, bundled: bool
) -> None:
    plane = in_mercator(true_polygon(truth, "utm", 1))
    area = plane.boundingBox()
    area.grow(60)
    source = RenderedSource(tiles, view(area))
    frames = Frames(engine)
    session = Session(frames)
    session.use(source)
    box = plane.boundingBox()
    session.box((box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()))
    wait_until(lambda: not session.current.is_pending, 300)
    outline = session.current.outline
    assert outline is not None
    assert outline.attributes["source"].startswith("type=xyz")
    overlap = outline.geometry.intersection(plane).area() / outline.geometry.combine(plane).area()
    assert overlap > (0.6 if bundled else 0.1)
    session.close()


def test_tiles_are_sent_once_and_then_previewed(tiles: QgsRasterLayer, truth: dict, engine) -> None:
    plane = in_mercator(true_polygon(truth, "utm", 1))
    area = plane.boundingBox()
    area.grow(50)
    source = RenderedSource(tiles, view(area))
    frames = Frames(engine)
    warmer, hover = Warmer(frames), Hover(frames)
    point = inner_point(plane)
    region = (area.xMinimum(), area.yMinimum(), area.xMaximum(), area.yMaximum())
    warmer.warm(source, region, (point.x(), point.y()), None)

    def previewed() -> bool:
        hover.move(source, point.x(), point.y(), Shape(), None)
        let_run(0.3)
        return hover.outline is not None

    wait_until(previewed, 300, "a preview")
    assert hover.outline.geometry.boundingBox().intersects(plane.boundingBox())
