"""The one thread in which models run: the most urgent work first, and less urgent work gives way to it.

Work comes in small units that can be done again from their beginning. A click interrupts a running unit of
less urgency at the next block of the network (`Worker.check` is called there); the unit is put back and taken
up again afterwards, so that neither warming nor a batch ever delays a click by more than one block.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeVar

from ros_sam_core.errors import Cancelled, Preempted, RosSamError

log = logging.getLogger(__name__)
Result = TypeVar("Result")


class Urgency(IntEnum):
    """What goes first."""

    CLICK = 0
    PREVIEW = 1
    BATCH = 2
    WARM = 3


class Ticket:
    """Lets whoever asked for work take it back."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.reason: RosSamError | None = None

    def cancel(self, reason: RosSamError | None = None) -> None:
        """Take the work back; what waits fails at once, what runs at the next block of the network."""
        if self.reason is None:
            self.reason = reason or Cancelled("cancelled, as asked")
            self._worker.drop(self)

    def check(self) -> None:
        """Raise the reason if the work was taken back."""
        if self.reason is not None:
            raise self.reason


@dataclass(order=True)
class _Unit:
    urgency: Urgency
    number: int
    work: Callable[[], Any] = field(compare=False)
    future: Future[Any] = field(compare=False)
    ticket: Ticket = field(compare=False)
    gives_way: bool = field(default=False, compare=False)
    begun: bool = field(default=False, compare=False)


class Worker:
    """A thread that does units of work in the order of their urgency, then of their coming.

    Args:
        environment: Entered by the thread as long as it lives.
    """

    def __init__(self, environment: AbstractContextManager[Any] | None = None) -> None:
        self._environment = environment or nullcontext()
        self._changed = threading.Condition()
        self._waiting: list[_Unit] = []
        self._running: _Unit | None = None
        self._numbers = itertools.count()
        self._closed = False
        self._interrupt: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def on_interrupt(self, interrupt: Callable[[], None]) -> None:
        """Have a function called, from any thread, when `check` begins to raise for the running unit."""
        self._interrupt = interrupt

    def ticket(self) -> Ticket:
        """Return a ticket for units that are taken back together."""
        return Ticket(self)

    def submit(self, work: Callable[[], Result], urgency: Urgency, ticket: Ticket) -> Future[Result]:
        """Have a unit of work done; it must be such that it can be begun again.

        Returns:
            Its result, or what it raised: the ticket's reason where it was taken back.
        """
        future: Future[Result] = Future()
        with self._changed:
            if self._closed:
                raise Cancelled("the engine is ending")
            heapq.heappush(self._waiting, _Unit(urgency, next(self._numbers), work, future, ticket))
            gives_way = urgency is Urgency.CLICK and self._running and self._running.urgency > urgency
            if self._running and gives_way:
                self._running.gives_way = True
            self._changed.notify()
        if gives_way:
            self._interrupt()
        return future

    def check(self, *_: Any) -> None:
        """Stop the running unit if it was taken back, or if a click waits; a hook for the model's modules.

        Raises:
            Preempted: To be put back and done again.
            RosSamError: The reason of the ticket.
        """
        unit = self._running
        if unit is None or threading.current_thread() is not self._thread:
            return
        unit.ticket.check()
        if unit.gives_way:
            raise Preempted("gave way to a click")

    def drop(self, ticket: Ticket) -> None:
        """Fail what waits under a ticket that was taken back."""
        with self._changed:
            dropped = [unit for unit in self._waiting if unit.ticket is ticket]
            self._waiting = [unit for unit in self._waiting if unit.ticket is not ticket]
            heapq.heapify(self._waiting)
            runs = self._running is not None and self._running.ticket is ticket
        if runs:
            self._interrupt()
        for unit in dropped:
            self._fail(unit, ticket.reason or Cancelled("cancelled, as asked"))

    def __len__(self) -> int:
        """Return how many units wait or run."""
        return len(self._waiting) + (self._running is not None)

    def close(self, timeout_s: float) -> bool:
        """Take no more work, fail what waits, and say whether the thread ended in time."""
        with self._changed:
            self._closed = True
            tickets = {unit.ticket for unit in self._waiting}
            if self._running is not None:
                tickets.add(self._running.ticket)
            self._changed.notify()
        for ticket in tickets:
            ticket.cancel(Cancelled("the engine is ending"))
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        with self._environment:
            while True:
                with self._changed:
                    self._running = None
                    while not self._waiting and not self._closed:
                        self._changed.wait()
                    if self._closed:
                        return
                    unit = self._running = heapq.heappop(self._waiting)
                    unit.gives_way = False
                self._do(unit)

    def _do(self, unit: _Unit) -> None:
        if not unit.begun and not unit.future.set_running_or_notify_cancel():
            return
        unit.begun = True
        try:
            unit.ticket.check()
            result = unit.work()
        except Preempted:
            with self._changed:
                if unit.ticket.reason is None and not self._closed:
                    heapq.heappush(self._waiting, unit)
                    return
            self._fail(unit, unit.ticket.reason or Cancelled("the engine is ending"))
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to who asked for the work
            self._fail(unit, error)
        else:
            unit.future.set_result(result)

    @staticmethod
    def _fail(unit: _Unit, error: BaseException) -> None:
        if unit.begun or unit.future.set_running_or_notify_cancel():
            unit.begun = True
            unit.future.set_exception(error)
