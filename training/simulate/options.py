"""The parameters of a simulated video: frozen, validated, units in their names."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ros_sam_core.errors import ConfigInvalid, CrsUnknown
from ros_sam_core.geo.crs import parse_crs

MOVABLE = ("airplane", "ship", "vehicle", "train")
"""Classes that may move; objects of other classes stay where they are."""


def _check_range(name: str, value: tuple[float, float], low: float, high: float = math.inf) -> None:
    if len(value) != 2 or not low <= value[0] <= value[1] <= high:
        upper = f" <= {high}" if high < math.inf else ""
        raise ConfigInvalid(f"{name} is {value}; give two numbers, {low} <= smaller <= larger{upper}")


def _check_number(name: str, value: float, low: float, high: float = math.inf) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        upper = f" to {high}" if high < math.inf else " or more"
        raise ConfigInvalid(f"{name} is {value}; it must be {low}{upper}")


@dataclass(frozen=True)
class Motion:
    """How objects move.

    Attributes:
        moving_share: Share of the movable objects that move; the others stand still.
        airplane_mps: Slowest and fastest airplane, metres a second.
        ship_mps: And ship.
        vehicle_mps: And vehicle.
        other_mps: And anything else that moves.
        turn_deg_s: Fastest turn, degrees a second.
        sway: Largest share by which the speed varies around its mean.
        crossings: Pairs of objects whose paths meet at one time, so that one hides a part of the other.
    """

    moving_share: float = 0.75
    airplane_mps: tuple[float, float] = (4.0, 60.0)
    ship_mps: tuple[float, float] = (2.0, 14.0)
    vehicle_mps: tuple[float, float] = (4.0, 28.0)
    other_mps: tuple[float, float] = (3.0, 30.0)
    turn_deg_s: float = 4.0
    sway: float = 0.2
    crossings: int = 0

    def __post_init__(self) -> None:
        _check_number("moving_share", self.moving_share, 0, 1)
        for name in ("airplane_mps", "ship_mps", "vehicle_mps", "other_mps"):
            _check_range(name, getattr(self, name), 0)
        _check_number("turn_deg_s", self.turn_deg_s, 0)
        _check_number("sway", self.sway, 0, 0.9)
        _check_number("crossings", self.crossings, 0)

    def speed_of(self, class_name: str) -> tuple[float, float]:
        """Return the slowest and the fastest speed of a class, metres a second."""
        return getattr(self, f"{class_name}_mps", self.other_mps)


@dataclass(frozen=True)
class Platform:
    """How the camera moves.

    Attributes:
        drift_px_s: Slowest and fastest drift of the frame over the ground, pixels a second.
        jitter_px: Standard deviation of each frame's own shift, pixels.
        roll_deg: Largest slow rotation of the frame, degrees.
        georeference: "exact": each frame's geotransform follows the camera. "nominal": every frame has that
            of a camera at rest, as in a video that nobody has stabilised; the truth stays in its place.
    """

    drift_px_s: tuple[float, float] = (0.0, 4.0)
    jitter_px: float = 0.15
    roll_deg: float = 0.0
    georeference: Literal["exact", "nominal"] = "exact"

    def __post_init__(self) -> None:
        _check_range("drift_px_s", self.drift_px_s, 0)
        _check_number("jitter_px", self.jitter_px, 0, 20)
        _check_number("roll_deg", self.roll_deg, 0, 45)
        if self.georeference not in ("exact", "nominal"):
            raise ConfigInvalid(f"georeference is {self.georeference!r}; use 'exact' or 'nominal'")


@dataclass(frozen=True)
class Light:
    """Sun and clouds.

    Attributes:
        shadows: Moving objects cast shadows.
        wakes: Ships under way trail foam, which is no part of them.
        flicker: Standard deviation of the brightness from frame to frame, as a share.
        cloud_shadows: Shadows of clouds that pass over the frame.
    """

    shadows: bool = True
    wakes: bool = True
    flicker: float = 0.01
    cloud_shadows: int = 0

    def __post_init__(self) -> None:
        _check_number("flicker", self.flicker, 0, 0.5)
        _check_number("cloud_shadows", self.cloud_shadows, 0)


@dataclass(frozen=True)
class Sensor:
    """What stands between the ground and the file; each video draws its own from these ranges.

    Attributes:
        blur_px: Standard deviation of the point spread, pixels.
        noise: Standard deviation of the noise, as a share of the full range.
        look: Strength of the video's own haze, contrast, colour and gamma; 0 leaves the ground as it is.
        jpeg: Quality of the compression of every frame, 1 to 100; None compresses nothing.
    """

    blur_px: tuple[float, float] = (0.3, 0.8)
    noise: tuple[float, float] = (0.002, 0.015)
    look: float = 0.7
    jpeg: int | None = None

    def __post_init__(self) -> None:
        _check_range("blur_px", self.blur_px, 0, 10)
        _check_range("noise", self.noise, 0, 0.5)
        _check_number("look", self.look, 0, 2)
        if self.jpeg is not None:
            _check_number("jpeg", self.jpeg, 1, 100)


@dataclass(frozen=True)
class SimulateOptions:
    """A simulated video.

    Attributes:
        frames: Number of frames.
        fps: Frames a second.
        shape: Rows and columns of a frame; less where the background is too small.
        gsd_m: Ground sample distance of a background whose georeference does not tell it, metres; None takes
            what the lengths of its aircraft and vehicles say, and 1 where there are none.
        objects: Fewest and most objects in the frame. Those of the background are all kept; where they are
            fewer than the number drawn, others are put beside them.
        object_px: Shortest and longest longer side of procedural objects, pixels.
        occluders: Bridges that hide what passes under them.
        start: Time of the first frame, ISO 8601; UTC where it names no zone.
        crs: CRS of a background that has none, a projected one.
        origin: Its upper left corner in that CRS.
        motion: How objects move.
        platform: How the camera moves.
        light: Sun and clouds.
        sensor: Blur, noise, colours.
    """

    frames: int = 20
    fps: float = 5.0
    shape: tuple[int, int] = (512, 512)
    gsd_m: float | None = None
    objects: tuple[int, int] = (8, 16)
    object_px: tuple[float, float] = (10.0, 90.0)
    occluders: int = 0
    start: str = "2025-06-01T10:00:00Z"
    crs: str = "EPSG:32633"
    origin: tuple[float, float] = (400_000.0, 5_800_000.0)
    motion: Motion = field(default_factory=Motion)
    platform: Platform = field(default_factory=Platform)
    light: Light = field(default_factory=Light)
    sensor: Sensor = field(default_factory=Sensor)

    def __post_init__(self) -> None:
        _check_number("frames", self.frames, 1)
        _check_number("fps", self.fps, 1e-4, 1e4)
        if len(self.shape) != 2 or min(self.shape) < 64:
            raise ConfigInvalid(f"shape is {self.shape}; a frame needs 64 rows and columns at least")
        if self.gsd_m is not None:
            _check_number("gsd_m", self.gsd_m, 1e-3, 1e4)
        _check_range("objects", self.objects, 0)
        _check_range("object_px", self.object_px, 4, max(self.shape))
        _check_number("occluders", self.occluders, 0)
        try:
            datetime.fromisoformat(self.start)
        except ValueError as error:
            raise ConfigInvalid(f"start is {self.start!r}; give a time as 2025-06-01T10:00:00Z") from error
        try:
            projected = parse_crs(self.crs).is_projected
        except CrsUnknown:
            projected = False
        if not projected:
            raise ConfigInvalid(f"crs is {self.crs!r}; give a projected CRS, such as EPSG:32633")

    @property
    def duration_s(self) -> float:
        """Time from the first frame to the last, seconds."""
        return (self.frames - 1) / self.fps
