"""Frames as layers that QGIS's Temporal Controller plays, all with the same colours."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from qgis.core import (
    QgsApplication,
    QgsContrastEnhancement,
    QgsCoordinateReferenceSystem,
    QgsDateTimeRange,
    QgsLayerTree,
    QgsLayerTreeGroup,
    QgsMultiBandColorRenderer,
    QgsProject,
    QgsRasterLayer,
    QgsRasterLayerTemporalProperties,
    QgsRasterRenderer,
    QgsSingleBandGrayRenderer,
    QgsTemporalUtils,
    QgsUnitTypes,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QDateTime, Qt

from ..i18n import tr
from ..sources.file_source import FRAME, OF, TIME, file_part
from ..sources.native import facts_of, percentiles
from ..sources.source import SourceUnreadable
from .scan import Cancelled, FrameFile

VIDEO = "ros_sam/video"
"""Custom property of every frame: the id of its video; in projects of before, its name."""
SAMPLED = 5
"""Frames on which the contrast of a whole video is measured."""


@dataclass(frozen=True)
class VideoLayers:
    """The frames of a video as layers that are in no project yet.

    Attributes:
        layers: in their order; none if no frame can be read.
        step_s: seconds from frame to frame.
    """

    layers: list[QgsRasterLayer]
    step_s: float


def new_id() -> str:
    """Return an id that no other video has: names of folders repeat."""
    return uuid.uuid4().hex


def durations(frames: Sequence[FrameFile], step_s: float = 1.0) -> list[float]:
    """Return how long each frame stays, in seconds: until the next; the last as the one before."""
    gaps = [(b.time - a.time).total_seconds() for a, b in zip(frames, frames[1:])]
    return [*gaps, gaps[-1] if gaps else step_s]


def frame_layer(frame: FrameFile, video: str, seconds: float) -> QgsRasterLayer:
    """Return the layer of a frame, temporal, without its colours yet.

    Args:
        frame: what to show.
        video: id of the video that it belongs to.
        seconds: how long it stays.
    """
    options = QgsRasterLayer.LayerOptions()
    options.skipCrsValidation = True  # what to do without a CRS is asked once for a video, by `add_video`
    layer = QgsRasterLayer(frame.path, frame.name, "gdal", options)
    layer.setCustomProperty(VIDEO, video)
    make_temporal(layer, frame.name, frame.time, seconds)
    return layer


def make_temporal(layer: QgsRasterLayer, name: str, time: datetime, seconds: float) -> None:
    """Give a layer the time of a frame."""
    layer.setCustomProperty(OF, file_part(layer))
    layer.setCustomProperty(FRAME, name)
    layer.setCustomProperty(TIME, FrameFile("", name, time).stamp)
    properties = layer.temporalProperties()
    properties.setMode(QgsRasterLayerTemporalProperties.ModeFixedTemporalRange)
    begin, end = to_qt(time), to_qt(time + timedelta(seconds=seconds))
    properties.setFixedTemporalRange(QgsDateTimeRange(begin, end, True, False))
    properties.setIsActive(True)


def common_stretch(
    paths: Sequence[str],
    bands: tuple[int, ...] = (),
    low: float = 0.02,
    high: float = 0.98,
    cancelled: Callable[[], bool] = lambda: False,
) -> str:
    """Return one stretch for all frames of a video, as the engine reads it, measured on several of them.

    That takes its time: call it in another thread. Frames that cannot be read are left out.

    Args:
        paths: by which GDAL opens the frames, at least one.
        bands: one or three; by default the first three, or the only one.
        low: share of the pixels that may be darker.
        high: share of the pixels that may not be brighter.
        cancelled: asked from frame to frame.

    Raises:
        SourceUnreadable: none of them can be read.
        Cancelled: as asked.
    """
    measured, wrong = [], SourceUnreadable()
    for path in paths[:: max(1, len(paths) // SAMPLED)][:SAMPLED]:
        if cancelled():
            raise Cancelled(tr("Cancelled."))
        try:
            bands = bands or _first_bands(path)
            measured.append(percentiles(path, bands, low, high))
        except SourceUnreadable as error:
            wrong = error
    if not measured:
        raise wrong
    return widest(measured)


def _first_bands(path: str) -> tuple[int, ...]:
    return (1, 2, 3) if facts_of(path, QgsCoordinateReferenceSystem()).bands >= 3 else (1,)


def renderer_with(layer: QgsRasterLayer, stretch: str) -> QgsRasterRenderer:
    """Return the colours of a whole video: those of one of its frames, with a stretch.

    Args:
        layer: the frame.
        stretch: of its first three bands, or of its only one; "none" is as it is styled.
    """
    if stretch == "none":
        return layer.renderer().clone()
    provider = layer.dataProvider()
    numbers = [float(number) for number in stretch.split(",")]
    lows, highs = numbers[::2], numbers[1::2]
    bands = tuple(range(1, len(lows) + 1))
    enhancements = []
    for band, low, high in zip(bands, lows, highs):
        enhancement = QgsContrastEnhancement(provider.dataType(band))
        algorithm = QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum
        enhancement.setContrastEnhancementAlgorithm(algorithm)
        enhancement.setMinimumValue(low)
        enhancement.setMaximumValue(high)
        enhancements.append(enhancement)
    if len(bands) == 1:
        gray = QgsSingleBandGrayRenderer(provider, 1)
        gray.setContrastEnhancement(enhancements[0])
        return gray
    colour = QgsMultiBandColorRenderer(provider, *bands)
    colour.setRedContrastEnhancement(enhancements[0])
    colour.setGreenContrastEnhancement(enhancements[1])
    colour.setBlueContrastEnhancement(enhancements[2])
    return colour


def widest(stretches: Sequence[str]) -> str:
    """Return the stretch that holds all of several, each as the engine reads them; "none" stays."""
    if "none" in stretches:
        return "none"
    rows = [[float(number) for number in one.split(",")] for one in stretches]
    columns = list(zip(*rows))
    return ",".join(repr(min(one) if i % 2 == 0 else max(one)) for i, one in enumerate(columns))


def make_layers(
    frames: Sequence[FrameFile],
    stretch: str,
    step_s: float = 1.0,
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[float], None] = lambda _: None,
) -> VideoLayers:
    """Open frames as temporal layers with the same colours, which live on the main thread from then on.

    Opening takes milliseconds a frame: call it in another thread. Frames that cannot be read are left out.

    Args:
        frames: in their order.
        stretch: `common_stretch` of the frames.
        step_s: seconds that a single frame stays.
        cancelled: asked from frame to frame.
        progress: told from frame to frame, 0 to 100.

    Raises:
        Cancelled: as asked.
    """
    video, stays, layers = new_id(), durations(frames, step_s), []
    for index, (frame, seconds) in enumerate(zip(frames, stays)):
        progress(100 * index / len(frames))
        if cancelled():
            raise Cancelled(tr("Cancelled."))
        layer = frame_layer(frame, video, seconds)
        if layer.isValid():
            layers.append(layer)
    if layers:
        renderer = renderer_with(layers[0], stretch)
        for layer in layers:
            layer.setRenderer(renderer.clone())
            layer.moveToThread(QgsApplication.instance().thread())
    return VideoLayers(layers, step_s if len(layers) < 2 else stays[0])


def add_video(video: VideoLayers, title: str, project: QgsProject) -> None:
    """Add the frames of a video to a project, as a group.

    Args:
        video: at least one frame.
        title: of the group.
        project: takes the layers.
    """
    unknown = [layer for layer in video.layers if not layer.crs().isValid()]
    if unknown:
        crs = QgsCoordinateReferenceSystem()
        crs.validate()  # as the user's settings have it for layers without a CRS
        for layer in unknown:
            layer.setCrs(crs)
    root = project.layerTreeRoot()
    project.addMapLayers(video.layers, False)
    group = QgsLayerTreeGroup(title)
    for layer in video.layers:
        group.addLayer(layer).setExpanded(False)
    group.setExpanded(False)
    root.insertChildNode(below_vectors(root), group)  # filled before, so that the panel takes it in once
    set_project_time(project, video.step_s)


def set_project_time(project: QgsProject, seconds: float) -> None:
    """Have the Temporal Controller find the whole video and the time from frame to frame in the project."""
    whole = float(seconds).is_integer()
    settings = project.timeSettings()
    settings.setTemporalRange(QgsTemporalUtils.calculateTemporalRangeForProject(project))
    settings.setTimeStepUnit(QgsUnitTypes.TemporalSeconds if whole else QgsUnitTypes.TemporalMilliseconds)
    settings.setTimeStep(seconds if whole else 1000 * seconds)


def below_vectors(root: QgsLayerTreeGroup) -> int:
    """Return the place in a layer tree under the vector layers at its top, so that frames hide none."""
    place = 0
    for node in root.children():
        if not (QgsLayerTree.isLayer(node) and isinstance(node.layer(), QgsVectorLayer)):
            break
        place += 1
    return place


def to_qt(time: datetime) -> QDateTime:
    """Return a time as Qt has it, in UTC."""
    utc = time.astimezone(timezone.utc)
    stamp = utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"
    return QDateTime.fromString(stamp, Qt.DateFormat.ISODateWithMs)
