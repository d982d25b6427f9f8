"""What a request passes before anything else sees it: who it is for, who sends it, and how large it is."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ros_sam_core.engine.problems import Problem, log_fault, problem_of
from ros_sam_core.engine.settings import MEGABYTE, Limits
from ros_sam_core.errors import (
    EngineBusy,
    HostRefused,
    OriginRefused,
    RequestInvalid,
    RequestTooLarge,
    RosSamError,
    TokenInvalid,
)

log = logging.getLogger(__name__)
SILENT_S = 60.0
"""A request of which nothing more has come for so long is given up."""


class Guard:
    """An ASGI application around another: host, origin, token, number and size of requests.

    A foreign Host header is a web page that had its name resolve to this machine (DNS rebinding); an Origin
    header is a web page that says so.

    Args:
        app: What is guarded.
        token: That every request must carry.
        hosts: Values that a Host header may have, in lower case.
        limits: How large and how many requests may be.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: frozenset[str], limits: Limits) -> None:
        self._app, self._hosts, self._limits = app, hosts, limits
        self._token = token.encode()
        self._answering = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer what is wrong with it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._answering += 1
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            self._admit(scope["headers"])
            body = await _read(receive, scope["headers"], self._largest(scope["path"]))
            await self._app(scope, _replay(body, receive), watched)
        except _Gone:
            pass
        except Exception as error:  # noqa: BLE001 - the outermost edge; the traceback is logged
            log_fault(error)
            if not started:
                await respond(problem_of(error), send)
        finally:
            self._answering -= 1

    def _admit(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        given: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            given.setdefault(name, []).append(value)
        host = b",".join(given.get(b"host", [])).decode("latin-1").lower()
        if host not in self._hosts:
            raise HostRefused(f"this engine is not {host[:100]!r}; address it as {sorted(self._hosts)[0]}")
        if b"origin" in given:
            raise OriginRefused("this engine does not answer web pages")
        scheme, _, token = b",".join(given.get(b"authorization", [])).partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(token.strip(), self._token):
            raise TokenInvalid("the token is missing or wrong; send 'Authorization: Bearer TOKEN'")
        if self._answering > self._limits.requests:
            raise EngineBusy(f"{self._limits.requests} requests are being answered; try again in a moment")

    def _largest(self, path: str) -> int:
        limits = self._limits
        if path.startswith("/v1/frames/"):
            return limits.upload_mb * MEGABYTE
        return (limits.batch_body_mb if path == "/v1/batch" else limits.body_mb) * MEGABYTE


async def respond(problem: Problem, send: Send) -> None:
    """Answer with a problem."""
    body = json.dumps(problem.told).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **problem.headers}
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


class _Gone(Exception):
    pass


async def _read(receive: Receive, headers: Iterable[tuple[bytes, bytes]], most: int) -> bytes:
    """Read a request's body, as far as it may go."""
    too_large: RosSamError = RequestTooLarge(
        f"a request here may have at most {most} bytes; send less at once"
    )
    announced = next((value for name, value in headers if name == b"content-length"), b"0")
    if announced.isdigit() and int(announced) > most:
        raise too_large
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        try:
            async with asyncio.timeout(SILENT_S):
                message = await receive()
        except TimeoutError as error:
            # A machine that was put to sleep, or a network that is gone, closes no connection.
            raise RequestInvalid(
                f"the rest of the request did not come within {SILENT_S:g} s; send it again"
            ) from error
        if message["type"] == "http.disconnect":
            raise _Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise too_large
        more = message.get("more_body", False)
    return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that hands over a body that was read already, then what comes after it."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
