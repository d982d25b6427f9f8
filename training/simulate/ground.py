"""The ground under a simulated video, with the objects that it comes with taken off it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage
from skimage.restoration import inpaint_biharmonic

from ros_sam_core.geo.crs import metres_per_unit, parse_crs
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.raster import RasterFrame
from ros_sam_core.synthetic import SceneKind, make_stage
from ros_sam_core.synthetic.sprites import Pose
from training.scenes import DatasetError, Scene, build_pyramid
from training.simulate.actors import Actor, always_seen, cut_out, drawn
from training.simulate.healing import heal, shadow_of
from training.simulate.options import MOVABLE, SimulateOptions
from training.simulate.pixels import Picture

Mask = NDArray[np.bool_]
_RIM_PX = 3
_LEAST_PX = 20
"""Labelled objects of fewer pixels are too little to be cut out and moved."""
_LOOKS = 200
"""Parts of a raster that are looked at; those with nodata at a corner cost little."""
_USUAL_M = {"airplane": 35.0, "vehicle": 4.8}


@dataclass(frozen=True)
class Native:
    """An object that a ground comes with.

    Attributes:
        actor: It.
        pose: Where it stands on the ground picture.
        hole: Pixels that were healed under it and its shadow, bool, cut out at `corner`; None where it was
            never painted.
        corner: Row and column of the cut.
        movable: It may leave its place.
    """

    actor: Actor
    pose: Pose
    hole: Mask | None = None
    corner: tuple[int, int] = (0, 0)
    movable: bool = True


@dataclass(frozen=True)
class Ground:
    """A picture of the ground without the objects that may move.

    Attributes:
        rgb: float32 [H, W, 3] in 0..1, healed.
        original: The same with its objects; None where the objects were never on it.
        natives: The objects.
        gsd_m: Metres a pixel, drawn or guessed; None where nothing tells it.
        grid: Where it lies; None where that is not known.
        sun: Unit vector towards which shadows fall, x right, y down.
        shade: Share of the light that a shadow takes.
        psf_px: Blur that the picture has already.
        name: Where it is from.
    """

    rgb: Picture
    original: Picture | None
    natives: tuple[Native, ...]
    gsd_m: float | None
    grid: Grid | None
    sun: tuple[float, float]
    shade: float
    psf_px: float
    name: str

    def with_standing(self, standing: Sequence[Native]) -> Picture:
        """Return the ground with some of its objects where they were, as they were, shadows and all."""
        rgb = self.rgb.copy()
        for native in standing:
            if self.original is not None and native.hole is not None:
                y, x = native.corner
                window = np.s_[y : y + native.hole.shape[0], x : x + native.hole.shape[1]]
                rgb[window][native.hole] = self.original[window][native.hole]
        return rgb

    def grid_of(self, options: SimulateOptions) -> Grid:
        """Return where it lies, made up from the options where that is not known."""
        if self.grid is not None:
            return self.grid
        crs, gsd_m = parse_crs(options.crs), options.gsd_m or self.gsd_m or 1.0
        shape, origin = (self.rgb.shape[0], self.rgb.shape[1]), Affine.translation(*options.origin)
        metres = Grid(shape, origin @ Affine.scale(gsd_m, -gsd_m), crs).gsd_m or gsd_m * metres_per_unit(crs)
        side = gsd_m * gsd_m / metres  # the CRS may count in feet, or stretch the ground as Mercator does
        return Grid(shape, origin @ Affine.scale(side, -side), crs)


def procedural_ground(
    seed: int,
    shape: tuple[int, int],
    kind: SceneKind = "mixed",
    *,
    density: float = 1.0,
    object_px: tuple[float, float] = (10.0, 90.0),
) -> Ground:
    """Draw a ground; see `ros_sam_core.synthetic.make_stage`."""
    stage = make_stage(seed, shape, kind, density=density, object_px=object_px)
    rng = np.random.default_rng([seed, 21])
    natives = []
    for sprite, pose, _ in stage.placed:
        movable = sprite.class_name in MOVABLE[:3]
        natives.append(Native(drawn(sprite, pose, 0.0, rng), pose, movable=movable))
    canvas = stage.canvas
    rgb = np.clip(canvas.rgb, 0, 1)
    return Ground(
        rgb, None, tuple(natives), stage.gsd_m, None, canvas.sun, canvas.shade, 0.0, f"{kind} {seed}"
    )


def labelled_ground(scene: Scene, seed: int = 0) -> Ground:
    """Take the movable objects of a labelled image off it.

    Small ones stay, with their label. What is too small or too thin to be in every frame's mask is taken off
    for good: it would be seen without a label.

    Args:
        scene: The image with its objects; it keeps its place if that names a CRS.
        seed: Of the random choices of healing.
    """
    rng = np.random.default_rng([seed, 22])
    rgb = scene.rgb.astype(np.float32) / 255
    everything = np.zeros(rgb.shape[:2], np.int32)
    for number, obj in enumerate(scene.objects):
        everything[obj.frame_mask(everything.shape)] = number + 1
    natives: list[Native] = []
    holes, gone = np.zeros(rgb.shape[:2], bool), np.zeros(rgb.shape[:2], bool)
    pulls = np.zeros(2)
    for number, obj in enumerate(scene.objects):
        made = cut_out(rgb, obj, rng)
        if made is not None and not always_seen(made[0].outline):
            made = None
        x0, y0, x1, y1 = (round(v) for v in obj.box)
        whole = x0 > 0 and y0 > 0 and x1 < rgb.shape[1] and y1 < rgb.shape[0]
        stays = obj.class_name not in MOVABLE or not whole or (obj.mask > 0).sum() < _LEAST_PX
        if made is not None and stays:
            natives.append(Native(*made, movable=False))
            continue
        hole, (top, left), pull = _hole(rgb, everything, number + 1, (x0, y0, x1, y1))
        pulls += pull
        window = np.s_[top : top + hole.shape[0], left : left + hole.shape[1]]
        holes[window] |= hole
        if made is None:
            gone[window] |= hole | ndimage.binary_dilation(everything[window] == number + 1)
        else:
            natives.append(Native(*made, hole, (top, left)))
    solid = ndimage.binary_dilation(everything > 0, iterations=2) & ~holes
    healed, left_open = heal(rgb, holes, rng, solid)
    on_others = gone & (left_open | ~holes)
    if on_others.any():
        healed = inpaint_biharmonic(healed, on_others, channel_axis=-1).astype(np.float32)
    rgb[gone] = healed[gone]
    kept = tuple(_stuck(native, left_open) for native in natives)
    sun, shade = _sun(pulls, len(natives), rng)
    grid = scene.grid if scene.grid is not None and scene.grid.crs is not None else None
    gsd_m = _guessed_gsd(natives) if grid is None else None
    return Ground(healed, rgb, kept, gsd_m, grid, sun, shade, 0.6, scene.name)


def raster_ground(path: Path, size: tuple[int, int], seed: int = 0) -> Ground:
    """Read a random part of a raster; what stands on it stays and has no label.

    Where the raster tells no CRS, the ground has no place of its own.

    Args:
        path: Anything that GDAL opens.
        size: Most rows and columns that are read.
        seed: Chooses the part.

    Raises:
        DatasetError: No part of that size was found that is free of nodata.
    """
    rng = np.random.default_rng([seed, 23])
    with RasterFrame.open(path) as frame:
        height, width = min(size[0], frame.grid.height), min(size[1], frame.grid.width)
        for _ in range(_LOOKS):
            y = int(rng.integers(frame.grid.height - height + 1))
            x = int(rng.integers(frame.grid.width - width + 1))
            corners = [(i, j) for j in (y, y + height - 1) for i in (x, x + width - 1)]
            if not all(frame.read(i, j, 1, 1)[1].all() for i, j in corners):
                continue
            rgb, valid = frame.read(x, y, width, height)
            if valid.all():
                grid = frame.grid.window(x, y, width, height)
                return labelled_ground(
                    Scene(build_pyramid(rgb, 1), (), f"{path.name} {x},{y}", grid=grid), seed
                )
    raise DatasetError(
        f"{path}: of {_LOOKS} parts of {height} rows and {width} columns none is free of nodata; ask for a "
        "smaller --shape, or take another --seed"
    )


def _hole(
    rgb: Picture, everything: NDArray[np.int32], number: int, box: tuple[int, int, int, int]
) -> tuple[Mask, tuple[int, int], NDArray[np.float64]]:
    """Find what has to be healed if an object leaves.

    Args:
        rgb: The image.
        everything: The number of each pixel's object, 0 where there is none.
        number: The object's.
        box: The object's.

    Returns:
        The object and its shadow with a rim, bool, a cut of the image; row and column of its corner; unit
        vector towards which its shadow falls, 0 where it has none.
    """
    x0, y0, x1, y1 = box
    reach = int(np.clip(0.5 * max(x1 - x0, y1 - y0), 4, 28)) + _RIM_PX
    top, left = max(y0 - reach, 0), max(x0 - reach, 0)
    window = np.s_[top : y1 + reach, left : x1 + reach]
    mask, others = everything[window] == number, everything[window] > 0
    shadow = shadow_of(rgb[window], mask, others & ~mask)
    pull = np.zeros(2)
    if shadow.sum() > 5:
        pull = np.argwhere(shadow).mean(0) - np.argwhere(mask).mean(0) if mask.any() else np.zeros(2)
        pull = pull[::-1] / max(float(np.hypot(*pull)), 1e-6)
    hole = ndimage.binary_dilation(mask, iterations=_RIM_PX)
    hole |= ndimage.binary_dilation(shadow, iterations=2)
    hole &= ~(ndimage.binary_dilation(others & ~mask, iterations=1))
    return hole, (top, left), pull


def _guessed_gsd(natives: Sequence[Native]) -> float | None:
    """Guess metres a pixel from how long aircraft and vehicles usually are."""
    told = [
        _USUAL_M[native.actor.class_name] / max(native.actor.size_px)
        for native in natives
        if native.actor.class_name in _USUAL_M
    ]
    return float(np.median(told)) if told else None


def _stuck(native: Native, left_open: Mask) -> Native:
    """Leave an object where it is if nothing could be found to put in its place."""
    if native.hole is None:
        return native
    y, x = native.corner
    part = left_open[y : y + native.hole.shape[0], x : x + native.hole.shape[1]]
    if (part & native.hole).any():
        return Native(native.actor, native.pose, native.hole, native.corner, movable=False)
    return native


def _sun(
    pulls: NDArray[np.float64], count: int, rng: np.random.Generator
) -> tuple[tuple[float, float], float]:
    """Return where shadows fall and how dark they are: as most of the image's own do, else anywhere."""
    strength = float(np.hypot(*pulls))
    if strength > 0.3 * max(count, 1):
        return (float(pulls[0] / strength), float(pulls[1] / strength)), 0.45
    angle = rng.uniform(0, 2 * math.pi)
    return (math.cos(angle), math.sin(angle)), 0.35
