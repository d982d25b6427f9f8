"""Segment by points."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    NULL,
    QgsFeature,
    QgsFeatureSource,
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
)
from qgis.PyQt.QtGui import QIcon

from ..i18n import tr
from ..icons import icon
from ..session.prompts import Prompts
from .asking import Request
from .segment import SegmentAlgorithm


class SegmentByPoints(SegmentAlgorithm):
    """Each feature is a click; clicks of one object share a value."""

    OBJECT, LABEL = "OBJECT_FIELD", "LABEL_FIELD"

    def name(self) -> str:
        """Return the name by which models and scripts know it."""
        return "segment_by_points"

    def icon(self) -> QIcon:
        """Return the icon in the toolbox."""
        return icon("segment_points")

    def displayName(self) -> str:
        """Return the name in the toolbox."""
        return tr("Segment by points")

    def shortHelpString(self) -> str:
        """Return the help beside the parameters."""
        return tr(
            "Outlines the object under each point.\n\n"
            "Points: clicks, in any CRS. Without further fields each point is an object of its own.\n\n"
            "Field of the object: points with the same value belong to one object; one without a value is an "
            "object of its own.\n\n"
            "Field of the label: 0 marks points beside the object, every other value points on it.\n\n"
            "The result has a polygon for each object that gave one, in the CRS of the image, with its "
            "expected IoU (score), area and perimeter on the ground, and where it comes from. Objects that "
            "give none are named in the log."
        )

    def add_prompts(self) -> None:
        """Add the points and how they belong together."""
        kind = [QgsProcessing.TypeVectorPoint]
        self.addParameter(QgsProcessingParameterFeatureSource(self.PROMPTS, tr("Points"), kind))
        for name, title in (
            (self.OBJECT, tr("Field of the object")),
            (self.LABEL, tr("Field of the label (0 is beside the object)")),
        ):
            self.addParameter(QgsProcessingParameterField(name, title, None, self.PROMPTS, optional=True))

    def requests(
        self, parameters: dict[str, Any], context: QgsProcessingContext, source: QgsFeatureSource
    ) -> list[Request]:
        """Return the objects in the order of their first points."""
        by_object = self.parameterAsString(parameters, self.OBJECT, context)
        by_label = self.parameterAsString(parameters, self.LABEL, context)
        by_class = self.parameterAsString(parameters, self.CLASS, context)
        found: dict[str, Request] = {}
        for feature in source.getFeatures():
            if not feature.hasGeometry():
                continue
            key = _object_of(feature, by_object)
            label = 0 if by_label and str(feature[by_label]) in ("0", "0.0", "false", "False") else 1
            request = found.setdefault(key, Request(key, Prompts()))
            for vertex in feature.geometry().vertices():
                request.prompts = request.prompts.with_point(vertex.x(), vertex.y(), label)
            if by_class and not request.class_name:
                request.class_name = str(feature[by_class] or "")
        return list(found.values())


def _object_of(feature: QgsFeature, field: str) -> str:
    """Return the id of the object that a point belongs to."""
    if not field:
        return str(feature.id())
    value = feature[field]
    return f"feature {feature.id()}" if value is None or value == NULL else str(value)
