"""Procedural scenes as training data, rendered once and kept on disk."""

from __future__ import annotations

import logging
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np

from ros_sam_core import synthetic
from training.kept_scenes import keep, kept
from training.scenes import Scene, SceneObject, build_pyramid
from training.state import make_folder

log = logging.getLogger(__name__)
SHAPE = (512, 512)
VERSION = 1
"""Part of the names of kept scenes: raise it with every change after which `ros_sam_core.synthetic`, or this
module, makes other scenes of the same seeds."""


def _file(cache: Path, seed: int) -> Path:
    return cache / f"scene{seed}-v{VERSION}.npz"


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
    keep(file, False, rgb=scene.rgb, boxes=np.array(boxes).reshape(-1, 4), **arrays)


def _load(file: Path, seed: int) -> Scene:
    with np.load(file) as data:
        objects = []
        for i, (x0, y0, x1, y1) in enumerate(data["boxes"].tolist()):
            height, width = y1 - y0, x1 - x0
            mask = np.unpackbits(data[f"mask{i}"])[: height * width].reshape(height, width)
            objects.append(SceneObject(mask, x0, y0, (x0, y0, x1, y1), "procedural", i))
        return Scene(build_pyramid(data["rgb"]), tuple(objects), str(seed))


def procedural_scenes(count: int, seed: int, cache: Path, workers: int = 2) -> list[Scene]:
    """Return `count` procedural scenes, rendering those that are not in the cache folder yet.

    Raises:
        OutputFailed: They cannot be kept there.
    """
    make_folder(cache, "data.cache")
    files = {seed * 1_000_000 + i: _file(cache, seed * 1_000_000 + i) for i in range(count)}
    missing = {number: file for number, file in files.items() if not file.exists()}
    if missing:
        log.info("rendering %d procedural scenes into %s", len(missing), cache)
        with ProcessPoolExecutor(workers) as pool:
            list(pool.map(_render, missing, missing.values(), chunksize=4))
    return [kept(f, partial(_load, f, number), partial(_render, number, f)) for number, f in files.items()]
