"""The paper's training pipeline: large-scale jitter of frames, with every object in the crop as a prompt.

Resize by a factor, crop to the input size wherever it falls, turn and flip, distort the colours, pad;
boxes come from the cropped masks (ROS-SAM, arXiv 2503.12006, section 3; large-scale jitter: Ghiasi et al.
2021). All of the geometry is one affine map, so that image and masks are each resampled once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from training.crops import distort, sample_affine
from training.datasets import Sample
from training.jitter import FrameJitter
from training.prompts import inner_click, jitter_box, mask_box
from training.scenes import DatasetError, Scene, SceneObject


def frame_affine(
    scene: Scene, rng: np.random.Generator, jitter: FrameJitter, size: int
) -> tuple[NDArray[np.float64], float]:
    """Return the 2x3 matrix from crop shares (0..1) to frame pixels, and the crop's side in frame pixels."""
    height, width = scene.shape
    factor = rng.uniform(*jitter.scale)
    side = max(width, height) / factor if jitter.whole else size / factor
    if scene.objects and not jitter.whole and rng.random() < jitter.object_share:
        obj = scene.objects[rng.integers(len(scene.objects))]
        middle = np.array([obj.box[0] + obj.box[2], obj.box[1] + obj.box[3]]) / 2
        centre = middle + rng.uniform(-0.4, 0.4, 2) * side
    else:
        # The crop lies in the frame; where it is the larger one, the frame lies in it.
        room = np.array([width, height]) - side
        centre = side / 2 + room * rng.uniform(0, 1, 2)
    turned = rng.random() < jitter.any_angle
    angle = rng.uniform(0, 2 * math.pi) if turned else rng.integers(4) * math.pi / 2
    cos, sin = math.cos(angle), math.sin(angle)
    linear = side * np.array([[cos, -sin], [sin, cos]])
    if rng.random() < jitter.flip:
        linear[:, 0] *= -1
    return np.column_stack([linear, centre - linear @ [0.5, 0.5]]), side


def sees(obj: SceneObject, matrix: NDArray[np.float64]) -> bool:
    """Say whether the bounds of a crop touch an object's box."""
    corners = matrix[:, :2] @ np.array([[0, 1, 0, 1], [0, 0, 1, 1]]) + matrix[:, 2:]
    low, high = corners.min(1), corners.max(1)
    xmin, ymin, xmax, ymax = obj.box
    return bool(xmin < high[0] and xmax > low[0] and ymin < high[1] and ymax > low[1])


def sample_frame(
    scene: Scene, rng: np.random.Generator, jitter: FrameJitter, size: int
) -> tuple[Tensor, list[Tensor]]:
    """Draw a crop of a frame.

    Returns:
        The image, float32 [3, size, size] in 0..255, and the masks, float32 [size, size] in 0..1, of the
        objects that the crop holds; there may be none.
    """
    matrix, side = frame_affine(scene, rng, jitter, size)
    level = min(max(0, math.floor(math.log2(side / size) + 0.3)), len(scene.pyramid) - 1)
    pixels = scene.pyramid[level]
    image = sample_affine(pixels, matrix / 2**level, size)
    inside = sample_affine(np.ones((*pixels.shape[:2], 1), np.uint8), matrix / 2**level, size)
    image = distort(image, rng, jitter.photometric) * inside + jitter.pad * (1 - inside)
    masks = []
    for obj in scene.objects:
        if sees(obj, matrix):
            own = matrix - [[0, 0, obj.x0], [0, 0, obj.y0]]
            mask = sample_affine(obj.mask[..., None], own, size)[0]
            if int((mask > 0.5).sum()) >= jitter.least_px:
                masks.append(mask)
    if len(masks) > jitter.most_objects:
        masks = [masks[i] for i in sorted(rng.permutation(len(masks))[: jitter.most_objects])]
    return image, masks


class FrameDataset(Dataset[Sample]):
    """Crops of labelled frames in an endless order of epochs, all their objects prompted, by boxes or clicks.

    Samples have points [N, 0, 2], or [N, 1, 2] where some objects are prompted by clicks.

    Args:
        groups: Scenes, and the share of samples drawn from them.
        jitter: How frames vary.
        size: Side of the input.
        box_noise: Largest box noise, share of width and height.
        seed: The run's.
    """

    def __init__(
        self,
        groups: Sequence[tuple[Sequence[Scene], float]],
        jitter: FrameJitter,
        size: int,
        box_noise: float,
        seed: int,
    ) -> None:
        self.groups = [(scenes, share) for scenes, share in groups if scenes and share > 0]
        if not self.groups:
            raise DatasetError("no frames are left to train on; see data.procedural_share and data.classes")
        shares = np.array([share for _, share in self.groups])
        self.shares = shares / shares.sum()
        self.jitter, self.size, self.box_noise, self.seed = jitter, size, box_noise, seed

    def __len__(self) -> int:
        return 2**62

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng([self.seed, index])
        scenes = self.groups[int(rng.choice(len(self.groups), p=self.shares))][0]
        scene = scenes[_shuffled(index, len(scenes), self.seed)]
        image, masks = sample_frame(scene, rng, self.jitter, self.size)
        solid = [(m > 0.5).numpy() for m in masks]
        boxes = [jitter_box(mask_box(m), self.box_noise * rng.random(), rng) for m in solid]
        count = len(masks)
        prompts = torch.from_numpy(np.array(boxes).reshape(count, 4)).float()
        points, labels = self._clicks(solid, prompts, rng)
        targets = torch.stack(masks) if masks else torch.zeros(0, self.size, self.size)
        return Sample(
            image=image.round().clamp(0, 255).byte(),
            targets=(targets * 255).round().byte(),
            boxes=prompts,
            points=points,
            labels=labels,
            index=index,
            name=scene.name,
        )

    def _clicks(
        self, masks: Sequence[NDArray[np.bool_]], boxes: Tensor, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Give some objects a click in place of their box, which becomes NaN; returns points and labels."""
        if not self.jitter.click_share:
            return torch.zeros(len(masks), 0, 2), torch.zeros(len(masks), 0, dtype=torch.long)
        points, labels = torch.zeros(len(masks), 1, 2), torch.full((len(masks), 1), -1)
        for i, mask in enumerate(masks):
            if rng.random() < self.jitter.click_share:
                xmin, ymin, xmax, ymax = mask_box(mask)
                noise = self.jitter.click_noise * rng.uniform(-1, 1, 2) * [xmax - xmin, ymax - ymin]
                click = (inner_click(mask, rng) + noise).clip(0, self.size)
                points[i, 0], labels[i, 0], boxes[i] = torch.from_numpy(click), 1, torch.nan
        return points, labels


def _shuffled(index: int, count: int, seed: int) -> int:
    """Return the index-th number of endless shuffles of 0 .. count-1, one an epoch."""
    epoch, place = divmod(index, count)
    return int(np.random.default_rng([seed, epoch, 1]).permutation(count)[place])
