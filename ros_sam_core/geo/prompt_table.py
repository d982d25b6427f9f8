"""PromptTable: many prompts in little memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS

from ros_sam_core.errors import CrsTransformFailed, PromptError
from ros_sam_core.geo.crs import crs_name
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompts import Prompt, boxes_to_pixels, to_pixels

BLOCK = 4096
"""Boxes that are brought to pixels at once."""


@dataclass(frozen=True, eq=False)
class PromptTable:
    """Prompts of one CRS as arrays; a hundred thousand take a few megabytes.

    Args:
        ids: Text array `[N]`.
        boxes: float64 `[N, 4]`, NaN where a prompt has none.
        points: float64 `[M, 2]`, those of each prompt together.
        labels: int8 `[M]`, 1 or 0.
        ends: int64 `[N]`: where the points of each prompt end.
        crs: Of all of them; None means the raster's own, or its pixels.
    """

    ids: pa.StringArray
    boxes: NDArray[np.float64]
    points: NDArray[np.float64]
    labels: NDArray[np.int8]
    ends: NDArray[np.int64]
    crs: CRS | None

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        crs: CRS | None,
        boxes: ArrayLike | None = None,
        points: ArrayLike = (),
        labels: ArrayLike = (),
        counts: ArrayLike | None = None,
    ) -> PromptTable:
        """Make a table; what is left out is empty, and `counts` says how many points each prompt has."""
        count = len(ids)
        empty = np.full((count, 4), np.nan)
        return cls(
            ids=pa.array(ids, pa.string()),
            boxes=empty if boxes is None else np.asarray(boxes, float).reshape(-1, 4),
            points=np.asarray(points, float).reshape(-1, 2),
            labels=np.asarray(labels, np.int8),
            ends=np.zeros(count, np.int64) if counts is None else np.cumsum(counts, dtype=np.int64),
            crs=crs,
        )

    @classmethod
    def from_prompts(cls, prompts: Sequence[Prompt]) -> PromptTable:
        """Return prompts, which share one CRS, as a table.

        Raises:
            PromptError: They do not share one.
        """
        crs = prompts[0].crs if prompts else None
        for prompt in prompts:
            if prompt.crs is not crs and prompt.crs != crs:
                raise PromptError(
                    f"prompt {prompt.id} is in {crs_name(prompt.crs)} and prompt {prompts[0].id} in "
                    f"{crs_name(crs)}; bring them to one CRS"
                )
        nothing = (np.nan,) * 4
        return cls.of(
            [prompt.id for prompt in prompts],
            crs,
            [nothing if prompt.box is None else prompt.box for prompt in prompts],
            [xy for prompt in prompts for xy in prompt.points],
            [label for prompt in prompts for label in prompt.labels],
            [len(prompt.points) for prompt in prompts],
        )

    def __len__(self) -> int:
        """Return the number of prompts."""
        return len(self.ids)

    def __getitem__(self, number: int) -> Prompt:
        """Return one prompt.

        Raises:
            PromptInvalid: Its numbers make no prompt.
        """
        box = tuple(self.boxes[number].tolist())
        some = slice(int(self.ends[number - 1]) if number else 0, int(self.ends[number]))
        return Prompt(
            id=self.ids[number].as_py(),
            points=tuple(map(tuple, self.points[some].tolist())),
            labels=tuple(self.labels[some].tolist()),
            box=None if np.isnan(box).all() else box,
            crs=self.crs,
        )

    def __iter__(self) -> Iterator[Prompt]:
        """Yield the prompts in their order."""
        return (self[number] for number in range(len(self)))

    def take(self, numbers: NDArray[np.int64]) -> PromptTable:
        """Return some of the prompts, in the order given."""
        starts = np.concatenate([[0], self.ends[:-1]])[numbers]
        counts = self.ends[numbers] - starts
        rows = np.repeat(starts - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(
            counts.sum()
        )
        return PromptTable(
            self.ids.take(pa.array(numbers)),
            self.boxes[numbers],
            self.points[rows],
            self.labels[rows],
            np.cumsum(counts, dtype=np.int64),
            self.crs,
        )

    def digest(self) -> str:
        """Return a hexadecimal digest of all prompts."""
        digest = hashlib.sha256(b"none" if self.crs is None else self.crs.to_wkt().encode())
        for part in (self.boxes, self.points, self.labels, self.ends):
            digest.update(np.ascontiguousarray(part).tobytes())
        for name in self.ids:
            digest.update(name.as_py().encode() + b"\0")
        return digest.hexdigest()

    def pixel_extents(self, grid: Grid) -> NDArray[np.float64]:
        """Return the bounds in pixels of each prompt's box and of its points on the object.

        Returns:
            float64 `[N, 4]`; NaN where a prompt does not come to the grid.
        """
        extents = np.full((len(self), 4), np.nan)
        boxed = np.flatnonzero(np.isfinite(self.boxes).all(axis=1))
        for start in range(0, len(boxed), BLOCK):
            some = boxed[start : start + BLOCK]
            extents[some] = self._boxes(some, grid)
        starts = np.concatenate([[0], self.ends[:-1]])
        for number in np.flatnonzero(self.ends > starts).tolist():
            try:
                prompt = to_pixels(self[number], grid)
            except PromptError:
                extents[number] = np.nan
                continue
            xy = np.array([xy for xy, on in zip(prompt.points, prompt.labels, strict=True) if on])
            parts = [xy.reshape(-1, 2), np.reshape(prompt.box or (), (-1, 2))]
            both = np.concatenate(parts)
            extents[number] = [*both.min(axis=0), *both.max(axis=0)]
        return extents

    def _boxes(self, numbers: NDArray[np.int64], grid: Grid) -> NDArray[np.float64]:
        """Return boxes in pixels; one by one where they do not come there together."""
        try:
            return boxes_to_pixels(self.boxes[numbers], self.crs, grid)
        except CrsTransformFailed:
            if len(numbers) == 1:
                return np.full((1, 4), np.nan)
        return np.concatenate([self._boxes(numbers[i : i + 1], grid) for i in range(len(numbers))])
