"""The engine as the rest of the plugin sees it: started when needed, watched, restarted after a crash."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from enum import Enum
from typing import Any, Union

from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from ..i18n import tr
from . import running
from .client import Call, EngineClient
from .errors import EngineNotConfigured, Failure
from .process import Address, EngineProcess, Launch
from .texts import text_of_error

Choice = Union[Launch, Address]
"""An engine to start here, or one that runs on another machine."""

API = 1
CRASHES = 3
"""So many crashes within `CRASH_WINDOW_S` and the engine is not started again by itself."""
CRASH_WINDOW_S = 60.0
RESTART_MS = (0, 1000, 4000)
"""How long to wait before the first, second, third restart within the window."""
HEARTBEAT_MS = 10_000
LOADING_MS = 400
SILENCE_S = 60.0
"""A running engine that answers no heartbeat for so long is ended and started again."""


class Status(Enum):
    """What the user is told about the engine."""

    OFF = "off"
    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"


class Engine(QObject):
    """Keeps one engine reachable.

    Args:
        choose: says which engine to use; asked at every start.

    Signals:
        status_changed: a `Status`, and what there is to say about it.
        reachable: calls are answered now; after a restart too. Where the model could not be opened the answer
            is why.
        lost: calls under way will not be answered; `reachable` follows if the engine comes back.
        models_changed: it has other models than before.
    """

    status_changed = pyqtSignal(object, str)
    reachable = pyqtSignal()
    lost = pyqtSignal()
    models_changed = pyqtSignal()

    def __init__(self, choose: Callable[[], Choice], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.status = Status.OFF
        self.health: dict[str, Any] = {}
        self.client: EngineClient | None = None
        self._choose = choose
        self._crashes: list[float] = []
        self._heard = 0.0
        self._is_new = True
        self._beat: Call | None = None
        self._process = EngineProcess(self)
        self._process.ready.connect(self._on_address)
        self._process.ended.connect(self._on_ended)
        self._process.slow.connect(self._on_slow)
        self._restart = QTimer(self)
        self._restart.setSingleShot(True)
        self._restart.timeout.connect(self.start)
        self._heartbeat = QTimer(self)
        self._heartbeat.timeout.connect(self._ask_health)

    @property
    def pid(self) -> int:
        """Process id of an engine that this one started; 0 if there is none."""
        return self._process.pid

    @property
    def opens_rasters(self) -> bool:
        """Whether the engine reads files by name: it runs here, or was given folders of its own."""
        return self.client is not None and self.client.is_local and self.health.get("sources") != "none"

    def start(self) -> None:
        """Make the engine reachable, unless it is or is about to be."""
        if self.client is not None or self.status in (Status.STARTING, Status.LOADING):
            return
        self._restart.stop()
        try:
            choice = self._choose()
        except EngineNotConfigured as error:
            self._say(Status.FAILED, str(error))
            return
        self._say(Status.STARTING, "")
        if isinstance(choice, Launch):
            self._process.start(choice)
        else:
            self._on_address(choice)

    def stop(self) -> None:
        """End the engine that this one started, and forget the address."""
        self._restart.stop()
        self._disconnect()
        self._process.stop()
        self._say(Status.OFF, "")

    def restart(self) -> None:
        """Start afresh, as after a change of settings; earlier crashes are forgiven."""
        self._crashes.clear()
        self.stop()
        self.start()

    def _on_address(self, address: Address) -> None:
        self.client = EngineClient(address, self)
        running.address = address
        self._is_new = True
        self._heard = time.monotonic()
        self._heartbeat.start(LOADING_MS)
        self._ask_health()

    def _ask_health(self) -> None:
        if self.client is None:
            return
        if self._beat is not None:
            if time.monotonic() - self._heard > SILENCE_S:
                self._lose(tr("The engine no longer answers."))
            return
        self._beat = self.client.get("/v1/health")
        self._beat.answered.connect(self._on_health)
        self._beat.failed.connect(self._on_silence)

    def _on_health(self, health: dict[str, Any]) -> None:
        self._beat = None
        self._heard = time.monotonic()
        self.health = health
        if health.get("api") != API:
            text = tr("The engine speaks API {theirs}, this plugin {ours}: bring both to the same version.")
            self._give_up(text.format(theirs=health.get("api"), ours=API))
            return
        self._tell(health.get("model") or {})
        if self._is_new:
            self._is_new = False
            self.reachable.emit()

    def _tell(self, model: dict[str, Any]) -> None:
        """Say how the model is that the engine was started with."""
        state = model.get("state")
        self._heartbeat.setInterval(HEARTBEAT_MS if state in ("ready", "failed") else LOADING_MS)
        if state == "failed":
            why = text_of_error(model.get("error") or {})
            self._say(Status.FAILED, why or tr("The model could not be loaded."))
        else:
            self._say(Status.READY if state == "ready" else Status.LOADING, str(model.get("name", "")))

    def _on_silence(self, failure: Failure) -> None:
        self._beat = None
        if not failure.is_lost:
            self._give_up(failure.text)
        elif self._process.pid == 0 and self.client is not None:
            text = tr("No engine answers at {address}: {why}")
            self._lose(text.format(address=self.client.address.url, why=failure.message))
        # A process of ours that has just ended says so itself; one that hangs is found by its silence.

    def _on_slow(self) -> None:
        self._say(Status.STARTING, tr("The engine is taking long to start."))

    def _on_ended(self, why: str, again: bool) -> None:
        gone = self._what_is_gone() if again else why
        if gone:
            self._give_up(gone)
        else:
            self._lose(why)

    def _what_is_gone(self) -> str:
        """Say why another start makes no sense: the environment was deleted under the running engine."""
        try:
            choice = self._choose()
        except EngineNotConfigured as error:
            return str(error)
        if isinstance(choice, Launch) and os.path.isabs(choice.python) and not os.path.exists(choice.python):
            text = tr("The engine ended, and its Python is gone: {python}. Set the engine up again.")
            return text.format(python=choice.python)
        return ""

    def _lose(self, why: str) -> None:
        """Go on after a crash: start again, later and later, and in the end not any more."""
        self._disconnect()
        self._process.stop(0)
        now = time.monotonic()
        self._crashes = [at for at in self._crashes if now - at < CRASH_WINDOW_S] + [now]
        if len(self._crashes) > CRASHES:
            self._say(Status.FAILED, why)
            return
        self._say(Status.RESTARTING, why)
        self._restart.start(RESTART_MS[len(self._crashes) - 1])

    def _give_up(self, why: str) -> None:
        self._disconnect()
        self._process.stop(0)
        self._say(Status.FAILED, why)

    def _disconnect(self) -> None:
        self._heartbeat.stop()
        if self._beat is not None:
            self._beat.abort()
            self._beat = None
        client, self.client = self.client, None
        running.address = None
        if client is not None:
            self.lost.emit()
            client.deleteLater()

    def _say(self, status: Status, text: str) -> None:
        if (status, text) != (self.status, getattr(self, "_text", None)):
            self.status, self._text = status, text
            self.status_changed.emit(status, text)
