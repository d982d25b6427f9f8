"""Prompts from vector files: a polygon is a box, a point is a click."""

import os
import warnings
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import shapely
from geopandas import GeoDataFrame
from pyogrio.errors import DataLayerError, DataSourceError, GeometryError
from pyproj import CRS
from shapely.errors import GEOSException

from ros_sam_core.errors import (
    PromptFileEmpty,
    PromptFileInvalid,
    PromptFileNotFound,
    PromptFileUnreadable,
    PromptFileWithoutCrs,
    PromptSkipped,
)
from ros_sam_core.geo.crs import parse_crs
from ros_sam_core.geo.prompts import Prompt

RASTER_CRS = "raster"
"""Given as CRS of a file: its coordinates are in the raster's own CRS, or its pixels if it has none."""

ID_COLUMNS = ("prompt_id", "id", "name")

Path = str | os.PathLike[str]


def read_boxes(path: Path, crs: CRS | str | None = None, layer: str | None = None) -> list[Prompt]:
    """Read one box for each polygon of a vector file: its bounds, in the CRS of the file.

    A prompt's id is its `prompt_id`, else `id`, else `name`, where every row has one and all differ; else the
    number of its row, from 0. A row without geometry is left out with a `PromptSkipped` warning.

    Args:
        path: any vector file that GDAL reads.
        crs: overrides the CRS of the file; ``"raster"`` says that it is the raster's own, or its pixels.
        layer: which layer, if there is more than one with geometries.

    Raises:
        PromptFileNotFound: if there is no such file.
        PromptFileUnreadable: if GDAL cannot read it.
        PromptFileEmpty: if no row holds a geometry.
        PromptFileInvalid: if a geometry is no polygon, or the layer is not clear.
        PromptFileWithoutCrs: if neither the file nor `crs` says which CRS it is.
        PromptInvalid: if a polygon has no width or height.
        CrsUnknown: if pyproj does not know `crs`.
    """
    table, crs = _read(path, crs, layer, {"Polygon", "MultiPolygon"}, "boxes are polygons")
    return [
        Prompt(name, box=tuple(geometry.bounds), crs=crs)
        for name, geometry in zip(_ids(table), table.geometry, strict=True)
    ]


def read_points(path: Path, crs: CRS | str | None = None, layer: str | None = None) -> list[Prompt]:
    """Read the clicks of a vector file.

    Rows with the same value of the attribute `object` are clicks on one object, and that value is the
    prompt's id. Without that attribute each row is an object by itself (a multipoint has several clicks), and
    its id is found as for boxes. The attribute `label` tells clicks on the object (1, or nothing) from clicks
    beside it (0).

    Args:
        path: any vector file that GDAL reads.
        crs: overrides the CRS of the file; ``"raster"`` says that it is the raster's own, or its pixels.
        layer: which layer, if there is more than one with geometries.

    Raises:
        PromptFileNotFound: if there is no such file.
        PromptFileUnreadable: if GDAL cannot read it.
        PromptFileEmpty: if no row holds a geometry.
        PromptFileInvalid: if a geometry is no point, a label is not 0 or 1, or the layer is not clear.
        PromptFileWithoutCrs: if neither the file nor `crs` says which CRS it is.
        PromptInvalid: if an object has no click on it.
        CrsUnknown: if pyproj does not know `crs`.
    """
    table, crs = _read(path, crs, layer, {"Point", "MultiPoint"}, "clicks are points")
    clicks: dict[str, tuple[list[tuple[float, float]], list[int]]] = {}
    rows = zip(_objects(table, path), _labels(table, path), table.geometry, strict=True)
    for name, label, geometry in rows:
        points, labels = clicks.setdefault(name, ([], []))
        for x, y in shapely.get_coordinates(geometry):
            points.append((float(x), float(y)))
            labels.append(label)
    return [Prompt(name, tuple(points), tuple(labels), crs=crs) for name, (points, labels) in clicks.items()]


