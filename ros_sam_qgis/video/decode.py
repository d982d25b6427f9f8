"""Frames of a video file, written as georeferenced rasters by ffmpeg and GDAL."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from osgeo import gdal

from ..engine.environment import sanitised
from ..i18n import tr
from ..settings import store as settings
from .scan import EPOCH, Cancelled, FrameFile, NoFrames, VideoError

TIFF_OPTIONS = ["COMPRESS=DEFLATE", "PREDICTOR=2", "TILED=YES"]
EVERY_FRAME_ONCE = (("-fps_mode", "passthrough"), ("-vsync", "0"))
"""How ffmpeg is told so: the first is known from its version 5.1 on, the second is gone from version 9."""


class FfmpegMissing(VideoError):
    """There is no ffmpeg to decode a video file."""


class ReferenceUnfit(VideoError):
    """The georeference is not one of the video's frames."""


@dataclass(frozen=True)
class Reference:
    """One georeference for all frames of a video.

    Attributes:
        size: columns, rows of the image that it was made for.
        geotransform: as GDAL has it.
        wkt: of the CRS; empty if unknown.
    """

    size: tuple[int, int]
    geotransform: tuple[float, float, float, float, float, float]
    wkt: str

    def require(self, size: tuple[int, int]) -> None:
        """Refuse images of another size.

        Raises:
            ReferenceUnfit: the size is another.
        """
        if size != self.size:
            text = tr(
                "the georeference is for {theirs} pixels, the video has {ours}; give a raster of the video's "
                "own size"
            )
            raise ReferenceUnfit(
                text.format(theirs="{} x {}".format(*self.size), ours="{} x {}".format(*size))
            )


def read_reference(path: str) -> Reference:
    """Read the georeference of a raster of the same place and size.

    Raises:
        ReferenceUnfit: it has none.
    """
    try:
        dataset = gdal.OpenEx(path, gdal.OF_RASTER)
    except RuntimeError as error:
        raise ReferenceUnfit(f"{path}: {error}") from error
    transform = None if dataset is None else dataset.GetGeoTransform(can_return_null=True)
    if dataset is None or transform is None:
        raise ReferenceUnfit(tr("{path} has no georeference that the frames could take").format(path=path))
    return Reference((dataset.RasterXSize, dataset.RasterYSize), tuple(transform), dataset.GetProjection())


def find_ffmpeg() -> str:
    """Return ffmpeg: the system's, else the one that `imageio-ffmpeg` brought to the engine's environment.

    Raises:
        FfmpegMissing: there is neither.
    """
    found = shutil.which("ffmpeg")
    if found:
        return found
    folder = settings.environment_folder()
    for pattern in ("lib/python*/site-packages", "Lib/site-packages"):
        for path in glob.glob(os.path.join(folder, pattern, "imageio_ffmpeg", "binaries", "ffmpeg-*")):
            return path
    raise FfmpegMissing(
        tr(
            "Video files need the program ffmpeg, and it was not found. Install it (ffmpeg.org), or save the "
            "video as a folder of images."
        )
    )


def decode(
    path: str,
    folder: str,
    reference: Reference | None,
    start: datetime | None = None,
    fps: float | None = None,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[FrameFile]:
    """Write the frames of a video file as GeoTIFFs into a folder, and return them.

    Args:
        path: of the video.
        folder: takes the frames; it is made.
        reference: of the frames; None leaves them without.
        start: time of the first frame.
        fps: frames a second; the video's own by default.
        progress: called with 0 to 100.
        cancelled: asked from frame to frame.

    Raises:
        FfmpegMissing: there is no ffmpeg.
        NoFrames: ffmpeg finds none.
        ReferenceUnfit: it is for images of another size.
        Cancelled: as asked.
    """
    ffmpeg = find_ffmpeg()
    rate = fps or frame_rate(ffmpeg, path)
    os.makedirs(folder, exist_ok=True)
    stem = os.path.splitext(os.path.basename(path))[0]
    frames = []
    with tempfile.TemporaryDirectory(prefix="ros-sam-", dir=folder) as scratch:
        images = _extract(ffmpeg, path, scratch, cancelled)
        for index, image in enumerate(images):
            if cancelled():
                raise Cancelled(tr("Cancelled."))
            name = f"{stem}_{index:06d}"
            target = os.path.join(folder, f"{name}.tif")
            _georeference(image, target, reference)
            os.remove(image)
            time = (start or EPOCH) + timedelta(seconds=index / rate)
            frames.append(FrameFile(target, name, time))
            if progress is not None:
                progress(100 * (index + 1) / len(images))
    return frames


def frame_rate(ffmpeg: str, path: str) -> float:
    """Return a video's frames a second; 1 where ffmpeg does not tell."""
    told = _run([ffmpeg, "-hide_banner", "-i", path]).stderr
    for part in told.replace("\n", ",").split(","):
        if part.strip().endswith(" fps"):
            try:
                return float(part.strip()[:-4]) or 1.0
            except ValueError:
                continue
    return 1.0


def _extract(ffmpeg: str, path: str, scratch: str, cancelled: Callable[[], bool]) -> list[str]:
    """Have ffmpeg write every frame once, as it is, without repeats for a constant rate."""
    for option in EVERY_FRAME_ONCE:
        status, said = _write_frames(ffmpeg, path, option, scratch, cancelled)
        if status == 0 or option[0].lstrip("-") not in said:
            break
    images = sorted(glob.glob(os.path.join(glob.escape(scratch), "*.png")))
    if status or not images:
        text = tr("ffmpeg finds no frames in {path}: {why}")
        why = said.splitlines()[-1] if said else tr("no reason was given")
        raise NoFrames(text.format(path=path, why=why))
    return images


def _write_frames(
    ffmpeg: str, path: str, option: tuple[str, str], scratch: str, cancelled: Callable[[], bool]
) -> tuple[int, str]:
    """Run ffmpeg; returns its exit status and what it said."""
    pattern = os.path.join(scratch, "%06d.png")
    command = [ffmpeg, "-nostdin", "-v", "error", "-i", path, *option, "-pix_fmt", "rgb24", pattern]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, env=_environment()
        )
        while True:
            try:
                process.wait(0.2)
                break
            except subprocess.TimeoutExpired:
                if cancelled():
                    process.kill()
                    process.wait()
                    raise Cancelled(tr("Cancelled.")) from None
        errors.seek(0)
        return process.returncode, errors.read().strip()


def _georeference(image: str, target: str, reference: Reference | None) -> None:
    source = gdal.Open(image)
    if source is None:
        raise NoFrames(tr("{path} cannot be read: {why}").format(path=image, why=gdal.GetLastErrorMsg()))
    if reference is not None:
        reference.require((source.RasterXSize, source.RasterYSize))
    written = gdal.GetDriverByName("GTiff").CreateCopy(target, source, options=TIFF_OPTIONS)
    if written is None:
        raise VideoError(
            tr("{path} cannot be written: {why}").format(path=target, why=gdal.GetLastErrorMsg())
        )
    if reference is not None:
        written.SetGeoTransform(reference.geotransform)
        written.SetProjection(reference.wkt)
    written.FlushCache()


def _environment() -> dict[str, str]:
    return sanitised(os.environ)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    kept = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "errors": "replace"}
    return subprocess.run(command, env=_environment(), **kept)
