"""COCO's object detection format, written as a stream."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import ArrayLike
from shapely.geometry import Polygon, box

from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.segments import ATTRIBUTES


def write_coco(out: Path, batches: Iterable[pa.RecordBatch], grid: Grid) -> None:
    """Write COCO's object detection format (https://cocodataset.org/#format-data), lengths in pixels.

    Args:
        out: the file to write.
        batches: segments, with the columns of `staging.schema`, in the CRS of the grid.
        grid: of the images.
    """
    images: dict[tuple[str, str], dict[str, Any]] = {}
    separator = "\n"
    with open(out, "w", encoding="utf-8") as file:
        file.write('{"info": {"description": "ROS-SAM segments"},\n"annotations": [')
        number = 0
        for batch in batches:
            for row in batch.to_pylist():
                number += 1
                file.write(separator + json.dumps(_annotation(number, row, images, grid)))
                separator = ",\n"
        categories = [{"id": 1, "name": "object", "supercategory": ""}]
        file.write(f'\n],\n"images": {json.dumps(list(images.values()))},\n')
        file.write(f'"categories": {json.dumps(categories)}}}\n')


def _annotation(
    number: int, row: dict[str, Any], images: dict[tuple[str, str], dict[str, Any]], grid: Grid
) -> dict[str, Any]:
    """Return one segment as COCO has it, and add its image to the images if it is new."""
    source, frame = row["source"], row["frame"]
    image = {"id": len(images) + 1, "file_name": source, "width": grid.width, "height": grid.height}
    image |= {"date_captured": row["time"], "frame": frame}
    shape = shapely.transform(shapely.from_wkb(row["geometry"]), grid.map_to_pixel)
    xmin, ymin, xmax, ymax = shape.bounds
    parts = [part for polygon in shapely.get_parts(shape) for part in without_holes(polygon)]
    return {
        "id": number,
        "image_id": images.setdefault((source, frame), image)["id"],
        "category_id": 1,
        "segmentation": [_numbers(shapely.get_coordinates(part.exterior)[:-1].ravel()) for part in parts],
        "area": round(shape.area, 4),
        "bbox": _numbers([xmin, ymin, xmax - xmin, ymax - ymin]),
        "iscrowd": 0,
        "score": row["score"],
        "attributes": {name: row[name] for name in ATTRIBUTES if name not in ("source", "frame", "time")},
    }


def _numbers(values: ArrayLike) -> list[float]:
    """Return pixels to a ten-thousandth, without negative zeros."""
    rounded: list[float] = (np.round(np.asarray(values, np.float64), 4) + 0.0).tolist()
    return rounded


def without_holes(polygon: Polygon) -> list[Polygon]:
    """Cut a polygon into parts without holes that make it up; COCO's polygons have none."""
    if not polygon.interiors:
        return [polygon]
    x = polygon.interiors[0].centroid.x
    xmin, ymin, xmax, ymax = polygon.bounds
    halves = [polygon.intersection(box(xmin, ymin, x, ymax)), polygon.intersection(box(x, ymin, xmax, ymax))]
    pieces = [piece for half in halves for piece in shapely.get_parts(half)]
    return [part for piece in pieces if isinstance(piece, Polygon) for part in without_holes(piece)]
