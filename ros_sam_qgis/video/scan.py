"""Which frames a folder or a multi-page file holds, and when each was taken."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from osgeo import gdal

from ..i18n import tr

SUFFIXES = frozenset({".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2", ".img", ".vrt", ".bmp"})
VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".m4v", ".mpg", ".mpeg", ".wmv", ".webm"})
EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)
"""When a video begins that says nothing of its time."""

_DATE = r"(?P<Y>20\d\d|19\d\d)[-_.]?(?P<m>0\d|1[0-2])[-_.]?(?P<d>[0-2]\d|3[01])"
_CLOCK = r"[-_T ]?(?P<H>[01]\d|2[0-3])[-_:.h]?(?P<M>[0-5]\d)[-_:.m]?(?P<S>[0-5]\d)(?:[.,_](?P<f>\d{1,6}))?"
_STAMP = re.compile(rf"(?<!\d){_DATE}{_CLOCK}(?!\d)")


class VideoError(ValueError):
    """Root of what is wrong with a video; the message is for the user."""


class NoFrames(VideoError):
    """There is nothing that could be a frame."""


class Cancelled(VideoError):
    """The user has changed his mind."""


@dataclass(frozen=True)
class FrameFile:
    """One frame.

    Attributes:
        path: by which GDAL opens it.
        name: of the frame, unique in its video.
        time: when it was taken, with a time zone.
    """

    path: str
    name: str
    time: datetime

    @property
    def stamp(self) -> str:
        """The time as the engine and the attribute `time` have it."""
        text = self.time.astimezone(timezone.utc).isoformat(timespec="milliseconds")
        return text.replace(".000+00:00", "Z").replace("+00:00", "Z")


def find_frames(source: str, start: datetime | None = None, step_s: float = 1.0) -> list[FrameFile]:
    """Return the frames of a folder or of a multi-page file, in their order.

    Times come from the names of the files (20240501T100000 and the like) if all have one and no two the
    same; else they begin at `start` and go on by `step_s`.

    Args:
        source: a folder of rasters, or a raster with subdatasets or pages.
        start: of the video; overrides the names.
        step_s: seconds from frame to frame.

    Raises:
        NoFrames: there are none.
        VideoError: `step_s` makes no sense.
    """
    if not step_s > 0:
        raise VideoError(tr("{step} seconds from frame to frame: give a number above 0").format(step=step_s))
    paths = _in_folder(source) if os.path.isdir(source) else _pages(source)
    names = _names(paths)
    times = None if start is not None else _times(names)
    if times is None:
        begin = start or EPOCH
        times = [begin + timedelta(seconds=step_s * index) for index in range(len(paths))]
    frames = [FrameFile(path, name, time) for path, name, time in zip(paths, names, times)]
    return sorted(frames, key=lambda frame: frame.time)


def time_in(name: str) -> datetime | None:
    """Return the time that a file's name tells, taken as UTC."""
    found = _STAMP.search(name)
    if found is None:
        return None
    parts = found.groupdict()
    fraction = int((parts["f"] or "0").ljust(6, "0"))
    numbers = [int(parts[key]) for key in ("Y", "m", "d", "H", "M", "S")]
    try:
        return datetime(*numbers, fraction, tzinfo=timezone.utc)
    except ValueError:
        return None


def natural(name: str) -> list[object]:
    """Return a key by which frame2 comes before frame10."""
    return [(0, int(part)) if part.isdigit() else (1, part.lower()) for part in re.split(r"(\d+)", name)]


def _in_folder(folder: str) -> list[str]:
    found = [name for name in os.listdir(folder) if os.path.splitext(name)[1].lower() in SUFFIXES]
    if not found:
        text = tr("{folder} holds no raster files ({suffixes})")
        raise NoFrames(text.format(folder=folder, suffixes=", ".join(sorted(SUFFIXES))))
    return [os.path.join(folder, name) for name in sorted(found, key=natural)]


def _pages(path: str) -> list[str]:
    text = tr("{path} is no raster that GDAL opens: {why}")
    try:
        dataset = gdal.OpenEx(path, gdal.OF_RASTER)
    except RuntimeError as error:  # where some other plugin has called gdal.UseExceptions()
        raise NoFrames(text.format(path=path, why=error)) from error
    if dataset is None:
        raise NoFrames(text.format(path=path, why=gdal.GetLastErrorMsg()))
    return [name for name, _ in dataset.GetSubDatasets()] or [path]


def _names(paths: list[str]) -> list[str]:
    """Return a name for each frame: its file's, or its page's."""
    names = []
    for path in paths:
        page = re.match(r"GTIFF_DIR:(\d+):", path)
        stem = os.path.splitext(os.path.basename(path))[0]
        names.append(f"{stem} {int(page[1]):04d}" if page else stem)
    return names if len(set(names)) == len(names) else [f"{i:06d} {name}" for i, name in enumerate(names)]


def _times(names: list[str]) -> list[datetime] | None:
    times = [time_in(name) for name in names]
    if None in times or len(set(times)) < len(times):
        return None
    return [time for time in times if time is not None]
