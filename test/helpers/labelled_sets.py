"""One made-up video data set, written in every layout that is read."""

from __future__ import annotations

import csv
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from pyproj import CRS
from rasterio import features

from ros_sam_core import synthetic
from ros_sam_core.geo.crs import transform_xy
from ros_sam_core.geo.grid import Grid
from training.coco_writer import CocoFile, annotation_of, write_coco
from training.release_writer import index_entry, write_frame, write_index
from training.scenes import Scene, build_pyramid, object_of

SATMTB = Path("../shared/data/satmtb_sample/airplane235.png")
SHAPE = (120, 160)
UTM = CRS.from_epsg(32633)
GRID = Grid(SHAPE, Affine(0.7, 0.05, 400_000, 0.05, -0.7, 5_800_000), UTM)


def make_scenes(videos: int = 2, frames: int = 3) -> list[Scene]:
    """Draw videos: one procedural scene each, that moves by a pixel a frame; no two objects touch."""
    scenes: list[Scene] = []
    seeds = iter(range(1000))
    for v in range(videos):
        masks: dict[int, NDArray[np.bool_]] = {}
        while len(masks) < 4:
            seed, shape = next(seeds), (SHAPE[0], SHAPE[1] + frames)
            drawn = synthetic.make_scene(seed, shape, "harbour", object_px=(12, 30))
            masks = _apart([drawn.mask(i) for i in range(len(drawn.instances))])
        for f in range(frames):
            part = np.s_[:, f : f + SHAPE[1]]
            objects = [
                object_of(mask[part], drawn.instances[i].class_name, id=i + 1, track=i + 1)
                for i, mask in masks.items()
            ]
            name = f"video{v}/frame_{f:04d}.png"
            kept = tuple(o for o in objects if o is not None)
            scenes.append(Scene(build_pyramid(drawn.rgb[part]), kept, name, f"video{v}", f))
    return scenes


def _apart(masks: list[NDArray[np.bool_]]) -> dict[int, NDArray[np.bool_]]:
    """Keep masks of one part and 12 pixels or more that do not touch those before them."""
    taken = np.zeros_like(masks[0]) if masks else None
    kept = {}
    for i, mask in enumerate(masks):
        grown = np.pad(mask, 1)
        near = np.lib.stride_tricks.sliding_window_view(grown, (3, 3)).any((2, 3))
        if mask.sum() >= 12 and not (near & taken).any():
            kept[i] = mask
            taken |= mask
    return kept


def write_images(folder: Path, scenes: list[Scene]) -> None:
    for scene in scenes:
        file = folder / scene.name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene.rgb).save(file)


def release(folder: Path, scenes: list[Scene]) -> dict[str, str]:
    entries = {}
    for scene in scenes:
        stem = scene.name.replace("/", "_").removesuffix(".png")
        write_frame(folder, stem, scene)
        entries[stem] = index_entry(scene)
    write_index(folder, entries)
    return {"layout": "release", "path": str(folder)}


def coco(folder: Path, scenes: list[Scene], kind: str = "rle") -> dict[str, str]:
    """Write COCO with masks as "rle", "plain" (uncompressed) or "polygons" of continuous coordinates."""
    write_images(folder / "images", scenes)
    path = folder / "labels.json"
    if kind == "rle":
        write_coco(path, scenes)
        return {"layout": "coco", "path": str(path)}
    file = CocoFile()
    for scene in scenes:
        image = file.add_image(scene.name, scene.shape, scene.video, scene.frame)
        for obj in scene.objects:
            full = obj.frame_mask(scene.shape)
            annotation = annotation_of(obj, scene.shape)
            if kind == "plain":
                annotation["segmentation"] = {"size": list(scene.shape), "counts": _runs(full)}
            else:
                annotation["segmentation"] = [
                    np.ravel(part.exterior.coords[:-1]).tolist() for part in _outlines(full)
                ]
            file.add(image, obj.class_name, annotation)
    file.write(path)
    return {"layout": "coco", "path": str(path), "vertices": "corners"}


def _runs(mask: NDArray[np.bool_]) -> list[int]:
    runs, last = [0], False
    for value in mask.T.ravel():
        if value != last:
            runs.append(0)
            last = value
        runs[-1] += 1
    return runs


def _outlines(mask: NDArray[np.bool_]) -> list[shapely.Polygon]:
    """Trace the edges of pixels; holes are cut open, since COCO's polygons have none."""
    from ros_sam_core.geo.coco import without_holes

    shapes = [shapely.geometry.shape(s) for s, v in features.shapes(mask.astype(np.uint8)) if v]
    return [part for shape in shapes for part in without_holes(shape)]


def labelled_frames(folder: Path, scenes: list[Scene], suffix: str = ".png") -> dict[str, str]:
    write_images(folder / "images", scenes)
    rows = {}
    for scene in scenes:
        values = np.zeros(scene.shape, np.uint16)
        for obj in scene.objects:
            values[obj.frame_mask(scene.shape)] = obj.id
            stem = scene.name.removesuffix(".png")
            rows[stem, obj.id] = obj.class_name
        file = (folder / "labels" / scene.name).with_suffix(suffix)
        file.parent.mkdir(parents=True, exist_ok=True)
        if suffix == ".png":
            Image.fromarray(values).save(file)
        else:
            profile = {"width": scene.shape[1], "height": scene.shape[0], "count": 1, "dtype": "uint16"}
            with rasterio.open(file, "w", driver="GTiff", **profile) as out:
                out.write(values, 1)
    with (folder / "classes.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["frame", "value", "name"])
        writer.writerows([frame, value, name] for (frame, value), name in rows.items())
    return {"layout": "frames", "path": str(folder / "labels"), "classes": str(folder / "classes.csv")}


def polygons(folder: Path, scenes: list[Scene], crs: str = "EPSG:4326") -> dict[str, str]:
    """Write georeferenced frames on a rotated grid, and the pixels' outlines in another CRS."""
    rows = []
    for scene in scenes:
        file = (folder / "images" / scene.name).with_suffix(".tif")
        file.parent.mkdir(parents=True, exist_ok=True)
        profile = {"width": SHAPE[1], "height": SHAPE[0], "count": 3, "dtype": "uint8"}
        place = {"crs": GRID.crs.to_wkt(), "transform": GRID.transform, "photometric": "RGB"}
        with rasterio.open(file, "w", driver="GTiff", **profile, **place) as out:
            out.write(np.moveaxis(scene.rgb, -1, 0))
        for obj in scene.objects:
            shapes = features.shapes(obj.frame_mask(scene.shape).astype(np.uint8))
            outline = shapely.union_all([shapely.geometry.shape(s) for s, v in shapes if v])
            outline = shapely.transform(
                outline, lambda xy: transform_xy(GRID.pixel_to_map(xy), UTM, CRS.from_user_input(crs))
            )
            frame = scene.name.removesuffix(".png")
            rows.append((obj.class_name, frame, obj.track, obj.id, outline))
    columns = ["class", "frame", "track", "id", "geometry"]
    table = geopandas.GeoDataFrame(rows, columns=columns, crs=crs)
    table.to_file(folder / "labels.gpkg", layer="labels")
    return {"layout": "polygons", "path": str(folder / "labels.gpkg"), "images": str(folder / "images")}
