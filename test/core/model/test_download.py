"""Downloads from a real HTTP server that behaves well, and from one that does not."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ros_sam_core.errors import Cancelled, DownloadCorrupt, DownloadFailed
from ros_sam_core.model.download import BLOCK_BYTES, fetch
from ros_sam_core.model.zoo import ZOO, ZooEntry, download

CONTENT = os.urandom(3 * BLOCK_BYTES + 12_345)
HASH = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
HALF = 2 * BLOCK_BYTES
SLOW_BYTES = len(CONTENT) // 20


class Server(ThreadingHTTPServer):
    """Serves `CONTENT` at /model.pth in the way that `manner` says; notes every request's Range."""

    daemon_threads = True
    manner = "well"
    content = CONTENT

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/model.pth"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        asked, manner, content = self.headers.get("Range"), self.server.manner, self.server.content
        self.server.ranges.append(asked)
        if manner in ("404", "500"):
            self.send_error(int(manner))
            self.close_connection = True
            return
        if manner == "redirects" and self.path == "/model.pth":
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if manner == "ignores ranges":
            start = 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        length = {"promises more": len(body) + 1000, "promises less": len(body) - 1000}.get(manner, len(body))
        if manner == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif manner != "no length":
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if manner == "chunked":
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:HALF], body[HALF:], b""))
        if manner == "cuts off" or (manner == "cuts off once" and len(self.server.ranges) == 1):
            body = body[:HALF]
        if manner == "cuts off at once":
            body = b""
        if manner == "slow":
            with suppress(ConnectionError):
                for start in range(0, len(body), SLOW_BYTES):
                    self.wfile.write(body[start : start + SLOW_BYTES])
                    time.sleep(0.1)
        else:
            self.wfile.write(body)
        self.close_connection = True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "model.pth"


def partial(target: Path) -> Path:
    return target.with_name("model.pth.part")


def assert_only_the_whole_file(target: Path) -> None:
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["model.pth"]


@pytest.mark.parametrize(
    "manner", ["well", "no length", "chunked", "ignores ranges", "redirects", "promises more"]
)
def test_whole_file_arrives(server: Server, target: Path, manner: str) -> None:
    """A server that promises more than it has is found out by asking for the rest: there is none."""
    server.manner = manner
    fetch(server.url, target, HASH, wait_s=0)
    assert_only_the_whole_file(target)


def test_md5_is_a_hash_too(server: Server, target: Path) -> None:
    fetch(server.url, target, f"md5:{hashlib.md5(CONTENT).hexdigest()}")
    assert_only_the_whole_file(target)


def test_file_that_is_there_is_not_fetched_again(server: Server, target: Path) -> None:
    for _ in range(2):
        fetch(server.url, target, HASH)
    assert len(server.ranges) == 1


def test_wrong_file_that_is_there_is_replaced(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"put there by hand, but another version")
    fetch(server.url, target, HASH)
    assert_only_the_whole_file(target)


