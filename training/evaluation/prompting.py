"""Simulated users: boxes as they should be, boxes drawn in a hurry, and clicks that correct what is wrong."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import numpy as np

from ros_sam_core.errors import ConfigInvalid
from ros_sam_core.geo.prompts import Prompt
from training.evaluation.windows import Answer, window_of
from training.prompts import centre_click, correcting_click, jitter_box
from training.scenes import SceneObject

_BOX = re.compile(r"^box(?:\+(\d+)%)?$")
_CLICKS = re.compile(r"^(\d*)click(?:s)?$")
TARGETS = (0.80, 0.85, 0.90)
"""IoU up to which clicks are counted."""


@dataclass(frozen=True)
class PromptKind:
    """A kind of prompt, by its name: "box", "box+20%" (noise), "click", "3clicks".

    Attributes:
        name: As it is shown.
        noise: Largest share by which each side of a box is moved.
        clicks: Number of clicks; 0 is a box.
    """

    name: str
    noise: float = 0.0
    clicks: int = 0

    @classmethod
    def parse(cls, text: str) -> PromptKind:
        """Read a name.

        Raises:
            ConfigInvalid: It names no kind of prompt.
        """
        if found := _BOX.match(text):
            return cls(text, noise=int(found[1] or 0) / 100)
        if (found := _CLICKS.match(text)) and (count := int(found[1] or 1)) >= 1:
            return cls("click" if count == 1 else f"{count} clicks", clicks=count)
        raise ConfigInvalid(f"{text!r} is no kind of prompt; use box, box+20%, click or 3clicks")


def box_prompt(obj: SceneObject, number: int, noise: float, seed: int, frame: str = "") -> Prompt:
    """Make a box prompt; the same object, frame, noise and seed give the same box.

    Args:
        obj: The object.
        number: Its number in the image, where its own id is not known.
        noise: See `PromptKind`.
        seed: Of the noise.
        frame: Name of the frame of a video. There an id comes again in every frame, and would bring the same
            mistake along. Empty: the image belongs to no video.
    """
    box = np.array(obj.box, float)
    if noise:
        own = obj.id if obj.id >= 0 else number
        place = [zlib.crc32(frame.encode())] if frame else []
        box = jitter_box(box, noise, np.random.default_rng([seed, own + 1, *place]))
    return Prompt(str(number), box=tuple(box.tolist()))


@dataclass(frozen=True)
class Clicks:
    """The clicks on one object so far, frame pixels."""

    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()

    def and_next(self, answer: Answer, truth: Answer) -> Clicks:
        """Add the next: first the centre, then the middle of the largest wrong region."""
        if not self.points:
            xy, label = centre_click(truth.mask) + np.array([truth.x0, truth.y0]), 1
        else:
            bounds = window_of(answer, truth)
            xy, label = correcting_click(answer.within(bounds), truth.within(bounds))
            xy = xy + np.array(bounds[:2])
        point = (float(xy[0]), float(xy[1]))
        return Clicks((*self.points, point), (*self.labels, label))

    def prompt(self, number: int) -> Prompt:
        """Return the clicks as a prompt."""
        return Prompt(str(number), points=self.points, labels=self.labels)
