"""What algorithms that outline objects on a raster have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qgis.core import (
    QgsFeature,
    QgsFeatureSink,
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsRasterLayer,
    QgsVectorLayer,
    QgsWkbTypes,
)

from ..background import read_where_it_lives
from ..engine import running
from ..engine.errors import EngineError
from ..i18n import tr
from ..session.at_hand import outline_of
from ..session.session import KeptObject
from ..session.shape import Shape, ShapeInvalid, options_text
from ..settings import store as settings
from ..sources.file_source import FileSource
from ..sources.source import SourceError
from ..store.fields import feature_of, object_fields
from ..store.look import style_objects


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


class LateSink:
    """A sink that is made when the first answer is there: a run that fails before leaves an older file alone.

    Args:
        make: returns QGIS's sink and where it leads, or raises.
    """

    def __init__(self, make: Callable[[], tuple[QgsFeatureSink, str]]) -> None:
        self._make = make
        self._sink: QgsFeatureSink | None = None
        self._destination = ""

    def open(self) -> QgsFeatureSink:
        """Return QGIS's sink.

        Raises:
            QgsProcessingException: there is none.
        """
        if self._sink is None:
            self._sink, self._destination = self._make()
        return self._sink

    def add(self, feature: QgsFeature) -> None:
        """Write a feature.

        Raises:
            QgsProcessingException: it cannot be written.
        """
        sink = self.open()
        if not sink.addFeature(feature, QgsFeatureSink.Flag.FastInsert):
            raise QgsProcessingException(tr("The output takes no more: {why}").format(why=sink.lastError()))

    def close(self) -> str:
        """Finish the file, and return where it is; empty where there is none."""
        self._sink = None
        return self._destination


class RasterAlgorithm(QgsProcessingAlgorithm):
    """Outlines objects on a file raster."""

    INPUT, OUTPUT = "INPUT", "OUTPUT"
    MODEL, BANDS, STRETCH = "MODEL", "BANDS", "STRETCH"
    SIMPLIFY, SMOOTH, EXPAND, SMALLEST, HOLES = "SIMPLIFY", "SMOOTH", "EXPAND", "MIN_AREA", "FILL_HOLES"

    def createInstance(self) -> RasterAlgorithm:
        """Return a new one; QGIS calls this."""
        return type(self)()

    def group(self) -> str:
        """Return the heading in the toolbox."""
        return tr("Segmentation")

    def groupId(self) -> str:
        """Return the heading's id."""
        return "segmentation"

    def add_parameters(self) -> None:
        """Add the parameters that belong to this algorithm alone, after the image."""
        raise NotImplementedError

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters; QGIS calls this."""
        self.addParameter(QgsProcessingParameterRasterLayer(self.INPUT, tr("Image")))
        self.add_parameters()
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
            self.number(self.SIMPLIFY, tr("Simplify (px)"), 0.05, 0.0),
            self.number(self.SMOOTH, tr("Smooth (px)"), 0.0, 0.0),
            self.number(self.EXPAND, tr("Expand, or shrink below zero (px)"), 0.0, -50.0),
            self.number(self.SMALLEST, tr("Smallest part (px²)"), 4.0, 0.0),
            QgsProcessingParameterBoolean(self.HOLES, tr("Fill holes"), False),
        ):
            self.add_advanced(parameter)
        self.addParameter(
            QgsProcessingParameterFeatureSink(self.OUTPUT, tr("Outlines"), QgsProcessing.TypeVectorPolygon)
        )

    def add_advanced(self, parameter: QgsProcessingParameterDefinition) -> None:
        """Add a parameter among the advanced ones."""
        parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
        self.addParameter(parameter)

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
        """Take from the layer all that is needed of it, so that the long part leaves it alone.

        QGIS calls this in the main thread, where layers live; in a model that runs in the background, in the
        model's thread, as it does for its own algorithms.
        """
        layer: QgsRasterLayer = self.parameterAsRasterLayer(parameters, self.INPUT, context)
        try:
            self._source = read_where_it_lives(layer, lambda: FileSource(layer))
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

    def sink_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> LateSink:
        """Return the sink of the outlines."""

        def make() -> tuple[QgsFeatureSink, str]:
            sink, destination = self.parameterAsSink(
                parameters, self.OUTPUT, context, object_fields(), QgsWkbTypes.MultiPolygon, self._source.crs
            )
            if sink is None:
                raise QgsProcessingException(self.invalidSinkError(parameters, self.OUTPUT))
            return sink, destination

        return LateSink(make)

    def model_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        """Return the model that was chosen, else that of the settings."""
        return self.parameterAsString(parameters, self.MODEL, context).strip() or settings.model()

    def feature(
        self, segment: dict[str, Any], shape: Shape, class_name: str = "", prompts_crs: str = ""
    ) -> QgsFeature:
        """Return a feature of a segment of the engine's answer, with all that it takes to correct it later.

        Args:
            segment: of the answer.
            shape: that was asked for.
            class_name: of the object.
            prompts_crs: by name, where that is not the image's.
        """
        outline = outline_of(segment, self._source)
        geometry = outline.geometry
        geometry.convertToMultiType()
        options = options_text(shape, prompts_crs)
        kept = KeptObject(geometry, self._source.crs, outline.attributes, class_name, options)
        return feature_of(kept, geometry, object_fields())

    def style(self, context: QgsProcessingContext, destination: str) -> None:
        """Have the result styled if it is loaded."""
        if context.willLoadLayerOnCompletion(destination):
            context.layerToLoadOnCompletionDetails(destination).setPostProcessor(Styler.get())

    def number(self, name: str, title: str, default: float, low: float) -> QgsProcessingParameterNumber:
        """Return a parameter that is a number."""
        return QgsProcessingParameterNumber(
            name, title, QgsProcessingParameterNumber.Double, default, minValue=low
        )

    def shape(self, parameters: dict[str, Any], context: QgsProcessingContext) -> Shape:
        """Return how outlines are drawn.

        Raises:
            QgsProcessingException: a number is out of its range.
        """

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
