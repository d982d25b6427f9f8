"""What can go wrong between QGIS and the engine, as values that travel in signals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..i18n import tr
from .texts import text_of

CONNECTION_LOST = "ConnectionLost"
"""No answer came: the engine ended, or the network did. Asking again may help."""
SUPERSEDED = frozenset({"Superseded", "Cancelled"})
"""The caller itself has asked for something else since; nobody needs to be told."""


class EngineError(Exception):
    """Root of what this package raises."""


class EngineNotConfigured(EngineError, LookupError):
    """There is no Python that has the engine."""


class EngineRefused(EngineError, RuntimeError):
    """The engine answered with an error; `failure` says which."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


@dataclass(frozen=True)
class Failure:
    """Why a call was not answered.

    Attributes:
        type: for the program: a name of the engine's API, or `CONNECTION_LOST`.
        message: in the engine's words, for the log.
        status: of HTTP; 0 when no answer came.
        details: what else the engine said.
    """

    type: str
    message: str
    status: int = 0
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What the user reads."""
        return text_of(self.type, self.message)

    @property
    def is_lost(self) -> bool:
        """Whether no answer came at all."""
        return self.type == CONNECTION_LOST

    @property
    def is_ours(self) -> bool:
        """Whether the client itself gave the call up."""
        return self.type in SUPERSEDED

    @classmethod
    def from_answer(cls, status: int, answer: Any) -> Failure:
        """Read an error answer `{"error": {"type", "message", ...}}` of any shape."""
        error = answer.get("error") if isinstance(answer, dict) else None
        if not isinstance(error, dict):
            text = tr("The engine answered HTTP {status} and did not say why.")
            return cls("InternalError", text.format(status=status), status)
        details = {name: value for name, value in error.items() if name not in ("type", "message")}
        message = str(error.get("message", f"HTTP {status}"))
        return cls(str(error.get("type", "InternalError")), message, status, details)
