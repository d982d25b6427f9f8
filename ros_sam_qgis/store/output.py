"""Which layer kept objects go to: one of the user's, or a GeoPackage of the plugin's beside the project."""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass

from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsProject,
    QgsProviderRegistry,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QStandardPaths

from ..i18n import tr
from ..session.session import KeptObject
from .prepared import Prepared
from .target import ObjectGone, Place, Target, create_geopackage, is_undefined, open_layer

FILE = "ros_sam_objects.gpkg"
PLACED, PIXELS = "objects", "pixels"
"""What the names of tables begin with: objects on Earth, and those in the pixels of an image."""
FIRST = 1
"""The first feature's id in a new GeoPackage."""
ROLE = "ros_sam/objects"
"""Custom property of a layer that the plugin made: the name of its table."""


@dataclass(frozen=True)
class Key:
    """By which a layer is found again, or opened again, when it has left the project.

    Attributes:
        source: of the layer.
        provider: of its data.
        name: in the project.
        table: of the plugin's own layer; empty for one of the user's.
    """

    source: str
    provider: str
    name: str
    table: str = ""

    @classmethod
    def of(cls, layer: QgsVectorLayer) -> Key:
        """Return the key of a layer."""
        return cls(layer.source(), layer.providerType(), layer.name(), role_of(layer))


def reopen(key: Key) -> tuple[Target, bool]:
    """Return the target of a key, from the project or, if it has left it, from its file: then it is new.

    Raises:
        ObjectGone: there is no such layer any more.
    """
    for layer in QgsProject.instance().mapLayers().values():
        if isinstance(layer, QgsVectorLayer) and Key.of(layer).source == key.source and layer.isValid():
            return Target(layer), False
    layer = QgsVectorLayer(key.source, key.name, key.provider)
    if key.provider == "memory" or not layer.isValid():
        raise ObjectGone(tr("The layer {name} is gone.").format(name=key.name))
    return Target(_marked(layer, key.table) if key.table else layer), True


def table_of(crs: QgsCoordinateReferenceSystem, layer_name: str, source: str) -> str:
    """Return the table of objects on an image; images without CRS have one each, whatever their names."""
    if crs.isValid():
        return PLACED
    return f"{PIXELS}_{_plain(layer_name)}_{zlib.crc32(source.encode()):08x}"


def role_of(layer: QgsVectorLayer) -> str:
    """Return the table of a layer of the plugin's own; empty for any other.

    Custom properties are part of a style: one that was pasted on a layer of the user's makes it no output.
    """
    table = str(layer.customProperty(ROLE) or "")
    parts = QgsProviderRegistry.instance().decodeUri(layer.providerType(), layer.source()) if table else {}
    return table if parts.get("layerName") == table else ""


def own_layer(table: str) -> QgsVectorLayer | None:
    """Return the plugin's own layer of a table, if it is in the project."""
    for layer in QgsProject.instance().mapLayers().values():
        if isinstance(layer, QgsVectorLayer) and role_of(layer) == table and layer.isValid():
            return layer
    return None


def begin_file(kept: KeptObject, prepared: Prepared) -> tuple[Target, Place] | None:
    """Put a prepared file with an object in it where `default_target` would make one, if that can be.

    Returns:
        The new layer, and where the object stands in it.
    """
    table = _table_for(kept)
    path = _default_path(kept)
    if own_layer(table) is not None or not prepared.put(path, table, kept):
        return None
    target = Target(_made_for(kept, open_layer(path, table, _title(kept)), path, table))
    return target, Place(FIRST, str(kept.attributes.get("prompt_id", "")))


def default_target(kept: KeptObject, path: str = "", prefix: str = "") -> tuple[Target, bool]:
    """Return the plugin's own layer for an object, made if need be, and whether it is new in the project.

    All objects on Earth go to one layer, in the CRS of the first, but for those that this CRS does not reach:
    they have a layer for each CRS. Objects on images without georeference go to a layer of their own for each
    image: their coordinates mean nothing elsewhere.

    Args:
        kept: the object.
        path: of a GeoPackage that is to be used and no other; by default the layer in the project, else a
            file beside the project, else beside the image.
        prefix: of the name of the table.

    Raises:
        NotWritable: the file cannot be made.
    """
    table = prefix + _table_for(kept)
    target, new = _target_of(table, kept, path)
    if not target.reaches(kept):
        target, new = _target_of(f"{table}_{_crs_name(kept.crs)}", kept, path)
        if target.crs != kept.crs:
            target.layer.setCrs(kept.crs)
    return target, new


def _target_of(table: str, kept: KeptObject, path: str) -> tuple[Target, bool]:
    """Return a layer of the plugin's own, made for an object if need be, and whether it is new; as above."""
    own = None if path else own_layer(table)
    if own is not None:
        return Target(own), False
    path = path or _default_path(kept)
    layer = open_layer(path, table, _title(kept)) if os.path.exists(path) else None
    if layer is not None:
        return Target(_marked(layer, table)), True
    create_geopackage(path, table, kept.crs)
    return Target(_made_for(kept, open_layer(path, table, _title(kept)), path, table)), True


def _table_for(kept: KeptObject) -> str:
    return table_of(kept.crs, kept.layer_name, str(kept.attributes.get("source") or ""))


def _crs_name(crs: QgsCoordinateReferenceSystem) -> str:
    """Return a CRS as part of a table's name."""
    return _plain(crs.authid()).lower() if crs.authid() else f"{zlib.crc32(crs.toWkt().encode()):08x}"


def _default_path(kept: KeptObject) -> str:
    return os.path.join(default_folder(str(kept.attributes.get("source", ""))), FILE)


def _title(kept: KeptObject) -> str:
    return tr("Objects") if kept.crs.isValid() else tr("Objects of {layer}").format(layer=kept.layer_name)


def _made_for(kept: KeptObject, layer: QgsVectorLayer | None, path: str, table: str) -> QgsVectorLayer:
    """Return the layer of a table just made for an object, as the plugin's own and in the object's CRS.

    Of some CRSs (other planets, local ones) QGIS does not know that what it reads again is what it wrote.
    """
    if layer is None:
        raise ObjectGone(tr("{path} was written and cannot be read again.").format(path=path))
    layer.setCrs(kept.crs)
    return _marked(layer, table)


def _marked(layer: QgsVectorLayer, table: str) -> QgsVectorLayer:
    """Mark a layer as the plugin's own; without georeference it has no CRS."""
    layer.setCustomProperty(ROLE, table)
    if is_undefined(layer.crs()):
        layer.setCrs(QgsCoordinateReferenceSystem())
    return layer


def add_on_top(layer: QgsVectorLayer) -> None:
    """Add a layer to the project above all others, never into the group of a video."""
    QgsProject.instance().addMapLayer(layer, False)
    QgsProject.instance().layerTreeRoot().insertLayer(0, layer)


def own_layers() -> list[QgsVectorLayer]:
    """Return the plugin's own layers of kept objects in the project, those on Earth first."""
    layers = [
        layer
        for layer in QgsProject.instance().mapLayers().values()
        if isinstance(layer, QgsVectorLayer) and role_of(layer) and layer.isValid()
    ]
    return sorted(layers, key=lambda layer: not role_of(layer).startswith(PLACED))


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
