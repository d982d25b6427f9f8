"""The tensors of SAM, HQ-SAM and ROS-SAM's release, by name, turned into `RosSam`'s own.

`RosSam` keeps segment_anything's names but for the encoder's fused ``qkv``, which is ``q``, ``k`` and
``v`` here. What a file lacks, or has too much of, is told by the file's own names.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ros_sam_core.errors import CheckpointLayoutUnknown, CheckpointMismatch, DecoderIgnored
from ros_sam_core.model.config import ModelConfig, sam_config
from ros_sam_core.model.graphs import shorten
from ros_sam_core.model.image_encoder import VIT_SIZES
from ros_sam_core.model.ros_sam import RosSam

Tensors = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

HQ_KEY = "mask_decoder.hf_token.weight"
_LORA_PARTS = ("linear_a_q", "linear_b_q", "linear_a_v", "linear_b_v")


def read_sam(tensors: Tensors, name: str) -> tuple[ModelConfig, Tensors, str]:
    """Turn the tensors of a SAM or HQ-SAM file into RosSam's.

    HQ-SAM's result is the sum of both heads, as its authors' predictor gives it.

    Args:
        tensors: As the file holds them.
        name: The model's name, for its configuration.

    Returns:
        The configuration, RosSam's state dict, and the layout's name: "SAM" or "HQ-SAM".

    Raises:
        CheckpointLayoutUnknown: The tensors are those of another model.
        CheckpointMismatch: Tensors are missing, too many or of the wrong shape.
    """
    hq = HQ_KEY in tensors
    config = replace(_detect(tensors, hq=hq), name=name, head="sum" if hq else "sam")
    check_shapes(shapes_of(tensors), _fused(expected_shapes(config)), name)
    return config, split_qkv(tensors), "HQ-SAM" if hq else "SAM"


def read_release(decoder: Tensors, sam: Tensors, name: str) -> tuple[ModelConfig, Tensors]:
    """Turn the two files of ROS-SAM's release into RosSam's state dict, with LoRA merged.

    SAM's own decoder in the second file is left out: the HQ decoder holds a copy of it, which training does
    not touch. Should the two differ, a `DecoderIgnored` warning says so.

    Args:
        decoder: ``model.safetensors``, the HQ decoder.
        sam: ``model_1.safetensors``, SAM with LoRA at any rank in all its blocks.
        name: The model's name, for its configuration.

    Returns:
        The configuration and RosSam's state dict.

    Raises:
        CheckpointLayoutUnknown: The tensors are those of another model.
        CheckpointMismatch: Tensors are missing, too many or of the wrong shape.
    """
    config = replace(_detect(sam, hq=True), name=name)
    prefix = "mask_decoder."
    of_decoder = {
        k.removeprefix(prefix): v for k, v in expected_shapes(config).items() if k.startswith(prefix)
    }
    check_shapes(shapes_of(decoder), of_decoder, "model.safetensors")
    plain = _fused(expected_shapes(replace(config, hq=False, head="sam")))
    check_shapes(shapes_of(sam), _with_lora(plain, shapes_of(sam)), "model_1.safetensors")
    copied = {f"mask_decoder.{key}": value for key, value in decoder.items()}
    state = split_qkv(merge_release_lora(sam))
    differing = [key for key in copied.keys() & state.keys() if not torch.equal(copied[key], state[key])]
    if differing:
        warnings.warn(
            f"{name}: {len(differing)} tensors of SAM's own decoder in model_1.safetensors differ from their "
            "copy in the HQ decoder; masks and predicted IoU of SAM's head come from the copy",
            DecoderIgnored,
            stacklevel=3,
        )
    return config, state | copied


def split_qkv(tensors: Mapping[str, Tensor]) -> Tensors:
    """Split each fused ``attn.qkv`` weight [3C, C] or bias [3C] into ``q``, ``k`` and ``v``.

    The parts are copies, so that each can be trained, saved and freed by itself.
    """
    state: Tensors = {}
    for key, value in tensors.items():
        if ".attn.qkv." in key:
            for part, tensor in zip("qkv", value.chunk(3), strict=True):
                state[key.replace(".qkv.", f".{part}.")] = tensor.clone()
        else:
            state[key] = value
    return state


def merge_release_lora(tensors: Mapping[str, Tensor]) -> Tensors:
    """Fold the release's LoRA into its ``qkv`` weights, and name them as SAM does.

    W_q' = W_q + B_q A_q and W_v' = W_v + B_v A_v, at scale 1; k has none.
    """
    state: Tensors = {}
    for key, value in tensors.items():
        if any(part in key for part in _LORA_PARTS):
            continue
        if key.endswith(".attn.qkv.qkv.weight"):
            stem = key.removesuffix("qkv.weight")
            q, k, v = value.float().chunk(3)
            q = q + tensors[f"{stem}linear_b_q.weight"].float() @ tensors[f"{stem}linear_a_q.weight"].float()
            v = v + tensors[f"{stem}linear_b_v.weight"].float() @ tensors[f"{stem}linear_a_v.weight"].float()
            value = torch.cat([q, k, v])
        state[key.replace(".qkv.qkv.", ".qkv.")] = value
    return state


def expected_shapes(config: ModelConfig) -> Shapes:
    """Return the names and shapes that `RosSam` of this configuration holds."""
    with torch.device("meta"):  # no memory is taken, whatever size a file claims to be of
        return shapes_of(blueprint(config).state_dict())


def blueprint(config: ModelConfig) -> RosSam:
    """Build the model with memory that is reserved but not written: weights are to be assigned to it."""
    with _NoInitialisation():
        return RosSam(config)


class _NoInitialisation(TorchFunctionMode):
    """Skip `torch.nn.init`: drawing 640 million weights only to replace them takes seconds and gigabytes."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def shapes_of(tensors: Mapping[str, Tensor]) -> Shapes:
    """Return each tensor's shape by its name."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def check_shapes(found: Shapes, expected: Shapes, source: str) -> None:
    """Refuse tensors that are not exactly the expected ones.

    Args:
        found: What the file holds.
        expected: What it should hold.
        source: The file, for the message.

    Raises:
        CheckpointMismatch: Names what is missing, what is too much and what has another shape.
    """
    problems = {
        "missing": sorted(expected.keys() - found.keys()),
        "not expected": sorted(found.keys() - expected.keys()),
        "of the wrong shape": [
            f"{name} {list(found[name])}, expected {list(expected[name])}"
            for name in sorted(found.keys() & expected.keys())
            if found[name] != expected[name]
        ],
    }
    told = [f"{len(names)} {what}: {shorten(names)}" for what, names in problems.items() if names]
    if told:
        raise CheckpointMismatch(
            f"{source} does not fit its model; tensors "
            + "; ".join(told)
            + ". Get the file anew from its source."
        )


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the tensors that hold a value that is no number or is infinite."""
    # What is not finite in a tensor is so in its sum, which costs a tenth of asking each value.
    suspects = (name for name, value in tensors.items() if not value.sum().isfinite())
    return sorted(name for name in suspects if not tensors[name].isfinite().all())


