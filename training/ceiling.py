"""How far labels can be reproduced at all: `python -m training.ceiling --data train.json val.json`.

Images of one data set sometimes show the same ground, and then some objects were outlined twice by hand, on
the same pixels. How well the two outlines agree is what a person reaches against another person's label.
Three figures, by class:

- *second annotation*: IoU of the two masks, brought together by the images' own shift;
- *within the label's box*: the same after the second mask was stretched to the first one's box, as a box
  prompt tells a model where the label ends;
- *half resolution*: IoU of a mask with itself, reduced 2 times by area and enlarged again: what is lost by
  an outline that is only as fine as two pixels.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.feature import match_template
from skimage.transform import resize

from ros_sam_core.errors import RosSamError
from training.evaluation.metrics import mask_iou
from training.prepare import add_vertices_argument
from training.readers import DatasetSpec, open_dataset
from training.scenes import Scene, SceneObject
from training.validate import MOVERS

log = logging.getLogger(__name__)
LOOK_PX = 28
"""Side of the small picture by which objects are compared first."""
ALIKE, SAME_OBJECT, SAME_GROUND = 0.8, 0.9, 0.9
"""Least correlation of two small pictures, of an object's pixels, and of all that two images share."""
SEARCH_PX = 14
"""How far two boxes of the same object may lie apart."""
LEAST_SHARED_PX = 60
"""Images that share less than this in width or height are not compared."""


@dataclass(frozen=True)
class Twice:
    """An object that was annotated twice.

    Attributes:
        class_name: Its class.
        iou: IoU of its two masks.
        in_box: The same after the second was stretched to the first one's box.
    """

    class_name: str
    iou: float
    in_box: float


@dataclass(frozen=True)
class _Seen:
    scene: int
    obj: SceneObject
    look: NDArray[np.float32]


def _looks(scenes: Sequence[Scene], greys: Sequence[NDArray[np.float32]]) -> list[_Seen]:
    """Return a small normalised picture of each object that lies well inside its image."""
    seen = []
    for index, scene in enumerate(scenes):
        height, width = greys[index].shape
        for obj in scene.objects:
            x0, y0, x1, y1 = obj.box
            reach = 0.75 * max(x1 - x0, y1 - y0)
            left, top = int((x0 + x1) / 2 - reach), int((y0 + y1) / 2 - reach)
            right, bottom = left + int(2 * reach) + 1, top + int(2 * reach) + 1
            if left < 0 or top < 0 or right > width or bottom > height:
                continue
            window = greys[index][top:bottom, left:right]
            look = resize(window, (LOOK_PX, LOOK_PX), anti_aliasing=True).ravel()
            look = (look - look.mean()) / (LOOK_PX * (look.std() + 1e-6))
            seen.append(_Seen(index, obj, look.astype(np.float32)))
    return seen


def _shift(a: _Seen, b: _Seen, greys: Sequence[NDArray[np.float32]]) -> tuple[int, int] | None:
    """Return how far b's image lies from a's, x and y, where both show the same object; else None."""
    first, second = greys[a.scene], greys[b.scene]
    x0, y0, x1, y1 = (int(v) for v in a.obj.box)
    part = first[y0:y1, x0:x1]
    u0, v0 = max(0, int(b.obj.box[0]) - SEARCH_PX), max(0, int(b.obj.box[1]) - SEARCH_PX)
    around = second[v0 : int(b.obj.box[3]) + SEARCH_PX, u0 : int(b.obj.box[2]) + SEARCH_PX]
    if around.shape[0] < part.shape[0] or around.shape[1] < part.shape[1]:
        return None
    match = match_template(around, part)
    row, column = np.unravel_index(int(match.argmax()), match.shape)
    if match[row, column] < SAME_OBJECT:
        return None
    return u0 + int(column) - x0, v0 + int(row) - y0


