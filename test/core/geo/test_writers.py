"""Outputs say what they must in every format, and replace or append only when asked."""

import json
from pathlib import Path

import geopandas
import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely
from pyproj import CRS, Transformer
from shapely import MultiPolygon, Polygon, box
from written import GRID, RING, SUFFIXES, TABLES, UTM, ids, names, segment, table, write

from ros_sam_core.errors import (
    InvalidParameter,
    OutputExists,
    OutputFailed,
    OutputFormatUnknown,
    OutputIncomplete,
    OutputNameInvalid,
    OutputUnsupported,
)
from ros_sam_core.geo.coco import without_holes
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.resume import check_resumable
from ros_sam_core.geo.segments import ATTRIBUTES
from ros_sam_core.geo.staging import read_staging, staging_path
from ros_sam_core.geo.writers import open_writer


@pytest.mark.parametrize("suffix", TABLES)
def test_every_attribute_arrives(tmp_path: Path, suffix: str) -> None:
    two = MultiPolygon(
        [box(500_000, 5_000_000, 500_001, 5_000_001), box(500_003, 5_000_000, 500_004, 5_000_001)]
    )
    path = write(
        tmp_path / f"out{suffix}",
        [
            segment(1, RING, time="2024-05-06T07:08:09Z"),
            segment(2, two, prompt_id="zwei ä", score=0.123456789),
        ],
    )
    rows = table(path)
    assert [column for column in rows.columns if column != "geometry"] == list(ATTRIBUTES)
    assert rows.prompt_id.tolist() == ["1", "zwei ä"]
    assert rows.score.tolist() == pytest.approx([0.0001, 0.123456789])
    assert str(rows.time[0]).replace(" ", "T")[:19] == "2024-05-06T07:08:09"
    assert rows.time.isna().tolist() == [False, True]
    for name in ("source", "frame", "model", "weights", "prompt", "prompt_xy"):
        assert rows[name].tolist() == [getattr(segment(1), name)] * 2
    assert rows.geometry.is_valid.all()
    assert rows.crs == (CRS.from_epsg(4326) if suffix == ".geojson" else UTM)
    back = rows.geometry.to_crs(UTM)
    for found, expected in zip(back, [RING, two], strict=True):
        assert found.symmetric_difference(expected).area < 0.01
    assert names(tmp_path) == sorted(
        [path.name, *(f"out{part}" for part in (".cpg", ".dbf", ".prj", ".shx") if suffix == ".shp")]
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_found_is_a_valid_file(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"out{suffix}", [])
    assert ids(path) == []
    if suffix not in (".geojson", ".coco.json"):
        assert [column for column in table(path).columns if column != "geometry"] == list(ATTRIBUTES)
        assert table(path).crs == UTM


def test_geojson_is_rfc_7946(tmp_path: Path) -> None:
    path = write(tmp_path / "out.geojson", [segment(1, RING)])
    document = json.loads(path.read_text())
    assert document["type"] == "FeatureCollection"
    assert "crs" not in document
    (feature,) = document["features"]
    assert list(feature["properties"]) == list(ATTRIBUTES)
    outer, inner = feature["geometry"]["coordinates"]
    assert shapely.LinearRing(outer).is_ccw and not shapely.LinearRing(inner).is_ccw
    assert outer[0] == pytest.approx((15.0006, 45.1538), abs=2e-3)
    assert outer[0] == outer[-1]


def test_geojson_is_cut_at_the_antimeridian(tmp_path: Path) -> None:
    west = CRS.from_epsg(32660)
    x, y = Transformer.from_crs(4326, west, always_xy=True).transform(180, 10)
    square = box(x - 500, y - 500, x + 500, y + 500)
    path = write(tmp_path / "out.geojson", [segment(1, square, crs=west)])
    shape = table(path).geometry[0]
    assert shape.geom_type == "MultiPolygon"
    assert sorted(round(part.bounds[0]) for part in shape.geoms) == [-180, 180]
    assert sum(part.bounds[2] - part.bounds[0] for part in shape.geoms) < 0.02


def test_coco_is_pixels(tmp_path: Path) -> None:
    two_images = [
        segment(1),
        segment(2, RING, frame="next", time="2024-05-06T07:08:09Z"),
        segment(3, frame="next"),
    ]
    document = json.loads(write(tmp_path / "out.coco.json", two_images).read_text())
    assert [
        (image["id"], image["frame"], image["width"], image["height"]) for image in document["images"]
    ] == [
        (1, "scene", 600, 400),
        (2, "next", 600, 400),
    ]
    first, ring, third = document["annotations"]
    assert (first["image_id"], ring["image_id"], third["image_id"]) == (1, 2, 2)
    assert first["bbox"] == [2, 398, 2, 2]
    assert (first["area"], first["iscrowd"], first["score"]) == (4, 0, 0.0001)
    assert first["category_id"] == document["categories"][0]["id"]
    parts = [Polygon(np.reshape(part, (-1, 2))) for part in ring["segmentation"]]
    expected = shapely.transform(RING, GRID.map_to_pixel)
    assert len(parts) > 1
    assert shapely.union_all(parts).symmetric_difference(expected).area < 1e-6
    assert ring["area"] == pytest.approx(expected.area) == pytest.approx(sum(part.area for part in parts))


def test_cutting_holes_open_loses_nothing() -> None:
    holes = [box(x, y, x + 1, y + 2).exterior for x in (2, 5, 8) for y in (2, 5)]
    sieve = Polygon(box(0, 0, 10, 10).exterior, holes)
    parts = without_holes(sieve)
    assert not any(part.interiors for part in parts)
    assert sum(part.area for part in parts) == pytest.approx(sieve.area)
    assert shapely.union_all(parts).symmetric_difference(sieve).area < 1e-9


def test_geoparquet_says_what_it_holds(tmp_path: Path) -> None:
    path = write(tmp_path / "out.parquet", [segment(1), segment(250)])
    geo = json.loads(pa.parquet.read_metadata(path).metadata[b"geo"])
    column = geo["columns"][geo["primary_column"]]
    assert column["geometry_types"] == ["Polygon"]
    assert column["bbox"] == [500_001, 5_000_000, 500_051, 5_000_003]
    assert CRS.from_json_dict(column["crs"]) == UTM


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".fgb", ".parquet", ".coco.json"])
def test_pixels_without_georeference(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    with open_writer(path, None, grid=Grid((400, 600))) as writer:
        writer.write([segment(1, box(3, 4, 5, 6), crs=None)])
    if suffix == ".coco.json":
        assert json.loads(path.read_text())["annotations"][0]["bbox"] == [3, 4, 2, 2]
    else:
        assert table(path).crs is None
        assert table(path).total_bounds.tolist() == [3, 4, 5, 6]


def test_segments_come_to_the_crs_of_the_output(tmp_path: Path) -> None:
    with open_writer(tmp_path / "out.gpkg", CRS.from_epsg(3857)) as writer:
        writer.write([segment(1)])
    rows = table(tmp_path / "out.gpkg")
    assert rows.crs.to_epsg() == 3857
    assert rows.geometry.to_crs(UTM)[0].symmetric_difference(segment(1).geometry).area < 1e-3


# What can be asked and cannot be done


@pytest.mark.parametrize("name", ["out", "out.txt", "out.json", "out.gpkg.zip", ".gpkgx"])
def test_an_unknown_suffix_names_the_known(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        OutputFormatUnknown, match=r"\.gpkg, \.geojson, \.shp, \.fgb, \.parquet, \.coco\.json"
    ):
        open_writer(tmp_path / name, UTM)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (".shp", "give one such as outlines.shp"),
        (".gpkg", "is a suffix only"),
        ("X.SHP", "name it X.shp"),
        ("a;b.gpkg", "no semicolon"),
        ("a;b.geojson", "no semicolon"),
        ("a\nb.fgb", "control character"),
        ("n" * 240 + ".gpkg", "shorter name"),
    ],
)
def test_a_name_that_no_output_can_have_is_refused_before_any_work(
    tmp_path: Path, name: str, words: str
) -> None:
    for refuses in (open_writer, check_resumable):
        with pytest.raises(OutputNameInvalid, match=words):
            refuses(tmp_path / name, UTM)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("stem", "layer"),
    [
        ("(new) ships", "new) ships"),
        ("-1", "1"),
        ("...", "layer"),
        ("gpkg_out", "layer_gpkg_out"),
        ("SQLite_out", "layer_SQLite_out"),
        ('a\'b "c" é', 'a\'b "c" é'),
    ],
)
def test_a_layer_is_called_like_its_file_where_a_geopackage_takes_it(
    tmp_path: Path, stem: str, layer: str
) -> None:
    path = write(tmp_path / f"{stem}.gpkg", [segment(1)])
    assert [name for name, _ in pyogrio.list_layers(path)] == [layer]
    write(path, [segment(2)], append=True)
    assert ids(path) == ["1", "2"]


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("out.geojson", {"crs": None}, OutputUnsupported, "no georeference"),
        ("out.coco.json", {"grid": None}, OutputUnsupported, "give its grid"),
        ("out.shp", {"append": True}, OutputUnsupported, "choose .gpkg"),
        ("out.gpkg", {"append": True, "overwrite": True}, InvalidParameter, "exclude each other"),
        ("none/out.gpkg", {}, OutputFailed, "no folder"),
    ],
)
def test_what_cannot_be_done(
    tmp_path: Path, name: str, options: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        open_writer(tmp_path / name, **({"crs": UTM, "grid": GRID} | options))  # type: ignore[arg-type]
    assert names(tmp_path) == []


def test_a_shapefile_says_what_it_cuts(tmp_path: Path) -> None:
    with pytest.warns(OutputIncomplete, match="Shapefile cuts texts at 254 bytes, prompt_xy"):
        path = write(
            tmp_path / "out.shp", [segment(1, prompt_xy="1 2; " * 100), segment(2, prompt_xy="9" * 999)]
        )
    assert table(path).prompt_xy.str.len().tolist() == [254, 254]


# What is there already


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_existing_file_is_replaced_only_when_asked(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"out{suffix}", [segment(1)])
    before = path.read_bytes()
    with pytest.raises(OutputExists, match="out"):
        write(path, [segment(2)])
    assert path.read_bytes() == before
    write(path, [segment(2), segment(3)], overwrite=True)
    assert sorted(ids(path)) == ["2", "3"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_old_file_is_whole_until_the_new_one_is(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"out{suffix}", [segment(1)])
    with open_writer(path, UTM, grid=GRID, overwrite=True) as writer:
        writer.write([segment(2)])
        assert ids(path) == ["1"]
    assert ids(path) == ["2"]


def test_a_new_shapefile_takes_no_old_index(tmp_path: Path) -> None:
    path = write(tmp_path / "out.shp", [segment(1)])
    (tmp_path / "out.qix").write_bytes(b"old")
    write(path, [segment(2)], overwrite=True)
    assert "out.qix" not in names(tmp_path)


def test_a_new_shapefile_replaces_no_foreign_table(tmp_path: Path) -> None:
    old = tmp_path / "out.dbf"
    old.write_bytes(b"another program's")
    for refuses in (open_writer, check_resumable):
        with pytest.raises(OutputExists, match=r"out\.dbf exists"):
            refuses(tmp_path / "out.shp", UTM)
    assert old.read_bytes() == b"another program's" and names(tmp_path) == ["out.dbf"]
    (tmp_path / "out.sbn").write_bytes(b"another program's")
    path = write(tmp_path / "out.shp", [segment(1)], overwrite=True)
    assert ids(path) == ["1"] and "out.sbn" not in names(tmp_path)


def test_a_table_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    old = tmp_path / "out.dbf"
    with (
        pytest.raises(OutputExists, match=r"out\.dbf was made by another program"),
        open_writer(tmp_path / "out.shp", UTM) as writer,
    ):
        writer.write([segment(1)])
        old.write_bytes(b"another program's")
    assert old.read_bytes() == b"another program's"


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.gpkg"
    with (
        pytest.raises(OutputExists, match=r"another program.*out\.gpkg\.part\.arrows"),
        open_writer(path, UTM) as writer,
    ):
        writer.write([segment(1)])
        path.write_text("mine")
    assert path.read_text() == "mine"
    assert sum(batch.num_rows for batch in read_staging(staging_path(path))) == 1


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    real = write(tmp_path / "far" / "out.gpkg", [segment(1)])
    link = tmp_path / "near.gpkg"
    link.symlink_to(real)
    write(link, [segment(2)], overwrite=True)
    assert link.is_symlink() and ids(real) == ["2"]


# Append


def test_append_adds_to_the_layer(tmp_path: Path) -> None:
    path = write(tmp_path / "out.gpkg", [segment(1)], append=True)
    write(path, [segment(2), segment(3)], append=True)
    write(path, [], append=True)
    assert ids(path) == ["1", "2", "3"]
    assert [name for name, _ in pyogrio.list_layers(path)] == ["out"]
    found = pyogrio.read_dataframe(path, bbox=(500_002.5, 5_000_000, 500_002.6, 5_000_001))
    assert found.prompt_id.tolist() == ["2"], "the spatial index knows the new rows"


def test_append_keeps_the_crs_and_other_layers(tmp_path: Path) -> None:
    path = tmp_path / "out.gpkg"
    geopandas.GeoDataFrame({"a": [7]}, geometry=[box(0, 0, 1, 1)], crs=3857).to_file(path, layer="other")
    write(path, [segment(1)], append=True)
    with open_writer(path, CRS.from_epsg(4326), append=True) as writer:
        assert writer.crs == UTM
        writer.write([segment(2)])
    assert geopandas.read_file(path, layer="other").a.tolist() == [7]
    rows = geopandas.read_file(path, layer="out")
    assert rows.crs == UTM and rows.prompt_id.tolist() == ["1", "2"]


def test_append_finds_the_layer_of_a_renamed_file(tmp_path: Path) -> None:
    path = write(tmp_path / "out.gpkg", [segment(1)]).rename(tmp_path / "results.gpkg")
    write(path, [segment(2)], append=True)
    assert ids(path) == ["1", "2"]


def test_append_refuses_a_foreign_layer(tmp_path: Path) -> None:
    path = tmp_path / "out.gpkg"
    geopandas.GeoDataFrame({"score": [7.0]}, geometry=[box(0, 0, 1, 1)], crs=3857).to_file(path)
    before = path.read_bytes()
    with pytest.raises(OutputUnsupported, match="layer out has no columns prompt_id, area_m2"):
        open_writer(path, UTM, append=True)
    path.write_text("not a database")
    with pytest.raises(OutputFailed, match=r"cannot read .*out\.gpkg"):
        open_writer(path, UTM, append=True)
    assert names(tmp_path) == ["out.gpkg"] and before


def test_append_refuses_pixels_among_metres(tmp_path: Path) -> None:
    path = write(tmp_path / "out.gpkg", [segment(1)])
    with pytest.raises(OutputUnsupported, match="has CRS EPSG:32633, the segments none"):
        open_writer(path, None, append=True)
