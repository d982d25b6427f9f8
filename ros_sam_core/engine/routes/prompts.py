"""Prompts to polygons: the click, its preview, its reshaping, and what is done ahead of it."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from ros_sam_core.engine.answers import crs_text, failure_told, segment_told
from ros_sam_core.engine.routes.common import Client, Engine, answers
from ros_sam_core.engine.schemas import (
    PreviewRequest,
    PreviewTold,
    ReshapeRequest,
    ReshapeTold,
    SegmentRequest,
    SegmentsTold,
    crs_of,
)
from ros_sam_core.engine.service import Outlined, Service
from ros_sam_core.engine.waiting import client_of, result_of
from ros_sam_core.engine.worker import Urgency
from ros_sam_core.errors import MaskUnknown, RequestInvalid, Superseded
from ros_sam_core.geo.prompts import Prompt
from ros_sam_core.geo.segments import Segment

router = APIRouter()


@router.post("/segment", responses=answers(SegmentsTold))
async def segment_prompts(request: SegmentRequest, http: Request, engine: Engine, client: Client) -> Any:
    """Outline what prompts point at, before everything else."""
    most = engine.settings.limits.segment_prompts
    if len(request.prompts) > most:
        raise RequestInvalid(f"{len(request.prompts)} prompts; at most {most} here, use /v1/batch for more")
    asked = time.monotonic()
    outlined = await _outline(request, http, engine, client)
    segments, failures = engine.told(request.frame, outlined, request.prompts)
    return JSONResponse(
        {
            "crs": _crs_of_answer(outlined, request.out_crs),
            "segments": segments,
            "failures": failures,
            "timing": {
                "waited_ms": round(1000 * (outlined.began - asked), 3),
                "worked_ms": round(1000 * (time.monotonic() - outlined.began), 3),
                "encoded": outlined.encoded,
            },
        }
    )


async def _outline(request: SegmentRequest, http: Request, engine: Service, client: str) -> Outlined:
    """Have prompts outlined as a click."""
    engine.check_target(engine.frames.find(request.frame), request.out_crs)
    model = engine.models.name_of(request.model)
    click = Superseded("a click took the place of this preview")
    engine.jobs.cancel(kind="preview", client=client, reason=click)
    job = engine.jobs.begin("segment", request.job, client, len(request.prompts))

    def work() -> Outlined:
        return engine.do_outline(request.frame, request.prompts, request.options, request.out_crs, model)

    with engine.jobs.running(job):
        async with client_of(http, job.ticket):
            outlined = await result_of(engine.worker.submit(work, Urgency.CLICK, job.ticket))
    job.done = job.total
    return outlined


@router.post("/reshape", responses=answers(ReshapeTold))
async def reshape_mask(request: ReshapeRequest, http: Request, engine: Engine, client: Client) -> Any:
    """Outline the object at hand with other options, from its kept mask."""
    try:
        result, handle = await run_in_threadpool(
            engine.reshape, request.mask, request.options, request.out_crs
        )
    except MaskUnknown:
        if request.frame is None or request.prompt is None:
            raise
        again = SegmentRequest(
            frame=request.frame,
            prompts=[request.prompt],
            options=request.options,
            out_crs=request.out_crs,
            model=request.model,
        )
        outlined = await _outline(again, http, engine, client)
        segments, failures = engine.told(request.frame, outlined, again.prompts)
        return JSONResponse(
            {
                "crs": _crs_of_answer(outlined, request.out_crs),
                "segment": next(iter(segments), None),
                "failure": next(iter(failures), None),
                "redone": True,
            }
        )
    segment = failure = None
    if isinstance(result, Segment):
        segment = segment_told(result, handle)
    else:
        failure = failure_told(result, handle)
    crs = crs_text(result.crs) if isinstance(result, Segment) else None
    return JSONResponse({"crs": crs, "segment": segment, "failure": failure, "redone": False})


@router.post("/preview", responses=answers(PreviewTold))
async def preview_point(request: PreviewRequest, http: Request, engine: Engine, client: Client) -> Any:
    """Outline what is under the cursor, if what that takes is encoded already."""
    engine.check_target(engine.frames.find(request.frame), request.out_crs)
    model = engine.models.name_of(request.model)
    prompt = Prompt("preview", (request.point,), crs=crs_of(request.crs))
    newer = Superseded("a newer preview took the place of this one")
    engine.jobs.cancel(kind="preview", client=client, reason=newer)
    job = engine.jobs.begin("preview", None, client)

    def work() -> tuple[bool, Segment | None]:
        return engine.do_preview(request.frame, prompt, request.options, request.out_crs, model)

    with engine.jobs.running(job):
        async with client_of(http, job.ticket):
            ready, found = await result_of(engine.worker.submit(work, Urgency.PREVIEW, job.ticket))
    return JSONResponse(
        {
            "ready": ready,
            "crs": crs_text(found.crs) if found else None,
            "segment": segment_told(found, None) if found else None,
        }
    )


def _crs_of_answer(outlined: Outlined, out_crs: str | None) -> str | None:
    return crs_text(crs_of(out_crs) if out_crs else outlined.origin.grid.crs)
