"""The file of the first object, made ahead off the main thread, so that keeping it blocks nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading

from qgis.core import Qgis, QgsCoordinateReferenceSystem, QgsGeometry
from qgis.PyQt.QtCore import QObject

from ..background import log, run_in_background
from ..i18n import tr
from ..session.session import KeptObject
from .target import StoreError, append, create_geopackage, open_layer


class Prepared(QObject):
    """Holds an empty GeoPackage in a temporary folder until there is an object for it.

    Nothing stands beside the user's project before an object is kept; then the file appears there with the
    object in it.

    Attributes:
        folder: that the empty file is in; empty before there is one.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wanted: tuple[str, QgsCoordinateReferenceSystem] | None = None
        self.folder = ""
        self._ready = ""

    def expect(self, table: str, crs: QgsCoordinateReferenceSystem) -> None:
        """Make an empty layer, in the background; one that was made before is not made again."""
        if self._wanted == (table, crs):
            return
        self._wanted, self._ready = (table, crs), ""
        try:
            self.folder = self.folder or tempfile.mkdtemp(prefix="ros-sam-")
            path = os.path.join(tempfile.mkdtemp(dir=self.folder), "empty.gpkg")
        except OSError as error:
            self._on_failed(str(error))
            return
        wanted = self._wanted

        def made(path: str) -> None:
            if self._wanted == wanted:
                self._ready = path

        title = tr("ROS-SAM: prepare the output")
        failures = (OSError, StoreError)
        run_in_background(title, lambda: _make(path, table, crs), made, self._on_failed, failures, self)

    def is_ready(self, table: str, crs: QgsCoordinateReferenceSystem) -> bool:
        """Say whether an empty layer is at hand."""
        return bool(self._ready) and self._wanted == (table, crs)

    def put(self, path: str, table: str, kept: KeptObject) -> bool:
        """Put the file at a path with an object in it, whole or not at all.

        A crash of QGIS loses nothing from then on. A thread sees to it that a power cut does not either: on a
        busy disk that takes longer than the map should stand still.

        Returns:
            False if there is no such file at hand, or it cannot go there; nothing has happened then.
        """
        if not self.is_ready(table, kept.crs) or os.path.exists(path):
            return False
        folder, name = os.path.split(path)
        first, part = os.path.join(self.folder, "first.gpkg"), os.path.join(folder, f".{name}.part")
        try:
            shutil.copyfile(self._ready, first)
            append(first, table, kept)
            shutil.copyfile(first, part)
            os.replace(part, path)
        except (OSError, StoreError) as error:
            log(str(error), Qgis.MessageLevel.Info)
            return False
        threading.Thread(target=_sync, args=(path,), daemon=True).start()
        return True

    def close(self) -> None:
        """Delete what was made."""
        self._wanted, self._ready = None, ""
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _on_failed(self, why: str) -> None:
        log(why, Qgis.MessageLevel.Warning)


def _sync(path: str) -> None:
    """Have the system write a file to the disk itself."""
    with contextlib.suppress(OSError), open(path, "rb+") as file:
        os.fsync(file.fileno())


def _make(path: str, table: str, crs: QgsCoordinateReferenceSystem) -> str:
    """Make an empty layer. A copy of it takes an object: QGIS and GDAL are slow the first time."""
    create_geopackage(path, table, crs)
    trial = f"{path}.trial.gpkg"
    shutil.copyfile(path, trial)
    polygon = QgsGeometry.fromWkt("Polygon ((0 0, 1 0, 0 1, 0 0))")
    append(trial, table, KeptObject(polygon, crs, {"prompt_id": "trial"}))
    open_layer(trial, table, table)
    return path
