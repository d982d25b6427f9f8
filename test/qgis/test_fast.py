"""A user who is faster than the engine, who changes his mind, and who looks elsewhere in between."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk
from layers import inner_point, raster, true_polygon
from mouse import LEFT
from qgis.core import QgsProject
from qgis.PyQt.QtCore import QEvent, Qt
from qgis.PyQt.QtGui import QKeyEvent
from qgis.PyQt.QtWidgets import QApplication
from waiting import let_run, wait_until

from ros_sam_qgis.engine.engine import Engine
from ros_sam_qgis.map.tool import Mode
from ros_sam_qgis.session.shape import Shape

PLANE, OTHER, TRUCK = 1, 0, 7
CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def desk(engine: Engine, tmp_path: Path) -> Iterator[Desk]:
    one = Desk(engine, tmp_path)
    one.at._on_shape(Shape())
    one.at.set_class("")
    yield one
    one.close()


@pytest.fixture
def scene(desk: Desk, scenes: Path) -> object:
    layer = raster(scenes, "utm")
    desk.open(layer)
    return layer


@pytest.fixture
def held(engine: Engine) -> Iterator[None]:
    """An engine that does not get on, as one that works on a slow machine."""
    os.kill(engine.pid, signal.SIGSTOP)
    yield
    os.kill(engine.pid, signal.SIGCONT)


def point(truth: dict, index: int) -> object:
    return inner_point(true_polygon(truth, "utm", index))


def test_three_objects_are_kept_before_the_first_has_an_outline(
    desk: Desk, scene: object, truth: dict, engine: Engine
) -> None:
    os.kill(engine.pid, signal.SIGSTOP)
    try:
        for name, index in (("airplane", PLANE), ("ship", OTHER), ("vehicle", TRUCK)):
            desk.at.set_class(name)
            desk.click(point(truth, index), scene)
            assert desk.mouse.key(Qt.Key.Key_Return)
        assert len(desk.at.session.leaving) == 3 and desk.rows() == []
        assert "3 kept" in desk.dock.object_box.facts.text()
        assert desk.at.marks.waiting_points.numberOfVertices() == 3
    finally:
        os.kill(engine.pid, signal.SIGCONT)
    wait_until(lambda: len(desk.rows()) == 3, 120)
    assert {row["class"] for row in desk.rows()} == {"airplane", "ship", "vehicle"}
    assert desk.at.marks.waiting_points.numberOfVertices() == 0
    assert "Kept in the layer Objects: 3." in desk.dock.object_box.facts.text()


def test_what_was_kept_too_soon_comes_back_to_hand(
    desk: Desk, scene: object, truth: dict, held: None
) -> None:
    desk.click(point(truth, PLANE), scene)
    desk.mouse.key(Qt.Key.Key_Return)
    assert desk.at.session.current is None and desk.dock.object_box.undo.isEnabled()
    desk.mouse.key(Qt.Key.Key_Z, CONTROL)
    assert desk.at.session.leaving == () and desk.at.session.current.prompts.count == 1
    desk.mouse.key(Qt.Key.Key_Escape)
    let_run(0.1)
    assert desk.at.session.current is None and desk.at.keeper.waiting == []


def test_prompts_that_gave_nothing_stay_at_hand(desk: Desk, scene: object, truth: dict) -> None:
    desk.at._on_shape(Shape(min_area_px=1e6))
    desk.click(point(truth, TRUCK), scene)
    desk.mouse.key(Qt.Key.Key_Return)
    wait_until(lambda: desk.at.session.current is not None, 90)
    assert desk.at.session.current.prompts.count == 1 and desk.rows() == []
    assert len(desk.iface.messages()) == 1
    desk.at._on_shape(Shape())
    desk.settle()
    desk.mouse.key(Qt.Key.Key_Return)
    assert len(desk.rows()) == 1


def test_a_correction_leaves_the_next_objects_as_they_were_to_be(
    desk: Desk, scene: object, truth: dict
) -> None:
    desk.at.set_class("airplane")
    desk.at._on_shape(Shape(expand_px=2.0))
    desk.click(point(truth, PLANE), scene)
    desk.settle()
    desk.mouse.key(Qt.Key.Key_Return)
    desk.at.set_class("ship")
    desk.at._on_shape(Shape(smooth_px=1.0))
    inside = inner_point(desk.rows()[0]["geometry"])
    wait_until(lambda: len(desk.canvas.layers()) == 2, 10)
    desk.click(inside, scene, LEFT, CONTROL)
    assert desk.dock.shape_box.shape() == Shape(expand_px=2.0)
    assert desk.dock.class_name.currentText() == "airplane"
    desk.mouse.key(Qt.Key.Key_2)  # the class of this object alone
    desk.settle()
    desk.mouse.key(Qt.Key.Key_Return)
    wait_until(lambda: desk.rows()[0]["class"] == "ship", 30)
    assert desk.dock.shape_box.shape() == Shape(smooth_px=1.0)
    desk.at.set_class("vehicle")
    desk.click(inside, scene, LEFT, CONTROL)
    assert desk.at.session.is_correcting
    desk.mouse.key(Qt.Key.Key_Z, CONTROL)  # the correction is dropped, nothing else
    assert desk.at.session.current is None and len(desk.rows()) == 1
    assert desk.dock.class_name.currentText() == "vehicle" == desk.at.session.class_name


def test_keys_of_other_widgets_are_theirs(desk: Desk, scene: object, truth: dict) -> None:
    desk.click(point(truth, PLANE), scene)
    desk.settle()
    for widget in (desk.dock.class_name, desk.dock.shape_box.expand, desk.iface.window):
        for key in (Qt.Key.Key_Return, Qt.Key.Key_Escape, Qt.Key.Key_Backspace):
            for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
                QApplication.sendEvent(widget, QKeyEvent(kind, key, Qt.KeyboardModifier.NoModifier))
    assert desk.rows() == [] and desk.at.session.current.prompts.count == 1
    assert desk.at.tool.mode is Mode.POINTS


def test_a_closed_project_is_left_alone(desk: Desk, scene: object, truth: dict) -> None:
    desk.click(point(truth, PLANE), scene)
    desk.settle()
    desk.mouse.key(Qt.Key.Key_Return)
    assert len(desk.rows()) == 1
    QgsProject.instance().clear()
    assert not desk.dock.object_box.undo.isEnabled()
    desk.at.undo()
    assert len(desk.rows()) == 1
