"""Files that the user chooses: the output, exports, videos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from qgis.core import Qgis, QgsMapLayer, QgsProject, QgsRasterLayer, QgsVectorLayer
from qgis.PyQt.QtCore import QObject, pyqtSignal
from qgis.PyQt.QtWidgets import QFileDialog, QMessageBox

from .background import log
from .dock.dock import SegmentDock
from .dock.video_dialog import VideoDialog, VideoWish
from .i18n import tr
from .session.session import KeptObject
from .settings import store as settings
from .sources.choose import provenance_of
from .store.export import DRIVERS, Export
from .store.keeper import Keeper, rescue
from .store.look import style_objects
from .store.output import default_folder, own_layer, own_layers, table_of
from .store.target import StoreError, Target
from .video.opening import open_video

FILTERS = (
    "GeoPackage (*.gpkg)",
    "GeoJSON (*.geojson)",
    "ESRI Shapefile (*.shp)",
    "FlatGeobuf (*.fgb)",
)

RESCUE = "rescued_objects.gpkg"
"""File of last resort, in the profile."""
UNOUTLINED = "unoutlined_"
"""What the names of its tables begin with that hold objects without outline."""


class Files(QObject):
    """Output, export and video.

    Args:
        iface: QGIS's interface.
        keeper: that writes kept objects.
        dock: whose buttons ask for files.

    Signals:
        opened: the first frame of a video that was opened.
    """

    opened = pyqtSignal(object)

    def __init__(self, iface: Any, keeper: Keeper, dock: SegmentDock, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._iface, self._keeper, self._dock = iface, keeper, dock
        self._exports: set[Export] = set()
        dock.output_chosen.connect(self.choose_output)
        dock.export_wanted.connect(self._on_export)
        dock.video_wanted.connect(self._on_video)
        keeper.failed.connect(self._on_not_written)
        keeper.added.connect(lambda layer: style_objects(layer, settings.classes()))
        QgsProject.instance().layersRemoved.connect(self._show_output)
        QgsProject.instance().layersAdded.connect(self._show_output)

    def close(self, unoutlined: Sequence[KeptObject] = ()) -> None:
        """Write what still waits, at the last to a file in the profile: nothing that was kept is lost."""
        QgsProject.instance().layersRemoved.disconnect(self._show_output)
        QgsProject.instance().layersAdded.disconnect(self._show_output)
        self._keeper.prepared.close()
        if self._keeper.waiting:
            self._keeper.retry()
        self.rescue(unoutlined)

    def rescue(self, unoutlined: Sequence[KeptObject] = ()) -> None:
        """Write what still waits to a file in the profile.

        Args:
            unoutlined: what was kept and has no outline, only marks where its prompts are.
        """
        told = tr("{count} objects could not be written to their layer; they are in {path}.")
        self._keeper.waiting = self._rescue(self._keeper.waiting, "", told)
        told = tr("{count} kept objects had no outline yet; open {path} and Ctrl+click their marks.")
        self._rescue(unoutlined, UNOUTLINED, told)

    def choose_output(self, layer: QgsMapLayer | None) -> None:
        """Write to a layer of the user's from now on, or to the plugin's own file.

        A layer that lacks attributes gets them only if the user says so.
        """
        if not isinstance(layer, QgsVectorLayer):
            self._keeper.write_to(None)
            return
        target = Target(layer)
        unfit = target.unfit()
        if unfit:
            text = tr("{layer} has attributes {names} of another kind; they stay empty for kept objects.")
            self._warn(text.format(layer=layer.name(), names=", ".join(unfit)))
        missing = target.missing()
        if missing and self._may_add(layer, missing):
            try:
                target.add_missing()
            except StoreError as error:
                self._warn(str(error))
        self._keeper.write_to(layer)

    def export(self, layer: QgsVectorLayer, path: str) -> None:
        """Save a layer of kept objects in the format of a path's suffix; others may be under way."""
        self._exports = {one for one in self._exports if not one.is_over}
        try:
            self._exports.add(Export(layer, path, self._on_exported, self._warn))
        except StoreError as error:
            self._warn(str(error))

    def open_video(self, wish: VideoWish) -> None:
        """Open a satellite video as a group of temporal layers."""
        self._tell(tr("Opening the video…"))
        open_video(wish, self._on_video_open, self._warn, self)

    def _rescue(self, objects: Sequence[KeptObject], prefix: str, told: str) -> list[KeptObject]:
        """Write objects to the file of last resort and tell so; returns those that it does not take."""
        path = os.path.join(settings.home(), RESCUE)
        left, why = rescue(objects, path, prefix)
        if len(left) < len(objects):
            self._alarm(told.format(count=len(objects) - len(left), path=path))
        if left:
            text = tr("{count} kept objects could not be written, not even to {path}: {why}")
            self._alarm(text.format(count=len(left), path=path, why=why))
        return left

    def _show_output(self, *_: object) -> None:
        """Show the output again: when it leaves the project the list would go on to its neighbour."""
        self._dock.show_output(self._keeper.layer)

    def _may_add(self, layer: QgsVectorLayer, missing: list[str]) -> bool:
        text = tr("{layer} has no attributes {names}. Add them to it? Without them they are not kept.")
        answer = QMessageBox.question(
            self._iface.mainWindow(), "ROS-SAM", text.format(layer=layer.name(), names=", ".join(missing))
        )
        return answer == QMessageBox.StandardButton.Yes

    def _on_export(self) -> None:
        layer = self._kept_layer()
        if layer is None:
            self._warn(tr("There are no kept objects yet."))
            return
        proposed = os.path.join(default_folder(""), layer.name())
        path, chosen = QFileDialog.getSaveFileName(
            self._iface.mainWindow(), tr("Export kept objects"), proposed, ";;".join(FILTERS)
        )
        path = self._with_suffix(path, chosen)
        if path:
            self.export(layer, path)

    def _kept_layer(self) -> QgsVectorLayer | None:
        """Return the output, else the plugin's own objects of the layer at hand, else any of its own."""
        image = self._dock.layer.currentLayer()
        here = None if image is None else own_layer(table_of(image.crs(), image.name(), provenance_of(image)))
        return self._keeper.layer or here or next(iter(own_layers()), None)

    def _with_suffix(self, path: str, chosen: str) -> str:
        """Return the path with the suffix of the chosen format, if it has none; empty if it is not to be."""
        if not path or os.path.splitext(path)[1].lower() in DRIVERS:
            return path
        path += chosen[chosen.rindex("*") + 1 : -1] if "*" in chosen else ".gpkg"
        if not os.path.exists(path):
            return path
        text = tr("{path} exists already. Replace it?").format(path=path)
        answer = QMessageBox.question(self._iface.mainWindow(), "ROS-SAM", text)
        return path if answer == QMessageBox.StandardButton.Yes else ""

    def _on_exported(self, path: str, remark: str) -> None:
        self._tell(f"{tr('Exported to {path}.').format(path=path)} {remark}".strip())

    def _on_video(self) -> None:
        dialog = VideoDialog(self._iface.mainWindow())
        if dialog.exec():
            self.open_video(dialog.wish())
        dialog.deleteLater()

    def _on_video_open(self, layers: list[QgsRasterLayer]) -> None:
        self._tell(tr("The video has {count} frames.").format(count=len(layers)))
        self.opened.emit(layers[0])

    def _on_not_written(self, why: str) -> None:
        waiting = len(self._keeper.waiting)
        if waiting:
            text = tr("{why} {count} objects wait and are written as soon as that works.")
            why = text.format(why=why, count=waiting)
        self._iface.messageBar().pushMessage("ROS-SAM", why, Qgis.MessageLevel.Critical, 0)

    def _alarm(self, text: str) -> None:
        log(text, Qgis.MessageLevel.Critical)
        self._iface.messageBar().pushMessage("ROS-SAM", text, Qgis.MessageLevel.Critical, 0)

    def _tell(self, text: str) -> None:
        self._iface.messageBar().pushMessage("ROS-SAM", text, Qgis.MessageLevel.Info, 6)

    def _warn(self, text: str) -> None:
        self._iface.messageBar().pushMessage("ROS-SAM", text, Qgis.MessageLevel.Warning, 6)
