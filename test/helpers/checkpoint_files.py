"""Checkpoints of random weights, in the layouts in which the published systems write them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from safetensors.torch import save_file
from sam_models import SMALL, segment_anything_model
from torch import Tensor

from ros_sam_core.model.config import sam_config
from ros_sam_core.model.ros_sam import RosSam
from ros_sam_core.model.sam_modules import Sam

Tensors = dict[str, Tensor]


@cache
def plain_sam() -> Sam:
    """segment_anything's own model at the small size."""
    return segment_anything_model(SMALL)


@cache
def hq_decoder() -> Tensors:
    """Random weights of an HQ decoder, by the names of HQ-SAM's files."""
    torch.manual_seed(1)
    decoder = RosSam(sam_config("vit_b", hq=True)).mask_decoder.state_dict()
    return {f"mask_decoder.{key}": value for key, value in decoder.items()}


def random_sam() -> Tensors:
    """What a SAM file holds."""
    return dict(plain_sam().state_dict())


def random_hq_sam() -> Tensors:
    """What an HQ-SAM file holds."""
    return random_sam() | hq_decoder()


def random_release(rank: int = 4) -> tuple[Tensors, Tensors]:
    """The release's two files: the HQ decoder, and SAM with its decoder and LoRA in all its blocks."""
    torch.manual_seed(2)
    decoder = {key.removeprefix("mask_decoder."): value for key, value in hq_decoder().items()}
    both = random_hq_sam()
    sam: Tensors = {}
    for key in random_sam():
        sam[key.replace(".attn.qkv.", ".attn.qkv.qkv.")] = both[key]
        if key.endswith(".attn.qkv.weight"):
            stem, width = key.removesuffix("weight"), both[key].shape[1]
            for part in "qv":
                sam[f"{stem}linear_a_{part}.weight"] = torch.randn(rank, width) * 0.3
                sam[f"{stem}linear_b_{part}.weight"] = torch.randn(width, rank) * 0.3
    return decoder, sam


def write_release(folder: Path, decoder: Tensors, sam: Tensors) -> Path:
    folder.mkdir()
    save_file({k: v.contiguous() for k, v in decoder.items()}, folder / "model.safetensors")
    save_file({k: v.contiguous() for k, v in sam.items()}, folder / "model_1.safetensors")
    return folder
