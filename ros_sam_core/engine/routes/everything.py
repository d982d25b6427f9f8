"""The objects of a frame, with no prompts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from ros_sam_core.engine.answers import crs_text, segment_told
from ros_sam_core.engine.everything import Search
from ros_sam_core.engine.jobs import Job
from ros_sam_core.engine.problems import log_fault, problem_of
from ros_sam_core.engine.routes.background import NDJSON, QUIET_S, STREAM, line
from ros_sam_core.engine.routes.common import Client, Engine
from ros_sam_core.engine.schemas import EverythingRequest, crs_of
from ros_sam_core.engine.service import Service
from ros_sam_core.engine.waiting import begun, client_of, result_of
from ros_sam_core.engine.worker import Urgency

router = APIRouter()
REPORT_EVERY = 16
"""Units after which a client hears that work goes on."""
Result = TypeVar("Result")


@router.post("/everything", responses=STREAM)
async def everything(request: EverythingRequest, http: Request, engine: Engine, client: Client) -> Any:
    """Find the objects of a frame; the answer is a stream of lines."""
    engine.check_target(engine.frames.find(request.frame), request.out_crs)
    engine.models.name_of(request.model)
    search = Search(engine, request)
    job = engine.jobs.begin("everything", request.job, client, 0)
    return StreamingResponse(_lines(request, search, http, engine, job), media_type=NDJSON)


async def _lines(
    request: EverythingRequest, search: Search, http: Request, engine: Service, job: Job
) -> AsyncIterator[str]:
    """Yield the lines of a search; its last one says how it ended."""
    try:
        with engine.jobs.running(job):
            async with client_of(http, job.ticket):
                await _unit(search.do_begin, engine, job)
                job.total = search.total
                yield line("progress", job)
                units = 0
                while True:
                    with begun(_unit(search.do_step, engine, job)) as doing:
                        while not (await asyncio.wait({doing}, timeout=QUIET_S))[0]:
                            yield line("progress", job)
                        segments = doing.result()
                    if segments is None:
                        break
                    units += 1
                    if search.done > job.done or units % REPORT_EVERY == 0:
                        job.done = search.done
                        yield line("progress", job)
                    for segment in segments:
                        yield line("segment", job, segment=segment_told(segment, None))
        crs = crs_of(request.out_crs) if request.out_crs else engine.frames.find(request.frame).grid.crs
        yield line("end", job, found=search.found, crs=crs_text(crs))
    except Exception as error:  # noqa: BLE001 - the stream has begun: its last line is the only place left
        log_fault(error)
        yield line("error", job, error=problem_of(error).told["error"])


async def _unit(work: Callable[[], Result], engine: Service, job: Job) -> Result:
    """Have a unit done when nothing more urgent waits."""
    return await result_of(engine.worker.submit(work, Urgency.BATCH, job.ticket))
