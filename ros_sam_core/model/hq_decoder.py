"""The feature-fusion HQ mask decoder of ROS-SAM (as in HQ-SAM), on segment_anything's mask decoder.

One more output token beside SAM's own looks, through a small MLP, at a feature map in which SAM's upscaled
feature, the final embedding and an early feature of the encoder are added (ROS-SAM, arXiv 2503.12006,
section 3; HQ-SAM, arXiv 2306.01567).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ros_sam_core.model.config import ModelConfig
from ros_sam_core.model.sam_modules import MLP, LayerNorm2d, MaskDecoder, TwoWayTransformer

VIT_WIDTH = {"vit_b": 768, "vit_l": 1024, "vit_h": 1280}


@dataclass(frozen=True)
class DecoderOutput:
    """Logits of both heads for N prompts.

    Attributes:
        hq: `[N, 1, m, m]` logits of the HQ head; None for a model without it.
        sam: `[N, 4, s, s]` logits of SAM's head: the single mask, then the three of multi-mask output.
        iou: `[N, 4]` predicted IoU of the same four masks (of the HQ mask in place of the first for
            a model trained by this project).
    """

    hq: Tensor | None
    sam: Tensor
    iou: Tensor


def _upscale(first: int, middle: int, last: int) -> nn.Sequential:
    """Four times larger by two transposed convolutions, with the layer names of HQ-SAM's checkpoints."""
    return nn.Sequential(
        nn.ConvTranspose2d(first, middle, kernel_size=2, stride=2),
        LayerNorm2d(middle),
        nn.GELU(),
        nn.ConvTranspose2d(middle, last, kernel_size=2, stride=2),
    )


