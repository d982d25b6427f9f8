"""Pictures of a simulated video that a person can check: frames in a row, and the truth drawn over them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from PIL import Image, ImageDraw

from training.simulate.video import SimulatedFrame

_MOVING, _STANDING = (255, 60, 60), (0, 230, 255)


def draw_truth(frame: SimulatedFrame, zoom: int = 2) -> Image.Image:
    """Draw what is seen of every object over an enlarged frame: moving ones red, standing ones blue."""
    height, width = frame.grid.shape
    image = Image.fromarray(frame.rgb).resize((width * zoom, height * zoom), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(image)
    for obj in frame.objects:
        colour = _MOVING if obj.speed_mps > 0 else _STANDING
        for part in shapely.get_parts(obj.visible):
            for ring in (part.exterior, *part.interiors):
                draw.line([(x * zoom, y * zoom) for x, y, *_ in ring.coords], fill=colour)
        x, y, *_ = obj.box
        draw.text((x * zoom, y * zoom - 11), f"{obj.track} {obj.speed_mps:.0f} m/s", fill=colour)
    return image


def contact_sheet(frames: Sequence[SimulatedFrame], columns: int = 3) -> Image.Image:
    """Put frames side by side, each above itself with its truth."""
    pairs = [(Image.fromarray(f.rgb), draw_truth(f, 1)) for f in frames]
    width, height = pairs[0][0].size
    rows = -(-len(pairs) // columns)
    sheet = Image.new("RGB", (width * min(columns, len(pairs)), 2 * height * rows))
    for number, (plain, truth) in enumerate(pairs):
        x, y = number % columns * width, number // columns * 2 * height
        sheet.paste(plain, (x, y))
        sheet.paste(truth, (x, y + height))
    return sheet


def spread(count: int, wanted: int) -> list[int]:
    """Return up to `wanted` frame numbers spread over a video."""
    return sorted({int(n) for n in np.linspace(0, count - 1, min(count, wanted)).round()})
