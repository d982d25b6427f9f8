"""Import a satellite video as frames."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from typing import Any

from osgeo import gdal
from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDateTime,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProject,
)
from qgis.PyQt.QtCore import QDateTime
from qgis.PyQt.QtGui import QIcon

from ..background import call_on_main_thread, on_main_thread, read_where_it_lives
from ..i18n import tr
from ..icons import icon
from ..sources.source import SourceError
from ..video.decode import TIFF_OPTIONS, Reference, decode, read_reference
from ..video.layers import VideoLayers, add_video, common_stretch, make_layers
from ..video.scan import VIDEO_SUFFIXES, Cancelled, FrameFile, VideoError, find_frames


class ImportVideo(QgsProcessingAlgorithm):
    """Writes the frames of a folder, a multi-page file or a video file as georeferenced GeoTIFFs."""

    FOLDER, FILE, REFERENCE = "FOLDER", "FILE", "REFERENCE"
    START, STEP, LOAD, OUTPUT, COUNT = "START", "STEP", "LOAD", "OUTPUT", "COUNT"

    def createInstance(self) -> ImportVideo:
        """Return a new one; QGIS calls this."""
        return ImportVideo()

    def name(self) -> str:
        """Return the name by which models and scripts know it."""
        return "import_video"

    def icon(self) -> QIcon:
        """Return the icon in the toolbox."""
        return icon("video")

    def displayName(self) -> str:
        """Return the name in the toolbox."""
        return tr("Import a satellite video as frames")

    def group(self) -> str:
        """Return the heading in the toolbox."""
        return tr("Video")

    def groupId(self) -> str:
        """Return the heading's id."""
        return "video"

    def shortHelpString(self) -> str:
        """Return the help beside the parameters."""
        return tr(
            "Writes the frames of a satellite video as GeoTIFFs that carry their time, and loads them as a "
            "group of temporal layers that the Temporal Controller plays, all with the same contrast.\n\n"
            "Give a folder of images, or a file: a raster of many pages, or a video (needs ffmpeg).\n\n"
            "Georeference: a raster of the same place and size; frames without one take its.\n\n"
            "Times come from the files' names (such as 20240501T100000) unless a first time is given; "
            "without either they begin in the year 2000."
        )

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters; QGIS calls this."""
        folder, file = QgsProcessingParameterFile.Folder, QgsProcessingParameterFile.File
        self.addParameter(
            QgsProcessingParameterFile(self.FOLDER, tr("Folder of images"), folder, optional=True)
        )
        self.addParameter(
            QgsProcessingParameterFile(
                self.FILE, tr("File: many pages, or a video"), file, optional=True, fileFilter="(*)"
            )
        )
        self.addParameter(
            QgsProcessingParameterRasterLayer(self.REFERENCE, tr("Georeference"), optional=True)
        )
        self.addParameter(
            QgsProcessingParameterDateTime(self.START, tr("First frame taken at (UTC)"), optional=True)
        )
        self.addParameter(
            QgsProcessingParameterNumber(
                self.STEP,
                tr("Seconds from frame to frame (0: as in the video, else 1)"),
                QgsProcessingParameterNumber.Double,
                0.0,
                minValue=0.0,
            )
        )
        self.addParameter(QgsProcessingParameterBoolean(self.LOAD, tr("Load as temporal layers"), True))
        self.addParameter(QgsProcessingParameterFolderDestination(self.OUTPUT, tr("Frames")))
        self.addOutput(QgsProcessingOutputNumber(self.COUNT, tr("Number of frames")))

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """Say what is wrong before anything runs; QGIS calls this."""
        folder = self.parameterAsString(parameters, self.FOLDER, context)
        file = self.parameterAsString(parameters, self.FILE, context)
        if bool(folder) == bool(file):
            return False, tr("Give a folder or a file, and not both.")
        if not os.path.exists(folder or file):
            return False, tr("{path} does not exist.").format(path=folder or file)
        return super().checkParameterValues(parameters, context)

    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        """Take from the layer all that is needed of it."""
        layer = self.parameterAsRasterLayer(parameters, self.REFERENCE, context)
        source = "" if layer is None else str(read_where_it_lives(layer, layer.source))
        self._reference = source.split("|", 1)[0] or None
        self._video: VideoLayers | None = None
        return True

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Write the frames; QGIS calls this in a thread of its own."""
        source = self.parameterAsString(parameters, self.FOLDER, context) or self.parameterAsString(
            parameters, self.FILE, context
        )
        target = self.parameterAsString(parameters, self.OUTPUT, context)
        start = _utc(self.parameterAsDateTime(parameters, self.START, context))
        step = self.parameterAsDouble(parameters, self.STEP, context) or None
        self._title = os.path.splitext(os.path.basename(source.rstrip("/\\")))[0]
        frames: list[FrameFile] = []
        try:
            reference = read_reference(self._reference) if self._reference else None
            os.makedirs(target, exist_ok=True)
            if os.path.splitext(source)[1].lower() in VIDEO_SUFFIXES and os.path.isfile(source):
                rate = 1.0 / step if step else None
                frames = decode(
                    source, target, reference, start, rate, feedback.setProgress, feedback.isCanceled
                )
            else:
                frames = find_frames(source, start, step or 1.0)
                frames = self._copy(frames, target, reference, feedback)
            if self.parameterAsBool(parameters, self.LOAD, context):
                paths = [frame.path for frame in frames]
                stretch = common_stretch(paths, cancelled=feedback.isCanceled)
                self._video = make_layers(frames, stretch, cancelled=feedback.isCanceled)
        except Cancelled:
            feedback.pushInfo(tr("Cancelled."))
            frames = []
        except (VideoError, SourceError, OSError) as error:
            raise QgsProcessingException(str(error)) from error
        return {self.OUTPUT: target, self.COUNT: len(frames)}

    def postProcessAlgorithm(
        self, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Load the frames into the project, on the main thread.

        QGIS calls this there; but in a model that runs in the background, in the model's thread, which must
        not touch the project: the frames are loaded soon after, into the project that is open in QGIS alone.
        Of frames for another project the feedback tells where they are.
        """
        video, title, project = self._video, self._title, context.project()
        if video is None or not video.layers:
            return {}
        if project is not None and on_main_thread():
            add_video(video, title, project)
        elif project is not None and project == QgsProject.instance():
            call_on_main_thread(lambda: add_video(video, title, QgsProject.instance()))
        else:
            if project is not None:
                folder = os.path.dirname(video.layers[0].source())
                text = tr("The frames are in {folder}. A model in the background cannot load them here.")
                feedback.pushWarning(text.format(folder=folder))
            call_on_main_thread(video.layers.clear)  # they live on that thread, and must end there
        return {}

    def _copy(
        self,
        frames: list[FrameFile],
        folder: str,
        reference: Reference | None,
        feedback: QgsProcessingFeedback,
    ) -> list[FrameFile]:
        """Write frames as GeoTIFFs with their times, georeferenced where they are not."""
        written = []
        for index, frame in enumerate(frames):
            if feedback.isCanceled():
                raise Cancelled(tr("Cancelled."))
            path = os.path.join(folder, f"{frame.name}.tif")
            if os.path.exists(path) and os.path.samefile(path, frame.path):
                raise VideoError(tr("The frames cannot be written over themselves; choose another folder."))
            source = gdal.Open(frame.path)
            copy = None
            if source is not None:
                copy = gdal.GetDriverByName("GTiff").CreateCopy(path, source, options=TIFF_OPTIONS)
            if copy is None:
                raise VideoError(f"{frame.path}: {gdal.GetLastErrorMsg()}")
            copy.SetMetadataItem("TIFFTAG_DATETIME", frame.time.strftime("%Y:%m:%d %H:%M:%S"))
            if source.GetGeoTransform(can_return_null=True) is None and reference is not None:
                reference.require((source.RasterXSize, source.RasterYSize))
                copy.SetGeoTransform(reference.geotransform)
                copy.SetProjection(reference.wkt)
            copy.FlushCache()
            written.append(FrameFile(path, frame.name, frame.time))
            feedback.setProgress(100 * (index + 1) / len(frames))
        return written


def _utc(time: QDateTime) -> datetime | None:
    """Return a time as it was typed, taken as UTC."""
    if not time.isValid():
        return None
    naive = datetime(time.date().year(), time.date().month(), time.date().day(), tzinfo=timezone.utc)
    return naive + timedelta(milliseconds=time.time().msecsSinceStartOfDay())
