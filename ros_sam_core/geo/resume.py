"""Writers whose work can be interrupted in any way and gone on with."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pyproj import CRS

from ros_sam_core.errors import OutputExists
from ros_sam_core.geo.formats import Format, layer_of
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.journal import Failed, Journal
from ros_sam_core.geo.publish import failures, stamp, what_is_at
from ros_sam_core.geo.record_log import claim
from ros_sam_core.geo.segments import Segment
from ros_sam_core.geo.staging import staging_path
from ros_sam_core.geo.writers import OutputWriter, check_target, crs_in


def check_resumable(
    path: str | os.PathLike[str],
    crs: CRS | None,
    *,
    grid: Grid | None = None,
    overwrite: bool = False,
    resume: bool = False,
) -> tuple[Path, Format]:
    """Do what `open_resumable` refuses early, before anything slow is begun.

    Returns:
        Where the output will be, and its format.

    Raises:
        RosSamError: As `open_resumable`.
    """
    target, kind = check_target(path, crs, grid=grid)
    staging = staging_path(target)
    if staging.exists() and not (overwrite or resume):
        raise OutputExists(
            f"{staging} exists: a run that wrote {target.name} is at work or was cut short, and left what it "
            "had finished; give --resume to go on with it, or --overwrite to begin anew"
        )
    there = what_is_at(target)
    begun = resume and staging.exists()
    if there and not (overwrite or (begun and there == target)):
        finished = " and nothing of it is left to resume" if resume and not begun else ""
        raise OutputExists(f"{there} exists{finished}; choose another name, or overwrite it (--overwrite)")
    return target, kind


def open_resumable(
    path: str | os.PathLike[str],
    crs: CRS | None,
    work: Mapping[str, str],
    count: int,
    *,
    grid: Grid | None = None,
    overwrite: bool = False,
    resume: bool = False,
) -> ResumableWriter:
    """Open a writer of numbered results; the suffix decides the format, see `writers.open_writer`.

    Args:
        path: The output. Its folder must exist.
        crs: Of the output, unless the format has its own.
        work: What the results depend on, by name.
        count: How many prompts there are.
        grid: Of the image, which COCO needs.
        overwrite: Replace a file that is there.
        resume: Go on where an earlier run of the same work was cut short, if one was.

    Raises:
        ResumeRefused: What is there is of other work.
        OutputExists: The output is there, or another run is writing it.
        RosSamError: As `writers.open_writer`.
    """
    target, kind = check_resumable(path, crs, grid=grid, overwrite=overwrite, resume=resume)
    staging = staging_path(target)
    with failures(target, "start"):
        if not resume:
            claim(staging)
        journal = Journal(staging, crs_in(kind, crs, grid), work, count, resume=resume)
    before = stamp(target)
    if before and not (overwrite or before in journal.published):
        journal.close()
        raise OutputExists(
            f"{target} was changed since the run that made it was cut short; give --overwrite too, to "
            "replace it, or move it away"
        )
    layer = layer_of(target)
    return ResumableWriter(target, kind, layer, journal, overwrite=overwrite, append=False, grid=grid)


class ResumableWriter(OutputWriter):
    """Writes numbered results to one file; made by `open_resumable`, best used with ``with``.

    When it is closed or left by an error before every prompt has its result, the output is made of what there
    is, and the journal stays, so that a later run goes on.
    """

    _staging: Journal

    @property
    def journal(self) -> Journal:
        """Which prompts are done, and which of them failed."""
        return self._staging

    @property
    def complete(self) -> bool:
        """Whether every prompt has its result."""
        return bool(self.journal.done.all())

    def add(self, results: Sequence[tuple[int, Segment | Failed]]) -> None:
        """Add the results of prompts by their numbers; when this returns, they outlive the process.

        Raises:
            OutputFailed: The disk is full or gone; earlier results are kept.
            CrsTransformFailed: A segment cannot be brought to the CRS of the output.
        """
        self._warn_of_long_texts([result for _, result in results if isinstance(result, Segment)])
        with failures(self.path, f"add to the {self.written} segments of"):
            self._staging.add(results)

    def _has_output(self) -> bool:
        return bool(self.written)

    def _leave(self) -> None:
        useful = self.written or not self.complete
        if useful and self.journal.done.any():
            self._staging.close()
        else:
            self._staging.remove()

    def _settle(self) -> None:
        if self.complete:
            self._staging.remove()
        else:
            self._leave()

    def _may_replace(self, before: tuple[int, int]) -> bool:
        return self._overwrite or before in self.journal.published

    def _before_publishing(self, out: Path) -> None:
        made = stamp(out)
        assert made is not None
        self.journal.note(made)
