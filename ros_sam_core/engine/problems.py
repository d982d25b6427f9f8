"""Errors as the API tells them: a status, a type for the program, a message for the user."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from ros_sam_core import errors
from ros_sam_core.errors import RosSamError

log = logging.getLogger(__name__)

STATUS: dict[type[RosSamError], int] = {
    errors.TokenInvalid: 401,
    errors.HostRefused: 403,
    errors.OriginRefused: 403,
    errors.SourceRefused: 403,
    errors.FrameUnknown: 404,
    errors.MaskUnknown: 404,
    errors.JobUnknown: 404,
    errors.ModelUnknown: 404,
    errors.ModelNotDownloaded: 404,
    errors.RasterNotFound: 404,
    errors.PathUnknown: 404,
    errors.MethodRefused: 405,
    errors.Cancelled: 409,
    errors.Superseded: 409,
    errors.PixelsMissing: 409,
    errors.RequestTooLarge: 413,
    errors.EngineBusy: 429,
}
"""Every other error of ours is 422."""


def log_fault(error: BaseException) -> None:
    """Log the traceback of an error that is our own fault."""
    if not isinstance(error, RosSamError):
        log.error("our own fault: %r", error, exc_info=error)


@dataclass(frozen=True)
class Problem:
    """An error, ready to be sent.

    Attributes:
        status: HTTP status.
        told: The body.
        headers: Beside the usual ones.
    """

    status: int
    told: dict[str, Any]
    headers: dict[str, str]


def problem_of(error: BaseException) -> Problem:
    """Return how an error is told; one that is not ours is our own fault."""
    if not isinstance(error, RosSamError):
        message = f"the engine failed unexpectedly ({type(error).__name__}); its log says more"
        return Problem(500, {"error": {"type": "InternalError", "message": message}}, {})
    told: dict[str, Any] = {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, errors.PixelsMissing):
        told["window"] = list(error.window)
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 422)
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}}.get(status, {})
    return Problem(status, {"error": told}, headers)
