"""The model at the start of a run: base weights, and which parts of them learn."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ros_sam_core.errors import ConfigInvalid
from ros_sam_core.model.checkpoints import load_checkpoint
from ros_sam_core.model.layouts import expected_shapes, shapes_of
from ros_sam_core.model.lora import add_lora
from ros_sam_core.model.ros_sam import RosSam
from ros_sam_core.model.zoo import resolve
from training.config import TrainConfig
from training.decoding import Teacher

HQ_PARTS = (
    "hf_token",
    "hf_mlp",
    "compress_vit_feat",
    "embedding_encoder",
    "embedding_maskfeature",
    "lateral2",
    "refine",
)
"""Modules of the mask decoder that belong to the HQ head alone."""


def is_hq(name: str) -> bool:
    """Say whether a parameter of `RosSam` belongs to the HQ head alone."""
    parts = name.split(".")
    return parts[0] == "mask_decoder" and parts[1] in HQ_PARTS


def build_model(config: TrainConfig) -> tuple[RosSam, str]:
    """Build the model with its base weights; what the base has no weights for starts at random, by the seed.

    Returns:
        The model, all of it trainable, and the base's sha256 ("" without a base).

    Raises:
        ConfigInvalid: The base is of another architecture than the configuration.
        RosSamError: The base is not there, or cannot be read.
    """
    torch.manual_seed(config.seed)
    if not config.base:
        return RosSam(config.model), ""
    loaded = load_checkpoint(resolve(config.base))
    if loaded.model.config.hq == config.model.hq and _shapes(loaded.model) == expected_shapes(config.model):
        loaded.model.config = config.model
        return loaded.model, loaded.sha256
    model = RosSam(config.model)
    wanted, found = _shapes(model), _shapes(loaded.model)
    missing = [name for name in wanted if name not in found and not is_hq(name)]
    other = [name for name, shape in found.items() if wanted.get(name, shape) != shape]
    if missing or other:
        a, b = loaded.model.config, config.model
        raise ConfigInvalid(
            f"base {config.base!r} is a {a.arch} of {a.input_px} px, the configuration's model a {b.arch} of "
            f"{b.input_px} px; {len(missing)} weights are missing and {len(other)} of another shape "
            f"({', '.join((missing + other)[:3])}, …); make [model] fit the base"
        )
    kept = {name: value for name, value in loaded.model.state_dict().items() if name in wanted}
    model.load_state_dict(kept, strict=False, assign=True)
    return model, loaded.sha256


def build_teacher(config: TrainConfig) -> tuple[Teacher | None, str]:
    """Load the teacher, where the configuration names one.

    Returns:
        The teacher and its sha256; None and "" without one.

    Raises:
        RosSamError: It is not there, or cannot be read.
    """
    if not config.distil.teacher:
        return None, ""
    loaded = load_checkpoint(resolve(config.distil.teacher))
    return Teacher(loaded.model, config.model.input_px), loaded.sha256


def choose_trainable(model: RosSam, config: TrainConfig) -> None:
    """Freeze what the configuration leaves as it is, and add LoRA where it asks for it."""
    tune = config.tune
    encoder: Any = model.image_encoder
    if config.gradient_checkpointing:
        encoder.gradient_checkpointing = True
    if tune.encoder == "lora":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # peft's remarks on modules without a config
            add_lora(model, tune.rank, last_block=tune.last_block)
    elif tune.encoder == "frozen":
        encoder.requires_grad_(False)
        if tune.last_block:
            encoder.blocks[-1].requires_grad_(True)
    model.prompt_encoder.requires_grad_(tune.prompt_encoder)
    for name, parameter in model.named_parameters():
        if name.startswith("mask_decoder."):
            parameter.requires_grad_(tune.hq_decoder if is_hq(name) else tune.sam_decoder)


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that learn, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def base_name(config: TrainConfig) -> str:
    """Return how an adapter names its base: the zoo's name, or the file's absolute path."""
    path = Path(config.base)
    return str(path.resolve()) if path.exists() else config.base


def _shapes(model: RosSam) -> dict[str, tuple[int, ...]]:
    return shapes_of(model.state_dict())
