"""Icons show on light and on dark themes, at every size that QGIS asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor, QPalette

from ros_sam_qgis import icons

NAMES = sorted(path.stem for path in Path(icons.__file__).parent.glob("*.svg"))
GROUNDS = {"light": "#efefef", "night": "#323232"}


@pytest.fixture(params=GROUNDS)
def ground(request: pytest.FixtureRequest, app: QgsApplication) -> Iterator[QColor]:
    before = QgsApplication.palette()
    palette = QPalette(before)
    colour = QColor(GROUNDS[request.param])
    palette.setColor(QPalette.ColorRole.Window, colour)
    QgsApplication.setPalette(palette)
    yield colour
    QgsApplication.setPalette(before)


@pytest.mark.parametrize("size", [16, 24])
@pytest.mark.parametrize("name", NAMES)
def test_an_icon_shows_on_its_ground(name: str, size: int, ground: QColor) -> None:
    image = icons.icon(name).pixmap(QSize(size, size)).toImage()
    seen = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
    solid = [colour for colour in seen if colour.alpha() > 200]
    assert len(solid) > 0.08 * len(seen)
    apart = [abs(colour.lightness() - ground.lightness()) + abs(colour.hue() >= 0) * 40 for colour in solid]
    assert sum(one > 60 for one in apart) > 0.75 * len(solid)  # a white sign may stand in a disc


def test_the_ink_follows_the_theme(ground: QColor) -> None:
    assert (icons.ink() == icons.LIGHT_INK) == (ground.lightness() < 128)
    box = icons.icon("box").pixmap(QSize(24, 24)).toImage()
    dash = box.pixelColor(12, 5)  # in the upper dashed side
    assert dash.alpha() == 0 or abs(dash.lightness() - ground.lightness()) > 60
