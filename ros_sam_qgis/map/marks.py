"""What is drawn over the map: the outline at hand, its prompts, the preview under the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.core import QgsCoordinateReferenceSystem, QgsGeometry, QgsPointXY, QgsRectangle, QgsWkbTypes
from qgis.gui import QgsMapCanvas, QgsRubberBand
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QColor

from ..session.at_hand import ObjectAtHand

OUTLINE = QColor(255, 64, 160)
PENDING = QColor(255, 64, 160, 120)
PREVIEW = QColor(0, 210, 255)
ON = QColor(40, 200, 60)
BESIDE = QColor(230, 40, 40)
BOX = QColor(255, 200, 0)
FILL_ALPHA = 50


class Marks:
    """The rubber bands of one canvas.

    Args:
        canvas: where they are drawn, until `remove`.
    """

    def __init__(self, canvas: QgsMapCanvas) -> None:
        self._canvas = canvas
        polygon, point = QgsWkbTypes.PolygonGeometry, QgsWkbTypes.PointGeometry
        self.waiting = self._band(polygon, PENDING, 2)
        self.waiting_points = self._band(point, PENDING, 2)
        self.waiting_points.setIcon(QgsRubberBand.IconType.ICON_CIRCLE)
        self.preview = self._band(polygon, PREVIEW, 2)
        self.preview.setLineStyle(Qt.PenStyle.DashLine)
        self.box = self._band(polygon, BOX, 2)
        self.box.setFillColor(QColor(0, 0, 0, 0))
        self.outline = self._band(polygon, OUTLINE, 2)
        self.on = self._band(point, ON, 2)
        self.on.setIcon(QgsRubberBand.IconType.ICON_CIRCLE)
        self.beside = self._band(point, BESIDE, 2)
        self.beside.setIcon(QgsRubberBand.IconType.ICON_X)
        for band in (self.on, self.beside, self.waiting_points):
            band.setIconSize(9)

    def show(self, at_hand: ObjectAtHand | None) -> None:
        """Draw an object at hand, or nothing."""
        for band in (self.box, self.outline, self.on, self.beside):
            band.reset(band_type(self, band))
        if at_hand is None:
            return
        crs, prompts = at_hand.source.crs, at_hand.prompts
        if at_hand.shown is not None:
            self.outline.setStrokeColor(OUTLINE if at_hand.outline is not None else PENDING)
            self.outline.setToGeometry(at_hand.shown.geometry, crs)
        if prompts.box is not None:
            self.box.setToGeometry(QgsGeometry.fromRect(QgsRectangle(*prompts.box)), crs)
        for label, band in ((1, self.on), (0, self.beside)):
            points = [QgsPointXY(*xy) for xy, one in zip(prompts.points, prompts.labels) if one == label]
            if points:
                band.setToGeometry(QgsGeometry.fromMultiPointXY(points), crs)

    def show_waiting(self, leaving: Sequence[ObjectAtHand]) -> None:
        """Draw kept objects whose outline has not come yet: the last one they had, else their prompts."""
        self.waiting.reset(QgsWkbTypes.PolygonGeometry)
        self.waiting_points.reset(QgsWkbTypes.PointGeometry)
        for one in leaving:
            crs, prompts = one.source.crs, one.prompts
            if one.shown is not None:
                self.waiting.addGeometry(one.shown.geometry, crs)
            elif prompts.box is not None:
                self.waiting.addGeometry(QgsGeometry.fromRect(QgsRectangle(*prompts.box)), crs)
            for xy, label in zip(prompts.points, prompts.labels):
                if label == 1:
                    self.waiting_points.addGeometry(QgsGeometry.fromPointXY(QgsPointXY(*xy)), crs)

    def show_preview(self, geometry: QgsGeometry | None, crs: QgsCoordinateReferenceSystem | None) -> None:
        """Draw the outline under the cursor, or none."""
        if geometry is None or crs is None:
            self.preview.reset(QgsWkbTypes.PolygonGeometry)
        else:
            self.preview.setToGeometry(geometry, crs)

    def remove(self) -> None:
        """Take everything off the canvas."""
        shapes = (self.waiting, self.preview, self.box, self.outline)
        for band in (*shapes, self.waiting_points, self.on, self.beside):
            self._canvas.scene().removeItem(band)

    def _band(self, kind: int, colour: QColor, width: int) -> QgsRubberBand:
        band = QgsRubberBand(self._canvas, kind)
        band.setStrokeColor(colour)
        fill = QColor(colour)
        fill.setAlpha(FILL_ALPHA)
        band.setFillColor(fill)
        band.setWidth(width)
        return band


def band_type(marks: Marks, band: QgsRubberBand) -> int:
    """Return the geometry type of one of the bands."""
    return QgsWkbTypes.PointGeometry if band in (marks.on, marks.beside) else QgsWkbTypes.PolygonGeometry
