"""Layers that QGIS draws: an XYZ layer of local tiles, a file with ground control points."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from desk import Desk
from layers import inner_point, raster, true_polygon, warped
from osgeo import gdal
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsDateTimeRange,
    QgsGeometry,
    QgsMapSettings,
    QgsProject,
    QgsRasterLayer,
    QgsRasterLayerTemporalProperties,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QDateTime, QSize, Qt
from waiting import let_run, wait_until

from ros_sam_qgis.engine.engine import Engine
from ros_sam_qgis.engine.frames import Frames
from ros_sam_qgis.engine.process import Launch
from ros_sam_qgis.session.hover import Hover, Warmer
from ros_sam_qgis.session.session import Session
from ros_sam_qgis.session.shape import Shape
from ros_sam_qgis.sources import rendered
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
    assert isinstance(source_of(warped(scenes, tmp_path), settings), RenderedSource)


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


def drawn(source: RenderedSource) -> str:
    """Have a picture drawn; return why it was not, empty if it was."""
    told: list[str] = []
    source.prepare(lambda: told.append(""), told.append)
    wait_until(lambda: told, 60, "a picture")
    return told[0]


def middle() -> QgsRectangle:
    """Return a part of the scene."""
    return in_mercator(QgsGeometry.fromRect(QgsRectangle(400096, 5799920, 400136, 5799960))).boundingBox()


def test_another_style_is_another_picture(tiles: QgsRasterLayer) -> None:
    layer, area = tiles.clone(), middle()
    first = RenderedSource(layer, view(area))
    assert drawn(first) == ""
    layer.brightnessFilter().setBrightness(120)
    second = RenderedSource(layer, view(area))
    assert drawn(second) == "" and second.key != first.key
    assert second.at_once().data != first.at_once().data
    layer.brightnessFilter().setBrightness(0)
    assert RenderedSource(layer, view(area)).key == first.key


def test_a_picture_is_of_the_time_on_screen(tiles: QgsRasterLayer) -> None:
    layer, area = tiles.clone(), middle()
    at = [QDateTime.fromString(f"2024-05-0{day}T00:00:00Z", Qt.DateFormat.ISODate) for day in range(1, 5)]
    settings = [view(area), view(area)]
    for one, begin in zip(settings, (at[0], at[2]), strict=True):
        one.setIsTemporal(True)
        one.setTemporalRange(QgsDateTimeRange(begin, begin.addSecs(60)))
    assert RenderedSource(layer, settings[0]).key == RenderedSource(layer, settings[1]).key
    properties = layer.temporalProperties()
    properties.setMode(QgsRasterLayerTemporalProperties.ModeFixedTemporalRange)
    properties.setFixedTemporalRange(QgsDateTimeRange(at[0], at[1]))
    properties.setIsActive(True)
    then, later = (RenderedSource(layer, one) for one in settings)
    assert then.key != later.key
    assert drawn(then) == "" and "draws nothing of tiles" in drawn(later)


def test_a_picture_that_failed_is_drawn_again(tiles: QgsRasterLayer, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = QgsRasterLayer("type=xyz&url=http://127.0.0.1:9/{z}/{x}/{y}.png&zmin=18&zmax=18", "gone", "wms")
    source = RenderedSource(gone, view(middle()))
    assert "draws nothing of gone" in drawn(source) and source.at_once() is None
    gone.setDataSource(tiles.source(), "gone", "wms")
    assert "draws nothing of gone" in drawn(source), "a mouse that moves must not ask the server all the time"
    monkeypatch.setattr(rendered, "PATIENCE_S", 0.0)
    assert drawn(source) == "" and source.at_once() is not None


def test_a_file_that_is_cut_off_is_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "cut.tif"
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 512, 512, 1)
    dataset.SetGeoTransform((1503000, 1, 0, 6880512, 0, -1))
    dataset.SetProjection(MERCATOR.toWkt())
    dataset.GetRasterBand(1).Fill(100)
    del dataset
    layer = QgsRasterLayer(str(path), "cut")
    path.write_bytes(path.read_bytes()[:100_000])
    source = RenderedSource(layer, view(layer.extent()))
    assert "cannot draw cut" in drawn(source) and source.at_once() is None


def test_the_picture_follows_the_time_of_the_map(tiles: QgsRasterLayer, engine, tmp_path: Path) -> None:
    layer, desk = tiles.clone(), Desk(engine, tmp_path)
    layer.temporalProperties().setMode(QgsRasterLayerTemporalProperties.ModeRedrawLayerOnly)
    layer.temporalProperties().setIsActive(True)
    desk.open(layer, extent=middle())
    before = desk.at.session.source.key
    when = QDateTime.fromString("2024-05-01T00:00:00Z", Qt.DateFormat.ISODate)
    desk.canvas.setTemporalRange(QgsDateTimeRange(when, when.addSecs(60)))
    assert desk.at.session.source.key != before
    desk.close()


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


def test_a_kept_object_of_a_layer_that_left_before_it_was_drawn_is_rescued(
    tiles: QgsRasterLayer, truth: dict, engine_python: str, model: str, tmp_path: Path
) -> None:
    layer = tiles.clone()
    starting = Engine(lambda: Launch(engine_python, model))
    desk = Desk(starting, tmp_path)
    plane = in_mercator(true_polygon(truth, "utm", 0))
    try:
        desk.open(layer, extent=plane.boundingBox().buffered(50))
        desk.click(plane.centroid().asPoint(), layer)
        desk.mouse.key(Qt.Key.Key_Return)
        assert desk.at.session.awaited == 1
        QgsProject.instance().removeMapLayer(layer.id())
        wait_until(lambda: not desk.at.session.leaving, 120, "the object to be given up")
        told = desk.iface.messages()
        assert any("no outline yet" in text and "rescued_objects.gpkg" in text for text in told)
    finally:
        desk.close()
        starting.stop()


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
