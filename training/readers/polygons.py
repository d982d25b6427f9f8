"""A GIS analyst's own labels: a polygon layer of any CRS over a raster, or over georeferenced frames.

A raster larger than a chip is taken in chips that overlap; an object belongs to the one that shows most of
it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import shapely
from geopandas import GeoDataFrame
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, GeometryError
from pyproj import CRS
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from ros_sam_core.errors import CrsTransformFailed, CrsUnknown
from ros_sam_core.geo.crs import parse_crs, transform_xy
from ros_sam_core.geo.grid import Grid
from training.readers.coco import object_in_pixels
from training.readers.images import (
    OpenImage,
    RasterWindow,
    clip,
    find_images,
    keep_scene,
    open_image,
    wanted,
)
from training.readers.ledger import Ledger
from training.readers.names import Told, number_in, place, steps
from training.readers.spec import DatasetSpec
from training.scenes import DatasetError, Scene, SceneObject, StoredPyramid, object_of

PARTS = 16
"""Edges are cut into about this many parts a polygon's length before they go into another CRS."""


@dataclass(frozen=True)
class _Layer:
    """A polygon layer: valid geometries, and what their attributes say."""

    path: Path
    crs: CRS | None
    geometries: list[BaseGeometry]
    rows: list[int]
    classes: list[str]
    frames: list[str] | None
    ids: list[int]
    tracks: list[int]


def read_polygons(spec: DatasetSpec, ledger: Ledger, told: Told) -> Iterator[Scene]:
    """Read a polygon layer and its rasters; see `training.readers.open_dataset`."""
    layer = _read_layer(spec, ledger)
    source = Path(spec.images) if spec.images else Path(spec.path).parent / "images"
    paths = find_images(source) if source.is_dir() else [source]
    root = source if source.is_dir() else source.parent
    tree = shapely.STRtree(layer.geometries)
    numbers = Counter(number_in(path) for path in paths)
    unused = set(range(len(layer.geometries)))
    missed = Ledger("skip", told=False)  # what one raster lacks the next one may hold
    for path in steps(paths, told):
        name = path.relative_to(root)
        known = {name.stem, name.name, name.as_posix(), name.with_suffix("").as_posix()}
        if numbers[number_in(path)] == 1:
            known.add(str(number_in(path)))
        try:
            image = open_image(path, spec.bands, spec.stretch)
            under = _under(layer, tree, image, known)
        except (DatasetError, CrsTransformFailed) as error:
            ledger.fault("corrupt image", path, "", str(error).removeprefix(f"{path} "))
            unused -= set(_named(layer, known))
            continue
        objects = {i: obj for i in under if (obj := _object(layer, i, image, missed)) is not None}
        unused -= set(objects)
        video, frame = place(name, spec, path, ledger)
        whole = Scene(
            image.pyramid, tuple(objects.values()), name.as_posix(), video, frame, image.time, image.grid
        )
        for scene in _chips(whole, spec, ledger):
            if kept := keep_scene(scene, path, spec, ledger):
                yield kept
    ledger.clipped += missed.clipped
    _tell_of(unused, layer, missed, ledger)


def _tell_of(unused: set[int], layer: _Layer, missed: Ledger, ledger: Ledger) -> None:
    """Name the polygons that no raster holds, by what the first raster under them lacked."""
    reasons = {skipped.item: skipped for skipped in reversed(missed.skipped)}
    for i in sorted(unused):
        item = f"row {layer.rows[i]}"
        kind, reason = "outside", "lies under none of the rasters that can be read"
        if layer.frames is not None:
            reason = f"lies in no raster of the name {layer.frames[i]!r}"
        if item in reasons:
            kind, reason = reasons[item].kind, reasons[item].reason
        ledger.fault(kind, layer.path, item, reason)


