"""The backend that computes with PyTorch: every model, on every device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ros_sam_core.model.backend import ArrayEmbedding, ArrayPrompts, Backend, Floats
from ros_sam_core.model.ros_sam import Embedding, PromptBatch, RosSam


class TorchBackend(Backend):
    """A `RosSam` behind arrays.

    Args:
        model: In evaluation mode, on its device.
    """

    name = "torch"

    def __init__(self, model: RosSam) -> None:
        self.model, self.config = model, model.config

    @property
    def arithmetic(self) -> str:
        """Device and precision of the encoder; see `Backend.arithmetic`."""
        weight = next(self.model.image_encoder.parameters())
        told = f"{weight.device.type} {weight.dtype}"
        return "" if told == "cpu torch.float32" else told

    @torch.inference_mode()
    def encode(self, images: Floats) -> ArrayEmbedding:
        """Encode images; see `Backend.encode`."""
        embedding = self.model.encode(self._tensor(images))
        return ArrayEmbedding(_half(embedding.final), tuple(_half(part) for part in embedding.early))

    @torch.inference_mode()
    def decode(
        self, embedding: ArrayEmbedding, prompts: ArrayPrompts, *, multimask: bool = False
    ) -> tuple[Floats, Floats]:
        """Decode prompts; see `Backend.decode`."""
        early = tuple(self._tensor(part).float() for part in embedding.early)
        decoded = self.model.decode(
            Embedding(self._tensor(embedding.final).float(), early), self._batch(prompts), multimask=multimask
        )
        logits, iou = decoded.best(self.config.head)
        return _array(logits[:, 0]), _array(iou.clamp(0, 1))

    @torch.inference_mode()
    def sketch(self, embedding: ArrayEmbedding, prompts: ArrayPrompts) -> tuple[Floats, Floats]:
        """Decode by SAM's head alone; see `Backend.sketch`."""
        final = Embedding(self._tensor(embedding.final).float(), ())
        output = self.model.sketch(final, self._batch(prompts))
        return _array(output.sam), _array(output.iou.clamp(0, 1))

    def interruptible(self, check: Callable[[], None]) -> Callable[[], None]:
        """Have `check` called before each block of the network, which is often enough."""

        def before(*_: Any) -> None:
            check()

        for module in self.model.modules():
            if any(True for _ in module.children()):
                module.register_forward_pre_hook(before)
        return lambda: None

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.model.pixel_mean.device)

    def _batch(self, prompts: ArrayPrompts) -> PromptBatch:
        given = (prompts.points, prompts.labels, prompts.boxes)
        points, labels, boxes = (None if part is None else self._tensor(part) for part in given)
        earlier = prompts.masks
        masks = None if earlier is None else self.model.mask_prompt(self._tensor(earlier)[:, None])
        return PromptBatch(points=points, labels=labels, boxes=boxes, masks=masks)


def _half(part: Tensor) -> NDArray[np.float16]:
    half: NDArray[np.float16] = part.to(torch.float16).contiguous().cpu().numpy()
    return half


def _array(part: Tensor) -> Floats:
    array: Floats = part.float().cpu().numpy()
    return array