def _read(
    path: Path, crs: CRS | str | None, layer: str | None, kinds: set[str], rule: str
) -> tuple[GeoDataFrame, CRS | None]:
    """Read the rows that have a geometry, indexed by row number, and their CRS."""
    table = _table(os.fspath(path), layer)
    named = _ids(table)
    missing = table.geometry.isna() | table.geometry.is_empty
    for row in np.flatnonzero(missing):
        warnings.warn(f"{path}: prompt {named[row]} has no geometry; left out", PromptSkipped, stacklevel=3)
    for name, kind in zip(named, table.geom_type, strict=True):
        if isinstance(kind, str) and kind not in kinds:
            raise PromptFileInvalid(f"{path}: prompt {name} is a {kind}, but {rule}")
    if missing.all():
        raise PromptFileEmpty(f"{path} holds no geometry, so there is nothing to outline")
    known = table.crs if crs is None else crs
    if known is None:
        raise PromptFileWithoutCrs(
            f"{path} has no CRS; name it (such as EPSG:4326), or {RASTER_CRS!r} for the raster's own"
        )
    own = isinstance(known, str) and known == RASTER_CRS
    return table[~missing], None if own else parse_crs(known)


def _table(path: str, layer: str | None) -> GeoDataFrame:
    """Read all rows of the one layer that has geometries."""
    if not os.path.exists(path) and "://" not in path and not path.startswith("/vsi"):
        raise PromptFileNotFound(f"{path}: no such file of prompts; check the path")
    if path.lower().endswith((".parquet", ".geoparquet")):
        return _parquet(path)
    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        if layer is None and len(layers) != 1:
            names = ", ".join(layers) or "none"
            raise PromptFileInvalid(f"{path}: layers with geometries: {names}; there must be one, or name it")
        return pyogrio.read_dataframe(path, layer=layers[0] if layer is None else layer)
    except (DataSourceError, DataLayerError, GeometryError, GEOSException) as error:
        raise PromptFileUnreadable(f"{path} cannot be read as a vector file: {error}") from error


def _parquet(path: str) -> GeoDataFrame:
    """Read all rows of a GeoParquet file, which GDAL reads only where it was built to."""
    try:
        return geopandas.read_parquet(path).reset_index(drop=True)
    except (ValueError, OSError) as error:
        raise PromptFileUnreadable(f"{path} cannot be read as a GeoParquet file: {error}") from error


def _column(table: GeoDataFrame, name: str) -> pd.Series | None:
    """Return the attribute of this name, whatever its case."""
    for column in table.columns:
        if str(column).lower() == name and column != table.geometry.name:
            return table[column]
    return None


def _ids(table: GeoDataFrame) -> list[str]:
    """Return the ids that the rows bring along, if they tell the rows apart; else row numbers."""
    for name in ID_COLUMNS:
        column = _column(table, name)
        if column is not None and column.notna().all():
            ids = [_name(value) for value in column]
            if len(set(ids)) == len(ids):
                return ids
    return [str(row) for row in table.index]


def _name(value: Any) -> str:
    """Return an id as text; whole numbers without their fraction."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _labels(table: GeoDataFrame, path: Path) -> list[int]:
    """Return 0 or 1 for each row."""
    column = _column(table, "label")
    if column is None:
        return [1] * len(table)
    numbers = pd.to_numeric(column.where(column.notna(), 1), errors="coerce")
    wrong = column[~numbers.isin([0, 1])]
    if len(wrong):
        raise PromptFileInvalid(f"{path}: row {wrong.index[0]} has label {wrong.iloc[0]}; give 1 or 0")
    return [int(number) for number in numbers]


def _objects(table: GeoDataFrame, path: Path) -> list[str]:
    """Return the object that each row belongs to."""
    column = _column(table, "object")
    if column is None:
        return _ids(table)
    if column.isna().any():
        raise PromptFileInvalid(f"{path}: row {column.index[column.isna()][0]} has no value for object")
    return [_name(value) for value in column]
