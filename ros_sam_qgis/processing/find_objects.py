"""Find all objects."""

from __future__ import annotations

import json
from typing import Any

from qgis.core import (
    QgsGeometry,
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterNumber,
)
from qgis.PyQt.QtGui import QIcon

from ..engine.blocking import BlockingEngine, EngineCancelled
from ..engine.errors import EngineError
from ..i18n import tr
from ..icons import icon
from ..session.at_hand import FLIP
from ..sources.grid import wkt_of
from ..sources.source import SourceError
from .asking import Searcher
from .raster import RasterAlgorithm


class FindObjects(RasterAlgorithm):
    """Outlines every object of a raster, with no prompts."""

    AREA, SHORTEST, LONGEST, COUNT = "AREA", "MIN_SIZE", "MAX_SIZE", "COUNT"
    SCORE, STABILITY, OVERLAP, NESTED, POINTS = "PRED_IOU", "STABILITY", "NMS", "NESTED", "POINTS_PER_SIDE"

    def name(self) -> str:
        """Return the name by which models and scripts know it."""
        return "find_objects"

    def icon(self) -> QIcon:
        """Return the icon in the toolbox."""
        return icon("everything")

    def displayName(self) -> str:
        """Return the name in the toolbox."""
        return tr("Find all objects")

    def shortHelpString(self) -> str:
        """Return the help beside the parameters."""
        return tr(
            "Finds and outlines the objects of an image, with no prompts, of any class.\n\n"
            "Area: polygons in any CRS; only objects in them are found. Without it the whole image is "
            "searched, which takes a while: half a minute a million pixels on one processor core.\n\n"
            "Shortest and longest length: of the objects looked for, in metres (pixels where the image has "
            "no CRS); 0 is 24 and 400 pixels. They decide how long it takes: half the shortest length takes "
            "four times as long.\n\n"
            "Least score: outlines that the model expects to be worse are left out; lower it to find more, "
            "raise it to find fewer and surer ones.\n\n"
            "The result has a polygon for each object, in the CRS of the image, with its expected IoU "
            "(score), area and perimeter on the ground, and where it comes from."
        )

    def add_parameters(self) -> None:
        """Add the area, the sizes and what counts as an object."""
        polygons = [QgsProcessing.TypeVectorPolygon]
        self.addParameter(QgsProcessingParameterFeatureSource(self.AREA, tr("Area"), polygons, optional=True))
        self.addParameter(self.number(self.SHORTEST, tr("Shortest length (m)"), 0.0, 0.0))
        self.addParameter(self.number(self.LONGEST, tr("Longest length (m)"), 0.0, 0.0))
        self.addParameter(self._share(self.SCORE, tr("Least score"), 0.65, 0.999))
        self.add_advanced(self._share(self.STABILITY, tr("Least stability"), 0.7, 0.999))
        self.add_advanced(self._share(self.OVERLAP, tr("Overlap of outlines of one object (IoU)"), 0.5, 1.0))
        self.add_advanced(
            self._share(self.NESTED, tr("Share that nested outlines cover (1: keep)"), 0.7, 1.0)
        )
        whole = QgsProcessingParameterNumber.Integer
        title = tr("Points along the side of a crop (0: as the model likes)")
        self.add_advanced(QgsProcessingParameterNumber(self.POINTS, title, whole, 0, False, 0, 128))
        self.addOutput(QgsProcessingOutputNumber(self.COUNT, tr("Number of objects")))

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """Say what is wrong before anything runs; QGIS calls this."""
        shortest = self.parameterAsDouble(parameters, self.SHORTEST, context)
        longest = self.parameterAsDouble(parameters, self.LONGEST, context)
        if longest and shortest >= longest:
            text = tr("The shortest length {shortest} must be less than the longest, {longest}.")
            return False, text.format(shortest=shortest, longest=longest)
        return super().checkParameterValues(parameters, context)

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Find the objects; QGIS calls this in a thread of its own."""
        question = {"search": self._search(parameters, context), **self._area(parameters, context)}
        sink = self.sink_of(parameters, context)
        shape, count = self.shape(parameters, context), 0
        try:
            with BlockingEngine(self._choice, feedback.isCanceled) as engine:
                model = self.model_of(parameters, context)
                searcher = Searcher(engine, self._source, shape.body(), model)
                for done, total, segment in searcher.found(question):
                    if segment is not None:
                        count += 1
                        sink.add(self.feature(segment, shape))
                    feedback.setProgress(100 * done / max(1, total))
            sink.open()
        except EngineCancelled:
            sink.open()
            feedback.pushInfo(tr("Cancelled; what was outlined is in the result."))
        except (EngineError, SourceError) as error:
            raise QgsProcessingException(str(error)) from error
        finally:
            destination = sink.close()
        feedback.pushInfo(tr("{count} objects were found.").format(count=count))
        self.style(context, destination)
        return {self.OUTPUT: destination, self.COUNT: count}

    def _share(self, name: str, title: str, default: float, high: float) -> QgsProcessingParameterNumber:
        number = QgsProcessingParameterNumber.Double
        return QgsProcessingParameterNumber(name, title, number, default, False, 0.0, high)

    def _search(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Return what counts as an object, as the engine takes it."""
        names = {
            "pred_iou": self.SCORE,
            "stability": self.STABILITY,
            "nms": self.OVERLAP,
            "nested": self.NESTED,
        }
        search: dict[str, Any] = {
            key: self.parameterAsDouble(parameters, name, context) for key, name in names.items()
        }
        for key, name in {"min_size": self.SHORTEST, "max_size": self.LONGEST}.items():
            search[key] = self.parameterAsDouble(parameters, name, context) or None
        search["points_per_side"] = self.parameterAsInt(parameters, self.POINTS, context) or None
        return search

    def _area(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Return the area as the engine takes it.

        Raises:
            QgsProcessingException: its layer has no polygon.
        """
        layer = self.parameterAsSource(parameters, self.AREA, context)
        if layer is None:
            return {}
        parts = [one.geometry() for one in layer.getFeatures() if one.hasGeometry()]
        whole = QgsGeometry.unaryUnion(parts) if parts else QgsGeometry()
        if whole.isEmpty():
            raise QgsProcessingException(tr("The layer of the area has no polygon."))
        crs = layer.sourceCrs()
        own = crs == self._source.crs or not crs.isValid()
        if own and self._source.flipped:
            whole.transform(FLIP)
        return {"area": json.loads(whole.asJson(17)), "area_crs": None if own else wkt_of(crs)}
