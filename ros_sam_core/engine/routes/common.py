"""What the routes have in common."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel

from ros_sam_core.engine.schemas import ProblemTold
from ros_sam_core.engine.service import Service

WORDS = {
    401: "The token is missing or wrong.",
    403: "Refused.",
    404: "Unknown.",
    409: "Cancelled, superseded, or pixels are missing.",
    413: "Too large.",
    422: "The request does not fit, or the work cannot be done.",
    429: "Busy.",
}


def service_of(request: Request) -> Service:
    """Return the engine that a request is for."""
    service: Service = request.app.state.service
    return service


Engine = Annotated[Service, Depends(service_of)]


def answers(model: type[BaseModel], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return the responses of a route, for the schema: one good one, and the problems that any may have."""
    problems: dict[int | str, dict[str, Any]] = {
        code: {"model": ProblemTold, "description": words} for code, words in WORDS.items()
    }
    return {status: {"model": model, "description": "Done."}, **problems}