def test_progress_grows_to_the_whole(server: Server, target: Path) -> None:
    told: list[tuple[int, int]] = []
    fetch(server.url, target, HASH, progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert {total for _, total in told} == {len(CONTENT)}


def test_progress_without_a_length_says_unknown(server: Server, target: Path) -> None:
    server.manner = "no length"
    totals: set[int] = set()
    fetch(server.url, target, HASH, progress=lambda _, total: totals.add(total))
    assert totals == {0}


def test_broken_connection_is_resumed_within_one_call(server: Server, target: Path) -> None:
    server.manner = "cuts off once"
    fetch(server.url, target, HASH, wait_s=0)
    assert_only_the_whole_file(target)
    assert server.ranges == [None, f"bytes={HALF}-"]


def test_each_attempt_that_brings_bytes_earns_another(server: Server, target: Path) -> None:
    server.manner = "cuts off"
    fetch(server.url, target, HASH, attempts=1, wait_s=0)
    assert_only_the_whole_file(target)


def test_server_that_never_sends_is_given_up(server: Server, target: Path) -> None:
    server.manner = "cuts off at once"
    with pytest.raises(DownloadFailed, match="breaks off each time") as raised:
        fetch(server.url, target, HASH, attempts=3, wait_s=0)
    assert server.url in str(raised.value)
    assert str(target) in str(raised.value)
    assert len(server.ranges) == 3
    assert not target.exists()


def test_later_call_resumes_what_a_cancelled_one_left(server: Server, target: Path) -> None:
    seen: list[int] = []

    def fetch_it(cancel: Callable[[], bool]) -> None:
        fetch(server.url, target, HASH, progress=lambda done, _: seen.append(done), cancel=cancel)

    with pytest.raises(Cancelled):
        fetch_it(lambda: bool(seen) and seen[-1] >= HALF)
    assert not target.exists()
    kept = partial(target).stat().st_size
    assert HALF <= kept == seen[-1] < len(CONTENT)
    seen.clear()
    fetch_it(lambda: False)
    assert server.ranges[-1] == f"bytes={kept}-"
    assert seen[0] > kept
    assert_only_the_whole_file(target)


def test_killed_process_leaves_a_partial_file_that_is_resumed(server: Server, target: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from ros_sam_core.model.download import fetch\n"
        "fetch(sys.argv[1], Path(sys.argv[2]), sys.argv[3],"
        f" progress=lambda done, _: os._exit(9) if done >= {HALF} else None)"
    )
    command = [sys.executable, "-c", code, server.url, str(target), HASH]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 9
    assert done.stdout == done.stderr == ""
    assert not target.exists()
    kept = partial(target).stat().st_size
    assert 0 < kept < len(CONTENT)
    fetch(server.url, target, HASH)
    assert server.ranges[-1] == f"bytes={kept}-"
    assert target.read_bytes() == CONTENT


@contextmanager
def fetching(server: Server, target: Path) -> Iterator[subprocess.Popen[str]]:
    """Fetch the file in a process of its own, which ends with the test."""
    code = (
        "import sys; from pathlib import Path; from ros_sam_core.model.download import fetch\n"
        "fetch(sys.argv[1], Path(sys.argv[2]), sys.argv[3])"
    )
    command = [sys.executable, "-c", code, server.url, str(target), HASH]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_bytes(target: Path) -> None:
    end = time.monotonic() + 60
    while not partial(target).exists() or not partial(target).stat().st_size:
        assert time.monotonic() < end, "the download does not begin"
        time.sleep(0.01)


def test_two_processes_fetch_the_file_once(server: Server, target: Path) -> None:
    server.manner = "slow"
    with fetching(server, target) as one, fetching(server, target) as other:
        assert [process.communicate(timeout=60)[0] for process in (one, other)] == ["", ""]
        assert one.returncode == other.returncode == 0
    assert server.ranges == [None]
    assert_only_the_whole_file(target)


def test_who_waits_goes_on_where_a_killed_process_stopped(server: Server, target: Path) -> None:
    server.manner = "slow"
    waits = threading.Event()
    with fetching(server, target) as first:
        wait_for_bytes(target)
        waiting = threading.Thread(
            target=fetch, args=(server.url, target, HASH), kwargs={"progress": lambda *_: waits.set()}
        )
        waiting.start()
        assert waits.wait(60)
        assert server.ranges == [None]
        first.kill()
        waiting.join(60)
    assert server.ranges[1:] and all(server.ranges[1:])
    assert target.read_bytes() == CONTENT
    assert not partial(target).exists()


def test_who_waits_sees_the_progress_and_can_be_stopped(server: Server, target: Path) -> None:
    server.manner = "slow"
    seen: list[int] = []
    with fetching(server, target) as first:
        wait_for_bytes(target)
        with pytest.raises(Cancelled, match="which another process fetches"):
            fetch(
                server.url,
                target,
                HASH,
                progress=lambda done, _: seen.append(done),
                cancel=lambda: len(seen) > 2,
            )
        assert 0 < seen[0] < seen[-1] < len(CONTENT)
        assert first.communicate(timeout=60)[0] == ""
    assert_only_the_whole_file(target)


def test_without_locks_a_file_is_fetched_all_the_same(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("ros_sam_core.model.download.lock_now", no_locks)
    fetch(server.url, target, HASH)
    assert_only_the_whole_file(target)


def test_file_that_is_there_needs_no_folder_to_write_in(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    made = target.stat().st_ctime_ns, target.parent.stat().st_mtime_ns
    fetch(server.url, target, HASH)
    assert (target.stat().st_ctime_ns, target.parent.stat().st_mtime_ns) == made
    assert server.ranges == []


def test_partial_file_and_a_server_that_ignores_ranges(server: Server, target: Path) -> None:
    server.manner = "ignores ranges"
    target.parent.mkdir()
    partial(target).write_bytes(CONTENT[:1000])
    fetch(server.url, target, HASH)
    assert_only_the_whole_file(target)
    assert server.ranges == ["bytes=1000-"]


@pytest.mark.parametrize(
    "left",
    [
        pytest.param(CONTENT, id="complete"),
        pytest.param(b"x" * 1000, id="other-bytes"),
        pytest.param(CONTENT + b"x", id="too-long"),
        pytest.param(b"x" * len(CONTENT), id="other-bytes-of-the-same-length"),
    ],
)
def test_whatever_partial_file_is_left_the_right_file_comes(
    server: Server, target: Path, left: bytes
) -> None:
    target.parent.mkdir()
    partial(target).write_bytes(left)
    fetch(server.url, target, HASH, wait_s=0)
    assert_only_the_whole_file(target)


@pytest.mark.parametrize("manner", ["well", "promises less"])
def test_wrong_bytes_are_refused_and_deleted(server: Server, target: Path, manner: str) -> None:
    server.manner = manner
    if manner == "well":
        server.content = b"<html>please sign in</html>"
    with pytest.raises(DownloadCorrupt, match="is not the published file") as raised:
        fetch(server.url, target, HASH)
    assert HASH in str(raised.value)
    assert list(target.parent.iterdir()) == []


def test_wrong_bytes_leave_the_former_file(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"former")
    server.content = b"wrong"
    with pytest.raises(DownloadCorrupt):
        fetch(server.url, target, HASH)
    assert target.read_bytes() == b"former"


@pytest.mark.parametrize("code", ["404", "500"])
def test_refusing_server_is_told_with_its_answer(server: Server, target: Path, code: str) -> None:
    server.manner = code
    with pytest.raises(DownloadFailed, match=f"the server answers {code}") as raised:
        fetch(server.url, target, HASH)
    assert "put it at" in str(raised.value)
    assert len(server.ranges) == 1


def test_offline_is_one_error_with_the_address_and_the_place(target: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/model.pth"
        with pytest.raises(DownloadFailed, match="is there internet") as raised:
            fetch(url, target, HASH, attempts=2, wait_s=0)
    assert url in str(raised.value)
    assert f"put it at {target}" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_cache_that_is_no_folder_is_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadFailed, match="ROS_SAM_CACHE"):
        fetch(server.url, tmp_path / "file" / "model.pth", HASH)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_full_disk_is_told(server: Server, target: Path) -> None:
    target.parent.mkdir()
    partial(target).symlink_to("/dev/full")
    with pytest.raises(DownloadFailed, match="the disk is full"):
        fetch(server.url, target, HASH)
    assert not target.exists()


def test_zoo_downloads_by_name_into_its_cache(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_SAM_CACHE", str(tmp_path))
    entry = ZooEntry("theirs", "", "Apache-2.0", 1, "model.pth", server.url, HASH)
    monkeypatch.setitem(ZOO, "theirs", entry)
    told: list[int] = []
    path = download("theirs", progress=lambda done, _: told.append(done))
    assert path == tmp_path / "models" / "model.pth"
    assert path.read_bytes() == CONTENT
    assert told[-1] == len(CONTENT)
    monkeypatch.delitem(ZOO, "theirs")
