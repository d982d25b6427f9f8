"""The layer that kept objects are written to: at once, past QGIS's edit buffer, so that they are on disk."""

from __future__ import annotations

import os
from dataclasses import dataclass

from osgeo import gdal
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsFeature,
    QgsFeatureRequest,
    QgsGeometry,
    QgsProject,
    QgsVectorDataProvider,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsWkbTypes,
)

from ..i18n import tr
from ..session.session import KeptObject
from ..sources.grid import name_of
from .fields import NAMES, column, feature_of, named, object_fields, stored

SYNCHRONOUS = "OGR_SQLITE_SYNCHRONOUS"


class StoreError(Exception):
    """Root of what this package raises; the message is for the user."""


class NotWritable(StoreError, OSError):
    """The file, or the layer, takes no objects."""


class CrsUnfit(StoreError, ValueError):
    """An object cannot be brought to the CRS of the layer."""


class PartsUnfit(StoreError, ValueError):
    """An object has more parts than the layer takes."""


class ObjectGone(StoreError, LookupError):
    """An object is no longer where it was written."""


@dataclass(frozen=True)
class Place:
    """Where an object stands: the feature, and the object's id, by which it is known for certain."""

    fid: int
    object_id: str


class Target:
    """A vector layer that takes objects.

    Args:
        layer: polygons; QGIS's own handle on the file, so that what is written is seen.
    """

    def __init__(self, layer: QgsVectorLayer) -> None:
        self.layer = layer

    @property
    def crs(self) -> QgsCoordinateReferenceSystem:
        """CRS of the layer; invalid where its file says that it is undefined."""
        crs = self.layer.crs()
        return QgsCoordinateReferenceSystem() if is_undefined(crs) else crs

    def missing(self) -> list[str]:
        """Return the attributes that the layer has no field for."""
        return [name for name in NAMES if named(self.layer.fields(), name) < 0]

    def unfit(self) -> list[str]:
        """Return the attributes whose fields are of another kind: these stay empty."""
        fields = self.layer.fields()
        return [name for name in NAMES if named(fields, name) >= 0 > column(fields, name)]

    def reaches(self, kept: KeptObject) -> bool:
        """Say whether an object can be brought to the layer's CRS."""
        try:
            self._moved(kept)
        except CrsUnfit:
            return False
        return True

    def add_missing(self) -> None:
        """Give the layer the fields that it lacks.

        Raises:
            NotWritable: it takes none.
        """
        wanted = set(self.missing())
        fields = [field for field in object_fields() if field.name() in wanted]
        if fields and not self._provider().addAttributes(fields):
            raise self._refusal()
        self.layer.updateFields()

    def write(self, kept: KeptObject) -> Place:
        """Write an object and return where it stands.

        Raises:
            NotWritable: the layer cannot be written to.
            CrsUnfit: the object cannot be brought to the layer's CRS.
            PartsUnfit: it has several parts and the layer takes one.
        """
        provider = self._provider()
        feature = feature_of(kept, self._fit(kept), self.layer.fields())
        good, written = provider.addFeatures([feature])
        if not good or not written:
            raise self._refusal()
        self._show()
        return Place(written[0].id(), str(kept.attributes.get("prompt_id", "")))

    def remove(self, place: Place) -> QgsFeature:
        """Take an object out of the file and return what stood there.

        Raises:
            ObjectGone: it is not there any more.
            NotWritable: the layer cannot be written to.
        """
        feature = self.find(place)
        if not self._provider().deleteFeatures([feature.id()]):
            raise self._refusal()
        self._show()
        return feature

    def put_back(self, feature: QgsFeature, object_id: str) -> Place:
        """Write a feature again that was taken out.

        Raises:
            NotWritable: the layer cannot be written to.
        """
        again = QgsFeature(feature)
        key = self.layer.primaryKeyAttributes()
        for index in key:  # the file gives a new one
            again.setAttribute(index, None)
        good, written = self._provider().addFeatures([again])
        if not good or not written:
            raise self._refusal()
        self._show()
        return Place(written[0].id(), object_id)

    def rewrite(self, place: Place, kept: KeptObject) -> QgsFeature:
        """Write an object over what stood there, and return that.

        Raises:
            ObjectGone: nothing stands there any more.
            NotWritable, CrsUnfit, PartsUnfit: as for `write`.
        """
        before = self.find(place)
        self._change(before.id(), stored(kept, self.layer.fields()), self._fit(kept))
        return before

    def restore(self, place: Place, before: QgsFeature) -> QgsFeature:
        """Write an earlier state of an object over the present one, and return that.

        Fields that are not the plugin's stay as they are: the user may have filled them since.

        Raises:
            ObjectGone, NotWritable: as for `rewrite`.
        """
        now = self.find(place)
        own = [column(self.layer.fields(), name) for name in NAMES]
        attributes = {index: before.attributes()[index] for index in own if index >= 0}
        self._change(now.id(), attributes, before.geometry())
        return now

    def find(self, place: Place) -> QgsFeature:
        """Return the feature of an object.

        Raises:
            ObjectGone: it is not there any more.
        """
        feature = self.layer.getFeature(place.fid)
        index = column(self.layer.fields(), "prompt_id")
        if feature.isValid() and (index < 0 or feature[index] == place.object_id):
            return feature
        if index >= 0:
            quoted = place.object_id.replace("'", "''")
            request = QgsFeatureRequest().setFilterExpression(f"\"prompt_id\" = '{quoted}'")
            for feature in self.layer.getFeatures(request):
                return feature
        text = tr("Object {id} is no longer in {layer}.")
        raise ObjectGone(text.format(id=place.object_id, layer=self.layer.name()))

    def _change(self, fid: int, attributes: dict[int, object], geometry: QgsGeometry) -> None:
        provider = self._provider()
        if not provider.changeFeatures({fid: attributes}, {fid: geometry}):
            raise self._refusal()
        self._show()

    def _provider(self) -> QgsVectorDataProvider:
        provider = self.layer.dataProvider()
        wanted = QgsVectorDataProvider.Capability.AddFeatures
        if not self.layer.isValid() or not provider.capabilities() & wanted:
            text = tr("{layer} cannot be written to; choose another output layer.")
            raise NotWritable(text.format(layer=self.layer.name()))
        if provider.transaction() is not None:
            text = tr("{layer} is being edited in a transaction; stop editing it, or choose another output.")
            raise NotWritable(text.format(layer=self.layer.name()))
        path = self.layer.source().split("|", 1)[0]
        if provider.name() == "ogr" and os.path.isabs(path) and not os.path.exists(path):
            text = tr("{path} is gone; choose another output layer.")
            raise NotWritable(text.format(path=path))
        provider.clearErrors()
        return provider

    def _refusal(self) -> NotWritable:
        errors = self.layer.dataProvider().errors()
        text = tr("{layer} did not take the object: {why}")
        why = errors[-1] if errors else tr("no reason was given")
        return NotWritable(text.format(layer=self.layer.name(), why=why))

    def _show(self) -> None:
        self.layer.updateExtents()
        self.layer.dataChanged.emit()
        self.layer.triggerRepaint()

    def _fit(self, kept: KeptObject) -> QgsGeometry:
        """Return the geometry in the layer's CRS, of the layer's type."""
        geometry = self._moved(kept)
        if QgsWkbTypes.isMultiType(self.layer.wkbType()):
            geometry.convertToMultiType()
        else:
            self._make_single(geometry, kept.corrects is not None)
        return geometry

    def _moved(self, kept: KeptObject) -> QgsGeometry:
        """Return the geometry in the layer's CRS.

        QGIS raises nothing for a polygon of which some corners have no place there, nor where there is no way
        between two CRSs: it leaves infinite coordinates, or those of before.
        """
        geometry = QgsGeometry(kept.geometry)
        if kept.crs.isValid() != self.crs.isValid():
            text = tr("{layer} and the image are not both georeferenced; choose another output layer.")
            raise CrsUnfit(text.format(layer=self.layer.name()))
        if kept.crs == self.crs:
            return geometry
        change = QgsCoordinateTransform(kept.crs, self.crs, QgsProject.instance())
        why = ""
        try:
            if change.isValid():
                geometry.transform(change)
        except QgsCsException as error:
            why = f" {error}"
        if why or not change.isValid() or not geometry.boundingBox().isFinite():
            text = tr("The CRS of {layer}, {crs}, does not reach the object; choose another output layer.")
            raise CrsUnfit(text.format(layer=self.layer.name(), crs=name_of(self.crs)) + why)
        return geometry

    def _make_single(self, geometry: QgsGeometry, corrects: bool) -> None:
        """Make a geometry of one part a single one. QGIS would drop the other parts and call that done."""
        parts = geometry.constGet().partCount()
        if parts > 1:
            if corrects:
                text = tr("{layer} takes single polygons and this has {count} parts; correct it again.")
            else:
                text = tr("{layer} takes single polygons and this has {count} parts; choose another output.")
            raise PartsUnfit(text.format(layer=self.layer.name(), count=parts))
        geometry.convertToSingleType()


