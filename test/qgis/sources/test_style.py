"""Bands and stretch are what the layer shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from layers import raster, style_deep
from qgis.core import QgsContrastEnhancement, QgsRasterLayer, QgsSingleBandGrayRenderer

from ros_sam_qgis.sources.style import BANDS, STRETCH, Look, look_of, styled_look


def test_bytes_are_not_stretched(scenes: Path) -> None:
    assert styled_look(raster(scenes, "utm")) == Look((1, 2, 3), "none")


def test_sixteen_bits_are_stretched_as_styled(scenes: Path) -> None:
    assert styled_look(raster(scenes, "deep")) == Look((3, 2, 1), "100.0,2140.0,100.0,2140.0,100.0,2140.0")


def test_one_band_is_one_band(scenes: Path) -> None:
    layer = raster(scenes, "deep")
    renderer = QgsSingleBandGrayRenderer(layer.dataProvider(), 4)
    enhancement = QgsContrastEnhancement(layer.dataProvider().dataType(4))
    algorithm = QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchAndClipToMinimumMaximum
    enhancement.setContrastEnhancementAlgorithm(algorithm)
    enhancement.setMinimumValue(0.5)
    enhancement.setMaximumValue(900.0)
    renderer.setContrastEnhancement(enhancement)
    layer.setRenderer(renderer)
    assert styled_look(layer) == Look((4,), "0.5,900.0")


def test_a_style_without_contrast_leaves_it_to_the_engine(scenes: Path) -> None:
    layer = QgsRasterLayer(str(scenes / "deep.tif"), "deep")
    renderer = QgsSingleBandGrayRenderer(layer.dataProvider(), 2)
    layer.setRenderer(renderer)
    assert styled_look(layer) == Look((2,), None)


@pytest.mark.parametrize(
    ("bands", "stretch", "expected"),
    [
        ("3,2,1", "", Look((3, 2, 1), "100.0,2140.0,100.0,2140.0,100.0,2140.0")),
        ("4,3,2", "", Look((4, 3, 2), None)),
        ("4,3,2", "0,500", Look((4, 3, 2), "0,500")),
        ("", "2-98", Look((3, 2, 1), "2-98")),
    ],
)
def test_the_users_choice_goes_before_the_style(
    scenes: Path, bands: str, stretch: str, expected: Look
) -> None:
    layer = QgsRasterLayer(str(scenes / "deep.tif"), "deep")
    style_deep(layer)
    layer.setCustomProperty(BANDS, bands)
    layer.setCustomProperty(STRETCH, stretch)
    assert look_of(layer) == expected
