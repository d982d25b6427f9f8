"""Opens a satellite video as the user has asked for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta

from qgis.core import QgsProject, QgsRasterLayer
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QObject

from ..background import run_in_background
from ..dock.video_dialog import FILE, GROUP, VideoWish
from ..i18n import tr
from ..sources.file_source import gdal_name
from ..sources.source import SourceError
from .decode import decode, read_reference
from .layers import (
    VIDEO,
    VideoLayers,
    add_video,
    common_stretch,
    durations,
    make_layers,
    make_temporal,
    new_id,
    renderer_with,
    set_project_time,
)
from .scan import EPOCH, VIDEO_SUFFIXES, FrameFile, VideoError, find_frames, time_in

EXPECTED = (VideoError, SourceError, OSError)


Done = Callable[[list[QgsRasterLayer]], None]
Failed = Callable[[str], None]


def open_video(wish: VideoWish, done: Done, failed: Failed, owner: QObject | None = None) -> None:
    """Find, or decode, the frames in the background; then add them to the project and hand them over.

    Args:
        wish: of the user.
        done: takes the frames' layers.
        failed: takes a message.
        owner: whose the two functions are.
    """
    if wish.kind == GROUP:
        _open_group(wish, done, failed, owner)
        return
    step = wish.step_s or 1.0

    def work(progress: Callable[[float], None], cancelled: Callable[[], bool]) -> VideoLayers:
        frames = _find(wish, step, progress, cancelled)
        stretch = common_stretch([frame.path for frame in frames], cancelled=cancelled)
        return make_layers(frames, stretch, step, cancelled, progress)

    def add(video: VideoLayers) -> None:
        if video.layers:
            title = os.path.splitext(os.path.basename(wish.path.rstrip("/\\")))[0]
            add_video(video, title, QgsProject.instance())
            done(video.layers)
        else:
            failed(tr("{path} holds no frame that QGIS can read.").format(path=wish.path))

    run_in_background(tr("ROS-SAM: open video"), work, add, failed, EXPECTED, owner, steered=True)


def _find(
    wish: VideoWish, step: float, progress: Callable[[float], None], cancelled: Callable[[], bool]
) -> list[FrameFile]:
    if wish.kind != FILE or os.path.splitext(wish.path)[1].lower() not in VIDEO_SUFFIXES:
        return find_frames(wish.path, wish.start, step)
    reference = read_reference(wish.reference) if wish.reference else None
    fps = 1.0 / wish.step_s if wish.step_s else None
    folder = f"{os.path.splitext(wish.path)[0]}_frames"
    return decode(wish.path, folder, reference, wish.start, fps, progress, cancelled)


def _open_group(wish: VideoWish, done: Done, failed: Failed, owner: QObject | None) -> None:
    """Make the raster layers of a group the frames of a video, in their order in the group."""
    layers = [QgsProject.instance().mapLayer(one) for one in wish.layers]
    layers = [layer for layer in layers if isinstance(layer, QgsRasterLayer) and layer.isValid()]
    empty = tr("The group {name} holds no raster layers.").format(name=wish.group)
    if not layers:
        failed(empty)
        return
    paths = [gdal_name(layer) for layer in layers]

    def work(progress: Callable[[float], None], cancelled: Callable[[], bool]) -> str:
        return common_stretch(paths, cancelled=cancelled)

    def take(stretch: str) -> None:
        left = [layer for layer in layers if not sip.isdeleted(layer)]
        if left:
            _make_video(left, stretch, wish)
            done(left)
        else:
            failed(empty)

    run_in_background(tr("ROS-SAM: open video"), work, take, failed, EXPECTED, owner, steered=True)


def _make_video(layers: list[QgsRasterLayer], stretch: str, wish: VideoWish) -> None:
    """Give layers the times and the colours of a video."""
    frames, renderer = frames_of_group(layers, wish), renderer_with(layers[0], stretch)
    video, stays = new_id(), durations(frames, wish.step_s or 1.0)
    for layer, frame, seconds in zip(layers, frames, stays):
        layer.setCustomProperty(VIDEO, video)
        make_temporal(layer, frame.name, frame.time, seconds)
        layer.setRenderer(renderer.clone())
    set_project_time(QgsProject.instance(), stays[0])


def frames_of_group(layers: list[QgsRasterLayer], wish: VideoWish) -> list[FrameFile]:
    """Return the times of layers: as their names tell if all do and rise, else one step after the other."""
    named = [time_in(layer.name()) for layer in layers]
    times = [time for time in named if time is not None]
    if wish.start is not None or len(times) < len(layers) or times != sorted(set(times)):
        begin, step = wish.start or EPOCH, wish.step_s or 1.0
        times = [begin + timedelta(seconds=step * index) for index in range(len(layers))]
    return [FrameFile("", layer.name(), time) for layer, time in zip(layers, times)]
