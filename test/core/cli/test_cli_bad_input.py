"""Whatever is wrong with the input: one clear error or a named prompt, its exit code, no broken file."""

from __future__ import annotations

import pickle
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from cli_files import (
    ORIGIN,
    PROGRAM,
    UTM,
    Finished,
    Run,
    environment,
    map_box,
    map_point,
    picture,
    write_raster,
)
from safetensors.numpy import save_file

from ros_sam_core.geo.staging import staging_path

GOOD = ("--box", map_box(20, 20, 40, 32))
"""A prompt with which nothing is wrong."""


@dataclass
class Bench:
    """A folder of files of which one is wrong, and a way to run `ros-sam segment` on them.

    Attributes:
        run: Runs `ros-sam`.
        folder: For the files of one test.
        raster: A good one.
        checkpoint: A good one.
        output: Where polygons go; the only thing in its folder.
    """

    run: Run
    folder: Path
    raster: Path
    checkpoint: Path
    output: Path

    def segment(self, *arguments: object, raster: object = None, **options: object) -> Finished:
        """Run on the good raster with the good model, unless the arguments say otherwise."""
        model = () if "--model" in arguments else ("--model", self.checkpoint)
        output = () if "-o" in arguments else ("-o", self.output)
        return self.run("segment", raster or self.raster, *arguments, *model, *output, **options)

    def left_behind(self) -> list[str]:
        """Return the names of what lies where the output should be."""
        return sorted(path.name for path in self.output.parent.iterdir())


@pytest.fixture
def bench(run: Run, raster: Path, checkpoint: Path, tmp_path: Path) -> Bench:
    results = tmp_path / "results"
    results.mkdir()
    return Bench(run, tmp_path, raster, checkpoint, results / "out.gpkg")


Case = Callable[[Bench], Finished]


def truncated_header(bench: Bench) -> Finished:
    cut = bench.folder / "cut.tif"
    cut.write_bytes(bench.raster.read_bytes()[:100])
    return bench.segment(*GOOD, raster=cut)


def no_raster_but_text(bench: Bench) -> Finished:
    text = bench.folder / "text.tif"
    text.write_text("not a raster")
    return bench.segment(*GOOD, raster=text)


def raster_without_crs(bench: Bench) -> Finished:
    plain = write_raster(bench.folder / "plain.tif", picture(), crs=None)
    return bench.segment(*GOOD, "--prompt-crs", UTM, raster=plain)


def vector_file(bench: Bench, *rows: shapely.Geometry, crs: str | None = UTM) -> Path:
    path = bench.folder / "prompts.gpkg"
    geopandas.GeoDataFrame(geometry=list(rows), crs=crs).to_file(path)
    return path


def empty_vector_file(bench: Bench) -> Finished:
    return bench.segment("--boxes", vector_file(bench))


def vector_file_of_points_as_boxes(bench: Bench) -> Finished:
    return bench.segment("--boxes", vector_file(bench, shapely.Point(ORIGIN)))


def vector_file_that_is_text(bench: Bench) -> Finished:
    path = bench.folder / "prompts.gpkg"
    path.write_text("not a vector file")
    return bench.segment("--points", path)


def crs_out_of_reach(bench: Bench) -> Finished:
    """The moon's coordinates have no operation that leads to the earth's."""
    moon = "+proj=longlat +R=1737400 +no_defs"
    return bench.segment("--box", "15 47 15.1 47.1", "--prompt-crs", moon)


def out_crs_out_of_reach(bench: Bench) -> Finished:
    return bench.segment(*GOOD, "--out-crs", "+proj=longlat +R=1737400 +no_defs")


def nodata_under_the_point(bench: Bench) -> Finished:
    bands = picture()
    bands[:, :100] = 0
    holed = write_raster(bench.folder / "holed.tif", bands, nodata=0)
    return bench.segment("--point", map_point(30, 26), raster=holed)


def nan_under_the_box(bench: Bench) -> Finished:
    bands = picture().astype(np.float32)
    bands[:, :100] = np.nan
    return bench.segment(*GOOD, raster=write_raster(bench.folder / "nan.tif", bands))


def checkpoint_of(content: bytes, name: str = "model.safetensors") -> Case:
    def case(bench: Bench) -> Finished:
        path = bench.folder / name
        path.write_bytes(content)
        return bench.segment(*GOOD, "--model", path)

    return case


def checkpoint_of_something_else(bench: Bench) -> Finished:
    path = bench.folder / "other.safetensors"
    save_file({"weight": np.zeros((2, 2), np.float32)}, path)
    return bench.segment(*GOOD, "--model", path)


def output_exists(bench: Bench) -> Finished:
    there = bench.folder / "there.gpkg"
    shutil.copy(vector_file(bench, shapely.Point(ORIGIN)), there)
    before = there.read_bytes()
    done = bench.segment(*GOOD, "-o", there)
    assert there.read_bytes() == before
    return done


def output_below_a_file(bench: Bench) -> Finished:
    return bench.segment(*GOOD, "-o", bench.raster / "out.gpkg")


