"""Which images of a data set show ground that is trained on.

`python -m training.leakage --data val.json --against train.json`

Images are not independent because their names differ: one place is often shown several times, cut otherwise,
on another day or at another scale, and a model that was trained on one of these views may do better on the
others than elsewhere. Keypoints of each pair of images (SIFT, Lowe 2004, compared as Arandjelovic and
Zisserman 2012 do) are matched, and two images show the same ground where enough matches agree on one
similarity transform (shift, rotation and scale, by RANSAC). `--json FILE` writes the pairs, with the objects
on shared ground, which `python -m training.evaluate --without FILE` leaves out.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ros_sam_core.errors import RosSamError
from training.evaluate import make_folders
from training.evaluation.data import guess_spec
from training.readers import open_dataset
from training.scenes import Scene
from training.state import write_text

log = logging.getLogger(__name__)
KEYPOINTS = 800
"""Strongest keypoints of an image that are matched."""
RATIO = 0.75
"""Lowe's ratio: how near the best match is, of the distance of the second best."""
WITHIN_PX = 3.0
"""How far a match may lie from where the transform puts it."""
LEAST_MATCHES = 16
"""Matches that agree, for two images to show the same ground."""


@dataclass(frozen=True)
class Shared:
    """Two images that show the same ground.

    Attributes:
        index: Number of the scene.
        other: Number of the other one, of the scenes compared with.
        matches: Keypoints that agree.
        scale: Pixels of the first image a pixel of the other.
        objects: Numbers of the first scene's objects whose box's centre lies on the other image.
    """

    index: int
    other: int
    matches: int
    scale: float
    objects: frozenset[int]


@dataclass(frozen=True)
class _Keypoints:
    places: NDArray[np.float32]
    looks: NDArray[np.float32]


def _keypoints(scene: Scene) -> _Keypoints:
    """Return the strongest keypoints: places [n, 2], x and y in pixels; descriptors [n, 128] of length 1."""
    grey = cv2.cvtColor(scene.rgb, cv2.COLOR_RGB2GRAY)
    found, looks = cv2.SIFT_create(KEYPOINTS).detectAndCompute(grey, None)
    if looks is None:
        return _Keypoints(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    shares = np.sqrt(looks / np.maximum(looks.sum(axis=1, keepdims=True), 1e-6))
    return _Keypoints(np.array([point.pt for point in found], np.float32), shares.astype(np.float32))


def _similarity(first: _Keypoints, second: _Keypoints) -> tuple[NDArray[np.float64], int] | None:
    """Return the transform [2, 3] from the second image to the first and its matches, if they are enough."""
    if len(first.places) < LEAST_MATCHES or len(second.places) < LEAST_MATCHES:
        return None
    alike = first.looks @ second.looks.T
    rows = np.arange(len(alike))
    best, back = alike.argmax(axis=1), alike.argmax(axis=0)
    top = alike[rows, best].copy()
    alike[rows, best] = -1.0
    nearest = 1 - top < RATIO**2 * (1 - alike.max(axis=1))  # squared distances are 2 - 2 * alike
    # Of several keypoints that want the same one only the most alike counts.
    mutual = back[best] == rows
    chosen = np.flatnonzero(nearest & mutual)
    if len(chosen) < LEAST_MATCHES:
        return None
    cv2.setRNGSeed(0)
    mine, theirs = first.places[chosen], second.places[best[chosen]]
    found: tuple[Any, Any] = cv2.estimateAffinePartial2D(theirs, mine, ransacReprojThreshold=WITHIN_PX)
    matrix, agree = found
    if matrix is None or int(agree.sum()) < LEAST_MATCHES:
        return None
    return matrix, int(agree.sum())


def shared_ground(
    scenes: Sequence[Scene], others: Sequence[Scene], progress: Callable[[int, int], None] | None = None
) -> Iterator[Shared]:
    """Yield the pairs of images of two data sets that show the same ground.

    Args:
        scenes: The images in question.
        others: The images that they are compared with.
        progress: Told how many of `scenes` are done, and of how many.
    """
    known = [_keypoints(other) for other in others]
    for index, scene in enumerate(scenes):
        mine = _keypoints(scene)
        for number, theirs in enumerate(known):
            found = _similarity(mine, theirs)
            if found is None:
                continue
            matrix, matches = found
            scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
            yield Shared(index, number, matches, scale, _objects_on(scene, others[number], matrix))
        if progress is not None:
            progress(index + 1, len(scenes))


def _objects_on(scene: Scene, other: Scene, matrix: NDArray[np.float64]) -> frozenset[int]:
    """Return the numbers of a scene's objects that the other image shows as well."""
    back, (height, width) = cv2.invertAffineTransform(matrix), other.shape
    inside = set()
    for number, obj in enumerate(scene.objects):
        x0, y0, x1, y1 = obj.box
        x, y = back @ ((x0 + x1) / 2, (y0 + y1) / 2, 1.0)
        if 0 <= x < width and 0 <= y < height:
            inside.add(number)
    return frozenset(inside)


def as_markdown(scenes: Sequence[Scene], others: Sequence[Scene], pairs: Sequence[Shared]) -> str:
    """Write the pairs as a table, and in a line how many images and objects are concerned."""
    lines = [
        "| image | shows ground of | matches | scale | of its objects there |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for pair in pairs:
        scene = scenes[pair.index]
        objects = f"{len(pair.objects)} of {len(scene.objects)}"
        lines.append(
            f"| {scene.name} | {others[pair.other].name} | {pair.matches} | {pair.scale:.2f} | {objects} |"
        )
    images = {pair.index for pair in pairs}
    objects_there = {(pair.index, number) for pair in pairs for number in pair.objects}
    total = sum(len(scene.objects) for scene in scenes)
    lines += [
        "",
        f"{len(images)} of {len(scenes)} images show ground of the other data set, with it "
        f"{len(objects_there)} of {total} objects.",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.leakage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="the data set in question")
    parser.add_argument("--against", type=Path, required=True, help="the data set that is trained on")
    parser.add_argument("--json", type=Path, help="file for the pairs")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        make_folders(None, options.json)
        scenes, others = (open_dataset(guess_spec(path)).scenes for path in (options.data, options.against))
        pairs = list(shared_ground(scenes, others, _tell))
        sys.stdout.write(as_markdown(scenes, others, pairs) + "\n")
        if options.json:
            rows = [
                {
                    "image": scenes[pair.index].name,
                    "other": others[pair.other].name,
                    "matches": pair.matches,
                    "scale": pair.scale,
                    "objects": sorted(scenes[pair.index].objects[number].id for number in pair.objects),
                }
                for pair in pairs
            ]
            write_text(options.json, json.dumps(rows, indent=1))
    except RosSamError as error:
        log.error("%s", error)
        return 2
    return 0


def _tell(done: int, count: int) -> None:
    if done % 10 == 0 or done == count:
        log.info("image %d of %d", done, count)


if __name__ == "__main__":
    sys.exit(main())
