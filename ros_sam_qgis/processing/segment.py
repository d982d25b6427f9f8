"""What segmenting by boxes and by points have in common."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsFeature,
    QgsFeatureSink,
    QgsFeatureSource,
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterField,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsRasterLayer,
    QgsVectorLayer,
    QgsWkbTypes,
)

from ..engine import running
from ..engine.blocking import BlockingEngine, EngineCancelled
from ..engine.errors import EngineError
from ..i18n import tr
from ..session.at_hand import outline_of
from ..session.session import KeptObject
from ..session.shape import Shape, ShapeInvalid
from ..settings import store as settings
from ..sources.file_source import FileSource
from ..sources.source import SourceError
from ..store.fields import feature_of, object_fields
from ..store.look import style_objects
from .asking import Asker, Request


class Styler(QgsProcessingLayerPostProcessorInterface):
    """Gives a result the plugin's colours when it is loaded."""

    alive: Styler | None = None
    """The one instance: Python must hold it as long as QGIS may call it."""

    @classmethod
    def get(cls) -> Styler:
        """Return the instance."""
        if cls.alive is None:
            cls.alive = cls()
        return cls.alive

    def postProcessLayer(
        self, layer: Any, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        """Style a layer; QGIS calls this."""
        if isinstance(layer, QgsVectorLayer):
            style_objects(layer, settings.classes())


class SegmentAlgorithm(QgsProcessingAlgorithm):
    """Outlines what each feature of a layer points at."""

    INPUT, PROMPTS, CLASS, OUTPUT = "INPUT", "PROMPTS", "CLASS_FIELD", "OUTPUT"
    MODEL, BANDS, STRETCH = "MODEL", "BANDS", "STRETCH"
    SIMPLIFY, SMOOTH, EXPAND, SMALLEST, HOLES = "SIMPLIFY", "SMOOTH", "EXPAND", "MIN_AREA", "FILL_HOLES"

    def createInstance(self) -> SegmentAlgorithm:
        """Return a new one; QGIS calls this."""
        return type(self)()

    def group(self) -> str:
        """Return the heading in the toolbox."""
        return tr("Segmentation")

    def groupId(self) -> str:
        """Return the heading's id."""
        return "segmentation"

    def add_prompts(self) -> None:
        """Add the parameters of the prompts."""
        raise NotImplementedError

    def requests(
        self, parameters: dict[str, Any], context: QgsProcessingContext, source: QgsFeatureSource
    ) -> list[Request]:
        """Return the objects that features point at, in the coordinates of their layer."""
        raise NotImplementedError

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters; QGIS calls this."""
        self.addParameter(QgsProcessingParameterRasterLayer(self.INPUT, tr("Image")))
        self.add_prompts()
        self.addParameter(
            QgsProcessingParameterField(
                self.CLASS, tr("Field with the class"), None, self.PROMPTS, optional=True
            )
        )
        for parameter in (
            QgsProcessingParameterString(self.MODEL, tr("Model (name or file)"), "", optional=True),
            QgsProcessingParameterString(
                self.BANDS, tr("Bands, such as 3,2,1 (as styled if empty)"), "", optional=True
            ),
            QgsProcessingParameterString(
                self.STRETCH,
                tr("Stretch: none, 2-98, or min,max (as styled if empty)"),
                "",
                optional=True,
            ),
            self._number(self.SIMPLIFY, tr("Simplify (px)"), 0.05, 0.0),
            self._number(self.SMOOTH, tr("Smooth (px)"), 0.0, 0.0),
            self._number(self.EXPAND, tr("Expand, or shrink below zero (px)"), 0.0, -50.0),
            self._number(self.SMALLEST, tr("Smallest part (px²)"), 4.0, 0.0),
            QgsProcessingParameterBoolean(self.HOLES, tr("Fill holes"), False),
        ):
            flag = QgsProcessingParameterDefinition.FlagAdvanced
            parameter.setFlags(parameter.flags() | flag)
            self.addParameter(parameter)
        self.addParameter(
            QgsProcessingParameterFeatureSink(self.OUTPUT, tr("Outlines"), QgsProcessing.TypeVectorPolygon)
        )

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """Say what is wrong before anything runs; QGIS calls this."""
        layer = self.parameterAsRasterLayer(parameters, self.INPUT, context)
        if layer is not None and layer.providerType() != "gdal":
            text = tr("{layer} is no file raster; save what is on screen as an image first.")
            return False, text.format(layer=layer.name())
        bands = self.parameterAsString(parameters, self.BANDS, context)
        if bands and not all(part.strip().isdigit() for part in bands.split(",")):
            return False, tr("Bands {bands} are not numbers with commas between them.").format(bands=bands)
        return super().checkParameterValues(parameters, context)

    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        """Take from the layers what only the main thread may read; QGIS calls this there."""
        layer: QgsRasterLayer = self.parameterAsRasterLayer(parameters, self.INPUT, context)
        try:
            self._source = FileSource(layer)
        except SourceError as error:
            raise QgsProcessingException(str(error)) from error
        bands = self.parameterAsString(parameters, self.BANDS, context)
        stretch = self.parameterAsString(parameters, self.STRETCH, context).strip()
        chosen = tuple(int(part) for part in bands.split(",")) if bands else None
        self._source.override(chosen, stretch or None)
        try:
            self._choice = running.address or settings.choice()
        except EngineError as error:
            raise QgsProcessingException(str(error)) from error
        return True

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Outline every object; QGIS calls this in a thread of its own."""
        prompts = self.parameterAsSource(parameters, self.PROMPTS, context)
        if prompts is None:
            raise QgsProcessingException(self.invalidSourceError(parameters, self.PROMPTS))
        requests = self.requests(parameters, context, prompts)
        if not requests:
            raise QgsProcessingException(tr("The layer of prompts has no features."))
        fields = object_fields()
        sink, destination = self.parameterAsSink(
            parameters, self.OUTPUT, context, fields, QgsWkbTypes.MultiPolygon, self._source.crs
        )
        if sink is None:
            raise QgsProcessingException(self.invalidSinkError(parameters, self.OUTPUT))
        shape = self._shape(parameters, context)
        crs = prompts.sourceCrs()
        wkt = None if crs == self._source.crs or not crs.isValid() else crs.toWkt()
        model = self.parameterAsString(parameters, self.MODEL, context).strip() or settings.get("model")
        done = failed = 0
        try:
            with BlockingEngine(self._choice, feedback.isCanceled) as engine:
                asker = Asker(engine, self._source, shape.body(), model)
                for request, answer in asker.answers(requests, wkt):
                    if "segment" in answer:
                        feature = self._feature(answer["segment"], request, fields)
                        sink.addFeature(feature, QgsFeatureSink.Flag.FastInsert)
                    else:
                        failed += 1
                        feedback.pushWarning(str(answer["failure"]["message"]))
                    done += 1
                    feedback.setProgress(100 * done / len(requests))
        except EngineCancelled:
            feedback.pushInfo(tr("Cancelled; what was outlined is in the result."))
        except (EngineError, SourceError) as error:
            raise QgsProcessingException(str(error)) from error
        told = tr("{found} of {count} objects were outlined.")
        feedback.pushInfo(told.format(found=done - failed, count=len(requests)))
        if context.willLoadLayerOnCompletion(destination):
            context.layerToLoadOnCompletionDetails(destination).setPostProcessor(Styler.get())
        return {self.OUTPUT: destination}

    def _number(self, name: str, title: str, default: float, low: float) -> QgsProcessingParameterNumber:
        return QgsProcessingParameterNumber(
            name, title, QgsProcessingParameterNumber.Double, default, minValue=low
        )

    def _shape(self, parameters: dict[str, Any], context: QgsProcessingContext) -> Shape:
        def number(name: str) -> float:
            return float(self.parameterAsDouble(parameters, name, context))

        try:
            return Shape(
                simplify_px=number(self.SIMPLIFY),
                smooth_px=number(self.SMOOTH),
                fill_holes=self.parameterAsBool(parameters, self.HOLES, context),
                min_area_px=number(self.SMALLEST),
                expand_px=number(self.EXPAND),
            )
        except ShapeInvalid as error:
            raise QgsProcessingException(str(error)) from error

    def _feature(self, segment: dict[str, Any], request: Request, fields: Any) -> QgsFeature:
        outline = outline_of(segment, self._source)
        geometry = outline.geometry
        geometry.convertToMultiType()
        kept = KeptObject(geometry, self._source.crs, outline.attributes, request.class_name)
        return feature_of(kept, geometry, fields)
