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
from ros_sam_core.model.ros_sam import Embedding, PromptBatch, RosSam
from training.config import LossConfig
from training.datasets import Batch
from training.prompts import correcting_click


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

    def points(self, kinds: int) -> Callable[[int], Tensor]:
        """Return a source of `[N * kinds, count, 2]` points, for `kinds` masks a prompt."""

        def draw(count: int) -> Tensor:
            parts = [
                torch.rand(prompts * kinds, count, 2, generator=generator)
                for prompts, generator in zip(self.counts, self.generators, strict=True)
            ]
            return torch.cat(parts).to(self.device)

        return draw


def result_mask(output: DecoderOutput, model: RosSam) -> Tensor:
    """Return the logits `[N, 1, m, m]` that the model's configuration calls its result."""
    single = output.sam[:, :1]
    if model.config.head == "sam" or output.hq is None:
        return single
    if model.config.head == "hq":
        return output.hq
    return output.hq + F.interpolate(single, output.hq.shape[-2:], mode="bilinear", align_corners=False)


class Objective(nn.Module):
    """The model and its loss as one module: what is distributed over processes."""

    def __init__(self, model: RosSam, config: LossConfig, seed: int) -> None:
        super().__init__()
        self.model, self.config, self.seed = model, config, seed

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
        points, labels, masks = batch.points, batch.labels, None
        loss = targets.new_zeros(len(targets))
        iou = loss
        for index in range(rounds):
            prompts = PromptBatch(points=points, labels=labels, boxes=batch.boxes, masks=masks)
            output = self._decode(embedding, prompts, batch.counts)
            loss = loss + self._round_loss(output, targets, noise) / rounds
            shown = result_mask(output, self.model).detach().float()
            if index == 0:
                iou = mask_iou(shown, targets)[:, 0]
            if index + 1 < rounds:
                masks = self.model.mask_prompt(shown)
                new_points, new_labels = _correct(masks.cpu(), targets.cpu())
                points = torch.cat([points, new_points.to(points)], 1)
                labels = torch.cat([labels, new_labels.to(labels)], 1)
        return {"loss": loss, "iou": iou}

    def _decode(self, embedding: Embedding, prompts: PromptBatch, counts: Sequence[int]) -> DecoderOutput:
        """Decode prompts of which each image has a number of its own."""
        if len(set(counts)) == 1:
            return self.model.decode_all(embedding, prompts)
        outputs, start = [], 0
        for image, count in enumerate(counts):
            if count:
                one = Embedding(
                    embedding.final[image : image + 1], tuple(e[image : image + 1] for e in embedding.early)
                )
                outputs.append(self.model.decode_all(one, _part(prompts, start, start + count)))
                start += count
        hq = None if outputs[0].hq is None else torch.cat([o.hq for o in outputs if o.hq is not None])
        return DecoderOutput(hq, torch.cat([o.sam for o in outputs]), torch.cat([o.iou for o in outputs]))

    def _round_loss(self, output: DecoderOutput, targets: Tensor, noise: SampleNoise) -> Tensor:
        """Return the loss `[N]` of one round's masks against `targets` `[N, 1, H, W]` in 0..1."""
        config = self.config
        loss = targets.new_zeros(len(targets))
        if config.hq:
            assert output.hq is not None
            loss = loss + config.hq * self._per_mask(output.hq, targets, noise)[:, 0]
        if config.sam or config.multimask:
            masks = output.sam if config.multimask else output.sam[:, :1]
            per_mask = self._per_mask(masks, targets, noise)
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


def _part(prompts: PromptBatch, start: int, stop: int) -> PromptBatch:
    given = (prompts.points, prompts.labels, prompts.boxes, prompts.masks)
    points, labels, boxes, masks = (None if value is None else value[start:stop] for value in given)
    return PromptBatch(points=points, labels=labels, boxes=boxes, masks=masks)


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
