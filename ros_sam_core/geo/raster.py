"""Frames: georeferenced images that are read window by window as 8-bit RGB."""

import math
import os
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from ros_sam_core.errors import RasterNotFound, RasterUnreadable
from ros_sam_core.geo.array_frame import ArrayFrame
from ros_sam_core.geo.bands import BandReader, choose_bands
from ros_sam_core.geo.fingerprint import fingerprint_of
from ros_sam_core.geo.georeference import grid_of
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.remote import forget
from ros_sam_core.geo.stretch import Percentiles, Stretch
from ros_sam_core.geo.windows import (
    Rgb,
    Valid,
    cells_of,
    digest_of,
    factor_for,
    paste,
    resample,
    shape_of,
)

__all__ = ["ArrayFrame", "Frame", "Percentiles", "RasterFrame", "Stretch"]

SAMPLE_PX = 1024
"""A stretch is measured on about this many pixels squared."""

WHOLE_READ_PX = 8192
"""Up to this size squared a raster without overviews is sampled by one decimated read."""


class Frame(Protocol):
    """One georeferenced image, as the segmenter reads it."""

    @property
    def grid(self) -> Grid:
        """Where the pixels are."""

    @property
    def source(self) -> str:
        """File or address that the image came from."""

    @property
    def frame(self) -> str:
        """Name of the image within its source."""

    @property
    def time(self) -> str | None:
        """When it was taken, ISO 8601, if known."""

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digest that changes when the pixels that `read` returns change."""

    def read(
        self, x0: int, y0: int, width: int, height: int, out_shape: tuple[int, int] | None = None
    ) -> tuple[Rgb, Valid]:
        """Read a window that may reach beyond the edge.

        Args:
            x0: first column.
            y0: first row.
            width: columns.
            height: rows.
            out_shape: rows, columns of the result, by default those of the window. Smaller ones are area
                means of what is valid, through overviews; larger ones are interpolated (bilinear), though a
                model's own enlarging is better left to the model's side.

        Returns:
            uint8 ``[h, w, 3]``, and bool ``[h, w]`` that says which pixels hold data. Beyond the edge and in
            nodata the image is 0 and not valid.
        """


class RasterFrame:
    """A raster that GDAL opens. Use `open`, and close it, best with ``with``.

    The stretch to 8 bit is fixed when it is opened, so that an object looks the same in every window. Pixels
    that are 8-bit already stay as they are unless a stretch is asked for.

    One frame serves one thread at a time (as GDAL's datasets do); open one in each thread.
    """

    def __init__(
        self,
        dataset: DatasetReader,
        source: str,
        bands: Sequence[int] | None = None,
        stretch: Stretch | Percentiles | None = None,
        frame: str | None = None,
        time: str | None = None,
    ) -> None:
        self.source = source
        self.grid = grid_of(dataset)
        self.frame = Path(source).stem if frame is None else frame
        self.time = time or _acquired(dataset)
        self.bands = choose_bands(dataset, bands)
        self._dataset = dataset
        self._reader = BandReader(dataset, self.bands)
        wanted = stretch or (Stretch() if self._reader.is_bytes else Percentiles())
        self.stretch = wanted if isinstance(wanted, Stretch) else wanted.measure(*self._sample())
        place = os.path.abspath(source) if os.path.exists(source) else source
        state = fingerprint_of(dataset, self._reader)
        self.fingerprint = digest_of(place, state, self.grid.shape, self.bands, self.stretch)

    @classmethod
    def open(
        cls,
        source: str | os.PathLike[str],
        bands: Sequence[int] | None = None,
        stretch: Stretch | Percentiles | str | None = None,
        frame: str | None = None,
        time: str | None = None,
    ) -> Self:
        """Open a raster.

        Args:
            source: path, or anything else that GDAL opens.
            bands: one or three bands, counted from 1; by default red, green and blue, else the first three,
                else the first one repeated.
            stretch: to 8 bit; a text is parsed. By default none for 8-bit pixels, else from the 2nd to the
                98th percentile of each band, sampled over the raster.
            frame: name of the image, by default the file's without suffix.
            time: when it was taken, ISO 8601; by default what the file says, if it does.

        Raises:
            RasterNotFound: if there is no such file.
            RasterUnreadable: if GDAL cannot open it, or it holds no image.
            BandsInvalid: if it has no such bands.
            StretchInvalid: if the text of the stretch is not understood.
        """
        parsed = Stretch.parse(stretch) if isinstance(stretch, str) else stretch
        dataset = _open(os.fspath(source))
        try:
            return cls(dataset, os.fspath(source), bands, parsed, frame, time)
        except BaseException:
            dataset.close()
            raise

    def read(
        self, x0: int, y0: int, width: int, height: int, out_shape: tuple[int, int] | None = None
    ) -> tuple[Rgb, Valid]:
        """Read a window; see `Frame.read`.

        Of a large window that is reduced four times or more, GDAL makes the first step through overviews. It
        takes a mean with a NaN in it for NaN, unless the image's nodata is NaN.

        Raises:
            RasterUnreadable: if GDAL cannot read the pixels.
            InvalidParameter: if the window or the shape holds no pixel.
        """
        shape = shape_of(width, height, out_shape)
        rows = cells_of(y0, height, factor_for(height, shape[0]), self.grid.height)
        columns = cells_of(x0, width, factor_for(width, shape[1]), self.grid.width)
        bands, has_data = self._read_cells(rows, columns)
        if shape == (height, width):
            corner = rows[0] - y0, columns[0] - x0
            bands, has_data = paste(bands, *corner, shape), paste(has_data, *corner, shape)
        else:
            bands, has_data = resample(bands, has_data, (rows, columns), (x0, y0, width, height), shape)
        valid: Valid = np.any(has_data, axis=0)
        return self.stretch.apply(bands) * np.moveaxis(has_data, 0, -1), valid

    def close(self) -> None:
        """Close the raster; it can be read no more."""
        self._dataset.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_cells(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Read means over cells, through overviews; see `BandReader.read` for the result.

        Cells that are cut are read by themselves, so that the others are not shifted.

        Args:
            rows: edges of the cells along rows, see `cells_of`.
            columns: and along columns.
        """
        shape = (3, len(rows) - 1, len(columns) - 1)
        bands, has_data = np.zeros(shape, self._reader.dtype), np.zeros(shape, bool)
        for top, bottom in _runs(rows):
            for left, right in _runs(columns):
                x, y, size = columns[left], rows[top], (bottom - top, right - left)
                window = Window(x, y, columns[right] - x, rows[bottom] - y)
                how = Resampling.nearest if size == (window.height, window.width) else Resampling.average
                part = np.s_[:, top:bottom, left:right]
                bands[part], has_data[part] = self._reader.read(window, size, how)
        return bands, has_data

    def _sample(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Read about a million pixels from all over the raster.

        Through overviews or, where a raster is not large, by decimation; from a large raster without
        overviews, which that would read whole, a grid of small windows at native resolution.
        """
        height, width = self.grid.shape
        has_overviews = bool(self._dataset.overviews(self.bands[0]))
        if has_overviews or height * width <= WHOLE_READ_PX**2:
            reduce = max(1.0, math.sqrt(height * width) / SAMPLE_PX)
            shape = (max(1, round(height / reduce)), max(1, round(width / reduce)))
            return self._reader.read(Window(0, 0, width, height), shape, Resampling.nearest)
        side, count = 64, SAMPLE_PX // 64
        rows, columns = (np.linspace(0, max(0, n - side), count).astype(int) for n in (height, width))
        tiles = [
            self._reader.read(Window(x, y, w, h), (h, w), Resampling.nearest)
            for y in rows
            for x in columns
            for h, w in [(min(side, height), min(side, width))]
        ]
        bands, valid = (np.concatenate(part, axis=1) for part in zip(*tiles, strict=True))
        return bands, valid


def _runs(edges: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return first cell and the one after the last of each run of cells of one length."""
    cuts = [0, *(np.flatnonzero(np.diff(edges, 2)) + 1).tolist(), len(edges) - 1]
    return [run for run in pairwise(cuts) if run[0] < run[1]]


def _open(source: str) -> DatasetReader:
    """Open a raster, or say in our own words why it cannot be."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(source)
    except RasterioIOError as error:
        if not os.path.exists(source) and not source.startswith("/vsi") and ":" not in source[2:]:
            raise RasterNotFound(f"{source}: no such raster; check the path") from error
        if "://" in source:
            forget(source)
        if "CURL error" in str(error):
            raise RasterUnreadable(
                f"{source}: its server cannot be reached or does not answer ({error}); check the address and "
                "try again later"
            ) from error
        raise RasterUnreadable(f"{source}: GDAL cannot open it as a raster ({error})") from error
    if dataset.count == 0:
        parts = ", ".join(dataset.subdatasets[:5]) or "none"
        dataset.close()
        raise RasterUnreadable(f"{source} holds no image of its own; open one of its parts: {parts}")
    return dataset


def _acquired(dataset: DatasetReader) -> str | None:
    """Return the time of acquisition that GDAL found in the raster's metadata (UTC), ISO 8601."""
    time = dataset.tags(ns="IMAGERY").get("ACQUISITIONDATETIME")
    return f"{time.strip().replace(' ', 'T')}Z" if time else None
