"""The bundled model's image encoder: convolutions down to stride 16, then SAM's transformer blocks.

A plain ViT needs far more images than a small project has; early convolutions give it the locality that it
would otherwise have to learn (Xiao et al. 2021, "Early convolutions help transformers see better"). Their
output at strides 2 and 4 is also the early feature that the HQ decoder fuses, at the resolution at which a
small object's outline lives.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ros_sam_core.model.block import Block
from ros_sam_core.model.config import ModelConfig
from ros_sam_core.model.sam_modules import LayerNorm2d


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(channels // 16, channels)


class ConvBlock(nn.Module):
    """Pre-activation residual block of two 3x3 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = _norm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = _norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, C, H, W]` to the same shape."""
        y: Tensor = self.conv1(F.relu(self.norm1(x)))
        y = self.conv2(F.relu(self.norm2(y)))
        return torch.add(x, y)


class TinyEncoder(nn.Module):
    """Image `[B, 3, S, S]` to the embedding `[B, D, S/16, S/16]` and two early features.

    The early features are `[B, widths[0], S/2, S/2]` and `[B, widths[1], S/4, S/4]`; the second already
    holds what stride 8 knows.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        assert config.tiny is not None
        size = config.tiny
        w2, w4, w8, w16 = size.widths
        n2, n4, n8 = size.convs
        self.stem = nn.Sequential(
            nn.Conv2d(3, w2, 3, stride=2, padding=1), *(ConvBlock(w2) for _ in range(n2))
        )
        self.stage4 = nn.Sequential(
            nn.Conv2d(w2, w4, 3, stride=2, padding=1), *(ConvBlock(w4) for _ in range(n4))
        )
        self.stage8 = nn.Sequential(
            nn.Conv2d(w4, w8, 3, stride=2, padding=1), *(ConvBlock(w8) for _ in range(n8))
        )
        self.stage16 = nn.Conv2d(w8, w16, 3, stride=2, padding=1)
        self.lateral8 = nn.Conv2d(w8, w4, 1)
        side = config.embedding_px
        self.pos_embed = nn.Parameter(torch.zeros(1, side, side, w16))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.blocks = nn.ModuleList(Block(w16, size.heads) for _ in range(size.blocks))
        self.neck = nn.Sequential(
            nn.Conv2d(w16, size.decoder_dim, 1, bias=False),
            LayerNorm2d(size.decoder_dim),
            nn.Conv2d(size.decoder_dim, size.decoder_dim, 3, padding=1, bias=False),
            LayerNorm2d(size.decoder_dim),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Encode normalised images; returns the embedding and the early features."""
        x = x.contiguous(memory_format=torch.channels_last)
        early2 = self.stem(x)
        early4 = self.stage4(early2)
        early8 = self.stage8(early4)
        tokens = self.stage16(early8).permute(0, 2, 3, 1) + self.pos_embed
        for block in self.blocks:
            tokens = block(tokens)
        embedding = self.neck(tokens.permute(0, 3, 1, 2))
        lateral = F.interpolate(self.lateral8(early8), scale_factor=2, mode="bilinear", align_corners=False)
        return embedding, (early2, early4 + lateral)
