"""`ros-sam segment`: a raster and prompts in, polygons in a file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ros_sam_core.cli.interrupts import Interrupts
from ros_sam_core.cli.report import ExitCode, Report
from ros_sam_core.cli.request import SegmentRequest
from ros_sam_core.geo.journal import Failed

if TYPE_CHECKING:
    from ros_sam_core.predict.scene import SceneRun


def run_segment(request: SegmentRequest, report: Report) -> None:
    """Outline what the prompts show, and write each outline as soon as it is finished.

    Args:
        request: What to do.
        report: Where to tell how it went.

    Raises:
        RosSamError: The work could not be begun, or was cut short; the report's exit code says which.
        KeyboardInterrupt: Ctrl-C; what was finished is in the file.
    """
    began = time.monotonic()
    with Interrupts() as interrupts:
        with interrupts.allowed():
            from ros_sam_core.predict.scene import SceneRun

            run = SceneRun(request.raster, request.prompts(), request.output, request.scene_options())
        try:
            with report.progress("outlining", unit="objects") as progress:
                run.run(progress, lambda failed: report.warn(message_of(failed)), interrupts.allowed)
        finally:
            _tell(run, report, time.monotonic() - began)
    report.done(f"{run.segments} outlines in {request.output}")


def message_of(failed: Failed) -> str:
    """Return why a prompt failed, with its name."""
    name = f"prompt {failed.prompt_id}"
    return failed.message if failed.message.startswith(name) else f"{name}: {failed.message}"


def _tell(run: SceneRun, report: Report, seconds: float) -> None:
    """Tell how far the work has come."""
    left = run.not_done()
    if run.resumed:
        report.note(f"went on after {run.resumed} of {len(run.prompts)} prompts")
    if run.saved and (run.failed or left):
        report.exit_code = ExitCode.SOME_FAILED
    if run.done and left:
        where = f"are in {run.output}" if run.saved else "are kept"
        report.warn(
            f"cut short: {run.segments} of {len(run.prompts)} outlines {where}; "
            "the same command with --resume goes on"
        )
    facts = run.facts
    failed = [
        {"prompt_id": one.prompt_id, "error": one.error, "message": message_of(one)} for one in run.failed
    ]
    report.put(
        output=str(run.output) if run.saved else None,
        segments=run.segments,
        failed=failed,
        not_done=left,
        resumed=run.resumed,
        model=facts.name if facts and run.segments else None,
        weights=facts.weights if facts and run.segments else None,
        seconds=round(seconds, 3),
    )
