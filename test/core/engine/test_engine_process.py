"""The engine as a process: how it starts, and that it always ends."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from engine_process import COMMAND, ROOT, RunningEngine, environment, is_gone, wait_for

from ros_sam_core import __version__


def start_badly(
    *options: object, stdin: bytes = b'{"token": "%s"}\n' % (b"x" * 40)
) -> tuple[int, dict[str, str], str]:
    """Run an engine that cannot start; returns its exit code, the error it told and its stderr."""
    command = [*COMMAND, *map(str, options)]
    done = subprocess.run(
        command, input=stdin, capture_output=True, cwd=ROOT, env=environment(), timeout=60, check=False
    )
    told = json.loads(done.stdout)
    assert told["event"] == "failed"
    return done.returncode, told["error"], done.stderr.decode()


def test_it_says_where_it_answers_before_the_model_is_open(quick_model: Path) -> None:
    with RunningEngine(["--model", quick_model]) as engine:
        told = dict(engine.told)
        assert 1024 < told.pop("port") < 65536
        pid = engine.process.pid
        assert told == {"event": "ready", "api": 1, "version": __version__, "host": "127.0.0.1", "pid": pid}
        health = engine.get("health")
        assert (health["pid"], health["status"], health["api"]) == (pid, "ok", 1)
        ready = engine.ready().get("health")["model"]
        assert (ready["name"], ready["state"], ready["error"]) == ("quick", "ready", None)
        connections = psutil.Process(pid).net_connections("inet")
        listening = [c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN]
        assert listening == ["127.0.0.1"]


def test_the_token_is_in_no_process_list(engine: RunningEngine) -> None:
    process = psutil.Process(engine.process.pid)
    seen = [*process.cmdline(), *process.environ().values()]
    assert not any(engine.token in text for text in seen)


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        (b"", "first line of stdin"),
        (b"hello\n", "first line of stdin"),
        (b"[]\n", "first line of stdin"),
        (b'{"token": 5}\n', "32 ASCII characters"),
        (b'{"token": "short"}\n', "32 ASCII characters"),
        (b'{"token": "%s"}\n' % ("ü" * 40).encode(), "32 ASCII characters"),
        (b"x" * 10_000, "first line of stdin"),
    ],
)
def test_no_token_no_start(stdin: bytes, words: str) -> None:
    code, error, _ = start_badly(stdin=stdin)
    assert (code, error["type"]) == (2, "EngineStartFailed")
    assert words in error["message"]


def test_bad_settings_are_told(tmp_path: Path, engine: RunningEngine) -> None:
    taken = engine.told["port"]
    (tmp_path / "file").write_text("")
    for options, words in {
        ("--port", taken): "cannot listen",
        ("--port", 70000): "0 to 65535",
        ("--host", "0.0.0.0"): "needs --token-file",
        ("--host", "nowhere"): "no IP address",
        ("--token-file", tmp_path / "none"): "cannot be read",
        ("--log", tmp_path / "file" / "e.log"): "cannot be written",
        ("--parent-pid", 2**22 + 5): "no such process",
        ("--tls-cert", tmp_path / "file"): "go together",
    }.items():
        code, error, _ = start_badly(*options)
        assert (code, error["type"]) == (2, "EngineStartFailed"), options
        assert words in error["message"]


def test_without_tls_it_does_not_listen_to_other_machines(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("x" * 40)
    _, error, _ = start_badly("--host", "0.0.0.0", "--token-file", token)
    assert "nothing would be encrypted" in error["message"]


def test_a_model_that_is_not_there_is_told_by_health_and_by_prompts(raster: Path, tmp_path: Path) -> None:
    with RunningEngine(["--model", tmp_path / "none.safetensors"]) as engine:
        engine.ready()
        model = engine.get("health")["model"]
        assert (model["state"], model["error"]["type"]) == ("failed", "ModelUnknown")
        body = {"frame": engine.frame(raster), "prompts": [{"id": "a", "points": [[500010, 5299990]]}]}
        assert engine.post("segment", body, 404)["error"]["type"] == "ModelUnknown"


def test_it_ends_with_its_stdin(quick_model: Path) -> None:
    with RunningEngine(["--model", quick_model]) as engine:
        assert engine.end() == 0


def test_it_ends_when_its_caller_is_killed(quick_model: Path) -> None:
    code = (
        "import json, subprocess, sys\n"
        f"engine = subprocess.Popen({[*COMMAND, '--model', str(quick_model)]!r}, stdin=-1, stdout=-1)\n"
        "engine.stdin.write(json.dumps({'token': 'x' * 40}).encode() + b'\\n'); engine.stdin.flush()\n"
        "engine.stdout.readline(); print(engine.pid, flush=True); engine.wait()"
    )
    caller = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT, env=environment()
    )
    assert caller.stdout is not None
    pid = int(caller.stdout.readline())
    assert not is_gone(pid)
    caller.kill()
    caller.wait()
    caller.stdout.close()
    wait_for(lambda: is_gone(pid), 15)


def test_it_ends_with_the_process_it_was_told_of(quick_model: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with RunningEngine(["--model", quick_model, "--parent-pid", parent.pid]) as engine:
        time.sleep(1.2)
        assert engine.process.poll() is None
        parent.kill()
        parent.communicate()
        assert engine.process.wait(15) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_on_a_signal(quick_model: Path, number: signal.Signals, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "engine.log"
    with RunningEngine(["--model", quick_model], log=log) as engine:
        engine.process.send_signal(number)
        assert engine.process.wait(15) == 0
        assert f"ending: signal {int(number)}" in log.read_text()


@pytest.fixture
def full_log(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A log that takes nothing until somebody reads it: a named pipe that is full, and its descriptor."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no named pipes here")
    log = tmp_path / "engine.log"
    os.mkfifo(log)
    pipe = os.open(log, os.O_RDWR | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while os.write(pipe, b"-" * 512):
            pass
    yield log, pipe
    os.close(pipe)


def test_a_signal_in_the_middle_of_a_log_line_is_logged_after_it(
    quick_model: Path, full_log: tuple[Path, int]
) -> None:
    log, pipe = full_log
    with RunningEngine(["--model", quick_model], log=log) as engine:
        time.sleep(0.3)
        engine.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        text = ""
        while not text.endswith(": ended\n"):
            assert select.select([pipe], [], [], 15)[0], text[-500:]
            text += os.read(pipe, 4096).decode()
        assert engine.process.wait(15) == 0
    assert text.index("ready on") < text.index("ending: signal 15")


@pytest.mark.slow
def test_it_ends_on_a_signal_though_its_log_hangs(quick_model: Path, full_log: tuple[Path, int]) -> None:
    with RunningEngine(["--model", quick_model], log=full_log[0]) as engine:
        time.sleep(0.3)
        engine.process.send_signal(signal.SIGTERM)
        assert engine.process.wait(15) == 0


def test_it_ends_in_the_middle_of_a_batch(quick_model: Path, raster: Path) -> None:
    with RunningEngine(["--model", quick_model]) as engine:
        engine.ready()
        prompts = [{"id": str(i), "points": [[500010 + i % 100, 5299990]]} for i in range(2000)]
        body = {"frame": engine.frame(raster), "prompts": prompts, "job": "long"}
        last: list[str] = []

        def listen() -> None:
            with httpx.stream("POST", f"{engine.url}/v1/batch", json=body, headers=engine.headers) as answer:
                last.extend(answer.iter_lines())

        listener = threading.Thread(target=listen)
        listener.start()
        wait_for(
            lambda: (
                engine.client.get("/v1/jobs/long").status_code == 200 and engine.get("jobs/long")["done"] > 0
            )
        )
        assert engine.end() == 0
        listener.join(10)
        assert json.loads(last[-1])["error"]["type"] == "Cancelled"


def test_after_a_kill_a_new_one_goes_on_with_the_same_ids(quick_model: Path, raster: Path) -> None:
    body: dict[str, object] = {"prompts": [{"id": "a", "points": [[500020, 5299980]]}]}
    answers = []
    for _ in range(2):
        with RunningEngine(["--model", quick_model]) as engine:
            answers.append(engine.post("segment", {**body, "frame": engine.frame(raster)}))
            engine.process.kill()
            assert engine.process.wait() == -signal.SIGKILL
    first, second = (answer["segments"] for answer in answers)
    assert first == second and first[0]["mask"].startswith("m-")


def test_nothing_but_the_announcement_reaches_stdout(quick_model: Path, raster: Path) -> None:
    with RunningEngine(["--model", quick_model]) as engine:
        engine.post(
            "segment",
            {"frame": engine.frame(raster), "prompts": [{"id": "a", "points": [[500020, 5299980]]}]},
        )
        assert engine.end() == 0
        assert engine.process.stdout is not None
        assert engine.process.stdout.read() == b""


def test_what_a_library_prints_goes_to_stderr() -> None:
    code = (
        "import os; from ros_sam_core.engine.process import _take_stdout\n"
        "kept = _take_stdout(); print('printed', flush=True); os.system('echo echoed')\n"
        "os.write(kept, b'told')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, timeout=60, check=True)
    assert (done.stdout, done.stderr.split()) == (b"told", [b"printed", b"echoed"])


def test_the_log_is_rotated_and_holds_no_token(quick_model: Path, tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_text("old line\n" * 120_000)
    with RunningEngine(["--model", quick_model], log=log) as engine:
        engine.ready()
        assert engine.end() == 0
        assert (tmp_path / "engine.log.1").stat().st_size > 1_000_000
        assert "ready on 127.0.0.1" in log.read_text()
        assert engine.token not in log.read_text()


def test_a_shared_engine_lives_on_without_stdin_and_opens_only_what_it_may(
    quick_model: Path, raster: Path, deep_raster: Path, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("x" * 40 + "\n")
    options = ["--token-file", token, "--model", quick_model, "--source-root", raster.parent]
    command = [*COMMAND, *map(str, options), "--allow-host", "gpu.example.org"]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=ROOT, env=environment()
    )
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": "Bearer " + "x" * 40}
        )
        with client:
            assert client.get("/v1/health").json()["sources"] == "below source roots"
            assert client.get("/v1/health", headers={"Host": f"gpu.example.org:{port}"}).status_code == 200
            assert client.post("/v1/frames", json={"source": str(raster)}).status_code == 200
            sneaky = tmp_path / "link.tif"
            sneaky.symlink_to(deep_raster)
            inside = raster.parent / "inside.tif"
            inside.symlink_to(deep_raster)
            for source in (
                deep_raster,
                sneaky,
                inside,
                f"{raster.parent}/../{deep_raster}",
                "/vsicurl/http://x",
            ):
                answer = client.post("/v1/frames", json={"source": str(source)})
                assert (answer.status_code, answer.json()["error"]["type"]) == (403, "SourceRefused"), source
            frame = client.post("/v1/frames", json={"source": str(raster)}).json()["frame_id"]
            body = {"frame": frame, "prompts": [{"id": "a", "points": [[500020, 5299980]]}]}
            assert client.post("/v1/segment", json=body).status_code == 200
            other = client.post("/v1/segment", json={**body, "model": "/etc/passwd"})
            assert other.json()["error"]["type"] == "SourceRefused"
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
