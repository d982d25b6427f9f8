"""`ros-sam everything` on small real files: found, cut short, gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import geopandas
import pytest
import shapely
from cli_files import PROGRAM, UTM, Run, environment
from pyarrow import ipc
from yards import Places, box_at, iou, on_map, write_yard

PLACES: Places = ((60, 80), (512, 80), (1020, 70), (1180, 90))
SIZES = ("--min-size", "22.5", "--max-size", "50", "--points-per-side", "5")
"""Metres; boxes are 28 m long. Tiles are 512 px, so there are three."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_yard(tmp_path_factory.mktemp("yard") / "yard.tif", 160, 1240, PLACES)


@pytest.fixture(scope="module")
def whole(run: Run, scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run that nothing broke."""
    output = tmp_path_factory.mktemp("whole") / "out.gpkg"
    done = run("everything", scene, *SIZES, "-o", output, "--json")
    assert done.code == 0, done.err
    told = done.json
    assert (told["segments"], told["tiles"], told["tiles_not_done"], told["resumed"]) == (4, 3, 0, 0)
    assert told["output"] == str(output) and told["model"] == "ros-sam-tiny" and told["weights"]
    assert [path.name for path in output.parent.iterdir()] == ["out.gpkg"]
    return output


def rows(path: Path) -> list[tuple[object, ...]]:
    table = geopandas.read_file(path)
    return [(*row[1:-1], row.geometry.wkb) for row in table.itertuples()]


def test_objects_with_their_provenance(whole: Path, scene: Path) -> None:
    table = geopandas.read_file(whole)
    assert table.crs == UTM
    for place in PLACES:
        assert sum(iou(outline, on_map(box_at(*place))) > 0.75 for outline in table.geometry) == 1
    assert set(table["prompt"]) == {"grid"} and set(table["source"]) == {str(scene)}
    assert list(table["prompt_id"]) == ["1", "2", "3", "4"] and table["score"].between(0.7, 1).all()
    assert table["area_m2"].between(350, 480).all()


@pytest.mark.slow
def test_killed_and_gone_on_with_it_gives_what_an_unbroken_run_gives(
    run: Run, scene: Path, whole: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.gpkg"
    journal = output.with_name("out.gpkg.part.arrows")
    command = [PROGRAM, "everything", scene, *SIZES, "-o", output]
    process = subprocess.Popen([str(part) for part in command], env=environment(tmp_path))
    while process.poll() is None and _tiles_in(journal) < 1:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not output.exists() and journal.exists()
    kept = journal.read_bytes()
    journal.write_bytes(kept[:-3])  # the last write was cut off too
    refused = run("everything", scene, *SIZES, "-o", output, "--json")
    assert refused.code == 2 and "--resume" in refused.json["error"]["message"]
    other = run("everything", scene, *SIZES, "--nms", "0.3", "-o", output, "--resume", "--json")
    assert other.code == 2 and "another set of options" in other.json["error"]["message"]
    done = run("everything", scene, *SIZES, "-o", output, "--resume", "--json")
    assert done.code == 0, done.err
    assert rows(output) == rows(whole)
    assert not journal.exists()


@pytest.mark.slow
def test_ctrl_c_keeps_the_tiles_that_are_done(run: Run, scene: Path, whole: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.gpkg"
    command = [PROGRAM, "everything", scene, *SIZES, "-o", output]
    process = subprocess.Popen(
        [str(part) for part in command], env=environment(tmp_path), stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and _tiles_in(output.with_name("out.gpkg.part.arrows")) < 1:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130 and "of 3 tiles are in" in told and "--resume" in told
    some = geopandas.read_file(output)
    assert 1 <= len(some) < 4 and some.geometry.is_valid.all()
    done = run("everything", scene, *SIZES, "-o", output, "--resume", "--json")
    assert done.code == 0, done.err
    assert done.json["resumed"] >= 1 and rows(output) == rows(whole)


def test_an_area_in_another_crs(call: Run, scene: Path, tmp_path: Path) -> None:
    area, output = tmp_path / "area.geojson", tmp_path / "out.geojson"
    around = on_map(shapely.box(1120, 40, 1230, 140))
    geopandas.GeoDataFrame(geometry=[around], crs=UTM).to_crs(4326).to_file(area)
    done = call("everything", scene, *SIZES, "--area", area, "-o", output, "--json")
    assert done.code == 0, done.err
    (outline,) = geopandas.read_file(output).to_crs(UTM).geometry
    assert iou(outline, on_map(box_at(1180, 90))) > 0.75
    assert done.json["tiles"] == 1


def test_a_scene_with_nothing_in_it_gives_an_empty_layer(call: Run, tmp_path: Path) -> None:
    empty, output = write_yard(tmp_path / "empty.tif", 160, 160, ()), tmp_path / "out.gpkg"
    done = call("everything", empty, *SIZES, "-o", output, "--json")
    assert done.code == 0 and done.json["segments"] == 0
    assert len(geopandas.read_file(output)) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--pred-iou", "1.5"), "pred_iou = 1.5"),
        (("--min-size", "9", "--max-size", "3"), "min_size = 9"),
        (("--min-size", "0.001"), "min_size = 0.001 m is 0.00"),
        (("--points-per-side", "0"), "points_per_side = 0"),
        (("--out-crs", "nonsense"), "nonsense"),
        (("--area", "nowhere.gpkg"), "nowhere.gpkg"),
        (("--model", "nobody"), "nobody"),
    ],
)
def test_bad_input_is_named(
    call: Run, scene: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = call("everything", scene, "-o", tmp_path / "out.gpkg", *arguments, "--json")
    assert done.code == 2 and words in done.json["error"]["message"]
    assert not list(tmp_path.glob("out*"))


def test_an_area_beside_the_raster_or_without_area_is_named(call: Run, scene: Path, tmp_path: Path) -> None:
    area = tmp_path / "area.gpkg"
    for shape, words in ((shapely.box(0, 0, 9, 9), "beside"), (shapely.Point(1, 1), "Point")):
        geopandas.GeoDataFrame(geometry=[shape], crs=UTM).to_file(area)
        done = call("everything", scene, "--area", area, "-o", tmp_path / "out.gpkg", "--json")
        assert done.code == 2 and words in done.json["error"]["message"]


def _tiles_in(journal: Path) -> int:
    """Return how many tiles a journal holds while another process writes it."""
    count = 0
    if not journal.exists() or not journal.stat().st_size:
        return 0
    with open(journal, "rb") as file:
        try:
            stream = ipc.open_stream(file)
            while True:
                stream.read_next_batch()
                count += 1
        except (StopIteration, OSError, ValueError):
            return count
