"""Journal: a staging file that says which prompts are done, so that a later run can go on with it.

It is a staging file with more columns: the number of the prompt that a row answers, and, for a prompt that
gave no segment, why. Each write is whole in it or not at all; a prompt is done when its row is there. The
schema's metadata says which work the file belongs to.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from ros_sam_core.errors import OutputExists, OutputFailed, ResumeRefused
from ros_sam_core.geo.segments import ATTRIBUTES, Segment, geometries_in
from ros_sam_core.geo.staging import ROWS, schema

NOTE = -1
"""The number of a row that answers no prompt: its text is the stamp of an output that this work made."""
HELD = 64
"""Record batches that are held while a journal is read."""

Stamp = tuple[int, int]


@dataclass(frozen=True)
class Failed:
    """A prompt that gave no segment.

    Attributes:
        prompt_id: Its id.
        error: Name of the error's class.
        message: What it said.
    """

    prompt_id: str
    error: str
    message: str


class Journal:
    """A staging file of numbered results.

    Args:
        path: Where.
        crs: Of the geometries in it.
        work: What the results depend on, by name; a journal of other work is not gone on with.
        count: How many prompts there are.
        resume: Go on with the file if there is one; else there must be none.

    Attributes:
        done: bool `[count]`, which prompts have their row.
        failed: Those of them that gave no segment.
        published: Stamps of the outputs that were made of this journal.
        rows: Number of segments.

    Raises:
        ResumeRefused: The file belongs to other work.
        OutputExists: Another run is at work on the file.
        OSError: The file exists, or cannot be read or written.
    """

    def __init__(
        self, path: Path, crs: CRS | None, work: Mapping[str, str], count: int, *, resume: bool = False
    ) -> None:
        self.path, self.crs = path, crs
        self.done = np.zeros(count, bool)
        self.failed: dict[int, Failed] = {}
        self.published: set[Stamp] = set()
        self._where: NDArray[np.int64] = np.full((count, 2), -1)
        self._starts: list[int] = []
        self._end = 0
        self._schema = _schema(crs, work)
        goes_on = resume and path.exists()
        self._file: BinaryIO = open(path, "r+b" if goes_on else "x+b", buffering=0)  # noqa: SIM115 - closed by `close`
        try:
            lock(self._file, path)
            if not (goes_on and self._recall(work)):
                self._file.truncate(0)
                self._append(self._schema.serialize())
        except BaseException:
            self._file.close()
            raise

    @property
    def rows(self) -> int:
        """Number of segments."""
        return int(self.done.sum()) - len(self.failed)

    def add(self, results: Sequence[tuple[int, Segment | Failed]]) -> None:
        """Append the results of prompts by their numbers, all of them or, with an error, none.

        Raises:
            OSError: The disk is full or gone.
            CrsTransformFailed: A segment cannot be brought to the CRS of the file.
        """
        if not results:
            return
        segments = [result for _, result in results if isinstance(result, Segment)]
        shapes = iter(shapely.to_wkb(geometries_in(segments, self.crs)))
        wkb = [next(shapes) if isinstance(result, Segment) else None for _, result in results]
        columns = [
            pa.array([getattr(result, name, None) for _, result in results], self._schema.field(name).type)
            for name in ATTRIBUTES
        ]
        errors = [(r.error, r.message) if isinstance(r, Failed) else (None, None) for _, r in results]
        columns += [
            pa.array(wkb, pa.binary()),
            pa.array([number for number, _ in results], pa.int64()),
            *(pa.array(list(part), pa.string()) for part in zip(*errors, strict=True)),
        ]
        self._write(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def note(self, stamp: Stamp) -> None:
        """Remember the stamp of an output that is made of this journal, before it is moved to its place."""
        row = dict.fromkeys(self._schema.names) | {"number": NOTE, "message": json.dumps(stamp)}
        self._write(pa.RecordBatch.from_pylist([row], schema=self._schema))

    def read(self) -> Iterator[pa.RecordBatch]:
        """Yield the segments in the order of their prompts, with the columns of `staging.schema`.

        Raises:
            OutputFailed: The file has been changed meanwhile.
        """
        found = self.done.copy()
        found[list(self.failed)] = False
        numbers = np.flatnonzero(found)
        plain, names = schema(self.crs), schema().names
        held: OrderedDict[int, pa.RecordBatch] = OrderedDict()
        with pa.OSFile(str(self.path), "rb") as file:
            for start in range(0, len(numbers), ROWS):
                parts = []
                for batch, row in self._where[numbers[start : start + ROWS]].tolist():
                    if batch not in held:
                        held[batch] = self._batch(file, batch)
                        if len(held) > HELD:
                            held.popitem(last=False)
                    held.move_to_end(batch)
                    parts.append(held[batch].slice(row, 1).select(names))
                table = pa.Table.from_batches(parts).combine_chunks().cast(plain)
                yield from table.to_batches()

    def close(self) -> None:
        """Close the file; it stays."""
        self._file.close()

    def remove(self) -> None:
        """Close and delete the file."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _recall(self, work: Mapping[str, str]) -> bool:
        """Take over what the file holds, and cut off a write that was cut off; False if it holds nothing."""
        with pa.OSFile(str(self.path), "rb") as file:
            try:
                stream = pa.ipc.open_stream(file)
            except (pa.ArrowInvalid, OSError):
                return False
            _same_work(self.path, stream.schema, self._schema, work)
            self._end = file.tell()
            while True:
                start = file.tell()
                try:
                    batch = stream.read_next_batch()
                except (StopIteration, pa.ArrowInvalid, OSError):
                    break
                self._index(batch, start)
                self._end = file.tell()
        self._file.truncate(self._end)
        self._file.seek(self._end)
        return True

    def _index(self, batch: pa.RecordBatch, start: int) -> None:
        """Note where the rows of a batch are, and what they say."""
        columns = {
            name: batch.column(name).to_pylist() for name in ("number", "error", "message", "prompt_id")
        }
        for row, number in enumerate(columns["number"]):
            error, message = columns["error"][row], columns["message"][row]
            if number == NOTE:
                size, time = json.loads(message)
                self.published.add((size, time))
                continue
            self.done[number] = True
            self._where[number] = len(self._starts), row
            if error is not None:
                self.failed[number] = Failed(columns["prompt_id"][row], error, message)
        self._starts.append(start)

    def _batch(self, file: pa.NativeFile, number: int) -> pa.RecordBatch:
        file.seek(self._starts[number])
        try:
            return pa.ipc.read_record_batch(pa.ipc.read_message(file), self._schema)
        except (pa.ArrowInvalid, OSError, EOFError) as error:
            raise OutputFailed(
                f"{self.path} holds less than was written: something has changed it"
            ) from error

    def _write(self, batch: pa.RecordBatch) -> None:
        start = self._end
        self._append(batch.serialize())
        self._index(batch, start)

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


