"""Work that takes its time: encoding ahead, thousands of prompts, and the jobs that all of it is."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, StreamingResponse

from ros_sam_core.engine.answers import crs_text, failure_told, segment_told
from ros_sam_core.engine.jobs import Job
from ros_sam_core.engine.problems import log_fault, problem_of
from ros_sam_core.engine.routes.common import Client, Engine, answers
from ros_sam_core.engine.schemas import (
    CancelRequest,
    CancelTold,
    JobTold,
    PromptGiven,
    SegmentRequest,
    WarmRequest,
    WarmTold,
    crs_of,
)
from ros_sam_core.engine.service import Outlined, Service
from ros_sam_core.engine.waiting import begun, client_of, result_of
from ros_sam_core.engine.worker import Urgency
from ros_sam_core.errors import PromptOutsideRaster, RequestInvalid, RosSamError, Superseded
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import PixelPrompt, Prompt, to_pixels
from ros_sam_core.geo.segments import Segment
from ros_sam_core.predict.crop import Crop

log = logging.getLogger(__name__)
router = APIRouter()
NDJSON = "application/x-ndjson"
STREAM: dict[int | str, dict[str, Any]] = {
    **answers(JobTold),
    200: {"description": "Lines of JSON.", "content": {NDJSON: {"schema": {"type": "string"}}}},
}
UNIT = 4
"""Prompts of a batch that are outlined together; between units more urgent work is done."""
QUIET_S = 5.0
"""A batch's client hears something at least this often."""


@router.post("/warm", status_code=202, responses=answers(WarmTold, 202))
async def warm(request: WarmRequest, engine: Engine, client: Client) -> Any:
    """Begin to encode what is likely to be needed."""
    if request.point is None and request.region is None:
        raise RequestInvalid("point and region are both missing; one says where to encode ahead")
    grid = engine.frames.find(request.frame).grid
    model, crs = engine.models.name_of(request.model), crs_of(request.crs)
    point = region = None
    if request.point is not None:
        point = _inside(Prompt("point", (request.point,), crs=crs), grid)
    if request.region is not None:
        region = _inside(Prompt("region", box=request.region, crs=crs), grid)
    newer = Superseded("a newer place to warm took the place of this one")
    engine.jobs.cancel(kind="warm", client=client, reason=newer)
    job = engine.jobs.begin("warm", request.job, client)

    def plan() -> list[Crop]:
        return engine.do_plan(request.frame, point, region, request.max_crops, model)

    if point is None and region is None:
        crops: list[Crop] = []
    else:
        with engine.jobs.preparing(job):
            crops = await result_of(engine.worker.submit(plan, Urgency.PREVIEW, job.ticket))
    job.total = len(crops)
    task = asyncio.create_task(_encode(engine, job, request.frame, crops, model))
    engine.tasks.add(task)
    task.add_done_callback(engine.tasks.discard)
    return JSONResponse({"job": job.name, "total": job.total}, 202)


async def _encode(engine: Service, job: Job, frame_id: str, crops: list[Crop], model: str) -> None:
    try:
        with engine.jobs.running(job):
            for crop in crops:
                await result_of(
                    engine.worker.submit(
                        lambda crop=crop: engine.do_warm(frame_id, crop, model),  # type: ignore[misc]
                        Urgency.WARM,
                        job.ticket,
                    )
                )
                job.done += 1
    except RosSamError as error:
        if job.state == "failed":
            log.warning("warming failed: %s", error)


@router.post("/batch", responses=STREAM)
async def batch(request: SegmentRequest, http: Request, engine: Engine, client: Client) -> Any:
    """Outline many prompts; the answer is a stream of lines."""
    most = engine.settings.limits.batch_prompts
    if len(request.prompts) > most:
        raise RequestInvalid(f"{len(request.prompts)} prompts; at most {most} at once, send several batches")
    engine.check_target(engine.frames.find(request.frame), request.out_crs)
    engine.models.name_of(request.model)
    job = engine.jobs.begin("batch", request.job, client, len(request.prompts))
    return StreamingResponse(_lines(request, http, engine, job), media_type=NDJSON)


async def _lines(request: SegmentRequest, http: Request, engine: Service, job: Job) -> AsyncIterator[str]:
    """Yield the lines of a batch; its last one says how it ended."""
    failed, crs = 0, None
    try:
        with engine.jobs.running(job):
            async with client_of(http, job.ticket):
                for start in range(0, job.total, UNIT):
                    prompts = request.prompts[start : start + UNIT]
                    outlined = None
                    async for outlined in _units(request, prompts, engine, job):
                        if outlined is None:
                            yield line("wait", job)
                    assert outlined is not None
                    crs = crs_text(crs_of(request.out_crs) if request.out_crs else outlined.origin.grid.crs)
                    for result in outlined.results:
                        job.done += 1
                        if isinstance(result, Segment):
                            yield line("segment", job, segment=segment_told(result, None))
                        else:
                            failed += 1
                            yield line("failure", job, failure=failure_told(result))
        yield line("end", job, failed=failed, crs=crs)
    except Exception as error:  # noqa: BLE001 - the stream has begun: its last line is the only place left
        log_fault(error)
        yield line("error", job, error=problem_of(error).told["error"])


async def _units(
    request: SegmentRequest, prompts: list[PromptGiven], engine: Service, job: Job
) -> AsyncIterator[Outlined | None]:
    """Yield None as long as some prompts take, now and then, and what came of them at the end."""

    def work() -> Outlined:
        return engine.do_outline(request.frame, prompts, request.options, request.out_crs, request.model)

    with begun(result_of(engine.worker.submit(work, Urgency.BATCH, job.ticket))) as waiting:
        while not (await asyncio.wait({waiting}, timeout=QUIET_S))[0]:
            yield None
        yield waiting.result()


def line(event: str, job: Job, **more: Any) -> str:
    """Return a line of a stream."""
    return json.dumps({"event": event, "done": job.done, "total": job.total, **more}) + "\n"


def _inside(prompt: Prompt, grid: Grid) -> PixelPrompt | None:
    """Return a prompt in pixels, None where it lies beside the image."""
    try:
        return to_pixels(prompt, grid)
    except PromptOutsideRaster:
        return None


@router.post("/cancel", responses=answers(CancelTold))
async def cancel(request: CancelRequest, engine: Engine, client: Client) -> Any:
    """Cancel a job of the client by its name, or all of its jobs."""
    return JSONResponse({"cancelled": engine.jobs.cancel(request.job, client=client)})


@router.get("/jobs/{job}", responses=answers(JobTold))
async def job_state(job: Annotated[str, Path(max_length=200)], engine: Engine, client: Client) -> Any:
    """Tell how far a job of the client is."""
    return JSONResponse(engine.jobs.find(job, client).told())