def _detect(tensors: Tensors, *, hq: bool) -> ModelConfig:
    """Tell ViT-B, L or H by the encoder's width."""
    if any(key.startswith("image_encoder.layers.") for key in tensors):
        raise CheckpointLayoutUnknown(
            "the image encoder is a TinyViT (MobileSAM, HQ-SAM tiny); "
            "only SAM's ViT-B, L and H and this project's own models are built here"
        )
    widths = {
        tensors[key].shape[axis]
        for key, axis in (("image_encoder.pos_embed", -1), ("image_encoder.patch_embed.proj.weight", 0))
        if key in tensors and tensors[key].ndim == 4
    }
    for arch, size in VIT_SIZES.items():
        if size.width in widths:
            return sam_config(arch, hq=hq)
    some = shorten(sorted(tensors)[:4]) or "none at all"
    raise CheckpointLayoutUnknown(
        f"the file's tensors ({some}, …) are of no model known here; "
        "known: SAM and HQ-SAM (ViT-B, L, H), ROS-SAM's release folder, and this project's own .safetensors"
    )


def _fused(shapes: Shapes) -> Shapes:
    """Name the shapes of RosSam as SAM's files do: one ``qkv`` in place of ``q``, ``k`` and ``v``."""
    fused: Shapes = {}
    for name, shape in shapes.items():
        if not name.startswith("image_encoder.") or ".attn." not in name:
            fused[name] = shape
        elif ".attn.q." in name:
            fused[name.replace(".attn.q.", ".attn.qkv.")] = (3 * shape[0], *shape[1:])
        elif ".attn.k." not in name and ".attn.v." not in name:
            fused[name] = shape
    return fused


def _with_lora(sam: Shapes, found: Shapes) -> Shapes:
    """Add to SAM's shapes what the release's LoRA adds; each rank is that of the block's own A."""
    shapes: Shapes = {}
    for name, shape in sam.items():
        if ".attn.qkv." not in name:
            shapes[name] = shape
            continue
        shapes[name.replace(".attn.qkv.", ".attn.qkv.qkv.")] = shape
        if name.endswith(".weight"):
            stem, width = name.removesuffix("weight"), shape[1]
            for part in "qv":
                first = found.get(f"{stem}linear_a_{part}.weight")
                rank = first[0] if first else 1
                shapes[f"{stem}linear_a_{part}.weight"] = (rank, width)
                shapes[f"{stem}linear_b_{part}.weight"] = (width, rank)
    return shapes
