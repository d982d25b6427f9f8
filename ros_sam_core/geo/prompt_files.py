"""Prompts from vector files: a polygon is a box, a point is a click."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, GeometryError
from pyproj import CRS
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from ros_sam_core.errors import (
    AreaInvalid,
    PromptFileEmpty,
    PromptFileInvalid,
    PromptFileNotFound,
    PromptFileUnreadable,
    PromptFileWithoutCrs,
    PromptSkipped,
)
from ros_sam_core.geo.crs import full_turn, parse_crs
from ros_sam_core.geo.prompt_table import PromptTable
from ros_sam_core.geo.prompts import Prompt

RASTER_CRS = "raster"
"""Given as CRS of a file: its coordinates are in the raster's own CRS, or its pixels if it has none."""

ID_COLUMNS = ("prompt_id", "id", "name")

CUT = 1e-9
"""Bounds as wide as the world but for this share reach from one edge of its map to the other."""

ROWS = 20_000
"""Rows of a file that are read at once."""

_KINDS = {
    int(kind): name
    for kind, name in zip(
        shapely.GeometryType,
        (
            "Missing", "Point", "LineString", "LinearRing", "Polygon", "MultiPoint", "MultiLineString",
            "MultiPolygon", "GeometryCollection",
        ),
        strict=True,
    )
}  # fmt: skip

Path = str | os.PathLike[str]


def read_boxes(path: Path, crs: CRS | str | None = None, layer: str | None = None) -> list[Prompt]:
    """Read one box for each polygon of a vector file; see `read_box_table`, which takes less memory."""
    return list(read_box_table(path, crs, layer))


def read_points(path: Path, crs: CRS | str | None = None, layer: str | None = None) -> list[Prompt]:
    """Read the clicks of a vector file; see `read_point_table`, which takes less memory."""
    return list(read_point_table(path, crs, layer))


