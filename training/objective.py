"""What a step minimises: the mask losses of every head over rounds of simulated correction.

Every random number in it is drawn from a generator of the sample's own, so that a loss does not depend on
which other samples share its batch, nor on the process that computes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ros_sam_core.model.hq_decoder import DecoderOutput
from ros_sam_core.model.losses import mask_losses_at, sample_uncertain_points
from ros_sam_core.model.ros_sam import PromptBatch, RosSam
from training.config import LossConfig
from training.datasets import Batch
from training.decoding import Teacher, decode_counted, result_mask
from training.prompts import correcting_click, deepest_pixel


def mask_iou(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the IoU `[N, K]` of logits `[N, K, h, w]` with targets `[N, 1, H, W]`, on the targets' grid."""
    if logits.shape[-2:] != targets.shape[-2:]:
        logits = F.interpolate(logits, targets.shape[-2:], mode="bilinear", align_corners=False)
    predicted, truth = logits > 0, targets > 0.5
    # Sums of floats, exact up to 16 million pixels: a sum of booleans is one of 8-byte integers, and slower.
    both = (predicted & truth).flatten(2).float().sum(2)
    either = (predicted | truth).flatten(2).float().sum(2)
    return both / either.clamp(min=1)


class SampleNoise:
    """Uniform points for the loss, from one generator a sample.

    Args:
        counts: Prompts of each sample.
        indices: Number of each sample in the run.
        seed: The run's.
        device: Where the points are needed.
    """

    def __init__(
        self, counts: Sequence[int], indices: Sequence[int], seed: int, device: torch.device
    ) -> None:
        self.counts, self.device = counts, device
        states = [np.random.SeedSequence([seed, index]).generate_state(1) for index in indices]
        self.generators = [torch.Generator().manual_seed(int(state[0])) for state in states]

    def chances(self, kinds: int) -> Tensor:
        """Return `[N, kinds]` uniform numbers, on the CPU."""
        parts = [
            torch.rand(prompts, kinds, generator=generator)
            for prompts, generator in zip(self.counts, self.generators, strict=True)
        ]
        return torch.cat(parts)

    def points(self, kinds: int) -> Callable[[int], Tensor]:
        """Return a source of `[N * kinds, count, 2]` points, for `kinds` masks a prompt."""

        def draw(count: int) -> Tensor:
            parts = [
                torch.rand(prompts * kinds, count, 2, generator=generator)
                for prompts, generator in zip(self.counts, self.generators, strict=True)
            ]
            return torch.cat(parts).to(self.device)

        return draw


