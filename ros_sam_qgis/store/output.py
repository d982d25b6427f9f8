"""Which layer kept objects go to: one of the user's, or a GeoPackage of the plugin's beside the project."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from qgis.core import QgsApplication, QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import QStandardPaths

from ..i18n import tr
from ..session.session import KeptObject
from .target import ObjectGone, Target, create_geopackage, open_layer

FILE = "ros_sam_objects.gpkg"
PLACED = "objects"
ROLE = "ros_sam/objects"
"""Custom property of a layer that the plugin made: the name of its table."""


@dataclass(frozen=True)
class Key:
    """By which a layer is found again, or opened again, when it has left the project."""

    source: str
    provider: str
    name: str

    @classmethod
    def of(cls, layer: QgsVectorLayer) -> Key:
        """Return the key of a layer."""
        return cls(layer.source(), layer.providerType(), layer.name())


def reopen(key: Key) -> Target:
    """Return the target of a key, from the project or, if it has left it, from its file.

    Raises:
        ObjectGone: there is no such layer any more.
    """
    for layer in QgsProject.instance().mapLayers().values():
        if isinstance(layer, QgsVectorLayer) and Key.of(layer).source == key.source and layer.isValid():
            return Target(layer)
    layer = QgsVectorLayer(key.source, key.name, key.provider)
    if key.provider == "memory" or not layer.isValid():
        raise ObjectGone(tr("The layer {name} is gone.").format(name=key.name))
    add_on_top(layer)
    return Target(layer)


def default_target(kept: KeptObject, path: str = "") -> tuple[Target, bool]:
    """Return the plugin's own layer for an object, made if need be, and whether it is new in the project.

    Objects on images without georeference go to a layer of their own for each image: their coordinates mean
    nothing elsewhere.

    Args:
        kept: the object.
        path: of the GeoPackage; by default beside the project, else beside the image.

    Raises:
        NotWritable: the file cannot be made.
    """
    table = PLACED if kept.crs.isValid() else f"pixels_{_plain(kept.layer_name)}"
    for layer in QgsProject.instance().mapLayers().values():
        if isinstance(layer, QgsVectorLayer) and layer.customProperty(ROLE) == table and layer.isValid():
            return Target(layer), False
    path = path or os.path.join(default_folder(str(kept.attributes.get("source", ""))), FILE)
    name = tr("Objects") if kept.crs.isValid() else tr("Objects of {layer}").format(layer=kept.layer_name)
    layer = open_layer(path, table, name) if os.path.exists(path) else None
    if layer is None:
        create_geopackage(path, table, kept.crs)
        layer = open_layer(path, table, name)
    if layer is None:
        raise ObjectGone(tr("{path} was written and cannot be read again.").format(path=path))
    layer.setCustomProperty(ROLE, table)
    return Target(layer), True


def add_on_top(layer: QgsVectorLayer) -> None:
    """Add a layer to the project above all others, never into the group of a video."""
    QgsProject.instance().addMapLayer(layer, False)
    QgsProject.instance().layerTreeRoot().insertLayer(0, layer)


def own_layers() -> list[QgsVectorLayer]:
    """Return the plugin's own layers of kept objects in the project, those on Earth first."""
    layers = [
        layer
        for layer in QgsProject.instance().mapLayers().values()
        if isinstance(layer, QgsVectorLayer) and layer.customProperty(ROLE) and layer.isValid()
    ]
    return sorted(layers, key=lambda layer: layer.customProperty(ROLE) != PLACED)


def default_folder(image: str) -> str:
    """Return the folder of the project, else of the image, else of documents: the first that takes files."""
    home = QgsProject.instance().homePath() if QgsProject.instance().fileName() else ""
    beside = os.path.dirname(image) if os.path.isfile(image) else ""
    documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
    for folder in (home, beside, documents):
        if folder and os.path.isdir(folder) and os.access(folder, os.W_OK):
            return folder
    return str(QgsApplication.qgisSettingsDirPath())


def _plain(name: str) -> str:
    """Return a layer's name as part of a table's."""
    return re.sub(r"\W+", "_", name).strip("_") or "image"
