"""Bicubic enlargement of a crop to the model's input."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

A = -0.75
"""The kernel's free parameter (Keys 1981), as PyTorch and OpenCV set it; the models are trained with it."""


def enlarge(rgb: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Enlarge a square crop by bicubic convolution; the edge's pixels are repeated beyond it.

    Args:
        rgb: `[s, s, 3]`.
        size: Side of the result; a crop of this size comes back unchanged.

    Returns:
        float32 `[3, size, size]`, 0..255.
    """
    side = len(rgb)
    values = rgb.astype(np.float32)
    if side == size:
        return values.transpose(2, 0, 1)
    # Two large products, one an axis: many small ones take several times as long.
    weights = _weights(side, size)
    rows = (weights @ values.reshape(side, -1)).reshape(size, side, 3)
    both = (weights @ rows.transpose(1, 0, 2).reshape(side, -1)).reshape(size, size, 3)
    return np.ascontiguousarray(both.transpose(2, 1, 0)).clip(0, 255)


@lru_cache(maxsize=64)
def _weights(side: int, size: int) -> NDArray[np.float32]:
    """Return how much each of `side` samples counts in each of `size` new ones: `[size, side]`."""
    # In single precision, as PyTorch does it: where a sample falls on a pixel, rounding decides the taps.
    half = np.float32(0.5)
    place = (np.arange(size, dtype=np.float32) + half) * np.float32(side / size) - half
    first = np.floor(place).astype(int)
    weights = np.zeros((size, side))
    for tap in range(-1, 3):
        distance = np.abs(place - first - tap)
        near = ((A + 2) * distance - (A + 3)) * distance**2 + 1
        far = ((A * distance - 5 * A) * distance + 8 * A) * distance - 4 * A
        column = (first + tap).clip(0, side - 1)
        np.add.at(weights, (np.arange(size), column), np.where(distance <= 1, near, far))
    return weights.astype(np.float32)
