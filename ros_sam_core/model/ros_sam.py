"""RosSam: image encoder, prompt encoder and mask decoder as one model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ros_sam_core.errors import ModelInputInvalid
from ros_sam_core.model.config import Head, ModelConfig
from ros_sam_core.model.hq_decoder import DecoderOutput, build_decoder
from ros_sam_core.model.image_encoder import build_sam_encoder
from ros_sam_core.model.sam_modules import PromptEncoder
from ros_sam_core.model.tiny_encoder import TinyEncoder

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)
PAD, NEGATIVE, POSITIVE, BOX_MIN, BOX_MAX = -1, 0, 1, 2, 3
"""Token labels: SAM's point labels, and the two corners of a box."""


@dataclass(frozen=True)
class Embedding:
    """What the encoder knows of B images; decoded as often as there are clicks.

    Attributes:
        final: `[B, D, h, w]` image embedding.
        early: Early features, finest first; for SAM's sizes one `[B, vit_dim, h, w]`.
    """

    final: Tensor
    early: tuple[Tensor, ...]


@dataclass(frozen=True)
class PromptBatch:
    """Prompts of N objects in model coordinates (continuous pixels of the `input_px` square).

    N is a multiple of the embedding's B; prompt n belongs to image n // (N / B).

    Attributes:
        points: `[N, P, 2]` x, y.
        labels: `[N, P]`: 1 object, 0 background, -1 padding.
        boxes: `[N, 4]` xmin, ymin, xmax, ymax; a row of NaN is a prompt without a box.
        masks: `[N, 1, 4h, 4w]` logits of a previous mask.
    """

    points: Tensor | None = None
    labels: Tensor | None = None
    boxes: Tensor | None = None
    masks: Tensor | None = None

    def __post_init__(self) -> None:
        if (self.points is None) != (self.labels is None):
            raise ModelInputInvalid("points and labels go together; give both or neither")
        if self.points is None and self.boxes is None and self.masks is None:
            raise ModelInputInvalid("a prompt needs a point, a box or a mask; all three are missing")
        if self.points is not None and self.labels is not None and self.points.shape[:2] != self.labels.shape:
            raise ModelInputInvalid(
                f"points {tuple(self.points.shape)} do not fit labels {tuple(self.labels.shape)}"
            )

    def __len__(self) -> int:
        given = next(value for value in (self.points, self.boxes, self.masks) if value is not None)
        return int(given.shape[0])

    def tokens(self) -> tuple[Tensor, Tensor] | None:
        """Return coordinates `[N, T, 2]` and labels `[N, T]`: points, SAM's padding, then box corners."""
        coordinates: list[Tensor] = []
        labels: list[Tensor] = []
        if self.points is not None and self.labels is not None:
            coordinates.append(self.points.float())
            labels.append(self.labels.long())
            if self.boxes is None:
                coordinates.append(torch.zeros_like(coordinates[0][:, :1]))
                labels.append(torch.full_like(labels[0][:, :1], PAD))
        if self.boxes is not None:
            corners = self.boxes.float().reshape(-1, 2, 2)
            missing = corners.isnan().flatten(1).any(1, keepdim=True)
            corner_labels = torch.tensor([BOX_MIN, BOX_MAX], device=corners.device).expand(len(corners), 2)
            coordinates.append(corners.nan_to_num())
            labels.append(corner_labels.masked_fill(missing, PAD))
        if not coordinates:
            return None
        return torch.cat(coordinates, 1), torch.cat(labels, 1)


class MixedPromptEncoder(PromptEncoder):  # type: ignore[misc]
    """segment_anything's prompt encoder for batches in which every prompt has its own kinds of tokens."""

    def embed(self, prompts: PromptBatch) -> tuple[Tensor, Tensor]:
        """Return the sparse `[N, T, D]` and the dense `[N, D, h, w]` embeddings of N prompts."""
        weight = self.no_mask_embed.weight
        tokens = prompts.tokens()
        sparse = (
            weight.new_zeros(len(prompts), 0, self.embed_dim)
            if tokens is None
            else self._embed_tokens(*tokens)
        )
        if prompts.masks is not None:
            return sparse, self._embed_masks(prompts.masks)
        return sparse, weight.reshape(1, -1, 1, 1).expand(len(prompts), -1, *self.image_embedding_size)

    def _embed_tokens(self, coordinates: Tensor, labels: Tensor) -> Tensor:
        # segment_anything adds half a pixel to pixel indices; continuous coordinates hold it already.
        position: Tensor = self.pe_layer.forward_with_coords(coordinates, self.input_image_size)
        table = torch.cat([self.not_a_point_embed.weight, *(e.weight for e in self.point_embeddings)])
        position = position * (labels != PAD)[..., None]
        return position + table[labels + 1]


