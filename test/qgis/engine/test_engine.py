"""The engine watched: restarted after a crash, given up when it makes no sense."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from waiting import Heard, let_run, wait_until

from ros_sam_qgis.engine import engine as engine_module
from ros_sam_qgis.engine.client import EngineClient
from ros_sam_qgis.engine.engine import Engine, Status
from ros_sam_qgis.engine.errors import EngineNotConfigured
from ros_sam_qgis.engine.process import Address, Launch


@pytest.fixture
def own(engine_python: str, model: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine that a test may kill."""
    monkeypatch.setattr(engine_module, "RESTART_MS", (0, 100, 200))
    one = Engine(lambda: Launch(engine_python, model))
    yield one
    one.stop()


def until(engine: Engine, status: Status) -> None:
    wait_until(lambda: engine.status is status, 600, f"{status} after {engine.status}")


def test_from_off_to_ready_and_back(own: Engine) -> None:
    said = Heard(own.status_changed)
    reachable = Heard(own.reachable)
    own.start()
    until(own, Status.READY)
    statuses = [status for status, _ in said.calls]
    assert statuses[0] is Status.STARTING and statuses[-1] is Status.READY
    assert Status.FAILED not in statuses and Status.RESTARTING not in statuses
    assert len(reachable) == 1 and own.opens_rasters
    own.start()
    let_run(0.3)
    assert len(reachable) == 1
    own.stop()
    assert own.status is Status.OFF and own.client is None and own.pid == 0


def test_killed_while_idle_it_comes_back_with_one_message(own: Engine) -> None:
    own.start()
    until(own, Status.READY)
    said, lost, reachable = Heard(own.status_changed), Heard(own.lost), Heard(own.reachable)
    os.kill(own.pid, signal.SIGKILL)
    wait_until(lambda: Status.RESTARTING in [status for status, _ in said.calls], 30)
    until(own, Status.READY)
    assert [status for status, _ in said.calls].count(Status.RESTARTING) == 1
    assert (len(lost), len(reachable)) == (1, 1)


def test_one_that_crashes_again_and_again_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(engine_module, "RESTART_MS", (0, 0, 0))
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\necho 'out of memory' >&2\nkill -9 $$\n")
    crashing.chmod(0o755)
    one = Engine(lambda: Launch(str(crashing)))
    said = Heard(one.status_changed)
    one.start()
    wait_until(lambda: one.status is Status.FAILED, 30)
    assert "out of memory" in said.calls[-1][1]
    assert [status for status, _ in said.calls].count(Status.STARTING) == engine_module.CRASHES + 1


def test_without_a_python_it_says_what_to_do() -> None:
    def choose() -> Launch:
        raise EngineNotConfigured("set up the engine first")

    one = Engine(choose)
    said = Heard(one.status_changed)
    one.start()
    assert said.calls == [(Status.FAILED, "set up the engine first")]


def test_an_engine_elsewhere_is_reached_by_its_address(engine: Engine) -> None:
    assert engine.client is not None
    other = Engine(lambda: Address(engine.client.address.url, engine.client.address.token))
    other.start()
    until(other, Status.READY)
    pid = engine.pid
    other.stop()
    let_run(0.2)
    assert engine.pid == pid and engine.status is Status.READY


def test_a_wrong_token_is_said_and_not_tried_again(engine: Engine) -> None:
    other = Engine(lambda: Address(engine.client.address.url, "x" * 40))
    said = Heard(other.status_changed)
    other.start()
    until(other, Status.FAILED)
    assert "token" in said.calls[-1][1].lower()
    let_run(0.3)
    assert other.client is None


def test_one_that_cannot_open_its_model_answers_why(engine_python: str) -> None:
    one = Engine(lambda: Launch(engine_python, "/nowhere/model.safetensors"))
    one.start()
    until(one, Status.FAILED)
    other = Engine(lambda: Address(one.client.address.url, one.client.address.token))
    said, reachable = Heard(other.status_changed), Heard(other.reachable)
    other.start()
    until(other, Status.FAILED)
    assert "/nowhere/model.safetensors" in said.calls[-1][1]
    assert len(reachable) == 1
    assert Heard(other.client.get("/v1/models").answered).wait()[0]["models"]
    other.stop()
    one.stop()


def test_another_programs_port_is_no_engine() -> None:
    """What listens at an address may be something else."""
    import http.server
    import threading

    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    other = Engine(lambda: Address(f"http://127.0.0.1:{server.server_port}", "x" * 40))
    other.start()
    until(other, Status.FAILED)
    server.shutdown()
    server.server_close()


def test_calls_are_answered_refused_and_hung_up(engine: Engine) -> None:
    client: EngineClient = engine.client
    health = client.get("/v1/health")
    assert Heard(health.answered).wait()[0]["status"] == "ok"
    (failure,) = Heard(client.get("/v1/nothing").failed).wait()
    assert failure.status == 404 and failure.type == "PathUnknown"
    (failure,) = Heard(client.post("/v1/segment", {"fame": 1}).failed).wait()
    assert failure.status == 422 and failure.type == "RequestInvalid"
    hung_up = client.get("/v1/health")
    heard = Heard(hung_up.answered), Heard(hung_up.failed)
    hung_up.abort()
    let_run(0.3)
    assert [len(one) for one in heard] == [0, 0]
