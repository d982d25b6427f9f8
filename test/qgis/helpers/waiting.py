"""Let QGIS's event loop run until something has happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from qgis.PyQt.QtCore import QCoreApplication, QEventLoop


def wait_until(condition: Callable[[], Any], seconds: float = 60.0, what: str = "") -> Any:
    """Process events until `condition` is true, and return what it returned.

    Raises:
        AssertionError: it stayed false.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        time.sleep(0.002)
    raise AssertionError(f"waited {seconds} s in vain{': ' + what if what else ''}")


def let_run(seconds: float) -> None:
    """Process events for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        time.sleep(0.002)


class Heard:
    """Remembers what a signal said."""

    def __init__(self, signal: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        signal.connect(lambda *arguments: self.calls.append(arguments))

    def __len__(self) -> int:
        return len(self.calls)

    def wait(self, count: int = 1, seconds: float = 60.0) -> tuple[Any, ...]:
        """Wait for the signal's `count`-th call and return its arguments."""
        wait_until(lambda: len(self.calls) >= count, seconds, f"{len(self.calls)} of {count} signals")
        return self.calls[count - 1]
