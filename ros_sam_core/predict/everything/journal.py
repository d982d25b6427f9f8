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

from ros_sam_core.geo.record_log import RecordLog
from ros_sam_core.predict.everything.merging import Found

COLUMNS: tuple[tuple[str, Any], ...] = (
    ("tile", pa.int64()),
    ("score", pa.float64()),
    ("stability", pa.float64()),
    ("x", pa.float64()),
    ("y", pa.float64()),
    ("geometry", pa.binary()),
)
NOTE = -1
"""The tile of a batch that holds the stamp of an output that was made of this journal."""


class TileJournal:
    """A journal that grows.

    Args:
        path: Of the file.
        work: What the run depends on, by name; a journal of other work is not gone on with.
        resume: Go on with the journal that is there, if there is one; else there must be none.

    Attributes:
        published: Stamps of the outputs that were made of it.

    Raises:
        ResumeRefused: The journal is of other work.
        OutputExists: Another run is at work on it.
        OSError: It cannot be read or written.
    """

    def __init__(self, path: Path, work: Mapping[str, str], *, resume: bool) -> None:
        self.published: set[tuple[int, int]] = set()
        self._places: dict[int, int] = {}
        self._log = RecordLog(path, pa.schema(list(COLUMNS)), work, resume=resume)
        for place, batch in enumerate(self._log.batches()):
            tile = batch.column("tile")[0].as_py()
            if tile == NOTE:
                size, time = json.loads(batch.column("geometry")[0].as_py())
                self.published.add((size, time))
            else:
                self._places[tile] = place

    def __len__(self) -> int:
        """Return how many tiles are in it."""
        return len(self._places)

    def __contains__(self, tile: object) -> bool:
        """Say whether a tile is in it."""
        return tile in self._places

    def add(self, tile: int, found: Sequence[Found]) -> None:
        """Append what a tile gave, whole or, with an error, not at all.

        Raises:
            OSError: The disk is full or gone.
        """
        rows = [(tile, one.score, one.stability, *one.point, shapely.to_wkb(one.geometry)) for one in found]
        self._write([(tile, None, None, None, None, None), *rows])
        self._places[tile] = len(self._log) - 1

    def note(self, stamp: tuple[int, int]) -> None:
        """Remember the stamp of an output that is made of this journal, before it is moved to its place."""
        self._write([(NOTE, None, None, None, None, json.dumps(stamp).encode())])
        self.published.add(stamp)

    def replay(self) -> Iterator[tuple[int, list[Found]]]:
        """Yield the number of each tile and what it gave, in the order of the numbers.

        Raises:
            OutputFailed: The file has been changed meanwhile.
        """
        for tile in sorted(self._places):
            _, *rows = self._log.batch(self._places[tile]).to_pylist()
            yield tile, [_found(row) for row in rows]

    def close(self) -> None:
        """Close the file; it stays."""
        self._log.close()

    def remove(self) -> None:
        """Close and delete the file."""
        self._log.remove()

    def _write(self, rows: Sequence[tuple[object, ...]]) -> None:
        columns = zip(zip(*rows, strict=True), COLUMNS, strict=True)
        arrays = [pa.array(column, type=kind) for column, (_, kind) in columns]
        self._log.append(pa.RecordBatch.from_arrays(arrays, schema=self._log.schema))


def _found(row: Mapping[str, Any]) -> Found:
    return Found(shapely.from_wkb(row["geometry"]), row["score"], row["stability"], (row["x"], row["y"]))