NOTHING_WRITTEN: dict[str, tuple[Case, str]] = {
    "missing raster": (lambda b: b.segment(*GOOD, raster=b.folder / "no.tif"), "no.tif: no such raster"),
    "truncated header": (truncated_header, "cut.tif"),
    "no raster at all": (no_raster_but_text, "GDAL cannot open it"),
    "raster without CRS": (raster_without_crs, "prompt 1: it is in EPSG:32633 and the raster has no CRS"),
    "missing vector file": (lambda b: b.segment("--boxes", b.folder / "no.gpkg"), "no.gpkg: no such file"),
    "empty vector file": (empty_vector_file, "holds no geometry"),
    "points as boxes": (vector_file_of_points_as_boxes, "prompt 0 is a Point"),
    "text as vector file": (vector_file_that_is_text, "cannot be read as a vector file"),
    "outside": (lambda b: b.segment("--box", map_box(-9, -9, -5, -5)), "prompt 1: box"),
    "prompt CRS unknown": (lambda b: b.segment(*GOOD, "--prompt-crs", "EPSG:0"), "no known CRS"),
    "prompt CRS out of reach": (crs_out_of_reach, "prompt 1"),
    "output CRS unknown": (lambda b: b.segment(*GOOD, "--out-crs", "nowhere"), "'nowhere' is no known CRS"),
    "output CRS out of reach": (out_crs_out_of_reach, "cannot transform"),
    "output CRS vertical": (
        lambda b: b.segment(*GOOD, "--out-crs", "EPSG:5773"),
        "EPSG:5773, a Vertical CRS",
    ),
    "no finite coordinates": (lambda b: b.segment("--box", "1 2 inf 4"), "not finite"),
    "nodata under the point": (nodata_under_the_point, "prompt 1"),
    "NaN under the box": (nan_under_the_box, "prompt 1"),
    "missing checkpoint": (lambda b: b.segment(*GOOD, "--model", "no-such-model"), "no-such-model"),
    "empty checkpoint": (checkpoint_of(b""), "model.safetensors"),
    "text as checkpoint": (checkpoint_of(b"not a model"), "model.safetensors"),
    "pickle as checkpoint": (checkpoint_of(pickle.dumps({"a": 1}), "model.pth"), "model.pth"),
    "foreign checkpoint": (checkpoint_of_something_else, "no model known here"),
    "output exists": (output_exists, "there.gpkg"),
    "output folder read-only": (lambda b: b.segment(*GOOD, "-o", "/proc/out.gpkg"), "/proc/out.gpkg"),
    "output folder missing": (lambda b: b.segment(*GOOD, "-o", b.folder / "no" / "out.gpkg"), "out.gpkg"),
    "output below a file": (output_below_a_file, "out.gpkg"),
    "output of no format": (lambda b: b.segment(*GOOD, "-o", b.folder / "out.doc"), "out.doc"),
    "output of no name": (lambda b: b.segment(*GOOD, "-o", b.folder / "results" / ".shp"), "outlines.shp"),
    "no prompt": (lambda b: b.segment(), "--boxes"),
    "two sources": (lambda b: b.segment(*GOOD, "--boxes", b.raster), "one of"),
    "no such bands": (lambda b: b.segment(*GOOD, "--bands", "7,8,9"), "[7, 8, 9]"),
    "no such stretch": (lambda b: b.segment(*GOOD, "--stretch", "much"), "'much'"),
}


@pytest.mark.parametrize(("case", "words"), NOTHING_WRITTEN.values(), ids=list(NOTHING_WRITTEN))
def test_nothing_is_written(bench: Bench, case: Case, words: str) -> None:
    done = case(bench)
    assert done.code == 2, done.err
    assert words in done.err
    assert done.out == ""
    assert done.err.count("error: ") == 1
    assert "Traceback" not in done.err
    assert bench.left_behind() == []


@pytest.mark.parametrize("arguments", [[], ["--simplify", "-1"], ["--device", "abacus"], ["--boxen", "1"]])
def test_usage(bench: Bench, arguments: list[str]) -> None:
    done = bench.run("segment", *([bench.raster, "-o", bench.output, *GOOD, *arguments] if arguments else []))
    assert done.code == 2
    assert "Usage: ros-sam segment" in done.err


def test_a_bad_prompt_costs_no_other(bench: Bench) -> None:
    bands = picture().astype(np.float32)
    bands[:, 100:, :] = np.nan
    raster = write_raster(bench.folder / "half.tif", bands)
    boxes = [(20, 20, 40, 32), (20, 120, 40, 132), (-50, -50, -20, -30), (70, 20, 90, 32), (30, 30, 31, 31)]
    texts = [part for box in boxes for part in ("--box", map_box(*box))]
    done = bench.segment(*texts, raster=raster)
    assert done.code == 3
    named = [
        line.split()[2].rstrip(":") for line in done.err.splitlines() if line.startswith("warning: prompt")
    ]
    assert sorted(named)[:2] == ["2", "3"]
    assert set(named[2:]) <= {"5"}  # one pixel of random weights: an outline, or nothing found
    written = list(geopandas.read_file(bench.output)["prompt_id"])
    assert written == [name for name in "12345" if name not in named]


