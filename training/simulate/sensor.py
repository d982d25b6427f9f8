"""What one video's light and sensor make of its frames."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.simulate.options import Light, Sensor
from training.simulate.pixels import Picture, blur

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Camcorder:
    """One video's own way of seeing.

    Attributes:
        blur_px: Point spread.
        noise: Standard deviation.
        gain: float32 [3], colour cast and exposure.
        contrast: Around the middle grey.
        colour: 0 is grey, 1 as it is.
        gamma: Exponent.
        haze: Share of the veil.
        flicker: Standard deviation of the gain from frame to frame.
        jpeg: Quality, None is none.
        seed: Of noise and flicker.
    """

    blur_px: float
    noise: float
    gain: NDArray[np.float32]
    contrast: float
    colour: float
    gamma: float
    haze: float
    flicker: float
    jpeg: int | None
    seed: int

    @classmethod
    def draw(cls, sensor: Sensor, light: Light, seed: int) -> Camcorder:
        """Draw a video's own from the ranges."""
        rng = np.random.default_rng([seed, 41])
        look = sensor.look
        grey = rng.random() < 0.15 and look > 0
        cast = np.ones(3) if grey else 1 + look * rng.normal(0, 0.04, 3)
        exposure = np.exp(look * rng.normal(0, 0.15))
        return cls(
            blur_px=float(rng.uniform(*sensor.blur_px)),
            noise=float(rng.uniform(*sensor.noise)),
            gain=(cast * exposure).astype(np.float32),
            contrast=1 + look * float(rng.normal(0, 0.15)),
            colour=0.0 if grey else 1 + look * float(rng.uniform(-0.5, 0.15)),
            gamma=float(np.exp(look * rng.normal(0, 0.15))),
            haze=look * float(rng.uniform(0, 0.25)) if rng.random() < 0.3 else 0.0,
            flicker=light.flicker,
            jpeg=sensor.jpeg,
            seed=seed,
        )

    def expose(self, rgb: Picture, number: int) -> NDArray[np.uint8]:
        """Turn a painted frame, float32 [H, W, 3], into what the sensor delivers, uint8.

        Args:
            rgb: In 0..1; it may be changed.
            number: Of the frame; its noise and its flicker follow from it.
        """
        rng = np.random.default_rng([self.seed, number, 42])
        rgb = blur(rgb, self.blur_px)
        rgb += np.float32(self.haze) * (np.array([0.75, 0.78, 0.82], np.float32) - rgb)
        grey = (rgb @ _LUMA)[..., None]
        rgb = grey + np.float32(self.colour) * (rgb - grey)
        rgb = np.clip(rgb * self.gain, 0, 1.2, dtype=np.float32) ** np.float32(self.gamma)
        flicker = np.float32(1 + np.clip(rng.normal(0, 1), -3, 3) * self.flicker)
        rgb = ((rgb - 0.45) * np.float32(self.contrast) + 0.45) * flicker
        shared = rng.standard_normal(rgb.shape[:2], np.float32)[..., None]
        own = rng.standard_normal(rgb.shape, np.float32)
        rgb += np.float32(self.noise) * (0.7 * shared + 0.7 * own)
        pixels = (np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8)
        if self.jpeg is None:
            return pixels
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=self.jpeg)
        return np.array(Image.open(buffer))
