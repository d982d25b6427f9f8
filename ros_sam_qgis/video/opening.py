"""Opens a satellite video as the user has asked for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta

from qgis.core import QgsProject, QgsRasterLayer

from ..background import run_in_background
from ..dock.video_dialog import FILE, GROUP, VideoWish
from ..i18n import tr
from ..sources.source import SourceError
from .decode import decode, read_reference
from .layers import VIDEO, add_video, durations, make_temporal, new_id, one_stretch, set_project_time
from .scan import EPOCH, VIDEO_SUFFIXES, FrameFile, VideoError, find_frames, time_in

EXPECTED = (VideoError, SourceError, OSError)


def open_video(
    wish: VideoWish, done: Callable[[list[QgsRasterLayer]], None], failed: Callable[[str], None]
) -> None:
    """Find, or decode, the frames in the background; then add them to the project and hand them over.

    Args:
        wish: of the user.
        done: takes the frames' layers.
        failed: takes a message.
    """
    if wish.kind == GROUP:
        _open_group(wish, done, failed)
        return
    step = wish.step_s or 1.0

    def work() -> list[FrameFile]:
        if wish.kind == FILE and os.path.splitext(wish.path)[1].lower() in VIDEO_SUFFIXES:
            reference = read_reference(wish.reference) if wish.reference else None
            fps = 1.0 / wish.step_s if wish.step_s else None
            return decode(wish.path, f"{os.path.splitext(wish.path)[0]}_frames", reference, wish.start, fps)
        return find_frames(wish.path, wish.start, step)

    def add(frames: list[FrameFile]) -> None:
        title = os.path.splitext(os.path.basename(wish.path.rstrip("/\\")))[0]
        try:
            layers = add_video(frames, title, QgsProject.instance(), step)
        except SourceError as error:
            failed(str(error))
            return
        if layers:
            done(layers)
        else:
            failed(tr("{path} holds no frame that QGIS can read.").format(path=wish.path))

    run_in_background(tr("ROS-SAM: open video"), work, add, failed, EXPECTED)


def _open_group(
    wish: VideoWish, done: Callable[[list[QgsRasterLayer]], None], failed: Callable[[str], None]
) -> None:
    """Make the raster layers of a group the frames of a video, in their order in the group."""
    group = QgsProject.instance().layerTreeRoot().findGroup(wish.group)
    layers = [node.layer() for node in group.findLayers()] if group is not None else []
    layers = [layer for layer in layers if isinstance(layer, QgsRasterLayer) and layer.isValid()]
    if not layers:
        failed(tr("The group {name} holds no raster layers.").format(name=wish.group))
        return
    try:
        frames = frames_of_group(layers, wish)
        renderer = one_stretch(layers)
    except EXPECTED as error:
        failed(str(error))
        return
    video, stays = new_id(), durations(frames, wish.step_s or 1.0)
    for layer, frame, seconds in zip(layers, frames, stays):
        layer.setCustomProperty(VIDEO, video)
        make_temporal(layer, frame.name, frame.time, seconds)
        layer.setRenderer(renderer.clone())
    set_project_time(QgsProject.instance(), stays[0])
    done(layers)


def frames_of_group(layers: list[QgsRasterLayer], wish: VideoWish) -> list[FrameFile]:
    """Return the times of layers: as their names tell if all do and rise, else one step after the other."""
    named = [time_in(layer.name()) for layer in layers]
    times = [time for time in named if time is not None]
    if wish.start is not None or len(times) < len(layers) or times != sorted(set(times)):
        begin, step = wish.start or EPOCH, wish.step_s or 1.0
        times = [begin + timedelta(seconds=step * index) for index in range(len(layers))]
    return [FrameFile("", layer.name(), time) for layer, time in zip(layers, times)]
