"""Kept objects taken to hand again: found on the map, their prompts read back."""

from __future__ import annotations

from dataclasses import dataclass

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsFeature,
    QgsFeatureRequest,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsRectangle,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.gui import QgsMapCanvas

from ..i18n import tr
from ..map.coordinates import Unreachable, box_in, transform
from ..session.prompts import Prompts, PromptTextInvalid
from ..session.shape import Shape, read_options
from ..sources.source import Source
from .output import Key
from .target import Place


@dataclass(frozen=True)
class Reopened:
    """A kept object as it was when it was kept.

    Attributes:
        prompts: in the coordinates of the image.
        shape: of the outline.
        object_id: by which it is known.
        place: the key of its layer, and where it stands there.
        class_name: as in the file.
    """

    prompts: Prompts
    shape: Shape
    object_id: str
    place: tuple[Key, Place]
    class_name: str


def find_kept(point: QgsPointXY, canvas: QgsMapCanvas, source: Source) -> Reopened | str:
    """Return the kept object at a point of the map, or why there is none that can be corrected.

    Args:
        point: in the canvas's CRS.
        canvas: whose layers are searched, the uppermost first.
        source: the image that is looked at; the object must be of it.
    """
    other = ""
    for layer in canvas.layers():
        if not isinstance(layer, QgsVectorLayer) or layer.fields().lookupField("prompt_xy") < 0:
            continue
        for feature in _features_at(layer, point, canvas):
            image, frame = _image_of(layer, feature)
            if image == source.provenance and (not source.frame or frame == source.frame):
                return _read(layer, feature, source)
            other = other or f"{image} {frame}".strip()
    if other:
        text = tr("This object was outlined on {source}; choose that layer to correct it.")
        return text.format(source=other)
    return tr("There is no kept object here.")


def _features_at(layer: QgsVectorLayer, point: QgsPointXY, canvas: QgsMapCanvas) -> list[QgsFeature]:
    """Return the objects at a point of the map, the smallest first."""
    if layer.geometryType() != QgsWkbTypes.PolygonGeometry:
        return []
    settings = canvas.mapSettings()
    change = QgsCoordinateTransform(settings.destinationCrs(), layer.crs(), QgsProject.instance())
    try:
        there = change.transform(point)
    except QgsCsException:
        return []
    request = QgsFeatureRequest().setFilterRect(QgsRectangle(there, there))
    place = QgsGeometry.fromPointXY(there)
    found = [one for one in layer.getFeatures(request) if one.geometry().contains(place)]
    return sorted(found, key=lambda one: one.geometry().area())


def _image_of(layer: QgsVectorLayer, feature: QgsFeature) -> tuple[str, str]:
    """Return the source and the frame that an object was outlined on."""
    names = layer.fields().names()
    image, frame = (feature[name] if name in names else None for name in ("source", "frame"))
    return str(image or ""), str(frame or "")


def _read(layer: QgsVectorLayer, feature: QgsFeature, source: Source) -> Reopened | str:
    values = {field.name(): feature[field.name()] or "" for field in layer.fields()}
    shape, crs = read_options(values.get("options", ""))
    try:
        prompts = Prompts.from_text(str(values.get("prompt_xy", "")), source.flipped)
        if crs:
            prompts = _moved(prompts, crs, source)
    except (PromptTextInvalid, Unreachable) as error:
        return tr("The prompts of this object cannot be read: {why}").format(why=error)
    object_id = str(values.get("prompt_id", ""))
    place = Place(feature.id(), object_id)
    return Reopened(prompts, shape, object_id, (Key.of(layer), place), str(values.get("class", "")))


def _moved(prompts: Prompts, crs: str, source: Source) -> Prompts:
    """Return prompts of another CRS in that of a source."""
    there = QgsCoordinateReferenceSystem(crs)
    if not there.isValid():
        raise PromptTextInvalid(tr("{crs} is no CRS").format(crs=crs))
    points = transform([QgsPointXY(*xy) for xy in prompts.points], there, source.crs)
    moved = Prompts(tuple(points), prompts.labels)
    if prompts.box is None:
        return moved
    x0, y0, x1, y1 = prompts.box
    corners = [QgsPointXY(x, y) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
    return moved.with_box(box_in(corners, there, source.crs))
