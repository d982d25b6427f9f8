"""`ros-sam demo`: a made-up airport, outlined from boxes and compared with the truth."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
from affine import Affine
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from ros_sam_core.cli.overlay import draw_overlay
from ros_sam_core.cli.report import Report
from ros_sam_core.cli.request import SegmentRequest
from ros_sam_core.cli.segment import run_segment
from ros_sam_core.errors import OutputFailed
from ros_sam_core.geo.grid import Grid
from ros_sam_core.synthetic import Instance, SyntheticScene, make_scene

SHAPE = (768, 1024)
ORIGIN_M = (500_000.0, 5_300_000.0)
"""Easting and northing of the top left corner, on the central meridian of UTM zone 33 N."""
MIN_AREA_PX = 40.0
"""Objects that the picture's edge cuts down to less are no part of the demo."""


def run_demo(folder: Path, model: str, seed: int, report: Report) -> None:
    """Write a scene, box prompts, the polygons that they give and a picture, and tell how good they are.

    Args:
        folder: Where the files go; those of an earlier demo are replaced.
        model: Name of a model, or path of a checkpoint.
        seed: Which scene is made up.
        report: Where to tell it.

    Raises:
        RosSamError: The folder cannot be written, or the model cannot be opened.
    """
    scene = make_scene(seed, SHAPE, "airport")
    place = Affine(scene.gsd_m, 0, ORIGIN_M[0], 0, -scene.gsd_m, ORIGIN_M[1])
    grid = Grid(SHAPE, place, CRS.from_epsg(32633))
    objects = [thing for thing in scene.instances if thing.polygon.area >= MIN_AREA_PX]
    raster, prompts = folder / "scene.tif", folder / "prompts.gpkg"
    polygons, picture = folder / "polygons.gpkg", folder / "overlay.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_scene(raster, scene, grid)
        _write_prompts(prompts, objects, grid)
    except OSError as error:
        raise OutputFailed(f"{folder} cannot be written ({error}); name another with --output") from error

    request = SegmentRequest(raster=str(raster), output=polygons, boxes=prompts, model=model, overwrite=True)
    run_segment(request, report)

    outlines = _read_outlines(polygons, grid)
    draw_overlay(scene.rgb, list(outlines.values()), [thing.box for thing in objects]).save(picture)
    _tell(objects, outlines, [raster, prompts, polygons, picture], report)


def _write_scene(path: Path, scene: SyntheticScene, grid: Grid) -> None:
    layout = {"driver": "GTiff", "width": grid.width, "height": grid.height, "count": 3, "dtype": "uint8"}
    place = {"transform": grid.transform, "crs": grid.crs}
    style = {"photometric": "RGB", "tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}
    with rasterio.open(path, "w", **layout, **place, **style) as file:
        file.write(np.moveaxis(scene.rgb, -1, 0))


def _write_prompts(path: Path, objects: list[Instance], grid: Grid) -> None:
    """Write the objects' boxes in longitude and latitude, as a user's own prompts might come."""
    boxes = [_to_map(shapely.box(*thing.box), grid) for thing in objects]
    table = {
        "prompt_id": [str(number) for number in range(len(objects))],
        "class": [o.class_name for o in objects],
    }
    geopandas.GeoDataFrame(table, geometry=boxes, crs=grid.crs).to_crs(4326).to_file(path, layer="boxes")


def _read_outlines(path: Path, grid: Grid) -> dict[str, BaseGeometry]:
    """Return the outlines by prompt, in pixels."""
    table = geopandas.read_file(path)
    return {
        name: shapely.transform(outline, grid.map_to_pixel)
        for name, outline in zip(table["prompt_id"], table.geometry, strict=True)
    }


def _to_map(outline: BaseGeometry, grid: Grid) -> BaseGeometry:
    return shapely.transform(outline, grid.pixel_to_map)


def _tell(
    objects: list[Instance], outlines: dict[str, BaseGeometry], files: list[Path], report: Report
) -> None:
    """Tell the intersection over union with the truth, over all objects and over each class.

    An object without an outline counts as 0.
    """
    ious: dict[str, list[float]] = {}
    for number, thing in enumerate(objects):
        outline = outlines.get(str(number), shapely.Polygon())
        iou = outline.intersection(thing.polygon).area / outline.union(thing.polygon).area
        ious.setdefault(thing.class_name, []).append(float(iou))
    mean = float(np.mean(np.concatenate(list(ious.values()))))
    report.put(
        mean_iou=mean,
        iou_by_class={name: float(np.mean(values)) for name, values in ious.items()},
        files=[str(path) for path in files],
    )
    report.say(f"mean IoU with the truth: {mean:.3f} over {len(objects)} objects")
    for name, values in sorted(ious.items(), key=lambda item: -len(item[1])):
        report.say(f"  {np.mean(values):.3f}  {len(values):3d} x {name}")
    report.say("written:")
    for path in files:
        report.say(f"  {path}")
