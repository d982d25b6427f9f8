"""What the routes have in common."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Header, Request
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


def caller_of(request: Request, ros_sam_client: Annotated[str | None, Header(max_length=200)] = None) -> str:
    """Return whose jobs a request is about: what its header says, else the address that it comes from."""
    return ros_sam_client or (request.client.host if request.client else "")


Engine = Annotated[Service, Depends(service_of)]
Client = Annotated[str, Depends(caller_of)]


def answers(model: type[BaseModel], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return the responses of a route, for the schema: one good one, and the problems that any may have."""
    problems: dict[int | str, dict[str, Any]] = {
        code: {"model": ProblemTold, "description": words} for code, words in WORDS.items()
    }
    return {status: {"model": model, "description": "Done."}, **problems}
