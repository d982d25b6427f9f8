"""Prompts: what the user points at, on the map or in pixels, and the way from one to the other."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS

from ros_sam_core.errors import CrsTransformFailed, PromptCrsMismatch, PromptInvalid, PromptOutsideRaster
from ros_sam_core.geo.crs import crs_name, full_turn, parse_crs, transform_xy
from ros_sam_core.geo.grid import Grid

Point = tuple[float, float]
Box = tuple[float, float, float, float]

OUTLINE_STEPS = 84
"""Points around a box that follow it through a change of CRS; a multiple of 4."""


@dataclass(frozen=True)
class PixelPrompt:
    """A prompt in the continuous pixel coordinates of one grid.

    Args:
        id: names the prompt in results and messages.
        points: x, y of each click.
        labels: 1 for a click on the object, 0 for one beside it; left out, all are 1.
        box: xmin, ymin, xmax, ymax. Corners may come in any order and are put in this one. A box may be one
            pixel or less, but not nothing.

    Raises:
        PromptInvalid: if there is neither point nor box, only negative points, a number that is not finite, a
            label other than 0 and 1, or a box without width or height.
    """

    id: str
    points: tuple[Point, ...] = ()
    labels: tuple[int, ...] = ()
    box: Box | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", str(self.id))
        points = tuple((float(x), float(y)) for x, y in self.points)
        labels = tuple(int(label) for label in self.labels) if len(self.labels) else (1,) * len(points)
        box = None if self.box is None else _ordered(self.box)
        for name, value in (("points", points), ("labels", labels), ("box", box)):
            object.__setattr__(self, name, value)
        wrong = _what_is_wrong(points, labels, box)
        if wrong:
            raise PromptInvalid(f"prompt {self.id}: {wrong}")

    @property
    def kind(self) -> str:
        """One of box, point, points, box+points."""
        clicks = {0: "", 1: "point"}.get(len(self.points), "points")
        if self.box is None:
            return clicks
        return "box+points" if clicks else "box"

    @property
    def coordinates(self) -> str:
        """The coordinates as text: ``xmin ymin xmax ymax``, and ``x y label`` of each point, after ``;``."""
        parts = [] if self.box is None else [_text(self.box)]
        parts += [f"{_text(xy)} {label}" for xy, label in zip(self.points, self.labels, strict=True)]
        return "; ".join(parts)


@dataclass(frozen=True)
class Prompt(PixelPrompt):
    """A prompt in map coordinates, always x (east, longitude) before y.

    Args:
        id: names the prompt in results and messages.
        points: x, y of each click.
        labels: 1 for a click on the object, 0 for one beside it; left out, all are 1.
        box: xmin, ymin, xmax, ymax, sides along the axes of `crs`; corners in any order.
        crs: of the coordinates; None means the raster's own, or its pixels where it has no georeference.

    Raises:
        PromptInvalid: if the numbers make no prompt, see `PixelPrompt`.
        CrsUnknown: if pyproj does not know the CRS.
    """

    crs: CRS | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "crs", None if self.crs is None else parse_crs(self.crs))


def to_pixels(prompt: Prompt, grid: Grid) -> PixelPrompt:
    """Return a prompt in the pixels of a grid.

    A box that is turned on its way, by a rotated grid or another CRS, becomes the bounds, in pixels, of the
    ellipse that touches its sides. Those of its corners would hold much beside the object, for no object
    fills the corners at every angle. It may reach beyond the raster. Longitudes that differ by full turns
    are the same.

    Raises:
        PromptCrsMismatch: if the prompt has a CRS and the grid has none, or one cannot become the other.
        PromptOutsideRaster: if a point or all of the box lies beside the raster.
    """
    try:
        points = _points_to_grid(np.array(prompt.points).reshape(-1, 2), prompt.crs, grid)
        box = None if prompt.box is None else boxes_to_pixels([prompt.box], prompt.crs, grid)[0]
    except CrsTransformFailed as error:
        raise PromptCrsMismatch(f"prompt {prompt.id}: {error}") from error
    if box is not None and not (box[2] > 0 and box[3] > 0 and box[0] < grid.width and box[1] < grid.height):
        what = f"box {_text(prompt.box or ())}"
        raise PromptOutsideRaster(_beside(prompt, what, (box[:2] + box[2:]) / 2, grid))
    outside = ~grid.contains_pixels(points)
    if outside.any():
        first = int(np.argmax(outside))
        what = f"point {_text(prompt.points[first])}"
        raise PromptOutsideRaster(_beside(prompt, what, points[first], grid))
    placed = None if box is None else tuple(box.tolist())
    return PixelPrompt(prompt.id, tuple(map(tuple, points.tolist())), prompt.labels, placed)


def boxes_to_pixels(boxes: ArrayLike, crs: CRS | None, grid: Grid) -> NDArray[np.float64]:
    """Return boxes in the pixels of a grid, see `to_pixels`.

    Args:
        boxes: ``[N, 4]`` xmin, ymin, xmax, ymax.
        crs: of the boxes; None means the grid's own, or its pixels.
        grid: of the frame.

    Returns:
        float64 ``[N, 4]``; a box may lie beside the grid.

    Raises:
        CrsTransformFailed: if the grid has no CRS and the boxes have one, or one cannot become the other.
    """
    given = np.asarray(boxes, dtype=np.float64).reshape(-1, 1, 4)
    low, high = given[..., :2], given[..., 2:]
    turned = not grid.transform.is_rectilinear or not _same(crs, grid.crs)
    share = _ELLIPSE if turned else _SIDES
    around = low * ((1 - share) / 2) + high * ((1 + share) / 2)
    xy = _to_grid_crs(around.reshape(-1, 2), crs, grid).reshape(around.shape)
    turn = full_turn(grid.crs)
    if turn is not None:
        xy[..., 0] = np.unwrap(xy[..., 0], period=turn, axis=1)
        centre = (xy[..., 0].min(axis=1) + xy[..., 0].max(axis=1)) / 2
        xy[..., 0] += turn * np.round((_middle(grid) - centre[:, None]) / turn)
    pixels = grid.map_to_pixel(xy.reshape(-1, 2)).reshape(xy.shape)
    return np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1)


def _points_to_grid(xy: NDArray[np.float64], crs: CRS | None, grid: Grid) -> NDArray[np.float64]:
    """Return pixel coordinates of points; of equal longitudes the one nearest to the grid's middle counts."""
    xy = _to_grid_crs(xy, crs, grid)
    turn = full_turn(grid.crs)
    if turn is not None:
        xy[:, 0] += turn * np.round((_middle(grid) - xy[:, 0]) / turn)
    return grid.map_to_pixel(xy)


