"""What segmenting by boxes and by points have in common."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsFeatureSource,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterField,
)

from ..engine.blocking import BlockingEngine, EngineCancelled
from ..engine.errors import EngineError
from ..engine.texts import text_of_error
from ..i18n import tr
from ..sources.grid import name_of, wkt_of
from ..sources.source import SourceError
from .asking import MOST_POINTS, Asker, Request
from .raster import RasterAlgorithm


class SegmentAlgorithm(RasterAlgorithm):
    """Outlines what each feature of a layer points at."""

    PROMPTS, CLASS = "PROMPTS", "CLASS_FIELD"

    def add_prompts(self) -> None:
        """Add the parameters of the prompts."""
        raise NotImplementedError

    def requests(
        self, parameters: dict[str, Any], context: QgsProcessingContext, source: QgsFeatureSource
    ) -> list[Request]:
        """Return the objects that features point at, in the coordinates of their layer."""
        raise NotImplementedError

    def add_parameters(self) -> None:
        """Add the prompts and their classes."""
        self.add_prompts()
        title = tr("Field with the class")
        self.addParameter(QgsProcessingParameterField(self.CLASS, title, None, self.PROMPTS, optional=True))

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
        sink = self.sink_of(parameters, context)
        shape = self.shape(parameters, context)
        crs = prompts.sourceCrs()
        other = crs.isValid() and crs != self._source.crs
        wkt, crs_name = (wkt_of(crs), name_of(crs)) if other else (None, "")
        model = self.model_of(parameters, context)
        done = found = 0
        for request in requests:
            if len(request.prompts.points) > MOST_POINTS:
                text = tr("{id}: it has {count} points; an object may have {most}.")
                count = len(request.prompts.points)
                feedback.pushWarning(text.format(id=request.id, count=count, most=MOST_POINTS))
        asked = [one for one in requests if len(one.prompts.points) <= MOST_POINTS]
        try:
            with BlockingEngine(self._choice, feedback.isCanceled) as engine:
                asker = Asker(engine, self._source, shape.body(), model)
                for request, answer in asker.answers(asked, wkt):
                    if "segment" in answer:
                        found += 1
                        sink.add(self.feature(answer["segment"], shape, request.class_name, crs_name))
                    else:
                        feedback.pushWarning(f"{request.id}: {text_of_error(answer['failure'])}")
                    done += 1
                    feedback.setProgress(100 * done / len(asked))
            sink.open()
        except EngineCancelled:
            sink.open()
            feedback.pushInfo(tr("Cancelled; what was outlined is in the result."))
        except (EngineError, SourceError) as error:
            raise QgsProcessingException(str(error)) from error
        finally:
            destination = sink.close()
        told = tr("{found} of {count} objects were outlined.")
        feedback.pushInfo(told.format(found=found, count=len(requests)))
        self.style(context, destination)
        return {self.OUTPUT: destination}
