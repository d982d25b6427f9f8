"""A source: one image that the engine can be asked about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qgis.core import QgsCoordinateReferenceSystem

from .grid import PixelGrid

Window = tuple[int, int, int, int]
"""First column, first row, columns, rows."""


class SourceError(Exception):
    """Root of what this package raises; the message is for the user."""


class SourceUnreadable(SourceError, OSError):
    """The pixels of a layer cannot be read."""


class LayerUnsuitable(SourceError, ValueError):
    """The layer has no pixels that could be looked at."""


@dataclass(frozen=True)
class Pixels:
    """A window of an image as the engine takes it: raw, little-endian, without padding.

    Attributes:
        window: which part of the image.
        data: the bytes.
        bands: 1 or 3.
        dtype: of a value.
        layout: "pixels" or "bands".
        alpha: whether one more band follows, in which 0 means no data.
        nodata: value that means no data.
    """

    window: Window
    data: bytes
    bands: int
    dtype: str = "uint8"
    layout: str = "pixels"
    alpha: bool = False
    nodata: float | None = None

    def query(self) -> str:
        """Return the parameters of the call that sends them."""
        x0, y0, width, height = self.window
        alpha = "true" if self.alpha else "false"
        nodata = "" if self.nodata is None else f"&nodata={self.nodata!r}"
        place = f"x0={x0}&y0={y0}&width={width}&height={height}"
        return f"{place}&bands={self.bands}&dtype={self.dtype}&layout={self.layout}&alpha={alpha}{nodata}"


class Source:
    """One image. Subclasses say where its pixels come from.

    Attributes:
        layer_id: of the layer that shows it.
        name: for messages.
        crs: of the coordinates in which QGIS shows it; invalid without georeference.
        frame: of a video, by name; empty for any other image.
        flipped: the engine's y runs down where the layer's runs up (no georeference).
        uploads: the engine cannot read it, so its pixels are sent.
    """

    layer_id: str
    name: str
    crs: QgsCoordinateReferenceSystem
    frame: str = ""
    flipped: bool = False
    uploads: bool = False

    @property
    def key(self) -> str:
        """What makes two sources the same image with the same colours."""
        raise NotImplementedError

    @property
    def provenance(self) -> str:
        """What kept objects say of where they come from."""
        raise NotImplementedError

    @property
    def pixel_size(self) -> float:
        """Side of a pixel, in units of the CRS."""
        raise NotImplementedError

    @property
    def prompts_crs(self) -> str:
        """CRS of prompts, where it is not the layer's and must be remembered with them."""
        return ""

    def prepare(self, done: Callable[[], None], failed: Callable[[str], None]) -> None:
        """Do what must be done before the registration, without blocking; then call one of the two."""
        done()

    def registration(self) -> dict[str, Any]:
        """Return the body of `POST /v1/frames`.

        Raises:
            SourceError: the pixels cannot be described.
        """
        raise NotImplementedError

    def accept(self, answer: dict[str, Any]) -> bool:
        """Take the engine's answer to the registration; False asks for another, with pixels uploaded."""
        return True

    def refuse(self, error_type: str) -> bool:
        """Take the engine's refusal; True if a registration with pixels uploaded is worth a try."""
        return False

    def covering(self, bounds: tuple[float, float, float, float]) -> Source:
        """Return this source, or a wider picture of the same layer that shows all of a map rectangle."""
        return self

    def replaces(self, other: Source) -> bool:
        """Whether the coordinates of another source stand for the same places here, in another CRS."""
        return False

    def at_once(self) -> Pixels | None:
        """Return the pixels of the whole image if they are at hand, after `prepare`."""
        return None

    def fetch(self, window: Window, done: Callable[[Pixels], None], failed: Callable[[str], None]) -> None:
        """Read a window, and a margin as seems good, without blocking; then call one of the two."""
        raise NotImplementedError


def grown(window: Window, grid: PixelGrid, margin: int) -> Window:
    """Return a window with a margin, cut at the image's edge."""
    x0, y0, width, height = window
    left, top = max(0, x0 - margin), max(0, y0 - margin)
    right, bottom = min(grid.width, x0 + width + margin), min(grid.height, y0 + height + margin)
    return left, top, right - left, bottom - top
