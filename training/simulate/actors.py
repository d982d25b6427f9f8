"""Objects that can be painted anywhere: cut out of labelled images, or drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage
from shapely import affinity
from shapely.geometry import MultiPolygon, Polygon

from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.vectorize import PolygonOptions, logits_to_polygon
from ros_sam_core.synthetic.canvas import Canvas
from ros_sam_core.synthetic.composer import Builder
from ros_sam_core.synthetic.coverage import coverage, rings_of
from ros_sam_core.synthetic.sprites import Pose, Sprite, stamp
from training.scenes import SceneObject
from training.simulate.motion import Matrix, after, apply, inverse
from training.simulate.pixels import Picture, bleed, blur, spline

OVERSAMPLE = 2
"""Texels a pixel of a drawn object."""
LEAST_SEEN_PX = 3.0
"""Objects of which less is seen in a frame are not in its truth, square pixels."""
_DISC_PX = 0.8
"""Wherever a disc of this radius lies, it fills a pixel by half."""
_TRACE = PolygonOptions(simplify_px=0.1, smooth_px=0.5, min_area_px=1.0)
Outline = Polygon | MultiPolygon


@dataclass(frozen=True)
class Actor:
    """An object in its own frame: x ahead, y to its right, pixels of the ground, the origin in its middle.

    Attributes:
        class_name: The label.
        outline: The object, without shadow and wake.
        texture: Its colours, also a little beyond the outline, so that no other ground shows at its rim.
        to_texture: 2 x 3, from its own frame to the texture's pixels.
        shadow_px: Length of its shadow.
        lifted: The shadow is apart from it.
    """

    class_name: str
    outline: Outline
    texture: Picture
    to_texture: Matrix
    shadow_px: float = 0.0
    lifted: bool = False

    @cached_property
    def coefficients(self) -> Picture:
        """The texture as `warp` takes it."""
        return spline(self.texture)

    @property
    def radius_px(self) -> float:
        """The largest distance of the outline from the origin."""
        return float(np.hypot(*shapely.get_coordinates(self.outline).T).max())

    @property
    def size_px(self) -> tuple[float, float]:
        """Extent ahead and across."""
        x0, y0, x1, y1 = self.outline.bounds
        return x1 - x0, y1 - y0

    def mean_colour(self) -> NDArray[np.float32]:
        """Return the mean colour of the texture inside the outline, float32 [3]."""
        inside = apply(self.to_texture, shapely.get_coordinates(self.outline))
        low = np.maximum(np.floor(inside.min(0)).astype(int), 0)
        high = np.ceil(inside.max(0)).astype(int)
        return self.texture[low[1] : high[1], low[0] : high[0]].mean(axis=(0, 1))

    def lit(self, gain: float, shift: float = 0.0) -> Actor:
        """Return the same object, brighter or darker."""
        return replace(self, texture=np.clip(self.texture * np.float32(gain) + np.float32(shift), 0, 1))


def drawn(sprite: Sprite, pose: Pose, psf_px: float, rng: np.random.Generator) -> Actor:
    """Make an actor of a procedural object.

    Args:
        sprite: The object.
        pose: Its scale is kept; place and angle are the actor's path's.
        psf_px: Blur of the ground that it will stand on.
        rng: For the grain on it.
    """
    x0, y0, x1, y1 = (v * pose.scale for v in sprite.outline.bounds)
    pad = 3
    width, height = (math.ceil((high - low) * OVERSAMPLE) + 2 * pad for low, high in ((x0, x1), (y0, y1)))
    scale = pose.scale * OVERSAMPLE
    here = Pose(pad - x0 * OVERSAMPLE, pad - y0 * OVERSAMPLE, scale, 0.0)
    canvas = Canvas.blank(rng, (height, width))
    canvas.rgb[:] = sprite.colour
    stamp(canvas, sprite, here)
    painted = ndimage.binary_erosion(_inside(here.place(sprite.outline), (height, width)), border_value=0)
    texture = bleed(canvas.rgb, painted) if painted.any() else canvas.rgb
    texture = blur(texture, math.hypot(0.4, psf_px) * OVERSAMPLE)
    outline = affinity.scale(sprite.outline, pose.scale, pose.scale, origin=(0, 0))
    to_texture = np.array([[OVERSAMPLE, 0, here.x], [0, OVERSAMPLE, here.y]], float)
    return Actor(sprite.class_name, outline, texture, to_texture, sprite.height * pose.scale, sprite.lifted)


def built(
    builder: Builder, size_px: float, sun: tuple[float, float], psf_px: float, rng: np.random.Generator
) -> Actor:
    """Draw a procedural object of a longer side in pixels, lit by the sun in its own frame."""
    sprite = builder(rng, sun)
    return drawn(sprite, Pose(0, 0, size_px / sprite.extent, 0), psf_px, rng)


def cut_out(rgb: Picture, obj: SceneObject, rng: np.random.Generator) -> tuple[Actor, Pose] | None:
    """Cut a labelled object out of its image.

    Labels are rarely better than a pixel, so the outermost pixel takes the colour of what lies further in.

    Args:
        rgb: The image, float32 [H, W, 3].
        obj: The object.
        rng: Decides which end is the front where the shape does not tell.

    Returns:
        The actor and the pose that puts it back where it was; None where the mask has no outline.
    """
    margin = 4
    mask = np.pad(obj.mask > 0, margin)
    outline = logits_to_polygon(mask.astype(np.float32) * 2 - 1, Grid(mask.shape), _TRACE)
    if outline is None:
        return None
    x0, y0 = obj.x0 - margin, obj.y0 - margin
    rows = np.clip(np.arange(y0, y0 + mask.shape[0]), 0, rgb.shape[0] - 1)
    columns = np.clip(np.arange(x0, x0 + mask.shape[1]), 0, rgb.shape[1] - 1)
    depth = ndimage.distance_transform_edt(mask)
    core = depth > min(1.0, 0.3 * float(depth.max()))
    texture = bleed(rgb[np.ix_(rows, columns)], core)
    angle = front(outline, obj.class_name, rng)
    centre = outline.envelope.centroid
    cos, sin = math.cos(angle), math.sin(angle)
    to_texture = np.array([[cos, -sin, centre.x], [sin, cos, centre.y]])
    own = shapely.transform(outline, lambda xy: apply(inverse(to_texture), xy))
    actor = Actor(obj.class_name, own, texture.astype(np.float32), to_texture)
    return actor, Pose(x0 + centre.x, y0 + centre.y, 1.0, angle)


def always_seen(outline: Outline) -> bool:
    """Say whether an object is in the truth of every frame that shows all of it, wherever its pixels lie."""
    return outline.area > LEAST_SEEN_PX and not outline.buffer(-_DISC_PX).is_empty


def front(outline: Outline, class_name: str, rng: np.random.Generator) -> float:
    """Guess where an object's front is, radians from x towards y.

    An aircraft is its own mirror image across its axis, and the wings lie ahead of the middle of its length.
    Of anything else the longer side of the narrowest rectangle is the axis, and either end may be the front.
    """
    corners = shapely.get_coordinates(outline.minimum_rotated_rectangle)
    if len(corners) < 4:
        return float(rng.uniform(0, 2 * math.pi))
    sides = np.diff(corners[:3], axis=0)
    longest = sides[np.argmax((sides**2).sum(1))]
    axis = math.atan2(longest[1], longest[0])
    if class_name != "airplane":
        return axis + (math.pi if rng.random() < 0.5 else 0.0)
    simple = outline.simplify(0.3)
    middle = simple.centroid

    def likeness(angle: float) -> float:
        upright = affinity.rotate(simple, -angle, origin=middle, use_radians=True)
        return float(upright.intersection(affinity.scale(upright, 1, -1, origin=middle)).area)

    axis = max(np.arange(0, math.pi, math.pi / 24), key=likeness)
    axis = max(axis + np.radians([-4, -2, 0, 2, 4]), key=likeness)
    upright = affinity.rotate(simple, -axis, origin=middle, use_radians=True)
    x0, _, x1, _ = upright.bounds
    return float(axis + (0.0 if middle.x > (x0 + x1) / 2 else math.pi))


def texels(actor: Actor, to_own: Matrix) -> Matrix:
    """Return the 2 x 3 matrix to the actor's texture, given that to its own frame."""
    return after(actor.to_texture, to_own)


def _inside(outline: Polygon, shape: tuple[int, int]) -> NDArray[np.bool_]:
    return coverage(rings_of(outline), shape) > 0.5
