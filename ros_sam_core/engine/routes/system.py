"""The engine itself: how it is, and the models that it knows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from ros_sam_core.engine.jobs import Job
from ros_sam_core.engine.problems import log_fault, problem_of
from ros_sam_core.engine.routes.background import NDJSON, STREAM
from ros_sam_core.engine.routes.common import Client, Engine, answers
from ros_sam_core.engine.schemas import HealthTold, ModelsTold
from ros_sam_core.engine.service import Service
from ros_sam_core.engine.waiting import begun, client_of
from ros_sam_core.model.opening import has_torch
from ros_sam_core.model.zoo import ZOO, download, entry_of

router = APIRouter()
REPORT_S = 0.2


@router.get("/health", responses=answers(HealthTold))
async def health(engine: Engine) -> Any:
    """Tell how the engine is, at once."""
    return JSONResponse(engine.health())


@router.get("/models", responses=answers(ModelsTold))
def models(engine: Engine) -> Any:
    """List the models that have a name."""
    default, torch = engine.settings.model, has_torch()
    return JSONResponse(
        {
            "models": [
                {
                    "name": entry.name,
                    "title": entry.summary,
                    "state": _state(entry.bundled, entry.path.is_file()),
                    "size_mb": float(entry.size_mb),
                    "licence": entry.licence,
                    "address": entry.url,
                    "hash": entry.known_hash,
                    "runs": entry.bundled or torch,
                    "loaded": engine.models.is_open(entry.name),
                    "default": entry.name == default,
                }
                for entry in ZOO.values()
            ]
        }
    )


def _state(bundled: bool, present: bool) -> str:
    if not present:
        return "absent"
    return "bundled" if bundled else "installed"


@router.post("/models/{name}/download", responses=STREAM)
async def download_model(
    name: Annotated[str, Path(max_length=200)], http: Request, engine: Engine, client: Client
) -> Any:
    """Fetch a model's weights; the answer is a stream of lines."""
    entry_of(name)
    job = engine.jobs.begin("download", f"download-{name}", client)
    return StreamingResponse(_lines(name, http, engine, job), media_type=NDJSON)


async def _lines(name: str, http: Request, engine: Service, job: Job) -> AsyncIterator[str]:
    """Yield how far a download is; the last line says how it ended."""

    def progress(done: int, total: int) -> None:
        job.done, job.total = done, total

    def cancelled() -> bool:
        return job.ticket.reason is not None

    try:
        with engine.jobs.running(job):
            async with client_of(http, job.ticket):
                with begun(run_in_threadpool(download, name, progress, cancelled)) as fetching:
                    while not (await asyncio.wait({fetching}, timeout=REPORT_S))[0]:
                        yield _line("progress", job)
                    fetching.result()
        yield _line("end", job)
    except Exception as error:  # noqa: BLE001 - the stream has begun: its last line is the only place left
        log_fault(error)
        yield _line("error", job, error=problem_of(error).told["error"])


def _line(event: str, job: Job, **more: Any) -> str:
    return json.dumps({"event": event, "done": job.done, "total": job.total, **more}) + "\n"
