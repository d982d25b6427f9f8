"""Objects annotated twice are found by their pixels, and their masks compared on the same ground."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from training.ceiling import annotated_twice, as_markdown, half_resolution
from training.scenes import Scene, build_pyramid, object_of


def textured(seed: int) -> NDArray[np.uint8]:
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(220, 220, 3)), (2, 2, 0))
    return np.clip(128 + 300 * noise, 0, 255).astype(np.uint8)


def scene(rgb: NDArray[np.uint8], box: tuple[int, int, int, int], name: str) -> Scene:
    x0, y0, x1, y1 = box
    mask = np.zeros(rgb.shape[:2], bool)
    mask[y0:y1, x0:x1] = True
    obj = object_of(mask, "ship", id=1)
    assert obj is not None
    return Scene(build_pyramid(rgb, 1), (obj,), name)


def test_an_object_annotated_twice() -> None:
    ground = textured(0)
    # The second image starts 30 columns and 10 rows later; its annotator drew the ship 2 px longer.
    first = scene(ground[:180, :180].copy(), (80, 70, 120, 90), "first")
    second = scene(ground[10:190, 30:210].copy(), (50, 60, 92, 80), "second")
    elsewhere = scene(textured(1)[:180, :180].copy(), (80, 70, 120, 90), "elsewhere")
    scenes = [first, second, elsewhere]
    (found,) = annotated_twice(scenes)
    assert found.class_name == "ship"
    assert found.iou == 40 / 42
    assert found.in_box == 1.0
    assert f"| ship | 3 | 1.000 | 1 | {40 / 42:.3f} | 1.000 |" in as_markdown(scenes, [found])


def test_half_resolution_loses_what_is_one_pixel_wide() -> None:
    mask = np.zeros((8, 8), np.uint8)
    mask[:4] = 1
    assert half_resolution(mask) == 1.0
    mask[:] = 0
    mask[1:4] = 1
    assert half_resolution(mask) == 3 / 4
