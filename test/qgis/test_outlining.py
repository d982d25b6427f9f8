"""From mouse events on a real canvas to polygons in a GeoPackage, with the real engine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk
from layers import SIZES, inner_point, raster, true_polygon
from mouse import LEFT, RIGHT
from osgeo import ogr
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
)
from qgis.PyQt.QtCore import Qt
from waiting import let_run, wait_until

from ros_sam_qgis.engine.engine import Engine
from ros_sam_qgis.map.tool import Mode
from ros_sam_qgis.session.shape import Shape
from ros_sam_qgis.store.output import table_of

PLANE, TRUCK = 1, 7
CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def desk(engine: Engine, tmp_path: Path) -> Iterator[Desk]:
    one = Desk(engine, tmp_path)
    one.at._on_shape(Shape())
    one.at.set_class("")
    yield one
    one.close()


def iou(one: QgsGeometry, other: QgsGeometry) -> float:
    return one.intersection(other).area() / one.combine(other).area()


@pytest.mark.parametrize("project_crs", [None, "EPSG:3857"], ids=["same-crs", "other-crs"])
@pytest.mark.parametrize("name", sorted(SIZES))
def test_a_drag_and_enter_put_the_object_where_it_is(
    desk: Desk, scenes: Path, truth: dict, name: str, project_crs: str | None, bundled: bool
) -> None:
    layer = raster(scenes, name)
    desk.open(layer, None if name == "plain" else project_crs)
    plane = true_polygon(truth, name, PLANE)
    box = plane.boundingBox()
    corners = [QgsPointXY(box.xMinimum(), box.yMaximum()), QgsPointXY(box.xMaximum(), box.yMinimum())]
    desk.mouse.drag(*(desk.on_map(corner, layer) for corner in corners))
    shown = desk.settle()
    assert desk.rows() == []
    assert desk.mouse.key(Qt.Key.Key_Return)
    table = table_of(layer.crs(), name, str(scenes / f"{name}.tif"))
    (row,) = desk.rows(table)
    assert iou(row["geometry"], shown) > 1 - 1e-9
    assert row["prompt"] == "box" and row["source"] == str(scenes / f"{name}.tif")
    assert 0 <= row["score"] <= 1
    if bundled:
        assert iou(row["geometry"], plane) > 0.5
    assert row["geometry"].distance(QgsGeometry.fromPointXY(inner_point(plane))) < box.width()
    assert desk.at.session.current is None


def test_clicks_keys_and_the_undo_stack(desk: Desk, scenes: Path, truth: dict) -> None:
    layer = raster(scenes, "utm")
    desk.open(layer)
    plane, truck = (inner_point(true_polygon(truth, "utm", index)) for index in (PLANE, TRUCK))
    desk.at.set_class("airplane")
    desk.click(plane, layer)
    desk.settle()
    desk.click(QgsPointXY(plane.x() + 6, plane.y() + 6), layer, RIGHT)
    desk.settle()
    assert desk.at.session.current.prompts.labels == (1, 0)
    desk.mouse.key(Qt.Key.Key_Backspace)
    assert desk.at.session.current.prompts.labels == (1,)
    desk.settle()
    desk.mouse.key(Qt.Key.Key_Enter)
    desk.mouse.key(Qt.Key.Key_3)
    assert desk.at.session.class_name == "vehicle"
    desk.click(truck, layer)
    desk.mouse.key(Qt.Key.Key_Return)  # before its outline is there
    wait_until(lambda: len(desk.rows()) == 2, 90)
    assert [row["class"] for row in desk.rows()] == ["airplane", "vehicle"]
    assert desk.mouse.key(Qt.Key.Key_Z, CONTROL)
    assert [row["class"] for row in desk.rows()] == ["airplane"]
    desk.mouse.key(Qt.Key.Key_Z, CONTROL)
    assert desk.rows() == []
    desk.mouse.key(Qt.Key.Key_Y, CONTROL)
    desk.mouse.key(Qt.Key.Key_Z, CONTROL | Qt.KeyboardModifier.ShiftModifier)
    assert [row["class"] for row in desk.rows()] == ["airplane", "vehicle"]
    desk.click(plane, layer)
    desk.mouse.key(Qt.Key.Key_Escape)
    assert desk.at.session.current is None
    assert not desk.mouse.key(Qt.Key.Key_A)


def test_keys_are_qgis_own_when_the_tool_is_off(desk: Desk, scenes: Path) -> None:
    desk.open(raster(scenes, "utm"))
    assert desk.mouse.key(Qt.Key.Key_Z, CONTROL)
    desk.at.set_active(False)
    assert not desk.mouse.key(Qt.Key.Key_Z, CONTROL)
    assert not desk.mouse.key(Qt.Key.Key_Tab)


def test_tab_goes_round_the_modes(desk: Desk, scenes: Path) -> None:
    desk.open(raster(scenes, "utm"))
    seen = []
    for _ in range(3):
        assert desk.mouse.key(Qt.Key.Key_Tab)
        seen.append(desk.at.tool.mode)
        assert desk.dock.modes[desk.at.tool.mode].isChecked()
    assert seen == [Mode.BOX, Mode.QUICK, Mode.POINTS]


def test_two_clicks_draw_a_box(desk: Desk, scenes: Path, truth: dict) -> None:
    layer = raster(scenes, "utm")
    desk.open(layer)
    desk.at.tool.set_mode(Mode.BOX)
    box = true_polygon(truth, "utm", PLANE).boundingBox()
    desk.click(QgsPointXY(box.xMinimum(), box.yMinimum()), layer)
    assert desk.at.session.current is None
    desk.click(QgsPointXY(box.xMaximum(), box.yMaximum()), layer)
    prompts = desk.at.session.current.prompts
    pixel = desk.canvas.mapUnitsPerPixel()
    expected = (box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum())
    assert prompts.box == pytest.approx(expected, abs=pixel)
    desk.settle()


def test_quick_mode_keeps_with_the_next_click(desk: Desk, scenes: Path, truth: dict) -> None:
    layer = raster(scenes, "utm")
    desk.open(layer)
    desk.at.tool.set_mode(Mode.QUICK)
    for index in (PLANE, TRUCK, PLANE):
        desk.click(inner_point(true_polygon(truth, "utm", index)), layer)
    wait_until(lambda: len(desk.rows()) == 2, 120)
    assert desk.at.session.current is not None


@pytest.mark.parametrize("by_box", [False, True], ids=["click", "box"])
def test_quick_mode_goes_on_after_a_prompt_that_finds_nothing(
    desk: Desk, scenes: Path, truth: dict, by_box: bool
) -> None:
    layer = raster(scenes, "utm")
    desk.open(layer)
    desk.canvas.zoomByFactor(2.0)
    desk.at.tool.set_mode(Mode.QUICK)
    desk.click(QgsPointXY(layer.extent().xMinimum() - 20, layer.extent().center().y()), layer)
    failed = desk.at.session.current
    wait_until(lambda: not failed.is_pending, 30)
    plane = true_polygon(truth, "utm", PLANE)
    if by_box:
        box = plane.boundingBox()
        desk.mouse.drag(
            QgsPointXY(box.xMinimum(), box.yMaximum()), QgsPointXY(box.xMaximum(), box.yMinimum())
        )
    else:
        desk.click(inner_point(plane), layer)
    assert desk.at.session.current is not failed and desk.at.session.current.prompts.count == 1
    desk.settle()


def test_a_kept_object_is_corrected_in_its_place(desk: Desk, scenes: Path, truth: dict) -> None:
    layer = raster(scenes, "utm")
    desk.open(layer)
    plane = true_polygon(truth, "utm", PLANE)
    point = inner_point(plane)
    desk.at.set_class("airplane")
    desk.at._on_shape(Shape(expand_px=2.0))
    desk.click(point, layer)
    desk.settle()
    desk.mouse.key(Qt.Key.Key_Return)
    (before,) = desk.rows()
    desk.at._on_shape(Shape())
    desk.at.set_class("ship")
    inside = inner_point(before["geometry"])
    wait_until(lambda: len(desk.canvas.layers()) == 2, 10, "the kept layer on the canvas")
    desk.click(inside, layer, LEFT, CONTROL)
    current = desk.at.session.current
    assert current.prompts.labels == (1,) and current.shape == Shape(expand_px=2.0)
    assert desk.dock.class_name.currentText() == "airplane"
    assert current.prompts.points[0] == pytest.approx((point.x(), point.y()), abs=1.0)
    box = plane.boundingBox()
    corners = [QgsPointXY(box.xMinimum(), box.yMaximum()), QgsPointXY(box.xMaximum(), box.yMinimum())]
    desk.mouse.drag(*(desk.on_map(corner, layer) for corner in corners))
    desk.settle()
    assert len(desk.rows()) == 1 and desk.rows()[0]["prompt"] == "point"
    desk.mouse.key(Qt.Key.Key_Return)
    (after,) = desk.rows()
    assert after["prompt"] == "box+points" and after["prompt_id"] == before["prompt_id"]
    assert after["class"] == "airplane"
    desk.mouse.key(Qt.Key.Key_Z, CONTROL)
    (undone,) = desk.rows()
    assert undone["prompt"] == "point" and iou(undone["geometry"], before["geometry"]) > 1 - 1e-9


def test_nothing_at_hand_is_lost_by_panning_layers_and_tools(desk: Desk, scenes: Path, truth: dict) -> None:
    first, second = raster(scenes, "utm"), raster(scenes, "degrees")
    desk.open(first)
    desk.click(inner_point(true_polygon(truth, "utm", PLANE)), first)
    outline = desk.settle()
    desk.canvas.zoomByFactor(0.5)
    desk.open(second)
    assert desk.at.session.current is None
    desk.at.set_active(False)
    desk.open(first)
    assert iou(desk.settle(), outline) > 1 - 1e-9
    desk.mouse.key(Qt.Key.Key_Return)
    assert len(desk.rows()) == 1


def test_the_outline_under_the_cursor_is_shown_and_not_kept(desk: Desk, scenes: Path, truth: dict) -> None:
    layer = raster(scenes, "utm")
    desk.open(layer)
    point = inner_point(true_polygon(truth, "utm", PLANE))
    at = desk.mouse.pixel(desk.on_map(point, layer))

    def hovered() -> bool:
        desk.mouse.move(at)
        let_run(0.2)
        return desk.at.hover.outline is not None

    wait_until(hovered, 180, "a preview")
    assert desk.at.marks.preview.asGeometry().area() > 0
    assert desk.at.session.current is None and desk.rows() == []
    preview = QgsGeometry(desk.at.hover.outline.geometry)
    desk.click(point, layer)
    assert desk.at.marks.preview.asGeometry().isNull() or desk.at.marks.preview.asGeometry().isEmpty()
    assert iou(desk.at.session.current.shown.geometry, preview) > 1 - 1e-9
    desk.settle()


def test_an_engine_killed_in_the_middle_of_a_click(
    desk: Desk, scenes: Path, truth: dict, engine: Engine
) -> None:
    layer = raster(scenes, "utm")
    desk.open(layer)
    desk.click(inner_point(true_polygon(truth, "utm", PLANE)), layer)
    desk.mouse.key(Qt.Key.Key_Return)
    desk.click(inner_point(true_polygon(truth, "utm", TRUCK)), layer)
    os.kill(engine.pid, signal.SIGKILL)
    wait_until(lambda: any("started again" in text for text in desk.iface.messages()), 30)
    desk.click(inner_point(true_polygon(truth, "utm", TRUCK)), layer)
    wait_until(lambda: len(desk.rows()) == 1, 180)
    desk.settle()
    assert desk.at.session.current.prompts.count == 2
    assert sum("started again" in text for text in desk.iface.messages()) == 1


def test_a_kept_object_that_gets_no_outline_is_called_back(desk: Desk, scenes: Path, truth: dict) -> None:
    layer = raster(scenes, "utm")
    desk.open(layer)
    desk.canvas.zoomByFactor(2.0)
    beside = QgsPointXY(layer.extent().xMinimum() - 20, layer.extent().center().y())
    desk.click(beside, layer)
    desk.mouse.key(Qt.Key.Key_Return)
    desk.click(inner_point(true_polygon(truth, "utm", PLANE)), layer)
    desk.settle()
    (stranded,) = desk.at.session.leaving
    wait_until(lambda: not stranded.is_pending, 30)
    assert desk.at.session.awaited == 0
    assert any("A kept object on utm has no outline; with none" in text for text in desk.iface.messages())
    desk.mouse.key(Qt.Key.Key_Return)
    assert len(desk.rows()) == 1 and desk.dock.object_box.undo.isEnabled()
    desk.mouse.key(Qt.Key.Key_Z, CONTROL)
    assert desk.at.session.current is stranded and len(desk.rows()) == 1
    assert not desk.at.session.leaving


def test_a_file_that_takes_nothing_loses_nothing(desk: Desk, scenes: Path, truth: dict) -> None:
    layer = raster(scenes, "utm")
    desk.open(layer)
    blocked = desk.file
    blocked.mkdir()
    desk.click(inner_point(true_polygon(truth, "utm", PLANE)), layer)
    desk.settle()
    desk.mouse.key(Qt.Key.Key_Return)
    assert len(desk.at.keeper.waiting) == 1
    assert any("cannot be made" in text and "1 objects wait" in text for text in desk.iface.messages())
    blocked.rmdir()
    desk.click(inner_point(true_polygon(truth, "utm", TRUCK)), layer)
    desk.settle()
    desk.mouse.key(Qt.Key.Key_Return)
    assert len(desk.rows()) == 2 and desk.at.keeper.waiting == []


def test_the_kept_layer_has_the_crs_of_the_image(desk: Desk, scenes: Path, truth: dict) -> None:
    layer = raster(scenes, "degrees")
    desk.open(layer, "EPSG:25833")
    desk.click(inner_point(true_polygon(truth, "degrees", PLANE)), layer)
    desk.settle()
    desk.mouse.key(Qt.Key.Key_Return)
    dataset = ogr.Open(str(desk.file))
    written = dataset.GetLayer(0).GetSpatialRef()
    assert written.GetAuthorityCode(None) == "4326"
    moved = QgsGeometry(desk.rows()[0]["geometry"])
    utm = QgsCoordinateReferenceSystem("EPSG:25833")
    moved.transform(QgsCoordinateTransform(layer.crs(), utm, QgsProject.instance()))
    assert desk.rows()[0]["area_m2"] == pytest.approx(moved.area(), rel=2e-3)