def _read_layer(spec: DatasetSpec, ledger: Ledger) -> _Layer:
    path = Path(spec.path)
    table = _table(path, spec.layer)
    try:
        crs = None if spec.crs == "raster" else parse_crs(spec.crs) if spec.crs else table.crs
    except CrsUnknown as error:
        raise DatasetError(str(error)) from error
    if crs is None and spec.crs != "raster":
        raise DatasetError(
            f'{path} has no CRS; set crs, such as "EPSG:4326", or crs = "raster" for the raster\'s own'
        )
    columns = {str(c).lower(): table[c].tolist() for c in table.columns if c != table.geometry.name}
    classes, frames = columns.get(spec.class_field.lower()), columns.get(spec.frame_field.lower())
    if frames is not None and not any(map(_text, frames)):
        frames = None  # an attribute that no row has
    tracks, ids = columns.get(spec.track_field.lower()), columns.get("id")
    made = _Layer(path, crs, [], [], [], None if frames is None else [], [], [])
    for row, geometry in enumerate(table.geometry):
        item = f"row {row}"
        if geometry is None or geometry.is_empty:
            ledger.fault("missing mask", path, item, "it has no geometry")
            continue
        if geometry.geom_type not in ("Polygon", "MultiPolygon"):
            ledger.fault("corrupt mask", path, item, f"it is a {geometry.geom_type}; labels are polygons")
            continue
        name = spec.class_name if classes is None else _text(classes[row])
        if not name:
            ledger.fault("unknown class", path, item, f"its {spec.class_field} is empty")
            continue
        if not wanted(name, path, item, spec, ledger):
            continue
        made.geometries.append(shapely.force_2d(geometry))
        made.rows.append(row)
        made.classes.append(name)
        made.ids.append(_whole(ids[row], row) if ids is not None else row)
        made.tracks.append(_whole(tracks[row], -1) if tracks is not None else -1)
        if made.frames is not None and frames is not None:
            made.frames.append(_text(frames[row]))
    return made


def _table(path: Path, layer: str) -> GeoDataFrame:
    if not path.exists():
        raise DatasetError(f"{path} does not exist")
    try:
        if path.suffix.lower() in (".parquet", ".geoparquet"):
            return geopandas.read_parquet(path).reset_index(drop=True)
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        if not layer and len(layers) != 1:
            told = ", ".join(layers) or "none"
            raise DatasetError(f"{path} has the layers {told}; set layer to one with polygons")
        return pyogrio.read_dataframe(path, layer=layer or layers[0])
    except (DataSourceError, DataLayerError, GeometryError, GEOSException, OSError) as error:
        raise DatasetError(f"{path} cannot be read as a polygon layer: {error}") from error
    except ValueError as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path} cannot be read as a polygon layer: {error}") from error


def _text(value: Any) -> str:
    if value is None or value != value:  # NaN
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _whole(value: Any, otherwise: int) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return otherwise


def _named(layer: _Layer, known: set[str]) -> list[int]:
    """Return the polygons whose attribute names a raster; none where there is no such attribute."""
    return [i for i, frame in enumerate(layer.frames or ()) if frame in known]


def _under(layer: _Layer, tree: shapely.STRtree, image: OpenImage, known: set[str]) -> list[int]:
    """Return the polygons that belong to an image, in the layer's order."""
    if layer.frames is not None:
        return _named(layer, known)
    footprint = _grid(image).footprint
    if layer.crs is not None:
        crs = _crs(image)
        footprint = shapely.segmentize(footprint, footprint.length / 4 / PARTS)
        footprint = shapely.transform(footprint, lambda xy: transform_xy(xy, crs, layer.crs))
        footprint = footprint.buffer(0.02 * footprint.length / 4)  # edges bend between the CRS
    return sorted(int(i) for i in tree.query(footprint, predicate="intersects"))


def _grid(image: OpenImage) -> Grid:
    return image.grid or Grid(image.pyramid.shape)


def _crs(image: OpenImage) -> CRS:
    if image.grid is None or image.grid.crs is None:
        raise DatasetError(
            f'{image.path} has no CRS, but the polygons have one; set crs = "raster" if they are drawn '
            "in its pixels (y down)"
        )
    return image.grid.crs


