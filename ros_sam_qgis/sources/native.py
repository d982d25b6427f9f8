"""Native pixels of a raster, read with the GDAL that QGIS ships, for an engine that cannot open the file."""

from __future__ import annotations

import os
from array import array
from dataclasses import dataclass

from osgeo import gdal
from qgis.core import QgsCoordinateReferenceSystem

from ..i18n import tr
from .grid import UNPLACED, PixelGrid
from .source import Pixels, SourceUnreadable, Window

SAMPLE = 512
"""Columns and rows of the sample on which contrast is measured."""
DTYPES = {
    gdal.GDT_Byte: "uint8",
    gdal.GDT_UInt16: "uint16",
    gdal.GDT_Int16: "int16",
    gdal.GDT_UInt32: "uint32",
    gdal.GDT_Int32: "int32",
    gdal.GDT_Float32: "float32",
    gdal.GDT_Float64: "float64",
}


@dataclass(frozen=True)
class RasterFacts:
    """What GDAL says of a raster.

    Attributes:
        grid: where its pixels lie; the CRS is the layer's.
        bands: how many there are.
        gcps: whether QGIS shows it warped, by ground control points or RPCs.
    """

    grid: PixelGrid
    bands: int
    gcps: bool


def facts_of(path: str, crs: QgsCoordinateReferenceSystem) -> RasterFacts:
    """Describe a raster.

    Raises:
        SourceUnreadable: GDAL cannot open it.
    """
    dataset = _open(path)
    geo = dataset.GetGeoTransform(can_return_null=True)
    transform = UNPLACED if geo is None else (geo[1], geo[2], geo[0], geo[4], geo[5], geo[3])
    grid = PixelGrid(dataset.RasterXSize, dataset.RasterYSize, transform, crs)
    warped = geo is None and bool(dataset.GetGCPCount() or dataset.GetMetadata("RPC"))
    return RasterFacts(grid, dataset.RasterCount, warped)


def version_of(path: str) -> str:
    """Return a text that changes when the file does; for what is no file, its name alone."""
    try:
        stat = os.stat(path)
    except OSError:
        return path
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def read_window(path: str, bands: tuple[int, ...], window: Window) -> Pixels:
    """Read a window of one or three bands.

    Raises:
        SourceUnreadable: the file is gone, cut off or lacks a band, or pixels of its type cannot be sent.
    """
    dataset = _open(path)
    x0, y0, width, height = window
    chosen = _bands(dataset, path, bands)
    kinds = {band.DataType for band in chosen}
    kind = gdal.GDT_Float32 if len(kinds) > 1 else kinds.pop()
    if kind not in DTYPES:
        text = tr("{path}: pixels of type {kind} cannot be sent")
        raise SourceUnreadable(text.format(path=path, kind=gdal.GetDataTypeName(kind)))
    data = bytearray()
    for band in chosen:
        data += _read(path, band, x0, y0, width, height, buf_type=kind)
    nodata = chosen[0].GetNoDataValue()
    alpha = False
    if kind == gdal.GDT_Byte and chosen[0].GetMaskFlags() & gdal.GMF_PER_DATASET:
        data += _read(path, chosen[0].GetMaskBand(), x0, y0, width, height, buf_type=kind)
        alpha = True
    return Pixels(window, bytes(data), len(bands), DTYPES[kind], "bands", alpha, None if alpha else nodata)


def _open(path: str) -> gdal.Dataset:
    try:
        dataset = gdal.OpenEx(path, gdal.OF_RASTER)
    except RuntimeError as error:  # where some other plugin has called gdal.UseExceptions()
        raise SourceUnreadable(f"{path}: {error}") from error
    if dataset is None:
        raise SourceUnreadable(f"{path}: {gdal.GetLastErrorMsg() or tr('GDAL cannot open it')}")
    return dataset


def _bands(dataset: gdal.Dataset, path: str, numbers: tuple[int, ...]) -> list[gdal.Band]:
    for number in numbers:
        if not 1 <= number <= dataset.RasterCount:
            text = tr("{path} has no band {number}; it has {count}.")
            raise SourceUnreadable(text.format(path=path, number=number, count=dataset.RasterCount))
    return [dataset.GetRasterBand(number) for number in numbers]


def _read(path: str, band: gdal.Band, *window: int, **sizes: int) -> bytes:
    try:
        data = band.ReadRaster(*window, **sizes)
    except RuntimeError as error:  # as in `_open`
        raise SourceUnreadable(f"{path}: {error}") from error
    if data is None:
        raise SourceUnreadable(f"{path}: {gdal.GetLastErrorMsg() or tr('its pixels cannot be read')}")
    return bytes(data)


def percentiles(path: str, bands: tuple[int, ...], low: float = 0.02, high: float = 0.98) -> str:
    """Return the stretch of each band between two shares of a sample, as the engine reads it.

    8-bit rasters are not stretched.

    Raises:
        SourceUnreadable: the pixels cannot be read.
    """
    dataset = _open(path)
    chosen = _bands(dataset, path, bands)
    if all(band.DataType == gdal.GDT_Byte for band in chosen):
        return "none"
    width, height = (min(size, SAMPLE) for size in (dataset.RasterXSize, dataset.RasterYSize))
    parts = []
    for band in chosen:
        raw = _read(path, band, buf_xsize=width, buf_ysize=height, buf_type=gdal.GDT_Float64)
        nodata = band.GetNoDataValue()
        values = sorted(v for v in array("d", bytes(raw)) if v == v and v != nodata)
        least = values[int(low * (len(values) - 1))] if values else 0.0
        most = values[int(high * (len(values) - 1))] if values else 255.0
        parts.append(f"{least!r},{most if most > least else least + 1.0!r}")
    return ",".join(parts)
