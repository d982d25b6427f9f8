"""Write a made-up scene as rasters of many kinds, with the true outlines. Runs in the engine's Python.

python make_scenes.py FOLDER [KIND SEED]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from ros_sam_core.synthetic import make_scene

UTM_X, UTM_Y, GSD = 400000.0, 5800000.0, 0.5
NORTH_UP = Affine(GSD, 0, UTM_X, 0, -GSD, UTM_Y)

GRIDS: dict[str, tuple[Affine, str | None]] = {
    "utm": (NORTH_UP, "EPSG:25833"),
    "rotated": (
        Affine.translation(UTM_X, UTM_Y) * Affine.rotation(30) * Affine.scale(GSD, -GSD),
        "EPSG:25833",
    ),
    "south_up": (Affine(GSD, 0, UTM_X, 0, GSD, UTM_Y - 200), "EPSG:25833"),
    "degrees": (Affine(7e-6, 0, 13.5, 0, -4.5e-6, 52.3), "EPSG:4326"),
    "plain": (Affine.identity(), None),
}


def write(path: Path, bands: np.ndarray, transform: Affine, crs: str | None) -> None:
    """Write bands [n, h, w] as a GeoTIFF."""
    profile = {"driver": "GTiff", "count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    if crs is not None:
        profile.update(crs=crs, transform=transform)
    with rasterio.open(path, "w", dtype=bands.dtype, photometric="MINISBLACK", **profile) as dataset:
        dataset.write(bands)
        if bands.dtype == np.uint8 and len(bands) == 3:
            dataset.colorinterp = [
                rasterio.enums.ColorInterp.red,
                rasterio.enums.ColorInterp.green,
                rasterio.enums.ColorInterp.blue,
            ]


def main(folder: Path, kind: str = "airport", seed: str = "4") -> None:
    """Write every raster and truth.json."""
    scene = make_scene(int(seed), (320, 384), kind, object_px=(24.0, 70.0), degrade=0.3)
    rgb = np.moveaxis(scene.rgb, -1, 0)
    truth = [
        {"class": one.class_name, "ring": [list(xy) for xy in one.polygon.exterior.coords]}
        for one in scene.instances
        if not one.polygon.interiors
    ]
    height, width = scene.rgb.shape[:2]
    grids = {name: (list(transform[:6]), crs) for name, (transform, crs) in GRIDS.items()}
    for name, (transform, crs) in GRIDS.items():
        write(folder / f"{name}.tif", rgb, transform, crs)
    deep = (rgb.astype(np.uint16) * 8 + 100)[::-1]
    infrared = np.full_like(deep[:1], 500)
    write(folder / "deep.tif", np.concatenate([deep, infrared]), *GRIDS["utm"])
    grids["deep"] = grids["utm"]
    video = folder / "video"
    video.mkdir(exist_ok=True)
    for index in range(3):
        moved = np.roll(rgb, index * 4, axis=2)
        write(video / f"20240501T10000{index}.tif", moved, *GRIDS["utm"])
    facts = {"width": width, "height": height, "grids": grids, "objects": truth}
    (folder / "truth.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
