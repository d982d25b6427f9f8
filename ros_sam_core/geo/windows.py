"""What reading a window of any image has in common: its shape, its edges, its resampling."""

import hashlib
import json
import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling

from ros_sam_core.errors import InvalidParameter

Rgb = NDArray[np.uint8]
Valid = NDArray[np.bool_]


def digest_of(*parts: object) -> str:
    """Return a hexadecimal digest of bytes and of plain values."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else json.dumps(part, default=repr).encode())
    return digest.hexdigest()


def shape_of(width: int, height: int, out_shape: tuple[int, int] | None) -> tuple[int, int]:
    """Return the shape of what is read, once it is known to hold a pixel."""
    shape = (height, width) if out_shape is None else (int(out_shape[0]), int(out_shape[1]))
    if min(width, height, *shape) < 1:
        raise InvalidParameter(
            f"window of {width} x {height} pixels into shape {shape}: there is no pixel in it"
        )
    return shape


def resampling_for(window: tuple[int, int], shape: tuple[int, int]) -> Resampling:
    """Average where any side gets smaller, interpolate where both get larger."""
    if window == shape:
        return Resampling.nearest
    return Resampling.average if shape[0] < window[0] or shape[1] < window[1] else Resampling.cubic


def pieces_of(start: int, length: int, limit: int, count: int) -> Iterator[tuple[float, float, int, int]]:
    """Split one axis of a window into the cells inside the raster and those that its edges cut.

    Each piece is read by itself, so that a cut cell is the mean of its part inside and no cell is shifted.

    Args:
        start: first pixel of the window, may be negative.
        length: pixels of the window.
        limit: pixels of the raster.
        count: cells that the window is read into.

    Yields:
        First and last pixel edge within the raster, and the first cell and the cell after the last.
    """
    step = length / count
    low, high = -start / step, (limit - start) / step
    cuts = {math.floor(low), math.ceil(low), math.floor(high), math.ceil(high)}
    ordered = sorted(min(max(cut, 0), count) for cut in cuts)
    for first, last in pairwise(ordered):
        left, right = max(0.0, start + first * step), min(float(limit), start + last * step)
        if last > first and right - left > 1e-9 * step:
            yield left, right, first, last
