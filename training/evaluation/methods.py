"""What is measured: a model through the whole pipeline, and what each of its numbers is held against."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from ros_sam_core.errors import RosSamError
from ros_sam_core.geo.array_frame import ArrayFrame
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import Prompt
from ros_sam_core.geo.segments import Segment
from ros_sam_core.model.config import CropPolicy
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.segmenter import Segmenter
from training.evaluation.windows import NOTHING, Answer, answer_of
from training.scenes import Scene

GRABCUT_ROUNDS = 5
GRABCUT_ROOM = 0.5
"""Ground that GrabCut sees around a box, a share of its sides."""


class PeerUnavailable(RosSamError, ImportError):
    """A library that a peer needs is not installed."""


class Method(Protocol):
    """Something that answers prompts on a scene."""

    name: str
    boxes_only: bool

    def look_at(self, scene: Scene) -> None:
        """Take up a scene; the prompts that follow are on it."""

    def answer(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer prompts in the scene's pixels; `NOTHING` where no object is found."""


class PipelineMethod:
    """A model as users have it: crops, looks at several scales, polygons."""

    boxes_only = False

    def __init__(self, segmenter: Segmenter, name: str = "") -> None:
        self.name, self.segmenter = name or segmenter.name, segmenter
        self._frame: ArrayFrame | None = None

    def look_at(self, scene: Scene) -> None:
        """Take up a scene; see `Method`."""
        self._frame = ArrayFrame(np.ascontiguousarray(scene.rgb), Grid(scene.shape), source=scene.name)

    def answer(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer prompts; see `Method`."""
        assert self._frame is not None
        results = self.segmenter.iter_segments(self._frame, list(prompts))
        shape = self._frame.grid.shape
        return [answer_of(r.geometry, shape, r.score) if isinstance(r, Segment) else NOTHING for r in results]


def whole_frames(segmenter: Segmenter) -> PipelineMethod:
    """Return the same weights without crops: the frame is resized whole to the input, as SAM does."""
    model = copy.copy(segmenter.predictor.model)
    model.config = replace(model.config, crop=CropPolicy("fixed", crop_px=0))
    whole = Segmenter(model, segmenter.name, segmenter.weights, CacheOptions(disk_mb=0))
    return PipelineMethod(whole, "whole frame")


class FilledBox:
    """The box itself, filled."""

    name, boxes_only = "filled box", True

    def __init__(self) -> None:
        self._shape = (0, 0)

    def look_at(self, scene: Scene) -> None:
        """Take up a scene; see `Method`."""
        self._shape = scene.shape

    def answer(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer prompts; see `Method`."""
        return [self._filled(prompt) for prompt in prompts]

    def _filled(self, prompt: Prompt) -> Answer:
        x0, y0, x1, y1 = whole_pixels(prompt, self._shape)
        return Answer(np.ones((y1 - y0, x1 - x0), bool), x0, y0) if x1 > x0 and y1 > y0 else NOTHING


class GrabCut:
    """GrabCut (Rother et al. 2004) from the box, by OpenCV, on the box and half of its sides around it.

    Raises:
        PeerUnavailable: OpenCV is not installed.
    """

    name, boxes_only = "GrabCut", True

    def __init__(self) -> None:
        try:
            import cv2
        except ImportError as error:
            raise PeerUnavailable("GrabCut needs OpenCV; pip install opencv-python-headless") from error
        self._cv2 = cv2
        self._rgb = np.zeros((0, 0, 3), np.uint8)

    def look_at(self, scene: Scene) -> None:
        """Take up a scene; see `Method`."""
        self._rgb = scene.rgb

    def answer(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer prompts; see `Method`."""
        return [self._cut(prompt) for prompt in prompts]

    def _cut(self, prompt: Prompt) -> Answer:
        shape = (self._rgb.shape[0], self._rgb.shape[1])
        x0, y0, x1, y1 = whole_pixels(prompt, shape)
        if x1 <= x0 or y1 <= y0:
            return NOTHING
        across, down = max(round(GRABCUT_ROOM * (x1 - x0)), 4), max(round(GRABCUT_ROOM * (y1 - y0)), 4)
        left, top = max(x0 - across, 0), max(y0 - down, 0)
        part = np.ascontiguousarray(self._rgb[top : y1 + down, left : x1 + across, ::-1])
        labels = np.full(part.shape[:2], self._cv2.GC_BGD, np.uint8)
        labels[y0 - top : y1 - top, x0 - left : x1 - left] = self._cv2.GC_PR_FGD
        models = np.zeros((1, 65)), np.zeros((1, 65))
        self._cv2.setRNGSeed(0)
        try:
            self._cv2.grabCut(
                part, labels, None, *models, GRABCUT_ROUNDS, self._cv2.GC_INIT_WITH_MASK
            )  # fmt: skip
        except self._cv2.error:  # no background, or too few pixels for its colour models
            return NOTHING
        return Answer((labels == self._cv2.GC_FGD) | (labels == self._cv2.GC_PR_FGD), left, top)


def whole_pixels(prompt: Prompt, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return a box prompt's pixels x0, y0, x1, y1, those whose centres it holds, inside the frame."""
    assert prompt.box is not None
    x0, y0, x1, y1 = (int(v) for v in np.ceil(np.array(prompt.box) - 0.5))
    return max(x0, 0), max(y0, 0), min(x1, shape[1]), min(y1, shape[0])
