"""What clients asked for by name: how far it is, and the way to cancel it."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from ros_sam_core.engine.problems import problem_of
from ros_sam_core.engine.worker import Ticket, Worker
from ros_sam_core.errors import Cancelled, JobUnknown, RosSamError, Superseded

FINISHED_KEPT = 100
State = Literal["waiting", "running", "done", "cancelled", "failed"]


@dataclass
class Job:
    """One call that can be cancelled.

    Attributes:
        name: The client's name for it.
        kind: "segment", "preview", "warm", "batch", "everything" or "reshape".
        ticket: Cancels its work.
        client: Whose it is.
        total: Units of work.
        done: Units that are finished.
        state: Where it stands.
        error: Why it failed.
    """

    name: str
    kind: str
    ticket: Ticket
    client: str
    total: int
    done: int = 0
    state: State = "waiting"
    error: dict[str, object] | None = None

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("done", "cancelled", "failed")

    def told(self) -> dict[str, object]:
        """Return the job as the API tells it."""
        names = ("kind", "state", "done", "total", "error")
        return {"job": self.name, **{name: getattr(self, name) for name in names}}


class Jobs:
    """The jobs of an engine; safe for any thread."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._lock = threading.Lock()
        self._jobs: OrderedDict[int, Job] = OrderedDict()

    def begin(self, kind: str, name: str | None, client: str, total: int = 1) -> Job:
        """Enter a job of a client; without a name it gets one."""
        job = Job(name or f"{kind}-{uuid.uuid4().hex[:12]}", kind, self._worker.ticket(), client, total)
        with self._lock:
            self._jobs[id(job)] = job
            finished = [key for key, other in self._jobs.items() if other.is_finished]
            for key in finished[: max(0, len(finished) - FINISHED_KEPT)]:
                del self._jobs[key]
        return job

    @contextmanager
    def running(self, job: Job) -> Iterator[Job]:
        """Keep a job's state true while its work is done in the block."""
        job.state = "running"
        with self.preparing(job):
            yield job
        job.state = "done"

    @contextmanager
    def preparing(self, job: Job) -> Iterator[None]:
        """Keep a job's state true where it ends in the block, before it runs."""
        try:
            yield
        except (Cancelled, Superseded, asyncio.CancelledError, GeneratorExit):
            job.state = "cancelled"
            raise
        except BaseException as error:
            job.error = problem_of(error).told["error"]
            job.state = "failed"
            raise

    def find(self, name: str, client: str) -> Job:
        """Return a client's newest job of a name.

        Raises:
            JobUnknown: There is none, or it ended long ago.
        """
        with self._lock:
            for job in reversed(self._jobs.values()):
                if (job.name, job.client) == (name, client):
                    return job
        raise JobUnknown(f"no job is named {name!r}")

    def cancel(
        self,
        name: str | None = None,
        *,
        kind: str | None = None,
        client: str | None = None,
        reason: RosSamError | None = None,
    ) -> list[str]:
        """Cancel the unfinished jobs of a name, of a kind and of a client; None is any.

        Returns:
            The names of those that were cancelled.
        """
        with self._lock:
            chosen = [
                job
                for job in self._jobs.values()
                if not job.is_finished
                and job.ticket.reason is None
                and (name is None or job.name == name)
                and (kind is None or job.kind == kind)
                and (client is None or job.client == client)
            ]
        for job in chosen:
            job.ticket.cancel(reason)
        return [job.name for job in chosen]
