"""The engine's process, the real one, and ends that it may come to."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import Heard, let_run, wait_until

from ros_sam_qgis.engine.process import Address, EngineProcess, Launch, State


def is_running(pid: int) -> bool:
    """Say whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def process() -> Iterator[EngineProcess]:
    one = EngineProcess()
    yield one
    one.stop()


def stand_in(folder: Path, body: str) -> Launch:
    """Return a launch of a module that misbehaves as the test wants it."""
    (folder / "stand_in.py").write_text(f"import sys, time, json\n{body}\n")
    runner = folder / "python"
    runner.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder / "stand_in.py"}" "$@"\n')
    runner.chmod(0o755)
    return Launch(str(runner))


def test_it_answers_and_ends_when_told(process: EngineProcess, engine_python: str, model: str) -> None:
    ready = Heard(process.ready)
    process.start(Launch(engine_python, model))
    assert process.state is State.STARTING
    (address,) = ready.wait()
    assert isinstance(address, Address) and address.url.startswith("http://127.0.0.1:")
    assert process.state is State.READY
    pid = process.pid
    assert is_running(pid)
    assert address.token not in Path(f"/proc/{pid}/cmdline").read_text()
    assert address.token not in Path(f"/proc/{pid}/environ").read_text()
    assert address.token not in repr(address)
    process.stop()
    assert process.state is State.OFF
    assert not is_running(pid)


def test_what_qgis_has_set_does_not_reach_it(
    process: EngineProcess, engine_python: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTHONHOME", "PYTHONPATH", "PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH"):
        monkeypatch.setenv(name, "/nowhere")
    ready = Heard(process.ready)
    process.start(Launch(engine_python, model))
    ready.wait()
    assert "/nowhere" not in Path(f"/proc/{process.pid}/environ").read_text()


def test_killed_it_says_so_once_and_can_be_started_again(
    process: EngineProcess, engine_python: str, model: str
) -> None:
    ready, ended = Heard(process.ready), Heard(process.ended)
    process.start(Launch(engine_python, model))
    (first,) = ready.wait()
    os.kill(process.pid, signal.SIGKILL)
    why, again = ended.wait()
    assert again and "crashed or was killed" in why
    assert process.state is State.OFF and process.pid == 0
    process.start(Launch(engine_python, model))
    (second,) = ready.wait(2)
    assert second.token != first.token
    assert len(ended) == 1


def test_a_python_that_is_not_there(process: EngineProcess) -> None:
    ended = Heard(process.ended)
    process.start(Launch("/nowhere/python"))
    why, again = ended.wait()
    assert not again and "/nowhere/python could not be started" in why
    assert process.state is State.OFF


def test_a_python_without_the_engine(process: EngineProcess) -> None:
    ended = Heard(process.ended)
    process.start(Launch("/usr/bin/python3"))
    why, again = ended.wait()
    assert not again and "No module named" in why and "ros_sam_core" in why


def test_a_device_that_is_not_there(process: EngineProcess, engine_python: str) -> None:
    ended = Heard(process.ended)
    ready = Heard(process.ready)
    process.start(Launch(engine_python, device="nonsense"))
    why, again = ended.wait()
    assert not again and "'nonsense' is not one of" in why
    assert len(ready) == 0


def test_a_refusal_is_passed_on(process: EngineProcess, tmp_path: Path) -> None:
    ended = Heard(process.ended)
    refusal = '{"event": "failed", "error": {"type": "PortTaken", "message": "port 7 is taken"}}'
    process.start(stand_in(tmp_path, f"print('{refusal}', flush=True); sys.exit(2)"))
    assert ended.wait() == ("port 7 is taken", False)


def test_chatter_is_not_taken_for_an_answer(process: EngineProcess, tmp_path: Path) -> None:
    ended, ready = Heard(process.ended), Heard(process.ready)
    process.start(stand_in(tmp_path, "print('hello'); print('[1]'); print('{}'); sys.exit(3)"))
    why, again = ended.wait()
    assert again and "exit code 3" in why and len(ready) == 0


def test_a_slow_start_is_said_and_waited_for(
    process: EngineProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process._slow.setInterval(200)
    slow, ready = Heard(process.slow), Heard(process.ready)
    answer = '{"event": "ready", "api": 1, "host": "127.0.0.1", "port": 9}'
    process.start(stand_in(tmp_path, f"time.sleep(1.5); print('{answer}', flush=True); sys.stdin.read()"))
    slow.wait()
    assert len(ready) == 0
    ready.wait()
    assert len(slow) == 1


def test_one_that_does_not_end_is_killed(process: EngineProcess, tmp_path: Path) -> None:
    ready, ended = Heard(process.ready), Heard(process.ended)
    answer = '{"event": "ready", "api": 1, "host": "127.0.0.1", "port": 9}'
    process.start(stand_in(tmp_path, f"print('{answer}', flush=True)\nwhile True: time.sleep(1)"))
    ready.wait()
    pid, begun = process.pid, time.monotonic()
    process.stop(300)
    assert time.monotonic() - begun < 2
    wait_until(lambda: not is_running(pid), 5)
    let_run(0.1)
    assert len(ended) == 0


def test_it_ends_with_the_program_that_started_it(
    engine_python: str, model: str, root: Path, tmp_path: Path
) -> None:
    """A QGIS that is killed leaves no engine behind."""
    import subprocess

    code = f"""
import sys; sys.path.insert(0, {str(root)!r})
from qgis.PyQt.QtCore import QCoreApplication
from ros_sam_qgis.engine.process import EngineProcess, Launch
app = QCoreApplication([])
process = EngineProcess()
process.ready.connect(lambda address: print(process.pid, flush=True))
process.start(Launch({engine_python!r}, {model!r}))
app.exec()
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    assert is_running(pid)
    parent.kill()
    parent.wait()
    wait_until(lambda: not is_running(pid), 10)
