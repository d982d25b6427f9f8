"""The canvas stays alive while objects are outlined, and what was kept outlives QGIS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desk import Desk
from layers import inner_point, raster, true_polygon
from osgeo import ogr
from pulse import Pulse
from qgis.core import QgsFeature, QgsGeometry, QgsPointXY, QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import Qt
from waiting import let_run, wait_until

from ros_sam_qgis.engine.engine import Engine
from ros_sam_qgis.session.shape import Shape

PLANE, TRUCK = 1, 7
ALREADY = 500
"""Objects that are in the file before: the work of a day."""
KEPT = 3


@pytest.fixture
def desk(engine: Engine, tmp_path: Path) -> Iterator[Desk]:
    one = Desk(engine, tmp_path)
    one.at._on_shape(Shape())
    yield one
    one.close()


def fill(layer: QgsVectorLayer) -> None:
    """Write many objects as a day's work leaves them."""
    features = []
    for number in range(ALREADY):
        x, y = 400000 + 7 * (number % 25), 5799850 + 7 * (number // 25)
        feature = QgsFeature(layer.fields())
        circle = QgsGeometry.fromPointXY(QgsPointXY(x, y)).buffer(3, 12)
        circle.convertToMultiType()
        feature.setGeometry(circle)
        feature.setAttribute("prompt_id", f"before-{number}")
        features.append(feature)
    assert layer.dataProvider().addFeatures(features)[0]


def test_the_longest_block_of_the_event_loop(
    desk: Desk, scenes: Path, truth: dict, report: Callable[[str], None]
) -> None:
    layer = raster(scenes, "utm")
    desk.open(layer)
    pulse, session = Pulse(), desk.at.session
    blocks = {"nothing": pulse.during(lambda: None, lambda: True, 10)}
    plane, truck = (true_polygon(truth, "utm", index) for index in (PLANE, TRUCK))
    box = plane.boundingBox()
    corners = QgsPointXY(box.xMinimum(), box.yMaximum()), QgsPointXY(box.xMaximum(), box.yMinimum())

    def outlined() -> bool:
        return session.current is not None and session.current.outline is not None

    def drawn() -> bool:
        return session.current is None and not session.leaving and not desk.canvas.isDrawing()

    def keep() -> None:
        desk.mouse.key(Qt.Key.Key_Return)

    blocks["a box outlined"] = pulse.during(lambda: desk.mouse.drag(*corners), outlined, 120)
    blocks["the first one kept"] = pulse.during(keep, drawn, 60)
    objects = next(one for one in QgsProject.instance().mapLayers().values() if one.name() == "Objects")
    fill(objects)
    desk.canvas.refresh()
    wait_until(lambda: not desk.canvas.isDrawing(), 60)
    blocks["a click outlined"] = pulse.during(lambda: desk.click(inner_point(truck), layer), outlined, 120)
    shape = Shape(smooth_px=1.0, expand_px=1.0)
    before = session.current.outline
    blocks["its shape changed"] = pulse.during(
        lambda: desk.at._on_shape(shape), lambda: outlined() and session.current.outline is not before, 60
    )
    blocks[f"one more kept beside {ALREADY}"] = pulse.during(keep, drawn, 60)
    blocks["taken back"] = pulse.during(desk.at.undo, drawn, 60)
    for what, longest_ms in blocks.items():
        report(f"longest block of the event loop, {what}: {longest_ms:.0f} ms")
    assert session.current is None and len(desk.rows()) == ALREADY + 1


def test_after_a_crash_of_qgis_every_kept_object_is_on_disk(
    scenes: Path, tmp_path: Path, engine_python: str, model: str
) -> None:
    """QGIS is killed the moment after the last object was kept; its engine follows it."""
    helper = Path(__file__).parent / "helpers" / "keep_and_wait.py"
    command = [sys.executable, str(helper), str(tmp_path), str(scenes), engine_python, model, str(KEPT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as qgis:
        told = json.loads(qgis.stdout.readline())
        while told.get("kept") != KEPT:
            told = json.loads(qgis.stdout.readline())
        os.kill(qgis.pid, signal.SIGKILL)
    layer = (dataset := ogr.Open(str(tmp_path / "ros_sam_objects.gpkg"))).GetLayerByName("objects")
    assert dataset is not None
    found = {feature["prompt_id"]: feature.GetGeometryRef().Area() for feature in layer}
    assert found == pytest.approx(told["objects"])
    wait_until(lambda: not Path(f"/proc/{told['engine']}").exists(), 20, "the end of the engine")
    let_run(0.01)
