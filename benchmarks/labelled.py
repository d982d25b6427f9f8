"""Images whose objects are known: of a COCO file, those that training sets aside, and procedural scenes."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ros_sam_core.synthetic import make_scene
from training.readers import read_coco
from training.scenes import split_scenes

KINDS = ("airport", "harbour", "road", "field", "mixed")
FIRST_SEED = 10_000
"""Of the procedural scenes; the bundled model was trained on others."""
SET_ASIDE = 0.08
"""The share that the bundled model's training set aside, with seed 0."""
SIDE = 512
"""Of a procedural scene, pixels."""


@dataclass
class Labelled:
    """An image and its objects: masks with their classes; `wanted` are those to be found."""

    rgb: NDArray[np.uint8]
    masks: list[NDArray[np.bool_]]
    classes: list[str]
    wanted: list[bool]


class CocoImages:
    """The images of a COCO file; `images/` lies beside it.

    VHR-10's polygons name the outermost pixels of an object, which belong to it.

    Args:
        path: Of the file.
        set_aside: Only those that training sets aside of it, so that parameters can be chosen on images that
            neither the model nor the published numbers have to do with.
        step: Only every so many of them.
    """

    def __init__(self, path: Path, *, set_aside: bool = False, step: int = 1) -> None:
        coco = json.loads(path.read_text())
        self._folder = path.parent / "images"
        self._names = {category["id"]: category["name"] for category in coco["categories"]}
        self._objects: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for annotation in coco["annotations"]:
            self._objects[annotation["image_id"]].append(annotation)
        self._images = coco["images"]
        if set_aside:
            names = {scene.name for scene in split_scenes(list(read_coco(path)), SET_ASIDE, seed=0)[1]}
            self._images = [image for image in self._images if image["file_name"] in names]
        self._images = self._images[::step]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images)

    def __getitem__(self, number: int) -> Labelled:
        """Read an image."""
        image = self._images[number]
        picture = Image.open(self._folder / image["file_name"]).convert("RGB")
        masks = []
        for annotation in self._objects[image["id"]]:
            mask = Image.new("1", picture.size)
            for ring in annotation["segmentation"]:
                ImageDraw.Draw(mask).polygon([*map(float, ring)], fill=1, outline=1)
            masks.append(np.array(mask))
        classes = [self._names[annotation["category_id"]] for annotation in self._objects[image["id"]]]
        return Labelled(np.array(picture), masks, classes, [True] * len(masks))


class ProceduralImages:
    """Scenes in which everything is labelled.

    Objects are wanted that are clear of the edge and not too small.

    Args:
        count: How many.
        shortest_px: Least length of a wanted object's box.
    """

    def __init__(self, count: int, shortest_px: float) -> None:
        self._count, self._shortest_px = count, shortest_px

    def __len__(self) -> int:
        """Return the number of scenes."""
        return self._count

    def __getitem__(self, number: int) -> Labelled:
        """Make a scene."""
        kind = KINDS[number % len(KINDS)]
        scene = make_scene(FIRST_SEED + number, shape=(SIDE, SIDE), kind=kind, object_px=(24, 120))
        wanted = []
        for instance in scene.instances:
            x0, y0, x1, y1 = instance.box
            clear = x0 > 1 and y0 > 1 and x1 < SIDE - 1 and y1 < SIDE - 1
            wanted.append(clear and max(x1 - x0, y1 - y0) >= self._shortest_px)
        masks = [scene.mask(i) for i in range(len(scene.instances))]
        return Labelled(scene.rgb, masks, [one.class_name for one in scene.instances], wanted)
