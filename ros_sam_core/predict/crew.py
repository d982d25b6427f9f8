"""Crews: who works on the pieces of a job on a scene. This process, processes beside it, or a Dask cluster.

All take the same pieces and give the same results, each piece whole, in the order in which they are finished.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from ros_sam_core.predict.bench import Bench, Job, ModelFacts, set_threads

Result = TypeVar("Result")
MOST_LANES = 8
"""Threads of one process that work on pieces; more would wait for Python's lock."""


class Crew(Protocol):
    """Who works on pieces; a context manager."""

    def facts(self, model: str, device: str) -> ModelFacts:
        """Open a model where the work is done, and tell what it is like."""

    def threads(self, facts: ModelFacts) -> int:
        """Return how many processor threads suit a piece."""

    def run(self, job: Job, pieces: Iterable[Any]) -> Iterator[Any]:
        """Yield the result of each piece when it is finished; `pieces` are taken as they are needed."""

    def __enter__(self) -> Self:
        """Get ready."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all work."""


class Here:
    """This process: one lane for each processor while pieces take one thread each, else one.

    Args:
        cores: Processors to use; by default all that this process may.
    """

    def __init__(self, cores: int | None = None) -> None:
        self._cores = cores or available_cores()
        self._first = Bench()
        self._local = threading.local()
        self._stop = threading.Event()
        self._before: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._before is not None:
            set_threads(self._before)

    def facts(self, model: str, device: str) -> ModelFacts:
        """Open a model in this process."""
        return self._first.facts(model, device)

    def threads(self, facts: ModelFacts) -> int:
        """Return one thread for a small model, all for a large one."""
        return 1 if facts.size.crops > 1 else self._cores

    def run(self, job: Job, pieces: Iterable[Any]) -> Iterator[Any]:
        """Yield the result of each piece when it is finished."""
        before = set_threads(job.threads)
        self._before = before if self._before is None else self._before
        lanes = min(MOST_LANES, self._cores // job.threads) if job.device == "cpu" else 1
        if lanes <= 1:
            try:
                for piece in pieces:
                    yield job.work(self._first, piece)
            finally:
                self._first.close()
            return
        with ThreadPoolExecutor(lanes, "lane") as pool:
            try:
                yield from in_flight(lambda piece: pool.submit(self._in_lane, job, piece), pieces, lanes + 1)
            finally:
                self._stop.set()

    def _in_lane(self, job: Job, piece: Any) -> Any:
        bench = getattr(self._local, "bench", None)
        if bench is None:
            bench = self._local.bench = Bench()
        return job.work(bench, piece, self._stop.is_set)


def in_flight(
    submit: Callable[[Any], Future[Any]],
    pieces: Iterable[Any],
    most: int,
    check: Callable[[], None] = lambda: None,
) -> Iterator[Any]:
    """Keep some pieces submitted and yield results as they come.

    Args:
        submit: Starts work on a piece.
        pieces: Taken one by one.
        most: How many are submitted at a time.
        check: Called now and then while waiting; raises what ends the work.
    """
    finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
    flying: set[Any] = set()
    waiting = iter(pieces)
    try:
        while True:
            while len(flying) < most and (piece := next(waiting, None)) is not None:
                future = submit(piece)
                flying.add(future)
                future.add_done_callback(finished.put)
            if not flying:
                return
            try:
                future = finished.get(timeout=1)
            except queue.Empty:  # so that Ctrl-C is seen where a wait without end cannot be interrupted
                check()
                continue
            flying.discard(future)
            yield future.result()
    finally:
        for future in flying:
            future.cancel()


def aside(work: Callable[[], Result]) -> Result:
    """Do work in a thread of its own: while GDAL waits for a server, it holds interrupts of its thread back.

    Returns:
        What the work returns; its errors are raised. After an interrupt it is left to itself.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the work was asked for
            future.set_exception(error)

    threading.Thread(target=run, name="aside", daemon=True).start()
    while not future.done():
        wait([future], timeout=1)  # a wait without end cannot be interrupted everywhere
    return future.result()


def available_cores() -> int:
    """Return how many processors this process may use."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    if limit.isdigit() and int(limit) > 0:
        return int(limit)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
