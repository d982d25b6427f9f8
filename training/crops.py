"""One training sample: a jittered, rotated, degraded crop around an object, with its mask."""

from __future__ import annotations

import io
import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from training.jitter import CropJitter
from training.scenes import Scene, SceneObject


def _affine(
    obj: SceneObject, rng: np.random.Generator, jitter: CropJitter
) -> tuple[NDArray[np.float64], float]:
    """Return the 2x3 matrix from crop shares (0..1) to frame pixels, and the crop's side in pixels."""
    xmin, ymin, xmax, ymax = obj.box
    longer = max(xmax - xmin, ymax - ymin)
    if rng.random() < jitter.wide_share:
        ratio = math.exp(rng.uniform(math.log(jitter.wide[0]), math.log(jitter.wide[1])))
    else:
        ratio = rng.uniform(*jitter.near)
    side = max(longer * ratio, 16.0)
    room = abs(side - longer) / 2 * (0.9 if rng.random() < 0.5 else 0.15)
    centre = np.array([(xmin + xmax) / 2, (ymin + ymax) / 2]) + rng.uniform(-1, 1, 2) * max(room, 0.03 * side)
    angle = rng.uniform(0, 2 * math.pi) if rng.random() < jitter.any_angle else rng.integers(4) * math.pi / 2
    stretch = math.exp(rng.uniform(-1, 1) * math.log(jitter.stretch)) if rng.random() < 0.4 else 1.0
    cos, sin = math.cos(angle), math.sin(angle)
    linear = side * np.array([[cos, -sin], [sin, cos]]) @ np.diag([stretch**0.5, stretch**-0.5])
    if rng.random() < 0.5:
        linear[:, 0] *= -1
    return np.column_stack([linear, centre - linear @ [0.5, 0.5]]), side


def sample_affine(image: NDArray[np.uint8], matrix: NDArray[np.float64], size: int) -> Tensor:
    """Sample [H, W, C] bilinearly on a size x size grid; `matrix` maps crop shares to its pixels."""
    height, width = image.shape[:2]
    corners = matrix[:, :2] @ np.array([[0, 1, 0, 1], [0, 0, 1, 1]]) + matrix[:, 2:]
    x0, y0 = np.maximum(np.floor(corners.min(1)).astype(int) - 1, 0)
    x1, y1 = np.minimum(np.ceil(corners.max(1)).astype(int) + 1, [width, height])
    if x1 - x0 < 1 or y1 - y0 < 1:
        return torch.zeros(image.shape[2], size, size)
    part = torch.from_numpy(np.array(image[y0:y1, x0:x1])).permute(2, 0, 1).float()
    scale = 2 / np.array([[x1 - x0], [y1 - y0]])
    local = matrix.copy()
    local[:, 2] -= [x0, y0]
    # Shares run 0..1, grid_sample's own coordinates -1..1.
    theta = np.column_stack([local[:, :2] / 2, local @ [0.5, 0.5, 1.0]]) * scale
    theta[:, 2] -= 1
    grid = F.affine_grid(torch.from_numpy(theta).float()[None], [1, 1, size, size], align_corners=False)
    return F.grid_sample(part[None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]


def _blur(image: Tensor, sigma: float) -> Tensor:
    radius = max(1, math.ceil(2.5 * sigma))
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).reshape(1, 1, -1)
    padded = F.pad(image[:, None], (radius, radius, radius, radius), mode="replicate")
    return F.conv2d(F.conv2d(padded, taps[..., None, :]), taps[..., None])[:, 0]


def _compress(image: Tensor, quality: int) -> Tensor:
    buffer = io.BytesIO()
    array = image.clamp(0, 255).byte().permute(1, 2, 0).numpy()
    Image.fromarray(array).save(buffer, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1).float()


def distort(image: Tensor, rng: np.random.Generator, strength: float) -> Tensor:
    """Change brightness, contrast, colour, sharpness and noise of `[3, n, n]` in 0..255, as sensors do."""
    if strength <= 0:
        return image
    s = strength
    inside = (image.amax(0, keepdim=True) > 0).float()
    if rng.random() < 0.2:
        image = image.mean(0, keepdim=True).expand(3, -1, -1)
    if rng.random() < 0.8:
        # NumPy sums in one order; torch in one that depends on its threads, which differ in a worker.
        mean = float(image.numpy().mean(dtype=np.float64))
        contrast = math.exp(rng.uniform(-0.5, 0.4) * s)
        gain = torch.tensor(np.exp(rng.uniform(-0.15, 0.15, 3) * s), dtype=torch.float32).reshape(3, 1, 1)
        image = (image - mean) * contrast * gain + mean * gain + rng.uniform(-40, 40) * s
    if rng.random() < 0.3:
        gamma = math.exp(rng.uniform(-0.5, 0.5) * s)
        image = 255 * (image.clamp(0, 255) / 255) ** gamma
    if rng.random() < 0.35:
        image = _blur(image, rng.uniform(0.3, 1.2) * s)
    if rng.random() < 0.4:
        noise = rng.normal(0, rng.uniform(1, 12) * s, image.shape).astype(np.float32)
        image = image + torch.from_numpy(noise)
    if rng.random() < 0.15:
        image = _compress(image, int(rng.integers(30, 90)))
    return image.clamp(0, 255) * inside


def sample_crop(
    scene: Scene, obj: SceneObject, rng: np.random.Generator, jitter: CropJitter, size: int
) -> tuple[Tensor, Tensor]:
    """Draw a crop around an object.

    Returns:
        The image, float32 [3, size, size] in 0..255, and the mask, float32 [size, size] in 0..1.
    """
    matrix, side = _affine(obj, rng, jitter)
    mask_matrix = matrix.copy()
    mask_matrix[:, 2] -= [obj.x0, obj.y0]
    mask = sample_affine(obj.mask[..., None], mask_matrix, size)[0]

    longer = max(obj.box[2] - obj.box[0], obj.box[3] - obj.box[1])
    factor = 1.0
    if rng.random() < jitter.degrade_share and longer > jitter.least_px:
        factor = math.exp(rng.uniform(0, math.log(min(jitter.degrade, longer / jitter.least_px))))
    sensor = int(np.clip(round(side / factor), 12, size))
    level = min(max(0, math.floor(math.log2(side / sensor) + 0.3)), len(scene.pyramid) - 1)
    image = sample_affine(scene.pyramid[level], matrix / 2**level, sensor)
    image = distort(image, rng, jitter.photometric)
    if sensor < size:
        image = F.interpolate(image[None], (size, size), mode="bicubic", align_corners=False)[0].clamp(0, 255)
    return image, mask
