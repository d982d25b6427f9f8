"""Scenes: killed and gone on with, by other workers or fewer, the output is that of one unbroken run."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import psutil
import pytest
import rasterio
from cli_files import picture, write_raster
from distributed import LocalCluster
from geopandas.testing import assert_geodataframe_equal
from rasterio.windows import Window
from scenes import GRID, boxes_on, kill, peak_mb, random_model, start

from ros_sam_core.errors import (
    InvalidParameter,
    NothingSegmented,
    OutputExists,
    RasterUnreadable,
    ResumeRefused,
    WorkersLost,
)
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompt_table import PromptTable
from ros_sam_core.geo.raster import RasterFrame
from ros_sam_core.geo.staging import staging_path
from ros_sam_core.geo.vectorize import PolygonOptions
from ros_sam_core.predict import dask_crew
from ros_sam_core.predict.bench import Bench, SceneJob
from ros_sam_core.predict.crew import Here
from ros_sam_core.predict.groups import group_prompts
from ros_sam_core.predict.scene import SceneOptions, SceneRun, segment_scene

COUNT = 200
PROMPTS = boxes_on(GRID, COUNT)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(random_model(tmp_path_factory.mktemp("model") / "random.safetensors"))


@pytest.fixture(scope="module")
def raster(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_raster(tmp_path_factory.mktemp("raster") / "scene.tif", picture(*GRID.shape)))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, model: str, raster: str) -> geopandas.GeoDataFrame:
    output = tmp_path_factory.mktemp("unbroken") / "out.parquet"
    segment_scene(raster, PROMPTS, output, SceneOptions(model=model))
    assert not staging_path(output).exists()
    return geopandas.read_parquet(output)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.parquet"


def same(output: Path, unbroken: geopandas.GeoDataFrame) -> None:
    """Compare to the last bit, and the order too."""
    assert_geodataframe_equal(geopandas.read_parquet(output), unbroken)
    assert not staging_path(output).exists()


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def until_it_grows(path: Path, alive: psutil.Process | object, by: int = 2000) -> None:
    before = size_of(path)
    while size_of(path) < before + by and alive.is_alive():  # type: ignore[union-attr]
        time.sleep(0.005)


def test_the_rows_are_in_the_order_of_the_prompts(unbroken: geopandas.GeoDataFrame) -> None:
    numbers = [int(name[1:]) for name in unbroken["prompt_id"]]
    assert numbers == sorted(set(numbers))
    assert COUNT // 2 < len(numbers) < COUNT


def test_killed_again_and_again_it_comes_out_as_unbroken(
    model: str, raster: str, unbroken: geopandas.GeoDataFrame, output: Path
) -> None:
    options = SceneOptions(model=model, resume=True)
    moments = random.Random(5)
    for _ in range(3):
        process = start(raster, PROMPTS, output, options)
        until_it_grows(staging_path(output), process)
        time.sleep(moments.uniform(0, 0.1))
        kill(process)
        assert not output.exists()
    left = size_of(staging_path(output))
    assert left > 0
    with open(staging_path(output), "ab") as file:
        file.write(b"\xff\xff\xff\xff\x10\x01\x00\x00torn by a power cut")
    run = segment_scene(raster, PROMPTS, output, options)
    assert 0 < run.resumed < COUNT
    same(output, unbroken)
    assert {failed.prompt_id for failed in run.failed} >= {f"b{COUNT // 2}"}
    assert len(run.failed) + run.segments == COUNT and run.not_done() == []


def test_workers_give_the_same_bits_and_survive_the_death_of_one(
    model: str, raster: str, unbroken: geopandas.GeoDataFrame, output: Path
) -> None:
    killed: list[int] = []

    def progress(done: int, total: int) -> None:
        if 0 < done < total // 2 and not killed:
            children = psutil.Process().children(recursive=True)
            working = [p for p in children if "spawn_main" in " ".join(p.cmdline())]
            victim = max(working, key=lambda p: p.cpu_times().user)
            victim.kill()
            killed.append(victim.pid)

    segment_scene(raster, PROMPTS, output, SceneOptions(model=model, workers=2), progress)
    assert killed
    same(output, unbroken)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None, memory_limit=0) as cluster:
        yield cluster.scheduler_address


def test_a_cluster_gives_the_same_and_keeps_nothing_of_ours(
    cluster: str, model: str, raster: str, unbroken: geopandas.GeoDataFrame, output: Path
) -> None:
    segment_scene(raster, PROMPTS, output, SceneOptions(model=model, cluster=cluster))
    same(output, unbroken)


def test_errors_of_workers_are_ours(cluster: str, model: str, raster: str, output: Path) -> None:
    options = SceneOptions(model=model, cluster=cluster)
    beside = PROMPTS.take(np.array([COUNT // 2]))
    with pytest.raises(NothingSegmented, match="none of the 1 prompts"):
        segment_scene(raster, beside, output, options)
    assert list(output.parent.iterdir()) == []


def test_a_cluster_that_is_not_there(
    model: str, raster: str, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_crew, "PATIENCE_S", 1)
    with pytest.raises(WorkersLost, match=r"no workers at tcp://127\.0\.0\.1:9"):
        segment_scene(raster, PROMPTS, output, SceneOptions(model=model, cluster="tcp://127.0.0.1:9"))
    with pytest.raises(InvalidParameter, match="one of them"):
        SceneOptions(workers=2, cluster="tcp://127.0.0.1:9")
    with pytest.raises(InvalidParameter, match="workers=0"):
        SceneOptions(workers=0)


def interrupted(raster: str, output: Path, options: SceneOptions, after: int = 64) -> SceneRun:
    """Run until some prompts are done, then stop as Ctrl-C does."""
    run = SceneRun(raster, PROMPTS, output, options)

    def progress(done: int, total: int) -> None:
        if done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run(progress)
    return run


def test_an_interrupted_run_leaves_a_valid_file_and_goes_on(
    model: str, raster: str, unbroken: geopandas.GeoDataFrame, output: Path
) -> None:
    options = SceneOptions(model=model)
    first = interrupted(raster, output, options)
    part = geopandas.read_parquet(output)
    assert first.saved and len(part) == first.segments
    assert set(part["prompt_id"]) < set(unbroken["prompt_id"])
    assert len(first.not_done()) == COUNT - first.done
    with pytest.raises(OutputExists, match="--resume to go on"):
        segment_scene(raster, PROMPTS, output, options)
    again = interrupted(raster, output, SceneOptions(model=model, resume=True), 128)
    assert again.resumed == first.done and again.done > first.done
    segment_scene(raster, PROMPTS, output, SceneOptions(model=model, resume=True))
    same(output, unbroken)
    with pytest.raises(OutputExists, match="nothing of it is left to resume"):
        segment_scene(raster, PROMPTS, output, SceneOptions(model=model, resume=True))


def test_only_the_same_work_is_gone_on_with(model: str, raster: str, output: Path) -> None:
    interrupted(raster, output, SceneOptions(model=model))
    whole = output.read_bytes(), staging_path(output).read_bytes()
    resume = SceneOptions(model=model, resume=True)
    with pytest.raises(ResumeRefused, match="another set of prompts"):
        segment_scene(raster, boxes_on(GRID, COUNT, seed=1), output, resume)
    with pytest.raises(ResumeRefused, match="another shape of polygons"):
        holes = PolygonOptions(fill_holes=True)
        segment_scene(raster, PROMPTS, output, SceneOptions(model=model, resume=True, polygons=holes))
    with pytest.raises(ResumeRefused, match="another number of threads"):
        segment_scene(raster, PROMPTS, output, SceneOptions(model=model, resume=True, threads=2))
    with pytest.raises(ResumeRefused, match="another raster, bands or stretch"):
        segment_scene(raster, PROMPTS, output, SceneOptions(model=model, resume=True, stretch="0,120"))
    with pytest.raises(ResumeRefused, match="another CRS of the output"):
        segment_scene(raster, PROMPTS, output, SceneOptions(model=model, resume=True, out_crs="EPSG:4326"))
    assert (output.read_bytes(), staging_path(output).read_bytes()) == whole
    output.write_bytes(b"another program's")
    with pytest.raises(OutputExists, match="changed since the run"):
        segment_scene(raster, PROMPTS, output, resume)
    assert output.read_bytes() == b"another program's"
    segment_scene(raster, PROMPTS, output, SceneOptions(model=model, resume=True, overwrite=True))
    assert len(geopandas.read_parquet(output)) > COUNT // 2


def test_two_runs_do_not_mix(model: str, raster: str, output: Path) -> None:
    process = start(raster, PROMPTS, output, SceneOptions(model=model))
    until_it_grows(staging_path(output), process)
    process_is_alive = process.is_alive()
    for options in (SceneOptions(model=model, resume=True), SceneOptions(model=model, overwrite=True)):
        if process_is_alive:
            with pytest.raises(OutputExists, match="another run is at work"):
                segment_scene(raster, PROMPTS, output, options)
    kill(process)
    assert process_is_alive


def test_each_crop_is_encoded_once(model: str, raster: str) -> None:
    table = PromptTable.of(
        [str(i) for i in range(160)], PROMPTS.crs, boxes=np.repeat(PROMPTS.boxes[:40], 4, axis=0)
    )
    bench = Bench()
    facts = bench.facts(model, "cpu")
    with RasterFrame.open(raster) as frame:
        job = SceneJob(
            raster, raster, frame.bands, frame.stretch, model, "cpu", PolygonOptions(), 1, frame.grid.crs
        )
        plan = group_prompts(table, frame.grid, facts.policy, facts.size)
    assert len(plan) == 5
    for numbers in plan:
        job.work(bench, (numbers, table.take(numbers)))
    bench.close()
    assert bench._segmenter is not None
    encoded = bench._segmenter[1].predictor.encoded
    assert 40 <= encoded <= 160, "once for four prompts, and three times more where a mask is cut"


def test_lanes_and_one_thread_give_the_same(
    model: str, raster: str, unbroken: geopandas.GeoDataFrame, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SceneOptions, "crew", lambda self: Here(cores=3))
    segment_scene(raster, PROMPTS, output, SceneOptions(model=model))
    same(output, unbroken)


def write_sparse(path: Path, grid: Grid, boxes: np.ndarray) -> None:
    """Write a scene of which only the blocks with objects are on the disk; the rest is nodata."""
    height, width = grid.shape
    layout = {"driver": "GTiff", "width": width, "height": height, "count": 3, "dtype": "uint8", "nodata": 0}
    tiles = {"tiled": True, "blockxsize": 256, "blockysize": 256, "sparse_ok": True, "compress": "deflate"}
    with rasterio.open(
        path, "w", transform=grid.transform, crs=grid.crs, BIGTIFF="YES", **layout, **tiles
    ) as file:
        for x, y in {(int(x) // 256 * 256, int(y) // 256 * 256) for x, y in boxes[:, :2]}:
            side = min(512, width - x), min(512, height - y)
            file.write(picture(side[1], side[0]), window=Window(x, y, *side))


def test_a_scene_a_million_pixels_wide(model: str, tmp_path: Path, output: Path) -> None:
    wide = Grid((100_000, 1_000_000), GRID.transform, GRID.crs)
    table = boxes_on(wide, 100)
    low = wide.map_to_pixel(table.boxes[:, :2])
    corners = np.hstack([low, wide.map_to_pixel(table.boxes[:, 2:])])
    write_sparse(
        tmp_path / "wide.tif", wide, np.minimum(corners[:, [0, 3]], corners[:, [2, 1]])[low[:, 0] > 0]
    )
    narrow = str(write_raster(tmp_path / "narrow.tif", picture(*GRID.shape)))
    options = SceneOptions(model=model)
    small = peak_mb(narrow, boxes_on(GRID, 100), tmp_path / "small.parquet", options)
    large = peak_mb(str(tmp_path / "wide.tif"), table, output, options)
    found = geopandas.read_parquet(output)
    assert len(found) > 50 and np.ptp(found.total_bounds[::2]) > 400_000, "metres"
    assert large < small + 150


def test_a_raster_that_breaks_midway_is_one_error_and_what_was_done_is_kept(
    model: str,
    raster: str,
    unbroken: geopandas.GeoDataFrame,
    tmp_path: Path,
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SceneOptions, "crew", lambda self: Here(cores=1))
    copy = tmp_path / "copy.tif"
    whole = Path(raster).read_bytes()
    copy.write_bytes(whole)
    run = SceneRun(str(copy), PROMPTS, output, SceneOptions(model=model))

    def progress(done: int, total: int) -> None:
        """Cut the file off below the rows of the first groups, before any was read."""
        if done == 0:
            copy.write_bytes(whole[: len(whole) * 6 // 10])

    with pytest.raises(RasterUnreadable, match=r"copy\.tif: cannot read its pixels"):
        run.run(progress)
    part = geopandas.read_parquet(output)
    assert 0 < len(part) == run.segments < len(unbroken)
    expected = unbroken.set_index("prompt_id").loc[part["prompt_id"], "geometry"]
    assert (expected.to_numpy() == part.geometry.to_numpy()).all()
    assert pd.Index(part["prompt_id"]).is_unique