def read_box_table(path: Path, crs: CRS | str | None = None, layer: str | None = None) -> PromptTable:
    """Read one box for each polygon of a vector file: its bounds, in the CRS of the file.

    Of a polygon that is cut in two at the antimeridian, as in GeoJSON, the box reaches across.

    A prompt's id is its `prompt_id`, else `id`, else `name`, where every row has one and all differ; else the
    number of its row, counted from 0. Rows without a geometry are left out with a warning.

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
    rows, crs = _read(path, crs, layer, {"Polygon", "MultiPolygon"}, "boxes are polygons")
    boxes = rows.xy.reshape(-1, 4)
    table = PromptTable.of(_ids(rows.table), crs, boxes=boxes)
    wrong = ~((boxes[:, :2] < boxes[:, 2:]).all(axis=1) & np.isfinite(boxes).all(axis=1))
    if wrong.any():
        number = int(np.argmax(wrong))
        Prompt(table.ids[number].as_py(), box=tuple(boxes[number]), crs=crs)
    return table


def read_point_table(path: Path, crs: CRS | str | None = None, layer: str | None = None) -> PromptTable:
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
    rows, crs = _read(path, crs, layer, {"Point", "MultiPoint"}, "clicks are points")
    labels = np.repeat(_labels(rows.table, path), rows.counts)
    objects, names = pd.factorize(np.array(_objects(rows.table, path), dtype=object))
    owner = np.repeat(objects, rows.counts)
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=len(names))
    table = PromptTable.of(list(names), crs, points=rows.xy[order], labels=labels[order], counts=counts)
    wrong = np.bincount(owner, labels, minlength=len(names)) == 0
    wrong[owner[~np.isfinite(rows.xy).all(axis=1)]] = True
    if wrong.any():
        table[int(np.argmax(wrong))]
    return table


def read_area(
    path: Path, crs: CRS | str | None = None, layer: str | None = None
) -> tuple[BaseGeometry, CRS | None]:
    """Read an area of interest: all polygons of a vector file together, and their CRS.

    Args:
        path: any vector file that GDAL reads.
        crs: overrides the CRS of the file; ``"raster"`` says that it is the raster's own, or its pixels.
        layer: which layer, if there is more than one with geometries.

    Raises:
        AreaInvalid: if it holds another geometry than polygons, or nothing.
        PromptFileNotFound: if there is no such file.
        PromptFileUnreadable: if GDAL cannot read it.
        PromptFileInvalid: if the layer is not clear.
        PromptFileWithoutCrs: if neither the file nor `crs` says which CRS it is.
        CrsUnknown: if pyproj does not know `crs`.
    """
    with _readable(path):
        chunks, file_crs = _chunks(os.fspath(path), layer)
        shapes = [shape for _, some in chunks for shape in some if shape is not None and not shape.is_empty]
    for shape in shapes:
        if shape.geom_type not in ("Polygon", "MultiPolygon"):
            raise AreaInvalid(f"{path}: holds a {shape.geom_type}, but an area of interest is of polygons")
    area = shapely.union_all(shapely.make_valid(np.array(shapes, dtype=object)))
    if not area.area > 0:
        raise AreaInvalid(f"{path} holds no polygon, so there is no area of interest")
    return area, _crs_for(path, file_crs, crs)


@dataclass
class _Rows:
    """What is kept of the rows of a file.

    Args:
        table: the attributes that matter, indexed by row number.
        kinds: of the geometries.
        xy: bounds ``[N, 4]``, or the coordinates of points ``[M, 2]``.
        counts: coordinates of each row.
    """

    table: pd.DataFrame
    kinds: NDArray[np.int8]
    xy: NDArray[np.float64]
    counts: NDArray[np.int64]


def _read(
    path: Path, crs: CRS | str | None, layer: str | None, kinds: set[str], rule: str
) -> tuple[_Rows, CRS | None]:
    """Read the rows that have a geometry, indexed by row number, and their CRS."""
    points = "Point" in kinds
    with _readable(path):
        chunks, file_crs = _chunks(os.fspath(path), layer)
        given = file_crs if crs is None else crs
        turn = None if given is None or _is_rasters(given) else full_turn(parse_crs(given))
        parts = [_reduced(table, shapes, points, turn) for table, shapes in chunks]
    if not parts:
        raise PromptFileEmpty(f"{path} holds no geometry, so there is nothing to outline")
    rows = _Rows(
        pd.concat([part.table for part in parts], ignore_index=True),
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("kinds", "xy", "counts")),
    )
    named = _ids(rows.table)
    missing = rows.kinds < 0
    for row in np.flatnonzero(missing):
        warnings.warn(f"{path}: prompt {named[row]} has no geometry; left out", PromptSkipped, stacklevel=4)
    allowed = [int(shapely.GeometryType[kind.upper()]) for kind in kinds]
    for row in np.flatnonzero(~missing & ~np.isin(rows.kinds, allowed))[:1]:
        kind = _KINDS[int(rows.kinds[row])]
        raise PromptFileInvalid(f"{path}: prompt {named[row]} is a {kind}, but {rule}")
    if missing.all():
        raise PromptFileEmpty(f"{path} holds no geometry, so there is nothing to outline")
    known = _crs_for(path, file_crs, crs)
    xy = rows.xy if points else rows.xy[~missing]
    kept = _Rows(rows.table[~missing], rows.kinds[~missing], xy, rows.counts[~missing])
    return kept, known


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what libraries raise about a vector file into one clear error."""
    try:
        yield
    except (DataSourceError, DataLayerError, GeometryError, GEOSException, pa.ArrowException) as error:
        raise PromptFileUnreadable(f"{path} cannot be read as a vector file: {error}") from error


def _crs_for(path: Path, file_crs: Any, crs: CRS | str | None) -> CRS | None:
    """Return the CRS of a file's coordinates: what was given, else the file's own; None is the raster's."""
    known = file_crs if crs is None else crs
    if known is None:
        raise PromptFileWithoutCrs(
            f"{path} has no CRS; name it (such as EPSG:4326), or {RASTER_CRS!r} for the raster's own"
        )
    return None if _is_rasters(known) else parse_crs(known)


def _is_rasters(crs: Any) -> bool:
    return isinstance(crs, str) and crs == RASTER_CRS


