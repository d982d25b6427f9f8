"""Samples by index: the same index gives the same sample, whatever process draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from training.crops import sample_crop
from training.prompts import centre_click, inner_click, jitter_box, mask_box
from training.scenes import DatasetError, Scene

if TYPE_CHECKING:
    from training.config import TrainConfig

PROMPTS = 2
"""Prompts a crop of `CropDataset`: a box, and a click."""

NOISY_SHARES = (0.125, 0.3125, 0.5625)
"""Of the boxes with noise, those with a quarter of the largest noise, with half of it and with all of it."""


@dataclass(frozen=True)
class Sample:
    """One image with its prompts and what each of them should give.

    Attributes:
        image: uint8 [3, S, S].
        targets: uint8 [N, S, S], 0..255, one a prompt; N may be 0.
        boxes: [N, 4] in the image's pixels; NaN: none.
        points: [N, 1, 2] in the image's pixels.
        labels: [N, 1]: 1 object, 0 background, -1 no point.
        index: The sample's number in the run.
        name: Where it is from, for messages.
    """

    image: Tensor
    targets: Tensor
    boxes: Tensor
    points: Tensor
    labels: Tensor
    index: int
    name: str


@dataclass(frozen=True)
class Batch:
    """Several samples: images stacked [B, …], everything of prompts one after the other [N, …].

    Attributes:
        counts: Prompts of each image.
        indices: Each image's `Sample.index`.
        names: Each image's `Sample.name`.
    """

    images: Tensor
    targets: Tensor
    boxes: Tensor
    points: Tensor
    labels: Tensor
    counts: tuple[int, ...]
    indices: tuple[int, ...]
    names: tuple[str, ...]

    def to(self, device: torch.device) -> Batch:
        """Return the same batch on a device."""
        tensors = (self.images, self.targets, self.boxes, self.points, self.labels)
        moved = (tensor.to(device, non_blocking=True) for tensor in tensors)
        return Batch(*moved, counts=self.counts, indices=self.indices, names=self.names)

    def pin_memory(self) -> Batch:
        """Return the same batch in page-locked memory, from which a GPU copies faster."""
        tensors = (self.images, self.targets, self.boxes, self.points, self.labels)
        pinned = (tensor.pin_memory() for tensor in tensors)
        return Batch(*pinned, counts=self.counts, indices=self.indices, names=self.names)


def collate(samples: Sequence[Sample]) -> Batch:
    """Put samples together."""
    return Batch(
        images=torch.stack([s.image for s in samples]),
        targets=torch.cat([s.targets for s in samples]),
        boxes=torch.cat([s.boxes for s in samples]).float(),
        points=torch.cat([s.points for s in samples]).float(),
        labels=torch.cat([s.labels for s in samples]),
        counts=tuple(len(s.targets) for s in samples),
        indices=tuple(s.index for s in samples),
        names=tuple(s.name for s in samples),
    )


@dataclass(frozen=True)
class _Pool:
    """Objects to draw from, with their probabilities."""

    entries: list[tuple[int, int]]
    weights: np.ndarray

    @classmethod
    def of(cls, scenes: Sequence[Scene], class_weight: float) -> _Pool:
        entries = [(i, j) for i, scene in enumerate(scenes) for j in range(len(scene.objects))]
        if not entries:
            raise DatasetError("no scene has an object; nothing can be trained on")
        names = [scenes[i].objects[j].class_name for i, j in entries]
        counts = {name: names.count(name) for name in set(names)}
        weights = np.array([counts[name] ** -class_weight for name in names])
        return cls(entries, weights / weights.sum())


class CropDataset(Dataset[Sample]):
    """Random crops of labelled scenes, each around one object, with a simulated box and a simulated click."""

    def __init__(
        self, config: TrainConfig, groups: Sequence[tuple[Sequence[Scene], float]], length: int
    ) -> None:
        self.config = config
        self.sources: list[tuple[Sequence[Scene], _Pool]] = []
        shares = []
        for scenes, share in groups:
            if scenes and share > 0:
                self.sources.append((scenes, _Pool.of(scenes, config.data.class_weight)))
                shares.append(share)
        if not shares:
            raise DatasetError("no scenes are left to train on; see data.procedural_share and data.classes")
        self.shares = np.array(shares) / sum(shares)
        noisy = 1 - config.box_exact
        self.noise_shares = [config.box_exact, *(noisy * share for share in NOISY_SHARES)]
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng([self.config.seed, index])
        size = self.config.model.input_px
        while True:
            scenes, pool = self.sources[rng.choice(len(self.sources), p=self.shares)]
            i, j = pool.entries[rng.choice(len(pool.entries), p=pool.weights)]
            obj = scenes[i].objects[j]
            image, target = sample_crop(scenes[i], obj, rng, self.config.jitter, size)
            mask = (target > 0.5).numpy()
            if mask.sum() >= 12:
                break
        boxes = torch.full((PROMPTS, 4), float("nan"))
        noise = self.config.box_noise * rng.choice([0.0, 0.25, 0.5, 1.0], p=self.noise_shares)
        boxes[0] = torch.from_numpy(jitter_box(mask_box(mask), noise, rng))
        points = torch.zeros(PROMPTS, 1, 2)
        labels = torch.full((PROMPTS, 1), -1)
        click = centre_click(mask) if rng.random() < 0.5 else inner_click(mask, rng)
        points[1, 0], labels[1, 0] = torch.from_numpy(click), 1
        if rng.random() < 0.15:  # a box and a click together
            points[0, 0], labels[0, 0] = torch.from_numpy(inner_click(mask, rng)), 1
        return Sample(
            image=image.round().byte(),
            targets=(target * 255).round().byte()[None].expand(PROMPTS, -1, -1),
            boxes=boxes,
            points=points,
            labels=labels,
            index=index,
            name=f"{scenes[i].name}, {obj.class_name} {obj.id}",
        )
