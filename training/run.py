"""A training run: the model, its optimisers and its state, and one step of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs, gather_object
from torch.nn.attention import SDPBackend, sdpa_kernel

from ros_sam_core.errors import CheckpointUnreadable, ConfigInvalid, LossNotFinite
from training.config import TrainConfig
from training.datasets import Batch
from training.objective import Objective
from training.optimise import WeightAverage, learning_rates, make_optimizers, set_rates
from training.state import config_json, make_folder, read_state, write_state, write_text
from training.tuning import build_model, build_teacher, choose_trainable, trainable

log = logging.getLogger(__name__)
SKIPPED_IN_A_ROW = 10
"""Steps with a loss that is not finite after which a run stops even if it may skip them."""


PATIENCE = timedelta(hours=6)
"""How long processes wait for the first one, which alone looks at the images set aside."""


def micro_batch(config: TrainConfig, processes: int) -> int:
    """Return the images that a process takes at once.

    Raises:
        ConfigInvalid: The batch cannot be shared by the processes.
    """
    shares = processes * config.accumulate
    if config.batch % shares:
        raise ConfigInvalid(
            f"batch is {config.batch}; it must be a multiple of processes x accumulate, "
            f"{processes} x {config.accumulate}; give --set batch={shares}, or another multiple"
        )
    return config.batch // shares


@dataclass(frozen=True)
class StepFigures:
    """What a step tells.

    Attributes:
        loss: Mean over the prompts.
        iou_box: Mean IoU of the first masks of box prompts; NaN without one.
        iou_click: The same of click prompts.
        prompts: Number of prompts.
        grad_norm: Norm of the gradient before clipping.
        skipped: Whether the weights stayed as they were, because something was not finite.
    """

    loss: float
    iou_box: float
    iou_click: float
    prompts: int
    grad_norm: float
    skipped: bool = False


class Run:
    """A run at one of its steps.

    Args:
        config: The configuration.
        epoch_images: Images of one pass over the data.

    Raises:
        ConfigInvalid: The batch cannot be shared by the processes.
        OutputFailed: The output folder cannot be made.
        RosSamError: The base weights are not there, or do not fit.
    """

    def __init__(self, config: TrainConfig, epoch_images: int) -> None:
        self.config = config
        self.folder = Path(config.output)
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)
        patience = InitProcessGroupKwargs(timeout=PATIENCE)
        self.accelerator = Accelerator(
            mixed_precision=config.precision,
            cpu=not torch.cuda.is_available(),
            kwargs_handlers=[unused, patience],
        )
        self.micro_batch = micro_batch(config, self.accelerator.num_processes)
        self.epoch_steps = max(1, epoch_images // config.batch)
        self.steps = math.ceil(config.epochs * self.epoch_steps) if config.epochs else config.steps
        if self.accelerator.is_main_process:
            make_folder(self.folder, "output")
        self.model, self.base_hash = build_model(config)
        choose_trainable(self.model, config)
        self.model.train()
        self.parameters = trainable(self.model)
        optimizers = make_optimizers(self.model, config)
        teacher, self.teacher_hash = build_teacher(config)
        objective = Objective(self.model, config.loss, config.seed, teacher, config.distil.share)
        self.objective, *self.optimizers = self.accelerator.prepare(objective, *optimizers)
        self.average = WeightAverage(self.parameters, config.ema)
        self.step = 0
        self._skipped = 0

    @property
    def checkpoint(self) -> Path:
        """The newest state, replaced atomically."""
        return self.folder / "state.pt"

    def save(self) -> None:
        """Write the state, and the configuration beside it; of several processes the first one does.

        Raises:
            CheckpointNotSaved: It cannot be written; the state before is kept.
        """
        if self.accelerator.is_main_process:
            # Frozen weights are the base's, and need not be written again.
            kept = self.parameters if self.config.base else self.model.state_dict()
            state = {
                "weights": {name: value.detach().cpu() for name, value in kept.items()},
                "average": {name: value.cpu() for name, value in self.average.values.items()},
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "step": self.step,
                "base": self.base_hash,
                "teacher": self.teacher_hash,
                "config": config_json(self.config),
            }
            write_text(self.folder / "config.json", config_json(self.config))
            write_state(self.checkpoint, state)

    def resume(self) -> None:
        """Go on from the newest state, if there is one.

        Raises:
            CheckpointUnreadable: The state is damaged.
            ConfigInvalid: The state is of another configuration, or of other base weights.
        """
        state = read_state(self.checkpoint, self.config)
        if state is None:
            return
        if state["base"] != self.base_hash:
            raise ConfigInvalid(
                f"{self.checkpoint} started from weights {state['base'][:12] or 'at random'}, but base "
                f"{self.config.base!r} is {self.base_hash[:12]} now; put the old file back, or start anew"
            )
        taught = state.get("teacher", "")
        if taught != self.teacher_hash:
            raise ConfigInvalid(
                f"{self.checkpoint} learned from the teacher {taught[:12] or 'none'}, but distil.teacher "
                f"{self.config.distil.teacher!r} is {self.teacher_hash[:12]} now; put the old file back, or "
                "start anew"
            )
        own = self.model.state_dict()
        with torch.no_grad():
            for name, value in state["weights"].items():
                own[name].copy_(value)
            for name, value in state["average"].items():
                self.average.values[name].copy_(value)
        try:
            for optimizer, value in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(value)
        except ValueError as error:  # what decays, or how it is grouped, was otherwise in an earlier version
            raise CheckpointUnreadable(
                f"{self.checkpoint} is of another version of this program: {error}; move it away"
            ) from error
        self.step = state["step"]
        log.info("resumed %s at step %d", self.checkpoint, self.step)

    def indices(self) -> list[int]:
        """Return the samples that this process takes in the steps that are left, in their order."""
        m, accumulate = self.micro_batch, self.config.accumulate
        processes, own = self.accelerator.num_processes, self.accelerator.process_index
        starts = (
            step * self.config.batch + (part * processes + own) * m
            for step in range(self.step, self.steps)
            for part in range(accumulate)
        )
        return [start + i for start in starts for i in range(m)]

    def rounds(self) -> int:
        """Return how often this step decodes; it depends on the seed and the step alone."""
        shares = 0.5 ** np.arange(self.config.loss.rounds)
        rng = np.random.default_rng([self.config.seed, self.step])
        return 1 + int(rng.choice(len(shares), p=shares / shares.sum()))

    def train_step(self, parts: Sequence[Batch]) -> StepFigures:
        """Do one optimiser step on this process's share of a batch, in `accumulate` parts.

        Raises:
            LossNotFinite: A loss or gradient is not finite, and the configuration says to stop.
        """
        total = self._sum([sum(sum(part.counts) for part in parts)])[0]
        bad: list[str] = []
        told = np.zeros(6)
        for i, part in enumerate(parts):
            last = i + 1 == len(parts)
            with nullcontext() if last else self.accelerator.no_sync(self.objective):
                result = self._forward(part.to(self.accelerator.device))
                # The mean over all prompts of the step: gradients are averaged over processes.
                loss = result["loss"].sum() * (self.accelerator.num_processes / max(total, 1))
                self.accelerator.backward(loss)
            told += _figures(part, result)
            bad += _not_finite(part, result["loss"])
        told = self._sum([*told, len(bad)])
        norm = self._clip()
        names = [name for part in parts for name in part.names]
        if told[6] or not math.isfinite(norm):
            self._refuse(bad, names, "loss" if told[6] else "gradient")
        else:
            self._update()
        self.step += 1
        means = [told[i] / told[i + 1] if told[i + 1] else math.nan for i in (0, 2, 4)]
        return StepFigures(*means, int(total), norm, skipped=self._skipped > 0)

    def any_process(self, answer: bool) -> bool:
        """Say whether the answer is yes in any of the processes; all of them have to ask."""
        return bool(self._sum([answer])[0]) if self.accelerator.num_processes > 1 else answer

    def end(self) -> None:
        """Wait for the other processes and part from them; one that just exits may abort and end them all."""
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()

    def _forward(self, part: Batch) -> Any:
        # On a CPU the fused attention's backward pass is slower than plain matrix products at the small
        # model's size; at SAM's sizes torch chooses by itself.
        small = self.accelerator.device.type == "cpu" and self.config.model.arch == "tiny"
        with sdpa_kernel(SDPBackend.MATH) if small else nullcontext():
            return self.objective(part, self.rounds())

    def _clip(self) -> float:
        """Return the gradient's norm, clipped where the configuration says so."""
        limit = self.config.clip or math.inf
        return float(self.accelerator.clip_grad_norm_(list(self.parameters.values()), limit) or 0.0)

    def _update(self) -> None:
        rates = learning_rates(self.step, self.config, self.steps, self.epoch_steps)
        set_rates(self.optimizers, rates)
        turn = self.step % len(self.optimizers)  # with one optimiser always its own
        self.optimizers[turn].step()
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        self.average.update(self.step)
        self._skipped = 0

    def _refuse(self, bad: list[str], names: list[str], what: str) -> None:
        """Leave the weights as they are, and stop if the configuration says so."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        self._skipped += 1
        guilty = gather_object(bad) if what == "loss" else gather_object(names)
        message = f"step {self.step}: the {what} is not finite; samples: {'; '.join(guilty)}"
        if self.config.not_finite == "skip" and self._skipped < SKIPPED_IN_A_ROW:
            log.warning("%s; the step is skipped", message)
            return
        again = f" for {self._skipped} steps in a row" if self._skipped > 1 else ""
        kept = (
            f"the last good state is kept in {self.checkpoint}"
            if self.checkpoint.exists()
            else "no state was saved yet"
        )
        raise LossNotFinite(
            f"{message}{again}; {kept}. Look at these samples, or lower lr, or set precision = 'no'"
        )

    def _sum(self, values: Sequence[float]) -> np.ndarray:
        """Add values over all processes."""
        kind = torch.float32 if self.accelerator.device.type == "mps" else torch.float64
        tensor = torch.tensor([float(v) for v in values], dtype=kind, device=self.accelerator.device)
        summed = self.accelerator.reduce(tensor, "sum")
        return summed.cpu().numpy()


def _figures(part: Batch, result: dict[str, torch.Tensor]) -> np.ndarray:
    """Return sum and number of losses, IoUs of boxes and IoUs of clicks."""
    count = sum(part.counts)
    if not count:
        return np.zeros(6)
    iou = result["iou"].detach().double().cpu().numpy()
    boxed = ~part.boxes.isnan().any(1).cpu().numpy()
    loss = float(result["loss"].detach().double().sum())
    return np.array([loss, count, iou[boxed].sum(), boxed.sum(), iou[~boxed].sum(), (~boxed).sum()])


def _not_finite(part: Batch, loss: torch.Tensor) -> list[str]:
    """Name the samples whose loss is not finite."""
    wrong = (~loss.detach().isfinite()).cpu().tolist()
    if not any(wrong):
        return []
    owner = [i for i, count in enumerate(part.counts) for _ in range(count)]
    guilty = sorted({i for i, bad in zip(owner, wrong, strict=False) if bad})
    return [f"{part.indices[i]} ({part.names[i]})" for i in guilty]
