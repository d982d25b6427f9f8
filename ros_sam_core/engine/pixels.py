"""Raw pixels of a request's body to a patch of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ros_sam_core.engine.patches import Patch, Window
from ros_sam_core.errors import RequestInvalid
from ros_sam_core.geo.stretch import Stretch
from ros_sam_core.geo.windows import Valid

Dtype = Literal["uint8", "uint16", "int16", "uint32", "int32", "float32", "float64"]


@dataclass(frozen=True)
class PixelLayout:
    """How the pixels of one window are laid out in a body.

    Attributes:
        window: x0, y0, width, height in pixels of the image.
        bands: 1 or 3.
        dtype: Of one sample, little-endian.
        layout: "pixels" (band by band within a pixel) or "bands" (band after band).
        alpha: Whether one more band follows in which 0 means no data.
        nodata: Value that means no data, in each band by itself.
    """

    window: Window
    bands: Literal[1, 3] = 3
    dtype: Dtype = "uint8"
    layout: Literal["pixels", "bands"] = "pixels"
    alpha: bool = False
    nodata: float | None = None

    @property
    def size(self) -> int:
        """Bytes of the body."""
        _, _, width, height = self.window
        return width * height * (self.bands + self.alpha) * np.dtype(self.dtype).itemsize

    def patch(self, body: bytes, stretch: Stretch) -> Patch:
        """Read a body, stretched to 8 bit.

        Raises:
            RequestInvalid: The body has another size.
        """
        _, _, width, height = self.window
        if len(body) != self.size:
            raise RequestInvalid(
                f"{len(body)} bytes are not {width} x {height} pixels of {self.bands + self.alpha} bands "
                f"of {self.dtype}, which are {self.size}"
            )
        samples = np.frombuffer(body, np.dtype(self.dtype).newbyteorder("<"))
        count = self.bands + self.alpha
        if self.layout == "pixels":
            bands = np.moveaxis(samples.reshape(height, width, count), -1, 0)
        else:
            bands = samples.reshape(count, height, width)
        colours = np.repeat(bands[:1], 3, axis=0) if self.bands == 1 else bands[:3]
        has_data = self._has_data(colours, bands[-1])
        rgb = stretch.apply(colours) * np.moveaxis(has_data, 0, -1)
        valid: Valid = np.any(has_data, axis=0)
        return Patch(self.window, np.ascontiguousarray(rgb), valid)

    def _has_data(self, colours: NDArray[Any], last: NDArray[Any]) -> NDArray[np.bool_]:
        """Say of each band where it holds data, as `BandReader` does for a raster: bool `[3, h, w]`."""
        has_data = np.ones(colours.shape, bool)
        if self.alpha:
            has_data &= last != 0
        if np.issubdtype(colours.dtype, np.floating):
            has_data &= np.isfinite(colours)
        if self.nodata is not None:
            has_data &= colours != self.nodata
        return has_data
