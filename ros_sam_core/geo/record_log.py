"""Record logs: Arrow IPC streams on the disk that grow batch by batch, and that any stop leaves readable.

What must outlast a run is kept in them: finished segments (`staging`), the results of prompts (`journal`) and
of tiles (`predict.everything.journal`). Each batch is whole in the file or not at all; the schema's metadata
may say which work the file belongs to, so that a later run goes on with its own only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from ros_sam_core.errors import OutputExists, OutputFailed, ResumeRefused
from ros_sam_core.file_lock import lock_now

WORK = b"ros_sam.work"


class RecordLog:
    """A file of record batches that grows; locked while it is open.

    Args:
        path: Where.
        schema: Of the batches.
        work: What the batches depend on, by name; a file of other work is not gone on with.
        resume: Go on with the file if there is one, a write that was cut off taken away; else there must be
            none.

    Raises:
        ResumeRefused: The file belongs to other work.
        OutputExists: Another run is at work on the file.
        OSError: The file exists, or cannot be read or written.
    """

    def __init__(
        self, path: Path, schema: pa.Schema, work: Mapping[str, str] | None = None, *, resume: bool = False
    ) -> None:
        self.path = path
        self.schema = schema if work is None else schema.with_metadata({WORK: json.dumps(dict(work))})
        self._starts: list[int] = []
        self._end = 0
        goes_on = resume and path.exists()
        self._file: BinaryIO = open(path, "r+b" if goes_on else "x+b", buffering=0)  # noqa: SIM115 - closed by `close`
        try:
            lock(self._file, path)
        except BaseException:
            self._file.close()
            raise
        try:
            if goes_on:
                self._recall(work or {})
            self._file.truncate(self._end)
            self._file.seek(self._end)
            if not self._end:
                self._append(self.schema.serialize())
        except BaseException:
            self._file.close()
            if not goes_on:
                path.unlink(missing_ok=True)
            raise

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._starts)

    def append(self, batch: pa.RecordBatch) -> None:
        """Append a batch, whole or, with an error, not at all.

        Raises:
            OSError: The disk is full or gone.
        """
        start = self._end
        self._append(batch.serialize())
        self._starts.append(start)

    def batch(self, number: int) -> pa.RecordBatch:
        """Read a batch by its number, counted from 0 in the order in which they were appended.

        Raises:
            OutputFailed: The file has been changed meanwhile.
        """
        try:
            with pa.OSFile(str(self.path), "rb") as file:
                file.seek(self._starts[number])
                return pa.ipc.read_record_batch(pa.ipc.read_message(file), self.schema)
        except (pa.ArrowInvalid, OSError, EOFError) as error:
            raise OutputFailed(
                f"{self.path} holds less than was written: something has changed it"
            ) from error

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all batches in order.

        Raises:
            OutputFailed: The file has been changed meanwhile.
        """
        return map(self.batch, range(len(self)))

    def close(self) -> None:
        """Close the file; it stays."""
        self._file.close()

    def remove(self) -> None:
        """Close and delete the file."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _recall(self, work: Mapping[str, str]) -> None:
        """Find the batches that are whole in the file."""
        with pa.OSFile(str(self.path), "rb") as file:
            try:
                stream = pa.ipc.open_stream(file)
            except (pa.ArrowInvalid, OSError):
                return
            self._check(stream.schema, work)
            start = file.tell()
            for _ in whole_batches(stream):
                self._starts.append(start)
                start = file.tell()
            self._end = start

    def _check(self, found: pa.Schema, work: Mapping[str, str]) -> None:
        before = _work_in(found)
        other = [name for name in work if before.get(name) != work[name]]
        if other or not found.equals(self.schema):
            what = " and ".join(other) or "columns"
            raise ResumeRefused(
                f"{self.path} is of a run with another {what}: give the same again, or --overwrite without "
                "--resume to begin anew"
            )

    def _append(self, message: pa.Buffer) -> None:
        rest = memoryview(message)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except BaseException:
            self._file.truncate(self._end)
            self._file.seek(self._end)
            raise
        self._end += message.size


def whole_batches(stream: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a stream up to one that was cut off, if there is one."""
    while True:
        try:
            batch = stream.read_next_batch()
        except (StopIteration, pa.ArrowInvalid, OSError):
            return
        yield batch


def work_of(path: Path) -> dict[str, str]:
    """Return what the batches in a file depend on; empty if there is none or it is of no work."""
    try:
        with pa.OSFile(str(path), "rb") as file:
            return _work_in(pa.ipc.open_stream(file).schema)
    except (OSError, pa.ArrowInvalid):
        return {}


def _work_in(schema: Any) -> dict[str, str]:
    return dict(json.loads((schema.metadata or {}).get(WORK, b"{}")))


def lock(file: BinaryIO, path: Path) -> None:
    """Keep other runs off, until the file is closed or the process ends in any way.

    Raises:
        OutputExists: One is at work on the file.
    """
    try:
        lock_now(file)
    except OSError as error:
        raise OutputExists(f"{path}: another run is at work on it; wait for it, or stop it") from error


def claim(path: Path) -> None:
    """Take away a file that no run is at work on.

    Raises:
        OutputExists: One is.
        OSError: It cannot be taken away.
    """
    if path.exists():
        with open(path, "r+b", buffering=0) as file:
            lock(file, path)
            if os.name == "posix":
                path.unlink()
        path.unlink(missing_ok=True)
