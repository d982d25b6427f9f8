"""The plugin comes and goes without a trace, ten times over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from interface import Interface
from layers import inner_point, raster, true_polygon
from mouse import Mouse
from qgis.core import QgsApplication, QgsCredentials, QgsProject
from qgis.PyQt.QtCore import QEvent, Qt
from qgis.PyQt.QtWidgets import QApplication, QDialog, QDockWidget
from waiting import Heard, let_run, wait_until

import ros_sam_qgis
from ros_sam_qgis.engine.engine import Status
from ros_sam_qgis.install import installer
from ros_sam_qgis.install.plan import Step, Variant
from ros_sam_qgis.settings import store as settings
from ros_sam_qgis.settings.setup_dialog import SetupDialog


class Asker(QgsCredentials):
    """Stands where QGIS's dialog asks for the master password, and says that the user gave none."""

    alive: Asker | None = None
    """QGIS keeps it for good."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.setInstance(self)

    @classmethod
    def get(cls) -> Asker:
        """Return the one instance."""
        if cls.alive is None:
            cls.alive = cls()
        return cls.alive

    def request(self, *_: Any) -> tuple[bool, str, str]:
        return False, "", ""

    def requestMasterPassword(self, *_: Any) -> tuple[bool, str]:
        self.asked += 1
        return False, ""


def engines() -> list[int]:
    """Return the engine processes that this one has started and that live."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except FileNotFoundError:
            continue
        if int(parent) == os.getpid() and state != "Z":
            found.append(int(folder.name))
    return found


@pytest.fixture
def iface(tmp_path: Path) -> Iterator[Interface]:
    one = Interface()
    QgsProject.instance().write(str(tmp_path / "project.qgs"))
    yield one
    one.close()
    settings.put("engine/python", "")


def state_of(iface: Interface) -> dict:
    """Return what a plugin could leave behind."""
    let_run(0.05)
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    return {
        "docks": len(iface.window.findChildren(QDockWidget)),
        "actions": len(iface.toolbar.actions()) + len(iface.menu.actions()),
        "options": len(iface.factories),
        "items": len(iface.canvas.scene().items()),
        "tool": iface.canvas.mapTool(),
        "provider": QgsApplication.processingRegistry().providerById("ros_sam"),
        "children": len(iface.window.children()),
        "tasks": QgsApplication.taskManager().countActiveTasks(),
    }


def test_ten_times_over_it_leaves_nothing(
    iface: Interface, engine_python: str, model: str, scenes: Path, truth: dict
) -> None:
    settings.put("engine/python", engine_python)
    settings.put("model", model)
    layer = raster(scenes, "utm")
    QgsProject.instance().addMapLayer(layer)
    QgsProject.instance().setCrs(layer.crs())
    iface.canvas.setDestinationCrs(layer.crs())
    iface.canvas.setLayers([layer])
    iface.setActiveLayer(layer)
    iface.canvas.setExtent(layer.extent())
    before = state_of(iface)
    others = set(engines())
    for round_ in range(10):
        plugin = ros_sam_qgis.classFactory(iface)
        plugin.initGui()
        plugin.action.trigger()
        assert iface.canvas.mapTool() is plugin.controller.tool and plugin.dock.tool.isChecked()
        if round_ in (0, 9):  # an engine at work; in between it is caught while it starts
            wait_until(lambda one=plugin: one.engine.status is Status.READY, 600)
            Mouse(iface.canvas).click(inner_point(true_polygon(truth, "utm", 1)))
        wait_until(lambda one=plugin: one.engine.pid, 60)
        assert len(set(engines()) - others) == 1
        plugin.unload()
        assert set(engines()) <= others
        after = state_of(iface)
        assert after == before, f"round {round_}"


def test_without_an_engine_the_dock_offers_to_set_one_up(iface: Interface) -> None:
    settings.put("engine/python", "")
    plugin = ros_sam_qgis.classFactory(iface)
    plugin.initGui()
    try:
        assert not plugin.dock.setup.isHidden()
        plugin.action.trigger()
        assert plugin.engine.status is Status.FAILED
        assert any("not set up" in text for text in iface.messages())
        plugin.dock.settings.click()
        assert iface.options_shown == "rosSamOptions"
        plugin.dock.setup.click()
        dialog = plugin.desk._dialog
        wait_until(lambda: dialog.python.count() > 0 or dialog.step.text().strip(), 60)
        dialog.close()
    finally:
        plugin.unload()


def test_with_the_set_up_open_it_leaves_nothing(iface: Interface) -> None:
    # The test before may have left one that looks for Pythons; closing the set-up does not wait for it.
    wait_until(lambda: QgsApplication.taskManager().countActiveTasks() == 0, 60)
    before = state_of(iface)
    plugin = ros_sam_qgis.classFactory(iface)
    plugin.initGui()
    plugin.action.trigger()
    plugin.dock.setup.click()
    dialog = plugin.desk._dialog
    wait_until(lambda: dialog.python.count() > 0 or dialog.step.text().strip(), 60)
    plugin.unload()
    wait_until(lambda: state_of(iface) == before, 30)


def test_the_set_up_can_be_used_over_qgis_s_options(iface: Interface) -> None:
    plugin = ros_sam_qgis.classFactory(iface)
    plugin.initGui()
    options = QDialog(iface.mainWindow())
    options.setModal(True)
    try:
        plugin.dock.setup.click()
        (dialog,) = iface.window.findChildren(SetupDialog)
        assert not dialog.isModal()
        options.show()
        plugin.desk.page(options).build.click()
        assert QApplication.activeModalWidget() is dialog and dialog.isVisible()
        dialog.close()
        assert QApplication.activeModalWidget() is options
    finally:
        options.close()
        options.deleteLater()
        plugin.unload()