def create_geopackage(path: str, table: str, crs: QgsCoordinateReferenceSystem) -> None:
    """Make an empty layer of objects in a GeoPackage, a new one or one that lacks this layer.

    Raises:
        NotWritable: it cannot be made.
    """
    options = _options(table)
    if os.path.exists(path):
        options.actionOnExistingFile = QgsVectorFileWriter.ActionOnExistingFile.CreateOrOverwriteLayer
    _writer(path, crs, options)


def append(path: str, table: str, kept: KeptObject) -> None:
    """Write an object to a layer of `create_geopackage`, in its CRS, without opening it as a layer.

    The caller must see to it that it comes to the disk: SQLite does not.

    Raises:
        NotWritable: it cannot be written.
    """
    options = _options(table)
    options.actionOnExistingFile = QgsVectorFileWriter.ActionOnExistingFile.AppendToLayerNoNewFields
    geometry = QgsGeometry(kept.geometry)
    geometry.convertToMultiType()
    gdal.SetThreadLocalConfigOption(SYNCHRONOUS, "OFF")
    try:
        writer = _writer(path, kept.crs, options)
        if not writer.addFeature(feature_of(kept, geometry, object_fields())):
            raise NotWritable(writer.errorMessage())
        del writer
    finally:
        gdal.SetThreadLocalConfigOption(SYNCHRONOUS, None)


