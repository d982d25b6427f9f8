"""Train ROS-SAM: `python -m training.train --config training/configs/tiny.toml`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Subset

from ros_sam_core.errors import RosSamError
from ros_sam_core.model.checkpoints import save_checkpoint
from ros_sam_core.model.ros_sam import RosSam
from training.config import TrainConfig, load_config
from training.datasets import CropDataset, Sample
from training.objective import step_loss
from training.procedural import procedural_scenes
from training.scenes import Scene, read_coco, split_scenes
from training.validate import validate

log = logging.getLogger(__name__)


def learning_rate_factor(step: int, config: TrainConfig) -> float:
    """Return the share of the peak rate at a step: linear warm-up, constant, then linear to zero."""
    warm = min(1.0, (step + 1) / max(1, config.warmup))
    left = (config.steps - step) / max(1.0, config.decay * config.steps)
    return min(warm, 1.0, max(0.0, left))


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay matrices and kernels; leave biases, norms and embedding tables alone."""
    decayed, free = [], []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        table = "embed" in name or "token" in name
        (free if parameter.ndim < 2 or table else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


class Run:
    """A training run's state, as a checkpoint holds it: weights, their average, optimiser and step."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.folder = Path(config.output)
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(config.seed)
        self.accelerator = Accelerator(mixed_precision=config.precision, cpu=not torch.cuda.is_available())
        self.model = RosSam(config.model)
        groups = parameter_groups(self.model, config.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.98))
        self.schedule = LambdaLR(self.optimizer, lambda step: learning_rate_factor(step, config))
        self.average = AveragedModel(self.model, multi_avg_fn=self._average)
        self.step = 0
        self.model, self.optimizer = self.accelerator.prepare(self.model, self.optimizer)
        self.average.to(self.accelerator.device)

    @torch.no_grad()
    def _average(self, averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        step = int(count)
        decay = min(self.config.ema, (1 + step) / (10 + step))
        torch._foreach_lerp_(averaged, current, 1 - decay)

    @property
    def checkpoint(self) -> Path:
        """The newest state, replaced atomically."""
        return self.folder / "state.pt"

    def save(self) -> None:
        """Write the state beside the last one, then put it in its place."""
        state = {
            "model": self.accelerator.unwrap_model(self.model).state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "step": self.step,
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, self.checkpoint)
        (self.folder / "config.json").write_text(json.dumps(asdict(self.config), indent=1))

    def resume(self) -> None:
        """Go on from the newest state, if there is one."""
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, weights_only=True)
        self.accelerator.unwrap_model(self.model).load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step = state["step"]
        log.info("resumed %s at step %d", self.checkpoint, self.step)

    def train_step(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """Do one optimiser step; every random choice in it depends on the seed and the step alone."""
        torch.manual_seed(self.config.seed * 1_000_003 + self.step)
        shares = 0.5 ** np.arange(self.config.loss.rounds)
        rng = np.random.default_rng([self.config.seed, self.step])
        rounds = 1 + int(rng.choice(len(shares), p=shares / shares.sum()))
        # On a CPU the fused attention's backward pass is slower than plain matrix products at this size.
        with self.accelerator.autocast(), sdpa_kernel(SDPBackend.MATH):
            result = step_loss(self.model, batch, self.config.loss, rounds)
        self.accelerator.backward(result.loss)
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        self.average.update_parameters(self.accelerator.unwrap_model(self.model))
        self.step += 1
        return {
            "loss": float(result.loss.detach()),
            "iou_box": result.iou[0],
            "iou_click": result.iou[1],
            "grad_norm": float(norm or 0.0),
        }


def load_scenes(config: TrainConfig) -> tuple[list[Scene], list[Scene], list[Scene]]:
    """Load labelled scenes, those of them set aside, and procedural ones."""
    labelled = [scene for path in config.data.coco for scene in read_coco(Path(path))]
    kept, aside = split_scenes(labelled, config.data.aside, seed=0) if labelled else ([], [])
    procedural = procedural_scenes(
        config.data.procedural, config.seed, Path(config.output).parent / "procedural"
    )
    log.info(
        "%d scenes with %d objects, %d set aside with %d, %d procedural with %d",
        *(
            n
            for scenes in (kept, aside, procedural)
            for n in (len(scenes), sum(len(s.objects) for s in scenes))
        ),
    )
    return kept, aside, procedural


def batches(run: Run, dataset: CropDataset) -> DataLoader[Sample]:
    """Load the batches that are left, in the order of the samples' indices."""
    left = Subset(dataset, range(run.step * run.config.batch, len(dataset)))
    workers = run.config.data.workers
    return DataLoader(
        left,
        batch_size=run.config.batch,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        drop_last=True,
    )


def record(run: Run, **values: float) -> None:
    """Append a line of figures to the run's log."""
    with (run.folder / "log.jsonl").open("a") as file:
        file.write(json.dumps({"step": run.step, **values}) + "\n")


def fit(run: Run) -> None:
    """Train to the last step, saving and validating on the way."""
    config = run.config
    kept, aside, procedural = load_scenes(config)
    dataset = CropDataset(config, kept, procedural, config.steps * config.batch)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    mean: dict[str, float] = {}
    started, first = time.monotonic(), run.step
    with Progress(*columns, TimeRemainingColumn(), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("training", total=config.steps, completed=run.step)
        for batch in batches(run, dataset):
            shown = run.train_step({key: value.to(run.accelerator.device) for key, value in batch.items()})
            mean = {key: 0.98 * mean.get(key, value) + 0.02 * value for key, value in shown.items()}
            rate = (run.step - first) * config.batch / (time.monotonic() - started)
            ious = f"IoU box {mean['iou_box']:.3f} click {mean['iou_click']:.3f}"
            text = f"loss {mean['loss']:.3f} {ious} {rate:.1f} img/s"
            progress.update(task, completed=run.step, description=text)
            if run.step % 50 == 0:
                record(run, **mean, lr=run.schedule.get_last_lr()[0], images_per_second=rate)
                log.info("step %d %s", run.step, text)
            if run.step % config.save_every == 0 or run.step == config.steps:
                run.save()
            if aside and (run.step % config.validate_every == 0 or run.step == config.steps):
                figures = validate(run.average.module, aside, config.seed)
                record(run, **figures)
                log.info("step %d set aside: %s", run.step, figures)


def export(run: Run) -> Path:
    """Write the averaged weights as one half-precision `.safetensors`."""
    path = run.folder / f"{run.config.model.name or run.config.model.arch}.safetensors"
    save_checkpoint(run.average.module, path, dtype=torch.float16, metadata={"steps": str(run.step)})
    return path


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="TOML file; see training/configs")
    parser.add_argument("--output", help="folder of checkpoints and logs, in place of the configuration's")
    parser.add_argument("--steps", type=int, help="optimiser steps in all")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--export-only", action="store_true", help="write the newest weights and stop")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        run = Run(load_config(options.config, output=options.output, steps=options.steps))
        run.resume()
        if not options.export_only:
            fit(run)
        log.info("wrote %s", export(run))
    except RosSamError as error:
        log.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
