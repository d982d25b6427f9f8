"""The point-sampled mask loss of ROS-SAM: weighted cross-entropy + dice (arXiv 2503.12006).

Both terms are read at points and not at every pixel, as in PointRend (arXiv 1912.08193, section 3.1):
most points lie where the prediction is least certain, which on small objects is their outline.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class MaskLoss(NamedTuple):
    """The two terms of the mask loss, with gradient.

    Attributes:
        ce: Cross-entropy, foreground weighted, mean over points; mean over masks, or [N] of each.
        dice: Dice loss with +1 smoothing, in [0, 1); mean over masks, or [N] of each.
    """

    ce: Tensor
    dice: Tensor

    @property
    def total(self) -> Tensor:
        """Return ce + dice, the loss to minimise."""
        return self.ce + self.dice


def sample_points(maps: Tensor, points: Tensor) -> Tensor:
    """Read maps bilinearly at points.

    Args:
        maps: Float [N, 1, h, w].
        points: Float [N, P, 2], x and y as shares of width and height: (0, 0) is the outer corner of
            the top-left pixel, (1, 1) that of the bottom-right one. Beyond the border's pixel centres
            the map fades to zero.

    Returns:
        Float [N, P].
    """
    grid = 2.0 * points.unsqueeze(2) - 1.0
    return F.grid_sample(maps, grid, mode="bilinear", align_corners=False)[:, 0, :, 0]


@torch.no_grad()
def sample_uncertain_points(
    logits: Tensor,
    *,
    num_points: int = 12544,
    oversample: float = 3.0,
    importance: float = 0.75,
    generator: torch.Generator | None = None,
    draw: Callable[[int], Tensor] | None = None,
) -> Tensor:
    """Draw points for the loss, most of them where the logits are closest to zero.

    Args:
        logits: Float [N, 1, h, w].
        num_points: Points a mask, P.
        oversample: Candidates are drawn ``int(P * oversample)`` a mask, uniformly.
        importance: Share of P kept from the candidates whose logits are closest to zero; the rest are
            fresh uniform points.
        generator: Source of the random numbers, on the device of the logits; torch's global one if None.
        draw: Another source: called with a count, it gives that many uniform points a mask, [N, count, 2].

    Returns:
        Points as in `sample_points`, [N, P, 2], dtype of the logits, without gradient.
    """

    def uniform_points(count: int) -> Tensor:
        if draw is not None:
            return draw(count)
        shape = (len(logits), count, 2)
        return torch.rand(shape, generator=generator, device=logits.device, dtype=logits.dtype)

    candidates = uniform_points(int(num_points * oversample))
    certainty = sample_points(logits, candidates).abs()
    kept = int(num_points * importance)
    order = (-certainty).topk(kept, dim=1).indices
    uncertain = candidates.gather(1, order.unsqueeze(2).expand(-1, -1, 2))
    return torch.cat([uncertain, uniform_points(num_points - kept)], dim=1)


def mask_losses_at(
    logits: Tensor, targets: Tensor, points: Tensor, *, foreground_weight: float = 10.0
) -> MaskLoss:
    """Compute the mask loss of each mask by itself, at given points.

    Args:
        logits: Float [N, 1, h, w].
        targets: [N, 1, H, W], any dtype, object 1 and ground 0; H, W need not be h, w.
        points: Float [N, P, 2] as in `sample_points`.
        foreground_weight: Weight of a foreground point against 1 for background; a point between the
            two (bilinear label t) weighs ``foreground_weight * t + (1 - t)``.

    Returns:
        The two terms, each [N].
    """
    point_logits = sample_points(logits, points)
    with torch.no_grad():
        labels = sample_points(targets.to(logits.dtype), points)
        weights = foreground_weight * labels + (1.0 - labels)
    ce = F.binary_cross_entropy_with_logits(point_logits, labels, weights, reduction="none")
    share = point_logits.sigmoid()
    overlap = 2.0 * (share * labels).sum(1) + 1.0
    return MaskLoss(ce.mean(1), 1.0 - overlap / (share.sum(1) + labels.sum(1) + 1.0))


def mask_loss_at(
    logits: Tensor, targets: Tensor, points: Tensor, *, foreground_weight: float = 10.0
) -> MaskLoss:
    """Compute the mask loss at given points; arguments as in `mask_losses_at`.

    Returns:
        The two terms; both zero, and differentiable, where there is no mask (N = 0).
    """
    if len(logits) == 0:
        zero = logits.sum()
        return MaskLoss(zero, zero)
    each = mask_losses_at(logits, targets, points, foreground_weight=foreground_weight)
    return MaskLoss(each.ce.mean(), each.dice.mean())


def mask_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    num_points: int = 12544,
    oversample: float = 3.0,
    importance: float = 0.75,
    foreground_weight: float = 10.0,
    generator: torch.Generator | None = None,
) -> MaskLoss:
    """Compute the mask loss at points drawn where the logits are uncertain.

    Half-precision logits are raised to float32 first: 12544 sigmoids summed in bfloat16 lose the dice.

    Args:
        logits: Float [N, 1, h, w].
        targets: [N, 1, H, W], any dtype, object 1 and ground 0; H, W need not be h, w.
        num_points: Points a mask (12544 = 112 x 112 in the paper's release).
        oversample: See `sample_uncertain_points`.
        importance: See `sample_uncertain_points`.
        foreground_weight: See `mask_loss_at`.
        generator: See `sample_uncertain_points`.

    Returns:
        The two terms; ``.total`` is their sum.
    """
    logits = logits.float()
    points = sample_uncertain_points(
        logits, num_points=num_points, oversample=oversample, importance=importance, generator=generator
    )
    return mask_loss_at(logits, targets, points, foreground_weight=foreground_weight)
