"""From mouse events to prompts on the image: what an engine that never answers is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk
from layers import raster, warped
from qgis.core import QgsApplication, QgsCoordinateReferenceSystem, QgsPointXY, QgsProject, QgsRasterLayer
from waiting import Heard, let_run

from ros_sam_qgis.engine.engine import Engine
from ros_sam_qgis.engine.process import Launch
from ros_sam_qgis.map.coordinates import transform
from ros_sam_qgis.map.tool import Mode
from ros_sam_qgis.sources.rendered import RenderedSource

MERCATOR, NEXT_ZONE = (QgsCoordinateReferenceSystem(f"EPSG:{code}") for code in (3857, 25832))


@pytest.fixture
def desk(app: QgsApplication, tmp_path: Path) -> Iterator[Desk]:
    one = Desk(Engine(lambda: Launch("/nowhere/python", "ros-sam-tiny")), tmp_path)
    yield one
    one.close()


@pytest.fixture
def drawn(scenes: Path, tmp_path: Path) -> QgsRasterLayer:
    """A layer that only QGIS can draw."""
    return warped(scenes, tmp_path)


@pytest.mark.parametrize("mode", list(Mode))
def test_prompts_stay_in_the_crs_of_their_picture(desk: Desk, drawn: QgsRasterLayer, mode: Mode) -> None:
    desk.open(drawn)
    session, utm = desk.at.session, drawn.crs()
    desk.mouse.click(QgsPointXY(400080, 5799920))
    QgsProject.instance().setCrs(MERCATOR)
    desk.canvas.setDestinationCrs(MERCATOR)
    let_run(0.05)
    assert isinstance(session.source, RenderedSource) and session.source.crs == MERCATOR
    desk.at.tool.set_mode(mode)
    ((x, y),) = transform([QgsPointXY(400090, 5799930)], utm, MERCATOR)
    if mode is Mode.BOX:
        desk.mouse.drag(QgsPointXY(x, y), QgsPointXY(x + 20, y + 20))
    else:
        desk.mouse.click(QgsPointXY(x, y))
    current, pixel = session.current, desk.canvas.mapUnitsPerPixel()
    if mode is Mode.QUICK:  # the click is for a new object
        assert current.source.crs == MERCATOR
        assert current.prompts.points == (pytest.approx((x, y), abs=pixel),)
        return
    assert current.source.crs == utm
    seen = current.prompts.box[:2] if mode is Mode.BOX else current.prompts.points[1]
    assert seen == pytest.approx((400090, 5799930), abs=2 * pixel)


def test_an_object_goes_with_its_file_to_another_crs(desk: Desk, scenes: Path) -> None:
    layer = raster(scenes, "utm")
    desk.open(layer)
    session, pixel = desk.at.session, desk.canvas.mapUnitsPerPixel()
    desk.mouse.click(QgsPointXY(400080, 5799920))
    layer.setCrs(NEXT_ZONE)
    desk.canvas.setDestinationCrs(NEXT_ZONE)
    desk.canvas.setExtent(layer.extent())
    let_run(0.05)
    desk.mouse.click(QgsPointXY(400090, 5799930))
    current = session.current
    assert current.source.crs == NEXT_ZONE and current.is_pending
    for seen, point in zip(current.prompts.points, ((400080, 5799920), (400090, 5799930)), strict=True):
        assert seen == pytest.approx(point, abs=pixel)


@pytest.mark.parametrize("rotation", [0.0, 30.0])
def test_a_box_begins_where_it_was_begun_whatever_the_view(desk: Desk, scenes: Path, rotation: float) -> None:
    desk.open(raster(scenes, "utm"))
    desk.canvas.setRotation(rotation)
    desk.at.tool.set_mode(Mode.BOX)
    boxed = Heard(desk.at.tool.boxed)
    first, last = QgsPointXY(400080, 5799920), QgsPointXY(400100, 5799900)
    pixel = desk.canvas.mapUnitsPerPixel()
    desk.mouse.click(first)
    desk.canvas.zoomByFactor(0.5)
    desk.canvas.setCenter(QgsPointXY(400100, 5799930))
    desk.mouse.click(last)
    ((corners,),) = boxed.calls
    for corner, point in ((corners[0], first), (corners[2], last)):
        assert (corner.x(), corner.y()) == pytest.approx((point.x(), point.y()), abs=pixel)
    row = [desk.canvas.getCoordinateTransform().toMapCoordinates(x, 50) for x in (0, 500)]
    turned = corners[0].azimuth(corners[1]) - row[0].azimuth(row[1])
    assert turned == pytest.approx(0.0, abs=1e-3)
    sides = [corner.distance(corners[(i + 1) % 4]) for i, corner in enumerate(corners)]
    assert sides[:2] == pytest.approx(sides[2:]) and min(sides) > 1.0
    assert sides[0] ** 2 + sides[1] ** 2 == pytest.approx(corners[0].sqrDist(corners[2]))
