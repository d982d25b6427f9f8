"""Rasters to open: written with any profile, random pixels in them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp

PLACE = {"transform": Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000), "crs": "EPSG:32633"}
RNG = np.random.default_rng(7)
PHOTO = RNG.integers(0, 256, (3, 61, 83), dtype=np.uint8)


def save(path: Path, bands: np.ndarray, finish: Callable[[Any], None] | None = None, **profile: Any) -> Path:
    """Write bands ``[n, h, w]`` as a GeoTIFF, or in the format of the profile."""
    count, height, width = bands.shape
    shape = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": bands.dtype}
    with rasterio.open(path, "w", **(shape | profile)) as dataset:
        dataset.write(bands)
        if finish:
            finish(dataset)
    return path


def interpret(*kinds: str) -> Callable[[Any], None]:
    """Return what marks the bands of a raster by colour."""
    return lambda dataset: setattr(dataset, "colorinterp", [ColorInterp[kind] for kind in kinds])
