"""The model that is used is the one that the dock shows, here and on another machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desk import Desk
from layers import inner_point, raster, true_polygon
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest
from waiting import wait_until

from ros_sam_qgis.engine.engine import Engine, Status
from ros_sam_qgis.engine.process import Launch
from ros_sam_qgis.settings import store as settings
from ros_sam_qgis.settings.page import SettingsPage

PLANE = 1


@pytest.fixture
def default_settings() -> Iterator[None]:
    yield
    for name, value in settings.TEXTS.items():
        settings.put(name, value)


@pytest.fixture
def mine(in_engine_python: Callable[..., None], tmp_path: Path) -> str:
    """A file of weights of a model `of-mine`."""
    path = tmp_path / "mine.safetensors"
    in_engine_python("make_model.py", path, "of-mine")
    return str(path)


@pytest.fixture
def desk(default_settings: None, tmp_path: Path) -> Iterator[Desk]:
    """A desk whose engine follows the settings."""
    engine = Engine(settings.choice)
    one = Desk(engine, tmp_path)
    yield one
    one.close()
    engine.stop()


def choose(desk: Desk, name: str) -> None:
    """Choose a model in the dock, by its keys."""
    QTest.keyClick(desk.dock.model, Qt.Key.Key_Home)
    for _ in range(desk.dock.model.findText(name)):
        QTest.keyClick(desk.dock.model, Qt.Key.Key_Down)
    assert desk.dock.model.currentText() == name


def test_a_file_named_in_the_settings_is_used_from_then_on(
    desk: Desk, engine_python: str, model: str, mine: str
) -> None:
    settings.put("engine/python", engine_python)
    engine = desk.at.engine
    desk.dock.show_models([model, "another"], "another")
    choose(desk, model)
    assert desk.at.session.model == model
    page = SettingsPage(engine, lambda: None, lambda: "")
    page.model_file.setFilePath(mine)
    page.apply()
    assert desk.dock.model.currentText() == desk.at.session.model == mine
    wait_until(lambda: engine.status is Status.READY and desk.dock.model.count() > 1, 300)
    assert desk.dock.model.currentText() == desk.at.session.model == mine
    page.model_file.setFilePath("")
    page.apply()
    assert desk.dock.model.currentText() == desk.at.session.model == settings.DEFAULT_MODEL


def test_a_model_that_cannot_be_opened_is_said_and_another_one_chosen(
    desk: Desk, engine_python: str, scenes: Path, truth: dict, bundled: bool
) -> None:
    settings.put("engine/python", engine_python)
    settings.put("model", "/nowhere/mine.safetensors")
    engine, layer = desk.at.engine, raster(scenes, "utm")
    desk.open(layer)
    desk.click(inner_point(true_polygon(truth, "utm", PLANE)), layer)  # before the engine runs
    wait_until(lambda: not desk.at.session.current.is_pending, 120)
    assert engine.status is Status.FAILED
    assert any("/nowhere/mine.safetensors" in said for said in desk.iface.messages())
    if not bundled:
        return
    wait_until(lambda: desk.dock.model.count() > 1, 30)
    choose(desk, "ros-sam-tiny")
    wait_until(lambda: engine.status is Status.READY, 300)
    desk.click(inner_point(true_polygon(truth, "utm", PLANE)), layer)
    desk.settle()


def test_of_an_engine_elsewhere_its_own_is_used_until_another_is_chosen(
    desk: Desk, engine_python: str, mine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Engine(lambda: Launch(engine_python, mine))
    other.start()
    wait_until(lambda: other.status is Status.READY, 300)
    name = "of-mine"
    settings.put("engine/kind", settings.REMOTE)
    settings.put("engine/address", other.client.address.url)
    monkeypatch.setattr(settings, "token", lambda: other.client.address.token)
    engine = desk.at.engine
    engine.start()
    wait_until(lambda: engine.status is Status.READY and desk.dock.model.count() > 1, 60)
    assert (desk.dock.model.currentText(), desk.at.session.model) == (name, None)
    choose(desk, "ros-sam-tiny")
    engine.restart()
    wait_until(lambda: engine.status is Status.READY, 60)
    assert desk.dock.model.currentText() == desk.at.session.model == "ros-sam-tiny"
    choose(desk, name)
    assert (desk.dock.model.currentText(), desk.at.session.model) == (name, None)
    other.stop()
