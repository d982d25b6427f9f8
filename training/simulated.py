"""Frames of simulated satellite video as training data, made once and kept on disk."""

from __future__ import annotations

import logging
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from training.kept_scenes import keep, kept
from training.scenes import Scene, build_pyramid, object_of
from training.simulate import SimulatedVideo, SimulateOptions, procedural_ground
from training.state import make_folder

log = logging.getLogger(__name__)
SIDE = 448
"""Side of a frame, pixels."""
FRAMES = 4
"""Frames that are taken of a video: far enough from each other to differ."""
EVERY = 6
KINDS = ("airport", "harbour", "road", "mixed")
VERSION = 2
"""Part of the names of kept frames: raise it with every change after which `training.simulate`, or this
module, makes other frames of the same numbers."""


def _make(number: int, folder: Path) -> None:
    ground = procedural_ground(number, (SIDE + 64, SIDE + 64), KINDS[number % len(KINDS)])
    options = SimulateOptions(frames=FRAMES * EVERY)
    video = SimulatedVideo(ground, options, seed=number)
    for index in range(FRAMES):
        scene = video.frame(index * EVERY).scene()
        arrays = {f"mask{i}": obj.mask for i, obj in enumerate(scene.objects)}
        keep(
            _file(folder, number, index),
            True,
            rgb=scene.rgb,
            corners=np.array([(o.x0, o.y0) for o in scene.objects], int).reshape(-1, 2),
            classes=np.array([o.class_name for o in scene.objects], dtype=str),
            tracks=np.array([o.id for o in scene.objects], int),
            **arrays,
        )


def _file(folder: Path, number: int, index: int) -> Path:
    return folder / f"video{number}-{index}-v{VERSION}.npz"


def _load(file: Path, number: int, index: int) -> Scene:
    with np.load(file) as data:
        objects = []
        for i, (x0, y0) in enumerate(data["corners"].tolist()):
            name, track = str(data["classes"][i]), int(data["tracks"][i])
            obj = object_of(data[f"mask{i}"], name, track, track, (x0, y0))
            assert obj is not None  # each has a pixel
            objects.append(obj)
        scene = Scene(build_pyramid(data["rgb"]), tuple(objects), f"simulated video {number}, frame {index}")
        return replace(scene, video=f"simulated {number}", frame=index)


def simulated_scenes(videos: int, first: int, cache: Path, workers: int = 2) -> list[Scene]:
    """Return frames of simulated videos, making those that are not in the cache folder yet.

    Args:
        videos: Number of videos; each gives a few frames.
        first: Number of the first one; the same number gives the same video.
        cache: Folder in which they are kept.
        workers: Processes that make them.

    Raises:
        OutputFailed: They cannot be kept there.
    """
    make_folder(cache, "data.cache")
    numbers = range(first, first + videos)
    missing = [n for n in numbers if not all(_file(cache, n, i).exists() for i in range(FRAMES))]
    if missing:
        log.info("simulating %d videos into %s", len(missing), cache)
        with ProcessPoolExecutor(workers) as pool:
            list(pool.map(_make, missing, [cache] * len(missing)))
    files = [(_file(cache, n, i), n, i) for n in numbers for i in range(FRAMES)]
    return [kept(f, partial(_load, f, n, i), partial(_make, n, cache)) for f, n, i in files]
