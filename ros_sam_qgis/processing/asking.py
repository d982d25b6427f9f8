"""The engine's side of outlining on a layer: the image is registered, prompts are asked, pixels are sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..engine.blocking import BlockingEngine
from ..engine.errors import EngineRefused, Failure
from ..i18n import tr
from ..session.prompts import Prompts
from ..sources.file_source import FileSource
from ..sources.native import percentiles, read_window
from ..sources.source import Window, grown

MOST_POINTS = 256
"""Points of one object that the engine takes."""
BATCH = 2000
"""Prompts of one call where the engine reads the image itself: a body has a limit."""
CHUNK = 64
"""Prompts of one call where pixels have to be sent."""
MARGIN_PX = 512
UPLOAD_PX = 2048
"""Side of the windows in which a whole image is sent."""
UPLOADS = 200
"""Windows sent for one call, after which it is given up."""


@dataclass
class Request:
    """One object to be outlined: its id, what points at it, and its class."""

    id: str
    prompts: Prompts
    class_name: str = ""


class Registered:
    """A raster that an engine knows.

    Args:
        engine: that answers.
        source: the raster.
        options: of the outlines, as the engine takes them.
        model: name or file.
    """

    def __init__(
        self, engine: BlockingEngine, source: FileSource, options: dict[str, Any], model: str
    ) -> None:
        self._engine, self._source = engine, source
        self._question = {"frame": self._register(), "options": options, "model": model}

    def _register(self) -> str:
        """Register the image: by name, else by its grid, its pixels to be sent."""
        for _ in range(3):
            if self._source.uploads and self._source.needs_stretch:
                self._source.set_stretch(percentiles(self._source.path, self._source.bands))
            try:
                answer = self._engine.post("/v1/frames", self._source.registration())
            except EngineRefused as error:
                if not self._source.refuse(error.failure.type):
                    raise
                continue
            if self._source.accept(answer):
                return str(answer["frame_id"])
        raise _refusal(tr("The engine does not take this image."))

    def _lines(self, path: str, question: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the lines of a stream, which must come to its end."""
        for line in self._engine.stream(path, {**self._question, **question}):
            if line.get("event") == "error":
                raise EngineRefused(Failure.from_answer(200, line))
            if line.get("event") == "end":
                return
            yield line
        raise _refusal(tr("The engine ended before all objects were outlined."))

    def _send(self, window: Window, margin_px: int = MARGIN_PX) -> None:
        """Send the pixels of a window, and a margin."""
        wider = grown(window, self._source.facts.grid, margin_px)
        pixels = read_window(self._source.path, self._source.bands, wider)
        self._engine.put(f"/v1/frames/{self._question['frame']}/pixels?{pixels.query()}", pixels.data)


class Asker(Registered):
    """Asks an engine about prompts on one raster."""

    def answers(self, requests: list[Request], crs: str | None) -> Iterator[tuple[Request, dict[str, Any]]]:
        """Yield each request with `{"segment": ...}` or `{"failure": ...}`, in order.

        Args:
            requests: objects, in coordinates of `crs`.
            crs: as WKT; None is the image's own.

        Raises:
            EngineRefused: the engine failed, or its answer was cut off.
            EngineCancelled: as the user wished.
        """
        bodies = [{**one.prompts.body(one.id, self._source.flipped), "crs": crs} for one in requests]
        by_id = {one.id: one for one in requests}
        answers = self._sending(bodies) if self._source.uploads else self._streamed(bodies)
        for answer in answers:
            yield by_id[_id_of(answer)], answer

    def _streamed(self, bodies: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(bodies), BATCH):
            for line in self._lines("/v1/batch", {"prompts": bodies[start : start + BATCH]}):
                if line["event"] in ("segment", "failure"):
                    yield {line["event"]: line[line["event"]]}

    def _sending(self, bodies: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(bodies), CHUNK):
            yield from self._ask({**self._question, "prompts": bodies[start : start + CHUNK]})

    def _ask(self, question: dict[str, Any]) -> list[dict[str, Any]]:
        """Ask for some objects, and send the pixels that the engine misses."""
        for _ in range(UPLOADS):
            try:
                answer = self._engine.post("/v1/segment", question)
            except EngineRefused as error:
                if error.failure.type != "PixelsMissing":
                    raise
                x0, y0, width, height = (int(value) for value in error.failure.details["window"])
                self._send((x0, y0, width, height))
                continue
            found = [{"segment": one} for one in answer["segments"]]
            return found + [{"failure": one} for one in answer["failures"]]
        raise _refusal(tr("The engine asks for more pixels than it can hold."))


class Searcher(Registered):
    """Has an engine search one raster for objects."""

    def found(self, question: dict[str, Any]) -> Iterator[tuple[int, int, dict[str, Any] | None]]:
        """Yield tiles done, tiles in all, and each object as it is found.

        Pixels that the engine cannot read itself are sent first, all of them.

        Args:
            question: what is searched for, and where.

        Raises:
            EngineRefused: the engine failed, or its answer was cut off.
            EngineCancelled: as the user wished.
        """
        grid = self._source.facts.grid
        if self._source.uploads:
            for top in range(0, grid.height, UPLOAD_PX):
                for left in range(0, grid.width, UPLOAD_PX):
                    size = min(UPLOAD_PX, grid.width - left), min(UPLOAD_PX, grid.height - top)
                    self._send((left, top, *size), 0)
        for line in self._lines("/v1/everything", question):
            yield line["done"], line["total"], line.get("segment")


def _refusal(text: str) -> EngineRefused:
    return EngineRefused(Failure("InternalError", text))


def _id_of(answer: dict[str, Any]) -> str:
    segment = answer.get("segment")
    if segment is not None:
        return str(segment["properties"]["prompt_id"])
    return str(answer["failure"]["prompt_id"])
