"""The object at hand: its prompts, and the outline that the engine gives for them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from qgis.core import QgsGeometry, QgsRectangle
from qgis.PyQt.QtCore import QObject, pyqtSignal
from qgis.PyQt.QtGui import QTransform

from ..engine.client import Call, EngineClient
from ..engine.errors import Failure
from ..engine.frames import FrameCall, Frames
from ..engine.texts import NOTHING_LEFT
from ..sources.source import Source
from .geojson import geometry_of
from .prompts import PromptHistory, Prompts
from .shape import Shape

FLIP = QTransform.fromScale(1.0, -1.0)
MARK_PX = 8
"""Half the side of the square that marks a click of an object without outline."""


@dataclass(frozen=True)
class Outline:
    """What the engine saw.

    Attributes:
        geometry: polygons in the coordinates of the layer.
        attributes: of the core: score, area_m2, provenance.
        mask: by which the engine knows it; None for a preview.
    """

    geometry: QgsGeometry
    attributes: dict[str, Any]
    mask: str | None = None


def outline_of(segment: dict[str, Any], source: Source) -> Outline:
    """Read a segment of the engine's answer."""
    geometry = geometry_of(segment["geometry"])
    if source.flipped:
        geometry.transform(FLIP)
    return Outline(geometry, dict(segment["properties"]), segment.get("mask"))


class ObjectAtHand(QObject):
    """An object that is being outlined on one source.

    Args:
        frames: by which the engine is asked.
        source: the image that it is on.
        shape: how its outline is drawn.
        prompts: what it begins with, when a kept object is corrected.
        object_id: of a kept object; a new one by default.

    Attributes:
        outline: of the prompts as they are now; None while the engine works, or where it found nothing.
        shown: the last outline there was, to be shown until the next one comes.
        corrects: what stands in the file for it, if it was kept before.

    Signals:
        changed: prompts or outline are others than before.
        settled: the outline of the present prompts has come.
        failed: there is none; a `Failure`.
    """

    changed = pyqtSignal()
    settled = pyqtSignal()
    failed = pyqtSignal(object)

    def __init__(
        self,
        frames: Frames,
        source: Source,
        shape: Shape,
        prompts: Prompts | None = None,
        object_id: str | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.id = object_id or uuid.uuid4().hex[:12]
        self.source, self.shape = source, shape
        self.history = PromptHistory(prompts)
        self.outline: Outline | None = None
        self.shown: Outline | None = None
        self.corrects: Any = None
        self.class_name: str | None = None
        self.model: str | None = None
        self._frames = frames
        self._call: FrameCall | None = None
        self._mask: str | None = None

    @property
    def prompts(self) -> Prompts:
        """The prompts as they are now."""
        return self.history.prompts

    @property
    def is_pending(self) -> bool:
        """Whether an outline is on its way."""
        return self._call is not None

    def put(self, prompts: Prompts) -> None:
        """Go on to other prompts and ask for their outline."""
        self.history.put(prompts)
        self.ask()

    def undo(self) -> bool:
        """Take the last prompt back; says whether there was one."""
        done = self.history.undo()
        if done:
            self.ask()
        return done

    def redo(self) -> bool:
        """Do again what was taken back last; says whether there was something."""
        done = self.history.redo()
        if done:
            self.ask()
        return done

    def move_to(self, source: Source) -> None:
        """Go on with a wider picture of the same layer."""
        self.source = source

    def reshape(self, shape: Shape) -> None:
        """Draw the outline in another way, without asking the model again where that can be avoided."""
        if shape == self.shape:
            return
        self.shape = shape
        known = self._mask
        if known is None or (self.outline is None and self.is_pending):
            self.ask()
            return
        prompt = self._prompt_body()
        question = {"mask": known, "options": shape.body(), "prompt": prompt, "model": self.model}

        def call(client: EngineClient, frame_id: str) -> Call:
            return client.post("/v1/reshape", {**question, "frame": frame_id})

        self._start(FrameCall(self._frames, self.source, call, parent=self), self._on_reshaped)

    def ask(self) -> None:
        """Ask for the outline of the present prompts."""
        self.outline = self._mask = None
        if not self.prompts.is_askable:
            self.drop_call()
            self.shown = None
            self.changed.emit()
            return
        question = {
            "prompts": [self._prompt_body()],
            "options": self.shape.body(),
            "model": self.model,
            "job": f"click-{self.id}",
        }

        def call(client: EngineClient, frame_id: str) -> Call:
            return client.post("/v1/segment", {**question, "frame": frame_id})

        self._start(FrameCall(self._frames, self.source, call, parent=self), self._on_segmented)
        self.changed.emit()

    def drop_call(self) -> None:
        """Give up what was asked last."""
        call, self._call = self._call, None
        if call is not None:
            call.abort()

    def mark(self) -> QgsGeometry:
        """Return polygons where the prompts say that the object is: the box, else squares around clicks."""
        half, box = MARK_PX * self.source.pixel_size, self.prompts.box
        squares = [(x - half, y - half, x + half, y + half) for x, y in self.prompts.on]
        rectangles = [box] if box is not None else squares
        return QgsGeometry.unaryUnion([QgsGeometry.fromRect(QgsRectangle(*one)) for one in rectangles])

    def marked(self) -> dict[str, Any]:
        """Return the attributes by which an object without outline can be taken to hand again."""
        source = self.source
        text = self.prompts.text(source.flipped)
        return {"prompt_id": self.id, "source": source.provenance, "frame": source.frame, "prompt_xy": text}

    def _prompt_body(self) -> dict[str, Any]:
        return self.prompts.body(self.id, self.source.flipped)

    def _start(self, call: FrameCall, answered: Any) -> None:
        self.drop_call()
        self._call = call
        call.answered.connect(answered)
        call.failed.connect(self._on_failed)
        call.start()

    def _on_segmented(self, answer: dict[str, Any]) -> None:
        if answer["segments"]:
            self._take(answer["segments"][0])
        else:
            self._miss(answer["failures"][0])

    def _on_reshaped(self, answer: dict[str, Any]) -> None:
        if answer["segment"] is not None:
            self._take(answer["segment"])
        else:
            self._miss(answer["failure"] or {})

    def _take(self, segment: dict[str, Any]) -> None:
        self._call = None
        self.outline = self.shown = outline_of(segment, self.source)
        self._mask = self.outline.mask
        self.changed.emit()
        self.settled.emit()

    def _miss(self, failure: dict[str, Any]) -> None:
        why = str(failure.get("message", ""))
        self._mask = failure.get("mask") or self._mask  # an object of which the options left nothing
        kind = NOTHING_LEFT if failure.get("mask") else str(failure.get("type", "NothingFound"))
        self._on_failed(Failure(kind, why))

    def _on_failed(self, failure: Failure) -> None:
        self._call = None
        self.outline = self.shown = None
        self.changed.emit()
        if not failure.is_ours:
            self.failed.emit(failure)
