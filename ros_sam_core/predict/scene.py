"""A scene of any size and any number of prompts: constant memory, output on disk at once, resumable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import CRS

from ros_sam_core import __version__
from ros_sam_core.errors import InvalidParameter, LibraryMissing, NothingSegmented, OutputUnsupported
from ros_sam_core.geo.crs import crs_name, parse_map_crs
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.journal import Failed
from ros_sam_core.geo.prompt_table import PromptTable
from ros_sam_core.geo.prompts import Prompt
from ros_sam_core.geo.raster import Percentiles, RasterFrame, Stretch
from ros_sam_core.geo.record_log import work_of
from ros_sam_core.geo.resume import ResumableWriter, check_resumable, open_resumable
from ros_sam_core.geo.staging import staging_path
from ros_sam_core.geo.vectorize import PolygonOptions
from ros_sam_core.geo.writers import crs_in
from ros_sam_core.predict.bench import Group, ModelFacts, Results, SceneJob, gdal_options
from ros_sam_core.predict.crew import Crew, Here, aside
from ros_sam_core.predict.groups import Groups, group_prompts

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SceneOptions:
    """How a scene is outlined.

    Attributes:
        model: Name of a model, or path of a checkpoint.
        device: "cpu", "cuda" or "mps".
        bands: One or three bands, counted from 1; by default red, green and blue.
        stretch: To 8 bit; a text is parsed.
        polygons: How masks become polygons.
        out_crs: CRS of the result; the raster's own by default, or the format's.
        workers: Start so many processes; by default this one works, on all its processors.
        cluster: Address of the scheduler of a Dask cluster to work on instead.
        threads: Processor threads for one group of prompts: by default one for a small model, all that there
            are for a worker for a large one. The result depends on it in the last bits, and on nothing else
            of how the work is spread.
        overwrite: Replace an output that is there.
        resume: Go on where an earlier run was cut short, if one was.

    Raises:
        InvalidParameter: A number is out of range, or both workers and a cluster are asked for.
    """

    model: str = "ros-sam-tiny"
    device: str = "cpu"
    bands: tuple[int, ...] | None = None
    stretch: Stretch | Percentiles | str | None = None
    polygons: PolygonOptions = field(default_factory=PolygonOptions)
    out_crs: Any = None
    workers: int | None = None
    cluster: str | None = None
    threads: int | None = None
    overwrite: bool = False
    resume: bool = False

    def __post_init__(self) -> None:
        if self.workers is not None and self.cluster is not None:
            raise InvalidParameter(f"workers={self.workers} and cluster={self.cluster!r}: give one of them")
        for name in ("workers", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidParameter(f"{name}={value}: give 1 or more")

    def open(self, raster: str) -> RasterFrame:
        """Open a raster; an interrupt need not wait until a server answers.

        Raises:
            RosSamError: It cannot be opened.
        """

        def opened() -> RasterFrame:
            with gdal_options():
                return RasterFrame.open(raster, self.bands, self.stretch)

        return aside(opened)

    def crew(self) -> Crew:
        """Return who works.

        Raises:
            LibraryMissing: Workers are asked for and Dask is not installed.
        """
        if self.workers is None and self.cluster is None:
            return Here()
        try:
            from ros_sam_core.predict.dask_crew import DaskCrew
        except ImportError as error:
            raise LibraryMissing(
                f"workers need Dask ({error}); install it: pip install 'ros-sam[distribution]'"
            ) from error
        return DaskCrew(self.workers, self.cluster)

    def common(
        self, raster: str, frame: RasterFrame, crew: Crew, facts: ModelFacts, staging: Path
    ) -> dict[str, Any]:
        """Return what every `Job` says of the work.

        Args:
            raster: As asked for.
            frame: The same, opened.
            crew: Who works.
            facts: Of the model.
            staging: Where an earlier run has kept its results; what it depended on is gone on with.
        """
        before = work_of(staging).get("number of threads") if self.resume else None
        local = os.path.exists(raster)
        return {
            "raster": raster,
            "place": os.path.abspath(raster) if local else raster,
            "bands": frame.bands,
            "stretch": frame.stretch,
            "model": os.path.abspath(self.model) if os.path.exists(self.model) else self.model,
            "device": self.device,
            "options": self.polygons,
            "threads": self.threads or (int(before) if before else crew.threads(facts)),
        }


def segment_scene(
    raster: str | os.PathLike[str],
    prompts: Sequence[Prompt] | PromptTable,
    output: str | os.PathLike[str],
    options: SceneOptions | None = None,
    progress: Progress | None = None,
) -> SceneRun:
    """Outline what prompts show on a scene of any size, and write it to a file as it is found.

    Memory does not grow with the scene. However the work is cut short, by an error, Ctrl-C or a kill, what
    was finished is kept, and the same call with `resume` gives in the end what one unbroken run gives.

    Args:
        raster: Anything that GDAL opens.
        prompts: Boxes and clicks in one CRS.
        output: Its suffix chooses the format, see `geo.writers`.
        options: How.
        progress: Called with the number of prompts done and their total.

    Returns:
        How it went.

    Raises:
        RosSamError: The work could not be begun, or was cut short.
    """
    table = prompts if isinstance(prompts, PromptTable) else PromptTable.from_prompts(prompts)
    run = SceneRun(os.fspath(raster), table, Path(output), options or SceneOptions())
    run.run(progress)
    return run


def checked_output(output: Path, grid: Grid, options: SceneOptions) -> tuple[Path, CRS | None]:
    """Return where an output will be and its CRS, once it is known that it can be written.

    Args:
        output: As asked for.
        grid: Of the raster.
        options: Of the scene.

    Raises:
        RosSamError: It cannot be written, or not in the CRS asked for.
    """
    wanted = grid.crs if options.out_crs is None else parse_map_crs(options.out_crs)
    target, kind = check_resumable(
        output, wanted, grid=grid, overwrite=options.overwrite, resume=options.resume
    )
    has = crs_in(kind, wanted, grid)
    if options.out_crs is not None and has != wanted:
        raise OutputUnsupported(
            f"{output} is always in {crs_name(has)}, not in {crs_name(wanted)}; "
            "leave --out-crs out, or choose .gpkg"
        )
    return target, has


class SceneRun:
    """The work of `segment_scene`, with what is known of it at any time.

    Args:
        raster: Anything that GDAL opens.
        prompts: All of them.
        output: The file to write.
        options: How.

    Attributes:
        failed: Prompts that gave no outline, earlier runs' too.
        resumed: How many prompts an earlier run had done.
        facts: Of the model, once it is open.
    """

    def __init__(self, raster: str, prompts: PromptTable, output: Path, options: SceneOptions) -> None:
        self.raster, self.prompts, self.output, self.options = raster, prompts, output, options
        self.failed: list[Failed] = []
        self.resumed = 0
        self.facts: ModelFacts | None = None
        self._writer: ResumableWriter | None = None

    @property
    def segments(self) -> int:
        """How many outlines there are."""
        return 0 if self._writer is None else self._writer.written

    @property
    def done(self) -> int:
        """How many prompts are outlined or have failed."""
        return 0 if self._writer is None else int(self._writer.journal.done.sum())

    @property
    def saved(self) -> bool:
        """Whether the output holds the outlines."""
        return self._writer is not None and self.segments > 0 and self._writer.published

    def not_done(self) -> list[str]:
        """Return the ids of the prompts that are neither outlined nor failed."""
        if self._writer is None:
            return [name.as_py() for name in self.prompts.ids]
        return [self.prompts.ids[i].as_py() for i in np.flatnonzero(~self._writer.journal.done).tolist()]

    def run(
        self,
        progress: Progress | None = None,
        on_failure: Callable[[Failed], None] | None = None,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Do the work.

        Args:
            progress: Called with the number of prompts done and their total.
            on_failure: Called with each prompt that gives no outline.
            waiting: Entered while there is nothing that an interrupt could tear.

        Raises:
            RosSamError: The work could not be begun, or was cut short.
        """
        options, total = self.options, len(self.prompts)
        with ExitStack() as stack:
            stack.enter_context(gdal_options())
            with waiting():
                frame = stack.enter_context(options.open(self.raster))
            self._check(frame)
            crew = options.crew()
            with waiting():
                stack.enter_context(crew)
                self.facts = crew.facts(options.model, options.device)
                job = self._job(frame, crew, self.facts)
                plan = group_prompts(self.prompts, frame.grid, self.facts.policy, self.facts.size)
            writer = stack.enter_context(self._open(job, frame))
            self.failed, self.resumed = list(writer.journal.failed.values()), self.done
            results = crew.run(job, self._todo(plan))
            stack.callback(results.close)  # type: ignore[attr-defined]
            if progress is not None:
                progress(self.done, total)
            while True:
                with waiting():
                    some = next(results, None)
                if some is None:
                    break
                self._keep(writer, some, on_failure)
                if progress is not None:
                    progress(self.done, total)
            if not writer.written:
                raise NothingSegmented(f"none of the {total} prompts gave an outline; nothing is written")

    def _check(self, frame: RasterFrame) -> None:
        """Refuse what cannot be written, before anything slow is begun."""
        target, self._crs = checked_output(self.output, frame.grid, self.options)
        self._staging = staging_path(target)

    def _job(self, frame: RasterFrame, crew: Crew, facts: ModelFacts) -> SceneJob:
        common = self.options.common(self.raster, frame, crew, facts, self._staging)
        return SceneJob(**common, out_crs=self._crs)

    def _open(self, job: SceneJob, frame: RasterFrame) -> ResumableWriter:
        """Open the writer of what this work, and no other, gives."""
        assert self.facts is not None
        work = {
            "version of ros-sam": __version__,
            "raster, bands or stretch": frame.fingerprint,
            "set of prompts": self.prompts.digest(),
            "model": self.facts.weights,
            "device or library": f"{job.device} {self.facts.library}",
            "number of threads": str(job.threads),
            "shape of polygons": repr(job.options),
        }
        writer = open_resumable(
            self.output,
            self._crs,
            work,
            len(self.prompts),
            grid=frame.grid,
            overwrite=self.options.overwrite,
            resume=self.options.resume,
        )
        self._writer = writer
        return writer

    def _todo(self, plan: Groups) -> Iterator[Group]:
        """Yield the groups that are not done; a group is written whole, so any of its prompts tells."""
        assert self._writer is not None
        done = self._writer.journal.done.copy()
        return ((numbers, self.prompts.take(numbers)) for numbers in plan if not done[numbers[0]])

    def _keep(
        self, writer: ResumableWriter, results: Results, on_failure: Callable[[Failed], None] | None
    ) -> None:
        writer.add(results)
        for _, result in results:
            if isinstance(result, Failed):
                self.failed.append(result)
                if on_failure is not None:
                    on_failure(result)
