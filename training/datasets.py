"""Samples by index: the same index gives the same sample, whatever process draws it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from training.config import TrainConfig
from training.crops import sample_crop
from training.prompts import centre_click, inner_click, jitter_box, mask_box
from training.scenes import DatasetError, Scene

PROMPTS = 2
"""Prompts a crop: a box, and a click."""
Sample = dict[str, Tensor]


@dataclass(frozen=True)
class _Pool:
    """Objects to draw from, with their probabilities."""

    entries: list[tuple[int, int]]
    weights: np.ndarray

    @classmethod
    def of(cls, scenes: list[Scene], class_weight: float) -> _Pool:
        entries = [(i, j) for i, scene in enumerate(scenes) for j in range(len(scene.objects))]
        if not entries:
            raise DatasetError("no scene has an object; nothing can be trained on")
        names = [scenes[i].objects[j].class_name for i, j in entries]
        counts = {name: names.count(name) for name in set(names)}
        weights = np.array([counts[name] ** -class_weight for name in names])
        return cls(entries, weights / weights.sum())


class CropDataset(Dataset[Sample]):
    """Random crops of labelled scenes with simulated first prompts.

    A sample holds `image` uint8 [3, S, S], `target` uint8 [S, S] (0..255), `boxes` [2, 4] (NaN: none),
    `points` [2, 1, 2] and `labels` [2, 1] (-1: none), in the crop's pixels.
    """

    def __init__(
        self, config: TrainConfig, labelled: list[Scene], procedural: list[Scene], length: int
    ) -> None:
        self.config = config
        self.sources: list[tuple[list[Scene], _Pool]] = []
        shares = []
        for scenes, share in (
            (labelled, 1 - config.data.procedural_share),
            (procedural, config.data.procedural_share),
        ):
            if scenes and share > 0:
                self.sources.append((scenes, _Pool.of(scenes, config.data.class_weight)))
                shares.append(share)
        self.shares = np.array(shares) / sum(shares)
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng([self.config.seed, index])
        size = self.config.model.input_px
        while True:
            scenes, pool = self.sources[rng.choice(len(self.sources), p=self.shares)]
            i, j = pool.entries[rng.choice(len(pool.entries), p=pool.weights)]
            image, target = sample_crop(scenes[i], scenes[i].objects[j], rng, self.config.jitter, size)
            mask = (target > 0.5).numpy()
            if mask.sum() >= 12:
                break
        boxes = torch.full((PROMPTS, 4), float("nan"))
        noise = self.config.box_noise * rng.choice([0.0, 0.25, 0.5, 1.0], p=[0.3, 0.2, 0.25, 0.25])
        boxes[0] = torch.from_numpy(jitter_box(mask_box(mask), noise, rng))
        points = torch.zeros(PROMPTS, 1, 2)
        labels = torch.full((PROMPTS, 1), -1)
        click = centre_click(mask) if rng.random() < 0.5 else inner_click(mask, rng)
        points[1, 0], labels[1, 0] = torch.from_numpy(click), 1
        if rng.random() < 0.15:  # a box and a click together
            points[0, 0], labels[0, 0] = torch.from_numpy(inner_click(mask, rng)), 1
        return {
            "image": image.round().byte(),
            "target": (target * 255).round().byte(),
            "boxes": boxes,
            "points": points,
            "labels": labels,
        }
