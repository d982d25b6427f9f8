"""The outline under the cursor: asked for where the mouse is now, one question at a time, never kept."""

from __future__ import annotations

from typing import Any

from qgis.PyQt.QtCore import QObject, pyqtSignal

from ..engine.client import Call, EngineClient
from ..engine.errors import Failure
from ..engine.frames import FrameCall, Frames
from ..sources.source import Source
from .at_hand import Outline, outline_of
from .shape import Shape


class Hover(QObject):
    """Previews.

    Args:
        frames: by which the engine is asked.

    Signals:
        shown: an `Outline` of what is under the cursor, and the `Source` that it is on.
        hidden: there is none.
        blind: nothing around the cursor is encoded yet.
    """

    shown = pyqtSignal(object, object)
    hidden = pyqtSignal()
    blind = pyqtSignal()

    def __init__(self, frames: Frames, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._frames = frames
        self._call: FrameCall | None = None
        self._next: tuple[Source, float, float, Shape, str | None] | None = None
        self.outline: Outline | None = None

    def move(self, source: Source, x: float, y: float, shape: Shape, model: str | None) -> None:
        """Ask for the outline at a place of a layer, as soon as the question before is answered."""
        self._next = (source, x, y, shape, model)
        if self._call is None:
            self._ask()

    def leave(self) -> None:
        """Show nothing any more."""
        self._next = None
        call, self._call = self._call, None
        if call is not None:
            call.abort()
        self._hide()

    def _ask(self) -> None:
        asked, self._next = self._next, None
        if asked is None or self._frames.engine.client is None:
            return
        source, x, y, shape, model = asked
        point = [x, -y if source.flipped else y]

        def call(client: EngineClient, frame_id: str) -> Call:
            question = {"frame": frame_id, "point": point, "options": shape.body(), "model": model}
            return client.post("/v1/preview", question)

        self._call = FrameCall(self._frames, source, call, patient=False, parent=self)
        self._call.answered.connect(lambda answer: self._on_answered(source, answer))
        self._call.failed.connect(self._on_failed)
        self._call.start()

    def _on_answered(self, source: Source, answer: dict[str, Any]) -> None:
        self._call = None
        if answer.get("segment") is not None:
            self.outline = outline_of(answer["segment"], source)
            self.shown.emit(self.outline, source)
        else:
            self._hide()
            if not answer.get("ready", True):
                self.blind.emit()
        self._ask()

    def _on_failed(self, failure: Failure) -> None:
        self._call = None
        if not failure.is_ours:
            self._hide()
        self._ask()

    def _hide(self) -> None:
        if self.outline is not None:
            self.outline = None
            self.hidden.emit()


class Warmer(QObject):
    """Has what is on screen encoded before the first click.

    Args:
        frames: by which the engine is asked.
    """

    def __init__(self, frames: Frames, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._frames = frames
        self._call: FrameCall | None = None
        self._sent: set[str] = set()
        frames.engine.lost.connect(self._sent.clear)

    def warm(
        self,
        source: Source,
        region: tuple[float, float, float, float],
        point: tuple[float, float] | None,
        model: str | None,
    ) -> None:
        """Ask for a region of a layer; a new wish replaces the one before.

        Args:
            source: the layer's image.
            region: xmin, ymin, xmax, ymax in the layer's coordinates.
            point: where the mouse is.
            model: None is the engine's own.
        """
        self.stop()
        sign = -1.0 if source.flipped else 1.0
        x0, y0, x1, y1 = region
        body = {
            "region": [x0, min(sign * y0, sign * y1), x1, max(sign * y0, sign * y1)],
            "point": None if point is None else [point[0], sign * point[1]],
            "model": model,
            "job": "warm",
        }

        def wish(client: EngineClient, frame_id: str) -> Call:
            return client.post("/v1/warm", {"frame": frame_id, **body})

        def send(client: EngineClient, frame_id: str) -> Call:
            pixels = source.at_once()
            if pixels is None:
                return wish(client, frame_id)
            return client.put(f"/v1/frames/{frame_id}/pixels?{pixels.query()}", pixels.data)

        def sent(_: dict[str, Any]) -> None:
            self._sent.add(source.key)
            self._start(FrameCall(self._frames, source, wish, patient=False, parent=self), self._forget)

        if source.uploads and source.key not in self._sent:
            self._start(FrameCall(self._frames, source, send, patient=False, parent=self), sent)
        else:
            self._start(FrameCall(self._frames, source, wish, patient=False, parent=self), self._forget)

    def _start(self, call: FrameCall, answered: Any) -> None:
        self._call = call
        call.answered.connect(answered)
        call.failed.connect(self._forget)
        call.start()

    def stop(self) -> None:
        """Give up a wish that has not been heard yet."""
        call, self._call = self._call, None
        if call is not None:
            call.abort()

    def _forget(self, _: Any = None) -> None:
        self._call = None
