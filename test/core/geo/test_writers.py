"""Outputs are whole or not there, whatever happens, and say what they must in every format."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import geopandas
import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely
from affine import Affine
from pyproj import CRS, Transformer
from shapely import MultiPolygon, Polygon, box

from ros_sam_core.errors import (
    CrsTransformFailed,
    InvalidParameter,
    OutputExists,
    OutputFailed,
    OutputFormatUnknown,
    OutputIncomplete,
    OutputUnsupported,
)
from ros_sam_core.geo.coco import without_holes
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.publish import publish, stamp
from ros_sam_core.geo.segments import ATTRIBUTES, Segment
from ros_sam_core.geo.staging import read_staging, staging_path
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


def description(path: Path) -> str:
    """Return what another program has noted in a GeoPackage."""
    with closing(sqlite3.connect(path)) as database:
        return str(database.execute("SELECT description FROM gpkg_contents").fetchone()[0])


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
@pytest.mark.parametrize("how", ["append", "overwrite"])
def test_a_geopackage_in_use_is_left_alone(tmp_path: Path, mode: str, how: str) -> None:
    path = write(tmp_path / "out.gpkg", [segment(1)])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute(f"PRAGMA journal_mode={mode}")
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE gpkg_contents SET description = 'edited'")
    with pytest.raises(OutputFailed, match=r"open in another program.*part\.arrows"):
        write(path, [segment(2)], **{how: True})
    other.execute("COMMIT")
    other.close()
    assert (description(path), ids(path)) == ("edited", ["1"])


LEFT_OPEN = """
import os, sqlite3
database = sqlite3.connect({path!r}, isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("UPDATE gpkg_contents SET description = 'edited'")
os._exit(1)
"""


def test_changes_left_beside_a_geopackage_are_not_lost(tmp_path: Path) -> None:
    path = write(tmp_path / "out.gpkg", [segment(1)])
    with open_writer(path, UTM, append=True) as writer:
        writer.write([segment(2)])
        subprocess.run([sys.executable, "-c", LEFT_OPEN.format(path=str(path))], check=False, timeout=60)
        assert "out.gpkg-wal" in names(tmp_path)
    assert (description(path), ids(path)) == ("edited", ["1", "2"])
    assert names(tmp_path) == ["out.gpkg"]


def test_what_changed_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "out.gpkg", [segment(1)])
    new = tmp_path / "new"
    new.mkdir()
    write(new / "out.gpkg", [segment(2)])
    before = stamp(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("UPDATE gpkg_contents SET description = 'edited'")
    with pytest.raises(OutputFailed, match="open in another program"):
        publish(new, path, before)
    other.close()
    with pytest.raises(OutputExists, match="changed by another program"):
        publish(new, path, before)
    assert (description(path), ids(path)) == ("edited", ["1"])
    publish(new, path, stamp(path))
    assert ids(path) == ["2"]


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = write(tmp_path / "out.fgb", [segment(1)])
    path.chmod(0o640)
    write(path, [segment(2)], overwrite=True)
    assert path.stat().st_mode & 0o777 == 0o640


# What is cut short


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_cut_short_keeps_what_was_finished(tmp_path: Path, suffix: str, error: type[BaseException]) -> None:
    path = tmp_path / f"out{suffix}"
    with pytest.raises(error), open_writer(path, UTM, grid=GRID) as writer:
        writer.write([segment(1)])
        writer.write([segment(2)])
        raise error
    assert sorted(ids(path)) == ["1", "2"]
    assert not staging_path(path).exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_cut_short_before_anything_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(KeyboardInterrupt), open_writer(tmp_path / f"out{suffix}", UTM, grid=GRID):
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_a_segment_that_cannot_be_brought_over_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "out.gpkg"
    with open_writer(path, UTM) as writer:
        writer.write([segment(1)])
        with pytest.raises(CrsTransformFailed):
            writer.write([segment(2, crs=None)])
        writer.write([segment(3)])
    assert ids(path) == ["1", "3"]


KILLED = """
import sys
sys.path.insert(0, {folder!r})
from test_writers import UTM, open_writer, segment
writer = open_writer({path!r}, UTM)
for number in range(10):
    writer.write([segment(number)])
import os, signal
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_outright_leaves_the_finished_ones_readable(tmp_path: Path) -> None:
    path = tmp_path / "out.gpkg"
    code = KILLED.format(folder=str(Path(__file__).parent), path=str(path))
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], timeout=120, check=False
    )
    assert ran.returncode == -signal.SIGKILL
    assert names(tmp_path) == ["out.gpkg.part.arrows"]
    rows = pa.Table.from_batches(list(read_staging(staging_path(path))))
    assert rows["prompt_id"].to_pylist() == [str(number) for number in range(10)]
    with pytest.raises(OutputExists, match=r"part\.arrows exists.*killed"):
        open_writer(path, UTM)
    write(path, [segment(77)], overwrite=True)
    assert ids(path) == ["77"] and names(tmp_path) == ["out.gpkg"]


