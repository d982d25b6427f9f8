"""The user's choice of bands and stretch, for a layer or for every frame of its video alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from qgis.core import QgsRasterLayer
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QObject

from ..background import run_in_background
from ..i18n import tr
from ..sources.file_source import gdal_name
from ..sources.source import SourceError
from ..sources.style import BANDS, STRETCH, styled_look
from .layers import common_stretch
from .scan import VideoError
from .stepping import frames_of


def choose_look(
    layer: QgsRasterLayer,
    bands: tuple[int, ...],
    stretch: str,
    done: Callable[[], None],
    failed: Callable[[str], None],
    owner: QObject | None = None,
) -> None:
    """Keep a choice with a layer and, if it is a frame, with its whole video.

    Percentiles are measured once for a video, so that an object looks alike in all of its frames.

    Args:
        layer: for which the choice was made.
        bands: one or three; empty for those of the style.
        stretch: as the engine reads it; empty for that of the style.
        done: called when it is kept.
        failed: takes a message where pixels cannot be read.
        owner: whose the two functions are.
    """
    frames = frames_of(layer)
    share = re.fullmatch(r"([\d.]+)-([\d.]+)", stretch)
    if len(frames) < 2 or share is None:
        _keep(frames or [layer], bands, stretch)
        done()
        return
    paths = [gdal_name(frame) for frame in frames]
    chosen = bands or styled_look(layer).bands or (1,)
    low, high = float(share[1]) / 100, float(share[2]) / 100

    def work(progress: Callable[[float], None], cancelled: Callable[[], bool]) -> str:
        return common_stretch(paths, chosen, low, high, cancelled)

    def keep(measured: str) -> None:
        _keep([frame for frame in frames if not sip.isdeleted(frame)], bands, measured)
        done()

    title, expected = tr("ROS-SAM: measure contrast"), (VideoError, SourceError, OSError)
    run_in_background(title, work, keep, failed, expected, owner, steered=True)


def _keep(layers: Sequence[QgsRasterLayer], bands: tuple[int, ...], stretch: str) -> None:
    for layer in layers:
        layer.setCustomProperty(BANDS, ",".join(map(str, bands)))
        layer.setCustomProperty(STRETCH, stretch)
