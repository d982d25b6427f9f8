"""A desk with an engine, and a video file."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

if find_spec("qgis") is not None:

    @pytest.fixture
    def desk(engine: Any, tmp_path: Path) -> Iterator[Any]:
        from desk import Desk

        one = Desk(engine, tmp_path)
        yield one
        one.close()

    @pytest.fixture
    def movie(tmp_path: Path, scenes: Path) -> Path:
        """The frames of `scenes`, four a second, without loss."""
        from osgeo import gdal

        if shutil.which("ffmpeg") is None:
            pytest.skip("ffmpeg is not installed")
        for index, frame in enumerate(sorted((scenes / "video").glob("*.tif"))):
            gdal.Translate(str(tmp_path / f"{index:03d}.png"), str(frame), format="PNG")
        path = tmp_path / "movie.mkv"
        command = ["ffmpeg", "-v", "error", "-framerate", "4", "-i", str(tmp_path / "%03d.png")]
        subprocess.run([*command, "-c:v", "ffv1", str(path)], check=True)
        return path
