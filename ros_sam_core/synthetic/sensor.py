"""What stands between the ground and the file: haze, optics, sensor, compression."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage

from ros_sam_core.synthetic.coverage import FloatImage

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def expose(
    rgb: FloatImage, coarse: FloatImage, rng: np.random.Generator, degrade: float
) -> npt.NDArray[np.uint8]:
    """Turn a painted picture into what a sensor would deliver.

    Args:
        rgb: float32 [H, W, 3] in about 0..1; changed in place.
        coarse: smooth noise for clouds and haze, float32 [H, W].
        rng: source of randomness.
        degrade: 0 only rounds; 1 is the usual spread of haze, blur, colour, noise and compression.

    Returns:
        uint8 [H, W, 3].
    """
    if degrade > 0:
        if rng.random() < 0.08 * degrade:
            rgb = _false_colour(rgb, rng)
        rgb = _haze(rgb, coarse, rng, degrade)
        rgb = _optics(rgb, rng, degrade)
        rgb = _tone(rgb, rng, degrade)
        noise = np.float32(rng.uniform(0, 0.013) * degrade)
        for depth in (1, 3):  # grain that the channels share, and each one's own
            grain = rng.standard_normal((*rgb.shape[:2], depth), np.float32)
            rgb = np.asarray(rgb + noise * grain, np.float32)
        if rng.random() < 0.45 * degrade:
            rgb = _compress(rgb, rng.uniform(0.01, 0.06) * degrade)
    return (np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8)


def _haze(rgb: FloatImage, coarse: FloatImage, rng: np.random.Generator, degrade: float) -> FloatImage:
    if rng.random() > 0.3:
        return rgb
    share = np.clip(rng.uniform(0, 0.3) + rng.uniform(0, 0.1) * coarse, 0, 0.6)[..., None] * degrade
    veil = np.array([0.75, 0.78, 0.82], np.float32) * np.float32(rng.uniform(0.7, 1.1))
    hazy: FloatImage = rgb + share * (veil - rgb)
    return hazy


def _optics(rgb: FloatImage, rng: np.random.Generator, degrade: float) -> FloatImage:
    """Blur by the point spread; sometimes sample too coarsely and enlarge again."""
    sigma = rng.uniform(0.3, 1.0) * degrade
    if rng.random() < 0.15:
        sigma *= 1.8
    rgb = scipy.ndimage.gaussian_filter(rgb, (sigma, sigma, 0), truncate=3)
    rows, columns = rgb.shape[:2]
    if rng.random() < 0.15 * degrade and rows % 2 == 0 and columns % 2 == 0:
        small = rgb.reshape(rows // 2, 2, columns // 2, 2, 3).mean(axis=(1, 3))
        rgb = scipy.ndimage.zoom(small, (2, 2, 1), order=1, mode="nearest", grid_mode=True)
    if rng.random() < 0.25 * degrade:
        soft = scipy.ndimage.gaussian_filter(rgb, (1.2, 1.2, 0), truncate=3)
        rgb = rgb + np.float32(rng.uniform(0.2, 1.0)) * (rgb - soft)
    return rgb


def _false_colour(rgb: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Show near infrared as red, red as green, green as blue: vegetation turns red, pavement cyan."""
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    plants = np.clip((green - np.maximum(red, blue)) * 8, 0, 1)
    infrared = 0.75 * red + plants * np.float32(rng.uniform(0.3, 0.7)) * (0.4 + green)
    return np.stack([infrared, red, green], axis=-1).astype(np.float32)


def _tone(rgb: FloatImage, rng: np.random.Generator, degrade: float) -> FloatImage:
    """Change gamma, contrast, brightness, colour cast and saturation; sometimes to grey."""
    grey = (rgb @ _LUMA)[..., None]
    draw = rng.random()
    colourful = 0.0 if draw < 0.12 else 1 + degrade * rng.uniform(-0.6, 0.15)
    rgb = np.asarray(grey + colourful * (rgb - grey), np.float32)
    cast = 1 + degrade * rng.normal(0, 0.03 if colourful else 0, 3)
    exposure = float(np.exp(degrade * rng.normal(0, 0.18)))
    gamma = float(np.exp(degrade * rng.normal(0, 0.15)))
    toned: FloatImage = np.clip(rgb * (cast * exposure), 0, 1.2).astype(np.float32) ** np.float32(gamma)
    middle = np.float32(toned.mean())
    return (toned - middle) * np.float32(1 + degrade * rng.normal(0, 0.15)) + middle


def _compress(rgb: FloatImage, step: float) -> FloatImage:
    """Quantise the cosine coefficients of 8 x 8 blocks, as JPEG does."""
    rows, columns = rgb.shape[:2]
    padded = np.pad(rgb, ((0, -rows % 8), (0, -columns % 8), (0, 0)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // 8, 8, padded.shape[1] // 8, 8, 3)
    spectrum = scipy.fft.dctn(blocks, axes=(1, 3), norm="ortho")
    order = np.arange(8, dtype=np.float32)
    table = (step * (1 + 0.6 * (order[:, None] + order[None]))).astype(np.float32)[None, :, None, :, None]
    back = scipy.fft.idctn(np.round(spectrum / table) * table, axes=(1, 3), norm="ortho")
    result: FloatImage = back.reshape(padded.shape)[:rows, :columns].astype(np.float32)
    return result
