"""Work off the main thread, so that the canvas stays alive; and on it, where layers and the project live."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from qgis.core import QgsApplication, QgsMessageLog, QgsTask
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QObject, QThread, QThreadPool, pyqtSignal, pyqtSlot

from .i18n import tr

T = TypeVar("T")
WAIT_S = 5.0
"""How long a thread waits for the main one, which may be waiting for that thread itself."""

END_MS = 1000
"""How long threads may take to end before QGIS goes on without them."""

_running: set[Any] = set()
"""Tasks under way: Python must hold them as long as QGIS runs them."""


def keep_threads() -> None:
    """Have the threads of QGIS's tasks and pictures live as long as QGIS, not for half an idle minute.

    In QGIS 3.22 what PROJ knows of a CRS belongs to the thread that met it first, and is gone with that
    thread in the whole process: the CRS still calls itself valid, but has no definition, transforms nothing,
    and files are written without it. So this is not undone when the plugin goes.
    """
    for pool in pools():
        pool.setExpiryTimeout(-1)


def let_threads_end() -> None:
    """End the threads that are idle while what they clean up is still there, which QGIS's end takes away."""
    for pool in pools():
        pool.waitForDone(END_MS)


def pools() -> list[QThreadPool]:
    """Return where QGIS draws and where its tasks run; in 3.22 that is one."""
    own = getattr(QgsApplication.taskManager(), "threadPool", None)
    return [QThreadPool.globalInstance(), *([] if own is None else [own()])]


class _Task(QgsTask):
    """Runs a function and hands its result, or its exception, to the main thread."""

    def __init__(
        self,
        title: str,
        work: Callable[..., Any],
        done: Callable[[Any], None],
        failed: Callable[[str], None],
        expected: tuple[type[Exception], ...],
        owner: QObject | None,
        steered: bool,
    ) -> None:
        # Who cancels what does not look for it would only leave those who wait without an answer.
        super().__init__(title, QgsTask.Flag.CanCancel if steered else QgsTask.Flag.CancelWithoutPrompt)
        self._steered = steered
        self._work, self._done, self._failed, self._expected = work, done, failed, expected
        self._owner = owner
        self._result: Any = None
        self._error = ""

    def run(self) -> bool:
        try:
            self._result = self._work(self.setProgress, self.isCanceled) if self._steered else self._work()
        except self._expected as error:
            self._error = str(error)
            return False
        return True

    def give_up(self, *_: object) -> None:
        """Cancel: there is nobody any more who waits."""
        self.cancel()

    def finished(self, good: bool) -> None:
        _running.discard(self)
        if self.isCanceled() or (self._owner is not None and sip.isdeleted(self._owner)):
            return
        if good:
            self._done(self._result)
        else:
            self._failed(self._error or tr("{task} failed.").format(task=self.description()))


def run_in_background(
    title: str,
    work: Callable[..., Any],
    done: Callable[[Any], None],
    failed: Callable[[str], None],
    expected: tuple[type[Exception], ...] = (OSError, ValueError),
    owner: QObject | None = None,
    steered: bool = False,
) -> None:
    """Run a function in another thread; one of two others follows on the main thread.

    Args:
        title: what QGIS's task list says.
        work: must not touch widgets, the project or layers, but for those that it makes and moves to the main
            thread.
        done: takes what `work` returned.
        failed: takes the message of an expected exception.
        expected: exceptions that are part of life.
        owner: whose the two others are; once Qt has deleted it the work is cancelled and nobody is told.
        steered: `work` takes a function for its progress, 0 to 100, and one that tells whether to stop.
    """
    keep_threads()
    task = _Task(title, work, done, failed, expected, owner, steered)
    if owner is not None:
        owner.destroyed.connect(task.give_up)
    _running.add(task)
    QgsApplication.taskManager().addTask(task)


class _MainThread(QObject):
    """Lives in the main thread, and calls there what it is given from others."""

    asked = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self.asked.connect(self._call)
        self.moveToThread(QgsApplication.instance().thread())

    @pyqtSlot(object)
    def _call(self, work: Callable[[], None]) -> None:
        work()


@cache
def _main_thread() -> _MainThread:
    return _MainThread()


def on_main_thread() -> bool:
    """Return whether the caller is on the main thread."""
    return bool(QThread.currentThread() == QgsApplication.instance().thread())


def call_on_main_thread(work: Callable[[], None]) -> None:
    """Have a function called on the main thread, soon, and do not wait for it.

    Args:
        work: must deal with its own errors.
    """
    _main_thread().asked.emit(work)


def read_where_it_lives(layer: QObject, read: Callable[[], T]) -> T:
    """Read a layer on the main thread if it lives there, and wait for what was read.

    Args:
        layer: which no other thread may read while the main one draws or changes it.
        read: must only read. It is called here if the main thread does not come to it in time.

    Returns:
        What `read` returns; its exceptions are raised here.
    """
    if on_main_thread() or layer.thread() != QgsApplication.instance().thread():
        return read()
    answers: list[tuple[T | None, Exception | None]] = []
    answered = threading.Event()

    def there() -> None:
        try:
            answers.append((read(), None))
        except Exception as error:  # noqa: BLE001 - raised again by the thread that asked
            answers.append((None, error))
        answered.set()

    call_on_main_thread(there)
    if not answered.wait(WAIT_S):
        return read()
    value, error = answers[0]
    if error is not None:
        raise error
    return value  # type: ignore[return-value]


def log(message: str, level: Any) -> None:
    """Write to QGIS's log panel."""
    QgsMessageLog.logMessage(message, "ROS-SAM", level, notifyUser=False)
