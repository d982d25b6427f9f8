"""Procedural scenes as training data, rendered once and kept on disk."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np

from ros_sam_core import synthetic
from training.scenes import Scene, SceneObject, build_pyramid

log = logging.getLogger(__name__)
SHAPE = (512, 512)


def _render(seed: int, file: Path) -> None:
    kinds = get_args(synthetic.SceneKind)
    scene = synthetic.make_scene(seed, shape=SHAPE, kind=kinds[seed % len(kinds)])
    boxes, masks = [], []
    for index in range(len(scene.instances)):
        mask = scene.mask(index)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if len(rows) and mask.sum() >= 20:
            y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
            boxes.append((x0, y0, x1, y1))
            masks.append(np.packbits(mask[y0:y1, x0:x1]))
    arrays = {f"mask{i}": mask for i, mask in enumerate(masks)}
    partial = file.with_suffix(f".{os.getpid()}.partial.npz")  # several trainings may render the same scene
    np.savez(partial, rgb=scene.rgb, boxes=np.array(boxes).reshape(-1, 4), **arrays)
    os.replace(partial, file)


def _load(file: Path) -> Scene:
    with np.load(file) as data:
        objects = []
        for i, (x0, y0, x1, y1) in enumerate(data["boxes"].tolist()):
            height, width = y1 - y0, x1 - x0
            mask = np.unpackbits(data[f"mask{i}"])[: height * width].reshape(height, width)
            objects.append(SceneObject(mask, x0, y0, (x0, y0, x1, y1), "procedural", i))
        return Scene(build_pyramid(data["rgb"]), tuple(objects), file.stem)


def procedural_scenes(count: int, seed: int, cache: Path, workers: int = 2) -> list[Scene]:
    """Return `count` procedural scenes, rendering those that are not in the cache folder yet."""
    cache.mkdir(parents=True, exist_ok=True)
    files = [cache / f"{seed * 1_000_000 + i}.npz" for i in range(count)]
    missing = [file for file in files if not file.exists()]
    if missing:
        log.info("rendering %d procedural scenes into %s", len(missing), cache)
        with ProcessPoolExecutor(workers) as pool:
            list(pool.map(_render, [int(file.stem) for file in missing], missing, chunksize=4))
    return [_load(file) for file in files]
