"""IoU and boundary IoU of masks, means of them with their uncertainty."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
BOUNDARY_SHARE = 0.02
"""Width of the boundary over the diagonal of the frame, or of the object's box."""


def mask_iou(a: Mask, b: Mask) -> float:
    """Return the IoU of two masks; 1 where both are empty."""
    either = int((a | b).sum())
    return int((a & b).sum()) / either if either else 1.0


def boundary_width(height: float, width: float) -> int:
    """Return the boundary's width in pixels, at least 1: 2 % of the diagonal of a frame or of a box."""
    return max(1, round(BOUNDARY_SHARE * math.hypot(height, width)))


def boundary_of(mask: Mask, width_px: int) -> Mask:
    """Return the mask's pixels that `width_px` erosions by 3 x 3 take away; all around is background."""
    depth = ndimage.distance_transform_cdt(np.pad(mask, 1), metric="chessboard")[1:-1, 1:-1]
    return mask & (depth <= width_px)


def boundary_iou(a: Mask, b: Mask, width_px: int) -> float:
    """Return the IoU of two masks' inner boundaries (Cheng et al., Boundary IoU, CVPR 2021)."""
    return mask_iou(boundary_of(a, width_px), boundary_of(b, width_px))


def interval(
    values: NDArray[np.float64], groups: NDArray[np.int64] | None = None, seed: int = 0, draws: int = 2000
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean.

    Args:
        values: One figure an object, [N].
        groups: The image of each. Images are drawn, with all of their objects, since what makes one object
            of an image easy or hard does so for the others. None draws the values one by one.
        seed: Of the draws.
        draws: Their number.
    """
    rng = np.random.default_rng(seed)
    names, members = np.unique(np.arange(len(values)) if groups is None else groups, return_inverse=True)
    sums = np.bincount(members, values)
    counts = np.bincount(members)
    drawn = rng.integers(len(names), size=(draws, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
