"""Staging: finished segments in a plain file beside the output, until the output is made of them.

The file is an Arrow IPC stream with WKB geometries (GeoArrow), which pyarrow reads. Each write is whole in it
or not at all, so that a run that is killed leaves everything that it had finished.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import shapely
from pyproj import CRS

from ros_sam_core.errors import OutputFailed
from ros_sam_core.geo.record_log import RecordLog, whole_batches
from ros_sam_core.geo.segments import ATTRIBUTES, NUMBERS, Segment, geometries_in

ROWS = 1000
"""Segments that are held at a time when a staging file is read."""


def staging_path(target: Path) -> Path:
    """Return where the finished segments of an unfinished output are: ``<target>.part.arrows`` beside it."""
    return target.with_name(target.name + ".part.arrows")


def schema(crs: CRS | None = None) -> pa.Schema:
    """Return the columns of a staging file: `ATTRIBUTES`, then the geometry, whose metadata names the CRS."""
    types = {name: pa.float64() if name in NUMBERS else pa.string() for name in ATTRIBUTES}
    tag = {"ARROW:extension:name": "geoarrow.wkb"}
    if crs is not None:
        tag["ARROW:extension:metadata"] = json.dumps({"crs": crs.to_json_dict()})
    return pa.schema([*types.items(), pa.field("geometry", pa.binary(), metadata=tag)])


def plain_schema() -> pa.Schema:
    """Return the same columns without metadata."""
    return pa.schema([(column.name, column.type) for column in schema()])


class Staging:
    """A staging file that grows.

    Args:
        path: where; there must be nothing yet.
        crs: of the geometries in it; segments are brought to it.

    Raises:
        OSError: if the file exists, or cannot be created.
    """

    def __init__(self, path: Path, crs: CRS | None) -> None:
        self.path = path
        self.crs = crs
        self.rows = 0
        self._log = RecordLog(path, schema(crs))

    def write(self, segments: Sequence[Segment]) -> None:
        """Append segments, all of them or, with an error, none.

        Raises:
            OSError: if the disk is full or gone.
            CrsTransformFailed: if a segment cannot be brought to the CRS of the file.
        """
        columns = [
            pa.array([getattr(segment, name) for segment in segments], type=self._log.schema.field(name).type)
            for name in ATTRIBUTES
        ]
        columns.append(pa.array(shapely.to_wkb(geometries_in(segments, self.crs)), type=pa.binary()))
        self._log.append(pa.RecordBatch.from_arrays(columns, schema=self._log.schema))
        self.rows += len(segments)

    def read(self) -> Iterator[pa.RecordBatch]:
        """Yield the segments that were written, see `read_staging`.

        Raises:
            OutputFailed: if there are fewer, because something has changed the file.
        """
        found = sum(batch.num_rows for batch in read_staging(self.path))
        if found != self.rows:
            raise OutputFailed(f"{self.path} holds {found} of {self.rows} segments: something has changed it")
        return read_staging(self.path)

    def close(self) -> None:
        """Close the file; it stays."""
        self._log.close()

    def remove(self) -> None:
        """Close and delete the file."""
        self._log.remove()


def read_staging(path: Path, rows: int = ROWS) -> Iterator[pa.RecordBatch]:
    """Yield the segments of a staging file, `rows` at a time.

    A write that was cut off at the end of the file, by a power cut, is left out.

    Raises:
        OSError: if the file cannot be read.
        pyarrow.ArrowInvalid: if it is no staging file.
    """
    with pa.OSFile(str(path), "rb") as file:
        stream = pa.ipc.open_stream(file)
        held: list[pa.RecordBatch] = []
        for batch in whole_batches(stream):
            held.append(batch)
            if sum(part.num_rows for part in held) >= rows:
                yield _joined(held)
                held = []
        if held:
            yield _joined(held)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
