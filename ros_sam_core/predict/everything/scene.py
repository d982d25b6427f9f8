"""Everything mode on a scene of any size: constant memory, what is finished is kept, resumable."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from ros_sam_core import __version__
from ros_sam_core.errors import AreaInvalid, InvalidParameter
from ros_sam_core.geo.area import area_in_pixels
from ros_sam_core.geo.formats import format_of
from ros_sam_core.geo.publish import failures, stamp
from ros_sam_core.geo.raster import RasterFrame
from ros_sam_core.geo.record_log import claim
from ros_sam_core.geo.staging import Staging, staging_path
from ros_sam_core.geo.writers import SegmentWriter
from ros_sam_core.predict.bench import CACHE_MB, gdal_options, set_threads
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.crew import available_cores
from ros_sam_core.predict.everything.finder import Finder
from ros_sam_core.predict.everything.journal import TileJournal
from ros_sam_core.predict.everything.options import EverythingOptions
from ros_sam_core.predict.everything.run import find_tiles, merged, segments_of, tile_count
from ros_sam_core.predict.scene import SceneOptions, checked_output

if TYPE_CHECKING:
    from ros_sam_core.predict.segmenter import Segmenter

Progress = Callable[[int, int], None]
Area = tuple[BaseGeometry, CRS | None]


class EverythingRun:
    """The objects of a raster, written to a file, with what is known of the work at any time.

    Args:
        raster: Anything that GDAL opens.
        output: The file to write.
        scene: Model, bands, stretch, CRS and so on. Neither workers nor a cluster.
        options: What counts as an object.
        area: Of interest: polygons and their CRS, None being the raster's own. All of the raster by default.

    Attributes:
        segments: How many objects are in the output.
        tiles: How many tiles there are.
        done: How many of them are done.
        resumed: How many an earlier run had done.
        saved: Whether the output holds the objects of the tiles that are done.
        model: Name of the model, once it is open.
        weights: Short hash of its weights.
    """

    def __init__(
        self,
        raster: str,
        output: Path,
        scene: SceneOptions | None = None,
        options: EverythingOptions | None = None,
        area: Area | None = None,
    ) -> None:
        self.raster, self.output, self.area = raster, output, area
        self.scene, self.options = scene or SceneOptions(), options or EverythingOptions()
        if self.scene.workers is not None or self.scene.cluster is not None:
            raise InvalidParameter("everything mode works in one process; leave workers and cluster out")
        self.segments = self.tiles = self.done = self.resumed = 0
        self.saved = False
        self.model: str | None = None
        self.weights: str | None = None

    def run(
        self,
        progress: Progress | None = None,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
        cancel: Callable[[], bool] | None = None,
    ) -> None:
        """Do the work.

        However it is cut short, the objects of the tiles that are done are in the output, and the same run
        with `resume` goes on; in the end it gives what an unbroken run gives.

        Args:
            progress: Called with the number of tiles done and their total.
            waiting: Entered while there is nothing that an interrupt could tear.
            cancel: Asked several times a second whether to stop.

        Raises:
            RosSamError: The work could not be begun, or was cut short.
            Cancelled: `cancel` said so.
        """
        scene = self.scene
        with ExitStack() as stack:
            stack.enter_context(gdal_options())
            frame = stack.enter_context(RasterFrame.open(self.raster, scene.bands, scene.stretch))
            target, crs = checked_output(self.output, frame.grid, scene)
            area = None if self.area is None else self._area(self.area, frame)
            before = set_threads(scene.threads or available_cores())
            stack.callback(set_threads, before)
            with waiting():
                segmenter = _open_model(scene)
                self.model, self.weights = segmenter.name, segmenter.weights
                finder = Finder(segmenter.predictor, frame, self.options, scene.polygons, area)
                self.tiles = tile_count(finder)
            journal = self._journal(target, finder)
            stack.callback(journal.close)
            self.resumed = self.done = len(journal)
            try:
                self._look(finder, journal, progress, waiting, cancel)
            except BaseException:
                if self.done:
                    self._write(target, crs, segmenter, finder, journal)
                else:
                    journal.remove()
                raise
            self._write(target, crs, segmenter, finder, journal)
            journal.remove()

    def _area(self, area: Area, frame: RasterFrame) -> BaseGeometry:
        pixels = area_in_pixels(*area, frame.grid)
        if pixels.is_empty:
            raise AreaInvalid(
                f"the area of interest lies beside {self.raster}; check its CRS, or leave it out"
            )
        return pixels

    def _journal(self, target: Path, finder: Finder) -> TileJournal:
        """Open the journal of what this work, and no other, gives."""
        scene, frame = self.scene, finder.frame
        work = {
            "version of ros-sam": __version__,
            "raster, bands or stretch": frame.fingerprint,
            "model": str(self.weights),
            "device": scene.device,
            "number of threads": str(scene.threads or available_cores()),
            "shape of polygons": repr(scene.polygons),
            "set of options": repr(self.options),
            "area of interest": "" if finder.area is None else finder.area.wkb_hex,
        }
        with failures(target, "start"):
            if not scene.resume:
                claim(staging_path(target))
            return TileJournal(staging_path(target), work, resume=scene.resume)

    def _look(
        self,
        finder: Finder,
        journal: TileJournal,
        progress: Progress | None,
        waiting: Callable[[], AbstractContextManager[None]],
        cancel: Callable[[], bool] | None,
    ) -> None:
        found = find_tiles(finder, journal, cancel=cancel)
        while True:
            if progress is not None:
                progress(self.done, self.tiles)
            with waiting():
                tile = next(found, None)
            if tile is None:
                return
            with failures(self.output, f"keep tile {self.done + 1} of"):
                journal.add(*tile)
            self.done += 1

    def _write(
        self, target: Path, crs: CRS | None, segmenter: Segmenter, finder: Finder, journal: TileJournal
    ) -> None:
        """Make the output of the journal."""
        origin = segmenter.origin(finder.frame)
        found = merged(journal.replay(), finder)
        with _TileWriter.open(target, crs, self.scene, finder, journal) as writer:
            for segment in segments_of(found, origin, crs):
                writer.write([segment])
        self.segments, self.saved = writer.written, writer.published


class _TileWriter(SegmentWriter):
    """Writes the output of a journal, also over one that was made of it before."""

    _journal: TileJournal

    @classmethod
    def open(
        cls, target: Path, crs: CRS | None, scene: SceneOptions, finder: Finder, journal: TileJournal
    ) -> _TileWriter:
        """Open a writer whose staging file lies beside the journal."""
        path = target.with_name(target.name + ".part.out.arrows")
        path.unlink(missing_ok=True)
        kind = format_of(target)
        with failures(target, "start"):
            staging = Staging(path, crs)
        layer = target.name[: -len(kind.suffix)]
        grid = finder.frame.grid
        writer = cls(target, kind, layer, staging, overwrite=scene.overwrite, append=False, grid=grid)
        writer._journal = journal
        return writer

    def _may_replace(self, before: tuple[int, int]) -> bool:
        return self._overwrite or before in self._journal.published

    def _before_publishing(self, out: Path) -> None:
        made = stamp(out)
        assert made is not None
        self._journal.note(made)


def _open_model(scene: SceneOptions) -> Segmenter:
    from ros_sam_core.predict.segmenter import Segmenter

    cache = CacheOptions(memory_mb=CACHE_MB, disk_mb=0)
    return Segmenter.from_pretrained(scene.model, scene.device, cache)


def find_everything(
    raster: str | os.PathLike[str],
    output: str | os.PathLike[str],
    scene: SceneOptions | None = None,
    options: EverythingOptions | None = None,
    area: Area | None = None,
    progress: Progress | None = None,
) -> EverythingRun:
    """Find the objects of a raster of any size and write them to a file; see `EverythingRun`."""
    run = EverythingRun(os.fspath(raster), Path(output), scene, options, area)
    run.run(progress)
    return run
