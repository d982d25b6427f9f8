"""What an engine does, apart from HTTP: everything that it keeps, and the units of work on it."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import rasterio

from ros_sam_core import __version__
from ros_sam_core.engine import API_VERSION
from ros_sam_core.engine.answers import failure_told, segment_told
from ros_sam_core.engine.frames import Entry, FrameStore
from ros_sam_core.engine.glance import crops_ahead, crops_at_hand
from ros_sam_core.engine.jobs import Jobs
from ros_sam_core.engine.masks import KeptMask, MaskStore
from ros_sam_core.engine.models import ModelStore
from ros_sam_core.engine.problems import log_fault
from ros_sam_core.engine.schemas import OptionsGiven, PromptGiven, crs_of
from ros_sam_core.engine.settings import EngineSettings
from ros_sam_core.engine.worker import Urgency, Worker
from ros_sam_core.errors import CrsUnknown, PixelsMissing, PromptError, PromptOutsideRaster, RosSamError
from ros_sam_core.geo.prompts import PixelPrompt, Prompt, to_pixels
from ros_sam_core.geo.remote import gdal_env
from ros_sam_core.geo.segments import Segment
from ros_sam_core.predict.crop import Crop
from ros_sam_core.predict.ground import Origin, PromptFailure, finish, target_crs

if TYPE_CHECKING:
    from ros_sam_core.predict.predictor import Look

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outlined:
    """What came of some prompts.

    Attributes:
        results: One a prompt, in order.
        looks: The mask of each, None where there is none.
        origin: Of all of them.
        encoded: How many crops were encoded for them.
        began: `time.monotonic()` when their work began.
    """

    results: list[Segment | PromptFailure]
    looks: list[Look | None]
    origin: Origin
    encoded: int
    began: float


class Service:
    """An engine's models, frames, masks, jobs and its worker.

    Methods named `do_…` are units of work for the worker's thread; the others may be called from any.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.worker = Worker(gdal_env())
        self.models = ModelStore(settings, self.worker)
        self.frames = FrameStore(settings)
        self.masks = MaskStore(settings.limits.masks)
        self.jobs = Jobs(self.worker)
        self.tasks: set[asyncio.Task[None]] = set()
        self._began = time.monotonic()

    def start(self) -> None:
        """Start the worker, which opens the default model first."""
        self.worker.start()
        loading = self.worker.submit(self.models.get, Urgency.CLICK, self.worker.ticket())
        loading.add_done_callback(_log_failure)

    def close(self, timeout_s: float) -> bool:
        """Cancel everything and say whether the worker ended in time."""
        self.jobs.cancel()
        return self.worker.close(timeout_s)

    def check_target(self, entry: Entry, out_crs: str | None) -> None:
        """Raise RosSamError where a frame's polygons cannot be brought to a CRS."""
        target_crs(Origin(entry.grid, entry.source, entry.frame, entry.time, "", ""), crs_of(out_crs))

    def do_outline(
        self,
        frame_id: str,
        given: Sequence[PromptGiven],
        options: OptionsGiven,
        out_crs: str | None,
        model: str | None,
    ) -> Outlined:
        """Outline prompts."""
        began = time.monotonic()
        segmenter, frame = self.models.get(model), self.frames.get(frame_id)
        origin = segmenter.origin(frame)
        target, shape = target_crs(origin, crs_of(out_crs)), options.options()
        prompts = [_prompt_or_failure(one) for one in given]
        good = [prompt for prompt in prompts if isinstance(prompt, Prompt)]
        before = segmenter.predictor.encoded
        outcomes = iter(segmenter.outline(frame, good))
        results: list[Segment | PromptFailure] = []
        looks: list[Look | None] = []
        for prompt in prompts:
            if isinstance(prompt, PromptFailure):
                results.append(prompt)
                looks.append(None)
                continue
            outcome = next(outcomes)
            results.append(finish(outcome, prompt, origin, shape, target))
            looks.append(None if isinstance(outcome, RosSamError) else outcome)
        return Outlined(results, looks, origin, segmenter.predictor.encoded - before, began)

    def do_preview(
        self,
        frame_id: str,
        prompt: Prompt,
        options: OptionsGiven,
        out_crs: str | None,
        model: str | None,
    ) -> tuple[bool, Segment | None]:
        """Outline what is at a point by what is encoded already.

        Returns:
            Whether anything around the point is encoded, and what was found.
        """
        from ros_sam_core.predict.outline import worth

        segmenter, frame = self.models.get(model), self.frames.get(frame_id)
        try:
            pixels = to_pixels(prompt, frame.grid)
        except PromptOutsideRaster:
            return False, None
        crops = crops_at_hand(segmenter.predictor.encoded_crops(frame), frame.grid, pixels.points[0])
        looks = segmenter.predictor.look(frame, [(crop, pixels) for crop in crops])
        policy = segmenter.predictor.model.config.crop
        best = max(looks, key=lambda look: worth(look, policy, frame.grid), default=None)
        if best is None or best.box is None:
            return best is not None, None
        origin = segmenter.origin(frame)
        result = finish(best, prompt, origin, options.options(), target_crs(origin, crs_of(out_crs)))
        return True, result if isinstance(result, Segment) else None

    def do_plan(
        self,
        frame_id: str,
        point: PixelPrompt | None,
        region: PixelPrompt | None,
        most: int,
        model: str | None,
    ) -> list[Crop]:
        """Return the crops to encode ahead."""
        segmenter, frame = self.models.get(model), self.frames.get(frame_id)
        policy = segmenter.predictor.model.config.crop
        return crops_ahead(
            policy, frame.grid, point.points[0] if point else None, region.box if region else None, most
        )

    def do_warm(self, frame_id: str, crop: Crop, model: str | None) -> None:
        """Encode a crop, unless its pixels are missing."""
        segmenter, frame = self.models.get(model), self.frames.get(frame_id)
        try:
            segmenter.predictor.embed(frame, [crop])
        except PixelsMissing:
            log.debug("not encoded ahead, for want of pixels: %s", crop)

    def reshape(
        self, handle: str, options: OptionsGiven, out_crs: str | None
    ) -> tuple[Segment | PromptFailure, str]:
        """Outline a kept mask anew; returns its handle too.

        Raises:
            MaskUnknown: It is no longer kept.
        """
        mask = self.masks.get(handle)
        target = target_crs(mask.origin, crs_of(out_crs))
        return finish(mask.look, mask.prompt, mask.origin, options.options(), target), handle

    def told(
        self, frame_id: str, outlined: Outlined, given: Sequence[PromptGiven]
    ) -> tuple[list[Any], list[Any]]:
        """Return segments and failures as the API tells them; their masks are kept."""
        segments, failures = [], []
        for result, look, one in zip(outlined.results, outlined.looks, given, strict=True):
            handle = None
            if look is not None:
                handle = self.masks.put(frame_id, KeptMask(look, one.prompt(), outlined.origin))
            if isinstance(result, Segment):
                segments.append(segment_told(result, handle))
            else:
                failures.append(failure_told(result, handle))
        return segments, failures

    def health(self) -> dict[str, Any]:
        """Return how the engine is, without waiting for anything."""
        limits = self.settings.limits
        torch, onnx = sys.modules.get("torch"), sys.modules.get("onnxruntime")
        return {
            "status": "ok",
            "version": __version__,
            "api": API_VERSION,
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - self._began, 3),
            "memory_mb": round(psutil.Process().memory_info().rss / 1e6, 1),
            "model": self.models.told(),
            "queue": len(self.worker),
            "frames": len(self.frames),
            "limits": {
                "body_mb": limits.body_mb,
                "batch_body_mb": limits.batch_body_mb,
                "upload_mb": limits.upload_mb,
                "segment_prompts": limits.segment_prompts,
                "batch_prompts": limits.batch_prompts,
            },
            "sources": self.frames.sources,
            "runtime": {
                "python": platform.python_version(),
                "platform": platform.platform(),
                "torch": getattr(torch, "__version__", None) and str(torch.__version__),  # type: ignore[union-attr]
                "onnxruntime": getattr(onnx, "__version__", None),
                "gdal": rasterio.__gdal_version__,
                "proj": rasterio.__proj_version__,
            },
        }


def _prompt_or_failure(given: PromptGiven) -> Prompt | PromptFailure:
    try:
        return given.prompt()
    except (PromptError, CrsUnknown) as error:
        return PromptFailure(given.id, error)


def _log_failure(loading: Any) -> None:
    error = loading.exception()
    if error is not None:
        log.error("the model cannot be opened: %s", error)
        log_fault(error)
