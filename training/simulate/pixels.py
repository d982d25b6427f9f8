"""Sampling of float pictures at exact sub-pixel places, by cubic splines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.simulate.motion import Matrix

Picture = NDArray[np.float32]
"""float32 [H, W, 3] in 0..1, or [H, W]."""


def spline(picture: Picture) -> Picture:
    """Return the cubic spline coefficients of a picture [H, W, C], for `warp`.

    A spline moves detail exactly as far as it is told to; torch's bicubic kernel is up to 0.04 px off.
    """
    channels = [
        ndimage.spline_filter(channel, 3, np.float32, "mirror") for channel in np.moveaxis(picture, -1, 0)
    ]
    return np.ascontiguousarray(np.stack(channels, axis=-1))


def warp(coefficients: Picture, to_picture: Matrix, shape: tuple[int, int]) -> Picture:
    """Sample a picture through an affine map; beyond its edge it is mirrored.

    Args:
        coefficients: Of the picture, see `spline`, float32 [H, W, C].
        to_picture: 2 x 3, from the result's continuous pixel coordinates to the picture's.
        shape: Rows and columns of the result.

    Returns:
        float32 [rows, columns, C].
    """
    if np.array_equal(to_picture[:, :2], np.eye(2)):
        return _shifted(coefficients, to_picture[1, 2], to_picture[0, 2], shape)
    linear = to_picture[::-1, 1::-1]
    offset = linear @ [0.5, 0.5] + to_picture[::-1, 2] - 0.5
    sampled = np.empty((*shape, coefficients.shape[2]), np.float32)
    for channel in range(coefficients.shape[2]):
        sampled[..., channel] = ndimage.affine_transform(
            coefficients[..., channel], linear, offset, shape, order=3, mode="mirror", prefilter=False
        )
    return sampled


def _shifted(coefficients: Picture, down: float, right: float, shape: tuple[int, int]) -> Picture:
    """Sample a picture moved by a fraction of a pixel: the same, in two short sums."""
    result = coefficients
    for axis, (by, count) in enumerate(((down, shape[0]), (right, shape[1]))):
        whole = int(np.floor(by))
        t = by - whole
        weights = np.array(
            [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], np.float32
        ) / np.float32(6)
        last = coefficients.shape[axis] - 1
        places = np.abs(np.arange(whole - 1, whole + count + 2))
        places = last - np.abs(last - places)
        padded = np.take(result, np.clip(places, 0, last), axis=axis)
        parts = (
            weight * padded[(slice(None),) * axis + (slice(n, n + count),)]
            for n, weight in enumerate(weights)
        )
        result = sum(parts, np.float32(0))
    return np.ascontiguousarray(result)


def blur(picture: Picture, sigma_px: float) -> Picture:
    """Blur by a Gaussian; the edge repeats."""
    if sigma_px <= 0.05:
        return picture
    sigmas = (sigma_px, sigma_px, 0) if picture.ndim == 3 else sigma_px
    return ndimage.gaussian_filter(picture, sigmas, truncate=3, mode="nearest")


def bleed(picture: Picture, core: NDArray[np.bool_]) -> Picture:
    """Fill what is not core with the colour of the nearest core pixel, softened away from it."""
    away, (rows, columns) = ndimage.distance_transform_edt(~core, return_indices=True)
    filled = picture[rows, columns]
    soft = ndimage.gaussian_filter(filled, (1.0, 1.0, 0), truncate=3, mode="nearest")
    share = np.clip(away - 1, 0, 1)[..., None].astype(np.float32)
    return filled + share * (soft - filled)
