"""What was typed, as values: prompts and bands."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ros_sam_core.errors import BandsInvalid, PromptInvalid

if TYPE_CHECKING:
    from pyproj import CRS

    from ros_sam_core.geo.prompts import Prompt


def parse_bands(text: str | None) -> tuple[int, ...] | None:
    """Read band numbers such as "4,3,2", counted from 1.

    Raises:
        BandsInvalid: The text is something else.
    """
    if text is None:
        return None
    try:
        return tuple(int(number) for number in _split(text))
    except ValueError as error:
        raise BandsInvalid(f"--bands is {text!r}; give band numbers from 1 on, such as 3,2,1") from error


def parse_prompts(boxes: Sequence[str], points: Sequence[str], crs: CRS | None) -> list[Prompt]:
    """Read `--box` and `--point`: every box is an object of its own, all points together are one.

    A single box with points is one object too: the points refine the box.

    Args:
        boxes: "xmin ymin xmax ymax" each.
        points: "x y" or "x y label" each; label 1 lies on the object (the default), 0 beside it.
        crs: Of all the coordinates; None means the raster's own.

    Returns:
        Prompts with the ids "1", "2", ... in the order given.

    Raises:
        PromptInvalid: A text cannot be read, or several boxes come with points.
    """
    from ros_sam_core.geo.prompts import Prompt

    corners = [_box(text) for text in boxes]
    clicks = [_point(text) for text in points]
    if clicks and len(corners) > 1:
        raise PromptInvalid(
            f"{len(corners)} boxes with {len(clicks)} points: all --point options belong to one object; "
            "give one --box with them, or run once per object, or use a file with --points"
        )
    if clicks:
        box = corners[0] if corners else None
        places, labels = tuple((x, y) for x, y, _ in clicks), tuple(label for _, _, label in clicks)
        return [Prompt(id="1", points=places, labels=labels, box=box, crs=crs)]
    return [Prompt(id=str(number), box=box, crs=crs) for number, box in enumerate(corners, start=1)]


def _box(text: str) -> tuple[float, float, float, float]:
    numbers = _numbers(text, "--box", "xmin ymin xmax ymax")
    if len(numbers) != 4:
        raise PromptInvalid(f"--box {text!r} has {len(numbers)} numbers; give xmin ymin xmax ymax")
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _point(text: str) -> tuple[float, float, int]:
    numbers = _numbers(text, "--point", "x y, and 1 or 0 if you like")
    if len(numbers) == 2:
        numbers = (*numbers, 1.0)
    if len(numbers) != 3 or numbers[2] not in (0.0, 1.0):
        raise PromptInvalid(
            f"--point {text!r} is no point; give x y, then 1 (on the object) or 0 (beside it) if you like"
        )
    return numbers[0], numbers[1], int(numbers[2])


def _numbers(text: str, option: str, wanted: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(number) for number in _split(text))
    except ValueError as error:
        raise PromptInvalid(f"{option} {text!r} cannot be read ({error}); give {wanted}") from error
    if not all(map(math.isfinite, numbers)):
        raise PromptInvalid(f"{option} {text!r} holds a number that is not finite; give {wanted}")
    return numbers


def _split(text: str) -> list[str]:
    return [part for part in re.split(r"[\s,;]+", text.strip()) if part]
