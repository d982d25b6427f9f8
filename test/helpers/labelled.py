"""Labelled images made up for tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image


def write_labels(folder: Path, count: int = 3) -> Path:
    """Write a COCO file of `count` images with a bright square each, so that there is something to learn."""
    (folder / "images").mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(count):
        rgb = rng.integers(0, 60, (80, 90, 3)).astype(np.uint8)
        x, y = 20 + 5 * i, 30
        rgb[y : y + 21, x : x + 21] = 220
        Image.fromarray(rgb).save(folder / "images" / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "width": 90, "height": 80})
        square = [x, y, x + 20, y, x + 20, y + 20, x, y + 20]
        told = {"area": 21 * 21, "bbox": [x, y, 21, 21], "iscrowd": 0}
        labels = {"id": i, "image_id": i, "category_id": 1 + i % 2, "segmentation": [square]}
        annotations.append(labels | told)
    categories = [{"id": 1, "name": "ship"}, {"id": 2, "name": "vehicle"}]
    path = folder / "labels.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path
