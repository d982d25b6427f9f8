"""What tells that a raster has changed: the files that it is made of, or a look at pixels from elsewhere."""

import os
import re
import warnings
from pathlib import Path

import rasterio
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from ros_sam_core.geo.bands import BandReader
from ros_sam_core.geo.windows import digest_of

WRAPPER = re.compile(r"/?vsi(?:(?:zip|tar|gzip|7z|rar)/|subfile/\d+_-?\d+,)")
"""What GDAL puts before the path of a file to look into it."""
GLIMPSE_PX = 1024
"""About so many pixels squared are compared of a raster that is not on this machine."""


def fingerprint_of(dataset: DatasetReader, reader: BandReader) -> str:
    """Return a digest that changes when a raster does.

    It tells size and time of change of every local file: those in a VRT within a VRT too, and archives. A
    server tells nothing of the kind through GDAL, so of a raster that is not all on this machine some pixels
    count as well: all of a small one, the coarsest overview, or a block. What shows in none of these does not
    change the digest.

    Args:
        dataset: An open raster.
        reader: Of its bands.

    Raises:
        RasterUnreadable: The pixels cannot be read.
    """
    files, whole = _local_files(dataset)
    return digest_of(files, b"" if whole else _glimpse(dataset, reader))


def _local_files(dataset: DatasetReader) -> tuple[list[tuple[str, int, int]], bool]:
    """Return path, size and time of change of the local files, and whether the pixels are all in them."""
    left, seen, places = list(dataset.files), set[str](), set[str]()
    elsewhere, has_pixels = False, False
    while left:
        path = left.pop()
        if path in seen:
            continue
        seen.add(path)
        place = _local_place(path)
        if place is None:
            elsewhere = True
        else:
            places.add(os.path.abspath(place))
        if path.lower().endswith(".vrt"):
            left += _listed(path)
        else:
            has_pixels = True
    stats = [(place, os.stat(place)) for place in sorted(places)]
    files = [(place, stat.st_size, stat.st_mtime_ns) for place, stat in stats]
    return files, has_pixels and not elsewhere


def _listed(vrt: str) -> list[str]:
    """Return the files that a VRT is made of; GDAL lists those of one in another no further."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(vrt) as dataset:
                return list(dataset.files)
    except RasterioIOError:
        return []


def _local_place(path: str) -> str | None:
    """Return the file or folder of this machine that holds what GDAL has under a path, if one does."""
    inner = path
    while wrapper := WRAPPER.match(inner):
        inner = inner[wrapper.end() :]
        if inner.startswith("{"):
            inner = inner[1:].replace("}", "", 1)
    if inner == path:
        return path if os.path.exists(path) else None
    return next((str(place) for place in (Path(inner), *Path(inner).parents) if place.is_file()), None)


def _glimpse(dataset: DatasetReader, reader: BandReader) -> bytes:
    """Read a small raster whole, another through its coarsest overview, else the block in its middle."""
    height, width = dataset.shape
    factor = max(dataset.overviews(1), default=1)
    if factor > 1 or height * width <= GLIMPSE_PX**2:
        window = Window(0, 0, width, height)
    else:
        high, wide = dataset.block_shapes[0]
        window = dataset.block_window(1, height // 2 // high, width // 2 // wide)
    sides = int(window.height), int(window.width)
    rows, columns = (min(GLIMPSE_PX, max(1, side // factor)) for side in sides)
    values, valid = reader.read(window, (rows, columns), Resampling.nearest)
    return values.tobytes() + valid.tobytes()
