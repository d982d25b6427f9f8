"""The worker: the most urgent first, less urgent work gives way, and everything can be taken back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ros_sam_core.engine.worker import Ticket, Urgency, Worker
from ros_sam_core.errors import Cancelled, Superseded


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    worker.start()
    yield worker
    assert worker.close(10)


def block(
    worker: Worker, urgency: Urgency = Urgency.WARM
) -> tuple[threading.Event, Ticket, Callable[[], int]]:
    """Start work that checks, as a network does, until it is released; returns how often it began, too."""
    release, began, ticket = threading.Event(), [0], worker.ticket()

    def work() -> None:
        began[0] += 1
        while not release.is_set():
            worker.check()
            time.sleep(0.001)

    worker.submit(work, urgency, ticket)
    while not began[0]:
        time.sleep(0.001)
    return release, ticket, lambda: began[0]


def test_the_most_urgent_goes_first_then_the_first_come(worker: Worker) -> None:
    release, _, _ = block(worker, Urgency.CLICK)
    done: list[str] = []
    order = [
        ("w", Urgency.WARM),
        ("b1", Urgency.BATCH),
        ("p", Urgency.PREVIEW),
        ("b2", Urgency.BATCH),
        ("c", Urgency.CLICK),
    ]
    futures = [
        worker.submit(lambda name=name: done.append(name), urgency, worker.ticket())
        for name, urgency in order
    ]
    assert len(worker) == 6
    release.set()
    for future in futures:
        future.result(10)
    assert done == ["c", "p", "b1", "b2", "w"]


@pytest.mark.parametrize("urgency", [Urgency.WARM, Urgency.BATCH, Urgency.PREVIEW])
def test_a_click_interrupts_less_urgent_work_which_is_taken_up_again(
    worker: Worker, urgency: Urgency
) -> None:
    release, _, began = block(worker, urgency)
    assert worker.submit(lambda: "clicked", Urgency.CLICK, worker.ticket()).result(10) == "clicked"
    deadline = time.monotonic() + 10
    while began() < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert began() == 2
    release.set()


def test_a_click_is_not_interrupted(worker: Worker) -> None:
    release, _, began = block(worker, Urgency.CLICK)
    second = worker.submit(lambda: None, Urgency.CLICK, worker.ticket())
    time.sleep(0.05)
    assert not second.done() and began() == 1
    release.set()
    second.result(10)


def test_what_waits_fails_at_once_and_what_runs_at_its_next_check(worker: Worker) -> None:
    _, running, _ = block(worker)
    waiting = worker.ticket()
    future = worker.submit(lambda: None, Urgency.WARM, waiting)
    waiting.cancel(Superseded("something newer"))
    with pytest.raises(Superseded, match="something newer"):
        future.result(0)
    running.cancel()
    assert worker.submit(lambda: 1, Urgency.WARM, worker.ticket()).result(10) == 1
    with pytest.raises(Cancelled):
        worker.submit(lambda: 1, Urgency.WARM, running).result(10)


def test_an_error_belongs_to_who_asked(worker: Worker) -> None:
    with pytest.raises(ZeroDivisionError):
        worker.submit(lambda: 1 // 0, Urgency.CLICK, worker.ticket()).result(10)
    assert worker.submit(lambda: 1, Urgency.CLICK, worker.ticket()).result(10) == 1


def test_a_waiter_that_left_costs_no_work(worker: Worker) -> None:
    release, _, _ = block(worker)
    left = worker.submit(lambda: pytest.fail("nobody waits for this"), Urgency.WARM, worker.ticket())
    left.cancel()
    release.set()
    assert worker.submit(lambda: 1, Urgency.WARM, worker.ticket()).result(10) == 1


def test_closing_cancels_everything() -> None:
    worker = Worker()
    worker.start()
    block(worker)
    waiting = worker.submit(lambda: None, Urgency.WARM, worker.ticket())
    assert worker.close(10)
    with pytest.raises(Cancelled, match="ending"):
        waiting.result(0)
    with pytest.raises(Cancelled, match="ending"):
        worker.submit(lambda: None, Urgency.CLICK, worker.ticket())


def test_work_that_does_not_check_is_left_behind() -> None:
    worker, release, begun = Worker(), threading.Event(), threading.Event()
    worker.start()
    worker.submit(lambda: (begun.set(), release.wait()), Urgency.CLICK, worker.ticket())
    assert begun.wait(10)
    assert not worker.close(0.05)
    release.set()


def test_checks_outside_the_worker_do_nothing(worker: Worker) -> None:
    release, ticket, _ = block(worker)
    ticket.cancel()
    worker.check()
    release.set()


@pytest.mark.parametrize("why", ["click", "cancel"])
def test_work_that_cannot_check_is_broken_off_from_outside(worker: Worker, why: str) -> None:
    """A graph of ONNX Runtime runs for long without asking; what it waits for is told that it should stop."""
    stopped, began = threading.Event(), [0]
    worker.on_interrupt(stopped.set)

    def work() -> str:
        began[0] += 1
        if began[0] == 1:
            assert stopped.wait(10), "nobody said that it should stop"
            worker.check()
        return "done"

    ticket = worker.ticket()
    future = worker.submit(work, Urgency.WARM, ticket)
    while not began[0]:
        time.sleep(0.001)
    if why == "click":
        assert worker.submit(lambda: "click", Urgency.CLICK, worker.ticket()).result(10) == "click"
        assert future.result(10) == "done" and began[0] == 2
    else:
        ticket.cancel()
        with pytest.raises(Cancelled):
            future.result(10)
    assert stopped.is_set()


def test_waiting_work_is_taken_back_without_a_word_to_what_runs(worker: Worker) -> None:
    stopped = threading.Event()
    worker.on_interrupt(stopped.set)
    release, _, _ = block(worker, Urgency.CLICK)
    ticket = worker.ticket()
    worker.submit(lambda: None, Urgency.WARM, ticket)
    ticket.cancel()
    assert not stopped.is_set()
    release.set()
