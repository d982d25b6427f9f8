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
NO_CLASS, NO_CLASS_COLOUR = "(none)", "#ff40a0"
STYLED = "ros_sam/styled"
"""Custom property of a layer whose colours are the plugin's."""
START = 'to_datetime("time")'
ANY_TIME = f"coalesce(\"class\", '{NO_CLASS}')"
"""The category of an object."""


def colour_of(index: int) -> str:
    """Return the colour of the class at a place of the user's list."""
    return COLOURS[index % len(COLOURS)]


def style_objects(layer: QgsVectorLayer, classes: list[str]) -> None:
    """Give a layer the plugin's colours: an outline and a breath of fill. Classes in it get one too."""
    names = list(dict.fromkeys([*classes, *_classes_in(layer)]))
    categories = [QgsRendererCategory(name, _symbol(colour_of(i)), name) for i, name in enumerate(names)]
    categories.append(QgsRendererCategory(NO_CLASS, _symbol(NO_CLASS_COLOUR), tr("no class")))
    before = layer.renderer()
    keeps_time = layer.customProperty(STYLED) is not None and isinstance(before, QgsCategorizedSymbolRenderer)
    attribute = before.classAttribute() if keeps_time else ANY_TIME
    layer.setRenderer(QgsCategorizedSymbolRenderer(attribute, categories))
    layer.setCustomProperty(STYLED, True)
    layer.triggerRepaint()


def restyle_objects(layer: QgsVectorLayer, classes: list[str]) -> None:
    """Give new classes a colour each on a layer that still has the plugin's colours; others stay as they are.

    A class without a colour is not drawn at all. Where every class has one nothing is done.
    """
    renderer = layer.renderer()
    if layer.customProperty(STYLED) is None or not isinstance(renderer, QgsCategorizedSymbolRenderer):
        return
    if ANY_TIME not in renderer.classAttribute():
        return
    coloured = {"", *(str(category.value()) for category in renderer.categories())}
    if coloured.issuperset(classes):
        return
    changed = renderer.clone()
    for name in dict.fromkeys([*classes, *_classes_in(layer)]):
        if name in coloured:
            continue
        colour = colour_of(len(changed.categories()) - 1)
        changed.addCategory(QgsRendererCategory(name, _symbol(colour), name))
    last = len(changed.categories()) - 1
    changed.moveCategory(changed.categoryIndexForValue(NO_CLASS), last)
    layer.setRenderer(changed)
    layer.triggerRepaint()


def show_only_at_their_time(layer: QgsVectorLayer, on: bool, duration_s: float = 1.0) -> None:
    """Have the map show objects at the time of their frame only, or always.

    QGIS's own filter by time knows whole seconds only, and the frames of a video are shorter. So a layer with
    the plugin's colours chooses by them; objects without time show always.

    Args:
        layer: with the attribute `time`.
        on: only at their time.
        duration_s: how long a frame lasts.
    """
    properties, renderer = layer.temporalProperties(), layer.renderer()
    if layer.customProperty(STYLED) is not None and isinstance(renderer, QgsCategorizedSymbolRenderer):
        changed = renderer.clone()
        changed.setClassAttribute(_at_its_time(duration_s) if on else ANY_TIME)
        layer.setRenderer(changed)
        properties.setMode(QgsVectorLayerTemporalProperties.ModeRedrawLayerOnly)
    else:
        properties.setMode(QgsVectorLayerTemporalProperties.ModeFeatureDateTimeStartAndEndFromExpressions)
        properties.setStartExpression(START)
        properties.setEndExpression(f"to_datetime(\"time\") + to_interval('{max(1, round(duration_s))} s')")
    properties.setIsActive(on)
    layer.triggerRepaint()


def shows_only_at_its_time(layer: QgsVectorLayer) -> bool:
    """Say whether `show_only_at_their_time` was asked for on a layer, also before its project was saved."""
    properties, renderer = layer.temporalProperties(), layer.renderer()
    if layer.customProperty(STYLED) is not None and isinstance(renderer, QgsCategorizedSymbolRenderer):
        return "@map_start_time" in renderer.classAttribute()
    return bool(properties.isActive() and properties.startExpression() == START)


def _at_its_time(duration_s: float) -> str:
    """Return the category of an object that shows on the map's time, and none of another."""
    time = 'epoch(to_datetime("time"))'
    ends = f"{time} + {round(duration_s * 1000)}"
    shows = f"{time} < epoch(@map_end_time) AND {ends} > epoch(@map_start_time)"
    return f"if(coalesce(@map_start_time IS NULL OR ({shows}), true), {ANY_TIME}, NULL)"


def _classes_in(layer: QgsVectorLayer) -> list[str]:
    """Return the classes that objects of a layer have."""
    index = layer.fields().lookupField("class")
    return sorted(str(value) for value in layer.uniqueValues(index) if value) if index >= 0 else []


def _symbol(colour: str) -> QgsFillSymbol:
    fill = QColor(colour)
    look = {
        "color": f"{fill.red()},{fill.green()},{fill.blue()},40",
        "outline_color": colour,
        "outline_width": "0.5",
    }
    return QgsFillSymbol.createSimple(look)
