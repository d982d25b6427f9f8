"""What a model is to the code that predicts with it: arrays in, arrays out, by whichever library computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ros_sam_core.model.config import ModelConfig

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ArrayEmbedding:
    """Embeddings of B images as they are kept: in half precision, on the CPU.

    Attributes:
        final: float16 `[B, D, h, w]`.
        early: Early features, finest first, float16 `[B, …]`.
    """

    final: NDArray[np.float16]
    early: tuple[NDArray[np.float16], ...]

    @classmethod
    def stack(cls, parts: list[ArrayEmbedding]) -> ArrayEmbedding:
        """Put the images of several embeddings one after the other."""
        if len(parts) == 1:
            return parts[0]
        early = zip(*(part.early for part in parts), strict=True)
        return cls(
            np.concatenate([part.final for part in parts]), tuple(np.concatenate(level) for level in early)
        )

    def split(self) -> list[ArrayEmbedding]:
        """Return the embedding of each image by itself, in memory of its own."""
        return [
            ArrayEmbedding(self.final[i : i + 1].copy(), tuple(e[i : i + 1].copy() for e in self.early))
            for i in range(len(self.final))
        ]


@dataclass(frozen=True)
class ArrayPrompts:
    """Prompts of N objects, all of the same kinds and with equally many points, in model coordinates.

    Attributes:
        points: float32 `[N, P, 2]` x, y.
        labels: int64 `[N, P]`: 1 object, 0 background.
        boxes: float32 `[N, 4]`.
        masks: float32 `[N, m, m]`, the logits that `Backend.decode` gave for fewer of the same points.
    """

    points: Floats | None = None
    labels: NDArray[np.int64] | None = None
    boxes: Floats | None = None
    masks: Floats | None = None

    def begin(self, count: int) -> ArrayPrompts:
        """Return the same prompts with their first `count` points alone."""
        if self.points is None or self.labels is None or not count:
            return replace(self, points=None, labels=None)
        return replace(self, points=self.points[:, :count], labels=self.labels[:, :count])


class Backend(ABC):
    """A model that is open, and the library that computes it.

    Attributes:
        name: Of the library, as it is said where results come from: "torch" or "onnx".
        config: The model's configuration.
    """

    name: str
    config: ModelConfig

    @property
    def arithmetic(self) -> str:
        """What sets embeddings of the same weights apart; empty for PyTorch in float32 on the CPU."""
        return self.name

    @abstractmethod
    def encode(self, images: Floats) -> ArrayEmbedding:
        """Encode images, float32 `[B, 3, S, S]`, RGB 0..255, S = `config.input_px`."""

    @abstractmethod
    def decode(
        self, embedding: ArrayEmbedding, prompts: ArrayPrompts, *, multimask: bool = False
    ) -> tuple[Floats, Floats]:
        """Decode N prompts, each on the embedding of the same place in the batch.

        Args:
            embedding: Of N images.
            prompts: N of them.
            multimask: Whether SAM's head answers with the best of three masks in place of its single one.

        Returns:
            Logits `[N, m, m]` of the head that the configuration names, and their predicted IoU `[N]`, 0..1.
        """

    @abstractmethod
    def sketch(self, embedding: ArrayEmbedding, prompts: ArrayPrompts) -> tuple[Floats, Floats]:
        """Decode N prompts on one image by SAM's head alone: coarser masks, at a fraction of the work.

        Returns:
            Logits `[N, 4, s, s]` and their predicted IoU `[N, 4]`, 0..1.
        """

    @abstractmethod
    def interruptible(self, check: Callable[[], None]) -> Callable[[], None]:
        """Have `check` called as often as can be while the model computes; what it raises ends the work.

        Returns:
            To be called, from any thread, where `check` would raise now: work on which it cannot be called
            in between is then broken off, and `check` called.
        """
