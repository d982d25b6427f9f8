"""What a model is, as values: its architecture and the crop policy that belongs to its weights."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from ros_sam_core.errors import ConfigInvalid

Arch = Literal["vit_b", "vit_l", "vit_h", "tiny"]
Head = Literal["hq", "sam", "sum"]
MOST_INPUT_PX, MOST_CROP_PX = 4096, 2**16


@dataclass(frozen=True)
class CropPolicy:
    """How much ground around a prompt the model sees.

    Attributes:
        kind: "fixed" is ROS-SAM's crop of `crop_px` native pixels; "scaled" is `scale` times the longer
            side of the object's box.
        crop_px: Side of the fixed crop, native pixels; 0 shows the frame whole (plain SAM).
        scale: Side of a scaled crop over the longer side of the box.
        min_px: Smallest crop, native pixels: below it there is too little context to see an object.
        snap: Crops start at multiples of this share of their side, so that neighbouring prompts share one.
        click_px: Sides of the crops in which a click without a box is first looked at, native pixels.
        sure: Predicted IoU from which the best of these looks is believed; below, the click is looked at from
            closer and from further away too. 0 believes all: right for weights whose scores say little.
    """

    kind: Literal["fixed", "scaled"] = "fixed"
    crop_px: int = 512
    scale: float = 2.0
    min_px: int = 24
    snap: float = 0.0
    click_px: tuple[int, ...] = ()
    sure: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("fixed", "scaled"):
            raise ConfigInvalid(f"crop kind is {self.kind!r}; use 'fixed' or 'scaled'")
        _require_int("crop_px", self.crop_px, 0, MOST_CROP_PX)
        _require_int("min_px", self.min_px, 1, MOST_CROP_PX)
        _require_number("crop scale", self.scale, 1, 1000)
        _require_number("crop snap", self.snap, 0, 0.25)
        _require_number("crop sure, a predicted IoU,", self.sure, 0, 1)
        _require_type("click_px", self.click_px, tuple)
        for side in self.click_px:
            _require_int("every side in click_px", side, 8, MOST_CROP_PX)
        if self.kind == "scaled" and not self.click_px:
            raise ConfigInvalid(
                "a scaled crop policy needs click_px, the crops in which a click is first looked at"
            )


@dataclass(frozen=True)
class TinySize:
    """Widths and depths of the small encoder (`model/tiny_encoder.py`).

    Attributes:
        widths: Channels at strides 2, 4, 8 and 16; the last is the transformer's width.
        convs: Residual convolution blocks at strides 2, 4 and 8.
        blocks: Transformer blocks at stride 16.
        heads: Attention heads of a transformer block.
        decoder_dim: Width of the embedding, the prompt encoder and the mask decoder.
        decoder_mlp: Hidden width of the decoder's feed-forward layers.
    """

    widths: tuple[int, int, int, int] = (32, 64, 128, 256)
    convs: tuple[int, int, int] = (1, 3, 4)
    blocks: int = 6
    heads: int = 8
    decoder_dim: int = 192
    decoder_mlp: int = 768

    def __post_init__(self) -> None:
        for name, parts, count, least, most in (
            ("widths", self.widths, 4, 16, 1280),
            ("convs", self.convs, 3, 0, 16),
        ):
            _require_type(name, parts, tuple)
            if len(parts) != count:
                raise ConfigInvalid(f"{name} is {parts!r}; give {count} numbers")
            for part in parts:
                _require_int(f"every number in {name}", part, least, most)
        for width in self.widths[:3]:
            if width % (width // 16):
                raise ConfigInvalid(
                    f"{width} in widths cannot be normed in groups of 16; use a multiple of 16"
                )
        _require_int("blocks", self.blocks, 1, 128)
        _require_int("heads", self.heads, 1, 64)
        _require_int("decoder_dim", self.decoder_dim, 16, 1024)
        _require_int("decoder_mlp", self.decoder_mlp, 1, 8192)
        if self.widths[3] % self.heads:
            raise ConfigInvalid(f"width {self.widths[3]} is not a multiple of {self.heads} heads")
        if self.decoder_dim % 16:
            raise ConfigInvalid(f"decoder_dim is {self.decoder_dim}; it must be a multiple of 16")


@dataclass(frozen=True)
class ModelConfig:
    """A model's architecture, input and crop policy; stored with its weights.

    Attributes:
        arch: Which image encoder.
        input_px: Side of the square input. SAM's sizes take 1024.
        hq: Whether there is an HQ head beside SAM's own.
        head: Which head's mask is the result.
        crop: The crop policy.
        tiny: Widths and depths, for `arch="tiny"` alone.
        name: The model's name, as provenance says it.
    """

    arch: Arch
    input_px: int = 1024
    hq: bool = True
    head: Head = "hq"
    crop: CropPolicy = field(default_factory=CropPolicy)
    tiny: TinySize | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.arch not in ("vit_b", "vit_l", "vit_h", "tiny"):
            raise ConfigInvalid(f"arch is {self.arch!r}; known: vit_b, vit_l, vit_h, tiny")
        if (self.tiny is not None) != (self.arch == "tiny"):
            raise ConfigInvalid(f"arch {self.arch!r} and tiny={self.tiny!r} contradict each other")
        _require_int("input_px", self.input_px, 64, MOST_INPUT_PX)
        if self.input_px % 16:
            raise ConfigInvalid(f"input_px is {self.input_px}; it must be a multiple of 16")
        _require_type("hq", self.hq, bool)
        _require_type("name", self.name, str)
        if self.head not in ("hq", "sam", "sum"):
            raise ConfigInvalid(f"head is {self.head!r}; use 'hq', 'sam' or 'sum'")
        if not self.hq and self.head != "sam":
            raise ConfigInvalid(f"head is {self.head!r}, but a model without an HQ head has 'sam' only")
        if self.head == "sum" and self.arch == "tiny":
            raise ConfigInvalid("head is 'sum', but the heads of arch 'tiny' differ in resolution; use 'hq'")

    @property
    def embedding_px(self) -> int:
        """Side of the image embedding: the input at stride 16."""
        return self.input_px // 16

    def to_json(self) -> str:
        """Write the configuration as JSON, for a checkpoint's metadata."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        """Read a configuration that `to_json` wrote.

        Raises:
            ConfigInvalid: The text is no JSON, or a field is missing, unknown or out of range.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            crop = dict(values.pop("crop"))
            crop["click_px"] = tuple(crop.get("click_px", ()))
            tiny = values.pop("tiny")
            if tiny is not None:
                tiny = TinySize(**{**tiny, "widths": tuple(tiny["widths"]), "convs": tuple(tiny["convs"])})
            return cls(crop=CropPolicy(**crop), tiny=tiny, **values)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, ConfigInvalid):
                raise
            raise ConfigInvalid(
                f"the model's configuration cannot be read: {error!r} in {text[:200]!r}"
            ) from error


