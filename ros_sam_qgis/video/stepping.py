"""From frame to frame: the dock's buttons and the Temporal Controller show the same one."""

from __future__ import annotations

from qgis.core import QgsDateTimeRange, QgsProject, QgsRasterLayer, QgsTemporalNavigationObject
from qgis.gui import QgsMapCanvas

from ..sources.file_source import FRAME, TIME, frame_property
from .layers import VIDEO

ANIMATED = QgsTemporalNavigationObject.NavigationMode.Animated


def frames_of(layer: QgsRasterLayer | None) -> list[QgsRasterLayer]:
    """Return the frames of the video that a layer belongs to, in order; an empty list if it is no frame."""
    video = frame_property(layer, VIDEO) if layer is not None else ""
    if not video:
        return []
    frames = [
        one
        for one in QgsProject.instance().mapLayers().values()
        if isinstance(one, QgsRasterLayer) and frame_property(one, VIDEO) == video
    ]
    return sorted(frames, key=lambda one: (range_of(one).begin().toMSecsSinceEpoch(), one.name()))


def label_of(layer: QgsRasterLayer) -> str:
    """Return what the dock says of a frame."""
    return f"{layer.customProperty(FRAME)}  {layer.customProperty(TIME)}"


def range_of(layer: QgsRasterLayer) -> QgsDateTimeRange:
    """Return when a frame shows."""
    return layer.temporalProperties().fixedTemporalRange()


def show_frame(layer: QgsRasterLayer, canvas: QgsMapCanvas) -> None:
    """Have the map show a frame and no other of its video, and a Temporal Controller that animates too."""
    when = range_of(layer)
    controller = canvas.temporalController()
    if isinstance(controller, QgsTemporalNavigationObject) and controller.navigationMode() == ANIMATED:
        number = controller.findBestFrameNumberForFrameStart(when.begin())
        if controller.dateTimeRangeForFrameNumber(number).begin() == when.begin():
            controller.setCurrentFrameNumber(number)
    canvas.setTemporalRange(when)


def frame_at(frames: list[QgsRasterLayer], when: QgsDateTimeRange) -> QgsRasterLayer | None:
    """Return the frame that shows first in a range of time, None if none does."""
    if when.isInfinite():
        return None
    for layer in frames:
        if range_of(layer).overlaps(when):
            return layer
    return None


def duration_of(layer: QgsRasterLayer) -> float:
    """Return how long a frame stays, in seconds."""
    span = range_of(layer)
    return max(0.001, span.begin().msecsTo(span.end()) / 1000)