def _object(layer: _Layer, i: int, image: OpenImage, ledger: Ledger) -> SceneObject | None:
    geometry, item = layer.geometries[i], f"row {layer.rows[i]}"
    grid, crs = _grid(image), layer.crs

    def to_pixels(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return grid.map_to_pixel(xy if crs is None else transform_xy(xy, crs, _crs(image)))

    try:
        if crs is not None and crs != grid.crs:
            extent = max(np.ptp(np.reshape(geometry.bounds, (2, 2)), axis=0))
            geometry = shapely.segmentize(geometry, max(float(extent), 1e-12) / PARTS)
        geometry = shapely.transform(geometry, to_pixels)
    except CrsTransformFailed as error:
        ledger.fault("outside", layer.path, item, str(error))
        return None
    except GEOSException as error:
        ledger.fault("corrupt mask", layer.path, item, f"it cannot be brought into the raster's CRS: {error}")
        return None
    frame = shapely.box(0, 0, grid.width, grid.height)
    if not geometry.is_valid:
        geometry = shapely.make_valid(geometry)
    if not shapely.intersects(geometry, frame):
        if layer.frames is not None:
            ledger.fault("outside", layer.path, item, f"it lies beside its raster, {image.path}")
        return None
    # Far more than the frame is cut away before it is rasterised.
    margin = shapely.box(-8, -8, grid.width + 8, grid.height + 8)
    obj = object_in_pixels(
        shapely.intersection(geometry, margin), layer.classes[i], layer.ids[i], layer.tracks[i]
    )
    return clip(obj, grid.shape, layer.path, item, ledger)


def _chips(whole: Scene, spec: DatasetSpec, ledger: Ledger) -> Iterator[Scene]:
    """Cut a large scene into chips; a small one stays whole. Objects that a chip cuts are counted."""
    height, width = whole.shape
    pyramid = whole.pyramid
    if max(height, width) <= spec.chip_px or not isinstance(pyramid, StoredPyramid):
        yield whole
        return
    if not isinstance(pyramid.source, RasterWindow):
        yield whole  # a plain image file is read whole in any case
        return
    windows = [(x, y) for y in _starts(height, spec) for x in _starts(width, spec)]
    members: dict[tuple[int, int], list[SceneObject]] = {w: [] for w in windows}
    for obj in whole.objects:
        members[_best(obj, windows, spec.chip_px)].append(obj)
    for (x, y), objects in members.items():
        w, h = min(spec.chip_px, width - x), min(spec.chip_px, height - y)
        source = replace(pyramid.source, window=(x, y, w, h))
        inside = []
        for obj in objects:
            moved = _moved(obj, x, y, (h, w))
            if moved is None:
                reason = f"its chip at {x}, {y} shows none of its pixels; set a larger chip_px"
                ledger.fault("empty mask", whole.name, f"object {obj.id}", reason)
                continue
            ledger.clipped += moved.size != obj.size
            inside.append(moved)
        grid = whole.grid.window(x, y, w, h) if whole.grid else None
        yield replace(
            whole,
            pyramid=StoredPyramid(source, (h, w)),
            objects=tuple(inside),
            name=f"{whole.name} at {x}, {y}",
            video=whole.video or whole.name,
            grid=grid,
        )


def _starts(length: int, spec: DatasetSpec) -> list[int]:
    last = max(length - spec.chip_px, 0)
    count = -(-last // (spec.chip_px - spec.overlap_px)) + 1
    return [round(v) for v in np.linspace(0, last, count)]


def _best(obj: SceneObject, windows: Sequence[tuple[int, int]], side: int) -> tuple[int, int]:
    """Return the window that shows most of an object's box; of equals the one whose centre is nearest."""
    xmin, ymin, xmax, ymax = obj.box

    def key(window: tuple[int, int]) -> tuple[float, float]:
        x, y = window
        seen = max(min(xmax, x + side) - max(xmin, x), 0) * max(min(ymax, y + side) - max(ymin, y), 0)
        away = abs((xmin + xmax) / 2 - x - side / 2) + abs((ymin + ymax) / 2 - y - side / 2)
        return seen, -away

    return max(windows, key=key)


def _moved(obj: SceneObject, x: int, y: int, shape: tuple[int, int]) -> SceneObject | None:
    """Return an object in a window's own pixels, cut at its edge."""
    top, left = max(obj.y0 - y, 0), max(obj.x0 - x, 0)
    bottom, right = min(obj.y0 + obj.size[0] - y, shape[0]), min(obj.x0 + obj.size[1] - x, shape[1])
    if bottom <= top or right <= left:
        return None
    part = obj.mask[top - obj.y0 + y : bottom - obj.y0 + y, left - obj.x0 + x : right - obj.x0 + x]
    return object_of(part, obj.class_name, obj.id, obj.track, (left, top))
