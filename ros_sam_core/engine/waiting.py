"""Waiting, in the event loop, for work of the worker, as long as the client waits too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TypeVar

from starlette.requests import Request

from ros_sam_core.engine.worker import Ticket
from ros_sam_core.errors import Cancelled

Result = TypeVar("Result")


@asynccontextmanager
async def client_of(request: Request, ticket: Ticket) -> AsyncIterator[None]:
    """Cancel a ticket if the client hangs up before the block ends, or if the block is left early."""
    watcher = asyncio.create_task(_cancel_when_gone(request, ticket))
    finished = False
    try:
        yield
        finished = True
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher
        if not finished:
            ticket.cancel(Cancelled("the client hung up"))


async def result_of(future: Future[Result]) -> Result:
    """Wait for a unit of work."""
    return await asyncio.wrap_future(future)


@contextmanager
def begun(work: Awaitable[Result]) -> Iterator[asyncio.Future[Result]]:
    """Wait for work beside what the block does; once it is left, how the work ends is of no interest."""
    waiting = asyncio.ensure_future(work)
    try:
        yield waiting
    finally:
        if not (waiting.cancel() or waiting.cancelled()):
            waiting.exception()  # else asyncio logs an error that nobody has asked for


async def _cancel_when_gone(request: Request, ticket: Ticket) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    ticket.cancel(Cancelled("the client hung up"))
