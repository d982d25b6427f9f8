"""Starting the real engine as its caller does, and talking to it over real HTTP."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "ros_sam_core.engine"]


class RunningEngine:
    """An engine that this test started, and a client of it.

    Attributes:
        told: What it wrote to stdout when it was ready.
        token: Of this run.
        client: Sends the token.
    """

    def __init__(self, options: Sequence[object] = (), *, log: Path | None = None) -> None:
        self.token = secrets.token_urlsafe(32)
        self._cache = tempfile.TemporaryDirectory()
        command = [*COMMAND, *map(str, options), *(["--log", str(log)] if log else [])]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT, env=environment(self._cache.name)
        )
        self.say({"token": self.token})
        assert self.process.stdout is not None
        self.told: dict[str, Any] = json.loads(self.process.stdout.readline() or b"{}")
        self.url = f"http://127.0.0.1:{self.told.get('port')}"
        self.client = httpx.Client(base_url=self.url, headers=self.headers, timeout=60, trust_env=False)

    @property
    def headers(self) -> dict[str, str]:
        """What every request must carry."""
        return {"Authorization": f"Bearer {self.token}"}

    def say(self, message: object) -> None:
        """Write a line to its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def post(self, path: str, body: object, status: int = 200) -> dict[str, Any]:
        """Send JSON and return the answer, which must have this status."""
        answer = self.client.post(f"/v1/{path}", json=body)
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    def get(self, path: str, status: int = 200) -> dict[str, Any]:
        """Return an answer, which must have this status."""
        answer = self.client.get(f"/v1/{path}")
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    def lines(self, path: str, body: object) -> list[dict[str, Any]]:
        """Send JSON and return all lines of the stream that comes back."""
        with self.client.stream("POST", f"/v1/{path}", json=body) as answer:
            assert answer.status_code == 200, answer.read()
            return [json.loads(line) for line in answer.iter_lines()]

    def frame(self, source: Path | str, **more: object) -> str:
        """Register a raster."""
        return str(self.post("frames", {"source": str(source), **more})["frame_id"])

    def ready(self) -> RunningEngine:
        """Wait until the model is open."""
        wait_for(lambda: self.get("health")["model"]["state"] != "loading")
        return self

    def end(self) -> int:
        """Close its stdin, as an ending caller does, and return its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(15)

    def close(self) -> None:
        """Leave nothing behind, whatever the test did."""
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        self._cache.cleanup()

    def __enter__(self) -> RunningEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def environment(cache: str = os.devnull) -> dict[str, str]:
    """Return the environment of a polite engine: one thread, and nothing of the user's own cache."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "ROS_SAM_CACHE": cache}


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Say whether a process has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
