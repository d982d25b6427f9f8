"""Files of boxes and clicks: every row becomes its prompt, every bad file one clear error."""

from pathlib import Path
from typing import Any

import geopandas
import pandas as pd
import pyogrio
import pytest
from shapely import GeometryCollection, LineString, MultiPoint, MultiPolygon, Point, Polygon, box

from ros_sam_core.errors import (
    CrsUnknown,
    PromptFileEmpty,
    PromptFileInvalid,
    PromptFileNotFound,
    PromptFileUnreadable,
    PromptFileWithoutCrs,
    PromptInvalid,
    PromptSkipped,
    RosSamError,
)
from ros_sam_core.geo.prompt_files import read_boxes, read_points

TRIANGLE = Polygon([(0, 0), (4, 0), (0, 2)])


def save(path: Path, columns: dict[str, Any], crs: str | None = "EPSG:32633") -> Path:
    """Write a vector file, in the format of its suffix."""
    table = geopandas.GeoDataFrame(columns, crs=crs)
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_file(path)
    return path


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp", ".fgb", ".parquet"])
def test_boxes_are_the_bounds_of_polygons(tmp_path: Path, suffix: str) -> None:
    crs = "EPSG:4326" if suffix == ".geojson" else "EPSG:32633"
    shapes = [TRIANGLE, MultiPolygon([box(5, 5, 6, 6), box(8, 9, 10, 11)])]
    columns = {"id": ["a", "b"], "geometry": shapes}
    first, second = sorted(read_boxes(save(tmp_path / f"boxes{suffix}", columns, crs)), key=lambda p: p.id)
    assert (first.id, first.box, first.kind) == ("a", (0, 0, 4, 2), "box")
    assert (second.id, second.box) == ("b", (5, 5, 10, 11))
    assert first.crs is not None and first.crs.to_epsg() == int(crs[5:])


EAST, WEST, WIDE = box(179.5, -1, 180, 1), box(-180, -1, -179, 2), box(-180, -80, 180, 80)


@pytest.mark.parametrize(
    ("shape", "crs", "bounds"),
    [
        (MultiPolygon([EAST, WEST]), "EPSG:4326", (179.5, -1, 181, 2)),
        (MultiPolygon([EAST, box(170, 3, 171, 4), WEST]), "EPSG:4326", (170, -1, 181, 4)),
        (MultiPolygon([EAST, box(-1, -1, 1, 1), WEST]), "EPSG:4326", (-180, -1, 180, 2)),
        (MultiPolygon([box(0, 0, 1, 1), box(359, 0, 360, 1)]), "EPSG:4326", (0, 0, 360, 1)),
        (WIDE, "EPSG:4326", WIDE.bounds),
        (MultiPolygon([EAST, WEST]), "EPSG:32633", (-180, -1, 180, 2)),
        (
            MultiPolygon([box(19_999_999, 0, 20037508.342789244, 9), box(-20037508.342789244, 0, -2e7, 9)]),
            "EPSG:3857",
            (19_999_999, 0, 20_075_016.685578488, 9),
        ),
    ],
)
def test_a_box_reaches_across_the_antimeridian_at_which_a_file_cuts(
    tmp_path: Path, shape: Polygon, crs: str, bounds: tuple[float, ...]
) -> None:
    path = save(tmp_path / "boxes.gpkg", {"geometry": [box(3, 3, 4, 4), shape]}, crs)
    assert [prompt.box for prompt in read_boxes(path)] == [(3, 3, 4, 4), pytest.approx(bounds, rel=1e-12)]


@pytest.mark.parametrize(
    ("columns", "ids"),
    [
        ({"prompt_id": ["a", "b"], "id": [1, 2]}, ["a", "b"]),
        ({"id": [7, 9], "name": ["x", "y"]}, ["7", "9"]),
        ({"ID": ["7", "9"]}, ["7", "9"]),
        ({"name": ["north", "south"]}, ["north", "south"]),
        ({"name": ["ship", "ship"]}, ["0", "1"]),
        ({"name": ["ship", None], "score": [0.5, 0.6]}, ["0", "1"]),
        ({"id": [7.0, None], "name": ["x", "y"]}, ["x", "y"]),
    ],
)
def test_ids_are_those_that_tell_rows_apart(tmp_path: Path, columns: dict[str, Any], ids: list[str]) -> None:
    path = save(tmp_path / "boxes.gpkg", columns | {"geometry": [TRIANGLE, box(5, 5, 6, 6)]})
    assert [prompt.id for prompt in read_boxes(path)] == ids


def test_points_are_grouped_by_object(tmp_path: Path) -> None:
    columns = {
        "object": [4, 4, 5, 4],
        "label": [1, 0, None, 1],
        "geometry": [Point(1, 2), Point(3, 4), Point(5, 6), MultiPoint([(7, 8), (9, 10)])],
    }
    four, five = read_points(save(tmp_path / "points.gpkg", columns))
    assert (four.id, four.points, four.labels) == ("4", ((1, 2), (3, 4), (7, 8), (9, 10)), (1, 0, 1, 1))
    assert (five.id, five.points, five.labels, five.kind) == ("5", ((5, 6),), (1,), "point")


def test_points_without_object_are_objects(tmp_path: Path) -> None:
    shapes = [Point(1, 2, 99), MultiPoint([(7, 8), (9, 10)])]
    prompts = read_points(save(tmp_path / "points.gpkg", {"geometry": shapes}))
    assert [prompt.points for prompt in prompts] == [((1, 2),), ((7, 8), (9, 10))]
    assert [prompt.id for prompt in prompts] == ["0", "1"]


