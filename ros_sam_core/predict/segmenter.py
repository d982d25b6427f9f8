"""Segmenter: a frame and prompts in, segments out."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from ros_sam_core.errors import (
    Cancelled,
    NothingFound,
    PromptError,
    PromptInvalid,
    PromptOnNodata,
    RosSamError,
)
from ros_sam_core.geo.prompts import PixelPrompt, Prompt, to_pixels
from ros_sam_core.geo.raster import Frame, RasterFrame
from ros_sam_core.geo.remote import gdal_env
from ros_sam_core.geo.segments import Segment, segments_to_geodataframe
from ros_sam_core.geo.vectorize import PolygonOptions
from ros_sam_core.model.backend import Backend
from ros_sam_core.model.opening import Runtime, open_model
from ros_sam_core.predict.cache import CacheOptions, EmbeddingCache
from ros_sam_core.predict.crop import longer_side
from ros_sam_core.predict.ground import Origin, finish, target_crs
from ros_sam_core.predict.ground import PromptFailure as PromptFailure
from ros_sam_core.predict.outline import outline
from ros_sam_core.predict.predictor import Look, Predictor

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

CHUNK = 16
"""Prompts that are read, encoded and decoded together."""
NODATA_SAMPLE = 256
"""A box is searched for data at this many rows and columns at most."""
LARGEST_BOX = 4
"""A box may be this many times as long as the frame; a larger one shows nothing."""


class Segmenter:
    """Outlines objects on georeferenced frames from boxes and clicks.

    Args:
        model: The open model.
        name: Its name, for provenance.
        weights: Short sha256 of its weights.
        cache: How embeddings are kept between clicks.
    """

    def __init__(self, model: Backend, name: str, weights: str, cache: CacheOptions | None = None) -> None:
        self.name, self.weights = name, weights
        self.predictor = Predictor(model, weights, EmbeddingCache(cache or CacheOptions()))

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str] = "ros-sam-tiny",
        device: str = "cpu",
        cache: CacheOptions | None = None,
        threads: int = 0,
        runtime: Runtime = "auto",
    ) -> Segmenter:
        """Open a model by name or path.

        Args:
            model: A name of `ros_sam_core.model.zoo`, or the path of a checkpoint or of an export's folder.
            device: "cpu", "cuda" or "mps".
            cache: How embeddings are kept between clicks.
            threads: Processor threads that compute; 0 leaves it to the library.
            runtime: "torch", "onnx", or "auto": ONNX Runtime where the model has graphs and the device is
                the CPU.

        Raises:
            DeviceUnavailable: There is no such device here.
            LibraryMissing: The library that the model needs is not installed.
            RosSamError: The weights are not there, or cannot be read.
        """
        opened = open_model(model, device, threads, runtime)
        return cls(opened.backend, opened.name, opened.weights, cache)

    def segment(
        self,
        frame: Frame | str | os.PathLike[str],
        prompts: Sequence[Prompt],
        *,
        options: PolygonOptions | None = None,
        out_crs: Any = None,
        progress: Callable[[int, int], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> GeoDataFrame:
        """Outline what each prompt points at.

        Args:
            frame: A frame, or the path of a raster.
            prompts: Boxes and clicks.
            options: How masks become polygons.
            out_crs: CRS of the result; the frame's own by default.
            progress: Called with the number of prompts done and their total.
            cancel: Asked between prompts whether to stop.

        Returns:
            One row a prompt that gave a polygon, with the columns of `Segment`. `attrs["failures"]` lists
            `(prompt_id, message)` of those that gave none.

        Raises:
            RosSamError: The frame cannot be read, or `out_crs` cannot be reached from the frame's CRS.
            Cancelled: `cancel` said so.
        """
        if isinstance(frame, str | os.PathLike):
            with gdal_env(), RasterFrame.open(frame) as opened:
                return self.segment(
                    opened, prompts, options=options, out_crs=out_crs, progress=progress, cancel=cancel
                )
        segments, failures = [], []
        for result in self.iter_segments(
            frame, prompts, options=options, out_crs=out_crs, progress=progress, cancel=cancel
        ):
            if isinstance(result, Segment):
                segments.append(result)
            else:
                failures.append((result.prompt_id, str(result.error)))
        table = segments_to_geodataframe(segments, target_crs(self.origin(frame), out_crs))
        table.attrs["failures"] = failures
        return table

    def iter_segments(
        self,
        frame: Frame,
        prompts: Sequence[Prompt],
        *,
        options: PolygonOptions | None = None,
        out_crs: Any = None,
        progress: Callable[[int, int], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> Iterator[Segment | PromptFailure]:
        """Yield the segment or the failure of each prompt, in order; see `segment`."""
        origin = self.origin(frame)
        target = target_crs(origin, out_crs)
        shape = options or PolygonOptions()
        remaining, done = iter(prompts), 0
        while chunk := list(islice(remaining, CHUNK)):
            if cancel is not None and cancel():
                raise Cancelled(f"stopped after {done} of {len(prompts)} prompts, as asked")
            for prompt, outcome in zip(chunk, self.outline(frame, chunk), strict=True):
                yield finish(outcome, prompt, origin, shape, target)
                done += 1
                if progress is not None:
                    progress(done, len(prompts))

    def outline(self, frame: Frame, prompts: Sequence[Prompt]) -> list[Look | RosSamError]:
        """Return the mask that each prompt points at, as logits in its crop, or why there is none."""
        outcomes: list[Look | RosSamError] = []
        pixels: dict[int, PixelPrompt] = {}
        for index, prompt in enumerate(prompts):
            outcomes.append(
                NothingFound(f"prompt {prompt.id}: no object was found; add a click, or draw a box")
            )
            try:
                pixels[index] = require_data(frame, to_pixels(prompt, frame.grid))
            except PromptError as error:
                outcomes[index] = error
        for index, look in zip(pixels, outline(self.predictor, frame, list(pixels.values())), strict=True):
            if look.box is not None:
                outcomes[index] = look
        return outcomes

    def origin(self, frame: Frame) -> Origin:
        """Return what segments of a frame say of where they come from."""
        return Origin(frame.grid, frame.source, frame.frame, frame.time, self.name, self.weights)


def require_data(frame: Frame, prompt: PixelPrompt) -> PixelPrompt:
    """Return the prompt if there are pixels to look at where it points.

    Raises:
        PromptInvalid: The box is far larger than the frame.
        PromptOnNodata: A positive point lies in nodata, or all of the box does.
    """
    if prompt.box is not None and longer_side(prompt.box) > LARGEST_BOX * max(frame.grid.size):
        raise PromptInvalid(
            f"prompt {prompt.id}: the box is {longer_side(prompt.box):.3g} px long and the raster "
            f"{max(frame.grid.size)}; draw it around one object"
        )
    for (x, y), sign in zip(prompt.points, prompt.labels, strict=True):
        if sign and not frame.read(int(x), int(y), 1, 1)[1].any():
            raise PromptOnNodata(
                f"prompt {prompt.id}: the point at column {x:.1f}, row {y:.1f} lies in nodata; "
                "click on the image"
            )
    if prompt.box is not None:
        x0, y0 = (math.floor(v) for v in prompt.box[:2])
        x1, y1 = (math.ceil(v) for v in prompt.box[2:])
        shape = (min(y1 - y0, NODATA_SAMPLE), min(x1 - x0, NODATA_SAMPLE))
        if not frame.read(x0, y0, x1 - x0, y1 - y0, shape)[1].any():
            raise PromptOnNodata(f"prompt {prompt.id}: all of the box lies in nodata; draw it on the image")
    return prompt
