"""The HTTP application of an engine."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from ros_sam_core import __version__
from ros_sam_core.engine.guard import Guard
from ros_sam_core.engine.problems import problem_of
from ros_sam_core.engine.routes import background, everything, frames, prompts, system
from ros_sam_core.engine.service import Service
from ros_sam_core.errors import MethodRefused, PathUnknown, RequestInvalid, RosSamError

PROBLEMS_SHOWN = 5


def create_app(service: Service, token: str, port: int) -> ASGIApp:
    """Return the guarded application.

    Args:
        service: What it serves.
        token: That every request must carry.
        port: On which it will be addressed.
    """
    app = FastAPI(
        title="ROS-SAM engine",
        version=__version__,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # The guard has checked the token; this only tells the schema of it.
        dependencies=[Depends(HTTPBearer(auto_error=False))],
    )
    handlers = {RosSamError: _ours, RequestValidationError: _unfit, HTTPException: _http, Exception: _ours}
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
    app.state.service = service
    for routes in (frames, prompts, background, everything, system):
        app.include_router(routes.router, prefix="/v1")
    return Guard(app, token, service.settings.hosts(port), service.settings.limits)


def _ours(request: Request, error: Exception) -> JSONResponse:
    problem = problem_of(error)
    return JSONResponse(problem.told, problem.status, problem.headers)


def _unfit(request: Request, error: Any) -> JSONResponse:
    """Say what does not fit the schema, without repeating the input."""
    found = [f"{'.'.join(map(str, one['loc'][1:])) or one['loc'][0]}: {one['msg']}" for one in error.errors()]
    more = f" and {len(found) - PROBLEMS_SHOWN} more" if len(found) > PROBLEMS_SHOWN else ""
    return _ours(request, RequestInvalid("; ".join(found[:PROBLEMS_SHOWN]) + more))


def _http(request: Request, error: Any) -> JSONResponse:
    """Tell what FastAPI refuses by itself in our own form."""
    where = f"{request.method} {request.url.path}"
    if error.status_code == 404:
        return _ours(request, PathUnknown(f"{where}: there is no such address; see /v1/openapi.json"))
    if error.status_code == 405:
        answer = _ours(request, MethodRefused(f"{where}: this address takes another method"))
        answer.headers.update(error.headers or {})
        return answer
    return _ours(request, RequestInvalid(f"{where}: {error.detail}"))
