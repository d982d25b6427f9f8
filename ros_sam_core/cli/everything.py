"""`ros-sam everything`: a raster in, polygons of its objects in a file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ros_sam_core.cli.interrupts import Interrupts
from ros_sam_core.cli.report import ExitCode, Report
from ros_sam_core.cli.request import EverythingRequest

if TYPE_CHECKING:
    from ros_sam_core.predict.everything.scene import EverythingRun


def run_everything(request: EverythingRequest, report: Report) -> None:
    """Find the objects of a raster and write them to a file.

    Args:
        request: What to do.
        report: Where to tell how it went.

    Raises:
        RosSamError: The work could not be begun, or was cut short; the report's exit code says which.
        KeyboardInterrupt: Ctrl-C; the objects of the tiles that were done are in the file.
    """
    began = time.monotonic()
    with Interrupts() as interrupts:
        with interrupts.allowed():
            from ros_sam_core.predict.everything.scene import EverythingRun

            run = EverythingRun(
                request.raster,
                request.output,
                request.scene_options(),
                request.options(),
                request.area_of_interest(),
            )
        try:
            with report.progress("searching", unit="tiles") as progress:
                run.run(progress, interrupts.allowed)
        finally:
            _tell(run, report, time.monotonic() - began)
    report.done(f"{run.segments} objects in {request.output}")


def _tell(run: EverythingRun, report: Report, seconds: float) -> None:
    """Tell how far the work has come."""
    left = run.tiles - run.done
    if run.resumed:
        report.note(f"went on after {run.resumed} of {run.tiles} tiles")
    if run.done and left:
        report.exit_code = ExitCode.SOME_FAILED
        where = f"are in {run.output}" if run.saved else "are kept"
        report.warn(
            f"cut short: {run.segments} objects of {run.done} of {run.tiles} tiles {where}; "
            "the same command with --resume goes on"
        )
    facts = run.facts
    report.put(
        output=str(run.output) if run.saved else None,
        segments=run.segments,
        tiles=run.tiles,
        tiles_not_done=left,
        resumed=run.resumed,
        model=facts.name if facts else None,
        weights=facts.weights if facts else None,
        seconds=round(seconds, 3),
    )
