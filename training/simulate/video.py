"""A simulated video: every frame with the exact truth, by number or as an iterator."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from shapely import affinity
from shapely.geometry import Polygon

from ros_sam_core.geo.grid import Grid
from ros_sam_core.synthetic.canvas import spectral_noise
from ros_sam_core.synthetic.coverage import bounds, coverage, rings_of
from training.scenes import Scene, SceneObject, build_pyramid, object_of
from training.simulate.actors import LEAST_SEEN_PX, Actor, Outline
from training.simulate.choreography import Player, cast_players
from training.simulate.ground import Ground
from training.simulate.motion import Camera, Matrix, after, inverse, margin_px, on_the_ground
from training.simulate.options import SimulateOptions
from training.simulate.painting import (
    Occluder,
    moved,
    paint_actor,
    paint_occluder,
    paint_wake,
    polygons_of,
    shade,
    shadow_outline,
)
from training.simulate.pixels import Picture, spline, warp
from training.simulate.sensor import Camcorder


@dataclass(frozen=True)
class SimulatedObject:
    """One object in one frame. Geometries are in the frame's pixels, x right, y down.

    Attributes:
        track: Its number, the same in every frame.
        class_name: The label.
        outline: All of it, also what is hidden or beyond the frame.
        visible: What is seen of it.
        pixels: The pixels of which it is seen on more than half, at least one.
        speed_mps: Metres a second on the ground.
        heading_deg: Of its motion, clockwise from the north of the CRS; of its front while it stands.
    """

    track: int
    class_name: str
    outline: Outline
    visible: Outline
    pixels: SceneObject
    speed_mps: float
    heading_deg: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The tight box of its mask: xmin, ymin, xmax, ymax, continuous pixels."""
        return self.pixels.box

    @property
    def seen(self) -> float:
        """Share of the object that is seen."""
        return float(self.visible.area / self.outline.area)

    def coverage(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return the share of each pixel that is seen of it, float32 [H, W]."""
        return coverage(rings_of(self.visible), shape)

    def mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the pixels of which it is seen on more than half, bool [H, W]."""
        return self.pixels.frame_mask(shape)


@dataclass(frozen=True)
class SimulatedFrame:
    """One frame.

    Attributes:
        number: From 0.
        time: UTC, ISO 8601.
        rgb: uint8 [H, W, 3].
        grid: The frame's georeference, as its file has it.
        true_grid: Where the frame really lies; the same unless the georeference is "nominal".
        objects: What is seen on it.
    """

    number: int
    time: str
    rgb: NDArray[np.uint8]
    grid: Grid
    true_grid: Grid
    objects: tuple[SimulatedObject, ...]

    @property
    def labels(self) -> NDArray[np.int32]:
        """The track of each pixel, 0 where there is none, int32 [H, W]."""
        image = np.zeros(self.grid.shape, np.int32)
        for obj in self.objects:
            image[obj.mask(image.shape)] = obj.track
        return image

    def scene(self, name: str = "simulated") -> Scene:
        """Return the frame as a labelled scene, as training reads them."""
        return Scene(
            build_pyramid(self.rgb),
            tuple(obj.pixels for obj in self.objects),
            f"{name}, frame {self.number}",
            name,
            self.number,
            self.time,
            self.grid,
        )


class SimulatedVideo:
    """A video that is made as it is asked for: `frame(i)` needs no frame before it.

    Args:
        ground: What the camera looks at.
        options: Of the video.
        seed: The same ground, options, guests and seed give the same bytes.
        guests: Objects of other images that may be put on this ground; procedural ones where there are none.
    """

    def __init__(
        self,
        ground: Ground,
        options: SimulateOptions | None = None,
        seed: int = 0,
        guests: Sequence[Actor] = (),
    ) -> None:
        self.options = options or SimulateOptions()
        self.ground, self.seed = ground, seed
        self.ground_grid = ground.grid_of(self.options)
        self.gsd_m = self.ground_grid.gsd_m or self.options.gsd_m or ground.gsd_m or 1.0
        self.camera = self._camera()
        self.shape = self.camera.shape
        self.players, standing = cast_players(
            ground, guests, self.options, self.ground_grid, self.gsd_m, self.camera, seed
        )
        self._picture = spline(ground.with_standing(standing))
        self._sensor = Camcorder.draw(self.options.sensor, self.options.light, seed)
        rng = np.random.default_rng([seed, 51])
        self._occluders = [self._bridge(rng) for _ in range(self.options.occluders)]
        self._wake = {p.track: float(rng.uniform(0.2, 0.6)) for p in self.players}
        self._start = datetime.fromisoformat(self.options.start)

    def __len__(self) -> int:
        return self.options.frames

    def __iter__(self) -> Iterator[SimulatedFrame]:
        return (self.frame(number) for number in range(len(self)))

    def time_of(self, number: int) -> str:
        """Return when a frame is taken, UTC, ISO 8601 with milliseconds."""
        start = self._start if self._start.tzinfo else self._start.replace(tzinfo=UTC)
        time = start.astimezone(UTC) + timedelta(seconds=number / self.options.fps)
        return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def frame(self, number: int) -> SimulatedFrame:
        """Make a frame.

        Raises:
            IndexError: There is no frame of that number.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"frame {number} is none of 0 to {len(self) - 1}")
        time_s = number / self.options.fps
        to_ground = self.camera.to_ground(number, time_s)
        rgb = self._painted(time_s, to_ground)
        true_grid = self._grid(to_ground)
        exact = self.options.platform.georeference == "exact"
        grid = true_grid if exact else self._grid(self.camera.at_rest)
        objects = tuple(self._truth(time_s, to_ground))
        return SimulatedFrame(
            number, self.time_of(number), self._sensor.expose(rgb, number), grid, true_grid, objects
        )

    def map_outline(self, player: Player, time_s: float) -> Outline:
        """Return an object's whole outline in the CRS of the ground."""
        outline = player.outline(player.path.at(time_s))
        return shapely.transform(outline, self.ground_grid.pixel_to_map)

    def _camera(self) -> Camera:
        options = self.options
        rows, columns = self.ground.rgb.shape[:2]
        margin = margin_px(options.platform, options.shape, options.duration_s)
        shape = (min(options.shape[0], rows - 2 * margin), min(options.shape[1], columns - 2 * margin))
        if min(shape) < 64:
            shape = (min(options.shape[0], rows), min(options.shape[1], columns))
        rng = np.random.default_rng([self.seed, 52])
        room = np.maximum(np.array([columns - shape[1], rows - shape[0]]) / 2 - margin, 0)
        aim = rng.uniform(-1, 1, 2) * room
        movable = [n.pose for n in self.ground.natives if n.movable]
        if movable:  # something that may move is in sight
            pose = movable[int(rng.integers(len(movable)))]
            off = rng.uniform(-0.3, 0.3, 2) * (shape[1], shape[0])
            aim = np.clip(np.array([pose.x - columns / 2, pose.y - rows / 2]) + off, -room, room)
        x, y = np.array([columns, rows]) / 2 + aim
        angle, speed = rng.uniform(0, 2 * math.pi), rng.uniform(*options.platform.drift_px_s)
        return Camera(
            shape,
            (float(x), float(y)),
            (speed * math.cos(angle), speed * math.sin(angle)),
            options.duration_s / 2,
            options.platform.jitter_px,
            math.radians(options.platform.roll_deg) * float(rng.choice([-1, 1])),
            self.seed,
        )

    def _grid(self, to_ground: Matrix) -> Grid:
        a, b, c, d, e, f = to_ground.ravel()
        return Grid(self.shape, self.ground_grid.transform @ Affine(a, b, c, d, e, f), self.ground_grid.crs)

    def _painted(self, time_s: float, to_ground: Matrix) -> Picture:
        light, psf_px = self.options.light, self.ground.psf_px
        frame = np.clip(warp(self._picture, to_ground, self.shape), 0, 1)
        to_frame = inverse(to_ground)
        placed = [(p, after(to_frame, p.path.at(time_s).to_ground)) for p in self.players if p.painted]
        reach = float(np.hypot(*self.shape))
        middle = np.array([self.shape[1], self.shape[0]]) / 2
        placed = [
            (p, m) for p, m in placed if np.hypot(*(m[:, 2] - middle)) < reach / 2 + 3 * p.actor.radius_px
        ]
        if light.wakes:
            for player, _ in placed:
                if player.actor.class_name == "ship":
                    paint_wake(frame, player, time_s, to_frame, self._wake[player.track])
        if light.shadows:
            sun = to_frame[:, :2] @ np.array(self.ground.sun)
            outlines = [shadow_outline(p, m, sun) for p, m in placed]
            shade(frame, [o for o in outlines if o is not None], self.ground.shade, psf_px)
        for player, matrix in placed:
            paint_actor(frame, player.actor, matrix, psf_px)
        for occluder in self._occluders:
            paint_occluder(frame, occluder, to_frame, psf_px)
        if light.cloud_shadows:
            frame *= 1 - self._clouds(time_s, to_ground)[..., None]
        return frame

    def _truth(self, time_s: float, to_ground: Matrix) -> Iterator[SimulatedObject]:
        to_frame = inverse(to_ground)
        inside = shapely.box(0, 0, self.shape[1], self.shape[0])
        hiding: list[Outline] = [moved(o.outline, to_frame) for o in self._occluders]
        states = [player.path.at(time_s) for player in self.players]
        places, angles = [(state.x, state.y) for state in states], [state.angle for state in states]
        metres, headings = on_the_ground(self.ground_grid, places, angles, self.gsd_m)
        found = []
        for index, player in reversed(list(enumerate(self.players))):
            state = states[index]
            outline = moved(player.actor.outline, after(to_frame, state.to_ground))
            if not outline.intersects(inside):
                continue
            visible = outline.intersection(inside)
            above = [shape for shape in hiding if shape.intersects(visible)]
            if above:
                visible = visible.difference(shapely.union_all(above))
            hiding.append(outline)
            visible = polygons_of(visible)
            pixels = _pixels(player, visible, self.shape)
            if visible.area < LEAST_SEEN_PX or pixels is None:
                continue
            found.append(
                SimulatedObject(
                    player.track,
                    player.actor.class_name,
                    outline,
                    visible,
                    pixels,
                    float(state.speed_px_s * metres[index]),
                    float(headings[index]),
                )
            )
        return reversed(found)

    def _bridge(self, rng: np.random.Generator) -> Occluder:
        """Lay a bridge across the frame, through the place of an object that moves, if there is one."""
        movers = [p for p in self.players if p.path.moves]
        x, y = self.camera.centre
        if movers:
            state = movers[int(rng.integers(len(movers)))].path.at(self.options.duration_s / 2)
            x, y = state.x, state.y
        reach = float(np.hypot(*self.ground.rgb.shape[:2]))
        width = float(rng.uniform(6, 18))
        angle = float(rng.uniform(0, math.pi))

        def band(low: float, high: float) -> Polygon:
            strip = shapely.box(-reach, low, reach, high)
            return affinity.translate(affinity.rotate(strip, angle, origin=(0, 0), use_radians=True), x, y)

        rails = shapely.union_all([band(-width / 2, -width / 2 + 1), band(width / 2 - 1, width / 2)])
        colour = np.full(3, rng.uniform(0.35, 0.7)) + rng.normal(0, 0.02, 3)
        return Occluder(band(-width / 2, width / 2), colour.astype(np.float32), rails)

    @cached_property
    def _cloud_field(self) -> Picture:
        """The shadows' strength over four times the frame's area, tiling, at a quarter of its resolution."""
        rng = np.random.default_rng([self.seed, 53])
        shape = (self.shape[0] // 2, self.shape[1] // 2)
        noise = spectral_noise(rng, shape, slope=2.2)
        share = min(0.12 * self.options.light.cloud_shadows, 0.6)
        edge = float(np.quantile(noise, 1 - share))
        return (0.5 * np.clip((noise - edge) * 2.5, 0, 1))[..., None].astype(np.float32)

    def _clouds(self, time_s: float, to_ground: Matrix) -> Picture:
        """Return how much of the light clouds take from each pixel, float32 [H, W]."""
        rng = np.random.default_rng([self.seed, 54])
        angle, speed = rng.uniform(0, 2 * math.pi), rng.uniform(5, 20) / self.gsd_m
        wind = np.array([math.cos(angle), math.sin(angle)]) * speed * time_s
        field = self._cloud_field
        shifted = np.column_stack([to_ground[:, :2] / 4, (to_ground[:, 2] - wind) / 4])
        rows, columns = field.shape[:2]
        shifted[:, 2] %= (columns, rows)
        tiled = np.tile(field, (2, 2, 1))
        return np.clip(warp(tiled, shifted, self.shape)[..., 0], 0, 1)


def _pixels(player: Player, visible: Outline, shape: tuple[int, int]) -> SceneObject | None:
    """Return the pixels of which an object is seen on more than half; None where there are none."""
    rings = rings_of(visible)
    x0, y0, x1, y1 = bounds(rings, shape)
    mask = coverage(rings, (y1 - y0, x1 - x0), (x0, y0)) > 0.5
    return object_of(mask, player.actor.class_name, player.track, player.track, (x0, y0))
