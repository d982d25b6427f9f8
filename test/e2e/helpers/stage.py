"""Runs inside the QGIS desktop program (`qgis --code`): plays a scenario step by step, then ends QGIS.

A scenario is a generator: it yields a number of seconds to wait, or a condition to wait for. Between two
steps QGIS's event loop runs. The mouse and the keyboard are the X server's own, by way of xdotool.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import time
import traceback
from typing import Any

from qgis.core import QgsPointXY, QgsProject
from qgis.PyQt.QtCore import QObject, QPoint, QTimer
from qgis.PyQt.QtWidgets import QApplication, QWidget
from qgis.utils import iface

STEP_MS = 40
PATIENCE_S = 120.0


class Stage(QObject):
    """The window, a hand on mouse and keyboard, and a camera."""

    def __init__(self, order: dict[str, Any]) -> None:
        super().__init__(iface.mainWindow())
        self.folder = order["folder"]
        self.report: dict[str, Any] = {}
        spec = importlib.util.spec_from_file_location("scenario", order["scenario"])
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self._play = module.scenario(self, order["facts"])
        self._condition: Any = None
        self._until = 0.0
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)
        self._timer.start(STEP_MS)

    # The hand

    def pointer(self, *words: object) -> None:
        """Tell xdotool what to do."""
        subprocess.run(["xdotool", *map(str, words)], check=True, timeout=20)

    def on_screen(self, point: QgsPointXY) -> QPoint:
        """Return where a place of the map is on the screen."""
        canvas = iface.mapCanvas()
        place = canvas.getCoordinateTransform().transform(point)
        return canvas.viewport().mapToGlobal(QPoint(round(place.x()), round(place.y())))

    def move(self, point: QgsPointXY) -> None:
        """Move the mouse to a place of the map."""
        at = self.on_screen(point)
        self.pointer("mousemove", at.x(), at.y())

    def click(self, point: QgsPointXY, button: int = 1) -> None:
        """Click a place of the map."""
        self.move(point)
        self.pointer("click", button)

    def drag(self, start: QgsPointXY, end: QgsPointXY) -> None:
        """Draw a box with the left button down."""
        self.move(start)
        self.pointer("mousedown", 1)
        middle = QgsPointXY((start.x() + end.x()) / 2, (start.y() + end.y()) / 2)
        for point in (middle, end):
            self.move(point)
        self.pointer("mouseup", 1)

    def press(self, widget: QWidget) -> None:
        """Click the middle of a widget."""
        at = widget.mapToGlobal(widget.rect().center())
        self.pointer("mousemove", at.x(), at.y(), "click", 1)

    def key(self, *names: str) -> None:
        """Press keys, one after the other."""
        self.pointer("key", "--delay", 60, *names)

    def type(self, text: str) -> None:
        """Type a text."""
        self.pointer("type", "--delay", 15, text)

    # The camera

    def picture(self, name: str, widget: QWidget | None = None) -> None:
        """Photograph the screen, or the part of it that a widget takes."""
        screen = QApplication.primaryScreen()
        area = (0, 0, -1, -1)
        if widget is not None:
            corner = widget.mapToGlobal(QPoint(0, 0))
            area = (corner.x(), corner.y(), widget.width(), widget.height())
        folder = os.path.join(self.folder, "pictures")
        os.makedirs(folder, exist_ok=True)
        if not screen.grabWindow(0, *area).save(os.path.join(folder, f"{name}.png")):
            raise OSError(f"the picture {name} was not saved")

    # The play

    def _tick(self) -> None:
        try:
            if not self._ready():
                return
            self._condition = next(self._play)
            patience = PATIENCE_S
            if isinstance(self._condition, tuple):
                self._condition, patience = self._condition
            self._until = time.monotonic() + patience
            if isinstance(self._condition, (int, float)):
                self._until, self._condition = time.monotonic() + self._condition, None
        except StopIteration:
            self._end()
        except Exception:  # noqa: BLE001 - the outermost edge: it is reported
            self.report["error"] = traceback.format_exc()
            self.picture("failure")
            self._end()

    def _ready(self) -> bool:
        """Say whether the next step's time has come."""
        if self._condition is None:
            return time.monotonic() >= self._until
        if self._condition():
            return True
        if time.monotonic() > self._until:
            inner = self._play
            while inner.gi_yieldfrom is not None:
                inner = inner.gi_yieldfrom
            raise AssertionError(f"waited in vain in line {inner.gi_frame.f_lineno} of the scenario")
        return False

    def _end(self) -> None:
        """Write the report, and close the window as a user does."""
        self._timer.stop()
        QgsProject.instance().setDirty(False)  # or QGIS asks
        with open(os.path.join(self.folder, "report.json"), "w") as file:
            json.dump(self.report, file)
        for widget in QApplication.topLevelWidgets():
            if widget is not iface.mainWindow() and widget.isVisible() and widget.isModal():
                widget.close()
        QTimer.singleShot(500, lambda: self.pointer("key", "ctrl+q"))
        QTimer.singleShot(20000, iface.mainWindow().close)


with open(os.environ["ROS_SAM_E2E"]) as order_file:
    stage = Stage(json.load(order_file))
