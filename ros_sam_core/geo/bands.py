"""Three bands of a raster and where they hold data, however the raster says so."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.dtypes import complex_int16
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from ros_sam_core.errors import BandsInvalid, RasterUnreadable

Bands = tuple[int, int, int]


def choose_bands(dataset: DatasetReader, wanted: Sequence[int] | None = None) -> Bands:
    """Choose the three bands that are shown to a model, counted from 1.

    Args:
        dataset: an open raster.
        wanted: one band, which is repeated, or three. By default those marked red, green and blue; else the
            first three that are not alpha; else the first, repeated.

    Raises:
        BandsInvalid: if the raster has no such bands, or neither one nor three are wanted.
    """
    if wanted is not None:
        bands = [int(band) for band in wanted]
        if len(bands) not in (1, 3):
            raise BandsInvalid(f"bands {bands}: give one or three, counted from 1")
        missing = [band for band in bands if not 1 <= band <= dataset.count]
        if missing:
            raise BandsInvalid(f"{dataset.name} has bands 1 to {dataset.count}, not {missing}")
    else:
        kinds = dict(zip(dataset.colorinterp, dataset.indexes, strict=True))
        colours = [kinds.get(kind, 0) for kind in (ColorInterp.red, ColorInterp.green, ColorInterp.blue)]
        plain = [i for i in dataset.indexes if dataset.colorinterp[i - 1] != ColorInterp.alpha]
        bands = colours if all(colours) else (plain or [1])[: 3 if len(plain) >= 3 else 1]
    return (bands[0], bands[0], bands[0]) if len(bands) == 1 else (bands[0], bands[1], bands[2])


class BandReader:
    """Reads values and validity of three bands of an open raster.

    Nodata values, alpha bands and mask bands all count; so does NaN. A palette becomes its colours; a complex
    number its magnitude.

    Args:
        dataset: an open raster; the reader does not close it.
        bands: three band numbers, counted from 1.
    """

    def __init__(self, dataset: DatasetReader, bands: Bands) -> None:
        self._dataset = dataset
        self._unique = sorted(set(bands))
        self._order = [self._unique.index(band) for band in bands]
        kinds = {dataset.colorinterp[band - 1] for band in self._unique}
        self._palette = _palette(dataset, bands[0]) if kinds == {ColorInterp.palette} else None
        flags = [dataset.mask_flag_enums[band - 1] for band in self._unique]
        self._masked = any(MaskFlags.all_valid not in flag for flag in flags)
        dtypes = {dataset.dtypes[band - 1] for band in self._unique}
        self.is_bytes = self._palette is not None or dtypes == {"uint8"}
        self._mixed = len(dtypes) > 1
        self._stored = np.result_type(*("complex64" if name == complex_int16 else name for name in dtypes))
        self.dtype = np.dtype(np.uint8) if self.is_bytes else np.abs(np.zeros(0, self._stored)).dtype

    def read(
        self, window: Window, shape: tuple[int, int], resampling: Resampling
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Read a window that lies within the raster.

        Args:
            window: in pixels; its edges may be fractions.
            shape: rows, columns of the result; other than the window's, overviews are used.
            resampling: how, where the shape is another. A reduced pixel is valid if it has any valid part.

        Returns:
            Values ``[3, h, w]`` of the raster's type (one that holds all, where bands differ; uint8 for a
            palette), and bool ``[3, h, w]``.

        Raises:
            RasterUnreadable: if GDAL cannot read the pixels (a truncated file, a lost connection).
        """
        out_shape = (len(self._unique), *shape)
        how = {"window": window, "out_shape": out_shape, "resampling": resampling}
        try:
            values = self._read(how)
            if not self._masked:
                valid = np.ones(out_shape, dtype=bool)
            else:
                if resampling != Resampling.average:
                    how["resampling"] = Resampling.nearest
                valid = self._dataset.read_masks(self._unique, **how) > 0
        except RasterioIOError as error:
            cure = "the file may be cut off: get it again"
            if "://" in self._dataset.name:
                cure = "its server may not answer: try again later"
            raise RasterUnreadable(
                f"{self._dataset.name}: cannot read its pixels at column {window.col_off:g}, row "
                f"{window.row_off:g} ({error.__cause__ or error}); {cure}"
            ) from error
        if np.iscomplexobj(values):
            values = np.abs(values)
        if np.issubdtype(values.dtype, np.floating):
            valid &= np.isfinite(values)
        if self._palette is not None:
            colours = self._palette.take(values[0], axis=0, mode="clip")
            valid = np.repeat(valid & (colours[None, ..., 3] > 0), 3, axis=0)
            return np.moveaxis(colours[..., :3], -1, 0), valid
        return values[self._order], valid[self._order]

    def _read(self, how: dict[str, Any]) -> NDArray[Any]:
        """Read values; rasterio reads bands of different types one by one only."""
        if not self._mixed:
            return np.asarray(self._dataset.read(self._unique, **how))
        how = {**how, "out_shape": (1, *how["out_shape"][1:]), "out_dtype": self._stored}
        return np.concatenate([self._dataset.read([band], **how) for band in self._unique])


def _palette(dataset: DatasetReader, band: int) -> NDArray[np.uint8] | None:
    """Return the colour table of a band as uint8 ``[n, 4]`` RGBA."""
    try:
        colours = dataset.colormap(band)
    except ValueError:
        return None
    table = np.zeros((max(colours) + 1, 4), dtype=np.uint8)
    for value, colour in colours.items():
        table[value] = colour
    return table
