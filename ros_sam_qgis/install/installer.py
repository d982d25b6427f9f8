"""Runs the steps that build the engine's environment: in the background, cancellable, to be gone on with."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from typing import Any

from qgis.PyQt.QtCore import QObject, QProcess, QProcessEnvironment, pyqtSignal

from ..engine.environment import sanitised
from ..i18n import tr
from ..settings import store as settings
from .plan import Step, Variant, find_wheel, plan
from .proxy import proxy_environment

MADE, READY = "made", "ready.json"
"""Files in an environment: it has pip; it has everything."""
ROOM_MB = {Variant.ONNX: 1500, Variant.CPU: 3000, Variant.CUDA: 9000}
"""Free space that the environment and pip's downloads need."""
SAYS_WHAT = re.compile(r"^\s*(Collecting|Downloading|Installing collected packages:?|Using cached)\s*(.*)")


class Installer(QObject):
    """Builds one environment.

    Signals:
        begun: the environment is about to be changed.
        progressed: percent, and what is being done.
        logged: a line of output.
        finished: whether it worked, and what to tell the user.
    """

    begun = pyqtSignal()
    progressed = pyqtSignal(int, str)
    logged = pyqtSignal(str)
    finished = pyqtSignal(bool, str)

    def __init__(self, folder: str = "", prefix: str = "", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folder = folder or settings.environment_folder()
        self._prefix = prefix
        self._steps: list[Step] = []
        self._tries: list[list[str]] = []
        self._done = 0
        self._tail: list[str] = []
        self._process: QProcess | None = None
        self._log: Any = None
        self._facts: dict[str, Any] = {}
        self.variant = Variant.ONNX

    @property
    def is_running(self) -> bool:
        """Whether it is at work."""
        return self._process is not None

    @property
    def is_ready(self) -> bool:
        """Whether the environment was built to its end."""
        return os.path.exists(os.path.join(self.folder, READY))

    def start(self, base: str, variant: Variant, clear: bool, wheel: str = "") -> None:
        """Begin, or go on where the last attempt stopped.

        Args:
            base: interpreter that makes the environment.
            variant: what computes.
            clear: throw away what is there.
            wheel: of the engine; by default the one that came with the plugin.

        Raises:
            NoWheel: this copy of the plugin brings none.
        """
        wheel = wheel or find_wheel()
        self.variant = variant
        os.makedirs(os.path.dirname(self.folder), exist_ok=True)
        free = shutil.disk_usage(os.path.dirname(self.folder)).free // 2**20
        if free < ROOM_MB[variant]:
            text = tr("{need} MB are needed in {folder}, {free} MB are free.")
            self.finished.emit(False, text.format(need=ROOM_MB[variant], folder=self.folder, free=free))
            return
        if os.path.exists(os.path.join(self.folder, READY)):
            os.remove(os.path.join(self.folder, READY))
        self.begun.emit()
        python = settings.environment_python(self.folder)
        begun = os.path.exists(os.path.join(self.folder, MADE))
        self._steps = plan(base, self.folder, python, wheel, variant, clear or not begun)
        self._facts = {"variant": variant.value, "wheel": os.path.basename(wheel), "base": base}
        self._done = 0
        self._log = open(self.log_path, "a", encoding="utf-8")  # noqa: SIM115 - closed in _end
        self._say(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {self._facts}")
        if begun and not clear:
            self._next()
        else:
            self._begin()

    @property
    def log_path(self) -> str:
        """The file that takes all output."""
        return f"{self.folder}.log"

    def cancel(self) -> None:
        """Stop; what was downloaded and installed stays, and the next start goes on with it."""
        if self._process is not None:
            self._end(False, tr("Cancelled. What was fetched is kept; set up again to go on."))

    def _begin(self) -> None:
        step = self._steps[0]
        self._tries = [step.command, *step.instead]
        self._run()

    def _next(self) -> None:
        self._done += self._steps.pop(0).share
        with open(os.path.join(self.folder, MADE), "w", encoding="utf-8"):
            pass
        if self._steps:
            self._begin()
        else:
            with open(os.path.join(self.folder, READY), "w", encoding="utf-8") as file:
                json.dump({**self._facts, "date": time.strftime("%Y-%m-%d")}, file)
            self._end(True, tr("The engine is set up."))

    def _run(self) -> None:
        step, command = self._steps[0], self._tries.pop(0)
        self._tail = []
        self.progressed.emit(self._done, step.title)
        self._say(f"$ {' '.join(command)}")
        process = self._process = QProcess(self)
        environment = QProcessEnvironment()
        wanted = {**sanitised(os.environ, self._prefix), **proxy_environment()}
        for name, value in wanted.items():
            environment.insert(name, value)
        process.setProcessEnvironment(environment)
        process.setProcessChannelMode(QProcess.ProcessChannelMode.MergedChannels)
        process.setStandardInputFile(QProcess.nullDevice())
        process.readyReadStandardOutput.connect(self._read)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        process.start(command[0], command[1:])

    def _read(self) -> None:
        while self._process is not None and self._process.canReadLine():
            self._hear(bytes(self._process.readLine()).decode("utf-8", "replace").rstrip())

    def _hear(self, line: str) -> None:
        self._say(line)
        self._tail = [*self._tail, line][-8:]
        told = SAYS_WHAT.match(line)
        if told and self._steps:
            self.progressed.emit(self._done, f"{self._steps[0].title}: {told[2][:60]}")

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart and self._process is not None:
            text = tr("{program} could not be started: {why}")
            program, why = self._process.program(), self._process.errorString()
            self._end(False, text.format(program=program, why=why))

    def _on_finished(self, code: int, status: QProcess.ExitStatus) -> None:
        if self._process is None:
            return
        self._read()
        self._hear(bytes(self._process.readAllStandardOutput()).decode("utf-8", "replace").rstrip())
        self._drop_process()
        if status == QProcess.ExitStatus.NormalExit and code == 0:
            self._next()
        elif self._tries:
            self._run()
        else:
            text = tr("{step} failed: {why} The whole output is in {log}; set up again to go on.")
            why = next((line for line in reversed(self._tail) if "error" in line.lower()), "")
            why = why or " ".join(self._tail[-2:])
            self._end(False, text.format(step=self._steps[0].title, why=why.strip(), log=self.log_path))

    def _drop_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.blockSignals(True)
            process.deleteLater()

    def _end(self, good: bool, text: str) -> None:
        process = self._process
        if process is not None and process.state() != QProcess.ProcessState.NotRunning:
            process.blockSignals(True)
            process.kill()
            process.waitForFinished(2000)
        self._drop_process()
        self._say(text)
        if self._log is not None:
            self._log.close()
            self._log = None
        self.progressed.emit(100 if good else 0, text)
        self.finished.emit(good, text)

    def _say(self, line: str) -> None:
        if self._log is not None:
            self._log.write(line + "\n")
            self._log.flush()
        self.logged.emit(line)
