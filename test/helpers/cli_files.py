"""Running the real `ros-sam` on small real files."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

PROGRAM = Path(sys.executable).with_name("ros-sam")
UTM = "EPSG:32633"
ORIGIN = (500_000.0, 5_300_000.0)
GSD_M = 0.5
"""The rasters of these tests have their top left corner at `ORIGIN`, on the zone's central meridian."""


@dataclass(frozen=True)
class Finished:
    """A run of `ros-sam` that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        return dict(json.loads(self.out))


Run = Callable[..., Finished]


def environment(cache: Path) -> dict[str, str]:
    """Return an environment in which nothing of the user's own cache is read or written."""
    return {**os.environ, "ROS_SAM_CACHE": str(cache), "OMP_NUM_THREADS": "1", "COLUMNS": "100"}


def write_raster(
    path: Path, bands: NDArray[Any], *, crs: str | None = UTM, nodata: float | None = None
) -> Path:
    """Write bands [N, H, W] as a GeoTIFF at `ORIGIN`; without a CRS also without a geotransform."""
    place = {"crs": crs, "transform": Affine(GSD_M, 0, ORIGIN[0], 0, -GSD_M, ORIGIN[1])} if crs else {}
    count, height, width = bands.shape
    layout = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": bands.dtype}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **layout, **place, nodata=nodata) as file:
            file.write(bands)
    return path


def picture(height: int = 200, width: int = 300) -> NDArray[np.uint8]:
    """Return [3, H, W]: grey noise, and light rectangles of 20 x 12 px every 50 px."""
    rng = np.random.default_rng(0)
    bands = rng.integers(60, 90, (3, height, width), dtype=np.uint8)
    for top in range(20, height - 20, 50):
        for left in range(20, width - 30, 50):
            bands[:, top : top + 12, left : left + 20] = 220
    return bands


def map_box(left: float, top: float, right: float, bottom: float) -> str:
    """Return pixels of a raster of these tests as text for `--box`, in UTM."""
    x, y = ORIGIN
    return f"{x + left * GSD_M} {y - bottom * GSD_M} {x + right * GSD_M} {y - top * GSD_M}"


def map_point(column: float, row: float) -> str:
    """Return a pixel of a raster of these tests as text for `--point`, in UTM."""
    return f"{ORIGIN[0] + column * GSD_M} {ORIGIN[1] - row * GSD_M}"
