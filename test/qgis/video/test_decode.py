"""Video files: ffmpeg's frames, with one georeference."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from osgeo import gdal

from ros_sam_qgis.video.decode import FfmpegMissing, ReferenceUnfit, decode, find_ffmpeg, read_reference


def test_without_ffmpeg_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(FfmpegMissing, match=r"ffmpeg\.org"):
        find_ffmpeg()


def test_ffmpeg_before_version_5_1_is_asked_in_its_own_words(
    movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ffmpeg that is here, behind a script that knows the one option of before alone."""
    old = tmp_path / "bin" / "ffmpeg"
    old.parent.mkdir()
    old.write_text(
        "#!/bin/sh\n"
        'case "$*" in *-fps_mode*) echo "Unrecognized option \'fps_mode\'." >&2; exit 1;; esac\n'
        "for one; do shift; case $one in -vsync) one=-fps_mode;; 0) one=passthrough;; esac\n"
        'set -- "$@" "$one"; done\n'
        f'exec {shutil.which("ffmpeg")} "$@"\n'
    )
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent), prepend=os.pathsep)
    assert find_ffmpeg() == str(old)
    assert len(decode(str(movie), str(tmp_path / "frames"), None)) == 3


def test_a_video_file_takes_one_georeference(movie: Path, tmp_path: Path, scenes: Path) -> None:
    frames = sorted((scenes / "video").glob("*.tif"))
    reference = read_reference(str(scenes / "utm.tif"))
    start = datetime(2024, 5, 1, tzinfo=UTC)
    written = decode(str(movie), str(tmp_path / "frames"), reference, start)
    assert [frame.time.microsecond for frame in written] == [0, 250000, 500000]
    first = gdal.Open(written[0].path)
    assert first.GetGeoTransform() == gdal.Open(str(scenes / "utm.tif")).GetGeoTransform()
    assert first.ReadRaster() == gdal.Open(str(frames[0])).ReadRaster()
    smaller = gdal.Translate("", str(scenes / "utm.tif"), format="MEM", width=100)
    gdal.GetDriverByName("GTiff").CreateCopy(str(tmp_path / "small.tif"), smaller)
    with pytest.raises(ReferenceUnfit, match="384 x 320"):
        decode(str(movie), str(tmp_path / "f2"), read_reference(str(tmp_path / "small.tif")))
    with pytest.raises(ReferenceUnfit, match="no georeference"):
        read_reference(str(scenes / "plain.tif"))
