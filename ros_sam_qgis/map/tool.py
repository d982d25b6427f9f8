"""The map tool: mouse and keys in, signals out. It knows nothing of engines and objects."""

from __future__ import annotations

import math
from enum import Enum

from qgis.core import QgsPointXY, QgsWkbTypes
from qgis.gui import QgsMapCanvas, QgsMapMouseEvent, QgsMapTool, QgsRubberBand
from qgis.PyQt.QtCore import QEvent, QObject, QPoint, Qt, pyqtSignal
from qgis.PyQt.QtGui import QColor, QKeyEvent
from qgis.PyQt.QtWidgets import QApplication

BOX_COLOUR = QColor(255, 200, 0)


class Mode(Enum):
    """What the next left click means."""

    POINTS = "points"
    BOX = "box"
    QUICK = "quick"

    def next(self) -> Mode:
        """Return the mode that Tab leads to."""
        modes = list(Mode)
        return modes[(modes.index(self) + 1) % len(modes)]


class Phase(Enum):
    """Where the mouse is in what it does."""

    IDLE = "idle"
    PRESSED = "pressed"
    DRAGGING = "dragging"
    CORNER = "corner"


class SegmentTool(QgsMapTool):
    """Clicks, boxes and keys on a canvas.

    Signals (coordinates are the canvas's):
        clicked: a point, and 1 for "on the object" or 0 for "beside it".
        boxed: the four corners of a box, in their order; on a rotated canvas its sides are the screen's.
        reopened: a point in a kept object that is to be corrected.
        hovered: where the mouse is, while no button is down.
        left: the mouse has left the canvas, or does something else than hover.
        mode_changed: the `Mode`.
        undone, redone, kept, cleared: keys.
        class_chosen: the number, from 0, of the class on key 1 to 9.
        stepped: 1 for the next frame of a video (key .), -1 for the one before (key ,).
    """

    clicked = pyqtSignal(QgsPointXY, int)
    boxed = pyqtSignal(list)
    reopened = pyqtSignal(QgsPointXY)
    hovered = pyqtSignal(QgsPointXY)
    left = pyqtSignal()
    mode_changed = pyqtSignal(object)
    undone = pyqtSignal()
    redone = pyqtSignal()
    kept = pyqtSignal()
    cleared = pyqtSignal()
    class_chosen = pyqtSignal(int)
    stepped = pyqtSignal(int)

    def __init__(self, canvas: QgsMapCanvas) -> None:
        super().__init__(canvas)
        self.mode = Mode.POINTS
        self.phase = Phase.IDLE
        self._from = QgsPointXY()  # on the map: the view may change before the other corner is clicked
        self._band: QgsRubberBand | None = None
        self.setCursor(Qt.CursorShape.CrossCursor)

    def set_mode(self, mode: Mode) -> None:
        """Go on in another mode; a box begun is dropped."""
        self._rest()
        if mode is not self.mode:
            self.mode = mode
            self.mode_changed.emit(mode)

    def activate(self) -> None:
        """Take the canvas: its keys too, as long as it has the focus."""
        super().activate()
        canvas = self.canvas()
        canvas.installEventFilter(self)
        canvas.viewport().installEventFilter(self)
        canvas.setFocus()

    def deactivate(self) -> None:
        """Give the canvas back."""
        canvas = self.canvas()
        canvas.removeEventFilter(self)
        canvas.viewport().removeEventFilter(self)
        self._rest()
        self.left.emit()
        super().deactivate()

    def canvasPressEvent(self, event: QgsMapMouseEvent) -> None:
        """Begin a click or a drag; end a box that was begun with a click."""
        if event.button() == Qt.MouseButton.LeftButton and self.phase is Phase.IDLE:
            self.phase, self._from = Phase.PRESSED, event.originalMapPoint()

    def canvasMoveEvent(self, event: QgsMapMouseEvent) -> None:
        """Hover, or draw a box."""
        if self.phase is Phase.PRESSED:
            distance = (event.pos() - self.toCanvasCoordinates(self._from)).manhattanLength()
            if distance >= QApplication.startDragDistance():
                self.phase = Phase.DRAGGING
                self.left.emit()
        if self.phase in (Phase.DRAGGING, Phase.CORNER):
            self._show_box(event.pos())
        elif self.phase is Phase.IDLE:
            self.hovered.emit(event.originalMapPoint())

    def canvasReleaseEvent(self, event: QgsMapMouseEvent) -> None:
        """End a click or a drag."""
        if event.button() == Qt.MouseButton.RightButton:
            if self.phase is Phase.CORNER:
                self._rest()
            elif self.phase is Phase.IDLE:
                self.clicked.emit(event.originalMapPoint(), 0)
            return
        if event.button() != Qt.MouseButton.LeftButton:
            return
        phase = self.phase
        if phase in (Phase.DRAGGING, Phase.CORNER):
            self._end_box(event.pos())
        elif phase is Phase.PRESSED:
            self.phase = Phase.IDLE
            self._click(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take the canvas's keys before QGIS's shortcuts and Qt's focus do; notice the mouse leaving."""
        kind = event.type()
        if kind == QEvent.Type.Leave and watched is self.canvas().viewport():
            self.left.emit()
        elif kind in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress) and watched is self.canvas():
            signal = self._signal_of(event)
            if signal is not None:
                event.accept()
                if kind == QEvent.Type.KeyPress:
                    signal()
                return True
        return bool(super().eventFilter(watched, event))

    def _signal_of(self, event: QKeyEvent):
        """Return what a key does, None if it is not ours."""
        key, modifiers = event.key(), event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        control, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
        if modifiers == control:
            return {Qt.Key.Key_Z: self.undone.emit, Qt.Key.Key_Y: self.redone.emit}.get(key)
        if modifiers == (control | shift):
            return self.redone.emit if key == Qt.Key.Key_Z else None
        if modifiers != Qt.KeyboardModifier.NoModifier:
            return None
        if Qt.Key.Key_1 <= key <= Qt.Key.Key_9:
            number = int(key) - int(Qt.Key.Key_1)
            return lambda: self.class_chosen.emit(number)
        return {
            Qt.Key.Key_Tab: lambda: self.set_mode(self.mode.next()),
            Qt.Key.Key_Comma: lambda: self.stepped.emit(-1),
            Qt.Key.Key_Period: lambda: self.stepped.emit(1),
            Qt.Key.Key_Backspace: self.undone.emit,
            Qt.Key.Key_Return: self.kept.emit,
            Qt.Key.Key_Enter: self.kept.emit,
            Qt.Key.Key_Escape: self._escape,
        }.get(key)

    def _escape(self) -> None:
        """Drop the box that is being drawn, else the object at hand."""
        if self.phase is Phase.IDLE:
            self.cleared.emit()
        else:
            self._rest()

    def _click(self, event: QgsMapMouseEvent) -> None:
        point = event.originalMapPoint()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.reopened.emit(point)
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.clicked.emit(point, 0)
        elif self.mode is Mode.BOX:
            self.phase = Phase.CORNER
            self.left.emit()
        else:
            self.clicked.emit(point, 1)

    def _end_box(self, to: QPoint) -> None:
        start, self.phase = self.toCanvasCoordinates(self._from), Phase.IDLE
        self._hide_box()
        if start.x() != to.x() and start.y() != to.y():
            self.boxed.emit(self._corners(to))

    def _corners(self, to: QPoint) -> list[QgsPointXY]:
        """Return the corners of a box from where it began to a pixel, its sides the screen's."""
        start, end = self._from, self.toMapCoordinates(to)
        angle = math.radians(self.canvas().rotation())
        right, up = math.cos(angle), math.sin(angle)  # along the screen's rows
        width = (end.x() - start.x()) * right + (end.y() - start.y()) * up
        x, y = width * right, width * up
        return [start, QgsPointXY(start.x() + x, start.y() + y), end, QgsPointXY(end.x() - x, end.y() - y)]

    def _show_box(self, to: QPoint) -> None:
        if self._band is None:
            self._band = QgsRubberBand(self.canvas(), QgsWkbTypes.PolygonGeometry)
            self._band.setStrokeColor(BOX_COLOUR)
            self._band.setFillColor(QColor(0, 0, 0, 0))
            self._band.setWidth(2)
        self._band.reset(QgsWkbTypes.PolygonGeometry)
        corners = self._corners(to)
        for point in corners:
            self._band.addPoint(point, point is corners[-1])

    def _hide_box(self) -> None:
        if self._band is not None:
            self.canvas().scene().removeItem(self._band)
            self._band = None

    def _rest(self) -> None:
        self.phase = Phase.IDLE
        self._hide_box()
