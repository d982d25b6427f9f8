"""The journal of a run: what each tile gave, in a plain file beside the output, until the run is finished.

Looking at tiles is the work; all that follows is made of the journal again in no time. So a run that was
killed goes on where its journal ends, and gives what an unbroken run gives.

The file is an Arrow IPC stream, a batch a tile. The first row of a batch names the tile and has no geometry,
so that a tile without objects is in it too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import shapely

from ros_sam_core.errors import ResumeRefused
from ros_sam_core.geo.journal import lock
from ros_sam_core.predict.everything.merging import Found

COLUMNS: tuple[tuple[str, Any], ...] = (
    ("tile", pa.int64()),
    ("score", pa.float64()),
    ("x", pa.float64()),
    ("y", pa.float64()),
    ("geometry", pa.binary()),
)
NOTE = -1
"""The tile of a batch that holds the stamp of an output that was made of this journal."""
WORK = b"ros_sam.work"


class TileJournal:
    """A journal that grows.

    Args:
        path: Of the file.
        work: What the run depends on, by name; a journal of other work is not gone on with.
        resume: Go on with the journal that is there, if there is one; else there must be none.

    Attributes:
        tiles: How many tiles are in it.
        last: The number of the last one, -1 if there is none.
        published: Stamps of the outputs that were made of it.

    Raises:
        ResumeRefused: The journal is of other work.
        OutputExists: Another run is at work on it.
        OSError: It cannot be read or written.
    """

    def __init__(self, path: Path, work: Mapping[str, str], *, resume: bool) -> None:
        self.path = path
        self.tiles, self.last = 0, -1
        self.published: set[tuple[int, int]] = set()
        self._schema = pa.schema(list(COLUMNS), metadata={WORK: json.dumps(dict(work))})
        goes_on = resume and path.exists()
        self._file = open(path, "r+b" if goes_on else "x+b", buffering=0)  # noqa: SIM115 - closed by `close`
        try:
            lock(self._file, path)
            self._end = self._recall(work) if goes_on else 0
            self._file.truncate(self._end)
            self._file.seek(self._end)
            if not self._end:
                self._append(self._schema.serialize())
        except BaseException:
            self._file.close()
            raise

    def add(self, tile: int, found: Sequence[Found]) -> None:
        """Append what a tile gave, whole or, with an error, not at all.

        Raises:
            OSError: The disk is full or gone.
        """
        rows = [(tile, one.score, *one.point, shapely.to_wkb(one.geometry)) for one in found]
        self._write([(tile, None, None, None, None), *rows])
        self.tiles, self.last = self.tiles + 1, tile

    def note(self, stamp: tuple[int, int]) -> None:
        """Remember the stamp of an output that is made of this journal, before it is moved to its place."""
        self._write([(NOTE, None, None, None, json.dumps(stamp).encode())])
        self.published.add(stamp)

    def replay(self) -> Iterator[tuple[int, list[Found]]]:
        """Yield the number of each tile and what it gave, in the order in which they were added."""
        with pa.OSFile(str(self.path), "rb") as file:
            stream = pa.ipc.open_stream(file)
            while file.tell() < self._end:
                first, *rows = stream.read_next_batch().to_pylist()
                if first["tile"] != NOTE:
                    yield first["tile"], [_found(row) for row in rows]

    def close(self) -> None:
        """Close the file; it stays."""
        self._file.close()

    def remove(self) -> None:
        """Close and delete the file."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _recall(self, work: Mapping[str, str]) -> int:
        """Take over what the file holds; return where its last whole batch ends."""
        with pa.OSFile(str(self.path), "rb") as file:
            try:
                stream = pa.ipc.open_stream(file)
            except (pa.ArrowInvalid, OSError):
                return 0
            before = json.loads((stream.schema.metadata or {}).get(WORK, b"{}"))
            other = [name for name in work if before.get(name) != work[name]]
            if other:
                raise ResumeRefused(
                    f"{self.path} is of a run with another {' and '.join(other)}: give the same again, or "
                    "--overwrite without --resume to begin anew"
                )
            while True:
                end = int(file.tell())
                try:
                    batch = stream.read_next_batch()
                except (StopIteration, pa.ArrowInvalid, OSError):
                    return end
                tile = batch.column("tile")[0].as_py()
                if tile == NOTE:
                    size, time = json.loads(batch.column("geometry")[0].as_py())
                    self.published.add((size, time))
                else:
                    self.tiles, self.last = self.tiles + 1, tile

    def _write(self, rows: Sequence[tuple[object, ...]]) -> None:
        columns = zip(zip(*rows, strict=True), COLUMNS, strict=True)
        arrays = [pa.array(column, type=kind) for column, (_, kind) in columns]
        self._append(pa.RecordBatch.from_arrays(arrays, schema=self._schema).serialize())

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


def _found(row: Mapping[str, Any]) -> Found:
    return Found(shapely.from_wkb(row["geometry"]), row["score"], (row["x"], row["y"]))
