"""Frames in their order, with their times."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from osgeo import gdal

from ros_sam_qgis.video.scan import NoFrames, VideoError, find_frames, time_in


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("20240501T100002", (2024, 5, 1, 10, 0, 2)),
        ("jilin_2017-08-25_03-14-15_L1", (2017, 8, 25, 3, 14, 15)),
        ("frame_20170825031415.250", (2017, 8, 25, 3, 14, 15, 250000)),
        ("S2A 2024.05.01 10:00:02", (2024, 5, 1, 10, 0, 2)),
        ("20240501", None),
        ("frame_000123", None),
        ("20241301T100000", None),
        ("20240230T100000", None),
        ("1234567890123456", None),
    ],
)
def test_times_in_names(name: str, time: tuple[int, ...] | None) -> None:
    expected = datetime(*time, tzinfo=UTC) if time else None
    assert time_in(name) == expected


def image(path: Path, value: int = 7) -> Path:
    memory = gdal.GetDriverByName("MEM").Create("", 8, 8, 1)
    memory.GetRasterBand(1).Fill(value)
    gdal.GetDriverByName("PNG").CreateCopy(str(path), memory)
    return path


def test_a_folder_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        image(tmp_path / f"frame{number}.png")
    (tmp_path / "notes.txt").write_text("no frame")
    frames = find_frames(str(tmp_path), step_s=0.5)
    assert [frame.name for frame in frames] == ["frame1", "frame2", "frame10"]
    assert [frame.stamp for frame in frames] == [
        "2000-01-01T00:00:00Z",
        "2000-01-01T00:00:00.500Z",
        "2000-01-01T00:00:01Z",
    ]


def test_times_in_names_make_the_order(tmp_path: Path) -> None:
    for name in ("b_20240501T100000", "a_20240501T100001"):
        image(tmp_path / f"{name}.png")
    assert [frame.name[0] for frame in find_frames(str(tmp_path))] == ["b", "a"]
    start = datetime(2023, 1, 1, tzinfo=UTC)
    given = find_frames(str(tmp_path), start)
    assert [frame.name[0] for frame in given] == ["a", "b"] and given[0].time == start


def test_pages_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    for number in range(3):
        memory = gdal.GetDriverByName("MEM").Create("", 8, 8, 1)
        memory.GetRasterBand(1).Fill(number)
        options = ["APPEND_SUBDATASET=YES"] if number else []
        gdal.GetDriverByName("GTiff").CreateCopy(str(path), memory, options=options)
    frames = find_frames(str(path))
    assert len(frames) == 3 and len({frame.name for frame in frames}) == 3
    assert all(frame.path.startswith("GTIFF_DIR:") for frame in frames)
    assert gdal.Open(frames[0].path).GetRasterBand(1).Checksum() == 0


def test_nothing_to_see_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoFrames, match="no raster files"):
        find_frames(str(tmp_path))
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(NoFrames, match="no raster"):
        find_frames(str(tmp_path / "x.txt"))
    image(tmp_path / "f.png")
    with pytest.raises(VideoError, match="above 0"):
        find_frames(str(tmp_path), step_s=0)
