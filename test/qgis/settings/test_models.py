"""Models by name in QGIS's options: what is there, fetched with progress, refused when it is another."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from desk import Desk
from waiting import wait_until

from ros_sam_qgis.engine.engine import Engine, Status
from ros_sam_qgis.engine.process import Launch
from ros_sam_qgis.settings.models_box import ModelsBox

CONTENT = b"weights" * 100_000
LOCAL_ZOO = """
import os, sys
sys.path.insert(0, {root!r})
os.environ["ROS_SAM_CACHE"] = {cache!r}
from ros_sam_core.model import zoo
for name, known in (("good", {good!r}), ("changed", {bad!r})):
    zoo.ZOO[name] = zoo.ZooEntry(name, "a test", "CC0-1.0", 1, name + ".bin", "{url}/" + name + ".bin", known)
from ros_sam_core.engine.command import main
main(sys.argv[sys.argv.index("ros_sam_core.engine") + 1:])
"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A server of two files; returns its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    for name in ("good", "changed"):
        (folder / f"{name}.bin").write_bytes(CONTENT)
    one = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=one.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{one.server_port}"
    one.shutdown()
    one.server_close()


@pytest.fixture
def engine(server: str, tmp_path: Path, engine_python: str, model: str, root: Path) -> Iterator[Engine]:
    """A real engine that knows two more models by name."""
    script = tmp_path / "engine.py"
    script.write_text(
        LOCAL_ZOO.format(
            root=str(root),
            cache=str(tmp_path / "cache"),
            good=f"sha256:{hashlib.sha256(CONTENT).hexdigest()}",
            bad=f"sha256:{hashlib.sha256(b'other').hexdigest()}",
            url=server,
        )
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{engine_python}" "{script}" "$@"\n')
    python.chmod(0o755)
    one = Engine(lambda: Launch(str(python), model))
    one.start()
    wait_until(lambda: one.status is Status.READY, 300)
    yield one
    one.stop()


def row_of(box: ModelsBox, name: str) -> list[str]:
    """Return the texts of a model's row, which is chosen."""
    for row in range(box.table.rowCount()):
        texts = [box.table.item(row, column).text() for column in range(4)]
        if texts[0] == name:
            box.table.selectRow(row)
            return texts
    return []


def listed_again(box: ModelsBox, item: object) -> bool:
    """Say whether the list was filled anew since it had this item."""
    now = box.table.item(0, 0)
    return now is not None and now is not item


def test_models_are_listed_and_fetched_by_name(engine: Engine, tmp_path: Path) -> None:
    box = ModelsBox(engine)
    wait_until(lambda: row_of(box, "good"), 30)
    assert row_of(box, "ros-sam-tiny")[2] == "included" and not box.fetch.isEnabled()
    assert row_of(box, "good")[1:] == ["1 MB", "can be fetched", "CC0-1.0"] and box.fetch.isEnabled()
    assert "sha256:" in box.table.item(box.table.currentRow(), 0).toolTip()
    box.fetch.click()
    assert "CC0-1.0" in box.note.text() and "sha256:" in box.note.text() and not box.bar.isHidden()
    wait_until(lambda: row_of(box, "good")[2:3] == ["installed"], 30)
    assert (tmp_path / "cache" / "models" / "good.bin").read_bytes() == CONTENT
    assert box.bar.isHidden() and not box.fetch.isEnabled()


def test_a_file_that_is_not_what_was_published_is_refused(engine: Engine, tmp_path: Path) -> None:
    box = ModelsBox(engine)
    wait_until(lambda: row_of(box, "changed"), 30)
    before = box.table.item(0, 0)
    box.fetch.click()
    wait_until(lambda: box.bar.isHidden(), 60)
    wait_until(lambda: listed_again(box, before), 30)
    assert box.note.text().startswith("The download is not what was published: ")
    assert "changed" in box.note.text() and "CC0-1.0" not in box.note.text()
    assert row_of(box, "changed")[2] == "can be fetched"
    assert not (tmp_path / "cache" / "models" / "changed.bin").exists()


def test_a_download_that_is_cancelled_says_what_is_kept(engine: Engine) -> None:
    box = ModelsBox(engine)
    wait_until(lambda: row_of(box, "good"), 30)
    before = box.table.item(0, 0)
    box.fetch.click()
    box.stop.click()
    assert box.bar.isHidden()
    wait_until(lambda: listed_again(box, before), 30)
    assert box.note.text().startswith("Cancelled.")


def test_what_was_fetched_is_in_the_dock_at_once(engine: Engine, tmp_path: Path) -> None:
    """The page of QGIS's options may be closed before."""
    desk = Desk(engine, tmp_path)
    box = ModelsBox(engine)
    wait_until(lambda: row_of(box, "good"), 30)
    assert desk.dock.model.findText("good") < 0
    box.fetch.click()
    box.deleteLater()
    wait_until(lambda: desk.dock.model.findText("good") >= 0, 30)
    desk.close()


def test_without_an_engine_the_list_says_so() -> None:
    box = ModelsBox(Engine(lambda: Launch("/nowhere/python")))
    assert "when the engine runs" in box.note.text() and not box.fetch.isEnabled()
