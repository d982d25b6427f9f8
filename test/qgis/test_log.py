"""QGIS's log panel: what the plugin has to say is under its own name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk
from layers import inner_point, raster, true_polygon
from qgis.core import Qgis, QgsApplication
from qgis.gui import QgsMessageLogViewer
from qgis.PyQt.QtWidgets import QTabWidget
from waiting import wait_until

from ros_sam_qgis.engine.engine import Engine, Status
from ros_sam_qgis.engine.process import Launch
from ros_sam_qgis.session.shape import Shape

PLANE = 1
TAG = "ROS-SAM"


@pytest.fixture
def panel(app: QgsApplication) -> Iterator[QgsMessageLogViewer]:
    """The panel of the desktop program."""
    one = QgsMessageLogViewer()
    yield one
    one.deleteLater()


@pytest.fixture
def levels(app: QgsApplication) -> Iterator[list[tuple[str, Qgis.MessageLevel]]]:
    """What is told under the plugin's name, and how grave it is."""
    found: list[tuple[str, Qgis.MessageLevel]] = []

    def hear(text: str, tag: str, level: Qgis.MessageLevel) -> None:
        if tag == TAG:
            found.append((text, level))

    log = QgsApplication.messageLog()
    log.messageReceived[str, str, Qgis.MessageLevel].connect(hear)
    yield found
    log.messageReceived[str, str, Qgis.MessageLevel].disconnect(hear)


def shown(panel: QgsMessageLogViewer) -> str:
    """Return the text of the plugin's tab."""
    tabs = panel.findChild(QTabWidget)
    for index in range(tabs.count()):
        if tabs.tabText(index).replace("&", "") == TAG:
            return str(tabs.widget(index).toPlainText())
    return ""


def test_an_object_without_outline_is_told(
    panel: QgsMessageLogViewer, levels: list, engine: Engine, scenes: Path, truth: dict, tmp_path: Path
) -> None:
    desk, layer = Desk(engine, tmp_path), raster(scenes, "utm")
    desk.at._on_shape(Shape(min_area_px=1e6))
    desk.open(layer)
    desk.click(inner_point(true_polygon(truth, "utm", PLANE)), layer)
    wait_until(lambda: levels, 120, "a message")
    (text, level) = levels[-1]
    assert level == Qgis.MessageLevel.Warning
    assert text in shown(panel)
    assert any("Nothing is left" in said for said in desk.iface.messages())
    desk.at._on_shape(Shape())
    desk.close()


def test_an_engine_that_does_not_start_is_told(
    panel: QgsMessageLogViewer, levels: list, tmp_path: Path
) -> None:
    engine = Engine(lambda: Launch("/nowhere/bin/python", "ros-sam-tiny"))
    desk = Desk(engine, tmp_path)
    engine.start()
    wait_until(lambda: engine.status is Status.FAILED, 60, "the end of the attempt")
    assert "/nowhere/bin/python" in shown(panel)
    assert levels[-1][1] == Qgis.MessageLevel.Critical
    desk.close()
    engine.stop()
