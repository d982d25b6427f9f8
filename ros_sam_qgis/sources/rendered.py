"""A layer that only QGIS can draw (WMS, XYZ, warped rasters): what is on screen, with its grid."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from typing import Any

from qgis.core import (
    QgsMapLayer,
    QgsMapLayerStyle,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsRectangle,
)
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QSize, Qt
from qgis.PyQt.QtGui import QColor, QImage

from ..i18n import tr
from .grid import PixelGrid, name_of
from .source import Pixels, Source, Window

MARGIN = 0.15
"""Share of the view that is drawn beyond each of its edges."""
LARGEST_PX = 4096
PATIENCE_S = 2.0
"""How long a picture that could not be drawn is not tried again: the mouse that moves asks all the time."""


class RenderedSource(Source):
    """A picture of a layer at the scale on screen, in the CRS of the canvas.

    It is drawn when it is first needed, in the background, and then stays as it is: prompts keep the picture
    that they were made on.

    Args:
        layer: what is drawn.
        settings: of the canvas.
        covering: map rectangle that must be in it, whatever the canvas shows.
        pixel: map units a pixel; those of the canvas by default.
    """

    uploads = True

    def __init__(
        self,
        layer: QgsMapLayer,
        settings: QgsMapSettings,
        covering: QgsRectangle | None = None,
        pixel: float | None = None,
    ) -> None:
        self.layer_id, self.name = layer.id(), layer.name()
        self.crs = settings.destinationCrs()
        self._address = address_of(layer)
        self.grid = _grid(settings, covering, pixel)
        self._layer, self._settings = layer, QgsMapSettings(settings)
        self._look = _look(layer, settings)
        self._image: QImage | None = None
        self._version = ""
        self._job: QgsMapRendererParallelJob | None = None
        self._waiting: list[tuple[Callable[[], None], Callable[[str], None]]] = []
        self._why_not, self._tried = "", 0.0

    @property
    def key(self) -> str:
        """The layer, how it looks, and the place."""
        grid = self.grid
        place = f"{grid.transform}|{grid.width}x{grid.height}|{self.crs.authid()}"
        return f"{self.layer_id}|{self._look}|{place}"

    @property
    def provenance(self) -> str:
        """Where the layer comes from, without passwords."""
        return self._address

    @property
    def pixel_size(self) -> float:
        """Side of a pixel, in units of the CRS."""
        return self.grid.pixel_size

    @property
    def prompts_crs(self) -> str:
        """The CRS of the canvas when the picture was taken."""
        return name_of(self.crs)

    def covering(self, bounds: tuple[float, float, float, float]) -> Source:
        """Return this picture, or one at the same scale that shows a map rectangle as well."""
        rectangle = QgsRectangle(*bounds)
        if self.grid.bounds().contains(rectangle):
            return self
        rectangle.combineExtentWith(self.grid.bounds())
        return RenderedSource(self._layer, self._settings, rectangle, self.grid.pixel_size)

    def renewed(self, settings: QgsMapSettings) -> RenderedSource:
        """Return a picture of the same layer as it is on screen now."""
        return RenderedSource(self._layer, settings)

    def prepare(self, done: Callable[[], None], failed: Callable[[str], None]) -> None:
        """Draw the picture without blocking, unless it is there."""
        if self._image is not None:
            done()
            return
        if sip.isdeleted(self._layer):
            failed(tr("{layer} has left the project before it was drawn.").format(layer=self.name))
            return
        if self._why_not and time.monotonic() - self._tried < PATIENCE_S:
            failed(self._why_not)
            return
        self._waiting.append((done, failed))
        if self._job is not None:
            return
        self._look = _look(self._layer, self._settings)
        settings = QgsMapSettings()
        settings.setLayers([self._layer])
        settings.setDestinationCrs(self.crs)
        settings.setExtent(self.grid.bounds())
        settings.setOutputSize(QSize(self.grid.width, self.grid.height))
        settings.setBackgroundColor(QColor(Qt.GlobalColor.transparent))
        settings.setTransformContext(QgsProject.instance().transformContext())
        settings.setIsTemporal(self._settings.isTemporal())
        settings.setTemporalRange(self._settings.temporalRange())
        self._job = QgsMapRendererParallelJob(settings)
        self._job.finished.connect(self._on_drawn)
        self._job.start()

    def registration(self) -> dict[str, Any]:
        """Return the body of `POST /v1/frames`."""
        return {
            "source": self._address,
            "stretch": "none",
            "pixels": {"version": self._version, "grid": self.grid.body()},
        }

    def fetch(self, window: Window, done: Callable[[Pixels], None], failed: Callable[[str], None]) -> None:
        """Hand over the whole picture."""
        pixels = self.at_once()
        if pixels is None:
            failed(tr("{layer} has not been drawn.").format(layer=self.name))
        else:
            done(pixels)

    def at_once(self) -> Pixels | None:
        """Return the whole picture."""
        if self._image is None:
            return None
        return Pixels((0, 0, self.grid.width, self.grid.height), _bytes(self._image), 3, alpha=True)

    def _on_drawn(self) -> None:
        job, self._job = self._job, None
        if job is None:
            return
        image = job.renderedImage().convertToFormat(QImage.Format.Format_RGBA8888)
        self._why_not, self._tried = self._fault(job, image), time.monotonic()
        if not self._why_not:
            self._image = image
            self._version = hashlib.blake2b(_bytes(image), digest_size=12).hexdigest()
        waiting, self._waiting = self._waiting, []
        for done, failed in waiting:
            if self._why_not:
                failed(self._why_not)
            else:
                done()

    def _fault(self, job: QgsMapRendererParallelJob, image: QImage) -> str:
        """Say why a picture is not to be kept; empty if nothing is wrong with it.

        QGIS's WMS provider tells its log alone of a server that does not answer; the picture is empty then.
        """
        for error in job.errors():
            return tr("QGIS cannot draw {layer}: {why}").format(layer=self.name, why=error.message)
        empty = QImage(image.size(), image.format())
        empty.fill(Qt.GlobalColor.transparent)
        if image == empty:
            text = tr(
                "QGIS draws nothing of {layer} here: it does not reach here, or its server does not answer."
            )
            return text.format(layer=self.name)
        return ""


def _bytes(image: QImage) -> bytes:
    """Return the pixels of an image of 4 bytes a pixel; its lines have no padding."""
    bits = image.constBits()
    bits.setsize(image.sizeInBytes())
    return bytes(bits)


def _grid(settings: QgsMapSettings, covering: QgsRectangle | None, pixel: float | None) -> PixelGrid:
    """Return a north-up grid over the view, on multiples of its pixel: the same view gives the same grid."""
    pixel = pixel or settings.mapUnitsPerPixel()
    area = QgsRectangle(settings.visibleExtent())
    area.grow(MARGIN * max(area.width(), area.height()))
    if covering is not None:
        area.combineExtentWith(covering)
    pixel = max(pixel, area.width() / LARGEST_PX, area.height() / LARGEST_PX)
    left, top = math.floor(area.xMinimum() / pixel), math.ceil(area.yMaximum() / pixel)
    width = math.ceil(area.xMaximum() / pixel) - left
    height = top - math.floor(area.yMinimum() / pixel)
    transform = (pixel, 0.0, left * pixel, 0.0, -pixel, top * pixel)
    return PixelGrid(width, height, transform, settings.destinationCrs())


def _look(layer: QgsMapLayer, settings: QgsMapSettings) -> str:
    """Return a text that changes when the layer would be drawn otherwise: its style, its source, the time."""
    style = QgsMapLayerStyle()
    style.readFromLayer(layer)
    parts = [style.xmlData(), layer.source()]
    if settings.isTemporal() and layer.temporalProperties().isActive():
        when = settings.temporalRange()
        parts += [str(end.toMSecsSinceEpoch()) for end in (when.begin(), when.end()) if end.isValid()]
    return hashlib.blake2b("|".join(parts).encode(), digest_size=12).hexdigest()


def address_of(layer: QgsMapLayer) -> str:
    """Return where a layer comes from, for provenance, without passwords."""
    return str(layer.publicSource()) or layer.name()
