"""Every kept object is drawn, whatever its class and whenever that came to the list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk
from qgis.core import (
    QgsApplication,
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsGeometry,
    QgsRectangle,
    QgsRenderContext,
    QgsVectorLayer,
)

from ros_sam_qgis.engine.engine import Engine
from ros_sam_qgis.engine.process import Launch
from ros_sam_qgis.session.session import KeptObject
from ros_sam_qgis.settings import store as settings
from ros_sam_qgis.store.look import STYLED, colour_of, restyle_objects
from ros_sam_qgis.store.output import own_layers

UTM = QgsCoordinateReferenceSystem("EPSG:25833")
SQUARE = QgsGeometry.fromRect(QgsRectangle(400000, 5800000, 400005, 5800002))


@pytest.fixture
def desk(app: QgsApplication, tmp_path: Path) -> Iterator[Desk]:
    """A desk whose layer of objects has the colours of the first classes; no engine is needed."""
    one = Desk(Engine(lambda: Launch("/nowhere/python", "ros-sam-tiny")), tmp_path)
    keep(one, "ship")
    yield one
    one.close()
    settings.set_classes(list(settings.DEFAULT_CLASSES))
    settings.put("class", "")


def keep(desk: Desk, class_name: str) -> None:
    desk.at.keeper.keep(KeptObject(SQUARE, UTM, {"prompt_id": class_name}, class_name))


def drawn(layer: QgsVectorLayer) -> dict[str, str]:
    """Return the classes of objects that QGIS draws, and their colours."""
    renderer, context = layer.renderer().clone(), QgsRenderContext()
    renderer.startRender(context, layer.fields())
    found = {}
    for feature in layer.getFeatures():
        context.expressionContext().setFeature(feature)
        symbol = renderer.symbolForFeature(feature, context)
        if symbol is not None:
            found[str(feature["class"])] = symbol.symbolLayer(0).strokeColor().name()
    renderer.stopRender(context)
    return found


def test_a_class_that_came_to_the_list_elsewhere_is_drawn(desk: Desk) -> None:
    (layer,) = own_layers()
    before = drawn(layer)
    settings.set_classes([*settings.DEFAULT_CLASSES, "crane"])  # in the settings, or in another project
    desk.at.set_class("crane")
    keep(desk, "crane")
    assert drawn(layer) == {**before, "crane": colour_of(3)}
    assert layer.renderer().categories()[-1].label() == "no class"


def test_a_class_that_left_the_list_is_drawn(desk: Desk) -> None:
    (layer,) = own_layers()
    settings.set_classes(["ship"])
    keep(desk, "barge")
    assert set(drawn(layer)) == {"ship", "barge"}


def test_colours_of_the_users_stay(desk: Desk) -> None:
    (layer,) = own_layers()
    changed = layer.renderer().clone()
    ship = changed.categories()[1]
    symbol = ship.symbol().clone()
    symbol.symbolLayer(0).setStrokeColor(symbol.symbolLayer(0).strokeColor().darker(300))
    changed.updateCategorySymbol(1, symbol)
    layer.setRenderer(changed)
    before = drawn(layer)
    assert before["ship"] != colour_of(1)
    desk.at.set_class("crane")
    assert drawn(layer) == before and layer.renderer().categoryIndexForValue("crane") > 0


def test_a_layer_of_the_users_gets_no_colours() -> None:
    layer = QgsVectorLayer("Polygon?crs=EPSG:25833&field=class:string(20)", "mine", "memory")
    feature = QgsFeature(layer.fields())
    feature.setGeometry(SQUARE)
    layer.dataProvider().addFeatures([feature])
    restyle_objects(layer, ["crane"])
    assert not isinstance(layer.renderer(), QgsCategorizedSymbolRenderer)
    assert layer.customProperty(STYLED) is None
