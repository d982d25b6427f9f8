"""Write a made-up airport for the desktop run, with what is true of it. Runs in the engine's Python.

python make_airport.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from ros_sam_core.synthetic import make_scene

GSD = 0.5
TRANSFORM = Affine(GSD, 0, 392000.0, 0, -GSD, 5820000.0)
FRAMES = 6


def write(path: Path, rgb: np.ndarray) -> None:
    """Write an image [h, w, 3] as a GeoTIFF."""
    height, width = rgb.shape[:2]
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=3,
        height=height,
        width=width,
        dtype="uint8",
        crs="EPSG:25833",
        transform=TRANSFORM,
        photometric="RGB",
    ) as dataset:
        dataset.write(np.moveaxis(rgb, -1, 0))


def ring(polygon) -> list[list[float]]:
    """Return the outer ring of a polygon in map coordinates."""
    return [list(TRANSFORM * xy) for xy in polygon.exterior.coords]


def main(folder: Path) -> None:
    """Write everything."""
    scene = make_scene(18, (640, 800), "airport", object_px=(24.0, 80.0), degrade=0.3)
    write(folder / "airport.tif", scene.rgb)
    whole = [one for one in scene.instances if not one.polygon.interiors]
    truth = [{"class": one.class_name, "ring": ring(one.polygon)} for one in whole]
    (folder / "truth.json").write_text(json.dumps(truth))
    features = []
    for one in whole:
        x0, y0, x1, y1 = one.polygon.bounds
        corners = [TRANSFORM * xy for xy in ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))]
        geometry = {"type": "Polygon", "coordinates": [[list(xy) for xy in corners]]}
        features.append({"type": "Feature", "properties": {"class": one.class_name}, "geometry": geometry})
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25833"}}
    (folder / "boxes.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "crs": crs, "features": features})
    )
    video = folder / "video"
    video.mkdir()
    for index in range(FRAMES):
        write(video / f"20240501T10000{index}.tif", np.roll(scene.rgb, 6 * index, axis=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
