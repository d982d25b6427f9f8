"""What a step minimises: the mask losses of every head over rounds of simulated correction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ros_sam_core.model.hq_decoder import DecoderOutput
from ros_sam_core.model.losses import mask_loss, mask_losses_at, sample_uncertain_points
from ros_sam_core.model.ros_sam import PromptBatch, RosSam
from training.config import LossConfig
from training.prompts import correcting_click


@dataclass(frozen=True)
class StepResult:
    """One step's loss and what is shown of it.

    Attributes:
        loss: Scalar with gradient.
        iou: Mean IoU of the HQ masks after the first round, over the box prompts and over the clicks.
    """

    loss: Tensor
    iou: tuple[float, float]


def mask_iou(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the IoU `[N, K]` of logits `[N, K, h, w]` with targets `[N, 1, H, W]`, on the targets' grid."""
    if logits.shape[-2:] != targets.shape[-2:]:
        logits = F.interpolate(logits, targets.shape[-2:], mode="bilinear", align_corners=False)
    predicted, truth = logits > 0, targets > 0.5
    both = (predicted & truth).sum((-2, -1)).float()
    either = (predicted | truth).sum((-2, -1)).float()
    return both / either.clamp(min=1)


def _per_mask(logits: Tensor, targets: Tensor, config: LossConfig) -> Tensor:
    """Mask loss of `[N, K, h, w]` against `[N, 1, H, W]`, each mask by itself: `[N, K]`."""
    count, kinds = logits.shape[:2]
    flat = logits.float().flatten(0, 1)[:, None]
    repeated = targets.repeat_interleave(kinds, dim=0)
    points = sample_uncertain_points(flat, num_points=config.num_points)
    losses = mask_losses_at(flat, repeated, points, foreground_weight=config.foreground_weight)
    return losses.total.reshape(count, kinds)


def round_loss(output: DecoderOutput, targets: Tensor, config: LossConfig) -> Tensor:
    """Return the loss of one round's masks against `targets` `[N, 1, H, W]` in 0..1."""
    assert output.hq is not None
    hq = output.hq.float()
    weight = config.foreground_weight
    loss = config.hq * mask_loss(hq, targets, num_points=config.num_points, foreground_weight=weight).total
    per_mask = _per_mask(output.sam, targets, config)
    loss = loss + config.sam * per_mask[:, 0].mean() + config.multimask * per_mask[:, 1:].min(1).values.mean()
    with torch.no_grad():
        iou = torch.cat([mask_iou(hq, targets), mask_iou(output.sam[:, 1:].float(), targets)], dim=1)
    return loss + config.iou * F.mse_loss(output.iou.float(), iou)


def _correct(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Find a correcting click for every mask, at the logits' resolution; points in the targets' pixels."""
    scale = targets.shape[-1] / logits.shape[-1]
    small = F.interpolate(targets, logits.shape[-2:], mode="area")[:, 0] > 0.5
    clicks = [correcting_click(p, t) for p, t in zip((logits[:, 0] > 0).numpy(), small.numpy(), strict=True)]
    points = torch.from_numpy(np.stack([xy for xy, _ in clicks])).float() * scale
    return points[:, None], torch.tensor([[label] for _, label in clicks])


def step_loss(model: RosSam, batch: dict[str, Tensor], config: LossConfig, rounds: int) -> StepResult:
    """Encode a batch once and decode it `rounds` times, each after a click where the last mask is most wrong.

    Args:
        model: The model.
        batch: Collated samples of `CropDataset`.
        config: The loss.
        rounds: Number of decodes.
    """
    prompts = batch["boxes"].shape[1]
    targets = (batch["target"].float() / 255)[:, None].repeat_interleave(prompts, dim=0)
    boxes = batch["boxes"].flatten(0, 1)
    points, labels = batch["points"].flatten(0, 1), batch["labels"].flatten(0, 1)
    embedding = model.encode(batch["image"])
    side = 4 * model.config.embedding_px
    loss = targets.new_zeros(())
    first: Tensor | None = None
    masks = None
    for index in range(rounds):
        output = model.decode_all(
            embedding, PromptBatch(points=points, labels=labels, boxes=boxes, masks=masks)
        )
        assert output.hq is not None
        loss = loss + round_loss(output, targets, config) / rounds
        shown = output.hq.detach().float()
        if first is None:
            first = mask_iou(shown, targets).reshape(-1, prompts)
        if index + 1 < rounds:
            masks = F.interpolate(shown, (side, side), mode="bilinear", align_corners=False, antialias=True)
            new_points, new_labels = _correct(masks.cpu(), targets.cpu())
            points = torch.cat([points, new_points.to(points)], 1)
            labels = torch.cat([labels, new_labels.to(labels)], 1)
    assert first is not None
    return StepResult(loss, (float(first[:, 0].mean()), float(first[:, 1].mean())))
