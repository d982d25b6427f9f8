"""What goes wrong with a real engine's surroundings: one message, and what is at hand goes on afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from layers import inner_point, raster, true_polygon
from waiting import Heard, let_run, wait_until

from ros_sam_qgis.engine import engine as engine_module
from ros_sam_qgis.engine.engine import Engine, Status
from ros_sam_qgis.engine.frames import Frames
from ros_sam_qgis.engine.process import Launch
from ros_sam_qgis.session.session import Session
from ros_sam_qgis.sources.file_source import FileSource


def is_running(pid: int) -> bool:
    """Say whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def warnings_of(said: Heard) -> list[tuple[Status, str]]:
    """Return what a user is told that is no ordinary progress."""
    return [call for call in said.calls if call[0] in (Status.FAILED, Status.RESTARTING)]


@pytest.fixture
def environment(engine_python: str, root: Path, tmp_path: Path) -> Callable[[], str]:
    """Make an environment that has the engine, as often as it is called; returns its Python."""
    folders = json.loads(
        subprocess.run(
            [engine_python, "-c", "import json, sys; print(json.dumps(sys.path))"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )

    def make() -> str:
        folder = tmp_path / "env"
        subprocess.run([engine_python, "-m", "venv", "--without-pip", str(folder)], check=True)
        (packages,) = folder.glob("lib/python*/site-packages")
        lines = [str(root), *[path for path in folders if path.endswith("site-packages")]]
        (packages / "engine.pth").write_text("\n".join(lines) + "\n")
        return str(folder / "bin" / "python")

    return make


@pytest.fixture
def own(environment: Callable[[], str], model: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine in an environment of its own."""
    monkeypatch.setattr(engine_module, "RESTART_MS", (0, 100, 200))
    python = environment()
    one = Engine(lambda: Launch(python, model))
    yield one
    one.stop()


def test_its_environment_is_deleted_and_set_up_again(
    own: Engine, environment: Callable[[], str], scenes: Path, truth: dict, tmp_path: Path
) -> None:
    own.start()
    wait_until(lambda: own.status is Status.READY, 300)
    session = Session(Frames(own))
    session.use(FileSource(raster(scenes, "utm")))
    said = Heard(own.status_changed)
    shutil.rmtree(tmp_path / "env")
    os.kill(own.pid, signal.SIGKILL)
    wait_until(lambda: own.status is Status.FAILED, 60)
    point = inner_point(true_polygon(truth, "utm", 1))
    ((status, text),) = warnings_of(said)
    assert status is Status.FAILED and "its Python is gone" in text
    session.click(point.x(), point.y(), 1)
    let_run(0.5)
    assert own.status is Status.FAILED and "could not be started" in said.calls[-1][1]
    assert session.current.prompts.count == 1
    environment()
    own.restart()
    wait_until(lambda: not session.current.is_pending and session.current.outline, 300)
    session.close()


def test_its_port_is_taken(engine_python: str, model: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        one = Engine(lambda: Launch(engine_python, model, extra=("--port", str(port))))
        said = Heard(one.status_changed)
        one.start()
        wait_until(lambda: one.status is Status.FAILED, 60)
        let_run(0.5)
    (told,) = warnings_of(said)
    assert f"cannot listen on 127.0.0.1:{port}" in told[1] and one.pid == 0


BUSY = """
import sys; sys.path.insert(0, {root!r})
from qgis.PyQt.QtCore import QCoreApplication
from ros_sam_qgis.engine.client import EngineClient
from ros_sam_qgis.engine.process import EngineProcess, Launch
app = QCoreApplication([])
process = EngineProcess()
calls = []

def ask(address):
    client = EngineClient(address)
    frame = client.post("/v1/frames", {{"source": {source!r}}})
    calls.extend([client, frame])
    frame.answered.connect(lambda told: warm(client, told))

def warm(client, told):
    a, _, x, _, e, y = told["grid"]["transform"]
    region = [x, y + e * told["grid"]["height"], x + a * told["grid"]["width"], y]
    call = client.post("/v1/warm", {{"frame": told["frame_id"], "region": region}})
    calls.append(call)
    call.failed.connect(lambda failure: print(failure.message, flush=True))
    call.answered.connect(lambda _: print(process.pid, flush=True))

process.ready.connect(ask)
process.start(Launch({python!r}, {model!r}))
app.exec()
"""


def test_qgis_ends_during_an_encode_and_leaves_no_process(
    engine_python: str, model: str, root: Path, scenes: Path
) -> None:
    code = BUSY.format(root=str(root), source=str(scenes / "utm.tif"), python=engine_python, model=model)
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    assert is_running(pid)
    parent.kill()
    parent.wait()
    wait_until(lambda: not is_running(pid), 15)
