"""Work off the main thread, so that the canvas stays alive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qgis.core import QgsApplication, QgsMessageLog, QgsTask
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QObject

_running: set[Any] = set()
"""Tasks under way: Python must hold them as long as QGIS runs them."""


class _Task(QgsTask):
    """Runs a function and hands its result, or its exception, to the main thread."""

    def __init__(
        self,
        title: str,
        work: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[str], None],
        expected: tuple[type[Exception], ...],
        owner: QObject | None,
    ) -> None:
        super().__init__(title, QgsTask.Flag.CanCancel)
        self._work, self._done, self._failed, self._expected = work, done, failed, expected
        self._owner = owner
        self._result: Any = None
        self._error = ""

    def run(self) -> bool:
        try:
            self._result = self._work()
        except self._expected as error:
            self._error = str(error)
            return False
        return True

    def finished(self, good: bool) -> None:
        _running.discard(self)
        if self.isCanceled() or (self._owner is not None and sip.isdeleted(self._owner)):
            return
        if good:
            self._done(self._result)
        else:
            self._failed(self._error or f"{self.description()} failed")


def run_in_background(
    title: str,
    work: Callable[[], Any],
    done: Callable[[Any], None],
    failed: Callable[[str], None],
    expected: tuple[type[Exception], ...] = (OSError, ValueError),
    owner: QObject | None = None,
) -> None:
    """Run a function in another thread; one of two others follows on the main thread.

    Args:
        title: what QGIS's task list says.
        work: must not touch widgets, layers or the project.
        done: takes what `work` returned.
        failed: takes the message of an expected exception.
        expected: exceptions that are part of life.
        owner: whose the two others are; nobody is told once Qt has deleted it.
    """
    task = _Task(title, work, done, failed, expected, owner)
    _running.add(task)
    QgsApplication.taskManager().addTask(task)


def log(message: str, level: Any) -> None:
    """Write to QGIS's log panel."""
    QgsMessageLog.logMessage(message, "ROS-SAM", level, notifyUser=False)
