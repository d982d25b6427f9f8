"""COCO instances: polygons, and run-length encoding plain or compressed; also of videos.

Images of a video have `video_id` (named by the table `videos`) and `frame_id`; annotations `track_id` or
`instance_id`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine

from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.vectorize import rasterize, tidy
from training.readers.images import clip, keep_scene, open_image, wanted
from training.readers.ledger import Ledger
from training.readers.names import Told, place, steps
from training.readers.spec import DatasetSpec
from training.readers.vertices import guess_vertices
from training.rle import decode_columns
from training.scenes import DatasetError, Scene, SceneObject, object_of, polygons_to_object


@dataclass(frozen=True)
class _Labels:
    """A file of annotations, sorted by image."""

    path: Path
    images: list[dict[str, Any]]
    classes: dict[Any, str]
    videos: dict[Any, str]
    annotations: dict[Any, list[dict[str, Any]]]


def read_coco_set(spec: DatasetSpec, ledger: Ledger, told: Told) -> Iterator[Scene]:
    """Read a COCO file; see `training.readers.open_dataset`."""
    path = Path(spec.path)
    labels = _read(path, ledger)
    vertices = _vertices(labels, spec, ledger)
    folder = Path(spec.images) if spec.images else path.parent / "images"
    for entry in steps(labels.images, told):
        file = folder / entry["file_name"]
        try:
            image = open_image(file, spec.bands, spec.stretch)
        except DatasetError as error:
            reason = str(error).removeprefix(f"{file} ")
            ledger.fault("corrupt image", f"{file}, named in {path}", "", reason)
            continue
        shape = image.pyramid.shape
        said = (entry.get("height", shape[0]), entry.get("width", shape[1]))
        if said != shape:
            reason = f"is {shape[1]} x {shape[0]}, but {path} says {said[1]} x {said[0]}"
            ledger.fault("size of image", file, "", reason)
            continue
        objects = tuple(_objects(labels, entry["id"], shape, vertices, spec, ledger))
        if "video_id" in entry:
            try:
                video = labels.videos.get(entry["video_id"], str(entry["video_id"]))
                frame = int(entry.get("frame_id", entry.get("frame_index", -1)))
            except (TypeError, ValueError, OverflowError) as error:
                reason = f"its video_id or frame_id in {path} is no good: {error}"
                ledger.fault("no video", file, "", reason)
                continue
        else:
            video, frame = place(Path(entry["file_name"]), spec, file, ledger)
        time = entry.get("date_captured") or image.time
        scene = Scene(image.pyramid, objects, str(entry["file_name"]), video, frame, time, image.grid)
        if kept := keep_scene(scene, file, spec, ledger):
            yield kept


def _read(path: Path, ledger: Ledger) -> _Labels:
    try:
        data = json.loads(path.read_text())
        images = sorted(data["images"], key=lambda i: i["id"])
        by_image: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in images}
        classes = {c["id"]: str(c["name"]) for c in data["categories"]}
        videos = {v["id"]: str(v.get("name", v["id"])) for v in data.get("videos", ())}
        strangers = []
        for annotation in data["annotations"]:
            group = by_image.get(annotation["image_id"])
            (strangers if group is None else group).append(annotation)
        for image in images:
            if not isinstance(image["file_name"], str):
                raise TypeError(f"image {image['id']} has no file_name")
        if len(by_image) < len(images):
            raise ValueError("two images have the same id")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path} cannot be read as COCO instances: {error!r}") from error
    for a in strangers:
        reason = f"its image_id {a['image_id']!r} is none of the images"
        ledger.fault("missing image", path, f"annotation {a.get('id')}", reason)
    return _Labels(path, images, classes, videos, by_image)


def _vertices(labels: _Labels, spec: DatasetSpec, ledger: Ledger) -> str:
    """Return what polygons' vertices are, and take note of it where the file decides."""
    drawn = [a for group in labels.annotations.values() for a in group if _has_polygons(a)]
    if spec.vertices != "auto" or not drawn:
        return spec.vertices
    vertices = guess_vertices(drawn)
    what = {
        "centres": "centres of outermost pixels, as the stated areas and boxes have them",
        "corners": "continuous coordinates, as COCO's own tools take them",
    }
    ledger.notes.append(f'vertices of polygons are read as "{vertices}": {what[vertices]}')
    return vertices


