"""Work off the main thread, and who is told of it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from qgis.PyQt import sip
from qgis.PyQt.QtWidgets import QComboBox
from waiting import let_run, wait_until

from ros_sam_qgis.background import run_in_background


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("deleted", [False, True])
def test_a_widget_that_is_gone_is_not_told(deleted: bool) -> None:
    box, go = QComboBox(), threading.Event()
    told: list[Any] = []

    def done(items: list[str]) -> None:
        told.append(items)
        box.addItems(items)

    run_in_background("a test", lambda: [str(go.wait(30))], done, told.append, owner=box)
    if deleted:
        sip.delete(box)
    go.set()
    if deleted:
        let_run(0.5)
        assert told == []
    else:
        wait_until(lambda: told == [["True"]])
        assert box.itemText(0) == "True"
