"""The plugin's icons: QGIS's own where it has one, ours in the ink of the user's theme."""

from __future__ import annotations

import os

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QByteArray, Qt
from qgis.PyQt.QtGui import QIcon, QPainter, QPalette, QPixmap
from qgis.PyQt.QtSvg import QSvgRenderer

INK = "#232629"
"""What our drawings are drawn in."""
LIGHT_INK = "#eeeeee"
"""What they are drawn in on dark themes."""
SIZES = (16, 20, 24, 32, 48, 64)


def icon(name: str) -> QIcon:
    """Return one of our icons, light on dark themes and dark on light ones.

    Args:
        name: of the file, without `.svg`.
    """
    with open(os.path.join(os.path.dirname(__file__), f"{name}.svg"), encoding="utf-8") as file:
        drawing = file.read()
    renderer = QSvgRenderer(QByteArray(drawing.replace(INK, ink()).encode("utf-8")))
    found = QIcon()
    for mode, opacity in ((QIcon.Mode.Normal, 1.0), (QIcon.Mode.Disabled, 0.4)):
        for size in SIZES:
            found.addPixmap(_drawn(renderer, size, opacity), mode)
    return found


def ink() -> str:
    """Return what shows on the theme's windows. QGIS's themes tell their ground truly, their text not."""
    ground = QgsApplication.palette().color(QPalette.ColorRole.Window)
    return LIGHT_INK if ground.lightness() < 128 else INK


def theme_icon(name: str) -> QIcon:
    """Return one of QGIS's own icons, such as `mActionUndo`."""
    return QgsApplication.getThemeIcon(f"/{name}.svg")


def _drawn(renderer: QSvgRenderer, size: int, opacity: float) -> QPixmap:
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setOpacity(opacity)
    renderer.render(painter)
    painter.end()
    return pixmap