def test_qgis_process_needs_the_provider_only() -> None:
    plugin = ros_sam_qgis.classFactory(None)
    plugin.initProcessing()
    registry = QgsApplication.processingRegistry()
    try:
        names = {one.id() for one in registry.providerById("ros_sam").algorithms()}
        assert names == {
            "ros_sam:segment_by_boxes",
            "ros_sam:segment_by_points",
            "ros_sam:find_objects",
            "ros_sam:import_video",
        }
        for one in registry.providerById("ros_sam").algorithms():
            assert len(one.shortHelpString()) > 200
    finally:
        plugin.unload()
    assert registry.providerById("ros_sam") is None


def test_a_set_up_ends_the_engine_whose_files_it_changes(
    iface: Interface, engine_python: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "environment_folder", lambda: str(tmp_path / "env"))
    settings.put("engine/python", "")
    settings.put("model", model)
    python = Path(settings.environment_python(settings.environment_folder()))
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{engine_python}" "$@"\n')
    python.chmod(0o755)
    for name in ("made", "ready.json"):
        (tmp_path / "env" / name).write_text("{}")
    plugin = ros_sam_qgis.classFactory(iface)
    plugin.initGui()
    try:
        plugin.engine.start()
        wait_until(lambda: plugin.engine.status is Status.READY, 600)
        pid = plugin.engine.pid
        looks = [str(python), "-c", f"import os; raise SystemExit(os.path.exists('/proc/{pid}'))"]
        steps = [Step("Make the environment, which is there", [], 0), Step("Look for the engine", looks, 100)]
        monkeypatch.setattr(installer, "plan", lambda *_: list(steps))
        finished = Heard(plugin.desk.installer.finished)
        plugin.desk.installer.start(str(python), Variant.ONNX, False, str(tmp_path / "any.whl"))
        assert plugin.engine.status is Status.OFF
        assert finished.wait(seconds=60)[0]
        wait_until(lambda: plugin.engine.status is Status.READY, 600)
    finally:
        plugin.unload()


def test_the_page_keeps_what_was_typed(iface: Interface) -> None:
    plugin = ros_sam_qgis.classFactory(iface)
    plugin.initGui()
    try:
        page = iface.factories[0].createWidget(None)
        page.named.setChecked(True)
        page.python.setFilePath("/nowhere/python")
        page.classes.setPlainText("crane\n\nbarge\ncrane\n")
        page.apply()
        assert settings.get("engine/python") == "/nowhere/python"
        assert settings.classes() == ["crane", "barge"]
        wait_until(lambda: plugin.engine.status is Status.FAILED, 20)
        again = iface.factories[0].createWidget(None)
        assert again.named.isChecked() and again.python.filePath() == "/nowhere/python"
        again.own.setChecked(True)
        again.apply()
        assert settings.get("engine/python") == ""
        text = plugin.desk.diagnose()
        assert "QGIS 3." in text and "Engine:" in text and "token" not in text.lower()
    finally:
        settings.set_classes(list(settings.DEFAULT_CLASSES))
        plugin.unload()


def test_a_token_goes_to_the_authentication_store_and_nowhere_else(iface: Interface) -> None:
    manager = QgsApplication.authManager()
    if manager.isDisabled() or not manager.setMasterPassword("pw", True):
        pytest.skip("no authentication store here: " + str(manager.disabledMessage()))
    assert settings.set_token("s3cret-token")
    assert settings.token() == "s3cret-token"
    assert settings.set_token("another-token") and settings.token() == "another-token"
    profile = Path(os.environ["QGIS_CUSTOM_CONFIG_PATH"])
    written = [p for p in profile.rglob("*") if p.is_file() and b"another-token" in p.read_bytes()]
    assert written == []
    settings.put("engine/kind", settings.REMOTE)
    settings.put("engine/address", "https://gpu.example.org:8765/")
    try:
        choice = settings.choice()
        assert (choice.url, choice.token) == ("https://gpu.example.org:8765", "another-token")
    finally:
        settings.put("engine/kind", settings.LOCAL)


def test_at_the_start_nobody_is_asked_for_the_master_password(iface: Interface) -> None:
    """An engine on another machine has a token; it is needed when the engine is."""
    manager = QgsApplication.authManager()
    if manager.isDisabled() or not manager.setMasterPassword("pw", True) or not settings.set_token("secret"):
        pytest.skip("no authentication store here: " + str(manager.disabledMessage()))
    settings.put("engine/kind", settings.REMOTE)
    settings.put("engine/address", "https://gpu.example.org:8765")
    manager.clearMasterPassword()
    asker = Asker.get()
    plugin = ros_sam_qgis.classFactory(iface)
    plugin.initGui()
    try:
        assert plugin.dock.setup.isHidden()
        assert asker.asked == 0
        assert settings.token() == "" and asker.asked == 1
    finally:
        plugin.unload()
        settings.put("engine/kind", settings.LOCAL)
        settings.put("engine/address", "")
        assert manager.setMasterPassword("pw", True)


def test_keyboard_is_left_alone(iface: Interface) -> None:
    """The dock takes no key that QGIS knows."""
    plugin = ros_sam_qgis.classFactory(iface)
    plugin.initGui()
    try:
        assert not Mouse(iface.canvas).key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    finally:
        plugin.unload()