def _require_type(what: str, value: object, kind: type) -> None:
    """Raise unless a value, which may come from a file, is of a kind."""
    if not isinstance(value, kind):
        raise ConfigInvalid(f"{what} must be a {kind.__name__}, not {value!r}")


def _require_int(what: str, value: object, least: int, most: int) -> None:
    """Raise unless a value, which may come from a file, is a whole number in a range."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ConfigInvalid(f"{what} must be a whole number from {least} to {most}, not {value!r}")


def _require_number(what: str, value: object, least: float, most: float) -> None:
    """Raise unless a value, which may come from a file, is a number in a range."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise ConfigInvalid(f"{what} must be a number from {least} to {most}, not {value!r}")


def tiny_config() -> ModelConfig:
    """Return the configuration of the bundled model."""
    return ModelConfig(
        arch="tiny",
        input_px=192,
        crop=CropPolicy(kind="scaled", scale=1.8, min_px=24, snap=0.0625, click_px=(64, 144), sure=0.75),
        tiny=TinySize(),
        name="ros-sam-tiny",
    )


def sam_config(arch: Arch, *, hq: bool = False) -> ModelConfig:
    """Return the configuration of a SAM-sized model, with ROS-SAM's crop policy."""
    return ModelConfig(arch=arch, hq=hq, head="hq" if hq else "sam")
