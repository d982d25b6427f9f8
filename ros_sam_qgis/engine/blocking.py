"""The engine for background threads (Processing, qgis_process): calls that wait, and can be cancelled."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from ..i18n import tr
from .environment import sanitised
from .errors import CONNECTION_LOST, EngineError, EngineRefused, Failure
from .process import Address, Launch
from .remote import connection_to
from .texts import text_of_error

START_S = 300.0
POLL_S = 0.2


class EngineCancelled(EngineError):
    """The user has cancelled."""


class EngineDidNotStart(EngineError, RuntimeError):
    """The engine's process gave no address."""


class BlockingEngine:
    """A connection for one algorithm; an engine of its own, unless it is given an address.

    Use it as a context manager: leaving ends what it started.

    Args:
        choice: an engine to start, or one that runs.
        cancelled: asked several times a second.
    """

    def __init__(self, choice: Launch | Address, cancelled: Callable[[], bool]) -> None:
        self._choice, self._cancelled = choice, cancelled
        self._process: subprocess.Popen[bytes] | None = None
        self._address: Address | None = None

    def __enter__(self) -> BlockingEngine:
        """Start, or connect."""
        if isinstance(self._choice, Address):
            self._address = self._choice
        else:
            try:
                self._address = self._start(self._choice)
            except BaseException:
                self._stop()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the engine that was started."""
        self._stop()

    def get(self, path: str) -> dict[str, Any]:
        """Return the answer of a path."""
        return self._whole("GET", path, b"", "application/json")

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send JSON and return the answer.

        Raises:
            EngineRefused: the engine answers with an error, or not at all.
            EngineCancelled: the user has cancelled.
        """
        return self._whole("POST", path, json.dumps(body).encode(), "application/json")

    def put(self, path: str, body: bytes) -> dict[str, Any]:
        """Send bytes and return the answer; errors as for `post`."""
        return self._whole("PUT", path, body, "application/octet-stream")

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Send JSON and yield the lines of the answer as they come; errors as for `post`."""
        with self._call("POST", path, json.dumps(body).encode(), "application/json") as response:
            while True:
                line = self._read(response.readline)
                if not line:
                    if self._cancelled():
                        raise EngineCancelled(tr("Cancelled."))
                    return
                yield json.loads(line)

    def _whole(self, method: str, path: str, body: bytes, kind: str) -> dict[str, Any]:
        with self._call(method, path, body, kind) as response:
            return dict(json.loads(self._read(response.read)))

    def _call(self, method: str, path: str, body: bytes, kind: str) -> _Response:
        assert self._address is not None
        connection = connection_to(self._address.url)
        path = urlsplit(self._address.url).path.rstrip("/") + path
        watch = _Watch(connection, self._cancelled)
        headers = {"Authorization": f"Bearer {self._address.token}", "Content-Type": kind}

        def ask() -> http.client.HTTPResponse:
            connection.request(method, path, body or None, headers)
            return connection.getresponse()

        try:
            response = self._read(ask)
            if response.status >= 400:
                raise EngineRefused(Failure.from_answer(response.status, _parse(self._read(response.read))))
        except BaseException:
            watch.close()
            raise
        return _Response(response, watch)

    def _read(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except (OSError, http.client.HTTPException) as error:
            if self._cancelled():
                raise EngineCancelled(tr("Cancelled.")) from error
            raise EngineRefused(Failure(CONNECTION_LOST, f"{type(error).__name__}: {error}")) from error

    def _start(self, launch: Launch) -> Address:
        token = secrets.token_urlsafe(32)
        flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        try:
            self._process = subprocess.Popen(
                [launch.python, *launch.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL if launch.log else None,
                env=sanitised(os.environ, launch.prefix),
                creationflags=flags,
            )
            stdin, stdout = self._process.stdin, self._process.stdout
            assert stdin is not None and stdout is not None
            stdin.write(json.dumps({"token": token}).encode() + b"\n")
            stdin.flush()
        except OSError as error:
            raise _no_start(str(error)) from error
        lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=lambda: lines.put(stdout.readline()), daemon=True).start()
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self._cancelled():
                raise EngineCancelled(tr("Cancelled."))
            try:
                event = _parse(lines.get(timeout=POLL_S)) or {}
            except queue.Empty:
                continue
            if event.get("event") == "ready":
                return Address(f"http://{event['host']}:{event['port']}", token)
            raise _no_start(text_of_error(event.get("error") or {}) or tr("it ended at once"))
        raise _no_start(tr("it was too slow"))

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(OSError):  # it has ended already
                process.stdin.close()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


class _Watch:
    """Hangs up when the user cancels, so that a thread that waits for an answer wakes up."""

    def __init__(self, connection: http.client.HTTPConnection, cancelled: Callable[[], bool]) -> None:
        self._connection, self._cancelled = connection, cancelled
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(POLL_S):
            if self._cancelled():
                sock = self._connection.sock
                if sock is not None:
                    with contextlib.suppress(OSError):  # it is closed already
                        sock.shutdown(socket.SHUT_RDWR)
                return

    def close(self) -> None:
        """End the watch; afterwards nobody asks the feedback any more, which QGIS may delete."""
        self._over.set()
        self._thread.join()
        self._connection.close()


class _Response:
    """An answer that closes its connection when it is left."""

    def __init__(self, response: http.client.HTTPResponse, watch: _Watch) -> None:
        self._response, self._watch = response, watch

    def __enter__(self) -> http.client.HTTPResponse:
        return self._response

    def __exit__(self, *_: object) -> None:
        self._response.close()
        self._watch.close()


def _no_start(why: str) -> EngineDidNotStart:
    return EngineDidNotStart(tr("The engine could not be started: {why}").format(why=why))


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data) if data.strip() else None
    except ValueError:
        return None
