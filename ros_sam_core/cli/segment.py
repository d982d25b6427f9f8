"""`ros-sam segment`: a raster and prompts in, polygons in a file."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import rasterio

from ros_sam_core.cli.given import parse_bands
from ros_sam_core.cli.interrupts import Interrupts
from ros_sam_core.cli.report import ExitCode, Report
from ros_sam_core.cli.request import SegmentRequest
from ros_sam_core.errors import NothingSegmented, OutputUnsupported
from ros_sam_core.geo.crs import crs_name, parse_crs
from ros_sam_core.geo.raster import RasterFrame
from ros_sam_core.geo.segments import Segment
from ros_sam_core.geo.staging import staging_path
from ros_sam_core.geo.writers import open_writer

if TYPE_CHECKING:
    from ros_sam_core.predict.segmenter import PromptFailure


@dataclass
class Outcome:
    """How far the work has come.

    Attributes:
        waiting: Ids of the prompts that are neither outlined nor failed.
        written: How many polygons are in the file.
        failed: The prompts that failed, and why.
        model: Name of the model.
        weights: Short hash of its weights.
    """

    waiting: dict[str, None] = field(default_factory=dict)
    written: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)
    model: str | None = None
    weights: str | None = None

    def add(self, segment: Segment) -> None:
        """Count a polygon that has been written."""
        self.waiting.pop(segment.prompt_id, None)
        self.written += 1
        self.model, self.weights = segment.model, segment.weights

    def fail(self, failure: PromptFailure) -> str:
        """Count a prompt that failed, and say why."""
        name, message = f"prompt {failure.prompt_id}", str(failure.error)
        message = message if message.startswith(name) else f"{name}: {message}"
        self.waiting.pop(failure.prompt_id, None)
        self.failed.append(
            {"prompt_id": failure.prompt_id, "error": type(failure.error).__name__, "message": message}
        )
        return message


def run_segment(request: SegmentRequest, report: Report) -> Outcome:
    """Outline what the prompts show, and write each outline as soon as it is finished.

    Args:
        request: What to do.
        report: Where to tell how it went.

    Returns:
        How far it came.

    Raises:
        RosSamError: The work could not be begun, or was cut short; the report's exit code says which.
        KeyboardInterrupt: Ctrl-C; what was finished is in the file.
    """
    began = time.monotonic()
    outcome = Outcome()
    bands = parse_bands(request.bands)
    try:
        with rasterio.Env(), RasterFrame.open(request.raster, bands, request.stretch) as frame:
            _outline(request, frame, outcome, report)
    finally:
        saved = outcome.written > 0 and not staging_path(request.output).exists()
        if saved and (outcome.failed or outcome.waiting):
            report.exit_code = ExitCode.SOME_FAILED
            if outcome.waiting:
                total = outcome.written + len(outcome.failed) + len(outcome.waiting)
                report.warn(f"cut short: {outcome.written} of {total} outlines are in {request.output}")
        report.put(
            output=str(request.output) if saved else None,
            segments=outcome.written,
            failed=outcome.failed,
            not_done=list(outcome.waiting),
            model=outcome.model,
            weights=outcome.weights,
            seconds=round(time.monotonic() - began, 3),
        )
    report.done(f"{outcome.written} outlines in {request.output}")
    return outcome


def _outline(request: SegmentRequest, frame: RasterFrame, outcome: Outcome, report: Report) -> None:
    """Do the work of `run_segment` on an open raster."""
    prompts, polygons = request.prompts(), request.polygon_options()
    outcome.waiting = {prompt.id: None for prompt in prompts}
    out_crs = frame.grid.crs if request.out_crs is None else parse_crs(request.out_crs)
    with (
        Interrupts() as interrupts,
        open_writer(request.output, out_crs, overwrite=request.overwrite, grid=frame.grid) as writer,
        report.progress("outlining") as progress,
    ):
        if request.out_crs is not None and writer.crs != out_crs:
            raise OutputUnsupported(
                f"{request.output} is always in {crs_name(writer.crs)}, not in {crs_name(out_crs)}; "
                "leave --out-crs out, or choose .gpkg"
            )
        with interrupts.allowed():
            from ros_sam_core.predict.segmenter import Segmenter

            segmenter = Segmenter.from_pretrained(request.model, device=request.device)
        results = segmenter.iter_segments(frame, prompts, options=polygons, out_crs=writer.crs)
        progress(0, len(prompts))
        while True:
            with interrupts.allowed():
                result = next(results, None)
            if result is None:
                break
            if isinstance(result, Segment):
                writer.write([result])
                outcome.add(result)
            else:
                report.warn(outcome.fail(result))
            progress(len(prompts) - len(outcome.waiting), len(prompts))
        if not outcome.written:
            raise NothingSegmented(f"none of the {len(prompts)} prompts gave an outline; nothing is written")
