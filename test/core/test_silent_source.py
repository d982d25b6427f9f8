"""A server that takes connections and says nothing holds nobody for ever."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cli_files import picture, write_raster
from range_server import serving

from ros_sam_core.cli.info import run_info
from ros_sam_core.engine.service import Service
from ros_sam_core.engine.settings import EngineSettings
from ros_sam_core.engine.worker import Urgency
from ros_sam_core.errors import RasterUnreadable
from ros_sam_core.geo.raster import RasterFrame
from ros_sam_core.geo.remote import PATIENCE
from ros_sam_core.predict.segmenter import Segmenter

NOBODY: Any = None
SILENT: list[socket.socket] = []
"""The server of the test that runs."""


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a raster on such a server, for which nobody waits longer than a second a request."""
    for name in PATIENCE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(PATIENCE, "GDAL_HTTP_LOW_SPEED_TIME", "1")
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        SILENT[:] = [server]
        yield f"http://127.0.0.1:{server.getsockname()[1]}/scene.tif"


def in_thread(work: Callable[[], Any]) -> Future[Any]:
    """Do work in a thread that does not keep the tests from ending."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - the future tells it
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


def test_a_server_that_answers_again_is_asked_again(source: str, tmp_path: Path) -> None:
    service, port = Service(EngineSettings()), int(source.split(":")[2].split("/")[0])
    assert isinstance(
        in_thread(lambda: service.frames.register_raster(source)).exception(timeout=15), RasterUnreadable
    )
    write_raster(tmp_path / "scene.tif", picture())
    SILENT[0].close()
    with serving(tmp_path, port) as address:
        assert source.startswith(address)
        entry = in_thread(lambda: service.frames.register_raster(source)).result(timeout=15)
    assert entry.grid.size == (300, 200)


def test_to_register_a_silent_source_fails_in_time(source: str) -> None:
    service = Service(EngineSettings())
    error = in_thread(lambda: service.frames.register_raster(source)).exception(timeout=15)
    assert isinstance(error, RasterUnreadable)
    assert str(error).startswith(f"{source}: its server cannot be reached or does not answer (")
    assert len(service.frames) == 0


@pytest.mark.parametrize(
    "work",
    [
        lambda source: run_info(source, None, None, NOBODY),
        lambda source: Segmenter.segment(NOBODY, source, []),
    ],
    ids=["info", "segment"],
)
def test_the_command_line_and_python_do_not_wait_for_ever(source: str, work: Callable[[str], None]) -> None:
    assert isinstance(in_thread(lambda: work(source)).exception(timeout=15), RasterUnreadable)


def test_a_source_that_fell_silent_holds_the_worker_for_a_while_only(source: str) -> None:
    service = Service(EngineSettings())
    service.worker.start()
    ticket = service.worker.ticket()
    silent = service.worker.submit(lambda: RasterFrame.open(source), Urgency.CLICK, ticket)
    after = service.worker.submit(lambda: "done", Urgency.CLICK, ticket)
    assert isinstance(silent.exception(timeout=15), RasterUnreadable)
    assert after.result(timeout=5) == "done"
    assert service.close(5)
