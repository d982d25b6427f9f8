"""Segments to write, and outputs read back."""

import json
from pathlib import Path

import geopandas
from affine import Affine
from pyproj import CRS
from shapely import MultiPolygon, Polygon, box

from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.segments import Segment
from ros_sam_core.geo.writers import open_writer

UTM = CRS.from_epsg(32633)
GRID = Grid((400, 600), Affine(0.5, 0, 500_000, 0, -0.5, 5_000_200), UTM)
SUFFIXES = [".gpkg", ".geojson", ".shp", ".fgb", ".parquet", ".coco.json"]
TABLES = SUFFIXES[:-1]
RING = Polygon(
    box(500_050, 5_000_050, 500_090, 5_000_090).exterior,
    [box(500_060, 5_000_060, 500_070, 5_000_070).exterior],
)


def segment(number: int, geometry: Polygon | MultiPolygon | None = None, **changes: object) -> Segment:
    """Return a square of one metre; each number has its own place."""
    x, y = 500_000 + number % 100, 5_000_000 + number // 100
    values = {
        "geometry": geometry or box(x, y, x + 1, y + 1),
        "crs": UTM,
        "prompt_id": str(number),
        "score": number / 10_000,
        "area_m2": 1.0,
        "perim_m": 4.0,
        "source": "scene.tif",
        "frame": "scene",
        "time": None,
        "model": "tiny",
        "weights": "abc123",
        "prompt": "box",
        "prompt_xy": "1 2 3 4",
    }
    return Segment(**(values | changes))  # type: ignore[arg-type]


def write(path: Path, segments: list[Segment], **options: object) -> Path:
    with open_writer(path, UTM, grid=GRID, **options) as writer:  # type: ignore[arg-type]
        writer.write(segments)
    return path


def table(path: Path) -> geopandas.GeoDataFrame:
    """Read an output back, by prompt id."""
    read = geopandas.read_parquet if path.suffix == ".parquet" else geopandas.read_file
    rows = read(path)
    return rows.sort_values("prompt_id", ignore_index=True) if "prompt_id" in rows else rows


def ids(path: Path) -> list[str]:
    """Return the prompt ids in an output of any format."""
    if path.name.endswith(".coco.json"):
        return [entry["attributes"]["prompt_id"] for entry in json.loads(path.read_text())["annotations"]]
    return table(path).prompt_id.tolist() if len(table(path)) else []


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
