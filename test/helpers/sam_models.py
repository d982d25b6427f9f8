"""segment_anything's own models with random weights, small ones too, and the golden values."""

from __future__ import annotations

import sys
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from ros_sam_core.model.image_encoder import VitSize
from ros_sam_core.model.sam_modules import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)

SMALL = VitSize(width=48, heads=3, global_blocks=(1, 2))
"""Three blocks of width 48: SAM's own classes without 360 MB of weights."""
GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden"


def golden(name: str) -> Path:
    """Return the path of a file of golden values; skip the test where it is absent."""
    path = GOLDEN / name
    if not path.exists():
        pytest.skip(f"golden values are not here: {path}")
    return path


def reference_weights() -> ModuleType:
    """Import the rule that makes the weights behind the golden values."""
    spec = spec_from_file_location("reference_weights", golden("reference_weights.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    spec.loader.exec_module(module)
    sys.dont_write_bytecode = writes_bytecode
    return module


def sams_encoder(size: VitSize, input_px: int = 1024) -> ImageEncoderViT:
    """Build segment_anything's encoder with random weights, positions among them."""
    torch.manual_seed(0)
    encoder = ImageEncoderViT(
        img_size=input_px,
        embed_dim=size.width,
        depth=size.depth,
        num_heads=size.heads,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=14,
        global_attn_indexes=size.global_blocks,
    )
    for name, parameter in encoder.named_parameters():
        if "rel_pos" in name or "pos_embed" in name:
            nn.init.normal_(parameter, std=0.5)
    return encoder.eval()


def segment_anything_model(size: VitSize) -> Sam:
    """Put segment_anything's whole model together as its own builder does, with random weights."""
    return Sam(
        image_encoder=sams_encoder(size),
        prompt_encoder=PromptEncoder(256, (64, 64), (1024, 1024), 16),
        mask_decoder=MaskDecoder(
            transformer_dim=256,
            transformer=TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8),
        ),
    ).eval()
