"""Which kind of source a layer is."""

from __future__ import annotations

from qgis.core import QgsMapLayer, QgsMapSettings, QgsRasterLayer, QgsRectangle

from ..i18n import tr
from .file_source import FileSource, gdal_name
from .rendered import RenderedSource, address_of
from .source import LayerUnsuitable, Source, SourceUnreadable

AGREEMENT = 0.02
"""Share of its size by which a layer may be elsewhere than its file says: QGIS shows it warped."""


def source_of(layer: QgsMapLayer, settings: QgsMapSettings, uploads: bool = False) -> Source:
    """Return the image that the engine is asked about for a layer.

    A file whose pixels QGIS shows where they are is read natively. Everything else is drawn as on screen.

    Args:
        layer: a raster layer.
        settings: of the canvas.
        uploads: the engine cannot read this machine's files.

    Raises:
        LayerUnsuitable: it is no raster layer, or its data are gone.
    """
    if not isinstance(layer, QgsRasterLayer):
        raise LayerUnsuitable(tr("{layer} is no raster layer.").format(layer=layer.name()))
    if not layer.isValid():
        text = tr("{layer} cannot be read; its file may have moved.")
        raise LayerUnsuitable(text.format(layer=layer.name()))
    if layer.providerType() == "gdal":
        try:
            source = FileSource(layer, uploads)
        except SourceUnreadable:
            return RenderedSource(layer, settings)
        if not source.facts.gcps and _agree(layer.extent(), source.facts.grid.bounds()):
            return source
    return RenderedSource(layer, settings)


def provenance_of(layer: QgsMapLayer) -> str:
    """Return where the objects of a layer say that they come from; see `Source.provenance`."""
    return gdal_name(layer) if layer.providerType() == "gdal" else address_of(layer)


def _agree(shown: QgsRectangle, file: QgsRectangle) -> bool:
    tolerance = AGREEMENT * max(file.width(), file.height())
    pairs = (
        (shown.xMinimum(), file.xMinimum()),
        (shown.yMinimum(), file.yMinimum()),
        (shown.xMaximum(), file.xMaximum()),
        (shown.yMaximum(), file.yMaximum()),
    )
    return all(abs(a - b) <= tolerance for a, b in pairs)
