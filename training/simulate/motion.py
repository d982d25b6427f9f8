"""Where an object or the camera is at a time: closed formulas, so that every frame stands by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ros_sam_core.errors import CrsTransformFailed
from ros_sam_core.geo.crs import metres_per_unit, to_degrees
from ros_sam_core.geo.grid import Grid
from training.simulate.options import Platform

Matrix = NDArray[np.float64]
"""2 x 3, from homogeneous coordinates to coordinates."""


@dataclass(frozen=True)
class State:
    """An object at one time, on the ground picture.

    Attributes:
        x: Right, pixels.
        y: Down, pixels.
        angle: Of its motion, radians from x towards y.
        speed_px_s: Pixels a second.
    """

    x: float
    y: float
    angle: float
    speed_px_s: float

    @property
    def to_ground(self) -> Matrix:
        """From the object's own frame (x ahead, y to its right) to the ground picture, 2 x 3."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return np.array([[cos, -sin, self.x], [sin, cos, self.y]])


@dataclass(frozen=True)
class Path:
    """A circle's arc, or a straight line, run through at a speed that sways around its mean.

    Attributes:
        x: Right at time `t0_s`, pixels of the ground picture.
        y: Down at time `t0_s`.
        angle: Of the motion at time `t0_s`, radians from x towards y.
        speed_px_s: Mean speed.
        turn_rad_px: Curvature, radians a pixel; positive turns right on the picture.
        sway: Share by which the speed varies.
        period_s: Of that.
        phase: Of that, radians.
        t0_s: When the object is at x, y.
    """

    x: float
    y: float
    angle: float
    speed_px_s: float = 0.0
    turn_rad_px: float = 0.0
    sway: float = 0.0
    period_s: float = 10.0
    phase: float = 0.0
    t0_s: float = 0.0

    def along(self, time_s: float) -> float:
        """Return the distance from the place at `t0_s`, pixels; negative before."""
        rate = 2 * math.pi / self.period_s
        swing = math.cos(rate * self.t0_s + self.phase) - math.cos(rate * time_s + self.phase)
        return self.speed_px_s * (time_s - self.t0_s + self.sway / rate * swing)

    def at(self, time_s: float) -> State:
        """Return where the object is."""
        rate = 2 * math.pi / self.period_s
        speed = self.speed_px_s * (1 + self.sway * math.sin(rate * time_s + self.phase))
        return self.after(self.along(time_s), speed)

    def after(self, distance_px: float, speed_px_s: float = 0.0) -> State:
        """Return the place after a distance from that at `t0_s`."""
        angle = self.angle + self.turn_rad_px * distance_px
        if abs(self.turn_rad_px) > 1e-9:
            x = self.x + (math.sin(angle) - math.sin(self.angle)) / self.turn_rad_px
            y = self.y - (math.cos(angle) - math.cos(self.angle)) / self.turn_rad_px
        else:
            x = self.x + math.cos(self.angle) * distance_px
            y = self.y + math.sin(self.angle) * distance_px
        return State(x, y, angle, speed_px_s)

    @property
    def moves(self) -> bool:
        """Whether it ever leaves its place."""
        return self.speed_px_s > 0


@dataclass(frozen=True)
class Camera:
    """How a frame's pixels lie on the ground picture.

    Attributes:
        shape: Rows and columns of a frame.
        centre: Where the frame's centre lies on the ground picture when the camera rests, pixels.
        drift_px_s: Velocity, pixels a second, x and y.
        middle_s: The time at which the drift is zero.
        jitter_px: Standard deviation of each frame's own shift.
        roll_rad: Amplitude of the slow rotation.
        seed: Of the jitter.
    """

    shape: tuple[int, int]
    centre: tuple[float, float]
    drift_px_s: tuple[float, float] = (0.0, 0.0)
    middle_s: float = 0.0
    jitter_px: float = 0.0
    roll_rad: float = 0.0
    seed: int = 0

    def to_ground(self, number: int, time_s: float) -> Matrix:
        """Return the 2 x 3 matrix from a frame's pixels to the ground picture."""
        rng = np.random.default_rng([self.seed, number, 11])
        jitter = np.clip(rng.normal(0, 1, 2), -3, 3) * self.jitter_px
        since = time_s - self.middle_s
        place = np.array(self.centre) + np.array(self.drift_px_s) * since + jitter
        return self._turned(self.roll_rad * math.sin(1.3 * since), place)

    @property
    def at_rest(self) -> Matrix:
        """The matrix of a camera that does not move."""
        return self._turned(0.0, np.array(self.centre))

    def _turned(self, angle: float, place: NDArray[np.float64]) -> Matrix:
        cos, sin = math.cos(angle), math.sin(angle)
        turn = np.array([[cos, -sin], [sin, cos]])
        middle = np.array([self.shape[1], self.shape[0]]) / 2
        return np.column_stack([turn, place - turn @ middle])


def on_the_ground(
    grid: Grid, places: ArrayLike, angles: ArrayLike, gsd_m: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far a pixel of way is on the ground, and where it leads; a pixel of degrees is no square.

    Args:
        grid: Of the ground picture.
        places: [N, 2], its pixels.
        angles: [N], radians from x towards y.
        gsd_m: Metres a pixel where the CRS tells none.

    Returns:
        Metres [N], along geodesics where the CRS has them; degrees [N] clockwise from the north of the CRS.
    """
    places, angles = np.reshape(places, (-1, 2)), np.ravel(angles)
    half = np.column_stack([np.cos(angles), np.sin(angles)]) / 2
    tails, heads = grid.pixel_to_map(places - half), grid.pixel_to_map(places + half)
    east, north = (heads - tails).T
    headings = np.degrees(np.arctan2(east, north)) % 360
    crs = grid.crs
    try:
        ends = None if crs is None else to_degrees(np.concatenate([tails, heads]), crs)
    except CrsTransformFailed:
        crs = ends = None
    geod = None if crs is None else crs.get_geod()
    if crs is None or ends is None or geod is None:
        metres = np.full(len(angles), gsd_m) if crs is None else np.hypot(east, north) * metres_per_unit(crs)
        return metres, headings
    azimuths, _, metres = geod.inv(*ends[: len(angles)].T, *ends[len(angles) :].T)
    return np.asarray(metres), np.asarray(azimuths) % 360 if crs.is_geographic else headings


def margin_px(platform: Platform, shape: tuple[int, int], duration_s: float) -> int:
    """Return the ground that a camera may see beyond a frame at rest, pixels on each side."""
    turned = math.sin(math.radians(platform.roll_deg)) * max(shape) / 2
    return math.ceil(platform.drift_px_s[1] * duration_s / 2 + 3 * platform.jitter_px + turned) + 4


def after(second: Matrix, first: Matrix) -> Matrix:
    """Return the 2 x 3 matrix that does `first`, then `second`."""
    return second @ np.vstack([first, [0.0, 0.0, 1.0]])


def inverse(matrix: Matrix) -> Matrix:
    """Return the 2 x 3 matrix that undoes one."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def apply(matrix: Matrix, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points [N, 2] moved by a 2 x 3 matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]
