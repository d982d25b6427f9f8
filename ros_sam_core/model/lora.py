"""Fine-tune an image encoder as ROS-SAM does: LoRA on q and v, the last block in full (arXiv 2503.12006).

q' = q + B_q A_q x and v' = v + B_v A_v x in every block but the last, at scale 1 and without bias; the
last block is trained whole, and all else of the encoder is frozen. LoRA and the trained copy of the last
block are peft's, which is imported when it is first needed: it is heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from ros_sam_core.errors import InvalidParameter, LoraStateInvalid

if TYPE_CHECKING:
    from ros_sam_core.model.ros_sam import RosSam

RELEASE_RANK = 512


def has_lora(model: RosSam) -> bool:
    """Tell whether the model's encoder carries adapters that are not merged."""
    return hasattr(model.image_encoder, "merge_and_unload")


def add_lora(model: RosSam, rank: int = RELEASE_RANK, *, last_block: bool = True) -> list[nn.Parameter]:
    """Freeze the image encoder but for LoRA on q and v and its last block, which train.

    The model computes what it did before until it is trained: B starts at zero, A is Kaiming-uniform
    with a = sqrt(5). Prompt encoder and mask decoder stay as they are. Set the encoder's
    `gradient_checkpointing` before: peft's wrapper would keep the attribute to itself.

    Args:
        model: Changed in place; its `image_encoder` becomes peft's wrapper of the same encoder.
        rank: Rank of A and B, in 1 .. the encoder's width. The release takes 512.
        last_block: Train the last block in full; otherwise it takes LoRA as the others do.

    Returns:
        The encoder's trainable parameters, for the optimiser.

    Raises:
        InvalidParameter: The rank is out of range.
        LoraStateInvalid: The model carries LoRA already.
    """
    from peft import LoraConfig, get_peft_model

    if has_lora(model):
        raise LoraStateInvalid("the model carries LoRA already; merge it first (merge_lora)")
    encoder: Any = model.image_encoder  # SamEncoder or TinyEncoder: what counts is its `blocks`
    width = encoder.blocks[0].attn.q.in_features
    if not 1 <= rank <= width:
        raise InvalidParameter(f"rank is {rank}; it must be in 1 .. {width}, the encoder's width")
    last = len(encoder.blocks) - 1
    adapted = last if last_block else last + 1
    config = LoraConfig(
        r=rank,
        lora_alpha=rank,  # peft scales by alpha / r; the method has no such factor
        lora_dropout=0.0,
        bias="none",
        target_modules=[f"blocks.{index}.attn.{part}" for index in range(adapted) for part in "qv"],
        modules_to_save=[f"blocks.{last}"] if last_block else None,
    )
    model.image_encoder = get_peft_model(encoder, config)
    return [parameter for parameter in model.image_encoder.parameters() if parameter.requires_grad]


def merge_lora(model: RosSam) -> RosSam:
    """Fold what `add_lora` trained into plain weights, so that the model needs no peft.

    Its outputs agree with those before to rounding. A model without LoRA stays as it is, so merging
    twice is merging once.

    Args:
        model: Changed in place; its `image_encoder` is again the plain encoder, all of it trainable.

    Returns:
        The same model.
    """
    encoder: Any = model.image_encoder
    if has_lora(model):
        model.image_encoder = encoder.merge_and_unload().requires_grad_(True)
    return model