@dataclass(frozen=True)
class Decoded:
    """Masks of N prompts.

    Attributes:
        hq: `[N, 1, m, m]` logits of the HQ head, or None.
        sam: `[N, K, s, s]` logits of SAM's head: K = 1, or 3 with multi-mask output.
        iou: `[N, K]` predicted IoU.
    """

    hq: Tensor | None
    sam: Tensor
    iou: Tensor

    def best(self, head: Head) -> tuple[Tensor, Tensor]:
        """Return one mask a prompt, `[N, 1, m, m]` logits, and its predicted IoU `[N]`.

        Of several SAM masks the one with the best predicted IoU counts; "sum" adds the HQ logits to it.
        """
        if self.hq is None and head != "sam":
            raise ModelInputInvalid(f"head is {head!r}, but this model has SAM's head only")
        iou, index = self.iou.max(dim=1)
        if head == "hq":
            assert self.hq is not None
            return self.hq, iou
        sam = self.sam[torch.arange(len(index), device=index.device), index][:, None]
        if head == "sam":
            return sam, iou
        assert self.hq is not None
        return sam + self.hq, iou


class RosSam(nn.Module):
    """ROS-SAM at any size; see `ModelConfig`."""

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        side = config.embedding_px
        dim = config.tiny.decoder_dim if config.tiny else 256
        self.image_encoder: nn.Module = TinyEncoder(config) if config.tiny else build_sam_encoder(config)
        self.prompt_encoder = MixedPromptEncoder(dim, (side, side), (config.input_px, config.input_px), 16)
        self.mask_decoder = build_decoder(config)
        for name, values in (("pixel_mean", PIXEL_MEAN), ("pixel_std", PIXEL_STD)):
            self.register_buffer(name, torch.tensor(values).reshape(3, 1, 1), persistent=False)

    def encode(self, images: Tensor) -> Embedding:
        """Encode images `[B, 3, S, S]`, RGB 0..255 of any dtype, S = `config.input_px`.

        Raises:
            ModelInputInvalid: The images have another shape.
        """
        side = self.config.input_px
        if images.ndim != 4 or tuple(images.shape[1:]) != (3, side, side):
            raise ModelInputInvalid(
                f"images are {tuple(images.shape)}; this model takes [B, 3, {side}, {side}]"
            )
        final, early = self.image_encoder((images.float() - self.pixel_mean) / self.pixel_std)
        if next(self.image_encoder.parameters()).dtype != torch.float32:
            final, early = final.float(), tuple(feature.float() for feature in early)
        return Embedding(final, early)

    def use_encoder_dtype(self, dtype: torch.dtype) -> RosSam:
        """Hold and run the image encoder in another precision; embeddings stay float32.

        The encoder is nearly all of the work, and its products lose nothing visible in bfloat16
        (`benchmarks.encoder` measures it); the decoder, which draws the outline, is left alone. Of effect on
        SAM's sizes, whose encoder takes images of any dtype.
        """
        self.image_encoder.to(dtype)
        return self

    def mask_prompt(self, logits: Tensor) -> Tensor:
        """Turn the logits of an earlier answer, `[N, 1, m, m]`, into what `PromptBatch.masks` takes."""
        return F.avg_pool2d(logits, logits.shape[-1] // (4 * self.config.embedding_px))

    def decode_all(self, embedding: Embedding, prompts: PromptBatch) -> DecoderOutput:
        """Decode every head and every mask token; what training sees."""
        _require_shares(embedding, prompts)
        sparse, dense = self.prompt_encoder.embed(prompts)
        pe = self.prompt_encoder.get_dense_pe()
        return self.mask_decoder.decode(embedding.final, embedding.early, pe, sparse, dense)

    def sketch(self, embedding: Embedding, prompts: PromptBatch) -> DecoderOutput:
        """Decode SAM's head alone: coarser masks `[N, 4, s, s]` at a fraction of the work of `decode`.

        The predicted IoU is the same as that of `decode_all`.
        """
        _require_shares(embedding, prompts)
        sparse, dense = self.prompt_encoder.embed(prompts)
        pe = self.prompt_encoder.get_dense_pe()
        output: DecoderOutput = self.mask_decoder.sketch(embedding.final, pe, sparse, dense)
        return output

    def decode(self, embedding: Embedding, prompts: PromptBatch, *, multimask: bool = False) -> Decoded:
        """Decode prompts on an embedding; `multimask` gives SAM's three masks in place of its single one."""
        output = self.decode_all(embedding, prompts)
        kept = slice(1, None) if multimask else slice(0, 1)
        return Decoded(output.hq, output.sam[:, kept], output.iou[:, kept])


def _require_shares(embedding: Embedding, prompts: PromptBatch) -> None:
    """Raise where prompts cannot be shared out evenly among images."""
    if len(prompts) % len(embedding.final):
        raise ModelInputInvalid(f"{len(prompts)} prompts cannot be shared by {len(embedding.final)} images")
