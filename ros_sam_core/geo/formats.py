"""File formats of segments: each turns a stream of record batches into one new file, in constant memory."""

import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyogrio
import shapely
from pyproj import CRS
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from ros_sam_core.errors import OutputFailed, OutputFormatUnknown, OutputUnsupported
from ros_sam_core.geo.coco import write_coco
from ros_sam_core.geo.geoparquet import write_geoparquet
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.staging import plain_schema

NO_FIRST = "`~!@#$%^&*()+-={}|[]\\:\";'<>?,./"
RESERVED = ("gpkg", "sqlite_", "ogr_empty_table")
"""With these GDAL begins no table of a GeoPackage."""


@dataclass(frozen=True)
class Job:
    """What a format makes its file of.

    Args:
        out: the file to write.
        layer: name of the layer in it.
        crs: of the geometries.
        batches: the segments, with the columns of `staging.schema`.
        rows: how many there are.
        grid: of the image; COCO has no coordinates but its pixels.
    """

    out: Path
    layer: str
    crs: CRS | None
    batches: Iterator[pa.RecordBatch]
    rows: int
    grid: Grid | None = None


@dataclass(frozen=True)
class Format:
    """One file format.

    Args:
        name: for people.
        suffix: of its files' names, lower case.
        write: turns a job into a file, and raises if it is not whole.
        only_epsg: code of the only CRS that it holds, if it holds one only.
        needs_grid: whether it counts in pixels of an image.
        appends: whether segments can be added to a file that is there.
        text_bytes: longest text that it holds, UTF-8, if there is a limit.
    """

    name: str
    suffix: str
    write: Callable[[Job], None]
    only_epsg: int | None = None
    needs_grid: bool = False
    appends: bool = False
    text_bytes: int | None = None


def format_of(path: Path) -> Format:
    """Return the format that belongs to the suffix of a name.

    Raises:
        OutputFormatUnknown: if there is none.
    """
    for kind in FORMATS:
        if path.name.lower().endswith(kind.suffix):
            return kind
    known = ", ".join(kind.suffix for kind in FORMATS)
    raise OutputFormatUnknown(f"{path}: no format belongs to this suffix; give one of {known}")


def layer_of(path: Path) -> str:
    """Return the name of the layer of an output: the file's, as far as a GeoPackage takes it for a table's.

    Raises:
        OutputFormatUnknown: if no format belongs to its suffix.
    """
    name = path.name[: -len(format_of(path).suffix)].lstrip(NO_FIRST)
    return name if name and not name.lower().startswith(RESERVED) else f"layer_{name}".rstrip("_")


def _ogr(
    job: Job,
    driver: str,
    geometry_type: str,
    reshape: Callable[[BaseGeometry], BaseGeometry] | None = None,
    append: bool = False,
    **options: str,
) -> None:
    """Stream a job to a vector file by GDAL, each geometry reshaped to what the format holds."""
    batches = (_plain(batch, reshape) for batch in job.batches)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        warnings.filterwarnings("ignore", message="(?s).*truncated to 254")  # The writer says so itself.
        pyogrio.write_arrow(
            pa.RecordBatchReader.from_batches(plain_schema(), batches),
            job.out,
            layer=job.layer,
            driver=driver,
            geometry_name="geometry",
            geometry_type=geometry_type,
            crs=None if job.crs is None else job.crs.to_wkt(),
            append=append,
            **options,
        )


def _plain(batch: pa.RecordBatch, reshape: Callable[[BaseGeometry], BaseGeometry] | None) -> pa.RecordBatch:
    """Return a batch without metadata, its geometries reshaped."""
    columns = batch.columns
    if reshape is not None:
        shapes = [reshape(shape) for shape in shapely.from_wkb(columns[-1])]
        columns[-1] = pa.array(shapely.to_wkb(shapes), type=pa.binary())
    return pa.RecordBatch.from_arrays(columns, schema=plain_schema())


def _several(shape: BaseGeometry) -> BaseGeometry:
    """Return a multipolygon."""
    return MultiPolygon(shapely.get_parts(shape).tolist())


def _check(job: Job, rows: int, layer: str | None = None) -> None:
    """Read a vector file through, since a full disk can leave one cut off without an error."""
    with pyogrio.open_arrow(job.out, layer=layer, use_pyarrow=True) as (_, stream):
        found = sum(batch.num_rows for batch in stream)
    if found != rows:
        raise OutputFailed(f"{job.out.name} came out with {found} of {rows} segments; is the disk full?")


def _geopackage(job: Job) -> None:
    """Write a GeoPackage, or add to one that is there."""
    before = _rows_of(job.out, job.layer) if job.out.exists() else 0
    _ogr(job, "GPKG", "MultiPolygon", _several, append=job.out.exists())
    _check(job, before + job.rows, job.layer)
    with closing(sqlite3.connect(job.out)) as database:
        damage = database.execute("PRAGMA quick_check").fetchone()[0]
        listed = database.execute(
            "SELECT feature_count FROM gpkg_ogr_contents WHERE table_name = ?", [job.layer]
        ).fetchone()
    if damage != "ok" or listed != (before + job.rows,):
        raise OutputFailed(f"{job.out.name} came out damaged ({damage}); is the disk full?")


def _rows_of(path: Path, layer: str) -> int:
    if layer not in layers_of(path):
        return 0
    return int(pyogrio.read_info(path, layer=layer, force_feature_count=True)["features"])


def layers_of(path: Path) -> list[str]:
    """Return the names of the layers of a vector file."""
    return [str(name) for name, _ in pyogrio.list_layers(path)]


def _geojson(job: Job) -> None:
    """Write GeoJSON by RFC 7946, which GDAL also cuts at the antimeridian, to a tenth of a millimetre."""
    _ogr(job, "GeoJSON", "Unknown", RFC7946="YES", COORDINATE_PRECISION="9")
    _check(job, job.rows)


def _shapefile(job: Job) -> None:
    _ogr(job, "ESRI Shapefile", "Polygon", ENCODING="UTF-8")
    _check(job, job.rows)


def _flatgeobuf(job: Job) -> None:
    _ogr(job, "FlatGeobuf", "MultiPolygon", _several)
    _check(job, job.rows)


def _geoparquet(job: Job) -> None:
    write_geoparquet(job.out, job.batches, job.crs)


def _coco(job: Job) -> None:
    if job.grid is None:
        raise OutputUnsupported(f"{job.out.name}: COCO counts in pixels of one image; give its grid")
    write_coco(job.out, job.batches, job.grid)


FORMATS = (
    Format("GeoPackage", ".gpkg", _geopackage, appends=True),
    Format("GeoJSON", ".geojson", _geojson, only_epsg=4326),
    Format("Shapefile", ".shp", _shapefile, text_bytes=254),
    Format("FlatGeobuf", ".fgb", _flatgeobuf),
    Format("GeoParquet", ".parquet", _geoparquet),
    Format("COCO", ".coco.json", _coco, needs_grid=True),
)
