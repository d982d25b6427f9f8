"""As much of QGIS's interface as a plugin needs, around a real canvas, message bar and main window."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProject
from qgis.gui import QgsLayerTreeMapCanvasBridge, QgsMapCanvas, QgsMessageBar
from qgis.PyQt.QtCore import QObject, pyqtSignal
from qgis.PyQt.QtWidgets import QMainWindow, QToolBar, QVBoxLayout, QWidget


class Interface(QObject):
    """Stands where the desktop program's interface stands; everything it hands out is real."""

    currentLayerChanged = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self.window = QMainWindow()
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        self.bar, self.canvas = QgsMessageBar(), QgsMapCanvas()
        column.addWidget(self.bar)
        column.addWidget(self.canvas, 1)
        self.window.setCentralWidget(body)
        self._said: list[str] = []
        self.bar.widgetAdded.connect(self._hear)
        self.toolbar = QToolBar()
        self.window.addToolBar(self.toolbar)
        self.menu = self.window.menuBar().addMenu("Raster")
        root = QgsProject.instance().layerTreeRoot()
        self.bridge = QgsLayerTreeMapCanvasBridge(root, self.canvas, self.canvas)  # it goes with the canvas
        self.active: Any = None
        self.factories: list[Any] = []
        self.options_shown = ""
        self.window.resize(900, 700)
        self.canvas.setMinimumSize(600, 500)
        self.window.show()
        self.canvas.enableAntiAliasing(True)

    def mainWindow(self) -> QMainWindow:
        return self.window

    def mapCanvas(self) -> QgsMapCanvas:
        return self.canvas

    def messageBar(self) -> QgsMessageBar:
        return self.bar

    def activeLayer(self) -> Any:
        return self.active

    def setActiveLayer(self, layer: Any) -> bool:
        self.active = layer
        self.currentLayerChanged.emit(layer)
        return True

    def addDockWidget(self, area: Any, dock: Any) -> None:
        self.window.addDockWidget(area, dock)
        dock.show()

    def removeDockWidget(self, dock: Any) -> None:
        self.window.removeDockWidget(dock)

    def addToolBarIcon(self, action: Any) -> int:
        self.toolbar.addAction(action)
        return 0

    def removeToolBarIcon(self, action: Any) -> None:
        self.toolbar.removeAction(action)

    def addPluginToRasterMenu(self, name: str, action: Any) -> None:
        self.menu.addAction(action)

    def removePluginRasterMenu(self, name: str, action: Any) -> None:
        self.menu.removeAction(action)

    def registerOptionsWidgetFactory(self, factory: Any) -> None:
        self.factories.append(factory)

    def unregisterOptionsWidgetFactory(self, factory: Any) -> None:
        self.factories.remove(factory)

    def showOptionsDialog(self, parent: Any = None, page: str = "") -> None:
        self.options_shown = page

    def messages(self) -> list[str]:
        """Return what the message bar has said, gone or not."""
        return list(self._said)

    def _hear(self, _: Any) -> None:
        self._said.append(self.bar.currentItem().text())

    def close(self) -> None:
        self.bar.widgetAdded.disconnect(self._hear)
        self.window.close()
        self.window.deleteLater()
