"""How layers of kept objects look: a colour for each class, the objects of another time hidden if wished."""

from __future__ import annotations

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsFillSymbol,
    QgsRendererCategory,
    QgsVectorLayer,
    QgsVectorLayerTemporalProperties,
)
from qgis.PyQt.QtGui import QColor

from ..i18n import tr

COLOURS = ("#e6194b", "#3cb44b", "#ffe119", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#f032e6", "#bfef45")
NO_CLASS = "#ff40a0"
STYLED = "ros_sam/styled"
"""Custom property of a layer whose colours are the plugin's: the classes that it has colours for."""


def colour_of(index: int) -> str:
    """Return the colour of the class at a place of the user's list."""
    return COLOURS[index % len(COLOURS)]


def style_objects(layer: QgsVectorLayer, classes: list[str]) -> None:
    """Give a layer the plugin's colours: an outline and a breath of fill."""
    categories = [
        QgsRendererCategory(name, _symbol(colour_of(index)), name) for index, name in enumerate(classes)
    ]
    categories.append(QgsRendererCategory(None, _symbol(NO_CLASS), tr("no class")))
    layer.setRenderer(QgsCategorizedSymbolRenderer("class", categories))
    layer.setCustomProperty(STYLED, "\n".join(classes))
    layer.triggerRepaint()


def restyle_objects(layer: QgsVectorLayer, classes: list[str]) -> None:
    """Give new classes their colours on a layer that still has the plugin's; one of the user's stays."""
    styled = layer.customProperty(STYLED)
    if styled is not None and str(styled) != "\n".join(classes):
        style_objects(layer, classes)


def show_only_at_their_time(layer: QgsVectorLayer, on: bool, duration_s: float = 1.0) -> None:
    """Have the Temporal Controller show objects at the time of their frame only, or always.

    Args:
        layer: with the attribute `time`.
        on: only at their time.
        duration_s: how long a frame lasts.
    """
    properties = layer.temporalProperties()
    properties.setIsActive(on)
    if on:
        mode = QgsVectorLayerTemporalProperties.ModeFeatureDateTimeStartAndEndFromExpressions
        properties.setMode(mode)
        start = 'to_datetime("time")'
        milliseconds = max(1, round(duration_s * 1000) - 1)
        properties.setStartExpression(start)
        properties.setEndExpression(f"{start} + to_interval('{milliseconds / 1000:.3f} seconds')")
    layer.triggerRepaint()


def _symbol(colour: str) -> QgsFillSymbol:
    fill = QColor(colour)
    look = {
        "color": f"{fill.red()},{fill.green()},{fill.blue()},40",
        "outline_color": colour,
        "outline_width": "0.5",
    }
    return QgsFillSymbol.createSimple(look)
