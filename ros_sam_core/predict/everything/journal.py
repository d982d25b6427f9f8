"""The journal of a run: what each tile gave, in a plain file beside the output, until the run is finished.

Looking at tiles is the work; all that follows is made of the journal again in no time. So a run that was
killed goes on where its journal ends, and gives what an unbroken run gives.

The file is an Arrow IPC stream, a batch a tile. The first row of a batch names the tile and has no geometry,
so that a tile without objects is in it too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import shapely

from ros_sam_core.errors import ResumeRefused
from ros_sam_core.predict.everything.merging import Found

SCHEMA = pa.schema(
    [
        ("tile", pa.int64()),
        ("score", pa.float64()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("geometry", pa.binary()),
    ]
)
WORK = b"ros-sam everything"


def journal_path(target: Path) -> Path:
    """Return where the journal of an output is: ``<target>.part.tiles`` beside it."""
    return target.with_name(target.name + ".part.tiles")


class Journal:
    """A journal that grows.

    Args:
        path: Of the file.
        work: What the run does; a run that does something else cannot go on with it.
        resume: Go on with the journal that is there, if there is one; else it is begun anew.

    Raises:
        ResumeRefused: The journal is of another work, or is none.
        OSError: It cannot be read or written.
    """

    def __init__(self, path: Path, work: str, *, resume: bool) -> None:
        self.path, self._work = path, work
        self._schema = SCHEMA.with_metadata({WORK: work.encode()})
        whole = self._repair() if resume and path.exists() else None
        if whole is None:
            whole = self._schema.serialize().size
            path.write_bytes(self._schema.serialize())
        self._file = open(path, "r+b", buffering=0)  # noqa: SIM115 - closed by `close`
        self._file.truncate(whole)
        self._file.seek(whole)
        self._end = whole

    def add(self, tile: int, found: Sequence[Found]) -> None:
        """Append what a tile gave, whole or, with an error, not at all."""
        rows: list[tuple[object, ...]] = [(tile, None, None, None, None)]
        rows += [(tile, o.score, *o.point, shapely.to_wkb(o.geometry)) for o in found]
        columns = [
            pa.array(column, type=kind.type)
            for column, kind in zip(zip(*rows, strict=True), SCHEMA, strict=True)
        ]
        message = pa.RecordBatch.from_arrays(columns, schema=self._schema).serialize()
        rest = memoryview(message)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except BaseException:
            self._file.truncate(self._end)
            self._file.seek(self._end)
            raise
        self._end += message.size

    def replay(self) -> Iterator[tuple[int, list[Found]]]:
        """Yield each tile of the journal with what it gave, in the order in which they were added."""
        with pa.OSFile(str(self.path), "rb") as file:
            file_end = self._end
            stream = pa.ipc.open_stream(file)
            while file.tell() < file_end:
                yield _read(stream.read_next_batch())

    def close(self) -> None:
        """Close the file; it stays."""
        self._file.close()

    def remove(self) -> None:
        """Close and delete the file."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _repair(self) -> int | None:
        """Return the bytes that whole batches fill; None where not even the beginning is whole.

        Raises:
            ResumeRefused: The journal is of another work.
        """
        if not os.path.getsize(self.path):
            return None
        with pa.OSFile(str(self.path), "rb") as file:
            try:
                stream = pa.ipc.open_stream(file)
            except (pa.ArrowInvalid, OSError):
                return None
            work = (stream.schema.metadata or {}).get(WORK, b"").decode()
            if work != self._work:
                raise ResumeRefused(
                    f"{self.path} is of a run on another raster, with another model or with other options; "
                    "give the same ones to go on, or leave --resume out and allow to overwrite"
                )
            whole = file.tell()
            while True:
                try:
                    stream.read_next_batch()
                except (StopIteration, pa.ArrowInvalid, OSError):
                    return int(whole)
                whole = file.tell()


def _read(batch: pa.RecordBatch) -> tuple[int, list[Found]]:
    tile, *rows = batch.to_pylist()
    found = [Found(shapely.from_wkb(row["geometry"]), row["score"], (row["x"], row["y"])) for row in rows]
    return int(tile["tile"]), found
