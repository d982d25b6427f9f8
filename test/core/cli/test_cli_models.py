"""`ros-sam models` lists, finds and fetches weights."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from cli_files import Run

from ros_sam_core.model import zoo

WEIGHTS = bytes(range(256)) * 64


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Publish a model on this machine; yield its name."""
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "weights.pth").write_bytes(WEIGHTS)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/weights.pth"
    known_hash = f"sha256:{hashlib.sha256(WEIGHTS).hexdigest()}"
    entry = zoo.ZooEntry("local", "a model here", "MIT", 1, "weights.pth", url, known_hash)
    monkeypatch.setitem(zoo.ZOO, "local", entry)
    yield "local"
    server.shutdown()
    server.server_close()


def test_list(call: Run) -> None:
    models = {model["name"]: model for model in call("models", "list", "--json").json["models"]}
    assert models["ros-sam-tiny"]["url"] is None
    assert models["sam_vit_b"]["state"] == "not downloaded"
    assert models["sam_vit_b"]["path"] is None
    lines = call("models", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == list(models)


def test_download_then_path(call: Run, published: str) -> None:
    assert call("models", "path", published).code == 2
    done = call("models", "download", published)
    assert done.code == 0, done.err
    path = Path(done.out.strip())
    assert path.read_bytes() == WEIGHTS
    assert call("models", "path", published).out == done.out
    listed = {model["name"]: model for model in call("models", "list", "--json").json["models"]}
    assert listed[published]["state"] == "downloaded"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["path", "sam_vit_b"], "ros-sam models download sam_vit_b"),
        (["path", "sam_vit_x"], "did you mean sam_vit_"),
        (["download", "no-such-thing"], "known models: ros-sam-tiny"),
    ],
)
def test_what_is_not_there(call: Run, arguments: list[str], words: str) -> None:
    done = call("models", *arguments)
    assert done.code == 2
    assert done.out == ""
    assert words in done.err
