"""Everything mode on a file: whoever works, and however often it is cut short, the same bits come out."""

from __future__ import annotations

from pathlib import Path

import geopandas
import psutil
import pytest
from yards import Places, box_at, iou, on_map, write_yard

from ros_sam_core.errors import OutputExists, ResumeRefused
from ros_sam_core.geo.staging import staging_path
from ros_sam_core.predict.crew import Here
from ros_sam_core.predict.everything.options import EverythingOptions
from ros_sam_core.predict.everything.scene import EverythingRun, find_everything
from ros_sam_core.predict.scene import SceneOptions

PLACES: Places = ((60, 60), (512, 60), (1020, 50), (1180, 70), (1800, 60), (2200, 50))
SIZES = EverythingOptions(min_size=22.5, max_size=50, points_per_side=4)
TILES = 5


@pytest.fixture(scope="module")
def raster(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_yard(tmp_path_factory.mktemp("yard") / "yard.tif", 110, 2300, PLACES))


@pytest.fixture(scope="module")
def unbroken(raster: str, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    """What one process with one thread gives."""
    output = tmp_path_factory.mktemp("whole") / "out.gpkg"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SceneOptions, "crew", lambda self: Here(cores=1))
        run = find_everything(raster, output, options=SIZES)
    assert (run.tiles, run.done, run.saved) == (TILES, TILES, True)
    outlines = geopandas.read_file(output).geometry
    assert [sum(iou(o, on_map(box_at(*place))) > 0.75 for o in outlines) for place in PLACES] == [1] * 6
    return rows(output)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.gpkg"


def rows(path: Path) -> list[tuple[object, ...]]:
    return [(*row[1:-1], row.geometry.wkb) for row in geopandas.read_file(path).itertuples()]


def test_workers_give_the_same_bits_and_survive_the_death_of_one(
    raster: str, unbroken: list[tuple[object, ...]], output: Path
) -> None:
    killed: list[int] = []

    def progress(done: int, total: int) -> None:
        if 0 < done < total - 1 and not killed:
            children = psutil.Process().children(recursive=True)
            working = [p for p in children if "spawn_main" in " ".join(p.cmdline())]
            victim = max(working, key=lambda p: p.cpu_times().user)
            victim.kill()
            killed.append(victim.pid)

    run = find_everything(raster, output, SceneOptions(workers=2), SIZES, progress=progress)
    assert killed and (run.done, run.saved) == (TILES, True)
    assert rows(output) == unbroken
    assert [path.name for path in output.parent.iterdir()] == ["out.gpkg"]


def test_lanes_that_finish_in_any_order_give_the_same_bits(
    raster: str, unbroken: list[tuple[object, ...]], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SceneOptions, "crew", lambda self: Here(cores=3))
    find_everything(raster, output, options=SIZES)
    assert rows(output) == unbroken


def interrupted(raster: str, output: Path, scene: SceneOptions, after: int) -> EverythingRun:
    """Run until some tiles are done, then stop as Ctrl-C does."""
    run = EverythingRun(raster, output, scene, SIZES)

    def progress(done: int, total: int) -> None:
        if done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run(progress)
    return run


def test_a_run_goes_on_where_another_was_interrupted(
    raster: str, unbroken: list[tuple[object, ...]], output: Path
) -> None:
    first = interrupted(raster, output, SceneOptions(), 2)
    assert first.saved and 2 <= first.done < TILES
    assert {row[-1] for row in rows(output)} < {row[-1] for row in unbroken}
    with pytest.raises(OutputExists, match="--resume to go on"):
        find_everything(raster, output, options=SIZES)
    with pytest.raises(ResumeRefused, match="another set of options"):
        find_everything(raster, output, SceneOptions(resume=True), EverythingOptions(min_size=23))
    again = interrupted(raster, output, SceneOptions(resume=True), first.done + 1)
    assert again.resumed == first.done and again.done > first.done
    last = find_everything(raster, output, SceneOptions(resume=True), SIZES)
    assert last.resumed == again.done and last.done == TILES
    assert rows(output) == unbroken and not staging_path(output).exists()
