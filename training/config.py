"""The configuration of a training run: documented fields, read from TOML, all mistakes reported at once."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ros_sam_core.errors import ConfigInvalid
from ros_sam_core.model.config import ModelConfig, tiny_config
from training.crops import CropJitter


@dataclass(frozen=True)
class DataConfig:
    """What is trained on.

    Attributes:
        coco: COCO instances files; images lie in `images/` beside each.
        aside: Share of their images set aside; every choice is made on these, never on val.
        procedural: Number of procedural scenes.
        procedural_share: Share of samples drawn from procedural scenes.
        class_weight: Exponent by which rare classes are drawn more often: 0 draws every object alike, 1
            every class alike.
        workers: Data loader processes; the samples do not depend on it.
    """

    coco: tuple[str, ...] = ()
    aside: float = 0.08
    procedural: int = 0
    procedural_share: float = 0.0
    class_weight: float = 0.3
    workers: int = 1


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
    """

    num_points: int = 12544
    foreground_weight: float = 10.0
    hq: float = 1.0
    sam: float = 0.5
    multimask: float = 0.5
    iou: float = 1.0
    rounds: int = 3


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        output: Folder of checkpoints and logs.
        seed: Seed of everything random.
        steps: Optimiser steps in all.
        batch: Crops a step.
        lr: Peak learning rate of AdamW.
        weight_decay: Its weight decay, on matrices alone.
        warmup: Steps of linear warm-up.
        decay: Share of the steps at the end over which the rate falls to zero; it is constant before.
        ema: Decay of the averaged weights, which are the result.
        clip: Largest gradient norm.
        precision: "bf16" or "no" (float32).
        box_noise: Largest box noise, share of width and height.
        save_every: Steps between checkpoints.
        validate_every: Steps between validations on the images set aside.
    """

    output: str
    seed: int = 0
    steps: int = 1000
    batch: int = 16
    lr: float = 5e-4
    weight_decay: float = 0.05
    warmup: int = 200
    decay: float = 0.3
    ema: float = 0.999
    clip: float = 1.0
    precision: str = "bf16"
    box_noise: float = 0.2
    save_every: int = 250
    validate_every: int = 500
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    jitter: CropJitter = field(default_factory=CropJitter)
    model: ModelConfig = field(default_factory=tiny_config)

    def problems(self) -> list[str]:
        """Return every mistake found, empty if there is none."""
        found = []
        for name in ("steps", "batch", "save_every", "validate_every"):
            if getattr(self, name) < 1:
                found.append(f"{name} is {getattr(self, name)}; it must be 1 or more")
        for name in ("lr", "clip"):
            if getattr(self, name) <= 0:
                found.append(f"{name} is {getattr(self, name)}; it must be more than 0")
        if not 0 <= self.decay <= 1:
            found.append(f"decay is {self.decay}; it is a share of the steps, 0 to 1")
        if not 0 <= self.ema < 1:
            found.append(f"ema is {self.ema}; it must be at least 0 and less than 1")
        if self.precision not in ("bf16", "no"):
            found.append(f"precision is {self.precision!r}; use 'bf16' or 'no'")
        if not self.data.coco and not self.data.procedural:
            found.append("data has neither coco files nor procedural scenes")
        if not 0 <= self.data.procedural_share <= 1:
            found.append(f"data.procedural_share is {self.data.procedural_share}; it is a share, 0 to 1")
        if self.data.procedural_share and not self.data.procedural:
            found.append("data.procedural_share is set, but data.procedural is 0 scenes")
        found += [f"data.coco: {p} does not exist" for p in self.data.coco if not Path(p).is_file()]
        if self.loss.rounds < 1:
            found.append(f"loss.rounds is {self.loss.rounds}; it must be 1 or more")
        return found


def _build(cls: type, values: dict[str, Any], where: str, problems: list[str]) -> Any:
    """Build a dataclass from a table, naming unknown keys and wrong types instead of raising."""
    hints = typing.get_type_hints(cls)
    kept: dict[str, Any] = {}
    for key, value in values.items():
        if key not in hints:
            known = ", ".join(hints)
            problems.append(f"{where}{key} is no field; known: {known}")
            continue
        hint = hints[key]
        if isinstance(hint, types.UnionType):
            hint = next(h for h in typing.get_args(hint) if h is not type(None))
        origin = typing.get_origin(hint)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            value = _build(hint, value, f"{where}{key}.", problems)
        elif origin is tuple and isinstance(value, list):
            value = tuple(value)
        elif hint is float and type(value) is int:
            value = float(value)
        elif isinstance(hint, type) and type(value) is not hint:
            problems.append(f"{where}{key} is {value!r}; it must be {hint.__name__}")
            continue
        kept[key] = value
    try:
        return cls(**kept)
    except (TypeError, ConfigInvalid) as error:
        problems.append(f"{where or 'the file'}: {error}")
        return None


def load_config(path: Path, **overrides: Any) -> TrainConfig:
    """Read a configuration from TOML.

    Args:
        path: The file. Its `[model]` table, if any, replaces fields of the bundled model's configuration.
        overrides: Top-level fields that replace the file's, where they are not None.

    Raises:
        ConfigInvalid: The file cannot be read, or has mistakes; all of them are in the message.
    """
    try:
        values = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigInvalid(f"{path} cannot be read as TOML: {error}") from error
    values |= {key: value for key, value in overrides.items() if value is not None}
    if "model" in values:
        values["model"] = dataclasses.asdict(tiny_config()) | values["model"]
    problems: list[str] = []
    config = _build(TrainConfig, values, "", problems)
    if config is not None:
        problems += config.problems()
    if problems:
        raise ConfigInvalid(f"{path} has {len(problems)} mistake(s):\n- " + "\n- ".join(problems))
    assert isinstance(config, TrainConfig)
    return config
