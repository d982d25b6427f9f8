"""Satellite-like scenes with exact instance truth, made from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from shapely.geometry import Polygon

from ros_sam_core.errors import InvalidParameter
from ros_sam_core.synthetic import layouts
from ros_sam_core.synthetic.canvas import Canvas
from ros_sam_core.synthetic.composer import Composer
from ros_sam_core.synthetic.coverage import coverage, rings_of
from ros_sam_core.synthetic.sensor import expose

SceneKind = Literal["mixed", "airport", "harbour", "road", "field"]

_LAYOUTS = {
    "airport": layouts.airport,
    "harbour": layouts.harbour,
    "road": layouts.street,
    "field": layouts.field,
    "mixed": layouts.mixed,
}
_LEAD_M = {"airport": 35.0, "harbour": 40.0, "road": 5.0, "field": 35.0, "mixed": 20.0}
"""Length of each kind's leading object; it sets the ground sample distance."""


@dataclass(frozen=True)
class Instance:
    """One object of a scene.

    Attributes:
        class_name: "airplane", "ship", "vehicle", "train", "storage_tank" and so on; "object" is a shape of
            no class.
        polygon: its outline in pixels, x right, y down, (0, 0) the outer corner of the top-left pixel; cut by
            the picture's edge; without shadow and wake.
    """

    class_name: str
    polygon: Polygon

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Bounds xmin, ymin, xmax, ymax in pixels."""
        x0, y0, x1, y1 = self.polygon.bounds
        return x0, y0, x1, y1


@dataclass(frozen=True)
class SyntheticScene:
    """A picture and what is on it.

    Attributes:
        rgb: uint8 [H, W, 3].
        instances: the objects.
        gsd_m: metres a pixel.
    """

    rgb: npt.NDArray[np.uint8]
    instances: tuple[Instance, ...]
    gsd_m: float

    def coverage(self, index: int) -> npt.NDArray[np.float32]:
        """Return the share of each pixel that an instance covers, float32 [H, W] in 0..1."""
        return coverage(rings_of(self.instances[index].polygon), (self.rgb.shape[0], self.rgb.shape[1]))

    def mask(self, index: int) -> npt.NDArray[np.bool_]:
        """Return the pixels that an instance covers by more than half, bool [H, W]."""
        return self.coverage(index) > 0.5


def make_scene(
    seed: int,
    shape: tuple[int, int] = (512, 512),
    kind: SceneKind = "mixed",
    *,
    density: float = 1.0,
    object_px: tuple[float, float] = (10.0, 120.0),
    degrade: float = 1.0,
) -> SyntheticScene:
    """Make a scene: the same one for the same arguments.

    Args:
        seed: of the random generator.
        shape: rows and columns, at least 64 each.
        kind: what the scene shows.
        density: factor on the number of objects; 1 gives about 15 to 25 on 512 x 512.
        object_px: shortest and longest longest side of an object, in pixels. Outlines that the picture's
            edge cuts, wagons and road trains may be a little outside.
        degrade: strength of haze, blur, colour cast, noise and compression; 0 paints a clean picture.

    Returns:
        The picture with every object's exact outline.

    Raises:
        InvalidParameter: an argument is out of its range.
    """
    _check(shape, kind, density, object_px, degrade)
    composer = _compose(seed, shape, kind, density, object_px)
    found = composer.finish()
    rgb = expose(composer.canvas.rgb, composer.canvas.coarse, composer.rng, degrade)
    instances = tuple(Instance(name, polygon) for name, polygon in found)
    return SyntheticScene(rgb, instances, composer.gsd_m)


def make_stage(
    seed: int,
    shape: tuple[int, int] = (512, 512),
    kind: SceneKind = "mixed",
    *,
    density: float = 1.0,
    object_px: tuple[float, float] = (10.0, 120.0),
) -> Composer:
    """Compose a scene and leave its objects unpainted, so that they can move: `placed` holds them.

    Args:
        seed: of the random generator.
        shape: rows and columns, at least 64 each.
        kind: what the scene shows.
        density: as for `make_scene`.
        object_px: as for `make_scene`.

    Returns:
        The composer, with the ground on its canvas and no object, shadow or wake on it.

    Raises:
        InvalidParameter: an argument is out of its range.
    """
    _check(shape, kind, density, object_px, 0.0)
    return _compose(seed, shape, kind, density, object_px, still=False)


def _compose(
    seed: int,
    shape: tuple[int, int],
    kind: SceneKind,
    density: float,
    object_px: tuple[float, float],
    *,
    still: bool = True,
) -> Composer:
    rng = np.random.default_rng([seed, get_args(SceneKind).index(kind)])
    low, high = np.log(object_px)
    lead_px = float(np.exp(low + (high - low) * rng.beta(1.6, 1.6)))
    canvas = Canvas.blank(rng, shape)
    area = shape[0] * shape[1] / 512**2
    composer = Composer(canvas, rng, object_px, _LEAD_M[kind] / lead_px, density * area, still)
    _LAYOUTS[kind](composer)
    return composer


def _check(
    shape: tuple[int, int], kind: str, density: float, object_px: tuple[float, float], degrade: float
) -> None:
    if min(shape) < 64:
        raise InvalidParameter(f"shape is {shape}; a scene needs at least 64 rows and columns")
    if kind not in _LAYOUTS:
        raise InvalidParameter(f"kind is {kind!r}; known are {', '.join(sorted(_LAYOUTS))}")
    if not density > 0:
        raise InvalidParameter(f"density is {density}; it must be greater than 0")
    if not 4 <= object_px[0] <= object_px[1] <= max(shape):
        raise InvalidParameter(
            f"object_px is {object_px}; it needs 4 <= shortest <= longest <= {max(shape)} (the longer side)"
        )
    if not 0 <= degrade <= 2:
        raise InvalidParameter(f"degrade is {degrade}; it must be in 0..2")
