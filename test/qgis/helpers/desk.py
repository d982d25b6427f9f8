"""A user at work: a window with the plugin in it, a mouse, and the file that objects are kept in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from interface import Interface
from mouse import LEFT, Mouse
from osgeo import ogr
from qgis.core import QgsCoordinateReferenceSystem, QgsGeometry, QgsPointXY, QgsProject, QgsRectangle
from qgis.PyQt.QtCore import Qt
from waiting import let_run, wait_until

from ros_sam_qgis.controller import Controller
from ros_sam_qgis.dock.dock import SegmentDock
from ros_sam_qgis.engine.engine import Engine


class Desk:
    """A user at work: a window with the plugin in it, and what is in the file."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.iface = Interface()
        self.folder = folder
        self._unloaded = False
        QgsProject.instance().write(str(folder / "project.qgs"))
        self.dock = SegmentDock(self.iface.mainWindow())
        self.iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.dock)
        self.at = Controller(self.iface, engine, self.dock)
        self.canvas = self.iface.mapCanvas()
        self.mouse = Mouse(self.canvas)

    def open(self, layer: Any, crs: str | None = None, extent: QgsRectangle | None = None) -> None:
        """Show a layer, or the part in an extent of its CRS, in the CRS of the project; take the tool."""
        QgsProject.instance().addMapLayer(layer)
        project_crs = QgsCoordinateReferenceSystem(crs) if crs else layer.crs()
        QgsProject.instance().setCrs(project_crs)
        self.canvas.setDestinationCrs(project_crs)
        self.canvas.setLayers([layer])
        self.iface.setActiveLayer(layer)
        self.canvas.setExtent(
            self.canvas.mapSettings().layerExtentToOutputExtent(layer, extent or layer.extent())
        )
        self.canvas.refresh()
        self.at.set_active(True)
        let_run(0.05)

    def show(self, layers: list) -> None:
        """Show layers, the first one whole, and take the tool."""
        QgsProject.instance().setCrs(layers[0].crs())
        self.canvas.setDestinationCrs(layers[0].crs())
        self.canvas.setLayers(layers)
        self.canvas.setExtent(layers[0].extent())
        self.at.set_active(True)
        let_run(0.05)

    def on_map(self, point: QgsPointXY, layer: Any) -> QgsPointXY:
        """Return where a place of a layer is on the map."""
        return self.canvas.mapSettings().layerToMapCoordinates(layer, point)

    def click(self, point: QgsPointXY, layer: Any, button: Any = LEFT, modifiers: Any = None) -> None:
        self.mouse.click(self.on_map(point, layer), button, *([modifiers] if modifiers else []))

    def settle(self) -> QgsGeometry:
        """Wait for the outline at hand."""
        session = self.at.session
        wait_until(lambda: session.current is not None and not session.current.is_pending, 180, "outline")
        assert session.current.outline is not None, self.iface.messages()
        return QgsGeometry(session.current.outline.geometry)

    @property
    def file(self) -> Path:
        return self.folder / "ros_sam_objects.gpkg"

    def rows(self, table: str = "objects") -> list[dict]:
        """Read the file as another program does."""
        if not self.file.exists():
            return []
        dataset, found = ogr.Open(str(self.file)), []
        for feature in dataset.GetLayerByName(table) or ():
            geometry = QgsGeometry()
            geometry.fromWkb(bytes(feature.GetGeometryRef().ExportToWkb()))
            found.append({**feature.items(), "geometry": geometry})
        return found

    def unload(self) -> None:
        """Disable the plugin, unless that is done."""
        if not self._unloaded:
            self._unloaded = True
            self.at.close()

    def close(self) -> None:
        self.unload()
        self.iface.removeDockWidget(self.dock)
        self.dock.deleteLater()
        self.iface.close()
        let_run(0.05)
