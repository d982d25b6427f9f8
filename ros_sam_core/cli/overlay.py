"""A picture of outlines on the image that they were drawn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from shapely.geometry.base import BaseGeometry

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]

COLOURS: tuple[Colour, ...] = (
    (255, 214, 10),
    (48, 209, 88),
    (100, 210, 255),
    (255, 105, 180),
    (255, 149, 0),
    (191, 150, 255),
)
SMOOTH = 2
"""Lines are drawn this much larger and averaged down, so that they are not staircases."""


def draw_overlay(
    rgb: NDArray[np.uint8], outlines: Sequence[BaseGeometry], boxes: Sequence[Box] = (), *, zoom: int = 2
) -> Image.Image:
    """Draw outlines and boxes on an image.

    Args:
        rgb: uint8 [H, W, 3].
        outlines: Polygons in the image's pixels, (0, 0) the outer corner of the top left one.
        boxes: Prompts, xmin, ymin, xmax, ymax in the same pixels; drawn thin.
        zoom: Pixels of the picture for one of the image.

    Returns:
        An RGB picture of W * zoom x H * zoom pixels.
    """
    scale = zoom * SMOOTH
    size = (rgb.shape[1] * scale, rgb.shape[0] * scale)
    picture = Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC).convert("RGBA")
    layer = Image.new("RGBA", size)
    pen = ImageDraw.Draw(layer)
    for box in boxes:
        pen.rectangle([side * scale for side in box], outline=(255, 255, 255, 150), width=SMOOTH)
    for number, outline in enumerate(outlines):
        colour = COLOURS[number % len(COLOURS)]
        for polygon in getattr(outline, "geoms", [outline]):
            rings = [
                [(x * scale, y * scale) for x, y in ring.coords]
                for ring in (polygon.exterior, *polygon.interiors)
            ]
            for ring, alpha in zip(rings, (70, *[0] * len(rings)), strict=False):
                pen.polygon(ring, fill=(*colour, alpha))
            for ring in rings:
                pen.line(ring, fill=(*colour, 255), width=round(1.5 * SMOOTH), joint="curve")
    shrunk = (size[0] // SMOOTH, size[1] // SMOOTH)
    return Image.alpha_composite(picture, layer).convert("RGB").resize(shrunk, Image.Resampling.BOX)
