"""The scenario of a first day: install, set up, click, keep, correct, export, video, Processing."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from typing import Any

from qgis import utils
from qgis.core import QgsGeometry, QgsPointXY, QgsProject, QgsRectangle, QgsSettings
from qgis.PyQt.QtWidgets import (
    QApplication,
    QDialogButtonBox,
    QDockWidget,
    QFileDialog,
    QLineEdit,
    QPushButton,
)
from qgis.utils import iface

PLUGIN = "ros_sam_qgis"
CLICKED, BOXED = 3, 1
"""How many objects are kept from a click each, and from a box each."""
UNTOUCHED = CLICKED + BOXED + 2
"""The one that is clicked in the video."""
FRAME_M = 3.0
"""How far everything has moved to the east in the video's second frame."""


def scenario(stage: Any, facts: dict[str, Any]) -> Iterator[Any]:
    """Play it all.

    Args:
        stage: see stage.py.
        facts: `zip`, `airport`, `folder`, `python` (paths) and `truth` (class and ring of each object).
    """
    window = iface.mainWindow()
    window.showNormal()
    window.setGeometry(0, 0, 1360, 860)
    yield from tidy(stage, facts)
    yield from install(stage, facts)
    plugin = utils.plugins[PLUGIN]
    yield from set_up(stage, facts, plugin)
    yield from outline(stage, facts, plugin)
    yield from correct(stage, facts, plugin)
    yield from export(stage, facts, plugin)
    yield from video(stage, facts, plugin)
    yield from settings(stage, plugin)
    yield from process(stage, facts)
    QgsProject.instance().write()
    stage.report["done"] = True


def tidy(stage: Any, facts: dict[str, Any]) -> Iterator[Any]:
    """Open the scene in a project of its own, with the panels that matter."""
    for dock in iface.mainWindow().findChildren(QDockWidget):
        dock.setVisible(dock.objectName() == "Layers")
    iface.addRasterLayer(os.path.join(facts["airport"], "airport.tif"), "airport")
    QgsProject.instance().write(os.path.join(facts["folder"], "airport.qgz"))
    yield 1.0
    iface.zoomFull()
    yield 1.0


def install(stage: Any, facts: dict[str, Any]) -> Iterator[Any]:
    """Install the zip with QGIS's own installer, which enables it too."""
    import pyplugin_installer

    pyplugin_installer.instance().installFromZipFile(facts["zip"])
    yield lambda: PLUGIN in utils.active_plugins
    installed = os.path.dirname(os.path.abspath(utils.plugins[PLUGIN].__class__.initGui.__code__.co_filename))
    stage.report["installed"] = installed
    assert installed.startswith(facts["folder"]), installed
    assert QgsSettings().value(f"/PythonPlugins/{PLUGIN}", False, type=bool)
    iface.messageBar().clearWidgets()
    yield 1.0


def set_up(stage: Any, facts: dict[str, Any], plugin: Any) -> Iterator[Any]:
    """See what is offered where there is no engine; then name a Python that has it, in QGIS's options."""
    stage.picture("dock-without-engine")
    assert plugin.dock.setup.isVisible()
    stage.press(plugin.dock.setup)
    yield lambda: plugin.desk._dialog is not None and plugin.desk._dialog.go.isEnabled()
    dialog = plugin.desk._dialog
    yield 0.5
    stage.picture("setup-dialog", dialog)
    dialog.close()
    yield 0.5
    stage.press(plugin.dock.settings)
    yield lambda: QApplication.activeModalWidget() is not None
    options = QApplication.activeModalWidget()
    options.setGeometry(150, 20, 1060, 800)
    yield 1.0
    page = options.findChild(object_type(), "rosSamOptions")
    page.named.setChecked(True)
    page.python.setFilePath(facts["python"])
    yield 0.3
    ok = options.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok)
    stage.press(ok)
    yield lambda: QApplication.activeModalWidget() is None
    iface.messageBar().clearWidgets()


def settings(stage: Any, plugin: Any) -> Iterator[Any]:
    """Look at the settings when the engine runs, so that its models are listed."""
    stage.press(plugin.dock.settings)
    yield lambda: QApplication.activeModalWidget() is not None
    options = QApplication.activeModalWidget()
    options.setGeometry(150, 20, 1060, 800)
    page = options.findChild(object_type(), "rosSamOptions")
    page.python.setFilePath("/opt/ros-sam/bin/python")  # for the picture; it is not applied
    yield 1.5
    stage.picture("settings", options)
    stage.press(options.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Cancel))
    yield lambda: QApplication.activeModalWidget() is None


