"""SAM's ViT image encoder with split q, k, v, attention that stays small in memory, and the early feature.

The layers, their names and what they compute are segment_anything's (Kirillov et al. 2023, arXiv
2304.02643), with two changes. Its fused ``qkv`` is three Linears here, so that peft can adapt q and v
alone and merge exactly. And its attention, which writes the scores of all heads and all pairs of tokens
to memory several times, goes through `torch.nn.functional.scaled_dot_product_attention`; on a CPU and
without gradients, the blocks run in pieces that stay in its caches (`model/blockwise.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ros_sam_core.model.block import Block
from ros_sam_core.model.blockwise import BlockRunner, runs_blockwise
from ros_sam_core.model.config import Arch, ModelConfig
from ros_sam_core.model.sam_modules import LayerNorm2d, PatchEmbed

PATCH_PX = 16
WINDOW = 14
EMBED_DIM = 256


@dataclass(frozen=True)
class VitSize:
    """Width and depth of a plain ViT, as in segment_anything's ``build_sam``.

    Attributes:
        width: Channels of a token.
        heads: Attention heads of a block.
        global_blocks: Indexes of the blocks that attend across the whole image, ascending; the others
            attend within windows of 14 x 14 tokens. The last block is one of them.
    """

    width: int
    heads: int
    global_blocks: tuple[int, ...]

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return self.global_blocks[-1] + 1

    @property
    def early_block(self) -> int:
        """Index of the block whose output is the early feature: the first global one."""
        return self.global_blocks[0]


VIT_SIZES: dict[Arch, VitSize] = {
    "vit_b": VitSize(width=768, heads=12, global_blocks=(2, 5, 8, 11)),
    "vit_l": VitSize(width=1024, heads=16, global_blocks=(5, 11, 17, 23)),
    "vit_h": VitSize(width=1280, heads=16, global_blocks=(7, 15, 23, 31)),
}


class SamEncoder(nn.Module):
    """SAM's image encoder: normalised images [B, 3, S, S] to an embedding [B, 256, S/16, S/16].

    Attributes:
        gradient_checkpointing: Recompute each block in the backward pass instead of keeping its
            activations: about a third more time for a fraction of the memory. Off at first; of
            effect in training mode only.
    """

    def __init__(self, size: VitSize, input_px: int = 1024) -> None:
        super().__init__()
        side = input_px // PATCH_PX
        self.size = size
        self.gradient_checkpointing = False
        self.patch_embed = PatchEmbed((PATCH_PX, PATCH_PX), (PATCH_PX, PATCH_PX), embed_dim=size.width)
        self.pos_embed = nn.Parameter(torch.zeros(1, side, side, size.width))
        self.blocks = nn.ModuleList(
            Block(
                size.width,
                size.heads,
                use_rel_pos=True,
                input_size=(side, side),
                window_size=0 if index in size.global_blocks else WINDOW,
            )
            for index in range(size.depth)
        )
        self.neck = nn.Sequential(
            nn.Conv2d(size.width, EMBED_DIM, kernel_size=1, bias=False),
            LayerNorm2d(EMBED_DIM),
            nn.Conv2d(EMBED_DIM, EMBED_DIM, kernel_size=3, padding=1, bias=False),
            LayerNorm2d(EMBED_DIM),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Encode normalised images.

        Args:
            images: Float [B, 3, S, S], SAM's mean subtracted and divided by its deviation.

        Returns:
            The embedding [B, 256, S/16, S/16], and the early feature [B, width, S/16, S/16], the output
            of the first block with global attention, in a tuple of one.
        """
        tokens = self.patch_embed(images.to(self.pos_embed.dtype)) + self.pos_embed
        early = tokens
        if runs_blockwise(tokens):
            runner = BlockRunner(tokens.contiguous())
            for index, block in enumerate(self.blocks):
                runner.run(cast(Block, block))
                if index == self.size.early_block:
                    early = runner.tokens.clone()
            return self.neck(runner.tokens.permute(0, 3, 1, 2)), (early.permute(0, 3, 1, 2),)
        recompute = self.gradient_checkpointing and self.training and torch.is_grad_enabled()
        for index, block in enumerate(self.blocks):
            tokens = checkpoint(block, tokens, use_reentrant=False) if recompute else block(tokens)
            if index == self.size.early_block:
                early = tokens
        return self.neck(tokens.permute(0, 3, 1, 2)), (early.permute(0, 3, 1, 2),)


def build_sam_encoder(config: ModelConfig) -> SamEncoder:
    """Build the encoder of ViT-B, L or H, with weights as torch initialises them."""
    return SamEncoder(VIT_SIZES[config.arch], config.input_px)
