"""Crews of processes, by Dask: a local cluster for `--workers`, any cluster for `--cluster`.

Dask schedules, restarts workers that die and gives their pieces to others. This module needs the extra
`distribution` and is imported only when it is asked for.
"""

from __future__ import annotations

import logging
import signal
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import Any, Self

import dask
from distributed import Client, LocalCluster, Security, WorkerPlugin, get_worker
from distributed.scheduler import KilledWorker

from ros_sam_core.errors import WorkersLost
from ros_sam_core.predict.bench import Bench, Job, ModelFacts, set_threads
from ros_sam_core.predict.crew import available_cores, in_flight

PATIENCE_S = 60
"""How long a cluster may take to answer, and to have its first worker."""
AHEAD = 2
"""Pieces that are given to a worker at a time."""


class DaskCrew:
    """Workers of a Dask cluster, each of which works on one piece at a time.

    Args:
        workers: Start so many processes on this machine.
        cluster: Or use the cluster whose scheduler has this address, such as "tcp://host:8786". Its workers
            need this package in the same version, and must reach the raster and the model by the same paths.
    """

    def __init__(self, workers: int | None = None, cluster: str | None = None) -> None:
        self._workers, self._address = workers, cluster
        self._name = f"ros-sam-{uuid.uuid4()}"
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._client = self._connect(stack)
            plugin = _BenchPlugin(own=self._address is None)
            self._client.register_plugin(plugin, name=self._name)
            if self._address is not None:
                stack.callback(self._dismiss)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def facts(self, model: str, device: str) -> ModelFacts:
        """Open a model on a worker, and tell what it is like."""
        facts: ModelFacts = self._result(self._client.submit(_facts, self._name, model, device, pure=False))
        return facts

    def threads(self, facts: ModelFacts) -> int:
        """Return one thread for a small model, a worker's share of the processors for a large one."""
        if facts.size.crops > 1:
            return 1
        share = self._client.nthreads().values() if self._workers is None else [0]
        return max(1, available_cores() // self._workers if self._workers else min(share))

    def run(self, job: Job, pieces: Iterable[Any]) -> Iterator[Any]:
        """Yield the result of each piece when it is finished."""
        most = AHEAD * max(1, len(self._client.nthreads()))
        results = in_flight(
            lambda piece: self._client.submit(_work, self._name, job, piece, pure=False),
            pieces,
            most,
            self._check,
        )
        while True:
            try:
                yield next(results)
            except StopIteration:
                return
            except KilledWorker as error:
                raise WorkersLost(
                    f"workers died {error.allowed_failures + 1} times at the same piece of work; they may "
                    "lack memory: use fewer --workers, and go on with --resume"
                ) from error

    def _connect(self, stack: ExitStack) -> Client:
        quiet = {"logging.distributed": "critical", "distributed.comm.timeouts.connect": f"{PATIENCE_S}s"}
        stack.enter_context(dask.config.set(quiet))
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        try:
            if self._address is not None:
                client = stack.enter_context(Client(self._address, timeout=PATIENCE_S, set_as_default=False))
                client.wait_for_workers(1, timeout=PATIENCE_S)
                return client
            cluster = LocalCluster(
                n_workers=self._workers,
                threads_per_worker=1,
                processes=True,
                memory_limit=0,
                dashboard_address=None,
                security=Security.temporary(),
                silence_logs=logging.CRITICAL,
            )
            stack.enter_context(cluster)
            return stack.enter_context(Client(cluster, set_as_default=False))
        except (OSError, TimeoutError, ValueError) as error:
            where = self._address or "this machine"
            raise WorkersLost(
                f"no workers at {where}: {error}; check the address and that they run"
            ) from error

    def _check(self) -> None:
        """Raise if nobody works any more."""
        if self._client.status not in ("running", "connecting"):
            raise WorkersLost(
                "the connection to the cluster is lost; start it again, and go on with --resume"
            )

    def _dismiss(self) -> None:
        """Leave nothing on workers that are not ours."""
        with suppress(OSError, TimeoutError, ValueError):
            self._client.unregister_worker_plugin(self._name)

    def _result(self, future: Any) -> Any:
        try:
            return future.result()
        except KilledWorker as error:
            raise WorkersLost("workers die when they open the model; they may lack memory") from error


class _BenchPlugin(WorkerPlugin):  # type: ignore[misc]
    """A bench on each worker, also on one that is started again or joins later."""

    def __init__(self, own: bool) -> None:
        self.own = own

    def setup(self, worker: Any) -> None:
        """Get a worker ready."""
        if self.own:  # Ctrl-C goes to every process of a terminal; the first one stops the others
            with suppress(ValueError):
                signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.bench, self.lock = Bench(), threading.Lock()

    def teardown(self, worker: Any) -> None:
        """Close what is open."""
        self.bench.close()

    def __getstate__(self) -> dict[str, Any]:
        """Travel without a bench."""
        return {"own": self.own}


def _bench(name: str) -> _BenchPlugin:
    plugin: _BenchPlugin = get_worker().plugins[name]
    return plugin


def _facts(name: str, model: str, device: str) -> ModelFacts:
    plugin = _bench(name)
    with plugin.lock:
        return plugin.bench.facts(model, device)


def _work(name: str, job: Job, piece: Any) -> Any:
    plugin = _bench(name)
    with plugin.lock:
        set_threads(job.threads)
        return job.work(plugin.bench, piece)
