"""Paint objects, their shadows, wakes and what hides them, into one frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon

from ros_sam_core.synthetic.coverage import bounds, coverage, rings_of
from training.simulate.actors import Actor, Outline, texels
from training.simulate.choreography import Player
from training.simulate.motion import Matrix, after, apply, inverse
from training.simulate.pixels import Picture, blur, warp

_FOAM = np.array([0.82, 0.88, 0.88], np.float32)
_TINT = np.array([1.0, 0.96, 0.86], np.float32)


@dataclass(frozen=True)
class Occluder:
    """Something above the objects that hides them.

    Attributes:
        outline: On the ground picture.
        colour: float32 [3].
        rails: Lines along its sides, on the ground picture.
    """

    outline: Polygon
    colour: NDArray[np.float32]
    rails: Outline


def polygons_of(geometry: shapely.Geometry) -> Outline:
    """Return the areas of a geometry, valid; an empty polygon where there is none."""
    if geometry.geom_type in ("Polygon", "MultiPolygon"):
        return geometry
    parts = [part for part in shapely.get_parts(geometry) if part.geom_type == "Polygon" and part.area > 0]
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def moved(geometry: Outline, matrix: Matrix) -> Outline:
    """Return a geometry moved by a 2 x 3 matrix."""
    return shapely.transform(geometry, lambda xy: apply(matrix, xy))


def put(
    frame: Picture, outline: Outline, psf_px: float, strength: float = 1.0
) -> tuple[slice, slice, Picture]:
    """Return the window of a frame that an outline touches, and its share of each pixel there.

    Args:
        frame: float32 [H, W, 3].
        outline: In its pixels.
        psf_px: Blur of the edge.
        strength: Factor on the shares.
    """
    rings = rings_of(outline)
    x0, y0, x1, y1 = bounds(rings, frame.shape[:2], margin=math.ceil(3 * psf_px))
    if x1 <= x0 or y1 <= y0:
        return np.s_[0:0], np.s_[0:0], np.zeros((0, 0), np.float32)
    pad = math.ceil(3 * psf_px)
    share = coverage(rings, (y1 - y0 + 2 * pad, x1 - x0 + 2 * pad), (x0 - pad, y0 - pad))
    share = blur(share, psf_px)[pad : pad + y1 - y0, pad : pad + x1 - x0]
    return np.s_[y0:y1], np.s_[x0:x1], share * np.float32(strength)


def paint_actor(frame: Picture, actor: Actor, to_frame: Matrix, psf_px: float) -> None:
    """Paint an object; `to_frame` is from its own frame to the frame's pixels."""
    rows, columns, share = put(frame, moved(actor.outline, to_frame), psf_px)
    if not share.size:
        return
    to_texture = texels(actor, inverse(to_frame))
    shift = np.array([[1, 0, columns.start], [0, 1, rows.start]], float)
    colours = warp(actor.coefficients, after(to_texture, shift), share.shape)
    under = frame[rows, columns]
    under += share[..., None] * (np.clip(colours, 0, 1) - under)


def swept(outline: Outline, way: NDArray[np.float64]) -> Outline:
    """Return the area that an outline passes over on a straight way [2]."""
    pieces: list[Outline] = [outline, shapely.transform(outline, lambda xy: xy + way)]
    for part in shapely.get_parts(outline):
        ring = np.asarray(part.simplify(0.15).exterior.coords)
        quads = np.stack([ring[:-1], ring[1:], ring[1:] + way, ring[:-1] + way], axis=1)
        made = shapely.polygons(quads)
        pieces.extend(made[shapely.is_valid(made) & (shapely.area(made) > 1e-6)])
    return polygons_of(shapely.union_all(pieces))


def shadow_outline(player: Player, to_frame: Matrix, sun: NDArray[np.float64]) -> Outline | None:
    """Return the shadow of an object on the frame; `sun` is where shadows fall there, [2]."""
    actor = player.actor
    length = actor.shadow_px or 0.12 * min(actor.size_px)
    if length < 0.3:
        return None
    outline = moved(actor.outline, to_frame)
    if actor.lifted:
        start = sun * length * 0.55
        outline = shapely.transform(outline, lambda xy: xy + start)
        return swept(outline, sun * length * 0.45)
    return swept(outline, sun * length)


def shade(frame: Picture, outlines: Sequence[Outline], strength: float, psf_px: float) -> None:
    """Darken the ground under shadows; where two meet it is no darker."""
    dark = np.zeros(frame.shape[:2], np.float32)
    for outline in outlines:
        rows, columns, share = put(frame, outline, psf_px)
        if share.size:
            np.maximum(dark[rows, columns], share, out=dark[rows, columns])
    if outlines:
        frame *= 1 - dark[..., None] * (np.float32(strength) * _TINT)


def paint_wake(frame: Picture, player: Player, time_s: float, to_frame: Matrix, strength: float) -> None:
    """Paint the foam along the way that a ship came: strips that widen and fade."""
    state = player.path.at(time_s)
    length, beam = player.actor.size_px
    if state.speed_px_s <= 0.01:
        return
    trail = length * float(np.clip(0.06 * state.speed_px_s, 0.3, 2.0))
    now = player.path.along(time_s)
    steps = np.linspace(0, 1, 9)
    sides = []
    for share in steps:
        place = player.path.after(now - length * 0.47 - trail * share)
        across = np.array([-math.sin(place.angle), math.cos(place.angle)]) * beam * (0.22 + 0.45 * share)
        sides.append((np.array([place.x, place.y]) - across, np.array([place.x, place.y]) + across))
    for number, (start, stop) in enumerate(pairwise(sides)):
        ring = apply(to_frame, np.array([start[0], stop[0], stop[1], start[1]]))
        strip = Polygon(ring)
        if not strip.is_valid or strip.area <= 0:
            continue
        fade = strength * (1 - steps[number]) ** 1.5
        rows, columns, share = put(frame, strip, 0.8, fade)
        if share.size:
            under = frame[rows, columns]
            under += share[..., None] * (_FOAM - under)


def paint_occluder(frame: Picture, occluder: Occluder, to_frame: Matrix, psf_px: float) -> None:
    """Paint a bridge over everything, with a grain that keeps to the ground."""
    for outline, colour in (
        (occluder.outline, occluder.colour),
        (occluder.rails, np.clip(occluder.colour + 0.12, 0, 1)),
    ):
        rows, columns, share = put(frame, moved(outline, to_frame), psf_px)
        if share.size:
            under = frame[rows, columns]
            under += share[..., None] * (colour - under)