def test_a_truncated_raster(bench: Bench) -> None:
    """The upper half of the pixels is there; what lies below cannot be read."""
    cut = bench.folder / "cut.tif"
    whole = bench.raster.read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    done = bench.segment("--box", map_box(20, 20, 40, 32), "--box", map_box(20, 170, 40, 182), raster=cut)
    assert done.code in (2, 3)
    assert "cut.tif" in done.err
    assert "Traceback" not in done.err
    if done.code == 3:
        assert list(geopandas.read_file(bench.output)["prompt_id"]) == ["1"]
    else:
        assert bench.left_behind() == []


def test_overwrite_replaces_only_by_something(bench: Bench) -> None:
    assert bench.segment(*GOOD).code == 0
    before = bench.output.read_bytes()
    assert bench.segment("--box", map_box(-9, -9, -5, -5), "--overwrite").code == 2
    assert bench.output.read_bytes() == before
    assert bench.segment("--point", map_point(80, 26), "--overwrite").code == 0
    assert list(geopandas.read_file(bench.output)["prompt"]) == ["point"]
    assert bench.left_behind() == ["out.gpkg"]


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 64 KiB."""
    folder = tmp_path / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system takes root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def many_boxes(count: int) -> list[str]:
    """Return `count` good prompts."""
    return [part for _ in range(count) for part in GOOD]


def test_a_full_disk(bench: Bench, full_disk: Path) -> None:
    (full_disk / "filling").write_bytes(bytes(56 * 1024))
    output = full_disk / "out.gpkg"
    check_cut_short(bench.segment(*many_boxes(100), "-o", output), output)


def test_a_file_that_may_not_grow(bench: Bench) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    output = bench.output.with_suffix(".fgb")
    check_cut_short(bench.segment(*many_boxes(100), "-o", output, preexec_fn=limit), output)


def check_cut_short(done: Finished, output: Path) -> None:
    """Check that a run that could not write left a whole file, or none and word of what is kept."""
    assert done.code in (2, 3), done.err
    assert done.err.count("error: ") == 1 and "Traceback" not in done.err
    left = {path.name for path in output.parent.iterdir()} - {"filling"}
    if done.code == 3:
        assert len(geopandas.read_file(output)) > 0
    else:
        kept = f"{output.name}.part.arrows"
        assert left == set() or (left == {kept} and kept in done.err)


def test_ctrl_c_keeps_what_is_finished(bench: Bench, tmp_path: Path) -> None:
    count = 1000
    boxes = geopandas.GeoDataFrame(
        {"prompt_id": [str(number) for number in range(count)]},
        geometry=[shapely.box(ORIGIN[0] + 10, ORIGIN[1] - 16, ORIGIN[0] + 20, ORIGIN[1] - 10)] * count,
        crs=UTM,
    )
    prompts = tmp_path / "many.gpkg"
    boxes.to_file(prompts)
    arguments = ["segment", bench.raster, "--boxes", prompts, "--model", bench.checkpoint, "-o", bench.output]
    process = subprocess.Popen(
        [str(PROGRAM), *map(str, arguments), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(tmp_path),
        text=True,
    )
    unfinished = staging_path(bench.output)
    while process.poll() is None and not (unfinished.exists() and unfinished.stat().st_size > 10_000):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    done = Finished(process.returncode, out, err)
    assert done.code == 130, err
    assert "Traceback" not in err
    written = list(geopandas.read_file(bench.output)["prompt_id"])
    assert 0 < len(written) < count
    assert done.json["interrupted"] is True
    assert done.json["segments"] == len(written)
    assert done.json["not_done"] == [str(number) for number in range(len(written), count)]
    assert "--resume goes on" in err
    assert bench.left_behind() == ["out.gpkg", "out.gpkg.part.arrows"]


@pytest.mark.parametrize("work", [["segment", *GOOD], ["everything"]], ids=lambda work: work[0])
def test_ctrl_c_does_not_wait_for_a_server_that_is_silent(
    work: list[str], bench: Bench, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = f"http://127.0.0.1:{server.getsockname()[1]}/scene.tif"
        command = [PROGRAM, work[0], source, *work[1:], "-o", bench.output]
        process = subprocess.Popen(
            [str(part) for part in command], stderr=subprocess.PIPE, env=environment(tmp_path), text=True
        )
        server.settimeout(60)
        with server.accept()[0]:
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=10)  # GDAL itself waits three times as long
    assert process.returncode == 130 and "Traceback" not in err
    assert bench.left_behind() == []


def test_ctrl_c_before_anything_is_finished(bench: Bench, tmp_path: Path) -> None:
    arguments = ["segment", bench.raster, *GOOD, "--model", bench.checkpoint, "-o", bench.output]
    process = subprocess.Popen(
        [str(PROGRAM), *map(str, arguments)], stderr=subprocess.PIPE, env=environment(tmp_path), text=True
    )
    maps = Path(f"/proc/{process.pid}/maps")
    while "libtorch" not in maps.read_text() and process.poll() is None:  # it has begun to open the model
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert bench.left_behind() == []
