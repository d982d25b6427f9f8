"""How long QGIS's event loop stood still."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from qgis.PyQt.QtCore import QEventLoop, Qt, QTimer

TICK_MS = 1
CHECK_MS = 5


class Pulse:
    """A timer that should tick every millisecond, and the longest time that it did not.

    Attributes:
        longest_ms: between two ticks, since it was last set.
    """

    def __init__(self) -> None:
        self.longest_ms = 0.0
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)

    def during(self, action: Callable[[], Any], condition: Callable[[], Any], seconds: float) -> float:
        """Run an event loop in which an action happens, until a condition is true.

        Returns:
            The longest block, in milliseconds.
        """
        loop = QEventLoop()
        check = QTimer()
        check.setInterval(CHECK_MS)
        check.timeout.connect(lambda: loop.quit() if condition() else None)
        end = QTimer()
        end.setSingleShot(True)
        end.timeout.connect(lambda: loop.exit(1))
        self.longest_ms, self._last = 0.0, time.perf_counter()
        self._timer.start()
        QTimer.singleShot(20, action)
        QTimer.singleShot(40, check.start)
        end.start(int(1000 * seconds))
        failed = loop.exec()
        self._timer.stop()
        assert not failed, f"waited {seconds} s in vain"
        return self.longest_ms

    def _tick(self) -> None:
        now = time.perf_counter()
        self.longest_ms = max(self.longest_ms, 1000 * (now - self._last))
        self._last = now
