"""Write scenes as COCO instances; frames of videos as COCO-video: `video_id`, `frame_id`, `track_id`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from training.release_writer import write_json
from training.rle import encode_rle
from training.scenes import Scene, SceneObject


def annotation_of(obj: SceneObject, shape: tuple[int, int]) -> dict[str, Any]:
    """Return an object as COCO has it, but for `image_id` and `category_id`; masks are compressed RLE."""
    xmin, ymin, xmax, ymax = obj.box
    annotation: dict[str, Any] = {
        "id": obj.id,
        "segmentation": encode_rle(obj.frame_mask(shape)),
        "bbox": [xmin, ymin, xmax - xmin, ymax - ymin],
        "area": int(obj.mask.sum()),
        "iscrowd": 0,
    }
    return annotation | ({"track_id": obj.track} if obj.track >= 0 else {})


class CocoFile:
    """A COCO file in the making.

    Args:
        info: What is said of it under `info`.
    """

    def __init__(self, info: Mapping[str, Any] | None = None) -> None:
        self.info = dict(info or {})
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._categories: dict[str, int] = {}
        self._videos: dict[str, int] = {}
        self._taken: set[int] = set()
        self._next = 1

    def add_image(
        self, name: str, shape: tuple[int, int], video: str = "", frame: int = -1, time: str | None = None
    ) -> int:
        """Add an image and return its number."""
        image: dict[str, Any] = {"id": len(self._images) + 1, "file_name": name}
        image |= {"height": shape[0], "width": shape[1]}
        if video:
            image |= {"video_id": self._videos.setdefault(video, len(self._videos) + 1), "frame_id": frame}
        if time:
            image["date_captured"] = time
        self._images.append(image)
        return int(image["id"])

    def add(self, image: int, class_name: str, annotation: dict[str, Any]) -> None:
        """Add an annotation of an image; it gets a number where its own is negative, or taken."""
        category = self._categories.setdefault(class_name, len(self._categories) + 1)
        number = annotation.get("id", -1)
        if number < 0 or number in self._taken:
            self._next = number = next(i for i in count(self._next) if i not in self._taken)
        self._taken.add(number)
        self._annotations.append(
            annotation
            | {
                "id": number,
                "image_id": image,
                "category_id": category,
            }
        )

    def write(self, path: Path) -> None:
        """Write the file; it is whole at every moment."""
        value: dict[str, Any] = {"info": self.info, "images": self._images}
        if self._videos:
            value["videos"] = [{"id": number, "name": name} for name, number in self._videos.items()]
        value["annotations"] = self._annotations
        value["categories"] = [{"id": number, "name": name} for name, number in self._categories.items()]
        write_json(path, value)


def write_coco(path: Path, scenes: Iterable[Scene]) -> None:
    """Write scenes as COCO instances; images are named, not written."""
    file = CocoFile()
    for scene in scenes:
        image = file.add_image(scene.name, scene.shape, scene.video, scene.frame, scene.time)
        for obj in scene.objects:
            file.add(image, obj.class_name, annotation_of(obj, scene.shape))
    file.write(path)
