"""Segment by boxes."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsFeatureSource,
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingParameterFeatureSource,
)
from qgis.PyQt.QtGui import QIcon

from ..i18n import tr
from ..icons import icon
from ..session.prompts import Prompts
from .asking import Request
from .segment import SegmentAlgorithm


class SegmentByBoxes(SegmentAlgorithm):
    """The bounds of each feature are a box around an object."""

    def name(self) -> str:
        """Return the name by which models and scripts know it."""
        return "segment_by_boxes"

    def icon(self) -> QIcon:
        """Return the icon in the toolbox."""
        return icon("segment_boxes")

    def displayName(self) -> str:
        """Return the name in the toolbox."""
        return tr("Segment by boxes")

    def shortHelpString(self) -> str:
        """Return the help beside the parameters."""
        return tr(
            "Outlines the object in each box.\n\n"
            "Boxes: features of any kind; the bounds of each are a box around one object, in any CRS. Draw "
            "them with a little room, one object a box.\n\n"
            "The result has a polygon for each box that gave one, in the CRS of the image, with its "
            "expected IoU (score), area and perimeter on the ground, and where it comes from. Boxes that "
            "give none are named in the log.\n\n"
            "Bands and stretch are those of the layer's style unless given. Pixels are read as they are in "
            "the file, whatever the project's CRS."
        )

    def add_prompts(self) -> None:
        """Add the boxes."""
        kind = [QgsProcessing.TypeVectorAnyGeometry]
        self.addParameter(QgsProcessingParameterFeatureSource(self.PROMPTS, tr("Boxes"), kind))

    def requests(
        self, parameters: dict[str, Any], context: QgsProcessingContext, source: QgsFeatureSource
    ) -> list[Request]:
        """Return a box for each feature that has a geometry."""
        field = self.parameterAsString(parameters, self.CLASS, context)
        found = []
        for feature in source.getFeatures():
            if not feature.hasGeometry():
                continue
            bounds = feature.geometry().boundingBox()
            box = (bounds.xMinimum(), bounds.yMinimum(), bounds.xMaximum(), bounds.yMaximum())
            class_name = str(feature[field] or "") if field else ""
            found.append(Request(str(feature.id()), Prompts().with_box(box), class_name))
        return found
