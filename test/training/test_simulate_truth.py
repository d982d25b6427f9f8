"""What a simulated video says is there is what its pixels show, whoever lies over whom."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from training.scenes import Scene, build_pyramid, object_of
from training.simulate import (
    Light,
    Motion,
    Platform,
    Sensor,
    SimulatedVideo,
    SimulateOptions,
    labelled_ground,
)

PLAIN = Sensor(blur_px=(0, 0), noise=(0, 0), look=0)
QUIET = Light(shadows=False, wakes=False, flicker=0)
STILL = Platform((0, 0), 0.0)


def labelled(shape: tuple[int, int], windows: list[tuple[slice, slice]], class_name: str = "ship") -> Scene:
    """Return a black image with an object in each window, each 20 grey levels from the one before."""
    rgb, objects = np.zeros((*shape, 3), np.uint8), []
    for number, window in enumerate(windows):
        mask = np.zeros(shape, bool)
        mask[window] = True
        rgb[mask] = 80 + 20 * number
        objects.append(object_of(mask, class_name, number))
    return Scene(build_pyramid(rgb), tuple(objects), "labelled")


@pytest.mark.parametrize("seed", range(3))
def test_who_is_painted_last_owns_the_pixels_of_labelled_ground(seed: int) -> None:
    """Ships too close to all leave: those that stay are on the ground picture, below every one that moves."""
    windows = [np.s_[y : y + 12, x : x + 24] for y in (20, 44, 68) for x in (20, 52, 84)]
    options = SimulateOptions(
        frames=8, fps=1, shape=(112, 128), objects=(0, 0), gsd_m=1.0, light=QUIET, sensor=PLAIN,
        platform=STILL, motion=Motion(moving_share=1.0, ship_mps=(8, 14)),
    )  # fmt: skip
    video = SimulatedVideo(labelled_ground(labelled((124, 144), windows)), options, seed)
    colours = np.array([255 * player.actor.mean_colour().mean() for player in video.players])
    assert [player.track for player in video.players] == list(range(1, len(windows) + 1))
    over = 0
    for frame in video:
        for obj in frame.objects:
            core = ndimage.binary_erosion(frame.labels == obj.track, iterations=2)
            nearest = np.abs(frame.rgb[core][:, :1] - colours).argmin(axis=1) + 1
            assert (nearest == obj.track).all()
            over += not video.players[obj.track - 1].painted and obj.seen < 0.9
    assert over
