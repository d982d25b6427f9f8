"""A file raster: the engine reads its native pixels itself, or is sent them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from qgis.core import QgsRasterLayer

from ..background import run_in_background
from ..i18n import tr
from .grid import IDENTITY, from_answer
from .native import RasterFacts, facts_of, percentiles, read_window, version_of
from .source import Pixels, Source, Window, grown
from .style import Look, look_of

FRAME, TIME, OF = "ros_sam/frame", "ros_sam/time", "ros_sam/of"
"""Custom properties of a layer that is a frame of a video; the last is its file, without the folder."""
MARGIN_PX = 256
UNREADABLE = frozenset({"RasterNotFound", "RasterUnreadable", "SourceRefused"})
"""Refusals after which pixels are sent instead: QGIS's GDAL may know formats that the engine's does not."""


class FileSource(Source):
    """A raster that GDAL opens by name.

    Args:
        layer: its layer. Bands, stretch, CRS and frame are taken now; a later change makes another source.
        uploads: the engine runs on another machine.

    Raises:
        SourceUnreadable: GDAL cannot open it.
    """

    def __init__(self, layer: QgsRasterLayer, uploads: bool = False) -> None:
        self.layer_id, self.name, self.crs = layer.id(), layer.name(), layer.crs()
        self.path = gdal_name(layer)
        self.uploads = uploads
        self.look = look_of(layer)
        self.frame = frame_property(layer, FRAME)
        self.time = frame_property(layer, TIME) or None
        self.facts: RasterFacts = facts_of(self.path, self.crs)
        self.flipped = self.facts.grid.is_unplaced
        self._stretch = self.look.stretch

    @property
    def key(self) -> str:
        """Path, bands, stretch, CRS, frame, time and whether pixels are sent."""
        look, crs = self.look, self.crs.authid() or self.crs.toWkt()
        return f"{self.path}|{look.bands}|{look.stretch}|{crs}|{self.frame}|{self.time}|{self.uploads}"

    @property
    def provenance(self) -> str:
        """The file."""
        return self.path

    @property
    def pixel_size(self) -> float:
        """Side of a pixel, in units of the CRS."""
        return self.facts.grid.pixel_size

    @property
    def bands(self) -> tuple[int, ...]:
        """The bands that are sent."""
        return self.look.bands or ((1, 2, 3) if self.facts.bands >= 3 else (1,))

    @property
    def needs_stretch(self) -> bool:
        """Whether pixels that are sent have no stretch yet."""
        return self._stretch is None

    def set_stretch(self, stretch: str) -> None:
        """Take a measured stretch for pixels that are sent."""
        self._stretch = stretch

    def override(self, bands: tuple[int, ...] | None, stretch: str | None) -> None:
        """Look at other bands, or with another stretch, than the layer's style says."""
        styled = self.look
        # The style's stretch belongs to the style's bands.
        inherited = styled.stretch if bands in (None, styled.bands) else None
        self.look = Look(bands or styled.bands, stretch or inherited)
        self._stretch = self.look.stretch

    def registration(self) -> dict[str, Any]:
        """Return the body of `POST /v1/frames`."""
        body: dict[str, Any] = {"source": self.path, "time": self.time}
        if self.frame:
            body["frame"] = self.frame
        if not self.uploads:
            bands = list(self.look.bands) if self.look.bands else None
            return {**body, "bands": bands, "stretch": self.look.stretch}
        grid = self.facts.grid.body()
        if self.flipped:
            grid["transform"] = list(IDENTITY)
        version = f"{version_of(self.path)}|{self.bands}"
        return {**body, "stretch": self._stretch, "pixels": {"version": version, "grid": grid}}

    def replaces(self, other: Source) -> bool:
        """Whether the file is the same and its layer was given another CRS: that moves no pixel in it."""
        return isinstance(other, FileSource) and other.path == self.path and other.crs != self.crs

    def prepare(self, done: Callable[[], None], failed: Callable[[str], None]) -> None:
        """Measure the stretch of pixels that are sent, where the style has none; without blocking."""
        if not self.uploads or self._stretch is not None:
            done()
            return

        def take(stretch: str) -> None:
            self.set_stretch(stretch)
            done()

        path, bands = self.path, self.bands
        title = tr("ROS-SAM: measure contrast")
        run_in_background(title, lambda: percentiles(path, bands), take, failed)

    def accept(self, answer: dict[str, Any]) -> bool:
        """Compare the engine's grid with what QGIS shows; where they differ, pixels are sent with ours."""
        if self.uploads:
            return True
        grid = from_answer(answer)
        if self.flipped and grid.transform == IDENTITY and not grid.crs.isValid():
            return True
        if grid.crs == self.crs and _close(grid.transform, self.facts.grid.transform):
            return True
        self.uploads = True
        return False

    def refuse(self, error_type: str) -> bool:
        """Send pixels where the engine cannot open the file."""
        if self.uploads or error_type not in UNREADABLE:
            return False
        self.uploads = True
        return True

    def fetch(self, window: Window, done: Callable[[Pixels], None], failed: Callable[[str], None]) -> None:
        """Read a window with a margin in another thread."""
        path, bands = self.path, self.bands
        wider = grown(window, self.facts.grid, MARGIN_PX)
        title = tr("ROS-SAM: read pixels")
        run_in_background(title, lambda: read_window(path, bands, wider), done, failed)


def gdal_name(layer: QgsRasterLayer) -> str:
    """Return the name by which GDAL opens a layer of QGIS's gdal provider."""
    return str(layer.source()).split("|", 1)[0]


def frame_property(layer: QgsRasterLayer, name: str) -> str:
    """Return what a frame of a video is marked with; empty for other layers.

    Custom properties are part of a style: one that was pasted from a frame makes no frame of another file.
    """
    of = layer.customProperty(OF)
    if of and of != file_part(layer):
        return ""
    return str(layer.customProperty(name) or "")


def file_part(layer: QgsRasterLayer) -> str:
    """Return by which name GDAL opens a layer, without the folder, which changes when a project moves."""
    return re.sub(r"(?:[A-Za-z]:)?[^:]*[/\\]", "", gdal_name(layer))


def _close(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(abs(a - b) <= 1e-9 * max(1.0, abs(a), abs(b)) for a, b in zip(one, other))
