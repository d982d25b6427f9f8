"""The contact sheet: best, median and worst answers, drawn over their images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.evaluation.measure import Column, Result
from training.evaluation.windows import NOTHING, Answer, truth_of, window_of
from training.scenes import Scene

TILE_PX = 200
PER_ROW = 8
_TRUTH, _ANSWER, _TEXT = (60, 230, 90), (255, 70, 70), (255, 255, 255)


def contact_sheet(column: Column, scenes: Sequence[Scene]) -> Image.Image:
    """Draw the best, the median and the worst answers of a column: the label green, the answer red."""
    ranked = sorted(column.results, key=lambda r: (-r.iou, r.scene, r.number))
    middle = max((len(ranked) - PER_ROW) // 2, 0)
    rows = {
        "best": ranked[:PER_ROW],
        "median": ranked[middle : middle + PER_ROW],
        "worst": ranked[-PER_ROW:],
    }
    bar = 18
    sheet = Image.new("RGB", (PER_ROW * TILE_PX, 3 * (TILE_PX + bar)), (20, 20, 20))
    draw = ImageDraw.Draw(sheet)
    for row, (title, results) in enumerate(rows.items()):
        y = row * (TILE_PX + bar)
        draw.text(
            (4, y + 3), f"{title} ({column.method}, {column.kind}): label green, answer red", fill=_TEXT
        )
        for number, result in enumerate(results):
            answer = column.answers.get((result.scene, result.number), NOTHING)
            sheet.paste(_tile(scenes[result.scene], result, answer), (number * TILE_PX, y + bar))
    return sheet


def _tile(scene: Scene, result: Result, answer: Answer) -> Image.Image:
    truth = truth_of(scene.objects[result.number], scene.shape)
    x0, y0, x1, y1 = window_of(answer, truth)
    side = math.ceil(1.25 * max(x1 - x0, y1 - y0)) + 4
    left, top = (x0 + x1 - side) // 2, (y0 + y1 - side) // 2
    rows, columns = np.arange(top, top + side), np.arange(left, left + side)
    height, width = scene.shape
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))[None]
    pixels = scene.rgb[np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))] * inside[..., None]
    zoom = TILE_PX / side
    image = Image.fromarray(pixels.astype(np.uint8)).resize((TILE_PX, TILE_PX), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for mask, colour in ((truth, _TRUTH), (answer, _ANSWER)):
        for (ax, ay), (bx, by) in edges(mask):
            ends = [((x - left) * zoom, (y - top) * zoom) for x, y in ((ax, ay), (bx, by))]
            draw.line(ends, fill=colour, width=1)
    draw.text((3, 2), f"{result.class_name} {result.longer_px:.0f} px", fill=_TEXT)
    draw.text((3, TILE_PX - 13), f"{result.iou:.2f} {scene.name[-22:]}", fill=_TEXT)
    return image


def edges(answer: Answer) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return the pixel edges between a mask and what is not, as pairs of frame coordinates."""
    mask: NDArray[np.bool_] = np.pad(answer.mask, 1)
    found = []
    for y, x in np.argwhere(mask[1:] != mask[:-1]).tolist():
        at = (x - 1 + answer.x0, y + answer.y0)
        found.append((at, (at[0] + 1, at[1])))
    for y, x in np.argwhere(mask[:, 1:] != mask[:, :-1]).tolist():
        at = (x + answer.x0, y - 1 + answer.y0)
        found.append((at, (at[0], at[1] + 1)))
    return found
