"""Everything mode on a scene of any size: constant memory, what is finished is kept, resumable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from ros_sam_core import __version__
from ros_sam_core.errors import AreaInvalid
from ros_sam_core.geo.area import area_in_pixels
from ros_sam_core.geo.formats import format_of, layer_of
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.publish import failures, stamp
from ros_sam_core.geo.raster import RasterFrame
from ros_sam_core.geo.record_log import claim
from ros_sam_core.geo.staging import Staging, staging_path
from ros_sam_core.geo.writers import SegmentWriter
from ros_sam_core.predict.bench import Bench, Job, ModelFacts, gdal_options
from ros_sam_core.predict.crew import Crew
from ros_sam_core.predict.everything.finder import Finder
from ros_sam_core.predict.everything.journal import TileJournal
from ros_sam_core.predict.everything.layout import Layout
from ros_sam_core.predict.everything.options import EverythingOptions
from ros_sam_core.predict.everything.run import TileFound, look_at, merged, segments_of
from ros_sam_core.predict.ground import Origin
from ros_sam_core.predict.scene import SceneOptions, checked_output

Progress = Callable[[int, int], None]
Area = tuple[BaseGeometry, CRS | None]


@dataclass(frozen=True)
class TilesJob(Job):
    """Objects are looked for; a piece is the number of a tile.

    Attributes:
        everything: What counts as an object.
        area: Of interest, frame pixels.
    """

    everything: EverythingOptions
    area: BaseGeometry | None

    def work(self, bench: Bench, piece: int, cancel: Callable[[], bool] | None = None) -> TileFound:
        """Look at a tile; see `Job.work`."""
        with bench.open(self) as (segmenter, frame):
            predictor = segmenter.predictor
            layout = Layout.of(self.everything, predictor.model.config.crop, frame.grid, self.area)
            finder = Finder(predictor, frame, layout, self.options)
            return piece, look_at(finder, layout.tile(piece), cancel)


class EverythingRun:
    """The objects of a raster, written to a file, with what is known of the work at any time.

    Args:
        raster: Anything that GDAL opens.
        output: The file to write.
        scene: Model, bands, stretch, CRS, workers and so on.
        options: What counts as an object.
        area: Of interest: polygons and their CRS, None being the raster's own. All of the raster by default.

    Attributes:
        segments: How many objects are in the output.
        tiles: How many tiles there are.
        done: How many of them are done.
        resumed: How many an earlier run had done.
        saved: Whether the output holds the objects of the tiles that are done.
        facts: Of the model, once it is open.
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
        self.segments = self.tiles = self.done = self.resumed = 0
        self.saved = False
        self.facts: ModelFacts | None = None

    def run(
        self,
        progress: Progress | None = None,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Do the work.

        However it is cut short, the objects of the tiles that are done are in the output, and the same run
        with `resume` goes on; in the end it gives what an unbroken run gives.

        Args:
            progress: Called with the number of tiles done and their total.
            waiting: Entered while there is nothing that an interrupt could tear.

        Raises:
            RosSamError: The work could not be begun, or was cut short.
        """
        scene = self.scene
        with ExitStack() as stack:
            stack.enter_context(gdal_options())
            with waiting():
                frame = stack.enter_context(scene.open(self.raster))
            target, crs = checked_output(self.output, frame.grid, scene)
            area = None if self.area is None else self._area(self.area, frame)
            crew = scene.crew()
            with waiting():
                stack.enter_context(crew)
                self.facts = facts = crew.facts(scene.model, scene.device)
                layout = Layout.of(self.options, facts.policy, frame.grid, area)
                self.tiles = len(layout)
            job = self._job(target, frame, crew, facts, area)
            journal = self._journal(target, job, frame)
            stack.callback(journal.close)
            self.resumed = self.done = len(journal)
            origin = Origin(frame.grid, frame.source, frame.frame, frame.time, facts.name, facts.weights)
            try:
                todo = (number for number in map(layout.number, layout) if number not in journal)
                self._look(crew.run(job, todo), journal, progress, waiting)
            except BaseException:
                if self.done:
                    self._write(target, crs, layout, origin, journal)
                else:
                    journal.remove()
                raise
            self._write(target, crs, layout, origin, journal)
            journal.remove()

    def _area(self, area: Area, frame: RasterFrame) -> BaseGeometry:
        pixels = area_in_pixels(*area, frame.grid)
        if pixels.is_empty:
            raise AreaInvalid(
                f"the area of interest lies beside {self.raster}; check its CRS, or leave it out"
            )
        return pixels

    def _job(
        self, target: Path, frame: RasterFrame, crew: Crew, facts: ModelFacts, area: BaseGeometry | None
    ) -> TilesJob:
        """Return what is done on each tile."""
        common = self.scene.common(self.raster, frame, crew, facts, staging_path(target))
        return TilesJob(**common, everything=self.options, area=area)

    def _journal(self, target: Path, job: TilesJob, frame: RasterFrame) -> TileJournal:
        """Open the journal of what this work, and no other, gives."""
        assert self.facts is not None
        work = {
            "version of ros-sam": __version__,
            "raster, bands or stretch": frame.fingerprint,
            "model": self.facts.weights,
            "device or library": f"{job.device} {self.facts.library}",
            "number of threads": str(job.threads),
            "shape of polygons": repr(job.options),
            "set of options": repr(self.options),
            "area of interest": "" if job.area is None else job.area.wkb_hex,
        }
        resume = self.scene.resume
        with failures(target, "start"):
            if not resume:
                claim(staging_path(target))
            return TileJournal(staging_path(target), work, resume=resume)

    def _look(
        self,
        found: Iterator[TileFound],
        journal: TileJournal,
        progress: Progress | None,
        waiting: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """Keep what each tile gives."""
        with closing(found):  # type: ignore[type-var]
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
        self, target: Path, crs: CRS | None, layout: Layout, origin: Origin, journal: TileJournal
    ) -> None:
        """Make the output of the journal."""
        found = merged(journal.replay(), layout)
        with _TileWriter.open(target, crs, self.scene, origin.grid, journal) as writer:
            for segment in segments_of(found, origin, crs):
                writer.write([segment])
        self.segments, self.saved = writer.written, writer.published


class _TileWriter(SegmentWriter):
    """Writes the output of a journal, also over one that was made of it before."""

    _journal: TileJournal

    @classmethod
    def open(
        cls, target: Path, crs: CRS | None, scene: SceneOptions, grid: Grid, journal: TileJournal
    ) -> _TileWriter:
        """Open a writer whose staging file lies beside the journal."""
        path = target.with_name(target.name + ".part.out.arrows")
        path.unlink(missing_ok=True)
        kind = format_of(target)
        with failures(target, "start"):
            staging = Staging(path, crs)
        layer = layer_of(target)
        writer = cls(target, kind, layer, staging, overwrite=scene.overwrite, append=False, grid=grid)
        writer._journal = journal
        return writer

    def _may_replace(self, before: tuple[int, int]) -> bool:
        return self._overwrite or before in self._journal.published

    def _before_publishing(self, out: Path) -> None:
        made = stamp(out)
        assert made is not None
        self._journal.note(made)


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