def _to_grid_crs(xy: NDArray[np.float64], crs: CRS | None, grid: Grid) -> NDArray[np.float64]:
    """Return coordinates in the CRS of a grid, as a copy."""
    if crs is None:
        return xy.copy()
    if grid.crs is None:
        raise CrsTransformFailed(
            f"it is in {crs_name(crs)} and the raster has no CRS; "
            "georeference the raster, or give the prompt in its pixels (x right, y down)"
        )
    return transform_xy(xy, crs, grid.crs)


def _same(crs: CRS | None, other: CRS | None) -> bool:
    """Say whether coordinates stay what they are; comparing CRS objects takes long."""
    return crs is None or crs is other or crs == other


def _middle(grid: Grid) -> float:
    """Return x of the grid's middle on the map."""
    return float(grid.pixel_to_map([(grid.width / 2, grid.height / 2)])[0, 0])


def _around(corners: list[tuple[int, int]]) -> NDArray[np.float64]:
    sides = [np.linspace(start, end, OUTLINE_STEPS // 4) for start, end in pairwise(corners)]
    return np.concatenate(sides)


_ANGLES = np.arange(OUTLINE_STEPS) * (2 * np.pi / OUTLINE_STEPS)
_ELLIPSE = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
_SIDES = _around([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)])


def _ordered(box: Iterable[float]) -> Box:
    """Return xmin, ymin, xmax, ymax of two opposite corners."""
    x0, y0, x1, y1 = (float(value) for value in box)
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _what_is_wrong(points: tuple[Point, ...], labels: tuple[int, ...], box: Box | None) -> str:
    """Say what makes these numbers no prompt; nothing if they are one."""
    if len(labels) != len(points):
        return f"{len(points)} points and {len(labels)} labels; give one label a point"
    if not set(labels) <= {0, 1}:
        return f"labels {labels} are not 1 (object) or 0 (beside it)"
    if not np.isfinite([*sum(points, ()), *(box or ())]).all():
        return f"a coordinate of points {points}, box {box} is not a finite number"
    if box is not None and not (box[0] < box[2] and box[1] < box[3]):
        return f"box {_text(box)} has no width or no height; click a point instead"
    if box is None and 1 not in labels:
        return "it has no box and no point on the object"
    return ""


def _text(values: Iterable[float]) -> str:
    return " ".join(f"{value:.12g}" for value in values)


def _beside(prompt: Prompt, what: str, xy: NDArray[np.float64], grid: Grid) -> str:
    return (
        f"prompt {prompt.id}: {what} ({crs_name(prompt.crs)}) lies at column {xy[0]:.1f}, row {xy[1]:.1f}, "
        f"outside the raster's {grid.width} x {grid.height} pixels; check its CRS and the order x y"
    )
