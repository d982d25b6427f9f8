"""Ctrl-C takes effect at once, except in the middle of a write."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Hold SIGINT and SIGTERM back, save in the blocks that allow them.

    While an instance is entered, a signal outside `allowed` waits for the next such block, and there becomes
    `KeyboardInterrupt`. It is for the main thread alone, as Python's signals are.
    """

    def __init__(self) -> None:
        self._allowed = False
        self._pending = False

    def __enter__(self) -> Interrupts:
        self._before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
        for number, _ in self._before:
            signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._pending = True
        if self._allowed:
            raise KeyboardInterrupt

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let an interrupt end the block, also one that came before it."""
        self._allowed = True
        try:
            if self._pending:
                raise KeyboardInterrupt
            yield
        finally:
            self._allowed = False