def test_a_write_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "out.gpkg"
    writer = open_writer(path, UTM)
    for number in range(3):
        writer.write([segment(number)])
    whole = staging_path(path).read_bytes()
    for missing in (1, 50, 300):
        cut = tmp_path / "cut.arrows"
        cut.write_bytes(whole[:-missing])
        assert [batch.num_rows for batch in read_staging(cut)] == [2]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_segment_gets_lost_without_a_word(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    writer = open_writer(path, UTM, grid=GRID)
    for number in range(3):
        writer.write([segment(number)])
    os.truncate(staging_path(path), staging_path(path).stat().st_size - 9)
    with pytest.raises(OutputFailed, match="2 of 3 segments"):
        writer.close()
    assert names(tmp_path) == [f"out{suffix}.part.arrows"]


# Bad folders and full disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 400 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, free: int) -> None:
    """Leave so many bytes on a disk."""
    disk = os.statvfs(folder)
    (folder / "ballast").write_bytes(bytes(max(0, disk.f_bavail * disk.f_frsize - free)))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_breaks_no_file(small_disk: Path, suffix: str) -> None:
    path = small_disk / f"out{suffix}"
    with (
        pytest.raises(OutputFailed, match="No space left") as raised,
        open_writer(path, UTM, grid=GRID) as writer,
    ):
        for number in range(5000):
            writer.write([segment(number)])
    assert not path.exists()
    assert names(small_disk) == [f"out{suffix}.part.arrows"]
    kept = sum(batch.num_rows for batch in read_staging(staging_path(path)))
    assert kept == writer.written > 100
    assert f"its {kept} segments are in" in "".join([*raised.value.__notes__])


@pytest.mark.parametrize("free", [0, 4096, 20_000, 60_000, 90_000, 110_000, 130_000])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_gets_full_at_the_end(small_disk: Path, suffix: str, free: int) -> None:
    path = small_disk / f"out{suffix}"
    writer = open_writer(path, UTM, grid=GRID)
    writer.write([segment(number) for number in range(40)])
    fill(small_disk, free)
    try:
        writer.close()
    except OutputFailed as error:
        assert "its 40 segments are in" in str(error)
        assert len(str(error)) < 600
        assert names(small_disk) == ["ballast", f"out{suffix}.part.arrows"]
    else:
        assert len(ids(path)) == 40
        assert not staging_path(path).exists()


@pytest.mark.parametrize("free", [0, 4096, 20_000, 60_000, 90_000, 100_000])
@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp"])
def test_nothing_found_on_a_full_disk(small_disk: Path, suffix: str, free: int) -> None:
    path = small_disk / f"out{suffix}"
    writer = open_writer(path, UTM)
    fill(small_disk, free)
    try:
        writer.close()
    except OutputFailed:
        assert names(small_disk) == ["ballast"]
    else:
        assert len(table(path)) == 0


@pytest.mark.parametrize("free", [0, 60_000, 110_000, 130_000, 150_000, 200_000])
@pytest.mark.parametrize("how", ["append", "overwrite"])
def test_a_full_disk_leaves_the_old_file(small_disk: Path, how: str, free: int) -> None:
    path = write(small_disk / "out.gpkg", [segment(9999)])
    writer = open_writer(path, UTM, **{how: True})
    writer.write([segment(number) for number in range(40)])
    fill(small_disk, free)
    try:
        writer.close()
    except OutputFailed:
        assert ids(path) == ["9999"]
        assert names(small_disk) == ["ballast", "out.gpkg", "out.gpkg.part.arrows"]
    else:
        assert len(ids(path)) == (41 if how == "append" else 40)


def test_a_disk_that_is_full_from_the_start(small_disk: Path) -> None:
    fill(small_disk, 0)
    with pytest.raises(OutputFailed, match=r"cannot start .*out\.gpkg: No space left"):
        open_writer(small_disk / "out.gpkg", UTM)
    assert names(small_disk) == ["ballast"]


LIMITED = """
import resource, sys
sys.path.insert(0, {folder!r})
from test_writers import GRID, UTM, open_writer, segment
writer = open_writer({path!r}, UTM, grid=GRID)
writer.write([segment(number) for number in range(60)])
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
from ros_sam_core.errors import OutputFailed
try:
    writer.close()
except OutputFailed as error:
    print(error)
    sys.exit(7)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX limits")
@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".coco.json"])
def test_a_limit_on_file_size_breaks_no_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    code = LIMITED.format(folder=str(Path(__file__).parent), path=str(path))
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        timeout=120,
        check=False,
        capture_output=True,
    )
    if ran.returncode == 0:
        assert len(ids(path)) == 60 and path.stat().st_size <= 30_000
    else:
        assert ran.returncode == 7, ran.stderr
        assert names(tmp_path) == [f"out{suffix}.part.arrows"]


def test_a_disk_that_has_space_again(small_disk: Path) -> None:
    path = small_disk / "out.gpkg"
    with open_writer(path, UTM) as writer:
        writer.write([segment(1)])
        fill(small_disk, 0)
        size = staging_path(path).stat().st_size
        with pytest.raises(OutputFailed, match="cannot add to the 1 segments of"):
            writer.write([segment(number) for number in range(100)])
        assert staging_path(path).stat().st_size == size
        (small_disk / "ballast").unlink()
        writer.write([segment(2)])
    assert ids(path) == ["1", "2"]


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """Make a folder that nobody may write to, not even root."""
    folder = tmp_path / "locked"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=100k", "tmpfs", str(folder)]
    mounted = os.name == "posix" and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    folder.chmod(0o500) if not mounted else None
    if os.access(folder, os.W_OK):
        pytest.skip("needs a folder that cannot be written")
    yield folder
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_that_cannot_be_written(read_only: Path, suffix: str) -> None:
    with pytest.raises(OutputFailed, match="locked cannot be written; choose another folder"):
        open_writer(read_only / f"out{suffix}", UTM, grid=GRID)
    assert names(read_only) == []


# Many


@pytest.mark.parametrize("suffix", [".gpkg", ".parquet", ".coco.json"])
def test_many_segments_in_little_memory(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    peaks = []
    for count in (1200, 3600):
        tracemalloc.start()
        before = pa.total_allocated_bytes()
        with open_writer(path, UTM, grid=GRID, overwrite=True) as writer:
            for first in range(0, count, 100):
                writer.write([segment(number) for number in range(first, first + 100)])
            assert pa.total_allocated_bytes() - before < 100_000
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert len(ids(path)) == 3600
    assert peaks[1] < 1.5 * peaks[0]
