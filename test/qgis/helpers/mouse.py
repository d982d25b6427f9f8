"""Mouse and key events on a canvas, at places of the map."""

from __future__ import annotations

from qgis.core import QgsPointXY
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QEvent, QPoint, QPointF, Qt
from qgis.PyQt.QtGui import QKeyEvent, QMouseEvent
from qgis.PyQt.QtWidgets import QApplication

NONE = Qt.KeyboardModifier.NoModifier
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton


class Mouse:
    """A hand on the mouse and the keyboard."""

    def __init__(self, canvas: QgsMapCanvas) -> None:
        self.canvas = canvas

    def pixel(self, point: QgsPointXY) -> QPoint:
        """Return where a place of the map is on the canvas."""
        place = self.canvas.getCoordinateTransform().transform(point)
        return QPoint(round(place.x()), round(place.y()))

    def move(self, to: QPoint, buttons: Qt.MouseButton = Qt.MouseButton.NoButton) -> None:
        self._send(QEvent.Type.MouseMove, to, Qt.MouseButton.NoButton, buttons, NONE)

    def click(self, point: QgsPointXY, button: Qt.MouseButton = LEFT, modifiers: object = NONE) -> None:
        """Click a place of the map."""
        at = self.pixel(point)
        self.move(at)
        self._send(QEvent.Type.MouseButtonPress, at, button, button, modifiers)
        self._send(QEvent.Type.MouseButtonRelease, at, button, Qt.MouseButton.NoButton, modifiers)

    def drag(self, start: QgsPointXY, end: QgsPointXY) -> None:
        """Draw a box with the left button down."""
        first, last = self.pixel(start), self.pixel(end)
        self.move(first)
        self._send(QEvent.Type.MouseButtonPress, first, LEFT, LEFT, NONE)
        for step in range(1, 5):
            self.move(first + (last - first) * (step / 4), LEFT)
        self._send(QEvent.Type.MouseButtonRelease, last, LEFT, Qt.MouseButton.NoButton, NONE)

    def key(self, key: Qt.Key, modifiers: object = NONE, text: str = "") -> bool:
        """Press a key on the canvas as Qt does: first as a possible shortcut; says whether it was taken."""
        override = QKeyEvent(QEvent.Type.ShortcutOverride, key, modifiers, text)
        override.ignore()
        QApplication.sendEvent(self.canvas, override)
        press = QKeyEvent(QEvent.Type.KeyPress, key, modifiers, text)
        QApplication.sendEvent(self.canvas, press)
        return override.isAccepted()

    def _send(self, kind, at, button, buttons, modifiers) -> None:
        viewport = self.canvas.viewport()
        where = QPointF(viewport.mapToGlobal(at))
        event = QMouseEvent(kind, QPointF(at), where, button, buttons, modifiers)
        QApplication.sendEvent(viewport, event)
