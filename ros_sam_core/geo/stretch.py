"""The stretch of any pixel values to 8 bit: decided once a raster, then the same for every crop."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_sam_core.errors import StretchInvalid

Triple = tuple[float, float, float]

_FORMS = '"none", percentiles such as "2-98", "min,max" for all bands, or "min,max" three times'


@dataclass(frozen=True)
class Stretch:
    """Linear map of each of three bands to 0..255: `low` and below become 0, `high` and above 255.

    Args:
        low: pixel value that becomes 0, for each of the three bands.
        high: pixel value that becomes 255.

    Raises:
        StretchInvalid: if a value is not finite, or low is not below high.
    """

    low: Triple = (0.0, 0.0, 0.0)
    high: Triple = (255.0, 255.0, 255.0)

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            values = tuple(float(value) for value in getattr(self, name))
            if len(values) != 3 or not np.isfinite(values).all():
                raise StretchInvalid(f"stretch: {name} = {values} is not three finite numbers")
            object.__setattr__(self, name, values)
        if not all(low < high for low, high in zip(self.low, self.high, strict=True)):
            raise StretchInvalid(f"stretch: low {self.low} must be below high {self.high} in each band")

    @property
    def keeps_bytes(self) -> bool:
        """Whether 8-bit values come out as they went in."""
        return self == Stretch()

    def apply(self, bands: NDArray[Any]) -> NDArray[np.uint8]:
        """Return uint8 ``[h, w, 3]`` of bands ``[3, h, w]`` of any real type; NaN becomes 0."""
        if self.keeps_bytes and bands.dtype == np.uint8:
            return np.ascontiguousarray(np.moveaxis(bands, 0, -1))
        exact = np.float32 if bands.dtype.itemsize <= 2 or bands.dtype == np.float32 else np.float64
        low = np.array(self.low)[:, None, None]
        width = np.array(self.high)[:, None, None] - low
        with np.errstate(over="ignore", invalid="ignore"):  # What overflows is white or black all the same.
            scaled: NDArray[Any] = (bands.astype(exact) - low.astype(exact)) / width.astype(exact) * 255
        rounded = np.rint(np.nan_to_num(scaled, copy=False).clip(0, 255)).astype(np.uint8)
        return np.ascontiguousarray(np.moveaxis(rounded, 0, -1))

    @staticmethod
    def parse(text: str) -> "Stretch | Percentiles":
        """Read a stretch from a command line.

        Args:
            text: ``"none"`` (values are 8-bit values already), ``"2-98"`` (percentiles of each band),
                ``"0,3000"`` (all bands), or ``"0,3000,0,2500,0,2000"`` (each band its own).

        Raises:
            StretchInvalid: if it is none of these.
        """
        if text.strip().lower() == "none":
            return Stretch()
        percentiles = re.fullmatch(r"\s*([\d.]+)\s*-\s*([\d.]+)\s*", text)
        try:
            if percentiles:
                return Percentiles(float(percentiles[1]), float(percentiles[2]))
            numbers = [float(part) for part in text.split(",")]
        except ValueError as error:
            raise StretchInvalid(f"stretch {text!r} is not understood; give {_FORMS}") from error
        if len(numbers) not in (2, 6):
            raise StretchInvalid(f"stretch {text!r} has {len(numbers)} numbers; give {_FORMS}")
        low, high = (numbers[::2] * 3)[:3], (numbers[1::2] * 3)[:3]
        return Stretch((low[0], low[1], low[2]), (high[0], high[1], high[2]))


@dataclass(frozen=True)
class Percentiles:
    """A stretch still to be measured on the raster: from one percentile of each band to another.

    Args:
        low: percentile that becomes 0.
        high: percentile that becomes 255.

    Raises:
        StretchInvalid: unless 0 <= low < high <= 100.
    """

    low: float = 2.0
    high: float = 98.0

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 100:
            raise StretchInvalid(f"percentiles {self.low:g}-{self.high:g} must rise within 0 and 100")

    def measure(self, bands: NDArray[Any], valid: NDArray[np.bool_]) -> Stretch:
        """Return the stretch that these samples of a raster give.

        A band that holds nothing, or one value only, gets a stretch in which that value is black.

        Args:
            bands: samples ``[3, h, w]``.
            valid: which of them count, ``[3, h, w]``.
        """
        pairs = []
        for band, mask in zip(bands, valid, strict=True):
            values = band[mask].astype(np.float64)
            low, high = np.percentile(values, [self.low, self.high]) if values.size else (0.0, 255.0)
            if not low < high and values.min() < values.max():
                low, high = values.min(), values.max()
            pairs.append((float(low), float(high if low < high else max(low + 1, np.nextafter(low, np.inf)))))
        (l0, h0), (l1, h1), (l2, h2) = pairs
        return Stretch((l0, l1, l2), (h0, h1, h2))
