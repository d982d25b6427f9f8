"""From the canvas to a layer and back."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsPointXY,
    QgsProject,
    QgsRectangle,
)

from ..session.prompts import Box, box_around

STEPS = 21
"""Points along each side of a box that follow it into another CRS."""


class Unreachable(ValueError):
    """A place on the map has no coordinates in the CRS of the layer."""


def transform(
    points: Sequence[QgsPointXY], source: QgsCoordinateReferenceSystem, target: QgsCoordinateReferenceSystem
) -> list[tuple[float, float]]:
    """Return points of one CRS in another. Where one of the two is unknown, coordinates stay, as on the map.

    Raises:
        Unreachable: one of them lies where the target describes nothing.
    """
    if not source.isValid() or not target.isValid() or source == target:
        return [(point.x(), point.y()) for point in points]
    change = QgsCoordinateTransform(source, target, QgsProject.instance())
    try:
        changed = [change.transform(point) for point in points]
    except QgsCsException as error:
        raise Unreachable(str(error)) from error
    return [(point.x(), point.y()) for point in changed]


def box_in(
    corners: Sequence[QgsPointXY], source: QgsCoordinateReferenceSystem, target: QgsCoordinateReferenceSystem
) -> Box:
    """Return a box that the user has drawn in another CRS.

    Where it is turned on the way there, or on a rotated canvas, it becomes the bounds of the ellipse that
    touches its sides, as in the core: those of its corners would hold much beside the object.

    Args:
        corners: of a rectangle, in their order.
        source: CRS of the corners.
        target: CRS of the box.

    Raises:
        Unreachable: part of it lies where the target describes nothing.
    """
    first, second, third, last = corners
    middle = (first.x() + third.x()) / 2, (first.y() + third.y()) / 2
    along = (second.x() - first.x()) / 2, (second.y() - first.y()) / 2
    across = (last.x() - first.x()) / 2, (last.y() - first.y()) / 2
    outline = []
    for step in range(4 * STEPS):
        angle = step * math.pi / (2 * STEPS)
        x, y = (m + math.cos(angle) * a + math.sin(angle) * b for m, a, b in zip(middle, along, across))
        outline.append(QgsPointXY(x, y))
    return box_around(transform(outline, source, target))


def bounds_in(
    corners: Sequence[QgsPointXY], source: QgsCoordinateReferenceSystem, target: QgsCoordinateReferenceSystem
) -> Box:
    """Return the bounds, in another CRS, of a polygon whose sides bend on the way there.

    Raises:
        Unreachable: part of it lies where the target describes nothing.
    """
    outline = []
    for start, end in zip(corners, [*corners[1:], corners[0]]):
        for step in range(STEPS):
            share = step / STEPS
            x = start.x() + share * (end.x() - start.x())
            y = start.y() + share * (end.y() - start.y())
            outline.append(QgsPointXY(x, y))
    return box_around(transform(outline, source, target))


def view_in(
    view: QgsRectangle, source: QgsCoordinateReferenceSystem, target: QgsCoordinateReferenceSystem
) -> Box | None:
    """Return what is on screen in another CRS; None where that has no meaning."""
    corners = [
        QgsPointXY(view.xMinimum(), view.yMinimum()),
        QgsPointXY(view.xMaximum(), view.yMinimum()),
        QgsPointXY(view.xMaximum(), view.yMaximum()),
        QgsPointXY(view.xMinimum(), view.yMaximum()),
    ]
    try:
        return bounds_in(corners, source, target)
    except Unreachable:
        return None
