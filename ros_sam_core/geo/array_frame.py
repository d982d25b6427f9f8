"""ArrayFrame: an image in memory that reads like a raster."""

import warnings

import numpy as np
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from rasterio.windows import Window

from ros_sam_core.errors import InvalidParameter
from ros_sam_core.geo.bands import BandReader
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.windows import Rgb, Valid, digest_of, resampling_for, shape_of


class ArrayFrame:
    """An image in memory, such as a rendered map or a decoded video frame.

    Args:
        rgb: uint8 ``[H, W, 3]``; it is kept, not copied, and must not change afterwards.
        grid: where it is; its shape is the image's.
        source: where it came from.
        frame: name of the image within its source.
        time: when it was taken, ISO 8601.
        valid: bool ``[H, W]``, which pixels hold data; by default all.

    Raises:
        InvalidParameter: if shapes or types do not fit.
    """

    def __init__(
        self,
        rgb: Rgb,
        grid: Grid,
        source: str = "array",
        frame: str = "",
        time: str | None = None,
        valid: Valid | None = None,
    ) -> None:
        valid = np.ones(rgb.shape[:2], bool) if valid is None else valid
        if rgb.dtype != np.uint8 or rgb.shape != (*grid.shape, 3) or valid.shape != grid.shape:
            raise InvalidParameter(
                f"image {rgb.dtype} {rgb.shape} and valid {valid.shape} do not fit a grid of {grid.shape}; "
                "give uint8 (rows, columns, 3) and bool (rows, columns)"
            )
        self.grid, self.source, self.frame, self.time = grid, source, frame, time
        self._rgb, self._valid = rgb, valid.astype(bool, copy=False)
        self._fingerprint: str | None = None

    @property
    def fingerprint(self) -> str:
        """Digest of the pixels; made when it is first asked for."""
        if self._fingerprint is None:
            self._fingerprint = digest_of(
                self.grid.shape, self._rgb.tobytes(), np.packbits(self._valid).tobytes()
            )
        return self._fingerprint

    def read(
        self, x0: int, y0: int, width: int, height: int, out_shape: tuple[int, int] | None = None
    ) -> tuple[Rgb, Valid]:
        """Read a window; see `Frame.read`.

        Raises:
            InvalidParameter: if the window or the shape holds no pixel.
        """
        shape = shape_of(width, height, out_shape)
        left, top = max(x0, 0), max(y0, 0)
        right, bottom = (
            max(left, min(x0 + width, self.grid.width)),
            max(top, min(y0 + height, self.grid.height)),
        )
        rgb, valid = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), bool)
        here, there = np.s_[top - y0 : bottom - y0, left - x0 : right - x0], np.s_[top:bottom, left:right]
        valid[here] = self._valid[there]
        rgb[here] = self._rgb[there] * self._valid[there][..., None]
        return (rgb, valid) if shape == (height, width) else _resample(rgb, valid, shape)


def _resample(rgb: Rgb, valid: Valid, shape: tuple[int, int]) -> tuple[Rgb, Valid]:
    """Resample an image in memory as GDAL does one on disk."""
    how = resampling_for(valid.shape, shape)
    profile = {"driver": "GTiff", "count": 4, "dtype": "uint8", "photometric": "RGB", "alpha": "YES"}
    with warnings.catch_warnings(), MemoryFile() as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(**profile, height=valid.shape[0], width=valid.shape[1]) as dataset:
            dataset.write(np.concatenate([np.moveaxis(rgb, -1, 0), valid[None].astype(np.uint8) * 255]))
        with memory.open() as dataset:
            reader = BandReader(dataset, (1, 2, 3))
            bands, has_data = reader.read(Window(0, 0, valid.shape[1], valid.shape[0]), shape, how)
    kept: Valid = np.any(has_data, axis=0)
    return np.ascontiguousarray(np.moveaxis(bands * has_data, 0, -1)), kept