@pytest.mark.parametrize("labels", [["1", "0"], [True, False], [1.0, 0.0]], ids=["text", "bool", "float"])
def test_labels_of_any_type(tmp_path: Path, labels: list[Any]) -> None:
    columns = {"object": ["a", "a"], "LABEL": labels, "geometry": [Point(1, 2), Point(3, 4)]}
    assert read_points(save(tmp_path / "points.gpkg", columns))[0].labels == (1, 0)


def test_rows_without_geometry_are_named_and_left_out(tmp_path: Path) -> None:
    columns = {"name": ["a", "b", "c"], "geometry": [TRIANGLE, None, box(5, 5, 6, 6)]}
    path = save(tmp_path / "boxes.gpkg", columns)
    with pytest.warns(PromptSkipped, match="prompt b has no geometry"):
        assert [prompt.id for prompt in read_boxes(path)] == ["a", "c"]


def test_row_numbers_count_rows_left_out(tmp_path: Path) -> None:
    path = save(tmp_path / "boxes.gpkg", {"geometry": [Polygon(), TRIANGLE]})
    with pytest.warns(PromptSkipped, match="prompt 0"):
        assert [prompt.id for prompt in read_boxes(path)] == ["1"]


def test_the_crs_can_be_said(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="crs"):
        path = save(tmp_path / "boxes.gpkg", {"geometry": [TRIANGLE]}, crs=None)
    with pytest.raises(PromptFileWithoutCrs, match=r"boxes\.gpkg has no CRS.*'raster'"):
        read_boxes(path)
    assert read_boxes(path, crs="raster")[0].crs is None
    said = read_boxes(path, crs="EPSG:3857")[0].crs
    assert said is not None and said.to_epsg() == 3857
    with pytest.raises(CrsUnknown, match="nonsense"):
        read_boxes(path, crs="nonsense")


def test_styles_beside_the_layer_do_not_matter(tmp_path: Path) -> None:
    path = save(tmp_path / "boxes.gpkg", {"geometry": [TRIANGLE]})
    pyogrio.write_dataframe(pd.DataFrame({"styleQML": ["<qgis/>"]}), path, layer="layer_styles", append=True)
    assert len(read_boxes(path)) == 1


def test_one_of_several_layers_must_be_named(tmp_path: Path) -> None:
    path = save(tmp_path / "boxes.gpkg", {"geometry": [TRIANGLE]})
    geopandas.GeoDataFrame(geometry=[box(5, 5, 6, 6)], crs=32633).to_file(path, layer="more")
    with pytest.raises(PromptFileInvalid, match="boxes, more"):
        read_boxes(path)
    assert read_boxes(path, layer="more")[0].box == (5, 5, 6, 6)
    with pytest.raises(PromptFileUnreadable, match="absent"):
        read_boxes(path, layer="absent")


@pytest.mark.parametrize(
    ("shape", "reader"),
    [
        (Point(1, 2), read_boxes),
        (LineString([(0, 0), (1, 1)]), read_boxes),
        (GeometryCollection([TRIANGLE]), read_boxes),
        (TRIANGLE, read_points),
    ],
)
def test_wrong_geometries_are_named(tmp_path: Path, shape: Any, reader: Any) -> None:
    path = save(tmp_path / "prompts.geojson", {"id": ["x"], "geometry": [shape]}, crs="EPSG:4326")
    with pytest.raises(PromptFileInvalid, match=f"prompt x is a {shape.geom_type}"):
        reader(path)


def bad_file(folder: Path, kind: str) -> Path:
    """Make a file that holds no prompts."""
    path = folder / "bad.geojson"
    if kind == "rows-without-geometry":
        return save(folder / "bad.gpkg", {"geometry": [None]})
    if kind == "table":
        path = folder / "bad.csv"
        path.write_text("x,y\n1,2\n")
    elif kind == "cut-off":
        whole = save(folder / "whole.gpkg", {"geometry": [TRIANGLE]}).read_bytes()
        path = folder / "bad.gpkg"
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "plain-parquet":
        path = folder / "bad.parquet"
        pd.DataFrame({"a": [1]}).to_parquet(path)
    elif kind != "missing":
        empty = '{"type": "FeatureCollection", "features": []}'
        path.write_text({"empty": empty, "0-byte": "", "text": "Hello"}[kind])
    return path


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("missing", PromptFileNotFound),
        ("empty", PromptFileEmpty),
        ("rows-without-geometry", PromptFileEmpty),
        ("0-byte", PromptFileUnreadable),
        ("text", PromptFileUnreadable),
        ("cut-off", PromptFileUnreadable),
        ("plain-parquet", PromptFileUnreadable),
        ("table", PromptFileInvalid),
    ],
)
@pytest.mark.filterwarnings("ignore::ros_sam_core.errors.PromptSkipped")
def test_a_bad_file_is_one_clear_error(tmp_path: Path, kind: str, error: type[RosSamError]) -> None:
    path = bad_file(tmp_path, kind)
    for reader in (read_boxes, read_points):
        with pytest.raises(error, match=path.name):
            reader(path)


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        ({"label": [2]}, PromptFileInvalid, "row 0 has label 2"),
        ({"label": ["car"]}, PromptFileInvalid, "row 0 has label car"),
        ({"object": ["a"], "label": [0]}, PromptInvalid, "prompt a"),
        ({"object": [None]}, PromptFileInvalid, "row 0 has no value for object"),
    ],
)
def test_bad_clicks(tmp_path: Path, columns: dict[str, Any], error: type[RosSamError], words: str) -> None:
    with pytest.raises(error, match=words):
        read_points(save(tmp_path / "points.gpkg", columns | {"geometry": [Point(1, 2)]}))
