"""Kept objects as files of other programs: GeoPackage, GeoJSON, Shapefile, FlatGeobuf."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable

from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsProject,
    QgsVectorFileWriter,
    QgsVectorFileWriterTask,
    QgsVectorLayer,
)

from ..i18n import tr
from .fields import NAMES
from .target import NotWritable, is_undefined

DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".shp": "ESRI Shapefile", ".fgb": "FlatGeobuf"}
DBF_TEXT = 254
"""Characters that a Shapefile holds of a text."""


class Export:
    """One export, in the background. A file appears whole or not at all.

    Args:
        layer: of kept objects.
        path: whose suffix tells the format; a file there is replaced.
        done: takes the path and a remark for the user, empty as a rule.
        failed: takes a message.

    Attributes:
        is_over: whether it has ended; until then the caller must hold it.

    Raises:
        NotWritable: the format is unknown, or cannot hold the layer, or the file is the layer's own.
    """

    def __init__(
        self,
        layer: QgsVectorLayer,
        path: str,
        done: Callable[[str, str], None],
        failed: Callable[[str], None],
    ) -> None:
        self._path, self._done, self._failed = path, done, failed
        self._remark = ""
        self.is_over = False
        suffix = os.path.splitext(path)[1].lower()
        if suffix not in DRIVERS:
            text = tr("{suffix} is no format of an export; use {known}.")
            raise NotWritable(text.format(suffix=suffix or path, known=", ".join(DRIVERS)))
        own = layer.source().split("|", 1)[0]
        if os.path.exists(path) and os.path.exists(own) and os.path.samefile(path, own):
            text = tr("{path} is the file that the objects are in; choose another name.")
            raise NotWritable(text.format(path=path))
        folder = os.path.dirname(os.path.abspath(path))
        try:
            self._scratch = tempfile.mkdtemp(prefix=".ros-sam-", dir=folder)
        except OSError as error:
            text = tr("{folder} cannot be written to: {why}")
            raise NotWritable(text.format(folder=folder, why=error.strerror)) from error
        part = os.path.join(self._scratch, os.path.basename(path))
        options = self._options(layer, suffix)
        self._task = QgsVectorFileWriterTask(layer, part, options)
        self._task.writeComplete.connect(self._on_complete)
        self._task.errorOccurred.connect(self._on_error)
        QgsApplication.taskManager().addTask(self._task)

    def _options(self, layer: QgsVectorLayer, suffix: str) -> QgsVectorFileWriter.SaveVectorOptions:
        options = QgsVectorFileWriter.SaveVectorOptions()
        options.driverName = DRIVERS[suffix]
        options.fileEncoding = "UTF-8"
        options.layerName = os.path.splitext(os.path.basename(self._path))[0]
        wanted = [layer.fields().lookupField(name) for name in NAMES]
        others = [i for i in range(layer.fields().count()) if layer.fields().at(i).name() != "fid"]
        options.attributes = [i for i in wanted if i >= 0] + [i for i in others if i not in wanted]
        if suffix == ".geojson":
            self._to_wgs84(layer, options)
        if suffix == ".shp":
            self._remark = _cut(layer)
        return options

    def _to_wgs84(self, layer: QgsVectorLayer, options: QgsVectorFileWriter.SaveVectorOptions) -> None:
        if not layer.crs().isValid() or is_undefined(layer.crs()):
            shutil.rmtree(self._scratch, ignore_errors=True)
            raise NotWritable(tr("GeoJSON holds longitudes and latitudes; this layer has no CRS."))
        wgs84 = QgsCoordinateReferenceSystem("EPSG:4326")
        options.ct = QgsCoordinateTransform(layer.crs(), wgs84, QgsProject.instance())
        options.layerOptions = ["RFC7946=YES", "COORDINATE_PRECISION=9"]

    def _on_complete(self, *_: object) -> None:
        self.is_over = True
        try:
            for name in os.listdir(self._scratch):
                os.replace(os.path.join(self._scratch, name), os.path.join(os.path.dirname(self._path), name))
        except OSError as error:
            self._failed(tr("{path} cannot be written: {why}").format(path=self._path, why=error.strerror))
        else:
            self._done(self._path, self._remark)
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _on_error(self, _: int, why: str) -> None:
        self.is_over = True
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._failed(tr("{path} cannot be written: {why}").format(path=self._path, why=why))


def _cut(layer: QgsVectorLayer) -> str:
    """Return what a Shapefile will not hold of a layer."""
    names = [field.name() for field in layer.fields()]
    longest: dict[str, int] = {}
    for feature in layer.getFeatures():
        for name, value in zip(names, feature.attributes()):
            if isinstance(value, str) and len(value.encode()) > DBF_TEXT:
                longest[name] = longest.get(name, 0) + 1
    if not longest:
        return ""
    counts = ", ".join(f"{name}: {count}" for name, count in longest.items())
    return tr("A Shapefile holds {length} characters of a text; longer ones were cut ({counts}).").format(
        length=DBF_TEXT, counts=counts
    )
