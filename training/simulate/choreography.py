"""Who is on the ground, who moves, and along which path: drawn once a video."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from shapely.geometry import Polygon

from ros_sam_core.geo.grid import Grid
from ros_sam_core.synthetic.aircraft import airplane
from ros_sam_core.synthetic.sprites import Pose
from ros_sam_core.synthetic.vehicles import vehicle
from ros_sam_core.synthetic.vessels import ship
from training.simulate.actors import Actor, Outline, built
from training.simulate.ground import Ground, Native
from training.simulate.motion import Camera, Path, State, apply, on_the_ground
from training.simulate.options import SimulateOptions

_BUILDERS = {
    "airplane": (airplane, (14.0, 65.0)),
    "ship": (ship, (12.0, 120.0)),
    "vehicle": (vehicle, (4.2, 12.0)),
}
"""What draws a class, and how long its objects are, metres."""
_TRIES = 8
_LOOKS = 7
"""Times at which two paths are compared."""
_GAP_PX = 2.0
_LEAST_CONTRAST = 0.07


@dataclass(frozen=True)
class Player:
    """An object of a video.

    Attributes:
        track: Its number, from 1.
        actor: What is painted.
        path: Where it is.
        painted: It is not on the ground picture already.
    """

    track: int
    actor: Actor
    path: Path
    painted: bool

    def outline(self, state: State) -> Outline:
        """Return its outline on the ground picture."""
        return shapely.transform(self.actor.outline, lambda xy: apply(state.to_ground, xy))


@dataclass
class _Stage:
    """What is collected while a video is cast."""

    ground: Ground
    options: SimulateOptions
    grid: Grid
    gsd_m: float
    rng: np.random.Generator
    area: Polygon
    players: list[Player]

    def times(self) -> list[float]:
        return list(np.linspace(0, self.options.duration_s, _LOOKS))

    def path_from(self, actor: Actor, pose: Pose, t0_s: float) -> Path:
        """Draw a path through a pose."""
        motion, rng = self.options.motion, self.rng
        low, high = motion.speed_of(actor.class_name)
        metres, _ = on_the_ground(self.grid, (pose.x, pose.y), pose.angle, self.gsd_m)
        speed = float(np.exp(rng.uniform(*np.log(np.maximum([low, high], 1e-3)))) / metres[0])
        turn = math.radians(rng.uniform(-1, 1) * motion.turn_deg_s) if rng.random() < 0.6 else 0.0
        duration = max(self.options.duration_s, 1.0)
        return Path(
            pose.x,
            pose.y,
            pose.angle,
            speed,
            turn / max(speed, 1e-6),
            motion.sway * float(rng.random()),
            duration * float(rng.uniform(0.7, 3.0)),
            float(rng.uniform(0, 2 * math.pi)),
            t0_s,
        )

    def clear(self, actor: Actor, path: Path, but: Player | None = None) -> bool:
        """Say whether nobody is in the way, at the times looked at."""
        for time in self.times():
            state = path.at(time)
            outline: Outline | None = None
            for other in self.players:
                if other is but:
                    continue
                there = other.path.at(time)
                reach = actor.radius_px + other.actor.radius_px + _GAP_PX
                if math.hypot(state.x - there.x, state.y - there.y) > reach:
                    continue
                outline = outline or Player(0, actor, path, True).outline(state)
                if outline.distance(other.outline(there)) < _GAP_PX:
                    return False
        return True

    def add(self, actor: Actor, path: Path, *, painted: bool) -> Player:
        player = Player(len(self.players) + 1, actor, path, painted)
        self.players.append(player)
        return player


def cast_players(
    ground: Ground,
    guests: Sequence[Actor],
    options: SimulateOptions,
    grid: Grid,
    gsd_m: float,
    camera: Camera,
    seed: int,
) -> tuple[list[Player], list[Native]]:
    """Choose who is there, who moves, and where.

    Args:
        ground: With its own objects.
        guests: Objects of other images to put beside them; procedural ones where there are none.
        options: Of the video.
        grid: Of the ground picture.
        gsd_m: Metres a pixel.
        camera: Of the video.
        seed: Of all choices.

    Returns:
        The objects, in the order in which they are painted, and those of the ground that stay on it.
    """
    rng = np.random.default_rng([seed, 31])
    rows, columns = camera.shape
    x, y = camera.centre
    area = shapely.box(x - columns / 2, y - rows / 2, x + columns / 2, y + rows / 2)
    stage = _Stage(ground, options, grid, gsd_m, rng, area, [])
    moving = [n.movable and rng.random() < options.motion.moving_share for n in ground.natives]
    standing = [n for n, moves in zip(ground.natives, moving, strict=True) if not moves]
    for native in standing:
        pose = native.pose
        stage.add(native.actor, Path(pose.x, pose.y, pose.angle), painted=ground.original is None)
    for native, moves in zip(ground.natives, moving, strict=True):
        if moves and not _set_off(stage, native):
            standing.append(native)
            pose = native.pose
            stage.add(native.actor, Path(pose.x, pose.y, pose.angle), painted=ground.original is None)
    wanted = int(rng.integers(options.objects[0], options.objects[1] + 1))
    middle = options.duration_s / 2
    seen = [shapely.contains_xy(area, p.path.at(middle).x, p.path.at(middle).y) for p in stage.players]
    for _ in range(wanted - sum(seen)):
        _invite(stage, guests)
    for _ in range(options.motion.crossings):
        _cross(stage, guests)
    order = sorted(stage.players, key=lambda player: player.painted)  # what is on the ground lies lowest
    return [replace(player, track=number) for number, player in enumerate(order, 1)], standing


def _set_off(stage: _Stage, native: Native) -> bool:
    """Let an object of the ground pass its own place at some time of the video."""
    for _ in range(_TRIES):
        path = stage.path_from(native.actor, native.pose, stage.rng.uniform(0, stage.options.duration_s))
        if stage.clear(native.actor, path):
            stage.add(native.actor, path, painted=True)
            return True
    return False


def _guest(stage: _Stage, guests: Sequence[Actor], angle: float) -> Actor:
    """Choose an object of a class that the ground has, or an aircraft or a vehicle where it has none."""
    rng = stage.rng
    classes = sorted({n.actor.class_name for n in stage.ground.natives if n.actor.class_name in _BUILDERS})
    classes = classes or ["airplane", "vehicle"]
    fitting = [actor for actor in guests if actor.class_name in classes] or guests
    if fitting:
        return fitting[int(rng.integers(len(fitting)))]
    cos, sin = math.cos(angle), math.sin(angle)
    x, y = stage.ground.sun
    builder, lengths_m = _BUILDERS[classes[int(rng.integers(len(classes)))]]
    size = float(np.exp(rng.uniform(*np.log(lengths_m)))) / stage.gsd_m
    size = float(np.clip(size, *stage.options.object_px))
    return built(builder, size, (x * cos + y * sin, y * cos - x * sin), stage.ground.psf_px, rng)


def _invite(stage: _Stage, guests: Sequence[Actor]) -> None:
    """Put a further object anywhere in the frame, if there is room."""
    rng = stage.rng
    x0, y0, x1, y1 = stage.area.bounds
    angle = float(rng.uniform(0, 2 * math.pi))
    actor = _guest(stage, guests, angle)
    moves = rng.random() < stage.options.motion.moving_share
    for _ in range(_TRIES):
        pose = Pose(float(rng.uniform(x0, x1)), float(rng.uniform(y0, y1)), 1.0, angle)
        path = stage.path_from(actor, pose, rng.uniform(0, stage.options.duration_s))
        path = path if moves else replace(path, speed_px_s=0.0)
        if stage.clear(actor, path):
            stage.add(_shown(stage.ground, actor, pose), path, painted=True)
            return


def _cross(stage: _Stage, guests: Sequence[Actor]) -> None:
    """Lead a further object over the place where a moving one is at the same time."""
    rng = stage.rng
    others = [player for player in stage.players if player.path.moves]
    if not others:
        return
    other = others[int(rng.integers(len(others)))]
    time = float(rng.uniform(0.2, 0.8)) * stage.options.duration_s
    there = other.path.at(time)
    angle = there.angle + math.radians(rng.uniform(40, 140)) * (1 if rng.random() < 0.5 else -1)
    actor = _guest(stage, guests, angle)
    aside = rng.uniform(-0.25, 0.25) * min(other.actor.size_px)
    pose = Pose(there.x + aside, there.y + aside, 1.0, angle)
    path = stage.path_from(actor, pose, time)
    stage.add(_shown(stage.ground, actor, pose), path, painted=True)


def _shown(ground: Ground, actor: Actor, pose: Pose) -> Actor:
    """Light a guest as its new surroundings are, and keep it apart from them enough to be seen."""
    rows, columns = ground.rgb.shape[:2]
    reach = max(int(actor.radius_px), 4)
    x, y = int(np.clip(pose.x, 0, columns - 1)), int(np.clip(pose.y, 0, rows - 1))
    around = ground.rgb[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1].mean(
        axis=(0, 1)
    )
    gain = float(np.clip(ground.rgb.mean() / 0.42, 0.75, 1.25))
    apart = actor.mean_colour() * gain - around
    strongest = float(np.abs(apart).max())
    shift = 0.0
    if strongest < _LEAST_CONTRAST:
        shift = (_LEAST_CONTRAST - strongest) * (-1.0 if around.mean() > 0.5 else 1.0)
    return actor.lit(gain, shift)
