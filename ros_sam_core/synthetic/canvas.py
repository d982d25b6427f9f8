"""A float picture with noise at hand, and the few strokes that scenes are painted with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.fft

from ros_sam_core.synthetic.coverage import FloatImage, Ring, bounds, coverage, same_way

Colour = tuple[float, float, float]
"""Red, green, blue in 0..1."""

Points = npt.NDArray[np.float64]


def spectral_noise(
    rng: np.random.Generator,
    shape: tuple[int, int],
    weight: npt.NDArray[np.floating] | float = 1.0,
    slope: float = 1.0,
) -> FloatImage:
    """Draw Gaussian noise whose amplitude falls with frequency to the power of -slope.

    Args:
        rng: source of randomness.
        shape: rows and columns.
        weight: a further factor for each frequency, broadcast to the half spectrum.
        slope: 0 is white, 1 is cloudy detail at all scales, 2 is smooth hills.

    Returns:
        float32 [rows, columns], mean 0 and standard deviation 1.
    """
    radius = np.hypot(*frequencies(shape))
    radius[0, 0] = 1.0
    spectrum = scipy.fft.rfft2(rng.standard_normal(shape, np.float32)) * (radius**-slope * weight)
    spectrum[0, 0] = 0.0
    noise: FloatImage = scipy.fft.irfft2(spectrum.astype(np.complex64), s=shape)
    return noise / max(float(noise.std()), 1e-6)


def frequencies(shape: tuple[int, int]) -> tuple[FloatImage, FloatImage]:
    """Return vertical [rows, 1] and horizontal [1, half] frequencies in cycles a pixel."""
    vertical = np.fft.fftfreq(shape[0])[:, None].astype(np.float32)
    horizontal = np.fft.rfftfreq(shape[1])[None].astype(np.float32)
    return vertical, horizontal


@dataclass
class Canvas:
    """A picture being painted.

    Attributes:
        rgb: float32 [H, W, 3] in 0..1.
        fine: noise with much detail, float32 [H, W].
        coarse: noise of broad patches, float32 [H, W].
        sun: unit vector towards which shadows fall, x right, y down.
    """

    rgb: FloatImage
    fine: FloatImage
    coarse: FloatImage
    sun: tuple[float, float]
    shade: float = 0.5
    _shadow: FloatImage = field(init=False)
    _shaded: list[tuple[int, int, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._shadow = np.zeros(self.rgb.shape[:2], np.float32)

    @classmethod
    def blank(cls, rng: np.random.Generator, shape: tuple[int, int]) -> Canvas:
        """Make a grey canvas with fresh noise and a sun."""
        angle = rng.uniform(0, 2 * np.pi)
        return cls(
            rgb=np.full((*shape, 3), 0.5, np.float32),
            fine=spectral_noise(rng, shape, slope=0.8),
            coarse=spectral_noise(rng, shape, slope=1.5),
            sun=(float(np.cos(angle)), float(np.sin(angle))),
            shade=float(rng.uniform(0.35, 0.8)),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rgb.shape[0], self.rgb.shape[1]

    def paint(
        self, rings: Sequence[Ring], colour: Colour | FloatImage, alpha: float = 1.0, *, holes: bool = False
    ) -> None:
        """Paint rings in one colour, or in the colours of a picture as large as the canvas.

        Args:
            rings: pixel coordinates; taken as apart from each other unless `holes`.
            colour: red, green, blue, or float32 [H, W, 3].
            alpha: opacity in 0..1.
            holes: the rings are oriented already and some are holes.
        """
        x0, y0, x1, y1 = bounds(rings, self.shape)
        if x1 <= x0 or y1 <= y0:
            return
        share = coverage(rings if holes else same_way(rings), (y1 - y0, x1 - x0), (x0, y0))[..., None] * alpha
        part = self.rgb[y0:y1, x0:x1]
        paint = colour[y0:y1, x0:x1] if isinstance(colour, np.ndarray) else np.asarray(colour, np.float32)
        part += share * (paint - part)

    def blend(self, share: FloatImage, colour: Colour | FloatImage) -> None:
        """Mix a colour in by a share for each pixel, float32 [H, W]."""
        self.rgb += share[..., None] * (np.asarray(colour, np.float32) - self.rgb)

    def cast(self, rings: Sequence[Ring], height_px: float, *, lifted: bool = False) -> None:
        """Remember the shadow of an upright body; `settle` puts all shadows down at once.

        Args:
            rings: the body's oriented outline, pixel coordinates.
            height_px: the length of its shadow.
            lifted: the body stands above ground (an aircraft), so the shadow is apart from it.
        """
        steps = max(int(np.ceil(height_px / 2.0)), 1)
        sun = np.asarray(self.sun)
        times = np.linspace(0.55 if lifted else 0.0, 1.0, min(steps, 12) + 1)
        x0, y0, x1, y1 = bounds(rings, self.shape, margin=height_px + 1)
        if x1 <= x0 or y1 <= y0:
            return
        self._shaded.append((x0, y0, x1, y1))
        part = self._shadow[y0:y1, x0:x1]
        for time in times:
            moved = [ring + sun * (height_px * time) for ring in rings]
            np.maximum(part, coverage(moved, part.shape, (x0, y0)), out=part)

    def settle(self) -> None:
        """Darken the ground under all shadows that were cast since the last time."""
        if not self._shaded:
            return
        corners = np.array(self._shaded)
        (x0, y0), (x1, y1) = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
        tint = np.array([1.0, 0.96, 0.86], np.float32)
        shadow = self._shadow[y0:y1, x0:x1]
        self.rgb[y0:y1, x0:x1] *= 1 - shadow[..., None] * (self.shade * tint)
        shadow[:] = 0
        self._shaded.clear()
