"""Bench: where the pieces of a job on a scene are worked on, one at a time, in whichever process."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio
import threadpoolctl
from numpy.typing import NDArray
from pyproj import CRS

from ros_sam_core.geo.journal import Failed
from ros_sam_core.geo.prompt_table import PromptTable
from ros_sam_core.geo.raster import RasterFrame, Stretch
from ros_sam_core.geo.remote import gdal_env
from ros_sam_core.geo.segments import Segment
from ros_sam_core.geo.vectorize import PolygonOptions
from ros_sam_core.model.config import CropPolicy
from ros_sam_core.predict.cache import CacheOptions
from ros_sam_core.predict.groups import GroupSize, size_for
from ros_sam_core.predict.segmenter import PromptFailure, Segmenter

CACHE_MB = 256
"""Embeddings of one piece; GDAL keeps as much of the raster's blocks."""

Group = tuple[NDArray[np.int64], PromptTable]
Results = list[tuple[int, Segment | Failed]]


@dataclass(frozen=True)
class Job(ABC):
    """What is done on a scene, by which model and how. It travels to other processes and machines.

    Attributes:
        raster: Anything that GDAL opens, as segments say where they are from.
        place: The same, found from any folder.
        bands: Three bands, counted from 1.
        stretch: To 8 bit, measured once for all.
        model: Name of a model, or path of a checkpoint.
        device: "cpu", "cuda" or "mps".
        options: How masks become polygons.
        threads: Processor threads that one piece is worked on with. Results depend on them in the last bits.
    """

    raster: str
    place: str
    bands: tuple[int, ...]
    stretch: Stretch
    model: str
    device: str
    options: PolygonOptions
    threads: int

    @abstractmethod
    def work(self, bench: Bench, piece: Any, cancel: Callable[[], bool] | None = None) -> Any:
        """Work on one piece of the whole, whose result depends on nothing else.

        Args:
            bench: Where.
            piece: Of the kind that this job has.
            cancel: Asked now and then whether to stop.

        Raises:
            RosSamError: The raster cannot be read, or the model cannot be opened.
            Cancelled: `cancel` said so.
        """


@dataclass(frozen=True)
class SceneJob(Job):
    """Prompts are outlined; a piece is a group of them with their numbers, in whichever order.

    Attributes:
        out_crs: CRS of the segments; None means the raster's own.
    """

    out_crs: CRS | None

    def work(self, bench: Bench, piece: Group, cancel: Callable[[], bool] | None = None) -> Results:
        """Outline a group of prompts, and remember no embedding of an earlier one; see `Job.work`."""
        numbers, prompts = piece
        with bench.open(self) as (segmenter, frame):
            results = segmenter.iter_segments(
                frame, list(prompts), options=self.options, out_crs=self.out_crs, cancel=cancel
            )
            return [
                (number, _plain(result)) for number, result in zip(numbers.tolist(), results, strict=True)
            ]


@dataclass(frozen=True)
class ModelFacts:
    """What the plan of the work needs of a model.

    Attributes:
        name: For provenance.
        weights: Short sha256 of its weights.
        policy: Its crops.
        size: Groups that suit it.
        library: What computes it; the last bits differ from one to another.
    """

    name: str
    weights: str
    policy: CropPolicy
    size: GroupSize
    library: str


class Bench:
    """A raster and a model, opened when first needed and kept; for one thread at a time."""

    def __init__(self) -> None:
        self._segmenter: tuple[tuple[str, str, int], Segmenter] | None = None
        self._frame: tuple[Job, RasterFrame] | None = None

    def facts(self, model: str, device: str) -> ModelFacts:
        """Open a model and tell what it is like.

        Raises:
            RosSamError: It cannot be opened.
        """
        segmenter = self._model(model, device)
        opened = segmenter.predictor.model
        size = size_for(opened.config.input_px)
        return ModelFacts(segmenter.name, segmenter.weights, opened.config.crop, size, opened.name)

    @contextmanager
    def open(self, job: Job) -> Iterator[tuple[Segmenter, RasterFrame]]:
        """Open a job's model, without embeddings of earlier work, and its raster.

        Raises:
            RosSamError: The raster cannot be read, or the model cannot be opened.
        """
        with gdal_options():
            segmenter, frame = self._model(job.model, job.device, job.threads), self._raster(job)
            segmenter.predictor.cache.clear()
            yield segmenter, frame

    def close(self) -> None:
        """Close the raster."""
        if self._frame is not None:
            self._frame[1].close()
            self._frame = None

    def _model(self, model: str, device: str, threads: int = 0) -> Segmenter:
        if self._segmenter is not None:
            of, kept = self._segmenter
            # torch's threads are the process's; a model of another library is opened with its own.
            if of[:2] == (model, device) and (of[2] == threads or kept.predictor.model.name == "torch"):
                return kept
        cache = CacheOptions(memory_mb=CACHE_MB, disk_mb=0)
        opened = Segmenter.from_pretrained(model, device, cache, threads)
        self._segmenter = (model, device, threads), opened
        return opened

    def _raster(self, job: Job) -> RasterFrame:
        if self._frame is None or self._frame[0] != job:
            self.close()
            frame = RasterFrame.open(job.place, job.bands, job.stretch)
            frame.source = job.raster
            self._frame = job, frame
        return self._frame[1]


def _plain(result: Segment | PromptFailure) -> Segment | Failed:
    if isinstance(result, Segment):
        return result
    return Failed(result.prompt_id, type(result.error).__name__, str(result.error))


def gdal_options() -> rasterio.Env:
    """Return the options under which a scene is read: GDAL keeps no more of a large one than it uses."""
    return gdal_env(GDAL_CACHEMAX=CACHE_MB << 20)


def set_threads(count: int) -> int:
    """Let numpy's products, and torch if it is loaded, compute with so many threads.

    Without this, lanes and workers get in each other's way: products of a crop's size take many times as
    long on threads that wait for a processor.

    Args:
        count: How many; 0 changes nothing.

    Returns:
        How many they were.
    """
    torch = sys.modules.get("torch")
    blas = threadpoolctl.ThreadpoolController().select(user_api="blas")
    before = max((library["num_threads"] for library in blas.info()), default=0)
    if torch is not None:
        before = torch.get_num_threads()
    if count:
        blas.limit(limits=count)
        if torch is not None and count != before:
            torch.set_num_threads(count)
    return before