class SamDecoder(MaskDecoder):  # type: ignore[misc]
    """segment_anything's mask decoder for several prompts on each of several images, and no HQ head."""

    def __init__(self, dim: int = 256, mlp_dim: int = 2048) -> None:
        super().__init__(
            transformer_dim=dim,
            transformer=TwoWayTransformer(depth=2, embedding_dim=dim, mlp_dim=mlp_dim, num_heads=8),
            iou_head_hidden_dim=dim,
        )

    def run_transformer(
        self, tokens: Tensor, embedding: Tensor, pe: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Let tokens `[N, T, D]` and images attend to each other.

        Args:
            tokens: Output tokens and prompt tokens.
            embedding: `[B, D, h, w]`; prompt n belongs to image n // (N / B).
            pe: `[1, D, h, w]` positional encoding of the grid.
            dense: `[N, D, h, w]` dense prompt embedding.

        Returns:
            Tokens `[N, T, D]` and upscaled features `[N, D/8, 4h, 4w]`.
        """
        count = tokens.shape[0]
        source = embedding.repeat_interleave(count // embedding.shape[0], dim=0) + dense
        height, width = source.shape[-2:]
        tokens, source = self.transformer(source, pe.expand(count, -1, -1, -1), tokens)
        source = source.transpose(1, 2).reshape(count, -1, height, width)
        return tokens, self.output_upscaling(source)

    def sam_masks(self, mask_tokens: Tensor, upscaled: Tensor) -> Tensor:
        """Apply SAM's four hypernetwork heads; `[N, 4, 4h, 4w]` logits."""
        heads = [mlp(mask_tokens[:, i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)]
        return torch.einsum("nkc,nchw->nkhw", torch.stack(heads, dim=1), upscaled)

    def output_tokens(self) -> Tensor:
        """Return the tokens that go before a prompt's: `[T, D]`."""
        return torch.cat([self.iou_token.weight, self.mask_tokens.weight])

    def attend(self, embedding: Tensor, pe: Tensor, sparse: Tensor, dense: Tensor) -> tuple[Tensor, Tensor]:
        """Run the transformer on the output tokens and a prompt's; see `run_transformer`."""
        tokens = torch.cat([self.output_tokens().expand(sparse.shape[0], -1, -1), sparse], dim=1)
        return self.run_transformer(tokens, embedding, pe, dense)

    def sketch(self, embedding: Tensor, pe: Tensor, sparse: Tensor, dense: Tensor) -> DecoderOutput:
        """Predict the masks of SAM's head alone, which is the cheap part of the work."""
        tokens, upscaled = self.attend(embedding, pe, sparse, dense)
        masks = self.sam_masks(tokens[:, 1 : 1 + self.num_mask_tokens], upscaled)
        return DecoderOutput(None, masks, self.iou_prediction_head(tokens[:, 0]))

    def decode(
        self, embedding: Tensor, early: tuple[Tensor, ...], pe: Tensor, sparse: Tensor, dense: Tensor
    ) -> DecoderOutput:
        """Predict the masks of N prompts: sparse `[N, P, D]` and dense `[N, D, h, w]` embeddings."""
        return self.sketch(embedding, pe, sparse, dense)


class HqDecoder(SamDecoder):
    """SAM's decoder with the HQ token and the fused feature, at a quarter of the input's resolution."""

    def __init__(self, vit_dim: int, dim: int = 256, mlp_dim: int = 2048) -> None:
        super().__init__(dim, mlp_dim)
        self._add_hq_layers(dim)
        self.compress_vit_feat: nn.Module = _upscale(vit_dim, dim, dim // 8)

    def _add_hq_layers(self, dim: int) -> None:
        self.hf_token = nn.Embedding(1, dim)
        self.hf_mlp = MLP(dim, dim, dim // 8, 3)
        self.embedding_encoder = _upscale(dim, dim // 4, dim // 8)
        self.embedding_maskfeature = nn.Sequential(
            nn.Conv2d(dim // 8, dim // 4, 3, padding=1),
            LayerNorm2d(dim // 4),
            nn.GELU(),
            nn.Conv2d(dim // 4, dim // 8, 3, padding=1),
        )

    def output_tokens(self) -> Tensor:
        """Return SAM's tokens and the HQ token: `[T, D]`."""
        return torch.cat([super().output_tokens(), self.hf_token.weight])

    def hq_feature(self, embedding: Tensor, early: tuple[Tensor, ...]) -> Tensor:
        """Add the final embedding and the early feature, both upscaled: `[B, D/8, 4h, 4w]`."""
        feature: Tensor = self.embedding_encoder(embedding) + self.compress_vit_feat(early[-1])
        return feature

    def fuse(self, upscaled: Tensor, hq_feature: Tensor, early: tuple[Tensor, ...]) -> Tensor:
        """Fuse what depends on the prompt `[N, D/8, 4h, 4w]` with what does not `[B, …]`."""
        repeats = upscaled.shape[0] // hq_feature.shape[0]
        fused: Tensor = self.embedding_maskfeature(upscaled) + hq_feature.repeat_interleave(repeats, dim=0)
        return fused

    def decode(
        self, embedding: Tensor, early: tuple[Tensor, ...], pe: Tensor, sparse: Tensor, dense: Tensor
    ) -> DecoderOutput:
        """Predict the masks of N prompts with both heads."""
        tokens, upscaled = self.attend(embedding, pe, sparse, dense)
        masks = self.sam_masks(tokens[:, 1 : 1 + self.num_mask_tokens], upscaled)
        fused = self.fuse(upscaled, self.hq_feature(embedding, early), early)
        head = self.hf_mlp(tokens[:, 1 + self.num_mask_tokens])
        hq = torch.einsum("nc,nchw->nhw", head, fused)[:, None]
        return DecoderOutput(hq, masks, self.iou_prediction_head(tokens[:, 0]))


class TinyHqDecoder(HqDecoder):
    """The HQ decoder of the bundled model: early features of strides 4 and 2, and an HQ mask at stride 2."""

    def __init__(self, config: ModelConfig) -> None:
        assert config.tiny is not None
        dim = config.tiny.decoder_dim
        early2, early4 = config.tiny.widths[:2]
        SamDecoder.__init__(self, dim, config.tiny.decoder_mlp)
        self._add_hq_layers(dim)
        self.compress_vit_feat = nn.Conv2d(early4, dim // 8, 1)
        self.lateral2 = nn.Conv2d(early2, dim // 8, 1)
        self.refine = nn.Sequential(
            nn.Conv2d(dim // 8, dim // 8, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(dim // 8, dim // 8, 3, padding=1),
        )

    def fuse(self, upscaled: Tensor, hq_feature: Tensor, early: tuple[Tensor, ...]) -> Tensor:
        """Fuse as the paper does at stride 4, then once more with the stride 2 feature."""
        fused = super().fuse(upscaled, hq_feature, early)
        lateral = self.lateral2(early[0])
        lateral = lateral.repeat_interleave(fused.shape[0] // lateral.shape[0], dim=0)
        fused = F.interpolate(fused, scale_factor=2, mode="bilinear", align_corners=False) + lateral
        refined: Tensor = fused + self.refine(fused)
        return refined


def build_decoder(config: ModelConfig) -> SamDecoder:
    """Build the mask decoder that a configuration names."""
    if config.arch == "tiny":
        return TinyHqDecoder(config)
    return HqDecoder(VIT_WIDTH[config.arch]) if config.hq else SamDecoder()
