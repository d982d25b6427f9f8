"""The plugin: what QGIS calls, and nothing but wiring."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QCoreApplication, Qt, QTranslator
from qgis.PyQt.QtWidgets import QAction

from .background import keep_threads, let_threads_end
from .controller import Controller
from .dock.dock import SegmentDock
from .engine.engine import Engine
from .i18n import load_translator, tr
from .icons import icon
from .processing.provider import RosSamProvider
from .settings import store as settings
from .settings.desk import SettingsDesk


class RosSamPlugin:
    """What lives as long as the plugin is enabled.

    Args:
        iface: QGIS's interface.
    """

    def __init__(self, iface: Any) -> None:
        self.iface = iface
        self.translator: QTranslator | None = None
        self._has_gui = False

    def initGui(self) -> None:
        """Add everything to QGIS; `unload` takes it away again, line by line."""
        self._translate()
        self._has_gui = True
        self.engine = Engine(settings.choice)
        self.dock = SegmentDock(self.iface.mainWindow())
        self.iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.dock)
        self.controller = Controller(self.iface, self.engine, self.dock)
        self.desk = SettingsDesk(self.iface, self.engine, self.dock, icon("ros_sam"))
        self.initProcessing()
        self.action = QAction(icon("ros_sam"), tr("ROS-SAM: outline objects"), self.iface.mainWindow())
        self.action.setCheckable(True)
        self.action.toggled.connect(self._on_action)
        self.iface.addToolBarIcon(self.action)
        self.iface.addPluginToRasterMenu("ROS-SAM", self.action)
        self.controller.tool_changed.connect(self.action.setChecked)
        QgsApplication.instance().aboutToQuit.connect(self.engine.stop)
        QgsApplication.instance().aboutToQuit.connect(let_threads_end)

    def initProcessing(self) -> None:
        """Add the algorithms; `qgis_process` calls this and nothing else."""
        keep_threads()
        self._translate()
        self.provider = RosSamProvider(icon("ros_sam"))
        QgsApplication.processingRegistry().addProvider(self.provider)

    def unload(self) -> None:
        """Take everything away again."""
        if self._has_gui:
            self._unload_gui()
        QgsApplication.processingRegistry().removeProvider(self.provider)
        if self.translator is not None:
            QCoreApplication.removeTranslator(self.translator)

    def _translate(self) -> None:
        """Have texts in QGIS's language, before the first of them is asked for."""
        if self.translator is None:
            self.translator = load_translator()
            if self.translator is not None:
                QCoreApplication.installTranslator(self.translator)

    def _unload_gui(self) -> None:
        QgsApplication.instance().aboutToQuit.disconnect(self.engine.stop)
        QgsApplication.instance().aboutToQuit.disconnect(let_threads_end)
        self.controller.tool_changed.disconnect(self.action.setChecked)
        self.iface.removePluginRasterMenu("ROS-SAM", self.action)
        self.iface.removeToolBarIcon(self.action)
        self.action.deleteLater()
        self.desk.close()
        self.desk.deleteLater()
        self.controller.close()
        self.controller.deleteLater()
        self.iface.removeDockWidget(self.dock)
        self.dock.deleteLater()
        self.engine.stop()
        self.engine.deleteLater()

    def _on_action(self, wanted: bool) -> None:
        if wanted:
            self.dock.setUserVisible(True)
        self.controller.set_active(wanted)