class Objective(nn.Module):
    """The model and its loss as one module: what is distributed over processes.

    Args:
        model: What learns.
        config: The terms of the loss.
        seed: The run's.
        teacher: Whose masks are learned beside the labels, or None.
        share: The teacher's share in what a mask is compared with; the label's is the rest.
    """

    def __init__(
        self,
        model: RosSam,
        config: LossConfig,
        seed: int,
        teacher: Teacher | None = None,
        share: float = 0.0,
    ) -> None:
        super().__init__()
        self.model, self.config, self.seed = model, config, seed
        self.teacher, self.share = teacher, share

    def forward(self, batch: Batch, rounds: int) -> dict[str, Tensor]:
        """Encode a batch once and decode it `rounds` times, each after a click where the mask is most wrong.

        Returns:
            "loss" `[N]` of each prompt, with gradient, and "iou" `[N]` of its first mask.
        """
        targets = (batch.targets.float() / 255)[:, None]
        noise = SampleNoise(batch.counts, batch.indices, self.seed, targets.device)
        if not len(targets):  # crops without an object teach nothing, but the step goes on
            learning = [p for p in self.model.parameters() if p.requires_grad]
            nothing = torch.stack([p.float().sum() for p in learning]).sum()[None] * 0
            return {"loss": nothing, "iou": targets.new_zeros(1)}
        embedding = self.model.encode(batch.images)
        taught = None if self.teacher is None else self.teacher.encode(batch.images)
        points, labels, boxes, masks = batch.points, batch.labels, batch.boxes, None
        loss = targets.new_zeros(len(targets))
        iou = loss
        for index in range(rounds):
            prompts = PromptBatch(points=points, labels=labels, boxes=boxes, masks=masks)
            output = decode_counted(self.model, embedding, prompts, batch.counts)
            wanted = targets
            if self.teacher is not None and taught is not None:
                told = self.teacher.answer(taught, prompts, batch.counts, targets.shape[-2:])
                wanted = torch.lerp(targets, told, self.share)
            loss = loss + self._round_loss(output, targets, wanted, noise) / rounds
            shown = result_mask(output, self.model).detach().float()
            if index == 0:
                iou = mask_iou(shown, targets)[:, 0]
            if index + 1 < rounds:
                masks = self.model.mask_prompt(shown)
                new_points, new_labels = _correct(masks.cpu(), targets.cpu())
                if index == 0 and self.config.confirm:
                    new_points, new_labels, boxes = self._confirm(
                        shown.cpu(), targets.cpu(), boxes, (new_points, new_labels), noise.chances(2)
                    )
                points = torch.cat([points, new_points.to(points)], 1)
                labels = torch.cat([labels, new_labels.to(labels)], 1)
        return {"loss": loss, "iou": iou}

    def _confirm(
        self,
        logits: Tensor,
        targets: Tensor,
        boxes: Tensor,
        clicks: tuple[Tensor, Tensor],
        chances: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Have some boxes followed by a click in the middle of their answer in place of a correcting one.

        Args:
            logits: The answers, `[N, 1, m, m]`.
            targets: `[N, 1, H, W]` in 0..1.
            boxes: `[N, 4]` in the targets' pixels; NaN: none.
            clicks: The correcting clicks `[N, 1, 2]` and their labels, of which some are replaced.
            chances: `[N, 2]`, uniform in 0..1: whether one is looked at again, and whether without its box.

        Returns:
            Points, labels, and the boxes that are still given: half of those looked at again are not.
        """
        points, labels = (part.clone() for part in clicks)
        scale = targets.shape[-1] / logits.shape[-1]
        boxes = boxes.clone()
        for i in torch.nonzero((chances[:, 0] < self.config.confirm) & ~boxes.isnan().any(1).cpu())[:, 0]:
            middle = deepest_pixel((logits[i, 0] > 0).numpy())
            if middle is None:
                continue
            x, y = xy = middle * scale
            if targets[i, 0, int(y), int(x)] > 0.5:  # a wrong place would teach to keep to it
                points[i, 0] = torch.from_numpy(xy)
                labels[i, 0] = 1
                if chances[i, 1] < 0.5:
                    boxes[i] = float("nan")
        return points, labels, boxes

    def _round_loss(
        self, output: DecoderOutput, targets: Tensor, wanted: Tensor, noise: SampleNoise
    ) -> Tensor:
        """Return the loss `[N]` of one round's masks.

        Args:
            output: What was decoded.
            targets: The labels, `[N, 1, H, W]` in 0..1; the IoU that is to be expected is that with them.
            wanted: What masks are to be, `[N, 1, H, W]` in 0..1: the labels, or these and the teacher's.
            noise: Source of the points.
        """
        config = self.config
        loss = targets.new_zeros(len(targets))
        if config.hq:
            assert output.hq is not None
            loss = loss + config.hq * self._per_mask(output.hq, wanted, noise)[:, 0]
        if config.sam or config.multimask:
            masks = output.sam if config.multimask else output.sam[:, :1]
            per_mask = self._per_mask(masks, wanted, noise)
            loss = loss + config.sam * per_mask[:, 0]
            if config.multimask:
                loss = loss + config.multimask * per_mask[:, 1:].min(1).values
        if config.iou:
            first = output.hq if config.hq and output.hq is not None else output.sam[:, :1]
            with torch.no_grad():
                reached = [mask_iou(logits.float(), targets) for logits in (first, output.sam[:, 1:])]
            error = (output.iou.float() - torch.cat(reached, dim=1)) ** 2
            loss = loss + config.iou * error.mean(1)
        return loss

    def _per_mask(self, logits: Tensor, targets: Tensor, noise: SampleNoise) -> Tensor:
        """Mask loss of `[N, K, h, w]` against `[N, 1, H, W]`, each mask by itself: `[N, K]`."""
        count, kinds = logits.shape[:2]
        flat = logits.float().flatten(0, 1)[:, None]
        repeated = targets.repeat_interleave(kinds, dim=0)
        points = sample_uncertain_points(flat, num_points=self.config.num_points, draw=noise.points(kinds))
        losses = mask_losses_at(flat, repeated, points, foreground_weight=self.config.foreground_weight)
        return losses.total.reshape(count, kinds)


def _correct(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Find a correcting click for every mask, at the logits' resolution; points in the targets' pixels.

    What is thinner than a pixel of the logits is not seen there: the targets say which kind a click is.
    """
    scale = targets.shape[-1] / logits.shape[-1]
    small = F.interpolate(targets, logits.shape[-2:], mode="area")[:, 0] > 0.5
    clicks = [correcting_click(p, t) for p, t in zip((logits[:, 0] > 0).numpy(), small.numpy(), strict=True)]
    points = torch.from_numpy(np.stack([xy for xy, _ in clicks])).float() * scale
    x, y = points.long().T
    labels = (targets[torch.arange(len(targets)), 0, y, x] > 0.5).long()
    return points[:, None], labels[:, None]
