"""The configuration of a training run: documented fields; `training.configfile` reads them from a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ros_sam_core.model.config import ModelConfig, tiny_config
from training.jitter import CropJitter, FrameJitter
from training.readers.spec import VERTICES, DatasetSpec

VAL_SEED = 500_000
"""Simulated videos from this number on are never trained on."""


@dataclass(frozen=True)
class DataConfig:
    """What is trained on.

    Attributes:
        pipeline: "objects": crops around one object each, by `jitter`, as the bundled model was trained;
            "frames": the paper's large-scale jitter of whole frames, by `frames`.
        coco: COCO instances files, read into memory; images lie in `images/` beside each.
        vertices: What the vertices of their polygons are: "auto", "centres" or "corners"; see `DatasetSpec`.
        sets: More labelled data sets, of any layout and size; in TOML a table `[[data.sets]]` each.
        classes: Train on objects of these classes alone; empty takes all.
        aside: Share of the labelled images set aside, of each set by itself and whole videos at a time;
            choices are to be made on these, not on val.
        procedural: Number of procedural scenes.
        procedural_share: Share of samples drawn from procedural scenes.
        simulated: Number of simulated videos (`training.simulate`), of each of which a few frames are taken.
        simulated_share: Share of samples drawn from them.
        cache: Folder in which rendered scenes are kept; empty: `procedural/` beside the output folder.
        class_weight: Exponent by which rare classes are drawn more often: 0 draws every object alike, 1
            every class alike.
        workers: Data loader processes; the samples do not depend on it.
    """

    pipeline: str = "objects"
    coco: tuple[str, ...] = ()
    vertices: str = "auto"
    sets: tuple[DatasetSpec, ...] = ()
    classes: tuple[str, ...] = ()
    aside: float = 0.08
    procedural: int = 0
    procedural_share: float = 0.0
    simulated: int = 0
    simulated_share: float = 0.0
    cache: str = ""
    class_weight: float = 0.3
    workers: int = 1

    def problems(self) -> list[str]:
        """Return every mistake found, empty if there is none."""
        found = [f"data.coco: {path} does not exist" for path in self.coco if not Path(path).is_file()]
        found += [f"data.sets: {s.path} does not exist" for s in self.sets if not Path(s.path).exists()]
        if self.vertices not in VERTICES:
            known = ", ".join(map(repr, VERTICES))
            found.append(f"data.vertices is {self.vertices!r}; use one of {known}")
        if self.pipeline not in ("objects", "frames"):
            found.append(f"data.pipeline is {self.pipeline!r}; use 'objects' or 'frames'")
        if not self.coco and not self.sets and not self.procedural and not self.simulated:
            found.append("data has neither labelled images nor procedural scenes nor simulated videos")
        for name in ("aside", "procedural_share", "simulated_share"):
            if not 0 <= getattr(self, name) <= 1:
                found.append(f"data.{name} is {getattr(self, name)}; it is a share, 0 to 1")
        for name, what in (("procedural", "scenes"), ("simulated", "videos")):
            if getattr(self, f"{name}_share") and not getattr(self, name):
                found.append(f"data.{name}_share is set, but data.{name} is 0 {what}")
        if (
            max(self.procedural_share, self.simulated_share)
            <= 1
            < self.procedural_share + self.simulated_share
        ):
            found.append("data.procedural_share and data.simulated_share are more than 1 together")
        if self.workers < 0:
            found.append(f"data.workers is {self.workers}; it must be 0 or more")
        return found


@dataclass(frozen=True)
class LossConfig:
    """The terms of the loss and their weights.

    Attributes:
        num_points: Points of the mask loss (`ros_sam_core.model.losses`).
        foreground_weight: Weight of foreground in its cross-entropy.
        hq: Weight of the HQ head's mask loss.
        sam: Weight of the SAM head's single mask loss.
        multimask: Weight of the best of SAM's three masks' loss.
        iou: Weight of the squared error of the predicted IoU.
        rounds: Largest number of decodes a step: the first prompt, then correcting clicks; each further
            one is half as frequent.
        confirm: Share of boxes that are looked at again with a click in the middle of their own answer in
            place of a correcting one, half of them without the box.
    """

    num_points: int = 12544
    foreground_weight: float = 10.0
    hq: float = 1.0
    sam: float = 0.5
    multimask: float = 0.5
    iou: float = 1.0
    rounds: int = 3
    confirm: float = 0.0

    def problems(self) -> list[str]:
        """Return every mistake found, empty if there is none."""
        found = []
        for name in ("num_points", "rounds"):
            if getattr(self, name) < 1:
                found.append(f"loss.{name} is {getattr(self, name)}; it must be 1 or more")
        for name in ("hq", "sam", "multimask", "iou"):
            if getattr(self, name) < 0:
                found.append(f"loss.{name} is {getattr(self, name)}; it must be 0 or more")
        if not 0 <= self.confirm <= 1:
            found.append(f"loss.confirm is {self.confirm}; it is a share, 0 to 1")
        if not self.hq and not self.sam and not self.multimask:
            found.append("loss.hq, loss.sam and loss.multimask are all 0; no mask would be trained")
        return found


@dataclass(frozen=True)
class DistilConfig:
    """Learning from a trained model beside the labels (distillation).

    Attributes:
        teacher: Its weights: a name of `ros-sam models list`, or the path of a checkpoint, of any size. It
            sees the same crops, and answers the same boxes and clicks; after a correcting click it has the
            student's mask before it, as the student has. Empty: labels alone.
        share: The teacher's share in what a mask is compared with, 0 to 1; the label's is the rest.
    """

    teacher: str = ""
    share: float = 0.5

    def problems(self) -> list[str]:
        """Return every mistake found, empty if there is none."""
        if not 0 <= self.share <= 1:
            return [f"distil.share is {self.share}; it is a share, 0 to 1"]
        return []


@dataclass(frozen=True)
class TuneConfig:
    """Which parts of the model learn; the rest stays as it is in the base weights.

    Attributes:
        encoder: "full": the whole image encoder; "lora": LoRA on q and v; "frozen": none of it, but for
            the last block if `last_block` says so.
        rank: LoRA's rank; the release takes 512.
        last_block: Train the last transformer block in full, beside LoRA in the others.
        prompt_encoder: Train the prompt encoder.
        sam_decoder: Train SAM's own part of the mask decoder.
        hq_decoder: Train the HQ head's layers.
    """

    encoder: str = "full"
    rank: int = 512
    last_block: bool = True
    prompt_encoder: bool = True
    sam_decoder: bool = True
    hq_decoder: bool = True

    def problems(self) -> list[str]:
        """Return every mistake found, empty if there is none."""
        found = []
        if self.encoder not in ("full", "lora", "frozen"):
            found.append(f"tune.encoder is {self.encoder!r}; use 'full', 'lora' or 'frozen'")
        if self.rank < 1:
            found.append(f"tune.rank is {self.rank}; it must be 1 or more")
        parts = (self.last_block, self.prompt_encoder, self.sam_decoder, self.hq_decoder)
        if self.encoder == "frozen" and not any(parts):
            found.append("tune leaves nothing to train; set one of its fields to true")
        return found


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        output: Folder of checkpoints, logs and the result.
        base: Weights to start from: a name of `ros-sam models list`, or the path of a checkpoint of SAM,
            HQ-SAM or this project. Empty starts from scratch.
        seed: Seed of everything random.
        steps: Optimiser steps in all.
        epochs: The same in passes over the images; replaces `steps` where it is more than 0.
        batch: Images a step, over all processes and accumulated parts.
        accumulate: Parts in which a process takes its share of a step, one after the other, to save memory.
        lr: Peak learning rate of the mask decoder (Adam; AdamW with `weight_decay`).
        lr_encoder: The same of the image encoder and the prompt encoder; 0 takes `lr`.
        betas: Adam's decay of its two means.
        eps: Adam's smallest divisor. Weights whose gradient is rounding noise move by it or not at all, so a
            larger one makes runs on different machines more alike.
        weight_decay: Weight decay, on matrices alone.
        warmup: Steps of linear warm-up.
        decay: Share of the steps at the end over which both rates fall to zero; they are constant before.
        drop_every: Epochs after which `lr` is multiplied by `drop`, again and again; 0: never.
        drop: See `drop_every`.
        alternate: Update the decoder on even steps and the encoder on odd ones, as the release does.
        ema: Decay of the averaged weights, which are the result; 0 takes the last weights.
        clip: Largest gradient norm; 0 does not clip.
        precision: "bf16" or "no" (float32).
        gradient_checkpointing: Recompute the encoder's blocks in the backward pass; saves memory, costs time.
        box_noise: Largest box noise, share of width and height.
        box_exact: Share of boxes without noise, of the pipeline "objects". Boxes that are either exact or
            off by much teach a model to tell one from the other by what it sees.
        save_every: Steps between checkpoints; 0: every epoch.
        validate_every: Steps between validations on the images set aside; 0: every epoch.
        log_every: Steps between lines of the log.
        not_finite: What to do when a loss or a gradient is not finite: "stop", or "skip" the step and name
            the samples. Ten skipped steps in a row stop too.
        export: "merged": one `.safetensors` with everything; "adapter": a folder in peft's layout, to be used
            beside the base weights; "both".
        data: What is trained on.
        loss: The terms of the loss.
        distil: A teacher, whose masks are learned beside the labels.
        tune: Which parts of the model learn.
        jitter: How crops around objects vary.
        frames: How whole frames vary.
        model: The architecture.
    """

    output: str
    base: str = ""
    seed: int = 0
    steps: int = 1000
    epochs: float = 0.0
    batch: int = 16
    accumulate: int = 1
    lr: float = 5e-4
    lr_encoder: float = 0.0
    betas: tuple[float, ...] = (0.9, 0.98)
    eps: float = 1e-8
    weight_decay: float = 0.05
    warmup: int = 200
    decay: float = 0.3
    drop_every: float = 0.0
    drop: float = 0.1
    alternate: bool = False
    ema: float = 0.999
    clip: float = 1.0
    precision: str = "bf16"
    gradient_checkpointing: bool = False
    box_noise: float = 0.2
    box_exact: float = 0.2
    save_every: int = 250
    validate_every: int = 500
    log_every: int = 50
    not_finite: str = "stop"
    export: str = "merged"
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    distil: DistilConfig = field(default_factory=DistilConfig)
    tune: TuneConfig = field(default_factory=TuneConfig)
    jitter: CropJitter = field(default_factory=CropJitter)
    frames: FrameJitter = field(default_factory=FrameJitter)
    model: ModelConfig = field(default_factory=tiny_config)

    @property
    def first_video(self) -> int:
        """Number of the first simulated video that is trained on."""
        return 1000 * self.seed

    def problems(self) -> list[str]:
        """Return every mistake found, empty if there is none."""
        found = self._out_of_range()
        for name, allowed in (
            ("precision", ("bf16", "no")),
            ("not_finite", ("stop", "skip")),
            ("export", ("merged", "adapter", "both")),
        ):
            if getattr(self, name) not in allowed:
                known = " or ".join(repr(value) for value in allowed)
                found.append(f"{name} is {getattr(self, name)!r}; use {known}")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            found.append(f"betas is {self.betas}; it is two numbers, at least 0 and less than 1")
        if self.batch >= 1 and self.accumulate >= 1 and self.batch % self.accumulate:
            found.append(f"batch is {self.batch}; it must be a multiple of accumulate, {self.accumulate}")
        for part in (self.data, self.loss, self.distil, self.tune):
            found += part.problems()
        return found + self._contradictions()

    def _out_of_range(self) -> list[str]:
        found = []
        for names, least in (
            (("steps", "batch", "accumulate", "log_every"), 1),
            (("save_every", "validate_every", "warmup", "epochs", "drop_every", "seed"), 0),
            (("lr_encoder", "clip", "weight_decay", "box_noise"), 0),
        ):
            for name in names:
                if getattr(self, name) < least:
                    found.append(f"{name} is {getattr(self, name)}; it must be {least} or more")
        for name in ("lr", "eps"):
            if getattr(self, name) <= 0:
                found.append(f"{name} is {getattr(self, name)}; it must be more than 0")
        if not 0 <= self.box_exact <= 1:
            found.append(f"box_exact is {self.box_exact}; it is a share, 0 to 1")
        if not 0 <= self.decay <= 1:
            found.append(f"decay is {self.decay}; it is a share of the steps, 0 to 1")
        if not 0 <= self.ema < 1:
            found.append(f"ema is {self.ema}; it must be at least 0 and less than 1")
        if not 0 < self.drop <= 1:
            found.append(f"drop is {self.drop}; it must be more than 0, and 1 at most")
        return found

    def _contradictions(self) -> list[str]:
        found = []
        if self.data.simulated and self.first_video + self.data.simulated > VAL_SEED:
            found.append(
                f"seed is {self.seed}: its {self.data.simulated} simulated videos, from number "
                f"{self.first_video} on, reach those that are kept for measuring, from {VAL_SEED} on; take a "
                f"seed of {max(0, (VAL_SEED - self.data.simulated) // 1000)} or less"
            )
        if self.tune.encoder != "full" and not self.base:
            found.append(f"tune.encoder is {self.tune.encoder!r}, but base names no weights to start from")
        if self.export != "merged" and self.tune.encoder != "lora":
            found.append(
                f"export is {self.export!r}, but tune.encoder is {self.tune.encoder!r}: no LoRA to save"
            )
        if self.gradient_checkpointing and self.model.arch == "tiny":
            found.append("gradient_checkpointing is set, but the small encoder (arch 'tiny') does without it")
        if self.loss.confirm and self.loss.rounds < 2:
            found.append(
                f"loss.confirm is {self.loss.confirm}, but loss.rounds is 1: there is no second look"
            )
        if self.data.pipeline == "frames" and self.box_exact != type(self).box_exact:
            found.append(f'box_exact is {self.box_exact}, which pipeline "frames" does not take')
        if not self.model.hq and self.loss.hq:
            found.append(f"loss.hq is {self.loss.hq}, but the model has no HQ head (model.hq is false)")
        return found