def object_type() -> type:
    """Return the class of a page of QGIS's options."""
    from qgis.gui import QgsOptionsPageWidget

    return QgsOptionsPageWidget


def outline(stage: Any, facts: dict[str, Any], plugin: Any) -> Iterator[Any]:
    """Hover, click, keep; then a box; then take back and do again."""
    button = next(
        widget for widget in plugin.action.associatedWidgets() if hasattr(widget, "widgetForAction")
    ).widgetForAction(plugin.action)
    stage.press(button)
    yield lambda: iface.mapCanvas().mapTool() is plugin.controller.tool
    yield lambda: plugin.engine.status.name == "READY", 300
    look_at(facts, range(CLICKED + BOXED + 1))
    yield 2.0
    plugin.controller.set_class("airplane")
    for number in range(CLICKED):
        point = inner_point(facts, number)
        stage.move(point)
        if number == 0:
            end = time.monotonic() + 120
            while plugin.controller.hover.outline is None:
                assert time.monotonic() < end, "no outline under the cursor"
                stage.move(QgsPointXY(point.x() + random.uniform(-0.5, 0.5), point.y()))
                yield 0.7
            yield 0.5
            stage.picture("hover")
        stage.click(point)
        yield lambda: is_settled(plugin)
        yield 0.4
        if number == 0:
            stage.picture("outline")
        stage.key("Return")
        yield lambda wanted=number + 1: kept() == wanted
    for number in range(CLICKED, CLICKED + BOXED):
        box = true_polygon(facts, number).boundingBox()
        corner, opposite = (
            QgsPointXY(box.xMinimum(), box.yMaximum()),
            QgsPointXY(box.xMaximum(), box.yMinimum()),
        )
        stage.drag(corner, opposite)
        yield lambda: is_settled(plugin)
        yield 0.4
        stage.picture("box")
        stage.key("Return")
        yield lambda wanted=number + 1: kept() == wanted
    stage.key("ctrl+z")
    yield lambda: kept() == CLICKED + BOXED - 1
    stage.key("ctrl+y")
    yield lambda: kept() == CLICKED + BOXED
    iface.messageBar().clearWidgets()
    yield 0.5
    stage.picture("kept")


def correct(stage: Any, facts: dict[str, Any], plugin: Any) -> Iterator[Any]:
    """Click one more object, mark a place beside it, change its shape, and drop it."""
    number = CLICKED + BOXED
    stage.click(inner_point(facts, number))
    yield lambda: is_settled(plugin)
    box = true_polygon(facts, number).boundingBox()
    stage.click(QgsPointXY(box.xMaximum() - box.width() * 0.02, box.yMinimum() + box.height() * 0.02), 3)
    yield lambda: is_settled(plugin) and plugin.controller.session.current.prompts.labels == (1, 0)
    yield 0.4
    stage.picture("correct")
    plugin.dock.shape_box.setCollapsed(False)
    yield 0.6
    before = outline_at_hand(plugin)
    plugin.dock.shape_box.expand.setValue(3.0)
    yield lambda: is_settled(plugin) and outline_at_hand(plugin).area() > before.area() * 1.05
    yield 0.4
    stage.picture("shape")
    plugin.dock.shape_box.reset.click()
    plugin.dock.shape_box.setCollapsed(True)
    iface.mapCanvas().setFocus()
    stage.key("Escape")
    yield lambda: plugin.controller.session.current is None


def export(stage: Any, facts: dict[str, Any], plugin: Any) -> Iterator[Any]:
    """Export what was kept, by way of the file dialog."""
    stage.press(plugin.dock.export)
    yield lambda: isinstance(QApplication.activeModalWidget(), QFileDialog)
    dialog = QApplication.activeModalWidget()
    yield 0.5
    dialog.selectNameFilter("GeoJSON (*.geojson)")
    line = dialog.findChild(QLineEdit, "fileNameEdit")
    line.setFocus()
    line.selectAll()
    target = os.path.join(facts["folder"], "outlines.geojson")  # the dialog opens beside the project
    stage.type(os.path.basename(target))
    yield lambda: line.text() == os.path.basename(target)
    stage.picture("export", dialog)
    stage.key("Return")
    yield lambda: os.path.exists(target)
    yield 0.5
    stage.picture("exported")
    iface.messageBar().clearWidgets()


