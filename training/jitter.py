"""How training samples vary, as values: crops around objects, and whole frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ros_sam_core.errors import ConfigInvalid


def _check_shares(jitter: CropJitter | FrameJitter, names: Sequence[str]) -> None:
    for name in names:
        if not 0 <= getattr(jitter, name) <= 1:
            raise ConfigInvalid(f"{name} is {getattr(jitter, name)}; it is a share, 0 to 1")


@dataclass(frozen=True)
class CropJitter:
    """How crops vary in training.

    Attributes:
        near: Range of the crop's side over the object's longer side, as a box prompt's crop has it.
        wide: Range of the same for crops in which a click is first looked at (log-uniform); below 1 they are
            smaller than the object, whose mask must then reach the crop's edge.
        wide_share: Share of wide crops.
        any_angle: Share of crops at any angle; the others are turned by multiples of 90 degrees.
        stretch: Largest stretch of one axis against the other.
        degrade_share: Share of crops seen by a coarser sensor.
        degrade: Largest factor by which it is coarser.
        least_px: Objects are never degraded below this length, sensor pixels.
        photometric: Strength of brightness, contrast, colour, blur, noise and compression; 0 is none.
    """

    near: tuple[float, float] = (1.4, 3.0)
    wide: tuple[float, float] = (0.6, 9.0)
    wide_share: float = 0.4
    any_angle: float = 0.7
    stretch: float = 1.2
    degrade_share: float = 0.45
    degrade: float = 5.0
    least_px: float = 8.0
    photometric: float = 1.0

    def __post_init__(self) -> None:
        for name in ("near", "wide"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ConfigInvalid(
                    f"{name} is {(low, high)}; give two factors, the smaller first, more than 0"
                )
        _check_shares(self, ("wide_share", "any_angle", "degrade_share"))
        for name in ("stretch", "degrade", "least_px"):
            if getattr(self, name) < 1:
                raise ConfigInvalid(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if self.photometric < 0:
            raise ConfigInvalid(f"photometric is {self.photometric}; it must be 0 or more")


@dataclass(frozen=True)
class FrameJitter:
    """How frames vary in training.

    Attributes:
        scale: Range of the factor by which a frame is resized; the crop's side is the input's over it.
        whole: Show the frame whole in place of a crop; `scale` is then relative to one that just fits.
        object_share: Share of crops placed so that they hold an object; the others fall anywhere. Where the
            input is small beside the frame, crops that fall anywhere are mostly empty.
        any_angle: Share of crops at any angle; the others are turned by multiples of 90 degrees.
        flip: Share of crops that are mirrored.
        photometric: Strength of brightness, contrast, colour, blur, noise and compression; 0 is none.
        pad: Grey level beyond the frame.
        most_objects: Objects of a crop that are prompted at most; of more, a random choice.
        least_px: Objects of which fewer pixels of the input are left are not prompted.
        click_share: Share of objects that are prompted by a click in place of a box; the paper has boxes.
        click_noise: How far a click moves from a place inside the object, share of the box's width and
            height; it may then lie beside the object.
    """

    scale: tuple[float, float] = (0.1, 4.0)
    whole: bool = False
    object_share: float = 0.0
    any_angle: float = 0.5
    flip: float = 0.5
    photometric: float = 1.0
    pad: int = 144
    most_objects: int = 64
    least_px: int = 12
    click_share: float = 0.0
    click_noise: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ConfigInvalid(f"scale is {self.scale}; give two factors, the smaller first, more than 0")
        _check_shares(self, ("object_share", "any_angle", "flip", "click_share"))
        if not 0 <= self.pad <= 255:
            raise ConfigInvalid(f"pad is {self.pad}; it is a grey level, 0 to 255")
        if self.photometric < 0 or self.click_noise < 0:
            raise ConfigInvalid(
                f"photometric is {self.photometric}, click_noise {self.click_noise}; both must be 0 or more"
            )
        if self.most_objects < 1 or self.least_px < 1:
            raise ConfigInvalid("most_objects and least_px must be 1 or more")
