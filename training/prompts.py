"""Simulated prompts: noisy boxes, first clicks and correcting clicks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]


def mask_box(mask: Mask) -> NDArray[np.float64]:
    """Return the box [4] of a mask that is not empty, continuous pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)


def jitter_box(box: NDArray[np.float64], noise: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Move each side of a box by a uniform share of up to `noise` of the box's width or height."""
    width, height = box[2] - box[0], box[3] - box[1]
    return box + rng.uniform(-noise, noise, 4) * np.array([width, height, width, height])


def centre_click(mask: Mask) -> NDArray[np.float64]:
    """Return the object's own pixel nearest to the centre of its box, as the pixel's centre [2]."""
    box = mask_box(mask)
    centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    y, x = np.nonzero(mask)
    pixels = np.column_stack([x, y]) + 0.5
    return pixels[((pixels - centre) ** 2).sum(1).argmin()]


def inner_click(mask: Mask, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a random point of the object, rather inside than at its edge [2]."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.nonzero(depth > min(2.0, depth.max() / 2))
    i = rng.integers(len(x))
    return np.array([x[i], y[i]]) + rng.uniform(0, 1, 2)


def deepest_pixel(mask: Mask) -> NDArray[np.float64] | None:
    """Return the centre of the pixel that lies deepest inside a mask [2]; None where it is empty."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    if not depth.any():
        return None
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return np.array([x + 0.5, y + 0.5])


def correcting_click(predicted: Mask, truth: Mask) -> tuple[NDArray[np.float64], int]:
    """Return the centre of the largest wrong region [2] and its label: 1 missed, 0 too much.

    The centre is the pixel deepest inside the region, as in the interactive segmentation literature
    (Sofiiuk et al. 2022). Where nothing is wrong, it is the deepest pixel of the truth, label 1.
    """
    best, label = truth, 1
    most = 0
    for wrong, sign in ((truth & ~predicted, 1), (predicted & ~truth, 0)):
        regions, count = ndimage.label(wrong)
        if count:
            sizes = np.bincount(regions.ravel())[1:]
            if sizes.max() > most:
                most, best, label = int(sizes.max()), regions == sizes.argmax() + 1, sign
    deepest = deepest_pixel(best)  # None: what is thin may vanish in a mask of few pixels
    return np.array([0.5, 0.5]) if deepest is None else deepest, label
