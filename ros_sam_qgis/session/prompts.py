"""The prompts of one object, in the coordinates of the layer that it is on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..i18n import tr

Point = tuple[float, float]
Box = tuple[float, float, float, float]


class PromptTextInvalid(ValueError):
    """A text is none that `prompt_xy` of a kept object can be."""


@dataclass(frozen=True)
class Prompts:
    """Clicks and a box that point at one object.

    Attributes:
        points: x, y of each click.
        labels: 1 for a click on the object, 0 for one beside it.
        box: xmin, ymin, xmax, ymax.
    """

    points: tuple[Point, ...] = ()
    labels: tuple[int, ...] = ()
    box: Box | None = None

    def __post_init__(self) -> None:
        if len(self.points) != len(self.labels):
            raise ValueError(f"{len(self.points)} points have {len(self.labels)} labels")

    @property
    def is_empty(self) -> bool:
        """Whether there is no prompt at all."""
        return not self.points and self.box is None

    @property
    def is_askable(self) -> bool:
        """Whether they say where the object is: clicks beside it alone do not."""
        return self.box is not None or 1 in self.labels

    @property
    def count(self) -> int:
        """Number of clicks and boxes."""
        return len(self.points) + (self.box is not None)

    @property
    def on(self) -> tuple[Point, ...]:
        """The clicks on the object."""
        return tuple(point for point, label in zip(self.points, self.labels) if label == 1)

    def with_point(self, x: float, y: float, label: int) -> Prompts:
        """Return these and a click."""
        return replace(self, points=(*self.points, (x, y)), labels=(*self.labels, label))

    def with_box(self, box: Box) -> Prompts:
        """Return these with this box, instead of one there may have been. Corners may come in any order."""
        x0, y0, x1, y1 = box
        return replace(self, box=(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)))

    def bounds(self) -> Box:
        """Return the box around all of them; there must be one."""
        xs = [x for x, _ in self.points] + ([self.box[0], self.box[2]] if self.box else [])
        ys = [y for _, y in self.points] + ([self.box[1], self.box[3]] if self.box else [])
        return min(xs), min(ys), max(xs), max(ys)

    def body(self, prompt_id: str, flip: bool = False) -> dict[str, Any]:
        """Return them as the engine's API takes them, in the frame's own coordinates.

        Args:
            prompt_id: names the object in the answer.
            flip: the layer's y runs up and the frame's down (a layer without georeference).
        """
        sign = -1.0 if flip else 1.0
        box = None
        if self.box is not None:
            ys = sorted((sign * self.box[1], sign * self.box[3]))
            box = [self.box[0], ys[0], self.box[2], ys[1]]
        return {
            "id": prompt_id,
            "points": [[x, sign * y] for x, y in self.points],
            "labels": list(self.labels),
            "box": box,
            "crs": None,
        }

    def text(self, flip: bool = False) -> str:
        """Return them as the core writes them to `prompt_xy`, which `from_text` reads."""
        body = self.body("", flip)
        parts = [body["box"]] if self.box is not None else []
        parts += [(*xy, label) for xy, label in zip(body["points"], self.labels)]
        return "; ".join(" ".join(f"{number:.12g}" for number in part) for part in parts)

    @classmethod
    def from_text(cls, text: str, flip: bool = False) -> Prompts:
        """Read the `prompt_xy` of a kept object: `xmin ymin xmax ymax; x y label; ...`.

        Raises:
            PromptTextInvalid: it is something else.
        """
        sign = -1.0 if flip else 1.0
        prompts = cls()
        for part in text.split(";"):
            try:
                numbers = [float(word) for word in part.split()]
            except ValueError as error:
                why = tr("{text} holds something that is no number")
                raise PromptTextInvalid(why.format(text=repr(text))) from error
            if not all(math.isfinite(number) for number in numbers):
                raise PromptTextInvalid(
                    tr("{text} holds a number that is not finite").format(text=repr(text))
                )
            if len(numbers) == 4 and prompts.is_empty:
                x0, y0, x1, y1 = numbers
                prompts = prompts.with_box((x0, sign * y0, x1, sign * y1))
            elif len(numbers) == 3 and numbers[2] in (0.0, 1.0):
                prompts = prompts.with_point(numbers[0], sign * numbers[1], int(numbers[2]))
            else:
                why = tr("{text}: {part} is neither a box nor a labelled point")
                raise PromptTextInvalid(why.format(text=repr(text), part=repr(part.strip())))
        return prompts


class PromptHistory:
    """The prompts at hand with their past: every click can be taken back and done again.

    Args:
        first: what there is to begin with, which cannot be taken back.
    """

    def __init__(self, first: Prompts | None = None) -> None:
        self._states: list[Prompts] = [first or Prompts()]
        self._now = 0

    @property
    def prompts(self) -> Prompts:
        """The prompts as they are now."""
        return self._states[self._now]

    @property
    def can_undo(self) -> bool:
        """Whether there is a prompt to take back."""
        return self._now > 0

    @property
    def can_redo(self) -> bool:
        """Whether a prompt was taken back and nothing else came since."""
        return self._now + 1 < len(self._states)

    def put(self, prompts: Prompts) -> None:
        """Go on to new prompts; what was taken back is forgotten."""
        self._states[self._now + 1 :] = [prompts]
        self._now += 1

    def undo(self) -> bool:
        """Take the last prompt back; says whether there was one."""
        if not self.can_undo:
            return False
        self._now -= 1
        return True

    def redo(self) -> bool:
        """Do again what was taken back last; says whether there was something."""
        if not self.can_redo:
            return False
        self._now += 1
        return True


def box_around(points: Sequence[Point]) -> Box:
    """Return the bounds of points."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)