def video(stage: Any, facts: dict[str, Any], plugin: Any) -> Iterator[Any]:
    """Open a satellite video, step to its second frame and keep an object there."""
    before = kept()
    stage.press(plugin.dock.video)
    yield lambda: QApplication.activeModalWidget() is not None
    dialog = QApplication.activeModalWidget()
    dialog.folder.setFilePath("/data/airport/video")
    yield 0.5
    stage.picture("video-dialog", dialog)
    dialog.folder.setFilePath(os.path.join(facts["airport"], "video"))
    yield 0.2
    stage.press(dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok))
    yield lambda: plugin.dock.frames_box.isVisible()
    yield 1.0
    stage.press(plugin.dock.frames_box.next)
    yield lambda: plugin.dock.frames_box.slider.value() == 1
    plugin.dock.frames_box.only_then.click()
    look_at(facts, range(UNTOUCHED, UNTOUCHED + 1), around=4.0)
    yield 1.5
    stage.click(inner_point(facts, UNTOUCHED, dx=FRAME_M))
    yield lambda: is_settled(plugin)
    yield 0.5
    iface.messageBar().clearWidgets()
    yield 0.3
    stage.picture("video")
    stage.key("Return")
    yield lambda: kept() == before + 1


def process(stage: Any, facts: dict[str, Any]) -> Iterator[Any]:
    """Outline all boxes of a layer in Processing's own dialog."""
    import processing

    raster = QgsProject.instance().mapLayersByName("airport")[0]
    iface.setActiveLayer(raster)
    boxes = iface.addVectorLayer(os.path.join(facts["airport"], "boxes.geojson"), "boxes", "ogr")
    iface.setActiveLayer(raster)
    known = set(QgsProject.instance().mapLayers())
    dialog = processing.createAlgorithmDialog(
        "ros_sam:segment_by_boxes", {"INPUT": raster, "PROMPTS": boxes, "CLASS_FIELD": "class"}
    )
    dialog.show()
    yield 1.5
    stage.picture("processing", dialog)
    stage.press(next(one for one in dialog.findChildren(QPushButton) if one is dialog.runButton()))
    yield lambda: set(QgsProject.instance().mapLayers()) - known, 180
    (new,) = set(QgsProject.instance().mapLayers()) - known
    stage.report["outlined"] = QgsProject.instance().mapLayer(new).featureCount()
    dialog.close()
    tree = QgsProject.instance().layerTreeRoot()
    for node in (tree.findLayer(boxes.id()), tree.findGroup("video")):
        node.setItemVisibilityChecked(False)
    iface.messageBar().clearWidgets()
    iface.setActiveLayer(raster)
    iface.zoomToActiveLayer()
    yield 2.0
    stage.picture("processed")


# What is true, and what is at hand


def true_polygon(facts: dict[str, Any], number: int) -> QgsGeometry:
    """Return the outline of an object of the scene."""
    return QgsGeometry.fromPolygonXY([[QgsPointXY(*xy) for xy in facts["truth"][number]["ring"]]])


def inner_point(facts: dict[str, Any], number: int, dx: float = 0.0) -> QgsPointXY:
    """Return a point well inside an object, moved by metres to the east."""
    polygon = true_polygon(facts, number)
    point = polygon.poleOfInaccessibility(polygon.boundingBox().width() / 100)[0].asPoint()
    return QgsPointXY(point.x() + dx, point.y())


def look_at(facts: dict[str, Any], numbers: range, around: float = 1.3) -> None:
    """Zoom to some objects and what is around them."""
    area = QgsRectangle(true_polygon(facts, numbers[0]).boundingBox())
    for number in numbers:
        area.combineExtentWith(true_polygon(facts, number).boundingBox())
    area.scale(around)
    iface.mapCanvas().setExtent(area)
    iface.mapCanvas().refresh()


def is_settled(plugin: Any) -> bool:
    """Say whether the object at hand has its outline."""
    current = plugin.controller.session.current
    return current is not None and not current.is_pending and current.outline is not None


def outline_at_hand(plugin: Any) -> QgsGeometry:
    """Return the outline at hand."""
    return QgsGeometry(plugin.controller.session.current.outline.geometry)


def kept() -> int:
    """Return how many objects the layer of kept objects has."""
    layers = QgsProject.instance().mapLayers().values()
    own = [layer for layer in layers if layer.customProperty("ros_sam/objects") == "objects"]
    return own[0].featureCount() if own else 0
