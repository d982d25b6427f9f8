"""What is stored of a kept object, beside its polygon."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsFeature, QgsFields, QgsGeometry, QgsVectorLayer

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

NAMES = tuple(name for name, _ in COLUMNS)


def object_fields() -> QgsFields:
    """Return the attributes of a layer of kept objects."""
    definition = "&".join(f"field={name}:{kind}" for name, kind in COLUMNS)
    return QgsVectorLayer(f"MultiPolygon?{definition}", "fields", "memory").fields()


def values_of(kept: KeptObject) -> dict[str, Any]:
    """Return the attributes of an object by name."""
    own = {"class": kept.class_name or None, "options": kept.options or None}
    return {name: own[name] if name in own else kept.attributes.get(name) for name in NAMES}


def feature_of(kept: KeptObject, geometry: QgsGeometry, fields: QgsFields) -> QgsFeature:
    """Return an object as a feature of a layer, which may lack some of its attributes and have others."""
    feature = QgsFeature(fields)
    feature.setGeometry(geometry)
    for name, value in values_of(kept).items():
        index = fields.lookupField(name)
        if index >= 0 and value is not None:
            feature.setAttribute(index, value)
    return feature
