"""Journal: a staging file that says which prompts are done, so that a later run can go on with it.

It is a staging file with more columns: the number of the prompt that a row answers, and, for a prompt that
gave no segment, why. Each write is whole in it or not at all; a prompt is done when its row is there. The
schema's metadata says which work the file belongs to.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from ros_sam_core.geo.record_log import RecordLog
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
        work: What the results depend on, by name; a journal of other work, or in another CRS, is not gone on
            with.
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
        place = "" if crs is None else crs.to_wkt()
        self._log = RecordLog(path, _schema(crs), {**work, "CRS of the output": place}, resume=resume)
        for number, batch in enumerate(self._log.batches()):
            self._index(batch, number)

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
            pa.array(
                [getattr(result, name, None) for _, result in results], self._log.schema.field(name).type
            )
            for name in ATTRIBUTES
        ]
        errors = [(r.error, r.message) if isinstance(r, Failed) else (None, None) for _, r in results]
        columns += [
            pa.array(wkb, pa.binary()),
            pa.array([number for number, _ in results], pa.int64()),
            *(pa.array(list(part), pa.string()) for part in zip(*errors, strict=True)),
        ]
        self._write(pa.RecordBatch.from_arrays(columns, schema=self._log.schema))

    def note(self, stamp: Stamp) -> None:
        """Remember the stamp of an output that is made of this journal, before it is moved to its place."""
        row = dict.fromkeys(self._log.schema.names) | {"number": NOTE, "message": json.dumps(stamp)}
        self._write(pa.RecordBatch.from_pylist([row], schema=self._log.schema))

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
        for start in range(0, len(numbers), ROWS):
            parts = []
            for batch, row in self._where[numbers[start : start + ROWS]].tolist():
                if batch not in held:
                    held[batch] = self._log.batch(batch)
                    if len(held) > HELD:
                        held.popitem(last=False)
                held.move_to_end(batch)
                parts.append(held[batch].slice(row, 1).select(names))
            table = pa.Table.from_batches(parts).combine_chunks().cast(plain)
            yield from table.to_batches()

    def close(self) -> None:
        """Close the file; it stays."""
        self._log.close()

    def remove(self) -> None:
        """Close and delete the file."""
        self._log.remove()

    def _index(self, batch: pa.RecordBatch, place: int) -> None:
        """Note in which batch of the file rows are, and what they say."""
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
            self._where[number] = place, row
            if error is not None:
                self.failed[number] = Failed(columns["prompt_id"][row], error, message)

    def _write(self, batch: pa.RecordBatch) -> None:
        self._log.append(batch)
        self._index(batch, len(self._log) - 1)


def _schema(crs: CRS | None) -> pa.Schema:
    more = [("number", pa.int64()), ("error", pa.string()), ("message", pa.string())]
    return pa.schema([*schema(crs), *(pa.field(*column) for column in more)])