def _has_polygons(annotation: dict[str, Any]) -> bool:
    return not annotation.get("iscrowd") and isinstance(annotation.get("segmentation"), list)


def _objects(
    labels: _Labels,
    image_id: Any,
    shape: tuple[int, int],
    vertices: str,
    spec: DatasetSpec,
    ledger: Ledger,
) -> Iterator[SceneObject]:
    for number, annotation in enumerate(labels.annotations[image_id]):
        own = annotation.get("id", number)
        item = f"annotation {own}"
        if annotation.get("iscrowd"):
            ledger.left_out["crowd regions"] += 1
            continue
        category = annotation.get("category_id")
        if not isinstance(category, int | float | str) or category not in labels.classes:
            reason = f"its category_id {category!r} is none of the categories"
            ledger.fault("unknown class", labels.path, item, reason)
            continue
        name = labels.classes[category]
        if not wanted(name, labels.path, item, spec, ledger):
            continue
        segmentation = annotation.get("segmentation")
        if not segmentation:
            ledger.fault("missing mask", labels.path, item, f"{name} without a segmentation", name)
            continue
        track = annotation.get("track_id", annotation.get("instance_id", -1))
        try:
            obj = _object(segmentation, shape, vertices, name, int(own), int(track))
        except (ValueError, TypeError, OverflowError) as error:
            ledger.fault("corrupt mask", labels.path, item, str(error))
            continue
        if kept := clip(obj, shape, labels.path, item, ledger):
            yield kept


def _object(
    segmentation: Any, shape: tuple[int, int], vertices: str, name: str, own: int, track: int
) -> SceneObject | None:
    """Decode a segmentation; None where it has no pixel."""
    if isinstance(segmentation, dict):
        part, first, size = decode_columns(segmentation)
        if size != shape:
            raise ValueError(
                f"its mask is {size[1]} x {size[0]}, the image {shape[1]} x {shape[0]}; "
                "masks must be of the image's size"
            )
        return object_of(part, name, own, track, (first, 0))
    rings = [np.asarray(ring, float).reshape(-1, 2) for ring in segmentation]
    rings = [ring for ring in rings if len(ring) >= 3]
    if not rings:
        raise ValueError("its segmentation has no polygon of three vertices")
    if not all(np.isfinite(ring).all() for ring in rings):
        raise ValueError("its segmentation holds a coordinate that is no number")
    extent = np.ptp(np.concatenate(rings), axis=0)
    if extent.max() > 4 * max(shape):
        raise ValueError(f"its segmentation is {extent.max():g} px long, the image {max(shape)}")
    if vertices == "centres":
        obj = polygons_to_object([ring.ravel().tolist() for ring in rings], name, own)
        return object_of(obj.mask, name, own, track, (obj.x0, obj.y0)) if obj else None
    return object_in_pixels(
        shapely.union_all([shapely.make_valid(shapely.Polygon(r)) for r in rings]), name, own, track
    )


def object_in_pixels(
    geometry: shapely.Geometry, class_name: str, id: int = -1, track: int = -1
) -> SceneObject | None:
    """Rasterise a polygon in continuous pixel coordinates; None where it holds no pixel's centre."""
    shape = tidy(geometry)
    if shape is None:
        return None
    x0, y0 = (int(v) for v in np.floor(shape.bounds[:2]))
    x1, y1 = (int(v) for v in np.ceil(shape.bounds[2:]))
    window = Grid((max(y1 - y0, 1), max(x1 - x0, 1)), Affine.translation(x0, y0))
    return object_of(rasterize(shape, window), class_name, id, track, (x0, y0))
