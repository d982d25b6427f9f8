"""Record logs: what was appended is there after any stop, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

from ros_sam_core.errors import OutputExists, OutputFailed, ResumeRefused
from ros_sam_core.geo.record_log import RecordLog, claim, work_of

SCHEMA = pa.schema([("number", pa.int64()), ("text", pa.string())])
WORK = {"model": "a"}


def batch(*numbers: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{"number": n, "text": "x" * n} for n in numbers], SCHEMA)


def numbers_in(log: RecordLog) -> list[list[int]]:
    return [one.column("number").to_pylist() for one in log.batches()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a log with two batches is, that nobody has open."""
    path = tmp_path / "log.arrows"
    log = RecordLog(path, SCHEMA, WORK)
    log.append(batch(1, 2))
    log.append(batch(3))
    log.close()
    return path


def test_batches_come_back_in_order_and_by_number(path: Path) -> None:
    log = RecordLog(path, SCHEMA, WORK, resume=True)
    log.append(batch(4, 5, 6))
    assert len(log) == 3 and numbers_in(log) == [[1, 2], [3], [4, 5, 6]]
    assert log.batch(1).to_pylist() == [{"number": 3, "text": "xxx"}]
    log.close()
    with pa.OSFile(str(path)) as file:
        assert pa.ipc.open_stream(file).read_all().column("number").to_pylist() == [1, 2, 3, 4, 5, 6]


def test_a_log_goes_on_where_it_was_cut_at_any_byte(path: Path) -> None:
    whole = path.read_bytes()
    log = RecordLog(path, SCHEMA, WORK, resume=True)
    ends = [log._starts[0], log._starts[1], log._end]
    log.close()
    for size in {*range(0, len(whole), 13), *ends, *(end - 1 for end in ends)}:
        path.write_bytes(whole[:size])
        log = RecordLog(path, SCHEMA, WORK, resume=True)
        kept = max(0, sum(size >= end for end in ends) - 1)
        assert numbers_in(log) == [[1, 2], [3]][:kept], size
        for missing in [batch(1, 2), batch(3)][kept:]:
            log.append(missing)
        log.close()
        assert path.read_bytes() == whole


def test_a_write_that_fails_is_taken_back(path: Path) -> None:
    log = RecordLog(path, SCHEMA, WORK, resume=True)
    before = path.read_bytes()

    class Full:
        """A disk with room for 100 bytes."""

        def __init__(self) -> None:
            self.room = 100

        def write(self, data: memoryview) -> int:
            if not self.room:
                raise OSError(28, "No space left on device")
            written = file.write(data[: self.room])
            self.room -= written
            return written

        def __getattr__(self, name: str) -> object:
            return getattr(file, name)

    file = log._file
    log._file = Full()  # type: ignore[assignment]
    with pytest.raises(OSError, match="No space"):
        log.append(batch(9, 9, 9))
    log._file = file
    assert path.read_bytes() == before and len(log) == 2
    log.append(batch(7))
    assert numbers_in(log) == [[1, 2], [3], [7]]
    log.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full disk to offer")
def test_a_log_that_cannot_be_begun_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.arrows"

    def broken(self: RecordLog, message: pa.Buffer) -> None:
        with open("/dev/full", "wb", buffering=0) as full:
            full.write(message)

    monkeypatch.setattr(RecordLog, "_append", broken)
    with pytest.raises(OSError, match="No space"):
        RecordLog(path, SCHEMA)
    assert not path.exists()


def test_other_work_is_refused_and_named(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ResumeRefused, match="another model and raster"):
        RecordLog(path, SCHEMA, {"model": "b", "raster": "c"}, resume=True)
    with pytest.raises(ResumeRefused, match="another columns"):
        RecordLog(path, pa.schema([("number", pa.int64())]), WORK, resume=True)
    with pytest.raises(FileExistsError):
        RecordLog(path, SCHEMA, WORK)
    assert path.read_bytes() == before
    assert work_of(path) == WORK and work_of(path.with_name("none")) == {}


def test_one_run_at_a_time(path: Path) -> None:
    log = RecordLog(path, SCHEMA, WORK, resume=True)
    with pytest.raises(OutputExists, match="another run"):
        RecordLog(path, SCHEMA, WORK, resume=True)
    with pytest.raises(OutputExists, match="another run"):
        claim(path)
    log.close()
    claim(path)
    assert not path.exists()
    claim(path)


def test_a_file_that_was_changed_meanwhile_is_said(path: Path) -> None:
    log = RecordLog(path, SCHEMA, WORK, resume=True)
    os.truncate(path, path.stat().st_size - 9)
    with pytest.raises(OutputFailed, match="something has changed it"):
        numbers_in(log)
    log.remove()
    assert not path.exists()
