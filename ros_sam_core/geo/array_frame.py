"""ArrayFrame: an image in memory that reads like a raster."""

import numpy as np

from ros_sam_core.errors import InvalidParameter
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.windows import Rgb, Valid, cells_of, digest_of, paste, resample, shape_of


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
        rows, columns = cells_of(y0, height, 1, self.grid.height), cells_of(x0, width, 1, self.grid.width)
        there = np.s_[rows[0] : rows[-1], columns[0] : columns[-1]]
        bands = np.moveaxis(self._rgb[there], -1, 0)
        valid = np.broadcast_to(self._valid[there], bands.shape)
        if shape == (height, width):
            corner = rows[0] - y0, columns[0] - x0
            bands, valid = paste(bands, *corner, shape), paste(valid, *corner, shape)
        else:
            mean, valid = resample(bands, valid, (rows, columns), (x0, y0, width, height), shape)
            bands = np.rint(mean).astype(np.uint8)
        return np.ascontiguousarray(np.moveaxis(bands * valid, 0, -1)), valid[0]
