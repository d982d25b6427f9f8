"""Outputs are whole or not there, whatever happens: kills, full disks, files in use, locked folders."""

import os
import signal
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
import written
from written import GRID, SUFFIXES, UTM, ids, names, segment, table, write

from ros_sam_core.errors import (
    CrsTransformFailed,
    OutputExists,
    OutputFailed,
)
from ros_sam_core.geo.publish import publish, stamp
from ros_sam_core.geo.staging import read_staging, staging_path
from ros_sam_core.geo.writers import open_writer


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


def test_changes_left_of_a_geopackage_that_is_gone_do_not_get_into_a_new_one(tmp_path: Path) -> None:
    path = write(tmp_path / "out.gpkg", [segment(1)])
    subprocess.run([sys.executable, "-c", LEFT_OPEN.format(path=str(path))], check=False, timeout=60)
    path.unlink()
    left = names(tmp_path)
    with pytest.raises(OutputExists, match=r"out\.gpkg-wal exists"):
        write(path, [segment(2)])
    assert names(tmp_path) == left and "out.gpkg-wal" in left
    write(path, [segment(2)], overwrite=True)
    assert ids(path) == ["2"] and description(path) != "edited"


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
from written import UTM, open_writer, segment
writer = open_writer({path!r}, UTM)
for number in range(10):
    writer.write([segment(number)])
import os, signal
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_outright_leaves_the_finished_ones_readable(tmp_path: Path) -> None:
    path = tmp_path / "out.gpkg"
    code = KILLED.format(folder=str(Path(written.__file__).parent), path=str(path))
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
from written import GRID, UTM, open_writer, segment
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
    code = LIMITED.format(folder=str(Path(written.__file__).parent), path=str(path))
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
