"""The user's choice of bands and stretch, for a layer or for every frame of its video alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from qgis.core import QgsRasterLayer

from ..background import run_in_background
from ..i18n import tr
from ..sources.file_source import gdal_name
from ..sources.native import percentiles
from ..sources.style import BANDS, STRETCH, styled_look
from .layers import SAMPLED, widest
from .stepping import frames_of


def choose_look(
    layer: QgsRasterLayer,
    bands: tuple[int, ...],
    stretch: str,
    done: Callable[[], None],
    failed: Callable[[str], None],
) -> None:
    """Keep a choice with a layer and, if it is a frame, with its whole video.

    Percentiles are measured once for a video, so that an object looks alike in all of its frames.

    Args:
        layer: for which the choice was made.
        bands: one or three; empty for those of the style.
        stretch: as the engine reads it; empty for that of the style.
        done: called when it is kept.
        failed: takes a message where pixels cannot be read.
    """
    frames = frames_of(layer)
    share = re.fullmatch(r"([\d.]+)-([\d.]+)", stretch)
    if len(frames) < 2 or share is None:
        _keep(frames or [layer], bands, stretch)
        done()
        return
    step = max(1, len(frames) // SAMPLED)
    paths = [gdal_name(frame) for frame in frames[::step][:SAMPLED]]
    chosen = bands or styled_look(layer).bands or (1,)
    low, high = float(share[1]) / 100, float(share[2]) / 100

    def work() -> str:
        return widest([percentiles(path, chosen, low, high) for path in paths])

    def keep(measured: str) -> None:
        _keep(frames, bands, measured)
        done()

    run_in_background(tr("ROS-SAM: measure contrast"), work, keep, failed)


def _keep(layers: Sequence[QgsRasterLayer], bands: tuple[int, ...], stretch: str) -> None:
    for layer in layers:
        layer.setCustomProperty(BANDS, ",".join(map(str, bands)))
        layer.setCustomProperty(STRETCH, stretch)
