"""How the outline at hand is drawn: changed without asking the model again."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any


class ShapeInvalid(ValueError):
    """A shape option is out of its range."""


@dataclass(frozen=True)
class Shape:
    """Options of the outline; lengths and areas are in pixels of the image.

    Attributes:
        simplify_px: how far the outline may move to lose vertices.
        smooth_px: how much its corners are rounded.
        fill_holes: whether holes are filled.
        min_area_px: smaller parts are dropped, smaller holes filled.
        expand_px: how far the outline grows, or shrinks where negative.
    """

    simplify_px: float = 0.05
    smooth_px: float = 0.0
    fill_holes: bool = False
    min_area_px: float = 4.0
    expand_px: float = 0.0

    def __post_init__(self) -> None:
        for name in ("simplify_px", "smooth_px", "min_area_px", "expand_px"):
            value = getattr(self, name)
            if not math.isfinite(value) or (value < 0 and name != "expand_px"):
                raise ShapeInvalid(f"{name} is {value}; give a number of pixels, 0 or more")

    def body(self) -> dict[str, Any]:
        """Return them as the engine's API takes them."""
        return asdict(self)

    def changes(self) -> dict[str, Any]:
        """Return what differs from the defaults."""
        return {name: value for name, value in asdict(self).items() if value != getattr(Shape(), name)}

    @classmethod
    def of(cls, changes: dict[str, Any]) -> Shape:
        """Return the defaults with changes; those that make no sense do not count."""
        known = {field.name for field in fields(cls)}
        try:
            return cls(**{name: value for name, value in changes.items() if name in known})
        except (TypeError, ValueError):
            return cls()


def options_text(shape: Shape, crs: str = "") -> str:
    """Return what the attribute `options` of a kept object says; empty where all is as by default.

    Args:
        shape: of its outline.
        crs: of its prompts, where that is not the layer's.
    """
    options = {**shape.changes(), **({"crs": crs} if crs else {})}
    return json.dumps(options, sort_keys=True) if options else ""


def read_options(text: Any) -> tuple[Shape, str]:
    """Read what `options_text` wrote; anything else gives the defaults."""
    try:
        options = json.loads(text) if text else {}
    except (TypeError, ValueError):
        options = {}
    if not isinstance(options, dict):
        options = {}
    return Shape.of(options), str(options.get("crs", ""))