def _reduced(table: pd.DataFrame, shapes: NDArray[np.object_], points: bool, turn: float | None) -> _Rows:
    """Keep of some rows what prompts are made of; `turn` is a full turn of longitude in their CRS."""
    kinds = shapely.get_type_id(shapes)
    kinds[shapely.is_empty(shapes)] = -1
    xy = shapely.get_coordinates(shapes) if points else shapely.bounds(shapes)
    if turn is not None and not points:
        for row in np.flatnonzero(xy[:, 2] - xy[:, 0] > turn * (1 - CUT)):
            xy[row] = _joined(shapely.bounds(shapely.get_parts(shapes[row])), turn)
    return _Rows(table, kinds.astype(np.int8), xy, shapely.get_num_coordinates(shapes).astype(np.int64))


def _joined(parts: NDArray[np.float64], turn: float) -> NDArray[np.float64]:
    """Return the bounds ``[4]`` of parts ``[N, 4]`` that reach from edge to edge of the world's map.

    If they are what the map's edge has cut in two, its west is put beyond its east again.
    """
    west = parts[:, 2] <= 0
    if (west | (parts[:, 0] >= 0)).all():
        parts = parts + np.outer(west, [turn, 0, turn, 0])
    return np.concatenate([parts[:, :2].min(axis=0), parts[:, 2:].max(axis=0)])


_Chunks = Iterator[tuple[pd.DataFrame, NDArray[np.object_]]]


def _chunks(path: str, layer: str | None) -> tuple[_Chunks, Any]:
    """Return the rows of the one layer that has geometries, some at a time, and its CRS."""
    if not os.path.exists(path) and "://" not in path and not path.startswith("/vsi"):
        raise PromptFileNotFound(f"{path}: no such file of prompts; check the path")
    if path.lower().endswith((".parquet", ".geoparquet")):
        return _parquet(path)
    layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    if layer is None and len(layers) != 1:
        names = ", ".join(layers) or "none"
        raise PromptFileInvalid(f"{path}: layers with geometries: {names}; there must be one, or name it")
    chosen = layers[0] if layer is None else layer
    info = pyogrio.read_info(path, layer=chosen)
    return _stream(path, chosen, [name for name in info["fields"] if _matters(name)]), info["crs"]


def _stream(path: str, layer: str, columns: list[str]) -> _Chunks:
    opened = pyogrio.open_arrow(path, layer=layer, columns=columns, batch_size=ROWS, use_pyarrow=True)
    with opened as (meta, stream):
        geometry = meta["geometry_name"] or "wkb_geometry"
        for batch in stream:
            table = batch.select(columns).to_pandas()
            table.index = range(batch.num_rows)
            yield table, shapely.from_wkb(batch.column(geometry).to_numpy(zero_copy_only=False))


def _parquet(path: str) -> tuple[_Chunks, Any]:
    """Do the same for a GeoParquet file, which GDAL reads only where it was built to."""
    try:
        table = geopandas.read_parquet(path).reset_index(drop=True)
    except (ValueError, OSError) as error:
        raise PromptFileUnreadable(f"{path} cannot be read as a GeoParquet file: {error}") from error
    columns = [name for name in table.columns if _matters(name) and name != table.geometry.name]
    return iter([(pd.DataFrame(table[columns]), table.geometry.to_numpy())]), table.crs


def _matters(name: Any) -> bool:
    return str(name).lower() in (*ID_COLUMNS, "object", "label")


def _column(table: pd.DataFrame, name: str) -> pd.Series | None:
    """Return the attribute of this name, whatever its case."""
    for column in table.columns:
        if str(column).lower() == name:
            return table[column]
    return None


def _ids(table: pd.DataFrame) -> list[str]:
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


def _labels(table: pd.DataFrame, path: Path) -> list[int]:
    """Return 0 or 1 for each row."""
    column = _column(table, "label")
    if column is None:
        return [1] * len(table)
    numbers = pd.to_numeric(column.where(column.notna(), 1), errors="coerce")
    wrong = column[~numbers.isin([0, 1])]
    if len(wrong):
        raise PromptFileInvalid(f"{path}: row {wrong.index[0]} has label {wrong.iloc[0]}; give 1 or 0")
    return [int(number) for number in numbers]


def _objects(table: pd.DataFrame, path: Path) -> list[str]:
    """Return the object that each row belongs to."""
    column = _column(table, "object")
    if column is None:
        return _ids(table)
    if column.isna().any():
        raise PromptFileInvalid(f"{path}: row {column.index[column.isna()][0]} has no value for object")
    return [_name(value) for value in column]