def shared_ground(scenes: Sequence[Scene]) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """Yield the pairs of scenes that show the same ground, and how far the second lies from the first."""
    greys = [scene.rgb.astype(np.float32).mean(axis=2) for scene in scenes]
    seen = _looks(scenes, greys)
    if not seen:
        return
    looks = np.stack([s.look for s in seen])
    tried: dict[tuple[int, int], int] = defaultdict(int)
    found = set()
    for i, row in enumerate(looks @ looks.T):
        for j in np.flatnonzero(row[i + 1 :] > ALIKE) + i + 1:
            a, b = seen[i], seen[j]
            pair = (a.scene, b.scene)
            if a.scene == b.scene or a.obj.class_name != b.obj.class_name or pair in found or tried[pair] > 3:
                continue
            shift = _shift(a, b, greys)
            if shift is None:
                continue
            tried[pair] += 1
            (dx, dy), (first, second) = shift, (greys[a.scene], greys[b.scene])
            left, top = max(0, -dx), max(0, -dy)
            right = min(first.shape[1], second.shape[1] - dx)
            bottom = min(first.shape[0], second.shape[0] - dy)
            if min(right - left, bottom - top) < LEAST_SHARED_PX:
                continue
            mine = first[top:bottom, left:right].ravel()
            theirs = second[top + dy : bottom + dy, left + dx : right + dx].ravel()
            if np.corrcoef(mine, theirs)[0, 1] > SAME_GROUND:
                found.add(pair)
                yield (*pair, shift)


def _box_iou(a: Sequence[float], b: Sequence[float]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width * height / (areas - width * height)


def annotated_twice(scenes: Sequence[Scene]) -> list[Twice]:
    """Find the objects that two scenes show on the same ground, both labelled, and compare their masks."""
    found = []
    for i, j, (dx, dy) in shared_ground(scenes):
        first, second = scenes[i], scenes[j]
        for obj in first.objects:
            moved = (obj.box[0] + dx, obj.box[1] + dy, obj.box[2] + dx, obj.box[3] + dy)
            if min(moved[:2]) < 1 or moved[2] >= second.shape[1] or moved[3] >= second.shape[0]:
                continue
            same = [o for o in second.objects if o.class_name == obj.class_name]
            other = max(same, key=lambda o: _box_iou(moved, o.box), default=None)
            if other is None or _box_iou(moved, other.box) < 0.4:
                continue
            mine = np.zeros(second.shape, bool)
            rows, columns = np.nonzero(obj.frame_mask(first.shape))
            inside = (
                (rows + dy >= 0)
                & (rows + dy < second.shape[0])
                & (columns + dx >= 0)
                & (columns + dx < second.shape[1])
            )
            mine[rows[inside] + dy, columns[inside] + dx] = True
            stretched = resize(other.mask.astype(np.float32), obj.size, order=1) > 0.5
            found.append(
                Twice(
                    obj.class_name,
                    mask_iou(mine, other.frame_mask(second.shape)),
                    mask_iou(stretched, obj.mask > 0),
                )
            )
    return found


def half_resolution(mask: NDArray[np.uint8]) -> float:
    """Return the IoU of a mask [h, w] with itself reduced 2 times by area and enlarged again."""
    height, width = mask.shape
    even = np.pad(mask > 0, ((0, height % 2), (0, width % 2)))
    cells = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).mean(axis=(1, 3)) >= 0.5
    return mask_iou(np.kron(cells, np.ones((2, 2), bool))[:height, :width], mask > 0)


def as_markdown(scenes: Sequence[Scene], twice: Sequence[Twice]) -> str:
    """Write the three figures as a table, a row a class."""
    half: dict[str, list[float]] = defaultdict(list)
    for scene in scenes:
        for obj in scene.objects:
            half[obj.class_name].append(half_resolution(obj.mask))
    groups = {"all": list(half), ", ".join(MOVERS): list(MOVERS)} | {name: [name] for name in sorted(half)}
    lines = [
        "| objects | n | half resolution | annotated twice | second annotation | within the label's box |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, classes in groups.items():
        values = [v for c in classes for v in half.get(c, ())]
        pairs = [pair for pair in twice if pair.class_name in classes]
        if not values:
            continue
        cells = ["", ""]
        if pairs:
            cells = [f"{np.mean([p.iou for p in pairs]):.3f}", f"{np.mean([p.in_box for p in pairs]):.3f}"]
        lines.append(
            f"| {name} | {len(values)} | {np.mean(values):.3f} | {len(pairs)} | {cells[0]} | {cells[1]} |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.ceiling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="COCO instances files")
    add_vertices_argument(parser)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        specs = [DatasetSpec("coco", str(path), vertices=options.vertices) for path in options.data]
        scenes = [scene for spec in specs for scene in open_dataset(spec).scenes]
    except RosSamError as error:
        log.error("%s", error)
        return 2
    sys.stdout.write(as_markdown(scenes, annotated_twice(scenes)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
