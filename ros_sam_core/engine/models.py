"""The models that an engine has open."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ros_sam_core.engine.problems import problem_of
from ros_sam_core.engine.settings import EngineSettings
from ros_sam_core.engine.worker import Worker
from ros_sam_core.errors import SourceRefused

if TYPE_CHECKING:
    from ros_sam_core.predict.segmenter import Segmenter

log = logging.getLogger(__name__)
OPEN_MODELS = 2


class ModelStore:
    """Opens models when they are first asked for and keeps the last few.

    `get` belongs to the worker's thread; the library that computes is first imported there.
    """

    def __init__(self, settings: EngineSettings, worker: Worker) -> None:
        self._settings, self._worker = settings, worker
        self._open: OrderedDict[str, Segmenter] = OrderedDict()
        self._errors: dict[str, dict[str, Any]] = {}
        self._stops: dict[str, Callable[[], None]] = {}
        self._lock = threading.Lock()
        worker.on_interrupt(self._interrupt)

    def name_of(self, model: str | None) -> str:
        """Return the model that a request means.

        Raises:
            SourceRefused: It is a file, and this engine opens none for its clients.
        """
        name = model or self._settings.model
        if self._settings.is_shared and name != self._settings.model:
            from ros_sam_core.model.zoo import ZOO

            if name not in ZOO:
                raise SourceRefused(f"model {name!r}: this engine opens models by name only; see /v1/models")
        return name

    def get(self, model: str | None = None) -> Segmenter:
        """Return a model, opened if need be.

        Raises:
            RosSamError: It cannot be opened.
        """
        name = self.name_of(model)
        with self._lock:
            if name in self._open:
                self._open.move_to_end(name)
                return self._open[name]
        try:
            opened = self._load(name)
        except Exception as error:
            self._errors[name] = problem_of(error).told["error"]
            raise
        with self._lock:
            self._errors.pop(name, None)
            self._open[name] = opened
            if len(self._open) > OPEN_MODELS:
                oldest = next(n for n in self._open if n not in (name, self._settings.model))
                del self._open[oldest], self._stops[oldest]
        return opened

    def _load(self, name: str) -> Segmenter:
        began = time.monotonic()
        from ros_sam_core.predict.cache import CacheOptions
        from ros_sam_core.predict.segmenter import Segmenter

        settings = self._settings
        cache = CacheOptions(settings.cache_mb, settings.disk_cache_mb)
        segmenter = Segmenter.from_pretrained(
            name, settings.device, cache, settings.threads, settings.runtime
        )
        self._stops[name] = segmenter.predictor.model.interruptible(self._worker.check)
        log.info("opened %s (%s) in %.2f s", segmenter.name, segmenter.weights, time.monotonic() - began)
        return segmenter

    def _interrupt(self) -> None:
        """Break off what a model computes, from any thread."""
        for stop in list(self._stops.values()):
            stop()

    def is_open(self, name: str) -> bool:
        """Say whether a model is loaded."""
        return name in self._open

    def told(self) -> dict[str, Any]:
        """Return the state of the default model, as `/v1/health` tells it."""
        name = self._settings.model
        with self._lock:
            opened, error = self._open.get(name), self._errors.get(name)
        return {
            "name": opened.name if opened else name,
            "state": "ready" if opened else "failed" if error else "loading",
            "weights": opened.weights if opened else None,
            "device": self._settings.device,
            "runtime": opened.predictor.model.name if opened else None,
            "error": None if opened else error,
        }
