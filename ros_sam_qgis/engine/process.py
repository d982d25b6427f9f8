"""The engine's process: started, handed its token, listened to, ended. Nothing here blocks."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from qgis.PyQt.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, pyqtSignal

from ..i18n import tr
from .environment import sanitised
from .texts import text_of_error

STDERR_KEPT = 4000
"""Characters of the engine's last words that are kept for a message."""
END_MS = 3000
"""How long a process may take to end when its stdin ends, before it is killed."""
BAD_START = 2
"""Exit code of an engine that was started wrongly: the same start would fail again."""
SLOW_START_MS = 15_000
"""After this the user is told that the engine is still starting."""


@dataclass(frozen=True)
class Address:
    """Where an engine answers, and the token that it asks for."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Address({self.url!r}, token=...)"


@dataclass(frozen=True)
class Launch:
    """How to start an engine.

    Attributes:
        python: the interpreter that has `ros_sam_core`.
        model: name or path.
        device: "cpu", "cuda" or "mps".
        log: file that the engine logs to.
        prefix: folder of QGIS, whose libraries the engine must not load.
        module: what is run, after `python -m`.
        extra: more arguments.
    """

    python: str
    model: str = "ros-sam-tiny"
    device: str = "cpu"
    log: str = ""
    prefix: str = ""
    module: str = "ros_sam_core.engine"
    extra: Sequence[str] = ()

    @property
    def arguments(self) -> list[str]:
        """Everything behind the interpreter. `-I`: no user site, no PYTHON* variables, no current folder."""
        log = ["--log", self.log] if self.log else []
        mine = ["--model", self.model, "--device", self.device, "--parent-pid", str(os.getpid())]
        return ["-I", "-X", "utf8", "-m", self.module, *mine, *log, *self.extra]


class State(Enum):
    """Life of the process."""

    OFF = "off"
    STARTING = "starting"
    READY = "ready"
    ENDING = "ending"


class EngineProcess(QObject):
    """One run of the engine after the other.

    Signals:
        ready: the engine answers at an `Address`.
        slow: it has been starting for a while.
        ended: it is gone without having been asked to; str says why, bool whether another try makes sense.
    """

    ready = pyqtSignal(object)
    slow = pyqtSignal()
    ended = pyqtSignal(str, bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state = State.OFF
        self.pid = 0
        self._process: QProcess | None = None
        self._token = ""
        self._refusal = ""
        self._stderr = ""
        self._slow = QTimer(self)
        self._slow.setSingleShot(True)
        self._slow.setInterval(SLOW_START_MS)
        self._slow.timeout.connect(self.slow)

    def start(self, launch: Launch) -> None:
        """Start a process with a new token; does nothing while one runs."""
        if self.state is not State.OFF:
            return
        self._token = secrets.token_urlsafe(32)
        self._refusal = self._stderr = ""
        self.state = State.STARTING
        process = self._process = QProcess(self)
        environment = QProcessEnvironment()
        for name, value in sanitised(os.environ, launch.prefix).items():
            environment.insert(name, value)
        process.setProcessEnvironment(environment)
        process.readyReadStandardOutput.connect(self._read_stdout)
        process.readyReadStandardError.connect(self._read_stderr)
        process.started.connect(self._hand_over_token)
        process.errorOccurred.connect(self._on_error)
        process.finished.connect(self._on_finished)
        self._slow.start()
        process.start(launch.python, launch.arguments)

    def stop(self, wait_ms: int = END_MS) -> None:
        """End the process: its stdin ends, and if it does not follow in time it is killed.

        Args:
            wait_ms: how long to wait for its end; the only place that waits, for QGIS's own end.
        """
        process = self._process
        if process is None:
            return
        self.state = State.ENDING
        process.closeWriteChannel()
        if not process.waitForFinished(wait_ms):
            process.kill()
            process.waitForFinished(1000)
        self._forget()

    def _hand_over_token(self) -> None:
        assert self._process is not None
        self.pid = int(self._process.processId())
        self._process.write(json.dumps({"token": self._token}).encode() + b"\n")

    def _read_stdout(self) -> None:
        while self._process is not None and self._process.canReadLine():
            line = bytes(self._process.readLine()).decode("utf-8", "replace")
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if not isinstance(event, dict):
                continue
            if event.get("event") == "ready" and self.state is State.STARTING:
                self._slow.stop()
                self.state = State.READY
                self.ready.emit(Address(f"http://{event['host']}:{event['port']}", self._token))
            elif event.get("event") == "failed":
                error = event.get("error")
                self._refusal = text_of_error(error) if isinstance(error, dict) else str(error)

    def _read_stderr(self) -> None:
        if self._process is not None:
            text = bytes(self._process.readAllStandardError()).decode("utf-8", "replace")
            self._stderr = (self._stderr + text)[-STDERR_KEPT:]

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart and self._process is not None:
            program, why = self._process.program(), self._process.errorString()
            text = tr("{program} could not be started: {why}")
            self._end(text.format(program=program, why=why), False)

    def _on_finished(self, code: int, status: QProcess.ExitStatus) -> None:
        if self._process is None or self.state is State.ENDING:
            return
        self._read_stdout()
        self._read_stderr()
        if self._refusal:
            self._end(self._refusal, False)
            return
        normal = status == QProcess.ExitStatus.NormalExit
        how = tr("exit code {code}").format(code=code) if normal else tr("it crashed or was killed")
        why = f"{tr('The engine ended ({how}).').format(how=how)} {_gist(self._stderr)}".strip()
        hopeless = (normal and code == BAD_START) or "No module named" in self._stderr
        self._end(why, not hopeless)

    def _end(self, why: str, again: bool) -> None:
        self._forget()
        self.ended.emit(why, again)

    def _forget(self) -> None:
        self._slow.stop()
        process, self._process = self._process, None
        self.state, self.pid = State.OFF, 0
        if process is not None:
            process.blockSignals(True)
            process.deleteLater()


def _gist(stderr: str) -> str:
    """Return the last two lines that say something, without the frame that a terminal gets."""
    lines = [line.strip("│╭╮╰╯─ \t\r") for line in stderr.splitlines()]
    return " ".join([line for line in lines if line][-2:])
