"""A model's answers to the prompts of a training batch, and those of a teacher to the same prompts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ros_sam_core.model.hq_decoder import DecoderOutput
from ros_sam_core.model.ros_sam import Decoded, Embedding, PromptBatch, RosSam


def decode_counted(
    model: RosSam, embedding: Embedding, prompts: PromptBatch, counts: Sequence[int]
) -> DecoderOutput:
    """Decode prompts of which each image has a number of its own, in the order of the images."""
    if len(set(counts)) == 1:
        return model.decode_all(embedding, prompts)
    outputs, start = [], 0
    for image, count in enumerate(counts):
        if count:
            one = Embedding(
                embedding.final[image : image + 1], tuple(e[image : image + 1] for e in embedding.early)
            )
            outputs.append(model.decode_all(one, _part(prompts, start, start + count)))
            start += count
    hq = None if outputs[0].hq is None else torch.cat([o.hq for o in outputs if o.hq is not None])
    return DecoderOutput(hq, torch.cat([o.sam for o in outputs]), torch.cat([o.iou for o in outputs]))


def result_mask(output: DecoderOutput, model: RosSam) -> Tensor:
    """Return the logits `[N, 1, m, m]` that the model's configuration calls its result."""
    single = output.sam[:, :1]
    if model.config.head == "sam" or output.hq is None:
        return single
    if model.config.head == "hq":
        return output.hq
    return output.hq + F.interpolate(single, output.hq.shape[-2:], mode="bilinear", align_corners=False)


def _part(prompts: PromptBatch, start: int, stop: int) -> PromptBatch:
    given = (prompts.points, prompts.labels, prompts.boxes, prompts.masks)
    points, labels, boxes, masks = (None if value is None else value[start:stop] for value in given)
    return PromptBatch(points=points, labels=labels, boxes=boxes, masks=masks)


class Teacher(nn.Module):
    """A trained model of any size that is asked what the student is asked (Hinton et al., arXiv 1503.02531).

    Args:
        model: The model; it does not learn.
        input_px: Side of the student's input, in whose pixels images and prompts come.
    """

    def __init__(self, model: RosSam, input_px: int) -> None:
        super().__init__()
        self.model = model.requires_grad_(False).eval()
        self.scale = model.config.input_px / input_px

    @torch.no_grad()
    def encode(self, images: Tensor) -> Embedding:
        """Encode images `[B, 3, S, S]` of the student's size, RGB 0..255."""
        if self.scale != 1:
            side = self.model.config.input_px
            images = F.interpolate(images.float(), (side, side), mode="bilinear", align_corners=False)
        return self.model.encode(images)

    @torch.no_grad()
    def answer(
        self, embedding: Embedding, prompts: PromptBatch, counts: Sequence[int], shape: Sequence[int]
    ) -> Tensor:
        """Return how sure the teacher is of every pixel, `[N, 1, H, W]` in 0..1.

        Args:
            embedding: Of `encode`.
            prompts: N prompts in the student's pixels; `masks` are logits of any resolution. A single click
                is ambiguous to SAM's head: of its three masks the one that it holds best is the answer.
            counts: Prompts of each image.
            shape: H and W.
        """
        masks = prompts.masks
        if masks is not None:
            side = 4 * self.model.config.embedding_px
            masks = F.interpolate(masks, (side, side), mode="bilinear", align_corners=False)
        scaled = PromptBatch(
            points=None if prompts.points is None else prompts.points * self.scale,
            labels=prompts.labels,
            boxes=None if prompts.boxes is None else prompts.boxes * self.scale,
            masks=masks,
        )
        logits = self._mask(decode_counted(self.model, embedding, scaled, counts), prompts).float()
        return F.interpolate(logits, tuple(shape), mode="bilinear", align_corners=False).sigmoid()

    def _mask(self, output: DecoderOutput, prompts: PromptBatch) -> Tensor:
        """Return the logits `[N, 1, m, m]` of the answer."""
        mask = result_mask(output, self.model)
        if self.model.config.head == "hq" or prompts.labels is None or prompts.masks is not None:
            return mask
        lone = (prompts.labels >= 0).sum(1) == 1
        if prompts.boxes is not None:
            lone &= prompts.boxes.isnan().any(1)
        best = Decoded(output.hq, output.sam[:, 1:], output.iou[:, 1:]).best(self.model.config.head)[0]
        return torch.where(lone[:, None, None, None], best, mask)
