"""`ros-sam segment` on real files: from typed prompts to polygons."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import geopandas
import pytest
import shapely
from cli_files import GSD_M, ORIGIN, PROGRAM, UTM, Run, environment, map_box, map_point, picture, write_raster
from PIL import Image
from pyproj import Transformer

COLUMNS = [
    "prompt_id", "score", "area_m2", "perim_m", "source", "frame", "time", "model", "weights", "prompt",
    "prompt_xy",
]  # fmt: skip
BOX = (20, 20, 40, 32)
"""A light rectangle of the picture, in pixels."""


def ground(left: float, top: float, right: float, bottom: float) -> shapely.Polygon:
    """Return pixels as a polygon in UTM."""
    x, y = ORIGIN
    return shapely.box(x + left * GSD_M, y - bottom * GSD_M, x + right * GSD_M, y - top * GSD_M)


def test_a_box_gives_a_polygon_with_its_provenance(
    run: Run, raster: Path, checkpoint: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.gpkg"
    done = run("segment", raster, "--box", map_box(*BOX), "--model", checkpoint, "-o", output)
    assert done.code == 0, done.err
    assert done.out == done.err == "", "quiet in a pipe"
    table = geopandas.read_file(output)
    assert table.crs == UTM
    assert list(table.columns) == [*COLUMNS, "geometry"]
    (row,) = table.itertuples()
    assert (row.prompt_id, row.prompt, row.model) == ("1", "box", "random-tiny")
    assert row.source == str(raster)
    assert row.prompt_xy == "500010 5299984 500020 5299990"
    assert row.geometry.is_valid and row.geometry.intersects(ground(*BOX))
    assert row.area_m2 == pytest.approx(row.geometry.area, rel=2e-3)


def test_points_are_one_object(call: Run, raster: Path, checkpoint: Path, tmp_path: Path) -> None:
    points = ["--point", map_point(30, 26), "--point", f"{map_point(60, 60)} 0"]
    output = tmp_path / "out.gpkg"
    done = call("segment", raster, *points, "--model", checkpoint, "-o", output)
    assert done.code == 0, done.err
    (row,) = geopandas.read_file(output).itertuples()
    assert row.prompt == "points"
    assert row.prompt_xy == "500015 5299987 1; 500030 5299970 0"


def test_negative_numbers_are_no_options(run: Run, tmp_path: Path) -> None:
    path = write_raster(tmp_path / "west.tif", picture(), crs="EPSG:32619")
    west, north = Transformer.from_crs("EPSG:32619", "EPSG:4326", always_xy=True).transform(
        ORIGIN[0] + 30 * GSD_M, ORIGIN[1] - 26 * GSD_M
    )
    assert west < 0
    output = tmp_path / "out.gpkg"
    done = run("segment", path, "--point", f"{west} {north} 1", "--prompt-crs", "EPSG:4326", "-o", output)
    assert done.code == 0, done.err
    (outline,) = geopandas.read_file(output).geometry
    truth = ground(20, 20, 40, 32)
    assert outline.intersection(truth).area > 0.7 * outline.union(truth).area


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp", ".fgb", ".parquet"])
def test_a_file_of_boxes_in_another_crs(
    call: Run, raster: Path, checkpoint: Path, tmp_path: Path, suffix: str
) -> None:
    boxes = [ground(*BOX), ground(70, 20, 90, 32), ground(120, 70, 140, 82)]
    names = {"prompt_id": ["a", "b", "c"]}
    prompts = tmp_path / "boxes.gpkg"
    geopandas.GeoDataFrame(names, geometry=boxes, crs=UTM).to_crs(4326).to_file(prompts)
    output = tmp_path / "results" / f"out{suffix}"
    output.parent.mkdir()
    done = call("segment", raster, "--boxes", prompts, "--model", checkpoint, "-o", output, "--json")
    assert done.code == 0, done.err
    read = geopandas.read_parquet if suffix == ".parquet" else geopandas.read_file
    table = read(output).sort_values("prompt_id")
    assert list(table["prompt_id"]) == names["prompt_id"]
    assert table.crs == ("EPSG:4326" if suffix == ".geojson" else UTM)
    for outline, box in zip(table.to_crs(UTM).geometry, boxes, strict=True):
        assert outline.distance(box.centroid) < 10


def test_a_file_of_points(call: Run, raster: Path, tmp_path: Path) -> None:
    x, y = ORIGIN
    places = [(30, 26), (60, 26), (80, 26)]
    points = [shapely.Point(x + column * GSD_M, y - row * GSD_M) for column, row in places]
    prompts = tmp_path / "points.geojson"
    columns = {"object": ["jet", "jet", "ship"], "label": [1, 0, 1]}
    geopandas.GeoDataFrame(columns, geometry=points, crs=UTM).to_crs(4326).to_file(prompts)
    output = tmp_path / "out.gpkg"
    done = call("segment", raster, "--points", prompts, "-o", output)
    assert done.code == 0, done.err
    table = geopandas.read_file(output)
    assert list(zip(table["prompt_id"], table["prompt"], strict=True)) == [
        ("jet", "points"),
        ("ship", "point"),
    ]


def test_options_reach_the_work(call: Run, raster: Path, checkpoint: Path, tmp_path: Path) -> None:
    def outline(*options: str) -> shapely.Geometry:
        output = tmp_path / "out.gpkg"
        arguments = ["--box", map_box(*BOX), "--model", checkpoint, "--overwrite", "-o", output]
        done = call("segment", raster, *arguments, *options)
        assert done.code == 0, done.err
        return geopandas.read_file(output).to_crs(UTM).geometry.iloc[0]

    plain = outline()
    vertices = shapely.get_num_coordinates(plain)
    assert shapely.get_num_coordinates(outline("--simplify", "2")) < vertices
    assert shapely.get_num_interior_rings(outline("--fill-holes")).sum() == 0
    assert outline("--out-crs", "EPSG:4326").hausdorff_distance(plain) < 1e-3
    assert not outline("--stretch", "0,120").equals(plain)
    assert not outline("--min-area", "0").equals(outline("--min-area", "200"))


def test_out_crs_is_the_crs_of_the_file(call: Run, raster: Path, checkpoint: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.gpkg"
    arguments = ["--box", map_box(*BOX), "--model", checkpoint, "--out-crs", "EPSG:3857", "-o", output]
    assert call("segment", raster, *arguments).code == 0
    table = geopandas.read_file(output)
    assert table.crs == "EPSG:3857"
    assert table.to_crs(UTM).geometry.iloc[0].distance(ground(*BOX)) < 1
    assert table["area_m2"].iloc[0] == pytest.approx(table.to_crs(UTM).geometry.area.iloc[0], rel=2e-3)


def test_without_a_georeference_pixels_are_coordinates(call: Run, checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(picture().transpose(1, 2, 0)).save(path)
    output = tmp_path / "out.gpkg"
    done = call("segment", path, "--box", "20 20 40 32", "--model", checkpoint, "-o", output)
    assert done.code == 0, done.err
    table = geopandas.read_file(output)
    assert table.geometry.iloc[0].distance(shapely.box(*BOX)) == 0


def test_json_tells_all(run: Run, raster: Path, checkpoint: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.gpkg"
    boxes = ["--box", map_box(*BOX), "--box", map_box(-90, -90, -70, -80)]
    done = run("segment", raster, *boxes, "--model", checkpoint, "-o", output, "--json")
    assert done.code == 3
    told = done.json
    assert told.pop("seconds") > 0
    (failed,) = told.pop("failed")
    assert (failed["prompt_id"], failed["error"]) == ("2", "PromptOutsideRaster")
    assert len(told.pop("weights")) >= 7
    assert told == {
        "output": str(output),
        "segments": 1,
        "not_done": [],
        "resumed": 0,
        "model": "random-tiny",
        "exit_code": 3,
    }


def test_a_bar_on_a_terminal(raster: Path, checkpoint: Path, tmp_path: Path) -> None:
    boxes = [argument for _ in range(40) for argument in ("--box", map_box(*BOX))]
    ours, theirs = pty.openpty()
    command = [PROGRAM, "segment", raster, *boxes, "--model", checkpoint, "-o", tmp_path / "out.gpkg"]
    process = subprocess.Popen(
        [str(part) for part in command],
        stdout=theirs,
        stderr=theirs,
        env=environment(tmp_path) | {"TERM": "xterm"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:  # the terminal is closed when the process has ended
            break
    os.close(ours)
    assert process.wait(timeout=60) == 0
    assert b"40/40" in shown or b"32/40" in shown
    assert b"40 outlines in" in shown
