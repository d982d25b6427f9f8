"""What the engine says of itself, told to the user: in the dock, the message bar and the log."""

from __future__ import annotations

from typing import Any

from qgis.core import Qgis
from qgis.PyQt.QtCore import QObject

from .background import log
from .dock.dock import SegmentDock
from .engine.client import Call
from .engine.engine import Engine, Status
from .i18n import tr
from .settings import store as settings

FOR_EVER = 0
LEVELS = {Status.RESTARTING: Qgis.MessageLevel.Warning, Status.FAILED: Qgis.MessageLevel.Critical}
"""In the log panel; others are informative."""


class EngineNews(QObject):
    """Shows how the engine is, and which models it has.

    Args:
        iface: QGIS's interface.
        engine: that speaks.
        dock: that shows.
    """

    def __init__(self, iface: Any, engine: Engine, dock: SegmentDock, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._iface, self._engine, self._dock = iface, engine, dock
        self._call: Call | None = None
        self._names: list[str] = []
        self._show_models()
        engine.status_changed.connect(self._on_status)
        engine.reachable.connect(self._ask_models)
        engine.models_changed.connect(self._ask_models)
        engine.lost.connect(self._drop_call)

    def close(self) -> None:
        """Listen no longer."""
        self._engine.status_changed.disconnect(self._on_status)
        self._engine.reachable.disconnect(self._ask_models)
        self._engine.models_changed.disconnect(self._ask_models)
        self._engine.lost.disconnect(self._drop_call)
        if self._call is not None:
            self._call.abort()
            self._call = None

    def _on_status(self, status: Status, text: str) -> None:
        self._dock.set_status(status, text)
        self._show_models()
        if text:
            log(f"{status.value}: {text}", LEVELS.get(status, Qgis.MessageLevel.Info))
        if status is Status.RESTARTING:
            warning = tr("The engine has ended and is started again; nothing is lost.")
            self._iface.messageBar().pushMessage("ROS-SAM", warning, Qgis.MessageLevel.Warning, 6)
        elif status is Status.FAILED:
            self._iface.messageBar().pushMessage("ROS-SAM", text, Qgis.MessageLevel.Critical, FOR_EVER)

    def _ask_models(self) -> None:
        if self._engine.client is None:
            return
        if self._call is not None:
            self._call.abort()
        self._call = self._engine.client.get("/v1/models")
        self._call.answered.connect(self._on_models)
        self._call.failed.connect(lambda _: self._drop_call())

    def _on_models(self, answer: dict[str, Any]) -> None:
        self._call = None
        self._names = [one["name"] for one in answer["models"] if one["state"] != "absent"]
        self._show_models()

    def _show_models(self) -> None:
        """Show what there is to choose from, and what is used."""
        own = ""
        if settings.is_remote() and self._engine.client is not None:
            own = str((self._engine.health.get("model") or {}).get("name", ""))
        self._dock.show_models(self._names, settings.model(), own)

    def _drop_call(self) -> None:
        self._call = None