def _options(table: str) -> QgsVectorFileWriter.SaveVectorOptions:
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName, options.layerName, options.fileEncoding = "GPKG", table, "UTF-8"
    return options


def _writer(
    path: str, crs: QgsCoordinateReferenceSystem, options: QgsVectorFileWriter.SaveVectorOptions
) -> QgsVectorFileWriter:
    context = QgsProject.instance().transformContext()
    fields, kind = object_fields(), QgsWkbTypes.MultiPolygon
    writer = QgsVectorFileWriter.create(path, fields, kind, crs, context, options)
    if writer.hasError() != QgsVectorFileWriter.WriterError.NoError:
        text = tr("{path} cannot be made: {why}")
        raise NotWritable(text.format(path=path, why=writer.errorMessage()))
    return writer


def open_layer(path: str, table: str, name: str) -> QgsVectorLayer | None:
    """Open a layer of a GeoPackage; None where there is none of that name."""
    layer = QgsVectorLayer(f"{path}|layername={table}", name, "ogr")
    if not layer.isValid():
        return None
    if is_undefined(layer.crs()):
        layer.setCrs(QgsCoordinateReferenceSystem())
    return layer


def is_undefined(crs: QgsCoordinateReferenceSystem) -> bool:
    """Say whether a CRS is one of the two by which a GeoPackage says that it has none."""
    return str(crs.description()).startswith("Undefined ")
