"""The HTTP server: from the moment it answers to the moment it has stopped."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from ros_sam_core.engine.app import create_app
from ros_sam_core.engine.service import Service
from ros_sam_core.engine.settings import EngineSettings

log = logging.getLogger(__name__)
STOP_S = 2
"""Requests have this long to be answered after the engine was told to end."""


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it answers, and ends on a signal as on any other reason."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_ready: Callable[[], None],
        end: Callable[[str], None],
        end_within: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._on_ready, self._end, self._end_within = on_ready, end, end_within

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # A signal comes in the middle of anything, of a line being logged too, and within a write Python
        # refuses another one. So the loop ends the engine; should it stand still, time is up even so.
        self._end_within()
        self._loop.call_soon_threadsafe(self._end, f"signal {sig}")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


def serve(
    settings: EngineSettings,
    token: str,
    bound: socket.socket,
    watch: Callable[[Callable[[str], None]], None],
    end_within: Callable[[], None],
) -> None:
    """Serve until told to end, by a signal or by `watch`.

    Args:
        settings: Of the engine.
        token: That every request must carry.
        bound: Socket to listen on.
        watch: Called once the server answers, with the function that ends it.
        end_within: Called when it begins to end.
    """
    service = Service(settings)

    def end(reason: str) -> None:
        if not server.should_exit:
            end_within()
            log.info("ending: %s", reason)
            server.should_exit = True
            service.jobs.cancel()

    server = _Server(_config(settings, token, bound, service), lambda: watch(end), end, end_within)
    service.start()
    server.run(sockets=[bound])
    end_within()
    if not service.close(STOP_S):
        log.warning("work did not stop within %d s and is left behind", STOP_S)


def _config(settings: EngineSettings, token: str, bound: socket.socket, service: Service) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(service, token, bound.getsockname()[1]),
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=STOP_S,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
