"""Which bands of a raster layer are looked at, and how they are stretched: as the layer is styled."""

from __future__ import annotations

from dataclasses import dataclass

from qgis.core import (
    Qgis,
    QgsContrastEnhancement,
    QgsMultiBandColorRenderer,
    QgsPalettedRasterRenderer,
    QgsRasterLayer,
    QgsSingleBandGrayRenderer,
    QgsSingleBandPseudoColorRenderer,
)

BANDS, STRETCH = "ros_sam/bands", "ros_sam/stretch"
"""Custom properties of a layer that keep the user's own choice: "3,2,1" and a stretch of the engine."""
STRETCHES = (
    QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum,
    QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchAndClipToMinimumMaximum,
)


@dataclass(frozen=True)
class Look:
    """Bands, counted from 1, and the stretch to 8 bit; None leaves the choice to the engine."""

    bands: tuple[int, ...] | None = None
    stretch: str | None = None


def look_of(layer: QgsRasterLayer) -> Look:
    """Return the user's own choice for a layer, else what its style says."""
    styled = styled_look(layer)
    bands = str(layer.customProperty(BANDS) or "")
    stretch = str(layer.customProperty(STRETCH) or "")
    if bands:
        chosen = tuple(int(band) for band in bands.split(","))
        # The style's stretch belongs to the style's bands.
        return Look(chosen, stretch or (styled.stretch if chosen == styled.bands else None))
    return Look(styled.bands, stretch or styled.stretch)


def styled_look(layer: QgsRasterLayer) -> Look:
    """Return the bands that a layer shows and the numbers between which it shows them."""
    renderer = layer.renderer()
    if isinstance(renderer, QgsMultiBandColorRenderer):
        bands = (renderer.redBand(), renderer.greenBand(), renderer.blueBand())
        if min(bands) < 1:
            return Look()
        enhancements = (
            renderer.redContrastEnhancement(),
            renderer.greenContrastEnhancement(),
            renderer.blueContrastEnhancement(),
        )
        return Look(bands, _stretch(layer, bands, [_range(one) for one in enhancements]))
    if isinstance(renderer, QgsSingleBandGrayRenderer):
        band = renderer.grayBand()
        return Look((band,), _stretch(layer, (band,), [_range(renderer.contrastEnhancement())]))
    if isinstance(renderer, QgsPalettedRasterRenderer):
        return Look((renderer.band(),), None)
    if isinstance(renderer, QgsSingleBandPseudoColorRenderer):
        band = renderer.band()
        numbers = (renderer.classificationMin(), renderer.classificationMax())
        return Look((band,), _stretch(layer, (band,), [numbers]))
    return Look()


def _range(enhancement: QgsContrastEnhancement | None) -> tuple[float, float] | None:
    if enhancement is None or enhancement.contrastEnhancementAlgorithm() not in STRETCHES:
        return None
    return enhancement.minimumValue(), enhancement.maximumValue()


def _stretch(
    layer: QgsRasterLayer, bands: tuple[int, ...], ranges: list[tuple[float, float] | None]
) -> str | None:
    """Return the stretch as the engine reads it; None where the style has none that could be used."""
    known = [(low, high) for low, high in filter(None, ranges) if low < high]
    if len(known) == len(ranges):
        return ",".join(f"{low!r},{high!r}" for low, high in known)
    provider = layer.dataProvider()
    if all(provider.sourceDataType(band) == Qgis.DataType.Byte for band in bands):
        return "none"
    return None
