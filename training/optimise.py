"""Optimisers, learning rates and averaged weights of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from training.config import TrainConfig

HEADS, ENCODER = 0, 1
"""The two learning rates: the mask decoder's, and that of the image and prompt encoders."""


def tail_factor(step: int, config: TrainConfig, steps: int) -> float:
    """Return the share of the peak rate at a step: linear warm-up, constant, then linear to zero."""
    warm = min(1.0, (step + 1) / max(1, config.warmup))
    left = (steps - step) / max(1.0, config.decay * steps)
    return min(warm, 1.0, max(0.0, left))


def learning_rates(step: int, config: TrainConfig, steps: int, epoch_steps: int) -> tuple[float, float]:
    """Return the rates of the heads and of the encoders at a step.

    Args:
        step: Steps done.
        config: The run's configuration.
        steps: Steps in all.
        epoch_steps: Steps of one pass over the images.
    """
    factor = tail_factor(step, config, steps)
    drops = int(step / epoch_steps / config.drop_every) if config.drop_every else 0
    return config.lr * config.drop**drops * factor, (config.lr_encoder or config.lr) * factor


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay matrices and kernels; leave biases, norms, embedding tables and absolute positions alone."""
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            part = HEADS if name.startswith("mask_decoder.") else ENCODER
            table = id(parameter) in embeddings or name.rpartition(".")[2] == "pos_embed"
            groups.setdefault((part, parameter.ndim >= 2 and not table), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": weight_decay if decayed else 0.0, "part": part}
        for (part, decayed), parameters in sorted(groups.items())
    ]


def make_optimizers(model: nn.Module, config: TrainConfig) -> list[torch.optim.AdamW]:
    """Return the optimiser of all that learns, or with `alternate` one for each of the two parts."""
    groups = parameter_groups(model, config.weight_decay)
    parts = [[g for g in groups if g["part"] == part] for part in (HEADS, ENCODER)]
    shares = [part for part in parts if part] if config.alternate else [groups]
    betas = (config.betas[0], config.betas[1])
    return [torch.optim.AdamW(share, lr=config.lr, betas=betas, eps=config.eps) for share in shares]


def set_rates(optimizers: Sequence[torch.optim.Optimizer], rates: tuple[float, float]) -> None:
    """Give each group its part's rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rates[group["part"]]


class WeightAverage:
    """The exponential mean of the weights that learn.

    Args:
        parameters: The weights, by name.
        decay: Decay a step; early on the mean is shorter, so that it forgets the start.
    """

    def __init__(self, parameters: dict[str, nn.Parameter], decay: float) -> None:
        self.parameters, self.decay = parameters, decay
        self.values = {name: p.detach().clone() for name, p in parameters.items()} if decay else {}

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Take up the weights after `steps` steps."""
        if self.values:
            decay = min(self.decay, (1 + steps) / (10 + steps))
            current: list[Tensor] = [self.parameters[name].detach() for name in self.values]
            torch._foreach_lerp_(list(self.values.values()), current, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the mean in the weights' place for a while."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, value in self.values.items():
            parameter = self.parameters[name]
            kept = parameter.detach().clone()
            parameter.copy_(value)
            value.copy_(kept)
