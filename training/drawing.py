"""Pictures that a person can check: outlines, boxes and clicks on images, and sheets of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

COLOURS = (
    (255, 214, 10),
    (48, 209, 88),
    (100, 210, 255),
    (255, 105, 180),
    (255, 149, 0),
    (191, 150, 255),
)
ON, BESIDE = (0, 255, 90), (255, 60, 60)
CAPTION_PX = 18


@dataclass(frozen=True)
class Marked:
    """What is drawn of one object, in the image's pixels.

    Attributes:
        mask: [H, W], object where it is not 0.
        box: xmin, ymin, xmax, ymax; None: none.
        points: Clicks, x and y.
        labels: 1 for a click on the object, 0 beside it.
        label: A few characters at its box.
    """

    mask: NDArray[np.bool_]
    box: tuple[float, ...] | None = None
    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    label: str = ""


def draw_marks(rgb: NDArray[np.uint8], marks: Sequence[Marked], zoom: int = 2) -> NDArray[np.uint8]:
    """Draw masks' outlines, boxes (thin) and clicks (dots) on an image; uint8 [H * zoom, W * zoom, 3]."""
    height, width = rgb.shape[:2]
    picture = Image.fromarray(rgb).resize((width * zoom, height * zoom), Image.Resampling.NEAREST)
    canvas = np.array(picture)
    for i, mark in enumerate(marks):
        large = np.repeat(np.repeat(mark.mask > 0, zoom, 0), zoom, 1)
        canvas[_rim(large)] = COLOURS[i % len(COLOURS)]
    picture = Image.fromarray(canvas)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(12)
    for i, mark in enumerate(marks):
        colour = COLOURS[i % len(COLOURS)]
        if mark.box is not None:
            pen.rectangle([v * zoom for v in mark.box], outline=(255, 255, 255))
            if mark.label:
                x, y = mark.box[0] * zoom, mark.box[1] * zoom - 15
                y = max(y, 0)
                pen.rectangle([x, y, x + font.getlength(mark.label) + 3, y + 14], fill=(0, 0, 0))
                pen.text((x + 2, y), mark.label, fill=colour, font=font)
        for (x, y), sign in zip(mark.points, mark.labels, strict=True):
            at = (x * zoom, y * zoom)
            pen.ellipse(
                [at[0] - 3, at[1] - 3, at[0] + 3, at[1] + 3], fill=ON if sign else BESIDE, outline=(0, 0, 0)
            )
    return np.array(picture)


def _rim(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of a mask that have a neighbour outside it."""
    inner = np.pad(mask, 1)
    core = inner[:-2, 1:-1] & inner[2:, 1:-1] & inner[1:-1, :-2] & inner[1:-1, 2:]
    return mask & ~core


def sheet(tiles: Sequence[NDArray[np.uint8]], captions: Sequence[str], columns: int = 4) -> Image.Image:
    """Put pictures of one size together, with a line of text under each."""
    height, width = tiles[0].shape[:2]
    columns = min(columns, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    gap = 6
    size = (columns * (width + gap) + gap, rows * (height + CAPTION_PX + gap) + gap)
    page = Image.new("RGB", size, (32, 32, 32))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for i, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        x = gap + i % columns * (width + gap)
        y = gap + i // columns * (height + CAPTION_PX + gap)
        page.paste(Image.fromarray(tile), (x, y))
        while caption and font.getlength(caption) > width:
            caption = caption[:-2].rstrip("…") + "…"
        pen.text((x, y + height + 3), caption, fill=(230, 230, 230), font=font)
    return page
