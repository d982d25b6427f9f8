"""Groups of prompts: the unit of work on a scene, fixed by the prompts and the model alone.

Prompts are put in the order of a Hilbert curve over the scene, so that each stretch of ground is read while
its neighbours are, and cut into groups. Prompts that a model looks at in the same crop are in one group,
where its encode is shared. Batches never reach over a group's end; so a group gives the same numbers to the
last bit whoever works on it, in whichever order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import geopandas
import numpy as np
from numpy.typing import NDArray

from ros_sam_core.errors import InvalidParameter
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompt_table import PromptTable
from ros_sam_core.model.config import CropPolicy
from ros_sam_core.predict.crop import Crop, crop_around, crops_for_click

CURVE_LEVEL = 16
"""The Hilbert curve tells 2 ** 16 places apart along each axis."""


@dataclass(frozen=True)
class GroupSize:
    """How large a group becomes.

    Attributes:
        prompts: A group is full with this many.
        crops: Or when these are seen in this many crops.
        most: Prompts in one crop are cut at this many, so that no group takes long.

    Raises:
        InvalidParameter: A number is less than 1.
    """

    prompts: int = 32
    crops: int = 32
    most: int = 128

    def __post_init__(self) -> None:
        if min(self.prompts, self.crops, self.most) < 1:
            raise InvalidParameter(f"{self}: a group holds 1 prompt or more")


def size_for(input_px: int) -> GroupSize:
    """Return groups of some seconds' work: a large model spends them on a single crop."""
    return GroupSize() if input_px < 512 else GroupSize(crops=1, most=1024)


@dataclass(frozen=True)
class Groups:
    """Prompts in the order of work, cut into groups.

    Attributes:
        order: Numbers of the prompts, int64 `[N]`.
        ends: Where each group ends in it, int64 `[G]`.
    """

    order: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.ends)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        """Yield the numbers of the prompts of each group."""
        return iter(np.split(self.order, self.ends[:-1]) if len(self.ends) else [])


def group_prompts(prompts: PromptTable, grid: Grid, policy: CropPolicy, size: GroupSize) -> Groups:
    """Put prompts in the order of work and cut them into groups.

    Args:
        prompts: All of them; those that do not come to the grid are put last.
        grid: Of the scene.
        policy: The model's crops.
        size: Of the groups.
    """
    extents = prompts.pixel_extents(grid)
    placed = np.atleast_1d(np.isfinite(extents).all(axis=1))
    pointed = np.atleast_1d(np.isnan(prompts.boxes).any(axis=1))
    crops = np.full((len(prompts), 3), np.iinfo(np.int64).max)
    for number in np.flatnonzero(placed).tolist():
        crop = _crop(extents[number], bool(pointed[number]), policy, grid)
        crops[number] = crop.x0, crop.y0, crop.side
    along = _along_a_curve(crops, placed, grid)
    order = np.lexsort((np.arange(len(prompts)), *crops.T, along))
    return Groups(order, _cut(crops[order], size))


def _crop(extent: NDArray[np.float64], pointed: bool, policy: CropPolicy, grid: Grid) -> Crop:
    """Return the crop in which a prompt is looked at first."""
    x0, y0, x1, y1 = extent.tolist()
    if pointed and policy.kind == "scaled":
        return crops_for_click(((x0 + x1) / 2, (y0 + y1) / 2), policy, grid)[0]
    return crop_around((x0, y0, x1, y1), policy, grid)


def _along_a_curve(crops: NDArray[np.int64], placed: NDArray[np.bool_], grid: Grid) -> NDArray[np.int64]:
    """Return how far along a Hilbert curve over the scene the centre of each crop lies."""
    along = np.full(len(crops), np.iinfo(np.int64).max)
    if placed.any():
        x, y = (crops[placed, :2] + crops[placed, 2:] / 2).clip(0, grid.size).T
        whole = (0, 0, max(grid.size), max(grid.size))
        points = geopandas.GeoSeries.from_xy(x, y)
        along[placed] = points.hilbert_distance(total_bounds=whole, level=CURVE_LEVEL).to_numpy()
    return along


def _cut(crops: NDArray[np.int64], size: GroupSize) -> NDArray[np.int64]:
    """Return where groups end among prompts in their order."""
    changes = np.concatenate([[True], (crops[1:] != crops[:-1]).any(axis=1)]) if len(crops) else np.zeros(0)
    ends, start, seen = [], 0, 0
    for i, changed in enumerate(changes.tolist()):
        full = changed and (i - start >= size.prompts or seen >= size.crops)
        if i > start and (full or i - start >= size.most):
            ends.append(i)
            start, seen = i, 0
        seen += changed or i == start
    return np.array([*ends, len(crops)] if len(crops) else [], np.int64)
