"""Work off the main thread, and who is told of it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsPointXY,
    QgsProject,
)
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QObject
from qgis.PyQt.QtWidgets import QComboBox
from waiting import let_run, wait_until

from ros_sam_qgis.background import (
    let_threads_end,
    on_main_thread,
    pools,
    read_where_it_lives,
    run_in_background,
)


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("deleted", [False, True])
def test_a_widget_that_is_gone_is_not_told(deleted: bool) -> None:
    box, go = QComboBox(), threading.Event()
    told: list[Any] = []

    def done(items: list[str]) -> None:
        told.append(items)
        box.addItems(items)

    run_in_background("a test", lambda: [str(go.wait(30))], done, told.append, owner=box)
    (task,) = [one for one in QgsApplication.taskManager().tasks() if one.description() == "a test"]
    assert not task.canCancel()  # it does not look whether it is
    if deleted:
        sip.delete(box)
    go.set()
    if deleted:
        let_run(0.5)
        assert told == []
    else:
        wait_until(lambda: told == [["True"]])
        assert box.itemText(0) == "True"


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("end", ["the user cancels", "its owner goes"])
def test_long_work_tells_how_far_it_is_and_is_cancelled(end: str) -> None:
    owner, stopped = QObject(), threading.Event()
    told: list[Any] = []

    def work(progress: Any, cancelled: Any) -> None:
        progress(40.0)
        while not cancelled():
            stopped.wait(0.01)
        stopped.set()

    run_in_background("a long test", work, told.append, told.append, owner=owner, steered=True)
    (task,) = [one for one in QgsApplication.taskManager().tasks() if one.description() == "a long test"]
    assert task.canCancel()
    wait_until(lambda: task.progress() == 40.0)
    if end == "the user cancels":
        task.cancel()
    else:
        sip.delete(owner)
    wait_until(stopped.is_set)
    let_run(0.2)
    assert told == []


def ask(read: Any, wait: Any) -> list[Any]:
    """Read an object of the main thread from another one; return the answer or the error."""
    thing, answers = QObject(), []

    def work() -> None:
        try:
            answers.append(read_where_it_lives(thing, read))
        except LookupError as error:
            answers.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait(thread, answers)
    thread.join(10)
    return answers


@pytest.mark.usefixtures("app")
def test_an_object_of_the_main_thread_is_read_there() -> None:
    def wait(_: threading.Thread, answers: list[Any]) -> None:
        wait_until(lambda: answers)

    def lost() -> None:
        raise LookupError("lost")

    assert on_main_thread()
    assert ask(on_main_thread, wait) == [True]
    (error,) = ask(lost, wait)
    assert str(error) == "lost"


@pytest.mark.usefixtures("app")
def test_a_main_thread_that_waits_for_the_other_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ros_sam_qgis.background.WAIT_S", 0.2)
    answers = ask(on_main_thread, lambda thread, _: thread.join(10))
    assert answers == [False]
    let_run(0.1)  # the main thread comes to it too late, and nothing happens
    assert answers == [False]


@pytest.mark.usefixtures("app")
def test_a_crs_outlives_the_thread_that_met_it_first() -> None:
    """In QGIS 3.22 it has no definition any more when that thread ends, idle for half a minute."""
    for pool in pools():
        pool.setExpiryTimeout(50)
    met: list[QgsCoordinateReferenceSystem] = []
    run_in_background("a test", lambda: QgsCoordinateReferenceSystem("EPSG:2180"), met.append, pytest.fail)
    wait_until(lambda: met)
    let_run(0.5)
    assert "ETRF2000-PL" in met[0].toWkt()
    there = QgsCoordinateTransform(QgsCoordinateReferenceSystem("EPSG:4326"), met[0], QgsProject.instance())
    assert there.transform(QgsPointXY(19, 52)).x() == pytest.approx(500000, abs=1)


@pytest.mark.usefixtures("app")
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted as Linux lists them")
def test_idle_threads_end_before_qgis_does() -> None:
    met: list[int] = []
    run_in_background("a test", threading.get_native_id, met.append, pytest.fail)
    wait_until(lambda: met)
    let_run(0.2)
    assert Path(f"/proc/self/task/{met[0]}").exists()
    let_threads_end()
    wait_until(lambda: not Path(f"/proc/self/task/{met[0]}").exists(), 5, "the thread's end")
