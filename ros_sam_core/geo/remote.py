"""Rasters on a server: how long GDAL waits for it."""

from __future__ import annotations

import os
from contextlib import suppress

import rasterio
from rasterio.errors import RasterioIOError

PATIENCE = {
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
    "GDAL_HTTP_LOW_SPEED_TIME": "15",
    "GDAL_HTTP_TIMEOUT": "30",
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "1",
}
"""GDAL's options, in seconds and bytes a second: by itself GDAL waits for ever for a server that is silent,
and does not try again when one stumbles."""


def gdal_env(**options: str | int) -> rasterio.Env:
    """Return the environment, for one thread, in which rasters are opened and read.

    Args:
        options: GDAL's, beside `PATIENCE`. What the process's environment variables say wins.
    """
    wanted = {**PATIENCE, **options}
    return rasterio.Env(**{name: value for name, value in wanted.items() if name not in os.environ})


def forget(source: str) -> None:
    """Have GDAL forget that a source could not be opened; else it never asks the server again.

    GDAL drops what it knows of a file that it is told not to cache once it is closed; it asks for it first.
    """
    brief = {"CPL_VSIL_CURL_NON_CACHED": "/vsicurl/", "GDAL_HTTP_TIMEOUT": "1", "GDAL_HTTP_MAX_RETRY": "0"}
    with rasterio.Env(**brief), suppress(RasterioIOError):
        rasterio.open(source).close()
