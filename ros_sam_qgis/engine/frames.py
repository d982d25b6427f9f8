"""Calls about a source: it is registered first, and its pixels are sent where the engine misses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from ..sources.source import Pixels, Source, SourceError, Window
from .client import Call, EngineClient
from .engine import Engine
from .errors import Failure

ASK_AGAIN = 12
"""Registrations and uploads in a row after which a call is given up."""
RETRY_MS = 1000

Ask = Callable[[EngineClient, str], Call]
"""Makes a call about a frame, given its id."""


class Frames:
    """The frames that the running engine knows, by the key of their source.

    Args:
        engine: whose frames they are. An engine that was lost knows none.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._ids: dict[str, str] = {}
        engine.lost.connect(self._ids.clear)

    def get(self, source: Source) -> str | None:
        """Return the id of a source, if it is registered."""
        return self._ids.get(source.key)

    def put(self, source: Source, frame_id: str) -> None:
        """Remember an id."""
        self._ids[source.key] = frame_id

    def forget(self, source: Source) -> None:
        """Forget the id that the engine does not know any more."""
        self._ids.pop(source.key, None)


class FrameCall(QObject):
    """One question about one source, asked until it is answered.

    It survives the engine: if that is lost, the question is asked again as soon as there is one.

    Args:
        frames: what is registered.
        source: what the question is about.
        ask: asks it.
        patient: wait for an engine that is not there yet, or not any more; otherwise `failed` comes at once.

    Signals:
        answered: the engine's answer.
        failed: a `Failure`; for a patient call never `CONNECTION_LOST`.
    """

    answered = pyqtSignal(dict)
    failed = pyqtSignal(object)

    def __init__(
        self, frames: Frames, source: Source, ask: Ask, patient: bool = True, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._frames, self._source, self._ask_frame, self._patient = frames, source, ask, patient
        self._call: Call | None = None
        self._over = False
        self._again = self._turn = 0
        frames.engine.reachable.connect(self._on_reachable)
        frames.engine.lost.connect(self._on_lost)

    def start(self) -> FrameCall:
        """Begin; answers come later."""
        if self._frames.engine.client is not None:
            self._prepare()
        elif self._patient:
            self._frames.engine.start()
        else:
            self._fail(Failure("ConnectionLost", "the engine is not running"))
        return self

    def abort(self) -> None:
        """Give the question up; no signal comes any more."""
        if not self._over:
            self._finish()

    def _prepare(self) -> None:
        self._turn += 1
        turn = self._turn
        self._source.prepare(lambda: self._register(turn), self._fail_reading)

    def _register(self, turn: int) -> None:
        client = self._frames.engine.client
        if self._over or turn != self._turn or client is None:
            return
        if self._frames.get(self._source) is not None:
            self._ask()
            return
        try:
            body = self._source.registration()
        except SourceError as error:
            self._fail(Failure(type(error).__name__, str(error)))
            return
        self._send(client.post("/v1/frames", body), self._on_registered)

    def _on_registered(self, answer: dict[str, Any]) -> None:
        if self._source.accept(answer):
            self._frames.put(self._source, answer["frame_id"])
            self._ask()
        else:
            self._prepare()

    def _ask(self) -> None:
        client, frame_id = self._frames.engine.client, self._frames.get(self._source)
        if not self._over and client is not None and frame_id is not None:
            self._send(self._ask_frame(client, frame_id), self._on_answered)

    def _on_answered(self, answer: dict[str, Any]) -> None:
        self._finish()
        self.answered.emit(answer)

    def _fetch(self, window: Window) -> None:
        turn = self._turn
        self._source.fetch(window, lambda pixels: self._upload(turn, pixels), self._fail_reading)

    def _upload(self, turn: int, pixels: Pixels) -> None:
        client, frame_id = self._frames.engine.client, self._frames.get(self._source)
        if self._over or turn != self._turn or client is None:
            return
        if frame_id is None:
            self._prepare()
            return
        path = f"/v1/frames/{frame_id}/pixels?{pixels.query()}"
        self._send(client.put(path, pixels.data), lambda _: self._ask())

    def _send(self, call: Call, answered: Callable[[dict[str, Any]], None]) -> None:
        def take(answer: dict[str, Any]) -> None:
            self._call = None
            answered(answer)

        self._call = call
        call.answered.connect(take)
        call.failed.connect(self._on_failed)

    def _on_failed(self, failure: Failure) -> None:
        self._call = None
        self._again += 1
        if failure.is_lost and self._patient and self._again < ASK_AGAIN:
            # The engine has ended, and `reachable` follows; or the network has failed this one call only.
            QTimer.singleShot(RETRY_MS, self._on_reachable)
        elif failure.type == "FrameUnknown" and self._again < ASK_AGAIN:
            self._frames.forget(self._source)
            self._prepare()
        elif failure.type == "PixelsMissing" and self._patient and self._again < ASK_AGAIN:
            x0, y0, width, height = (int(value) for value in failure.details["window"])
            self._fetch((x0, y0, width, height))
        elif self._frames.get(self._source) is None and self._source.refuse(failure.type):
            self._prepare()
        else:
            self._fail(failure)

    def _on_reachable(self) -> None:
        if not self._over and self._call is None and self._frames.engine.client is not None:
            self._prepare()

    def _on_lost(self) -> None:
        self._call = None
        if not self._patient and not self._over:
            self._fail(Failure("ConnectionLost", "the engine was lost"))

    def _fail_reading(self, why: str) -> None:
        self._fail(Failure("SourceUnreadable", why))

    def _fail(self, failure: Failure) -> None:
        if not self._over:
            self._finish()
            self.failed.emit(failure)

    def _finish(self) -> None:
        self._over = True
        call, self._call = self._call, None
        if call is not None:
            call.abort()
        self._frames.engine.reachable.disconnect(self._on_reachable)
        self._frames.engine.lost.disconnect(self._on_lost)
        self.deleteLater()
