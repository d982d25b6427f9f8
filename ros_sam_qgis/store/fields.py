"""What is stored of a kept object, beside its polygon."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from qgis.core import QgsFeature, QgsFields, QgsGeometry, QgsVectorLayer
from qgis.PyQt.QtCore import QDateTime, Qt

from ..session.session import KeptObject

COLUMNS = (
    ("class", "string(80)"),
    ("prompt_id", "string(40)"),
    ("score", "double"),
    ("area_m2", "double"),
    ("perim_m", "double"),
    ("source", "string(0)"),
    ("frame", "string(0)"),
    ("time", "string(40)"),
    ("model", "string(80)"),
    ("weights", "string(16)"),
    ("prompt", "string(16)"),
    ("prompt_xy", "string(0)"),
    ("options", "string(0)"),
)
"""Name and type of every attribute: the class, those of the core in its order, and the outline's options."""

MOMENT = "moment"

NAMES = tuple(name for name, _ in COLUMNS)


def object_fields() -> QgsFields:
    """Return the attributes of a layer of kept objects."""
    return _fields(COLUMNS)


def values_of(kept: KeptObject) -> dict[str, Any]:
    """Return the attributes of an object by name."""
    own = {"class": kept.class_name or None, "options": kept.options or None}
    return {name: own[name] if name in own else kept.attributes.get(name) for name in NAMES}


def named(fields: QgsFields, name: str) -> int:
    """Return the index of the field of a name, upper or lower case alike; -1 where there is none."""
    exact = fields.indexOf(name)
    names = [field.name().lower() for field in fields]
    return exact if exact >= 0 or name not in names else names.index(name)


def column(fields: QgsFields, name: str) -> int:
    """Return the index of the field for an attribute; -1 where there is none, or none of its kind."""
    index = named(fields, name)
    if index < 0:
        return -1
    kinds = {_kinds()[name], _kinds()[MOMENT]} if name == "time" else {_kinds()[name]}
    return index if fields.at(index).type() in kinds else -1


def stored(kept: KeptObject, fields: QgsFields) -> dict[int, Any]:
    """Return the attributes of an object by the index of their field, for those that a layer has."""
    found = {}
    for name, value in values_of(kept).items():
        index = column(fields, name)
        if index >= 0:
            is_moment = name == "time" and value and fields.at(index).type() == _kinds()[MOMENT]
            moment = Qt.DateFormat.ISODateWithMs
            found[index] = QDateTime.fromString(str(value), moment) if is_moment else value
    return found


@cache
def _kinds() -> dict[str, Any]:
    """Return the type of every attribute's field, and that of a moment's, which `time` may have as well."""
    return {field.name(): field.type() for field in _fields((*COLUMNS, (MOMENT, "datetime")))}


def _fields(columns: Sequence[tuple[str, str]]) -> QgsFields:
    definition = "&".join(f"field={name}:{kind}" for name, kind in columns)
    return QgsVectorLayer(f"MultiPolygon?{definition}", "fields", "memory").fields()


def feature_of(kept: KeptObject, geometry: QgsGeometry, fields: QgsFields) -> QgsFeature:
    """Return an object as a feature of a layer, which may lack some of its attributes and have others."""
    feature = QgsFeature(fields)
    feature.setGeometry(geometry)
    for index, value in stored(kept, fields).items():
        if value is not None:
            feature.setAttribute(index, value)
    return feature