def _schema(crs: CRS | None, work: Mapping[str, str]) -> pa.Schema:
    more = [("number", pa.int64()), ("error", pa.string()), ("message", pa.string())]
    whole = pa.schema([*schema(crs), *(pa.field(*column) for column in more)])
    return whole.with_metadata({"ros_sam.work": json.dumps(dict(work))})


def work_of(path: Path) -> dict[str, str]:
    """Return what the results in a journal depend on; empty if there is none or it is of no work."""
    try:
        with pa.OSFile(str(path), "rb") as file:
            metadata = pa.ipc.open_stream(file).schema.metadata or {}
            return dict(json.loads(metadata.get(b"ros_sam.work", b"{}")))
    except (OSError, pa.ArrowInvalid):
        return {}


def _same_work(path: Path, found: pa.Schema, wanted: pa.Schema, work: Mapping[str, str]) -> None:
    before = json.loads((found.metadata or {}).get(b"ros_sam.work", b"{}"))
    other = [name for name in work if before.get(name) != work[name]]
    if other or not found.equals(wanted):
        what = " and ".join(other) or "columns"
        raise ResumeRefused(
            f"{path} is of a run with another {what}: give the same again, or --overwrite without --resume "
            "to begin anew"
        )


def lock(file: BinaryIO, path: Path) -> None:
    """Keep other runs off, until the file is closed or the process ends in any way."""
    try:
        try:
            import fcntl
        except ImportError:  # Windows
            import msvcrt

            file.seek(2**40)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
            file.seek(0)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OutputExists(f"{path}: another run is at work on it; wait for it, or stop it") from error


def claim(path: Path) -> None:
    """Take away a staging file that no run is at work on.

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
