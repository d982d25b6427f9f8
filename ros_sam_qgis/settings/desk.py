"""Settings, set-up and diagnostics: their page in QGIS's options, their buttons in the dock."""

from __future__ import annotations

import os
from configparser import ConfigParser
from typing import Any

from qgis.PyQt.QtCore import QObject
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QApplication, QWidget

from ..dock.dock import SegmentDock
from ..engine.engine import Engine
from ..install.diagnostics import diagnostics
from ..install.installer import Installer
from ..install.plan import Variant
from . import store as settings
from .page import SettingsFactory, SettingsPage
from .setup_dialog import SetupDialog


class SettingsDesk(QObject):
    """Keeps the settings' page registered as long as the plugin is enabled.

    Args:
        iface: QGIS's interface.
        engine: that is set up and diagnosed.
        dock: whose buttons ask for set-up and settings.
        icon: of the page.
    """

    def __init__(
        self, iface: Any, engine: Engine, dock: SegmentDock, icon: QIcon, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._iface, self._engine, self._dock = iface, engine, dock
        self.installer = Installer(parent=self)
        self._dialog: SetupDialog | None = None
        self._factory = SettingsFactory(self.page, icon)
        iface.registerOptionsWidgetFactory(self._factory)
        dock.setup_wanted.connect(self.set_up)
        dock.settings_wanted.connect(self.open_page)
        self.installer.begun.connect(self._on_begun)
        self.installer.finished.connect(self._on_installed)
        engine.status_changed.connect(self._on_status)
        self.offer_setup()

    def close(self) -> None:
        """Take the page away; a set-up under way is stopped, and can be gone on with."""
        self._iface.unregisterOptionsWidgetFactory(self._factory)
        self.installer.begun.disconnect(self._on_begun)
        self.installer.finished.disconnect(self._on_installed)
        self._engine.status_changed.disconnect(self._on_status)
        self.installer.cancel()
        dialog, self._dialog = self._dialog, None
        if dialog is not None:
            dialog.close()
            dialog.deleteLater()

    def page(self, parent: QWidget | None = None) -> SettingsPage:
        """Return a page for QGIS's options."""
        return SettingsPage(self._engine, self.set_up, self.diagnose, parent)

    def open_page(self) -> None:
        """Open QGIS's options at the plugin's page."""
        self._iface.showOptionsDialog(self._iface.mainWindow(), SettingsPage.NAME)

    def set_up(self) -> None:
        """Open the dialog that sets the engine up; over QGIS's options, which let no other window be used."""
        if self._dialog is None:
            self._dialog = SetupDialog(self.installer, self._iface.mainWindow())
            self._dialog.finished.connect(self._on_dialog_closed)
        if QApplication.activeModalWidget() not in (None, self._dialog):
            self._dialog.hide()  # what it is to others may only change while it does not show
            self._dialog.setModal(True)
        self._dialog.show()
        self._dialog.raise_()

    def diagnose(self) -> str:
        """Return what a bug report needs to say."""
        return diagnostics(self._engine, plugin_version())

    def offer_setup(self) -> None:
        """Show the dock's button where there is no engine yet."""
        self._dock.set_needs_setup(not settings.is_set_up())

    def _on_status(self, *_: object) -> None:
        """Look again: the engine starts anew when the settings have changed."""
        self.offer_setup()

    def _on_dialog_closed(self) -> None:
        if self._dialog is not None:
            self._dialog.deleteLater()
            self._dialog = None

    def _on_begun(self) -> None:
        """End an engine that runs from the environment: on Windows its files are locked while it does."""
        if settings.get("engine/kind") == settings.LOCAL and not settings.get("engine/python"):
            self._engine.stop()

    def _on_installed(self, good: bool, _: str) -> None:
        self.offer_setup()
        if good:
            settings.put("engine/device", device_for(self.installer.variant, settings.get("engine/device")))
            self._engine.restart()


def device_for(variant: Variant, before: str) -> str:
    """Return the device that a fresh environment is for; another choice of the user's stays where it can."""
    if variant is Variant.CUDA:
        return "cuda"
    return before if variant.has_torch and before != "cuda" else "cpu"


def plugin_version() -> str:
    """Return the version that metadata.txt tells, beside the package or in it."""
    here = os.path.dirname(os.path.dirname(__file__))
    parser = ConfigParser(interpolation=None)
    for folder in (os.path.dirname(here), here):
        parser.read(os.path.join(folder, "metadata.txt"), "utf-8")
    return parser.get("general", "version", fallback="unknown")
